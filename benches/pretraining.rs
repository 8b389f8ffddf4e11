//! What a step of pre-training costs, at the size of the quickstart.
#![expect(clippy::expect_used, reason = "a bench that cannot begin has nothing to measure")]

use std::error::Error;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use isogloss::core::Seed;
use isogloss::transformer::{
    EncoderConfig, MaskedLanguageModel, MaskedSequence, MaskingConfig, MaskingVocabulary, MlmBatch,
    SequenceLayout,
};

const VOCAB_SIZE: usize = 4_000;
/// Sequences of a batch, and tokens of each with its delimiters.
const BATCH: [usize; 2] = [32, 16];

/// A model as the quickstart's, and a batch of made-up ids of which three in ten are hidden.
fn model_and_batch() -> Result<(MaskedLanguageModel, MlmBatch), Box<dyn Error>> {
    let device = isogloss::device("flex")?.autodiff();
    let config = EncoderConfig::new(VOCAB_SIZE)
        .with_d_model(128)
        .with_d_ff(256)
        .with_n_layers(2)
        .with_n_heads(4)
        .with_max_positions(64)
        .with_dropout(0.0);
    let masking = MaskingConfig::default().with_rate(0.3).try_init(&MaskingVocabulary::new(
        VOCAB_SIZE,
        3_999,
        vec![0, 1, 2, 3, 3_999],
    ))?;
    let layout = SequenceLayout::xlm_roberta(0, 2, 62);
    let [rows, length] = BATCH;
    let row = |row: usize| {
        let ids = |place| 4 + (row as u64 * 1_013 + place * 7_919) % 3_990;
        let ids: Vec<u32> =
            (0..length as u64 - 2).filter_map(|place| ids(place).try_into().ok()).collect();
        let framed = layout.sentence(&ids).input;
        let masked = masking.mask_tokens(&framed.ids, Seed::new(row as u64));
        MaskedSequence::new(framed, masked)
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    let batch = MlmBatch::try_new(&config, &rows, &device)?;
    Ok((MaskedLanguageModel::try_init(&config, &device, Seed::new(1))?, batch))
}

fn mlm(criterion: &mut Criterion) {
    let (model, batch) = model_and_batch().expect("a model and a batch");
    let mut group = criterion.benchmark_group("pretraining/mlm");
    group.throughput(Throughput::Elements((BATCH[0] * BATCH[1]) as u64));
    group.bench_function("forward and backward", |bencher| {
        bencher.iter_batched(
            || model.clone(),
            |model| model.loss(&batch).mean().backward(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, mlm);
criterion_main!(benches);
