//! The brush: shapes and text on the page in points, and planes of data coordinates on it.

use super::svg::{Svg, UNITS};
use super::{FigureError, font};
use crate::theme::{Rgb, Theme};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{Cartesian2d, DrawingArea, FontStyle, IntoDrawingArea, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, FontTransform, RGBColor, ShapeStyle, TextStyle};
use std::ops::Range;

/// Sizes of text in points: title, names, everything small. Journals ask for 5 to 8.
pub(super) const TITLE: f64 = 9.0;
pub(super) const NAME: f64 = 7.0;
pub(super) const SMALL: f64 = 5.5;
/// Height of a line of small text.
pub(super) const SMALL_LINE: f64 = 6.8;
/// Width a scene reserves for a character of a name: capitals and digits of gene names are narrower on average.
pub(super) const CHAR_PT: f64 = 0.69 * NAME_IN_PLOT;
/// Size of names inside plots.
pub(super) const NAME_IN_PLOT: f64 = 6.5;

pub(super) type Drawn = Result<(), FigureError>;

/// A rectangle of the page in points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Frame {
    pub fn right(self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(self) -> f64 {
        self.y + self.height
    }

    pub fn middle(self) -> f64 {
        self.y + self.height / 2.0
    }

    /// The `i`-th of strips of equal height, with `gap` between them.
    pub fn lane(self, i: usize, n: usize, gap: f64) -> Self {
        let pitch = (self.height + gap) / n.max(1) as f64;
        Self { y: self.y + pitch * i as f64, height: pitch - gap, ..self }
    }
}

/// How text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ink {
    pub size: f64,
    pub is_bold: bool,
    pub colour: Rgb,
}

impl Ink {
    pub fn width(self, text: &str) -> f64 {
        font::width(text, self.size, self.is_bold)
    }
}

/// A page and the theme it is painted with.
pub(super) struct Page<'a> {
    svg: Svg,
    area: DrawingArea<Svg, Shift>,
    pub theme: &'a Theme,
}

impl<'a> Page<'a> {
    pub fn new(width: f64, height: f64, theme: &'a Theme) -> Self {
        let svg = Svg::new(width, height, theme.figure.clone());
        Self { area: svg.clone().into_drawing_area(), svg, theme }
    }

    pub fn finish(self, title: &str, description: &str) -> String {
        self.svg.finish(title, description)
    }

    /// Draws a named group.
    pub fn group(&self, id: &str, draw: impl FnOnce() -> Drawn) -> Drawn {
        self.svg.open_group(id);
        let drawn = draw();
        self.svg.close_group();
        drawn
    }

    pub fn colour(&self, role: &str) -> Rgb {
        self.theme.colour(role)
    }

    pub fn ink(&self, size: f64, role: &str) -> Ink {
        Ink { size, is_bold: false, colour: self.colour(role) }
    }

    /// Text whose capitals have their middle at `y`.
    pub fn text(&self, (x, y): (f64, f64), text: &str, ink: Ink, along: HPos) -> Drawn {
        let face = if ink.is_bold { FontStyle::Bold } else { FontStyle::Normal };
        let colour = solid(ink.colour);
        let style = TextStyle::from(("", ink.size * UNITS, face)).color(&colour).pos(Pos::new(along, VPos::Center));
        drawn(self.area.draw(&Text::new(text.to_owned(), (units(x), units(y)), style)))
    }

    /// Text that runs upward, its middle at a point: the name of an axis.
    pub fn upward(&self, (x, y): (f64, f64), text: &str, ink: Ink) -> Drawn {
        let colour = solid(ink.colour);
        let face = FontDesc::new(FontFamily::SansSerif, ink.size * UNITS, FontStyle::Normal).transform(FontTransform::Rotate270);
        let style = TextStyle::from(face).color(&colour).pos(Pos::new(HPos::Center, VPos::Center));
        drawn(self.area.draw(&Text::new(text.to_owned(), (units(x), units(y)), style)))
    }

    pub fn rect(&self, frame: Frame, colour: Rgb) -> Drawn {
        let corners = [(units(frame.x), units(frame.y)), (units(frame.right()), units(frame.bottom()))];
        drawn(self.area.draw(&Rectangle::new(corners, solid(colour).filled())))
    }

    pub fn line(&self, points: &[(f64, f64)], colour: Rgb, width: f64) -> Drawn {
        let points: Vec<_> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        drawn(self.area.draw(&PathElement::new(points, stroke(colour, width))))
    }

    pub fn polygon(&self, points: &[(f64, f64)], colour: Rgb) -> Drawn {
        let points: Vec<_> = points.iter().map(|&(x, y)| (units(x), units(y))).collect();
        drawn(self.area.draw(&Polygon::new(points, solid(colour).filled())))
    }

    /// A plane of data coordinates in a frame, `y` upward.
    pub fn plane(&self, frame: Frame, x: Range<f64>, y: Range<f64>) -> Plane {
        let place = (units(frame.x)..units(frame.right()), units(frame.bottom())..units(frame.y));
        Plane { area: self.area.apply_coord_spec(Cartesian2d::new(x, y, place)) }
    }
}

/// Data coordinates on the page. What is drawn must lie inside: nothing is clipped.
pub(super) struct Plane {
    area: DrawingArea<Svg, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
}

impl Plane {
    pub fn line(&self, points: Vec<(f64, f64)>, colour: Rgb, width: f64) -> Drawn {
        drawn(self.area.draw(&PathElement::new(points, stroke(colour, width))))
    }

    pub fn polygon(&self, points: Vec<(f64, f64)>, colour: Rgb) -> Drawn {
        drawn(self.area.draw(&Polygon::new(points, solid(colour).filled())))
    }
}

fn units(pt: f64) -> i32 {
    (pt * UNITS).round() as i32
}

fn solid(Rgb(r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

fn stroke(colour: Rgb, width: f64) -> ShapeStyle {
    solid(colour).stroke_width((width * UNITS).round() as u32)
}

fn drawn<E: std::error::Error>(result: Result<(), E>) -> Drawn {
    result.map_err(|e| FigureError::Drawing(e.to_string()))
}
