//! The best few of many, kept while the many go by.

use crate::Neighbour;

/// The best neighbours so far of each of some vectors.
///
/// What it ends with depends on what was offered and not on the order: [`Neighbour::precedes`] leaves
/// no two neighbours equal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopK {
    k: usize,
    // Invariant: `k` places for each vector, of which the first `found` are taken, the best first.
    places: Vec<Neighbour>,
    found: Vec<usize>,
}

impl TopK {
    /// For `len` vectors, of which nothing is known.
    pub(crate) fn new(len: usize, k: usize) -> Self {
        Self { k, places: vec![Neighbour::new(0, 0.0); len * k], found: vec![0; len] }
    }

    /// Forgets everything, for another number of vectors.
    pub(crate) fn reset(&mut self, len: usize) {
        self.places.resize(len * self.k, Neighbour::new(0, 0.0));
        self.found.clear();
        self.found.resize(len, 0);
    }

    pub(crate) fn k(&self) -> usize {
        self.k
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The best of vector `at`, the best first.
    pub(crate) fn row(&self, at: usize) -> &[Neighbour] {
        &self.places[at * self.k..][..self.found[at]]
    }

    /// The last of vector `at` that has a place, once all places are taken.
    pub(crate) fn worst(&self, at: usize) -> Option<&Neighbour> {
        (self.found[at] == self.k).then(|| &self.places[(at + 1) * self.k - 1])
    }

    /// The least cosine with which a neighbour that is in row `first` or later gets a place.
    pub(crate) fn bar(&self, at: usize, first: usize) -> f32 {
        match self.worst(at) {
            None => f32::NEG_INFINITY,
            // As near is not enough for a later row.
            Some(worst) if worst.index < first => worst.cosine.next_up(),
            Some(worst) => worst.cosine,
        }
    }

    /// Gives a neighbour of vector `at` its place, if it is good enough for one.
    pub(crate) fn offer(&mut self, at: usize, neighbour: Neighbour) {
        let places = &mut self.places[at * self.k..][..self.k];
        let found = &mut self.found[at];
        let place = places[..*found].partition_point(|other| other.precedes(&neighbour));
        if place == self.k {
            return;
        }
        *found = (*found + 1).min(self.k);
        places[place..*found].rotate_right(1);
        places[place] = neighbour;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_of_offers_does_not_matter(
            offers in prop::collection::vec(-3_i8..4, 0..30)
                .prop_map(|cosines| cosines.into_iter().enumerate().collect::<Vec<_>>())
                .prop_shuffle(),
            k in 1_usize..8,
        ) {
            let mut best = TopK::new(2, k);
            for &(index, cosine) in &offers {
                let neighbour = Neighbour::new(index, cosine.into());
                let bar = best.bar(1, index);
                let before = best.row(1).to_vec();
                best.offer(1, neighbour);
                // What the bar keeps out had no place.
                prop_assert!(neighbour.cosine >= bar || best.row(1) == before);
            }
            let mut expected: Vec<_> =
                offers.iter().map(|&(index, cosine)| (-cosine, index)).collect();
            expected.sort_unstable();
            expected.truncate(k);
            let found: Vec<_> = best.row(1).iter().map(|it| it.index).collect();
            prop_assert_eq!(found, expected.iter().map(|&(_, index)| index).collect::<Vec<_>>());
            prop_assert!(best.row(0).is_empty());
        }
    }
}
