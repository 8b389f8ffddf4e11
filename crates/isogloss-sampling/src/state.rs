//! Where a stream stands, and of what.

use isogloss_core::{LanguageTag, Seed};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{BlockShuffle, LanguageOrder, StreamError};

/// Where a stream stands, and of what: a few numbers for each language, which is two to three hundred
/// bytes of JSON.
///
/// One that another version of the format wrote is refused when it is read, and one of another stream
/// when it is [restored](crate::MixtureStream::restore), with the difference named.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureState {
    // First, so that a reader meets it before anything that another version may have added.
    #[serde(deserialize_with = "this_version")]
    pub(crate) version: u32,
    pub(crate) seed: Seed,
    pub(crate) order: LanguageOrder,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shuffle: Option<BlockShuffle>,
    pub(crate) draws: u64,
    pub(crate) sources: Vec<SourceState>,
}

/// Where a stream stands in one language.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SourceState {
    pub(crate) language: LanguageTag,
    pub(crate) texts: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fingerprint: Option<u64>,
    /// As the stream was made, to tell it from others.
    pub(crate) probability: f64,
    /// As it was last weighted, where that differs: the bits of the number, which a text format
    /// would round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weight: Option<u64>,
    pub(crate) drawn: u64,
    /// What had been drawn when the weights last changed.
    pub(crate) settled: u64,
}

impl MixtureState {
    pub(crate) const VERSION: u32 = 3;

    /// More than any corpus has and any run draws, and few enough that no count overflows.
    pub(crate) const MOST_DRAWS: u64 = 1 << 56;

    /// How many texts had been drawn.
    pub fn draws(&self) -> u64 {
        self.draws
    }

    /// Refuses a state of another stream than the one that stands at `here`.
    pub(crate) fn check_against(&self, here: &Self) -> Result<(), StreamError> {
        differ("seed", self.seed.value().to_string(), here.seed.value().to_string())?;
        differ("order", format!("{:?}", self.order), format!("{:?}", here.order))?;
        let shuffle = |state: &Self| {
            state.shuffle.map_or_else(|| "everywhere".to_owned(), |shuffle| shuffle.to_string())
        };
        differ("shuffle", shuffle(self), shuffle(here))?;
        for place in 0..self.sources.len().max(here.sources.len()) {
            let name = |state: &Self| {
                let source = state.sources.get(place);
                source.map_or_else(|| "absent".to_owned(), |source| source.language.to_string())
            };
            differ(&format!("language {place}"), name(self), name(here))?;
        }
        for (found, expected) in self.sources.iter().zip(&here.sources) {
            let language = &expected.language;
            let texts = format!("texts of `{language}`");
            differ(&texts, found.texts.to_string(), expected.texts.to_string())?;
            let content = |source: &SourceState| {
                source
                    .fingerprint
                    .map_or_else(|| "unknown".to_owned(), |hash| format!("{hash:016x}"))
            };
            differ(&format!("content of `{language}`"), content(found), content(expected))?;
        }
        for (found, expected) in self.sources.iter().zip(&here.sources) {
            // A text format may lose the last bit of a number.
            if (found.probability - expected.probability).abs() > 1e-12 {
                let field = format!("probability of `{}`", expected.language);
                differ(&field, found.probability.to_string(), expected.probability.to_string())?;
            }
        }
        for source in &self.sources {
            if source.settled > source.drawn {
                let field = format!("settled draws of `{}`", source.language);
                let expected = format!("at most {}", source.drawn);
                differ(&field, source.settled.to_string(), expected)?;
            }
        }
        for source in &self.sources {
            let weight = source.weight.map(f64::from_bits);
            if let Some(weight) = weight.filter(|weight| !(0.0..=1.0).contains(weight)) {
                let field = format!("weight of `{}`", source.language);
                differ(&field, weight.to_string(), "from 0 to 1".to_owned())?;
            }
        }
        if self.sources.iter().any(|source| source.weight.is_some()) {
            let weight =
                |source: &SourceState| source.weight.map_or(source.probability, f64::from_bits);
            let total: f64 = self.sources.iter().map(weight).sum();
            if (total - 1.0).abs() > 1e-9 {
                differ("sum of weights", total.to_string(), "1".to_owned())?;
            }
        }
        let drawn: u128 = self.sources.iter().map(|source| u128::from(source.drawn)).sum();
        differ("draws", self.draws.to_string(), drawn.to_string())?;
        if self.draws > Self::MOST_DRAWS {
            let expected = format!("at most {}", Self::MOST_DRAWS);
            differ("draws", self.draws.to_string(), expected)?;
        }
        Ok(())
    }
}

fn differ(field: &str, found: String, expected: String) -> Result<(), StreamError> {
    if found == expected {
        Ok(())
    } else {
        Err(StreamError::OtherStream { field: field.to_owned(), found, expected })
    }
}

fn this_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let (found, expected) = (u32::deserialize(from)?, MixtureState::VERSION);
    differ("version", found.to_string(), expected.to_string()).map_err(D::Error::custom)?;
    Ok(found)
}
