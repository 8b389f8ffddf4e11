//! A model that gives each sentence a vector.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use isogloss_tokenization::Vocabulary;
use isogloss_transformer::{Encoder, HasEncoder, Pooling, Pretrained, Quantization};

use crate::{LaserEncoder, Prompt, SentenceError, SentenceModel, Stage, directory};

/// An encoder with its tokenizer, and what makes one vector of its hidden states.
///
/// # Source
///
/// Reimers and Gurevych (2019), "Sentence-BERT", <https://arxiv.org/abs/1908.10084>, and (2020),
/// "Making Monolingual Sentence Embeddings Multilingual", <https://arxiv.org/abs/2004.09813>; LaBSE: Feng
/// et al. (2022), <https://arxiv.org/abs/2007.01852>; multilingual E5: Wang et al. (2024),
/// <https://arxiv.org/abs/2402.05672>.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use isogloss_sentence::{EncodeConfig, Prompt, SentenceEncoder, SentenceModel};
///
/// let e5 = SentenceEncoder::open(Path::new("multilingual-e5-small"), &Device::flex())?;
/// let config = EncodeConfig::default().with_prompt(Prompt::Text("query: ".to_owned()));
/// let vectors = e5.encode(&["Ẹ káàárọ̀", "Good morning"], &config, &())?;
/// assert_eq!(vectors.values.len(), 2 * e5.dim());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SentenceEncoder {
    pub(crate) model: Pretrained<Encoder>,
    pub(crate) poolings: Vec<Pooling>,
    // Whether the tokens of a prompt have a part in the pooled vector.
    pub(crate) pools_prompt: bool,
    pub(crate) stages: Vec<Stage>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) max_tokens: usize,
    pub(crate) lower_case: bool,
    pub(crate) prompts: BTreeMap<String, String>,
    pub(crate) default_prompt: Option<String>,
    pub(crate) device: Device,
}

impl SentenceEncoder {
    /// Opens a directory of sentence-transformers, or one of transformers with a tokenizer.
    ///
    /// `modules.json` says what becomes of hidden states; without it they are
    /// [averaged](Pooling::Mean), as in sentence-transformers, and nothing follows. Tokenizer and
    /// model must fit: every id has a row in the embedding.
    ///
    /// # Errors
    ///
    /// [`SentenceError`], with the file; a module that is not known is named beside those that are.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, SentenceError> {
        directory::open(dir, |root| Pretrained::open(root, device), device)
    }

    /// Opens a directory as [`open`](Self::open) does, with the weights of its encoder in 16, 8 or 4 bits: half
    /// of the memory, a quarter or less, at about the same speed. See [`Encoder::quantized`] for what is rounded, and
    /// [`Pretrained::open_quantized`]. Such a model is not [saved](Self::save).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_quantized(
        dir: &Path,
        format: Quantization,
        device: &Device,
    ) -> Result<Self, SentenceError> {
        directory::open(dir, |root| Pretrained::open_quantized(root, format, device), device)
    }

    /// Puts a model with its tokenizer together, for vectors that are pooled in this way.
    ///
    /// # Errors
    ///
    /// [`SentenceError::Vocabulary`], [`SentenceError::Padding`].
    pub fn try_new(
        model: Pretrained<Encoder>,
        vocabulary: Vocabulary,
        pooling: Pooling,
        device: &Device,
    ) -> Result<Self, SentenceError> {
        directory::fit(model, vocabulary, Path::new("the model"), device)
            .map(|this| Self { poolings: vec![pooling], ..this })
    }

    /// Writes a directory that sentence-transformers opens: model, tokenizer, modules and a model card.
    /// It appears as a whole or not at all.
    ///
    /// # Errors
    ///
    /// [`SentenceError`], with the file.
    pub fn save(&self, dir: &Path, card: &str) -> Result<(), SentenceError> {
        directory::save(self, dir, card)
    }

    /// Sets how hidden states become one vector.
    #[must_use]
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { poolings: vec![pooling], ..self }
    }

    /// Sets whether vectors have length 1.
    #[must_use]
    pub fn with_normalize(mut self, normalize: bool) -> Self {
        self.stages.retain(|stage| !matches!(stage, Stage::Normalize));
        self.stages.extend(normalize.then_some(Stage::Normalize));
        self
    }

    /// Sets the most tokens that are read at once, delimiters and prompt included.
    ///
    /// # Errors
    ///
    /// [`SentenceError::Config`] for more than the model has positions.
    pub fn with_max_tokens(self, max_tokens: usize) -> Result<Self, SentenceError> {
        let limit = self.encoder().max_tokens();
        if max_tokens == 0 || max_tokens > limit {
            let expected = format!("from 1 to {limit}, the positions of the model");
            return Err(SentenceError::Config { field: "max_tokens", found: max_tokens, expected });
        }
        Ok(Self { max_tokens, ..self })
    }

    /// Changes the encoder, such as by putting adapters on it.
    ///
    /// # Errors
    ///
    /// Those of the change.
    pub fn try_map_encoder<E>(
        self,
        change: impl FnOnce(Encoder) -> Result<Encoder, E>,
    ) -> Result<Self, E> {
        let encoder = change(self.model.model().clone())?;
        // What stands before the tokens takes positions of theirs.
        let max_tokens = self.max_tokens.min(encoder.max_tokens());
        Ok(Self { model: self.model.with_model(encoder), max_tokens, ..self })
    }

    /// The model under the pooling.
    pub fn encoder(&self) -> &Encoder {
        self.model.model()
    }

    /// The tokenizer.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How hidden states become one vector; of several, the vectors are joined.
    pub fn poolings(&self) -> &[Pooling] {
        &self.poolings
    }

    /// What follows.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// The prompts that have a name.
    pub fn prompts(&self) -> &BTreeMap<String, String> {
        &self.prompts
    }

    /// The tensors of the file that belong to heads, which have no part in a vector.
    pub fn left_out(&self) -> &[String] {
        self.model.left_out()
    }

    /// The width of a vector before the stages.
    pub(crate) fn pooled_dim(&self) -> usize {
        self.poolings.len() * self.encoder().config().d_model
    }

    /// The text of a prompt.
    pub(crate) fn prompt<'a>(&'a self, prompt: &'a Prompt) -> Result<&'a str, SentenceError> {
        let named = |name: &str| {
            self.prompts.get(name).map(String::as_str).ok_or_else(|| SentenceError::Prompt {
                name: name.to_owned(),
                known: match self.prompts.len() {
                    0 => "none".to_owned(),
                    _ => self.prompts.keys().cloned().collect::<Vec<_>>().join(", "),
                },
            })
        };
        match prompt {
            Prompt::Default => self.default_prompt.as_deref().map_or(Ok(""), named),
            Prompt::None => Ok(""),
            Prompt::Named(name) => named(name),
            Prompt::Text(text) => Ok(text),
        }
    }
}

impl HasEncoder for SentenceEncoder {
    fn encoder(&self) -> &Encoder {
        self.model.model()
    }
}

/// Opens whatever gives sentences vectors: [`LaserEncoder`] for a directory with a `.cvocab`, else
/// [`SentenceEncoder`].
///
/// # Errors
///
/// As those.
pub fn open_sentence_model(
    dir: &Path,
    device: &Device,
) -> Result<Box<dyn SentenceModel>, SentenceError> {
    Ok(if LaserEncoder::is_in(dir) {
        Box::new(LaserEncoder::open(dir, device)?)
    } else {
        Box::new(SentenceEncoder::open(dir, device)?)
    })
}
