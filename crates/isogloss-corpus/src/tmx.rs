//! Translation memories.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use isogloss_core::LanguageTag;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::lines::open_unpacked;
use crate::{CorpusReadError, Pair, ReadOptions};

/// Reads the units of a TMX file that have a segment in both languages.
///
/// A segment's language is that of its `tuv` (`xml:lang`). Of two variants of a language, the one with
/// the region that was asked for is taken, else the first. Text inside `bpt`, `ept`, `it`, `ph` and `ut` is
/// mark-up and left out; text inside `hi` is text. Units that lack one
/// of the languages are no pairs; [`TmxReader::skipped`] counts them.
///
/// # Source
///
/// TMX 1.4b, <https://www.gala-global.org/tmx-14b>.
///
/// # Errors
///
/// [`CorpusReadError::Io`] where the file cannot be opened; as items, [`CorpusReadError::Syntax`]
/// with the line at which it stops being XML, or ends before its elements do.
pub fn open_tmx(
    path: &Path,
    languages: [LanguageTag; 2],
    options: ReadOptions,
) -> Result<TmxReader, CorpusReadError> {
    let reader = LineCounter { reader: open_unpacked(path)?, line: 1 };
    Ok(TmxReader {
        path: path.to_owned(),
        reader: Reader::from_reader(reader),
        languages,
        options,
        unit: Unit::default(),
        ready: VecDeque::new(),
        depth: 0,
        is_tmx: false,
        skipped: 0,
        ended: false,
    })
}

/// The pairs of a translation memory, read as they are asked for.
#[derive(Debug)]
pub struct TmxReader {
    path: PathBuf,
    reader: Reader<LineCounter>,
    languages: [LanguageTag; 2],
    options: ReadOptions,
    unit: Unit,
    ready: VecDeque<Pair>,
    /// How many elements are open.
    depth: u64,
    /// Whether the outermost element has begun.
    is_tmx: bool,
    skipped: u64,
    ended: bool,
}

/// A unit as it is read.
#[derive(Debug, Default)]
struct Unit {
    /// Its variants, in the order of the file; those in a language that nobody asked for too.
    variants: Vec<Variant>,
    in_segment: bool,
    /// How deep inside inline elements.
    inline: usize,
}

/// A segment of a unit.
#[derive(Debug)]
struct Variant {
    language: Option<LanguageTag>,
    text: Option<String>,
}

