//! The predicted signal along the view, with the state of the answer.

use super::{RowState, State};
use crate::jobs::{MOST_TILES, Tiles, Tiling};
use std::sync::Arc;

/// What is asked for, and the last answer, which may be to an earlier question.
#[derive(Clone, Debug, Default)]
pub struct Tiled {
    asked: Option<Tiling>,
    answer: Option<(Tiling, Result<Arc<Tiles>, String>)>,
}

impl Tiled {
    /// Another view: the earlier answer stays, as a stale one.
    pub fn begin(&mut self, tiling: Option<Tiling>) {
        self.asked = tiling;
    }

    /// What is asked for.
    pub fn asked(&self) -> Option<&Tiling> {
        self.asked.as_ref()
    }

    /// Takes in an answer.
    pub fn take(&mut self, tiling: Tiling, tiles: Result<Arc<Tiles>, String>) {
        self.answer = Some((tiling, tiles));
    }

    /// The bins to draw (those of another view while the new ones are computed), with their state.
    pub fn drawn(&self) -> (Option<&Tiles>, RowState) {
        let Some((tiling, answer)) = &self.answer else { return (None, RowState::Computing(0, 0)) };
        let is_current = Some(tiling) == self.asked.as_ref();
        match answer {
            Ok(tiles) if !is_current => (Some(tiles), RowState::Stale),
            Ok(tiles) if tiles.is_complete() => (Some(tiles), RowState::Fresh),
            Ok(tiles) => (Some(tiles), RowState::Computing(tiles.done, tiles.predicted.len())),
            Err(reason) if is_current => (None, RowState::Failed(reason.clone())),
            Err(_) => (None, RowState::Computing(0, 0)),
        }
    }
}

impl State {
    /// The view to tile with the model in use, where that predicts a signal along the genome.
    pub fn tiling(&self) -> Option<Tiling> {
        let is_possible = self.predicts_a_signal() && self.obstacle().is_none() && self.tiling_obstacle().is_none();
        is_possible.then(|| Tiling { model: self.model.unwrap_or_default(), sample: self.sample, region: self.region.clone() })
    }

    /// Whether the model in use predicts a signal, and no gene's expression.
    pub fn predicts_a_signal(&self) -> bool {
        let manifest = self.current_model().and_then(|info| info.manifest.as_ref().ok());
        manifest.is_some_and(|manifest| manifest.output.signal.is_some())
    }

    /// Why the view is not tiled, if so.
    pub fn tiling_obstacle(&self) -> Option<RowState> {
        let length = self.current_model()?.manifest.as_ref().ok()?.output.signal.as_ref()?.length;
        let widest = MOST_TILES * length;
        let is_wide = self.region.len() > widest;
        is_wide.then(|| {
            RowState::NotApplicable(format!("zoom in to {} kb or less: {length} bp are predicted at a time", widest / 1_000))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RowId, toy};
    use crate::genome::BaseOrder;
    use crate::models::{Manifest, SignalTarget, test_manifest};
    use crate::tracks::SignalUnit;

    fn manifest() -> Manifest {
        let mut manifest = test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT));
        manifest.output.signal = Some(SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Rpm });
        manifest
    }

    #[test]
    fn a_signal_is_predicted_at_the_tss_or_the_middle_and_along_the_view() {
        let mut state = toy::state(Some(Ok(manifest())));
        state.go_to("ALPHA").unwrap();
        let subject = state.subject().unwrap();
        assert_eq!((subject.gene, subject.window.start()), (state.gene, 19_500), "the TSS is at index 500");
        assert_eq!(state.tiling().unwrap().region, state.region);
        assert!(state.rows().contains(&RowId::Predicted));
        // Away from its TSS, and where there is no gene at all.
        state.go_to("chr1:70,001-72,000").unwrap();
        let subject = state.subject().unwrap();
        assert_eq!((subject.gene, subject.window.start()), (None, 70_500));
        assert!(state.explain().is_some_and(|e| e.neighbours.is_empty()));
        // A view too wide to tile says so.
        state.go_to("chr1").unwrap();
        assert!(state.tiling().is_some(), "100 kb are 500 bins");
        let mut genes = toy::state(Some(Ok(test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT)))));
        genes.go_to("chr1:70,001-72,000").unwrap();
        assert!(genes.tiling().is_none() && !genes.rows().contains(&RowId::Predicted));
    }
}
