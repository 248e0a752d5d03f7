//! The bin table of DeepChrome, AttentiveChrome and DeepDiff: CSV without a header, one row a bin, one count column a mark.
//!
//! Two layouts are published: `ENSG00000130749_ZC3H4_1,1,1,0,1,0` (gene, symbol and bin; counts) and `000003,1,0,1,0,2,0,1`
//! (gene, bin, counts, label). The columns have no names and their order differs between the two, so a table is never opened
//! without being told its marks. No coordinates either: each gene is a chromosome of its own with the TSS in the middle.

use super::lines::clean_text;
use super::text::{MAX_ID, TextLines, shorten};
use super::{SignalReader, TrackError, base_table};
use crate::genome::{ChromSizes, Gene, Genes, Region, Strand, Transcript, unversioned};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bases per bin of every published table.
pub const PUBLISHED_BIN_SIZE: u64 = 100;
/// Counts of one table: a gigabyte of them. The largest published has 20 million.
const MAX_COUNTS: usize = 1 << 28;
/// Lengths stay within what genome browsers' formats hold.
const MAX_LENGTH: u64 = 1 << 31;

/// The orders of marks in the published data, for messages: nothing in the files tells them.
pub const PUBLISHED_MARK_ORDERS: &str = "AttentiveChrome and DeepChrome published H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3; \
    DeepDiff published H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3";

/// A gene of a [`BinTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinGene {
    /// Accession without its version; the name of the gene's pseudo-chromosome.
    pub id: String,
    /// Symbol; the accession where the table has none.
    pub name: String,
    /// The 0/1 label, where the table has a column of them.
    pub is_high: Option<bool>,
}

/// Counts by gene, mark and bin. Bins lie as in the file (the published ones: in genome direction, whatever the gene's strand).
#[derive(Clone, Debug)]
pub struct BinTable {
    path: PathBuf,
    genes: Vec<BinGene>,
    marks: Vec<String>,
    n_bins: usize,
    bin_size: u64,
    /// Gene by gene, in it mark by mark, in it bin by bin.
    counts: Vec<f32>,
    chroms: ChromSizes,
    /// Where the TSS stands in every gene.
    tss: u64,
    /// Bases of each gene, where the table has them (DeepCORE's).
    sequences: Vec<Vec<u8>>,
}

impl BinTable {
    /// Reads a table whose count columns are `marks`, in file order. `bin_size` is in bases. DeepCORE's table, which has a number a
    /// base and the bases beside, is one of bins of 1.
    ///
    /// # Errors
    /// Without `marks`; where their number is not that of the count columns (one more column is a label, if it is 0 or 1 and
    /// the same over each gene); a count that is text, negative or not finite; bins that do not run from 1 on, in the same
    /// number for every gene; a gene that stands twice.
    pub fn read(path: &Path, marks: &[String], bin_size: u64) -> Result<Self, TrackError> {
        if !marks.is_empty() && TextLines::open(path)?.next()?.is_some_and(|(_, line)| base_table::is_header(line)) {
            return base_table::read(path, marks);
        }
        let unsupported = |reason: String| TrackError::Unsupported { path: path.to_owned(), reason };
        if marks.is_empty() {
            return Err(unsupported(format!(
                "a bin table has no header: say the mark of each count column, in file order, with --marks A,B,... ({PUBLISHED_MARK_ORDERS})"
            )));
        }
        if let Some(mark) = (1..marks.len()).find(|&i| marks[..i].contains(&marks[i])).map(|i| &marks[i]) {
            return Err(unsupported(format!("--marks names {mark} twice")));
        }
        let mut rows =
            Rows { path, marks, layout: None, columns: 0, seen: HashSet::new(), genes: Vec::new(), counts: Vec::new() };
        let mut lines = TextLines::open(path)?;
        // The layout shows in the first two rows together.
        let mut first: Option<(usize, String)> = None;
        while let Some((number, line)) = lines.next()? {
            if line.trim().is_empty() {
                continue;
            }
            if rows.layout.is_none() {
                let Some((first_number, first_line)) = first.take() else {
                    first = Some((number, line.to_owned()));
                    continue;
                };
                rows.choose_layout(first_number, &first_line, Some(line))?;
                rows.add(first_number, &first_line)?;
            }
            rows.add(number, line)?;
        }
        if let Some((number, line)) = first {
            rows.choose_layout(number, &line, None)?;
            rows.add(number, &line)?;
        }
        rows.finish(bin_size)
    }

