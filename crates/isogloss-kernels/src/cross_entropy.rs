//! Cross-entropy of a linear layer over a vocabulary, whose gradient is computed together with its value.

#[cfg(feature = "cube")]
mod cube;

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation};

/// Logits that are held at a time on devices other than Flex, unless 16 rows are more: 256 MiB.
const LOGITS: usize = 1 << 26;

/// Cross-entropy of a linear layer over a vocabulary, as a sum, without its logits staying in memory.
///
/// ```text
/// z = h Eᵀ + b        L = Σᵢ -log softmax(zᵢ)[targetᵢ]
/// ∂L/∂z = P - 1[target]        ∂L/∂h = (∂L/∂z) E        ∂L/∂E = (∂L/∂z)ᵀ h        ∂L/∂b = Σᵢ ∂L/∂zᵢ
/// ```
///
/// Under autodiff every operation on `z`, which is by far the largest tensor of a step, would be
/// recorded and taken back. The gradient of the last layer does not depend on anything that comes after it but
/// a factor, so it is computed here, and only of what takes one. Of logits, 64 MiB are held at a time on Flex,
/// 256 MiB elsewhere, or 16 rows where those are more; on graphics processors one kernel makes gradients of them where
/// they are. Second derivatives are not to be had this way.
///
/// # Shapes
///
/// - `hidden`: `[n, d_model]`, with `n` above 0
/// - `weight`: `[vocab_size, d_model]`
/// - `bias`: `[vocab_size]`
/// - `targets`: `[n]`, below `vocab_size`
/// - returns: `[1]`
///
/// # Panics
///
/// Where tensors are not of these shapes or a target is no row of `weight`, as Burn's operations do; on graphics
/// processors, which are not waited for, such a target gives a loss of 3e38 in the place of a panic.
///
/// # Source
///
/// The same idea for GPUs: Hsu et al. (2024), "Liger Kernel: Efficient Triton Kernels for LLM
/// Training", section 3.2, <https://arxiv.org/abs/2410.10989>.
pub fn decoder_cross_entropy(
    hidden: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    targets: &Tensor<1, Int>,
) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::flex::serves(hidden) {
        return flex::decoder_cross_entropy(hidden, weight, bias, targets);
    }
    let step = (LOGITS / weight.dims()[0].max(1)).max(16);
    in_pieces(hidden, weight, bias, targets, step)
}

/// The same, of `step` rows at a time.
fn in_pieces(
    hidden: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    targets: &Tensor<1, Int>,
    step: usize,
) -> Tensor<1> {
    let (h, e, b) = (hidden.clone().inner(), weight.clone().inner(), bias.clone().inner());
    let targets = targets.clone().inner();
    let count = h.dims()[0];
    assert_eq!(targets.dims(), [count], "a target for each row");
    let mut value = Tensor::zeros([1], (&h.device(), h.dtype()));
    let (mut of_hidden, mut of_weight, mut of_bias) = (Vec::new(), None, None);
    for first in (0..count).step_by(step) {
        let rows = first..count.min(first + step);
        let h = h.clone().slice([rows.clone()]);
        let targets = targets.clone().slice([rows]);
        if !hidden.is_autodiff() {
            let logits = h.matmul(e.clone().transpose()) + b.clone().unsqueeze();
            let chosen = activation::log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1));
            value = value - chosen.sum();
            continue;
        }
        let (gradient, losses) = of_rows(h.clone(), e.clone(), b.clone(), targets);
        value = value + losses.sum();
        // A tensor that takes no gradient, such as the embedding under an adapter, costs no product.
        if hidden.is_tracked() {
            of_hidden.push(gradient.clone().matmul(e.clone()));
        }
        if weight.is_tracked() {
            of_weight = Some(sum(of_weight, gradient.clone().transpose().matmul(h)));
        }
        if bias.is_tracked() {
            of_bias = Some(sum(of_bias, gradient.sum_dim(0).squeeze_dim(0)));
        }
    }
    if !hidden.is_autodiff() {
        return value;
    }
    // What autodiff sees is a term that is linear in each and has these gradients, and the value.
    let of_hidden = (!of_hidden.is_empty()).then(|| Tensor::cat(of_hidden, 0));
    let terms = [
        of_hidden.map(|gradient| (hidden.clone() * gradient).sum()),
        of_weight.map(|gradient| (weight.clone() * gradient).sum()),
        of_bias.map(|gradient: Tensor<1>| (bias.clone() * gradient).sum()),
    ];
    match terms.into_iter().flatten().reduce(|sum, term| sum + term) {
        Some(linear) => linear.clone() - linear.detach() + value,
        None => Tensor::from_inner(value),
    }
}

