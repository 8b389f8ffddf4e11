//! The encoder: embeddings and a stack of layers.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Embedding, Linear};
use burn::tensor::{Int, Tensor, TensorData};
use isogloss_kernels::{Either, LayerNorm, Quantization, QuantizedMatrix, dropout, embedding};
use isogloss_peft::{
    AdapterHost as _, EmbeddingSite, FullParameters, InvertibleSite, PrefixSite, PromptPlace,
    PromptSite, SiteMut,
};

use crate::hidden_states::Reading;
use crate::initialization::Initialization;
use crate::mlm::chosen;
use crate::recompute;
use crate::{
    BatchError, ConfigFault, DeviceBatch, EncoderBatch, EncoderConfig, EncoderConfigError,
    EncoderLayer, Family, HiddenStates, NormOrder, Pooling,
};

/// Words, positions and, where the model has them, token types and languages, added; in a post-LN
/// model normalised.
#[derive(Module, Debug)]
pub struct Embeddings {
    pub(crate) word: Either<Embedding, QuantizedMatrix>,
    pub(crate) position: Embedding,
    pub(crate) token_type: Option<Embedding>,
    pub(crate) language: Option<Embedding>,
    pub(crate) norm: Option<LayerNorm>,
    /// Beside the table of words.
    pub(crate) word_adapter: EmbeddingSite,
    /// For adapters of languages.
    pub(crate) adapter: InvertibleSite,
    /// For prompts.
    pub(crate) prompt: PromptSite,
    dropout: Dropout,
}

impl Embeddings {
    fn new(config: &EncoderConfig, init: &Initialization<'_>) -> Self {
        let table = |name: &str, rows, zero_row| {
            init.embedding(&format!("embeddings.{name}"), [rows, config.d_model], zero_row)
        };
        let some_table = |name, rows| (rows > 0).then(|| table(name, rows, None));
        let mut position = table("position", config.position_rows(), None);
        if config.fixed_positions {
            position.weight = init.sines(config.position_rows(), config.d_model);
        }
        Self {
            word: Either::A(table("word", config.vocab_size, Some(config.pad_id as usize))),
            position,
            token_type: some_table("token_type", config.n_token_types),
            language: some_table("language", config.n_languages),
            norm: (config.norm == NormOrder::Post)
                .then(|| init.layer_norm(config.d_model, config.layer_norm_eps)),
            word_adapter: EmbeddingSite::new(config.vocab_size, config.d_model),
            adapter: InvertibleSite::new(config.d_model),
            prompt: PromptSite::new(config.d_model),
            dropout: DropoutConfig::new(config.dropout).init(),
        }
    }

    /// The table of positions, its unused rows included. `[position_offset + max_positions, d_model]`
    pub fn position_embedding(&self) -> Tensor<2> {
        self.position.weight.val()
    }

    /// The gain of the normalisation, the lowest parameter that every token passes; `None` in a pre-LN
    /// model. `[d_model]`
    pub fn norm_gain(&self) -> Option<Tensor<1>> {
        self.norm.as_ref().map(|norm| norm.gamma.val())
    }

    /// The rows of the word embedding. `[n]` to `[n, d_model]`
    fn words(&self, ids: Tensor<1, Int>) -> Tensor<2> {
        let found = match &self.word {
            Either::A(table) => embedding(&table.weight, ids.clone()),
            Either::B(table) => table.select(ids.clone()),
        };
        self.word_adapter.forward(found, ids)
    }

