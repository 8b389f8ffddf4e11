//! Adapters that `peft` and `adapters` saved on models of transformers, and ours there
//! (`fixtures/adapters`).

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use burn::tensor::Device;
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, AdapterConfig, AdapterHost, BitFitConfig, BottleneckConfig, BottleneckInit,
    FusionConfig, LoraConfig, Targets, activate, active_adapters, adapters, attach, attach_fusion,
    detach, detach_all, fusion_penalty, load_adapter, load_fusion, merge, save_adapter,
    save_fusion, trainable_parameter_count,
};
use isogloss_testing::assert_close;
use isogloss_transformer::Quantization;
use isogloss_transformer::{
    AnyPretrained, Encoder, EncoderBatch, HasEncoder, Logits, MaskedLanguageModel, Pretrained,
    PretrainedHead, PretrainedModel, QuestionAnswerer, SequenceClassifier, TokenClassifier,
    head_modules,
};

use crate::reference::{self, Batch, Tensors};
use crate::tiny::values;

const CASES: [&str; 29] = [
    "compacter",
    "distilbert",
    "double-seq-bn",
    "mad-x",
    "mam",
    "norms",
    "par-bn",
    "peft-bert-classes",
    "peft-bert-embeddings",
    "peft-bert-mlm",
    "peft-distilbert-mlm",
    "peft-prefix",
    "peft-prefix-classes",
    "peft-prompt-classes",
    MADE_BY_A_NETWORK,
    "peft-prompt-spans",
    "peft-prompt-tags",
    "peft-xl-mlm",
    "peft-xlm-tlm",
    "peft-xlmr-encoder",
    "peft-xlmr-spans",
    "peft-xlmr-tags",
    "plus",
    "prefix",
    "prefix-flat",
    "prompt",
    "prompt-after-first",
    "scaled",
    "seq-bn",
];

/// A prompt whose network is not trained here.
const MADE_BY_A_NETWORK: &str = "peft-prompt-made";

const TOLERANCE: f32 = 1e-4;

fn dir(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/adapters").join(case)
}

/// What is done with a model, whatever its head.
trait Change {
    fn change<M: PretrainedModel + AdapterHost>(&self, model: M) -> M;
}

fn changed<M>(base: &Path, change: &impl Change, device: &Device) -> AnyPretrained
where
    M: PretrainedModel + AdapterHost,
    AnyPretrained: From<Pretrained<M>>,
{
    let opened = Pretrained::<M>::open(base, device).unwrap();
    let model = change.change(opened.model().clone());
    opened.with_model(model).into()
}

/// The directory of the checkpoint that a case is of.
fn base_of(case: &str) -> PathBuf {
    reference::dir(fs::read_to_string(dir(case).join("base")).unwrap().trim())
}

/// The checkpoint with an adapter.
fn loaded(case: &str, adapter: &Path, device: &Device) -> AnyPretrained {
    let base = AnyPretrained::open(&base_of(case), device).unwrap();
    base.with_adapter("it", adapter, device).unwrap().0
}

/// The checkpoint, with what was done to it.
fn with(case: &str, change: &impl Change, device: &Device) -> AnyPretrained {
    let base = base_of(case);
    match AnyPretrained::open(&base, device).unwrap().head() {
        PretrainedHead::Tokens => changed::<MaskedLanguageModel>(&base, change, device),
        PretrainedHead::Sequences => changed::<SequenceClassifier>(&base, change, device),
        PretrainedHead::TokenClasses => changed::<TokenClassifier>(&base, change, device),
        PretrainedHead::Spans => changed::<QuestionAnswerer>(&base, change, device),
        _ => changed::<Encoder>(&base, change, device),
    }
}

struct Merged<'a>(&'a Path, &'a Device);

impl Change for Merged<'_> {
    fn change<M: PretrainedModel + AdapterHost>(&self, model: M) -> M {
        merge(load_adapter(model, "it", self.0, self.1).unwrap().0).unwrap().0
    }
}

