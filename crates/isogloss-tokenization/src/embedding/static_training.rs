//! Training of static vectors by negative sampling.

use std::collections::HashMap;

use isogloss_core::{Progress, ProgressEvent};
use rand::{Rng, RngExt};

use super::similarity::dot;
use super::static_vectors::{BUCKET, Subwords, first_row};
use super::{Architecture, StaticVectors, StaticVectorsConfig, StaticVectorsError, ngrams};

const TASK: &str = "training static vectors";
/// Tokens between two reports.
const REPORT_EVERY: u64 = 100_000;
/// Places of the table of the sigmoid, and where it ends on each side, as in fastText.
const TABLE_SIZE: usize = 512;
const TABLE_END: f32 = 8.0;
/// The loss where the table ends and the sigmoid is taken as 0.
const LARGEST_LOSS: f32 = TABLE_END;

/// The tokens that are frequent enough, and how often they occur.
pub(super) struct Vocabulary {
    tokens: Vec<(String, u64)>,
    places: HashMap<String, u32>,
    /// All tokens of the corpus, rare ones too.
    n_read: u64,
}

impl Vocabulary {
    /// Counts the tokens of a corpus.
    pub(super) fn count(
        corpus: impl IntoIterator<Item: IntoIterator<Item: AsRef<str>>>,
        config: &StaticVectorsConfig,
    ) -> Result<Self, StaticVectorsError> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        let mut n_read = 0;
        for sequence in corpus {
            for token in sequence {
                n_read += 1;
                match counts.get_mut(token.as_ref()) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert(token.as_ref().to_owned(), 1)),
                }
            }
        }
        let distinct = counts.len();
        let mut tokens: Vec<(String, u64)> =
            counts.into_iter().filter(|(_, count)| *count >= config.min_count).collect();
        if tokens.len() < 2 {
            let (found, min_count) = (tokens.len(), config.min_count);
            return Err(StaticVectorsError::Vocabulary { found, distinct, min_count });
        }
        tokens.sort_unstable_by(|(a, a_count), (b, b_count)| {
            b_count.cmp(a_count).then_with(|| a.cmp(b))
        });
        let places = tokens.iter().zip(0..).map(|((token, _), place)| (token.clone(), place));
        Ok(Self { places: places.collect(), tokens, n_read })
    }

    /// The rows of every token, and which buckets they touch.
    fn subwords(&self, config: &StaticVectorsConfig) -> Subwords {
        let lengths =
            if config.max_n == 0 { 0..0 } else { config.min_n..config.max_n.saturating_add(1) };
        let buckets = config.buckets.max(1);
        let of_tokens: Vec<Vec<u32>> = self
            .tokens
            .iter()
            .map(|(token, _)| ngrams::buckets_of(token, &lengths, buckets))
            .collect();
        let mut touched = of_tokens.concat();
        touched.sort_unstable();
        touched.dedup();
        let place_of: HashMap<u32, u32> =
            touched.iter().copied().zip(row_index(self.tokens.len())..).collect();
        let (mut offsets, mut rows) = (vec![0], Vec::new());
        for (token, buckets) in of_tokens.iter().enumerate() {
            rows.push(row_index(token));
            rows.extend(buckets.iter().map(|bucket| place_of[bucket]));
            offsets.push(rows.len());
        }
        Subwords { lengths, buckets, offsets, rows, touched, seed: config.seed }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "2^32 rows do not fit into memory")]
const fn row_index(row: usize) -> u32 {
    row as u32
}

