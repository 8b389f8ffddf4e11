//! What can be wrong with configurations, batches and checkpoints.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use isogloss_core::WriteError;
use thiserror::Error;

/// One field of a configuration whose value is not allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigFault {
    /// The field, as it is written in a file.
    pub field: &'static str,
    /// The value found.
    pub found: String,
    /// What is allowed in its place.
    pub expected: String,
}

impl ConfigFault {
    /// Adds a fault to `faults` unless `holds`.
    pub(crate) fn check(
        faults: &mut Vec<Self>,
        holds: bool,
        field: &'static str,
        found: impl ToString + Copy,
        expected: impl Into<String>,
    ) {
        if !holds {
            faults.push(Self { field, found: found.to_string(), expected: expected.into() });
        }
    }
}

impl Display for ConfigFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}`, expected {}", self.field, self.found, self.expected)
    }
}

/// Why a configuration describes no encoder or classifier: every fault of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("encoder configuration: {}", joined(faults))]
#[non_exhaustive]
pub struct EncoderConfigError {
    /// The faults, in the order of the fields.
    pub faults: Vec<ConfigFault>,
}

/// Why a configuration describes no masking: every fault of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("masking configuration: {}", joined(faults))]
#[non_exhaustive]
pub struct MaskingConfigError {
    /// The faults, in the order of the fields.
    pub faults: Vec<ConfigFault>,
}

/// Why a configuration describes no objective: every fault of it.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("objective configuration: {}", joined(faults))]
#[non_exhaustive]
pub struct ObjectiveConfigError {
    /// The faults, in the order of the fields.
    pub faults: Vec<ConfigFault>,
}

/// Why sequences do not make a batch. Sequences and tokens are counted from 0.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no sequence.
    #[error("batch of 0 sequences, expected at least 1")]
    Empty,

    /// A sequence has no token.
    #[error("sequence {sequence}: 0 tokens, expected at least 1")]
    EmptySequence {
        /// Which sequence.
        sequence: usize,
    },

    /// Two lists that go together differ in length.
    #[error("sequence {sequence}: {found} {what}, expected {expected}")]
    Length {
        /// Which sequence.
        sequence: usize,
        /// What there should be as many of.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },

    /// Prompts and prefixes that act leave no position for a token.
    #[error(
        "position {last} behind {before} of prompts and prefixes, expected less than {rows} together"
    )]
    Positions {
        /// The largest row of the table of positions that a token has.
        last: usize,
        /// How many come before the first token.
        before: usize,
        /// The rows of the table.
        rows: usize,
    },

    /// A number is beyond a table's rows.
    #[error("sequence {sequence}, token {token}: {what} {found}, expected less than {limit}")]
    OutOfRange {
        /// Which sequence.
        sequence: usize,
        /// Which token of it.
        token: usize,
        /// What the number is: `id`, `position`, `language`, `token type`, `label`, `masked position`,
        /// `mask id`, `start` or `end`.
        what: &'static str,
        /// The number.
        found: u64,
        /// The number of rows.
        limit: usize,
    },

    /// A row is of a class that the model does not have.
    #[error("sequence {sequence}: class {found}, expected less than {n_classes}")]
    Class {
        /// Which sequence.
        sequence: usize,
        /// The class.
        found: u32,
        /// How many classes there are.
        n_classes: usize,
    },

    /// The model sees what it would have to predict.
    #[error("the next token of a model with `causal` false, which sees it, expected `causal` true")]
    NotCausal,

    /// A token is to be predicted twice.
    #[error("sequence {sequence}, token {token}: {what} twice, expected once")]
    Repeated {
        /// Which sequence.
        sequence: usize,
        /// Which token of it.
        token: usize,
        /// What the token is: `masked position` or `labelled position`.
        what: &'static str,
    },

    /// There is nothing to tell apart.
    #[error("{n_classes} class, expected at least 2: a model of one output is for regression")]
    Classes {
        /// How many classes there are.
        n_classes: usize,
    },

    /// A number that is to be predicted is none.
    #[error("sequence {sequence}, output {output}: target {found}, expected a finite number")]
    NotFinite {
        /// Which sequence.
        sequence: usize,
        /// Which output of the model.
        output: usize,
        /// What stands there.
        found: String,
    },

    /// An answer ends before it begins.
    #[error(
        "sequence {sequence}: the answer ends at token {end}, expected at least {start}, its start"
    )]
    Answer {
        /// Which sequence.
        sequence: usize,
        /// Its first token.
        start: usize,
        /// Its last token.
        end: usize,
    },

    /// The padding id stands among real tokens.
    #[error("sequence {sequence}, token {token}: id {pad_id} is padding, expected a real token")]
    Padding {
        /// Which sequence.
        sequence: usize,
        /// Which token of it.
        token: usize,
        /// The id.
        pad_id: u32,
    },

    /// Languages are given to a model without language embeddings, or missing for one with them.
    #[error(
        "sequence {sequence}: languages are {}, expected {} (the model has {n_languages} language embeddings)",
        given_or_not(*given),
        given_or_not(!*given)
    )]
    Languages {
        /// Which sequence.
        sequence: usize,
        /// Whether they were given.
        given: bool,
        /// How many the model knows.
        n_languages: usize,
    },

    /// Token types are given to a model without embeddings of them.
    #[error("sequence {sequence}: token types are given, expected none (the model has none)")]
    TokenTypes {
        /// Which sequence.
        sequence: usize,
    },

    /// No token is left to make a vector from.
    #[error(
        "sequence {sequence}: {length} tokens, expected more than {count}, those of the prompt"
    )]
    Prompt {
        /// Which sequence.
        sequence: usize,
        /// How many tokens it has.
        length: usize,
        /// How many are left out.
        count: usize,
    },

    /// Two parts of a batch should have one row for each sequence and do not.
    #[error("{what}: {found} rows, expected {expected}")]
    Rows {
        /// Which part.
        what: &'static str,
        /// Its rows.
        found: usize,
        /// The rows of the other part.
        expected: usize,
    },
}

/// What is wrong with one tensor of a checkpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TensorFault {
    /// The model has it, the file does not.
    Missing {
        /// The tensor's path.
        name: String,
    },
    /// The file has it, the model does not.
    Unexpected {
        /// The tensor's path.
        name: String,
    },
    /// Both have it, with other dimensions.
    Shape {
        /// The tensor's path.
        name: String,
        /// Its shape in the model.
        expected: Vec<usize>,
        /// Its shape in the file.
        found: Vec<usize>,
    },
    /// Both have it, with another type of number.
    DType {
        /// The tensor's path.
        name: String,
        /// Its type in the model.
        expected: String,
        /// Its type in the file.
        found: String,
    },
    /// The file has it, and its numbers cannot be read.
    Unreadable {
        /// The tensor's path.
        name: String,
        /// What the reader said.
        message: String,
    },
}

impl Display for TensorFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "`{name}` is missing"),
            Self::Unexpected { name } => write!(f, "`{name}` is unexpected"),
            Self::Shape { name, expected, found } => {
                write!(f, "`{name}` has shape {found:?}, expected {expected:?}")
            }
            Self::DType { name, expected, found } => {
                write!(f, "`{name}` is {found}, expected {expected}")
            }
            Self::Unreadable { name, message } => {
                write!(f, "`{name}` cannot be read: {message}")
            }
        }
    }
}

/// Why a model could not be saved or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The directory could not be put in its place.
    #[error(transparent)]
    Write(#[from] WriteError),

    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// `config.json` is not a configuration of this kind of model.
    #[error("{}: expected the configuration of `{kind}`", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The kind of model that was asked for.
        kind: &'static str,
        /// What the JSON reader said.
        source: serde_json::Error,
    },

    /// `config.json` is of another kind of model.
    #[error("{}: `model` is `{found}`, expected `{expected}`", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// The kind found.
        found: String,
        /// The kind asked for.
        expected: String,
    },

    /// `config.json` holds values that no model can have.
    #[error("{}", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// Which values.
        source: EncoderConfigError,
    },

    /// A directory has no file of weights.
    #[error("{}: no weights, expected {expected}, in one file or with an index of shards", dir.display())]
    NoWeights {
        /// The directory.
        dir: PathBuf,
        /// The names that are looked for.
        expected: String,
    },

    /// `config.json` names a kind of model that is not supported.
    #[error("{}: `{field}` is `{found}`, which is not supported; supported are {supported}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Which field says so.
        field: &'static str,
        /// What it says.
        found: String,
        /// What could stand there.
        supported: String,
    },

    /// A model is not of the shape that a family has.
    #[error("a model of `{model_type}` cannot have this `{field}`")]
    Inexpressible {
        /// The family.
        model_type: &'static str,
        /// The field of the model's configuration.
        field: &'static str,
    },

    /// A file that goes with a model could not be copied.
    #[error("cannot copy {} to {}", from.display(), to.display())]
    Copy {
        /// The file.
        from: PathBuf,
        /// Where it was to go.
        to: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// The file of tensors could not be read or written.
    #[error("{}: {message}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What the reader or writer of tensors said.
        message: String,
    },

    /// Tensors of the file and of the model are not the same.
    #[error("{}: {}", path.display(), joined(faults))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// All differences, in the order of names.
        faults: Vec<TensorFault>,
    },

    /// The model lacks tensors that its configuration asks for.
    #[error(
        "{}: the model lacks tensors that its configuration asks for: {} (one of few bits is not saved)",
        path.display(),
        names.join(", ")
    )]
    Lacking {
        /// The directory that was to be written.
        path: PathBuf,
        /// The tensors.
        names: Vec<String>,
    },

    /// Adapters put parameters of their own in the place of the model's.
    #[error(
        "{}: the model has biases or heads of {} in the place of its own (merge or detach adapters first)",
        path.display(),
        adapters.join(", ")
    )]
    AdapterActs {
        /// The directory that was to be written.
        path: PathBuf,
        /// The adapters.
        adapters: Vec<String>,
    },

    /// The model carries tensors that its configuration does not account for.
    #[error(
        "{}: the model has tensors that its configuration does not: {} (merge or detach adapters first)",
        path.display(),
        names.join(", ")
    )]
    AdapterAttached {
        /// The directory that was to be written.
        path: PathBuf,
        /// The tensors.
        names: Vec<String>,
    },
}

/// Why rows are not those of a model's vocabulary.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum VocabularyRowsError {
    /// The vocabulary does not fit the model.
    #[error(
        "a vocabulary of {found} tokens, expected more than the padding id, {pad_id}, and at most \
         the {rows} rows of the model"
    )]
    VocabSize {
        /// Its tokens.
        found: usize,
        /// The padding id, which is in it.
        pad_id: u32,
        /// The rows of the model.
        rows: usize,
    },

    /// The weights of the model are rounded.
    #[error(
        "the vocabulary of a model of few bits cannot grow, expected 32 bits: round it afterwards"
    )]
    Quantized,

    /// A part has another shape than the model's.
    #[error("new rows: `{what}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which part: `embedding`, `output` or `bias`.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it must have.
        expected: Vec<usize>,
    },

    /// There is a bias for a model that predicts no tokens, or none for one that does; or output rows
    /// for a model whose output is tied to the embedding, or none for one whose is not.
    #[error("new rows: `{what}` is {}, expected {}", given_or_not(*given), given_or_not(!*given))]
    Part {
        /// Which part: `output` or `bias`.
        what: &'static str,
        /// Whether it was given.
        given: bool,
    },
}

fn joined<T: Display>(faults: &[T]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn given_or_not(given: bool) -> &'static str {
    if given { "given" } else { "absent" }
}
