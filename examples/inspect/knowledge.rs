//! How probable texts are to the model's own head, where it has one.

use std::path::Path;
use std::time::{Duration, Instant};

use isogloss::evaluation::{
    BitsPerByte, BootstrapConfig, Estimate, Perplexity, TextCounts, TextLikelihood, TextUnit,
};
use isogloss::sentence::{SentenceEncoder, SentenceModel};
use isogloss::tokenization::{TextEncoder, encode_words};
use isogloss::transformer::{
    MaskedLanguageModel, Pretrained, PseudoLikelihood, PseudoLikelihoodConfig, SequenceInput,
    WordedSequence,
};
use isogloss_examples::{Bars, Outcome};

use crate::texts::{Aligned, Language};

/// How well the model knows each language.
pub(crate) struct Knowledge {
    /// The texts of each language, from the first.
    pub(crate) texts: usize,
    pub(crate) masks: PseudoLikelihood,
    pub(crate) languages: Vec<Known>,
    pub(crate) time: Duration,
}

/// How well the model knows one language; no scores where none of its texts could be scored.
pub(crate) struct Known {
    pub(crate) perplexity: Option<Estimate>,
    pub(crate) bits: Option<Estimate>,
    pub(crate) tokens: u64,
    pub(crate) left_out: usize,
}

/// A model with its head of masked language modelling, and how it scores.
pub(crate) struct Scorer<'a> {
    encoder: &'a SentenceEncoder,
    model: MaskedLanguageModel,
    config: PseudoLikelihoodConfig,
    /// The row of the language embedding.
    row: Option<u32>,
}

impl<'a> Scorer<'a> {
    /// Puts the head that `dir` has on the encoder.
    pub(crate) fn open(
        encoder: &'a SentenceEncoder,
        dir: &Path,
        row: Option<u32>,
        masks: PseudoLikelihood,
    ) -> Outcome<Self> {
        let wanted = "--pseudo-perplexity wants a head of masked language modelling";
        let head = Pretrained::<MaskedLanguageModel>::open(dir, encoder.device())
            .map_err(|it| format!("{wanted}: {it}"))?;
        let model = head.into_model().with_encoder(encoder.encoder().clone())?;
        let mask = encoder.vocabulary().special_ids().mask;
        let dir = dir.display();
        let mask = mask
            .ok_or_else(|| format!("--pseudo-perplexity: the vocabulary of {dir} has no mask"))?;
        let config = PseudoLikelihoodConfig::new(mask).with_masks(masks);
        Ok(Self { encoder, model, config, row })
    }

    /// Scores up to `count` texts of each language, from the first.
    pub(crate) fn score(
        &self,
        texts: &Aligned,
        count: usize,
        bootstrap: &BootstrapConfig,
        bars: &Bars,
    ) -> Outcome<Knowledge> {
        let start = Instant::now();
        let score = |language: &Language| {
            let Scored { sequences, counts, left_out } =
                prepare(self.encoder, language, count, self.row)?;
            let stage = bars.stage(language.tag.name());
            let device = self.encoder.device();
            let scores =
                self.model.pseudo_log_likelihoods(&sequences, &self.config, device, &stage)?;
            let items = scores.iter().zip(counts);
            let items = items.map(|(it, counts)| TextLikelihood::try_new(it.total(), counts));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            let unit = TextUnit::Character;
            let (perplexity, bits) = if items.is_empty() {
                (None, None)
            } else {
                let perplexity = bootstrap.estimate(&Perplexity { unit }, &items)?;
                (Some(perplexity), Some(bootstrap.estimate(&BitsPerByte, &items)?))
            };
            let tokens = items.iter().map(|item| item.counts.tokens).sum();
            Ok(Known { perplexity, bits, tokens, left_out })
        };
        let languages = texts.languages.iter().map(score).collect::<Outcome<_>>()?;
        let (texts, masks) = (count.min(texts.count), self.config.masks);
        Ok(Knowledge { texts, masks, languages, time: start.elapsed() })
    }
}

/// What can be scored of a language.
struct Scored {
    sequences: Vec<WordedSequence>,
    counts: Vec<TextCounts>,
    /// What is unknown cannot be guessed, and of what is cut not all is scored.
    left_out: usize,
}

fn prepare(
    encoder: &SentenceEncoder,
    language: &Language,
    count: usize,
    row: Option<u32>,
) -> Outcome<Scored> {
    let vocabulary = encoder.vocabulary();
    let unknown = vocabulary.special_ids().unk;
    let most = encoder.max_tokens().unwrap_or(usize::MAX);
    let mut scored = Scored { sequences: Vec::new(), counts: Vec::new(), left_out: 0 };
    for text in language.texts.iter().take(count) {
        let words = encode_words(vocabulary, text)?;
        let tokens = words.iter().map(|word| word.ids.len()).sum::<usize>();
        let is_unknown = words.iter().any(|word| word.ids.iter().any(|id| Some(*id) == unknown));
        let sequence = framed(vocabulary.frame(), words.into_iter().map(|word| word.ids), row);
        if is_unknown || tokens == 0 || sequence.input.len() > most {
            scored.left_out += 1;
            continue;
        }
        scored.sequences.push(sequence);
        scored.counts.push(TextCounts::new(text, tokens as u64));
    }
    Ok(scored)
}

/// A text between delimiters, which belong to no word.
fn framed(
    [before, after]: [Vec<u32>; 2],
    words: impl Iterator<Item = Vec<u32>>,
    row: Option<u32>,
) -> WordedSequence {
    let mut of_token = vec![None; before.len()];
    let mut ids = before;
    for (word, own) in words.enumerate() {
        of_token.extend(own.iter().map(|_| Some(word)));
        ids.extend(own);
    }
    of_token.extend(after.iter().map(|_| None));
    ids.extend(after);
    let input = SequenceInput::new(ids);
    let input = match row {
        Some(row) => input.with_language(row),
        None => input,
    };
    WordedSequence { input, words: of_token }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_the_number_of_their_word() {
        let words = [vec![5], vec![6, 7, 8], vec![9]];
        let found = framed([vec![0], vec![2, 2]], words.into_iter(), Some(1));
        assert_eq!(found.input.ids, [0, 5, 6, 7, 8, 9, 2, 2]);
        assert_eq!(found.input.languages, Some(vec![1; 8]));
        let words = [None, Some(0), Some(1), Some(1), Some(1), Some(2), None, None];
        assert_eq!(found.words, words);
    }
}
