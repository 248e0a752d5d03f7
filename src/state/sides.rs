//! Two places side by side: the one with the focus is the state's own view, the other waits beside it and is drawn by the same rows.

use super::{Occurrences, SignalView, State};
use crate::genome::{GeneId, Region};
use crate::jobs::Look;
use crate::session::{Edit, TrackId};
use crate::tracks::Features;
use std::collections::HashMap;
use std::sync::Arc;

/// Fewest columns that a place beside another is drawn in.
const LEAST_COLUMNS: usize = 20;

/// The place without the focus, with what was read for it.
#[derive(Clone, Debug)]
pub struct OtherSide {
    /// The part of the genome.
    pub region: Region,
    /// Whether it stands at the left.
    pub is_left: bool,
    /// The gene that is explained when it gets the focus.
    gene: Option<GeneId>,
    signals: HashMap<TrackId, SignalView>,
    features: HashMap<TrackId, Result<Arc<Features>, String>>,
    sequence: Option<(Region, Result<Vec<u8>, String>)>,
    occurrences: HashMap<String, Occurrences>,
    /// What the signals were read with.
    edits: Vec<Edit>,
    /// Columns of the plot area when there is one place in it.
    all_columns: usize,
}

/// Columns of each of two places that share a plot area, with one between them.
pub fn columns_of_a_side(all: usize) -> usize {
    (all.saturating_sub(1) / 2).max(1)
}

impl State {
    /// Shows two places side by side; the left one has the focus.
    ///
    /// # Errors
    /// Where one of them is no place, or the plot area has no room for two.
    pub fn go_side_by_side(&mut self, left: &str, right: &str) -> Result<(), String> {
        let mut beside = self.clone();
        beside.other = None;
        beside.go_to_one(right)?;
        let room = columns_of_a_side(self.all_columns());
        // A figure's state has no columns yet, and as much room as it takes.
        if room < LEAST_COLUMNS && self.n_columns > 1 {
            return Err(format!("two places need {} columns", 2 * LEAST_COLUMNS + 1));
        }
        self.go_to_one(left)?;
        self.put_beside(beside.region, beside.gene);
        Ok(())
    }

    /// Puts a place at the right of the one in view.
    pub(super) fn put_beside(&mut self, region: Region, gene: Option<GeneId>) {
        let all_columns = self.all_columns();
        self.other = Some(OtherSide {
            region,
            is_left: false,
            gene,
            signals: HashMap::new(),
            features: self.features.clone(),
            sequence: None,
            occurrences: HashMap::new(),
            edits: Vec::new(),
            all_columns,
        });
        self.set_columns(all_columns);
    }

    /// Gives the keys to the other of two places.
    pub fn switch_side(&mut self) {
        let Some(other) = &mut self.other else {
            self.notice = Some("there is one place in view; g MYC | TP53 shows two".to_owned());
            return;
        };
        std::mem::swap(&mut self.region, &mut other.region);
        std::mem::swap(&mut self.gene, &mut other.gene);
        std::mem::swap(&mut self.signals, &mut other.signals);
        std::mem::swap(&mut self.features, &mut other.features);
        std::mem::swap(&mut self.sequence, &mut other.sequence);
        std::mem::swap(&mut self.occurrences, &mut other.occurrences);
        other.is_left = !other.is_left;
    }

    /// Leaves only the place with the focus.
    pub fn close_side(&mut self) {
        match self.other.take() {
            Some(other) => self.set_columns(other.all_columns),
            None => self.notice = Some("there is one place in view".to_owned()),
        }
    }

    /// The state as it is seen from the other of two places, if there are two: to draw that one.
    pub fn from_other_side(&self) -> Option<Self> {
        self.other.as_ref()?;
        let mut state = self.clone();
        state.switch_side();
        Some(state)
    }

    /// Columns of the whole plot area.
    fn all_columns(&self) -> usize {
        self.other.as_ref().map_or(self.n_columns, |other| other.all_columns)
    }

    /// Takes in how many columns the plot area has; two places share them.
    pub fn set_columns(&mut self, all: usize) {
        self.n_columns = match &mut self.other {
            Some(other) => {
                other.all_columns = all;
                columns_of_a_side(all)
            }
            None => all,
        };
        // A view narrower than one base a column widens.
        self.set_region(self.region.clone());
        if self.other.is_some() {
            self.switch_side();
            self.set_region(self.region.clone());
            self.switch_side();
        }
    }

    /// What has to be read for the other of two places, if anything.
    pub(super) fn look_beside(&self) -> Option<Box<Look>> {
        let mut state = self.from_other_side()?;
        (state.other, state.seek) = (None, None);
        let mut look = state.look();
        let is_read = |track: &TrackId| {
            let is_it = |view: &SignalView| {
                view.region == look.region && view.columns.as_ref().map_or(true, |c| c.len() == look.n_columns)
            };
            self.other.as_ref().is_some_and(|o| *o.edits == *look.edits) && state.signals.get(track).is_some_and(is_it)
        };
        let tracks: Vec<TrackId> = look.tracks.iter().copied().filter(|track| !is_read(track)).collect();
        look.wants_sequence &= state.sequence.as_ref().is_none_or(|(region, _)| *region != look.region);
        look.patterns.retain(|p| state.occurrences.get(&p.to_string()).is_none_or(|(region, _)| *region != look.region));
        let is_something = !tracks.is_empty() || look.wants_sequence || !look.patterns.is_empty();
        look.tracks = tracks;
        is_something.then(|| Box::new(look))
    }

    /// The place without the focus, where what was read is for it and not for the one with the focus.
    pub(super) fn other_side_at(&mut self, region: &Region) -> Option<&mut OtherSide> {
        self.other.as_mut().filter(|other| other.region == *region && self.region != *region)
    }

    /// Keeps columns that were read for the place without the focus.
    pub(super) fn take_beside(&mut self, track: TrackId, view: SignalView) -> Option<SignalView> {
        let edits = self.edits.clone();
        match self.other_side_at(&view.region) {
            None => Some(view),
            Some(other) => {
                other.edits = edits;
                other.signals.insert(track, view);
                None
            }
        }
    }

    /// Keeps intervals where they were read for: all of a file for both places, a part of it for the one it covers.
    pub(super) fn take_features(&mut self, track: TrackId, features: Result<Arc<Features>, String>) {
        let covers = |region: &Region| features.as_ref().map_or(true, |f| f.covers(region));
        let is_here = covers(&self.region);
        if let Some(other) = &mut self.other
            && covers(&other.region)
        {
            other.features.insert(track, features.clone());
            if !is_here {
                return;
            }
        }
        self.features.insert(track, features);
    }

    /// Keeps the bases of a place.
    pub(super) fn take_sequence(&mut self, region: Region, bases: Result<Vec<u8>, String>) {
        match self.other_side_at(&region) {
            Some(other) => other.sequence = Some((region, bases)),
            None => self.sequence = Some((region, bases)),
        }
    }

    /// Keeps where a pattern stands.
    pub(super) fn take_occurrences(&mut self, pattern: String, found: Occurrences) {
        match self.other_side_at(&found.0) {
            Some(other) => other.occurrences.insert(pattern, found),
            None => self.occurrences.insert(pattern, found),
        };
    }
}
