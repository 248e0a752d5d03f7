//! Everything the user is looking at: plain data with one owner, the main loop. Drawing only reads it.

mod edits;
mod explained;
mod going;
mod places;
mod prompt;
mod rows;
#[cfg(test)]
pub(crate) mod toy;
mod undo;

pub use edits::{EditPrompt, Selecting};
pub use explained::{Explained, ModelInfo, RowState};
pub use places::{Place, Places};
pub use prompt::{Match, Prompt};
pub use rows::{RowId, RowView};
pub use undo::{History, View};

use crate::attribution::MutagenesisView;
use crate::genome::{Gene, GeneId, Locus, Region};
use crate::jobs::{Explain, JobId, Look, Reply, Seek, Subject};
use crate::session::{Edit, SampleId, Session, TrackId, TrackKind};
use crate::theme::Theme;
use crate::tracks::{Column, Features};
use std::collections::HashMap;
use std::sync::Arc;

/// The narrowest and widest a new view may be, in bases, when nothing says otherwise.
const DEFAULT_SPAN: u64 = 10_000;

/// What has the keyboard.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// The tracks.
    #[default]
    Browse,
    /// The goto prompt.
    Goto(Prompt),
    /// The list of keys; how far it is scrolled.
    Help(u16),
    /// Everything that was said; how far it is scrolled.
    Messages(u16),
    /// A stretch is being selected.
    Select(Selecting),
    /// An edit is being typed.
    Edit(EditPrompt),
    /// The list of edits; the chosen one.
    Edits(usize),
}

/// The columns of one signal row, for the region they were read for.
#[derive(Clone, Debug)]
pub struct SignalView {
    /// What was summarised.
    pub region: Region,
    /// The columns, or why there are none.
    pub columns: Result<Vec<Column>, String>,
}

/// Everything the user is looking at.
#[derive(Clone, Debug)]
pub struct State {
    /// The project.
    pub session: Arc<Session>,
    /// The project's models.
    pub models: Vec<ModelInfo>,
    /// The part of the genome in view.
    pub region: Region,
    /// The gene being explained.
    pub gene: Option<GeneId>,
    /// The sample in view.
    pub sample: SampleId,
    /// Index of the model in use.
    pub model: Option<usize>,
    /// Colours.
    pub theme: Theme,
    /// How the four values of a base become the one that mutagenesis shows.
    pub mutagenesis_view: MutagenesisView,
    /// What is changed of the bases and signals before the model reads them, in order.
    pub edits: Vec<Edit>,
    /// The stretch that edits without a place mean.
    pub selection: Option<Region>,
    /// What has the keyboard.
    pub mode: Mode,
    /// Label of the focused row.
    pub focus: String,
    /// Columns of the plot area, set by whoever draws.
    pub n_columns: usize,
    /// How rows differ from their defaults, by label.
    pub row_views: HashMap<String, RowView>,
    /// Signals as read.
    pub signals: HashMap<TrackId, SignalView>,
    /// Intervals as read.
    pub features: HashMap<TrackId, Result<Arc<Features>, String>>,
    /// Reference bases as read.
    pub sequence: Option<(Region, Result<Vec<u8>, String>)>,
    /// What the model says.
    pub explained: Explained,
    /// Where the user was.
    pub places: Places,
    /// Changes that can be taken back.
    pub history: History,
    /// Everything that was said, oldest first.
    pub messages: Vec<String>,
    /// The last thing said, until the next key.
    pub notice: Option<String>,
    /// A search for a peak under way.
    pub seek: Option<Seek>,
    /// Whether the edits are to be kept in the session's file.
    pub wants_edits_kept: bool,
    /// Whether a figure of the view is asked for.
    pub wants_figure: bool,
    /// Whether a figure of the view is to be shown.
    pub wants_preview: bool,
    /// Whether the loop should end.
    pub is_quitting: bool,
}

impl State {
    /// Opens a session at its locus, its first gene, or the start of its first chromosome.
    pub fn new(session: Arc<Session>, models: Vec<ModelInfo>, theme: Theme) -> Self {
        let (chrom, len) = session.genome.chroms.iter().next().map_or_else(|| ("".into(), 1), |(c, l)| (c.clone(), l));
        let messages = session.warnings.clone();
        let mut state = Self {
            region: Region::new(chrom, 0, len.min(DEFAULT_SPAN)),
            gene: None,
            sample: SampleId(0),
            model: (!models.is_empty()).then_some(0),
            theme,
            mutagenesis_view: MutagenesisView::default(),
            edits: session.edits.clone(),
            selection: None,
            mode: Mode::Browse,
            focus: String::new(),
            n_columns: 100,
            row_views: HashMap::new(),
            signals: HashMap::new(),
            features: HashMap::new(),
            sequence: None,
            explained: Explained::default(),
            places: Places::default(),
            history: History::default(),
            notice: (!messages.is_empty()).then(|| format!("{} (M: all {} messages)", messages[0], messages.len())),
            messages,
            seek: None,
            wants_edits_kept: false,
            wants_figure: false,
            wants_preview: false,
            is_quitting: false,
            models,
            session,
        };
        state.model = state.model.map(|_| state.first_model_that_fits());
        if !state.session.genome.genes.is_empty() {
            state.show_gene(GeneId(0));
        }
        if let Some(locus) = state.session.locus.clone()
            && let Err(error) = state.go_to(&locus)
        {
            state.say(error);
        }
        state.places = Places::default();
        state.focus = state.rows().first().map(|r| state.label(*r)).unwrap_or_default();
        state
    }

    /// The gene being explained, if any.
    pub fn current_gene(&self) -> Option<&Gene> {
        self.gene.map(|id| self.session.genome.genes.get(id))
    }

