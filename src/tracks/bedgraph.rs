//! bedGraph: four columns, an interval and its value.

use super::bed::is_heading;
use super::interval_signal::{IntervalSignal, IntervalWriter};
use super::lines::{Line, parse_position, parse_score, quote, stream_records};
use super::{Loaded, TrackError};
use crate::genome::ChromSizes;
use std::path::Path;

/// Reads a bedGraph, plain, gzip or bgzip.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<IntervalSignal>, TrackError> {
    let mut writer = IntervalWriter::new();
    let warnings = stream_records(path, "a bedGraph line (chromosome, start, end, value)", |line| {
        if is_heading(line) {
            return Ok(Line::Other);
        }
        read_line(line, &mut writer)
    })?;
    writer.finish(path, genome, warnings)
}

/// Hands an interval on. One whose value is no number (`NA`, `nan`, `.`) was not measured.
pub(super) fn read_line(line: &[u8], writer: &mut IntervalWriter) -> Result<Line, String> {
    let (chrom, start, end, value) = parse_line(line)?;
    if writer.is_hopeless() {
        return Ok(Line::End);
    }
    match value {
        Some(value) => writer.push(chrom, start, end, value).map(|()| Line::Record),
        None => Ok(Line::Other),
    }
}

/// Chromosome, start, end and value of a line.
type Interval<'a> = (&'a [u8], u64, u64, Option<f32>);

/// The interval of a line.
pub(super) fn parse_line(line: &[u8]) -> Result<Interval<'_>, String> {
    let mut columns = line.split(|b| b.is_ascii_whitespace()).filter(|c| !c.is_empty());
    let mut column = || columns.next().ok_or_else(|| format!("fewer than 4 columns: {}", quote(line)));
    let (chrom, start, end, value) = (column()?, column()?, column()?, column()?);
    let position = |text| parse_position(text).ok_or_else(|| format!("{} is no position", quote(text)));
    let is_missing = value == b"." || [&b"nan"[..], b"na", b"null"].iter().any(|m| value.eq_ignore_ascii_case(m));
    let number = if is_missing { None } else { Some(parse_score(value).ok_or_else(|| format!("{} is no value", quote(value)))?) };
    Ok((chrom, position(start)?, position(end)?, number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use crate::tracks::SignalReader;
    use std::io::Write;

    #[test]
    fn gaps_are_gaps_and_wild_lines_are_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"track type=bedGraph\n#c\nchr1\t0\t2\t1.5\nchr1 4 5 -2\nchr1\t5\t6\tNA\nchr1\t4\t9\t1\nchr1\t9\t8\t1\nchr1\t9\t10\tx\nchr1 9\n").unwrap();
        let mut loaded = open(file.path(), &ChromSizes::default()).unwrap();
        let values = loaded.value.values(&Region::new("chr1", 0, 7)).unwrap();
        assert_eq!((values[0], values[1], values[4]), (1.5, 1.5, -2.0));
        assert!([2, 3, 5, 6].iter().all(|&i: &usize| values[i].is_nan()));
        assert!(
            loaded.warnings[0].contains("4 lines skipped, first at line 6: the interval from 4 lies in"),
            "{:?}",
            loaded.warnings
        );
    }
}
