//! Source languages: features, distances and orders, against numpy, scipy and scikit-learn.

use std::path::{Path, PathBuf};

use isogloss_evaluation::{
    CorpusProfile, Gain, LanguageDistances, LanguageVectors, RankingAgreement, SourceCandidate,
    SourceFeature, SourceRanking, ndcg,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    // File, feature, two languages, and their distance.
    vectors: Vec<(String, SourceFeature, String, String, Option<f64>)>,
    wanted: Vec<String>,
    published: Vec<(SourceFeature, String, String, f64)>,
    corpora: Vec<Corpora>,
    ndcgs: Vec<Ndcg>,
    rankings: Vec<Ranking>,
}

/// Relevances, scores, k, and NDCG of linear and exponential gain.
type Ndcg = (Vec<f64>, Vec<f64>, usize, f64, f64);

#[derive(Deserialize)]
struct Corpora {
    source: Vec<String>,
    source_subwords: Vec<String>,
    target: Vec<String>,
    target_subwords: Vec<String>,
    features: Vec<f64>,
}

#[derive(Deserialize)]
struct Ranking {
    values: Vec<Vec<f64>>,
    signs: Vec<i8>,
    weights: Vec<f64>,
    scores: Vec<f64>,
    transfer: Vec<f64>,
    spearman: f64,
    ndcg: f64,
    linear_ndcg: f64,
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn expected() -> Expected {
    serde_json::from_str(include_str!("../fixtures/source_ranking/expected.json")).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/source_ranking").join(name)
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
}

#[test]
fn distances_of_vectors_are_those_of_numpy() {
    let (mut known, mut unknown) = (0, 0);
    for file in ["features.npz", "feature_averages.npz", "family_features.npz"] {
        let vectors = LanguageVectors::read(fixture(file)).unwrap();
        for (_, feature, a, b, distance) in expected().vectors.iter().filter(|it| it.0 == file) {
            let what = format!("{feature} of {a} and {b} in {file}");
            let found = vectors.distance(*feature, a, b);
            if let Some(distance) = distance {
                known += 1;
                assert_close(found.unwrap(), *distance, &what);
            } else {
                unknown += 1;
                let error = found.unwrap_err().to_string();
                assert!(error.contains(&format!("{feature} to `")), "{what}: {error}");
            }
        }
    }
    assert!(known > 400 && unknown > 20, "{known}, {unknown}");
}

#[test]
fn published_distances_are_looked_up_in_the_upper_triangle() {
    let expected = expected();
    let wanted: Vec<&str> = expected.wanted.iter().map(String::as_str).collect();
    let list = fixture("distances_languages.txt");
    let distances = LanguageDistances::read(fixture("distances.zip"), &list, &wanted).unwrap();
    assert_eq!(expected.published.len(), 6 * 6 * 6);
    assert!(expected.published.iter().filter(|it| it.3 > 0.0).count() > 100);
    for (feature, a, b, distance) in &expected.published {
        let what = format!("{feature} of {a} and {b}");
        assert_close(distances.distance(*feature, a, b).unwrap(), *distance, &what);
    }
    let unknown = distances.distance(SourceFeature::Genetic, "aps", "bps").unwrap_err().to_string();
    assert!(
        unknown.starts_with("language `bps` has no genetic distance, expected it among those read"),
        "{unknown}",
    );
    let vector = distances.distance(SourceFeature::GeneticVectors, "aps", "apt").unwrap_err();
    assert_eq!(
        vector.to_string(),
        "`feature` is genetic distance of vectors, expected a published distance",
    );
    let read = |wanted: &[&str]| {
        LanguageDistances::read(fixture("distances.zip"), &list, wanted).unwrap_err().to_string()
    };
    assert!(
        read(&["aps", "yor"]).starts_with("language `yor` has no published distances, expected")
    );
    assert_eq!(read(&["aps", "aps"]), "`wanted` is `aps` twice, expected each language once");
    assert_eq!(read(&[]), "languages: no items, expected at least one");
}

#[test]
fn files_that_are_none_of_lang2vec_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.npz");
    std::fs::write(&file, "no archive").unwrap();
    let start = format!("{}, `archive`: ", file.display());
    let error = LanguageVectors::read(&file).unwrap_err().to_string();
    assert!(error.starts_with(&start), "{error}");
    // An archive of other things.
    let error = LanguageVectors::read(fixture("distances.zip")).unwrap_err().to_string();
    assert!(error.contains("`langs.npy`: "), "{error}");
    let list = fixture("distances_languages.txt");
    let error = LanguageDistances::read(fixture("features.npz"), &list, &["aps"]).unwrap_err();
    assert!(
        error.to_string().ends_with("`genetic.npz`: not in the archive, expected all six"),
        "{error}",
    );
    // A list of other languages.
    let short = dir.path().join("languages.txt");
    std::fs::write(&short, "aps,apt\n").unwrap();
    let error =
        LanguageDistances::read(fixture("distances.zip"), short, &["aps"]).unwrap_err().to_string();
    let end =
        "genetic_upper_sparse.npz/shape.npy`: [60, 60], expected [2, 2] by the list of languages";
    assert!(error.ends_with(end), "{error}");
    let missing = LanguageVectors::read("no-such.npz").unwrap_err().to_string();
    assert!(missing.starts_with("no-such.npz cannot be read"), "{missing}");

