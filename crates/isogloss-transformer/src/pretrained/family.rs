//! The families of encoders: what `config.json` says of each, as a configuration and back.

use isogloss_peft::Activation;
use serde_json::{Map, Value, json};

use super::fields::Fields;
use crate::{DropoutAfter, EncoderConfig, NormOrder};

/// A family of encoders, as transformers tells them apart.
///
/// A family is a way to write down a configuration, and names for tensors: all are one
/// [`Encoder`](crate::Encoder).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Family {
    /// BERT, mBERT, LaBSE, MiniLM, multilingual-e5-small: Devlin et al. (2019),
    /// <https://arxiv.org/abs/1810.04805>.
    Bert,
    /// DistilBERT: Sanh et al. (2019), <https://arxiv.org/abs/1910.01108>.
    DistilBert,
    /// XLM: Lample and Conneau (2019), <https://arxiv.org/abs/1901.07291>.
    Xlm,
    /// XLM-R: Conneau et al. (2020), <https://arxiv.org/abs/1911.02116>.
    XlmRoberta,
    /// XLM-R XL and XXL: Goyal et al. (2021), <https://arxiv.org/abs/2105.00572>.
    XlmRobertaXl,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bert, Self::DistilBert, Self::Xlm, Self::XlmRoberta, Self::XlmRobertaXl];

    /// Its name in `config.json`.
    pub const fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Xlm => "xlm",
            Self::XlmRoberta => "xlm-roberta",
            Self::XlmRobertaXl => "xlm-roberta-xl",
        }
    }

    /// The family of that name.
    pub fn from_model_type(model_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.model_type() == model_type)
    }

    /// With what the names of its classes begin.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Bert => "Bert",
            Self::DistilBert => "DistilBert",
            Self::Xlm => "XLM",
            Self::XlmRoberta => "XLMRoberta",
            Self::XlmRobertaXl => "XLMRobertaXL",
        }
    }

    /// With what the names of an encoder's tensors begin where a head is beside it.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert.",
            Self::DistilBert => "distilbert.",
            Self::Xlm => "transformer.",
            Self::XlmRoberta | Self::XlmRobertaXl => "roberta.",
        }
    }

    /// Reads the shape of an encoder. What is absent has the default of the class in transformers, which
    /// is what the original computes with.
    pub(super) fn encoder_config(self, fields: &mut Fields<'_>) -> EncoderConfig {
        match self {
            Self::Xlm => xlm_config(fields),
            Self::DistilBert => distilbert_config(fields),
            Self::Bert | Self::XlmRoberta | Self::XlmRobertaXl => self.bert_config(fields),
        }
    }

    fn bert_config(self, fields: &mut Fields<'_>) -> EncoderConfig {
        let is_xl = self == Self::XlmRobertaXl;
        let [vocab_size, d_model, n_layers, n_heads, d_ff] =
            if is_xl { [250_880, 2560, 36, 32, 10_240] } else { [30_522, 768, 12, 12, 3072] };
        let pad_id = fields.id("pad_token_id", u32::from(self != Self::Bert));
        let offset = if self == Self::Bert { 0 } else { pad_id as usize + 1 };
        fields.only_flag("is_decoder", false);
        fields.only_flag("add_cross_attention", false);
        fields.only_text("position_embedding_type", "absolute");
        let rows = fields.count("max_position_embeddings", if is_xl { 514 } else { 512 });
        let expected = format!("more than {offset}, the rows before the first token's");
        fields.check(rows > offset, "max_position_embeddings", rows, expected);
        EncoderConfig::new(fields.count("vocab_size", vocab_size))
            .with_d_model(fields.count("hidden_size", d_model))
            .with_n_layers(fields.count("num_hidden_layers", n_layers))
            .with_n_heads(fields.count("num_attention_heads", n_heads))
            .with_d_ff(fields.count("intermediate_size", d_ff))
            .with_max_positions(rows.saturating_sub(offset))
            .with_position_offset(offset)
            .with_n_token_types(fields.count("type_vocab_size", if is_xl { 1 } else { 2 }))
            .with_activation(fields.activation("hidden_act"))
            .with_norm(if is_xl { NormOrder::Pre } else { NormOrder::Post })
            .with_dropout(fields.number("hidden_dropout_prob", 0.1))
            .with_dropout_after(if is_xl { DropoutAfter::Attention } else { DropoutAfter::Both })
            .with_attention_dropout(fields.number("attention_probs_dropout_prob", 0.1))
            .with_layer_norm_eps(fields.number("layer_norm_eps", if is_xl { 1e-5 } else { 1e-12 }))
            .with_initializer_std(fields.number("initializer_range", 0.02))
            .with_pad_id(pad_id)
    }

    /// Writes the shape of an encoder, or says by which of its fields the family has no such.
    pub(super) fn write_encoder(
        self,
        config: &EncoderConfig,
        json: &mut Map<String, Value>,
    ) -> Result<(), &'static str> {
        // What the family cannot say must have the value that it takes for granted.
        let mut read_back = Map::new();
        self.write_fields(config, &mut read_back);
        let mut faults = Vec::new();
        let understood = self.encoder_config(&mut Fields::new(&read_back, &mut faults));
        // The pooler is for the head to say, and how the vocabulary grew is no part of the numbers.
        let mut understood = understood.with_pooler(config.pooler);
        understood.vocab_extensions.clone_from(&config.vocab_extensions);
        if faults.is_empty() && understood == *config {
            json.extend(read_back);
            Ok(())
        } else {
            Err(first_difference(&understood, config))
        }
    }

    fn write_fields(self, config: &EncoderConfig, json: &mut Map<String, Value>) {
        let activation = activation_name(config.activation);
        let fields = match self {
            Self::Bert | Self::XlmRoberta | Self::XlmRobertaXl => json!({
                "vocab_size": config.vocab_size,
                "hidden_size": config.d_model,
                "num_hidden_layers": config.n_layers,
                "num_attention_heads": config.n_heads,
                "intermediate_size": config.d_ff,
                "max_position_embeddings": config.position_rows(),
                "type_vocab_size": config.n_token_types,
                "hidden_act": activation,
                "hidden_dropout_prob": config.dropout,
                "attention_probs_dropout_prob": config.attention_dropout,
                "layer_norm_eps": config.layer_norm_eps,
                "initializer_range": config.initializer_std,
                "pad_token_id": config.pad_id,
                "position_embedding_type": "absolute",
            }),
            Self::DistilBert => json!({
                "vocab_size": config.vocab_size,
                "dim": config.d_model,
                "n_layers": config.n_layers,
                "n_heads": config.n_heads,
                "hidden_dim": config.d_ff,
                "max_position_embeddings": config.position_rows(),
                "sinusoidal_pos_embds": config.fixed_positions,
                "activation": activation,
                "dropout": config.dropout,
                "attention_dropout": config.attention_dropout,
                "initializer_range": config.initializer_std,
                "pad_token_id": config.pad_id,
            }),
            Self::Xlm => json!({
                "vocab_size": config.vocab_size,
                "emb_dim": config.d_model,
                "n_layers": config.n_layers,
                "n_heads": config.n_heads,
                "max_position_embeddings": config.position_rows(),
                "sinusoidal_embeddings": config.fixed_positions,
                "gelu_activation": config.activation == Activation::Gelu,
                "n_langs": config.n_languages.max(1),
                "use_lang_emb": config.n_languages > 0,
                "causal": config.causal,
                "asm": false,
                "is_encoder": true,
                "dropout": config.dropout,
                "attention_dropout": config.attention_dropout,
                "layer_norm_eps": config.layer_norm_eps,
                "init_std": config.initializer_std,
                "pad_index": config.pad_id,
                "pad_token_id": config.pad_id,
            }),
        };
        if let Value::Object(fields) = fields {
            json.extend(fields);
        }
        json.insert("model_type".to_owned(), self.model_type().into());
    }
}

