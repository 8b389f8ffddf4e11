//! Layouts of sentences and pairs.

use isogloss_transformer::{EncoderBatch, SequenceLayout};

use crate::tiny;

#[test]
fn xlm_frames_both_sides_and_restarts_positions() {
    // The worked case: x = [5, 6], y = [8, 9, 10] and x = [7], y = [11, 12], end of sentence 1.
    let layout = SequenceLayout::xlm(1, 10);
    let first = layout.pair_in(&[5, 6], &[8, 9, 10], [0, 1]);
    assert_eq!(first.input.ids, [1, 5, 6, 1, 1, 8, 9, 10, 1]);
    assert_eq!(first.input.positions, [0, 1, 2, 3, 0, 1, 2, 3, 4]);
    assert_eq!(first.input.languages, Some(vec![0, 0, 0, 0, 1, 1, 1, 1, 1]));
    let second = layout.pair_in(&[7], &[11, 12], [0, 1]);
    assert_eq!(second.input.ids, [1, 7, 1, 1, 11, 12, 1]);
    assert_eq!(second.input.positions, [0, 1, 2, 0, 1, 2, 3]);
    assert_eq!(second.input.languages, Some(vec![0, 0, 0, 1, 1, 1, 1]));

    let config = tiny::config().with_pad_id(2).with_n_languages(2);
    let batch = EncoderBatch::try_new(&config, &[first.input, second.input]).unwrap();
    let ids: Vec<i64> = batch.to_device(&crate::device()).ids().into_data().iter().collect();
    assert_eq!(ids, [1, 5, 6, 1, 1, 8, 9, 10, 1, 1, 7, 1, 1, 11, 12, 1, 2, 2]);
}

#[test]
fn xlm_r_opens_with_its_own_delimiter() {
    let layout = SequenceLayout::xlm_roberta(0, 2, 10);
    assert_eq!(layout.sentence(&[5, 6]).input.ids, [0, 5, 6, 2]);
    let pair = layout.pair(&[5, 6], &[8]).input;
    assert_eq!(pair.ids, [0, 5, 6, 2, 2, 8, 2]);
    assert_eq!(pair.positions, [0, 1, 2, 3, 0, 1, 2]);
    assert_eq!(pair.languages, None);
    let running = layout.with_running_positions().pair(&[5, 6], &[8]).input;
    assert_eq!(running.positions, [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn each_side_is_cut_by_itself_and_says_so() {
    let layout = SequenceLayout::xlm_roberta(0, 2, 3);
    let pair = layout.pair_in(&[5, 6, 7, 8, 9], &[10, 11, 12, 13], [4, 3]);
    assert_eq!(pair.input.ids, [0, 5, 6, 7, 2, 2, 10, 11, 12, 2]);
    assert_eq!(pair.input.languages, Some(vec![4, 4, 4, 4, 4, 3, 3, 3, 3, 3]));
    assert_eq!(pair.truncated, [2, 1]);
    assert_eq!(layout.sentence_in(&[5, 6], 1).truncated, [0, 0]);
    assert_eq!(layout.max_positions(), 5);
    assert_eq!(layout.with_running_positions().max_positions(), 10);
}

#[test]
fn an_empty_side_is_two_delimiters() {
    let pair = SequenceLayout::xlm(1, 3).pair(&[], &[]);
    assert_eq!(pair.input.ids, [1, 1, 1, 1]);
    assert_eq!(pair.input.positions, [0, 1, 0, 1]);
}
