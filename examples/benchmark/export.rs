//! Rows as `finetune` reads them, with the terms they come under.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use isogloss::core::write_file_atomically;
use isogloss::evaluation::{Split, TestItems, TestSet};
use isogloss::governance::{Purpose, Terms};
use isogloss_examples::Outcome;

/// Writes `CODE.SPLIT.tsv` and `CODE.SPLIT.terms.toml`.
pub(crate) fn write(set: &TestSet, dir: &Path) -> Outcome<[PathBuf; 2]> {
    let rows = rows(set)?;
    let mut text = String::new();
    for row in rows {
        // What would end a field or a row becomes a space.
        let row: Vec<String> =
            row.iter().map(|field| field.replace(['\t', '\n', '\r'], " ")).collect();
        writeln!(text, "{}", row.join("\t"))?;
    }
    let name = format!("{}.{}", set.code, set.split);
    let paths = ["tsv", "terms.toml"].map(|extension| dir.join(format!("{name}.{extension}")));
    write_file_atomically(&paths[0], |file| file.write_all(text.as_bytes()))?;
    let card = set.benchmark.card();
    // Who trains on what is tested on is told so by the terms.
    let purposes: &[Purpose] = match set.split {
        Split::Train => &[Purpose::Train, Purpose::Evaluate],
        _ => &[Purpose::Evaluate],
    };
    Terms::new(licence(set))
        .with_purposes(purposes.iter().copied())
        .with_source(card.home)
        .with_attribution(card.citation)
        .to_toml_file(&paths[1])?;
    Ok(paths)
}

/// The licence as an SPDX expression: treebanks write spaces in it, and some publishers have words of their own.
fn licence(set: &TestSet) -> String {
    let licence = set.licence.replace(' ', "-");
    let is_expression = |c: char| c.is_ascii_alphanumeric() || "-.+".contains(c);
    if set.licence.split(' ').count() <= 3 && licence.chars().all(is_expression) {
        return licence;
    }
    format!("LicenseRef-{}", set.benchmark.card().title.replace([' ', '.'], "-"))
}

/// The header and the rows.
fn rows(set: &TestSet) -> Outcome<Vec<Vec<String>>> {
    let head = |columns: &[&str]| columns.iter().map(|column| (*column).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = Vec::with_capacity(set.len() + 1);
    match &set.items {
        TestItems::Classes { labels, items } => {
            let is_pair = items.iter().any(|item| item.pair.is_some());
            rows.push(head(if is_pair { &["text", "pair", "label"] } else { &["text", "label"] }));
            rows.extend(items.iter().map(|item| {
                let pair = is_pair.then(|| item.pair.clone().unwrap_or_default());
                let parts = [Some(item.text.clone()), pair, Some(labels[item.label].clone())];
                parts.into_iter().flatten().collect()
            }));
        }
        TestItems::Tags(file) => {
            rows.push(head(&["text", "label"]));
            for sentence in &file.sentences {
                check_words(set, sentence.words.iter())?;
                rows.push(vec![sentence.words.join(" "), sentence.tags.join(" ")]);
            }
        }
        TestItems::Trees(sentences) => {
            rows.push(head(&["text", "label"]));
            for sentence in sentences {
                let words: Vec<&str> = sentence.words.iter().map(|it| it.form.as_str()).collect();
                let tags: Vec<&str> = sentence.words.iter().map(|it| it.upos.as_str()).collect();
                check_words(set, sentence.words.iter().map(|it| &it.form))?;
                rows.push(vec![words.join(" "), tags.join(" ")]);
            }
        }
        TestItems::Questions(questions) => {
            rows.push(head(&["text", "question", "label"]));
            rows.extend(questions.iter().map(|it| {
                let answer = it.answers.first().map_or("", |(answer, _)| answer);
                vec![it.context.to_string(), it.question.clone(), answer.to_owned()]
            }));
        }
        TestItems::Translations(pairs) => {
            rows.push(head(&["text", "label"]));
            rows.extend(pairs.iter().map(|pair| vec![pair.source.clone(), pair.target.clone()]));
        }
        _ => return Err(format!("--export: `finetune` has no task like {}", set.benchmark).into()),
    }
    Ok(rows)
}

/// Words that hold a space would be two.
fn check_words<'a>(set: &TestSet, mut words: impl Iterator<Item = &'a String>) -> Outcome<()> {
    match words.find(|word| word.contains(' ')) {
        Some(word) => {
            Err(format!("--export: the word `{word}` of {} holds a space", set.code).into())
        }
        None => Ok(()),
    }
}
