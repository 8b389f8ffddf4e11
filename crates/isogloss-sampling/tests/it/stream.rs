//! What holds for every stream: epochs, shares, resumption.

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use isogloss_testing::language_sizes;
use proptest::prelude::*;

fn stream(
    alpha: f64,
    sizes: &[(LanguageTag, u64)],
    seed: u64,
    order: LanguageOrder,
) -> MixtureStream {
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.to_vec()).expect("sizes");
    let config = ExponentConfig::new().with_alpha(alpha);
    let distribution = config.distribution(&checked).expect("a distribution");
    MixtureStream::try_new(&distribution, sizes, Seed::new(seed))
        .expect("a stream")
        .with_order(order)
}

fn order() -> impl Strategy<Value = LanguageOrder> {
    prop_oneof![Just(LanguageOrder::Random), Just(LanguageOrder::LowDiscrepancy)]
}

proptest! {
    #[test]
    fn a_text_comes_again_only_when_all_others_have_come(
        len in 1_u64..200,
        seed: u64,
    ) {
        let sizes = [("yo".parse::<LanguageTag>()?, len)];
        let draws: Vec<_> = stream(0.3, &sizes, seed, LanguageOrder::Random)
            .take(usize::try_from(3 * len)?)
            .collect();
        for (epoch, draws) in (0_u64..).zip(draws.chunks(usize::try_from(len)?)) {
            prop_assert!(draws.iter().all(|draw| draw.epoch == epoch));
            let mut indices: Vec<_> = draws.iter().map(|draw| draw.index).collect();
            indices.sort_unstable();
            prop_assert!(indices.into_iter().eq(0..len));
        }
    }

    #[test]
    fn a_resumed_stream_goes_on_as_the_uninterrupted_one(
        sizes in language_sizes(1..=8),
        seed: u64,
        cut in 0_usize..300,
        order in order(),
    ) {
        let whole: Vec<_> = stream(0.5, &sizes, seed, order).take(400).collect();
        let mut first = stream(0.5, &sizes, seed, order);
        prop_assert!(first.by_ref().take(cut).eq(whole[..cut].iter().copied()));
        let json = serde_json::to_string(&first.state())?;
        let mut second = stream(0.5, &sizes, seed, order);
        second.restore(&serde_json::from_str(&json)?)?;
        prop_assert!(second.take(400 - cut).eq(whole[cut..].iter().copied()));
    }

    #[test]
    fn low_discrepancy_keeps_every_share_to_within_one(
        sizes in language_sizes(1..=12),
        alpha in 0.0..=1.0,
    ) {
        let mut stream = stream(alpha, &sizes, 1, LanguageOrder::LowDiscrepancy);
        let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
        let distribution = ExponentConfig::new().with_alpha(alpha).distribution(&checked)?;
        for t in 1_u32..=500 {
            stream.next_draw();
            for ((_, q), count) in distribution.iter().zip(stream.counts()) {
                prop_assert!((*count as f64 - q * f64::from(t)).abs() < 1.0);
            }
        }
    }
}

#[test]
fn random_draws_keep_the_shares_in_the_long_run() -> Result<(), Box<dyn std::error::Error>> {
    let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
    let mut stream = stream(0.5, &sizes, 3, LanguageOrder::Random);
    for _ in 0..40_000 {
        stream.next_draw();
    }
    // A quarter of 40,000, give or take 5 standard deviations of 87.
    assert!(stream.counts()[1].abs_diff(10_000) < 433, "{:?}", stream.counts());
    Ok(())
}

#[test]
fn a_state_of_another_stream_is_refused_with_the_difference_named()
-> Result<(), Box<dyn std::error::Error>> {
    let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
    let state = stream(0.5, &sizes, 3, LanguageOrder::Random).state();
    let message = |mut other: MixtureStream| other.restore(&state).unwrap_err().to_string();
    assert_eq!(
        message(stream(0.5, &sizes, 4, LanguageOrder::Random)),
        "stream state: seed is 3 there and 4 here",
    );
    let grown = [("en".parse()?, 900), ("yo".parse()?, 101)];
    assert_eq!(
        message(stream(0.5, &grown, 3, LanguageOrder::Random)),
        "stream state: texts of `yo-Latn` is 100 there and 101 here",
    );
    assert!(
        message(stream(0.3, &sizes, 3, LanguageOrder::Random))
            .starts_with("stream state: probability of `en-Latn` is 0.7"),
    );
    Ok(())
}
