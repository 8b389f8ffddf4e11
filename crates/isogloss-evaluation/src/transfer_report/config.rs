//! What a report of transfer is to hold.

use std::collections::{BTreeMap, BTreeSet};

use isogloss_core::LanguageTag;

use crate::{Cell, Demand, Estimate, EvaluationError, Grouping, OverSeeds};

/// What a report of transfer is to hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TransferReportConfig {
    /// Its title.
    pub title: String,
    /// The share that intervals cover, in `(0, 1)`. Default: 0.95.
    pub level: f64,
    /// Whether scores have their intervals. Default: yes.
    pub intervals: bool,
    /// What chance, or always the same answer, scores. Default: unknown.
    pub baseline: Option<f64>,
    /// The greatest possible score, of which utility is a share. Default: 1.
    pub maximum: f64,
    /// The source, of one language or several, by which systems that have several are compared.
    /// Default: that with the most results, and of such English.
    pub source: Option<Vec<LanguageTag>>,
    /// Partitions of the languages; one of the name `script`, `family` or `Joshi class` stands in
    /// for that of the tags and the built-in table. Default: none besides these three.
    pub groupings: Vec<Grouping>,
    /// Speakers of each language, for global utility. Default: none, and no utility.
    pub demand: Option<Demand>,
    /// Names of languages in their own words. Default: English names.
    pub names: BTreeMap<LanguageTag, String>,
    /// How many times as many tokens each language needs for the same text as a pivot
    /// ([`token_premium`](crate::token_premium)). Default: none.
    pub premiums: BTreeMap<LanguageTag, Estimate>,
    /// English names, where two languages of the runs share one: those of two scripts do.
    pub(super) shared_names: BTreeMap<LanguageTag, String>,
}

impl TransferReportConfig {
    /// The defaults, under a title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            level: 0.95,
            intervals: true,
            baseline: None,
            maximum: 1.0,
            source: None,
            groupings: Vec::new(),
            demand: None,
            names: BTreeMap::new(),
            premiums: BTreeMap::new(),
            shared_names: BTreeMap::new(),
        }
    }

    /// Sets the share that intervals cover.
    #[must_use]
    pub fn with_level(mut self, level: f64) -> Self {
        self.level = level;
        self
    }

    /// Leaves intervals out; the report then warns of it.
    #[must_use]
    pub fn without_intervals(mut self) -> Self {
        self.intervals = false;
        self
    }

    /// Sets what chance scores.
    #[must_use]
    pub fn with_baseline(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    /// Sets the greatest possible score.
    #[must_use]
    pub fn with_maximum(mut self, maximum: f64) -> Self {
        self.maximum = maximum;
        self
    }

    /// Sets the source by which systems are compared.
    #[must_use]
    pub fn with_source(mut self, source: impl IntoIterator<Item = LanguageTag>) -> Self {
        let sorted: BTreeSet<LanguageTag> = source.into_iter().collect();
        self.source = Some(sorted.into_iter().collect());
        self
    }

    /// Adds a partition of the languages.
    #[must_use]
    pub fn with_grouping(mut self, grouping: Grouping) -> Self {
        self.groupings.push(grouping);
        self
    }

    /// Sets the speakers of each language.
    #[must_use]
    pub fn with_demand(mut self, demand: Demand) -> Self {
        self.demand = Some(demand);
        self
    }

    /// Sets names of languages in their own words.
    #[must_use]
    pub fn with_names(mut self, names: BTreeMap<LanguageTag, String>) -> Self {
        self.names = names;
        self
    }

    /// Sets what texts cost in tokens.
    #[must_use]
    pub fn with_premiums(mut self, premiums: BTreeMap<LanguageTag, Estimate>) -> Self {
        self.premiums = premiums;
        self
    }

    /// Adds what a table says of languages: tab-separated, the first row names the columns. The
    /// column `language` is needed; `name` is the language's name in its own words; each other column
    /// is a partition. An empty cell says nothing.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for a table without the column, a row of another length, a column
    /// twice, a language twice or a tag that is none, with the line.
    pub fn with_groups_tsv(mut self, text: &str) -> Result<Self, EvaluationError> {
        let rows = Rows::try_new("groups", text)?;
        for (place, column) in rows.columns.iter().enumerate().skip(1) {
            let cells = rows.of_column(place);
            if *column == "name" {
                self.names.extend(cells);
            } else {
                self.groupings.push(Grouping::new(*column, cells.collect()));
            }
        }
        Ok(self)
    }

    /// A score as it stands in a table.
    pub(super) fn cell(&self, over: &OverSeeds) -> Cell {
        if self.intervals { over.cell() } else { over.mean.into() }
    }

    pub(super) fn check(&self) -> Result<(), EvaluationError> {
        let config = |field, found: f64, expected| {
            Err(EvaluationError::Config { field, found: found.to_string(), expected })
        };
        if !(self.level > 0.0 && self.level < 1.0) {
            return config("level", self.level, "0 < level < 1");
        }
        if !(self.maximum > 0.0 && self.maximum.is_finite()) {
            return config("maximum", self.maximum, "a number above 0");
        }
        match self.baseline {
            Some(found) if !found.is_finite() => config("baseline", found, "a finite number"),
            _ => Ok(()),
        }
    }
}

