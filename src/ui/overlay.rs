//! Panels over the tracks: goto, help, messages.

use super::cells::{write, write_right};
use super::palette::Palette;
use crate::attribution::METHODS;
use crate::input::Keymap;
use crate::jobs::Analysis;
use crate::state::{Asks, Cell, Prompt, State, Table};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;
use ratatui::widgets::{Clear, Widget};

/// Clears a panel and frames it; returns the inside.
pub(super) fn panel(buffer: &mut Buffer, area: Rect, title: &str, palette: &Palette) -> Rect {
    Clear.render(area, buffer);
    buffer.set_style(area, palette.ground());
    let style = palette.style("accent");
    let line = "─".repeat(usize::from(area.width.saturating_sub(2)));
    buffer.set_string(area.x, area.y, format!("╭{line}╮"), style);
    buffer.set_string(area.x, area.bottom() - 1, format!("╰{line}╯"), style);
    for y in area.y + 1..area.bottom() - 1 {
        buffer.set_string(area.x, y, "│", style);
        buffer.set_string(area.right() - 1, y, "│", style);
    }
    write(buffer, (area.x + 2, area.y), area.width.saturating_sub(4), &format!(" {title} "), style.add_modifier(Modifier::BOLD));
    Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 }
}

pub(super) fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// A line being typed, with what it may mean below it; returns where the cursor stands.
pub(super) fn draw_prompt(buffer: &mut Buffer, area: Rect, prompt: &Prompt, palette: &Palette) -> Position {
    let is_command = prompt.asks == Asks::Command;
    let (title, sign) = if is_command { ("a command", ": ") } else { ("go to a gene or a place", "> ") };
    let room = area.height.saturating_sub(5).min(18);
    let height = 3 + (prompt.matches.len().max(1) as u16).min(room);
    let mut place = centred(area, if is_command { 100 } else { 72 }, height);
    // The line stays where it is while the list below it grows and shrinks.
    place.y = area.y + (area.height.saturating_sub(3 + room)) / 3;
    let inside = panel(buffer, place, title, palette);
    let width = usize::from(inside.width - 2);
    let scroll = prompt.input.visual_scroll(width);
    let shown: String = prompt.input.value().chars().skip(scroll).collect();
    write(buffer, (inside.x, inside.y), 2, sign, palette.style("accent"));
    write(buffer, (inside.x + 2, inside.y), inside.width - 2, &shown, palette.style("text"));
    if prompt.matches.is_empty() {
        let hint = match (prompt.input.value().is_empty(), is_command) {
            (true, false) => "a gene, MYC:e2, chr1:1,001-2,000, chr1:1.5M, 34M-35M, +10k; Esc leaves",
            (false, false) => "Enter goes there",
            (_, true) => "Enter does it; Esc leaves",
        };
        write(buffer, (inside.x + 2, inside.y + 1), inside.width - 2, hint, palette.style("dim"));
    }
    let listed = usize::from(inside.height - 1);
    let first = prompt.selected.map_or(0, |at| (at + 1).saturating_sub(listed));
    let widest = prompt.matches.iter().map(|m| m.text.chars().count()).max().unwrap_or(0).clamp(16, 26) as u16;
    for (i, y) in (first..prompt.matches.len()).zip(inside.y + 1..inside.bottom()) {
        let found = &prompt.matches[i];
        let (style, about) = match prompt.selected == Some(i) {
            true => (palette.style("focus").add_modifier(Modifier::REVERSED), palette.style("focus")),
            false => (palette.style("text"), palette.style("dim")),
        };
        write(buffer, (inside.x + 2, y), widest, &found.text, style);
        write(buffer, (inside.x + 3 + widest, y), inside.width.saturating_sub(3 + widest), &found.about, about);
    }
    let x = inside.x + 2 + prompt.input.visual_cursor().saturating_sub(scroll).min(width.saturating_sub(1)) as u16;
    Position { x, y: inside.y }
}

