//! UCSC's 2bit: a reference sequence with four bases a byte.
//!
//! Layout: <https://genome.ucsc.edu/FAQ/FAQformat.html#format7>; version 1 has offsets of 64 bits. Lower case (masking) is not kept.

use super::lines::{clean, explain_io, quote};
use super::source::Source;
use super::{Loaded, SequenceReader, TrackError};
use crate::genome::{ChromSizes, Region};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SIGNATURE: u32 = 0x1A41_2743;
/// The base of each value of two bits.
const BASES: [u8; 4] = *b"TCAG";
/// Most sequences of a file: more are no assembly, and their list would take much memory.
const MOST_SEQUENCES: u64 = 4 << 20;
/// Most bases read at once: the longest human chromosome fits.
const MOST_BASES: u64 = 1 << 28;

/// An open 2bit file.
pub struct TwoBit {
    path: PathBuf,
    file: Source,
    len: u64,
    is_little: bool,
    chroms: ChromSizes,
    /// Where each sequence's record begins.
    offsets: Vec<u64>,
    /// The sequence last read from.
    current: Option<(usize, Record)>,
}

/// What stands before a sequence's bases.
#[derive(Clone)]
struct Record {
    /// Runs of `N`.
    runs: Arc<[(u64, u64)]>,
    /// Where the bases begin.
    bases: u64,
}

/// Opens a 2bit file.
pub fn open(path: &Path) -> Result<Loaded<TwoBit>, TrackError> {
    let (file, len) = Source::open(path)?;
    if len < 16 {
        return Err(TrackError::malformed(path, "header", format!("{len} bytes are too few for a 2bit file")));
    }
    let (chroms, offsets) = (ChromSizes::default(), Vec::new());
    let mut opened = TwoBit { path: path.to_owned(), file, len, is_little: true, chroms, offsets, current: None };
    opened.read_index().map_err(|e| TrackError::malformed(path, "index", explain_io(&e)))?;
    Ok(Loaded::clean(opened))
}

fn damaged(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl TwoBit {
    fn number(&mut self, at: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_at(at, &mut bytes)?;
        Ok(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn read_index(&mut self) -> io::Result<()> {
        let signature = self.number(0)?;
        self.is_little = signature == SIGNATURE;
        if !self.is_little && signature.swap_bytes() != SIGNATURE {
            return Err(damaged("the first four bytes are not the signature of 2bit".to_owned()));
        }
        let (version, count) = (self.number(4)?, u64::from(self.number(8)?));
        if version > 1 {
            return Err(damaged(format!("version {version} is none of 0 and 1")));
        }
        let width = if version == 0 { 4 } else { 8 };
        if count == 0 || count > MOST_SEQUENCES || 16 + count * (1 + width) > self.len {
            return Err(damaged(format!("{count} sequences do not fit in {} bytes", self.len)));
        }
        let mut at = 16;
        for _ in 0..count {
            let mut size = [0];
            self.file.read_at(at, &mut size)?;
            let mut entry = vec![0; usize::from(size[0]) + width as usize];
            self.file.read_at(at + 1, &mut entry)?;
            let (name, offset) = entry.split_at(usize::from(size[0]));
            let fold = |n: u64, &b: &u8| n << 8 | u64::from(b);
            let offset = if self.is_little { offset.iter().rev().fold(0, fold) } else { offset.iter().fold(0, fold) };
            let text = clean(name);
            if text.is_empty() || text.as_bytes() != name {
                return Err(damaged(format!("{} is no name", quote(name))));
            }
            if offset < 16 || offset.checked_add(16).is_none_or(|end| end > self.len) {
                return Err(damaged(format!("{text} at byte {offset} of {}", self.len)));
            }
            let len = u64::from(self.number(offset)?);
            if len.div_ceil(4) > self.len {
                return Err(damaged(format!("{text} of {len} bases in a file of {} bytes", self.len)));
            }
            if !self.chroms.push(&text, len) {
                return Err(damaged(format!("{text} stands twice")));
            }
            self.offsets.push(offset);
            at += 1 + entry.len() as u64;
        }
        Ok(())
    }

    fn record(&mut self, index: usize) -> io::Result<Record> {
        if let Some((_, record)) = self.current.as_ref().filter(|(current, _)| *current == index) {
            return Ok(record.clone());
        }
        let counts = self.offsets[index] + 4;
        let n = u64::from(self.number(counts)?);
        let is_inside = |at: u64| at <= self.len;
        if !is_inside(counts + 4 + n * 8 + 4) {
            return Err(damaged(format!("{n} runs of N do not fit")));
        }
        let mut bytes = vec![0; n as usize * 8];
        self.file.read_at(counts + 4, &mut bytes)?;
        let numbers: Vec<u64> = bytes
            .chunks_exact(4)
            .map(|b| [b[0], b[1], b[2], b[3]])
            .map(|b| u64::from(if self.is_little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) }))
            .collect();
        let (starts, sizes) = numbers.split_at(n as usize);
        let runs: Arc<[(u64, u64)]> = starts.iter().zip(sizes).map(|(&start, &size)| (start, start + size)).collect();
        let masks = counts + 4 + n * 8;
        let bases = masks + 4 + u64::from(self.number(masks)?) * 8 + 4; // and four bytes without a use
        let record = Record { runs, bases };
        self.current = Some((index, record.clone()));
        Ok(record)
    }

    fn read(&mut self, index: usize, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let Record { runs, bases: at } = self.record(index)?;
        let mut packed = vec![0; (end.div_ceil(4) - start / 4) as usize];
        self.file.read_at(at + start / 4, &mut packed)?;
        let base = |i: u64| BASES[usize::from(packed[(i / 4 - start / 4) as usize] >> (6 - 2 * (i % 4)) & 3)];
        let mut bases: Vec<u8> = (start..end).map(base).collect();
        for &(from, to) in runs.iter() {
            let (from, to) = (from.clamp(start, end), to.clamp(start, end));
            if from < to {
                bases[(from - start) as usize..(to - start) as usize].fill(b'N');
            }
        }
        Ok(bases)
    }
}

impl SequenceReader for TwoBit {
    fn chroms(&self) -> &ChromSizes {
        &self.chroms
    }

    fn bases(&mut self, region: &Region) -> Result<Vec<u8>, TrackError> {
        let Some(name) = self.chroms.resolve(&region.chrom) else {
            return Err(TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms));
        };
        TrackError::refuse_longer(&self.path, region, MOST_BASES)?;
        let (index, len) = (self.chroms.rank(name).unwrap_or(0), self.chroms.len_of(name).unwrap_or(0));
        let (start, end) = (region.start.min(len), region.end.min(len));
        let mut bases = match start < end {
            true => {
                self.read(index, start, end).map_err(|e| TrackError::malformed(&self.path, region.to_string(), explain_io(&e)))?
            }
            false => Vec::new(),
        };
        bases.resize(region.len() as usize, b'N');
        Ok(bases)
    }
}

