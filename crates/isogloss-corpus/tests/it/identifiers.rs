//! Identifiers, and what is said of how well they know each language.

use isogloss_core::LanguageTag;
use isogloss_corpus::{
    IdentificationReport, IdentifierError, LanguageIdentifier, NgramConfig, NgramIdentifier,
};
use proptest::prelude::*;

/// A few sentences in languages that common identifiers do not know, written for these tests.
const SENTENCES: [(&str, [&str; 3]); 4] = [
    ("yo", ["Ẹ káàárọ̀, ṣé dáadáa ni?", "Mo fẹ́ ra ìwé ní ọjà.", "Ọmọ náà ń jẹun nínú ilé."]),
    ("ha", ["Ina kwana, yaya gida?", "Ina so in sayi littafi a kasuwa.", "Yaron yana cin abinci."]),
    ("sw", ["Habari za asubuhi, hujambo?", "Ninataka kununua kitabu sokoni.", "Mtoto anakula."]),
    (
        "lg",
        ["Wasuze otya nno, ssebo?", "Njagala okugula ekitabo mu katale.", "Omwana alya emmere."],
    ),
];

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
}

fn tag(tag: &str) -> LanguageTag {
    tag.parse().unwrap()
}

fn sentences() -> Vec<(LanguageTag, &'static str)> {
    SENTENCES
        .iter()
        .flat_map(|(language, texts)| texts.iter().map(|text| (tag(language), *text)))
        .collect()
}

fn trained(texts: &[(LanguageTag, &str)]) -> Result<NgramIdentifier, IdentifierError> {
    NgramConfig::default().train(texts.iter().map(|(language, text)| (language, *text)))
}

#[cfg(feature = "whatlang")]
mod whatlang {
    use isogloss_corpus::{FilterConfig, FilterReason, LanguageCheck, Text, WhatlangIdentifier};
    use isogloss_testing::GREETINGS;

    use super::*;

    #[test]
    fn it_covers_seventy_languages_each_in_its_script() {
        let identifier = WhatlangIdentifier::new();
        assert_eq!(identifier.languages().len(), 70);
        for known in
            ["en", "zu", "sn", "ak", "am", "pt-BR", "zh-Hant", "zho", "swe_Latn", "ja", "ko"]
        {
            assert!(identifier.covers(&tag(known)), "{known}");
        }
        for unknown in ["yo", "ha", "sw", "sr-Latn", "uz-Cyrl", "qaa"] {
            assert!(!identifier.covers(&tag(unknown)), "{unknown}");
        }
        assert!(identifier.identify("12 34").is_none());
    }

    #[test]
    fn what_it_knows_it_knows_by_our_tags() {
        let identifier = WhatlangIdentifier::new();
        let pairs = GREETINGS.iter().map(|(language, text)| (tag(language), *text));
        let pairs: Vec<_> = pairs.collect();
        let report = IdentificationReport::measure(
            &identifier,
            pairs.iter().map(|(language, text)| (language, *text)),
        );
        for known in ["vi", "am", "km", "my", "zh"] {
            assert_eq!(report.languages[&tag(known)].recall(), Some(1.0), "{known}");
        }
        let unknown: Vec<_> = report.not_covered().map(LanguageTag::as_str).collect();
        assert_eq!(unknown, ["nqo-Nkoo", "yo-Latn"]);
        assert_eq!(report.languages[&tag("yo")].recall(), None);
    }

    #[test]
    fn a_filter_with_it_keeps_what_it_does_not_know_and_removes_what_it_does() {
        let identifier = WhatlangIdentifier::new();
        let config = FilterConfig::default().with_language(LanguageCheck::default());
        let filter = config.try_init(Some(&identifier)).unwrap();
        let mut given: Vec<Text> = sentences()
            .into_iter()
            .map(|(language, text)| Text { language, text: text.to_owned() })
            .collect();
        let russian = "Сегодня утром мы пошли на рынок и купили свежий хлеб и молоко.";
        given.push(Text { language: tag("uk"), text: russian.to_owned() });
        let report = filter.apply(&mut given).unwrap();
        for (language, texts) in SENTENCES {
            let row = &report.varieties[&tag(language)];
            assert_eq!((row.kept, row.removed()), (texts.len() as u64, 0), "{language}");
            assert_eq!(row.unjudged[&FilterReason::Language], row.seen, "{language}");
        }
        assert_eq!(report.removed(&tag("uk")), 1);
    }
}

#[cfg(feature = "lingua")]
mod lingua {
    use isogloss_corpus::LinguaIdentifier;

    use super::*;

    #[test]
    fn it_knows_what_was_compiled_in_and_names_what_was_not() {
        let identifier = LinguaIdentifier::try_new().unwrap();
        assert!(identifier.covers(&tag("yo")) && identifier.covers(&tag("swh_Latn")));
        for (language, texts) in SENTENCES.map(|(language, texts)| (tag(language), texts)) {
            if identifier.covers(&language) {
                let guess = identifier.identify(&texts.join(" ")).unwrap();
                assert_eq!(guess.language, language);
            }
        }
        assert!(identifier.identify("12 34").is_none());
        let unknown = LinguaIdentifier::try_with_languages(&[tag("qaa")]).unwrap_err();
        let expected = "identifier: qaa: not in `lingua`, expected a language that is";
        assert_eq!(unknown.to_string(), expected);
        let first = identifier.languages().first().unwrap().clone();
        let one = LinguaIdentifier::try_with_languages(&[first.clone(), first]).unwrap_err();
        assert_eq!(one.to_string(), "identifier: 1 languages, expected 2 or more");
    }
}

