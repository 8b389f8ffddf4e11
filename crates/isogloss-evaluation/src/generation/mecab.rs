//! Words as MeCab finds them, by a dictionary that MeCab has compiled.

use std::collections::BTreeMap;
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

impl PieceTokenizer {
    /// The words of MeCab 0.996, as `-Owakati` prints them, for sacrebleu's `ja-mecab`.
    ///
    /// `dir` is a compiled dictionary: `sys.dic`, `unk.dic`, `matrix.bin` and `char.bin` in UTF-8, as the package
    /// `ipadic` of sacrebleu's `[ja]` has them. IPADIC 2.7.0-20070801 is named `ja-mecab-0.996-IPA`, as sacrebleu
    /// names it; any other dictionary `mecab`, and should have its hash added. It is read anew each time, which takes
    /// seconds and some 200 MB for IPADIC. A dictionary belongs to its publisher, and none is part of this crate.
    ///
    /// The words are found by `vibrato`. They were equal to those of MeCab on the 147,893 Japanese sentences of the
    /// Tanaka corpus, and on 40,008 lines of mixed scripts and spaces.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Read`]; [`EvaluationError::Dictionary`] with the file for one that is none of MeCab's, of
    /// another version or not in UTF-8.
    ///
    /// # Source
    ///
    /// Kudo, Yamamoto and Matsumoto (2004), "Applying Conditional Random Fields to Japanese Morphological Analysis",
    /// <https://aclanthology.org/W04-3230>; the files: MeCab 0.996.
    pub fn mecab(dir: impl AsRef<Path>) -> Result<Self, EvaluationError> {
        let dir = dir.as_ref();
        let (lexicon, entries) = lexicon(&dir.join("sys.dic"))?;
        let (unknown, _) = self::lexicon(&dir.join("unk.dic"))?;
        let matrix = matrix(&dir.join("matrix.bin"))?;
        let characters = characters(&dir.join("char.bin"))?;
        let parts = [&lexicon, &matrix, &characters, &unknown].map(String::as_bytes);
        let built = SystemDictionaryBuilder::from_readers(parts[0], parts[1], parts[2], parts[3])
            .and_then(|dictionary| Tokenizer::new(dictionary).ignore_space(true));
        let tokenizer = built.map_err(|error| fault(dir, error.to_string()))?;
        // Longer runs of unknown characters are no word to MeCab.
        let tokenizer = tokenizer.max_grouping_len(24);
        let name = if entries == IPADIC { "ja-mecab-0.996-IPA" } else { "mecab" };
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

/// The rows `surface,left,right,cost,feature` of a dictionary, and how many there are.
fn lexicon(path: &Path) -> Result<(String, u32), EvaluationError> {
    let bytes = read(path)?;
    let mut reader = Reader { path, bytes: &bytes };
    let header = reader.u32s(10, "the head")?;
    let [magic, version, _, count, _, _, tree, tokens, _, _] = header[..] else {
        return Err(fault(path, "no head".to_owned()));
    };
    if magic as usize ^ MAGIC as usize != bytes.len() {
        return Err(fault(
            path,
            "is no dictionary that MeCab compiled, expected its size in the head".to_owned(),
        ));
    }
    if version != VERSION {
        return Err(fault(
            path,
            format!("is of version {version}, expected {VERSION}, of MeCab 0.996"),
        ));
    }
    let charset = reader.text(HEADER - 40, "the name of the encoding")?;
    if !["utf-8", "utf8", "utf_8"].contains(&charset.to_lowercase().as_str()) {
        return Err(fault(path, format!("is in {charset}, expected utf-8")));
    }
    let tree = reader.u32s(tree as usize / 4, "the tree of words")?;
    let tokens = reader.take(tokens as usize, "entries")?;
    let mut rows = String::new();
    let mut written = 0;
    for (surface, value) in words(&tree, path)? {
        let surface = String::from_utf8(surface)
            .map_err(|_| fault(path, "a word is not in UTF-8".to_owned()))?;
        let surface = surface.replace('"', "\"\"");
        // The number of entries of a word stands beside the first.
        let (first, entries) = ((value >> 8) as usize, (value & 0xff) as usize);
        let range = first * 16..(first + entries) * 16;
        let Some(entries) = tokens.get(range) else {
            return Err(fault(path, format!("`{surface}` has entries beyond the last")));
        };
        for entry in entries.as_chunks::<16>().0 {
            let number = |place: usize| u16::from_le_bytes([entry[place], entry[place + 1]]);
            let cost = number(6).cast_signed();
            // What is said of a word beside its costs does not part it from others.
            // A string takes what is written to it.
            let _ = writeln!(rows, "\"{surface}\",{},{},{cost},*", number(0), number(2));
            written += 1;
        }
    }
    if written != count {
        return Err(fault(
            path,
            format!("{written} entries are reached by words, expected {count}"),
        ));
    }
    Ok((rows, written))
}

/// All words of a double array and their values.
fn words(tree: &[u32], path: &Path) -> Result<Vec<(Vec<u8>, u32)>, EvaluationError> {
    let unit = |place: u32| {
        let place = place as usize * 2;
        Some((tree.get(place)?.cast_signed(), *tree.get(place + 1)?))
    };
    let mut found = Vec::new();
    let Some((root, _)) = unit(0) else { return Ok(found) };
    let mut open = vec![(root.cast_unsigned(), Vec::new())];
    // A file that leads in circles ends, since each place has one parent.
    let mut left = tree.len();
    while let Some((base, word)) = open.pop() {
        left = left
            .checked_sub(1)
            .ok_or_else(|| fault(path, "the tree of words leads in circles".to_owned()))?;
        if let Some((value, check)) = unit(base)
            && check == base
            && value < 0
        {
            found.push((word.clone(), (-(value + 1)).cast_unsigned()));
        }
        for byte in 0..=u8::MAX {
            let place = base.saturating_add(u32::from(byte) + 1);
            if let Some((next, check)) = unit(place)
                && check == base
                && next >= 0
            {
                let longer = [&word[..], &[byte]].concat();
                open.push((next.cast_unsigned(), longer));
            }
        }
    }
    Ok(found)
}

/// The costs of words beside each other: a head, then rows `right left cost`.
fn matrix(path: &Path) -> Result<String, EvaluationError> {
    let bytes = read(path)?;
    let mut reader = Reader { path, bytes: &bytes };
    let [left, right] = reader.u16s(2, "the head")?[..] else {
        return Err(fault(path, "no head".to_owned()));
    };
    let costs = reader.u16s(usize::from(left) * usize::from(right), "costs")?;
    let mut rows = format!("{left} {right}\n");
    for (place, cost) in costs.iter().enumerate() {
        let (after, before) = (place / usize::from(left), place % usize::from(left));
        let _ = writeln!(rows, "{before} {after} {}", cost.cast_signed());
    }
    Ok(rows)
}

/// Categories of characters, `name invoke group length`, and those of each character.
fn characters(path: &Path) -> Result<String, EvaluationError> {
    let bytes = read(path)?;
    let mut reader = Reader { path, bytes: &bytes };
    let count = reader.u32s(1, "the head")?[0] as usize;
    // A character has its categories in 18 bits.
    if count > 18 {
        return Err(fault(path, format!("{count} categories, expected at most 18")));
    }
    let name = |_| reader.text(32, "the name of a category");
    let names: Vec<&str> = (0..count).map(name).collect::<Result<_, _>>()?;
    let infos = reader.u32s(0xffff, "characters")?;
    let mut rows = String::new();
    let mut settings = BTreeMap::new();
    for (code, info) in infos.iter().enumerate() {
        let own = (info >> 18 & 0xff) as usize;
        if own >= count {
            return Err(fault(
                path,
                format!("U+{code:04X} is of category {own}, expected one of {count}"),
            ));
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
    Ok(head + &rows)
}