    /// Of numbers that stand for one base each, with the bases.
    pub(super) fn of_bases(
        path: &Path,
        genes: Vec<BinGene>,
        marks: &[String],
        length: usize,
        tss: u64,
        counts: Vec<f32>,
        sequences: Vec<Vec<u8>>,
    ) -> Self {
        let mut chroms = ChromSizes::default();
        for gene in &genes {
            chroms.push(&gene.id, length as u64);
        }
        Self { path: path.to_owned(), genes, marks: marks.to_vec(), n_bins: length, bin_size: 1, counts, chroms, tss, sequences }
    }

    /// Bases of a gene (its place in [`Self::bin_genes`]), where the table has them.
    pub fn sequence(&self, gene: usize) -> Option<&[u8]> {
        self.sequences.get(gene).map(Vec::as_slice)
    }

    /// Appends the genes of another part (train, valid, test) of the same sample.
    ///
    /// # Errors
    /// Where marks, their order, bins or bin size differ, or a gene stands in both.
    pub fn merge(&mut self, other: Self) -> Result<(), TrackError> {
        let error = |reason: String| TrackError::Unsupported { path: other.path.clone(), reason };
        let here = self.path.display();
        if self.marks != other.marks {
            return Err(error(format!("marks {} where {here} has {}", other.marks.join(","), self.marks.join(","))));
        }
        if (self.n_bins, self.bin_size) != (other.n_bins, other.bin_size) {
            let (bins, size) = (self.n_bins, self.bin_size);
            return Err(error(format!("{} bins of {} where {here} has {bins} of {size}", other.n_bins, other.bin_size)));
        }
        if self.sequences.is_empty() != other.sequences.is_empty() || self.tss != other.tss {
            return Err(error(format!("bases or the TSS stand otherwise than in {here}")));
        }
        if let Some(gene) = other.genes.iter().find(|gene| self.chroms.rank(&gene.id).is_some()) {
            return Err(error(format!("gene {} stands in {here} too", gene.id)));
        }
        for (chrom, len) in other.chroms.iter() {
            self.chroms.push(chrom, len);
        }
        self.genes.extend(other.genes);
        self.counts.extend(other.counts);
        self.sequences.extend(other.sequences);
        Ok(())
    }

    /// Genes in file order.
    pub fn bin_genes(&self) -> &[BinGene] {
        &self.genes
    }

    /// Marks in file order.
    pub fn marks(&self) -> &[String] {
        &self.marks
    }

    /// Bins per gene.
    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// Bases per bin.
    pub fn bin_size(&self) -> u64 {
        self.bin_size
    }

    /// Counts of a gene (its place in [`Self::bin_genes`]) and a mark (its place in [`Self::marks`]), bin by bin.
    pub fn counts(&self, gene: usize, mark: usize) -> &[f32] {
        let from = (gene * self.marks.len() + mark) * self.n_bins;
        &self.counts[from..from + self.n_bins]
    }

    /// The place of a gene by accession, version ignored.
    pub fn gene_index(&self, id: &str) -> Option<usize> {
        self.chroms.rank(unversioned(id))
    }

    /// One pseudo-chromosome a gene, in file order, named by its accession, `n_bins * bin_size` bases long.
    pub fn chrom_sizes(&self) -> &ChromSizes {
        &self.chroms
    }

    /// One gene a pseudo-chromosome, from the TSS (in the middle, unless the table says) to the end. No exons: where the gene ends and which strand it
    /// is on, the table does not say; it is taken as read from left to right.
    pub fn genes(&self) -> Genes {
        Genes::new(self.genes.iter().map(|gene| gene_model(gene, self.tss, self.len())).collect(), |chrom| {
            self.chroms.rank(chrom)
        })
    }

    /// Bases of each pseudo-chromosome.
    fn len(&self) -> u64 {
        self.n_bins as u64 * self.bin_size
    }
}

