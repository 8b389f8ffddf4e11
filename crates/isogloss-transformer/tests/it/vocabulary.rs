//! A vocabulary that grows: what is new, and that nothing else is.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData, activation};
use isogloss_core::Seed;
use isogloss_transformer::{
    ClassifierConfig, EncoderBatch, ExtendVocabulary, HasEncoder, MaskedLanguageModel,
    MaskedSequence, MlmBatch, MlmConfig, Pretrained, SequenceInput, VocabularyRows,
    load_checkpoint, save_checkpoint,
};

use crate::tiny::{self, largest_difference, masked, values};

/// Distinct rows, for a model of width `d_model`.
fn rows(tokens: usize, d_model: usize, device: &Device) -> VocabularyRows {
    let value = |i: usize| (i * 37 % 101) as f32 / 100.0 - 0.5;
    let embedding: Vec<f32> = (0..tokens * d_model).map(value).collect();
    let bias: Vec<f32> = (0..tokens).map(|i| value(i + 7)).collect();
    let embedding = TensorData::new(embedding, [tokens, d_model]);
    VocabularyRows::new(Tensor::from_data(embedding, device))
        .with_bias(Tensor::from_data(TensorData::new(bias, [tokens]), device))
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}

/// What a model says of a batch about its first `tokens` tokens, and the states it says it from.
fn said(model: &MaskedLanguageModel, batch: &MlmBatch, tokens: usize) -> [Vec<u32>; 2] {
    let logits = model.logits(batch).narrow(1, 0, tokens);
    [bits(model.encoder().forward(batch.input())), bits(logits)]
}

/// A sentence with its first `n` words hidden.
fn hidden(n: usize) -> MaskedSequence {
    let ids: Vec<u32> = (0..42).map(|i| 2 + i * 7 % 17).collect();
    masked(&ids, &(1..=n).collect::<Vec<_>>(), &vec![5; n])
}

#[test]
fn hidden_states_and_scores_of_old_tokens_keep_every_bit() {
    let device = crate::device();
    for vocab_size in [20, 97, 256, 1000, 1003, 5000] {
        let mut config = tiny::config().with_max_positions(64);
        config.vocab_size = vocab_size;
        let model = MaskedLanguageModel::try_init(&config, &device, tiny::SEED).unwrap();
        // On Flex the order of sums is another where rows × columns pass 256: 1 row of 256 and more
        // columns, 2 of 128, 8 of 32.
        let batches: Vec<_> = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 40]
            .map(|n| MlmBatch::try_new(&config, &[hidden(n)], &device).unwrap())
            .into();
        let before: Vec<_> = batches.iter().map(|batch| said(&model, batch, vocab_size)).collect();
        for new in [1, 7, 64, 300] {
            let extended = model.clone().extend_vocabulary(vocab_size, rows(new, 8, &device));
            let extended = extended.unwrap();
            for (batch, before) in batches.iter().zip(&before) {
                assert_eq!(&said(&extended, batch, vocab_size), before, "{vocab_size} + {new}");
            }
            // A second extension keeps what the first said, too.
            let once = vocab_size + new;
            let twice = extended.clone().extend_vocabulary(once, rows(65, 8, &device)).unwrap();
            for batch in &batches {
                let before = said(&extended, batch, once);
                assert_eq!(said(&twice, batch, once), before, "{vocab_size} + {new} + 65");
            }
        }
    }
}

#[test]
fn new_rows_follow_the_old_ones_which_stay() {
    let device = crate::device();
    let model = tiny::model(&device);
    let old = model.vocabulary_rows(20).unwrap();
    let new = rows(3, 8, &device);
    let extended = model.extend_vocabulary(20, new.clone()).unwrap();
    let config = extended.encoder().config();
    assert_eq!((config.vocab_size, config.vocab_extensions.as_slice()), (23, [3].as_slice()));
    let all = extended.vocabulary_rows(23).unwrap();
    let joined = |old: Vec<f32>, new: Vec<f32>| [old, new].concat();
    let expected = joined(old.embedding_values(), new.embedding_values());
    assert_eq!(all.embedding_values(), expected);
    assert_eq!(all.bias_values(), Some(joined(vec![0.0; 20], new.bias_values().unwrap())));

    // The head knows the new tokens by these rows.
    let batch = MlmBatch::try_new(config, &[masked(&[0, 22, 19, 2], &[2], &[21])], &device);
    let batch = batch.unwrap();
    let logits = extended.logits(&batch);
    assert_eq!(logits.dims(), [1, 23]);
    let all = Tensor::<1, burn::tensor::Int>::from_ints([2], &device);
    let hidden = extended.encoder().forward(batch.input());
    let again = extended.logits_at(hidden, &all);
    assert_eq!(bits(again), bits(logits.clone()));
    let loss = values(extended.loss(&batch).sum)[0];
    let chosen = values(activation::log_softmax(logits, 1))[21];
    assert!((loss + chosen).abs() < 1e-5, "{loss} {chosen}");
}

