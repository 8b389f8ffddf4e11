//! Words with their vectors.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::lines::{fault, for_each_line};
use crate::{EmbeddingMatrix, EvaluationError};

/// Words, each with a vector.
#[derive(Clone, Debug)]
pub struct WordVectors {
    // Invariant: as many words as rows, each once, and `rows` finds them.
    words: Vec<String>,
    rows: HashMap<String, usize>,
    matrix: EmbeddingMatrix,
    repeated: Vec<String>,
}

impl WordVectors {
    /// Puts words and their vectors together. `[n, dim]`
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Length`] where there are not as many words as vectors,
    /// [`EvaluationError::Config`] for a word that stands twice.
    pub fn try_new(words: Vec<String>, matrix: EmbeddingMatrix) -> Result<Self, EvaluationError> {
        let (found, expected) = (words.len(), matrix.row_count());
        if found != expected {
            return Err(EvaluationError::Length { what: "words", found, expected });
        }
        let mut rows = HashMap::with_capacity(found);
        for (row, word) in words.iter().enumerate() {
            if let Some(first) = rows.insert(word.clone(), row) {
                return Err(EvaluationError::Config {
                    field: "words",
                    found: format!("`{word}` in row {first} and in row {row}"),
                    expected: "each word once",
                });
            }
        }
        Ok(Self { words, rows, matrix, repeated: Vec::new() })
    }

    /// Reads vectors in the text format of word2vec and fastText (`.vec`): a line `n dim`, then on
    /// each line a word and its `dim` numbers, parted by single spaces.
    ///
    /// `limit` takes the first words alone, which are the most frequent by custom. A word may hold
    /// spaces, as the numbers are counted from the end of the line; it is taken as it stands, neither
    /// normalised nor in lower case. Where a word stands again, its first vector counts, and
    /// [`repeated`](Self::repeated) names it.
    ///
    /// Memory is that of the words, twice, and of the vectors.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Line`] with the line for a head that is not two
    /// numbers, a line without a word or with too few numbers, a number that is none or not finite,
    /// text that is not UTF-8, and another number of lines than the head says;
    /// [`EvaluationError::Config`] for a limit of 0.
    pub fn read(path: impl AsRef<Path>, limit: Option<usize>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        if limit == Some(0) {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(EvaluationError::Config { field: "limit", found, expected });
        }
        let mut head: Option<[usize; 2]> = None;
        let (mut words, mut rows, mut repeated) = (Vec::new(), HashMap::new(), Vec::new());
        let mut values: Vec<f32> = Vec::new();
        let mut last_line = 0;
        for_each_line(path, |line, text| {
            last_line = line;
            let Some([n, dim]) = head else {
                head = Some(read_head(path, line, text)?);
                return Ok(true);
            };
            if line - 1 > n {
                let found = format!("a vector more than the {n} of the first line");
                return Err(fault(path, line, found));
            }
            let start = values.len();
            let word = read_vector(path, (line, text), dim, &mut values)?;
            match rows.entry(word.to_owned()) {
                Entry::Vacant(entry) => {
                    entry.insert(words.len());
                    words.push(word.to_owned());
                }
                Entry::Occupied(_) => {
                    values.truncate(start);
                    repeated.push(word.to_owned());
                }
            }
            Ok(limit.is_none_or(|limit| words.len() < limit))
        })?;
        let Some([n, dim]) = head else {
            return Err(fault(path, 1, "the file is empty, expected `n dim`".to_owned()));
        };
        if last_line - 1 < n && limit.is_none_or(|limit| words.len() < limit) {
            let found = last_line - 1;
            let found = format!("the file ends after {found} vectors, expected {n} by line 1");
            return Err(fault(path, last_line, found));
        }
        let matrix = EmbeddingMatrix::try_new(dim, values)?;
        Ok(Self { words, rows, matrix, repeated })
    }

    /// The words, in the order of the rows.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The vectors. `[words, dim]`
    pub fn matrix(&self) -> &EmbeddingMatrix {
        &self.matrix
    }

    /// The row of a word.
    pub fn row(&self, word: &str) -> Option<usize> {
        self.rows.get(word).copied()
    }

    /// The words that stood in the file again, once for each time.
    pub fn repeated(&self) -> &[String] {
        &self.repeated
    }
}

fn read_head(path: &Path, line: usize, text: &str) -> Result<[usize; 2], EvaluationError> {
    let numbers: Vec<Option<usize>> =
        text.split_ascii_whitespace().map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [Some(n), Some(dim)] if n > 0 && dim > 0 => Ok([n, dim]),
        _ => {
            let found = format!("`{}`, expected `n dim`, two numbers above 0", shortened(text));
            Err(fault(path, line, found))
        }
    }
}

/// Appends the numbers of a line to the values, and returns its word.
fn read_vector<'a>(
    path: &Path,
    (line, text): (usize, &'a str),
    dim: usize,
    values: &mut Vec<f32>,
) -> Result<&'a str, EvaluationError> {
    // fastText ends a line with a space.
    let mut rest = text.trim_end_matches(' ');
    let start = values.len();
    for found in 0..dim {
        let Some((before, number)) = rest.rsplit_once([' ', '\t']) else {
            let found = format!("{found} numbers after the word, expected {dim}");
            return Err(fault(path, line, found));
        };
        match number.parse::<f32>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => {
                let place = dim - found;
                let number = shortened(number);
                let found = format!("number {place} is `{number}`, expected a finite number");
                return Err(fault(path, line, found));
            }
        }
        rest = before;
    }
    values[start..].reverse();
    if rest.is_empty() {
        return Err(fault(path, line, format!("no word before its {dim} numbers, expected one")));
    }
    Ok(rest)
}

/// The beginning of what was found: a line may hold a whole file.
fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let mut short: String = chars.by_ref().take(40).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}