/// The hidden states at tokens and the scores, of the batch that the case's checkpoint was given.
fn outputs(model: &AnyPretrained, case: &str, device: &Device) -> (Vec<f32>, Option<Vec<f32>>) {
    let inputs = Tensors::read(&base_of(case).join("expected.safetensors"));
    let config = model.encoder().config();
    let batch = Batch::of(&inputs, config);
    let input = EncoderBatch::try_from_padded(config, batch.seq_len, &batch.padded).unwrap();
    let found = model.forward(&input.to_device(device));
    let logits = found.logits.map(|logits| match logits {
        Logits::Tokens(logits) | Logits::Spans(logits) => batch.at_tokens(&values(logits)),
        Logits::Sequences(logits) => values(logits),
        _ => Vec::new(),
    });
    (batch.at_tokens(&values(found.hidden)), logits)
}

/// The same as another library wrote it down.
fn expected(path: &Path, case: &str) -> (Vec<f32>, Option<Vec<f32>>) {
    let inputs = Tensors::read(&base_of(case).join("expected.safetensors"));
    let device = crate::device();
    let opened = AnyPretrained::open(&base_of(case), &device).unwrap();
    let batch = Batch::of(&inputs, opened.encoder().config());
    let expected = Tensors::read(path);
    let logits = expected.floats.get("logits").map(|(shape, numbers)| {
        if shape.len() == 3 { batch.at_tokens(numbers) } else { numbers.clone() }
    });
    (batch.at_tokens(expected.floats("hidden")), logits)
}

fn assert_outputs(model: &AnyPretrained, path: &Path, case: &str, device: &Device) {
    let (found, theirs) = (outputs(model, case, device), expected(path, case));
    assert_close(&found.0, &theirs.0, TOLERANCE);
    // Of spans they wrote two tensors, which are not here.
    if let (Some(found), Some(theirs)) = (found.1, theirs.1) {
        assert_close(&found, &theirs, TOLERANCE);
    }
}

#[test]
fn adapters_of_others_make_of_models_what_they_make_there() {
    let device = crate::device();
    for case in CASES {
        let model = loaded(case, &dir(case), &device);
        assert_outputs(&model, &dir(case).join("expected.safetensors"), case, &device);
        // A table is shared with the head, and so not merged into; what stands before tokens has no layer.
        let stays = ["embeddings", "prefix", "prompt"].iter().any(|it| case.contains(it));
        if case.starts_with("peft") && !stays {
            let merged = with(case, &Merged(&dir(case), &device), &device);
            assert_outputs(&merged, &dir(case).join("expected.safetensors"), case, &device);
        }
    }
}

#[test]
fn a_task_s_adapter_acts_on_a_language_s() {
    let device = crate::device();
    let base = AnyPretrained::open(&base_of("seq-bn"), &device).unwrap();
    let (model, read) = base.with_adapter("language", &dir("mad-x"), &device).unwrap();
    assert_eq!(read.left_out, Vec::<String>::new());
    let (model, read) = model.with_adapter("task", &dir("seq-bn"), &device).unwrap();
    // Its head came with it.
    assert_eq!(read.attached.full, ["output.bias", "output.weight"]);
    assert_eq!(model.adapters().active.to_string(), "stack(language, task)");
    let (found, _) = outputs(&model, "seq-bn", &device);
    let (theirs, _) = expected(&dir("stack.safetensors"), "seq-bn");
    assert_close(&found, &theirs, TOLERANCE);
}

