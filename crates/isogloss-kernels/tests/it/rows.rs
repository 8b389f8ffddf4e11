//! Tables updated row by row, beside the same tables updated as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Param;
use burn::tensor::{Device, Int, Tensor, TensorData};
use isogloss_kernels::{AdamWStep, RowAdamW, RowGradient, RowTape, adamw, embedding};
use proptest::prelude::*;

const WIDTH: usize = 5;

fn table(rows: usize, device: &Device) -> Tensor<2> {
    let number = |at: usize| ((at * 7 + 3) as f32 * 0.731).sin();
    let numbers: Vec<f32> = (0..rows * WIDTH).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, [rows, WIDTH]), device)
}

fn bits(table: Tensor<2>) -> Vec<u32> {
    table.into_data().iter::<f32>().map(f32::to_bits).collect()
}

fn ids_on(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(ids.to_vec(), [ids.len()]), device)
}

/// A loss in which each row that is read matters in its own way, and in another way in each step.
fn loss(rows: Tensor<2>, step: usize) -> Tensor<1> {
    let weights = table(rows.dims()[0] + step, &rows.device());
    let weights = weights.narrow(0, step, rows.dims()[0]);
    (rows.clone() * rows * weights).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    // More steps than rows wait for, so that they take their decay in between as well.
    #[test]
    fn rows_come_to_the_same_bits_as_whole_tables(
        batches in prop::collection::vec(prop::collection::vec(0_u32..40, 1..6), 1..150),
        looks_at in 0_usize..150,
    ) {
        let device = crate::device().autodiff();
        let plain = device.clone().inner();
        if isogloss_testing::is_flex(&device) {
            let mut by_rows = table(40, &plain);
            let mut update = Arc::new(RowAdamW::new([40, WIDTH]));
            let (mut whole, mut moments) = (by_rows.clone(), None);
            for (step, ids) in batches.iter().enumerate() {
                let settings = AdamWStep {
                    learning_rate: 1e-2 / (step + 1) as f64,
                    betas: [0.9, 0.98],
                    epsilon: 1e-8,
                    weight_decay: 0.1,
                    time: i32::try_from(step).unwrap() + 1,
                };
                let parameter = Param::from_tensor(Tensor::from_inner(whole.clone()).require_grad());
                let read = embedding(&parameter, ids_on(ids, &device));
                let expected = bits(read.clone().inner());
                let gradient = parameter.val().grad(&loss(read, step).backward()).unwrap();
                let moved = adamw(whole, gradient, moments, settings);
                (whole, moments) = (moved.0, Some(moved.1));

                let parameter =
                    Param::from_tensor(Tensor::from_inner(by_rows.clone()).require_grad());
                let tape = RowTape::begin(BTreeMap::from([(parameter.id.val(), Arc::clone(&update))]));
                let read = embedding(&parameter, ids_on(ids, &device));
                // What is read is what the table would be.
                prop_assert_eq!(bits(read.clone().inner()), expected);
                let mut gradients = loss(read, step).backward();
                prop_assert!(parameter.val().grad(&gradients).is_none());
                let [rows] = <[_; 1]>::try_from(tape.take()).unwrap();
                prop_assert_eq!(rows.table(), parameter.id);
                let gradient = rows.take_gradient(&mut gradients).unwrap();
                drop(tape);
                let update = Arc::make_mut(&mut update);
                by_rows = update.step(by_rows, &gradient, 1.0, settings);
                if step == looks_at {
                    by_rows = update.caught_up(by_rows);
                    prop_assert_eq!(bits(by_rows.clone()), bits(whole.clone()));
                    let moments = update.moments().clone();
                    *update = RowAdamW::with_moments([40, WIDTH], moments).unwrap();
                }
            }
            let by_rows = Arc::make_mut(&mut update).caught_up(by_rows);
            prop_assert_eq!(bits(by_rows), bits(whole));
            let read: std::collections::BTreeSet<u32> = batches.concat().into_iter().collect();
            prop_assert_eq!(update.moments().rows.len(), read.len());
        }
    }

    #[test]
    fn gradients_of_rows_add_up_as_those_of_tables_do(
        [a, b] in [
            prop::collection::vec(0_u32..12, 1..9),
            prop::collection::vec(0_u32..12, 1..9),
        ],
    ) {
        let device = crate::device().autodiff();
        if isogloss_testing::is_flex(&device) {
            let parameter = Param::from_tensor(table(12, &device).require_grad());
            let gradient_of = |ids: &[u32]| {
                let tape = RowTape::begin(BTreeMap::new());
                let read = embedding(&parameter, ids_on(ids, &device));
                let mut gradients = loss(read, ids.len()).backward();
                tape.take().remove(0).take_gradient(&mut gradients).unwrap()
            };
            let zeros = || Tensor::<2>::zeros([12, WIDTH], &device.clone().inner());
            let [a, b] = [gradient_of(&a), gradient_of(&b)];
            let expected = b.added_to(a.added_to(zeros()));
            let squares: f32 = expected.clone().square().sum().into_scalar();
            let sum = a.plus(&b);
            prop_assert!((sum.sum_of_squares() - f64::from(squares)).abs() < 1e-3);
            prop_assert_eq!(bits(sum.added_to(zeros())), bits(expected.clone()));
            prop_assert_eq!(bits(RowGradient::of_all(&expected).added_to(zeros())), bits(expected));
        }
    }
}

#[test]
fn moments_of_another_table_are_refused() {
    let mut moments = isogloss_kernels::RowMoments::new(1, vec![3], vec![0.0; 2], vec![0.0; 2]);
    assert!(RowAdamW::with_moments([4, 2], moments.clone()).is_some());
    assert!(RowAdamW::with_moments([3, 2], moments.clone()).is_none());
    assert!(RowAdamW::with_moments([4, 3], moments.clone()).is_none());
    moments.rows = vec![3, 3];
    assert!(RowAdamW::with_moments([4, 1], moments).is_none());
}

#[test]
fn nothing_is_noted_of_frozen_tables_and_without_a_tape() {
    let device = crate::device().autodiff();
    let frozen = Param::from_tensor(table(4, &device).require_grad()).set_require_grad(false);
    let trained = Param::from_tensor(table(4, &device).require_grad());
    let ids = || ids_on(&[1, 1, 3], &device);
    let gradients = embedding(&trained, ids()).sum().backward();
    assert_eq!(trained.val().grad(&gradients).unwrap().dims(), [4, WIDTH]);
    let tape = RowTape::begin(BTreeMap::new());
    let _ = embedding(&frozen, ids());
    assert!(tape.take().is_empty());
}
