//! Batches of labelled examples, whatever their labels are.

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::Device;
use isogloss_core::{LanguageTag, Seed};
use isogloss_sampling::{
    Draw, ExplicitWeights, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use isogloss_transformer::{
    AnsweredSequence, BatchError, ClassificationBatch, ClassifierConfig, EncoderConfig,
    LabelledTokens, QuestionAnsweringBatch, QuestionAnsweringConfig, RegressionBatch,
    SequenceInput, TokenClassificationBatch, TokenClassifierConfig,
};
use serde_json::Value;

use crate::batches::{BatchFault, bucket_state, place};
use crate::bucketing::Buckets;
use crate::{Batches, BucketConfig, BucketState, TrainingError};

/// A sequence between its delimiters, and what is to be learned of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled<L> {
    /// The sequence.
    pub input: SequenceInput,
    /// What is so.
    pub label: L,
}

/// What is to be learned of a sequence: one kind for each model.
pub trait Label: Clone + Debug {
    /// The shape of the model.
    type Config: Clone + Debug;
    /// What its objective computes a loss on.
    type Batch;

    /// The encoder of the model.
    fn encoder(config: &Self::Config) -> &EncoderConfig;

    /// Puts examples together.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    fn batch(
        config: &Self::Config,
        rows: &[&Labelled<Self>],
        device: &Device,
    ) -> Result<Self::Batch, BatchError>;
}

/// The class of a sequence, counted from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Class(pub u32);

/// The classes of some of the tokens of a sequence, such as the first pieces of its words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tags {
    /// The tokens that have a class, by their place in the sequence.
    pub positions: Vec<usize>,
    /// Their classes, counted from 0.
    pub classes: Vec<u32>,
}

/// The numbers that a sequence has.
#[derive(Clone, Debug, PartialEq)]
pub struct Values(pub Vec<f32>);

/// Where in a question with its context the answer is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// Its first token, by its place in the sequence; 0 where there is no answer.
    pub start: usize,
    /// Its last token; 0 where there is no answer.
    pub end: usize,
}

impl Label for Class {
    type Config = ClassifierConfig;
    type Batch = ClassificationBatch;

    fn encoder(config: &ClassifierConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn batch(
        config: &ClassifierConfig,
        rows: &[&Labelled<Self>],
        device: &Device,
    ) -> Result<ClassificationBatch, BatchError> {
        let classes: Vec<u32> = rows.iter().map(|row| row.label.0).collect();
        ClassificationBatch::try_new(config, &inputs(rows), &classes, device)
    }
}

impl Label for Tags {
    type Config = TokenClassifierConfig;
    type Batch = TokenClassificationBatch;

    fn encoder(config: &TokenClassifierConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn batch(
        config: &TokenClassifierConfig,
        rows: &[&Labelled<Self>],
        device: &Device,
    ) -> Result<TokenClassificationBatch, BatchError> {
        let rows = rows.iter().map(|row| LabelledTokens {
            input: row.input.clone(),
            positions: row.label.positions.clone(),
            classes: row.label.classes.clone(),
        });
        TokenClassificationBatch::try_new(config, &rows.collect::<Vec<_>>(), device)
    }
}

impl Label for Values {
    type Config = ClassifierConfig;
    type Batch = RegressionBatch;

    fn encoder(config: &ClassifierConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn batch(
        config: &ClassifierConfig,
        rows: &[&Labelled<Self>],
        device: &Device,
    ) -> Result<RegressionBatch, BatchError> {
        let values: Vec<&[f32]> = rows.iter().map(|row| row.label.0.as_slice()).collect();
        RegressionBatch::try_new(config, &inputs(rows), &values, device)
    }
}

impl Label for Answer {
    type Config = QuestionAnsweringConfig;
    type Batch = QuestionAnsweringBatch;

    fn encoder(config: &QuestionAnsweringConfig) -> &EncoderConfig {
        &config.encoder
    }

