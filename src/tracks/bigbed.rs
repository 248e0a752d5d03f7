//! bigBed: intervals behind an index, read for the part of the genome that is seen.
//!
//! The index and the unpacking are bigtools'. Its own reader of entries is not used: it panics where a text is not UTF-8 or a
//! section holds two chromosomes. Layout: Kent et al. 2010, Bioinformatics 26:2204, supplement.

use super::arcs::parse_interact;
use super::bed;
use super::bigwig::guard::{Guarded, contain};
use super::bigwig::header::{self, Layout};
use super::lines::{clean, explain_io};
use super::source::Source;
use super::{Feature, FeatureReader, Features, Loaded, TrackError};
use crate::genome::{ChromSizes, Region};
use bigtools::{BBIFileInfo, BBIFileRead, BigBedRead};
use byteordered::Endianness;
use std::collections::HashMap;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most intervals given at once; where more are in view none can be told from its neighbour.
pub(super) const MOST_AT_ONCE: usize = 200_000;
/// Longest declaration of columns that is read.
const LONGEST_AUTOSQL: u64 = 64 << 10;

/// What the columns of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    /// So many of BED's columns; the column of a symbol that is worth more than the name.
    Bed(usize, Option<usize>),
    /// UCSC's interact.
    Interact,
}

/// An open bigBed.
pub struct BigBed {
    path: PathBuf,
    file: Guarded,
    info: BBIFileInfo,
    chroms: ChromSizes,
    ids: HashMap<Arc<str>, u32>,
    index: u64,
    is_little: bool,
    columns: Columns,
    genome: ChromSizes,
}

/// Opens a bigBed. A damaged file is an error, never a panic.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<BigBed>, TrackError> {
    let (mut file, len) = Source::open(path)?;
    let header = header::check(&mut file, len, Layout::BigBed).map_err(|refusal| refusal.at(path))?;
    let autosql =
        read_autosql(&mut file, len, header.is_little).map_err(|e| TrackError::malformed(path, "header", explain_io(&e)))?;
    file.rewind().map_err(|e| TrackError::io(path, e))?;
    let opened =
        contain(|| BigBedRead::open(file.clone()).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string())));
    let info = opened.map_err(|e| TrackError::malformed(path, "header", explain_io(&e)))?.info().clone();
    let ids: HashMap<&[u8], u32> = header.chroms.iter().map(|(name, id)| (name.as_slice(), *id)).collect();
    let (mut chroms, mut id_of) = (ChromSizes::default(), HashMap::new());
    for chrom in &info.chrom_info {
        let name = clean(chrom.name.as_bytes());
        let id = ids.get(chrom.name.as_bytes());
        let (Some(&id), true) = (id, chrom.length > 0 && !name.is_empty() && chroms.push(&name, u64::from(chrom.length))) else {
            let reason = format!("\"{name}\" of {} bases is no chromosome, or stands twice", chrom.length);
            return Err(TrackError::malformed(path, "list of chromosomes", reason));
        };
        id_of.insert(Arc::from(name), id);
    }
    let columns = columns_of(&autosql, usize::from(info.header.defined_field_count), usize::from(info.header.field_count));
    Ok(Loaded::clean(BigBed {
        path: path.to_owned(),
        file: Guarded::new(file, len),
        info,
        chroms,
        ids: id_of,
        index: header.index,
        is_little: header.is_little,
        columns,
        genome: genome.clone(),
    }))
}

/// The declaration of the columns, empty where the file has none.
fn read_autosql(file: &mut Source, len: u64, is_little: bool) -> io::Result<String> {
    let mut bytes = [0; 8];
    file.read_at(36, &mut bytes)?;
    let at = if is_little { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) };
    if at == 0 || at >= len {
        return Ok(String::new());
    }
    let mut text = vec![0; LONGEST_AUTOSQL.min(len - at) as usize];
    file.read_at(at, &mut text)?;
    Ok(clean_lines(text.split(|&b| b == 0).next().unwrap_or(&[])))
}

fn clean_lines(text: &[u8]) -> String {
    text.split(|&b| b == b'\n').map(|line| clean(line) + "\n").collect()
}

/// The names that autoSQL gives the columns: the word before each `;`.
fn names_of(autosql: &str) -> Vec<&str> {
    let body = autosql.split_once('(').map_or("", |(_, body)| body);
    body.lines().filter_map(|line| line.split_once(';')?.0.split_whitespace().next_back()).collect()
}

