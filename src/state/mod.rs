//! Everything the user is looking at: plain data with one owner, the main loop. Drawing only reads it.

mod beside;
mod comparison;
mod cores;
mod edits;
mod drawing;
mod explained;
mod going;
mod listing;
mod marks;
mod matrix;
mod methods;
mod places;
mod prompt;
mod rows;
mod saving;
mod sides;
mod table;
mod tiled;
#[cfg(test)]
pub(crate) mod toy;
mod undo;
mod walk;

pub use beside::Beside;
pub use comparison::{Compared, Comparison, GeneError};
pub use drawing::{GeneDisplay, Named, Scale, SignalStyle, Statistic};
pub use edits::{EditPrompt, Selecting};
pub use explained::{Explained, ModelInfo, RowState};
pub use listing::LISTS;
pub use marks::NotedRegion;
pub use places::{Place, Places};
pub use prompt::{Asks, Match, Prompt, best_matches};
pub use rows::{FormulaRow, RowId, RowView};
pub use sides::{OtherSide, columns_of_a_side};
pub use table::{Cell, Line, Table};
pub use tiled::Tiled;
pub use undo::{History, View};
pub use walk::Walk;

use crate::attribution::MutagenesisView;
use crate::genome::{Gene, GeneId, Locus, Pattern, Region, Strand};
use crate::jobs::{Analysis, Explain, JobId, Look, Reply, Seek, Subject};
use crate::session::{Edit, SampleId, Session, TrackId};
use crate::theme::Theme;
use crate::tracks::{Column, Features};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The narrowest and widest a new view may be, in bases, when nothing says otherwise.
const DEFAULT_SPAN: u64 = 10_000;

/// The widest view whose sequence is searched for patterns, in bases.
pub const MOST_SEARCHED: u64 = 2_000_000;

/// What has the keyboard.
#[derive(Clone, Debug, Default)]
pub enum Mode {
    /// The tracks.
    #[default]
    Browse,
    /// A line being typed: a place to go to, or a command.
    Prompt(Prompt),
    /// A table of places.
    Table(Table),
    /// The list of keys; how far it is scrolled.
    Help(u16),
    /// Everything that was said; how far it is scrolled.
    Messages(u16),
    /// The list of methods, which of them have a row; the one chosen.
    Methods(usize),
    /// A stretch is being selected.
    Select(Selecting),
    /// An edit is being typed.
    Edit(EditPrompt),
    /// The list of edits; the chosen one.
    Edits(usize),
}

/// A key that waits for a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// To set a bookmark.
    SetBookmark,
    /// To go to one.
    GoToBookmark,
}

