//! How layers read a batch, and what they make of it.

use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_kernels::{HIDDEN, Visibility, causal_bias};
use isogloss_peft::PromptPlace;

use crate::DeviceBatch;

/// What layers made of a batch.
#[derive(Clone, Debug)]
pub struct HiddenStates {
    tokens: Tensor<3>,
    /// Of a prompt, where one stands before the tokens.
    first: Option<Tensor<2>>,
}

impl HiddenStates {
    /// Those of the tokens. `[batch, seq, d_model]`
    pub fn tokens(&self) -> Tensor<3> {
        self.tokens.clone()
    }

    /// That of what stands first in each row: its first token, or the first vector of a
    /// [prompt](isogloss_peft::PromptConfig). `[batch, d_model]`
    pub fn first(&self) -> Tensor<2> {
        let of_tokens = || self.tokens.clone().narrow(1, 0, 1).squeeze_dim(1);
        self.first.clone().unwrap_or_else(of_tokens)
    }
}

/// Without a prompt.
impl From<Tensor<3>> for HiddenStates {
    fn from(tokens: Tensor<3>) -> Self {
        Self { tokens, first: None }
    }
}

/// Rows as layers read them.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Rows, and their length.
    pub(crate) dims: [usize; 2],
    /// Of those rows.
    pub(crate) visibility: Visibility,
    prompts: Option<Prompts>,
}

/// Where prompts stand among tokens.
#[derive(Clone, Debug)]
struct Prompts {
    /// The slots of each row, of which some may be hidden.
    length: usize,
    /// How many of them each row has; one number where all have the same.
    lengths: Vec<usize>,
    /// Whether they stand behind the first token.
    after_first: bool,
}

impl Reading {
    /// A batch as it is.
    pub(crate) fn of(batch: &DeviceBatch) -> Self {
        let visibility = batch.visibility().clone();
        Self { dims: batch.layer_dims(), visibility, prompts: None }
    }

    /// A batch with prompts of these lengths, one number for all rows or one for each; it is not packed then.
    pub(crate) fn prompted(batch: &DeviceBatch, lengths: &[usize], place: PromptPlace) -> Self {
        let [rows, seq] = batch.dims();
        let length = lengths.iter().copied().max().unwrap_or(0);
        let after_first = place == PromptPlace::AfterFirst;
        let prompts = Prompts { length, lengths: lengths.to_vec(), after_first };
        let device = batch.ids.device();
        let key = prompts.key_bias(batch, &device);
        let causal = batch.is_causal().then(|| causal_bias(length + seq, &device));
        let bias = match (key, causal) {
            (Some(key), Some(causal)) => Some((key + causal).clamp_min(HIDDEN)),
            (key, causal) => key.or(causal),
        };
        let visibility = bias.map(Visibility::biased).unwrap_or_default();
        Self { dims: [rows, length + seq], visibility, prompts: Some(prompts) }
    }

    /// Rows of prompts and tokens.
    ///
    /// - `prompts`: `[1 or batch, length, d_model]`
    /// - `tokens`: `[batch · seq, d_model]`
    /// - returns: `[batch · (length + seq), d_model]`
    pub(crate) fn join(&self, prompts: Tensor<3>, tokens: Tensor<2>) -> Tensor<2> {
        let [batch, row] = self.dims;
        let [_, length, d_model] = prompts.dims();
        let prompts = prompts.expand([batch, length, d_model]);
        let tokens = tokens.reshape([batch, row - length, d_model]);
        let after_first = self.prompts.as_ref().is_some_and(|it| it.after_first);
        joined(prompts, tokens, 1, after_first).flatten(0, 1)
    }

    /// What layers made of their rows.
    pub(crate) fn hidden(&self, batch: &DeviceBatch, x: Tensor<2>) -> HiddenStates {
        let Some(Prompts { length, lengths, after_first }) = &self.prompts else {
            return batch.hidden(x).into();
        };
        let ([rows, row], [_, d_model]) = (self.dims, x.dims());
        let (seq, length) = (row - length, *length);
        let all = x.reshape([rows, row, d_model]);
        if *after_first {
            let first = all.clone().narrow(1, 0, 1);
            let rest = (seq > 1).then(|| all.narrow(1, length + 1, seq - 1));
            let tokens = Tensor::cat(std::iter::once(first).chain(rest).collect(), 1);
            return tokens.into();
        }
        let tokens = all.clone().narrow(1, length, seq);
        // Of a row without a prompt, its first token's.
        let firsts: Vec<i64> = (0..rows)
            .map(|at| {
                let own = if lengths.len() == 1 { lengths[0] } else { lengths[at] };
                (at * row + if own == 0 { length } else { 0 }).cast_signed() as i64
            })
            .collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(firsts, [rows]), &all.device());
        let first = all.flatten::<2>(0, 1).select(0, places);
        HiddenStates { tokens, first: Some(first) }
    }
}

impl Prompts {
    /// Hides what the batch hides, and the slots that a row does not fill. `[batch, 1, 1, length + seq]`
    fn key_bias(&self, batch: &DeviceBatch, device: &Device) -> Option<Tensor<4>> {
        let [rows, seq] = batch.dims();
        let is_uneven = self.lengths.iter().any(|&own| own < self.length);
        if batch.key_bias().is_none() && !is_uneven {
            return None;
        }
        let cells = self.lengths.iter().flat_map(|&own| {
            (0..self.length).map(move |slot| if slot < own { 0.0 } else { HIDDEN })
        });
        let cells = cells.collect::<Vec<f32>>();
        let data = TensorData::new(cells, [self.lengths.len(), 1, 1, self.length]);
        let slots = Tensor::<4>::from_data(data, device).expand([rows, 1, 1, self.length]);
        let tokens = batch.key_bias().cloned();
        let tokens = tokens.unwrap_or_else(|| Tensor::zeros([rows, 1, 1, seq], device));
        Some(joined(slots, tokens, 3, self.after_first))
    }
}

/// Slots before tokens, or behind the first of them, along a dimension.
fn joined<const D: usize>(
    slots: Tensor<D>,
    tokens: Tensor<D>,
    dim: usize,
    after_first: bool,
) -> Tensor<D> {
    if !after_first {
        return Tensor::cat(vec![slots, tokens], dim);
    }
    let seq = tokens.dims()[dim];
    let first = tokens.clone().narrow(dim, 0, 1);
    let rest = (seq > 1).then(|| tokens.narrow(dim, 1, seq - 1));
    Tensor::cat([first, slots].into_iter().chain(rest).collect(), dim)
}
