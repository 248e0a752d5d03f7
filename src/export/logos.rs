//! A page of sequence logos: what filters of a network, or motifs, look for.

use super::page::{Drawn, Frame, NAME, Page, SMALL, SMALL_LINE, TITLE};
use super::sheet::{MARGIN, page_width};
use super::{FigureError, FigureOptions, WIDTHS_MM, font, letters};
use crate::genome::BASES;
use plotters::style::text_anchor::HPos;

/// A logo: per position the share of each base (A, C, G, T) in a stack of the height of its information.
#[derive(Clone, Debug, PartialEq)]
pub struct Logo {
    /// Above it.
    pub name: String,
    /// Beside the name: from how many sites.
    pub note: String,
    /// Probability of A, C, G, T at each position.
    pub probabilities: Vec<[f64; 4]>,
}

/// Bits of a position of which nothing is left open.
const MOST_BITS: f64 = 2.0;
/// Height of a logo.
const HEIGHT: f64 = 36.0;
const ABOVE: f64 = 11.0;
const BELOW: f64 = 10.0;
const GAP: f64 = 14.0;
/// Room of the axis.
const LEFT: f64 = 14.0;
/// Narrowest logo.
const LEAST: f64 = 110.0;
/// Letters lower than this leave no mark.
const LEAST_LETTER: f64 = 0.05;

/// Draws a page of logos, as many side by side as have room. The same logos give the same bytes.
///
/// # Errors
/// Where there is none, or the width leaves no room.
pub fn draw_logos(title: &str, made_by: &[String], logos: &[Logo], options: &FigureOptions) -> Result<String, FigureError> {
    if !WIDTHS_MM.contains(&options.width_mm) {
        return Err(FigureError::Width(options.width_mm));
    }
    if logos.is_empty() {
        return Err(FigureError::NoRows);
    }
    let width = page_width(options);
    let room = width - 2.0 * MARGIN;
    let columns = (((room + GAP) / (LEAST + GAP)) as usize).clamp(1, logos.len());
    let pitch = (room + GAP) / columns as f64;
    let row = ABOVE + HEIGHT + BELOW + 6.0;
    let top = MARGIN + 1.6 * TITLE;
    let bottom = top + row * logos.len().div_ceil(columns) as f64;
    let lines: Vec<String> = match options.is_bare {
        true => Vec::new(),
        false => made_by.iter().flat_map(|text| font::wrap(&font::clean(text), room, SMALL, false)).collect(),
    };
    let page = Page::new(width, bottom + SMALL_LINE * lines.len() as f64 + MARGIN, &options.theme);
    let background = page.colour("background");
    if background != crate::theme::Rgb(255, 255, 255) {
        page.rect(Frame { x: 0.0, y: 0.0, width, height: bottom + SMALL_LINE * lines.len() as f64 + MARGIN }, background)?;
    }
    let shown = font::fit(title, room, TITLE, false).into_owned();
    page.group("title", || page.text((MARGIN, MARGIN + TITLE / 2.0), &shown, page.ink(TITLE, "text"), HPos::Left))?;
    for (i, logo) in logos.iter().enumerate() {
        let x = MARGIN + pitch * (i % columns) as f64 + LEFT;
        let y = top + row * (i / columns) as f64;
        let frame = Frame { x, y: y + ABOVE, width: pitch - GAP - LEFT, height: HEIGHT };
        page.group(&format!("logo-{}", i + 1), || draw(&page, logo, frame))?;
    }
    page.group("footer", || {
        lines.iter().enumerate().try_for_each(|(i, line)| {
            page.text((MARGIN, bottom + SMALL_LINE * (i as f64 + 0.5)), line, page.ink(SMALL, "dim"), HPos::Left)
        })
    })?;
    Ok(page.finish(title, &made_by.join(" \u{b7} ")))
}

