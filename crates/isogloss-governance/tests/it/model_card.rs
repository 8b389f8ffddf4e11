//! Model cards.

use isogloss_core::LanguageTag;
use isogloss_governance::{ModelCard, PartTerms, Policy, Provenance, ProvenanceEntry, Purpose};

#[test]
fn a_card_names_every_text_and_repeats_every_warning() {
    let policy = Policy::on("2026-11-23".parse().unwrap());
    let permit = PartTerms::Unstated.open(Purpose::Train, policy).unwrap();
    let tag = |text: &str| text.parse::<LanguageTag>().unwrap();
    let mut provenance = Provenance::default();
    for (languages, source) in
        [(vec![tag("eng"), tag("nob")], "a|b.tsv"), (vec![tag("yor")], "news.txt")]
    {
        provenance.push(ProvenanceEntry::new(languages, source, &permit, 7));
    }
    let card = ModelCard::new("A \"model\"", "LicenseRef-Kaitiakitanga")
        .with_base("base/\"model\"")
        .with_summary("Two lines\nof text.\n")
        .with_provenance(provenance)
        .to_markdown();
    let (header, page) = card.split_once("---\n# ").unwrap();
    assert_eq!(
        header,
        "---\nlicense: \"licenseref-kaitiakitanga\"\nlanguage:\n- \"en\"\n- \"nb\"\n- \"yo\"\n\
         base_model: \"base/\\\"model\\\"\"\n"
    );
    for part in [
        "A \"model\"\n\nTwo lines\nof text.\n\n## Terms",
        "Made from base/\"model\", whose terms hold as well.",
        "| English (en-Latn) and ",
        "| a\\|b.tsv | unstated |  | train | 7 |",
        "- news.txt: ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn a_model_without_a_licence_says_so() {
    let card = ModelCard::new("A model", "unstated").to_markdown();
    assert!(card.starts_with("---\n---\n# A model\n"), "{card}");
    assert!(card.contains("No licence is stated"), "{card}");
    assert!(!card.contains("## Texts"));
}
