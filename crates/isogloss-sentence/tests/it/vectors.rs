//! Vectors: those of sentence-transformers (`fixtures/models`), and what they depend on.

use std::fs;
use std::path::{Path, PathBuf};

use isogloss_sentence::{EncodeConfig, LongText, Prompt, SentenceEncoder, SentenceModel};
use isogloss_transformer::{EncoderBatch, Pooling, Quantization, SequenceInput};

pub(crate) fn dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name)
}

pub(crate) fn open(name: &str) -> SentenceEncoder {
    SentenceEncoder::open(&dir(name), &crate::device()).unwrap()
}

pub(crate) fn texts() -> Vec<&'static str> {
    let text = include_str!("../fixtures/models/texts.txt");
    text.strip_suffix('\n').unwrap().split('\n').collect()
}

pub(crate) fn expected(name: &str, prompt: &str) -> Vec<f32> {
    let bytes = fs::read(dir(name).join("expected.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(prompt).unwrap().data().to_vec();
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

pub(crate) fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn they_are_those_of_sentence_transformers() {
    for name in ["e5", "labse", "distil", "plain"] {
        let model = open(name);
        let found = model.encode(&texts(), &EncodeConfig::default(), &()).unwrap();
        let difference = largest_difference(&found.values, &expected(name, "default"));
        assert!(difference < 1e-5, "{name}: {difference}");
        assert_eq!(found.values.len(), texts().len() * model.dim(), "{name}");
        // Texts of both kinds, each as it is.
        let default = if name == "distil" { "passage: " } else { "" };
        let is_long = |text: &str| {
            let text = format!("{default}{}", text.trim()).to_lowercase();
            model.vocabulary().encode_framed(&text).unwrap().len() > model.max_tokens().unwrap()
        };
        let long: Vec<_> = (0..texts().len()).filter(|&text| is_long(texts()[text])).collect();
        assert_eq!(found.long_texts, long, "{name}");
        assert!(!long.is_empty() && long.len() < texts().len(), "{name}");
        if model.prompts().get("query").is_some_and(|prompt| !prompt.is_empty()) {
            for prompt in [Prompt::Named("query".into()), Prompt::Text("query: ".into())] {
                let config = EncodeConfig::default().with_prompt(prompt);
                let found = model.encode(&texts(), &config, &()).unwrap();
                let difference = largest_difference(&found.values, &expected(name, "query"));
                assert!(difference < 1e-5, "{name}: {difference}");
            }
        }
    }
}

#[test]
fn all_layers_are_read_at_once() {
    for name in ["e5", "labse", "distil", "plain"] {
        let model = open(name).with_pooling(Pooling::Mean);
        let config = EncodeConfig::default().with_long_text(LongText::Window { stride: 2 });
        let layers = model.encode_layers(&texts(), &config, &()).unwrap();
        let encoder = model.encoder();
        assert_eq!(layers.len(), encoder.config().n_layers + 1, "{name}");
        // Of a text that fits and has no prompt, each layer by itself.
        let ids = model.vocabulary().encode_framed("a b").unwrap();
        let batch = [SequenceInput::new(ids)];
        let batch = EncoderBatch::try_new(encoder.config(), &batch).unwrap();
        let batch = batch.to_device(&crate::device());
        let alone = config.clone().with_prompt(Prompt::None);
        let alone = model.encode_layers(&["a b"], &alone, &()).unwrap();
        for (layer, found) in alone.iter().enumerate() {
            let expected = encoder.embed(&batch, Pooling::Mean, Some(layer));
            let expected: Vec<f32> = expected.into_data().iter::<f32>().collect();
            let difference = largest_difference(&found.values, &expected);
            assert!(difference < 1e-5, "{name}, layer {layer}: {difference}");
        }
        // Windows, prompts and long texts are those of a vector of the last layer.
        let (last, dim) = (layers.last().unwrap(), encoder.config().d_model);
        assert_eq!(last.dim, dim, "{name}");
        if model.stages().is_empty() {
            let whole = model.encode(&texts(), &config, &()).unwrap();
            assert_eq!(last.long_texts, whole.long_texts, "{name}");
            assert!(largest_difference(&last.values, &whole.values) < 1e-6, "{name}");
        }
    }
    assert!(open("plain").stages().is_empty());
}

#[test]
fn weights_in_8_bits_give_nearly_the_same_vectors() {
    for name in ["e5", "labse", "distil", "plain"] {
        let (path, device) = (dir(name), crate::device());
        let small = SentenceEncoder::open_quantized(&path, Quantization::Int8, &device);
        let [full, small] = [SentenceEncoder::open(&path, &device), small]
            .map(Result::unwrap)
            .map(|model| model.encode(&texts(), &EncodeConfig::default(), &()).unwrap());
        assert_ne!(full.values, small.values, "{name}");
        let rows = full.values.chunks(full.dim).zip(small.values.chunks(full.dim));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for (a, b) in rows {
            let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            assert!(cosine > 0.999, "{name}: {cosine}");
        }
    }
}

#[test]
fn they_depend_on_no_other_text() {
    let model = open("e5");
    let whole = model.encode(&texts(), &EncodeConfig::default(), &()).unwrap().values;
    for batch_tokens in [1, 40, 100_000] {
        let config = EncodeConfig::default().with_batch_tokens(batch_tokens);
        let found = model.encode(&texts(), &config, &()).unwrap().values;
        assert!(largest_difference(&found, &whole) < 1e-6);
    }
    for (text, vector) in texts().into_iter().zip(whole.chunks_exact(model.dim())) {
        let alone = model.encode(&[text], &EncodeConfig::default(), &()).unwrap().values;
        assert!(largest_difference(&alone, vector) < 1e-6);
    }
    let none: [&str; 0] = [];
    assert!(model.encode(&none, &EncodeConfig::default(), &()).unwrap().values.is_empty());
    // A text without a token has the vector of its delimiters.
    assert_eq!(model.encode(&[""], &EncodeConfig::default(), &()).unwrap().values.len(), 8);
}

#[test]
fn long_texts_are_cut_read_in_windows_or_refused() {
    let model = open("e5").with_normalize(false);
    let long = texts()[1];
    let encode = |long_text| {
        let config = EncodeConfig::default().with_long_text(long_text);
        model.encode(&[long, "free"], &config, &())
    };
    let error = encode(LongText::Error).unwrap_err().to_string();
    assert!(error.starts_with("text 0: ") && error.ends_with("expected at most 30"), "{error}");
    let cut = encode(LongText::Truncate).unwrap();
    let windows = encode(LongText::Window { stride: 28 }).unwrap();
    assert_eq!((&cut.long_texts, &windows.long_texts), (&vec![0], &vec![0]));
    // What is short is as it was; what is long is not.
    assert!(largest_difference(&cut.values[8..], &windows.values[8..]) < 1e-6);
    assert!(largest_difference(&cut.values[..8], &windows.values[..8]) > 1e-3);
    let error = encode(LongText::Window { stride: 29 }).unwrap_err().to_string();
    assert_eq!(error, "`stride` is 29, expected from 1 to 28, the text tokens of a window");
}

#[test]
fn the_vector_of_windows_is_their_mean() {
    let model = open("e5").with_normalize(false).with_max_tokens(5).unwrap();
    // Three pieces fit beside the delimiters; windows of a text of words that are pieces.
    let ids = |text: &str| {
        use isogloss_tokenization::TextEncoder as _;
        model.vocabulary().encode(text).unwrap().len()
    };
    let text = texts()[0];
    let tokens = ids(text);
    let config = EncodeConfig::default().with_long_text(LongText::Window { stride: 3 });
    let found = model.encode(&[text], &config, &()).unwrap();
    let cut = model.encode(&[text], &EncodeConfig::default(), &()).unwrap();
    let windows = tokens.div_ceil(3);
    assert!(windows > 2);
    // The first window is what is left when the text is cut: it has one part in `windows`.
    let rest: Vec<f32> = found
        .values
        .iter()
        .zip(&cut.values)
        .map(|(mean, first)| mean - first / windows as f32)
        .collect();
    assert!(largest_difference(&rest, &[0.0; 8]) > 1e-3);
    assert_eq!(found.long_texts, [0]);
}

#[test]
fn a_prompt_without_a_name_is_refused_beside_those_there_are() {
    let config = EncodeConfig::default().with_prompt(Prompt::Named("title".into()));
    let error = open("e5").encode(&["free"], &config, &()).unwrap_err().to_string();
    assert_eq!(error, "no prompt is called `title`; there are: document, passage, query");
    let error = open("plain").encode(&["free"], &config, &()).unwrap_err().to_string();
    assert_eq!(error, "no prompt is called `title`; there are: none");
}
