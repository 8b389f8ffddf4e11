//! What holds for every stream: epochs, shares, resumption.

use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    BlockShuffle, ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting, MixtureState,
    MixtureStream, Shard, SizeUnit, StoppingRule, TextSource, TextWindow,
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
                // The rule's own bound, and a hundred-millionth for probabilities kept to 10^-15.
                let most = if checked.len() == 1 { 0.0 } else { 1.0 - 0.5 / (checked.len() - 1) as f64 };
                prop_assert!((*count as f64 - q * f64::from(t)).abs() < most + 1e-8);
            }
        }
    }

    #[test]
    fn low_discrepancy_keeps_every_share_in_every_window(
        sizes in language_sizes(1..=12),
        alpha in 0.0..=1.0,
        window in 1_usize..60,
    ) {
        let draws: Vec<usize> = stream(alpha, &sizes, 1, LanguageOrder::LowDiscrepancy)
            .take(500)
            .map(|draw| draw.language)
            .collect();
        let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
        let distribution = ExponentConfig::new().with_alpha(alpha).distribution(&checked)?;
        for draws in draws.windows(window) {
            for (language, (_, q)) in distribution.iter().enumerate() {
                let count = draws.iter().filter(|drawn| **drawn == language).count();
                prop_assert!((count as f64 - q * window as f64).abs() < 2.0);
            }
        }
    }

    #[test]
    fn no_state_makes_a_stream_panic(
        numbers in proptest::collection::vec(any::<u64>(), 7),
        is_consistent: bool,
        order in order(),
    ) {
        let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
        let mut stream = stream(0.5, &sizes, 3, order);
        let mut state = serde_json::to_value(stream.state())?;
        let [a, b] = if is_consistent {
            [numbers[0] >> 8, numbers[1] >> 8]
        } else {
            [numbers[0], numbers[1]]
        };
        state["draws"] = if is_consistent { a + b } else { numbers[2] }.into();
        for (place, drawn) in [a, b].into_iter().enumerate() {
            state["sources"][place]["drawn"] = drawn.into();
            let settled = numbers[3 + place] >> if is_consistent { 20 } else { 0 };
            state["sources"][place]["settled"] = settled.into();
            if !is_consistent {
                state["sources"][place]["weight"] = numbers[5 + place].into();
            }
        }
        let state: MixtureState = serde_json::from_value(state)?;
        if stream.restore(&state).is_ok() {
            stream.take(100).for_each(drop);
        }
    }
}

#[test]
fn sources_without_text_or_with_more_than_can_be_counted_are_named()
-> Result<(), Box<dyn std::error::Error>> {
    let tag: LanguageTag = "yo".parse()?;
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, [(tag.clone(), 1)])?;
    let distribution = ExponentConfig::new().distribution(&sizes)?;
    let message = |texts| {
        let sources = [(tag.clone(), texts)];
        MixtureStream::try_new(&distribution, &sources, Seed::new(1)).unwrap_err().to_string()
    };
    assert_eq!(message(0), "source `yo-Latn` has no text, expected at least one");
    assert_eq!(
        message(u64::MAX),
        "source `yo-Latn` has 18446744073709551615 texts, expected at most 72057594037927936",
    );
    Ok(())
}

proptest! {
    #[test]
    fn windows_hold_the_texts_that_are_drawn_and_are_left_for_good(
        (texts, others) in (1_u64..300, 1_u64..40),
        (block, window) in (1_u64..40, 1_u64..5),
        (seed, skipped) in any::<(u64, u8)>(),
    ) {
        let sizes = [("en".parse::<LanguageTag>()?, texts), ("yo".parse()?, others)];
        let shuffle = BlockShuffle { block, window };
        let stream = stream(0.3, &sizes, seed, LanguageOrder::Random);
        let first = stream.clone().until(StoppingRule::Budget(1)).next_language().unwrap();
        prop_assert!(stream.window_of(first).is_none());
        let mut stream = stream.with_block_shuffle(shuffle)?.until(StoppingRule::Budget(900));
        let mut expected = stream.clone();
        expected.by_ref().take(usize::from(skipped)).for_each(drop);
        for _ in 0..skipped {
            stream.next_language();
        }
        let mut open: [Option<TextWindow>; 2] = [None, None];
        while let Some(draw) = stream.next_language() {
            let own = &mut open[draw.language];
            if own.as_ref().is_none_or(|window| !window.draws().contains(&draw.drawn)) {
                let next = stream.stream().window_of(draw).unwrap();
                prop_assert!(own.as_ref().is_none_or(|last| last.draws().end == next.draws().start));
                prop_assert!(next.blocks().len() as u64 <= window);
                prop_assert_eq!(next.texts().len() as u64, next.draws().end - next.draws().start);
                *own = Some(next);
            }
            let window = own.as_ref().unwrap();
            let place = usize::try_from(draw.drawn - window.draws().start)?;
            let (block, text) = window.texts().nth(place).unwrap();
            let found = draw.of_text(window.blocks()[block] + text, window.epoch());
            prop_assert_eq!(Some(found), expected.next());
            prop_assert_eq!(window.language(), draw.language);
        }
        prop_assert_eq!(expected.next(), None);
    }
}

