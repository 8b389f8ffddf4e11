//! Translations beside references.

use std::path::{Path, PathBuf};

use isogloss::evaluation::{
    Block, Cell, Comparison, Correction, Estimate, GenerationMetric, PairedScore, References,
    Report, Resampled, Section, SegmentStatistics, Table,
};
use isogloss_examples::Outcome;
use serde::Serialize;

use crate::MetricArg;
use crate::generation_args::GenerationArgs;
use crate::lines::Lines;
use crate::output::Output;

/// One metric of one system, and where there is another, of both.
#[derive(Serialize)]
struct Scored {
    name: String,
    score: f64,
    signature: String,
    #[serde(flatten)]
    interval: Option<Interval>,
    #[serde(flatten)]
    compared: Option<Compared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Output>,
}

#[derive(Serialize)]
struct Interval {
    /// The mean score of the resamples.
    mean: f64,
    /// Half the width of the interval of 95 %.
    ci: f64,
}

#[derive(Serialize)]
struct Compared {
    /// Of `score` being another than that of the other system by chance.
    p_value: f64,
    /// The same by Holm's correction for all metrics and systems that were tested, where that is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    p_value_holm: Option<f64>,
    /// Both systems score the same on every segment, so that the p-value means nothing.
    identical: bool,
    system: String,
    with: Other,
}

#[derive(Serialize)]
struct Other {
    system: String,
    score: f64,
    #[serde(flatten)]
    interval: Option<Interval>,
}

impl Interval {
    fn of(resampled: &Resampled) -> Option<Self> {
        resampled.mean.zip(resampled.ci).map(|(mean, ci)| Self { mean, ci })
    }
}

pub(crate) fn score(metrics: &[MetricArg], args: &GenerationArgs, json: bool) -> Outcome<String> {
    let Some(path) = &args.hyp else {
        return Err("--hyp is missing: the file of a system's outputs".into());
    };
    if args.references.is_empty() {
        return Err("--ref is missing: the file of references".into());
    }
    let paths = [path].into_iter().chain(&args.references).chain(&args.paired).chain(&args.source);
    let mut files = Lines::read(&paths.map(PathBuf::as_path).collect::<Vec<_>>())?.into_iter();
    let Some(hypotheses) = files.next() else { return Err("--hyp: no file".into()) };
    let references: Vec<Lines> = files.by_ref().take(args.references.len()).collect();
    let others: Vec<Lines> = files.by_ref().take(args.paired.len()).collect();
    let source = files.next();
    if !args.allow_empty_references {
        for Lines { path, lines } in &references {
            if let Some(line) = lines.iter().position(|line| line.trim().is_empty()) {
                let path = path.display();
                return Err(format!(
                    "{path}, line {}: an empty reference; --allow-empty-references scores it as one",
                    line + 1
                )
                .into());
            }
        }
    }
    let output = Output::of(&hypotheses, source.as_ref(), args.language.as_ref(), args.seed)?;
    let streams: Vec<_> = references.iter().map(Lines::texts).collect();
    let references = References::try_new(&streams.iter().map(Vec::as_slice).collect::<Vec<_>>())?;

    let metrics = metrics.iter().map(|metric| args.metric(*metric)).collect::<Outcome<Vec<_>>>()?;
    let systems: Vec<_> = [&hypotheses].into_iter().chain(&others).map(Lines::texts).collect();
    let systems: Vec<_> = systems.iter().map(Vec::as_slice).collect();
    let statistics: Vec<Vec<SegmentStatistics>> = metrics
        .iter()
        .map(|metric| metric.statistics(&systems, &references))
        .collect::<Result<_, _>>()?;

    let resampling = args.resampling();
    let mut scored = Vec::new();
    for (place, other) in others.iter().enumerate() {
        let comparisons: Vec<Comparison<'_>> = metrics
            .iter()
            .zip(&statistics)
            .map(|(metric, systems)| (&**metric, &systems[0], &systems[place + 1]))
            .collect();
        for (metric, compared) in metrics.iter().zip(resampling.paired(&comparisons)?) {
            let signature = resampling.signature(&**metric, &references).to_string();
            let of_two = Scored::of_two(&**metric, signature, &compared, [path, &other.path]);
            scored.push(Scored { output, ..of_two });
        }
    }
    adjust(&mut scored)?;
    if others.is_empty() {
        let with_intervals = if json { args.confidence } else { !args.no_intervals };
        let alone: Vec<(&dyn GenerationMetric, &SegmentStatistics)> = metrics
            .iter()
            .zip(&statistics)
            .map(|(metric, systems)| (&**metric, &systems[0]))
            .collect();
        let bootstrap = args.bootstrap();
        let intervals = if with_intervals { bootstrap.confidence(&alone)? } else { Vec::new() };
        for (place, (metric, segments)) in alone.into_iter().enumerate() {
            let interval = intervals.get(place).and_then(Interval::of);
            let signature = match interval {
                Some(_) => bootstrap.signature(metric, &references),
                None => metric.signature(&references),
            };
            let (name, score) = (metric.name(), metric.corpus_score(segments));
            scored.push(Scored {
                name,
                score,
                signature: signature.to_string(),
                interval,
                compared: None,
                output,
            });
        }
    }
    if json {
        Ok(serde_json::to_string_pretty(&scored)? + "\n")
    } else {
        table(&scored, hypotheses.lines.len())
    }
}

