//! Test sets in the layouts of their publishers, on samples that were written for this (`fixtures/benchmarks`).

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test stands on fails where the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_core::Seed;
use isogloss_evaluation::{
    Benchmark, BenchmarkScore, BootstrapConfig, EvaluationError, Predictions, Split, TestItems,
    TestSet,
};
use tempfile::TempDir;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/benchmarks").join(name)
}

fn read(benchmark: Benchmark, dir: &str, language: &str) -> TestSet {
    benchmark.read(&sample(dir), language, Split::Test).unwrap()
}

fn fault(benchmark: Benchmark, dir: &str, language: &str, split: Split) -> String {
    benchmark.read(&sample(dir), language, split).unwrap_err().to_string()
}

/// What was counted in the files themselves.
fn counted(set: &TestSet) -> Vec<&str> {
    let found = set.warnings.iter().filter(|warning| warning.source.is_none());
    found.map(|warning| warning.defect.as_str()).collect()
}

/// Label, text and second text of each item.
fn classes(set: &TestSet) -> Vec<(&str, &str, Option<&str>)> {
    let TestItems::Classes { labels, items } = &set.items else { panic!("{:?}", set.items) };
    items
        .iter()
        .map(|it| (labels[it.label].as_str(), it.text.as_str(), it.pair.as_deref()))
        .collect()
}

fn scored(set: &TestSet, predictions: &str) -> Result<BenchmarkScore, EvaluationError> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("predictions");
    fs::write(&path, predictions).unwrap();
    let predictions = Predictions::read(&path, set)?;
    set.score(&predictions, &BootstrapConfig::new(Seed::new(1)).with_resamples(50))
}

fn values(score: &BenchmarkScore) -> Vec<(&str, f64)> {
    score.scores.iter().map(|it| (it.metric.as_str(), it.score.value)).collect()
}

#[test]
fn xnli_is_read_by_language_and_scored() {
    let dir = sample("xnli");
    assert_eq!(Benchmark::Xnli.languages(&dir, Split::Test).unwrap(), ["en", "sw"]);
    let set = read(Benchmark::Xnli, "xnli", "swh");
    assert_eq!((set.language.as_str(), set.code.as_str()), ("sw-Latn", "sw"));
    assert_eq!(
        classes(&set),
        [
            ("entailment", "Mtoto anasoma \"kitabu\".", Some("Mtoto anasoma.")),
            ("neutral", "Juma anaishi Nairobi.", Some("Juma anapenda chai.")),
        ]
    );
    assert_eq!(set.licence, "CC-BY-NC-4.0");
    assert!(set.warnings.iter().any(|it| it.source.as_deref().unwrap().contains("Artetxe")));
    let score = scored(&set, "entailment\ncontradiction\n").unwrap();
    assert_eq!(values(&score)[0], ("accuracy", 0.5));
    assert_eq!(score.majority, Some(0.5));
    assert_eq!((&score.licence, score.warnings.len()), (&set.licence, set.warnings.len()));
    let run = score.run("XLM-R", "en".parse().unwrap(), 1).unwrap();
    assert_eq!((run.task.as_str(), run.metric.as_str(), run.items), ("XNLI", "accuracy", Some(2)));
    let train = Benchmark::Xnli.read(&dir, "sw", Split::Train).unwrap();
    assert_eq!(classes(&train)[0].0, "contradiction");
    assert!(train.warnings.iter().any(|it| it.defect == "a machine translated it"));
    let english = read(Benchmark::Xnli, "xnli", "en");
    assert!(english.warnings.is_empty(), "{:?}", english.warnings);
    // As XTREME's scripts write it.
    let set = read(Benchmark::Xnli, "xtreme", "sw");
    assert_eq!(classes(&set)[0], ("neutral", "Mtoto anasoma.", Some("Mtoto anasema \"ndiyo\".")));
    assert_eq!(classes(&set)[1].0, "contradiction");
}

