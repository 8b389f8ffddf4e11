//! The report.

use std::time::Duration;

use isogloss::evaluation::{
    Block, Cell, Curve, CurvePoint, Curves, Estimate, Heatmap, PairAlignment, Plot, Report,
    Section, Table,
};
use isogloss::transformer::PseudoLikelihood;

use crate::knowledge::Knowledge;
use crate::measures::{Found, Isotropy, Measured};
use crate::texts::Aligned;

/// Everything that was found out.
pub(crate) struct Page<'a> {
    pub(crate) described: &'a str,
    pub(crate) texts: &'a Aligned,
    pub(crate) measured: Measured,
    pub(crate) knowledge: Option<Knowledge>,
    pub(crate) reading: Duration,
}

impl Page<'_> {
    /// What the terminal shows.
    pub(crate) fn summary(&self) -> Report {
        let mut report = Report::new("Layer by layer", self.described);
        report = report.with_section(self.in_short());
        if let Some(knowledge) = &self.knowledge {
            let table = Block::Table(self.knowledge_table(knowledge));
            report = report.with_section(Section::new("Knowing languages").with_block(table));
        }
        report
    }

    /// The whole of it.
    pub(crate) fn report(&self) -> Report {
        let mut report = Report::new("What an encoder knows, layer by layer", self.described)
            .with_section(self.in_short())
            .with_section(self.alignment())
            .with_section(self.retrieval())
            .with_section(self.isotropy())
            .with_section(self.isomorphism());
        if let Some(knowledge) = &self.knowledge {
            report = report.with_section(self.knowing(knowledge));
        }
        report.with_section(self.costs())
    }

    fn in_short(&self) -> Section {
        let measured = &self.measured;
        let columns = ["layer", "CKA, debiased", "P@1", "MRR", "mean cosine", "IsoScore"];
        let caption = "Means over pairs of languages (CKA), over languages beside the first (P@1, MRR) \
                       and over all languages (the others), with intervals of 95 %";
        let mut table = Table::new(caption, &columns);
        for (layer, means) in measured.means.iter().enumerate() {
            table = table.with_row([
                layer.into(),
                means.alignment.into(),
                means.retrieval.precision.into(),
                means.retrieval.reciprocal_rank.into(),
                means.isotropy.cosine.into(),
                means.isotropy.iso_score.into(),
            ]);
        }
        let best = measured.best;
        let last = measured.layers - 1;
        let precision = |layer: usize| 100.0 * measured.means[layer].retrieval.precision.value;
        let alike = |layer: usize| measured.means[layer].alignment.value;
        let beside = if best == last {
            String::new()
        } else {
            format!(" ({:.1} % in the last layer)", precision(last))
        };
        let most =
            (0..measured.layers).max_by(|a, b| alike(*a).total_cmp(&alike(*b)).then(b.cmp(a)));
        let most = most.unwrap_or(0);
        let mut section = Section::new("In short").with_paragraph(format!(
            "{}. Layer 0 is the embeddings, layer {last} the last. Translations are found best in layer \
             {best}, where {:.1} % of texts have theirs as the nearest neighbour{beside}; languages are \
             most alike in layer {most}, with a debiased CKA of {:.3}. Both layers are chosen on these \
             texts, in favour of their figures. Intervals tell of other texts of the same kind, not of other \
             languages.",
            self.texts,
            precision(best),
            alike(most),
        ));
        for language in &self.texts.languages {
            if language.repeated > 0 {
                let (name, repeated) = (language.tag.name(), language.repeated);
                section = section.with_block(Block::Warning(format!(
                    "{repeated} texts in {name} repeat an earlier one: which translation is theirs cannot be \
                     told, so that fewer are found than could be."
                )));
            }
        }
        section.with_block(Block::Table(table))
    }

    fn alignment(&self) -> Section {
        let (names, measured) = (self.texts.names(), &self.measured);
        let debiased =
            |layer: usize, pair: usize| measured.alignments[layer][pair].debiased.estimate();
        let pairs = || self.texts.pairs().into_iter().enumerate();
        let series = pairs().filter(|(_, [a, _])| *a == 0).map(|(pair, [_, b])| {
            let values = (0..measured.layers).map(|layer| debiased(layer, pair));
            (names[b].clone(), values.collect())
        });
        let title = format!("Debiased CKA with {}", names[0]);
        let plot = by_layer(title, "debiased CKA", series.collect());
        let best = measured.best;
        let mut map = vec![vec![None; names.len()]; names.len()];
        for (pair, [a, b]) in pairs() {
            let value = Some(debiased(best, pair));
            (map[a][b], map[b][a]) = (value, value);
        }
        let map = Heatmap::new(
            format!("Debiased CKA of all pairs in layer {best}"),
            ["", ""],
            names.clone(),
            names.clone(),
            map,
        );
        let columns = ["pair", "layer", "debiased CKA", "biased CKA"];
        let mut table = Table::new("By pair and layer", &columns);
        for (pair, [a, b]) in pairs() {
            for (layer, alignments) in measured.alignments.iter().enumerate() {
                let PairAlignment { debiased, biased, .. } = &alignments[pair];
                table = table.with_row([
                    format!("{} – {}", names[a], names[b]).into(),
                    layer.into(),
                    debiased.estimate().into(),
                    biased.estimate().into(),
                ]);
            }
        }
        Section::new("How alike languages are")
            .with_paragraph(
                "Linear centred kernel alignment (Kornblith et al., 2019): 1 where the texts lie to each \
                 other in one language as they do in the other, however each space is turned or scaled. \
                 The biased form is the one that papers on languages use (Conneau et al., 2020), and is \
                 too high where texts are few for the width of the model; the debiased form is 0 for what \
                 is unrelated. Intervals are of 95 %, by leaving out each tenth of the texts.",
            )
            .with_block(Block::Plot(plot))
            .with_block(Block::Plot(Plot::Heatmap(map)))
            .with_block(Block::Table(table))
    }

    fn retrieval(&self) -> Section {
        let (names, measured) = (self.texts.names(), &self.measured);
        let series = |of: fn(&Found) -> Estimate| {
            let rows = names.iter().skip(1).zip(&measured.retrieval);
            rows.map(|(name, row)| (name.clone(), row.iter().map(of).collect())).collect()
        };
        let title =
            format!("Texts whose nearest neighbour is their translation, with {}", names[0]);
        let plot = by_layer(title, "P@1", series(|it| it.precision));
        let caption = format!("With {}, both ways", names[0]);
        let mut table = Table::new(caption, &["language", "layer", "P@1", "MRR"]);
        for (name, row) in names.iter().skip(1).zip(&measured.retrieval) {
            for (layer, found) in row.iter().enumerate() {
                table = table.with_row([
                    name.as_str().into(),
                    layer.into(),
                    found.precision.into(),
                    found.reciprocal_rank.into(),
                ]);
            }
        }
        let map = Heatmap::new(
            format!("P@1 of all pairs in layer {}", measured.best),
            ["from", "to"],
            names.clone(),
            names.clone(),
            measured.all_pairs.clone(),
        );
        Section::new("Whether translations are found")
            .with_paragraph(format!(
                "The nearest neighbour of each of {} texts among those of the other language, by the cosine of \
                 vectors as they are: the share that is the translation (P@1), and the mean of one over its \
                 rank (MRR), there and back. Intervals are of 95 %, texts being drawn again. By chance P@1 \
                 is {:.4}.",
                self.texts.count,
                1.0 / self.texts.count as f64
            ))
            .with_block(Block::Plot(plot))
            .with_block(Block::Plot(Plot::Heatmap(map)))
            .with_block(Block::Table(table))
    }

    fn isotropy(&self) -> Section {
        let names = self.texts.names();
        let rows = || names.iter().zip(&self.measured.isotropy);
        let plot = |title: &str, axis, of: fn(&Isotropy) -> Estimate| {
            // The first language last, so that the others have the colours that they have elsewhere.
            let series = rows()
                .skip(1)
                .chain(rows().take(1))
                .map(|(name, row)| (name.clone(), row.iter().map(of).collect()));
            Block::Plot(by_layer(title, axis, series.collect()))
        };
        let columns = ["language", "layer", "mean cosine", "IsoScore"];
        let mut table = Table::new("By language and layer", &columns);
        for (name, row) in rows() {
            for (layer, it) in row.iter().enumerate() {
                table = table.with_row([
                    name.as_str().into(),
                    layer.into(),
                    it.cosine.into(),
                    it.iso_score.into(),
                ]);
            }
        }
        Section::new("Where vectors point")
            .with_paragraph(
                "The mean cosine of two texts is 0 where vectors point everywhere and near 1 in a narrow cone \
                 (Ethayarajh, 2019). IsoScore is 1 where all dimensions are used evenly (Rudman et al., 2022), \
                 and is too low where texts are few for the width of the model. Intervals are of 95 %, by leaving \
                 out each tenth of the texts.",
            )
            .with_block(plot("Mean cosine of two texts", "mean cosine", |it| it.cosine))
            .with_block(plot("Evenness of dimensions", "IsoScore", |it| it.iso_score))
            .with_block(Block::Table(table))
    }

    fn isomorphism(&self) -> Section {
        let names = self.texts.names();
        let caption = format!("The last layer, {}, with {}", self.measured.layers - 1, names[0]);
        let columns = ["language", "difference of spectra", "relational similarity"];
        let mut table = Table::new(caption, &columns);
        for (name, it) in names.iter().skip(1).zip(&self.measured.isomorphism) {
            table = table.with_row([name.as_str().into(), it.spectra.into(), it.relations.into()]);
        }
        Section::new("Whether spaces have one shape")
            .with_paragraph(format!(
                "The difference of spectra is that of the graphs of nearest neighbours, 0 where they are of one \
                 shape (Søgaard et al., 2018); a text that is nearest to many others moves it most. As it grows with \
                 the number of texts, it is the mean over ten parts of {} texts each, with Student's interval. \
                 Relational similarity is the correlation \
                 of the cosines of all pairs of texts with those of their translations, 1 at best (Vulić et al., \
                 2020), with an interval by leaving out each tenth of the texts. Intervals are of 95 %.",
                self.measured.texts_in_graph
            ))
            .with_block(Block::Table(table))
    }

    fn knowledge_table(&self, knowledge: &Knowledge) -> Table {
        let columns = ["language", "perplexity a character", "bits a byte", "tokens", "left out"];
        let caption = format!("Pseudo-perplexity on the first {} texts", knowledge.texts);
        let mut table = Table::new(caption, &columns);
        for (name, known) in self.texts.names().into_iter().zip(&knowledge.languages) {
            let cell = |score: Option<Estimate>| score.map_or_else(|| "–".into(), Cell::from);
            table = table.with_row([
                name.into(),
                cell(known.perplexity),
                cell(known.bits),
                known.tokens.into(),
                known.left_out.into(),
            ]);
        }
        table
    }

    fn knowing(&self, knowledge: &Knowledge) -> Section {
        let masks = match knowledge.masks {
            PseudoLikelihood::Original => {
                "alone (Salazar et al., 2020), by which words of many tokens are overrated"
            }
            _ => "with all later tokens of its word (Kauf and Ivanova, 2023)",
        };
        Section::new("Knowing languages")
            .with_paragraph(format!(
                "The model's own head guesses each token of a text, which is hidden {masks}; words are what stands \
                 between spaces, so that a script without spaces has long ones. Sums of log-probabilities are \
                 divided by the characters or bytes of the raw texts: models of other vocabularies can be compared \
                 by either, and languages by neither alone, as scripts differ in what a character says and in its \
                 bytes. Texts with an unknown token, or too long to be read at once, are left out. Intervals are of \
                 95 %, texts being drawn again."
            ))
            .with_block(Block::Table(self.knowledge_table(knowledge)))
    }

    fn costs(&self) -> Section {
        let mut table = Table::new("What took how long", &["part", "seconds"]);
        let reading = [("reading texts, all layers at once", self.reading)];
        let knowing = self.knowledge.as_ref().map(|it| ("pseudo-perplexity", it.time));
        for (part, time) in reading.into_iter().chain(self.measured.times.clone()).chain(knowing) {
            table = table.with_row([part.into(), Cell::cost(time.as_secs_f64())]);
        }
        Section::new("Cost").with_block(Block::Table(table))
    }
}

/// A line for each language where they can be told apart, else a map.
fn by_layer(title: impl Into<String>, axis: &str, series: Vec<(String, Vec<Estimate>)>) -> Plot {
    if series.len() <= Curves::MOST {
        let curve = |(name, values): (String, Vec<Estimate>)| {
            let points = values.into_iter().enumerate();
            Curve { name, points: points.map(|(x, y)| CurvePoint { x: x as f64, y }).collect() }
        };
        let series = series.into_iter().map(curve).collect();
        return Plot::Curves(Curves::linear(title, ["layer", axis], series));
    }
    let layers = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let columns = (0..layers).map(|layer| layer.to_string()).collect();
    let (rows, cells) = series
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().map(Some).collect()))
        .unzip();
    Plot::Heatmap(Heatmap::new(title, ["", "layer"], rows, columns, cells))
}
