//! The web-text filter: what it removes, what it leaves alone, and what it says of both.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;
use isogloss_corpus::{
    CleaningConfig, CodeSwitchingCheck, Duplicates, FilterConfig, FilterReason, FilterReport,
    Guess, LanguageCheck, LanguageIdentifier, MachineTranslationCheck, NearDuplicateCheck,
    RepetitionCheck, ScriptCheck, Text, clean,
};
use isogloss_testing::GREETINGS;
use proptest::prelude::*;

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
}

fn tag(tag: &str) -> LanguageTag {
    tag.parse().unwrap()
}

fn texts(language: &str, texts: &[&str]) -> Vec<Text> {
    texts.iter().map(|text| Text { language: tag(language), text: (*text).to_owned() }).collect()
}

/// What a filter keeps, after its dry run said the same.
fn kept(config: FilterConfig, given: &[Text]) -> (Vec<String>, FilterReport) {
    let marked = Marked::new();
    let filter = config.try_init(Some(&marked)).unwrap();
    let planned = filter.dry_run(given);
    let mut left = given.to_vec();
    let report = filter.apply(&mut left).unwrap();
    assert_eq!(report, planned);
    (left.into_iter().map(|text| text.text).collect(), report)
}

/// An identifier that knows Yoruba and Hausa, and tells them by the letters that only one has.
#[derive(Debug)]
struct Marked {
    languages: BTreeSet<LanguageTag>,
}

impl Marked {
    fn new() -> Self {
        Self { languages: ["yo", "ha"].map(tag).into() }
    }
}

impl LanguageIdentifier for Marked {
    fn name(&self) -> &'static str {
        "marked"
    }

    fn languages(&self) -> &BTreeSet<LanguageTag> {
        &self.languages
    }

    fn identify(&self, text: &str) -> Option<Guess> {
        let [yoruba, hausa] = [['ọ', 'ẹ', 'ṣ'], ['ƙ', 'ɗ', 'ɓ']]
            .map(|letters| text.chars().filter(|char| letters.contains(char)).count() as f64);
        let (language, more) = if yoruba >= hausa { ("yo", yoruba) } else { ("ha", hausa) };
        (more > 0.0).then(|| Guess::new(tag(language), more / (yoruba + hausa)))
    }
}

#[test]
fn nothing_is_removed_unless_it_is_asked() {
    let given = texts("yo", &["", "", "привет", "a a a a a a a a", "Google Translate", "ƙ ɗ ɓ"]);
    let (left, report) = kept(FilterConfig::default(), &given);
    assert_eq!(left.len(), given.len());
    let row = &report.varieties[&tag("yo")];
    assert_eq!((row.seen, row.kept, row.removed.len()), (6, 6, 0));
    assert!(row.flagged.is_empty() && row.unjudged.is_empty());
    assert_eq!(serde_json::from_str::<FilterConfig>("{}").unwrap(), FilterConfig::default());
}

#[test]
fn the_rules_of_cleaning_are_counted_as_clean_counts_them() {
    let given = texts("yo", &["Ẹ káàárọ̀", " ẹ  káàárọ̀", "", "a", "far too long for this"]);
    let cleaning =
        CleaningConfig::usual().with_duplicates(Duplicates::DropFolded).with_characters(2, 12);
    let (left, report) = kept(FilterConfig::default().with_cleaning(cleaning), &given);
    let (cleaned, counts) = clean(given, &cleaning);
    assert_eq!(left, cleaned.into_iter().map(|text| text.text).collect::<Vec<_>>());
    let (row, counts) = (&report.varieties[&tag("yo")], counts.languages[&tag("yo")]);
    for (reason, expected) in [
        (FilterReason::Empty, counts.empty),
        (FilterReason::TooShort, counts.too_short),
        (FilterReason::TooLong, counts.too_long),
        (FilterReason::Duplicate, counts.duplicate),
    ] {
        assert_eq!(row.removed[&reason].count, expected, "{reason}");
    }
    assert_eq!(
        row.removed[&FilterReason::TooShort].samples[0].detail,
        "1 characters, expected at least 2"
    );
}

