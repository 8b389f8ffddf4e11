//! A matrix as a map of shades.

use plotters::element::{PathElement, Rectangle, Text};
use plotters::prelude::{Color, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{BLACK, FontTransform, RGBColor, WHITE};
use serde::{Deserialize, Serialize};

use super::{Canvas, DrawError, FONT, GREY, Head, WIDTH, fault, range};
use crate::{Estimate, EvaluationError};

/// A matrix with its numbers in the cells: darker where they are greater, so that it reads the same
/// in black and white. A cell without a value is hatched.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Heatmap {
    /// What is shown.
    pub title: String,
    /// What the rows are.
    pub row_axis: String,
    /// What the columns are.
    pub column_axis: String,
    /// The names of the rows, from the top.
    pub rows: Vec<String>,
    /// The names of the columns.
    pub columns: Vec<String>,
    /// `cells[row][column]`; the interval is written where the columns are wide enough.
    pub cells: Vec<Vec<Option<Estimate>>>,
}

/// A cell holds a number of two decimals at this width.
const NARROWEST: u32 = 40;
/// A cell holds an interval at this width.
const WITH_INTERVAL: u32 = 84;
const WIDEST: u32 = 120;
const SCALE: i32 = 46;

impl Heatmap {
    /// Puts names and values together.
    pub fn new(
        title: impl Into<String>,
        [row_axis, column_axis]: [&str; 2],
        rows: Vec<String>,
        columns: Vec<String>,
        cells: Vec<Vec<Option<Estimate>>>,
    ) -> Self {
        let (row_axis, column_axis) = (row_axis.to_owned(), column_axis.to_owned());
        Self { title: title.into(), row_axis, column_axis, rows, columns, cells }
    }

    fn head(&self) -> Head {
        Head::new(&self.title, std::iter::empty())
    }

    fn label_width(&self) -> u32 {
        width_of(self.rows.iter().chain([&self.row_axis])).clamp(48, 200)
    }

    fn cell_width(&self) -> u32 {
        let columns = u32::try_from(self.columns.len()).unwrap_or(u32::MAX).max(1);
        ((WIDTH - self.label_width() - 24) / columns).clamp(NARROWEST, WIDEST)
    }

    fn cell_height(&self) -> u32 {
        if self.cell_width() >= WITH_INTERVAL { 40 } else { 28 }
    }

    /// Names that are wider than their column stand upright.
    fn is_upright(&self) -> bool {
        width_of(self.columns.iter()) > self.cell_width()
    }

    fn column_head(&self) -> u32 {
        24 + if self.is_upright() { width_of(self.columns.iter()).min(160) } else { 22 }
    }

    /// Width and height; a map of many columns is wider than other plots.
    pub(super) fn size(&self) -> (u32, u32) {
        let count = |names: &[String]| u32::try_from(names.len()).unwrap_or(u32::MAX).min(2_000);
        let width = self.label_width() + 24 + count(&self.columns) * self.cell_width();
        let height = count(&self.rows) * self.cell_height();
        let height = self.head().height + self.column_head() + height + SCALE.unsigned_abs() + 12;
        (width.max(WIDTH), height)
    }

    fn check(&self) -> Result<[f64; 2], EvaluationError> {
        let (found, expected) = (self.cells.len(), self.rows.len());
        if found != expected {
            return Err(EvaluationError::Length { what: "rows of a map", found, expected });
        }
        if let Some(row) = self.cells.iter().find(|row| row.len() != self.columns.len()) {
            let (found, expected) = (row.len(), self.columns.len());
            return Err(EvaluationError::Length { what: "cells of a row", found, expected });
        }
        if self.rows.len().max(self.columns.len()) > 2_000 {
            return Err(fault(&self.title, &"it has more than 2,000 rows or columns"));
        }
        let values: Vec<Estimate> = self.cells.iter().flatten().flatten().copied().collect();
        if values.is_empty() {
            return Err(fault(&self.title, &"it has no values"));
        }
        range(&values.iter().flat_map(|e| [e.low, e.high]).collect::<Vec<f64>>())?;
        range(&values.iter().map(|e| e.value).collect::<Vec<f64>>())
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), EvaluationError> {
        let ends = self.check()?;
        self.draw_all(canvas, ends).map_err(|error| fault(&self.title, &error))
    }

