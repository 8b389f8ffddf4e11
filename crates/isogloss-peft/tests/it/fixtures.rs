//! Adapters that `peft` saved, and what it makes of them: see `fixtures/peft/generate.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, AdapterConfig, Composition, LinearSite, LoadedAdapter, RankAllocation, Targets,
    activate, adapters, attach, effect, load_adapter, merge, penalty, save_adapter, train_only,
    trainable_parameter_count,
};
use isogloss_testing::{assert_close, device};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::host::{Block, values};

const CASES: [&str; 16] = [
    "lora",
    "lora-rs",
    "lora-patterns",
    "lora-except",
    "lora-b-bias",
    "lora-only-bias",
    "lora-all-bias",
    "lora-head",
    "dora",
    "dora-rs-bias",
    "ia3",
    "loha",
    "lokr",
    "lokr-both",
    "vera",
    "adalora",
];

/// Sums of up to 16 products in f32, in another order.
const TOLERANCE: f32 = 2e-5;

pub(crate) fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/peft")
}

pub(crate) type Tensors = BTreeMap<String, (Vec<f32>, Vec<usize>)>;

pub(crate) fn tensors(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| {
        data.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    file.iter()
        .map(|(name, view)| (name.to_owned(), (numbers(view.data()), view.shape().to_vec())))
        .collect()
}

/// The model of `block.py`, with its weights.
pub(crate) fn base(device: &Device) -> Block {
    let file = tensors(&dir().join("base.safetensors"));
    let vector = |name: &str| {
        let (numbers, shape) = file[name].clone();
        Param::<Tensor<1>>::from_data(TensorData::new(numbers, shape), device)
    };
    let linear = |name: &str| {
        let (numbers, shape) = file[&format!("{name}.weight")].clone();
        let weight = Tensor::<2>::from_data(TensorData::new(numbers, shape), device);
        let weight = Param::from_data(weight.transpose().into_data(), device);
        Linear { weight, bias: Some(vector(&format!("{name}.bias"))) }
    };
    let mut block = Block::new(8, device);
    block.up = LinearSite::new(linear("up"));
    block.down = LinearSite::new(linear("down"));
    block.head = linear("head");
    block.norm.gamma = vector("norm.weight");
    block.norm.beta = Some(vector("norm.bias"));
    block
}

pub(crate) fn rows(device: &Device) -> Tensor<2> {
    let (numbers, shape) = tensors(&dir().join("rows.safetensors"))["x"].clone();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn loaded(case: &str, device: &Device) -> (Block, LoadedAdapter) {
    load_adapter(base(device), "it", &dir().join(case), device).unwrap()
}

#[test]
fn adapters_of_peft_make_of_a_model_what_they_make_there() {
    let device = device();
    let x = rows(&device);
    let before = values(base(&device).forward(x.clone()));
    for case in CASES {
        let expected = tensors(&dir().join(case).join("expected.safetensors"));
        let (model, _) = loaded(case, &device);
        assert_close(&values(model.forward(x.clone())), &expected["y"].0, TOLERANCE);
        assert!(effect(&model, "it", |model| model.forward(x.clone())).unwrap() > 1e-2, "{case}");
        let (merged, report) = merge(model).unwrap();
        assert!(report.error < 1e-5, "{case}: {}", report.error);
        assert_close(&values(merged.forward(x.clone())), &expected["merged"].0, TOLERANCE);
        assert_ne!(expected["y"].0, before);
    }
}

#[test]
fn a_step_of_training_comes_to_what_it_comes_to_in_peft() {
    let device = device().autodiff();
    let x = rows(&device);
    for case in CASES {
        let expected = tensors(&dir().join(case).join("expected.safetensors"));
        let (model, read) = loaded(case, &device);
        assert_eq!(trainable_parameter_count(&model), 0, "{case}: frozen unless that is asked for");
        let model = train_only(model, &["it"]).unwrap();
        assert_eq!(trainable_parameter_count(&model), read.attached.parameters, "{case}");
        let loss = model.forward(x.clone()).square().sum();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let model = SgdConfig::new().init().step(0.01, model, gradients);
        // The outputs moved by some tenths.
        assert_close(&values(model.forward(x.clone())), &expected["stepped"].0, 1e-4);
    }
}

/// How many ranks each module has that do something.
fn ranks(model: &mut Block) -> BTreeMap<String, usize> {
    let report = adapters(model);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(report.adapters.len(), 1);
    let dir = out.path().join("it");
    save_adapter(model, "it", &AdapterCard::default(), &dir).unwrap();
    let file = tensors(&dir.join("adapter_model.safetensors"));
    let values = file.into_iter().filter(|(name, _)| name.ends_with("lora_E"));
    let count = |(name, (numbers, _)): (String, (Vec<f32>, Vec<usize>))| {
        let module = name.split('.').nth(2).unwrap().to_owned();
        (module, numbers.iter().filter(|number| **number != 0.0).count())
    };
    values.map(count).collect()
}

#[test]
fn ranks_are_shared_out_as_in_peft() {
    let device = device().autodiff();
    let dir = dir().join("adalora-run");
    let x = rows(&device);
    let (model, _) = load_adapter(base(&device), "it", &dir.join("begin"), &device).unwrap();
    let mut model = train_only(model, &["it"]).unwrap();
    let mut allocation = RankAllocation::try_new(&model, "it", 1000).unwrap().unwrap();
    let text = fs::read_to_string(dir.join("ranks.json")).unwrap();
    let expected: Vec<BTreeMap<String, usize>> = serde_json::from_str(&text).unwrap();
    for (step, expected) in (1..).zip(&expected) {
        if step == 7 {
            // A run that is taken up again knows what it knew.
            let saved = tempfile::tempdir().unwrap();
            allocation.save(saved.path()).unwrap();
            allocation = RankAllocation::try_new(&model, "it", 1000).unwrap().unwrap();
            model = allocation.load(model, saved.path()).unwrap();
        }
        let loss = model.forward(x.clone()).square().mean() + penalty(&model).unwrap();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        allocation.observe(&model, &gradients);
        model = SgdConfig::new().init().step(0.01, model, gradients);
        model = allocation.allocate(model, step);
        // Those that are gone for now are not written, and those that come back are.
        let found = ranks(&mut model);
        if [4, 6, 8].contains(&step) || step > 8 {
            assert_eq!(found, *expected, "step {step}");
        }
    }
    let theirs = tensors(&dir.join("expected.safetensors"));
    assert_close(&values(model.forward(x)), &theirs["y"].0, 1e-4);
    // The same ranks are left, with the same numbers.
    let out = tempfile::tempdir().unwrap();
    let written = out.path().join("it");
    save_adapter(&model, "it", &AdapterCard::default(), &written).unwrap();
    let pattern = |dir: &Path| -> Value {
        let text = fs::read_to_string(dir.join("adapter_config.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["rank_pattern"].clone()
    };
    assert_eq!(pattern(&written), pattern(&dir));
    let name = "adapter_model.safetensors";
    let (ours, theirs) = (tensors(&written.join(name)), tensors(&dir.join(name)));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, (numbers, shape)) in &ours {
        assert_eq!(*shape, theirs[name].1, "{name}");
        assert_close(numbers, &theirs[name].0, 1e-4);
    }
    // Read again, it is what it was; nothing is left out twice.
    let (again, read) = load_adapter(base(&device), "it", &written, &device).unwrap();
    assert_eq!(read.attached.parameters, ours.values().map(|(it, _)| it.len()).sum::<usize>());
    assert_eq!(pattern(&written), {
        let twice = out.path().join("twice");
        save_adapter(&again, "it", &AdapterCard::default(), &twice).unwrap();
        assert_eq!(tensors(&twice.join(name)), ours);
        pattern(&twice)
    });
}

#[test]
fn a_module_may_be_left_without_a_rank() {
    let device = device();
    let out = tempfile::tempdir().unwrap();
    let copied = out.path().join("it");
    fs::create_dir(&copied).unwrap();
    let from = dir().join("adalora-run");
    let text = fs::read_to_string(from.join("adapter_config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["rank_pattern"]["up.lora_E"] = serde_json::json!([false, false, false, false]);
    fs::write(copied.join("adapter_config.json"), config.to_string()).unwrap();
    let file = tensors(&from.join("adapter_model.safetensors"));
    let empty = |name: &str, (numbers, shape): (Vec<f32>, Vec<usize>)| {
        if !name.contains(".up.") {
            return (numbers, shape);
        }
        let shape = shape.into_iter().map(|side| if side == 2 { 0 } else { side }).collect();
        (Vec::new(), shape)
    };
    let file: Tensors =
        file.into_iter().map(|(name, it)| (name.clone(), empty(&name, it))).collect();
    let bytes: Vec<(String, Vec<u8>, Vec<usize>)> = file
        .into_iter()
        .map(|(name, (numbers, shape))| {
            (name, numbers.into_iter().flat_map(f32::to_le_bytes).collect(), shape)
        })
        .collect();
    let views = bytes.iter().map(|(name, bytes, shape)| {
        let dtype = safetensors::Dtype::F32;
        (name, safetensors::tensor::TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    let path = copied.join("adapter_model.safetensors");
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    let (model, _) = load_adapter(base(&device), "it", &copied, &device).unwrap();
    let (whole, _) = load_adapter(base(&device), "it", &from, &device).unwrap();
    let x = rows(&device);
    let (found, theirs) = (values(model.forward(x.clone())), values(whole.forward(x.clone())));
    assert!(found.iter().zip(&theirs).any(|(a, b)| (a - b).abs() > 1e-3));
    let (merged, _) = merge(model).unwrap();
    assert_close(&values(merged.forward(x)), &found, TOLERANCE);
}

#[test]
fn what_was_read_is_written_again_number_by_number() {
    let device = device();
    let out = tempfile::tempdir().unwrap();
    for case in CASES {
        let (model, read) = loaded(case, &device);
        let written = out.path().join(case);
        save_adapter(&model, "it", &read.card, &written).unwrap();
        let name = "adapter_model.safetensors";
        assert_eq!(tensors(&written.join(name)), tensors(&dir().join(case).join(name)), "{case}");
        let json = |path: &Path| -> serde_json::Map<String, Value> {
            let text = fs::read_to_string(path.join("adapter_config.json")).unwrap();
            serde_json::from_str(&text).unwrap()
        };
        let (ours, theirs) = (json(&written), json(&dir().join(case)));
        for (field, value) in &theirs {
            assert_eq!(
                sorted(ours.get(field).unwrap_or(&Value::Null)),
                sorted(value),
                "{case}: {field}"
            );
        }
        // And it is read again, on what it was made for.
        let (again, _) = load_adapter(base(&device), "it", &written, &device).unwrap();
        let x = rows(&device);
        assert_eq!(values(again.forward(x.clone())), values(model.forward(x)));
    }
}

/// Lists of names have no order; a whole number may be written with a point.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(ToString::to_string).collect();
            items.sort();
            items.into()
        }
        Value::Number(number) => number.as_f64().into(),
        other => other.clone(),
    }
}

#[test]
fn two_adapters_act_together_and_row_by_row_as_in_peft() {
    let device = device();
    let x = rows(&device);
    let expected = tensors(&dir().join("two.safetensors"));
    let (model, _) = load_adapter(base(&device), "a", &dir().join("lora"), &device).unwrap();
    let (model, _) = load_adapter(model, "b", &dir().join("lora-rs"), &device).unwrap();
    assert_close(&values(model.forward(x.clone())), &expected["stacked"].0, TOLERANCE);
    let rows: Composition = "rows(a, base, b, a, b, base)".parse().unwrap();
    let model = activate(model, &rows).unwrap();
    assert_close(&values(model.forward(x)), &expected["rows"].0, TOLERANCE);
}

#[test]
fn fresh_adapters_have_as_many_parameters_as_in_peft_and_change_nothing() {
    let device = device();
    let x = rows(&device);
    for case in CASES {
        let text = fs::read_to_string(dir().join(case).join("adapter_config.json")).unwrap();
        let (config, _) = AdapterConfig::from_json(&text, Path::new(case)).unwrap();
        let (model, report) = attach(base(&device), "new", &config, Seed::new(3), &device).unwrap();
        let (_, read) = loaded(case, &device);
        assert_eq!(report.parameters, read.attached.parameters, "{case}");
        let found = adapters(&model);
        assert_eq!(found.adapters[0].parameters(), report.parameters, "{case}");
        // DoRA divides by a norm that it multiplies with.
        let before = values(base(&device).forward(x.clone()));
        assert_close(&values(model.forward(x.clone())), &before, 1e-6);
    }
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let device = device();
    let copy = tempfile::tempdir().unwrap();
    let with = |case: &str, from: &str, to: &str| {
        for name in ["adapter_config.json", "adapter_model.safetensors"] {
            fs::copy(dir().join(case).join(name), copy.path().join(name)).unwrap();
        }
        let path = copy.path().join("adapter_config.json");
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.replace(from, to);
        assert_ne!(text, changed, "{from}");
        fs::write(&path, changed).unwrap();
        load_adapter(base(&device), "it", copy.path(), &device).unwrap_err().to_string()
    };
    for (from, to, expected) in [
        ("\"LORA\"", "\"OFT\"", "`peft_type` is `OFT`, expected LORA, ADALORA, IA3"),
        (
            "\"init_lora_weights\": true",
            "\"init_lora_weights\": \"pissa\"",
            "`init_lora_weights` is \"pissa\"",
        ),
        (
            "\"use_qalora\": false",
            "\"use_qalora\": true",
            "`use_qalora` is true, expected it absent",
        ),
        ("\"r\": 2", "\"r\": 3", "`base_model.model.up.lora_A.weight` is [2, 8], expected [3, 8]"),
        ("\"r\": 2", "\"r\": \"2\"", "`r` is \"2\", expected a whole number"),
        (
            "\"use_dora\": false",
            "\"use_dora\": true",
            "lora_magnitude_vector` is absent, expected [16]",
        ),
        (
            "    \"up\"",
            "    \"nope\"",
            "`base_model.model.up.lora_A.weight` has no place in the model",
        ),
    ] {
        let error = with("lora", from, to);
        assert!(error.contains(expected), "{error}");
    }
    let error = with("vera", "\"save_projection\": true", "\"save_projection\": false");
    assert!(error.contains("`save_projection` is false"), "{error}");
    // Another width: the first of the tensors that differ is named.
    let narrow =
        load_adapter(Block::new(6, &device), "it", &dir().join("lora"), &device).unwrap_err();
    assert!(narrow.to_string().contains("lora_A.weight` is [2, 8], expected [2, 6]"), "{narrow}");
}

/// Writes what is made here, for `check.py` to open with `peft`.
#[test]
fn adapters_that_were_begun_here_are_those_that_peft_opened() {
    let device = device().autodiff();
    let x = rows(&device);
    let committed = dir().join("ours");
    let out = tempfile::tempdir().unwrap();
    // `ISOGLOSS_WRITE_FIXTURES=1 cargo test`, then `python check.py`, writes new ones down.
    let writes = std::env::var_os("ISOGLOSS_WRITE_FIXTURES").is_some();
    for case in CASES {
        let text = fs::read_to_string(dir().join(case).join("adapter_config.json")).unwrap();
        let (config, card) = AdapterConfig::from_json(&text, Path::new(case)).unwrap();
        let (mut model, _) = attach(base(&device), "mine", &config, Seed::new(3), &device).unwrap();
        for _ in 0..3 {
            let loss = model.forward(x.clone()).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = SgdConfig::new().init().step(0.02, model, gradients);
        }
        let model = model.valid();
        let root = if writes { &committed } else { out.path() };
        save_adapter(&model, "mine", &card, &root.join(case)).unwrap();
        let name = "adapter_model.safetensors";
        let found = tensors(&root.join(case).join(name));
        let expected = tensors(&committed.join(case).join(name));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{case}");
        for (name, (numbers, _)) in &found {
            // Three steps, on whatever device.
            assert_close(numbers, &expected[name].0, 1e-4);
        }
        // What `peft` made of it, written down by `check.py`.
        if !writes {
            let theirs = tensors(&committed.join(case).join("expected.safetensors"));
            assert_close(&values(model.forward(x.clone().inner())), &theirs["y"].0, 1e-4);
        }
    }
}

#[test]
fn an_entry_without_a_match_is_an_error_for_a_new_adapter() {
    let device = device();
    let text = r#"{"peft_type": "LORA", "target_modules": ["up", "nope"]}"#;
    let (config, _) = AdapterConfig::from_json(text, Path::new("mine.json")).unwrap();
    let error = attach(base(&device), "a", &config, Seed::new(1), &device).unwrap_err().to_string();
    assert!(error.starts_with("adapter: `nope` of `target_modules` matches no linear"), "{error}");
    let text =
        r#"{"peft_type": "LORA", "target_modules": "all-linear", "rank_pattern": {"sideways": 2}}"#;
    let (config, _) = AdapterConfig::from_json(text, Path::new("mine.json")).unwrap();
    let AdapterConfig::Lora(lora) = &config else { panic!("{config:?}") };
    assert_eq!((lora.rank, lora.alpha, &lora.targets), (8, 8.0, &Targets::all()));
    let error = attach(base(&device), "a", &config, Seed::new(1), &device).unwrap_err().to_string();
    assert!(error.starts_with("adapter: `sideways` of `rank_pattern`"), "{error}");
    let error = AdapterConfig::from_json("{", Path::new("mine.json")).unwrap_err().to_string();
    assert!(error.starts_with("mine.json: "), "{error}");
}
