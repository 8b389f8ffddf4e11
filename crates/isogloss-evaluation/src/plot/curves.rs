//! Lines with bands.

use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text, TriangleMarker};
use plotters::prelude::{Color, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, FontTransform, WHITE};
use serde::{Deserialize, Serialize};

use super::{Canvas, DrawError, FONT, GREY, Head, WIDTH, fault, range, tick};
use crate::palette::colour;
use crate::{Estimate, EvaluationError};

/// A line for each series, with its interval as a band. Each has its own dash and marker, so that
/// they are told apart without colour.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Curves {
    /// What is shown.
    pub title: String,
    /// What a place from left to right means.
    pub x_axis: String,
    /// What a height means.
    pub y_axis: String,
    /// Whether places are by `log2(1 + x)`, which has room for 0; `x` is then at least 0.
    pub log_x: bool,
    /// The lines, in the order of the legend; at most [`Curves::MOST`].
    pub series: Vec<Curve>,
}

/// One line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Curve {
    /// The name in the legend.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<CurvePoint>,
}

/// A point of a line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct CurvePoint {
    /// Its place, such as a number of examples.
    pub x: f64,
    /// Its height, with an interval.
    pub y: Estimate,
}

/// Pixels drawn and left out, in turn; none for a whole line.
const DASHES: [&[f64]; Curves::MOST] =
    [&[], &[9.0, 4.0], &[2.0, 4.0], &[12.0, 4.0, 2.0, 4.0], &[5.0, 3.0], &[16.0, 5.0]];
const HEIGHT: i32 = 320;
const LEFT: i32 = 64;
const RIGHT: i32 = 24;
const BELOW: i32 = 52;

impl Curves {
    /// More lines cannot be told apart.
    pub const MOST: usize = 6;

    /// Lines over a number of examples, from 0 upwards.
    pub fn log_x(
        title: impl Into<String>,
        [x_axis, y_axis]: [&str; 2],
        series: Vec<Curve>,
    ) -> Self {
        let (x_axis, y_axis) = (x_axis.to_owned(), y_axis.to_owned());
        Self { title: title.into(), x_axis, y_axis, log_x: true, series }
    }

    /// Lines over an even scale.
    pub fn linear(title: impl Into<String>, axes: [&str; 2], series: Vec<Curve>) -> Self {
        Self { log_x: false, ..Self::log_x(title, axes, series) }
    }

    fn head(&self) -> Head {
        Head::new(&self.title, self.series.iter().map(|series| series.name.as_str()))
    }

    pub(super) fn height(&self) -> u32 {
        self.head().height + HEIGHT.unsigned_abs() + BELOW.unsigned_abs()
    }

    fn place(&self, x: f64) -> f64 {
        if self.log_x { x.ln_1p() / std::f64::consts::LN_2 } else { x }
    }

    /// The least and the greatest place, the least and the greatest height.
    fn check(&self) -> Result<[f64; 4], EvaluationError> {
        let points: Vec<&CurvePoint> = self.series.iter().flat_map(|s| &s.points).collect();
        if points.is_empty() {
            return Err(fault(&self.title, &"it has no points"));
        }
        if self.series.len() > Self::MOST {
            let reason = format!("{} lines, expected at most {}", self.series.len(), Self::MOST);
            return Err(fault(&self.title, &reason));
        }
        let xs: Vec<f64> = points.iter().map(|point| point.x).collect();
        let ys: Vec<f64> =
            points.iter().flat_map(|point| [point.y.value, point.y.low, point.y.high]).collect();
        let ([x_low, x_high], [y_low, y_high]) = (range(&xs)?, range(&ys)?);
        if self.log_x && x_low < 0.0 {
            return Err(fault(&self.title, &"`x` is below 0, where its axis begins"));
        }
        if self.series.iter().any(|s| s.points.windows(2).any(|pair| pair[0].x >= pair[1].x)) {
            return Err(fault(
                &self.title,
                &"a line goes back, expected points from left to right",
            ));
        }
        Ok([self.place(x_low), self.place(x_high), y_low, y_high])
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), EvaluationError> {
        let ends = self.check()?;
        self.draw_all(canvas, ends).map_err(|error| fault(&self.title, &error))
    }