#[test]
fn attention_over_adapters_is_theirs_and_is_written_again() {
    let device = crate::device();
    let tags = Pretrained::<TokenClassifier>::open(&reference::dir("xlmr-tags"), &device).unwrap();
    let (model, _) = load_adapter(tags.model().clone(), "x", &dir("fusion/a"), &device).unwrap();
    let (model, _) = load_adapter(model, "y", &dir("fusion/b"), &device).unwrap();
    let model = load_fusion(model, &["x", "y"], &dir("fusion/both"), &device).unwrap();
    assert_eq!(active_adapters(&model).to_string(), "fuse(x, y)");
    let out = tempfile::tempdir().unwrap();
    let both = out.path().join("both");
    save_fusion(&model, &["x", "y"], &both).unwrap();
    let name = "model_adapter_fusion.safetensors";
    let (found, theirs) =
        (Tensors::read(&both.join(name)), Tensors::read(&dir("fusion/both").join(name)));
    let numbers = |tensors: Tensors| tensors.floats.into_values().collect::<Vec<_>>();
    assert_eq!(numbers(found), numbers(theirs));
    let again = load_fusion(detach(model.clone(), "y").unwrap(), &["x", "y"], &both, &device);
    assert!(again.unwrap_err().to_string().starts_with("adapter: `y` is not attached"));
    let model: AnyPretrained = tags.with_model(model).into();
    assert_outputs(&model, &dir("fusion/expected.safetensors"), "fusion", &device);
}

/// Two bottlenecks and attention over them, written to directories.
struct BegunFusion<'a>(&'a Path, &'a Device);
impl Change for BegunFusion<'_> {
    fn change<M: PretrainedModel + AdapterHost>(&self, mut model: M) -> M {
        let Self(out, device) = *self;
        for (name, factor) in [("a", 2.0), ("b", 4.0)] {
            let config = BottleneckConfig::pfeiffer()
                .with_reduction_factor(factor)
                .with_init(BottleneckInit::Bert);
            let config = AdapterConfig::Bottleneck(config);
            (model, _) = attach(model, name, &config, Seed::new(6), device).unwrap();
            save_adapter(&model, name, &AdapterCard::default(), &out.join(name)).unwrap();
        }
        let config = FusionConfig::default();
        let model = attach_fusion(model, &["a", "b"], &config, Seed::new(7), device).unwrap();
        save_fusion(&model, &["a", "b"], &out.join("both")).unwrap();
        model
    }
}

#[test]
fn attention_that_was_begun_here_is_that_which_adapters_opened() {
    let device = crate::device();
    let writes = std::env::var_os("ISOGLOSS_WRITE_FIXTURES").is_some();
    let (out, committed) = (tempfile::tempdir().unwrap(), dir("ours/fusion"));
    let path = if writes { committed.as_path() } else { out.path() };
    let model = with("fusion", &BegunFusion(path, &device), &device);
    for file in ["a/adapter", "b/adapter", "both/model_adapter_fusion"] {
        let file = format!("{file}.safetensors");
        let [found, theirs] =
            [path, committed.as_path()].map(|dir| Tensors::read(&dir.join(&file)).floats);
        assert_eq!(found, theirs, "{file}");
    }
    if !writes {
        assert_outputs(&model, &committed.join("expected.safetensors"), "fusion", &device);
    }
}

#[test]
fn attention_learns_while_the_adapters_under_it_stay() {
    let device = crate::device().autodiff();
    let tags = Pretrained::<TokenClassifier>::open(&reference::dir("xlmr-tags"), &device).unwrap();
    let (model, _) = load_adapter(tags.model().clone(), "x", &dir("fusion/a"), &device).unwrap();
    let (model, _) = load_adapter(model, "y", &dir("fusion/b"), &device).unwrap();
    let error = activate(model.clone(), &"fuse(x, y)".parse().unwrap()).unwrap_err().to_string();
    assert!(
        error.contains("there is no attention over x,y at `encoder.layers.0.adapter`"),
        "{error}"
    );
    let config = FusionConfig::default();
    let model = attach_fusion(model, &["x", "y"], &config, Seed::new(1), &device).unwrap();
    // 3 d² + 2 d for each of two layers.
    assert_eq!(trainable_parameter_count(&model), 2 * (3 * 64 + 16));
    // Values begin as the identity, but for a millionth.
    let penalty = values(fusion_penalty(&model).unwrap());
    assert!(penalty[0] > 0.0 && penalty[0] < 1e-9, "{penalty:?}");
    let error = attach_fusion(model.clone(), &["x", "y"], &config, Seed::new(1), &device);
    assert!(error.unwrap_err().to_string().starts_with("adapter: `x,y` is attached already"));
    // Switched off and on again, it is there still.
    let off = activate(model.clone(), &"x".parse().unwrap()).unwrap();
    let on = activate(off, &"fuse(x, y)".parse().unwrap()).unwrap();
    assert_eq!(active_adapters(&on), active_adapters(&model));
    let bare = detach_all(on).unwrap();
    assert_eq!(bare.num_params(), tags.model().num_params());
    let linear = AdapterConfig::from_json(
        r#"{"peft_type": "LORA", "target_modules": ["query"]}"#,
        Path::new("mine"),
    );
    let (model, _) = attach(model, "z", &linear.unwrap().0, Seed::new(1), &device).unwrap();
    let error = attach_fusion(model, &["x", "z"], &config, Seed::new(1), &device).unwrap_err();
    assert!(error.to_string().contains("is no bottleneck"), "{error}");
}

