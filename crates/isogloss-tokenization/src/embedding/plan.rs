//! What each new row is made of, apart from making it.

use isogloss_core::Seed;
use rand::RngExt;

use super::matrix::to_f32;
use super::{Deviation, EmbeddingMatrix, InitialisationError};

/// What one new row is made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RowRecipe {
    /// The row of an old token, which the new one is.
    Copy {
        /// The old id.
        id: u32,
    },
    /// `Σ weight · old row`.
    Weighted {
        /// Old ids, each once, with weights that sum to one.
        weights: Vec<(u32, f32)>,
    },
    /// A draw from `N(mean, std)` of the real old rows, in each dimension by itself: nothing is
    /// known of the token.
    Draw,
    /// The mean of the real old rows.
    Mean,
}

/// How many new rows were made in which way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RecipeCounts {
    /// Copies of an old row.
    pub copied: usize,
    /// Weighted sums of old rows.
    pub weighted: usize,
    /// Random draws.
    pub drawn: usize,
    /// Means of all real rows.
    pub mean: usize,
}

/// The recipe of each new row.
///
/// A plan knows no row of the model, so one serves every matrix that is indexed by the vocabulary:
/// the input embedding, an output embedding that is not tied to it, and the decoder's bias as a
/// matrix of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct RowPlan {
    recipes: Vec<RowRecipe>,
    deviation: Deviation,
}

impl RowPlan {
    pub(super) fn new(recipes: Vec<RowRecipe>, deviation: Deviation) -> Self {
        Self { recipes, deviation }
    }

    /// The recipe of each new token, in order.
    pub fn recipes(&self) -> &[RowRecipe] {
        &self.recipes
    }

    /// How many rows are made in which way.
    pub fn counts(&self) -> RecipeCounts {
        let mut counts = RecipeCounts::default();
        for recipe in &self.recipes {
            *match recipe {
                RowRecipe::Copy { .. } => &mut counts.copied,
                RowRecipe::Weighted { .. } => &mut counts.weighted,
                RowRecipe::Draw => &mut counts.drawn,
                RowRecipe::Mean => &mut counts.mean,
            } += 1;
        }
        counts
    }

    /// Makes the rows. The mean and the deviation are of the rows `real_ids`, so that padded and
    /// unused rows can be left out; the references take all, [`EmbeddingMatrix::all_ids`]. The draw
    /// for a token depends on the seed and its place alone.
    ///
    /// # Shapes
    ///
    /// - `old`: `[old tokens, dim]`
    /// - returns: `[new tokens, dim]`
    ///
    /// # Errors
    ///
    /// [`InitialisationError::OldId`] for a recipe that names a row which `old` has not;
    /// [`InitialisationError::Matrix`] for such a real id, or too few of them where a mean or a
    /// deviation is needed.
    pub fn apply(
        &self,
        old: &EmbeddingMatrix,
        real_ids: &[u32],
        seed: Seed,
    ) -> Result<EmbeddingMatrix, InitialisationError> {
        let counts = self.counts();
        let mean = if counts.drawn + counts.mean > 0 { old.mean(real_ids)? } else { Vec::new() };
        let std = if counts.drawn > 0 {
            old.standard_deviation(real_ids, self.deviation)?
        } else {
            Vec::new()
        };
        let mut values = Vec::with_capacity(self.recipes.len() * old.dim());
        for (token, recipe) in self.recipes.iter().enumerate() {
            let row = |id: u32| {
                let missing = InitialisationError::OldId { token, id, rows: old.rows() };
                usize::try_from(id).ok().and_then(|index| old.row(index)).ok_or(missing)
            };
            match recipe {
                RowRecipe::Copy { id } => values.extend_from_slice(row(*id)?),
                RowRecipe::Weighted { weights } => {
                    let mut sum = vec![0.0_f64; old.dim()];
                    for (id, weight) in weights {
                        for (sum, value) in sum.iter_mut().zip(row(*id)?) {
                            *sum += f64::from(*weight) * f64::from(*value);
                        }
                    }
                    values.extend(sum.into_iter().map(to_f32));
                }
                RowRecipe::Draw => {
                    let normals = normals(seed.derive("embedding row").at(token as u64));
                    for ((mean, std), normal) in mean.iter().zip(&std).zip(normals) {
                        values.push(to_f32(f64::from(*mean) + f64::from(*std) * normal));
                    }
                }
                RowRecipe::Mean => values.extend_from_slice(&mean),
            }
        }
        // Draws and sums of finite values can leave the range of f32 only from its edge.
        Ok(EmbeddingMatrix::try_new([self.recipes.len(), old.dim()], values)?)
    }
}

/// Standard normal numbers from pairs of uniform ones (Box and Muller, 1958).
fn normals(seed: Seed) -> impl Iterator<Item = f64> {
    let mut rng = seed.rng();
    let pair = move || {
        // From (0, 1], so that the logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        [radius * cos, radius * sin]
    };
    std::iter::repeat_with(pair).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_the_moments_of_a_normal_distribution() {
        let n = 100_000;
        let draws: Vec<f64> = normals(Seed::new(3)).take(n).collect();
        let moment = |power| draws.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / n as f64;
        // Standard errors: 0.0032, 0.0045, 0.0122 and 0.031; six of each.
        assert!(moment(1).abs() < 0.02, "mean {}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.03, "variance {}", moment(2));
        assert!(moment(3).abs() < 0.08, "skew {}", moment(3));
        assert!((moment(4) - 3.0).abs() < 0.19, "fourth moment {}", moment(4));
        // Neighbours are independent.
        let products = draws.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>();
        assert!((products / n as f64).abs() < 0.02);
    }
}
