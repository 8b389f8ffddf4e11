//! Gradients of an adapter against finite differences. Not DoRA's: it takes a norm for a constant.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{
    Activation, AdaLoraConfig, AdapterConfig, BottleneckConfig, Ia3Config, LoHaConfig, LoKrConfig,
    LoraConfig, PhmConfig, Targets, VeraConfig, attach,
};
use isogloss_testing::device;
use rand::RngExt;

use crate::host::{Block, rows};

/// Replaces every trainable parameter by small random numbers, so that no part is zero.
struct Randomise(u64);

impl ModuleMapper for Randomise {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        self.0 += 1;
        let mut rng = Seed::new(9).at(self.0).rng();
        let shape = param.lazy_shape();
        let values: Vec<f32> =
            (0..shape.num_elements()).map(|_| rng.random_range(-0.5..0.5)).collect();
        let device = param.val().device();
        param
            .map(|_| Tensor::from_data(TensorData::new(values, shape), &device))
            .set_require_grad(true)
    }
}

/// Adds `step` to the `place`-th number of all trainable parameters, counted through.
struct Nudge {
    place: usize,
    step: f32,
    seen: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let shape = param.lazy_shape();
        let own = self.place.checked_sub(self.seen).filter(|own| *own < shape.num_elements());
        self.seen += shape.num_elements();
        let Some(own) = own else { return param };
        let device = param.val().device();
        let mut values: Vec<f32> = param.val().into_data().iter().collect();
        values[own] += self.step;
        param
            .map(|_| Tensor::from_data(TensorData::new(values, shape), &device))
            .set_require_grad(true)
    }
}

struct Gradients<'a>(&'a GradientsParams, Vec<f32>);

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.0.get::<D>(param.id) {
            self.1.extend(gradient.into_data().iter::<f32>());
        }
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let device = device().autodiff();
    let x = rows(4, 6, &device);
    let mut compacter = BottleneckConfig::compacter_plus_plus().with_reduction_factor(1.5);
    compacter.phm = Some(PhmConfig::new(2, 2));
    for config in [
        AdapterConfig::Lora(LoraConfig::new(2).with_target("up|down")),
        AdapterConfig::AdaLora(AdaLoraConfig::new(2, 1).with_target("up|down")),
        AdapterConfig::LoHa(LoHaConfig::new(2).with_target("up|down")),
        AdapterConfig::LoKr(LoKrConfig::new(1).with_target("up|down")),
        AdapterConfig::Vera(VeraConfig::new(3).with_target("up|down")),
        AdapterConfig::Ia3(Ia3Config::new(Targets::all(), Targets::list(["down"]))),
        AdapterConfig::Bottleneck(BottleneckConfig::new(3).with_activation(Activation::Gelu)),
        AdapterConfig::Bottleneck(compacter),
    ] {
        let (model, report) =
            attach(Block::new(6, &device), "it", &config, Seed::new(1), &device).unwrap();
        let model = model.map(&mut Randomise(0));
        let loss = |model: &Block| model.forward(x.clone()).square().sum();
        let gradients = GradientsParams::from_grads(loss(&model).backward(), &model);
        let mut found = Gradients(&gradients, Vec::new());
        model.visit(&mut found);
        assert_eq!(found.1.len(), report.parameters);
        for (place, found) in found.1.iter().enumerate().step_by(5) {
            let at = |step: f32| {
                let nudged = model.clone().map(&mut Nudge { place, step, seen: 0 });
                loss(&nudged).into_scalar::<f32>()
            };
            let step = 1e-2;
            let expected = (at(step) - at(-step)) / (2.0 * step);
            // f32 losses near 10, differences over 0.02, and the third derivative.
            assert!(
                (found - expected).abs() < 0.02 + 0.02 * expected.abs(),
                "{config:?}, number {place}: {found}, not {expected}",
            );
        }
    }
}