/// Chromosomes and genes of several samples' tables together, in order of first appearance.
///
/// # Errors
/// Where a gene has another length in another table.
pub fn genome_of_bin_tables<'a>(tables: impl IntoIterator<Item = &'a BinTable>) -> Result<(ChromSizes, Genes), TrackError> {
    let (mut chroms, mut genes) = (ChromSizes::default(), Vec::new());
    for table in tables {
        for gene in &table.genes {
            if chroms.push(&gene.id, table.len()) {
                genes.push(gene_model(gene, table.tss, table.len()));
            } else if chroms.len_of(&gene.id) != Some(table.len()) {
                let reason = format!("gene {} has {} bases here, another length in another table", gene.id, table.len());
                return Err(TrackError::Unsupported { path: table.path.clone(), reason });
            }
        }
    }
    let genes = Genes::new(genes, |chrom| chroms.rank(chrom));
    Ok((chroms, genes))
}

/// Whether a file's first line looks like a row of a bin table (and not of an expression table).
pub fn is_bin_table(path: &Path) -> Result<bool, TrackError> {
    let mut lines = TextLines::open(path)?;
    Ok(lines.next()?.is_some_and(|(_, line)| is_bin_table_row(line) || base_table::is_header(line)))
}

/// Whether the file is DeepCORE's table, which holds expression and bases too.
pub fn is_base_table(path: &Path) -> Result<bool, TrackError> {
    Ok(TextLines::open(path)?.next()?.is_some_and(|(_, line)| base_table::is_header(line)))
}

fn is_bin_table_row(line: &str) -> bool {
    let fields: Vec<&str> = line.trim_end().split(',').collect();
    let counts = |from: usize| fields.len() > from && fields[from..].iter().all(|field| parse_count(field).is_some());
    fields[0].ends_with("_1") && counts(1) || !fields[0].is_empty() && fields.get(1) == Some(&"1") && counts(2)
}

fn gene_model(gene: &BinGene, tss: u64, len: u64) -> Gene {
    let transcript = Transcript { id: gene.id.clone(), start: tss, end: len, is_canonical: true, ..Transcript::default() };
    Gene {
        id: gene.id.clone(),
        name: gene.name.clone(),
        biotype: String::new(),
        region: Region::new(gene.id.as_str(), tss, len),
        strand: Strand::Forward,
        transcripts: vec![transcript],
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// `gene_symbol_bin, counts...`
    Joined,
    /// `gene, bin, counts...`
    Apart,
}

struct Rows<'a> {
    path: &'a Path,
    marks: &'a [String],
    layout: Option<Layout>,
    /// Fields of every row.
    columns: usize,
    seen: HashSet<String>,
    genes: Vec<GeneRows>,
    /// Row by row.
    counts: Vec<f32>,
}

struct GeneRows {
    /// As in the file.
    key: String,
    last_line: usize,
    n_bins: usize,
    label: Option<bool>,
}

