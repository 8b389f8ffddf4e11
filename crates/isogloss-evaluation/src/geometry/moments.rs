//! Sums over items from which the measures follow, without looking at an item again.

use std::ops::Range;

use nalgebra::DMatrix;

use super::products::{Vectors, dot};
use crate::jackknife::Groups;

/// Sums over some items of two sets of vectors, `x` and `y`. Those of all items less those of some are those of the
/// others.
pub(super) struct Moments {
    items: f64,
    /// `Σ x yᵀ`. `[dim_x, dim_y]`
    cross: DMatrix<f64>,
    /// `Σ x` and `Σ y`.
    sums: [Vec<f64>; 2],
    /// `Σ x |y|²` and `Σ y |x|²`.
    weighted: [Vec<f64>; 2],
    /// `Σ |x|²` and `Σ |y|²`.
    squares: [f64; 2],
    /// `Σ |x|² |y|²`.
    both_squares: f64,
}

impl Moments {
    fn of(x: &Vectors, y: &Vectors, rows: Range<usize>) -> Self {
        let squares = [x, y].map(|side| side.squares(rows.clone()));
        let sum = |side: &Vectors, weights: Option<&[f64]>| side.sum(rows.clone(), weights);
        Self {
            items: rows.len() as f64,
            cross: x.cross(y, rows.clone()),
            sums: [sum(x, None), sum(y, None)],
            weighted: [sum(x, Some(&squares[1])), sum(y, Some(&squares[0]))],
            both_squares: dot(&squares[0], &squares[1]),
            squares: squares.map(|side| side.iter().sum()),
        }
    }

    fn less(&self, some: &Self) -> Self {
        let less = |all: &[Vec<f64>; 2], some: &[Vec<f64>; 2]| {
            [0, 1].map(|side: usize| {
                all[side].iter().zip(&some[side]).map(|(all, some)| all - some).collect()
            })
        };
        Self {
            items: self.items - some.items,
            cross: &self.cross - &some.cross,
            sums: less(&self.sums, &some.sums),
            weighted: less(&self.weighted, &some.weighted),
            squares: [0, 1].map(|side: usize| self.squares[side] - some.squares[side]),
            both_squares: self.both_squares - some.both_squares,
        }
    }

    /// What `of` makes of all items, and of all but each group. The rows of both are in the order of the groups.
    pub(super) fn each<T>(
        x: &Vectors,
        y: &Vectors,
        groups: &Groups,
        of: impl Fn(&Self) -> T,
    ) -> Vec<T> {
        let all = Self::of(x, y, 0..groups.order.len());
        let without = groups.ranges().map(|group| of(&all.less(&Self::of(x, y, group))));
        std::iter::once(of(&all)).chain(without).collect()
    }

    /// `sum_xᵀ (Σ x yᵀ) sum_y`
    fn cross_of_sums(&self) -> f64 {
        let columns = self.cross.column_iter().zip(&self.sums[1]);
        columns.map(|(column, sum)| dot(column.as_slice(), &self.sums[0]) * sum).sum()
    }

    /// `‖Σ (x − x̄)(y − ȳ)ᵀ‖²`, the HSIC of centred Grams but for a factor.
    pub(super) fn hsic_biased(&self) -> f64 {
        let [x, y] = self.sums.each_ref().map(|sum| dot(sum, sum));
        let n = self.items;
        self.cross.norm_squared() - 2.0 / n * self.cross_of_sums() + x * y / (n * n)
    }

    /// `HSIC₁`, from Grams whose diagonal is set to zero, which are not formed.
    pub(super) fn hsic_debiased(&self) -> f64 {
        let n = self.items;
        let trace = self.cross.norm_squared() - self.both_squares;
        // The sums of all rows of a Gram without its diagonal, and the products of those of both Grams.
        let totals =
            [0, 1].map(|side: usize| dot(&self.sums[side], &self.sums[side]) - self.squares[side]);
        let rows = self.cross_of_sums()
            - dot(&self.sums[0], &self.weighted[0])
            - dot(&self.sums[1], &self.weighted[1])
            + self.both_squares;
        let both = totals[0] * totals[1] / ((n - 1.0) * (n - 2.0));
        (trace + both - 2.0 / (n - 2.0) * rows) / (n * (n - 3.0))
    }

    /// The covariance of the products of two different items among `x` and those among `y`.
    pub(super) fn product_covariance(&self) -> f64 {
        let pairs = self.items * (self.items - 1.0);
        let mean =
            |side: usize| (dot(&self.sums[side], &self.sums[side]) - self.squares[side]) / pairs;
        (self.cross.norm_squared() - self.both_squares) / pairs - mean(0) * mean(1)
    }

    /// How many dimensions of one width vary as much: `(Σ λ)² / Σ λ²`, with the eigenvalues of the covariance. Both
    /// sides are one.
    pub(super) fn participation_ratio(&self) -> f64 {
        let centred = self.squares[0] - dot(&self.sums[0], &self.sums[0]) / self.items;
        centred.powi(2) / self.hsic_biased()
    }
}
