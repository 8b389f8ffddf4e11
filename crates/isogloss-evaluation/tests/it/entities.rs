//! Entities as seqeval 1.2.2 finds them.

use isogloss_evaluation::{EntityScore, entities};

fn tags(tags: &str) -> Vec<&str> {
    tags.split(' ').collect()
}

#[expect(clippy::unwrap_used, reason = "a helper states what it expects, too")]
fn score(sentences: &[[&str; 2]]) -> EntityScore {
    let sentences: Vec<_> = sentences.iter().map(|both| both.map(tags)).collect();
    EntityScore::try_new(&sentences).unwrap()
}

#[test]
fn scores_are_those_of_seqeval() {
    // seqeval.metrics of the same tags gives 0.25, 0.3333333333, 0.2857142857.
    let found = score(&[
        ["B-PER I-PER O B-LOC O", "I-PER I-PER O B-LOC I-LOC"],
        ["O B-ORG I-ORG I-ORG", "O B-ORG I-ORG I-LOC"],
    ]);
    assert!((found.precision - 0.25).abs() < 1e-12);
    assert!((found.recall - 1.0 / 3.0).abs() < 1e-12);
    assert!((found.f1 - 2.0 / 7.0).abs() < 1e-12);
    assert_eq!(found.support, 3);
    assert_eq!(score(&[["O O", "O O"]]).f1.to_bits(), 0);
}

#[test]
fn entities_are_read_as_conlleval_does() {
    let read = |text: &str| -> Vec<(String, usize, usize)> {
        entities(&tags(text)).into_iter().map(|it| (it.kind, it.first, it.last)).collect()
    };
    let entity = |kind: &str, first, last| (kind.to_owned(), first, last);
    assert_eq!(read("B-A B-A I-A"), [entity("A", 0, 0), entity("A", 1, 2)]);
    assert_eq!(read("I-A I-B E-B I-B"), [entity("A", 0, 0), entity("B", 1, 2), entity("B", 3, 3)]);
    assert_eq!(
        read("S-A E-A O B-geo-loc B"),
        [entity("A", 0, 0), entity("A", 1, 1), entity("geo-loc", 3, 3), entity("_", 4, 4),]
    );
    assert!(read("O O").is_empty() && entities(&[] as &[&str]).is_empty());
}

#[test]
fn sentences_of_unequal_length_are_refused() {
    let error = EntityScore::try_new(&[[vec!["O"], vec!["O", "O"]]]).unwrap_err();
    assert!(error.to_string().contains("2 tags of 1 words in sentence 0"), "{error}");
    assert!(EntityScore::try_new::<&str>(&[]).is_err());
}