#[test]
fn words_are_counted_where_they_are_written() {
    let cleaning = CleaningConfig::default().with_words(2, 4);
    let asked = || FilterConfig::default().with_cleaning(cleaning);
    let (left, report) = kept(asked(), &texts("yo", &["ọ̀kan", "ọ̀kan èjì", "a b c d e"]));
    assert_eq!(left, ["ọ̀kan èjì"]);
    assert_eq!(
        report.varieties[&tag("yo")].removed[&FilterReason::TooLong].samples[0].detail,
        "5 words, expected at most 4"
    );
    // No space is written in Chinese: three characters are not one word.
    assert_eq!(kept(asked(), &texts("zh", &["早上好"])).0, ["早上好"]);
}

#[test]
fn a_text_in_another_script_is_removed_and_one_without_a_script_is_left_alone() {
    let asked = || FilterConfig::default().with_script(ScriptCheck::new(0.5));
    for (language, greeting) in GREETINGS {
        let (left, _) = kept(asked(), &texts(language, &[greeting, "Ὁ λόγος"]));
        assert_eq!(left, [greeting], "{language}");
    }
    // Three of four letters are Latin: .75. Digits and marks have no script.
    let (left, report) = kept(asked(), &texts("sr-Cyrl", &["вода 12!", "voda", "vodа"]));
    assert_eq!(left, ["вода 12!"]);
    let row = &report.varieties[&tag("sr-Cyrl")];
    let details: Vec<_> =
        row.removed[&FilterReason::Script].samples.iter().map(|sample| &sample.detail).collect();
    assert_eq!(details[1], "0.25 of letters are Cyrillic, expected at least 0.5");
    assert_eq!(row.removed[&FilterReason::Script].samples[1].place, 3);
    // No letter to judge, and no script to judge by.
    let mut given = texts("yo", &["12.30"]);
    given.extend(texts("qaa", &["вода", "voda"]));
    assert_eq!(tag("qaa").script(), None);
    let (left, report) = kept(asked(), &given);
    assert_eq!(left.len(), 3);
    assert_eq!(report.varieties[&tag("qaa")].unjudged[&FilterReason::Script], 2);
    assert_eq!(report.varieties[&tag("yo")].unjudged[&FilterReason::Script], 1);
    // Japanese is written in three scripts at once.
    assert_eq!(kept(asked(), &texts("ja", &["東京はカッコいい"])).0.len(), 1);
}

#[test]
fn repetition_is_removed_by_the_limits_of_gopher() {
    let asked = || FilterConfig::default().with_repetition(RepetitionCheck::gopher());
    let plain = "the quick brown fox jumps over the lazy dog while nobody is looking";
    let given =
        texts("en", &[plain, "buy now buy now buy now", "menu\nhome\nmenu\nhome\nabout us"]);
    let (left, report) = kept(asked(), &given);
    assert_eq!(left, [plain]);
    let samples = &report.varieties[&tag("en")].removed[&FilterReason::Repetition].samples;
    // `buy now` three times: all of it.
    assert_eq!(
        samples[0].detail,
        "repeats of one 2-gram are 1.00 of the text, expected at most 0.2"
    );
    assert_eq!(samples[1].detail, "repeated lines are 0.40 of the text, expected at most 0.3");
    // Words are characters in Chinese.
    assert_eq!(kept(asked(), &texts("zh", &["哈哈哈哈哈哈哈哈", "早上好，你好吗？"])).0.len(), 1);
    let characters = RepetitionCheck::default().with_max_character_repetition(0.2);
    let given = texts("en", &[plain, &"ha".repeat(30)]);
    assert_eq!(kept(FilterConfig::default().with_repetition(characters), &given).0, [plain]);
}

