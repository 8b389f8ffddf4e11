//! A test set, whatever its task.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};
use unicode_normalization::is_nfc;

use super::Benchmark;
use crate::{DependencySentence, EvaluationError, TaggedFile};

/// A part of a test set.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Split {
    /// What is learned from, also where it was translated by a machine.
    Train,
    /// What settings are chosen by.
    Dev,
    /// What is reported.
    #[default]
    Test,
}

/// The items of a benchmark in one language, with where they are from and what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestSet {
    /// Which it is; its card has licence and citation.
    pub benchmark: Benchmark,
    /// The language: of the text that a label, a tree or an answer is of; of what is translated into.
    pub language: LanguageTag,
    /// The code by which the publisher calls it.
    pub code: String,
    /// The part.
    pub split: Split,
    /// The files it was read from.
    pub files: Vec<PathBuf>,
    /// The licence as its publisher states it, an SPDX expression where there is one; a treebank's from its README.
    pub licence: String,
    /// What is in it.
    pub items: TestItems,
    /// What a score on it is to be read with.
    pub warnings: Vec<TestSetWarning>,
}

/// What is wrong with a test set.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TestSetWarning {
    /// The defect.
    pub defect: String,
    /// Who found it; none where it was counted in these very files.
    pub source: Option<String>,
}

/// Items by their task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TestItems {
    /// A text, or two, of one of some classes.
    Classes {
        /// The names of the classes, in the publisher's order.
        labels: Vec<String>,
        /// The texts.
        items: Vec<ClassItem>,
    },
    /// Words with a tag each.
    Tags(TaggedFile),
    /// Words with a part of speech, a head and a relation each.
    Trees(Vec<DependencySentence>),
    /// Questions about a text, in which the answer stands.
    Questions(Vec<Question>),
    /// Sentences in two languages.
    Translations(Vec<Translation>),
    /// Questions about a text, with four answers of which one is right.
    Choices(Vec<ChoiceQuestion>),
}

/// A text with its class.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ClassItem {
    /// The name that the publisher gave it, else its place.
    pub id: String,
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// The text; of natural-language inference, the premise.
    pub text: String,
    /// The second text; of natural-language inference, the hypothesis.
    pub pair: Option<String>,
    /// The class, as a place among the labels.
    pub label: usize,
}

/// A question about a text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Question {
    /// The name that the publisher gave it.
    pub id: String,
    /// The text, which several questions share.
    pub context: Arc<str>,
    /// What is asked.
    pub question: String,
    /// The right answers, each with where the publisher says that it begins in the text, in code points.
    pub answers: Vec<(String, usize)>,
}

/// A sentence and its translation.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Translation {
    /// The line of both in their files, counted from 1.
    pub line: usize,
    /// What is translated.
    pub source: String,
    /// Its translation.
    pub target: String,
}

/// A question about a text with its possible answers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ChoiceQuestion {
    /// The text's address and the number of the question.
    pub id: String,
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// The text.
    pub passage: String,
    /// What is asked.
    pub question: String,
    /// The possible answers.
    pub choices: [String; 4],
    /// The right one, counted from 0.
    pub right: usize,
}

impl TestSet {
    /// How many items there are: texts, sentences, questions.
    pub fn len(&self) -> usize {
        match &self.items {
            TestItems::Classes { items, .. } => items.len(),
            TestItems::Tags(file) => file.sentences.len(),
            TestItems::Trees(sentences) => sentences.len(),
            TestItems::Questions(questions) => questions.len(),
            TestItems::Translations(pairs) => pairs.len(),
            TestItems::Choices(questions) => questions.len(),
        }
    }

    /// Whether there are none, which a reader refuses.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a model reads of each item, in order; parts of it are joined by a tab.
    pub fn texts(&self) -> Vec<String> {
        let sentence = |words: &mut dyn Iterator<Item = &str>| words.collect::<Vec<_>>().join(" ");
        match &self.items {
            TestItems::Classes { items, .. } => items
                .iter()
                .map(|item| match &item.pair {
                    Some(pair) => format!("{}\t{pair}", item.text),
                    None => item.text.clone(),
                })
                .collect(),
            TestItems::Tags(file) => file
                .sentences
                .iter()
                .map(|it| sentence(&mut it.words.iter().map(String::as_str)))
                .collect(),
            TestItems::Trees(sentences) => sentences
                .iter()
                .map(|it| sentence(&mut it.words.iter().map(|word| word.form.as_str())))
                .collect(),
            TestItems::Questions(questions) => {
                questions.iter().map(|it| format!("{}\t{}", it.context, it.question)).collect()
            }
            TestItems::Translations(pairs) => pairs.iter().map(|it| it.source.clone()).collect(),
            TestItems::Choices(questions) => questions
                .iter()
                .map(|it| [&it.passage, &it.question].map(String::as_str).join("\t"))
                .collect(),
        }
    }

