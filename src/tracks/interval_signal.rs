//! Values of a text file as a signal: intervals in order of position, kept outside memory where they are many.
//!
//! Text has no index, so a file is read once, from end to end, into records of 12 bytes: in memory up to a bound, then in a
//! temporary file. Every 1,024 records have their sums, which is what wide views are made of.

use super::bigwig::columns::Sums;
use super::{Column, Loaded, SignalReader, TrackError, columns_of_values};
use crate::genome::{ChromSizes, Region};
use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::SpooledTempFile;

/// Bytes kept in memory per file; what is longer goes to a temporary file.
const IN_MEMORY: usize = 24 << 20;
/// Bytes of a record: start, end and value of four bytes each.
const RECORD: u64 = 12;
/// Records with one summary.
const PER_BLOCK: u32 = 1024;
/// Records of a file out of order that are put in order.
const MOST_SORTED: u64 = 4_000_000;
/// Most bases read one by one, 256 MB of values.
const MOST_VALUES: u64 = 1 << 26;

/// Records that follow each other in the file, and their sums.
#[derive(Clone, Debug)]
struct Block {
    first: u64,
    n: u32,
    start: u32,
    end: u32,
    covered: u64,
    sum: f64,
    min: f32,
    max: f32,
}

/// Takes intervals in the order of a file.
pub(super) struct IntervalWriter {
    out: io::BufWriter<SpooledTempFile>,
    names: Vec<String>,
    index: HashMap<Vec<u8>, usize>,
    blocks: Vec<Vec<Block>>,
    /// The last record of each chromosome.
    last: Vec<Option<(u32, u32)>>,
    last_chrom: Option<usize>,
    count: u64,
    n_blocks: u64,
    is_sorted: bool,
}

impl IntervalWriter {
    pub(super) fn new() -> Self {
        let out = io::BufWriter::with_capacity(1 << 16, SpooledTempFile::new(IN_MEMORY));
        let (names, index, blocks, last) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
        Self { out, names, index, blocks, last, last_chrom: None, count: 0, n_blocks: 0, is_sorted: true }
    }

    /// Whether the file can be given up: it is out of order, and longer than what is put in order.
    pub(super) fn is_hopeless(&self) -> bool {
        !self.is_sorted && self.count > MOST_SORTED
    }

