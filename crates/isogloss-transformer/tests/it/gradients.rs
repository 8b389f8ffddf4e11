//! Gradients against finite differences and against plain operations.

use burn::tensor::{Device, Int, Tensor, activation};
use isogloss_transformer::{HasEncoder, decoder_cross_entropy};

use crate::tiny::{self, largest_difference, values};

#[test]
fn the_decoder_s_own_gradient_is_that_of_plain_operations() {
    let device = crate::device().autodiff();
    let ramp = |rows: usize, columns: usize, phase: f32| {
        let values: Vec<f32> =
            (0..rows * columns).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        Tensor::<1>::from_floats(values.as_slice(), &device).reshape([rows, columns]).require_grad()
    };
    let (hidden, weight) = (ramp(4, 5, 0.1), ramp(7, 5, 0.2));
    let bias = ramp(1, 7, 0.3).reshape([7]).detach().require_grad();
    let targets = Tensor::<1, Int>::from_data([3, 0, 6, 3], &device);

    // Divided by 4, so that the factor of what comes after the loss is seen to arrive.
    let own = decoder_cross_entropy(&hidden, &weight, &bias, &targets).mean();
    let logits = hidden.clone().matmul(weight.clone().transpose()) + bias.clone().unsqueeze();
    let chosen = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    let plain = chosen.mean().neg();
    assert!((values(own.clone())[0] - values(plain.clone())[0]).abs() < 1e-6);

    let (own, plain) = (own.backward(), plain.backward());
    for (what, tensor) in [("hidden", &hidden), ("weight", &weight)] {
        let [own, plain] = [&own, &plain].map(|g| values(tensor.grad(g).unwrap()));
        assert!(largest_difference(&own, &plain) < 1e-6, "{what}");
    }
    let [own, plain] = [&own, &plain].map(|g| values(bias.grad(g).unwrap()));
    assert!(largest_difference(&own, &plain) < 1e-6, "bias");
}

#[test]
fn a_frozen_decoder_takes_no_gradient() {
    let device = crate::device().autodiff();
    let hidden = Tensor::<2>::from_floats([[0.1, 0.2]], &device).require_grad();
    let weight = Tensor::<2>::from_floats([[0.3, 0.4], [0.5, -0.6]], &device);
    let bias = Tensor::<1>::zeros([2], &device);
    let targets = Tensor::<1, Int>::from_data([1], &device);
    let loss = decoder_cross_entropy(&hidden, &weight, &bias, &targets);
    let gradients = loss.sum.backward();
    assert!(hidden.grad(&gradients).is_some());
    assert!(weight.grad(&gradients).is_none());
}

/// The loss of the tiny model as a function of one number in its word embedding.
fn loss_with(device: &Device, cell: [usize; 2], step: f32) -> f64 {
    let model = tiny::with_step(tiny::model(device), cell, step);
    f64::from(values(model.loss(&tiny::batch(&tiny::rows(), device)).sum)[0])
}

#[test]
fn the_gradient_of_the_tied_embedding_is_the_slope_of_the_loss() {
    if isogloss_testing::slack() > 1.0 {
        // A slope of losses that are rounded so much says nothing.
        return;
    }
    let device = crate::device();
    let training = device.clone().autodiff();
    let model = tiny::model(&training);
    let loss = model.loss(&tiny::batch(&tiny::rows(), &training));
    let gradients = loss.sum.backward();
    let gradient = values(model.encoder().word_embedding().grad(&gradients).unwrap());
    // Ids that are read, predicted, hidden behind the mask, and absent.
    for cell in [[5, 0], [6, 3], [19, 7], [15, 2], [10, 1]] {
        let step = 1e-2_f32;
        let slope = (loss_with(&device, cell, step) - loss_with(&device, cell, -step))
            / f64::from(2.0 * step);
        let found = f64::from(gradient[cell[0] * 8 + cell[1]]);
        // f32 rounds a loss of about 10 to 1e-6: 1e-4 over the step; the third derivative adds
        // about step² = 1e-4.
        assert!((slope - found).abs() < 2e-3 * (1.0 + found.abs()), "{cell:?}: {slope} {found}");
    }
}
