//! Which layers keep how much of their rank.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use isogloss_core::write_file_atomically;

use crate::files::tensors::{Stored, serialized};
use crate::linear::LinearAdapter;
use crate::{AdaLoraConfig, AdapterConfig, AdapterError, AdapterHost, SiteMut};

const FILE: &str = "rank_allocation.safetensors";

/// Shares ranks out among the layers of an [AdaLoRA](AdaLoraConfig) while it is trained.
///
/// After each step a number's importance is how much the loss would change without it, by its gradient, smoothed
/// over steps, times how much that varies. That of a rank is its singular value's and the mean of its vectors'.
/// The least important go, by a number that falls with the cube of the steps that are left:
///
/// ```text
/// I = |p ∂p|     Ī ← β₁ Ī + (1 - β₁) I     Ū ← β₂ Ū + (1 - β₂) |I - Ī|     score = Ī Ū
/// b(t) = b_T + (b_0 - b_T) (1 - (t - t_i) / (T - t_i - t_f))³
/// ```
///
/// A rank that is gone may come back while ranks are still taken, and stays gone in the last steps; in `peft` it
/// learns on there, and is left out of the file nevertheless.
///
/// # Source
///
/// Zhang et al. (2023), section 3, <https://arxiv.org/abs/2303.10512>; `RankAllocator` of `peft` 0.21.
#[derive(Clone, Debug)]
pub struct RankAllocation {
    name: String,
    config: AdaLoraConfig,
    total_steps: u64,
    /// By the path of the site.
    sites: BTreeMap<String, Triplets>,
}

/// What is known of the numbers of a site: of A, of e, of B.
#[derive(Clone, Debug)]
struct Triplets {
    gradients: Option<(Tensor<2>, Tensor<1>, Tensor<2>)>,
    a: Importance<2>,
    e: Importance<1>,
    b: Importance<2>,
    kept: Vec<bool>,
}

/// Importance and its spread.
#[derive(Clone, Debug)]
struct Importance<const D: usize>([Tensor<D>; 2]);

impl<const D: usize> Importance<D> {
    fn new(param: &Param<Tensor<D>>) -> Self {
        let zeros = Tensor::zeros(param.lazy_shape(), &plain(param).device());
        Self([zeros.clone(), zeros])
    }

    fn update(&mut self, value: Tensor<D>, gradient: Tensor<D>, [mean, spread]: [f64; 2]) {
        let now = (value * gradient).abs();
        let follow = |old: Tensor<D>, new: Tensor<D>, beta: f64| {
            old.mul_scalar(beta) + new.mul_scalar(1.0 - beta)
        };
        let [smooth, varies] = self.0.clone();
        let smooth = follow(smooth, now.clone(), mean);
        let varies = follow(varies, (now - smooth.clone()).abs(), spread);
        self.0 = [smooth, varies];
    }

    fn score(&self) -> Tensor<D> {
        let [smooth, varies] = self.0.clone();
        smooth * varies
    }
}

/// Outside of autodiff.
fn plain<const D: usize>(param: &Param<Tensor<D>>) -> Tensor<D> {
    let value = param.val();
    if value.is_autodiff() { value.inner() } else { value }
}

impl RankAllocation {
    /// For the adapter of that name in a run of so many steps; `None` where it is no AdaLoRA.
    ///
    /// # Errors
    ///
    /// [`AdapterError::Config`] where the run has no step in which ranks could be taken.
    pub fn try_new<H: AdapterHost + Module>(
        host: &H,
        name: &str,
        steps: u64,
    ) -> Result<Option<Self>, AdapterError> {
        let (mut config, mut sites) = (None, BTreeMap::new());
        host.clone().for_each_site(&mut |path, site| {
            let SiteMut::Linear(site) = site else { return };
            let Some(number) = site.adapters.position(name) else { return };
            if let (LinearAdapter::AdaLora(lora), AdapterConfig::AdaLora(own)) =
                (site.adapters.adapter(number), &site.adapters.about()[number].config)
            {
                config = Some(own.clone());
                let triplets = Triplets {
                    gradients: None,
                    a: Importance::new(&lora.a),
                    e: Importance::new(&lora.e),
                    b: Importance::new(&lora.b),
                    kept: lora.kept().to_vec(),
                };
                sites.insert(path.to_owned(), triplets);
            }
        });
        let Some(config) = config else { return Ok(None) };
        let total_steps = config.total_steps.unwrap_or(steps);
        if total_steps <= config.initial_steps.saturating_add(config.final_steps) {
            let (field, found) = ("total_steps", total_steps.to_string());
            let expected = "more than the first and the last steps, between which ranks are taken";
            return Err(AdapterError::Config { field, found, expected });
        }
        Ok(Some(Self { name: name.to_owned(), config, total_steps, sites }))
    }

