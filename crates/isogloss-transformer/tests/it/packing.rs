//! Packed sequences: the same numbers, and nothing of one in another.

use isogloss_transformer::{
    EncoderBatch, EncoderConfig, HasEncoder, MaskedLanguageModel, MaskedSequence, MlmBatch,
    MlmObjective, Objective, PaddedRows, Pooling, SequenceInput,
};

use crate::tiny::{self, largest_difference, masked, values};

/// Lengths 7, 4, 3, 2 and 6.
fn rows() -> Vec<MaskedSequence> {
    let mut rows = tiny::rows();
    rows.push(masked(&[0, 2], &[], &[]));
    rows.push(masked(&[0, 19, 13, 19, 14, 2], &[1, 3], &[4, 17]));
    rows
}

fn inputs() -> Vec<SequenceInput> {
    rows().into_iter().map(|row| row.input).collect()
}

fn causal() -> EncoderConfig {
    tiny::config().with_causal(true)
}

#[test]
fn the_loss_and_its_gradients_are_those_of_padded_rows() {
    let device = crate::device().autodiff();
    for config in [tiny::config(), causal()] {
        let model = MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
        let result = |batch: MlmBatch| {
            let loss = MlmObjective.loss(&model, &batch);
            let gradients = loss.sum.backward();
            let word = model.encoder().word_embedding().grad(&gradients).unwrap();
            let position = model.encoder().embeddings().position_embedding();
            let position = position.grad(&gradients).unwrap();
            (values(loss.sum)[0], loss.count, values(word), values(position))
        };
        let padded = result(MlmBatch::try_new(&config, &rows(), &device).unwrap());
        for row in [1, 9, 12, 100] {
            let packed = MlmBatch::try_packed(&config, &rows(), row, &device).unwrap();
            let packed = result(packed);
            let slack = isogloss_testing::slack();
            assert!((packed.0 - padded.0).abs() < 2e-5 * slack, "{} {}", packed.0, padded.0);
            assert_eq!(packed.1, padded.1);
            assert!(largest_difference(&packed.2, &padded.2) < 2e-5 * slack, "words");
            assert!(largest_difference(&packed.3, &padded.3) < 2e-5 * slack, "positions");
        }
    }
}

#[test]
fn nothing_of_a_sequence_is_in_another() {
    let device = crate::device();
    for config in [tiny::config(), causal()] {
        let model = MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
        let hidden = |rows: &[SequenceInput]| {
            let batch = EncoderBatch::try_new(&config, rows).unwrap().packed(12);
            values(model.encoder().forward(&batch.to_device(&device)))
        };
        let before = hidden(&inputs());
        let mut rows = inputs();
        rows[1].ids[1] = 4;
        let after = hidden(&rows);
        // Five rows of seven places.
        let width = config.d_model;
        for (row, length) in [7, 4, 3, 2, 6].into_iter().enumerate() {
            let range = row * 7 * width..(row * 7 + length) * width;
            let differs = before[range.clone()] != after[range];
            assert_eq!(differs, row == 1, "row {row}");
        }
    }
}

#[test]
fn vectors_of_packed_sentences_are_theirs_wherever_tokens_stand() {
    let device = crate::device();
    let model = tiny::model(&device);
    let of = |batch: EncoderBatch, pooling| {
        values(model.encoder().embed(&batch.to_device(&device), pooling, None))
    };
    let on_the_right = || EncoderBatch::try_new(&tiny::config(), &inputs()).unwrap();
    // The same rows with their padding on the left.
    let (mut ids, mut is_token, mut positions) = (Vec::new(), Vec::new(), Vec::new());
    for input in inputs() {
        let padding = 7 - input.len();
        ids.extend([vec![1; padding], input.ids].concat());
        is_token.extend((0..7).map(|place| place >= padding));
        positions.extend([vec![0; padding], input.positions].concat());
    }
    let rows = PaddedRows { ids, is_token, positions: Some(positions), ..PaddedRows::default() };
    let on_the_left = || EncoderBatch::try_from_padded(&tiny::config(), 7, &rows).unwrap();
    for pooling in [Pooling::Mean, Pooling::Max, Pooling::MeanSqrtLen] {
        let expected = of(on_the_right(), pooling);
        for batch in [on_the_right().packed(10), on_the_left(), on_the_left().packed(10)] {
            let difference = largest_difference(&of(batch, pooling), &expected);
            assert!(difference < 1e-5 * isogloss_testing::slack(), "{pooling:?}: {difference}");
        }
    }
    let [padded, packed] =
        [on_the_right(), on_the_right().packed(10)].map(|batch| of(batch, Pooling::Cls));
    assert!(largest_difference(&padded, &packed) < 1e-5 * isogloss_testing::slack());
}

#[test]
fn packed_rows_are_hardly_padded() {
    let batch = EncoderBatch::try_new(&tiny::config(), &inputs()).unwrap();
    // 22 tokens in 5 rows of 7.
    assert!((batch.padding_share() - 13.0 / 35.0).abs() < 1e-12);
    // 7 and 4, 6 and 3 and 2: two rows of 11.
    assert!(batch.clone().packed(11).padding_share().abs() < 1e-12);
    let packed = batch.packed(11).to_device(&crate::device());
    assert_eq!((packed.dims(), packed.layer_dims()), ([5, 7], [2, 11]));
}
