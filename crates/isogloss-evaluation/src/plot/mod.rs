//! Plots as SVG: bars by language, points by cost, a map of a matrix, curves.

mod curves;
mod heatmap;

pub use curves::{Curve, CurvePoint, Curves};
pub use heatmap::Heatmap;

use plotters::backend::SVGBackend;
use plotters::chart::ChartBuilder;
use plotters::coord::combinators::IntoLogRange;
use plotters::element::{Circle, PathElement, Rectangle, Text, TriangleMarker};
use plotters::prelude::{Color, DrawingArea, IntoDrawingArea, IntoFont};
use plotters::style::{BLACK, RGBColor, WHITE};
use serde::{Deserialize, Serialize};

use crate::palette::colour;
use crate::{Estimate, EvaluationError};

/// Something to look at, with the numbers it shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Plot {
    /// Horizontal bars in groups, such as one group for each language.
    Bars(Bars),
    /// Points, such as quality against cost.
    Scatter(Scatter),
    /// A matrix, darker where values are greater.
    Heatmap(Heatmap),
    /// Lines with bands, such as a score by the number of examples.
    Curves(Curves),
}

/// Horizontal bars: a group for each label, in it a bar for each series.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Bars {
    /// What is shown.
    pub title: String,
    /// What the length of a bar means.
    pub axis: String,
    /// The names of the groups, from the top.
    pub labels: Vec<String>,
    /// The series, in the order of the legend.
    pub series: Vec<BarSeries>,
}

/// The bars of one colour.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BarSeries {
    /// The name in the legend.
    pub name: String,
    /// A value for each label, or none; an interval is drawn where it has a width.
    pub values: Vec<Option<Estimate>>,
}

/// Points with names.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scatter {
    /// What is shown.
    pub title: String,
    /// What a place from left to right means.
    pub x_axis: String,
    /// What a height means.
    pub y_axis: String,
    /// Whether `x` is on a logarithmic axis; it is then above 0.
    pub log_x: bool,
    /// The points.
    pub points: Vec<Point>,
}

/// One point.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Point {
    /// Its name.
    pub name: String,
    /// Its place.
    pub x: f64,
    /// Its height, with an interval.
    pub y: Estimate,
}

impl Bars {
    /// Puts labels and series together.
    pub fn new(
        title: impl Into<String>,
        axis: impl Into<String>,
        labels: Vec<String>,
        series: Vec<BarSeries>,
    ) -> Self {
        Self { title: title.into(), axis: axis.into(), labels, series }
    }
}

impl Scatter {
    /// Points on a logarithmic axis.
    pub fn log_x(
        title: impl Into<String>,
        x_axis: impl Into<String>,
        y_axis: impl Into<String>,
        points: Vec<Point>,
    ) -> Self {
        let (title, x_axis, y_axis) = (title.into(), x_axis.into(), y_axis.into());
        Self { title, x_axis, y_axis, log_x: true, points }
    }
}

/// Narrow enough to be read on a phone, where an image is drawn at two thirds of this.
const WIDTH: u32 = 560;
const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(110, 110, 110);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type DrawError = plotters::drawing::DrawingAreaErrorKind<std::io::Error>;

impl Plot {
    /// What is shown, in a few words.
    pub fn title(&self) -> &str {
        match self {
            Self::Bars(bars) => &bars.title,
            Self::Scatter(scatter) => &scatter.title,
            Self::Heatmap(heatmap) => &heatmap.title,
            Self::Curves(curves) => &curves.title,
        }
    }

