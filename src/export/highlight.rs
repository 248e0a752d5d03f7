//! Stretches of the genome that a figure points out: a pale band behind the rows, with a name above it.

use super::page::{Drawn, Frame, Page, SMALL, SMALL_LINE};
use super::sheet::Sheet;
use super::{FigureOptions, font};
use crate::genome::Region;
use crate::scene::Scene;
use plotters::style::text_anchor::HPos;

/// A stretch that is pointed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Highlight {
    /// Where.
    pub region: Region,
    /// Its name; may be empty.
    pub name: String,
}

/// Narrowest band that is seen.
const LEAST: f64 = 1.2;

fn in_view<'a>(scene: &'a Scene, options: &'a FigureOptions) -> impl Iterator<Item = &'a Highlight> {
    options.highlights.iter().filter(|h| h.region.overlaps(&scene.region))
}

/// Whether a scene shows any.
pub(super) fn are_in_view(scene: &Scene, options: &FigureOptions) -> bool {
    in_view(scene, options).next().is_some()
}

/// Room of their names above a scene.
pub(super) fn height(scene: &Scene, options: &FigureOptions) -> f64 {
    if in_view(scene, options).any(|h| !h.name.trim().is_empty()) { SMALL_LINE + 1.0 } else { 0.0 }
}

/// Draws those in view from `top` to `bottom`, their names above. A name that has no room beside the one before it is left out.
pub(super) fn draw(page: &Page<'_>, sheet: &Sheet, scene: &Scene, options: &FigureOptions, top: f64, bottom: f64) -> Drawn {
    let mut bands: Vec<(f64, f64, &str)> = in_view(scene, options)
        .map(|h| {
            let clamp = |p: u64| sheet.x(scene, p.clamp(scene.region.start, scene.region.end) as f64);
            let (from, to) = (clamp(h.region.start), clamp(h.region.end));
            let width = (to - from).max(LEAST);
            (from.min(sheet.plot_right() - width), width, h.name.as_str())
        })
        .collect();
    bands.sort_by(|a, b| a.0.total_cmp(&b.0));
    for &(x, width, _) in &bands {
        page.rect(Frame { x, width, y: top, height: bottom - top }, page.colour("highlight"))?;
    }
    let ink = page.ink(SMALL, "text");
    let mut free_from = sheet.plot_x;
    for (x, width, name) in bands {
        let name = font::clean(name);
        let name = font::fit(name.trim(), sheet.plot_width, SMALL, false);
        let wide = ink.width(&name);
        let at = (x + (width - wide) / 2.0).min(sheet.plot_right() - wide).max(sheet.plot_x);
        if at >= free_from && !name.is_empty() {
            page.text((at, top - SMALL_LINE / 2.0 - 0.5), &name, ink, HPos::Left)?;
            free_from = at + wide + 3.0;
        }
    }
    Ok(())
}
