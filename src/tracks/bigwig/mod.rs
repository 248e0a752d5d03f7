//! bigWig: values along the genome with summaries at coarser steps, read through bigtools.

pub(super) mod columns;
pub(super) mod guard;
pub(super) mod header;
mod zoom;

pub use guard::{contain_panic, is_contained_panic};

use super::lines::explain_io;
use super::source::Source;
use super::{Column, Loaded, SignalReader, TrackError, columns_of_values};
use crate::genome::{ChromSizes, Region};
use bigtools::{BBIReadError, BigWigRead, BigWigReadOpenError, Value};
use columns::Sums;
use guard::{Guarded, contain};
use header::Layout;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};

/// Most bases read one by one, 256 MB of values.
const MOST_VALUES: u64 = 1 << 26;

/// An open bigWig. Memory per reader is bounded (some 10 MB); opening one more is cheap.
pub struct BigWig {
    path: PathBuf,
    file: BigWigRead<Guarded>,
    chroms: ChromSizes,
    /// Bases per record of the levels that could be read so far, ascending.
    zooms: Vec<u32>,
    are_zooms_checked: bool,
    warnings: Vec<String>,
}

/// Opens a bigWig. A damaged file is an error or a warning, never a panic; damage inside values that still unpack cannot be seen.
pub fn open(path: &Path) -> Result<Loaded<BigWig>, TrackError> {
    let (mut file, len) = Source::open(path)?;
    let header = header::check(&mut file, len, Layout::BigWig).map_err(|refusal| refusal.at(path))?;
    let mut warnings = Vec::new();
    if header.damaged_zooms > 0 {
        warnings.push(format!(
            "{}: {} zoom levels cannot be read (truncated?); wide views are made from the values, which is slower",
            path.display(),
            header.damaged_zooms
        ));
    }
    file.rewind().map_err(|e| TrackError::io(path, e))?;
    let opened = contain(|| {
        BigWigRead::open(Guarded::new(file, len)).map_err(|e| match e {
            BigWigReadOpenError::IoError(e) => e,
            e => io::Error::new(io::ErrorKind::InvalidData, e.to_string()),
        })
    });
    let file = opened.map_err(|e| TrackError::malformed(path, "header", explain_io(&e)))?;
    let mut chroms = ChromSizes::default();
    for chrom in file.chroms() {
        let name = &chrom.name;
        if name.is_empty() || name.chars().any(char::is_control) || chrom.length == 0 {
            let reason = format!("{name:?} of {} bases is no chromosome", chrom.length);
            return Err(TrackError::malformed(path, "list of chromosomes", reason));
        }
        if !chroms.push(name, u64::from(chrom.length)) {
            return Err(TrackError::malformed(path, "list of chromosomes", format!("{name} stands twice")));
        }
    }
    if chroms.is_empty() {
        return Err(TrackError::malformed(path, "list of chromosomes", "the file holds no data for any chromosome"));
    }
    let value =
        BigWig { path: path.to_owned(), file, chroms, zooms: header.zooms, are_zooms_checked: false, warnings: Vec::new() };
    Ok(Loaded { value, warnings })
}

/// The part of a region that lies on a chromosome of the file, in the file's words.
struct Span {
    chrom: String,
    start: u32,
    end: u32,
}

impl BigWig {
    /// `None` where the region lies past the chromosome's end.
    ///
    /// The list of chromosomes names only those with data: one that is missing is an error, not a row of nothing, because a
    /// file of other names or of another assembly looks the same.
    fn locate(&self, region: &Region) -> Result<Option<Span>, TrackError> {
        let unknown = || TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms);
        let chrom = self.chroms.resolve(&region.chrom).ok_or_else(unknown)?;
        let len = self.chroms.len_of(chrom).unwrap_or(0);
        let (start, end) = (region.start.min(len), region.end.min(len));
        // bigtools takes an empty or backward interval for 4 GiB.
        Ok((start < end).then(|| Span { chrom: chrom.to_string(), start: start as u32, end: end as u32 }))
    }

    fn malformed(&self, region: &Region, error: &io::Error) -> TrackError {
        TrackError::malformed(&self.path, region.to_string(), explain_io(error))
    }

    /// Gives every measured interval of the region, clipped to it: start, end (positions on the chromosome) and a finite value.
    fn each_value(&mut self, region: &Region, mut give: impl FnMut(u64, u64, f32)) -> Result<(), TrackError> {
        let Some(span) = self.locate(region)? else { return Ok(()) };
        self.file.inner_read().begin_query();
        let read = contain(|| {
            for value in self.file.get_interval(&span.chrom, span.start, span.end).map_err(as_io)? {
                let Value { start, end, value } = value.map_err(as_io)?;
                if end < start || start < span.start || end > span.end {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an interval from {start} to {end}")));
                }
                if value.is_finite() {
                    give(u64::from(start), u64::from(end), value);
                }
            }
            Ok(())
        });
        read.map_err(|e| self.malformed(region, &e))
    }
}

fn as_io(error: BBIReadError) -> io::Error {
    match error {
        BBIReadError::IoError(e) => e,
        e => io::Error::new(io::ErrorKind::InvalidData, e.to_string()),
    }
}

impl SignalReader for BigWig {
    fn chroms(&self) -> &ChromSizes {
        &self.chroms
    }

    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
        TrackError::refuse_longer(&self.path, region, MOST_VALUES)?;
        let mut values = vec![f32::NAN; region.len() as usize];
        self.each_value(region, |start, end, value| {
            values[(start - region.start) as usize..(end - region.start) as usize].fill(value);
        })?;
        Ok(values)
    }

    fn columns(&mut self, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        if n == 0 || n as u64 > region.len() {
            return Ok(columns_of_values(&self.values(region)?, n));
        }
        while let Some(zoom) = self.zoom_for(region, n) {
            if let Some(columns) = self.columns_of_zoom(region, n, zoom)? {
                return Ok(columns);
            }
        }
        let mut sums = Sums::new(region, n);
        self.each_value(region, |start, end, value| {
            sums.add(start, end, 1.0, f64::from(value), f64::from(value), f64::from(value));
        })?;
        Ok(sums.finish())
    }

    fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

#[cfg(test)]
mod tests;
