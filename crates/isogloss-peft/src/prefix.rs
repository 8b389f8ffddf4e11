//! Keys and values that stand before those of the tokens.

use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_kernels::{Either, Prefix, dropout};

use crate::held::Held;
use crate::init::{normal, uniform};
use crate::linear::apply;
use crate::slot::Slot;
use crate::{Activation, PrefixConfig};

/// What a model's attention has before the keys and values of the tokens.
///
/// A model that has one asks for them [layer by layer](Self::forward), and lets positions begin
/// [later](Self::positions) where adapters are such as take some.
#[derive(Module, Debug)]
pub struct PrefixSite {
    pub(crate) adapters: Held<PrefixTuning>,
    n_layers: usize,
    d_model: usize,
    n_heads: usize,
}

/// The keys and values of all layers that have some.
#[derive(Module, Debug)]
pub(crate) struct PrefixTuning {
    numbers: Either<Param<Tensor<2>>, Projected>,
    dropout: Dropout,
    #[module(skip)]
    layers: Vec<usize>,
    d_model: usize,
    counts_positions: bool,
}

/// Numbers that are made of few by two layers, while they are trained.
#[derive(Module, Debug)]
pub(crate) struct Projected {
    /// `[length, d_model]`
    table: Param<Tensor<2>>,
    down: Linear,
    up: Linear,
    #[module(skip)]
    activation: Activation,
}

impl PrefixSite {
    /// A site for a model of so many layers of that width, without an adapter.
    pub fn new(n_layers: usize, d_model: usize, n_heads: usize) -> Self {
        Self { adapters: Held::new(), n_layers, d_model, n_heads }
    }

    /// What stands before the tokens in each layer.
    pub fn forward(&self) -> Vec<Option<Prefix>> {
        let rows = self.adapters.node().rows();
        let mut made: Vec<Option<Vec<Option<[Tensor<2>; 2]>>>> = Vec::new();
        made.resize_with(self.adapters.about().len(), || None);
        for &number in rows.iter().flatten() {
            made[number]
                .get_or_insert_with(|| self.adapters.adapter(number).forward(self.n_layers));
        }
        let joined = |layer: usize, adapters: &[usize]| {
            let parts = adapters.iter().filter_map(|&number| made[number].as_ref()?[layer].clone());
            let (keys, values): (Vec<_>, Vec<_>) =
                parts.map(|[keys, values]| (keys, values)).unzip();
            (!keys.is_empty()).then(|| [keys, values].map(|parts| Tensor::cat(parts, 0)))
        };
        let of_layer = |layer: usize| match &*rows {
            [] => None,
            [adapters] => joined(layer, adapters).map(|[keys, values]| Prefix::new(keys, values)),
            rows => {
                let rows: Vec<_> = rows.iter().map(|adapters| joined(layer, adapters)).collect();
                Prefix::of_rows(&rows)
            }
        };
        (0..self.n_layers).map(of_layer).collect()
    }

    /// How many positions come before the first token: one number for all rows, or one for each.
    pub fn positions(&self) -> Vec<usize> {
        let counted = |&number: &usize| {
            let adapter = self.adapters.adapter(number);
            if adapter.counts_positions { adapter.length() } else { 0 }
        };
        let rows = self.adapters.node().rows();
        rows.iter().map(|adapters| adapters.iter().map(counted).sum()).collect()
    }

    /// The layers, their width and their heads.
    pub(crate) fn dims(&self) -> [usize; 3] {
        [self.n_layers, self.d_model, self.n_heads]
    }
}

