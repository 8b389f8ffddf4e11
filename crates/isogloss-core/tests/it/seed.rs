//! Random streams that old runs can be repeated from.

use isogloss_core::Seed;
use rand::Rng;

#[test]
fn streams_are_pinned_so_that_old_runs_can_be_repeated() {
    let seed = Seed::new(1).derive("mask").at(2);
    assert_eq!(
        (seed.value(), seed.rng().next_u64()),
        (1_448_726_582_903_317_513, 7_550_097_575_749_504_210)
    );
}