    let vectors = LanguageVectors::read(fixture("features.npz")).unwrap();
    assert!(vectors.has("axm") && !vectors.has("yor"));
    let error = |feature, a, b| vectors.distance(feature, a, b).unwrap_err().to_string();
    let unknown = error(SourceFeature::SyntacticVectors, "axn", "yor");
    assert!(
        unknown.starts_with("language `yor` has no vector, expected its code of three letters in "),
        "{unknown}",
    );
    let kind = error(SourceFeature::GeographicVectors, "axn", "aym");
    assert!(kind.starts_with("`feature` is geographic distance of vectors, of which "), "{kind}");
    assert_eq!(
        error(SourceFeature::Syntactic, "axn", "aym"),
        "`feature` is syntactic distance, expected a distance of vectors",
    );
}

#[test]
fn features_of_corpora_are_those_of_langrank() {
    for (place, corpora) in expected().corpora.iter().enumerate() {
        let profile = |sentences: &[String], subwords: &[String]| {
            CorpusProfile::try_new(sentences).unwrap().with_subwords(subwords)
        };
        let candidate = SourceCandidate::new("a").with_corpora(
            &profile(&corpora.source, &corpora.source_subwords),
            &profile(&corpora.target, &corpora.target_subwords),
        );
        let found = candidate.values(&SourceFeature::LANGRANK[..8]).unwrap();
        for ((found, expected), feature) in
            found.iter().zip(&corpora.features).zip(SourceFeature::LANGRANK)
        {
            assert_close(*found, *expected, &format!("{feature} of case {place}"));
        }
        let error = candidate.values(&SourceFeature::LANGRANK).unwrap_err().to_string();
        let expected = "language `a` has no genetic distance, expected it for every candidate";
        assert_eq!(error, expected);
    }
    let error = CorpusProfile::try_new([" ", ""]).unwrap_err().to_string();
    assert_eq!(error, "words of a corpus: no items, expected at least one");
    let plain = CorpusProfile::try_new(["a b a"]).unwrap();
    assert_close(plain.type_token_ratio(), 2.0 / 3.0, "type-token ratio");
    let candidate = SourceCandidate::new("b").with_corpora(&plain, &plain);
    let error = candidate.values(&[SourceFeature::SubwordOverlap]).unwrap_err().to_string();
    assert_eq!(error, "language `b` has no subword overlap, expected it for every candidate");
}

