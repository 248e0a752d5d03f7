//! Rows of a comparison: how far predictions are from what was measured, and one explanation less another.

use super::model_rows::{further_from_zero, largest, manifest_of, spread, without_result};
use super::{Geometry, Lane, Plot, Row, column_of};
use crate::jobs::Subject;
use crate::models::OutputKind;
use crate::regulation::disagreement::{Anchor, BLOCK, Blocks, Pair, disagreement, pairs, shares};
use crate::state::{RowState, State};

/// A bar of the row of errors is this share of the view wide, for a TSS is a point.
const BAR: f64 = 1.0 / 80.0;

/// Longest name of a side: the row's own stands before it.
const LABEL: usize = 10;

/// Predicted less measured at each TSS in view, a lane a side.
pub(super) fn fill_error(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.obstacle() {
        return without_result(row, obstacle);
    }
    let (errors, is_whole) = state.errors_in_view();
    row.state = Some(if is_whole { RowState::Fresh } else { RowState::Computing(0, 0) });
    let genes = &state.session.genome.genes;
    let tss = |gene| genes.get(gene).tss(state.session.genome.tss);
    let reach = (geometry.n_columns as f64 * BAR / 2.0).max(1.0);
    let lanes: Vec<Lane> = state
        .sides()
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(side, label)| {
            let mut values = vec![f32::NAN; geometry.n_columns];
            for of_gene in errors.iter().filter(|e| e.errors[side].is_finite()) {
                let middle = column_of(&state.region, geometry.n_columns, tss(of_gene.gene) as f64 + 0.5);
                let (from, to) = ((middle - reach).max(0.0) as usize, ((middle + reach) as usize).min(geometry.n_columns));
                for value in &mut values[from.min(to)..to] {
                    let error = of_gene.errors[side] as f32;
                    *value = if value.is_nan() { error } else { further_from_zero(*value, error) };
                }
            }
            let label =
                if label.chars().count() > LABEL { label.chars().take(LABEL - 1).chain(['\u{2026}']).collect() } else { label };
            let current = errors.iter().find(|e| Some(e.gene) == state.gene).map(|e| e.errors[side]);
            let note = current.filter(|e| e.is_finite()).map_or_else(String::new, |e| format!("{e:+.2}"));
            Lane { label, note, values }
        })
        .collect();
    let limit = lanes.iter().map(|lane| largest(&lane.values)).fold(0.0, f32::max);
    let output = |model: usize| state.models.get(model)?.manifest.as_ref().ok().map(|m| &m.output);
    let unit = |model| match output(model) {
        Some(output) if output.kind == OutputKind::Regression => output.unit.clone(),
        _ => "probability less class".to_owned(),
    };
    let mut units: Vec<String> = state.model.into_iter().chain(state.compared_subject().map(|s| s.model)).map(unit).collect();
    units.dedup();
    let unit = units.join(" and ");
    row.plot = match (errors.len(), limit > 0.0, is_whole) {
        (0, ..) => Plot::Note("no TSS in view".to_owned()),
        (_, false, true) => Plot::Note("nothing was measured of these genes that this model predicts".to_owned()),
        _ => Plot::Signed(lanes, limit),
    };
    row.axis = (limit > 0.0).then_some((-limit, limit));
    row.detail = format!("predicted less measured, {unit} \u{b7} {} genes", errors.len());
}

/// One explanation less another, in blocks from the TSS: as they are where both are of one method and in one unit, else as shares of
/// each.
pub(super) fn fill_difference(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.obstacle().or_else(|| state.compared_obstacle()) {
        return without_result(row, obstacle);
    }
    let Some([(here, by), (there, by_there)]) = state.difference_sides() else { return };
    let (drawn_here, state_here) = here.drawn_attribution(by);
    let (drawn_there, state_there) = there.drawn_attribution(by_there);
    let both = drawn_here.zip(drawn_there).filter(|((a, _), (b, _))| a.gene == b.gene);
    let Some(((subject, a), (subject_there, b))) = both else {
        let waits = [state_here, state_there].into_iter().find(|s| !matches!(s, RowState::Fresh | RowState::Stale));
        return without_result(row, waits.unwrap_or(RowState::Computing(0, 0)));
    };
    let anchor = Anchor::of(state.session.genome.genes.get(subject.gene), state.session.genome.tss);
    let blocks = |subject: &Subject, attribution, method: &str| {
        let of = |manifest| Blocks::of(attribution, method, manifest, &subject.window, &anchor);
        manifest_of(state, subject).map(of).unwrap_or_default()
    };
    let (a, b) = (blocks(subject, a, by.method()), blocks(subject_there, b, by_there.method()));
    let is_as_it_is = by == by_there && state.is_one_unit();
    let compared = if is_as_it_is { Some(pairs(&a, &b)).filter(|p| !p.is_empty()) } else { shares(pairs(&a, &b)) };
    row.state = Some(if state_here == RowState::Fresh { state_there } else { state_here });
    let Some(compared) = compared else {
        row.plot = Plot::Note("they explain nothing in common".to_owned());
        return;
    };
    let lanes = lanes(&compared, &anchor, state, geometry);
    let limit = compared.iter().map(|pair| pair.difference().abs() as f32).fold(0.0, f32::max);
    let [name, other] = state.sides().unwrap_or_default();
    let output = state.current_model().and_then(|m| m.manifest.as_ref().ok()).map(|m| &m.output);
    let unit = output.map_or("F", |o| if o.kind == OutputKind::Regression { &o.unit } else { "logit" });
    let what = if is_as_it_is { unit } else { "shares of each" };
    let distance = disagreement(&a, &b).map_or_else(String::new, |d| format!(" \u{b7} distance {:.2}", d.distance));
    row.detail = format!("{name} less {other}, {what}, per {BLOCK} bp{distance}");
    row.axis = Some((-limit, limit));
    row.plot = Plot::Signed(lanes, limit);
}

/// A lane an input, in the order in which its blocks come.
fn lanes(pairs: &[Pair], anchor: &Anchor, state: &State, geometry: Geometry) -> Vec<Lane> {
    let of_label = |pairs: &[Pair]| {
        let (first, last) = (pairs[0].block, pairs[pairs.len() - 1].block);
        let mut values = vec![f32::NAN; (last - first + 1) as usize];
        pairs.iter().for_each(|pair| values[(pair.block - first) as usize] = pair.difference() as f32);
        let window = anchor.window(first, last);
        let values = spread(&values, &window, &state.region, geometry.n_columns, further_from_zero);
        Lane { label: pairs[0].label.clone(), note: String::new(), values }
    };
    pairs.chunk_by(|a, b| a.label == b.label).map(of_label).collect()
}
