//! What a model says of the items of a test set.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::files::{Quotes, columns, fault, lines, read_text};
use super::set::{TestItems, TestSet};
use crate::{
    Benchmark, DependencySentence, DependencyWord, EvaluationError, TaggedFile, parse_conllu,
};

/// What a model says of each item, in the order of the test set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Predictions {
    /// Classes, as places among the labels; of questions with four answers, places among these.
    Classes(Vec<usize>),
    /// The tags of each sentence; of a treebank, the parts of speech.
    Tags(Vec<Vec<String>>),
    /// The trees of each sentence.
    Trees(Vec<DependencySentence>),
    /// An answer to each question, empty where there is none.
    Answers(Vec<String>),
    /// A translation of each sentence.
    Texts(Vec<String>),
    /// For each sentence the place, counted from 0, of what was taken for its translation.
    Retrieved(Vec<usize>),
}

impl Predictions {
    /// Reads the file of a model's predictions on a test set.
    ///
    /// | items | lines of the file |
    /// |---|---|
    /// | texts with a class | the name of the class |
    /// | questions with four answers | 1, 2, 3 or 4 |
    /// | tagged words | a word, a tab and a tag; an empty line between sentences |
    /// | trees | CoNLL-U, with the words of the treebank |
    /// | questions | one JSON object: the answer to each question by its id, as of SQuAD's script |
    /// | sentences of FLORES | the translation |
    /// | sentences of Tatoeba | the line, counted from 0, of what was taken for the translation, as of XTREME |
    ///
    /// Classes, tags, parts of speech and answers may also stand in the column `predicted` of a table under a header, as `finetune` writes
    /// it, tags with spaces between; its column `gold` must agree with the test set then.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`], and [`EvaluationError::Line`] for what is not as it should be, a class that the
    /// benchmark does not have, another word, an answer to no question or none to one, and fewer or more predictions
    /// than items.
    pub fn read(path: &Path, set: &TestSet) -> Result<Self, EvaluationError> {
        let text = read_text(path)?;
        let rows = match column(path, &text, set)? {
            Some(rows) => rows,
            None => match (&set.items, set.benchmark) {
                (TestItems::Tags(gold), _) => {
                    let said = TaggedFile::try_parse(path, &text)?;
                    let tags = gold.tags_beside(&said)?.into_iter().map(|[_, said]| said).collect();
                    return Ok(Self::Tags(tags));
                }
                (TestItems::Trees(_), _) => {
                    return match parse_conllu(&text) {
                        Ok(sentences) => Ok(Self::Trees(sentences)),
                        Err(EvaluationError::Conllu { line, field, found, expected }) => {
                            let text = format!("{field}: {found}, expected {expected}");
                            Err(fault(path, line, text))
                        }
                        Err(error) => Err(error),
                    };
                }
                (TestItems::Questions(_), _) => return by_id(path, &text, set),
                _ => lines(&text).map(|(line, row)| (line, row.to_owned())).collect(),
            },
        };
        if rows.len() != set.len() {
            let line = rows.last().map_or(1, |(line, _)| *line);
            let text = format!("{} predictions up to here, expected {}", rows.len(), set.len());
            return Err(fault(path, line, text));
        }
        match &set.items {
            TestItems::Classes { labels, .. } => places(path, &rows, labels).map(Self::Classes),
            TestItems::Choices(_) => {
                let numbers = ["1", "2", "3", "4"].map(str::to_owned);
                places(path, &rows, &numbers).map(Self::Classes)
            }
            TestItems::Tags(gold) => {
                tags(path, &rows, gold.sentences.iter().map(|sentence| sentence.words.len()))
            }
            TestItems::Trees(gold) => {
                tags(path, &rows, gold.iter().map(|sentence| sentence.words.len()))
            }
            TestItems::Questions(_) => Ok(Self::Answers(owned(&rows))),
            TestItems::Translations(pairs) if set.benchmark == Benchmark::Tatoeba => {
                let place = |(line, row): &(usize, String)| match row.trim().parse() {
                    Ok(place) if place < pairs.len() => Ok(place),
                    _ => {
                        let text =
                            format!("`{row}`, expected a number from 0 to {}", pairs.len() - 1);
                        Err(fault(path, *line, text))
                    }
                };
                rows.iter().map(place).collect::<Result<_, _>>().map(Self::Retrieved)
            }
            TestItems::Translations(_) => Ok(Self::Texts(owned(&rows))),
        }
    }
}

