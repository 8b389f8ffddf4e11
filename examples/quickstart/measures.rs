//! What a model can do in each language, on held-out symbols, item by item.

use std::collections::BTreeMap;
use std::sync::Arc;

use isogloss::burn::module::Module;
use isogloss::burn::tensor::Device;
use isogloss::core::{LanguageTag, Progress, ProgressEvent, Seed};
use isogloss::evaluation::{EmbeddingMatrix, Prediction, Retrieval, retrieve};
use isogloss::tokenization::{SubwordTokenizer, TextEncoder};
use isogloss::training::{
    Class, Labelled, LabelledBatches, LearningRateConfig, ObjectiveTask, StopFlag, Task, Trainer,
    TrainingConfig, batches_by_length,
};
use isogloss::transformer::{
    ClassificationObjective, ClassifierConfig, Encoder, EncoderBatch, MaskedLanguageModel,
    MaskedSequence, MlmBatch, Pooling, PseudoLikelihood, PseudoLikelihoodConfig,
    SequenceClassifier, SequenceInput, WordedSequence,
};

use crate::Outcome;
use crate::corpora::{Corpora, Held, tag};
use crate::data::{HELD_OUT, PIVOT, TOPICS};
use crate::pretraining::Shape;

/// Texts whose tokens are hidden one after another. Each costs as many passes as it has tokens.
const N_SCORED: usize = 20;
/// Tokens of a batch at most, where nothing is learned.
const BATCH_TOKENS: usize = 4_096;
/// The highest learning rate of classifiers.
const LEARNING_RATE: f64 = 1e-3;

/// What there is to measure on, as ids.
pub(crate) struct Measures<'a> {
    held: &'a Held,
    ids: BTreeMap<LanguageTag, Vec<Vec<u32>>>,
    english_topics: Arc<Vec<Labelled<Class>>>,
    shape: &'a Shape,
    unk: u32,
    mask: u32,
    device: &'a Device,
}

/// The scores of a model in one language, item by item, so that models can be compared in pairs.
#[derive(Clone, Default)]
pub(crate) struct Scores {
    /// For each symbol, whether the first neighbour of its English text is its own (and back).
    pub(crate) from_english: Vec<f64>,
    pub(crate) to_english: Vec<f64>,
    /// For each symbol, the reciprocal rank, meaned over both ways.
    pub(crate) reciprocal_rank: Vec<f64>,
    /// For each text, the hidden tokens that were guessed, and all of them.
    pub(crate) guessed: Vec<[f64; 2]>,
    /// For each text, the log-probability of its tokens, each hidden by itself, and its characters.
    pub(crate) log_probability: Vec<[f64; 2]>,
    /// For each symbol, its topic as predicted and as it is.
    pub(crate) topics: Vec<Prediction>,
}

/// Scores by language.
pub(crate) type ByLanguage = BTreeMap<LanguageTag, Scores>;

impl Scores {
    fn retrieved(&mut self, found: &Retrieval) {
        let first = |ranks: &[usize]| -> Vec<f64> {
            ranks.iter().map(|rank| if *rank == 1 { 1.0 } else { 0.0 }).collect()
        };
        self.from_english = first(&found.forward);
        self.to_english = first(&found.backward);
        let both = found.forward.iter().zip(&found.backward);
        let mean = |(a, b): (&usize, &usize)| f64::midpoint(1.0 / *a as f64, 1.0 / *b as f64);
        self.reciprocal_rank = both.map(mean).collect();
    }
}

impl<'a> Measures<'a> {
    pub(crate) fn new(
        corpora: &Corpora,
        held: &'a Held,
        tokenizer: &SubwordTokenizer,
        shape: &'a Shape,
        device: &'a Device,
    ) -> Outcome<Self> {
        let limit = shape.layout.max_side_tokens;
        let encode = |text: &str| -> Outcome<Vec<u32>> {
            let mut ids = tokenizer.encode(text)?;
            ids.truncate(limit);
            Ok(ids)
        };
        let mut ids = BTreeMap::new();
        for (language, texts) in &held.texts {
            let texts: Result<Vec<_>, _> = texts.iter().map(|text| encode(text)).collect();
            ids.insert(language.clone(), texts?);
        }
        let rows = corpora.pretraining.labelled.get(&tag(PIVOT)).ok_or("no labelled English")?;
        let mut english_topics = Vec::with_capacity(rows.len());
        for row in rows {
            let class =
                TOPICS.iter().position(|topic| *topic == row.label).ok_or("no such topic")?;
            let input = shape.layout.sentence(&encode(&row.text)?).input;
            english_topics.push(Labelled { input, label: Class(u32::try_from(class)?) });
        }
        let special = tokenizer.special_ids();
        let unk = special.unk.ok_or("the vocabulary has no unknown token")?;
        let mask = special.mask.ok_or("the vocabulary has no mask")?;
        let english_topics = Arc::new(english_topics);
        Ok(Self { held, ids, english_topics, shape, unk, mask, device })
    }

