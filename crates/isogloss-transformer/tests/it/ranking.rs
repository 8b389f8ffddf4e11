//! Translation ranking: worked numbers, duplicates, gradients.

use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_transformer::{
    Encoder, LossValue, Objective, Pooling, RankingBatch, RankingConfig, SequenceInput,
    translation_ranking_loss,
};

use crate::tiny::{self, largest_difference, values};

/// Three pairs of vectors that point nearly the same way.
fn vectors(device: &Device) -> [Tensor<2>; 2] {
    let x = [[1.0, 0.2], [0.1, 1.0], [0.7, 0.7]];
    let y = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]];
    [x, y].map(|rows| Tensor::from_floats(rows, device))
}

#[test]
fn scale_and_margin_act_as_in_the_papers() {
    let device = crate::device();
    // Cosines of which the losses are known, computed with PyTorch.
    let cosines = Tensor::<2>::from_floats(
        [
            [0.980_581, 0.077_850, 0.691_714],
            [0.138_675, 0.990_867, 0.635_851],
            [0.832_050, 0.605_530, 0.978_232],
        ],
        &device,
    );
    for (scale, margin, expected) in [
        (1.0, 0.0, 0.819_942 + 0.821_151),
        (1.0, 0.3, 0.998_234 + 0.999_745),
        (20.0, 0.0, 0.018_937 + 0.018_250),
        (20.0, 0.3, 1.409_882 + 1.416_854),
    ] {
        let config = RankingConfig::default().with_scale(scale).with_margin(margin);
        let loss = isogloss_transformer::ranking_loss_of_cosines(cosines.clone(), None, &config);
        let found = f64::from(values(loss.mean())[0]);
        // The cosines are given to 6 digits, and the scale multiplies what is lost.
        assert!((found - expected).abs() < 1e-5 * scale, "{scale} {margin}: {found} {expected}");
    }
}

#[test]
fn vectors_are_compared_by_direction() {
    let device = crate::device();
    let [x, y] = vectors(&device);
    let config = RankingConfig::default();
    let loss =
        |x: Tensor<2>| values(translation_ranking_loss(x, y.clone(), None, &config).mean())[0];
    assert!((loss(x.clone()) - loss(x * 17.0)).abs() < 1e-4);
}

#[test]
fn the_directions_are_alike() {
    let device = crate::device();
    let [x, y] = vectors(&device);
    let config = RankingConfig::default();
    let forwards = translation_ranking_loss(x.clone(), y.clone(), None, &config);
    let backwards = translation_ranking_loss(y, x, None, &config);
    assert!((values(forwards.sum)[0] - values(backwards.sum)[0]).abs() < 1e-4);
}

fn sides() -> [Vec<SequenceInput>; 2] {
    [[[5, 6], [7, 8], [5, 6]], [[9, 10], [11, 12], [13, 14]]]
        .map(|rows| rows.map(|[a, b]| SequenceInput::new(vec![0, a, b, 2])).to_vec())
}

#[test]
fn pairs_of_one_meaning_are_not_held_against_each_other() {
    let device = crate::device();
    let encoder: Encoder = tiny::model(&device).into_encoder();
    let objective = RankingConfig::default().with_margin(0.0).try_init().unwrap();
    let loss = |meanings: Option<&[u64]>| {
        let [x, y] = sides();
        let batch = RankingBatch::try_new(&tiny::config(), [&x, &y], meanings, &device).unwrap();
        values(objective.loss(&encoder, &batch).sum)[0]
    };
    // Rows 0 and 2 have the same source, so at least one of them must lose without the mask.
    assert!(loss(Some(&[1, 2, 1])) < loss(None) - 0.5);
    assert_eq!(loss(Some(&[1, 2, 3])).to_bits(), loss(None).to_bits());
    assert!(loss(Some(&[1, 1, 1])).abs() < 1e-5);
}

#[test]
fn sides_must_match() {
    let [x, y] = sides();
    let device = crate::device();
    let error = RankingBatch::try_new(&tiny::config(), [&x, &y[..2]], None, &device).unwrap_err();
    assert_eq!(error.to_string(), "translations: 2 rows, expected 3");
    let error = RankingBatch::try_new(&tiny::config(), [&x, &y], Some(&[1]), &device).unwrap_err();
    assert_eq!(error.to_string(), "meanings: 1 rows, expected 3");
}

