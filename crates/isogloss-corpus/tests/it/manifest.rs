//! Manifests: what they must say, and what opens.

use std::fs;

use isogloss_core::LanguageTag;
use isogloss_corpus::{Corpus, CorpusWriter, Manifest, ManifestError, Split};
use isogloss_governance::{Policy, Purpose, Terms};
use proptest::prelude::*;

fn policy() -> Policy {
    Policy::on("2026-11-23".parse().unwrap())
}

#[test]
fn a_written_corpus_is_read_back_with_its_provenance() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = CorpusWriter::new(dir.path());
    let terms = Terms::new("MIT").with_source("ourselves");
    let languages: [LanguageTag; 2] = ["en", "yo"].map(|tag| tag.parse().unwrap());
    let pairs = [["one", "ọ̀kan"], ["two", "èjì"]].map(|pair| pair.map(str::to_owned));
    writer.text("yo", languages[1].clone(), &["ọ̀kan", ""], &terms, Split::Train).unwrap();
    writer.bitext("en-yo", languages.clone(), &pairs, &terms, Split::Train).unwrap();
    writer.labelled("topics", languages[1].clone(), &pairs, &terms, Split::Test).unwrap();
    let manifest = Manifest::open(&writer.finish().unwrap()).unwrap();
    let texts = manifest.read_text(0, Purpose::Train, policy()).unwrap();
    assert_eq!(texts.records.len(), 2);
    let provenance = texts.provenance;
    assert_eq!((provenance.source.as_str(), provenance.segments), ("ourselves", 2));
    let bitext = manifest.read_bitext(0, Purpose::Train, policy()).unwrap();
    assert_eq!(bitext.records[1].texts, ["two", "èjì"]);
    let labelled = manifest.read_labelled(0, Purpose::Evaluate, policy()).unwrap();
    assert_eq!(
        (labelled.records[0].text.as_str(), labelled.records[0].label.as_str()),
        ("one", "ọ̀kan")
    );
    assert_eq!(manifest.labelled()[0].split, Some(Split::Test));
}

#[test]
fn a_manifest_must_say_everything_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.toml");
    fs::write(dir.path().join("swh.txt"), "moja\nmbili\n").unwrap();
    let open = |text: &str| {
        fs::write(&path, text).unwrap();
        Manifest::open(&path)
    };
    let part = "[[text]]\nlanguage = 'swh_Latn'\npath = 'swh.txt'\n";
    let place = path.display();
    let expected =
        "expected `terms = \"FILE\"`, `terms = \"unstated\"`, or `licence` with `source`";
    assert_eq!(
        open(part).unwrap_err().to_string(),
        format!("{place}, part [[text]] 1: it says nothing of its terms, {expected}"),
    );
    assert_eq!(
        open(&format!("{part}licence = 'MIT'\n")).unwrap_err().to_string(),
        format!("{place}, part [[text]] 1: its `licence` has no `source`, {expected}"),
    );
    let unknown = open(&format!("{part}terms = 'unstated'\nlicense = 'MIT'\n")).unwrap_err();
    assert!(unknown.to_string().contains("unknown field `license`"), "{unknown}");

    let unstated = open(&format!("{part}terms = 'unstated'\n")).unwrap();
    let opened = unstated.read_text(0, Purpose::Train, policy()).unwrap();
    assert!(opened.provenance.warning.is_some());
    assert_eq!(
        unstated.read_text(0, Purpose::Redistribute, policy()).unwrap_err().to_string(),
        format!(
            "{place}, part [[text]] 1: terms are unstated, which does not permit to redistribute"
        ),
    );
    let strict = policy().with_require_terms(true);
    assert!(unstated.read_text(0, Purpose::Train, strict).is_err());

    let short = "licence = 'MPL-2.0'\nsource = 'Firefox locales 153'\nsegments = 3\n";
    let counted = open(&format!("{part}{short}")).unwrap();
    let error = counted.read_text(0, Purpose::Train, policy()).unwrap_err();
    assert!(error.to_string().ends_with("2 segments, expected 3 (as the manifest states)"));
}

