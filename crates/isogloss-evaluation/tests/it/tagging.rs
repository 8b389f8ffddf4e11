//! Tagging against seqeval 1.2.2, and files of tags.

use isogloss_core::Seed;
use isogloss_evaluation::{
    BootstrapConfig, EntityCounts, EntityEstimate, EntityF1, EntityScore, EvaluationError, Metric,
    TagReading, TagScheme, TaggedFile, TaggingReport, entities, entity_counts,
};
use proptest::prelude::*;
use serde_json::Value;

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn expected() -> Value {
    serde_json::from_str(include_str!("../fixtures/tagging/expected.json")).unwrap()
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn sentences(side: &Value) -> Vec<Vec<&str>> {
    let sentences = side.as_array().unwrap().iter();
    sentences.map(|tags| tags.as_str().unwrap().split(' ').collect()).collect()
}

fn pairs(case: &Value) -> Vec<[Vec<&str>; 2]> {
    let both = sentences(&case["gold"]).into_iter().zip(sentences(&case["predicted"]));
    both.map(|(gold, predicted)| [gold, predicted]).collect()
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn assert_score(found: EntityScore, expected: &Value, what: &str) {
    for (place, found) in [found.precision, found.recall, found.f1].into_iter().enumerate() {
        // Where nothing is an entity, the macro mean of seqeval is not a number, ours is 0.
        let expected = expected[place].as_f64().unwrap_or(0.0);
        assert!((found - expected).abs() < 1e-12, "{what}, {place}: {found}, expected {expected}");
    }
    assert_eq!(found.support as u64, expected[3].as_u64().unwrap(), "{what}");
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn assert_report(found: &TaggingReport, expected: &Value, what: &str) {
    let expected = expected.as_object().unwrap();
    assert_eq!(expected.len(), found.kinds.len() + 3, "{what}: {found:?}");
    for (name, expected) in expected {
        let score = match name.as_str() {
            "micro avg" => found.micro_average,
            "macro avg" => found.macro_average,
            "weighted avg" => found.weighted_average,
            kind => found.kinds[kind],
        };
        assert_score(score, expected, &format!("{what}, {name}"));
    }
}

#[test]
fn intervals_are_of_the_reports_own_scores_and_of_sentences_that_are_drawn_again() {
    let bootstrap = BootstrapConfig::new(Seed::new(4)).with_resamples(50);
    let same = |found: &EntityEstimate, score: &EntityScore| {
        let found = [found.precision, found.recall, found.f1].into_iter();
        for (found, score) in found.zip([score.precision, score.recall, score.f1]) {
            assert!((found.value - score).abs() < 1e-15, "{found}, expected {score}");
        }
    };
    let mut compared = 0;
    for case in expected()["cases"].as_array().unwrap() {
        let pairs = pairs(case);
        let found = TaggingReport::estimates(&pairs, TagReading::Lenient, &bootstrap).unwrap();
        let report = TaggingReport::try_new(&pairs, TagReading::Lenient).unwrap();
        assert!(found.kinds.keys().eq(report.kinds.keys()));
        for (found, score) in found.kinds.values().zip(report.kinds.values()) {
            same(found, score);
            assert_eq!(found.support, score.support);
        }
        same(&found.micro_average, &report.micro_average);
        same(&found.macro_average, &report.macro_average);
        same(&found.weighted_average, &report.weighted_average);
        assert_eq!(found.macro_average.support, report.macro_average.support);
        // Entities are drawn with their sentences, as for the score of all together; draws without any are 0 here and
        // left out there.
        let counts = entity_counts(&pairs, TagReading::Lenient).unwrap();
        if counts.iter().all(|count| count.found + count.gold > 0) {
            assert_eq!(found.micro_average.f1, bootstrap.estimate(&EntityF1, &counts).unwrap());
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn a_type_counts_in_the_draws_that_have_it() {
    // In all draws that have the place it is found; the name is found in one of two.
    let pairs = [
        [vec!["B-LOC", "O"], vec!["B-LOC", "O"]],
        [vec!["B-PER", "O"], vec!["B-PER", "O"]],
        [vec!["B-PER", "O"], vec!["O", "O"]],
    ];
    let bootstrap = BootstrapConfig::new(Seed::new(1)).with_resamples(400);
    let found = TaggingReport::estimates(&pairs, TagReading::Lenient, &bootstrap).unwrap();
    let recall = |it: &EntityEstimate| it.recall.to_string();
    assert_eq!(recall(&found.kinds["LOC"]), "1.000 [1.000, 1.000]");
    assert_eq!(recall(&found.kinds["PER"]), "0.500 [0.000, 1.000]");
    assert_eq!(found.kinds["PER"].recall.items, 3);
    assert_eq!(recall(&found.macro_average), "0.750 [0.000, 1.000]");
    assert_eq!(found.micro_average.support, 3);
    let none = [[vec!["O"], vec!["O"]]];
    let found = TaggingReport::estimates(&none, TagReading::Lenient, &bootstrap).unwrap();
    assert_eq!(found.kinds.len(), 0);
    assert_eq!(recall(&found.micro_average), "0.000 [0.000, 0.000]");
}

#[test]
fn reports_of_both_modes_are_those_of_seqeval() {
    let expected = expected();
    let (mut read, mut refused) = (0, 0);
    for (number, case) in expected["cases"].as_array().unwrap().iter().enumerate() {
        let pairs = pairs(case);
        let lenient = TaggingReport::try_new(&pairs, TagReading::Lenient).unwrap();
        assert_report(&lenient, &case["lenient"], &format!("case {number}, lenient"));
        assert_eq!(EntityScore::try_new(&pairs).unwrap(), lenient.micro_average);
        let scheme: TagScheme = case["scheme"].as_str().unwrap().parse().unwrap();
        let strict = TaggingReport::try_new(&pairs, TagReading::Strict(scheme));
        match (strict, case["strict"].is_object()) {
            (Ok(report), true) => {
                assert_report(&report, &case["strict"], &format!("case {number}, {scheme}"));
                assert_eq!(report.scheme, Some(scheme));
                read += 1;
            }
            (Err(EvaluationError::Tag { .. }), false) => refused += 1,
            (other, _) => panic!("case {number}: {other:?}, expected {}", case["strict"]),
        }
    }
    assert!(read > 200 && refused > 50, "{read} read, {refused} refused");
}

#[test]
fn strict_entities_are_those_of_seqeval() {
    let expected = expected();
    for (number, case) in expected["cases"].as_array().unwrap().iter().enumerate() {
        let scheme: TagScheme = case["scheme"].as_str().unwrap().parse().unwrap();
        let found: Result<Vec<_>, _> =
            sentences(&case["gold"]).iter().map(|tags| scheme.entities(tags)).collect();
        let Some(expected) = case["entities"].as_array() else {
            assert!(matches!(found, Err(EvaluationError::Tag { .. })), "case {number}: {found:?}");
            continue;
        };
        for (found, expected) in found.unwrap().iter().zip(expected) {
            let found: Vec<_> =
                found.iter().map(|it| serde_json::json!([it.kind, it.first, it.last])).collect();
            assert_eq!(&Value::Array(found), expected, "case {number}, {scheme}");
        }
    }
}

#[test]
fn schemes_are_detected_as_seqeval_does() {
    let expected = expected();
    for case in expected["detection"].as_array().unwrap() {
        let tags: Vec<String> = case[0].as_str().unwrap().chars().map(String::from).collect();
        let found =
            TagScheme::detect([&tags]).map_or("not supported".to_owned(), |it| it.to_string());
        assert_eq!(found, case[1].as_str().unwrap(), "{tags:?}");
    }
    for case in expected["cases"].as_array().unwrap() {
        let found = TagScheme::detect(sentences(&case["gold"]));
        let found = found.map_or("not supported".to_owned(), |it| it.to_string());
        assert_eq!(found, case["detected"].as_str().unwrap(), "{}", case["gold"]);
    }
    let pairs = [[vec!["S-A", "O"], vec!["S-A", "O"]]];
    assert_eq!(
        TaggingReport::try_new(&pairs, TagReading::Detected).unwrap_err().to_string(),
        "tags with the prefixes `O`, `S` tell no scheme, expected those of IOB2, IOE2, IOBES or BILOU: name the scheme",
    );
    let pairs = [[vec!["B-A", "L-A"], vec!["U-A", "O"]]];
    let report = TaggingReport::try_new(&pairs, TagReading::Detected).unwrap();
    assert_eq!(report.scheme, Some(TagScheme::Bilou));
}

#[test]
fn the_check_of_the_specification_holds() {
    let pairs = [
        [vec!["B-PER", "I-PER", "O", "B-LOC", "O"], vec!["I-PER", "I-PER", "O", "B-LOC", "I-LOC"]],
        [vec!["O", "B-ORG", "I-ORG", "I-ORG"], vec!["O", "B-ORG", "I-ORG", "I-LOC"]],
    ];
    let lenient = TaggingReport::try_new(&pairs, TagReading::Known).unwrap().micro_average;
    let scores = [lenient.precision, lenient.recall, lenient.f1];
    for (found, expected) in scores.into_iter().zip([0.25, 1.0 / 3.0, 2.0 / 7.0]) {
        assert!((found - expected).abs() < 1e-12, "{scores:?}");
    }
    let strict = TaggingReport::try_new(&pairs, TagReading::Strict(TagScheme::Iob2)).unwrap();
    let zero = |score: f64| score.to_bits() == 0;
    let micro = strict.micro_average;
    assert!(zero(micro.precision) && zero(micro.recall) && zero(micro.f1) && micro.support == 3);
}

#[test]
fn tags_that_a_reading_lacks_are_named() {
    let pairs =
        [[vec!["B-PER", "O"], vec!["B-PER", "O"]], [vec!["O", "B-PER"], vec!["O", "L-PER"]]];
    let fault = |reading| TaggingReport::try_new(&pairs, reading).unwrap_err().to_string();
    assert_eq!(
        fault(TagReading::Strict(TagScheme::Iob2)),
        "predicted sentence 1, word 1: tag `L-PER`, expected one of the prefixes of IOB2: `B`, `I`, `O`",
    );
    assert_eq!(
        fault(TagReading::Known),
        "predicted sentence 1, word 1: tag `L-PER`, expected `O`, or `B`, `I`, `E` or `S`, alone or with a hyphen and a type",
    );
    assert!(TaggingReport::try_new(&pairs, TagReading::Lenient).is_ok());
    assert_eq!(
        TagScheme::Bilou.entities(&["X"]).unwrap_err().to_string(),
        "sentence, word 0: tag `X`, expected one of the prefixes of BILOU: `B`, `I`, `L`, `O`, `U`",
    );
    assert_eq!(
        TagScheme::detect([["O", "Q-A"]]).unwrap_err().to_string(),
        "sentence 0, word 1: tag `Q-A`, expected one of the prefixes `B`, `E`, `I`, `L`, `O`, `S`, `U`",
    );
    let empty = [[vec![""], vec!["O"]]];
    for reading in [TagReading::Lenient, TagReading::Strict(TagScheme::Iob2), TagReading::Detected]
    {
        let fault = entity_counts(&empty, reading).unwrap_err().to_string();
        assert!(fault.contains("sentence 0, word 0: tag ``"), "{fault}");
    }
    assert!("IOB".parse::<TagScheme>().is_err());
    assert!(TagScheme::detect::<&str>([[]]).is_err());
}

#[test]
fn intervals_of_micro_f1_come_from_sentences() {
    let count = |right, found, gold| EntityCounts { right, found, gold };
    let counts: Vec<_> = (0..50).map(|it| count(it % 2, 1, 1)).collect();
    let estimate = BootstrapConfig::new(Seed::new(1)).estimate(&EntityF1, &counts).unwrap();
    // Half of 50 entities are right: standard error 0.0707.
    assert!((estimate.value - 0.5).abs() < 1e-12);
    assert!((estimate.low - 0.361).abs() < 0.03, "{estimate}");
    assert!((estimate.high - 0.639).abs() < 0.03, "{estimate}");
    assert_eq!(EntityF1.aggregate(&mut [count(0, 0, 0)].iter()), None);
}

fn parse(text: &str) -> Result<TaggedFile, EvaluationError> {
    TaggedFile::try_parse("a.tsv", text)
}

#[test]
fn files_are_read_and_their_faults_named() {
    let file = parse("\u{feff}\n\n  \nỌjà\tB-LOC\r\nní \tx\tO\n\n\nA\tO").unwrap();
    assert_eq!(file.sentences.len(), 2);
    let [first, second] = [&file.sentences[0], &file.sentences[1]];
    assert_eq!((first.line, second.line), (4, 8));
    assert_eq!(first.words, ["Ọjà", "ní"]);
    assert_eq!(first.tags, ["B-LOC", "O"]);
    for (text, fault) in [
        ("A\tO\nB O\n", "a.tsv, line 2: no tag, expected a word, a tab and a tag"),
        ("A\t \n", "a.tsv, line 1: no tag behind the tab"),
        ("A\tO\n\n\tO\n", "a.tsv, line 3: no word, expected a word, a tab and a tag"),
        ("\n \n", "a.tsv, line 1: no sentence, expected words with their tags"),
        ("", "a.tsv, line 1: no sentence, expected words with their tags"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), fault, "{text:?}");
    }
    let bytes = b"A\tO\n\xff\tO\n";
    let fault = TaggedFile::try_parse("a.tsv", bytes).unwrap_err();
    assert_eq!(fault.to_string(), "a.tsv, line 2: not UTF-8");

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.tsv");
    let fault = TaggedFile::read(&path).unwrap_err().to_string();
    assert!(fault.contains("b.tsv cannot be read"), "{fault}");
    std::fs::write(&path, "A\tO\n").unwrap();
    assert_eq!(TaggedFile::read(&path).unwrap().sentences, parse("A\tO").unwrap().sentences);
}

#[test]
fn files_that_part_are_refused_with_both_lines() {
    let gold = parse("A\tB-X\nb\tO\n\nC\tO\n").unwrap();
    let beside = |text: &str| gold.tags_beside(&TaggedFile::try_parse("p.tsv", text).unwrap());
    let same = beside("\nA\tO\nb\tO\n\n\nC\tB-X\n").unwrap();
    assert_eq!(
        same,
        [
            [["B-X", "O"], ["O", "O"]].map(|it| it.map(str::to_owned).to_vec()),
            [["O"], ["B-X"]].map(|it| it.map(str::to_owned).to_vec())
        ]
    );
    for (text, fault) in [
        ("\nA\tO\nB\tO\n\nC\tO\n", "line 2, and p.tsv, line 3: word `b` against `B`"),
        ("A\tO\n\nC\tO\n", "line 2, and p.tsv, line 2: a sentence of 2 words against 1"),
        ("A\tO\nb\tO\n", "line 4, and p.tsv, line 3: 2 sentences against 1"),
        ("A\tO\nb\tO\n\nC\tO\n\nD\tO", "line 5, and p.tsv, line 6: 2 sentences against 3"),
    ] {
        let expected = format!("a.tsv, {fault}, expected the same");
        assert_eq!(beside(text).unwrap_err().to_string(), expected);
    }
}

fn tags() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("(O|[BIES]-[AB])", 1..12)
}

proptest! {
    #[test]
    fn entities_are_in_order_within_their_sentence_and_apart(tags in tags()) {
        for found in [entities(&tags), TagScheme::Iobes.entities(&tags)?] {
            prop_assert!(found.iter().all(|it| it.first <= it.last && it.last < tags.len()));
            prop_assert!(found.is_sorted_by(|a, b| a.last < b.first));
            prop_assert!(found.iter().all(|it| (it.first..=it.last).all(|word| tags[word] != "O")));
        }
    }

    #[test]
    fn gold_tags_score_one_against_themselves_and_sums_of_sentences_are_the_report(
        pairs in prop::collection::vec((tags(), tags()), 1..6),
    ) {
        let same: Vec<_> = pairs.iter().map(|(tags, _)| [tags.clone(), tags.clone()]).collect();
        let report = TaggingReport::try_new(&same, TagReading::Lenient)?;
        prop_assert!(report.kinds.values().all(|it| (it.f1 - 1.0).abs() < 1e-12));
        let pairs: Vec<_> = pairs
            .into_iter()
            .map(|(gold, mut predicted)| {
                predicted.resize(gold.len(), "O".to_owned());
                [gold, predicted]
            })
            .collect();
        for reading in [TagReading::Known, TagReading::Strict(TagScheme::Iobes)] {
            let counts = entity_counts(&pairs, reading)?;
            let report = TaggingReport::try_new(&pairs, reading)?;
            let f1 = EntityF1.aggregate(&mut counts.iter()).unwrap_or(0.0);
            prop_assert!((report.micro_average.f1 - f1).abs() < 1e-12);
        }
    }
}

#[test]
fn tags_that_a_reading_does_not_have_are_named_by_their_lines() {
    let file = |text: &str| TaggedFile::try_parse("gold.tsv", text).unwrap();
    let good = file("a\tB-PER\nb\tI-PER\n\n\nc\tO\n");
    let kinds = ["PER".to_owned()];
    for reading in [TagReading::Lenient, TagReading::Known, TagReading::Detected] {
        good.check(reading, Some(&kinds)).unwrap();
    }
    let says =
        |text: &str, reading, kinds| file(text).check(reading, kinds).unwrap_err().to_string();
    let strange = "a\tO\n\nb\tO\nc\tX-PER\n";
    file(strange).check(TagReading::Lenient, None).unwrap();
    let found = says(strange, TagReading::Known, None);
    assert!(found.starts_with("gold.tsv, line 4: tag `X-PER`, expected"), "{found}");
    let found = says("a\tB-PER\nb\tE-PER\n", TagReading::Strict(TagScheme::Iob2), None);
    assert!(
        found.starts_with("gold.tsv, line 2: tag `E-PER`, expected one of the prefixes of IOB2"),
        "{found}"
    );
    let found = says("a\tO\nb\tB-LOC\n", TagReading::Known, Some(&kinds[..]));
    assert_eq!(found, "gold.tsv, line 2: tag `B-LOC`, expected one of the types PER");
}
