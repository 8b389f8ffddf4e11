//! One LoRA of several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::TensorData;
use isogloss_core::Seed;
use nalgebra::DMatrix;
use rand::RngExt;

use crate::active::{activate, adapter_names, check_known, train_only};
use crate::attach::base_tensors;
use crate::composition::check_name;
use crate::held::About;
use crate::linear::{LinearAdapter, Lora};
use crate::{
    AdapterConfig, AdapterError, AdapterHost, Composition, LoraConfig, SiteMut, Targets, adapters,
};

/// How several LoRAs become one.
///
/// # Source
///
/// As `add_weighted_adapter` of `peft` 0.21, whose `combination_type` stands beside each. It takes the
/// weights times the wrong scale where rsLoRA is used; here one with weight 1 is always that one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Combination {
    /// The exact sum, `Σ wᵢ sᵢ Aᵢ Bᵢ`, of a rank that is the sum of theirs: `cat`.
    Exact,
    /// The best of a rank for what an operator makes of the updates: `svd`, `ties_svd`, …. The rank is the
    /// largest of theirs where none is given.
    Updates {
        /// What is made of the updates.
        operator: Operator,
        /// The rank of the result.
        rank: Option<usize>,
    },
    /// What an operator makes of the factors A, and of the factors B, each with `√|wᵢ sᵢ|`: `linear`, `ties`,
    /// …. It is not what it makes of the updates. Ranks must be equal.
    Factors(Operator),
}

/// What is made of several tensors with weights.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// The sum.
    Sum,
    /// The sum of the numbers that are largest in each: this share of them stays.
    Magnitude {
        /// The share that stays, in `(0, 1]`.
        density: f64,
    },
    /// Of the numbers that are largest in each, those whose sign is that of the sum without weights; the
    /// mean of them: Yadav et al. (2023), "TIES-Merging", <https://arxiv.org/abs/2306.01708>.
    Ties {
        /// The share that stays, in `(0, 1]`.
        density: f64,
    },
    /// The sum of numbers drawn at random, scaled up by as much: Yu et al. (2024), "Language Models are
    /// Super Mario", <https://arxiv.org/abs/2311.03099>.
    Dare {
        /// The share that stays, in `(0, 1]`.
        density: f64,
        /// The seed of the draw.
        seed: Seed,
    },
    /// The same, elected as in [`Ties`](Self::Ties).
    DareTies {
        /// The share that stays, in `(0, 1]`.
        density: f64,
        /// The seed of the draw.
        seed: Seed,
    },
}

/// Makes one LoRA of several with weights, under a new name, and lets it act in the place of what acts.
///
/// A module that only some of them are on has the sum of those. The others stay as they are; nothing is
/// trained afterwards.
///
/// # Errors
///
/// [`AdapterError::Unknown`] and [`AdapterError::Taken`]; [`AdapterError::NotCombinable`] for one that is
/// no LoRA, or has lengths, a bias or parameters in full, and for ranks that differ where factors are
/// combined; [`AdapterError::Config`] for a share out of its range.
pub fn combine<H: AdapterHost + Module>(
    mut host: H,
    name: &str,
    parts: &[(&str, f64)],
    combination: Combination,
) -> Result<H, AdapterError> {
    check_name(name)?;
    combination.check()?;
    if adapter_names(&host).iter().any(|other| other == name) {
        return Err(AdapterError::Taken { name: name.to_owned() });
    }
    parts.iter().try_for_each(|(part, _)| check_known(&host, part))?;
    let (found, order) = factors(&mut host, parts)?;
    let mut made: BTreeMap<String, [DMatrix<f32>; 2]> = BTreeMap::new();
    for (place, path) in order.iter().enumerate() {
        made.insert(path.clone(), combination.of(path, &found[path], place as u64)?);
    }
    let base = base_tensors(&host);
    let config = config_of(&order, &made, |path| base.module(path));
    let config = AdapterConfig::Lora(config);
    let about = Arc::new(About { name: name.to_owned(), config, made_of: made_of(&host, parts) });
    host.for_each_site(&mut |path, site| {
        if let (SiteMut::Linear(site), Some([a, b])) = (site, made.get(path)) {
            let device = site.affine().weight.device();
            let lora = Lora::of_factors(data(a), data(b), &device);
            site.adapters.push(Arc::clone(&about), LinearAdapter::Lora(lora));
        }
    });
    let host = activate(host, &Composition::adapter(name))?;
    train_only(host, &[])
}

/// The names of the parts, and of what they were made of.
fn made_of<H: AdapterHost + Module>(host: &H, parts: &[(&str, f64)]) -> Vec<String> {
    let mut names: BTreeSet<String> = parts.iter().map(|(name, _)| (*name).to_owned()).collect();
    let attached = adapters(host).adapters.into_iter();
    let parts = attached.filter(|it| parts.iter().any(|(name, _)| *name == it.name));
    names.extend(parts.flat_map(|it| it.made_of));
    names.into_iter().collect()
}