    /// Retrieval and masked tokens in every language, and perplexity in some.
    pub(crate) fn language_model(
        &self,
        model: &MaskedLanguageModel,
        perplexity_of: &[LanguageTag],
        progress: &dyn Progress,
    ) -> Outcome<ByLanguage> {
        const TASK: &str = "measuring";
        let total = Some(self.ids.len() as u64);
        progress.report(ProgressEvent::Started { task: TASK, total, unit: "languages" });
        let encoder = model.clone().into_encoder();
        let english = self.embeddings(&encoder, &self.ids[&tag(PIVOT)])?;
        let mut scores = BTreeMap::new();
        for (done, (language, texts)) in (1..).zip(&self.ids) {
            let mut own = Scores { guessed: self.guessed(model, texts)?, ..Scores::default() };
            if *language != tag(PIVOT) {
                own.retrieved(&retrieve(&english, &self.embeddings(&encoder, texts)?)?);
            }
            if perplexity_of.contains(language) {
                own.log_probability = self.log_probability(model, language)?;
            }
            scores.insert(language.clone(), own);
            let note = language.name();
            progress.report(ProgressEvent::Advanced { task: TASK, done, note });
        }
        progress.report(ProgressEvent::Finished { task: TASK });
        Ok(scores)
    }

    /// The languages there is something to measure on.
    pub(crate) fn languages(&self) -> Vec<LanguageTag> {
        self.ids.keys().cloned().collect()
    }

    /// Fine-tunes a copy of the encoder with a head on English topics, and adds what it makes of
    /// the other languages.
    pub(crate) fn topics(
        &self,
        encoder: Encoder,
        steps: u64,
        seed: Seed,
        progress: &dyn Progress,
        scores: &mut ByLanguage,
    ) -> Outcome<()> {
        let seed = seed.derive("topics");
        let device = self.device.clone().autodiff();
        let encoder = encoder.train();
        let config = ClassifierConfig::new(encoder.config().clone(), TOPICS.len())
            .with_pooling(Pooling::Mean);
        let model = SequenceClassifier::try_from_encoder(
            encoder,
            TOPICS.len(),
            Pooling::Mean,
            seed,
            &device,
        )?;
        let rows = self.english_topics.clone();
        let batches = LabelledBatches::try_new(rows, config, self.shape.framing().buckets, seed)?;
        let task: Box<dyn Task<SequenceClassifier>> =
            Box::new(ObjectiveTask::new("topics", ClassificationObjective::default(), batches));
        let config = TrainingConfig::new(steps)
            .with_learning_rate(
                LearningRateConfig::new(LEARNING_RATE).with_warmup_steps(steps / 10),
            )
            .with_seed(seed);
        let run = Trainer::try_new(config, model, vec![(task, 1.0)], &device)?
            .run(&StopFlag::new(), progress)?;
        let model = run.model.valid();
        for (language, texts) in &self.ids {
            let mut topics = vec![Prediction { predicted: 0, gold: 0 }; texts.len()];
            self.in_batches(texts, |rows, batch| {
                let predicted = model.predict(&batch.to_device(self.device));
                for (row, predicted) in rows.iter().zip(predicted) {
                    topics[*row] = Prediction { predicted, gold: self.held.topics[*row] };
                }
            })?;
            scores.entry(language.clone()).or_default().topics = topics;
        }
        Ok(())
    }

    /// Centred vectors of texts, a row each.
    pub(crate) fn embeddings(
        &self,
        encoder: &Encoder,
        texts: &[Vec<u32>],
    ) -> Outcome<EmbeddingMatrix> {
        let dim = encoder.config().d_model;
        let mut values = vec![0.0; texts.len() * dim];
        self.in_batches(texts, |rows, batch| {
            let batch = batch.to_device(self.device);
            let vectors = encoder.embed(&batch, Pooling::Mean, None).into_data();
            let vectors: Vec<f32> = vectors.iter::<f32>().collect();
            for (row, vector) in rows.iter().zip(vectors.chunks_exact(dim)) {
                values[row * dim..][..dim].copy_from_slice(vector);
            }
        })?;
        Ok(EmbeddingMatrix::try_new(dim, values)?.centred())
    }