#[test]
fn rows_that_were_not_translated_are_left_out_and_counted() {
    let set = read(Benchmark::PawsX, "paws-x", "de");
    assert_eq!(set.len(), 2);
    assert_eq!(counted(&set), ["2 rows have no class or no translation and were left out"]);
    let train = Benchmark::PawsX.read(&sample("paws-x"), "de", Split::Train).unwrap();
    assert_eq!((set.shared_with(&train), train.shared_with(&set)), (1, 1));
    let mut set = set;
    assert_eq!(set.warn_of_training(&train), 1);
    assert_eq!(counted(&set)[1], "1 items have a text of the training set");
}

#[test]
fn words_keep_their_colons_and_marks() {
    let set = read(Benchmark::WikiAnn, "wikiann", "yor");
    let TestItems::Tags(file) = &set.items else { panic!() };
    assert_eq!(file.sentences[0].words, ["Adé", "wá", "sí", "Èkó"]);
    assert_eq!(file.sentences[1].words, ["10:30", "Adé"]);
    assert!(counted(&set)[0].starts_with("1 tags go on with an entity that was not begun"));
    let said = "Adé\tB-PER\nwá\tO\nsí\tO\nÈkó\tO\n\n10:30\tO\nAdé\tI-PER\n";
    let score = scored(&set, said).unwrap();
    assert_eq!(values(&score), [("F1", 0.8)]);
    // The column of a table, as `finetune` writes it.
    let table = "text\tgold\tpredicted\nx\tB-PER O O B-LOC\tB-PER O O O\ny\tO I-PER\tO I-PER\n";
    assert_eq!(values(&scored(&set, table).unwrap()), [("F1", 0.8)]);
    let error = scored(&set, &table.replace("O O B-LOC", "O O O")).unwrap_err().to_string();
    assert!(
        error.contains("line 2: `gold` is `B-PER O O O`, expected `B-PER O O B-LOC`"),
        "{error}"
    );
    let error = scored(&set, &said.replace("wá", "wa")).unwrap_err().to_string();
    assert!(error.contains("word `wá` against `wa`"), "{error}");
    // XTREME's form has no language before the word.
    let set = read(Benchmark::WikiAnn, "xtreme", "sw");
    let TestItems::Tags(file) = &set.items else { panic!() };
    assert_eq!(file.sentences[0].words, ["Juma", "anaishi", "Nairobi"]);
}

#[test]
fn a_mark_of_byte_order_and_empty_words_are_no_words() {
    let dir = sample("masakhaner");
    assert_eq!(Benchmark::MasakhaNer.languages(&dir, Split::Test).unwrap(), ["luo"]);
    let set = read(Benchmark::MasakhaNer, "masakhaner", "luo");
    let TestItems::Tags(file) = &set.items else { panic!() };
    assert_eq!(file.sentences[0].words, ["Otieno", "odak", "Kisumu"]);
    assert_eq!(
        counted(&set),
        [
            "1 tags go on with an entity that was not begun; a lenient reading begins one there",
            "1 items repeat the text of an earlier one, 1 of them with another gold answer",
        ]
    );
    // The first edition in the same repository is not taken for the second.
    assert!(Benchmark::MasakhaNer.languages(&dir, Split::Train).unwrap().is_empty());
    let train = Benchmark::MasakhaNer2.read(&dir, "xho", Split::Train).unwrap();
    let TestItems::Tags(file) = &train.items else { panic!() };
    assert_eq!(file.sentences[0].words, ["UThemba", "uyafunda"]);
    assert_eq!(counted(&train), ["1 words are empty and were left out"]);
}