    fn batch(
        config: &QuestionAnsweringConfig,
        rows: &[&Labelled<Self>],
        device: &Device,
    ) -> Result<QuestionAnsweringBatch, BatchError> {
        let rows = rows.iter().map(|row| {
            let (input, Answer { start, end }) = (row.input.clone(), row.label);
            AnsweredSequence { input, start, end }
        });
        QuestionAnsweringBatch::try_new(config, &rows.collect::<Vec<_>>(), device)
    }
}

fn inputs<L>(rows: &[&Labelled<L>]) -> Vec<SequenceInput> {
    rows.iter().map(|row| row.input.clone()).collect()
}

/// Labelled examples in an order that changes with each epoch, each of them once.
#[derive(Clone, Debug)]
pub struct LabelledBatches<L: Label> {
    // Invariant: as many as the stream draws from; each fits the model.
    texts: Arc<Vec<Labelled<L>>>,
    buckets: Buckets,
    config: L::Config,
}

impl<L: Label> LabelledBatches<L> {
    /// Batches of examples for a model of a shape.
    ///
    /// # Errors
    ///
    /// [`TrainingError::Config`] without examples, for one that the model has not enough positions for, and
    /// for an empty batch.
    pub fn try_new(
        examples: Arc<Vec<Labelled<L>>>,
        config: L::Config,
        buckets: BucketConfig,
        seed: Seed,
    ) -> Result<Self, TrainingError> {
        let fault = |found, expected| TrainingError::Config { field: "examples", found, expected };
        let limit = L::encoder(&config).max_positions;
        if let Some(place) = examples.iter().position(|example| example.input.len() > limit) {
            let found = format!("example {place} with {} tokens", examples[place].input.len());
            return Err(fault(found, "as many as the model has positions for, at most"));
        }
        let stream = shuffled(examples.len(), seed)
            .ok_or_else(|| fault("0 examples".to_owned(), "at least 1"))?;
        let buckets = Buckets::try_new(buckets.unpacked()?, stream, seed.derive("buckets"))?;
        Ok(Self { texts: examples, buckets, config })
    }
}

/// A stream of all of `count` examples in each epoch; `None` where there are none.
fn shuffled(count: usize, seed: Seed) -> Option<MixtureStream> {
    // Languages do not matter, there is one place to draw from: a tag that is nobody's.
    let tag: LanguageTag = "qaa".parse().ok()?;
    let source = [(tag.clone(), count as u64)];
    let sizes = LanguageSizes::try_new(SizeUnit::Sentences, source.clone()).ok()?;
    let all = ExplicitWeights::try_new([(tag, 1.0)]).ok()?.distribution(&sizes).ok()?;
    MixtureStream::try_new(&all, &source, seed).ok()
}

impl<L: Label> Batches for LabelledBatches<L> {
    type Batch = L::Batch;

    fn next_batch(&mut self, device: &Device) -> Result<L::Batch, BatchFault> {
        let Self { texts, buckets, config } = self;
        let draws = buckets.next_batch(|draw| length(texts, draw));
        let rows: Vec<&Labelled<L>> =
            draws.iter().filter_map(|draw| texts.get(place(draw))).collect();
        Ok(L::batch(config, &rows, device)?)
    }

    bucket_state!(|texts: &Arc<Vec<Labelled<L>>>, draw| length(texts, draw));
}

fn length<L>(examples: &[Labelled<L>], draw: &Draw) -> usize {
    examples.get(place(draw)).map_or(0, |example| example.input.len())
}

/// Examples by length, so that each batch pads little: their places, as many to a batch as `max_tokens`
/// tokens, padding included, have room for, and one at least.
pub fn batches_by_length(lengths: &[usize], max_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&place| lengths[place]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for place in order {
        match batches.last_mut() {
            // Ascending lengths: the newest is the one that all others are padded to.
            Some(batch) if (batch.len() + 1) * lengths[place] <= max_tokens => batch.push(place),
            _ => batches.push(vec![place]),
        }
    }
    batches
}
