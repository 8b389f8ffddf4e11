//! Attachment scores, beside those of the scorer of CoNLL 2018.

use isogloss_core::Seed;
use isogloss_evaluation::{
    BootstrapConfig, DependencyConfig, DependencySentence, EvaluationError, RatioOfSums,
    parse_conllu,
};
use serde_json::{Value, json};

const GOLD: &str = include_str!("../fixtures/dependencies/gold.conllu");
const SYSTEM: &str = include_str!("../fixtures/dependencies/system.conllu");

/// A multiword token, an empty node, a subtype and punctuation.
const SPANISH: &str = "\
# sent_id = mar-1
1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tvamos\tir\tVERB\t_\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_
2.1\tx\tx\tVERB\t_\t_\t_\t_\t0:root\t_
3\tal\tal\tADP\t_\t_\t4\tcase\t_\t_
4\tmar\tmar\tNOUN\t_\t_\t1\tobl:loc\t_\t_
5\t.\t.\tPUNCT\t_\t_\t1\tpunct\t_\t_
";

fn guess(gold: &DependencySentence, arcs: &[(usize, &str)]) -> DependencySentence {
    let mut guess = gold.clone();
    for (word, (head, relation)) in guess.words.iter_mut().zip(arcs) {
        word.head = *head;
        (*relation).clone_into(&mut word.relation);
    }
    guess
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn spanish() -> [Vec<DependencySentence>; 2] {
    let gold = parse_conllu(SPANISH).unwrap();
    let arcs = [(0, "root"), (1, "iobj"), (4, "case"), (1, "obl"), (4, "punct")];
    let system = guess(&gold[0], &arcs);
    [gold, vec![system]]
}

#[test]
fn scores_are_those_of_the_scorer_of_conll_2018() {
    let fixture: Value =
        serde_json::from_str(include_str!("../fixtures/dependencies/parity.json")).unwrap();
    assert_eq!(fixture["versions"]["udtools"], "0.2.9");
    let (gold, system) = (parse_conllu(GOLD).unwrap(), parse_conllu(SYSTEM).unwrap());
    let scores = DependencyConfig::default().score(&gold, &system).unwrap();
    let found: Vec<Value> = scores
        .sentences
        .iter()
        .map(|c| {
            json!([c.words, c.heads, c.labelled, c.content_gold, c.content_system, c.content_right])
        })
        .collect();
    assert_eq!(found.len(), 200);
    assert_eq!(json!(found), fixture["sentences"]);
    for (score, name) in [(scores.uas(), "uas"), (scores.las(), "las"), (scores.clas(), "clas")] {
        let expected = fixture["all"][name].as_f64().unwrap();
        assert!((score.unwrap() - expected).abs() < 1e-12, "{name}: {score:?}, not {expected}");
    }
}

#[test]
fn words_are_scored_but_neither_multiword_tokens_nor_empty_nodes() {
    let [gold, system] = spanish();
    let all = DependencyConfig::default();
    let scores = |config: DependencyConfig| {
        let scores = config.score(&gold, &system).unwrap();
        (scores.uas().unwrap(), scores.las().unwrap(), scores.clas().unwrap())
    };
    // Of root, obj and obl of gold and root, iobj and obl of the system, root and obl are right.
    assert_eq!(scores(all), (0.8, 0.6, 2.0 / 3.0));
    assert_eq!(scores(all.with_punctuation(false)), (1.0, 0.75, 2.0 / 3.0));
    assert_eq!(scores(all.with_subtypes(true)), (0.8, 0.4, 1.0 / 3.0));
}

#[test]
fn a_tree_is_all_right_beside_itself_and_has_an_interval() {
    let gold = parse_conllu(GOLD).unwrap();
    let scores = DependencyConfig::default().with_subtypes(true).score(&gold, &gold).unwrap();
    assert_eq!([scores.uas(), scores.las(), scores.clas()], [Some(1.0); 3]);
    let system = parse_conllu(SYSTEM).unwrap();
    let scores = DependencyConfig::default().score(&gold, &system).unwrap();
    let bootstrap = BootstrapConfig::new(Seed::new(1));
    let las = bootstrap.estimate(&RatioOfSums, &scores.las_items()).unwrap();
    assert_eq!(Some(las.value), scores.las());
    assert!(las.low < las.value && las.value < las.high);
}

/// The lines of the Spanish sentence with one replaced, counted from 1.
fn with_line(number: usize, line: &str) -> String {
    let lines = SPANISH.lines().enumerate();
    lines.map(|(n, old)| if n + 1 == number { line } else { old }.to_owned() + "\n").collect()
}

#[test]
fn a_malformed_line_is_named_with_its_column() {
    for (number, line, expected) in [
        (
            3,
            "1\tvamos",
            "CoNLL-U, line 3, row: 2 columns, expected ten columns with a tab between each",
        ),
        (
            4,
            "3\tnos\t_\tPRON\t_\t_\t1\tobj\t_\t_",
            "CoNLL-U, line 4, ID: `3`, expected the number of the word in its sentence",
        ),
        (
            4,
            "2\tnos\t_\tPRON\t_\t_\t_\tobj\t_\t_",
            "CoNLL-U, line 4, HEAD: `_`, expected the number of a word of the sentence, or 0",
        ),
        (
            4,
            "2\tnos\t_\tPRON\t_\t_\t6\tobj\t_\t_",
            "CoNLL-U, line 4, HEAD: `6`, expected the number of a word of the sentence, or 0",
        ),
        (4, "2\tnos\t_\tPRON\t_\t_\t1\t\t_\t_", "CoNLL-U, line 4, DEPREL: ``, expected a relation"),
        (4, "2\t\u{a0}\t_\tPRON\t_\t_\t1\tobj\t_\t_", "CoNLL-U, line 4, FORM: ``, expected a word"),
        (
            5,
            "3.1\tx\t_\t_\t_\t_\t_\t_\t_\t_",
            "CoNLL-U, line 5, ID: `3.1`, expected the number of the word before the empty node, \
             a point and a number",
        ),
        (
            2,
            "2-3\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_",
            "CoNLL-U, line 2, ID: `2-3`, expected the next word's number, a hyphen and a greater one, \
             outside of other multiword tokens",
        ),
        (
            2,
            "1-6\tvámonos\t_\t_\t_\t_\t_\t_\t_\t_",
            "CoNLL-U, line 2, ID: `1-6`, expected words of the sentence",
        ),
    ] {
        let error = parse_conllu(&with_line(number, line)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn other_words_are_an_error_that_names_where() {
    let gold = parse_conllu(SPANISH).unwrap();
    let error = |system: &str| {
        let system = parse_conllu(system).unwrap();
        DependencyConfig::default().score(&gold, &system).unwrap_err().to_string()
    };
    assert_eq!(
        error(&with_line(7, "4\tmares\t_\tNOUN\t_\t_\t1\tobl\t_\t_")),
        "sentence 1 (`mar-1`): `mares` in line 7 of the system, expected `mar` as in line 7 of gold"
    );
    // The same letters, parted elsewhere.
    let one_word = "1\tvámonos\t_\tVERB\t_\t_\t0\troot\t_\t_\n2\tal\t_\tADP\t_\t_\t1\tcase\t_\t_\n";
    assert_eq!(
        error(one_word),
        "sentence 1 (`mar-1`): `vámonos` in line 1 of the system, \
         expected `vámonos` of 2 words as in line 2 of gold"
    );
    assert_eq!(
        error(&with_line(4, "2\tos\t_\tPRON\t_\t_\t1\tobj\t_\t_")),
        "sentence 1 (`mar-1`): `os` in line 4 of the system, expected `nos` as in line 4 of gold"
    );
    let short: String = SPANISH.lines().take(7).map(|line| line.to_owned() + "\n").collect();
    assert_eq!(
        error(&short),
        "sentence 1 (`mar-1`): the end of the sentence in line 7 of the system, \
         expected `.` as in line 8 of gold"
    );
    let error = error(&format!("{SPANISH}\n{SPANISH}"));
    assert_eq!(error, "sentences of the system: 2, expected 1");
}

#[test]
fn words_of_multiword_tokens_may_differ_in_case_as_in_conll_2018() {
    let gold = parse_conllu(SPANISH).unwrap();
    let score =
        |system: &str| DependencyConfig::default().score(&gold, &parse_conllu(system).unwrap());
    assert!(score(&with_line(4, "2\tNos\t_\tPRON\t_\t_\t1\tobj\t_\t_")).is_ok());
    // Of a word that is a token the case is text.
    assert!(matches!(
        score(&with_line(7, "4\tMar\t_\tNOUN\t_\t_\t1\tobl\t_\t_")),
        Err(EvaluationError::Segmentation { .. })
    ));
}

#[test]
fn what_is_no_tree_is_an_error_unless_it_may_be() {
    let gold = parse_conllu(SPANISH).unwrap();
    let labels = ["root", "obj", "case", "obl", "punct"];
    let system = |heads: [usize; 5]| {
        let arcs: Vec<_> = heads.into_iter().zip(labels).collect();
        [guess(&gold[0], &arcs)]
    };
    let config = DependencyConfig::default();
    for (heads, expected) in [
        ([0, 0, 4, 1, 1], "line 4, HEAD of the system: `0`, expected one root in a sentence"),
        (
            [0, 1, 4, 3, 1],
            "line 6, HEAD of the system: `4`, expected a way to the root, not a cycle",
        ),
        (
            [1, 1, 4, 1, 1],
            "line 3, HEAD of the system: `1`, expected a way to the root, not a cycle",
        ),
    ] {
        let error = config.score(&gold, &system(heads)).unwrap_err();
        assert_eq!(error.to_string(), format!("CoNLL-U, {expected}"));
        assert!(config.with_trees_only(false).score(&gold, &system(heads)).is_ok());
    }
    let error = config.with_trees_only(false).score(&gold, &system([0, 9, 4, 1, 1])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CoNLL-U, line 4, HEAD of the system: `9`, expected the number of a word of the sentence, or 0"
    );
}
