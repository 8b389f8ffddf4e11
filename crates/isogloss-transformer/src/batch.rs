//! Rows of tokens, checked on the host and padded to the longest.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use isogloss_kernels::{HIDDEN, Visibility, causal_bias};

use crate::packing::{Packed, PackedRows};
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
    // Invariant: `ids`, `positions`, `is_token` and, where there are any, `languages` and
    // `token_types` are `[lengths.len(), seq_len]` in row-major order and within the tables of the
    // configuration; each row has at least one token, and `lengths` says how many.
    ids: Vec<i32>,
    positions: Vec<i32>,
    languages: Option<Vec<i32>>,
    // Absent where all are 0.
    token_types: Option<Vec<i32>>,
    is_token: Vec<bool>,
    lengths: Vec<usize>,
    seq_len: usize,
    causal: bool,
    // Less than the shortest row.
    pooled_from: usize,
    packing: Option<usize>,
}

/// Rows that somebody else has padded, on any side, in row-major order. Each column is
/// `[batch, seq]`.
#[derive(Clone, Debug, Default)]
pub struct PaddedRows {
    /// Token ids, padding included.
    pub ids: Vec<u32>,
    /// Which of them are tokens; the others are hidden from all.
    pub is_token: Vec<bool>,
    /// Rows of the position embedding, of which the first token's is
    /// [`position_offset`](EncoderConfig::position_offset), 2 in XLM-R. `None` for those that the model
    /// itself would take: in a model with an offset, padding has the row before the first and does not
    /// count; in any other the rows are `0, 1, 2, …`, padding included.
    pub positions: Option<Vec<u32>>,
    /// Rows of the language embedding, for models that have one; `None` adds nothing, as in
    /// transformers.
    pub languages: Option<Vec<u32>>,
    /// Rows of the token-type embedding; `None` for 0.
    pub token_types: Option<Vec<u32>>,
}