    fn draw_all(&self, canvas: &Canvas<'_>, ends: [f64; 4]) -> Result<(), DrawError> {
        let [x_low, x_high, y_low, y_high] = ends;
        let margin = if y_high > y_low { 0.06 * (y_high - y_low) } else { 0.5 };
        let (y_low, y_high) = (y_low - margin, y_high + margin);
        canvas.fill(&WHITE)?;
        let head = self.head();
        let body = head.draw_with(canvas, |index, (x, y)| {
            let (left, right) = ((x - 2, y + 6), (x + 15, y + 6));
            let style = colour(index).stroke_width(2);
            canvas.draw(&PathElement::new([left, right], style))?;
            mark(canvas, index, (x + 6, y + 6))
        })?;
        let inner = f64::from(WIDTH) - f64::from(LEFT + RIGHT) - 24.0;
        let to_x = |x: f64| {
            let share =
                if x_high > x_low { (self.place(x) - x_low) / (x_high - x_low) } else { 0.5 };
            f64::from(LEFT) + 12.0 + share * inner
        };
        let to_y = |y: f64| f64::from(HEIGHT) * (y_high - y) / (y_high - y_low);
        self.draw_axes(&body, [y_low, y_high], &to_x, &to_y)?;
        for (index, series) in self.series.iter().enumerate() {
            let point = |x: f64, y: f64| (pixel(to_x(x)), pixel(to_y(y)));
            // No band reaches a point without an interval: it would look certain there.
            for pair in series.points.windows(2).filter(|pair| pair.iter().all(has_interval)) {
                let upper = pair.iter().map(|p| point(p.x, p.y.high));
                let lower = pair.iter().rev().map(|p| point(p.x, p.y.low));
                let band: Vec<(i32, i32)> = upper.chain(lower).collect();
                body.draw(&Polygon::new(band, colour(index).mix(0.14)))?;
            }
            for p in series.points.iter().filter(|p| has_interval(p)) {
                // The ends of each interval, for who sees no tint.
                let line = [point(p.x, p.y.low), point(p.x, p.y.high)];
                body.draw(&PathElement::new(line, colour(index).mix(0.6).stroke_width(1)))?;
            }
        }
        for (index, series) in self.series.iter().enumerate() {
            let line: Vec<(f64, f64)> =
                series.points.iter().map(|p| (to_x(p.x), to_y(p.y.value))).collect();
            for stroke in dashed(&line, DASHES[index % DASHES.len()]) {
                let stroke = stroke.into_iter().map(|(x, y)| (pixel(x), pixel(y)));
                let path: Vec<(i32, i32)> = stroke.collect();
                body.draw(&PathElement::new(path, colour(index).stroke_width(2)))?;
            }
            for (x, y) in line {
                mark(&body, index, (pixel(x), pixel(y)))?;
            }
        }
        Ok(())
    }

    fn draw_axes(
        &self,
        canvas: &Canvas<'_>,
        [y_low, y_high]: [f64; 2],
        to_x: &dyn Fn(f64) -> f64,
        to_y: &dyn Fn(f64) -> f64,
    ) -> Result<(), DrawError> {
        let text = |h, v| (FONT, 13).into_font().color(&BLACK).pos(Pos::new(h, v));
        let right = WIDTH.cast_signed() - RIGHT;
        for value in steps(y_low, y_high) {
            let y = pixel(to_y(value));
            let line = [(LEFT, y), (right, y)];
            canvas.draw(&PathElement::new(line, BLACK.mix(0.12).stroke_width(1)))?;
            let style = text(HPos::Right, VPos::Center);
            canvas.draw(&Text::new(tick(value), (LEFT - 8, y), style))?;
        }
        let axis = [(LEFT, 0), (LEFT, HEIGHT), (right, HEIGHT)];
        canvas.draw(&PathElement::new(axis, GREY.stroke_width(1)))?;
        let mut xs: Vec<f64> = self.series.iter().flat_map(|s| &s.points).map(|p| p.x).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut free = i32::MIN;
        for x in xs {
            let (at, name) = (pixel(to_x(x)), tick(x));
            let half = 4 * i32::try_from(name.chars().count()).unwrap_or(0) + 3;
            canvas
                .draw(&PathElement::new([(at, HEIGHT), (at, HEIGHT + 5)], GREY.stroke_width(1)))?;
            if at - half > free {
                let style = text(HPos::Center, VPos::Top);
                canvas.draw(&Text::new(name, (at, HEIGHT + 8), style))?;
                free = at + half;
            }
        }
        let middle = (f64::midpoint(f64::from(LEFT), f64::from(right)), HEIGHT + 28);
        let style = (FONT, 14).into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        canvas.draw(&Text::new(self.x_axis.clone(), (pixel(middle.0), middle.1), style))?;
        let font = (FONT, 14).into_font().transform(FontTransform::Rotate270);
        let style = font.color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
        canvas.draw(&Text::new(self.y_axis.clone(), (6, HEIGHT / 2), style))
    }
}