/// Trains the vectors of a vocabulary that was counted in the same corpus.
pub(super) fn train<C>(
    config: &StaticVectorsConfig,
    vocabulary: Vocabulary,
    corpus: impl Fn() -> C,
    progress: &dyn Progress,
) -> Result<StaticVectors, StaticVectorsError>
where
    C: IntoIterator<Item: IntoIterator<Item: AsRef<str>>>,
{
    let Vocabulary { ref tokens, ref places, n_read } = vocabulary;
    let subwords = vocabulary.subwords(config);
    let mut trainer = Trainer::new(config, tokens, &subwords);
    let keep = keep_probabilities(tokens, n_read, config.sample);
    let in_vocabulary: u64 = tokens.iter().map(|(_, count)| count).sum();
    let total = in_vocabulary * u64::from(config.epochs);
    progress.report(ProgressEvent::Started { task: TASK, total: Some(total), unit: "tokens" });

    let (mut done, mut next_report) = (0_u64, REPORT_EVERY);
    let mut line: Vec<u32> = Vec::new();
    for epoch in 0..config.epochs {
        let seed = config.seed.derive("static vectors: epoch").at(u64::from(epoch));
        let mut read = 0;
        for (sequence, at) in corpus().into_iter().zip(0_u64..) {
            // A line's choices depend on its place, not on the lines before it.
            let mut rng = seed.at(at).rng();
            let learning_rate = config.learning_rate * (1.0 - done as f32 / total as f32).max(0.0);
            line.clear();
            for token in sequence {
                read += 1;
                let Some(place) = places.get(token.as_ref()) else { continue };
                done += 1;
                if rng.random::<f64>() <= keep[index(*place)] {
                    line.push(*place);
                }
            }
            trainer.train_line(&line, learning_rate, &mut rng);
            if done >= next_report {
                next_report = done + REPORT_EVERY;
                let note = format!("loss {:.3}", trainer.take_loss());
                progress.report(ProgressEvent::Advanced { task: TASK, done, note: &note });
            }
        }
        if read != n_read {
            let (found, expected) = (read, n_read);
            return Err(StaticVectorsError::CorpusChanged { epoch: epoch + 1, found, expected });
        }
    }
    let rows = trainer.input;
    for (place, (token, _)) in tokens.iter().enumerate() {
        let mut of_token =
            subwords.rows_of(place).iter().flat_map(|row| row_of(&rows, *row, config.dim));
        if !of_token.all(|value| value.is_finite()) {
            let (token, learning_rate) = (token.clone(), config.learning_rate);
            return Err(StaticVectorsError::Diverged { token, learning_rate });
        }
    }
    progress.report(ProgressEvent::Finished { task: TASK });
    let Vocabulary { tokens, places, .. } = vocabulary;
    Ok(StaticVectors { dim: config.dim, tokens, places, subwords, rows })
}

/// `√(t/f) + t/f` for each token, which is above 1 for all but frequent ones.
fn keep_probabilities(tokens: &[(String, u64)], n_read: u64, sample: f64) -> Vec<f64> {
    let ratios = tokens.iter().map(|(_, count)| sample * n_read as f64 / *count as f64);
    ratios.map(|ratio| ratio.sqrt() + ratio).collect()
}

const fn index(row: u32) -> usize {
    row as usize
}

fn row_of(rows: &[f32], row: u32, dim: usize) -> &[f32] {
    &rows[index(row) * dim..][..dim]
}

/// The weights of a model in training, and room for one step of it.
struct Trainer<'a> {
    config: &'a StaticVectorsConfig,
    subwords: &'a Subwords,
    negatives: NegativeSampler,
    sigmoid: SigmoidTable,
    /// A row for each token and touched bucket.
    input: Vec<f32>,
    /// A row for each token.
    output: Vec<f32>,
    hidden: Vec<f32>,
    gradient: Vec<f32>,
    context: Vec<u32>,
    loss: f64,
    n_examples: u64,
}

impl<'a> Trainer<'a> {
    fn new(
        config: &'a StaticVectorsConfig,
        tokens: &[(String, u64)],
        subwords: &'a Subwords,
    ) -> Self {
        let dim = config.dim;
        let of_tokens = (0..tokens.len())
            .flat_map(|token| first_row(config.seed, "static vectors: token", token as u64, dim));
        let of_buckets = subwords
            .touched
            .iter()
            .flat_map(|bucket| first_row(config.seed, BUCKET, u64::from(*bucket), dim));
        Self {
            config,
            subwords,
            negatives: NegativeSampler::new(tokens.iter().map(|(_, count)| *count)),
            sigmoid: SigmoidTable::new(),
            input: of_tokens.chain(of_buckets).collect(),
            output: vec![0.0; tokens.len() * dim],
            hidden: vec![0.0; dim],
            gradient: vec![0.0; dim],
            context: Vec::new(),
            loss: 0.0,
            n_examples: 0,
        }
    }

    /// One pass over a line of tokens.
    fn train_line(&mut self, line: &[u32], learning_rate: f32, rng: &mut impl Rng) {
        let subwords = self.subwords;
        let mut context = std::mem::take(&mut self.context);
        for (at, token) in line.iter().enumerate() {
            let reach = rng.random_range(1..=self.config.window);
            let window = at.saturating_sub(reach)..line.len().min(at + reach + 1);
            let neighbours = window.filter(|other| *other != at).map(|other| line[other]);
            match self.config.architecture {
                Architecture::Cbow => {
                    context.clear();
                    for neighbour in neighbours {
                        context.extend_from_slice(subwords.rows_of(index(neighbour)));
                    }
                    self.update(&context, *token, learning_rate, rng);
                }
                Architecture::SkipGram => {
                    let rows = subwords.rows_of(index(*token));
                    for neighbour in neighbours {
                        self.update(rows, neighbour, learning_rate, rng);
                    }
                }
            }
        }
        self.context = context;
    }

