//! Edit distance near the diagonal.

use std::ops::Range;

/// How far from the diagonal cells are computed.
const BEAM: usize = 25;

/// Of cells that are not computed; two steps more still fit.
const FAR: u32 = u32::MAX / 2;

/// The edit distances of prefixes of a hypothesis to prefixes of a reference, all operations at a cost of 1.
///
/// Cells more than 25 from the line between the corners are not computed, so that the distance is at least the
/// true one. What is kept serves other hypotheses of the same length that begin alike.
#[derive(Debug, Default)]
pub(super) struct BeamDistance {
    /// `[hypothesis + 1, reference + 1]`.
    cells: Vec<u32>,
    /// Rows of a hypothesis that is tried.
    tried: [Vec<u32>; 2],
}

/// Which words are wrong, and where each reference word stands in the hypothesis.
#[derive(Debug, Default)]
pub(super) struct Alignment {
    /// For each reference word, the hypothesis word that it is aligned with, or the last one before: -1 before all.
    pub(super) positions: Vec<isize>,
    pub(super) reference_errors: Vec<bool>,
    pub(super) hypothesis_errors: Vec<bool>,
}

/// Which cells of each row are computed.
#[derive(Clone, Copy)]
struct Beam {
    hypothesis_len: usize,
    reference_len: usize,
    ratio: f64,
    width: usize,
}

impl Beam {
    fn new(hypothesis_len: usize, reference_len: usize) -> Self {
        let ratio = reference_len as f64 / hypothesis_len.max(1) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a ratio of two lengths"
        )]
        let width = if ratio / 2.0 > BEAM as f64 {
            (ratio / 2.0 + BEAM as f64).ceil() as usize
        } else {
            BEAM
        };
        Self { hypothesis_len, reference_len, ratio, width }
    }

    fn columns(&self, row: usize) -> Range<usize> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most the reference's length"
        )]
        let diagonal = (row as f64 * self.ratio).floor() as usize;
        let end = if row == self.hypothesis_len {
            self.reference_len + 1
        } else {
            (diagonal + self.width).min(self.reference_len + 1)
        };
        diagonal.saturating_sub(self.width)..end
    }

    /// Fills a row from the one before; returns the least of it.
    fn fill(
        &self,
        row: usize,
        word: u32,
        reference: &[u32],
        before: &[u32],
        cells: &mut [u32],
    ) -> u32 {
        let columns = self.columns(row);
        cells[..columns.start].fill(FAR);
        cells[columns.end.max(columns.start)..].fill(FAR);
        let mut least = FAR;
        let mut left = FAR;
        for column in columns {
            let cost = if column == 0 {
                before[0] + 1
            } else {
                let substituted = before[column - 1] + u32::from(reference[column - 1] != word);
                substituted.min(before[column] + 1).min(left + 1).min(FAR)
            };
            cells[column] = cost;
            left = cost;
            least = least.min(cost);
        }
        least
    }
}

impl BeamDistance {
    /// The distance of a hypothesis, whose cells are kept.
    pub(super) fn set(&mut self, hypothesis: &[u32], reference: &[u32]) -> u32 {
        let width = reference.len() + 1;
        self.cells.clear();
        self.cells.resize((hypothesis.len() + 1) * width, FAR);
        for (cost, cell) in (0..).zip(&mut self.cells[..width]) {
            *cell = cost;
        }
        let beam = Beam::new(hypothesis.len(), reference.len());
        for (place, word) in hypothesis.iter().enumerate() {
            let (before, after) = self.cells.split_at_mut((place + 1) * width);
            beam.fill(place + 1, *word, reference, &before[place * width..], &mut after[..width]);
        }
        self.cells.last().copied().unwrap_or_default()
    }

    /// The distance of a hypothesis that is the kept one up to `shared` words and as long, where it is less than
    /// `limit`.
    pub(super) fn below(
        &mut self,
        hypothesis: &[u32],
        shared: usize,
        reference: &[u32],
        limit: u32,
    ) -> Option<u32> {
        let width = reference.len() + 1;
        let beam = Beam::new(hypothesis.len(), reference.len());
        let [before, after] = &mut self.tried;
        before.clear();
        before.extend_from_slice(&self.cells[shared * width..(shared + 1) * width]);
        after.resize(width, FAR);
        for (place, word) in hypothesis.iter().enumerate().skip(shared) {
            // A distance is no less than the least of any row.
            if beam.fill(place + 1, *word, reference, before, after) >= limit {
                return None;
            }
            std::mem::swap(before, after);
        }
        before.last().copied().filter(|distance| *distance < limit)
    }

    /// How the kept hypothesis is aligned with the reference. Of equally short ways it takes, from the ends on, a
    /// match or substitution, then a word too many in the hypothesis, then one too few.
    pub(super) fn align(&self, hypothesis: &[u32], reference: &[u32], to: &mut Alignment) {
        let width = reference.len() + 1;
        let cell = |row: usize, column: usize| self.cells[row * width + column];
        to.positions.clear();
        to.positions.resize(reference.len(), -1);
        to.reference_errors.clear();
        to.reference_errors.resize(reference.len(), true);
        to.hypothesis_errors.clear();
        to.hypothesis_errors.resize(hypothesis.len(), true);
        let (mut row, mut column) = (hypothesis.len(), reference.len());
        while column > 0 {
            to.positions[column - 1] = row.cast_signed() - 1;
            let is_match = row > 0 && hypothesis[row - 1] == reference[column - 1];
            if row > 0 && cell(row, column) == cell(row - 1, column - 1) + u32::from(!is_match) {
                row -= 1;
                column -= 1;
                to.hypothesis_errors[row] = !is_match;
                to.reference_errors[column] = !is_match;
            } else if row > 0 && cell(row, column) == cell(row - 1, column) + 1 {
                row -= 1;
            } else {
                column -= 1;
            }
        }
    }
}
