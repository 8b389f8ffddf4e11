//! Lexicon induction, against numpy and by hand; dictionaries and vectors as files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use isogloss_core::Seed;
use isogloss_evaluation::{
    BilingualDictionary, BootstrapConfig, EmbeddingMatrix, LexiconQuery, Mean, Metric,
    WordSimilarity, WordVectors, induce_lexicon,
};
use proptest::prelude::*;
use rand::RngExt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    dim: usize,
    x: Vec<f32>,
    y: Vec<f32>,
    queries: Vec<(usize, Vec<usize>)>,
    found: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    k: Option<usize>,
    ranks: Vec<usize>,
    precision: [f64; 3],
    mrr: f64,
}

fn similarity(k: Option<usize>) -> WordSimilarity {
    k.map_or(WordSimilarity::Cosine, |k| WordSimilarity::Csls { k })
}

#[test]
fn ranks_are_those_of_numpy() {
    let expected: Expected =
        serde_json::from_str(include_str!("../fixtures/lexicon/expected.json")).unwrap();
    for (place, case) in expected.cases.iter().enumerate() {
        let matrix = |values: &[f32]| {
            let values = values.iter().map(|value| value / 8.0).collect();
            EmbeddingMatrix::try_new(case.dim, values).unwrap()
        };
        let queries: Vec<LexiconQuery> = case
            .queries
            .iter()
            .map(|(source, targets)| LexiconQuery {
                source: *source,
                targets: targets.iter().copied().collect(),
            })
            .collect();
        let (src, tgt) = (matrix(&case.x), matrix(&case.y));
        for expected in &case.found {
            let found = induce_lexicon(&src, &tgt, &queries, similarity(expected.k), &()).unwrap();
            assert_eq!(found.ranks, expected.ranks, "case {place}, k {:?}", expected.k);
            let mean = |items: Vec<f64>| Mean.aggregate(&mut items.iter()).unwrap();
            for (k, precision) in [1, 5, 10].into_iter().zip(expected.precision) {
                assert!((mean(found.hits_at(k)) - precision).abs() < 1e-12);
            }
            assert!((mean(found.reciprocal_ranks()) - expected.mrr).abs() < 1e-12);
        }
    }
}

#[test]
fn ranks_over_several_blocks_are_those_of_the_definition() {
    let mut rng = Seed::new(5).rng();
    let mut matrix = |rows: usize| {
        let values = (0..rows * 8).map(|_| rng.random_range(-0.5..1.0)).collect();
        EmbeddingMatrix::try_new(8, values).unwrap()
    };
    let (src, tgt) = (matrix(1_300), matrix(2_300));
    let queries: Vec<LexiconQuery> = (0..1_300)
        .map(|source| LexiconQuery { source, targets: [source, source + 999].into() })
        .collect();
    let cosine = induce_lexicon(&src, &tgt, &queries, WordSimilarity::Cosine, &()).unwrap();
    let unit = |matrix: &EmbeddingMatrix| -> Vec<Vec<f64>> {
        let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let unit = |row: &[f32]| row.iter().map(|v| f64::from(*v) / norm(row)).collect();
        matrix.rows().map(unit).collect()
    };
    let (unit_src, unit_tgt) = (unit(&src), unit(&tgt));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for query in (0..1_300).step_by(60) {
        let cosines: Vec<f64> = unit_tgt.iter().map(|row| dot(row, &unit_src[query])).collect();
        let best = cosines[query].max(cosines[query + 999]);
        // A cosine in single precision may fall on the other side of one that is as near as this.
        let before = |margin: f64| cosines.iter().filter(|cosine| **cosine > best + margin).count();
        let range = before(1e-6) + 1..=before(-1e-6);
        assert!(range.contains(&cosine.ranks[query]), "query {query}: {range:?}");
    }
    // The same words in another order of targets have the same ranks.
    let turned = EmbeddingMatrix::try_new(8, {
        let rows: Vec<&[f32]> = tgt.rows().collect();
        rows.iter().rev().flat_map(|row| row.iter().copied()).collect()
    });
    let turn = |query: &LexiconQuery| LexiconQuery {
        source: query.source,
        targets: query.targets.iter().map(|target| 2_299 - target).collect(),
    };
    let turned_queries: Vec<LexiconQuery> = queries.iter().map(turn).collect();
    let csls = WordSimilarity::default();
    assert_eq!(
        induce_lexicon(&src, &turned.unwrap(), &turned_queries, csls, &()).unwrap(),
        induce_lexicon(&src, &tgt, &queries, csls, &()).unwrap(),
    );
}

