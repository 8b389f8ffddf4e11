//! A vocabulary learns a language, and a model takes the tokens in.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, MixtureStream, SizeUnit,
};
use isogloss_testing::{assert_close, device};
use isogloss_tokenization::embedding::{
    CanonicalToken, EmbeddingMatrix, Focus, Initialisation, Neighbourhood, Ofa, Overlap, RowRecipe,
    SegmentedWord, StaticVectors, StaticVectorsConfig, TokenForm, Wechsel, mean_of_words,
};
use isogloss_tokenization::{
    Algorithm, Extension, ExtensionConfig, SubwordTokenizer, TextEncoder, VocabularyConfig,
};
use isogloss_training::{
    BucketConfig, ExtendedModel, Framing, LearningRateConfig, MlmBatches, ModelExtension,
    ObjectiveTask, StopFlag, Task, TokenizedTexts, Trainer, TrainingConfig,
};
use isogloss_transformer::{
    EncoderConfig, ExtendVocabulary, HasEncoder, MaskedLanguageModel, MaskedSequence,
    MaskingConfig, MaskingVocabulary, MlmBatch, MlmObjective, SequenceInput, SequenceLayout,
    VocabularyRows,
};

use crate::regression::turn;

const ENGLISH: [&str; 4] = [
    "the cat sat on the mat and the cat saw the hat that the bat had on the mat",
    "good morning to the cat and good evening to the bat",
    "she sells sea shells on the sea shore, and the shells she sells are sea shells",
    "no one saw the one that sat on the cat",
];
const HAUSA: [&str; 4] = [
    "ina kwana, ina gajiya",
    "sannu da zuwa, sannu da aiki",
    "na gode, na gode da aiki",
    "ina aiki, ina zuwa da aiki",
];
const SEED: Seed = Seed::new(7);
const D_MODEL: usize = 8;

/// A vocabulary and its extension.
struct Case {
    old: SubwordTokenizer,
    extension: Extension,
    /// Those with text: neither marks nor bytes.
    real_ids: Vec<u32>,
}

fn case(algorithm: Algorithm) -> Case {
    // Two kinds of tokens in one place: pieces, and bytes for what has none.
    let config = VocabularyConfig::new(algorithm, 320).with_byte_fallback();
    let old = config.train(ENGLISH, &()).unwrap();
    let extension = old.extend(HAUSA.repeat(3), ENGLISH, &ExtensionConfig::new(20)).unwrap();
    let special: Vec<u32> = old.special_ids().all().collect();
    let real_ids = (0..u32::try_from(old.vocab_size()).unwrap())
        .filter(|id| !special.contains(id) && !old.is_byte(*id))
        .collect();
    Case { old, extension, real_ids }
}

fn cases() -> [(Algorithm, Case); 2] {
    [Algorithm::Unigram, Algorithm::Bpe].map(|algorithm| (algorithm, case(algorithm)))
}

impl Case {
    /// A model of the old vocabulary with three rows of padding. The rows of its tokens are all
    /// different, biases included, which are zero in a fresh model.
    fn model(&self, device: &Device) -> MaskedLanguageModel {
        let tokens = self.old.vocab_size();
        let config = EncoderConfig::new(tokens + 3)
            .with_d_model(D_MODEL)
            .with_n_layers(2)
            .with_n_heads(2)
            .with_max_positions(64)
            .with_dropout(0.0);
        let model = MaskedLanguageModel::try_init(&config, device, SEED).unwrap();
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
        let numbers = |n: usize, first| (0..n).map(|i| value(i + first)).collect::<Vec<f32>>();
        let new = tokens - 4;
        let embedding = TensorData::new(numbers(new * D_MODEL, 0), [new, D_MODEL]);
        let bias = TensorData::new(numbers(new, 5), [new]);
        let rows = VocabularyRows::new(Tensor::from_data(embedding, device))
            .with_bias(Tensor::from_data(bias, device));
        let model = model.extend_vocabulary(4, rows).unwrap();
        assert_eq!(model.encoder().config(), &config);
        model
    }

