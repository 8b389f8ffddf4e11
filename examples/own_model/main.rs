//! A plain Burn model gains adapters: `cargo run --release --example own-model`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;

use clap::Parser;
use isogloss::burn::optim::{AdamWConfig, GradientsParams};
use isogloss::burn::tensor::{Distribution, Tensor};
use isogloss::burn::{self, module::Module, nn::LinearConfig};
use isogloss::core::Seed;
use isogloss::peft::{self, AdapterConfig, LinearSite, LoraConfig, adapter_sites};
use isogloss_examples::{Outcome, exit_code};

/// Trains a LoRA on a small model of its own, and merges it.
#[derive(Parser)]
#[command(name = "own-model", version)]
struct Args {
    /// The seed of all that is random
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Module, Debug)]
struct Mlp {
    up: LinearSite,
    down: LinearSite,
}
impl Mlp {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.down.forward(self.up.forward(x).tanh())
    }
}
adapter_sites!(Mlp { Linear: up, down });

fn run(args: &Args) -> Outcome<()> {
    let device = isogloss::device("auto")?.autodiff();
    device.seed(args.seed);
    let layer = |inputs, outputs| LinearSite::new(LinearConfig::new(inputs, outputs).init(&device));
    let base = Mlp { up: layer(32, 64), down: layer(64, 32) };
    let config = AdapterConfig::Lora(LoraConfig::new(4).with_target("up|down"));
    let (mut model, _) = peft::attach(base, "reverse", &config, Seed::new(args.seed), &device)?;
    let mut optimizer = AdamWConfig::new().init();
    for step in 0..=200 {
        let x = Tensor::random([64, 32], Distribution::Default, &device);
        let loss = (model.forward(x.clone()) - x.flip([1])).square().mean();
        if step % 100 == 0 {
            println!("step {step}: {:.4}", loss.clone().into_scalar::<f32>());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    print!("{}", peft::adapters(&model));
    println!("merged, within {:.1e}", peft::merge(model)?.1.error);
    Ok(())
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}