    /// The model in use, if any.
    pub fn current_model(&self) -> Option<&ModelInfo> {
        self.models.get(self.model?)
    }

    /// What the model in use would be asked about now.
    pub fn subject(&self) -> Option<Subject> {
        self.subject_of(self.gene?)
    }

    fn subject_of(&self, gene_id: GeneId) -> Option<Subject> {
        let model = self.model?;
        let manifest = self.models.get(model)?.manifest.as_ref().ok()?;
        let gene = self.session.genome.genes.get(gene_id);
        let window = manifest.window_of(gene, self.session.genome.tss);
        let edits = self.edits_read(manifest, &window);
        Some(Subject { model, sample: self.sample, gene: gene_id, window, edits })
    }

    /// What the screen needs read now: the focused row first.
    pub fn look(&self) -> Look {
        let rows = self.rows();
        let focused = rows.iter().position(|r| self.label(*r) == self.focus).unwrap_or(0);
        let mut tracks: Vec<TrackId> = Vec::new();
        for row in rows[focused..].iter().chain(&rows[..focused]) {
            if let RowId::Track(track) = row {
                let is_read = self.session.tracks[track.0].kind == TrackKind::Features && self.features.contains_key(track);
                if !is_read {
                    tracks.push(*track);
                }
            }
        }
        let wants_sequence = self.shows_bases() && self.session.genome.fasta.is_some();
        let edits = self.edits.iter().filter(|edit| edit.mark().is_some()).cloned().collect();
        Look { region: self.region.clone(), n_columns: self.n_columns, tracks, wants_sequence, edits, seek: self.seek.clone() }
    }

    /// What should be explained now, if anything.
    pub fn explain(&self) -> Option<Explain> {
        let subject = self.subject().filter(|_| self.obstacle().is_none())?;
        let analyses = crate::jobs::Analysis::ALL.to_vec();
        let genes = &self.session.genome.genes;
        let beside = [1, -1].map(|step| genes.step(subject.gene, step));
        let neighbours = beside.into_iter().filter(|gene| *gene != subject.gene);
        let neighbours = neighbours.filter_map(|gene| self.subject_of(gene)).collect();
        Some(Explain { centre: self.region.centre(), analyses, neighbours, subject })
    }

    /// Whether one column is one base.
    pub fn shows_bases(&self) -> bool {
        self.region.len() <= self.n_columns as u64
    }

    /// Takes in a worker's reply. `look` and `explain` are the newest jobs; what answers an older one is dropped.
    pub fn apply(&mut self, reply: Reply, look: JobId, explain: JobId) {
        match reply {
            Reply::Columns { job, track, region, columns } => {
                // An older look's columns are still better than none: they are drawn for their own region.
                if job == look || !self.signals.contains_key(&track) {
                    self.note_failure(track, columns.as_ref().err());
                    self.signals.insert(track, SignalView { region, columns });
                }
            }
            Reply::Features { track, features } => {
                self.note_failure(track, features.as_ref().err());
                self.features.insert(track, features);
            }
            Reply::Warnings(warnings) => warnings.into_iter().for_each(|w| self.say(w)),
            Reply::Found { seek, peak } if self.seek.as_ref() == Some(&seek) => self.take_peak(peak),
            Reply::Sequence { job, region, bases } if job == look => self.sequence = Some((region, bases)),
            Reply::Prediction { job, prediction } if job == explain => self.explained.take_prediction(prediction),
            Reply::Attribution { job, analysis, attribution, stored } if job == explain => {
                self.explained.take_attribution(analysis, attribution, stored);
            }
            Reply::ModelReplaced { index, manifest } => self.replace_model(index, *manifest),
            // Answers to what is no longer asked.
            Reply::Found { .. } | Reply::Sequence { .. } | Reply::Prediction { .. } | Reply::Attribution { .. } => {}
        }
    }

    /// Says something to the user, now and in the messages panel.
    pub fn say(&mut self, message: impl Into<String>) {
        let message = message.into();
        self.notice = Some(message.clone());
        if self.messages.last() != Some(&message) {
            self.messages.push(message);
        }
    }

    fn note_failure(&mut self, track: TrackId, error: Option<&String>) {
        if let Some(error) = error
            && !self.messages.contains(error)
        {
            let label = self.session.tracks[track.0].label.clone();
            self.messages.push(format!("{label}: {error}"));
        }
    }

    /// Goes where a typed locus leads: a place or a gene.
    pub fn go_to(&mut self, text: &str) -> Result<(), String> {
        match Locus::parse(text, &self.session.genome.chroms).map_err(|e| e.to_string())? {
            Locus::Region(region) => {
                self.remember();
                self.set_region(region);
                self.follow_view();
            }
            Locus::Position(chrom, position) => {
                self.remember();
                let span = self.region.len();
                self.set_region(Region::new(chrom, position.saturating_sub(span / 2), position + span - span / 2));
                self.follow_view();
            }
            Locus::Name(name) => match self.session.genome.genes.find(&name) {
                Some(gene) => self.show_gene(gene),
                None => return Err(self.no_such_gene(&name)),
            },
        }
        Ok(())
    }

    fn no_such_gene(&self, name: &str) -> String {
        if self.session.genome.genes.is_empty() {
            return format!("\"{name}\" is no chromosome, and the session has no genes to search");
        }
        match prompt::matches(&self.session.genome.genes, name, 1).first() {
            Some(close) => format!("no gene or chromosome \"{name}\"; did you mean {}?", close.name),
            None => format!("no gene or chromosome \"{name}\""),
        }
    }
}