fn has_interval(point: &CurvePoint) -> bool {
    point.y.high > point.y.low
}

/// The marker of a series: circle, triangle, square, and the same hollow.
fn mark(canvas: &Canvas<'_>, index: usize, at: (i32, i32)) -> Result<(), DrawError> {
    let (x, y) = at;
    let is_hollow = index % 6 >= 3;
    let style = if is_hollow { WHITE.filled() } else { colour(index).filled() };
    let edge = colour(index).stroke_width(2);
    match index % 3 {
        0 => {
            canvas.draw(&Circle::new(at, 4, style))?;
            canvas.draw(&Circle::new(at, 4, edge))
        }
        1 => {
            canvas.draw(&TriangleMarker::new(at, 6, style))?;
            let corners = [(x, y - 6), (x + 5, y + 3), (x - 5, y + 3), (x, y - 6)];
            canvas.draw(&PathElement::new(corners, edge))
        }
        _ => {
            let corners = [(x - 4, y - 4), (x + 4, y + 4)];
            canvas.draw(&Rectangle::new(corners, style))?;
            canvas.draw(&Rectangle::new(corners, edge))
        }
    }
}

/// A path cut into strokes.
fn dashed(line: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(f64, f64)>> {
    if dash.is_empty() {
        return vec![line.to_vec()];
    }
    let (mut strokes, mut phase, mut left) = (Vec::new(), 0, dash[0]);
    let mut stroke: Vec<(f64, f64)> = line.first().copied().into_iter().collect();
    for pair in line.windows(2) {
        let [(mut x, mut y), (end_x, end_y)] = [pair[0], pair[1]];
        loop {
            let distance = (end_x - x).hypot(end_y - y);
            if distance <= left {
                left -= distance;
                stroke.push((end_x, end_y));
                break;
            }
            (x, y) = (x + (end_x - x) * left / distance, y + (end_y - y) * left / distance);
            stroke.push((x, y));
            if phase % 2 == 0 {
                strokes.push(std::mem::take(&mut stroke));
            }
            stroke = vec![(x, y)];
            phase += 1;
            left = dash[phase % dash.len()];
        }
    }
    if phase % 2 == 0 && stroke.len() > 1 {
        strokes.push(stroke);
    }
    strokes
}

/// Round numbers between two, about five.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= raw);
    let step = step.unwrap_or(raw);
    let first = (low / step).ceil();
    (0..=8).map(|n| (first + f64::from(n)) * step).take_while(|value| *value <= high).collect()
}

fn pixel(place: f64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "within the plot")]
    let pixel = place.round() as i32;
    pixel
}

#[cfg(test)]
mod tests {
    use super::{dashed, steps};

    #[test]
    fn ticks_are_round_and_inside() {
        let texts: Vec<String> = steps(0.213, 0.871).iter().map(|v| format!("{v:.3}")).collect();
        assert_eq!(texts, ["0.400", "0.600", "0.800"]);
        assert_eq!(steps(-1.0, 9.0), [0.0, 2.0, 4.0, 6.0, 8.0]);
    }

    #[test]
    fn dashes_run_round_corners() {
        let line = [(0.0, 0.0), (6.0, 0.0), (6.0, 20.0)];
        let strokes = dashed(&line, &[9.0, 4.0]);
        assert_eq!(strokes[0], [(0.0, 0.0), (6.0, 0.0), (6.0, 3.0)]);
        assert_eq!(strokes[1], [(6.0, 7.0), (6.0, 16.0)]);
        assert_eq!(strokes.len(), 2);
        assert_eq!(dashed(&line, &[]), [line.to_vec()]);
    }
}
