//! Intervals by leaving out groups, against what follows by hand and against many samples.

use isogloss_core::Seed;
use isogloss_evaluation::{
    Cka, EmbeddingMatrix, Estimate, EvaluationError, JackknifeConfig, Jackknifed, align_pairs,
    iso_score, mean_cosine, mean_over_seeds, relational_similarity,
};
use proptest::prelude::*;
use rand::RngExt;

fn config() -> JackknifeConfig {
    JackknifeConfig::new(Seed::new(3))
}

fn mean(items: &[f64]) -> impl Fn(&[usize]) -> Result<f64, EvaluationError> {
    |kept| Ok(kept.iter().map(|item| items[*item]).sum::<f64>() / kept.len() as f64)
}

fn assert_same(found: Estimate, expected: Estimate) {
    let ends = [found.value - expected.value, found.low - expected.low, found.high - expected.high];
    assert!(ends.iter().all(|it| it.abs() < 1e-12), "{found:.15}, expected {expected:.15}");
    assert_eq!(found.items, expected.items);
}

#[test]
fn without_each_item_the_interval_of_a_mean_is_that_of_student() {
    let items = [0.81, 0.79, 0.84, 0.80, 0.82];
    let found = config().with_groups(5).estimate(5, mean(&items)).unwrap();
    assert_same(found.estimate(), mean_over_seeds(&items, 0.95).unwrap());
    let narrow = config().with_groups(5).with_level(0.5).estimate(5, mean(&items)).unwrap();
    assert_same(narrow.estimate(), mean_over_seeds(&items, 0.5).unwrap());
}

#[test]
fn several_scores_at_once_are_each_alone() {
    let items: Vec<f64> = (0..30).map(|item| f64::from(item * item % 17)).collect();
    let squares: Vec<f64> = items.iter().map(|item| item * item).collect();
    let both = |kept: &[usize]| Ok(vec![mean(&items)(kept)?, mean(&squares)(kept)?]);
    let found = config().estimate_all(30, both).unwrap();
    for (found, items) in found.iter().zip([&items, &squares]) {
        assert_eq!(*found, config().estimate(30, mean(items)).unwrap());
    }
    let error = config().estimate_all(30, |kept| Ok(kept.iter().map(|_| 0.0).collect()));
    assert_eq!(error.unwrap_err().to_string(), "scores without a group: 27, expected 30");
}

#[test]
fn parts_are_disjoint_and_their_mean_has_the_interval_of_student() {
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let count = |part: &[usize]| {
        assert!(part.is_sorted());
        seen.extend_from_slice(part);
        sizes.push(part.len() as f64);
        Ok(part.len() as f64)
    };
    let found = config().mean_over_parts(47, count).unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..47).collect::<Vec<_>>());
    sizes.sort_by(f64::total_cmp);
    assert_eq!(sizes, [[4.0; 3].as_slice(), &[5.0; 7]].concat());
    let expected = mean_over_seeds(&sizes, 0.95).unwrap();
    assert_same(found, Estimate::new(expected.value, [expected.low, expected.high], 47));
}

#[test]
fn settings_out_of_range_and_scores_that_are_no_numbers_are_named() {
    let error = |config: JackknifeConfig| {
        config.estimate(5, mean(&[1.0, 2.0, 3.0, 4.0, 5.0])).unwrap_err().to_string()
    };
    let expected = "expected two or more, and no more than items";
    assert_eq!(error(config().with_groups(1)), format!("`groups` is 1 for 5 items, {expected}"));
    assert_eq!(error(config()), format!("`groups` is 10 for 5 items, {expected}"));
    assert!(error(config().with_groups(5).with_level(1.0)).starts_with("`level` is 1,"));
    let config = config().with_groups(2);
    let found = config.estimate(4, |kept| Ok(1.0 / (kept.len() as f64 - 2.0))).unwrap_err();
    assert!(found.to_string().starts_with("score without a group 0 is inf"), "{found}");
    assert!(Jackknifed::mean(&[]).is_err());
    let score = |items: usize| config.estimate(items, |kept| Ok(kept.len() as f64)).unwrap();
    let error = Jackknifed::mean(&[&score(8), &score(6)]).unwrap_err();
    let other =
        "6 items, 2 groups, level 0.95, seed 3 beside 8 items, 2 groups, level 0.95, seed 3";
    let expected = "expected scores of the same items, by one configuration";
    assert_eq!(error.to_string(), format!("`scores` is {other}, {expected}"));
    let seed = JackknifeConfig::new(Seed::new(4)).with_groups(2);
    let other = seed.estimate(8, |kept| Ok(kept.len() as f64)).unwrap();
    assert!(Jackknifed::mean(&[&score(8), &other]).is_err());
}

