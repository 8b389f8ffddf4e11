//! Manifests: what they must say, and what opens.

use std::fs;

use isogloss_core::LanguageTag;
use isogloss_corpus::{CorpusWriter, Manifest, Split};
use isogloss_governance::{Policy, Purpose, Terms};

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
