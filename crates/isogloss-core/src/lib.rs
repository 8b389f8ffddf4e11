#![doc = include_str!("../README.md")]

mod atomic_file;
mod error;
mod language;
mod language_facts;
mod progress;
mod seed;

pub use atomic_file::{write_dir_atomically, write_file_atomically};
pub use error::{LanguageTagError, WriteError};
pub use language::LanguageTag;
pub use language_facts::LanguageFacts;
pub use progress::{Progress, ProgressEvent};
pub use seed::{Seed, SeedSeries};
