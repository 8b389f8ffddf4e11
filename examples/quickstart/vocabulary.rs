//! One vocabulary for all languages, trained twice: on text as it comes, and on balanced text.

use std::collections::BTreeMap;
use std::thread;

use isogloss::core::{LanguageFacts, LanguageTag, Seed};
use isogloss::evaluation::{BootstrapConfig, PairedDifference, RatioOfSums, Table};
use isogloss::sampling::{
    ExponentConfig, LanguageDistribution, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use isogloss::tokenization::{
    Algorithm, FairnessReport, SubwordTokenizer, TextEncoder, VocabularyConfig,
};
use isogloss_examples::Bars;

use crate::Outcome;
use crate::corpora::{Corpora, tag};
use crate::data::PIVOT;

/// Ids, special ones included.
const VOCAB_SIZE: usize = 4_000;
/// Texts that each vocabulary is trained on.
const DRAWS: usize = 40_000;
/// The exponent of balanced sampling, that of mBERT. A smaller one repeats the few texts of the
/// smallest languages so often that whole words of theirs become pieces and other words fall apart:
/// on the dev split, 0.3 made words longer than no balancing did.
pub(crate) const ALPHA: f64 = 0.7;

/// The two vocabularies, and what they cost each language on the held-out symbols.
pub(crate) struct Vocabularies {
    /// Sizes in texts, of the languages of pre-training.
    pub(crate) sizes: LanguageSizes,
    /// Trained on text as it comes.
    pub(crate) proportional: Trained,
    /// Trained on balanced text; the one that the models use.
    pub(crate) balanced: Trained,
    /// Tokens for each word in the low-resource languages: proportional less balanced.
    pub(crate) gain: PairedDifference,
}

/// A vocabulary, what it was trained on and what it costs.
pub(crate) struct Trained {
    pub(crate) tokenizer: SubwordTokenizer,
    pub(crate) distribution: LanguageDistribution,
    pub(crate) fairness: FairnessReport,
}

impl Vocabularies {
    /// What each costs each language.
    pub(crate) fn table(&self) -> Table {
        let [proportional, balanced] =
            [&self.proportional, &self.balanced].map(|v| &v.fairness.rows);
        let columns = [
            "language",
            "fertility, as it comes",
            "fertility, balanced",
            "premium, as it comes",
            "premium, balanced",
            "unknown, as it comes",
            "unknown, balanced",
        ];
        let mut table = Table::new("What the vocabulary costs", &columns);
        for (a, b) in proportional.iter().zip(balanced) {
            table = table.with_row([
                a.language.name().into(),
                a.fertility.into(),
                b.fertility.into(),
                a.premium.unwrap_or(f64::NAN).into(),
                b.premium.unwrap_or(f64::NAN).into(),
                a.unknown_rate.into(),
                b.unknown_rate.into(),
            ]);
        }
        table
    }
}

/// Trains and measures both.
pub(crate) fn train_both(corpora: &Corpora, seed: Seed, bars: &Bars) -> Outcome<Vocabularies> {
    let texts = corpora.pretraining_texts();
    let sizes = texts.iter().map(|(language, texts)| (language.clone(), texts.len() as u64));
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, sizes)?;
    let seed = seed.derive("vocabulary");
    let train = |exponent: ExponentConfig, name: &str| -> Outcome<Trained> {
        let distribution = exponent.distribution(&sizes)?;
        let sources: Vec<(LanguageTag, u64)> =
            sizes.iter().map(|(language, size)| (language.clone(), size)).collect();
        let mut stream = MixtureStream::try_new(&distribution, &sources, seed)?;
        let drawn = (0..DRAWS).filter_map(|_| {
            let draw = stream.next_draw();
            texts.get(draw.language)?.1.get(usize::try_from(draw.index).ok()?)
        });
        // Characters of languages with little text are rare, and none may be lost.
        let config =
            VocabularyConfig::new(Algorithm::Unigram, VOCAB_SIZE).with_character_coverage(1.0);
        let tokenizer = config.train(drawn, &bars.stage(name))?;
        let fairness = fairness(&tokenizer, &corpora.held.texts)?;
        Ok(Trained { tokenizer, distribution, fairness })
    };
    let (proportional, balanced) = thread::scope(|scope| {
        let proportional = scope.spawn(|| train(ExponentConfig::proportional(), "as it comes"));
        let balanced = train(ExponentConfig::new().with_alpha(ALPHA), "balanced");
        (crate::join(proportional), balanced)
    });
    let (proportional, balanced) = (proportional?, balanced?);
    let gain = BootstrapConfig::new(seed).paired(
        &RatioOfSums,
        &low_resource_costs(&proportional.tokenizer, corpora)?,
        &low_resource_costs(&balanced.tokenizer, corpora)?,
    )?;
    Ok(Vocabularies { sizes, proportional, balanced, gain })
}

fn fairness(
    tokenizer: &SubwordTokenizer,
    texts: &BTreeMap<LanguageTag, Vec<String>>,
) -> Outcome<FairnessReport> {
    let pivot = tag(PIVOT);
    let of_pivot = texts.get(&pivot).ok_or("no text in the pivot language")?;
    let parallel = texts
        .iter()
        .filter(|(language, _)| **language != pivot)
        .map(|(language, own)| (language.clone(), [of_pivot.clone(), own.clone()]))
        .collect();
    Ok(FairnessReport::measure(tokenizer, texts)?.with_premiums(tokenizer, &pivot, &parallel)?)
}

/// Tokens and words of each held-out symbol in the low-resource languages of pre-training.
fn low_resource_costs(tokenizer: &SubwordTokenizer, corpora: &Corpora) -> Outcome<Vec<[f64; 2]>> {
    let mut costs = vec![[0.0; 2]; corpora.held.topics.len()];
    for (language, _) in corpora.pretraining_texts() {
        if language.facts().is_some_and(LanguageFacts::is_low_resource) {
            for ([tokens, words], text) in costs.iter_mut().zip(&corpora.held.texts[&language]) {
                *tokens += tokenizer.encode(text)?.len() as f64;
                *words += text.split_whitespace().count() as f64;
            }
        }
    }
    Ok(costs)
}
