//! A drawing backend for plotters that writes SVG an editor can work with: real points with two decimals, named groups, text
//! as text, no clip masks, no raster. plotters' own backend knows none of these and measures text by its bytes.

use super::font;
use crate::theme::FigureStyle;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle, FontTransform,
};
use quick_xml::escape::escape;
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write;
use std::rc::Rc;

/// plotters counts in whole units: a hundred to the point give two decimals.
pub(super) const UNITS: f64 = 100.0;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// An SVG under construction. Clones write to the same text, so that a handle can open groups between plotters' calls.
#[derive(Clone)]
pub(super) struct Svg {
    body: Rc<RefCell<String>>,
    size: (u32, u32),
    style: Rc<FigureStyle>,
}

impl Svg {
    /// An empty page of a size in points.
    pub fn new(width: f64, height: f64, style: FigureStyle) -> Self {
        let units = |pt: f64| (pt * UNITS).round().max(1.0) as u32;
        Self {
            body: Rc::new(RefCell::new(String::with_capacity(1 << 16))),
            size: (units(width), units(height)),
            style: Rc::new(style),
        }
    }

    /// Begins a named group: what an editor lists as a layer.
    pub fn open_group(&self, id: &str) {
        // Writing to a String cannot fail; so below.
        let _ = writeln!(self.body.borrow_mut(), "<g id=\"{}\">", escape(id));
    }

    /// Ends the last group begun.
    pub fn close_group(&self) {
        self.body.borrow_mut().push_str("</g>\n");
    }

    /// The whole document, with its title and what a reader should know about it as XML elements.
    pub fn finish(&self, title: &str, description: &str) -> String {
        let (width, height) = (Pt(self.size.0 as i32), Pt(self.size.1 as i32));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n{}</svg>\n",
            escape(font::clean(&self.style.font)),
            escape(font::clean(title)),
            escape(font::clean(description)),
            self.body.borrow()
        )
    }

    fn put(&self, element: std::fmt::Arguments<'_>) {
        let mut body = self.body.borrow_mut();
        let _ = body.write_fmt(element);
        body.push('\n');
    }
}

/// Units as points, without trailing zeros.
#[derive(Clone, Copy)]
struct Pt(i32);

