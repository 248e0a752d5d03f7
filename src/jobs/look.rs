//! Reading what the screen shows.

use super::{JobId, Reply, Slot, contained, send};
use crate::genome::{Pattern, Region};
use crate::models::edit_signal;
use crate::session::{Change, Edit, Readers, Session, TrackId, TrackInfo, TrackKind};
use crate::tracks::{Column, TrackError, columns_of_values, is_url, while_wanted};
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
    /// What is changed of the signals before they are shown.
    pub edits: Arc<[Edit]>,
    /// Patterns to look for in the sequence.
    pub patterns: Vec<Pattern>,
    /// What to search for along the chromosome, first of all.
    pub seek: Option<Seek>,
    /// What is to be read for a second place in view, after the first.
    pub beside: Option<Box<Look>>,
}

/// What is searched for.
#[derive(Clone, Debug, PartialEq)]
pub enum Sought {
    /// A run of a signal's values at least this high.
    Peak {
        /// The signal.
        track: TrackId,
        /// What counts as a peak.
        threshold: f32,
    },
    /// A sequence.
    Pattern(Pattern),
}

/// A search along a chromosome for the next place that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Seek {
    /// What for.
    pub sought: Sought,
    /// Chromosome to search.
    pub chrom: Arc<str>,
    /// Where the search begins.
    pub from: u64,
    /// To the right, else to the left.
    pub forward: bool,
    /// Whether what is found is to fill the view.
    pub to_fit: bool,
}

impl Look {
    /// Whether this look reads everything that `other` needs.
    pub fn covers(&self, other: &Self) -> bool {
        let same_place = self.region == other.region && self.n_columns == other.n_columns && self.edits == other.edits;
        same_place
            && other.tracks.iter().all(|t| self.tracks.contains(t))
            && other.patterns.iter().all(|p| self.patterns.contains(p))
            && (self.wants_sequence || !other.wants_sequence)
            && (other.seek.is_none() || self.seek == other.seek)
            && other.beside.as_ref().is_none_or(|other| self.beside.as_ref().is_some_and(|beside| beside.covers(other)))
    }
}

/// Answers looks until the slot closes.
pub(super) fn serve(slot: &Arc<Slot<Look>>, session: Arc<Session>, replies: &UnboundedSender<Reply>) {
    let mut readers = Readers::new(session.clone());
    while let Some((job, look)) = slot.take() {
        let wanted = slot.clone();
        while_wanted(move || wanted.is_current(job), || answer(&mut readers, &look, job, slot, replies));
    }
}

fn answer(readers: &mut Readers, look: &Look, job: JobId, slot: &Slot<Look>, replies: &UnboundedSender<Reply>) {
    if let Some(seek) = &look.seek {
        let is_current = || slot.is_current(job);
        let found = contained(|| match &seek.sought {
            Sought::Peak { track, threshold } => find_peak(readers, seek, (*track, *threshold), &is_current),
            Sought::Pattern(pattern) => find_pattern(readers, seek, pattern, &is_current),
        });
        match found.and_then(|r| r.map_err(|e| e.to_string())) {
            Err(_) if !is_current() => return,
            Err(reason) => send(replies, Reply::Found { seek: seek.clone(), found: Err(reason) }),
            Ok(Search::Ended(found)) => send(replies, Reply::Found { seek: seek.clone(), found: Ok(found) }),
            Ok(Search::Superseded) => return,
        }
    }
    for look in std::iter::once(look).chain(look.beside.as_deref()) {
        read(readers, look, job, slot, replies);
    }
    for (track, reason) in readers.take_mismatches() {
        send(replies, Reply::Mismatch { track, reason });
    }
    let warnings = readers.take_warnings();
    if !warnings.is_empty() {
        send(replies, Reply::Warnings(warnings));
    }
    if slot.is_current(job) {
        send(replies, Reply::Looked(job));
    }
}

/// Reads what one place in view needs, as long as it is wanted.
fn read(readers: &mut Readers, look: &Look, job: JobId, slot: &Slot<Look>, replies: &UnboundedSender<Reply>) {
    let (region, session) = (&look.region, readers.session().clone());
    let is_far = session.genome.fasta.as_deref().is_some_and(is_url);
    if look.wants_sequence && !is_far {
        read_sequence(readers, look, job, slot, replies);
    }
    // A server that is slow holds up what is behind servers only, and a long text of intervals no signal, which an index leads to.
    let mut tracks = look.tracks.clone();
    let is_late = |track: &TrackInfo| (is_url(&track.path), track.kind == TrackKind::Features);
    tracks.sort_by_key(|track| is_late(&session.tracks[track.0]));
    for track in tracks {
        if !slot.is_current(job) {
            break;
        }
        let reply = read_track(readers, track, look, job);
        // What was given up because it is no longer asked for has no reason to show.
        if slot.is_current(job) || !reply.is_failure() {
            send(replies, reply);
        }
    }
    if look.wants_sequence && is_far && slot.is_current(job) {
        read_sequence(readers, look, job, slot, replies);
    }
    for pattern in look.patterns.iter().take_while(|_| slot.is_current(job)) {
        let found = contained(|| readers.bases(region)).and_then(|r| r.map_err(|e| e.to_string()));
        let found = found.map(|bases| {
            let places = pattern.find(&bases.unwrap_or_default());
            Arc::new(places.into_iter().map(|(i, strand)| (region.start + i as u64, strand)).collect())
        });
        send(replies, Reply::Occurrences { pattern: pattern.clone(), region: region.clone(), found });
    }
}

