//! Rows: each kind of plot on the page.

use super::axis::{LANE_GAP, shade};
use super::band::Band;
use super::letters;
use super::page::{Drawn, Frame, Page, SMALL, SMALL_LINE};
use super::sheet::Sheet;
use crate::scene::{CodonLane, Lane, Plot, Row, Scene};
use crate::state::{RowState, RowView, SignalStyle};
use crate::theme::Rgb;
use crate::tracks::Column;
use plotters::style::text_anchor::HPos;

/// Between rows: the highest label of one axis and the lowest of the one above stick out by half their height.
pub(super) const GAP: f64 = 8.5;
/// Narrowest exon or interval that is seen.
const LEAST: f64 = 0.6;
/// Steps of a colour ramp: neighbours of the same step are one rectangle.
const SHADES: f32 = 32.0;
/// Columns narrower than this show bases as colours, wider ones as letters.
const LEAST_LETTER: f64 = 1.6;
/// Height of a row's plot.
pub(super) fn height(row: &Row) -> f64 {
    let lanes = |n: usize, pitch: f64| pitch * n.max(1) as f64;
    let stretched = |pt: f64| (pt + 6.0 * f64::from(row.extra_lines)).max(14.0);
    match &row.plot {
        Plot::Signal(..) if row.view.style == SignalStyle::Heatmap => (8.5 + 6.0 * f64::from(row.extra_lines)).max(8.5),
        Plot::Message(_) | Plot::Note(_) => 10.0,
        Plot::Genes(genes) => lanes(genes.len(), 11.0),
        Plot::Intervals(intervals, _) => lanes(intervals.len(), 9.0),
        Plot::Signal(..) => stretched(27.0),
        Plot::Signed(of, _) if of.len() > 1 => of.len() as f64 * (14.0 + f64::from(row.extra_lines)).max(8.0),
        Plot::Signed(..) => stretched(32.0),
        Plot::Heat(of, _) if of.len() > 1 => lanes(of.len(), 8.5),
        Plot::Heat(..) => 11.0,
        Plot::Bases(_) => 8.0,
        Plot::Codons(of) => lanes(of.len(), 7.0),
        Plot::Letters(..) => stretched(44.0),
    }
}

/// Draws what a row shows.
pub(super) fn draw(page: &Page<'_>, sheet: &Sheet, scene: &Scene, band: &Band<'_>) -> Drawn {
    let row = band.row;
    let brush = Brush { page, sheet, scene, plot: band.plot, is_stale: row.state == Some(RowState::Stale) };
    if !band.message.is_empty() {
        return brush.message(row, &band.message);
    }
    match &row.plot {
        Plot::Message(_) | Plot::Note(_) => Ok(()),
        Plot::Genes(lanes) => brush.lanes(lanes, |gene, frame| brush.gene(gene, frame)),
        Plot::Intervals(lanes, role) => brush.lanes(lanes, |interval, frame| brush.interval(interval, frame, role)),
        Plot::Signal(columns, role) => brush.signal(row, columns, role),
        Plot::Signed(lanes, limit) => brush.signed(lanes, *limit),
        Plot::Heat(lanes, limit) => brush.heat(lanes, *limit),
        Plot::Bases(bases) => brush.bases(bases),
        Plot::Codons(lanes) => brush.codons(lanes),
        Plot::Letters(bases, values, limit) => brush.letters(bases, values, *limit),
    }
}

/// What a row is painted with.
pub(super) struct Brush<'a> {
    pub page: &'a Page<'a>,
    pub sheet: &'a Sheet,
    pub scene: &'a Scene,
    pub plot: Frame,
    pub is_stale: bool,
}