    /// The plot as an SVG image that scales to the width it is given.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Plot`] for a plot without values or with more than can be drawn,
    /// [`EvaluationError::NotFinite`] for one with a value that is no number,
    /// [`EvaluationError::Length`] for a series of another length than the labels.
    pub fn to_svg(&self) -> Result<String, EvaluationError> {
        let mut svg = String::new();
        let (width, height) = match self {
            Self::Bars(bars) => (WIDTH, bars.height()),
            Self::Scatter(scatter) => (WIDTH, scatter.height()),
            Self::Heatmap(heatmap) => heatmap.size(),
            Self::Curves(curves) => (WIDTH, curves.height()),
        };
        {
            let canvas = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            match self {
                Self::Bars(bars) => bars.draw(&canvas)?,
                Self::Scatter(scatter) => scatter.draw(&canvas)?,
                Self::Heatmap(heatmap) => heatmap.draw(&canvas)?,
                Self::Curves(curves) => curves.draw(&canvas)?,
            }
            canvas.present().map_err(|error| self.fault(&error))?;
        }
        // The size is the viewer's to choose; the proportions are in the view box.
        let fixed = format!("<svg width=\"{width}\" height=\"{height}\"");
        Ok(svg.replacen(&fixed, "<svg role=\"img\"", 1))
    }

    fn fault(&self, error: &dyn std::fmt::Display) -> EvaluationError {
        fault(self.title(), error)
    }
}

fn fault(title: &str, error: &dyn std::fmt::Display) -> EvaluationError {
    EvaluationError::Plot { plot: title.to_owned(), reason: error.to_string() }
}

impl Bars {
    const BAR: u32 = 9;
    const GAP: u32 = 9;

    fn height(&self) -> u32 {
        let groups = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        let bars = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        let rows = groups
            .saturating_mul(bars.saturating_mul(Self::BAR).saturating_add(Self::GAP))
            .min(20_000);
        self.head().height + rows + 58
    }

    /// What stands above the bars.
    fn head(&self) -> Head {
        Head::new(&self.title, self.series.iter().map(|series| series.name.as_str()))
    }

    /// Room for the names of the groups.
    fn label_width(&self) -> u32 {
        let longest = self.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
        u32::try_from(longest).unwrap_or(u32::MAX).saturating_mul(8).clamp(40, 200) + 16
    }

    fn check(&self) -> Result<[f64; 2], EvaluationError> {
        let mut values = Vec::new();
        for series in &self.series {
            let (found, expected) = (series.values.len(), self.labels.len());
            if found != expected {
                return Err(EvaluationError::Length { what: "bars of a series", found, expected });
            }
            values.extend(series.values.iter().flatten().flat_map(|e| [e.value, e.low, e.high]));
        }
        if values.is_empty() {
            return Err(fault(&self.title, &"it has no values"));
        }
        range(&values).map(|[low, high]| [low.min(0.0), high.max(0.0)])
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Result<(), EvaluationError> {
        let fault = |error: &dyn std::fmt::Display| fault(&self.title, error);
        let [low, high] = self.check()?;
        let margin = if high > low { 0.04 * (high - low) } else { 0.5 };
        let (low, high) = (if low < 0.0 { low - margin } else { low }, high + margin);
        let (slots, bars) = (self.labels.len() as f64, self.series.len() as f64);
        canvas.fill(&WHITE).map_err(|error| fault(&error))?;
        let body = self
            .head()
            .draw_with(canvas, |index, (x, y)| draw_bar(canvas, index, [(x, y), (x + 13, y + 12)]))
            .map_err(|error| fault(&error))?;
        let label_width = self.label_width();
        let names = |place: &f64| -> String {
            // Ticks stand at the middle of a group; the axis runs downwards.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a group")]
            let group = (slots - place.floor() - 1.0).max(0.0) as usize;
            self.labels.get(group).cloned().unwrap_or_default()
        };
        let mut chart = ChartBuilder::on(&body)
            .margin_right(24)
            .margin_bottom(8)
            .x_label_area_size(44)
            .y_label_area_size(0)
            .margin_left(label_width)
            .build_cartesian_2d(low..high, 0.0..slots)
            .map_err(|error| fault(&error))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc(self.axis.as_str())
            .x_label_formatter(&|value| tick(*value))
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .draw()
            .map_err(|error| fault(&error))?;
        for group in 0..self.labels.len() {
            let middle = slots - group as f64 - 0.5;
            let (_, y) = chart.backend_coord(&(low, middle));
            let style = (FONT, 14).into_font().color(&BLACK);
            let anchored = style.pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            ));
            canvas
                .draw(&Text::new(names(&middle), (label_width.cast_signed() - 8, y), anchored))
                .map_err(|error| fault(&error))?;
        }
        let filled = 0.82;
        for (index, series) in self.series.iter().enumerate() {
            for (group, estimate) in series.values.iter().enumerate() {
                let Some(estimate) = estimate else { continue };
                let top =
                    slots - group as f64 - (1.0 - filled) / 2.0 - filled * index as f64 / bars;
                let bottom = top - filled / bars * 0.92;
                let corners = [(0.0, top), (estimate.value, bottom)];
                let [from, to] = corners.map(|corner| chart.backend_coord(&corner));
                draw_bar(canvas, index, [from, to]).map_err(|error| fault(&error))?;
                if estimate.high > estimate.low {
                    let middle = f64::midpoint(top, bottom);
                    let line = [(estimate.low, middle), (estimate.high, middle)];
                    chart
                        .draw_series([PathElement::new(line, BLACK.mix(0.75).stroke_width(1))])
                        .map_err(|error| fault(&error))?;
                }
            }
        }
        Ok(())
    }
}

