//! What predictions on a test set are worth.

use isogloss_core::LanguageTag;
use serde::{Deserialize, Serialize};

use super::set::{Split, TestItems, TestSet, TestSetWarning};
use super::{Benchmark, Predictions};
use crate::generation::Precision;
use crate::{
    AnswerNormalization, BootstrapConfig, Chrf, DependencyConfig, DependencySentence, EntityF1,
    Estimate, EvaluationError, GenerationMetric, MacroF1, Mean, Metric, Prediction, RatioOfSums,
    References, Run, TagReading, WeightedF1, entity_counts,
};

/// A score with its name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NamedScore {
    /// The metric, such as `accuracy`.
    pub metric: String,
    /// The score in `[0, 1]`, with its interval.
    pub score: Estimate,
}

/// What a model is worth on a test set, with all that belongs beside the number.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BenchmarkScore {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The language.
    pub language: LanguageTag,
    /// The publisher's code of the language.
    pub code: String,
    /// The part.
    pub split: Split,
    /// Scores, the one that papers report first.
    pub scores: Vec<NamedScore>,
    /// What the first score would be if each item were given the most frequent class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub majority: Option<f64>,
    /// The licence of the test set, as its publisher states it.
    pub licence: String,
    /// The paper to cite.
    pub citation: String,
    /// What is wrong with the test set.
    pub warnings: Vec<TestSetWarning>,
}

