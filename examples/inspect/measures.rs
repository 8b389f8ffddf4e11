//! What is measured on the vectors of all layers.

use std::time::{Duration, Instant};

use isogloss::core::Seed;
use isogloss::evaluation::{
    BootstrapConfig, EmbeddingMatrix, Estimate, JackknifeConfig, Jackknifed, Mean, PairAlignment,
    Retrieval, align_pairs, eigenvector_similarity, retrieve,
};
use isogloss_examples::{Bars, Outcome};

use crate::parallel::on_all_cores;
use crate::texts::Aligned;

/// The most texts of a graph that is compared: time grows with their third power.
const MOST_IN_GRAPH: usize = 1_000;

/// How well translations are found in one layer, both ways.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    /// The share of texts whose nearest neighbour is their translation.
    pub(crate) precision: Estimate,
    pub(crate) reciprocal_rank: Estimate,
}

/// How evenly the vectors of one language lie in one layer.
#[derive(Clone, Copy)]
pub(crate) struct Isotropy {
    pub(crate) cosine: Estimate,
    pub(crate) iso_score: Estimate,
}

/// Whether two languages have spaces of one shape.
#[derive(Clone, Copy)]
pub(crate) struct Isomorphism {
    /// The mean over parts of the texts.
    pub(crate) spectra: Estimate,
    pub(crate) relations: Estimate,
}

/// One layer in short.
#[derive(Clone, Copy)]
pub(crate) struct LayerMeans {
    /// Over pairs of languages: the debiased CKA.
    pub(crate) alignment: Estimate,
    /// Over languages beside the first.
    pub(crate) retrieval: Found,
    /// Over languages.
    pub(crate) isotropy: Isotropy,
}

