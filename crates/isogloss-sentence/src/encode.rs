//! From texts to vectors.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::{Progress, WriteError, write_file_atomically};
use isogloss_tokenization::TextEncoder as _;
use isogloss_transformer::{DeviceBatch, EncoderBatch, Pooling, SequenceInput};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::long_text::{Frame, Row};
use crate::reading::read_rows;
use crate::{SentenceEncoder, SentenceError, Stage};

/// How texts are to be encoded.
///
/// # Examples
///
/// ```
/// use isogloss_sentence::{EncodeConfig, LongText, Prompt};
///
/// let config = EncodeConfig::default()
///     .with_prompt(Prompt::Text("query: ".to_owned()))
///     .with_long_text(LongText::Window { stride: 256 });
/// assert_eq!(config.batch_tokens, 512);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EncodeConfig {
    /// What is put before each text. Default the model's own prompt, if it names one.
    pub prompt: Prompt,
    /// What becomes of texts that are too long. Default their beginning is read; the result names
    /// them.
    pub long_text: LongText,
    /// How many tokens are read at once, padding included. Default 512, as suits
    /// a CPU, whose cache holds what is between the layers; a graphics processor wants more.
    pub batch_tokens: usize,
    /// How many batches are read at the same time. Default 1, as suits a graphics processor; on a CPU
    /// as many as there are cores.
    pub threads: usize,
    /// The row of the language embedding, for models that have one.
    pub language: Option<u32>,
}

/// What is put before each text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Prompt {
    /// The prompt that the model uses unless told otherwise; most have none.
    #[default]
    Default,
    /// Nothing.
    None,
    /// One of the prompts that the model has a name for.
    Named(String),
    /// This text.
    Text(String),
}

/// What becomes of a text with more tokens than the model reads at once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LongText {
    /// Its beginning is read, as sentence-transformers does.
    #[default]
    Truncate,
    /// It is read in windows, each beginning `stride` tokens after the one before it; the pooled vector
    /// is the mean of those of the windows, weighted by their tokens.
    Window {
        /// From 1 to the tokens of a window without prompt and delimiters.
        stride: usize,
    },
    /// An error with its number.
    Error,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self {
            prompt: Prompt::Default,
            long_text: LongText::Truncate,
            batch_tokens: 512,
            threads: 1,
            language: None,
        }
    }
}

impl EncodeConfig {
    /// Sets what is put before each text.
    #[must_use]
    pub fn with_prompt(self, prompt: Prompt) -> Self {
        Self { prompt, ..self }
    }

    /// Sets what becomes of texts that are too long.
    #[must_use]
    pub fn with_long_text(self, long_text: LongText) -> Self {
        Self { long_text, ..self }
    }

    /// Sets how many tokens are read at once.
    #[must_use]
    pub fn with_batch_tokens(self, batch_tokens: usize) -> Self {
        Self { batch_tokens, ..self }
    }

    /// Sets how many batches are read at the same time.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Sets the row of the language embedding.
    #[must_use]
    pub fn with_language(self, language: u32) -> Self {
        Self { language: Some(language), ..self }
    }
}

/// One vector for each text, in the order of the texts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SentenceVectors {
    /// Row by row. `[texts, dim]`
    pub values: Vec<f32>,
    /// The width of a vector.
    pub dim: usize,
    /// The texts, counted from 0, of which not all was read, or which were read in windows.
    pub long_texts: Vec<usize>,
}

impl SentenceVectors {
    /// The name of the tensor in a file.
    pub const TENSOR: &'static str = "embeddings";

    /// Writes a file of safetensors with one tensor, `embeddings`, `[texts, dim]`, and what `metadata` says
    /// of it, such as the model that the vectors are of.
    ///
    /// # Errors
    ///
    /// [`SentenceError::Write`].
    pub fn write(
        &self,
        path: &Path,
        metadata: HashMap<String, String>,
    ) -> Result<(), SentenceError> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let texts = self.values.len().checked_div(self.dim).unwrap_or_default();
        let invalid = |error| WriteError::new(path, "write", io::Error::other(error));
        let view = TensorView::new(Dtype::F32, vec![texts, self.dim], &bytes);
        let tensors = [(Self::TENSOR, view.map_err(invalid)?)];
        let file = safetensors::serialize(tensors, Some(metadata)).map_err(invalid)?;
        Ok(write_file_atomically(path, |out| out.write_all(&file))?)
    }
}

