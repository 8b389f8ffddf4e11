//! The fewest edits from a hypothesis to a reference, where moving a run of words is one edit.

use std::cmp::Reverse;

use super::edit_distance::{Alignment, BeamDistance};

/// The longest run of words that is moved.
const LONGEST_RUN: usize = 10;

/// How far apart, in words, a run may stand in the hypothesis and in the reference.
const LARGEST_DISTANCE: usize = 50;

/// Moves that are tried for a segment. The round in which they run out moves nothing.
const MOST_CANDIDATES: usize = 1_000;

/// Translation edit distance as of Tercom, by the rules of sacrebleu; keeps its tables from segment to segment.
#[derive(Debug, Default)]
pub(super) struct ShiftDistance {
    distance: BeamDistance,
    alignment: Alignment,
    moved: Vec<u32>,
}

/// A run of hypothesis words and where it goes, in the place of which the words between move up.
#[derive(Clone, Copy, Debug)]
struct Move {
    start: usize,
    len: usize,
    to: usize,
}

/// What a move saves, how long it is, where it starts and where it goes: the largest is the best.
type Rank = (u32, usize, Reverse<usize>, Reverse<usize>);

impl Move {
    fn apply(self, words: &[u32], moved: &mut Vec<u32>) {
        let Self { start, len, to } = self;
        let end = start + len;
        moved.clear();
        let parts: [&[u32]; 4] = if to < start {
            [&words[..to], &words[start..end], &words[to..start], &words[end..]]
        } else {
            // Within the run, or behind it: the words that follow the run move before it.
            let behind = if to > end { to } else { (to + len).min(words.len()) };
            [&words[..start], &words[end..behind], &words[start..end], &words[behind..]]
        };
        moved.extend(parts.into_iter().flatten());
    }
}

impl ShiftDistance {
    /// The number of edits from words to words.
    pub(super) fn edits(&mut self, hypothesis: &[u32], reference: &[u32]) -> usize {
        if reference.is_empty() {
            return hypothesis.len();
        }
        let mut words = hypothesis.to_vec();
        let (mut shifts, mut tried) = (0, 0);
        loop {
            let distance = self.distance.set(&words, reference);
            let best = self.best_move(&words, reference, distance, &mut tried);
            match best {
                Some(best) if tried < MOST_CANDIDATES => {
                    best.apply(&words, &mut self.moved);
                    std::mem::swap(&mut words, &mut self.moved);
                    shifts += 1;
                }
                _ => return shifts + distance as usize,
            }
        }
    }

    /// The move that saves most; of those the longest run, then the first run, then the first place. `None` where
    /// none saves an edit.
    fn best_move(
        &mut self,
        words: &[u32],
        reference: &[u32],
        distance: u32,
        tried: &mut usize,
    ) -> Option<Move> {
        let Self { distance: distances, alignment, moved } = self;
        distances.align(words, reference, alignment);
        let Alignment { positions, reference_errors, hypothesis_errors } = &*alignment;
        let mut best: Option<(Rank, Move)> = None;
        for start in 0..words.len() {
            let first = start.saturating_sub(LARGEST_DISTANCE);
            let last = (start + LARGEST_DISTANCE + 1).min(reference.len());
            for source in first..last {
                let (mut is_hypothesis_wrong, mut is_reference_wrong) = (false, false);
                let pairs = words[start..].iter().zip(&reference[source..]).take(LONGEST_RUN);
                let run = pairs.take_while(|(word, wanted)| word == wanted).count();
                for len in 1..=run {
                    is_hypothesis_wrong |= hypothesis_errors[start + len - 1];
                    is_reference_wrong |= reference_errors[source + len - 1];
                    if !is_hypothesis_wrong || !is_reference_wrong {
                        continue;
                    }
                    // It is there already.
                    let aligned = usize::try_from(positions[source]);
                    if aligned.is_ok_and(|aligned| (start..start + len).contains(&aligned)) {
                        continue;
                    }
                    let mut before = None;
                    for offset in 0..=len {
                        // The place after what the word before the run is aligned with.
                        let to = match (source + offset).checked_sub(1) {
                            None => 0,
                            Some(word) if word < reference.len() => {
                                (positions[word] + 1).cast_unsigned()
                            }
                            Some(_) => break,
                        };
                        if before.replace(to) == Some(to) {
                            continue;
                        }
                        *tried += 1;
                        let candidate = Move { start, len, to };
                        candidate.apply(words, moved);
                        // Those that save less than the best, or nothing, need not be known to the end.
                        let limit = best.map_or(distance, |((saved, ..), _)| distance - saved + 1);
                        let shared = start.min(to);
                        if let Some(after) = distances.below(moved, shared, reference, limit) {
                            let rank = (distance - after, len, Reverse(start), Reverse(to));
                            if best.is_none_or(|(best, _)| rank > best) {
                                best = Some((rank, candidate));
                            }
                        }
                    }
                    if *tried >= MOST_CANDIDATES {
                        return best.map(|(_, best)| best);
                    }
                }
            }
        }
        best.map(|(_, best)| best)
    }
}
