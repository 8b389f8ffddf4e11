//! The scores of each type of entity, and their means.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::{Entity, EntityScore, TagScheme, entities};
use crate::{BootstrapConfig, Estimate, EvaluationError, Metric};

/// How tags are read.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TagReading {
    /// As [`entities`] reads them: what a damaged tag can mean is taken for it, any prefix passes.
    #[default]
    Lenient,
    /// As [`entities`] reads them, but a tag other than `O`, `B`, `I`, `E`, `S`, alone or with a hyphen and a type, is
    /// an error.
    Known,
    /// As [`TagScheme::entities`] reads them: what the scheme does not have is an error or no entity.
    Strict(TagScheme),
    /// Strict, by the scheme that [`TagScheme::detect`] finds in the gold tags.
    Detected,
}

/// How many entities of some words are right, found and there.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct EntityCounts {
    /// Predicted ones that are gold as well: type, first and last word.
    pub right: usize,
    /// Predicted ones.
    pub found: usize,
    /// Gold ones.
    pub gold: usize,
}

/// F1 of the entities of all sentences together, from the counts of each: micro-F1.
///
/// ```text
/// F1 = 2 · Σ right / (Σ found + Σ gold)
/// ```
///
/// `None` where nothing is gold and nothing found; seqeval has 0 there.
///
/// # Examples
///
/// ```
/// use isogloss_core::Seed;
/// use isogloss_evaluation::{BootstrapConfig, EntityF1, TagReading, entity_counts};
///
/// let sentences = [
///     [vec!["B-PER", "I-PER", "O"], vec!["B-PER", "I-PER", "O"]],
///     [vec!["B-LOC", "O"], vec!["O", "O"]],
/// ];
/// let counts = entity_counts(&sentences, TagReading::Lenient)?;
/// let f1 = BootstrapConfig::new(Seed::new(1)).estimate(&EntityF1, &counts)?;
/// assert!((f1.value - 2.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EntityF1;

/// The scores of each type, with their means.
///
/// Micro: of all entities together. Macro: the mean of the types that are gold or predicted somewhere. Weighted: their
/// mean by support. A ratio over 0 is 0, and so is every score where no sentence has an entity on either side (the
/// macro mean of seqeval is not a number there).
///
/// # Source
///
/// `classification_report` of seqeval 1.2.2 with `zero_division=0`, in both of its modes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaggingReport {
    /// The scores of each type, by its name.
    pub kinds: BTreeMap<String, EntityScore>,
    /// The scores of all entities together.
    pub micro_average: EntityScore,
    /// The mean over types.
    pub macro_average: EntityScore,
    /// The mean over types, each weighted by its support.
    pub weighted_average: EntityScore,
    /// The scheme that tags were read by; none where they were read leniently.
    pub scheme: Option<TagScheme>,
}

/// The scores of a [`TaggingReport`] with their intervals.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaggingEstimates {
    /// Those of each type, by its name.
    pub kinds: BTreeMap<String, EntityEstimate>,
    /// Those of all entities together.
    pub micro_average: EntityEstimate,
    /// The means over types.
    pub macro_average: EntityEstimate,
    /// The means over types, each weighted by its support.
    pub weighted_average: EntityEstimate,
}

/// An [`EntityScore`] with intervals. The items are sentences.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EntityEstimate {
    /// The share of predicted entities that are right.
    pub precision: Estimate,
    /// The share of gold entities that were found.
    pub recall: Estimate,
    /// Their harmonic mean.
    pub f1: Estimate,
    /// Gold entities.
    pub support: usize,
}

impl TaggingReport {
    /// Scores the tags of sentences, `[gold, predicted]` for each.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without sentences, [`EvaluationError::Config`] where a sentence has not as many
    /// tags on both sides, [`EvaluationError::Tag`] for a tag that the reading does not have or an empty one, and
    /// those of [`TagScheme::detect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::{TagReading, TagScheme, TaggingReport};
    ///
    /// // The first entity lacks its `B-`: a lenient reader finds it, a strict one does not.
    /// let sentences = [[vec!["B-PER", "I-PER", "O"], vec!["I-PER", "I-PER", "O"]]];
    /// let lenient = TaggingReport::try_new(&sentences, TagReading::Lenient)?;
    /// assert_eq!(lenient.micro_average.f1, 1.0);
    /// let strict = TaggingReport::try_new(&sentences, TagReading::Strict(TagScheme::Iob2))?;
    /// assert_eq!(strict.kinds["PER"].f1, 0.0);
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn try_new<S: AsRef<str>>(
        sentences: &[[Vec<S>; 2]],
        reading: TagReading,
    ) -> Result<Self, EvaluationError> {
        let (read, scheme) = read(sentences, reading)?;
        let kinds = kinds(&read);
        let counts = read.iter().map(|sentence| by_kind(sentence, &kinds));
        Ok(Self::of_counts(&kinds, &sums(counts, kinds.len()), scheme))
    }

