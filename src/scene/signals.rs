//! Measured signals and reference bases.

use super::{Geometry, Overlay, Plot, Row, bases_of_column};
use crate::genome::Region;
use crate::session::{Change, Edit};
use crate::state::{Named, RowId, RowView, Scale, SignalStyle, State};
use crate::tracks::{Column, SignalUnit};
use std::collections::{HashMap, HashSet};

/// What stands before the mean of a matrix's row: alone of what is said of it, it is not its block's.
pub const MEAN_HERE: &str = "mean here";

/// What several rows of a scene span together, worked out once for all of them.
pub(super) struct Axes<'a> {
    /// The state as it is seen from the other of two places in view, which are drawn on one scale.
    beside: Option<&'a State>,
    /// By the scale, the group or mark, and whether it is of the other place. `None` where nothing is measured.
    shared: HashMap<SharedBy, Option<(f32, f32)>>,
    /// Samples with a track of a mark.
    n_samples: HashMap<String, usize>,
}

/// Which rows share an axis: those of a group, or of a mark (`is_group` false), there where `is_beside`.
#[derive(PartialEq, Eq, Hash)]
struct SharedBy {
    is_group: bool,
    is_beside: bool,
    name: String,
}

impl<'a> Axes<'a> {
    pub(super) fn beside(beside: Option<&'a State>) -> Self {
        Self { beside, shared: HashMap::new(), n_samples: HashMap::new() }
    }

    /// What rows span together; `rows` says which they are.
    fn shared(
        &mut self,
        by: SharedBy,
        state: &State,
        geometry: Geometry,
        rows: impl FnOnce() -> Vec<RowId>,
    ) -> Option<(f32, f32)> {
        *self.shared.entry(by).or_insert_with(|| span_of_rows(state, geometry, rows()))
    }

    /// How many samples have a track of a row's mark.
    fn n_samples(&mut self, state: &State, row: RowId) -> usize {
        let count = || {
            let samples = state.tracks_of_mark(row).into_iter().map(|track| state.session.tracks[track.0].sample);
            samples.collect::<HashSet<_>>().len()
        };
        *self.n_samples.entry(mark_of(state, row)).or_insert_with(count)
    }
}

/// The mark of a track's row, or its label where it has none.
fn mark_of(state: &State, row: RowId) -> String {
    match row {
        RowId::Track(track) => {
            let info = &state.session.tracks[track.0];
            info.mark.clone().unwrap_or_else(|| info.label.clone())
        }
        row => state.label(row),
    }
}

/// A signal's row: of a track, or of a formula.
pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry, axes: &mut Axes<'_>) {
    let columns = match columns_of(state, geometry, row.id) {
        None => return,
        Some(Err(reason)) => return row.plot = Plot::Message(reason),
        Some(Ok(columns)) => columns,
    };
    row.overlays = overlays(state, geometry, &row.view);
    let there = axes.beside.and_then(|beside| Some((beside, columns_of(beside, geometry, row.id)?.ok()?)));
    let there = there.filter(|(_, columns)| columns.iter().any(|c| !c.is_missing()));
    let there = there
        .map(|(beside, columns)| axis(row, &overlays(beside, geometry, &row.view), beside, geometry, &columns, (axes, true)));
    let here = axis(row, &row.overlays, state, geometry, &columns, (axes, false));
    row.axis = Some(there.map_or(here, |there| joined(here, there)));
    row.detail = detail(row, state, geometry, &columns, axes);
    row.plot = Plot::Signal(columns, role(state, row.id, &row.view));
}

/// The colour of a signal: the user's, else its mark's.
fn role(state: &State, id: RowId, view: &RowView) -> String {
    match (view.colour, id) {
        (Some(colour), _) => colour.hex(),
        (None, RowId::Track(track)) => {
            let info = &state.session.tracks[track.0];
            format!("signal.{}", info.mark.as_deref().unwrap_or(&info.label))
        }
        (None, _) => "signal".to_owned(),
    }
}

/// What a row's signal is in the columns of the view: `None` where it is not read yet.
fn columns_of(state: &State, geometry: Geometry, id: RowId) -> Option<Result<Vec<Column>, String>> {
    columns_within(state, geometry, id, 0)
}

