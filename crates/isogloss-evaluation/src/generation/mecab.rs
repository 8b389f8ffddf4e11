//! Words as MeCab finds them, by a dictionary that MeCab has compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use vibrato::{SystemDictionaryBuilder, Tokenizer};

use super::PieceTokenizer;
use crate::EvaluationError;
use crate::whitespace::is_python_space;

/// The entries of IPADIC 2.7.0-20070801, by which sacrebleu knows it.
const IPADIC: u32 = 392_126;
/// What MeCab makes of the size of a dictionary's file, to know it again.
const MAGIC: u32 = 0xef71_8f77;
const VERSION: u32 = 102;
const HEADER: usize = 72;
/// Bytes of a word, at most.
const LONGEST: usize = 4095;

impl PieceTokenizer {
    /// The words of MeCab 0.996, as `-Owakati` prints them, for sacrebleu's `ja-mecab`.
    ///
    /// `dir` is a compiled dictionary: `sys.dic`, `unk.dic`, `matrix.bin` and `char.bin` in UTF-8, as the package
    /// `ipadic` of sacrebleu's `[ja]` has them. IPADIC 2.7.0-20070801 is named `ja-mecab-0.996-IPA`, as sacrebleu
    /// names it; any other dictionary `mecab`, and should have the hash of its files added. It is read anew each time,
    /// which takes two seconds and 180 MB for IPADIC. A dictionary belongs to its publisher, and none is part of this crate.
    ///
    /// The words are found by `vibrato`. They were equal to those of MeCab on the 147,893 Japanese sentences of the
    /// Tanaka corpus and on 40,008 lines of mixed scripts and spaces; `tests/fixtures/mecab/large.py` compares scores on other
    /// text.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Dictionary`] with the file for one that is none of MeCab's, of
    /// another version or not in UTF-8, or does not belong to the others.
    ///
    /// # Source
    ///
    /// Kudo, Yamamoto and Matsumoto (2004), "Applying Conditional Random Fields to Japanese Morphological Analysis",
    /// <https://aclanthology.org/W04-3230>; the files: MeCab 0.996.
    pub fn mecab(dir: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let dir = dir.as_ref();
        let (matrix, contexts) = matrix(&dir.join("matrix.bin"))?;
        let known = Lexicon::read(&dir.join("sys.dic"), contexts)?;
        let unknown_path = dir.join("unk.dic");
        let unknown = Lexicon::read(&unknown_path, contexts)?;
        let (characters, categories) = characters(&dir.join("char.bin"))?;
        // Else there would be text through which no way leads.
        if let Some(category) = categories.iter().find(|it| !unknown.words.contains(*it)) {
            return Err(fault(&unknown_path, format!("has no entry for the category {category}")));
        }
        let parts = [&known.rows, &matrix, &characters, &unknown.rows].map(String::as_bytes);
        let built = SystemDictionaryBuilder::from_readers(parts[0], parts[1], parts[2], parts[3])
            .and_then(|dictionary| Tokenizer::new(dictionary).ignore_space(true));
        let tokenizer = built.map_err(|error| fault(dir, error.to_string()))?;
        // Longer runs of unknown characters are no word to MeCab.
        let tokenizer = tokenizer.max_grouping_len(24);
        let name = if known.entries == IPADIC { "ja-mecab-0.996-IPA" } else { "mecab" };
        Ok(Self::new(name, move |text| {
            let mut worker = tokenizer.new_worker();
            worker.reset_sentence(text.trim_matches(is_python_space));
            worker.tokenize();
            Ok(worker.token_iter().map(|token| token.surface().to_owned()).collect())
        }))
    }
}

/// Little-endian numbers of a file, each named by what it is for.
struct Reader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], EvaluationError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            let found = self.bytes.len();
            let fault = format!("{found} bytes are left for {what}, expected {count}");
            return Err(self::fault(self.path, fault));
        };
        self.bytes = rest;
        Ok(taken)
    }

    fn u32s(&mut self, count: usize, what: &str) -> Result<Vec<u32>, EvaluationError> {
        let bytes = self.take(count.saturating_mul(4), what)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |all, it| all << 8 | u32::from(*it));
        Ok(bytes.chunks_exact(4).map(number).collect())
    }

    fn u16s(&mut self, count: usize, what: &str) -> Result<Vec<u16>, EvaluationError> {
        let bytes = self.take(count.saturating_mul(2), what)?;
        let numbers = bytes.as_chunks().0;
        Ok(numbers.iter().copied().map(u16::from_le_bytes).collect())
    }

    /// Whether all was read.
    fn end(&self) -> Result<(), EvaluationError> {
        match self.bytes.len() {
            0 => Ok(()),
            more => Err(fault(self.path, format!("has {more} bytes more than its head says"))),
        }
    }

    fn text(&mut self, count: usize, what: &str) -> Result<&'a str, EvaluationError> {
        let bytes = self.take(count, what)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(count);
        str::from_utf8(&bytes[..end])
            .map_err(|_| fault(self.path, format!("{what} is not in UTF-8")))
    }
}

