//! Runs and the tables of them: what numpy and scipy give, and faults by file and field.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as a test does")]

use std::collections::BTreeMap;
use std::path::Path;

use isogloss_core::LanguageTag;
use isogloss_evaluation::{
    Estimate, OverSeeds, Run, Setting, check_runs, efficiencies, few_shot_curves, forgetting,
    read_runs, transfer_tables,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    level: f64,
    languages: Vec<LanguageTag>,
    source: usize,
    scores: Vec<Vec<f64>>,
    before: Vec<Vec<f64>>,
    cells: Vec<[f64; 3]>,
    #[serde(rename = "macro")]
    macro_average: [f64; 3],
    gap: [f64; 3],
    lost: Vec<[f64; 3]>,
}

fn tag(tag: &str) -> LanguageTag {
    tag.parse().unwrap()
}

fn run(source: &str, target: &str, seed: u64, score: f64) -> Run {
    Run::new(["NLI", "accuracy", "XLM-R"], tag(source), tag(target), seed, score)
}

fn close(found: &OverSeeds, expected: [f64; 3]) {
    let [low, high] = found.interval.unwrap();
    for (found, expected) in [found.mean, low, high].into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
    }
}

#[test]
fn numpy_and_scipy_agree() {
    let expected: Expected =
        serde_json::from_str(include_str!("../fixtures/transfer/expected.json")).unwrap();
    assert_eq!(expected.cases.len(), 150);
    for case in expected.cases {
        let source = &case.languages[case.source];
        let mut runs = Vec::new();
        for (place, language) in case.languages.iter().enumerate() {
            for (seed, score) in (0..).zip(&case.scores[place]) {
                let mut run = run(source.as_str(), language.as_str(), seed, *score);
                run.before = Some(case.before[place][usize::try_from(seed).unwrap()]);
                runs.push(run);
            }
        }
        let tables = transfer_tables(&runs, case.level).unwrap();
        assert_eq!(tables.len(), 1);
        let sources = [source.clone()];
        let scores = tables[0].of_source(&sources).unwrap();
        let lost = forgetting(&runs, case.level).unwrap();
        for (place, language) in case.languages.iter().enumerate() {
            close(&scores[language], case.cells[place]);
            let lost = lost.iter().find(|lost| lost.target == *language).unwrap();
            close(&lost.lost, case.lost[place]);
        }
        close(&tables[0].macro_average(&sources).unwrap(), case.macro_average);
        close(&tables[0].zero_shot_gap(&sources).unwrap().unwrap(), case.gap);
    }
}

#[test]
fn five_seeds_of_sd_0_8_give_the_known_half_width() {
    // Deviations of 0, ±a and ±b with 2(a² + b²)/4 = 0.64.
    let (a, b) = (0.4, 1.12_f64.sqrt());
    let by_seed =
        BTreeMap::from([(1, 5.0 - b), (2, 5.0 - a), (3, 5.0), (4, 5.0 + a), (5, 5.0 + b)]);
    let found = OverSeeds::try_new(by_seed, 0.95).unwrap();
    assert!((found.sd().unwrap() - 0.8).abs() < 1e-12);
    let [low, high] = found.interval.unwrap();
    assert!(
        (high - 5.0 - 0.993_331_198_6).abs() < 1e-10 && (5.0 - low - 0.993_331_198_6).abs() < 1e-10
    );
    let one = OverSeeds::try_new(BTreeMap::from([(1, 0.5)]), 0.95).unwrap();
    assert_eq!((one.interval, one.sd(), one.seeds()), (None, None, 1));
}

