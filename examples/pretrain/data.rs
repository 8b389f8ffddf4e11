//! The corpus as ids: what is learned from, and what is held out.
//!
//! Texts are read twice: once to know what they are, and, unless they were encoded before, once more to be encoded into
//! files that are mapped into memory. So a corpus may be larger than memory, and a run that goes on encodes nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use isogloss::core::{LanguageTag, Progress, ProgressEvent, write_dir_atomically};
use isogloss::corpus::{Manifest, Split};
use isogloss::governance::{Policy, Provenance, ProvenanceEntry, Purpose};
use isogloss::sampling::TextSource as _;
use isogloss::tokenization::Vocabulary;
use isogloss::training::{ContentHash, TokenizedPairs, TokenizedTexts, TokenizedWriter};
use isogloss_examples::Outcome;

/// Where a language has no dev part, one text of so many is held out.
const ONE_OF: usize = 100;
/// Texts that are held out, at most.
const MOST: usize = 500;
/// Texts that are encoded at once.
const BLOCK: usize = 4_096;
/// What becomes of texts here; another number where that changes.
const WAY: &[u8] = b"pretrain 1";
/// The directories of what is learned from, and of what is held out.
const PARTS: [&str; 2] = ["learned", "held-out"];

/// Texts and pairs by language, for each purpose.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) texts: Arc<Vec<TokenizedTexts>>,
    pub(crate) pairs: Arc<Vec<TokenizedPairs>>,
    pub(crate) held_texts: Vec<TokenizedTexts>,
    pub(crate) held_pairs: Vec<TokenizedPairs>,
    pub(crate) provenance: Provenance,
}

/// What is read, and how.
pub(crate) struct Reading<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) policy: Policy,
    pub(crate) vocabulary: &'a Vocabulary,
    /// The file of the vocabulary, or its directory.
    pub(crate) tokenizer: &'a Path,
    /// Where ids are kept.
    pub(crate) cache: &'a Path,
    pub(crate) texts: bool,
    pub(crate) pairs: bool,
    pub(crate) max_length: usize,
}

/// One language or pair of languages: which parts of the manifest it has.
struct Group<const SIDES: usize> {
    languages: [LanguageTag; SIDES],
    parts: Vec<Part>,
}

struct Part {
    place: usize,
    is_held_out: bool,
    /// Whether the sides of a pair change places.
    is_turned: bool,
}

/// What the texts of a group are.
struct Survey {
    hash: ContentHash,
    count: usize,
    has_dev: bool,
}

/// Takes one row of texts after the other.
type Take<'a, const SIDES: usize> = dyn FnMut([String; SIDES]) -> Outcome<()> + 'a;

/// Says how many texts were read or encoded.
struct Counter<'a> {
    task: &'static str,
    done: u64,
    progress: &'a dyn Progress,
}

impl<'a> Counter<'a> {
    fn new(task: &'static str, progress: &'a dyn Progress) -> Self {
        progress.report(ProgressEvent::Started { task, total: None, unit: "texts" });
        Self { task, done: 0, progress }
    }

    fn advance(&mut self, count: usize, note: &str) {
        self.done += count as u64;
        let (task, done) = (self.task, self.done);
        self.progress.report(ProgressEvent::Advanced { task, done, note });
    }

    fn finish(self) {
        self.progress.report(ProgressEvent::Finished { task: self.task });
    }
}

