//! Which adapters act, and how they act together.

use burn::module::Module as _;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, AdapterConfig, BottleneckConfig, Composition, Ia3Config, LoraConfig, Targets,
    activate, active_adapters, adapter_names, attach, detach_all, effect, load_adapter, merge,
    save_adapter, train_only, trainable_parameter_count,
};
use isogloss_testing::{assert_close, device};
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::host::{Block, rows, values};

const WIDTH: usize = 8;

/// A block with five adapters that were trained a little: two LoRAs, a DoRA, scales, and a bottleneck.
fn block(device: &Device) -> Block {
    let lora = |seed: f64| {
        AdapterConfig::Lora(LoraConfig::new(2).with_alpha(4.0 + seed).with_target("up|down"))
    };
    let configs = [
        ("a", lora(0.0)),
        ("b", lora(1.0)),
        ("d", AdapterConfig::Lora(LoraConfig::new(3).with_dora(true).with_target("up|down"))),
        ("s", AdapterConfig::Ia3(Ia3Config::new(Targets::all(), Targets::list(["down"])))),
        ("n", AdapterConfig::Bottleneck(BottleneckConfig::new(2))),
    ];
    let x = rows(9, WIDTH, device);
    let mut model = Block::new(WIDTH, device);
    for (seed, (name, config)) in configs.into_iter().enumerate() {
        model = activate_if_any(model, &Composition::base());
        model = attach(model, name, &config, Seed::new(seed as u64), device).unwrap().0;
        for _ in 0..10 {
            let loss = (model.forward(x.clone()) - 1.0 - seed as f32 / 4.0).square().sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = SgdConfig::new().init().step(0.02, model, gradients);
        }
    }
    model
}

fn activate_if_any(model: Block, composition: &Composition) -> Block {
    if adapter_names(&model).is_empty() { model } else { activate(model, composition).unwrap() }
}

fn with(model: &Block, composition: &str, x: Tensor<2>) -> Vec<f32> {
    let composition: Composition = composition.parse().unwrap();
    values(activate(model.clone(), &composition).unwrap().forward(x))
}

#[test]
fn adapters_are_switched_by_name_and_the_model_alone_is_what_it_was() {
    let device = device().autodiff();
    let x = rows(6, WIDTH, &device);
    let before = values(Block::new(WIDTH, &device).forward(x.clone()));
    let model = block(&device);
    assert_eq!(adapter_names(&model), ["a", "b", "d", "s", "n"]);
    assert_eq!(with(&model, "base", x.clone()), before);
    let alone: Vec<_> = ["a", "b", "d", "s", "n"].map(|name| with(&model, name, x.clone())).into();
    for (index, one) in alone.iter().enumerate() {
        assert_ne!(*one, before);
        alone[..index].iter().for_each(|other| assert_ne!(one, other));
    }
    // A stack of one is that one, and what does nothing changes nothing.
    assert_eq!(with(&model, "stack(a)", x.clone()), alone[0]);
    assert_eq!(with(&model, "stack(base, a, stack())", x), alone[0]);
}

#[test]
fn the_mean_of_an_adapter_with_itself_is_that_adapter() {
    let device = device().autodiff();
    let x = rows(6, WIDTH, &device);
    let model = block(&device);
    for name in ["a", "d", "s", "n"] {
        let alone = with(&model, name, x.clone());
        assert_close(&with(&model, &format!("average({name}, {name})"), x.clone()), &alone, 1e-6);
        assert_close(
            &with(&model, &format!("average({name}*3, {name}*1)"), x.clone()),
            &alone,
            1e-6,
        );
        assert_close(&with(&model, &format!("average({name}*2, base*0)"), x.clone()), &alone, 1e-6);
    }
    // Of linear layers a mean is one of the weights, so that it can be merged.
    for composition in
        ["average(a*0.3, b*0.7)", "average(a, d)", "stack(a, average(b, d), s)", "average(a, s)"]
    {
        let expected = with(&model, composition, x.clone());
        let active = activate(model.clone(), &composition.parse().unwrap()).unwrap();
        let (merged, report) = merge(active).unwrap();
        assert_close(&values(merged.forward(x.clone())), &expected, 1e-5);
        assert_eq!(report.merged.len() + report.dropped.len(), 5);
    }
    // Scales of inputs and of outputs have no common mean.
    for composition in ["average(s, d)", "rows(a, stack(b, average(d, s)))"] {
        let error = activate(model.clone(), &composition.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("a mean at `down` of one that scales"), "{error}");
    }
    // Scales of inputs and of outputs have no common mean.
    for composition in ["average(s, d)", "rows(a, stack(b, average(d, s)))"] {
        let error = activate(model.clone(), &composition.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("a mean at `down` of one that scales"), "{error}");
    }
    let rows = activate(model, &"rows(a, b)".parse().unwrap()).unwrap();
    let error = merge(rows).unwrap_err().to_string();
    assert_eq!(
        error,
        "`up` has adapters that differ by rows or tokens, which no layer can absorb, expected adapters of linear layers alone"
    );
}

