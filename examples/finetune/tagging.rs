//! One label for each word.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use isogloss::burn::tensor::activation::softmax;
use isogloss::evaluation::EntityScore;
use isogloss::tokenization::encode_words;
use isogloss::training::{Labelled, Tags, batches_by_length};
use isogloss::transformer::{EncoderBatch, SequenceInput, TokenClassifier};
use isogloss_examples::Outcome;
use serde_json::json;

use crate::classification::{both, counts, loss, most_probable};
use crate::output::{Predicted, Tested};
use crate::rows::{Framer, cut_note, print_note, read};
use crate::session::Session;

/// A sentence, with the places of the first pieces of its words.
struct Sentence {
    text: String,
    tags: Vec<String>,
    input: SequenceInput,
    /// Of the words that fit; those behind them have none.
    first_pieces: Vec<usize>,
}

/// What a sentence is taken for: the tag of each word, and the mean of their probabilities.
type Said = (Vec<usize>, f64);

pub(crate) fn run(session: &Session<'_>) -> Outcome<()> {
    let base = session.base()?;
    let framer = session.framer(&base)?;
    let sets = [&session.args.train, &session.args.dev].map(|path| sentences(&framer, path));
    let [train, dev] = both(sets)?;
    let labels: BTreeSet<String> = train.iter().flat_map(|it| it.tags.iter().cloned()).collect();
    let labels: Vec<String> = labels.into_iter().collect();
    let device = session.device.clone().autodiff();
    let model = base.into_token_classifier(&labels, session.seed, &device)?;
    let config = model.model().config();
    let classes =
        train.iter().flat_map(|it| &it.tags).filter_map(|tag| labels.binary_search(tag).ok());
    let counts = counts(&classes.collect::<Vec<_>>(), labels.len());
    let objective = loss(session.args, &counts).try_init(labels.len())?;
    let labelled = |path: &Path, sentences: &[Sentence]| {
        let examples = sentences.iter().enumerate().map(|(row, it)| {
            let read = it.tags.iter().take(it.first_pieces.len());
            let classes = read.map(|tag| class(path, row, tag, &labels)).collect::<Outcome<_>>()?;
            let label = Tags { positions: it.first_pieces.clone(), classes };
            Ok(Labelled { input: it.input.clone(), label })
        });
        examples.collect::<Outcome<Vec<_>>>()
    };
    let sets = [labelled(&session.args.train, &train)?, labelled(&session.args.dev, &dev)?];
    let tasks = session.tasks(&objective, &config, sets)?;
    let trained = session.train(model, tasks)?;
    let outside = labels.binary_search_by(|label| label.as_str().cmp("O")).unwrap_or(0);
    let mut tested = Vec::new();
    for (name, path) in &session.tests {
        let sentences = sentences(&framer, path)?;
        let said = predict(session, trained.pretrained.model(), &sentences, outside)?;
        tested.push((name.clone(), test(&labels, sentences, said)?));
    }
    session.finish(trained, tested, &format!("Tags: {}.", labels.join(", ")))
}

fn sentences(framer: &Framer<'_>, path: &Path) -> Outcome<Vec<Sentence>> {
    let (mut sentences, mut cut) = (Vec::new(), 0);
    for (row, [text, label]) in read(path, ["text", "label"])?.into_iter().enumerate() {
        let fault = |fault: String| format!("{}, line {}: {fault}", path.display(), row + 2);
        let words = encode_words(framer.vocabulary, &text)?;
        let tags: Vec<String> = label.split_whitespace().map(str::to_owned).collect();
        if tags.len() != words.len() || words.is_empty() {
            let (found, expected) = (tags.len(), words.len());
            return Err(
                fault(format!("{found} tags, expected {expected}, one for each word")).into()
            );
        }
        if let Some(word) = words.iter().find(|word| word.ids.is_empty()) {
            let word = &text[word.place.clone()];
            return Err(fault(format!("word `{word}` is no text to the vocabulary")).into());
        }
        let mut first_pieces = Vec::with_capacity(words.len());
        let mut ids = Vec::new();
        for word in &words {
            first_pieces.push(framer.before() + ids.len());
            ids.extend(&word.ids);
        }
        let (input, is_cut) = framer.single(&ids);
        cut += usize::from(is_cut);
        let end = input.len() - (framer.around() - framer.before());
        first_pieces.retain(|&place| place < end);
        sentences.push(Sentence { text, tags, input, first_pieces });
    }
    let note = cut_note(cut, sentences.len(), framer.max_length);
    let note = note.map(|note| note + "; words behind are taken for O");
    print_note(path, note.as_deref());
    Ok(sentences)
}

