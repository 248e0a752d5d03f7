//! Which rows there are, in what order, how high and how drawn.

use super::State;
use super::drawing::{GeneDisplay, Scale, SignalStyle, Statistic};
use crate::jobs::Analysis;
use crate::session::{Formula, SampleId, TrackId, TrackKind};
use crate::theme::Rgb;
use std::collections::{HashMap, HashSet};

/// One row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowId {
    /// What is edited, at its place; there where anything is.
    Edits,
    /// Gene models.
    Genes,
    /// Reference bases; there where one column is one base.
    Sequence,
    /// What the bases spell in each of the six frames.
    Translation,
    /// Where a sequence pattern stands, by its place in the state's list.
    Pattern(usize),
    /// Regions of interest.
    Regions,
    /// A track of the session.
    Track(TrackId),
    /// What variants do to the prediction; there where a file of variants is.
    Variants,
    /// Arithmetic over other rows, by its place in the state's list.
    Formula(usize),
    /// The signal that the model predicts, in bins along the view.
    Predicted,
    /// Predicted less measured of the genes in view; there where something is compared.
    Error,
    /// The model's attention.
    Attention,
    /// That of the other model or sample.
    ComparedAttention,
    /// An attribution.
    Attribution(Analysis),
    /// The same method's of the other model or sample.
    ComparedAttribution,
    /// This one less the other one.
    Difference,
    /// Seqlets of the mutagenesis.
    Seqlets,
    /// The attention in every sample.
    CoreSamples,
    /// What is attended to together over samples, as arcs.
    CoreLinks,
    /// How what is attended to correlates over samples.
    CoreBlocks,
}

/// How a row differs from its default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowView {
    /// Not shown.
    pub is_hidden: bool,
    /// Lines more (or fewer) than the default.
    pub extra_lines: i16,
    /// Kept at the top, whatever is scrolled.
    pub is_pinned: bool,
    /// Shown instead of its label.
    pub name: Option<String>,
    /// Instead of the theme's.
    pub colour: Option<Rgb>,
    /// Rows that share its scale.
    pub group: Option<String>,
    /// How a signal is drawn.
    pub style: SignalStyle,
    /// Which value of a column, where one is drawn.
    pub statistic: Statistic,
    /// What its axis spans.
    pub scale: Scale,
    /// Drawn as log10(1 + |x|), with the sign of x.
    pub is_log: bool,
    /// As far below zero as above.
    pub is_symmetrical: bool,
    /// Labels of rows whose signals are drawn over its own.
    pub overlays: Vec<String>,
    /// How gene models are stacked.
    pub genes: GeneDisplay,
}

/// A row that is made of others.
#[derive(Clone, Debug, PartialEq)]
pub struct FormulaRow {
    /// Its label.
    pub label: String,
    /// What it shows.
    pub formula: Formula,
}

impl State {
    /// Rows in view for the current sample, model and zoom, hidden ones left out: pinned ones first, then in the user's order.
    pub fn rows(&self) -> Vec<RowId> {
        let mut rows: Vec<RowId> = self.all_rows().into_iter().filter(|r| !self.row_view(*r).is_hidden).collect();
        if !self.order.is_empty() {
            self.put_in_order(&mut rows);
        }
        rows.sort_by_cached_key(|r| !self.row_view(*r).is_pinned);
        rows
    }

    /// Rows that were moved stand as they were put; one that was not there then stays behind the one it follows.
    fn put_in_order(&self, rows: &mut [RowId]) {
        let mut last = 0;
        let mut rank = HashMap::new();
        let mut place = HashMap::new();
        for (i, label) in self.order.iter().enumerate() {
            place.entry(label.as_str()).or_insert(i);
        }
        for row in rows.iter() {
            last = place.get(self.label(*row).as_str()).copied().unwrap_or(last);
            rank.insert(*row, last);
        }
        rows.sort_by_key(|row| rank.get(row).copied().unwrap_or(0));
    }

