//! The kernels of a step of training, beside plain operations.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::Param;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData, activation, module};
use isogloss_kernels::{
    AdamWStep, AttentionShape, LayerNorm, RandomStream, Visibility, adamw, attention,
    decoder_cross_entropy, dropout, embedding, linear, residual_dropout, scaled, sum_of_squares,
};
use proptest::prelude::*;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Numbers from -1 to 1 that repeat in no simple way.
fn numbers<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let number = |at: usize| ((at * 7 + seed * 131 + 3) as f32 * 0.731).sin();
    let numbers: Vec<f32> = (0..count).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn leaf<const D: usize>(shape: [usize; D], seed: usize, device: &Device) -> Tensor<D> {
    numbers(shape, seed, device).require_grad()
}

#[track_caller]
fn assert_close<const D: usize>(ours: Tensor<D>, theirs: Tensor<D>, tolerance: f32) {
    assert_eq!(ours.dims(), theirs.dims());
    for (at, (a, b)) in values(ours).iter().zip(values(theirs)).enumerate() {
        let allowed = tolerance * isogloss_testing::slack() * b.abs().max(1.0);
        assert!((a - b).abs() <= allowed, "number {at}: {a}, expected {b}");
    }
}

/// A loss in which every number of the tensor has a weight of its own.
fn weighed<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let weights = numbers(x.dims(), 9, &x.device());
    (x * weights).sum()
}

/// The gradients of some leaves, one after the other; `None` where one has none.
type GradientsOfLeaves<'a> = &'a dyn Fn(&Gradients) -> Option<Tensor<1>>;