impl Brush<'_> {
    pub fn colour(&self, role: &str) -> Rgb {
        let colour = self.page.colour(role);
        if self.is_stale { self.page.theme.dimmed(colour) } else { colour }
    }

    pub fn pale(&self, colour: Rgb, share: f32) -> Rgb {
        colour.mix(self.page.colour("background"), share)
    }

    fn n_columns(&self) -> f64 {
        self.scene.n_columns.max(1) as f64
    }

    pub fn column_width(&self) -> f64 {
        self.plot.width / self.n_columns()
    }

    fn message(&self, row: &Row, lines: &[String]) -> Drawn {
        let is_harmless = !matches!(row.state, Some(RowState::Failed(_)))
            && (row.state.is_some() || !matches!(&row.plot, Plot::Message(text) if text != "reading"));
        let ink = self.page.ink(SMALL, if is_harmless { "dim" } else { "error" });
        for (i, line) in lines.iter().enumerate() {
            let y = self.plot.y + 1.5 + SMALL_LINE * (i as f64 + 0.5);
            self.page.text((self.plot.x, y), line, ink, HPos::Left)?;
        }
        Ok(())
    }

    fn lanes<T>(&self, lanes: &[Vec<T>], mut draw: impl FnMut(&T, Frame) -> Drawn) -> Drawn {
        for (i, lane) in lanes.iter().enumerate() {
            let frame = self.plot.lane(i, lanes.len(), 0.0);
            lane.iter().try_for_each(|shape| draw(shape, frame))?;
        }
        Ok(())
    }

    /// The part of `start..end` in view as left edge and width on the page, at least [`LEAST`] wide.
    pub fn span(&self, start: u64, end: u64) -> Option<(f64, f64)> {
        let region = &self.scene.region;
        if end <= region.start || region.end <= start {
            return None;
        }
        let clamp = |position: u64| self.sheet.x(self.scene, position.clamp(region.start, region.end) as f64);
        let (from, to) = (clamp(start), clamp(end));
        let width = (to - from).max(LEAST);
        Some((from.min(self.plot.right() - width), width))
    }

    /// A signal in its style, nothing where nothing was measured; other rows' signals over it.
    fn signal(&self, row: &Row, columns: &[Column], role: &str) -> Drawn {
        let (lo, hi) = row.axis.map_or((0.0, 1.0), |(lo, hi)| (row.view.place(lo), row.view.place(hi)));
        if !(lo.is_finite() && hi.is_finite() && lo < hi) {
            return Ok(());
        }
        match row.view.style {
            SignalStyle::Whiskers => self.whiskers(columns, role, &row.view, (lo, hi))?,
            SignalStyle::Heatmap => self.shades(columns, role, &row.view, (lo, hi))?,
            SignalStyle::Bars | SignalStyle::Line | SignalStyle::Points => {
                self.steps(columns, role, &row.view, row.view.style, (lo, hi))?
            }
        }
        row.overlays.iter().try_for_each(|over| self.steps(&over.columns, &over.role, &row.view, SignalStyle::Line, (lo, hi)))
    }

    /// One value a column: filled from zero, as a line of steps, or as level strokes.
    fn steps(&self, columns: &[Column], role: &str, view: &RowView, style: SignalStyle, (lo, hi): (f32, f32)) -> Drawn {
        let plane = self.page.plane(self.plot, 0.0..self.n_columns(), f64::from(lo)..f64::from(hi));
        let clamp = |v: f32| f64::from(v.clamp(lo, hi));
        let (foot, colour) = (clamp(0.0), self.colour(role));
        let value = |c: &Column| (!c.is_missing()).then(|| view.place(view.value(c))).filter(|v| v.is_finite()).map(clamp);
        for (start, run) in runs(columns.iter().map(value)) {
            match style {
                SignalStyle::Points => {
                    for (i, y) in run.iter().enumerate() {
                        plane.line(vec![((start + i) as f64, *y), ((start + i + 1) as f64, *y)], colour, 0.9)?;
                    }
                }
                SignalStyle::Line => {
                    let step = |(i, y): (usize, &f64)| [((start + i) as f64, *y), ((start + i + 1) as f64, *y)];
                    plane.line(run.iter().enumerate().flat_map(step).collect(), colour, 0.7)?;
                }
                _ => {
                    plane.polygon(between(start, run.iter().copied(), run.iter().map(|_| foot)), colour)?;
                    plane.line(vec![(start as f64, foot), ((start + run.len()) as f64, foot)], colour, 0.4)?;
                }
            }
        }
        Ok(())
    }

    /// A shade a column: of the row's colour above zero, of what lowers below it.
    fn shades(&self, columns: &[Column], role: &str, view: &RowView, (lo, hi): (f32, f32)) -> Drawn {
        let ground = self.page.colour("background");
        let step = |c: &Column| {
            let value = view.place(view.value(c));
            let foot = lo.max(0.0);
            let reach = if value < 0.0 { -lo } else { hi - foot };
            let share = if reach > 0.0 { ((value.abs() - foot) / reach).clamp(0.0, 1.0) } else { 0.0 };
            (!c.is_missing() && value.is_finite()).then_some((value < 0.0, (share * SHADES).round() as u8))
        };
        for (start, end, (is_negative, step)) in equal_runs(columns.iter().map(step)) {
            let x = self.plot.x + start as f64 * self.column_width();
            let right = (self.plot.x + end as f64 * self.column_width() + 0.15).min(self.plot.right());
            let colour = self.colour(if is_negative { "negative" } else { role });
            let shade = ground.mix(colour, 0.07 + 0.93 * f32::from(step) / SHADES);
            self.page.rect(Frame { x, width: right - x, ..self.plot }, shade)?;
        }
        Ok(())
    }

    /// Filled to the mean, with lowest and highest value as a pale silhouette behind.
    fn whiskers(&self, columns: &[Column], role: &str, view: &RowView, (lo, hi): (f32, f32)) -> Drawn {
        let plane = self.page.plane(self.plot, 0.0..self.n_columns(), f64::from(lo)..f64::from(hi));
        let clamp = |v: f32| f64::from(v.clamp(lo, hi));
        let foot = clamp(0.0);
        let colour = self.colour(role);
        let placed = |c: &Column| Column { mean: view.place(c.mean), min: view.place(c.min), max: view.place(c.max), ..*c };
        let value = |c: &Column| (!c.is_missing() && c.mean.is_finite()).then(|| placed(c));
        let runs = runs(columns.iter().map(value));
        for (start, run) in &runs {
            let upper = run.iter().map(|c| clamp(c.max).max(foot));
            let lower = run.iter().map(|c| clamp(c.min).min(foot));
            let is_beyond =
                |c: &Column| clamp(c.max).max(foot) > clamp(c.mean).max(foot) || clamp(c.min).min(foot) < clamp(c.mean).min(foot);
            if run.iter().any(is_beyond) {
                plane.polygon(between(*start, upper, lower), self.pale(colour, 0.62))?;
            }
        }
        for (start, run) in &runs {
            let values = || run.iter().map(|c| clamp(c.mean));
            plane.polygon(between(*start, values(), values().map(|_| foot)), colour)?;
            // Measured and zero is a line.
            plane.line(vec![(*start as f64, foot), ((start + run.len()) as f64, foot)], colour, 0.4)?;
        }
        Ok(())
    }

    /// Bars up and down from zero, lane under lane, all on one scale. No line where no value is.
    fn signed(&self, lanes: &[Lane], limit: f32) -> Drawn {
        let limit = if limit.is_finite() && limit > 0.0 { limit } else { 1.0 };
        let gap = if lanes.len() > 1 { LANE_GAP } else { 0.0 };
        for (i, lane) in lanes.iter().enumerate() {
            let frame = self.plot.lane(i, lanes.len(), gap);
            let plane = self.page.plane(frame, 0.0..self.n_columns(), f64::from(-limit)..f64::from(limit));
            for (role, sign) in [("positive", 1.0), ("negative", -1.0)] {
                let value = |&v: &f32| (v * sign > 0.0).then(|| f64::from(v.clamp(-limit, limit)));
                for (start, run) in runs(lane.values.iter().map(value)) {
                    let foot = run.iter().map(|_| 0.0);
                    plane.polygon(between(start, run.iter().copied(), foot), self.colour(role))?;
                }
            }
            for (start, run) in runs(lane.values.iter().map(|v| v.is_finite().then_some(()))) {
                plane.line(vec![(start as f64, 0.0), ((start + run.len()) as f64, 0.0)], self.colour("dim"), 0.35)?;
            }
        }
        Ok(())
    }

    fn heat(&self, lanes: &[Lane], limit: f32) -> Drawn {
        for (i, lane) in lanes.iter().enumerate() {
            let frame = self.plot.lane(i, lanes.len(), 0.0);
            // Neighbours overlap a little, to the right and down, or viewers show seams.
            let height = if i + 1 < lanes.len() { frame.height + 0.15 } else { frame.height };
            let step = |v: &f32| {
                let share = if limit > 0.0 { (v / limit).clamp(0.0, 1.0) } else { 0.0 };
                // Whatever is above zero has at least the first step.
                v.is_finite().then_some(if *v > 0.0 { (share * SHADES).ceil() } else { 0.0 } as u8)
            };
            for (start, end, step) in equal_runs(lane.values.iter().map(step)) {
                let x = frame.x + start as f64 * self.column_width();
                let right = frame.x + end as f64 * self.column_width() + 0.15;
                let piece = Frame { x, width: right.min(frame.right()) - x, height, ..frame };
                self.page.rect(piece, shade(self.page, f32::from(step) / SHADES, self.is_stale))?;
            }
        }
        Ok(())
    }

    fn base_colour(&self, base: u8) -> Rgb {
        match base {
            b'A' | b'C' | b'G' | b'T' => self.colour(&format!("base.{}", base as char)),
            _ => self.colour("dim"),
        }
    }

    fn bases(&self, bases: &[u8]) -> Drawn {
        if self.column_width() >= LEAST_LETTER {
            let pad = 0.08 * self.column_width();
            return bases.iter().enumerate().try_for_each(|(i, &base)| {
                let x = self.plot.x + i as f64 * self.column_width() + pad;
                let width = (self.column_width() - 2.0 * pad).min(6.0);
                let x = x + (self.column_width() - 2.0 * pad - width) / 2.0;
                self.letter(base, Frame { x, width, ..self.plot })
            });
        }
        for (start, end, base) in equal_runs(bases.iter().map(|&b| (b != b' ').then_some(b))) {
            let x = self.plot.x + start as f64 * self.column_width();
            let width = (end - start) as f64 * self.column_width();
            self.page.rect(Frame { x, width, ..self.plot }, self.base_colour(base))?;
        }
        Ok(())
    }

    /// Amino acids where there is room for them, starts and stops as bars.
    fn codons(&self, lanes: &[CodonLane]) -> Drawn {
        for (i, lane) in lanes.iter().enumerate() {
            let frame = self.plot.lane(i, lanes.len(), 1.0);
            for codon in &lane.codons {
                let Some((x, width)) = self.span(codon.start, codon.start + 3) else { continue };
                let role = match codon.acid {
                    b'M' => Some("good"),
                    b'*' => Some("error"),
                    _ => None,
                };
                if let Some(role) = role {
                    self.page.rect(Frame { x, width: (width - 0.3).max(LEAST), ..frame }, self.pale(self.colour(role), 0.4))?;
                }
                if width > 0.8 * SMALL {
                    let letter = (codon.acid as char).to_string();
                    self.page.text((x + width / 2.0, frame.middle()), &letter, self.page.ink(SMALL, "text"), HPos::Center)?;
                }
            }
        }
        Ok(())
    }

    /// Letters as high as their values; those below zero hang from the line, not turned.
    fn letters(&self, bases: &[u8], values: &[f32], limit: f32) -> Drawn {
        let limit = if limit.is_finite() && limit > 0.0 { limit } else { 1.0 };
        let zero = self.plot.middle();
        let drawn = bases.iter().zip(values).enumerate().filter(|(_, (_, v))| v.is_finite());
        for (i, (&base, &value)) in drawn {
            let height = f64::from((value / limit).clamp(-1.0, 1.0)).abs() * self.plot.height / 2.0;
            if height < 0.05 {
                continue;
            }
            let y = if value > 0.0 { zero - height } else { zero };
            let x = self.plot.x + i as f64 * self.column_width();
            let frame = Frame { x, y, width: self.column_width() * 0.96, height };
            match self.column_width() >= LEAST_LETTER {
                true => self.letter(base, frame)?,
                false => self.page.rect(Frame { width: self.column_width(), ..frame }, self.base_colour(base))?,
            }
        }
        for (start, run) in runs(values.iter().map(|v| v.is_finite().then_some(()))) {
            let x = |column: usize| self.plot.x + column as f64 * self.column_width();
            self.page.line(&[(x(start), zero), (x(start + run.len()), zero)], self.colour("dim"), 0.35)?;
        }
        Ok(())
    }

    fn letter(&self, base: u8, frame: Frame) -> Drawn {
        let arc_points = ((frame.width + frame.height) * 1.2) as usize;
        let Some(outline) = letters::outline(base, arc_points.clamp(6, 32)) else { return Ok(()) };
        let place = |&(x, y): &(f64, f64)| (frame.x + x * frame.width, frame.bottom() - y * frame.height);
        self.page.polygon(&outline.iter().map(place).collect::<Vec<_>>(), self.base_colour(base))
    }
}

