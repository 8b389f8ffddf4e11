//! What can be said of how translations are scored.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use isogloss::core::LanguageTag;
use isogloss::evaluation::{
    Bleu, BleuTokenizer, Chrf, GenerationMetric, NfcNormalized, PairedTest, PieceTokenizer,
    Resampling, Smoothing, Ter,
};
use isogloss::tokenization::SentencePieceModel;
use isogloss_examples::Outcome;
use sha2::{Digest as _, Sha256};

use crate::MetricArg;

#[derive(Args)]
#[command(next_help_heading = "Translations")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
pub(crate) struct GenerationArgs {
    /// What a system gave, a segment on each line
    #[arg(long, value_name = "FILE")]
    pub(crate) hyp: Option<PathBuf>,

    /// References, a segment on each line; again for more of them
    #[arg(long = "ref", value_name = "FILE")]
    pub(crate) references: Vec<PathBuf>,

    /// What was translated, a segment on each line: says how much of the output was copied from it
    #[arg(long, value_name = "FILE")]
    pub(crate) source: Option<PathBuf>,

    /// The language that outputs should be in: says how many are taken for it
    #[arg(long, value_name = "TAG")]
    pub(crate) language: Option<LanguageTag>,

    /// Score references that are empty as such; an error otherwise
    #[arg(long)]
    pub(crate) allow_empty_references: bool,

    /// Another system's output, to be compared with; again for more of them
    #[arg(long, value_name = "FILE")]
    pub(crate) paired: Vec<PathBuf>,

    /// Compose letters and marks (NFC) before they are compared, which sacrebleu does not do; the signature says so
    #[arg(long)]
    pub(crate) nfc: bool,

    /// How systems are compared
    #[arg(long, value_enum, default_value_t = TestArg::Bootstrap)]
    pub(crate) test: TestArg,

    /// Resamples or trials [default: 1000 of the bootstrap, 10000 of randomization]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,

    /// From which resamples are drawn, as by SACREBLEU_SEED
    #[arg(long, default_value_t = 12_345)]
    pub(crate) seed: u64,

    /// Give an interval of each score in JSON as well
    #[arg(long)]
    pub(crate) confidence: bool,

    /// Print scores without their intervals
    #[arg(long, conflicts_with = "confidence")]
    pub(crate) no_intervals: bool,

    /// BLEU: none, 13a, intl, zh, char, a .model of SentencePiece, a name for one as flores200=FILE, or ja-mecab=DIR for
    /// words of MeCab, in a program with the feature `mecab`
    #[arg(long, default_value = "13a", value_name = "NAME")]
    pub(crate) tokenize: String,

    /// BLEU: put the SHA-256 of the tokenizer's file into the signature
    #[arg(long)]
    pub(crate) tokenizer_hash: bool,

    /// BLEU: what stands for precisions of 0
    #[arg(long, value_enum, default_value_t = SmoothArg::Exp)]
    pub(crate) smooth_method: SmoothArg,

    /// BLEU: the value of floor [default: 0.1] or add-k [default: 1]
    #[arg(long, value_name = "X")]
    pub(crate) smooth_value: Option<f64>,

    /// BLEU: leave out orders that a text is too short for
    #[arg(long)]
    pub(crate) effective_order: bool,

    /// BLEU: make letters of both cases one
    #[arg(long)]
    pub(crate) lowercase: bool,

