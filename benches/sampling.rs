//! The cost of choosing what comes next.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isogloss::core::{LanguageTag, Seed};
use isogloss::sampling::{
    ExponentConfig, LanguageOrder, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};

/// A hundred languages whose sizes fall as those of the web do.
fn stream(order: LanguageOrder) -> Result<MixtureStream, Box<dyn std::error::Error>> {
    let letters = || ('a'..='z').take(10);
    let tags = letters().flat_map(|first| letters().map(move |second| format!("q{first}{second}")));
    let sizes: Vec<(LanguageTag, u64)> = tags
        .zip(1_u64..)
        .map(|(tag, rank)| Ok((tag.parse()?, 300_000_000 / rank)))
        .collect::<Result<_, isogloss::core::LanguageTagError>>()?;
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone())?;
    let distribution = ExponentConfig::new().distribution(&checked)?;
    Ok(MixtureStream::try_new(&distribution, &sizes, Seed::new(1))?.with_order(order))
}

fn draws(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sampling/draw");
    group.throughput(Throughput::Elements(1));
    for (name, order) in
        [("random/100", LanguageOrder::Random), ("tijdeman/100", LanguageOrder::LowDiscrepancy)]
    {
        let Ok(mut stream) = stream(order) else { continue };
        group.bench_function(name, |bencher| bencher.iter(|| black_box(stream.next_draw())));
    }
    group.finish();
}

criterion_group!(benches, draws);
criterion_main!(benches);
