//! Which rows there are, in what order and how high.

use super::State;
use crate::jobs::Analysis;
use crate::session::{TrackId, TrackKind};

/// One row of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowId {
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
    /// The model's attention.
    Attention,
    /// An attribution.
    Attribution(Analysis),
}

/// How a row differs from its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowView {
    /// Not shown.
    pub is_hidden: bool,
    /// Lines more (or fewer) than the default.
    pub extra_lines: i16,
}

impl State {
    /// Rows in view for the current sample, model and zoom, hidden ones left out.
    pub fn rows(&self) -> Vec<RowId> {
        self.all_rows().into_iter().filter(|r| !self.row_view(*r).is_hidden).collect()
    }

    fn all_rows(&self) -> Vec<RowId> {
        let mut rows = Vec::new();
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
        rows.extend(of_kind(TrackKind::Features).chain(of_kind(TrackKind::Signal)).map(|(id, _)| RowId::Track(id)));
        if self.model.is_some() {
            rows.push(RowId::Attention);
            rows.extend(Analysis::ALL.map(RowId::Attribution));
        }
        rows
    }

    /// The name of a row, by which its settings are kept over samples.
    pub fn label(&self, row: RowId) -> String {
        match row {
            RowId::Genes => "genes".to_owned(),
            RowId::Sequence => "sequence".to_owned(),
            RowId::Translation => "frames".to_owned(),
            RowId::Pattern(i) => self.patterns.get(i).map_or_else(String::new, ToString::to_string),
            RowId::Regions => "regions".to_owned(),
            RowId::Track(track) => self.session.tracks[track.0].label.clone(),
            RowId::Attention => "attention".to_owned(),
            RowId::Attribution(Analysis::IntegratedGradients) => "IG".to_owned(),
            RowId::Attribution(Analysis::Occlusion) => "occlusion".to_owned(),
            RowId::Attribution(Analysis::SaturationMutagenesis) => "ISM".to_owned(),
            RowId::Attribution(Analysis::SignificantBins) => "significant bins".to_owned(),
        }
    }

    /// How a row differs from its default.
    pub fn row_view(&self, row: RowId) -> RowView {
        self.row_views.get(&self.label(row)).copied().unwrap_or_default()
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
            let view = self.row_views.entry(self.label(row)).or_default();
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
        self.row_views.entry(label.clone()).or_default().is_hidden = true;
        let rows = self.rows();
        self.focus = self.label(rows[at.min(rows.len() - 1)]);
        self.notice = Some(format!("{label} hidden; X shows all rows"));
    }

    /// Shows every row again.
    pub fn show_all_rows(&mut self) {
        self.row_views.values_mut().for_each(|v| v.is_hidden = false);
    }
}