    /// Appends an interval of a chromosome by the file's name of it.
    pub(super) fn push(&mut self, chrom: &[u8], start: u64, end: u64, value: f32) -> Result<(), String> {
        let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(end)) else {
            return Err(format!("{end} is longer than any chromosome"));
        };
        if from >= to {
            return Err(format!("the end {end} does not lie behind the start {start}"));
        }
        let chrom = match self.index.get(chrom) {
            Some(&chrom) => chrom,
            None if chrom.is_empty() => return Err("no chromosome".to_owned()),
            None => {
                self.index.insert(chrom.to_vec(), self.names.len());
                self.names.push(super::lines::clean(chrom));
                self.blocks.push(Vec::new());
                self.last.push(None);
                self.names.len() - 1
            }
        };
        self.append(chrom, from, to, value)
    }

    fn append(&mut self, chrom: usize, start: u32, end: u32, value: f32) -> Result<(), String> {
        if let Some((before, reached)) = self.last[chrom].filter(|&(_, reached)| start < reached) {
            if start >= before && self.is_sorted {
                return Err(format!("the interval from {start} lies in the one before it, which ends at {reached}"));
            }
            self.is_sorted = false;
        }
        let record = [start.to_le_bytes(), end.to_le_bytes(), value.to_le_bytes()].concat();
        self.out.write_all(&record).map_err(|e| format!("a temporary file could not be written: {e}"))?;
        let (bases, sum) = (u64::from(end - start), f64::from(value) * f64::from(end - start));
        let blocks = &mut self.blocks[chrom];
        match blocks.last_mut().filter(|b| b.n < PER_BLOCK && self.last_chrom == Some(chrom)) {
            Some(block) => {
                block.n += 1;
                (block.start, block.end) = (block.start.min(start), block.end.max(end));
                block.covered += bases;
                block.sum += sum;
                (block.min, block.max) = (block.min.min(value), block.max.max(value));
            }
            None => {
                blocks.push(Block { first: self.count, n: 1, start, end, covered: bases, sum, min: value, max: value });
                self.n_blocks += 1;
                // Chromosomes that take turns line by line are no order either.
                self.is_sorted &= self.n_blocks < 100_000 + self.count / 64;
            }
        }
        (self.last[chrom], self.last_chrom) = (Some((start, end)), Some(chrom));
        self.count += 1;
        Ok(())
    }

    /// The signal. `genome` gives the lengths of chromosomes, which text does not.
    pub(super) fn finish(
        self,
        path: &Path,
        genome: &ChromSizes,
        mut warnings: Vec<String>,
    ) -> Result<Loaded<IntervalSignal>, TrackError> {
        let mut sorted = self;
        if !sorted.is_sorted {
            let (count, overlapping) = (sorted.count, &mut 0);
            sorted = sorted.sort(overlapping).map_err(|reason| TrackError::malformed(path, "whole file", reason))?;
            if *overlapping > 0 {
                warnings.push(format!("{}: {overlapping} of {count} intervals overlap others and are left out", path.display()));
            }
        }
        let mut chroms = ChromSizes::default();
        let mut kept = Vec::with_capacity(sorted.names.len());
        for (name, blocks) in sorted.names.iter().zip(sorted.blocks) {
            let end = blocks.iter().map(|b| u64::from(b.end)).max().unwrap_or(0);
            let len = genome.resolve(name).and_then(|name| genome.len_of(name)).unwrap_or(0).max(end);
            if chroms.push(name, len) {
                kept.push(blocks);
            }
        }
        let file = sorted.out.into_inner().map_err(|e| TrackError::io(path, e.into_error()))?;
        let value = IntervalSignal { path: path.to_owned(), file, chroms, blocks: kept, buffer: Vec::new() };
        Ok(Loaded { value, warnings })
    }

    /// The same in order of position. Of intervals that overlap the first is kept.
    fn sort(self, overlapping: &mut u64) -> Result<Self, String> {
        if self.count > MOST_SORTED {
            let reason = "its intervals are not in order of position, and too many to be put in order here";
            return Err(format!("{reason}: sort it (sort -k1,1 -k2,2n)"));
        }
        let io = |e: io::Error| format!("a temporary file could not be read: {e}");
        let mut file = self.out.into_inner().map_err(|e| io(e.into_error()))?;
        let mut sorted = Self::new();
        sorted.index = self.index;
        sorted.names = self.names;
        sorted.blocks = vec![Vec::new(); self.blocks.len()];
        sorted.last = vec![None; self.blocks.len()];
        for (chrom, blocks) in self.blocks.iter().enumerate() {
            let (mut records, mut buffer) = (Vec::new(), Vec::new());
            for block in blocks {
                read_block(&mut file, block, &mut buffer).map_err(io)?;
                records.extend(records_of(&buffer));
            }
            records.sort_by_key(|&(start, end, _)| (start, end));
            let mut reached = 0;
            for (start, end, value) in records {
                if start < reached {
                    *overlapping += 1;
                    continue;
                }
                sorted.append(chrom, start, end, value)?;
                reached = end;
            }
        }
        Ok(sorted)
    }
}

fn read_block(file: &mut SpooledTempFile, block: &Block, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(block.n as usize * RECORD as usize, 0);
    file.seek(SeekFrom::Start(block.first * RECORD))?;
    file.read_exact(buffer)
}

fn records_of(buffer: &[u8]) -> impl Iterator<Item = (u32, u32, f32)> {
    let word = |r: &[u8], at: usize| [r[at], r[at + 1], r[at + 2], r[at + 3]];
    buffer
        .chunks_exact(RECORD as usize)
        .map(move |r| (u32::from_le_bytes(word(r, 0)), u32::from_le_bytes(word(r, 4)), f32::from_le_bytes(word(r, 8))))
}

/// A text signal, ready to be asked. Memory is bounded by [`IN_MEMORY`] and 48 bytes for every 1,024 intervals.
pub struct IntervalSignal {
    path: PathBuf,
    file: SpooledTempFile,
    chroms: ChromSizes,
    /// Of each chromosome, in order of position.
    blocks: Vec<Vec<Block>>,
    buffer: Vec<u8>,
}

impl IntervalSignal {
    /// Gives each block of the region to `whole`, and where it declines the records of it to `give`, clipped to the region.
    fn each(
        &mut self,
        region: &Region,
        mut whole: impl FnMut(&Block) -> bool,
        mut give: impl FnMut(u64, u64, f32),
    ) -> Result<(), TrackError> {
        let Some(name) = self.chroms.resolve(&region.chrom) else {
            return Err(TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms));
        };
        let blocks = self.chroms.rank(name).map_or(&[][..], |chrom| &self.blocks[chrom]);
        let from = blocks.partition_point(|b| u64::from(b.end) <= region.start);
        for block in blocks[from..].iter().take_while(|b| u64::from(b.start) < region.end) {
            if whole(block) {
                continue;
            }
            let read = read_block(&mut self.file, block, &mut self.buffer);
            read.map_err(|e| TrackError::malformed(&self.path, region.to_string(), format!("its temporary file: {e}")))?;
            for (start, end, value) in records_of(&self.buffer) {
                let (start, end) = (u64::from(start).max(region.start), u64::from(end).min(region.end));
                if start < end {
                    give(start, end, value);
                }
            }
        }
        Ok(())
    }
}