/// A table of places, its chosen line in view.
pub(super) fn draw_table(buffer: &mut Buffer, area: Rect, table: &Table, palette: &Palette) {
    let shown = table.lines().len();
    let count = if shown == table.len() { format!("{shown}") } else { format!("{shown} of {}", table.len()) };
    let most = area.width.saturating_sub(4);
    let height = (shown as u16).saturating_add(5).clamp(8, area.height.saturating_sub(2).max(8));
    let (dim, text) = (palette.style("dim"), palette.style("text"));
    let room = usize::from(height).saturating_sub(4);
    let first = (table.selected + 1).saturating_sub(room);
    let lines: Vec<_> = table.lines().skip(first).take(room).collect();
    // A column is as wide as what is seen of it; the last one takes what is left.
    let widths: Vec<u16> = (0..table.columns.len())
        .map(|c| {
            let cells = lines.iter().filter_map(|l| l.cells.get(c)).map(|cell| cell.text().chars().count());
            let most = if c + 1 == table.columns.len() { usize::from(most) } else { 40 };
            cells.chain([table.columns[c].chars().count() + 2]).max().unwrap_or(0).min(most) as u16
        })
        .collect();
    // As wide as its columns, and as its foot.
    let wished = widths.iter().map(|w| w + 2).sum::<u16>().max(70) + 4;
    let inside = panel(buffer, centred(area, wished.min(most), height), &format!("{} ({count})", table.title), palette);
    let mut x = inside.x;
    for (c, (name, width)) in table.columns.iter().zip(&widths).enumerate() {
        let arrow = match table.sorted_by() {
            Some((by, is_down)) if by == c => {
                if is_down {
                    "\u{25be}"
                } else {
                    "\u{25b4}"
                }
            }
            _ => "",
        };
        write(buffer, (x, inside.y), inside.right().saturating_sub(x), &format!("{name}{arrow}"), palette.style("accent"));
        x += width + 2;
    }
    for (i, (line, y)) in lines.iter().zip(inside.y + 1..).enumerate() {
        let is_chosen = first + i == table.selected;
        if is_chosen {
            buffer.set_style(
                Rect { x: inside.x, y, width: inside.width, height: 1 },
                palette.style("focus").add_modifier(Modifier::REVERSED),
            );
        }
        let style = if is_chosen { palette.style("focus").add_modifier(Modifier::REVERSED) } else { text };
        let mut x = inside.x;
        for (cell, width) in line.cells.iter().zip(&widths) {
            let room = inside.right().saturating_sub(x).min(*width);
            match cell {
                Cell::Number(_) => write_right(buffer, (x + room, y), room, &cell.text(), style),
                Cell::Text(_) | Cell::Place(..) => {
                    write(buffer, (x, y), room, &cell.text(), style);
                }
            }
            x += width + 2;
        }
    }
    if shown == 0 {
        write(buffer, (inside.x, inside.y + 1), inside.width, "nothing here", dim);
    }
    let foot = match (table.is_filtering, table.filter.is_empty()) {
        (true, _) => format!("/{}\u{2588}", table.filter),
        (false, true) => "j k choose \u{b7} Enter goes there \u{b7} 1-9 s sort \u{b7} / filter \u{b7} Esc closes".to_owned(),
        (false, false) => format!("filter \"{}\" \u{b7} / changes it", table.filter),
    };
    write(buffer, (inside.x, inside.bottom() - 1), inside.width, &foot, dim);
}

