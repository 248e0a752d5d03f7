//! The page: panels one below another and side by side, what they share, and what made them.

use super::band::{self, Bands};
use super::header::{self, Line};
use super::page::{Drawn, Frame, Page};
use super::sheet::{MARGIN, Sheet, most_columns, page_width};
use super::{FigureError, FigureOptions, Provenance, WIDTHS_MM, font, highlight, rows, ruler};
use crate::scene::Scene;
use plotters::style::text_anchor::HPos;

/// Footer text.
const FOOT: f64 = 5.0;
const FOOT_LINE: f64 = 6.4;
/// Between the ruler of panels and the header of those below.
const TIER_GAP: f64 = 12.0;
/// Room of the lines that lead from a box to the panel that shows it larger.
const WEDGE: f64 = 16.0;

/// How the panels of a figure stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panels {
    /// Rows of at most so many panels side by side.
    Grid(usize),
    /// The second shows a part of the first, which has a box around it.
    Zoom,
}

/// Panels side by side, with their places.
struct Tier<'a> {
    panels: Vec<(&'a Scene, Sheet)>,
    /// What ids of groups begin with, per panel.
    prefix: Vec<String>,
    headers: Vec<Vec<Line>>,
    bands: Bands<'a>,
    top: f64,
    /// Where guides stand: the strip of the TSS, the model's window and names of highlights.
    strip_y: f64,
}

impl Tier<'_> {
    fn bottom(&self) -> f64 {
        self.bands.bottom + ruler::HEIGHT
    }
}

/// Draws a scene. The same scene, provenance and options give the same bytes.
///
/// # Errors
/// Where the width leaves no room for labels, there is no row, or the region is empty.
pub fn draw(scene: &Scene, provenance: &Provenance, options: &FigureOptions) -> Result<String, FigureError> {
    draw_panels(std::slice::from_ref(scene), Panels::Grid(1), provenance, options)
}

/// Draws several scenes on one page.
///
/// # Errors
/// As [`draw`], and where so many panels have no room side by side.
pub fn draw_panels(
    scenes: &[Scene],
    panels: Panels,
    provenance: &Provenance,
    options: &FigureOptions,
) -> Result<String, FigureError> {
    if !WIDTHS_MM.contains(&options.width_mm) {
        return Err(FigureError::Width(options.width_mm));
    }
    if let Some(scene) = scenes.iter().find(|s| s.region.is_empty() || s.n_columns == 0) {
        return Err(FigureError::EmptyRegion(scene.region.chrom.to_string()));
    }
    if scenes.is_empty() || scenes.iter().any(|s| s.rows.is_empty()) {
        return Err(FigureError::NoRows);
    }
    let columns = match panels {
        Panels::Grid(columns) => columns.clamp(1, scenes.len()),
        Panels::Zoom => 1,
    };
    if columns > most_columns(options) {
        return Err(FigureError::Columns { asked: columns, most: most_columns(options), width_mm: options.width_mm });
    }
    let tiers = lay_out(scenes, columns, panels == Panels::Zoom, options);
    let bottom = tiers.last().map_or(MARGIN, Tier::bottom);

    let width = page_width(options);
    let made_by = header::made_by(&scenes[0], provenance);
    let footer: Vec<String> = match options.is_bare {
        true => Vec::new(),
        false => made_by.iter().flat_map(|text| font::wrap(&font::clean(text), width - 2.0 * MARGIN, FOOT, false)).collect(),
    };
    let foot = if footer.is_empty() { 0.0 } else { 8.0 + FOOT_LINE * footer.len() as f64 };
    let height = bottom + foot + MARGIN;

    let page = Page::new(width, height, &options.theme);
    let background = page.colour("background");
    // Paper is white by itself; a white rectangle would be the first thing an editor deletes.
    if background != crate::theme::Rgb(255, 255, 255) {
        page.rect(Frame { x: 0.0, y: 0.0, width, height }, background)?;
    }
    for (i, tier) in tiers.iter().enumerate() {
        draw_tier(&page, tier, provenance, options)?;
        if let (Panels::Zoom, Some(next)) = (panels, tiers.get(i + 1)) {
            page.group("zoom", || draw_wedge(&page, tier, next))?;
        }
    }
    if !footer.is_empty() {
        page.group("footer", || {
            let ink = page.ink(FOOT, "dim");
            footer
                .iter()
                .enumerate()
                .try_for_each(|(i, line)| page.text((MARGIN, bottom + 8.0 + FOOT_LINE * (i as f64 + 0.5)), line, ink, HPos::Left))
        })?;
    }
    let name = |scene: &Scene| [scene.header.gene.as_str(), scene.header.locus.as_str()].join(" ").trim().to_owned();
    let title = scenes.iter().map(name).collect::<Vec<_>>().join("; ");
    Ok(page.finish(&title, &made_by.join(" \u{b7} ")))
}

