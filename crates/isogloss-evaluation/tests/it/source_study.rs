//! Rules for choosing sources, against numpy, scipy and scikit-learn; descent and place of languages.

use isogloss_core::{LanguageTag, Seed};
use isogloss_evaluation::{
    BootstrapConfig, LanguageLineage, MeasuredTarget, Run, SourceCandidate, SourceFeature,
    SourceRegression, SourceRule, SourceStudy, StudyAgreement, transfer_tables,
};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    features: Vec<SourceFeature>,
    ridge: f64,
    targets: Vec<Target>,
    weights: Vec<f64>,
    regression: Vec<Agreement>,
    other_targets: Vec<Agreement>,
    chance: Vec<Agreement>,
    overlap: Vec<Agreement>,
}

#[derive(Deserialize)]
struct Target {
    language: String,
    sources: Vec<(String, Vec<f64>, f64)>,
}

#[derive(Deserialize)]
struct Agreement {
    ndcg: f64,
    spearman: Option<f64>,
    gain: f64,
    regret: f64,
}

#[derive(Deserialize)]
struct Lineages {
    pairs: Vec<(String, String, f64, f64)>,
}

fn bootstrap() -> BootstrapConfig {
    BootstrapConfig::new(Seed::new(1)).with_resamples(200)
}

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn expected() -> (Expected, SourceStudy) {
    let text = include_str!("../fixtures/source_study/expected.json");
    let expected: Expected = serde_json::from_str(text).unwrap();
    let target = |target: &Target| {
        let candidate = |(name, values, _): &(String, Vec<f64>, f64)| {
            let empty = SourceCandidate::new(name);
            let features = expected.features.iter().zip(values);
            features.fold(empty, |it, (feature, value)| it.with_feature(*feature, *value))
        };
        let candidates = target.sources.iter().map(candidate).collect();
        let transfers = target.sources.iter().map(|it| it.2).collect();
        MeasuredTarget::try_new(&target.language, candidates, transfers).unwrap()
    };
    let study = SourceStudy::try_new(expected.targets.iter().map(target).collect()).unwrap();
    (expected, study)
}

fn assert_close(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-9, "{what}: {found}, expected {expected}");
}

fn assert_agrees(found: &StudyAgreement, expected: &[Agreement], rule: &str) {
    assert_eq!(found.targets.len(), expected.len());
    let n = expected.len() as f64;
    for (found, expected) in found.targets.iter().zip(expected) {
        let what = format!("{rule}, {}", found.language);
        assert_close(found.agreement.ndcg, expected.ndcg, &what);
        assert_close(found.gain, expected.gain, &what);
        assert_close(found.regret, expected.regret, &what);
        assert_eq!(found.agreement.spearman.is_some(), expected.spearman.is_some(), "{what}");
        if let (Some(found), Some(expected)) = (found.agreement.spearman, expected.spearman) {
            assert_close(found, expected, &what);
        }
    }
    let mean = |of: fn(&Agreement) -> f64| expected.iter().map(of).sum::<f64>() / n;
    assert_close(found.ndcg.value, mean(|it| it.ndcg), rule);
    assert_close(found.spearman.value, mean(|it| it.spearman.unwrap_or(0.0)), rule);
    assert_close(found.gain.value, mean(|it| it.gain), rule);
    assert_close(found.regret.value, mean(|it| it.regret), rule);
    assert!(found.regret.low < found.regret.value && found.regret.value < found.regret.high);
}

