//! Rows for new tokens: by hand, against the reference implementations, and by their laws.

use isogloss_core::{Progress, ProgressEvent, Seed};
use isogloss_testing::assert_close;
use isogloss_tokenization::embedding::{
    Alignment, Architecture, CanonicalToken, Deviation, EmbeddingMatrix, Factorisation, Focus,
    Initialisation, InitialisationError, Neighbourhood, Ofa, Overlap, RowRecipe, SegmentedWord,
    StaticVectors, StaticVectorsConfig, TokenForm, TokenMatching, Wechsel, mean_of_words,
    orthogonal_procrustes, sparsemax,
};
use proptest::prelude::*;
use serde_json::Value;

fn matrix<const N: usize>(rows: &[[f32; N]]) -> EmbeddingMatrix {
    EmbeddingMatrix::try_new([rows.len(), N], rows.concat()).unwrap()
}

/// The embedding of the cases worked by hand.
fn by_hand() -> EmbeddingMatrix {
    matrix(&[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [-1.0, 2.0]])
}

// ---------------------------------------------------------------------------------- matrices

#[test]
fn a_matrix_that_is_none_is_an_error_that_names_the_place() {
    let message = |shape, values: &[f32]| {
        EmbeddingMatrix::try_new(shape, values.to_vec()).unwrap_err().to_string()
    };
    assert_eq!(message([1, 0], &[]), "an embedding matrix has 0 columns, expected at least 1");
    assert_eq!(
        message([2, 3], &[0.0; 5]),
        "an embedding matrix of 2 rows and 3 columns has 5 values, expected 6"
    );
    assert_eq!(
        message([2, 2], &[0.0, 1.0, 2.0, f32::NAN]),
        "row 1, column 1 of an embedding matrix is NaN, expected a finite number"
    );
    assert_eq!(
        by_hand().mean(&[0, 4]).unwrap_err().to_string(),
        "id 4 is not a row of an embedding matrix, expected below 4"
    );
    assert_eq!(
        by_hand().standard_deviation(&[2], Deviation::Sample).unwrap_err().to_string(),
        "a standard deviation over 1 rows of an embedding matrix, expected at least 2"
    );
    assert!(EmbeddingMatrix::try_new([usize::MAX, 2], Vec::new()).is_err());
    assert_eq!(by_hand().row(4), None);
    assert_eq!(by_hand().row(usize::MAX), None);
}

#[test]
fn means_and_deviations_are_those_worked_by_hand() {
    let (all, embedding) = ([0, 1, 2, 3], by_hand());
    // (1 + 0 + 1 - 1) / 4 and (0 + 1 + 1 + 2) / 4; squares of the distances sum to 2.75 and 2.
    assert_close(&embedding.mean(&all).unwrap(), &[0.25, 1.0], 0.0);
    let std = |deviation| embedding.standard_deviation(&all, deviation).unwrap();
    assert_close(&std(Deviation::Sample), &[0.957_427, 0.816_497], 1e-6);
    assert_close(&std(Deviation::Population), &[0.829_156, 0.5_f32.sqrt()], 1e-6);
    // Only the rows that were named.
    assert_close(&embedding.mean(&[0, 2]).unwrap(), &[1.0, 0.5], 0.0);
    assert_eq!(embedding.all_ids(), all);
}

proptest! {
    #[test]
    fn any_bad_value_is_found_where_it_is(
        rows in 1_usize..6,
        dim in 1_usize..6,
        place in any::<prop::sample::Index>(),
        bad in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let mut values = vec![0.5; rows * dim];
        let place = place.index(values.len());
        values[place] = bad;
        let message = EmbeddingMatrix::try_new([rows, dim], values).unwrap_err().to_string();
        let expected = format!("row {}, column {} of", place / dim, place % dim);
        prop_assert!(message.starts_with(&expected), "{message}, not {expected}");
    }
}

// ---------------------------------------------------------------------------------- sparsemax

#[test]
fn sparsemax_is_that_worked_by_hand() {
    type Case<'a> = (&'a [f32], &'a [(usize, f32)]);
    let cases: [Case<'_>; 6] = [
        (&[0.9, 0.85, 0.3, -0.2], &[(0, 0.525), (1, 0.475)]),
        (&[0.9, 0.1], &[(0, 0.9), (1, 0.1)]),
        (&[0.2, 0.2, 0.2], &[(0, 1.0 / 3.0), (1, 1.0 / 3.0), (2, 1.0 / 3.0)]),
        (&[2.0, 0.1, 0.0], &[(0, 1.0)]),
        (&[-5.0], &[(0, 1.0)]),
        (&[], &[]),
    ];
    for (similarities, expected) in cases {
        let found = sparsemax(similarities);
        let places = |weights: &[(usize, f32)]| weights.iter().map(|w| w.0).collect::<Vec<_>>();
        let weights = |weights: &[(usize, f32)]| weights.iter().map(|w| w.1).collect::<Vec<_>>();
        assert_eq!(places(&found), places(expected), "{similarities:?}");
        assert_close(&weights(&found), &weights(expected), 1e-6);
    }
}

fn simplex(weights: &[f32]) -> Vec<f64> {
    let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    weights.iter().map(|weight| f64::from(*weight) / sum).collect()
}