fn sum<const D: usize>(sum: Option<Tensor<D>>, term: Tensor<D>) -> Tensor<D> {
    match sum {
        Some(sum) => sum + term,
        None => term,
    }
}

/// The gradient of logits and the loss of each row. `[rows, vocab]`, `[rows]`
fn of_rows(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    targets: Tensor<1, Int>,
) -> (Tensor<2>, Tensor<1>) {
    #[cfg(feature = "cube")]
    if crate::cube::serves(&hidden) {
        return cube::of_rows(hidden, weight, bias, targets);
    }
    let logits = hidden.matmul(weight.transpose()) + bias.unsqueeze();
    let targets = targets.unsqueeze_dim::<2>(1); // [rows, 1]
    let chosen = logits.clone().gather(1, targets.clone());
    let max = logits.clone().max_dim(1);
    let probabilities = activation::softmax(logits, 1); // [rows, vocab]
    // The largest probability is exp(0) / Σ exp(z - max), which never underflows.
    let log_sum = max - probabilities.clone().max_dim(1).log();
    let minus_one = Tensor::full(targets.dims(), -1.0, &probabilities.device());
    let gradient = probabilities.scatter(1, targets, minus_one, IndexingUpdateOp::Add);
    (gradient, (log_sum - chosen).squeeze_dim(1))
}

