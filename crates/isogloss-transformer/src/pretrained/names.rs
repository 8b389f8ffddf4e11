//! What tensors are called here and in transformers.

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

/// The names of several tensors, which share a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A matrix and a bias.
    Linear,
    /// A gain and a bias.
    Norm,
    /// A table.
    Table,
    /// The tensor of that name.
    Whole,
}

/// Names of one model, as they are listed.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) list: Vec<Name>,
}

impl Names {
    /// Adds the tensors of a part of a head.
    pub(super) fn push(&mut self, part: Part, ours: &str, theirs: &str) {
        self.add(part, ours, theirs, false);
    }

    /// Adds the tensors of a part that transformers keeps with the encoder.
    pub(super) fn push_of_encoder(&mut self, part: Part, ours: &str, theirs: &str) {
        self.add(part, ours, theirs, true);
    }

    fn add(&mut self, part: Part, ours: &str, theirs: &str, is_encoders: bool) {
        let suffixes: &[(&str, &str, bool)] = match part {
            Part::Linear => &[(".weight", ".weight", true), (".bias", ".bias", false)],
            Part::Norm => &[(".gamma", ".weight", false), (".beta", ".bias", false)],
            Part::Table => &[(".weight", ".weight", false)],
            Part::Whole => &[("", "", false)],
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
            add(Part::Linear, "pooler.dense", "pooler.dense");
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

type Row = (Part, &'static str, &'static str);

const BERT_EMBEDDINGS: [Row; 4] = [
    (Part::Table, "embeddings.word", "embeddings.word_embeddings"),
    (Part::Table, "embeddings.position", "embeddings.position_embeddings"),
    (Part::Table, "embeddings.token_type", "embeddings.token_type_embeddings"),
    (Part::Norm, "embeddings.norm", "embeddings.LayerNorm"),
];

const BERT_LAYER: [Row; 8] = [
    (Part::Linear, "attention.query.base", "encoder.layer.{}.attention.self.query"),
    (Part::Linear, "attention.key.base", "encoder.layer.{}.attention.self.key"),
    (Part::Linear, "attention.value.base", "encoder.layer.{}.attention.self.value"),
    (Part::Linear, "attention.output.base", "encoder.layer.{}.attention.output.dense"),
    (Part::Norm, "attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
    (Part::Linear, "up.base", "encoder.layer.{}.intermediate.dense"),
    (Part::Linear, "down.base", "encoder.layer.{}.output.dense"),
    (Part::Norm, "output_norm", "encoder.layer.{}.output.LayerNorm"),
];

const XL_EMBEDDINGS: [Row; 4] = [
    (Part::Table, "embeddings.word", "embeddings.word_embeddings"),
    (Part::Table, "embeddings.position", "embeddings.position_embeddings"),
    (Part::Table, "embeddings.token_type", "embeddings.token_type_embeddings"),
    (Part::Norm, "final_norm", "encoder.LayerNorm"),
];

const XL_LAYER: [Row; 8] = [
    (Part::Linear, "attention.query.base", "encoder.layer.{}.attention.self.query"),
    (Part::Linear, "attention.key.base", "encoder.layer.{}.attention.self.key"),
    (Part::Linear, "attention.value.base", "encoder.layer.{}.attention.self.value"),
    (Part::Linear, "attention.output.base", "encoder.layer.{}.attention.output.dense"),
    (Part::Norm, "attention_norm", "encoder.layer.{}.attention.self_attn_layer_norm"),
    (Part::Linear, "up.base", "encoder.layer.{}.intermediate.dense"),
    (Part::Linear, "down.base", "encoder.layer.{}.output.dense"),
    (Part::Norm, "output_norm", "encoder.layer.{}.LayerNorm"),
];

const DISTILBERT_EMBEDDINGS: [Row; 3] = [
    (Part::Table, "embeddings.word", "embeddings.word_embeddings"),
    (Part::Table, "embeddings.position", "embeddings.position_embeddings"),
    (Part::Norm, "embeddings.norm", "embeddings.LayerNorm"),
];

const DISTILBERT_LAYER: [Row; 8] = [
    (Part::Linear, "attention.query.base", "transformer.layer.{}.attention.q_lin"),
    (Part::Linear, "attention.key.base", "transformer.layer.{}.attention.k_lin"),
    (Part::Linear, "attention.value.base", "transformer.layer.{}.attention.v_lin"),
    (Part::Linear, "attention.output.base", "transformer.layer.{}.attention.out_lin"),
    (Part::Norm, "attention_norm", "transformer.layer.{}.sa_layer_norm"),
    (Part::Linear, "up.base", "transformer.layer.{}.ffn.lin1"),
    (Part::Linear, "down.base", "transformer.layer.{}.ffn.lin2"),
    (Part::Norm, "output_norm", "transformer.layer.{}.output_layer_norm"),
];

const XLM_EMBEDDINGS: [Row; 4] = [
    (Part::Table, "embeddings.word", "embeddings"),
    (Part::Table, "embeddings.position", "position_embeddings"),
    (Part::Table, "embeddings.language", "lang_embeddings"),
    (Part::Norm, "embeddings.norm", "layer_norm_emb"),
];

const XLM_LAYER: [Row; 8] = [
    (Part::Linear, "attention.query.base", "attentions.{}.q_lin"),
    (Part::Linear, "attention.key.base", "attentions.{}.k_lin"),
    (Part::Linear, "attention.value.base", "attentions.{}.v_lin"),
    (Part::Linear, "attention.output.base", "attentions.{}.out_lin"),
    (Part::Norm, "attention_norm", "layer_norm1.{}"),
    (Part::Linear, "up.base", "ffns.{}.lin1"),
    (Part::Linear, "down.base", "ffns.{}.lin2"),
    (Part::Norm, "output_norm", "layer_norm2.{}"),
];