#[test]
fn a_language_is_judged_only_where_the_identifier_knows_it() {
    let asked = || FilterConfig::default().with_language(LanguageCheck::default());
    let mut given = texts("yo", &["ọjọ́ dára", "ƙasa da ɗaki", "ọ ƙ", "a b c"]);
    given.extend(texts("lg", &["ọjọ́ dára", "ƙasa"]));
    given.extend(texts("yo-Latn-BJ", &["ƙasa"]));
    given.extend(texts("yo-Arab", &["ƙasa"]));
    let (left, report) = kept(asked(), &given);
    assert_eq!(left.len(), given.len() - 2);
    let yoruba = &report.varieties[&tag("yo")];
    assert_eq!(yoruba.removed[&FilterReason::Language].count, 1);
    assert_eq!(
        yoruba.removed[&FilterReason::Language].samples[0].detail,
        "taken for ha-Latn with confidence 1.00, expected yo-Latn"
    );
    // Not sure, and nothing to go by: `ọ ƙ` is Yoruba at even odds, which is right at any.
    assert_eq!(yoruba.unjudged[&FilterReason::Language], 1);
    for unknown in ["lg", "yo-Arab"] {
        let row = &report.varieties[&tag(unknown)];
        assert_eq!(row.removed(), 0, "{unknown}");
        assert_eq!(row.unjudged[&FilterReason::Language], row.seen, "{unknown}");
    }
    // The region makes no difference.
    assert_eq!(report.removed(&tag("yo-Latn-BJ")), 1);
    assert_eq!(report.identifier.as_deref(), Some("marked"));
    // Varieties that the identifier may mistake for one another.
    let alike = asked().with_alike(vec![vec![tag("yo"), tag("ha")]]);
    assert_eq!(kept(alike, &given).0.len(), given.len());
}

#[test]
fn switching_is_a_share_of_the_words_whose_language_can_be_told() {
    // 3 Cyrillic words, 1 Latin, and `5`, which is neither: 1 of 4 is switched.
    let given = texts("ru", &["мы купили iPhone за 5"]);
    let by_script =
        |max| FilterConfig::default().with_code_switching(CodeSwitchingCheck::by_script(max));
    assert_eq!(kept(by_script(0.25), &given).0.len(), 1);
    let (left, report) = kept(by_script(0.24), &given);
    assert!(left.is_empty());
    assert_eq!(
        report.varieties[&tag("ru")].removed[&FilterReason::CodeSwitching].samples[0].detail,
        "1 of 4 words (0.25) are not ru-Cyrl, expected at most 0.24"
    );
    // Runs of ten words: ten Yoruba, four Hausa; and a run of which nothing can be said.
    let text = format!("{} {}", ["ọ"; 10].join(" "), ["ƙ"; 4].join(" "));
    let mut given = texts("yo", &[&text, &["a"; 10].join(" ")]);
    given.extend(texts("lg", &["ƙ ƙ"]));
    let by_identifier =
        |max| FilterConfig::default().with_code_switching(CodeSwitchingCheck::by_identifier(max));
    assert_eq!(kept(by_identifier(0.3), &given).0.len(), 3);
    let (left, report) = kept(by_identifier(0.28), &given);
    assert_eq!(left.len(), 2);
    let row = &report.varieties[&tag("yo")];
    assert_eq!(
        row.removed[&FilterReason::CodeSwitching].samples[0].detail,
        "4 of 14 words (0.29) are not yo-Latn, expected at most 0.28"
    );
    assert_eq!(row.unjudged[&FilterReason::CodeSwitching], 1);
    assert_eq!(report.varieties[&tag("lg")].unjudged[&FilterReason::CodeSwitching], 1);
}

