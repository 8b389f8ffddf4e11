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

    /// The pattern matches no site of the kind that the adapter needs.
    #[error(
        "adapter: `{target}` matches no {kind} site, expected one of: {}",
        if sites.is_empty() { "none (the model offers no such site)".to_owned() } else { sites.join(", ") }
    )]
    NoMatch {
        /// The pattern.
        target: String,
        /// The kind of site that the adapter sits on.
        kind: &'static str,
        /// The sites of that kind.
        sites: Vec<String>,
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

    /// An adapter sits there already.
    #[error("adapter: `{site}` has one already, expected a free site (detach or merge it first)")]
    Occupied {
        /// The site.
        site: String,
    },

    /// There is no adapter to merge, save or take off.
    #[error("the model has no {what}, expected at least one")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },

    /// An adapter of this kind cannot be folded into a weight.
    #[error("`{site}` has a bottleneck adapter, which no weight can absorb, expected LoRA only")]
    NotMergeable {
        /// The site.
        site: String,
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