fn owned(rows: &[(usize, String)]) -> Vec<String> {
    rows.iter().map(|(_, row)| row.clone()).collect()
}

fn places(
    path: &Path,
    rows: &[(usize, String)],
    labels: &[String],
) -> Result<Vec<usize>, EvaluationError> {
    let place = |(line, row): &(usize, String)| {
        labels.iter().position(|label| label == row.trim()).ok_or_else(|| {
            let text = format!("label `{row}`, expected one of {}", labels.join(", "));
            fault(path, *line, text)
        })
    };
    rows.iter().map(place).collect()
}

/// Tags with spaces between, of sentences of so many words.
fn tags(
    path: &Path,
    rows: &[(usize, String)],
    words: impl Iterator<Item = usize>,
) -> Result<Predictions, EvaluationError> {
    let mut tags = Vec::with_capacity(rows.len());
    for ((line, row), expected) in rows.iter().zip(words) {
        let row: Vec<String> = row.split(' ').map(str::to_owned).collect();
        if row.len() != expected {
            return Err(fault(path, *line, format!("{} tags of {expected} words", row.len())));
        }
        tags.push(row);
    }
    Ok(Predictions::Tags(tags))
}

/// The column `predicted`, where the first line names it, after a look at the column `gold`.
fn column(
    path: &Path,
    text: &str,
    set: &TestSet,
) -> Result<Option<Vec<(usize, String)>>, EvaluationError> {
    let header: Vec<&str> = text.lines().next().map_or(Vec::new(), |row| row.split('\t').collect());
    if header.len() < 2 || !header.contains(&"predicted") {
        return Ok(None);
    }
    let rows = columns(path, text, Quotes::Plain, ["gold", "predicted"])?;
    let gold: Option<Vec<String>> = match &set.items {
        TestItems::Classes { labels, items } => {
            Some(items.iter().map(|item| labels[item.label].clone()).collect())
        }
        TestItems::Tags(file) => Some(file.sentences.iter().map(|it| it.tags.join(" ")).collect()),
        TestItems::Trees(sentences) => {
            let tags = |words: &[DependencyWord]| {
                words.iter().map(|word| word.upos.as_str()).collect::<Vec<_>>().join(" ")
            };
            Some(sentences.iter().map(|sentence| tags(&sentence.words)).collect())
        }
        TestItems::Choices(questions) => {
            Some(questions.iter().map(|it| (it.right + 1).to_string()).collect())
        }
        _ => None,
    };
    for ((line, [found, _]), expected) in rows.iter().zip(gold.iter().flatten()) {
        if found != expected {
            let text = format!("`gold` is `{found}`, expected `{expected}` as in the test set");
            return Err(fault(path, *line, text));
        }
    }
    Ok(Some(rows.into_iter().map(|(line, [_, predicted])| (line, predicted)).collect()))
}

/// Answers by the ids of their questions.
fn by_id(path: &Path, text: &str, set: &TestSet) -> Result<Predictions, EvaluationError> {
    let TestItems::Questions(questions) = &set.items else {
        return Ok(Predictions::Answers(Vec::new()));
    };
    let answers: BTreeMap<String, String> = serde_json::from_str(text).map_err(|error| {
        let text = format!("no JSON object of answers by the ids of their questions: {error}");
        fault(path, error.line(), text)
    })?;
    let ids: HashSet<&str> = questions.iter().map(|question| question.id.as_str()).collect();
    if let Some(id) = answers.keys().find(|id| !ids.contains(id.as_str())) {
        return Err(fault(
            path,
            1,
            format!("an answer to `{id}`, which is no question of the set"),
        ));
    }
    let answer = |id: &String| {
        answers.get(id).cloned().ok_or_else(|| {
            let text = format!("no answer to `{id}`, expected one, empty where the model has none");
            fault(path, 1, text)
        })
    };
    questions.iter().map(|it| answer(&it.id)).collect::<Result<_, _>>().map(Predictions::Answers)
}