#[test]
fn padding_rows_are_taken_before_any_is_appended() {
    let device = crate::device();
    // A vocabulary of 14 tokens in a model of 20 rows.
    let model = tiny::model(&device);
    let batch = tiny::batch(&[masked(&[0, 5, 13, 7, 2], &[2, 3], &[6, 8])], &device);
    let before = said(&model, &batch, 14);
    let old = model.vocabulary_rows(20).unwrap().embedding_values();
    for (new, size, appended) in [(2, 20, vec![]), (6, 20, vec![]), (9, 23, vec![3])] {
        let added = rows(new, 8, &device);
        let extended = model.clone().extend_vocabulary(14, added.clone()).unwrap();
        let config = extended.encoder().config();
        assert_eq!((config.vocab_size, &config.vocab_extensions), (size, &appended));
        let all = extended.vocabulary_rows(size).unwrap().embedding_values();
        assert_eq!(all[..14 * 8], old[..14 * 8]);
        assert_eq!(all[14 * 8..][..new * 8], added.embedding_values());
        // What is padding still is as it was.
        if let Some(rest) = all.get((14 + new) * 8..) {
            assert_eq!(rest, &old[old.len() - rest.len()..]);
        }
        let bias = extended.vocabulary_rows(size).unwrap().bias_values().unwrap();
        assert_eq!(bias[14..14 + new], added.bias_values().unwrap());
        assert_eq!(said(&extended, &batch, 14), before);
    }
    let same = model.clone().extend_vocabulary(20, rows(0, 8, &device)).unwrap();
    assert_eq!(same.encoder().config(), model.encoder().config());
    assert_eq!(said(&same, &batch, 20), said(&model, &batch, 20));
}

#[test]
fn a_step_of_training_moves_new_rows_and_frozen_ones_stay_frozen() {
    let device = crate::device().autodiff();
    // The rows come from a plain device, as an initialiser makes them.
    let model = tiny::model(&device);
    let mut model = model.extend_vocabulary(20, rows(3, 8, &crate::device())).unwrap();
    let config = model.encoder().config().clone();
    let row = masked(&[0, 22, 19, 7, 2], &[2, 3], &[21, 8]);
    let batch = MlmBatch::try_new(&config, &[row], &device).unwrap();
    let before = model.vocabulary_rows(23).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    let losses: Vec<f32> = (0..20)
        .map(|_| {
            let loss = model.loss(&batch).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(1e-2, model.clone(), gradients);
            values(loss)[0]
        })
        .collect();
    assert!(losses[0].is_finite() && losses[19] < 0.5 * losses[0], "{losses:?}");
    let after = model.vocabulary_rows(23).unwrap();
    for id in [20, 21, 22] {
        let row = |rows: &VocabularyRows| rows.embedding_values()[id * 8..][..8].to_vec();
        assert_ne!(row(&before), row(&after), "token {id}");
        let bias = |rows: &VocabularyRows| rows.bias_values().unwrap()[id].to_bits();
        assert_ne!(bias(&before), bias(&after), "token {id}");
    }
    // An optimizer that knew the smaller model goes on with the larger one.
    model = model.extend_vocabulary(23, rows(2, 8, &device)).unwrap();
    let loss = model.loss(&batch).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    model = optimizer.step(1e-2, model, gradients);
    assert!(values(model.loss(&batch).mean())[0].is_finite());

    let frozen = tiny::model(&device).no_grad();
    let frozen = frozen.extend_vocabulary(20, rows(3, 8, &device)).unwrap();
    assert!(!frozen.encoder().word_embedding().is_require_grad());
    let plain = tiny::model(&crate::device()).extend_vocabulary(20, rows(3, 8, &device)).unwrap();
    assert!(!plain.encoder().word_embedding().is_autodiff());
    // What was made on a plain device can be trained afterwards, if that was so before.
    assert!(plain.train().encoder().word_embedding().is_require_grad());
}

