//! Attention and attributions, at the places of the genome the model read them.

use super::{Block, Geometry, Lane, Plot, Row, bases_of_column};
use crate::attribution::{Attribution, BLOCK, LARGE_GAP, Method, lanes, method, sums};
use crate::genome::{Region, Strand, Window};
use crate::jobs::{Analysis, Subject};
use crate::models::{Input, Manifest, OutputKind};
use crate::regulation::significance;
use crate::state::{Explained, RowId, RowState, State};
use std::time::Duration;

/// Label of the lane of bins with significant attention.
pub const SIGNIFICANT: &str = "q<0.05";

/// What one of two models or samples says, and what is said there.
pub(super) struct Said<'a> {
    explained: &'a Explained,
    /// The other one's.
    other: Option<&'a Explained>,
    obstacle: Option<RowState>,
}

impl<'a> Said<'a> {
    /// By the model in use, of the sample in view.
    pub(super) fn here(state: &'a State) -> Self {
        let other = state.compared_subject().map(|_| &state.compared.explained);
        Self { explained: &state.explained, other, obstacle: state.obstacle() }
    }

    /// By what is compared with.
    pub(super) fn there(state: &'a State) -> Self {
        Self { explained: &state.compared.explained, other: Some(&state.explained), obstacle: state.compared_obstacle() }
    }
}

/// The attention row: one lane over bins, or one a mark.
pub(super) fn fill_attention(row: &mut Row, state: &State, said: &Said<'_>, geometry: Geometry) {
    if let Some(obstacle) = said.obstacle.clone() {
        return without_result(row, obstacle);
    }
    let (drawn, state_of_row) = said.explained.drawn_prediction();
    let Some((subject, prediction)) = drawn else { return without_result(row, state_of_row) };
    if prediction.attention.is_empty() {
        return without_result(row, RowState::NotApplicable("this network has no attention".to_owned()));
    }
    let manifest = manifest_of(state, subject);
    let lanes: Vec<Lane> = prediction
        .attention
        .iter()
        .enumerate()
        .map(|(i, weights)| {
            let is_per_mark = prediction.attention.len() > 1 || !prediction.mark_attention.is_empty();
            let mark = manifest.and_then(|m| m.input.marks.get(i)).filter(|_| is_per_mark);
            let label = mark.cloned().unwrap_or_default();
            let note = prediction.mark_attention.get(i).map_or_else(String::new, |beta| format!("β {beta:.2}"));
            Lane { label, note, values: spread(weights, &subject.window, &state.region, geometry.n_columns, f32::max) }
        })
        .collect();
    let n_bins = prediction.attention[0].len().max(1);
    // Weights of as many bins are read on one scale.
    let other = said.other.and_then(|other| other.drawn_prediction().0).map(|(_, other)| &other.attention);
    let other = other.filter(|rows| rows.first().is_some_and(|row| row.len() == n_bins)).into_iter().flatten();
    let limit = prediction.attention.iter().chain(other).flatten().fold(0.0_f32, |a, &b| a.max(b));
    row.detail = format!("weight per {} bp bin, sums to 1", subject.window.len() / n_bins as u64);
    row.axis = Some((0.0, limit));
    let mut lanes = lanes;
    mark_significant(row, &mut lanes, (state, said), (subject, n_bins), geometry, limit);
    row.plot = Plot::Heat(lanes, limit);
    row.state = Some(state_of_row);
}

