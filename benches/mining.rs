//! Mines pairs from two files of vectors, and says as a line of JSON how long that took: our side of
//! `mining.py`, which times the peers in the same run.
//!
//! `cargo bench --bench mining -- exact SRC TGT DIM PAIRS` reads two files of 32-bit numbers, in rows of
//! `DIM`, and writes a line for each pair; `… -- ivf SRC TGT DIM PAIRS` searches approximately.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use isogloss::core::Seed;
use isogloss::mining::{EmbeddingMatrix, IvfConfig, MiningConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [search, src, tgt, dim, pairs] = args[..] else {
        println!("python benches/mining.py runs this beside the peers");
        return Ok(());
    };
    let (src, tgt) = (read(src)?, read(tgt)?);
    let dim = dim.parse()?;

    let start = Instant::now();
    let src = EmbeddingMatrix::try_new(dim, src)?.normalised();
    let tgt = EmbeddingMatrix::try_new(dim, tgt)?.normalised();
    let config = MiningConfig::new();
    let mined = match search {
        "exact" => config.mine(&src, &tgt, &())?,
        "ivf" => {
            let index = IvfConfig::new(Seed::new(1));
            config.select(&index.mutual_neighbours(&src, &tgt, config.k, &())?)?
        }
        _ => return Err(format!("`{search}` is no search, expected `exact` or `ivf`").into()),
    };
    let seconds = start.elapsed().as_secs_f64();

    let mut out = BufWriter::new(File::create(pairs)?);
    for pair in &mined {
        writeln!(out, "{} {} {}", pair.src, pair.tgt, pair.score)?;
    }
    out.flush()?;
    println!("{{\"seconds\": {seconds}, \"peak_mib\": {}}}", peak_mib());
    Ok(())
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{path}: {} bytes, expected a multiple of 4", bytes.len()).into());
    }
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