#[test]
fn the_matrix_has_a_hole_where_nothing_was_run() {
    let mut joint = run("en", "yo", 1, 0.7);
    joint.sources.push(tag("am"));
    let mut translated = run("en", "yo", 1, 0.65);
    translated.setting = Setting::TranslateTrain;
    let runs = [
        run("en", "en", 1, 0.9),
        run("en", "yo", 1, 0.5).with_items(Estimate::new(0.5, [0.4, 0.6], 80)),
        run("am", "yo", 1, 0.6),
        joint,
        translated,
    ];
    let tables = transfer_tables(&runs, 0.95).unwrap();
    assert_eq!(tables.len(), 2);
    let table = &tables[0];
    assert_eq!(table.targets, [tag("en"), tag("yo")]);
    assert_eq!(table.sources, [vec![tag("am")], vec![tag("am"), tag("en")], vec![tag("en")]]);
    assert!(table.cells[0][0].is_none() && table.cells[1][0].is_none());
    let cell = table.cells[2][1].as_ref().unwrap();
    assert_eq!((cell.interval, cell.items, cell.seeds()), (Some([0.4, 0.6]), Some(80), 1));
    // No gap without the source's own score, nor from several sources.
    assert!(table.zero_shot_gap(&[tag("am")]).unwrap().is_none());
    assert!(table.zero_shot_gap(&[tag("am"), tag("en")]).unwrap().is_none());
    let gap = table.zero_shot_gap(&[tag("en")]).unwrap().unwrap();
    assert!((gap.mean - 0.4).abs() < 1e-12 && gap.interval.is_none());
    let unknown = table.macro_average(&[tag("km")]).unwrap_err().to_string();
    assert_eq!(unknown, "`sources` is km-Khmr, expected a source of the table");
    assert_eq!(tables[1].setting, Setting::TranslateTrain);
}

#[test]
fn languages_of_unlike_seeds_have_an_average_without_an_interval() {
    let runs = [
        run("en", "yo", 1, 0.4),
        run("en", "yo", 2, 0.6),
        run("en", "am", 1, 0.1),
        run("en", "am", 3, 0.3),
    ];
    let average = transfer_tables(&runs, 0.95).unwrap()[0].macro_average(&[tag("en")]).unwrap();
    assert!((average.mean - 0.35).abs() < 1e-12);
    assert_eq!((average.interval, average.seeds()), (None, 0));

    // Of seeds 1, 2 and 1, 2, 3 the first two are shared.
    let mut runs = runs.to_vec();
    runs.push(run("en", "am", 2, 0.5));
    let average = transfer_tables(&runs, 0.95).unwrap()[0].macro_average(&[tag("en")]).unwrap();
    let shared: Vec<(u64, f64)> = average.by_seed.iter().map(|(seed, v)| (*seed, *v)).collect();
    assert_eq!(shared, [(1, 0.25), (2, 0.55)]);
    // t_{.975, 1} · sd / √2, where sd is 0.3 / √2.
    close(&average, [0.4, 0.4 - 12.706_204_736_2 * 0.15, 0.4 + 12.706_204_736_2 * 0.15]);
}

#[test]
fn curves_have_two_points_or_more() {
    let mut runs = vec![run("en", "yo", 1, 0.4), run("en", "am", 1, 0.3)];
    for (shots, score) in [(1, 0.45), (16, 0.6), (1024, 0.8)] {
        for seed in [1, 2] {
            let mut run = run("en", "yo", seed, score);
            run.shots = shots;
            runs.push(run);
        }
    }
    let curves = few_shot_curves(&runs, 0.95).unwrap();
    assert_eq!(curves.len(), 1);
    assert_eq!(curves[0].points.keys().copied().collect::<Vec<_>>(), [0, 1, 16, 1024]);
    assert!(curves[0].points[&0].interval.is_none() && curves[0].points[&16].interval.is_some());
}