/// Says how many bins have more attention than chance would give them, and adds a lane in which they alone are drawn.
fn mark_significant(
    row: &mut Row,
    lanes: &mut Vec<Lane>,
    (state, said): (&State, &Said<'_>),
    (drawn, n_bins): (&Subject, usize),
    geometry: Geometry,
    limit: f32,
) {
    let (about, _) = said.explained.drawn_attribution(Analysis::SignificantBins);
    let Some((subject, found)) = about.filter(|(subject, _)| *subject == drawn) else { return };
    let q = found.profile.as_deref().unwrap_or_default();
    let is_called = |q: &f32| f64::from(*q) < significance::LEVEL;
    let count = q.iter().filter(|q| is_called(q)).count();
    row.detail = format!("{count} bins q<{} ({}) · {}", significance::LEVEL, found.settings, row.detail);
    if count == 0 {
        return;
    }
    let any = |bin: usize| q.iter().skip(bin).step_by(n_bins).any(&is_called);
    let called: Vec<f32> = (0..n_bins).map(|bin| if any(bin) { limit } else { 0.0 }).collect();
    let values = spread(&called, &subject.window, &state.region, geometry.n_columns, f32::max);
    lanes.push(Lane { label: SIGNIFICANT.to_owned(), note: String::new(), values });
}

/// The predicted signal in bins along the view, beside what was measured and the mean of the training samples, on one scale.
pub(super) fn fill_predicted(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.tiling_obstacle() {
        return without_result(row, obstacle);
    }
    let (drawn, state_of_row) = state.tiled.drawn();
    let Some(tiles) = drawn else { return without_result(row, state_of_row) };
    let window = Window::around(tiles.bins.chrom.clone(), tiles.bins.start, Strand::Forward, 0, tiles.bins.len());
    let lane = |(label, values): (&str, &[f32])| {
        let values = spread(values, &window, &state.region, geometry.n_columns, f32::max);
        Lane { label: label.to_owned(), note: String::new(), values }
    };
    let lanes: Vec<Lane> =
        [("model", &*tiles.predicted), ("measured", &*tiles.measured), ("mean", &*tiles.mean)].map(lane).into();
    let highest = lanes.iter().flat_map(|lane| &lane.values).filter(|v| v.is_finite()).fold(0.0_f32, |a, &b| a.max(b));
    let limit = super::signals::round_up(highest);
    let manifest = state.current_model().and_then(|info| info.manifest.as_ref().ok());
    let what = manifest.map_or_else(String::new, |m| match (m.output.kind, &m.output.signal) {
        (OutputKind::Regression, Some(target)) => format!("{} {}", target.mark, m.output.unit),
        (OutputKind::Binary, Some(target)) => format!("{}: P({})", target.mark, m.output.unit),
        (_, None) => String::new(),
    });
    let mean = match &tiles.trained_on[..] {
        [] => "no training sample is here".to_owned(),
        names => format!("mean of {}", names.join(", ")),
    };
    row.detail = format!("{what} per {} bp \u{b7} {mean}", tiles.length);
    row.axis = Some((0.0, limit));
    row.plot = Plot::Heat(lanes, limit);
    row.state = Some(state_of_row);
}

/// An attribution's row.
pub(super) fn fill_attribution(row: &mut Row, state: &State, said: &Said<'_>, geometry: Geometry, analysis: Analysis) {
    if let Some(obstacle) = said.obstacle.clone() {
        return without_result(row, obstacle);
    }
    let (drawn, state_of_row) = said.explained.drawn_attribution(analysis);
    let Some((subject, attribution)) = drawn else { return without_result(row, state_of_row) };
    row.state = Some(state_of_row);
    row.detail = match attribution.gap {
        Some(gap) => {
            let warning = if gap > LARGE_GAP { "warning: " } else { "" };
            format!("{warning}gap {:.1} % · {}", 100.0 * gap, attribution.settings)
        }
        // What is drawn is a view of the raw deltas, and is named as that.
        None if analysis == Analysis::SaturationMutagenesis => {
            format!("{} · rounding {:.0e}", state.mutagenesis_view.about(), attribution.rounding)
        }
        None => format!("{} · rounding {:.0e}", attribution.settings, attribution.rounding),
    };
    if let Some(age) = said.explained.stored_at(analysis).and_then(|stored| stored.elapsed().ok()) {
        row.detail = format!("{} · stored {} ago", row.detail, in_words(age));
    }
    row.plot = match analysis {
        Analysis::SaturationMutagenesis => mutagenesis(attribution, subject, state, geometry),
        // It has no row of its own.
        Analysis::SignificantBins => Plot::Message(String::new()),
        _ if attribution.pairs.is_some() => pairs(attribution, subject, state, geometry),
        _ => {
            let is_beside = state.is_one_unit() && state.compared_analysis() == Some(analysis);
            let other = said.other.filter(|_| is_beside).and_then(|other| other.drawn_attribution(analysis).0);
            by_mark((subject, attribution), other, state, geometry, analysis)
        }
    };
    match row.plot {
        Plot::Signed(_, limit) | Plot::Letters(_, _, limit) => row.axis = Some((-limit, limit)),
        Plot::Heat(_, limit) => {
            row.axis = Some((0.0, limit));
            row.detail = format!("|effect beyond the sum of two|, a line a block · {}", row.detail);
        }
        _ => {}
    }
    if let Some(caution) = method(analysis.method()).and_then(Method::caution) {
        row.detail = format!("caution: {caution} · {}", row.detail);
    }
}

/// An age in its largest unit.
fn in_words(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// What the network reads: marks by bins, each mark as a share of its highest value, for marks are not on one scale.
pub fn input_row(input: &Input, manifest: &Manifest, region: &Region, n_columns: usize) -> Row {
    let k = input.n_marks().max(1);
    let block = if manifest.input.bin_size == 1 { BLOCK } else { 1 };
    let lanes = manifest.input.marks.iter().enumerate().map(|(channel, mark)| {
        let values: Vec<f32> = input.marks.iter().skip(channel).step_by(k).copied().collect();
        let bins: Vec<f32> = sums(&values, block).into_iter().map(|sum| sum / block as f32).collect();
        let highest = largest(&bins);
        let shares: Vec<f32> = bins.iter().map(|v| if highest > 0.0 { v / highest } else { 0.0 }).collect();
        let values = spread(&shares, &input.window, region, n_columns, f32::max);
        Lane { label: mark.clone(), note: format!("\u{2264} {}", super::format_value(highest)), values }
    });
    let bases = block as u64 * manifest.input.bin_size;
    Row {
        id: RowId::Attention,
        label: "input".to_owned(),
        detail: format!("mean per {bases} bp bin as the model reads it, share of each mark's highest"),
        is_focused: false,
        mismatch: None,
        state: Some(RowState::Fresh),
        axis: Some((0.0, 1.0)),
        plot: Plot::Heat(lanes.collect(), 1.0),
        overlays: Vec::new(),
        extra_lines: 0,
        block: Block::None,
        view: crate::state::RowView::default(),
    }
}

pub(super) fn without_result(row: &mut Row, state: RowState) {
    row.plot = Plot::Message(match &state {
        RowState::Failed(reason) | RowState::NotApplicable(reason) => reason.clone(),
        RowState::Fresh | RowState::Stale | RowState::Computing(..) => String::new(),
    });
    row.state = Some(state);
}

pub(super) fn manifest_of<'a>(state: &'a State, subject: &Subject) -> Option<&'a Manifest> {
    state.models.get(subject.model)?.manifest.as_ref().ok()
}

