//! Attention beside its definition in plain operations.

use burn::nn::DropoutConfig;
use burn::tensor::{Device, Tensor, TensorData, activation};
use isogloss_kernels::{AttentionShape, Prefix, Visibility, attention};
use proptest::prelude::*;

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn wave<const D: usize>(dims: [usize; D], pitch: f32) -> TensorData {
    let count = dims.iter().product::<usize>();
    TensorData::new((0..count).map(|i| (i as f32 * pitch).sin() * 2.0).collect::<Vec<_>>(), dims)
}

fn leaf(dims: [usize; 2], pitch: f32, device: &Device) -> Tensor<2> {
    Tensor::from_data(wave(dims, pitch), device).require_grad()
}

/// Hides the last tokens of each sequence, of each one more than of the one before it.
fn padding(shape: AttentionShape) -> TensorData {
    let AttentionShape { batch, seq, .. } = shape;
    let cell =
        |i: usize| if i % seq + i / seq >= seq && !i.is_multiple_of(seq) { -1e9 } else { 0.0 };
    TensorData::new((0..batch * seq).map(cell).collect::<Vec<f32>>(), [batch, 1, 1, seq])
}

/// Hides what comes later.
fn causal(seq: usize) -> TensorData {
    let cell = |i: usize| if i % seq > i / seq { -1e9 } else { 0.0 };
    TensorData::new((0..seq * seq).map(cell).collect::<Vec<f32>>(), [1, 1, seq, seq])
}

/// The largest difference of the values, and of the gradients, to the definition.
fn differences(shape: AttentionShape, d_model: usize, bias: Option<TensorData>) -> [f32; 2] {
    let AttentionShape { batch, seq, n_heads } = shape;
    let dims = [batch * seq, d_model];
    let inputs = [wave(dims, 0.37), wave(dims, 0.73), wave(dims, 0.19)];
    let dropout = DropoutConfig::new(0.0).init();
    let plain = crate::device();
    let on_plain = inputs.clone().map(|data| Tensor::<2>::from_data(data, &plain));
    let plain_bias = bias.clone().map(|data| Tensor::<4>::from_data(data, &plain));
    let visibility = |bias: Option<Tensor<4>>| bias.map(Visibility::biased).unwrap_or_default();
    let kernel = values(attention(on_plain, None, &visibility(plain_bias), shape, &dropout));

    let device = plain.autodiff();
    let tracked =
        || inputs.clone().map(|data| Tensor::<2>::from_data(data, &device).require_grad());
    let bias = bias.map(|data| Tensor::<4>::from_data(data, &device));
    let weight = Tensor::<2>::from_data(wave(dims, 0.11), &device);
    let (ours, theirs) = (tracked(), tracked());
    let found = attention(ours.clone(), None, &visibility(bias.clone()), shape, &dropout);
    let heads = |x: Tensor<2>| x.reshape([batch, seq, n_heads, d_model / n_heads]).swap_dims(1, 2);
    let [q, k, v] = theirs.clone().map(heads);
    let scores = q.matmul(k.swap_dims(2, 3)) / ((d_model / n_heads) as f64).sqrt();
    let scores = match bias {
        Some(bias) => scores + bias,
        None => scores,
    };
    let expected = activation::softmax(scores, 3).matmul(v).swap_dims(1, 2).reshape(dims);
    let value = largest_difference(&kernel, &values(expected.clone()))
        .max(largest_difference(&values(found.clone()), &values(expected.clone())));
    let gradients = [(found, ours), (expected, theirs)].map(|(output, inputs)| {
        let gradients = (output * weight.clone()).sum().backward();
        inputs.map(|input| values(input.grad(&gradients).unwrap())).concat()
    });
    [value, largest_difference(&gradients[0], &gradients[1])]
}

#[test]
fn values_and_gradients_are_those_of_the_definition() {
    for (batch, seq, n_heads, d_model) in
        [(1, 1, 1, 4), (3, 7, 2, 8), (2, 150, 3, 24), (5, 64, 4, 64), (1, 1_099, 1, 4)]
    {
        let shape = AttentionShape { batch, seq, n_heads };
        for bias in [None, Some(padding(shape)), Some(causal(seq))] {
            let [value, gradient] = differences(shape, d_model, bias);
            assert!(value < 5e-6 * isogloss_testing::slack(), "{shape:?}: {value}");
            assert!(gradient < 5e-5 * isogloss_testing::slack(), "{shape:?}: {gradient}");
        }
    }
}