fn class(path: &Path, row: usize, tag: &String, labels: &[String]) -> Outcome<u32> {
    let Ok(class) = labels.binary_search(tag) else {
        let (line, known) = (row + 2, labels.join(", "));
        return Err(format!(
            "{}, line {line}: tag `{tag}`, expected one of {known}",
            path.display()
        )
        .into());
    };
    Ok(u32::try_from(class)?)
}

fn predict(
    session: &Session<'_>,
    model: &TokenClassifier,
    sentences: &[Sentence],
    outside: usize,
) -> Outcome<Vec<Said>> {
    let config = model.config();
    let lengths: Vec<usize> = sentences.iter().map(|it| it.input.len()).collect();
    let mut said = vec![(Vec::new(), 0.0); sentences.len()];
    for rows in batches_by_length(&lengths, session.args.batch_tokens) {
        let batch: Vec<_> = rows.iter().map(|&row| sentences[row].input.clone()).collect();
        let batch = EncoderBatch::try_new(&config.encoder, &batch)?.to_device(&session.device);
        let [_, seq] = batch.dims();
        let probabilities = softmax(model.forward_all(&batch), 2).into_data();
        let probabilities: Vec<f32> = probabilities.iter().collect();
        for (row, tokens) in rows.iter().zip(probabilities.chunks_exact(seq * config.n_classes)) {
            let sentence = &sentences[*row];
            let of_token = |place: &usize| {
                most_probable(&tokens[place * config.n_classes..][..config.n_classes])
            };
            let (mut tags, each): (Vec<usize>, Vec<f64>) =
                sentence.first_pieces.iter().map(of_token).unzip();
            let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
            tags.resize(sentence.tags.len(), outside);
            said[*row] = (tags, mean);
        }
    }
    Ok(said)
}

fn test(labels: &[String], sentences: Vec<Sentence>, said: Vec<Said>) -> Outcome<Tested> {
    let said = said.into_iter().map(|(tags, mean)| {
        let tags: Vec<String> = tags.into_iter().map(|tag| labels[tag].clone()).collect();
        (tags, mean)
    });
    let said: Vec<(Vec<String>, f64)> = said.collect();
    let pairs: Vec<[Vec<String>; 2]> = sentences
        .iter()
        .zip(&said)
        .map(|(sentence, (predicted, _))| [sentence.tags.clone(), predicted.clone()])
        .collect();
    let entities = EntityScore::try_new(&pairs)?;
    let words = pairs.iter().flat_map(|[gold, predicted]| gold.iter().zip(predicted));
    let (right, all) = words.fold((0_usize, 0_usize), |(right, all), (gold, predicted)| {
        (right + usize::from(gold == predicted), all + 1)
    });
    let scores = BTreeMap::from([
        ("word_accuracy", json!(right as f64 / all as f64)),
        ("entity_precision", json!(entities.precision)),
        ("entity_recall", json!(entities.recall)),
        ("entity_f1", json!(entities.f1)),
        ("entities", json!(entities.support)),
        ("rows", json!(sentences.len())),
    ]);
    let rows = sentences.into_iter().zip(said).map(|(sentence, (tags, probability))| Predicted {
        text: sentence.text,
        gold: sentence.tags.join(" "),
        said: tags.join(" "),
        probability: Some(probability),
    });
    Ok(Tested { rows: rows.collect(), scores })
}
