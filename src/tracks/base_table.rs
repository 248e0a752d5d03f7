//! DeepCORE's table: a header, one row a gene with its bases, its TPM and one list of numbers a mark, a number a base.
//!
//! The numbers are read as what they are; the authors' own reader takes integers, and of a list of floats keeps the first alone.
//! Which marks the lists are, the columns (`chipseq1`, `chipseq2`, ...) do not say.

use super::text::{MAX_ID, TextLines, shorten};
use super::{BinGene, BinTable, TrackError};
use crate::genome::unversioned;
use std::collections::HashSet;
use std::path::Path;

/// The order of marks that DeepCORE's README gives, for messages.
const PUBLISHED_ORDER: &str = "DeepCORE published H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K27ac";
/// Numbers of one table: a gigabyte of them.
const MAX_NUMBERS: usize = 1 << 28;
/// Columns of signals are called so, and numbered from 1.
const SIGNAL: &str = "chipseq";

/// Whether a line is the header of such a table.
pub(super) fn is_header(line: &str) -> bool {
    let mut columns = line.split('\t');
    columns.next() == Some("gene_id") && line.split('\t').any(|c| c == "sequence") && line.split('\t').any(|c| c == "chipseq1")
}

/// Reads a table whose columns of signals are `marks`, in file order.
///
/// # Errors
/// Without `marks`, or where their number is not that of the columns; a row of another length, a list of another length than the bases,
/// a number that is text, negative or not finite, a base that is none, a gene that stands twice.
pub(super) fn read(path: &Path, marks: &[String]) -> Result<BinTable, TrackError> {
    let mut lines = TextLines::open(path)?;
    let header: Vec<String> = match lines.next()? {
        Some((_, line)) => line.split('\t').map(|c| c.trim().to_owned()).collect(),
        None => return Err(TrackError::malformed(path, "line 1", "no row in it")),
    };
    let column = |name: &str| {
        let found = header.iter().position(|c| c == name);
        found.ok_or_else(|| TrackError::malformed(path, "line 1", format!("no column {name}")))
    };
    let (id, bases) = (column("gene_id")?, column("sequence")?);
    let signals: Vec<usize> = (1..).map_while(|i| header.iter().position(|c| *c == format!("{SIGNAL}{i}"))).collect();
    if signals.len() != marks.len() {
        let reason = format!("{} columns of signals, but --marks names {} ({PUBLISHED_ORDER})", signals.len(), marks.len());
        return Err(TrackError::Unsupported { path: path.to_owned(), reason });
    }
    let place = ["transcript_start", "upstream_start", "downstream_end"].map(|name| header.iter().position(|c| c == name));
    let mut table = Rows { path, marks, n: 0, tss: None, genes: Vec::new(), numbers: Vec::new(), sequences: Vec::new() };
    let mut seen = HashSet::new();
    while let Some((number, line)) = lines.next()? {
        if line.trim().is_empty() {
            continue;
        }
        let error = |reason: String| TrackError::malformed(path, format!("line {number}"), reason);
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() != header.len() {
            return Err(error(format!("{} columns where the header has {}", fields.len(), header.len())));
        }
        let gene = unversioned(fields[id].trim());
        if gene.is_empty() || gene.len() > MAX_ID {
            return Err(error("a row without the id of a gene".to_owned()));
        }
        if !seen.insert(gene.to_owned()) {
            return Err(error(format!("gene {} stands here again", shorten(gene))));
        }
        let at = place.map(|column| column.and_then(|c| fields[c].trim().parse::<u64>().ok()));
        let lists: Vec<&str> = signals.iter().map(|c| fields[*c]).collect();
        table.add(gene, fields[bases].trim(), &lists, at).map_err(error)?;
    }
    table.finish()
}

struct Rows<'a> {
    path: &'a Path,
    marks: &'a [String],
    /// Bases of every row.
    n: usize,
    /// Where the TSS stands in every row.
    tss: Option<u64>,
    genes: Vec<BinGene>,
    numbers: Vec<f32>,
    sequences: Vec<Vec<u8>>,
}

