//! Header, ruler and footer.

use super::cells::{write, write_right};
use super::layout::{Layout, MIN_HEIGHT, MIN_WIDTH};
use super::palette::Palette;
use crate::input::{Action, Keymap};
use crate::scene::{Row, Scene};
use crate::state::{Pending, RowState, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

pub(super) fn draw_too_small(buffer: &mut Buffer, area: Rect, palette: &Palette) {
    let text = format!("cislens needs {MIN_WIDTH}x{MIN_HEIGHT}; this terminal has {}x{}", area.width, area.height);
    if area.height > 0 {
        write(buffer, (area.x, area.y), area.width, &text, palette.style("error"));
    }
}

/// Writes words one after another on a line, until it is full.
struct Line<'a> {
    buffer: &'a mut Buffer,
    x: u16,
    y: u16,
    end: u16,
}

impl Line<'_> {
    fn put(&mut self, text: &str, style: Style) {
        if self.x < self.end {
            self.x += write(self.buffer, (self.x, self.y), self.end - self.x, text, style);
        }
    }

    /// A dim name and its value, where there is one.
    fn field(&mut self, name: &str, value: &str, palette: &Palette, style: Style) {
        if !value.is_empty() {
            self.put(name, palette.style("dim"));
            self.put(value, style);
            self.put("  ", Style::new());
        }
    }
}

/// What is shown, and of two places in view also where the other one is.
pub(super) fn draw_header(buffer: &mut Buffer, layout: &Layout, scene: &Scene, beside: Option<&Scene>, palette: &Palette) {
    let (header, area) = (&scene.header, layout.area);
    let text = palette.style("text");
    let bold = text.add_modifier(Modifier::BOLD);
    let end = area.x + area.width;
    let mut line = Line { buffer, x: area.x, y: area.y, end };
    line.put(" cislens  ", palette.style("accent").add_modifier(Modifier::BOLD));
    line.field("gene ", &header.gene, palette, palette.style("gene.current").add_modifier(Modifier::BOLD));
    line.field("", &header.locus, palette, text);
    line.field("sample ", &header.sample, palette, bold);
    line.field("model ", &header.model, palette, bold);
    line.field("", &header.span, palette, text);
    if let Some(beside) = beside {
        line.field("beside ", &format!("{} {}", beside.header.gene, beside.header.locus), palette, palette.style("dim"));
    }

    line = Line { x: area.x + 1, y: area.y + 1, ..line };
    if !header.model.is_empty() {
        let predicted = if header.predicted.is_empty() { "…" } else { &header.predicted };
        line.field("predicted ", predicted, palette, bold);
    }
    match header.measured.is_empty() {
        true if header.gene.is_empty() => {}
        true => line.field("", "not measured", palette, palette.style("dim")),
        false => line.field("measured ", &header.measured, palette, bold),
    }
    if !header.compared.is_empty() {
        let says = if header.compared_says.is_empty() { "…" } else { &header.compared_says };
        line.field(&format!("{} ", header.compared), says, palette, bold);
    }
    for (i, note) in header.notes.iter().enumerate() {
        line.field("", note, palette, palette.style(if i < header.n_caveats { "busy" } else { "dim" }));
    }
}

/// The chromosomes in view, at the left of the ruler; of two places that with the focus stands out.
pub(super) fn draw_ruler_label(
    buffer: &mut Buffer,
    layout: &Layout,
    (scene, beside): (&Scene, Option<&Scene>),
    is_left: bool,
    palette: &Palette,
) {
    let end = layout.plot_x - 1;
    let mut line = Line { buffer, x: layout.area.x + 1, y: layout.ruler_y, end };
    let Some(beside) = beside else { return line.put(&scene.ruler.label, palette.style("dim")) };
    let own = (&scene.ruler.label, palette.style("focus").add_modifier(Modifier::BOLD));
    let other = (&beside.ruler.label, palette.style("dim"));
    let (left, right) = if is_left { (own, other) } else { (other, own) };
    line.put(left.0, left.1);
    line.put(" \u{2502} ", palette.style("dim"));
    line.put(right.0, right.1);
}

/// The line between two places.
pub(super) fn draw_divide(buffer: &mut Buffer, layout: &Layout, palette: &Palette) {
    let x = layout.side(false).plot_x - 1;
    (layout.ruler_y..layout.footer_y).for_each(|y| buffer.set_string(x, y, "\u{2502}", palette.style("dim")));
}

/// Positions above the plot, in the colour of a role.
pub(super) fn draw_ruler(buffer: &mut Buffer, layout: &Layout, scene: &Scene, palette: &Palette, role: &str) {
    let y = layout.ruler_y;
    let column = |position: u64| layout.plot_x + (scene.x(position as f64).floor().max(0.0) as u16).min(layout.plot_width - 1);
    let right = layout.plot_x + layout.plot_width;
    let mut taken: Option<(u16, u16)> = None;
    if let Some((tss, reads_right)) = scene.ruler.tss {
        // The corner of the arrow stands over the column that holds the TSS.
        let x = column(tss);
        let (text, at) = if reads_right { ("┏▶", x) } else { ("◀┓", x.saturating_sub(1).max(layout.plot_x)) };
        let style = palette.style("gene.current").add_modifier(Modifier::BOLD);
        let n = write(buffer, (at, y), (right - at).min(2), text, style);
        taken = Some((at, at + n));
    }
    for tick in &scene.ruler.ticks {
        let at = column(tick.position);
        let is_free = |end: u16| taken.is_none_or(|(a, b)| end < a || b < at) && end <= right;
        for text in [&*format!("│{}", tick.label), "│"] {
            let width = text.chars().count() as u16;
            if is_free(at + width) {
                write(buffer, (at, y), width, text, palette.style(role));
                break;
            }
        }
    }
}

