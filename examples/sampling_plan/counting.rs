//! How much text a corpus has, counted under its terms.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isogloss::core::{LanguageTag, Progress, ProgressEvent};
use isogloss::corpus::{Manifest, Split, TextPart};
use isogloss::governance::{Policy, Provenance, Purpose};
use isogloss::sampling::SizeUnit;
use isogloss::tokenization::{SubwordTokenizer, TextEncoder};
use isogloss_examples::Outcome;

/// What is counted, and for what.
#[derive(Args)]
pub(crate) struct CorpusArgs {
    /// The manifest of a corpus
    #[arg(long, value_name = "MANIFEST")]
    pub(crate) corpus: Option<PathBuf>,

    /// What sizes and budget count
    #[arg(long, value_enum, default_value_t = Unit::Characters)]
    unit: Unit,

    /// The vocabulary that tokens are counted by
    #[arg(long, value_name = "FILE", requires = "corpus")]
    vocabulary: Option<PathBuf>,

    /// The texts of a corpus that are counted; those of no split are to learn from
    #[arg(long, value_enum, default_value_t = Part::Train)]
    split: Part,

    /// What the texts are to be used for, which their terms may refuse
    #[arg(long, value_enum, default_value_t = For::Train)]
    purpose: For,

    /// Refuse text whose terms are not stated
    #[arg(long)]
    require_terms: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Unit {
    Sentences,
    Characters,
    Bytes,
    Tokens,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    Train,
    Dev,
    Test,
    All,
}

#[derive(Clone, Copy, ValueEnum)]
enum For {
    Train,
    Evaluate,
    Redistribute,
    Generate,
}

/// How much text there is.
#[derive(Default)]
pub(crate) struct Counted {
    /// In the unit that was asked for.
    pub(crate) sizes: Vec<(LanguageTag, u64)>,
    /// In texts, where they were counted.
    pub(crate) texts: Vec<(LanguageTag, u64)>,
    /// What was opened.
    pub(crate) provenance: Provenance,
}

impl CorpusArgs {
    pub(crate) fn unit(&self) -> SizeUnit {
        match self.unit {
            Unit::Sentences => SizeUnit::Sentences,
            Unit::Characters => SizeUnit::Characters,
            Unit::Bytes => SizeUnit::Bytes,
            Unit::Tokens => SizeUnit::Tokens,
        }
    }

    /// What does not go together, before anything is counted.
    pub(crate) fn check(&self, has_sizes: bool) -> Outcome<()> {
        let has_vocabulary = self.vocabulary.is_some();
        if has_vocabulary && self.unit != Unit::Tokens {
            return Err("--vocabulary is for --unit tokens".into());
        }
        if self.corpus.is_some() && self.unit == Unit::Tokens && !has_vocabulary {
            return Err("--unit tokens counts a --corpus by a --vocabulary".into());
        }
        if self.corpus.is_none() && !has_sizes && self.unit != Unit::Characters {
            return Err(
                "the sizes that stand here are of characters: give others, or a --corpus".into()
            );
        }
        Ok(())
    }

    fn is_wanted(&self, part: &TextPart) -> bool {
        let split = part.split.unwrap_or(Split::Train);
        match self.split {
            Part::Train => split == Split::Train,
            Part::Dev => split == Split::Dev,
            Part::Test => split == Split::Test,
            Part::All => true,
        }
    }
}

/// Goes through the texts of a corpus, one record at a time.
pub(crate) fn count(
    manifest: &Manifest,
    args: &CorpusArgs,
    progress: &dyn Progress,
) -> Outcome<Counted> {
    let purpose = match args.purpose {
        For::Train => Purpose::Train,
        For::Evaluate => Purpose::Evaluate,
        For::Redistribute => Purpose::Redistribute,
        For::Generate => Purpose::Generate,
    };
    let policy = Policy::today().with_require_terms(args.require_terms);
    let vocabulary = args.vocabulary.as_deref().map(SubwordTokenizer::from_file).transpose()?;
    let wanted = manifest.texts().iter().enumerate().filter(|(_, part)| args.is_wanted(part));
    let parts: Vec<(usize, &TextPart)> = wanted.collect();
    // A refusal comes before the first hour of counting, not after it.
    for (place, _) in &parts {
        manifest.open_text(*place, purpose, policy)?;
    }

    let task = "corpus";
    progress.report(ProgressEvent::Started {
        task,
        total: Some(parts.len() as u64),
        unit: "files",
    });
    let mut counted: BTreeMap<&LanguageTag, [u64; 2]> = BTreeMap::new();
    let mut provenance = Provenance::default();
    for (done, (place, part)) in (0_u64..).zip(&parts) {
        let mut reader = manifest.open_text(*place, purpose, policy)?;
        let [size, texts] = counted.entry(&part.language).or_default();
        let before = *texts;
        for record in reader.by_ref() {
            let text = record?.text;
            *texts += 1;
            *size += match &vocabulary {
                Some(vocabulary) => vocabulary.encode(&text)?.len() as u64,
                None if args.unit == Unit::Bytes => text.len() as u64,
                None if args.unit == Unit::Characters => text.chars().count() as u64,
                None => 1,
            };
            if texts.is_multiple_of(1 << 14) {
                let note = format!("{}: {} texts", part.path.display(), *texts - before);
                progress.report(ProgressEvent::Advanced { task, done, note: &note });
            }
        }
        provenance.push(reader.provenance());
    }
    progress.report(ProgressEvent::Finished { task });
    let column = |which: usize| {
        counted.iter().map(move |(language, counts)| ((*language).clone(), counts[which]))
    };
    Ok(Counted { sizes: column(0).collect(), texts: column(1).collect(), provenance })
}
