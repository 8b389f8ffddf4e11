//! What transformers made of tiny models of each family (`fixtures/pretrained`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use isogloss_transformer::{EncoderConfig, PaddedRows, SequenceInput};
use safetensors::{Dtype, SafeTensors};

/// Each is a directory that transformers wrote.
pub(crate) const CASES: [&str; 27] = [
    "bert-classes",
    "bert-encoder",
    "bert-mlm",
    "bert-next",
    "bert-spans",
    "bert-tags",
    "distilbert-classes",
    "distilbert-encoder",
    "distilbert-mlm",
    "distilbert-spans",
    "distilbert-tags",
    "xl-classes",
    "xl-mlm",
    "xl-tags",
    "xlm-causal",
    "xlm-classes",
    "xlm-encoder",
    "xlm-spans",
    "xlm-tags",
    "xlm-tlm",
    "xlmr-classes",
    "xlmr-encoder",
    "xlmr-mlm",
    "xlmr-score",
    "xlmr-spans",
    "xlmr-tags",
    "xlmr-untied",
];

pub(crate) fn dir(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained").join(case)
}

/// A file of tensors: the shape and the numbers of each.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    pub(crate) floats: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    pub(crate) ints: BTreeMap<String, (Vec<usize>, Vec<i64>)>,
}

impl Tensors {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut this = Self::default();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let (name, shape) = (name.to_owned(), view.shape().to_vec());
            if view.dtype() == Dtype::I64 {
                this.ints.insert(name, (shape, numbers(view.data(), i64::from_le_bytes)));
            } else {
                assert_eq!(view.dtype(), Dtype::F32, "{name}");
                this.floats.insert(name, (shape, numbers(view.data(), f32::from_le_bytes)));
            }
        }
        this
    }

    pub(crate) fn floats(&self, name: &str) -> &[f32] {
        &self.floats[name].1
    }

    fn ids(&self, name: &str) -> Option<Vec<u32>> {
        let ids = self.ints.get(name)?.1.iter();
        Some(ids.map(|&id| u32::try_from(id).unwrap()).collect())
    }
}

fn numbers<const N: usize, T>(data: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    data.chunks_exact(N).map(|bytes| read(bytes.try_into().unwrap())).collect()
}

/// A batch as transformers was given it.
pub(crate) struct Batch {
    pub(crate) padded: PaddedRows,
    pub(crate) seq_len: usize,
    pub(crate) labels: Option<Vec<i64>>,
}

impl Batch {
    pub(crate) fn of(tensors: &Tensors, config: &EncoderConfig) -> Self {
        let padded = PaddedRows {
            ids: tensors.ids("input_ids").unwrap(),
            is_token: tensors.ids("attention_mask").unwrap().iter().map(|&m| m == 1).collect(),
            positions: tensors.ids("position_ids"),
            languages: tensors.ids("langs").filter(|_| config.n_languages > 0),
            token_types: tensors.ids("token_type_ids"),
        };
        let seq_len = tensors.ints["input_ids"].0[1];
        Self { padded, seq_len, labels: tensors.ints.get("labels").map(|labels| labels.1.clone()) }
    }

    /// The rows without their padding, each token where transformers had it.
    pub(crate) fn rows(&self, config: &EncoderConfig) -> Vec<SequenceInput> {
        let rows = self.padded.ids.len() / self.seq_len;
        let rows = (0..rows).map(|row| {
            let pick = |values: &[u32]| -> Vec<u32> {
                self.tokens(row).map(|token| values[row * self.seq_len + token]).collect()
            };
            let own = |(place, token): (usize, usize)| {
                u32::try_from(if config.position_offset > 0 { place } else { token }).unwrap()
            };
            SequenceInput {
                ids: pick(&self.padded.ids),
                positions: match &self.padded.positions {
                    Some(positions) => pick(positions),
                    None => self.tokens(row).enumerate().map(own).collect(),
                },
                languages: self.padded.languages.as_deref().map(pick),
                token_types: self.padded.token_types.as_deref().map(pick),
            }
        });
        rows.collect()
    }

    /// Where the tokens of a row are, which is all that is compared.
    pub(crate) fn tokens(&self, row: usize) -> impl Iterator<Item = usize> {
        (0..self.seq_len).filter(move |token| self.padded.is_token[row * self.seq_len + token])
    }

    /// The labels of each row: the place of each among the row's tokens, and the label.
    pub(crate) fn labels(&self) -> Vec<(Vec<usize>, Vec<u32>)> {
        let labels = self.labels.as_ref().unwrap();
        let rows = (0..labels.len() / self.seq_len).map(|row| {
            let labelled = self.tokens(row).enumerate().filter_map(|(place, token)| {
                let label = labels[row * self.seq_len + token];
                Some((place, u32::try_from(label).ok()?))
            });
            labelled.unzip()
        });
        rows.collect()
    }

    /// What `values`, `[batch, seq, width]`, holds of tokens.
    pub(crate) fn at_tokens(&self, values: &[f32]) -> Vec<f32> {
        let width = values.len() / self.padded.ids.len();
        let rows = values.chunks_exact(width).zip(&self.padded.is_token);
        rows.filter(|(_, is_token)| **is_token).flat_map(|(row, _)| row.iter().copied()).collect()
    }
}