/// The ground behind what is selected, and its ends on the ruler.
pub(super) fn draw_selection(buffer: &mut Buffer, layout: &Layout, scene: &Scene, palette: &Palette) {
    let Some(selection) = &scene.selection else { return };
    let width = f64::from(layout.plot_width);
    let column = |x: f64| layout.plot_x + x.clamp(0.0, width) as u16;
    let from = column(scene.x(selection.start as f64).floor());
    let to = column(scene.x(selection.end as f64).ceil()).max(from + 1).min(layout.plot_x + layout.plot_width);
    let style = if palette.is_mono() {
        Style::new().add_modifier(Modifier::REVERSED)
    } else {
        Style::new().bg(palette.colour("highlight"))
    };
    let area = Rect { x: from, y: layout.ruler_y, width: to.saturating_sub(from), height: layout.footer_y - layout.ruler_y };
    buffer.set_style(area, style);
    for (x, glyph) in [(to.saturating_sub(1), "┤"), (from, if area.width == 1 { "╪" } else { "├" })] {
        if x >= layout.plot_x {
            buffer.set_string(x, layout.ruler_y, glyph, palette.style("focus").add_modifier(Modifier::BOLD));
        }
    }
}

pub(super) fn draw_footer(
    buffer: &mut Buffer,
    layout: &Layout,
    state: &State,
    scene: &Scene,
    keymap: &Keymap,
    palette: &Palette,
) {
    let (area, y) = (layout.area, layout.footer_y);
    let (above, below) = layout.hidden(scene);
    let typed = match (state.pending, state.count) {
        (Some(Pending::SetBookmark), _) => Some("bookmark: type a letter".to_owned()),
        (Some(Pending::GoToBookmark), _) => {
            let known: Vec<String> = state.bookmarks.keys().map(char::to_string).collect();
            Some(format!("go to bookmark: {} ' (back)", known.join(" ")))
        }
        (None, Some(count)) => Some(format!("{count} \u{2026}")),
        (None, None) => None,
    };
    let (left, style) = match typed.as_ref().or(state.notice.as_ref()) {
        Some(notice) => (notice.clone(), palette.style("focus")),
        None => (focus_line(scene), palette.style("text")),
    };
    let mut right = hints(keymap);
    if above + below > 0 {
        right.insert(0, format!("rows: {above} above, {below} below (j k)"));
    }
    let room = area.width.saturating_sub(2);
    let taken = write(buffer, (area.x + 1, y), room, &left, style);
    let rest = room.saturating_sub(taken + 3);
    // The help key is named at any width; other hints as far as there is room.
    while right.join("  ").chars().count() > usize::from(rest) && right.len() > 1 {
        right.remove(right.len() - 2);
    }
    write_right(buffer, (area.x + area.width - 1, y), rest, &right.join("  "), palette.style("dim"));
}

/// The focused row in words: where there are no details at the right, they are read here.
fn focus_line(scene: &Scene) -> String {
    let Some(row) = scene.rows.iter().find(|r| r.is_focused) else { return String::new() };
    let parts = [row.label.clone(), state_text(row), row.detail.clone()];
    parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// The state of a model row in words.
pub(super) fn state_text(row: &Row) -> String {
    match &row.state {
        None => String::new(),
        Some(RowState::Fresh) => "fresh".to_owned(),
        Some(RowState::Computing(_, 0)) => "computing".to_owned(),
        Some(RowState::Computing(done, total)) => format!("{} % · {done}/{total}", 100 * done / total),
        Some(RowState::Stale) => "stale".to_owned(),
        Some(RowState::Failed(_)) => "failed".to_owned(),
        Some(RowState::NotApplicable(_)) => "not applicable".to_owned(),
    }
}

/// The most used keys, the help key last.
fn hints(keymap: &Keymap) -> Vec<String> {
    let key = |action| keymap.keys_of(action).first().cloned().unwrap_or_default();
    let pair = |a, b, what| format!("{} {} {what}", key(a), key(b));
    vec![
        pair(Action::Gene(1), Action::Gene(-1), "gene"),
        pair(Action::Pan(-10), Action::Pan(10), "pan"),
        pair(Action::Zoom(50), Action::Zoom(200), "zoom"),
        format!("{} go", key(Action::Goto)),
        pair(Action::Peak(1), Action::Peak(-1), "peak"),
        format!("{} sample", key(Action::Sample(1))),
        format!("{} model", key(Action::Model(1))),
        format!("{} command", key(Action::Command)),
        format!("{} figure", key(Action::Figure)),
        format!("{} help", key(Action::Help)),
    ]
}