#[test]
fn each_row_of_a_batch_has_its_adapter() {
    let device = device().autodiff();
    let model = block(&device);
    let kinds = ["a", "base", "n", "d", "a", "s", "stack(a, n)", "base"];
    // 3 tokens a row.
    let x = rows(3 * kinds.len(), WIDTH, &device);
    let found = with(&model, &format!("rows({})", kinds.join(", ")), x.clone());
    for (row, kind) in kinds.iter().enumerate() {
        let alone = with(&model, kind, x.clone().narrow(0, 3 * row, 3));
        assert_close(&found[9 * row..9 * (row + 1)], &alone, 1e-6);
    }
    // Each token of a row: here rows of 4 are 1 and 3.
    let x = rows(8, WIDTH, &device);
    let found = with(&model, "split(a*1, s*3)", x.clone());
    for (kind, tokens) in [("a", vec![0, 4]), ("s", vec![1, 2, 3, 5, 6, 7])] {
        let alone = with(&model, kind, x.clone());
        for token in tokens {
            assert_close(
                &found[3 * token..3 * (token + 1)],
                &alone[3 * token..3 * (token + 1)],
                1e-6,
            );
        }
    }
}

#[test]
fn hundreds_of_adapters_stand_on_one_model_at_the_cost_of_their_own_numbers() {
    const COUNT: usize = 200;
    let device = device();
    let base = Block::new(WIDTH, &device);
    let (before, x) = (base.num_params(), rows(COUNT, WIDTH, &device));
    // Scales begin as ones, of which the file of each has others.
    let dir = tempfile::tempdir().unwrap();
    let config = AdapterConfig::Ia3(Ia3Config::new(Targets::list(["up"]), Targets::list(["down"])));
    let error = attach(base.clone(), "x", &config, Seed::new(1), &device).unwrap_err().to_string();
    assert!(error.contains("`down` of `feedforward_modules` matches no linear"), "{error}");
    let nowhere = Targets::list(Vec::<String>::new());
    let config = AdapterConfig::Ia3(Ia3Config::new(Targets::list(["up"]), nowhere));
    let (one, _) = attach(base.clone(), "one", &config, Seed::new(1), &device).unwrap();
    save_adapter(&one, "one", &AdapterCard::default(), dir.path()).unwrap();
    let mut model = base.clone();
    for number in 0..COUNT {
        let scale = 1.0 + number as f32 / 50.0;
        let scales: Vec<u8> = [scale; 2 * WIDTH].iter().flat_map(|it| it.to_le_bytes()).collect();
        let path = dir.path().join("adapter_model.safetensors");
        let name = "base_model.model.up.ia3_l".to_owned();
        let view = TensorView::new(Dtype::F32, vec![2 * WIDTH, 1], &scales).unwrap();
        std::fs::write(path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
        model = load_adapter(model, &format!("n{number}"), dir.path(), &device).unwrap().0;
    }
    assert_eq!(model.num_params(), before + COUNT * 2 * WIDTH);
    // Another one for each row of one batch: each row as by its adapter alone.
    let all =
        Composition::Rows((0..COUNT).map(|it| Composition::adapter(format!("n{it}"))).collect());
    let model = activate(model, &all).unwrap();
    let found = values(model.forward(x.clone()));
    for number in [0, 1, 57, COUNT - 1] {
        let alone = with(&model, &format!("n{number}"), x.clone().narrow(0, number, 1));
        assert_close(&found[3 * number..3 * (number + 1)], &alone, 1e-6);
    }
    assert_ne!(found[..3], values(base.forward(x))[3..6]);
    let model = detach_all(model).unwrap();
    assert_eq!(model.num_params(), before);
}

#[test]
fn gradients_reach_each_adapter_from_its_rows_alone() {
    let device = device().autodiff();
    let model = activate(block(&device), &"rows(a, d)".parse().unwrap()).unwrap();
    let model = train_only(model, &["a", "d"]).unwrap();
    let x = rows(2, WIDTH, &device);
    // The loss is of the first row.
    let loss = model.forward(x.clone()).narrow(0, 0, 1).square().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    let stepped = SgdConfig::new().init().step(0.1, model.clone(), gradients);
    let changed = |name: &str| with(&model, name, x.clone()) != with(&stepped, name, x.clone());
    assert!(changed("a") && !changed("d") && !changed("base"));
}

#[test]
fn what_does_not_act_is_neither_trained_nor_taken_for_something() {
    let device = device().autodiff();
    let x = rows(6, WIDTH, &device);
    let model = activate(block(&device), &"a".parse().unwrap()).unwrap();
    let error = train_only(model.clone(), &["a", "b"]).unwrap_err().to_string();
    assert_eq!(error, "adapter: `b` does not act, expected it among those that do: a");
    let error = effect(&model, "b", |model| model.forward(x.clone())).unwrap_err().to_string();
    assert_eq!(error, "adapter: `b` does not act, expected it among those that do: a");
    let error = activate(model.clone(), &"stack(a, x)".parse().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "adapter: `x` is not attached, expected one of: a, b, d, s, n");
    // One that is attached acts on top, and is the one that is trained.
    let config = AdapterConfig::Lora(LoraConfig::new(1).with_target("up"));
    let (model, report) = attach(model, "new", &config, Seed::new(1), &device).unwrap();
    assert_eq!(active_adapters(&model).to_string(), "stack(a, new)");
    assert_eq!(trainable_parameter_count(&model), report.parameters);
    assert!(effect(&model, "a", |model| model.forward(x.clone())).unwrap() > 1e-3);
    assert!(effect(&model, "new", |model| model.forward(x.clone())).unwrap() == 0.0);
    // Taken off, the others act as before.
    let model = isogloss_peft::detach(model, "a").unwrap();
    assert_eq!(active_adapters(&model).to_string(), "new");
}

#[test]
fn a_composition_says_of_how_many_rows_and_tokens_it_is() {
    let routes = |text: &str| text.parse::<Composition>().unwrap().routes();
    assert_eq!(routes("stack(a, average(b, d))"), [None, None]);
    assert_eq!(routes("stack(a, rows(b, d, base))"), [Some(3), None]);
    assert_eq!(routes("rows(a, split(b*2, d*5))"), [Some(2), Some(7)]);
}

#[test]
fn what_is_no_composition_is_named() {
    for (text, expected) in [
        ("stack(a", "a closing bracket at the end"),
        ("heap(a, b)", "stack(…), average(…), rows(…), parallel(…), split(…) or fuse(…)"),
        ("average(a*x)", "a number behind `*`"),
        ("average(a*1, b*-1)", "weights with a sum other than 0"),
        ("split(a, b*2)", "`*` and a number of tokens"),
        ("split(a*0)", "parts of at least one token"),
        ("rows()", "at least one row"),
        ("rows(rows(a, b))", "rows and parallel parts not within one another"),
        ("parallel()", "at least one part"),
        ("stack(rows(a, b), parallel(a, b))", "either rows or parallel parts"),
        ("a b", "the name of an adapter, or `base`"),
        ("", "the name of an adapter, or `base`"),
    ] {
        let error = text.parse::<Composition>().unwrap_err().to_string();
        assert!(error.ends_with(&format!("expected {expected}")), "{text}: {error}");
    }
}

fn compositions() -> impl Strategy<Value = Composition> {
    let leaf = prop_oneof![
        "[a-z:/_.-]{1,6}"
            .prop_filter("reserved", |name| name != "base")
            .prop_map(Composition::Adapter),
        Just(Composition::base()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Composition::Stack),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Composition::Rows),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Composition::Parallel),
            prop::collection::vec((inner.clone(), 0.1..9.0_f64), 1..4)
                .prop_map(Composition::Average),
            prop::collection::vec((inner, 1..9_usize), 1..4).prop_map(Composition::Split),
            prop::collection::vec("[a-z]{1,6}", 2..4)
                .prop_filter("reserved", |names| !names.contains(&"base".to_owned()))
                .prop_map(Composition::Fuse),
        ]
    })
}

/// Whether there are rows within rows, or two kinds of them.
fn is_nested(composition: &Composition) -> bool {
    let differs = |it: &Composition| it.routes()[0].is_some() || it.copies().is_some();
    match composition {
        Composition::Rows(parts) | Composition::Parallel(parts) => {
            parts.iter().any(|part| differs(part) || is_nested(part))
        }
        Composition::Stack(parts) => {
            let both = composition.copies().is_some() && composition.routes()[0].is_some();
            both || parts.iter().any(is_nested)
        }
        Composition::Average(parts) => parts.iter().any(|(part, _)| is_nested(part)),
        Composition::Split(parts) => parts.iter().any(|(part, _)| is_nested(part)),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_composition_is_read_as_it_was_printed(composition in compositions()) {
        match composition.to_string().parse::<Composition>() {
            Ok(read) => prop_assert_eq!(read, composition),
            Err(error) => prop_assert!(is_nested(&composition), "{}", error),
        }
    }
}
