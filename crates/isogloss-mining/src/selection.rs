//! The best few of each row and column of a tile of cosines.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::product::Products;
use crate::top_k::TopK;
use crate::{MutualNeighbours, Neighbour, Neighbours};

/// How many cosines are compared before any is looked at: a multiple of all vector registers.
const LANES: usize = 32;

/// Vectors of length 1 and width `dim`, in rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vectors<'a> {
    pub(crate) dim: usize,
    pub(crate) values: &'a [f32],
}

/// Some rows of a matrix, ascending.
#[derive(Clone, Debug)]
pub(crate) enum Rows<'a> {
    Range(Range<usize>),
    Listed(&'a [usize]),
}

impl Rows<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Listed(rows) => rows.len(),
        }
    }

    fn row(&self, at: usize) -> usize {
        match self {
            Self::Range(range) => range.start + at,
            Self::Listed(rows) => rows[at],
        }
    }

    /// The vectors in these rows, copied to `gathered` where they are not side by side.
    fn vectors<'a>(&self, from: Vectors<'a>, gathered: &'a mut Vec<f32>) -> &'a [f32] {
        let Vectors { dim, values } = from;
        match self {
            Self::Range(range) => &values[range.start * dim..range.end * dim],
            Self::Listed(rows) => {
                gathered.clear();
                for row in *rows {
                    gathered.extend_from_slice(&values[row * dim..][..dim]);
                }
                gathered
            }
        }
    }
}

/// The best found so far, in one direction or in both, by all threads.
#[derive(Debug)]
pub(crate) struct Best {
    forward: Mutex<TopK>,
    backward: Option<Mutex<TopK>>,
}

impl Best {
    /// For `n_src` sources, each with its best `k_forward` targets.
    pub(crate) fn forward(n_src: usize, k_forward: usize) -> Self {
        Self { forward: Mutex::new(TopK::new(n_src, k_forward)), backward: None }
    }

    /// … and for `n_tgt` targets, each with its best `k_backward` sources.
    pub(crate) fn and_backward(self, n_tgt: usize, k_backward: usize) -> Self {
        Self { backward: Some(Mutex::new(TopK::new(n_tgt, k_backward))), ..self }
    }

    /// What was found at the end; backward nothing, where that was not asked for.
    pub(crate) fn into_neighbours(self) -> MutualNeighbours {
        let inner = |best: Mutex<TopK>| best.into_inner().unwrap_or_else(PoisonError::into_inner);
        let backward = self.backward.map_or_else(|| TopK::new(0, 1), inner);
        MutualNeighbours {
            forward: Neighbours::new(inner(self.forward)),
            backward: Neighbours::new(backward),
        }
    }

    /// What a thread needs to take part.
    pub(crate) fn workspace(&self) -> Workspace {
        let k = |best: &Mutex<TopK>| best.lock().unwrap_or_else(PoisonError::into_inner).k();
        Workspace {
            gathered: Default::default(),
            products: Products::default(),
            by_row: TileBest::new(k(&self.forward)),
            by_column: TileBest::new(self.backward.as_ref().map_or(1, k)),
        }
    }

    /// Compares all of some sources with all of some targets.
    pub(crate) fn compare(
        &self,
        (src, rows): (Vectors<'_>, &Rows<'_>),
        (tgt, columns): (Vectors<'_>, &Rows<'_>),
        workspace: &mut Workspace,
    ) {
        let Workspace { gathered: [gathered_src, gathered_tgt], products, by_row, by_column } =
            workspace;
        let (src_vectors, tgt_vectors) =
            (rows.vectors(src, gathered_src), columns.vectors(tgt, gathered_tgt));
        let cosines = products.multiply(src_vectors, tgt_vectors, src.dim);
        by_row.begin(Some(&self.forward), rows, columns.row(0));
        by_column.begin(self.backward.as_ref(), columns, rows.row(0));
        select(cosines, rows, columns, by_row, by_column);
        by_row.merge_into(Some(&self.forward), rows);
        by_column.merge_into(self.backward.as_ref(), columns);
    }
}

/// What a thread uses again for each tile.
#[derive(Debug)]
pub(crate) struct Workspace {
    gathered: [Vec<f32>; 2],
    products: Products,
    by_row: TileBest,
    by_column: TileBest,
}

/// The best of one tile in one direction, as far as they are better than what other tiles had.
#[derive(Debug)]
struct TileBest {
    best: TopK,
    /// The least cosine with which a later cosine of the tile gets a place.
    bars: Vec<f32>,
}

impl TileBest {
    fn new(k: usize) -> Self {
        Self { best: TopK::new(0, k), bars: Vec::new() }
    }

    /// Empties the places, and takes the bars from what is known; nothing passes where nothing is
    /// asked for. Neighbours will come from row `first` on.
    fn begin(&mut self, known: Option<&Mutex<TopK>>, rows: &Rows<'_>, first: usize) {
        self.best.reset(rows.len());
        self.bars.clear();
        if let Some(known) = known {
            let known = known.lock().unwrap_or_else(PoisonError::into_inner);
            self.bars.extend((0..rows.len()).map(|at| known.bar(rows.row(at), first)));
        } else {
            self.bars.resize(rows.len(), f32::INFINITY);
        }
    }

    fn offer(&mut self, at: usize, neighbour: Neighbour) {
        if neighbour.cosine >= self.bars[at] {
            self.best.offer(at, neighbour);
            // Neighbours come in the order of their rows, so that as near is not enough.
            self.bars[at] = self.bars[at].max(self.best.bar(at, usize::MAX));
        }
    }

    fn merge_into(&self, known: Option<&Mutex<TopK>>, rows: &Rows<'_>) {
        let Some(known) = known else { return };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        for at in 0..rows.len() {
            for neighbour in self.best.row(at) {
                known.offer(rows.row(at), *neighbour);
            }
        }
    }
}

/// Offers each cosine to its row and its column.
///
/// Nearly all are worse than what is known already, and are passed over many at a time.
fn select(
    cosines: &[f32],
    rows: &Rows<'_>,
    columns: &Rows<'_>,
    by_row: &mut TileBest,
    by_column: &mut TileBest,
) {
    let n_columns = columns.len();
    for (r, line) in cosines.chunks_exact(n_columns).enumerate() {
        let row = rows.row(r);
        for (chunk, cosines) in line.chunks(LANES).enumerate() {
            let first = chunk * LANES;
            let bars = &by_column.bars[first..][..cosines.len()];
            if !any_reaches(cosines, bars, by_row.bars[r]) {
                continue;
            }
            for (c, &cosine) in (first..).zip(cosines) {
                by_row.offer(r, Neighbour::new(columns.row(c), cosine));
                by_column.offer(c, Neighbour::new(row, cosine));
            }
        }
    }
}

/// Whether any cosine reaches its own bar or the common one.
#[inline]
fn any_reaches(cosines: &[f32], bars: &[f32], bar: f32) -> bool {
    let reaches = |cosine: f32, own: f32| u32::from(cosine >= if own < bar { own } else { bar });
    if let (Ok(cosines), Ok(bars)) =
        (<&[f32; LANES]>::try_from(cosines), <&[f32; LANES]>::try_from(bars))
    {
        // A length that the compiler knows, and no branch: vector instructions.
        return (0..LANES).map(|i| reaches(cosines[i], bars[i])).fold(0, |any, it| any | it) != 0;
    }
    cosines.iter().zip(bars).any(|(&cosine, &own)| reaches(cosine, own) != 0)
}
