//! Catalogues of translated messages.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, Pair, ReadOptions};

/// Reads the translations of a gettext PO catalogue.
///
/// Of a message with plural forms the singular is taken. Messages that are not translated or are
/// fuzzy, and the header, are no pairs; [`PoReader::skipped`] counts them. Obsolete messages are
/// comments.
///
/// # Source
///
/// <https://www.gnu.org/software/gettext/manual/html_node/PO-Files.html>
///
/// # Errors
///
/// [`CorpusReadError::Io`] where the file cannot be opened; as items, [`CorpusReadError::Syntax`]
/// for a line that is none of PO's.
pub fn open_po(
    path: &Path,
    languages: [LanguageTag; 2],
    options: ReadOptions,
) -> Result<PoReader, CorpusReadError> {
    let lines = Lines::open(path, options)?;
    Ok(PoReader { lines, languages, pending: None, skipped: 0, ended: false })
}

/// The pairs of a catalogue, read as they are asked for.
#[derive(Debug)]
pub struct PoReader {
    lines: Lines,
    languages: [LanguageTag; 2],
    /// A line that belongs to the next message.
    pending: Option<String>,
    skipped: u64,
    ended: bool,
}

/// A message as it is put together.
#[derive(Default)]
struct Message {
    id: Option<String>,
    translation: Option<String>,
    is_fuzzy: bool,
    /// Which text a bare string goes on with.
    last: Field,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Field {
    #[default]
    Other,
    Id,
    Translation,
}

impl PoReader {
    /// How many messages were no pairs so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn next_pair(&mut self) -> Result<Option<Pair>, CorpusReadError> {
        loop {
            let Some(message) = self.next_message()? else { return Ok(None) };
            match (message.id, message.translation) {
                (Some(id), Some(translation))
                    if !message.is_fuzzy && !id.is_empty() && !translation.is_empty() =>
                {
                    let languages = self.languages.clone();
                    return Ok(Some(Pair { languages, texts: [id, translation] }));
                }
                _ => self.skipped += 1,
            }
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, CorpusReadError> {
        let mut message = Message::default();
        loop {
            let line = match self.pending.take() {
                Some(line) => Some(line),
                None => self.lines.next_line()?,
            };
            let Some(line) = line else {
                self.ended = true;
                return Ok(message.id.is_some().then_some(message));
            };
            let line = line.trim();
            // A message ends where its translation was and something else begins.
            let begins = line.starts_with('#')
                || line.starts_with("msgctxt")
                || (line.starts_with("msgid") && !line.starts_with("msgid_plural"));
            if begins && message.translation.is_some() {
                self.pending = Some(line.to_owned());
                return Ok(Some(message));
            }
            if let Some(flags) = line.strip_prefix("#,") {
                message.is_fuzzy |= flags.split(',').any(|flag| flag.trim() == "fuzzy");
            }
            if !line.is_empty() && !line.starts_with('#') {
                self.add(&mut message, line)?;
            }
        }
    }

    fn add(&self, message: &mut Message, line: &str) -> Result<(), CorpusReadError> {
        let syntax = |expected| CorpusReadError::Syntax {
            path: self.lines.path().to_owned(),
            line: self.lines.line(),
            found: format!("`{line}`"),
            expected,
        };
        let (keyword, string) = match line.find('"') {
            Some(start) => (line[..start].trim(), &line[start..]),
            None => return Err(syntax("a keyword and a string in quotes")),
        };
        let text = unquote(string).ok_or_else(|| syntax("a string in quotes"))?;
        match keyword {
            "" => match message.last {
                Field::Id => message.id.get_or_insert_default().push_str(&text),
                Field::Translation => message.translation.get_or_insert_default().push_str(&text),
                Field::Other => {}
            },
            "msgid" if message.id.is_some() => {
                return Err(syntax("the `msgstr` of the `msgid` above"));
            }
            "msgid" => (message.id, message.last) = (Some(text), Field::Id),
            "msgstr" | "msgstr[0]" => {
                (message.translation, message.last) = (Some(text), Field::Translation);
            }
            "msgctxt" | "msgid_plural" => message.last = Field::Other,
            other if other.starts_with("msgstr[") => message.last = Field::Other,
            _ => return Err(syntax("`msgid`, `msgstr`, `msgctxt` or `msgid_plural`")),
        }
        Ok(())
    }
}

impl Iterator for PoReader {
    type Item = Result<Pair, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let pair = self.next_pair().transpose();
        self.ended |= matches!(pair, Some(Err(_)));
        pair
    }
}

/// The text of a string in quotes, with its escapes resolved.
fn unquote(string: &str) -> Option<String> {
    let inner = string.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => text.push(other),
        }
    }
    Some(text)
}