impl EncoderBatch {
    /// Checks the rows against the tables of `config` and pads them to the longest.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_new(config: &EncoderConfig, rows: &[SequenceInput]) -> Result<Self, BatchError> {
        for (sequence, row) in rows.iter().enumerate() {
            check_sequence(config, sequence, row)?;
        }
        let seq_len = rows.iter().map(SequenceInput::len).max().ok_or(BatchError::Empty)?;
        // Padding is of type 0 and takes the language of its row: nothing reads it.
        let padded = |values: fn(&SequenceInput) -> &[u32], pad: Option<u32>| {
            let mut flat = Vec::with_capacity(rows.len() * seq_len);
            for (row, values) in rows.iter().map(values).enumerate() {
                flat.extend(values);
                let last = flat.last().copied().unwrap_or_default();
                flat.resize((row + 1) * seq_len, pad.unwrap_or(last));
            }
            flat
        };
        let lengths: Vec<_> = rows.iter().map(SequenceInput::len).collect();
        let is_token = lengths.iter().flat_map(|&length| (0..seq_len).map(move |i| i < length));
        let is_token: Vec<_> = is_token.collect();
        let positions = padded(|row| &row.positions, Some(0));
        let has_types = rows.iter().any(|row| row.token_types.is_some());
        Ok(Self {
            ids: to_i32s(padded(|row| &row.ids, Some(config.pad_id))),
            positions: table_rows(config, positions, &is_token),
            languages: (config.n_languages > 0)
                .then(|| to_i32s(padded(|row| row.languages.as_deref().unwrap_or_default(), None))),
            token_types: has_types
                .then(|| padded(|row| row.token_types.as_deref().unwrap_or_default(), Some(0)))
                .and_then(types_that_differ),
            is_token,
            lengths,
            seq_len,
            causal: config.causal,
            pooled_from: 0,
            packing: None,
        })
    }

    /// Checks rows that are padded already, on the right, on the left or between.
    ///
    /// # Errors
    ///
    /// [`BatchError`], with the row and the token.
    pub fn try_from_padded(
        config: &EncoderConfig,
        seq_len: usize,
        rows: &PaddedRows,
    ) -> Result<Self, BatchError> {
        if rows.ids.is_empty() || seq_len == 0 {
            return Err(BatchError::Empty);
        }
        let batch = rows.ids.len().div_ceil(seq_len);
        let lengths = [
            ("ids", Some(rows.ids.len())),
            ("mask", Some(rows.is_token.len())),
            ("positions", rows.positions.as_ref().map(Vec::len)),
            ("languages", rows.languages.as_ref().map(Vec::len)),
            ("token types", rows.token_types.as_ref().map(Vec::len)),
        ];
        for (what, found) in lengths {
            let expected = batch * seq_len;
            if let Some(found) = found.filter(|&found| found != expected) {
                return Err(BatchError::Rows { what, found, expected });
            }
        }
        let positions = match &rows.positions {
            Some(positions) => positions.clone(),
            None => own_positions(config, seq_len, &rows.ids),
        };
        for sequence in 0..batch {
            let part = |values: &Vec<u32>| values[sequence * seq_len..][..seq_len].to_vec();
            let (ids, positions) = (part(&rows.ids), part(&positions));
            let languages = rows.languages.as_ref().map(part);
            let token_types = rows.token_types.as_ref().map(part);
            let row = SequenceInput { ids, positions, languages, token_types };
            check_columns(config, sequence, &row, config.position_rows())?;
        }
        let lengths = rows.is_token.chunks_exact(seq_len);
        let lengths: Vec<_> =
            lengths.map(|row| row.iter().filter(|&&is_token| is_token).count()).collect();
        if let Some(sequence) = lengths.iter().position(|&length| length == 0) {
            return Err(BatchError::EmptySequence { sequence });
        }
        Ok(Self {
            ids: to_i32s(rows.ids.clone()),
            positions: to_i32s(positions),
            languages: rows.languages.clone().map(to_i32s),
            token_types: rows.token_types.clone().and_then(types_that_differ),
            is_token: rows.is_token.clone(),
            lengths,
            seq_len,
            causal: config.causal,
            pooled_from: 0,
            packing: None,
        })
    }

    /// Leaves the first `count` tokens of each row out of its vector, such as those of a prompt; they are
    /// read by the others all the same.
    ///
    /// # Errors
    ///
    /// [`BatchError::Prompt`] where a row has no token besides.
    pub fn without_pooling(self, count: usize) -> Result<Self, BatchError> {
        if let Some(sequence) = self.lengths.iter().position(|&length| length <= count) {
            return Err(BatchError::Prompt { sequence, length: self.lengths[sequence], count });
        }
        Ok(Self { pooled_from: count, ..self })
    }

    /// Lets layers read several sequences in one row of up to `row` tokens, so that they compute nothing for
    /// padding; a longer sequence has a row by itself. Nothing else changes: tokens see those of their
    /// sequence only, and hidden states come back row by row as without.
    ///
    /// On Flex each sequence is computed by itself, however long rows are; elsewhere attention takes time by
    /// the length of rows.
    ///
    /// # Source
    ///
    /// Krell et al. (2021), "Efficient Sequence Packing without Cross-contamination",
    /// <https://arxiv.org/abs/2107.02027>; sequences are placed longest first, each where it first fits.
    #[must_use]
    pub fn packed(self, row: usize) -> Self {
        Self { packing: Some(row), ..self }
    }

    /// The rows of the batch several times over, one copy behind the other, for adapters that act in
    /// [parallel](isogloss_peft::Composition::Parallel).
    #[must_use]
    pub fn repeated(&self, copies: usize) -> Self {
        Self {
            ids: self.ids.repeat(copies),
            positions: self.positions.repeat(copies),
            languages: self.languages.as_ref().map(|column| column.repeat(copies)),
            token_types: self.token_types.as_ref().map(|column| column.repeat(copies)),
            is_token: self.is_token.repeat(copies),
            lengths: self.lengths.repeat(copies),
            ..*self
        }
    }

    /// The largest row of the table of positions that it reads.
    pub(crate) fn last_position(&self) -> usize {
        self.positions.iter().max().map_or(0, |&last| last.unsigned_abs() as usize)
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

    /// The share of what layers read that is padding.
    pub fn padding_share(&self) -> f64 {
        let real: usize = self.lengths.iter().sum();
        let read = match self.packing {
            Some(row) => {
                let [rows, seq] = PackedRows::new(&self.lengths, row).dims();
                rows * seq
            }
            None => self.ids.len(),
        };
        1.0 - real as f64 / read as f64
    }

    /// Moves the batch to a device; the masks that every layer reads are built here, once.
    pub fn to_device(&self, device: &Device) -> DeviceBatch {
        let (batch, seq) = (self.batch_size(), self.seq_len);
        let ints = |values: &Vec<i32>| {
            Tensor::<2, Int>::from_data(TensorData::new(values.clone(), [batch, seq]), device)
        };
        let floats = |values: Vec<f32>, shape: [usize; 4]| {
            Tensor::<4>::from_data(TensorData::new(values, shape), device)
        };
        let hidden = |is_hidden| if is_hidden { HIDDEN } else { 0.0 };
        let is_padded = self.is_token.iter().any(|is_token| !is_token);
        let key_bias = is_padded.then(|| {
            let bias = self.is_token.iter().map(|is_token| hidden(!is_token)).collect();
            floats(bias, [batch, 1, 1, seq])
        });
        let (packed, visibility) = if let Some(row) = self.packing {
            let rows = PackedRows::new(&self.lengths, row);
            let lengths = rows.lengths(&self.lengths);
            let visibility = Visibility::packed(&lengths, rows.seq, self.causal, device);
            (Some(rows.to_device(&self.is_token, seq, device)), visibility)
        } else {
            let causal = self.causal.then(|| causal_bias(seq, device));
            let bias = match (key_bias.clone(), causal) {
                // Both at once are as far out of reach as one.
                (Some(key), Some(causal)) => Some((key + causal).clamp_min(HIDDEN)),
                (key, causal) => key.or(causal),
            };
            (None, bias.map(Visibility::biased).unwrap_or_default())
        };
        let rows = self.is_token.chunks_exact(seq).zip(&self.lengths);
        let weights = rows.flat_map(|(row, &length)| {
            let mut before = 0;
            row.iter().map(move |&is_token| {
                before += usize::from(is_token);
                let is_pooled = is_token && before > self.pooled_from;
                if is_pooled { 1.0 / (length - self.pooled_from) as f32 } else { 0.0 }
            })
        });
        let mean_weights = TensorData::new(weights.collect::<Vec<f32>>(), [batch, 1, seq]);
        DeviceBatch {
            ids: ints(&self.ids),
            positions: ints(&self.positions),
            languages: self.languages.as_ref().map(ints),
            token_types: self.token_types.as_ref().map(ints),
            key_bias,
            visibility,
            packed,
            mean_weights: Tensor::from_data(mean_weights, device),
            pools_everything: !is_padded && self.pooled_from == 0,
            lengths: self.lengths.clone(),
            causal: self.causal,
            last_position: self
                .positions
                .iter()
                .max()
                .map_or(0, |&last| last.unsigned_abs() as usize),
        }
    }
}

