//! Three corpora on disk, each under its terms, and what opens of them for what.

use std::collections::BTreeMap;
use std::path::Path;

use isogloss::core::LanguageTag;
use isogloss::corpus::{Corpus, CorpusWriter, LabelledText, Manifest, ManifestError, Split};
use isogloss::evaluation::Table;
use isogloss::governance::{Policy, Provenance, Purpose, Terms};

use crate::Outcome;
use crate::data::{self, HELD_OUT, PIVOT, SOURCES, Source, Symbol, TOPICS};

/// What was opened, by what it was opened for.
pub(crate) struct Corpora {
    /// What models are pre-trained on.
    pub(crate) pretraining: Corpus,
    /// What adapts them to the language they have not seen.
    pub(crate) adaptation: Corpus,
    /// Symbols to measure on; the same ones for every language, in the same order.
    pub(crate) held: Held,
    /// Where all of it came from, under what terms.
    pub(crate) provenance: Provenance,
}

/// The same symbols in every language.
pub(crate) struct Held {
    /// Their texts, in one order for all languages.
    pub(crate) texts: BTreeMap<LanguageTag, Vec<String>>,
    /// Their topics, as numbers, in that order.
    pub(crate) topics: Vec<usize>,
}

impl Corpora {
    /// Writes the corpora under `dir` and opens them, each for its purpose; of what is held out,
    /// one split.
    pub(crate) fn build(dir: &Path, split: Split, require_terms: bool) -> Outcome<Self> {
        let symbols = data::symbols();
        let (of_adaptation, of_pretraining): (Vec<&Source>, Vec<&Source>) =
            SOURCES.iter().partition(|source| source.tag == HELD_OUT);
        let pretraining = CorpusWriter::write(&dir.join("pretraining"), |corpus| {
            let mut parts = of_pretraining.iter();
            parts.try_for_each(|source| write_training(corpus, source, &symbols.train))
        })?;
        let adaptation = CorpusWriter::write(&dir.join("adaptation"), |corpus| {
            let mut parts = of_adaptation.iter();
            parts.try_for_each(|source| write_training(corpus, source, &symbols.train))
        })?;
        let evaluation = CorpusWriter::write(&dir.join("evaluation"), |corpus| {
            let splits = [(&symbols.dev, "dev", Split::Dev), (&symbols.test, "test", Split::Test)];
            for (held_out, name, split) in splits {
                for source in &SOURCES {
                    let name = format!("topics.{name}.{}", source.tag);
                    let rows = labelled(source.tag, held_out.iter());
                    corpus.labelled(&name, tag(source.tag), &rows, &symbol_terms(), split)?;
                }
            }
            Ok(())
        })?;

        let policy = Policy::today().with_require_terms(require_terms);
        let open = |path: &Path, split, purpose| {
            Corpus::load(&Manifest::open(path)?, Some(split), purpose, policy)
        };
        let pretraining = open(&pretraining, Split::Train, Purpose::Train)?;
        let adaptation = open(&adaptation, Split::Train, Purpose::Train)?;
        let evaluation = open(&evaluation, split, Purpose::Evaluate)?;
        let mut provenance = pretraining.provenance.clone();
        for corpus in [&adaptation, &evaluation] {
            provenance.merge(corpus.provenance.clone());
        }
        let held = Held::try_from(evaluation.labelled)?;
        Ok(Self { pretraining, adaptation, held, provenance })
    }

    /// Languages that pre-training sees, with how many texts it has of each; the sides of pairs
    /// are texts too.
    pub(crate) fn pretraining_texts(&self) -> Vec<(LanguageTag, Vec<&str>)> {
        let mut texts: BTreeMap<&LanguageTag, Vec<&str>> = BTreeMap::new();
        for (language, own) in &self.pretraining.texts {
            texts.entry(language).or_default().extend(own.iter().map(String::as_str));
        }
        for ([_, language], pairs) in &self.pretraining.bitexts {
            texts.entry(language).or_default().extend(pairs.iter().map(|[_, text]| text.as_str()));
        }
        SOURCES
            .iter()
            .filter_map(|source| texts.remove_entry(&tag(source.tag)))
            .map(|(language, texts)| (language.clone(), texts))
            .collect()
    }

    /// Languages that pre-training sees beside English.
    pub(crate) fn pairs(&self) -> Vec<(LanguageTag, &[[String; 2]])> {
        let find = |source: &Source| {
            let sides = [tag(PIVOT), tag(source.tag)];
            let pairs = self.pretraining.bitexts.get(&sides)?;
            let [_, language] = sides;
            Some((language, pairs.as_slice()))
        };
        SOURCES.iter().filter_map(find).collect()
    }