/// Plain operations of one operation and its gradients, beside ours: `[ours, theirs]` each.
#[track_caller]
fn assert_same_gradients<const D: usize>(
    [ours, theirs]: [Tensor<D>; 2],
    leaves: [GradientsOfLeaves<'_>; 2],
) {
    assert_close(ours.clone(), theirs.clone(), 2e-5);
    let [ours, theirs] = [ours, theirs].map(|y| weighed(y).backward());
    assert_close(leaves[0](&ours).unwrap(), leaves[1](&theirs).unwrap(), 1e-4);
}

fn flat<const D: usize>(x: &Tensor<D>, gradients: &Gradients) -> Option<Tensor<1>> {
    let gradient = x.grad(gradients)?;
    Some(gradient.flatten(0, D - 1))
}

/// All gradients one after the other.
macro_rules! all {
    ($($leaf:expr),*) => {
        &|gradients: &Gradients| {
            Some(Tensor::cat(vec![$(flat(&$leaf, gradients)?),*], 0))
        }
    };
}

#[test]
fn a_linear_layer_of_nothing_is_its_bias_and_one_of_many_columns_burns() {
    let device = crate::device();
    for [rows, inputs, outputs] in [[3, 0, 5], [2, 3, 700], [1, 1, 1]] {
        let tensor = |dims: [usize; 2], step| numbers(dims, step, &device);
        let (x, weight) = (tensor([rows, inputs], 1), tensor([inputs, outputs], 2));
        let bias: Tensor<1> = numbers([outputs], 3, &device);
        if inputs == 0 && !isogloss_testing::is_flex(&device) {
            // Of NdArray, which multiplies no matrices of nothing.
            continue;
        }
        let found = linear(x.clone(), weight.clone(), Some(bias.clone()));
        let bias = bias.unsqueeze::<2>().expand([rows, outputs]);
        let expected = if inputs == 0 { bias } else { x.matmul(weight) + bias };
        let difference = (found - expected).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{rows} {inputs} {outputs}: {difference}");
    }
}

/// A normalisation and its gradients beside the formula.
fn assert_normalised(rows: usize, width: usize) {
    let device = crate::device().autodiff();
    let epsilon = 1e-3;
    let mut norm = LayerNorm::new(width, epsilon, &device);
    norm.gamma = Param::from_tensor(numbers([width], 2, &device));
    norm.beta = Param::from_tensor(numbers([width], 3, &device));
    let (x1, x2) = (leaf([rows, width], 1, &device), leaf([rows, width], 1, &device));
    let (g1, b1) = (norm.gamma.val(), norm.beta.val());
    let (g2, b2) = (leaf([width], 2, &device), leaf([width], 3, &device));
    let mean = x2.clone().mean_dim(1);
    let centred = x2.clone() - mean;
    let deviation = (centred.clone().square().mean_dim(1) + epsilon).sqrt();
    let theirs = centred / deviation * g2.clone().unsqueeze() + b2.clone().unsqueeze();
    assert_same_gradients([norm.forward(x1.clone()), theirs], [all!(x1, g1, b1), all!(x2, g2, b2)]);
}

/// The loss of a vocabulary and its gradients beside those of logits.
fn assert_loss_of_logits(rows: usize, width: usize, vocab: usize) {
    let device = crate::device().autodiff();
    let targets: Vec<i32> = (0..rows).map(|row| i32::try_from(row * 31 % vocab).unwrap()).collect();
    let targets: Tensor<1, Int> = Tensor::from_data(TensorData::new(targets, [rows]), &device);
    let leaves = || {
        // Logits far apart, in which exponentials vanish.
        let hidden = leaf([rows, width], 1, &device);
        (hidden, leaf([vocab, width], 2, &device), leaf([vocab], 3, &device))
    };
    let ((h1, w1, b1), (h2, w2, b2)) = (leaves(), leaves());
    let sharp = |x: &Tensor<2>| x.clone() * 30.0;
    let ours = decoder_cross_entropy(&sharp(&h1), &w1, &b1, &targets);
    let logits = sharp(&h2).matmul(w2.clone().transpose()) + b2.clone().unsqueeze();
    let chosen = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
    assert_same_gradients([ours, chosen.sum().neg()], [all!(h1, w1, b1), all!(h2, w2, b2)]);
}

#[test]
fn rows_may_be_longer_than_what_is_computed_at_a_time() {
    for (rows, width) in [(40, 260), (2, 1_030), (33, 1_024), (2, 4_099)] {
        assert_normalised(rows, width);
    }
    for vocab in [1_100, 4_099] {
        assert_loss_of_logits(3, 5, vocab);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_linear_layer_is_burns(
        (rows, inputs, outputs) in (1_usize..200, 1_usize..40, 1_usize..150),
        has_bias in any::<bool>(),
    ) {
        let device = crate::device().autodiff();
        let x = || leaf([rows, inputs], 1, &device);
        let weight = || leaf([inputs, outputs], 2, &device);
        let bias = || leaf([outputs], 3, &device);
        let ((x1, w1, b1), (x2, w2, b2)) = ((x(), weight(), bias()), (x(), weight(), bias()));
        let some = |bias: &Tensor<1>| has_bias.then(|| bias.clone());
        let ours = linear(x1.clone(), w1.clone(), some(&b1));
        let theirs = module::linear(x2.clone(), w2.clone(), some(&b2));
        if has_bias {
            assert_same_gradients([ours, theirs], [all!(x1, w1, b1), all!(x2, w2, b2)]);
        } else {
            assert_same_gradients([ours, theirs], [all!(x1, w1), all!(x2, w2)]);
        }
    }

    #[test]
    fn a_normalisation_is_its_formula((rows, width) in (1_usize..200, 1_usize..70)) {
        assert_normalised(rows, width);
    }

    #[test]
    fn rows_of_a_table_are_burns(
        ids in prop::collection::vec(0_u32..17, 1..60),
        width in 1_usize..20,
        is_tied in any::<bool>(),
    ) {
        let device = crate::device().autodiff();
        let ids: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(ids.clone(), [ids.len()]), &device);
        let (a, b) = (leaf([17, width], 1, &device), leaf([17, width], 1, &device));
        let table = Param::from_tensor(a);
        let a = table.val();
        // With another gradient, which comes first.
        let whole = |rows: Tensor<2>, table: &Tensor<2>| {
            if is_tied { rows.matmul(table.clone().transpose()) } else { rows }
        };
        let ours = whole(embedding(&table, ids.clone()), &a);
        let theirs = whole(b.clone().select(0, ids), &b);
        assert_same_gradients([ours, theirs], [all!(a), all!(b)]);
    }

    #[test]
    fn the_loss_of_a_vocabulary_is_that_of_its_logits(
        (rows, width, vocab) in (1_usize..40, 1_usize..20, 1_usize..90),
    ) {
        assert_loss_of_logits(rows, width, vocab);
    }

    #[test]
    fn sizes_are_those_of_plain_operations(count in 1_usize..40_000, by in -3.0_f64..3.0) {
        let x = numbers([count], 1, &crate::device());
        assert_close(sum_of_squares(x.clone()), x.clone().square().sum(), 1e-4);
        assert_close(scaled(x.clone(), by), x * by, 1e-6);
    }
}

#[test]
fn what_takes_no_gradient_has_none() {
    let device = crate::device().autodiff();
    let x = leaf([5, 3], 1, &device);
    let (weight, bias) = (numbers([3, 4], 2, &device), numbers([4], 3, &device));
    let y = linear(x.clone(), weight.clone(), Some(bias.clone()));
    let targets: Tensor<1, Int> = Tensor::from_data([0, 1, 2, 3, 0], &device);
    let loss = decoder_cross_entropy(
        &y,
        &numbers([9, 4], 4, &device),
        &numbers([9], 5, &device),
        &targets,
    );
    let gradients = loss.backward();
    assert!(x.grad(&gradients).is_some());
    assert!(weight.grad(&gradients).is_none() && bias.grad(&gradients).is_none());
}

#[test]
fn steps_of_adamw_have_the_values_worked_by_hand() {
    let device = crate::device();
    let mut parameter = Tensor::<1>::from_floats([1.0, -2.0], &device);
    let mut moments = None;
    // Two steps of torch's AdamW, with gradients k · (0.1, -0.3) at step k.
    let expected = [[0.989_f32, -1.988], [0.978_359_2, -1.976_360_2]];
    for (time, expected) in (1..).zip(expected) {
        let gradient = Tensor::from_floats([0.1, -0.3], &device) * f64::from(time);
        let step = AdamWStep {
            learning_rate: 0.01,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 0.1,
            time,
        };
        let (updated, next) = adamw(parameter, gradient, moments, step);
        assert_close(updated.clone(), Tensor::from_floats(expected, &device), 3e-7);
        (parameter, moments) = (updated, Some(next));
    }
}

#[test]
fn a_tensor_that_somebody_holds_is_left_alone() {
    let device = crate::device();
    let x = numbers([40_000], 1, &device);
    let before = values(x.clone());
    let step = AdamWStep {
        learning_rate: 0.1,
        betas: [0.9, 0.99],
        epsilon: 1e-8,
        weight_decay: 0.0,
        time: 1,
    };
    let moments = Some([x.clone(), x.clone()]);
    let (updated, _) = adamw(x.clone(), x.clone(), moments, step);
    assert_ne!(values(updated), before);
    assert_ne!(values(scaled(x.clone(), 2.0)), before);
    assert_eq!(values(x), before);
}

/// Keeps the generator, of which a device has one for all threads, for one test at a time.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rate(prob: f64) -> Dropout {
    DropoutConfig::new(prob).init()
}