impl Demand {
    /// Reads figures from a table: tab-separated, the first row is `language` and `speakers`.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Config`] for another head, a row of another length, a language twice, a tag
    /// or a figure that is none, with the line; those of [`try_new`](Self::try_new).
    pub fn from_tsv(source: impl Into<String>, text: &str) -> Result<Self, EvaluationError> {
        let rows = Rows::try_new("demand", text)?;
        if rows.columns != ["language", "speakers"] {
            let (found, expected) = (rows.columns.join(", "), "the columns language, speakers");
            return Err(EvaluationError::Config { field: "demand", found, expected });
        }
        let mut speakers = BTreeMap::new();
        for (language, cell) in rows.of_column(1) {
            let figure = cell.parse().map_err(|_| EvaluationError::Config {
                field: "speakers",
                found: format!("`{cell}` for {language}"),
                expected: "a number",
            })?;
            speakers.insert(language, figure);
        }
        Self::try_new(source, speakers)
    }
}

/// A table of languages.
struct Rows<'a> {
    columns: Vec<&'a str>,
    rows: BTreeMap<LanguageTag, Vec<&'a str>>,
}

impl<'a> Rows<'a> {
    fn try_new(field: &'static str, text: &'a str) -> Result<Self, EvaluationError> {
        let fault = |line: usize, found: &str, expected| EvaluationError::Config {
            field,
            found: format!("`{found}` in line {line}"),
            expected,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
        let (head, line) = lines.next().unwrap_or(("", 1));
        let columns: Vec<&str> = head.split('\t').map(str::trim).collect();
        if columns.first() != Some(&"language") {
            return Err(fault(line, head, "a head whose first column is `language`"));
        }
        for (place, column) in columns.iter().enumerate() {
            if column.is_empty() || columns[..place].contains(column) {
                return Err(fault(line, column, "columns with names, each of them once"));
            }
        }
        let mut rows = BTreeMap::new();
        for (row, line) in lines {
            let cells: Vec<&str> = row.split('\t').map(str::trim).collect();
            if cells.len() != columns.len() {
                return Err(fault(line, row, "as many cells as the head has"));
            }
            let language: LanguageTag =
                cells[0].parse().map_err(|_| fault(line, cells[0], "a language tag"))?;
            if rows.insert(language, cells).is_some() {
                return Err(fault(line, row, "each language once"));
            }
        }
        Ok(Self { columns, rows })
    }

    /// The cells of a column that are not empty.
    fn of_column(&self, place: usize) -> impl Iterator<Item = (LanguageTag, String)> {
        self.rows.iter().filter_map(move |(language, cells)| {
            let cell = cells.get(place).filter(|cell| !cell.is_empty())?;
            Some((language.clone(), (*cell).to_owned()))
        })
    }
}