fn lay_out<'a>(scenes: &'a [Scene], columns: usize, is_zoom: bool, options: &FigureOptions) -> Vec<Tier<'a>> {
    let mut top = MARGIN;
    let mut tiers: Vec<Tier<'a>> = Vec::new();
    for (t, scenes_of_tier) in scenes.chunks(columns).enumerate() {
        let panels: Vec<(&Scene, Sheet)> =
            scenes_of_tier.iter().enumerate().map(|(i, scene)| (scene, Sheet::column(options, i, columns))).collect();
        let number = |i: usize| t * columns + i;
        let prefix: Vec<String> = (0..panels.len())
            .map(|i| if scenes.len() == 1 { String::new() } else { format!("panel-{}-", number(i) + 1) })
            .collect();
        let headers: Vec<Vec<Line>> = panels
            .iter()
            .enumerate()
            .map(|(i, (scene, sheet))| {
                let letter = options.letter.map(|first| following(first, number(i)));
                match is_zoom && t > 0 {
                    true => header::lines_of_part(&scene.header, sheet, letter, options),
                    false => header::lines(&scene.header, sheet, letter, options),
                }
            })
            .collect();
        let header = headers.iter().map(|lines| lines.iter().map(Line::height).sum::<f64>()).fold(0.0, f64::max);
        let strip = panels.iter().map(|(scene, _)| ruler::strip_height(scene)).fold(0.0, f64::max);
        let names = panels.iter().map(|(scene, _)| highlight::height(scene, options)).fold(0.0, f64::max);
        let strip_y = top + header + 5.0 + names + strip;
        let bands = band::lay_out(&panels, &prefix, strip_y);
        let tier = Tier { panels, prefix, headers, bands, top, strip_y };
        top = tier.bottom() + if is_zoom { WEDGE } else { TIER_GAP };
        tiers.push(tier);
    }
    tiers
}

/// The letter `n` after the first: B after A; past Z there is none, and the last one stays.
fn following(first: char, n: usize) -> char {
    let last = if first.is_ascii_lowercase() { b'z' } else { b'Z' };
    let code = u8::try_from(first).unwrap_or(b'A');
    char::from(code.saturating_add(n.min(25) as u8).min(last.max(code)))
}

fn draw_tier(page: &Page<'_>, tier: &Tier<'_>, provenance: &Provenance, options: &FigureOptions) -> Drawn {
    let rows_bottom = tier.bands.bottom;
    for (i, (scene, sheet)) in tier.panels.iter().enumerate() {
        let id = |name: &str| format!("{}{name}", tier.prefix[i]);
        page.group(&id("header"), || header::draw(page, &tier.headers[i], tier.top))?;
        if highlight::are_in_view(scene, options) {
            let strip = ruler::strip_height(scene);
            page.group(&id("highlights"), || highlight::draw(page, sheet, scene, options, tier.strip_y - strip, rows_bottom))?;
        }
        page.group(&id("guides"), || ruler::draw_guides(page, sheet, scene, tier.strip_y, rows_bottom))?;
        for band in &tier.bands.of_panel[i] {
            page.group(&band.id, || {
                page.group(&format!("{}-label", band.id), || band::draw_label(page, sheet, band))?;
                page.group(&format!("{}-plot", band.id), || rows::draw(page, sheet, scene, band))
            })?;
        }
        page.group(&id("ruler"), || ruler::draw(page, sheet, scene, provenance, rows_bottom))?;
    }
    for band in &tier.bands.names_only {
        page.group(&format!("{}{}-label", tier.prefix[0], band.id), || band::draw_label(page, &tier.panels[0].1, band))?;
    }
    Ok(())
}

/// The box around what the next panel shows, and the lines that lead there.
fn draw_wedge(page: &Page<'_>, tier: &Tier<'_>, next: &Tier<'_>) -> Drawn {
    let ((scene, sheet), (part, below)) = (&tier.panels[0], &next.panels[0]);
    let clamp = |position: u64| sheet.x(scene, position.clamp(scene.region.start, scene.region.end) as f64);
    let (from, to) = (clamp(part.region.start), clamp(part.region.end));
    let (from, to) = if to - from < 1.0 { ((from + to) / 2.0 - 0.5, (from + to) / 2.0 + 0.5) } else { (from, to) };
    let (top, foot) = (tier.strip_y, tier.bands.bottom);
    let colour = page.colour("dim");
    page.line(&[(from, top), (to, top), (to, foot), (from, foot), (from, top)], colour, 0.5)?;
    let y = tier.bottom();
    for (x, end) in [(from, below.plot_x), (to, below.plot_right())] {
        // Below the numbers of the ruler, or it would run through them.
        page.line(&[(x, foot), (x, foot + 3.5)], colour, 0.5)?;
        page.line(&[(x, y), (end, next.top + 3.0), (end, next.strip_y)], colour, 0.5)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_follow_each_other_and_end_at_z() {
        assert_eq!([following('A', 0), following('A', 2), following('x', 5), following('Y', 400)], ['A', 'C', 'z', 'Z']);
    }
}
