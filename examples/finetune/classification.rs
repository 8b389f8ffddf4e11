//! One label for each text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use isogloss::evaluation::{BootstrapConfig, ClassificationReport, MacroF1, Prediction};
use isogloss::training::{Class, Labelled};
use isogloss::transformer::{CrossEntropyConfig, SequenceInput};
use isogloss_examples::Outcome;
use serde_json::json;

use crate::Args;
use crate::output::{Predicted, Tested, interval};
use crate::rows::Texts;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base)?;
    let sets = [&session.args.train, &session.args.dev].map(|path| Texts::read(&framer, path));
    let [train, dev] = both(sets)?;
    let labels: BTreeSet<String> = train.labels.iter().cloned().collect();
    let labels: Vec<String> = labels.into_iter().collect();
    let train_classes = classes(&session.args.train, &train.labels, &labels)?;
    let dev_classes = classes(&session.args.dev, &dev.labels, &labels)?;
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
    let sets = [labelled(train.inputs, train_classes)?, labelled(dev.inputs, dev_classes)?];
    let tasks = session.tasks(&objective, &config, sets)?;
    let trained = session.train(model, tasks)?;
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let texts = Texts::read(&framer, path)?;
        let classes = classes(path, &texts.labels, &labels)?;
        let model = trained.pretrained.model();
        let said = session.scored(&model.config(), &texts.inputs, |batch| {
            let probabilities: Vec<f32> = model.probabilities(batch).into_data().iter().collect();
            probabilities.chunks_exact(labels.len()).map(most_probable).collect()
        })?;
        tested.push((name.clone(), test(session, &labels, texts, &classes, &said)?));
    }
    session.finish(trained, tested, &format!("Labels: {}.", labels.join(", ")))
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

/// The numbers of the labels; one that nothing was learned of is an error.
fn classes(path: &Path, said: &[String], labels: &[String]) -> Outcome<Vec<usize>> {
    let class = |(row, label): (usize, &String)| {
        labels.binary_search(label).map_err(|_| {
            let (line, known) = (row + 2, labels.join(", "));
            format!("{}, line {line}: label `{label}`, expected one of {known}", path.display())
                .into()
        })
    };
    said.iter().enumerate().map(class).collect()
}

pub(crate) fn most_probable(probabilities: &[f32]) -> (usize, f64) {
    let numbered = probabilities.iter().copied().enumerate();
    let best = numbered.max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or((0, 0.0), |(class, probability)| (class, f64::from(probability)))
}

fn test(
    session: &Session<'_>,
    labels: &[String],
    texts: Texts,
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
    let by_class: BTreeMap<&str, _> =
        labels.iter().map(String::as_str).zip(&report.classes).collect();
    let scores = BTreeMap::from([
        ("accuracy", json!(report.accuracy)),
        ("macro_f1", json!(report.macro_f1)),
        ("macro_f1_interval", interval(&f1)),
        ("rows", json!(classes.len())),
        ("classes", json!(by_class)),
    ]);
    let rows = texts.shown.into_iter().zip(texts.labels).zip(said).map(
        |((text, gold), &(predicted, probability))| Predicted {
            text,
            gold,
            said: labels[predicted].clone(),
            probability: Some(probability),
        },
    );
    Ok(Tested { rows: rows.collect(), scores })
}
