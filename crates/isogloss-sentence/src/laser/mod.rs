//! LASER: sentence vectors from a bidirectional LSTM.

mod dictionary;
mod lstm;
mod punctuation;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use isogloss_core::Progress;
use isogloss_tokenization::SentencePieceModel;
use isogloss_transformer::{load_renamed, tensor_shapes};

use crate::long_text::{Frame, Row};
use crate::reading::read_rows;
use crate::{EncodeConfig, Prompt, SentenceError, SentenceModel, SentenceVectors};
use dictionary::Dictionary;
use lstm::{BiLstm, BiLstmShape, LstmBatch};

/// LASER's encoder, with the pieces and the dictionary that it reads by.
///
/// # Source
///
/// Artetxe and Schwenk (2019), <https://arxiv.org/abs/1812.10464>; LASER2: Heffernan, Çelebi and Schwenk
/// (2022), <https://arxiv.org/abs/2205.12654>. Text is prepared as in the package `laser_encoders`:
/// control characters become spaces, punctuation is that of Moses for English, letters are lower case. The
/// vectors are not of length 1.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
///
/// use burn::tensor::Device;
/// use isogloss_sentence::{EncodeConfig, LaserEncoder, SentenceModel};
///
/// let laser = LaserEncoder::open(Path::new("laser2"), &Device::flex())?;
/// let vectors = laser.encode(&["Ẹ káàárọ̀", "Good morning"], &EncodeConfig::default(), &())?;
/// assert_eq!(vectors.dim, 1024);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LaserEncoder {
    model: BiLstm,
    shape: BiLstmShape,
    pieces: SentencePieceModel,
    dictionary: Dictionary,
    device: Device,
}

impl LaserEncoder {
    /// Opens a directory with LASER2's three files: the weights (`.pt`), the pieces (`.spm`) and the
    /// dictionary (`.cvocab`).
    ///
    /// # Errors
    ///
    /// [`SentenceError`]: a file is missing or there are several of a kind, one is not what it should be,
    /// or the dictionary does not have as many pieces as the embedding has rows. LASER3, which is a
    /// transformer, is not supported.
    pub fn open(dir: &Path, device: &Device) -> Result<Self, SentenceError> {
        let [weights, pieces, dictionary] =
            ["pt", "spm", "cvocab"].map(|extension| the_file(dir, extension));
        let (weights, dictionary) = (weights?, Dictionary::read(&dictionary?)?);
        let pieces = SentencePieceModel::from_file(&pieces?)?;
        let shape = shape_of(&weights)?;
        if dictionary.len() != shape.vocab_size {
            let (tokens, rows) = (dictionary.len(), shape.vocab_size);
            return Err(SentenceError::Vocabulary { path: dir.to_owned(), tokens, rows });
        }
        let names = BiLstm::names(shape.n_layers);
        let model = load_renamed(BiLstm::blank(shape, device), &weights, Some(ROOT), &names)?;
        Ok(Self { model, shape, pieces, dictionary, device: device.clone() })
    }

    /// Whether a directory is LASER's: it has a `.cvocab`.
    pub fn is_in(dir: &Path) -> bool {
        the_file(dir, "cvocab").is_ok()
    }

    /// The ids of a text, with the end of the sentence behind them.
    fn ids(&self, prompt: &str, text: &str) -> Vec<u32> {
        let text = punctuation::normalize(&format!("{prompt}{text}"));
        self.pieces.pieces(&text).iter().map(|piece| self.dictionary.id(piece)).collect()
    }
}

impl SentenceModel for LaserEncoder {
    fn dim(&self) -> usize {
        2 * self.shape.d_hidden
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn max_tokens(&self) -> Option<usize> {
        None
    }

    /// A text of any length is read as a whole.
    fn encode(
        &self,
        texts: &[&str],
        config: &EncodeConfig,
        progress: &dyn Progress,
    ) -> Result<SentenceVectors, SentenceError> {
        let prompt = match &config.prompt {
            Prompt::Default | Prompt::None => "",
            Prompt::Text(text) => text,
            Prompt::Named(name) => {
                return Err(SentenceError::Prompt { name: name.clone(), known: "none".to_owned() });
            }
        };
        if let Some(language) = config.language {
            let (found, expected) = (language as usize, "none: the model has no languages".into());
            return Err(SentenceError::Config { field: "language", found, expected });
        }
        let around = [Vec::new(), vec![Dictionary::EOS]];
        let frame = Frame { around, max_tokens: usize::MAX, prompt_tokens: 0 };
        let mut rows = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            rows.extend(frame.rows(index, &self.ids(prompt, text), config.long_text)?);
        }
        let values = read_rows(&rows, self.dim(), config, progress, |rows: &[&Row]| {
            let ids: Vec<&[u32]> = rows.iter().map(|row| row.ids.as_slice()).collect();
            let batch = LstmBatch::new(&ids, Dictionary::PAD, &self.device);
            Ok(self.model.forward(&batch).into_data().iter::<f32>().collect())
        })?;
        Ok(SentenceVectors { values, dim: self.dim(), long_texts: Vec::new() })
    }
}

/// The dictionary that the tensors of LASER's file are in.
const ROOT: &str = "model";

/// The only file of its kind in a directory.
fn the_file(dir: &Path, extension: &str) -> Result<PathBuf, SentenceError> {
    let fail = |source| SentenceError::Read { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    let count = found.len();
    match found.pop() {
        Some(path) if count == 1 => Ok(path),
        _ => Err(SentenceError::Field {
            path: dir.to_owned(),
            field: format!("*.{extension}"),
            found: format!("{count} files"),
            expected: "one file".to_owned(),
        }),
    }
}

/// The shape that the tensors of a file have.
fn shape_of(path: &Path) -> Result<BiLstmShape, SentenceError> {
    let shapes = tensor_shapes(path, Some(ROOT))?;
    let dims = |name: &str| match shapes.get(name).map(Vec::as_slice) {
        Some([rows, columns]) => Ok([*rows, *columns]),
        other => Err(SentenceError::Field {
            path: path.to_owned(),
            field: name.to_owned(),
            found: other.map_or("absent".to_owned(), |shape| format!("of shape {shape:?}")),
            expected: "a matrix".to_owned(),
        }),
    };
    let [vocab_size, d_embedding] = dims("embed_tokens.weight")?;
    let [_, d_hidden] = dims("lstm.weight_hh_l0")?;
    let layers = (0..).take_while(|i| shapes.contains_key(&format!("lstm.weight_hh_l{i}")));
    Ok(BiLstmShape { vocab_size, d_embedding, d_hidden, n_layers: layers.count() })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Expected {
        texts: Vec<String>,
        prepared: Vec<String>,
        ids: Vec<Vec<u32>>,
    }

    #[test]
    fn texts_are_prepared_and_cut_as_laser_does() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/laser");
        let json = fs::read_to_string(dir.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_str(&json).unwrap();
        let dictionary = Dictionary::read(&dir.join("model/tiny.cvocab")).unwrap();
        let pieces = SentencePieceModel::from_file(&dir.join("model/tiny.spm")).unwrap();
        for ((text, prepared), ids) in
            expected.texts.iter().zip(expected.prepared).zip(expected.ids)
        {
            assert_eq!(punctuation::normalize(text), prepared);
            let found = pieces.pieces(&prepared);
            let found: Vec<u32> = found.iter().map(|piece| dictionary.id(piece)).collect();
            assert_eq!(found, ids[..ids.len() - 1], "{prepared}");
        }
    }
}
