//! Rows of tokens, checked on the host and padded to the longest.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::{BatchError, EncoderConfig, SequenceInput};

/// A padded batch on the host. Everything a model could refuse has been checked.
///
/// # Examples
///
/// ```
/// use isogloss_transformer::{EncoderBatch, EncoderConfig, SequenceInput};
///
/// let config = EncoderConfig::new(10);
/// let rows = [SequenceInput::new(vec![0, 5, 2]), SequenceInput::new(vec![0, 5, 6, 7, 2])];
/// let batch = EncoderBatch::try_new(&config, &rows)?;
/// assert_eq!((batch.batch_size(), batch.seq_len()), (2, 5));
///
/// let rows = [SequenceInput::new(vec![0, 12, 2])];
/// let error = EncoderBatch::try_new(&config, &rows).unwrap_err();
/// assert_eq!(error.to_string(), "sequence 0, token 1: id 12, expected less than 10");
/// # Ok::<(), isogloss_transformer::BatchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EncoderBatch {
    // Invariant: `ids`, `positions` and, where there are any, `languages` are
    // `[lengths.len(), seq_len]` in row-major order and within the tables of the configuration;
    // every length is at least 1 and the largest is `seq_len`.
    ids: Vec<i32>,
    positions: Vec<i32>,
    languages: Option<Vec<i32>>,
    lengths: Vec<usize>,
    seq_len: usize,
}

impl EncoderBatch {
    /// Checks the rows against the tables of `config` and pads them to the longest.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(config: &EncoderConfig, rows: &[SequenceInput]) -> Result<Self, BatchError> {
        for (sequence, row) in rows.iter().enumerate() {
            check_row(config, sequence, row)?;
        }
        let seq_len = rows.iter().map(SequenceInput::len).max().ok_or(BatchError::Empty)?;
        let pad_id = to_i32(config.pad_id);
        // Padding stands at position 0 and takes the language of its row: nothing reads it.
        let padded = |values: fn(&SequenceInput) -> &[u32], pad: Option<i32>| {
            let mut flat = Vec::with_capacity(rows.len() * seq_len);
            for (row, values) in rows.iter().map(values).enumerate() {
                flat.extend(values.iter().copied().map(to_i32));
                let last = flat.last().copied().unwrap_or_default();
                flat.resize((row + 1) * seq_len, pad.unwrap_or(last));
            }
            flat
        };
        Ok(Self {
            ids: padded(|row| &row.ids, Some(pad_id)),
            positions: padded(|row| &row.positions, Some(0)),
            languages: (config.n_languages > 0)
                .then(|| padded(|row| row.languages.as_deref().unwrap_or_default(), None)),
            lengths: rows.iter().map(SequenceInput::len).collect(),
            seq_len,
        })
    }

    /// The number of rows.
    pub fn batch_size(&self) -> usize {
        self.lengths.len()
    }

    /// The length of the longest row, to which the others are padded.
    pub fn seq_len(&self) -> usize {
        self.seq_len
    }

    /// The number of tokens of each row.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// The share of the batch that is padding.
    pub fn padding_share(&self) -> f64 {
        let real: usize = self.lengths.iter().sum();
        1.0 - real as f64 / self.ids.len() as f64
    }

    /// Moves the batch to a device; the masks that every layer reads are built here, once.
    pub fn to_device(&self, device: &Device) -> DeviceBatch {
        let (batch, seq) = (self.batch_size(), self.seq_len);
        let ints = |values: &Vec<i32>| {
            Tensor::<2, Int>::from_data(TensorData::new(values.clone(), [batch, seq]), device)
        };
        let is_padded = self.lengths.iter().any(|&length| length < seq);
        let hidden = self.lengths.iter().flat_map(|&length| (0..seq).map(move |i| i >= length));
        let key_bias = is_padded.then(|| {
            let bias: Vec<f32> = hidden.map(|pad| if pad { HIDDEN } else { 0.0 }).collect();
            Tensor::from_data(TensorData::new(bias, [batch, 1, 1, seq]), device)
        });
        let mean_weights: Vec<f32> = self
            .lengths
            .iter()
            .flat_map(|&length| {
                let weight = 1.0 / length as f32;
                (0..seq).map(move |i| if i < length { weight } else { 0.0 })
            })
            .collect();
        DeviceBatch {
            ids: ints(&self.ids),
            positions: ints(&self.positions),
            languages: self.languages.as_ref().map(ints),
            key_bias,
            mean_weights: Tensor::from_data(TensorData::new(mean_weights, [batch, 1, seq]), device),
            lengths: self.lengths.clone(),
        }
    }
}

/// What is added to the score of a padded key: finite, so that no row of scores turns into NaN, and
/// so low that its exponential is zero.
const HIDDEN: f32 = -1e9;

/// A batch on a device, as [`Encoder::forward`](crate::Encoder::forward) takes it.
#[derive(Clone, Debug)]
pub struct DeviceBatch {
    /// `[batch, seq]`
    pub(crate) ids: Tensor<2, Int>,
    /// `[batch, seq]`
    pub(crate) positions: Tensor<2, Int>,
    /// `[batch, seq]`
    pub(crate) languages: Option<Tensor<2, Int>>,
    /// `[batch, 1, 1, seq]`, absent where no row is padded.
    pub(crate) key_bias: Option<Tensor<4>>,
    /// `[batch, 1, seq]`: one over the length of the row at its tokens, 0 at padding.
    pub(crate) mean_weights: Tensor<3>,
    pub(crate) lengths: Vec<usize>,
}

impl DeviceBatch {
    /// The token ids, padding included. `[batch, seq]`
    pub fn ids(&self) -> Tensor<2, Int> {
        self.ids.clone()
    }

    /// The padding mask, `true` where a position is padding and so hidden, as Burn has it.
    /// `[batch, seq]`
    pub fn mask_pad(&self) -> Tensor<2, Bool> {
        self.mean_weights.clone().squeeze_dim::<2>(1).equal_elem(0.0)
    }

    /// The number of tokens of each row.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// `[batch, seq]`
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }
}

fn check_row(
    config: &EncoderConfig,
    sequence: usize,
    row: &SequenceInput,
) -> Result<(), BatchError> {
    if row.is_empty() {
        return Err(BatchError::EmptySequence { sequence });
    }
    let n_languages = config.n_languages;
    if row.languages.is_some() != (n_languages > 0) {
        let given = row.languages.is_some();
        return Err(BatchError::Languages { sequence, given, n_languages });
    }
    let languages = row.languages.as_deref();
    let columns = [
        ("id", Some(row.ids.as_slice()), config.vocab_size),
        ("position", Some(row.positions.as_slice()), config.max_positions),
        ("language", languages, n_languages),
    ];
    for (what, values, limit) in columns {
        let Some(values) = values else { continue };
        if values.len() != row.len() {
            let what = if what == "position" { "positions" } else { "languages" };
            let (found, expected) = (values.len(), row.len());
            return Err(BatchError::Length { sequence, what, found, expected });
        }
        if let Some(token) = values.iter().position(|&value| value as usize >= limit) {
            let found = values[token].into();
            return Err(BatchError::OutOfRange { sequence, token, what, found, limit });
        }
    }
    match row.ids.iter().position(|&id| id == config.pad_id) {
        Some(token) => Err(BatchError::Padding { sequence, token, pad_id: config.pad_id }),
        None => Ok(()),
    }
}

/// Burn's integers are signed; a table has fewer rows than either type can count.
pub(crate) fn to_i32(value: u32) -> i32 {
    value.cast_signed()
}
