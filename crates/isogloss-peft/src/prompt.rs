//! Vectors that stand among the embeddings of a row.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;

use crate::held::Held;
use crate::init::{normal, uniform};
use crate::slot::{Slot, replaced};
use crate::{AdapterError, AdapterHost, PromptConfig, PromptInit, PromptPlace, SiteMut};

/// What stands before, or among, the tokens of a row.
///
/// A model that has one asks for [the vectors](Self::forward), lets its layers read them as it lets them read
/// tokens, and gives back what they made of the tokens.
#[derive(Module, Debug)]
pub struct PromptSite {
    pub(crate) adapters: Held<Prompt>,
    d_model: usize,
}

/// The vectors of one adapter.
#[derive(Module, Debug)]
pub(crate) struct Prompt {
    /// `[length, d_model]`
    vectors: Param<Tensor<2>>,
    #[module(skip)]
    place: PromptPlace,
}

impl PromptSite {
    /// A site for embeddings of that width, without an adapter.
    pub fn new(d_model: usize) -> Self {
        Self { adapters: Held::new(), d_model }
    }

    /// The vectors that each row has, and where; one entry where all rows have the same, none where no adapter
    /// acts. `[length, d_model]`
    pub fn forward(&self) -> (PromptPlace, Vec<Option<Tensor<2>>>) {
        let rows = self.adapters.node().rows();
        let of = |adapters: &Vec<usize>| {
            let parts = adapters.iter().map(|&number| self.adapters.adapter(number).vectors.val());
            let parts: Vec<_> = parts.collect();
            (!parts.is_empty()).then(|| Tensor::cat(parts, 0))
        };
        let mut places = rows.iter().flatten().map(|&number| self.adapters.adapter(number).place);
        (places.next().unwrap_or_default(), rows.iter().map(of).collect())
    }

    /// How many vectors each row has, as [`forward`](Self::forward) gives them.
    pub fn lengths(&self) -> Vec<usize> {
        let of = |&number: &usize| self.adapters.adapter(number).vectors.lazy_shape()[0];
        let rows = self.adapters.node().rows();
        rows.iter().map(|adapters| adapters.iter().map(of).sum()).collect()
    }

    /// The width of the embeddings.
    pub(crate) fn d_model(&self) -> usize {
        self.d_model
    }

    /// Whether those that act have different places.
    pub(crate) fn is_mixed(&self, adapters: &[usize]) -> bool {
        let mut places = adapters.iter().map(|&number| self.adapters.adapter(number).place);
        places.next().is_some_and(|first| places.any(|other| other != first))
    }
}

impl Prompt {
    pub(crate) fn new(config: &PromptConfig, d_model: usize, seed: Seed, device: &Device) -> Self {
        let (mut rng, count) = (seed.rng(), config.length * d_model);
        let numbers = match config.init {
            PromptInit::Normal(std) => normal(&mut rng, count, std),
            PromptInit::Uniform(bound) => uniform(&mut rng, count, bound),
        };
        let vectors = Param::from_data(TensorData::new(numbers, [config.length, d_model]), device);
        Self { vectors, place: config.place }
    }

    pub(crate) fn slots(&mut self) -> Vec<(String, Slot<'_>)> {
        vec![("prompt_embedding.weight".to_owned(), Slot::Table(&mut self.vectors))]
    }

    /// The Frobenius norm of its vectors.
    pub(crate) fn update_norm(&self) -> f64 {
        f64::from(self.vectors.val().square().sum().sqrt().into_scalar::<f32>())
    }
}

/// Lets a prompt begin with these vectors, such as those of words: what Lester et al. (2021), section 3.2,
/// <https://arxiv.org/abs/2104.08691>, found better than random ones.
///
/// # Shapes
///
/// - `vectors`: `[length, d_model]`, as many as the prompt has
///
/// # Errors
///
/// [`AdapterError::Nothing`] where the model has no prompt of that name, [`AdapterError::Config`] where the
/// vectors are of another number or width.
pub fn set_prompt<H: AdapterHost>(
    mut host: H,
    name: &str,
    vectors: &Tensor<2>,
) -> Result<H, AdapterError> {
    let mut result = Err(AdapterError::Nothing { what: "prompt of that name" });
    host.for_each_site(&mut |_, site| {
        let SiteMut::Prompt(site) = site else { return };
        let Some(prompt) = site.adapters.get_mut(name) else { return };
        let expected = prompt.vectors.lazy_shape().to_vec();
        result = if vectors.dims()[..] == *expected {
            let own = prompt.vectors.clone();
            prompt.vectors = replaced(own, vectors.clone().into_data());
            Ok(())
        } else {
            let found = format!("of vectors of {:?}, of a prompt of {expected:?}", vectors.dims());
            Err(AdapterError::Config { field: "vectors", found, expected: "as many as it has" })
        };
    });
    result.map(|()| host)
}
