//! A bidirectional LSTM over sequences of different lengths.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData, activation};
use isogloss_transformer::{TensorNames, TensorPart};

/// The shape of a [`BiLstm`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BiLstmShape {
    pub(super) vocab_size: usize,
    pub(super) d_embedding: usize,
    pub(super) d_hidden: usize,
    pub(super) n_layers: usize,
}

/// Layers of LSTMs that read from both ends; the sentence's vector is the largest value at any token, in
/// each dimension.
///
/// ```text
/// i, f, g, o = W x + b + U h + c        c ← σ(f) c + σ(i) tanh(g)        h ← σ(o) tanh(c)
/// ```
///
/// # Source
///
/// Artetxe and Schwenk (2019), "Massively Multilingual Sentence Embeddings for Zero-Shot Cross-Lingual
/// Transfer and Beyond", section 3, <https://arxiv.org/abs/1812.10464>.
#[derive(Module, Debug)]
pub(super) struct BiLstm {
    embedding: Embedding,
    layers: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    forward: Direction,
    backward: Direction,
}

#[derive(Module, Debug)]
struct Direction {
    /// `[d_input, 4 · d_hidden]`, the gates in the order i, f, g, o
    input: Linear,
    /// `[d_hidden, 4 · d_hidden]`
    hidden: Linear,
}

/// Rows of ids, padded on the right.
pub(super) struct LstmBatch {
    ids: Tensor<2, Int>,
    /// Where each token of a row that is read backwards stands in the flattened batch. `[batch · seq]`
    backwards: Tensor<1, Int>,
    /// `[batch, seq, 1]`, `None` where no row is padded
    is_padding: Option<Tensor<3, Bool>>,
}

impl LstmBatch {
    /// Every row has an id at least.
    pub(super) fn new(rows: &[&[u32]], pad_id: u32, device: &Device) -> Self {
        let seq = rows.iter().map(|row| row.len()).max().unwrap_or_default();
        let mut ids = Vec::with_capacity(rows.len() * seq);
        let mut backwards: Vec<i64> = Vec::with_capacity(rows.len() * seq);
        let mut is_padding = Vec::with_capacity(rows.len() * seq);
        for (index, row) in rows.iter().enumerate() {
            ids.extend(row.iter().map(|&id| i64::from(id)));
            ids.resize((index + 1) * seq, i64::from(pad_id));
            // Padding stays where it is, behind the last that is read.
            let places = (0..row.len()).rev().chain(row.len()..seq);
            backwards.extend(places.map(|place| ((index * seq + place) as u64).cast_signed()));
            is_padding.extend((0..seq).map(|place| place >= row.len()));
        }
        let shape = [rows.len(), seq];
        let is_padded = is_padding.contains(&true);
        Self {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            backwards: Tensor::from_data(TensorData::new(backwards, [rows.len() * seq]), device),
            is_padding: is_padded.then(|| {
                Tensor::from_data(TensorData::new(is_padding, [rows.len(), seq, 1]), device)
            }),
        }
    }
}

impl BiLstm {
    /// A model whose weights are about to be replaced.
    pub(super) fn blank(shape: BiLstmShape, device: &Device) -> Self {
        let width = 4 * shape.d_hidden;
        let direction = |d_input| Direction {
            input: LinearConfig::new(d_input, width).init(device),
            hidden: LinearConfig::new(shape.d_hidden, width).init(device),
        };
        let layer = |index| {
            let d_input = if index == 0 { shape.d_embedding } else { 2 * shape.d_hidden };
            Layer { forward: direction(d_input), backward: direction(d_input) }
        };
        Self {
            embedding: EmbeddingConfig::new(shape.vocab_size, shape.d_embedding).init(device),
            layers: (0..shape.n_layers).map(layer).collect(),
        }
    }

    /// What the tensors are called in LASER's file.
    pub(super) fn names(n_layers: usize) -> TensorNames {
        let mut names = TensorNames::default();
        names.push(TensorPart::Table, "embedding", "embed_tokens");
        for index in 0..n_layers {
            for (direction, suffix) in [("forward", ""), ("backward", "_reverse")] {
                for (part, theirs) in [("input", "ih"), ("hidden", "hh")] {
                    let ours = format!("layers.{index}.{direction}.{part}");
                    let name = |what| format!("lstm.{what}_{theirs}_l{index}{suffix}");
                    names.push(TensorPart::Matrix, &ours, &name("weight"));
                    names.push(TensorPart::Bias, &ours, &name("bias"));
                }
            }
        }
        names
    }

    /// The vectors of the rows. `[batch, 2 · d_hidden]`
    pub(super) fn forward(&self, batch: &LstmBatch) -> Tensor<2> {
        let [rows, seq] = batch.ids.dims();
        let reversed = |x: Tensor<3>| {
            let width = x.dims()[2];
            let flat = x.flatten::<2>(0, 1).select(0, batch.backwards.clone());
            flat.reshape([rows, seq, width])
        };
        let mut x = self.embedding.forward(batch.ids.clone()); // [batch, seq, d]
        for layer in &self.layers {
            let forward = layer.forward.forward(x.clone());
            let backward = reversed(layer.backward.forward(reversed(x)));
            x = Tensor::cat(vec![forward, backward], 2);
        }
        let dims = x.dims();
        let x = match &batch.is_padding {
            // Below whatever an LSTM gives, which is between -1 and 1.
            Some(is_padding) => x.mask_fill(is_padding.clone().expand(dims), -1e9),
            None => x,
        };
        x.max_dim(1).squeeze_dim(1)
    }
}

impl Direction {
    /// `[batch, seq, d_input]` to `[batch, seq, d_hidden]`, from the first token to the last
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, seq, _] = x.dims();
        // One product for all tokens; what is left for each depends on the one before.
        let inputs = self.input.forward(x); // [batch, seq, 4 · d_hidden]
        let d_hidden = inputs.dims()[2] / 4;
        let mut hidden = Tensor::<2>::zeros([rows, d_hidden], &inputs.device());
        let mut cell = hidden.clone();
        let mut outputs = Vec::with_capacity(seq);
        for token in 0..seq {
            let input = inputs.clone().narrow(1, token, 1).squeeze_dim::<2>(1);
            let gates = input + self.hidden.forward(hidden);
            let gate = |index| gates.clone().narrow(1, index * d_hidden, d_hidden);
            let kept = activation::sigmoid(gate(1)) * cell;
            cell = kept + activation::sigmoid(gate(0)) * gate(2).tanh();
            hidden = activation::sigmoid(gate(3)) * cell.clone().tanh();
            outputs.push(hidden.clone().unsqueeze_dim::<3>(1));
        }
        Tensor::cat(outputs, 1)
    }
}
