//! Attachment scores of dependency trees.

use serde::{Deserialize, Serialize};

use crate::{DependencySentence, EvaluationError};

/// What of a tree is scored.
///
/// ```text
/// UAS = words with the right head / words
/// LAS = words with the right head and relation / words
/// CLAS = 2 · content words with both right / (content words of gold + of the system)
/// ```
///
/// over all sentences together. A content word is one whose relation is none of aux, case, cc, clf, cop, det, mark and
/// punct, but another of the universal ones; gold and system may have different ones. Words inside multiword tokens are
/// scored, those tokens and empty nodes are not. Where gold and system have other words, the scores of CoNLL 2018 need
/// an alignment: that is not done here, and an error.
///
/// # Source
///
/// Zeman et al. (2018), "CoNLL 2018 Shared Task: Multilingual Parsing from Raw Text to Universal Dependencies",
/// <https://aclanthology.org/K18-2001>, as its scorer computes them (`udeval` of udtools 0.2.9). CLAS: Nivre and Fang
/// (2017), "Universal Dependency Evaluation", <https://aclanthology.org/W17-0411>.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{BootstrapConfig, DependencyConfig, RatioOfSums, parse_conllu};
///
/// let gold = parse_conllu(
///     "1\tAdé\t_\tPROPN\t_\t_\t2\tnsubj\t_\t_\n2\tjẹun\t_\tVERB\t_\t_\t0\troot\t_\t_\n",
/// )?;
/// let mut system = gold.clone();
/// system[0].words[0].relation = "obj".to_owned();
/// let scores = DependencyConfig::default().score(&gold, &system)?;
/// assert_eq!((scores.uas(), scores.las()), (Some(1.0), Some(0.5)));
/// let las = BootstrapConfig::new(Seed::new(1)).estimate(&RatioOfSums, &scores.las_items())?;
/// assert_eq!(las.value, 0.5);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DependencyConfig {
    /// Whether words count whose gold part of speech is PUNCT. Default: true, as in CoNLL 2018.
    pub punctuation: bool,
    /// Whether relations must be equal to the end, `obl:loc` not `obl`. Default: false, as in CoNLL 2018.
    pub subtypes: bool,
    /// Whether each sentence must be a tree, of one root and without cycles. Default: true, as in CoNLL 2018.
    pub trees_only: bool,
}

impl Default for DependencyConfig {
    fn default() -> Self {
        Self { punctuation: true, subtypes: false, trees_only: true }
    }
}

/// What is right in a sentence.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DependencyCounts {
    /// Scored words.
    pub words: usize,
    /// Words with the right head.
    pub heads: usize,
    /// Words with the right head and relation.
    pub labelled: usize,
    /// Content words of the gold tree.
    pub content_gold: usize,
    /// Content words of the system's tree.
    pub content_system: usize,
    /// Content words with the right head and relation.
    pub content_right: usize,
}

/// What is right in each sentence, and the scores of all.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DependencyScores {
    /// The counts of each sentence, in order.
    pub sentences: Vec<DependencyCounts>,
}

/// The universal relations of content words, as the scorer of CoNLL 2018 lists them.
const CONTENT: [&str; 29] = [
    "acl",
    "advcl",
    "advmod",
    "amod",
    "appos",
    "ccomp",
    "compound",
    "conj",
    "csubj",
    "dep",
    "discourse",
    "dislocated",
    "expl",
    "fixed",
    "flat",
    "goeswith",
    "iobj",
    "list",
    "nmod",
    "nsubj",
    "nummod",
    "obj",
    "obl",
    "orphan",
    "parataxis",
    "reparandum",
    "root",
    "vocative",
    "xcomp",
];

impl DependencyConfig {
    /// Sets whether punctuation counts.
    #[must_use]
    pub fn with_punctuation(mut self, punctuation: bool) -> Self {
        self.punctuation = punctuation;
        self
    }

