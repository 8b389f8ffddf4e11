//! Masking: what it leaves alone, and how often it does what.

use isogloss_core::Seed;
use isogloss_transformer::{Masking, MaskingConfig, MaskingVocabulary};
use proptest::collection::vec;
use proptest::prelude::*;

fn vocabulary() -> MaskingVocabulary {
    MaskingVocabulary { vocab_size: 60, mask_id: 59, special_ids: vec![2, 0, 3, 1] }
}

fn masking(config: MaskingConfig) -> Masking {
    config.try_init(&vocabulary()).unwrap()
}

proptest! {
    #[test]
    fn masking_hides_only_what_it_says(
        ids in vec(0_u32..60, 0..40),
        rate in 0.0..=1.0,
        seed in any::<u64>(),
    ) {
        let masking = masking(MaskingConfig::default().with_rate(rate));
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
    let vocabulary = MaskingVocabulary { vocab_size: 4, mask_id: 4, special_ids: vec![0, 1, 2, 3] };
    assert_eq!(
        config.try_init(&vocabulary).unwrap_err().to_string(),
        "masking configuration: `rate` is `1.5`, expected from 0 to 1; `mask + random` is `1.1`, \
         expected at most 1; `mask_id` is `4`, expected less than `vocab_size`, 4; `vocab_size` is \
         `4`, expected more than the number of special ids"
    );
}