#[test]
fn a_treebank_has_its_own_licence() {
    let dir = sample("ud");
    let codes = Benchmark::UniversalDependencies.languages(&dir, Split::Test).unwrap();
    assert_eq!(codes, ["yo_other", "yo_sample"]);
    let error = fault(Benchmark::UniversalDependencies, "ud", "yo", Split::Test);
    assert!(error.contains("expected the one that is meant of yo_other, yo_sample"), "{error}");
    let set = read(Benchmark::UniversalDependencies, "ud", "yo_sample");
    assert_eq!((set.language.as_str(), set.licence.as_str()), ("yo-Latn", "CC BY-SA 4.0"));
    assert_eq!(
        counted(&set),
        ["1 items repeat the text of an earlier one, 0 of them with another gold answer"]
    );
    let path = dir.join("UD_Yoruba-Sample/yo_sample-ud-test.conllu");
    let gold = fs::read_to_string(path).unwrap();
    let score =
        scored(&set, &gold.replacen("3\tobj", "3\tobl", 1).replacen("NOUN", "VERB", 2)).unwrap();
    assert_eq!(values(&score), [("LAS", 0.9), ("UAS", 1.0), ("UPOS accuracy", 0.8)]);
    let table = "gold\tpredicted\nPROPN AUX VERB NOUN PUNCT\tPROPN AUX VERB NOUN PUNCT\n\
                 PROPN AUX VERB NOUN PUNCT\tPROPN VERB VERB NOUN PUNCT\n";
    assert_eq!(values(&scored(&set, table).unwrap()), [("UPOS accuracy", 0.9)]);
    let error = scored(&set, &table.replace("\tPROPN AUX", "\tAUX")).unwrap_err().to_string();
    assert!(error.contains("line 2: 4 tags of 5 words"), "{error}");
    let other = read(Benchmark::UniversalDependencies, "ud", "yo_other");
    assert!(counted(&other)[0].starts_with("2 words are `_`"), "{:?}", counted(&other));
    assert!(other.licence.contains("LICENSE.txt"));
}

