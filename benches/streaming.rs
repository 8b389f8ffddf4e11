//! Streams a corpus of 100 files in the order of a mixture and says how fast that was, beside the
//! rates at which the same files are read and nothing is done, from beginning to end and in pieces of
//! the length of a block in any order, and at which their lines are found, and how much memory it
//! took.
//!
//! `cargo bench --bench streaming`; `ISOGLOSS_BENCH_MB=100` for a smaller corpus than 1,000 MB, and
//! `ISOGLOSS_BENCH_COLD=1`, as root on Linux, to empty the page cache before each measurement.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use isogloss::core::{LanguageTag, Seed};
use isogloss::corpus::{SampledTexts, TextIndex};
use isogloss::sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit, StoppingRule,
    TextSource,
};

const LANGUAGES: [&str; 10] = ["am", "en", "ha", "ig", "km", "quz", "sw", "xh", "yo", "zu"];
const FILES: u64 = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let megabytes: u64 =
        std::env::var("ISOGLOSS_BENCH_MB").map_or(Ok(1_000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let files = write_corpus(dir.path(), megabytes * 1_000_000)?;
    let bytes: u64 = files
        .iter()
        .flat_map(|(_, paths)| paths)
        .map(|path| fs::metadata(path).map(|data| data.len()))
        .sum::<Result<u64, _>>()?;
    let report = |name: &str, start: Instant, texts: u64| {
        let seconds = start.elapsed().as_secs_f64();
        let (rate, each) = (bytes as f64 / seconds / 1e6, texts as f64 / seconds / 1e6);
        println!(
            "{name:28} {seconds:6.2} s  {rate:7.0} MB/s  {each:6.2} M texts/s  peak {} MiB",
            peak_mib()
        );
    };

    cool()?;
    let start = Instant::now();
    let mut buffer = vec![0; 1 << 16];
    for path in files.iter().flat_map(|(_, paths)| paths) {
        let mut file = File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
    }
    report("reading and nothing else", start, 0);

    // The least that a shuffle of what does not fit in memory asks of a disk.
    let piece = bytes / 8_000;
    let mut pieces = Vec::new();
    for path in files.iter().flat_map(|(_, paths)| paths) {
        let len = fs::metadata(path)?.len();
        pieces.extend((0..len.div_ceil(piece)).map(|at| (path, at * piece)));
    }
    pieces.sort_by_key(|(path, at)| Seed::new(*at).derive(&path.to_string_lossy()));
    for (threads, name) in [(1, "reading pieces, shuffled"), (4, "the same by four threads")] {
        cool()?;
        let start = Instant::now();
        std::thread::scope(|scope| {
            let read = |first: usize| -> std::io::Result<()> {
                let mut buffer = Vec::new();
                for (path, at) in pieces.iter().skip(first).step_by(threads) {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(*at))?;
                    buffer.clear();
                    file.take(piece).read_to_end(&mut buffer)?;
                }
                Ok(())
            };
            let all: Vec<_> = (0..threads).map(|first| scope.spawn(move || read(first))).collect();
            all.into_iter().try_for_each(|it| {
                it.join().map_err(|_| "a thread panicked")?.map_err(Box::<dyn Error>::from)
            })
        })?;
        report(name, start, 0);
    }

    // What whoever reads text does at least: find the lines, and know that they are UTF-8.
    cool()?;
    let start = Instant::now();
    let (mut lines, mut line) = (0, String::new());
    for path in files.iter().flat_map(|(_, paths)| paths) {
        let mut file = BufReader::new(File::open(path)?);
        while file.read_line(&mut line)? > 0 {
            lines += 1;
            line.clear();
        }
    }
    report("reading lines in their order", start, lines);

    cool()?;
    let start = Instant::now();
    let mut indices = Vec::new();
    for (language, paths) in &files {
        let mut index = TextIndex::new(language.clone());
        for path in paths {
            index.push_file(path)?;
        }
        indices.push(index);
    }
    let texts = indices.iter().map(TextSource::text_count).sum();
    report("indexing", start, texts);

    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
    let distribution = ExponentConfig::new().distribution(&sizes)?;
    let stream = MixtureStream::try_new(&distribution, &indices, Seed::new(1))?;
    let rule = StoppingRule::AllExhaustedWithoutReplacement;
    let mut sampled = SampledTexts::try_new(indices, stream, rule)?;
    cool()?;
    let start = Instant::now();
    let (mut drawn, mut read) = (0, 0);
    while let Some((_, text)) = sampled.next_text()? {
        drawn += 1;
        read += text.len();
    }
    assert_eq!((drawn, read as u64 + drawn), (texts, bytes), "every text once");
    report("streaming, shuffled and mixed", start, drawn);
    Ok(())
}

type Files = Vec<(LanguageTag, Vec<PathBuf>)>;

/// Lines of 20 to 219 bytes; each language has twice as much text as the one before.
fn write_corpus(dir: &Path, bytes: u64) -> Result<Files, Box<dyn Error>> {
    let words = ["ilé ", "omi ", "maji ", "sumaq ", "wasi ", "ቤት ", "ruwa ", "amanzi "];
    let seed = Seed::new(0);
    let mut files = Files::new();
    for (place, language) in LANGUAGES.iter().enumerate() {
        let size = bytes * (1 << place) / ((1 << LANGUAGES.len()) - 1) / FILES;
        let mut paths = Vec::new();
        for file in 0..FILES {
            let path = dir.join(format!("{language}.{file}.txt"));
            let mut writer = BufWriter::new(File::create(&path)?);
            let (mut written, mut line) = (0, String::new());
            while written < size {
                let draw = seed.at(place as u64).at(file).at(written);
                line.clear();
                let length = 20 + usize::try_from(draw.value() % 200)?;
                for word in 0.. {
                    if line.len() >= length {
                        break;
                    }
                    line.push_str(words[usize::try_from(draw.at(word).value() % 8)?]);
                }
                line.push('\n');
                writer.write_all(line.as_bytes())?;
                written += line.len() as u64;
            }
            writer.flush()?;
            paths.push(path);
        }
        files.push((language.parse()?, paths));
    }
    Ok(files)
}

/// Empties the page cache where that is asked for.
fn cool() -> Result<(), Box<dyn Error>> {
    if std::env::var_os("ISOGLOSS_BENCH_COLD").is_some() {
        std::process::Command::new("sync").status()?;
        fs::write("/proc/sys/vm/drop_caches", "3")?;
    }
    Ok(())
}

/// The most memory that was resident so far, as Linux tells it.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
