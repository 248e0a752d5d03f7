//! bedMethyl: the share of reads that are methylated at each site, as ENCODE's pipelines (11 columns) and modkit (18) write it.
//!
//! The two strands of a CpG are one site: reads of both are joined. Sites with few reads say little and are left out.
//! <https://www.encodeproject.org/data-standards/wgbs/>, <https://nanoporetech.github.io/modkit/intro_pileup.html>.

use super::bed::is_heading;
use super::interval_signal::{IntervalSignal, IntervalWriter};
use super::lines::{Line, parse_position, parse_score, quote, stream_records};
use super::{Loaded, TrackError};
use crate::genome::ChromSizes;
use std::path::Path;

/// Least reads of a site, both strands together, where nobody says: below, a share is one of a few steps.
pub const MIN_COVERAGE: u32 = 5;

/// A site so far.
#[derive(Clone, Debug, PartialEq)]
struct Site {
    chrom: Vec<u8>,
    start: u64,
    end: u64,
    strand: u8,
    coverage: f64,
    /// Reads that are methylated.
    methylated: f64,
}

/// Reads a bedMethyl as a signal from 0 to 1, of sites of at least `min_coverage` reads.
pub fn open(path: &Path, min_coverage: u32, genome: &ChromSizes) -> Result<Loaded<IntervalSignal>, TrackError> {
    let writer = IntervalWriter::new();
    let mut reader = Reader { writer, min_coverage: min_coverage.into(), pending: None, n_thin: 0, n_other: 0, n_refused: 0 };
    let mut warnings = stream_records(path, "a bedMethyl line (11 columns or more)", |line| {
        if is_heading(line) {
            return Ok(Line::Other);
        }
        if reader.writer.is_hopeless() {
            return Ok(Line::End);
        }
        match parse_line(line)? {
            Some(site) => reader.take(site),
            None => {
                reader.n_other += 1; // another modification than 5mC
                return Ok(Line::Other);
            }
        }
        Ok(Line::Record)
    })?;
    reader.flush();
    let mut remark = |n: u64, what: &str| {
        if n > 0 {
            warnings.push(format!("{}: {what}, left out: {n}", path.display()));
        }
    };
    remark(reader.n_thin, &format!("sites of fewer than {min_coverage} reads"));
    remark(reader.n_other, "lines of other modifications than 5mC");
    remark(reader.n_refused, "sites that overlap another");
    reader.writer.finish(path, genome, warnings)
}

struct Reader {
    writer: IntervalWriter,
    min_coverage: f64,
    pending: Option<Site>,
    n_thin: u64,
    n_other: u64,
    n_refused: u64,
}

impl Reader {
    /// Joins a site on the reverse strand with the one on the forward strand a base before it.
    fn take(&mut self, site: Site) {
        let is_pair =
            |p: &&mut Site| p.strand == b'+' && site.strand == b'-' && p.chrom == site.chrom && p.start + 1 == site.start;
        if let Some(pending) = self.pending.as_mut().filter(is_pair) {
            pending.end = site.end;
            pending.strand = b'.';
            pending.coverage += site.coverage;
            pending.methylated += site.methylated;
            return;
        }
        self.flush();
        self.pending = Some(site);
    }

    fn flush(&mut self) {
        let Some(site) = self.pending.take() else { return };
        if site.coverage < self.min_coverage {
            self.n_thin += 1;
            return;
        }
        let share = (site.methylated / site.coverage) as f32;
        self.n_refused += u64::from(self.writer.push(&site.chrom, site.start, site.end, share).is_err());
    }
}

/// The site of a line; `None` where it is another modification than 5mC.
fn parse_line(line: &[u8]) -> Result<Option<Site>, String> {
    let mut columns = [&b""[..]; 11];
    let mut split = line.split(|b| b.is_ascii_whitespace()).filter(|c| !c.is_empty());
    for (i, column) in columns.iter_mut().enumerate() {
        *column = split.next().ok_or_else(|| format!("{i} columns where 11 are needed: {}", quote(line)))?;
    }
    let [chrom, start, end, name, _, strand, .., coverage, percent] = columns;
    let position = |text| parse_position(text).ok_or_else(|| format!("{} is no position", quote(text)));
    let (start, end) = (position(start)?, position(end)?);
    if end <= start {
        return Err(format!("the end {end} does not lie behind the start {start}"));
    }
    let coverage =
        parse_score(coverage).filter(|&c| c >= 0.0).ok_or_else(|| format!("{} is no number of reads", quote(coverage)))?;
    let percent = parse_score(percent).filter(|p| (0.0..=100.0).contains(p));
    let percent = percent.ok_or_else(|| format!("{} is no percentage", quote(columns[10])))?;
    // modkit names the modification by its code (SAM tags 1.7); ENCODE's name is the sample's or a dot.
    let code = name.split(|&b| b == b',').next().unwrap_or(name);
    if code != b"m" && matches!(code, [c] if b"ahfgcebo".contains(c)) || matches!(code, b"21839" | b"17802" | b"17596" | b"76792")
    {
        return Ok(None);
    }
    let coverage = f64::from(coverage);
    let methylated = coverage * f64::from(percent) / 100.0;
    Ok(Some(Site { chrom: chrom.to_vec(), start, end, strand: strand.first().copied().unwrap_or(b'.'), coverage, methylated }))
}