    fn all_rows(&self) -> Vec<RowId> {
        let mut rows = Vec::new();
        if !self.edits.is_empty() {
            rows.push(RowId::Edits);
        }
        if self.shows_bases() && self.session.genome.fasta.is_some() {
            rows.push(RowId::Sequence);
        }
        if self.shows_translation && self.session.genome.fasta.is_some() {
            rows.push(RowId::Translation);
        }
        rows.extend((0..self.patterns.len()).map(RowId::Pattern));
        if !self.regions.is_empty() {
            rows.push(RowId::Regions);
        }
        if !self.session.genome.genes.is_empty() && !self.session.genome.is_gene_relative {
            rows.push(RowId::Genes);
        }
        // Annotations stand by the genes, signals below them, whatever their order in the file.
        let of_kind = |kind| self.session.tracks_of(self.sample).filter(move |(_, t)| t.kind == kind);
        let of_all = self.matrix.iter().flat_map(|mark| self.tracks_with(mark)).map(RowId::Track);
        let of_one = of_kind(TrackKind::Signal).filter(|(_, t)| !self.is_in_matrix(t));
        let rows_of = |(id, _)| [Some(RowId::Track(id)), self.counterpart(RowId::Track(id))].into_iter().flatten();
        rows.extend(of_kind(TrackKind::Features).flat_map(rows_of).chain(of_all));
        rows.extend(of_one.flat_map(rows_of));
        rows.extend((0..self.formulas.len()).map(RowId::Formula));
        if self.model.is_some() {
            if self.vcf().is_some() {
                rows.push(RowId::Variants);
            }
            rows.extend(self.predicts_a_signal().then_some(RowId::Predicted));
            let is_comparing = self.compared_subject().is_some();
            rows.extend(is_comparing.then_some(RowId::Error));
            rows.push(RowId::Attention);
            rows.extend(is_comparing.then_some(RowId::ComparedAttention));
            let compared = self.compared_analysis();
            for analysis in self.analyses() {
                rows.push(RowId::Attribution(analysis));
                if Some(analysis) == compared {
                    rows.extend(is_comparing.then_some(RowId::ComparedAttribution));
                    rows.push(RowId::Difference);
                }
            }
            rows.extend(self.wants_seqlets.then_some(RowId::Seqlets));
            if self.wants_cores {
                rows.extend([RowId::CoreLinks, RowId::CoreSamples, RowId::CoreBlocks]);
            }
        }
        rows
    }

    /// The name of a row, by which its settings are kept over samples.
    pub fn label(&self, row: RowId) -> String {
        match row {
            RowId::Edits => "edits".to_owned(),
            RowId::Genes => "genes".to_owned(),
            RowId::Sequence => "sequence".to_owned(),
            RowId::Translation => "frames".to_owned(),
            RowId::Pattern(i) => self.patterns.get(i).map_or_else(String::new, ToString::to_string),
            RowId::Regions => "regions".to_owned(),
            RowId::Track(track) => {
                let info = &self.session.tracks[track.0];
                let is_told = |sample: &SampleId| *sample != self.sample || self.is_in_matrix(info);
                match info.sample.filter(is_told).and_then(|id| self.session.samples.get(id.0)) {
                    Some(other) => format!("{}@{}", info.label, other.name),
                    None => info.label.clone(),
                }
            }
            RowId::Error => "error".to_owned(),
            RowId::ComparedAttention => self.label_there(RowId::Attention),
            RowId::ComparedAttribution => {
                self.compared_analysis().map_or_else(String::new, |a| self.label_there(RowId::Attribution(a)))
            }
            RowId::Difference => "diff".to_owned(),
            RowId::Variants => "variants".to_owned(),
            RowId::Formula(i) => self.formulas.get(i).map_or_else(String::new, |f| f.label.clone()),
            RowId::Predicted => "predicted".to_owned(),
            RowId::Attention => "attention".to_owned(),
            RowId::Attribution(Analysis::IntegratedGradients) => "IG".to_owned(),
            RowId::Attribution(Analysis::Occlusion) => "occlusion".to_owned(),
            RowId::Attribution(Analysis::SaturationMutagenesis) => "ISM".to_owned(),
            RowId::Attribution(Analysis::Method(name)) => name.to_owned(),
            RowId::Seqlets => "seqlets".to_owned(),
            RowId::CoreSamples => "samples".to_owned(),
            RowId::CoreLinks => "COREs".to_owned(),
            RowId::CoreBlocks => "r of blocks".to_owned(),
            RowId::Attribution(Analysis::SignificantBins) => "significant bins".to_owned(),
        }
    }

