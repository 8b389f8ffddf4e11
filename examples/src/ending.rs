//! How a program tells a person what it wrote, or that it failed.
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "they are shown to a person")]

use std::error::Error;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use isogloss::training::StopFlag;

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

/// Says what a program wrote.
pub fn print_written(paths: &[PathBuf]) {
    println!("Written:");
    for path in paths {
        println!("   {}", path.display());
    }
}

/// A flag that Ctrl-C raises, so that a run ends with a checkpoint; a second Ctrl-C ends the program at once.
///
/// # Errors
///
/// Where there is a handler already.
#[expect(clippy::exit, reason = "somebody asked for it twice")]
pub fn stop_on_interrupt() -> Outcome<StopFlag> {
    let (stop, is_second) = (StopFlag::new(), AtomicBool::new(false));
    let raised = stop.clone();
    ctrlc::set_handler(move || {
        if is_second.swap(true, Ordering::Relaxed) {
            exit(130);
        }
        eprintln!("\nending after this step; again to end at once");
        raised.stop();
    })?;
    Ok(stop)
}