#[cfg(feature = "flex")]
mod flex {
    #![expect(
        clippy::inline_always,
        reason = "a call within a loop keeps it from becoming vectors"
    )]

    use burn::backend::TensorMetadata;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{
        Autodiff, AutodiffBackend as _, Backend, Dispatch, Flex, backend_extension,
    };
    use burn::tensor::{Int, Tensor};
    use pulp::{Arch, NullaryFnOnce};
    use rayon::prelude::*;

    use crate::flex::{CHUNK, changed, indices, numbers, tensor};
    use crate::product::{Matrix, MatrixMut, Write, product_on_all};
    use crate::vectors::{exp_of_negative, largest, sum};

    /// Words whose gradients of a bias one thread adds up at a time.
    const COLUMNS: usize = 1024;

    /// Logits that are held at a time, unless 16 rows are more.
    const LOGITS: usize = 1 << 24;

    pub(super) fn decoder_cross_entropy(
        hidden: &Tensor<2>,
        weight: &Tensor<2>,
        bias: &Tensor<1>,
        targets: &Tensor<1, Int>,
    ) -> Tensor<1> {
        let targets = indices(targets, weight.dims()[0]);
        let (hidden, weight) = (hidden.clone().into_dispatch(), weight.clone().into_dispatch());
        let bias = bias.clone().into_dispatch();
        Tensor::from_dispatch(<Dispatch as DecoderLoss>::decoder_loss(
            hidden, weight, bias, targets,
        ))
    }

    #[backend_extension(Autodiff, Flex)]
    trait DecoderLoss: Backend {
        fn decoder_loss(
            hidden: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            targets: Vec<usize>,
        ) -> FloatTensor<Self>;
    }

    /// A loss, and the gradients that were asked for: of hidden states, weight and bias.
    type WithGradients<B> = (FloatTensor<B>, [Option<FloatTensor<B>>; 3]);

    /// What computes both, on the backends that compute: there is no derivative of the derivative.
    trait DecoderGradient: DecoderLoss {
        fn decoder_gradients(
            inputs: [FloatTensor<Self>; 3],
            targets: &[usize],
            wanted: [bool; 3],
        ) -> WithGradients<Self>;

        /// The tensor times a number that is in the other.
        fn times(x: FloatTensor<Self>, factor: &FloatTensor<Self>) -> FloatTensor<Self>;
    }

    impl DecoderLoss for Flex {
        fn decoder_loss(
            hidden: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            targets: Vec<usize>,
        ) -> FloatTensor<Self> {
            Self::decoder_gradients([hidden, weight, bias], &targets, [false; 3]).0
        }
    }

    fn matrix(numbers: &[f32], columns: usize) -> Matrix<'_> {
        Matrix { numbers, strides: [columns, 1] }
    }

    impl DecoderGradient for Flex {
        fn decoder_gradients(
            inputs: [FloatTensor<Self>; 3],
            targets: &[usize],
            wanted: [bool; 3],
        ) -> WithGradients<Self> {
            let [hidden, weight, bias] = inputs.map(|x| x.to_contiguous());
            let [rows, width]: [usize; 2] = hidden.shape().dims();
            let [vocab, _]: [usize; 2] = weight.shape().dims();
            let [hidden, weight, bias] = [&hidden, &weight, &bias].map(numbers);
            let space = |is_wanted: bool, len| is_wanted.then(|| vec![0.0_f32; len]);
            let mut of_hidden = space(wanted[0], rows * width);
            let mut of_weight = space(wanted[1], vocab * width);
            let mut of_bias = space(wanted[2], vocab);
            let e = matrix(weight, width);
            let step = (LOGITS / vocab.max(1)).clamp(16, rows.max(16)).min(rows.max(1));
            let mut logits = vec![0.0; step * vocab];
            let (arch, mut loss) = (Arch::new(), 0.0);
            for first in (0..rows).step_by(step) {
                let count = step.min(rows - first);
                let h = matrix(&hidden[first * width..(first + count) * width], width);
                let logits = &mut logits[..count * vocab];
                logits.par_chunks_mut(vocab).for_each(|row| row.copy_from_slice(bias));
                let dims = [count, vocab];
                let mut out = MatrixMut { numbers: &mut *logits, dims, row_stride: vocab };
                product_on_all(&mut out, Write::Add, [h, e.transposed()], width, 1.0);
                let pairs = logits.par_chunks_mut(vocab).zip(&targets[first..first + count]);
                let losses: Vec<f64> = pairs
                    .map(|(logits, &target)| arch.dispatch(OfRow { logits, target }))
                    .collect();
                loss += losses.iter().sum::<f64>();
                let gradient = matrix(&*logits, vocab);
                if let Some(of_hidden) = &mut of_hidden {
                    let numbers = &mut of_hidden[first * width..(first + count) * width];
                    let mut out = MatrixMut { numbers, dims: [count, width], row_stride: width };
                    product_on_all(&mut out, Write::Over, [gradient, e], vocab, 1.0);
                }
                if let Some(numbers) = &mut of_weight {
                    let mut out = MatrixMut { numbers, dims: [vocab, width], row_stride: width };
                    let write = if first == 0 { Write::Over } else { Write::Add };
                    product_on_all(&mut out, write, [gradient.transposed(), h], count, 1.0);
                }
                if let Some(of_bias) = &mut of_bias {
                    // Some columns each, row after row.
                    let columns = of_bias.par_chunks_mut(COLUMNS).enumerate();
                    columns.for_each(|(block, totals)| {
                        for row in logits.chunks_exact(vocab) {
                            let row = &row[block * COLUMNS..][..totals.len()];
                            totals.iter_mut().zip(row).for_each(|(total, value)| *total += value);
                        }
                    });
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "tensors are f32")]
            let loss = tensor(vec![loss as f32], [1]);
            let gradients = [
                of_hidden.map(|x| tensor(x, [rows, width])),
                of_weight.map(|x| tensor(x, [vocab, width])),
                of_bias.map(|x| tensor(x, [vocab])),
            ];
            (loss, gradients)
        }

        fn times(x: FloatTensor<Self>, factor: &FloatTensor<Self>) -> FloatTensor<Self> {
            let factor = numbers(factor).first().copied().unwrap_or(1.0);
            #[expect(clippy::float_cmp, reason = "exactly 1 changes nothing")]
            if factor == 1.0 {
                return x;
            }
            changed(x, CHUNK, |_, x| x.iter_mut().for_each(|value| *value *= factor))
        }
    }

    /// Makes the gradient of a row of logits; gives its loss.
    struct OfRow<'a> {
        logits: &'a mut [f32],
        target: usize,
    }

    impl NullaryFnOnce for OfRow<'_> {
        type Output = f64;

        #[inline(always)]
        fn call(self) -> f64 {
            let Self { logits, target } = self;
            let (max, chosen) = (largest(logits), logits[target]);
            for logit in logits.iter_mut() {
                *logit = exp_of_negative(*logit - max);
            }
            let total = sum(logits);
            let inverse = 1.0 / total;
            for exponential in logits.iter_mut() {
                *exponential *= inverse;
            }
            logits[target] -= 1.0;
            f64::from(total).ln() + f64::from(max) - f64::from(chosen)
        }
    }

    impl<B: DecoderGradient, C: CheckpointStrategy> DecoderLoss for Autodiff<B, C> {
        fn decoder_loss(
            hidden: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            targets: Vec<usize>,
        ) -> FloatTensor<Self> {
            #[derive(Debug)]
            struct Loss;

            impl<B: DecoderGradient> Backward<B, 3> for Loss {
                type State = [Option<FloatTensor<B>>; 3];

                fn backward(
                    self,
                    ops: Ops<Self::State, 3>,
                    grads: &mut Gradients,
                    _: &mut Checkpointer,
                ) {
                    let factor = grads.consume::<B>(&ops.node);
                    for (parent, gradient) in ops.parents.into_iter().zip(ops.state) {
                        if let (Some(parent), Some(gradient)) = (parent, gradient) {
                            grads.register::<B>(parent.id, B::times(gradient, &factor));
                        }
                    }
                }
            }

            let inputs = [hidden, weight, bias];
            let nodes = [0, 1, 2].map(|at: usize| inputs[at].node());
            let wanted = [0, 1, 2].map(|at: usize| inputs[at].is_tracked());
            let inputs = inputs.map(Self::inner);
            match Loss.prepare::<C>(nodes).compute_bound().stateful() {
                OpsKind::Tracked(prep) => {
                    let (loss, gradients) = B::decoder_gradients(inputs, &targets, wanted);
                    prep.finish(gradients, loss)
                }
                OpsKind::UnTracked(prep) => {
                    let [hidden, weight, bias] = inputs;
                    prep.finish(B::decoder_loss(hidden, weight, bias, targets))
                }
            }
        }
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn pieces_make_the_loss_and_the_gradients_of_the_whole() {
        let device = Device::flex().autodiff();
        let numbers = |dims: [usize; 2], step: f32| {
            let numbers: Vec<f32> =
                (0..dims[0] * dims[1]).map(|at| (at as f32 * step).sin()).collect();
            Tensor::<2>::from_data(TensorData::new(numbers, dims), &device).require_grad()
        };
        let targets = Tensor::from_ints([3, 0, 5, 5, 1, 2, 6], &device);
        let found = |step: Option<usize>| {
            let (hidden, weight) = (numbers([7, 4], 0.7), numbers([9, 4], 0.3));
            let bias = numbers([1, 9], 1.1).squeeze_dim::<1>(0).detach().require_grad();
            let loss = match step {
                Some(step) => in_pieces(&hidden, &weight, &bias, &targets, step),
                None => decoder_cross_entropy(&hidden, &weight, &bias, &targets),
            };
            let value = loss.clone().inner();
            let gradients = loss.mul_scalar(2.0).backward();
            let of = |x: &Tensor<2>| x.grad(&gradients).map(|gradient| gradient.flatten(0, 1));
            let parts = [Some(value), of(&hidden), of(&weight), bias.grad(&gradients)];
            Tensor::cat(parts.into_iter().flatten().collect(), 0)
        };
        let expected: Tensor<1> = found(None);
        assert_eq!(expected.dims(), [1 + 28 + 36 + 9]);
        for step in [1, 3, 7, 100] {
            let difference = (found(Some(step)) - expected.clone()).abs().max();
            assert!(difference.into_scalar::<f32>() < 1e-5, "{step}");
        }
    }
}
