//! Tagged words beside gold tags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isogloss::core::Seed;
use isogloss::evaluation::{
    Block, BootstrapConfig, EntityScore, Report, Section, Table, TagReading, TagScheme, TaggedFile,
    TaggingEstimates, TaggingReport,
};
use isogloss_examples::Outcome;
use serde_json::{Map, Value, json};

#[derive(Args)]
#[command(next_help_heading = "Tagged words")]
pub(crate) struct TaggingArgs {
    /// Words and their gold tags: WORD TAB TAG on each line, an empty line between sentences
    #[arg(long, value_name = "FILE")]
    gold: Option<PathBuf>,

    /// The same words and predicted tags
    #[arg(long, value_name = "FILE")]
    pred: Option<PathBuf>,

    /// IOB1, IOB2, IOE1, IOE2, IOBES or BILOU [default, of strict mode: detected from the gold tags]
    #[arg(long)]
    scheme: Option<TagScheme>,

    /// Whether what breaks the scheme is no entity, or read as what it can mean
    #[arg(long, value_enum, default_value_t = ModeArg::Lenient)]
    mode: ModeArg,

    /// The types that there are, separated by commas; another is an error
    #[arg(long, value_delimiter = ',', value_name = "TYPE")]
    types: Option<Vec<String>>,

    /// In lenient mode, take tags with prefixes other than B, I, E and S for what seqeval takes them for
    #[arg(long)]
    any_tag: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ModeArg {
    Lenient,
    Strict,
}

pub(crate) fn score(args: &TaggingArgs, seed: u64, json: bool) -> Outcome<String> {
    let file = |path: &Option<PathBuf>, name: &str| -> Outcome<TaggedFile> {
        let path =
            path.as_ref().ok_or_else(|| format!("{name} is missing: a file of tagged words"))?;
        Ok(TaggedFile::read(path)?)
    };
    let (gold, predicted) = (file(&args.gold, "--gold")?, file(&args.pred, "--pred")?);
    let sentences = gold.tags_beside(&predicted)?;
    let reading = match (args.mode, args.scheme) {
        (ModeArg::Strict, Some(scheme)) => TagReading::Strict(scheme),
        (ModeArg::Strict, None) => {
            TagReading::Strict(TagScheme::detect(sentences.iter().map(|[gold, _]| gold))?)
        }
        (ModeArg::Lenient, _) if args.any_tag => TagReading::Lenient,
        (ModeArg::Lenient, _) => TagReading::Known,
    };
    // Leniently, a scheme says no more than which tags there are.
    let checked = args.scheme.map_or(reading, TagReading::Strict);
    for file in [&gold, &predicted] {
        file.check(checked, None)?;
        file.check(reading, args.types.as_deref())?;
    }
    // A lenient reading takes any scheme's tags, now that they are known to be of the one that was named.
    let reading = if args.mode == ModeArg::Lenient { TagReading::Lenient } else { reading };
    if json {
        let report = TaggingReport::try_new(&sentences, reading)?;
        return Ok(serde_json::to_string_pretty(&as_seqeval(&report))? + "\n");
    }
    let bootstrap = BootstrapConfig::new(Seed::new(seed));
    let scores = TaggingReport::estimates(&sentences, reading, &bootstrap)?;
    table(&scores, reading, sentences.len())
}

/// What stands below the types, in the order of `classification_report`.
const AVERAGES: [&str; 3] = ["micro avg", "macro avg", "weighted avg"];

/// The names and numbers of `classification_report(output_dict=True)`.
fn as_seqeval(report: &TaggingReport) -> Value {
    let row = |(name, score): (&str, &EntityScore)| {
        let EntityScore { precision, recall, f1, support, .. } = score;
        let score =
            json!({"precision": precision, "recall": recall, "f1-score": f1, "support": support});
        (name.to_owned(), score)
    };
    let averages = [&report.micro_average, &report.macro_average, &report.weighted_average];
    let kinds = report.kinds.iter().map(|(kind, score)| (kind.as_str(), score));
    Value::Object(kinds.chain(AVERAGES.into_iter().zip(averages)).map(row).collect::<Map<_, _>>())
}

fn table(scores: &TaggingEstimates, reading: TagReading, sentences: usize) -> Outcome<String> {
    let averages = [&scores.micro_average, &scores.macro_average, &scores.weighted_average];
    let kinds = scores.kinds.iter().map(|(kind, score)| (kind.as_str(), score));
    let caption = "Entities, with 95 % of 1,000 resamples of sentences";
    let mut table = Table::new(caption, &["type", "precision", "recall", "F1", "gold"]);
    for (name, score) in kinds.chain(AVERAGES.into_iter().zip(averages)) {
        table = table.with_row([
            name.into(),
            score.precision.into(),
            score.recall.into(),
            score.f1.into(),
            score.support.into(),
        ]);
    }
    let read = match reading {
        TagReading::Strict(scheme) => format!("strictly as {scheme}"),
        _ => "leniently".to_owned(),
    };
    let mut section = Section::new("Entities").with_block(Block::Table(table));
    if scores.kinds.is_empty() {
        let none = "Nothing is gold and nothing found: scores are 0 by custom, not by merit.";
        section = section.with_block(Block::Warning(none.to_owned()));
    }
    let report = Report::new("Scores", format!("{sentences} sentences, tags read {read}"))
        .with_section(section);
    Ok(report.to_text()?)
}
