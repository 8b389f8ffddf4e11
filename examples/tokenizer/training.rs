//! Training a vocabulary on texts as a mixture draws them.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, ValueEnum};
use isogloss::core::{LanguageTag, Seed};
use isogloss::corpus::{Manifest, SampledTexts, Split};
use isogloss::governance::Purpose;
use isogloss::sampling::{
    LanguageSizes, MixtureStream, SamplingPlan, SizeUnit, StoppingRule, TextSource,
};
use isogloss::tokenization::{
    Algorithm, FairnessReport, NormalForm, Normalization, ParityConfig, SubwordTokenizer,
    VocabularyConfig,
};
use isogloss_examples::{Bars, Outcome, WeightingArgs, print_written, whole_number};

use crate::MeasureArgs;
use crate::page::Page;
use crate::texts::{Pairs, Texts, multi_parallel};

/// What vocabulary to train.
#[derive(Args)]
pub(crate) struct TrainingArgs {
    /// How pieces are found
    #[arg(long, value_parser = algorithm, default_value = "unigram")]
    algorithm: Algorithm,

    /// How many ids there are
    #[arg(long, default_value_t = 8_000)]
    vocab_size: usize,

    #[command(flatten)]
    weighting: WeightingArgs,

    /// How many texts are drawn [default: as many as there are]
    #[arg(long, value_name = "COUNT", value_parser = whole_number)]
    texts: Option<u64>,

    /// The share of characters that have a piece of their own; the others are spelled in bytes
    #[arg(long, default_value_t = 0.9995)]
    character_coverage: f64,

    /// Leave what has no piece unknown, where the algorithm can
    #[arg(long)]
    without_bytes: bool,

    /// How letters and marks are composed [default: as they are]
    #[arg(long, value_enum)]
    normal_form: Option<Form>,

    /// A special token more, such as `<yor>`; may be given again
    #[arg(long, value_name = "TOKEN")]
    special_token: Vec<String>,

    /// A special token for each language, its tag
    #[arg(long)]
    language_tokens: bool,

    /// T5's sentinels, `<extra_id_0>` and on
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    sentinels: usize,

    /// A symbol that is one piece wherever it stands; may be given again
    #[arg(long, value_name = "SYMBOL")]
    symbol: Vec<String>,

    /// Share merges out by the languages' needs, with the bitexts of the corpus (bpe and byte-bpe), and
    /// compare that with the vocabulary of the same texts without
    #[arg(long)]
    parity: bool,

    /// The seed by which texts are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Nfc,
    Nfkc,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = Algorithm::NAMES.into_iter().find(|(known, _)| *known == name);
    let names = || Algorithm::NAMES.map(|(name, _)| name).join(", ");
    known.map(|(_, algorithm)| algorithm).ok_or_else(|| format!("expected one of {}", names()))
}

pub(crate) fn train(
    corpus: &Path,
    args: &TrainingArgs,
    measures: &MeasureArgs,
    out: &Path,
) -> Outcome<()> {
    let bars = Bars::default();
    let manifest = Manifest::open(corpus)?;
    let texts = Texts::new(&manifest, measures.require_terms);
    let (mut drawn, languages) = mixture(&texts, args, &bars)?;
    let config = args.config(&languages);
    let (held, pairs) = texts.to_measure(&measures.reference)?;
    let only_pairs = held.keys().filter(|language| !languages.contains(*language));
    let only_pairs: Vec<&str> = only_pairs.map(LanguageTag::as_str).collect();
    if !only_pairs.is_empty() {
        let names = only_pairs.join(", ");
        println!("warning: nothing is learned from {names}, which the corpus has in bitexts alone");
    }
    let measure = |tokenizer: &SubwordTokenizer| -> Outcome<FairnessReport> {
        let report = FairnessReport::measure(tokenizer, &held)?;
        Ok(report.with_premiums(tokenizer, &measures.reference, &pairs)?)
    };

    let (tokenizer, before) = if args.parity {
        let to_learn_from = texts.training_pairs(&measures.reference)?;
        let parallel = parallel(&languages, &measures.reference, &to_learn_from)?;
        let start = drawn.state();
        let tokenizer = by_parity(&config, &mut drawn, &parallel, &bars)?;
        drawn.restore(&start)?;
        let plain = config.train_sampled(&mut drawn, &bars.stage("as drawn"))?;
        (tokenizer, Some(("as drawn", measure(&plain)?)))
    } else {
        (config.train_sampled(&mut drawn, &bars.stage("vocabulary"))?, None)
    };
    let report = measure(&tokenizer)?;
    let title = if args.parity { "by parity" } else { "the vocabulary" };
    let page = Page { title, report: &report, before, gate: measures.gate() };
    page.print();
    page.obey()?;
    let provenance = texts.provenance();
    let mut written = page.write(out, &provenance)?;
    tokenizer.save_dir(out)?;
    written.insert(0, out.join("tokenizer.json"));
    print_written(&written);
    Ok(())
}