    /// What layers are given, and how they read it.
    ///
    /// - `before`: the positions before the first of a row, one number for all or one for each
    /// - `offset`: the row of the table of the first position
    /// - returns: `[rows · row, d_model]`, the rows of the reading
    pub(crate) fn forward(
        &self,
        batch: &DeviceBatch,
        before: &[usize],
        offset: usize,
    ) -> (Tensor<2>, Reading) {
        let (place, prompts) = self.prompt.forward();
        let is_prompted = !prompts.is_empty();
        let lengths = self.prompt.lengths();
        let words: &[usize] = if place == PromptPlace::Words { &lengths } else { &[] };
        let fault = self.check_positions(batch.last_position, before).err();
        assert!(fault.is_none(), "{}", fault.map(|it| it.to_string()).unwrap_or_default());
        let column = |column: &Tensor<2, Int>| {
            if is_prompted { column.clone().flatten(0, 1) } else { batch.layer_rows(column) }
        };
        let rows = |table: &Embedding, of| embedding(&table.weight, column(of));
        let shifted = later(later(batch.positions.clone(), before), words);
        let mut sum = self.words(column(&batch.ids)) + rows(&self.position, &shifted);
        match (&self.token_type, &batch.token_types) {
            (Some(table), Some(types)) => sum = sum + rows(table, types),
            // All are of type 0, one row for all.
            (Some(table), None) => sum = sum + table.weight.val().narrow(0, 0, 1),
            (None, _) => {}
        }
        if let (Some(table), Some(languages)) = (&self.language, &batch.languages) {
            sum = sum + rows(table, languages);
        }
        let tokens = self.finished(sum);
        if !is_prompted {
            return (self.adapter.forward(tokens), Reading::of(batch));
        }
        let reading = Reading::prompted(batch, &lengths, place);
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let d_model = tokens.dims()[1];
        let of_row = |(row, vectors): (usize, Option<Tensor<2>>)| {
            let own = vectors.as_ref().map_or(0, |vectors| vectors.dims()[0]);
            let zeros =
                (own < longest).then(|| Tensor::zeros([longest - own, d_model], &tokens.device()));
            let vectors = vectors.map(|vectors| {
                if place != PromptPlace::Words {
                    return vectors;
                }
                let first = offset + at_row(before, row);
                let mut sum = vectors + self.position.weight.val().narrow(0, first, own);
                if let Some(table) = &self.token_type {
                    sum = sum + table.weight.val().narrow(0, 0, 1);
                }
                self.finished(sum)
            });
            Tensor::cat(vectors.into_iter().chain(zeros).collect(), 0)
        };
        let prompts = prompts.into_iter().enumerate().map(of_row).collect();
        let prompts = Tensor::stack::<3>(prompts, 0); // [1 or batch, longest, d_model]
        let embedded = if place == PromptPlace::Words {
            self.adapter.forward(reading.join(prompts, tokens))
        } else {
            reading.join(prompts, self.adapter.forward(tokens))
        };
        (embedded, reading)
    }

    /// Sums of embeddings, normalised. `[n, d_model]`
    fn finished(&self, sum: Tensor<2>) -> Tensor<2> {
        let sum = match &self.norm {
            Some(norm) => norm.forward(sum),
            None => sum,
        };
        dropout(sum, &self.dropout)
    }

    /// No row goes on behind the last position.
    ///
    /// - `last`: the largest row of the table that is read without what comes before
    /// - `before`: the positions before the first of a row, as [`forward`](Self::forward) takes them
    fn check_positions(&self, last: usize, before: &[usize]) -> Result<(), BatchError> {
        let (place, _) = self.prompt.forward();
        let words = if place == PromptPlace::Words { self.prompt.lengths() } else { Vec::new() };
        let most = |all: &[usize]| all.iter().max().copied().unwrap_or(0);
        let before = most(before) + most(&words);
        let rows = self.position.weight.lazy_shape()[0];
        let fits = last + before < rows;
        if fits { Ok(()) } else { Err(BatchError::Positions { last, before, rows }) }
    }

    /// Whether layers make each row of what attention gives by itself and in the same way, without prompts and
    /// without adapters that differ.
    pub(crate) fn is_by_rows(&self) -> bool {
        let is_even = self.adapter.routes() == [None; 2] && self.adapter.copies().is_none();
        is_even && self.prompt.forward().1.is_empty()
    }

