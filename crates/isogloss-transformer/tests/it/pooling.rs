//! Pooling: cases worked by hand.

use burn::tensor::Tensor;
use isogloss_transformer::{DeviceBatch, EncoderBatch, Pooling, SequenceInput, l2_normalize};

use crate::tiny::{self, largest_difference, values};

/// Rows of 3 and 2 tokens.
fn rows() -> EncoderBatch {
    let rows = [SequenceInput::new(vec![0, 5, 2]), SequenceInput::new(vec![0, 2])];
    EncoderBatch::try_new(&tiny::config(), &rows).unwrap()
}

fn batch() -> DeviceBatch {
    rows().to_device(&crate::device())
}

#[test]
fn padding_and_prompts_have_no_part_in_a_sentence_vector() {
    let hidden = Tensor::<3>::from_floats(
        [
            [[1.0, -4.0], [2.0, -5.0], [6.0, -9.0]],
            [[1.0, -1.0], [3.0, -2.0], [99.0, 99.0]], // the last is padding
        ],
        &crate::device(),
    );
    for (pooling, expected) in [
        (Pooling::Mean, [3.0, -6.0, 2.0, -1.5]),
        (Pooling::Cls, [1.0, -4.0, 1.0, -1.0]),
        (Pooling::Max, [6.0, -4.0, 3.0, -1.0]),
        (Pooling::MeanSqrtLen, [5.196_152, -10.392_305, 2.828_427, -2.121_32]),
    ] {
        let pooled = values(pooling.forward(hidden.clone(), &batch()));
        // Thirds in f32.
        assert!(
            largest_difference(&pooled, &expected) < 1e-5 * isogloss_testing::slack(),
            "{pooling:?}: {pooled:?}"
        );
    }
    // Without the first token, as if it were a prompt.
    let batch = rows().without_pooling(1).unwrap().to_device(&crate::device());
    for (pooling, expected) in [
        (Pooling::Mean, [4.0, -7.0, 3.0, -2.0]),
        (Pooling::Max, [6.0, -5.0, 3.0, -2.0]),
        (Pooling::MeanSqrtLen, [5.656_854, -9.899_495, 3.0, -2.0]),
    ] {
        let pooled = values(pooling.forward(hidden.clone(), &batch));
        assert!(
            largest_difference(&pooled, &expected) < 1e-5 * isogloss_testing::slack(),
            "{pooling:?}: {pooled:?}"
        );
    }
    let error = rows().without_pooling(2).unwrap_err().to_string();
    assert_eq!(error, "sequence 1: 2 tokens, expected more than 2, those of the prompt");
}

#[test]
fn normalised_rows_have_length_one_and_zero_stays_zero() {
    let vectors = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &crate::device());
    let expected = [0.6, 0.8, 0.0, 0.0];
    assert!(largest_difference(&values(l2_normalize(vectors)), &expected) < 1e-6);
}

#[test]
fn a_row_of_zeros_takes_a_finite_gradient() {
    let device = crate::device().autodiff();
    let vectors = Tensor::<2>::zeros([1, 2], &device).require_grad();
    let gradients = l2_normalize(vectors.clone()).sum().backward();
    assert!(values(vectors.grad(&gradients).unwrap()).iter().all(|x| x.is_finite()));
}