/// Every key, from the same tables as the keymap: in two columns where there is room.
pub(super) fn draw_help(buffer: &mut Buffer, area: Rect, keymap: &Keymap, scroll: u16, palette: &Palette) {
    const COLUMN: u16 = 76;
    let mut lines = Vec::new();
    for (group, entries) in keymap.help() {
        lines.push((group.to_owned(), true));
        lines.extend(entries.into_iter().map(|(keys, help)| (format!("  {keys:<20} {help}"), false)));
    }
    lines.push((String::new(), false));
    lines.push((": lists commands too; a count before a key repeats it: 20W, 3z, 5]".to_owned(), false));
    let n_columns = if area.width >= 2 * COLUMN + 6 { 2 } else { 1 };
    let length = lines.len().div_ceil(usize::from(n_columns));
    let place = centred(area, COLUMN * n_columns + 4, length as u16 + 2);
    let inside = panel(buffer, place, "keys (j k scroll, any other key closes)", palette);
    let first = usize::from(scroll).min(length.saturating_sub(usize::from(inside.height)));
    for (column, lines) in (0..n_columns).zip(lines.chunks(length)) {
        let x = inside.x + column * COLUMN;
        for ((text, is_heading), y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
            let style = if *is_heading { palette.style("accent").add_modifier(Modifier::BOLD) } else { palette.style("text") };
            write(buffer, (x, y), COLUMN.min(inside.width) - 1, text, style);
        }
    }
}

/// Every method, those with a row marked, and what is to be known of the chosen one.
pub(super) fn draw_methods(buffer: &mut Buffer, area: Rect, state: &State, chosen: usize, palette: &Palette) {
    const ABOUT: u16 = 3;
    let title = "methods (j k choose, Enter shows or hides the row, any other key closes)";
    let inside = panel(buffer, centred(area, 78, METHODS.len() as u16 + ABOUT + 4), title, palette);
    let rows = inside.height.saturating_sub(ABOUT + 1);
    let first = (chosen + 1).saturating_sub(usize::from(rows));
    let of_methods = METHODS.iter().map(|method| {
        let is_shown = Analysis::of_method(method.name()).is_some_and(|analysis| state.shows(analysis));
        let alias = method.alias().map_or_else(String::new, |alias| format!(" ({alias})"));
        let caution = if method.caution().is_some() { "  !" } else { "" };
        (is_shown, format!("{}{alias}{caution}", method.name()))
    });
    let entries = of_methods.chain([(state.wants_seqlets, "seqlets".to_owned())]);
    for ((i, (is_shown, name)), y) in entries.enumerate().skip(first).zip(inside.y..inside.y + rows) {
        let style = match i == chosen {
            true => palette.style("focus").add_modifier(Modifier::REVERSED),
            false => palette.style(if is_shown { "text" } else { "dim" }),
        };
        let text = format!("{} {name}", if is_shown { "[x]" } else { "[ ]" });
        write(buffer, (inside.x, y), inside.width, &text, style);
    }
    let about = METHODS.get(chosen).map_or_else(
        || "spans of high effect in the mutagenesis, each with the motif it resembles most (q < 0.05)".to_owned(),
        |method| {
            let caution = method.caution().map_or_else(String::new, |caution| format!(". Caution: {caution}"));
            format!("{}{caution}", method.about())
        },
    );
    let about = wrap(&about, usize::from(inside.width));
    for (line, y) in about.iter().take(usize::from(ABOUT)).zip(inside.y + rows + 1..inside.bottom()) {
        write(buffer, (inside.x, y), inside.width, line, palette.style("accent"));
    }
}

/// Everything that was said, the newest at the bottom.
pub(super) fn draw_messages(buffer: &mut Buffer, area: Rect, messages: &[String], scroll: u16, palette: &Palette) {
    let title = "messages (j k scroll, any other key closes)";
    let inside = panel(buffer, centred(area, area.width - 4, area.height - 4), title, palette);
    if messages.is_empty() {
        write(buffer, (inside.x, inside.y), inside.width, "nothing was said", palette.style("dim"));
    }
    let lines: Vec<String> = messages.iter().flat_map(|m| wrap(m, usize::from(inside.width))).collect();
    let most = lines.len().saturating_sub(usize::from(inside.height));
    let first = usize::from(scroll).min(most);
    for (text, y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        write(buffer, (inside.x, y), inside.width, text, palette.style("text"));
    }
}

/// Breaks a message at spaces; continued lines are set in.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = crate::tracks::clean_text(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
