//! Question answering: its loss, its checks, its answers, and that it learns.

use burn::optim::{AdamWConfig, GradientsParams};
use isogloss_transformer::{
    AnswerConfig, AnsweredSequence, Objective, QuestionAnswerer, QuestionAnsweringBatch,
    QuestionAnsweringConfig, QuestionAnsweringObjective, SequenceInput, best_answer,
    load_checkpoint, save_checkpoint,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::tiny::{self, values};

/// A question of one word, a context of some, the place of the answer.
fn rows() -> Vec<AnsweredSequence> {
    let row = |ids: &[u32], start, end| AnsweredSequence {
        input: SequenceInput::new(ids.to_vec()),
        start,
        end,
    };
    vec![
        row(&[0, 5, 2, 2, 6, 7, 8, 9, 2], 5, 6),
        row(&[0, 10, 2, 2, 11, 12, 2], 4, 4),
        row(&[0, 13, 2, 2, 6, 2], 0, 0),
    ]
}

fn config() -> QuestionAnsweringConfig {
    QuestionAnsweringConfig::new(tiny::config())
}

fn log_softmax(scores: &[f32], place: usize) -> f32 {
    scores[place] - scores.iter().map(|score| score.exp()).sum::<f32>().ln()
}

#[test]
fn the_loss_is_the_mean_of_starts_and_ends_over_tokens_alone() {
    let device = crate::device();
    let model = config().try_init(&device, tiny::SEED).unwrap();
    let batch = QuestionAnsweringBatch::try_new(&config(), &rows(), &device).unwrap();
    let loss = QuestionAnsweringObjective.loss(&model, &batch);
    assert_eq!(loss.count, 3);
    let scores = model.score(batch.input());
    let expected: f32 = scores
        .iter()
        .zip(rows())
        .map(|(scores, row)| {
            assert_eq!(scores.len(), row.input.len());
            let side = |side: usize| scores.iter().map(|pair| pair[side]).collect::<Vec<_>>();
            -(log_softmax(&side(0), row.start) + log_softmax(&side(1), row.end)) / 2.0
        })
        .sum();
    let sum = values(loss.sum)[0];
    assert!((sum - expected).abs() < 1e-4, "{sum} {expected}");
    // Padding changes nothing: rows by themselves have none.
    let alone = rows().into_iter().map(|row| {
        let batch = QuestionAnsweringBatch::try_new(&config(), &[row], &device).unwrap();
        values(QuestionAnsweringObjective.loss(&model, &batch).sum)[0]
    });
    assert!((sum - alone.sum::<f32>()).abs() < 1e-4);
}

#[test]
fn it_learns_a_batch_by_heart() {
    let device = crate::device().autodiff();
    let mut model: QuestionAnswerer = config().try_init(&device, tiny::SEED).unwrap();
    let batch = QuestionAnsweringBatch::try_new(&config(), &rows(), &device).unwrap();
    let mut optimizer = AdamWConfig::new().init();
    for _ in 0..80 {
        let loss = QuestionAnsweringObjective.loss(&model, &batch).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(1e-2, model, gradients);
    }
    let finder = AnswerConfig::default().try_init().unwrap();
    for ((scores, row), context) in
        model.score(batch.input()).iter().zip(rows()).zip([4..8, 4..6, 4..5])
    {
        let window = finder.answers(scores, context);
        let found = best_answer(&[window], 0.0).map(|(_, span)| (span.start, span.end));
        assert_eq!(found, (row.start > 0).then_some((row.start, row.end)));
    }
}

#[test]
fn answers_are_checked() {
    let device = crate::device();
    let refusal = |start, end| {
        let row = AnsweredSequence { start, end, ..rows().swap_remove(1) };
        let rows = [rows().swap_remove(0), row];
        QuestionAnsweringBatch::try_new(&config(), &rows, &device).unwrap_err().to_string()
    };
    assert_eq!(refusal(4, 7), "sequence 1, token 7: end 7, expected less than 7");
    assert_eq!(
        refusal(5, 4),
        "sequence 1: the answer ends at token 4, expected at least 5, its start"
    );
    let error = config().with_dropout(1.0).try_init(&device, tiny::SEED).unwrap_err().to_string();
    assert!(error.contains("`head dropout` is `1`"), "{error}");
    let error = AnswerConfig::default().with_max_tokens(0).with_n_best(0).try_init().unwrap_err();
    assert_eq!(
        error.to_string(),
        "objective configuration: `max_tokens` is `0`, expected at least 1; `n_best` is `0`, expected \
         at least 1"
    );
}

/// Windows whose first token says this of there being no answer, and whose second is the only answer.
fn window(null_score: f32, score: f32) -> [[f32; 2]; 2] {
    [[null_score, 0.0], [score, 0.0]]
}

#[test]
fn the_null_score_is_the_lowest_of_all_windows() {
    let finder = AnswerConfig::default().try_init().unwrap();
    let windows = [window(5.0, 1.0), window(2.0, 3.0), window(4.0, 3.0)]
        .map(|scores| finder.answers(&scores, 1..2));
    // The answer of the second window has 3, the lowest null score is 2; of equal answers, the first.
    let (place, span) = best_answer(&windows, 0.0).unwrap();
    assert_eq!((place, span.start, span.end, span.score), (1, 1, 1, 3.0));
    assert!(best_answer(&windows, -1.5).is_none());
    assert!(best_answer(&windows[..1], 3.9).is_none());
    assert!(best_answer(&windows[..1], 4.0).is_some());
    assert!(best_answer(&[], f32::INFINITY).is_none());
}

#[test]
fn tokens_outside_the_context_are_no_answer() {
    let finder = AnswerConfig::default().try_init().unwrap();
    let scores = [[9.0, 9.0], [1.0, f32::NAN], [2.0, 2.0], [8.0, 8.0]];
    let found = finder.answers(&scores, 1..3);
    let spans: Vec<_> = found.spans.iter().map(|span| (span.start, span.end)).collect();
    assert_eq!((found.null_score, spans), (18.0, vec![(2, 2), (1, 2)]));
    assert!(finder.answers(&scores, 4..9).spans.is_empty());
    assert!(finder.answers(&[], 0..1).spans.is_empty());
}

proptest! {
    #[test]
    fn the_best_answer_is_the_best_of_all_spans(
        scores in vec(vec(-2.0_f32..2.0, 2), 1..12),
        max_tokens in 1_usize..6,
    ) {
        let scores: Vec<[f32; 2]> = scores.iter().map(|pair| [pair[0], pair[1]]).collect();
        // As many starts and ends as there are tokens: nothing is overlooked.
        let finder = AnswerConfig::default().with_max_tokens(max_tokens).try_init().unwrap();
        let spans = finder.answers(&scores, 0..scores.len()).spans;
        let all = (0..scores.len()).flat_map(|start| {
            (start..scores.len().min(start + max_tokens)).map(move |end| (start, end))
        });
        let best = all.map(|(start, end)| scores[start][0] + scores[end][1]).fold(f32::MIN, f32::max);
        prop_assert!((spans[0].score - best).abs() < 1e-6);
        prop_assert!(spans.is_sorted_by(|a, b| a.score >= b.score));
    }
}

#[test]
fn it_is_kept_with_its_dropout() {
    let _alone = tiny::generator();
    let (dir, device) = (tempfile::tempdir().unwrap(), crate::device());
    let config = config().with_dropout(0.1);
    let model = config.try_init(&device, tiny::SEED).unwrap();
    save_checkpoint(&dir.path().join("model"), &model).unwrap();
    let loaded: QuestionAnswerer = load_checkpoint(&dir.path().join("model"), &device).unwrap();
    assert_eq!(loaded.config(), config);
    let batch = QuestionAnsweringBatch::try_new(&config, &rows(), &device).unwrap();
    assert_eq!(loaded.score(batch.input()), model.score(batch.input()));
}