    /// Adapters that differ by rows or tokens are of a batch of so many, and of one that is not packed.
    fn assert_routed(&self, batch: &DeviceBatch) {
        let ([rows, tokens], copies) = (self.adapter.routes(), self.adapter.copies());
        if rows.is_none() && tokens.is_none() && copies.is_none() {
            return;
        }
        let dims = batch.dims();
        assert!(
            copies.is_none_or(|copies| dims[0].is_multiple_of(copies)),
            "a batch of {dims:?} for adapters of which each has a copy of its rows, {copies:?} in all",
        );
        assert!(!batch.is_packed(), "a packed batch for adapters that differ by rows or tokens");
        assert!(
            rows.is_none_or(|rows| rows == dims[0])
                && tokens.is_none_or(|tokens| tokens == dims[1]),
            "a batch of {dims:?} for adapters that differ by {rows:?} rows, {tokens:?} tokens a row",
        );
    }

    /// Maps back what is about to be multiplied with the word embedding, where an adapter maps embeddings.
    /// `[n, d_model]`
    pub(crate) fn undo_adapters(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.adapter.inverse(hidden)
    }
}

/// Positions that come later. `[batch, seq]`
fn later(positions: Tensor<2, Int>, before: &[usize]) -> Tensor<2, Int> {
    if before.iter().all(|&count| count == 0) {
        return positions;
    }
    let before: Vec<i64> = before.iter().map(|count| count.cast_signed() as i64).collect();
    let before = Tensor::<1, Int>::from_data(before.as_slice(), &positions.device());
    positions + before.unsqueeze_dim::<2>(1) // [1 or batch, 1]
}

/// What a row has of one number for all, of one for each, or of none.
fn at_row(numbers: &[usize], row: usize) -> usize {
    match numbers {
        [] => 0,
        [all] => *all,
        rows => rows[row],
    }
}

/// `tanh(dense h₀)`: a vector of the first token for tasks on whole sequences.
///
/// # Source
///
/// Devlin et al. (2019), "BERT", <https://arxiv.org/abs/1810.04805>, where it is trained to predict
/// whether one sentence follows another. It is no sentence embedding unless it was trained as one, as
/// in LaBSE.
#[derive(Module, Debug)]
pub struct Pooler {
    pub(crate) dense: Linear,
}

impl Pooler {
    /// # Shapes
    ///
    /// - `hidden`: `[batch, seq, d_model]`, or what an encoder has [read](Encoder::read)
    /// - returns: `[batch, d_model]`
    pub fn forward(&self, hidden: impl Into<HiddenStates>) -> Tensor<2> {
        self.dense.forward(hidden.into().first()).tanh()
    }
}

/// A multilingual encoder in the shape of BERT, XLM, XLM-R, and what came after them.
///
/// ```text
/// x = drop(LN(word[id] + position[p] (+ token_type[t]) (+ language[l])))    then n_layers × EncoderLayer
/// ```
///
/// In a pre-LN model the normalisation stands behind the last layer instead.
///
/// Dropout acts whenever the parameters and the batch are on an autodiff device: evaluate a
/// `valid()` model on batches of the plain device.
///
/// # Source
///
/// Conneau et al. (2020), "Unsupervised Cross-lingual Representation Learning at Scale",
/// <https://arxiv.org/abs/1911.02116>; language embeddings and restarting positions as in Lample and
/// Conneau (2019), <https://arxiv.org/abs/1901.07291>.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{EncoderBatch, EncoderConfig, SequenceInput};
///
/// let device = Device::flex();
/// let config = EncoderConfig::new(10).with_d_model(8).with_n_layers(2).with_n_heads(2);
/// let encoder = config.try_init(&device, Seed::new(1))?;
/// let rows = [SequenceInput::new(vec![0, 5, 6, 2]), SequenceInput::new(vec![0, 7, 2])];
/// let batch = EncoderBatch::try_new(&config, &rows)?.to_device(&device);
/// assert_eq!(encoder.forward(&batch).dims(), [2, 4, 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Module, Debug)]
pub struct Encoder {
    pub(crate) embeddings: Embeddings,
    pub(crate) layers: Vec<EncoderLayer>,
    /// Before the tokens of all layers.
    pub(crate) prefix: PrefixSite,
    pub(crate) final_norm: Option<LayerNorm>,
    pub(crate) pooler: Option<Pooler>,
    // Invariant: the shape that the modules above have.
    #[module(skip)]
    config: EncoderConfig,
    /// What adapters have in the place of parameters of the model.
    #[module(skip)]
    pub(crate) full: FullParameters,
    /// Whose names others call its tensors by.
    #[module(skip)]
    pub(crate) family: Option<Family>,
}

