//! Prediction and everything that explains it, in the order in which it is useful: prediction and attention, first values of
//! integrated gradients and of mutagenesis where the reader looks, bins, the neighbours' predictions, then all the rest.

use super::foreseen::Foreseen;
use super::memory::{Kept, Known, Memory};
use super::shelf::Shelf;
use super::store::{Store, StoreKey};
use super::{AnalysisFailure, Caches, JobId, LoadModel, Reply, Slot, Subject, contained, predict, send, seqlets_of};
use crate::attribution::{self, Attribution, AttributionError, Options, Run};
use crate::genome::GeneId;
use crate::models::{EXTERNAL, Input, Model};
use crate::motifs::Collection;
use crate::regulation::significance::{PROCEDURES, Pool};
use crate::session::{Readers, SampleId, Session};
use crate::tracks::{Features, while_wanted};
use lru::LruCache;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// A request to explain a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// What to explain.
    pub subject: Subject,
    /// Genome position mutagenesis starts from.
    pub centre: u64,
    /// Analyses wanted, in order.
    pub analyses: Vec<Analysis>,
    /// Whether the seqlets of the mutagenesis are wanted.
    pub seqlets: bool,
    /// The other model or sample, with the analysis that is compared.
    pub compared: Option<(Subject, Option<Analysis>)>,
    /// What the user may turn to next, prepared while they look.
    pub neighbours: Vec<Subject>,
}

/// An attribution with a row of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Analysis {
    /// Integrated gradients.
    IntegratedGradients,
    /// Occlusion of bins of marks.
    Occlusion,
    /// Saturation mutagenesis of bases.
    SaturationMutagenesis,
    /// Any other of [`attribution::METHODS`], by its name: where the user asks for it.
    Method(&'static str),
    /// Adjusted p-values of the attention's bins; they have no row of their own but mark the attention's.
    SignificantBins,
}

impl Analysis {
    /// Those with a row unless the user says otherwise, in its order.
    pub const ALL: [Self; 3] = [Self::IntegratedGradients, Self::Occlusion, Self::SaturationMutagenesis];

    /// Whether its first values say enough for the rest to wait for other analyses: they are whole and only become exact, or they
    /// lie where the reader looks.
    fn can_wait(self) -> bool {
        matches!(self, Self::IntegratedGradients | Self::SaturationMutagenesis)
    }

    /// What is computed for a subject, in order.
    pub const WANTED: [Self; 4] =
        [Self::IntegratedGradients, Self::SaturationMutagenesis, Self::SignificantBins, Self::Occlusion];

    /// The method's name in [`attribution::METHODS`], but for significant bins, which are read off attention.
    pub fn method(self) -> &'static str {
        match self {
            Self::IntegratedGradients => "integrated-gradients",
            Self::Occlusion => "occlusion",
            Self::SaturationMutagenesis => "saturation-mutagenesis",
            Self::Method(name) => name,
            Self::SignificantBins => "significant-bins",
        }
    }

    /// The analysis of a method's name or alias.
    pub fn of_method(name: &str) -> Option<Self> {
        let name = attribution::method(name)?.name();
        Some(Self::ALL.into_iter().find(|analysis| analysis.method() == name).unwrap_or(Self::Method(name)))
    }
}

/// Models in samples whose shuffles are kept: a session may have hundreds of samples.
const MOST_POOLS: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Seed of the shuffles that attention is compared with.
pub const NULL_SEED: u64 = 1;

/// One analysis of one side, and where its result is told.
#[derive(Clone, Copy)]
struct Step<'a> {
    known: &'a Known,
    subject: &'a Subject,
    analysis: Analysis,
    tell: &'a dyn Fn(Reply),
}