fn columns_of(autosql: &str, defined: usize, all: usize) -> Columns {
    let names = names_of(autosql);
    let has = |name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
    if names.len() == 18 && has("sourceChrom").is_some() && has("targetChrom").is_some() {
        return Columns::Interact;
    }
    if names.len() == 10 && has("peak") == Some(9) {
        return Columns::Bed(10, None);
    }
    // Files without a declaration and files of old writers say 0.
    const BED: [&[&str]; 9] = [
        &["chrom"],
        &["chromStart"],
        &["chromEnd"],
        &["name"],
        &["score"],
        &["strand"],
        &["thickStart"],
        &["thickEnd"],
        &["itemRgb", "reserved", "rgb"],
    ];
    let named = BED.iter().zip(&names).take_while(|(bed, name)| bed.iter().any(|b| b.eq_ignore_ascii_case(name))).count();
    let n = match (defined, named) {
        (0, 0) => all,
        (0, named) => named,
        (defined, _) => defined,
    };
    let symbol = ["geneSymbol", "name2", "geneName", "gene_name"].into_iter().find_map(has).filter(|&i| i >= 9);
    Columns::Bed(n.clamp(3, 9), symbol)
}

impl BigBed {
    /// The features of an entry; a wild one is an error of the file.
    fn parse(&self, chrom: &str, start: u32, end: u32, rest: &[u8]) -> Result<Vec<(String, Feature)>, String> {
        let mut line = format!("{chrom}\t{start}\t{end}").into_bytes();
        if !rest.is_empty() {
            line.push(b'\t');
            line.extend_from_slice(rest);
        }
        let (n, symbol) = match self.columns {
            Columns::Interact => return Ok(parse_interact(&line)?.features(&self.genome)),
            Columns::Bed(n, symbol) => (n, symbol),
        };
        let end_of_bed = memchr::memchr_iter(b'\t', &line).nth(n - 1).unwrap_or(line.len());
        let (chrom, mut feature) = bed::parse_line(&line[..end_of_bed], 3)?;
        let symbol = symbol.and_then(|i| line.split(|&b| b == b'\t').nth(i)).filter(|s| !s.is_empty() && *s != b".");
        if let Some(symbol) = symbol {
            feature.name = clean(symbol);
        }
        Ok(vec![(chrom, feature)])
    }

    /// Gives every entry that overlaps a stretch of a chromosome, by the file's name of it.
    pub(super) fn each_entry(
        &mut self,
        chrom: &Arc<str>,
        (start, end): (u32, u32),
        mut give: impl FnMut(u32, u32, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(&id) = self.ids.get(chrom) else { return Ok(()) };
        let endianness = if self.is_little { Endianness::Little } else { Endianness::Big };
        let mut nodes = vec![self.index + 48];
        self.file.begin_query();
        while let Some(node) = nodes.pop() {
            let (children, blocks) = self.file.blocks_for_cir_tree_node(endianness, node, id, start, end)?;
            nodes.extend(children.into_iter().rev());
            for block in blocks {
                let data = self.file.get_block_data(&self.info, &block)?;
                let mut rest = &data[..];
                while let Some((head, after)) = rest.split_at_checked(12) {
                    let number = |at: usize| {
                        let b = [head[at], head[at + 1], head[at + 2], head[at + 3]];
                        if self.is_little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) }
                    };
                    let text_end = memchr::memchr(0, after).unwrap_or(after.len());
                    // A position between two bases (an insertion) is an interval of none: shown where it touches.
                    let (from, to) = (number(4), number(8));
                    if number(0) == id && from < end && to.max(from.saturating_add(1)) > start {
                        give(from, to, &after[..text_end])?;
                    }
                    rest = after.get(text_end + 1..).unwrap_or(&[]);
                }
            }
        }
        Ok(())
    }
}

impl FeatureReader for BigBed {
    fn chroms(&self) -> &ChromSizes {
        &self.chroms
    }

