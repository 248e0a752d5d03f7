//! Which methods have a row.

use super::{Mode, RowId, State};
use crate::attribution::METHODS;
use crate::jobs::Analysis;

impl State {
    /// Attributions of the model in use, in the order they are computed: those that are always there, then those asked for.
    pub fn analyses(&self) -> Vec<Analysis> {
        Analysis::ALL.into_iter().chain(self.more_analyses.iter().copied()).collect()
    }

    /// Whether an attribution has a row that is not hidden.
    pub fn shows(&self, analysis: Analysis) -> bool {
        self.analyses().contains(&analysis) && !self.row_view(RowId::Attribution(analysis)).is_hidden
    }

    /// Gives the method at a place of [`METHODS`] a row, or takes its row away; past the last one stand the seqlets.
    pub fn toggle_method(&mut self, index: usize) {
        if index == METHODS.len() {
            self.wants_seqlets = !self.wants_seqlets;
            self.row_views.entry(self.label(RowId::Seqlets)).or_default().is_hidden = false;
            return;
        }
        let Some(analysis) = METHODS.get(index).and_then(|method| Analysis::of_method(method.name())) else { return };
        let label = self.label(RowId::Attribution(analysis));
        let is_shown = self.shows(analysis);
        if Analysis::ALL.contains(&analysis) {
            self.row_views.entry(label).or_default().is_hidden = is_shown;
        } else if is_shown {
            self.more_analyses.retain(|other| *other != analysis);
        } else {
            self.show_analysis(analysis);
            self.focus = label;
        }
    }

    /// Gives an attribution a row.
    pub fn show_analysis(&mut self, analysis: Analysis) {
        if !self.analyses().contains(&analysis) {
            self.more_analyses.push(analysis);
        }
        let label = self.label(RowId::Attribution(analysis));
        if let Some(view) = self.row_views.get_mut(&label) {
            view.is_hidden = false;
        }
    }

    /// Chooses another method in the list, round and round.
    pub fn choose_method(&mut self, step: isize) {
        if let Mode::Methods(chosen) = &mut self.mode {
            *chosen = (*chosen as isize + step).rem_euclid(METHODS.len() as isize + 1) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;

    #[test]
    fn every_method_can_be_given_a_row_and_lose_it_again() {
        let mut state = toy::state(Some(Ok(crate::models::test_manifest(10_000, 100, &["H3K4me3"], None))));
        state.show_gene(crate::genome::GeneId(0));
        let before = state.rows();
        for (index, method) in METHODS.iter().enumerate() {
            let analysis = Analysis::of_method(method.name()).unwrap();
            let was_shown = state.shows(analysis);
            assert_eq!(was_shown, Analysis::ALL.contains(&analysis));
            for is_shown in [!was_shown, was_shown] {
                state.toggle_method(index);
                assert_eq!((state.shows(analysis), state.rows().contains(&RowId::Attribution(analysis))), (is_shown, is_shown));
                assert!(
                    state.explain().unwrap().analyses.starts_with(&Analysis::WANTED),
                    "what is always there is computed first"
                );
            }
        }
        assert_eq!(state.rows(), before);
        state.toggle_method(METHODS.len());
        assert!(state.rows().ends_with(&[RowId::Seqlets]) && state.explain().unwrap().seqlets);
        state.toggle_method(METHODS.len());
        state.toggle_method(METHODS.len() + 1);
        assert_eq!(state.rows(), before, "there is no such method");
        assert_eq!(Analysis::of_method("cam"), Some(Analysis::Method("class-activation-map")));
    }

    #[test]
    fn the_list_goes_round() {
        let mut state = toy::state(None);
        state.mode = Mode::Methods(0);
        state.choose_method(-1);
        assert!(matches!(state.mode, Mode::Methods(i) if i == METHODS.len()));
        state.choose_method(1);
        assert!(matches!(state.mode, Mode::Methods(0)));
    }
}
