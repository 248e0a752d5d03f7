//! Work off the drawing thread: one thread reads tracks for the screen, one explains predictions, one predicts a signal along the view,
//! one works out what is asked beside them. Each has one slot; the newest request wins and the one before it is cancelled. Every reply carries the job it answers, so a stale one can be dropped.

mod aside;
mod cores;
mod explain;
mod foreseen;
mod listing;
mod look;
mod memory;
mod pace;
mod predict;
mod seqlets;
mod shelf;
mod slot;
mod store;
mod tiles;
mod trust;

pub use aside::{Aside, ScoredVariant};
pub use cores::{GeneCores, gene_cores};
pub use explain::{Analysis, Explain, NULL_SEED, significant_bins};
pub use listing::{By, Listed, Listing, ListingSide, is_one_unit};
pub use look::{Look, Seek, Sought, columns_with_edits};
pub use pace::Pace;
pub use predict::{Brief, Prediction, Subject, Unedited, measured_signal, predict, predict_input};
pub use seqlets::seqlets_of;
pub use slot::{JobId, Slot};
pub use store::{Store, StoreInfo};
pub use tiles::{MOST_TILES, Tiles, Tiling, predict_tiles};
pub use trust::{Role, Seeds, Trust};

use crate::attribution::Attribution;
use crate::genome::{Pattern, Region, Strand};
use crate::models::{Manifest, Model};
use crate::regulation::minimal_change::{Found, Search};
use crate::session::{Session, TrackId};
use crate::tracks::{Column, Features};
use foreseen::Foreseen;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a worker sends back.
#[derive(Debug)]
pub enum Reply {
    /// A signal row's columns.
    Columns {
        /// The look it answers.
        job: JobId,
        /// The row's track.
        track: TrackId,
        /// What was summarised.
        region: Region,
        /// The columns, or why there are none.
        columns: Result<Vec<Column>, String>,
    },
    /// Intervals of a track: all, or those of an indexed file in the part it says it covers.
    Features {
        /// The row's track.
        track: TrackId,
        /// The intervals, or why there are none.
        features: Result<Arc<Features>, String>,
    },
    /// All that a look asked for has been read.
    Looked(JobId),
    /// What readers had to say about files they opened.
    Warnings(Vec<String>),
    /// A track does not fit the genome.
    Mismatch {
        /// The track.
        track: TrackId,
        /// Another length of a chromosome, or none in common.
        reason: String,
    },
    /// Reference bases of a region.
    Sequence {
        /// The look it answers.
        job: JobId,
        /// Where.
        region: Region,
        /// The bases, or why there are none.
        bases: Result<Vec<u8>, String>,
    },
    /// Where a pattern stands in a region.
    Occurrences {
        /// The pattern.
        pattern: Pattern,
        /// Where was searched.
        region: Region,
        /// First base and strand of each, in order.
        found: Result<Arc<Vec<(u64, Strand)>>, String>,
    },
    /// The end of a search.
    Found {
        /// The search.
        seek: Seek,
        /// The stretch found and the position in it that stands out; `None` where there is no further one.
        found: Result<Option<(Region, u64)>, String>,
    },
    /// The first answer about a subject.
    Prediction {
        /// The explanation it belongs to.
        job: JobId,
        /// The prediction, or why there is none.
        prediction: Result<Arc<Prediction>, String>,
    },
    /// A partial or final attribution.
    Attribution {
        /// The explanation it belongs to.
        job: JobId,
        /// Which row it fills.
        analysis: Analysis,
        /// The values so far, or why there are none.
        attribution: Result<Arc<Attribution>, AnalysisFailure>,
        /// When it was computed, where that was in an earlier run.
        stored: Option<SystemTime>,
    },
    /// What another reply says, of the model or sample that is compared.
    Compared(Box<Reply>),
    /// Predictions of other genes, samples or models, or why there are none.
    Briefs(Vec<(Subject, Result<Brief, String>)>),
    /// More of a list of genes.
    Listed {
        /// The list.
        listing: Arc<Listing>,
        /// Genes of it, one after the other.
        found: Vec<Listed>,
        /// The place of the first of them among its genes.
        first: usize,
    },
    /// The seqlets of the mutagenesis.
    Seqlets {
        /// The explanation it belongs to.
        job: JobId,
        /// The seqlets, or why there are none.
        seqlets: Result<Arc<Features>, AnalysisFailure>,
    },
    /// The signal that a model predicts along a view.
    Tiles {
        /// The view.
        tiling: Tiling,
        /// The bins as far as they are predicted, or why there are none.
        tiles: Result<Arc<Tiles>, String>,
    },
    /// The end of a search for the smallest change that turns a gene.
    Minimal {
        /// The gene, in its sample, to its model.
        subject: Subject,
        /// What was searched for.
        search: Search,
        /// What was found, or why nothing could be.
        found: Result<Found, String>,
    },
    /// Variants of some genes, the strongest effect first.
    Variants {
        /// Their file.
        path: PathBuf,
        /// The genes.
        subjects: Vec<Subject>,
        /// The variants that change what the model reads of them.
        found: Result<Arc<Vec<ScoredVariant>>, String>,
    },
    /// What a model attends to together over samples.
    Cores {
        /// The gene, and the model.
        subject: Subject,
        /// What was found, or why nothing could be.
        found: Result<Arc<GeneCores>, String>,
    },
    /// How far a prediction can be trusted.
    Trust {
        /// The prediction.
        subject: Subject,
        /// What is to be said.
        trust: Result<Arc<Trust>, String>,
    },
    /// A model's files were replaced while they were open.
    ModelReplaced {
        /// Its index in the session.
        index: usize,
        /// What it is now, or why it can no longer be read.
        manifest: Box<Result<Manifest, String>>,
    },
}