    fn apply(&self, method: Initialisation<'_>) -> ExtendedModel<MaskedLanguageModel> {
        let extension = ModelExtension::new(&self.extension, method, &self.real_ids, SEED);
        extension.apply(self.model(&device())).unwrap()
    }

    fn new_tokens(&self) -> usize {
        self.extension.tokens.len()
    }

    fn framed(&self, text: &str) -> Vec<u32> {
        let special = self.old.special_ids();
        let mut ids = vec![special.bos.unwrap()];
        ids.extend(self.extension.tokenizer.encode(text).unwrap());
        ids.push(special.eos.unwrap());
        ids
    }

    /// Some texts in which every third word is asked for.
    fn batch(&self, config: &EncoderConfig, texts: &[&str], device: &Device) -> MlmBatch {
        let mask = self.old.special_ids().mask.unwrap();
        let rows: Vec<_> = texts
            .iter()
            .map(|text| {
                let mut ids = self.framed(text);
                ids.truncate(60);
                let positions: Vec<usize> = (1..ids.len() - 1).step_by(3).collect();
                let labels = positions.iter().map(|at| ids[*at]).collect();
                for at in &positions {
                    ids[*at] = mask;
                }
                MaskedSequence { input: SequenceInput::new(ids), positions, labels }
            })
            .collect();
        MlmBatch::try_new(config, &rows, device).unwrap()
    }
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.into_data().iter::<f32>().map(f32::to_bits).collect()
}

/// What holds of every method: old rows and outputs stay, every new row is what its recipe says.
fn check(case: &Case, extended: &ExtendedModel<MaskedLanguageModel>) {
    let device = device();
    let (tokens, new) = (case.old.vocab_size(), case.new_tokens());
    let model = case.model(&device);
    let config = extended.model.encoder().config();
    // Three of the new tokens stand where padding stood.
    assert_eq!(config.vocab_size, case.extension.tokenizer.vocab_size());
    assert_eq!(config.vocab_extensions, [new - 3]);
    assert_eq!(extended.recipes.len(), new);
    let counts = extended.counts;
    assert_eq!(counts.copied + counts.weighted + counts.drawn + counts.mean, new);

    let old = model.vocabulary_rows(tokens).unwrap();
    let all = extended.model.vocabulary_rows(tokens + new).unwrap();
    let columns = [
        (old.embedding_values(), all.embedding_values(), D_MODEL),
        (old.bias_values().unwrap(), all.bias_values().unwrap(), 1),
    ];
    for (old, all, dim) in columns {
        let (kept, rows) = all.split_at(tokens * dim);
        let to_bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(to_bits(kept), to_bits(&old));
        for (recipe, row) in extended.recipes.iter().zip(rows.chunks(dim)) {
            let weights = match recipe {
                RowRecipe::Copy { id } => vec![(*id, 1.0)],
                RowRecipe::Weighted { weights } => weights.clone(),
                RowRecipe::Mean => {
                    let share = 1.0 / case.real_ids.len() as f32;
                    case.real_ids.iter().map(|id| (*id, share)).collect()
                }
                // Six deviations of numbers that lie evenly between -0.5 and 0.5.
                _ => {
                    assert!(row.iter().all(|x| x.abs() < 6.0 * 0.29));
                    continue;
                }
            };
            let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
            assert!((total - 1.0).abs() < 1e-5, "weights of {total}");
            let mut sum = vec![0.0; dim];
            for (id, weight) in weights {
                let place = usize::try_from(id).unwrap();
                assert!(place < tokens, "a row of padding");
                let row = &old[place * dim..][..dim];
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
            }
            // Sums of at most 320 terms below 0.5, here in f32.
            assert_close(row, &sum, 1e-5);
        }
    }

    // The old text has the old ids, and the model says the same of it.
    for text in ENGLISH {
        let [old, new] = [&case.old, &case.extension.tokenizer].map(|t| t.encode(text).unwrap());
        assert_eq!(new, old);
    }
    for texts in [&ENGLISH[..1], &ENGLISH[..]] {
        let batch = case.batch(config, texts, &device);
        let said = |model: &MaskedLanguageModel| {
            let logits = model.logits(&batch).narrow(1, 0, tokens);
            [bits(model.encoder().forward(batch.input())), bits(logits)]
        };
        assert_eq!(said(&extended.model), said(&model));
    }
    // Of the new text it says something, in fewer tokens.
    let batch = case.batch(config, &HAUSA, &device);
    let loss: f32 = extended.model.loss(&batch).mean().into_scalar();
    assert!(loss.is_finite() && loss < 12.0, "loss {loss}");
    let length = |tokenizer: &SubwordTokenizer| -> usize {
        HAUSA.iter().map(|text| tokenizer.encode(text).unwrap().len()).sum()
    };
    assert!(length(&case.extension.tokenizer) < length(&case.old));
}

