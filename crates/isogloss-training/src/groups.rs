//! Which parameter learns at which rate, and which decays.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;
use isogloss_peft::is_lora_b;

use crate::adamw::AdamW;
use crate::{AdamWSettings, RateFactors};

/// How a parameter is updated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rule {
    /// By what the learning rate is multiplied.
    factor: f64,
    decays: bool,
    /// How far below the heads its layer is.
    below: u32,
}

impl Default for Rule {
    fn default() -> Self {
        Self { factor: 1.0, decays: true, below: 0 }
    }
}

impl Rule {
    pub(crate) fn of(self, settings: AdamWSettings, rate: f64) -> (AdamWSettings, f64) {
        let settings = if self.decays { settings } else { settings.with_weight_decay(0.0) };
        (settings, rate * self.factor)
    }

    /// Whether it learns at a step, counted from 1, where one layer more does every so many steps.
    fn learns(self, step: u64, unfreeze_every: u64) -> bool {
        u64::from(self.below).saturating_mul(unfreeze_every) < step
    }
}

/// Freezes what does not learn yet at a step, and thaws what does.
pub(crate) fn thawed<M: Module>(
    model: M,
    rules: &BTreeMap<u64, Rule>,
    step: u64,
    unfreeze_every: u64,
) -> M {
    model.map(&mut Thaw { rules, step, unfreeze_every })
}

struct Thaw<'a> {
    rules: &'a BTreeMap<u64, Rule>,
    step: u64,
    unfreeze_every: u64,
}

impl ModuleMapper for Thaw<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.rules.get(&param.id.val()) {
            Some(rule) => param.set_require_grad(rule.learns(self.step, self.unfreeze_every)),
            None => param,
        }
    }
}

/// The rules of all trainable parameters, by their ids.
pub(crate) fn rules<M: Module>(model: &M, factors: &RateFactors) -> BTreeMap<u64, Rule> {
    let mut paths = Paths::default();
    model.visit(&mut paths);
    let layers =
        paths.all.iter().filter_map(|(_, path)| layer(path)).max().map_or(0, |top| top + 1);
    let rule = |path: &str| {
        // By role, as Burn names it: biases, and the gain and shift of a normalisation.
        let last = path.rsplit('.').next().unwrap_or_default();
        let decays = !matches!(last, "bias" | "gamma" | "beta");
        let depth = if path.split('.').any(|part| part == "embeddings") {
            0
        } else {
            layer(path).map_or(layers + 1, |layer| layer + 1)
        };
        let below = u32::try_from(layers + 1 - depth).unwrap_or(u32::MAX);
        let lora = if is_lora_b(path) { factors.lora_up.unwrap_or(1.0) } else { 1.0 };
        let factor = factors.layer_decay.unwrap_or(1.0).powf(f64::from(below)) * lora;
        Rule { factor, decays, below }
    };
    paths.all.iter().map(|(id, path)| (id.val(), rule(path))).collect()
}

/// Whether a LoRA learns, of which the matrix B could have a rate of its own.
pub(crate) fn has_lora<M: Module>(model: &M) -> bool {
    let mut paths = Paths::default();
    model.visit(&mut paths);
    paths.all.iter().any(|(_, path)| is_lora_b(path))
}

/// Which layer a parameter is of, counted from 0, by the path `…layers.N.…`.
fn layer(path: &str) -> Option<usize> {
    let mut parts = path.split('.');
    parts.find(|part| *part == "layers")?;
    parts.next()?.parse().ok()
}

/// An optimizer in which each parameter has its rule.
pub(crate) fn optimizer(settings: AdamWSettings, rules: &BTreeMap<u64, Rule>) -> ModuleOptimizer {
    let mut groups: Vec<(Rule, Vec<ParamId>)> = Vec::new();
    for (&id, rule) in rules {
        match groups.iter_mut().find(|(known, _)| known == rule) {
            Some((_, ids)) => ids.push(id.into()),
            None => groups.push((*rule, vec![id.into()])),
        }
    }
    let rest = ModuleOptimizer::from(AdamW { settings, factor: 1.0 });
    groups.into_iter().fold(rest, |optimizer, (rule, ids)| {
        let (settings, factor) = rule.of(settings, 1.0);
        optimizer.with_group(ParamGroup::from_ids(ids), AdamW { settings, factor }, None)
    })
}

#[derive(Default)]
struct Paths {
    path: Vec<String>,
    all: Vec<(ParamId, String)>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.all.push((param.id, self.path.join(".")));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Model {
        embeddings: Embedding,
        layers: Vec<Linear>,
        head: Linear,
    }

    #[test]
    fn rates_fall_from_layer_to_layer_as_the_source_has_it() {
        let device = Device::flex().autodiff();
        let linear = || LinearConfig::new(2, 2).init(&device);
        let model = Model {
            embeddings: EmbeddingConfig::new(3, 2).init(&device),
            layers: (0..12).map(|_| linear()).collect(),
            head: linear(),
        };
        let rules = rules(&model, &RateFactors::default().with_layer_decay(0.9));
        let of = |param: ParamId| rules[&param.val()].of(AdamWSettings::default(), 2e-5);
        let cases = [
            (model.head.weight.id, 2e-5),
            (model.layers[11].weight.id, 1.8e-5),
            (model.layers[0].weight.id, 5.648_591e-6),
            (model.embeddings.weight.id, 5.083_732e-6),
        ];
        for (param, rate) in cases {
            let (settings, found) = of(param);
            assert!((found - rate).abs() < 1e-11, "{found}, expected {rate}");
            assert!(settings.weight_decay > 0.0);
        }
        let bias = model.head.bias.as_ref().map(|bias| bias.id).unwrap();
        assert_eq!(of(bias).0.weight_decay.to_bits(), 0);
    }
}
