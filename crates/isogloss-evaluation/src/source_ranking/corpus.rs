//! What a text says of its language without a model.

use std::collections::HashSet;

use super::SourceFeature;
use crate::EvaluationError;
use crate::whitespace::python_split;

/// The vocabulary and the size of a corpus.
///
/// Words stand between whitespace, as in LangRank: tokenise the text before, the same way for all
/// languages, where writing leaves no spaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CorpusProfile {
    sentences: usize,
    tokens: usize,
    words: HashSet<String>,
    subwords: Option<HashSet<String>>,
}

impl CorpusProfile {
    /// Counts sentences and words. A sentence without words counts as a sentence.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] where there are no words.
    pub fn try_new<S: AsRef<str>>(
        sentences: impl IntoIterator<Item = S>,
    ) -> Result<Self, EvaluationError> {
        let (mut count, mut tokens, mut words) = (0, 0, HashSet::new());
        for sentence in sentences {
            count += 1;
            for word in python_split(sentence.as_ref()) {
                tokens += 1;
                if !words.contains(word) {
                    words.insert(word.to_owned());
                }
            }
        }
        if tokens == 0 {
            return Err(EvaluationError::Empty { what: "words of a corpus" });
        }
        Ok(Self { sentences: count, tokens, words, subwords: None })
    }

    /// Adds the tokens of a subword tokeniser that all languages share; each may be given repeatedly.
    #[must_use]
    pub fn with_subwords<S: Into<String>>(mut self, tokens: impl IntoIterator<Item = S>) -> Self {
        self.subwords = Some(tokens.into_iter().map(Into::into).collect());
        self
    }

    /// The number of sentences.
    pub fn sentences(&self) -> usize {
        self.sentences
    }

    /// Different words, over all words.
    pub fn type_token_ratio(&self) -> f64 {
        self.words.len() as f64 / self.tokens as f64
    }

    /// What this corpus of a source and one of a target say together.
    pub(super) fn features(&self, target: &Self) -> Vec<(SourceFeature, f64)> {
        let (source_ratio, target_ratio) = (self.type_token_ratio(), target.type_token_ratio());
        let (source_size, target_size) = (self.sentences as f64, target.sentences as f64);
        let mut features = vec![
            (SourceFeature::WordOverlap, overlap(&self.words, &target.words)),
            (SourceFeature::SourceSize, source_size),
            (SourceFeature::TargetSize, target_size),
            (SourceFeature::SizeRatio, source_size / target_size),
            (SourceFeature::SourceTypeTokenRatio, source_ratio),
            (SourceFeature::TargetTypeTokenRatio, target_ratio),
            (SourceFeature::TypeTokenDistance, (1.0 - source_ratio / target_ratio).powi(2)),
        ];
        if let (Some(source), Some(target)) = (&self.subwords, &target.subwords)
            && !(source.is_empty() && target.is_empty())
        {
            features.push((SourceFeature::SubwordOverlap, overlap(source, target)));
        }
        features
    }
}

fn overlap(a: &HashSet<String>, b: &HashSet<String>) -> f64 {
    a.intersection(b).count() as f64 / (a.len() + b.len()) as f64
}