impl PrefixTuning {
    pub(crate) fn new(
        config: &PrefixConfig,
        [n_layers, d_model, _]: [usize; 3],
        seed: Seed,
        device: &Device,
    ) -> Self {
        let layers: Vec<usize> =
            (0..n_layers).filter(|layer| !config.leave_out.contains(layer)).collect();
        let (length, width) = (config.length, layers.len() * 2 * d_model);
        let mut rng = seed.rng();
        let param = |numbers: Vec<f32>, dims: [usize; 2]| {
            Param::from_data(TensorData::new(numbers, dims), device)
        };
        let numbers = match &config.projection {
            None => {
                Either::A(param(normal(&mut rng, length * width, config.init_std), [length, width]))
            }
            Some(projection) => {
                let table = param(normal(&mut rng, length * d_model, 1.0), [length, d_model]);
                let mut layer = |inputs: usize, outputs: usize| {
                    // As the layers of PyTorch.
                    let bound = 1.0 / (inputs as f64).sqrt();
                    let weight =
                        param(uniform(&mut rng, inputs * outputs, bound), [inputs, outputs]);
                    let bias = TensorData::new(uniform(&mut rng, outputs, bound), [outputs]);
                    Linear { weight, bias: Some(Param::from_data(bias, device)) }
                };
                let (down, up) = (layer(d_model, projection.width), layer(projection.width, width));
                Either::B(Projected { table, down, up, activation: projection.activation })
            }
        };
        Self {
            numbers,
            dropout: DropoutConfig::new(config.dropout).init(),
            layers,
            d_model,
            counts_positions: config.counts_positions,
        }
    }

    /// The keys and values of all layers, which stand side by side. `[length, layers · 2 · d_model]`
    pub(crate) fn values(&self) -> Tensor<2> {
        match &self.numbers {
            Either::A(numbers) => numbers.val(),
            Either::B(projected) => {
                let Projected { table, down, up, activation } = projected;
                apply(up, activation.forward(apply(down, table.val())))
            }
        }
    }

    pub(crate) fn length(&self) -> usize {
        match &self.numbers {
            Either::A(numbers) => numbers.lazy_shape()[0],
            Either::B(projected) => projected.table.lazy_shape()[0],
        }
    }

    /// Keys and values of each layer that has some. `[length, d_model]`
    fn forward(&self, n_layers: usize) -> Vec<Option<[Tensor<2>; 2]>> {
        let all = dropout(self.values(), &self.dropout);
        let part = |at: usize| all.clone().narrow(1, at * self.d_model, self.d_model);
        let of = |layer: usize| {
            let place = self.layers.iter().position(|&own| own == layer)?;
            Some([part(2 * place), part(2 * place + 1)])
        };
        (0..n_layers).map(of).collect()
    }

    /// Its parameters, with what follows its name in a file of the `adapters` library.
    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        match &mut self.numbers {
            Either::A(numbers) => vec![("control_trans".to_owned(), Slot::Flat(numbers))],
            Either::B(Projected { table, down, up, .. }) => {
                let mut slots = vec![("wte.weight".to_owned(), Slot::Table(table))];
                for (at, layer) in [(0, down), (2, up)] {
                    slots.push((
                        format!("control_trans.{at}.weight"),
                        Slot::Matrix(&mut layer.weight),
                    ));
                    if let Some(bias) = &mut layer.bias {
                        slots.push((format!("control_trans.{at}.bias"), Slot::Vector(bias)));
                    }
                }
                slots
            }
        }
    }

    /// The numbers as `peft` keeps them; `None` of those that are still made of few.
    pub(crate) fn table(&mut self) -> Option<Slot<'_>> {
        match &mut self.numbers {
            Either::A(numbers) => Some(Slot::Table(numbers)),
            Either::B(_) => None,
        }
    }

    /// The Frobenius norm of its values.
    pub(crate) fn update_norm(&self) -> f64 {
        let values: Vec<Tensor<2>> = self
            .forward(self.layers.last().map_or(0, |last| last + 1))
            .into_iter()
            .flatten()
            .map(|[_, values]| values)
            .collect();
        let squares = values.into_iter().map(|it| it.square().sum()).reduce(|a, b| a + b);
        squares.map_or(0.0, |sum| f64::from(sum.sqrt().into_scalar::<f32>()))
    }
}
