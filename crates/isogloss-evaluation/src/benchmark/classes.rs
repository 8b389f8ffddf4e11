//! Texts with a class: XNLI, PAWS-X, SIB-200, AfriSenti.

use std::collections::BTreeSet;
use std::path::Path;

use super::files::{Quotes, bare_columns, columns, fault, read_text};
use super::set::{ClassItem, TestItems};
use crate::EvaluationError;

pub(super) const INFERENCE: [&str; 3] = ["entailment", "neutral", "contradiction"];
pub(super) const PARAPHRASE: [&str; 2] = ["0", "1"];
pub(super) const TOPICS: [&str; 7] =
    ["science/technology", "travel", "politics", "sports", "health", "entertainment", "geography"];
pub(super) const SENTIMENT: [&str; 3] = ["positive", "neutral", "negative"];

/// In the place of a label, where a sentence was not translated.
const UNTRANSLATED: &str = "NS";

/// Items, and how many rows were left out since their publisher did not decide on a class.
type Read = (TestItems, usize);

/// The codes that a file of XNLI has rows of.
pub(super) fn xnli_languages(path: &Path) -> Result<Vec<String>, EvaluationError> {
    let rows = columns(path, &read_text(path)?, Quotes::Plain, ["language"])?;
    let codes: BTreeSet<String> = rows.into_iter().map(|(_, [code])| code).collect();
    Ok(codes.into_iter().collect())
}

/// `xnli.dev.tsv` and `xnli.test.tsv`: the rows of a language, in files of all.
pub(super) fn xnli(path: &Path, code: &str) -> Result<Read, EvaluationError> {
    let asked = ["language", "gold_label", "sentence1", "sentence2", "pairID"];
    let rows = columns(path, &read_text(path)?, Quotes::Plain, asked)?;
    let rows = rows.into_iter().filter(|(_, [language, ..])| language == code);
    let rows = rows.map(|(line, [_, label, premise, hypothesis, id])| {
        (ClassItem { id, line, text: premise, pair: Some(hypothesis), label: 0 }, label)
    });
    classes(path, &INFERENCE, &["-"], rows)
}

/// `multinli.train.CODE.tsv`: the training set of English, translated by a machine.
pub(super) fn multinli(path: &Path) -> Result<Read, EvaluationError> {
    let rows = columns(path, &read_text(path)?, Quotes::Plain, ["premise", "hypo", "label"])?;
    let rows = rows.into_iter().map(|(line, [premise, hypothesis, label])| {
        // These files alone call it so.
        let is_short = label == "contradictory";
        let label = if is_short { INFERENCE[2].to_owned() } else { label };
        let id = line.to_string();
        (ClassItem { id, line, text: premise, pair: Some(hypothesis), label: 0 }, label)
    });
    classes(path, &INFERENCE, &[], rows)
}

/// PAWS-X: two sentences, and whether they say the same.
pub(super) fn paws_x(path: &Path) -> Result<Read, EvaluationError> {
    let asked = ["id", "sentence1", "sentence2", "label"];
    let rows = columns(path, &read_text(path)?, Quotes::Plain, asked)?;
    let rows = rows.into_iter().map(|(line, [id, first, second, label])| {
        // A translator who could not translate a sentence wrote `NS`.
        let is_translated = [&first, &second].iter().all(|text| !matches!(text.trim(), "NS" | ""));
        let label = if is_translated { label } else { UNTRANSLATED.to_owned() };
        (ClassItem { id, line, text: first, pair: Some(second), label: 0 }, label)
    });
    classes(path, &PARAPHRASE, &[UNTRANSLATED], rows)
}

/// SIB-200: a sentence and its topic.
pub(super) fn sib_200(path: &Path) -> Result<Read, EvaluationError> {
    let asked = ["index_id", "category", "text"];
    let rows = columns(path, &read_text(path)?, Quotes::Doubled, asked)?;
    let rows = rows.into_iter().map(|(line, [id, topic, text])| {
        (ClassItem { id, line, text, pair: None, label: 0 }, topic)
    });
    classes(path, &TOPICS, &[], rows)
}

/// AfriSenti: a tweet and its sentiment. Some files have a column `ID` besides.
pub(super) fn afri_senti(path: &Path) -> Result<Read, EvaluationError> {
    let rows = columns(path, &read_text(path)?, Quotes::Doubled, ["tweet", "label"])?;
    let rows = rows.into_iter().map(|(line, [text, label])| {
        (ClassItem { id: line.to_string(), line, text, pair: None, label: 0 }, label)
    });
    classes(path, &SENTIMENT, &[], rows)
}

/// Two texts and a class in bare columns, as XTREME's scripts write XNLI and PAWS-X.
pub(super) fn xtreme_pairs(path: &Path, labels: &[&str]) -> Result<Read, EvaluationError> {
    let rows = bare_columns(path, &read_text(path)?)?;
    let rows = rows.into_iter().map(|(line, [text, pair, label])| {
        (ClassItem { id: line.to_string(), line, text, pair: Some(pair), label: 0 }, label)
    });
    classes(path, labels, &[], rows)
}

/// Items with the places of their classes; rows that are left out are counted.
fn classes(
    path: &Path,
    labels: &[&str],
    left_out: &[&str],
    rows: impl Iterator<Item = (ClassItem, String)>,
) -> Result<Read, EvaluationError> {
    let (mut items, mut n_left_out) = (Vec::new(), 0);
    for (mut item, label) in rows {
        let label = label.trim();
        if left_out.contains(&label) {
            n_left_out += 1;
            continue;
        }
        item.label = labels.iter().position(|known| *known == label).ok_or_else(|| {
            let text = format!("label `{label}`, expected one of {}", labels.join(", "));
            fault(path, item.line, text)
        })?;
        items.push(item);
    }
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    Ok((TestItems::Classes { labels, items }, n_left_out))
}