    /// One step: `target` is to be likely, and tokens drawn at random unlikely, given `rows`.
    fn update(&mut self, rows: &[u32], target: u32, learning_rate: f32, rng: &mut impl Rng) {
        if rows.is_empty() {
            return;
        }
        let dim = self.config.dim;
        self.hidden.fill(0.0);
        for row in rows {
            add_scaled(&mut self.hidden, row_of(&self.input, *row, dim), 1.0);
        }
        let scale = 1.0 / rows.len() as f32;
        self.hidden.iter_mut().for_each(|value| *value *= scale);
        self.gradient.fill(0.0);
        self.loss += f64::from(self.tell(target, true, learning_rate));
        for _ in 0..self.config.negatives {
            let negative = self.negatives.draw_other_than(target, rng);
            self.loss += f64::from(self.tell(negative, false, learning_rate));
        }
        self.n_examples += 1;
        // Not divided among the rows: fastText does so for classifiers alone.
        for row in rows {
            let row = &mut self.input[index(*row) * dim..][..dim];
            add_scaled(row, &self.gradient, 1.0);
        }
    }

    /// Moves the output row of a token towards or away from `hidden`; returns the loss.
    fn tell(&mut self, token: u32, is_target: bool, learning_rate: f32) -> f32 {
        let dim = self.config.dim;
        let output = &mut self.output[index(token) * dim..][..dim];
        let (probability, loss) = self.sigmoid.look_up(dot(&self.hidden, output), is_target);
        let step = learning_rate * (f32::from(u8::from(is_target)) - probability);
        add_scaled(&mut self.gradient, output, step);
        add_scaled(output, &self.hidden, step);
        loss
    }

    /// The mean loss since it was last asked for.
    fn take_loss(&mut self) -> f64 {
        let mean = self.loss / self.n_examples.max(1) as f64;
        (self.loss, self.n_examples) = (0.0, 0);
        mean
    }
}

fn add_scaled(sum: &mut [f32], row: &[f32], scale: f32) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += scale * value);
}

/// `σ(x)` and `-ln σ(±x)` at fixed places.
struct SigmoidTable {
    entries: Vec<[f32; 3]>,
}

impl SigmoidTable {
    fn new() -> Self {
        let entry = |place: usize| {
            let x = place as f32 * 2.0 * TABLE_END / TABLE_SIZE as f32 - TABLE_END;
            [1.0 / (1.0 + (-x).exp()), (-x).exp().ln_1p(), x.exp().ln_1p()]
        };
        Self { entries: (0..=TABLE_SIZE).map(entry).collect() }
    }

    /// The probability of being the target, and the loss of that or of its opposite.
    fn look_up(&self, x: f32, is_target: bool) -> (f32, f32) {
        if x < -TABLE_END {
            return (0.0, if is_target { LARGEST_LOSS } else { 0.0 });
        }
        if x > TABLE_END {
            return (1.0, if is_target { 0.0 } else { LARGEST_LOSS });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to TABLE_SIZE; a NaN becomes 0 and is found at the end of training"
        )]
        let place = ((x + TABLE_END) * TABLE_SIZE as f32 / TABLE_END / 2.0) as usize;
        let [probability, target_loss, other_loss] = self.entries[place];
        (probability, if is_target { target_loss } else { other_loss })
    }
}

/// Draws tokens in proportion to the root of their counts, by Walker's alias method (1977,
/// <https://doi.org/10.1145/355744.355749>) where fastText rounds to a table of ten million places.
struct NegativeSampler {
    /// For each token, the probability of itself when its place is hit, and who else is drawn.
    places: Vec<(f64, u32)>,
}

