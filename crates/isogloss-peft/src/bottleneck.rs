//! Narrow layers beside wide ones.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{Either, LayerNorm, dropout};

use crate::config::{BottleneckInit, BottleneckResidual, Scaling};
use crate::init::{normal, truncated_normal, uniform};
use crate::linear::apply;
use crate::phm::Phm;
use crate::slot::Slot;
use crate::{Activation, BottleneckConfig};

/// `up(f(down(h)))`, scaled: through a narrow layer and back.
#[derive(Module, Debug)]
pub(crate) struct Bottleneck {
    norm_before: Option<LayerNorm>,
    down: Either<Linear, Phm>,
    up: Either<Linear, Phm>,
    norm_after: Option<LayerNorm>,
    /// `[1]` or `[d_model]`, where it is learned.
    scaling: Option<Param<Tensor<1>>>,
    fixed_scaling: f64,
    dropout: Dropout,
    #[module(skip)]
    pub(crate) shape: Shape,
}

/// How the parts are put together.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Shape {
    activation: Activation,
    pub(crate) is_parallel: bool,
    pub(crate) model_norm_before: bool,
    pub(crate) model_norm_after: bool,
    residual: BottleneckResidual,
    residual_before_norm: bool,
}

impl Bottleneck {
    pub(crate) fn new(
        config: &BottleneckConfig,
        layer: Option<usize>,
        d_model: usize,
        seed: Seed,
        device: &Device,
    ) -> Self {
        let width = config.width(d_model, layer);
        let mut rng = seed.rng();
        let [down, up] = match config.init {
            BottleneckInit::Identity => {
                [normal(&mut rng, d_model * width, 0.02), vec![0.0; d_model * width]]
            }
            BottleneckInit::Bert => [0.02; 2].map(|std| normal(&mut rng, d_model * width, std)),
            BottleneckInit::Mam => {
                let bound = 1.0 / (d_model as f64).sqrt();
                [uniform(&mut rng, d_model * width, bound), vec![0.0; d_model * width]]
            }
            BottleneckInit::Houlsby => {
                [0.01; 2].map(|std| truncated_normal(&mut rng, d_model * width, std))
            }
        };
        let vector = |value: f32, width: usize| {
            Param::from_data(TensorData::new(vec![value; width], [width]), device)
        };
        let layer = |weight: Vec<f32>, [inputs, outputs]: [usize; 2]| Linear {
            weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
            bias: Some(vector(0.0, outputs)),
        };
        let (down_dims, up_dims) = ([d_model, width], [width, d_model]);
        let (down, up) = match config.phm {
            None => (Either::A(layer(down, down_dims)), Either::A(layer(up, up_dims))),
            Some(phm) => {
                let mut phm = |dims| Either::B(Phm::new(phm, dims, &mut rng, device));
                (phm(down_dims), phm(up_dims))
            }
        };
        let norm = |is_there: bool| is_there.then(|| LayerNorm::new(d_model, 1e-5, device));
        let (scaling, fixed_scaling) = match config.scaling {
            Scaling::Fixed(scaling) => (None, scaling),
            Scaling::Learned => (Some(vector(1.0, 1)), 1.0),
            Scaling::Channels => (Some(vector(1.0, d_model)), 1.0),
        };
        Self {
            norm_before: norm(config.norm_before),
            down,
            up,
            norm_after: norm(config.norm_after),
            scaling,
            fixed_scaling,
            dropout: DropoutConfig::new(config.dropout).init(),
            shape: Shape {
                activation: config.activation,
                is_parallel: config.parallel,
                model_norm_before: config.model_norm_before,
                model_norm_after: config.model_norm_after,
                residual: config.residual,
                residual_before_norm: config.residual_before_norm,
            },
        }
    }