impl Rows<'_> {
    fn error(&self, line: usize, reason: impl Into<String>) -> TrackError {
        TrackError::malformed(self.path, format!("line {line}"), reason)
    }

    /// In one layout the first field changes from row to row, in the other it is the gene's.
    fn choose_layout(&mut self, number: usize, first: &str, second: Option<&str>) -> Result<(), TrackError> {
        let fields: Vec<&str> = first.split(',').collect();
        let is_apart = match second {
            Some(second) => second.split(',').next() == Some(fields[0]) && fields.get(1) == Some(&"1"),
            None => !fields[0].ends_with("_1"),
        };
        let (layout, before) = if is_apart { (Layout::Apart, 2) } else { (Layout::Joined, 1) };
        let found = fields.len().saturating_sub(before);
        let k = self.marks.len();
        if found != k && found != k + 1 {
            let given = self.marks.join(",");
            return Err(self
                .error(number, format!("{found} columns of counts, but --marks names {k}: {given} ({PUBLISHED_MARK_ORDERS})")));
        }
        (self.layout, self.columns) = (Some(layout), fields.len());
        Ok(())
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), TrackError> {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != self.columns {
            return Err(self.error(number, format!("{} columns where the first row has {}", fields.len(), self.columns)));
        }
        let (key, bin, values) = match self.layout {
            Some(Layout::Apart) => (fields[0], fields[1], &fields[2..]),
            _ => match fields[0].rsplit_once('_') {
                Some((key, bin)) => (key, bin, &fields[1..]),
                None => return Err(self.error(number, format!("\"{}\" is not a gene and a bin", shorten(fields[0])))),
            },
        };
        let Ok(bin) = bin.parse::<usize>() else {
            return Err(self.error(number, format!("\"{}\" is not the number of a bin", shorten(bin))));
        };
        self.add_bin(number, &clean_text(key), bin)?;
        let (counts, label) = values.split_at(self.marks.len());
        for (field, mark) in counts.iter().zip(self.marks) {
            let Some(count) = parse_count(field) else {
                return Err(self.error(number, format!("\"{}\" is not a count of {mark}", shorten(field))));
            };
            self.counts.push(count);
        }
        if self.counts.len() > MAX_COUNTS {
            return Err(self.error(number, format!("more than {MAX_COUNTS} counts")));
        }
        if let &[label] = label {
            let label = match label {
                "0" => false,
                "1" => true,
                _ => {
                    let k = self.marks.len();
                    return Err(self.error(number, format!("\"{}\" after {k} counts is not a label 0 or 1", shorten(label))));
                }
            };
            let changed = self.genes.last_mut().filter(|gene| gene.label.is_some_and(|before| before != label));
            if let Some(key) = changed.map(|gene| shorten(&gene.key)) {
                return Err(self.error(number, format!("the label of {key} changes, so the last column is no label")));
            }
            if let Some(gene) = self.genes.last_mut() {
                gene.label = Some(label);
            }
        }
        Ok(())
    }

    fn add_bin(&mut self, number: usize, key: &str, bin: usize) -> Result<(), TrackError> {
        match self.genes.last_mut().filter(|gene| gene.key == key) {
            Some(gene) if bin == gene.n_bins + 1 => {
                gene.n_bins = bin;
                gene.last_line = number;
                Ok(())
            }
            Some(gene) => {
                let before = gene.n_bins;
                Err(self.error(number, format!("bin {bin} of {} follows bin {before}", shorten(key))))
            }
            None if key.len() > MAX_ID => Err(self.error(number, "a gene's name longer than any")),
            None if key.is_empty() => Err(self.error(number, "a row without a gene")),
            None if bin != 1 => Err(self.error(number, format!("{} begins with bin {bin}, not 1", shorten(key)))),
            None if !self.seen.insert(accession_and_symbol(key).0.to_owned()) => {
                Err(self.error(number, format!("gene {} stands here again", shorten(accession_and_symbol(key).0))))
            }
            None => {
                self.genes.push(GeneRows { key: key.to_owned(), last_line: number, n_bins: 1, label: None });
                Ok(())
            }
        }
    }

    fn finish(self, bin_size: u64) -> Result<BinTable, TrackError> {
        let Some(n_bins) = self.genes.first().map(|gene| gene.n_bins) else {
            return Err(TrackError::malformed(self.path, "line 1", "no row in it"));
        };
        if let Some(gene) = self.genes.iter().find(|gene| gene.n_bins != n_bins) {
            let reason = format!("{} ends after {} bins, the first gene has {n_bins}", shorten(&gene.key), gene.n_bins);
            return Err(self.error(gene.last_line, reason));
        }
        let len = (n_bins as u64).checked_mul(bin_size).filter(|len| (1..=MAX_LENGTH).contains(len));
        let len = len.ok_or_else(|| TrackError::Unsupported {
            path: self.path.to_owned(),
            reason: format!("{n_bins} bins of {bin_size} bases are no length between 1 and {MAX_LENGTH}"),
        })?;
        let k = self.marks.len();
        let mut counts = Vec::with_capacity(self.counts.len());
        for rows in self.counts.chunks_exact(n_bins * k) {
            for mark in 0..k {
                counts.extend(rows.iter().skip(mark).step_by(k));
            }
        }
        let (mut chroms, mut genes) = (ChromSizes::default(), Vec::new());
        for gene in &self.genes {
            let (id, name) = accession_and_symbol(&gene.key);
            chroms.push(id, len);
            genes.push(BinGene { id: id.to_owned(), name: name.to_owned(), is_high: gene.label });
        }
        let marks = self.marks.to_vec();
        let (path, tss, sequences) = (self.path.to_owned(), len / 2, Vec::new());
        Ok(BinTable { path, genes, marks, n_bins, bin_size, counts, chroms, tss, sequences })
    }
}

/// `ENSG00000130749.4_ZC3H4` -> (`ENSG00000130749`, `ZC3H4`). RefSeq's accessions have an underscore of their own.
fn accession_and_symbol(key: &str) -> (&str, &str) {
    let is_refseq = ["NM_", "NR_", "XM_", "XR_"].iter().any(|prefix| key.starts_with(prefix));
    let from = if is_refseq { 3 } else { 0 };
    let (id, symbol) = match key[from..].find('_') {
        Some(at) => (&key[..from + at], &key[from + at + 1..]),
        None => (key, ""),
    };
    let id = unversioned(id);
    (id, if symbol.is_empty() { id } else { symbol })
}

