//! What a large batch of translation ranking holds and costs, whole and in chunks.
#![expect(clippy::print_stdout, reason = "a bench talks to its reader")]

use std::error::Error;
use std::time::Instant;

use isogloss::core::Seed;
use isogloss::transformer::{
    Encoder, EncoderConfig, MlmConfig, Objective, RankingBatch, RankingConfig, SequenceInput,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const PAIRS: u32 = 256;
const TOKENS: u32 = 32;
const ROUNDS: usize = 3;

fn rows(first: u32) -> Vec<SequenceInput> {
    let row = |row: u32| {
        let ids = (0..TOKENS).map(|place| 4 + (first + row * 1_013 + place * 7_919) % 7_990);
        SequenceInput::new(ids.collect())
    };
    (0..PAIRS).map(row).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = isogloss::device("flex")?.autodiff();
    let config = EncoderConfig::new(8_000)
        .with_d_model(256)
        .with_d_ff(1024)
        .with_n_layers(4)
        .with_n_heads(4)
        .with_max_positions(64);
    let encoder: Encoder =
        MlmConfig::new(config.clone()).try_init(&device, Seed::new(1))?.into_encoder();
    let objective = RankingConfig::default().try_init()?;
    let sides = [rows(0), rows(5)];
    println!("{PAIRS} pairs of {TOKENS} tokens, encoder of 4 layers × 256, forward and backward");
    println!("{:>12} {:>9} {:>9} {:>9}", "pairs/chunk", "seconds", "peak MB", "loss");
    for chunk in [usize::MAX, 64, 32, 16, 8] {
        let sides = [sides[0].as_slice(), sides[1].as_slice()];
        let batch = RankingBatch::try_in_chunks(&config, sides, None, chunk, &device)?;
        let (mut best, mut peak, mut loss) = (f64::INFINITY, 0.0_f32, 0.0);
        for _ in 0..ROUNDS {
            ALLOCATOR.reset_peak_usage();
            let before = ALLOCATOR.current_usage_as_mb();
            let start = Instant::now();
            let value = objective.accumulate(&encoder, &batch, Seed::new(2), &mut |loss| {
                drop(loss.backward());
            });
            best = best.min(start.elapsed().as_secs_f64());
            peak = peak.max(ALLOCATOR.peak_usage_as_mb() - before);
            loss = value.sum / value.count as f64;
        }
        let chunk = if chunk == usize::MAX { "all".to_owned() } else { chunk.to_string() };
        println!("{chunk:>12} {best:>9.2} {peak:>9.0} {loss:>9.4}");
    }
    Ok(())
}
