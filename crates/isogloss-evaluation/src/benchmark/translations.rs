//! Sentences in two languages: Tatoeba, FLORES.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::files::{fault, lines, read_text};
use super::set::Translation;
use crate::EvaluationError;

/// Two files of as many lines.
pub(super) fn read(source: &Path, target: &Path) -> Result<Vec<Translation>, EvaluationError> {
    let texts = [read_text(source)?, read_text(target)?];
    let [sources, targets] = texts.each_ref().map(|text| lines(text).collect::<Vec<_>>());
    let counts = [sources.len(), targets.len()];
    if counts[0] != counts[1] {
        let (least, most) = (counts[0].min(counts[1]), counts[0].max(counts[1]));
        let (shorter, longer) =
            if counts[0] == least { (source, target) } else { (target, source) };
        let text = format!("the last line, expected {most} as in {}", longer.display());
        return Err(fault(shorter, least.max(1), text));
    }
    let pairs = sources.into_iter().zip(targets);
    Ok(pairs.map(|((line, source), (_, target))| translation(line, source, target)).collect())
}

fn translation(line: usize, source: &str, target: &str) -> Translation {
    Translation { line, source: source.to_owned(), target: target.to_owned() }
}

#[derive(Deserialize)]
struct Row {
    id: u64,
    text: String,
}

/// Two files of the same ids, in the order of the first.
pub(super) fn read_json(source: &Path, target: &Path) -> Result<Vec<Translation>, EvaluationError> {
    let [sources, targets] = [rows(source)?, rows(target)?];
    let mut of_target: BTreeMap<u64, &str> = BTreeMap::new();
    for (line, row) in &targets {
        if of_target.insert(row.id, &row.text).is_some() {
            return Err(fault(target, *line, format!("`id` {} for the second time", row.id)));
        }
    }
    let mut pairs = Vec::with_capacity(sources.len());
    for (line, row) in &sources {
        let text = of_target.remove(&row.id).ok_or_else(|| {
            let text = format!("`id` {} is not in {} once", row.id, target.display());
            fault(source, *line, text)
        })?;
        pairs.push(translation(*line, &row.text, text));
    }
    match targets.iter().find(|(_, row)| of_target.contains_key(&row.id)) {
        Some((line, row)) => {
            Err(fault(target, *line, format!("`id` {} is not in {}", row.id, source.display())))
        }
        None => Ok(pairs),
    }
}

fn rows(path: &Path) -> Result<Vec<(usize, Row)>, EvaluationError> {
    let text = read_text(path)?;
    let rows = lines(&text).filter(|(_, row)| !row.trim().is_empty());
    rows.map(|(line, row)| match serde_json::from_str(row) {
        Ok(row) => Ok((line, row)),
        Err(error) => Err(fault(path, line, format!("no sentence of FLORES+: {error}"))),
    })
    .collect()
}