#[test]
fn csls_takes_from_a_hub_what_it_has_too_much() {
    // Target 0 is near to all sources, and nearest to the second, whose translation is target 1.
    let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.3, 0.3, 1.0, 1.0, 1.0]).unwrap();
    let tgt = EmbeddingMatrix::try_new(2, vec![0.6, 0.9, -0.25, 1.0]).unwrap();
    let query = [LexiconQuery { source: 1, targets: [1].into() }];
    let rank = |similarity| induce_lexicon(&src, &tgt, &query, similarity, &()).unwrap().ranks[0];
    assert_eq!(rank(WordSimilarity::Cosine), 2);
    assert_eq!(rank(WordSimilarity::Csls { k: 3 }), 1);
}

#[test]
fn words_as_near_as_the_right_ones_come_before_them() {
    let same = EmbeddingMatrix::try_new(2, vec![0.3; 10]).unwrap();
    let query =
        |targets: &[usize]| LexiconQuery { source: 0, targets: targets.iter().copied().collect() };
    let queries = [query(&[2]), query(&[0, 4]), query(&[0, 1, 2, 3, 4])];
    for similarity in [WordSimilarity::Cosine, WordSimilarity::default()] {
        let found = induce_lexicon(&same, &same, &queries, similarity, &()).unwrap();
        assert_eq!(found.ranks, [5, 4, 1]);
        assert_eq!(found.hits_at(4), [0.0, 1.0, 1.0]);
    }
}

#[test]
fn queries_that_cannot_be_asked_are_named() {
    let matrix = EmbeddingMatrix::try_new(1, vec![1.0, -1.0]).unwrap();
    let ask = |source: usize, targets: &[usize]| {
        let query = LexiconQuery { source, targets: targets.iter().copied().collect() };
        let ok = LexiconQuery { source: 0, targets: [0].into() };
        let queries = [ok, query];
        induce_lexicon(&matrix, &matrix, &queries, WordSimilarity::Cosine, &()).unwrap_err()
    };
    for (error, expected) in [
        (ask(2, &[0]), "`source` is 2 in query 1, expected a row of the source vectors"),
        (ask(1, &[0, 3]), "`targets` is 3 in query 1, expected rows of the target vectors"),
        (ask(1, &[]), "`targets` is empty in query 1, expected at least one translation"),
    ] {
        assert_eq!(error.to_string(), expected);
    }
    let none = induce_lexicon(&matrix, &matrix, &[], WordSimilarity::Cosine, &()).unwrap_err();
    assert_eq!(none.to_string(), "lexicon queries: no items, expected at least one");
    let query = [LexiconQuery { source: 0, targets: [0].into() }];
    let zero = induce_lexicon(&matrix, &matrix, &query, WordSimilarity::Csls { k: 0 }, &());
    assert_eq!(zero.unwrap_err().to_string(), "`k` is 0, expected at least 1");
}

struct Folder(tempfile::TempDir);

