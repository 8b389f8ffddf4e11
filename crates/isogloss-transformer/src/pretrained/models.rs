//! What each model has beside its encoder, in each family.

use isogloss_peft::Activation;
use serde_json::{Map, Value};

use super::names::{EncoderParts, TensorNames, TensorPart};
use super::private::{HeadFields, HeadNames};
use super::{Family, PretrainedModel};
use crate::{
    ClassifierConfig, Encoder, EncoderConfig, HeadShape, MaskedLanguageModel, MlmConfig, Pooling,
    QuestionAnswerer, QuestionAnsweringConfig, SequenceClassifier, TokenClassifier,
    TokenClassifierConfig,
};

const POOLER: &str = "pooler.dense.weight";

/// Adds the names of an encoder's tensors.
fn push_encoder(names: &mut TensorNames, family: Family, path: &str, config: &EncoderConfig) {
    let parts = EncoderParts {
        n_layers: config.n_layers,
        has_languages: config.n_languages > 0,
        has_token_types: config.n_token_types > 0,
        has_pooler: config.pooler,
    };
    names.push_encoder(family, path, parts);
}

impl PretrainedModel for Encoder {
    fn class_endings(_: Family) -> &'static [&'static str] {
        &["Model"]
    }

    fn read_config(
        _: Family,
        encoder: EncoderConfig,
        _: &mut HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> EncoderConfig {
        encoder.with_pooler(has(POOLER))
    }

    fn encoder_config(config: &EncoderConfig) -> &EncoderConfig {
        config
    }

    fn encoder_mut(&mut self) -> &mut Encoder {
        self
    }

    fn write_config(
        family: Family,
        config: &EncoderConfig,
        names: &mut HeadNames,
        _: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        push_encoder(&mut names.0, family, "", config);
        Ok(())
    }
}

