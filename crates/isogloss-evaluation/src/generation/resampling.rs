//! How sure a score is, and a difference between two, as sacrebleu says it.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::corpus::{GenerationMetric, References, SegmentStatistics};
use super::precision::Precision;
use super::signature::{Signature, SignatureKey};
use crate::EvaluationError;
use crate::numpy_random::{NumpyBits, NumpyDraws};

/// Resamples that one thread sums at a time.
const RESAMPLES_AT_ONCE: usize = 8;

/// Resamples whose draws are kept at a time.
const RESAMPLES_DRAWN: usize = 32;

/// Trials that one thread sums at a time.
const TRIALS_AT_ONCE: usize = 128;

/// Segments that a trial looks up at once.
const SEGMENTS_LOOKED_UP: usize = 8;

/// Up to here numbers of 32 bits count exactly.
const EXACT_SINGLE: f32 = 16_777_216.0;

/// Intervals and tests with the very draws of sacrebleu 2.6.0, so that their numbers are equal.
///
/// sacrebleu draws by NumPy's `default_rng(seed)` and sums resamples in 32 bits; both are done here. Two systems
/// whose segments all score the same come out as different at the smallest p-value there is, as sacrebleu counts
/// only what is beyond the difference found: [`PairedScore::identical`] says so, and such a p-value means nothing.
/// All metrics and systems share the draws of a seed, so p-values of several systems depend on each other and need a
/// correction. A seed of 0 is a seed like any other here, and none in sacrebleu's paired tests.
///
/// # Source
///
/// Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation",
/// <https://aclanthology.org/W04-3250>; Riezler and Maxwell (2005), "On Some Pitfalls in Automatic Evaluation and
/// Significance Testing for MT", <https://aclanthology.org/W05-0908>.
///
/// # Examples
///
/// ```
/// use isogloss_evaluation::{Chrf, GenerationMetric, PairedTest, References, Resampling};
///
/// let references = References::try_new(&[&["a small house", "the river", "come here"]])?;
/// let first: &[&str] = &["a small home", "the river", "come"];
/// let second: &[&str] = &["small", "a river", "here"];
/// let segments = Chrf::new().statistics(&[first, second], &references)?;
/// let resampling = Resampling::new(PairedTest::Bootstrap);
/// let compared = resampling.paired(&[(&Chrf::new(), &segments[0], &segments[1])])?;
/// assert!(compared[0].baseline.score > compared[0].system.score);
/// assert!(compared[0].p_value < 1.0);
/// # Ok::<(), isogloss_evaluation::EvaluationError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Resampling {
    /// The test for two systems.
    pub test: PairedTest,
    /// Resamples, or trials. Default: 1,000, or 10,000.
    pub samples: usize,
    /// The seed. Default: 12345.
    pub seed: u64,
}

/// How two systems are compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PairedTest {
    /// Segments are drawn again, with replacement, the same for both systems.
    #[default]
    Bootstrap,
    /// Each segment's outputs change sides by the toss of a coin.
    ApproximateRandomization,
}

/// A score and how it varies over resamples.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Resampled {
    /// The score of all segments.
    pub score: f64,
    /// The mean score of the resamples; `None` where there was no bootstrap.
    pub mean: Option<f64>,
    /// Half the width of the interval that 95 % of the resamples' scores lie in.
    pub ci: Option<f64>,
}

/// Two systems on the same segments.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PairedScore {
    /// The first system.
    pub baseline: Resampled,
    /// The second.
    pub system: Resampled,
    /// How often chance alone comes to a larger difference, with one more counted: `(c + 1) / (samples + 1)`.
    pub p_value: f64,
    /// Whether every segment of both systems has the same statistics. Then the p-value is the smallest there is, and
    /// there is nothing to test.
    pub identical: bool,
}

/// A metric, and the statistics of the two systems that it compares.
pub type Comparison<'a> = (&'a dyn GenerationMetric, &'a SegmentStatistics, &'a SegmentStatistics);