impl Encoder {
    pub(crate) fn new(config: &EncoderConfig, init: &Initialization<'_>) -> Self {
        let layer = |index| EncoderLayer::new(config, &format!("layers.{index}"), init);
        Self {
            embeddings: Embeddings::new(config, init),
            layers: (0..config.n_layers).map(layer).collect(),
            prefix: PrefixSite::new(config.n_layers, config.d_model, config.n_heads),
            final_norm: (config.norm == NormOrder::Pre)
                .then(|| init.layer_norm(config.d_model, config.layer_norm_eps)),
            pooler: config.pooler.then(|| Pooler {
                dense: init.linear("pooler.dense", [config.d_model, config.d_model]),
            }),
            config: config.clone(),
            full: FullParameters::default(),
            family: None,
        }
    }

    /// The shape of this encoder.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Says which id fills short rows, where a file names another than its tokenizer fills them with, as
    /// that of multilingual-e5-small does.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`] for an id that there is not, and in a model with a
    /// [`position_offset`](EncoderConfig::position_offset), whose positions count from that id.
    pub fn with_pad_id(mut self, pad_id: u32) -> Result<Self, EncoderConfigError> {
        let expected = self.config.pad_id;
        self.config.pad_id = pad_id;
        self.config.try_check()?;
        let mut faults = Vec::new();
        let holds = pad_id == expected || self.config.position_offset == 0;
        ConfigFault::check(&mut faults, holds, "pad_id", pad_id, expected.to_string());
        if faults.is_empty() { Ok(self) } else { Err(EncoderConfigError { faults }) }
    }

    /// The embeddings under the layers.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// The pooler on top, where there is one.
    pub fn pooler(&self) -> Option<&Pooler> {
        self.pooler.as_ref()
    }

    /// Takes the pooler off.
    pub(crate) fn take_pooler(&mut self) -> Option<Pooler> {
        self.config.pooler = false;
        self.pooler.take()
    }

    /// Takes note of rows that were appended to the word embedding.
    pub(crate) fn append_vocabulary(&mut self, rows: usize) {
        if rows > 0 {
            self.embeddings.word_adapter.grow(rows);
            self.config.vocab_size += rows;
            self.config.vocab_extensions.push(rows);
        }
    }

    /// The word embedding, which a masked language model ties its output to; one of few bits is widened.
    /// `[vocab_size, d_model]`
    pub fn word_embedding(&self) -> Tensor<2> {
        match &self.embeddings.word {
            Either::A(table) => table.weight.val(),
            Either::B(table) => table.to_float(),
        }
    }

    /// Rounds the word embedding and the matrices of the layers, in the memory that [`Quantization`] says, at about the
    /// same speed. The embedding is in 8 bits at least: its rows, of which each is a word's alone, bear less.
    ///
    /// Everything is still computed in 32 bits, and an adapter trains on it as before: what Dettmers et al. (2023),
    /// "QLoRA", <https://arxiv.org/abs/2305.14314>, do with [`Quantization::Nf4`]. What is rounded takes no gradient,
    /// and such a model is not saved: keep the directory that it was opened from.
    #[must_use]
    pub fn quantized(mut self, format: Quantization) -> Self {
        if let Either::A(table) = &self.embeddings.word {
            let table = QuantizedMatrix::quantize(table.weight.val(), format.of_table());
            self.embeddings.word = Either::B(table);
        }
        self.for_each_site(&mut |_, site| {
            if let SiteMut::Linear(site) = site {
                *site = site.clone().quantized(format);
            }
        });
        self
    }

    /// The paths of the weights that [`quantized`](Self::quantized) rounds, and to what.
    pub(crate) fn quantized_weights(
        &mut self,
        format: Quantization,
    ) -> BTreeMap<String, Quantization> {
        let word = ("embeddings.word.weight".to_owned(), format.of_table());
        let mut paths = BTreeMap::from([word]);
        self.for_each_site(&mut |path, site| {
            if let SiteMut::Linear(_) = site {
                paths.insert(format!("{path}.base.weight"), format);
            }
        });
        paths
    }

