//! BLEU, chrF and TER beside sacrebleu; `tests/fixtures/sacrebleu/generate.py` made what they are compared with.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test stands on fails where the test does"
)]

use isogloss_evaluation::{
    Bleu, BleuTokenizer, Chrf, Comparison, EvaluationError, GenerationMetric, NfcNormalized,
    PairedTest, PieceTokenizer, References, Resampling, SegmentStatistics, Smoothing, Ter,
};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Scores of 64 bits are equal up to the order in which logarithms are added.
const TOLERANCE: f64 = 1e-9;

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!("../fixtures/sacrebleu/", $name, ".json")))
            .unwrap()
    };
}

/// A metric by the arguments that sacrebleu's takes.
fn metric(arguments: &Value) -> Box<dyn GenerationMetric> {
    let flag = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or_default();
    let number = |name: &str, default| {
        let value = arguments.get(name).map_or(default, |value| value.as_u64().unwrap());
        usize::try_from(value).unwrap()
    };
    let value = |default| arguments.get("smooth_value").and_then(Value::as_f64).unwrap_or(default);
    match arguments["kind"].as_str().unwrap() {
        "bleu" => {
            let smoothing = match arguments.get("smooth_method").and_then(Value::as_str) {
                Some("none") => Smoothing::None,
                Some("floor") => Smoothing::Floor(value(0.1)),
                Some("add-k") => Smoothing::AddK(value(1.0)),
                Some("exp") | None => Smoothing::Exp,
                Some(other) => panic!("{other}"),
            };
            let tokenizer = arguments.get("tokenize").map_or("13a", |name| name.as_str().unwrap());
            let bleu = Bleu::new()
                .with_tokenizer(tokenizer.parse().unwrap())
                .with_smoothing(smoothing)
                .with_lowercase(flag("lowercase"))
                .with_effective_order(flag("effective_order"))
                .with_max_order(number("max_ngram_order", 4));
            Box::new(bleu)
        }
        "chrf" => Box::new(
            Chrf::new()
                .with_char_order(number("char_order", 6))
                .with_word_order(number("word_order", 0))
                .with_beta(number("beta", 2).try_into().unwrap())
                .with_lowercase(flag("lowercase"))
                .with_whitespace(flag("whitespace"))
                .with_eps_smoothing(flag("eps_smoothing")),
        ),
        "ter" => Box::new(ter(arguments)),
        other => panic!("{other}"),
    }
}

fn ter(arguments: &Value) -> Ter {
    let flag = |name: &str| arguments[name].as_bool().unwrap();
    Ter::new()
        .with_normalized(flag("normalized"))
        .with_no_punct(flag("no_punct"))
        .with_asian_support(flag("asian_support"))
        .with_case_sensitive(flag("case_sensitive"))
}

fn texts(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn references(all: &[Vec<String>]) -> References<'_> {
    References::try_from_segments(all.iter().map(|segment| texts(segment)).collect()).unwrap()
}

fn statistics(
    metric: &dyn GenerationMetric,
    hypotheses: &[&str],
    references: &References<'_>,
) -> SegmentStatistics {
    metric.statistics(&[hypotheses], references).unwrap().remove(0)
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
}

#[derive(Deserialize)]
struct Corpora {
    metrics: Vec<Value>,
    signatures: std::collections::BTreeMap<String, Vec<[String; 2]>>,
    #[serde(rename = "corpora")]
    cases: Vec<Corpus>,
}

#[derive(Deserialize)]
struct Corpus {
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    /// For each metric, the score of all segments and of the first.
    scores: Vec<[f64; 2]>,
}

#[test]
fn scores_are_those_of_sacrebleu_with_every_option() {
    let Corpora { metrics, cases, .. } = fixture!("corpora");
    let mut above_zero = 0;
    for (place, corpus) in cases.iter().enumerate() {
        let references = references(&corpus.references);
        for (arguments, [of_corpus, of_first]) in metrics.iter().zip(&corpus.scores) {
            let metric = metric(arguments);
            assert_eq!(metric.name(), arguments["name"].as_str().unwrap());
            let segments = statistics(&*metric, &texts(&corpus.hypotheses), &references);
            let what = format!("corpus {place}, {arguments}");
            assert_near(metric.corpus_score(&segments), *of_corpus, TOLERANCE, &what);
            let first =
                metric.score(&segments.sums_at([0]), isogloss_evaluation::Precision::Double);
            assert_near(first, *of_first, TOLERANCE, &format!("{what}, first segment"));
            above_zero += usize::from(*of_corpus > 0.0);
        }
    }
    assert!(above_zero > 1_000, "{above_zero}");
}

