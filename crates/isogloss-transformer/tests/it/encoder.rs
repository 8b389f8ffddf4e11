//! The encoder: what its output depends on, and what it does not.

use burn::module::Module;
use isogloss_core::Seed;
use isogloss_transformer::{EncoderBatch, SequenceInput};

use crate::tiny::{self, largest_difference, values};

/// Hidden states of each row's tokens, padding cut off.
fn states(rows: &[SequenceInput], autodiff: bool) -> Vec<Vec<f32>> {
    let plain = crate::device();
    let device = if autodiff { plain.autodiff() } else { plain };
    let encoder = tiny::model(&device).into_encoder();
    let batch = EncoderBatch::try_new(encoder.config(), rows).unwrap().to_device(&device);
    let hidden = encoder.forward(&batch);
    let [_, _, d_model] = hidden.dims();
    rows.iter()
        .enumerate()
        .map(|(row, input)| {
            let cut = hidden.clone().narrow(0, row, 1).narrow(1, 0, input.len());
            assert_eq!(cut.dims(), [1, input.len(), d_model]);
            values(cut)
        })
        .collect()
}

fn rows() -> Vec<SequenceInput> {
    tiny::rows().into_iter().map(|row| row.input).collect()
}

#[test]
fn a_row_is_read_alike_alone_and_beside_longer_rows() {
    for autodiff in [false, true] {
        let together = states(&rows(), autodiff);
        for (row, together) in rows().into_iter().zip(&together) {
            let alone = states(&[row], autodiff);
            // f32 sums of at most 16 terms, in another order.
            assert!(largest_difference(&alone[0], together) < 1e-5 * isogloss_testing::slack());
        }
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    let forwards = states(&rows(), false);
    let mut reversed: Vec<_> = rows();
    reversed.reverse();
    let backwards = states(&reversed, false);
    for (a, b) in forwards.iter().zip(backwards.iter().rev()) {
        assert!(largest_difference(a, b) < 1e-5 * isogloss_testing::slack());
    }
}

#[test]
fn training_and_inference_compute_the_same() {
    for (training, inference) in states(&rows(), true).iter().zip(states(&rows(), false)) {
        // The fused kernel orders its sums otherwise.
        assert!(largest_difference(training, &inference) < 1e-5 * isogloss_testing::slack());
    }
}

#[test]
fn positions_matter() {
    let row = SequenceInput::new(vec![0, 5, 6, 2]);
    let restarted = SequenceInput { positions: vec![0, 1, 0, 1], ..row.clone() };
    let states = states(&[row, restarted], false);
    assert!(largest_difference(&states[0], &states[1]) > 0.1);
}

#[test]
fn languages_matter() {
    let config = tiny::config().with_n_languages(2);
    let device = crate::device();
    let encoder = config.try_init(&device, Seed::new(3)).unwrap();
    let row = SequenceInput::new(vec![0, 5, 6, 2]);
    let rows = [row.clone().with_language(0), row.with_language(1)];
    let batch = EncoderBatch::try_new(&config, &rows).unwrap().to_device(&device);
    let states = values(encoder.forward(&batch));
    assert!(largest_difference(&states[..32], &states[32..]) > 0.1);
}

#[test]
fn a_middle_layer_is_what_a_shallower_encoder_ends_with() {
    let device = crate::device();
    let (deep, shallow) = (tiny::config(), tiny::config().with_n_layers(1));
    let batch = EncoderBatch::try_new(&deep, &rows()).unwrap().to_device(&device);
    let deep = deep.try_init(&device, Seed::new(3)).unwrap();
    let shallow = shallow.try_init(&device, Seed::new(3)).unwrap();
    assert!(deep.num_params() > shallow.num_params());
    assert_eq!(values(deep.forward_layers(&batch, 1)), values(shallow.forward(&batch)));
    assert_eq!(values(deep.forward_layers(&batch, 9)), values(deep.forward(&batch)));
}
