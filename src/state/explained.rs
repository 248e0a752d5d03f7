//! What the model says, with the state of each answer.

use super::{State, Tiled};
use crate::attribution::Attribution;
use crate::jobs::{Analysis, AnalysisFailure, Prediction, Subject};
use crate::models::Manifest;
use crate::session::SampleId;
use crate::tracks::Features;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// A model of the session.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest, or why it could not be read.
    pub manifest: Result<Manifest, String>,
}

impl ModelInfo {
    /// Its name, or its folder's where the manifest could not be read.
    pub fn name(&self) -> String {
        match &self.manifest {
            Ok(manifest) => manifest.name.clone(),
            Err(_) => self.folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        }
    }
}

/// The state of a model row. Nothing is silently blank.
#[derive(Clone, Debug, PartialEq)]
pub enum RowState {
    /// Up to date.
    Fresh,
    /// Under way: done of total.
    Computing(usize, usize),
    /// Of another gene, sample or model; drawn dimmed where it belongs.
    Stale,
    /// It should have worked.
    Failed(String),
    /// It says nothing about this model or sample.
    NotApplicable(String),
}

/// An answer and the subject it is about.
#[derive(Clone, Debug)]
struct About<T> {
    subject: Subject,
    answer: T,
    /// When it was computed, where that was in an earlier run.
    stored: Option<SystemTime>,
}

/// What the model says about the subject, and what it last said about another one where the new answer is not in.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    subject: Option<Subject>,
    prediction: Option<About<Result<Arc<Prediction>, String>>>,
    attributions: HashMap<Analysis, About<Result<Arc<Attribution>, AnalysisFailure>>>,
    seqlets: Option<About<Result<Arc<Features>, AnalysisFailure>>>,
}

impl Explained {
    /// A new subject: earlier answers stay, as stale ones.
    pub fn begin(&mut self, subject: Option<Subject>) {
        self.subject = subject;
    }

    /// The subject now.
    pub fn subject(&self) -> Option<&Subject> {
        self.subject.as_ref()
    }

    /// Takes in the prediction about the subject.
    pub fn take_prediction(&mut self, answer: Result<Arc<Prediction>, String>) {
        if let Some(subject) = self.subject.clone() {
            self.prediction = Some(About { subject, answer, stored: None });
        }
    }

    /// Takes in a partial or final attribution about the subject.
    pub fn take_attribution(
        &mut self,
        analysis: Analysis,
        answer: Result<Arc<Attribution>, AnalysisFailure>,
        stored: Option<SystemTime>,
    ) {
        if let Some(subject) = self.subject.clone() {
            self.attributions.insert(analysis, About { subject, answer, stored });
        }
    }

    /// Takes in the seqlets of the subject's mutagenesis.
    pub fn take_seqlets(&mut self, answer: Result<Arc<Features>, AnalysisFailure>) {
        if let Some(subject) = self.subject.clone() {
            self.seqlets = Some(About { subject, answer, stored: None });
        }
    }

    /// The seqlets to draw, with their state.
    pub fn drawn_seqlets(&self) -> (Option<&Features>, RowState) {
        if let (None, state @ RowState::Failed(_)) = self.drawn_prediction() {
            return (None, state);
        }
        let Some(about) = &self.seqlets else { return (None, RowState::Computing(0, 0)) };
        let is_current = Some(&about.subject) == self.subject.as_ref();
        match &about.answer {
            Ok(seqlets) => (Some(seqlets), if is_current { RowState::Fresh } else { RowState::Stale }),
            Err(_) if !is_current => (None, RowState::Computing(0, 0)),
            Err(AnalysisFailure::Failed(reason)) => (None, RowState::Failed(reason.clone())),
            Err(AnalysisFailure::NotApplicable(reason)) => (None, RowState::NotApplicable(reason.clone())),
        }
    }

    /// When an attribution that is drawn was computed, where that was in an earlier run.
    pub fn stored_at(&self, analysis: Analysis) -> Option<SystemTime> {
        self.attributions.get(&analysis)?.stored
    }

    /// The prediction about the subject itself.
    pub fn prediction(&self) -> Option<&Prediction> {
        let about = self.prediction.as_ref().filter(|a| Some(&a.subject) == self.subject.as_ref())?;
        about.answer.as_deref().ok()
    }