#[test]
fn new_rows_begin_as_the_mean_of_the_real_ones() {
    for (algorithm, case) in cases() {
        let extended = case.apply(Initialisation::Mean { new_tokens: case.new_tokens() });
        assert_eq!(extended.counts.mean, case.new_tokens(), "{algorithm:?}");
        check(&case, &extended);
    }
}

#[test]
fn new_rows_begin_as_the_mean_of_the_pieces_that_stood_for_them() {
    for (algorithm, case) in cases() {
        let tokens = &case.extension.tokens;
        let pieces: Vec<Vec<u32>> = tokens.iter().map(|token| token.old_ids.clone()).collect();
        let extended = case.apply(Initialisation::SubpieceMean { pieces: &pieces });
        assert!(extended.counts.weighted > 10, "{algorithm:?}");
        check(&case, &extended);
        // By hand: the mean of the rows that the old tokenizer cut the token into.
        let (place, pieces) = pieces.iter().enumerate().find(|(_, ids)| ids.len() > 1).unwrap();
        let rows = case.model(&device()).vocabulary_rows(case.old.vocab_size()).unwrap();
        let values = rows.embedding_values();
        let mean: Vec<f32> = (0..D_MODEL)
            .map(|j| {
                let column = pieces.iter().map(|id| values[*id as usize * D_MODEL + j]);
                column.sum::<f32>() / pieces.len() as f32
            })
            .collect();
        let table = extended.model.encoder().word_embedding();
        let row = table.narrow(0, case.old.vocab_size() + place, 1).into_data();
        assert_close(&row.iter::<f32>().collect::<Vec<_>>(), &mean, 1e-6);
    }
}

#[test]
fn focus_makes_new_rows_of_the_old_tokens_that_the_new_text_has() {
    for (algorithm, case) in cases() {
        let tokenizer = &case.extension.tokenizer;
        let (old, all) = (case.old.vocab_size(), tokenizer.vocab_size());
        let token = |id: u32| tokenizer.token(id).unwrap();
        let cut: Vec<Vec<String>> = HAUSA
            .iter()
            .map(|text| tokenizer.encode(text).unwrap().into_iter().map(token).collect())
            .collect();
        let config = StaticVectorsConfig::focus(SEED).with_min_count(1).with_dim(8);
        let vectors = config.with_buckets(500).with_sample(1.0).train(|| cut.iter(), &()).unwrap();
        // The whole vocabulary, of which every old token is its own: only those that the text has
        // have a vector, and so a part in new rows.
        let tokens: Vec<String> = (0..u32::try_from(all).unwrap()).map(token).collect();
        let auxiliary = vectors.rows(tokens.iter().map(String::as_str));
        let own = (0..old).zip(0..);
        let overlap = Overlap::try_from_pairs(all, own).unwrap();
        let focus = Focus { overlap: &overlap, auxiliary: &auxiliary };
        let extended = case.apply(Initialisation::Focus(focus));
        assert_eq!(extended.recipes, focus.plan().unwrap().recipes()[old..]);
        // The others stand in no best cut of this little text.
        assert!(extended.counts.weighted > 5, "{algorithm:?} {:?}", extended.counts);
        assert_eq!(extended.counts.copied, 0);
        check(&case, &extended);
    }
}

/// The text of each token, without the mark of a word's start.
fn texts(tokenizer: &SubwordTokenizer, ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|id| {
        let token = tokenizer.token(u32::try_from(id).unwrap()).unwrap();
        let token = CanonicalToken::new(&token, TokenForm::SentencePiece);
        token.text().unwrap_or_default().to_owned()
    })
    .collect()
}

