//! What is left out is counted.

use isogloss_corpus::{CleaningConfig, Text, clean};

#[test]
fn every_segment_is_kept_or_counted() {
    let text = |text: &str| Text { language: "yo".parse().unwrap(), text: text.to_owned() };
    let texts = ["Ẹ káàárọ̀", " ẹ  káàárọ̀", "", "a", "far too long for this"].map(text);
    let config = CleaningConfig::usual().with_characters(2, 12);
    let (kept, report) = clean(texts.clone(), &config);
    assert_eq!(kept, [texts[0].clone()]);
    let yoruba = "yo".parse().unwrap();
    assert_eq!(report.languages[&yoruba], [1, 1, 1, 1, 1]);
    assert_eq!(report.removed(&yoruba), 4);
    assert_eq!(clean(texts.clone(), &CleaningConfig::default()).0, texts);
}
