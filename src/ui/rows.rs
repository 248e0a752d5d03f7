//! One row: label and axis at the left, plot, details at the right.

use super::braille::Dots;
use super::cells::{bar_down, bar_up, eighths, rounded_eighths, write, write_right};
use super::frame::state_text;
use super::layout::Layout;
use super::palette::Palette;
use crate::genome::Strand;
use crate::scene::{CodonLane, GeneShape, IntervalShape, Lane, Plot, Row, Scene, format_value};
use crate::state::{GeneDisplay, RowState, RowView, SignalStyle};
use crate::tracks::Column;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

/// What a row shows, in the plot area.
pub(super) fn draw_plot(buffer: &mut Buffer, layout: &Layout, lines: Rect, scene: &Scene, row: &Row, palette: &Palette) {
    let plot = Rect { x: layout.plot_x, width: layout.plot_width, ..lines };
    let is_stale = row.state == Some(RowState::Stale);
    Paint { buffer, plot, palette, is_stale, scene }.draw(row);
}

/// What stands beside a row's plot: name and axis at the left, details at the right.
pub(super) fn draw_margins(buffer: &mut Buffer, layout: &Layout, lines: Rect, row: &Row, palette: &Palette) {
    draw_label(buffer, layout, lines, row, palette);
    draw_detail(buffer, layout, lines, row, palette);
}

fn draw_label(buffer: &mut Buffer, layout: &Layout, lines: Rect, row: &Row, palette: &Palette) {
    let mut style = palette.style("text");
    if row.is_focused {
        style = palette.style("focus").add_modifier(Modifier::BOLD);
        write(buffer, (lines.x, lines.y), 1, "▌", palette.style("focus"));
    }
    let mut x = lines.x + 1;
    if let Some((glyph, role)) = state_glyph(row) {
        x += write(buffer, (x, lines.y), 2, glyph, palette.style(role));
    }
    let axis_x = layout.plot_x - 1;
    let lanes = lane_labels(row);
    if let Plot::Codons(lanes) = &row.plot {
        for (lane, y) in lanes.iter().zip(lines.y..lines.bottom()) {
            write_right(buffer, (layout.plot_x - 1, y), 3, &lane.label, palette.style("dim"));
        }
    }
    // Lanes cannot be told apart without their labels; an axis value gives way to the row's name.
    let beside = lanes.map_or(0, |lanes| lanes.iter().map(|l| l.label.chars().count()).max().unwrap_or(0) as u16 + 1);
    let width = axis_x.saturating_sub(x + beside).max(2);
    let taken = x + write(buffer, (x, lines.y), width, &row.label, style);
    for y in lines.y..lines.bottom() {
        if row.axis.is_some() {
            buffer.set_string(axis_x, y, "▏", palette.style("dim"));
        }
    }
    let dim = palette.style("dim");
    if let Some(lanes) = lanes {
        for (lane, y) in lanes.iter().zip(lines.y..lines.bottom()) {
            let from = if y == lines.y { taken } else { lines.x + 1 };
            write_right(buffer, (axis_x, y), axis_x.saturating_sub(from), &lane.label, dim);
        }
    } else if let Some((lo, hi)) = row.axis {
        let (text, room) = (format_value(hi), axis_x.saturating_sub(taken + 1));
        if text.chars().count() <= usize::from(room) {
            write_right(buffer, (axis_x, lines.y), room, &text, dim);
        }
        if lines.height > 1 {
            write_right(buffer, (axis_x, lines.bottom() - 1), axis_x - lines.x - 1, &format_value(lo), dim);
        }
    }
}

fn lane_labels(row: &Row) -> Option<&[Lane]> {
    match &row.plot {
        Plot::Signed(lanes, _) | Plot::Heat(lanes, _) if lanes.iter().any(|l| !l.label.is_empty()) => Some(lanes),
        _ => None,
    }
}