impl Rows<'_> {
    fn add(&mut self, gene: &str, bases: &str, lists: &[&str], place: [Option<u64>; 3]) -> Result<(), String> {
        let sequence = bases.to_ascii_uppercase().into_bytes();
        if let Some(odd) = sequence.iter().find(|b| !b"ACGTN".contains(b)) {
            return Err(format!("'{}' is none of A, C, G, T, N", (*odd as char).escape_default()));
        }
        if sequence.is_empty() || self.n > 0 && sequence.len() != self.n {
            return Err(format!("{} bases, the first gene has {}", sequence.len(), self.n));
        }
        self.n = sequence.len();
        for (list, mark) in lists.iter().zip(self.marks) {
            let from = self.numbers.len();
            for text in list.trim_matches(['"', '[', ']', ' ']).split(',') {
                let number = text.trim().parse().ok().filter(|x: &f32| x.is_finite() && *x >= 0.0);
                self.numbers.push(number.ok_or_else(|| format!("\"{}\" is not a count of {mark}", shorten(text)))?);
            }
            let found = self.numbers.len() - from;
            if found != self.n {
                return Err(format!("{found} numbers of {mark} for {} bases", self.n));
            }
        }
        if self.numbers.len() > MAX_NUMBERS {
            return Err(format!("more than {MAX_NUMBERS} numbers"));
        }
        // A row that is shorter than the stretch it names was cut out of it, and does not say where.
        let tss = match place {
            [Some(tss), Some(from), Some(to)] if to.checked_sub(from).map(|d| d + 1) == Some(self.n as u64) => {
                tss.checked_sub(from)
            }
            _ => None,
        };
        let tss = tss.filter(|tss| *tss < self.n as u64).unwrap_or(self.n as u64 / 2);
        if self.tss.is_some_and(|first| first != tss) {
            return Err(format!("the TSS stands at base {tss}, of the first gene at {}", self.tss.unwrap_or(0)));
        }
        self.tss = Some(tss);
        self.genes.push(BinGene { id: gene.to_owned(), name: gene.to_owned(), is_high: None });
        self.sequences.push(sequence);
        Ok(())
    }

    fn finish(self) -> Result<BinTable, TrackError> {
        let Some(tss) = self.tss else { return Err(TrackError::malformed(self.path, "line 1", "no row in it")) };
        Ok(BinTable::of_bases(self.path, self.genes, self.marks, self.n, tss, self.numbers, self.sequences))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const HEADER: &str = "gene_id\ttranscript_start\tupstream_start\tdownstream_end\tsequence\tTPM\tchipseq1\tchipseq2\n";

    fn table(rows: &str) -> Result<BinTable, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(format!("{HEADER}{rows}").as_bytes()).unwrap();
        let marks = ["a".to_owned(), "b".to_owned()];
        BinTable::read(file.path(), &marks, 100).map_err(|e| e.to_string().replace(&format!("{}: ", file.path().display()), ""))
    }

    #[test]
    fn floats_are_read_as_floats() {
        let table = table("E1.2\t101\t100\t103\tacGN\t5\t0, 1, 2, 3\t\"1.0, 0.5, 2.0, 0.0\"\n").unwrap();
        assert_eq!((table.counts(0, 0), table.counts(0, 1)), (&[0.0, 1.0, 2.0, 3.0][..], &[1.0, 0.5, 2.0, 0.0][..]));
        assert_eq!((table.bin_size(), table.n_bins(), table.bin_genes()[0].id.as_str()), (1, 4, "E1"));
        assert_eq!(table.sequence(0), Some(&b"ACGN"[..]));
        // The whole stretch is there: the TSS is where it says.
        let (_, gene) = table.genes().iter().next().map(|(i, g)| (i, g.clone())).unwrap();
        assert_eq!(gene.tss(crate::genome::TssChoice::Canonical), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let good = "E1\t5\t1\t9\tAC\t1\t0,0\t0,0\n";
        for (rows, message) in [
            ("E1\t5\t1\t9\tAC\t1\t0,0\n", "line 2: 7 columns where the header has 8"),
            ("E1\t5\t1\t9\tAC\t1\t0,0\t0\n", "line 2: 1 numbers of b for 2 bases"),
            ("E1\t5\t1\t9\tAC\t1\t0,x\t0,0\n", "line 2: \"x\" is not a count of a"),
            ("E1\t5\t1\t9\tAC\t1\t0,-1\t0,0\n", "line 2: \"-1\" is not a count of a"),
            ("E1\t5\t1\t9\tAX\t1\t0,0\t0,0\n", "line 2: 'X' is none of A, C, G, T, N"),
            ("\t5\t1\t9\tAC\t1\t0,0\t0,0\n", "line 2: a row without the id of a gene"),
            (&format!("{good}{good}"), "line 3: gene E1 stands here again"),
            (&format!("{good}E2\t5\t1\t9\tACG\t1\t0,0,0\t0,0,0\n"), "line 3: 3 bases, the first gene has 2"),
            ("", "line 1: no row in it"),
        ] {
            assert_eq!(table(rows).unwrap_err(), message, "{rows:?}");
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(format!("{HEADER}{good}").as_bytes()).unwrap();
        let error = BinTable::read(file.path(), &["a".to_owned()], 100).unwrap_err().to_string();
        assert!(error.contains("2 columns of signals, but --marks names 1 (DeepCORE published H3K4me1,"), "{error}");
    }

    #[test]
    fn the_published_table_is_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/deepcore/demo_5hm.tsv");
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return;
        }
        let marks = ["H3K4me1", "H3K4me3", "H3K9me3", "H3K27me3", "H3K27ac"].map(str::to_owned);
        let table = BinTable::read(&path, &marks, 100).unwrap();
        assert_eq!((table.bin_genes().len(), table.n_bins(), table.bin_size()), (100, 300, 1));
        let largest = |mark| (0..100).flat_map(|gene| table.counts(gene, mark)).fold(0.0_f32, |a, b| a.max(*b));
        assert_eq!([0, 1, 2, 3, 4].map(largest), [8.0, 26.0, 6.0, 17.0, 32.0]);
        assert!(table.sequence(0).is_some_and(|s| s.starts_with(b"TGGAGTGTGCAGC")));
    }
}