impl TestSet {
    /// Scores predictions as papers score the benchmark.
    ///
    /// | benchmark | scores |
    /// |---|---|
    /// | XNLI, PAWS-X, SIB-200 | accuracy, macro-F1 |
    /// | AfriSenti | weighted F1, macro-F1, accuracy |
    /// | Belebele | accuracy |
    /// | WikiANN, MasakhaNER | F1 of entities, read leniently as seqeval does |
    /// | Universal Dependencies | LAS, UAS, accuracy of parts of speech; the last alone where these are predicted |
    /// | TyDi QA, XQuAD | F1 and exact match as of SQuAD v1.1 |
    /// | MLQA | F1 and exact match with its own normalisation of the language |
    /// | Tatoeba | accuracy |
    /// | FLORES | chrF++ as sacrebleu has it, over 100 |
    ///
    /// Items are resampled for the intervals: texts, sentences, questions.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for predictions of another task, [`EvaluationError::Length`] where there are not as
    /// many as items, and those of the metrics.
    pub fn score(
        &self,
        predictions: &Predictions,
        bootstrap: &BootstrapConfig,
    ) -> Result<BenchmarkScore, EvaluationError> {
        let mut majority = None;
        let scores = match (&self.items, predictions) {
            (TestItems::Classes { labels, items }, Predictions::Classes(said)) => {
                let gold: Vec<usize> = items.iter().map(|item| item.label).collect();
                let scored = Scored { pairs: paired(&gold, said)?, n_classes: labels.len() };
                majority = scored.majority(self.benchmark);
                scored.scores(self.benchmark, bootstrap)?
            }
            (TestItems::Choices(questions), Predictions::Classes(said)) => {
                let gold: Vec<usize> = questions.iter().map(|it| it.right).collect();
                let scored = Scored { pairs: paired(&gold, said)?, n_classes: 4 };
                majority = scored.majority(self.benchmark);
                scored.scores(self.benchmark, bootstrap)?
            }
            (TestItems::Tags(gold), Predictions::Tags(said)) => {
                self.check_length(said.len())?;
                let sides = gold.sentences.iter().zip(said);
                let sentences: Vec<[Vec<String>; 2]> =
                    sides.map(|(gold, said)| [gold.tags.clone(), said.clone()]).collect();
                let counts = entity_counts(&sentences, TagReading::Known)?;
                vec![named("F1", bootstrap.estimate(&EntityF1, &counts)?)]
            }
            (TestItems::Trees(gold), Predictions::Trees(said)) => trees(gold, said, bootstrap)?,
            (TestItems::Trees(gold), Predictions::Tags(said)) => {
                self.check_length(said.len())?;
                let counts = |(gold, said): (&DependencySentence, &Vec<String>)| {
                    let both = gold.words.iter().zip(said);
                    [both.filter(|(word, tag)| word.upos == **tag).count(), gold.words.len()]
                };
                let counts = gold.iter().zip(said).map(counts);
                vec![parts_of_speech(counts, bootstrap)?]
            }
            (TestItems::Questions(questions), Predictions::Answers(said)) => {
                self.check_length(said.len())?;
                let normalization = match self.benchmark {
                    Benchmark::Mlqa => AnswerNormalization::of_language(&self.language)?,
                    _ => AnswerNormalization::Squad,
                };
                let right: Vec<Vec<&str>> = questions
                    .iter()
                    .map(|it| it.answers.iter().map(|(answer, _)| answer.as_str()).collect())
                    .collect();
                let said: Vec<Option<&str>> = said.iter().map(|it| Some(it.as_str())).collect();
                let found = normalization.score(&said, &right)?;
                vec![
                    named("F1", bootstrap.estimate(&Mean, &found.f1)?),
                    named("exact match", bootstrap.estimate(&Mean, &found.exact_match)?),
                ]
            }
            (TestItems::Translations(pairs), Predictions::Retrieved(places)) => {
                self.check_length(places.len())?;
                // A target that stands there twice is right wherever it is found.
                let is_right = |(place, found): (usize, &usize)| {
                    let found = pairs.get(*found).map(|pair| &pair.target);
                    if found == Some(&pairs[place].target) { 1.0 } else { 0.0 }
                };
                let hits: Vec<f64> = places.iter().enumerate().map(is_right).collect();
                vec![named("accuracy", bootstrap.estimate(&Mean, &hits)?)]
            }
            (TestItems::Translations(pairs), Predictions::Texts(said)) => {
                let said: Vec<&str> = said.iter().map(String::as_str).collect();
                let targets: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
                let metric = Chrf::plus_plus();
                let found = metric.statistics(&[&said], &References::try_new(&[&targets])?)?;
                let rows: Vec<Vec<f64>> = found[0].rows().map(<[f64]>::to_vec).collect();
                vec![named("chrF++", bootstrap.estimate(&OfSums(&metric), &rows)?)]
            }
            _ => {
                return Err(EvaluationError::Config {
                    field: "predictions",
                    found: "those of another task".to_owned(),
                    expected: "what `Predictions::read` gives for the test set",
                });
            }
        };
        Ok(BenchmarkScore {
            benchmark: self.benchmark,
            language: self.language.clone(),
            code: self.code.clone(),
            split: self.split,
            scores,
            majority,
            licence: self.licence.clone(),
            citation: self.benchmark.card().citation.to_owned(),
            warnings: self.warnings.clone(),
        })
    }

    fn check_length(&self, found: usize) -> Result<(), EvaluationError> {
        let expected = self.len();
        if found == expected {
            return Ok(());
        }
        Err(EvaluationError::Length { what: "predictions", found, expected })
    }
}

impl BenchmarkScore {
    /// The first score as the record of a run, for transfer tables.
    pub fn run(&self, model: &str, source: LanguageTag, seed: u64) -> Option<Run> {
        let NamedScore { metric, score } = self.scores.first()?;
        let names = [self.benchmark.card().title, metric, model];
        let run = Run::new(names, source, self.language.clone(), seed, score.value);
        Some(run.with_items(*score))
    }
}

fn named(metric: &str, score: Estimate) -> NamedScore {
    NamedScore { metric: metric.to_owned(), score }
}

