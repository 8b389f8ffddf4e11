//! Holds the package of benchmarks together; see the files beside `Cargo.toml`.
