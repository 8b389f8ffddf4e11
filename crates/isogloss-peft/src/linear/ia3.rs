//! Learned scales.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::Affine;
use crate::slot::Slot;

/// A factor for each output of a layer, or for each input.
#[derive(Module, Debug)]
pub(crate) struct Ia3 {
    /// `[out]` or `[in]`
    scale: Param<Tensor<1>>,
    is_on_input: bool,
}

impl Ia3 {
    /// Ones, so that nothing changes at first.
    pub(crate) fn new([inputs, outputs]: [usize; 2], is_on_input: bool, device: &Device) -> Self {
        let width = if is_on_input { inputs } else { outputs };
        let ones = TensorData::ones::<f32, _>([width]);
        Self { scale: Param::from_data(ones, device), is_on_input }
    }

    pub(super) fn is_on_input(&self) -> bool {
        self.is_on_input
    }

    pub(super) fn scale(&self, x: Tensor<2>) -> Tensor<2> {
        x * self.scale.val().unsqueeze::<2>()
    }

    pub(super) fn merge(&self, layer: Affine) -> Affine {
        let scale = self.scale.val().to_device(&layer.weight.device());
        if self.is_on_input {
            let column = scale.unsqueeze_dim::<2>(1); // [in, 1]
            Affine { weight: layer.weight * column, bias: layer.bias }
        } else {
            let bias = layer.bias.map(|bias| bias * scale.clone());
            Affine { weight: layer.weight * scale.unsqueeze::<2>(), bias }
        }
    }

    pub(super) fn slots(&mut self) -> Vec<(&'static str, Slot<'_>)> {
        let scale = &mut self.scale;
        vec![("ia3_l", if self.is_on_input { Slot::Row(scale) } else { Slot::Column(scale) })]
    }
}
