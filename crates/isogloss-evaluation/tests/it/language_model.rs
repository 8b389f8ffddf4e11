//! Perplexities, against Python and against the check of the specification.

use isogloss_core::Seed;
use isogloss_evaluation::{
    BitsPerByte, BootstrapConfig, Metric, Perplexity, TextCounts, TextLikelihood, TextUnit,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    // Text, log-likelihood, and tokens, words, characters and bytes.
    items: Vec<(String, f64, u64, u64, u64, u64)>,
    perplexities: [Option<f64>; 4],
    bits_per_byte: f64,
}

const UNITS: [TextUnit; 4] = [TextUnit::Token, TextUnit::Word, TextUnit::Character, TextUnit::Byte];

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected, "{found}, expected {expected}");
}

#[test]
fn counts_and_perplexities_are_those_of_python() {
    let expected: Expected =
        serde_json::from_str(include_str!("../fixtures/language_model/expected.json")).unwrap();
    for group in expected.groups {
        let items: Vec<TextLikelihood> = group
            .items
            .iter()
            .map(|(text, log_likelihood, tokens, words, characters, bytes)| {
                let counts = TextCounts::new(text, *tokens);
                let found = UNITS.map(|unit| counts.of(unit));
                assert_eq!(found, [*tokens, *words, *characters, *bytes], "{text:?}");
                TextLikelihood::try_new(*log_likelihood, counts).unwrap()
            })
            .collect();
        for (unit, expected) in UNITS.into_iter().zip(group.perplexities) {
            let found = Perplexity { unit }.aggregate(&mut items.iter());
            match expected {
                Some(expected) => assert_close(found.unwrap(), expected),
                None => assert!(found.is_none_or(|found| found > 1e300), "{found:?}"),
            }
        }
        assert_close(BitsPerByte.aggregate(&mut items.iter()).unwrap(), group.bits_per_byte);
    }
}

#[test]
fn check_values_are_met() {
    // NFC: letters with a dot below have no composed form with a tone mark.
    let text = "\u{1eb9}\u{300}k\u{1ecd}\u{301} d\u{e1}ra";
    let counts = TextCounts::new(text, 4);
    assert_eq!((counts.characters, counts.bytes, counts.words), (10, 17, 2));
    let items = [TextLikelihood::try_new(-6.5, counts).unwrap()];
    let expected = [5.078_419_037_2, 25.790_339_917_2, 1.915_540_829_0, 1.465_729_310_1];
    for (unit, expected) in UNITS.into_iter().zip(expected) {
        assert_close(Perplexity { unit }.aggregate(&mut items.iter()).unwrap(), expected);
    }
    assert_close(BitsPerByte.aggregate(&mut items.iter()).unwrap(), 0.551_618_692_1);
}

#[test]
fn likelihoods_are_pooled_and_resampled() {
    let item = |log_likelihood, text: &str| {
        TextLikelihood::try_new(log_likelihood, TextCounts::new(text, 1)).unwrap()
    };
    let texts = [item(-1.0, "a"), item(-5.0, "b c d"), item(-2.0, "é")];
    // -8 over 1 + 5 + 2 bytes; the mean of the texts' own would be 1 as well, of their exponentials not.
    assert_close(
        Perplexity { unit: TextUnit::Byte }.aggregate(&mut texts.iter()).unwrap(),
        1_f64.exp(),
    );
    assert_close(
        Perplexity { unit: TextUnit::Word }.aggregate(&mut texts.iter()).unwrap(),
        1.6_f64.exp(),
    );
    let bootstrap = BootstrapConfig::new(Seed::new(3));
    let estimate = bootstrap.estimate(&Perplexity { unit: TextUnit::Word }, &texts).unwrap();
    assert!(
        estimate.low <= estimate.value && estimate.value <= estimate.high && estimate.items == 3
    );
    assert!(estimate.low < estimate.high);
}

#[test]
fn what_has_no_units_has_no_perplexity() {
    let blank = TextLikelihood::try_new(-1.0, TextCounts::new(" \u{1c} ", 3)).unwrap();
    assert_eq!(Perplexity { unit: TextUnit::Word }.aggregate(&mut [blank].iter()), None);
    assert!(BitsPerByte.aggregate(&mut [blank].iter()).is_some());
    assert_eq!(BitsPerByte.aggregate(&mut [].iter()), None);
    for (value, found) in [(0.5, "0.5"), (f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf")] {
        let error = TextLikelihood::try_new(value, TextCounts::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "`log_likelihood` is {found}, expected a finite natural logarithm of a \
                 probability, 0 or less"
            ),
        );
    }
}
