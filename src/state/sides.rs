//! Two places side by side: the one with the focus is the state's own view, the other waits beside it and is drawn by the same rows.

use super::{Explained, Occurrences, SignalView, State, Tiled};
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
    /// What the model last said there, and what it was compared with.
    explained: Explained,
    compared: Explained,
    tiled: Tiled,
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
            explained: Explained::default(),
            compared: Explained::default(),
            tiled: Tiled::default(),
            all_columns,
        });
        self.set_columns(all_columns);
    }

    /// Gives the keys to the other of two places.
    pub fn switch_side(&mut self) {
        if self.other.is_none() {
            self.notice = Some("there is one place in view; g MYC | TP53 shows two".to_owned());
            return;
        }
        self.swap_sides();
        // What was said of it is asked for again, and until then is nobody's answer.
        self.explained.begin(None);
        self.compared.explained.begin(None);
        self.tiled.begin(None);
    }

    fn swap_sides(&mut self) {
        let Some(other) = &mut self.other else { return };
        std::mem::swap(&mut self.region, &mut other.region);
        std::mem::swap(&mut self.gene, &mut other.gene);
        std::mem::swap(&mut self.signals, &mut other.signals);
        std::mem::swap(&mut self.features, &mut other.features);
        std::mem::swap(&mut self.sequence, &mut other.sequence);
        std::mem::swap(&mut self.occurrences, &mut other.occurrences);
        std::mem::swap(&mut self.explained, &mut other.explained);
        std::mem::swap(&mut self.compared.explained, &mut other.compared);
        std::mem::swap(&mut self.tiled, &mut other.tiled);
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
        state.swap_sides();
        state.is_waiting = true;
        // What was said of just this is as good as new.
        state.explained.begin(state.subject());
        state.compared.explained.begin(state.compared_subject());
        state.tiled.begin(state.tiling());
        Some(state)
    }

    /// The places in view from the left, each as a state of its own.
    pub fn each_place(&self) -> Vec<Self> {
        let alone = |state: Self| Self { other: None, ..state };
        let is_left = self.other.as_ref().is_some_and(|other| other.is_left);
        let mut sides: Vec<Self> = std::iter::once(self.clone()).chain(self.from_other_side()).map(alone).collect();
        if is_left {
            sides.reverse();
        }
        sides
    }

    /// The places in view as they are typed: `chr1:1-100`, or `chr1:1-100 | chr2:1-100`.
    pub fn loci(&self) -> String {
        self.each_place().iter().map(|state| state.region.to_string()).collect::<Vec<_>>().join(" | ")
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
            self.swap_sides();
            self.set_region(self.region.clone());
            self.swap_sides();
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

    /// The place without the focus, if that is what was read, and whether what was read is for the one with the focus: both may be of
    /// one place. What is for neither is an older answer, of the one with the focus.
    fn places_of(&mut self, region: &Region) -> (Option<&mut OtherSide>, bool) {
        let is_here = self.region == *region;
        let other = self.other.as_mut().filter(|other| other.region == *region);
        let is_for_focus = is_here || other.is_none();
        (other, is_for_focus)
    }

    /// Keeps columns for the place without the focus; gives them back where they are for the one with it.
    pub(super) fn take_beside(&mut self, track: TrackId, view: SignalView) -> Option<SignalView> {
        let edits = self.other.is_some().then(|| self.edits.clone());
        let (other, is_for_focus) = self.places_of(&view.region);
        if let (Some(other), Some(edits)) = (other, edits) {
            other.edits = edits;
            other.signals.insert(track, view.clone());
        }
        is_for_focus.then_some(view)
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
        let read = Some((region.clone(), bases));
        let (other, is_for_focus) = self.places_of(&region);
        if let Some(other) = other {
            other.sequence.clone_from(&read);
        }
        if is_for_focus {
            self.sequence = read;
        }
    }

    /// Keeps where a pattern stands.
    pub(super) fn take_occurrences(&mut self, pattern: String, found: Occurrences) {
        let (other, is_for_focus) = self.places_of(&found.0);
        if let Some(other) = other {
            other.occurrences.insert(pattern.clone(), found.clone());
        }
        if is_for_focus {
            self.occurrences.insert(pattern, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobId, Reply};
    use crate::state::toy;

    fn two() -> State {
        let mut state = toy::state(None);
        state.set_columns(101);
        state.go_to("chr1:15,001-25,000 | chr2:5,001-15,000").unwrap();
        state
    }

    fn places(state: &State) -> (String, String, bool) {
        let other = state.other.as_ref().unwrap();
        (state.region.to_string(), other.region.to_string(), other.is_left)
    }

    #[test]
    fn two_places_are_typed_in_either_form_and_a_slip_changes_nothing() {
        let mut state = two();
        let (left, right) = ("chr1:15,001-25,000".to_owned(), "chr2:5,001-15,000".to_owned());
        assert_eq!(places(&state), (left.clone(), right.clone(), false));
        assert_eq!(state.loci(), format!("{left} | {right}"));
        assert_eq!((state.n_columns, state.current_gene().unwrap().name.as_str()), (50, "ALPHA"));
        state.go_to("chr1:1-5,000").unwrap();
        assert_eq!(places(&state).1, right, "one place moves the one that has the keys");
        state.go_to("ALPHA DELTA").unwrap();
        assert_eq!(state.other.as_ref().unwrap().region.chrom.as_ref(), "chr2");
        let before = places(&state);
        for slip in ["ALPHA | NOBODY", "NOBODY | ALPHA", "ALPHA |", "NOBODY ALPHA"] {
            assert!(state.go_to(slip).is_err(), "{slip}");
            assert_eq!(places(&state), before, "{slip}");
        }
        state.close_side();
        assert_eq!((state.n_columns, state.other.is_none()), (101, true));
        state.set_columns(30);
        assert!(state.go_to("ALPHA | DELTA").unwrap_err().contains("41 columns"));
    }

    #[test]
    fn keys_move_the_side_that_has_them_and_what_was_read_goes_along() {
        let mut state = two();
        let signal = SignalView { region: state.region.clone(), columns: Err("left".to_owned()) };
        state.signals.insert(TrackId(1), signal);
        state.switch_side();
        assert_eq!(places(&state), ("chr2:5,001-15,000".to_owned(), "chr1:15,001-25,000".to_owned(), true));
        assert_eq!(state.current_gene().unwrap().name, "DELTA", "the model explains the gene of the side with the keys");
        assert!(state.signals.is_empty());
        state.pan(0.1);
        assert_eq!(state.loci(), "chr1:15,001-25,000 | chr2:6,001-16,000", "from the left, whichever has the keys");
        state.switch_side();
        assert!(state.signals.contains_key(&TrackId(1)));
    }

    #[test]
    fn both_sides_are_read_each_once_and_replies_find_their_side() {
        let mut state = two();
        let look = state.look();
        let beside = look.beside.clone().unwrap();
        assert_eq!((beside.region.to_string().as_str(), beside.n_columns), ("chr2:5,001-15,000", 50));
        assert_eq!(beside.tracks, look.tracks);
        let job = JobId::default();
        for look in [&look, &*beside] {
            for &track in &look.tracks {
                let columns = Ok(vec![crate::tracks::Column::MISSING; 50]);
                state.apply(Reply::Columns { job, track, region: look.region.clone(), columns }, job, job);
                let features = Ok(Arc::new(Features::default().within(look.region.clone())));
                state.apply(Reply::Features { track, features }, job, job);
            }
        }
        let here = state.region.clone();
        assert!(state.signals.values().all(|view| view.region == here));
        assert!(state.from_other_side().unwrap().signals.values().all(|view| view.region == beside.region));
        let again = state.look();
        assert_eq!(again.beside.map(|b| b.tracks), None, "what was read for the side that stands still is not read again");
        assert!(look.covers(&state.look()));
        state.switch_side();
        state.pan(0.5);
        let moved = state.look();
        assert!(!look.covers(&moved) && moved.beside.is_none());
    }

    #[test]
    fn what_the_model_said_stays_with_its_side_and_a_late_answer_is_not_taken_for_the_other() {
        let mut state = toy::state(Some(Ok(crate::models::test_manifest(10_000, 1, &["H3K4me3"], None))));
        state.set_columns(101);
        state.go_to("ALPHA | DELTA").unwrap();
        let failed = |reason: &str| Reply::Prediction { job: JobId::default(), prediction: Err(reason.to_owned()) };
        let job = JobId::default();
        let said = |state: &State| match state.explained.drawn_prediction().1 {
            crate::state::RowState::Failed(reason) => reason,
            other => format!("{other:?}"),
        };
        state.explained.begin(state.subject());
        state.apply(failed("of ALPHA"), job, job);
        assert_eq!(said(&state), "of ALPHA");
        assert_eq!(said(&state.from_other_side().unwrap()), "Computing(0, 0)", "nothing was said of it yet");
        state.switch_side();
        state.apply(failed("late"), job, job);
        assert_eq!(said(&state), "Computing(0, 0)", "an answer about ALPHA is none about DELTA");
        state.explained.begin(state.subject());
        state.apply(failed("of DELTA"), job, job);
        assert_eq!((said(&state), said(&state.from_other_side().unwrap())), ("of DELTA".to_owned(), "of ALPHA".to_owned()));
        state.switch_side();
        state.apply(failed("late of DELTA"), job, job);
        assert_eq!(said(&state), "Computing(0, 0)", "an answer about DELTA is none about ALPHA, of which something was said");
        state.explained.begin(state.subject());
        state.switch_sample(1);
        assert_eq!(said(&state.from_other_side().unwrap()), "Computing(0, 0)", "of another sample that was not said");
    }

    #[test]
    fn one_place_on_both_sides_is_there_on_both() {
        let mut state = two();
        state.go_to("ALPHA | ALPHA").unwrap();
        let (look, job) = (state.look(), JobId::default());
        let (track, region) = (TrackId(1), look.region.clone());
        let columns = Ok(vec![crate::tracks::Column::MISSING; look.n_columns]);
        state.apply(Reply::Columns { job, track, region: region.clone(), columns }, job, job);
        state.apply(Reply::Sequence { job, region: region.clone(), bases: Ok(vec![b'A'; region.len() as usize]) }, job, job);
        for side in state.each_place() {
            assert!(side.signals.contains_key(&track) && side.sequence.is_some(), "{}", side.region);
        }
    }
}
