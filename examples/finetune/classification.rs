//! One label for each text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use isogloss::evaluation::{BootstrapConfig, ClassificationReport, MacroF1, Prediction};
use isogloss::tokenization::TextEncoder as _;
use isogloss::training::{Class, Labelled, batches_by_length};
use isogloss::transformer::{CrossEntropyConfig, EncoderBatch, SequenceClassifier, SequenceInput};
use isogloss_examples::Outcome;
use serde_json::json;

use crate::Args;
use crate::output::{Predicted, Tested, interval};
use crate::rows::{Framer, cut_note, print_note, read};
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base);
    let train = read(&session.args.train, ["text", "label"])?;
    let labels: BTreeSet<&str> = train.iter().map(|[_, label]| label.as_str()).collect();
    let labels: Vec<&str> = labels.into_iter().collect();
    let examples = |path: &Path| -> Outcome<_> {
        let rows = read(path, ["text", "label"])?;
        let (inputs, note) = inputs(&framer, &rows)?;
        print_note(path, note.as_deref());
        let classes = classes(path, &rows, &labels)?;
        Ok((rows, inputs, classes))
    };
    let sets = [&session.args.train, &session.args.dev].map(|path| examples(path));
    let [(_, train, train_classes), (_, dev, dev_classes)] = both(sets)?;
    let device = session.device.clone().autodiff();
    let model = base.into_classifier(&labels, session.seed, &device)?;
    let config = model.model().config();
    let counts = counts(&train_classes, labels.len());
    let objective = loss(session.args, &counts).try_init(labels.len())?;
    let labelled = |inputs: Vec<SequenceInput>, classes: Vec<usize>| {
        let pairs = inputs.into_iter().zip(classes);
        pairs
            .map(|(input, class)| Ok(Labelled { input, label: Class(u32::try_from(class)?) }))
            .collect::<Outcome<Vec<_>>>()
    };
    let sets = [labelled(train, train_classes)?, labelled(dev, dev_classes)?];
    let tasks = session.tasks(&objective, &config, sets)?;
    let trained = session.train(model, tasks)?;
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let (rows, inputs, classes) = examples(path)?;
        let said = predict(session, trained.pretrained.model(), &inputs)?;
        tested.push((name.clone(), test(session, &labels, rows, &classes, &said)?));
    }
    session.finish(&trained, tested, &format!("Labels: {}.", labels.join(", ")))
}

/// Two results, or the first that failed.
pub(crate) fn both<T>([a, b]: [Outcome<T>; 2]) -> Outcome<[T; 2]> {
    Ok([a?, b?])
}

/// Cross-entropy as it was asked for; balanced, the weight of a class is inverse to its count.
pub(crate) fn loss(args: &Args, counts: &[usize]) -> CrossEntropyConfig {
    let config = CrossEntropyConfig::default().with_label_smoothing(args.label_smoothing);
    if !args.balanced {
        return config;
    }
    let all: usize = counts.iter().sum();
    let weight = |count: &usize| all as f32 / (counts.len() * (*count).max(1)) as f32;
    config.with_class_weights(counts.iter().map(weight).collect())
}

pub(crate) fn counts(classes: &[usize], n_classes: usize) -> Vec<usize> {
    let mut counts = vec![0; n_classes];
    for &class in classes {
        counts[class] += 1;
    }
    counts
}

fn inputs(
    framer: &Framer<'_>,
    rows: &[[String; 2]],
) -> Outcome<(Vec<SequenceInput>, Option<String>)> {
    let mut cut = 0;
    let mut inputs = Vec::with_capacity(rows.len());
    for [text, _] in rows {
        let (input, is_cut) = framer.single(&framer.vocabulary.encode(text)?);
        cut += usize::from(is_cut);
        inputs.push(input);
    }
    Ok((inputs, cut_note(cut, rows.len(), framer.max_length)))
}

/// The numbers of the labels; one that nothing was learned of is an error.
fn classes(path: &Path, rows: &[[String; 2]], labels: &[&str]) -> Outcome<Vec<usize>> {
    let class = |(row, [_, label]): (usize, &[String; 2])| {
        labels.binary_search(&label.as_str()).map_err(|_| {
            let (line, known) = (row + 2, labels.join(", "));
            format!("{}, line {line}: label `{label}`, expected one of {known}", path.display())
                .into()
        })
    };
    rows.iter().enumerate().map(class).collect()
}

/// The class of each text, and its probability.
fn predict(
    session: &Session<'_>,
    model: &SequenceClassifier,
    inputs: &[SequenceInput],
) -> Outcome<Vec<(usize, f64)>> {
    let config = model.config();
    let lengths: Vec<usize> = inputs.iter().map(SequenceInput::len).collect();
    let mut found = vec![(0, 0.0); inputs.len()];
    for rows in batches_by_length(&lengths, session.args.batch_tokens) {
        let batch: Vec<_> = rows.iter().map(|&row| inputs[row].clone()).collect();
        let batch = EncoderBatch::try_new(&config.encoder, &batch)?.to_device(&session.device);
        let probabilities: Vec<f32> = model.probabilities(&batch).into_data().iter().collect();
        for (row, probabilities) in rows.iter().zip(probabilities.chunks_exact(config.n_classes)) {
            found[*row] = most_probable(probabilities);
        }
    }
    Ok(found)
}

pub(crate) fn most_probable(probabilities: &[f32]) -> (usize, f64) {
    let numbered = probabilities.iter().copied().enumerate();
    let best = numbered.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or((0, 0.0), |(class, probability)| (class, f64::from(probability)))
}

fn test(
    session: &Session<'_>,
    labels: &[&str],
    rows: Vec<[String; 2]>,
    classes: &[usize],
    said: &[(usize, f64)],
) -> Outcome<Tested> {
    let predictions: Vec<Prediction> = classes
        .iter()
        .zip(said)
        .map(|(&gold, &(predicted, _))| Prediction { predicted, gold })
        .collect();
    let report = ClassificationReport::try_new(&predictions, labels.len())?;
    let bootstrap = BootstrapConfig::new(session.seed.derive("bootstrap"));
    let f1 = bootstrap.estimate(&MacroF1 { n_classes: labels.len() }, &predictions)?;
    let by_class: BTreeMap<&str, _> = labels.iter().copied().zip(&report.classes).collect();
    let scores = BTreeMap::from([
        ("accuracy", json!(report.accuracy)),
        ("macro_f1", json!(report.macro_f1)),
        ("macro_f1_interval", interval(&f1)),
        ("rows", json!(rows.len())),
        ("classes", json!(by_class)),
    ]);
    let rows = rows.into_iter().zip(said).map(|([text, gold], &(predicted, probability))| {
        Predicted { text, gold, said: labels[predicted].to_owned(), probability }
    });
    Ok(Tested { rows: rows.collect(), scores })
}