fn draw(page: &Page<'_>, logo: &Logo, frame: Frame) -> Drawn {
    let (ink, dim) = (page.ink(NAME, "text"), page.ink(SMALL, "dim"));
    let name = font::clean(&logo.name);
    let name = font::fit(&name, frame.width, NAME, false);
    page.text((frame.x, frame.y - ABOVE / 2.0), &name, ink, HPos::Left)?;
    let at = frame.x + ink.width(&name) + 5.0;
    let note = font::clean(&logo.note);
    page.text((at, frame.y - ABOVE / 2.0), &font::fit(&note, frame.right() - at, SMALL, false), dim, HPos::Left)?;
    let axis = page.colour("text");
    page.line(&[(frame.x - 2.0, frame.y), (frame.x - 2.0, frame.bottom()), (frame.right(), frame.bottom())], axis, 0.5)?;
    for (bits, y) in [("2", frame.y), ("0", frame.bottom())] {
        page.text((frame.x - 4.0, y), bits, page.ink(SMALL, "text"), HPos::Right)?;
    }
    let n = logo.probabilities.len();
    let step = frame.width / n.max(1) as f64;
    for (i, stack) in logo.probabilities.iter().enumerate() {
        let x = frame.x + step * i as f64;
        let mut foot = frame.bottom();
        for (base, bits) in stacked(stack) {
            let height = bits / MOST_BITS * frame.height;
            if height < LEAST_LETTER {
                continue;
            }
            foot -= height;
            let letter = Frame { x, y: foot, width: 0.96 * step, height };
            let Some(outline) = letters::outline(base, (((step + height) * 1.2) as usize).clamp(6, 24)) else { continue };
            let place = |&(u, v): &(f64, f64)| (letter.x + u * letter.width, letter.bottom() - v * letter.height);
            page.polygon(&outline.iter().map(place).collect::<Vec<_>>(), page.colour(&format!("base.{}", base as char)))?;
        }
    }
    for (position, along) in [(1, HPos::Left), (n, HPos::Right)] {
        let x = if position == 1 { frame.x } else { frame.right() };
        page.text((x, frame.bottom() + BELOW / 2.0), &position.to_string(), page.ink(SMALL, "text"), along)?;
    }
    Ok(())
}

/// Bases of a position with their heights in bits, lowest first (Schneider and Stephens 1990, without the small-sample term).
fn stacked(probabilities: &[f64; 4]) -> Vec<(u8, f64)> {
    let entropy: f64 = probabilities.iter().filter(|p| **p > 0.0).map(|p| -p * p.log2()).sum();
    let information = (MOST_BITS - entropy).max(0.0);
    let mut letters: Vec<(u8, f64)> = BASES.iter().zip(probabilities).map(|(&base, p)| (base, p * information)).collect();
    letters.retain(|(_, bits)| bits.is_finite());
    letters.sort_by(|a, b| a.1.total_cmp(&b.1));
    letters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::Theme;

    #[test]
    fn stacks_are_as_high_as_their_information() {
        let bits = |p: [f64; 4]| stacked(&p).iter().map(|l| l.1).sum::<f64>();
        assert_eq!(bits([1.0, 0.0, 0.0, 0.0]), 2.0);
        assert_eq!(bits([0.5, 0.5, 0.0, 0.0]), 1.0);
        assert_eq!(bits([0.25; 4]), 0.0);
        assert_eq!(stacked(&[0.1, 0.2, 0.4, 0.3]).last().map(|l| l.0), Some(b'G'), "the commonest base stands on top");
        assert!(stacked(&[f64::NAN; 4]).is_empty());
    }

    #[test]
    fn a_page_holds_every_logo() {
        let options = FigureOptions::new(Theme::named("print").unwrap());
        let logo = |i: usize| Logo {
            name: format!("filter {i} <&\""),
            note: "1,234 sites".to_owned(),
            probabilities: (0..50).map(|k| if k % 7 == i % 7 { [0.9, 0.05, 0.03, 0.02] } else { [0.25; 4] }).collect(),
        };
        let logos: Vec<Logo> = (0..9).map(logo).collect();
        let svg = draw_logos("filters", &["made by a test".to_owned()], &logos, &options).unwrap();
        super::super::tests::assert_sound(&svg);
        assert_eq!(svg.matches("sites").count(), 9);
        assert!(matches!(draw_logos("none", &[], &[], &options), Err(FigureError::NoRows)));
        let narrow = FigureOptions { width_mm: 60.0, ..options };
        super::super::tests::assert_sound(&draw_logos("filters", &[], &logos, &narrow).unwrap());
    }
}
