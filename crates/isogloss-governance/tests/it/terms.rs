//! What terms permit, and how a refusal reads.

use isogloss_governance::{
    CareStatements, Consent, Label, PartTerms, Policy, Provenance, ProvenanceEntry, Purpose, Terms,
};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;

const TODAY: Date = date(2026, 11, 23);
const ALL: [Purpose; 4] =
    [Purpose::Train, Purpose::Evaluate, Purpose::Redistribute, Purpose::Generate];

fn refusal(terms: &Terms, purpose: Purpose) -> String {
    terms.try_check(purpose, TODAY).unwrap_err().to_string()
}

#[test]
fn a_refusal_names_its_clause() {
    let open = Terms::new("CC-BY-4.0").with_purposes(ALL);
    assert!(ALL.iter().all(|purpose| open.try_check(*purpose, TODAY).is_ok()));
    let withdrawn = open.clone().with_consent(Consent::Withdrawn);
    assert_eq!(
        refusal(&withdrawn, Purpose::Evaluate),
        "`consent` is withdrawn, so the text may not be used at all",
    );
    let unknown = open.clone().with_consent(Consent::Unknown);
    assert!(unknown.try_check(Purpose::Train, TODAY).is_ok());
    assert_eq!(
        refusal(&unknown, Purpose::Generate),
        "`consent` is unknown, which does not permit to generate",
    );
    let expired = open.clone().with_expires(date(2026, 11, 22));
    assert_eq!(
        refusal(&expired, Purpose::Train),
        "`expires` was 2026-11-22, expected 2026-11-23 or later (agree on new terms)",
    );
    assert!(open.clone().with_expires(TODAY).try_check(Purpose::Train, TODAY).is_ok());
    let secret = open.with_label(Label { code: "TKSS".to_owned(), text: None });
    assert_eq!(
        refusal(&secret, Purpose::Train),
        "label `TKSS` does not permit to train: it keeps the text within the community",
    );
}

#[test]
fn what_says_nothing_permits_nothing() {
    let unknown = Label { code: "tkxyz".to_owned(), text: None };
    let refused = refusal(&Terms::new("CC-BY-4.0").with_label(unknown), Purpose::Train);
    assert!(refused.starts_with("label `tkxyz` does not permit to train: it is no label"));
    let attribution = Label { code: "TKA".to_owned(), text: None };
    let terms = Terms::new("CC-BY-4.0").with_label(attribution);
    assert!(terms.try_check(Purpose::Train, "2026-11-23".parse().unwrap()).is_ok());
    for licence in ["NOASSERTION", "NONE"] {
        assert!(!Terms::new(licence).is_licence_known());
    }
}

#[test]
fn unstated_text_is_read_with_a_warning_and_never_passed_on() {
    let policy = Policy::on(TODAY);
    for purpose in ALL {
        let permit = PartTerms::Unstated.open(purpose, policy);
        let reads = matches!(purpose, Purpose::Train | Purpose::Evaluate);
        assert_eq!(permit.is_ok(), reads, "{purpose}");
        assert!(PartTerms::Unstated.open(purpose, policy.with_require_terms(true)).is_err());
        if let Ok(permit) = permit {
            let languages = vec!["yo".parse().unwrap()];
            let mut provenance = Provenance::default();
            let entry = ProvenanceEntry::new(languages, "yo.txt", &permit, 7);
            provenance.push(entry.clone());
            provenance.push(entry);
            let expected = format!("yo.txt: terms are unstated; opened to {purpose} all the same");
            assert_eq!(provenance.warnings(), [expected]);
        }
    }
}

#[test]
fn provenance_is_written_beside_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let policy = Policy::on(date(2026, 11, 23));
    let permit = PartTerms::Unstated.open(Purpose::Train, policy).unwrap();
    let mut provenance = Provenance::default();
    let languages = vec!["en".parse().unwrap(), "yo".parse().unwrap()];
    provenance.push(ProvenanceEntry::new(languages, "a web page", &permit, 3));
    let path = dir.path().join("provenance.toml");
    provenance.to_toml_file(&path).unwrap();
    let again: Provenance = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(again, provenance);
    assert!(again.warnings()[0].starts_with("a web page: terms are unstated"));
}

#[test]
fn a_file_of_terms_is_read_back_and_its_faults_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yo.terms.toml");
    let terms = Terms::new("LicenseRef-Community")
        .with_source("a village archive")
        .with_attribution("its elders")
        .with_label(Label {
            code: "tka".to_owned(), text: Some("Ẹ jọ̀ọ́, ẹ dárúkọ wa".to_owned())
        })
        .with_expires(date(2030, 1, 31));
    terms.to_toml_file(&path).unwrap();
    assert_eq!(Terms::from_toml_file(&path).unwrap(), terms);

    let unknown = Terms::new("free for all").to_toml_file(&dir.path().join("new.toml"));
    assert!(unknown.unwrap_err().to_string().contains("`licence` is `free for all`"));
    let message = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let error = Terms::from_toml_file(&path).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let unknown_key = "licence = 'MIT'\nconsent = 'given'\npurposes = []\nlicense = 'MIT'\n";
    assert!(message(unknown_key).contains("unknown field `license`"), "{}", message(unknown_key));
    assert!(message("licence = 'MIT'\npurposes = []\n").contains("missing field `consent`"));
    let free = "licence = 'free for all'\nconsent = 'given'\npurposes = []\n";
    assert!(message(free).contains("`licence` is `free for all`, expected an SPDX expression"));
}

proptest! {
    #[test]
    fn nothing_that_is_not_listed_is_ever_permitted(mask in 0_u8..16) {
        let listed: Vec<_> =
            ALL.into_iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, p)| p).collect();
        let terms = Terms::new("CC0-1.0").with_purposes(listed.clone());
        for purpose in ALL {
            prop_assert_eq!(terms.try_check(purpose, TODAY).is_ok(), listed.contains(&purpose));
        }
    }

    #[test]
    fn terms_come_back_as_they_were_written(
        words in "\\PC{0,30}", days in 0_i32..20_000, mask in 0_u8..16, consent in 0_usize..4,
    ) {
        let consents =
            [Consent::Given, Consent::NotRequired, Consent::Unknown, Consent::Withdrawn];
        let listed = ALL.into_iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1).map(|(_, p)| p);
        let mut care = CareStatements::default();
        care.responsibility = Some(words.clone());
        let terms = Terms::new("CC-BY-4.0 OR LicenseRef-Community")
            .with_consent(consents[consent])
            .with_purposes(listed)
            .with_custodian(words.clone())
            .with_contact(words.clone())
            .with_expires(date(1990, 1, 1).checked_add(days.days())?)
            .with_label(Label { code: "tka".to_owned(), text: Some(words) })
            .with_care(care);
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("terms.toml");
        terms.to_toml_file(&path)?;
        prop_assert_eq!(Terms::from_toml_file(&path)?, terms);
    }

    #[test]
    fn no_bytes_break_a_file_of_terms(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("terms.toml");
        std::fs::write(&path, bytes)?;
        // A panic is the failure; there is no text this short that has all the keys.
        prop_assert!(Terms::from_toml_file(&path).is_err());
    }
}
