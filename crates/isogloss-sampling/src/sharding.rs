//! One worker among several.

use serde::{Deserialize, Serialize};

use crate::StreamError;

/// A worker's part of a stream: of every `count` draws that follow one another, the `index`-th.
///
/// Every draw belongs to one worker, and none is drawn twice to make the parts equal, as
/// PyTorch's `DistributedSampler` does.
///
/// # Examples
///
/// ```
/// use isogloss_sampling::Shard;
///
/// let parts: Vec<Vec<u64>> =
///     (0..4).map(|index| Ok(Shard::try_new(index, 4)?.places(10).collect()))
///         .collect::<Result<_, isogloss_sampling::StreamError>>()?;
/// assert_eq!(parts, [vec![0, 4, 8], vec![1, 5, 9], vec![2, 6], vec![3, 7]]);
/// # Ok::<(), isogloss_sampling::StreamError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Shard {
    // Invariant: index < count.
    index: u32,
    count: u32,
}

impl Shard {
    /// The only worker.
    pub(crate) const WHOLE: Self = Self { index: 0, count: 1 };

    /// The `index`-th of `count` workers, counted from 0.
    ///
    /// # Errors
    ///
    /// [`StreamError::Shard`] where `index` is not below `count`.
    pub fn try_new(index: u32, count: u32) -> Result<Self, StreamError> {
        if index < count {
            Ok(Self { index, count })
        } else {
            Err(StreamError::Shard { index, count })
        }
    }

    /// Which worker this is, counted from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many workers there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The worker's own among `0, …, len - 1`: what it evaluates of a test set of `len` texts.
    pub fn places(self, len: u64) -> impl Iterator<Item = u64> {
        (u64::from(self.index)..len).step_by(self.count as usize)
    }
}
