//! A model and a task so small that every number can be followed: a linear regression with dropout, after a
//! table of which each batch reads a few rows.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{
    Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
    LinearConfig,
};
use burn::tensor::{Device, Int, Tensor};
use isogloss_core::Seed;
use isogloss_kernels::embedding;
use isogloss_training::{DrawnBatch, Task, TrainingError};
use isogloss_transformer::LossSum;
use rand::RngExt;
use serde_json::{Value, json};

#[derive(Module, Debug)]
pub(crate) struct Regression {
    pub(crate) embeddings: Embedding,
    pub(crate) layers: Vec<Linear>,
    norm: LayerNorm,
    dropout: Dropout,
    pub(crate) down: Linear,
}

impl Regression {
    pub(crate) fn new(dropout: f64, device: &Device) -> Self {
        device.seed(11);
        Self {
            embeddings: EmbeddingConfig::new(TABLE as usize, 4).init(device),
            layers: vec![LinearConfig::new(4, 8).init(device)],
            norm: LayerNormConfig::new(8).init(device),
            dropout: DropoutConfig::new(dropout).init(),
            down: LinearConfig::new(8, 1).init(device),
        }
    }

    fn forward(&self, x: Tensor<2>, ids: Tensor<1, Int>, by_rows: bool) -> Tensor<2> {
        let shift = if by_rows {
            embedding(&self.embeddings.weight, ids)
        } else {
            self.embeddings.weight.val().select(0, ids)
        };
        let x = x + shift * 0.1;
        let x = self.layers.iter().fold(x, |x, layer| layer.forward(x));
        self.down.forward(self.dropout.forward(self.norm.forward(x).tanh()))
    }
}

/// The rows of the table.
const TABLE: u32 = 40;

/// Rows drawn by a counter; the target is the sum of a row.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) name: &'static str,
    pub(crate) rows: usize,
    pub(crate) drawn: u64,
    /// Whether the table is read so that rows of it have gradients.
    pub(crate) by_rows: bool,
    /// At this draw the loss is not a number.
    pub(crate) breaks_at: Option<u64>,
    /// At this draw the process is gone, as by `kill -9`.
    pub(crate) aborts_at: Option<u64>,
}

impl Sums {
    pub(crate) fn new(name: &'static str, rows: usize) -> Self {
        Self { name, rows, drawn: 0, by_rows: true, breaks_at: None, aborts_at: None }
    }
}

struct Drawn {
    x: Tensor<2>,
    ids: Tensor<1, Int>,
    by_rows: bool,
    breaks: bool,
}

impl DrawnBatch<Regression> for Drawn {
    fn loss(&self, model: &Regression) -> LossSum {
        let (x, target) = (self.x.clone(), self.x.clone().sum_dim(1));
        let [rows, _] = x.dims();
        let scores = model.forward(x, self.ids.clone(), self.by_rows);
        let sum = (scores - target).square().sum();
        LossSum::new(if self.breaks { sum * f32::NAN } else { sum }, rows)
    }
}

impl Task<Regression> for Sums {
    fn name(&self) -> &str {
        self.name
    }

    fn next_batch(
        &mut self,
        device: &Device,
    ) -> Result<Box<dyn DrawnBatch<Regression>>, TrainingError> {
        let mut rng = Seed::new(5).derive(self.name).at(self.drawn).rng();
        self.drawn += 1;
        if self.aborts_at == Some(self.drawn) {
            std::process::abort();
        }
        let rows: Vec<f32> = (0..self.rows * 4).map(|_| rng.random_range(-1.0..1.0)).collect();
        let x = Tensor::<1>::from_floats(rows.as_slice(), device).reshape([self.rows, 4]);
        let ids: Vec<u32> = (0..self.rows).map(|_| rng.random_range(0..TABLE)).collect();
        let ids = Tensor::<1, Int>::from_data(ids.as_slice(), device);
        let (by_rows, breaks) = (self.by_rows, self.breaks_at == Some(self.drawn));
        Ok(Box::new(Drawn { x, ids, by_rows, breaks }))
    }

    fn state(&self) -> Value {
        json!({ "drawn": self.drawn })
    }

    fn restore(&mut self, state: Value) -> Result<(), String> {
        self.drawn = state["drawn"].as_u64().ok_or("`drawn` is missing, expected a number")?;
        Ok(())
    }
}

/// The bits of every parameter, in the order of the module.
pub(crate) fn bits(model: &impl Module) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>().map(f32::to_bits));
        }
    }
    let mut bits = Bits(Vec::new());
    model.visit(&mut bits);
    bits.0
}

/// Initialisation and dropout draw from one generator of the whole process, so the tests that use
/// it take turns.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