    /// What a row is called on screen where it was not renamed: its label, in a matrix the sample first, by which rows differ there.
    pub fn title(&self, row: RowId) -> String {
        match row {
            RowId::Track(track) if self.is_in_matrix(&self.session.tracks[track.0]) => {
                let info = &self.session.tracks[track.0];
                let sample = info.sample.and_then(|id| self.session.samples.get(id.0));
                sample.map_or_else(|| info.label.clone(), |sample| format!("{} {}", sample.name, info.label))
            }
            row => self.label(row),
        }
    }

    fn label_there(&self, row: RowId) -> String {
        let there = self.sides().map(|[_, there]| there).unwrap_or_default();
        format!("{}@{there}", self.label(row))
    }

    /// How a row differs from its default. A track of another sample is drawn as the one in view is, until it is changed itself.
    pub fn row_view(&self, row: RowId) -> RowView {
        let label = self.label(row);
        if let (None, RowId::Track(track)) = (self.row_views.get(&label), row) {
            let info = &self.session.tracks[track.0];
            let view =
                RowView { name: None, overlays: Vec::new(), ..self.row_views.get(&info.label).cloned().unwrap_or_default() };
            if !self.is_in_matrix(info) {
                return view;
            }
            let (style, scale) = (SignalStyle::Heatmap, Scale::Samples);
            return RowView { is_hidden: false, is_pinned: false, extra_lines: 0, style, scale, ..view };
        }
        self.row_views.get(&label).cloned().unwrap_or_default()
    }

    /// How a row differs from its default, to be changed.
    pub fn view_of(&mut self, row: RowId) -> &mut RowView {
        let now = self.row_view(row);
        self.row_views.entry(self.label(row)).or_insert(now)
    }

    /// The row of a label, as it is shown or as it was named; hidden ones too. `LABEL@SAMPLE` is that of another sample.
    pub fn row_named(&self, name: &str) -> Option<RowId> {
        let rows = self.all_rows();
        let is_named = |r: &&RowId| self.row_view(**r).name.as_deref() == Some(name);
        rows.iter().find(|r| self.label(**r) == name).or_else(|| rows.iter().find(is_named)).copied().or_else(|| {
            let of_sample = name
                .rsplit_once('@')
                .and_then(|(label, sample)| Some((label, SampleId(self.session.samples.iter().position(|s| s.name == sample)?))));
            // In a matrix the rows of the sample in view are labelled with it too.
            let (label, sample) = of_sample.unwrap_or((name, self.sample));
            let mut tracks = self.session.tracks_of(sample);
            tracks.find(|(_, t)| t.label == label).map(|(id, _)| RowId::Track(id))
        })
    }

    /// Signals that rows are made of beside their own: those of formulas and overlays, and those of other samples that share a scale.
    pub(super) fn signals_behind(&self, rows: &[RowId]) -> Vec<TrackId> {
        let (mut found, mut marks) = (Vec::new(), HashSet::new());
        let mut waiting: Vec<RowId> = rows.to_vec();
        let mut seen: HashSet<RowId> = HashSet::new();
        while let Some(row) = waiting.pop() {
            if !seen.insert(row) {
                continue; // a formula may name itself
            }
            if let RowId::Formula(i) = row {
                let named = self.formulas.get(i).map_or(&[][..], |f| f.formula.rows());
                waiting.extend(named.iter().filter_map(|name| self.row_named(name)));
            }
            let view = self.row_view(row);
            waiting.extend(view.overlays.iter().filter_map(|name| self.row_named(name)));
            if view.scale == Scale::Samples
                && let RowId::Track(id) = row
                && marks.insert(self.session.tracks[id.0].mark.as_deref().ok_or(id))
            {
                found.extend(self.tracks_of_mark(row));
            }
            if let RowId::Track(id) = row
                && self.session.tracks[id.0].kind == TrackKind::Signal
            {
                found.push(id);
            }
        }
        found
    }

