//! What variants do to the prediction for the gene shown, at their places.

use super::{Geometry, Lane, Plot, Row, column_of};
use crate::jobs::ScoredVariant;
use crate::state::{RowState, State};

/// The row of variants: of those in one column the one that does most.
pub(super) fn fill(row: &mut Row, state: &State, geometry: Geometry) {
    if let Some(obstacle) = state.obstacle() {
        if let RowState::Failed(reason) | RowState::NotApplicable(reason) = &obstacle {
            row.plot = Plot::Message(reason.clone());
        }
        row.state = Some(obstacle);
        return;
    }
    let (variants, state_of_row) = state.scored_variants();
    if let RowState::Failed(reason) = &state_of_row {
        row.plot = Plot::Message(reason.clone());
        row.state = Some(state_of_row);
        return;
    }
    let of_gene: Vec<&ScoredVariant> = variants.iter().filter(|v| Some(v.gene) == state.gene && v.effect.is_ok()).collect();
    if of_gene.is_empty() && state.is_waiting {
        row.state = Some(RowState::Computing(0, 0));
        row.plot = Plot::Message(String::new());
        return;
    }
    if variants.is_empty() && state_of_row != RowState::Fresh {
        let reason = "scored in the browser and by cislens variants".to_owned();
        row.plot = Plot::Message(reason.clone());
        row.state = Some(RowState::NotApplicable(reason));
        return;
    }
    let mut values = vec![f32::NAN; geometry.n_columns];
    for variant in &of_gene {
        let Ok(edit) = &variant.allele.edit else { continue };
        let column = column_of(&state.region, geometry.n_columns, variant.allele.position as f64).floor();
        if edit.region.chrom != state.region.chrom || column < 0.0 || column >= geometry.n_columns as f64 {
            continue;
        }
        let value = &mut values[column as usize];
        let change = variant.change() as f32;
        if value.is_nan() || change.abs() > value.abs() {
            *value = change;
        }
    }
    let limit = of_gene.iter().map(|v| v.change().abs() as f32).fold(0.0, f32::max);
    row.detail = match of_gene.first() {
        None => "none in this gene's window".to_owned(),
        Some(strongest) => {
            let others = variants.iter().filter(|v| Some(v.gene) != state.gene).count();
            let more = if others > 0 { format!(" \u{b7} {others} on other genes") } else { String::new() };
            format!("{} alleles \u{b7} most {:+.3} {}{more}", of_gene.len(), strongest.change(), strongest.allele.name)
        }
    };
    row.axis = Some((-limit, limit));
    row.plot = Plot::Signed(vec![Lane { label: String::new(), note: String::new(), values }], limit);
    row.state = Some(state_of_row);
}
