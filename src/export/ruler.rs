//! Positions below the rows, the scale, and the guides of the TSS and the model's window above them.

use super::Provenance;
use super::page::{Drawn, Frame, NAME, Page, SMALL};
use super::sheet::{MARGIN, Sheet};
use crate::scene::Scene;
use plotters::style::text_anchor::HPos;

/// Height of the ruler with its scale.
pub(super) const HEIGHT: f64 = 26.0;
/// Height of the strip of guides.
const STRIP: f64 = 13.0;

/// What the strip above the rows takes.
pub(super) fn strip_height(scene: &Scene) -> f64 {
    if scene.ruler.tss.is_some() || window(scene).is_some() { STRIP } else { 0.0 }
}

/// The part of the model's window that is in view, and which of its ends are.
fn window(scene: &Scene) -> Option<((f64, bool), (f64, bool))> {
    let (start, end) = scene.ruler.window?;
    let (from, to) = (scene.region.start as f64, scene.region.end as f64);
    let (start, end) = (start as f64, end as f64);
    (start < to && from < end).then_some(((start.max(from), start >= from), (end.min(to), end <= to)))
}

/// The TSS as a bent arrow with a line through all rows, and the bracket of the model's window.
pub(super) fn draw_guides(page: &Page<'_>, sheet: &Sheet, scene: &Scene, foot: f64, rows_bottom: f64) -> Drawn {
    let dim = page.colour("dim");
    let mut is_taken = (f64::MAX, f64::MIN);
    if let Some((tss, reads_right)) = scene.ruler.tss {
        let colour = page.colour("gene.current");
        // The line stands on the base itself.
        let x = sheet.x(scene, tss as f64 + 0.5);
        let (top, sign) = (foot - 8.0, if reads_right { 1.0 } else { -1.0 });
        page.line(&[(x, foot), (x, rows_bottom)], dim.mix(page.colour("background"), 0.65), 0.4)?;
        // Genes of tables without positions have no known strand: no arrow then.
        if scene.header.locus.is_empty() {
            page.line(&[(x, foot), (x, top)], colour, 0.9)?;
        } else {
            page.line(&[(x, foot), (x, top), (x + sign * 7.0, top)], colour, 0.9)?;
            page.polygon(&[(x + sign * 10.5, top), (x + sign * 6.5, top - 2.0), (x + sign * 6.5, top + 2.0)], colour)?;
        }
        let ink = page.ink(SMALL, "gene.current");
        let width = ink.width("TSS");
        // On the side the arrow points to where there is room, else behind it.
        let ahead = x + sign * if scene.header.locus.is_empty() { 2.5 } else { 12.0 };
        let fits = if reads_right { ahead + width <= sheet.plot_right() } else { ahead - width >= sheet.plot_x };
        let (at, along) = match (fits, reads_right) {
            (true, true) => (ahead, HPos::Left),
            (true, false) => (ahead, HPos::Right),
            (false, true) => (x - 2.0, HPos::Right),
            (false, false) => (x + 2.0, HPos::Left),
        };
        page.text((at, top), "TSS", ink, along)?;
        is_taken = (x - 14.0 - width, x + 14.0 + width);
    }
    let Some(((start, is_start), (end, is_end))) = window(scene) else { return Ok(()) };
    let (from, to) = (sheet.x(scene, start), sheet.x(scene, end));
    page.line(&[(from, foot), (to, foot)], dim, 0.5)?;
    for (x, is_end) in [(from, is_start), (to, is_end)] {
        if is_end {
            page.line(&[(x, foot - 2.0), (x, foot + 2.0)], dim, 0.5)?;
        }
    }
    let text = "window the model reads";
    let ink = page.ink(SMALL, "dim");
    let width = ink.width(text);
    let places = [from + 2.0, to - 2.0 - width];
    let free = |x: &f64| *x >= from && x + width <= to && (x + width < is_taken.0 || *x > is_taken.1);
    match places.into_iter().find(free) {
        Some(x) => page.text((x, foot - 4.5), text, ink, HPos::Left),
        None => Ok(()),
    }
}

