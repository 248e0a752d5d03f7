//! Sequencing reads counted in windows, as `bedtools multicov -bams X.bam -bed windows.bed` counts them: every alignment whose span
//! shares a base with the window, duplicates and reads that failed quality control left out. What AttentiveChrome's family was
//! trained on; bigWigs cannot give it.
//!
//! BAM is read record by record with bounded memory: no more of a record is decoded than its place and flags (SAM specification,
//! section 4.2). tagAlign is BED with one read a line.

use super::TrackError;
use super::lines::{open_unzipped, open_whole};
use super::text::{TextLines, shorten};
use crate::genome::Region;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Longest record, header text or name that is read; an alignment of a megabase has some three.
const MAX_RECORD: u32 = 64 << 20;
const MAX_CHROMS: u32 = 10_000_000;
/// A BAM that was written to its end ends with this empty block.
const BAM_END: [u8; 28] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 0x42, 0x43, 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Flags of a read that is not counted: unmapped, failed quality control, duplicate.
const NOT_COUNTED: u16 = 0x4 | 0x200 | 0x400;
/// Reads between two calls of `step`.
const CHUNK: u64 = 1 << 16;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadTally {
    /// Alignments in the file.
    pub reads: u64,
    /// Unmapped, duplicate, or failed quality control.
    pub left_out: u64,
    /// On chromosomes that no window is on.
    pub elsewhere: u64,
}

