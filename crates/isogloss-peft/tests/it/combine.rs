//! Several LoRAs as one.

use isogloss_core::Seed;
use isogloss_peft::{
    AdapterCard, Combination, Operator, activate, combine, load_adapter, save_adapter,
};
use isogloss_testing::{assert_close, device};

use crate::fixtures::{base, dir, rows, tensors};
use crate::host::{Block, values};

fn both() -> Block {
    let device = device();
    let (model, _) = load_adapter(base(&device), "a", &dir().join("lora"), &device).unwrap();
    load_adapter(model, "b", &dir().join("lora-second"), &device).unwrap().0
}

#[test]
fn combinations_are_those_of_peft() {
    let device = device();
    let x = rows(&device);
    let expected = tensors(&dir().join("combined.safetensors"));
    let updates = |operator, rank| Combination::Updates { operator, rank };
    let (ties, magnitude) = (Operator::Ties { density: 0.5 }, Operator::Magnitude { density: 0.5 });
    for (name, combination, weights) in [
        ("cat", Combination::Exact, [0.7, 0.3]),
        ("svd", updates(Operator::Sum, None), [0.7, 0.3]),
        ("svd-3", updates(Operator::Sum, Some(3)), [0.7, -0.3]),
        ("linear", Combination::Factors(Operator::Sum), [0.7, 0.3]),
        ("linear-negative", Combination::Factors(Operator::Sum), [0.7, -0.3]),
        ("ties", Combination::Factors(ties), [0.7, 0.3]),
        ("magnitude", Combination::Factors(magnitude), [0.7, 0.3]),
        ("ties-svd", updates(ties, None), [0.7, 0.3]),
        ("magnitude-svd", updates(magnitude, None), [0.7, 0.3]),
    ] {
        let parts = [("a", weights[0]), ("b", weights[1])];
        let model = combine(both(), "one", &parts, combination).unwrap();
        assert_close(&values(model.forward(x.clone())), &expected[name].0, 1e-4);
    }
}

#[test]
fn one_with_weight_1_is_that_one_also_with_another_scale() {
    let device = device();
    let x = rows(&device);
    let (model, _) = load_adapter(base(&device), "it", &dir().join("lora-rs"), &device).unwrap();
    let expected = values(model.forward(x.clone()));
    for combination in [
        Combination::Exact,
        Combination::Updates { operator: Operator::Sum, rank: None },
        Combination::Factors(Operator::Sum),
        Combination::Factors(Operator::Dare { density: 1.0, seed: Seed::new(1) }),
        Combination::Updates { operator: Operator::Ties { density: 1.0 }, rank: None },
    ] {
        let one = combine(model.clone(), "one", &[("it", 1.0)], combination).unwrap();
        assert_close(&values(one.forward(x.clone())), &expected, 1e-5);
    }
}

#[test]
fn an_exact_combination_is_the_sum_of_updates_and_is_saved() {
    let device = device();
    let x = rows(&device);
    let parts = [("a", 1.0), ("b", 1.0)];
    let stack = activate(both(), &"stack(a, b)".parse().unwrap()).unwrap();
    let expected = values(stack.forward(x.clone()));
    let model = combine(stack, "one", &parts, Combination::Exact).unwrap();
    assert_close(&values(model.forward(x.clone())), &expected, 1e-5);
    // Ranks differ from module to module, which the file says.
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("one");
    save_adapter(&model, "one", &AdapterCard::default(), &path).unwrap();
    let (again, _) = load_adapter(base(&device), "again", &path, &device).unwrap();
    assert_close(&values(again.forward(x)), &expected, 1e-5);
}

#[test]
fn a_draw_keeps_a_share_and_the_mean() {
    let device = device();
    let x = rows(&device);
    // Of a layer, whose output the mean passes as it is.
    let expected = combine(both(), "one", &[("a", 1.0)], Combination::Exact).unwrap();
    let expected = values(expected.up.forward(x.clone()));
    let dare = |seed| {
        let operator = Operator::Dare { density: 0.5, seed: Seed::new(seed) };
        let combination = Combination::Updates { operator, rank: Some(8) };
        values(combine(both(), "one", &[("a", 1.0)], combination).unwrap().up.forward(x.clone()))
    };
    assert_eq!(dare(1), dare(1));
    assert_ne!(dare(1), dare(2));
    let mut mean = vec![0.0; expected.len()];
    for seed in 0..400 {
        mean.iter_mut().zip(dare(seed)).for_each(|(mean, y)| *mean += y / 400.0);
    }
    let away = mean.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let one = dare(1).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Of 400 draws, a twentieth.
    assert!(away < 0.2 * one, "{away} {one}");
}

#[test]
fn what_cannot_be_combined_is_named() {
    let device = device();
    let (model, _) = load_adapter(both(), "d", &dir().join("dora"), &device).unwrap();
    let error = |parts: &[(&str, f64)], combination| {
        combine(model.clone(), "one", parts, combination).unwrap_err().to_string()
    };
    let error_of = |parts: &[(&str, f64)]| error(parts, Combination::Exact);
    assert!(
        error_of(&[("a", 1.0), ("d", 1.0)]).starts_with("adapter: `d` at `up` is another method")
    );
    assert!(error_of(&[("x", 1.0)]).starts_with("adapter: `x` is not attached"));
    let ties = Combination::Factors(Operator::Ties { density: 0.0 });
    assert!(error(&[("a", 1.0)], ties).starts_with("adapter: `density` is 0"));
    let (model, _) = load_adapter(both(), "rs", &dir().join("lora-rs"), &device).unwrap();
    let linear = Combination::Factors(Operator::Sum);
    let error = combine(model, "one", &[("a", 1.0), ("rs", 1.0)], linear).unwrap_err().to_string();
    assert!(error.contains("[2, 3]"), "{error}");
}