#[test]
fn signatures_are_those_of_sacrebleu() {
    let Corpora { metrics, signatures, .. } = fixture!("corpora");
    for (number, expected) in &signatures {
        let segments = match number.as_str() {
            "var" => vec![vec!["a"], vec!["a", "b"]],
            number => vec![vec!["a"; number.parse().unwrap()]],
        };
        let references = References::try_from_segments(segments).unwrap();
        // Metrics that differ in what a signature does not say have one signature.
        let mut found: Vec<[String; 2]> = Vec::new();
        for arguments in &metrics {
            let signature = metric(arguments).signature(&references);
            let both = [signature.to_string(), signature.short()];
            if !found.contains(&both) {
                found.push(both);
            }
        }
        assert_eq!(&found, expected);
    }
}

#[derive(Deserialize)]
struct Tokens {
    lines: Vec<String>,
    bleu: std::collections::BTreeMap<String, Vec<String>>,
    tercom: Vec<Value>,
}

#[test]
fn tokens_are_those_of_sacrebleu() {
    let Tokens { lines, bleu, tercom } = fixture!("tokens");
    assert_eq!(bleu.len(), 5);
    for (name, expected) in &bleu {
        let tokenizer: BleuTokenizer = name.parse().unwrap();
        assert_eq!(&tokenizer.to_string(), name);
        for (line, expected) in lines.iter().zip(expected) {
            let found = tokenizer.tokens(line).unwrap();
            assert_eq!(&found.join(" "), expected, "{name}: {line:?}");
        }
    }
    for arguments in &tercom {
        let ter = ter(arguments);
        for (line, expected) in lines.iter().zip(arguments["tokens"].as_array().unwrap()) {
            assert_eq!(ter.words(line).join(" "), expected.as_str().unwrap(), "{ter:?}: {line:?}");
        }
    }
}

#[derive(Deserialize)]
struct Paired {
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    baseline: Vec<String>,
    system: Vec<String>,
    references: Vec<Vec<String>>,
    tests: Vec<Test>,
    confidence: Vec<Confidence>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(rename = "test")]
    kind: String,
    samples: usize,
    results: Vec<TestResult>,
}

#[derive(Deserialize)]
struct TestResult {
    signature: String,
    p_value: f64,
    baseline: Expected,
    system: Expected,
}

#[derive(Deserialize)]
struct Expected {
    score: f64,
    mean: Option<f64>,
    ci: Option<f64>,
}

#[derive(Deserialize)]
struct Confidence {
    mean: f64,
    ci: f64,
    signature: String,
}

fn metrics() -> [Box<dyn GenerationMetric>; 3] {
    [Box::new(Bleu::new()), Box::new(Chrf::plus_plus()), Box::new(Ter::new())]
}

#[test]
fn p_values_are_equal_to_those_of_sacrebleu() {
    let Paired { pairs } = fixture!("paired");
    for pair in &pairs {
        let references = references(&pair.references);
        let metrics = metrics();
        let [baseline, system] = [texts(&pair.baseline), texts(&pair.system)];
        let scored: Vec<_> = metrics
            .iter()
            .map(|metric| metric.statistics(&[&baseline, &system], &references).unwrap())
            .collect();
        let comparisons: Vec<Comparison<'_>> = metrics
            .iter()
            .zip(&scored)
            .map(|(metric, both)| (&**metric, &both[0], &both[1]))
            .collect();
        for test in &pair.tests {
            let kind = match test.kind.as_str() {
                "bs" => PairedTest::Bootstrap,
                _ => PairedTest::ApproximateRandomization,
            };
            let resampling = Resampling::new(kind).with_samples(test.samples);
            let found = resampling.paired(&comparisons).unwrap();
            for ((found, expected), metric) in found.iter().zip(&test.results).zip(&metrics) {
                let what = format!("{} {} of {}", test.kind, metric.name(), pair.baseline.len());
                // Of a thousand samples, one more or less would be 1e-3; what is left is how JSON is read.
                assert_near(found.p_value, expected.p_value, 1e-15, &what);
                assert_eq!(
                    resampling.signature(&**metric, &references).to_string(),
                    expected.signature
                );
                for (found, expected) in
                    [(found.baseline, &expected.baseline), (found.system, &expected.system)]
                {
                    assert_near(found.score, expected.score, TOLERANCE, &what);
                    assert_eq!(found.mean.is_some(), expected.mean.is_some(), "{what}");
                    for (found, expected) in [(found.mean, expected.mean), (found.ci, expected.ci)]
                    {
                        assert_near(
                            found.unwrap_or(0.0),
                            expected.unwrap_or(0.0),
                            TOLERANCE,
                            &what,
                        );
                    }
                }
            }
        }
        let alone: Vec<(&dyn GenerationMetric, &SegmentStatistics)> =
            comparisons.iter().map(|(metric, baseline, _)| (*metric, *baseline)).collect();
        let resampling = Resampling::new(PairedTest::Bootstrap);
        for ((found, expected), metric) in
            resampling.confidence(&alone).unwrap().iter().zip(&pair.confidence).zip(&metrics)
        {
            assert_near(found.mean.unwrap(), expected.mean, 1e-5, &metric.name());
            assert_near(found.ci.unwrap(), expected.ci, TOLERANCE, &metric.name());
            assert_eq!(
                resampling.signature(&**metric, &references).to_string(),
                expected.signature
            );
        }
    }
}

