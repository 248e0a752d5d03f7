//! Two models or two samples in lockstep: what is shown beside the model and the sample in view, and how far predictions are from
//! what was measured.

use super::{Cell, Explained, Line, Mode, RowId, RowState, State, Table};
use crate::attribution::METHODS;
use crate::genome::GeneId;
use crate::jobs::{Analysis, Brief, Subject, is_one_unit};
use crate::models::measured_output;
use crate::session::SampleId;
use std::collections::HashMap;
use std::sync::Arc;

/// Genes in view whose predictions are compared with what was measured.
const MOST_GENES: usize = 40;

/// What the model or the sample in view is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Another model, of the same sample.
    Model(usize),
    /// Another sample, by the same model.
    Sample(SampleId),
    /// Another method, of the same prediction.
    Method(Analysis),
}

/// What is shown beside the model and the sample in view.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// With what, if anything.
    pub with: Option<Comparison>,
    /// What the model says there.
    pub explained: Explained,
    /// Predictions of other genes and samples, as far as known.
    pub briefs: Arc<HashMap<Subject, Result<Brief, String>>>,
    /// The gene whose mark weights over samples are wanted as a table, and its model.
    betas: Option<(usize, GeneId)>,
}

/// Predicted less measured of a gene in view, here and there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneError {
    /// The gene.
    pub gene: GeneId,
    /// NaN where it is not predicted (yet) or not measured; the second only where something is compared.
    pub errors: [f64; 2],
}

impl State {
    /// Compares the model or the sample in view, or the first method that has a row, with another one, by its name.
    ///
    /// # Errors
    /// Where there is none of that name, or it is the one in view.
    pub fn compare_with(&mut self, name: &str) -> Result<(), String> {
        let sample = self.session.samples.iter().position(|s| s.name == name).map(SampleId);
        let model = self.models.iter().position(|m| m.name() == name);
        let with = match (sample, model) {
            (Some(sample), _) if sample == self.sample => return Err(format!("{name} is the sample in view")),
            (Some(sample), _) => Comparison::Sample(sample),
            (None, Some(model)) if Some(model) == self.model => return Err(format!("{name} is the model in use")),
            (None, Some(model)) => Comparison::Model(model),
            (None, None) => match Analysis::of_method(name) {
                Some(analysis) => {
                    self.show_analysis(analysis);
                    Comparison::Method(analysis)
                }
                None => return Err(format!("no sample, model or method \"{name}\"")),
            },
        };
        self.compared.with = Some(with);
        Ok(())
    }

    /// Names of what may be compared with.
    pub fn comparisons(&self) -> Vec<String> {
        let models = self.models.iter().enumerate().filter(|(i, _)| Some(*i) != self.model).map(|(_, m)| m.name());
        let samples = self.session.samples.iter().enumerate().filter(|(i, _)| *i != self.sample.0);
        let methods = METHODS.iter().map(|method| method.name().to_owned());
        models.chain(samples.map(|(_, s)| s.name.clone())).chain(methods).collect()
    }

    /// The model and sample there, where they are others than here.
    fn there(&self) -> Option<(usize, SampleId)> {
        let here = (self.model?, self.sample);
        let there = match self.compared.with? {
            Comparison::Model(model) => (model, self.sample),
            Comparison::Sample(sample) => (here.0, sample),
            Comparison::Method(_) => return None,
        };
        (there != here).then_some(there)
    }

    /// What stands in the labels of rows of each side: names of the models, or of the samples.
    pub fn sides(&self) -> Option<[String; 2]> {
        let model = |i: usize| self.models.get(i).map(super::ModelInfo::name).unwrap_or_default();
        let sample = |id: SampleId| self.session.samples.get(id.0).map(|s| s.name.clone()).unwrap_or_default();
        Some(match self.compared.with? {
            Comparison::Model(there) => [model(self.model?), model(there)],
            Comparison::Sample(there) => [sample(self.sample), sample(there)],
            Comparison::Method(there) => [self.compared_analysis()?, there].map(|a| self.label(RowId::Attribution(a))),
        })
    }

    /// What is compared with, as it is typed.
    pub fn compared_name(&self) -> Option<String> {
        match self.compared.with? {
            Comparison::Method(analysis) => Some(analysis.method().to_owned()),
            Comparison::Model(_) | Comparison::Sample(_) => self.sides().map(|[_, there]| there),
        }
    }

    /// The sample whose signals stand beside those of the sample in view.
    pub fn sample_beside(&self) -> Option<SampleId> {
        match self.compared.with? {
            Comparison::Sample(sample) => Some(sample).filter(|s| *s != self.sample),
            Comparison::Model(_) | Comparison::Method(_) => None,
        }
    }

