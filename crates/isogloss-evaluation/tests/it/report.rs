//! Reports: one value, three renderings, no silent holes.

use isogloss_evaluation::{
    BarSeries, Bars, Block, Cell, Curve, CurvePoint, Curves, Estimate, Heatmap, Plot, Point,
    Report, Scatter, Section, Table,
};

fn sample() -> Report {
    let estimate = |value: f64| Estimate::new(value, [value - 0.05, value + 0.05], 100);
    let labels: Vec<String> = ["Yoruba", "አማርኛ", "عربي"].map(str::to_owned).to_vec();
    let series = |name: &str, shift: f64| BarSeries {
        name: name.to_owned(),
        values: vec![Some(estimate(0.2 + shift)), None, Some(estimate(0.4 + shift))],
    };
    let bars = Bars::new("Retrieval", "P@1", labels, vec![series("MLM", 0.0), series("TLM", 0.1)]);
    let point = |name: &str, x: f64| Point { name: name.to_owned(), x, y: estimate(0.5) };
    let points = vec![point("LoRA", 2e4), point("full", 9e5)];
    let table = Table::new("Scores <by> language", &["language", "P@1", "texts"]).with_row([
        "<b>Yoruba</b>".into(),
        estimate(0.25).into(),
        12_345_u64.into(),
    ]);
    Report::new("Transfer", "A sample").with_section(
        Section::new("Results")
            .with_paragraph("Read from left to right.")
            .with_block(Block::Warning("Terms are unstated.".to_owned()))
            .with_block(Block::Table(table))
            .with_block(Block::Plot(Plot::Bars(bars)))
            .with_block(Block::Plot(Plot::Scatter(Scatter::log_x("Cost", "n", "P@1", points)))),
    )
}

#[test]
fn the_page_is_whole_and_escapes_what_it_is_given() {
    let html = sample().to_html().unwrap();
    assert!(html.contains("&lt;b&gt;Yoruba&lt;/b&gt;") && !html.contains("<b>Yoruba"));
    assert!(html.contains("0.250 <span class=\"interval\">[0.200, 0.300]</span>"));
    assert!(html.contains("12,345") && html.contains("viewBox"));
    for outside in ["http-equiv", "src=", "<link", "@import", "<script"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn json_holds_the_same_numbers_and_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let [_, json] = sample().write(dir.path()).unwrap();
    let read: Report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(read, sample());
}

#[test]
fn text_is_aligned() {
    let table = Table::new("Sizes", &["language", "texts"])
        .with_row(["yo".into(), 7_u64.into()])
        .with_row(["english".into(), 1_200_u64.into()]);
    assert_eq!(table.to_text(), "Sizes\n  language  texts\n  yo            7\n  english   1,200\n");
}

#[test]
fn faults_are_named() {
    let table = Table::new("T", &["a", "b"]).with_row(["x".into()]);
    let report =
        Report::new("", "").with_section(Section::new("S").with_block(Block::Table(table)));
    assert_eq!(report.to_html().unwrap_err().to_string(), "table `T`, row 1: 1 cells, expected 2");
    let bars = Plot::Bars(Bars::new("Empty", "x", vec![], vec![]));
    assert_eq!(
        bars.to_svg().unwrap_err().to_string(),
        "plot `Empty` cannot be drawn: it has no values",
    );
    let zero = Point { name: "z".to_owned(), x: 0.0, y: Estimate::new(1.0, [1.0, 1.0], 1) };
    let scatter = Plot::Scatter(Scatter::log_x("Log", "n", "y", vec![zero]));
    assert!(scatter.to_svg().unwrap_err().to_string().contains("not above 0"));
}

/// Signs that mean something in one form or another, and a name from right to left.
fn signs() -> Table {
    Table::new("50 % & more_or|less", &["a_b", "P@1", "n"]).with_row([
        "{x}^2 ~ $5 #1 \\ <b> [c]".into(),
        Estimate::new(0.25, [0.2, 0.3], 9).into(),
        1_200_u64.into(),
    ])
}

#[test]
fn markdown_keeps_every_cell_in_its_place() {
    let text = signs().to_markdown();
    let expected = "**50 % \\& more\\_or\\|less**\n\n| a\\_b | P@1 | n |\n| --- | ---: | ---: |\n\
                    | {x}^2 \\~ $5 \\#1 \\\\ \\<b\\> \\[c\\] | 0.250 \\[0.200, 0.300\\] | 1,200 |\n";
    assert_eq!(text, expected);
    let whole = sample().to_markdown().unwrap();
    for part in ["# Transfer\n", "\n## Results\n", "\n> **Warning:** Terms", "*(plot: Retrieval)*"]
    {
        assert!(whole.contains(part), "{part}");
    }
}

#[test]
fn latex_has_three_rules_and_escapes() {
    let expected = "\\begin{table}\n\\centering\n\\caption{50 \\% \\& more\\_or|less}\n\
        \\begin{tabular}{lrr}\n\\toprule\na\\_b & P@1 & n \\\\\n\\midrule\n\
        {\\{x\\}\\textasciicircum{}2 \\textasciitilde{} \\$5 \\#1 \\textbackslash{} \
        \\textless{}b\\textgreater{} [c]} & 0.250 {\\footnotesize [0.200, 0.300]} & 1,200 \\\\\n\
        \\bottomrule\n\\end{tabular}\n\\end{table}\n";
    assert_eq!(signs().to_latex(), expected);
    let whole = sample().to_latex().unwrap();
    assert!(
        whole.contains("\\subsection*{Results}") && whole.contains("\\emph{(plot: Retrieval)}")
    );
    let mut long = Table::new("Long", &["n"]);
    for n in 0..50_usize {
        long = long.with_row([n.into()]);
    }
    let long = long.to_latex();
    assert!(long.starts_with("\\begin{longtable}{r}") && long.contains("\\endhead"));
}

#[test]
fn a_name_in_its_own_language_says_which_and_reads_back() {
    let cell = Cell::Name { name: "አማርኛ".to_owned(), language: "am".parse().unwrap() };
    let json = serde_json::to_string(&cell).unwrap();
    assert_eq!(json, "{\"name\":\"አማርኛ\",\"language\":\"am-Ethi\"}");
    assert_eq!(serde_json::from_str::<Cell>(&json).unwrap(), cell);
}

#[test]
fn maps_mark_what_is_missing_and_refuse_what_does_not_fit() {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let value = |value: f64| Some(Estimate::new(value, [value, value], 1));
    let map = |cells| {
        let rows = names(["አማርኛ", "ߒߞߏ"]);
        Plot::Heatmap(Heatmap::new("Map", ["target", "source"], rows, names(["en", "ar"]), cells))
    };
    let full = map(vec![vec![value(0.1), value(0.9)], vec![value(0.4), value(0.5)]]);
    let holed = map(vec![vec![value(0.1), value(0.9)], vec![None, value(0.5)]]);
    let (full, holed) = (full.to_svg().unwrap(), holed.to_svg().unwrap());
    let lines = |svg: &str| svg.matches("<polyline").count() + svg.matches("<line").count();
    assert!(lines(&holed) > lines(&full) + 5, "{} {}", lines(&holed), lines(&full));
    assert!(full.contains("0.40") && !holed.contains("0.40") && full.contains("ߒߞߏ"));
    let errors = [
        (vec![vec![None, None], vec![None, None]], "plot `Map` cannot be drawn: it has no values"),
        (vec![vec![value(0.1), None]], "rows of a map: 1, expected 2"),
        (vec![vec![value(0.1)], vec![None, None]], "cells of a row: 1, expected 2"),
        (
            vec![vec![value(f64::NAN), None], vec![None, None]],
            "plotted value 0 is NaN, expected a finite number",
        ),
    ];
    for (cells, expected) in errors {
        assert_eq!(map(cells).to_svg().unwrap_err().to_string(), expected);
    }
    // Many columns make a wider map, with upright names.
    let columns: Vec<String> = (0..30).map(|n| format!("language {n}")).collect();
    let cells = vec![vec![value(0.5); 30]];
    let wide = Heatmap::new("Wide", ["", ""], vec!["en".to_owned()], columns, cells);
    let svg = Plot::Heatmap(wide).to_svg().unwrap();
    let width = svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split(' ').next());
    assert!(width.unwrap().parse::<u32>().unwrap() > 1_200, "{width:?}");
    assert!(svg.contains("rotate(270"));
}