#[test]
fn a_fault_names_its_part() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.toml");
    let message = |text: &str| {
        fs::write(&path, text).unwrap();
        let message = Manifest::open(&path).unwrap_err().to_string();
        message.strip_prefix(&path.display().to_string()).unwrap().to_owned()
    };
    let good = "[[text]]\nlanguage = 'sw'\npath = 'sw.txt'\nterms = 'unstated'\n";
    let unknown = message(&format!("{good}{good}license = 'MIT'\n"));
    assert!(unknown.starts_with(", part [[text]] 2: unknown field `license`"), "{unknown}");
    let language = message("[[labelled]]\nlanguage = 'sw'\n");
    assert!(language.starts_with(", part [[labelled]] 1: missing field `path`"), "{language}");
    assert!(message("[[texts]]\n").contains("unknown field `texts`"));
    let part = "[[text]]\nlanguage = 'sw'\npath = 'sw.txt'\nsource = 'us'\n";
    let free = message(&format!("{part}licence = 'free for all'\n"));
    assert!(free.starts_with(", part [[text]] 1: its `licence` is no SPDX expression"), "{free}");
    let both = message(&format!("{good}licence = 'MIT'\nsource = 'us'\n"));
    assert!(both.starts_with(", part [[text]] 1: it has both `terms` and `licence`"), "{both}");
}

#[test]
fn a_part_that_is_not_there_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.toml");
    fs::write(&path, "").unwrap();
    let manifest = Manifest::open(&path).unwrap();
    let error = manifest.read_text(0, Purpose::Train, policy()).unwrap_err().to_string();
    assert!(error.ends_with("manifest.toml: no part [[text]] 1, expected one of 0"), "{error}");
    assert!(manifest.open_bitext(3, Purpose::Train, policy()).is_err());
    assert!(manifest.open_labelled(0, Purpose::Train, policy()).is_err());
}

#[test]
fn a_part_streams_and_its_segments_are_checked_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("manifest.toml");
    fs::write(dir.path().join("sw.txt"), "moja\nmbili\n").unwrap();
    let part = "[[text]]\nlanguage = 'sw'\npath = 'sw.txt'\nlicence = 'MIT'\nsource = 'us'\n";
    fs::write(&path, format!("{part}segments = 1\n")).unwrap();
    let manifest = Manifest::open(&path).unwrap();
    let mut reader = manifest.open_text(0, Purpose::Train, policy()).unwrap();
    assert_eq!(reader.permit().licence(), "MIT");
    assert_eq!(reader.next().unwrap().unwrap().text, "moja");
    assert_eq!(reader.provenance().segments, 1);
    assert_eq!(reader.next().unwrap().unwrap().text, "mbili");
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.ends_with("2 segments, expected 1 (as the manifest states)"), "{error}");
    assert!(reader.next().is_none());
    assert!(manifest.open_text(0, Purpose::Generate, policy()).is_err());
}

#[test]
fn a_corpus_is_loaded_by_language_and_split() {
    let dir = tempfile::tempdir().unwrap();
    let corpus_dir = dir.path().join("corpus");
    let terms = Terms::new("CC-BY-4.0").with_source("ourselves").with_attribution("the elders");
    let serbian: [LanguageTag; 2] = ["sr-Cyrl", "sr-Latn"].map(|tag| tag.parse().unwrap());
    let pairs = [["вода", "voda"].map(str::to_owned)];
    let path = CorpusWriter::write(&corpus_dir, |writer| {
        writer.text("a", serbian[0].clone(), &["вода"], &terms, Split::Train)?;
        writer.text("b", serbian[0].clone(), &["со"], &terms, Split::Train)?;
        writer.text("c", serbian[0].clone(), &["око"], &terms, Split::Test)?;
        writer.bitext("a", serbian.clone(), &pairs, &terms, Split::Train)?;
        writer.labelled("l", serbian[1].clone(), &pairs, &terms, Split::Dev)
    })
    .unwrap();
    let manifest = Manifest::open(&path).unwrap();
    let load = |split| Corpus::load(&manifest, split, Purpose::Train, policy()).unwrap();
    let train = load(Some(Split::Train));
    assert_eq!(train.texts[&serbian[0]], ["вода", "со"]);
    assert_eq!(train.bitexts[&serbian], pairs);
    assert!(train.labelled.is_empty());
    assert_eq!(train.provenance.entries.len(), 3);
    assert_eq!(train.provenance.entries[0].attribution.as_deref(), Some("the elders"));
    assert_eq!(load(None).provenance.entries.len(), 5);
    let refused = Corpus::load(&manifest, None, Purpose::Redistribute, policy()).unwrap_err();
    assert!(matches!(refused, ManifestError::Refused { .. }), "{refused}");
}