/// A batch on a device, as [`Encoder::forward`](crate::Encoder::forward) takes it.
#[derive(Clone, Debug)]
pub struct DeviceBatch {
    /// `[batch, seq]`
    pub(crate) ids: Tensor<2, Int>,
    /// `[batch, seq]`, rows of the table
    pub(crate) positions: Tensor<2, Int>,
    /// `[batch, seq]`
    pub(crate) languages: Option<Tensor<2, Int>>,
    /// `[batch, seq]`, absent where all are 0.
    pub(crate) token_types: Option<Tensor<2, Int>>,
    /// `[batch, 1, 1, seq]`, absent where no row is padded.
    key_bias: Option<Tensor<4>>,
    visibility: Visibility,
    packed: Option<Packed>,
    /// `[batch, 1, seq]`: one over the number of pooled tokens of the row at these, 0 elsewhere.
    pub(crate) mean_weights: Tensor<3>,
    /// Whether no weight is 0.
    pub(crate) pools_everything: bool,
    pub(crate) lengths: Vec<usize>,
    causal: bool,
    /// The largest of `positions`.
    pub(crate) last_position: usize,
}

impl DeviceBatch {
    /// Which tokens of the rows that layers read see which.
    pub(crate) fn visibility(&self) -> &Visibility {
        &self.visibility
    }