/// Vectors of words, over both languages together.
fn word_vectors() -> StaticVectors {
    let words = ENGLISH.iter().chain(&HAUSA).map(|text| text.split(' '));
    let config = StaticVectorsConfig::wechsel(SEED).with_min_count(1).with_dim(8);
    let config = config.with_ngrams(1, 3).with_buckets(500).with_sample(1.0).with_epochs(3);
    config.train(|| words.clone(), &()).unwrap()
}

#[test]
fn wechsel_makes_new_rows_of_the_nearest_old_tokens() {
    for (algorithm, case) in cases() {
        let (old, all) = (case.old.vocab_size(), case.extension.tokenizer.vocab_size());
        let vectors = word_vectors();
        let rows = |ids| {
            let texts = texts(&case.extension.tokenizer, ids);
            vectors.composed_rows(texts.iter().map(String::as_str))
        };
        let none = Overlap::none(case.new_tokens());
        let wechsel = Wechsel {
            source: &rows(0..old),
            target: &rows(old..all),
            special_tokens: &none,
            neighbourhood: Neighbourhood { neighbours: 3, ..Neighbourhood::default() },
        };
        let extended = case.apply(Initialisation::Wechsel(wechsel));
        assert!(extended.counts.weighted > 10, "{algorithm:?} {:?}", extended.counts);
        check(&case, &extended);
    }
}

#[test]
fn ofa_makes_new_rows_of_the_tokens_of_the_nearest_words() {
    for (algorithm, case) in cases() {
        let vectors = word_vectors();
        let of = |tokenizer: &SubwordTokenizer, words: &[&str]| {
            let words = words.iter().flat_map(|text| text.split(' '));
            let cut = words.map(|word| SegmentedWord {
                vector: vectors.vector(word).unwrap(),
                weight: 1.0,
                segmentations: vec![tokenizer.encode(word).unwrap()],
            });
            mean_of_words([tokenizer.vocab_size(), 8], cut).unwrap()
        };
        let source = of(&case.old, &[ENGLISH, HAUSA].concat());
        let target = of(&case.extension.tokenizer, &HAUSA);
        let new = target.as_slice()[source.as_slice().len()..].to_vec();
        let target = EmbeddingMatrix::try_new([case.new_tokens(), 8], new).unwrap();
        let overlap = Overlap::none(case.new_tokens());
        let neighbourhood = Neighbourhood::default();
        let ofa =
            Ofa { source: &source, target: &target, overlap: &overlap, neighbourhood, rank: None };
        let extended = case.apply(Initialisation::Ofa(ofa));
        assert!(extended.counts.weighted > 5, "{algorithm:?} {:?}", extended.counts);
        check(&case, &extended);

        // Of full rank the factors hold the whole embedding, so the rows are the same up to rounding.
        let factorised = case.apply(Initialisation::Ofa(Ofa { rank: Some(D_MODEL), ..ofa }));
        assert_eq!(factorised.recipes, extended.recipes);
        let rows = |extended: &ExtendedModel<MaskedLanguageModel>| -> Vec<f32> {
            extended.model.encoder().word_embedding().into_data().iter::<f32>().collect()
        };
        let old = case.old.vocab_size();
        let (whole, product) = (rows(&extended), rows(&factorised));
        for (place, recipe) in extended.recipes.iter().enumerate() {
            // A draw is one in other coordinates.
            if let RowRecipe::Weighted { .. } = recipe {
                let row = (old + place) * D_MODEL..(old + place + 1) * D_MODEL;
                assert_close(&product[row.clone()], &whole[row], 1e-4);
            }
        }
    }
}