    /// Sets whether subtypes of relations count.
    #[must_use]
    pub fn with_subtypes(mut self, subtypes: bool) -> Self {
        self.subtypes = subtypes;
        self
    }

    /// Sets whether each sentence must be a tree.
    #[must_use]
    pub fn with_trees_only(mut self, trees_only: bool) -> Self {
        self.trees_only = trees_only;
        self
    }

    /// Scores a system's sentences against those of gold, in the same order.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without sentences, [`EvaluationError::Segmentation`] for the first sentence that has
    /// other tokens or words, [`EvaluationError::Length`] where one side has more sentences,
    /// [`EvaluationError::Conllu`] for a head outside of its sentence, and for what is no tree where it must be.
    pub fn score(
        &self,
        gold: &[DependencySentence],
        system: &[DependencySentence],
    ) -> Result<DependencyScores, EvaluationError> {
        if gold.is_empty() {
            return Err(EvaluationError::Empty { what: "dependencies" });
        }
        let mut sentences = Vec::with_capacity(gold.len());
        for (place, (gold, system)) in gold.iter().zip(system).enumerate() {
            check_words(place, gold, system)?;
            for (sentence, field) in [(gold, "HEAD of gold"), (system, "HEAD of the system")] {
                check_heads(sentence, field, self.trees_only)?;
            }
            sentences.push(self.count(gold, system));
        }
        if gold.len() != system.len() {
            let (found, expected) = (system.len(), gold.len());
            return Err(EvaluationError::Length {
                what: "sentences of the system",
                found,
                expected,
            });
        }
        Ok(DependencyScores { sentences })
    }

    fn count(self, gold: &DependencySentence, system: &DependencySentence) -> DependencyCounts {
        let mut counts = DependencyCounts::default();
        for (gold, system) in gold.words.iter().zip(&system.words) {
            if !self.punctuation && gold.upos == "PUNCT" {
                continue;
            }
            let is_head = gold.head == system.head;
            let is_relation = if self.subtypes {
                gold.relation == system.relation
            } else {
                universal(&gold.relation) == universal(&system.relation)
            };
            let is_gold_content = is_content(&gold.relation);
            counts.words += 1;
            counts.heads += usize::from(is_head);
            counts.labelled += usize::from(is_head && is_relation);
            counts.content_gold += usize::from(is_gold_content);
            counts.content_system += usize::from(is_content(&system.relation));
            counts.content_right += usize::from(is_gold_content && is_head && is_relation);
        }
        counts
    }
}

impl DependencyScores {
    /// The share of words with the right head; `None` where no word is scored.
    pub fn uas(&self) -> Option<f64> {
        ratio(&self.uas_items())
    }

    /// The share of words with the right head and relation; `None` where no word is scored.
    pub fn las(&self) -> Option<f64> {
        ratio(&self.las_items())
    }

    /// F1 of the heads and relations of content words; `None` where neither side has any.
    pub fn clas(&self) -> Option<f64> {
        ratio(&self.clas_items())
    }

    /// Right heads and words of each sentence, items of [`RatioOfSums`](crate::RatioOfSums).
    pub fn uas_items(&self) -> Vec<[f64; 2]> {
        self.items(|counts| [counts.heads, counts.words])
    }

    /// Right heads with relations, and words, of each sentence, items of [`RatioOfSums`](crate::RatioOfSums).
    pub fn las_items(&self) -> Vec<[f64; 2]> {
        self.items(|counts| [counts.labelled, counts.words])
    }

    /// Twice the right content words, and those of both sides, of each sentence, items of
    /// [`RatioOfSums`](crate::RatioOfSums).
    pub fn clas_items(&self) -> Vec<[f64; 2]> {
        self.items(|counts| [2 * counts.content_right, counts.content_gold + counts.content_system])
    }

    fn items(&self, each: impl Fn(&DependencyCounts) -> [usize; 2]) -> Vec<[f64; 2]> {
        self.sentences.iter().map(|counts| each(counts).map(|count| count as f64)).collect()
    }
}

