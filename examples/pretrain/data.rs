//! The corpus as ids: what is learned from, and what is held out.

use std::collections::BTreeMap;
use std::sync::Arc;

use isogloss::core::{LanguageTag, Progress, ProgressEvent};
use isogloss::corpus::{Manifest, Split};
use isogloss::governance::{Policy, Provenance, Purpose};
use isogloss::tokenization::Vocabulary;
use isogloss::training::{TokenizedPairs, TokenizedTexts};
use isogloss_examples::Outcome;

/// Where a language has no dev part, one text of so many is held out.
const ONE_OF: usize = 100;
/// Texts that are held out, at most.
const MOST: usize = 500;
/// Texts that are encoded at once.
const BLOCK: usize = 4_096;

/// Texts and pairs by language, for each purpose.
#[derive(Default)]
pub(crate) struct Data {
    pub(crate) texts: Arc<Vec<TokenizedTexts>>,
    pub(crate) pairs: Arc<Vec<TokenizedPairs>>,
    pub(crate) held_texts: Vec<TokenizedTexts>,
    pub(crate) held_pairs: Vec<TokenizedPairs>,
    pub(crate) provenance: Provenance,
}

/// Which of what one asks for is read.
pub(crate) struct Wanted {
    pub(crate) texts: bool,
    pub(crate) pairs: bool,
    pub(crate) max_length: usize,
}

/// Ids of one language or pair of languages: `[learned from, held out]`.
struct Both<const SIDES: usize> {
    parts: [[TokenizedTexts; SIDES]; 2],
    has_dev: bool,
}

impl<const SIDES: usize> Both<SIDES> {
    fn new(languages: &[LanguageTag; SIDES]) -> Self {
        let empty = || languages.each_ref().map(|language| TokenizedTexts::new(language.clone()));
        Self { parts: [empty(), empty()], has_dev: false }
    }

    fn push(
        &mut self,
        texts: &mut Vec<[String; SIDES]>,
        part: usize,
        vocabulary: &Vocabulary,
    ) -> Outcome<()> {
        for side in 0..SIDES {
            let of_side: Vec<&str> = texts.iter().map(|row| row[side].as_str()).collect();
            for ids in vocabulary.encode_batch(&of_side)? {
                self.parts[part][side].push(&ids);
            }
        }
        texts.clear();
        Ok(())
    }

    /// Holds out every hundredth text where nobody said which.
    fn split(self) -> [[TokenizedTexts; SIDES]; 2] {
        if self.has_dev {
            return self.parts;
        }
        let [all, mut held] = self.parts;
        let mut kept = all.each_ref().map(|side| TokenizedTexts::new(side.language().clone()));
        let count = all[0].len();
        for place in 0..count {
            let is_held = is_held_out(place, count);
            for (side, ids) in all.iter().enumerate() {
                let to = if is_held { &mut held[side] } else { &mut kept[side] };
                to.push(ids.get(place).unwrap_or_default());
            }
        }
        [kept, held]
    }
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

impl Data {
    pub(crate) fn read(
        manifest: &Manifest,
        policy: Policy,
        vocabulary: &Vocabulary,
        wanted: &Wanted,
        progress: &dyn Progress,
    ) -> Outcome<Self> {
        const TASK: &str = "encoding";
        progress.report(ProgressEvent::Started { task: TASK, total: None, unit: "texts" });
        let mut data = Self::default();
        let mut done = 0;
        let mut advance = |count: usize, note: &str| {
            done += count as u64;
            progress.report(ProgressEvent::Advanced { task: TASK, done, note });
        };
        let part_of = |split: Option<Split>| match split {
            Some(Split::Dev) => Some((1, Purpose::Evaluate)),
            Some(Split::Test) => None,
            _ => Some((0, Purpose::Train)),
        };
        let mut texts: BTreeMap<LanguageTag, Both<1>> = BTreeMap::new();
        for (place, part) in manifest.texts().iter().enumerate().filter(|_| wanted.texts) {
            let Some((split, purpose)) = part_of(part.split) else { continue };
            let languages = [part.language.clone()];
            let both = texts.entry(part.language.clone()).or_insert_with(|| Both::new(&languages));
            both.has_dev |= split == 1;
            let mut reader = manifest.open_text(place, purpose, policy)?;
            let mut block = Vec::new();
            for text in reader.by_ref() {
                block.push([text?.text]);
                if block.len() == BLOCK {
                    advance(block.len(), part.language.name());
                    both.push(&mut block, split, vocabulary)?;
                }
            }
            advance(block.len(), part.language.name());
            both.push(&mut block, split, vocabulary)?;
            data.provenance.push(reader.provenance());
        }
        let pivot = pivot(manifest);
        let mut pairs: BTreeMap<[LanguageTag; 2], Both<2>> = BTreeMap::new();
        for (place, part) in manifest.bitexts().iter().enumerate().filter(|_| wanted.pairs) {
            let Some((split, purpose)) = part_of(part.split) else { continue };
            let mut languages = part.languages.clone();
            let turned = Some(&languages[1]) == pivot.as_ref();
            if turned {
                languages.reverse();
            }
            let both = pairs.entry(languages.clone()).or_insert_with(|| Both::new(&languages));
            both.has_dev |= split == 1;
            let mut reader = manifest.open_bitext(place, purpose, policy)?;
            let mut block = Vec::new();
            for pair in reader.by_ref() {
                let mut texts = pair?.texts;
                if turned {
                    texts.reverse();
                }
                block.push(texts);
                if block.len() == BLOCK {
                    advance(block.len(), languages[1].name());
                    both.push(&mut block, split, vocabulary)?;
                }
            }
            advance(block.len(), languages[1].name());
            both.push(&mut block, split, vocabulary)?;
            data.provenance.push(reader.provenance());
        }
        progress.report(ProgressEvent::Finished { task: TASK });
        let (mut kept_texts, mut kept_pairs) = (Vec::new(), Vec::new());
        for both in texts.into_values() {
            let [[kept], [held]] = both.split();
            kept_texts.push(kept.split_long(wanted.max_length));
            data.held_texts.push(held.split_long(wanted.max_length));
        }
        for (languages, both) in pairs {
            let [[x, y], [held_x, held_y]] = both.split();
            let (kept, cut) = TokenizedPairs::try_new(x, y)?.without_long(wanted.max_length);
            if cut > 0 {
                let [x, y] = &languages;
                println!(
                    "{cut} pairs of {x} and {y} have a side of more than {} tokens and are left out",
                    wanted.max_length
                );
            }
            kept_pairs.push(kept);
            let (held, _) =
                TokenizedPairs::try_new(held_x, held_y)?.without_long(wanted.max_length);
            data.held_pairs.push(held);
        }
        kept_texts.retain(|texts| !texts.is_empty());
        kept_pairs.retain(|pairs| !pairs.is_empty());
        data.held_texts.retain(|texts| !texts.is_empty());
        data.held_pairs.retain(|pairs| !pairs.is_empty());
        (data.texts, data.pairs) = (Arc::new(kept_texts), Arc::new(kept_pairs));
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_texts_are_held_out_and_some_are_learned_from() {
        let held = |count: usize| (0..count).filter(|&place| is_held_out(place, count)).count();
        assert_eq!([1, 2, 50, 100, 1_000].map(held), [0, 1, 1, 1, 10]);
        assert!((400..=MOST).contains(&held(1_000_000)));
    }
}
