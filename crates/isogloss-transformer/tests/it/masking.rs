//! Masking: what it leaves alone, and how often it does what.

use isogloss_core::Seed;
use isogloss_transformer::{MaskedExample, Masking, MaskingConfig, MaskingUnit, MaskingVocabulary};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::RngExt;

fn vocabulary() -> MaskingVocabulary {
    MaskingVocabulary::new(60, 59, vec![2, 0, 3, 1])
}

/// Ids from 30 continue words.
fn continues() -> Vec<bool> {
    (0..60).map(|id| id >= 30).collect()
}

fn masking(config: MaskingConfig) -> Masking {
    let vocabulary = vocabulary().with_continues(continues()).with_counts((0..60).collect());
    config.try_init(&vocabulary).unwrap()
}

fn unit() -> impl Strategy<Value = MaskingUnit> {
    prop_oneof![
        Just(MaskingUnit::Token),
        Just(MaskingUnit::WholeWord),
        Just(MaskingUnit::Span),
        (1_usize..4).prop_map(MaskingUnit::NGram),
    ]
}

/// Masking as it was before there was a choice of units.
fn token_by_token(ids: &[u32], rate: f64, seed: Seed) -> MaskedExample {
    let mut rng = seed.rng();
    let mut masked =
        MaskedExample { input_ids: ids.to_vec(), positions: Vec::new(), labels: Vec::new() };
    for (position, &id) in ids.iter().enumerate() {
        if [0, 1, 2, 3, 59].contains(&id) || rng.random::<f64>() >= rate {
            continue;
        }
        let kind = rng.random::<f64>();
        if kind < 0.8 {
            masked.input_ids[position] = 59;
        } else if kind < 0.8 + 0.1 {
            masked.input_ids[position] = 4 + rng.random_range(0..55_u32);
        }
        masked.positions.push(position);
        masked.labels.push(id);
    }
    masked
}

proptest! {
    #[test]
    fn masks_of_single_tokens_are_those_of_earlier_releases(
        ids in vec(0_u32..60, 0..40),
        rate in 0.0..=1.0,
        seed in any::<u64>(),
    ) {
        let config = MaskingConfig::default().with_rate(rate);
        let expected = token_by_token(&ids, rate, Seed::new(seed));
        prop_assert_eq!(masking(config).mask_tokens(&ids, Seed::new(seed)), expected);
    }

    #[test]
    fn words_are_hidden_whole(ids in vec(0_u32..60, 0..40), seed in any::<u64>()) {
        let config = MaskingConfig::default().with_rate(0.4).with_unit(MaskingUnit::WholeWord);
        let masking = masking(config);
        let masked = masking.mask_tokens(&ids, Seed::new(seed));
        for position in 1..ids.len() {
            if ids[position] >= 30 && ![ids[position - 1], ids[position]].map(|id| masking.is_special(id)).contains(&true) {
                let [before, own] = [position - 1, position].map(|place| masked.positions.contains(&place));
                prop_assert_eq!(before, own, "{:?}", ids);
            }
        }
    }

    #[test]
    fn spans_keep_to_their_budget(
        ids in vec(0_u32..60, 0..40),
        rate in 0.0..=1.0,
        words in 0_usize..4,
        seed in any::<u64>(),
    ) {
        let unit = if words == 0 { MaskingUnit::Span } else { MaskingUnit::NGram(words) };
        let masking = masking(MaskingConfig::default().with_rate(rate).with_unit(unit));
        let chosen = masking.mask_tokens(&ids, Seed::new(seed)).positions.len();
        let budget = rate * ids.iter().filter(|&&id| !masking.is_special(id)).count() as f64;
        prop_assert!((chosen as f64 - budget).abs() < 1.0, "{chosen} of {budget}");
    }

    #[test]
    fn by_frequency_the_number_is_fixed(ids in vec(4_u32..59, 0..40), rate in 0.0..=1.0) {
        let masking = masking(MaskingConfig::default().with_rate(rate).with_alpha(0.5));
        let chosen = masking.mask_tokens(&ids, Seed::new(1)).positions.len();
        let expected = (rate * ids.len() as f64).ceil();
        prop_assert!((chosen as f64 - expected).abs() < 0.5, "{chosen} of {expected}");
    }

    #[test]
    fn masking_hides_only_what_it_says(
        ids in vec(0_u32..60, 0..40),
        rate in 0.0..=1.0,
        unit in unit(),
        seed in any::<u64>(),
    ) {
        let masking = masking(MaskingConfig::default().with_rate(rate).with_unit(unit));
        let masked = masking.mask_tokens(&ids, Seed::new(seed));
        prop_assert_eq!(masked.input_ids.len(), ids.len());
        prop_assert_eq!(masked.positions.len(), masked.labels.len());
        prop_assert!(masked.positions.is_sorted_by(|a, b| a < b));
        for (position, &id) in ids.iter().enumerate() {
            let hidden = masked.input_ids[position];
            if let Ok(place) = masked.positions.binary_search(&position) {
                prop_assert_eq!(masked.labels[place], id);
                prop_assert!(!masking.is_special(id));
                prop_assert!(hidden == 59 || !masking.is_special(hidden));
            } else {
                prop_assert_eq!(hidden, id);
            }
        }
        prop_assert_eq!(masking.mask_tokens(&ids, Seed::new(seed)), masked);
    }

    #[test]
    fn masking_each_covers_every_ordinary_token_once(ids in vec(0_u32..60, 0..40)) {
        let masking = masking(MaskingConfig::default());
        let examples: Vec<_> = masking.mask_each(&ids).collect();
        let ordinary: Vec<_> =
            (0..ids.len()).filter(|&position| !masking.is_special(ids[position])).collect();
        let covered: Vec<_> = examples.iter().map(|example| example.positions[0]).collect();
        prop_assert_eq!(covered, ordinary);
        for example in examples {
            prop_assert_eq!(example.input_ids.iter().zip(&ids).filter(|(a, b)| a != b).count(), 1);
        }
    }
}

