//! Dropout as LoHa and LoKr have it.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use isogloss_kernels::dropout;

/// While training, leaves away some outputs of an update in all rows alike, and now and then the update.
#[derive(Module, Debug)]
pub(crate) struct Dropped {
    outputs: Dropout,
    /// Whether what is left is scaled, so that the mean stays.
    is_scaled: bool,
    whole: Dropout,
}

impl Dropped {
    pub(crate) fn new(outputs: f64, is_scaled: bool, whole: f64) -> Self {
        let rate = |rate| DropoutConfig::new(rate).init();
        Self { outputs: rate(outputs), is_scaled, whole: rate(whole) }
    }

    pub(crate) fn forward(&self, update: Tensor<2>) -> Tensor<2> {
        let ([_, outputs], device) = (update.dims(), update.device());
        let ones = |n: usize| Tensor::<2>::ones([1, n], &device);
        let mut kept = update;
        if self.outputs.prob > 0.0 {
            let mask = dropout(ones(outputs), &self.outputs);
            // Burn's dropout scales what it keeps.
            let mask = if self.is_scaled { mask } else { mask.sign() };
            kept = kept * mask;
        }
        if self.whole.prob > 0.0 {
            kept = kept * dropout(ones(1), &self.whole).sign();
        }
        kept
    }
}
