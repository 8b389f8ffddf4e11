//! Parity with transformers, family by family, and directories that are not as they should be.

use std::fs;
use std::path::Path;

use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::Device;
use isogloss_transformer::{
    AnsweredSequence, AnyPretrained, CheckpointError, ClassificationBatch, ClassificationObjective,
    Encoder, EncoderBatch, Family, HasEncoder, LabelledTokens, Logits, MaskedLanguageModel,
    MaskedSequence, MlmBatch, MlmObjective, NormOrder, Objective, Pretrained, PretrainedModel,
    QuestionAnswerer, QuestionAnsweringBatch, QuestionAnsweringObjective, RegressionBatch,
    RegressionObjective, SaveOptions, SequenceClassifier, TokenClassificationBatch,
    TokenClassifier, WeightType,
};
use serde_json::Value;

use crate::reference::{Batch, CASES, Tensors, dir};
use crate::tiny::{largest_difference, values};

/// Asserts that numbers are those of transformers.
fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let difference = largest_difference(found, expected);
    let tolerance = tolerance * isogloss_testing::slack();
    assert!(difference <= tolerance, "{what}: off by {difference}");
}

/// A copy of a directory that a test may spoil.
fn copy_of(case: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(dir(case)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// Changes `config.json` of a directory.
fn edit(dir: &Path, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    let path = dir.join("config.json");
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(json.as_object_mut().unwrap());
    fs::write(&path, json.to_string()).unwrap();
}

fn assert_same_numbers(case: &str) {
    let device = crate::device();
    let model = AnyPretrained::open(&dir(case), &device).unwrap();
    let expected = Tensors::read(&dir(case).join("expected.safetensors"));
    let config = model.encoder().config();
    let batch = Batch::of(&expected, config);
    let input = EncoderBatch::try_from_padded(config, batch.seq_len, &batch.padded).unwrap();
    let input = input.to_device(&device);
    for layer in 0..=config.n_layers {
        let name = format!("hidden_states.{layer}");
        let found = values(model.encoder().forward_layers(&input, layer));
        let expected = expected.floats(&name);
        let found = batch.at_tokens(&found);
        assert_close(&format!("{case} {name}"), &found, &batch.at_tokens(expected), 1e-5);
    }
    // Of one pass.
    let mut next = 0;
    model.encoder().for_each_layer(&input, |layer, states| {
        assert_eq!(layer, next, "{case}");
        let name = format!("hidden_states.{layer}");
        let expected = batch.at_tokens(expected.floats(&name));
        let found = batch.at_tokens(&values(states.tokens()));
        assert_close(&format!("{case} {name}, one pass"), &found, &expected, 1e-5);
        next += 1;
    });
    assert_eq!(next, config.n_layers + 1, "{case}");
    let output = model.forward(&input);
    let [found, last] = [output.hidden, model.encoder().forward(&input)].map(values);
    assert_close(case, &batch.at_tokens(&found), &batch.at_tokens(&last), 1e-5);
    match output.logits {
        None => assert!(!expected.floats.contains_key("loss"), "{case}"),
        Some(Logits::Sequences(logits)) => {
            assert_close(case, &values(logits), expected.floats("logits"), 1e-4);
        }
        Some(Logits::Tokens(logits)) => {
            let expected = batch.at_tokens(expected.floats("logits"));
            assert_close(case, &batch.at_tokens(&values(logits)), &expected, 1e-4);
        }
        Some(Logits::Spans(logits)) => {
            let [starts, ends] = ["start_logits", "end_logits"].map(|name| expected.floats(name));
            let pairs = starts.iter().zip(ends).flat_map(|(&start, &end)| [start, end]);
            let pairs: Vec<f32> = pairs.collect();
            assert_close(case, &values(logits), &pairs, 1e-4);
        }
        Some(other) => unreachable!("{other:?}"),
    }
    let others =
        [("pooler_output", output.pooled), ("seq_relationship_logits", output.next_sentence)];
    for (name, found) in others {
        if let Some((_, expected)) = expected.floats.get(name) {
            assert_close(case, &values(found.unwrap()), expected, 1e-5);
        }
    }
}

#[test]
fn hidden_states_and_scores_are_those_of_transformers() {
    for case in CASES {
        assert_same_numbers(case);
    }
}

/// Opens a copy without dropout, takes one step at rate 1, and returns the loss before it and the
/// tensors after it under their names in the file.
fn step<M, O>(
    case: &str,
    objective: &O,
    batch: impl FnOnce(&M, &Batch, &Tensors, &Device) -> O::Batch,
) -> (f32, Tensors)
where
    M: PretrainedModel,
    O: Objective<M>,
{
    let copy = copy_of(case);
    edit(copy.path(), |json| {
        for (_, value) in json.iter_mut().filter(|(field, _)| field.contains("drop")) {
            *value = 0.0.into();
        }
    });
    let device = crate::device().autodiff();
    let pretrained = Pretrained::<M>::open(copy.path(), &device).unwrap();
    let expected = Tensors::read(&dir(case).join("expected.safetensors"));
    let reference = Batch::of(&expected, pretrained.model().encoder().config());
    let batch = batch(pretrained.model(), &reference, &expected, &device);
    let loss = objective.loss(pretrained.model(), &batch).mean();
    let value = values(loss.clone())[0];
    let gradients = GradientsParams::from_grads(loss.backward(), pretrained.model());
    let model = pretrained.model().clone();
    let stepped = SgdConfig::new().init().step(1.0, model, gradients);
    let out = copy.path().join("stepped");
    pretrained.with_model(stepped).save(&out, &SaveOptions::new("# A step\n")).unwrap();
    (value, Tensors::read(&out.join("model.safetensors")))
}

fn step_of(case: &str) -> (f32, Tensors) {
    if case.ends_with("classes") {
        step(
            case,
            &ClassificationObjective::default(),
            |model: &SequenceClassifier, batch, _, device| {
                let config = model.config();
                let classes = batch.labels.as_ref().unwrap().iter();
                let classes: Vec<_> = classes.map(|&class| u32::try_from(class).unwrap()).collect();
                let rows = batch.rows(&config.encoder);
                ClassificationBatch::try_new(&config, &rows, &classes, device).unwrap()
            },
        )
    } else if case.ends_with("score") {
        step(case, &RegressionObjective, |model: &SequenceClassifier, batch, expected, device| {
            let config = model.config();
            let targets: Vec<_> = expected.floats("targets").chunks(config.n_classes).collect();
            let rows = batch.rows(&config.encoder);
            RegressionBatch::try_new(&config, &rows, &targets, device).unwrap()
        })
    } else if case.ends_with("spans") {
        let objective = QuestionAnsweringObjective;
        step(case, &objective, |model: &QuestionAnswerer, batch, expected, device| {
            let [starts, ends] = ["start_positions", "end_positions"].map(|name| {
                let places = expected.ints[name].1.iter();
                places.map(|&place| usize::try_from(place).unwrap()).collect::<Vec<_>>()
            });
            let rows = batch.rows(&model.config().encoder).into_iter().zip(starts).zip(ends);
            let rows: Vec<_> =
                rows.map(|((input, start), end)| AnsweredSequence { input, start, end }).collect();
            QuestionAnsweringBatch::try_new(&model.config(), &rows, device).unwrap()
        })
    } else if case.ends_with("tags") {
        step(
            case,
            &ClassificationObjective::default(),
            |model: &TokenClassifier, batch, _, device| {
                let config = model.config();
                let rows = batch.rows(&config.encoder).into_iter().zip(batch.labels());
                let rows: Vec<_> = rows
                    .map(|(input, (positions, classes))| LabelledTokens {
                        input,
                        positions,
                        classes,
                    })
                    .collect();
                TokenClassificationBatch::try_new(&config, &rows, device).unwrap()
            },
        )
    } else {
        step(case, &MlmObjective, |model: &MaskedLanguageModel, batch, _, device| {
            let config = model.encoder().config();
            let rows = batch.rows(config).into_iter().zip(batch.labels());
            let rows: Vec<_> = rows
                .map(|(input, (positions, labels))| MaskedSequence { input, positions, labels })
                .collect();
            MlmBatch::try_new(config, &rows, device).unwrap()
        })
    }
}

#[test]
fn a_step_of_training_is_that_of_transformers() {
    for case in CASES.into_iter().filter(|case| !case.ends_with("encoder")) {
        let (loss, found) = step_of(case);
        let expected = Tensors::read(&dir(case).join("expected.safetensors"));
        assert_close(case, &[loss], expected.floats("loss"), 1e-5);
        let expected = Tensors::read(&dir(case).join("stepped.safetensors"));
        let names: Vec<_> = expected.floats.keys().collect();
        assert_eq!(found.floats.keys().collect::<Vec<_>>(), names, "{case}");
        for name in names {
            let what = format!("{case} {name}");
            assert_eq!(found.floats[name].0, expected.floats[name].0, "{what}");
            assert_close(&what, found.floats(name), expected.floats(name), 1e-4);
        }
    }
}

#[test]
fn a_copy_has_the_same_bytes_in_it() {
    let device = crate::device();
    for case in CASES {
        let model = AnyPretrained::open(&dir(case), &device).unwrap();
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("copy");
        model.save(&out, &SaveOptions::new("# A copy\n")).unwrap();
        let copy = AnyPretrained::open(&out, &device).unwrap();
        assert_eq!((copy.family(), copy.head()), (model.family(), model.head()), "{case}");
        // Nothing is transformed on the way, so that what the original opens has its own numbers.
        let original = dir(case).join("model.safetensors");
        if original.is_file() && !["bert-encoder", "xlmr-untied"].contains(&case) {
            let [mut copy, original] =
                [out.join("model.safetensors"), original].map(|path| Tensors::read(&path).floats);
            if case == "distilbert-encoder" || case == "xlm-encoder" {
                // A table of sines is written whether or not the original has it.
                copy.retain(|name, _| original.contains_key(name));
            }
            assert_eq!(copy, original, "{case}");
        }
        let json = |dir: &Path| -> Value {
            serde_json::from_str(&fs::read_to_string(dir.join("config.json")).unwrap()).unwrap()
        };
        assert_eq!(json(&out)["architectures"], json(&dir(case))["architectures"], "{case}");
        assert_eq!(fs::read_to_string(out.join("README.md")).unwrap(), "# A copy\n");
    }
}

/// The error and what lies behind it, in one text.
fn error_of(dir: &Path) -> String {
    let error = AnyPretrained::open(dir, &crate::device()).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error}: {source}")
}

#[test]
fn what_is_not_supported_is_named_beside_what_is() {
    let copy = copy_of("xlmr-mlm");
    edit(copy.path(), |json| json["model_type"] = "llama".into());
    let error = error_of(copy.path());
    assert!(
        error.contains(
            "`model_type` is `llama`, which is not supported; supported are bert, distilbert, xlm, \
             xlm-roberta, xlm-roberta-xl"
        ),
        "{error}"
    );
    let copy = copy_of("xlmr-mlm");
    edit(copy.path(), |json| json["architectures"] = vec!["XLMRobertaForMultipleChoice"].into());
    let error = error_of(copy.path());
    assert!(error.contains("`architectures` is `XLMRobertaForMultipleChoice`"), "{error}");
    assert!(error.contains("XLMRobertaForSequenceClassification"), "{error}");
    let copy = copy_of("bert-mlm");
    edit(copy.path(), |json| {
        json["hidden_act"] = "mish".into();
        json["position_embedding_type"] = "relative_key".into();
        json["num_attention_heads"] = 3.into();
    });
    let error = error_of(copy.path());
    for part in [
        "`hidden_act` is `mish`, expected one of gelu, gelu_new",
        "`position_embedding_type` is `relative_key`, expected absolute",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named_in_one_error() {
    let copy = copy_of("xlmr-mlm");
    edit(copy.path(), |json| {
        json["num_hidden_layers"] = 1.into();
        json["vocab_size"] = 21.into();
    });
    let error = error_of(copy.path());
    for part in [
        "`roberta.embeddings.word_embeddings.weight` has shape [20, 8], expected [21, 8]",
        "`roberta.encoder.layer.1.attention.self.query.weight` is unexpected",
    ] {
        assert!(error.contains(part), "{error}");
    }
    edit(copy.path(), |json| {
        json["num_hidden_layers"] = 3.into();
        json["vocab_size"] = 20.into();
    });
    let error = error_of(copy.path());
    assert!(error.contains("`encoder.layer.2.output.dense.weight` is missing"), "{error}");
}

#[test]
fn a_directory_without_its_weights_is_named() {
    let copy = copy_of("xlmr-mlm");
    fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    let error = error_of(copy.path());
    assert!(error.contains("model.safetensors or pytorch_model.bin"), "{error}");

    let copy = copy_of("xlmr-encoder");
    let shard = fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().path());
    let shard = shard.into_iter().find(|path| path.to_string_lossy().contains("-00002-")).unwrap();
    fs::remove_file(&shard).unwrap();
    assert!(error_of(copy.path()).contains("-00002-"), "{}", error_of(copy.path()));
    let index = copy.path().join("model.safetensors.index.json");
    let text = fs::read_to_string(&index).unwrap().replace("model-00002", "../model-00002");
    fs::write(&index, text).unwrap();
    assert!(error_of(copy.path()).contains("is not the name of a file beside it"));
    assert!(error_of(Path::new("nowhere")).contains("nowhere"));
}

#[test]
fn a_head_without_a_place_is_left_out_by_name() {
    let device = crate::device();
    let encoder = Pretrained::<Encoder>::open(&dir("bert-next"), &device).unwrap();
    let heads = [
        "cls.predictions.bias",
        "cls.predictions.transform.LayerNorm.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.dense.weight",
        "cls.seq_relationship.bias",
        "cls.seq_relationship.weight",
    ];
    assert_eq!(encoder.left_out(), heads);
    // The pooler is the encoder's own.
    assert!(encoder.model().pooler().is_some());
    let whole = Pretrained::<MaskedLanguageModel>::open(&dir("bert-next"), &device).unwrap();
    assert!(whole.left_out().is_empty());
    // A head that the file lacks is missing, not made up.
    let error = Pretrained::<TokenClassifier>::open(&dir("bert-next"), &device).unwrap_err();
    assert!(error.to_string().contains("`classifier.weight` is missing"), "{error}");
}

/// Writes `model.safetensors` anew under other names; `None` leaves a tensor out.
fn rename(dir: &Path, name: impl Fn(&str) -> Option<String>) {
    let path = dir.join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let renamed = file.iter().filter_map(|(old, view)| Some((name(old)?, view)));
    fs::write(&path, safetensors::serialize(renamed, None).unwrap()).unwrap();
}

#[test]
fn old_names_and_missing_prefixes_are_read() {
    let device = crate::device();
    let words = |dir: &Path| {
        let model = Pretrained::<MaskedLanguageModel>::open(dir, &device).unwrap().into_model();
        let bias = model.head().clone();
        (values(model.encoder().word_embedding()), format!("{bias}"))
    };
    let expected = words(&dir("bert-next"));
    let copy = copy_of("bert-next");
    rename(copy.path(), |name| {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        Some(name.replace("LayerNorm.bias", "LayerNorm.beta"))
    });
    assert_eq!(words(copy.path()), expected);
    // One of two names for one bias.
    rename(copy.path(), |name| {
        Some(name.replace("cls.predictions.bias", "cls.predictions.decoder.bias"))
    });
    assert_eq!(words(copy.path()), expected);
    rename(copy.path(), |name| Some(name.replace("cls.predictions.decoder.bias", "bias.of.what")));
    let error = error_of(copy.path());
    assert!(error.contains("`bias.of.what` is unexpected"), "{error}");
    assert!(error.contains("`cls.predictions.bias` is missing"), "{error}");
}

#[test]
fn half_precision_is_written_and_widened() {
    let device = crate::device();
    let model = Pretrained::<MaskedLanguageModel>::open(&dir("xlmr-mlm"), &device).unwrap();
    let words = values(model.model().encoder().word_embedding());
    for (weight_type, places) in [(WeightType::F16, 11), (WeightType::BF16, 8)] {
        let out = tempfile::tempdir().unwrap();
        let out = out.path().join("half");
        let options = SaveOptions::new("# Half\n").with_weight_type(weight_type);
        model.save(&out, &options).unwrap();
        let whole = fs::metadata(dir("xlmr-mlm").join("model.safetensors")).unwrap().len();
        assert!(fs::metadata(out.join("model.safetensors")).unwrap().len() < whole * 4 / 5);
        let half = Pretrained::<MaskedLanguageModel>::open(&out, &device).unwrap();
        for (found, word) in values(half.model().encoder().word_embedding()).iter().zip(&words) {
            assert!((found - word).abs() <= word.abs() * 2_f32.powi(-places), "{found} {word}");
        }
    }
}

#[test]
fn a_shape_that_a_family_does_not_have_is_refused() {
    let device = crate::device();
    let pre = crate::tiny::config().with_norm(NormOrder::Pre).with_layer_norm_eps(1e-5);
    let model = MaskedLanguageModel::try_init(&pre, &device, crate::tiny::SEED).unwrap();
    let error = Pretrained::new(model, Family::XlmRoberta).unwrap_err();
    assert!(matches!(error, CheckpointError::Inexpressible { field: "position_offset", .. }));
    let config = pre.with_norm(NormOrder::Post).with_position_offset(2).with_n_token_types(1);
    let model = MaskedLanguageModel::try_init(&config, &device, crate::tiny::SEED).unwrap();
    let error = Pretrained::new(model.clone(), Family::Xlm).unwrap_err();
    assert!(error.to_string().contains("xlm"), "{error}");
    // A model of our own that is of the family's shape becomes one of it, vocabulary extended or not.
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("own");
    let own = Pretrained::new(model, Family::XlmRoberta).unwrap();
    own.save(&out, &SaveOptions::new("# Own\n")).unwrap();
    let opened = Pretrained::<MaskedLanguageModel>::open(&out, &device).unwrap();
    assert_eq!(opened.model().encoder().config(), &config);
}

#[test]
fn a_damaged_file_is_named_and_never_half_read() {
    let copy = copy_of("xlmr-mlm");
    let path = copy.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = 8 + usize::from(whole[0]) + 256 * usize::from(whole[1]);
    for (bytes, fault) in [
        (whole[..4].to_vec(), "model.safetensors"),
        (whole[..100].to_vec(), "its header says"),
        (whole[..header + 10].to_vec(), "10 bytes of tensors, expected"),
        ([&8_u64.to_le_bytes(), b"no json!".as_slice()].concat(), "is none of safetensors"),
        ([&whole, b"more".as_slice()].concat(), "bytes of tensors, expected"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = error_of(copy.path());
        assert!(error.contains(fault), "{fault}: {error}");
    }
}
