//! Questions with four answers: Belebele.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::files::{fault, lines, read_text};
use super::set::ChoiceQuestion;
use crate::EvaluationError;

#[derive(Deserialize)]
struct Row {
    link: String,
    // Numbers in some releases, text in others.
    question_number: Value,
    flores_passage: String,
    question: String,
    mc_answer1: String,
    mc_answer2: String,
    mc_answer3: String,
    mc_answer4: String,
    correct_answer_num: Value,
}

/// A JSON object on each line.
pub(super) fn read(path: &Path) -> Result<Vec<ChoiceQuestion>, EvaluationError> {
    let text = read_text(path)?;
    let rows = lines(&text).filter(|(_, row)| !row.trim().is_empty());
    rows.map(|(line, row)| {
        let row: Row = serde_json::from_str(row)
            .map_err(|error| fault(path, line, format!("no question of Belebele: {error}")))?;
        let number = plain(&row.correct_answer_num);
        let Ok(right @ 1..=4) = number.parse::<usize>() else {
            let text = format!("`correct_answer_num` is {number}, expected 1, 2, 3 or 4");
            return Err(fault(path, line, text));
        };
        Ok(ChoiceQuestion {
            id: format!("{}#{}", row.link, plain(&row.question_number)),
            line,
            passage: row.flores_passage,
            question: row.question,
            choices: [row.mc_answer1, row.mc_answer2, row.mc_answer3, row.mc_answer4],
            right: right - 1,
        })
    })
    .collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}