#[test]
fn identical_systems_are_said_to_be_identical() {
    let system = ["a b c d e", "f g h i"];
    let references = References::try_new(&[&["a b c d f", "f g h j"]]).unwrap();
    let segments = statistics(&Ter::new(), &system, &references);
    for test in [PairedTest::Bootstrap, PairedTest::ApproximateRandomization] {
        let resampling = Resampling::new(test).with_samples(100);
        let found = resampling.paired(&[(&Ter::new(), &segments, &segments)]).unwrap().remove(0);
        assert!(found.identical);
        assert_near(found.p_value, 1.0 / 101.0, 0.0, "the smallest p-value there is");
    }
}

#[test]
fn a_vocabulary_takes_texts_apart_and_is_named() {
    let letters =
        |text: &str| Ok(text.chars().filter(|c| *c != ' ').map(|c| format!("▁{c}")).collect());
    let pieces = PieceTokenizer::new("letters", letters).with_hash("c0ffee");
    let bleu = Bleu::new().with_tokenizer(BleuTokenizer::Pieces(pieces));
    let references = References::try_new(&[&["ab cdef"]]).unwrap();
    let segments = statistics(&bleu, &["a bcd ef"], &references);
    assert_near(bleu.corpus_score(&segments), 100.0, TOLERANCE, "the same letters");
    assert_eq!(
        bleu.signature(&references).to_string(),
        "nrefs:1|case:mixed|eff:no|tok:letters|tokhash:c0ffee|smooth:exp|version:2.6.0"
    );

    let failing = PieceTokenizer::new("broken", |_: &str| Err("no such piece".to_owned()));
    let bleu = Bleu::new().with_tokenizer(BleuTokenizer::Pieces(failing));
    let error = bleu.statistics(&[&["a"]], &references).unwrap_err();
    assert_eq!(error.to_string(), "tokenizer `broken` fails on `ab cdef`: no such piece");
}

#[test]
fn what_does_not_belong_together_is_named() {
    let references = References::try_new(&[&["a", "b"]]).unwrap();
    let error = Bleu::new().statistics(&[&["a"]], &references).unwrap_err();
    assert_eq!(error.to_string(), "hypotheses: 1, expected 2");
    let error = References::try_new(&[&["a", "b"], &["a"]]).unwrap_err();
    assert_eq!(error.to_string(), "references: 1, expected 2");
    let error = References::try_from_segments(vec![vec!["a"], vec![]]).unwrap_err();
    assert!(error.to_string().contains("none for segment 1"), "{error}");
    assert!(matches!(References::try_new(&[]), Err(EvaluationError::Empty { .. })));
    let error = "ja-mecab".parse::<BleuTokenizer>().unwrap_err();
    assert!(error.to_string().contains("`PieceTokenizer::mecab`"), "{error}");
    let error = "ko-mecab".parse::<BleuTokenizer>().unwrap_err();
    assert!(error.to_string().contains("`char`"), "{error}");
    let segments = statistics(&Ter::new(), &["a", "b"], &references);
    let error = Bleu::new().with_max_order(0).statistics(&[&["a", "b"]], &references).unwrap_err();
    assert_eq!(error.to_string(), "`max_order` is 0, expected at least 1");
    let error = Chrf::new().with_char_order(0).statistics(&[&["a", "b"]], &references).unwrap_err();
    assert!(error.to_string().starts_with("`char_order` is 0, and no words"), "{error}");
    for test in [PairedTest::Bootstrap, PairedTest::ApproximateRandomization] {
        let resampling = Resampling::new(test).with_samples(10);
        let error = resampling.paired(&[(&Bleu::new(), &segments, &segments)]).unwrap_err();
        assert_eq!(error.to_string(), "statistics of a segment: 2, expected 10");
        let error = resampling.paired(&[]).unwrap_err();
        assert!(matches!(error, EvaluationError::Empty { .. }));
    }
    let none = Resampling::new(PairedTest::Bootstrap).with_samples(0);
    assert!(matches!(
        none.confidence(&[(&Ter::new(), &segments)]),
        Err(EvaluationError::Config { .. })
    ));
}