    /// The scores of the types that are gold or predicted.
    fn of_counts(kinds: &[&str], counts: &[EntityCounts], scheme: Option<TagScheme>) -> Self {
        let micro_average = counts.iter().copied().sum::<EntityCounts>().score();
        let seen = kinds.iter().zip(counts).filter(|(_, count)| count.is_seen());
        let kinds: BTreeMap<String, EntityScore> =
            seen.map(|(kind, count)| ((*kind).to_owned(), count.score())).collect();
        let average = |weigh: &dyn Fn(&EntityScore) -> f64| {
            let all: f64 = kinds.values().map(weigh).sum();
            let mean = |of: fn(&EntityScore) -> f64| {
                let sum: f64 = kinds.values().map(|score| weigh(score) * of(score)).sum();
                if all > 0.0 { sum / all } else { 0.0 }
            };
            EntityScore {
                precision: mean(|score| score.precision),
                recall: mean(|score| score.recall),
                f1: mean(|score| score.f1),
                support: micro_average.support,
            }
        };
        let macro_average = average(&|_| 1.0);
        let weighted_average = average(&|score| score.support as f64);
        Self { kinds, micro_average, macro_average, weighted_average, scheme }
    }

    /// The same scores with their intervals, sentences being drawn again. A type counts in the draws that have it.
    ///
    /// # Errors
    ///
    /// Those of [`try_new`](Self::try_new) and of [`BootstrapConfig::estimate_all`]: a type that stands in one sentence, or
    /// is always right, has no interval of [`Interval::Bca`](crate::Interval::Bca).
    pub fn estimates<S: AsRef<str>>(
        sentences: &[[Vec<S>; 2]],
        reading: TagReading,
        bootstrap: &BootstrapConfig,
    ) -> Result<TaggingEstimates, EvaluationError> {
        let (read, scheme) = read(sentences, reading)?;
        let kinds = kinds(&read);
        let counts: Vec<Vec<EntityCounts>> =
            read.iter().map(|sentence| by_kind(sentence, &kinds)).collect();
        let found = bootstrap.estimate_all(counts.len(), |draws| {
            let drawn = sums(draws.iter().map(|draw| &counts[*draw]), kinds.len());
            let report = Self::of_counts(&kinds, &drawn, scheme);
            let of_kinds = kinds.iter().map(|kind| report.kinds.get(*kind));
            let averages = [&report.micro_average, &report.macro_average, &report.weighted_average];
            let scores = of_kinds.chain(averages.map(Some));
            scores
                .flat_map(|score| {
                    [score.map(|it| it.precision), score.map(|it| it.recall), score.map(|it| it.f1)]
                })
                .collect()
        })?;
        let all = sums(&counts, kinds.len());
        let gold: usize = all.iter().map(|counts| counts.gold).sum();
        let supports = all.iter().map(|counts| counts.gold).chain([gold; 3]);
        // Every score has a value on all sentences: types are those that were seen.
        let found: Vec<Estimate> = found.into_iter().flatten().collect();
        let mut rows: Vec<EntityEstimate> = found
            .chunks_exact(3)
            .zip(supports)
            .map(|(it, support)| EntityEstimate {
                precision: it[0],
                recall: it[1],
                f1: it[2],
                support,
            })
            .collect();
        let averages = rows.split_off(kinds.len());
        Ok(TaggingEstimates {
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).zip(rows).collect(),
            micro_average: averages[0],
            macro_average: averages[1],
            weighted_average: averages[2],
        })
    }
}

/// The types of entities that are gold or predicted, in order.
fn kinds(read: &[[BTreeSet<Entity>; 2]]) -> Vec<&str> {
    let entities = read.iter().flatten().flatten();
    let kinds: BTreeSet<&str> = entities.map(|entity| entity.kind.as_str()).collect();
    kinds.into_iter().collect()
}

/// The counts of a sentence for each type.
fn by_kind([gold, predicted]: &[BTreeSet<Entity>; 2], kinds: &[&str]) -> Vec<EntityCounts> {
    let mut counts = vec![EntityCounts::default(); kinds.len()];
    let place = |entity: &Entity| kinds.partition_point(|kind| *kind < entity.kind.as_str());
    for entity in gold {
        counts[place(entity)].gold += 1;
    }
    for entity in predicted {
        let count = &mut counts[place(entity)];
        count.found += 1;
        count.right += usize::from(gold.contains(entity));
    }
    counts
}