#[test]
fn machine_translation_is_flagged_and_removed_only_when_that_is_asked() {
    let parallel = [
        ("en", "Open from 10:30 to 18:45, call 0800 or see www.example.org"),
        ("ha", "A buɗe daga 10:30 zuwa 18:45, a kira 0800 ko www.example.org"),
        ("hi", "१०:३० से १८:४५ तक खुला, ०८०० पर फ़ोन करें या www.example.org देखें"),
        ("sr-Cyrl", "Од 10:30 до 18:45, 0800, www.example.org"),
        ("sr-Latn", "Od 10:30 do 18:45, 0800, www.example.org"),
    ];
    let mut given: Vec<Text> =
        parallel.iter().flat_map(|(language, text)| texts(language, &[text])).collect();
    given.extend(texts("en", &["See Google  TRANSLATE for more", "Open from 10:30 to 18:45"]));
    let check = |languages| {
        MachineTranslationCheck::default().with_usual_notices().with_multi_way(languages)
    };
    let asked = |check| FilterConfig::default().with_machine_translation(check);
    // Four languages share the anchors: Serbian counts once.
    let (left, report) = kept(asked(check(4)), &given);
    assert_eq!(left.len(), given.len());
    let flagged = &report.varieties[&tag("en")].flagged[&FilterReason::MachineTranslation];
    let details: Vec<_> = flagged.samples.iter().map(|sample| sample.detail.as_str()).collect();
    let expected = [
        "shares its numerals and addresses with texts in 4 languages, expected fewer than 4",
        "has the notice `google translate`",
    ];
    assert_eq!(details, expected);
    assert_eq!(report.removed(&tag("en")), 0);
    let (left, _) = kept(asked(check(4).with_removal()), &given);
    assert_eq!(left, ["Open from 10:30 to 18:45"]);
    let (left, _) = kept(asked(check(5).with_removal()), &given);
    assert_eq!(left.len(), given.len() - 1);
}

#[test]
fn a_near_duplicate_goes_and_the_first_stays() {
    let check = NearDuplicateCheck::default().with_threshold(0.6).with_bands(20, 5);
    let asked = || FilterConfig::default().with_near_duplicates(check);
    let first = "Ilé-ẹ̀kọ́ gíga náà wà ní ìlú Ìbàdàn, ní ìpínlẹ̀ Ọ̀yọ́.";
    let second = "Ilé-ẹ̀kọ́ gíga náà wà ní ìlú Ìbàdàn, ní ìpínlẹ̀ Ọ̀yọ́!";
    let other = "Omi tútù dára fún ara ní àsìkò ẹ̀ẹ̀rùn.";
    let mut given = texts("yo", &[first, other, second, ""]);
    given.extend(texts("lg", &[second]));
    let (left, report) = kept(asked(), &given);
    assert_eq!(left, [first, other, "", second]);
    let row = &report.varieties[&tag("yo")];
    let sample = &row.removed[&FilterReason::NearDuplicate].samples[0];
    assert_eq!(sample.place, 3);
    assert!(sample.detail.starts_with("resembles the kept text 1 by 0."), "{}", sample.detail);
    assert_eq!(row.unjudged[&FilterReason::NearDuplicate], 1);
    // 1 − (1 − .8⁵)²⁰: .8⁵ = .32768, .67232²⁰ = .000356.
    assert_near(check.detection_probability(0.8), 0.999_644, 1e-6);
}

#[test]
fn a_variety_that_would_lose_too_much_stops_everything() {
    let mut given = texts("yo", &["вода", "вода", "Ẹ káàárọ̀", ""]);
    given.extend(texts("ha", &["дом", "ina kwana", "sannu"]));
    given.extend(texts("en", &["good"]));
    let asked = FilterConfig::default()
        .with_cleaning(CleaningConfig::usual())
        .with_script(ScriptCheck::default())
        .with_max_loss(0.3);
    let filter = asked.clone().try_init(None).unwrap();
    let mut left = given.clone();
    assert_eq!(
        filter.apply(&mut left).unwrap_err().to_string(),
        "yo-Latn: would lose 3 of 4 texts (75.0 %), mostly for `script`; ha-Latn: would lose 1 of 3 \
         texts (33.3 %), mostly for `script`, expected at most 30.0 % (nothing was removed)",
    );
    assert_eq!(left, given);
    // The dry run says so, and stops nobody.
    let planned = filter.dry_run(&given);
    assert!(planned.check_loss().is_err());
    let expected = "\
variety      texts       kept    lost  why
yo-Latn          4          1   75.0%! removed: empty 1, script 2
ha-Latn          3          2   33.3%! removed: script 1
en-Latn          1          1    0.0%
! loses more than 30.0 %: a run would stop
";
    assert_eq!(planned.to_string(), expected);
    assert_eq!(
        asked
            .with_max_loss(0.75)
            .try_init(None)
            .unwrap()
            .apply(&mut left)
            .unwrap()
            .removed(&tag("yo")),
        3
    );
}

