//! Mined pairs beside those that are known.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use isogloss::evaluation::retrieve;
use isogloss::mining::{
    EmbeddingMatrix, MinedPair, MiningConfig, PairScore, XsimConfig, score_pairs,
};
use isogloss_examples::Outcome;
use serde::Serialize;

use crate::lines::Lines;

/// How well vectors bring translations together.
#[derive(Serialize)]
pub(crate) struct Agreement {
    /// Translations that are known.
    translations: usize,
    mined: usize,
    correct: usize,
    precision: f64,
    recall: f64,
    f1: f64,
    /// Sentences with one translation, on which the others are measured.
    with_one_translation: usize,
    /// The share whose nearest by cosine is the translation, from the sources and from the targets.
    precision_at_1: [f64; 2],
    xsim_error_rate: f64,
}

impl Agreement {
    /// Line `i` of one file translates line `i` of the other.
    pub(crate) fn of(
        pairs: &[MinedPair],
        [source, target]: [&Lines; 2],
        [src, tgt]: [&EmbeddingMatrix; 2],
        mining: &MiningConfig,
    ) -> Outcome<Self> {
        // A line that stands several times may have as many translations, of which each is right.
        let places = source.places().iter().zip(target.places());
        let gold: BTreeSet<(usize, usize)> =
            places.filter_map(|(source, target)| source.zip(*target)).collect();
        let gold: Vec<_> = gold.into_iter().collect();
        let score: PairScore = score_pairs(pairs, &gold)?;
        let (mut of_source, mut of_target) = (HashMap::new(), HashMap::new());
        for (source, target) in &gold {
            *of_source.entry(source).or_insert(0) += 1;
            *of_target.entry(target).or_insert(0) += 1;
        }
        let alone = gold.iter().filter(|(source, target)| {
            of_source.get(source) == Some(&1) && of_target.get(target) == Some(&1)
        });
        let (sources, targets): (Vec<usize>, Vec<usize>) = alone.copied().unzip();
        let (src, tgt) = (rows(src, &sources)?, rows(tgt, &targets)?);
        let retrieval = retrieve(&src, &tgt)?;
        let xsim = XsimConfig::new().with_k(mining.k).with_margin(mining.margin);
        Ok(Self {
            translations: score.gold,
            mined: score.mined,
            correct: score.correct,
            precision: score.precision(),
            recall: score.recall(),
            f1: score.f1(),
            with_one_translation: sources.len(),
            precision_at_1: [&retrieval.forward, &retrieval.backward].map(|ranks| {
                ranks.iter().filter(|&&rank| rank == 1).count() as f64 / ranks.len() as f64
            }),
            xsim_error_rate: xsim.evaluate(&src, &tgt, &())?.error_rate(),
        })
    }
}

fn rows(matrix: &EmbeddingMatrix, chosen: &[usize]) -> Outcome<EmbeddingMatrix> {
    let all: Vec<&[f32]> = matrix.rows().collect();
    let values: Vec<f32> = chosen.iter().flat_map(|&row| all[row].iter().copied()).collect();
    Ok(EmbeddingMatrix::try_new(matrix.dim(), values)?)
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [forward, backward] = self.precision_at_1;
        writeln!(
            f,
            "{} of {} translations were mined: precision {:.4}, recall {:.4}, F1 {:.4}",
            self.correct, self.translations, self.precision, self.recall, self.f1
        )?;
        write!(
            f,
            "of {} sentences with one translation, nearest to it by cosine: {forward:.4} of the \
             sources, {backward:.4} of the targets; xsim {:.2} %",
            self.with_one_translation,
            100.0 * self.xsim_error_rate
        )
    }
}