impl Data {
    pub(crate) fn read(reading: &Reading<'_>, progress: &dyn Progress) -> Outcome<Self> {
        let mut data = Self::default();
        let mut way = ContentHash::new();
        way.push(WAY);
        way.push(&reading.max_length.to_le_bytes());
        for file in tokenizer_files(reading.tokenizer)? {
            way.push(&fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
        }
        let (mut learned_texts, mut learned_pairs) = (Vec::new(), Vec::new());
        let mut counters = ["reading", "encoding"].map(|task| Counter::new(task, progress));
        for group in text_groups(reading) {
            let of = |part: &Part, take: &mut Take<'_, 1>| read_texts(reading, part, take);
            let [[learned], [held]] =
                group.ids(reading, &way, of, &mut data.provenance, &mut counters)?;
            learned_texts.push(learned);
            data.held_texts.push(held);
        }
        for group in pair_groups(reading) {
            let of = |part: &Part, take: &mut Take<'_, 2>| read_pairs(reading, part, take);
            let [[x, y], [held_x, held_y]] =
                group.ids(reading, &way, of, &mut data.provenance, &mut counters)?;
            learned_pairs.push(TokenizedPairs::try_new(x, y)?);
            data.held_pairs.push(TokenizedPairs::try_new(held_x, held_y)?);
        }
        for counter in counters {
            counter.finish();
        }
        learned_texts.retain(|texts| !texts.is_empty());
        learned_pairs.retain(|pairs| !pairs.is_empty());
        data.held_texts.retain(|texts| !texts.is_empty());
        data.held_pairs.retain(|pairs| !pairs.is_empty());
        (data.texts, data.pairs) = (Arc::new(learned_texts), Arc::new(merged(learned_pairs)?));
        Ok(data)
    }
}

impl Data {
    /// The tokens of a sequence, with its delimiters, in the mean over all; of none, that of the longest.
    pub(crate) fn mean_length(&self, longest: usize) -> usize {
        let texts = self.texts.iter().map(|texts| (texts.len(), texts.tokens() + 2 * texts.len()));
        let sides = self.pairs.iter().map(|pairs| {
            let tokens: usize = pairs.sides().iter().map(TokenizedTexts::tokens).sum();
            (pairs.len(), tokens + 4 * pairs.len())
        });
        let (count, tokens) =
            texts.chain(sides).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        if count == 0 { longest } else { tokens.div_ceil(count) }
    }
}

impl<const SIDES: usize> Group<SIDES> {
    fn new(languages: [LanguageTag; SIDES]) -> Self {
        Self { languages, parts: Vec::new() }
    }

