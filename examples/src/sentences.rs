//! The sentence encoder that was asked for, and the lines it reads.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use clap::{Args, ValueEnum};
use isogloss::burn::tensor::Device;
use isogloss::sentence::{
    EncodeConfig, LaserEncoder, LongText, Prompt, SentenceEncoder, SentenceModel, Stage,
};
use isogloss::transformer::Pooling;

use crate::{Outcome, QuantizedArgs, load_adapters};

/// Which model gives vectors, and how.
#[derive(Args, Debug)]
pub struct EncoderArgs {
    /// A directory of sentence-transformers, of transformers with a tokenizer, or of LASER2
    #[arg(long)]
    pub model: PathBuf,

    /// How hidden states become one vector [default: as the directory says, else mean]
    #[arg(long, value_enum)]
    pooling: Option<PoolingArg>,

    /// Scale vectors to length 1 [default: as the directory says]
    #[arg(long)]
    normalize: bool,

    /// What is put before each text, such as 'query: '
    #[arg(long, conflicts_with = "prompt")]
    prefix: Option<String>,

    /// The name of a prompt that the directory has
    #[arg(long)]
    prompt: Option<String>,

    /// The most tokens that are read at once [default: as the directory says]
    #[arg(long)]
    max_tokens: Option<usize>,

    /// What becomes of texts with more tokens; all are counted and reported
    #[arg(long, value_enum, default_value_t = LongTextArg::Truncate)]
    long_texts: LongTextArg,

    /// Tokens from one window to the next [default: half of what is read at once]
    #[arg(long)]
    stride: Option<usize>,

    /// An adapter that acts, made here or by peft or adapters; several times, the first at the bottom
    #[arg(long = "adapter", value_name = "DIR")]
    adapters: Vec<PathBuf>,

    #[command(flatten)]
    quantized: QuantizedArgs,

    /// Tokens that are read together, padding included
    #[arg(long, default_value_t = EncodeConfig::default().batch_tokens)]
    batch_tokens: usize,

    /// Batches that are read at the same time [default: as many as there are cores, where a CPU computes]
    #[arg(long)]
    threads: Option<usize>,

    /// The row of the language embedding, for XLM
    #[arg(long)]
    language: Option<u32>,