impl Resampling {
    /// A test with sacrebleu's seed and its number of samples.
    pub fn new(test: PairedTest) -> Self {
        let samples = match test {
            PairedTest::Bootstrap => 1_000,
            PairedTest::ApproximateRandomization => 10_000,
        };
        Self { test, samples, seed: 12_345 }
    }

    /// Sets the number of resamples or trials.
    #[must_use]
    pub fn with_samples(mut self, samples: usize) -> Self {
        self.samples = samples;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The interval of each score by the bootstrap, whatever the test: `sacrebleu --confidence`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] without resamples, [`EvaluationError::Empty`] without segments,
    /// [`EvaluationError::Length`] where there are not equally many for each metric, and for statistics that are
    /// another metric's.
    pub fn confidence(
        &self,
        scored: &[(&dyn GenerationMetric, &SegmentStatistics)],
    ) -> Result<Vec<Resampled>, EvaluationError> {
        let resamples = self.bootstrap(scored)?;
        let of = |(&(metric, segments), scores): (
            &(&dyn GenerationMetric, &SegmentStatistics),
            &Vec<f64>,
        )| {
            let precision = metric.resampled_precision();
            // One metric by itself is averaged exactly, and only then rounded.
            let mean = precision.round(scores.iter().sum::<f64>() / scores.len() as f64);
            Resampled { mean: Some(mean), ..Resampled::new(metric, segments, scores) }
        };
        Ok(scored.iter().zip(&resamples).map(of).collect())
    }