#[test]
fn shares_are_as_configured() {
    let masking = masking(MaskingConfig::default());
    let ids = vec![30; 200_000];
    let masked = masking.mask_tokens(&ids, Seed::new(1));
    let chosen = masked.positions.len() as f64;
    let share = |keep: fn(u32) -> bool| {
        let hits = masked.positions.iter().filter(|&&place| keep(masked.input_ids[place])).count();
        hits as f64 / chosen
    };
    // Five standard errors: √(0.15 · 0.85 / 2e5) = 8e-4, and √(0.8 · 0.2 / 3e4) = 2.3e-3.
    assert!((chosen / 2e5 - 0.15).abs() < 4e-3, "rate {}", chosen / 2e5);
    assert!((share(|id| id == 59) - 0.8).abs() < 1.2e-2);
    // A random id is the old one in 1 of 55 cases.
    assert!((share(|id| id != 59 && id != 30) - 0.1 * 54.0 / 55.0).abs() < 1e-2);
    let mut counts = [0_u32; 60];
    for &place in &masked.positions {
        counts[masked.input_ids[place] as usize] += 1;
    }
    // About 3,000 random ids over 55, 55 of each: every one appears, none three times as often.
    assert!(counts[4..59].iter().all(|&count| count > 0));
    assert!(counts[4..30].iter().all(|&count| count < 165));
}

#[test]
fn seeds_of_examples_are_independent() {
    let masking = masking(MaskingConfig::default().with_rate(0.5));
    let ids = vec![30; 64];
    let epoch = Seed::new(1).derive("mask").at(0);
    let other = Seed::new(1).derive("mask").at(1);
    let first = masking.mask_tokens(&ids, epoch.at(0));
    assert_ne!(first, masking.mask_tokens(&ids, epoch.at(1)));
    assert_ne!(first, masking.mask_tokens(&ids, other.at(0)));
}

#[test]
fn faults_are_named() {
    let config = MaskingConfig::default().with_rate(1.5).with_replacement(0.8, 0.3);
    let vocabulary = MaskingVocabulary::new(4, 4, vec![0, 1, 2, 3]);
    assert_eq!(
        config.try_init(&vocabulary).unwrap_err().to_string(),
        "masking configuration: `rate` is `1.5`, expected from 0 to 1; `mask + random` is `1.1`, \
         expected at most 1; `mask_id` is `4`, expected less than `vocab_size`, 4; `vocab_size` is \
         `4`, expected more than the number of special ids"
    );
}

