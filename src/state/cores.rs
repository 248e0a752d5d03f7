//! Elements of the gene in view that the model attends to together over samples.

use super::{RowId, RowState, State};
use crate::jobs::{GeneCores, Subject};
use crate::session::SampleId;
use std::sync::Arc;

/// Of which gene and model, and what was found.
pub(super) type Known = (Subject, Result<Arc<GeneCores>, String>);

impl State {
    /// Shows the rows of COREs, or takes them away.
    ///
    /// # Errors
    /// Where there is no model.
    pub fn toggle_cores(&mut self) -> Result<(), String> {
        if self.model.is_none() {
            return Err("COREs are read off a model's attention, and there is no model".to_owned());
        }
        self.wants_cores = !self.wants_cores;
        if self.wants_cores {
            self.focus = self.label(RowId::CoreSamples);
        }
        self.notice = Some(match self.wants_cores {
            true => "elements attended to together over samples ( ] [ steps through them; :cores takes them away)".to_owned(),
            false => "COREs are taken away".to_owned(),
        });
        Ok(())
    }

    /// The gene and model whose COREs are shown: they are of all samples, as these were measured.
    pub fn cores_subject(&self) -> Option<Subject> {
        let subject = self.subject().filter(|_| self.wants_cores)?;
        Some(Subject { sample: SampleId(0), edits: Arc::default(), ..subject })
    }

    /// The same where it is not known yet.
    pub fn cores_wanted(&self) -> Option<Subject> {
        let known = self.beside.cores.as_ref().map(|(subject, _)| subject);
        self.cores_subject().filter(|subject| known != Some(subject))
    }

    /// What was found of the gene in view, and how far it is.
    pub fn cores(&self) -> (Option<(&Subject, &GeneCores)>, RowState) {
        let asked = self.cores_subject();
        match &self.beside.cores {
            Some((subject, found)) if Some(subject) == asked.as_ref() => match found {
                Ok(found) => (Some((subject, found)), RowState::Fresh),
                Err(reason) => (None, RowState::NotApplicable(reason.clone())),
            },
            _ => (None, RowState::Computing(0, 0)),
        }
    }

    pub(super) fn take_cores(&mut self, subject: Subject, found: Result<Arc<GeneCores>, String>) {
        self.beside.cores = Some((subject, found));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobId, Reply};
    use crate::models::test_manifest;
    use crate::state::toy;

    #[test]
    fn cores_are_of_a_gene_and_a_model_and_asked_for_once() {
        let mut state = toy::state(Some(Ok(test_manifest(10_000, 1, &["H3K4me3"], None))));
        let rows = [RowId::CoreSamples, RowId::CoreLinks, RowId::CoreBlocks];
        assert!(state.cores_wanted().is_none() && !state.rows().contains(&rows[0]));
        state.toggle_cores().unwrap();
        assert!(rows.iter().all(|row| state.rows().contains(row)));
        let subject = state.cores_wanted().unwrap();
        assert_eq!(state.cores().1, RowState::Computing(0, 0));
        let failed = Reply::Cores { subject: subject.clone(), found: Err("4 samples".to_owned()) };
        state.apply(failed, JobId::default(), JobId::default());
        assert_eq!((state.cores().1, state.cores_wanted()), (RowState::NotApplicable("4 samples".to_owned()), None));
        // Neither an edit nor another sample changes what is asked; another gene does.
        state.add_edit("blank H3K4me3 chr1:20,001-20,050").unwrap();
        state.switch_sample(1);
        assert_eq!(state.cores_subject(), Some(subject.clone()));
        state.step_gene(1);
        assert_ne!(state.cores_wanted().unwrap().gene, subject.gene);
        state.undo();
        state.toggle_cores().unwrap();
        assert!(state.cores_subject().is_none() && !state.rows().contains(&rows[1]));
    }
}
