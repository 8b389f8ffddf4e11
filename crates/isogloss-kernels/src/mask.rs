//! Which numbers are dropped: a function of a seed and a place, so that no mask need be kept.
#![cfg_attr(
    feature = "flex",
    expect(clippy::inline_always, reason = "a call within a loop keeps it from becoming vectors")
)]

use burn::nn::Dropout;
use burn::tensor::Device;

/// How much is dropped.
#[derive(Clone, Copy, Debug)]
#[expect(unreachable_pub, reason = "a macro names it from outside")]
pub struct Rate {
    // What is below is dropped.
    pub(crate) threshold: u32,
    // What is kept is multiplied with it.
    pub(crate) scale: f32,
}

impl Rate {
    /// That of a layer; `None` where nothing is dropped.
    pub(crate) fn of(dropout: &Dropout, device: &Device) -> Option<Self> {
        let prob = dropout.prob;
        if !dropout.training.is_enabled() || !device.is_autodiff() || prob <= 0.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number below 2³²"
        )]
        Some(Self {
            threshold: (prob * 4_294_967_296.0) as u32,
            scale: (1.0 / (1.0 - prob)) as f32,
        })
    }
}

/// A mask of dropout over rows of numbers.
#[cfg(feature = "flex")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    seed: u64,
    rate: Rate,
}

#[cfg(feature = "flex")]
impl Mask {
    /// A mask drawn from the device's generator; `None` where nothing is dropped.
    pub(crate) fn draw(dropout: &Dropout, device: &Device) -> Option<Self> {
        let rate = Rate::of(dropout, device)?;
        Some(Self { seed: crate::drawn_seed(device), rate })
    }

    /// What the numbers of a row are multiplied with.
    pub(crate) fn row(self, row: u64) -> MaskRow {
        let key = crate::random::mixed(self.seed ^ crate::random::mixed(row));
        #[expect(clippy::cast_possible_truncation, reason = "its two halves")]
        let keys = [key as u32, (key >> 32) as u32];
        MaskRow { keys, rate: self.rate }
    }
}

/// One row of a mask.
#[cfg(feature = "flex")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaskRow {
    keys: [u32; 2],
    rate: Rate,
}

#[cfg(feature = "flex")]
impl MaskRow {
    /// 0 or the scale of what is kept.
    #[inline(always)]
    pub(crate) fn at(self, place: u32) -> f32 {
        let mut x = place ^ self.keys[0];
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d) ^ self.keys[1];
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^= x >> 16;
        if x < self.rate.threshold { 0.0 } else { self.rate.scale }
    }

    /// Multiplies a row with its mask.
    #[inline(always)]
    pub(crate) fn apply(self, numbers: &mut [f32]) {
        for (place, number) in (0_u32..).zip(numbers) {
            *number *= self.at(place);
        }
    }
}
