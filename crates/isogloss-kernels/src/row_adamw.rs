//! AdamW of a table of which each step reads a few rows.

use burn::tensor::Tensor;

use crate::AdamWStep;
use crate::adamw::update_all;
use crate::host::edited;
use crate::rows::{RowGradient, gathered};

/// What stands in the place of a slot for a row without moments.
const NONE: u32 = u32::MAX;
/// After how many steps waiting rows take their weight decay.
const WAITS: usize = 64;

/// AdamW of a table, exact to the bit, that does not pay for rows which no batch has read.
///
/// The moments of such a row are zero, and all that a step does to it is weight decay. That waits: the factors
/// of up to 64 steps are kept and multiplied in, one after the other, when the row is read for the first time,
/// or when all are [caught up](Self::caught_up). A row that was read once has moments and is updated in every
/// step.
///
/// # Source
///
/// Loshchilov and Hutter (2019), <https://arxiv.org/abs/1711.05101>, as [`adamw`](crate::adamw).
#[derive(Clone, Debug)]
pub struct RowAdamW {
    width: usize,
    // For each row of the table, where its moments are.
    slots: Vec<u32>,
    moments: RowMoments,
    // The factors that rows without moments have yet to be multiplied with.
    waiting: Vec<f32>,
}

/// The state of a [`RowAdamW`] that is [caught up](RowAdamW::caught_up).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RowMoments {
    /// How many steps were taken.
    pub time: i32,
    /// The rows that have moments, in the order in which they came.
    pub rows: Vec<u32>,
    /// First moments, `d_model` numbers for each.
    pub m: Vec<f32>,
    /// Second moments, `d_model` numbers for each.
    pub v: Vec<f32>,
}

impl RowMoments {
    /// The moments of some rows.
    pub fn new(time: i32, rows: Vec<u32>, m: Vec<f32>, v: Vec<f32>) -> Self {
        Self { time, rows, m, v }
    }
}

impl RowAdamW {
    /// That of a table of `rows` rows of `width` numbers, none of which was read.
    pub fn new([rows, width]: [usize; 2]) -> Self {
        let (slots, moments) = (vec![NONE; rows], RowMoments::default());
        Self { width, slots, moments, waiting: Vec::new() }
    }

    /// That of a table with moments of before; `None` where they are not of such a table.
    pub fn with_moments([rows, width]: [usize; 2], moments: RowMoments) -> Option<Self> {
        let count = moments.rows.len() * width;
        let mut this = Self::new([rows, width]);
        for (slot, &row) in (0..).zip(&moments.rows) {
            let place = this.slots.get_mut(row as usize).filter(|place| **place == NONE)?;
            *place = slot;
        }
        let fits = moments.m.len() == count && moments.v.len() == count;
        fits.then_some(Self { moments, ..this })
    }

    /// The moments of the rows that were read so far.
    pub fn moments(&self) -> &RowMoments {
        &self.moments
    }

    /// Takes a step, whose `time` is counted here; the gradient is multiplied with `scale` first.
    ///
    /// # Shapes
    ///
    /// - `table`: `[rows, d_model]`, no tensor of autodiff; returns: as it is
    pub fn step(
        &mut self,
        table: Tensor<2>,
        gradient: &RowGradient,
        scale: f64,
        step: AdamWStep,
    ) -> Tensor<2> {
        let width = self.width;
        let fresh: Vec<usize> =
            gradient.ids().iter().copied().filter(|&id| self.slots[id] == NONE).collect();
        self.moments.time += 1;
        let step = AdamWStep { time: self.moments.time, ..step };
        let mut decayed = gathered(&table, &fresh);
        self.decay_what_waits(&fresh, &mut decayed);
        let before = self.moments.rows.len();
        for &id in &fresh {
            // A table has fewer rows than either type can count.
            #[expect(clippy::cast_possible_truncation, reason = "ids are of 32 bits")]
            let (row, slot) = (id as u32, self.moments.rows.len() as u32);
            self.slots[id] = slot;
            self.moments.rows.push(row);
        }
        let count = self.moments.rows.len() * width;
        self.moments.m.resize(count, 0.0);
        self.moments.v.resize(count, 0.0);
        // Rows that were read before, then the new ones.
        let known: Vec<usize> = self.moments.rows[..before].iter().map(|&id| id as usize).collect();
        let mut rows = gathered(&table, &known);
        rows.extend(decayed);
        let mut gradients = vec![0.0; count];
        for (&id, row) in gradient.ids().iter().zip(gradient.numbers().chunks_exact(width.max(1))) {
            let place = &mut gradients[self.slots[id] as usize * width..][..width];
            #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
            let scale = scale as f32;
            place.iter_mut().zip(row).for_each(|(place, number)| *place = number * scale);
        }
        let RowMoments { m, v, rows: ids, .. } = &mut self.moments;
        update_all(&mut rows, &gradients, m, v, step);
        let table = edited(table, &mut |numbers| {
            for (&id, row) in ids.iter().zip(rows.chunks_exact(width.max(1))) {
                numbers[id as usize * width..][..width].copy_from_slice(row);
            }
        });
        let factor = step.decay();
        if factor.to_bits() != 1.0_f32.to_bits() {
            self.waiting.push(factor);
        }
        if self.waiting.len() < WAITS { table } else { self.caught_up(table) }
    }

    /// Multiplies all rows with what they wait for, so that the table is what it seemed to be. It changes
    /// nothing of what later steps give.
    ///
    /// # Shapes
    ///
    /// - `table`: `[rows, d_model]`, no tensor of autodiff; returns: as it is
    pub fn caught_up(&mut self, table: Tensor<2>) -> Tensor<2> {
        let waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return table;
        }
        let (slots, width) = (&self.slots, self.width.max(1));
        edited(table, &mut |numbers| {
            let decay = |first: usize, numbers: &mut [f32]| {
                for (slot, row) in slots[first..].iter().zip(numbers.chunks_exact_mut(width)) {
                    if *slot == NONE {
                        decay(row, &waiting);
                    }
                }
            };
            on_all_cores(numbers, width, &decay);
        })
    }

    /// Decays copies of rows, back to back, as far as they wait for it.
    pub(crate) fn decay_what_waits(&self, ids: &[usize], rows: &mut [f32]) {
        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(self.width.max(1))) {
            if self.slots[id] == NONE {
                decay(row, &self.waiting);
            }
        }
    }
}

fn decay(row: &mut [f32], factors: &[f32]) {
    for factor in factors {
        for number in &mut *row {
            *number *= factor;
        }
    }
}

/// Goes over a table in blocks of whole rows, each with the number of its first.
fn on_all_cores(numbers: &mut [f32], width: usize, visit: &(impl Fn(usize, &mut [f32]) + Sync)) {
    #[cfg(feature = "flex")]
    {
        use rayon::prelude::*;
        let rows = crate::flex::rows_of_chunk(width);
        let blocks = numbers.par_chunks_mut(rows * width).enumerate();
        blocks.for_each(|(block, numbers)| visit(block * rows, numbers));
    }
    #[cfg(not(feature = "flex"))]
    {
        let _ = width;
        visit(0, numbers);
    }
}