fn distilbert_config(fields: &mut Fields<'_>) -> EncoderConfig {
    EncoderConfig::new(fields.count("vocab_size", 30_522))
        .with_d_model(fields.count("dim", 768))
        .with_n_layers(fields.count("n_layers", 6))
        .with_n_heads(fields.count("n_heads", 12))
        .with_d_ff(fields.count("hidden_dim", 3072))
        .with_max_positions(fields.count("max_position_embeddings", 512))
        .with_fixed_positions(fields.flag("sinusoidal_pos_embds", false))
        .with_activation(fields.activation("activation"))
        .with_dropout(fields.number("dropout", 0.1))
        .with_dropout_after(DropoutAfter::FeedForward)
        .with_attention_dropout(fields.number("attention_dropout", 0.1))
        .with_layer_norm_eps(1e-12)
        .with_initializer_std(fields.number("initializer_range", 0.02))
        .with_pad_id(fields.id("pad_token_id", 0))
}

fn xlm_config(fields: &mut Fields<'_>) -> EncoderConfig {
    fields.only_flag("asm", false);
    fields.only_flag("is_encoder", true);
    let n_languages = fields.count("n_langs", 1);
    let has_languages = fields.flag("use_lang_emb", true) && n_languages > 1;
    let is_gelu = fields.flag("gelu_activation", true);
    // An old name stands for the same number.
    let vocab_size = if fields.has("n_words") { "n_words" } else { "vocab_size" };
    // Four times as wide is the feed-forward sub-layer in every XLM.
    EncoderConfig::new(fields.count(vocab_size, 30_145))
        .with_d_model(fields.count("emb_dim", 2048))
        .with_n_layers(fields.count("n_layers", 12))
        .with_n_heads(fields.count("n_heads", 16))
        .with_max_positions(fields.count("max_position_embeddings", 512))
        .with_fixed_positions(fields.flag("sinusoidal_embeddings", false))
        .with_n_languages(if has_languages { n_languages } else { 0 })
        .with_activation(if is_gelu { Activation::Gelu } else { Activation::Relu })
        .with_causal(fields.flag("causal", false))
        .with_dropout(fields.number("dropout", 0.1))
        .with_attention_dropout(fields.number("attention_dropout", 0.1))
        .with_layer_norm_eps(fields.number("layer_norm_eps", 1e-12))
        .with_initializer_std(fields.number("init_std", 0.02))
        .with_pad_id(fields.id("pad_index", 2))
}

