//! What is known of languages before training.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use isogloss::core::LanguageTag;
use isogloss::evaluation::{
    CorpusProfile, EvaluationError, LanguageDistances, LanguageLineage, LanguageVectors,
    SourceCandidate, SourceFeature,
};
use isogloss::tokenization::{TextEncoder as _, Vocabulary};
use isogloss_examples::{LanguageFile, Outcome, read_lines};

/// What a language is known by, besides descent and place.
#[derive(Args)]
pub(crate) struct Files {
    /// A language and its text, a sentence on each line; for every source and every target
    #[arg(long = "text", value_name = "LANGUAGE=FILE")]
    texts: Vec<LanguageFile>,

    /// The vocabulary of all languages, for the overlap of subwords: a directory, tokenizer.json or FILE.model
    #[arg(long, value_name = "PATH", requires = "texts")]
    tokenizer: Option<PathBuf>,

    /// Vectors of lang2vec, such as feature_predictions.npz; more than once for several kinds
    #[arg(long, value_name = "FILE.npz")]
    vectors: Vec<PathBuf>,

    /// Distances that lang2vec publishes, an archive of six
    #[arg(long, value_name = "FILE.zip", requires = "distances_list")]
    distances: Option<PathBuf>,

    /// The languages of the archive, in their order
    #[arg(long, value_name = "FILE.txt", requires = "distances")]
    distances_list: Option<PathBuf>,
}

/// What is known of languages.
pub(crate) struct Facts {
    profiles: BTreeMap<LanguageTag, CorpusProfile>,
    has_subwords: bool,
    vectors: Vec<(LanguageVectors, Vec<SourceFeature>)>,
    distances: Option<LanguageDistances>,
}

impl Files {
    /// The languages of which there is text.
    pub(crate) fn with_text(&self) -> Vec<LanguageTag> {
        self.texts.iter().map(|file| file.tag.clone()).collect()
    }
}

impl Facts {
    /// Reads what the files have, of distances those of some languages.
    pub(crate) fn read(files: &Files, languages: &BTreeSet<LanguageTag>) -> Outcome<Self> {
        let vocabulary = files.tokenizer.as_deref().map(Vocabulary::open).transpose()?;
        let mut profiles = BTreeMap::new();
        for file in &files.texts {
            let lines = read_lines(&file.path)?;
            let name = file.path.display();
            let mut profile =
                CorpusProfile::try_new(&lines).map_err(|error| format!("{name}: {error}"))?;
            if let Some(vocabulary) = &vocabulary {
                let mut ids = BTreeSet::new();
                for line in &lines {
                    ids.extend(vocabulary.encode(line).map_err(|it| format!("{name}: {it}"))?);
                }
                profile = profile.with_subwords(ids.iter().map(ToString::to_string));
            }
            if profiles.insert(file.tag.clone(), profile).is_some() {
                return Err(format!("{name}: {} has a file already, expected one", file.tag).into());
            }
        }
        let mut vectors: Vec<(LanguageVectors, Vec<SourceFeature>)> = Vec::new();
        for (place, path) in files.vectors.iter().enumerate() {
            let read = LanguageVectors::read(path)?;
            let (kinds, name) = (read.kinds(), path.display());
            if kinds.is_empty() {
                let expected = "expected names such as S_SVO";
                return Err(format!("{name}: no feature of lang2vec, {expected}").into());
            }
            for kind in &kinds {
                if let Some(other) = vectors.iter().position(|(_, own)| own.contains(kind)) {
                    let other = files.vectors[..place][other].display();
                    return Err(
                        format!("{name}: {kind}, which {other} has too, expected one").into()
                    );
                }
            }
            vectors.push((read, kinds));
        }
        let distances = match (&files.distances, &files.distances_list) {
            (Some(archive), Some(list)) => {
                let codes = languages.iter().map(code).collect::<Result<Vec<_>, _>>()?;
                Some(LanguageDistances::read(archive, list, &codes)?)
            }
            _ => None,
        };
        Ok(Self { profiles, has_subwords: vocabulary.is_some(), vectors, distances })
    }

    /// Languages that have at least some labelled text: classes 2 to 5.
    pub(crate) fn languages_with_text() -> Vec<LanguageTag> {
        let has_text = |tag: &LanguageTag| {
            tag.facts().and_then(|facts| facts.joshi_class).is_some_and(|class| class >= 2)
        };
        let mut all: Vec<LanguageTag> = LanguageLineage::languages()
            .filter_map(|it| it.parse().ok())
            .filter(has_text)
            .collect();
        all.sort();
        all
    }

    /// The features that every candidate has.
    pub(crate) fn features(&self) -> Vec<SourceFeature> {
        let mut features = vec![SourceFeature::Lineage, SourceFeature::GreatCircle];
        if !self.profiles.is_empty() {
            features.extend([
                SourceFeature::WordOverlap,
                SourceFeature::SourceSize,
                SourceFeature::SourceTypeTokenRatio,
                SourceFeature::TypeTokenDistance,
            ]);
        }
        if self.has_subwords {
            features.push(SourceFeature::SubwordOverlap);
        }
        features.extend(self.vectors.iter().flat_map(|(_, kinds)| kinds));
        if self.distances.is_some() {
            features.extend(SourceFeature::DISTANCES);
        }
        features
    }

    /// All that is known of a source and a target.
    pub(crate) fn candidate(
        &self,
        source: &LanguageTag,
        target: &LanguageTag,
    ) -> Result<SourceCandidate, EvaluationError> {
        // The files of lang2vec know it by its code.
        let [own, other] = [code(source)?, code(target)?];
        let mut candidate = SourceCandidate::new(own).with_lineage(other)?;
        if !self.profiles.is_empty() {
            candidate = candidate.with_corpora(self.profile(source)?, self.profile(target)?);
        }
        for (vectors, kinds) in &self.vectors {
            candidate = candidate.with_vectors(vectors, kinds, other)?;
        }
        if let Some(distances) = &self.distances {
            candidate = candidate.with_distances(distances, other)?;
        }
        source.as_str().clone_into(&mut candidate.language);
        Ok(candidate)
    }

    fn profile(&self, language: &LanguageTag) -> Result<&CorpusProfile, EvaluationError> {
        self.profiles.get(language).ok_or_else(|| EvaluationError::Language {
            language: language.to_string(),
            missing: "text".to_owned(),
            expected: "--text for every source and every target".to_owned(),
        })
    }
}

/// How the files of lang2vec name a language.
fn code(language: &LanguageTag) -> Result<&'static str, EvaluationError> {
    Ok(LanguageLineage::named(language.as_str())?.iso639_3())
}

/// A feature with its weight, where one is given.
pub(crate) fn feature(text: &str) -> Result<(SourceFeature, Option<f64>), String> {
    let (name, weight) = match text.split_once('=') {
        Some((name, weight)) => {
            let parsed = weight.parse().map_err(|error| format!("`{weight}`: {error}"))?;
            (name, Some(parsed))
        }
        None => (text, None),
    };
    Ok((serde_json::from_value(name.into()).map_err(|error| error.to_string())?, weight))
}
