//! What is worked out beside the explanation, on a thread and with a copy of the networks of its own: the smallest change that turns
//! a gene, variants in view, and how far a prediction can be trusted.

use super::cores::{GeneCores, gene_cores};
use super::listing::{Listed, Listing};
use super::shelf::Shelf;
use super::trust::{Trust, Truster};
use super::{Brief, LoadModel, Reply, Slot, Subject, contained, predict, send};
use crate::attribution::{AttributionError, Run};
use crate::genome::GeneId;
use crate::models::Model;
use crate::regulation::minimal_change::{Found, Search, minimal_change};
use crate::regulation::variants::{Allele, AlleleIndex, Effect, alleles, effects};
use crate::session::{Edit, Readers, Session};
use crate::tracks::{is_wanted, read_variants, while_wanted};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What is asked beside the explanation; what is there already is not asked again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aside {
    /// The smallest change that turns a gene.
    pub minimal: Option<(Subject, Search)>,
    /// A file of variants, and the genes they are scored for.
    pub variants: Option<(PathBuf, Vec<Subject>)>,
    /// How far the prediction for a gene can be trusted.
    pub trust: Option<Subject>,
    /// The gene and model whose COREs are looked for, over all samples.
    pub cores: Option<Subject>,
    /// What is predicted of other genes, samples or models.
    pub briefs: Vec<Subject>,
    /// Genes by what a model makes of them.
    pub listing: Option<Arc<Listing>>,
}

impl Aside {
    /// Whether everything that `other` asks is asked here.
    pub fn covers(&self, other: &Self) -> bool {
        fn has<T: PartialEq>(mine: &Option<T>, theirs: &Option<T>) -> bool {
            theirs.is_none() || mine == theirs
        }
        has(&self.minimal, &other.minimal)
            && has(&self.variants, &other.variants)
            && has(&self.trust, &other.trust)
            && has(&self.cores, &other.cores)
            && has(&self.listing, &other.listing)
            && other.briefs.iter().all(|subject| self.briefs.contains(subject))
    }

    /// Whether `other` gave up what would take a core for as long as the genome is: a list is asked for until it is complete.
    pub fn has_left(&self, other: &Self) -> bool {
        self.listing.is_some() && other.listing.is_none()
    }
}

/// An allele and what it does to a gene.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredVariant {
    /// The gene.
    pub gene: GeneId,
    /// The allele.
    pub allele: Arc<Allele>,
    /// What it does, or why that cannot be said.
    pub effect: Result<Effect, String>,
}

impl ScoredVariant {
    /// How much F changes; 0 where that cannot be said.
    pub fn change(&self) -> f64 {
        self.effect.as_ref().map_or(0.0, |effect| effect.change())
    }
}

/// Genes of a file of variants that are remembered.
const MOST_REMEMBERED: usize = 500;

/// A file of variants as read.
struct VariantFile {
    path: PathBuf,
    alleles: Vec<Arc<Allele>>,
    plain: Vec<Allele>,
    index: AlleleIndex,
    scored: HashMap<Subject, Vec<ScoredVariant>>,
}

/// What the worker works with.
pub(super) struct AsideWorker<'a> {
    readers: Readers,
    shelf: Shelf<'a>,
    file: Option<VariantFile>,
    truster: Truster,
    /// The list that was worked on last, and how many of its genes are sent.
    listed: Option<(Arc<Listing>, usize)>,
    replies: &'a UnboundedSender<Reply>,
}

impl<'a> AsideWorker<'a> {
    pub(super) fn new(
        session: Arc<Session>,
        folders: &'a [PathBuf],
        load: &'a LoadModel,
        replies: &'a UnboundedSender<Reply>,
    ) -> Self {
        let readers = Readers::new(session);
        Self { readers, shelf: Shelf::new(folders, load), file: None, truster: Truster::default(), listed: None, replies }
    }

    /// Answers until the slot closes.
    pub(super) fn serve(&mut self, slot: &Arc<Slot<Aside>>) {
        while let Some((job, aside)) = slot.take() {
            let wanted = slot.clone();
            while_wanted(move || wanted.is_current(job), || self.answer(&aside, &|| slot.is_current(job)));
        }
    }