    /// Moves the focused row up or down among the others.
    pub fn move_row(&mut self, step: isize) {
        let rows = self.rows();
        let Some(at) = self.focused().and_then(|row| rows.iter().position(|r| *r == row)) else { return };
        let to = at.saturating_add_signed(step).min(rows.len() - 1);
        let mut labels: Vec<String> = rows.iter().map(|r| self.label(*r)).collect();
        let label = labels.remove(at);
        labels.insert(to, label);
        self.order = labels;
    }

    /// Keeps the focused row at the top, or lets it go.
    pub fn pin_focused(&mut self) {
        let Some(row) = self.focused() else { return };
        let (label, view) = (self.label(row), self.view_of(row));
        view.is_pinned = !view.is_pinned;
        let word = if view.is_pinned { "stays at the top" } else { "scrolls again" };
        self.notice = Some(format!("{label} {word}"));
    }

    /// Adds a row of arithmetic, or gives the one of that label another formula.
    pub fn set_formula(&mut self, label: &str, formula: Formula) -> Result<(), String> {
        if let Some(unknown) = formula.rows().iter().find(|name| self.row_named(name).is_none()) {
            let known: Vec<String> =
                self.all_rows().into_iter().filter(|r| self.group(*r).is_some()).map(|r| self.label(r)).collect();
            return Err(format!("no row \"{unknown}\"; there are {}", known.join(", ")));
        }
        let at = self.formulas.iter().position(|f| f.label == label);
        match at {
            Some(at) => self.formulas[at].formula = formula,
            None if self.row_named(label).is_some() => return Err(format!("there is a row \"{label}\" already")),
            None => self.formulas.push(FormulaRow { label: label.to_owned(), formula }),
        }
        self.focus = label.to_owned();
        Ok(())
    }

    /// The focused row, or the first where that one is gone.
    pub fn focused(&self) -> Option<RowId> {
        let rows = self.rows();
        rows.iter().find(|r| self.label(**r) == self.focus).or(rows.first()).copied()
    }

    /// Moves the focus by whole rows.
    pub fn move_focus(&mut self, step: isize) {
        let rows = self.rows();
        if rows.is_empty() {
            return;
        }
        let at = rows.iter().position(|r| self.label(*r) == self.focus).unwrap_or(0);
        let next = at.saturating_add_signed(step).min(rows.len() - 1);
        self.focus = self.label(rows[next]);
    }

    /// Makes the focused row higher or lower.
    pub fn resize_focused(&mut self, lines: i16) {
        if let Some(row) = self.focused() {
            let view = self.view_of(row);
            view.extra_lines = (view.extra_lines + lines).clamp(-6, 20);
        }
    }

    /// Hides the focused row.
    pub fn hide_focused(&mut self) {
        let Some(row) = self.focused() else { return };
        let label = self.label(row);
        if self.rows().len() == 1 {
            return self.say("this is the last row; X shows all again");
        }
        let at = self.rows().iter().position(|r| *r == row).unwrap_or(0);
        self.view_of(row).is_hidden = true;
        let rows = self.rows();
        self.focus = self.label(rows[at.min(rows.len() - 1)]);
        self.notice = Some(format!("{label} hidden; X shows all rows"));
    }

    /// Shows every row again.
    pub fn show_all_rows(&mut self) {
        self.row_views.values_mut().for_each(|v| v.is_hidden = false);
    }
}
