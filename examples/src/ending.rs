//! How a program tells a person that it failed.
#![expect(clippy::print_stderr, reason = "an error is shown to a person")]

use std::error::Error;
use std::process::ExitCode;

/// What can fail gives a sentence for a person; threads pass it on.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Ends a program: prints what went wrong, and because of what.
pub fn exit_code(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