fn columns_within(state: &State, geometry: Geometry, id: RowId, depth: usize) -> Option<Result<Vec<Column>, String>> {
    /// Formulas of formulas; a row that is made of itself ends here.
    const DEEPEST: usize = 8;
    match id {
        RowId::Track(track) => {
            let view = state.signals.get(&track)?;
            Some(view.columns.as_ref().map_err(Clone::clone).map(|c| moved(c, &view.region, &state.region, geometry.n_columns)))
        }
        RowId::Formula(_) if depth == DEEPEST => Some(Err("this row is made of itself".to_owned())),
        RowId::Formula(i) => {
            let formula = &state.formulas.get(i)?.formula;
            let mut sources = Vec::new();
            for name in formula.rows() {
                let Some(source) = state.row_named(name) else {
                    return Some(Err(format!("no row \"{name}\" with this sample")));
                };
                match columns_within(state, geometry, source, depth + 1)? {
                    Ok(columns) => sources.push(columns),
                    Err(reason) => return Some(Err(format!("{name}: {reason}"))),
                }
            }
            // Means are what a formula is of: lowest and highest values of rows need not stand at the same base.
            let column = |i: usize| {
                let means: Vec<f32> = sources.iter().map(|columns| columns.get(i).map_or(f32::NAN, |c| c.mean)).collect();
                let value = formula.value(&means);
                if value.is_nan() { Column::MISSING } else { Column { mean: value, min: value, max: value, covered: 1.0 } }
            };
            Some(Ok((0..geometry.n_columns).map(column).collect()))
        }
        _ => None,
    }
}

fn overlays(state: &State, geometry: Geometry, view: &RowView) -> Vec<Overlay> {
    let overlay = |name: &String| {
        let id = state.row_named(name)?;
        let columns = columns_of(state, geometry, id)?.ok()?;
        Some(Overlay { label: name.clone(), role: role(state, id, &state.row_view(id)), columns })
    };
    view.overlays.iter().filter_map(overlay).collect()
}

/// The range of values a signal's drawing reaches.
fn reach(view: &RowView, columns: &[Column]) -> (f32, f32) {
    match view.style {
        SignalStyle::Whiskers => range(columns),
        _ => {
            let of = |c: &Column| {
                let value = view.value(c);
                Column { mean: value, min: value, max: value, covered: c.covered }
            };
            range(&columns.iter().map(of).collect::<Vec<_>>())
        }
    }
}

fn joined((a, b): (f32, f32), (c, d): (f32, f32)) -> (f32, f32) {
    (a.min(c), b.max(d))
}

fn is_fraction(state: &State, id: RowId) -> bool {
    matches!(id, RowId::Track(track) if state.session.tracks[track.0].unit == Some(SignalUnit::Fraction))
}

/// From the lowest to the highest value that rows reach; `None` where none has any.
fn span_of_rows(state: &State, geometry: Geometry, rows: Vec<RowId>) -> Option<(f32, f32)> {
    let ranges = rows.into_iter().filter_map(|id| {
        let columns = columns_of(state, geometry, id)?.ok()?;
        columns.iter().any(|c| !c.is_missing()).then(|| reach(&state.row_view(id), &columns))
    });
    ranges.reduce(joined)
}

