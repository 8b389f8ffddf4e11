//! Answers that stand in a text.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use isogloss::tokenization::{EncodedWord, TextEncoder as _};
use isogloss::training::{Answer, Labelled, batches_by_length};
use isogloss::transformer::{
    AnswerConfig, EncoderBatch, QuestionAnswerer, QuestionAnsweringObjective, SequenceInput,
    best_answer,
};
use isogloss_examples::Outcome;
use serde_json::json;

use crate::classification::both;
use crate::output::{Predicted, Tested};
use crate::rows::{Framer, read};
use crate::session::Session;

/// A question with its text.
struct Question {
    asked: String,
    text: String,
    answer: String,
    /// Where the smallest parts of the text are, which answers begin and end with.
    parts: Vec<Range<usize>>,
    windows: Vec<Window>,
}

/// As much of a text as fits beside its question.
struct Window {
    input: SequenceInput,
    /// The tokens of the text.
    context: Range<usize>,
    /// The part of each of them.
    parts: Vec<usize>,
    answer: Answer,
}

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base)?;
    let sets = [&session.args.train, &session.args.dev].map(|path| questions(&framer, path));
    let [train, dev] = both(sets)?;
    let device = session.device.clone().autodiff();
    let model = base.into_question_answerer(session.seed, &device)?;
    let config = model.model().config();
    let sets = [train, dev].map(|questions| {
        let windows = questions.into_iter().flat_map(|it| it.windows);
        windows.map(|it| Labelled { input: it.input, label: it.answer }).collect()
    });
    let tasks = session.tasks(&QuestionAnsweringObjective, &config, sets)?;
    let trained = session.train(model, tasks)?;
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let questions = questions(&framer, path)?;
        tested.push((name.clone(), test(session, trained.pretrained.model(), &questions)?));
    }
    session.finish(trained, tested, "Answers stand in their texts.")
}

fn questions(framer: &Framer<'_>, path: &Path) -> Outcome<Vec<Question>> {
    let rows = read(path, ["question", "text", "label"])?;
    let rows = rows.into_iter().enumerate().map(|(row, [question, text, answer])| {
        let fault = |fault: String| format!("{}, line {}: {fault}", path.display(), row + 2);
        let parts = framer.vocabulary.encode_parts(&text).map_err(|it| fault(it.to_string()))?;
        let windows = windows(framer, &question, &text, &parts, &answer).map_err(fault)?;
        let parts = parts.into_iter().map(|part| part.place).collect();
        Ok(Question { asked: question, text, answer, parts, windows })
    });
    rows.collect()
}

fn windows(
    framer: &Framer<'_>,
    question: &str,
    text: &str,
    parts: &[EncodedWord],
    answer: &str,
) -> Result<Vec<Window>, String> {
    let mut asked = framer.vocabulary.encode(question).map_err(|error| error.to_string())?;
    let room = framer.max_length.saturating_sub(framer.around_pair());
    // A question is to leave half of the room to its text.
    asked.truncate(room / 2);
    let room = room - asked.len();
    let ids: Vec<u32> = parts.iter().flat_map(|part| &part.ids).copied().collect();
    let part_of: Vec<usize> =
        parts.iter().enumerate().flat_map(|(place, part)| vec![place; part.ids.len()]).collect();
    if ids.is_empty() || room == 0 {
        return Err("the text has no token, or --max-length has no room for it".to_owned());
    }
    // The parts that the answer touches, if there is one.
    let answered = if answer.trim().is_empty() {
        None
    } else {
        let found = text.find(answer.trim());
        let start = found.ok_or_else(|| format!("answer `{answer}` does not stand in the text"))?;
        let end = start + answer.trim().len();
        let touched =
            |(_, part): &(usize, &EncodedWord)| part.place.start < end && start < part.place.end;
        let mut touched = parts.iter().enumerate().filter(touched).map(|(part, _)| part);
        let first = touched.next().ok_or("the answer is no text to the vocabulary")?;
        Some(first..=touched.next_back().unwrap_or(first))
    };
    // A window goes on amid the one before.
    let stride = (room / 2).max(1);
    let mut windows = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + room).min(ids.len());
        let (input, first) = framer.pair(&asked, &ids[start..end]);
        let parts = part_of[start..end].to_vec();
        let place =
            |part: usize| first + parts.iter().position(|&it| it == part).unwrap_or_default();
        let last =
            |part: usize| first + parts.iter().rposition(|&it| it == part).unwrap_or_default();
        // In a window that does not hold all of it there is no answer.
        let holds = answered.as_ref().filter(|answered| {
            part_of[..start].last().is_none_or(|before| before < answered.start())
                && part_of[end..].first().is_none_or(|next| next > answered.end())
        });
        let answer = holds.map_or(Answer::default(), |answered| Answer {
            start: place(*answered.start()),
            end: last(*answered.end()),
        });
        windows.push(Window { input, context: first..first + parts.len(), parts, answer });
        if end == ids.len() {
            return Ok(windows);
        }
        start += stride;
    }
}

