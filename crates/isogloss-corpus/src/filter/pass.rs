//! One way through the texts.

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;

use super::machine_translation::AnchorTable;
use super::near_duplicates::NearDuplicateIndex;
use super::variety::Variety;
use super::{Fault, FilterConfig, FilterReason, FilterReport, Finding, Verdict};
use crate::cleaning::{CleaningFault, SeenTexts};
use crate::{LanguageIdentifier, Text};

/// One way through texts that do not fit into memory, in the order in which they come.
///
/// A dry run is a pass whose report is looked at, and a real one is a second pass over the same
/// texts that writes those with a verdict of kept. Where texts are looked for that are multi-way
/// parallel, each pass goes through all of them with [`survey`](Self::survey) first; otherwise that
/// may be left out. It keeps hashes and signatures of what it saw, and no text.
///
/// # Examples
///
/// ```
/// use isogloss_corpus::{CleaningConfig, FilterConfig, Text};
///
/// let config = FilterConfig::default().with_cleaning(CleaningConfig::usual()).with_max_loss(0.5);
/// let filter = config.try_init(None)?;
/// let read = || ["ilé", "", "omi"].into_iter().map(|text| Text {
///     language: "yo".parse().unwrap(),
///     text: text.to_owned(),
/// });
///
/// let mut dry = filter.begin();
/// read().for_each(|text| drop(dry.judge(&text)));
/// dry.finish().check_loss()?;
///
/// let mut pass = filter.begin();
/// let kept: Vec<_> = read().filter(|text| pass.judge(text).is_kept()).collect();
/// assert_eq!(kept.len(), 2);
/// # Ok::<(), isogloss_corpus::FilterError>(())
/// ```
#[derive(Debug)]
pub struct FilterPass<'f> {
    config: &'f FilterConfig,
    identifier: Option<&'f dyn LanguageIdentifier>,
    varieties: BTreeMap<LanguageTag, Variety>,
    seen: SeenTexts,
    anchors: AnchorTable,
    near_duplicates: NearDuplicateIndex,
    report: FilterReport,
}

/// A heuristic that waits to be asked, and `None` where it is off.
type Heuristic<'h> = (FilterReason, &'h dyn Fn() -> Option<Finding>);

impl<'f> FilterPass<'f> {
    pub(super) fn new(
        config: &'f FilterConfig,
        identifier: Option<&'f dyn LanguageIdentifier>,
    ) -> Self {
        let name = identifier.map(|identifier| identifier.name().to_owned());
        Self {
            config,
            identifier,
            varieties: BTreeMap::new(),
            seen: SeenTexts::default(),
            anchors: AnchorTable::default(),
            near_duplicates: NearDuplicateIndex::default(),
            report: FilterReport::new(config.clone(), name),
        }
    }

    /// Notes what a text shares with texts in other languages, before any is judged.
    pub fn survey(&mut self, text: &Text) {
        let check = self.config.machine_translation.as_ref();
        if let Some(rule) = check.and_then(|check| check.multi_way) {
            self.anchors.insert(text, rule);
        }
    }

    /// Judges the next text, and takes it into the report.
    pub fn judge(&mut self, text: &Text) -> Verdict {
        if !self.varieties.contains_key(&text.language) {
            let variety = Variety::new(&text.language, self.identifier, &self.config.alike);
            self.varieties.insert(text.language.clone(), variety);
        }
        let mut verdict = Verdict::default();
        self.judge_alone(text, &mut verdict);
        if verdict.is_kept() {
            self.judge_beside_others(text, &mut verdict);
        }
        if verdict.is_kept() {
            self.seen.insert(text, self.config.cleaning.duplicates);
        }
        self.report.push(&text.language, &text.text, &verdict);
        verdict
    }

    /// What was found of the texts so far.
    pub fn finish(self) -> FilterReport {
        self.report
    }

    /// The heuristics that look at one text, the cheapest first.
    fn judge_alone(&self, text: &Text, verdict: &mut Verdict) {
        verdict.removed = self.config.cleaning.fault(text, &self.seen).map(Fault::from);
        let Some(variety) = self.varieties.get(&text.language) else { return };
        let config = self.config;
        let body = text.text.as_str();
        let heuristics: [Heuristic<'_>; 4] = [
            (FilterReason::Script, &|| Some(config.script?.finding(body, &variety.scripts))),
            (FilterReason::Repetition, &|| {
                Some(config.repetition.as_ref()?.finding(body, &variety.language))
            }),
            (FilterReason::Language, &|| {
                Some(config.language?.finding(body, variety, self.identifier?))
            }),
            (FilterReason::CodeSwitching, &|| {
                Some(config.code_switching?.finding(body, variety, self.identifier))
            }),
        ];
        for (reason, heuristic) in heuristics {
            if !verdict.is_kept() {
                return;
            }
            verdict.take(reason, heuristic().unwrap_or(Finding::Fine));
        }
    }

    /// The heuristics that look at other texts too.
    fn judge_beside_others(&mut self, text: &Text, verdict: &mut Verdict) {
        if let Some(check) = &self.config.machine_translation {
            match check.finding(&text.text, &self.anchors) {
                Finding::Fault(detail) if !check.remove => {
                    let reason = FilterReason::MachineTranslation;
                    verdict.flagged.push(Fault { reason, detail });
                }
                finding => verdict.take(FilterReason::MachineTranslation, finding),
            }
        }
        if let Some(check) = self.config.near_duplicates.as_ref().filter(|_| verdict.is_kept()) {
            let index = &mut self.near_duplicates;
            let (finding, signature) = index.finding(check, &text.text, &text.language);
            verdict.take(FilterReason::NearDuplicate, finding);
            if let Some(signature) = signature.filter(|_| verdict.is_kept()) {
                index.insert(check, signature, &text.language);
            }
        }
    }
}

impl Verdict {
    fn take(&mut self, reason: FilterReason, finding: Finding) {
        match finding {
            Finding::Fine => {}
            Finding::Unjudged => self.unjudged.push(reason),
            Finding::Fault(detail) => self.removed = Some(Fault { reason, detail }),
        }
    }
}

impl From<CleaningFault> for Fault {
    fn from(fault: CleaningFault) -> Self {
        let (reason, detail) = match fault {
            CleaningFault::Empty => (FilterReason::Empty, "white space alone".to_owned()),
            CleaningFault::TooShort(detail) => (FilterReason::TooShort, detail),
            CleaningFault::TooLong(detail) => (FilterReason::TooLong, detail),
            CleaningFault::Duplicate => {
                (FilterReason::Duplicate, "stands earlier in the variety".to_owned())
            }
        };
        Self { reason, detail }
    }
}
