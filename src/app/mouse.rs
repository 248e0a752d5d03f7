//! What the mouse does: wheel, drag, click, and the value it is over.

use crate::genome::{Region, thousands};
use crate::state::{Mode, State};
use crate::ui::{Hit, hit, is_on_other_side};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

/// What a held button does.
#[derive(Clone, Debug)]
enum Drag {
    /// Moves the view: the column it began in, and the view then.
    Pan(u16, Region),
    /// Chooses a stretch on the ruler, from a position.
    Zoom(u64),
    /// Makes a row higher: the line it began in, and the lines it had more then.
    Resize(u16, i16),
}

/// The mouse, between its events.
#[derive(Clone, Debug, Default)]
pub(super) struct Mouse {
    drag: Option<Drag>,
}

impl Mouse {
    /// Takes in an event on a screen of this size. Whether anything changed.
    pub fn handle(&mut self, state: &mut State, size: (u16, u16), event: &MouseEvent) -> bool {
        let at = (event.column, event.row);
        let wheel = match event.kind {
            MouseEventKind::ScrollUp => -1,
            MouseEventKind::ScrollDown => 1,
            _ => 0,
        };
        match &mut state.mode {
            Mode::Browse => {}
            Mode::Table(table) => {
                table.select(3 * wheel);
                return wheel != 0;
            }
            Mode::Help(scroll) | Mode::Messages(scroll) => {
                *scroll = scroll.saturating_add_signed(3 * wheel as i16);
                return wheel != 0;
            }
            _ => return false,
        }
        // Of two places the one that is scrolled or clicked has the focus.
        let takes_focus = matches!(event.kind, MouseEventKind::Down(_)) || wheel != 0;
        if takes_focus && is_on_other_side(state, size.0, at.0) {
            state.switch_side();
        }
        match event.kind {
            MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
                match hit(state, size, at) {
                    Hit::Label(_) | Hit::Nothing => state.move_focus(wheel),
                    _ if event.modifiers.contains(KeyModifiers::SHIFT) => state.pan(0.1 * wheel as f64),
                    Hit::Plot(_, position, _) | Hit::Ruler(position) => {
                        state.zoom_at(position, if wheel < 0 { 0.8 } else { 1.25 });
                    }
                }
                true
            }
            MouseEventKind::ScrollLeft => {
                state.pan(-0.1);
                true
            }
            MouseEventKind::ScrollRight => {
                state.pan(0.1);
                true
            }
            MouseEventKind::Down(MouseButton::Left) => {
                self.drag = press(state, hit(state, size, at), at);
                true
            }
            MouseEventKind::Drag(MouseButton::Left) => self.drag_to(state, size, at),
            MouseEventKind::Up(MouseButton::Left) => self.release(state, size, at),
            MouseEventKind::Moved => {
                let beside = state.other.as_ref().filter(|_| is_on_other_side(state, size.0, at.0));
                let chrom = beside.map_or(&state.region, |other| &other.region).chrom.clone();
                hover(state, &chrom, &hit(state, size, at))
            }
            _ => false,
        }
    }

    fn drag_to(&mut self, state: &mut State, size: (u16, u16), at: (u16, u16)) -> bool {
        match self.drag.clone() {
            Some(Drag::Pan(column, region)) => {
                let bases = (i64::from(column) - i64::from(at.0)) * region.len() as i64 / state.n_columns.max(1) as i64;
                let start = region.start.saturating_add_signed(bases);
                state.set_region(Region::new(region.chrom.clone(), start, start + region.len()));
                state.follow_view();
                true
            }
            Some(Drag::Resize(line, lines)) => {
                let more = lines + at.1 as i16 - line as i16;
                match state.focused().map(|row| state.row_view(row).extra_lines) {
                    // Only the first step is a change of its own: a drag is taken back as one.
                    Some(now) if now == lines => state.change("drag a row's height", |state| state.resize_focused(more - lines)),
                    Some(now) => state.resize_focused(more - now),
                    None => {}
                }
                true
            }
            Some(Drag::Zoom(from)) => {
                if let Hit::Ruler(to) | Hit::Plot(_, to, _) = hit(state, size, at) {
                    let (a, b) = (from.min(to), from.max(to));
                    state.notice = Some(format!("{}:{}-{}", state.region.chrom, thousands(a + 1), thousands(b + 1)));
                }
                true
            }
            None => false,
        }
    }

    fn release(&mut self, state: &mut State, size: (u16, u16), at: (u16, u16)) -> bool {
        let Some(Drag::Zoom(from)) = self.drag.take() else { return false };
        if let Hit::Ruler(to) | Hit::Plot(_, to, _) = hit(state, size, at) {
            let (a, b) = (from.min(to), from.max(to));
            // A click puts the position in the middle; only a drag over more than two columns is a choice.
            match (b - a) * state.n_columns as u64 > 2 * state.region.len() {
                true => state.show_region(Region::new(state.region.chrom.clone(), a, b + 1)),
                false => state.centre_on(a),
            }
        }
        true
    }
}

