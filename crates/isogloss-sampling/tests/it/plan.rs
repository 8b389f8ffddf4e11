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
}

#[test]
fn the_plan_says_how_often_a_language_is_repeated_for_each_pass_over_another() {
    let sizes = [(tag("en"), 55_608_000_000), (tag("sw"), 275_000_000)];
    let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes).unwrap();
    let distribution = ExponentConfig::new().distribution(&sizes).unwrap();
    let plan = SamplingPlan::try_new(&sizes, &distribution, 55_608_000_000).unwrap();
    let [english, swahili] = [&plan.rows[0], &plan.rows[1]];
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