#[test]
fn rules_choose_as_those_of_scikit_learn() {
    let (expected, study) = expected();
    let evaluate = |rule| study.evaluate(&rule, &bootstrap()).unwrap();
    let Expected { features, ridge, .. } = &expected;
    let regression = SourceRule::Regression { features: features.clone(), ridge: *ridge };
    assert_agrees(&evaluate(regression), &expected.regression, "regression");
    assert_agrees(&evaluate(SourceRule::OtherTargets), &expected.other_targets, "other targets");
    let chance = evaluate(SourceRule::Chance);
    assert_agrees(&chance, &expected.chance, "chance");
    assert!(chance.spearman.value.abs() < 1e-12 && chance.gain.value.abs() < 1e-12);
    assert_eq!(chance.targets[0].first.len(), study.targets()[0].candidates().len());
    let overlap = SourceRule::Weights(vec![(SourceFeature::WordOverlap, 1.0)]);
    assert_agrees(&evaluate(overlap), &expected.overlap, "overlap");

    let fitted = SourceRegression::fit(study.targets(), features, *ridge).unwrap();
    assert_eq!(fitted.weights.len(), 4);
    for ((feature, found), expected) in fitted.weights.iter().zip(&expected.weights) {
        assert_close(*found, *expected, feature.name());
    }
    // What is the same for all sources of a target says nothing.
    assert_eq!(fitted.weights[3], (SourceFeature::TargetSize, 0.0));
    assert!(fitted.weights[0].1 > 0.1 && fitted.weights[1].1 < 0.0);
}

#[test]
fn a_source_for_every_target_is_left_out_of_its_own() {
    let target = |name: &str, sources: [&str; 3], transfers: [f64; 3]| {
        let candidates = sources.map(SourceCandidate::new).into();
        MeasuredTarget::try_new(name, candidates, transfers.into()).unwrap()
    };
    let study = SourceStudy::try_new(vec![
        target("eng", ["fra", "zul", "hau"], [0.5, 0.4, 0.3]),
        target("xho", ["eng", "zul", "fra"], [0.5, 0.8, 0.4]),
        target("oci", ["eng", "zul", "fra"], [0.6, 0.2, 0.9]),
    ])
    .unwrap();
    let always = |language: &str| SourceRule::Always(language.to_owned());
    let found = study.evaluate(&always("eng"), &bootstrap()).unwrap();
    assert_eq!(found.targets.len(), 2);
    assert_close(found.regret.value, 0.3, "regret");
    assert_eq!(found.targets[0].first, ["eng"]);
    let error = study.evaluate(&always("hau"), &bootstrap()).unwrap_err().to_string();
    assert_eq!(error, "language `hau` has no transfer to `xho`, expected one to every target");
    let error = study.evaluate(&SourceRule::OtherTargets, &bootstrap()).unwrap_err().to_string();
    assert_eq!(
        error,
        "language `hau` has no transfer to another target, expected one besides that to `eng`"
    );
    let none = study.clone().with_k(0).evaluate(&SourceRule::Chance, &bootstrap()).unwrap_err();
    assert_eq!(none.to_string(), "`k` is 0, expected at least 1");
}

