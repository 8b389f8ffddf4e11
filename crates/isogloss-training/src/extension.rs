//! A model that takes in the tokens which its vocabulary has learned.

use burn::tensor::{Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_tokenization::embedding::{
    EmbeddingMatrix, Initialisation, InitialisationError, RecipeCounts, RowRecipe,
};
use isogloss_tokenization::{Extension, TextEncoder};
use isogloss_transformer::{ExtendVocabulary, VocabularyRows};

use crate::ModelExtensionError;

/// How a model is to take in new tokens.
///
/// # Examples
///
/// ```
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_tokenization::embedding::Initialisation;
/// use isogloss_tokenization::{Algorithm, ExtensionConfig, TextEncoder, VocabularyConfig};
/// use isogloss_training::ModelExtension;
/// use isogloss_transformer::{EncoderConfig, HasEncoder, MaskedLanguageModel};
///
/// let english = ["good morning to you", "good evening to all of you", "good night"];
/// let hausa = ["ina kwana, ina gajiya", "ina kwana da aiki", "sannu da aiki, sannu da zuwa"];
/// let old = VocabularyConfig::new(Algorithm::Unigram, 60).train(english, &())?;
/// let config = EncoderConfig::new(old.vocab_size())
///     .with_d_model(16)
///     .with_n_layers(1)
///     .with_n_heads(2);
/// let model = MaskedLanguageModel::try_init(&config, &Device::flex(), Seed::new(1))?;
///
/// // The vocabulary learns, and then the model: each new row is the mean of the old pieces' rows.
/// let extension = old.extend(hausa, english, &ExtensionConfig::new(10))?;
/// let pieces: Vec<Vec<u32>> =
///     extension.tokens.iter().map(|token| token.old_ids.clone()).collect();
/// let real_ids: Vec<u32> = (4..u32::try_from(old.vocab_size())?).collect();
/// let method = Initialisation::SubpieceMean { pieces: &pieces };
/// let extended =
///     ModelExtension::new(&extension, method, &real_ids, Seed::new(2)).apply(model)?;
/// let rows = extended.model.encoder().config().vocab_size;
/// assert_eq!(rows, extension.tokenizer.vocab_size());
/// let counts = extended.counts;
/// assert_eq!(counts.weighted + counts.mean, extension.tokens.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ModelExtension<'a> {
    /// How many tokens the vocabulary had; the new ids follow. The model may have more rows, which
    /// are padding.
    pub vocab_size: usize,
    /// How many new tokens there are.
    pub new_tokens: usize,
    /// How their rows are made, in the order of their ids: rows for the new tokens alone, or for
    /// the whole vocabulary that they are in, of which the last are taken. FOCUS needs the latter,
    /// since it makes the new rows of the old tokens that the new language's text has.
    pub initialisation: Initialisation<'a>,
    /// The old ids of which means and deviations are taken, without those that no text has.
    pub real_ids: &'a [u32],
    /// From which rows are drawn, where nothing is known of a token.
    pub seed: Seed,
}

/// A model with its new tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExtendedModel<M> {
    /// The model.
    pub model: M,
    /// What the row of each new token is made of, in the order of their ids.
    pub recipes: Vec<RowRecipe>,
    /// How many of them are made in which way.
    pub counts: RecipeCounts,
}

impl<'a> ModelExtension<'a> {
    /// The new tokens of an extension, in the order of their ids.
    pub fn new(
        extension: &Extension,
        initialisation: Initialisation<'a>,
        real_ids: &'a [u32],
        seed: Seed,
    ) -> Self {
        let first = extension.tokens.first().and_then(|token| usize::try_from(token.id).ok());
        let vocab_size = first.unwrap_or_else(|| extension.tokenizer.vocab_size());
        Self { vocab_size, new_tokens: extension.tokens.len(), initialisation, real_ids, seed }
    }

    /// Sets the new tokens: `new_tokens` of them, after a vocabulary of `vocab_size`.
    #[must_use]
    pub fn with_tokens(self, vocab_size: usize, new_tokens: usize) -> Self {
        Self { vocab_size, new_tokens, ..self }
    }

    /// Makes the rows and gives them to the model. The bias of a token's score and the rows of an output
    /// that is not tied to the embedding, where the model has them, are made by the recipes of its rows.
    ///
    /// What the model says of text that has no new token stays the same, to the last bit: hidden
    /// states, and scores of old tokens. Probabilities do not, since the new tokens take a share.
    ///
    /// # Errors
    ///
    /// [`ModelExtensionError`]: the vocabulary and the model do not fit, the method makes more or
    /// fewer rows than there are tokens, or it cannot make them.
    pub fn apply<M: ExtendVocabulary>(
        &self,
        model: M,
    ) -> Result<ExtendedModel<M>, ModelExtensionError> {
        // Without the padding of the model, so that no recipe takes from it.
        let old = model.vocabulary_rows(self.vocab_size)?;
        let matrix = |columns, values| {
            let shape = [self.vocab_size, columns];
            EmbeddingMatrix::try_new(shape, values).map_err(InitialisationError::from)
        };
        let d_model = model.encoder().config().d_model;
        let embedding = matrix(d_model, old.embedding_values())?;
        let initialised = self.initialisation.initialise(&embedding, self.real_ids, self.seed)?;
        let (found, new_tokens) = (initialised.rows.rows(), self.new_tokens);
        let all = self.vocab_size + new_tokens;
        if found != new_tokens && found != all {
            return Err(ModelExtensionError::Tokens { found, new_tokens, all });
        }
        let skipped = found - new_tokens;
        let device = old.embedding.device();
        let new_rows = |columns, mut values: Vec<f32>| {
            values.drain(..skipped * columns);
            TensorData::new(values, [new_tokens, columns])
        };
        let values = new_rows(d_model, initialised.rows.into_values());
        let mut rows = VocabularyRows::new(Tensor::from_data(values, &device));
        // By the same recipes, each from another stream, or the bias would be drawn as the first
        // column was.
        let others = |columns, old, purpose: &str| -> Result<_, ModelExtensionError> {
            let seed = self.seed.derive(purpose);
            let new = initialised.plan.apply(&matrix(columns, old)?, self.real_ids, seed)?;
            Ok(Tensor::<2>::from_data(new_rows(columns, new.into_values()), &device))
        };
        if let Some(output) = old.output_values() {
            rows = rows.with_output(others(d_model, output, "output rows")?);
        }
        if let Some(bias) = old.bias_values() {
            rows = rows.with_bias(others(1, bias, "output bias")?.squeeze_dim(1));
        }
        let model = model.extend_vocabulary(self.vocab_size, rows)?;
        let recipes = initialised.plan.recipes()[skipped..].to_vec();
        let counts = counts_of(&recipes);
        Ok(ExtendedModel { model, recipes, counts })
    }
}

fn counts_of(recipes: &[RowRecipe]) -> RecipeCounts {
    let mut counts = RecipeCounts::default();
    for recipe in recipes {
        match recipe {
            RowRecipe::Copy { .. } => counts.copied += 1,
            RowRecipe::Weighted { .. } => counts.weighted += 1,
            RowRecipe::Mean => counts.mean += 1,
            // A draw; the enum may grow, its counts with it.
            _ => counts.drawn += 1,
        }
    }
    counts
}
