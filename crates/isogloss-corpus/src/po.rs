//! Catalogues of translated messages.

use std::path::Path;

use isogloss_core::LanguageTag;

use crate::lines::Lines;
use crate::{CorpusReadError, Pair, ReadOptions};

/// Reads the translations of a gettext PO catalogue.
///
/// Of a message with plural forms the singular is taken. The header and messages that are not
/// translated, fuzzy or obsolete are no pairs; [`PoReader::skipped`] counts them by kind.
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
    // A string may be cut anywhere, and is composed when it is whole.
    let lines = Lines::open(path, ReadOptions::default())?;
    let skipped = SkippedMessages::default();
    Ok(PoReader { lines, languages, options, pending: None, skipped, ended: false })
}

/// The pairs of a catalogue, read as they are asked for.
#[derive(Debug)]
pub struct PoReader {
    lines: Lines,
    languages: [LanguageTag; 2],
    options: ReadOptions,
    /// A line that belongs to the next message.
    pending: Option<String>,
    skipped: SkippedMessages,
    ended: bool,
}

/// Messages of a catalogue that are no pairs, by kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct SkippedMessages {
    /// The message of the empty text, which describes the catalogue.
    pub header: u64,
    /// Messages without a translation.
    pub untranslated: u64,
    /// Messages whose translation is a guess that nobody has confirmed.
    pub fuzzy: u64,
    /// Messages that the program no longer has.
    pub obsolete: u64,
}

impl SkippedMessages {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.header + self.untranslated + self.fuzzy + self.obsolete
    }
}

/// A message as it is put together. Its texts are bytes until they are whole, for an escape may
/// stand for a part of a letter.
#[derive(Default)]
struct Message {
    id: Option<Vec<u8>>,
    translation: Option<Vec<u8>>,
    is_fuzzy: bool,
    /// Which text a bare string goes on with.
    last: Option<Field>,
}

#[derive(Clone, Copy, PartialEq)]
enum Field {
    Id,
    Translation,
    Other,
}

impl PoReader {
    /// How many messages were no pairs so far.
    pub fn skipped(&self) -> SkippedMessages {
        self.skipped
    }

    fn next_pair(&mut self) -> Result<Option<Pair>, CorpusReadError> {
        while let Some(message) = self.next_message()? {
            let (Some(id), Some(translation)) = (message.id, message.translation) else {
                let found = "the end of the file".to_owned();
                return Err(self.syntax(found, "the `msgstr` of the `msgid` above"));
            };
            let count = if id.is_empty() {
                &mut self.skipped.header
            } else if translation.is_empty() {
                &mut self.skipped.untranslated
            } else if message.is_fuzzy {
                &mut self.skipped.fuzzy
            } else {
                let texts = [self.text(id)?, self.text(translation)?];
                return Ok(Some(Pair { languages: self.languages.clone(), texts }));
            };
            *count += 1;
        }
        Ok(None)
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
            } else if let Some(obsolete) = line.strip_prefix("#~") {
                // The flags above were of this message, which nobody reads on.
                message.is_fuzzy = false;
                let is_first = obsolete.trim_start().strip_prefix("msgid");
                self.skipped.obsolete +=
                    u64::from(is_first.is_some_and(|rest| !rest.starts_with("_plural")));
            } else if !line.is_empty() && !line.starts_with('#') {
                self.add(&mut message, line)?;
            }
        }
    }

    fn add(&self, message: &mut Message, line: &str) -> Result<(), CorpusReadError> {
        let syntax = |expected| self.syntax(format!("`{line}`"), expected);
        let (keyword, string) = match line.find('"') {
            Some(start) => (line[..start].trim(), &line[start..]),
            None => return Err(syntax("a keyword and a string in quotes")),
        };
        let bytes = unquote(string)
            .ok_or_else(|| syntax("a string in quotes, with the escapes that C has"))?;
        match (keyword, message.last) {
            ("", Some(Field::Id)) => message.id.get_or_insert_default().extend(bytes),
            ("", Some(Field::Translation)) => {
                message.translation.get_or_insert_default().extend(bytes);
            }
            ("", Some(Field::Other)) => {}
            ("", None) => return Err(syntax("a keyword before the first string")),
            ("msgid", _) if message.id.is_some() => {
                return Err(syntax("the `msgstr` of the `msgid` above"));
            }
            ("msgid", _) => (message.id, message.last) = (Some(bytes), Some(Field::Id)),
            ("msgctxt" | "msgid_plural", _) => message.last = Some(Field::Other),
            (other, _) if !(other == "msgstr" || other.starts_with("msgstr[")) => {
                return Err(syntax("`msgid`, `msgstr`, `msgctxt` or `msgid_plural`"));
            }
            _ if message.id.is_none() => {
                return Err(syntax("the `msgid` of this message first"));
            }
            ("msgstr" | "msgstr[0]", _) if message.translation.is_some() => {
                return Err(syntax("one `msgstr` for each `msgid`"));
            }
            ("msgstr" | "msgstr[0]", _) => {
                (message.translation, message.last) = (Some(bytes), Some(Field::Translation));
            }
            _ => message.last = Some(Field::Other),
        }
        Ok(())
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, CorpusReadError> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let found = format!("escapes that make the bytes {:02x?}", error.as_bytes());
            self.syntax(found, "UTF-8")
        })?;
        Ok(self.options.apply(&text))
    }

    fn syntax(&self, found: String, expected: &'static str) -> CorpusReadError {
        let path = self.lines.path().to_owned();
        CorpusReadError::Syntax { path, line: self.lines.line(), found, expected }
    }
}

impl Iterator for PoReader {
    type Item = Result<Pair, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended && self.pending.is_none() {
            return None;
        }
        let pair = self.next_pair().transpose();
        self.ended |= matches!(pair, Some(Err(_)));
        pair
    }
}

/// The bytes of a string in quotes, with its escapes resolved: those of C.
fn unquote(string: &str) -> Option<Vec<u8>> {
    let inner = string.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => return None,
            b'\\' => {
                let (byte, after) = escape(rest)?;
                bytes.push(byte);
                rest = after;
            }
            other => bytes.push(*other),
        }
    }
    Some(bytes)
}

/// The byte that the characters after a backslash stand for, and what follows them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (kind, after) = text.split_first()?;
    let byte = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' | b'\'' | b'?' => *kind,
        b'x' => return number(after, 16, usize::MAX),
        b'0'..=b'7' => return number(text, 8, 3),
        _ => return None,
    };
    Some((byte, after))
}

/// A byte written in at most so many digits, and what follows them.
fn number(text: &[u8], radix: u32, at_most: usize) -> Option<(u8, &[u8])> {
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let digits = text.iter().take(at_most).take_while(is_digit).count();
    let (digits, after) = text.split_at(digits);
    let value = u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    Some((value, after))
}
