//! Texts with more tokens than the model reads at once.

use crate::{LongText, SentenceError};

/// How texts are framed, and how much of one fits.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// What stands before the tokens of a text, and behind them.
    pub(crate) around: [Vec<u32>; 2],
    /// The most tokens of a row, those of the frame included.
    pub(crate) max_tokens: usize,
    /// Tokens at the beginning of each text that are those of the prompt.
    pub(crate) prompt_tokens: usize,
}

/// A text, or a window of one, as the model reads it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    /// Which text.
    pub(crate) text: usize,
    /// Its tokens, framed.
    pub(crate) ids: Vec<u32>,
    /// How many of them are the text's own.
    pub(crate) text_tokens: usize,
}

impl Frame {
    /// Checks that there is room, and that windows move within it.
    pub(crate) fn try_check(&self, long_text: LongText) -> Result<(), SentenceError> {
        let taken = self.taken();
        if self.max_tokens <= taken {
            let (found, expected) = (self.max_tokens, format!("more than {taken}"));
            return Err(SentenceError::Config { field: "max_tokens", found, expected });
        }
        let room = self.max_tokens - taken;
        match long_text {
            LongText::Window { stride } if stride == 0 || stride > room => {
                let expected = format!("from 1 to {room}, the text tokens of a window");
                Err(SentenceError::Config { field: "stride", found: stride, expected })
            }
            _ => Ok(()),
        }
    }

    fn taken(&self) -> usize {
        self.around.iter().map(Vec::len).sum::<usize>() + self.prompt_tokens
    }

    /// The rows of a text, whose `ids` begin with those of the prompt.
    pub(crate) fn rows(
        &self,
        text: usize,
        ids: &[u32],
        long_text: LongText,
    ) -> Result<Vec<Row>, SentenceError> {
        let (prompt, ids) = ids.split_at(self.prompt_tokens.min(ids.len()));
        let room = self.max_tokens - self.taken();
        let row = |ids: &[u32]| Row {
            text,
            ids: [&self.around[0], prompt, ids, &self.around[1]].concat(),
            text_tokens: ids.len(),
        };
        if ids.len() <= room {
            return Ok(vec![row(ids)]);
        }
        match long_text {
            LongText::Truncate => Ok(vec![row(&ids[..room])]),
            LongText::Window { stride } => {
                // The last window ends where the text does.
                let last = ids.len() - room;
                let starts = (0..last).step_by(stride).chain([last]);
                Ok(starts.map(|start| row(&ids[start..start + room])).collect())
            }
            LongText::Error => {
                let (tokens, max_tokens) = (ids.len() + self.taken(), self.max_tokens);
                Err(SentenceError::LongText { index: text, tokens, max_tokens })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { around: [vec![0], vec![2]], max_tokens: 6, prompt_tokens: 1 }
    }

    fn windows(ids: &[u32], long_text: LongText) -> Vec<Vec<u32>> {
        let frame = frame();
        frame.try_check(long_text).unwrap();
        let rows = frame.rows(7, ids, long_text).unwrap();
        assert!(rows.iter().all(|row| row.text == 7 && row.text_tokens == row.ids.len() - 3));
        rows.into_iter().map(|row| row.ids).collect()
    }

    #[test]
    fn what_fits_is_one_row_whatever_is_chosen() {
        for long_text in [LongText::Truncate, LongText::Error, LongText::Window { stride: 1 }] {
            assert_eq!(windows(&[9, 11, 12, 13], long_text), [[0, 9, 11, 12, 13, 2]]);
            assert_eq!(windows(&[9], long_text), [[0, 9, 2]]);
        }
    }

    #[test]
    fn windows_begin_with_the_prompt_and_end_with_the_text() {
        let ids = [9, 11, 12, 13, 14, 15];
        assert_eq!(windows(&ids, LongText::Truncate), [[0, 9, 11, 12, 13, 2]]);
        let found = windows(&ids, LongText::Window { stride: 3 });
        assert_eq!(found, [[0, 9, 11, 12, 13, 2], [0, 9, 13, 14, 15, 2]]);
        let found = windows(&ids, LongText::Window { stride: 1 });
        assert_eq!(found.len(), 3);
        let error = frame().rows(7, &ids, LongText::Error).unwrap_err();
        assert_eq!(error.to_string(), "text 7: 8 tokens, expected at most 6");
    }

    #[test]
    fn windows_without_room_are_refused() {
        let error = frame().try_check(LongText::Window { stride: 4 }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`stride` is 4, expected from 1 to 3, the text tokens of a window"
        );
        assert!(frame().try_check(LongText::Window { stride: 0 }).is_err());
        let narrow = Frame { max_tokens: 3, ..frame() };
        let error = narrow.try_check(LongText::Truncate).unwrap_err();
        assert_eq!(error.to_string(), "`max_tokens` is 3, expected more than 3");
    }
}
