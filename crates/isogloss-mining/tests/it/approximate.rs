//! Approximate search beside the exact one.

use isogloss_core::Seed;
#[cfg(feature = "hnsw")]
use isogloss_mining::HnswConfig;
use isogloss_mining::{
    EmbeddingMatrix, IvfConfig, Margin, MiningConfig, Neighbours, mutual_neighbours,
};
use proptest::prelude::*;

#[cfg(feature = "hnsw")]
use crate::vectors::indices;
use crate::vectors::{clustered, two_matrices};

/// The share of the exact neighbours that were found.
fn recall(found: &Neighbours, exact: &Neighbours) -> f64 {
    let (mut hits, mut total) = (0, 0);
    for (found, exact) in found.rows().zip(exact.rows()) {
        total += exact.len();
        hits += exact.iter().filter(|near| found.iter().any(|it| it.index == near.index)).count();
    }
    hits as f64 / total as f64
}

#[test]
fn nineteen_of_twenty_neighbours_are_found() {
    let (src, tgt) = (clustered(Seed::new(1), 3_000, 48), clustered(Seed::new(2), 4_000, 48));
    let config = IvfConfig::new(Seed::new(7)).with_lists(256).with_probes(32);
    let found = config.mutual_neighbours(&src, &tgt, 4, &()).unwrap();
    let exact = mutual_neighbours(&src, &tgt, 4, &()).unwrap();
    let (forward, backward) =
        (recall(found.forward(), exact.forward()), recall(found.backward(), exact.backward()));
    assert!(forward >= 0.95 && backward >= 0.95, "forward {forward}, backward {backward}");
    assert!(forward < 1.0, "an eighth of the lists holds all neighbours: the test proves nothing");
    assert_eq!(&config.nearest_neighbours(&src, &tgt, 4, &()).unwrap(), found.forward());
    assert_eq!(config.mutual_neighbours(&src, &tgt, 4, &()).unwrap(), found);

    let mined = |neighbours| MiningConfig::new().select(neighbours).unwrap();
    let (found, exact) = (mined(&found), mined(&exact));
    let rows: Vec<_> = found.iter().map(|pair| (pair.src, pair.tgt)).collect();
    let same = exact.iter().filter(|pair| rows.contains(&(pair.src, pair.tgt))).count();
    assert!(same as f64 >= 0.9 * exact.len() as f64, "{same} of {} pairs", exact.len());
}

#[test]
fn a_translation_is_found_among_many() {
    let src = clustered(Seed::new(5), 2_000, 32);
    let values = src.rows().flatten().map(|value| value * 1.001 + 0.001).collect();
    let tgt = EmbeddingMatrix::try_new(32, values).unwrap();
    let found = IvfConfig::new(Seed::new(7)).nearest_neighbours(&src, &tgt, 1, &()).unwrap();
    assert!(found.rows().enumerate().all(|(row, near)| near[0].index == row));
}

#[cfg(feature = "hnsw")]
#[test]
fn a_graph_finds_nineteen_of_twenty_with_their_exact_cosines() {
    let (src, tgt) = (clustered(Seed::new(1), 3_000, 48), clustered(Seed::new(2), 4_000, 48));
    let exact = mutual_neighbours(&src, &tgt, 4, &()).unwrap();
    let found = HnswConfig::new().mutual_neighbours(&src, &tgt, 4, &()).unwrap();
    let (forward, backward) =
        (recall(found.forward(), exact.forward()), recall(found.backward(), exact.backward()));
    assert!(forward >= 0.95 && backward >= 0.95, "forward {forward}, backward {backward}");
    let mut compared = 0;
    for (found, exact) in found.forward().rows().zip(exact.forward().rows()) {
        for near in found {
            let same = exact.iter().find(|it| it.index == near.index);
            compared += usize::from(same.is_some());
            assert!(same.is_none_or(|it| (it.cosine - near.cosine).abs() < 1e-5), "{found:?}");
        }
    }
    assert!(compared > 10_000, "{compared} cosines");

    // A walk that holds few candidates sees few vectors.
    let narrow = HnswConfig::new().with_connectivity(2).with_expansion_add(1);
    let narrow = narrow.with_expansion_search(1).nearest_neighbours(&src, &tgt, 4, &()).unwrap();
    let narrow = recall(&narrow, exact.forward());
    assert!(narrow < forward, "a narrow walk finds {narrow}");
}

#[cfg(feature = "hnsw")]
#[test]
fn a_graph_that_cannot_be_is_named() {
    let (src, tgt) = (clustered(Seed::new(1), 9, 3), clustered(Seed::new(2), 5, 3));
    let found = |config: HnswConfig, k| config.mutual_neighbours(&src, &tgt, k, &());
    let message = |config, k| found(config, k).unwrap_err().to_string();
    assert_eq!(
        message(HnswConfig::new().with_connectivity(1), 2),
        "`connectivity` is 1, expected at least 2"
    );
    assert_eq!(
        message(HnswConfig::new().with_expansion_search(0), 2),
        "`expansion_search` is 0, expected at least 1"
    );
    assert_eq!(message(HnswConfig::new(), 0), "`k` is 0, expected at least 1");
    // More neighbours than there are vectors are all of them.
    let all = found(HnswConfig::new(), 50).unwrap();
    let exact = mutual_neighbours(&src, &tgt, 50, &()).unwrap();
    assert_eq!(indices(all.forward()), indices(exact.forward()));
    assert_eq!(indices(all.backward()), indices(exact.backward()));
}

proptest! {
    #[test]
    fn a_search_of_all_lists_is_exact([src, tgt] in two_matrices(), k in 1_usize..50) {
        let config = IvfConfig::new(Seed::new(3)).with_lists(5).with_probes(5);
        let found = config.mutual_neighbours(&src, &tgt, k, &())?;
        prop_assert_eq!(found, mutual_neighbours(&src, &tgt, k, &())?);
    }

    #[test]
    fn what_is_not_found_is_not_mined([src, tgt] in two_matrices()) {
        let config = IvfConfig::new(Seed::new(3)).with_probes(1);
        let found = config.mutual_neighbours(&src, &tgt, 3, &())?;
        let pairs = MiningConfig::new().with_margin(Margin::Distance).select(&found)?;
        for pair in pairs {
            let near = found.forward().row(pair.src).unwrap();
            let back = found.backward().row(pair.tgt).unwrap();
            prop_assert!(near.iter().any(|it| it.index == pair.tgt)
                || back.iter().any(|it| it.index == pair.src));
        }
    }
}