#[test]
fn a_shuffle_as_large_as_can_be_written_is_one_of_everything()
-> Result<(), Box<dyn std::error::Error>> {
    let sizes = [("yo".parse()?, 100)];
    let shuffle = BlockShuffle { block: u64::MAX, window: u64::MAX };
    let stream = stream(0.3, &sizes, 1, LanguageOrder::Random).with_block_shuffle(shuffle)?;
    let mut indices: Vec<u64> = stream.take(100).map(|draw| draw.index).collect();
    indices.sort_unstable();
    assert!(indices.into_iter().eq(0..100));
    Ok(())
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
    assert_eq!(
        message(stream(0.5, &sizes[..1], 3, LanguageOrder::Random)),
        "stream state: language 1 is yo-Latn there and absent here",
    );
    assert!(
        message(stream(0.3, &sizes, 3, LanguageOrder::Random))
            .starts_with("stream state: probability of `en-Latn` is 0.7"),
    );
    assert_eq!(
        message(stream(0.5, &sizes, 3, LanguageOrder::LowDiscrepancy)),
        "stream state: order is Random there and LowDiscrepancy here",
    );
    let near = BlockShuffle { block: 8, window: 2 };
    assert_eq!(
        message(stream(0.5, &sizes, 3, LanguageOrder::Random).with_block_shuffle(near)?),
        "stream state: shuffle is everywhere there and 2 blocks of 8 texts here",
    );
    Ok(())
}