    /// Takes note of the gradients of a step, before the step is taken.
    pub fn observe<H: AdapterHost + Clone>(&mut self, host: &H, gradients: &GradientsParams) {
        host.clone().for_each_site(&mut |path, site| {
            let SiteMut::Linear(site) = site else { return };
            let Some(triplets) = self.sites.get_mut(path) else { return };
            if let Some(LinearAdapter::AdaLora(lora)) = site.adapters.get_mut(&self.name) {
                let (a, e) = (gradients.get(lora.a.id), gradients.get(lora.e.id));
                let all = (a, e, gradients.get(lora.b.id));
                triplets.gradients = match all {
                    (Some(a), Some(e), Some(b)) => Some((a, e, b)),
                    _ => None,
                };
            }
        });
    }

    /// Takes ranks, after step `step`, counted from 1.
    #[must_use]
    pub fn allocate<H: AdapterHost + Module>(&mut self, mut host: H, step: u64) -> H {
        let last = self.total_steps - self.config.final_steps;
        let betas = self.config.betas;
        let is_due = step > self.config.initial_steps
            && (step.is_multiple_of(self.config.interval) || step == last);
        let allocates = step <= last && is_due;
        if step < last {
            host.for_each_site(&mut |path, site| {
                let SiteMut::Linear(site) = site else { return };
                let Some(triplets) = self.sites.get_mut(path) else { return };
                if let Some(LinearAdapter::AdaLora(lora)) = site.adapters.get_mut(&self.name)
                    && let Some((a, e, b)) = triplets.gradients.take()
                {
                    triplets.a.update(plain(&lora.a), a, betas);
                    triplets.e.update(plain(&lora.e), e, betas);
                    triplets.b.update(plain(&lora.b), b, betas);
                }
            });
        }
        if allocates {
            self.choose(self.budget(step));
        }
        if allocates || step > last {
            self.apply(&mut host);
        }
        host
    }

