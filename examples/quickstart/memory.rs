//! How much memory a piece of work needs, as the allocator counts it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::ALLOCATOR;

/// The highest mark of earlier pieces of work, in MiB as bits; the allocator forgets it on reset.
static EARLIER: AtomicU64 = AtomicU64::new(0);

/// Runs `work` and returns, with its result, the most memory that it held beyond what was held
/// when it began, in MiB.
pub(crate) fn peak_during<T>(work: impl FnOnce() -> T) -> (T, f64) {
    peak_of_run();
    ALLOCATOR.reset_peak_usage();
    let before = f64::from(ALLOCATOR.current_usage_as_mb());
    let result = work();
    let peak = f64::from(ALLOCATOR.peak_usage_as_mb());
    peak_of_run();
    (result, (peak - before).max(0.0))
}

/// The most memory that the program has held so far, in MiB.
pub(crate) fn peak_of_run() -> f64 {
    let now = f64::from(ALLOCATOR.peak_usage_as_mb());
    let earlier = f64::from_bits(EARLIER.load(Ordering::Relaxed));
    let peak = now.max(earlier);
    EARLIER.store(peak.to_bits(), Ordering::Relaxed);
    peak
}
