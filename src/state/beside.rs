//! What is worked out beside the explanation: variants in view, the smallest change that turns a gene, how far it can be trusted.

use super::table::{Cell, Line, Table};
use super::{RowState, State};
use crate::genome::{GeneId, Region};
use crate::jobs::{Analysis, Aside, ScoredVariant, Subject, Trust};
use crate::regulation::minimal_change::{Found, Search};
use crate::session::{EditWords, parse_edits};
use std::path::PathBuf;
use std::sync::Arc;

/// Genes whose variants are scored at once.
const MOST_GENES: usize = 50;

/// Answers to what is asked beside the explanation.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// The search under way.
    minimal: Option<(Subject, Search)>,
    /// The file of variants to score.
    vcf: Option<PathBuf>,
    variants: Option<Variants>,
    /// The allele that was stepped to, by gene and name.
    stepped: Option<(GeneId, String)>,
    trust: Option<(Subject, Result<Arc<Trust>, String>)>,
    pub(super) cores: Option<super::cores::Known>,
    /// The list of genes that was begun last.
    pub(super) begun: Option<super::listing::Begun>,
}

/// Variants with their effects, the strongest first.
#[derive(Clone, Debug)]
struct Variants {
    path: PathBuf,
    subjects: Vec<Subject>,
    found: Result<Arc<Vec<ScoredVariant>>, String>,
}

impl Beside {
    /// Forgets what models said whose files were replaced.
    pub(super) fn forget(&mut self) {
        (self.variants, self.trust, self.cores) = (None, None, None);
    }
}

impl State {
    /// What should be worked out beside the explanation, and is not there yet.
    pub fn aside(&self) -> Aside {
        let subject = self.subject().filter(|_| self.obstacle().is_none());
        let is_known = |subject: &Subject| self.beside.trust.as_ref().is_some_and(|(known, _)| known == subject);
        // The explanation comes first.
        let is_explained = !matches!(
            self.explained.drawn_attribution(Analysis::IntegratedGradients).1,
            RowState::Computing(..) | RowState::Stale
        );
        Aside {
            minimal: self.beside.minimal.clone(),
            variants: self.variants_asked().filter(|(path, subjects)| {
                !self.beside.variants.as_ref().is_some_and(|known| known.path == *path && known.subjects == *subjects)
            }),
            trust: subject.filter(|subject| is_explained && !is_known(subject)),
            cores: self.cores_wanted().filter(|_| is_explained && self.obstacle().is_none()),
            listing: self.listing_wanted(),
            briefs: if is_explained { self.briefs_wanted() } else { Vec::new() },
        }
    }

    /// The file of variants in view, and the genes whose windows reach into the view.
    fn variants_asked(&self) -> Option<(PathBuf, Vec<Subject>)> {
        let path = self.vcf()?;
        self.obstacle().is_none().then_some(())?;
        let genes = &self.session.genome.genes;
        let reaches = |subject: &Subject| {
            *subject.window.chrom() == self.region.chrom
                && subject.window.start() < self.region.end as i64
                && self.region.start as i64 <= subject.window.end()
        };
        // Variants are of the genome as it is.
        let of = |(id, _)| self.subject_of(id).map(|subject| Subject { edits: Arc::default(), ..subject });
        let subjects = genes.iter().filter_map(of).filter(reaches).take(MOST_GENES).collect();
        Some((path, subjects))
    }

    /// The file of variants: the one that was named, or that of the first row of variants.
    pub fn vcf(&self) -> Option<PathBuf> {
        let track = || self.session.tracks_of(self.sample).find(|(_, track)| track.format == "vcf").map(|(_, t)| t.path.clone());
        self.beside.vcf.clone().or_else(track)
    }