    /// The log-probabilities of the tokens of a few texts, to compare two models by.
    pub(crate) fn outputs(&self, model: &MaskedLanguageModel) -> Outcome<Vec<f32>> {
        let mut rows = Vec::new();
        for ids in self.ids[&tag(HELD_OUT)].iter().take(4) {
            let framed = self.shape.layout.sentence(ids).input;
            let masked = self.shape.masking.mask_each(&framed.ids);
            rows.extend(masked.map(|masked| MaskedSequence::new(framed.clone(), masked)));
        }
        let batch = MlmBatch::try_new(&self.shape.encoder, &rows, self.device)?;
        Ok(model.score(&batch).log_probabilities)
    }

    /// Hides some tokens of each text, the same ones for every model, and counts the guessed ones.
    fn guessed(&self, model: &MaskedLanguageModel, texts: &[Vec<u32>]) -> Outcome<Vec<[f64; 2]>> {
        let row = |(text, ids): (u64, &Vec<u32>)| {
            let framed = self.shape.layout.sentence(ids).input;
            let masked = self.shape.masking.mask_tokens(&framed.ids, Seed::new(0).at(text));
            MaskedSequence::new(framed, masked)
        };
        let rows: Vec<_> = (0..).zip(texts).map(row).collect();
        let mut guessed = vec![[0.0; 2]; texts.len()];
        self.score(model, &rows, |row, is_first| {
            guessed[row][0] += f64::from(u8::from(is_first));
            guessed[row][1] += 1.0;
        })?;
        Ok(guessed)
    }

    /// Hides each token of the first texts by itself. Texts with a character that the vocabulary
    /// has not are left out: what is unknown cannot be guessed.
    fn log_probability(
        &self,
        model: &MaskedLanguageModel,
        language: &LanguageTag,
    ) -> Outcome<Vec<[f64; 2]>> {
        let masking = &self.shape.masking;
        let (mut sequences, mut characters) = (Vec::new(), Vec::new());
        let texts = self.ids[language].iter().zip(&self.held.texts[language]).take(N_SCORED);
        for (ids, text) in texts.filter(|(ids, _)| !ids.contains(&self.unk)) {
            let input = self.shape.layout.sentence(ids).input;
            // A token is a word to itself here, and delimiters are none.
            let word = |(at, id): (usize, &u32)| (!masking.is_special(*id)).then_some(at);
            let words = input.ids.iter().enumerate().map(word).collect();
            sequences.push(WordedSequence { input, words });
            characters.push(text.chars().filter(|c| !c.is_whitespace()).count());
        }
        let config = PseudoLikelihoodConfig::new(self.mask)
            .with_masks(PseudoLikelihood::Original)
            .with_batch_tokens(BATCH_TOKENS);
        let scores = model.pseudo_log_likelihoods(&sequences, &config, self.device, &())?;
        let items = scores.iter().zip(characters);
        Ok(items.map(|(scores, characters)| [scores.total(), characters as f64]).collect())
    }

    /// Guesses the hidden tokens of some rows: `each` gets the row and whether the token was the
    /// first guess.
    fn score(
        &self,
        model: &MaskedLanguageModel,
        rows: &[MaskedSequence],
        mut each: impl FnMut(usize, bool),
    ) -> Outcome<()> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.input.len()).collect();
        for chunk in batches_by_length(&lengths, BATCH_TOKENS) {
            let batch: Vec<_> = chunk.iter().map(|row| rows[*row].clone()).collect();
            let batch = MlmBatch::try_new(&self.shape.encoder, &batch, self.device)?;
            let scores = model.score(&batch);
            let hidden = chunk.iter().flat_map(|row| rows[*row].positions.iter().map(|_| *row));
            hidden.zip(scores.is_first).for_each(|(row, is_first)| each(row, is_first));
        }
        Ok(())
    }

    fn in_batches(
        &self,
        texts: &[Vec<u32>],
        mut each: impl FnMut(&[usize], &EncoderBatch),
    ) -> Outcome<()> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len() + 2).collect();
        for rows in batches_by_length(&lengths, BATCH_TOKENS) {
            let inputs: Vec<SequenceInput> =
                rows.iter().map(|row| self.shape.layout.sentence(&texts[*row]).input).collect();
            each(&rows, &EncoderBatch::try_new(&self.shape.encoder, &inputs)?);
        }
        Ok(())
    }
}
