//! Reports: one value, three renderings, no silent holes.

use isogloss_evaluation::{
    BarSeries, Bars, Block, Estimate, Plot, Point, Report, Scatter, Section, Table,
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
