//! wig: values in fixed or variable steps, positions counted from 1; also the bedGraph lines that UCSC allows among them.

use super::bed::is_heading;
use super::bedgraph;
use super::interval_signal::{IntervalSignal, IntervalWriter};
use super::lines::{Line, parse_position, parse_score, quote, stream_records};
use super::{Loaded, TrackError};
use crate::genome::ChromSizes;
use std::path::Path;

/// What the values that follow mean.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// No declaration, or one that could not be read: its values belong nowhere.
    None,
    /// One value a line, `step` bases apart, each of `span` bases.
    Fixed { chrom: Vec<u8>, next: u64, step: u64, span: u64 },
    /// A position and a value a line.
    Variable { chrom: Vec<u8>, span: u64 },
}

/// Reads a wig, plain, gzip or bgzip.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<IntervalSignal>, TrackError> {
    let (mut writer, mut step) = (IntervalWriter::new(), Step::None);
    let warnings = stream_records(path, "a value of a wig", |line| {
        if is_heading(line) {
            return Ok(Line::Other);
        }
        if line.starts_with(b"fixedStep") || line.starts_with(b"variableStep") {
            step = Step::None;
            step = declaration(line)?;
            return Ok(Line::Other);
        }
        if writer.is_hopeless() {
            return Ok(Line::End);
        }
        read_values(line, &mut step, &mut writer)
    })?;
    writer.finish(path, genome, warnings)
}

fn read_values(line: &[u8], step: &mut Step, writer: &mut IntervalWriter) -> Result<Line, String> {
    let columns: Vec<&[u8]> = line.split(|b| b.is_ascii_whitespace()).filter(|c| !c.is_empty()).take(5).collect();
    let value = |text: &[u8]| match text.eq_ignore_ascii_case(b"nan") {
        true => Ok(None),
        false => parse_score(text).map(Some).ok_or_else(|| format!("{} is no value", quote(text))),
    };
    let (chrom, start, span, value) = match (step, &columns[..]) {
        (Step::Fixed { chrom, next, step, span }, [text]) => {
            let start = *next;
            *next += *step; // a wild value keeps its place
            (&*chrom, start, *span, value(text)?)
        }
        (Step::Variable { chrom, span }, [position, text]) => {
            let position = parse_position(position).filter(|&p| p > 0);
            let start = position.ok_or_else(|| format!("{} is no position", quote(columns[0])))? - 1;
            (&*chrom, start, *span, value(text)?)
        }
        (_, [_, _, _, _]) => return bedgraph::read_line(line, writer),
        (Step::None, _) => return Err("a value before fixedStep or variableStep".to_owned()),
        (Step::Fixed { .. }, _) => return Err(format!("one value a line in fixed steps, not {}", quote(line))),
        (Step::Variable { .. }, _) => {
            return Err(format!("a position and a value a line in variable steps, not {}", quote(line)));
        }
    };
    match value {
        Some(value) => writer.push(chrom, start, start + span, value).map(|()| Line::Record),
        None => Ok(Line::Other),
    }
}

fn declaration(line: &[u8]) -> Result<Step, String> {
    let is_fixed = line.starts_with(b"fixedStep");
    let (mut chrom, mut start, mut step, mut span) = (Vec::new(), None, 1, 1);
    for word in line.split(|b| b.is_ascii_whitespace()).skip(1).filter(|w| !w.is_empty()) {
        let at = memchr::memchr(b'=', word).ok_or_else(|| format!("{} is no setting", quote(word)))?;
        let (key, text) = (&word[..at], &word[at + 1..]);
        let number = || parse_position(text).filter(|&n| n > 0).ok_or_else(|| format!("{} is no number above 0", quote(word)));
        match key {
            b"chrom" => chrom = text.to_vec(),
            b"start" => start = Some(number()?),
            b"step" => step = number()?,
            b"span" => span = number()?,
            _ => return Err(format!("{} is no setting of a wig", quote(key))),
        }
    }
    if chrom.is_empty() {
        return Err(format!("no chrom= in {}", quote(line)));
    }
    match (is_fixed, start) {
        (false, _) => Ok(Step::Variable { chrom, span }),
        (true, None) => Err(format!("no start= in {}", quote(line))),
        (true, Some(_)) if span > step => Err(format!("values of {span} bases every {step} overlap")),
        (true, Some(start)) => Ok(Step::Fixed { chrom, next: start - 1, step, span }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use crate::tracks::SignalReader;
    use std::io::Write;

    fn values(text: &str, chrom: &str, n: u64) -> (Vec<f32>, Vec<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut loaded = open(file.path(), &ChromSizes::default()).unwrap();
        (loaded.value.values(&Region::new(chrom, 0, n)).unwrap(), loaded.warnings)
    }

    /// The values of <https://genome.ucsc.edu/goldenPath/help/wiggle.html>.
    #[test]
    fn the_examples_of_the_specification() {
        let (all, warnings) =
            values("variableStep chrom=chr2\n11 12.5\n12 12.5\nvariableStep chrom=chr2 span=3\n21 4\n", "chr2", 25);
        assert!(warnings.is_empty());
        let measured: Vec<usize> = (0..25).filter(|&i| !all[i].is_nan()).collect();
        assert_eq!(measured, [10, 11, 20, 21, 22]);
        let (all, _) = values("fixedStep chrom=chr3 start=11 step=10 span=5\n1\n2.5\nnan\n-4\n", "chr3", 50);
        let measured: Vec<usize> = (0..50).filter(|&i| !all[i].is_nan()).collect();
        assert_eq!(measured, [10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 40, 41, 42, 43, 44]);
        assert_eq!((all[14], all[24], all[40]), (1.0, 2.5, -4.0));
    }

    #[test]
    fn values_of_a_declaration_that_is_wrong_belong_nowhere() {
        let (all, warnings) = values("fixedStep chrom=c start=1\n1\nfixedStep chrom=c begin=5\n9\n9\nc 7 8 3\n", "c", 10);
        let measured: Vec<usize> = (0..10).filter(|&i| !all[i].is_nan()).collect();
        assert_eq!((measured, all[7]), (vec![0, 7], 3.0));
        assert!(warnings[0].contains("3 lines skipped, first at line 3: \"begin\" is no setting of a wig"), "{warnings:?}");
    }
}