#[test]
fn every_fault_of_a_configuration_is_named() {
    let bad = FilterConfig::default()
        .with_max_loss(1.5)
        .with_script(ScriptCheck::new(-0.1))
        .with_language(LanguageCheck::default())
        .with_code_switching(CodeSwitchingCheck::by_identifier(0.5))
        .with_machine_translation(MachineTranslationCheck::default())
        .with_near_duplicates(NearDuplicateCheck::default().with_bands(0, 8));
    assert_eq!(
        bad.try_init(None).unwrap_err().to_string(),
        "filter: `max_loss` is `1.5`, expected a share from 0 to 1; \
         `script.min_share` is `-0.1`, expected a share from 0 to 1; \
         `language` is `asked for`, expected an identifier for it; \
         `code_switching` is `asked for`, expected an identifier for it; \
         `machine_translation` is `empty`, expected `notices`, `multi_way` or both; \
         `near_duplicates.bands` is `0`, expected 1 or more",
    );
    let misspelt = serde_json::from_str::<FilterConfig>(r#"{"near_duplicate": {}}"#).unwrap_err();
    assert!(misspelt.to_string().starts_with("unknown field `near_duplicate`"), "{misspelt}");
}

#[test]
fn a_configuration_and_its_report_are_read_back() {
    let text = r#"{
        "cleaning": {"drop_empty": true, "min_words": 2},
        "script": {"min_share": 0.6},
        "repetition": {"max_top_ngrams": [{"n": 2, "max_share": 0.5}]},
        "code_switching": {"max_share": 0.2, "by": {"type": "script"}},
        "machine_translation": {"multi_way": {"min_languages": 8, "min_anchors": 3}},
        "near_duplicates": {"threshold": 0.7, "shingle": {"type": "words", "size": 5}},
        "alike": [["zu", "xh"]],
        "max_loss": 0.4
    }"#;
    let asked: FilterConfig = serde_json::from_str(text).unwrap();
    let filter = asked.try_init(None).unwrap();
    let report = filter.dry_run(&texts("yo", &["ilé mi", "", "дом мой", "a a a a a"]));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<FilterReport>(&json).unwrap(), report);
    assert_eq!(report.varieties[&tag("yo")].kept, 1);
}

/// Texts of a few languages, known and unknown, that repeat one another often.
fn mixed() -> impl Strategy<Value = Vec<Text>> {
    let language = prop::sample::select(vec!["yo", "ha", "lg", "qaa", "sr-Cyrl", "th"]);
    let text = "([aбọƙ1 ]{0,3}| |ilé omi |вода |www\\.a\\.b 11 22 |\n){0,4}";
    prop::collection::vec((language, text), 0..30).prop_map(|rows| {
        rows.into_iter().flat_map(|(language, text)| texts(language, &[&text])).collect()
    })
}

fn everything() -> FilterConfig {
    let machine = MachineTranslationCheck::default().with_usual_notices().with_multi_way(2);
    FilterConfig::default()
        .with_cleaning(CleaningConfig::usual().with_words(1, 12))
        .with_script(ScriptCheck::default())
        .with_repetition(RepetitionCheck::gopher().with_max_character_repetition(0.5))
        .with_language(LanguageCheck::default())
        .with_code_switching(CodeSwitchingCheck::by_script(0.4))
        .with_machine_translation(machine.with_removal())
        .with_near_duplicates(NearDuplicateCheck::default())
}

