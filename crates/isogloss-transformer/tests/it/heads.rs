//! Fresh heads on the encoders of each family: as the family has them, and kept with their labels.

use std::fs;
use std::path::Path;

use isogloss_transformer::{
    AnyPretrained, Encoder, EncoderBatch, HasEncoder, Logits, Pretrained, PretrainedHead,
    SaveOptions,
};
use serde_json::Value;

use crate::reference::{Batch, Tensors, dir};
use crate::tiny::{SEED, values};

const LABELS: [&str; 3] = ["O", "B-PER", "I-PER"];

fn open(case: &str) -> Pretrained<Encoder> {
    Pretrained::open(&dir(case), &crate::device()).unwrap()
}

fn json(dir: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.join("config.json")).unwrap()).unwrap()
}

/// Saves a model, opens the copy, sees that it says the same, and gives its `config.json`.
fn assert_kept(case: &str, model: impl Into<AnyPretrained>, head: PretrainedHead) -> Value {
    let model: AnyPretrained = model.into();
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("copy");
    model.save(&out, &SaveOptions::new("# A copy\n")).unwrap();
    let copy = AnyPretrained::open(&out, &crate::device()).unwrap();
    assert_eq!((copy.head(), model.head(), copy.left_out().len()), (head, head, 0), "{case}");
    let expected = Tensors::read(&dir(case).join("expected.safetensors"));
    let config = model.encoder().config();
    let batch = Batch::of(&expected, config);
    let input = EncoderBatch::try_from_padded(config, batch.seq_len, &batch.padded).unwrap();
    let input = input.to_device(&crate::device());
    let [found, expected] =
        [copy, model].map(|model| match model.forward(&input).logits.unwrap() {
            Logits::Sequences(logits) => values(logits),
            Logits::Tokens(logits) | Logits::Spans(logits) => values(logits),
            other => unreachable!("{other:?}"),
        });
    assert_eq!(found, expected, "{case}");
    json(&out)
}

#[test]
fn each_family_gives_its_encoders_its_own_heads() {
    let device = crate::device();
    let spans = ["ForQuestionAnswering", "ForQuestionAnsweringSimple"];
    for (case, class, language_model) in [
        ("bert-encoder", "Bert", "ForMaskedLM"),
        ("distilbert-encoder", "DistilBert", "ForMaskedLM"),
        ("xlm-encoder", "XLM", "WithLMHeadModel"),
        ("xlmr-encoder", "XLMRoberta", "ForMaskedLM"),
    ] {
        let named = |json: &Value, ending: &str| {
            assert_eq!(json["architectures"][0], format!("{class}{ending}"), "{case}");
        };
        let model = open(case).into_classifier(&LABELS, SEED, &device).unwrap();
        assert_eq!(model.labels(), LABELS);
        let json = assert_kept(case, model, PretrainedHead::Sequences);
        named(&json, "ForSequenceClassification");
        assert_eq!(json["id2label"]["2"], "I-PER");
        assert_eq!(json["label2id"]["B-PER"], 1);

        let model = open(case).into_token_classifier(&LABELS, SEED, &device).unwrap();
        let json = assert_kept(case, model, PretrainedHead::TokenClasses);
        named(&json, "ForTokenClassification");
        assert_eq!(json["id2label"]["1"], "B-PER");

        let model = open(case).into_regressor(1, SEED, &device).unwrap();
        let json = assert_kept(case, model, PretrainedHead::Sequences);
        assert_eq!(
            (&json["problem_type"], &json["id2label"]["0"]),
            (&"regression".into(), &"LABEL_0".into())
        );

        let model = open(case).into_question_answerer(SEED, &device).unwrap();
        let json = assert_kept(case, model, PretrainedHead::Spans);
        named(&json, spans[usize::from(class == "XLM")]);
        assert_eq!(json["id2label"].as_object().unwrap().len(), 2);

        let model = open(case).into_language_model(SEED, &device).unwrap();
        let json = assert_kept(case, model, PretrainedHead::Tokens);
        named(&json, language_model);
    }
}

#[test]
fn the_head_of_bert_begins_with_its_pooler() {
    let classifier = open("bert-next").into_classifier(&LABELS, SEED, &crate::device()).unwrap();
    assert!(classifier.model().encoder().pooler().is_none());
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("classes");
    classifier.save(&out, &SaveOptions::new("# Classes\n")).unwrap();
    let [found, pooler] = [out, dir("bert-next")].map(|dir| {
        let tensors = Tensors::read(&dir.join("model.safetensors"));
        ["weight", "bias"].map(|part| tensors.floats[&format!("bert.pooler.dense.{part}")].clone())
    });
    assert_eq!(found, pooler);
}

#[test]
fn the_seed_alone_decides_what_the_head_begins_with() {
    let device = crate::device();
    let output = |seed| {
        let model = open("xlmr-encoder").into_question_answerer(seed, &device).unwrap();
        format!("{:?}", model.model().forward(&row(&device)).into_data())
    };
    assert_eq!(output(SEED), output(SEED));
    assert_ne!(output(SEED), output(SEED.at(1)));
}

fn row(device: &burn::tensor::Device) -> isogloss_transformer::DeviceBatch {
    let rows = [isogloss_transformer::SequenceInput::new(vec![0, 5, 2])];
    EncoderBatch::try_new(open("xlmr-encoder").model().config(), &rows).unwrap().to_device(device)
}

#[test]
fn labels_are_checked() {
    let device = crate::device();
    let refusal = |labels: &[&str]| {
        open("xlmr-encoder").into_classifier(labels, SEED, &device).unwrap_err().to_string()
    };
    assert_eq!(refusal(&["only"]), "encoder configuration: `labels` is `1`, expected at least 2");
    assert_eq!(
        refusal(&["a", "b", "a"]),
        "encoder configuration: `labels` is `a`, expected each label once"
    );
    let error = open("xlmr-encoder").into_token_classifier(&["a", "a"], SEED, &device).unwrap_err();
    assert!(error.to_string().contains("each label once"), "{error}");
    let error = open("xlmr-encoder").into_regressor(0, SEED, &device).unwrap_err().to_string();
    assert!(error.contains("`outputs` is `0`, expected at least 1"), "{error}");
}