#[test]
fn a_long_word_is_hidden_no_more_often_than_a_short_one() {
    let masking = masking(MaskingConfig::default().with_unit(MaskingUnit::WholeWord));
    let chosen = |word: &[u32]| {
        let ids = word.repeat(200_000 / word.len());
        masking.mask_tokens(&ids, Seed::new(1)).positions.len() as f64 / ids.len() as f64
    };
    // Drawing pieces and then the rest of their words would hide 0.556 of the second.
    // Five standard errors: √(0.15 · 0.85 / 4e4) = 1.8e-3 for 40,000 words.
    for word in [&[10][..], &[10, 40, 41, 42, 43]] {
        assert!((chosen(word) - 0.15).abs() < 9e-3, "{word:?}: {}", chosen(word));
    }
}

#[test]
fn a_span_is_hidden_alike_and_ends_with_its_sentence() {
    let config = MaskingConfig::default().with_rate(0.5).with_replacement(0.5, 0.0);
    // Two sentences of three words of two pieces, of which the budget is half.
    let ids = [0, 10, 40, 11, 41, 12, 42, 2, 13, 43, 14, 44, 15, 45, 2];
    let words = masking(config.with_unit(MaskingUnit::NGram(1)));
    let spans = masking(config.with_unit(MaskingUnit::NGram(3)));
    let mut mixed = 0;
    for seed in 0..400 {
        let masked = words.mask_tokens(&ids, Seed::new(seed));
        assert_eq!(masked.positions.len(), 6);
        for word in masked.positions.chunks(2) {
            assert_eq!(masked.input_ids[word[0]] == 59, masked.input_ids[word[1]] == 59);
        }
        let masked = spans.mask_tokens(&ids, Seed::new(seed));
        // The last word of one sentence and the first of the next are of two spans, which differ.
        if masked.positions == [5, 6, 8, 9, 10, 11] {
            mixed += u32::from((masked.input_ids[5] == 59) != (masked.input_ids[8] == 59));
        }
    }
    assert!(mixed > 3, "{mixed}");
}

#[test]
fn rare_tokens_are_chosen_sooner() {
    // One of four is chosen: XLM's weights of the counts 1000, 100, 10 and 1, at α = 0.5.
    let mut counts = vec![0; 60];
    counts[10..14].copy_from_slice(&[1000, 100, 10, 1]);
    let config = MaskingConfig::default().with_rate(0.25).with_alpha(0.5);
    let masking = config.try_init(&vocabulary().with_counts(counts)).unwrap();
    let mut chosen = [0_u32; 4];
    for seed in 0..20_000 {
        let masked = masking.mask_tokens(&[0, 10, 11, 12, 13, 2], Seed::new(seed));
        assert_eq!(masked.positions.len(), 1);
        chosen[masked.positions[0] - 1] += 1;
    }
    for (chosen, weight) in chosen.into_iter().zip([0.021_841, 0.069_068, 0.218_412, 0.690_679]) {
        // Five standard errors of a share: at most 5 · √(0.25 / 2e4) = 0.018.
        let share = f64::from(chosen) / 2e4;
        assert!(
            (share - weight).abs() < 5.0 * (weight * (1.0 - weight) / 2e4_f64).sqrt(),
            "{share}"
        );
    }
}

#[test]
fn what_units_need_is_named() {
    let refusal = |config: MaskingConfig| config.try_init(&vocabulary()).unwrap_err().to_string();
    assert_eq!(
        refusal(MaskingConfig::default().with_unit(MaskingUnit::WholeWord)),
        "masking configuration: `continues` is `0 entries`, expected one for each of 60 ids"
    );
    assert_eq!(
        refusal(MaskingConfig::default().with_unit(MaskingUnit::NGram(0)).with_alpha(0.5)),
        "masking configuration: `alpha` is `0.5`, expected 0 unless `unit` is a token; `unit` is \
         `n-gram of 0 words`, expected at least 1 word; `continues` is `0 entries`, expected one for \
         each of 60 ids; `counts` is `0 entries`, expected one for each of 60 ids"
    );
    let error = refusal(MaskingConfig::default().with_alpha(f64::NAN));
    assert!(error.contains("`alpha` is `NaN`"), "{error}");
}

#[test]
fn a_configuration_is_written_and_read() {
    let config = MaskingConfig::default().with_unit(MaskingUnit::NGram(3));
    let json = serde_json::to_string(&config).unwrap();
    assert!(json.contains(r#""unit":{"n-gram":3}"#), "{json}");
    assert_eq!(serde_json::from_str::<MaskingConfig>(&json).unwrap(), config);
    let old = r#"{"rate":0.15,"mask":0.8,"random":0.1}"#;
    assert_eq!(serde_json::from_str::<MaskingConfig>(old).unwrap(), MaskingConfig::default());
}