fn press(state: &mut State, hit: Hit, at: (u16, u16)) -> Option<Drag> {
    match hit {
        Hit::Ruler(position) => Some(Drag::Zoom(position)),
        Hit::Plot(label, ..) => {
            state.focus = label;
            Some(Drag::Pan(at.0, state.region.clone()))
        }
        Hit::Label(label) => {
            state.focus = label;
            let lines = state.focused().map_or(0, |row| state.row_view(row).extra_lines);
            Some(Drag::Resize(at.1, lines))
        }
        Hit::Nothing => None,
    }
}

/// Says what the mouse is over.
fn hover(state: &mut State, chrom: &str, hit: &Hit) -> bool {
    let said = match hit {
        Hit::Plot(label, position, value) => {
            let value = if value.is_empty() { String::new() } else { format!(" \u{b7} {value}") };
            Some(format!("{chrom}:{} \u{b7} {label}{value}", thousands(position + 1)))
        }
        Hit::Ruler(position) => Some(format!("{chrom}:{} \u{b7} drag to zoom", thousands(position + 1))),
        Hit::Label(_) | Hit::Nothing => None,
    };
    let is_new = said.is_some() && state.notice != said;
    if is_new {
        state.notice = said;
    }
    is_new
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;

    const SIZE: (u16, u16) = (160, 48);

    fn state() -> State {
        let mut state = toy::state(None);
        state.n_columns = crate::ui::plot_columns(160);
        toy::fill_signals(&mut state);
        state
    }

    fn send(state: &mut State, events: &[(MouseEventKind, u16, u16)]) {
        let mut mouse = Mouse::default();
        for &(kind, column, row) in events {
            mouse.handle(state, SIZE, &MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE });
        }
    }

    #[test]
    fn a_drag_on_the_ruler_zooms_and_a_click_centres() {
        use MouseEventKind::{Down, Drag, Up};
        let left = MouseButton::Left;
        let mut state = state();
        send(&mut state, &[(Down(left), 22 + 11, 2), (Drag(left), 22 + 40, 2), (Up(left), 22 + 55, 2)]);
        assert_eq!(state.region.to_string(), "chr1:16,001-20,001");
        state.travel(true);
        assert_eq!(state.region.to_string(), "chr1:15,001-25,000", "a jump is remembered");
        send(&mut state, &[(Down(left), 22 + 11, 2), (Up(left), 22 + 11, 2)]);
        assert_eq!(state.region.centre(), 16_000);
    }

    #[test]
    fn dragging_moves_the_view_and_a_label_resizes_its_row() {
        use MouseEventKind::{Down, Drag, Up};
        let left = MouseButton::Left;
        let mut moved = state();
        send(&mut moved, &[(Down(left), 100, 6), (Drag(left), 89, 6), (Up(left), 89, 6)]);
        assert_eq!((moved.region.start, moved.focus.as_str()), (16_000, "H3K4me3"));
        let mut resized = state();
        send(&mut resized, &[(Down(left), 2, 6), (Drag(left), 2, 7), (Drag(left), 2, 8), (Up(left), 2, 8)]);
        let row = resized.focused().unwrap();
        assert_eq!((resized.label(row).as_str(), resized.row_view(row).extra_lines), ("H3K4me3", 2));
        resized.undo();
        assert_eq!(resized.row_view(row).extra_lines, 0, "a drag is taken back as one change");
    }

    #[test]
    fn the_wheel_zooms_where_it_points_and_the_value_is_said() {
        let mut state = state();
        send(&mut state, &[(MouseEventKind::ScrollUp, 22 + 11, 6)]);
        assert_eq!(state.region.len(), 8_000);
        assert_eq!(state.region.start, 16_000 - 800, "the base under the pointer stays there");
        send(&mut state, &[(MouseEventKind::ScrollDown, 2, 6)]);
        assert_eq!(state.focus, "EPD");
        send(&mut state, &[(MouseEventKind::Moved, 22 + 100, 6)]);
        assert!(state.notice.as_deref().unwrap().contains("H3K4me3"), "{:?}", state.notice);
    }
}