/// Letters where one column is one base, bars elsewhere.
fn mutagenesis(attribution: &Attribution, subject: &Subject, state: &State, geometry: Geometry) -> Plot {
    let Some(deltas) = &attribution.sequence else { return Plot::Message(String::new()) };
    let reference = attribution.reference.as_deref().unwrap_or_default();
    let effects = state.mutagenesis_view.values(deltas, reference);
    let limit = largest(&effects);
    let values = spread(&effects, &subject.window, &state.region, geometry.n_columns, further_from_zero);
    if !state.shows_bases() || state.region.len() != geometry.n_columns as u64 {
        return Plot::Signed(vec![Lane { label: String::new(), note: String::new(), values }], limit);
    }
    let bases: Vec<u8> = (0..geometry.n_columns)
        .map(|i| {
            let (position, _) = bases_of_column(&state.region, geometry.n_columns, i);
            let index = (state.region.chrom == *subject.window.chrom()).then(|| subject.window.index(position as i64)).flatten();
            let read = index.and_then(|i| reference.get(i as usize)).copied().unwrap_or(b' ');
            // Letters stand as the genome reads, whichever way the network does.
            if subject.window.strand() == Strand::Reverse && read != b' ' { crate::genome::complement(read) } else { read }
        })
        .collect();
    // Letters are read beside each other: their scale is that of the view, which the axis says.
    let limit = largest(&values);
    Plot::Letters(bases, values, limit)
}