/// Texts in two languages: what both share, turned, and noise of each.
#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
fn texts(seed: Seed, count: usize) -> [EmbeddingMatrix; 2] {
    let mut rng = seed.rng();
    // Nearly normal.
    let mut normal = || (0..6).map(|_| rng.random_range(-0.7_f32..0.7)).sum::<f32>();
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..count {
        let [a, b, c] = [normal() * 2.0, normal(), normal() * 0.5];
        for (side, shared) in sides.iter_mut().zip([[a, b, c, 0.0], [b, 0.0, -a, c]]) {
            side.extend(shared.map(|it| it + 0.4 + 0.8 * normal()));
        }
    }
    sides.map(|values| EmbeddingMatrix::try_new(4, values).unwrap())
}

#[test]
fn measures_without_a_group_are_those_of_the_other_items() {
    let [x, y] = texts(Seed::new(1), 103);
    let n = x.row_count();
    let both = |measure: fn(&EmbeddingMatrix, &EmbeddingMatrix) -> Result<f64, EvaluationError>| {
        config().estimate(n, |kept| measure(&x.select(kept)?, &y.select(kept)?))
    };
    let alone = |measure: fn(&EmbeddingMatrix) -> Result<f64, EvaluationError>| {
        config().estimate(n, |kept| measure(&x.select(kept)?))
    };
    let pair = &align_pairs(&[&x, &y], &config()).unwrap()[0];
    let (biased, debiased) = (Ok(pair.biased.clone()), Ok(pair.debiased.clone()));
    for (name, found, expected) in [
        ("CKA", config().cka(Cka::Biased, &x, &y), both(|x, y| Cka::Biased.of(x, y))),
        ("debiased CKA", config().cka(Cka::Debiased, &x, &y), both(|x, y| Cka::Debiased.of(x, y))),
        ("CKA of pairs", biased, both(|x, y| Cka::Biased.of(x, y))),
        ("debiased CKA of pairs", debiased, both(|x, y| Cka::Debiased.of(x, y))),
        ("relational", config().relational_similarity(&x, &y), both(relational_similarity)),
        ("mean cosine", config().mean_cosine(&x), alone(mean_cosine)),
        ("IsoScore", config().iso_score(&x), alone(iso_score)),
    ] {
        let (found, expected) = (found.unwrap(), expected.unwrap());
        assert!((found.value() - expected.value()).abs() < 1e-12, "{name}");
        let each = found.without_each().iter().zip(expected.without_each());
        assert!(each.clone().all(|(a, b)| (a - b).abs() < 1e-12), "{name}: {found:?}");
        assert!(found.standard_error() > 1e-4, "{name}: {found:?}");
    }
}

#[test]
fn all_pairs_stand_in_order_and_a_language_at_fault_is_named() {
    let [x, y] = texts(Seed::new(1), 40);
    let [z, _] = texts(Seed::new(2), 40);
    let found = align_pairs(&[&x, &y, &z], &config()).unwrap();
    assert_eq!(found.iter().map(|it| it.pair).collect::<Vec<_>>(), [[0, 1], [0, 2], [1, 2]]);
    let expected = config().cka(Cka::Debiased, &y, &z).unwrap();
    assert!((found[2].debiased.value() - expected.value()).abs() < 1e-12);
    let same = EmbeddingMatrix::try_new(2, vec![0.5; 80]).unwrap();
    let error = align_pairs(&[&x, &same], &config()).unwrap_err().to_string();
    let expected = "the vectors of language 1 are all alike, expected some that differ";
    assert_eq!(error, format!("CKA is not defined: {expected}"));
    let short = z.select(&[0, 1, 2]).unwrap();
    let error = align_pairs(&[&x, &y, &short], &config()).unwrap_err().to_string();
    assert_eq!(error, "target rows: 3, expected 40");
    assert!(align_pairs(&[], &config()).is_err());
    // Four items are enough for the debiased form, three of four are not.
    let four = [&x, &y].map(|it| it.select(&[0, 1, 2, 3]).unwrap());
    assert!(Cka::Debiased.of(&four[0], &four[1]).is_ok());
    let error = config().with_groups(4).cka(Cka::Debiased, &four[0], &four[1]).unwrap_err();
    assert_eq!(error.to_string(), "debiased CKA is not defined: 3 vectors, expected at least 4");
}

#[test]
fn what_is_alike_without_a_group_has_no_interval() {
    let mut values = [1.0_f32, 2.0].repeat(20);
    (values[10], values[11]) = (3.0, 5.0);
    let alike = EmbeddingMatrix::try_new(2, values).unwrap();
    assert!(iso_score(&alike).is_ok());
    let error = config().iso_score(&alike).unwrap_err().to_string();
    let expected = "without a group the vectors are all alike, expected some that differ";
    assert_eq!(error, format!("IsoScore is not defined: {expected}"));
    let [x, _] = texts(Seed::new(1), 20);
    assert!(Cka::Biased.of(&x, &alike).is_ok());
    for cka in [Cka::Biased, Cka::Debiased] {
        let error = config().cka(cka, &x, &alike).unwrap_err().to_string();
        assert!(error.contains("HSIC of the targets with themselves"), "{error}");
    }
}