/// What the worker works with.
pub(super) struct Explainer<'a> {
    readers: Readers,
    shelf: Shelf<'a>,
    /// Attention to shuffled inputs of other genes, by model and sample.
    pools: LruCache<(usize, SampleId), Arc<Pool>>,
    memory: Memory,
    store: Option<Store>,
    /// What seqlets are compared with, once they are wanted.
    motifs: Option<Collection>,
    foreseen: Arc<Foreseen>,
    replies: &'a UnboundedSender<Reply>,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(
        session: Arc<Session>,
        folders: &'a [PathBuf],
        load: &'a LoadModel,
        caches: Caches,
        replies: &'a UnboundedSender<Reply>,
    ) -> Self {
        let (readers, memory) = (Readers::new(session), Memory::new(caches.memory_bytes));
        Self {
            readers,
            shelf: Shelf::new(folders, load),
            pools: LruCache::new(MOST_POOLS),
            memory,
            store: caches.store,
            motifs: None,
            foreseen: Arc::default(),
            replies,
        }
    }

    /// Leaves what it foresees where others find it.
    pub(super) fn foreseeing(self, foreseen: Arc<Foreseen>) -> Self {
        Self { foreseen, ..self }
    }

    /// Answers requests until the slot closes; between them the neighbours of the newest one are prepared.
    pub(super) fn serve(&mut self, slot: &Arc<Slot<Explain>>) {
        while let Some((job, request)) = slot.take() {
            let current = slot.clone();
            while_wanted(move || current.is_current(job), || self.work(job, &request, &|| slot.is_current(job)));
        }
    }

    /// One request, then what may be asked next, for as long as nothing newer is.
    pub(super) fn work(&mut self, job: JobId, request: &Explain, is_current: &dyn Fn() -> bool) {
        self.answer(job, request, is_current);
        self.prepare(request, is_current);
    }

    fn answer(&mut self, job: JobId, request: &Explain, is_current: &dyn Fn() -> bool) {
        let replies = self.replies;
        let here = |reply| send(replies, reply);
        let there = |reply| send(replies, Reply::Compared(Box::new(reply)));
        let known = self.tell_prediction(job, &request.subject, &here);
        let compared = request.compared.as_ref().and_then(|(subject, analysis)| {
            let known = self.tell_prediction(job, subject, &there)?;
            Some((subject, known, (*analysis)?))
        });
        let of_here = |known| request.analyses.iter().map(move |&analysis| (known, analysis));
        let steps = known.iter().flat_map(of_here);
        let mut steps: Vec<Step<'_>> =
            steps.map(|(known, analysis)| Step { known, subject: &request.subject, analysis, tell: &here }).collect();
        if let Some((subject, known, analysis)) = &compared {
            // What is compared is there on both sides before anything else is worked out.
            let at = steps.iter().position(|step| step.analysis == *analysis).map_or(steps.len(), |at| at + 1);
            steps.insert(at, Step { known, subject, analysis: *analysis, tell: &there });
        }
        // What is there already is shown before anything is computed.
        let is_there = |step: &Step<'_>| step.known.attributions.contains_key(&step.analysis);
        let (told, missing): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_there);
        for Step { known, analysis, tell, .. } in told {
            let Kept { attribution, stored } = known.attributions[&analysis].clone();
            tell(Reply::Attribution { job, analysis, attribution: Ok(attribution), stored });
        }
        let is_whole = self.explain_in_turn(job, &missing, request, is_current).is_some();
        if is_whole
            && known.is_some()
            && request.seqlets
            && let Some(seqlets) = self.seqlets(&request.subject, is_current).transpose()
        {
            send(self.replies, Reply::Seqlets { job, seqlets });
        }
    }

    /// Says what a network predicts, and gives what is known then.
    fn tell_prediction(&mut self, job: JobId, subject: &Subject, tell: &dyn Fn(Reply)) -> Option<Known> {
        let known = self.known(subject);
        tell(Reply::Prediction { job, prediction: known.as_ref().map(|known| known.prediction.clone()).map_err(Clone::clone) });
        known.ok()
    }

    /// The steps in order: first values of each, then what can wait, from the last to the first. `None` where something newer is
    /// wanted.
    fn explain_in_turn(
        &mut self,
        job: JobId,
        steps: &[Step<'_>],
        request: &Explain,
        is_current: &dyn Fn() -> bool,
    ) -> Option<()> {
        let Some((&Step { known, subject, analysis, tell }, others)) = steps.split_first() else {
            // Everything in view has values; before they become exact, what the user may turn to next is predicted.
            self.foresee(&request.neighbours, is_current);
            return Some(());
        };
        let reply = |attribution, stored| tell(Reply::Attribution { job, analysis, attribution, stored });
        let mut others_wait = true;
        let mut report = |explainer: &mut Self, partial: &Attribution| {
            reply(Ok(Arc::new(partial.clone())), None);
            if analysis.can_wait() && std::mem::take(&mut others_wait) {
                explainer.explain_in_turn(job, others, request, is_current);
            }
        };
        match self.attribution(known, subject, analysis, request.centre, is_current, &mut report) {
            Ok(Some(Kept { attribution, stored })) => reply(Ok(attribution), stored),
            Ok(None) => return None,
            Err(failure) => reply(Err(failure), None),
        }
        if others_wait { self.explain_in_turn(job, others, request, is_current) } else { Some(()) }
    }

    /// The seqlets of a subject's mutagenesis; `None` where something newer is wanted.
    fn seqlets(&mut self, subject: &Subject, is_current: &dyn Fn() -> bool) -> Result<Option<Arc<Features>>, AnalysisFailure> {
        let failed = AnalysisFailure::Failed;
        let known = self.known(subject).map_err(failed)?;
        if known.input.sequence.is_none() {
            return Err(AnalysisFailure::NotApplicable("they are of DNA, which this network does not read".to_owned()));
        }
        let ism = known.attributions.get(&Analysis::SaturationMutagenesis);
        let ism = ism.ok_or_else(|| failed("there is no mutagenesis to call them in".to_owned()))?;
        let session = self.readers.session().clone();
        let motifs = match self.motifs.take() {
            Some(motifs) => motifs,
            None => Collection::open(session.genome.motifs.as_deref()).map_err(|e| failed(e.to_string()))?,
        };
        let motifs = self.motifs.insert(motifs);
        let called = contained(|| seqlets_of(&ism.attribution, &known.input, motifs, &session.genome.chroms, is_current));
        Ok(called.map_err(failed)?.map(Arc::new))
    }

    /// Predicts what the user may turn to next. A neighbour that cannot be predicted says so when the user gets there.
    fn foresee(&mut self, neighbours: &[Subject], is_current: &dyn Fn() -> bool) {
        if neighbours.is_empty() {
            return;
        }
        let mut predictions = Vec::with_capacity(neighbours.len());
        for subject in neighbours.iter().take_while(|_| is_current()) {
            predictions.extend(self.known(subject).ok().map(|known| (subject.clone(), known.prediction)));
        }
        self.foreseen.set(predictions);
    }

    /// Explains what the user may turn to next, analysis by analysis.
    fn prepare(&mut self, request: &Explain, is_current: &dyn Fn() -> bool) {
        self.foresee(&request.neighbours, is_current);
        let each = |analysis: &Analysis| request.neighbours.iter().map(|subject| (subject, *analysis)).collect::<Vec<_>>();
        for (subject, analysis) in request.analyses.iter().flat_map(each) {
            if !is_current() {
                return;
            }
            let Ok(known) = self.known(subject) else { continue };
            if known.attributions.contains_key(&analysis) {
                continue;
            }
            let centre = subject.window.position(subject.window.len() / 2).max(0) as u64;
            if let Ok(None) = self.attribution(&known, subject, analysis, centre, is_current, &mut |_, _| ()) {
                return;
            }
        }
    }

    /// What is known of a subject, computed where nothing is.
    fn known(&mut self, subject: &Subject) -> Result<Known, String> {
        let model = self.model(subject.model)?;
        if let Some(known) = self.memory.get(subject) {
            return Ok(known.clone());
        }
        let (prediction, input) = contained(|| predict(&*model, subject, &mut self.readers)).and_then(|r| r)?;
        let known = Known { input: Arc::new(input), prediction: Arc::new(prediction), attributions: BTreeMap::new() };
        self.memory.insert(subject.clone(), known.clone());
        Ok(known)
    }

    /// One attribution from the disk or computed; `None` where something newer is wanted.
    fn attribution(
        &mut self,
        known: &Known,
        subject: &Subject,
        analysis: Analysis,
        centre: u64,
        is_current: &dyn Fn() -> bool,
        report: &mut dyn FnMut(&mut Self, &Attribution),
    ) -> Result<Option<Kept>, AnalysisFailure> {
        let failed = AnalysisFailure::Failed;
        let model = self.model(subject.model).map_err(failed)?;
        if analysis == Analysis::SignificantBins {
            return self.significant_bins(&*model, known, subject, is_current);
        }
        let method = attribution::method(analysis.method()).ok_or_else(|| failed(format!("no method {}", analysis.method())))?;
        if let Some(reason) = method.obstacle(&*model) {
            return Err(AnalysisFailure::NotApplicable(reason));
        }
        if !is_current() {
            return Ok(None);
        }
        let options = method.defaults();
        let key = StoreKey {
            model: format!("{:?} {:?}", model.manifest(), model.device_note()),
            input_hash: known.prediction.input_hash.clone(),
            method: method.name().to_owned(),
            options: format!("{options:?}"),
        };
        // A model without a hash was not read from a file; what the command of an external one reads is not known.
        let manifest = model.manifest();
        let is_stored = !manifest.hash.is_empty() && manifest.architecture != EXTERNAL;
        let store = self.store.as_ref().filter(|_| is_stored);
        if let Some((attribution, stored)) = store.and_then(|store| store.get(&key)) {
            let kept = Kept { attribution: Arc::new(attribution), stored: Some(stored) };
            self.memory.add(subject, analysis, kept.clone());
            return Ok(Some(kept));
        }
        let centre = known.input.window.index(centre as i64).map(|i| i as usize);
        let options = Options { centre, ..options };
        let mut report = |partial: &Attribution| report(self, partial);
        let mut run = Run::new(is_current, &mut report);
        let result = match contained(|| method.attribute(&*model, &known.input, &options, &mut run)) {
            Ok(Ok(result)) => result,
            Ok(Err(AttributionError::Cancelled)) => return Ok(None),
            Ok(Err(AttributionError::NotApplicable(reason))) => return Err(AnalysisFailure::NotApplicable(reason)),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(panic) => return Err(failed(panic)),
        };
        // Said at the end: a device may be lost on the way.
        let result = match model.device_note() {
            Some(note) => Attribution { settings: format!("{} · {note}", result.settings), ..result },
            None => result,
        };
        let kept = Kept { attribution: Arc::new(result), stored: None };
        self.memory.add(subject, analysis, kept.clone());
        if let Some(store) = self.store.as_ref().filter(|_| is_stored)
            && let Err(error) = store.put(&key, &kept.attribution)
        {
            let reason = format!("results are no longer kept on disk: {error}");
            send(self.replies, Reply::Warnings(vec![reason]));
            self.store = None;
        }
        Ok(Some(kept))
    }

    /// Adjusted p-values of the attention's bins, row after row; `None` where something newer is wanted.
    fn significant_bins(
        &mut self,
        model: &dyn Model,
        known: &Known,
        subject: &Subject,
        is_current: &dyn Fn() -> bool,
    ) -> Result<Option<Kept>, AnalysisFailure> {
        if known.prediction.attention.is_empty() {
            return Err(AnalysisFailure::NotApplicable("this network has no attention".to_owned()));
        }
        let place = (subject.model, subject.sample);
        let called = contained(|| {
            let pool = match self.pools.get(&place) {
                Some(pool) => pool.clone(),
                None => {
                    let read = Pool::read(model, &mut self.readers, subject.sample, NULL_SEED, is_current)?;
                    self.pools.get_or_insert(place, || Arc::new(read)).clone()
                }
            };
            significant_bins(model, &known.input, subject.gene, known.prediction.score, &pool, is_current)
        });
        let attribution = match called {
            Ok(Ok(attribution)) => attribution,
            Ok(Err(AttributionError::Cancelled)) => return Ok(None),
            Ok(Err(error)) => return Err(AnalysisFailure::Failed(error.to_string())),
            Err(panic) => return Err(AnalysisFailure::Failed(panic)),
        };
        let kept = Kept { attribution: Arc::new(attribution), stored: None };
        self.memory.add(subject, Analysis::SignificantBins, kept.clone());
        Ok(Some(kept))
    }

    /// The network of an index, read again where its files were replaced.
    fn model(&mut self, index: usize) -> Result<Arc<dyn Model>, String> {
        let (model, is_replaced) = self.shelf.model(index);
        if is_replaced {
            self.memory.forget_model(index);
            self.foreseen.set(Vec::new());
            self.pools.clear();
            let manifest = model.as_ref().map(|m| m.manifest().clone()).map_err(String::clone);
            send(self.replies, Reply::ModelReplaced { index, manifest: Box::new(manifest) });
        }
        model
    }
}

/// Adjusted p-values of the bins of a gene's attention, row after row, as a profile.
///
/// # Errors
/// As [`Pool::call`].
pub fn significant_bins(
    model: &dyn Model,
    input: &Input,
    gene: GeneId,
    score: f64,
    pool: &Pool,
    is_current: &dyn Fn() -> bool,
) -> Result<Attribution, AttributionError> {
    let procedure = &PROCEDURES[0];
    let (_, bins) = pool.call(model, input, gene, procedure, is_current)?;
    Ok(Attribution {
        method: Analysis::SignificantBins.method(),
        settings: procedure.name.to_owned(),
        score,
        seed: Some(NULL_SEED),
        profile: Some(bins.q.concat().into_iter().map(|q| q as f32).collect()),
        ..Attribution::default()
    })
}