    /// Compares two systems by each metric, all on the same draws.
    ///
    /// # Errors
    ///
    /// As those of [`confidence`](Self::confidence).
    pub fn paired(
        &self,
        comparisons: &[Comparison<'_>],
    ) -> Result<Vec<PairedScore>, EvaluationError> {
        let found = match self.test {
            PairedTest::Bootstrap => self.paired_bootstrap(comparisons)?,
            PairedTest::ApproximateRandomization => self.randomization(comparisons)?,
        };
        let identical = comparisons.iter().map(|(_, baseline, system)| baseline == system);
        Ok(found
            .into_iter()
            .zip(identical)
            .map(|(score, identical)| PairedScore { identical, ..score })
            .collect())
    }

    /// The signature of a score with its interval or its test.
    pub fn signature(
        &self,
        metric: &dyn GenerationMetric,
        references: &References<'_>,
    ) -> Signature {
        let name = match self.test {
            PairedTest::Bootstrap => "bs",
            PairedTest::ApproximateRandomization => "ar",
        };
        let resampling = vec![
            SignatureKey::new(name, name, self.samples.to_string()),
            SignatureKey::new("seed", "rs", self.seed.to_string()),
        ];
        Signature::new(references.signature(), resampling, metric.keys())
    }

    fn paired_bootstrap(
        &self,
        comparisons: &[Comparison<'_>],
    ) -> Result<Vec<PairedScore>, EvaluationError> {
        let both = comparisons
            .iter()
            .flat_map(|&(metric, first, second)| [(metric, first), (metric, second)]);
        let resamples = self.bootstrap(&both.collect::<Vec<_>>())?;
        let compare = |(&(metric, first, second), scores): (&Comparison<'_>, &[Vec<f64>])| {
            let precision = metric.resampled_precision();
            let [of_first, of_second] = scores else { return None };
            let baseline = Resampled::new(metric, first, of_first);
            let system = Resampled::new(metric, second, of_second);
            let differences =
                of_first.iter().zip(of_second).map(|(a, b)| precision.round((b - a).abs()));
            let differences: Vec<f64> = differences.collect();
            let mean = precision.mean(&differences);
            let centred = differences.iter().map(|difference| precision.round(difference - mean));
            let p_value = p_value(centred, precision.round((baseline.score - system.score).abs()));
            Some(PairedScore { baseline, system, p_value, identical: false })
        };
        Ok(comparisons.iter().zip(resamples.chunks_exact(2)).filter_map(compare).collect())
    }

    /// The score of each resample, for each metric and system.
    fn bootstrap(
        &self,
        scored: &[(&dyn GenerationMetric, &SegmentStatistics)],
    ) -> Result<Vec<Vec<f64>>, EvaluationError> {
        let n = self.check(scored.iter().copied())?;
        let table = SingleTable::new(scored.iter().map(|(_, segments)| *segments), n as usize);
        let mut draws = NumpyDraws::new(self.seed, n);
        let mut scores = vec![Vec::with_capacity(self.samples); scored.len()];
        let mut rows = Vec::new();
        for start in (0..self.samples).step_by(RESAMPLES_DRAWN) {
            draws.fill(&mut rows, RESAMPLES_DRAWN.min(self.samples - start) * n as usize);
            let chunks = rows.par_chunks(RESAMPLES_AT_ONCE * n as usize);
            let sums: Vec<_> = chunks.flat_map_iter(|rows| table.sums(rows)).collect();
            for sums in sums {
                let mut left = sums.as_slice();
                for ((metric, _), scores) in scored.iter().zip(&mut scores) {
                    let (own, others) = left.split_at(metric.width().min(left.len()));
                    scores.push(metric.score(own, Precision::Single));
                    left = others;
                }
            }
        }
        Ok(scores)
    }

    fn randomization(
        &self,
        comparisons: &[Comparison<'_>],
    ) -> Result<Vec<PairedScore>, EvaluationError> {
        let both = comparisons
            .iter()
            .flat_map(|&(metric, first, second)| [(metric, first), (metric, second)]);
        let n = self.check(both)?;
        let width: usize = comparisons.iter().map(|(metric, ..)| metric.width()).sum();
        // What each segment adds to the first pseudo-system where it keeps the baseline's output.
        let mut changes = Vec::with_capacity(n as usize * width);
        for segment in 0..n as usize {
            for (_, first, second) in comparisons {
                let rows = first.row(segment).iter().zip(second.row(segment));
                changes.extend(rows.map(|(first, second)| first - second));
            }
        }
        let sums: Vec<_> =
            comparisons.iter().map(|(_, first, second)| (first.sums(), second.sums())).collect();
        let trials: Vec<usize> = (0..self.samples).step_by(TRIALS_AT_ONCE).collect();
        let differences: Vec<Vec<f64>> = trials
            .into_par_iter()
            .flat_map_iter(|start| {
                let count = TRIALS_AT_ONCE.min(self.samples - start);
                let moved = self.trial_sums(start, count, n, width, &changes);
                moved
                    .chunks_exact(width)
                    .map(|moved| difference_of(comparisons, &sums, moved))
                    .collect::<Vec<_>>()
            })
            .collect();
        let compare = |(place, &(metric, first, second)): (usize, &Comparison<'_>)| {
            let [baseline, system] =
                [first, second].map(|segments| Resampled::alone(metric, segments));
            let beyond = differences.iter().map(|differences| differences[place]);
            let p_value = p_value(beyond, (baseline.score - system.score).abs());
            PairedScore { baseline, system, p_value, identical: false }
        };
        Ok(comparisons.iter().enumerate().map(compare).collect())
    }

    /// The sums of what moves in some trials, `[count, width]`.
    ///
    /// Eight segments at a time: the sums of all their subsets are made once, and each trial looks its own up.
    fn trial_sums(
        &self,
        start: usize,
        count: usize,
        n: u32,
        width: usize,
        changes: &[f64],
    ) -> Vec<f64> {
        let mut coins: Vec<_> = (start..start + count)
            .map(|trial| NumpyBits::new(self.seed, trial as u64 * u64::from(n)))
            .collect();
        let mut sums = vec![0.0; count * width];
        let mut subsets = vec![0.0; width << SEGMENTS_LOOKED_UP];
        for group in changes.chunks(SEGMENTS_LOOKED_UP * width) {
            let mut bits = 0;
            for (place, change) in group.chunks_exact(width).enumerate() {
                let (without, with) = subsets.split_at_mut(width << place);
                for (with, without) in with.chunks_exact_mut(width).zip(without.chunks_exact(width))
                {
                    for ((with, without), change) in with.iter_mut().zip(without).zip(change) {
                        *with = without + change;
                    }
                }
                bits += 1;
            }
            for (coins, sums) in coins.iter_mut().zip(sums.chunks_exact_mut(width)) {
                let subset = usize::from(coins.next_bits(bits)) * width;
                for (sum, change) in sums.iter_mut().zip(&subsets[subset..subset + width]) {
                    *sum += change;
                }
            }
        }
        sums
    }

    /// How many segments there are.
    fn check<'a>(
        &self,
        all: impl Iterator<Item = (&'a dyn GenerationMetric, &'a SegmentStatistics)>,
    ) -> Result<u32, EvaluationError> {
        if self.samples == 0 {
            let (found, expected) = ("0".to_owned(), "at least 1");
            return Err(EvaluationError::Config { field: "samples", found, expected });
        }
        let mut count = None;
        for (metric, segments) in all {
            let (found, expected) = (segments.width(), metric.width());
            if found != expected {
                return Err(EvaluationError::Length {
                    what: "statistics of a segment",
                    found,
                    expected,
                });
            }
            let (found, expected) = (segments.len(), *count.get_or_insert(segments.len()));
            if found != expected {
                let what = "segments that are resampled";
                return Err(EvaluationError::Length { what, found, expected });
            }
        }
        let expected = count.unwrap_or_default();
        if expected == 0 {
            return Err(EvaluationError::Empty { what: "resampling" });
        }
        u32::try_from(expected).map_err(|_| EvaluationError::Config {
            field: "segments",
            found: expected.to_string(),
            expected: "fewer than 2^32",
        })
    }
}

/// For each metric, how far apart two pseudo-systems are.
fn difference_of(
    comparisons: &[Comparison<'_>],
    sums: &[(Vec<f64>, Vec<f64>)],
    moved: &[f64],
) -> Vec<f64> {
    let mut left = moved;
    let of = |((metric, ..), (first, second)): (&Comparison<'_>, &(Vec<f64>, Vec<f64>))| {
        let (own, others) = left.split_at(metric.width().min(left.len()));
        left = others;
        let score = |sums: Vec<f64>| metric.score(&sums, Precision::Double);
        let a = score(second.iter().zip(own).map(|(sum, change)| sum + change).collect());
        let b = score(first.iter().zip(own).map(|(sum, change)| sum - change).collect());
        (a - b).abs()
    };
    comparisons.iter().zip(sums).map(of).collect()
}

/// The share of samples beyond a difference, that itself counted.
fn p_value(samples: impl ExactSizeIterator<Item = f64>, difference: f64) -> f64 {
    let count = samples.len();
    let beyond = samples.filter(|sample| *sample > difference).count();
    (beyond + 1) as f64 / (count + 1) as f64
}

impl Resampled {
    fn alone(metric: &dyn GenerationMetric, segments: &SegmentStatistics) -> Self {
        Self { score: metric.corpus_score(segments), mean: None, ci: None }
    }

    fn new(metric: &dyn GenerationMetric, segments: &SegmentStatistics, scores: &[f64]) -> Self {
        let precision = metric.resampled_precision();
        let mut sorted = scores.to_vec();
        sorted.sort_by(f64::total_cmp);
        let tail = sorted.len() / 40;
        let width =
            sorted.get(sorted.len() - tail - 1).zip(sorted.get(tail)).map(|(high, low)| high - low);
        let ci = width.map(|width| precision.round(0.5 * precision.round(width)));
        Self { mean: Some(precision.mean(&sorted)), ci, ..Self::alone(metric, segments) }
    }
}

/// The statistics of several metrics and systems side by side, in 32 bits.
struct SingleTable {
    width: usize,
    /// `[segments, width]`.
    rows: Vec<f32>,
    /// Columns that hold other than whole numbers, as mean lengths of references are.
    fractional: Vec<bool>,
}

impl SingleTable {
    fn new<'a>(all: impl Iterator<Item = &'a SegmentStatistics>, n: usize) -> Self {
        let all: Vec<_> = all.collect();
        let width = all.iter().map(|segments| segments.width()).sum();
        let mut rows = Vec::with_capacity(n * width);
        let mut fractional = vec![false; width];
        for segment in 0..n {
            let row = all.iter().flat_map(|segments| segments.row(segment));
            for (value, fractional) in row.zip(&mut fractional) {
                *fractional |= value.fract() != 0.0;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "sacrebleu keeps them in 32 bits"
                )]
                rows.push(*value as f32);
            }
        }
        Self { width, rows, fractional }
    }