    /// `[batch, 1, 1, seq]`, absent where no row is padded.
    pub(crate) fn key_bias(&self) -> Option<&Tensor<4>> {
        self.key_bias.as_ref()
    }

    /// Whether tokens see those before them alone.
    pub(crate) fn is_causal(&self) -> bool {
        self.causal
    }

    /// Whether several sequences stand in one row.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// The rows that layers read, and their length; those of the batch, unless it is packed.
    pub fn layer_dims(&self) -> [usize; 2] {
        self.packed.as_ref().map_or_else(|| self.dims(), |packed| packed.dims)
    }

    /// A column as layers read it. `[batch, seq]` to `[rows · row]`
    pub(crate) fn layer_rows(&self, column: &Tensor<2, Int>) -> Tensor<1, Int> {
        let flat = column.clone().flatten(0, 1);
        match &self.packed {
            Some(packed) => flat.select(0, packed.places.clone()),
            None => flat,
        }
    }

    /// Where layers have what is at places of the flattened batch, if those are less than half of what they read.
    /// `[n]`, each below `batch · seq`
    pub(crate) fn few_slots(&self, flat_positions: &Tensor<1, Int>) -> Option<Tensor<1, Int>> {
        let [rows, seq] = self.layer_dims();
        let is_few = 2 * flat_positions.dims()[0] < rows * seq;
        is_few.then(|| match &self.packed {
            Some(packed) => packed.slots.clone().select(0, flat_positions.clone()),
            None => flat_positions.clone(),
        })
    }

    /// What layers made of their rows. `[rows · row, d_model]` to `[batch, seq, d_model]`
    pub(crate) fn hidden(&self, rows: Tensor<2>) -> Tensor<3> {
        let ([batch, seq], [_, d_model]) = (self.dims(), rows.dims());
        let rows = match &self.packed {
            Some(packed) => rows.select(0, packed.slots.clone()),
            None => rows,
        };
        rows.reshape([batch, seq, d_model])
    }

    /// The same rows with other tokens. `[batch, seq]`
    pub(crate) fn with_ids(&self, ids: Tensor<2, Int>) -> Self {
        Self { ids, ..self.clone() }
    }

    /// The token ids, padding included. `[batch, seq]`
    pub fn ids(&self) -> Tensor<2, Int> {
        self.ids.clone()
    }

