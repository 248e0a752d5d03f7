//! Text packed with bgzip and indexed by tabix (`.tbi`) or as `.csi`: lines are read where they are seen.
//!
//! The index is parsed here, with every count held against the bytes there are: noodles takes a damaged count for a size to
//! allocate. Layout: SAM specifications, `tabix.pdf` and `CSIv1.pdf`; Li 2011, Bioinformatics 27:718.

use super::bed::{self, is_heading};
use super::lines::{clean, explain_io, quote};
use super::source::Source;
use super::{Feature, FeatureReader, Features, Loaded, TrackError, genehancer, is_url, is_wanted, vcf};
use crate::genome::{ChromSizes, Region};
use flate2::bufread::MultiGzDecoder;
use noodles::bgzf::{self, VirtualPosition};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest index, unpacked.
const LONGEST_INDEX: u64 = 256 << 20;
/// Most lines given at once; where more are in view none can be told from its neighbour.
const MOST_AT_ONCE: usize = 200_000;
/// Longest line.
const LONGEST_LINE: u64 = 4 << 20;
/// Lines after which is asked whether they are still wanted.
const ASK_EVERY: u64 = 4096;

/// First base and the one behind the last.
pub(super) type Span = (u64, u64);

/// Reads the feature of a line, and its chromosome.
pub(super) type ParseLine = fn(&[u8]) -> Result<(String, Feature), String>;

/// The lines of a format, for files of intervals that may have an index.
pub(super) fn line_of(format: &str) -> Option<ParseLine> {
    match format {
        "bed" | "epd" => Some(|line| bed::parse_line(line, 3)),
        "narrowpeak" => Some(|line| bed::parse_line(line, 10)),
        "broadpeak" => Some(|line| bed::parse_line(line, 9)),
        "vcf" => Some(|line| vcf::parse_line(line).map(|variant| (variant.chrom.clone(), variant.into_feature()))),
        "genehancer" => Some(genehancer::parse_line),
        _ => None,
    }
}

/// The index beside a file, if there is one. On a server one is asked for.
pub(super) fn index_of(path: &Path) -> Option<PathBuf> {
    let name = path.to_str()?;
    let has_suffix = [".gz", ".bgz"].iter().any(|suffix| name.split(['?', '#']).next().is_some_and(|n| n.ends_with(suffix)));
    if !has_suffix {
        return None;
    }
    [".tbi", ".csi"].iter().map(|suffix| PathBuf::from(format!("{name}{suffix}"))).find(|index| match is_url(path) {
        true => Source::open(index).is_ok(),
        false => index.is_file(),
    })
}

/// A stretch of the packed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Chunk {
    from: u64,
    to: u64,
}

/// What is known of one chromosome.
#[derive(Debug, Default)]
struct ChromIndex {
    bins: HashMap<u32, Vec<Chunk>>,
    /// Of each 16,384 bases the first place with a line that reaches them (`.tbi`).
    linear: Vec<u64>,
}

/// An index.
#[derive(Debug)]
struct Index {
    min_shift: u32,
    depth: u32,
    comment: u8,
    names: Vec<Vec<u8>>,
    chroms: Vec<ChromIndex>,
}

/// Reads numbers and never past the end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("the index ends too early (truncated?)")?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, String> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn long(&mut self) -> Result<u64, String> {
        Ok(u64::from(self.number()?) | u64::from(self.number()?) << 32)
    }

    /// A count of things of at least `size` bytes each.
    fn count(&mut self, size: usize) -> Result<usize, String> {
        let n = self.number()? as usize;
        match n.checked_mul(size).is_some_and(|bytes| bytes <= self.0.len()) {
            true => Ok(n),
            false => Err(format!("{n} entries in {} bytes", self.0.len())),
        }
    }
}