fn state_glyph(row: &Row) -> Option<(&'static str, &'static str)> {
    if row.mismatch.is_some() {
        return Some(("≠ ", "error"));
    }
    Some(match row.state.as_ref()? {
        RowState::Fresh => ("● ", "good"),
        RowState::Computing(..) => ("◐ ", "busy"),
        RowState::Stale => ("○ ", "busy"),
        RowState::Failed(_) => ("✗ ", "error"),
        RowState::NotApplicable(_) => ("– ", "dim"),
    })
}

fn draw_detail(buffer: &mut Buffer, layout: &Layout, lines: Rect, row: &Row, palette: &Palette) {
    let Some(x) = layout.detail_x else { return };
    let width = (layout.area.x + layout.area.width).saturating_sub(x);
    let (mut x, mut width) = (x, width);
    if let Some(lanes) = lane_labels(row).filter(|lanes| lanes.iter().any(|l| !l.note.is_empty())) {
        let widest = lanes.iter().map(|l| l.note.chars().count()).max().unwrap_or(0) as u16;
        for (lane, y) in lanes.iter().zip(lines.y..lines.bottom()) {
            write(buffer, (x, y), widest, &lane.note, palette.style("text"));
        }
        (x, width) = (x + widest + 2, width.saturating_sub(widest + 2));
    }
    let state = state_text(row);
    // Where labels of lanes stand in the place of the axis.
    let scale = match (lane_labels(row), row.axis) {
        (Some(_), Some((lo, hi))) if lo < 0.0 => format!("\u{b1} {}", format_value(hi)),
        (Some(_), Some((lo, hi))) => format!("{} to {}", format_value(lo), format_value(hi)),
        _ => String::new(),
    };
    let words = state.split(" · ").chain([&scale[..]]).chain(row.detail.split(" · ")).filter(|w| !w.is_empty());
    let (mut y, mut line) = (lines.y, String::new());
    for word in words {
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} · {word}") };
        if joined.chars().count() <= usize::from(width) || y + 1 >= lines.bottom() {
            line = joined; // on the last line what does not fit is cut with an ellipsis
            continue;
        }
        if !line.is_empty() {
            write(buffer, (x, y), width, &line, palette.style("dim"));
            y += 1;
        }
        line = word.to_owned();
    }
    write(buffer, (x, y), width, &line, palette.style("dim"));
}

/// The brush for one row's plot.
struct Paint<'a> {
    buffer: &'a mut Buffer,
    plot: Rect,
    palette: &'a Palette,
    is_stale: bool,
    scene: &'a Scene,
}