/// All of it.
pub(crate) struct Measured {
    pub(crate) layers: usize,
    /// By layer, then by pair, in the order of [`Aligned::pairs`].
    pub(crate) alignments: Vec<Vec<PairAlignment>>,
    /// By language but the first, then by layer.
    pub(crate) retrieval: Vec<Vec<Found>>,
    /// The layer where translations are found best.
    pub(crate) best: usize,
    /// In the best layer, by source and target: the share of sources that find their translation.
    pub(crate) all_pairs: Vec<Vec<Option<Estimate>>>,
    /// By language, then by layer.
    pub(crate) isotropy: Vec<Vec<Isotropy>>,
    /// In the last layer, by language but the first.
    pub(crate) isomorphism: Vec<Isomorphism>,
    /// How many texts the graphs of the spaces are of.
    pub(crate) texts_in_graph: usize,
    /// By layer.
    pub(crate) means: Vec<LayerMeans>,
    /// What took how long.
    pub(crate) times: Vec<(&'static str, Duration)>,
}

impl Measured {
    /// Measures everything; `vectors` are by language, then by layer.
    pub(crate) fn of(
        texts: &Aligned,
        vectors: &[Vec<EmbeddingMatrix>],
        seed: Seed,
        bars: &Bars,
    ) -> Outcome<Self> {
        let (bootstrap, jackknife) = (BootstrapConfig::new(seed), JackknifeConfig::new(seed));
        let (layers, names) = (vectors[0].len(), texts.names());
        let mut times = Vec::new();
        let pair = |a: usize, b: usize| format!("{} and {}", names[a], names[b]);

        let start = Instant::now();
        let pairs = texts.pairs();
        let alignments = on_all_cores(bars, ["CKA", "layers"], layers, |layer| {
            let languages: Vec<&EmbeddingMatrix> = vectors.iter().map(|it| &it[layer]).collect();
            let fault = |it| format!("{}, layer {layer}: {it}", names.join(", "));
            Ok(align_pairs(&languages, &jackknife).map_err(fault)?)
        })?;
        times.push(("CKA of all pairs", start.elapsed()));

        let start = Instant::now();
        let others = vectors.len() - 1;
        let ranks = on_all_cores(bars, ["retrieval", "layers"], others * layers, |place| {
            let (language, layer) = (1 + place / layers, place % layers);
            let ranks = Ranks::of(&retrieve(&vectors[0][layer], &vectors[language][layer])?);
            let found = ranks.found(&bootstrap)?;
            Ok((ranks, found))
        })?;
        let (ranks, found): (Vec<Ranks>, Vec<Found>) = ranks.into_iter().unzip();
        let retrieval: Vec<Vec<Found>> = found.chunks(layers).map(<[_]>::to_vec).collect();
        let of_layer =
            |layer| Ranks::mean(&ranks.iter().skip(layer).step_by(layers).collect::<Vec<_>>());
        let mean_retrieval = (0..layers)
            .map(|layer| of_layer(layer).found(&bootstrap))
            .collect::<Outcome<Vec<_>>>()?;
        let best = best_layer(&mean_retrieval);
        let n = vectors.len();
        let all_pairs = on_all_cores(bars, ["all pairs", "pairs"], pairs.len(), |place| {
            let [a, b] = pairs[place];
            let ranks = retrieve(&vectors[a][best], &vectors[b][best])?;
            let precision = |ranks: &[usize]| bootstrap.estimate(&Mean, &hits(ranks));
            Ok([precision(&ranks.forward)?, precision(&ranks.backward)?])
        })?;
        let mut map = vec![vec![None; n]; n];
        for ([a, b], [forward, backward]) in pairs.iter().zip(all_pairs) {
            (map[*a][*b], map[*b][*a]) = (Some(forward), Some(backward));
        }
        times.push(("retrieval", start.elapsed()));

        let start = Instant::now();
        let isotropy = on_all_cores(bars, ["isotropy", "layers"], n * layers, |place| {
            let (language, layer) = (place / layers, place % layers);
            let matrix = &vectors[language][layer];
            let fault = |it| format!("{}, layer {layer}: {it}", names[language]);
            let cosine = jackknife.mean_cosine(matrix).map_err(fault)?;
            Ok([cosine, jackknife.iso_score(matrix).map_err(fault)?])
        })?;
        times.push(("isotropy", start.elapsed()));

        let start = Instant::now();
        let in_graphs = texts.count.min(MOST_IN_GRAPH * jackknife.groups);
        let isomorphism = on_all_cores(bars, ["isomorphism", "languages"], others, |place| {
            let last = layers - 1;
            let (src, tgt) = (&vectors[0][last], &vectors[place + 1][last]);
            let fault = |it| format!("{}: {it}", pair(0, place + 1));
            let distance =
                |part: &[usize]| eigenvector_similarity(&src.select(part)?, &tgt.select(part)?, 1);
            let relations = jackknife.relational_similarity(src, tgt).map_err(fault)?;
            Ok(Isomorphism {
                spectra: jackknife.mean_over_parts(in_graphs, distance).map_err(fault)?,
                relations: relations.estimate(),
            })
        })?;
        times.push(("isomorphism", start.elapsed()));
        let means = mean_retrieval.into_iter().enumerate().map(|(layer, retrieval)| {
            let isotropy = isotropy.iter().skip(layer).step_by(layers);
            Ok(LayerMeans {
                alignment: mean(alignments[layer].iter().map(|it| &it.debiased))?,
                retrieval,
                isotropy: Isotropy {
                    cosine: mean(isotropy.clone().map(|[cosine, _]| cosine))?,
                    iso_score: mean(isotropy.map(|[_, iso_score]| iso_score))?,
                },
            })
        });
        let means = means.collect::<Outcome<_>>()?;
        let isotropy: Vec<Isotropy> = isotropy
            .iter()
            .map(|[cosine, iso_score]| Isotropy {
                cosine: cosine.estimate(),
                iso_score: iso_score.estimate(),
            })
            .collect();
        Ok(Self {
            layers,
            alignments,
            retrieval,
            best,
            all_pairs: map,
            isotropy: isotropy.chunks(layers).map(<[_]>::to_vec).collect(),
            means,
            isomorphism,
            texts_in_graph: in_graphs / jackknife.groups,
            times,
        })
    }
}

fn mean<'a>(scores: impl Iterator<Item = &'a Jackknifed>) -> Outcome<Estimate> {
    Ok(Jackknifed::mean(&scores.collect::<Vec<_>>())?.estimate())
}

