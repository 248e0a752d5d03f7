//! Order and scales of the rows of a figure, where they are not those of the screen.

use super::FigureOptions;
use crate::scene::{Plot, Row, Scene};

/// Puts rows in the order of the options and sets the scales they ask for. Rows not named keep their order, below the others.
pub fn arrange(scene: &mut Scene, options: &FigureOptions) {
    let place = |row: &Row| options.order.iter().position(|label| *label == row.label).unwrap_or(usize::MAX);
    scene.rows.sort_by_key(place);
    for row in &mut scene.rows {
        if let Some((_, range)) = options.scales.iter().find(|(label, _)| *label == row.label) {
            set_scale(row, *range);
        }
    }
}

/// Gives rows of one name one scale in all scenes, so that panels can be compared.
pub fn share_scales(scenes: &mut [Scene]) {
    let labels: Vec<String> = scenes.iter().flat_map(|s| &s.rows).map(|row| row.label.clone()).collect();
    for label in labels {
        let rows = || scenes.iter().flat_map(|s| &s.rows).filter(|row| row.label == label);
        let ranges = rows().filter_map(scale).filter(|(lo, hi)| lo.is_finite() && hi.is_finite());
        let range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        if let Some(range) = range {
            scenes.iter_mut().flat_map(|s| &mut s.rows).filter(|row| row.label == label).for_each(|row| set_scale(row, range));
        }
    }
}

/// The scale of a row that draws numbers.
fn scale(row: &Row) -> Option<(f32, f32)> {
    match &row.plot {
        Plot::Signal(columns, _) if columns.iter().all(|c| c.is_missing()) => None,
        Plot::Signal(..) => row.axis,
        Plot::Signed(_, limit) | Plot::Letters(_, _, limit) => Some((-limit, *limit)),
        Plot::Heat(_, limit) => Some((0.0, *limit)),
        Plot::Message(_) | Plot::Note(_) | Plot::Genes(_) | Plot::Intervals(..) | Plot::Bases(_) | Plot::Codons(_) => None,
    }
}

/// Signed rows reach as far down as up, weights begin at zero.
fn set_scale(row: &mut Row, (lo, hi): (f32, f32)) {
    let both = lo.abs().max(hi.abs());
    match &mut row.plot {
        Plot::Signal(..) => row.axis = Some((lo, hi)),
        Plot::Signed(_, limit) | Plot::Letters(_, _, limit) => {
            *limit = both;
            row.axis = Some((-both, both));
        }
        Plot::Heat(_, limit) => {
            *limit = hi;
            row.axis = Some((0.0, hi));
        }
        Plot::Message(_) | Plot::Note(_) | Plot::Genes(_) | Plot::Intervals(..) | Plot::Bases(_) | Plot::Codons(_) => {}
    }
}
