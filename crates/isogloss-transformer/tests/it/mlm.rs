//! The masked language model: its head, its loss.

use burn::tensor::activation;
use isogloss_transformer::{HasEncoder, MlmObjective, Objective};

use crate::tiny::{self, largest_difference, masked, values};

#[test]
fn scores_at_masked_positions_are_those_of_all_positions_gathered() {
    let device = crate::device();
    let model = tiny::model(&device);
    let batch = tiny::batch(&tiny::rows(), &device);
    let hidden = model.encoder().forward(batch.input());
    let [rows, seq, _] = hidden.dims();
    let everywhere = burn::tensor::Tensor::arange(0..(rows * seq).cast_signed() as i64, &device);
    let all = model.logits_at(hidden, &everywhere); // [rows · seq, vocab]
    let gathered = all.select(0, batch.flat_positions().clone());
    assert_eq!(
        batch.flat_positions().clone().into_data().iter::<i64>().collect::<Vec<_>>(),
        [2, 4, 8]
    );
    let difference = largest_difference(&values(gathered), &values(model.logits(&batch)));
    assert!(difference < 1e-5, "difference {difference}");
}

#[test]
fn the_loss_is_the_cross_entropy_of_the_scores() {
    for device in [crate::device(), crate::device().autodiff()] {
        let model = tiny::model(&device);
        let batch = tiny::batch(&tiny::rows(), &device);
        let labels = batch.labels().clone().unsqueeze_dim::<2>(1);
        let plain = activation::log_softmax(model.logits(&batch), 1).gather(1, labels);
        let loss = MlmObjective.loss(&model, &batch);
        assert_eq!(loss.count, 3);
        let difference = values(plain.sum().neg())[0] - values(loss.sum)[0];
        assert!(difference.abs() < 1e-5, "difference {difference}");
    }
}

#[test]
fn nothing_masked_is_a_loss_of_zero_without_gradient() {
    let device = crate::device().autodiff();
    let model = tiny::model(&device);
    let loss = model.loss(&tiny::batch(&[masked(&[0, 5, 2], &[], &[])], &device));
    assert_eq!((loss.count, values(loss.mean())[0].to_bits()), (0, 0));
    let gradients = loss.mean().backward();
    assert!(model.encoder().word_embedding().grad(&gradients).is_none());
}

#[test]
fn scores_on_the_host_agree_with_the_loss() {
    let device = crate::device();
    let model = tiny::model(&device);
    let batch = tiny::batch(&tiny::rows(), &device);
    let scores = model.score(&batch);
    let sum: f32 = scores.log_probabilities.iter().sum();
    assert!((sum + values(model.loss(&batch).sum)[0]).abs() < 1e-5);
    let first: Vec<i64> = model.logits(&batch).argmax(1).into_data().iter().collect();
    let is_first: Vec<_> = first.iter().zip([6, 8, 10]).map(|(&id, label)| id == label).collect();
    assert_eq!(scores.is_first, is_first);
}