/// The texts as they are to be drawn, and their languages. Says what that repeats.
fn mixture(
    texts: &Texts<'_>,
    args: &TrainingArgs,
    bars: &Bars,
) -> Outcome<(SampledTexts, Vec<LanguageTag>)> {
    bars.line("reading the corpus");
    let (mut indices, provenance) =
        texts.manifest.index_texts(Some(Split::Train), Purpose::Train, texts.policy())?;
    texts.merge(provenance);
    let sizes = indices.iter().map(|index| (index.language().clone(), index.text_count()));
    let (sizes, empty) = LanguageSizes::without_empty(SizeUnit::Sentences, sizes)?;
    indices.retain(|index| index.text_count() > 0);
    let draws = args.texts.unwrap_or_else(|| sizes.iter().map(|(_, size)| size).sum());
    let distribution = args.weighting.weighting(draws)?.distribution(&sizes)?;
    let plan = SamplingPlan::try_new(&sizes, &distribution, draws)?;
    println!("{}\n\n{plan}", args.weighting.name());
    for language in empty {
        println!("warning: {language} has no text, and no part in the vocabulary");
    }
    let languages = indices.iter().map(|index| index.language().clone()).collect();
    let seed = Seed::new(args.seed).derive("vocabulary");
    let stream = MixtureStream::try_new(&distribution, &indices, seed)?;
    let drawn = SampledTexts::try_new(indices, stream, StoppingRule::Budget(draws))?;
    Ok((drawn, languages))
}

/// The same content in every language.
fn parallel(
    languages: &[LanguageTag],
    reference: &LanguageTag,
    pairs: &Pairs,
) -> Outcome<BTreeMap<LanguageTag, Vec<String>>> {
    let without: Vec<&str> = languages
        .iter()
        .filter(|language| *language != reference && !pairs.contains_key(*language))
        .map(LanguageTag::as_str)
        .collect();
    if !without.is_empty() {
        let names = without.join(", ");
        let fault =
            format!("--parity needs bitexts of {reference} with every language: none for {names}");
        return Err(fault.into());
    }
    let mut parallel = multi_parallel(reference, pairs);
    parallel.retain(|language, _| languages.contains(language));
    let shared = parallel.values().next().map_or(0, Vec::len);
    println!("{shared} texts say the same in all {} languages", parallel.len());
    Ok(parallel)
}

fn by_parity(
    config: &VocabularyConfig,
    drawn: &mut SampledTexts,
    parallel: &BTreeMap<LanguageTag, Vec<String>>,
    bars: &Bars,
) -> Outcome<SubwordTokenizer> {
    let mut fault = None;
    let texts = drawn.map_while(|text| match text {
        Ok(text) => Some((text.language, text.text)),
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    let (parity, progress) = (ParityConfig::default(), bars.stage("by parity"));
    let tokenizer = config.train_with_parity(texts, parallel, &parity, &progress);
    // What ended the texts comes before what came of it.
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(tokenizer?),
    }
}

impl TrainingArgs {
    fn config(&self, languages: &[LanguageTag]) -> VocabularyConfig {
        let form = self.normal_form.map(|form| match form {
            Form::Nfc => NormalForm::Nfc,
            Form::Nfkc => NormalForm::Nfkc,
        });
        let mut config = VocabularyConfig::new(self.algorithm, self.vocab_size)
            .with_character_coverage(self.character_coverage)
            .with_normalization(Normalization { form, ..Normalization::default() })
            .with_special_tokens(&self.special_token)
            .with_sentinels(self.sentinels)
            .with_user_defined_symbols(&self.symbol);
        if self.language_tokens {
            config = config.with_special_tokens(languages.iter().map(LanguageTag::as_str));
        }
        if !self.without_bytes {
            config = config.with_byte_fallback();
        }
        config
    }
}