fn fault(path: &Path, fault: String) -> EvaluationError {
    EvaluationError::Dictionary { path: path.to_owned(), fault }
}

fn read(path: &Path) -> Result<Vec<u8>, EvaluationError> {
    fs::read(path).map_err(|source| EvaluationError::Read { path: PathBuf::from(path), source })
}

/// The words of a dictionary.
struct Lexicon {
    /// Their entries, `surface,left,right,cost,feature`.
    rows: String,
    entries: u32,
    words: BTreeSet<String>,
}

impl Lexicon {
    /// Reads a dictionary for a matrix of so many contexts: those after a word, then those before one.
    fn read(path: &Path, contexts: [u16; 2]) -> Result<Self, EvaluationError> {
        let bytes = read(path)?;
        let mut reader = Reader { path, bytes: &bytes };
        let header = reader.u32s(10, "the head")?;
        let [magic, version, _, count, after, before, tree, tokens, features, _] = header[..]
        else {
            return Err(fault(path, "no head".to_owned()));
        };
        if magic as usize ^ MAGIC as usize != bytes.len() {
            let expected = "is no dictionary that MeCab compiled, expected its size in the head";
            return Err(fault(path, expected.to_owned()));
        }
        if version != VERSION {
            let expected = format!("is of version {version}, expected {VERSION}, of MeCab 0.996");
            return Err(fault(path, expected));
        }
        let expected = contexts.map(u32::from);
        if [after, before] != expected {
            let found = [after, before];
            let fault =
                format!("is for {found:?} contexts, expected {expected:?} as in matrix.bin");
            return Err(self::fault(path, fault));
        }
        let charset = reader.text(HEADER - 40, "the name of the encoding")?;
        if !["utf-8", "utf8", "utf_8"].contains(&charset.to_lowercase().as_str()) {
            return Err(fault(path, format!("is in {charset}, expected utf-8")));
        }
        let tree = reader.u32s(tree as usize / 4, "the tree of words")?;
        let tokens = reader.take(tokens as usize, "entries")?;
        reader.take(features as usize, "features")?;
        reader.end()?;
        let tokens = tokens.as_chunks().0;
        if tokens.len() != count as usize {
            let found = tokens.len();
            return Err(fault(path, format!("has {found} entries, expected {count} by its head")));
        }
        let (mut rows, mut words, mut reached) = (String::new(), BTreeSet::new(), 0);
        for (surface, value) in leaves(&tree, path)? {
            // The number of entries of a word stands beside the first.
            let (first, entries) = ((value >> 8) as usize, (value & 0xff) as usize);
            reached += entries;
            let entries = tokens.get(first..first + entries).filter(|_| reached <= tokens.len());
            let Some(entries) = entries else {
                return Err(fault(path, format!("`{surface}` has entries beyond the last")));
            };
            for entry in entries {
                push_entry(&mut rows, &surface, entry, contexts)
                    .map_err(|reason| fault(path, format!("`{surface}` {reason}")))?;
            }
            words.insert(surface);
        }
        if reached != tokens.len() {
            let fault = format!("{reached} entries are reached by words, expected {count}");
            return Err(self::fault(path, fault));
        }
        Ok(Self { rows, entries: count, words })
    }
}

/// Adds the row of an entry: contexts before and after, part of speech, cost, feature, compound.
fn push_entry(
    rows: &mut String,
    surface: &str,
    entry: &[u8; 16],
    [after, before]: [u16; 2],
) -> Result<(), String> {
    let number = |place: usize| u16::from_le_bytes([entry[place], entry[place + 1]]);
    let (left, right, cost) = (number(0), number(2), number(6).cast_signed());
    if left >= before || right >= after {
        return Err(format!("has the contexts {left} and {right}, expected them in matrix.bin"));
    }
    // What is said of a word beside its costs does not part it from others.
    let surface = surface.replace('"', "\"\"");
    writeln!(rows, "\"{surface}\",{left},{right},{cost},*").map_err(|error| error.to_string())
}

