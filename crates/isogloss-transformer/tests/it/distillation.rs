//! Distillation: the loss by hand, and a student that learns.

use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_transformer::{
    DistillationBatch, DistillationConfig, DistillationObjective, Objective, Pooling,
    SequenceInput, l2_normalize,
};

use crate::tiny::{self, values};

fn sides() -> [Vec<SequenceInput>; 2] {
    [[5, 6, 7], [9, 10, 11]].map(|ids| ids.map(|id| SequenceInput::new(vec![0, id, 2])).to_vec())
}

#[test]
fn the_loss_is_the_mean_over_pairs_and_numbers_of_both_sides() {
    let device = crate::device();
    let encoder = tiny::model(&device).into_encoder();
    let [x, y] = sides();
    let teacher: Vec<Vec<f32>> = (0..3)
        .map(|row| (0..8).map(|column| ((row * 8 + column) as f32).sin()).collect())
        .collect();
    let vectors: Vec<&[f32]> = teacher.iter().map(Vec::as_slice).collect();
    let batch = DistillationBatch::try_new(&tiny::config(), [&x, &y], &vectors, &device).unwrap();
    for config in [
        DistillationConfig::default(),
        DistillationConfig::default().with_pooling(Pooling::Cls).with_normalize(true),
    ] {
        let mut expected = 0.0;
        for side in batch.sides() {
            let student = encoder.embed(side, config.pooling, None);
            let student = if config.normalize { l2_normalize(student) } else { student };
            let squares =
                values(student).into_iter().zip(teacher.concat()).map(|(a, b)| (a - b).powi(2));
            expected += squares.sum::<f32>() / 24.0;
        }
        let loss = DistillationObjective::new(config).loss(&encoder, &batch);
        assert_eq!(loss.count, 3);
        assert!((values(loss.mean())[0] - expected).abs() < 1e-5);
    }
}

#[test]
fn a_student_comes_to_say_what_its_teacher_says() {
    let device = crate::device().autodiff();
    let mut student = tiny::model(&device).into_encoder();
    let teacher = isogloss_transformer::MaskedLanguageModel::try_init(
        &tiny::config(),
        &crate::device(),
        isogloss_core::Seed::new(77),
    );
    let teacher = teacher.unwrap().into_encoder();
    let [x, y] = sides();
    let read = isogloss_transformer::EncoderBatch::try_new(&tiny::config(), &x).unwrap();
    let vectors = values(teacher.embed(&read.to_device(&crate::device()), Pooling::Mean, None));
    let vectors: Vec<&[f32]> = vectors.chunks_exact(8).collect();
    let batch = DistillationBatch::try_new(&tiny::config(), [&x, &y], &vectors, &device).unwrap();
    let objective = DistillationObjective::new(DistillationConfig::default());
    let mut optimizer = AdamWConfig::new().init();
    let before = values(objective.loss(&student, &batch).mean())[0];
    for _ in 0..100 {
        let loss = objective.loss(&student, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &student);
        student = optimizer.step(1e-2, student, gradients);
    }
    let after = values(objective.loss(&student, &batch).mean())[0];
    assert!(after < 0.05 * before, "loss {before} before, {after} after");
}

#[test]
fn what_does_not_fit_is_named() {
    let device = crate::device();
    let [x, y] = sides();
    let message = |sides: [&[SequenceInput]; 2], teacher: &[&[f32]]| {
        DistillationBatch::try_new(&tiny::config(), sides, teacher, &device)
            .unwrap_err()
            .to_string()
    };
    let (wide, narrow): (&[f32], &[f32]) = (&[0.0; 8], &[0.0; 7]);
    assert_eq!(message([&x, &y[..2]], &[wide; 3]), "translations: 2 rows, expected 3");
    assert_eq!(message([&x, &y], &[wide; 2]), "vectors of the teacher: 2 rows, expected 3");
    assert_eq!(
        message([&x, &y], &[wide, narrow, wide]),
        "sequence 1: 7 numbers of the teacher, expected 8"
    );
}
