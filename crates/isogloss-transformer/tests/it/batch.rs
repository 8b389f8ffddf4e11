//! What makes a batch, and what does not.

use isogloss_transformer::{EncoderBatch, EncoderConfig, MlmBatch, SequenceInput};

use crate::tiny::{self, masked};

fn refusal(config: &EncoderConfig, rows: &[SequenceInput]) -> String {
    EncoderBatch::try_new(config, rows).unwrap_err().to_string()
}

#[test]
fn rows_are_padded_to_the_longest() {
    let rows = [SequenceInput::new(vec![0, 5, 2]), SequenceInput::new(vec![0, 5, 6, 7, 2])];
    let batch = EncoderBatch::try_new(&tiny::config(), &rows).unwrap();
    assert_eq!(batch.lengths(), [3, 5]);
    assert!((batch.padding_share() - 0.2).abs() < 1e-12);
    let batch = batch.to_device(&crate::device());
    let ids: Vec<i64> = batch.ids().into_data().iter().collect();
    assert_eq!(ids, [0, 5, 2, 1, 1, 0, 5, 6, 7, 2]);
    let mask: Vec<bool> = batch.mask_pad().into_data().iter().collect();
    assert_eq!(mask, [false, false, false, true, true, false, false, false, false, false]);
}

#[test]
fn what_the_tables_do_not_hold_is_refused_with_its_place() {
    let config = tiny::config();
    assert_eq!(refusal(&config, &[]), "batch of 0 sequences, expected at least 1");
    let row = SequenceInput::new(vec![0, 2]);
    let empty = SequenceInput::new(Vec::new());
    assert_eq!(
        refusal(&config, &[row.clone(), empty]),
        "sequence 1: 0 tokens, expected at least 1"
    );
    let beyond = SequenceInput::new(vec![0, 20]);
    assert_eq!(
        refusal(&config, &[row.clone(), beyond]),
        "sequence 1, token 1: id 20, expected less than 20"
    );
    let long = SequenceInput::new(vec![5; 13]);
    assert_eq!(
        refusal(&config, &[long]),
        "sequence 0, token 12: position 12, expected less than 12"
    );
    let padded = SequenceInput::new(vec![0, 1, 2]);
    assert_eq!(
        refusal(&config, &[padded]),
        "sequence 0, token 1: id 1 is padding, expected a real token"
    );
    let short = SequenceInput { positions: vec![0], ..row };
    assert_eq!(refusal(&config, &[short]), "sequence 0: 1 positions, expected 2");
}

#[test]
fn languages_go_with_models_that_have_them() {
    let row = SequenceInput::new(vec![0, 2]);
    let with = row.clone().with_language(0);
    assert_eq!(
        refusal(&tiny::config(), std::slice::from_ref(&with)),
        "sequence 0: languages are given, expected absent (the model has 0 language embeddings)"
    );
    let config = tiny::config().with_n_languages(2);
    assert_eq!(
        refusal(&config, &[with.clone(), row.clone()]),
        "sequence 1: languages are absent, expected given (the model has 2 language embeddings)"
    );
    let beyond = row.with_language(2);
    assert_eq!(
        refusal(&config, &[with, beyond]),
        "sequence 1, token 0: language 2, expected less than 2"
    );
}

#[test]
fn masked_places_are_checked_too() {
    let refusal = |ids: &[u32], positions: &[usize], labels: &[u32]| {
        let row = masked(ids, positions, labels);
        MlmBatch::try_new(&tiny::config(), &[row], &crate::device()).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&[0, 19, 2], &[3], &[5]),
        "sequence 0, token 3: masked position 3, expected less than 3"
    );
    assert_eq!(
        refusal(&[0, 19, 2], &[1], &[20]),
        "sequence 0, token 1: label 20, expected less than 20"
    );
    assert_eq!(refusal(&[0, 19, 2], &[1], &[]), "sequence 0: 0 labels, expected 1");
}

#[test]
fn a_place_is_predicted_once() {
    let row = masked(&[0, 19, 7, 2], &[1, 1], &[5, 6]);
    let error = MlmBatch::try_new(&tiny::config(), &[row], &crate::device()).unwrap_err();
    assert_eq!(error.to_string(), "sequence 0, token 1: masked position twice, expected once");
}