/// Adjusts the p-values of one run for their number: each was a chance to find a difference where there is none.
fn adjust(scored: &mut [Scored]) -> Outcome<()> {
    let compared = scored.iter_mut().filter_map(|scored| scored.compared.as_mut());
    let mut tested: Vec<&mut Compared> = compared.filter(|it| !it.identical).collect();
    if tested.len() > 1 {
        let p_values: Vec<f64> = tested.iter().map(|compared| compared.p_value).collect();
        for (compared, adjusted) in tested.iter_mut().zip(Correction::Holm.adjust(&p_values)?) {
            compared.p_value_holm = Some(adjusted);
        }
    }
    Ok(())
}

impl Scored {
    fn of_two(
        metric: &dyn GenerationMetric,
        signature: String,
        compared: &PairedScore,
        [system, other]: [&Path; 2],
    ) -> Self {
        let PairedScore { baseline, system: second, p_value, identical, .. } = compared;
        let with = Other {
            system: other.display().to_string(),
            score: second.score,
            interval: Interval::of(second),
        };
        let system = system.display().to_string();
        Self {
            name: metric.name(),
            score: baseline.score,
            signature,
            interval: Interval::of(baseline),
            compared: Some(Compared {
                p_value: *p_value,
                p_value_holm: None,
                identical: *identical,
                system,
                with,
            }),
            output: None,
        }
    }
}

/// What a person reads.
fn table(scored: &[Scored], segments: usize) -> Outcome<String> {
    let cell = |score: f64, interval: &Option<Interval>| match interval {
        // The interval lies round the mean of the resamples, not round the score.
        Some(Interval { mean, ci }) => {
            Cell::from(Estimate::new(score, [mean - ci, mean + ci], segments))
        }
        None => Cell::from(score),
    };
    let is_paired = scored.iter().any(|scored| scored.compared.is_some());
    let is_adjusted = scored
        .iter()
        .any(|scored| scored.compared.as_ref().is_some_and(|it| it.p_value_holm.is_some()));
    let mut columns = vec!["metric", "score"];
    if is_paired {
        columns.extend(["the other", "its score", "p-value"]);
        columns.extend(is_adjusted.then_some("p-value of all (Holm)"));
    }
    let mut scores = Table::new("Scores, in percent", &columns);
    for Scored { name, score, interval, compared, .. } in scored {
        let mut row = vec![name.as_str().into(), cell(*score, interval)];
        if let Some(Compared { p_value, p_value_holm, identical, with, .. }) = compared {
            let p_value = if *identical {
                "identical outputs, not tested".to_owned()
            } else {
                format!("{p_value:.4}")
            };
            let other = with.system.as_str().into();
            row.extend([other, cell(with.score, &with.interval), p_value.into()]);
            if is_adjusted {
                row.push(p_value_holm.map_or("".into(), |p| format!("{p:.4}").into()));
            }
        }
        scores = scores.with_row(row);
    }
    let mut section = Section::new("Scores").with_block(Block::Table(scores));
    if let Some(output) = scored.first().and_then(|scored| scored.output) {
        section = section.with_paragraph(output.text());
    }
    for Scored { name, signature, .. } in scored {
        section = section.with_paragraph(format!("{name}: {signature}"));
    }
    let report = Report::new("Scores", format!("{segments} segments")).with_section(section);
    Ok(report.to_text()?)
}