    /// Takes rounded weights, by [their paths](Self::quantized_weights): the embedding, and matrices
    /// transposed.
    pub(crate) fn take_quantized(&mut self, mut matrices: BTreeMap<String, QuantizedMatrix>) {
        if let Some(table) = matrices.remove("embeddings.word.weight") {
            self.embeddings.word = Either::B(table);
        }
        self.for_each_site(&mut |path, site| {
            if let SiteMut::Linear(site) = site
                && let Some(matrix) = matrices.remove(&format!("{path}.base.weight"))
            {
                *site = site.clone().with_quantized(matrix);
            }
        });
    }

    /// Whether its weights are [rounded](Self::quantized).
    pub fn is_quantized(&self) -> bool {
        matches!(self.embeddings.word, Either::B(_))
    }

    /// The hidden states of the last layer.
    ///
    /// Rows at padding hold numbers that mean nothing.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, seq, d_model]`
    pub fn forward(&self, batch: &DeviceBatch) -> Tensor<3> {
        self.forward_layers(batch, self.layers.len())
    }

    /// The hidden states after the first `n_layers` layers, of which 0 gives the embeddings.
    ///
    /// The middle layers of a multilingual encoder are often closer across languages than the last,
    /// which has turned to predicting words. More layers than there are gives the last. In a pre-LN model
    /// only the last are normalised, as they are in transformers' `hidden_states`.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, seq, d_model]`
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn forward_layers(&self, batch: &DeviceBatch, n_layers: usize) -> Tensor<3> {
        self.read_layers(batch, n_layers).tokens()
    }

    /// The hidden states of the last layer, and what stands first in each row.
    ///
    /// # Panics
    ///
    /// Where adapters that differ by rows or tokens act, and the batch has another number of those, or is
    /// packed; and where a prompt or a prefix leaves no positions for the longest row: see
    /// [`check`](Self::check).
    pub fn read(&self, batch: &DeviceBatch) -> HiddenStates {
        self.read_layers(batch, self.layers.len())
    }

    /// Hands `each` the hidden states after 0 layers, which are the embeddings, after 1, and so on to the last, with
    /// that number: those of [`forward_layers`](Self::forward_layers), all of one pass.
    ///
    /// Of what `each` does not keep, nothing is held. For models that learn nothing here: no
    /// [`RecomputeTape`](crate::RecomputeTape) takes part.
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    pub fn for_each_layer(&self, batch: &DeviceBatch, mut each: impl FnMut(usize, HiddenStates)) {
        let (mut x, reading) = self.embedded(batch);
        let prefixes = self.prefix.forward();
        each(0, reading.hidden(batch, self.finished(x.clone(), 0)));
        for (n_layers, (layer, prefix)) in (1..).zip(self.layers.iter().zip(&prefixes)) {
            x = layer.forward(x, &reading, prefix.as_ref(), None);
            each(n_layers, reading.hidden(batch, self.finished(x.clone(), n_layers)));
        }
    }

    /// What goes into the layers, and how they read it.
    fn embedded(&self, batch: &DeviceBatch) -> (Tensor<2>, Reading) {
        self.embeddings.assert_routed(batch);
        let before = self.prefix.positions();
        self.embeddings.forward(batch, &before, self.config.position_offset)
    }

    /// What so many layers made, normalised behind the last of a pre-LN model.
    fn finished(&self, x: Tensor<2>, n_layers: usize) -> Tensor<2> {
        match &self.final_norm {
            Some(norm) if n_layers >= self.layers.len() => norm.forward(x),
            _ => x,
        }
    }

    fn read_layers(&self, batch: &DeviceBatch, n_layers: usize) -> HiddenStates {
        let (embedded, reading) = self.embedded(batch);
        let x = self.through_layers(embedded, &reading, n_layers, None);
        reading.hidden(batch, x)
    }

