//! Writes bedGraph and BED: 0-based half-open lines under a header of comments.

use super::{SignalInterval, TrackError, clean_text, write_whole};
use crate::genome::Strand;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Writes values as bedGraph, chromosome by chromosome in the order given. `header` becomes lines of comments.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_bedgraph(path: &Path, header: &[String], signal: &[(Arc<str>, Vec<SignalInterval>)]) -> Result<(), TrackError> {
    let lines = signal
        .iter()
        .flat_map(|(chrom, intervals)| intervals.iter().map(move |i| format!("{chrom}\t{}\t{}\t{}\n", i.start, i.end, i.value)));
    write_lines(path, header, lines)
}

/// Writes lines of BED (as [`bed_line`] and [`bed12_line`] make them). `header` becomes lines of comments.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_bed(path: &Path, header: &[String], lines: &[String]) -> Result<(), TrackError> {
    write_lines(path, header, lines.iter().cloned())
}

fn write_lines(path: &Path, header: &[String], lines: impl Iterator<Item = String>) -> Result<(), TrackError> {
    let io = |e| TrackError::io(path, e);
    write_whole(path, |out| {
        for line in header {
            writeln!(out, "# {}", clean_text(line)).map_err(io)?;
        }
        for line in lines {
            out.write_all(line.as_bytes()).map_err(io)?;
        }
        Ok(())
    })
}

/// A name as a field: BED parts fields by tabs and has none that is empty.
fn field(name: &str) -> String {
    let name = clean_text(name).trim().to_owned();
    if name.is_empty() { ".".to_owned() } else { name }
}

/// A BED6 line, with its newline.
pub fn bed_line(chrom: &str, (start, end): (u64, u64), name: &str, strand: Option<Strand>) -> String {
    let strand = strand.map_or('.', Strand::symbol);
    format!("{chrom}\t{start}\t{end}\t{}\t0\t{strand}\n", field(name))
}

/// A BED12 line of a transcript, with its newline: its coding part thick, a block an exon.
pub fn bed12_line(
    chrom: &str,
    (start, end): (u64, u64),
    name: &str,
    strand: Strand,
    cds: Option<(u64, u64)>,
    exons: &[(u64, u64)],
) -> String {
    let (thick_start, thick_end) = cds.unwrap_or((start, start));
    let mut exons = exons.to_vec();
    exons.sort_unstable();
    let (mut sizes, mut starts) = (String::new(), String::new());
    for (from, to) in &exons {
        let _ = write!(sizes, "{},", to - from);
        let _ = write!(starts, "{},", from.saturating_sub(start));
    }
    let (n, strand) = (exons.len(), strand.symbol());
    format!("{chrom}\t{start}\t{end}\t{}\t0\t{strand}\t{thick_start}\t{thick_end}\t0\t{n}\t{sizes}\t{starts}\n", field(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::ChromSizes;
    use crate::tracks::{Track, open};

    #[test]
    fn our_reader_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bed");
        let lines = [
            bed_line("c", (5, 10), "a b\tc\n", Some(Strand::Reverse)),
            bed12_line("c", (20, 90), "MYC", Strand::Forward, Some((30, 80)), &[(60, 90), (20, 40)]),
        ];
        write_bed(&path, &["made by a\nb".to_owned()], &lines).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.lines().next().unwrap().starts_with("# made by a") && text.lines().count() == 3, "{text}");
        assert!(text.contains("c\t20\t90\tMYC\t0\t+\t30\t80\t0\t2\t20,30,\t0,40,\n"), "{text}");
        let loaded = open(&path, None, &ChromSizes::parse("c\t100").unwrap()).unwrap();
        let Track::Features(features) = loaded.value else { panic!("intervals") };
        let read: Vec<_> =
            features.overlapping(&crate::genome::Region::new("c", 0, 100)).map(|f| (f.start, f.end, f.strand, f.thick)).collect();
        assert_eq!(read, [(5, 10, Some(Strand::Reverse), None), (20, 90, Some(Strand::Forward), Some((30, 80)))]);
    }

    #[test]
    fn values_are_written_so_that_they_are_read_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bedGraph");
        let value = 0.1_f32 + 0.2;
        let intervals = vec![SignalInterval { start: 0, end: 7, value }, SignalInterval { start: 9, end: 10, value: -1e-20 }];
        write_bedgraph(&path, &[], &[("c".into(), intervals)]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
        assert_eq!(lines[0][..3], ["c", "0", "7"]);
        assert_eq!((lines[0][3].parse::<f32>().unwrap(), lines[1][3].parse::<f32>().unwrap()), (value, -1e-20));
    }
}
