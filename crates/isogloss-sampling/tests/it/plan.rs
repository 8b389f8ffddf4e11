//! The forecast of repetition, and whether a stream does as forecast.

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting, MixtureStream, SamplingPlan,
    SizeUnit, UniMaxConfig, effective_epochs,
};
use isogloss_testing::language_sizes;
use proptest::prelude::*;

fn tag(text: &str) -> LanguageTag {
    text.parse().expect("a tag")
}

#[test]
fn repeated_text_is_worth_what_the_paper_says() {
    let cases = [(1.0, 1.0), (2.0, 1.9682), (4.0, 3.7257), (8.0, 6.6241), (16.0, 10.5825)];
    for (epochs, worth) in cases.into_iter().chain([(40.0, 15.1675), (1e9, 16.3878), (0.5, 0.5)]) {
        assert!((effective_epochs(epochs) - worth).abs() < 5e-5, "{epochs}");
    }
    for (epochs, each) in
        [(2.0, 0.9841), (4.0, 0.9314), (8.0, 0.8280), (16.0, 0.6614), (40.0, 0.3792)]
    {
        assert!((effective_epochs(epochs) / epochs - each).abs() < 5e-5, "{epochs}");
    }
}

#[test]
fn a_plan_reads_as_a_table_with_its_warnings() {
    let sizes = [(tag("en"), 8_000), (tag("sw"), 700), (tag("yo"), 250), (tag("quz"), 50)];
    let sizes = LanguageSizes::try_new(SizeUnit::Characters, sizes).unwrap();
    let distribution = ExponentConfig::uniform().distribution(&sizes).unwrap();
    let plan = SamplingPlan::try_new(&sizes, &distribution, 8_000).unwrap();
    let expected = "\
A budget of 8000 characters draws
language       characters     share   drawn %            drawn     epochs      worth
qu-Latn                50    0.556%   25.000%             2000     40.000     15.167
yo-Latn               250    2.778%   25.000%             2000      8.000      6.624
sw-Latn               700    7.778%   25.000%             2000      2.857      2.749
en-Latn              8000   88.889%   25.000%             2000      0.250      0.250
warning: drawn more than 4 times: yo-Latn
warning: drawn more than 16 times, of which little is gained: qu-Latn
";
    assert_eq!(plan.to_string(), expected);
    let late = plan.clone().with_warning_above(30.0).to_string();
    let warning = "warning: drawn more than 30 times, of which little is gained: qu-Latn\n";
    assert!(late.ends_with(&format!("0.250\n{warning}")), "{late}");
    assert!(!plan.with_warning_above(40.0).to_string().contains("warning"));
}

#[test]
fn a_plan_in_characters_holds_for_a_stream_of_texts() {
    // Yoruba has long texts, so that equal draws of texts would repeat it beyond the cap.
    let of = [(tag("en"), 5_000_u64), (tag("sw"), 800), (tag("yo"), 40)];
    let length = [20, 50, 400];
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, of.clone()).unwrap();
    let characters =
        of.iter().zip(length).map(|((tag, texts), length)| (tag.clone(), texts * length));
    let characters = LanguageSizes::try_new(SizeUnit::Characters, characters).unwrap();
    let budget = 150_000;
    let unimax = UniMaxConfig::new(budget).distribution(&characters).unwrap();
    let plan = SamplingPlan::try_new(&characters, &unimax, budget).unwrap();
    let in_texts = plan.in_unit(&sizes).unwrap();
    for (a, b) in plan.rows.iter().zip(&in_texts.rows) {
        assert!(
            (a.epochs - b.epochs).abs() < 1e-12
                && (b.drawn / b.size as f64 - b.epochs).abs() < 1e-12
        );
    }
    let back = in_texts.in_unit(&characters).unwrap();
    assert_eq!(back.budget, budget);

    let mut stream = MixtureStream::try_new(&in_texts.distribution().unwrap(), &of, Seed::new(1))
        .unwrap()
        .with_order(LanguageOrder::LowDiscrepancy);
    for _ in 0..in_texts.budget {
        assert!(stream.next_draw().epoch < 4);
    }
    let drawn: u64 = stream.counts().iter().zip(length).map(|(texts, length)| texts * length).sum();
    // To within one text of each language, the budget's rounding and the parts of a schedule.
    assert!(drawn.abs_diff(budget) <= 500, "{drawn}");
    let by_text = MixtureStream::try_new(&unimax, &of, Seed::new(1)).unwrap();
    assert!(by_text.take(4_000).any(|draw| draw.epoch >= 4), "by texts alone the cap is passed");

    let other = LanguageSizes::try_new(SizeUnit::Sentences, of[..2].to_vec()).unwrap();
    assert_eq!(
        plan.in_unit(&other).unwrap_err().to_string(),
        "source 2 is `absent`, expected `yo-Latn` (the order of the distribution)",
    );
}