    /// What the other side would be asked about now.
    pub fn compared_subject(&self) -> Option<Subject> {
        let (model, sample) = self.there()?;
        self.subject_in(model, sample, self.gene?)
    }

    /// Why the other side can say nothing at all, if so.
    pub fn compared_obstacle(&self) -> Option<RowState> {
        let (model, sample) = self.there()?;
        self.obstacle_in(model, sample)
    }

    /// The method whose result is shown of both sides with its difference: the first one that has a row and is not itself compared
    /// with.
    pub fn compared_analysis(&self) -> Option<Analysis> {
        let is_other = |analysis: &Analysis| self.compared.with != Some(Comparison::Method(*analysis));
        if !matches!(self.compared.with?, Comparison::Method(_)) {
            self.there()?;
        }
        self.analyses().into_iter().filter(is_other).find(|analysis| self.shows(*analysis))
    }

    /// What the difference is of, here and there: who says it, and by which method.
    pub fn difference_sides(&self) -> Option<[(&Explained, Analysis); 2]> {
        let analysis = self.compared_analysis()?;
        let there = match self.compared.with? {
            Comparison::Method(other) => (&self.explained, other),
            Comparison::Model(_) | Comparison::Sample(_) => (&self.compared.explained, analysis),
        };
        Some([(&self.explained, analysis), there])
    }

    /// Whether a difference of the two sides' values means anything: they are in one unit, and of one method.
    pub fn is_one_unit(&self) -> bool {
        let manifest = |model: usize| self.models.get(model)?.manifest.as_ref().ok();
        let both = self.model.and_then(manifest).zip(self.there().and_then(|(model, _)| manifest(model)));
        both.is_some_and(|(here, there)| is_one_unit(here, there))
    }

    /// The row of the other sample that a track's row is to be read beside.
    pub fn counterpart(&self, row: RowId) -> Option<RowId> {
        let RowId::Track(track) = row else { return None };
        let (info, other) = (&self.session.tracks[track.0], self.sample_beside()?);
        let wanted = match info.sample? {
            sample if sample == self.sample => other,
            sample if sample == other => self.sample,
            _ => return None,
        };
        let mut tracks = self.session.tracks_of(wanted);
        tracks
            .find(|(_, t)| t.sample == Some(wanted) && t.label == info.label && t.kind == info.kind)
            .map(|(id, _)| RowId::Track(id))
    }

    /// The model's output less what was measured, in the output's unit; of a classifier the probability less the class.
    pub fn error_of(&self, subject: &Subject, brief: &Brief) -> Option<f64> {
        let manifest = self.models.get(subject.model)?.manifest.as_ref().ok()?;
        Some(brief.output - measured_output(&self.session, manifest, subject.sample, subject.gene)?)
    }

    /// Each side's subjects of the genes whose TSS is in view.
    fn subjects_in_view(&self) -> Vec<(GeneId, [Option<Subject>; 2])> {
        let Some(model) = self.model.filter(|_| self.there().is_some()) else { return Vec::new() };
        let there = self.there().filter(|(model, sample)| self.obstacle_in(*model, *sample).is_none());
        let is_possible = self.obstacle_in(model, self.sample).is_none();
        let tss = self.session.genome.tss;
        let genes = self.session.genome.genes.overlapping(&self.region).filter(|(_, gene)| self.region.contains(gene.tss(tss)));
        let of = |(id, _)| {
            let here = is_possible.then(|| self.subject_in(model, self.sample, id)).flatten();
            (id, [here, there.and_then(|(model, sample)| self.subject_in(model, sample, id))])
        };
        genes.take(MOST_GENES).map(of).collect()
    }

    /// Predictions that the row of errors wants and that are not known yet.
    pub fn briefs_wanted(&self) -> Vec<Subject> {
        let is_unknown = |subject: &Subject| !self.compared.briefs.contains_key(subject);
        let in_view = self.subjects_in_view().into_iter().flat_map(|(_, both)| both).flatten();
        let mut wanted: Vec<Subject> = self.subjects_over_samples().into_iter().chain(in_view).collect();
        wanted.retain(is_unknown);
        wanted
    }

    /// Predicted less measured of the genes whose TSS is in view, and whether all are known.
    pub fn errors_in_view(&self) -> (Vec<GeneError>, bool) {
        let mut is_whole = true;
        let mut error = |subject: &Option<Subject>| -> f64 {
            let Some(subject) = subject else { return f64::NAN };
            match self.compared.briefs.get(subject) {
                Some(Ok(brief)) => self.error_of(subject, brief).unwrap_or(f64::NAN),
                Some(Err(_)) => f64::NAN,
                None => {
                    is_whole = false;
                    f64::NAN
                }
            }
        };
        let found = self.subjects_in_view();
        let errors =
            found.iter().map(|(gene, both)| GeneError { gene: *gene, errors: [error(&both[0]), error(&both[1])] }).collect();
        (errors, is_whole)
    }