#[test]
fn curves_have_room_for_zero_and_differ_without_colour() {
    let point =
        |x: f64, half: f64| CurvePoint { x, y: Estimate::new(0.5, [0.5 - half, 0.5 + half], 3) };
    let curve = |name: &str, points| Curve { name: name.to_owned(), points };
    let draw = |series| Plot::Curves(Curves::log_x("Few", ["shots", "F1"], series)).to_svg();
    let banded = vec![point(0.0, 0.1), point(1.0, 0.1), point(1024.0, 0.05)];
    let bare = vec![point(0.0, 0.0), point(1.0, 0.1), point(1024.0, 0.0)];
    let whole = draw(vec![curve("a", banded.clone())]).unwrap();
    assert!(whole.contains("1024"));
    // The second line is dashed: many strokes in place of one.
    let both = draw(vec![curve("a", banded.clone()), curve("b", banded.clone())]).unwrap();
    let strokes = |svg: &str| svg.matches("<polyline").count();
    assert!(strokes(&both) > strokes(&whole) + 10, "{} {}", strokes(&both), strokes(&whole));
    // A band lies between points that both have intervals.
    let polygons = |svg: &str| svg.matches("<polygon").count();
    let bare = draw(vec![curve("a", bare)]).unwrap();
    assert_eq!(polygons(&whole) - polygons(&bare), 2);
    let errors = [
        (vec![curve("a", vec![point(-1.0, 0.0)])], "`x` is below 0, where its axis begins"),
        (vec![curve("a", vec![point(2.0, 0.0), point(1.0, 0.0)])], "a line goes back"),
        (vec![curve("a", Vec::new())], "it has no points"),
        (vec![curve("a", banded); 7], "7 lines, expected at most 6"),
    ];
    for (series, expected) in errors {
        let text = draw(series).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn bars_of_like_grey_differ_in_pattern() {
    let value = Some(Estimate::new(0.5, [0.5, 0.5], 1));
    let series = |count: usize| -> Vec<BarSeries> {
        (0..count).map(|n| BarSeries { name: n.to_string(), values: vec![value] }).collect()
    };
    let draw = |count| {
        let bars = Bars::new("Bars", "F1", vec!["yo".to_owned()], series(count));
        Plot::Bars(bars).to_svg().unwrap()
    };
    let white = |svg: &str| svg.matches("#FFFFFF").count();
    let whites: Vec<usize> = (1..=4).map(|count| white(&draw(count))).collect();
    // The second is whole, the third has stripes of white, the fourth is hollow.
    assert_eq!(whites[0], whites[1]);
    assert!(whites[2] > whites[1] + 5 && whites[3] > whites[2], "{whites:?}");
}