#[test]
fn what_is_hidden_has_no_part_at_all() {
    let device = crate::device();
    let shape = AttentionShape { batch: 1, seq: 70, n_heads: 2 };
    let bias = TensorData::new(
        (0..70).map(|i| if i < 60 { 0.0 } else { -1e9 }).collect::<Vec<f32>>(),
        [1, 1, 1, 70],
    );
    let dropout = DropoutConfig::new(0.0).init();
    let result = |hidden: f32| {
        let x = Tensor::<2>::from_data(wave([70, 8], 0.3), &device);
        let mut v = wave([70, 8], 0.3).try_to_vec::<f32>().unwrap();
        v[60 * 8..].fill(hidden);
        let v = Tensor::<2>::from_data(TensorData::new(v, [70, 8]), &device);
        let bias = Tensor::<4>::from_data(bias.clone(), &device);
        let visibility = Visibility::biased(bias);
        values(attention([x.clone(), x, v], None, &visibility, shape, &dropout).narrow(0, 0, 60))
    };
    // 1e30 times the smallest weight would show.
    assert_eq!(result(0.0), result(1e30));
}

#[test]
fn packed_sequences_are_attended_to_one_by_one() {
    let dropout = DropoutConfig::new(0.0).init();
    let (rows, seq) = ([vec![150, 7, 0, 70], vec![], vec![1, 200]], 230);
    let shape = AttentionShape { batch: 3, seq, n_heads: 2 };
    let dims = [3 * seq, 8];
    let device = crate::device().autodiff();
    let leaves = || [0.37, 0.73, 0.19].map(|pitch| leaf(dims, pitch, &device));
    // What padding gives means nothing, and nobody reads it.
    let mut weights = wave(dims, 0.11).try_to_vec::<f32>().unwrap();
    for (row, lengths) in rows.iter().enumerate() {
        let taken = row * seq + lengths.iter().sum::<usize>();
        weights[taken * 8..(row + 1) * seq * 8].fill(0.0);
    }
    let weight = Tensor::<2>::from_data(TensorData::new(weights, dims), &device);
    for is_causal in [false, true] {
        let visibility = Visibility::packed(&rows, seq, is_causal, &device);
        let ours = leaves();
        let found = attention(ours.clone(), None, &visibility, shape, &dropout);
        let gradients = (found.clone() * weight.clone()).sum().backward();
        let ours = ours.map(|x| x.grad(&gradients).unwrap());
        for (row, lengths) in rows.iter().enumerate() {
            let mut start = row * seq;
            for &length in lengths.iter().filter(|&&length| length > 0) {
                let part = |x: Tensor<2>| x.narrow(0, start, length);
                let alone = leaves();
                let shape = AttentionShape { batch: 1, seq: length, n_heads: 2 };
                let bias = is_causal.then(|| Tensor::from_data(causal(length), &device));
                let visibility = bias.map(Visibility::biased).unwrap_or_default();
                let expected =
                    attention(alone.clone().map(part), None, &visibility, shape, &dropout);
                let difference =
                    largest_difference(&values(part(found.clone())), &values(expected.clone()));
                assert!(difference < 5e-6 * isogloss_testing::slack(), "{length}: {difference}");
                let gradients = (expected * part(weight.clone())).sum().backward();
                for (ours, alone) in ours.iter().zip(alone) {
                    let [ours, alone] =
                        [ours.clone(), alone.grad(&gradients).unwrap()].map(|x| values(part(x)));
                    let difference = largest_difference(&ours, &alone);
                    assert!(
                        difference < 5e-5 * isogloss_testing::slack(),
                        "{length}: {difference}"
                    );
                }
                start += length;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_row_is_a_mean_of_values(batch in 1_usize..4, seq in 1_usize..80, n_heads in 1_usize..4) {
        let d_model = n_heads * 4;
        let shape = AttentionShape { batch, seq, n_heads };
        let device = crate::device();
        let tensor = |pitch| Tensor::<2>::from_data(wave([batch * seq, d_model], pitch), &device);
        let ones = Tensor::<2>::ones([batch * seq, d_model], &device);
        let dropout = DropoutConfig::new(0.0).init();
        let bias = Tensor::<4>::from_data(padding(shape), &device);
        let visibility = Visibility::biased(bias);
        let found = attention([tensor(0.7), tensor(1.3), ones], None, &visibility, shape, &dropout);
        for x in values(found) {
            prop_assert!((x - 1.0).abs() < 1e-5 * isogloss_testing::slack(), "{x}");
        }
    }
}

/// Keys and values in front of those of each row.
fn before(rows: &[[Tensor<2>; 2]], at: usize, tokens: &Tensor<2>) -> Tensor<2> {
    let seq = tokens.dims()[0] / rows.len();
    let row = |(row, own): (usize, &[Tensor<2>; 2])| {
        [own[at].clone(), tokens.clone().narrow(0, row * seq, seq)]
    };
    Tensor::cat(rows.iter().enumerate().flat_map(row).collect(), 0)
}

#[test]
fn a_prefix_is_seen_as_keys_that_stand_before_the_tokens() {
    let dropout = DropoutConfig::new(0.0).init();
    let device = crate::device().autodiff();
    let (seq, d_model, n_heads) = (70, 8, 2);
    let dims = [2 * seq, d_model];
    let weight = Tensor::<2>::from_data(wave(dims, 0.11), &device);
    let parts = |pitches: [f32; 2], length: usize| {
        pitches.map(|pitch| leaf([length, d_model], pitch, &device))
    };
    for is_shared in [true, false] {
        for is_causal in [false, true] {
            let qkv = || [0.37, 0.73, 0.19].map(|pitch| leaf(dims, pitch, &device));
            let own = || {
                let (first, second) = (parts([0.5, 0.9], 5), parts([0.4, 0.6], 3));
                if is_shared { [first.clone(), first] } else { [first, second] }
            };
            let (ours, prefix) = (qkv(), own());
            let joined = if is_shared {
                let [keys, values] = prefix[0].clone();
                Prefix::new(keys, values)
            } else {
                Prefix::of_rows(&prefix.clone().map(Some)).unwrap()
            };
            let bias = if is_causal {
                causal(seq)
            } else {
                padding(AttentionShape { batch: 2, seq, n_heads })
            };
            let bias = Tensor::<4>::from_data(bias, &device);
            let shape = AttentionShape { batch: 2, seq, n_heads };
            let visibility = Visibility::biased(bias.clone());
            let found = attention(ours.clone(), Some(&joined), &visibility, shape, &dropout);

            let (theirs, rows) = (qkv(), own());
            let outputs = (0..2).map(|row| {
                let tokens = |x: &Tensor<2>| x.clone().narrow(0, row * seq, seq);
                let one = [rows[row].clone()];
                let [k, v] = [1, 2].map(|at| before(&one, at - 1, &tokens(&theirs[at])));
                let heads = |x: Tensor<2>| {
                    let rows = x.dims()[0];
                    x.reshape([rows, n_heads, d_model / n_heads]).swap_dims(0, 1)
                };
                let (q, k, v) = (heads(tokens(&theirs[0])), heads(k), heads(v));
                let scores = q.matmul(k.swap_dims(1, 2)) / ((d_model / n_heads) as f64).sqrt();
                let batch = bias.dims()[0];
                let bias = bias.clone().narrow(0, row.min(batch - 1), 1).squeeze_dim::<3>(0);
                let queries = bias.dims()[1];
                let length = rows[row][0].dims()[0];
                let zeros = Tensor::zeros([1, queries, length], &device);
                let scores = scores + Tensor::cat(vec![zeros, bias], 2);
                let made = activation::softmax(scores, 2).matmul(v);
                made.swap_dims(0, 1).reshape([seq, d_model])
            });
            let expected = Tensor::cat(outputs.collect(), 0);
            let difference = largest_difference(&values(found.clone()), &values(expected.clone()));
            assert!(difference < 5e-6 * isogloss_testing::slack(), "{difference}");
            let of = |output: Tensor<2>, leaves: Vec<Tensor<2>>| {
                let gradients = (output * weight.clone()).sum().backward();
                leaves.iter().map(|x| values(x.grad(&gradients).unwrap())).collect::<Vec<_>>()
            };
            let leaves = |qkv: [Tensor<2>; 3], prefix: [[Tensor<2>; 2]; 2]| {
                qkv.into_iter().chain(prefix.into_iter().flatten()).collect()
            };
            let (found, expected) =
                (of(found, leaves(ours, prefix)), of(expected, leaves(theirs, rows)));
            for (found, expected) in found.iter().zip(&expected) {
                let difference = largest_difference(found, expected);
                assert!(difference < 5e-5 * isogloss_testing::slack(), "{difference}");
            }
        }
    }
}

#[test]
fn packed_sequences_see_the_prefix_each() {
    let dropout = DropoutConfig::new(0.0).init();
    let device = crate::device();
    let (rows, seq) = ([vec![9, 4], vec![6]], 14);
    let tensor = |dims, pitch| Tensor::<2>::from_data(wave(dims, pitch), &device);
    let prefix = Prefix::new(tensor([3, 8], 0.5), tensor([3, 8], 0.9));
    let qkv = [0.37, 0.73, 0.19].map(|pitch| tensor([2 * seq, 8], pitch));
    let shape = AttentionShape { batch: 2, seq, n_heads: 2 };
    for is_causal in [false, true] {
        let visibility = Visibility::packed(&rows, seq, is_causal, &device);
        let found = attention(qkv.clone(), Some(&prefix), &visibility, shape, &dropout);
        for (start, length) in [(0, 9), (9, 4), (seq, 6)] {
            let part = |x: Tensor<2>| x.narrow(0, start, length);
            let shape = AttentionShape { batch: 1, seq: length, n_heads: 2 };
            let bias = is_causal.then(|| Tensor::from_data(causal(length), &device));
            let visibility = bias.map(Visibility::biased).unwrap_or_default();
            let qkv = qkv.clone().map(part);
            let expected = attention(qkv, Some(&prefix), &visibility, shape, &dropout);
            let difference = largest_difference(&values(part(found.clone())), &values(expected));
            assert!(difference < 5e-6 * isogloss_testing::slack(), "{length}: {difference}");
        }
    }
}
