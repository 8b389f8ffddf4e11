//! Gradients of all parameters together: what batches gave, their norm, their scale.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Gradients, Tensor};
use isogloss_kernels::{RowGradient, RowTape, scaled, sum_of_squares};
use isogloss_transformer::RecomputeTape;

use crate::tables::Tables;

/// What is added up over the batches of a step.
pub(crate) struct Accumulated<M> {
    whole: GradientsAccumulator<M>,
    rows: BTreeMap<u64, RowGradient>,
}

/// What is noted while losses of a step are computed.
pub(crate) struct Tapes {
    /// Which rows of tables are read.
    pub(crate) rows: RowTape,
    /// What layers compute again, where they do.
    pub(crate) layers: Option<RecomputeTape>,
}

/// The gradients of a step: of whole parameters, and of rows of tables.
pub(crate) struct StepGradients {
    pub(crate) whole: GradientsParams,
    /// By the id of the table, which has none among the others.
    pub(crate) rows: BTreeMap<u64, RowGradient>,
}

impl<M: Module> Accumulated<M> {
    pub(crate) fn new() -> Self {
        Self { whole: GradientsAccumulator::new(), rows: BTreeMap::new() }
    }

    /// Goes backwards from a loss.
    pub(crate) fn add(&mut self, loss: &Tensor<1>, model: &M, tapes: &Tapes) {
        let reads = tapes.rows.take();
        let mut add = |mut gradients: Gradients| {
            for read in &reads {
                let table = read.table().val();
                let Some(rows) = read.take_gradient(&mut gradients) else { continue };
                add_rows(&mut self.rows, table, rows);
            }
            self.whole.accumulate(model, GradientsParams::from_grads(gradients, model));
        };
        match &tapes.layers {
            Some(layers) => layers.backward(loss, &mut add),
            None => add(loss.backward()),
        }
    }

    /// Adds what was computed elsewhere.
    pub(crate) fn merge(&mut self, mut other: Self, model: &M) {
        self.whole.accumulate(model, other.whole.grads());
        for (table, rows) in other.rows {
            add_rows(&mut self.rows, table, rows);
        }
    }

    /// Moves them. Those of rows are in the memory of the host.
    pub(crate) fn moved_to(mut self, device: &Device, model: &M) -> Self {
        let mut whole = GradientsAccumulator::new();
        whole.accumulate(model, self.whole.grads().to_device(device, model));
        Self { whole, rows: self.rows }
    }

    /// Settles which tables are updated row by row: a table whose gradients are of rows alone. One that has
    /// another gradient as well, such as one that a decoder is tied to, is updated as a whole, and the rows are
    /// added to that.
    pub(crate) fn settled(mut self, model: &M, tables: &mut Tables) -> StepGradients {
        let whole = self.whole.grads();
        let settle = Settle { tables, whole, rows: self.rows, settled: BTreeMap::new() };
        let settle = visited(settle, model);
        StepGradients { whole: settle.whole, rows: settle.settled }
    }
}

fn add_rows(sums: &mut BTreeMap<u64, RowGradient>, table: u64, rows: RowGradient) {
    let sum = match sums.remove(&table) {
        Some(sum) => sum.plus(&rows),
        None => rows,
    };
    sums.insert(table, sum);
}

struct Settle<'a> {
    tables: &'a mut Tables,
    whole: GradientsParams,
    rows: BTreeMap<u64, RowGradient>,
    settled: BTreeMap<u64, RowGradient>,
}

impl ModuleVisitor for Settle<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let id = param.id.val();
        let by_rows = self.tables.is_by_rows(id);
        if D != 2 {
            return;
        }
        let whole = self.whole.remove::<2>(param.id);
        let Some(rows) = self.rows.remove(&id) else {
            match whole {
                Some(whole) if by_rows => {
                    self.settled.insert(id, RowGradient::of_all(&whole));
                }
                Some(whole) => {
                    self.tables.set_whole(id);
                    self.whole.register(param.id, whole);
                }
                None => {}
            }
            return;
        };
        match whole {
            Some(whole) if by_rows => {
                self.settled.insert(id, RowGradient::of_all(&rows.added_to(whole)));
            }
            Some(whole) => {
                self.tables.set_whole(id);
                self.whole.register(param.id, rows.added_to(whole));
            }
            None if self.tables.is_whole(id) => {
                let dims: [usize; 2] = param.lazy_shape().dims();
                let zeros = Tensor::<2>::zeros(dims, &param.lazy_device().inner());
                self.whole.register(param.id, rows.added_to(zeros));
            }
            None => {
                self.tables.set_by_rows(id, param.lazy_shape().dims());
                self.settled.insert(id, rows);
            }
        }
    }
}

impl StepGradients {
    /// `‖scale · g‖₂` over all parameters together.
    pub(crate) fn norm<M: Module>(&self, model: &M, scale: f64) -> f64 {
        let squares = visited(SumOfSquares { gradients: &self.whole, sum: None }, model);
        // The one read-back of a step; NaN and infinity pass through it to the caller.
        let whole = squares.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));
        let rows: f64 = self.rows.values().map(RowGradient::sum_of_squares).sum();
        scale * (whole + rows).sqrt()
    }

    /// Multiplies the gradients of whole parameters; those of rows are, where they are used.
    pub(crate) fn scale_whole<M: Module>(self, model: &M, by: f64) -> Self {
        let scaled = Scaled { gradients: self.whole, by, result: GradientsParams::new() };
        Self { whole: visited(scaled, model).result, ..self }
    }
}

/// By what gradients are multiplied: with `scale` and, where their norm is then above `max_norm`, down to it.
///
/// ```text
/// g ← scale · min(1, max_norm / (n + 1e-6)) · g
/// ```
///
/// Burn's own clipping by norm takes each tensor by itself, which changes the direction of the step.
pub(crate) fn clipped(scale: f64, norm: f64, max_norm: Option<f64>) -> f64 {
    scale * max_norm.map_or(1.0, |max_norm| (max_norm / (norm + 1e-6)).min(1.0))
}

fn visited<M: Module, V: ModuleVisitor>(mut visitor: V, model: &M) -> V {
    model.visit(&mut visitor);
    visitor
}

struct SumOfSquares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum = sum_of_squares(gradient);
            self.sum = Some(match self.sum.take() {
                Some(total) => total + sum,
                None => sum,
            });
        }
    }
}

struct Scaled {
    gradients: GradientsParams,
    by: f64,
    result: GradientsParams,
}

impl ModuleVisitor for Scaled {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.result.register(param.id, scaled(gradient, self.by));
        }
    }
}