#[test]
fn faults_are_named() {
    let error = RankingConfig::default().with_scale(0.0).with_margin(-0.1).try_init().unwrap_err();
    let fields: Vec<_> = error.faults.iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["margin", "scale"]);
}

#[test]
fn a_middle_layer_can_be_ranked() {
    let device = crate::device();
    let encoder = tiny::model(&device).into_encoder();
    let [x, y] = sides();
    let batch = RankingBatch::try_new(&tiny::config(), [&x, &y], None, &device).unwrap();
    let [side, _] = &batch.chunks()[0];
    let objective = RankingConfig::default().with_n_layers(1).try_init().unwrap();
    let expected = Pooling::Mean.forward(encoder.forward_layers(side, 1), side);
    assert_eq!(values(objective.embed(&encoder, side)), values(expected));
}

/// The word gradient and the loss, the batch read so many pairs at a time.
fn gradient(chunk_rows: usize) -> (Vec<f32>, LossValue, usize) {
    let device = crate::device().autodiff();
    let config = tiny::config();
    let encoder = config.try_init(&device, tiny::SEED).unwrap();
    let [x, y] = sides();
    let sides = [x.as_slice(), &y];
    let batch = RankingBatch::try_in_chunks(&config, sides, Some(&[1, 2, 1]), chunk_rows, &device);
    let objective = RankingConfig::default().try_init().unwrap();
    let (mut total, mut parts) = (Vec::new(), 0);
    let value = objective.accumulate(&encoder, &batch.unwrap(), Seed::new(5), &mut |loss| {
        let gradient = encoder.word_embedding().grad(&loss.backward());
        for (total, part) in accumulated(&mut total).iter_mut().zip(values(gradient.unwrap())) {
            *total += part;
        }
        parts += 1;
    });
    (total, value, parts)
}

fn accumulated(total: &mut Vec<f32>) -> &mut Vec<f32> {
    total.resize(20 * 8, 0.0);
    total
}

#[test]
fn a_batch_in_chunks_has_the_gradient_of_the_whole() {
    let (whole, whole_value, parts) = gradient(3);
    assert_eq!(parts, 1);
    for (chunk_rows, expected_parts) in [(2, 4), (1, 6)] {
        let (found, value, parts) = gradient(chunk_rows);
        assert_eq!((parts, value.count), (expected_parts, whole_value.count));
        assert!((value.sum - whole_value.sum).abs() < 1e-4);
        // Of the largest, 1e-5.
        let scale = whole.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(largest_difference(&found, &whole) < 1e-5 * scale, "{chunk_rows}");
    }
}

/// For the loss `Σ v · g` that a part hands on, its value is `v · g`, with `v` of the second pass and `g`
/// the gradient at the vector of the first. A loss that does not change with the length of a vector has
/// `v · g = 0` if, and only if, both are the same vector.
fn largest_part(device: &Device) -> f32 {
    let _alone = tiny::generator();
    let config = tiny::config().with_dropout(0.4);
    let encoder = config.try_init(device, tiny::SEED).unwrap();
    let [x, y] = sides();
    let batch = RankingBatch::try_in_chunks(&config, [&x, &y], None, 1, device).unwrap();
    let objective = RankingConfig::default().try_init().unwrap();
    let mut largest = 0.0_f32;
    objective.accumulate(&encoder, &batch, Seed::new(5), &mut |part| {
        largest = largest.max(values(part)[0].abs());
    });
    largest
}

#[test]
fn both_passes_over_a_chunk_have_the_same_dropout() {
    let device = crate::device().autodiff();
    // The generator is one for the process, and other tests may draw in between: one try that nobody
    // disturbs is proof, since without the seed none would succeed.
    let tries: Vec<f32> = (0..20).map(|_| largest_part(&device)).collect();
    let least = tries.iter().copied().fold(f32::MAX, f32::min);
    assert!(least < 1e-3, "{tries:?}");
}