impl SignalReader for IntervalSignal {
    fn chroms(&self) -> &ChromSizes {
        &self.chroms
    }

    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
        TrackError::refuse_longer(&self.path, region, MOST_VALUES)?;
        let mut values = vec![f32::NAN; region.len() as usize];
        self.each(
            region,
            |_| false,
            |start, end, value| {
                values[(start - region.start) as usize..(end - region.start) as usize].fill(value);
            },
        )?;
        Ok(values)
    }

    fn columns(&mut self, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        if n == 0 || n as u64 > region.len() {
            return Ok(columns_of_values(&self.values(region)?, n));
        }
        let sums = std::cell::RefCell::new(Sums::new(region, n));
        let whole = |block: &Block| {
            let (start, end) = (u64::from(block.start), u64::from(block.end));
            let mut sums = sums.borrow_mut();
            let is_whole = sums.is_in_one_column(start, end);
            if is_whole {
                let share = block.covered as f64 / (end - start) as f64;
                sums.add(start, end, share, block.sum / block.covered as f64, f64::from(block.min), f64::from(block.max));
            }
            is_whole
        };
        self.each(region, whole, |start, end, value| {
            sums.borrow_mut().add(start, end, 1.0, f64::from(value), f64::from(value), f64::from(value));
        })?;
        Ok(sums.into_inner().finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruled(n: u64) -> Vec<(u64, u64, f32)> {
        (0..n).map(|i| (i * 10 + i % 3, i * 10 + 8, ((i * 37) % 101) as f32 - 20.0)).collect()
    }

    fn written(intervals: &[(u64, u64, f32)]) -> Loaded<IntervalSignal> {
        let mut writer = IntervalWriter::new();
        for (i, &(start, end, value)) in intervals.iter().enumerate() {
            writer.push(if i % 7 == 6 { b"chr2" } else { b"chr1" }, start, end, value).unwrap();
        }
        writer.finish(Path::new("x.bedgraph"), &ChromSizes::parse("1 200000").unwrap(), Vec::new()).unwrap()
    }

    #[test]
    fn columns_are_those_of_the_bases_at_every_zoom() {
        let mut signal = written(&ruled(9_000)).value;
        assert_eq!(signal.chroms().len_of("chr1"), Some(200_000));
        for (start, end) in [(0, 90_000), (17, 89_321), (40_000, 41_000), (89_000, 95_000)] {
            let region = Region::new("1", start, end);
            let values = signal.values(&region).unwrap();
            for n in [1, 3, 90, 700] {
                for (a, b) in signal.columns(&region, n).unwrap().iter().zip(columns_of_values(&values, n)) {
                    assert!(a.is_missing() == b.is_missing() && (a.covered - b.covered).abs() < 1e-5, "{a:?} {b:?}");
                    assert!(a.is_missing() || (a.mean - b.mean).abs() < 1e-3 && a.min == b.min && a.max == b.max, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_out_of_order_gives_the_same_signal() {
        let intervals = ruled(5_000);
        let mut mixed: Vec<_> = intervals.clone();
        mixed.reverse();
        let in_one = |intervals: &[(u64, u64, f32)]| {
            let mut writer = IntervalWriter::new();
            intervals.iter().for_each(|&(start, end, value)| writer.push(b"chr1", start, end, value).unwrap());
            writer.finish(Path::new("x"), &ChromSizes::default(), Vec::new()).unwrap()
        };
        let region = Region::new("chr1", 0, 50_000);
        let bits = |signal: &mut IntervalSignal| signal.values(&region).unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let mut loaded = in_one(&mixed);
        assert!(loaded.warnings.is_empty());
        assert_eq!(bits(&mut loaded.value), bits(&mut in_one(&intervals).value));
    }

    #[test]
    fn more_than_memory_takes_goes_to_a_file() {
        let mut writer = IntervalWriter::new();
        let n = IN_MEMORY as u64 / RECORD + 5_000;
        (0..n).for_each(|i| writer.push(b"c", i * 2, i * 2 + 1, i as f32).unwrap());
        let mut signal = writer.finish(Path::new("x"), &ChromSizes::default(), Vec::new()).unwrap().value;
        assert!(signal.file.is_rolled());
        let values = signal.values(&Region::new("c", n * 2 - 4, n * 2)).unwrap();
        assert_eq!((values[0], values[2]), ((n - 2) as f32, (n - 1) as f32));
        let column = signal.columns(&Region::new("c", 0, n * 2), 1).unwrap()[0];
        assert_eq!((column.min, column.max, column.covered), (0.0, (n - 1) as f32, 0.5));
    }
}
