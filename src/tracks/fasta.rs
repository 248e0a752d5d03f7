//! Indexed FASTA, plain or bgzip. Indexes that are missing are made in memory.
//!
//! Bases are found by the index's arithmetic and then looked at: `noodles_fasta`'s own query gives the next chromosome's bases
//! for a place past a chromosome's end, and fewer bases than asked where the index is stale.

use super::lines::{clean, explain_io, quote};
use super::source::Source as Bytes;
use super::{Loaded, SequenceReader, TrackError, is_url};
use crate::genome::{ChromSizes, Region};
use noodles::bgzf::{self, gzi};
use noodles::fasta::{fai, io::Indexer};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Most bases read at once: the longest human chromosome fits.
const MOST_BASES: u64 = 1 << 28;
/// Longest index that is read, bytes: of a million sequences.
const LONGEST_INDEX: u64 = 256 << 20;
/// Headers compared with the index when a file is opened.
const HEADERS_CHECKED: usize = 200;

/// An open indexed FASTA.
pub struct Fasta {
    path: PathBuf,
    source: Source,
    records: Vec<Record>,
    chroms: ChromSizes,
}

enum Source {
    Plain(Bytes),
    Bgzip(Box<bgzf::io::IndexedReader<Bytes>>),
}

impl Source {
    /// Fills `buffer` from a position of the uncompressed text.
    fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.read_at(at, buffer),
            Self::Bgzip(reader) => reader.seek(SeekFrom::Start(at)).and_then(|_| reader.read_exact(buffer)),
        }
    }
}

/// A line of the `.fai`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    len: u64,
    position: u64,
    line_bases: u64,
    line_width: u64,
}

impl Record {
    /// Where the base at `index` stands in the text.
    fn position_of(&self, index: u64) -> u64 {
        self.position + index / self.line_bases * self.line_width + index % self.line_bases
    }
}

/// Opens a FASTA with its `.fai` (and `.gzi` where it is bgzip), or makes them in memory and says so.
pub fn open(path: &Path) -> Result<Loaded<Fasta>, TrackError> {
    let (mut file, len) = Bytes::open(path)?;
    let io_error = |e| TrackError::io(path, e);
    let mut head = [0; 18];
    let read = read_up_to(&mut file, &mut head).map_err(io_error)?;
    let is_gzip = head.starts_with(&[0x1f, 0x8b]);
    if read == 0 {
        return Err(TrackError::malformed(path, "line 1", "the file is empty"));
    }
    if is_gzip && !is_bgzip(&head) {
        let reason = "gzip, which cannot be read from the middle: unzip it, or pack it with `bgzip`".to_owned();
        return Err(TrackError::Unsupported { path: path.to_owned(), reason });
    }
    if !is_gzip && head[0] != b'>' {
        let reason = format!("FASTA begins with \">\", not {}", quote(&head[..read]));
        return Err(TrackError::malformed(path, "line 1", reason));
    }
    let mut warnings = Vec::new();
    let source = match is_gzip {
        false => Source::Plain(file),
        true => Source::Bgzip(Box::new(bgzf::io::IndexedReader::new(file, block_index(path, len, &mut warnings)?))),
    };
    let (index, index_path) = sequence_index(path, is_gzip, &mut warnings)?;
    let (records, chroms) = check_index(&index_path, index)?;
    let mut fasta = Fasta { path: path.to_owned(), source, records, chroms };
    fasta.compare_with_index((!is_gzip).then_some(len))?;
    Ok(Loaded { value: fasta, warnings })
}

fn read_up_to(file: &mut Bytes, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            n => read += n,
        }
    }
    file.rewind()?;
    Ok(read)
}