/// A metric of somebody's own that counts nothing.
#[derive(Debug)]
struct Nothing;

impl GenerationMetric for Nothing {
    fn name(&self) -> String {
        "nothing".to_owned()
    }

    fn width(&self) -> usize {
        0
    }

    fn scorer(&self) -> isogloss_evaluation::SegmentScorer<'_> {
        Box::new(|_, _, _| Ok(()))
    }

    fn score(&self, _: &[f64], _: isogloss_evaluation::Precision) -> f64 {
        0.0
    }

    fn keys(&self) -> Vec<isogloss_evaluation::SignatureKey> {
        Vec::new()
    }
}

#[test]
fn a_metric_that_counts_nothing_has_nothing_to_resample() {
    let references = References::try_new(&[&["a", "b"]]).unwrap();
    let scored = Nothing.statistics(&[&["a", "b"], &["a", "c"]], &references).unwrap();
    for test in [PairedTest::Bootstrap, PairedTest::ApproximateRandomization] {
        let found = Resampling::new(test).paired(&[(&Nothing, &scored[0], &scored[1])]);
        assert!(matches!(found, Err(EvaluationError::Empty { .. })), "{found:?}");
    }
}

proptest! {
    #[test]
    fn a_text_is_its_own_best_translation(text in "[a-zẹọṣ ,.]{0,40}") {
        let references = References::try_new(&[&[text.as_str()]]).unwrap();
        for metric in metrics() {
            let segments = statistics(&*metric, &[&text], &references);
            let score = metric.corpus_score(&segments);
            let is_ter = metric.name() == "TER";
            let is_best = if is_ter { score == 0.0 } else { (0.0..=100.0 + 1e-9).contains(&score) };
            prop_assert!(is_best, "{}", score);
        }
    }

    #[test]
    fn systems_are_scored_together_as_alone(
        lines in proptest::collection::vec(("[ab cd.]{0,20}", "[ab cd.]{0,20}", "[ab cd.]{0,20}"), 1..8)
    ) {
        let of = |pick: fn(&(String, String, String)) -> &str| lines.iter().map(pick).collect::<Vec<_>>();
        let (first, second, reference) = (of(|l| &l.0), of(|l| &l.1), of(|l| &l.2));
        let references = References::try_new(&[&reference, &first]).unwrap();
        for metric in metrics() {
            let together = metric.statistics(&[&first, &second], &references).unwrap();
            prop_assert_eq!(&together[0], &statistics(&*metric, &first, &references));
            prop_assert_eq!(&together[1], &statistics(&*metric, &second, &references));
        }
    }

    #[test]
    fn composed_texts_are_scored_as_if_they_had_been_written_so(
        lines in proptest::collection::vec(("[aeẹ\u{300}\u{301}\u{323} b.]{0,20}", "[aeẹ\u{300}\u{301}\u{323} b.]{0,20}"), 1..8)
    ) {
        let apart = |texts: &[String]| -> Vec<String> { texts.iter().map(|text| text.nfd().collect()).collect() };
        let composed = |texts: &[String]| -> Vec<String> { texts.iter().map(|text| text.nfc().collect()).collect() };
        let (hypotheses, targets): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
        let (apart, plain) = (apart(&hypotheses), [composed(&hypotheses), composed(&targets)]);
        let [mixed, of_nfc] =
            [&targets, &plain[1]].map(|targets| References::try_new(&[&texts(targets)]).unwrap());
        for metric in metrics() {
            let expected = statistics(&*metric, &texts(&plain[0]), &of_nfc);
            let key = metric.keys().len();
            let metric = NfcNormalized::from(metric);
            prop_assert_eq!(&statistics(&metric, &texts(&apart), &mixed), &expected);
            prop_assert_eq!(&metric.keys()[key].value, "nfc");
        }
    }
}
