//! What was found, for a person to read.

use std::path::Path;

use isogloss::core::LanguageTag;
use isogloss::evaluation::{
    BarSeries, Bars, Block, Cell, Estimate, PairedDifference, Plot, Point, Report, Scatter,
    Section, Table,
};
use isogloss::sampling::{ExponentConfig, LanguageDistribution, LanguageWeighting};

use crate::Outcome;
use crate::adaptation::{Adapted, Method};
use crate::artefacts::Reloaded;
use crate::corpora::{Corpora, tag};
use crate::data::{HELD_OUT, PIVOT};
use crate::measures::ByLanguage;
use crate::pretraining::{self, Pretrained, Regime, STEPS_PER_MINUTE};
use crate::summary::{Estimates, Groups, precision_at_1, reciprocal_rank, topic_accuracy};
use crate::vocabulary::{self, Vocabularies};

/// All there is to tell.
pub(crate) struct Findings<'a> {
    pub(crate) corpora: &'a Corpora,
    pub(crate) groups: &'a Groups,
    pub(crate) vocabularies: &'a Vocabularies,
    pub(crate) models: &'a [(Pretrained, ByLanguage)],
    pub(crate) adapted: &'a [Adapted],
    pub(crate) reloaded: &'a [Reloaded],
    pub(crate) estimates: Estimates,
    pub(crate) out: &'a Path,
    pub(crate) seed: u64,
    pub(crate) minutes: f64,
    pub(crate) device: &'a str,
    pub(crate) split: &'a str,
    pub(crate) seconds: f64,
    pub(crate) mebibytes: f64,
}

