//! The columns of a file, and texts as ids that a model reads.

use std::path::Path;

use isogloss::corpus::{CorpusReadError, ReadOptions, open_tsv};
use isogloss::tokenization::{TextEncoder as _, Vocabulary};
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

/// Texts, each perhaps with another beside it, and what is so of them.
pub(crate) struct Texts {
    /// For a person.
    pub(crate) shown: Vec<String>,
    pub(crate) inputs: Vec<SequenceInput>,
    pub(crate) labels: Vec<String>,
}

impl Texts {
    /// Reads the columns `text` and `label`, and `pair` where there is one; says which do not fit the model.
    pub(crate) fn read(framer: &Framer<'_>, path: &Path) -> Outcome<Self> {
        let is_pair = has_column(path, "pair")?;
        let rows: Vec<[String; 3]> = if is_pair {
            read(path, ["text", "pair", "label"])?
        } else {
            let rows = read(path, ["text", "label"])?;
            rows.into_iter().map(|[text, label]| [text, String::new(), label]).collect()
        };
        let (mut shown, mut inputs, mut labels, mut cut) = (vec![], vec![], vec![], 0);
        for [text, pair, label] in rows {
            let ids = framer.vocabulary.encode(&text)?;
            let (input, is_cut) = if is_pair {
                framer.cut_pair(&ids, &framer.vocabulary.encode(&pair)?)
            } else {
                framer.single(&ids)
            };
            cut += usize::from(is_cut);
            inputs.push(input);
            shown.push(if is_pair { format!("{text} | {pair}") } else { text });
            labels.push(label);
        }
        print_note(path, cut_note(cut, shown.len(), framer.max_length).as_deref());
        Ok(Self { shown, inputs, labels })
    }
}

/// Whether a file has a column.
fn has_column(path: &Path, column: &str) -> Outcome<bool> {
    match open_tsv(path, "qaa".parse()?, [column; 2], ReadOptions::default()) {
        Ok(_) => Ok(true),
        Err(CorpusReadError::NoColumn { .. }) => Ok(false),
        Err(fault) => Err(fault.into()),
    }
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

    /// Two texts, of which the longer one is cut until both fit; and whether one had to be.
    fn cut_pair(&self, first: &[u32], second: &[u32]) -> (SequenceInput, bool) {
        let room = self.max_length.saturating_sub(self.around_pair());
        let [kept, other] = shares_of(room, [first.len(), second.len()]);
        let (input, _) = self.pair(&first[..kept], &second[..other]);
        (input, kept < first.len() || other < second.len())
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

/// How much of two texts is kept so that both fit: the longer one is cut first, and keeps the odd token, as by
/// `longest_first` of tokenizers.
fn shares_of(room: usize, [first, second]: [usize; 2]) -> [usize; 2] {
    if first + second <= room {
        [first, second]
    } else if first <= second {
        let kept = first.min(room / 2);
        [kept, room - kept]
    } else {
        let kept = second.min(room / 2);
        [room - kept, kept]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_text_is_cut() {
        // Against what takes one token off at a time.
        for (room, first, second) in
            (0..9).flat_map(|r| (0..9).flat_map(move |a| (0..9).map(move |b| (r, a, b))))
        {
            let (mut a, mut b) = (first, second);
            while a + b > room {
                if a > b || (a == b && first <= second) { a -= 1 } else { b -= 1 }
            }
            assert_eq!(shares_of(room, [first, second]), [a, b], "{room} {first} {second}");
        }
    }
}