impl Reply {
    /// How soon it is to be seen.
    pub fn haste(&self) -> Haste {
        match self {
            Self::Attribution { .. } | Self::Seqlets { .. } | Self::Trust { .. } | Self::Cores { .. } | Self::Briefs(_) => {
                Haste::CanWait
            }
            Self::Compared(reply) => reply.haste(),
            Self::Looked(_) => Haste::AtOnce,
            _ => Haste::InTurn,
        }
    }
}

/// How soon a reply is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// It adds to what is shown of a gene: nobody waits for it who has just pressed a key.
    CanWait,
    /// With the next frame.
    InTurn,
    /// It completes what a key asked for.
    AtOnce,
}

impl Reply {
    /// Whether a row's data could not be read.
    fn is_failure(&self) -> bool {
        matches!(self, Self::Columns { columns: Err(_), .. } | Self::Features { features: Err(_), .. })
    }
}

/// Why an analysis has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnalysisFailure {
    /// The method says nothing about this network.
    NotApplicable(String),
    /// It should have worked.
    Failed(String),
}

/// Where results are kept.
#[derive(Clone, Debug)]
pub struct Caches {
    /// At most about so many bytes in memory.
    pub memory_bytes: usize,
    /// Results of earlier runs, where the user allows that.
    pub store: Option<Store>,
}

impl Default for Caches {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, store: None }
    }
}

/// Of the threads that compute, as nice(1) has it: enough to give way, and a share where other programs compute too.
const EXPLAINER_NICENESS: i32 = 5;

/// Loads a network from its folder.
pub type LoadModel = dyn Fn(&std::path::Path) -> Result<Box<dyn Model>, String> + Send + Sync;

/// The workers. Dropping it tells them to stop; a worker stuck in a read is left behind, never waited for.
pub struct Workers {
    look: Arc<Slot<Look>>,
    explain: Arc<Slot<Explain>>,
    aside: Arc<Slot<Aside>>,
    tile: Arc<Slot<Tiling>>,
    foreseen: Arc<Foreseen>,
    replies: UnboundedSender<Reply>,
}

