//! Right and wrong classes.

mod agreement;

pub use agreement::{BalancedAccuracy, CohenKappa, Mcc, MicroF1, WeightedF1};

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{EvaluationError, Metric};

/// What was said of an item, and what is so.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Prediction {
    /// The predicted class.
    pub predicted: usize,
    /// The right one.
    pub gold: usize,
}

impl Prediction {
    /// The classes of items from their labels; a class is the place of its label in `labels`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Length`] where there are not as many predictions as gold labels, [`EvaluationError::Label`]
    /// for a label that is not in `labels`.
    ///
    /// # Examples
    ///
    /// ```
    /// use isogloss_evaluation::Prediction;
    ///
    /// let labels = ["negative", "positive"];
    /// let items = Prediction::try_from_labels(&["positive"], &["negative"], &labels)?;
    /// assert_eq!(items, [Prediction { predicted: 0, gold: 1 }]);
    /// let fault = Prediction::try_from_labels(&["positive"], &["neutral"], &labels).unwrap_err();
    /// assert!(fault.to_string().starts_with("predicted label `neutral` of item 0, expected one of"));
    /// # Ok::<(), isogloss_evaluation::EvaluationError>(())
    /// ```
    pub fn try_from_labels<S: AsRef<str>>(
        gold: &[S],
        predicted: &[S],
        labels: &[S],
    ) -> Result<Vec<Self>, EvaluationError> {
        if gold.len() != predicted.len() {
            let (found, expected) = (predicted.len(), gold.len());
            return Err(EvaluationError::Length { what: "predicted labels", found, expected });
        }
        let places: HashMap<&str, usize> =
            labels.iter().enumerate().map(|(class, label)| (label.as_ref(), class)).collect();
        let class = |side: &'static str, item: usize, label: &str| {
            places.get(label).copied().ok_or_else(|| {
                let all: Vec<String> =
                    labels.iter().map(|label| format!("`{}`", label.as_ref())).collect();
                let (label, expected) = (label.to_owned(), all.join(", "));
                EvaluationError::Label { side, label, item, expected }
            })
        };
        let both = gold.iter().zip(predicted).enumerate();
        both.map(|(item, (gold, predicted))| {
            let gold = class("gold", item, gold.as_ref())?;
            Ok(Self { gold, predicted: class("predicted", item, predicted.as_ref())? })
        })
        .collect()
    }
}

/// Precision, recall and F1 of one class.
///
/// ```text
/// P = tp / (tp + fp)     R = tp / (tp + fn)     F1 = 2 tp / (2 tp + fp + fn)
/// ```
///
/// A ratio over 0 is 0, as in scikit-learn.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassScore {
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// F1.
    pub f1: f64,
    /// How many items are of the class.
    pub support: usize,
}

/// The scores of each class, with those of all.
///
/// Every score is that of scikit-learn 1.9.1 with `zero_division=0`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassificationReport {
    /// The share of items whose class is right.
    pub accuracy: f64,
    /// The mean F1 of the classes that are gold or predicted somewhere.
    pub macro_f1: f64,
    /// The F1 of all decisions together; it equals accuracy, as every item has one class.
    pub micro_f1: f64,
    /// The mean F1 of classes, each weighted by its support.
    pub weighted_f1: f64,
    /// The mean recall of the classes that are gold somewhere: [`BalancedAccuracy`].
    pub balanced_accuracy: f64,
    /// Balanced accuracy from chance at 0 to 1: `(x - 1/K) / (1 - 1/K)` for `K` classes that are gold somewhere; none
    /// for one such class.
    pub adjusted_balanced_accuracy: Option<f64>,
    /// Matthews correlation: [`Mcc`].
    pub mcc: f64,
    /// Cohen's kappa: [`CohenKappa`]; none where all items are of one class on both sides.
    pub cohen_kappa: Option<f64>,
    /// The scores of each class, by its number.
    pub classes: Vec<ClassScore>,
}

impl ClassificationReport {
    /// Scores predictions into classes `0, …, n_classes - 1`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Empty`] without predictions, [`EvaluationError::Config`] for a class that
    /// does not exist.
    pub fn try_new(predictions: &[Prediction], n_classes: usize) -> Result<Self, EvaluationError> {
        if predictions.is_empty() {
            return Err(EvaluationError::Empty { what: "classification" });
        }
        for Prediction { predicted, gold } in predictions {
            for (field, class) in [("predicted", predicted), ("gold", gold)] {
                if *class >= n_classes {
                    let (found, expected) = (class.to_string(), "a class below `n_classes`");
                    return Err(EvaluationError::Config { field, found, expected });
                }
            }
        }
        let counts = counts(n_classes, predictions.iter());
        let ratio =
            |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let classes = counts
            .iter()
            .map(|&[tp, fp, fn_]| ClassScore {
                precision: ratio(tp, tp + fp),
                recall: ratio(tp, tp + fn_),
                f1: ratio(2 * tp, 2 * tp + fp + fn_),
                support: tp + fn_,
            })
            .collect();
        let right = predictions.iter().filter(|p| p.predicted == p.gold).count();
        Ok(Self {
            accuracy: ratio(right, predictions.len()),
            macro_f1: macro_f1(&counts).unwrap_or(0.0),
            micro_f1: ratio(right, predictions.len()),
            weighted_f1: agreement::weighted_f1(&counts).unwrap_or(0.0),
            balanced_accuracy: agreement::balanced_accuracy(&counts).unwrap_or(0.0),
            adjusted_balanced_accuracy: agreement::adjusted_balanced_accuracy(&counts),
            mcc: agreement::mcc(&counts).unwrap_or(0.0),
            cohen_kappa: agreement::cohen_kappa(&counts),
            classes,
        })
    }
}

/// The mean F1 of the classes that are gold or predicted somewhere.
#[derive(Clone, Copy, Debug)]
pub struct MacroF1 {
    /// How many classes there are; larger numbers are counted too.
    pub n_classes: usize,
}

impl Metric for MacroF1 {
    type Item = Prediction;

    fn aggregate(&self, items: &mut dyn Iterator<Item = &Prediction>) -> Option<f64> {
        macro_f1(&counts(self.n_classes, items))
    }
}

/// True positives, false positives and false negatives of each class.
fn counts<'a>(
    n_classes: usize,
    predictions: impl Iterator<Item = &'a Prediction>,
) -> Vec<[usize; 3]> {
    let mut counts = vec![[0; 3]; n_classes];
    for Prediction { predicted, gold } in predictions {
        let needed = predicted.max(gold) + 1;
        if counts.len() < needed {
            counts.resize(needed, [0; 3]);
        }
        if predicted == gold {
            counts[*gold][0] += 1;
        } else {
            counts[*predicted][1] += 1;
            counts[*gold][2] += 1;
        }
    }
    counts
}

fn macro_f1(counts: &[[usize; 3]]) -> Option<f64> {
    let present = counts.iter().filter(|[tp, fp, fn_]| tp + fp + fn_ > 0);
    let (sum, classes) = present.fold((0.0, 0_u32), |(sum, classes), &[tp, fp, fn_]| {
        (sum + (2 * tp) as f64 / (2 * tp + fp + fn_) as f64, classes + 1)
    });
    (classes > 0).then(|| sum / f64::from(classes))
}