#[test]
fn vectors_wider_than_they_are_many_are_measured_alike() {
    let [x, y] = texts(Seed::new(6), 60);
    // The same vectors in 180 dimensions: turned, which changes nothing that is measured but IsoScore's share.
    let wide = |matrix: &EmbeddingMatrix| {
        let spread = |row: &[f32]| {
            row.iter()
                .flat_map(|it| [0.36 * it, 0.48 * it, -0.8 * it])
                .chain([0.0; 168])
                .collect::<Vec<_>>()
        };
        EmbeddingMatrix::try_new(180, matrix.rows().flat_map(spread).collect()).unwrap()
    };
    let (wide_x, wide_y) = (wide(&x), wide(&y));
    for (found, expected) in [
        (config().cka(Cka::Debiased, &wide_x, &wide_y), config().cka(Cka::Debiased, &x, &y)),
        (config().cka(Cka::Biased, &wide_x, &y), config().cka(Cka::Biased, &x, &y)),
        (config().relational_similarity(&wide_x, &wide_y), config().relational_similarity(&x, &y)),
    ] {
        let (found, expected) = (found.unwrap(), expected.unwrap());
        assert!((found.value() - expected.value()).abs() < 1e-6, "{found:?}");
        assert!((found.standard_error() - expected.standard_error()).abs() < 1e-6, "{found:?}");
    }
    let (found, expected) = (config().iso_score(&wide_x).unwrap(), config().iso_score(&x).unwrap());
    assert!((179.0 * found.value() - 3.0 * expected.value()).abs() < 1e-4, "{found:?}");
}

#[test]
fn a_mean_over_languages_knows_that_they_rise_and_fall_together() {
    let [x, y] = texts(Seed::new(5), 90);
    let one = config().cka(Cka::Debiased, &x, &y).unwrap();
    let twice = Jackknifed::mean(&[&one, &one]).unwrap();
    // Nothing new is learnt from the same language.
    assert_same(twice.estimate(), one.estimate());
    let cosine = config().mean_cosine(&x).unwrap();
    let both = Jackknifed::mean(&[&one, &cosine]).unwrap();
    assert!((both.value() - f64::midpoint(one.value(), cosine.value())).abs() < 1e-12);
    assert!(both.standard_error() < f64::midpoint(one.standard_error(), cosine.standard_error()));
}

#[test]
fn intervals_hold_as_often_as_they_say() {
    let samples: Vec<[EmbeddingMatrix; 2]> =
        (0..400).map(|sample| texts(Seed::new(9).at(sample), 100)).collect();
    let coverage = |measure: fn(&[EmbeddingMatrix; 2]) -> Result<Jackknifed, EvaluationError>| {
        let found: Vec<Estimate> =
            samples.iter().map(|sample| measure(sample).unwrap().estimate()).collect();
        let mean = found.iter().map(|it| it.value).sum::<f64>() / found.len() as f64;
        let holds = found.iter().filter(|it| (it.low..=it.high).contains(&mean)).count();
        holds as f64 / found.len() as f64
    };
    for (name, found) in [
        ("CKA", coverage(|[x, y]| config().cka(Cka::Biased, x, y))),
        ("debiased CKA", coverage(|[x, y]| config().cka(Cka::Debiased, x, y))),
        ("relational similarity", coverage(|[x, y]| config().relational_similarity(x, y))),
        ("mean cosine", coverage(|[x, _]| config().mean_cosine(x))),
        ("IsoScore", coverage(|[x, _]| config().iso_score(x))),
    ] {
        // Of 400 intervals of 95 %, 380 hold, give or take four.
        assert!((0.92..=0.98).contains(&found), "{name}: {found}");
    }
}

proptest! {
    #[test]
    fn groups_of_two_sizes_weigh_as_they_should(
        items in prop::collection::vec(-5.0_f64..5.0, 4..40),
        groups in 2_usize..5,
    ) {
        let (n, g) = (items.len() as f64, groups as f64);
        let config = config().with_groups(groups);
        let found = config.estimate(items.len(), mean(&items))?;
        // Of a mean the pseudo-values are the means of groups.
        let (mut squares, whole) = (0.0, items.iter().sum::<f64>() / n);
        config.mean_over_parts(items.len(), |part| {
            let own = mean(&items)(part)?;
            squares += (own - whole).powi(2) / (n / part.len() as f64 - 1.0);
            Ok(own)
        })?;
        prop_assert!((found.value() - whole).abs() < 1e-12);
        prop_assert!((found.standard_error() - (squares / g).sqrt()).abs() < 1e-9);
    }
}