impl PretrainedModel for MaskedLanguageModel {
    fn class_endings(family: Family) -> &'static [&'static str] {
        match family {
            Family::Bert => &["ForMaskedLM", "ForPreTraining"],
            Family::Xlm => &["WithLMHeadModel"],
            _ => &["ForMaskedLM"],
        }
    }

    fn read_config(
        family: Family,
        encoder: EncoderConfig,
        fields: &mut HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> MlmConfig {
        let is_roberta = matches!(family, Family::XlmRoberta | Family::XlmRobertaXl);
        if is_roberta && encoder.activation != Activation::Gelu {
            // The head has GELU whatever the layers have.
            fields.0.only_text("hidden_act", "gelu");
        }
        let tied = fields.0.flag("tie_word_embeddings", true);
        let next_sentence = family == Family::Bert && has("cls.seq_relationship.weight");
        MlmConfig::new(encoder.with_pooler(has(POOLER)))
            .with_transform(family != Family::Xlm)
            .with_tied(tied)
            .with_next_sentence(next_sentence)
    }

    fn encoder_config(config: &MlmConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn encoder_mut(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    fn write_config(
        family: Family,
        config: &MlmConfig,
        names: &mut HeadNames,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        if config.transform == (family == Family::Xlm) {
            return Err("transform");
        }
        if config.next_sentence && family != Family::Bert {
            return Err("next_sentence");
        }
        let names = &mut names.0;
        push_encoder(names, family, "encoder.", &config.encoder);
        let [dense, norm, bias, decoder] = match family {
            Family::Bert => [
                "cls.predictions.transform.dense",
                "cls.predictions.transform.LayerNorm",
                "cls.predictions.bias",
                "cls.predictions.decoder",
            ],
            Family::DistilBert => {
                ["vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector"]
            }
            Family::Xlm => ["", "", "pred_layer.proj.bias", "pred_layer.proj"],
            Family::XlmRoberta | Family::XlmRobertaXl => {
                ["lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder"]
            }
        };
        if config.transform {
            names.push(TensorPart::Linear, "head.dense", dense);
            names.push(TensorPart::Norm, "head.norm", norm);
        }
        names.push(TensorPart::Whole, "head.bias", bias);
        if !config.tied {
            names.push(TensorPart::Table, "head.decoder", decoder);
        }
        if config.next_sentence {
            names.push(TensorPart::Linear, "next_sentence", "cls.seq_relationship");
        }
        json.insert("tie_word_embeddings".to_owned(), config.tied.into());
        Ok(())
    }
}

impl PretrainedModel for SequenceClassifier {
    fn class_endings(_: Family) -> &'static [&'static str] {
        &["ForSequenceClassification"]
    }

    fn read_config(
        family: Family,
        encoder: EncoderConfig,
        fields: &mut HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> ClassifierConfig {
        let fields = &mut fields.0;
        let (head, dropout) = head_of(family);
        let hidden_dropout = encoder.dropout;
        let dropout = if family == Family::Xlm {
            fields.only_text("summary_type", "first");
            fields.only_flag("summary_use_proj", true);
            fields.only_flag("summary_proj_to_labels", true);
            let is_linear = !fields.has("summary_activation");
            fields.check(is_linear, "summary_activation", "given", "null");
            fields.number(dropout, 0.1)
        } else if family == Family::DistilBert {
            fields.number(dropout, 0.2)
        } else {
            fields.number(dropout, hidden_dropout)
        };
        // BERT's pooler is the dense layer of the head.
        let encoder = encoder.with_pooler(family != Family::Bert && has(POOLER));
        ClassifierConfig::new(encoder, fields.label_count())
            .with_pooling(Pooling::Cls)
            .with_head(head)
            .with_dropout(dropout)
    }

    fn encoder_config(config: &ClassifierConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn encoder_mut(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    fn write_config(
        family: Family,
        config: &ClassifierConfig,
        names: &mut HeadNames,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        let (head, dropout) = head_of(family);
        if config.head != head {
            return Err("head");
        }
        if config.pooling != Pooling::Cls {
            return Err("pooling");
        }
        if family == Family::Bert && config.encoder.pooler {
            return Err("pooler");
        }
        let names = &mut names.0;
        push_encoder(names, family, "encoder.", &config.encoder);
        match family {
            Family::Bert => {
                names.push_of_encoder(TensorPart::Linear, "head.dense", "pooler.dense");
                names.push(TensorPart::Linear, "head.output", "classifier");
            }
            Family::DistilBert => {
                names.push(TensorPart::Linear, "head.dense", "pre_classifier");
                names.push(TensorPart::Linear, "head.output", "classifier");
            }
            Family::Xlm => {
                names.push(TensorPart::Linear, "head.output", "sequence_summary.summary");
            }
            Family::XlmRoberta | Family::XlmRobertaXl => {
                names.push(TensorPart::Linear, "head.dense", "classifier.dense");
                names.push(TensorPart::Linear, "head.output", "classifier.out_proj");
            }
        }
        json.insert(dropout.to_owned(), config.dropout.into());
        write_labels(config.n_classes, json);
        Ok(())
    }
}

/// The head of a classifier of sequences, and the field with its dropout.
const fn head_of(family: Family) -> (HeadShape, &'static str) {
    match family {
        Family::Bert => (HeadShape::Tanh, "classifier_dropout"),
        Family::DistilBert => (HeadShape::Relu, "seq_classif_dropout"),
        Family::Xlm => (HeadShape::Linear, "summary_first_dropout"),
        Family::XlmRoberta | Family::XlmRobertaXl => (HeadShape::DropTanh, "classifier_dropout"),
    }
}

impl PretrainedModel for TokenClassifier {
    fn class_endings(_: Family) -> &'static [&'static str] {
        &["ForTokenClassification"]
    }

    fn read_config(
        family: Family,
        encoder: EncoderConfig,
        fields: &mut HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> TokenClassifierConfig {
        let hidden_dropout = encoder.dropout;
        let dropout = match family {
            Family::DistilBert | Family::Xlm => hidden_dropout,
            _ => fields.0.number("classifier_dropout", hidden_dropout),
        };
        TokenClassifierConfig::new(encoder.with_pooler(has(POOLER)), fields.0.label_count())
            .with_dropout(dropout)
    }

    fn encoder_config(config: &TokenClassifierConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn encoder_mut(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    fn write_config(
        family: Family,
        config: &TokenClassifierConfig,
        names: &mut HeadNames,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        let names = &mut names.0;
        push_encoder(names, family, "encoder.", &config.encoder);
        names.push(TensorPart::Linear, "output", "classifier");
        if matches!(family, Family::DistilBert | Family::Xlm) {
            if config.dropout.to_bits() != config.encoder.dropout.to_bits() {
                return Err("dropout");
            }
        } else {
            json.insert("classifier_dropout".to_owned(), config.dropout.into());
        }
        write_labels(config.n_classes, json);
        Ok(())
    }
}

impl PretrainedModel for QuestionAnswerer {
    fn class_endings(family: Family) -> &'static [&'static str] {
        match family {
            // The other class of XLM looks for ends by beam search.
            Family::Xlm => &["ForQuestionAnsweringSimple"],
            _ => &["ForQuestionAnswering"],
        }
    }

    fn read_config(
        family: Family,
        encoder: EncoderConfig,
        fields: &mut HeadFields<'_>,
        has: &dyn Fn(&str) -> bool,
    ) -> QuestionAnsweringConfig {
        let dropout = match family {
            Family::DistilBert => fields.0.number("qa_dropout", 0.1),
            _ => 0.0,
        };
        QuestionAnsweringConfig::new(encoder.with_pooler(has(POOLER))).with_dropout(dropout)
    }

    fn encoder_config(config: &QuestionAnsweringConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn encoder_mut(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    fn write_config(
        family: Family,
        config: &QuestionAnsweringConfig,
        names: &mut HeadNames,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        if family == Family::DistilBert {
            json.insert("qa_dropout".to_owned(), config.dropout.into());
        } else if config.dropout > 0.0 {
            return Err("dropout");
        }
        let names = &mut names.0;
        push_encoder(names, family, "encoder.", &config.encoder);
        names.push(TensorPart::Linear, "output", "qa_outputs");
        // transformers takes the width of the head from the number of labels.
        write_labels(2, json);
        Ok(())
    }
}

/// Keeps the names of the classes where there are as many, and gives them numbers where not.
fn write_labels(n_classes: usize, json: &mut Map<String, Value>) {
    if let Some(Value::Object(labels)) = json.get("id2label")
        && labels.len() == n_classes
    {
        return;
    }
    number_labels(n_classes, json);
}

/// Gives the classes numbers for names.
pub(super) fn number_labels(n_classes: usize, json: &mut Map<String, Value>) {
    insert_labels((0..n_classes).map(|id| format!("LABEL_{id}")), json);
}

/// Gives the classes their names, in the order of the classes.
pub(super) fn insert_labels(
    labels: impl Iterator<Item = String> + Clone,
    json: &mut Map<String, Value>,
) {
    let to_label = labels.clone().enumerate().map(|(id, label)| (id.to_string(), label.into()));
    let to_id = labels.enumerate().map(|(id, label)| (label, id.into()));
    json.insert("id2label".to_owned(), Value::Object(to_label.collect()));
    json.insert("label2id".to_owned(), Value::Object(to_id.collect()));
}
