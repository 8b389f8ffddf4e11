//! Trains a vocabulary or encodes lines, and says as a line of JSON how long that took: our side of
//! `tokenization.py`, which times the peers in the same run.
//!
//! `cargo bench --bench tokenization -- train LINES ALGORITHM SIZE FILE` writes the vocabulary to
//! `FILE`; `… -- encode LINES FILE IDS` encodes with a `tokenizer.json` or a `.model` of SentencePiece
//! and writes the ids, a line for each line.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use isogloss::tokenization::{Algorithm, Vocabulary, VocabularyConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["train", lines, algorithm, size, file] => {
            train(Path::new(lines), algorithm, size.parse()?, Path::new(file))
        }
        ["encode", lines, file, ids] => encode(Path::new(lines), Path::new(file), Path::new(ids)),
        _ => {
            println!("python benches/tokenization.py runs this beside the peers");
            Ok(())
        }
    }
}

fn train(lines: &Path, algorithm: &str, size: usize, file: &Path) -> Result<(), Box<dyn Error>> {
    let known = Algorithm::NAMES.into_iter().find(|(name, _)| *name == algorithm);
    let (_, algorithm) = known.ok_or_else(|| format!("`{algorithm}` is no algorithm"))?;
    let config = VocabularyConfig::new(algorithm, size).with_byte_fallback();
    let start = Instant::now();
    let mut error = None;
    let texts = BufReader::new(File::open(lines)?).lines();
    let texts = texts.map_while(|line| line.map_err(|fault| error = Some(fault)).ok());
    let vocabulary = config.train(texts, &())?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(error) = error {
        return Err(error.into());
    }
    vocabulary.save(file)?;
    println!("{{\"seconds\": {seconds}, \"peak_mib\": {}}}", peak_mib());
    Ok(())
}

fn encode(lines: &Path, file: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let vocabulary = Vocabulary::open(file)?;
    let text = fs::read_to_string(lines)?;
    let texts: Vec<&str> = text.lines().collect();
    let start = Instant::now();
    let encoded = vocabulary.encode_batch(&texts)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut writer = BufWriter::new(File::create(out)?);
    for ids in &encoded {
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        writeln!(writer, "{}", ids.join(" "))?;
    }
    writer.flush()?;
    println!("{{\"seconds\": {seconds}, \"peak_mib\": {}}}", peak_mib());
    Ok(())
}

/// The most memory that was resident so far, as Linux tells it.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