/// The names of activations in transformers that are known here.
pub(super) const ACTIVATIONS: [(&str, Activation); 8] = [
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("relu", Activation::Relu),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("tanh", Activation::Tanh),
];

fn activation_name(activation: Activation) -> &'static str {
    let known = ACTIVATIONS.into_iter().find(|(_, known)| *known == activation);
    known.map_or("gelu", |(name, _)| name)
}

/// The first field by which two configurations differ.
fn first_difference(a: &EncoderConfig, b: &EncoderConfig) -> &'static str {
    let differences = [
        ("vocab_size", a.vocab_size != b.vocab_size),
        ("d_ff", a.d_ff != b.d_ff),
        ("position_offset", a.position_offset != b.position_offset),
        ("max_positions", a.max_positions != b.max_positions),
        ("fixed_positions", a.fixed_positions != b.fixed_positions),
        ("n_languages", a.n_languages != b.n_languages),
        ("n_token_types", a.n_token_types != b.n_token_types),
        ("activation", a.activation != b.activation),
        ("norm", a.norm != b.norm),
        ("causal", a.causal != b.causal),
        ("dropout_after", a.dropout_after != b.dropout_after),
        ("layer_norm_eps", a.layer_norm_eps.to_bits() != b.layer_norm_eps.to_bits()),
    ];
    differences.into_iter().find(|(_, differ)| *differ).map_or("pad_id", |(field, _)| field)
}
