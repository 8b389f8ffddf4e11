//! What the quickstart says of its data holds.

use std::collections::BTreeSet;

use crate::corpora::tag;
use crate::data::{SOURCES, Symbol, TOPICS, symbols};

#[test]
fn the_languages_are_as_many_and_as_different_as_the_readme_says() {
    let tags: Vec<_> = SOURCES.iter().map(|source| tag(source.tag)).collect();
    let scripts: BTreeSet<_> = tags.iter().map(|tag| tag.script().unwrap()).collect();
    let families: BTreeSet<_> = tags.iter().map(|tag| tag.facts().unwrap().family).collect();
    let (low, high): (Vec<_>, Vec<_>) =
        tags.iter().partition(|tag| tag.facts().unwrap().is_low_resource());
    assert_eq!((tags.len(), scripts.len(), families.len(), low.len()), (24, 8, 9, 15));
    let scripts_of_high: BTreeSet<_> = high.iter().map(|tag| tag.script()).collect();
    let own = low.iter().filter(|tag| !scripts_of_high.contains(&tag.script()));
    assert!(own.count() >= 2);
    assert_eq!(SOURCES.iter().filter(|source| source.has_pairs).count(), 12);
}

#[test]
fn no_concept_and_no_text_is_in_two_splits() {
    let symbols = symbols();
    assert_eq!((symbols.test.len(), symbols.dev.len()), (250, 150));
    assert!(symbols.train.len() > 1_000);
    let splits = [&symbols.train, &symbols.dev, &symbols.test];
    for (index, one) in splits.iter().enumerate() {
        for other in &splits[index + 1..] {
            let concepts = |of: &[Symbol]| -> BTreeSet<_> {
                of.iter().map(|symbol| symbol.concept.clone()).collect()
            };
            assert!(concepts(one).is_disjoint(&concepts(other)));
            let texts = |of: &[Symbol]| -> BTreeSet<_> {
                of.iter().filter_map(|symbol| symbol.texts.get("en").cloned()).collect()
            };
            assert!(texts(one).is_disjoint(&texts(other)));
        }
    }
    for symbol in symbols.dev.iter().chain(&symbols.test) {
        assert_eq!(symbol.texts.len(), SOURCES.len(), "{}", symbol.concept);
        assert!(TOPICS.contains(&symbol.topic));
    }
}

#[test]
fn sizes_span_two_orders_of_magnitude() {
    let symbols = symbols();
    let size = |tag: &str| {
        let source = SOURCES.iter().find(|source| source.tag == tag).unwrap();
        let sentences = source.sentences().map_or(0, |(_, lines)| lines.len());
        let named = symbols.train.iter().filter(|symbol| symbol.texts.contains_key(tag)).count();
        sentences + named.min(source.n_symbols)
    };
    assert!(size("en") >= 100 * size("wo"), "{} {}", size("en"), size("wo"));
}

#[test]
fn the_data_is_the_same_each_time() {
    let texts = |of: &[Symbol]| of.iter().map(|symbol| symbol.texts.clone()).collect::<Vec<_>>();
    let (first, second) = (symbols(), symbols());
    assert_eq!(texts(&first.train), texts(&second.train));
    assert_eq!(texts(&first.test), texts(&second.test));
}