fn parse_index(bytes: &[u8]) -> Result<Index, String> {
    let mut bytes = Bytes(bytes);
    let is_csi = match bytes.take(4)? {
        b"TBI\x01" => false,
        b"CSI\x01" => true,
        other => return Err(format!("{} is the signature of no index", quote(other))),
    };
    let (mut min_shift, mut depth, mut n_chroms) = (14, 5, 0);
    let header;
    if is_csi {
        (min_shift, depth) = (bytes.number()?, bytes.number()?);
        if min_shift > 32 || depth > 9 || min_shift + 3 * depth > 40 {
            return Err(format!("bins of 2^{min_shift} bases in {depth} levels"));
        }
        let n = bytes.count(1)?;
        header = bytes.take(n)?;
    } else {
        n_chroms = bytes.count(8)?;
        header = bytes.0;
    }
    let mut head = Bytes(header);
    let (_format, _chrom, _start, _end) = (head.number()?, head.number()?, head.number()?, head.number()?);
    let (comment, _skipped) = (head.number()? as u8, head.number()?);
    let n = head.count(1)?;
    let names: Vec<Vec<u8>> = head.take(n)?.split(|&b| b == 0).filter(|n| !n.is_empty()).map(<[u8]>::to_vec).collect();
    if is_csi {
        n_chroms = bytes.count(4)?;
    } else {
        bytes = head;
    }
    if names.len() < n_chroms {
        return Err(format!("{} names of {n_chroms} chromosomes", names.len()));
    }
    let last_bin = ((1_u64 << (3 * (depth + 1))) - 1) / 7;
    let mut chroms = Vec::with_capacity(n_chroms);
    for _ in 0..n_chroms {
        let mut chrom = ChromIndex::default();
        for _ in 0..bytes.count(8)? {
            let bin = bytes.number()?;
            if is_csi {
                bytes.long()?; // the first place of the bin, which its chunks say too
            }
            let n = bytes.count(16)?;
            let chunks =
                (0..n).map(|_| Ok(Chunk { from: bytes.long()?, to: bytes.long()? })).collect::<Result<Vec<_>, String>>()?;
            // One bin more holds counts, not places.
            if u64::from(bin) < last_bin {
                chrom.bins.insert(bin, chunks);
            }
        }
        if !is_csi {
            let n = bytes.count(8)?;
            chrom.linear = (0..n).map(|_| bytes.long()).collect::<Result<_, _>>()?;
        }
        chroms.push(chrom);
    }
    Ok(Index { min_shift, depth, comment, names, chroms })
}

impl Index {
    /// At least and at most how far the lines of a chromosome reach, as far as the index says.
    fn reach(&self, chrom: usize) -> (u64, u64) {
        const WINDOW: u64 = 1 << 14;
        let Some(index) = self.chroms.get(chrom) else { return (0, WINDOW) };
        if !index.linear.is_empty() {
            let n = index.linear.len() as u64;
            return ((n - 1) * WINDOW + 1, n * WINDOW);
        }
        // The last of the smallest bins, which hold all but what reaches over their ends.
        let first_leaf = ((1_u64 << (3 * self.depth)) - 1) / 7;
        let last = index.bins.keys().filter_map(|&bin| u64::from(bin).checked_sub(first_leaf)).max().unwrap_or(0);
        ((last << self.min_shift) + 1, (last + 1) << self.min_shift)
    }

    /// Stretches of the file with the lines that may overlap a span, in order and without overlaps.
    fn chunks(&self, chrom: usize, start: u64, end: u64) -> Vec<Chunk> {
        let Some(index) = self.chroms.get(chrom) else { return Vec::new() };
        let most = 1_u64 << (self.min_shift + 3 * self.depth);
        let (start, end) = (start.min(most - 1), end.clamp(start.min(most - 1) + 1, most));
        let first = index.linear.get((start >> 14) as usize).or(index.linear.last()).copied().unwrap_or(0);
        let mut chunks: Vec<Chunk> = Vec::new();
        let (mut offset, mut shift) = (0_u64, self.min_shift + 3 * self.depth);
        for level in 0..=self.depth {
            let bins = offset + (start >> shift)..=offset + ((end - 1) >> shift);
            // A wide span touches more bins than there are.
            let is_few = bins.end() - bins.start() < index.bins.len() as u64;
            let mut add = |bin: u32| {
                if let Some(found) = index.bins.get(&bin) {
                    chunks.extend(found.iter().filter(|c| c.to > first && c.to > c.from));
                }
            };
            match is_few {
                true => bins.clone().for_each(|bin| add(bin as u32)),
                false => index.bins.keys().filter(|bin| bins.contains(&u64::from(**bin))).for_each(|&bin| add(bin)),
            }
            offset += 1 << (3 * level);
            shift = shift.saturating_sub(3);
        }
        chunks.sort_unstable();
        let mut joined: Vec<Chunk> = Vec::new();
        for chunk in chunks {
            match joined.last_mut().filter(|last| chunk.from <= last.to) {
                Some(last) => last.to = last.to.max(chunk.to),
                None => joined.push(chunk),
            }
        }
        joined
    }
}

/// An open packed text with its index: lines by place.
pub(super) struct IndexedText {
    pub path: PathBuf,
    reader: bgzf::io::Reader<Source>,
    index: Index,
    pub chroms: ChromSizes,
    pub genome: ChromSizes,
}