/// Whether a line can be one of this format.
pub(super) fn is_line(line: &[u8]) -> bool {
    let columns = line.split(|b| b.is_ascii_whitespace()).filter(|c| !c.is_empty()).count();
    columns >= 11 && columns != 12 && !is_heading(line) && parse_line(line).is_ok() && {
        let columns: Vec<&[u8]> = line.split(|b| b.is_ascii_whitespace()).filter(|c| !c.is_empty()).collect();
        matches!(columns[5], b"+" | b"-" | b".") && columns[8].contains(&b',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use crate::tracks::SignalReader;
    use std::io::Write;

    fn line(start: u64, strand: char, coverage: u32, percent: u32) -> String {
        format!("chr1\t{start}\t{}\t.\t{coverage}\t{strand}\t{start}\t{}\t0,255,0\t{coverage}\t{percent}\n", start + 1, start + 1)
    }

    fn read(text: &str) -> (Vec<f32>, Vec<String>) {
        read_of(MIN_COVERAGE, text)
    }

    fn read_of(min_coverage: u32, text: &str) -> (Vec<f32>, Vec<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut loaded = open(file.path(), min_coverage, &ChromSizes::default()).unwrap();
        (loaded.value.values(&Region::new("chr1", 0, 40)).unwrap(), loaded.warnings)
    }

    #[test]
    fn strands_of_a_cpg_are_joined_by_their_reads() {
        // 8 reads at 100 % and 2 at 50 %: 9 of 10.
        let text =
            line(10, '+', 8, 100) + &line(11, '-', 2, 50) + &line(20, '+', 3, 0) + &line(21, '-', 1, 100) + &line(30, '-', 6, 50);
        let (values, warnings) = read(&text);
        let measured: Vec<usize> = (0..40).filter(|&i| !values[i].is_nan()).collect();
        assert_eq!(measured, [10, 11, 30]);
        assert!((values[10] - 0.9).abs() < 1e-6 && values[10] == values[11] && values[30] == 0.5);
        assert!(warnings[0].ends_with("sites of fewer than 5 reads, left out: 1"), "{warnings:?}");
    }

    #[test]
    fn the_least_coverage_counts_both_strands() {
        let text = line(10, '+', 6, 100) + &line(11, '-', 4, 100) + &line(20, '+', 9, 0) + &line(30, '-', 1, 50);
        let measured = |min| read_of(min, &text).0.iter().filter(|v| !v.is_nan()).count();
        assert_eq!([1, 5, 10].map(measured), [4, 3, 2]);
        assert!(read_of(10, &text).1[0].ends_with("sites of fewer than 10 reads, left out: 2"));
    }

    #[test]
    fn neighbours_that_are_no_pair_stay_apart() {
        let (values, _) = read(&(line(10, '+', 8, 100) + &line(11, '+', 8, 0) + &line(13, '-', 8, 50)));
        assert_eq!((values[10], values[11], values[13]), (1.0, 0.0, 0.5));
        assert!(values[12].is_nan());
    }

    #[test]
    fn modkit_rows_of_other_modifications_are_counted() {
        let modkit = |start: u64, code: &str| {
            format!("chr1\t{start}\t{}\t{code}\t9\t+\t{start}\t{}\t255,0,0\t9 44.44 4 5 0 0 0 0 0\n", start + 1, start + 1)
        };
        let (values, warnings) = read(&(modkit(5, "h") + &modkit(5, "m")));
        assert!((values[5] - 0.4444).abs() < 1e-6);
        assert!(warnings[0].ends_with("lines of other modifications than 5mC, left out: 1"), "{warnings:?}");
        assert!(is_line(modkit(5, "m").trim_end().as_bytes()) && is_line(line(1, '+', 5, 50).trim_end().as_bytes()));
        assert!(!is_line(b"chr1\t1\t2\tx\t0\t+\t1\t2\t0,0,0\t1\t1,\t0,"));
    }
}