/// A gzip member with the `BC` field that holds a block's size.
fn is_bgzip(head: &[u8; 18]) -> bool {
    head[..4] == [0x1f, 0x8b, 8, 4] && head[10..16] == [6, 0, b'B', b'C', 2, 0]
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The `.gzi`, or the same made from the blocks' headers.
fn block_index(path: &Path, len: u64, warnings: &mut Vec<String>) -> Result<gzi::Index, TrackError> {
    let index_path = beside(path, ".gzi");
    let Some(mut file) = open_index(path, &index_path)? else {
        warnings.push(format!("{}: made an index in memory, as {} is missing", path.display(), index_path.display()));
        return index_blocks(path, len);
    };
    let index = read_block_index(&mut file).map_err(|e| TrackError::malformed(&index_path, "index", explain_io(&e)))?;
    let pairs = index.as_ref();
    let is_ascending = pairs.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
    if !is_ascending || pairs.last().is_some_and(|last| last.0 >= len) {
        return Err(TrackError::malformed(&index_path, "index", "it does not belong to the sequence (stale?)"));
    }
    Ok(index)
}

/// Opens an index, if there is one. On a server there has to be: making one would fetch the whole file.
fn open_index(path: &Path, index_path: &Path) -> Result<Option<Bytes>, TrackError> {
    if !is_url(path) {
        return if index_path.exists() { Ok(Some(Bytes::open(index_path)?.0)) } else { Ok(None) };
    }
    let refused = |e: TrackError| {
        let reason = format!("a sequence on a server needs its index beside it: {e}");
        TrackError::Unsupported { path: path.to_owned(), reason }
    };
    Bytes::open(index_path).map(|(file, _)| Some(file)).map_err(refused)
}

/// The `.gzi`: a count, then pairs of positions, of 8 bytes each.
fn read_block_index(file: &mut Bytes) -> io::Result<gzi::Index> {
    let mut bytes = Vec::new();
    file.take(LONGEST_INDEX).read_to_end(&mut bytes)?;
    let number = |b: &[u8]| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
    let (count, pairs) = bytes.split_at_checked(8).ok_or(io::ErrorKind::UnexpectedEof)?;
    if number(count).checked_mul(16) != Some(pairs.len() as u64) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} blocks in {} bytes", number(count), bytes.len())));
    }
    Ok(pairs.chunks_exact(16).map(|pair| (number(&pair[..8]), number(&pair[8..]))).collect::<Vec<_>>().into())
}

fn index_blocks(path: &Path, len: u64) -> Result<gzi::Index, TrackError> {
    let mut file = Bytes::open(path)?.0;
    let (mut at, mut text_at, mut pairs) = (0, 0_u64, Vec::new());
    while at < len {
        let mut read = || -> io::Result<(u64, u64)> {
            let (mut head, mut text_len) = ([0; 18], [0; 4]);
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut head)?;
            if !is_bgzip(&head) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no bgzip block"));
            }
            let block_len = u64::from(u16::from_le_bytes([head[16], head[17]])) + 1;
            file.seek(SeekFrom::Start((at + block_len).saturating_sub(4)))?;
            file.read_exact(&mut text_len)?;
            Ok((block_len.max(26), u64::from(u32::from_le_bytes(text_len))))
        };
        let (block_len, text_len) = read().map_err(|e| TrackError::malformed(path, format!("byte {at}"), explain_io(&e)))?;
        at += block_len;
        text_at += text_len;
        if at < len {
            pairs.push((at, text_at));
        }
    }
    Ok(pairs.into())
}

/// The `.fai`, or the same made by reading the sequence through. Also the file that errors about it should name.
fn sequence_index(path: &Path, is_bgzip: bool, warnings: &mut Vec<String>) -> Result<(fai::Index, PathBuf), TrackError> {
    let index_path = beside(path, ".fai");
    if let Some(file) = open_index(path, &index_path)? {
        let index = fai::io::Reader::new(BufReader::new(file.take(LONGEST_INDEX))).read_index();
        let index = index.map_err(|e| TrackError::malformed(&index_path, "index", explain_io(&e)))?;
        return Ok((index, index_path));
    }
    warnings.push(format!("{}: made an index in memory, as {} is missing", path.display(), index_path.display()));
    let file = Bytes::open(path)?.0;
    let records = match is_bgzip {
        false => index_sequence(path, BufReader::with_capacity(1 << 16, file))?,
        true => index_sequence(path, bgzf::io::Reader::new(file))?,
    };
    Ok((records.into(), path.to_owned()))
}

fn index_sequence(path: &Path, reader: impl BufRead) -> Result<Vec<fai::Record>, TrackError> {
    let mut indexer = Indexer::new(reader);
    let mut records: Vec<fai::Record> = Vec::new();
    loop {
        match indexer.index_record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => return Ok(records),
            Err(e) => {
                let place = records.last().map_or("first record".to_owned(), |r| format!("record after {}", quote(r.name())));
                return Err(TrackError::malformed(path, place, e.to_string()));
            }
        }
    }
}

