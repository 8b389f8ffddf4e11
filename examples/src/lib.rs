//! Holds the package of examples together; see the files beside `Cargo.toml`.