/// A 2bit file of one sequence and a run of `N`, in either byte order.
#[cfg(test)]
pub(super) fn bytes_for_test(name: &str, bases: &[u8], is_little: bool) -> Vec<u8> {
    let number = |n: usize| if is_little { (n as u32).to_le_bytes() } else { (n as u32).to_be_bytes() };
    let start = bases.iter().position(|&b| b == b'N').unwrap_or(0);
    let run = bases[start..].iter().take_while(|&&b| b == b'N').count();
    let mut out: Vec<u8> = [SIGNATURE as usize, 0, 1, 0].into_iter().flat_map(number).collect();
    out.push(name.len() as u8);
    out.extend(name.bytes().chain(number(16 + 1 + name.len() + 4)));
    out.extend([bases.len(), 1, start, run, 0, 0].into_iter().flat_map(number));
    let value = |b: &u8| BASES.iter().position(|x| x == b).unwrap_or(0) as u8;
    out.extend(bases.chunks(4).map(|four| four.iter().enumerate().fold(0, |byte, (i, b)| byte | value(b) << (6 - 2 * i))));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path, chrom: &str, start: u64, end: u64) -> String {
        let mut file = open(path).unwrap().value;
        String::from_utf8(file.bases(&Region::new(chrom, start, end)).unwrap()).unwrap()
    }

    #[test]
    fn every_stretch_of_a_sequence_in_either_byte_order() {
        let folder = tempfile::tempdir().unwrap();
        let bases = b"ACGTTGCANNNNNACGTACGTTTTGGGGCCCCAAAA";
        for is_little in [true, false] {
            let path = folder.path().join("a.2bit");
            std::fs::write(&path, bytes_for_test("chr1", bases, is_little)).unwrap();
            for start in 0..bases.len() {
                for end in start..=bases.len() {
                    assert_eq!(read(&path, "1", start as u64, end as u64).as_bytes(), &bases[start..end]);
                }
            }
            assert_eq!(read(&path, "chr1", bases.len() as u64 - 1, bases.len() as u64 + 3), "ANNN", "past the end");
        }
    }

    /// Compared with py2bit 1.0.1:
    /// `f = py2bit.open("wuhCor1.2bit"); f.chroms(); f.sequence("NC_045512v2", 0, 40); f.sequence("NC_045512v2", 29870, 29903)`
    #[test]
    fn measured_files_read_as_py2bit_reads_them() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/formats");
        if !root.exists() {
            println!("skipped: no measured files here");
            return;
        }
        let path = root.join("wuhCor1.2bit");
        assert_eq!(open(&path).unwrap().value.chroms().len_of("NC_045512v2"), Some(29_903));
        assert_eq!(read(&path, "NC_045512v2", 0, 40), "ATTAAAGGTTTATACCTTCCCAGGTAACAAACCAACCAAC");
        assert_eq!(read(&path, "NC_045512v2", 29_860, 29_903), "GGAGAATGACAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let path = root.join("foo.2bit");
        assert_eq!(read(&path, "chr1", 45, 100), "NNACTCTATCTATCTATCTATCTATCTTTTTCCCCCCGGGGGGAGAGAGAGACTC");
        assert_eq!(read(&path, "chr1", 0, 159).matches('N').count(), 58);
    }
}