/// A model that gives texts vectors.
pub trait SentenceModel {
    /// The width of a vector.
    fn dim(&self) -> usize;

    /// The device that computes.
    fn device(&self) -> &Device;

    /// The most tokens that are read at once, delimiters and prompt included; `None` for a model that
    /// reads texts of any length.
    fn max_tokens(&self) -> Option<usize>;

    /// The vectors of texts.
    ///
    /// Texts are sorted by length before they are read, so that no time goes into padding, and come
    /// back in their own order. White space around a text is no part of it.
    ///
    /// # Errors
    ///
    /// [`SentenceError`]: no prompt of that name, a text that is too long where it must not be cut, or
    /// one that the vocabulary cannot encode.
    fn encode(
        &self,
        texts: &[&str],
        config: &EncodeConfig,
        progress: &dyn Progress,
    ) -> Result<SentenceVectors, SentenceError>;
}

/// Texts as the model reads them.
struct Prepared {
    rows: Vec<Row>,
    /// Those of which not all is read, or that are read in windows.
    long_texts: Vec<usize>,
    /// How many tokens at the beginning of each row have no part in its vector.
    left_out: usize,
}

impl SentenceModel for SentenceEncoder {
    fn dim(&self) -> usize {
        let dense = self.stages.iter().rev().find_map(|stage| match stage {
            Stage::Dense(dense) => Some(dense.dims()[1]),
            Stage::Normalize => None,
        });
        dense.unwrap_or(self.pooled_dim())
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn max_tokens(&self) -> Option<usize> {
        Some(self.max_tokens)
    }

    fn encode(
        &self,
        texts: &[&str],
        config: &EncodeConfig,
        progress: &dyn Progress,
    ) -> Result<SentenceVectors, SentenceError> {
        let Prepared { rows, long_texts, left_out } = self.prepare_all(texts, config)?;
        let pooled = read_rows(&rows, self.pooled_dim(), config, progress, |rows| {
            let batch = self.batch(rows, config.language, left_out)?;
            if let [pooling] = self.poolings[..] {
                return Ok(on_host(self.encoder().embed(&batch, pooling, None)));
            }
            let hidden = self.encoder().read(&batch);
            let pooled =
                self.poolings.iter().map(|pooling| pooling.forward(hidden.clone(), &batch));
            Ok(on_host(Tensor::cat(pooled.collect(), 1)))
        })?;
        let pooled = mean_of_windows(&rows, pooled, texts.len());
        let values = self.finish(pooled, texts.len());
        Ok(SentenceVectors { values, dim: self.dim(), long_texts })
    }
}

impl SentenceEncoder {
    /// The vectors of texts in every layer: pooled from the embeddings, from what the first layer makes of them, and so
    /// on to the last. What follows the pooling, such as a normalisation, is made for the last layer and left out of all.
    ///
    /// Each text is read once.
    ///
    /// # Shapes
    ///
    /// - returns: one more than the encoder has layers, each `[texts, pooled]`, where `pooled` is the width of the
    ///   encoder, once for each pooling
    ///
    /// # Errors
    ///
    /// As [`encode`](SentenceModel::encode).
    pub fn encode_layers(
        &self,
        texts: &[&str],
        config: &EncodeConfig,
        progress: &dyn Progress,
    ) -> Result<Vec<SentenceVectors>, SentenceError> {
        let Prepared { rows, long_texts, left_out } = self.prepare_all(texts, config)?;
        let (dim, layers) = (self.pooled_dim(), self.encoder().config().n_layers + 1);
        let pooled = read_rows(&rows, layers * dim, config, progress, |rows| {
            let batch = self.batch(rows, config.language, left_out)?;
            let mut pooled = Vec::with_capacity(layers * self.poolings.len());
            self.encoder().for_each_layer(&batch, |_, states| {
                let of = |pooling: &Pooling| pooling.forward(states.clone(), &batch);
                pooled.extend(self.poolings.iter().map(of));
            });
            Ok(on_host(Tensor::cat(pooled, 1)))
        })?;
        let pooled = mean_of_windows(&rows, pooled, texts.len());
        let of_layer = |layer: usize| {
            let rows = pooled.chunks_exact(layers * dim);
            let values = rows.flat_map(|row| &row[layer * dim..][..dim]).copied().collect();
            SentenceVectors { values, dim, long_texts: long_texts.clone() }
        };
        Ok((0..layers).map(of_layer).collect())
    }

