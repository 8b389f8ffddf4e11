//! What is measured on the vectors of all layers.

use std::time::{Duration, Instant};

use isogloss::evaluation::{
    BootstrapConfig, Cka, EmbeddingMatrix, Estimate, LayerAlignment, Mean, align_layers,
    eigenvector_similarity, iso_score, mean_cosine, partition_isotropy, relational_similarity,
    retrieve,
};
use isogloss_examples::{Bars, Outcome};

use crate::parallel::on_all_cores;
use crate::texts::Aligned;

/// The most texts whose graphs are compared: time grows with their third power.
pub(crate) const MOST_IN_GRAPH: usize = 1_000;

/// How alike two languages are, by layer.
pub(crate) struct Alignment {
    pub(crate) debiased: LayerAlignment,
    pub(crate) biased: LayerAlignment,
}

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
    pub(crate) cosine: f64,
    pub(crate) iso_score: f64,
    pub(crate) partition: f64,
}

/// Whether two languages have spaces of one shape.
#[derive(Clone, Copy)]
pub(crate) struct Isomorphism {
    pub(crate) spectra: f64,
    pub(crate) relations: f64,
}

/// All of it.
pub(crate) struct Measured {
    pub(crate) layers: usize,
    /// By pair, in the order of [`Aligned::pairs`].
    pub(crate) alignments: Vec<Alignment>,
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
    /// What took how long.
    pub(crate) times: Vec<(&'static str, Duration)>,
}

impl Measured {
    /// Measures everything; `vectors` are by language, then by layer.
    pub(crate) fn of(
        texts: &Aligned,
        vectors: &[Vec<EmbeddingMatrix>],
        bootstrap: &BootstrapConfig,
        bars: &Bars,
    ) -> Outcome<Self> {
        let (layers, names) = (vectors[0].len(), texts.names());
        let mut times = Vec::new();
        let pair = |a: usize, b: usize| format!("{} and {}", names[a], names[b]);

        let start = Instant::now();
        let pairs = texts.pairs();
        let alignments = on_all_cores(bars, ["CKA", "pairs"], pairs.len(), |place| {
            let [a, b] = pairs[place];
            let both: Vec<_> = vectors[a].iter().cloned().zip(vectors[b].iter().cloned()).collect();
            let of = |cka| align_layers(cka, &both).map_err(|it| format!("{}: {it}", pair(a, b)));
            Ok(Alignment { debiased: of(Cka::Debiased)?, biased: of(Cka::Biased)? })
        })?;
        times.push(("CKA of all pairs", start.elapsed()));

        let start = Instant::now();
        let others = vectors.len() - 1;
        let found = on_all_cores(bars, ["retrieval", "layers"], others * layers, |place| {
            let (language, layer) = (1 + place / layers, place % layers);
            find(&vectors[0][layer], &vectors[language][layer], bootstrap)
        })?;
        let retrieval: Vec<Vec<Found>> = found.chunks(layers).map(<[_]>::to_vec).collect();
        let best = best_layer(&retrieval);
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
            Ok(Isotropy {
                cosine: mean_cosine(matrix).map_err(fault)?,
                iso_score: iso_score(matrix).map_err(fault)?,
                partition: partition_isotropy(matrix).map_err(fault)?,
            })
        })?;
        let isotropy = isotropy.chunks(layers).map(<[_]>::to_vec).collect();
        times.push(("isotropy", start.elapsed()));

