//! What is written: predictions, metrics.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isogloss::core::write_file_atomically;
use isogloss_examples::Outcome;
use serde_json::{Value, json};

/// What a model says of a row.
pub(crate) struct Predicted {
    pub(crate) text: String,
    pub(crate) gold: String,
    pub(crate) said: String,
    /// Of what was predicted; a number has none.
    pub(crate) probability: Option<f64>,
}

/// The predictions on a file, and what they are worth.
pub(crate) struct Tested {
    pub(crate) rows: Vec<Predicted>,
    pub(crate) scores: BTreeMap<&'static str, Value>,
}

/// Writes `NAME.predictions.tsv`. What would end a field or a row becomes a space.
pub(crate) fn write_predictions(dir: &Path, name: &str, rows: &[Predicted]) -> Outcome<PathBuf> {
    let path = dir.join(format!("{name}.predictions.tsv"));
    let field = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let mut lines = vec!["text\tgold\tpredicted\tprobability".to_owned()];
    lines.extend(rows.iter().map(|row| {
        let [text, gold, predicted] = [&row.text, &row.gold, &row.said].map(|it| field(it));
        let probability = row.probability.map_or_else(String::new, |it| format!("{it:.6}"));
        format!("{text}\t{gold}\t{predicted}\t{probability}")
    }));
    let content = lines.join("\n") + "\n";
    write_file_atomically(&path, |out| out.write_all(content.as_bytes()))?;
    Ok(path)
}

/// Writes `metrics.json`.
pub(crate) fn write_metrics(dir: &Path, metrics: &Value) -> Outcome<PathBuf> {
    let path = dir.join("metrics.json");
    let content = serde_json::to_vec_pretty(metrics)?;
    write_file_atomically(&path, |out| out.write_all(&content))?;
    Ok(path)
}

/// The scores as a line for a person.
pub(crate) fn summary(scores: &BTreeMap<&'static str, Value>) -> String {
    let numbers = scores.iter().filter_map(|(name, value)| {
        let value = value.as_f64().filter(|_| !value.is_u64())?;
        Some(format!("{name} {value:.4}"))
    });
    numbers.collect::<Vec<_>>().join("  ")
}

/// A number with its 95 % interval.
pub(crate) fn interval(estimate: &isogloss::evaluation::Estimate) -> Value {
    json!([estimate.low, estimate.high])
}
