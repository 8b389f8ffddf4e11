//! A report of runs: it says what its intervals stand on, and reads in every script.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::collections::BTreeMap;

use isogloss_core::LanguageTag;
use isogloss_evaluation::{
    Block, Demand, Estimate, Plot, Report, Run, Setting, Table, TransferReportConfig,
    transfer_report,
};

fn tag(tag: &str) -> LanguageTag {
    tag.parse().unwrap()
}

/// Two models, three sources, eight targets in seven scripts; some languages have one seed.
fn runs() -> Vec<Run> {
    let targets =
        [("en", 0.84), ("ar", 0.72), ("am", 0.45), ("ti", 0.31), ("km", 0.38), ("nqo", 0.12)];
    let targets = targets.into_iter().chain([("yo", 0.5), ("hi", 0.68)]);
    let mut runs = Vec::new();
    for ((target, base), sway) in targets.zip([1.0, -1.0, 0.5].into_iter().cycle()) {
        for (model, shift) in [("XLM-R + LoRA", 0.0), ("XLM-R + MAD-X", 0.04)] {
            for (source, loss) in [("en", 0.0), ("ar", 0.06), ("am", 0.1)] {
                if (source, target) == ("am", "nqo") {
                    continue;
                }
                let loss = if source == target { -0.08 } else { loss };
                let seeds = if target == "nqo" { 1 } else { 3 };
                for seed in 1..=seeds {
                    let score = base + shift - loss + sway * 0.012 * seed as f64;
                    let mut run =
                        Run::new(["NLI", "accuracy", model], tag(source), tag(target), seed, score);
                    run.before = Some(score - 0.07 * (1.0 + shift) + 0.01 * seed as f64);
                    run.trainable_parameters = Some(if shift > 0.0 { 900_000 } else { 300_000 });
                    run.hours = Some(0.5);
                    runs.push(run);
                }
            }
        }
        for shots in [1_u64, 4, 16, 64, 256, 1024] {
            for seed in 1..=3 {
                let gain = 0.03 * ((1 + shots) as f64).ln() * (0.95 - base);
                let noise = 0.02 * (seed as f64 - 2.0) / (1.0 + shots as f64).sqrt();
                let names = ["NLI", "accuracy", "XLM-R + LoRA"];
                let mut run = Run::new(names, tag("en"), tag(target), seed, base + gain + noise);
                run.shots = shots;
                runs.push(run);
            }
        }
        let names = ["NLI", "accuracy", "XLM-R + LoRA"];
        let mut run = Run::new(names, tag("en"), tag(target), 1, 0.0);
        run.setting = Setting::TranslateTrain;
        runs.push(run.with_items(Estimate::new(base + 0.02, [base - 0.02, base + 0.05], 500)));
    }
    runs
}

fn config() -> TransferReportConfig {
    let speakers = "language\tspeakers\nen\t1500\nar\t400\nam\t60\nti\t9\nkm\t18\nyo\t47\nhi\t600\n\
                    ha\t90\n";
    let groups = "language\tname\tregion\nar\tالعربية\tWest Asia\nam\tአማርኛ\tHorn of Africa\n\
                  ti\tትግርኛ\tHorn of Africa\nkm\tភាសាខ្មែរ\tSouth-East Asia\nnqo\tߒߞߏ\tWest Africa\n\
                  hi\tहिन्दी\t\nyo\tYorùbá\tWest Africa\n";
    TransferReportConfig::new("Transfer & <fairness>")
        .with_baseline(0.33)
        .with_demand(Demand::from_tsv("made up for a test, 2026", speakers).unwrap())
        .with_premiums(BTreeMap::from([
            (tag("am"), Estimate::new(4.1, [3.9, 4.4], 200)),
            (tag("ar"), Estimate::new(1.7, [1.6, 1.8], 200)),
        ]))
        .with_groups_tsv(groups)
        .unwrap()
}

fn report() -> Report {
    transfer_report(&runs(), &config()).unwrap()
}

fn tables(report: &Report) -> Vec<&Table> {
    let blocks = report.sections.iter().flat_map(|section| &section.blocks);
    blocks
        .filter_map(|block| if let Block::Table(table) = block { Some(table) } else { None })
        .collect()
}

fn table<'a>(report: &'a Report, caption: &str) -> &'a Table {
    tables(report).into_iter().find(|table| table.caption.contains(caption)).unwrap()
}