    /// Takes in predictions of other genes and samples.
    pub(super) fn take_briefs(&mut self, briefs: Vec<(Subject, Result<Brief, String>)>) {
        /// Enough for every gene of a genome in a few samples.
        const MOST_KNOWN: usize = 100_000;
        let known = Arc::make_mut(&mut self.compared.briefs);
        if known.len() > MOST_KNOWN {
            known.clear();
        }
        known.extend(briefs);
        let is_whole = || self.subjects_over_samples().iter().all(|subject| self.compared.briefs.contains_key(subject));
        if self.compared.betas.is_some() && is_whole() {
            match (self.beta_table(), &self.mode) {
                (Ok(table), Mode::Browse) => self.mode = Mode::Table(table),
                (Ok(_), _) => self.say("the weights of marks over samples are there: :betas"),
                (Err(reason), _) => self.say(reason),
            }
            self.compared.betas = None;
        }
    }

    /// The gene of the mark weights that are wanted, in every sample that can feed the model.
    fn subjects_over_samples(&self) -> Vec<Subject> {
        let Some((model, gene)) = self.compared.betas else { return Vec::new() };
        let samples = (0..self.session.samples.len()).map(SampleId);
        let fits = |sample: &SampleId| self.obstacle_in(model, *sample).is_none();
        samples.filter(fits).filter_map(|sample| self.subject_in(model, sample, gene)).collect()
    }

    /// Asks for the weight of each mark of the gene in every sample (AttentiveChrome, figure 2c); a table when they are there.
    ///
    /// # Errors
    /// Where no model reads a gene here.
    pub fn ask_betas(&mut self) -> Result<(), String> {
        let subject = self.subject().ok_or("no model reads a gene here")?;
        self.compared.betas = Some((subject.model, subject.gene));
        self.notice = Some(format!("asking {} samples for their weights of marks", self.subjects_over_samples().len()));
        self.take_briefs(Vec::new());
        Ok(())
    }

