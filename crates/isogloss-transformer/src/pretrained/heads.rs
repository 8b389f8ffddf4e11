//! From an encoder that others have trained to a model with the head of its family, to be fine-tuned.

use std::collections::BTreeSet;

use burn::tensor::Device;
use isogloss_core::Seed;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::models::{insert_labels, number_labels};
use super::private::HeadFields;
use super::{Family, Pretrained, PretrainedModel};
use crate::initialization::Initialization;
use crate::{
    ConfigFault, Encoder, EncoderConfig, EncoderConfigError, MaskedLanguageModel, MlmHead, Pooler,
    QuestionAnswerer, SequenceClassifier, TokenClassifier,
};

/// Each of these puts a fresh head on, of the shape and with the dropout that transformers gives it in
/// this family, and leaves a pooler away that such a model has no use for. What is
/// [saved](Pretrained::save) is opened by the class of transformers that belongs to it.
///
/// All give [`EncoderConfigError`] where a field of `config.json` that is about the head is not
/// supported.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use isogloss_core::Seed;
/// use isogloss_transformer::{Encoder, Pretrained, SaveOptions};
///
/// let device = Device::flex().autodiff();
/// let xlmr = Pretrained::<Encoder>::open(Path::new("xlm-roberta-base"), &device)?;
/// let classifier = xlmr.into_classifier(&["negative", "positive"], Seed::new(1), &device)?;
/// // Train `classifier.model()`, then:
/// classifier.save(Path::new("sentiment"), &SaveOptions::new("# Sentiment\n"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Pretrained<Encoder> {
    /// A model that tells these classes of sequences apart. In BERT, the dense layer of the head begins
    /// with the weights of the pooler.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`] for fewer than two labels, and for one that is there twice.
    pub fn into_classifier<S: AsRef<str>>(
        mut self,
        labels: &[S],
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<SequenceClassifier>, EncoderConfigError> {
        let faults = self.take_labels(labels);
        self.json.insert("problem_type".to_owned(), "single_label_classification".into());
        self.into_scorer(faults, seed, device)
    }

    /// A model that gives so many numbers for each sequence, for
    /// [regression](crate::RegressionObjective).
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`] for no number at all.
    pub fn into_regressor(
        mut self,
        outputs: usize,
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<SequenceClassifier>, EncoderConfigError> {
        let mut faults = Vec::new();
        ConfigFault::check(&mut faults, outputs > 0, "outputs", outputs, "at least 1");
        self.forget_labels();
        number_labels(outputs, &mut self.json);
        self.json.insert("problem_type".to_owned(), "regression".into());
        self.into_scorer(faults, seed, device)
    }

    /// A model that tells these classes of tokens apart.
    ///
    /// # Errors
    ///
    /// As those of [`into_classifier`](Self::into_classifier).
    pub fn into_token_classifier<S: AsRef<str>>(
        mut self,
        labels: &[S],
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<TokenClassifier>, EncoderConfigError> {
        let faults = self.take_labels(labels);
        let (config, _) = self.config_of::<TokenClassifier>(faults)?;
        config.try_check()?;
        Ok(self.map(|encoder| {
            let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
            TokenClassifier::with_head(encoder, &config, &init)
        }))
    }

    /// A model that finds where answers begin and end.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], as all of them.
    pub fn into_question_answerer(
        mut self,
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<QuestionAnswerer>, EncoderConfigError> {
        self.forget_labels();
        let (config, _) = self.config_of::<QuestionAnswerer>(Vec::new())?;
        config.try_check()?;
        Ok(self.map(|encoder| {
            let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
            QuestionAnswerer::with_head(encoder, &config, &init)
        }))
    }

    /// A model that predicts tokens, such as for going on with pretraining where only the encoder was
    /// published. A head that is tied to the embedding knows something from the start; its other weights
    /// are fresh.
    ///
    /// # Errors
    ///
    /// [`EncoderConfigError`], as all of them.
    pub fn into_language_model(
        mut self,
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<MaskedLanguageModel>, EncoderConfigError> {
        let (config, _) = self.config_of::<MaskedLanguageModel>(Vec::new())?;
        config.try_check()?;
        Ok(self.map(|encoder| {
            let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
            let head = MlmHead::new(&config, &init);
            MaskedLanguageModel { encoder, head, next_sentence: None }
        }))
    }

    fn into_scorer(
        mut self,
        faults: Vec<ConfigFault>,
        seed: Seed,
        device: &Device,
    ) -> Result<Pretrained<SequenceClassifier>, EncoderConfigError> {
        let (config, pooler) = self.config_of::<SequenceClassifier>(faults)?;
        config.try_check()?;
        let is_bert = self.family == Family::Bert;
        Ok(self.map(|encoder| {
            let init = Initialization::seeded(config.encoder.initializer_std, seed, device);
            let mut model = SequenceClassifier::with_head(encoder, &config, &init);
            if let (true, Some(pooler)) = (is_bert, pooler) {
                model.head.dense = Some(pooler.dense);
            }
            model
        }))
    }

    /// The shape that the family gives a model on this encoder, whose pooler is taken off.
    fn config_of<M: PretrainedModel>(
        &mut self,
        mut faults: Vec<ConfigFault>,
    ) -> Result<(M::Config, Option<Pooler>), EncoderConfigError> {
        let pooler = self.model.take_pooler();
        let encoder: EncoderConfig = self.model.config().clone();
        let mut fields = HeadFields(Fields::new(&self.json, &mut faults));
        let config = M::read_config(self.family, encoder, &mut fields, &|_| false);
        if faults.is_empty() { Ok((config, pooler)) } else { Err(EncoderConfigError { faults }) }
    }

    fn map<M>(self, model: impl FnOnce(Encoder) -> M) -> Pretrained<M> {
        let Self { model: encoder, family, json, left_out } = self;
        Pretrained { model: model(encoder), family, json, left_out }
    }

    /// Writes the names of classes down, and says what is wrong with them.
    fn take_labels<S: AsRef<str>>(&mut self, labels: &[S]) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        ConfigFault::check(&mut faults, labels.len() >= 2, "labels", labels.len(), "at least 2");
        let mut seen = BTreeSet::new();
        for label in labels.iter().map(AsRef::as_ref) {
            let is_new = seen.insert(label);
            ConfigFault::check(&mut faults, is_new, "labels", label, "each label once");
        }
        self.forget_labels();
        insert_labels(labels.iter().map(|label| label.as_ref().to_owned()), &mut self.json);
        faults
    }

    /// Leaves away what `config.json` says of another head.
    fn forget_labels(&mut self) {
        let json: &mut Map<String, Value> = &mut self.json;
        for field in ["id2label", "label2id", "num_labels", "problem_type"] {
            json.remove(field);
        }
    }
}