#[test]
fn a_head_maps_embeddings_back_where_it_did_in_training() {
    let device = crate::device();
    let copy = tempfile::tempdir().unwrap();
    for file in ["adapter_config.json", "adapter.safetensors"] {
        fs::copy(dir("mad-x").join(file), copy.path().join(file)).unwrap();
    }
    let path = copy.path().join("adapter_config.json");
    let json = fs::read_to_string(&path).unwrap();
    fs::write(&path, json.replace("XLMRobertaForMaskedLM", "XLMRobertaAdapterModel")).unwrap();
    let theirs = Tensors::read(&dir("inverse.safetensors"));
    let model = loaded("mad-x", copy.path(), &device);
    let (_, logits) = outputs(&model, "mad-x", &device);
    let inputs = Tensors::read(&reference::dir("xlmr-mlm").join("expected.safetensors"));
    let batch = Batch::of(&inputs, model.encoder().config());
    assert_close(&logits.unwrap(), &batch.at_tokens(theirs.floats("logits")), TOLERANCE);
    // Written again, it says so itself.
    let again = copy.path().join("again");
    model.save_adapter("it", &AdapterCard::default(), &again).unwrap();
    let again = loaded("mad-x", &again, &device);
    let (_, logits) = outputs(&again, "mad-x", &device);
    assert_close(&logits.unwrap(), &batch.at_tokens(theirs.floats("logits")), TOLERANCE);
}

/// A fresh adapter of the configuration that a case has, written to a directory.
struct Begun<'a>(&'a str, &'a Path, &'a Device);
impl Change for Begun<'_> {
    fn change<M: PretrainedModel + AdapterHost>(&self, model: M) -> M {
        let Self(case, out, device) = *self;
        let text = fs::read_to_string(dir(case).join("adapter_config.json")).unwrap();
        let (mut config, card) = AdapterConfig::from_json(&text, Path::new(case)).unwrap();
        if let AdapterConfig::Bottleneck(config) = &mut config {
            // Not as the identity, so that something is compared.
            config.init = BottleneckInit::Bert;
        }
        if !card.heads.is_empty() {
            config = config.with_saved_modules(head_modules(&model));
        }
        let seed = Seed::new(5);
        let (model, _) = attach(model, "mine", &config, seed, device).unwrap();
        save_adapter(&model, "mine", &card, out).unwrap();
        model
    }
}

