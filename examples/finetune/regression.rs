//! A number for each text, such as how alike two sentences are.

use std::collections::BTreeMap;
use std::path::Path;

use isogloss::evaluation::{BootstrapConfig, Mean, Metric as _, Pearson, Spearman};
use isogloss::training::{Labelled, Values};
use isogloss::transformer::{RegressionObjective, SequenceInput};
use isogloss_examples::Outcome;
use serde_json::{Value, json};

use crate::classification::both;
use crate::output::{Predicted, Tested, interval};
use crate::rows::Texts;
use crate::session::Session;

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base)?;
    let read = |path: &Path| -> Outcome<_> {
        let texts = Texts::read(&framer, path)?;
        let numbers = numbers(path, &texts.labels)?;
        Ok((texts, numbers))
    };
    let [(train, learned), (dev, seen)] =
        both([&session.args.train, &session.args.dev].map(|path| read(path)))?;
    let device = session.device.clone().autodiff();
    let model = base.into_regressor(1, session.seed, &device)?;
    let config = model.model().config();
    let labelled = |inputs: Vec<SequenceInput>, numbers: Vec<f32>| {
        let pairs = inputs.into_iter().zip(numbers);
        pairs.map(|(input, number)| Labelled { input, label: Values(vec![number]) }).collect()
    };
    let sets = [labelled(train.inputs, learned), labelled(dev.inputs, seen)];
    let tasks = session.tasks(&RegressionObjective, &config, sets)?;
    let trained = session.train(model, tasks)?;
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let (texts, gold) = read(path)?;
        let model = trained.pretrained.model();
        let said = session.scored(&model.config(), &texts.inputs, |batch| {
            model.forward(batch).into_data().iter().collect()
        })?;
        tested.push((name.clone(), test(session, texts, &gold, &said)));
    }
    session.finish(trained, tested, "One number for each text.")
}

fn numbers(path: &Path, labels: &[String]) -> Outcome<Vec<f32>> {
    let number = |(row, label): (usize, &String)| {
        let number = label.trim().parse::<f32>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| {
            format!("{}, line {}: label `{label}`, expected a number", path.display(), row + 2)
                .into()
        })
    };
    labels.iter().enumerate().map(number).collect()
}

fn test(session: &Session<'_>, texts: Texts, gold: &[f32], said: &[f32]) -> Tested {
    let pairs: Vec<[f64; 2]> =
        gold.iter().zip(said).map(|(&gold, &said)| [f64::from(gold), f64::from(said)]).collect();
    let bootstrap = BootstrapConfig::new(session.seed.derive("bootstrap"));
    // Where all numbers are one, there is no correlation.
    let spearman_interval = match bootstrap.estimate(&Spearman, &pairs) {
        Ok(estimate) => interval(&estimate),
        Err(_) => Value::Null,
    };
    let error: Vec<f64> = pairs.iter().map(|[gold, said]| (gold - said).abs()).collect();
    let scores = BTreeMap::from([
        ("spearman", json!(Spearman.aggregate(&mut pairs.iter()))),
        ("spearman_interval", spearman_interval),
        ("pearson", json!(Pearson.aggregate(&mut pairs.iter()))),
        ("mean_absolute_error", json!(Mean.aggregate(&mut error.iter()))),
        ("rows", json!(pairs.len())),
    ]);
    let rows = texts.shown.into_iter().zip(texts.labels).zip(said).map(|((text, gold), said)| {
        Predicted { text, gold, said: said.to_string(), probability: None }
    });
    Tested { rows: rows.collect(), scores }
}
