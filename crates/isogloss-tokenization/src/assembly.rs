//! A model with what stands before and after it, as a tokenizer of the `tokenizers` crate.

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, NFD, NFKC, Replace, StripAccents};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::whitespace::WhitespaceSplit;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{
    AddedToken, DecoderWrapper, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer,
    decoders, normalizers,
};

use crate::bpe::CONTINUING;
use crate::config::{NormalForm, Normalization};
use crate::cutting::{Cutting, PATTERN, bounded_pattern};
use crate::special::{BOS, EOS, FIRST, MASK, SpecialTokens};
use crate::tokenizer::SubwordTokenizer;
use crate::unigram::WORD_MARK;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a tokenizer is put together from.
pub(crate) struct Parts {
    pub(crate) model: ModelWrapper,
    pub(crate) cutting: Cutting,
    pub(crate) normalization: Normalization,
    pub(crate) special: SpecialTokens,
}

impl Parts {
    pub(crate) fn assemble(self) -> Result<SubwordTokenizer, BoxError> {
        let is_word_piece = matches!(self.model, ModelWrapper::WordPiece(_));
        let mut inner = Tokenizer::new(self.model);
        inner.with_normalizer(normalizer(self.normalization))?;
        inner.with_pre_tokenizer(Some(pre_tokenizer(self.cutting)?));
        inner.with_decoder(Some(decoder(self.cutting, self.special.has_bytes, is_word_piece)?));
        let symbols = self
            .special
            .user_defined
            .iter()
            .map(|symbol| AddedToken::from(symbol.as_str(), false).normalized(false));
        inner.add_tokens(symbols)?;
        let special = |token: &str| AddedToken::from(token, true).lstrip(token == MASK);
        inner.add_special_tokens(FIRST.into_iter().map(special))?;
        inner.add_special_tokens(self.special.after().map(special))?;
        let id = |token| inner.token_to_id(token).ok_or_else(|| format!("no token `{token}`"));
        let template = TemplateProcessing::builder()
            .try_single("<s> $A </s>")?
            .try_pair("<s> $A </s> </s> $B </s>")?
            .special_tokens(vec![(BOS, id(BOS)?), (EOS, id(EOS)?)])
            .build()?;
        inner.with_post_processor(Some(template));
        SubwordTokenizer::from_inner(inner)
    }
}

/// `None` for none. Marks are removed from letters that are taken apart for it and composed again.
pub(crate) fn normalizer(normalization: Normalization) -> Option<NormalizerWrapper> {
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    match normalization.form {
        Some(NormalForm::Nfc) => steps.push(NFC.into()),
        Some(NormalForm::Nfkc) => steps.push(NFKC.into()),
        None => {}
    }
    if normalization.lowercase {
        steps.push(Lowercase.into());
    }
    if normalization.strip_accents {
        steps.extend([NFD.into(), StripAccents.into(), NFC.into()]);
    }
    match steps.len() {
        0 | 1 => steps.pop(),
        _ => Some(normalizers::Sequence::new(steps).into()),
    }
}

fn pre_tokenizer(cutting: Cutting) -> Result<PreTokenizerWrapper, BoxError> {
    let isolated = |pattern: String| {
        let pattern = SplitPattern::Regex(pattern);
        Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
    };
    Ok(match cutting {
        Cutting::Words { .. } => {
            Sequence::new(vec![WhitespaceSplit.into(), metaspace().into()]).into()
        }
        Cutting::Bytes { most } => {
            let mut steps: Vec<PreTokenizerWrapper> = vec![isolated(PATTERN.to_owned())?.into()];
            if let Some(most) = most {
                steps.push(isolated(bounded_pattern(most))?.into());
            }
            steps.push(ByteLevel::new(false, true, false).into());
            Sequence::new(steps).into()
        }
    })
}

fn decoder(
    cutting: Cutting,
    has_bytes: bool,
    is_word_piece: bool,
) -> Result<DecoderWrapper, BoxError> {
    let mut steps: Vec<DecoderWrapper> = Vec::new();
    if has_bytes {
        steps.push(ByteFallback::new().into());
    }
    if is_word_piece {
        let pattern = ReplacePattern::Regex(format!("^{CONTINUING}"));
        steps.push(Replace::new(pattern, "")?.into());
    }
    steps.push(match cutting {
        Cutting::Words { .. } => metaspace().into(),
        Cutting::Bytes { .. } => ByteLevel::new(false, true, false).into(),
    });
    Ok(match steps.len() {
        1 => steps.remove(0),
        _ => decoders::sequence::Sequence::new(steps).into(),
    })
}

fn metaspace() -> Metaspace {
    Metaspace::new(WORD_MARK, PrependScheme::Always, true)
}