#[test]
fn ndcg_is_that_of_scikit_learn() {
    let expected = expected();
    assert_eq!(expected.ndcgs.len(), 200);
    for (relevances, scores, k, linear, exponential) in &expected.ndcgs {
        let found = |gain| ndcg(relevances, scores, *k, gain).unwrap();
        assert_close(found(Gain::Linear), *linear, "linear");
        assert_close(found(Gain::Exponential), *exponential, "exponential");
    }
    // The check of the specification.
    let (relevances, scores) = ([3.0, 2.0, 0.0, 1.0], [0.9, 0.2, 0.8, 0.5]);
    let found = |gain| ndcg(&relevances, &scores, 3, gain).unwrap();
    assert!((found(Gain::Linear) - 0.735_006_985_1).abs() < 1e-10);
    assert!((found(Gain::Exponential) - 0.798_484_858_1).abs() < 1e-10);
    let error = |relevances: &[f64], scores: &[f64], k| {
        ndcg(relevances, scores, k, Gain::Exponential).unwrap_err().to_string()
    };
    assert_eq!(error(&[], &[], 1), "relevances: no items, expected at least one");
    assert_eq!(error(&[1.0], &[], 1), "scores: 0, expected 1");
    assert_eq!(error(&[1.0], &[1.0], 0), "`k` is 0, expected at least 1");
    assert_eq!(error(&[-1.0], &[1.0], 1), "`relevances` is -1, expected 0 or more");
    assert_eq!(error(&[1.0], &[f64::NAN], 1), "score 0 is NaN, expected a finite number");
    assert_eq!(
        error(&[0.0], &[1.0], 1),
        "NDCG is not defined: nothing is relevant, expected a relevance above 0",
    );
    assert!(error(&[1024.0], &[1.0], 1).contains("infinite gain"));
}

#[test]
fn orders_and_their_agreement_are_those_of_scipy_and_scikit_learn() {
    let rankings = expected().rankings;
    assert!(rankings.len() > 100, "{}", rankings.len());
    let better = [
        SourceFeature::WordOverlap,
        SourceFeature::SubwordOverlap,
        SourceFeature::SourceSize,
        SourceFeature::SizeRatio,
    ];
    for (place, case) in rankings.iter().enumerate() {
        let feature = |column: usize| {
            if case.signs[column] > 0 { better[column] } else { SourceFeature::DISTANCES[column] }
        };
        let candidates: Vec<SourceCandidate> = case
            .values
            .iter()
            .enumerate()
            .map(|(row, values)| {
                let empty = SourceCandidate::new(format!("l{row}"));
                values.iter().enumerate().fold(empty, |candidate, (column, value)| {
                    candidate.with_feature(feature(column), *value)
                })
            })
            .collect();
        let weights: Vec<(SourceFeature, f64)> =
            case.weights.iter().enumerate().map(|(column, w)| (feature(column), *w)).collect();
        let ranking = SourceRanking::try_new(&candidates, &weights).unwrap();
        assert!(ranking.sources.is_sorted_by(|a, b| a.score >= b.score));
        for source in &ranking.sources {
            let row: usize = source.language[1..].parse().unwrap();
            assert_close(source.score, case.scores[row], &format!("score in case {place}"));
        }
        let names: Vec<String> = (0..case.transfer.len()).map(|row| format!("l{row}")).collect();
        let measured: Vec<(&str, f64)> =
            names.iter().map(String::as_str).zip(case.transfer.iter().copied()).collect();
        let found = RankingAgreement::try_new(&ranking, &measured, 3).unwrap();
        assert_close(found.ndcg, case.ndcg, &format!("NDCG of case {place}"));
        assert_close(found.linear_ndcg, case.linear_ndcg, &format!("linear NDCG of case {place}"));
        assert_close(found.spearman.unwrap(), case.spearman, &format!("ρ of case {place}"));
    }
}

#[test]
fn a_ranking_is_made_of_files_and_texts() {
    let vectors = LanguageVectors::read(fixture("family_features.npz")).unwrap();
    let kinds = [SourceFeature::GeneticVectors];
    let candidate = |language: &str| {
        SourceCandidate::new(language).with_vectors(&vectors, &kinds, "axm").unwrap()
    };
    let candidates = [candidate("czn"), candidate("axm"), candidate("bym")];
    let ranking = SourceRanking::try_new(&candidates, &[(kinds[0], 2.0)]).unwrap();
    // Nothing is nearer to a language than itself.
    assert_eq!(ranking.sources[0].language, "axm");
    assert_close(ranking.sources[0].score, 1.0, "score");
    let list = fixture("distances_languages.txt");
    let wanted = ["aps", "eru", "cqt"];
    let distances = LanguageDistances::read(fixture("distances.zip"), list, &wanted).unwrap();
    let known = SourceCandidate::new("eru").with_distances(&distances, "cqt").unwrap();
    assert_eq!(known.values(&SourceFeature::DISTANCES).unwrap().len(), 6);
    assert!(SourceCandidate::new("yor").with_distances(&distances, "cqt").is_err());
    assert_eq!(SourceFeature::LANGRANK[8..], SourceFeature::DISTANCES);
}

