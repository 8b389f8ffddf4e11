//! The cost of choosing what comes next.

use std::error::Error;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use isogloss::core::{LanguageTag, LanguageTagError, Seed};
use isogloss::sampling::{
    ExponentConfig, LanguageDistribution, LanguageDraws, LanguageOrder, LanguageSizes,
    LanguageWeighting, MixtureStream, SizeUnit, StoppingRule,
};

type Sizes = Vec<(LanguageTag, u64)>;

/// Languages whose sizes fall as those of the web do.
fn sizes(languages: usize) -> Result<(Sizes, LanguageDistribution), Box<dyn Error>> {
    let letters = || 'a'..='z';
    let tags = letters().flat_map(|a| {
        letters().flat_map(move |b| letters().map(move |c| format!("qa{a}-Q{b}{c}a")))
    });
    let sizes: Sizes = tags
        .zip(1_u64..)
        .take(languages)
        .map(|(tag, rank)| Ok((tag.parse()?, 300_000_000 / rank)))
        .collect::<Result<_, LanguageTagError>>()?;
    let checked = LanguageSizes::try_new(SizeUnit::Sentences, sizes.clone())?;
    let distribution = ExponentConfig::new().distribution(&checked)?;
    Ok((sizes, distribution))
}

fn draws(criterion: &mut Criterion) {
    let orders =
        [("random", LanguageOrder::Random), ("least-discrepancy", LanguageOrder::LowDiscrepancy)];
    let Ok((sizes, distribution)) = sizes(1_000) else { return };

    let mut group = criterion.benchmark_group("sampling/language of 1000");
    group.throughput(Throughput::Elements(1));
    for (name, order) in orders {
        let mut draws = LanguageDraws::new(&distribution, order, Seed::new(1));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(draws.next_language())));
    }
    group.finish();

    let mut group = criterion.benchmark_group("sampling/text of 1000 languages");
    group.throughput(Throughput::Elements(1));
    for (name, order) in orders {
        let Ok(stream) = MixtureStream::try_new(&distribution, &sizes, Seed::new(1)) else {
            continue;
        };
        let mut stream = stream.with_order(order);
        group.bench_function(name, |bencher| bencher.iter(|| black_box(stream.next_draw())));
    }
    // A rule looks at every draw, and must not look at every language.
    if let Ok(stream) = MixtureStream::try_new(&distribution, &sizes, Seed::new(1)) {
        let mut stream = stream.until(StoppingRule::Budget(u64::MAX));
        group.bench_function("random, until a budget", |bencher| {
            bencher.iter(|| black_box(stream.next()));
        });
    }
    group.finish();
}

criterion_group!(benches, draws);
criterion_main!(benches);
