//! Panels of what if: an edit being typed, and the list of edits.

use super::cells::write;
use super::overlay::{centred, panel};
use super::palette::Palette;
use crate::session::EDIT_FORMS;
use crate::state::{EditPrompt, State};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

/// The prompt, what it is understood as, and what can be typed; returns where the cursor stands.
pub(super) fn draw_prompt(buffer: &mut Buffer, area: Rect, prompt: &EditPrompt, state: &State, palette: &Palette) -> Position {
    let title = "what if (Enter changes what the model reads, Esc leaves)";
    let inside = panel(buffer, centred(area, 78, 7 + EDIT_FORMS.len() as u16), title, palette);
    let width = usize::from(inside.width - 2);
    let scroll = prompt.input.visual_scroll(width);
    let shown: String = prompt.input.value().chars().skip(scroll).collect();
    write(buffer, (inside.x, inside.y), 2, "> ", palette.style("accent"));
    write(buffer, (inside.x + 2, inside.y), inside.width - 2, &shown, palette.style("text"));
    let typed = prompt.input.value();
    let (text, role) = match (state.motif_meant(typed), state.edit_words().parse(typed)) {
        _ if typed.trim().is_empty() => (meant(state), "dim"),
        (Some((motif, ..)), _) => (format!("every site of {} there", motif.tf.unwrap_or(motif.name)), "good"),
        (None, Err(reason)) => (reason, "busy"),
        (None, Ok(edit)) => match state.edit_obstacle(&edit) {
            Some(reason) => (format!("{edit}: changes nothing here, {reason}"), "busy"),
            None => (edit.to_string(), "good"),
        },
    };
    write(buffer, (inside.x + 2, inside.y + 1), inside.width - 2, &text, palette.style(role));
    let forms = EDIT_FORMS.iter().zip(inside.y + 3..inside.bottom());
    let widest = EDIT_FORMS.iter().map(|(form, _)| form.chars().count()).max().unwrap_or(0) as u16;
    for ((form, about), y) in forms {
        write(buffer, (inside.x + 2, y), widest, form, palette.style("text"));
        let x = inside.x + widest + 4;
        write(buffer, (x, y), inside.right().saturating_sub(x), about, palette.style("dim"));
    }
    let last = "places may be left out, or be: selection, window, view";
    write(buffer, (inside.x + 2, inside.bottom() - 1), inside.width - 2, last, palette.style("dim"));
    let x = inside.x + 2 + prompt.input.visual_cursor().saturating_sub(scroll).min(width.saturating_sub(1)) as u16;
    Position { x, y: inside.y }
}

/// What an edit without a place means.
fn meant(state: &State) -> String {
    match (state.selected(), state.subject()) {
        (Some(region), _) => format!("without a place: the selection, {region}"),
        (None, Some(_)) => "without a place: the model's window (V selects, i selects a peak)".to_owned(),
        (None, None) => "without a place: the view".to_owned(),
    }
}

/// Every edit with whether it changes the answer shown.
pub(super) fn draw_list(buffer: &mut Buffer, area: Rect, chosen: usize, state: &State, palette: &Palette) {
    let header = state.edits.len().max(1) as u16;
    let title = "edits (j k choose, d takes away, Enter goes there; saved with the session)";
    let inside = panel(buffer, centred(area, 100, (header + 4).min(area.height - 2)), title, palette);
    if state.edits.is_empty() {
        write(buffer, (inside.x, inside.y), inside.width, "no edits; e makes one", palette.style("dim"));
        return;
    }
    let room = usize::from(inside.height.saturating_sub(2)).max(1);
    let first = chosen.saturating_sub(room - 1);
    for ((i, edit), y) in state.edits.iter().enumerate().skip(first).take(room).zip(inside.y..) {
        let style = if i == chosen { palette.style("focus").add_modifier(Modifier::REVERSED) } else { palette.style("text") };
        let text = edit.to_string();
        let taken = write(buffer, (inside.x, y), inside.width, &text, style);
        if let Some(reason) = state.edit_obstacle(edit) {
            let x = inside.x + taken + 2;
            write(buffer, (x, y), inside.right().saturating_sub(x), &format!("nothing here: {reason}"), palette.style("dim"));
        }
    }
    let header = crate::scene::Header::build(state);
    if !header.predicted.is_empty() {
        let text = format!("predicted {} with all of them", header.predicted);
        write(buffer, (inside.x, inside.bottom() - 1), inside.width, &text, palette.style("text").add_modifier(Modifier::BOLD));
    }
}