    /// What there is of each language.
    pub(crate) fn card(&self) -> Table {
        let columns = [
            "language",
            "tag",
            "script",
            "family",
            "class",
            "sentences",
            "symbols",
            "pairs",
            "licences",
        ];
        let mut table = Table::new("Data card", &columns);
        for source in &SOURCES {
            let language = tag(source.tag);
            let facts = language.facts();
            let pairs = self.pretraining.bitexts.get(&[tag(PIVOT), language.clone()]);
            let pairs = pairs.map_or(0, Vec::len);
            let texts = [&self.pretraining, &self.adaptation]
                .map(|corpus| corpus.texts.get(&language).map_or(0, Vec::len));
            let sentences = source.sentences().map_or(0, |(_, lines)| lines.len());
            let texts = texts[0] + texts[1];
            let licences = if sentences > 0 { "Unicode-3.0, Apache-2.0" } else { "Unicode-3.0" };
            table = table.with_row([
                language.name().into(),
                language.as_str().into(),
                language.script().unwrap_or("?").into(),
                facts.map_or("?", |facts| facts.family).into(),
                facts
                    .and_then(|facts| facts.joshi_class)
                    .map_or("?".to_owned(), |class| class.to_string())
                    .into(),
                sentences.into(),
                (texts - sentences + pairs).into(),
                pairs.into(),
                licences.into(),
            ]);
        }
        table
    }
}

impl TryFrom<BTreeMap<LanguageTag, Vec<LabelledText>>> for Held {
    type Error = String;

    fn try_from(labelled: BTreeMap<LanguageTag, Vec<LabelledText>>) -> Result<Self, String> {
        let class = |label: &str| {
            TOPICS.iter().position(|topic| *topic == label).ok_or(format!("no topic `{label}`"))
        };
        let of_pivot = labelled.get(&tag(PIVOT)).ok_or("no text in the pivot language")?;
        let topics = of_pivot.iter().map(|row| class(&row.label)).collect::<Result<_, _>>()?;
        let texts = labelled
            .into_iter()
            .map(|(language, rows)| (language, rows.into_iter().map(|row| row.text).collect()));
        Ok(Self { texts: texts.collect(), topics })
    }
}

/// A tag of the table of sources.
pub(crate) fn tag(text: &str) -> LanguageTag {
    text.parse().unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

fn write_training(
    corpus: &mut CorpusWriter,
    source: &Source,
    symbols: &[Symbol],
) -> Result<(), ManifestError> {
    let language = tag(source.tag);
    if let Some((krate, sentences)) = source.sentences() {
        let name = format!("sentences.{}", source.tag);
        corpus.text(&name, language.clone(), &sentences, &sentence_terms(krate), Split::Train)?;
    }
    let named = || symbols.iter().filter(|symbol| symbol.texts.contains_key(source.tag));
    if source.has_pairs {
        let pairs = named().filter_map(|symbol| {
            Some([symbol.texts.get(PIVOT)?.clone(), symbol.texts.get(source.tag)?.clone()])
        });
        let pairs: Vec<[String; 2]> = pairs.take(source.n_symbols).collect();
        let name = format!("symbols.{PIVOT}-{}", source.tag);
        let languages = [tag(PIVOT), language];
        return corpus.bitext(&name, languages, &pairs, &symbol_terms(), Split::Train);
    }
    let texts: Vec<&str> =
        named().take(source.n_symbols).map(|s| s.texts[source.tag].as_str()).collect();
    let name = format!("symbols.{}", source.tag);
    corpus.text(&name, language.clone(), &texts, &symbol_terms(), Split::Train)?;
    if source.tag == PIVOT {
        let rows = labelled(PIVOT, named().take(source.n_symbols));
        corpus.labelled(
            &format!("topics.{PIVOT}"),
            language,
            &rows,
            &symbol_terms(),
            Split::Train,
        )?;
    }
    Ok(())
}

fn labelled<'a>(language: &str, symbols: impl Iterator<Item = &'a Symbol>) -> Vec<[String; 2]> {
    let row =
        |symbol: &Symbol| Some([symbol.texts.get(language)?.clone(), symbol.topic.to_owned()]);
    symbols.filter_map(row).collect()
}

fn symbol_terms() -> Terms {
    Terms::new("Unicode-3.0")
        .with_source("Unicode CLDR 38, annotations, as crate emoji 0.2.1 carries them")
        .with_attribution("Unicode, Inc.")
}

fn sentence_terms(krate: &str) -> Terms {
    let krate = krate.replace('_', "-");
    Terms::new("Apache-2.0")
        .with_source(format!("crate {krate} 1.3.0, testdata/sentences.txt"))
        .with_attribution("Leipzig Corpora Collection; selected and published by Peter M. Stahl")
}
