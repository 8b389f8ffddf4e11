//! A million languages.

use std::sync::LazyLock;

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    CappedConfig, Doremi, DoremiConfig, ExplicitWeights, ExponentConfig, GroupedWeighting,
    Grouping, LanguageDraws, LanguageOrder, LanguageSizes, LanguageWeighting, SamplingPlan,
    SizeUnit, UniMaxConfig,
};

const MILLION: u64 = 1_000_000;

/// Private languages and scripts, whose sizes fall as those of the web do.
static SIZES: LazyLock<LanguageSizes> = LazyLock::new(|| {
    let letter = |place: u64| char::from(b'a' + u8::try_from(place % 20).expect("below 20"));
    let tags = (0..MILLION).map(move |i| {
        let language: String = [1, 20].map(|power| letter(i / power)).iter().collect();
        let script: String = [400, 8_000, 160_000].map(|power| letter(i / power)).iter().collect();
        format!("q{language}-Q{script}").parse::<LanguageTag>().expect("a tag")
    });
    let sizes = tags.zip((1..=MILLION).map(|rank| 1_000_000_000_000 / rank));
    LanguageSizes::try_new(SizeUnit::Characters, sizes).expect("sizes")
});

#[test]
fn a_million_languages_sum_to_one_by_every_weighting() {
    let sizes = &*SIZES;
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    let [by_size, evenly] = [ExponentConfig::proportional(), ExponentConfig::uniform()];
    let explicit = sizes.iter().map(|(language, size)| (language.clone(), 1.0 / size as f64));
    let mut weightings: Vec<(&str, Box<dyn LanguageWeighting>)> = vec![
        ("uniform", Box::new(evenly)),
        ("alpha 0.3", Box::new(ExponentConfig::new())),
        ("proportional", Box::new(by_size)),
        ("unimax", Box::new(UniMaxConfig::new(total))),
        ("unimax, to the last epoch", Box::new(UniMaxConfig::new(4 * total))),
        ("capped", Box::new(CappedConfig::new(3_000_000))),
        ("grouped", Box::new(GroupedWeighting::new(Grouping::Script, evenly, by_size))),
        ("explicit", Box::new(ExplicitWeights::try_new(explicit).unwrap())),
    ];
    weightings.push(("doremi", Box::new(Doremi::try_new(sizes, DoremiConfig::default()).unwrap())));
    for (name, weighting) in weightings {
        let distribution = weighting.distribution(sizes).unwrap();
        // Summed by thousands, so that this sum is about as exact as theirs.
        let q: Vec<f64> = distribution.iter().map(|(_, q)| q).collect();
        assert!(q.iter().all(|q| *q > 0.0), "{name}");
        let sum: f64 = q.chunks(1_000).map(|chunk| chunk.iter().sum::<f64>()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{name}: {sum}");
    }
}

#[test]
fn unimax_keeps_its_cap_and_its_budget_among_a_million() {
    let sizes = &*SIZES;
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    let distribution = UniMaxConfig::new(total).distribution(sizes).unwrap();
    let plan = SamplingPlan::try_new(sizes, &distribution, total).unwrap();
    assert!(plan.rows.iter().all(|row| row.epochs < 4.0 + 1e-9));
    assert!(plan.repeated_more_than(3.999).count() > 1_000);
    assert_eq!(plan.repeated_more_than(4.0).count(), 0, "a language at its cap is not above it");
}

#[test]
fn a_million_languages_are_drawn_as_evenly_as_two() {
    let evenly = ExponentConfig::uniform().distribution(&SIZES).unwrap();
    let mut counts = vec![0_u32; evenly.iter().len()];
    for language in LanguageDraws::new(&evenly, LanguageOrder::LowDiscrepancy, Seed::new(1))
        .take(evenly.iter().len())
    {
        counts[language] += 1;
    }
    assert!(counts.iter().all(|count| *count == 1), "each once in a million draws");

    // By chance the number of languages that were not drawn is e^-1 of them, give or take five
    // standard deviations of √(e^-1 - 2 e^-2) · 1000 = 312.
    counts.fill(0);
    for language in
        LanguageDraws::new(&evenly, LanguageOrder::Random, Seed::new(1)).take(counts.len())
    {
        counts[language] += 1;
    }
    let never = counts.iter().filter(|count| **count == 0).count();
    assert!(never.abs_diff(367_879) < 1_560, "{never}");
}