/// A lane for DNA (where it is read and explained) and one for each mark, summed in blocks; `other` is drawn on the same scale.
fn by_mark(
    (subject, attribution): (&Subject, &Attribution),
    other: Option<(&Subject, &Attribution)>,
    state: &State,
    geometry: Geometry,
    analysis: Analysis,
) -> Plot {
    let of = |subject: &Subject, attribution: &Attribution| {
        let lanes = |manifest| lanes(attribution, analysis.method(), manifest, &subject.window);
        manifest_of(state, subject).map(lanes).unwrap_or_default()
    };
    let blocks = of(subject, attribution);
    let others = other.map(|(subject, attribution)| of(subject, attribution)).unwrap_or_default();
    if blocks.is_empty() {
        return Plot::Note("it is of transcription factors, which have no place here: cislens attribute writes it".to_owned());
    }
    let limit = blocks.iter().chain(&others).map(|(_, values)| largest(values)).fold(0.0, f32::max);
    let lanes = blocks
        .into_iter()
        .map(|(label, values)| {
            let values = spread(&values, &subject.window, &state.region, geometry.n_columns, further_from_zero);
            Lane { label, note: String::new(), values }
        })
        .collect();
    Plot::Signed(lanes, limit)
}

/// A lane for each unit of a window: how strongly it and the unit at a column change what the other does. The same unit is a gap.
fn pairs(attribution: &Attribution, subject: &Subject, state: &State, geometry: Geometry) -> Plot {
    let Some(pairs) = &attribution.pairs else { return Plot::Message(String::new()) };
    let m = pairs.units.len();
    let effects = |i: usize| (0..m).map(move |j| if i == j { f32::NAN } else { pairs.values[i * m + j].abs() });
    let limit = (0..m).flat_map(effects).filter(|v| v.is_finite()).fold(0.0, f32::max);
    let lanes = pairs.units.iter().enumerate().map(|(i, unit)| {
        let values: Vec<f32> = effects(i).collect();
        let values = spread(&values, &subject.window, &state.region, geometry.n_columns, f32::max);
        Lane { label: unit.clone(), note: String::new(), values }
    });
    Plot::Heat(lanes.collect(), limit)
}

pub(super) fn largest(values: &[f32]) -> f32 {
    values.iter().filter(|v| v.is_finite()).fold(0.0, |a, v| a.max(v.abs()))
}

pub(super) fn further_from_zero(a: f32, b: f32) -> f32 {
    if b.abs() > a.abs() { b } else { a }
}