proptest! {
    #[test]
    fn sparsemax_is_the_nearest_point_of_the_simplex(
        similarities in prop::collection::vec(-1.5_f32..1.5, 1..30),
        other in prop::collection::vec(0.0_f32..1.0, 30),
        lift in 0.0_f32..1.0,
    ) {
        let mut point = vec![0.0_f64; similarities.len()];
        for (place, weight) in sparsemax(&similarities) {
            prop_assert!(weight > 0.0);
            point[place] = f64::from(weight);
        }
        let sum: f64 = point.iter().sum();
        prop_assert!((sum - 1.0).abs() < 1e-5, "sum {sum}");
        // A projection onto a convex set: no other point of it lies beyond the plane through it.
        let other: Vec<f32> =
            other[..similarities.len()].iter().map(|weight| weight + lift * 0.1 + 1e-3).collect();
        let beyond: f64 = simplex(&other)
            .iter()
            .zip(&point)
            .zip(&similarities)
            .map(|((q, p), z)| (q - p) * (f64::from(*z) - p))
            .sum();
        prop_assert!(beyond < 1e-5, "{beyond}");
        // And each vertex is such a point.
        let own: f64 = point.iter().zip(&similarities).map(|(p, z)| p * (f64::from(*z) - p)).sum();
        for (place, z) in similarities.iter().enumerate() {
            prop_assert!(f64::from(*z) - point[place] - own < 1e-5);
        }
    }
}

// ---------------------------------------------------------------------------------- overlap

#[test]
fn a_token_is_the_same_however_it_is_written() {
    use TokenForm::{ByteLevel, SentencePiece, WordPiece};
    let same = |a: (&str, TokenForm), b: (&str, TokenForm)| {
        CanonicalToken::new(a.0, a.1) == CanonicalToken::new(b.0, b.1)
    };
    assert!(same(("▁día", SentencePiece), ("ĠdÃŃa", ByteLevel)));
    assert!(same(("▁día", SentencePiece), ("día", WordPiece)));
    assert!(same(("ing", SentencePiece), ("##ing", WordPiece)));
    assert!(!same(("▁ing", SentencePiece), ("ing", SentencePiece)));
    // Three spaces are not one.
    assert!(same(("▁▁▁", SentencePiece), ("ĠĠĠ", ByteLevel)));
    assert!(!same(("▁", SentencePiece), ("ĠĠ", ByteLevel)));
    // Pieces of a character, which would all decode to one replacement character.
    assert!(same(("<0xC3>", SentencePiece), ("Ã", ByteLevel)));
    assert!(!same(("Ã", ByteLevel), ("Ä", ByteLevel)));
    // The piece of a byte is not the letter.
    assert!(!same(("<0x41>", SentencePiece), ("A", SentencePiece)));
    // What no byte stands for is text.
    assert_eq!(CanonicalToken::new("<|語|>", ByteLevel).text(), Some("<|語|>"));
    assert!(CanonicalToken::new("Ġa", ByteLevel).is_word_start());
    assert_eq!(CanonicalToken::new("Ãł"[..2].trim(), ByteLevel).text(), None);
}

#[test]
fn an_overlap_takes_the_lowest_id_and_prefers_lower_case() {
    let old = [(7, "▁THE"), (3, "▁The"), (5, "▁the"), (9, "▁the"), (2, "▁CAT"), (8, "▁Cat")];
    let find = |matching| {
        let sides = ((old, TokenForm::SentencePiece), ["the", "The", "tHe", "cat", "dog"]);
        Overlap::find(sides.0, (sides.1, TokenForm::WordPiece), matching)
    };
    let exact = find(TokenMatching::Exact);
    assert_eq!(exact.old_ids(), [Some(5), Some(3), None, None, None]);
    assert_eq!(exact.shared(), 2);
    let folded = find(TokenMatching::IgnoringCase);
    assert_eq!(folded.old_ids(), [Some(5), Some(3), Some(5), Some(8), None]);
}

#[test]
fn an_overlap_from_pairs_rejects_what_does_not_fit() {
    let pairs = |pairs: &[(usize, u32)]| Overlap::try_from_pairs(2, pairs.iter().copied());
    assert_eq!(pairs(&[(1, 7)]).unwrap().old_ids(), [None, Some(7)]);
    assert_eq!(
        pairs(&[(2, 7)]).unwrap_err().to_string(),
        "`pairs` is (2, 7), expected a new token below 2"
    );
    assert_eq!(
        pairs(&[(0, 7), (0, 8)]).unwrap_err().to_string(),
        "`pairs` is (0, 8), expected one old id, after 7"
    );
}

// ---------------------------------------------------------------------------------- by hand

/// Vectors whose cosines with the last one are .9, .85, .3 and -.2.
fn auxiliary() -> EmbeddingMatrix {
    let at = |cosine: f32, length: f32| [cosine * length, (1.0 - cosine * cosine).sqrt() * length];
    matrix(&[at(0.9, 2.0), at(0.85, 0.5), at(0.3, 1.0), at(-0.2, 3.0), [4.0, 0.0], [0.0, 0.0]])
}

#[test]
fn focus_gives_the_row_worked_by_hand() {
    let overlap = Overlap::try_from_pairs(6, [(0, 0), (1, 1), (2, 2), (3, 3)]).unwrap();
    let auxiliary = auxiliary();
    let method = Initialisation::Focus(Focus { overlap: &overlap, auxiliary: &auxiliary });
    let new = method.initialise(&by_hand(), &[0, 1, 2, 3], Seed::new(42)).unwrap();
    assert_close(&new.rows.as_slice()[..8], by_hand().as_slice(), 0.0);
    assert_close(new.rows.row(4).unwrap(), &[0.525, 0.475], 1e-6);
    assert!(
        matches!(&new.plan.recipes()[4], RowRecipe::Weighted { weights } if weights.len() == 2)
    );
    assert_eq!(new.plan.recipes()[5], RowRecipe::Draw);
    let counts = new.counts();
    assert_eq!((counts.copied, counts.weighted, counts.drawn, counts.mean), (4, 1, 1, 0));
    assert!(new.factors.is_none());
}