    /// How many items have a text that an item of another set has, such as that of training.
    pub fn shared_with(&self, other: &Self) -> usize {
        let others: HashSet<String> = other.texts().into_iter().collect();
        self.texts().iter().filter(|text| others.contains(*text)).count()
    }

    /// Warns of items whose text is in the training set; returns how many there are.
    pub fn warn_of_training(&mut self, train: &Self) -> usize {
        let shared = self.shared_with(train);
        self.warn_of(shared, |count| format!("{count} items have a text of the training set"));
        shared
    }

    /// Adds a defect that was counted in the files, if it was found at all.
    pub(super) fn warn_of(&mut self, count: usize, defect: impl FnOnce(usize) -> String) {
        if count > 0 {
            self.warnings.push(TestSetWarning { defect: defect(count), source: None });
        }
    }

    /// Counts what can be wrong with any test set: the same text twice, one that is empty, one that is not in NFC.
    pub(super) fn warn_of_repetition(&mut self) {
        let texts = self.texts();
        let empty = texts.iter().filter(|text| text.trim().is_empty()).count();
        self.warn_of(empty, |count| format!("{count} items have an empty text"));
        let decomposed = texts.iter().filter(|text| !is_nfc(text)).count();
        self.warn_of(decomposed, |count| {
            format!("{count} items have letters and marks apart (not NFC), which is another text to most tokenizers")
        });
        let mut first: HashMap<&str, usize> = HashMap::new();
        let (mut repeated, mut contrary) = (0, 0);
        for (place, text) in texts.iter().enumerate() {
            // Of a treebank without its text, all words are the same.
            if !text.contains(char::is_alphanumeric) {
                continue;
            }
            if let Some(before) = first.get(text.as_str()) {
                repeated += 1;
                contrary += usize::from(!self.have_one_answer([*before, place]));
            } else {
                first.insert(text, place);
            }
        }
        self.warn_of(repeated, |count| {
            format!("{count} items repeat the text of an earlier one, {contrary} of them with another gold answer")
        });
    }

    /// Whether two items of the same text are to be answered alike.
    fn have_one_answer(&self, [a, b]: [usize; 2]) -> bool {
        match &self.items {
            TestItems::Classes { items, .. } => items[a].label == items[b].label,
            TestItems::Tags(file) => file.sentences[a].tags == file.sentences[b].tags,
            TestItems::Trees(sentences) => {
                let [a, b] = [a, b].map(|place| &sentences[place].words);
                a.iter()
                    .zip(b)
                    .all(|(a, b)| (a.head, &a.relation, &a.upos) == (b.head, &b.relation, &b.upos))
            }
            TestItems::Questions(questions) => questions[a].answers == questions[b].answers,
            TestItems::Translations(pairs) => pairs[a].target == pairs[b].target,
            TestItems::Choices(questions) => {
                let [a, b] = [a, b].map(|place| &questions[place]);
                (&a.choices, a.right) == (&b.choices, b.right)
            }
        }
    }

    /// The first file, which errors name.
    pub(super) fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), PathBuf::as_path)
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Dev => "dev",
            Self::Test => "test",
        })
    }
}

impl FromStr for Split {
    type Err = EvaluationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "train" => Ok(Self::Train),
            "dev" | "validation" => Ok(Self::Dev),
            "test" | "devtest" => Ok(Self::Test),
            _ => Err(EvaluationError::Config {
                field: "split",
                found: text.to_owned(),
                expected: "train, dev or test",
            }),
        }
    }
}

impl fmt::Display for TestSetWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{} ({source})", self.defect),
            None => write!(f, "in these files, {}", self.defect),
        }
    }
}