fn parse_count(field: &str) -> Option<f32> {
    field.trim().parse().ok().filter(|count: &f32| count.is_finite() && *count >= 0.0)
}

/// One mark of a [`BinTable`] as a signal: every base of a bin has the bin's count, so that a bin's mean is its count.
#[derive(Clone, Debug)]
pub struct BinTableSignal {
    table: Arc<BinTable>,
    mark: usize,
}

impl BinTableSignal {
    /// The signal of `mark`, `None` where the table has no such mark.
    pub fn new(table: Arc<BinTable>, mark: &str) -> Option<Self> {
        let mark = table.marks.iter().position(|m| m == mark)?;
        Some(Self { table, mark })
    }
}

impl SignalReader for BinTableSignal {
    fn chroms(&self) -> &ChromSizes {
        &self.table.chroms
    }

    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
        let gene = self
            .table
            .chroms
            .rank(&region.chrom)
            .ok_or_else(|| TrackError::unknown_chrom(&self.table.path, &region.chrom, &self.table.chroms))?;
        let counts = self.table.counts(gene, self.mark);
        let count = |base: u64| counts.get((base / self.table.bin_size) as usize).copied().unwrap_or(f32::NAN);
        Ok((region.start..region.end).map(count).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{GeneId, TssChoice};
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};
    use std::io::Write;

