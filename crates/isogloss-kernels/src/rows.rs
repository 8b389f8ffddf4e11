//! Gradients of the rows of a table that were read, and of no other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use burn::module::ParamId;
use burn::tensor::{Gradients, Tensor, TensorData};

use crate::RowAdamW;
use crate::host::{edited, seen};

thread_local! {
    static TAPE: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

struct Tape {
    /// By the id of the table.
    updates: BTreeMap<u64, Arc<RowAdamW>>,
    read: Vec<RowsRead>,
}

/// While it is there, [`embedding`](crate::embedding) on Flex notes, on this thread, which rows of trainable
/// tables are read, and gives them a gradient of their own: of a table of 250,002 rows of which a batch reads
/// 1,000, no gradient of 250,002 rows is made.
///
/// What else is computed with the table itself, such as scores by an output layer tied to it, reaches the
/// table's own gradient as always.
#[derive(Debug)]
pub struct RowTape {
    // It belongs to the thread that began it.
    _not_send: PhantomData<*const ()>,
}

/// Rows of a table that were read: a leaf of autodiff in the table's place.
#[derive(Debug)]
pub struct RowsRead {
    table: ParamId,
    /// Ascending, each once.
    ids: Vec<usize>,
    rows: Tensor<2>,
}

impl RowTape {
    /// Begins one, in the place of any there was. `updates` are the optimizers of tables whose rows wait for
    /// their weight decay: the rows are read as if they had taken it.
    pub fn begin(updates: BTreeMap<u64, Arc<RowAdamW>>) -> Self {
        TAPE.set(Some(Tape { updates, read: Vec::new() }));
        Self { _not_send: PhantomData }
    }

    /// What was read since the last time.
    pub fn take(&self) -> Vec<RowsRead> {
        TAPE.with_borrow_mut(|tape| {
            tape.as_mut().map_or_else(Vec::new, |tape| std::mem::take(&mut tape.read))
        })
    }
}

impl Drop for RowTape {
    fn drop(&mut self) {
        TAPE.set(None);
    }
}

impl RowsRead {
    /// The table that they are of.
    pub fn table(&self) -> ParamId {
        self.table
    }

    /// Takes their gradient out of what a pass backwards gave; `None` where it did not come by them.
    pub fn take_gradient(&self, gradients: &mut Gradients) -> Option<RowGradient> {
        let gradient = self.rows.grad_remove(gradients)?;
        Some(RowGradient::new(self.ids.clone(), &gradient))
    }
}

/// Notes that rows are read, if somebody wants to know: gives each row that is, once, and for each id its place
/// among them.
#[cfg_attr(not(feature = "flex"), expect(dead_code, reason = "only Flex has tables by rows"))]
pub(crate) fn read(
    id: ParamId,
    table: &Tensor<2>,
    ids: &[usize],
) -> Option<(Tensor<2>, Vec<usize>)> {
    TAPE.with_borrow_mut(|tape| {
        let tape = tape.as_mut().filter(|_| table.is_require_grad())?;
        let mut distinct = ids.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let places = ids.iter().map(|id| distinct.partition_point(|known| known < id)).collect();
        let table = table.clone().inner();
        let ([_, width], device) = (table.dims(), table.device());
        let mut rows = gathered(&table, &distinct);
        if let Some(update) = tape.updates.get(&id.val()) {
            update.decay_what_waits(&distinct, &mut rows);
        }
        let rows = Tensor::from_data(TensorData::new(rows, [distinct.len(), width]), &device);
        let rows = Tensor::<2>::from_inner(rows).require_grad();
        tape.read.push(RowsRead { table: id, ids: distinct, rows: rows.clone() });
        Some((rows, places))
    })
}

/// Some rows of a table, back to back.
pub(crate) fn gathered(table: &Tensor<2>, ids: &[usize]) -> Vec<f32> {
    let [_, width] = table.dims();
    let mut rows = Vec::with_capacity(ids.len() * width);
    seen(table, &mut |numbers| {
        for id in ids {
            rows.extend_from_slice(&numbers[id * width..][..width]);
        }
    });
    rows
}

/// The gradient of some rows of a table; that of the others is zero.
#[derive(Clone, Debug, PartialEq)]
pub struct RowGradient {
    // Invariant: ascending, each once; `width` numbers for each.
    ids: Vec<usize>,
    numbers: Vec<f32>,
    width: usize,
}

impl RowGradient {
    /// That of rows whose ids ascend.
    fn new(ids: Vec<usize>, gradient: &Tensor<2>) -> Self {
        let [_, width] = gradient.dims();
        let mut numbers = Vec::new();
        seen(gradient, &mut |seen| numbers = seen.to_vec());
        Self { ids, numbers, width }
    }

    /// That of all rows, from the table's own. `[rows, d_model]`
    pub fn of_all(gradient: &Tensor<2>) -> Self {
        let [rows, _] = gradient.dims();
        Self::new((0..rows).collect(), gradient)
    }

    /// The rows that it is of, ascending.
    pub fn ids(&self) -> &[usize] {
        &self.ids
    }

    /// What it is for the rows, in their order, `d_model` numbers for each.
    pub(crate) fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        if self.ids == other.ids {
            let mut sum = self;
            sum.numbers.iter_mut().zip(&other.numbers).for_each(|(sum, more)| *sum += more);
            return sum;
        }
        let mut ids = [self.ids.as_slice(), &other.ids].concat();
        ids.sort_unstable();
        ids.dedup();
        let width = self.width;
        let mut numbers = vec![0.0; ids.len() * width];
        for part in [&self, other] {
            let mut place = 0;
            for (id, row) in part.ids.iter().zip(part.numbers.chunks_exact(width.max(1))) {
                place += ids[place..].partition_point(|known| known < id);
                let sum = &mut numbers[place * width..][..width];
                sum.iter_mut().zip(row).for_each(|(sum, more)| *sum += more);
            }
        }
        Self { ids, numbers, width }
    }

    /// The sum of the squares of all numbers.
    pub fn sum_of_squares(&self) -> f64 {
        self.numbers.iter().map(|&number| f64::from(number).powi(2)).sum()
    }

    /// Adds it to a gradient of the whole table. `[rows, d_model]`
    pub fn added_to(&self, gradient: Tensor<2>) -> Tensor<2> {
        edited(gradient, &mut |numbers| {
            let width = self.width;
            for (id, row) in self.ids.iter().zip(self.numbers.chunks_exact(width.max(1))) {
                let sum = &mut numbers[id * width..][..width];
                sum.iter_mut().zip(row).for_each(|(sum, more)| *sum += more);
            }
        })
    }
}
