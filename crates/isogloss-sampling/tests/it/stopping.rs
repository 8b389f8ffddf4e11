//! Streams that end, and the parts of several workers.

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    BlockShuffle, Draw, ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting,
    MixtureStream, Shard, SizeUnit, StoppingRule,
};
use proptest::prelude::*;

fn stream(texts: &[u64], order: LanguageOrder) -> MixtureStream {
    let tags = ["en", "sw", "yo", "ig"].map(|text| text.parse::<LanguageTag>().expect("a tag"));
    let sources: Vec<_> = tags.into_iter().zip(texts.iter().copied()).collect();
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sources.clone()).expect("sizes");
    let distribution =
        ExponentConfig::new().with_alpha(0.5).distribution(&sizes).expect("a distribution");
    MixtureStream::try_new(&distribution, &sources, Seed::new(3))
        .expect("a stream")
        .with_order(order)
}

fn orders() -> impl Strategy<Value = LanguageOrder> {
    prop_oneof![Just(LanguageOrder::Random), Just(LanguageOrder::LowDiscrepancy)]
}

fn rules() -> impl Strategy<Value = StoppingRule> {
    prop_oneof![
        Just(StoppingRule::FirstExhausted),
        Just(StoppingRule::AllExhausted),
        Just(StoppingRule::AllExhaustedWithoutReplacement),
        (0_u64..300).prop_map(StoppingRule::Budget),
    ]
}

fn sorted(mut draws: Vec<Draw>) -> Vec<Draw> {
    draws.sort_by_key(|draw| draw.draw);
    draws
}

proptest! {
    #[test]
    fn each_rule_ends_where_it_says(
        texts in proptest::collection::vec(1_u64..60, 1..=4),
        order in orders(),
        rule in rules(),
    ) {
        let draws: Vec<_> = stream(&texts, order).until(rule).collect();
        let counts = |draws: &[Draw]| -> Vec<u64> {
            (0..texts.len())
                .map(|language| draws.iter().filter(|d| d.language == language).count() as u64)
                .collect()
        };
        let all = counts(&draws);
        let before = counts(draws.split_last().map_or(&[], |(_, before)| before));
        let whole = |counts: &[u64]| counts.iter().zip(&texts).filter(|(n, len)| n >= len).count();
        match rule {
            StoppingRule::FirstExhausted => {
                prop_assert_eq!((whole(&all), whole(&before)), (1, 0));
            }
            StoppingRule::AllExhausted => {
                prop_assert_eq!(whole(&all), texts.len());
                prop_assert!(whole(&before) < texts.len());
            }
            StoppingRule::AllExhaustedWithoutReplacement => prop_assert_eq!(&all, &texts),
            StoppingRule::Budget(budget) => prop_assert_eq!(draws.len() as u64, budget),
            _ => prop_assert!(false, "a rule that is not tested"),
        }
    }

    #[test]
    fn workers_draw_all_and_nothing_twice(
        texts in proptest::collection::vec(1_u64..60, 1..=4),
        workers in 1_u32..5,
        order in orders(),
        rule in rules(),
    ) {
        let whole: Vec<_> = stream(&texts, order).until(rule).collect();
        let mut parts = Vec::new();
        for index in 0..workers {
            let shard = Shard::try_new(index, workers)?;
            let part: Vec<_> = stream(&texts, order).with_shard(shard).until(rule).collect();
            prop_assert!(part.iter().all(|draw| draw.draw % u64::from(workers) == u64::from(index)));
            parts.extend(part);
        }
        prop_assert_eq!(sorted(parts), whole);
    }

    #[test]
    fn other_workers_go_on_where_these_stopped(
        texts in proptest::collection::vec(1_u64..60, 1..=4),
        before in 1_u32..5,
        after in 1_u32..5,
        rounds in 0_usize..40,
        order in orders(),
    ) {
        let mut drawn = Vec::new();
        let mut states = Vec::new();
        for index in 0..before {
            let mut part = stream(&texts, order).with_shard(Shard::try_new(index, before)?);
            drawn.extend(part.by_ref().take(rounds));
            states.push(part.state());
        }
        prop_assert!(states.iter().all(|state| *state == states[0]));
        for index in 0..after {
            let mut part = stream(&texts, order).with_shard(Shard::try_new(index, after)?);
            part.restore(&states[0])?;
            drawn.extend(part.take(rounds));
        }
        let whole = stream(&texts, order).take(drawn.len());
        prop_assert!(sorted(drawn).into_iter().eq(whole));
    }

    #[test]
    fn a_stream_that_ends_resumes_to_the_same_end(
        texts in proptest::collection::vec(1_u64..60, 1..=4),
        order in orders(),
        rule in rules(),
        cut in 0_usize..100,
        block in proptest::option::of((1_u64..9, 1_u64..4)),
    ) {
        let new = || -> Result<_, Box<dyn std::error::Error>> {
            let stream = stream(&texts, order);
            Ok(match block {
                Some((block, window)) => {
                    stream.with_block_shuffle(BlockShuffle { block, window })?.until(rule)
                }
                None => stream.until(rule),
            })
        };
        let new = || new().map_err(|error| TestCaseError::fail(error.to_string()));
        let whole: Vec<_> = new()?.collect();
        let mut first = new()?;
        let begun: Vec<_> = first.by_ref().take(cut).collect();
        let json = serde_json::to_string(&first.state())?;
        let mut second = new()?;
        second.restore(&serde_json::from_str(&json)?)?;
        prop_assert!(begun.into_iter().chain(second).eq(whole));
    }
}

#[test]
fn a_worker_that_is_not_there_is_named() {
    assert_eq!(
        Shard::try_new(4, 4).unwrap_err().to_string(),
        "worker 4 of 4, expected an index below the count",
    );
    let shuffle = BlockShuffle { block: 8, window: 0 };
    assert_eq!(
        stream(&[3], LanguageOrder::Random).with_block_shuffle(shuffle).unwrap_err().to_string(),
        "a shuffle of 0 blocks of 8 texts, expected at least 1 of each",
    );
}
