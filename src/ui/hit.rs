//! What stands at a place of the screen: for the mouse.

use super::MAX_LANES;
use super::layout::{Layout, MIN_HEIGHT, MIN_WIDTH, columns_in_view, plot_edges};
use crate::scene::{Geometry, Plot, Row, Scene, format_value};
use crate::state::{State, columns_of_a_side};
use ratatui::layout::Rect;

/// What the mouse is on.
#[derive(Clone, Debug, PartialEq)]
pub enum Hit {
    /// The ruler, over a position.
    Ruler(u64),
    /// A row's plot: its label, the position, and what is there in words.
    Plot(String, u64, String),
    /// A row's label.
    Label(String),
    /// Anything else.
    Nothing,
}

/// What stands at a column and line of a screen of this size.
pub fn hit(state: &State, (width, height): (u16, u16), (x, y): (u16, u16)) -> Hit {
    if width < MIN_WIDTH || height < MIN_HEIGHT {
        return Hit::Nothing;
    }
    let geometry = Geometry { n_columns: columns_in_view(state, width), char_columns: 1.0, max_lanes: MAX_LANES };
    let (of_focus, beside) = Scene::build_each(state, geometry);
    let whole = Layout::of(Rect::new(0, 0, width, height), &of_focus);
    let is_beside = is_on_other_side(state, width, x);
    let scene = beside.as_ref().filter(|_| is_beside).unwrap_or(&of_focus);
    let layout = match &state.other {
        Some(other) => whole.side(other.is_left == is_beside),
        None => whole.clone(),
    };
    let column = x.checked_sub(layout.plot_x).filter(|c| *c < layout.plot_width).map(usize::from);
    if y == layout.ruler_y {
        return column.map_or(Hit::Nothing, |column| Hit::Ruler(scene.bases_of_column(column).0));
    }
    for (row, top, height) in whole.rows(&of_focus) {
        if (top..top + height).contains(&y) {
            // Identity, not the name it is shown by.
            let label = state.label(row.id);
            return match column {
                Some(column) => {
                    let bases = scene.bases_of_column(column);
                    let row = scene.rows.iter().find(|r| r.id == row.id);
                    Hit::Plot(label, bases.0, row.map_or_else(String::new, |r| words(r, column, usize::from(y - top), bases)))
                }
                None => Hit::Label(label),
            };
        }
    }
    Hit::Nothing
}

/// Whether a column of a screen of this width belongs to the place without the focus.
pub fn is_on_other_side(state: &State, width: u16, x: u16) -> bool {
    let Some(other) = &state.other else { return false };
    let (left, right) = plot_edges(width);
    let divide = left + columns_of_a_side(usize::from(right - left)) as u16;
    (left..right).contains(&x) && other.is_left == (x < divide)
}

/// What a row shows at a column, in words; `line` counts from its top.
fn words(row: &Row, column: usize, line: usize, (from, to): (u64, u64)) -> String {
    let overlaps = |start: u64, end: u64| start < to && from < end;
    match &row.plot {
        Plot::Signal(columns, _) => match columns.get(column) {
            Some(c) if c.is_missing() => "not measured".to_owned(),
            Some(c) if c.min == c.max => format_value(c.mean),
            Some(c) => format!("mean {}, {} to {}", format_value(c.mean), format_value(c.min), format_value(c.max)),
            None => String::new(),
        },
        Plot::Signed(lanes, _) | Plot::Heat(lanes, _) => {
            let lane = if lanes.len() == 1 { lanes.first() } else { lanes.get(line) };
            let value = lane.and_then(|l| Some((l, *l.values.get(column)?)));
            match value {
                Some((lane, v)) if v.is_finite() => format!("{} {}", lane.label, format_value(v)).trim().to_owned(),
                _ => String::new(),
            }
        }
        Plot::Letters(bases, values, _) => match (bases.get(column), values.get(column)) {
            (Some(base), Some(v)) if v.is_finite() => format!("{} {}", *base as char, format_value(*v)),
            _ => String::new(),
        },
        Plot::Bases(bases) => bases.get(column).map_or_else(String::new, |b| (*b as char).to_string()),
        Plot::Genes(lanes) => {
            let mut names: Vec<&str> =
                lanes.iter().flatten().filter(|g| overlaps(g.start, g.end)).map(|g| g.name.as_str()).collect();
            names.dedup();
            names.join(", ")
        }
        Plot::Intervals(lanes, _) => {
            let names: Vec<&str> = lanes.iter().flatten().filter(|i| overlaps(i.start, i.end)).map(|i| i.name.as_str()).collect();
            names.join(", ")
        }
        Plot::Codons(_) | Plot::Message(_) | Plot::Note(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;
    use crate::ui::plot_columns;

    #[test]
    fn every_part_of_the_screen_is_told_from_the_others() {
        let mut state = toy::state(None);
        state.n_columns = plot_columns(160);
        toy::fill_signals(&mut state);
        let size = (160, 48);
        let at = |x, y| hit(&state, size, (x, y));
        assert_eq!(at(22, 2), Hit::Ruler(15_000));
        assert_eq!(at(2, 3), Hit::Label("genes".to_owned()));
        assert_eq!(at(22 + 60, 3), Hit::Plot("genes".to_owned(), 15_000 + 60 * 10_000 / 110, "ALPHA".to_owned()));
        let Hit::Plot(label, _, value) = at(22 + 100, 6) else { panic!() };
        assert_eq!((label.as_str(), value.as_str()), ("H3K4me3", "100"));
        assert!(matches!(at(22, 6), Hit::Plot(_, _, value) if value == "not measured"));
        assert_eq!((at(0, 0), at(0, 47), hit(&state, (20, 5), (1, 1))), (Hit::Nothing, Hit::Nothing, Hit::Nothing));
    }
}
