//! Descent and place of languages.

use std::collections::{BTreeMap, HashMap};
use std::f64::consts::PI;
use std::sync::LazyLock;

use isogloss_core::LanguageTag;

use crate::EvaluationError;

/// Where a language descends from and where it is spoken: a line of the built-in table of 7,607
/// languages.
///
/// # Source
///
/// Hammarström, Forkel, Haspelmath and Bank (2024), Glottolog 5.1, <https://glottolog.org>, under the
/// Creative Commons licence [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). Left out are
/// languages without a code of ISO 639-3 or without a place, and groups that are none of descent
/// (pidgins, sign languages …): their members have no relatives through them. Places are rounded to
/// 0.01°.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::LanguageLineage;
///
/// let (zulu, xhosa) = (LanguageLineage::named("zu")?, LanguageLineage::named("xho")?);
/// assert!(zulu.lineage_distance(&xhosa) < 0.1);
/// assert_eq!(zulu.lineage_distance(&LanguageLineage::named("fr")?), 1.0);
/// assert_eq!(zulu.iso639_3(), "zul");
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageLineage {
    iso639_3: &'static str,
    /// The language itself, then the groups it belongs to; the family comes last.
    line: Vec<&'static str>,
    /// Latitude and longitude.
    degrees: [f64; 2],
}

/// A line of the table.
struct Languoid {
    glottocode: &'static str,
    parent: Option<usize>,
    /// Code and place, where it is a language.
    language: Option<(&'static str, [f64; 2])>,
}

struct Lineages {
    languoids: Vec<Languoid>,
    /// The rows of languages by their subtag.
    rows: BTreeMap<&'static str, usize>,
}

static TABLE: LazyLock<Lineages> = LazyLock::new(|| {
    let (mut rows, mut places) = (BTreeMap::new(), HashMap::new());
    let mut languoids = Vec::new();
    for line in include_str!("lineages.tsv").lines().skip(1) {
        let mut cells = line.split('\t');
        let mut next = || cells.next().unwrap_or_default();
        let [glottocode, parent, iso639_3, subtag] = [next(), next(), next(), next()];
        // A group has no place.
        let language = match (next().parse(), next().parse()) {
            (Ok(latitude), Ok(longitude)) => Some((iso639_3, [latitude, longitude])),
            _ => None,
        };
        if language.is_some() {
            rows.insert(if subtag.is_empty() { iso639_3 } else { subtag }, languoids.len());
        }
        // A parent stands before its children.
        let parent = places.get(parent).copied();
        places.insert(glottocode, languoids.len());
        languoids.push(Languoid { glottocode, parent, language });
    }
    Lineages { languoids, rows }
});

impl LanguageLineage {
    /// What the table has of a language, whatever its script and region; `None` where it has nothing.
    pub fn of(language: &LanguageTag) -> Option<Self> {
        let row = *TABLE.rows.get(language.language())?;
        let (iso639_3, degrees) = TABLE.languoids[row].language?;
        let above = |row: &usize| TABLE.languoids[*row].parent;
        let line = std::iter::successors(Some(row), above);
        let line = line.map(|row| TABLE.languoids[row].glottocode).collect();
        Some(Self { iso639_3, line, degrees })
    }

    /// What the table has of a language by any of its tags.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Language`] for what is no tag, and for a language that the table lacks.
    pub fn named(language: &str) -> Result<Self, EvaluationError> {
        language.parse().ok().and_then(|tag| Self::of(&tag)).ok_or_else(|| {
            EvaluationError::Language {
                language: language.to_owned(),
                missing: "lineage".to_owned(),
                expected: "a tag, such as `yo` or `yor`, of a language of Glottolog 5.1".to_owned(),
            }
        })
    }

    /// The subtags of all languages of the table, in their order.
    pub fn languages() -> impl Iterator<Item = &'static str> {
        TABLE.rows.keys().copied()
    }

    /// The code of three letters, by which other tables name the language.
    pub fn iso639_3(&self) -> &'static str {
        self.iso639_3
    }

    /// The language's own code in Glottolog.
    pub fn glottocode(&self) -> &'static str {
        self.line[0]
    }

    /// Codes of the groups it belongs to, the nearest first and the family last; none where it has no
    /// relatives.
    pub fn groups(&self) -> &[&'static str] {
        &self.line[1..]
    }

    /// Latitude and longitude in degrees, of a point that stands for all places where it is spoken.
    pub fn degrees(&self) -> [f64; 2] {
        self.degrees
    }

    /// How far two languages are from a common ancestor: `1 − shared / √(own · other)`, of the groups
    /// both are in, counting the language itself as its first group. 0 for one language, 1 without a
    /// common ancestor.
    ///
    /// It is the cosine distance of vectors of ancestors, as URIEL has it for its own groups
    /// ([`SourceFeature::GeneticVectors`](crate::SourceFeature::GeneticVectors)).
    pub fn lineage_distance(&self, other: &Self) -> f64 {
        // From the family downwards, as a tree parts once.
        let pairs = self.line.iter().rev().zip(other.line.iter().rev());
        let shared = pairs.take_while(|(own, other)| own == other).count();
        1.0 - shared as f64 / ((self.line.len() * other.line.len()) as f64).sqrt()
    }

    /// The way from place to place over a sphere, as a share of the longest: 1 at the antipodes, or
    /// 20,015 km.
    pub fn great_circle(&self, other: &Self) -> f64 {
        let [latitude, longitude] = self.degrees.map(f64::to_radians);
        let [other_latitude, other_longitude] = other.degrees.map(f64::to_radians);
        let square = |angle: f64| (angle / 2.0).sin().powi(2);
        let haversine = square(latitude - other_latitude)
            + latitude.cos() * other_latitude.cos() * square(longitude - other_longitude);
        2.0 * haversine.sqrt().min(1.0).asin() / PI
    }
}
