//! How probable texts are, token by token, beside transformers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use isogloss_core::{Progress, ProgressEvent};
use isogloss_transformer::{
    BatchError, HasEncoder, MaskedLanguageModel, Pretrained, PseudoLikelihood,
    PseudoLikelihoodConfig, SequenceInput, WordedSequence,
};
use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};
use serde::Deserialize;

use crate::reference::dir;
use crate::tiny::{config, model};

const BOTH: [PseudoLikelihood; 2] = [PseudoLikelihood::Original, PseudoLikelihood::WithinWord];

/// What `fixtures/pseudo_likelihood` holds.
#[derive(Deserialize)]
struct Expected {
    mask_id: u32,
    sequences: Vec<Sequence>,
    models: BTreeMap<String, BTreeMap<String, Vec<Vec<f64>>>>,
}

#[derive(Deserialize)]
struct Sequence {
    ids: Vec<u32>,
    words: Vec<Option<usize>>,
}

impl Expected {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/pseudo_likelihood/expected.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn sequences(&self) -> Vec<WordedSequence> {
        self.sequences.iter().map(|it| worded(&it.ids, &it.words)).collect()
    }
}

fn worded(ids: &[u32], words: &[Option<usize>]) -> WordedSequence {
    WordedSequence { input: SequenceInput::new(ids.to_vec()), words: words.to_vec() }
}

#[test]
fn tokens_are_as_probable_as_in_transformers() {
    let (device, expected) = (crate::device(), Expected::read());
    let sequences = expected.sequences();
    assert_eq!(expected.models.len(), 5);
    for (name, by_mask) in &expected.models {
        let opened = Pretrained::<MaskedLanguageModel>::open(&dir(name), &device).unwrap();
        for (masks, key) in BOTH.into_iter().zip(["original", "within-word"]) {
            // One batch, several, and one for each copy: the numbers are the same.
            for batch_tokens in [2_048, 25, 0] {
                let config = PseudoLikelihoodConfig::new(expected.mask_id)
                    .with_masks(masks)
                    .with_batch_tokens(batch_tokens);
                let found =
                    opened.model().pseudo_log_likelihoods(&sequences, &config, &device, &());
                for (found, expected) in found.unwrap().iter().zip(&by_mask[key]) {
                    assert_eq!(found.log_probabilities.len(), expected.len(), "{name} {key}");
                    for (found, expected) in found.log_probabilities.iter().zip(expected) {
                        let difference = (f64::from(*found) - expected).abs();
                        assert!(
                            difference <= 2e-5 * f64::from(isogloss_testing::slack()),
                            "{name} {key}: {found} {expected}"
                        );
                    }
                    let total: f64 = expected.iter().sum();
                    assert!((found.total() - total).abs() <= 2e-4, "{name} {key}");
                }
            }
        }
    }
}

#[test]
fn later_tokens_of_a_word_are_hidden_by_default() {
    let words = [0, 1, 1, 1, 2].map(Some);
    let hidden = |masks: PseudoLikelihood| -> Vec<(usize, Vec<usize>)> {
        masks.copies(&words).into_iter().map(|copy| (copy.scored, copy.hidden)).collect()
    };
    let original = hidden(PseudoLikelihood::Original);
    assert_eq!(original, [0, 1, 2, 3, 4].map(|at| (at, vec![at])));
    assert_eq!(PseudoLikelihood::default(), PseudoLikelihood::WithinWord);
    assert_eq!(PseudoLikelihoodConfig::new(3).masks, PseudoLikelihood::WithinWord);
    let within = hidden(PseudoLikelihood::default());
    let expected = [(0, vec![0]), (1, vec![1, 2, 3]), (2, vec![2, 3]), (3, vec![3]), (4, vec![4])];
    assert_eq!(within, expected);
}

fn some_words() -> impl Strategy<Value = Vec<Option<usize>>> {
    prop::collection::vec(prop::option::of(0..4_usize), 0..12)
}

proptest! {
    #[test]
    fn a_token_is_hidden_with_what_follows_in_its_word(words in some_words()) {
        for masks in BOTH {
            let copies = masks.copies(&words);
            let scored: Vec<usize> = copies.iter().map(|copy| copy.scored).collect();
            let ordinary: Vec<usize> =
                (0..words.len()).filter(|&at| words[at].is_some()).collect();
            prop_assert_eq!(scored, ordinary);
            for copy in copies {
                for at in 0..words.len() {
                    let goes_with = masks == PseudoLikelihood::WithinWord
                        && at > copy.scored
                        && words[at] == words[copy.scored];
                    prop_assert_eq!(copy.hidden.contains(&at), at == copy.scored || goes_with);
                }
            }
        }
    }
}

#[test]
fn words_of_one_token_have_one_score_either_way() {
    let device = crate::device();
    let model = model(&device);
    let sequences = [worded(&[0, 5, 6, 7, 2], &[None, Some(0), Some(1), Some(2), None])];
    let [original, within] = BOTH.map(|masks| {
        let config = PseudoLikelihoodConfig::new(19).with_masks(masks);
        model.pseudo_log_likelihoods(&sequences, &config, &device, &()).unwrap()
    });
    assert_eq!(original, within);
    assert_eq!(original[0].positions, [1, 2, 3]);
    assert!(original[0].total() < 0.0);
}

#[test]
fn faults_are_those_of_the_callers_sequence() {
    let device = crate::device();
    let model = model(&device);
    let error = |sequences: &[WordedSequence], mask_id| {
        let config = PseudoLikelihoodConfig::new(mask_id);
        model.pseudo_log_likelihoods(sequences, &config, &device, &()).unwrap_err().to_string()
    };
    let good = worded(&[0, 5, 6, 7, 2], &[None, Some(0), Some(1), Some(2), None]);
    let short = worded(&[0, 5, 2], &[None, Some(0)]);
    assert_eq!(error(&[good.clone(), short], 19), "sequence 1: 2 words, expected 3");
    let unknown = worded(&[0, 20, 2], &[None, Some(0), None]);
    assert_eq!(
        error(&[good.clone(), unknown], 19),
        "sequence 1, token 1: id 20, expected less than 20"
    );
    let padding = config().pad_id;
    let padded = worded(&[0, padding, 2], &[None, Some(0), None]);
    let found = error(&[good.clone(), good.clone(), padded], 19);
    assert_eq!(found, BatchError::Padding { sequence: 2, token: 1, pad_id: padding }.to_string());
    assert_eq!(error(&[good], 20), "sequence 0, token 1: mask id 20, expected less than 20");
    let none = PseudoLikelihoodConfig::new(19);
    assert!(model.pseudo_log_likelihoods(&[], &none, &device, &()).unwrap().is_empty());
    assert_eq!(model.encoder().config().vocab_size, 20);
}

#[test]
fn progress_counts_tokens() {
    struct Seen(RefCell<Vec<u64>>);
    impl Progress for Seen {
        fn report(&self, event: ProgressEvent<'_>) {
            match event {
                ProgressEvent::Started { total, .. } => self.0.borrow_mut().extend(total),
                ProgressEvent::Advanced { done, .. } => self.0.borrow_mut().push(done),
                _ => {}
            }
        }
    }
    let (device, seen) = (crate::device(), Seen(RefCell::default()));
    let sequences = vec![worded(&[0, 5, 6, 2], &[None, Some(0), Some(0), None]); 2];
    let config = PseudoLikelihoodConfig::new(19).with_batch_tokens(12);
    model(&device).pseudo_log_likelihoods(&sequences, &config, &device, &seen).unwrap();
    assert_eq!(seen.0.into_inner(), [4, 3, 4]);
}