    /// chrF: the largest order of characters
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) chrf_char_order: usize,

    /// chrF: how much more recall weighs than precision
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) chrf_beta: u32,

    /// chrF: make letters of both cases one
    #[arg(long)]
    pub(crate) chrf_lowercase: bool,

    /// chrF: count white space
    #[arg(long)]
    pub(crate) chrf_whitespace: bool,

    /// chrF: F of each order, and then the mean
    #[arg(long)]
    pub(crate) chrf_eps_smoothing: bool,

    /// TER: tell letters of both cases apart
    #[arg(long)]
    pub(crate) ter_case_sensitive: bool,

    /// TER: treat Chinese and Japanese, too
    #[arg(long)]
    pub(crate) ter_asian_support: bool,

    /// TER: remove punctuation
    #[arg(long)]
    pub(crate) ter_no_punct: bool,

    /// TER: split punctuation from words
    #[arg(long)]
    pub(crate) ter_normalized: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TestArg {
    #[value(name = "bs", alias = "bootstrap")]
    Bootstrap,
    #[value(name = "ar", alias = "approximate-randomization")]
    ApproximateRandomization,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum SmoothArg {
    None,
    Floor,
    AddK,
    Exp,
}

impl GenerationArgs {
    pub(crate) fn metric(&self, metric: MetricArg) -> Outcome<Box<dyn GenerationMetric>> {
        let metric = self.as_sacrebleu(metric)?;
        Ok(if self.nfc { Box::new(NfcNormalized::from(metric)) } else { metric })
    }

    fn as_sacrebleu(&self, metric: MetricArg) -> Outcome<Box<dyn GenerationMetric>> {
        let chrf = |word_order| {
            let chrf = Chrf::new()
                .with_char_order(self.chrf_char_order)
                .with_word_order(word_order)
                .with_beta(self.chrf_beta)
                .with_lowercase(self.chrf_lowercase)
                .with_whitespace(self.chrf_whitespace)
                .with_eps_smoothing(self.chrf_eps_smoothing);
            Box::new(chrf)
        };
        Ok(match metric {
            MetricArg::Bleu => Box::new(
                Bleu::new()
                    .with_tokenizer(self.tokenizer()?)
                    .with_smoothing(self.smoothing()?)
                    .with_effective_order(self.effective_order)
                    .with_lowercase(self.lowercase),
            ),
            MetricArg::Chrf => chrf(0),
            MetricArg::ChrfPlus => chrf(1),
            MetricArg::ChrfPlusPlus => chrf(2),
            MetricArg::Seqeval => return Err("seqeval scores no translations".into()),
            MetricArg::Ter => Box::new(
                Ter::new()
                    .with_case_sensitive(self.ter_case_sensitive)
                    .with_asian_support(self.ter_asian_support)
                    .with_no_punct(self.ter_no_punct)
                    .with_normalized(self.ter_normalized),
            ),
        })
    }

    pub(crate) fn resampling(&self) -> Resampling {
        let test = match self.test {
            TestArg::Bootstrap => PairedTest::Bootstrap,
            TestArg::ApproximateRandomization => PairedTest::ApproximateRandomization,
        };
        self.with_samples(test)
    }

    /// That which an interval of one system comes of.
    pub(crate) fn bootstrap(&self) -> Resampling {
        self.with_samples(PairedTest::Bootstrap)
    }

    fn with_samples(&self, test: PairedTest) -> Resampling {
        let resampling = Resampling::new(test).with_seed(self.seed);
        self.samples.map_or(resampling, |samples| resampling.with_samples(samples))
    }

    fn smoothing(&self) -> Outcome<Smoothing> {
        let value = |default: f64| self.smooth_value.unwrap_or(default);
        Ok(match self.smooth_method {
            SmoothArg::Floor => Smoothing::Floor(value(0.1)),
            SmoothArg::AddK => Smoothing::AddK(value(1.0)),
            SmoothArg::None | SmoothArg::Exp if self.smooth_value.is_some() => {
                return Err("--smooth-value belongs to --smooth-method floor or add-k".into());
            }
            SmoothArg::None => Smoothing::None,
            SmoothArg::Exp => Smoothing::Exp,
        })
    }

    fn tokenizer(&self) -> Outcome<BleuTokenizer> {
        match self.tokenize.strip_prefix("ja-mecab") {
            Some("") => {
                return Err("--tokenize ja-mecab: no dictionary, expected ja-mecab=DIR".into());
            }
            Some(dir) if dir.starts_with('=') => return self.mecab(Path::new(&dir[1..])),
            _ => {}
        }
        let (name, file) = match self.tokenize.split_once('=') {
            Some((name, file)) => (name, Path::new(file)),
            None if Path::new(&self.tokenize).extension().is_some_and(|end| end == "model") => {
                ("spm-file", Path::new(&self.tokenize))
            }
            None if self.tokenizer_hash => {
                return Err(format!("--tokenizer-hash: `{}` is no file", self.tokenize).into());
            }
            None => return Ok(self.tokenize.parse()?),
        };
        let model = Arc::new(SentencePieceModel::from_file(file)?);
        let hash = sha256(model.file())?;
        let tokenizer = PieceTokenizer::new(name, move |text| Ok(model.pieces(text)));
        // A name that is not sacrebleu's says nothing of the file; the hash does.
        let is_hashed = self.tokenizer_hash || name == "spm-file";
        Ok(BleuTokenizer::Pieces(if is_hashed { tokenizer.with_hash(hash) } else { tokenizer }))
    }

    #[cfg(feature = "mecab")]
    fn mecab(&self, dir: &Path) -> Outcome<BleuTokenizer> {
        let tokenizer = PieceTokenizer::mecab(dir)?;
        // Another dictionary than sacrebleu's is known by its hash alone.
        let is_hashed = self.tokenizer_hash || tokenizer.name() == "mecab";
        Ok(BleuTokenizer::Pieces(if is_hashed {
            let files = ["sys.dic", "unk.dic", "matrix.bin", "char.bin"];
            let contents = files.iter().map(|name| std::fs::read(dir.join(name)));
            tokenizer.with_hash(sha256(&contents.collect::<Result<Vec<_>, _>>()?.concat())?)
        } else {
            tokenizer
        }))
    }

    #[cfg(not(feature = "mecab"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn mecab(&self, _: &Path) -> Outcome<BleuTokenizer> {
        Err("--tokenize ja-mecab: not part of this program, expected one built with `--features mecab`".into())
    }
}

fn sha256(bytes: &[u8]) -> Outcome<String> {
    let mut hash = String::new();
    for byte in Sha256::digest(bytes) {
        write!(hash, "{byte:02x}")?;
    }
    Ok(hash)
}