#[expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]
impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn vectors_are_read_as_word2vec_and_fast_text_write_them() {
    let folder = Folder::new();
    // A word with a space, one with a no-break space, a line that ends with a space and a CR.
    let text = "\u{feff}5 2\nọ̀rọ̀ 0.5 -1e-2\nNew York 1 2 \nእ\u{a0}ን 3 4\r\nọ̀rọ̀ 9 9\n1 5 6\n";
    let path = folder.file("a.vec", text);
    let vectors = WordVectors::read(&path, None).unwrap();
    assert_eq!(vectors.words(), ["ọ̀rọ̀", "New York", "እ\u{a0}ን", "1"]);
    let rows: Vec<&[f32]> = vectors.matrix().rows().collect();
    assert_eq!(rows, [[0.5, -0.01], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    assert_eq!(vectors.repeated(), ["ọ̀rọ̀"]);
    assert_eq!((vectors.row("New York"), vectors.row("York")), (Some(1), None));
    let first = WordVectors::read(&path, Some(2)).unwrap();
    assert_eq!(first.words(), ["ọ̀rọ̀", "New York"]);
    // More than there are: all of them.
    assert_eq!(WordVectors::read(&path, Some(9)).unwrap().words().len(), 4);
}

#[test]
fn faults_of_vectors_name_the_line() {
    let folder = Folder::new();
    let read = |content: &[u8]| {
        let path = folder.file("a.vec", content);
        let error = WordVectors::read(&path, None).unwrap_err().to_string();
        error.strip_prefix(&format!("{}, ", path.display())).unwrap_or(&error).to_owned()
    };
    for (content, expected) in [
        (&b""[..], "line 1: the file is empty, expected `n dim`"),
        (b"word 0.5\n", "line 1: `word 0.5`, expected `n dim`, two numbers above 0"),
        (b"0 2\n", "line 1: `0 2`, expected `n dim`, two numbers above 0"),
        (b"2 2\na 1 2\n", "line 2: the file ends after 1 vectors, expected 2 by line 1"),
        (b"1 2\na 1 2\nb 1 2\n", "line 3: a vector more than the 1 of the first line"),
        (b"1 2\na 1\n", "line 2: 1 numbers after the word, expected 2"),
        (b"1 2\n\n", "line 2: 0 numbers after the word, expected 2"),
        (b"1 2\na 1 x\n", "line 2: number 2 is `x`, expected a finite number"),
        (b"1 2\na inf 1\n", "line 2: number 1 is `inf`, expected a finite number"),
        (b"1 1\n 1\n", "line 2: no word before its 1 numbers, expected one"),
        (b"2 1\na 1\n\xffb 1\n", "line 3: byte 1 is not UTF-8, expected UTF-8 text"),
    ] {
        assert_eq!(read(content), expected);
    }
    let missing = WordVectors::read(Path::new("no-such.vec"), None).unwrap_err().to_string();
    assert!(missing.starts_with("no-such.vec cannot be read"), "{missing}");
    let path = folder.file("a.vec", "1 1\na 1\n");
    let error = WordVectors::read(path, Some(0)).unwrap_err().to_string();
    assert_eq!(error, "`limit` is 0, expected at least 1");
    let matrix = || EmbeddingMatrix::try_new(1, vec![1.0, 2.0]).unwrap();
    let twice = WordVectors::try_new(vec!["a".to_owned(), "a".to_owned()], matrix()).unwrap_err();
    assert_eq!(twice.to_string(), "`words` is `a` in row 0 and in row 1, expected each word once");
    let one = WordVectors::try_new(vec!["a".to_owned()], matrix()).unwrap_err();
    assert_eq!(one.to_string(), "words: 1, expected 2");
}

#[test]
fn a_dictionary_is_asked_and_what_cannot_be_is_named() {
    let folder = Folder::new();
    let vectors = |words: &[&str], values: &[f32]| {
        let matrix = EmbeddingMatrix::try_new(2, values.to_vec()).unwrap();
        WordVectors::try_new(words.iter().map(|word| (*word).to_owned()).collect(), matrix).unwrap()
    };
    let yoruba = vectors(&["ilé", "omi", "ọba"], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    let english = vectors(&["house", "water", "home"], &[0.7, 0.1, 0.1, 1.0, 1.0, 0.05]);
    let path = folder.file(
        "yo-en.txt",
        "omi water\nilé\thouse\nilé  home\n\nilé home\nàkàrà fritter\nọba king\nojú eye\nilé king\r\n",
    );
    let dictionary = BilingualDictionary::read(path).unwrap();
    assert_eq!(dictionary.pairs.len(), 8);
    assert_eq!(dictionary.pairs[7], ["ilé", "king"]);
    let found = dictionary.queries(&yoruba, &english);
    assert_eq!(found.words, ["omi", "ilé"]);
    assert_eq!(found.queries[1], LexiconQuery { source: 0, targets: [0, 2].into() });
    assert_eq!(found.unknown_sources, ["àkàrà", "ojú"]);
    assert_eq!(found.without_target, ["ọba"]);
    assert_eq!(found.unknown_targets, ["fritter", "king", "eye"]);
    assert!((found.coverage() - 0.4).abs() < 1e-15);
    let induced = induce_lexicon(
        yoruba.matrix(),
        english.matrix(),
        &found.queries,
        WordSimilarity::Cosine,
        &(),
    )
    .unwrap();
    assert_eq!(induced.ranks, [1, 1]);
    let bootstrap = BootstrapConfig::new(Seed::new(1));
    assert!(bootstrap.estimate(&Mean, &induced.hits_at(1)).unwrap().value > 0.999);

    for (content, expected) in [
        ("omi water\nilé\n", "line 2: 1 words, expected a word and its translation"),
        ("omi water drop\n", "line 1: 3 words, expected a word and its translation"),
        ("omi\t\n", "line 1: 1 words, expected a word and its translation"),
        // With a tab, a word may hold a space.
        ("omi tútù\tcold water\nx", "line 2: 1 words, expected a word and its translation"),
    ] {
        let path = folder.file("bad.txt", content);
        let error = BilingualDictionary::read(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{}, {expected}", path.display()));
    }
    let error = BilingualDictionary::read(folder.file("none.txt", "\n \n")).unwrap_err();
    assert_eq!(error.to_string(), "bilingual dictionary: no items, expected at least one");
}

proptest! {
    #[test]
    fn a_vector_file_reads_back(
        words in prop::collection::btree_set("[^\\s\\p{C}]{1,6}", 1..8),
        seed in 0_u64..1_000,
    ) {
        let mut rng = Seed::new(seed).rng();
        let mut text = format!("{} 3\n", words.len());
        let mut values = Vec::new();
        for word in &words {
            let row: [f32; 3] = std::array::from_fn(|_| rng.random_range(-9.0..9.0));
            writeln!(text, "{word} {} {} {}", row[0], row[1], row[2])?;
            values.extend(row);
        }
        let folder = Folder::new();
        let read = WordVectors::read(folder.file("a.vec", text), None)?;
        prop_assert!(read.words().iter().eq(words.iter()));
        prop_assert_eq!(read.matrix(), &EmbeddingMatrix::try_new(3, values)?);
    }
}