#[test]
fn gains_are_counted_by_parameters_and_hours() {
    let run = |target: &str, before: Option<f64>, score: f64, hours: Option<f64>| {
        let mut run = run("en", target, 1, score);
        (run.before, run.hours, run.trainable_parameters) = (before, hours, Some(500_000));
        run
    };
    let runs = [
        run("yo", Some(0.3), 0.5, Some(2.0)),
        run("am", Some(0.4), 0.5, None),
        // What was before is not known: it gains nothing and loses nothing.
        run("km", None, 0.9, Some(1.0)),
    ];
    let found = efficiencies(&runs, 0.95).unwrap();
    assert_eq!((found.len(), found[0].languages), (1, 2));
    assert!((found[0].gain.mean - 0.15).abs() < 1e-12);
    assert!((found[0].per_million_parameters.as_ref().unwrap().mean - 0.3).abs() < 1e-12);
    assert!((found[0].per_hour.as_ref().unwrap().mean - 0.1).abs() < 1e-12);
    let lost = forgetting(&runs, 0.95).unwrap();
    let losses: Vec<(&str, f64)> =
        lost.iter().map(|l| (l.target.language(), l.lost.mean)).collect();
    assert_eq!((lost.len(), losses[0].0, losses[1].0), (2, "am", "yo"));
    assert!((losses[1].1 + 0.2).abs() < 1e-12);
}

#[test]
fn runs_are_read_from_files_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [run("en", "yo", 1, 0.5), run("en", "yo", 2, 0.6), run("en", "am", 1, 0.4)];
    write(dir.path(), "b.json", &serde_json::to_string(&runs[2]).unwrap());
    write(dir.path(), "a.json", &serde_json::to_string(&runs[..2]).unwrap());
    write(dir.path(), "notes.txt", "not a run");
    assert_eq!(read_runs(dir.path()).unwrap(), runs);
}

#[test]
fn faults_name_file_and_field() {
    let sound = serde_json::to_value(run("en", "yo", 1, 0.5)).unwrap();
    let fault = |field: &str, value: serde_json::Value| {
        let mut run = sound.clone();
        run[field] = value;
        let dir = tempfile::tempdir().unwrap();
        let mut second = sound.clone();
        second["seed"] = 2.into();
        write(dir.path(), "runs.json", &serde_json::json!([second, run]).to_string());
        let text = read_runs(dir.path()).unwrap_err().to_string();
        assert!(text.contains("runs.json, run 2: "), "{text}");
        text
    };
    for (field, value, expected) in [
        ("score", "high".into(), "`score`: invalid type: string \"high\", expected f64"),
        ("target", "??".into(), "`target`: "),
        ("shots", (-1).into(), "`shots`: "),
        ("setting", "zero".into(), "`setting`: unknown variant `zero`"),
        ("hours", 0.into(), "`hours` is 0, expected a number above 0"),
        ("low", 0.4.into(), "`high` is missing"),
        ("sources", serde_json::json!([]), "`sources` is empty"),
        ("task", " ".into(), "`task` is empty"),
        ("trainable_parameters", 0.into(), "`trainable_parameters` is 0"),
        ("accuracy", 1.into(), "unknown field `accuracy`"),
    ] {
        let text = fault(field, value);
        assert!(text.contains(expected), "{text}");
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "one.json", &sound.to_string());
    write(dir.path(), "two.json", &sound.to_string());
    let text = read_runs(dir.path()).unwrap_err().to_string();
    assert!(text.contains("one.json, run 1 and ") && text.contains("two.json, run 1 are both of"));
    write(dir.path(), "two.json", "{");
    assert!(read_runs(dir.path()).unwrap_err().to_string().contains("two.json: EOF"));
    let empty = tempfile::tempdir().unwrap();
    assert!(read_runs(empty.path()).unwrap_err().to_string().contains("directory of runs"));
    let absent = read_runs(&empty.path().join("absent")).unwrap_err().to_string();
    assert!(absent.ends_with("absent cannot be read"), "{absent}");
}

#[test]
fn sources_in_another_order_are_the_same_run() {
    let mut first = run("en", "yo", 1, 0.5);
    first.sources.push(tag("am"));
    let mut second = run("am", "yo", 1, 0.6);
    second.sources.push(tag("en"));
    let text = check_runs(&[first, second]).unwrap_err().to_string();
    assert!(text.contains("run 1 and run 2 are both of NLI, accuracy, XLM-R"), "{text}");
    let nan = check_runs(&[run("en", "yo", 1, f64::NAN)]).unwrap_err().to_string();
    assert_eq!(nan, "run 1: `score` is NaN, expected a finite number");
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}