/// Opens a packed file with its index.
pub(super) fn open(path: &Path, index_path: &Path, genome: &ChromSizes) -> Result<Loaded<IndexedText>, TrackError> {
    let (file, _) = Source::open(path)?;
    let (packed, _) = Source::open(index_path)?;
    let mut bytes = Vec::new();
    let read = MultiGzDecoder::new(BufReader::with_capacity(1 << 16, packed)).take(LONGEST_INDEX).read_to_end(&mut bytes);
    read.map_err(|e| TrackError::malformed(index_path, "index", explain_io(&e)))?;
    let index = parse_index(&bytes).map_err(|reason| TrackError::malformed(index_path, "index", reason))?;
    let mut warnings = Vec::new();
    if is_older(index_path, path) {
        warnings.push(format!("{}: the index is older than the file: make it again (tabix -f)", path.display()));
    }
    let mut chroms = ChromSizes::default();
    for (i, name) in index.names.iter().enumerate() {
        let name = clean(name);
        let (least, most) = index.reach(i);
        let len = genome.resolve(&name).and_then(|n| genome.len_of(n)).map_or(most, |len| len.max(least));
        chroms.push(&name, len);
    }
    if chroms.is_empty() {
        return Err(TrackError::malformed(index_path, "index", "no chromosome in it"));
    }
    let reader = bgzf::io::Reader::new(file);
    let value = IndexedText { path: path.to_owned(), reader, index, chroms, genome: genome.clone() };
    Ok(Loaded { value, warnings })
}

fn is_older(index: &Path, file: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|about| about.modified()).ok();
    changed(index).zip(changed(file)).is_some_and(|(index, file)| index < file)
}

impl IndexedText {
    /// Gives every line of a region, with its interval and what `parse` makes of it; lines of which it makes nothing are passed over.
    ///
    /// # Errors
    /// Where the file has no such chromosome, cannot be read, is no longer wanted, or `parse` or `give` refuse a line.
    pub(super) fn each<T>(
        &mut self,
        region: &Region,
        parse: impl FnMut(&[u8]) -> Result<Option<(Span, T)>, String>,
        give: impl FnMut(&[u8], Span, T) -> Result<(), String>,
    ) -> Result<(), TrackError> {
        let Some(name) = self.chroms.resolve(&region.chrom) else {
            return Err(TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms));
        };
        let chrom = self.chroms.rank(name).unwrap_or(0);
        if region.is_empty() || chrom >= self.index.chroms.len() {
            return Ok(());
        }
        let read = self.each_line(chrom, (region.start, region.end), parse, give);
        read.map_err(|e| TrackError::malformed(&self.path, region.to_string(), explain_io(&e)))
    }

    fn each_line<T>(
        &mut self,
        chrom: usize,
        (start, end): Span,
        mut parse: impl FnMut(&[u8]) -> Result<Option<(Span, T)>, String>,
        mut give: impl FnMut(&[u8], Span, T) -> Result<(), String>,
    ) -> io::Result<()> {
        let (mut n_read, mut line) = (0_u64, Vec::new());
        let name = self.index.names[chrom].clone();
        let invalid = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
        for chunk in self.index.chunks(chrom, start, end) {
            self.reader.seek(VirtualPosition::from(chunk.from))?;
            while u64::from(self.reader.virtual_position()) < chunk.to {
                line.clear();
                if self.reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                let text = line.strip_suffix(b"\n").unwrap_or(&line);
                let text = text.strip_suffix(b"\r").unwrap_or(text);
                if text.is_empty() || text[0] == self.index.comment || is_heading(text) {
                    continue;
                }
                if text.split(|b| b.is_ascii_whitespace()).next() != Some(&name[..]) {
                    continue; // lines of another chromosome share the block
                }
                n_read += 1;
                if n_read.is_multiple_of(ASK_EVERY) && !is_wanted() {
                    return Err(io::Error::other("no longer asked for"));
                }
                let Some((span, made)) = parse(text).map_err(invalid)? else { continue };
                if span.0 >= end {
                    break; // lines are in order of start
                }
                if span.1.max(span.0 + 1) > start {
                    give(text, span, made).map_err(io::Error::other)?;
                }
            }
        }
        Ok(())
    }
}

/// Counts what is given at once, up to a bound.
pub(super) fn count_up(n: &mut usize) -> Result<(), String> {
    *n += 1;
    if *n > MOST_AT_ONCE { Err(format!("more than {MOST_AT_ONCE} lines here: zoom in")) } else { Ok(()) }
}

