//! What is left out is counted.

use isogloss_corpus::{CleaningConfig, Duplicates, Text, clean};

#[test]
fn every_segment_is_kept_or_counted() {
    let text = |text: &str| Text { language: "yo".parse().unwrap(), text: text.to_owned() };
    let texts = ["Ẹ káàárọ̀", " ẹ  káàárọ̀", "", "a", "far too long for this"].map(text);
    let config =
        CleaningConfig::usual().with_duplicates(Duplicates::DropFolded).with_characters(2, 12);
    let (kept, report) = clean(texts.clone(), &config);
    assert_eq!(kept, [texts[0].clone()]);
    let yoruba = "yo".parse().unwrap();
    let counts = report.languages[&yoruba];
    assert_eq!((counts.kept, counts.duplicate), (1, 1));
    assert_eq!((counts.empty, counts.too_short, counts.too_long), (1, 1, 1));
    assert_eq!(report.removed(&yoruba), 4);
    assert_eq!(clean(texts.clone(), &CleaningConfig::default()).0, texts);
    // Exactly repeated, and only within a language.
    let english = Text { language: "en".parse().unwrap(), text: "a".to_owned() };
    let repeated =
        [texts[0].clone(), texts[1].clone(), texts[0].clone(), texts[3].clone(), english];
    let (kept, report) = clean(repeated, &CleaningConfig::usual());
    assert_eq!((kept.len(), report.removed(&yoruba)), (4, 1));
}