/// Writes what is begun here, for `check.py` to open with the other libraries.
#[test]
fn adapters_that_were_begun_here_are_those_that_others_opened() {
    let device = crate::device();
    // `ISOGLOSS_WRITE_FIXTURES=1 cargo test`, then `python check.py`, writes new ones down.
    let writes = std::env::var_os("ISOGLOSS_WRITE_FIXTURES").is_some();
    let out = tempfile::tempdir().unwrap();
    for case in CASES.into_iter().filter(|case| *case != MADE_BY_A_NETWORK) {
        let committed = dir("ours").join(case);
        let path = if writes { committed.clone() } else { out.path().join(case) };
        let model = with(case, &Begun(case, &path, &device), &device);
        let file = if case.starts_with("peft") { "adapter_model" } else { "adapter" };
        let file = format!("{file}.safetensors");
        let (found, theirs) =
            (Tensors::read(&path.join(&file)), Tensors::read(&committed.join(&file)));
        let names = |tensors: &Tensors| tensors.floats.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&theirs), "{case}");
        for (name, (shape, numbers)) in &found.floats {
            let (other_shape, others) = &theirs.floats[name];
            assert_eq!(shape, other_shape, "{case}: {name}");
            if case == "peft-prefix-classes" && name == "prompt_embeddings" {
                // A network made it: its sums have another order on other devices.
                assert_close(numbers, others, 1e-5);
            } else {
                assert_eq!(numbers, others, "{case}: {name}");
            }
        }
        if !writes {
            let path = committed.join("expected.safetensors");
            if case == "mad-x" {
                // Under this head they do not map embeddings back; hidden states are the same.
                let (found, theirs) = (outputs(&model, case, &device), expected(&path, case));
                assert_close(&found.0, &theirs.0, TOLERANCE);
            } else {
                assert_outputs(&model, &path, case, &device);
            }
        }
    }
}

#[test]
fn adapters_are_put_on_a_model_in_8_bits_and_saved_from_it() {
    let device = crate::device();
    let dir = dir("peft-xlmr-tags");
    let full = AnyPretrained::open(&base_of("peft-xlmr-tags"), &device).unwrap();
    let small =
        AnyPretrained::open_quantized(&base_of("peft-xlmr-tags"), Quantization::Int8, &device)
            .unwrap();
    let [full, small] =
        [full, small].map(|model| model.with_adapter("it", &dir, &device).unwrap().0);
    let [full, small] = [full, small].map(|model| {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("it");
        model.save_adapter("it", &AdapterCard::default(), &path).unwrap();
        Tensors::read(&path.join("adapter_model.safetensors")).floats
    });
    assert_eq!(full, small);
}

#[test]
fn a_head_of_bert_comes_with_its_pooler() {
    let device = crate::device();
    let classes = Pretrained::<SequenceClassifier>::open(&reference::dir("bert-classes"), &device);
    let classes = classes.unwrap().into_model();
    let config = AdapterConfig::Bottleneck(BottleneckConfig::new(2));
    let config = config.with_saved_modules(head_modules(&classes));
    let (model, report) = attach(classes.clone(), "it", &config, Seed::new(1), &device).unwrap();
    assert_eq!(report.full.len(), 4, "{:?}", report.full);
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("it");
    save_adapter(&model, "it", &AdapterCard::default(), &path).unwrap();
    let (_, read) = load_adapter(classes, "it", &path, &device).unwrap();
    assert_eq!((read.attached.full, read.left_out), (report.full, Vec::new()));
    // Without a head, the encoder says what it has no use for.
    let bert = Pretrained::<Encoder>::open(&reference::dir("bert-encoder"), &device).unwrap();
    let (_, read) = load_adapter(bert.into_model(), "it", &path, &device).unwrap();
    assert_eq!(read.left_out, ["classifier.bias", "classifier.weight"]);
    // A point in its name, and `adapters` could not hold it.
    let error = attach(model, "a.b", &config, Seed::new(1), &device).unwrap_err().to_string();
    assert!(
        error.starts_with("adapter: `name` is `a.b`, expected a name without a point"),
        "{error}"
    );
}

#[test]
fn names_of_a_model_with_a_head_are_found_on_one_without() {
    let device = crate::device();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("it");
    let tags = Pretrained::<TokenClassifier>::open(&reference::dir("xlmr-tags"), &device).unwrap();
    // All modules are written one by one, with the prefix that the head gives them.
    let config = AdapterConfig::Lora(LoraConfig::new(2).with_targets(Targets::all()));
    let (model, report) = attach(tags.into_model(), "it", &config, Seed::new(1), &device).unwrap();
    save_adapter(&model, "it", &AdapterCard::default(), &path).unwrap();
    let bare = Pretrained::<Encoder>::open(&reference::dir("xlmr-encoder"), &device).unwrap();
    let (_, read) = load_adapter(bare.into_model(), "it", &path, &device).unwrap();
    assert_eq!(read.attached.sites.len(), report.sites.len());
}