    /// The padding mask, `true` where a position is padding and so hidden, as Burn has it.
    /// `[batch, seq]`
    pub fn mask_pad(&self) -> Tensor<2, Bool> {
        match &self.key_bias {
            Some(bias) => bias.clone().reshape(self.dims()).lower_elem(0.0),
            None => self.ids.zeros_like().bool(),
        }
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

/// Rows of the position embedding as the model itself would have them.
fn own_positions(config: &EncoderConfig, seq_len: usize, ids: &[u32]) -> Vec<u32> {
    let first = u32::try_from(config.position_offset).unwrap_or(u32::MAX);
    let mut positions = Vec::with_capacity(ids.len());
    for row in ids.chunks(seq_len) {
        let mut next = first;
        for &id in row {
            let is_placed = first == 0 || id != config.pad_id;
            positions.push(if is_placed { next } else { first - 1 });
            next += u32::from(is_placed);
        }
    }
    positions
}

/// The rows of the position embedding. Padding has the row before the first, if any.
fn table_rows(config: &EncoderConfig, positions: Vec<u32>, is_token: &[bool]) -> Vec<i32> {
    let offset = i32::try_from(config.position_offset).unwrap_or(i32::MAX);
    let rows = positions.into_iter().zip(is_token).map(|(position, is_token)| {
        if *is_token { to_i32(position) + offset } else { (offset - 1).max(0) }
    });
    rows.collect()
}

/// Token types, unless all are 0.
fn types_that_differ(types: Vec<u32>) -> Option<Vec<i32>> {
    types.iter().any(|&kind| kind > 0).then(|| to_i32s(types))
}

/// Checks a row that is not padded yet.
pub(crate) fn check_sequence(
    config: &EncoderConfig,
    sequence: usize,
    row: &SequenceInput,
) -> Result<(), BatchError> {
    if row.is_empty() {
        return Err(BatchError::EmptySequence { sequence });
    }
    let n_languages = config.n_languages;
    if row.languages.is_none() && n_languages > 0 {
        return Err(BatchError::Languages { sequence, given: false, n_languages });
    }
    check_columns(config, sequence, row, config.max_positions)?;
    match row.ids.iter().position(|&id| id == config.pad_id) {
        Some(token) => Err(BatchError::Padding { sequence, token, pad_id: config.pad_id }),
        None => Ok(()),
    }
}

/// Checks what there is, with positions below `limit`.
fn check_columns(
    config: &EncoderConfig,
    sequence: usize,
    row: &SequenceInput,
    limit: usize,
) -> Result<(), BatchError> {
    let (n_languages, n_token_types) = (config.n_languages, config.n_token_types);
    if row.languages.is_some() && n_languages == 0 {
        return Err(BatchError::Languages { sequence, given: true, n_languages });
    }
    if row.token_types.is_some() && n_token_types == 0 {
        return Err(BatchError::TokenTypes { sequence });
    }
    let columns = [
        ["id", "ids"],
        ["position", "positions"],
        ["language", "languages"],
        ["token type", "token types"],
    ];
    let values = [
        (Some(row.ids.as_slice()), config.vocab_size),
        (Some(row.positions.as_slice()), limit),
        (row.languages.as_deref(), n_languages),
        (row.token_types.as_deref(), n_token_types),
    ];
    for ([what, plural], (values, limit)) in columns.into_iter().zip(values) {
        let Some(values) = values else { continue };
        if values.len() != row.len() {
            let (found, expected) = (values.len(), row.len());
            return Err(BatchError::Length { sequence, what: plural, found, expected });
        }
        if let Some(token) = values.iter().position(|&value| value as usize >= limit) {
            let found = values[token].into();
            return Err(BatchError::OutOfRange { sequence, token, what, found, limit });
        }
    }
    Ok(())
}

/// The labels of single tokens: where each token is in the flattened batch, `row · seq + token`, and
/// its label. `names` are those of a place, a label and the labels in errors; labels are below
/// `limit`.
pub(crate) fn flat_labels<'a>(
    rows: impl Iterator<Item = (&'a SequenceInput, &'a [usize], &'a [u32])>,
    seq_len: usize,
    names: [&'static str; 3],
    limit: usize,
) -> Result<(Vec<i64>, Vec<i32>), BatchError> {
    let [place, label, plural] = names;
    let (mut flat_positions, mut flat) = (Vec::new(), Vec::new());
    for (sequence, (input, positions, labels)) in rows.enumerate() {
        let (found, expected) = (labels.len(), positions.len());
        if found != expected {
            return Err(BatchError::Length { sequence, what: plural, found, expected });
        }
        let mut is_labelled = vec![false; input.len()];
        for (&token, &id) in positions.iter().zip(labels) {
            let checks = [(place, token as u64, input.len()), (label, id.into(), limit)];
            for (what, found, limit) in checks {
                if found >= limit as u64 {
                    return Err(BatchError::OutOfRange { sequence, token, what, found, limit });
                }
            }
            if std::mem::replace(&mut is_labelled[token], true) {
                return Err(BatchError::Repeated { sequence, token, what: place });
            }
            flat_positions.push(((sequence * seq_len + token) as u64).cast_signed());
            flat.push(to_i32(id));
        }
    }
    Ok((flat_positions, flat))
}

/// Burn's integers are signed; a table has fewer rows than either type can count.
pub(crate) fn to_i32(value: u32) -> i32 {
    value.cast_signed()
}

fn to_i32s(values: Vec<u32>) -> Vec<i32> {
    values.into_iter().map(to_i32).collect()
}