    /// One request; nothing is sent of what something newer has cut short.
    pub(super) fn answer(&mut self, aside: &Aside, is_current: &dyn Fn() -> bool) {
        if let Some((subject, search)) = &aside.minimal
            && let Some(found) = finished(contained(|| self.minimal(subject, search, is_current)))
        {
            send(self.replies, Reply::Minimal { subject: subject.clone(), search: search.clone(), found });
        }
        if let Some((path, subjects)) = aside.variants.as_ref().filter(|_| is_current())
            && let Some(found) = finished(contained(|| self.variants(path, subjects, is_current)))
        {
            send(self.replies, Reply::Variants { path: path.clone(), subjects: subjects.clone(), found: found.map(Arc::new) });
        }
        if let Some(subject) = aside.trust.as_ref().filter(|_| is_current())
            && let Some(trust) = finished(contained(|| self.trust(subject, is_current)))
        {
            send(self.replies, Reply::Trust { subject: subject.clone(), trust: trust.map(Arc::new) });
        }
        if let Some(subject) = aside.cores.as_ref().filter(|_| is_current())
            && let Some(found) = finished(contained(|| self.cores(subject, is_current)))
        {
            send(self.replies, Reply::Cores { subject: subject.clone(), found: found.map(Arc::new) });
        }
        self.briefs(&aside.briefs, is_current);
        if let Some(listing) = &aside.listing {
            self.list(listing, is_current);
        }
    }

    /// Predictions one by one, so that they are drawn as they come.
    fn briefs(&mut self, subjects: &[Subject], is_current: &dyn Fn() -> bool) {
        for subject in subjects {
            if !is_current() {
                return;
            }
            let predicted = contained(|| {
                let model = self.model(subject.model)?;
                Ok(predict(&*model, subject, &mut self.readers).map(|(p, _)| Brief::of(&p))?)
            });
            if let Some(brief) = finished(predicted) {
                send(self.replies, Reply::Briefs(vec![(subject.clone(), brief)]));
            }
        }
    }

    /// Genes one after the other, sent a few at a time; a list that was cut short goes on where it stopped.
    fn list(&mut self, listing: &Arc<Listing>, is_current: &dyn Fn() -> bool) {
        /// Sent together.
        const SENT: usize = 8;
        let done = self.listed.take().filter(|(known, _)| known == listing).map_or(0, |(_, done)| done);
        let mut found: Vec<Listed> = Vec::new();
        let mut first = done;
        for (i, &gene) in listing.genes.iter().enumerate().skip(done) {
            let judged = contained(|| -> Result<Listed, Stopped> {
                let (here, there) = (self.model(listing.here.model)?, self.model(listing.there.model)?);
                Ok(listing.judge(gene, [&*here, &*there], &mut self.readers, is_current)?)
            });
            if !is_current() {
                break;
            }
            let Some(judged) = finished(judged) else { break };
            // A gene that cannot be read stands last, as one without a value.
            found.push(judged.unwrap_or(Listed { gene, value: f64::NAN, place: None }));
            if found.len() == SENT || i + 1 == listing.genes.len() {
                let n = found.len();
                send(self.replies, Reply::Listed { listing: listing.clone(), found: std::mem::take(&mut found), first });
                first += n;
            }
        }
        self.listed = Some((listing.clone(), first));
    }

    fn minimal(&mut self, subject: &Subject, search: &Search, is_current: &dyn Fn() -> bool) -> Result<Found, Stopped> {
        let model = self.model(subject.model)?;
        let mut ignore = |_: &_| ();
        let run = Run::new(is_current, &mut ignore);
        Ok(minimal_change(&*model, &mut self.readers, subject.sample, &subject.window, search, &run, &mut |_, _| ())?)
    }

