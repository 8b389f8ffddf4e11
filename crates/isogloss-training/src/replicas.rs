//! Several devices: each has a copy of the model and computes a share of the batches of a step.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_kernels::{RandomStream, RowAdamW, RowTape};
use isogloss_transformer::{LossValue, RecomputeTape};

use crate::gradients::{Accumulated, Tapes};
use crate::{DrawnBatch, TrainingError};

/// The model for a thread that computes a share.
pub(crate) struct Replica<M> {
    pub(crate) device: Device,
    /// A copy; on the run's own device its parameters are shared, and there is none.
    copy: Option<M>,
}

/// The batches of a step that one device computes, each with its place in the step.
pub(crate) type Share<M> = Vec<(u64, Box<dyn DrawnBatch<M>>)>;

/// What a device has to know of a step.
#[derive(Clone)]
pub(crate) struct Terms {
    /// The optimizers of tables whose rows wait for their weight decay.
    pub(crate) updates: BTreeMap<u64, Arc<RowAdamW>>,
    pub(crate) recomputes: bool,
    pub(crate) seed: Seed,
}

/// What came of a share.
pub(crate) struct Computed<M> {
    /// In the order of the step.
    pub(crate) losses: Vec<(u64, LossValue)>,
    pub(crate) gradients: Accumulated<M>,
}

/// A device that gave up, as one of another machine does that is gone.
pub(crate) struct Failure {
    pub(crate) device: String,
    pub(crate) reason: String,
}

/// Whether devices can compute beside a run's own.
///
/// # Errors
///
/// [`TrainingError::Config`] where another one is there twice, one is no autodiff one, or there are more than batches.
pub(crate) fn check(own: &Device, others: &[Device], batches: usize) -> Result<(), TrainingError> {
    let fault = |found, expected| Err(TrainingError::Config { field: "devices", found, expected });
    for (place, device) in others.iter().enumerate() {
        if !device.is_autodiff() {
            return fault(format!("{device:?}"), "a device with autodiff");
        }
        if device != own && others[..place].contains(device) {
            return fault(format!("{device:?} twice"), "each device once");
        }
    }
    if !others.is_empty() && others.len() >= batches {
        let found = format!("{} for {batches} batches a step", 1 + others.len());
        return fault(found, "at least one batch for each (raise `accumulation`)");
    }
    Ok(())
}

impl<M: Module> Replica<M> {
    pub(crate) fn new(model: &M, device: &Device, own: &Device) -> Self {
        let copy = (device != own).then(|| model.clone().fork(device));
        Self { device: device.clone(), copy }
    }

    /// The model with the parameters that the run has changed, leaves of a graph of their own.
    fn following(&mut self, main: M, is_trained: &dyn Fn(u64) -> bool) -> M {
        let Some(copy) = self.copy.take() else { return main.fork(&self.device) };
        let mut news = News { is_trained, values: GradientsParams::new(), learns: BTreeMap::new() };
        main.visit(&mut news);
        let device = self.device.clone().inner();
        let copy = copy.map(&mut TakeOver { values: news.values, learns: news.learns, device });
        self.copy = Some(copy.clone());
        copy
    }
}

impl Terms {
    /// Computes a share. What dropout draws begins anew with each batch, so that it does not depend on how the batches of
    /// a step are shared.
    fn compute<M: Module>(self, model: &M, device: &Device, share: Share<M>) -> Computed<M> {
        let tapes = Tapes {
            rows: RowTape::begin(self.updates),
            layers: self.recomputes.then(RecomputeTape::begin),
        };
        let mut gradients = Accumulated::new();
        let mut backward = |loss: Tensor<1>| gradients.add(&loss, model, &tapes);
        let losses = share.into_iter().map(|(place, batch)| {
            let seed = self.seed.at(place);
            let _random = RandomStream::begin(device, seed.value());
            (place, batch.accumulate(model, seed, &mut backward))
        });
        let losses = losses.collect();
        Computed { losses, gradients }
    }
}

/// Computes a step: the first share on the run's own device, the others on those of the replicas, at the same time.
/// Their gradients are brought to the run's own and added in the order of the devices.
///
/// # Errors
///
/// The first replica whose device failed.
pub(crate) fn computed<M: Module>(
    (model, device): (&M, &Device),
    replicas: &mut [Replica<M>],
    shares: Vec<Share<M>>,
    terms: &Terms,
    is_trained: &(dyn Fn(u64) -> bool + Sync),
) -> Result<Computed<M>, Failure> {
    let mut shares = shares.into_iter();
    let own = shares.next().unwrap_or_default();
    thread::scope(|scope| {
        let spawn = |(replica, share): (_, Share<M>)| {
            let replica: &mut Replica<M> = replica;
            let (main, home, terms) = (model.clone(), device.clone().inner(), terms.clone());
            let name = format!("{:?}", replica.device);
            let work = move || {
                let model = replica.following(main, is_trained);
                let Computed { losses, gradients } = terms.compute(&model, &replica.device, share);
                Computed { losses, gradients: gradients.moved_to(&home, &model) }
            };
            (name, scope.spawn(work))
        };
        let others: Vec<_> = replicas.iter_mut().zip(shares).map(spawn).collect();
        let mut all = terms.clone().compute(model, device, own);
        // All are waited for before the first failure is told: a scope that is left before a thread has failed fails
        // with it.
        let others: Vec<_> =
            others.into_iter().map(|(device, work)| (device, work.join())).collect();
        for (device, computed) in others {
            let computed = computed.map_err(|panic| Failure { device, reason: reason(&*panic) })?;
            all.losses.extend(computed.losses);
            all.gradients.merge(computed.gradients, model);
        }
        all.losses.sort_by_key(|(place, _)| *place);
        Ok(all)
    })
}

/// What a thread said as it gave up.
fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it gave no reason").to_owned()
}

/// Collects the values of parameters that learn, and whether they learn now.
struct News<'a> {
    is_trained: &'a dyn Fn(u64) -> bool,
    values: GradientsParams,
    learns: BTreeMap<ParamId, bool>,
}

impl ModuleVisitor for News<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if (self.is_trained)(param.id.val()) {
            self.values.register(param.id, param.val().inner());
            self.learns.insert(param.id, param.is_require_grad());
        }
    }
}

struct TakeOver {
    values: GradientsParams,
    learns: BTreeMap<ParamId, bool>,
    device: Device,
}

impl ModuleMapper for TakeOver {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(value) = self.values.remove::<D>(param.id) else { return param };
        let learns = self.learns.get(&param.id).copied().unwrap_or_default();
        let (id, _, mapper) = param.consume();
        let value = Tensor::from_inner(value.to_device(&self.device)).set_require_grad(learns);
        Param::from_mapped_value(id, value, mapper)
    }
}
