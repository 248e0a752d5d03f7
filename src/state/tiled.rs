//! The predicted signal along the view, with the state of the answer.

use super::{RowId, RowState, State};
use crate::jobs::{MOST_TILES, Tiles, Tiling};
use crate::models::missing_input;
use crate::session::Edit;

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
    /// The view to tile with the model in use, where that predicts a signal along the genome and its row is shown.
    pub fn tiling(&self) -> Option<Tiling> {
        let (model, manifest) = (self.model?, self.current_model()?.manifest.as_ref().ok()?);
        let is_possible =
            manifest.output.signal.is_some() && self.tiling_obstacle().is_none() && self.rows().contains(&RowId::Predicted);
        let is_read = |edit: &&Edit| match edit.mark() {
            None => manifest.input.sequence.is_some(),
            Some(mark) => manifest.input.marks.iter().any(|m| m == mark),
        };
        let edits = self.edits.iter().filter(is_read).cloned().collect();
        is_possible.then(|| Tiling { model, sample: self.sample, region: self.region.clone(), edits })
    }

    /// Whether the model in use predicts a signal, and no gene's expression.
    pub fn predicts_a_signal(&self) -> bool {
        let manifest = self.current_model().and_then(|info| info.manifest.as_ref().ok());
        manifest.is_some_and(|manifest| manifest.output.signal.is_some())
    }

    /// Why the view is not tiled, if so.
    pub fn tiling_obstacle(&self) -> Option<RowState> {
        let manifest = self.current_model()?.manifest.as_ref().ok()?;
        if let Some(reason) = missing_input(&self.session, self.sample, manifest) {
            return Some(RowState::NotApplicable(reason));
        }
        let length = manifest.output.signal.as_ref()?.length;
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
    fn a_signal_is_predicted_along_the_view_with_what_is_edited() {
        let mut state = toy::state(Some(Ok(manifest())));
        state.go_to("ALPHA").unwrap();
        assert_eq!(state.subject().unwrap().window.start(), 19_500, "the TSS is at index 500");
        assert_eq!(state.tiling().unwrap().region, state.region);
        assert!(state.rows().contains(&RowId::Predicted));
        // Where there is no gene at all too.
        state.go_to("chr1:70,001-72,000").unwrap();
        assert_eq!(state.tiling().unwrap().region.start, 70_000);
        // An edit of bases is another question, one of a mark the network does not read is not.
        state.add_edit("chr1:70,501 A>G").unwrap();
        assert_eq!(state.tiling().unwrap().edits.len(), 1);
        // A hidden row asks for nothing, a view too wide to tile says so.
        state.view_of(RowId::Predicted).is_hidden = true;
        assert_eq!(state.tiling(), None);
        state.show_all_rows();
        state.go_to("chr1").unwrap();
        assert!(state.tiling().is_some(), "100 kb are 500 bins");
        let mut genes = toy::state(Some(Ok(test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT)))));
        genes.go_to("chr1:70,001-72,000").unwrap();
        assert!(genes.tiling().is_none() && !genes.rows().contains(&RowId::Predicted));
    }
}