        let start = Instant::now();
        let isomorphism = on_all_cores(bars, ["isomorphism", "languages"], others, |place| {
            let last = layers - 1;
            let (src, tgt) = (&vectors[0][last], &vectors[place + 1][last]);
            let fault = |it| format!("{}: {it}", pair(0, place + 1));
            let graphs = [head(src)?, head(tgt)?];
            Ok(Isomorphism {
                spectra: eigenvector_similarity(&graphs[0], &graphs[1], 1).map_err(fault)?,
                relations: relational_similarity(src, tgt).map_err(fault)?,
            })
        })?;
        times.push(("isomorphism", start.elapsed()));
        let all_pairs = map;
        Ok(Self { layers, alignments, retrieval, best, all_pairs, isotropy, isomorphism, times })
    }

    /// The mean over languages of something of a layer.
    pub(crate) fn mean<T>(rows: &[Vec<T>], layer: usize, of: impl Fn(&T) -> f64) -> f64 {
        rows.iter().map(|row| of(&row[layer])).sum::<f64>() / rows.len() as f64
    }
}

/// The layer with the highest mean precision, then reciprocal rank, then the lowest one.
fn best_layer(retrieval: &[Vec<Found>]) -> usize {
    let layers = retrieval.first().map_or(0, Vec::len);
    let of = |layer: usize| {
        [|it: &Found| it.precision.value, |it: &Found| it.reciprocal_rank.value]
            .map(|of| Measured::mean(retrieval, layer, of))
    };
    let order = |a: &usize, b: &usize| {
        let ([p, r], [q, s]) = (of(*a), of(*b));
        // Of equal ones the last is the greatest, so the lower is put there.
        p.total_cmp(&q).then(r.total_cmp(&s)).then(b.cmp(a))
    };
    (0..layers).max_by(order).unwrap_or(0)
}

fn hits(ranks: &[usize]) -> Vec<f64> {
    ranks.iter().map(|rank| f64::from(u8::from(*rank == 1))).collect()
}

/// For each text the mean of both ways, so that texts are what is drawn again.
fn find(
    src: &EmbeddingMatrix,
    tgt: &EmbeddingMatrix,
    bootstrap: &BootstrapConfig,
) -> Outcome<Found> {
    let ranks = retrieve(src, tgt)?;
    let estimate = |of: fn(usize) -> f64| {
        let both = ranks.forward.iter().zip(&ranks.backward);
        let items: Vec<f64> = both.map(|(a, b)| f64::midpoint(of(*a), of(*b))).collect();
        bootstrap.estimate(&Mean, &items)
    };
    Ok(Found {
        precision: estimate(|rank| f64::from(u8::from(rank == 1)))?,
        reciprocal_rank: estimate(|rank| 1.0 / rank as f64)?,
    })
}

/// The first vectors.
fn head(matrix: &EmbeddingMatrix) -> Outcome<EmbeddingMatrix> {
    let values = matrix.rows().take(MOST_IN_GRAPH).flatten().copied().collect();
    Ok(EmbeddingMatrix::try_new(matrix.dim(), values)?)
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
        let one = vec![found(0.2, 0.4), found(0.6, 0.7), found(0.6, 0.7), found(0.9, 0.9)];
        assert_eq!(best_layer(std::slice::from_ref(&one)), 3);
        let two = vec![found(0.2, 0.4), found(0.6, 0.7), found(0.6, 0.7), found(0.3, 0.9)];
        // 0.2, 0.6, 0.6, 0.6, of which the ranks are 0.4, 0.7, 0.7, 0.9.
        assert_eq!(best_layer(&[one[..3].to_vec(), two[..3].to_vec()]), 1);
        assert_eq!(best_layer(&[one, two]), 3);
    }

    #[test]
    fn ranks_of_both_ways_are_averaged_by_text() {
        let src = EmbeddingMatrix::try_new(2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        let tgt = EmbeddingMatrix::try_new(2, vec![0.9, 0.1, 0.8, 0.6]).unwrap();
        // Ranks 1 and 1 there, 1 and 2 back.
        let found = find(&src, &tgt, &BootstrapConfig::new(isogloss::core::Seed::new(1))).unwrap();
        assert!((found.precision.value - 0.75).abs() < 1e-12);
        assert!((found.reciprocal_rank.value - 0.875).abs() < 1e-12);
        assert_eq!(found.precision.items, 2);
    }
}