fn paired(gold: &[usize], said: &[usize]) -> Result<Vec<Prediction>, EvaluationError> {
    if gold.len() != said.len() {
        let (found, expected) = (said.len(), gold.len());
        return Err(EvaluationError::Length { what: "predictions", found, expected });
    }
    let both = gold.iter().zip(said);
    Ok(both.map(|(gold, predicted)| Prediction { gold: *gold, predicted: *predicted }).collect())
}

/// Classes that were predicted, with the gold ones.
struct Scored {
    pairs: Vec<Prediction>,
    n_classes: usize,
}

impl Scored {
    fn scores(
        &self,
        benchmark: Benchmark,
        bootstrap: &BootstrapConfig,
    ) -> Result<Vec<NamedScore>, EvaluationError> {
        let n_classes = self.n_classes;
        let right: Vec<f64> = self.pairs.iter().map(accuracy).collect();
        let accuracy = named("accuracy", bootstrap.estimate(&Mean, &right)?);
        if benchmark == Benchmark::Belebele {
            return Ok(vec![accuracy]);
        }
        let macro_f1 = named("macro-F1", bootstrap.estimate(&MacroF1 { n_classes }, &self.pairs)?);
        if benchmark == Benchmark::AfriSenti {
            let weighted = bootstrap.estimate(&WeightedF1, &self.pairs)?;
            return Ok(vec![named("weighted F1", weighted), macro_f1, accuracy]);
        }
        Ok(vec![accuracy, macro_f1])
    }

    /// What the first score is for who always says the most frequent class.
    fn majority(&self, benchmark: Benchmark) -> Option<f64> {
        let n_classes = self.n_classes;
        let count = |class| self.pairs.iter().filter(|pair| pair.gold == class).count();
        let most = (0..n_classes).max_by_key(|class| (count(*class), n_classes - class))?;
        let constant = self.pairs.iter().map(|pair| Prediction { predicted: most, ..*pair });
        let constant: Vec<Prediction> = constant.collect();
        if benchmark == Benchmark::AfriSenti {
            return WeightedF1.aggregate(&mut constant.iter());
        }
        let right: Vec<f64> = constant.iter().map(accuracy).collect();
        Mean.aggregate(&mut right.iter())
    }
}

fn accuracy(pair: &Prediction) -> f64 {
    if pair.gold == pair.predicted { 1.0 } else { 0.0 }
}

fn trees(
    gold: &[DependencySentence],
    said: &[DependencySentence],
    bootstrap: &BootstrapConfig,
) -> Result<Vec<NamedScore>, EvaluationError> {
    let found = DependencyConfig::default().score(gold, said)?;
    let counts = |(gold, said): (&DependencySentence, &DependencySentence)| {
        let both = gold.words.iter().zip(&said.words);
        [both.filter(|(a, b)| a.upos == b.upos).count(), gold.words.len()]
    };
    Ok(vec![
        named("LAS", bootstrap.estimate(&RatioOfSums, &found.las_items())?),
        named("UAS", bootstrap.estimate(&RatioOfSums, &found.uas_items())?),
        parts_of_speech(gold.iter().zip(said).map(counts), bootstrap)?,
    ])
}

/// From the right words and all words of each sentence.
fn parts_of_speech(
    counts: impl Iterator<Item = [usize; 2]>,
    bootstrap: &BootstrapConfig,
) -> Result<NamedScore, EvaluationError> {
    let items: Vec<[f64; 2]> = counts.map(|counts| counts.map(|count| count as f64)).collect();
    Ok(named("UPOS accuracy", bootstrap.estimate(&RatioOfSums, &items)?))
}

/// A score of generated text as a share, from the statistics of segments.
struct OfSums<'a>(&'a dyn GenerationMetric);

impl Metric for OfSums<'_> {
    type Item = Vec<f64>;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &Vec<f64>>) -> Option<f64> {
        let mut sums = vec![0.0; self.0.width()];
        for row in items {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
        Some(self.0.score(&sums, Precision::Double) / 100.0)
    }
}