fn read_sequence(readers: &mut Readers, look: &Look, job: JobId, slot: &Slot<Look>, replies: &UnboundedSender<Reply>) {
    let bases = match contained(|| readers.bases(&look.region)) {
        Ok(Ok(Some(bases))) => Ok(bases),
        Ok(Ok(None)) => Err("the session has no reference sequence".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(panic),
    };
    if slot.is_current(job) || bases.is_ok() {
        send(replies, Reply::Sequence { job, region: look.region.clone(), bases });
    }
}

/// Most bases whose values are read one by one to show what an edit made of them; a wider view shows them as they were measured.
const MOST_EDITED: u64 = 5_000_000;

/// A signal's columns as the edits make them.
pub fn columns_with_edits(
    readers: &mut Readers,
    track: TrackId,
    region: &Region,
    n: usize,
    edits: &[Edit],
) -> Result<Vec<Column>, TrackError> {
    let mut columns = readers.columns(track, region, n)?;
    let session = readers.session().clone();
    let mark = session.tracks[track.0].mark.as_deref();
    let edits: Vec<&Edit> =
        edits.iter().filter(|edit| edit.mark().is_some() && edit.mark() == mark && edit.region.overlaps(region)).collect();
    let edge = |i: usize| region.start + (i as u64 * region.len()) / n.max(1) as u64;
    let is_touched = |i: usize| {
        let (from, to) = (edge(i), edge(i + 1).max(edge(i) + 1));
        edits.iter().any(|edit| edit.region.start < to && from < edit.region.end)
    };
    let touched: Vec<usize> = (0..n).filter(|&i| is_touched(i)).collect();
    if edits.is_empty() || touched.iter().map(|&i| edge(i + 1) - edge(i)).sum::<u64>() > MOST_EDITED {
        return Ok(columns);
    }
    for i in touched {
        let part = Region::new(region.chrom.clone(), edge(i), edge(i + 1).max(edge(i) + 1));
        let mut values = readers.values(track, &part)?;
        for edit in &edits {
            let other = match &edit.change {
                Change::Swap(mark, sample) => {
                    let id = session.samples.iter().position(|s| s.name == *sample);
                    let track = id.and_then(|id| session.signal_for(crate::session::SampleId(id), mark));
                    track.map(|track| readers.values(track, &part)).transpose()?
                }
                _ => None,
            };
            edit_signal(edit, part.start as i64, &mut values, other.as_deref());
        }
        columns[i] = columns_of_values(&values, 1)[0];
    }
    Ok(columns)
}

fn read_track(readers: &mut Readers, track: TrackId, look: &Look, job: JobId) -> Reply {
    let region = &look.region;
    match readers.session().tracks[track.0].kind {
        TrackKind::Signal => {
            let columns = contained(|| columns_with_edits(readers, track, region, look.n_columns, &look.edits));
            let columns = columns.and_then(|r| r.map_err(|e| e.to_string()));
            Reply::Columns { job, track, region: region.clone(), columns }
        }
        TrackKind::Features => {
            let features = contained(|| readers.features(track, region)).and_then(|r| r.map_err(|e| e.to_string()));
            Reply::Features { track, features }
        }
    }
}

enum Search {
    Ended(Option<(Region, u64)>),
    Superseded,
}

/// The middle of the next run of columns whose maximum reaches the threshold. A run the search begins in is left first.
fn find_peak(
    readers: &mut Readers,
    seek: &Seek,
    (track, threshold): (TrackId, f32),
    is_current: &dyn Fn() -> bool,
) -> Result<Search, TrackError> {
    const COLUMN: u64 = 50;
    const CHUNK: u64 = 2_000 * COLUMN;
    let len = readers.session().genome.chroms.len_of(&seek.chrom).unwrap_or(0);
    let (mut position, mut is_leaving) = (seek.from.min(len), true);
    /// The run so far: its highest value and where that stands, its ends.
    struct Run {
        highest: f32,
        summit: u64,
        ends: (u64, u64),
    }
    let region = |run: &Run| (Region::new(seek.chrom.clone(), run.ends.0, run.ends.1), run.summit);
    let mut best: Option<Run> = None;
    loop {
        if !is_current() {
            return Ok(Search::Superseded);
        }
        let (start, end) = match seek.forward {
            true => (position, (position + CHUNK).min(len)),
            false => (position.saturating_sub(CHUNK), position),
        };
        if start >= end {
            return Ok(Search::Ended(best.as_ref().map(region)));
        }
        let chunk = Region::new(seek.chrom.clone(), start, end);
        let n = (end - start).div_ceil(COLUMN) as usize;
        let columns = readers.columns(track, &chunk, n)?;
        let edge = |i: usize| start + i as u64 * (end - start) / n as u64;
        let middle = |i: usize| start + (2 * i as u64 + 1) * (end - start) / (2 * n as u64);
        let order: Box<dyn Iterator<Item = usize>> =
            if seek.forward { Box::new(0..columns.len()) } else { Box::new((0..columns.len()).rev()) };
        for i in order {
            let is_peak = columns[i].max >= threshold; // false where nothing was measured
            match (is_peak, is_leaving, &mut best) {
                (true, true, _) => {}
                (true, false, Some(run)) => {
                    run.ends = (run.ends.0.min(edge(i)), run.ends.1.max(edge(i + 1)));
                    if columns[i].max > run.highest {
                        (run.highest, run.summit) = (columns[i].max, middle(i));
                    }
                }
                (true, false, None) => {
                    best = Some(Run { highest: columns[i].max, summit: middle(i), ends: (edge(i), edge(i + 1)) });
                }
                (false, _, Some(run)) => return Ok(Search::Ended(Some(region(run)))),
                (false, _, None) => is_leaving = false,
            }
        }
        position = if seek.forward { end } else { start };
    }
}

/// The next place where a pattern begins beyond where the search does.
fn find_pattern(
    readers: &mut Readers,
    seek: &Seek,
    pattern: &Pattern,
    is_current: &dyn Fn() -> bool,
) -> Result<Search, TrackError> {
    const CHUNK: u64 = 250_000;
    let len = readers.session().genome.chroms.len_of(&seek.chrom).unwrap_or(0);
    let n = pattern.len() as u64;
    // The middle of what was found last stands in the middle of the view: it is not found again.
    let anchor = |start: u64| start + n / 2;
    let mut position = seek.from.min(len);
    loop {
        if !is_current() {
            return Ok(Search::Superseded);
        }
        // Chunks share what a pattern may reach over their ends.
        let (start, end) = match seek.forward {
            true => (position.saturating_sub(n), (position + CHUNK).min(len)),
            false => (position.saturating_sub(CHUNK), (position + n).min(len)),
        };
        let bases = readers.bases(&Region::new(seek.chrom.clone(), start, end))?.unwrap_or_default();
        let places = pattern.find(&bases).into_iter().map(|(i, _)| start + i as u64);
        let found = match seek.forward {
            true => places.filter(|&p| anchor(p) > seek.from).min(),
            false => places.filter(|&p| anchor(p) < seek.from).max(),
        };
        if let Some(first) = found {
            return Ok(Search::Ended(Some((Region::new(seek.chrom.clone(), first, first + n), anchor(first)))));
        }
        if (seek.forward && end >= len) || (!seek.forward && start == 0) {
            return Ok(Search::Ended(None));
        }
        position = if seek.forward { end } else { start };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SampleId;
    use std::path::Path;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn a_text_of_intervals_holds_up_no_signal() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml");
        let session = Arc::new(Session::open(&path).unwrap());
        let (tracks, infos): (Vec<TrackId>, Vec<&TrackInfo>) = session.tracks_of(SampleId(0)).unzip();
        assert_eq!(infos[0].kind, TrackKind::Features, "the first row is of intervals");
        let look = Look {
            region: Region::new("chr1", 10_000, 20_000),
            n_columns: 10,
            tracks: tracks.clone(),
            wants_sequence: false,
            edits: Arc::default(),
            patterns: Vec::new(),
            seek: None,
            beside: None,
        };
        let slot = Arc::new(Slot::default());
        let job = slot.restart(look.clone());
        let (sender, mut replies) = unbounded_channel();
        read(&mut Readers::new(session.clone()), &look, job, &slot, &sender);
        let mut is_features = Vec::new();
        while let Ok(reply) = replies.try_recv() {
            assert!(!reply.is_failure(), "{reply:?}");
            is_features.push(matches!(reply, Reply::Features { .. }));
        }
        assert_eq!(is_features.len(), tracks.len());
        assert!(is_features.is_sorted() && !is_features[0] && is_features[tracks.len() - 1], "{is_features:?}");
    }
}