    fn variants(
        &mut self,
        path: &Path,
        subjects: &[Subject],
        is_current: &dyn Fn() -> bool,
    ) -> Result<Vec<ScoredVariant>, Stopped> {
        // First, for a network that was replaced has nothing scored.
        subjects.iter().try_for_each(|subject| self.model(subject.model).map(|_| ()))?;
        if self.file.as_ref().is_none_or(|file| file.path != path) {
            let loaded =
                read_variants(path, &self.readers.session().genome.chroms).map_err(|e| Stopped::Failed(e.to_string()))?;
            if !loaded.warnings.is_empty() {
                send(self.replies, Reply::Warnings(loaded.warnings));
            }
            let plain = alleles(&loaded.value);
            let (index, alleles) = (AlleleIndex::new(&plain), plain.iter().cloned().map(Arc::new).collect());
            self.file = Some(VariantFile { path: path.to_owned(), alleles, plain, index, scored: HashMap::new() });
        }
        let mut found = Vec::new();
        for subject in subjects {
            if !is_current() {
                return Err(Stopped::Superseded);
            }
            let model = self.model(subject.model)?;
            if let Some(scored) = self.file.as_ref().and_then(|file| file.scored.get(subject)) {
                found.extend(scored.iter().cloned());
                continue;
            }
            let Some(file) = &mut self.file else { continue };
            let inside = file.index.inside(&file.plain, &*model, &subject.window);
            let edits: Vec<&Edit> = inside.iter().filter_map(|&i| file.plain[i].edit.as_ref().ok()).collect();
            let mut ignore = |_: &_| ();
            let run = Run::new(is_current, &mut ignore);
            let scored = match edits.len() {
                0 => Vec::new(),
                _ => effects(&*model, &mut self.readers, subject.sample, &subject.window, &edits, &run)?,
            };
            let scored: Vec<ScoredVariant> = inside
                .iter()
                .zip(scored)
                .map(|(&i, effect)| ScoredVariant { gene: subject.gene, allele: file.alleles[i].clone(), effect })
                .collect();
            if file.scored.len() >= MOST_REMEMBERED {
                file.scored.clear();
            }
            file.scored.insert(subject.clone(), scored.clone());
            found.extend(scored);
        }
        // Equal effects keep the order of genes and file.
        found.sort_by(|a, b| b.change().abs().total_cmp(&a.change().abs()));
        Ok(found)
    }

    fn cores(&mut self, subject: &Subject, is_current: &dyn Fn() -> bool) -> Result<GeneCores, Stopped> {
        let model = self.model(subject.model)?;
        gene_cores(&*model, subject, &mut self.readers, is_current)?.ok_or(Stopped::Superseded)
    }

    fn trust(&mut self, subject: &Subject, is_current: &dyn Fn() -> bool) -> Result<Trust, Stopped> {
        let model = self.model(subject.model)?;
        let mut ignore = |_: &_| ();
        let run = Run::new(is_current, &mut ignore);
        Ok(self.truster.judge(&*model, self.shelf.folders, self.shelf.load, subject, &mut self.readers, &run)?)
    }

    fn model(&mut self, index: usize) -> Result<Arc<dyn Model>, Stopped> {
        let (model, is_replaced) = self.shelf.model(index);
        if is_replaced {
            // What it said before is no longer its word.
            (self.file, self.truster) = (None, Truster::default());
        }
        model.map_err(Stopped::Failed)
    }
}

/// Why a piece of work has no result.
enum Stopped {
    Superseded,
    Failed(String),
}

impl From<String> for Stopped {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

impl From<AttributionError> for Stopped {
    fn from(error: AttributionError) -> Self {
        match error {
            AttributionError::Cancelled => Self::Superseded,
            error => Self::Failed(error.to_string()),
        }
    }
}

/// A result, or the reason why there is none; `None` where something newer is wanted.
fn finished<T>(result: Result<Result<T, Stopped>, String>) -> Option<Result<T, String>> {
    match result {
        Ok(Ok(value)) => Some(Ok(value)),
        Ok(Err(Stopped::Superseded)) => None,
        // A server that was not waited for any longer is no failure.
        Ok(Err(Stopped::Failed(_))) if !is_wanted() => None,
        Ok(Err(Stopped::Failed(reason))) | Err(reason) => Some(Err(reason)),
    }
}