fn check_index(path: &Path, index: fai::Index) -> Result<(Vec<Record>, ChromSizes), TrackError> {
    let (mut records, mut chroms) = (Vec::new(), ChromSizes::default());
    for (i, entry) in Vec::from(index).into_iter().enumerate() {
        let bad = |reason: String| TrackError::malformed(path, format!("line {}", i + 1), reason);
        let (line_bases, line_width) = (entry.line_base_count().get(), entry.line_width().get());
        let record = Record { len: entry.length(), position: entry.position(), line_bases, line_width };
        // A line ends with nothing (the only one), LF or CR LF.
        if !(line_bases..=line_bases.saturating_add(2)).contains(&line_width) {
            return Err(bad(format!("lines of {line_bases} bases in {line_width} bytes")));
        }
        if record.len >= 1 << 40 || record.position >= 1 << 60 {
            return Err(bad(format!("{} bases at byte {}", record.len, record.position)));
        }
        let name = clean(entry.name());
        if name.is_empty() || name.as_bytes() != entry.name() {
            return Err(bad(format!("{} is no name", quote(entry.name()))));
        }
        if !chroms.push(&name, record.len) {
            return Err(bad(format!("the sequence {name} stands twice")));
        }
        records.push(record);
    }
    if records.is_empty() {
        return Err(TrackError::malformed(path, "line 1", "no sequence in it"));
    }
    Ok((records, chroms))
}

impl Fasta {
    /// Whether each record stands where the index says: a file that was changed after it was indexed gives other bases.
    fn compare_with_index(&mut self, text_len: Option<u64>) -> Result<(), TrackError> {
        let names: Vec<String> = self.chroms.iter().map(|(name, _)| name.to_string()).collect();
        for (i, name) in names.iter().enumerate() {
            let record = self.records[i];
            let end = record.position_of(record.len);
            if text_len.is_some_and(|len| end > len.saturating_add(record.line_width - record.line_bases)) {
                return Err(self.stale(name, "the index says more bases than the file has"));
            }
            if i >= HEADERS_CHECKED {
                continue;
            }
            let mut header = vec![0; (record.position as usize).min(name.len() + 1026)];
            let read = self.source.read_at(record.position - header.len() as u64, &mut header);
            if let Err(e) = read {
                return Err(self.stale(name, &explain_io(&e)));
            }
            let is_line_end = header.pop() == Some(b'\n');
            let line = header.rsplit(|&b| b == b'\n').next().unwrap_or(&[]);
            // A description longer than what was read hides the name.
            let is_header = match line.len() == header.len() && record.position > header.len() as u64 + 1 {
                true => !header.is_empty(),
                false => {
                    let rest = line.strip_prefix(b">").and_then(|line| line.strip_prefix(name.as_bytes()));
                    rest.is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
                }
            };
            if !is_line_end || !is_header {
                return Err(self.stale(name, "the index points elsewhere"));
            }
        }
        Ok(())
    }

    fn stale(&self, place: &str, reason: &str) -> TrackError {
        let index = beside(&self.path, ".fai");
        let index = index.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reason = format!("{reason}: the file is damaged or {index} is stale (delete it, or run `samtools faidx`)");
        TrackError::malformed(&self.path, place, reason)
    }
}

impl SequenceReader for Fasta {
    fn chroms(&self) -> &ChromSizes {
        &self.chroms
    }

