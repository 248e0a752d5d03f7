//! What stands out of a model's row as it is drawn: for next and previous, whatever the method.

use crate::genome::Region;
use crate::scene::{Geometry, Lane, Plot, SIGNIFICANT, Scene};
use crate::state::{RowId, State};

/// Bases a column in which a row is looked at.
const GRAIN: u64 = 50;

/// Stretches of the model's window where a lane of the row reaches half of the row's highest value, along the genome, each with the
/// position that is furthest from zero. `None` where the row is no model's or has no values.
pub(super) fn landmarks(state: &State, row: RowId) -> Option<Vec<(Region, u64)>> {
    let is_compared = matches!(row, RowId::ComparedAttention | RowId::ComparedAttribution | RowId::Difference);
    if !is_compared && !matches!(row, RowId::Attention | RowId::Attribution(_)) {
        return None;
    }
    let window = &state.explained.subject()?.window;
    let len = state.session.genome.chroms.len_of(window.chrom())?;
    let mut whole = state.clone();
    whole.region = window.region(len);
    whole.n_columns = (whole.region.len() / GRAIN).max(1) as usize;
    let geometry = Geometry { n_columns: whole.n_columns, char_columns: 1.0, max_lanes: 1 };
    let mut lanes: Vec<Lane> = match Scene::row(&whole, geometry, row).plot {
        Plot::Signed(lanes, _) | Plot::Heat(lanes, _) => lanes,
        Plot::Letters(_, values, _) => vec![Lane { label: String::new(), note: String::new(), values }],
        _ => return None,
    };
    // Attention that chance does not give is what stands out, where it is known.
    if lanes.iter().any(|lane| lane.label == SIGNIFICANT) {
        lanes.retain(|lane| lane.label == SIGNIFICANT);
    }
    let size = |column: usize| {
        let of_lane = |lane: &Lane| lane.values.get(column).copied().filter(|v| v.is_finite()).map_or(0.0, f32::abs);
        lanes.iter().map(of_lane).fold(0.0, f32::max)
    };
    let sizes: Vec<f32> = (0..whole.n_columns).map(size).collect();
    Some(runs(&sizes).into_iter().map(|(from, to, summit)| place(&whole.region, whole.n_columns, from, to, summit)).collect())
}

fn place(region: &Region, n_columns: usize, from: usize, to: usize, summit: usize) -> (Region, u64) {
    let edge = |column: usize| region.start + column as u64 * region.len() / n_columns as u64;
    let middle = (edge(summit) + edge(summit + 1)) / 2;
    (Region::new(region.chrom.clone(), edge(from), edge(to)), middle)
}

/// Runs of at least half the highest value: from, one past the end, the highest.
fn runs(sizes: &[f32]) -> Vec<(usize, usize, usize)> {
    let least = sizes.iter().copied().fold(0.0, f32::max) / 2.0;
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (i, &size) in sizes.iter().enumerate().filter(|(_, size)| least > 0.0 && **size >= least) {
        match runs.last_mut() {
            Some(run) if run.1 == i => {
                run.1 = i + 1;
                if size > sizes[run.2] {
                    run.2 = i;
                }
            }
            _ => runs.push((i, i + 1, i)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_half_the_highest_value_stand_out() {
        assert_eq!(runs(&[0.0, 1.0, 3.0, 4.0, 2.0, 0.0, 2.0, 1.9]), [(2, 5, 3), (6, 7, 6)]);
        assert!(runs(&[0.0, 0.0]).is_empty() && runs(&[]).is_empty());
    }
}
