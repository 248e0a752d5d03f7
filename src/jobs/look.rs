//! Reading what the screen shows.

use super::{Reply, Slot, contained, send};
use crate::genome::Region;
use crate::session::{Readers, Session, TrackId, TrackKind};
use crate::tracks::TrackError;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What the screen needs read.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The part of the genome in view.
    pub region: Region,
    /// Columns to summarise signals in.
    pub n_columns: usize,
    /// Tracks in view, the focused one first.
    pub tracks: Vec<TrackId>,
    /// Whether reference bases are shown.
    pub wants_sequence: bool,
    /// A peak to look for, first of all.
    pub seek: Option<Seek>,
}

/// A search along a signal for the next place that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    /// The signal.
    pub track: TrackId,
    /// Chromosome to search.
    pub chrom: Arc<str>,
    /// Where the search begins.
    pub from: u64,
    /// To the right, else to the left.
    pub forward: bool,
    /// What counts as a peak: a run of values at least this high.
    pub threshold: f32,
}

impl Look {
    /// Whether this look reads everything that `other` needs.
    pub fn covers(&self, other: &Self) -> bool {
        let same_place = self.region == other.region && self.n_columns == other.n_columns;
        same_place
            && other.tracks.iter().all(|t| self.tracks.contains(t))
            && (self.wants_sequence || !other.wants_sequence)
            && (other.seek.is_none() || self.seek == other.seek)
    }
}

/// Answers looks until the slot closes.
pub(super) fn serve(slot: &Slot<Look>, session: Arc<Session>, replies: &UnboundedSender<Reply>) {
    let mut readers = Readers::new(session.clone());
    while let Some((job, look)) = slot.take() {
        let region = &look.region;
        if let Some(seek) = &look.seek {
            let is_current = || slot.is_current(job);
            match contained(|| find_peak(&mut readers, seek, &is_current)).and_then(|r| r.map_err(|e| e.to_string())) {
                Err(reason) => send(replies, Reply::Found { seek: seek.clone(), peak: Err(reason) }),
                Ok(Search::Ended(peak)) => send(replies, Reply::Found { seek: seek.clone(), peak: Ok(peak) }),
                Ok(Search::Superseded) => continue,
            }
        }
        if look.wants_sequence {
            let bases = match contained(|| readers.bases(region)) {
                Ok(Ok(Some(bases))) => Ok(bases),
                Ok(Ok(None)) => Err("the session has no reference sequence".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(panic) => Err(panic),
            };
            send(replies, Reply::Sequence { job, region: region.clone(), bases });
        }
        for &track in &look.tracks {
            if !slot.is_current(job) {
                break;
            }
            match session.tracks[track.0].kind {
                TrackKind::Signal => {
                    let columns = contained(|| readers.columns(track, region, look.n_columns));
                    let columns = columns.and_then(|r| r.map_err(|e| e.to_string()));
                    send(replies, Reply::Columns { job, track, region: region.clone(), columns });
                }
                TrackKind::Features => {
                    let features = contained(|| readers.features(track, region)).and_then(|r| r.map_err(|e| e.to_string()));
                    send(replies, Reply::Features { track, features });
                }
            }
        }
        let warnings = readers.take_warnings();
        if !warnings.is_empty() {
            send(replies, Reply::Warnings(warnings));
        }
    }
}

enum Search {
    Ended(Option<u64>),
    Superseded,
}

/// The middle of the next run of columns whose maximum reaches the threshold. A run the search begins in is left first.
fn find_peak(readers: &mut Readers, seek: &Seek, is_current: &dyn Fn() -> bool) -> Result<Search, TrackError> {
    const COLUMN: u64 = 50;
    const CHUNK: u64 = 2_000 * COLUMN;
    let len = readers.session().genome.chroms.len_of(&seek.chrom).unwrap_or(0);
    let (mut position, mut is_leaving) = (seek.from.min(len), true);
    let mut best: Option<(f32, u64)> = None;
    loop {
        if !is_current() {
            return Ok(Search::Superseded);
        }
        let (start, end) = match seek.forward {
            true => (position, (position + CHUNK).min(len)),
            false => (position.saturating_sub(CHUNK), position),
        };
        if start >= end {
            return Ok(Search::Ended(best.map(|(_, p)| p)));
        }
        let region = Region::new(seek.chrom.clone(), start, end);
        let n = (end - start).div_ceil(COLUMN) as usize;
        let columns = readers.columns(seek.track, &region, n)?;
        let middle = |i: usize| start + (2 * i as u64 + 1) * (end - start) / (2 * n as u64);
        let order: Box<dyn Iterator<Item = usize>> =
            if seek.forward { Box::new(0..columns.len()) } else { Box::new((0..columns.len()).rev()) };
        for i in order {
            let is_peak = columns[i].max >= seek.threshold; // false where nothing was measured
            match (is_peak, is_leaving, best) {
                (true, true, _) => {}
                (true, false, Some((highest, _))) if columns[i].max <= highest => {}
                (true, false, _) => best = Some((columns[i].max, middle(i))),
                (false, _, Some((_, found))) => return Ok(Search::Ended(Some(found))),
                (false, _, None) => is_leaving = false,
            }
        }
        position = if seek.forward { end } else { start };
    }
}
