//! Fused operations beside the plain operations that they stand for:
//! `cargo bench --bench kernels [-- --device NAME] [--json FILE]`.
//!
//! Both on one device (Flex; with `--features isogloss/wgpu` or another such, what is named, and what has kernels there),
//! forwards and backwards with gradients of all inputs, in turn, at the shape of a layer of XLM-R's body of 384, of a
//! small model, of long rows and of narrow ones; medians. Where the device counts its memory, also what is held of it
//! between the way there and the way back. An operation that is neither faster here nor holds less has no business in
//! `isogloss-kernels`.
#![expect(clippy::print_stdout, reason = "a bench tells what it measured")]

use std::any::Any;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use isogloss::burn::module::Param;
use isogloss::burn::nn::loss::CrossEntropyLossConfig;
use isogloss::burn::nn::{DropoutConfig, LayerNormConfig};
use isogloss::burn::tensor::{DType, Device, Distribution, Int, Tensor, activation, module};
use isogloss::kernels::{
    AdamWStep, AttentionShape, LayerNorm, Quantization, QuantizedMatrix, Visibility, adamw,
    attention, decoder_cross_entropy, dropout, embedding, gelu, linear, residual_dropout,
    sum_of_squares,
};
use mimalloc::MiMalloc;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long an operation is timed.
const TIME: Duration = Duration::from_millis(1_500);

/// Tokens, the width of a layer and of its feed-forward part, heads, tokens of a row, words.
#[derive(Clone, Copy)]
struct Shape {
    tokens: usize,
    width: usize,
    inner: usize,
    heads: usize,
    row: usize,
    words: usize,
}

const SHAPES: [Shape; 2] = [
    Shape { tokens: 1_024, width: 384, inner: 1_536, heads: 12, row: 128, words: 30_000 },
    Shape { tokens: 2_048, width: 256, inner: 1_024, heads: 4, row: 128, words: 8_192 },
];

/// Of rows that attend to one another, long ones, and such that are narrow, so that products are less and what is
/// between them shows.
const LONG: Shape =
    Shape { tokens: 512, width: 768, inner: 3_072, heads: 12, row: 512, words: 30_000 };
const NARROW: Shape =
    Shape { tokens: 2_048, width: 48, inner: 192, heads: 12, row: 128, words: 8_192 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let (mut file, mut name) = (None, "flex".to_owned());
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--json", Some(value)) => file = Some(value),
            ("--device", Some(value)) => name = value,
            (other, _) => {
                let expected = "expected --device NAME or --json FILE";
                return Err(format!("{expected}, found {other}").into());
            }
        }
    }
    let device = isogloss::device(&name)?;
    let mut measured = Vec::new();
    println!(
        "{:36} {:>18} {:>10} {:>10} {:>7} {:>10} {:>10}",
        "operation", "shape", "fused, ms", "plain, ms", "ratio", "held, MiB", "plain, MiB"
    );
    let attention = |shape| attention_pair(shape, &device);
    let others = [LONG, NARROW].map(attention).into_iter();
    let others = others.chain([cross_entropy_pair(NARROW, &device)]);
    for pair in SHAPES.into_iter().flat_map(|shape| pairs(shape, &device)).chain(others) {
        measured.push(pair.measure(&device)?);
    }
    if let Some(file) = file {
        fs::write(&file, serde_json::to_string_pretty(&measured)? + "\n")?;
        println!("written: {file}");
    }
    Ok(())
}

/// The same twice.
struct Pair {
    name: &'static str,
    dims: String,
    fused: Run,
    plain: Run,
}

/// How far an operation is computed.
#[derive(Clone, Copy)]
enum Way {
    There,
    Back,
}

/// Gives what it made, which is held until the device has made it: what nobody holds may never be computed.
type Run = Box<dyn Fn(Way) -> Box<dyn Any>>;

