//! What dropout draws from.

use std::cell::Cell;
use std::marker::PhantomData;

use burn::tensor::{Device, Distribution, Tensor};
#[cfg(feature = "cube")]
use burn::tensor::{Int, IntDType};

thread_local! {
    static STREAM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// While it is there, what is drawn by [`drawn_seed`] on this thread, such as the masks of dropout on Flex and those in
/// attention on graphics processors, is of a stream of its own, so that several threads may compute on one device and each
/// draws what it would draw alone.
///
/// Burn's own dropout draws from the device's generator, of which there is one.
#[derive(Debug)]
pub struct RandomStream {
    // It belongs to the thread that began it.
    _not_send: PhantomData<*const ()>,
}

impl RandomStream {
    /// Begins one, in the place of any there was, and seeds the device's generator, too.
    pub fn begin(device: &Device, seed: u64) -> Self {
        STREAM.set(Some(seed));
        device.seed(seed);
        Self { _not_send: PhantomData }
    }
}

impl Drop for RandomStream {
    fn drop(&mut self) {
        STREAM.set(None);
    }
}

/// Seeds what is drawn from here on: the device's generator, and the stream of this thread, if there is one.
pub fn seed_random(device: &Device, seed: u64) {
    if STREAM.get().is_some() {
        STREAM.set(Some(seed));
    }
    device.seed(seed);
}

/// A seed: from the stream of this thread, or from the device's own generator, which cannot be asked for its state.
pub fn drawn_seed(device: &Device) -> u64 {
    if let Some(state) = STREAM.get() {
        STREAM.set(Some(state.wrapping_add(GOLDEN)));
        return mixed(state);
    }
    let drawn: Tensor<1> =
        Tensor::random([3], Distribution::Uniform(0.0, 1.0), &device.clone().inner());
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole numbers below 2²⁴"
    )]
    drawn
        .into_data()
        .iter::<f32>()
        .fold(0, |seed, number| (seed << 21) ^ (number * 16_777_216.0) as u64)
}

/// A seed as two numbers that are left where they were drawn, so that no graphics processor is waited for.
#[cfg(feature = "cube")]
pub(crate) fn drawn_keys(device: &Device) -> Tensor<1, Int> {
    let device = device.clone().inner();
    let keys: Tensor<1, Int> = match STREAM.get() {
        Some(_) => {
            let seed = drawn_seed(&device);
            #[expect(clippy::cast_possible_truncation, reason = "31 bits each")]
            let keys = [(seed >> 33) as i32, (seed >> 2) as i32 & i32::MAX];
            Tensor::from_ints(keys, &device)
        }
        None => Tensor::random([2], Distribution::Uniform(0.0, 2_147_483_520.0), &device),
    };
    keys.cast(IntDType::I32)
}

/// What the state of SplitMix64 grows by, Steele et al. (2014).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What SplitMix64 gives in a state.
pub(crate) fn mixed(state: u64) -> u64 {
    let x = state.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_that_of_its_thread_and_its_seed() {
        let device = Device::flex();
        let draw = |count: usize| -> Vec<u64> { (0..count).map(|_| drawn_seed(&device)).collect() };
        let (first, again) = {
            let _stream = RandomStream::begin(&device, 7);
            let first = draw(3);
            // Nothing that another thread does is seen here.
            std::thread::scope(|scope| {
                scope.spawn(|| seed_random(&device, 1));
            });
            seed_random(&device, 7);
            (first, draw(3))
        };
        // The first number of SplitMix64 with seed 7.
        assert_eq!(first[0], 7_191_089_600_892_374_487);
        assert_eq!(first, again);
        assert!(first[0] != first[1]);
        // Behind it the device's generator is drawn from again.
        seed_random(&device, 7);
        let of_device = draw(2);
        seed_random(&device, 7);
        assert_eq!(of_device, draw(2));
        assert!(of_device[0] != first[0]);
    }
}
