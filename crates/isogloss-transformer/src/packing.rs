//! Several sequences in one row.

use std::cmp::Reverse;

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Which sequences lie in which row, one behind the other.
#[derive(Clone, Debug)]
pub(crate) struct PackedRows {
    /// The sequences of each row, by their number.
    rows: Vec<Vec<usize>>,
    /// The length of the fullest row.
    pub(crate) seq: usize,
}

/// The same on a device.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    /// Rows, and their length.
    pub(crate) dims: [usize; 2],
    /// For each slot of the rows, the place in the flattened batch that it is read from. `[rows · seq]`
    pub(crate) places: Tensor<1, Int>,
    /// For each place of the flattened batch, the slot that its hidden state is in; any for padding.
    /// `[batch · seq]`
    pub(crate) slots: Tensor<1, Int>,
}

impl PackedRows {
    /// Places sequences longest first, each into the first row that it fits.
    pub(crate) fn new(lengths: &[usize], row: usize) -> Self {
        let mut longest_first: Vec<usize> = (0..lengths.len()).collect();
        longest_first.sort_by_key(|&sequence| Reverse(lengths[sequence]));
        let mut rows: Vec<(usize, Vec<usize>)> = Vec::new();
        for sequence in longest_first {
            let length = lengths[sequence];
            match rows.iter_mut().find(|(taken, _)| taken + length <= row) {
                Some((taken, sequences)) => {
                    *taken += length;
                    sequences.push(sequence);
                }
                None => rows.push((length, vec![sequence])),
            }
        }
        let seq = rows.iter().map(|(taken, _)| *taken).max().unwrap_or(0);
        Self { rows: rows.into_iter().map(|(_, sequences)| sequences).collect(), seq }
    }

    pub(crate) fn dims(&self) -> [usize; 2] {
        [self.rows.len(), self.seq]
    }

    /// The lengths of the sequences of each row.
    pub(crate) fn lengths(&self, lengths: &[usize]) -> Vec<Vec<usize>> {
        let of = |row: &Vec<usize>| row.iter().map(|&sequence| lengths[sequence]).collect();
        self.rows.iter().map(of).collect()
    }

    /// - `is_token`: `[batch, seq]`
    pub(crate) fn to_device(&self, is_token: &[bool], seq: usize, device: &Device) -> Packed {
        // Padding reads the first place, and is read by nobody.
        let mut places = vec![0_i64; self.rows.len() * self.seq];
        let mut slots = vec![0_i64; is_token.len()];
        for (row, sequences) in self.rows.iter().enumerate() {
            let tokens = sequences.iter().flat_map(|&sequence| {
                let range = sequence * seq..(sequence + 1) * seq;
                range.filter(|&place| is_token[place])
            });
            for (slot, place) in (row * self.seq..).zip(tokens) {
                places[slot] = (place as u64).cast_signed();
                slots[place] = (slot as u64).cast_signed();
            }
        }
        let ints = |values: Vec<i64>| {
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        };
        Packed { dims: self.dims(), places: ints(places), slots: ints(slots) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_placed_longest_first_where_they_first_fit() {
        let packed = PackedRows::new(&[3, 7, 5, 2, 9], 10);
        assert_eq!(packed.rows, [vec![4], vec![1, 0], vec![2, 3]]);
        assert_eq!(packed.dims(), [3, 10]);
        assert_eq!(packed.lengths(&[3, 7, 5, 2, 9]), [vec![9], vec![7, 3], vec![5, 2]]);
    }

    proptest! {
        #[test]
        fn each_sequence_is_in_one_row_and_rows_hold_what_they_may(
            lengths in prop::collection::vec(1_usize..40, 1..60),
            row in 1_usize..100,
        ) {
            let packed = PackedRows::new(&lengths, row);
            let mut all: Vec<usize> = packed.rows.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
            for row_lengths in packed.lengths(&lengths) {
                let sum: usize = row_lengths.iter().sum();
                prop_assert!(sum <= row || row_lengths.len() == 1);
                prop_assert!(sum <= packed.seq);
            }
            // Two half-empty rows would have been one.
            let half_empty = packed.lengths(&lengths);
            let half_empty = half_empty.iter().filter(|r| 2 * r.iter().sum::<usize>() <= row);
            prop_assert!(half_empty.count() <= 1);
        }
    }
}