    /// Scores the variants of a file.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn use_variants(&mut self, path: &str) -> Result<(), String> {
        let path = PathBuf::from(path);
        if !path.is_file() {
            return Err(format!("{}: no such file", path.display()));
        }
        self.beside.vcf = Some(path);
        self.notice = Some("variants of the genes in view are scored (] [ on their row steps through them)".to_owned());
        Ok(())
    }

    /// Variants of the genes in view, the strongest first, and how far they are.
    pub fn scored_variants(&self) -> (&[ScoredVariant], RowState) {
        let Some(known) = &self.beside.variants else { return (&[], RowState::Computing(0, 0)) };
        let is_current = self.variants_asked().is_some_and(|(path, subjects)| known.path == path && known.subjects == subjects);
        match &known.found {
            Ok(found) => (found, if is_current { RowState::Fresh } else { RowState::Computing(0, 0) }),
            Err(reason) => (&[], RowState::Failed(reason.clone())),
        }
    }

    pub(super) fn take_variants(
        &mut self,
        path: PathBuf,
        subjects: Vec<Subject>,
        found: Result<Arc<Vec<ScoredVariant>>, String>,
    ) {
        if let Err(reason) = &found {
            self.say(reason.clone());
        }
        self.beside.variants = Some(Variants { path, subjects, found });
    }

    /// Steps to the `n`-th further variant in the order of their effects.
    pub fn step_variant(&mut self, n: i64) {
        let (variants, _) = self.scored_variants();
        let all: Vec<ScoredVariant> = variants.iter().filter(|v| v.effect.is_ok()).cloned().collect();
        if all.is_empty() {
            self.notice = Some("no variant of these genes is scored".to_owned());
            return;
        }
        let is_it =
            |v: &ScoredVariant| self.beside.stepped.as_ref().is_some_and(|(g, name)| *g == v.gene && *name == v.allele.name);
        let at = all.iter().position(is_it).map_or(if n > 0 { -1 } else { all.len() as i64 }, |at| at as i64);
        let next = (at + n).clamp(0, all.len() as i64 - 1) as usize;
        let variant = &all[next];
        self.beside.stepped = Some((variant.gene, variant.allele.name.clone()));
        let span = self.region.len();
        let start = variant.allele.position.saturating_sub(span / 2);
        self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
        self.gene = Some(variant.gene);
        let name = &self.session.genome.genes.get(variant.gene).name;
        let effect = variant
            .effect
            .as_ref()
            .map_or_else(Clone::clone, |e| format!("{:.3} \u{2192} {:.3} ({:+.3})", e.reference, e.alternative, e.change()));
        self.notice =
            Some(format!("{} of {}: {} {} on {name}: {effect}", next + 1, all.len(), variant.allele.name, variant.allele.id));
    }

    /// Variants of the genes in view as a table.
    ///
    /// # Errors
    /// Where there is no file of variants.
    pub fn variant_table(&self) -> Result<Table, String> {
        let path = self.vcf().ok_or("no file of variants: variants FILE.vcf")?;
        let (variants, state) = self.scored_variants();
        let line = |v: &ScoredVariant| {
            let number = |of: fn(&crate::regulation::variants::Effect) -> f64| v.effect.as_ref().map_or(f64::NAN, of);
            let gene = self.session.genome.genes.get(v.gene).name.clone();
            let note = v.effect.as_ref().err().cloned().unwrap_or_default();
            let chrom = v.allele.name.split(':').next().unwrap_or_default().to_owned();
            Line {
                target: format!("{chrom}:{}", v.allele.position + 1),
                cells: vec![
                    Cell::Text(v.allele.name.clone()),
                    Cell::Text(v.allele.id.clone()),
                    Cell::Text(gene),
                    Cell::Number(number(|e| e.change())),
                    Cell::Number(number(|e| e.reference)),
                    Cell::Number(number(|e| e.alternative)),
                    Cell::Text(note),
                ],
            }
        };
        let busy = if state == RowState::Fresh { "" } else { ", still being scored" };
        let title = format!("{}: variants of the genes in view by effect{busy}", path.display());
        let columns = ["variant", "id", "gene", "effect", "reference", "alternative", "note"];
        Ok(Table::new(title, &columns, variants.iter().map(line).collect()))
    }

    /// Begins a search for the smallest change that turns the gene.
    ///
    /// # Errors
    /// Where the words are not understood, or edits are in the way.
    pub fn begin_minimal(&mut self, text: &str) -> Result<(), String> {
        if let Some(RowState::Failed(reason) | RowState::NotApplicable(reason)) = self.obstacle() {
            return Err(reason);
        }
        let subject = self.subject().ok_or("no model reads a gene here")?;
        if !subject.edits.is_empty() {
            return Err("there are edits of this gene already: take them back first (u, or E and d)".to_owned());
        }
        let manifest = self.models[subject.model].manifest.as_ref().map_err(Clone::clone)?;
        let search = Search::parse(text, &self.session, manifest)?;
        self.beside.minimal = Some((subject, search));
        self.notice = Some("looking for the smallest change; its edits will be listed (E)".to_owned());
        Ok(())
    }

    pub(super) fn take_minimal(&mut self, subject: &Subject, search: &Search, found: Result<Found, String>) {
        if self.beside.minimal.as_ref() != Some(&(subject.clone(), search.clone())) {
            return;
        }
        self.beside.minimal = None;
        let found = match found {
            Ok(found) => found,
            Err(reason) => return self.say(format!("no smallest change: {reason}")),
        };
        let words = EditWords::new(&self.session, Vec::new());
        let edits = parse_edits(found.edits.iter().map(String::as_str), &words).unwrap_or_default();
        let reached = if found.is_reached { "reached" } else { "not reached" };
        let summary = format!(
            "smallest change: {} edits ({} units), F {:.3} \u{2192} {:.3}, {} {reached} (E lists, u takes back)",
            edits.len(),
            found.n_units,
            found.before,
            found.after,
            found.goal
        );
        match self.add_edits("the smallest change", edits) {
            Ok(()) => self.say(summary),
            Err(reason) => self.say(reason),
        }
    }

    pub(super) fn take_trust(&mut self, subject: Subject, trust: Result<Arc<Trust>, String>) {
        self.beside.trust = Some((subject, trust));
    }

    /// How far the prediction shown can be trusted, where that is worked out.
    pub fn trust(&self) -> Option<&Trust> {
        let (subject, trust) = self.beside.trust.as_ref()?;
        trust.as_deref().ok().filter(|_| Some(subject) == self.subject().as_ref())
    }

    /// The same as a table.
    ///
    /// # Errors
    /// Where it is not worked out, with the reason.
    pub fn trust_table(&self) -> Result<Table, String> {
        let gene = self.current_gene().map(|gene| gene.name.clone()).unwrap_or_default();
        match &self.beside.trust {
            Some((subject, Err(reason))) if Some(subject) == self.subject().as_ref() => return Err(reason.clone()),
            _ => {}
        }
        let trust = self.trust().ok_or("not worked out yet: it follows the explanation")?;
        let line = |(what, says): (&str, String)| Line {
            target: gene.clone(),
            cells: vec![Cell::Text(what.to_owned()), Cell::Text(says)],
        };
        Ok(Table::new(
            format!("how far {gene} can be trusted"),
            &["what", "finding"],
            trust.lines().into_iter().map(line).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::BaseOrder;
    use crate::jobs::{JobId, Reply, Role};
    use crate::models::test_manifest;
    use crate::regulation::variants::{Effect, alleles};
    use crate::state::{Mode, toy};
    use crate::tracks::Variant;

    fn state() -> State {
        toy::state(Some(Ok(test_manifest(10_000, 1, &["H3K4me3"], Some(BaseOrder::ACGT)))))
    }

    fn apply(state: &mut State, reply: Reply) {
        state.apply(reply, JobId::default(), JobId::default());
    }

    fn scored(state: &State, position: u64, change: f64) -> ScoredVariant {
        let variant = Variant {
            chrom: "chr1".to_owned(),
            position,
            id: String::new(),
            reference: "A".to_owned(),
            alternatives: vec!["G".to_owned()],
            quality: None,
            end: position + 1,
        };
        let allele = Arc::new(alleles(&[variant]).remove(0));
        let effect = Ok(Effect { reference: 1.0, alternative: 1.0 + change });
        ScoredVariant { gene: state.gene.unwrap(), allele, effect }
    }

    #[test]
    fn variants_are_asked_once_and_stepped_through_by_effect() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut state = state();
        assert_eq!(state.aside().variants, None);
        assert!(state.use_variants("none.vcf").unwrap_err().contains("no such file"));
        state.use_variants(file.path().to_str().unwrap()).unwrap();
        let (path, subjects) = state.aside().variants.unwrap();
        assert!(subjects.contains(&state.subject().unwrap()));
        let found = Ok(Arc::new(vec![scored(&state, 20_400, -2.0), scored(&state, 19_000, 0.5)]));
        apply(&mut state, Reply::Variants { path, subjects, found });
        assert_eq!(state.aside().variants, None, "what is there is not asked again");
        state.step_variant(1);
        assert_eq!(state.region.centre(), 20_400);
        assert!(state.notice.as_ref().is_some_and(|n| n.starts_with("1 of 2: chr1:20,401 A>G") && n.contains("(-2.000)")));
        state.step_variant(1);
        assert_eq!(state.region.centre(), 19_000);
        state.step_variant(-1);
        assert_eq!(state.region.centre(), 20_400);
        let table = state.variant_table().unwrap();
        assert_eq!((table.len(), table.lines().next().unwrap().target.as_str()), (2, "chr1:20401"));
    }

    #[test]
    fn the_smallest_change_becomes_edits_that_are_taken_back_as_one() {
        let mut state = state();
        state.add_edit("blank H3K4me3 chr1:20,001-20,050").unwrap();
        assert!(state.begin_minimal("low").unwrap_err().contains("take them back first"));
        state.undo();
        assert!(state.begin_minimal("upwards").unwrap_err().contains("to low, high"));
        state.begin_minimal("-1.5 by bases").unwrap();
        let (subject, search) = state.aside().minimal.unwrap();
        let edits = ["chr1:20,001 A>G", "chr1:20,011 C>T"].map(str::to_owned).to_vec();
        let found = Found { edits, n_units: 2, before: 1.0, after: -1.6, goal: "F at most -1.500".to_owned(), is_reached: true };
        apply(&mut state, Reply::Minimal { subject, search, found: Ok(found) });
        assert_eq!((state.edits.len(), state.aside().minimal), (2, None));
        state.undo();
        assert!(state.edits.is_empty());
    }

    #[test]
    fn trust_is_of_the_prediction_shown() {
        let mut state = state();
        assert!(state.trust_table().is_err());
        let trust = Arc::new(Trust { role: Role::Train, percentiles: Vec::new(), seeds: None, shuffled: Some(0.9) });
        let subject = state.subject().unwrap();
        apply(&mut state, Reply::Trust { subject, trust: Ok(trust) });
        assert!(state.trust().is_some_and(|t| t.badge().starts_with("a training gene, r 0.90")));
        assert_eq!(state.trust_table().unwrap().len(), 4);
        state.step_gene(1);
        assert!(state.trust().is_none() && matches!(state.mode, Mode::Browse));
    }
}