fn ratio(items: &[[f64; 2]]) -> Option<f64> {
    crate::Metric::aggregate(&crate::RatioOfSums, &mut items.iter())
}

/// The part of a relation that all languages share.
fn universal(relation: &str) -> &str {
    relation.split_once(':').map_or(relation, |(universal, _)| universal)
}

fn is_content(relation: &str) -> bool {
    CONTENT.contains(&universal(relation))
}

/// That both sentences are written alike and have the same words.
fn check_words(
    place: usize,
    gold: &DependencySentence,
    system: &DependencySentence,
) -> Result<(), EvaluationError> {
    let name = || {
        let id = gold.id.as_ref().map_or_else(String::new, |id| format!(" (`{id}`)"));
        format!("{}{id}", place + 1)
    };
    let shown = |form: &str, words: usize| match words {
        1 => format!("`{form}`"),
        _ => format!("`{form}` of {words} words"),
    };
    let last_line = |sentence: &DependencySentence| sentence.words.last().map_or(0, |w| w.line);
    let (mut gold_tokens, mut system_tokens) = (gold.tokens(), system.tokens());
    loop {
        let (gold_token, system_token) = (gold_tokens.next(), system_tokens.next());
        let same =
            |(a, a_words, _): (&str, usize, usize), (b, b_words, _)| a == b && a_words == b_words;
        match (gold_token, system_token) {
            (None, None) => break,
            (Some(a), Some(b)) if same(a, b) => {}
            _ => {
                let side = |token: Option<(&str, usize, usize)>, sentence| match token {
                    Some((form, words, line)) => (line, shown(form, words)),
                    None => (last_line(sentence), "the end of the sentence".to_owned()),
                };
                let (gold_line, gold) = side(gold_token, gold);
                let (system_line, system) = side(system_token, system);
                let sentence = name();
                return Err(EvaluationError::Segmentation {
                    sentence,
                    gold_line,
                    gold,
                    system_line,
                    system,
                });
            }
        }
    }
    // The scorer of CoNLL 2018 finds the words of multiword tokens by their lowercased forms.
    let mut words = gold.words.iter().zip(&system.words);
    let differ =
        words.find(|(a, b)| a.form != b.form && a.form.to_lowercase() != b.form.to_lowercase());
    differ.map_or(Ok(()), |(gold, system)| {
        Err(EvaluationError::Segmentation {
            sentence: name(),
            gold_line: gold.line,
            gold: shown(&gold.form, 1),
            system_line: system.line,
            system: shown(&system.form, 1),
        })
    })
}

/// That heads are words of the sentence and, where asked for, that they make a tree of one root.
fn check_heads(
    sentence: &DependencySentence,
    field: &'static str,
    is_tree: bool,
) -> Result<(), EvaluationError> {
    let words = &sentence.words;
    let fault = |line: usize, head: usize, expected| {
        Err(EvaluationError::Conllu { line, field, found: format!("`{head}`"), expected })
    };
    if let Some(word) = words.iter().find(|word| word.head > words.len()) {
        return fault(word.line, word.head, "the number of a word of the sentence, or 0");
    }
    if !is_tree {
        return Ok(());
    }
    if let Some(second) = words.iter().filter(|word| word.head == 0).nth(1) {
        return fault(second.line, 0, "one root in a sentence");
    }
    // Each word is walked once: a walk ends at the root or at a word of an earlier walk that did.
    let mut walk_of = vec![0; words.len()];
    for (number, word) in words.iter().enumerate() {
        let walk = number + 1;
        let mut at = walk;
        while at > 0 && walk_of[at - 1] == 0 {
            walk_of[at - 1] = walk;
            at = words[at - 1].head;
        }
        if at > 0 && walk_of[at - 1] == walk {
            return fault(word.line, word.head, "a way to the root, not a cycle");
        }
    }
    Ok(())
}
