//! Colours that colour-blind people tell apart.

use plotters::style::RGBColor;

/// The palette of Okabe and Ito (2008), without its yellow, which is too light for white paper, and
/// darkest first, so that neighbours differ in grey too.
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 120, 90),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
];

/// The colour of the `index`-th series.
pub(crate) fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}