    fn beta_table(&self) -> Result<Table, String> {
        let subjects = self.subjects_over_samples();
        let known = |subject: &Subject| self.compared.briefs.get(subject)?.clone().ok();
        let found: Vec<(Subject, Brief)> = subjects.iter().filter_map(|s| Some((s.clone(), known(s)?))).collect();
        let Some((subject, _)) = found.first().filter(|(_, brief)| !brief.mark_attention.is_empty()) else {
            return Err("this model gives marks no weights; attentive-chrome does".to_owned());
        };
        let manifest = self.models[subject.model].manifest.as_ref().map_err(Clone::clone)?;
        let gene = self.session.genome.genes.get(subject.gene);
        let line = |(subject, brief): &(Subject, Brief)| {
            let measured = measured_output(&self.session, manifest, subject.sample, subject.gene).unwrap_or(f64::NAN);
            let weights = brief.mark_attention.iter().map(|w| Cell::Number(f64::from(*w)));
            let name = self.session.samples[subject.sample.0].name.clone();
            let last = [Cell::Number(brief.output), Cell::Number(measured)];
            let cells = std::iter::once(Cell::Text(name)).chain(weights).chain(last);
            Line { cells: cells.collect(), target: gene.name.clone() }
        };
        let marks = manifest.input.marks.iter().map(String::as_str);
        let columns = std::iter::once("sample").chain(marks).chain(["predicted", "measured"]);
        let title = format!("\u{3b2} of each mark for {}, by sample", gene.name);
        Ok(Table::new(title, &columns.collect::<Vec<_>>(), found.iter().map(line).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{OutputKind, test_manifest};
    use crate::state::toy;

    fn state() -> State {
        let mut state = toy::state(Some(Ok(test_manifest(10_000, 100, &["H3K4me3"], None))));
        let mut other = state.models[0].clone();
        if let Ok(manifest) = &mut other.manifest {
            "other".clone_into(&mut manifest.name);
        }
        state.models.push(other);
        state.show_gene(GeneId(0));
        state
    }

    #[test]
    fn another_sample_stands_beside_row_by_row() {
        let mut state = state();
        let before = state.rows();
        assert!(state.compared_subject().is_none() && state.explain().unwrap().compared.is_none());
        state.compare_with("S02").unwrap();
        let rows: Vec<String> = state.rows().iter().map(|row| state.label(*row)).collect();
        let at = rows.iter().position(|label| label == "H3K4me3").unwrap();
        assert_eq!(rows[at + 1], "H3K4me3@S02");
        let at = rows.iter().position(|label| label == "IG").unwrap();
        assert_eq!(rows[at + 1..at + 3], ["IG@S02", "diff"]);
        assert!(rows.contains(&"attention@S02".to_owned()) && rows.contains(&"error".to_owned()));
        let (subject, analyses) = state.explain().unwrap().compared.unwrap();
        assert_eq!((subject.sample, subject.model, analyses), (SampleId(1), 0, Some(Analysis::IntegratedGradients)));
        // The other sample's row looks as the one it is read beside, until it is changed itself.
        let row = state.row_named("H3K4me3").unwrap();
        state.view_of(row).is_log = true;
        let beside = state.counterpart(row).unwrap();
        assert!(state.row_view(beside).is_log && state.counterpart(beside) == Some(row));
        state.view_of(beside).extra_lines = 2;
        assert!(state.row_view(beside).is_log && state.row_view(row).extra_lines == 0);
        // At the other sample there is nothing to compare with.
        state.switch_sample(1);
        assert_eq!(state.compared_subject(), None);
        state.switch_sample(1);
        state.compared.with = None;
        assert_eq!(state.rows(), before);
    }

    #[test]
    fn another_model_is_asked_about_the_same_gene() {
        let mut state = state();
        assert_eq!(state.compare_with("toy"), Err("toy is the model in use".to_owned()));
        assert!(state.compare_with("nobody").is_err() && state.compare_with("S01").is_err());
        assert_eq!(state.comparisons()[..2], ["other", "S02"]);
        state.compare_with("other").unwrap();
        let subject = state.compared_subject().unwrap();
        assert_eq!((subject.model, subject.gene, subject.sample), (1, GeneId(0), SampleId(0)));
        assert!(state.is_one_unit() && state.sample_beside().is_none());
        assert!(!state.rows().iter().any(|row| state.label(*row) == "H3K4me3@S02"));
        if let Ok(manifest) = &mut state.models[1].manifest {
            manifest.output.kind = OutputKind::Binary;
        }
        assert!(!state.is_one_unit());
    }

    #[test]
    fn another_method_is_compared_with_the_first_that_has_a_row() {
        let mut state = state();
        state.compare_with("saliency").unwrap();
        assert_eq!((state.compared_analysis(), state.compared_subject()), (Some(Analysis::IntegratedGradients), None));
        assert_eq!(state.sides().unwrap(), ["IG", "saliency"]);
        let rows: Vec<String> = state.rows().iter().map(|row| state.label(*row)).collect();
        assert!(rows.contains(&"diff".to_owned()) && rows.contains(&"saliency".to_owned()));
        assert!(!rows.contains(&"error".to_owned()));
        state.compare_with("ig").unwrap();
        assert_eq!(state.sides().unwrap(), ["occlusion", "IG"], "a method is not compared with itself");
    }

    #[test]
    fn mark_weights_over_samples_become_a_table_once_all_are_there() {
        let mut state = state();
        // The second sample lacks a mark of the first model; of what is left all are wanted.
        state.ask_betas().unwrap();
        let wanted = state.briefs_wanted();
        assert_eq!(wanted.len(), 2);
        let brief = |output: f64, weights: &[f32]| Ok(Brief { output, mark_attention: weights.to_vec(), ..Brief::default() });
        state.take_briefs(vec![(wanted[0].clone(), brief(0.2, &[1.0]))]);
        assert!(matches!(state.mode, Mode::Browse));
        state.take_briefs(vec![(wanted[1].clone(), brief(0.4, &[1.0]))]);
        let Mode::Table(table) = &state.mode else { panic!("{:?}", state.notice) };
        let lines: Vec<Vec<String>> = table.lines().map(|l| l.cells.iter().map(Cell::text).collect()).collect();
        assert_eq!(lines[1], ["S02", "1", "0.400", "\u{2013}"]);
        assert!(state.briefs_wanted().is_empty());
        state.mode = Mode::Browse;
        state.compared.briefs = Arc::default();
        state.ask_betas().unwrap();
        state.take_briefs(vec![(wanted[0].clone(), brief(0.2, &[])), (wanted[1].clone(), brief(0.4, &[]))]);
        assert!(state.notice.as_ref().is_some_and(|n| n.contains("no weights")), "{:?}", state.notice);
    }

    #[test]
    fn errors_are_of_the_genes_in_view() {
        let mut state = state();
        state.compare_with("other").unwrap();
        let wanted = state.briefs_wanted();
        assert_eq!(wanted.len(), 2, "one gene, two models");
        let brief = |output: f64| Ok(Brief { output, ..Brief::default() });
        state.take_briefs(vec![(wanted[0].clone(), brief(1.0))]);
        let (errors, is_whole) = state.errors_in_view();
        assert!(!is_whole && errors.len() == 1 && errors[0].errors[0].is_nan(), "nothing is measured: {errors:?}");
        state.take_briefs(vec![(wanted[1].clone(), brief(2.0))]);
        assert!(state.errors_in_view().1 && state.briefs_wanted().is_empty());
    }
}