#[test]
fn dropout_keeps_its_rate_and_drops_the_same_backwards() {
    let _alone = generator();
    let device = crate::device().autodiff();
    let x = Tensor::<2>::ones([300, 200], &device).require_grad();
    let y = dropout(x.clone(), &rate(0.25));
    let kept = values(y.clone());
    let dropped = kept.iter().filter(|value| **value == 0.0).count() as f64 / 60_000.0;
    // Five standard deviations.
    assert!((dropped - 0.25).abs() < 0.009, "{dropped}");
    assert!(kept.iter().all(|&value| value == 0.0 || (value - 4.0 / 3.0).abs() < 1e-6));
    assert_eq!(values(x.grad(&y.sum().backward()).unwrap()), kept);

    // Neither neighbours in a row nor rows follow one another.
    for apart in [1, 200, 16_384] {
        let both = kept.windows(apart + 1).filter(|w| w[0] == 0.0 && w[apart] == 0.0).count();
        let share = both as f64 / (60_000 - apart) as f64;
        assert!((share - 0.0625).abs() < 0.008, "{apart} apart: {share}");
    }
    assert_ne!(values(dropout(x.clone(), &rate(0.25))), kept);
    assert_eq!(values(dropout(x.clone(), &rate(0.0))), vec![1.0; 60_000]);
    let plain = Tensor::<2>::ones([3, 2], &crate::device());
    assert_eq!(values(dropout(plain, &rate(0.9))), [1.0; 6]);
}