impl NegativeSampler {
    fn new(counts: impl Iterator<Item = u64>) -> Self {
        let roots: Vec<f64> = counts.map(|count| (count as f64).sqrt()).collect();
        let mean = roots.iter().sum::<f64>() / roots.len() as f64;
        let mut shares: Vec<f64> = roots.iter().map(|root| root / mean).collect();
        let mut places: Vec<(f64, u32)> =
            (0..shares.len()).map(|token| (1.0, row_index(token))).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..shares.len()).partition(|token| shares[*token] < 1.0);
        while let (Some(under), Some(over)) = (small.pop(), large.pop()) {
            places[under] = (shares[under], row_index(over));
            shares[over] -= 1.0 - shares[under];
            if shares[over] < 1.0 { &mut small } else { &mut large }.push(over);
        }
        Self { places }
    }

    /// A token other than `target`, of which there is one at least.
    fn draw_other_than(&self, target: u32, rng: &mut impl Rng) -> u32 {
        loop {
            let place = rng.random_range(0..self.places.len());
            let (own, other) = self.places[place];
            let drawn = if rng.random::<f64>() < own { row_index(place) } else { other };
            if drawn != target {
                return drawn;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use isogloss_core::Seed;

    use super::*;

    #[test]
    fn negatives_are_drawn_by_the_root_of_their_counts() {
        let sampler = NegativeSampler::new([900, 400, 100, 100].into_iter());
        let mut rng = Seed::new(5).rng();
        let n = 100_000_u32;
        let mut drawn = [0_u32; 4];
        for _ in 0..n {
            drawn[index(sampler.draw_other_than(2, &mut rng))] += 1;
        }
        assert_eq!(drawn[2], 0);
        // 30 : 20 : 10 without the third; a standard error is 0.0016 at most.
        for (drawn, expected) in drawn.into_iter().zip([0.5, 1.0 / 3.0, 0.0, 1.0 / 6.0]) {
            let found = f64::from(drawn) / f64::from(n);
            assert!((found - expected).abs() < 0.01, "{found}, expected {expected}");
        }
    }

    #[test]
    fn the_sigmoid_is_close_and_its_losses_are_the_logarithms() {
        let table = SigmoidTable::new();
        for x in [-20.0, -8.0, -7.9, -1.0, 0.0, 0.4, 3.3, 7.99, 8.0, 20.0_f32] {
            let sigmoid = 1.0 / (1.0 + (-x).exp());
            let (probability, loss) = table.look_up(x, true);
            // A place spans 1/32, where σ rises by 1/128 at most.
            assert!((probability - sigmoid).abs() < 0.008, "{x}: {probability}");
            if x.abs() <= TABLE_END {
                assert!((loss + sigmoid.ln()).abs() < 0.032, "{x}: {loss}");
                let (_, other) = table.look_up(x, false);
                assert!((other + (1.0 - sigmoid).ln()).abs() < 0.032, "{x}: {other}");
            }
        }
    }

    #[test]
    fn frequent_tokens_are_kept_as_often_as_worked_by_hand() {
        let tokens = [("a".to_owned(), 100), ("b".to_owned(), 1)];
        let keep = keep_probabilities(&tokens, 10_000, 1e-4);
        // f = 0.01: √0.01 + 0.01; f = 0.0001: 1 + 1.
        assert!((keep[0] - 0.11).abs() < 1e-12 && (keep[1] - 2.0).abs() < 1e-12, "{keep:?}");
    }

    #[test]
    fn a_step_follows_the_gradient_of_the_loss() {
        let config = StaticVectorsConfig::new(Architecture::Cbow, Seed::new(1))
            .with_dim(3)
            .with_ngrams(0, 0)
            .with_negatives(1);
        let tokens = [("a".to_owned(), 1), ("b".to_owned(), 1)];
        let vocabulary = Vocabulary { tokens: tokens.to_vec(), places: HashMap::new(), n_read: 2 };
        let subwords = vocabulary.subwords(&config);
        let mut trainer = Trainer::new(&config, &tokens, &subwords);
        trainer.input = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        trainer.output = vec![0.0, 0.0, 2.0, 2.0, -2.0, 0.0];
        // h = (1/2, 1/2, 0); both products are 0, so σ = 1/2 and the steps are ±0.1 · 1/2.
        // gradient = 0.05 · u(a) - 0.05 · u(b) = (-0.1, 0.1, 0.1), added to each row.
        trainer.update(&[0, 1], 0, 0.1, &mut Seed::new(2).rng());
        isogloss_testing::assert_close(&trainer.input, &[0.9, 0.1, 0.1, -0.1, 1.1, 0.1], 1e-6);
        let output = [0.025, 0.025, 2.0, 1.975, -2.025, 0.0];
        isogloss_testing::assert_close(&trainer.output, &output, 1e-6);
        // ln 2 for the target and for its one negative.
        assert!((trainer.take_loss() - 2.0 * std::f64::consts::LN_2).abs() < 1e-6);
    }
}