/// All words of a double array and their values.
fn leaves(tree: &[u32], path: &Path) -> Result<Vec<(String, u32)>, EvaluationError> {
    let unit = |place: u32| {
        let place = place as usize * 2;
        Some((tree.get(place)?.cast_signed(), *tree.get(place + 1)?))
    };
    let mut found = Vec::new();
    let Some((root, _)) = unit(0) else { return Ok(found) };
    let mut open = vec![(root.cast_unsigned(), Vec::new())];
    let mut seen = vec![false; tree.len() / 2 + 1];
    while let Some((base, word)) = open.pop() {
        // Each place has one parent, unless the file is spoilt.
        let is_first =
            seen.get_mut(base as usize).is_none_or(|seen| !std::mem::replace(seen, true));
        if !is_first || word.len() > LONGEST {
            return Err(fault(path, "the tree of words leads in circles".to_owned()));
        }
        if let Some((value, check)) = unit(base)
            && check == base
            && value < 0
        {
            let word = String::from_utf8(word.clone())
                .map_err(|_| fault(path, "a word is not in UTF-8".to_owned()))?;
            found.push((word, (-(value + 1)).cast_unsigned()));
        }
        for byte in 0..=u8::MAX {
            let place = base.saturating_add(u32::from(byte) + 1);
            if let Some((next, check)) = unit(place)
                && check == base
                && next >= 0
            {
                open.push((next.cast_unsigned(), [&word[..], &[byte]].concat()));
            }
        }
    }
    Ok(found)
}

/// The costs of words beside each other, a head, then rows `right left cost`; and how many contexts there
/// are after a word and before one.
fn matrix(path: &Path) -> Result<(String, [u16; 2]), EvaluationError> {
    let bytes = read(path)?;
    let mut reader = Reader { path, bytes: &bytes };
    let [after, before] = reader.u16s(2, "the head")?[..] else {
        return Err(fault(path, "no head".to_owned()));
    };
    let costs = reader.u16s(usize::from(after) * usize::from(before), "costs")?;
    reader.end()?;
    let mut rows = format!("{after} {before}\n");
    for (place, cost) in costs.iter().enumerate() {
        let (left, right) = (place / usize::from(after), place % usize::from(after));
        // A string takes what is written to it.
        let _ = writeln!(rows, "{right} {left} {}", cost.cast_signed());
    }
    Ok((rows, [after, before]))
}

/// Categories of characters, `name invoke group length`, and those of each character; and the names.
fn characters(path: &Path) -> Result<(String, Vec<String>), EvaluationError> {
    let bytes = read(path)?;
    let mut reader = Reader { path, bytes: &bytes };
    let count = reader.u32s(1, "the head")?[0] as usize;
    // A character has its categories in 18 bits.
    if count > 18 {
        return Err(fault(path, format!("{count} categories, expected at most 18")));
    }
    let name = |_| reader.text(32, "the name of a category");
    let names: Vec<&str> = (0..count).map(name).collect::<Result<_, _>>()?;
    // As a name stands in rows of text here, and stood in those that MeCab read.
    let is_name = |name: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        !name.is_empty() && !name.starts_with("0x") && name.chars().all(is_plain)
    };
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(fault(path, format!("`{name}` is no name of a category, expected letters")));
    }
    if let Some(missing) = ["DEFAULT", "SPACE"].iter().find(|name| !names.contains(name)) {
        return Err(fault(path, format!("has no category {missing}")));
    }
    let infos = reader.u32s(0xffff, "characters")?;
    reader.end()?;
    let mut rows = String::new();
    let mut settings = BTreeMap::new();
    for (code, info) in infos.iter().enumerate() {
        let own = (info >> 18 & 0xff) as usize;
        if own >= count {
            let fault = format!("U+{code:04X} is of category {own}, expected one of {count}");
            return Err(self::fault(path, fault));
        }
        settings.insert(own, [info >> 31, info >> 30 & 1, info >> 26 & 15]);
        let others = (0..count).filter(|category| *category != own && info >> category & 1 == 1);
        let _ = write!(rows, "0x{code:04X} {}", names[own]);
        for category in others {
            let _ = write!(rows, " {}", names[category]);
        }
        rows.push('\n');
    }
    let mut head = String::new();
    for (category, name) in names.iter().enumerate() {
        // One that is no character's first category has no say in unknown words.
        let [invoke, group, length] = settings.get(&category).copied().unwrap_or_default();
        let _ = writeln!(head, "{name} {invoke} {group} {length}");
    }
    Ok((head + &rows, names.into_iter().map(str::to_owned).collect()))
}