impl Findings<'_> {
    /// The report, ready to be written.
    pub(crate) fn report(&self) -> Outcome<Report> {
        let subtitle = format!(
            "One encoder for {} languages, pre-trained in three ways on real text, and adapted to one \
             that it had never seen. Seed {}, {} minutes, device {}, measured on the {} split.",
            self.vocabularies.sizes.len(),
            self.seed,
            self.minutes,
            self.device,
            self.split,
        );
        Ok(Report::new("Isogloss: across the line", subtitle)
            .with_section(self.answers()?)
            .with_section(self.data()?)
            .with_section(self.vocabulary())
            .with_section(self.pretraining())
            .with_section(self.transfer()?)
            .with_section(self.masked_tokens()?)
            .with_section(self.topics()?)
            .with_section(self.adaptation()?)
            .with_section(self.files()))
    }

    /// The questions that the run was made for, first.
    fn answers(&self) -> Outcome<Section> {
        let mut table = Table::new(
            "Differences with 95 % intervals (paired bootstrap over the held-out symbols or texts)",
            &["question", "measure", "difference", "answer"],
        );
        let mut row =
            |question: &str, measure: &str, found: PairedDifference, better: [&str; 2]| {
                let answer = if found.difference.low > 0.0 {
                    better[0]
                } else if found.difference.high < 0.0 {
                    better[1]
                } else {
                    "this run does not tell"
                };
                let cells =
                    [question.into(), measure.into(), found.difference.into(), answer.into()];
                table.rows.push(cells.into());
            };
        row(
            "Does balanced sampling make words shorter in low-resource languages?",
            "tokens a word saved",
            self.vocabularies.gain,
            ["yes", "no: longer"],
        );
        let mlm = self.of(Regime::Mlm);
        for (regime, name) in [(Regime::MlmTlm, "TLM"), (Regime::MlmRanking, "translation ranking")]
        {
            let scores = self.of(regime);
            for (which, languages) in self.groups.named() {
                let found = self.estimates.difference(scores, mlm, languages, precision_at_1)?;
                let question =
                    format!("Does {name} beside MLM bring languages {which} nearer to English?");
                row(&question, "P@1 over MLM", found, ["yes", "no: further"]);
            }
            let languages = &self.groups.with_pairs;
            let found = self.estimates.difference(scores, mlm, languages, reciprocal_rank)?;
            let question = format!("Does {name} beside MLM rank translations higher, with pairs?");
            row(&question, "mean reciprocal rank over MLM", found, ["yes", "no: lower"]);
            let found = self.estimates.difference(scores, mlm, languages, topic_accuracy)?;
            let question = format!("Does {name} carry topics to languages with pairs?");
            row(&question, "accuracy over MLM", found, ["yes", "no: less than MLM"]);
        }
        let held_out = [tag(HELD_OUT)];
        let (base, full) = (self.adapted(Method::Nothing)?, self.adapted(Method::Full)?);
        let name = held_out[0].name();
        for method in [Method::Bottleneck, Method::Lora, Method::Full] {
            let scores = &self.adapted(method)?.scores;
            let found = self.estimates.guessed_difference(scores, &base.scores, &held_out)?;
            let question = format!("Does {} learn {name}?", method.name());
            row(&question, "hidden tokens guessed", found, ["yes", "no: less than before"]);
        }
        for method in [Method::Bottleneck, Method::Lora, Method::Layers] {
            let scores = &self.adapted(method)?.scores;
            let found = self.estimates.guessed_difference(&full.scores, scores, &held_out)?;
            let question =
                format!("Does full fine-tuning learn more {name} than {}?", method.name());
            row(&question, "hidden tokens guessed", found, ["yes", "no: less"]);
            let found =
                self.estimates.difference(&full.scores, scores, &held_out, precision_at_1)?;
            let question = format!(
                "Does full fine-tuning bring {name} nearer to English than {}?",
                method.name()
            );
            row(&question, "P@1", found, ["yes", "no: further"]);
        }
        Ok(Section::new("What each method bought").with_block(Block::Table(table)))
    }

    fn data(&self) -> Outcome<Section> {
        let mut section = Section::new("The text, and whose it is").with_paragraph(format!(
            "Names of symbols say the same in every language, and were split by what they mean: no \
             symbol that is measured on, in any gender, was learned from in any language. Sentences \
             are from the web. {} languages, marked * in the plots, have pairs with English; {} is kept \
             for the end.",
            self.groups.with_pairs.len(),
            tag(HELD_OUT).name(),
        ));
        for warning in self.corpora.provenance.warnings() {
            section = section.with_block(Block::Warning(warning));
        }
        section = section.with_block(Block::Table(self.corpora.card()));
        let labels = self.vocabularies.sizes.iter().map(|(language, _)| language.name().to_owned());
        let series = |name: String, distribution: &LanguageDistribution| {
            let values = distribution.iter().map(|(_, share)| Some(point(share))).collect();
            BarSeries { name, values }
        };
        let Vocabularies { sizes, proportional, balanced, .. } = self.vocabularies;
        let exponent = ExponentConfig::new().with_alpha(pretraining::ALPHA);
        let sampling = Bars::new(
            "How often each language is drawn",
            "share of draws",
            labels.collect(),
            vec![
                series("as it comes".to_owned(), &proportional.distribution),
                series(format!("vocabulary, alpha {}", vocabulary::ALPHA), &balanced.distribution),
                series(
                    format!("pre-training, alpha {}", pretraining::ALPHA),
                    &exponent.distribution(sizes)?,
                ),
            ],
        );
        Ok(section.with_block(Block::Plot(Plot::Bars(sampling))))
    }

    fn vocabulary(&self) -> Section {
        let [proportional, balanced] =
            [&self.vocabularies.proportional, &self.vocabularies.balanced]
                .map(|v| &v.fairness.rows);
        let premium = |rows: &[isogloss::tokenization::FairnessRow]| -> Vec<_> {
            rows.iter().map(|row| row.premium.map(point)).collect()
        };
        let plot = Bars::new(
            "Tokens for what English says in one",
            "premium: tokens over those of the English for the same symbols",
            proportional.iter().map(|row| row.language.name().to_owned()).collect(),
            vec![
                BarSeries { name: "as it comes".to_owned(), values: premium(proportional) },
                BarSeries { name: "balanced".to_owned(), values: premium(balanced) },
            ],
        );
        Section::new("One vocabulary, trained twice")
            .with_paragraph(
                "Fertility is tokens for each word, premium the tokens for the same symbols over \
                 those in English. A language whose words fall apart pays in length, memory and \
                 context. Both vocabularies are of one size; what some languages gain, others give.",
            )
            .with_block(Block::Plot(Plot::Bars(plot)))
            .with_block(Block::Table(self.vocabularies.table()))
    }

    fn pretraining(&self) -> Section {
        let columns = ["model", "steps", "task", "first loss", "last loss", "seconds"];
        let mut table = Table::new("Losses in nats for each hidden token or pair", &columns);
        for (run, _) in self.models {
            let mut tasks: Vec<&str> =
                run.history.iter().map(|record| record.task.as_str()).collect();
            tasks.sort_unstable();
            tasks.dedup();
            for task in tasks {
                let mut losses = run.history.iter().filter(|r| r.task == task).map(|r| r.loss);
                let first = losses.next().unwrap_or(f64::NAN);
                table = table.with_row([
                    run.regime.name().into(),
                    run.steps.into(),
                    task.into(),
                    first.into(),
                    losses.next_back().unwrap_or(first).into(),
                    Cell::cost(run.seconds),
                ]);
            }
        }
        Section::new("Pre-training, three ways")
            .with_paragraph(format!(
                "The same first weights, texts, number of steps and tokens in a step. MLM hides tokens of \
                 single texts; TLM spends three of four steps on texts beside their translations, ranking \
                 as many on telling the translation of a text from the others in the batch. All read the \
                 same texts: where MLM sees the two sides of a pair, it sees them apart. The three run \
                 at the same time, {STEPS_PER_MINUTE} steps of each for a minute that was asked for.",
            ))
            .with_block(Block::Table(table))
    }

    fn transfer(&self) -> Outcome<Section> {
        let languages = self.groups.all();
        let mut plot = Bars::new(
            "Finding the translation among the held-out symbols",
            "P@1, mean of both ways, with 95 % intervals",
            languages.iter().map(|language| self.label(language)).collect(),
            Vec::new(),
        );
        let columns = [
            "language",
            "pairs",
            "model",
            "P@1 from English",
            "P@1 to English",
            "mean reciprocal rank",
        ];
        let mut table = Table::new("Retrieval by language", &columns);
        let mut means = Table::new(
            "Retrieval, means over languages",
            &["languages", "model", "P@1", "mean reciprocal rank"],
        );
        for (run, scores) in self.models {
            let values = languages.iter().map(|language| {
                self.estimates
                    .mean(scores, std::slice::from_ref(language), precision_at_1)
                    .map(Some)
            });
            let values = values.collect::<Outcome<Vec<_>>>()?;
            plot.series.push(BarSeries { name: run.regime.name().to_owned(), values });
            for (which, group) in self.groups.named() {
                means = means.with_row([
                    which.into(),
                    run.regime.name().into(),
                    self.estimates.mean(scores, group, precision_at_1)?.into(),
                    self.estimates.mean(scores, group, reciprocal_rank)?.into(),
                ]);
            }
        }
        for language in &languages {
            let only = std::slice::from_ref(language);
            let has_pairs = self.groups.with_pairs.contains(language);
            for (run, scores) in self.models {
                table = table.with_row([
                    language.name().into(),
                    if has_pairs { "yes" } else { "no" }.into(),
                    run.regime.name().into(),
                    self.estimates.mean(scores, only, |s, i| s.from_english[i])?.into(),
                    self.estimates.mean(scores, only, |s, i| s.to_english[i])?.into(),
                    self.estimates.mean(scores, only, reciprocal_rank)?.into(),
                ]);
            }
        }
        let symbols = self.corpora.held.topics.len();
        Ok(Section::new("Crossing to English")
            .with_paragraph(format!(
                "Each text is the mean of its vectors, each language centred on its own mean; the nearest \
                 text in the other language is right if it names the same symbol. There are {symbols} to \
                 choose from, so chance is {:.3}. Words that two languages share help every model.",
                1.0 / symbols as f64,
            ))
            .with_block(Block::Plot(Plot::Bars(plot)))
            .with_block(Block::Table(means))
            .with_block(Block::Table(table)))
    }

    fn masked_tokens(&self) -> Outcome<Section> {
        let mut table = Table::new(
            "Hidden tokens by language",
            &["language", "model", "guessed", "pseudo-perplexity a character"],
        );
        let columns = ["languages", "model", "guessed", "pseudo-perplexity a character"];
        let mut means = Table::new("Hidden tokens, over languages", &columns);
        for (which, group) in self.groups.named() {
            for (run, scores) in self.models {
                means = means.with_row([
                    which.into(),
                    run.regime.name().into(),
                    self.estimates.guessed(scores, group)?.into(),
                    self.estimates.perplexity(scores, group)?.into(),
                ]);
            }
        }
        for language in std::iter::once(tag(PIVOT)).chain(self.groups.all()) {
            let only = std::slice::from_ref(&language);
            for (run, scores) in self.models {
                table = table.with_row([
                    language.name().into(),
                    run.regime.name().into(),
                    self.estimates.guessed(scores, only)?.into(),
                    self.estimates.perplexity(scores, only)?.into(),
                ]);
            }
        }
        Ok(Section::new("Knowing the language")
            .with_paragraph(
                "Three in ten tokens of each held-out text are hidden, the same ones for every model, and \
                 guessed. For perplexity each token is hidden by itself, whatever word it is of \
                 (Salazar et al., 2020); it is for each character, so that no language gains by \
                 longer tokens. TLM and ranking spend three of four steps on \
                 something else than single texts.",
            )
            .with_block(Block::Table(means))
            .with_block(Block::Table(table)))
    }

    fn topics(&self) -> Outcome<Section> {
        let languages: Vec<LanguageTag> =
            std::iter::once(tag(PIVOT)).chain(self.groups.all()).collect();
        let mut plot = Bars::new(
            "Topics, learned from English alone",
            "accuracy, with 95 % intervals",
            languages.iter().map(|language| self.label(language)).collect(),
            Vec::new(),
        );
        let mut table = Table::new(
            "Zero-shot topics by language",
            &["language", "model", "accuracy", "macro F1"],
        );
        let accuracy = |scores: &ByLanguage, languages: &[LanguageTag]| {
            self.estimates.mean(scores, languages, topic_accuracy)
        };
        let columns = ["languages", "model", "accuracy"];
        let mut means = Table::new("Zero-shot topics, means over languages", &columns);
        for (run, scores) in self.models {
            let values = languages
                .iter()
                .map(|language| accuracy(scores, std::slice::from_ref(language)).map(Some));
            let values = values.collect::<Outcome<Vec<_>>>()?;
            plot.series.push(BarSeries { name: run.regime.name().to_owned(), values });
        }
        for (which, group) in self.groups.named() {
            for (run, scores) in self.models {
                let accuracy = accuracy(scores, group)?;
                means = means.with_row([which.into(), run.regime.name().into(), accuracy.into()]);
            }
        }
        for language in &languages {
            for (run, scores) in self.models {
                table = table.with_row([
                    language.name().into(),
                    run.regime.name().into(),
                    accuracy(scores, std::slice::from_ref(language))?.into(),
                    self.estimates.topic_f1(&scores[language])?.into(),
                ]);
            }
        }
        let most = self.most_frequent_topic();
        Ok(Section::new("Carrying a task across")
            .with_paragraph(format!(
                "Each model is fine-tuned to tell eight topics from labelled English, and asked in the \
                 other languages, of which it saw no label. Always saying the most frequent topic is \
                 right for {most:.3} of the symbols.",
            ))
            .with_block(Block::Plot(Plot::Bars(plot)))
            .with_block(Block::Table(means))
            .with_block(Block::Table(table)))
    }

    fn adaptation(&self) -> Outcome<Section> {
        let (held_out, others) = ([tag(HELD_OUT)], self.groups.all());
        let name = held_out[0].name().to_owned();
        let columns = [
            "method",
            "trainable",
            "% of full",
            "guessed",
            "perplexity a character",
            "P@1",
            "MiB",
            "seconds",
        ];
        let mut quality = Table::new(format!("{name}, and what it took"), &columns);
        let columns = ["method", "guessed", "change", "P@1", "change"];
        let mut forgetting = Table::new("The other languages, after", &columns);
        let mut points = Vec::new();
        let base = &self.adapted(Method::Nothing)?.scores;
        for adapted in self.adapted {
            let guessed = self.estimates.guessed(&adapted.scores, &held_out)?;
            quality = quality.with_row([
                adapted.method.name().into(),
                adapted.trainable.into(),
                (100.0 * adapted.trainable as f64 / adapted.of as f64).into(),
                guessed.into(),
                self.estimates.perplexity(&adapted.scores, &held_out)?.into(),
                self.estimates.mean(&adapted.scores, &held_out, precision_at_1)?.into(),
                Cell::cost(adapted.mebibytes),
                Cell::cost(adapted.seconds),
            ]);
            forgetting = forgetting.with_row([
                adapted.method.name().into(),
                self.estimates.guessed(&adapted.scores, &others)?.into(),
                self.estimates
                    .guessed_difference(&adapted.scores, base, &others)?
                    .difference
                    .into(),
                self.estimates.mean(&adapted.scores, &others, precision_at_1)?.into(),
                self.estimates
                    .difference(&adapted.scores, base, &others, precision_at_1)?
                    .difference
                    .into(),
            ]);
            // No parameter at all has no place on a logarithmic axis: it stands at the left edge.
            let x = (adapted.trainable as f64).max(1_000.0);
            points.push(Point { name: adapted.method.name().to_owned(), x, y: guessed });
        }
        let plot = Scatter::log_x(
            format!("{name}: what is learned by how many weights"),
            "trainable parameters (none: at the left edge)",
            "hidden tokens guessed, with 95 % intervals",
            points,
        );
        Ok(Section::new(format!("A language it had never seen: {name}"))
            .with_paragraph(format!(
                "The model of MLM + TLM goes on with MLM on {name} alone, {} steps for each method. An adapter \
                 is a small file beside the frozen model: taken off, the other languages are as they \
                 were; the second table shows them with it left on. Adapters leave the vectors of words \
                 as they are, and pre-training hardly saw those of {name}: the row \"{}\" tells how \
                 much of what full fine-tuning gains comes from there.",
                self.adapted(Method::Full)?.steps,
                Method::Layers.name(),
            ))
            .with_block(Block::Plot(Plot::Scatter(plot)))
            .with_block(Block::Table(quality))
            .with_block(Block::Table(forgetting)))
    }

    fn files(&self) -> Section {
        let mut table = Table::new(
            "Written, read back and compared bit by bit",
            &["what", "where", "numbers compared"],
        );
        for reloaded in self.reloaded {
            let path = reloaded.path.strip_prefix(self.out).unwrap_or(&reloaded.path);
            table = table.with_row([
                reloaded.what.as_str().into(),
                path.display().to_string().into(),
                reloaded.compared.into(),
            ]);
        }
        let costs = Table::new("The whole run", &["what", "how much"])
            .with_row(["seconds".into(), Cell::cost(self.seconds)])
            .with_row(["most memory held, MiB".into(), Cell::cost(self.mebibytes)]);
        let mut sources = Table::new("Sources", &["source", "licence", "attribution"]);
        let mut seen = std::collections::BTreeSet::new();
        for entry in &self.corpora.provenance.entries {
            let source = entry.source.clone();
            if seen.insert(source.clone()) {
                sources = sources.with_row([
                    source.into(),
                    entry.licence.as_str().into(),
                    entry.attribution.clone().unwrap_or_default().into(),
                ]);
            }
        }
        Section::new("Files, costs and sources")
            .with_block(Block::Table(table))
            .with_block(Block::Table(costs))
            .with_block(Block::Table(sources))
    }

    fn of(&self, regime: Regime) -> &ByLanguage {
        // Every regime was run.
        let found = self.models.iter().find(|(run, _)| run.regime == regime);
        found.map_or(&self.models[0].1, |(_, scores)| scores)
    }

    fn adapted(&self, method: Method) -> Outcome<&Adapted> {
        Ok(self
            .adapted
            .iter()
            .find(|adapted| adapted.method == method)
            .ok_or("a method was not run")?)
    }

    fn label(&self, language: &LanguageTag) -> String {
        let mark = if self.groups.with_pairs.contains(language) { " *" } else { "" };
        format!("{}{mark}", language.name())
    }

    fn most_frequent_topic(&self) -> f64 {
        let topics = &self.corpora.held.topics;
        let count = |topic| topics.iter().filter(|found| **found == topic).count();
        let most = topics.iter().map(|topic| count(*topic)).max().unwrap_or(0);
        most as f64 / topics.len().max(1) as f64
    }
}

/// A number without an interval.
fn point(value: f64) -> Estimate {
    Estimate::new(value, [value, value], 1)
}
