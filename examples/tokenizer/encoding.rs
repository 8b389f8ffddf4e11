//! From lines of text to lines of ids.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use isogloss::core::{Progress, ProgressEvent, write_file_atomically};
use isogloss::tokenization::Vocabulary;
use isogloss_examples::{Bars, Outcome};

/// Lines that are in memory, and encoded on all cores, at a time.
const LINES: usize = 1 << 14;

/// Writes the ids of each line, apart by spaces.
pub(crate) fn encode(model: &Path, text: &Path, ids: &Path, special: bool) -> Outcome<()> {
    let vocabulary = Vocabulary::open(model)?;
    let frame = if special { vocabulary.frame() } else { [Vec::new(), Vec::new()] };
    let bars = Bars::default();
    let progress = bars.stage("encoding");
    let file =
        File::open(text).map_err(|fault| format!("cannot read {}: {fault}", text.display()))?;
    let mut reader = BufReader::new(file);
    let mut lines = 0;
    write_file_atomically(ids, |out| {
        let task = "lines";
        progress.report(ProgressEvent::Started { task, total: None, unit: "lines" });
        loop {
            let batch = read_lines(&mut reader, text, lines)?;
            if batch.is_empty() {
                break;
            }
            lines += batch.len();
            let encoded = vocabulary.encode_batch(&batch).map_err(io::Error::other)?;
            for ids in encoded {
                let all = frame[0].iter().chain(&ids).chain(&frame[1]);
                let ids: Vec<String> = all.map(u32::to_string).collect();
                writeln!(out, "{}", ids.join(" "))?;
            }
            progress.report(ProgressEvent::Advanced { task, done: lines as u64, note: "" });
        }
        progress.report(ProgressEvent::Finished { task });
        Ok(())
    })?;
    println!("Written: {}, the ids of {lines} lines", ids.display());
    Ok(())
}

/// The next lines, as many as are wanted at a time or are left.
fn read_lines(reader: &mut impl BufRead, path: &Path, before: usize) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < LINES {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let line = String::from_utf8(line).map_err(|fault| {
            let number = before + lines.len() + 1;
            let fault = format!("{}, line {number}: no UTF-8 ({fault})", path.display());
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })?;
        lines.push(line);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut bytes: &[u8]) -> io::Result<Vec<String>> {
        read_lines(&mut bytes, Path::new("text"), 10)
    }

    #[test]
    fn a_line_ends_at_lf_and_nowhere_else() {
        let text = "one\r\ntwo\u{2028}still two\u{85}and\u{c}\r\u{b}\u{1c}here\n\n last";
        let expected =
            ["one\r", "two\u{2028}still two\u{85}and\u{c}\r\u{b}\u{1c}here", "", " last"];
        assert_eq!(lines(text.as_bytes()).unwrap(), expected);
        assert_eq!(lines(b"one\n").unwrap(), ["one"]);
        assert!(lines(b"").unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_no_text_is_named() {
        let fault = lines(b"good\n\xff\n").unwrap_err().to_string();
        assert!(fault.starts_with("text, line 12: no UTF-8"), "{fault}");
    }
}