    fn draw_all(&self, canvas: &Canvas<'_>, [low, high]: [f64; 2]) -> Result<(), DrawError> {
        canvas.fill(&WHITE)?;
        let body = self.head().draw(canvas)?;
        let [label, width, height, top] =
            [self.label_width(), self.cell_width(), self.cell_height(), self.column_head()]
                .map(u32::cast_signed);
        let small = |colour: &RGBColor, size: u32, h, v| {
            (FONT, size).into_font().color(colour).pos(Pos::new(h, v))
        };
        body.draw(&Text::new(
            self.column_axis.clone(),
            (label, 4),
            small(&GREY, 13, HPos::Left, VPos::Top),
        ))?;
        body.draw(&Text::new(
            self.row_axis.clone(),
            (label - 8, top - 6),
            small(&GREY, 13, HPos::Right, VPos::Bottom),
        ))?;
        for (name, x) in self.columns.iter().zip((label..).step_by(width.unsigned_abs() as usize)) {
            let middle = (x + width / 2, top - 6);
            if self.is_upright() {
                let font = (FONT, 13).into_font().transform(FontTransform::Rotate270);
                let style = font.color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
                body.draw(&Text::new(name.clone(), middle, style))?;
            } else {
                let style = small(&BLACK, 13, HPos::Center, VPos::Bottom);
                body.draw(&Text::new(name.clone(), middle, style))?;
            }
        }
        let rows = self.rows.iter().zip(&self.cells);
        for ((name, cells), y) in rows.zip((top..).step_by(height.unsigned_abs() as usize)) {
            let style = small(&BLACK, 14, HPos::Right, VPos::Center);
            body.draw(&Text::new(name.clone(), (label - 8, y + height / 2), style))?;
            for (cell, x) in cells.iter().zip((label..).step_by(width.unsigned_abs() as usize)) {
                let corners = [(x, y), (x + width - 2, y + height - 2)];
                let Some(estimate) = cell else {
                    hatch(&body, corners)?;
                    continue;
                };
                let share = if high > low { (estimate.value - low) / (high - low) } else { 0.5 };
                body.draw(&Rectangle::new(corners, shade(share).filled()))?;
                // Where both inks have the same contrast, about 4.6 to 1.
                let ink = if share > 0.64 { WHITE } else { BLACK };
                let has_interval =
                    width.unsigned_abs() >= WITH_INTERVAL && estimate.high > estimate.low;
                let (middle, first) =
                    (x + width / 2 - 1, if has_interval { 13 } else { height / 2 });
                let style = small(&ink, 14, HPos::Center, VPos::Center);
                body.draw(&Text::new(number(estimate.value), (middle, y + first), style))?;
                if has_interval {
                    let text = format!("[{}, {}]", number(estimate.low), number(estimate.high));
                    let style = small(&ink, 11, HPos::Center, VPos::Center);
                    body.draw(&Text::new(text, (middle, y + 28), style))?;
                }
            }
        }
        let rows = i32::try_from(self.rows.len()).unwrap_or(0);
        draw_scale(&body, (label, top + rows * height + 12), [low, high])
    }
}

/// From the least value to the greatest, and what a hatched cell means.
fn draw_scale(canvas: &Canvas<'_>, (x, y): (i32, i32), ends: [f64; 2]) -> Result<(), DrawError> {
    const STEPS: i32 = 24;
    let text = |text: String, x: i32| {
        let style = (FONT, 12).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Top));
        canvas.draw(&Text::new(text, (x, y + 14), style))
    };
    if ends[0] < ends[1] {
        for step in 0..STEPS {
            let left = x + 6 * step;
            let colour = shade(f64::from(step) / f64::from(STEPS - 1));
            canvas.draw(&Rectangle::new([(left, y), (left + 6, y + 12)], colour.filled()))?;
        }
        text(number(ends[0]), x)?;
        text(number(ends[1]), x + 6 * STEPS - 24)?;
    }
    hatch(canvas, [(x + 6 * STEPS + 30, y), (x + 6 * STEPS + 56, y + 12)])?;
    text("no result".to_owned(), x + 6 * STEPS + 30)
}

/// A box of slanted lines.
fn hatch(
    canvas: &Canvas<'_>,
    [(left, top), (right, bottom)]: [(i32, i32); 2],
) -> Result<(), DrawError> {
    let (width, height) = (right - left, bottom - top);
    canvas.draw(&Rectangle::new([(left, top), (right, bottom)], GREY.stroke_width(1)))?;
    for start in (8..width + height).step_by(8) {
        // From the upper or the right edge down to the left or the lower one.
        let from = (left + start.min(width), top + (start - width).max(0));
        let to = (left + (start - height).max(0), top + start.min(height));
        canvas.draw(&PathElement::new([from, to], GREY.stroke_width(1)))?;
    }
    Ok(())
}

/// White for 0, dark blue for 1; the grey of it falls all the way.
fn shade(share: f64) -> RGBColor {
    let between = |light: f64, dark: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between two numbers of a byte"
        )]
        let part = (light + (dark - light) * share.clamp(0.0, 1.0)).round() as u8;
        part
    };
    RGBColor(between(240.0, 8.0), between(246.0, 48.0), between(252.0, 107.0))
}

/// Two decimals, or one where the number is large.
fn number(value: f64) -> String {
    if value.abs() < 9.995 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// About how wide the widest name is drawn.
fn width_of<'a>(names: impl Iterator<Item = &'a String>) -> u32 {
    let longest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    u32::try_from(longest).unwrap_or(u32::MAX).saturating_mul(8).saturating_add(16)
}

#[cfg(test)]
mod tests {
    use super::shade;

    #[test]
    fn the_scale_darkens_all_the_way() {
        // Relative luminance, roughly: what a black-and-white printer keeps.
        let grey = |share: f64| {
            let colour = shade(share);
            0.2126 * f64::from(colour.0)
                + 0.7152 * f64::from(colour.1)
                + 0.0722 * f64::from(colour.2)
        };
        for step in 1..=20 {
            assert!(
                grey(f64::from(step) / 20.0) < grey(f64::from(step - 1) / 20.0) - 5.0,
                "{step}"
            );
        }
    }
}
