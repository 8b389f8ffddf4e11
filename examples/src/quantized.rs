//! In how many bits weights are held.

use isogloss::kernels::Quantization;

/// The options of a program that can hold a model in few bits.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct QuantizedArgs {
    /// Hold the weights in 16 bits, bfloat16: half of the memory
    #[arg(long, conflicts_with_all = ["int8", "nf4"])]
    bf16: bool,

    /// Hold the weights in 8 bits: a quarter of the memory, for a little of their precision
    #[arg(long)]
    int8: bool,

    /// Hold the weights of the layers in 4 bits, those of the words in 8
    #[arg(long, conflicts_with = "int8")]
    nf4: bool,
}

impl QuantizedArgs {
    /// What was asked for.
    pub fn format(self) -> Option<Quantization> {
        match self {
            Self { bf16: true, .. } => Some(Quantization::Bf16),
            Self { int8: true, .. } => Some(Quantization::Int8),
            Self { nf4: true, .. } => Some(Quantization::Nf4),
            Self { .. } => None,
        }
    }

    /// The option that was given.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self { bf16: true, .. } => Some("--bf16"),
            Self { int8: true, .. } => Some("--int8"),
            Self { nf4: true, .. } => Some("--nf4"),
            Self { .. } => None,
        }
    }
}
