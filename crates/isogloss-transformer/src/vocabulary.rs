//! More rows for a vocabulary that grew.

use burn::module::{Param, ParamId};
use burn::tensor::Tensor;
use isogloss_kernels::Either;

use crate::{
    Encoder, HasEncoder, MaskedLanguageModel, QuestionAnswerer, SequenceClassifier,
    TokenClassifier, VocabularyRowsError,
};

/// What a model holds for each token of a vocabulary: of all its tokens, or of the new ones.
///
/// # Shapes
///
/// - `embedding`, `output`: `[tokens, d_model]`
/// - `bias`: `[tokens]`
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VocabularyRows {
    /// The rows of the word embedding, which the output is tied to unless it has rows of its own.
    pub embedding: Tensor<2>,
    /// The rows of the output, for a model that predicts tokens with a matrix of its own.
    pub output: Option<Tensor<2>>,
    /// The bias of each token's score, for a model that predicts tokens.
    pub bias: Option<Tensor<1>>,
}

impl VocabularyRows {
    /// Rows for a model that reads tokens and predicts none.
    pub fn new(embedding: Tensor<2>) -> Self {
        Self { embedding, output: None, bias: None }
    }

    /// Adds the rows of an output that is not tied to the embedding.
    #[must_use]
    pub fn with_output(self, output: Tensor<2>) -> Self {
        Self { output: Some(output), ..self }
    }

    /// Adds the bias of each token, for a model that predicts them.
    #[must_use]
    pub fn with_bias(self, bias: Tensor<1>) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// How many tokens these are the rows of.
    pub fn tokens(&self) -> usize {
        self.embedding.dims()[0]
    }

    /// The embedding on the host, row by row.
    pub fn embedding_values(&self) -> Vec<f32> {
        self.embedding.to_data().iter::<f32>().collect()
    }

    /// The output's own rows on the host.
    pub fn output_values(&self) -> Option<Vec<f32>> {
        self.output.as_ref().map(|output| output.to_data().iter::<f32>().collect())
    }

    /// The bias on the host.
    pub fn bias_values(&self) -> Option<Vec<f32>> {
        self.bias.as_ref().map(|bias| bias.to_data().iter::<f32>().collect())
    }
}

/// A model whose vocabulary can grow.
///
/// A model may have more rows than its vocabulary has tokens: they are padding, which nothing reads.
/// New tokens take those first, and what they need beyond is appended. No old row moves, and no old
/// row changes a bit; nor do, on text of old tokens, the hidden states and the scores of old tokens.
/// Their *probabilities* do, since the new tokens take a share.
///
/// The parameters stay on their device, trainable or frozen as they were. An optimizer's state for
/// them does not fit any more, so they get new ids, under which it has none. Adapters that were saved
/// for the smaller model are refused by the larger one: merge them first.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use isogloss_core::Seed;
/// use isogloss_transformer::{
///     EncoderConfig, ExtendVocabulary, HasEncoder, MaskedLanguageModel, VocabularyRows,
/// };
///
/// let device = Device::flex();
/// // A tokenizer of 10 tokens, in a model of 12 rows.
/// let config = EncoderConfig::new(12).with_d_model(4).with_n_layers(1).with_n_heads(2);
/// let model = MaskedLanguageModel::try_init(&config, &device, Seed::new(1))?;
/// let old = model.vocabulary_rows(10)?;
///
/// // Three new tokens begin as the mean of the old ones.
/// let rows = VocabularyRows::new(old.embedding.mean_dim(0).repeat_dim(0, 3))
///     .with_bias(Tensor::zeros([3], &device));
/// let model = model.extend_vocabulary(10, rows)?;
/// assert_eq!(model.encoder().config().vocab_size, 13);
///
/// let rows = VocabularyRows::new(Tensor::zeros([3, 5], &device));
/// assert_eq!(
///     model.into_encoder().extend_vocabulary(13, rows).unwrap_err().to_string(),
///     "new rows: `embedding` has shape [3, 5], expected [3, 4]",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ExtendVocabulary: HasEncoder + Sized {
    /// The rows of a vocabulary of `vocab_size` tokens, without the padding behind them and without
    /// a place in any graph of autodiff.
    ///
    /// # Errors
    ///
    /// [`VocabularyRowsError::VocabSize`].
    fn vocabulary_rows(&self, vocab_size: usize) -> Result<VocabularyRows, VocabularyRowsError>;

    /// Takes in the rows of new tokens, whose ids follow those of a vocabulary that had `vocab_size`
    /// tokens.
    ///
    /// # Errors
    ///
    /// [`VocabularyRowsError`], with the shape found and the shape expected.
    fn extend_vocabulary(
        self,
        vocab_size: usize,
        rows: VocabularyRows,
    ) -> Result<Self, VocabularyRowsError>;
}

impl ExtendVocabulary for Encoder {
    fn vocabulary_rows(&self, vocab_size: usize) -> Result<VocabularyRows, VocabularyRowsError> {
        check_vocab_size(self, vocab_size)?;
        let table = self.word_embedding().inner();
        Ok(VocabularyRows::new(table.narrow(0, 0, vocab_size)))
    }

    fn extend_vocabulary(
        mut self,
        vocab_size: usize,
        rows: VocabularyRows,
    ) -> Result<Self, VocabularyRowsError> {
        check_rows(&self, vocab_size, &rows, [false, false])?;
        self.take_rows(vocab_size, rows.embedding)?;
        Ok(self)
    }
}