/// A bar of a series. Colours of like grey differ in pattern: whole, whole and lighter, striped,
/// hollow.
fn draw_bar(canvas: &Canvas<'_>, index: usize, corners: [(i32, i32); 2]) -> Result<(), DrawError> {
    let [(from, top), (to, bottom)] = corners;
    let (left, right) = (from.min(to), from.max(to));
    if index % 4 == 3 {
        canvas.draw(&Rectangle::new(corners, WHITE.filled()))?;
        return canvas.draw(&Rectangle::new(corners, colour(index).stroke_width(2)));
    }
    canvas.draw(&Rectangle::new(corners, colour(index).filled()))?;
    if index % 4 == 2 {
        for x in (left + 4..right).step_by(6) {
            canvas.draw(&PathElement::new([(x, top), (x, bottom)], WHITE.stroke_width(2)))?;
        }
    }
    Ok(())
}

/// The title and the legend of a plot, broken into as many lines as they need.
struct Head {
    title: Vec<String>,
    /// Where each name of the legend stands, its colour before it.
    legend: Vec<(i32, i32, String)>,
    height: u32,
}

impl Head {
    const LINE: i32 = 22;

    fn new<'a>(title: &str, names: impl Iterator<Item = &'a str>) -> Self {
        let title = lines(title, 58);
        let mut y = 10 + Self::LINE * i32::try_from(title.len()).unwrap_or(i32::MAX / 64);
        let (mut x, mut legend) = (12, Vec::new());
        for name in names {
            // About seven and a half units a character at this size.
            let width = 40 + 15 * i32::try_from(name.chars().count()).unwrap_or(0) / 2;
            if x > 12 && x + width > WIDTH.cast_signed() {
                (x, y) = (12, y + Self::LINE);
            }
            legend.push((x, y + 4, name.to_owned()));
            x += width;
        }
        let below = if legend.is_empty() { 4 } else { Self::LINE + 4 };
        Self { title, legend, height: (y + below).cast_unsigned() }
    }

    /// Draws it and returns what is left below.
    fn draw<'a>(&self, canvas: &Canvas<'a>) -> Result<Canvas<'a>, DrawError> {
        self.draw_with(canvas, |index, (x, y)| {
            canvas.draw(&Rectangle::new([(x, y), (x + 13, y + 12)], colour(index).filled()))
        })
    }

    /// Draws it with a sample of each series in a box of 13 by 12 at the place given.
    fn draw_with<'a>(
        &self,
        canvas: &Canvas<'a>,
        sample: impl Fn(usize, (i32, i32)) -> Result<(), DrawError>,
    ) -> Result<Canvas<'a>, DrawError> {
        for (line, y) in self.title.iter().zip((10..).step_by(Self::LINE.unsigned_abs() as usize)) {
            canvas.draw(&Text::new(line.clone(), (12, y), (FONT, 17).into_font()))?;
        }
        for (index, (x, y, name)) in self.legend.iter().enumerate() {
            let (x, y) = (*x, *y);
            sample(index, (x, y))?;
            canvas.draw(&Text::new(name.clone(), (x + 18, y - 1), (FONT, 14).into_font()))?;
        }
        Ok(canvas.split_vertically(self.height).1)
    }
}