#[test]
fn n_grams_learn_the_languages_that_nobody_covers() {
    let identifier = trained(&sentences()).unwrap();
    for (language, text) in [
        ("yo", "Mo ń jẹun ní ọjà."),
        ("ha", "Ina cin abinci a gida."),
        ("sw", "Mtoto anataka kitabu."),
        ("lg", "Omwana ayagala ekitabo."),
    ] {
        let guess = identifier.identify(text).unwrap();
        assert_eq!(guess.language, tag(language), "{text}");
        assert!((0.25..=1.0).contains(&guess.confidence), "{}", guess.confidence);
    }
    assert!(identifier.covers(&tag("swh_Latn")) && !identifier.covers(&tag("en")));
    assert!(identifier.identify("早上好 12!").is_none());
}

#[test]
fn a_score_agrees_with_one_worked_by_hand() {
    // Characters alone: `aab` gives a 2, b 1 to Yoruba, `b` gives b 1 to Hausa. With a = 1, `a` is
    // 3/5 in the one and 1/3 in the other: the odds are 9/5, the confidence 9/14.
    let mut config = NgramConfig::default();
    (config.max_n, config.smoothing) = (1, 1.0);
    let [yoruba, hausa] = ["yo", "ha"].map(tag);
    let identifier = config.train([(&yoruba, "Aab"), (&hausa, "b, b! 1")]).unwrap();
    // b was counted twice: `a` is 1/4 in Hausa. 3/5 against 1/4: 12/17.
    let guess = identifier.identify("a").unwrap();
    assert_eq!(guess.language, yoruba);
    assert_near(guess.confidence, 12.0 / 17.0, 1e-12);
}

#[test]
fn what_cannot_be_learnt_is_named() {
    let [yoruba, hausa] = ["yo", "ha"].map(tag);
    let message = |texts: &[(LanguageTag, &str)]| trained(texts).unwrap_err().to_string();
    assert_eq!(message(&[(yoruba.clone(), "ilé")]), "identifier: 1 languages, expected 2 or more");
    assert_eq!(
        message(&[(yoruba.clone(), "ilé"), (hausa.clone(), "12!")]),
        "identifier: ha-Latn: no letter in its texts, expected some",
    );
    let mut config = NgramConfig::default();
    config.smoothing = 0.0;
    assert_eq!(
        config.train([(&yoruba, "ilé"), (&hausa, "gida")]).unwrap_err().to_string(),
        "identifier: `smoothing` is `0`, expected a number above 0",
    );
    let file = r#"{"config": {"max_n": 0}, "languages": {}}"#;
    let error = serde_json::from_str::<NgramIdentifier>(file).unwrap_err().to_string();
    assert!(error.starts_with("identifier: `max_n` is `0`, expected 1 to 8"), "{error}");
}

#[test]
fn recall_is_told_for_each_language_and_never_as_a_mean() {
    let identifier = trained(&sentences()).unwrap();
    let [yoruba, hausa, english] = ["yo", "ha", "en"].map(tag);
    let measured = [
        (&yoruba, "Mo fẹ́ ra ìwé."),
        (&yoruba, "Ọmọ náà ń jẹun."),
        (&yoruba, "Ina so in sayi littafi."),
        (&yoruba, "12"),
        (&hausa, "Yaron yana gida."),
        (&english, "yana da gida"),
    ];
    let report = IdentificationReport::measure(&identifier, measured);
    let row = &report.languages[&yoruba];
    assert_eq!((row.support, row.right, row.unanswered), (4, 2, 1));
    assert_eq!((row.recall(), row.precision()), (Some(0.5), Some(1.0)));
    assert_eq!(row.most_often_taken_for(), Some((&hausa, 1)));
    // Wilson for 2 of 4: (.5 + .480228 ± 1.96 √(.0625 + .060028)) / 1.960365 … = .1500 and .8500.
    let [low, high] = row.recall_interval().unwrap();
    assert_near(low, 0.150_04, 1e-4);
    assert_near(high, 0.849_96, 1e-4);
    // One right of three: a Yoruba text and an English one were taken for Hausa.
    assert_eq!(report.languages[&hausa].precision(), Some(1.0 / 3.0));
    assert_eq!(report.languages[&english].recall(), None);
    assert_eq!(report.not_covered().collect::<Vec<_>>(), [&english]);
    let expected = "\
language    texts  recall  95 % interval  precision  most often taken for
yo-Latn         4   0.500  0.150 – 0.850      1.000  ha-Latn (1)
ha-Latn         1   1.000  0.207 – 1.000      0.333
en-Latn         1  not known to n-grams              ha-Latn (1)
";
    assert_eq!(report.to_string(), expected);
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<IdentificationReport>(&json).unwrap(), report);
}

proptest! {
    #[test]
    fn training_does_not_depend_on_order_and_is_saved_whole(
        texts in prop::collection::vec((0..4_usize, "[a-dẹ '1]{1,12}"), 8..20), text in "\\PC{0,20}",
    ) {
        let tags = ["yo", "ha", "sw", "lg"].map(tag);
        let mut texts: Vec<_> = texts.iter().map(|(place, text)| (tags[*place].clone(), text.as_str())).collect();
        texts.extend(tags.iter().map(|language| (language.clone(), "a")));
        let identifier = trained(&texts).unwrap();
        texts.reverse();
        prop_assert_eq!(&trained(&texts).unwrap(), &identifier);
        let json = serde_json::to_string(&identifier).unwrap();
        let read: NgramIdentifier = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.identify(&text), identifier.identify(&text));
        prop_assert_eq!(read, identifier);
    }
}
