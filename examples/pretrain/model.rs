//! The model that a run begins with.

use std::fs;
use std::path::Path;

use isogloss::burn::tensor::Device;
use isogloss::core::Seed;
use isogloss::tokenization::embedding::TokenForm;
use isogloss::tokenization::{SpecialIds, TextEncoder as _, Vocabulary};
use isogloss::transformer::{
    Encoder, EncoderConfig, Family, HasEncoder as _, MaskedLanguageModel, Masking, MaskingConfig,
    MaskingUnit, MaskingVocabulary, Pretrained, SequenceLayout,
};
use isogloss_examples::Outcome;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{Args, MaskingArg};

/// The special tokens that pre-training needs.
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    pub(crate) bos: u32,
    pub(crate) eos: u32,
    pub(crate) pad: u32,
    pub(crate) mask: u32,
}

impl Marks {
    pub(crate) fn of(vocabulary: &Vocabulary, path: &Path) -> Outcome<Self> {
        let SpecialIds { bos, pad, eos, mask, .. } = vocabulary.special_ids();
        let needed =
            [("one before a text", bos), ("one after it", eos), ("padding", pad), ("a mask", mask)];
        let missing: Vec<&str> =
            needed.iter().filter(|(_, id)| id.is_none()).map(|(name, _)| *name).collect();
        match (bos, eos, pad, mask) {
            (Some(bos), Some(eos), Some(pad), Some(mask)) => Ok(Self { bos, eos, pad, mask }),
            _ => Err(format!(
                "{}: special tokens are missing: {}",
                path.display(),
                missing.join(", ")
            )
            .into()),
        }
    }
}

pub(crate) fn open(
    args: &Args,
    vocabulary: &Vocabulary,
    marks: Marks,
    device: &Device,
) -> Outcome<Pretrained<MaskedLanguageModel>> {
    let seed = Seed::new(args.seed).derive("model");
    let Some(dir) = &args.init else {
        let (family, config) = config(args, vocabulary.vocab_size(), marks)?;
        let model = MaskedLanguageModel::try_init(&config, device, seed)?;
        return Ok(Pretrained::new(model, family)?);
    };
    let pretrained = match Pretrained::<MaskedLanguageModel>::open(dir, device) {
        Ok(pretrained) => pretrained,
        Err(fault) => {
            // An encoder alone gets a fresh head.
            let encoder = Pretrained::<Encoder>::open(dir, device).map_err(|_| fault)?;
            println!(
                "{}: it has no head that predicts tokens; a fresh one is put on it",
                dir.display()
            );
            encoder.into_language_model(seed, device)?
        }
    };
    let (rows, tokens) =
        (pretrained.model().encoder().config().vocab_size, vocabulary.vocab_size());
    if tokens > rows {
        return Err(format!(
            "{}: {rows} rows in the embedding, expected {tokens}, one for each token",
            dir.display()
        )
        .into());
    }
    let found = pretrained.model().encoder().config().pad_id;
    if found != marks.pad {
        return Err(format!(
            "{}: its padding is token {found}, expected {}, that of the tokenizer",
            dir.display(),
            marks.pad,
        )
        .into());
    }
    Ok(pretrained)
}

fn config(args: &Args, vocab_size: usize, marks: Marks) -> Outcome<(Family, EncoderConfig)> {
    let name = args.config.as_deref().unwrap_or("small");
    let base = EncoderConfig::new(vocab_size).with_dropout(args.dropout).with_pad_id(marks.pad);
    let mut config = match name {
        "small" => base.with_d_model(256).with_n_layers(4).with_n_heads(4),
        "base" => base.with_d_model(768).with_n_layers(12).with_n_heads(12),
        file => {
            let text = fs::read_to_string(file).map_err(|error| {
                format!("--config {file}: {error}, expected small, base or a file")
            })?;
            let json: Value = serde_json::from_str(&text)
                .map_err(|error| format!("{file}: {error}, expected JSON"))?;
            let (family, config) = if json.get("model_type").is_some() {
                Family::read_shape(Path::new(file))?
            } else {
                let config = EncoderConfig::deserialize(json).map_err(|error| {
                    format!("{file}: {error}, expected the shape of an encoder, or `model_type`")
                })?;
                (Family::XlmRoberta, config)
            };
            for (field, found, expected) in [
                ("vocabulary", config.vocab_size, vocab_size),
                ("padding id", config.pad_id as usize, marks.pad as usize),
            ] {
                if found != expected {
                    return Err(format!(
                        "{file}: the {field} is {found}, expected {expected}, as the tokenizer has it"
                    )
                    .into());
                }
            }
            return Ok((family, config));
        }
    };
    // As XLM-R has it, so that the model is one.
    config.attention_dropout = args.dropout;
    config.position_offset = marks.pad as usize + 1;
    config.n_token_types = 1;
    config.max_positions = (2 * (args.max_length + 2)).max(512);
    Ok((Family::XlmRoberta, config))
}

/// How texts are framed. Positions run on through a pair, as in XLM-R.
pub(crate) fn layout(args: &Args, marks: Marks) -> SequenceLayout {
    SequenceLayout::xlm_roberta(marks.bos, marks.eos, args.max_length).with_running_positions()
}

pub(crate) fn masking(args: &Args, vocabulary: &Vocabulary, marks: Marks) -> Outcome<Masking> {
    let unit = match args.masking {
        MaskingArg::Token => MaskingUnit::Token,
        MaskingArg::Word => MaskingUnit::WholeWord,
        MaskingArg::Span => MaskingUnit::Span,
    };
    let size = vocabulary.vocab_size();
    let mut known =
        MaskingVocabulary::new(size, marks.mask, vocabulary.special_ids().all().collect());
    if unit != MaskingUnit::Token {
        let tokens = (0..u32::try_from(size)?).map(|id| vocabulary.token(id).unwrap_or_default());
        let tokens: Vec<String> = tokens.collect();
        let begins_with = |mark: &str| tokens.iter().any(|token| token.starts_with(mark));
        let form = if begins_with("##") {
            TokenForm::WordPiece
        } else if begins_with("▁") {
            TokenForm::SentencePiece
        } else {
            TokenForm::ByteLevel
        };
        known =
            known.with_continues(tokens.iter().map(|token| form.continues_word(token)).collect());
    }
    Ok(MaskingConfig::default().with_rate(args.mask_rate).with_unit(unit).try_init(&known)?)
}