/// A LoRA at a site, with the weight that it is to have.
struct Factors {
    a: DMatrix<f32>,
    b: DMatrix<f32>,
    scale: f64,
    weight: f64,
}

impl Factors {
    fn scaled_weight(&self) -> f64 {
        self.scale * self.weight
    }
}

type BySite = BTreeMap<String, Vec<Factors>>;

fn factors<H: AdapterHost>(
    host: &mut H,
    parts: &[(&str, f64)],
) -> Result<(BySite, Vec<String>), AdapterError> {
    let (mut found, mut order) = (BySite::new(), Vec::new());
    let mut fault = None;
    host.for_each_site(&mut |path, mut site| {
        for (name, weight) in parts {
            if !site.abouts().iter().any(|about| about.name == *name) {
                continue;
            }
            let lora = match &site {
                SiteMut::Linear(site) => site.adapters.position(name).and_then(|number| match site
                    .adapters
                    .adapter(number)
                {
                    LinearAdapter::Lora(lora) => lora.factors(),
                    _ => None,
                }),
                _ => None,
            };
            let Some((a, b, scale)) = lora else {
                let why = match site {
                    SiteMut::Embedding(_) => "one of a table",
                    SiteMut::Full(_) => "one with parameters of the model in full",
                    _ => "another method than LoRA, or one with lengths or a bias of its own",
                };
                let (name, site) = ((*name).to_owned(), path.to_owned());
                fault.get_or_insert(AdapterError::NotCombinable { name, site, why });
                return;
            };
            if !found.contains_key(path) {
                order.push(path.to_owned());
            }
            let (a, b) = (matrix(&a), matrix(&b));
            let factors = Factors { a, b, scale, weight: *weight };
            found.entry(path.to_owned()).or_default().push(factors);
        }
    });
    match fault {
        Some(fault) => Err(fault),
        None if order.is_empty() => Err(AdapterError::Nothing { what: "LoRA to combine" }),
        None => Ok((found, order)),
    }
}

/// A configuration of that many ranks, with a scale of 1.
fn config_of(
    order: &[String],
    made: &BTreeMap<String, [DMatrix<f32>; 2]>,
    module: impl Fn(&str) -> String,
) -> LoraConfig {
    let largest = made.values().map(|[a, _]| a.ncols()).max().unwrap_or(1);
    let names: Vec<String> = order.iter().map(|path| module(path)).collect();
    let mut config = LoraConfig::new(largest).with_alpha(largest as f64);
    for (path, name) in order.iter().zip(&names) {
        let rank = made[path][0].ncols();
        if rank != largest {
            // A dot stands for itself, too.
            config.rank_pattern.push((name.clone(), rank));
            config.alpha_pattern.push((name.clone(), rank as f64));
        }
    }
    config.with_targets(Targets::list(names))
}

impl Combination {
    fn check(self) -> Result<(), AdapterError> {
        let operator = match self {
            Self::Exact => return Ok(()),
            Self::Updates { operator, rank } => {
                if rank == Some(0) {
                    let (field, found) = ("rank", "0".to_owned());
                    return Err(AdapterError::Config { field, found, expected: "at least 1" });
                }
                operator
            }
            Self::Factors(operator) => operator,
        };
        let density = match operator {
            Operator::Sum => return Ok(()),
            Operator::Magnitude { density }
            | Operator::Ties { density }
            | Operator::Dare { density, .. }
            | Operator::DareTies { density, .. } => density,
        };
        if density > 0.0 && density <= 1.0 {
            return Ok(());
        }
        let (field, found) = ("density", density.to_string());
        Err(AdapterError::Config { field, found, expected: "above 0 and at most 1" })
    }

    /// The factors of the result, `[in, rank]` and `[rank, out]`.
    fn of(
        self,
        path: &str,
        parts: &[Factors],
        place: u64,
    ) -> Result<[DMatrix<f32>; 2], AdapterError> {
        match self {
            Self::Exact => Ok(joined(parts)),
            Self::Updates { operator: Operator::Sum, rank } => {
                let [a, b] = joined(parts);
                // The sum has a low rank as it is: only its core is taken apart.
                let (left, right) = (a.qr(), b.transpose().qr());
                let core = left.r() * right.r().transpose();
                let [u, v] = leading(core, rank.unwrap_or_else(|| largest_rank(parts)));
                Ok([left.q() * u, v * right.q().transpose()])
            }
            Self::Updates { operator, rank } => {
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let updates: Vec<_> = parts
                    .iter()
                    .map(|part| ((&part.a * &part.b) * part.scale as f32, part.weight))
                    .collect();
                let made = operator.of(&updates, place);
                Ok(leading(made, rank.unwrap_or_else(|| largest_rank(parts))))
            }
            Self::Factors(operator) => {
                let rank = parts[0].a.ncols();
                if parts.iter().any(|part| part.a.ncols() != rank) {
                    let ranks: Vec<_> = parts.iter().map(|part| part.a.ncols()).collect();
                    return Err(AdapterError::NotCombinable {
                        name: format!("{ranks:?}"),
                        site: path.to_owned(),
                        why: "ranks that differ, of which factors cannot be combined",
                    });
                }
                // The sign stands on one side, or it would cancel.
                let a: Vec<_> = parts
                    .iter()
                    .map(|it| {
                        let weight = it.scaled_weight();
                        (it.a.clone(), weight.signum() * weight.abs().sqrt())
                    })
                    .collect();
                let b: Vec<_> = parts
                    .iter()
                    .map(|it| (it.b.clone(), it.scaled_weight().abs().sqrt()))
                    .collect();
                Ok([operator.of(&a, 2 * place), operator.of(&b, 2 * place + 1)])
            }
        }
    }
}