#[test]
fn a_residual_takes_the_whole_gradient() {
    let _alone = generator();
    let device = crate::device().autodiff();
    let (residual, x) =
        (leaf([70, 300], 1, &device), Tensor::ones([70, 300], &device).require_grad());
    let y = residual_dropout(residual.clone(), x.clone(), &rate(0.5));
    let added = values(y.clone() - residual.clone());
    assert!(added.iter().all(|v| v.abs() < 1e-5 || (v - 2.0).abs() < 1e-5));
    let gradients = y.sum().backward();
    assert_eq!(values(residual.grad(&gradients).unwrap()), vec![1.0; 21_000]);
    let of_x = values(x.grad(&gradients).unwrap());
    assert!(of_x.iter().zip(&added).all(|(gradient, added)| (gradient - added).abs() < 1e-5));
}

#[test]
fn a_seed_drops_the_same_again() {
    let _alone = generator();
    let device = crate::device().autodiff();
    let x = Tensor::<1>::ones([500], &device);
    let drawn = || {
        device.seed(5);
        let first = values(dropout(x.clone(), &rate(0.5)));
        (first, values(dropout(x.clone(), &rate(0.5))))
    };
    let (first, second) = drawn();
    assert_ne!(first, second);
    assert_eq!(drawn(), (first, second));
}

#[test]
fn attention_that_drops_weights_has_the_gradient_of_what_it_computes() {
    let _alone = generator();
    // Of wide heads a device may keep scores that it computes once more of narrow ones.
    for width in [8, 64] {
        assert_slope_of_attention(width);
    }
}

fn assert_slope_of_attention(width: usize) {
    let device = crate::device().autodiff();
    let shape = AttentionShape { batch: 2, seq: 70, n_heads: 2 };
    let dims = [140, width];
    let attend = |qkv: [Tensor<2>; 3]| {
        device.seed(11);
        attention(qkv, None, &Visibility::default(), shape, &rate(0.3))
    };
    let qkv = [1, 2, 3].map(|seed| leaf(dims, seed, &device));
    let y = attend(qkv.clone());
    let without = attention(qkv.clone(), None, &Visibility::default(), shape, &rate(0.0));
    assert!(values(y.clone()).iter().zip(values(without)).any(|(a, b)| (a - b).abs() > 0.05));
    let gradients = weighed(y).backward();
    let gradients = qkv.clone().map(|x| values(x.grad(&gradients).unwrap()));
    // Along some direction, by differences.
    let plain = qkv.map(Tensor::detach);
    for at in 0..3 {
        let direction = numbers(dims, 20 + at, &device);
        let moved = |by: f64| {
            let mut qkv = plain.clone();
            qkv[at] = qkv[at].clone() + direction.clone() * by;
            f64::from(weighed(attend(qkv)).into_scalar::<f32>())
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let direction = values(direction.clone());
        let expected: f64 =
            gradients[at].iter().zip(&direction).map(|(a, b)| f64::from(a * b)).sum();
        assert!(
            (slope - expected).abs() < 2e-3 * expected.abs().max(1.0),
            "{width}, {at}: {slope} {expected}"
        );
    }
}

#[test]
fn a_stream_drops_the_same_whatever_the_device_drew() {
    let _alone = generator();
    let device = crate::device().autodiff();
    let shape = AttentionShape { batch: 2, seq: 12, n_heads: 2 };
    let qkv = [1, 2, 3].map(|seed| leaf([24, 8], seed, &device));
    let attend = || values(attention(qkv.clone(), None, &Visibility::default(), shape, &rate(0.5)));
    let drawn = |seed: u64| {
        let _stream = RandomStream::begin(&device, seed);
        let first = attend();
        (first, attend())
    };
    let (first, second) = drawn(7);
    assert_ne!(first, second);
    assert_eq!(drawn(7), (first.clone(), second));
    assert_ne!(drawn(8).0, first);
}