#[test]
fn an_adapter_in_full_that_came_to_another_model_is_named() {
    let device = crate::device();
    let encoder = Pretrained::<Encoder>::open(&reference::dir("xlmr-encoder"), &device).unwrap();
    let bitfit = AdapterConfig::BitFit(BitFitConfig::default());
    let (model, _) = attach(encoder.model().clone(), "it", &bitfit, Seed::new(1), &device).unwrap();
    let moved = encoder.with_model(model).into_classifier(&["a", "b"], Seed::new(1), &device);
    let error = detach_all(moved.unwrap().into_model()).unwrap_err().to_string();
    assert!(
        error.starts_with("adapter: `it` has `embeddings.norm.beta` in full, which this"),
        "{error}"
    );
}

#[test]
#[should_panic(expected = "a batch of [2, 4] for adapters that differ by Some(3) rows")]
fn a_batch_of_another_number_of_rows_is_not_cut_elsewhere() {
    let device = crate::device();
    let (model, _) = load_adapter(
        Pretrained::<Encoder>::open(&reference::dir("xlmr-encoder"), &device).unwrap().into_model(),
        "it",
        &dir("peft-xlmr-encoder"),
        &device,
    )
    .unwrap();
    // It has biases in full, of which rows have no other.
    let config = AdapterConfig::Lora(LoraConfig::new(1));
    let (model, _) =
        attach(detach(model, "it").unwrap(), "it", &config, Seed::new(1), &device).unwrap();
    let model = activate(model, &"rows(it, base, it)".parse().unwrap()).unwrap();
    let rows = [vec![0, 5, 6, 2], vec![0, 7, 2]].map(isogloss_transformer::SequenceInput::new);
    let batch = EncoderBatch::try_new(model.config(), &rows).unwrap().to_device(&device);
    let _ = model.forward(&batch);
}