#[test]
fn wechsel_gives_the_row_worked_by_hand() {
    let all = auxiliary();
    let source = EmbeddingMatrix::try_new([4, 2], all.as_slice()[..8].to_vec()).unwrap();
    let target = EmbeddingMatrix::try_new([2, 2], all.as_slice()[8..].to_vec()).unwrap();
    let row = |neighbours| {
        let wechsel = Wechsel {
            source: &source,
            target: &target,
            special_tokens: &Overlap::none(2),
            neighbourhood: Neighbourhood { neighbours, ..Neighbourhood::default() },
        };
        let new = Initialisation::Wechsel(wechsel);
        let new = new.initialise(&by_hand(), &[0, 1, 2, 3], Seed::new(42)).unwrap();
        assert_eq!(new.plan.recipes()[1], RowRecipe::Draw);
        new.rows.row(0).unwrap().to_vec()
    };
    assert_close(&row(4), &[0.623_024, 0.378_516], 2e-6);
    assert_close(&row(2), &[0.622_459, 0.377_541], 2e-6);
    assert_close(&row(1), &[1.0, 0.0], 1e-6);
    // Four are all there are.
    assert_eq!(row(10), row(4));
}

#[test]
fn an_old_token_without_a_vector_is_nobodys_neighbour() {
    let source = matrix(&[[0.0, 0.0], [-1.0, 0.1]]);
    let target = matrix(&[[1.0, 0.0]]);
    let plan = Wechsel {
        source: &source,
        target: &target,
        special_tokens: &Overlap::none(1),
        neighbourhood: Neighbourhood::default(),
    }
    .plan()
    .unwrap();
    assert_eq!(plan.recipes(), [RowRecipe::Weighted { weights: vec![(1, 1.0)] }]);
}

#[test]
fn a_factorisation_has_the_singular_values_worked_by_hand() {
    let whole = Factorisation::try_new(&by_hand(), 2).unwrap();
    for (value, expected) in whole.singular_values().iter().zip([2.510_533, 1.642_323]) {
        assert!((value - expected).abs() < 1e-6, "{value}, expected {expected}");
    }
    assert_close(whole.expand(whole.coordinates()).unwrap().as_slice(), by_hand().as_slice(), 1e-6);
    // What is left out of rank 1 is the second singular value.
    let first = Factorisation::try_new(&by_hand(), 1).unwrap();
    let product = first.expand(first.coordinates()).unwrap();
    let error: f32 =
        product.as_slice().iter().zip(by_hand().as_slice()).map(|(a, b)| (a - b).powi(2)).sum();
    assert!((error.sqrt() - 1.642_323).abs() < 1e-5, "{}", error.sqrt());
    // Coordinates hold no singular values: their columns have length one.
    let length: f32 = first.coordinates().as_slice().iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-6, "{length}");
}

#[test]
fn a_mean_leaves_out_rows_that_are_not_real() {
    let new = Initialisation::Mean { new_tokens: 2 };
    let seed = Seed::new(1);
    let rows = |real: &[u32]| new.initialise(&by_hand(), real, seed).unwrap().rows.into_values();
    assert_close(&rows(&[0, 1, 2, 3]), &[0.25, 1.0, 0.25, 1.0], 0.0);
    assert_close(&rows(&[0, 1]), &[0.5, 0.5, 0.5, 0.5], 0.0);
    let error = new.initialise(&by_hand(), &[], seed).unwrap_err();
    assert_eq!(error.to_string(), "a mean over 0 rows of an embedding matrix, expected at least 1");
}

#[test]
fn subpieces_count_as_often_as_they_occur() {
    let pieces = [vec![3, 0, 3, 2], vec![1], vec![]];
    let method = Initialisation::SubpieceMean { pieces: &pieces };
    let new = method.initialise(&by_hand(), &[0, 1], Seed::new(1)).unwrap();
    // (-1 + 1 - 1 + 1, 2 + 0 + 2 + 1) / 4
    assert_close(new.rows.as_slice(), &[0.0, 1.25, 0.0, 1.0, 0.5, 0.5], 1e-6);
    let counts = new.counts();
    assert_eq!((counts.weighted, counts.mean), (2, 1));
}

#[test]
fn one_plan_serves_every_matrix_of_the_vocabulary() {
    let overlap = Overlap::try_from_pairs(6, [(0, 0), (1, 1), (2, 2), (3, 3)]).unwrap();
    let auxiliary = auxiliary();
    let plan = Focus { overlap: &overlap, auxiliary: &auxiliary }.plan().unwrap();
    let bias = matrix(&[[2.0], [4.0], [8.0], [16.0]]);
    let new = plan.apply(&bias, &bias.all_ids(), Seed::new(42)).unwrap();
    // 0.525 · 2 + 0.475 · 4
    assert_close(&new.as_slice()[..5], &[2.0, 4.0, 8.0, 16.0, 2.95], 1e-5);
}

