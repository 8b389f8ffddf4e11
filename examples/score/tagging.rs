//! Tagged words beside gold tags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isogloss::core::Seed;
use isogloss::evaluation::{
    Block, BootstrapConfig, EntityF1, EntityScore, EvaluationError, Report, Section, Table,
    TagReading, TagScheme, TaggedFile, TaggingReport, entity_counts,
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
    let report = TaggingReport::try_new(&sentences, reading)?;
    if json {
        return Ok(serde_json::to_string_pretty(&as_seqeval(&report))? + "\n");
    }
    let counts = entity_counts(&sentences, reading)?;
    let f1 = match BootstrapConfig::new(Seed::new(seed)).estimate(&EntityF1, &counts) {
        Ok(f1) => Some(f1),
        // Nothing is gold and nothing found.
        Err(EvaluationError::Empty { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    table(&report, f1.map(|f1| f1.to_string()), sentences.len())
}

/// The names and order of `classification_report(output_dict=True)`.
fn rows(report: &TaggingReport) -> impl Iterator<Item = (&str, &EntityScore)> {
    let averages = [
        ("micro avg", &report.micro_average),
        ("macro avg", &report.macro_average),
        ("weighted avg", &report.weighted_average),
    ];
    report.kinds.iter().map(|(kind, score)| (kind.as_str(), score)).chain(averages)
}

fn as_seqeval(report: &TaggingReport) -> Value {
    let row = |(name, score): (&str, &EntityScore)| {
        let EntityScore { precision, recall, f1, support, .. } = score;
        let score =
            json!({"precision": precision, "recall": recall, "f1-score": f1, "support": support});
        (name.to_owned(), score)
    };
    Value::Object(rows(report).map(row).collect::<Map<_, _>>())
}

fn table(report: &TaggingReport, f1: Option<String>, sentences: usize) -> Outcome<String> {
    let mut table = Table::new("Entities", &["type", "precision", "recall", "F1", "gold"]);
    for (name, score) in rows(report) {
        let EntityScore { precision, recall, f1, support, .. } = *score;
        table = table.with_row([
            name.into(),
            precision.into(),
            recall.into(),
            f1.into(),
            support.into(),
        ]);
    }
    let read =
        report.scheme.map_or("leniently".to_owned(), |scheme| format!("strictly as {scheme}"));
    let f1 = f1.unwrap_or_else(|| "not defined: no entities".to_owned());
    let section = Section::new("Entities").with_block(Block::Table(table)).with_paragraph(format!(
        "F1 of all entities, with 95 % of 1,000 resamples of sentences: {f1}"
    ));
    let report = Report::new("Scores", format!("{sentences} sentences, tags read {read}"))
        .with_section(section);
    Ok(report.to_text()?)
}
