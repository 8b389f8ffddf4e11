//! What tensors are called here and elsewhere.

use super::Family;

/// A tensor under both of its names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name {
    pub(super) ours: String,
    /// Without the prefix of the encoder.
    pub(super) theirs: String,
    /// Whether the prefix of the encoder stands before it.
    pub(super) is_encoders: bool,
    /// Whether it is the matrix of a linear layer, which is transposed there.
    pub(super) is_transposed: bool,
}

/// The tensors of a part of a module.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TensorPart {
    /// The matrix and the bias of a linear layer, `.weight` and `.bias` in the file.
    Linear,
    /// The matrix of a linear layer, whose name in the file is whole. Here it is transposed.
    Matrix,
    /// The bias of a linear layer, whose name in the file is whole.
    Bias,
    /// The gain and the bias of a normalisation, `.weight` and `.bias` in the file.
    Norm,
    /// A table, `.weight` in the file.
    Table,
    /// A tensor under its whole name.
    Whole,
}

/// What the tensors of a module are called in a file that PyTorch wrote.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::{TensorNames, TensorPart};
///
/// let mut names = TensorNames::default();
/// names.push(TensorPart::Linear, "output", "classifier.out_proj");
/// names.push(TensorPart::Matrix, "hidden", "lstm.weight_hh_l0");
/// ```
#[derive(Clone, Debug, Default)]
pub struct TensorNames {
    pub(super) list: Vec<Name>,
}

impl TensorNames {
    /// Adds the tensors of a part, which is at `ours` in the module and at `theirs` in the file.
    pub fn push(&mut self, part: TensorPart, ours: &str, theirs: &str) {
        self.add(part, ours, theirs, false);
    }

    /// Adds the tensors of a part that transformers keeps with the encoder.
    pub(super) fn push_of_encoder(&mut self, part: TensorPart, ours: &str, theirs: &str) {
        self.add(part, ours, theirs, true);
    }

    fn add(&mut self, part: TensorPart, ours: &str, theirs: &str, is_encoders: bool) {
        let suffixes: &[(&str, &str, bool)] = match part {
            TensorPart::Linear => &[(".weight", ".weight", true), (".bias", ".bias", false)],
            TensorPart::Matrix => &[(".weight", "", true)],
            TensorPart::Bias => &[(".bias", "", false)],
            TensorPart::Norm => &[(".gamma", ".weight", false), (".beta", ".bias", false)],
            TensorPart::Table => &[(".weight", ".weight", false)],
            TensorPart::Whole => &[("", "", false)],
        };
        self.list.extend(suffixes.iter().map(|(own, other, is_transposed)| Name {
            ours: format!("{ours}{own}"),
            theirs: format!("{theirs}{other}"),
            is_encoders,
            is_transposed: *is_transposed,
        }));
    }

    /// Adds the tensors of an encoder, whose paths begin with `path`.
    pub(super) fn push_encoder(&mut self, family: Family, path: &str, encoder: EncoderParts) {
        let mut add = |part, ours: &str, theirs: &str| {
            self.push_of_encoder(part, &format!("{path}{ours}"), theirs);
        };
        let (embeddings, layer): (&[_], &[_]) = match family {
            Family::Bert | Family::XlmRoberta => (&BERT_EMBEDDINGS, &BERT_LAYER),
            Family::XlmRobertaXl => (&XL_EMBEDDINGS, &XL_LAYER),
            Family::DistilBert => (&DISTILBERT_EMBEDDINGS, &DISTILBERT_LAYER),
            Family::Xlm => (&XLM_EMBEDDINGS, &XLM_LAYER),
        };
        for (part, ours, theirs) in embeddings {
            let is_there = match *ours {
                "embeddings.language" => encoder.has_languages,
                "embeddings.token_type" => encoder.has_token_types,
                _ => true,
            };
            if is_there {
                add(*part, ours, theirs);
            }
        }
        for index in 0..encoder.n_layers {
            for (part, ours, theirs) in layer {
                let ours = format!("layers.{index}.{ours}");
                add(*part, &ours, &theirs.replace("{}", &index.to_string()));
            }
        }
        if encoder.has_pooler {
            add(TensorPart::Linear, "pooler.dense", "pooler.dense");
        }
    }
}

/// The parts of an encoder that not all have.
#[derive(Clone, Copy, Debug)]
pub(super) struct EncoderParts {
    pub(super) n_layers: usize,
    pub(super) has_languages: bool,
    pub(super) has_token_types: bool,
    pub(super) has_pooler: bool,
}

type Row = (TensorPart, &'static str, &'static str);