/// The axis of positions below the rows.
pub(super) fn draw(page: &Page<'_>, sheet: &Sheet, scene: &Scene, provenance: &Provenance, top: f64) -> Drawn {
    let (text, small) = (page.ink(NAME, "text"), page.ink(SMALL, "text"));
    let colour = page.colour("text");
    let room = sheet.plot_x - sheet.x - 14.0;
    // Panels side by side may show different chromosomes: their headers name them.
    let is_alone = sheet.has_scales;
    let name = crate::tracks::clean_text(&scene.ruler.label).into_owned();
    if sheet.has_names && is_alone {
        page.text((sheet.x + MARGIN, top + 1.0), &super::font::fit(&name, room, NAME, false), text, HPos::Left)?;
    }
    let unit = match provenance.assembly.as_str() {
        "" => "bp".to_owned(),
        assembly => format!("bp, {}", super::font::clean(assembly)),
    };
    if sheet.has_names {
        page.text(
            (sheet.x + MARGIN, top + 8.6),
            &super::font::fit(&unit, room, SMALL, false),
            page.ink(SMALL, "dim"),
            HPos::Left,
        )?;
    }
    page.line(&[(sheet.plot_x, top), (sheet.plot_right(), top)], colour, 0.6)?;

    // A tick stands at the middle of its base.
    let x = |position: f64| sheet.x(scene, position + 0.5);
    let ticks = &scene.ruler.ticks;
    let mut free_from = sheet.x + 2.0;
    for tick in ticks {
        let at = x(tick.position as f64);
        page.line(&[(at, top), (at, top + 3.5)], colour, 0.6)?;
        let label = super::font::clean(&tick.label);
        let half = small.width(&label) / 2.0;
        let centre = at.min(sheet.right() - 2.0 - half);
        if centre - half >= free_from {
            page.text((centre, top + 7.5), &label, small, HPos::Center)?;
            free_from = centre + half + 4.0;
        }
    }
    for at in minor_ticks(ticks.iter().map(|t| t.position), scene).into_iter().map(x) {
        page.line(&[(at, top), (at, top + 2.0)], colour, 0.4)?;
    }

    let (bases, label) = scale(scene.region.len());
    let length = bases as f64 / scene.region.len() as f64 * sheet.plot_width;
    let right = sheet.plot_right();
    page.rect(Frame { x: right - length, y: top + 17.5, width: length, height: 1.2 }, colour)?;
    page.text((right - length - 3.0, top + 18.1), &label, small, HPos::Right)
}

/// Positions between labelled ticks, where there is room for them.
fn minor_ticks(mut ticks: impl Iterator<Item = u64>, scene: &Scene) -> Vec<f64> {
    let (Some(first), Some(second)) = (ticks.next(), ticks.next()) else { return Vec::new() };
    let step = second.saturating_sub(first) as f64 / 5.0;
    if step.fract() != 0.0 || step < 1.0 {
        return Vec::new();
    }
    let (start, end) = (scene.region.start as f64, scene.region.end as f64);
    let before = ((first as f64 - start) / step).floor() as u64;
    let from = first as f64 - before as f64 * step;
    let n = ((end - from) / step).ceil().max(0.0) as u64;
    let is_major = |i: u64| (i + 5 * before.div_ceil(5) - before).is_multiple_of(5);
    (0..n).filter(|&i| !is_major(i)).map(|i| from + i as f64 * step).filter(|&p| p + 0.5 < end).collect()
}

/// A round number of bases of at most a fifth of `span`, and its label.
fn scale(span: u64) -> (u64, String) {
    let most = (span / 5).max(1);
    let mut unit = 1;
    while unit <= most / 10 {
        unit *= 10;
    }
    let bases = [5, 2, 1].into_iter().map(|f| f * unit).find(|&b| b <= most).unwrap_or(1);
    let label = match bases {
        b if b >= 1_000_000 => format!("{} Mb", b / 1_000_000),
        b if b >= 1_000 => format!("{} kb", b / 1_000),
        b => format!("{b} bp"),
    };
    (bases, label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_a_fifth_at_most() {
        assert_eq!(scale(10_000), (2_000, "2 kb".to_owned()));
        assert_eq!(scale(60), (10, "10 bp".to_owned()));
        assert_eq!(scale(3), (1, "1 bp".to_owned()));
        assert_eq!(scale(248_000_000), (20_000_000, "20 Mb".to_owned()));
        for span in [5, 49, 50, 51, 305, 999, 1_001, 123_456] {
            let (bases, _) = scale(span);
            assert!(bases * 5 <= span && bases * 15 >= span, "{span}: {bases}");
        }
    }
}
