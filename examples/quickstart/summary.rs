//! Scores of many languages in one number, with the interval that belongs to it.

use isogloss::core::{LanguageTag, Seed};
use isogloss::evaluation::{
    BootstrapConfig, Estimate, EvaluationError, MacroF1, Mean, PairedDifference, PseudoPerplexity,
    RatioOfSums,
};

use crate::Outcome;
use crate::corpora::{Corpora, tag};
use crate::data::{HELD_OUT, PIVOT, TOPICS};
use crate::measures::{ByLanguage, Scores};

/// Languages by what pre-training saw of them.
pub(crate) struct Groups {
    /// Texts, and translations from English.
    pub(crate) with_pairs: Vec<LanguageTag>,
    /// Texts alone; without English.
    pub(crate) without_pairs: Vec<LanguageTag>,
}

impl Groups {
    pub(crate) fn of(corpora: &Corpora) -> Self {
        let paired: Vec<_> = corpora.pairs().into_iter().map(|(language, _)| language).collect();
        let seen = corpora.pretraining_texts().into_iter().map(|(language, _)| language);
        let (with_pairs, without_pairs) = seen
            .filter(|language| *language != tag(PIVOT) && *language != tag(HELD_OUT))
            .partition(|language| paired.contains(language));
        Self { with_pairs, without_pairs }
    }

    /// Both, by name.
    pub(crate) fn named(&self) -> [(&'static str, &[LanguageTag]); 2] {
        [("with pairs", &self.with_pairs), ("without pairs", &self.without_pairs)]
    }

    /// Every language of pre-training but English.
    pub(crate) fn all(&self) -> Vec<LanguageTag> {
        self.with_pairs.iter().chain(&self.without_pairs).cloned().collect()
    }
}

/// Estimates with 95 % bootstrap intervals over symbols.
#[derive(Clone, Copy)]
pub(crate) struct Estimates {
    bootstrap: BootstrapConfig,
}

/// The value of one symbol in one language.
pub(crate) type Value = fn(&Scores, usize) -> f64;

impl Estimates {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { bootstrap: BootstrapConfig::new(seed.derive("bootstrap")) }
    }

    /// The mean over symbols of a mean over languages. Symbols are what is drawn again: their
    /// scores in different languages depend on one another.
    pub(crate) fn mean(
        &self,
        scores: &ByLanguage,
        languages: &[LanguageTag],
        value: Value,
    ) -> Outcome<Estimate> {
        Ok(self.bootstrap.estimate(&Mean, &by_symbol(scores, languages, value))?)
    }

    /// How much better the first is than the second, over the same symbols.
    pub(crate) fn difference(
        &self,
        first: &ByLanguage,
        second: &ByLanguage,
        languages: &[LanguageTag],
        value: Value,
    ) -> Outcome<PairedDifference> {
        let [first, second] = [first, second].map(|scores| by_symbol(scores, languages, value));
        Ok(self.bootstrap.paired(&Mean, &first, &second)?)
    }

    /// The share of hidden tokens that were guessed, over all languages.
    pub(crate) fn guessed(
        &self,
        scores: &ByLanguage,
        languages: &[LanguageTag],
    ) -> Result<Estimate, EvaluationError> {
        self.bootstrap.estimate(&RatioOfSums, &texts(scores, languages, |s| &s.guessed))
    }

    /// How many more of them the first guessed than the second, over the same texts.
    pub(crate) fn guessed_difference(
        &self,
        first: &ByLanguage,
        second: &ByLanguage,
        languages: &[LanguageTag],
    ) -> Result<PairedDifference, EvaluationError> {
        let [first, second] =
            [first, second].map(|scores| texts(scores, languages, |s| &s.guessed));
        self.bootstrap.paired(&RatioOfSums, &first, &second)
    }

    /// Pseudo-perplexity for each character, over all languages.
    pub(crate) fn perplexity(
        &self,
        scores: &ByLanguage,
        languages: &[LanguageTag],
    ) -> Result<Estimate, EvaluationError> {
        self.bootstrap
            .estimate(&PseudoPerplexity, &texts(scores, languages, |s| &s.log_probability))
    }

    /// Macro-averaged F1 of topics in one language.
    pub(crate) fn topic_f1(&self, scores: &Scores) -> Result<Estimate, EvaluationError> {
        self.bootstrap.estimate(&MacroF1 { n_classes: TOPICS.len() }, &scores.topics)
    }
}

/// Whether the nearest neighbour is the translation: mean of both ways.
pub(crate) fn precision_at_1(scores: &Scores, symbol: usize) -> f64 {
    f64::midpoint(scores.from_english[symbol], scores.to_english[symbol])
}

/// One over the rank of the translation: mean of both ways.
pub(crate) fn reciprocal_rank(scores: &Scores, symbol: usize) -> f64 {
    scores.reciprocal_rank[symbol]
}

/// Whether the topic is right.
pub(crate) fn topic_accuracy(scores: &Scores, symbol: usize) -> f64 {
    let topic = scores.topics[symbol];
    f64::from(u8::from(topic.predicted == topic.gold))
}

fn by_symbol(scores: &ByLanguage, languages: &[LanguageTag], value: Value) -> Vec<f64> {
    let own: Vec<&Scores> = languages.iter().map(|language| &scores[language]).collect();
    let symbols = own.first().map_or(0, |scores| scores.guessed.len());
    let mean =
        |symbol| own.iter().map(|scores| value(scores, symbol)).sum::<f64>() / own.len() as f64;
    (0..symbols).map(mean).collect()
}

fn texts<'a>(
    scores: &'a ByLanguage,
    languages: &[LanguageTag],
    field: impl Fn(&'a Scores) -> &'a Vec<[f64; 2]>,
) -> Vec<[f64; 2]> {
    languages.iter().flat_map(|language| field(&scores[language])).copied().collect()
}
