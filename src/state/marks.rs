//! Bookmarks by letter, and regions of interest with a note.

use super::{Place, State};
use crate::genome::Region;

/// A stretch that is worth remembering, with a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedRegion {
    /// Where.
    pub region: Region,
    /// Why.
    pub note: String,
}

impl State {
    /// Remembers the place in view by a letter.
    pub fn set_bookmark(&mut self, letter: char) {
        self.bookmarks.insert(letter, Place { region: self.region.clone(), gene: self.gene });
        self.notice = Some(format!("bookmark {letter}: {} ('{letter} comes back)", self.region));
    }

    /// Goes to the place of a letter; `''` goes back to where a jump left.
    pub fn go_to_bookmark(&mut self, letter: char) {
        if letter == '\'' {
            return self.travel(true);
        }
        match self.bookmarks.get(&letter).cloned() {
            Some(place) => {
                self.remember();
                self.gene = place.gene;
                self.set_region(place.region);
                self.follow_view();
            }
            None => {
                let known: Vec<String> = self.bookmarks.keys().map(char::to_string).collect();
                let known =
                    if known.is_empty() { "there is none yet: m and a letter sets one".to_owned() } else { known.join(" ") };
                self.notice = Some(format!("no bookmark {letter}; {known}"));
            }
        }
    }

    /// Makes the view a region of interest.
    pub fn note_region(&mut self, note: &str) {
        let region = self.region.clone();
        self.regions.retain(|r| r.region != region);
        self.regions.push(NotedRegion { region, note: note.trim().to_owned() });
        self.regions.sort_by(|a, b| {
            let rank = |r: &NotedRegion| (self.session.genome.chroms.rank(&r.region.chrom), r.region.start, r.region.end);
            rank(a).cmp(&rank(b))
        });
        self.notice = Some(format!("region of interest {}; :regions lists them, :unnote takes one away", self.region));
    }

    /// Takes the regions of interest in view away.
    pub fn forget_regions(&mut self) -> Result<(), String> {
        let before = self.regions.len();
        let view = self.region.clone();
        self.regions.retain(|r| !r.region.overlaps(&view));
        match before - self.regions.len() {
            0 => Err("no region of interest in view".to_owned()),
            n => {
                self.notice = Some(format!("{n} region{} of interest taken away", if n == 1 { "" } else { "s" }));
                Ok(())
            }
        }
    }
}