#[test]
fn adapters_have_as_many_parameters_as_elsewhere() {
    // Of XLM-R base, by hand: 12 layers of 768, 3,072 wide within.
    let device = crate::device();
    let config = isogloss_transformer::EncoderConfig::new(20)
        .with_d_model(768)
        .with_n_layers(12)
        .with_n_heads(12)
        .with_d_ff(3072)
        .with_max_positions(8)
        .with_position_offset(2);
    let encoder = config.try_init(&device, Seed::new(1)).unwrap();
    let encoder = Pretrained::new(encoder, isogloss_transformer::Family::XlmRoberta).unwrap();
    let encoder = encoder.into_model();
    for (json, parameters) in [
        (r#"{"peft_type": "LORA", "r": 8, "target_modules": ["query", "value"]}"#, 294_912),
        (
            r#"{"peft_type": "LORA", "r": 8, "use_dora": true, "target_modules": ["query", "value"]}"#,
            294_912 + 18_432,
        ),
        (
            r#"{"peft_type": "IA3", "target_modules": ["key", "value", "output.dense"], "feedforward_modules": ["output.dense"]}"#,
            64_512,
        ),
        (r#"{"peft_type": "LORA", "r": 8, "target_modules": ["word_embeddings"]}"#, 6_304),
        (r#"{"peft_type": "LOHA", "r": 8, "target_modules": ["query", "value"]}"#, 589_824),
        (r#"{"peft_type": "LOKR", "r": 8, "target_modules": ["query", "value"]}"#, 26_112),
        (r#"{"peft_type": "VERA", "r": 256, "target_modules": ["query", "value"]}"#, 24_576),
        (
            r#"{"peft_type": "ADALORA", "init_r": 12, "target_modules": ["query", "value"]}"#,
            442_656,
        ),
        (r#"{"peft_type": "BITFIT"}"#, 102_144),
        // A key and a value for each of 12 layers; and through a network of 8, with a bottleneck of 384.
        (r#"{"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 20}"#, 20 * 12 * 2 * 768),
        (r#"{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 20}"#, 20 * 768),
        (
            r#"{"architecture": "union", "configs": [
                {"architecture": "prefix_tuning", "bottleneck_size": 8},
                {"output_adapter": true, "mh_adapter": false, "is_parallel": true, "reduction_factor": 2}
            ]}"#,
            30 * 768 + 8 * 769 + 9 * 12 * 2 * 768 + 7_091_712,
        ),
        (r#"{"mh_adapter": false, "output_adapter": true, "original_ln_before": true}"#, 894_528),
        (r#"{"mh_adapter": true, "output_adapter": true}"#, 1_789_056),
        (r#"{"output_adapter": true, "reduction_factor": 2, "inv_adapter": "nice"}"#, 7_387_776),
        // 4 products of 4 by 4 and 192 by 1 by 6, with biases of 24 and 768.
        (
            r#"{"output_adapter": true, "mh_adapter": false, "reduction_factor": 32, "phm_layer": true, "shared_phm_rule": false}"#,
            12 * (2 * (64 + 4 * 192 + 4 * 6) + 24 + 768),
        ),
    ] {
        let (config, _) = AdapterConfig::from_json(json, Path::new("table")).unwrap();
        let (model, report) =
            attach(encoder.clone(), "it", &config, Seed::new(1), &device).unwrap();
        assert_eq!(report.parameters, parameters, "{json}");
        assert_eq!(adapters(&model).adapters[0].parameters(), parameters, "{json}");
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let device = crate::device();
    let read = |text: &str| {
        AdapterConfig::from_json(text, Path::new("adapter_config.json")).unwrap_err().to_string()
    };
    for (text, expected) in [
        (
            r#"{"config": {"architecture": "reft"}}"#,
            "`architecture` is `reft`, expected bottleneck",
        ),
        (
            r#"{"config": {"output_adapter": true, "phm_layer": true}}"#,
            "`shared_phm_rule` is true, expected false: the library does not keep",
        ),
        (
            r#"{"config": {"output_adapter": true, "inv_adapter": "glow"}}"#,
            "`inv_adapter` is `glow`, expected nice",
        ),
        (r#"{"config": {"output_adapter": true, "use_gating": true}}"#, "`use_gating` is true"),
        (
            r#"{"output_adapter": true, "non_linearity": "sine"}"#,
            "`non_linearity` is `sine`, expected relu",
        ),
        (
            r#"{"output_adapter": true, "reduction_factor": {"0": 2}}"#,
            "`reduction_factor` is without a default",
        ),
    ] {
        let error = read(text);
        assert!(error.contains(expected), "{error}");
    }
    // Layers that there are not, and embeddings averaged.
    let encoder = Pretrained::<Encoder>::open(&reference::dir("xlmr-encoder"), &device).unwrap();
    let text = r#"{"output_adapter": true, "leave_out": [0, 7]}"#;
    let (config, _) = AdapterConfig::from_json(text, Path::new("mine")).unwrap();
    let error = attach(encoder.model().clone(), "it", &config, Seed::new(1), &device).unwrap_err();
    assert!(
        error.to_string().starts_with("adapter: `7` of `leave_out` matches no residual"),
        "{error}"
    );
    let (model, _) = load_adapter(encoder.model().clone(), "a", &dir("mad-x"), &device).unwrap();
    let error = activate(model, &"average(a, base)".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("`a` maps embeddings, and a mean cannot be undone"), "{error}");
    // An adapter for another base: of other widths, of another architecture.
    let error =
        load_adapter(encoder.model().clone(), "a", &dir("distilbert"), &device).unwrap_err();
    assert!(error.to_string().contains("transformer.layer.0"), "{error}");
}