#[test]
fn draws_have_the_mean_and_deviation_of_the_real_rows_and_depend_on_seed_and_place() {
    let n = 20_000;
    let old = matrix(&[[5.0, -1.0], [7.0, -1.0], [9.0, -1.0], [1e6, 1e6]]);
    let (source, target) = (matrix(&[[1.0]; 4]), matrix(&vec![[0.0]; n]));
    let none = Overlap::none(n);
    let neighbourhood = Neighbourhood::default();
    let plan =
        Wechsel { source: &source, target: &target, special_tokens: &none, neighbourhood }.plan();
    let plan = plan.unwrap();
    let draw = |seed| plan.apply(&old, &[0, 1, 2], Seed::new(seed)).unwrap();
    let rows = draw(42);
    let mean = rows.mean(&rows.all_ids()).unwrap();
    let std = rows.standard_deviation(&rows.all_ids(), Deviation::Population).unwrap();
    // Population deviation √(8/3) = 1.633; six standard errors of the mean are 0.07, of the
    // deviation 0.05. The second dimension does not vary.
    assert!((mean[0] - 7.0).abs() < 0.07 && (std[0] - 1.633).abs() < 0.05, "{mean:?} {std:?}");
    assert_close(&[mean[1], std[1]], &[-1.0, 0.0], 0.0);
    assert_eq!(rows, draw(42));
    assert_ne!(rows, draw(43));
    // FOCUS takes the sample deviation: 2 rather than 1.633.
    let focus = Focus { overlap: &none, auxiliary: &target }.plan().unwrap();
    let sampled = focus.apply(&old, &[0, 1, 2], Seed::new(42)).unwrap();
    let std = sampled.standard_deviation(&sampled.all_ids(), Deviation::Population).unwrap();
    assert!((std[0] - 2.0).abs() < 0.06, "{std:?}");
    // A shorter list of tokens draws the same for those it has.
    let (source, target) = (matrix(&[[1.0]]), matrix(&[[0.0]; 3]));
    let few = Wechsel {
        source: &source,
        target: &target,
        special_tokens: &Overlap::none(3),
        neighbourhood,
    };
    let few = few.plan().unwrap().apply(&old, &[0, 1, 2], Seed::new(42)).unwrap();
    assert_eq!(few.as_slice(), &rows.as_slice()[..6]);
}