impl ExtendVocabulary for MaskedLanguageModel {
    fn vocabulary_rows(&self, vocab_size: usize) -> Result<VocabularyRows, VocabularyRowsError> {
        let bias = self.head.bias.val().inner();
        let rows = self.encoder.vocabulary_rows(vocab_size)?;
        let output = self.head.decoder.as_ref().map(|decoder| decoder.weight.val().inner());
        Ok(VocabularyRows { output: output.map(|rows| rows.narrow(0, 0, vocab_size)), ..rows }
            .with_bias(bias.narrow(0, 0, vocab_size)))
    }

    fn extend_vocabulary(
        mut self,
        vocab_size: usize,
        rows: VocabularyRows,
    ) -> Result<Self, VocabularyRowsError> {
        let has_output = self.head.decoder.is_some();
        check_rows(&self.encoder, vocab_size, &rows, [has_output, true])?;
        self.encoder.take_rows(vocab_size, rows.embedding)?;
        if let (Some(decoder), Some(output)) = (&mut self.head.decoder, rows.output) {
            decoder.weight = spliced(decoder.weight.clone(), vocab_size, output);
        }
        if let Some(bias) = rows.bias {
            self.head.bias = spliced(self.head.bias, vocab_size, bias);
        }
        self.head.extensions.clone_from(&self.encoder.config().vocab_extensions);
        Ok(self)
    }
}

macro_rules! through_the_encoder {
    ($($model:ident),+) => {$(
        /// The classes stay as they are: only the encoder grows.
        impl ExtendVocabulary for $model {
            fn vocabulary_rows(
                &self,
                vocab_size: usize,
            ) -> Result<VocabularyRows, VocabularyRowsError> {
                self.encoder.vocabulary_rows(vocab_size)
            }

            fn extend_vocabulary(
                mut self,
                vocab_size: usize,
                rows: VocabularyRows,
            ) -> Result<Self, VocabularyRowsError> {
                self.encoder = self.encoder.extend_vocabulary(vocab_size, rows)?;
                Ok(self)
            }
        }
    )+};
}

through_the_encoder!(SequenceClassifier, TokenClassifier, QuestionAnswerer);

impl Encoder {
    /// Takes in rows that have been checked.
    fn take_rows(&mut self, vocab_size: usize, rows: Tensor<2>) -> Result<(), VocabularyRowsError> {
        let [tokens, _] = rows.dims();
        let appended = (vocab_size + tokens).saturating_sub(self.config().vocab_size);
        if tokens > 0 {
            let Either::A(word) = &mut self.embeddings.word else {
                return Err(VocabularyRowsError::Quantized);
            };
            word.weight = spliced(word.weight.clone(), vocab_size, rows);
        }
        self.append_vocabulary(appended);
        Ok(())
    }
}

fn check_vocab_size(encoder: &Encoder, found: usize) -> Result<(), VocabularyRowsError> {
    let config = encoder.config();
    let (pad_id, rows) = (config.pad_id, config.vocab_size);
    if found > pad_id as usize && found <= rows {
        Ok(())
    } else {
        Err(VocabularyRowsError::VocabSize { found, pad_id, rows })
    }
}

fn check_rows(
    encoder: &Encoder,
    vocab_size: usize,
    rows: &VocabularyRows,
    [has_output, has_bias]: [bool; 2],
) -> Result<(), VocabularyRowsError> {
    check_vocab_size(encoder, vocab_size)?;
    let shape = |what, found: &[usize], expected: &[usize]| {
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (found.to_vec(), expected.to_vec());
        Err(VocabularyRowsError::Shape { what, found, expected })
    };
    let given = |what, given, expected| {
        if given == expected { Ok(()) } else { Err(VocabularyRowsError::Part { what, given }) }
    };
    let (tokens, d_model) = (rows.tokens(), encoder.config().d_model);
    shape("embedding", &rows.embedding.dims(), &[tokens, d_model])?;
    given("output", rows.output.is_some(), has_output)?;
    given("bias", rows.bias.is_some(), has_bias)?;
    if let Some(output) = &rows.output {
        shape("output", &output.dims(), &[tokens, d_model])?;
    }
    rows.bias.as_ref().map_or(Ok(()), |bias| shape("bias", &bias.dims(), &[tokens]))
}

/// A parameter whose rows from `first` on are replaced by others, which may be more than there were.
fn spliced<const D: usize>(
    param: Param<Tensor<D>>,
    first: usize,
    new: Tensor<D>,
) -> Param<Tensor<D>> {
    let (_, old, mapper) = param.consume();
    let is_trained = old.is_require_grad();
    // Detached, not taken out of autodiff, so that the parameter is in the context that it was in.
    let old = old.detach();
    let new = new.inner().to_device(&old.device()).cast(old.dtype());
    let (rows, tokens) = (old.dims()[0], new.dims()[0]);
    let mut parts = vec![old.clone().narrow(0, 0, first), new];
    if first + tokens < rows {
        parts.push(old.narrow(0, first + tokens, rows - first - tokens));
    }
    let value = Tensor::cat(parts, 0).detach().set_require_grad(is_trained);
    // The mapper holds whether the parameter trains, also where it now is on a plain device.
    Param::from_mapped_value(ParamId::new(), value, mapper)
}
