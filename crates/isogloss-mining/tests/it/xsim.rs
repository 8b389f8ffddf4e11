//! Error rates: the worked case, texts and alternations.

use isogloss_mining::{Alternation, EmbeddingMatrix, Margin, XsimConfig};

use crate::vectors::{worked_src, worked_tgt};

#[test]
fn the_worked_case_has_its_values() {
    for (margin, errors) in [(Margin::Absolute, 2), (Margin::Distance, 1), (Margin::Ratio, 1)] {
        let config = XsimConfig::new().with_margin(margin).with_k(2);
        let xsim = config.evaluate(&worked_src(), &worked_tgt(), &()).unwrap();
        assert_eq!(xsim.error_count(), errors, "{margin:?}");
        assert!((xsim.error_rate() - errors as f64 / 4.0).abs() < 1e-12);
    }
}

#[test]
fn a_text_that_stands_twice_is_right_in_both_places() {
    let config = XsimConfig::new().with_k(2);
    let xsim = config.evaluate(&worked_src(), &worked_tgt(), &()).unwrap();
    assert_eq!(xsim.nearest(), [0, 1, 0, 3]);
    assert_eq!(xsim.is_error(), [false, false, true, false]);
    assert_eq!(xsim.clone().with_texts(&["a", "b", "c", "d"]).unwrap().error_count(), 1);
    assert_eq!(xsim.with_texts(&["a", "b", "a", "d"]).unwrap().error_count(), 0);
}

#[test]
fn errors_are_counted_by_what_was_changed() {
    // Four sources along the axes. The first finds its translation; the second an alternation of its
    // own, the third an alternation of another, the fourth another's translation.
    let axis = |i: usize| (0..4).map(move |j| if i == j { 1.0 } else { 0.1 });
    let src: Vec<f32> = (0..4).flat_map(axis).collect();
    let far = |i: usize| (0..4).map(move |j| if i == j { -1.0 } else { 0.2 });
    let tgt: Vec<f32> = axis(0).chain(axis(3)).chain(far(2)).chain(far(3)).collect();
    let alternations: Vec<f32> = axis(1).chain(axis(2)).collect();
    let src = EmbeddingMatrix::try_new(4, src).unwrap();
    let tgt = EmbeddingMatrix::try_new(4, [tgt, alternations].concat()).unwrap();
    let of = |original, kind: &str| Alternation { original, kind: kind.to_owned() };
    let alternations = [of(1, "number"), of(0, "entity")];
    let config = XsimConfig::new().with_margin(Margin::Absolute);
    let xsim = config.evaluate_augmented(&src, &tgt, &alternations, &()).unwrap();
    assert_eq!(xsim.nearest(), [0, 4, 5, 1]);
    let counts: Vec<_> = xsim.errors_by_kind().into_iter().collect();
    assert_eq!(counts, [("Misaligned", 2), ("number", 1)]);
    let texts = ["a", "b", "c", "b", "b, twice", "e"];
    assert_eq!(xsim.with_texts(&texts).unwrap().error_count(), 2);
}