#[test]
fn bad_inputs_are_errors_that_name_them() {
    let message = |result: Result<(), InitialisationError>| result.unwrap_err().to_string();
    let two = matrix(&[[1.0, 0.0], [0.0, 1.0]]);
    let three = matrix(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let zeros = matrix(&[[0.0, 0.0], [0.0, 0.0]]);
    let none = Overlap::none(2);

    let focus = |overlap: &Overlap, auxiliary: &EmbeddingMatrix| {
        message(Focus { overlap, auxiliary }.plan().map(drop))
    };
    assert_eq!(focus(&none, &two), "no token of the overlap has a vector, expected at least one");
    assert_eq!(
        focus(&Overlap::none(3), &two),
        "rows of auxiliary vectors, one for each token of the overlap: found 2, expected 3"
    );

    let wechsel = |source: &EmbeddingMatrix, target: &EmbeddingMatrix, neighbours, temperature| {
        let neighbourhood = Neighbourhood { neighbours, temperature };
        message(Wechsel { source, target, special_tokens: &none, neighbourhood }.plan().map(drop))
    };
    assert_eq!(wechsel(&two, &two, 0, 0.1), "`neighbours` is 0, expected at least 1");
    assert_eq!(wechsel(&two, &two, 1, 0.0), "`temperature` is 0, expected above 0");
    assert_eq!(wechsel(&two, &two, 1, f32::NAN), "`temperature` is NaN, expected above 0");
    assert_eq!(wechsel(&zeros, &two, 1, 0.1), "no old token has a vector, expected at least one");
    assert_eq!(
        wechsel(&two, &three, 1, 0.1),
        "columns of the new tokens' vectors, as of the old ones': found 3, expected 2"
    );

    let pieces = [vec![0], vec![1, 4]];
    let method = Initialisation::SubpieceMean { pieces: &pieces };
    assert_eq!(
        message(method.initialise(&by_hand(), &[0], Seed::new(1)).map(drop)),
        "new token 1 takes from old id 4, expected below 4"
    );
    let rank = |rank| message(Factorisation::try_new(&by_hand(), rank).map(drop));
    assert_eq!(rank(0), "`rank` is 0, expected from 1 to 2, the rank of the embedding");
    assert_eq!(rank(3), "`rank` is 3, expected from 1 to 2, the rank of the embedding");
    let deficient = matrix(&[[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]);
    assert_eq!(
        message(Factorisation::try_new(&deficient, 2).map(drop)),
        "`rank` is 2, expected from 1 to 1, the rank of the embedding"
    );

    let word = |vector: &[f32], weight, id| SegmentedWord {
        vector: vector.to_vec(),
        weight,
        segmentations: vec![vec![id]],
    };
    let mean = |word| message(mean_of_words([3, 2], [word]).map(drop));
    assert_eq!(mean(word(&[1.0], 1.0, 0)), "values of a word's vector: found 1, expected 2");
    assert_eq!(mean(word(&[1.0, 2.0], -1.0, 0)), "`weight` is -1, expected a number not below 0");
    assert_eq!(mean(word(&[1.0, 2.0], 1.0, 3)), "`segmentations` is 3, expected ids below 3");
}

// ---------------------------------------------------------------------------------- references

fn fixture(name: &str) -> Value {
    let whole: Value =
        serde_json::from_str(include_str!("../fixtures/embedding/expected.json")).unwrap();
    whole[name].clone()
}

fn numbers(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn of_dim(value: &Value, dim: &Value) -> EmbeddingMatrix {
    let (values, dim) = (numbers(value), usize::try_from(dim.as_u64().unwrap()).unwrap());
    EmbeddingMatrix::try_new([values.len() / dim, dim], values).unwrap()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    let id = |id: &Value| u32::try_from(id.as_u64().unwrap()).unwrap();
    value.as_array().unwrap().iter().map(id).collect()
}

fn old_ids(value: &Value) -> Vec<Option<u32>> {
    let id = |id: &Value| id.as_u64().map(|id| u32::try_from(id).unwrap());
    value.as_array().unwrap().iter().map(id).collect()
}

fn overlap_of(case: &Value, matching: TokenMatching) -> Overlap {
    let old = (0..).zip(texts(&case["source_tokens"]));
    let new = texts(&case["target_tokens"]);
    Overlap::find((old, TokenForm::SentencePiece), (new, TokenForm::SentencePiece), matching)
}

/// Compares all rows but the drawn ones, which follow another generator; returns how many it was.
fn assert_rows(found: &EmbeddingMatrix, recipes: &[RowRecipe], case: &Value, expected: &Value) {
    let drawn = ids(&case["drawn"]);
    let expected = numbers(expected);
    assert_eq!(found.as_slice().len(), expected.len());
    for (token, (row, expected)) in
        found.iter_rows().zip(expected.chunks_exact(found.dim())).enumerate()
    {
        let is_drawn = drawn.contains(&u32::try_from(token).unwrap());
        assert_eq!(recipes[token] == RowRecipe::Draw, is_drawn, "token {token}");
        if !is_drawn {
            // f32 sums and weights, rounded to seven decimal places in the fixture.
            assert_close(row, expected, 1e-5);
        }
    }
}

#[test]
fn focus_is_that_of_the_reference() {
    let case = fixture("focus");
    let overlap = overlap_of(&case, TokenMatching::Exact);
    assert_eq!(overlap.old_ids(), old_ids(&case["old_ids"]));
    let auxiliary = of_dim(&case["auxiliary"], &case["auxiliary_dim"]);
    let old = of_dim(&case["embeddings"], &case["dim"]);
    let method = Initialisation::Focus(Focus { overlap: &overlap, auxiliary: &auxiliary });
    let new = method.initialise(&old, &old.all_ids(), Seed::new(42)).unwrap();
    assert_rows(&new.rows, new.plan.recipes(), &case, &case["rows"]);
    assert_eq!(new.counts().weighted, 4);
}

type Words = Vec<(String, u64, Vec<f32>)>;

fn words(value: &Value) -> Words {
    let word = |word: &Value| {
        (word[0].as_str().unwrap().to_owned(), word[1].as_u64().unwrap(), numbers(&word[2]))
    };
    value.as_array().unwrap().iter().map(word).collect()
}

fn segmentations(value: &Value) -> Vec<Vec<Vec<u32>>> {
    let word = |word: &Value| word.as_array().unwrap().iter().map(ids).collect();
    value.as_array().unwrap().iter().map(word).collect()
}

#[test]
fn wechsel_is_that_of_the_reference_from_words_to_rows() {
    let case = fixture("wechsel");
    let dim = usize::try_from(case["word_dim"].as_u64().unwrap()).unwrap();
    let sides = ["source", "target"].map(|side| {
        let words = words(&case[format!("{side}_words")]);
        let cuts = segmentations(&case[format!("{side}_segmentations")]);
        let tokens = texts(&case[format!("{side}_tokens")]).len();
        let segmented = words.iter().zip(cuts).map(|((_, count, vector), segmentations)| {
            SegmentedWord { vector: vector.clone(), weight: *count as f64, segmentations }
        });
        let of_tokens = mean_of_words([tokens, dim], segmented).unwrap();
        (StaticVectors::try_from_words(dim, words).unwrap(), of_tokens)
    });
    let [(source, source_tokens), (target, target_tokens)] = sides;
    let dictionary: Vec<(String, String)> =
        serde_json::from_value(case["dictionary"].clone()).unwrap();
    let alignment = Alignment::from_dictionary(&source, &target, &dictionary).unwrap();
    assert_close(alignment.rotation().as_slice(), &numbers(&case["rotation"]), 1e-5);
    assert_eq!(alignment.unused_entries(), 1, "moon");

    let pairs: Vec<(usize, u32)> = serde_json::from_value(case["special"].clone()).unwrap();
    let special = Overlap::try_from_pairs(target_tokens.rows(), pairs).unwrap();
    let method = Initialisation::Wechsel(Wechsel {
        source: &alignment.apply(&source_tokens).unwrap(),
        target: &target_tokens,
        special_tokens: &special,
        neighbourhood: Neighbourhood {
            neighbours: usize::try_from(case["neighbours"].as_u64().unwrap()).unwrap(),
            ..Neighbourhood::default()
        },
    });
    let old = of_dim(&case["embeddings"], &case["dim"]);
    let new = method.initialise(&old, &old.all_ids(), Seed::new(42)).unwrap();
    assert_rows(&new.rows, new.plan.recipes(), &case, &case["rows"]);
    assert_eq!(new.counts().weighted, 8);
}

#[test]
fn ofa_is_that_of_the_reference_from_words_to_factors() {
    let case = fixture("ofa");
    let dim = usize::try_from(case["word_dim"].as_u64().unwrap()).unwrap();
    let [source, target] = ["source", "target"].map(|side| {
        let cuts = segmentations(&case[format!("{side}_segmentations")]);
        let vectors = case["words"].as_array().unwrap();
        let words = vectors.iter().zip(cuts).map(|(vector, segmentations)| SegmentedWord {
            vector: numbers(vector),
            weight: 1.0,
            segmentations,
        });
        let tokens = texts(&case[format!("{side}_tokens")]).len();
        let of_tokens = mean_of_words([tokens, dim], words).unwrap();
        assert_close(of_tokens.as_slice(), &numbers(&case[format!("{side}_vectors")]), 1e-6);
        of_tokens
    });
    let overlap = overlap_of(&case, TokenMatching::IgnoringCase);
    assert_eq!(overlap.old_ids(), old_ids(&case["old_ids"]));
    let count = |field: &str| usize::try_from(case[field].as_u64().unwrap()).unwrap();
    let method = Initialisation::Ofa(Ofa {
        source: &source,
        target: &target,
        overlap: &overlap,
        neighbourhood: Neighbourhood {
            neighbours: count("neighbours"),
            ..Neighbourhood::default()
        },
        rank: Some(count("rank")),
    });
    let old = of_dim(&case["embeddings"], &case["dim"]);
    let new = method.initialise(&old, &old.all_ids(), Seed::new(42)).unwrap();
    assert_rows(&new.rows, new.plan.recipes(), &case, &case["rows"]);
    assert_eq!(new.counts().weighted, 5);

    // The reference leaves the sign of a coordinate open: it is taken from its primitives.
    let factors = new.factors.unwrap();
    let ours = factors.factorisation.primitives();
    let rank = count("rank");
    let theirs = of_dim(&case["primitives"], &case["dim"]);
    let signs: Vec<f32> = (0..rank)
        .map(|i| {
            let pairs = ours.row(i).unwrap().iter().zip(theirs.row(i).unwrap());
            pairs.map(|(a, b)| a * b).sum::<f32>().signum()
        })
        .collect();
    for (i, sign) in signs.iter().enumerate() {
        let theirs: Vec<f32> = theirs.row(i).unwrap().iter().map(|value| value * sign).collect();
        assert_close(ours.row(i).unwrap(), &theirs, 1e-5);
    }
    let turned = |value: &Value| -> Vec<f32> {
        numbers(value).iter().zip(signs.iter().cycle()).map(|(value, sign)| value * sign).collect()
    };
    let coordinates = factors.factorisation.coordinates();
    assert_close(coordinates.as_slice(), &turned(&case["coordinates"]), 1e-5);
    let expected = turned(&case["new_coordinates"]);
    for (token, row) in factors.coordinates.iter_rows().enumerate() {
        if new.plan.recipes()[token] != RowRecipe::Draw {
            assert_close(row, &expected[token * rank..][..rank], 1e-5);
        }
    }
}

#[test]
fn without_a_rank_ofa_makes_rows_of_the_whole_embedding() {
    let (source, target) = (matrix(&[[1.0, 0.0], [0.0, 1.0]]), matrix(&[[0.0, 2.0], [1.0, 1.0]]));
    let overlap = Overlap::try_from_pairs(2, [(0, 0)]).unwrap();
    let neighbourhood = Neighbourhood { neighbours: 2, temperature: 0.1 };
    let ofa =
        Ofa { source: &source, target: &target, overlap: &overlap, neighbourhood, rank: None };
    let new = Initialisation::Ofa(ofa).initialise(&source, &[0, 1], Seed::new(1)).unwrap();
    // The first is shared and copied though its nearest is another; the second lies between both.
    assert_close(new.rows.as_slice(), &[1.0, 0.0, 0.5, 0.5], 1e-6);
    assert!(new.factors.is_none());
}

// ---------------------------------------------------------------------------------- alignment

/// A matrix with independent standard normal values, as good as.
fn noise(rows: usize, dim: usize, seed: u64) -> EmbeddingMatrix {
    let old = matrix(&[[-1.0], [1.0]]);
    let tokens = rows * dim;
    let target = EmbeddingMatrix::try_new([tokens, 1], vec![0.0; tokens]).unwrap();
    let none = Overlap::none(tokens);
    let neighbourhood = Neighbourhood::default();
    let draws =
        Wechsel { source: &old, target: &target, special_tokens: &none, neighbourhood }.plan();
    let draws = draws.unwrap().apply(&old, &[0, 1], Seed::new(seed)).unwrap();
    EmbeddingMatrix::try_new([rows, dim], draws.into_values()).unwrap()
}

fn product(a: &EmbeddingMatrix, b: &EmbeddingMatrix) -> EmbeddingMatrix {
    let cell = |row: &[f32], j: usize| -> f32 {
        row.iter().zip(b.iter_rows()).map(|(value, other)| value * other[j]).sum()
    };
    let values = a.iter_rows().flat_map(|row| (0..b.dim()).map(move |j| cell(row, j))).collect();
    EmbeddingMatrix::try_new([a.rows(), b.dim()], values).unwrap()
}

fn defect(rotation: &EmbeddingMatrix) -> f32 {
    let mut worst = 0.0_f32;
    for (i, a) in rotation.iter_rows().enumerate() {
        for (j, b) in rotation.iter_rows().enumerate() {
            let dot: f32 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            worst = worst.max((dot - f32::from(u8::from(i == j))).abs());
        }
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn procrustes_recovers_a_rotation_and_is_orthogonal_even_where_pairs_are_few(
        dim in 1_usize..12,
        extra in 0_usize..20,
        few in 1_usize..12,
        seed in any::<u64>(),
    ) {
        // Whatever two sets of rows: orthogonal, to f32's rounding of rows of 12 values.
        let [a, b] = [1, 2].map(|part| noise(few, dim, seed.wrapping_add(part)));
        let rotation = orthogonal_procrustes(&a, &b).unwrap();
        prop_assert!(defect(&rotation) < 1e-5, "{}", defect(&rotation));
        // From enough pairs the rotation itself comes back. They are well conditioned with `dim`
        // more rows than columns; 1e-4 leaves room for a condition of 100 over f32 inputs.
        let a = noise(2 * dim + extra, dim, seed.wrapping_add(3));
        let found = orthogonal_procrustes(&a, &product(&a, &rotation)).unwrap();
        for (found, expected) in found.as_slice().iter().zip(rotation.as_slice()) {
            prop_assert!((found - expected).abs() < 1e-4, "{found}, expected {expected}");
        }
    }
}

#[test]
fn an_alignment_says_what_it_was_made_from_and_what_it_lacks() {
    let vectors = |words: &[&str], dim| {
        let rows = noise(words.len(), dim, 5);
        let words = words.iter().zip(rows.iter_rows());
        let words = words.map(|(word, row)| ((*word).to_owned(), 1, row.to_vec()));
        StaticVectors::try_from_words(dim, words.collect::<Vec<_>>()).unwrap()
    };
    let (source, target) = (vectors(&["Haus", "baum"], 3), vectors(&["ile", "Igi", "igi"], 3));
    let dictionary = [("haus", "ile"), ("baum", "igi"), ("auto", "ọkọ̀")];
    let alignment = Alignment::from_dictionary(&source, &target, &dictionary).unwrap();
    // Of haus its title, with ile twice; baum twice with igi twice and Igi.
    assert_eq!((alignment.pairs(), alignment.unused_entries()), (2 + 6, 1));
    let error = Alignment::from_dictionary(&source, &target, &[("auto", "ọkọ̀")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of 1 dictionary entries has vectors on both sides, expected at least one"
    );
    let error = Alignment::from_dictionary(&source, &vectors(&["ile"], 2), &dictionary);
    assert_eq!(
        error.unwrap_err().to_string(),
        "columns of the target's vectors, as of the source's: found 2, expected 3"
    );
}

// ---------------------------------------------------------------------------------- vectors

/// Sentences in which the words of each group may stand for one another and no others.
fn toy_corpus() -> Vec<String> {
    let groups = [["cat", "dog", "fox"], ["red", "blue", "pink"], ["runs", "sleeps", "eats"]];
    let mut sentences = Vec::new();
    for round in 0..60 {
        for animal in groups[0] {
            for colour in groups[1] {
                for verb in groups[2] {
                    sentences.push(format!("the {colour} {animal} {verb} now {}", round % 7));
                }
            }
        }
    }
    sentences
}

fn toy_config(architecture: Architecture) -> StaticVectorsConfig {
    StaticVectorsConfig::new(architecture, Seed::new(11))
        .with_dim(16)
        .with_epochs(4)
        .with_sample(1.0)
        .with_buckets(5_000)
}

fn trained(config: &StaticVectorsConfig, corpus: &[String]) -> StaticVectors {
    config.train(|| corpus.iter().map(|line| line.split(' ')), &()).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn interchangeable_words_come_nearer_than_others() {
    let corpus = toy_corpus();
    for architecture in [Architecture::Cbow, Architecture::SkipGram] {
        // Without n-grams, so that spelling cannot help.
        let vectors = trained(&toy_config(architecture).with_ngrams(0, 0), &corpus);
        let near =
            |a: &str, b: &str| cosine(&vectors.vector(a).unwrap(), &vectors.vector(b).unwrap());
        for (a, b, other) in
            [("cat", "dog", "red"), ("red", "blue", "eats"), ("runs", "eats", "fox")]
        {
            let (alike, apart) = (near(a, b), near(a, other));
            assert!(alike > apart + 0.2, "{architecture:?}: {a} {b} {alike}, {other} {apart}");
        }
    }
}

#[test]
fn n_grams_place_a_word_that_was_never_seen() {
    let corpus: Vec<String> = (0..200)
        .flat_map(|i| {
            let verb = ["walked", "talked", "worked", "asked", "looked"][i % 5];
            let noun = ["houses", "horses", "voices", "nurses", "cheeses"][i % 5];
            [format!("they {verb} yesterday evening"), format!("many {noun} here")]
        })
        .collect();
    let config = toy_config(Architecture::SkipGram).with_epochs(20);
    let vectors = trained(&config, &corpus);
    let seen = |word: &str| vectors.vector(word).unwrap();
    let unseen = vectors.composed_vector("parked").unwrap();
    assert_eq!(vectors.vector("parked"), None);
    assert!(cosine(&unseen, &seen("walked")) > cosine(&unseen, &seen("houses")) + 0.2);
    // A word of the vocabulary is itself; one that shares no n-gram has no vector.
    assert_eq!(vectors.composed_vector("walked"), vectors.vector("walked"));
    assert_eq!(vectors.composed_vector("字"), None);
    let rows = vectors.rows(["parked", "walked"]);
    assert_close(rows.row(0).unwrap(), &[0.0; 16], 0.0);
    assert_close(rows.row(1).unwrap(), &seen("walked"), 0.0);
    let rows = vectors.composed_rows(["字", "parked"]);
    assert_close(rows.row(0).unwrap(), &[0.0; 16], 0.0);
    assert_close(rows.row(1).unwrap(), &unseen, 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn equal_seeds_give_equal_vectors_and_others_do_not(seed in any::<u64>(), skip_gram: bool) {
        let architecture = if skip_gram { Architecture::SkipGram } else { Architecture::Cbow };
        let corpus = &toy_corpus()[..100];
        let config = |seed| {
            let seeded = StaticVectorsConfig::new(architecture, Seed::new(seed));
            seeded.with_dim(8).with_epochs(1).with_min_count(1).with_sample(0.01)
        };
        let train = |seed| {
            let vectors = trained(&config(seed), corpus);
            let tokens: Vec<String> = vectors.tokens().map(|(token, _)| token.to_owned()).collect();
            let rows = vectors.composed_rows(tokens.iter().map(String::as_str).chain(["cats"]));
            (tokens, rows)
        };
        let first = train(seed);
        prop_assert_eq!(&first, &train(seed));
        prop_assert_ne!(&first.1, &train(seed.wrapping_add(1)).1);
    }
}

#[test]
fn tokens_that_are_always_passed_over_leave_the_vectors_as_they_began() {
    let corpus = ["a b a b b".to_owned()];
    let rows = |sample, epochs| {
        let config = toy_config(Architecture::Cbow).with_min_count(1);
        trained(&config.with_sample(sample).with_epochs(epochs), &corpus).rows(["a", "b"])
    };
    // A token is kept with probability √(1e-30 / 0.4).
    assert_eq!(rows(1e-30, 1), rows(1e-30, 9));
    assert_ne!(rows(1.0, 1), rows(1.0, 9));
    // They begin within 1/dim.
    assert!(rows(1e-30, 1).as_slice().iter().all(|value| value.abs() <= 1.0 / 16.0));
}

#[test]
fn tokens_come_by_count_and_then_by_text() {
    let corpus = ["b a c", "c a b", "d c e"].map(str::to_owned);
    let config = toy_config(Architecture::Cbow).with_min_count(2);
    let vectors = trained(&config, &corpus);
    let tokens: Vec<(&str, u64)> = vectors.tokens().collect();
    assert_eq!(tokens, [("c", 3), ("a", 2), ("b", 2)]);
    assert_eq!(vectors.dim(), 16);
}

#[test]
fn progress_counts_the_tokens_of_the_vocabulary() {
    use std::cell::RefCell;
    #[derive(Default)]
    struct Seen(RefCell<Vec<String>>);
    impl Progress for Seen {
        fn report(&self, event: ProgressEvent<'_>) {
            let line = match event {
                ProgressEvent::Started { total, unit, .. } => format!("{total:?} {unit}"),
                ProgressEvent::Advanced { done, note, .. } => {
                    let loss: f64 = note.strip_prefix("loss ").unwrap().parse().unwrap();
                    assert!(loss > 0.0);
                    format!("{done}")
                }
                _ => "end".to_owned(),
            };
            self.0.borrow_mut().push(line);
        }
    }
    // 4 tokens of 5 are in the vocabulary, 200,000 over the epochs.
    let corpus: Vec<String> = (0..10_000).map(|i| format!("a b a b rare{i}")).collect();
    let config = toy_config(Architecture::Cbow).with_epochs(5).with_dim(2);
    let seen = Seen::default();
    config.train(|| corpus.iter().map(|line| line.split(' ')), &seen).unwrap();
    assert_eq!(seen.0.into_inner(), ["Some(200000) tokens", "100000", "200000", "end"]);
}

#[test]
fn what_cannot_be_trained_is_an_error_that_says_why() {
    let corpus = || ["a b a b a b a b a b c"].into_iter().map(|line| line.split(' '));
    let config = || StaticVectorsConfig::new(Architecture::Cbow, Seed::new(1));
    let message = |config: StaticVectorsConfig| config.train(corpus, &()).unwrap_err().to_string();
    assert_eq!(message(config().with_dim(0)), "`dim` is 0, expected at least 1");
    assert_eq!(message(config().with_window(0)), "`window` is 0, expected at least 1");
    assert_eq!(message(config().with_epochs(0)), "`epochs` is 0, expected at least 1");
    assert_eq!(message(config().with_negatives(0)), "`negatives` is 0, expected at least 1");
    assert_eq!(
        message(config().with_learning_rate(f32::NAN)),
        "`learning_rate` is NaN, expected above 0"
    );
    assert_eq!(message(config().with_sample(0.0)), "`sample` is 0, expected above 0 and at most 1");
    assert_eq!(message(config().with_ngrams(4, 3)), "`min_n` is 4, expected from 1 to `max_n`");
    assert_eq!(
        message(config().with_buckets(0)),
        "`buckets` is 0, expected at least 1 where there are n-grams"
    );
    assert_eq!(
        message(config().with_min_count(6)),
        "0 of 3 distinct tokens occur at least 6 times, expected 2 or more (lower `min_count`, or \
         give more text)"
    );
    let diverges = config().with_learning_rate(1e30).with_sample(1.0).with_epochs(50);
    assert_eq!(
        message(diverges),
        format!(
            "the vector of `a` is not finite, expected a lower `learning_rate` than {}",
            1e30_f32
        )
    );

    // A corpus that is read from elsewhere may change under the training.
    let calls = std::cell::Cell::new(0);
    let shrinking = || {
        calls.set(calls.get() + 1);
        let lines = if calls.get() < 3 { 10 } else { 9 };
        std::iter::repeat_n("a b", lines).map(|line| line.split(' '))
    };
    assert_eq!(
        config().train(shrinking, &()).unwrap_err().to_string(),
        "epoch 2 read 18 tokens, expected 20 as in the first pass"
    );
}

#[test]
fn vectors_from_elsewhere_are_checked() {
    let word = |word: &str, vector: &[f32]| (word.to_owned(), 1, vector.to_vec());
    let message =
        |dim, words: Words| StaticVectors::try_from_words(dim, words).unwrap_err().to_string();
    assert_eq!(message(0, Vec::new()), "`dim` is 0, expected at least 1");
    assert_eq!(
        message(2, vec![word("a", &[1.0, 2.0]), word("b", &[1.0])]),
        "the vector of `b` has 1 values, expected 2"
    );
    assert_eq!(
        message(2, vec![word("a", &[1.0, f32::INFINITY])]),
        "value 1 of the vector of `a` is inf, expected a finite number"
    );
    assert_eq!(
        message(1, vec![word("a", &[1.0]), word("a", &[2.0])]),
        "`a` has two vectors, expected one"
    );
    let vectors = StaticVectors::try_from_words(1, vec![word("a", &[3.0])]).unwrap();
    assert_eq!(vectors.composed_vector("a"), Some(vec![3.0]));
    assert_eq!(vectors.composed_vector("aa"), None);
}

#[test]
fn a_misspelt_key_of_the_configuration_is_an_error() {
    let config = StaticVectorsConfig::focus(Seed::new(3));
    let mut json = serde_json::to_value(&config).unwrap();
    assert_eq!(serde_json::from_value::<StaticVectorsConfig>(json.clone()).unwrap(), config);
    assert_eq!((config.epochs, config.negatives, config.min_count, config.dim), (3, 10, 10, 100));
    json["epoch"] = 3.into();
    let error = serde_json::from_value::<StaticVectorsConfig>(json).unwrap_err().to_string();
    assert!(error.starts_with("unknown field `epoch`"), "{error}");
}
