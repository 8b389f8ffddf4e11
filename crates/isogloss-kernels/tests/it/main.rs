//! The public side of the crate, on the device under test.

#![expect(clippy::unwrap_used, reason = "helpers beside the tests state what they expect, too")]

mod attention;
mod gelu;
mod quantized;
mod rows;
mod training;

use isogloss_testing::device;