#[test]
fn an_extended_model_comes_back_from_its_checkpoint_with_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let device = crate::device();
    let batch = tiny::batch(&tiny::rows(), &device);
    let model = tiny::model(&device);
    save_checkpoint(&dir.path().join("old"), &model).unwrap();
    let json = |name: &str| std::fs::read_to_string(dir.path().join(name).join("config.json"));
    assert!(!json("old").unwrap().contains("vocab_extensions"));

    let extended = model.extend_vocabulary(20, rows(64, 8, &device)).unwrap();
    let extended = extended.extend_vocabulary(84, rows(3, 8, &device)).unwrap();
    save_checkpoint(&dir.path().join("new"), &extended).unwrap();
    assert!(json("new").unwrap().contains("\"vocab_size\": 87"));
    let loaded: MaskedLanguageModel = load_checkpoint(&dir.path().join("new"), &device).unwrap();
    assert_eq!(loaded.encoder().config(), extended.encoder().config());
    assert_eq!(said(&loaded, &batch, 87), said(&extended, &batch, 87));
    let again = loaded.extend_vocabulary(87, rows(9, 8, &device)).unwrap();
    assert_eq!(again.encoder().config().vocab_extensions, [64, 3, 9]);
    assert_eq!(said(&again, &batch, 87), said(&extended, &batch, 87));

    let wrong = json("new").unwrap().replace("\"vocab_size\": 87", "\"vocab_size\": 67");
    std::fs::write(dir.path().join("new/config.json"), wrong).unwrap();
    let error = load_checkpoint::<MaskedLanguageModel>(&dir.path().join("new"), &device);
    let error = std::error::Error::source(&error.unwrap_err()).unwrap().to_string();
    assert_eq!(
        error,
        "encoder configuration: `vocab_extensions` is `67`, expected a sum less than \
         `vocab_size`, 67"
    );
}

#[test]
fn an_imported_model_can_be_extended() {
    let device = crate::device();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pretrained/xlmr-mlm");
    let model =
        Pretrained::<MaskedLanguageModel>::open(fixture.as_ref(), &device).unwrap().into_model();
    let config = model.encoder().config().clone();
    let row = masked(&[0, 5, 19, 7, 8, 2], &[2, 4], &[6, 18]);
    let batch = MlmBatch::try_new(&config, &[row], &device).unwrap();
    let before = said(&model, &batch, config.vocab_size);
    let new = rows(300, config.d_model, &device);
    let extended = model.extend_vocabulary(config.vocab_size, new).unwrap();
    assert_eq!(said(&extended, &batch, config.vocab_size), before);
    let dir = tempfile::tempdir().unwrap();
    save_checkpoint(&dir.path().join("m"), &extended).unwrap();
    let loaded: MaskedLanguageModel = load_checkpoint(&dir.path().join("m"), &device).unwrap();
    assert_eq!(said(&loaded, &batch, 320), said(&extended, &batch, 320));
}

#[test]
fn encoders_and_classifiers_grow_alike() {
    let device = crate::device();
    let inputs = [SequenceInput::new(vec![0, 5, 6, 2]), SequenceInput::new(vec![0, 9, 2])];
    let batch = EncoderBatch::try_new(&tiny::config(), &inputs).unwrap().to_device(&device);
    let new = || VocabularyRows::new(rows(4, 8, &device).embedding);

    let encoder = tiny::model(&device).into_encoder();
    let extended = encoder.clone().extend_vocabulary(20, new()).unwrap();
    assert_eq!(bits(extended.forward(&batch)), bits(encoder.forward(&batch)));
    assert_eq!(extended.vocabulary_rows(24).unwrap().tokens(), 24);
    // A head that is put on later is of the larger size, in one product for each part.
    let model = MaskedLanguageModel::from_encoder(extended, Seed::new(1), &device);
    let mlm = MlmBatch::try_new(model.encoder().config(), &tiny::rows(), &device).unwrap();
    assert_eq!(model.logits(&mlm).dims(), [3, 24]);

    let config = ClassifierConfig::new(tiny::config(), 3);
    let classifier = config.try_init(&device, Seed::new(1)).unwrap();
    let extended = classifier.clone().extend_vocabulary(20, new()).unwrap();
    assert_eq!(extended.config().encoder.vocab_size, 24);
    assert_eq!(bits(extended.forward(&batch)), bits(classifier.forward(&batch)));
}

