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
        let read = |path: &PathBuf| {
            let vectors = LanguageVectors::read(path)?;
            let kinds = vectors.kinds();
            if kinds.is_empty() {
                let path = path.display();
                return Err(format!(
                    "{path}: no feature of lang2vec, expected names such as S_SVO"
                )
                .into());
            }
            Ok((vectors, kinds))
        };
        let vectors = files.vectors.iter().map(read).collect::<Outcome<_>>()?;
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
        let mut candidate = SourceCandidate::new(source.as_str()).with_lineage(target.as_str())?;
        if !self.profiles.is_empty() {
            let [own, other] = [self.profile(source)?, self.profile(target)?];
            candidate = candidate.with_corpora(own, other);
        }
        let [own, other] = [code(source)?, code(target)?];
        for (vectors, kinds) in &self.vectors {
            for kind in kinds {
                candidate = candidate.with_feature(*kind, vectors.distance(*kind, own, other)?);
            }
        }
        if let Some(distances) = &self.distances {
            for kind in SourceFeature::DISTANCES {
                candidate = candidate.with_feature(kind, distances.distance(kind, own, other)?);
            }
        }
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

/// A feature with its weight, which is 1 unless it is given.
pub(crate) fn feature(text: &str) -> Result<(SourceFeature, f64), String> {
    let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
    let feature = serde_json::from_value(name.into()).map_err(|error| error.to_string())?;
    let weight = weight.parse().map_err(|error| format!("`{weight}`: {error}"))?;
    Ok((feature, weight))
}