fn test(
    session: &Session<'_>,
    model: &QuestionAnswerer,
    questions: &[Question],
) -> Outcome<Tested> {
    let config = model.config();
    let finder = AnswerConfig::default().try_init()?;
    let windows: Vec<&Window> = questions.iter().flat_map(|it| &it.windows).collect();
    let lengths: Vec<usize> = windows.iter().map(|window| window.input.len()).collect();
    let mut found = vec![None; windows.len()];
    for rows in batches_by_length(&lengths, session.args.batch_tokens) {
        let batch: Vec<_> = rows.iter().map(|&row| windows[row].input.clone()).collect();
        let batch = EncoderBatch::try_new(&config.encoder, &batch)?.to_device(&session.device);
        for (row, scores) in rows.iter().zip(model.score(&batch)) {
            found[*row] = Some(finder.answers(&scores, windows[*row].context.clone()));
        }
    }
    // Where every question has an answer, none is taken for one without.
    let threshold =
        if questions.iter().all(|it| !it.answer.trim().is_empty()) { f32::INFINITY } else { 0.0 };
    let mut found = found.into_iter().flatten();
    let (mut rows, mut exact, mut overlap) = (Vec::new(), 0.0, 0.0);
    for it in questions {
        let answers: Vec<_> = found.by_ref().take(it.windows.len()).collect();
        let all = answers.iter().flat_map(|window| window.spans.iter().map(|span| span.score));
        let none = answers.iter().map(|window| window.null_score).fold(f32::INFINITY, f32::min);
        let best = best_answer(&answers, threshold);
        let score = best.map_or(none, |(_, span)| span.score);
        // Of what was found, and of there being no answer.
        let sum: f64 = all.chain([none]).map(|other| f64::from(other - score).exp()).sum();
        let predicted = best.map_or_else(String::new, |(place, span)| {
            let window = &it.windows[place];
            let part = |token: usize| &it.parts[window.parts[token - window.context.start]];
            it.text[part(span.start).start..part(span.end).end].to_owned()
        });
        let (gold, said) = (words(&it.answer), words(&predicted));
        exact += f64::from(u8::from(gold == said));
        overlap += f1(&gold, &said);
        rows.push(Predicted {
            text: format!("{} | {}", it.asked, it.text),
            gold: it.answer.clone(),
            said: predicted,
            probability: Some(1.0 / sum),
        });
    }
    let count = rows.len() as f64;
    let scores = BTreeMap::from([
        ("exact_match", json!(exact / count)),
        ("f1", json!(overlap / count)),
        (
            "normalisation",
            json!("lower case, letters, marks and digits only; no articles are removed"),
        ),
        ("rows", json!(rows.len())),
    ]);
    Ok(Tested { rows, scores })
}

/// The words of an answer, without what does not matter.
fn words(text: &str) -> Vec<String> {
    let is_word =
        |c: &char| c.is_alphanumeric() || c.is_whitespace() || !c.is_ascii() && !is_punctuation(*c);
    let kept: String = text.to_lowercase().chars().filter(is_word).collect();
    kept.split_whitespace().map(str::to_owned).collect()
}

/// The punctuation of the blocks that have most of it; marks and joiners of scripts stay.
fn is_punctuation(c: char) -> bool {
    matches!(c, '\u{a1}'..='\u{bf}' | '\u{2010}'..='\u{205e}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff0f}'
        | '\u{60c}' | '\u{61b}' | '\u{61f}' | '\u{6d4}' | '\u{964}' | '\u{965}' | '\u{1361}'..='\u{1368}')
}

/// The overlap of two bags of words.
fn f1(gold: &[String], said: &[String]) -> f64 {
    if gold.is_empty() && said.is_empty() {
        return 1.0;
    }
    let mut left = gold.to_vec();
    let shared = said.iter().filter(|word| {
        left.iter().position(|other| other == *word).map(|place| left.swap_remove(place)).is_some()
    });
    let shared = shared.count();
    2.0 * shared as f64 / (gold.len() + said.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_compared_by_their_words() {
        assert_eq!(words("«La  Casa», 2019!"), ["la", "casa", "2019"]);
        assert_eq!(words("ẹ káàárọ̀."), ["ẹ", "káàárọ̀"]);
        let found = f1(&words("the Eiffel Tower"), &words("Eiffel Tower in Paris"));
        assert!((found - 4.0 / 7.0).abs() < 1e-12);
        assert!((f1(&words(""), &words("")) - 1.0).abs() < 1e-12);
        assert!(f1(&words("a"), &words("")).abs() < 1e-12);
    }
}
