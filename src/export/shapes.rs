//! Genes and intervals on the page, with their names.

use super::font;
use super::page::{CHAR_PT, Drawn, Frame, Ink, NAME_IN_PLOT};
use super::rows::Brush;
use crate::genome::Strand;
use crate::scene::{GeneShape, IntervalShape};
use crate::theme::Rgb;
use plotters::style::text_anchor::HPos;

/// Narrowest gene that is drawn with its exons.
const LEAST_GENE: f64 = 3.0;
/// Smallest text a name is shrunk to before it is cut.
const LEAST_NAME: f64 = 5.0;

impl Brush<'_> {
    pub fn gene(&self, gene: &GeneShape, lane: Frame) -> Drawn {
        let colour = self.colour(if gene.is_current { "gene.current" } else { "gene" });
        let colour = if gene.is_current { colour } else { self.pale(colour, 0.25) };
        let Some((from, width)) = self.span(gene.start, gene.end) else { return Ok(()) };
        let y = lane.middle();
        if width < LEAST_GENE {
            self.page.rect(Frame { x: from, width, y: y - 3.5, height: 7.0 }, colour)?;
            return self.name(&gene.name, gene.label, (from, width), y, colour, gene.is_current);
        }
        self.page.line(&[(from, y), (from + width, y)], colour, 0.6)?;
        let exons = joined(gene.exons.iter().filter_map(|&(a, b)| self.span(a, b)));
        let (inside, outside) = chevrons((from, width), &exons);
        let chevron = |x: f64, colour: Rgb| {
            let (size, tip) = (1.7, if gene.strand == Strand::Forward { 0.85 } else { -0.85 });
            self.page.line(&[(x - tip, y - size), (x + tip, y), (x - tip, y + size)], colour, 0.6)
        };
        outside.iter().try_for_each(|&x| chevron(x, colour))?;
        let bar = |(x, width): (f64, f64), height: f64| Frame { x, width, y: y - height / 2.0, height };
        for &exon in &exons {
            self.page.rect(bar(exon, 3.6), colour)?;
        }
        if let Some((cds_from, cds_to)) = gene.cds {
            let coding = gene.exons.iter().map(|&(a, b)| (a.max(cds_from), b.min(cds_to))).filter(|(a, b)| a < b);
            for span in joined(coding.filter_map(|(a, b)| self.span(a, b))) {
                self.page.rect(bar(span, 7.0), colour)?;
            }
        }
        if outside.is_empty() {
            inside.iter().try_for_each(|&x| chevron(x, self.page.colour("background")))?;
        }
        self.name(&gene.name, gene.label, (from, width), y, colour, gene.is_current)
    }

    pub fn interval(&self, interval: &IntervalShape, lane: Frame, role: &str) -> Drawn {
        let colour = self.colour(role);
        let colour = if interval.is_current { colour } else { self.pale(colour, 0.2) };
        let colour = interval.colour.unwrap_or(colour);
        let Some((x, width)) = self.span(interval.start, interval.end) else { return Ok(()) };
        if interval.parts.is_empty() {
            self.page.rect(Frame { x, width, y: lane.middle() - 2.8, height: 5.6 }, colour)?;
        } else {
            self.page.line(&[(x, lane.middle()), (x + width, lane.middle())], colour, 0.8)?;
            for (x, width) in interval.parts.iter().filter_map(|&(start, end)| self.span(start, end)) {
                self.page.rect(Frame { x, width, y: lane.middle() - 2.8, height: 5.6 }, colour)?;
            }
        }
        let ink = self.colour(if interval.is_current { "text" } else { "dim" });
        self.name(&interval.name, interval.label, (x, width), lane.middle(), ink, interval.is_current)
    }

    /// A name at the place its scene reserved for it, shrunk or cut to that place; on the body, where there is no other, it has a
    /// ground of its own.
    fn name(&self, name: &str, place: Option<f64>, (body, width): (f64, f64), y: f64, colour: Rgb, is_bold: bool) -> Drawn {
        let Some(column) = place else { return Ok(()) };
        let reserved = CHAR_PT * name.chars().count() as f64;
        let x = self.plot.x + column * self.column_width();
        // The scene keeps a character free on both sides; wide letters may use part of it.
        let (x, along, to_edge) = match x < body {
            true => (x + reserved + 0.4 * CHAR_PT, HPos::Right, x + reserved + 0.4 * CHAR_PT - self.plot.x),
            false => (x - 0.4 * CHAR_PT, HPos::Left, self.sheet.right() - 4.0 - x),
        };
        let room = (reserved + 0.75 * CHAR_PT).min(to_edge);
        let name = font::clean(name);
        let natural = font::width(&name, NAME_IN_PLOT, is_bold);
        let size = (NAME_IN_PLOT * (room / natural).min(1.0)).max(LEAST_NAME);
        let ink = Ink { size, is_bold, colour };
        let drawn = natural.min(room);
        let left = if matches!(along, HPos::Right) { x - drawn } else { x };
        if left + drawn > body + CHAR_PT && left < body + width - CHAR_PT {
            let ground = Frame { x: left - 1.0, width: drawn + 2.0, y: y - 0.5 * size, height: size };
            self.page.rect(ground, self.page.colour("background"))?;
        }
        self.page.text((x, y), &font::fit(&name, room, size, is_bold), ink, along)
    }
}

/// Spans (left edge, width) in order, those that touch on paper joined.
fn joined(spans: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    const TOUCH: f64 = 0.15;
    let mut spans: Vec<(f64, f64)> = spans.collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64)> = Vec::with_capacity(spans.len());
    for (x, width) in spans {
        match joined.last_mut() {
            Some(last) if x <= last.0 + last.1 + TOUCH => last.1 = last.1.max(x + width - last.0),
            _ => joined.push((x, width)),
        }
    }
    joined
}

/// Where arrow heads stand along a gene: inside exons, and clear of them.
fn chevrons((from, width): (f64, f64), exons: &[(f64, f64)]) -> (Vec<f64>, Vec<f64>) {
    const PITCH: f64 = 13.0;
    const CLEAR: f64 = 2.5;
    let n = (width / PITCH).round().max(1.0) as usize;
    let places = (0..n).map(|i| from + width * (i as f64 + 0.5) / n as f64);
    let places: Vec<f64> = places.filter(|x| x - CLEAR >= from && x + CLEAR <= from + width).collect();
    let is_inside = |x: &f64| exons.iter().any(|&(a, w)| a + CLEAR <= *x && *x <= a + w - CLEAR);
    let is_clear = |x: &f64| exons.iter().all(|&(a, w)| x + CLEAR <= a || a + w <= x - CLEAR);
    (places.iter().copied().filter(is_inside).collect(), places.into_iter().filter(is_clear).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exons_that_touch_on_paper_are_one_bar() {
        let spans = [(5.0, 1.0), (1.0, 2.0), (3.1, 0.5), (1.5, 0.2)];
        let joined = joined(spans.into_iter());
        assert_eq!(joined.len(), 2);
        assert!(joined[0].0 == 1.0 && (joined[0].1 - 2.6).abs() < 1e-9 && joined[1] == (5.0, 1.0), "{joined:?}");
    }
}