#[test]
fn what_cannot_be_ranked_is_named() {
    use SourceFeature::{Genetic, SourceSize, TargetSize};
    let candidates = [
        SourceCandidate::new("yor").with_feature(Genetic, 0.5).with_feature(TargetSize, 1.0),
        SourceCandidate::new("hau")
            .with_feature(SourceSize, f64::NAN)
            .with_feature(TargetSize, 1.0),
    ];
    let error = |weights: &[(SourceFeature, f64)]| {
        SourceRanking::try_new(&candidates, weights).unwrap_err().to_string()
    };
    for (weights, expected) in [
        (&[][..], "weights of features: no items, expected at least one"),
        (
            &[(Genetic, 1.0)],
            "language `hau` has no genetic distance, expected it for every candidate",
        ),
        (
            &[(SourceSize, 1.0)],
            "language `yor` has no source size, expected it for every candidate",
        ),
        (
            &[(TargetSize, 1.0)],
            "`weights` is target size, expected features that say which source is better",
        ),
        (&[(Genetic, 0.0)], "`weights` is 0 for genetic distance, expected finite weights above 0"),
    ] {
        assert_eq!(error(weights), expected);
    }
    let nan = SourceRanking::try_new(&candidates[1..], &[(SourceSize, 1.0)]).unwrap_err();
    assert_eq!(
        nan.to_string(),
        "language `hau` has no finite source size (it is NaN), expected it for every candidate",
    );
    let one = &candidates[..1];
    let twice = SourceRanking::try_new(one, &[(Genetic, 1.0), (Genetic, 2.0)]).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "`weights` is genetic distance twice, expected each feature once"
    );
    let same = [candidates[0].clone(), candidates[0].clone()];
    let error = SourceRanking::try_new(&same, &[(Genetic, 1.0)]).unwrap_err().to_string();
    assert_eq!(error, "`candidates` is `yor` twice, expected each language once");
    let ranking = SourceRanking::try_new(one, &[(Genetic, 1.0)]).unwrap();
    let error = RankingAgreement::try_new(&ranking, &[("hau", 1.0)], 3).unwrap_err().to_string();
    assert_eq!(
        error,
        "language `yor` has no measured transfer, expected one for every source of the ranking",
    );
    let twice = RankingAgreement::try_new(&ranking, &[("yor", 1.0), ("yor", 2.0)], 3).unwrap_err();
    assert_eq!(twice.to_string(), "`measured` is `yor` twice, expected each language once");
    assert_eq!(RankingAgreement::try_new(&ranking, &[("yor", 1.0)], 3).unwrap().spearman, None);
}

proptest! {
    #[test]
    fn the_best_order_has_a_gain_of_one_and_no_order_has_more(
        items in prop::collection::vec((0_u8..12, -9_i8..9), 1..12),
        k in 1_usize..6,
    ) {
        let relevances: Vec<f64> = items.iter().map(|(it, _)| f64::from(*it)).collect();
        let scores: Vec<f64> = items.iter().map(|(_, it)| f64::from(*it)).collect();
        prop_assume!(relevances.iter().any(|it| *it > 0.0));
        for gain in [Gain::Linear, Gain::Exponential] {
            let found = ndcg(&relevances, &scores, k, gain)?;
            prop_assert!((0.0..=1.0 + 1e-12).contains(&found));
            prop_assert!((ndcg(&relevances, &relevances, k, gain)? - 1.0).abs() < 1e-12);
            // The order of items says nothing.
            let turn = |numbers: &[f64]| numbers.iter().rev().copied().collect::<Vec<_>>();
            let turned = ndcg(&turn(&relevances), &turn(&scores), k, gain)?;
            prop_assert!((turned - found).abs() < 1e-12);
        }
    }
}