/// Values at equal parts of a window as columns of a region: of the parts a column touches the one that `choose` keeps.
/// NaN outside the window and where no part is computed.
pub(super) fn spread(
    values: &[f32],
    window: &Window,
    region: &Region,
    n_columns: usize,
    choose: fn(f32, f32) -> f32,
) -> Vec<f32> {
    let mut columns = vec![f32::NAN; n_columns];
    if *window.chrom() != region.chrom || values.is_empty() {
        return columns;
    }
    let part = |index: u64| (index * values.len() as u64 / window.len()) as usize;
    for (i, column) in columns.iter_mut().enumerate() {
        let (from, to) = bases_of_column(region, n_columns, i);
        let mut before = 0;
        for stretch in window.stretches() {
            let offset = before;
            before += stretch.len;
            let (from, to) = ((from as i64).max(stretch.start), (to as i64).min(stretch.end()));
            if from >= to {
                continue;
            }
            let (Some(a), Some(b)) = (stretch.index(from), stretch.index(to - 1)) else { continue };
            let (first, last) = (part(offset + a.min(b)), part(offset + a.max(b)));
            for &value in values[first..=last].iter().filter(|v| v.is_finite()) {
                *column = if column.is_nan() { value } else { choose(*column, value) };
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::super::Scene;
    use super::*;
    use crate::genome::{BaseOrder, Stretch};
    use crate::jobs::Tiles;
    use crate::models::{SignalTarget, test_manifest};
    use crate::state::toy;
    use crate::tracks::SignalUnit;
    use std::sync::Arc;

    #[test]
    fn values_stand_where_the_network_read_them_on_both_strands() {
        let values: Vec<f32> = (0..10).map(|i| i as f32).collect();
        let region = Region::new("c", 100, 120);
        let forward = Stretch { chrom: "c".into(), start: 105, len: 10, strand: Strand::Forward };
        let columns = spread(&values, &forward.clone().into(), &region, 20, further_from_zero);
        assert!(columns[..5].iter().chain(&columns[15..]).all(|v| v.is_nan()));
        assert_eq!(columns[5..15], values[..]);
        let reverse = Stretch { strand: Strand::Reverse, ..forward };
        let mirrored: Vec<f32> =
            spread(&values, &reverse.into(), &region, 20, further_from_zero)[5..15].iter().rev().copied().collect();
        assert_eq!(mirrored, values);
    }

    #[test]
    fn bins_cover_all_their_bases_and_a_wide_column_keeps_the_largest() {
        let window = Window::around("c", 0, Strand::Forward, 0, 100);
        let fine = spread(&[1.0, -2.0], &window, &Region::new("c", 0, 100), 4, further_from_zero);
        assert_eq!(fine, [1.0, 1.0, -2.0, -2.0]);
        let coarse = spread(&[1.0, -2.0], &window, &Region::new("c", 0, 400), 4, further_from_zero);
        assert_eq!(coarse[0], -2.0);
        assert!(coarse[1].is_nan());
    }

    #[test]
    fn the_row_is_computing_fresh_stale_or_failed() {
        let mut manifest = test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT));
        manifest.output.signal = Some(SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Rpm });
        let mut state = toy::state(Some(Ok(manifest)));
        state.n_columns = 10;
        state.go_to("chr1:20,001-21,000").unwrap();
        let tiling = state.tiling().unwrap();
        state.tiled.begin(Some(tiling.clone()));
        assert_eq!(state.tiled.drawn().1, RowState::Computing(0, 0));
        let tiles = |done: usize| Tiles {
            bins: Region::new("chr1", 20_000, 21_000),
            length: 200,
            predicted: (0..5).map(|i| if i < done { i as f32 } else { f32::NAN }).collect(),
            measured: vec![2.0; 5],
            mean: vec![1.0; 5],
            trained_on: vec!["S01".to_owned()],
            done,
        };
        state.tiled.take(tiling.clone(), Ok(Arc::new(tiles(3))));
        assert_eq!(state.tiled.drawn().1, RowState::Computing(3, 5));
        state.tiled.take(tiling, Ok(Arc::new(tiles(5))));
        assert_eq!(state.tiled.drawn().1, RowState::Fresh);
        let row = |state: &State| {
            let scene = Scene::build(state, Geometry { n_columns: 10, char_columns: 1.0, max_lanes: 4 });
            scene.rows.into_iter().find(|row| row.id == RowId::Predicted).unwrap()
        };
        let Plot::Heat(lanes, limit) = row(&state).plot else { panic!("no lanes") };
        assert_eq!(lanes.iter().map(|lane| lane.label.as_str()).collect::<Vec<_>>(), ["model", "measured", "mean"]);
        assert_eq!((&lanes[0].values[..], limit), (&[0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0][..], 4.0));
        // Moved by two bins: what is known stands where it belongs, dimmed.
        state.set_region(Region::new("chr1", 20_400, 21_400));
        state.tiled.begin(state.tiling());
        assert_eq!(row(&state).state, Some(RowState::Stale));
        let Plot::Heat(lanes, _) = row(&state).plot else { panic!("no lanes") };
        assert_eq!(lanes[0].values[..6], [2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert!(lanes[0].values[6..].iter().all(|v| v.is_nan()));
        // What the bases were changed to is another prediction.
        state.add_edit("chr1:20,501 A>G").unwrap();
        assert_eq!(state.tiling().unwrap().edits.len(), 1);
        state.tiled.begin(state.tiling());
        state.tiled.take(state.tiling().unwrap(), Err("no fasta".to_owned()));
        assert_eq!(row(&state).state, Some(RowState::Failed("no fasta".to_owned())));
    }
}