#[test]
fn questions_are_read_by_language_and_their_answers_are_looked_for() {
    let dir = sample("tydiqa");
    assert_eq!(Benchmark::TydiQaGoldP.languages(&dir, Split::Dev).unwrap(), ["english", "swahili"]);
    let set = read(Benchmark::TydiQaGoldP, "tydiqa", "sw");
    assert_eq!((set.len(), set.code.as_str()), (1, "swahili"));
    assert!(counted(&set).is_empty());
    assert!(set.warnings[0].defect.contains("not published"));
    let score = scored(&set, "{\"swahili-1-0\": \"Nairobi na\"}").unwrap();
    assert_eq!(values(&score)[1], ("exact match", 0.0));
    assert!((values(&score)[0].1 - 2.0 / 3.0).abs() < 1e-12);
    let english = read(Benchmark::TydiQaGoldP, "tydiqa", "english");
    let score = scored(&english, "{\"english-1-0\": \"in Nairobi\"}").unwrap();
    assert_eq!(values(&score), [("F1", 1.0), ("exact match", 1.0)]);
    for (answers, expected) in [
        ("{}", "no answer to `swahili-1-0`"),
        ("{\"swahili-1-0\": \"\", \"other\": \"\"}", "an answer to `other`, which is no question"),
        ("[]", "no JSON object"),
    ] {
        let error = scored(&set, answers).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let set = read(Benchmark::Xquad, "xquad", "de");
    // One of three is one code point off; that behind signs outside of the first plane is right.
    assert!(counted(&set)[0].starts_with("1 answers do not stand where"), "{:?}", counted(&set));
    let error = fault(Benchmark::Xquad, "xquad", "tr", Split::Test);
    assert!(error.contains("xquad.tr.json, line 1: no question has an answer"), "{error}");
    let error = fault(Benchmark::Xquad, "xquad", "de", Split::Train);
    assert!(error.contains("expected another split"), "{error}");
}

#[test]
fn mlqa_asks_in_one_language_about_texts_in_another() {
    assert_eq!(Benchmark::Mlqa.languages(&sample("mlqa"), Split::Test).unwrap(), ["de", "en"]);
    let german = read(Benchmark::Mlqa, "mlqa", "de");
    assert_eq!(german.len(), 2);
    // Its own normalisation: an article of German does not count.
    let score = scored(&german, "{\"a\": \"im Nairobi\", \"b\": \"Buch\"}").unwrap();
    assert_eq!(values(&score), [("F1", 0.75), ("exact match", 0.5)]);
    let across = read(Benchmark::Mlqa, "mlqa", "de-en");
    assert_eq!((across.len(), across.language.as_str()), (1, "de-Latn"));
    let TestItems::Questions(questions) = &across.items else { panic!() };
    assert_eq!(questions[0].question, "Where does Juma live?");
}

#[test]
fn translations_are_found_or_made() {
    let set = read(Benchmark::Tatoeba, "tatoeba", "sw");
    let TestItems::Translations(pairs) = &set.items else { panic!() };
    assert_eq!(
        (pairs[0].source.as_str(), pairs[0].target.as_str()),
        ("Mtoto anasoma kitabu.", "The child reads a book.")
    );
    // The third has the translation of the second.
    assert_eq!(values(&scored(&set, "0\n2\n0\n").unwrap())[0], ("accuracy", 2.0 / 3.0));
    let error = scored(&set, "0\n1\n3\n").unwrap_err().to_string();
    assert!(error.contains("line 3: `3`, expected a number from 0 to 2"), "{error}");
    let error = scored(&set, "0\n1\n").unwrap_err().to_string();
    assert!(error.contains("line 2: 2 predictions up to here, expected 3"), "{error}");

    let set = read(Benchmark::Flores, "flores", "ha");
    assert_eq!(
        (set.code.as_str(), set.texts()[0].as_str()),
        ("hau_Latn", "The child reads a book.")
    );
    assert!(set.warnings[0].defect.starts_with("70 of 1,012"), "{:?}", set.warnings);
    let score = scored(&set, "Yaro yana karatu.\nIna son shayi.\n").unwrap();
    assert_eq!((values(&score)[0].0, (values(&score)[0].1 * 1e9).round()), ("chrF++", 1e9));
    assert!(values(&scored(&set, "q\nq\n").unwrap())[0].1 < 0.01);
    let pair = read(Benchmark::Flores, "flores", "swh_Latn-hau_Latn");
    assert_eq!((pair.language.as_str(), pair.texts()[1].as_str()), ("ha-Latn", "Ninapenda chai."));
    // Two codes of one language: neither is taken for the other.
    let error = fault(Benchmark::Flores, "flores", "ak", Split::Test);
    assert!(error.contains("the one that is meant of aka_Latn, twi_Latn"), "{error}");
    assert_eq!(read(Benchmark::Flores, "flores", "twi_Latn").code, "twi_Latn");
    let error = fault(Benchmark::Flores, "flores", "yo", Split::Test);
    assert!(
        error.contains("no test set of flores in `yo`, expected one of aka_Latn, eng_Latn"),
        "{error}"
    );
    let older = Benchmark::Flores.read(&sample("flores101"), "zh-Hans", Split::Dev).unwrap();
    assert_eq!((older.code.as_str(), older.texts()), ("zho_simpl", vec!["I like tea.".to_owned()]));
    let newer =
        Benchmark::Flores.read(&sample("flores-plus"), "apc_Arab_sout3123", Split::Dev).unwrap();
    assert_eq!(newer.language.as_str(), "apc-Arab");
    let TestItems::Translations(pairs) = read(Benchmark::Flores, "flores-plus", "sw").items else {
        panic!()
    };
    assert_eq!(
        (pairs[0].source.as_str(), pairs[0].target.as_str()),
        ("I like tea.", "Ninapenda chai.")
    );
}

#[test]
fn quotes_are_those_of_pandas() {
    let set = read(Benchmark::Sib200, "sib-200", "yo");
    assert_eq!(
        classes(&set),
        [("health", "Mo fẹ́ jẹun.", None), ("travel", "Adé ní \"mo wá sí Èkó\".", None)]
    );
    let error = fault(Benchmark::Sib200, "sib-200", "nqo", Split::Test);
    assert!(
        error.contains("test.tsv, line 2: label `weather`, expected one of science/technology"),
        "{error}"
    );
    let set = read(Benchmark::AfriSenti, "afri-senti", "ha");
    assert_eq!(classes(&set)[1], ("negative", "@user \"a'a\"", None));
    assert_eq!(
        counted(&set),
        ["2 items repeat the text of an earlier one, 1 of them with another gold answer"]
    );
    let score = scored(&set, "positive\nnegative\nneutral\nneutral\nneutral\n").unwrap();
    // By hand: positive 2/3 of 2, negative 1 of 1, neutral 4/5 of 2.
    assert!((values(&score)[0].1 - (2.0 * 2.0 / 3.0 + 1.0 + 2.0 * 0.8) / 5.0).abs() < 1e-12);
    assert_eq!(values(&score)[2], ("accuracy", 0.8));
    let error = scored(&set, "positive\nbad\nneutral\nneutral\nneutral\n").unwrap_err().to_string();
    assert!(
        error.contains("line 2: label `bad`, expected one of positive, neutral, negative"),
        "{error}"
    );
    assert_eq!(read(Benchmark::AfriSenti, "afri-senti", "om").len(), 1);
    let error = fault(Benchmark::AfriSenti, "afri-senti", "orm", Split::Train);
    assert!(error.contains("train.tsv, line 1: no items of `orm`"), "{error}");
    let set = read(Benchmark::AfriSenti, "afri-senti-task", "kr");
    assert_eq!(set.language.name(), "Kinyarwanda");
}

#[test]
fn one_of_four_answers_is_right() {
    let set = read(Benchmark::Belebele, "belebele", "sw");
    let TestItems::Choices(questions) = &set.items else { panic!() };
    assert_eq!(questions[0].choices[questions[0].right], "Nairobi");
    assert_eq!(questions[1].choices[questions[1].right], "Anasoma");
    assert_eq!(values(&scored(&set, "2\n1\n").unwrap()), [("accuracy", 0.5)]);
    let error = scored(&set, "2\n5\n").unwrap_err().to_string();
    assert!(error.contains("line 2: label `5`, expected one of 1, 2, 3, 4"), "{error}");
}

#[test]
fn what_is_made_of_flores_has_its_defects() {
    let of = |benchmark: Benchmark, code| {
        let found = benchmark.known_defects(code, Split::Test);
        found.iter().filter(|it| it.source.contains("Abdulmumin")).count()
    };
    assert_eq!((of(Benchmark::Flores, "hau_Latn"), of(Benchmark::Sib200, "hau_Latn")), (1, 2));
    assert_eq!(
        (of(Benchmark::Flores, "swh_Latn-hau_Latn"), of(Benchmark::Flores, "yor_Latn")),
        (1, 0)
    );
    assert_eq!(of(Benchmark::Belebele, "hau_Latn"), 2);
    for benchmark in Benchmark::ALL {
        assert_eq!(benchmark.card().name.parse::<Benchmark>().unwrap(), benchmark);
        assert!(benchmark.card().citation.contains("https://"));
        assert_eq!(serde_json::to_value(benchmark).unwrap(), benchmark.card().name);
    }
}

#[test]
fn a_directory_without_the_files_is_named() {
    let error = fault(Benchmark::Belebele, "xnli", "sw", Split::Test);
    assert!(error.contains("expected files such as {code}.jsonl"), "{error}");
    let error = Benchmark::Belebele.read(Path::new("nowhere"), "sw", Split::Test).unwrap_err();
    assert!(matches!(error, EvaluationError::Read { .. }), "{error}");
}