/// Words in lines of at most so many characters, if no word is longer.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

impl Scatter {
    fn head(&self) -> Head {
        // Names beside the points would cross the intervals of others.
        Head::new(&self.title, self.points.iter().map(|point| point.name.as_str()))
    }

    fn height(&self) -> u32 {
        self.head().height + 360
    }

    fn draw(&self, canvas: &Canvas<'_>) -> Result<(), EvaluationError> {
        let fault = |error: &dyn std::fmt::Display| fault(&self.title, error);
        if self.points.is_empty() {
            return Err(fault(&"it has no points"));
        }
        let x: Vec<f64> = self.points.iter().map(|point| point.x).collect();
        let y: Vec<f64> = self.points.iter().flat_map(|p| [p.y.value, p.y.low, p.y.high]).collect();
        let [x_low, x_high] = range(&x)?;
        let [y_low, y_high] = range(&y)?;
        if self.log_x && x_low <= 0.0 {
            return Err(fault(&"`x` is not above 0, as a logarithmic axis needs"));
        }
        let y_margin = if y_high > y_low { 0.12 * (y_high - y_low) } else { 0.5 };
        let y_range = y_low - y_margin..y_high + y_margin;
        canvas.fill(&WHITE).map_err(|error| fault(&error))?;
        let body = self.head().draw(canvas).map_err(|error| fault(&error))?;
        let mut builder = ChartBuilder::on(&body);
        builder
            .margin_right(24)
            .margin_left(8)
            .margin_bottom(8)
            .x_label_area_size(48)
            .y_label_area_size(64);
        macro_rules! draw {
            ($x:expr) => {{
                let mut chart =
                    builder.build_cartesian_2d($x, y_range).map_err(|error| fault(&error))?;
                chart
                    .configure_mesh()
                    .x_desc(self.x_axis.as_str())
                    .y_desc(self.y_axis.as_str())
                    .x_label_formatter(&|value| tick(*value))
                    .y_label_formatter(&|value| tick(*value))
                    .label_style((FONT, 13))
                    .axis_desc_style((FONT, 14))
                    .light_line_style(WHITE)
                    .bold_line_style(BLACK.mix(0.12))
                    .draw()
                    .map_err(|error| fault(&error))?;
                for (index, point) in self.points.iter().enumerate() {
                    let line = [(point.x, point.y.low), (point.x, point.y.high)];
                    chart
                        .draw_series([PathElement::new(line, GREY.stroke_width(2))])
                        .map_err(|error| fault(&error))?;
                    let (place, style) = ((point.x, point.y.value), colour(index).filled());
                    if index % 2 == 0 {
                        chart.draw_series([Circle::new(place, 7, style)])
                    } else {
                        chart.draw_series([TriangleMarker::new(place, 9, style)])
                    }
                    .map_err(|error| fault(&error))?;
                }
            }};
        }
        if self.log_x {
            draw!((x_low / 1.6..x_high * 1.6).log_scale());
        } else {
            let margin = if x_high > x_low { 0.08 * (x_high - x_low) } else { 0.5 };
            draw!(x_low - margin..x_high + margin);
        }
        Ok(())
    }
}

/// The least and the greatest of some numbers.
fn range(values: &[f64]) -> Result<[f64; 2], EvaluationError> {
    if let Some(index) = values.iter().position(|value| !value.is_finite()) {
        let found = values[index];
        return Err(EvaluationError::NotFinite { what: "plotted value", index, found });
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok([low, high])
}

/// A number at an axis: short, and without a trail of zeros.
fn tick(value: f64) -> String {
    if value.abs() >= 1e6 {
        format!("{:.3}M", value / 1e6).replace(".000", "")
    } else if value.abs() >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else if value == 0.0 {
        "0".to_owned()
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
