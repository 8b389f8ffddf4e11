//! A plan as tables and plots.

use isogloss::evaluation::{BarSeries, Bars, Block, Cell, Estimate, Plot, Report, Section, Table};
use isogloss::sampling::{
    ExponentConfig, LanguageSizes, LanguageWeighting, PlanRow, SamplingPlan, UniMaxConfig,
};
use isogloss_examples::Outcome;

/// A plan, and what is to be said of it.
pub(crate) struct Page<'a> {
    /// How languages are weighted.
    pub(crate) name: &'a str,
    /// The plan.
    pub(crate) plan: &'a SamplingPlan,
    /// The same for a stream of texts.
    pub(crate) in_texts: Option<&'a SamplingPlan>,
    /// What a person must not miss, besides repetition.
    pub(crate) warnings: &'a [String],
}

/// More languages make no readable plot.
const MOST_BARS: usize = 60;

impl Page<'_> {
    /// How often each language would be drawn by other weightings of the same budget.
    pub(crate) fn alternatives(&self, sizes: &LanguageSizes) -> Outcome<Table> {
        let mut plans = Vec::new();
        for alpha in [1.0, 0.7, 0.5, 0.3, 0.0] {
            let distribution = ExponentConfig::new().with_alpha(alpha).distribution(sizes)?;
            let plan = SamplingPlan::try_new(sizes, &distribution, self.plan.budget)?;
            plans.push((format!("alpha {alpha}"), plan));
        }
        // UniMax has no plan for a budget that four epochs of everything do not fill.
        if let Ok(distribution) = UniMaxConfig::new(self.plan.budget).distribution(sizes) {
            let plan = SamplingPlan::try_new(sizes, &distribution, self.plan.budget)?;
            plans.push(("UniMax, 4".to_owned(), plan));
        }
        let mut columns = vec!["language", "this plan"];
        columns.extend(plans.iter().map(|(name, _)| name.as_str()));
        let mut table =
            Table::new("Epochs of each language, by this weighting and others", &columns);
        for (place, row) in self.plan.rows.iter().enumerate() {
            let others = plans.iter().map(|(_, plan)| Cell::from(plan.rows[place].epochs));
            let own = [row.language.as_str().into(), row.epochs.into()];
            table = table.with_row(own.into_iter().chain(others));
        }
        Ok(table)
    }

    /// How often each language is drawn, and what that is worth.
    pub(crate) fn plot(&self) -> Plot {
        let rows = self.most_repeated();
        let series = |name: &str, value: fn(&PlanRow) -> f64| BarSeries {
            name: name.to_owned(),
            values: rows.iter().map(|row| Some(exactly(value(row)))).collect(),
        };
        Plot::Bars(Bars::new(
            format!("How often {} {} repeat each language", self.plan.budget, self.plan.unit),
            "epochs",
            labels(&rows),
            vec![
                series("drawn", |row| row.epochs),
                series("worth in new text", |row| row.effective_epochs),
            ],
        ))
    }

    /// The page.
    pub(crate) fn report(&self, sizes: &LanguageSizes) -> Outcome<Report> {
        let SamplingPlan { unit, budget, .. } = self.plan;
        let unit_name = unit.to_string();
        let columns = ["language", &unit_name, "share", "of draws", "drawn", "epochs", "worth"];
        let mut table = Table::new("The plan, the most repeated language first", &columns);
        for row in self.plan.repeated_more_than(0.0) {
            table = table.with_row([
                row.language.as_str().into(),
                row.size.into(),
                percent(row.share),
                percent(row.probability),
                row.drawn.into(),
                row.epochs.into(),
                row.effective_epochs.into(),
            ]);
        }
        let mut section = Section::new("The plan").with_paragraph(
            "Worth is how many epochs of new text would do as much (Muennighoff et al., 2023); it was \
             fitted on English left-to-right models, so it is an aid to planning and no more.",
        );
        for warning in self.warnings {
            section = section.with_block(Block::Warning(warning.clone()));
        }
        let above = self.plan.warn_above;
        let repeated: Vec<&str> =
            self.plan.repeated_more_than(above).map(|row| row.language.as_str()).collect();
        if !repeated.is_empty() {
            let names = repeated.join(", ");
            section = section
                .with_block(Block::Warning(format!("drawn more than {above} times: {names}")));
        }
        if let Some(in_texts) = self.in_texts {
            section = section.with_paragraph(format!(
                "The budget is about {} texts; plan.json has the shares by which a stream of texts \
                 keeps this plan.",
                in_texts.budget,
            ));
        }
        let rows = self.most_repeated();
        let shares = Bars::new(
            "Shares of the text, and of what is drawn",
            "percent",
            labels(&rows),
            vec![
                shares("of the text", rows.iter().map(|row| row.share)),
                shares("of the draws", rows.iter().map(|row| row.probability)),
            ],
        );
        section = section
            .with_block(Block::Plot(self.plot()))
            .with_block(Block::Table(table))
            .with_block(Block::Plot(Plot::Bars(shares)))
            .with_block(Block::Table(self.alternatives(sizes)?));
        if rows.len() < self.plan.rows.len() {
            section = section
                .with_paragraph(format!("The plots show the {MOST_BARS} most repeated languages."));
        }
        let subtitle = format!("{}; a budget of {budget} {unit}", self.name);
        Ok(Report::new("Sampling plan", subtitle).with_section(section))
    }

    fn most_repeated(&self) -> Vec<&PlanRow> {
        self.plan.repeated_more_than(0.0).take(MOST_BARS).collect()
    }
}

fn labels(rows: &[&PlanRow]) -> Vec<String> {
    rows.iter().map(|row| row.language.name().to_owned()).collect()
}

fn shares(name: &str, values: impl Iterator<Item = f64>) -> BarSeries {
    let values = values.map(|share| Some(exactly(100.0 * share))).collect();
    BarSeries { name: name.to_owned(), values }
}

fn percent(share: f64) -> Cell {
    format!("{:.3} %", 100.0 * share).into()
}

/// A forecast has no interval.
fn exactly(value: f64) -> Estimate {
    Estimate::new(value, [value, value], 1)
}
