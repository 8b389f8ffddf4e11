//! Vectors of languages, as lang2vec keeps them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::SourceFeature;
use super::archive::Npz;
use crate::EvaluationError;

/// Vectors of languages, of which values may be missing.
///
/// The file is one of lang2vec: `feature_predictions.npz` (nothing missing), `feature_averages.npz`,
/// `features.npz`, `family_features.npz` or `geocoord_features.npz`, an archive of the arrays `langs`
/// `[languages]`, `feats` `[features]`, `sources` `[sources]` and `data`
/// `[languages, features, sources]`, where −1 is a missing value. Of several sources the largest value
/// counts, as in lang2vec's union, so that a missing one yields. The vectors belong to lang2vec, and
/// are not part of this crate.
///
/// **A distance of these vectors is not the published distance**, which was computed from other
/// features: that of English and French syntax is 0.19 from predicted vectors and 0.46 as published.
/// So the features have other names, [`SourceFeature::SyntacticVectors`] beside
/// [`SourceFeature::Syntactic`]. For published ones, see
/// [`LanguageDistances`](crate::LanguageDistances).
///
/// # Source
///
/// Littell et al. (2017), "URIEL and lang2vec", <https://aclanthology.org/E17-2002>.
#[derive(Clone, Debug)]
pub struct LanguageVectors {
    path: PathBuf,
    rows: HashMap<String, usize>,
    features: Vec<String>,
    // Row-major, one value for all sources; below 0 where it is missing.
    values: Vec<f32>,
}

impl LanguageVectors {
    /// Reads an archive. Memory is 4 bytes for each language and feature, whatever the sources.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Archive`] with the array for one that is missing
    /// or of another shape or type.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let path = path.as_ref();
        let mut archive = Npz::open(path)?;
        let [languages, features, sources] =
            ["langs", "feats", "sources"].map(|name| archive.texts(name));
        let (languages, features, sources) = (languages?, features?, sources?);
        let expected = [languages.len(), features.len(), sources.len()];
        let values = archive.with_array("data", |array| {
            if array.shape() != expected {
                let found = array.shape();
                return Err(format!(
                    "the shape {found:?}, expected {expected:?} by the other arrays"
                ));
            }
            let mut values = vec![-1.0_f32; languages.len() * features.len()];
            array.for_each_number(|place, value| {
                #[expect(clippy::cast_possible_truncation, reason = "shares, and -1")]
                let value = value as f32;
                let kept = &mut values[place / expected[2]];
                *kept = kept.max(value);
            })?;
            Ok(values)
        })?;
        let rows = languages.into_iter().enumerate().map(|(row, name)| (name, row)).collect();
        Ok(Self { path: path.to_owned(), rows, features, values })
    }

    /// Whether the file has a vector of a language, by its code of three letters.
    pub fn has(&self, language: &str) -> bool {
        self.rows.contains_key(language)
    }

    /// The distances that can be computed from the file, by the kinds of its features.
    pub fn kinds(&self) -> Vec<SourceFeature> {
        SourceFeature::OF_VECTORS.into_iter().filter(|it| self.columns(*it).is_ok()).collect()
    }

    /// The cosine distance of two languages' vectors, `1 − cos`, on the features of which both have a
    /// value.
    ///
    /// Languages are named as in the file, by three letters of ISO 639-3.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] for a language that the file lacks, and for two that have no known
    /// value in common or a vector of zeros; [`EvaluationError::Config`] for a feature that is no
    /// distance of vectors, and where the file has no feature of the kind.
    pub fn distance(
        &self,
        feature: SourceFeature,
        source: &str,
        target: &str,
    ) -> Result<f64, EvaluationError> {
        let columns = self.columns(feature)?;
        let [a, b] = [self.vector(source)?, self.vector(target)?];
        let (mut aa, mut ab, mut bb, mut shared) = (0.0, 0.0, 0.0, 0_usize);
        for column in columns {
            let (a, b) = (f64::from(a[column]), f64::from(b[column]));
            if a >= 0.0 && b >= 0.0 {
                (aa, ab, bb, shared) = (aa + a * a, ab + a * b, bb + b * b, shared + 1);
            }
        }
        if aa <= 0.0 || bb <= 0.0 {
            let (language, other) = if aa <= 0.0 { (source, target) } else { (target, source) };
            let kind = if shared == 0 { "value" } else { "value other than 0" };
            let path = self.path.display();
            return Err(EvaluationError::Language {
                language: language.to_owned(),
                missing: format!("{feature} to `{other}`"),
                expected: format!("a {kind} of a feature that both have in {path}"),
            });
        }
        Ok((1.0 - ab / (aa.sqrt() * bb.sqrt())).clamp(0.0, 1.0))
    }

    fn vector(&self, language: &str) -> Result<&[f32], EvaluationError> {
        let row = self.rows.get(language).ok_or_else(|| EvaluationError::Language {
            language: language.to_owned(),
            missing: "vector".to_owned(),
            expected: format!("its code of three letters in {}", self.path.display()),
        })?;
        Ok(&self.values[row * self.features.len()..][..self.features.len()])
    }

    /// The columns of a kind of features.
    fn columns(&self, feature: SourceFeature) -> Result<Vec<usize>, EvaluationError> {
        let Some(prefixes) = feature.prefixes() else {
            let expected = "a distance of vectors";
            let found = feature.to_string();
            return Err(EvaluationError::Config { field: "feature", found, expected });
        };
        let is_asked = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let names = self.features.iter().enumerate();
        let columns: Vec<usize> =
            names.filter(|(_, name)| is_asked(name)).map(|(column, _)| column).collect();
        if columns.is_empty() {
            let found = format!("{feature}, of which {} has no features", self.path.display());
            let expected = "a kind of features that the file has";
            return Err(EvaluationError::Config { field: "feature", found, expected });
        }
        Ok(columns)
    }
}