    fn bases(&mut self, region: &Region) -> Result<Vec<u8>, TrackError> {
        let Some(name) = self.chroms.resolve(&region.chrom) else {
            return Err(TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms));
        };
        TrackError::refuse_longer(&self.path, region, MOST_BASES)?;
        let record = self.records[self.chroms.rank(name).unwrap_or(0)];
        let (start, end) = (region.start.min(record.len), region.end.min(record.len));
        let mut bases = Vec::with_capacity(region.len() as usize + 2);
        if start < end {
            let from = record.position_of(start);
            bases.resize((record.position_of(end - 1) + 1 - from) as usize, 0);
            if let Err(e) = self.source.read_at(from, &mut bases) {
                return Err(self.stale(&region.to_string(), &explain_io(&e)));
            }
            bases.retain(|&b| b != b'\n' && b != b'\r');
            if bases.len() as u64 != end - start || !bases.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'*' | b'-')) {
                return Err(self.stale(&region.to_string(), "no bases there"));
            }
            bases.make_ascii_uppercase();
        }
        bases.resize(region.len() as usize, b'N');
        Ok(bases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tempfile::TempDir;

    /// Three sequences with lines of 7, 5 and 60 bases; lower case and `N` in them.
    fn sequences() -> Vec<(&'static str, Vec<u8>, usize)> {
        let make = |n: usize, step: usize| (0..n).map(|i| b"ACGTacgtNT"[i * step % 10]).collect::<Vec<u8>>();
        vec![("chr1", make(40, 3), 7), ("chr2", make(25, 7), 5), ("chrM", make(130_000, 1), 60)]
    }

    fn text(line_end: &str) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, bases, width) in sequences() {
            text.extend(format!(">{name} some description{line_end}").bytes());
            for line in bases.chunks(width) {
                text.extend_from_slice(line);
                text.extend(line_end.bytes());
            }
        }
        text
    }

    fn bgzip(text: &[u8]) -> Vec<u8> {
        let mut writer = bgzf::io::Writer::new(Vec::new());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// As asked, by slicing the sequence in memory.
    fn expected(name: &str, start: usize, end: usize) -> Vec<u8> {
        let (_, bases, _) = sequences().into_iter().find(|s| s.0 == name).unwrap();
        (start..end).map(|i| bases.get(i).map_or(b'N', u8::to_ascii_uppercase)).collect()
    }

    #[test]
    fn bases_are_those_of_the_file_whatever_its_form() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.fa", text("\n")), ("b.fa", text("\r\n")), ("c.fa.gz", bgzip(&text("\n")))] {
            let path = write(&folder, name, &bytes);
            let loaded = open(&path).unwrap();
            assert_eq!(loaded.warnings.len(), if name == "c.fa.gz" { 2 } else { 1 });
            let mut fasta = loaded.value;
            assert_eq!(fasta.chroms().len_of("chr2"), Some(25));
            for (chrom, start, end) in [
                ("chr1", 0, 40),
                ("chr1", 6, 8),
                ("chr1", 7, 7),
                ("chr2", 24, 25),
                ("chr2", 4, 21),
                ("chrM", 0, 130_000),
                ("chrM", 60_000, 70_000), // across a bgzip block
                ("chrM", 129_990, 130_010),
            ] {
                let bases = fasta.bases(&Region::new(chrom, start, end)).unwrap();
                assert_eq!(bases, expected(chrom, start as usize, end as usize), "{name} {chrom}:{start}-{end}");
            }
        }
    }

    #[test]
    fn past_the_end_is_n_and_not_the_next_chromosome() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.fa", text("\n")), ("c.fa.bgz", bgzip(&text("\n")))] {
            let path = write(&folder, name, &bytes);
            let mut fasta = open(&path).unwrap().value;
            assert_eq!(fasta.bases(&Region::new("chr1", 38, 50)).unwrap(), expected("chr1", 38, 50));
            assert_eq!(fasta.bases(&Region::new("1", 40, 50)).unwrap(), b"NNNNNNNNNN");
            assert_eq!(fasta.bases(&Region::new("chr1", 1 << 50, (1 << 50) + 3)).unwrap(), b"NNN");
            let error = fasta.bases(&Region::new("chr9", 0, 5)).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("it has chr1, chr2, chrM"), "{error}");
            assert!(fasta.bases(&Region::new("chr1", 0, u64::MAX)).unwrap_err().to_string().contains("too many"));
        }
    }

    #[test]
    fn an_index_of_another_file_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&folder, "a.fa", &text("\n"));
        let index = index_sequence(&path, &text("\n")[..]).unwrap();
        let line = |r: &fai::Record, by: u64| {
            let (name, bases) = (String::from_utf8_lossy(r.name()).into_owned(), r.line_base_count());
            format!("{name}\t{}\t{}\t{bases}\t{}\n", r.length(), r.position() + by, r.line_width())
        };
        let fai: String = index.iter().map(|r| line(r, 0)).collect();
        write(&folder, "a.fa.fai", fai.as_bytes());
        let loaded = open(&path).unwrap();
        assert!(loaded.warnings.is_empty());
        assert_eq!({ loaded.value }.bases(&Region::new("chr2", 3, 9)).unwrap(), expected("chr2", 3, 9));

        for (fai, part) in [
            (fai.replace("\t40\t", "\t41\t"), ""),
            (index.iter().map(|r| line(r, 3)).collect(), "chr1: the index points elsewhere"),
            (fai.replace("chr1", "chr7"), "chr7: the index points elsewhere"),
            (fai.replace("130000", "130061"), "more bases than the file has"),
            (fai.replace("\t7\t8", "\t7\t80"), "lines of 7 bases in 80 bytes"),
            (fai.replace("\t7\t8", "\t0\t1"), "a.fa.fai: index: "),
            (fai.replace("chr1", "chr2"), "the sequence chr2 stands twice"),
            (String::new(), "no sequence in it"),
            ("\u{fffd}\0\0".to_owned(), "a.fa.fai: index: "),
        ] {
            write(&folder, "a.fa.fai", fai.as_bytes());
            let error = match open(&path) {
                Ok(loaded) => { loaded.value }.bases(&Region::new("chr1", 30, 41)).unwrap_err(),
                Err(error) => error,
            };
            let error = error.to_string();
            assert!(error.contains("a.fa") && error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_block_index_is_the_one_that_bgzip_writes() {
        let folder = tempfile::tempdir().unwrap();
        let packed = bgzip(&text("\n"));
        let path = write(&folder, "a.fa.gz", &packed);
        let index = index_blocks(&path, packed.len() as u64).unwrap();
        // The same by reading the text through and noting where blocks change.
        let mut reader = bgzf::io::Reader::new(&packed[..]);
        let (mut pairs, mut at, mut byte) = (Vec::new(), 0, [0]);
        while reader.read(&mut byte).unwrap() == 1 {
            at += 1;
            let position = reader.virtual_position();
            if position.uncompressed() == 0 {
                pairs.push((position.compressed(), at));
            }
        }
        let index: Vec<(u64, u64)> = index.as_ref().to_vec();
        assert_eq!((index.len(), &index), (3, &pairs));
        gzi::fs::write(folder.path().join("a.fa.gz.gzi"), &index.clone().into()).unwrap();
        let loaded = open(&path).unwrap();
        assert_eq!(loaded.warnings.len(), 1, "only the .fai is missing");
        assert_eq!({ loaded.value }.bases(&Region::new("chrM", 70_000, 70_100)).unwrap(), expected("chrM", 70_000, 70_100));

        gzi::fs::write(folder.path().join("a.fa.gz.gzi"), &vec![(1 << 40, 5)].into()).unwrap();
        assert!(open(&path).err().unwrap().to_string().contains("a.fa.gz.gzi: index: it does not belong"));
    }

    #[test]
    fn what_is_no_fasta_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text("\n")).unwrap();
        for (name, bytes, part) in [
            ("gzip.fa.gz", gzip.finish().unwrap(), "pack it with `bgzip`"),
            ("empty.fa", Vec::new(), "the file is empty"),
            ("text.fa", b"ACGT\n".to_vec(), "FASTA begins with \">\", not \"ACGT"),
            ("ragged.fa", b">a\nACGT\nAC\nACGT\n".to_vec(), "first record: invalid line bases"),
            ("cut.fa.gz", bgzip(&text("\n"))[..700].to_vec(), "truncated?"),
        ] {
            let error = open(&write(&folder, name, &bytes)).err().unwrap().to_string();
            assert!(error.contains(name) && error.contains(part), "{error}");
        }
        let mut bytes = text("\n");
        let at = bytes.len() - 70;
        bytes[at] = b'7';
        let mut fasta = open(&write(&folder, "digit.fa", &bytes)).unwrap().value;
        assert!(fasta.bases(&Region::new("chrM", 129_900, 130_000)).unwrap_err().to_string().contains("no bases there"));
    }

    #[test]
    fn a_measured_slice_reads_as_its_text() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/formats/hg38_test.fasta");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: the measured sequence is not here");
            return;
        };
        let bases: String = text.lines().skip(1).collect();
        let mut fasta = open(&path).unwrap().value;
        let (name, len) = fasta.chroms().iter().next().map(|(name, len)| (name.clone(), len)).unwrap();
        assert_eq!(len, bases.len() as u64);
        let read = fasta.bases(&Region::new(name, 1_234, 4_567)).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), bases[1_234..4_567].to_uppercase());
    }
}
