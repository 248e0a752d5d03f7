//! Open readers of one thread: opened at first use, kept, and an error remembered rather than repeated.

use super::{Session, TrackId};
use crate::genome::Region;
use crate::tracks::{self, BinTableSignal, Column, FeatureReader, Features, SequenceReader, SignalReader, Track, TrackError};
use std::collections::HashMap;
use std::sync::Arc;

/// A file of intervals.
enum FeatureFile {
    Whole(Arc<Features>),
    /// With what was read last.
    Indexed(Box<dyn FeatureReader>, Option<Arc<Features>>),
}

/// The readers of one thread.
pub struct Readers {
    session: Arc<Session>,
    signals: HashMap<TrackId, Box<dyn SignalReader>>,
    features: HashMap<TrackId, FeatureFile>,
    sequence: Option<Box<dyn SequenceReader>>,
    /// What could not be opened, with the reason.
    refused: HashMap<TrackId, String>,
    warnings: Vec<String>,
    mismatches: Vec<(TrackId, String)>,
}

impl Readers {
    /// No file is opened before it is asked for.
    pub fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            signals: HashMap::new(),
            features: HashMap::new(),
            sequence: None,
            refused: HashMap::new(),
            warnings: Vec::new(),
            mismatches: Vec::new(),
        }
    }

    /// The session the readers belong to.
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// A track's values in `n` columns over `region`.
    pub fn columns(&mut self, track: TrackId, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        let reader = self.signal(track)?;
        let columns = reader.columns(region, n);
        let warnings = reader.take_warnings();
        self.warnings.extend(warnings);
        columns
    }

    /// A track's value at each base of `region`; NaN where nothing was measured.
    pub fn values(&mut self, track: TrackId, region: &Region) -> Result<Vec<f32>, TrackError> {
        self.signal(track)?.values(region)
    }

    /// What readers had to say when they were opened, since this was last asked.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Tracks that do not fit the genome, with the reason, of those opened since this was last asked.
    pub fn take_mismatches(&mut self) -> Vec<(TrackId, String)> {
        std::mem::take(&mut self.mismatches)
    }

    /// A track's intervals: all of them, or of an indexed file those in `region` and beside it.
    pub fn features(&mut self, track: TrackId, region: &Region) -> Result<Arc<Features>, TrackError> {
        if !self.features.contains_key(&track) {
            let file = match self.open(track)? {
                Track::Features(features) => FeatureFile::Whole(features),
                Track::Indexed(reader) => FeatureFile::Indexed(reader, None),
                _ => return Err(wrong_kind(&self.session.tracks[track.0], "intervals")),
            };
            self.features.insert(track, file);
        }
        let len = self.session.genome.chroms.len_of(&region.chrom).unwrap_or(u64::MAX);
        match self.features.get_mut(&track) {
            Some(FeatureFile::Whole(features)) => Ok(features.clone()),
            Some(FeatureFile::Indexed(_, Some(last))) if last.covers(region) => Ok(last.clone()),
            Some(FeatureFile::Indexed(reader, last)) => {
                // A view to each side, so that panning does not wait; where that is too much, the view alone.
                let (start, end) = (region.start.saturating_sub(region.len()), region.end.saturating_add(region.len()).min(len));
                let wide = Region::new(region.chrom.clone(), start, end.max(region.end));
                let read = Arc::new(reader.features(&wide).or_else(|_| reader.features(region))?);
                *last = Some(read.clone());
                Ok(read)
            }
            None => Err(wrong_kind(&self.session.tracks[track.0], "intervals")),
        }
    }

    /// Opens a track's file. What is wrong with it is found out once.
    fn open(&mut self, track: TrackId) -> Result<Track, TrackError> {
        if let Some(reason) = self.refused.get(&track) {
            return Err(TrackError::Repeated(reason.clone()));
        }
        let info = &self.session.tracks[track.0];
        let chroms = &self.session.genome.chroms;
        let opened = match info.min_coverage {
            Some(min_coverage) => tracks::open_methylation(&info.path, min_coverage, chroms),
            None => tracks::open_row(&info.path, Some(&info.format), chroms),
        };
        match opened {
            Ok(loaded) => {
                self.warnings.extend(loaded.warnings);
                let mismatch = tracks::mismatch(&loaded.value, &self.session.genome.chroms);
                self.mismatches.extend(mismatch.map(|reason| (track, reason)));
                Ok(loaded.value)
            }
            Err(error) => {
                if !tracks::is_url(&info.path) {
                    self.refused.insert(track, error.to_string()); // a server may answer the next time
                }
                Err(error)
            }
        }
    }

    /// The reference bases of `region`, upper case; `None` where the session has no reference.
    pub fn bases(&mut self, region: &Region) -> Result<Option<Vec<u8>>, TrackError> {
        if self.session.genome.is_gene_relative {
            return Ok(self.bases_of_table(region));
        }
        if self.sequence.is_none() {
            let Some(path) = &self.session.genome.fasta else { return Ok(None) };
            let opened = tracks::open(path, None, &self.session.genome.chroms)?;
            let Track::Sequence(reader) = opened.value else { return Ok(None) };
            self.warnings.extend(opened.warnings);
            self.sequence = Some(reader);
        }
        self.sequence.as_mut().map(|reader| reader.bases(region)).transpose()
    }

    /// The bases of a gene that is a chromosome of its own.
    fn bases_of_table(&self, region: &Region) -> Option<Vec<u8>> {
        let mut tables = self.session.tracks.iter().filter_map(|t| t.table.as_ref());
        let sequence = tables.find_map(|table| table.sequence(table.gene_index(&region.chrom)?).map(<[u8]>::to_vec))?;
        let base = |position: u64| sequence.get(position as usize).copied().unwrap_or(b'N');
        Some((region.start..region.end).map(base).collect())
    }

    fn signal(&mut self, track: TrackId) -> Result<&mut Box<dyn SignalReader>, TrackError> {
        if !self.signals.contains_key(&track) {
            let info = &self.session.tracks[track.0];
            let reader: Box<dyn SignalReader> = match &info.table {
                Some(table) => match BinTableSignal::new(table.clone(), &info.label) {
                    Some(reader) => Box::new(reader),
                    None => return Err(wrong_kind(info, "a mark of the table")),
                },
                None => match self.open(track)? {
                    Track::Signal(reader) => reader,
                    _ => return Err(wrong_kind(&self.session.tracks[track.0], "a signal")),
                },
            };
            self.signals.insert(track, reader);
        }
        self.signals.get_mut(&track).ok_or_else(|| wrong_kind(&self.session.tracks[track.0], "a signal"))
    }
}

fn wrong_kind(info: &super::TrackInfo, expected: &str) -> TrackError {
    TrackError::Unsupported { path: info.path.clone(), reason: format!("{} is not {expected}", info.format) }
}