#[test]
fn probabilities_are_shared_with_the_new_tokens() {
    let device = crate::device();
    let model = tiny::model(&device);
    let batch = tiny::batch(&tiny::rows(), &device);
    let extended = model.clone().extend_vocabulary(20, rows(5, 8, &device)).unwrap();
    let old = model.score(&batch).log_probabilities;
    let new = extended.score(&batch).log_probabilities;
    assert!(old.iter().zip(&new).all(|(old, new)| new < old), "{old:?} {new:?}");
    // Among the old tokens alone they are what they were.
    let among = activation::log_softmax(extended.logits(&batch).narrow(1, 0, 20), 1);
    let before = activation::log_softmax(model.logits(&batch), 1);
    assert!(largest_difference(&values(among), &values(before)) < 1e-6);
}

#[test]
fn rows_that_do_not_fit_are_refused_with_both_shapes() {
    let device = crate::device();
    let model = tiny::model(&device);
    let message = |vocab_size, rows| {
        model.clone().extend_vocabulary(vocab_size, rows).unwrap_err().to_string()
    };
    let fitting = || rows(3, 8, &device);
    assert_eq!(
        message(20, rows(3, 7, &device)),
        "new rows: `embedding` has shape [3, 7], expected [3, 8]"
    );
    assert_eq!(
        message(20, fitting().with_bias(Tensor::zeros([4], &device))),
        "new rows: `bias` has shape [4], expected [3]"
    );
    assert_eq!(
        message(20, VocabularyRows::new(fitting().embedding)),
        "new rows: `bias` is absent, expected given"
    );
    assert_eq!(
        message(21, fitting()),
        "a vocabulary of 21 tokens, expected more than the padding id, 1, and at most the 20 rows \
         of the model"
    );
    // That would overwrite the padding.
    assert!(message(1, fitting()).starts_with("a vocabulary of 1 tokens"));
    let encoder = model.clone().into_encoder();
    assert_eq!(
        encoder.extend_vocabulary(20, fitting()).unwrap_err().to_string(),
        "new rows: `bias` is given, expected absent"
    );
    assert!(model.vocabulary_rows(21).is_err());
    assert_eq!(
        message(20, fitting().with_output(Tensor::zeros([3, 8], &device))),
        "new rows: `output` is given, expected absent"
    );
}

#[test]
fn an_output_of_its_own_grows_with_the_vocabulary() {
    let device = crate::device();
    let config = MlmConfig::new(tiny::config()).with_tied(false);
    let model = config.try_init(&device, tiny::SEED).unwrap();
    let batch = tiny::batch(&tiny::rows(), &device);
    let error = model.clone().extend_vocabulary(20, rows(5, 8, &device)).unwrap_err().to_string();
    assert_eq!(error, "new rows: `output` is absent, expected given");
    // The old rows of the output, as those of new tokens.
    let old = model.vocabulary_rows(20).unwrap().output.unwrap();
    let new = rows(5, 8, &device).with_output(old.clone().narrow(0, 3, 5));
    let extended = model.clone().extend_vocabulary(20, new).unwrap();
    assert_eq!(said(&extended, &batch, 20), said(&model, &batch, 20));
    let grown = extended.vocabulary_rows(25).unwrap().output.unwrap();
    assert_eq!(bits(grown.clone().narrow(0, 0, 20)), bits(old.clone()));
    assert_eq!(bits(grown.narrow(0, 20, 5)), bits(old.narrow(0, 3, 5)));
    assert_eq!(extended.config().encoder.vocab_size, 25);
}
