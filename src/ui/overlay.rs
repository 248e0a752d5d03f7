//! Panels over the tracks: goto, help, messages.

use super::cells::write;
use super::palette::Palette;
use crate::input::Keymap;
use crate::state::{Prompt, State};
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

/// The goto prompt; returns where the cursor stands.
pub(super) fn draw_goto(buffer: &mut Buffer, area: Rect, prompt: &Prompt, state: &State, palette: &Palette) -> Position {
    let height = 3 + prompt.matches.len().max(1) as u16;
    let inside = panel(buffer, centred(area, 64, height), "go to a gene or a place", palette);
    let width = usize::from(inside.width - 2);
    let scroll = prompt.input.visual_scroll(width);
    let shown: String = prompt.input.value().chars().skip(scroll).collect();
    write(buffer, (inside.x, inside.y), 2, "> ", palette.style("accent"));
    write(buffer, (inside.x + 2, inside.y), inside.width - 2, &shown, palette.style("text"));
    if prompt.matches.is_empty() {
        let is_empty = prompt.input.value().is_empty();
        let hint = if is_empty { "a gene, chr1:1,001-2,000, chr1:1.5M or chr1; Esc leaves" } else { "Enter goes there" };
        write(buffer, (inside.x + 2, inside.y + 1), inside.width - 2, hint, palette.style("dim"));
    }
    for (i, (found, y)) in prompt.matches.iter().zip(inside.y + 1..inside.bottom()).enumerate() {
        let gene = state.session.genome.genes.get(found.gene);
        let style = match prompt.selected == Some(i) {
            true => palette.style("focus").add_modifier(Modifier::REVERSED),
            false => palette.style("text"),
        };
        let place = if state.session.genome.is_gene_relative { gene.id.clone() } else { gene.region.to_string() };
        let text = format!("{:<16} {place} ({})", found.name, gene.strand);
        write(buffer, (inside.x + 2, y), inside.width - 2, &text, style);
    }
    let x = inside.x + 2 + prompt.input.visual_cursor().saturating_sub(scroll).min(width.saturating_sub(1)) as u16;
    Position { x, y: inside.y }
}

/// Every key, from the same tables as the keymap.
pub(super) fn draw_help(buffer: &mut Buffer, area: Rect, keymap: &Keymap, scroll: u16, palette: &Palette) {
    let mut lines = Vec::new();
    for (group, entries) in keymap.help() {
        lines.push((group.to_owned(), true));
        lines.extend(entries.into_iter().map(|(keys, help)| (format!("  {keys:<22} {help}"), false)));
    }
    let inside = panel(buffer, centred(area, 76, lines.len() as u16 + 2), "keys (j k scroll, any other key closes)", palette);
    let first = usize::from(scroll).min(lines.len().saturating_sub(usize::from(inside.height)));
    for ((text, is_heading), y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        let style = if *is_heading { palette.style("accent").add_modifier(Modifier::BOLD) } else { palette.style("text") };
        write(buffer, (inside.x, y), inside.width, text, style);
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