impl Workers {
    /// Starts the threads. `models` are the folders of the session's models, by the index requests use.
    pub fn start(
        session: Arc<Session>,
        models: Vec<PathBuf>,
        load: Arc<LoadModel>,
        caches: Caches,
    ) -> std::io::Result<(Self, UnboundedReceiver<Reply>)> {
        let (sender, receiver) = unbounded_channel();
        let (look, explain, aside) = (Arc::new(Slot::default()), Arc::new(Slot::default()), Arc::new(Slot::default()));
        let (slot, replies, for_look) = (look.clone(), sender.clone(), session.clone());
        spawn("look", move || look::serve(&slot, for_look, &replies))?;
        let (slot, replies, for_aside) = (aside.clone(), sender.clone(), session.clone());
        let (folders, loads) = (models.clone(), load.clone());
        let work = move || {
            yield_to_the_screen();
            aside::AsideWorker::new(for_aside, &folders, &*loads, &replies).serve(&slot);
        };
        spawn("aside", work)?;
        let tile = Arc::new(Slot::default());
        let (slot, replies, for_tiles) = (tile.clone(), sender.clone(), session.clone());
        let (folders, loads) = (models.clone(), load.clone());
        let work = move || {
            yield_to_the_screen();
            tiles::Tiler::new(for_tiles, &folders, &*loads).serve(&slot, &replies);
        };
        spawn("tiles", work)?;
        let slot = explain.clone();
        // The kernels' threads: the explainer is one of them, and its parallel work finds the others.
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("explain {i}"));
        let pool = pool.start_handler(|_| yield_to_the_screen()).build();
        let pool = pool.map_err(std::io::Error::other)?;
        let foreseen = Arc::new(Foreseen::default());
        let (ahead, replies) = (foreseen.clone(), sender.clone());
        pool.spawn(move || explain::Explainer::new(session, &models, &*load, caches, &sender).foreseeing(ahead).serve(&slot));
        Ok((Self { look, explain, aside, tile, foreseen, replies }, receiver))
    }

    /// Reads rows for the screen; what was asked before and is not read yet is forgotten.
    pub fn look(&self, request: Look) -> JobId {
        self.look.restart(request)
    }

    /// Explains a subject; whatever was being explained stops. What is foreseen of the subject is answered without waiting for that.
    pub fn explain(&self, request: Explain) -> JobId {
        let subject = request.subject.clone();
        self.foreseen.answer(&subject, |prediction| {
            let job = self.explain.restart(request);
            if let Some(prediction) = prediction {
                send(&self.replies, Reply::Prediction { job, prediction: Ok(prediction) });
            }
            job
        })
    }

    /// Works out what is asked beside the explanation; whatever was being worked out stops.
    pub fn aside(&self, request: Aside) -> JobId {
        self.aside.restart(request)
    }

    /// Predicts the bins of a view, or none; whatever was being predicted along another one stops.
    pub fn tile(&self, request: Option<Tiling>) {
        match request {
            Some(request) => drop(self.tile.restart(request)),
            None => self.tile.cancel(),
        }
    }

    /// Stops explaining.
    pub fn stop_explaining(&self) {
        self.explain.cancel();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.look.close();
        self.explain.close();
        self.aside.close();
        self.tile.close();
    }
}

/// Lets the threads that draw and read rows go first; where the system refuses, all are equal.
fn yield_to_the_screen() {
    #[cfg(target_os = "linux")] // where a priority is a thread's own
    rustix::process::setpriority_process(None, EXPLAINER_NICENESS).ok();
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(|_| ())
}

/// Sends a reply; nobody listening any more means the program is ending.
fn send(replies: &UnboundedSender<Reply>, reply: Reply) {
    let _ = replies.send(reply);
}

/// Runs a piece of a job so that a panic in it is an error of that piece only.
fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    crate::tracks::contain_panic(work).map_err(|message| format!("internal error: {message}"))
}

#[cfg(test)]
mod tests;
