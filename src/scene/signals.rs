//! Measured signals and reference bases.

use super::{Geometry, Plot, Row, bases_of_column};
use crate::genome::Region;
use crate::session::{Change, Edit, TrackId};
use crate::state::State;
use crate::tracks::{Column, SignalUnit};

/// A signal's row.
pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry, track: TrackId) {
    let info = &state.session.tracks[track.0];
    let Some(view) = state.signals.get(&track) else { return };
    let columns = match &view.columns {
        Err(reason) => return row.plot = Plot::Message(reason.clone()),
        Ok(columns) => moved(columns, &view.region, &state.region, geometry.n_columns),
    };
    let (lo, hi) = match info.unit {
        Some(SignalUnit::Fraction) => (0.0, 1.0),
        _ => range(&columns),
    };
    row.axis = Some((lo, hi));
    row.detail = detail(info.unit, &state.region, geometry.n_columns, columns.iter().all(Column::is_missing));
    row.plot = Plot::Signal(columns, format!("signal.{}", info.mark.as_deref().unwrap_or(&info.label)));
}

fn detail(unit: Option<SignalUnit>, region: &Region, n_columns: usize, is_all_missing: bool) -> String {
    let mut parts = Vec::new();
    parts.extend(unit.map(|u| u.to_string()));
    let bases_per_column = region.len() as f64 / n_columns.max(1) as f64;
    if is_all_missing {
        parts.push("not measured here".to_owned());
    } else if bases_per_column > 1.0 {
        parts.push(format!("mean, max per {}", format_span(bases_per_column)));
    }
    parts.join(" · ")
}

/// Columns read for one region, as columns of another: each takes the one its middle falls in, or is missing.
fn moved(columns: &[Column], from: &Region, to: &Region, n_columns: usize) -> Vec<Column> {
    if from == to && columns.len() == n_columns {
        return columns.to_vec();
    }
    (0..n_columns)
        .map(|i| {
            let (start, end) = bases_of_column(to, n_columns, i);
            let middle = start + (end - start) / 2;
            if from.chrom != to.chrom || !from.contains(middle) || columns.is_empty() {
                return Column::MISSING;
            }
            let at = (middle - from.start) * columns.len() as u64 / from.len().max(1);
            columns.get(at as usize).copied().unwrap_or(Column::MISSING)
        })
        .collect()
}

/// The axis of a signal: from zero (or its lowest value) to a round number above its highest.
pub(super) fn range(columns: &[Column]) -> (f32, f32) {
    let finite = || columns.iter().filter(|c| !c.is_missing());
    let hi = finite().map(|c| c.max).fold(0.0_f32, f32::max);
    let lo = finite().map(|c| c.min).fold(0.0_f32, f32::min);
    let hi = if hi > 0.0 { round_up(hi) } else { 0.0 };
    let lo = if lo < 0.0 { -round_up(-lo) } else { 0.0 };
    if hi == lo { (0.0, 1.0) } else { (lo, hi) }
}

/// The next number of two significant digits.
pub(super) fn round_up(value: f32) -> f32 {
    if !value.is_finite() || value <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powi((f64::from(value).log10().floor()) as i32 - 1);
    ((f64::from(value) / unit - 1e-6).ceil() * unit) as f32
}

/// A value of an axis, short: `38`, `2.5`, `0.012`, `1.2e6`.
pub fn format_value(value: f32) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => return "0".to_owned(),
        s if s >= 100_000.0 => return format!("{value:.1e}"),
        s if s >= 10.0 => format!("{value:.0}"),
        s if s >= 1.0 => format!("{value:.1}"),
        s if s >= 0.1 => format!("{value:.2}"),
        s if s >= 0.001 => format!("{value:.4}"),
        _ => return format!("{value:.0e}"),
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "\u{2212}")
}

/// A number of bases, short: `62 bp`, `1.2 kb`, `3.4 Mb`.
pub(super) fn format_span(bases: f64) -> String {
    match bases {
        b if b < 1_000.0 => format!("{b:.0} bp"),
        b if b < 1_000_000.0 => format!("{:.1} kb", b / 1e3),
        b => format!("{:.1} Mb", b / 1e6),
    }
}

/// Bases of a region with edits at the places of the reference: `-` where one is taken out; what is put in has no place.
pub(super) fn edited_bases(bases: &[u8], region: &Region, edits: &[Edit]) -> Vec<u8> {
    let mut edited = bases.to_vec();
    for edit in edits.iter().filter(|edit| edit.region.overlaps(region)) {
        let Change::Bases { to, .. } = &edit.change else { continue };
        for position in edit.region.start.max(region.start)..edit.region.end.min(region.end) {
            if let Some(base) = edited.get_mut((position - region.start) as usize) {
                *base = to.as_bytes().get((position - edit.region.start) as usize).copied().unwrap_or(b'-');
            }
        }
    }
    edited
}

/// The reference base of each column; blank where it was not read.
pub(super) fn bases_per_column(bases: &[u8], from: &Region, to: &Region, n_columns: usize) -> Vec<u8> {
    (0..n_columns)
        .map(|i| {
            let (position, _) = bases_of_column(to, n_columns, i);
            let is_read = from.chrom == to.chrom && from.contains(position);
            let base = is_read.then(|| bases.get((position - from.start) as usize)).flatten();
            base.copied().unwrap_or(b' ')
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_columns_stay_where_they_were_measured() {
        let column = |v: f32| Column { mean: v, min: v, max: v, covered: 1.0 };
        let columns: Vec<Column> = (0..10).map(|i| column(i as f32)).collect();
        let from = Region::new("c", 100, 200);
        let right = moved(&columns, &from, &Region::new("c", 150, 250), 10);
        assert_eq!(right[..5].iter().map(|c| c.mean).collect::<Vec<_>>(), [5.0, 6.0, 7.0, 8.0, 9.0]);
        assert!(right[5..].iter().all(Column::is_missing), "what was not read is a gap");
        assert!(moved(&columns, &from, &Region::new("d", 100, 200), 10).iter().all(Column::is_missing));
    }

    #[test]
    fn axes_are_round_and_values_short() {
        assert_eq!([37.2, 0.0123, 101.0, 4.0].map(round_up), [38.0, 0.013, 110.0, 4.0]);
        assert_eq!(
            [0.0, 38.0, 2.5, 0.013, -1.0, 1_234_567.0].map(format_value),
            ["0", "38", "2.5", "0.013", "\u{2212}1", "1.2e6"]
        );
    }

    #[test]
    fn a_signal_of_zeros_has_an_axis() {
        let zero = Column { mean: 0.0, min: 0.0, max: 0.0, covered: 1.0 };
        assert_eq!(range(&[zero, Column::MISSING]), (0.0, 1.0));
        assert_eq!(range(&[Column { min: -3.0, ..zero }]), (-3.0, 0.0));
    }
}