/// Stretches of neighbours that have a value, with where they begin.
fn runs<T>(values: impl Iterator<Item = Option<T>>) -> Vec<(usize, Vec<T>)> {
    let mut runs: Vec<(usize, Vec<T>)> = Vec::new();
    let mut is_open = false;
    for (i, value) in values.enumerate() {
        match value {
            None => is_open = false,
            Some(value) => {
                match runs.last_mut().filter(|_| is_open) {
                    Some((_, run)) => run.push(value),
                    None => runs.push((i, vec![value])),
                }
                is_open = true;
            }
        }
    }
    runs
}

/// Stretches of neighbours of the same value: from, to, value.
fn equal_runs<T: PartialEq>(values: impl Iterator<Item = Option<T>>) -> Vec<(usize, usize, T)> {
    let mut runs: Vec<(usize, usize, T)> = Vec::new();
    for (i, value) in values.enumerate() {
        let Some(value) = value else { continue };
        match runs.last_mut() {
            Some((_, end, last)) if *end == i && *last == value => *end = i + 1,
            _ => runs.push((i, i + 1, value)),
        }
    }
    runs
}

/// The outline between two staircases, one step a column from `start`.
fn between(
    start: usize,
    upper: impl Iterator<Item = f64>,
    lower: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator,
) -> Vec<(f64, f64)> {
    let step = |(i, y): (usize, f64)| [((start + i) as f64, y), ((start + i + 1) as f64, y)];
    let there = upper.enumerate().flat_map(step);
    let back = lower.enumerate().rev().flat_map(|s| step(s).into_iter().rev());
    there.chain(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_gaps() {
        let values = [None, Some(1), Some(2), None, None, Some(3)];
        assert_eq!(runs(values.into_iter()), [(1, vec![1, 2]), (5, vec![3])]);
        let bases = [Some('A'), Some('A'), Some('C'), None, Some('C')];
        assert_eq!(equal_runs(bases.into_iter()), [(0, 2, 'A'), (2, 3, 'C'), (4, 5, 'C')]);
    }

    #[test]
    fn staircases_meet() {
        let outline = between(3, [2.0, 5.0].into_iter(), [0.0, -1.0].into_iter());
        assert_eq!(outline, [(3.0, 2.0), (4.0, 2.0), (4.0, 5.0), (5.0, 5.0), (5.0, -1.0), (4.0, -1.0), (4.0, 0.0), (3.0, 0.0)]);
    }
}