#[test]
fn a_state_of_another_version_is_refused_before_its_fields_are_looked_at()
-> Result<(), Box<dyn std::error::Error>> {
    let later = r#"{"version": 4, "seed": 3, "what a later version knows": []}"#;
    let error = serde_json::from_str::<MixtureState>(later).unwrap_err().to_string();
    assert!(error.starts_with("stream state: version is 4 there and 3 here"), "{error}");
    let sizes = [("yo".parse()?, 100)];
    let state = serde_json::to_string(&stream(0.5, &sizes, 3, LanguageOrder::Random).state())?;
    assert!(state.starts_with(r#"{"version":3,"#), "{state}");
    Ok(())
}

#[test]
fn a_state_that_contradicts_itself_is_refused() -> Result<(), Box<dyn std::error::Error>> {
    let sizes = [("en".parse()?, 900), ("yo".parse()?, 100)];
    let mut stream = stream(0.5, &sizes, 3, LanguageOrder::Random);
    let state = serde_json::to_value(stream.state())?;
    let mut message = |changes: &[(&str, u64)]| -> Result<String, Box<dyn std::error::Error>> {
        let mut state = state.clone();
        for (field, value) in changes {
            match *field {
                "draws" => state["draws"] = (*value).into(),
                field => state["sources"][1][field] = (*value).into(),
            }
        }
        let state: MixtureState = serde_json::from_value(state)?;
        Ok(stream.restore(&state).unwrap_err().to_string())
    };
    assert_eq!(message(&[("draws", 5)])?, "stream state: draws is 5 there and 0 here");
    let many = (1 << 56) + 1;
    assert_eq!(
        message(&[("draws", many), ("drawn", many)])?,
        "stream state: draws is 72057594037927937 there and at most 72057594037927936 here",
    );
    assert_eq!(
        message(&[("settled", 1)])?,
        "stream state: settled draws of `yo-Latn` is 1 there and at most 0 here",
    );
    assert_eq!(
        message(&[("weight", (-1.0_f64).to_bits())])?,
        "stream state: weight of `yo-Latn` is -1 there and from 0 to 1 here",
    );
    assert_eq!(
        message(&[("weight", 1.0_f64.to_bits())])?,
        "stream state: sum of weights is 1.75 there and 1 here",
    );
    Ok(())
}

/// Texts that know what they are.
struct Known(LanguageTag, u64);

impl TextSource for Known {
    fn language(&self) -> &LanguageTag {
        &self.0
    }

    fn text_count(&self) -> u64 {
        100
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(self.1)
    }
}

#[test]
fn a_state_of_other_texts_of_the_same_number_is_refused() -> Result<(), Box<dyn std::error::Error>>
{
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, [("yo".parse()?, 100)])?;
    let distribution = ExponentConfig::new().distribution(&sizes)?;
    let new = |hash| {
        MixtureStream::try_new(&distribution, &[Known("yo".parse()?, hash)], Seed::new(1))
            .map_err(Box::<dyn std::error::Error>::from)
    };
    assert_eq!(
        new(2)?.restore(&new(1)?.state()).unwrap_err().to_string(),
        "stream state: content of `yo-Latn` is 0000000000000001 there and 0000000000000002 here",
    );
    Ok(())
}

/// A thousand languages with regions, which know what they are.
struct Far(LanguageTag);

impl TextSource for Far {
    fn language(&self) -> &LanguageTag {
        &self.0
    }

    fn text_count(&self) -> u64 {
        1 << 56
    }

    fn fingerprint(&self) -> Option<u64> {
        Some(u64::MAX)
    }
}

#[test]
fn a_state_is_less_than_300_bytes_a_language_at_its_largest()
-> Result<(), Box<dyn std::error::Error>> {
    let letter = |place: u32| char::from(b'a' + u8::try_from(place % 10).unwrap_or_default());
    let far: Vec<Far> = (0..1_000)
        .map(|i| Ok(Far(format!("q{}{}-Latn-{:03}", letter(i), letter(i / 10), i).parse()?)))
        .collect::<Result<_, isogloss_core::LanguageTagError>>()?;
    let sizes = far.iter().zip(1..).map(|(far, rank)| (far.0.clone(), u64::MAX / rank));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
    let distribution = ExponentConfig::new().distribution(&sizes)?;
    let stream = MixtureStream::try_new(&distribution, &far, Seed::new(u64::MAX))?;
    let mut stream = stream.with_block_shuffle(BlockShuffle { block: 1024, window: 8 })?;
    stream.by_ref().take(100_000).for_each(drop);
    // As many digits as there can be, weights of a schedule included.
    stream.reweight(&ExponentConfig::new().with_alpha(0.7).distribution(&sizes)?)?;
    let json = serde_json::to_string(&stream.state())?;
    let longest = json.replace(r#""drawn":"#, r#""drawn":1000000000000"#);
    let longest = longest.replace(r#""settled":"#, r#""settled":1000000000000"#);
    assert!(longest.len() < 1_000 * 300, "{}", longest.len());
    Ok(())
}

#[test]
fn the_first_draws_are_the_same_everywhere_and_ever() -> Result<(), Box<dyn std::error::Error>> {
    // Pinned: a change of these numbers is a change of every run that is to be resumed.
    let sizes = [("en".parse()?, 900), ("sw".parse()?, 300), ("yo".parse()?, 20)];
    let draws = |order| -> Vec<(usize, u64)> {
        stream(0.3, &sizes, 7, order).take(6).map(|draw| (draw.language, draw.index)).collect()
    };
    let random = [(0, 526), (1, 142), (0, 872), (1, 273), (0, 322), (0, 288)];
    assert_eq!(draws(LanguageOrder::Random), random);
    let in_order = [(0, 526), (1, 142), (0, 872), (2, 6), (1, 273), (0, 322)];
    assert_eq!(draws(LanguageOrder::LowDiscrepancy), in_order);
    let digest = |stream: MixtureStream| {
        let all = stream.take(10_000).fold(Seed::new(0), |digest, draw| {
            digest.at(draw.language as u64).at(draw.index).at(draw.epoch).at(draw.draw)
        });
        all.value()
    };
    let near = BlockShuffle { block: 8, window: 4 };
    let worker = Shard::try_new(1, 3)?;
    let mut digests = Vec::new();
    for order in [LanguageOrder::Random, LanguageOrder::LowDiscrepancy] {
        let stream = stream(0.3, &sizes, 7, order);
        digests.push(digest(stream.clone()));
        digests.push(digest(stream.clone().with_block_shuffle(near)?));
        digests.push(digest(stream.with_shard(worker)));
    }
    let expected = [
        15_311_074_453_522_586_474,
        10_294_321_378_370_052_922,
        9_027_278_499_016_177_720,
        10_724_038_705_024_022_532,
        1_834_528_593_718_761_914,
        8_716_983_510_195_940_845,
    ];
    assert_eq!(digests, expected);
    Ok(())
}