#[test]
fn it_says_who_is_served_worst_and_what_intervals_stand_on() {
    let text = report().to_text().unwrap();
    for said in [
        "XLM-R + LoRA, from English: 8 languages were tested. The worst served is nqo-Nkoo (\u{2068}ߒߞߏ\u{2069}) \
         with 0.126, the best English with 0.944 [",
        "XLM-R + MAD-X, from English: each interval stands on 3 seeds; one seed, and so no interval: \
         nqo-Nkoo (\u{2068}ߒߞߏ\u{2069}).",
        "translate-train, from English: no language has more than one seed; one seed, with an interval \
         over test items",
        "Below what chance scores: 1 language.",
        "Figures of speakers: made up for a test, 2026.",
        "without a result, and so counted 0: Hausa.",
        "no figure of speakers, and so not in global utility: nqo-Nkoo (\u{2068}ߒߞߏ\u{2069}).",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn tables_are_in_order_of_the_worst() {
    let report = report();
    let firsts = |caption: &str| -> Vec<String> {
        let text = table(&report, caption).to_text();
        text.lines().skip(2).map(|line| line.trim().chars().take(4).collect()).collect()
    };
    assert_eq!(firsts("Languages, the worst first")[..3], ["ߒߞߏ ", "ትግርኛ", "ភាសា"]);
    assert_eq!(firsts("LoRA: zero-shot, by source and target")[0], "ߒߞߏ ");
    let regions = table(&report, "By region").to_text();
    let row = |name: &str| regions.lines().position(|line| line.contains(name)).unwrap();
    assert!(row("West Africa") < row("Horn of Africa"));
    assert!(row("Horn of Africa") < row("unknown"));
    // Built-in partitions stand beside the one given.
    for caption in ["By script", "By family", "By Joshi class"] {
        table(&report, caption);
    }
}

#[test]
fn plots_of_all_kinds_are_drawn() {
    let report = report();
    let mut kinds = BTreeMap::new();
    for block in report.sections.iter().flat_map(|section| &section.blocks) {
        let Block::Plot(plot) = block else { continue };
        let kind = match plot {
            Plot::Bars(_) => "bars",
            Plot::Heatmap(map) => {
                assert_eq!((map.rows.len(), map.columns.len()), (8, 3));
                assert!(map.cells.iter().flatten().any(Option::is_none));
                "map"
            }
            Plot::Curves(_) => "curves",
            _ => "other",
        };
        *kinds.entry(kind).or_insert(0) += 1;
    }
    // Maps of two models; bars of languages, of four groupings and of tokens; curves of eight
    // languages in two plots, and of utility.
    assert_eq!(kinds, BTreeMap::from([("bars", 6), ("curves", 3), ("map", 2)]));
    let html = report.to_html().unwrap();
    assert!(html.contains("<bdi lang=\"am-Ethi\">አማርኛ</bdi>"));
    assert!(html.contains("Transfer &amp; &lt;fairness&gt;"));
    let read: Report = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    let blocks = |report: &Report| -> Vec<usize> {
        report.sections.iter().map(|section| section.blocks.len()).collect()
    };
    assert_eq!(blocks(&read), blocks(&report));
    assert_eq!(tables(&read)[0].rows.len(), tables(&report)[0].rows.len());
}

#[test]
fn no_score_decides_by_which_source_systems_are_compared() {
    let names = ["NLI", "F1", "XLM-R"];
    let mut runs = Vec::new();
    for seed in [1, 2] {
        // German scores best, English and German have the most results.
        for (source, target, score) in [
            ("en", "yo", 0.4),
            ("en", "am", 0.3),
            ("de", "yo", 0.9),
            ("de", "am", 0.9),
            ("ar", "yo", 1.0),
        ] {
            runs.push(Run::new(names, tag(source), tag(target), seed, score));
        }
    }
    let text = |config| transfer_report(&runs, &config).unwrap().to_text().unwrap();
    let config = || TransferReportConfig::new("Sources");
    assert!(text(config()).contains("XLM-R, from English: 2 languages were tested."));
    let asked = text(config().with_source([tag("ar")]));
    assert!(asked.contains("XLM-R, from Arabic: 1 language was tested."), "{asked}");
    let absent = transfer_report(&runs, &config().with_source([tag("km")])).unwrap_err();
    assert_eq!(absent.to_string(), "`source` is Khmer, expected a source of the runs of each task");
}

#[test]
fn the_summary_names_the_language_whose_score_it_gives() {
    // Each seed has another worst language; over seeds it is Yoruba.
    let scores = [("en", [0.9, 0.9]), ("yo", [0.3, 0.5]), ("am", [0.6, 0.35])];
    let mut runs = Vec::new();
    for (target, scores) in scores {
        for (seed, score) in (1..).zip(scores) {
            runs.push(Run::new(["NLI", "F1", "XLM-R"], tag("en"), tag(target), seed, score));
        }
    }
    let report = transfer_report(&runs, &TransferReportConfig::new("Worst")).unwrap();
    let text = table(&report, "Systems").to_text();
    let row = text.lines().nth(2).unwrap();
    for cell in ["Yoruba", "  0.400 [", "  0.500 [", "  0.444 ["] {
        assert!(row.contains(cell), "{row}");
    }
}

#[test]
fn tasks_are_averaged_beside_the_worst_and_scripts_are_told_apart() {
    let mut runs = Vec::new();
    for (task, loss) in [("NLI", 0.0), ("NER", 0.2)] {
        for (seed, shift) in [(1, -0.01), (2, 0.01)] {
            for (target, score) in [("sr-Cyrl", 0.9), ("sr-Latn", 0.7)] {
                let names = [task, "F1", "XLM-R"];
                let score = score - loss + shift;
                runs.push(Run::new(names, tag("sr-Cyrl"), tag(target), seed, score));
            }
        }
    }
    let report = transfer_report(&runs, &TransferReportConfig::new("Two")).unwrap();
    let text = table(&report, "on several tasks").to_text();
    let row = text.lines().nth(2).unwrap();
    assert!(row.contains("XLM-R, from Serbian (sr-Cyrl)") && row.contains("NER, F1"), "{row}");
    assert!(row.contains("0.600 [") && row.contains("0.700 ["), "{row}");
    assert!(report.to_text().unwrap().contains("worst served is Serbian (sr-Latn) with 0.500 ["));
}

#[test]
fn a_table_without_intervals_has_to_be_asked_for() {
    let names = ["NLI", "accuracy", "XLM-R"];
    let bare: Vec<Run> = [("yo", 0.5), ("am", 0.4)]
        .map(|(target, score)| Run::new(names, tag("en"), tag(target), 1, score))
        .to_vec();
    let config = TransferReportConfig::new("Bare");
    let text = transfer_report(&bare, &config).unwrap_err().to_string();
    assert!(text.starts_with("NLI, accuracy: no score has an interval, expected"), "{text}");
    let text = transfer_report(&bare, &config.without_intervals()).unwrap().to_text().unwrap();
    assert!(text.contains("! This report was asked for without intervals."));
    let text = transfer_report(&runs(), &self::config().without_intervals());
    let text = text.unwrap();
    for table in tables(&text) {
        assert!(!table.to_text().contains(" ["), "{}", table.to_text());
    }
}

#[test]
fn scores_beyond_their_maximum_and_settings_out_of_range_are_named() {
    let demand = || Demand::from_tsv("made up", "language\tspeakers\nen\t1\n").unwrap();
    let names = ["NLI", "accuracy", "XLM-R"];
    let runs: Vec<Run> = [(1, 99.0), (2, 101.0)]
        .map(|(seed, score)| Run::new(names, tag("en"), tag("en"), seed, score))
        .to_vec();
    let config = || TransferReportConfig::new("T").with_demand(demand());
    let text = transfer_report(&runs, &config().with_maximum(100.0)).unwrap_err().to_string();
    assert_eq!(text, "`score` is 101 for en-Latn, expected a number from 0 to `maximum`");
    let text = transfer_report(&runs, &config().with_level(1.0)).unwrap_err().to_string();
    assert_eq!(text, "`level` is 1, expected 0 < level < 1");
    for (groups, expected) in [
        ("tag\tname\n", "`tag\tname` in line 1, expected a head whose first column is `language`"),
        ("language\ta\ta\n", "`a` in line 1, expected columns with names, each of them once"),
        ("language\ta\nyo\n", "`yo` in line 2, expected as many cells as the head has"),
        ("language\ta\n\n??\tb\n", "`??` in line 3, expected a language tag"),
        ("language\ta\nyo\tb\nyor\tc\n", "`yor\tc` in line 3, expected each language once"),
    ] {
        let text = config().with_groups_tsv(groups).unwrap_err().to_string();
        assert_eq!(text, format!("`groups` is {expected}"));
    }
}