/// Counts the alignments of a BAM, or of a tagAlign (BED) file, plain or gzipped, in each of `windows`, which may overlap. `step` gets
/// the number of reads so far and may stop it, which gives `None`.
///
/// # Errors
/// Where the file cannot be read to its end, or a record is none.
pub fn count_reads(
    path: &Path,
    windows: &[Region],
    step: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<(Vec<u32>, ReadTally)>, TrackError> {
    let mut counter = Counter::new(windows);
    let is_done = match is_bam(path)? {
        true => count_bam(path, &mut counter, step)?,
        false => count_lines(path, &mut counter, step)?,
    };
    Ok(is_done.then_some((counter.counts, counter.tally)))
}

fn is_bam(path: &Path) -> Result<bool, TrackError> {
    let mut reader = open_unzipped(path)?;
    let mut magic = [0; 4];
    Ok(reader.read_exact(&mut magic).is_ok() && magic == *b"BAM\x01")
}

/// Windows by chromosome, by start.
struct Counter {
    by_chrom: HashMap<Arc<str>, ChromWindows>,
    counts: Vec<u32>,
    tally: ReadTally,
}

#[derive(Default)]
struct ChromWindows {
    /// Start, end and place in the caller's list.
    windows: Vec<(u64, u64, usize)>,
    longest: u64,
}

impl Counter {
    fn new(windows: &[Region]) -> Self {
        let mut by_chrom: HashMap<Arc<str>, ChromWindows> = HashMap::new();
        for (i, window) in windows.iter().enumerate() {
            let here = by_chrom.entry(window.chrom.clone()).or_default();
            here.windows.push((window.start, window.end, i));
            here.longest = here.longest.max(window.len());
        }
        by_chrom.values_mut().for_each(|here| here.windows.sort_unstable());
        Self { by_chrom, counts: vec![0; windows.len()], tally: ReadTally::default() }
    }

    /// The windows of a chromosome, however the file writes its name: `chr1` is `1`.
    fn find(&self, chrom: &str) -> Option<Arc<str>> {
        let bare = chrom.strip_prefix("chr").unwrap_or(chrom);
        let names = [chrom.to_owned(), bare.to_owned(), format!("chr{bare}")];
        names.iter().find_map(|name| self.by_chrom.get_key_value(name.as_str()).map(|(key, _)| key.clone()))
    }

    fn add(&mut self, chrom: Option<&Arc<str>>, start: u64, end: u64) {
        let Some(here) = chrom.and_then(|chrom| self.by_chrom.get(chrom)) else {
            self.tally.elsewhere += 1;
            return;
        };
        let after = here.windows.partition_point(|w| w.0 < end);
        // No window that starts before this reaches the read.
        let earliest = (start + 1).saturating_sub(here.longest);
        for (_, window_end, i) in here.windows[..after].iter().rev().take_while(|w| w.0 >= earliest) {
            if *window_end > start {
                self.counts[*i] += 1;
            }
        }
    }
}

fn count_bam(path: &Path, counter: &mut Counter, step: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<bool, TrackError> {
    check_end(path)?;
    let mut reader = open_whole(path)?;
    let chroms = read_header(&mut reader).map_err(|e| TrackError::malformed(path, "header", explain(&e)))?;
    let chroms: Vec<Option<Arc<str>>> = chroms.iter().map(|name| counter.find(name)).collect();
    let mut body = Vec::new();
    loop {
        if counter.tally.reads.is_multiple_of(CHUNK) && step(counter.tally.reads).is_break() {
            return Ok(false);
        }
        let number = counter.tally.reads + 1;
        let malformed = |reason: &str| TrackError::malformed(path, format!("read {number}"), reason);
        let at_end = reader.fill_buf().map_err(|e| malformed(&explain(&e)))?.is_empty();
        if at_end {
            return Ok(true);
        }
        let size = read_u32(&mut reader).map_err(|e| malformed(&explain(&e)))?;
        if !(32..=MAX_RECORD).contains(&size) {
            return Err(malformed(&format!("a record of {size} bytes")));
        }
        body.clear();
        let read = reader.by_ref().take(u64::from(size)).read_to_end(&mut body).map_err(|e| malformed(&explain(&e)))?;
        if read != size as usize {
            return Err(malformed("the file ends within it"));
        }
        counter.tally.reads = number;
        let Some(place) = place_of(&body) else { return Err(malformed("its parts are longer than it")) };
        if place.flags & NOT_COUNTED != 0 || place.chrom < 0 || place.start < 0 {
            counter.tally.left_out += 1;
            continue;
        }
        let chrom = chroms.get(place.chrom as usize).ok_or_else(|| malformed("on a chromosome that the header lacks"))?;
        counter.add(chrom.as_ref(), place.start as u64, place.start as u64 + place.span);
    }
}

struct Place {
    chrom: i32,
    start: i32,
    flags: u16,
    /// Bases of the reference from the first to the last aligned, skipped ones among them.
    span: u64,
}

/// From a record without its length: reference, position, name length, number of CIGAR operations, flags; then name and CIGAR.
fn place_of(body: &[u8]) -> Option<Place> {
    let four = |at: usize| body.get(at..at + 4)?.first_chunk::<4>().copied();
    let two = |at: usize| body.get(at..at + 2)?.first_chunk::<2>().copied();
    let (n_operations, flags) = (u16::from_le_bytes(two(12)?), u16::from_le_bytes(two(14)?));
    let cigar = 32 + usize::from(*body.get(8)?);
    let mut span = 0;
    for i in 0..usize::from(n_operations) {
        let operation = u32::from_le_bytes(four(cigar + 4 * i)?);
        // M, D, N, = and X take bases of the reference.
        if matches!(operation & 0xf, 0 | 2 | 3 | 7 | 8) {
            span += u64::from(operation >> 4);
        }
    }
    // An alignment without a CIGAR is one base, as the specification has it.
    Some(Place { chrom: i32::from_le_bytes(four(0)?), start: i32::from_le_bytes(four(4)?), flags, span: span.max(1) })
}

/// Names of the chromosomes.
fn read_header(reader: &mut impl Read) -> io::Result<Vec<String>> {
    read_u32(reader)?; // the magic, already looked at
    let text = bounded(read_u32(reader)?, MAX_RECORD)?;
    io::copy(&mut reader.by_ref().take(text), &mut io::sink())?;
    let n = bounded(read_u32(reader)?, MAX_CHROMS)?;
    let mut names = Vec::new();
    for _ in 0..n {
        let length = bounded(read_u32(reader)?, 1 << 16)?;
        let mut name = vec![0; length as usize];
        reader.read_exact(&mut name)?;
        read_u32(reader)?; // the chromosome's length
        name.pop(); // it ends with a 0
        names.push(String::from_utf8_lossy(&name).into_owned());
    }
    Ok(names)
}

fn bounded(value: u32, most: u32) -> io::Result<u64> {
    match value <= most {
        true => Ok(u64::from(value)),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{value} where at most {most} are read"))),
    }
}

fn read_u32(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends within it".to_owned(),
        _ => error.to_string(),
    }
}

/// A BAM that was cut between two blocks reads like a whole one.
fn check_end(path: &Path) -> Result<(), TrackError> {
    let io = |e| TrackError::io(path, e);
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut end = [0; BAM_END.len()];
    let is_whole = length >= end.len() as u64 && {
        file.seek(SeekFrom::End(-(end.len() as i64))).map_err(io)?;
        file.read_exact(&mut end).map_err(io)?;
        end == BAM_END
    };
    match is_whole {
        true => Ok(()),
        false => Err(TrackError::malformed(path, format!("byte {length}"), "the mark of its end is missing: it was cut off")),
    }
}

fn count_lines(path: &Path, counter: &mut Counter, step: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<bool, TrackError> {
    let mut lines = TextLines::open(path)?;
    let mut last: Option<(String, Option<Arc<str>>)> = None;
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() || line.starts_with(['#', '@']) || line.starts_with("track ") || line.starts_with("browser ") {
            continue;
        }
        let mut fields = line.split_whitespace();
        let (Some(chrom), Some(start), Some(end)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(TrackError::malformed(path, format!("line {number}"), "no chromosome, start and end"));
        };
        let position = |text: &str| {
            text.parse::<u64>().map_err(|_| {
                TrackError::malformed(path, format!("line {number}"), format!("\"{}\" is no position", shorten(text)))
            })
        };
        let (start, end) = (position(start)?, position(end)?);
        if start >= end {
            return Err(TrackError::malformed(path, format!("line {number}"), format!("a read from {start} to {end}")));
        }
        counter.tally.reads += 1;
        if last.as_ref().is_none_or(|(name, _)| name != chrom) {
            last = Some((chrom.to_owned(), counter.find(chrom)));
        }
        counter.add(last.as_ref().and_then(|(_, found)| found.as_ref()), start, end);
        if counter.tally.reads.is_multiple_of(CHUNK) && step(counter.tally.reads).is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use noodles::core::Position;
    use noodles::sam::alignment::RecordBuf;
    use noodles::sam::alignment::io::Write as _;
    use noodles::sam::alignment::record::Flags;
    use noodles::sam::alignment::record::cigar::{Op, op::Kind};
    use noodles::sam::header::record::value::{Map, map::ReferenceSequence};
    use rand::{Rng, SeedableRng};
    use std::num::NonZero;

    fn go(_: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    type Placed = (usize, u64, u64, bool);

    /// A read as noodles writes it, and its place as we know it: chromosome, start, end, whether it counts.
    fn reads(n: usize) -> (Vec<RecordBuf>, Vec<Placed>) {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let mut records = Vec::new();
        let mut places = Vec::new();
        for i in 0..n {
            let (chrom, start) = (random.random_range(0..2), random.random_range(0..5_000_u64));
            let (matched, skipped, clipped) =
                (random.random_range(1..80), random.random_range(0..400), random.random_range(0..20));
            let flags = [Flags::empty(), Flags::REVERSE_COMPLEMENTED, Flags::SECONDARY, Flags::DUPLICATE, Flags::QC_FAIL];
            let flags = flags[random.random_range(0..flags.len())];
            let is_unmapped = i % 17 == 0;
            let mut operations = vec![Op::new(Kind::SoftClip, clipped), Op::new(Kind::Match, matched)];
            if skipped > 300 {
                operations.extend([Op::new(Kind::Skip, skipped), Op::new(Kind::Insertion, 3), Op::new(Kind::Deletion, 2)]);
                operations.push(Op::new(Kind::SequenceMismatch, 5));
            }
            operations.retain(|op| !op.is_empty());
            let span = if skipped > 300 { matched + skipped + 2 + 5 } else { matched } as u64;
            let mut record = RecordBuf::builder().set_name(format!("read{i}")).set_flags(flags);
            record = match is_unmapped {
                true => record.set_flags(Flags::UNMAPPED),
                false => record
                    .set_reference_sequence_id(chrom)
                    .set_alignment_start(Position::try_from(start as usize + 1).unwrap())
                    .set_cigar(operations.into_iter().collect()),
            };
            records.push(record.build());
            let counts = !is_unmapped && !flags.is_duplicate() && !flags.is_qc_fail();
            places.push((chrom, start, start + span, counts));
        }
        (records, places)
    }

    fn write_bam(path: &Path, records: &[RecordBuf]) {
        let length = |n| Map::<ReferenceSequence>::new(NonZero::new(n).unwrap());
        let header = noodles::sam::Header::builder()
            .add_reference_sequence("chr1", length(10_000))
            .add_reference_sequence("chr2", length(10_000))
            .build();
        let mut writer = noodles::bam::io::Writer::new(File::create(path).unwrap());
        writer.write_header(&header).unwrap();
        for record in records {
            writer.write_alignment_record(&header, record).unwrap();
        }
        writer.try_finish().unwrap();
    }

    /// Bins of 100, then windows of any size that overlap them.
    fn windows() -> Vec<Region> {
        let bins = (0..60).map(|i| Region::new("chr1", i * 100, (i + 1) * 100));
        let odd = [(0, 1), (999, 1_000), (50, 4_000), (5_079, 5_080), (9_000, 9_500)];
        // The same chromosome under its other name.
        bins.chain(odd.map(|(a, b)| Region::new("2", a, b))).collect()
    }

    fn brute_force(places: &[(usize, u64, u64, bool)]) -> Vec<u32> {
        let of = |window: &Region| {
            let chrom = if &*window.chrom == "chr1" { 0 } else { 1 };
            let hits = places.iter().filter(|(c, start, end, counts)| {
                *counts && *c == chrom && (*start..*end).any(|base| window.start <= base && base < window.end)
            });
            hits.count() as u32
        };
        windows().iter().map(of).collect()
    }

    #[test]
    fn counts_of_a_bam_are_those_of_every_base_of_every_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reads.bam");
        let (records, places) = reads(2_000);
        write_bam(&path, &records);
        let (counts, tally) = count_reads(&path, &windows(), &mut go).unwrap().unwrap();
        assert_eq!(counts, brute_force(&places));
        assert!(counts.iter().filter(|n| **n > 0).count() > 55);
        let left_out = places.iter().filter(|p| !p.3).count() as u64;
        assert_eq!(tally, ReadTally { reads: 2_000, left_out, elsewhere: 0 });
        assert_eq!(count_reads(&path, &windows(), &mut |_| ControlFlow::Break(())).unwrap(), None);
        let other = [Region::new("chr3", 0, 10_000)];
        assert_eq!(count_reads(&path, &other, &mut go).unwrap().unwrap().1.elsewhere, 2_000 - left_out);
    }

    #[test]
    fn counts_of_a_tag_align_are_the_same_gzipped_or_not() {
        let (_, places) = reads(500);
        let places: Vec<_> = places.into_iter().filter(|p| p.3).collect();
        let text: String =
            places.iter().map(|(c, start, end, _)| format!("chr{}\t{start}\t{end}\tN\t1000\t+\n", c + 1)).collect();
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("a.tagAlign"), folder.path().join("a.tagAlign.gz"));
        std::fs::write(&plain, &text).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        gzip.finish().unwrap();
        for path in [plain, packed] {
            let (counts, tally) = count_reads(&path, &windows(), &mut go).unwrap().unwrap();
            assert_eq!((counts, tally.reads), (brute_force(&places), places.len() as u64));
        }
    }

    #[test]
    fn damaged_files_are_errors_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bam");
        write_bam(&path, &reads(300).0);
        let whole = std::fs::read(&path).unwrap();
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            count_reads(&path, &windows(), &mut go).map(|_| ()).map_err(|e| e.to_string())
        };
        for cut in [29, 100, whole.len() / 2, whole.len() - 28, whole.len() - 1] {
            assert!(error(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(error(&whole[..whole.len() - 28]).unwrap_err().contains("it was cut off"));
        // Whatever is flipped is an error or a count, and never takes memory or a panic.
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        let plain = {
            let mut bytes = Vec::new();
            flate2::read::MultiGzDecoder::new(&whole[..]).read_to_end(&mut bytes).unwrap();
            bytes
        };
        for _ in 0..300 {
            let mut bytes = plain.clone();
            for _ in 0..4 {
                let at = random.random_range(4..bytes.len());
                bytes[at] = random.random();
            }
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            io::Write::write_all(&mut gzip, &bytes).unwrap();
            let _ = error(&[gzip.finish().unwrap(), BAM_END.to_vec()].concat());
        }
        assert!(error(b"").is_ok(), "no read is no error");
        assert!(error(b"chr1\t5\n").unwrap_err().contains("line 1: no chromosome, start and end"));
        assert!(error(b"chr1\t5\tx\n").unwrap_err().contains("line 1: \"x\" is no position"));
        assert!(error(b"chr1\t0\t9\nchr1\t9\t9\n").unwrap_err().contains("line 2: a read from 9 to 9"));
        assert!(count_reads(folder.path(), &windows(), &mut go).is_err());
    }
}