    /// Ids `[learned from, held out]`, from files of before, or encoded now.
    fn ids(
        &self,
        reading: &Reading<'_>,
        way: &ContentHash,
        read: impl Fn(&Part, &mut Take<'_, SIDES>) -> Outcome<ProvenanceEntry>,
        provenance: &mut Provenance,
        [counter, encoded]: &mut [Counter<'_>; 2],
    ) -> Outcome<[[TokenizedTexts; SIDES]; 2]> {
        let names = self.languages.each_ref().map(ToString::to_string).join("-");
        let mut survey = Survey { hash: way.clone(), count: 0, has_dev: false };
        for part in &self.parts {
            survey.has_dev |= part.is_held_out;
            survey.hash.push(&[u8::from(part.is_held_out)]);
            provenance.push(read(part, &mut |row| {
                for text in &row {
                    survey.hash.push(text.as_bytes());
                }
                survey.count += 1;
                if survey.count.is_multiple_of(BLOCK) {
                    counter.advance(BLOCK, &names);
                }
                Ok(())
            })?);
        }
        let dir = reading.cache.join(format!("{names}-{}", survey.hash.name()));
        if !dir.exists() {
            write_dir_atomically(&dir, |to| self.encode(reading, &survey, &read, to, encoded))?;
        }
        let open = |part: usize, side: usize| TokenizedTexts::open(&at(&dir, part, side));
        let mut opened = Vec::with_capacity(2);
        for part in 0..PARTS.len() {
            let sides = (0..SIDES).map(|side| open(part, side)).collect::<Result<Vec<_>, _>>()?;
            opened.push(<[_; SIDES]>::try_from(sides).map_err(|_| "sides of pairs")?);
        }
        let both =
            <[_; 2]>::try_from(opened).map_err(|_| "what is learned and what is held out")?;
        let kept: usize = both.iter().map(|sides: &[TokenizedTexts; SIDES]| sides[0].len()).sum();
        if SIDES > 1 && kept < survey.count {
            let (cut, longest) = (survey.count - kept, reading.max_length);
            println!(
                "{cut} pairs of {names} have a side of more than {longest} tokens and are left out"
            );
        }
        Ok(both)
    }

    fn encode(
        &self,
        reading: &Reading<'_>,
        survey: &Survey,
        read: impl Fn(&Part, &mut Take<'_, SIDES>) -> Outcome<ProvenanceEntry>,
        to: &Path,
        counter: &mut Counter<'_>,
    ) -> Outcome<()> {
        let mut writers = Vec::new();
        for part in 0..PARTS.len() {
            let writer = |(side, language): (usize, &LanguageTag)| {
                TokenizedWriter::create(&at(to, part, side), language.clone())
            };
            let sides = self.languages.iter().enumerate().map(writer);
            writers.push(sides.collect::<Result<Vec<_>, _>>()?);
        }
        let mut place = 0;
        let mut write = |rows: &mut Vec<[String; SIDES]>, of_dev: bool| -> Outcome<()> {
            let mut encoded = Vec::with_capacity(SIDES);
            for side in 0..SIDES {
                let texts: Vec<&str> = rows.iter().map(|row| row[side].as_str()).collect();
                encoded.push(reading.vocabulary.encode_batch(&texts)?);
            }
            for row in 0..rows.len() {
                let is_held =
                    if survey.has_dev { of_dev } else { is_held_out(place, survey.count) };
                place += 1;
                let sides: Vec<&[u32]> = encoded.iter().map(|side| side[row].as_slice()).collect();
                write_row(&mut writers[usize::from(is_held)], &sides, reading.max_length)?;
            }
            counter.advance(rows.len(), self.languages[SIDES - 1].name());
            rows.clear();
            Ok(())
        };
        for part in &self.parts {
            let mut rows = Vec::new();
            read(part, &mut |row| {
                rows.push(row);
                if rows.len() == BLOCK { write(&mut rows, part.is_held_out) } else { Ok(()) }
            })?;
            write(&mut rows, part.is_held_out)?;
        }
        for writer in writers.into_iter().flatten() {
            writer.finish()?;
        }
        Ok(())
    }
}

/// A text is cut where it is too long; a pair, which cannot be cut in the same place on both sides, is left out.
fn write_row(writers: &mut [TokenizedWriter], sides: &[&[u32]], max_length: usize) -> Outcome<()> {
    match (writers, sides) {
        ([writer], [ids]) if ids.len() > max_length => {
            ids.chunks(max_length.max(1)).try_for_each(|piece| writer.push(piece))?;
        }
        (writers, sides) if sides.iter().all(|ids| ids.len() <= max_length) => {
            writers.iter_mut().zip(sides).try_for_each(|(writer, ids)| writer.push(ids))?;
        }
        _ => {}
    }
    Ok(())
}

/// The directory of one side.
fn at(dir: &Path, part: usize, side: usize) -> PathBuf {
    dir.join(format!("{}-{side}", PARTS[part]))
}

/// What the vocabulary was opened from.
fn tokenizer_files(path: &Path) -> Outcome<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Outcome<Vec<_>>>()?;
    let is_known = |file: &PathBuf| {
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let is_model = file.extension().is_some_and(|extension| extension == "model");
        is_model || name.starts_with("tokenizer") || name.starts_with("special_tokens")
    };
    files.retain(is_known);
    files.sort();
    Ok(files)
}

fn purpose(part: &Part) -> Purpose {
    if part.is_held_out { Purpose::Evaluate } else { Purpose::Train }
}

/// Whether a part is held out; `None` for one that is not for this.
fn holds_out(split: Option<Split>) -> Option<bool> {
    match split {
        Some(Split::Dev) => Some(true),
        Some(Split::Test) => None,
        _ => Some(false),
    }
}

fn text_groups(reading: &Reading<'_>) -> Vec<Group<1>> {
    let mut groups: BTreeMap<LanguageTag, Group<1>> = BTreeMap::new();
    for (place, part) in reading.manifest.texts().iter().enumerate().filter(|_| reading.texts) {
        let Some(is_held_out) = holds_out(part.split) else { continue };
        let language = part.language.clone();
        let group = groups.entry(language.clone()).or_insert_with(|| Group::new([language]));
        group.parts.push(Part { place, is_held_out, is_turned: false });
    }
    groups.into_values().collect()
}

fn pair_groups(reading: &Reading<'_>) -> Vec<Group<2>> {
    let pivot = pivot(reading.manifest);
    let mut groups: BTreeMap<[LanguageTag; 2], Group<2>> = BTreeMap::new();
    for (place, part) in reading.manifest.bitexts().iter().enumerate().filter(|_| reading.pairs) {
        let Some(is_held_out) = holds_out(part.split) else { continue };
        let mut languages = part.languages.clone();
        let is_turned = Some(&languages[1]) == pivot.as_ref();
        if is_turned {
            languages.reverse();
        }
        let group = groups.entry(languages.clone()).or_insert_with(|| Group::new(languages));
        group.parts.push(Part { place, is_held_out, is_turned });
    }
    groups.into_values().collect()
}

fn read_texts(
    reading: &Reading<'_>,
    part: &Part,
    take: &mut Take<'_, 1>,
) -> Outcome<ProvenanceEntry> {
    let mut reader = reading.manifest.open_text(part.place, purpose(part), reading.policy)?;
    for text in reader.by_ref() {
        take([text?.text])?;
    }
    Ok(reader.provenance())
}

fn read_pairs(
    reading: &Reading<'_>,
    part: &Part,
    take: &mut Take<'_, 2>,
) -> Outcome<ProvenanceEntry> {
    let mut reader = reading.manifest.open_bitext(part.place, purpose(part), reading.policy)?;
    for pair in reader.by_ref() {
        let mut texts = pair?.texts;
        if part.is_turned {
            texts.reverse();
        }
        take(texts)?;
    }
    Ok(reader.provenance())
}

/// Pairs of one language with several others, put together: languages are drawn, not pairs of them.
fn merged(all: Vec<TokenizedPairs>) -> Outcome<Vec<TokenizedPairs>> {
    let mut merged: Vec<TokenizedPairs> = Vec::new();
    for pairs in all {
        let Some(same) = merged.iter_mut().find(|same| same.language() == pairs.language()) else {
            merged.push(pairs);
            continue;
        };
        let [mut x, mut y] = same.sides().clone();
        for (side, more) in [&mut x, &mut y].into_iter().zip(pairs.sides()) {
            more.iter().for_each(|ids| side.push(ids));
        }
        *same = TokenizedPairs::try_new(x, y)?;
    }
    Ok(merged)
}

/// The language that most bitexts have: pairs are drawn by their other side, which tells them apart.
fn pivot(manifest: &Manifest) -> Option<LanguageTag> {
    let mut counts: BTreeMap<&LanguageTag, usize> = BTreeMap::new();
    for language in manifest.bitexts().iter().flat_map(|part| &part.languages) {
        *counts.entry(language).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(language, _)| language.clone())
}

/// Every hundredth, spread over all of them where that would be too many, and one of few.
fn is_held_out(place: usize, count: usize) -> bool {
    let every = ONE_OF.max(count.div_ceil(MOST)).min(count.max(2));
    place % every == every - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_of_one_language_are_put_together() {
        let pairs = |languages: [&str; 2], id: u32| {
            let [x, y] = languages.map(|language| {
                let mut texts = TokenizedTexts::new(language.parse().unwrap());
                texts.push(&[id, id]);
                texts
            });
            TokenizedPairs::try_new(x, y).unwrap()
        };
        let all = vec![pairs(["en", "yo"], 5), pairs(["en", "sw"], 6), pairs(["fr", "yo"], 7)];
        let merged = merged(all).unwrap();
        let found: Vec<_> =
            merged.iter().map(|pairs| (pairs.language().to_string(), pairs.len())).collect();
        assert_eq!(found, [("yo-Latn".to_owned(), 2), ("sw-Latn".to_owned(), 1)]);
        assert_eq!(merged[0].get(1), Some([&[7, 7][..], &[7, 7]]));
    }

    #[test]
    fn few_texts_are_held_out_and_some_are_learned_from() {
        let held = |count: usize| (0..count).filter(|&place| is_held_out(place, count)).count();
        assert_eq!([1, 2, 50, 100, 1_000].map(held), [0, 1, 1, 1, 10]);
        assert!((400..=MOST).contains(&held(1_000_000)));
    }
}