/// The layer with the highest precision, then reciprocal rank, then the lowest one.
fn best_layer(found: &[Found]) -> usize {
    let of = |layer: usize| (found[layer].precision.value, found[layer].reciprocal_rank.value);
    let order = |a: &usize, b: &usize| {
        let ((p, r), (q, s)) = (of(*a), of(*b));
        // Of equal ones the last is the greatest, so the lower is put there.
        p.total_cmp(&q).then(r.total_cmp(&s)).then(b.cmp(a))
    };
    (0..found.len()).max_by(order).unwrap_or(0)
}

fn hits(ranks: &[usize]) -> Vec<f64> {
    ranks.iter().map(|rank| f64::from(u8::from(*rank == 1))).collect()
}

/// How well each text finds its translation: the mean of both ways, so that texts are what is drawn again.
struct Ranks {
    /// 1 where it is the nearest.
    first: Vec<f64>,
    reciprocal: Vec<f64>,
}

impl Ranks {
    fn of(ranks: &Retrieval) -> Self {
        let each = |of: fn(usize) -> f64| {
            let both = ranks.forward.iter().zip(&ranks.backward);
            both.map(|(a, b)| f64::midpoint(of(*a), of(*b))).collect()
        };
        Self {
            first: each(|rank| f64::from(u8::from(rank == 1))),
            reciprocal: each(|rank| 1.0 / rank as f64),
        }
    }

    /// Text by text the mean over languages.
    fn mean(languages: &[&Self]) -> Self {
        let each = |of: fn(&Self) -> &[f64]| {
            let texts = languages.first().map_or(0, |it| of(it).len());
            let mean = |text: usize| {
                languages.iter().map(|it| of(it)[text]).sum::<f64>() / languages.len() as f64
            };
            (0..texts).map(mean).collect()
        };
        Self { first: each(|it| &it.first), reciprocal: each(|it| &it.reciprocal) }
    }

    fn found(&self, bootstrap: &BootstrapConfig) -> Outcome<Found> {
        Ok(Found {
            precision: bootstrap.estimate(&Mean, &self.first)?,
            reciprocal_rank: bootstrap.estimate(&Mean, &self.reciprocal)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_of_the_best_layers_is_the_best() {
        let found = |precision: f64, rank: f64| {
            let [precision, reciprocal_rank] =
                [precision, rank].map(|it| Estimate::new(it, [it; 2], 8));
            Found { precision, reciprocal_rank }
        };
        let equal = [found(0.2, 0.4), found(0.6, 0.7), found(0.6, 0.7), found(0.5, 0.9)];
        assert_eq!(best_layer(&equal), 1);
        let ranked = [found(0.2, 0.4), found(0.6, 0.7), found(0.6, 0.8)];
        assert_eq!(best_layer(&ranked), 2);
    }

    #[test]
    fn ranks_of_both_ways_and_of_languages_are_averaged_by_text() {
        let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let tgt = EmbeddingMatrix::try_new(2, vec![0.9, 0.1, 0.8, 0.6]).unwrap();
        // Ranks 1 and 1 there, 1 and 2 back.
        let one = Ranks::of(&retrieve(&src, &tgt).unwrap());
        assert_eq!((&one.first[..], &one.reciprocal[..]), (&[1.0, 0.5][..], &[1.0, 0.75][..]));
        let other = Ranks { first: vec![0.0, 1.0], reciprocal: vec![0.5, 1.0] };
        let mean = Ranks::mean(&[&one, &other]);
        assert_eq!((&mean.first[..], &mean.reciprocal[..]), (&[0.5, 0.75][..], &[0.75, 0.875][..]));
        let found = mean.found(&BootstrapConfig::new(Seed::new(1))).unwrap();
        assert!((found.precision.value - 0.625).abs() < 1e-12);
        assert!((found.reciprocal_rank.value - 0.8125).abs() < 1e-12);
        assert_eq!(found.precision.items, 2);
        assert!(found.precision.low < 0.625 && 0.625 < found.precision.high);
    }
}
