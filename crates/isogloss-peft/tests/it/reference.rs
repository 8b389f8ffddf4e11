//! What the `adapters` library (1.3.0, on torch 2.15.0) makes of the same numbers.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{AdapterConfig, AdapterHost, BottleneckConfig, ResidualSite, SiteMut, attach};
use isogloss_testing::device;

/// The end of a sub-layer and nothing else.
#[derive(Module, Debug)]
struct End {
    site: ResidualSite,
}

impl AdapterHost for End {
    fn for_each_site(&mut self, visit: &mut dyn FnMut(&str, SiteMut<'_>)) {
        visit("site", SiteMut::Residual(&mut self.site));
    }
}

/// `0.5 sin(0.7 i + k) + 0.25 cos(0.13 i² + k)`: numbers that need no generator.
fn sequence(shape: &[usize], k: f64) -> Vec<f32> {
    let value = |i: f64| 0.5 * (0.7 * i + k).sin() + 0.25 * (0.13 * i * i + k).cos();
    #[expect(clippy::cast_possible_truncation, reason = "as torch keeps them")]
    (0..shape.iter().product()).map(|i: usize| value(i as f64) as f32).collect()
}

/// Gives the parameters of the adapter their numbers, `k` counted from 40 by name, as
/// `adapter_down.0.bias`, `adapter_down.0.weight`, `adapter_up.bias`, `adapter_up.weight`.
struct Numbers<'a> {
    path: Vec<String>,
    device: &'a Device,
}

impl ModuleMapper for Numbers<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = parameter.dims();
        let numbers = match self.path.join(".").trim_start_matches("site.adapter.") {
            "down.bias" => sequence(&shape, 40.0),
            "down.weight" => transposed(&shape, 41.0),
            "up.bias" => sequence(&shape, 42.0),
            "up.weight" => transposed(&shape, 43.0),
            _ => return parameter,
        };
        Param::from_data(TensorData::new(numbers, shape), self.device)
    }
}

/// Torch keeps `[out, in]`, Burn `[in, out]`.
fn transposed(shape: &[usize], k: f64) -> Vec<f32> {
    let (inputs, outputs) = (shape[0], shape[1]);
    let numbers = sequence(shape, k);
    (0..inputs * outputs).map(|i| numbers[(i % outputs) * inputs + i / outputs]).collect()
}

#[test]
fn a_bottleneck_adapter_is_the_seq_bn_of_adapters() {
    let device = device();
    let tensor = |k| Tensor::from_data(TensorData::new(sequence(&[2, 8], k), [2, 8]), &device);
    let mut norm: LayerNorm = LayerNormConfig::new(8).with_epsilon(1e-5).init(&device);
    let vector = |values: Vec<f32>| Param::from_data(TensorData::new(values, [8]), &device);
    norm.gamma = vector(sequence(&[8], 50.0).iter().map(|value| 1.0 + value).collect());
    norm.beta = Some(vector(sequence(&[8], 51.0)));

    let end = End { site: ResidualSite::new(8) };
    let config = AdapterConfig::Bottleneck(BottleneckConfig::new(4));
    let (end, _) = attach(end, &config, Seed::new(1), &device).unwrap();
    let mut numbers = Numbers { path: Vec::new(), device: &device };
    let end = end.map(&mut numbers);

    let y: Tensor<2> = end.site.forward(tensor(52.0), tensor(53.0), |sum| norm.forward(sum));
    let sum: f32 = y.into_data().iter::<f32>().sum();
    assert!((sum - -0.741_005).abs() < 1e-5, "{sum}");
}
