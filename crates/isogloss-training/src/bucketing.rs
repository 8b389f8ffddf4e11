//! Batches of like lengths, so that little of a batch is padding.

use isogloss_core::Seed;
use isogloss_sampling::{Draw, MixtureState, MixtureStream};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::TrainingError;

/// How examples are put together into batches.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BucketConfig {
    /// Tokens in a batch at most, padding and special tokens included. Default: 2,048.
    pub max_tokens: usize,
    /// Batches that are cut from one window of examples, after sorting it by length. One turns
    /// bucketing off. Default: 16.
    pub window: usize,
    /// Packs the sequences of a batch into rows of so many tokens instead, which on Flex may be as many as
    /// those of the batch: nothing is padded but the ends of rows, and examples are taken as they are drawn,
    /// without a window. Default: `None`.
    pub packing: Option<usize>,
}

/// Where a stream of batches stands: in the window that begins at `stream`, before batch `next`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BucketState {
    stream: MixtureState,
    windows: u64,
    next: usize,
    /// The draw that the batch before this one had no room for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    carried: Option<Draw>,
}

impl BucketConfig {
    /// The default window, for batches of a number of tokens.
    pub fn new(max_tokens: usize) -> Self {
        Self { max_tokens, ..Self::default() }
    }

    /// Packs sequences into rows of so many tokens.
    #[must_use]
    pub fn with_packing(self, row: usize) -> Self {
        Self { packing: Some(row), ..self }
    }

    /// Refuses packing where it is not offered: for batches that come in two parts or have labels.
    pub(crate) fn unpacked(self) -> Result<Self, TrainingError> {
        match self.packing {
            None => Ok(self),
            Some(row) => Err(TrainingError::Config {
                field: "packing",
                found: row.to_string(),
                expected: "none but for language modelling",
            }),
        }
    }
}

impl Default for BucketConfig {
    fn default() -> Self {
        Self { max_tokens: 2_048, window: 16, packing: None }
    }
}

/// Draws examples from a stream and groups them by length.
///
/// A window of draws is sorted by length, cut into batches, and the batches are shuffled, so that
/// the model does not see short before long. A draw that falls outside the last batch of its
/// window is in it all the same: every draw is used once.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    config: BucketConfig,
    stream: MixtureStream,
    seed: Seed,
    windows: u64,
    window_start: MixtureState,
    batches: Vec<Vec<Draw>>,
    next: usize,
    /// That of the window's start, and that of its end.
    carried: [Option<Draw>; 2],
}

impl Buckets {
    pub(crate) fn try_new(
        config: BucketConfig,
        stream: MixtureStream,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        let packing = config.packing.unwrap_or(1);
        for (field, value) in
            [("max_tokens", config.max_tokens), ("window", config.window), ("packing", packing)]
        {
            if value == 0 {
                let (found, expected) = ("0".to_owned(), "at least 1");
                return Err(TrainingError::Config { field, found, expected });
            }
        }
        let window_start = stream.state();
        Ok(Self {
            config,
            stream,
            seed,
            windows: 0,
            window_start,
            batches: Vec::new(),
            next: 0,
            carried: [None; 2],
        })
    }

    /// The draws of the next batch; `length` is that of an example with its special tokens.
    pub(crate) fn next_batch(&mut self, length: impl Fn(&Draw) -> usize) -> &[Draw] {
        while self.next == self.batches.len() {
            self.window_start = self.stream.state();
            self.windows += 1;
            self.carried[0] = self.carried[1];
            self.fill(&length);
        }
        self.next += 1;
        &self.batches[self.next - 1]
    }

    fn fill(&mut self, length: impl Fn(&Draw) -> usize) {
        self.next = 0;
        if self.config.packing.is_some() {
            self.take(length);
            return;
        }
        let budget = self.config.max_tokens.saturating_mul(self.config.window);
        let (mut window, mut tokens) = (Vec::new(), 0);
        while tokens < budget {
            let draw = self.stream.next_draw();
            let length = length(&draw);
            tokens += length;
            window.push((length, draw));
        }
        // Stable, so draws of one length stay in their order.
        window.sort_by_key(|(length, _)| *length);
        self.batches.clear();
        let mut batch: Vec<Draw> = Vec::new();
        for (length, draw) in window {
            // Ascending lengths: the newest is the one that all others are padded to.
            if !batch.is_empty() && (batch.len() + 1) * length > self.config.max_tokens {
                self.batches.push(std::mem::take(&mut batch));
            }
            batch.push(draw);
        }
        self.batches.push(batch);
        self.batches.shuffle(&mut self.seed.at(self.windows).rng());
    }

    /// A window that is one batch: what is drawn, for as long as there is room.
    fn take(&mut self, length: impl Fn(&Draw) -> usize) {
        let (mut batch, mut tokens) = (Vec::new(), 0);
        let mut carried = self.carried[0];
        loop {
            let draw = carried.take().unwrap_or_else(|| self.stream.next_draw());
            tokens += length(&draw);
            if tokens > self.config.max_tokens && !batch.is_empty() {
                self.carried[1] = Some(draw);
                break;
            }
            batch.push(draw);
        }
        self.batches = vec![batch];
    }

    pub(crate) fn state(&self) -> BucketState {
        BucketState {
            stream: self.window_start.clone(),
            windows: self.windows,
            next: self.next,
            carried: self.carried[0],
        }
    }

    pub(crate) fn restore(
        &mut self,
        state: BucketState,
        length: impl Fn(&Draw) -> usize,
    ) -> Result<(), String> {
        self.stream.restore(&state.stream).map_err(|error| error.to_string())?;
        self.window_start = state.stream;
        self.windows = state.windows;
        self.carried = [state.carried; 2];
        if state.windows == 0 {
            self.batches.clear();
        } else {
            self.fill(length);
        }
        if state.next > self.batches.len() {
            return Err(format!(
                "`next` is {}, expected at most {} (the batches of a window)",
                state.next,
                self.batches.len()
            ));
        }
        self.next = state.next;
        Ok(())
    }
}