    /// The device: auto, flex, …
    #[arg(long, default_value = "auto")]
    device: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PoolingArg {
    Mean,
    Cls,
    Max,
    MeanSqrtLen,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum LongTextArg {
    /// Their beginning is read
    Truncate,
    /// They are read in windows, whose vectors are averaged
    Window,
    /// The program ends with their number
    Error,
}

impl EncoderArgs {
    /// Opens the model, and says what it is.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory or an option, for a person.
    pub fn open(&self) -> Outcome<(Box<dyn SentenceModel>, String)> {
        let device = isogloss::device(&self.device)?;
        let name = self.model.display();
        if LaserEncoder::is_in(&self.model) {
            let given = [
                ("--pooling", self.pooling.is_some()),
                ("--normalize", self.normalize),
                ("--max-tokens", self.max_tokens.is_some()),
                (self.quantized.option().unwrap_or("--int8"), self.quantized.format().is_some()),
                ("--adapter", !self.adapters.is_empty()),
            ];
            if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
                return Err(format!("{option} is no option of LASER").into());
            }
            let laser = LaserEncoder::open(&self.model, &device)?;
            let described = format!("{name}: LASER, {} wide", laser.dim());
            return Ok((Box::new(laser), described));
        }
        let encoder = self.open_encoder(&device)?;
        let poolings = encoder.poolings().iter().map(|pooling| format!("{pooling:?}"));
        let stages = encoder.stages().iter().map(|stage| match stage {
            Stage::Dense(dense) => format!("Dense {:?}", dense.dims()),
            Stage::Normalize => "Normalize".to_owned(),
            other => format!("{other:?}"),
        });
        let pooling = poolings.collect::<Vec<_>>().join(" + ");
        let parts: Vec<String> = [pooling].into_iter().chain(stages).collect();
        let bits = match self.quantized.format() {
            Some(format) => format!(", weights in {format:?}"),
            None => String::new(),
        };
        let described = format!("{name}: {}, {} wide{bits}", parts.join(", "), encoder.dim());
        let left_out = encoder.left_out().iter();
        let left_out = left_out.map(|name| format!("left out, the head of another task: {name}"));
        let lines: Vec<String> = [described].into_iter().chain(left_out).collect();
        Ok((Box::new(encoder), lines.join("\n")))
    }

    /// Opens an encoder to look into its layers, whose vectors are means over tokens unless `--pooling` says otherwise;
    /// and says what it is.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory or an option, for a person.
    pub fn open_layers(&self) -> Outcome<(SentenceEncoder, String)> {
        let name = self.model.display();
        if LaserEncoder::is_in(&self.model) {
            return Err(
                format!("{name}: LASER has no layers to compare, expected an encoder").into()
            );
        }
        if self.normalize {
            return Err("--normalize is no option here: layers are compared as they are".into());
        }
        let mut encoder = self.open_encoder(&isogloss::device(&self.device)?)?;
        if self.pooling.is_none() {
            encoder = encoder.with_pooling(Pooling::Mean);
        }
        let config = encoder.encoder().config();
        let (layers, width) = (config.n_layers, config.d_model);
        let poolings = encoder.poolings().iter().map(|pooling| format!("{pooling:?}"));
        let poolings = poolings.collect::<Vec<_>>().join(", ");
        let described = format!("{name}: {layers} layers, {width} wide, pooling {poolings}");
        Ok((encoder, described))
    }

    /// An encoder as the options say.
    fn open_encoder(&self, device: &Device) -> Outcome<SentenceEncoder> {
        let opened = match self.quantized.format() {
            Some(format) => SentenceEncoder::open_quantized(&self.model, format, device)?,
            None => SentenceEncoder::open(&self.model, device)?,
        };
        let mut encoder =
            opened.try_map_encoder(|encoder| load_adapters(encoder, &self.adapters, device))?;
        if let Some(pooling) = self.pooling {
            encoder = encoder.with_pooling(match pooling {
                PoolingArg::Mean => Pooling::Mean,
                PoolingArg::Cls => Pooling::Cls,
                PoolingArg::Max => Pooling::Max,
                PoolingArg::MeanSqrtLen => Pooling::MeanSqrtLen,
            });
        }
        if self.normalize {
            encoder = encoder.with_normalize(true);
        }
        if let Some(max_tokens) = self.max_tokens {
            encoder = encoder.with_max_tokens(max_tokens)?;
        }
        Ok(encoder)
    }

    /// How it is to encode.
    ///
    /// # Errors
    ///
    /// A stride without windows.
    pub fn config(&self, encoder: &dyn SentenceModel) -> Outcome<EncodeConfig> {
        if self.stride.is_some() && self.long_texts != LongTextArg::Window {
            return Err("--stride is an option of --long-texts window".into());
        }
        let prompt = match (&self.prefix, &self.prompt) {
            (Some(text), _) => Prompt::Text(text.clone()),
            (None, Some(name)) => Prompt::Named(name.clone()),
            (None, None) => Prompt::Default,
        };
        let config = EncodeConfig::default()
            .with_prompt(prompt)
            .with_batch_tokens(self.batch_tokens)
            .with_threads(self.threads.unwrap_or_else(|| {
                let cores = || thread::available_parallelism().map_or(1, usize::from);
                if isogloss::is_cpu(encoder.device()) { cores() } else { 1 }
            }))
            .with_long_text(match self.long_texts {
                LongTextArg::Truncate => LongText::Truncate,
                LongTextArg::Window => {
                    let half = encoder.max_tokens().unwrap_or(2) / 2;
                    LongText::Window { stride: self.stride.unwrap_or(half) }
                }
                LongTextArg::Error => LongText::Error,
            });
        Ok(match self.language {
            Some(language) => config.with_language(language),
            None => config,
        })
    }
}

/// The lines of a file, which end with LF alone.
///
/// # Errors
///
/// The file cannot be read or is not UTF-8.
pub fn read_lines(path: &Path) -> Outcome<Vec<String>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() })
}