#[test]
fn the_plan_says_how_often_a_language_is_repeated_for_each_pass_over_another() {
    let sizes = [(tag("en"), 55_608_000_000), (tag("sw"), 275_000_000)];
    let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes).unwrap();
    let distribution = ExponentConfig::new().distribution(&sizes).unwrap();
    let plan = SamplingPlan::try_new(&sizes, &distribution, 55_608_000_000).unwrap();
    let [english, swahili] = [&plan.rows[0], &plan.rows[1]];
    assert!((english.probability - 0.831_009).abs() < 5e-7);
    assert!((swahili.probability / swahili.share - 34.34).abs() < 0.005);
    assert!((swahili.epochs / english.epochs - 41.12).abs() < 0.005);
    let text = plan.to_string();
    assert!(
        text.contains("drawn more than 16 times, of which little is gained: sw-Latn"),
        "{text}"
    );
    assert!(!text.contains("drawn more than 4 times"), "{text}");
}

proptest! {
    #[test]
    fn a_stream_does_as_forecast(of in language_sizes(1..=12), alpha in 0.0..=1.0) {
        let sizes = LanguageSizes::try_new(SizeUnit::Sentences, of.clone())?;
        let distribution = ExponentConfig::new().with_alpha(alpha).distribution(&sizes)?;
        let plan = SamplingPlan::try_new(&sizes, &distribution, 700)?;
        let mut stream = MixtureStream::try_new(&distribution, &of, Seed::new(1))?
            .with_order(LanguageOrder::LowDiscrepancy);
        for _ in 0..700 {
            stream.next_draw();
        }
        for (row, drawn) in plan.rows.iter().zip(stream.counts()) {
            prop_assert!((row.drawn - *drawn as f64).abs() < 1.0);
        }
    }

    #[test]
    fn unimax_in_the_order_of_least_discrepancy_never_passes_its_cap(
        of in proptest::collection::btree_map("[a-z]{3}", 1_u64..60, 1..8),
    ) {
        let of: Vec<(LanguageTag, u64)> = of
            .into_iter()
            .filter_map(|(text, size)| Some((text.parse().ok()?, size)))
            .collect();
        prop_assume!(!of.is_empty());
        let texts: u64 = of.iter().map(|(_, size)| size).sum();
        let sizes = LanguageSizes::try_new(SizeUnit::Sentences, of.clone());
        prop_assume!(sizes.is_ok());
        let sizes = sizes?;
        // Two epochs at most, three quarters of which are drawn.
        let budget = (texts * 3 / 2).max(1);
        let distribution = UniMaxConfig::new(budget).with_max_epochs(2.0).distribution(&sizes)?;
        let mut stream = MixtureStream::try_new(&distribution, &of, Seed::new(1))?
            .with_order(LanguageOrder::LowDiscrepancy);
        for _ in 0..budget {
            let draw = stream.next_draw();
            prop_assert!(draw.epoch < 2, "{draw:?}");
        }
    }
}
