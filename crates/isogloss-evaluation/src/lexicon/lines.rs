//! Lines of a text file, with their numbers.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::EvaluationError;

/// Calls `each` with the number of each line, counted from 1, and the line without its end, until it
/// returns `false`.
pub(super) fn for_each_line(
    path: &Path,
    mut each: impl FnMut(usize, &str) -> Result<bool, EvaluationError>,
) -> Result<(), EvaluationError> {
    let unreadable = |source| EvaluationError::Read { path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(unreadable)?);
    let mut buffer = Vec::new();
    for line in 1.. {
        buffer.clear();
        // Only `\n` ends a line: words of real files hold other separators.
        if reader.read_until(b'\n', &mut buffer).map_err(unreadable)? == 0 {
            break;
        }
        let text = std::str::from_utf8(&buffer).map_err(|error| {
            let byte = error.valid_up_to() + 1;
            fault(path, line, format!("byte {byte} is not UTF-8, expected UTF-8 text"))
        })?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        if !each(line, text)? {
            break;
        }
    }
    Ok(())
}

/// What is wrong with a line.
pub(super) fn fault(path: &Path, line: usize, fault: String) -> EvaluationError {
    EvaluationError::Line { path: path.to_owned(), line, fault }
}