    /// The sums of the segments of each resample, `draws` being the numbers of as many segments for each.
    ///
    /// Whole numbers come to the same sum in any order, so each segment is added once for all times that it was
    /// drawn; what is not whole, or too large to be exact, is added in the order of the draws, as NumPy does.
    fn sums(&self, draws: &[u32]) -> Vec<Vec<f64>> {
        let n = self.rows.len() / self.width;
        let count = draws.len() / n;
        let mut times = vec![0_u16; n * RESAMPLES_AT_ONCE];
        for (resample, draws) in draws.chunks_exact(n).enumerate() {
            for segment in draws {
                let times = &mut times[*segment as usize * RESAMPLES_AT_ONCE + resample];
                *times = times.saturating_add(1);
            }
        }
        let mut sums = vec![0.0_f32; RESAMPLES_AT_ONCE * self.width];
        for (row, times) in
            self.rows.chunks_exact(self.width).zip(times.chunks_exact(RESAMPLES_AT_ONCE))
        {
            for (sums, times) in sums.chunks_exact_mut(self.width).zip(times) {
                if *times > 0 {
                    let times = f32::from(*times);
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += times * value;
                    }
                }
            }
        }
        let sums = sums.chunks_exact_mut(self.width).zip(draws.chunks_exact(n)).take(count);
        let finished = sums.map(|(sums, draws)| {
            for (column, (sum, fractional)) in sums.iter_mut().zip(&self.fractional).enumerate() {
                if *fractional || *sum >= EXACT_SINGLE {
                    let values =
                        draws.iter().map(|draw| self.rows[*draw as usize * self.width + column]);
                    *sum = values.fold(0.0, |sum, value| sum + value);
                }
            }
            sums.iter().map(|sum| f64::from(*sum)).collect()
        });
        finished.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{RESAMPLES_AT_ONCE, SingleTable};

    /// What `numpy.float32` sums to, in the order of the draws.
    #[test]
    fn sums_beyond_what_32_bits_count_are_rounded_in_order() {
        let rows = vec![16_777_216.0, 1.0, 1.0, 3.0];
        let table = SingleTable { width: 2, rows, fractional: vec![false; 2] };
        // Two segments, so two draws for each resample.
        let draws = [0, 1, 1, 1, 0, 0];
        let sums = table.sums(&draws);
        assert_eq!(sums, [[16_777_216.0, 4.0], [2.0, 6.0], [33_554_432.0, 2.0]]);
        assert!(sums.len() < RESAMPLES_AT_ONCE);

        let thirds = vec![1.0_f32 / 3.0, 0.1, 1e7];
        let expected = f64::from(1e7_f32 + 0.1 + 1.0 / 3.0);
        let table = SingleTable { width: 1, rows: thirds, fractional: vec![true] };
        assert_eq!(table.sums(&[2, 1, 0]), [[expected]]);
    }
}
