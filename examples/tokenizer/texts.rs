//! The texts of a corpus, opened under their terms.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use isogloss::core::LanguageTag;
use isogloss::corpus::{CorpusReadError, Manifest, ManifestError, Split, TextPart};
use isogloss::governance::{Policy, Provenance, Purpose};
use isogloss_examples::Outcome;

/// Texts of a language that are measured, at most.
const MEASURED: usize = 2_000;
/// Pairs of a language that are measured, at most.
const PAIRS: usize = 10_000;

/// A corpus, and what has been opened of it.
pub(crate) struct Texts<'a> {
    pub(crate) manifest: &'a Manifest,
    policy: Policy,
    provenance: RefCell<Provenance>,
    fault: RefCell<Option<ManifestError>>,
}

/// Texts that say the same in the reference and in a language, line by line.
pub(crate) type Pairs = BTreeMap<LanguageTag, [Vec<String>; 2]>;

impl<'a> Texts<'a> {
    pub(crate) fn new(manifest: &'a Manifest, require_terms: bool) -> Self {
        let policy = Policy::today().with_require_terms(require_terms);
        Self { manifest, policy, provenance: RefCell::default(), fault: RefCell::default() }
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    /// Takes note of what was opened elsewhere.
    pub(crate) fn merge(&self, provenance: Provenance) {
        self.provenance.borrow_mut().merge(provenance);
    }

    pub(crate) fn provenance(&self) -> Provenance {
        self.provenance.borrow().clone()
    }

    /// The texts to learn from of some languages, one at a time. A fault ends them, and
    /// [`check`](Self::check) tells of it.
    pub(crate) fn lines(
        &self,
        is_wanted: impl Fn(&LanguageTag) -> bool,
    ) -> Outcome<impl Iterator<Item = String>> {
        let parts = self.parts(|part| is_train(part) && is_wanted(&part.language));
        let mut places: VecDeque<usize> = parts.map(|(place, _)| place).collect();
        let open = |place: usize| self.manifest.open_text(place, Purpose::Train, self.policy);
        // A refusal comes before anything is learned.
        for place in &places {
            open(*place)?;
        }
        let mut reader = None;
        Ok(std::iter::from_fn(move || {
            loop {
                let opened = match reader.take() {
                    Some(opened) => Ok(opened),
                    None => open(places.pop_front()?),
                };
                let next = opened.and_then(|mut opened| {
                    let text = opened.next().transpose()?;
                    if text.is_none() {
                        self.provenance.borrow_mut().push(opened.provenance());
                    } else {
                        reader = Some(opened);
                    }
                    Ok(text)
                });
                match next {
                    Ok(None) => {}
                    Ok(Some(text)) => return Some(text.text),
                    Err(fault) => {
                        self.fault.borrow_mut().get_or_insert(fault);
                        places.clear();
                        return None;
                    }
                }
            }
        }))
    }

    /// Fails if a text could not be read.
    pub(crate) fn check(&self) -> Outcome<()> {
        self.fault.take().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Texts to measure by, and pairs with the reference. A language that has nothing but pairs is
    /// measured by its side of them.
    pub(crate) fn to_measure(
        &self,
        reference: &LanguageTag,
    ) -> Outcome<(BTreeMap<LanguageTag, Vec<String>>, Pairs)> {
        let is_wanted = |split: Option<Split>| split != Some(Split::Test);
        let (mut texts, pairs) =
            (self.measured()?, self.pairs(reference, Purpose::Evaluate, is_wanted)?);
        for (language, [_, own]) in &pairs {
            texts
                .entry(language.clone())
                .or_insert_with(|| own.iter().take(MEASURED).cloned().collect());
        }
        Ok((texts, pairs))
    }

    /// Some texts of each language to measure by: those that are held out to choose by, where there
    /// are any, or else those to learn from.
    fn measured(&self) -> Outcome<BTreeMap<LanguageTag, Vec<String>>> {
        let held_out: BTreeSet<&LanguageTag> =
            self.parts(is_dev).map(|(_, part)| &part.language).collect();
        let mut texts: BTreeMap<LanguageTag, Vec<String>> = BTreeMap::new();
        let is_wanted = |part: &TextPart| {
            if held_out.contains(&part.language) { is_dev(part) } else { is_train(part) }
        };
        for (place, part) in self.parts(is_wanted) {
            let purpose = if is_dev(part) { Purpose::Evaluate } else { Purpose::Train };
            let mut reader = self.manifest.open_text(place, purpose, self.policy)?;
            let own = texts.entry(part.language.clone()).or_default();
            let left = MEASURED - own.len();
            for text in reader.by_ref().filter(is_text).take(left) {
                own.push(text?.text);
            }
            self.provenance.borrow_mut().push(reader.provenance());
        }
        texts.retain(|_, texts| !texts.is_empty());
        Ok(texts)
    }

    /// Pairs with the reference to learn from.
    pub(crate) fn training_pairs(&self, reference: &LanguageTag) -> Outcome<Pairs> {
        let is_wanted = |split: Option<Split>| split.unwrap_or(Split::Train) == Split::Train;
        self.pairs(reference, Purpose::Train, is_wanted)
    }

    /// Those of the bitexts that have the reference on one side, where both sides say something.
    fn pairs(
        &self,
        reference: &LanguageTag,
        purpose: Purpose,
        is_wanted: impl Fn(Option<Split>) -> bool,
    ) -> Outcome<Pairs> {
        let mut pairs = Pairs::new();
        for (place, part) in self.manifest.bitexts().iter().enumerate() {
            let Some(side) = part.languages.iter().position(|language| language == reference)
            else {
                continue;
            };
            if !is_wanted(part.split) {
                continue;
            }
            let other = part.languages[1 - side].clone();
            let mut reader = self.manifest.open_bitext(place, purpose, self.policy)?;
            let [of_reference, own] = pairs.entry(other).or_default();
            for pair in reader.by_ref() {
                let [a, b] = pair?.texts;
                if a.trim().is_empty() || b.trim().is_empty() {
                    continue;
                }
                if own.len() == PAIRS {
                    break;
                }
                let (a, b) = if side == 0 { (a, b) } else { (b, a) };
                of_reference.push(a);
                own.push(b);
            }
            self.provenance.borrow_mut().push(reader.provenance());
        }
        pairs.retain(|_, [_, own]| !own.is_empty());
        Ok(pairs)
    }

    fn parts(
        &self,
        is_wanted: impl Fn(&TextPart) -> bool,
    ) -> impl Iterator<Item = (usize, &'a TextPart)> {
        let manifest: &'a Manifest = self.manifest;
        manifest.texts().iter().enumerate().filter(move |(_, part)| is_wanted(part))
    }
}

/// What every language says, in the same order, where that is in the pairs of each.
pub(crate) fn multi_parallel(
    reference: &LanguageTag,
    pairs: &Pairs,
) -> BTreeMap<LanguageTag, Vec<String>> {
    let by_reference: BTreeMap<&LanguageTag, BTreeMap<&str, &str>> = pairs
        .iter()
        .map(|(language, [of_reference, own])| {
            let of_reference = of_reference.iter().map(String::as_str);
            (language, of_reference.zip(own.iter().map(String::as_str)).collect())
        })
        .collect();
    let Some(first) = by_reference.values().next() else { return BTreeMap::new() };
    let shared: Vec<&str> = first
        .keys()
        .copied()
        .filter(|text| by_reference.values().all(|own| own.contains_key(text)))
        .collect();
    let own = |texts: &BTreeMap<&str, &str>| {
        shared.iter().filter_map(|text| texts.get(text)).map(|text| (*text).to_owned()).collect()
    };
    let mut parallel: BTreeMap<LanguageTag, Vec<String>> =
        by_reference.iter().map(|(language, texts)| ((*language).clone(), own(texts))).collect();
    parallel.insert(reference.clone(), shared.iter().map(|text| (*text).to_owned()).collect());
    parallel
}

fn is_train(part: &TextPart) -> bool {
    part.split.unwrap_or(Split::Train) == Split::Train
}

fn is_dev(part: &TextPart) -> bool {
    part.split == Some(Split::Dev)
}

/// Whether a line says anything; a fault does.
fn is_text(text: &Result<isogloss::corpus::Text, CorpusReadError>) -> bool {
    text.as_ref().map_or(true, |text| !text.text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_all_languages_have_stand_side_by_side() {
        let tag = |code: &str| code.parse::<LanguageTag>().unwrap();
        let side = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let pairs = Pairs::from([
            (tag("yo"), [side(&["night", "day", "sun"]), side(&["alẹ́", "ọjọ́", "oòrùn"])]),
            (tag("zu"), [side(&["sun", "moon", "night"]), side(&["ilanga", "inyanga", "ubusuku"])]),
        ]);
        let parallel = multi_parallel(&tag("en"), &pairs);
        assert_eq!(parallel[&tag("en")], ["night", "sun"]);
        assert_eq!(parallel[&tag("yo")], ["alẹ́", "oòrùn"]);
        assert_eq!(parallel[&tag("zu")], ["ubusuku", "ilanga"]);
        assert!(multi_parallel(&tag("en"), &Pairs::new()).is_empty());
    }
}