#[test]
fn a_study_is_read_from_runs() {
    let tag = |text: &str| text.parse::<LanguageTag>().unwrap();
    let names = ["topics", "accuracy", "M"];
    let run = |source: &str, target: &str, seed, score| {
        Run::new(names, tag(source), tag(target), seed, score)
    };
    let mut runs = Vec::new();
    for (source, target, score) in [
        ("en", "zu", 0.5),
        ("xh", "zu", 0.8),
        ("sw", "zu", 0.7),
        ("en", "sw", 0.6),
        ("xh", "sw", 0.4),
        // Of one language to itself there is no transfer.
        ("sw", "sw", 0.9),
        ("en", "ha", 0.55),
    ] {
        runs.extend([run(source, target, 1, score - 0.01), run(source, target, 2, score + 0.01)]);
    }
    let table = |runs: &[Run]| transfer_tables(runs, 0.95).unwrap().remove(0);
    let candidate = |source: &LanguageTag, target: &LanguageTag| {
        SourceCandidate::new(source.as_str()).with_lineage(target.as_str())
    };
    let error = SourceStudy::of_table(&table(&runs), candidate).unwrap_err().to_string();
    let alone = "`targets` is `ha-Latn` with 1 other languages as sources, expected two or more to choose from";
    assert_eq!(error, alone);
    let study = SourceStudy::of_table(&table(&runs[..12]), candidate).unwrap();
    let [swahili, zulu] = study.targets() else { panic!("{study:?}") };
    assert_eq!((swahili.language(), zulu.language()), ("sw-Latn", "zu-Latn"));
    assert_eq!(zulu.transfers().len(), 3);
    let names = |target: &MeasuredTarget| {
        target.candidates().iter().map(|it| it.language.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(swahili), ["en-Latn", "xh-Latn"]);
    assert_close(swahili.transfers()[0], 0.6, "the mean of two seeds");
    let rule = SourceRule::Weights(vec![(SourceFeature::Lineage, 1.0)]);
    let found = study.evaluate(&rule, &bootstrap()).unwrap();
    assert_eq!(found.targets[1].first, ["xh-Latn"]);
    assert_close(found.targets[1].regret, 0.0, "regret");
    let mut both = run("en", "zu", 1, 0.5);
    both.sources.push(tag("xh"));
    let error = SourceStudy::of_table(&table(&[both]), candidate).unwrap_err().to_string();
    assert_eq!(error, "`sources` is en-Latn and xh-Latn, expected one source in each row");
}

#[test]
fn what_is_no_experiment_is_named() {
    let target = |language: &str, sources: &[&str], transfers: &[f64]| {
        let candidates = sources.iter().map(|it| SourceCandidate::new(*it)).collect();
        MeasuredTarget::try_new(language, candidates, transfers.to_vec())
    };
    for (found, expected) in [
        (target("yor", &[], &[]), "source candidates: no items, expected at least one"),
        (target("yor", &["eng"], &[]), "transfers: 0, expected 1"),
        (
            target("yor", &["eng"], &[f64::NAN]),
            "measured transfer 0 is NaN, expected a finite number",
        ),
        (
            target("yor", &["eng", "eng"], &[1.0, 1.0]),
            "`candidates` is `eng` twice, expected each language once",
        ),
        (
            target("yor", &["eng", "yor"], &[1.0, 1.0]),
            "`candidates` is `yor`, the target, expected other languages",
        ),
    ] {
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
    let good = target("yor", &["eng", "hau"], &[1.0, 0.5]).unwrap();
    let study = |targets: &[&MeasuredTarget]| {
        SourceStudy::try_new(targets.iter().map(|it| (*it).clone()).collect())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(study(&[&good]), "`targets` is 1, expected two or more, to learn from the others");
    assert_eq!(study(&[&good, &good]), "`targets` is `yor` twice, expected each language once");
    let fit = |features: &[SourceFeature], ridge| {
        SourceRegression::fit([&good], features, ridge).unwrap_err().to_string()
    };
    let genetic = SourceFeature::Genetic;
    assert_eq!(fit(&[], 1.0), "features of a regression: no items, expected at least one");
    assert_eq!(
        fit(&[genetic, genetic], 1.0),
        "`features` is genetic distance twice, expected each feature once"
    );
    assert_eq!(fit(&[genetic], 0.0), "`ridge` is 0, expected a finite number above 0");
    assert_eq!(
        fit(&[genetic], 1.0),
        "language `eng` has no genetic distance, expected it for every candidate"
    );
    let nothing: [&MeasuredTarget; 0] = [];
    let error = SourceRegression::fit(nothing, &[genetic], 1.0).unwrap_err().to_string();
    let none = "measured targets of two sources: no items, expected at least one";
    assert_eq!(error, none);
    // One source cannot be better than another.
    let candidate = SourceCandidate::new("eng").with_feature(genetic, 0.5);
    let single = MeasuredTarget::try_new("yor", vec![candidate.clone()], vec![0.5]).unwrap();
    let error = SourceRegression::fit([&single], &[genetic], 1.0).unwrap_err().to_string();
    assert_eq!(error, none);
    let (_, study) = expected();
    let fit = SourceRegression::fit(study.targets(), &[genetic], 1.0).unwrap();
    let with = SourceRegression::fit(study.targets().iter().chain([&single]), &[genetic], 1.0);
    assert_eq!(with.unwrap(), fit);
    let error = fit.rank(&[candidate.clone(), candidate]).unwrap_err().to_string();
    assert_eq!(error, "`candidates` is `eng` twice, expected each language once");
}

#[test]
fn descent_and_place_are_those_of_glottolog() {
    let text = include_str!("../fixtures/lineages/expected.json");
    let expected: Lineages = serde_json::from_str(text).unwrap();
    assert!(expected.pairs.iter().filter(|it| it.2 < 1.0).count() > 40);
    let of = |code: &str| LanguageLineage::named(code).unwrap();
    for (a, b, lineage, circle) in &expected.pairs {
        let what = format!("{a} and {b}");
        let (own, other) = (of(a), of(b));
        assert_eq!(own.iso639_3(), a);
        assert_close(own.lineage_distance(&other), *lineage, &what);
        assert_close(own.great_circle(&other), *circle, &what);
        let candidate = SourceCandidate::new(a).with_lineage(b).unwrap();
        let features = [SourceFeature::Lineage, SourceFeature::GreatCircle];
        let found = candidate.values(&features).unwrap();
        assert_close(found[0], *lineage, &what);
        assert_close(found[1], *circle, &what);
    }
    let yoruba = of("yo-Latn-BJ");
    assert_eq!((yoruba.glottocode(), yoruba.degrees()), ("yoru1245", [7.15, 3.67]));
    assert_eq!(yoruba.groups().last(), Some(&"atla1278"));
    // CLDR's `sw` and `fa` are not those of the Congo and of Afghanistan.
    for (subtag, code) in
        [("sw", "swh"), ("fa", "pes"), ("zh", "cmn"), ("sr", "srp"), ("qu", "quz")]
    {
        assert_eq!(of(subtag).iso639_3(), code);
    }
    // Basque has no relatives, and Pidgin and sign languages are of no family for being such.
    assert!(of("eu").groups().is_empty());
    assert_close(of("tpi").lineage_distance(&of("ase")), 1.0, "a creole and a sign language");
    for unknown in ["art-Latn", "xx", "not a tag"] {
        let error = LanguageLineage::named(unknown).unwrap_err().to_string();
        let start = format!("language `{unknown}` has no lineage, expected a tag");
        assert!(error.starts_with(&start), "{error}");
        assert!(SourceCandidate::new(unknown).with_lineage("yo").is_err());
        assert!(SourceCandidate::new("yo").with_lineage(unknown).is_err());
    }
}

#[test]
fn every_language_of_the_table_is_found_by_its_tag_and_code() {
    let all: Vec<&str> = LanguageLineage::languages().collect();
    assert_eq!(all.len(), 7_607);
    let mut roots = std::collections::BTreeMap::new();
    for language in all {
        let tag: LanguageTag = language.parse().unwrap();
        assert_eq!(tag.language(), language, "{tag}");
        let lineage = LanguageLineage::of(&tag).unwrap();
        let by_code = LanguageLineage::named(lineage.iso639_3()).unwrap();
        assert_eq!(by_code, lineage, "{language} is {}", lineage.iso639_3());
        let [latitude, longitude] = lineage.degrees();
        assert!(latitude.abs() <= 90.0 && longitude.abs() <= 180.0, "{language}");
        // Families are those of the table of facts.
        if let Some(facts) = tag.facts() {
            let family = lineage.groups().last().copied().unwrap_or(lineage.glottocode());
            let known = roots.entry(facts.family).or_insert(family);
            assert_eq!(*known, family, "{language}: {}", facts.family);
        }
    }
    assert_eq!(roots.len(), 16, "{roots:?}");
    let families: std::collections::BTreeSet<_> = roots.values().collect();
    assert_eq!(families.len(), roots.len());
}

proptest! {
    #[test]
    fn distances_are_distances(seed in 0_usize..7_607, other in 0_usize..7_607) {
        let mut all: Vec<&str> = LanguageLineage::languages().collect();
        all.sort_unstable();
        let [a, b] = [seed, other].map(|it| LanguageLineage::named(all[it]).unwrap());
        for distance in [LanguageLineage::lineage_distance, LanguageLineage::great_circle] {
            let found = distance(&a, &b);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!((found - distance(&b, &a)).abs() < 1e-12);
            prop_assert!(distance(&a, &a).abs() < 1e-12);
        }
        prop_assert_eq!(a.lineage_distance(&b) < 1e-12, a == b);
    }
}
