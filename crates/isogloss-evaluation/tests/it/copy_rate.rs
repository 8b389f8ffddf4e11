//! Hypotheses that are their source.

use isogloss_evaluation::{EvaluationError, copy_rate};

#[test]
fn a_copy_is_one_whatever_its_case_and_spaces() {
    let sources = ["Good morning, Lagos", "the cat and the dog", "I see", "ΟΔΟΣ"];
    let hypotheses = [" good\u{3000}MORNING,\tlagos ", "the the the ajá", "", "οδος οδός"];
    let found = copy_rate(&sources, &hypotheses).unwrap();
    assert_eq!(found.copied, [1.0, 0.0, 0.0, 0.0]);
    // `the` is twice in the source, so that the third is none of it. `ΟΔΟΣ` ends in a final sigma.
    assert_eq!(found.overlap, [1.0, 0.5, 0.0, 0.5]);
    assert_eq!(found.empty, 1);
}

#[test]
fn nothing_is_no_copy_of_nothing() {
    let found = copy_rate(&[" "], &[""]).unwrap();
    assert_eq!((found.copied, found.overlap, found.empty), (vec![0.0], vec![0.0], 1));
}

#[test]
fn what_is_missing_is_named() {
    let none: &[&str] = &[];
    assert!(matches!(copy_rate(none, none), Err(EvaluationError::Empty { .. })));
    let error = copy_rate(&["a", "b"], &["a"]).unwrap_err();
    assert_eq!(error.to_string(), "hypotheses: 1, expected 2");
}