#[test]
fn a_writer_refuses_what_could_not_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let corpus_dir = dir.path().join("corpus");
    let terms = Terms::new("CC0-1.0");
    let yoruba: LanguageTag = "yo".parse().unwrap();
    let message = |texts: &[&str]| {
        let write = CorpusWriter::write(&corpus_dir, |writer| {
            writer.text("yo", yoruba.clone(), texts, &terms, Split::Train)
        });
        write.unwrap_err().to_string()
    };
    assert_eq!(message(&["a", "b\nc"]), "yo.txt: text 2 has a line break, expected none");
    assert_eq!(message(&["\u{feff}a"]), "yo.txt: text 1 has a byte-order mark, expected none");
    assert!(!corpus_dir.exists());
    let mut writer = CorpusWriter::new(dir.path());
    let rows = [["a", "x"], ["b", "y\tz"]].map(|row| row.map(str::to_owned));
    assert_eq!(
        writer.labelled("l", yoruba.clone(), &rows, &terms, Split::Train).unwrap_err().to_string(),
        "l.tsv: text 2 has a tab, expected none",
    );
    writer.text("yo", yoruba.clone(), &["a"], &terms, Split::Train).unwrap();
    assert_eq!(
        writer.text("yo", yoruba, &["b"], &terms, Split::Train).unwrap_err().to_string(),
        "yo.txt: written by an earlier part, expected another name",
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        texts in prop::collection::vec("[^\r\n\u{feff}]{0,20}", 0..12),
        rows in prop::collection::vec(["[^\t\r\n\u{feff}]{0,20}", "[a-z]{0,3}"], 0..12),
    ) {
        let dir = tempfile::tempdir()?;
        let terms = Terms::new("CC0-1.0").with_source("ourselves");
        let [english, yoruba]: [LanguageTag; 2] = ["en", "yo"].map(|tag| tag.parse().unwrap());
        let languages = [english, yoruba.clone()];
        let path = CorpusWriter::write(&dir.path().join("corpus"), |writer| {
            writer.text("a", yoruba.clone(), &texts, &terms, Split::Train)?;
            writer.bitext("a", languages.clone(), &rows, &terms, Split::Train)?;
            writer.labelled("a", yoruba.clone(), &rows, &terms, Split::Train)
        })?;
        let manifest = Manifest::open(&path)?;
        let corpus = Corpus::load(&manifest, None, Purpose::Train, policy())?;
        prop_assert_eq!(&corpus.texts[&yoruba], &texts);
        prop_assert_eq!(&corpus.bitexts[&languages], &rows);
        let found: Vec<[String; 2]> = corpus.labelled[&yoruba]
            .iter()
            .map(|row| [row.text.clone(), row.label.clone()])
            .collect();
        prop_assert_eq!(found, rows);
    }

    #[test]
    fn no_text_breaks_a_manifest(text in "(\\PC|\n|\\[\\[text\\]\\]\n|path = |terms = |'a'){0,30}") {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("manifest.toml");
        fs::write(&path, text)?;
        // A panic is the failure; either result is fine.
        let _ = Manifest::open(&path);
    }
}
