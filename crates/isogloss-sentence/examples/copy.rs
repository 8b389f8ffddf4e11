//! Writes a sentence encoder anew: `cargo run -p isogloss-sentence --example copy -- FROM TO`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;
use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use isogloss_sentence::SentenceEncoder;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [from, to] = args.as_slice() else { return Err("expected FROM and TO".into()) };
    SentenceEncoder::open(from, &Device::flex())?.save(to, "# A copy\n")?;
    println!("Written:\n   {}", to.display());
    Ok(())
}