const BERT_EMBEDDINGS: [Row; 4] = [
    (TensorPart::Table, "embeddings.word", "embeddings.word_embeddings"),
    (TensorPart::Table, "embeddings.position", "embeddings.position_embeddings"),
    (TensorPart::Table, "embeddings.token_type", "embeddings.token_type_embeddings"),
    (TensorPart::Norm, "embeddings.norm", "embeddings.LayerNorm"),
];

const BERT_LAYER: [Row; 8] = [
    (TensorPart::Linear, "attention.query.base", "encoder.layer.{}.attention.self.query"),
    (TensorPart::Linear, "attention.key.base", "encoder.layer.{}.attention.self.key"),
    (TensorPart::Linear, "attention.value.base", "encoder.layer.{}.attention.self.value"),
    (TensorPart::Linear, "attention.output.base", "encoder.layer.{}.attention.output.dense"),
    (TensorPart::Norm, "attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
    (TensorPart::Linear, "up.base", "encoder.layer.{}.intermediate.dense"),
    (TensorPart::Linear, "down.base", "encoder.layer.{}.output.dense"),
    (TensorPart::Norm, "output_norm", "encoder.layer.{}.output.LayerNorm"),
];

const XL_EMBEDDINGS: [Row; 4] = [
    (TensorPart::Table, "embeddings.word", "embeddings.word_embeddings"),
    (TensorPart::Table, "embeddings.position", "embeddings.position_embeddings"),
    (TensorPart::Table, "embeddings.token_type", "embeddings.token_type_embeddings"),
    (TensorPart::Norm, "final_norm", "encoder.LayerNorm"),
];

const XL_LAYER: [Row; 8] = [
    (TensorPart::Linear, "attention.query.base", "encoder.layer.{}.attention.self.query"),
    (TensorPart::Linear, "attention.key.base", "encoder.layer.{}.attention.self.key"),
    (TensorPart::Linear, "attention.value.base", "encoder.layer.{}.attention.self.value"),
    (TensorPart::Linear, "attention.output.base", "encoder.layer.{}.attention.output.dense"),
    (TensorPart::Norm, "attention_norm", "encoder.layer.{}.attention.self_attn_layer_norm"),
    (TensorPart::Linear, "up.base", "encoder.layer.{}.intermediate.dense"),
    (TensorPart::Linear, "down.base", "encoder.layer.{}.output.dense"),
    (TensorPart::Norm, "output_norm", "encoder.layer.{}.LayerNorm"),
];

const DISTILBERT_EMBEDDINGS: [Row; 3] = [
    (TensorPart::Table, "embeddings.word", "embeddings.word_embeddings"),
    (TensorPart::Table, "embeddings.position", "embeddings.position_embeddings"),
    (TensorPart::Norm, "embeddings.norm", "embeddings.LayerNorm"),
];

const DISTILBERT_LAYER: [Row; 8] = [
    (TensorPart::Linear, "attention.query.base", "transformer.layer.{}.attention.q_lin"),
    (TensorPart::Linear, "attention.key.base", "transformer.layer.{}.attention.k_lin"),
    (TensorPart::Linear, "attention.value.base", "transformer.layer.{}.attention.v_lin"),
    (TensorPart::Linear, "attention.output.base", "transformer.layer.{}.attention.out_lin"),
    (TensorPart::Norm, "attention_norm", "transformer.layer.{}.sa_layer_norm"),
    (TensorPart::Linear, "up.base", "transformer.layer.{}.ffn.lin1"),
    (TensorPart::Linear, "down.base", "transformer.layer.{}.ffn.lin2"),
    (TensorPart::Norm, "output_norm", "transformer.layer.{}.output_layer_norm"),
];

const XLM_EMBEDDINGS: [Row; 4] = [
    (TensorPart::Table, "embeddings.word", "embeddings"),
    (TensorPart::Table, "embeddings.position", "position_embeddings"),
    (TensorPart::Table, "embeddings.language", "lang_embeddings"),
    (TensorPart::Norm, "embeddings.norm", "layer_norm_emb"),
];

const XLM_LAYER: [Row; 8] = [
    (TensorPart::Linear, "attention.query.base", "attentions.{}.q_lin"),
    (TensorPart::Linear, "attention.key.base", "attentions.{}.k_lin"),
    (TensorPart::Linear, "attention.value.base", "attentions.{}.v_lin"),
    (TensorPart::Linear, "attention.output.base", "attentions.{}.out_lin"),
    (TensorPart::Norm, "attention_norm", "layer_norm1.{}"),
    (TensorPart::Linear, "up.base", "ffns.{}.lin1"),
    (TensorPart::Linear, "down.base", "ffns.{}.lin2"),
    (TensorPart::Norm, "output_norm", "layer_norm2.{}"),
];