impl TmxReader {
    /// How many units were no pairs so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn next_pair(&mut self) -> Result<Option<Pair>, CorpusReadError> {
        let mut buffer = Vec::new();
        while self.ready.is_empty() {
            buffer.clear();
            let event = self.reader.read_event_into(&mut buffer);
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(self.syntax(error.to_string())),
            };
            match event {
                Event::Empty(start) => {
                    if self.depth == 0 && start.local_name().as_ref() != "tmx" {
                        return Err(self.syntax(format!("`<{}>`", start.local_name().as_ref())));
                    }
                    self.is_tmx = true;
                }
                Event::Start(start) => {
                    if self.depth == 0 && start.local_name().as_ref() != "tmx" {
                        return Err(self.syntax(format!("`<{}>`", start.local_name().as_ref())));
                    }
                    (self.depth, self.is_tmx) = (self.depth + 1, true);
                    if let Err(found) = self.unit.start(&start) {
                        return Err(self.syntax(found));
                    }
                }
                Event::End(end) => {
                    self.depth = self.depth.saturating_sub(1);
                    match end.local_name().as_ref() {
                        "tu" => self.end_unit(),
                        "seg" => self.unit.in_segment = false,
                        name if is_markup(name) => {
                            self.unit.inline = self.unit.inline.saturating_sub(1);
                        }
                        _ => {}
                    }
                }
                Event::Text(text) => self.unit.push(&text.replace("\r\n", "\n")),
                Event::GeneralRef(reference) => {
                    let reference = format!("&{};", &*reference);
                    match quick_xml::escape::unescape(&reference) {
                        Ok(text) => self.unit.push(&text),
                        Err(error) => return Err(self.syntax(error.to_string())),
                    }
                }
                Event::CData(data) => self.unit.push(&data.replace("\r\n", "\n")),
                Event::Eof if self.depth > 0 => {
                    return Err(self.syntax("the end of the file inside an element".to_owned()));
                }
                Event::Eof if !self.is_tmx => {
                    return Err(self.syntax("the end of the file".to_owned()));
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
        Ok(self.ready.pop_front())
    }

    fn end_unit(&mut self) {
        let unit = std::mem::take(&mut self.unit);
        let [Some(source), Some(target)] = unit.texts(&self.languages) else {
            self.skipped += 1;
            return;
        };
        let texts = [source, target].map(|text| self.options.apply(text));
        self.ready.push_back(Pair { languages: self.languages.clone(), texts });
    }

    fn syntax(&self, found: String) -> CorpusReadError {
        let (path, line) = (self.path.clone(), self.reader.get_ref().line);
        CorpusReadError::Syntax { path, line, found, expected: "a TMX document" }
    }
}

/// Elements of a segment whose content is code of the document it came from.
fn is_markup(name: &str) -> bool {
    matches!(name, "bpt" | "ept" | "it" | "ph" | "ut")
}

impl Unit {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        match start.local_name().as_ref() {
            "tu" => *self = Self::default(),
            "tuv" => {
                let mut language = None;
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|error| error.to_string())?;
                    if attribute.key.local_name().as_ref() == "lang" {
                        language = attribute.value.parse().ok();
                    }
                }
                self.variants.push(Variant { language, text: None });
            }
            "seg" => {
                (self.in_segment, self.inline) = (true, 0);
                if let Some(variant) = self.variants.last_mut() {
                    variant.text.get_or_insert_default();
                }
            }
            name if is_markup(name) => self.inline += 1,
            _ => {}
        }
        Ok(())
    }

    fn push(&mut self, text: &str) {
        if self.in_segment
            && self.inline == 0
            && let Some(variant) = self.variants.last_mut()
        {
            variant.text.get_or_insert_default().push_str(text);
        }
    }

    /// The texts in two languages: for each the variant that is exactly in it, else the first in
    /// the same language and script whatever its region, and none for both.
    fn texts(&self, languages: &[LanguageTag; 2]) -> [Option<&str>; 2] {
        let mut chosen = languages.each_ref().map(|asked| {
            self.variants.iter().position(|variant| variant.language.as_ref() == Some(asked))
        });
        for (side, asked) in languages.iter().enumerate() {
            if chosen[side].is_none() {
                let is_alike = |found: &LanguageTag| {
                    (asked.language(), asked.script()) == (found.language(), found.script())
                };
                let other = chosen[1 - side];
                chosen[side] = self.variants.iter().enumerate().position(|(place, variant)| {
                    other != Some(place) && variant.language.as_ref().is_some_and(is_alike)
                });
            }
        }
        chosen.map(|place| self.variants[place?].text.as_deref())
    }
}

impl Iterator for TmxReader {
    type Item = Result<Pair, CorpusReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let pair = self.next_pair().transpose();
        self.ended = !matches!(pair, Some(Ok(_)));
        pair
    }
}

/// Counts the lines that were consumed.
struct LineCounter {
    reader: Box<dyn BufRead + Send>,
    /// The line that is being read, counted from 1.
    line: u64,
}

impl Read for LineCounter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for LineCounter {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // What was filled is still there, so asking for it again reads nothing.
        if amount > 0
            && let Ok(buffer) = self.reader.fill_buf()
        {
            let consumed = buffer.iter().take(amount);
            self.line += consumed.filter(|byte| **byte == b'\n').count() as u64;
        }
        self.reader.consume(amount);
    }
}

impl std::fmt::Debug for LineCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineCounter").field("line", &self.line).finish_non_exhaustive()
    }
}