impl Paint<'_> {
    fn draw(mut self, row: &Row) {
        let lines = self.plot.y..self.plot.bottom();
        match &row.plot {
            Plot::Message(text) => {
                let is_harmless = text == "reading" || matches!(row.state, Some(RowState::NotApplicable(_)));
                let style = self.palette.style(if is_harmless { "dim" } else { "error" });
                write(self.buffer, (self.plot.x, self.plot.y), self.plot.width, text, style);
            }
            Plot::Note(text) => {
                write(self.buffer, (self.plot.x, self.plot.y), self.plot.width, text, self.palette.style("dim"));
            }
            Plot::Genes(lanes) if row.view.genes == GeneDisplay::Squished => {
                for (pair, y) in lanes.chunks(2).zip(lines) {
                    pair.iter()
                        .zip([true, false])
                        .for_each(|(lane, is_upper)| lane.iter().for_each(|g| self.half_gene(g, y, is_upper)));
                }
                self.say_cut(lanes, 2);
            }
            Plot::Genes(lanes) => {
                for (lane, y) in lanes.iter().zip(lines) {
                    lane.iter().for_each(|gene| self.gene(gene, y));
                }
                self.say_cut(lanes, 1);
            }
            Plot::Intervals(lanes, role) => {
                for (lane, y) in lanes.iter().zip(lines) {
                    lane.iter().for_each(|interval| self.interval(interval, y, role));
                }
                self.say_cut(lanes, 1);
            }
            Plot::Signal(columns, role) => self.signal(row, columns, role),
            Plot::Signed(lanes, limit) => match &lanes[..] {
                [lane] if self.plot.height > 1 => self.signed(&lane.values, *limit),
                lanes => lanes.iter().zip(lines).for_each(|(lane, y)| self.signed_line(&lane.values, *limit, y)),
            },
            Plot::Heat(lanes, limit) => {
                lanes.iter().zip(lines).for_each(|(lane, y)| self.heat(&lane.values, *limit, y));
            }
            Plot::Bases(bases) => {
                for (i, &base) in bases.iter().enumerate() {
                    let style = self.base_style(base);
                    self.symbol(i, self.plot.y, (base as char).encode_utf8(&mut [0; 4]), style);
                }
            }
            Plot::Codons(lanes) => lanes.iter().zip(lines).for_each(|(lane, y)| self.codons(lane, y)),
            Plot::Letters(bases, values, limit) => self.letters(bases, values, *limit),
        }
    }

    /// How many are in lanes that the row has no line for, so many lanes a line.
    fn say_cut<T>(&mut self, lanes: &[Vec<T>], per_line: usize) {
        let cut: usize = lanes.iter().skip(per_line * usize::from(self.plot.height)).map(Vec::len).sum();
        if cut > 0 {
            let at = (self.plot.right(), self.plot.bottom().saturating_sub(1));
            write_right(self.buffer, at, self.plot.width, &format!(" +{cut}"), self.palette.style("dim"));
        }
    }

    fn symbol(&mut self, column: usize, y: u16, symbol: &str, style: Style) {
        if column < usize::from(self.plot.width)
            && let Some(cell) = self.buffer.cell_mut((self.plot.x + column as u16, y))
        {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    fn style(&self, role: &str) -> Style {
        match self.is_stale {
            true => Style::new().fg(self.palette.dimmed(role)).add_modifier(Modifier::DIM),
            false => self.palette.style(role),
        }
    }

    fn base_style(&self, base: u8) -> Style {
        match base {
            b'A' | b'C' | b'G' | b'T' => self.style(&format!("base.{}", base as char)).add_modifier(Modifier::BOLD),
            _ => self.style("dim"),
        }
    }

    /// Columns from the one that holds the first base to the one that holds the last; at least one, unless out of view.
    fn span(&self, start: u64, end: u64) -> std::ops::Range<usize> {
        let width = f64::from(self.plot.width);
        let from = self.scene.x(start as f64).floor().clamp(0.0, width) as usize;
        let to = self.scene.x(end as f64).ceil().clamp(0.0, width) as usize;
        from..to.max(from + 1).min(usize::from(self.plot.width))
    }

    fn gene(&mut self, gene: &GeneShape, y: u16) {
        let style = self.style(if gene.is_current { "gene.current" } else { "gene" });
        let arrow = if gene.strand == Strand::Forward { ">" } else { "<" };
        let body = self.span(gene.start, gene.end);
        for column in body.clone() {
            let is_arrow = column % 6 == 3 && body.len() > 3;
            self.symbol(column, y, if is_arrow { arrow } else { "─" }, style);
        }
        let is_in_view = |&(start, end): &(u64, u64)| start < self.scene.region.end && self.scene.region.start < end;
        let exons: Vec<(u64, u64)> = gene.exons.iter().copied().filter(is_in_view).collect();
        for (start, end) in exons {
            self.span(start, end).for_each(|column| self.symbol(column, y, "▄", style));
            if let Some((from, to)) = gene.cds.map(|(a, b)| (a.max(start), b.min(end))).filter(|(a, b)| a < b) {
                self.span(from, to).for_each(|column| self.symbol(column, y, "█", style));
            }
        }
        let style = if gene.is_current { style.add_modifier(Modifier::BOLD) } else { style };
        self.label(&gene.name, gene.label, y, style);
    }

    /// Exons in one half of a line.
    fn half_gene(&mut self, gene: &GeneShape, y: u16, is_upper: bool) {
        let style = self.style(if gene.is_current { "gene.current" } else { "gene" });
        let (mine, other) = if is_upper { ("▀", "▄") } else { ("▄", "▀") };
        let in_view = |&&(start, end): &&(u64, u64)| start < self.scene.region.end && self.scene.region.start < end;
        let exons: Vec<(u64, u64)> = gene.exons.iter().filter(in_view).copied().collect();
        for (start, end) in exons {
            for column in self.span(start, end) {
                let taken =
                    self.buffer.cell((self.plot.x + column as u16, y)).is_some_and(|c| [other, "█"].contains(&c.symbol()));
                self.symbol(column, y, if taken { "█" } else { mine }, style);
            }
        }
    }

    fn interval(&mut self, interval: &IntervalShape, y: u16, role: &str) {
        let style = match interval.colour {
            Some(colour) => self.style(role).fg(self.palette.own(colour)),
            None => self.style(role),
        };
        let line = if interval.parts.is_empty() { "█" } else { "─" };
        self.span(interval.start, interval.end).for_each(|column| self.symbol(column, y, line, style));
        let is_in_view = |&&(start, end): &&(u64, u64)| start < self.scene.region.end && self.scene.region.start < end;
        let parts: Vec<(u64, u64)> = interval.parts.iter().filter(is_in_view).copied().collect();
        for (start, end) in parts {
            self.span(start, end).for_each(|column| self.symbol(column, y, "█", style));
        }
        let style = if interval.is_current { style.add_modifier(Modifier::BOLD) } else { self.style("dim") };
        self.label(&interval.name, interval.label, y, style);
    }

    fn label(&mut self, name: &str, place: Option<f64>, y: u16, style: Style) {
        if let Some(column) = place {
            let column = (column.ceil() as u16).min(self.plot.width);
            // Inside a body the name needs air around it.
            let after = column + name.chars().count() as u16;
            for at in [column.checked_sub(1), Some(after)].into_iter().flatten() {
                self.symbol(usize::from(at), y, " ", style);
            }
            write(self.buffer, (self.plot.x + column, y), self.plot.width - column, name, style);
        }
    }

    /// A signal in its style, what is cut off marked, and other rows' signals over it.
    fn signal(&mut self, row: &Row, columns: &[Column], role: &str) {
        let (lo, hi) = row.axis.unwrap_or((0.0, 1.0));
        let view = &row.view;
        let ends = (view.place(lo), view.place(hi));
        match view.style {
            SignalStyle::Whiskers | SignalStyle::Bars => self.bars(columns, role, ends, view),
            SignalStyle::Line => self.dots(columns, role, ends, view, true),
            SignalStyle::Points => self.dots(columns, role, ends, view, false),
            SignalStyle::Heatmap => self.shades(columns, role, ends, view),
        }
        for over in &row.overlays {
            self.dots(&over.columns, &over.role, ends, view, true);
        }
        if view.style == SignalStyle::Heatmap {
            return;
        }
        // An axis that ends below the highest value says so where it cuts.
        let highest = |c: &Column| if view.style == SignalStyle::Whiskers { c.max } else { view.value(c) };
        let cut = columns.iter().enumerate().filter(|(_, c)| !c.is_missing() && highest(c) > hi * 1.000_001 && hi > lo);
        let style = self.style("error").bg(self.palette.colour(role));
        let style = if self.palette.is_mono() { Style::new().add_modifier(Modifier::REVERSED) } else { style };
        for (i, _) in cut {
            self.symbol(i, self.plot.y, "▴", style);
        }
    }

    fn bars(&mut self, columns: &[Column], role: &str, (lo, hi): (f32, f32), view: &RowView) {
        // Bars stand on zero; where the axis begins above it they stand on its foot.
        let foot_value = if lo > 0.0 { lo } else { 0.0 };
        let (up, down) = split(self.plot.height, lo.min(0.0), hi.max(0.0));
        let per_line = ((hi - foot_value) / f32::from(up.max(1))).max(-lo / f32::from(down.max(1)));
        let (bright, dim) = (self.style(role), self.palette.shade(role, 0.45));
        let (top, foot) = (self.plot.y, self.plot.y + up.max(1) - 1);
        let limit = per_line * f32::from(up);
        for (i, column) in columns.iter().enumerate().take(usize::from(self.plot.width)).filter(|(_, c)| !c.is_missing()) {
            let x = self.plot.x + i as u16;
            let (mean, max, min) = match view.style {
                SignalStyle::Whiskers => (column.mean, column.max, column.min),
                _ => (view.value(column), view.value(column), view.value(column)),
            };
            let height = |value: f32| eighths(view.place(value) - foot_value, limit, up);
            match (height(mean), height(max)) {
                // Measured and zero is a line; not measured is a gap.
                (0, 0) if min >= 0.0 => bar_up(self.buffer, (x, foot), up, (1, 1), (bright.fg(dim), dim)),
                tops => bar_up(self.buffer, (x, foot), up, tops, (bright, dim)),
            }
            let length = eighths(-view.place(min), per_line * f32::from(down), down);
            bar_down(self.buffer, (x, top + up), down, length, bright);
        }
    }

    fn dots(&mut self, columns: &[Column], role: &str, (lo, hi): (f32, f32), view: &RowView, is_joined: bool) {
        if hi <= lo {
            return;
        }
        let mut dots = Dots::new(self.plot);
        let mut before: Option<f32> = None;
        for (i, column) in columns.iter().enumerate().take(usize::from(self.plot.width)) {
            if column.is_missing() {
                before = None;
                continue;
            }
            let share = (view.place(view.value(column)) - lo) / (hi - lo);
            if is_joined {
                dots.join(i, before.unwrap_or(share), share)
            } else {
                dots.point(i, share)
            }
            before = Some(share);
        }
        let colour = if self.is_stale { self.palette.dimmed(role) } else { self.palette.colour(role) };
        dots.paint(self.buffer, colour);
    }

    /// A shade a column: of the row's colour above zero, of what lowers below it.
    fn shades(&mut self, columns: &[Column], role: &str, (lo, hi): (f32, f32), view: &RowView) {
        const RAMP: [&str; 5] = ["·", "░", "▒", "▓", "█"];
        for (i, column) in columns.iter().enumerate().filter(|(_, c)| !c.is_missing()) {
            let value = view.place(view.value(column));
            let foot = if lo > 0.0 { lo } else { 0.0 };
            let (reach, role) = if value < 0.0 { (-lo, "negative") } else { (hi - foot, role) };
            let share = if reach > 0.0 { ((value.abs() - foot) / reach).clamp(0.0, 1.0) } else { 0.0 };
            let (symbol, style) = match self.palette.is_mono() {
                true => (RAMP[(share * 4.0).round() as usize], Style::new()),
                false => (" ", Style::new().bg(self.palette.shade(role, 0.07 + 0.93 * share))),
            };
            (self.plot.y..self.plot.bottom()).for_each(|y| self.symbol(i, y, symbol, style));
        }
    }

    fn signed(&mut self, values: &[f32], limit: f32) {
        let (up, down) = split(self.plot.height, -1.0, 1.0);
        let (positive, negative) = (self.style("positive"), self.style("negative"));
        for (i, &value) in values.iter().enumerate().take(usize::from(self.plot.width)) {
            let x = self.plot.x + i as u16;
            let top = rounded_eighths(value, limit, up);
            bar_up(self.buffer, (x, self.plot.y + up - 1), up, (top, top), (positive, Color::Reset));
            bar_down(self.buffer, (x, self.plot.y + up), down, rounded_eighths(-value, limit, down), negative);
        }
    }

    /// One line for both signs: what raises stands on its foot, what lowers hangs from its top.
    fn signed_line(&mut self, values: &[f32], limit: f32, y: u16) {
        let (positive, negative) = (self.style("positive"), self.style("negative"));
        for (i, &value) in values.iter().enumerate().take(usize::from(self.plot.width)) {
            let x = self.plot.x + i as u16;
            let size = rounded_eighths(value.abs(), limit, 1);
            if value > 0.0 {
                bar_up(self.buffer, (x, y), 1, (size, size), (positive, Color::Reset));
            } else {
                bar_down(self.buffer, (x, y), 1, size, negative);
            }
        }
    }

    fn heat(&mut self, values: &[f32], limit: f32, y: u16) {
        const RAMP: [&str; 5] = ["·", "░", "▒", "▓", "█"];
        for (i, &value) in values.iter().enumerate().filter(|(_, v)| !v.is_nan()) {
            let share = if limit > 0.0 { (value / limit).clamp(0.0, 1.0) } else { 0.0 };
            if self.palette.is_mono() {
                let step = if value > 0.0 { 1 + (share * 3.0).round() as usize } else { 0 };
                self.symbol(i, y, RAMP[step], Style::new());
                continue;
            }
            // A weight of exactly zero is the faint ground that shows where the window lies.
            let shade = if value > 0.0 { 0.15 + 0.85 * share } else { 0.07 };
            let shade = if self.is_stale { shade * 0.4 } else { shade };
            self.symbol(i, y, " ", Style::new().bg(self.palette.shade("attention", shade)));
        }
    }

    /// Amino acids at the middle of their codons where single bases are seen; starts and stops stand out at any width.
    fn codons(&mut self, lane: &CodonLane, y: u16) {
        let shows_letters = self.scene.region.len() <= u64::from(self.plot.width);
        for codon in &lane.codons {
            let style = match codon.acid {
                b'M' => self.style("good").add_modifier(Modifier::BOLD | Modifier::REVERSED),
                b'*' => self.style("error").add_modifier(Modifier::BOLD | Modifier::REVERSED),
                _ if shows_letters => self.style("dim"),
                _ => continue,
            };
            if !self.scene.region.contains(codon.start + 1) {
                continue;
            }
            let column = self.scene.x((codon.start + 1) as f64).floor().max(0.0) as usize;
            self.symbol(column, y, (codon.acid as char).encode_utf8(&mut [0; 4]), style);
        }
    }

    fn letters(&mut self, bases: &[u8], values: &[f32], limit: f32) {
        let (up, down) = split(self.plot.height, -1.0, 1.0);
        for (i, (&base, &value)) in bases.iter().zip(values).enumerate().take(usize::from(self.plot.width)) {
            let style = self.base_style(base);
            let x = self.plot.x + i as u16;
            let letter = (base as char).to_string();
            // The letter is the tip of its bar.
            if value < 0.0 {
                let lines = eighths(-value, limit, down).div_ceil(8).max(1) as u16;
                bar_down(self.buffer, (x, self.plot.y + up), down, u32::from(lines - 1) * 8, style);
                self.symbol(i, self.plot.y + up + lines - 1, &letter, style);
            } else if value.is_finite() && up > 0 {
                let lines = eighths(value, limit, up).div_ceil(8).max(1) as u16;
                let body = u32::from(lines - 1) * 8;
                bar_up(self.buffer, (x, self.plot.y + up - 1), up, (body, body), (style, Color::Reset));
                self.symbol(i, self.plot.y + up - lines, &letter, style);
            }
        }
    }
}

/// Lines above and below zero, for values from `lo` to `hi`.
fn split(height: u16, lo: f32, hi: f32) -> (u16, u16) {
    if lo >= 0.0 || height < 2 {
        return (height, 0);
    }
    if hi <= 0.0 {
        return (0, height);
    }
    let up = (f32::from(height) * hi / (hi - lo)).round() as u16;
    let up = up.clamp(1, height - 1);
    (up, height - up)
}
