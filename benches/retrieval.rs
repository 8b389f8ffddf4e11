//! Ranks translations by their vectors, and says as a line of JSON how long that took: our side of
//! `retrieval.py`, which times numpy in the same run.
//!
//! `cargo bench --bench retrieval -- retrieval SRC TGT DIM REPEATS RANKS` reads two files of 32-bit
//! numbers, in rows of `DIM`, and writes the ranks of both directions as 32-bit integers;
//! `… -- lexicon SRC TGT DIM QUERIES REPEATS RANKS` reads pairs of 32-bit integers too, a source and its
//! translation, and writes the rank of each by CSLS.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::time::Instant;

use isogloss::evaluation::{
    EmbeddingMatrix, LexiconQuery, WordSimilarity, induce_lexicon, retrieve,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["retrieval", src, tgt, dim, repeats, ranks] => {
            let vectors = (read(src)?, read(tgt)?);
            measure(vectors, (dim.parse()?, repeats.parse()?), ranks, |src, tgt| {
                let found = retrieve(src, tgt)?;
                mean(&found.hits_at(1));
                mean(&found.hits_at(5));
                mean(&found.reciprocal_ranks());
                Ok([found.forward, found.backward].concat())
            })
        }
        ["lexicon", src, tgt, dim, queries, repeats, ranks] => {
            let vectors = (read(src)?, read(tgt)?);
            let queries = read_queries(queries)?;
            measure(vectors, (dim.parse()?, repeats.parse()?), ranks, |src, tgt| {
                let found = induce_lexicon(src, tgt, &queries, WordSimilarity::default(), &())?;
                mean(&found.hits_at(1));
                mean(&found.hits_at(5));
                mean(&found.reciprocal_ranks());
                Ok(found.ranks)
            })
        }
        _ => {
            println!("python benches/retrieval.py runs this beside numpy");
            Ok(())
        }
    }
}

/// Times what ranks, from raw vectors in memory to the means of its scores.
fn measure(
    (src, tgt): (Vec<f32>, Vec<f32>),
    (dim, repeats): (usize, usize),
    path: &str,
    rank: impl Fn(&EmbeddingMatrix, &EmbeddingMatrix) -> Result<Vec<usize>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let src = EmbeddingMatrix::try_new(dim, src)?;
    let tgt = EmbeddingMatrix::try_new(dim, tgt)?;
    let (mut seconds, mut ranks) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        let start = Instant::now();
        ranks = rank(&src, &tgt)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let mut out = BufWriter::new(File::create(path)?);
    for rank in ranks {
        out.write_all(&u32::try_from(rank)?.to_le_bytes())?;
    }
    out.flush()?;
    println!("{{\"seconds\": {seconds:?}, \"peak_mib\": {}}}", peak_mib());
    Ok(())
}

fn mean(items: &[f64]) -> f64 {
    std::hint::black_box(items.iter().sum::<f64>() / items.len() as f64)
}

fn read(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    Ok(words(path)?.into_iter().map(f32::from_le_bytes).collect())
}

fn read_queries(path: &str) -> Result<Vec<LexiconQuery>, Box<dyn Error>> {
    let rows = words(path)?.into_iter().map(u32::from_le_bytes);
    let rows = rows.map(usize::try_from).collect::<Result<Vec<_>, _>>()?;
    let (pairs, _) = rows.as_chunks::<2>();
    let query =
        |[source, target]: &[usize; 2]| LexiconQuery { source: *source, targets: [*target].into() };
    Ok(pairs.iter().map(query).collect())
}

fn words(path: &str) -> Result<Vec<[u8; 4]>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{path}: {} bytes, expected a multiple of 4", bytes.len()).into());
    }
    Ok(words.to_vec())
}

fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