proptest! {
    #[test]
    fn every_text_is_kept_or_counted_once(given in mixed()) {
        let (left, report) = kept(everything(), &given);
        let mut seen: BTreeMap<&LanguageTag, u64> = BTreeMap::new();
        for text in &given {
            *seen.entry(&text.language).or_default() += 1;
        }
        prop_assert_eq!(seen.len(), report.varieties.len());
        let mut total = 0;
        for (language, row) in &report.varieties {
            prop_assert_eq!(row.seen, seen[language]);
            let by_reason: u64 = row.removed.values().map(|reason| reason.count).sum();
            prop_assert_eq!(row.kept + by_reason, row.seen);
            total += row.kept;
            let samples = row.removed.values().all(|reason| {
                reason.samples.len() as u64 == reason.count.min(report.config.samples as u64)
            });
            prop_assert!(samples);
        }
        prop_assert_eq!(left.len() as u64, total);
    }

    #[test]
    fn what_is_kept_stays_in_its_order_and_is_kept_again(given in mixed()) {
        let (left, _) = kept(everything(), &given);
        let mut rest = given.iter().map(|text| &text.text);
        prop_assert!(left.iter().all(|text| rest.any(|other| other == text)));
    }

    #[test]
    fn counts_without_duplicates_do_not_depend_on_order(given in mixed()) {
        let mut asked = everything().with_samples(0);
        asked.near_duplicates = None;
        let report = |given: &[Text]| kept(asked.clone(), given).1;
        let mut reversed = given.clone();
        reversed.reverse();
        prop_assert_eq!(report(&given), report(&reversed));
    }

    #[test]
    fn a_language_that_is_not_known_loses_nothing_to_the_identifier(given in mixed()) {
        let asked = FilterConfig::default()
            .with_language(LanguageCheck::new(0.0))
            .with_code_switching(CodeSwitchingCheck::by_identifier(0.0));
        let (_, report) = kept(asked, &given);
        for (language, row) in &report.varieties {
            if ["lg", "qaa", "sr-Cyrl", "th"].map(tag).contains(language) {
                prop_assert_eq!(row.kept, row.seen);
                prop_assert_eq!(row.unjudged[&FilterReason::Language], row.seen);
                prop_assert_eq!(row.unjudged[&FilterReason::CodeSwitching], row.seen);
            }
        }
    }

    #[test]
    fn the_estimate_of_resemblance_is_near_the_truth(
        shared in "[a-e]{20,60}", mine in "[a-e]{0,30}", yours in "[a-e]{0,30}", seed: u64,
    ) {
        let texts = [format!("{shared}{mine}"), format!("{shared}{yours}")];
        let [a, b] = texts.each_ref().map(|text| {
            let characters: Vec<char> = text.chars().collect();
            characters.windows(5).map(<[char]>::to_vec).collect::<BTreeSet<_>>()
        });
        let truth = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
        let check = NearDuplicateCheck::default()
            .with_bands(64, 8)
            .with_seed(isogloss_core::Seed::new(seed));
        let [a, b] = texts.each_ref().map(|text| check.signature(text, &tag("en")).unwrap());
        // Six standard errors of 512 hashes, at the worst place: 6 × √(.25 / 512) = .133.
        prop_assert!((a.jaccard(&b) - truth).abs() < 0.133, "{} and {truth}", a.jaccard(&b));
        prop_assert!(a.jaccard(&a) >= 1.0);
    }

    #[test]
    fn no_text_breaks_the_filter(given in prop::collection::vec("\\PC{0,40}", 0..6)) {
        for language in ["yo", "th", "qaa"] {
            let given: Vec<_> = given.iter().flat_map(|text| texts(language, &[text])).collect();
            kept(everything(), &given);
        }
    }
}
