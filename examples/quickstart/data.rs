//! The text that cargo itself brings, as two published crates carry it.
//!
//! `emoji` has the names and keywords of symbols from the Unicode CLDR: the same symbol named in
//! every language, so they are translations of one another, and in eight groups, so they have topics.
//! `lingua-…-language-model` has a thousand sentences for each of its languages.

use std::collections::BTreeMap;

use include_dir::Dir;
use isogloss::core::Seed;

/// What is taken of one language.
pub(crate) struct Source {
    /// Its tag, which is also its name in `emoji`.
    pub(crate) tag: &'static str,
    /// Its sentences, with the name of the crate they are in.
    sentences: Option<(&'static str, &'static Dir<'static>)>,
    /// How many sentences.
    n_sentences: usize,
    /// How many symbols.
    pub(crate) n_symbols: usize,
    /// Whether pre-training sees its symbols beside the English ones.
    pub(crate) has_pairs: bool,
}

/// A symbol, as some languages call it.
pub(crate) struct Symbol {
    /// What it stands for whatever its gender; never in two splits.
    pub(crate) concept: String,
    /// Its topic.
    pub(crate) topic: &'static str,
    /// A text for each language that names it.
    pub(crate) texts: BTreeMap<&'static str, String>,
}

/// Symbols by what they are for.
#[derive(Default)]
pub(crate) struct Symbols {
    /// To learn from.
    pub(crate) train: Vec<Symbol>,
    /// To choose by: every language names each of them.
    pub(crate) dev: Vec<Symbol>,
    /// To measure on: every language names each of them.
    pub(crate) test: Vec<Symbol>,
}

/// Symbols to choose by, and to measure on.
const N_DEV: usize = 150;
const N_TEST: usize = 250;

/// The topics, in the order of their classes; flags are left out, for they are names of countries.
pub(crate) const TOPICS: [&str; 8] = [
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
];

/// The language that the others are paired with.
pub(crate) const PIVOT: &str = "en";
/// The language that pre-training never sees.
pub(crate) const HELD_OUT: &str = "zu";

macro_rules! lingua {
    ($krate:ident, $directory:ident) => {
        Some((stringify!($krate), &$krate::$directory))
    };
}

/// Sizes fall as they do on the web, over two orders of magnitude; twelve languages have pairs.
#[rustfmt::skip]
pub(crate) const SOURCES: [Source; 24] = [
    // tag, sentences, how many, symbols, pairs
    source("en", lingua!(lingua_english_language_model, ENGLISH_TESTDATA_DIRECTORY), 300, 1200, false),
    source("es", lingua!(lingua_spanish_language_model, SPANISH_TESTDATA_DIRECTORY), 280, 1000, true),
    source("ru", lingua!(lingua_russian_language_model, RUSSIAN_TESTDATA_DIRECTORY), 250, 950, true),
    source("ar", lingua!(lingua_arabic_language_model, ARABIC_TESTDATA_DIRECTORY), 220, 900, true),
    source("hi", lingua!(lingua_hindi_language_model, HINDI_TESTDATA_DIRECTORY), 190, 850, true),
    source("id", lingua!(lingua_indonesian_language_model, INDONESIAN_TESTDATA_DIRECTORY), 160, 800, true),
    source("tr", lingua!(lingua_turkish_language_model, TURKISH_TESTDATA_DIRECTORY), 130, 750, true),
    source("de", lingua!(lingua_german_language_model, GERMAN_TESTDATA_DIRECTORY), 150, 400, false),
    source("fi", lingua!(lingua_finnish_language_model, FINNISH_TESTDATA_DIRECTORY), 100, 250, false),
    source("sw", lingua!(lingua_swahili_language_model, SWAHILI_TESTDATA_DIRECTORY), 60, 400, true),
    source("yo", lingua!(lingua_yoruba_language_model, YORUBA_TESTDATA_DIRECTORY), 45, 300, true),
    source("so", lingua!(lingua_somali_language_model, SOMALI_TESTDATA_DIRECTORY), 40, 250, true),
    source("am", None, 0, 350, true),
    source("si", None, 0, 250, true),
    source("qu", None, 0, 200, true),
    source("my", None, 0, 150, false),
    source("xh", lingua!(lingua_xhosa_language_model, XHOSA_TESTDATA_DIRECTORY), 40, 100, false),
    source("ha", None, 0, 100, false),
    source("ig", None, 0, 80, false),
    source("rw", None, 0, 60, false),
    source("km", None, 0, 45, false),
    source("mi", lingua!(lingua_maori_language_model, MAORI_TESTDATA_DIRECTORY), 10, 25, false),
    source("wo", None, 0, 13, false),
    source("zu", lingua!(lingua_zulu_language_model, ZULU_TESTDATA_DIRECTORY), 60, 250, false),
];

const fn source(
    tag: &'static str,
    sentences: Option<(&'static str, &'static Dir<'static>)>,
    n_sentences: usize,
    n_symbols: usize,
    has_pairs: bool,
) -> Source {
    Source { tag, sentences, n_sentences, n_symbols, has_pairs }
}

impl Source {
    /// The sentences that are taken, and the crate they are from.
    pub(crate) fn sentences(&self) -> Option<(&'static str, Vec<&'static str>)> {
        let (name, dir) = self.sentences?;
        let text = dir.get_file("sentences.txt")?.contents_utf8()?;
        let lines = text.lines().map(str::trim).filter(|line| is_sentence(line));
        // In the order of a hash: the file is sorted, and its beginning is digits.
        let mut lines: Vec<&str> = lines.collect();
        lines.sort_by_key(|line| Seed::new(0).derive(line));
        lines.truncate(self.n_sentences);
        Some((name, lines))
    }
}

/// Whether a line is prose: not the debris of lists and picture frames.
fn is_sentence(line: &str) -> bool {
    let letters = line.chars().filter(|c| c.is_alphabetic() || c.is_whitespace()).count();
    let first = line.split_whitespace().next().unwrap_or_default();
    !first.ends_with("px") && letters * 10 >= line.chars().count() * 8
}

/// The symbols of `emoji`, without skin tones, split by concept.
pub(crate) fn symbols() -> Symbols {
    let mut all: Vec<Symbol> = emoji::lookup_by_name::iter_emoji()
        .filter(|emoji| !emoji.is_variant && TOPICS.contains(&emoji.group))
        .map(symbol)
        .collect();
    // `emoji` iterates over a hash map.
    all.sort_by(|a, b| a.texts.cmp(&b.texts));
    let mut concepts: BTreeMap<(Seed, String), Vec<Symbol>> = BTreeMap::new();
    for symbol in all {
        let hash = Seed::new(0).derive(&symbol.concept);
        concepts.entry((hash, symbol.concept.clone())).or_default().push(symbol);
    }
    let (mut symbols, mut held_out) = (Symbols::default(), Vec::new());
    for mut of_concept in concepts.into_values() {
        let named_by_all = of_concept.iter().position(|s| s.texts.len() == SOURCES.len());
        match named_by_all {
            // Its other genders are neither learned from nor measured on.
            Some(place) if held_out.len() < N_TEST + N_DEV => {
                held_out.push(of_concept.swap_remove(place));
            }
            _ => symbols.train.extend(of_concept),
        }
    }
    symbols.dev = held_out.split_off(N_TEST.min(held_out.len()));
    symbols.test = held_out;
    symbols
}

fn symbol(emoji: &'static emoji::Emoji) -> Symbol {
    let mut texts = BTreeMap::new();
    for annotation in emoji.annotations {
        let source = SOURCES.iter().find(|source| source.tag == annotation.lang);
        if let (Some(source), Some(name)) = (source, annotation.tts) {
            let keywords: Vec<&str> =
                annotation.keywords.iter().copied().filter(|keyword| *keyword != name).collect();
            let text = match keywords.as_slice() {
                [] => name.to_owned(),
                keywords => format!("{name}: {}", keywords.join(", ")),
            };
            // Marks that only turn the direction of a line are no part of what it says.
            let text = text.replace(['\u{202a}', '\u{202b}', '\u{202c}'], "");
            texts.insert(source.tag, text);
        }
    }
    let topic = TOPICS.iter().find(|topic| **topic == emoji.group).copied().unwrap_or_default();
    Symbol { concept: concept(emoji), topic, texts }
}

/// One name for a symbol and for its other genders: "woman running" is no new concept to a model
/// that has seen "man running".
fn concept(emoji: &emoji::Emoji) -> String {
    if emoji.subgroup == "family" {
        return "family".to_owned();
    }
    let parts =
        emoji.codepoint.split(' ').filter(|c| !["200D", "2640", "2642", "FE0F"].contains(c));
    let parts = parts.map(|c| if ["1F468", "1F469"].contains(&c) { "1F9D1" } else { c });
    parts.collect::<Vec<_>>().join(" ")
}
