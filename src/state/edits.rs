//! What if: edits of the bases and signals that the model reads, and the stretch they mean.

use super::{Mode, RowId, State};
use crate::genome::{Region, Window};
use crate::models::{Manifest, edit_obstacle};
use crate::session::{Edit, EditWords, TrackKind};
use std::sync::Arc;
use tui_input::Input;

/// A stretch being selected: from a base to another, either first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selecting {
    /// Stays.
    pub fixed: u64,
    /// Moves.
    pub moving: u64,
}

/// An edit being typed.
#[derive(Clone, Debug, Default)]
pub struct EditPrompt {
    /// The text and the cursor.
    pub input: Input,
}

impl State {
    /// The edits that change what a network reads in a window.
    pub(super) fn edits_read(&self, manifest: &Manifest, window: &Window) -> Arc<[Edit]> {
        let is_read = |edit: &&Edit| edit_obstacle(edit, manifest, window, &self.edits).is_none();
        self.edits.iter().filter(is_read).cloned().collect()
    }

    /// Why an edit changes nothing of the prediction shown; `None` where it may.
    pub fn edit_obstacle(&self, edit: &Edit) -> Option<String> {
        let Some(subject) = self.subject() else { return Some("no model reads anything here".to_owned()) };
        let manifest = self.models.get(subject.model)?.manifest.as_ref().ok()?;
        edit_obstacle(edit, manifest, &subject.window, &self.edits)
    }

    /// What words of an edit may name here: places are the selection, the model's window and the view.
    pub fn edit_words(&self) -> EditWords<'_> {
        let mut places: Vec<(&'static str, Region)> = self.selected().into_iter().map(|region| ("selection", region)).collect();
        if let Some(subject) = self.subject() {
            let len = self.session.genome.chroms.len_of(subject.window.chrom()).unwrap_or(0);
            places.push(("window", subject.window.region(len)));
        }
        places.push(("view", self.region.clone()));
        EditWords::new(&self.session, places)
    }

    /// Adds an edit; of the same bases the later one counts.
    ///
    /// # Errors
    /// Where it is not understood, or changes some of the bases that another changes.
    pub fn add_edit(&mut self, text: &str) -> Result<(), String> {
        let edit = self.edit_words().parse(text)?;
        let obstacle = self.edit_obstacle(&edit);
        self.change(&edit.to_string(), |state| state.put_edit(edit.clone()))?;
        self.notice = Some(match obstacle {
            Some(reason) => format!("{edit}: changes nothing here, {reason}"),
            None => format!("{edit} (u takes it back, E lists)"),
        });
        Ok(())
    }

    fn put_edit(&mut self, edit: Edit) -> Result<(), String> {
        self.edits.retain(|other| !(other.mark().is_none() && edit.mark().is_none() && other.region == edit.region));
        if let Some(other) = self.edits.iter().find(|other| other.conflicts(&edit)) {
            return Err(format!("{edit}: {other} changes some of the same bases; take it back first (E, d)"));
        }
        self.edits.push(edit);
        Ok(())
    }

    /// Adds edits as one change that can be taken back as one.
    ///
    /// # Errors
    /// Where one changes bases that another changes; then none is added.
    pub fn add_edits(&mut self, name: &str, edits: Vec<Edit>) -> Result<(), String> {
        let before = self.edits.clone();
        self.change(name, |state| {
            let added = edits.into_iter().try_for_each(|edit| state.put_edit(edit));
            if added.is_err() {
                state.edits = before;
            }
            added
        })
    }

    /// Takes one edit of the list away.
    pub fn remove_edit(&mut self, index: usize) {
        if let Some(edit) = self.edits.get(index).map(Edit::to_string) {
            self.change(&format!("without {edit}"), |state| state.edits.remove(index));
            self.notice = Some(format!("{edit}: taken away (u brings it back)"));
        }
    }

    /// Begins a selection at the middle of the view.
    pub fn begin_selection(&mut self) {
        let at = self.region.centre();
        self.mode = Mode::Select(Selecting { fixed: at, moving: at });
    }

    /// Moves the end of the selection by columns, and the view after it.
    pub fn move_selection(&mut self, columns: i64) {
        let per_column = (self.region.len() / self.n_columns.max(1) as u64).max(1) as i64;
        let len = self.session.genome.chroms.len_of(&self.region.chrom).unwrap_or(1);
        let Mode::Select(selecting) = &mut self.mode else { return };
        selecting.moving = selecting.moving.saturating_add_signed(columns * per_column).min(len.saturating_sub(1));
        let moving = selecting.moving;
        if !self.region.contains(moving) {
            let span = self.region.len();
            let start = if moving < self.region.start { moving } else { (moving + 1).saturating_sub(span) };
            self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
        }
    }

    /// Keeps what is being selected.
    pub fn keep_selection(&mut self) {
        self.selection = self.selected();
        self.mode = Mode::Browse;
        self.notice = self.selection.as_ref().map(|region| format!("selected {region}, {} bp (e edits it)", region.len()));
    }

    /// What is selected, or being selected.
    pub fn selected(&self) -> Option<Region> {
        match self.mode {
            Mode::Select(Selecting { fixed, moving }) => {
                Some(Region::new(self.region.chrom.clone(), fixed.min(moving), fixed.max(moving) + 1))
            }
            _ => self.selection.clone(),
        }
    }

    /// Selects the interval of the focused row, or the peak of its signal, that is nearest the middle of the view.
    pub fn select_peak(&mut self) {
        let found = match self.focused() {
            Some(RowId::Track(track)) if self.session.tracks[track.0].kind == TrackKind::Features => self.nearest_interval(track),
            Some(RowId::Track(track)) => self.nearest_peak(track),
            _ => None,
        };
        match found {
            Some(region) => {
                self.notice = Some(format!("selected {region}, {} bp (e edits it)", region.len()));
                self.selection = Some(region);
            }
            None => self.notice = Some("no peak or interval of the focused row in view: focus one with j k".to_owned()),
        }
    }

    fn nearest_interval(&self, track: crate::session::TrackId) -> Option<Region> {
        let features = self.features.get(&track)?.as_ref().ok()?;
        let centre = self.region.centre();
        let distance = |f: &&crate::tracks::Feature| {
            if f.start <= centre && centre < f.end { 0 } else { f.start.abs_diff(centre).min(f.end.abs_diff(centre)) }
        };
        let nearest = features.overlapping(&self.region).min_by_key(distance)?;
        Some(Region::new(self.region.chrom.clone(), nearest.start, nearest.end))
    }

    /// The run of columns that reach half the highest in view, nearest the middle.
    fn nearest_peak(&self, track: crate::session::TrackId) -> Option<Region> {
        let view = self.signals.get(&track).filter(|view| view.region == self.region)?;
        let columns = view.columns.as_ref().ok()?;
        let highest = columns.iter().map(|c| c.max).filter(|m| m.is_finite()).fold(0.0, f32::max);
        let is_high = |i: usize| highest > 0.0 && columns[i].max >= highest / 2.0;
        let middle = columns.len() / 2;
        let at = (0..columns.len()).filter(|&i| is_high(i)).min_by_key(|i| i.abs_diff(middle))?;
        let from = (0..at).rev().take_while(|&i| is_high(i)).last().unwrap_or(at);
        let to = (at..columns.len()).take_while(|&i| is_high(i)).last().unwrap_or(at);
        let edge = |i: usize| self.region.start + i as u64 * self.region.len() / columns.len() as u64;
        Some(Region::new(self.region.chrom.clone(), edge(from), edge(to + 1)))
    }
}