    fn prepare_all(
        &self,
        texts: &[&str],
        config: &EncodeConfig,
    ) -> Result<Prepared, SentenceError> {
        let prompt = self.prompt(&config.prompt)?;
        let frame = Frame {
            around: self.vocabulary.frame(),
            max_tokens: self.max_tokens,
            prompt_tokens: self.vocabulary.encode(prompt.trim_end())?.len(),
        };
        frame.try_check(config.long_text)?;
        let prepared: Vec<String> = texts.iter().map(|text| self.prepare(prompt, text)).collect();
        let mut rows = Vec::with_capacity(texts.len());
        let mut long_texts = Vec::new();
        for (text, ids) in self.vocabulary.encode_batch(&prepared)?.iter().enumerate() {
            let before = rows.len();
            rows.extend(frame.rows(text, ids, config.long_text)?);
            let read: usize = rows[before..].iter().map(|row| row.text_tokens).sum();
            if rows.len() > before + 1 || read + frame.prompt_tokens < ids.len() {
                long_texts.push(text);
            }
        }
        let left_out = if self.pools_prompt || prompt.is_empty() {
            0
        } else {
            frame.around[0].len() + frame.prompt_tokens
        };
        Ok(Prepared { rows, long_texts, left_out })
    }

    /// A text as sentence-transformers hands it to the tokenizer.
    fn prepare(&self, prompt: &str, text: &str) -> String {
        // As Python has it, where the separators of information are white space, too.
        let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
        let text = format!("{prompt}{text}");
        let text = text.trim_matches(is_space);
        if self.lower_case { text.to_lowercase() } else { text.to_owned() }
    }

    /// Rows as the encoder takes them.
    fn batch(
        &self,
        rows: &[&Row],
        language: Option<u32>,
        left_out: usize,
    ) -> Result<DeviceBatch, SentenceError> {
        let inputs = rows.iter().map(|row| {
            let input = SequenceInput::new(row.ids.clone());
            match language {
                Some(language) => input.with_language(language),
                None => input,
            }
        });
        let inputs: Vec<SequenceInput> = inputs.collect();
        let batch = EncoderBatch::try_new(self.encoder().config(), &inputs)?;
        Ok(batch.without_pooling(left_out)?.to_device(&self.device))
    }

    /// The stages after pooling. `[texts, dim]`
    fn finish(&self, pooled: Vec<f32>, texts: usize) -> Vec<f32> {
        if self.stages.is_empty() || texts == 0 {
            return pooled;
        }
        let data = TensorData::new(pooled, [texts, self.pooled_dim()]);
        let vectors = Tensor::from_data(data, &self.device);
        let vectors = self.stages.iter().fold(vectors, |vectors, stage| stage.forward(vectors));
        on_host(vectors)
    }
}

fn on_host(vectors: Tensor<2>) -> Vec<f32> {
    vectors.into_data().iter::<f32>().collect()
}

/// One vector for each text from those of its windows, weighted by their tokens.
fn mean_of_windows(rows: &[Row], pooled: Vec<f32>, texts: usize) -> Vec<f32> {
    if rows.len() == texts {
        return pooled;
    }
    let dim = pooled.len() / rows.len();
    let mut means = vec![0.0; texts * dim];
    let mut totals = vec![0; texts];
    for row in rows {
        totals[row.text] += row.text_tokens;
    }
    for (row, vector) in rows.iter().zip(pooled.chunks_exact(dim)) {
        // A text without tokens has one window.
        let weight = match totals[row.text] {
            0 => 1.0,
            total => row.text_tokens as f32 / total as f32,
        };
        for (mean, value) in means[row.text * dim..][..dim].iter_mut().zip(vector) {
            *mean += weight * value;
        }
    }
    means
}