impl std::fmt::Display for Pt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, size) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (whole, rest) = (size / 100, size % 100);
        match (rest, rest % 10) {
            (0, _) => write!(f, "{sign}{whole}"),
            (_, 0) if whole == 0 => write!(f, "{sign}.{}", rest / 10),
            (_, 0) => write!(f, "{sign}{whole}.{}", rest / 10),
            _ if whole == 0 => write!(f, "{sign}.{rest:02}"),
            _ => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

/// The `d` of a path: a first point, then relative steps; steps on in one direction are joined.
fn path_data(points: impl IntoIterator<Item = BackendCoord>) -> Option<String> {
    let mut points = points.into_iter();
    let first = points.next()?;
    let mut steps: Vec<(i32, i32)> = Vec::new();
    let mut at = first;
    for next in points {
        let step = (next.0 - at.0, next.1 - at.1);
        at = next;
        match (steps.last_mut(), step) {
            (_, (0, 0)) => {}
            (Some((dx, 0)), (x, 0)) if (*dx > 0) == (x > 0) => *dx += x,
            (Some((0, dy)), (0, y)) if (*dy > 0) == (y > 0) => *dy += y,
            _ => steps.push(step),
        }
    }
    if steps.is_empty() {
        return None;
    }
    let mut data = format!("M{} {}", Pt(first.0), Pt(first.1));
    for (dx, dy) in steps {
        let _ = match (dx, dy) {
            (dx, 0) => write!(data, "h{}", Pt(dx)),
            (0, dy) => write!(data, "v{}", Pt(dy)),
            (dx, dy) if dy < 0 => write!(data, "l{}{}", Pt(dx), Pt(dy)),
            (dx, dy) => write!(data, "l{} {}", Pt(dx), Pt(dy)),
        };
    }
    Some(data)
}

/// A colour as attributes: `fill="#rrggbb"`, with an opacity where it is not solid.
fn paint(attribute: &str, colour: BackendColor) -> String {
    let (r, g, b) = colour.rgb;
    let opacity = if colour.alpha < 1.0 { format!(" {attribute}-opacity=\"{:.2}\"", colour.alpha) } else { String::new() };
    format!("{attribute}=\"#{r:02x}{g:02x}{b:02x}\"{opacity}")
}

fn stroke<S: BackendStyle>(style: &S, factor: f64) -> String {
    let width = (f64::from(style.stroke_width()) * factor).round() as i32;
    format!("fill=\"none\" {} stroke-width=\"{}\"", paint("stroke", style.color()), Pt(width))
}

impl DrawingBackend for Svg {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        self.put(format_args!("<rect x=\"{}\" y=\"{}\" width=\".01\" height=\".01\" {}/>", Pt(x), Pt(y), paint("fill", colour)));
        Ok(())
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        // The corners come in any order; a negative width is no valid SVG.
        let (x, y) = (a.0.min(b.0), a.1.min(b.1));
        let (width, height) = (a.0.abs_diff(b.0) as i32, a.1.abs_diff(b.1) as i32);
        let look = if fill { paint("fill", style.color()) } else { stroke(style, self.style.line_width) };
        if !fill || (width > 0 && height > 0) {
            let (x, y, width, height) = (Pt(x), Pt(y), Pt(width), Pt(height));
            self.put(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {look}/>"));
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        if let Some(data) = path_data(path) {
            self.put(format_args!("<path d=\"{data}\" {}/>", stroke(style, self.style.line_width)));
        }
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, (x, y): BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let look = if fill { paint("fill", style.color()) } else { stroke(style, self.style.line_width) };
        self.put(format_args!("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {look}/>", Pt(x), Pt(y), Pt(radius as i32)));
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, points: I, style: &S) -> Drawn {
        if let Some(data) = path_data(points) {
            self.put(format_args!("<path d=\"{data}z\" {}/>", paint("fill", style.color())));
        }
        Ok(())
    }

    /// The size of a style is its em in units. (plotters' SVG writes it divided by 1.24, for it takes a size as the height of
    /// a line; here nothing is divided.)
    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, (x, y): BackendCoord) -> Drawn {
        let text = font::clean(text);
        if text.trim().is_empty() {
            return Ok(());
        }
        let em = style.size() / self.style.font_width;
        let anchor = style.anchor();
        // Folded into y: editors disagree about dy and dominant-baseline. Capitals are 0.72 em high.
        let down = match anchor.v_pos {
            VPos::Top => 0.72 * em,
            VPos::Center => 0.36 * em,
            VPos::Bottom => 0.0,
        };
        let along = match anchor.h_pos {
            HPos::Left => "",
            HPos::Center => " text-anchor=\"middle\"",
            HPos::Right => " text-anchor=\"end\"",
        };
        let face = match style.style() {
            FontStyle::Normal => "",
            FontStyle::Bold => " font-weight=\"bold\"",
            FontStyle::Italic | FontStyle::Oblique => " font-style=\"italic\"",
        };
        let turn = match style.transform() {
            FontTransform::None => None,
            FontTransform::Rotate90 => Some(90),
            FontTransform::Rotate180 => Some(180),
            FontTransform::Rotate270 => Some(270),
        };
        let turn = turn.map(|angle| format!(" transform=\"rotate({angle} {} {})\"", Pt(x), Pt(y))).unwrap_or_default();
        let y = Pt((f64::from(y) + down).round() as i32);
        let (x, size, colour) = (Pt(x), Pt(em.round() as i32), paint("fill", style.color()));
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" {colour}{along}{face}{turn}>{}</text>",
            escape(text.as_ref())
        ));
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(&self, text: &str, style: &T) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let is_bold = matches!(style.style(), FontStyle::Bold);
        Ok((font::width(text, style.size(), is_bold).ceil() as u32, style.size().ceil() as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_two_decimals_and_no_more_characters_than_they_need() {
        let text: Vec<String> = [0, 5, 50, -7, 100, 1_230, 1_234, -100].iter().map(|&u| Pt(u).to_string()).collect();
        assert_eq!(text, ["0", ".05", ".5", "-.07", "1", "12.3", "12.34", "-1"]);
    }

    #[test]
    fn steps_in_one_direction_are_one_step() {
        let data = path_data([(0, 0), (50, 0), (50, 0), (100, 0), (100, -250), (90, -250), (190, -250), (200, -240)]);
        assert_eq!(data.unwrap(), "M0 0h1v-2.5h-.1h1l.1 .1");
        assert_eq!(path_data([(5, 5), (5, 5)]), None);
        assert_eq!(path_data([]), None);
    }

    #[test]
    fn text_of_any_kind_is_escaped_and_cleaned() {
        use plotters::prelude::*;
        let svg = Svg::new(100.0, 50.0, FigureStyle::default());
        let area = svg.clone().into_drawing_area();
        let style = TextStyle::from(("sans-serif", 700)).color(&RGBColor(1, 2, 3));
        area.draw(&Text::new("<g id=\"x\">&amp;\u{1b}[31m\u{0}\u{fffe}'", (100, 200), style)).unwrap();
        svg.open_group("a\"<b>");
        svg.close_group();
        let document = svg.finish("T<\u{7}", "--> ]]>");
        assert!(document.contains("&lt;g id=&quot;x&quot;&gt;&amp;amp;[31m&apos;</text>"), "{document}");
        assert!(document.contains("font-size=\"7\" fill=\"#010203\""), "{document}");
        assert!(document.contains("<title>T&lt;</title>"), "{document}");
        assert!(document.contains("width=\"100pt\" height=\"50pt\" viewBox=\"0 0 100 50\""), "{document}");
    }

    #[test]
    fn rectangles_are_never_negative() {
        use plotters::prelude::*;
        let svg = Svg::new(10.0, 10.0, FigureStyle::default());
        svg.clone().into_drawing_area().draw(&Rectangle::new([(900, 800), (100, 200)], BLACK.filled())).unwrap();
        let body = svg.finish("", "");
        assert!(body.contains("<rect x=\"1\" y=\"2\" width=\"8\" height=\"6\" fill=\"#000000\"/>"), "{body}");
    }
}
