//! What can go wrong with an adapter.

use std::io;
use std::path::PathBuf;

use isogloss_core::WriteError;
use thiserror::Error;

/// Why an adapter could not be attached, merged, saved or loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A field of the configuration is outside its range.
    #[error("adapter: `{field}` is {found}, expected {expected}")]
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// An entry of a configuration matches nothing.
    #[error(
        "adapter: `{entry}` of `{field}` matches no {kind} module, expected one of: {}",
        if names.is_empty() { "none (the model offers no such)".to_owned() } else { names.join(", ") }
    )]
    Unmatched {
        /// The field.
        field: &'static str,
        /// The entry.
        entry: String,
        /// The kind of module that it could have matched.
        kind: &'static str,
        /// The modules of that kind.
        names: Vec<String>,
    },

    /// The rank is larger than the matrix allows.
    #[error("adapter: `rank` is {rank} at `{site}`, whose layer is [{inputs}, {outputs}], expected at most {}", inputs.min(outputs))]
    Rank {
        /// The site.
        site: String,
        /// The configured rank.
        rank: usize,
        /// The inputs of the layer.
        inputs: usize,
        /// Its outputs.
        outputs: usize,
    },

    /// Another adapter has that name.
    #[error("adapter: `{name}` is attached already, expected another name (or detach it first)")]
    Taken {
        /// The name.
        name: String,
    },

    /// No adapter has that name.
    #[error(
        "adapter: `{name}` is not attached, expected one of: {}",
        if known.is_empty() { "none (the model has no adapter)".to_owned() } else { known.join(", ") }
    )]
    Unknown {
        /// The name.
        name: String,
        /// The adapters that there are.
        known: Vec<String>,
    },

    /// An adapter does not act.
    #[error("adapter: `{name}` does not act, expected it among those that do: {active}")]
    Asleep {
        /// The adapter.
        name: String,
        /// What acts.
        active: String,
    },

    /// A composition cannot act.
    #[error("composition of adapters: {found}, expected {expected}")]
    Composition {
        /// What is wrong.
        found: String,
        /// What it may be.
        expected: &'static str,
    },

    /// What an adapter has in full is not in the model: it was attached to another, such as one with a head.
    #[error(
        "adapter: `{name}` has `{path}` in full, which this model has not, expected the model that it was attached to"
    )]
    Moved {
        /// The adapter.
        name: String,
        /// The first such parameter.
        path: String,
    },

    /// The model has no place for parameters in full.
    #[error(
        "adapter: it is to have `{path}` in full, expected a model with a field for `FullParameters`"
    )]
    NoPlace {
        /// The first of these parameters.
        path: String,
    },

    /// There is nothing of what is needed.
    #[error("the model has no {what}, expected at least one")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },

    /// What acts at a site cannot be folded into a layer.
    #[error(
        "`{site}` has {why}, which no layer can absorb, expected adapters of linear layers alone"
    )]
    NotMergeable {
        /// The site.
        site: String,
        /// What is there.
        why: &'static str,
    },

    /// Folding an adapter in would change what a layer computes.
    #[error(
        "`{site}` would change by {share:.1e} of its largest output once merged, expected rounding alone"
    )]
    Inexact {
        /// The site.
        site: String,
        /// The difference, as a share of the largest output.
        share: f64,
    },

    /// Adapters cannot become one.
    #[error("adapter: `{name}` at `{site}` is {why}, expected plain LoRAs")]
    NotCombinable {
        /// The adapter.
        name: String,
        /// The site.
        site: String,
        /// What is in the way.
        why: &'static str,
    },

    /// A file of an adapter could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file of an adapter does not hold what it should.
    #[error("{}: {fault}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        fault: String,
    },

    /// The adapter was trained on another model.
    #[error("{}: made for another base: `{field}` is {found} there and {expected} here", path.display())]
    OtherBase {
        /// The adapter's configuration file.
        path: PathBuf,
        /// The first parameter or field that differs.
        field: String,
        /// What the adapter was made for.
        found: String,
        /// What the model has.
        expected: String,
    },

    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
