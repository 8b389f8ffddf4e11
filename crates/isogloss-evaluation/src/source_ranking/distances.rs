//! Published distances of languages, as lang2vec keeps them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::SourceFeature;
use super::archive::{Npz, open};
use crate::EvaluationError;

/// The published distances of some languages: those of LangRank's features.
///
/// The archive is that of lang2vec, a zip of six `.npz`, each a sparse matrix of scipy in compressed
/// rows (CSR), of which the upper triangle is kept; what it does not hold is 0. The place of a language
/// is that of its code in the first line of a file, codes parted by commas. Both belong to lang2vec, and
/// are not part of this crate.
///
/// # Source
///
/// Littell et al. (2017), "URIEL and lang2vec", <https://aclanthology.org/E17-2002>.
#[derive(Clone, Debug)]
pub struct LanguageDistances {
    path: PathBuf,
    rows: HashMap<String, usize>,
    // For each feature the distances of all languages that were asked for. `[languages, languages]`
    tables: BTreeMap<SourceFeature, Vec<f64>>,
}

impl LanguageDistances {
    /// Reads the distances of the languages that are asked for, by codes of three letters. Memory is
    /// that of the largest matrix as it is packed, and of one row of places for each language.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Language`] for a language that is not listed;
    /// [`EvaluationError::Archive`] with the matrix for one that is missing or not as it should be.
    pub fn read(
        archive: impl AsRef<Path>,
        languages: impl AsRef<Path>,
        wanted: &[&str],
    ) -> Result<Self, EvaluationError> {
        let (path, list) = (archive.as_ref(), languages.as_ref());
        let (listed, places) = places(list, wanted)?;
        let broken = |member: &str, fault: String| EvaluationError::Archive {
            path: path.to_owned(),
            member: member.to_owned(),
            fault,
        };
        let mut archive =
            ZipArchive::new(open(path)?).map_err(|error| broken("archive", error.to_string()))?;
        let names: Vec<String> = archive
            .file_names()
            .map(|name| name.map(Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|error| broken("archive", error.to_string()))?;
        let mut tables = BTreeMap::new();
        for feature in SourceFeature::DISTANCES {
            let Some(name) = feature.member() else { continue };
            // A name may say how numbers were rounded: `geographic_upper_round1_sparse.npz`.
            let is_of = |member: &&String| {
                let file = member.rsplit('/').next().unwrap_or(member).to_lowercase();
                file.strip_suffix(".npz").is_some_and(|stem| stem.starts_with(name))
            };
            let member = names.iter().find(is_of).ok_or_else(|| {
                broken(&format!("{name}.npz"), "not in the archive, expected all six".to_owned())
            })?;
            let mut packed = Vec::new();
            archive
                .by_name(member)
                .map_err(|error| error.to_string())
                .and_then(|mut file| file.read_to_end(&mut packed).map_err(|e| e.to_string()))
                .map_err(|fault| broken(member, fault))?;
            let mut matrix = Npz::new(path, member.clone(), Cursor::new(packed))?;
            tables.insert(feature, table(&mut matrix, listed, &places)?);
        }
        let rows = wanted.iter().zip(0..).map(|(code, row)| ((*code).to_owned(), row)).collect();
        Ok(Self { path: path.to_owned(), rows, tables })
    }

    /// The distance of two languages, the same in both directions.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] for a language that was not asked for when the archive was read,
    /// [`EvaluationError::Config`] for a feature that is no published distance.
    pub fn distance(
        &self,
        feature: SourceFeature,
        source: &str,
        target: &str,
    ) -> Result<f64, EvaluationError> {
        let Some(table) = self.tables.get(&feature) else {
            let (found, expected) = (feature.to_string(), "a published distance");
            return Err(EvaluationError::Config { field: "feature", found, expected });
        };
        let row = |language: &str| {
            self.rows.get(language).copied().ok_or_else(|| EvaluationError::Language {
                language: language.to_owned(),
                missing: feature.to_string(),
                expected: format!("it among those read from {}", self.path.display()),
            })
        };
        Ok(table[row(source)? * self.rows.len() + row(target)?])
    }
}

/// How many languages are listed, and the places of those that are asked for.
fn places(list: &Path, wanted: &[&str]) -> Result<(usize, Vec<usize>), EvaluationError> {
    if wanted.is_empty() {
        return Err(EvaluationError::Empty { what: "languages" });
    }
    let text = fs::read_to_string(list)
        .map_err(|source| EvaluationError::Read { path: list.to_owned(), source })?;
    let codes: Vec<&str> =
        text.lines().next().unwrap_or_default().split(',').map(str::trim).collect();
    let places = wanted.iter().enumerate().map(|(row, language)| {
        if wanted[..row].contains(language) {
            let (found, expected) = (format!("`{language}` twice"), "each language once");
            return Err(EvaluationError::Config { field: "wanted", found, expected });
        }
        codes.iter().position(|code| code == language).ok_or_else(|| EvaluationError::Language {
            language: (*language).to_owned(),
            missing: "published distances".to_owned(),
            expected: format!("its code of three letters in line 1 of {}", list.display()),
        })
    });
    Ok((codes.len(), places.collect::<Result<_, _>>()?))
}

/// The distances of some languages, from a matrix of all. `[places, places]`
fn table(
    matrix: &mut Npz<Cursor<Vec<u8>>>,
    listed: usize,
    places: &[usize],
) -> Result<Vec<f64>, EvaluationError> {
    let shape = matrix.indices("shape")?;
    if shape != [listed, listed] {
        let fault = format!("{shape:?}, expected [{listed}, {listed}] by the list of languages");
        return Err(matrix.fault("shape", fault));
    }
    let starts = matrix.indices("indptr")?;
    if starts.len() != listed + 1 || !starts.is_sorted() {
        let fault = format!("{} places, expected {} in rising order", starts.len(), listed + 1);
        return Err(matrix.fault("indptr", fault));
    }
    let total = starts[listed];
    // The rows that are asked for, in the order of the matrix, so that one pass finds them all.
    let mut asked: Vec<(usize, usize)> = places.iter().copied().zip(0..).collect();
    asked.sort_unstable();
    let columns: HashMap<usize, usize> = asked.iter().copied().collect();
    let n = places.len();
    let mut cells: Vec<(usize, [usize; 2])> = Vec::new();
    matrix.with_array("indices", |array| {
        check_length(array.shape(), total)?;
        let mut rows = asked.iter().map(|&(place, row)| (starts[place + 1], starts[place], row));
        let mut current = rows.next();
        array.for_each_number(|at, column| {
            while let Some((end, ..)) = current
                && end <= at
            {
                current = rows.next();
            }
            let Some((_, start, row)) = current else { return };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index, or none that is looked up"
            )]
            let column = columns.get(&(column as usize));
            if let Some(&column) = column.filter(|_| at >= start) {
                cells.push((at, [row, column]));
            }
        })
    })?;
    let mut table = vec![0.0; n * n];
    matrix.with_array("data", |array| {
        check_length(array.shape(), total)?;
        let mut cells = cells.iter().peekable();
        array.for_each_number(|at, value| {
            if let Some((_, [row, column])) = cells.next_if(|(cell, _)| *cell == at) {
                table[row * n + column] = value;
                table[column * n + row] = value;
            }
        })
    })?;
    Ok(table)
}

fn check_length(shape: &[usize], expected: usize) -> Result<(), String> {
    if shape == [expected] {
        return Ok(());
    }
    Err(format!("the shape {shape:?}, expected [{expected}] by `indptr`"))
}
