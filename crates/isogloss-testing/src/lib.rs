#![doc = include_str!("../README.md")]

#[cfg(feature = "device")]
mod device;
mod sizes;
mod texts;
mod tolerance;

#[cfg(feature = "device")]
pub use device::{device, is_flex, other_device};
pub use sizes::language_sizes;
pub use texts::GREETINGS;
pub use tolerance::{assert_close, slack};
