//! What the examples share: devices of a run, bars that show progress, options for weighing languages and for sentence
//! encoders, and how a program ends.

mod bars;
#[cfg(feature = "dashboard")]
mod dashboard;
mod devices;
mod ending;
mod language_file;
mod memory;
mod monitor;
mod peft;
mod quantized;
mod sentences;
mod terms;
mod weighting;

pub use bars::{Bars, Stage};
pub use devices::devices;
pub use ending::{Outcome, exit_code, print_written, stop_on_interrupt};
pub use language_file::LanguageFile;
pub use memory::keep_memory;
pub use monitor::{Monitor, NumbersArgs};
pub use peft::{FUSION_FILE, Method, PeftArgs, load_adapters};
pub use quantized::QuantizedArgs;
pub use sentences::{EncoderArgs, read_lines};
pub use terms::{TextTerms, check_terms, with_terms_of};
pub use weighting::{WeightingArgs, share_of, whole_number};
