//! The columns of a file, and texts as ids that a model reads.

use std::path::Path;

use isogloss::corpus::{ReadOptions, open_tsv};
use isogloss::tokenization::Vocabulary;
use isogloss::transformer::{EncoderConfig, Family, SequenceInput};
use isogloss_examples::Outcome;

/// Columns of a file with a header, row by row.
pub(crate) fn read<const N: usize>(path: &Path, columns: [&str; N]) -> Outcome<Vec<[String; N]>> {
    let mut rows: Vec<[String; N]> = Vec::new();
    for (place, column) in columns.into_iter().enumerate() {
        // What language it is in does not matter here: a tag that is nobody's.
        let reader = open_tsv(path, "qaa".parse()?, [column; 2], ReadOptions::default())?;
        for (row, record) in reader.enumerate() {
            if row == rows.len() {
                rows.push([const { String::new() }; N]);
            }
            rows[row][place] = record?.text;
        }
    }
    if rows.is_empty() {
        return Err(
            format!("{}: no row under its header, expected at least 1", path.display()).into()
        );
    }
    Ok(rows)
}

/// Puts texts between the special tokens that a model expects.
pub(crate) struct Framer<'a> {
    pub(crate) vocabulary: &'a Vocabulary,
    family: Family,
    has_types: bool,
    /// The most tokens of a sequence, special ones included.
    pub(crate) max_length: usize,
}

impl<'a> Framer<'a> {
    pub(crate) fn new(
        vocabulary: &'a Vocabulary,
        family: Family,
        encoder: &EncoderConfig,
        max_length: usize,
    ) -> Self {
        let has_types = encoder.n_token_types > 1;
        let max_length = max_length.min(encoder.max_positions);
        Self { vocabulary, family, has_types, max_length }
    }

    /// How many special tokens are around a text.
    pub(crate) fn around(&self) -> usize {
        self.vocabulary.frame().concat().len()
    }

    /// The place of the first token of a text.
    pub(crate) fn before(&self) -> usize {
        self.vocabulary.frame()[0].len()
    }

    /// A text, cut to what fits; and whether it had to be.
    pub(crate) fn single(&self, ids: &[u32]) -> (SequenceInput, bool) {
        let [before, after] = self.vocabulary.frame();
        let room = self.max_length.saturating_sub(before.len() + after.len());
        let kept = &ids[..ids.len().min(room)];
        (SequenceInput::new([before.as_slice(), kept, &after].concat()), kept.len() < ids.len())
    }

    /// How many special tokens are around two texts.
    pub(crate) fn around_pair(&self) -> usize {
        self.pair(&[], &[]).0.len()
    }

    /// Two texts that fit, and the place of the first token of the second.
    pub(crate) fn pair(&self, first: &[u32], second: &[u32]) -> (SequenceInput, usize) {
        let [before, after] = self.vocabulary.frame();
        let mut ids = [before.as_slice(), first, &after].concat();
        if matches!(self.family, Family::XlmRoberta | Family::XlmRobertaXl) {
            ids.extend(&after);
        }
        let start = ids.len();
        ids.extend(second);
        ids.extend(&after);
        let types = (0..ids.len()).map(|place| u32::from(place >= start)).collect();
        let input = SequenceInput::new(ids);
        (if self.has_types { input.with_token_types(types) } else { input }, start)
    }
}

/// Says how many texts did not fit, if any.
pub(crate) fn cut_note(count: usize, of: usize, max_length: usize) -> Option<String> {
    (count > 0).then(|| {
        format!(
            "{count} of {of} texts have more than {max_length} tokens, of which the first are read"
        )
    })
}

/// Says something of a file, if there is something to say.
pub(crate) fn print_note(path: &Path, note: Option<&str>) {
    if let Some(note) = note {
        println!("{}: {note}", path.display());
    }
}
