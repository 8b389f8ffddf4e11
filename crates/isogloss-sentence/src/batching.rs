//! Which rows are read together.

/// Groups rows by length, so that next to nothing is padded: indices of rows, the longest first, of
/// which a batch holds as many as make up `batch_tokens` with its padding, and at least one.
pub(crate) fn batches(lengths: &[usize], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut width = 0;
    for row in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * width <= batch_tokens => batch.push(row),
            _ => {
                width = lengths[row].max(1);
                batches.push(vec![row]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_batch_among_rows_of_its_length() {
        let lengths = [3, 9, 3, 4, 8, 1];
        assert_eq!(batches(&lengths, 16), [vec![1], vec![4, 3], vec![0, 2, 5]]);
        assert_eq!(batches(&lengths, 1).len(), 6);
        assert_eq!(batches(&lengths, usize::MAX / 16), [vec![1, 4, 3, 0, 2, 5]]);
        assert!(batches(&[], 16).is_empty());
    }
}
