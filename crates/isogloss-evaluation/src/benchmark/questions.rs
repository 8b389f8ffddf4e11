//! Questions whose answers stand in a text, in SQuAD's JSON: TyDi QA GoldP, XQuAD, MLQA.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::files::read_text;
use super::set::Question;
use crate::EvaluationError;

#[derive(Deserialize)]
struct File {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    id: String,
    question: String,
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
    answer_start: usize,
}

/// All questions of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Question>, EvaluationError> {
    let text = read_text(path)?;
    let file: File = serde_json::from_str(&text).map_err(|error| EvaluationError::Line {
        path: path.to_owned(),
        line: error.line(),
        fault: format!("not SQuAD's JSON: {error}"),
    })?;
    let paragraphs = file.data.into_iter().flat_map(|article| article.paragraphs);
    Ok(paragraphs
        .flat_map(|Paragraph { context, qas }| {
            let context: Arc<str> = context.into();
            qas.into_iter().map(move |asked| Question {
                id: asked.id,
                context: Arc::clone(&context),
                question: asked.question,
                answers: asked.answers.into_iter().map(|it| (it.text, it.answer_start)).collect(),
            })
        })
        .collect())
}

/// How many answers do not stand where they are said to.
pub(super) fn misplaced(questions: &[Question]) -> usize {
    questions
        .iter()
        .map(|question| {
            let is_misplaced = |(answer, start): &&(String, usize)| {
                let begin = question.context.char_indices().map(|(byte, _)| byte).nth(*start);
                !begin.is_some_and(|begin| question.context[begin..].starts_with(answer))
            };
            question.answers.iter().filter(is_misplaced).count()
        })
        .sum()
}

/// The languages that the ids of a file's questions begin with, as TyDi QA's do.
pub(super) fn languages(path: &Path) -> Result<Vec<String>, EvaluationError> {
    let questions = read(path)?;
    let names: BTreeSet<&str> = questions.iter().map(|it| language_of(&it.id)).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// What an id has before its first hyphen.
pub(super) fn language_of(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}