    fn marks(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn read(text: &str, names: &str) -> Result<BinTable, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        BinTable::read(file.path(), &marks(names), 100)
            .map_err(|e| e.to_string().replace(&format!("{}: ", file.path().display()), ""))
    }

    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(path);
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return None;
        }
        Some(path)
    }

    const JOINED: &str = "E2.7_B_1,1,2\nE2.7_B_2,3,4\nE1_A_x_1,5,6\nE1_A_x_2,7,8\n";

    #[test]
    fn both_layouts_are_read_in_file_order() {
        let joined = read(JOINED, "x,y").unwrap();
        let apart = read("E2,1,1,2,1\r\nE2,2,3,4,1\r\n\r\nE1,1,5,6,0\r\nE1,2,7,8,0", "x,y").unwrap();
        for table in [&joined, &apart] {
            assert_eq!(table.bin_genes().iter().map(|g| g.id.as_str()).collect::<Vec<_>>(), ["E2", "E1"]);
            assert_eq!((table.counts(0, 0), table.counts(0, 1)), (&[1.0, 3.0][..], &[2.0, 4.0][..]));
            assert_eq!((table.counts(1, 0), table.counts(1, 1)), (&[5.0, 7.0][..], &[6.0, 8.0][..]));
        }
        assert_eq!(joined.bin_genes()[1], BinGene { id: "E1".into(), name: "A_x".into(), is_high: None });
        assert_eq!(apart.bin_genes()[0], BinGene { id: "E2".into(), name: "E2".into(), is_high: Some(true) });
        assert_eq!(apart.bin_genes()[1].is_high, Some(false));
        assert_eq!(
            read("E\u{1b}1_\u{1b}[2JA_1,0", "x").unwrap().bin_genes()[0],
            BinGene { id: "E1".into(), name: "[2JA".into(), is_high: None }
        );
        assert_eq!(read("NM_12.3_TP53_1,0", "x").unwrap().bin_genes()[0].id, "NM_12");
        assert_eq!(read("A_1,0,1\nA_2,0,1", "x").unwrap().bin_genes()[0].is_high, Some(true));
    }

    #[test]
    fn a_table_never_opens_without_its_marks() {
        let error = BinTable::read(Path::new("absent.csv"), &[], 100).unwrap_err().to_string();
        assert!(error.contains("--marks"), "{error}");
        assert!(error.contains("H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3"), "{error}");
        assert!(error.contains("H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3"), "{error}");
        assert!(read(JOINED, "x").unwrap_err().contains("line 1: \"2\" after 1 counts is not a label 0 or 1"));
        assert!(read(JOINED, "x,y,z").unwrap_err().contains("line 1: 2 columns of counts, but --marks names 3: x,y,z"));
        assert!(read(JOINED, "x,x").unwrap_err().contains("names x twice"));
        // A mark without a name whose counts happen to be 0 and 1.
        assert!(read("A_1,5,1\nA_2,5,0", "x").unwrap_err().contains("line 2: the label of A changes"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            ("A_1,0\nA_3,0", "line 2: bin 3 of A follows bin 1"),
            ("A_1,0\nA_1,0", "line 2: bin 1 of A follows bin 1"),
            ("A_2,0\nA_3,0", "line 1: A begins with bin 2, not 1"),
            ("A_1,0\nA_2,0\nB_1,0", "line 3: B ends after 1 bins, the first gene has 2"),
            ("A_1,0\nB_1,0\nA_1,0", "line 3: gene A stands here again"),
            ("A_1,0\nA.2_1,0", "line 2: gene A stands here again"),
            ("A_1,0\nA_2", "line 2: 1 columns where the first row has 2"),
            ("A_1,0\nA_2,x", "line 2: \"x\" is not a count of x"),
            ("A_1,0\nA_2,NaN", "line 2: \"NaN\" is not a count of x"),
            ("A_1,0\nA_2,inf", "line 2: \"inf\" is not a count of x"),
            ("A_1,0\nA_2,1e39", "line 2: \"1e39\" is not a count of x"),
            ("A_1,0\nA_2,-1", "line 2: \"-1\" is not a count of x"),
            ("A_1,0\nA_2,", "line 2: \"\" is not a count of x"),
            ("A_1,0\nB,0", "line 2: \"B\" is not a gene and a bin"),
            ("A_1,0\nA_z,0", "line 2: \"z\" is not the number of a bin"),
            ("gene_bin,x\nA_1,0", "line 1: \"bin\" is not the number of a bin"),
            ("\n\n", "line 1: no row in it"),
        ] {
            assert_eq!(read(text, "x").unwrap_err(), message, "{text:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_table_are_errors() {
        let read = |bytes: &[u8]| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            BinTable::read(file.path(), &marks("x"), 100).unwrap_err().to_string()
        };
        assert!(read(b"").ends_with("no row in it"));
        assert!(read(b"A_1,\xff").ends_with("line 1: not text (UTF-8)"));
        assert!(read(b"\x1f\x8b\x08\x00rubbish").contains("line 1"));
        assert!(BinTable::read(Path::new("/"), &marks("x"), 100).unwrap_err().to_string().contains("a folder, not a file"));
        assert!(BinTable::read(Path::new("absent"), &marks("x"), 100).is_err());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(JOINED.as_bytes()).unwrap();
        for bin_size in [0, u64::MAX, 1 << 31] {
            assert!(BinTable::read(file.path(), &marks("x,y"), bin_size).unwrap_err().to_string().contains("2 bins of"));
        }
    }

    #[test]
    fn a_base_has_its_bins_count_and_the_tss_is_the_middle() {
        let table = Arc::new(read(JOINED, "x,y").unwrap());
        assert!(BinTableSignal::new(table.clone(), "z").is_none());
        let mut signal = BinTableSignal::new(table.clone(), "y").unwrap();
        let values = signal.values(&Region::new("E1", 98, 202)).unwrap();
        assert_eq!((values.len(), values[1], values[2], values[101]), (104, 6.0, 8.0, 8.0));
        assert!(values[102].is_nan() && values[103].is_nan());
        let means: Vec<f32> = signal.columns(&Region::new("E1", 0, 200), 2).unwrap().iter().map(|c| c.mean).collect();
        assert_eq!(means, [6.0, 8.0]);
        assert!(signal.values(&Region::new("E9", 0, 1)).unwrap_err().to_string().contains("no chromosome \"E9\""));
        let genes = table.genes();
        assert_eq!(genes.iter().map(|(_, g)| g.name.as_str()).collect::<Vec<_>>(), ["B", "A_x"]);
        assert_eq!(genes.get(GeneId(0)).tss(TssChoice::Canonical), 100);
        assert_eq!(genes.get(GeneId(0)).region, Region::new("E2", 100, 200));
        assert_eq!(table.chrom_sizes().len_of("E2"), Some(200));
    }

    #[test]
    fn parts_of_a_sample_join_only_where_they_fit() {
        let table = read(JOINED, "x,y").unwrap();
        let part = |text, names| read(text, names).unwrap();
        let merge = |other| table.clone().merge(other).unwrap_err().to_string();
        assert!(merge(part("C_1,0,0\nC_2,0,0", "y,x")).contains("marks y,x where"));
        assert!(merge(part("C_1,0,0", "x,y")).contains("1 bins of 100 where"));
        assert!(merge(part("E1_1,0,0\nE1_2,0,0", "x,y")).contains("gene E1 stands in"));
        let mut both = table.clone();
        both.merge(part("C_1,9,0\nC_2,0,11", "x,y")).unwrap();
        assert_eq!((both.gene_index("C.5"), both.counts(2, 0), both.counts(2, 1)), (Some(2), &[9.0, 0.0][..], &[0.0, 11.0][..]));
        let (chroms, genes) = genome_of_bin_tables([&table, &both]).unwrap();
        assert_eq!((chroms.len(), genes.len()), (3, 3));
        assert!(genome_of_bin_tables([&table, &part("E1_1,0", "x")]).is_err());
    }

    #[test]
    fn damaged_tables_are_errors_or_counts() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut refused = 0;
        for _ in 0..1000 {
            let mut bytes = JOINED.as_bytes().to_vec();
            for _ in 0..rng.random_range(1..3) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = *b"\n\t,\0 _\x1f\"-e9\xff".choose(&mut rng).unwrap();
            }
            match read(&String::from_utf8_lossy(&bytes), "x,y") {
                Ok(table) => assert!(table.counts.iter().all(|count| count.is_finite() && *count >= 0.0)),
                Err(_) => refused += 1,
            }
        }
        assert!((1..1000).contains(&refused));
        assert_eq!(read(&format!("{}_1,0", "A".repeat(2000)), "x").unwrap_err(), "line 1: a gene's name longer than any");
    }

    #[test]
    fn the_published_tables_are_read() {
        let deepdiff = marks("H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3");
        let mut cell: Option<BinTable> = None;
        for part in ["train", "valid", "test"] {
            let Some(path) = shared(&format!("deepdiff/Cell1.{part}.csv")) else { return };
            let table = BinTable::read(&path, &deepdiff, PUBLISHED_BIN_SIZE).unwrap();
            assert_eq!((table.bin_genes().len(), table.n_bins(), table.marks().len()), (200, 200, 5));
            match &mut cell {
                Some(cell) => cell.merge(table).unwrap(),
                None => cell = Some(table),
            }
        }
        let cell = cell.unwrap();
        let first = &cell.bin_genes()[0];
        assert_eq!((first.id.as_str(), first.name.as_str()), ("ENSG00000130749", "ZC3H4"));
        // awk -F, '{a+=$2; b+=$3; c+=$6} END {print a, b, c}' over the three files
        let total = |mark| (0..600).flat_map(|gene| cell.counts(gene, mark)).sum::<f32>();
        assert_eq!((total(0), total(1), total(4)), (356_360.0, 437_381.0, 201_114.0));
        let peak = |mark| {
            let mean = |bin: usize| (0..600).map(|gene| cell.counts(gene, mark)[bin]).sum::<f32>();
            (80..120).map(mean).sum::<f32>() / (0..40).map(mean).sum::<f32>()
        };
        assert!(peak(1) > 5.0, "H3K4me3 stands at the TSS: {}", peak(1));
        let toy = marks("H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3");
        let Some(path) = shared("attentivechrome/toy.train.csv") else { return };
        let toy_table = BinTable::read(&path, &toy, PUBLISHED_BIN_SIZE).unwrap();
        assert_eq!((toy_table.bin_genes().len(), toy_table.n_bins()), (10, 100));
        assert!(toy_table.bin_genes().iter().all(|gene| gene.is_high.is_some()));
        assert!(toy_table.counts(0, 3).iter().all(|count| count % 2.0 == 0.0), "H3K4me3 of the toy tables is even");
        assert!(cell.clone().merge(toy_table).is_err());
    }

    #[test]
    fn a_bin_table_is_told_from_an_expression_table() {
        assert!(is_bin_table_row("ENSG00000130749_ZC3H4_1,1,1,0,1,0"));
        assert!(is_bin_table_row("000003,1,0,1,0,2,0,1"));
        assert!(!is_bin_table_row("ENSG00000000003,153"));
        assert!(!is_bin_table_row("ENSG00000000003,1"));
        assert!(!is_bin_table_row("gene_id,a,b"));
        assert!(!is_bin_table_row(""));
    }
}