    /// The ranks that are left after a step, of all layers together.
    pub fn budget(&self, step: u64) -> usize {
        let (from, to) = (self.config.initial_rank, self.config.target_rank);
        let [from, to] = [from, to].map(|rank| rank * self.sites.len());
        let AdaLoraConfig { initial_steps, final_steps, .. } = self.config;
        if step <= initial_steps {
            return from;
        }
        if step > self.total_steps - final_steps {
            return to;
        }
        let between = (self.total_steps - final_steps - initial_steps) as f64;
        let left = 1.0 - (step - initial_steps) as f64 / between;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded down between two counts"
        )]
        let budget = ((from - to) as f64 * left.powi(3) + to as f64) as usize;
        budget
    }

    /// Which ranks of which modules are left, by the paths of the modules.
    pub fn kept(&self) -> BTreeMap<&str, &[bool]> {
        self.sites.iter().map(|(path, site)| (path.as_str(), site.kept.as_slice())).collect()
    }

    fn choose(&mut self, budget: usize) {
        let scores: Vec<Vec<f32>> = self.sites.values().map(Triplets::scores).collect();
        let mut sorted: Vec<f32> = scores.iter().flatten().copied().collect();
        sorted.sort_unstable_by(f32::total_cmp);
        // As many as are too many go, and those that are worth no more.
        let Some(limit) = sorted.len().checked_sub(budget + 1).map(|last| sorted[last]) else {
            for site in self.sites.values_mut() {
                site.kept.fill(true);
            }
            return;
        };
        for (site, scores) in self.sites.values_mut().zip(scores) {
            site.kept = scores.into_iter().map(|score| score > limit).collect();
        }
    }

    fn apply<H: AdapterHost>(&self, host: &mut H) {
        host.for_each_site(&mut |path, site| {
            let SiteMut::Linear(site) = site else { return };
            let Some(triplets) = self.sites.get(path) else { return };
            if let Some(LinearAdapter::AdaLora(lora)) = site.adapters.get_mut(&self.name) {
                lora.keep(&triplets.kept);
            }
        });
    }

    /// Writes what it knows into a directory, so that a run goes on as if it had not ended.
    ///
    /// # Errors
    ///
    /// [`AdapterError::Write`].
    pub fn save(&self, dir: &Path) -> Result<(), AdapterError> {
        let mut tensors = BTreeMap::new();
        for (path, site) in &self.sites {
            for (name, data) in site.tensors() {
                tensors.insert(format!("{path}.{name}"), data);
            }
        }
        let path = dir.join(FILE);
        let bytes = serialized(&tensors)
            .map_err(|source| AdapterError::Read { path: path.clone(), source })?;
        Ok(write_file_atomically(&path, |file| file.write_all(&bytes))?)
    }

    /// Reads it again, and lets the model have the ranks that were left.
    ///
    /// # Errors
    ///
    /// [`AdapterError::Read`], and [`AdapterError::File`] where it was written for another adapter.
    pub fn load<H: AdapterHost>(&mut self, mut host: H, dir: &Path) -> Result<H, AdapterError> {
        let path = dir.join(FILE);
        fs::metadata(&path).map_err(|source| AdapterError::Read { path, source })?;
        let mut stored = Stored::read(dir, &[FILE], str::to_owned)?;
        for (path, site) in &mut self.sites {
            let read = site.tensors().into_iter().map(|(name, data)| {
                stored.take(&format!("{path}.{name}"), data.shape()).unwrap_or(data)
            });
            let read: Vec<TensorData> = read.collect();
            site.restore(read);
        }
        stored.finish()?;
        self.apply(&mut host);
        Ok(host)
    }
}

impl Triplets {
    /// What each rank is worth.
    fn scores(&self) -> Vec<f32> {
        let of_a = self.a.score().mean_dim(0).squeeze_dim::<1>(0);
        let of_b = self.b.score().mean_dim(1).squeeze_dim::<1>(1);
        (self.e.score() + (of_a + of_b)).into_data().iter().collect()
    }

    fn tensors(&self) -> Vec<(&'static str, TensorData)> {
        let kept: Vec<f32> = self.kept.iter().map(|kept| f32::from(u8::from(*kept))).collect();
        let count = kept.len();
        let data = |tensor: &Tensor<2>| tensor.clone().into_data();
        vec![
            ("a.importance", data(&self.a.0[0])),
            ("a.spread", data(&self.a.0[1])),
            ("b.importance", data(&self.b.0[0])),
            ("b.spread", data(&self.b.0[1])),
            ("e.importance", self.e.0[0].clone().into_data()),
            ("e.spread", self.e.0[1].clone().into_data()),
            ("kept", TensorData::new(kept, [count])),
        ]
    }

    /// Takes what [`tensors`](Self::tensors) gave.
    fn restore(&mut self, data: Vec<TensorData>) {
        let device = self.a.0[0].device();
        let mut data = data.into_iter();
        let mut matrix = || {
            let mut next = || data.next().map(|data| Tensor::<2>::from_data(data, &device));
            Some([next()?, next()?])
        };
        let (a, b) = (matrix(), matrix());
        let mut vector = || data.next().map(|data| Tensor::<1>::from_data(data, &device));
        let e = vector().zip(vector());
        if let (Some(a), Some(b), Some((smooth, varies))) = (a, b, e) {
            (self.a.0, self.b.0, self.e.0) = (a, b, [smooth, varies]);
        }
        if let Some(kept) = data.next() {
            self.kept = kept.iter::<f32>().map(|kept| kept > 0.5).collect();
        }
    }
}