/// Where a pattern stands in a region, by first base and strand; or why that is not known.
pub type Occurrences = (Region, Result<Arc<Vec<(u64, Strand)>>, String>);

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
    /// The place beside it, where two are in view.
    pub other: Option<OtherSide>,
    /// Whether this is the place without the focus, for which nothing is computed.
    pub is_waiting: bool,
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
    /// What is worked out beside the explanation.
    pub beside: Beside,
    /// What the model or the sample in view is compared with.
    pub compared: Compared,
    /// What has the keyboard.
    pub mode: Mode,
    /// Label of the focused row.
    pub focus: String,
    /// Columns of the plot area, set by whoever draws.
    pub n_columns: usize,
    /// Attributions shown beside those that always are, in the order they were asked for.
    pub more_analyses: Vec<Analysis>,
    /// Whether the seqlets of the mutagenesis have a row.
    pub wants_seqlets: bool,
    /// Whether what the model attends to together over samples has rows.
    pub wants_cores: bool,
    /// How rows differ from their defaults, by label.
    pub row_views: HashMap<String, RowView>,
    /// Labels of rows in the order the user gave them; empty where nothing was moved.
    pub order: Vec<String>,
    /// The axis the focused row was drawn on, set by whoever runs a command that asks for it.
    pub axis_in_view: Option<(f32, f32)>,
    /// Marks that have a row in every sample; empty where the rows are those of the sample in view.
    pub matrix: Vec<String>,
    /// Rows that are made of others.
    pub formulas: Vec<FormulaRow>,
    /// Signals as read.
    pub signals: HashMap<TrackId, SignalView>,
    /// Intervals as read.
    pub features: HashMap<TrackId, Result<Arc<Features>, String>>,
    /// Tracks that do not fit the genome, with the reason.
    pub mismatches: HashMap<TrackId, String>,
    /// Reference bases as read.
    pub sequence: Option<(Region, Result<Vec<u8>, String>)>,
    /// What the model says.
    pub explained: Explained,
    /// The signal that it predicts along the view.
    pub tiled: Tiled,
    /// Where the user was.
    pub places: Places,
    /// Changes that can be taken back.
    pub history: History,
    /// Places by letter.
    pub bookmarks: BTreeMap<char, Place>,
    /// Regions of interest, along the genome.
    pub regions: Vec<NotedRegion>,
    /// The list of genes that is walked instead of all.
    pub walk: Option<Walk>,
    /// Sequence patterns that have a row.
    pub patterns: Vec<Pattern>,
    /// Where they stand, as far as read.
    pub occurrences: HashMap<String, Occurrences>,
    /// Whether the six-frame translation has a row.
    pub shows_translation: bool,
    /// The number typed before a key.
    pub count: Option<u32>,
    /// What the next key is for.
    pub pending: Option<Pending>,
    /// Name of the action that is repeated by `.`, with its count.
    pub repeatable: Option<(&'static str, u32)>,
    /// Commands that were typed, the newest last.
    pub typed: HashMap<Asks, Vec<String>>,
    /// What is to be put on the clipboard.
    pub wants_copied: Option<String>,
    /// Everything that was said, oldest first.
    pub messages: Vec<String>,
    /// The last thing said, until the next key.
    pub notice: Option<String>,
    /// A search for a peak under way.
    pub seek: Option<Seek>,
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
            other: None,
            is_waiting: false,
            gene: None,
            sample: SampleId(0),
            model: (!models.is_empty()).then_some(0),
            theme,
            mutagenesis_view: MutagenesisView::default(),
            edits: Vec::new(),
            selection: None,
            beside: Beside::default(),
            compared: Compared::default(),
            mode: Mode::Browse,
            focus: String::new(),
            n_columns: 100,
            more_analyses: Vec::new(),
            wants_seqlets: false,
            wants_cores: false,
            row_views: HashMap::new(),
            order: Vec::new(),
            axis_in_view: None,
            matrix: Vec::new(),
            formulas: Vec::new(),
            signals: HashMap::new(),
            features: HashMap::new(),
            mismatches: HashMap::new(),
            sequence: None,
            explained: Explained::default(),
            tiled: Tiled::default(),
            places: Places::default(),
            history: History::default(),
            bookmarks: BTreeMap::new(),
            regions: Vec::new(),
            walk: None,
            patterns: Vec::new(),
            occurrences: HashMap::new(),
            shows_translation: false,
            count: None,
            pending: None,
            repeatable: None,
            typed: HashMap::new(),
            wants_copied: None,
            notice: (!messages.is_empty()).then(|| format!("{} (M: all {} messages)", messages[0], messages.len())),
            messages,
            seek: None,
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
        let saved = state.session.source.saved();
        state.look_as_saved(&saved);
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
        self.subject_in(self.model?, self.sample, gene_id)
    }

    fn subject_in(&self, model: usize, sample: SampleId, gene_id: GeneId) -> Option<Subject> {
        let manifest = self.models.get(model)?.manifest.as_ref().ok()?;
        let gene = self.session.genome.genes.get(gene_id);
        let window = manifest.window_of(gene, self.session.genome.tss);
        let edits = self.edits_read(manifest, &window);
        Some(Subject { model, sample, gene: gene_id, window, edits })
    }

    /// What the screen needs read now: the focused row first.
    pub fn look(&self) -> Look {
        let rows = self.rows();
        let focused = rows.iter().position(|r| self.label(*r) == self.focus).unwrap_or(0);
        let mut tracks: Vec<TrackId> = Vec::new();
        for row in rows[focused..].iter().chain(&rows[..focused]) {
            if let RowId::Track(track) = row {
                let is_read = matches!(self.features.get(track), Some(Ok(features)) if features.covers(&self.region));
                if !is_read {
                    tracks.push(*track);
                }
            }
        }
        for track in self.signals_behind(&rows) {
            if !tracks.contains(&track) {
                tracks.push(track);
            }
        }
        let wants_sequence = (self.shows_bases() || rows.contains(&RowId::Translation)) && self.session.genome.fasta.is_some();
        let shown = |i: usize| rows.contains(&RowId::Pattern(i)) && self.region.len() <= MOST_SEARCHED;
        let patterns = self.patterns.iter().enumerate().filter(|(i, _)| shown(*i)).map(|(_, p)| p.clone()).collect();
        let edits = self.edits.iter().filter(|edit| edit.mark().is_some()).cloned().collect();
        let (region, n_columns, seek) = (self.region.clone(), self.n_columns, self.seek.clone());
        Look { region, n_columns, tracks, wants_sequence, edits, patterns, seek, beside: self.look_beside() }
    }

    /// What should be explained now, if anything.
    pub fn explain(&self) -> Option<Explain> {
        let subject = self.subject().filter(|_| self.obstacle().is_none())?;
        let analyses = Analysis::WANTED.into_iter().chain(self.more_analyses.iter().copied()).collect();
        let genes = &self.session.genome.genes;
        let beside = [1, -1].map(|step| genes.step(subject.gene, step));
        let neighbours = beside.into_iter().filter(|gene| *gene != subject.gene);
        let compared = self.compared_subject().filter(|_| self.compared_obstacle().is_none());
        let of_both = |gene| {
            let there = compared.as_ref().and_then(|there| self.subject_in(there.model, there.sample, gene));
            [self.subject_of(gene), there].into_iter().flatten()
        };
        let neighbours = neighbours.flat_map(of_both).collect();
        let compared = compared.map(|subject| (subject, self.compared_analysis()));
        let seqlets = self.wants_seqlets;
        Some(Explain { centre: self.region.centre(), analyses, seqlets, compared, neighbours, subject })
    }

    /// Whether one column is one base.
    pub fn shows_bases(&self) -> bool {
        self.region.len() <= self.n_columns as u64
    }

    /// Takes in a worker's reply. `look` and `explain` are the newest jobs; what answers an older one is dropped.
    pub fn apply(&mut self, reply: Reply, look: JobId, explain: JobId) {
        match reply {
            Reply::Compared(reply) => {
                std::mem::swap(&mut self.explained, &mut self.compared.explained);
                self.apply(*reply, look, explain);
                std::mem::swap(&mut self.explained, &mut self.compared.explained);
            }
            Reply::Briefs(briefs) => self.take_briefs(briefs),
            Reply::Listed { listing, found, first } => self.take_listed(&listing, found, first),
            Reply::Columns { job, track, region, columns } => {
                let Some(view) = self.take_beside(track, SignalView { region, columns }) else { return };
                // An older look's columns are still better than none: they are drawn for their own region.
                if job == look || !self.signals.contains_key(&track) {
                    self.note_failure(track, view.columns.as_ref().err());
                    self.signals.insert(track, view);
                }
            }
            Reply::Features { track, features } => {
                self.note_failure(track, features.as_ref().err());
                self.take_features(track, features);
            }
            Reply::Warnings(warnings) => warnings.into_iter().for_each(|w| self.say(w)),
            Reply::Mismatch { track, reason } => {
                self.mismatches.insert(track, reason);
            }
            Reply::Occurrences { pattern, region, found } => {
                self.take_occurrences(pattern.to_string(), (region, found));
            }
            Reply::Found { seek, found } if self.seek.as_ref() == Some(&seek) => self.take_found(found),
            Reply::Sequence { job, region, bases } if job == look => self.take_sequence(region, bases),
            Reply::Prediction { job, prediction } if job == explain => self.explained.take_prediction(prediction),
            Reply::Attribution { job, analysis, attribution, stored } if job == explain => {
                self.explained.take_attribution(analysis, attribution, stored);
            }
            Reply::Seqlets { job, seqlets } if job == explain => self.explained.take_seqlets(seqlets),
            Reply::Tiles { tiling, tiles } => self.tiled.take(tiling, tiles),
            Reply::Minimal { subject, search, found } => self.take_minimal(&subject, &search, found),
            Reply::Variants { path, subjects, found } => self.take_variants(path, subjects, found),
            Reply::Cores { subject, found } => self.take_cores(subject, found),
            Reply::Trust { subject, trust } => self.take_trust(subject, trust),
            Reply::ModelReplaced { index, manifest } => self.replace_model(index, *manifest),
            // It says when to draw; and answers to what is no longer asked.
            Reply::Looked(_)
            | Reply::Found { .. }
            | Reply::Sequence { .. }
            | Reply::Prediction { .. }
            | Reply::Attribution { .. }
            | Reply::Seqlets { .. } => {}
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

    /// Goes where a typed locus leads: a place or a gene; `MYC | TP53`, or two places with a space between them, side by side.
    pub fn go_to(&mut self, text: &str) -> Result<(), String> {
        if let Some((left, right)) = text.split_once('|') {
            return self.go_side_by_side(left.trim(), right.trim());
        }
        let gone = self.go_to_one(text);
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [left, right] if gone.is_err() => self.go_side_by_side(left, right).or(gone),
            _ => gone,
        }
    }

    fn go_to_one(&mut self, text: &str) -> Result<(), String> {
        match Locus::parse_from(text, &self.session.genome.chroms, &self.region).map_err(|e| e.to_string())? {
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
            Locus::Name(name) => return self.go_to_name(&name),
        }
        Ok(())
    }

    /// Goes to a gene (its TSS), a transcript or an exon (`MYC:e2`, to fit), or a feature.
    fn go_to_name(&mut self, name: &str) -> Result<(), String> {
        let genes = self.session.genome.genes.clone();
        let exon = name.rsplit_once(':').and_then(|(gene, n)| Some((gene, n.strip_prefix(['e', 'E'])?.parse::<usize>().ok()?)));
        if let Some((gene_name, n)) = exon
            && let Some(id) = genes.find(gene_name)
        {
            let gene = genes.get(id);
            let named = gene.transcripts.iter().find(|t| t.id.eq_ignore_ascii_case(gene_name));
            let transcript = named.unwrap_or_else(|| gene.transcript(self.session.genome.tss));
            let count = transcript.exons.len();
            let in_order = if gene.strand == Strand::Forward { n.checked_sub(1) } else { count.checked_sub(n) };
            let Some(&(start, end)) = in_order.and_then(|i| transcript.exons.get(i)).filter(|_| n >= 1) else {
                return Err(format!("{} has exons 1 to {count}, not {n}", transcript.id));
            };
            self.fit(Region::new(gene.region.chrom.clone(), start, end));
            self.gene = Some(id);
            self.notice = Some(format!("{} exon {n} of {count}", transcript.id));
            return Ok(());
        }
        if let Some(id) = genes.find(name) {
            let gene = genes.get(id);
            match gene.transcripts.iter().find(|t| t.id.eq_ignore_ascii_case(name)) {
                Some(t) if !self.session.genome.is_gene_relative => {
                    self.fit(Region::new(gene.region.chrom.clone(), t.start, t.end));
                    self.gene = Some(id);
                }
                _ => self.show_gene(id),
            }
            return Ok(());
        }
        match self.feature_named(name) {
            Some(region) => {
                self.fit(region);
                Ok(())
            }
            None => Err(self.no_such_gene(name)),
        }
    }

    fn feature_named(&self, name: &str) -> Option<Region> {
        let rows = self.session.tracks_of(self.sample).filter_map(|(id, _)| self.features.get(&id)?.as_ref().ok());
        let mut named = rows.flat_map(|features| features.iter()).filter(|(_, f)| f.name.eq_ignore_ascii_case(name));
        named.next().map(|(chrom, feature)| Region::new(chrom.clone(), feature.start, feature.end))
    }

    fn no_such_gene(&self, name: &str) -> String {
        if self.session.genome.genes.is_empty() {
            return format!("\"{name}\" is no chromosome, and the session has no genes to search");
        }
        match prompt::closest_gene(&self.session.genome.genes, name) {
            Some(close) => format!("no gene or chromosome \"{name}\"; did you mean {close}?"),
            None => format!("no gene or chromosome \"{name}\""),
        }
    }
}