    /// The prediction to draw and what it is about (an earlier subject's while the new one is computed), with its state.
    pub fn drawn_prediction(&self) -> (Option<(&Subject, &Prediction)>, RowState) {
        let Some(about) = &self.prediction else { return (None, RowState::Computing(0, 0)) };
        let is_current = Some(&about.subject) == self.subject.as_ref();
        match &about.answer {
            Ok(p) => (Some((&about.subject, p)), if is_current { RowState::Fresh } else { RowState::Stale }),
            Err(reason) if is_current => (None, RowState::Failed(reason.clone())),
            Err(_) => (None, RowState::Computing(0, 0)),
        }
    }

    /// The attribution to draw and what it is about, with its state.
    pub fn drawn_attribution(&self, analysis: Analysis) -> (Option<(&Subject, &Attribution)>, RowState) {
        // Where there is no prediction there will be no attribution, for the same reason.
        if let (None, state @ RowState::Failed(_)) = self.drawn_prediction() {
            return (None, state);
        }
        let Some(about) = self.attributions.get(&analysis) else { return (None, RowState::Computing(0, 0)) };
        let is_current = Some(&about.subject) == self.subject.as_ref();
        match &about.answer {
            Ok(a) if !is_current => (Some((&about.subject, a)), RowState::Stale),
            Ok(a) if a.is_complete() => (Some((&about.subject, a)), RowState::Fresh),
            Ok(a) => (Some((&about.subject, a)), RowState::Computing(a.done, a.total)),
            Err(_) if !is_current => (None, RowState::Computing(0, 0)),
            Err(AnalysisFailure::Failed(reason)) => (None, RowState::Failed(reason.clone())),
            Err(AnalysisFailure::NotApplicable(reason)) => (None, RowState::NotApplicable(reason.clone())),
        }
    }
}

impl State {
    /// Why the model in use can say nothing at all here, if so.
    pub fn obstacle(&self) -> Option<RowState> {
        self.obstacle_in(self.model?, self.sample)
    }

    /// The same of any model and sample.
    pub(super) fn obstacle_in(&self, model: usize, sample: SampleId) -> Option<RowState> {
        match (&self.models.get(model)?.manifest, self.gene) {
            (Err(reason), _) => Some(RowState::Failed(reason.clone())),
            (Ok(_), None) => Some(RowState::NotApplicable("no gene here to predict".to_owned())),
            (Ok(manifest), Some(_)) => crate::models::missing_input(&self.session, sample, manifest).map(RowState::NotApplicable),
        }
    }

    /// Takes in that a model's files were replaced. What it said before is no longer its word.
    pub(super) fn replace_model(&mut self, index: usize, manifest: Result<Manifest, String>) {
        let Some(info) = self.models.get_mut(index) else { return };
        let name = info.name();
        info.manifest = manifest;
        let hash = info.manifest.as_ref().map_or_else(Clone::clone, |m| format!("now {}", m.hash));
        self.say(format!("model {name}: its files were replaced; {hash}"));
        if self.tiled.asked().is_some_and(|tiling| tiling.model == index) {
            self.tiled = Tiled::default();
        }
        if self.explained.subject().is_some_and(|subject| subject.model == index) {
            self.explained = Explained::default();
            self.beside.forget();
        }
        Arc::make_mut(&mut self.compared.briefs).retain(|subject, _| subject.model != index);
        if self.compared.explained.subject().is_some_and(|subject| subject.model == index) {
            self.compared.explained = Explained::default();
        }
    }

    /// The next model, round and round.
    pub fn switch_model(&mut self, step: isize) {
        let n = self.models.len();
        match self.model {
            Some(at) if n > 1 => self.model = Some((at as isize + step).rem_euclid(n as isize) as usize),
            Some(_) => self.notice = Some("the session has one model".to_owned()),
            None => self.notice = Some("the session has no model".to_owned()),
        }
    }

    /// The next sample, round and round.
    pub fn switch_sample(&mut self, step: isize) {
        let n = self.session.samples.len();
        if n < 2 {
            self.notice = Some("the session has one sample".to_owned());
            return;
        }
        self.sample = SampleId((self.sample.0 as isize + step).rem_euclid(n as isize) as usize);
    }

    /// The first model that the first sample can feed, or the first.
    pub(super) fn first_model_that_fits(&self) -> usize {
        let fits = |m: &ModelInfo| {
            m.manifest.as_ref().is_ok_and(|m| crate::models::missing_input(&self.session, self.sample, m).is_none())
        };
        self.models.iter().position(fits).unwrap_or(0)
    }
}
