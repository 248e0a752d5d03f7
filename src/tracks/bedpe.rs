//! BEDPE: pairs of intervals, as chromatin loops are written.

use super::lines::{Line, clean, parse_position, quote, read_records};
use super::{Loaded, TrackError};
use crate::genome::{ChromSizes, Region};
use std::path::Path;

/// A pair of intervals that touch one another in the nucleus.
#[derive(Clone, Debug, PartialEq)]
pub struct Loop {
    /// The anchor with the lower position.
    pub first: Region,
    /// The other one, on the same chromosome.
    pub second: Region,
}

/// Reads the loops of a file (chrom1, start1, end1, chrom2, start2, end2 and any further columns); pairs of two chromosomes are left
/// out, and said in the warnings.
///
/// # Errors
/// Where the file cannot be read or no line of it is a pair.
pub fn read_loops(path: &Path, genome: &ChromSizes) -> Result<Loaded<Vec<Loop>>, TrackError> {
    let (mut loops, mut between) = (Vec::new(), 0);
    let mut warnings = read_records(path, "a BEDPE pair (two intervals)", |line| {
        if line[0] == b'#' || line.starts_with(b"chr1\tx1") {
            return Ok(Line::Other);
        }
        let columns: Vec<&[u8]> = line.split(|&b| b == b'\t').map(<[u8]>::trim_ascii).collect();
        if columns.len() < 6 {
            return Err(format!("{} columns where 6 are needed: {}", columns.len(), quote(line)));
        }
        let anchor = |at: usize| {
            let position = |text| parse_position(text).ok_or_else(|| format!("{} is no position", quote(text)));
            let (start, end) = (position(columns[at + 1])?, position(columns[at + 2])?);
            let name = clean(columns[at]);
            let chrom = genome.resolve(&name).cloned().unwrap_or_else(|| name.into());
            if end > start { Ok(Region::new(chrom, start, end)) } else { Err(format!("the end {end} does not lie behind the start")) }
        };
        let (a, b) = (anchor(0)?, anchor(3)?);
        if a.chrom == b.chrom {
            let (first, second) = if a.start <= b.start { (a, b) } else { (b, a) };
            loops.push(Loop { first, second });
        } else {
            between += 1;
        }
        Ok(Line::Record)
    })?;
    if between > 0 {
        warnings.push(format!("{}: pairs of two chromosomes, left out: {between}", path.display()));
    }
    Ok(Loaded { value: loops, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_come_in_order_and_what_is_no_pair_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.bedpe");
        let text = "#chrom1\tstart1\nchr1\t900\t950\t1\t100\t150\tname\nchr1\t1\t5\tchr2\t1\t5\nchr1\t9\n";
        std::fs::write(&path, text).unwrap();
        let mut genome = ChromSizes::default();
        genome.push("chr1", 1_000);
        let Loaded { value, warnings } = read_loops(&path, &genome).unwrap();
        assert_eq!(value, [Loop { first: Region::new("chr1", 100, 150), second: Region::new("chr1", 900, 950) }]);
        assert!(warnings[0].contains("1 columns where 6") && warnings[1].ends_with("left out: 1"), "{warnings:?}");
        std::fs::write(&path, "").unwrap();
        assert!(read_loops(&path, &genome).is_err());
    }
}