/// An open indexed file of intervals.
pub struct Tabix {
    file: IndexedText,
    parse: ParseLine,
}

/// Opens a packed file of intervals with its index.
pub(super) fn open_intervals(
    path: &Path,
    index: &Path,
    parse: ParseLine,
    genome: &ChromSizes,
) -> Result<Loaded<Tabix>, TrackError> {
    Ok(open(path, index, genome)?.map(|file| Tabix { file, parse }))
}

impl FeatureReader for Tabix {
    fn chroms(&self) -> &ChromSizes {
        &self.file.chroms
    }

    fn features(&mut self, region: &Region) -> Result<Features, TrackError> {
        let (mut features, mut n, read) = (Vec::new(), 0, self.parse);
        let parse = |line: &[u8]| read(line).map(|(chrom, feature)| Some(((feature.start, feature.end), (chrom, feature))));
        self.file.each(region, parse, |_, _, made| {
            features.push(made);
            count_up(&mut n)
        })?;
        Ok(Features::new(features, &self.file.genome).within(region.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruled() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix/ruled.bed.gz")
    }

    fn opened(suffix: &str) -> Tabix {
        let index = PathBuf::from(format!("{}{suffix}", ruled().display()));
        open_intervals(&ruled(), &index, line_of("bed").unwrap(), &ChromSizes::default()).unwrap().value
    }

    /// The rule of `tests/tabix/make.py`.
    fn expected(chrom: &str, from: u64, to: u64) -> Vec<(u64, u64)> {
        let n = match chrom {
            "chr1" => 9_000,
            "chr2" => 40,
            _ => 3_000,
        };
        let line = |i: u64| (i * 37 + i % 5, i * 37 + i % 5 + if i % 1000 == 7 { 90_000 } else { 20 + i % 11 });
        (0..n).map(line).filter(|&(start, end)| start < to && end > from).collect()
    }

    /// The numbers of lines are those of `pysam.TabixFile(...).fetch(chrom, start, end)`, pysam 0.24.1.
    #[test]
    fn any_part_has_the_lines_that_tabix_gives() {
        for suffix in [".tbi", ".csi"] {
            let mut file = opened(suffix);
            for (chrom, start, end, n) in [
                ("chr1", 0, 100, 3),
                ("chr1", 100_000, 101_000, 30),
                ("chr1", 332_000, 340_000, 29),
                ("chr2", 0, 5_000, 40),
                ("chr3", 60_000, 60_001, 3),
                ("chr1", 0, 400_000, 9_000),
                ("chr3", 111_000, 500_000, 2),
            ] {
                let region = Region::new(chrom, start, end);
                let features = file.features(&region).unwrap();
                let found: Vec<_> = features.overlapping(&region).map(|f| (f.start, f.end)).collect();
                assert_eq!((found.len(), features.len()), (n, n), "{suffix} {region}");
                let mut rule = expected(chrom, start, end);
                rule.sort_unstable();
                assert_eq!(found, rule, "{suffix} {region}");
            }
            let error = file.features(&Region::new("chr9", 0, 9)).unwrap_err().to_string();
            assert!(error.contains("no chromosome \"chr9\" in this file; it has chr1, chr2, chr3"), "{error}");
            assert_eq!(file.features(&Region::new("1", 0, 100)).unwrap().len(), 3, "chr1 and 1 are the same");
        }
    }

    #[test]
    fn a_damaged_index_is_an_error_and_never_a_panic() {
        let mut random = 7_u64;
        for suffix in [".tbi", ".csi"] {
            let path = PathBuf::from(format!("{}{suffix}", ruled().display()));
            let mut whole = Vec::new();
            MultiGzDecoder::new(BufReader::new(std::fs::File::open(path).unwrap())).read_to_end(&mut whole).unwrap();
            let n_refused = (0..whole.len()).filter(|&cut| parse_index(&whole[..cut]).is_err()).count();
            assert!(n_refused + 40 > whole.len(), "{n_refused} of {}", whole.len());
            let mut file = opened(suffix);
            for i in 0..whole.len().min(1_500) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let mut bytes = whole.clone();
                bytes[i] = (random >> 56) as u8;
                let Ok(index) = parse_index(&bytes) else { continue };
                file.file.index = index;
                if file.file.index.names.is_empty() {
                    continue;
                }
                let _ = file.features(&Region::new("chr1", 100_000, 101_000));
            }
        }
    }
}
