//! Open readers of one thread: opened at first use, kept, and an error remembered rather than repeated.

use super::{Session, TrackId};
use crate::genome::Region;
use crate::tracks::{self, BinTableSignal, Column, Features, SequenceReader, SignalReader, Track, TrackError};
use std::collections::HashMap;
use std::sync::Arc;

/// The readers of one thread.
pub struct Readers {
    session: Arc<Session>,
    signals: HashMap<TrackId, Box<dyn SignalReader>>,
    features: HashMap<TrackId, Arc<Features>>,
    sequence: Option<Box<dyn SequenceReader>>,
    warnings: Vec<String>,
}

impl Readers {
    /// No file is opened before it is asked for.
    pub fn new(session: Arc<Session>) -> Self {
        Self { session, signals: HashMap::new(), features: HashMap::new(), sequence: None, warnings: Vec::new() }
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

    /// A track's intervals.
    pub fn features(&mut self, track: TrackId) -> Result<Arc<Features>, TrackError> {
        if let Some(features) = self.features.get(&track) {
            return Ok(features.clone());
        }
        let info = &self.session.tracks[track.0];
        let loaded = tracks::open(&info.path, Some(&info.format), &self.session.genome.chroms)?;
        let Track::Features(features) = loaded.value else { return Err(wrong_kind(info, "intervals")) };
        self.warnings.extend(loaded.warnings);
        self.features.insert(track, features.clone());
        Ok(features)
    }

    /// The reference bases of `region`, upper case; `None` where the session has no reference.
    pub fn bases(&mut self, region: &Region) -> Result<Option<Vec<u8>>, TrackError> {
        if self.session.genome.is_gene_relative {
            return Ok(self.bases_of_table(region));
        }
        if self.sequence.is_none() {
            let Some(path) = &self.session.genome.fasta else { return Ok(None) };
            let opened = tracks::open(path, Some("fasta"), &self.session.genome.chroms)?;
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
                None => {
                    let loaded = tracks::open(&info.path, Some(&info.format), &self.session.genome.chroms)?;
                    self.warnings.extend(loaded.warnings);
                    match loaded.value {
                        Track::Signal(reader) => reader,
                        _ => return Err(wrong_kind(info, "a signal")),
                    }
                }
            };
            self.signals.insert(track, reader);
        }
        self.signals.get_mut(&track).ok_or_else(|| wrong_kind(&self.session.tracks[track.0], "a signal"))
    }
}

fn wrong_kind(info: &super::TrackInfo, expected: &str) -> TrackError {
    TrackError::Unsupported { path: info.path.clone(), reason: format!("{} is not {expected}", info.format) }
}