    /// What so many layers make of what was embedded; of the last, those rows of the reading that are wanted.
    fn through_layers(
        &self,
        embedded: Tensor<2>,
        reading: &Reading,
        n_layers: usize,
        wanted: Option<&Tensor<1, Int>>,
    ) -> Tensor<2> {
        let prefixes = self.prefix.forward();
        let layers = &self.layers[..n_layers.min(self.layers.len())];
        let recomputed =
            recompute::forward(layers, &self.embeddings, &embedded, &prefixes, reading, wanted);
        let x = recomputed.unwrap_or_else(|| {
            EncoderLayer::forward_all(layers, embedded, reading, &prefixes, wanted)
        });
        self.finished(x, n_layers)
    }

    /// The hidden states of the last layer at some places of a batch: up to rounding the numbers of
    /// [`forward`](Self::forward), without what the last layer makes of the other tokens behind attention, which
    /// nobody would look at. Where half of the tokens and more are wanted, or adapters differ by rows, everything
    /// is computed all the same.
    ///
    /// Dropout draws other numbers than in a pass that computes everything.
    ///
    /// # Shapes
    ///
    /// - `flat_positions`: `[n]`, each `row · seq + position`
    /// - returns: `[n, d_model]`
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read), and for a position that there is not, as Burn's operations do.
    pub fn forward_at(&self, batch: &DeviceBatch, flat_positions: &Tensor<1, Int>) -> Tensor<2> {
        let all = || chosen(self.forward(batch), flat_positions);
        self.wanted(batch, self.layers.len(), flat_positions).unwrap_or_else(all)
    }

    /// The states behind so many layers at some places, where they can be computed without the others.
    fn wanted(
        &self,
        batch: &DeviceBatch,
        n_layers: usize,
        flat_positions: &Tensor<1, Int>,
    ) -> Option<Tensor<2>> {
        if !self.embeddings.is_by_rows() || n_layers.min(self.layers.len()) == 0 {
            return None;
        }
        let slots = batch.few_slots(flat_positions)?;
        let (embedded, reading) = self.embedded(batch);
        Some(self.through_layers(embedded, &reading, n_layers, Some(&slots)))
    }

    /// Whether the rows of a batch have positions beside the prompts and prefixes that act.
    ///
    /// # Errors
    ///
    /// [`BatchError::Positions`] where they have not.
    pub fn check(&self, batch: &EncoderBatch) -> Result<(), BatchError> {
        self.embeddings.check_positions(batch.last_position(), &self.prefix.positions())
    }

    /// The tokens that a row may have, beside the prompts and prefixes that act.
    pub fn max_tokens(&self) -> usize {
        let longest = |numbers: Vec<usize>| numbers.into_iter().max().unwrap_or(0);
        let (place, _) = self.embeddings.prompt.forward();
        let prompt = longest(self.embeddings.prompt.lengths());
        let words = if place == PromptPlace::Words { prompt } else { 0 };
        let before = longest(self.prefix.positions()) + words;
        self.config.max_positions.saturating_sub(before)
    }

    /// One vector for each row, pooled from the last layer or from an earlier one.
    ///
    /// # Shapes
    ///
    /// - returns: `[batch, d_model]`
    pub fn embed(
        &self,
        batch: &DeviceBatch,
        pooling: Pooling,
        n_layers: Option<usize>,
    ) -> Tensor<2> {
        let n_layers = n_layers.unwrap_or(self.layers.len());
        let first = (pooling == Pooling::Cls).then(|| {
            let [rows, seq] = batch.dims();
            let starts: Vec<i64> = (0..rows).map(|row| (row * seq).cast_signed() as i64).collect();
            Tensor::from_data(TensorData::new(starts, [rows]), &batch.ids.device())
        });
        let alone = first.and_then(|first| self.wanted(batch, n_layers, &first));
        alone.unwrap_or_else(|| pooling.forward(self.read_layers(batch, n_layers), batch))
    }
}

/// A model that reads through an [`Encoder`], so that objectives on sentence vectors serve all.
pub trait HasEncoder {
    /// The encoder.
    fn encoder(&self) -> &Encoder;
}

impl HasEncoder for Encoder {
    fn encoder(&self) -> &Encoder {
        self
    }
}