    /// What it makes of the sub-layer's output `h` and the residual `x`, to which `x` is still to be added.
    pub(crate) fn forward(
        &self,
        hidden: Tensor<2>,
        x: Tensor<2>,
        norm: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        let shape = self.shape;
        if shape.is_parallel {
            let update = self.update(x);
            let update = match &self.norm_after {
                Some(norm) => norm.forward(update),
                None => update,
            };
            return hidden + update;
        }
        let (input, residual) = self.inputs(hidden, x, norm);
        let update = self.update(input);
        match (&self.norm_after, shape.residual_before_norm) {
            (None, _) => residual + update,
            (Some(norm), true) => norm.forward(update + residual),
            (Some(norm), false) => norm.forward(update) + residual,
        }
    }

    /// What it is given, and what its output is added to.
    pub(crate) fn inputs(
        &self,
        hidden: Tensor<2>,
        x: Tensor<2>,
        norm: &dyn Fn(Tensor<2>) -> Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (input, sum) = if self.shape.model_norm_before {
            let sum = hidden.clone() + x;
            (norm(sum.clone()), sum)
        } else {
            (hidden.clone(), hidden.clone())
        };
        let residual = match self.shape.residual {
            BottleneckResidual::SubLayer => hidden,
            BottleneckResidual::Sum => sum,
            BottleneckResidual::Normalized => input.clone(),
        };
        (input, residual)
    }

    fn update(&self, input: Tensor<2>) -> Tensor<2> {
        dropout(self.raw_update(input), &self.dropout)
    }

    /// What it adds, of what it is given, before dropout.
    pub(crate) fn raw_update(&self, input: Tensor<2>) -> Tensor<2> {
        let input = match &self.norm_before {
            Some(norm) => norm.forward(input),
            None => input,
        };
        let through = |layer: &Either<Linear, Phm>, x| match layer {
            Either::A(layer) => apply(layer, x),
            Either::B(layer) => layer.forward(x),
        };
        let narrow = self.shape.activation.forward(through(&self.down, input));
        let update = through(&self.up, narrow);
        match &self.scaling {
            Some(scaling) => update * scaling.val().unsqueeze::<2>(),
            #[expect(clippy::float_cmp, reason = "a scale of exactly 1 is none")]
            None if self.fixed_scaling == 1.0 => update,
            None => update.mul_scalar(self.fixed_scaling),
        }
    }

    /// Its parameters, with what follows its name in a file of the `adapters` library.
    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        let mut slots = Vec::new();
        let at = usize::from(self.norm_before.is_some());
        let mut add = |name: String, slot| slots.push((name, slot));
        let norms = [("before", &mut self.norm_before), ("after", &mut self.norm_after)];
        for (name, norm) in norms {
            if let Some(norm) = norm {
                add(format!("adapter_norm_{name}.weight"), Slot::Vector(&mut norm.gamma));
                add(format!("adapter_norm_{name}.bias"), Slot::Vector(&mut norm.beta));
            }
        }
        let layers = [
            (format!("adapter_down.{at}"), &mut self.down),
            ("adapter_up".to_owned(), &mut self.up),
        ];
        for (name, layer) in layers {
            match layer {
                Either::A(layer) => {
                    add(format!("{name}.weight"), Slot::Matrix(&mut layer.weight));
                    if let Some(bias) = &mut layer.bias {
                        add(format!("{name}.bias"), Slot::Vector(bias));
                    }
                }
                Either::B(layer) => {
                    for (part, slot) in layer.slots() {
                        add(format!("{name}.{part}"), slot);
                    }
                }
            }
        }
        if let Some(scaling) = &mut self.scaling {
            add("scaling".to_owned(), Slot::Vector(scaling));
        }
        slots
    }

    /// The Frobenius norm of its second layer, which is zero where it changes nothing.
    pub(crate) fn update_norm(&self) -> f64 {
        let sum = match &self.up {
            Either::A(up) => {
                let weight = up.weight.val().square().sum();
                let bias = up.bias.as_ref().map(|bias| bias.val().square().sum());
                bias.map_or(weight.clone(), |bias| weight + bias)
            }
            Either::B(up) => up.squares(),
        };
        f64::from(sum.sqrt().into_scalar::<f32>())
    }
}