#[test]
fn an_extended_model_learns_its_new_language() {
    let _turn = turn();
    let case = case(Algorithm::Unigram);
    let device = device().autodiff();
    let tokens = &case.extension.tokens;
    let pieces: Vec<Vec<u32>> = tokens.iter().map(|token| token.old_ids.clone()).collect();
    let method = Initialisation::SubpieceMean { pieces: &pieces };
    let extension = ModelExtension::new(&case.extension, method, &case.real_ids, SEED);
    let model = extension.apply(case.model(&device)).unwrap().model;
    let encoder = model.encoder().config().clone();
    let vocabulary = &case.extension.tokenizer;
    let before = model.vocabulary_rows(vocabulary.vocab_size()).unwrap();

    let texts = TokenizedTexts::encode("ha".parse().unwrap(), HAUSA, vocabulary).unwrap();
    let sizes = [(texts.language().clone(), texts.tokens() as u64)];
    let texts = Arc::new(vec![texts]);
    let sizes = LanguageSizes::try_new(SizeUnit::Tokens, sizes).unwrap();
    let distribution = ExponentConfig::new().distribution(&sizes).unwrap();
    let stream = MixtureStream::try_new(&distribution, &texts, SEED).unwrap();
    let special = vocabulary.special_ids();
    let layout = SequenceLayout::xlm_roberta(special.bos.unwrap(), special.eos.unwrap(), 60);
    let framing = Framing::new(encoder, layout, BucketConfig::new(128));
    let (vocab_size, mask) = (vocabulary.vocab_size(), special.mask.unwrap());
    let ids = MaskingVocabulary::new(vocab_size, mask, special.all().collect());
    let masking = MaskingConfig::default().with_rate(0.3).try_init(&ids);
    let batches = MlmBatches::try_new(texts, stream, masking.unwrap(), framing, SEED).unwrap();
    let mlm: Box<dyn Task<MaskedLanguageModel>> =
        Box::new(ObjectiveTask::new("mlm", MlmObjective, batches));
    let config = TrainingConfig::new(40)
        .with_learning_rate(LearningRateConfig::new(1e-2))
        .with_record_every(10);
    let trainer = Trainer::try_new(config, model, vec![(mlm, 1.0)], &device).unwrap();
    let run = trainer.run(&StopFlag::new(), &()).unwrap();
    let losses: Vec<f64> = run.history.iter().map(|record| record.loss).collect();
    assert!(losses[3] < 0.8 * losses[0], "{losses:?}");
    let after = run.model.valid().vocabulary_rows(vocabulary.vocab_size()).unwrap();
    let first = case.old.vocab_size() * D_MODEL;
    let (before, after) = (before.embedding_values(), after.embedding_values());
    for (place, (old, new)) in
        before[first..].chunks(D_MODEL).zip(after[first..].chunks(D_MODEL)).enumerate()
    {
        assert_ne!(old, new, "row of new token {place}");
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let case = case(Algorithm::Unigram);
    let (old, new) = (case.old.vocab_size(), case.new_tokens());
    let model = case.model(&device());
    let message = |extension: ModelExtension<'_>| {
        extension.apply(model.clone()).map(|extended| extended.counts).unwrap_err().to_string()
    };
    let mean = |new_tokens| Initialisation::Mean { new_tokens };
    let fitting = ModelExtension::new(&case.extension, mean(new), &case.real_ids, SEED);
    assert_eq!((fitting.vocab_size, fitting.new_tokens), (old, new));
    assert_eq!(
        message(ModelExtension::new(&case.extension, mean(3), &case.real_ids, SEED)),
        format!(
            "the initialisation makes 3 rows, expected {new}, one for each new token, or {}, one \
             for each token",
            old + new
        )
    );
    assert_eq!(
        message(fitting.with_tokens(old + 4, new)),
        format!(
            "a vocabulary of {} tokens, expected more than the padding id, 1, and at most the {} \
             rows of the model",
            old + 4,
            old + 3
        )
    );
    // No recipe takes from the padding behind the vocabulary.
    let pieces = vec![vec![u32::try_from(old).unwrap()]; new];
    let padding = Initialisation::SubpieceMean { pieces: &pieces };
    assert_eq!(
        message(ModelExtension::new(&case.extension, padding, &case.real_ids, SEED)),
        format!("new token 0 takes from old id {old}, expected below {old}")
    );
    assert_eq!(
        message(ModelExtension::new(&case.extension, mean(new), &[], SEED)),
        "a mean over 0 rows of an embedding matrix, expected at least 1"
    );
}
