//! The scene painted in terminal cells. Drawing only reads: no file, lock or channel in here.
//!
//! ```text
//! header   sample, model, gene, place
//! header   predicted and measured, and what is to be known about them
//! ruler    positions
//! rows     label | axis | plot ................ | detail, state
//! footer   what was said, or the keys
//! ```

mod ascii;
mod braille;
mod cells;
mod edits;
mod frame;
mod hit;
mod layout;
mod opening;
mod overlay;
mod palette;
mod rows;

pub use hit::{Hit, hit, is_on_other_side};
pub use layout::{MIN_HEIGHT, MIN_WIDTH, plot_columns};
pub use opening::{Reading, draw_opening};
pub use palette::{Depth, Palette, is_ascii_only};

use crate::input::Keymap;
use crate::scene::{Geometry, Scene};
use crate::state::{Mode, State};
use layout::{Layout, columns_in_view};
use ratatui::Frame;
use ratatui::layout::Rect;

/// Lanes of genes or intervals a row stacks on the screen.
const MAX_LANES: usize = 3;

/// Draws the state. `state.set_columns` must have been given the [`plot_columns`] of the frame's width.
pub fn draw(frame: &mut Frame<'_>, state: &State, keymap: &Keymap, palette: &Palette) {
    paint(frame, state, keymap, palette);
    if palette.is_ascii() {
        ascii::to_ascii(frame.buffer_mut());
    }
}

fn paint(frame: &mut Frame<'_>, state: &State, keymap: &Keymap, palette: &Palette) {
    let area = frame.area();
    frame.buffer_mut().set_style(area, palette.ground());
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        frame::draw_too_small(frame.buffer_mut(), area, palette);
        return;
    }
    let geometry = Geometry { n_columns: columns_in_view(state, area.width), char_columns: 1.0, max_lanes: MAX_LANES };
    let (scene, beside) = Scene::build_each(state, geometry);
    let layout = Layout::of(area, &scene);
    let buffer = frame.buffer_mut();
    frame::draw_header(buffer, &layout, &scene, beside.as_ref(), palette);
    let is_left = state.other.as_ref().is_none_or(|other| !other.is_left);
    let own = if beside.is_some() { layout.side(is_left) } else { layout.clone() };
    let lines = |top: u16, height: u16| Rect { x: area.x, y: top, width: area.width, height };
    frame::draw_ruler(buffer, &own, &scene, palette, if beside.is_some() { "text" } else { "dim" });
    for (row, top, height) in layout.rows(&scene) {
        rows::draw_plot(buffer, &own, lines(top, height), &scene, row, palette);
        rows::draw_margins(buffer, &layout, lines(top, height), row, palette);
    }
    frame::draw_selection(buffer, &own, &scene, palette);
    if let Some(beside) = &beside {
        let other = layout.side(!is_left);
        frame::draw_ruler(buffer, &other, beside, palette, "dim");
        // The rows are those of the place with the focus; the other has them at its own zoom, or not at all.
        for (row, top, height) in layout.rows(&scene) {
            if let Some(row) = beside.rows.iter().find(|r| r.id == row.id) {
                rows::draw_plot(buffer, &other, lines(top, height), beside, row, palette);
            }
        }
        frame::draw_selection(buffer, &other, beside, palette);
        frame::draw_divide(buffer, &layout, palette);
    }
    frame::draw_ruler_label(buffer, &layout, (&scene, beside.as_ref()), is_left, palette);
    frame::draw_footer(buffer, &layout, state, &scene, keymap, palette);
    match &state.mode {
        Mode::Browse | Mode::Select(_) => {}
        Mode::Edit(prompt) => {
            let cursor = edits::draw_prompt(buffer, area, prompt, state, palette);
            frame.set_cursor_position(cursor);
        }
        Mode::Edits(chosen) => edits::draw_list(buffer, area, *chosen, state, palette),
        Mode::Prompt(prompt) => {
            let cursor = overlay::draw_prompt(buffer, area, prompt, palette);
            frame.set_cursor_position(cursor);
        }
        Mode::Table(table) => overlay::draw_table(buffer, area, table, palette),
        Mode::Help(scroll) => overlay::draw_help(buffer, area, keymap, *scroll, palette),
        Mode::Methods(chosen) => overlay::draw_methods(buffer, area, state, *chosen, palette),
        Mode::Messages(scroll) => overlay::draw_messages(buffer, area, &state.messages, *scroll, palette),
    }
}

#[cfg(test)]
#[path = "screens/tests.rs"]
mod screens;
#[cfg(test)]
mod tests;