impl Pair {
    fn measure(&self, device: &Device) -> Result<Value, Box<dyn Error>> {
        let Self { name, dims, fused, plain } = self;
        let held = [held(fused, device)?, held(plain, device)?];
        let begun = Instant::now();
        let mut times = [Vec::new(), Vec::new()];
        while begun.elapsed() < 2 * TIME || times[0].len() < 4 {
            for (run, times) in [fused, plain].into_iter().zip(&mut times) {
                let start = Instant::now();
                let made = run(Way::Back);
                device.sync()?;
                drop(made);
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        let [fused, plain] = times.map(|mut times| {
            // Without the first, of memory that nobody has used.
            times.remove(0);
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        let ratio = plain / fused;
        let [shown_fused, shown_plain] =
            held.map(|held| held.map_or_else(|| "—".to_owned(), |held| format!("{held:.1}")));
        println!(
            "{name:36} {dims:>18} {fused:10.3} {plain:10.3} {ratio:7.2} {shown_fused:>10} {shown_plain:>10}"
        );
        Ok(json!({
            "operation": name,
            "shape": dims,
            "fused_ms": fused,
            "plain_ms": plain,
            "ratio": ratio,
            "fused_held_mib": held[0],
            "plain_held_mib": held[1],
        }))
    }
}

/// What the device's memory holds more, in MiB, when an operation was computed and its gradients were not; `None` where
/// nobody counts it.
fn held(run: &Run, device: &Device) -> Result<Option<f64>, Box<dyn Error>> {
    let in_use = || -> Result<Option<u64>, Box<dyn Error>> {
        device.sync()?;
        Ok(device.memory_pool_usage().map(|usage| usage.bytes_in_use))
    };
    // Once before, since what is compiled and laid out for good is no part of it.
    drop(run(Way::There));
    let before = in_use()?;
    let made = run(Way::There);
    let after = in_use()?;
    drop(made);
    Ok(before.zip(after).map(|(before, after)| (after as f64 - before as f64) / f64::from(1 << 20)))
}

/// Inputs that take gradients, and the gradient of what comes out.
#[derive(Clone)]
struct Given {
    inputs: Vec<Tensor<2>>,
    bias: Tensor<1>,
    grad: Tensor<2>,
}

impl Given {
    fn new(inputs: &[[usize; 2]], out: [usize; 2], device: &Device) -> Self {
        let normal =
            |dims: [usize; 2]| Tensor::random(dims, Distribution::Normal(0.0, 1.0), device);
        Self {
            inputs: inputs.iter().copied().map(normal).collect(),
            bias: Tensor::zeros([out[1]], device),
            grad: normal(out),
        }
    }

    /// Forwards, and backwards.
    fn pass(
        &self,
        way: Way,
        operation: impl Fn(&[Tensor<2>], Tensor<1>) -> Tensor<2>,
    ) -> Box<dyn Any> {
        let leaf = |x: &Tensor<2>| Tensor::<2>::from_inner(x.clone()).require_grad();
        let inputs: Vec<Tensor<2>> = self.inputs.iter().map(leaf).collect();
        let bias = Tensor::<1>::from_inner(self.bias.clone()).require_grad();
        let made = operation(&inputs, bias);
        let loss = (made * Tensor::from_inner(self.grad.clone())).sum();
        match way {
            Way::There => Box::new(loss),
            Way::Back => Box::new(loss.backward()),
        }
    }
}

fn pair(
    name: &'static str,
    given: Given,
    fused: impl Fn(&[Tensor<2>], Tensor<1>) -> Tensor<2> + 'static,
    plain: impl Fn(&[Tensor<2>], Tensor<1>) -> Tensor<2> + 'static,
) -> Pair {
    let dims = format!("{:?}", given.grad.dims());
    let other = given.clone();
    Pair {
        name,
        dims,
        fused: Box::new(move |way| given.pass(way, &fused)),
        plain: Box::new(move |way| other.pass(way, &plain)),
    }
}

fn pairs(shape: Shape, of: &Device) -> Vec<Pair> {
    let Shape { tokens, width, inner, words, .. } = shape;
    let shared = [norm_pair(shape, of), attention_pair(shape, of)];
    if !isogloss::is_cpu(of) {
        // The loss of a vocabulary is products, which are Burn's there, but for the narrow shape.
        return shared.into();
    }
    let one = |dims| Given::new(&[dims], dims, of);
    let [a, b, c, d] = [(); 4].map(|()| DropoutConfig::new(0.1).init());
    let mut pairs = vec![
        pair(
            "linear",
            Given::new(&[[tokens, width], [width, inner]], [tokens, inner], of),
            |x, bias| linear(x[0].clone(), x[1].clone(), Some(bias)),
            |x, bias| module::linear(x[0].clone(), x[1].clone(), Some(bias)),
        ),
        pair(
            "GELU",
            one([tokens, inner]),
            |x, _| gelu(x[0].clone()),
            |x, _| activation::gelu(x[0].clone()),
        ),
        pair(
            "dropout",
            one([tokens, width]),
            move |x, _| dropout(x[0].clone(), &a),
            move |x, _| b.forward(x[0].clone()),
        ),
        pair(
            "residual and dropout",
            Given::new(&[[tokens, width]; 2], [tokens, width], of),
            move |x, _| residual_dropout(x[0].clone(), x[1].clone(), &c),
            move |x, _| x[0].clone() + d.forward(x[1].clone()),
        ),
    ];
    pairs.extend(shared);
    pairs.push(cross_entropy_pair(shape, of));
    let [of_ours, of_theirs] = [(); 2].map(|()| ids(tokens, words, of));
    pairs.push(pair(
        "embedding, gradient of the table",
        Given::new(&[[words, width]], [tokens, width], of),
        move |x, _| embedding(&Param::from_tensor(x[0].clone()), of_ours.clone()),
        move |x, _| x[0].clone().select(0, of_theirs.clone()),
    ));
    pairs.extend(without_gradients(shape, of));
    pairs
}

fn norm_pair(Shape { tokens, width, .. }: Shape, of: &Device) -> Pair {
    let device = of.clone().autodiff();
    let ours = LayerNorm::new(width, 1e-5, &device);
    let theirs = LayerNormConfig::new(width).init(&device);
    pair(
        "layer norm",
        Given::new(&[[tokens, width]], [tokens, width], of),
        move |x, _| ours.forward(x[0].clone()),
        move |x, _| theirs.forward(x[0].clone()),
    )
}

fn attention_pair(shape: Shape, device: &Device) -> Pair {
    let Shape { tokens, width, heads, row, .. } = shape;
    let rows = tokens / row;
    let of = AttentionShape { batch: rows, seq: row, n_heads: heads };
    let [drops, again] = [(); 2].map(|()| DropoutConfig::new(0.1).init());
    pair(
        "attention with dropout",
        Given::new(&[[tokens, width]; 3], [tokens, width], device),
        move |x, _| {
            let qkv = [x[0].clone(), x[1].clone(), x[2].clone()];
            attention(qkv, None, &Visibility::default(), of, &drops)
        },
        move |x, _| {
            let d_head = width / heads;
            let [q, k, v] = [0, 1, 2]
                .map(|at| x[at].clone().reshape([rows, row, heads, d_head]).swap_dims(1, 2));
            let scores = q.matmul(k.swap_dims(2, 3)) / (d_head as f64).sqrt();
            let weights = again.forward(activation::softmax(scores, 3));
            weights.matmul(v).swap_dims(1, 2).reshape([tokens, width])
        },
    )
}

/// Words, here and there.
fn ids(count: usize, words: usize, device: &Device) -> Tensor<1, Int> {
    let id = |at: usize| i32::try_from(at * 7_919 % words).unwrap_or_default();
    let ids: Vec<i32> = (0..count).map(id).collect();
    Tensor::from_ints(ids.as_slice(), &device.clone().autodiff())
}

/// Of the 15 in 100 tokens that are masked.
fn cross_entropy_pair(shape: Shape, device: &Device) -> Pair {
    let Shape { tokens, width, words, .. } = shape;
    let masked = tokens * 15 / 100;
    let [ours, theirs] = [(); 2].map(|()| ids(masked, words, device));
    let bias = Tensor::<1>::zeros([words], device);
    let again = bias.clone();
    let mut given = Given::new(&[[masked, width], [words, width]], [1, 1], device);
    given.bias = bias;
    let mut pair = pair(
        "decoder and cross-entropy",
        given,
        move |x, bias| decoder_cross_entropy(&x[0], &x[1], &bias, &ours).reshape([1, 1]),
        move |x, bias| {
            let logits = x[0].clone().matmul(x[1].clone().transpose()) + bias.unsqueeze::<2>();
            let loss = CrossEntropyLossConfig::new().init(&again.device());
            loss.forward(logits, theirs.clone()).reshape([1, 1])
        },
    );
    pair.dims = format!("[{masked}, {words}]");
    pair
}

/// What is done once for each parameter, and what widens weights.
fn without_gradients(Shape { width, inner, .. }: Shape, device: &Device) -> Vec<Pair> {
    let dims = [width * 4, inner];
    let random = || Tensor::<2>::random(dims, Distribution::Normal(0.0, 1.0), device);
    let (parameter, gradient, m, v) = (random(), random(), random(), random().abs());
    let step = AdamWStep {
        learning_rate: 1e-4,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.01,
        time: 5,
    };
    let given = (parameter.clone(), gradient.clone(), m, v);
    let again = given.clone();
    let small = QuantizedMatrix::quantize(parameter, Quantization::Bf16);
    let half = gradient.clone().cast(DType::BF16);
    let squares = gradient.clone();
    let shown = format!("{dims:?}");
    vec![
        Pair {
            name: "AdamW",
            dims: shown.clone(),
            fused: Box::new(move |_| {
                let (parameter, gradient, m, v) = given.clone();
                Box::new(adamw(parameter, gradient, Some([m, v]), step))
            }),
            plain: Box::new(move |_| {
                let (parameter, gradient, m, v) = again.clone();
                let m = m.mul_scalar(0.9) + gradient.clone().mul_scalar(0.1);
                let v = v.mul_scalar(0.999) + gradient.square().mul_scalar(0.001);
                let update =
                    m.clone().div_scalar(0.4) / v.clone().div_scalar(0.005).sqrt().add_scalar(1e-8);
                Box::new((parameter.mul_scalar(1.0 - 1e-6) - update.mul_scalar(1e-4), m, v))
            }),
        },
        Pair {
            name: "sum of squares",
            dims: shown.clone(),
            fused: Box::new(move |_| Box::new(sum_of_squares(squares.clone()))),
            plain: Box::new(move |_| Box::new(gradient.clone().square().sum())),
        },
        Pair {
            name: "16 bits to 32",
            dims: shown,
            fused: Box::new(move |_| Box::new(small.to_float())),
            plain: Box::new(move |_| Box::new(half.clone().cast(DType::F32))),
        },
    ]
}