fn axis(
    row: &Row,
    overlays: &[Overlay],
    state: &State,
    geometry: Geometry,
    columns: &[Column],
    (axes, is_beside): (&mut Axes<'_>, bool),
) -> (f32, f32) {
    let view = &row.view;
    let own = || overlays.iter().fold(reach(view, columns), |all, over| joined(all, reach(view, &over.columns)));
    let (lo, hi) = match view.scale {
        Scale::Fixed(lo, hi) => return (lo, hi),
        // A share of one is read on one scale everywhere, unless its rows are asked for otherwise.
        Scale::Row if is_fraction(state, row.id) && overlays.is_empty() => (0.0, 1.0),
        // Two samples in lockstep are read on one scale.
        Scale::Row => match state.counterpart(row.id) {
            Some(beside) => joined(own(), span_of_rows(state, geometry, vec![beside]).unwrap_or_else(own)),
            None => own(),
        },
        Scale::Group => {
            let name = state.group(row.id).unwrap_or_default();
            let rows = || state.rows_of_group(&state.group(row.id).unwrap_or_default());
            axes.shared(SharedBy { is_group: true, is_beside, name }, state, geometry, rows).unwrap_or_else(own)
        }
        Scale::Samples => {
            let by = SharedBy { is_group: false, is_beside, name: mark_of(state, row.id) };
            let rows = || state.tracks_of_mark(row.id).into_iter().map(RowId::Track).collect();
            axes.shared(by, state, geometry, rows).unwrap_or_else(own)
        }
        Scale::Percentile => percentile(view, columns),
    };
    if view.is_symmetrical {
        let reach = hi.max(-lo);
        return (-reach, reach);
    }
    (lo, hi)
}

/// From zero (or the first percentile, where that is lower) to the 99th.
fn percentile(view: &RowView, columns: &[Column]) -> (f32, f32) {
    let of = |c: &Column| if view.style == SignalStyle::Whiskers { c.max } else { view.value(c) };
    let mut values: Vec<f32> = columns.iter().filter(|c| !c.is_missing()).map(of).filter(|v| v.is_finite()).collect();
    if values.is_empty() {
        return (0.0, 1.0);
    }
    values.sort_by(f32::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
    let (lo, hi) = (at(0.01).min(0.0), at(0.99));
    let hi = if hi > 0.0 { round_up(hi) } else { 0.0 };
    let lo = if lo < 0.0 { -round_up(-lo) } else { 0.0 };
    if hi == lo { range(columns) } else { (lo, hi) }
}

/// Unit, statistic and scale in words.
fn detail(row: &Row, state: &State, geometry: Geometry, columns: &[Column], axes: &mut Axes<'_>) -> String {
    let view = &row.view;
    let mut parts = Vec::new();
    match row.id {
        RowId::Track(track) => {
            let info = &state.session.tracks[track.0];
            if state.mark_of_matrix(row.id).is_some() {
                let mean = state.mean_in_view(track, &state.region).filter(|mean| mean.is_finite());
                parts.extend(mean.map(|mean| format!("{MEAN_HERE} {}", format_value(mean as f32))));
            }
            parts.extend(info.unit.map(|u| u.to_string()));
            parts.extend(info.min_coverage.map(|n| format!("{n} reads or more")));
        }
        RowId::Formula(i) => parts.extend(state.formulas.get(i).map(|f| f.formula.to_string())),
        _ => {}
    }
    let bases_per_column = state.region.len() as f64 / geometry.n_columns.max(1) as f64;
    if columns.iter().all(Column::is_missing) {
        parts.push("not measured here".to_owned());
    } else if bases_per_column > 1.0 {
        let statistic = match (row.id, view.style) {
            (RowId::Formula(_), _) => "of means",
            (_, SignalStyle::Whiskers) => "mean, max",
            _ => view.statistic.name(),
        };
        parts.push(format!("{statistic} per {}", format_span(bases_per_column)));
    }
    match view.scale {
        Scale::Row => {}
        Scale::Group => parts.push(format!("group {}", state.group(row.id).unwrap_or_default())),
        Scale::Samples => {
            let as_all = format!("as all {} samples", axes.n_samples(state, row.id));
            // Shades have no axis to read values from.
            let ends = row.axis.filter(|_| view.style == SignalStyle::Heatmap);
            parts.extend(ends.map(|(lo, hi)| format!("{} to {}", format_value(lo), format_value(hi))));
            parts.push(as_all);
        }
        Scale::Percentile => parts.push("99th percentile".to_owned()),
        Scale::Fixed(..) => parts.push("fixed".to_owned()),
    }
    if view.is_log {
        parts.push("log10(1+|x|)".to_owned());
    }
    if view.is_symmetrical {
        parts.push("symmetrical".to_owned());
    }
    parts.extend(row.overlays.iter().map(|over| format!("over it {}", over.label)));
    parts.join(" \u{b7} ")
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

    mod rows {
        use super::super::super::Scene;
        use super::*;
        use crate::session::{Formula, TrackId};
        use crate::state::{SignalView, toy};
        use crate::theme::Rgb;

        fn geometry() -> Geometry {
            Geometry { n_columns: 4, char_columns: 1.0, max_lanes: 3 }
        }

        /// A state whose H3K4me3 and 5mC rows have these means in four columns, and maxima of twice as much.
        fn state(h3k4me3: [f32; 4], methylation: [f32; 4]) -> State {
            let mut state = toy::state(None);
            state.n_columns = 4;
            for (track, values) in [(0, h3k4me3), (1, methylation)] {
                let column = |v: f32| Column { mean: v, min: v.min(0.0), max: 2.0 * v.max(0.0), covered: 1.0 };
                let columns = values.map(|v| if v.is_nan() { Column::MISSING } else { column(v) });
                state.signals.insert(TrackId(track), SignalView { region: state.region.clone(), columns: Ok(columns.into()) });
            }
            state
        }

        fn row(state: &State, name: &str) -> Row {
            Scene::row(state, geometry(), state.row_named(name).unwrap())
        }

        fn values(row: &Row) -> Vec<f32> {
            let Plot::Signal(columns, _) = &row.plot else { panic!("{:?}", row.plot) };
            columns.iter().map(|c| c.mean).collect()
        }

        #[test]
        fn a_formula_is_of_the_means_and_has_gaps_where_a_row_has() {
            let mut state = state([7.0, 3.0, f32::NAN, 1.0], [0.0, 1.0, 1.0, 3.0]);
            state.set_formula("ratio", Formula::parse("log2((1+H3K4me3)/(1+5mC))").unwrap()).unwrap();
            let row = row(&state, "ratio");
            let [a, b, gap, d] = values(&row)[..] else { panic!() };
            assert_eq!((a, b, d), (3.0, 1.0, -1.0));
            assert!(gap.is_nan());
            assert_eq!(row.axis, Some((-1.0, 3.0)), "what is negative has its place");
            assert!(row.detail.starts_with("log2((1+H3K4me3)/(1+5mC)) \u{b7} of means per"), "{}", row.detail);
            let unknown = state.set_formula("x", Formula::parse("nothing * 2").unwrap()).unwrap_err();
            assert_eq!(unknown, "no row \"nothing\"; there are H3K4me3, 5mC, ratio");
        }

        #[test]
        fn a_formula_made_of_itself_says_so() {
            let mut state = state([1.0; 4], [1.0; 4]);
            state.set_formula("a", Formula::parse("H3K4me3 + 1").unwrap()).unwrap();
            state.set_formula("b", Formula::parse("a * 2").unwrap()).unwrap();
            assert_eq!(values(&row(&state, "b")), [4.0; 4]);
            state.set_formula("a", Formula::parse("b + 1").unwrap()).unwrap();
            assert!(matches!(row(&state, "b").plot, Plot::Message(reason) if reason.contains("made of itself")));
            assert!(!state.look().tracks.is_empty());
        }

        #[test]
        fn each_scale_spans_what_it_says() {
            let mut state = state([1.0, 2.0, 4.0, 10.0], [-3.0, 0.5, 1.0, 40.0]);
            let id = state.row_named("H3K4me3").unwrap();
            let axis = |state: &State| row(state, "H3K4me3").axis.unwrap();
            assert_eq!(axis(&state), (0.0, 20.0), "whiskers reach their maxima");
            state.view_of(id).style = SignalStyle::Bars;
            assert_eq!(axis(&state), (0.0, 10.0));
            state.view_of(id).is_symmetrical = true;
            assert_eq!(axis(&state), (-10.0, 10.0));
            state.view_of(id).is_symmetrical = false;
            state.view_of(id).scale = Scale::Fixed(1.0, 5.0);
            assert_eq!(axis(&state), (1.0, 5.0));
            state.view_of(id).scale = Scale::Group;
            assert_eq!(axis(&state), (0.0, 10.0), "alone in its group");
            state.view_of(RowId::Track(TrackId(1))).group = Some("histones".to_owned());
            assert_eq!(axis(&state), (-3.0, 80.0), "with the other row of the group");
            assert!(row(&state, "H3K4me3").detail.contains("group histones"));
            state.view_of(id).scale = Scale::Samples;
            assert!(state.look().tracks.contains(&TrackId(2)), "the other sample's track is read for the scale");
            let there = Column { mean: 30.0, min: 30.0, max: 30.0, covered: 1.0 };
            state.signals.insert(TrackId(2), SignalView { region: state.region.clone(), columns: Ok(vec![there; 4]) });
            assert_eq!(axis(&state), (0.0, 30.0));
            state.view_of(id).scale = Scale::Percentile;
            assert_eq!(axis(&state), (0.0, 10.0));
        }

        #[test]
        fn colours_and_overlays_are_the_users() {
            let mut state = state([1.0; 4], [9.0; 4]);
            let id = state.row_named("H3K4me3").unwrap();
            state.view_of(id).colour = Some(Rgb(255, 128, 0));
            state.view_of(id).overlays = vec!["5mC".to_owned()];
            let row = row(&state, "H3K4me3");
            assert!(matches!(&row.plot, Plot::Signal(_, role) if role == "#ff8000"));
            assert_eq!((row.overlays.len(), row.overlays[0].role.as_str()), (1, "signal.5mC"));
            assert_eq!(row.axis, Some((0.0, 18.0)), "both fit");
            assert_eq!(state.theme.colour("#ff8000"), Rgb(255, 128, 0));
        }
    }

    #[test]
    fn a_signal_of_zeros_has_an_axis() {
        let zero = Column { mean: 0.0, min: 0.0, max: 0.0, covered: 1.0 };
        assert_eq!(range(&[zero, Column::MISSING]), (0.0, 1.0));
        assert_eq!(range(&[Column { min: -3.0, ..zero }]), (-3.0, 0.0));
    }
}