impl Operator {
    /// The tensors with their weights as one.
    fn of(self, parts: &[(DMatrix<f32>, f64)], place: u64) -> DMatrix<f32> {
        let pruned: Vec<DMatrix<f32>> = parts
            .iter()
            .enumerate()
            .map(|(part, (matrix, _))| match self {
                Self::Sum => matrix.clone(),
                Self::Magnitude { density } | Self::Ties { density } => largest(matrix, density),
                Self::Dare { density, seed } | Self::DareTies { density, seed } => {
                    drawn(matrix, density, seed.at(place).at(part as u64))
                }
            })
            .collect();
        let elects = matches!(self, Self::Ties { .. } | Self::DareTies { .. });
        let [rows, cols] = [pruned[0].nrows(), pruned[0].ncols()];
        DMatrix::from_fn(rows, cols, |row, col| {
            let numbers = || pruned.iter().map(move |matrix| matrix[(row, col)]);
            let positive = numbers().sum::<f32>() >= 0.0;
            let agrees = |x: f32| if positive { x > 0.0 } else { x < 0.0 };
            let taken = numbers().zip(parts).filter(|(x, _)| !elects || agrees(*x));
            let (mut sum, mut count) = (0.0, 0);
            for (x, (_, weight)) in taken {
                #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
                let weight = *weight as f32;
                sum += x * weight;
                count += 1;
            }
            if elects { sum / count.max(1) as f32 } else { sum }
        })
    }
}

/// The numbers of the largest magnitude, so many of them.
fn largest(matrix: &DMatrix<f32>, density: f64) -> DMatrix<f32> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, rounded down"
    )]
    let kept = (density * matrix.len() as f64) as usize;
    let mut order: Vec<usize> = (0..matrix.len()).collect();
    order.sort_by(|a, b| matrix[*b].abs().total_cmp(&matrix[*a].abs()));
    let mut pruned = DMatrix::zeros(matrix.nrows(), matrix.ncols());
    for at in &order[..kept] {
        pruned[*at] = matrix[*at];
    }
    pruned
}

/// Numbers drawn at random, scaled so that their mean stays.
fn drawn(matrix: &DMatrix<f32>, density: f64, seed: Seed) -> DMatrix<f32> {
    let mut rng = seed.rng();
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let scale = (1.0 / density) as f32;
    matrix.map(|x| if rng.random::<f64>() < density { x * scale } else { 0.0 })
}

/// Factors side by side, weights on the first.
fn joined(parts: &[Factors]) -> [DMatrix<f32>; 2] {
    let rank = parts.iter().map(|part| part.a.ncols()).sum();
    let mut a = DMatrix::zeros(parts[0].a.nrows(), rank);
    let mut b = DMatrix::zeros(rank, parts[0].b.ncols());
    let mut at = 0;
    for part in parts {
        let rank = part.a.ncols();
        #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
        a.columns_mut(at, rank).copy_from(&(&part.a * part.scaled_weight() as f32));
        b.rows_mut(at, rank).copy_from(&part.b);
        at += rank;
    }
    [a, b]
}

fn largest_rank(parts: &[Factors]) -> usize {
    parts.iter().map(|part| part.a.ncols()).max().unwrap_or(1)
}

/// The best product of a rank, with the singular values on the second.
fn leading(matrix: DMatrix<f32>, rank: usize) -> [DMatrix<f32>; 2] {
    let rank = rank.min(matrix.nrows()).min(matrix.ncols());
    let svd = matrix.svd(true, true);
    let (Some(u), Some(v)) = (svd.u, svd.v_t) else { unreachable!("both were asked for") };
    let mut second = v.rows(0, rank).into_owned();
    for (at, mut row) in second.row_iter_mut().enumerate() {
        row *= svd.singular_values[at];
    }
    [u.columns(0, rank).into_owned(), second]
}

fn matrix(data: &TensorData) -> DMatrix<f32> {
    let [rows, cols] = data.shape().dims();
    DMatrix::from_row_iterator(rows, cols, data.iter::<f32>())
}

fn data(matrix: &DMatrix<f32>) -> TensorData {
    let numbers: Vec<f32> = matrix.transpose().iter().copied().collect();
    TensorData::new(numbers, [matrix.nrows(), matrix.ncols()])
}