/// The counts of several sentences for each type.
fn sums<I: AsRef<[EntityCounts]>>(
    sentences: impl IntoIterator<Item = I>,
    kinds: usize,
) -> Vec<EntityCounts> {
    let mut sums = vec![EntityCounts::default(); kinds];
    for counts in sentences {
        for (sum, count) in sums.iter_mut().zip(counts.as_ref()) {
            *sum += *count;
        }
    }
    sums
}

/// The counts of each sentence, `[gold, predicted]`, for [`EntityF1`].
///
/// # Errors
///
/// Those of [`TaggingReport::try_new`].
pub fn entity_counts<S: AsRef<str>>(
    sentences: &[[Vec<S>; 2]],
    reading: TagReading,
) -> Result<Vec<EntityCounts>, EvaluationError> {
    let (read, _) = read(sentences, reading)?;
    let count = |[gold, predicted]: &[BTreeSet<Entity>; 2]| EntityCounts {
        right: gold.intersection(predicted).count(),
        found: predicted.len(),
        gold: gold.len(),
    };
    Ok(read.iter().map(count).collect())
}

type Read = (Vec<[BTreeSet<Entity>; 2]>, Option<TagScheme>);

/// The entities of each sentence, gold and predicted, and the scheme of a strict reading.
fn read<S: AsRef<str>>(
    sentences: &[[Vec<S>; 2]],
    reading: TagReading,
) -> Result<Read, EvaluationError> {
    if sentences.is_empty() {
        return Err(EvaluationError::Empty { what: "tagging" });
    }
    for (place, [gold, predicted]) in sentences.iter().enumerate() {
        if gold.len() != predicted.len() {
            let (found, expected) = (predicted.len(), gold.len());
            return Err(EvaluationError::Config {
                field: "tags",
                found: format!("{found} tags of {expected} words in sentence {place}"),
                expected: "a tag for each word",
            });
        }
    }
    let scheme = match reading {
        TagReading::Lenient | TagReading::Known => None,
        TagReading::Strict(scheme) => Some(scheme),
        TagReading::Detected => Some(TagScheme::detect(sentences.iter().map(|[gold, _]| gold))?),
    };
    let entities_of = |side: &str, place: usize, tags: &[S]| {
        let name = || format!("{side} sentence {place}");
        let found = match scheme {
            Some(scheme) => {
                scheme.find(tags).map_err(|word| scheme.fault(name(), word, tags[word].as_ref()))?
            }
            None => lenient(tags, reading == TagReading::Known).map_err(|(word, expected)| {
                let (tag, expected) = (tags[word].as_ref().to_owned(), expected.to_owned());
                EvaluationError::Tag { sentence: name(), word, tag, expected }
            })?,
        };
        Ok::<BTreeSet<Entity>, EvaluationError>(found.into_iter().collect())
    };
    let read = sentences.iter().enumerate().map(|(place, [gold, predicted])| {
        Ok([entities_of("gold", place, gold)?, entities_of("predicted", place, predicted)?])
    });
    Ok((read.collect::<Result<_, EvaluationError>>()?, scheme))
}

/// The entities, or the place of a tag that is not one and what was expected.
pub(super) fn lenient<S: AsRef<str>>(
    tags: &[S],
    is_known_only: bool,
) -> Result<Vec<Entity>, (usize, &'static str)> {
    for (word, tag) in tags.iter().map(AsRef::as_ref).enumerate() {
        if tag.is_empty() {
            return Err((word, "a tag"));
        }
        let prefix = tag.split_once('-').map_or(tag, |(prefix, _)| prefix);
        if is_known_only && tag != "O" && !matches!(prefix, "B" | "I" | "E" | "S") {
            return Err((word, "`O`, or `B`, `I`, `E` or `S`, alone or with a hyphen and a type"));
        }
    }
    Ok(entities(tags))
}

impl EntityCounts {
    /// Whether there are any, gold or predicted.
    fn is_seen(self) -> bool {
        self.found + self.gold > 0
    }

    /// Precision, recall and F1 of the counts; a ratio over 0 is 0.
    pub fn score(self) -> EntityScore {
        let Self { right, found, gold } = self;
        let ratio =
            |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        EntityScore {
            precision: ratio(right, found),
            recall: ratio(right, gold),
            f1: ratio(2 * right, found + gold),
            support: gold,
        }
    }
}

impl AddAssign for EntityCounts {
    fn add_assign(&mut self, other: Self) {
        self.right += other.right;
        self.found += other.found;
        self.gold += other.gold;
    }
}

impl Sum for EntityCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, it| {
            sum += it;
            sum
        })
    }
}

impl Metric for EntityF1 {
    type Item = EntityCounts;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &EntityCounts>) -> Option<f64> {
        let counts: EntityCounts = items.copied().sum();
        counts.is_seen().then(|| counts.score().f1)
    }
}
