//! What is known of two languages before training.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something known of a source and a target language: what LangRank takes, in its order, then the
/// distances that are computed here: from vectors, and from the built-in table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SourceFeature {
    /// Words of both, over the words of either: `|V ∩ V'| / (|V| + |V'|)`, from 0 to 0.5.
    WordOverlap,
    /// The same of subwords, as a tokeniser of both languages makes them.
    SubwordOverlap,
    /// Sentences of the source.
    SourceSize,
    /// Sentences of the target.
    TargetSize,
    /// Sentences of the source, over those of the target.
    SizeRatio,
    /// Different words of the source, over all of its words.
    SourceTypeTokenRatio,
    /// The same of the target.
    TargetTypeTokenRatio,
    /// `(1 − source ratio / target ratio)²` of the two type-token ratios.
    TypeTokenDistance,
    /// Of the families, as published.
    Genetic,
    /// Of the syntactic features, as published.
    Syntactic,
    /// Of all features, as published.
    Featural,
    /// Of the phonological features, as published.
    Phonological,
    /// Of the inventories of sounds, as published.
    Inventory,
    /// Over the globe, as published.
    Geographic,
    /// The cosine distance of vectors of ancestors (features `F_`).
    GeneticVectors,
    /// The cosine distance of syntactic vectors (features `S_`).
    SyntacticVectors,
    /// The cosine distance of syntactic, phonological and inventory vectors together.
    FeaturalVectors,
    /// The cosine distance of phonological vectors (features `P_`).
    PhonologicalVectors,
    /// The cosine distance of inventory vectors (features `INV_`).
    InventoryVectors,
    /// The cosine distance of vectors of places (features `GC_`).
    GeographicVectors,
    /// From a common ancestor, [`lineage_distance`](crate::LanguageLineage::lineage_distance).
    Lineage,
    /// From place to place, [`great_circle`](crate::LanguageLineage::great_circle).
    GreatCircle,
}

impl SourceFeature {
    /// The features of LangRank for translation, in its order. For tagging and parsing it leaves
    /// subwords out, for entity linking subwords and type-token ratios.
    pub const LANGRANK: [Self; 14] = [
        Self::WordOverlap,
        Self::SubwordOverlap,
        Self::SourceSize,
        Self::TargetSize,
        Self::SizeRatio,
        Self::SourceTypeTokenRatio,
        Self::TargetTypeTokenRatio,
        Self::TypeTokenDistance,
        Self::Genetic,
        Self::Syntactic,
        Self::Featural,
        Self::Phonological,
        Self::Inventory,
        Self::Geographic,
    ];

    /// The published distances, in LangRank's order.
    pub const DISTANCES: [Self; 6] = [
        Self::Genetic,
        Self::Syntactic,
        Self::Featural,
        Self::Phonological,
        Self::Inventory,
        Self::Geographic,
    ];

    /// The distances that are computed from vectors.
    pub const OF_VECTORS: [Self; 6] = [
        Self::GeneticVectors,
        Self::SyntacticVectors,
        Self::FeaturalVectors,
        Self::PhonologicalVectors,
        Self::InventoryVectors,
        Self::GeographicVectors,
    ];

    /// The name, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::WordOverlap => "word overlap",
            Self::SubwordOverlap => "subword overlap",
            Self::SourceSize => "source size",
            Self::TargetSize => "target size",
            Self::SizeRatio => "size ratio",
            Self::SourceTypeTokenRatio => "source type-token ratio",
            Self::TargetTypeTokenRatio => "target type-token ratio",
            Self::TypeTokenDistance => "type-token distance",
            Self::Genetic => "genetic distance",
            Self::Syntactic => "syntactic distance",
            Self::Featural => "featural distance",
            Self::Phonological => "phonological distance",
            Self::Inventory => "inventory distance",
            Self::Geographic => "geographic distance",
            Self::GeneticVectors => "genetic distance of vectors",
            Self::SyntacticVectors => "syntactic distance of vectors",
            Self::FeaturalVectors => "featural distance of vectors",
            Self::PhonologicalVectors => "phonological distance of vectors",
            Self::InventoryVectors => "inventory distance of vectors",
            Self::GeographicVectors => "geographic distance of vectors",
            Self::Lineage => "lineage distance",
            Self::GreatCircle => "great-circle distance",
        }
    }

    /// Whether a larger value speaks for a source (`true`) or against it (`false`), as LangRank's
    /// baselines of one feature have it; `None` where it says nothing by itself.
    pub fn larger_is_better(self) -> Option<bool> {
        match self {
            Self::WordOverlap | Self::SubwordOverlap | Self::SourceSize | Self::SizeRatio => {
                Some(true)
            }
            Self::TargetSize | Self::SourceTypeTokenRatio | Self::TargetTypeTokenRatio => None,
            _ => Some(false),
        }
    }

    /// What the published distance is called in the archive of distances.
    pub(super) fn member(self) -> Option<&'static str> {
        match self {
            Self::Genetic => Some("genetic"),
            Self::Syntactic => Some("syntactic"),
            Self::Featural => Some("featural"),
            Self::Phonological => Some("phonological"),
            Self::Inventory => Some("inventory"),
            Self::Geographic => Some("geographic"),
            _ => None,
        }
    }

    /// The beginnings of the names of a vector's features.
    pub(super) fn prefixes(self) -> Option<&'static [&'static str]> {
        match self {
            Self::SyntacticVectors => Some(&["S_"]),
            Self::PhonologicalVectors => Some(&["P_"]),
            Self::InventoryVectors => Some(&["INV_"]),
            Self::FeaturalVectors => Some(&["S_", "P_", "INV_"]),
            Self::GeneticVectors => Some(&["F_"]),
            Self::GeographicVectors => Some(&["GC_"]),
            _ => None,
        }
    }
}

impl fmt::Display for SourceFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