    fn features(&mut self, region: &Region) -> Result<Features, TrackError> {
        let unknown = || TrackError::unknown_chrom(&self.path, &region.chrom, &self.chroms);
        let chrom = self.chroms.resolve(&region.chrom).ok_or_else(unknown)?.clone();
        let len = self.chroms.len_of(&chrom).unwrap_or(0);
        let span = (region.start.min(len) as u32, region.end.min(len) as u32);
        let mut entries: Vec<(u32, u32, Box<[u8]>)> = Vec::new();
        if span.0 < span.1 {
            let read = self.each_entry(&chrom, span, |start, end, rest| {
                if entries.len() == MOST_AT_ONCE {
                    return Err(io::Error::other(format!("more than {MOST_AT_ONCE} intervals here: zoom in")));
                }
                entries.push((start, end, rest.into()));
                Ok(())
            });
            read.map_err(|e| TrackError::malformed(&self.path, region.to_string(), explain_io(&e)))?;
        }
        let mut features = Vec::with_capacity(entries.len());
        for (start, end, rest) in entries {
            let parsed = self.parse(&chrom, start, end, &rest);
            let malformed = |reason| TrackError::malformed(&self.path, format!("{chrom}:{}-{end}", u64::from(start) + 1), reason);
            features.extend(parsed.map_err(malformed)?);
        }
        Ok(Features::new(features, &self.genome).within(region.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str) -> Option<BigBed> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(name);
        if !path.exists() {
            println!("skipped: no measured files here");
            return None;
        }
        Some(open(&path, &ChromSizes::default()).unwrap().value)
    }

    fn in_region(file: &mut BigBed, chrom: &str, start: u64, end: u64) -> Vec<Feature> {
        let region = Region::new(chrom, start, end);
        let features = file.features(&region).unwrap();
        assert!(features.covers(&region) && !features.covers(&Region::new(chrom, start, end + 1)));
        features.overlapping(&region).cloned().collect()
    }

    /// pyBigWig 0.3.25: `b.entries("chr8", 128700000, 128800000)` has 21, the first
    /// `(128701625, 128701775, '.\t370\t.\t13\t-1\t-1\t-1')`; all chromosomes together 196,180.
    #[test]
    fn the_peaks_of_a_genome_read_as_pybigwig_reads_them() {
        let Some(mut file) = measured("hg19/DnasePeaks8988T.bb") else { return };
        let peaks = in_region(&mut file, "chr8", 128_700_000, 128_800_000);
        let first = &peaks[0];
        assert_eq!(peaks.len(), 21);
        assert_eq!((first.start, first.end, first.score, first.name.as_str()), (128_701_625, 128_701_775, Some(370.0), ""));
        let chroms: Vec<_> = file.chroms().iter().map(|(c, len)| (c.clone(), len)).collect();
        let count = |(chrom, len): &(Arc<str>, u64)| in_region(&mut file, chrom, 0, *len).len();
        assert_eq!(chroms.iter().map(count).sum::<usize>(), 196_180);
    }

    /// pyBigWig: `entries("chr21", 0, 48129895)` has 14,810, from (9434178, 9434609) to (48099447, 48099781);
    /// 23 from 33,031,597 to 33,041,570. Version 1, three columns, no declaration.
    #[test]
    fn a_file_of_the_first_version_without_a_declaration() {
        let Some(mut file) = measured("formats/hg19_chr21.bb") else { return };
        let all = in_region(&mut file, "chr21", 0, 48_129_895);
        assert_eq!((all.len(), all[0].start, all[0].end), (14_810, 9_434_178, 9_434_609));
        assert_eq!(all.last().map(|f| (f.start, f.end)), Some((48_099_447, 48_099_781)));
        assert_eq!(in_region(&mut file, "chr21", 33_031_597, 33_041_570).len(), 23);
    }

    /// pyBigWig: 3,339 entries, the first `(54028, 73584, 'uc003sii.2\t0\t-\t54028\t54028\t255,0,0\t.\tAL137655')`.
    #[test]
    fn colours_and_symbols_beyond_bed() {
        let Some(mut file) = measured("formats/hg38_knownGene.bb") else { return };
        let genes = in_region(&mut file, "chr7", 0, 158_821_424);
        assert_eq!(genes.len(), 3_339);
        let first = genes.iter().find(|g| g.end == 73_584).unwrap();
        assert_eq!((first.start, first.colour), (54_028, Some([255, 0, 0])));
    }

    #[test]
    fn columns_are_what_the_declaration_says() {
        let table = |fields: &[&str]| {
            let lines: String = fields.iter().map(|f| format!("   string {f};\t\"about; it\"\n")).collect();
            format!("table x\n\"about\"\n(\n{lines})\n")
        };
        let bed = ["chrom", "chromStart", "chromEnd", "name", "score", "strand", "thickStart", "thickEnd", "itemRgb"];
        assert_eq!(columns_of(&table(&bed), 9, 9), Columns::Bed(9, None));
        assert_eq!(columns_of(&table(&bed[..5]), 0, 5), Columns::Bed(5, None));
        assert_eq!(columns_of("", 0, 4), Columns::Bed(4, None));
        let with_symbol: Vec<&str> = bed.into_iter().chain(["geneSymbol"]).collect();
        assert_eq!(columns_of(&table(&with_symbol), 0, 10), Columns::Bed(9, Some(9)));
        let peak: Vec<&str> = bed[..6].iter().copied().chain(["signalValue", "pValue", "qValue", "peak"]).collect();
        assert_eq!(columns_of(&table(&peak), 6, 10), Columns::Bed(10, None));
    }
}
