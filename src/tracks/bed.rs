//! BED of 3 to 12 columns, and the peak files that add columns to it.
//!
//! Columns are separated by tabs or, where a line has none, by spaces, as EPD's files are. What a line's further columns mean
//! depends on their number: 7 and 8 are the thick part where they lie in the feature (in a broadPeak they are a signal and a p
//! value), 10 columns are a narrowPeak with its summit. A sixth and last column that is no strand is what ENCODE's registry says an
//! element is (a cCRE's `pELS`), with the accession of the region and that of the element where BED has name and score.

use super::lines::{Line, clean, parse_position, parse_score, quote, read_records};
use super::{Feature, Features, Loaded, TrackError};
use crate::genome::{ChromSizes, Strand};
use std::path::Path;

/// Reads a BED of any number of columns.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    read(path, genome, 3, "a BED interval (chromosome, start, end)")
}

/// Reads ENCODE's narrowPeak: ten columns, the last the summit's distance from the start.
pub fn open_narrow_peak(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    read(path, genome, 10, "a narrowPeak (10 columns)")
}

/// Reads ENCODE's broadPeak: nine columns.
pub fn open_broad_peak(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    read(path, genome, 9, "a broadPeak (9 columns)")
}

fn read(path: &Path, genome: &ChromSizes, columns: usize, kind: &str) -> Result<Loaded<Features>, TrackError> {
    let mut features = Vec::new();
    let warnings = read_records(path, kind, |line| {
        if is_heading(line) {
            return Ok(Line::Other);
        }
        features.push(parse_line(line, columns)?);
        Ok(Line::Record)
    })?;
    Ok(Loaded { value: Features::new(features, genome), warnings })
}

/// Comments and what a genome browser reads as settings.
pub(super) fn is_heading(line: &[u8]) -> bool {
    let is_word = |word: &[u8]| line.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace));
    line[0] == b'#' || is_word(b"track") || is_word(b"browser")
}

/// The chromosome and the feature of a line.
pub(super) fn parse_line(line: &[u8], least: usize) -> Result<(String, Feature), String> {
    let mut columns = [&b""[..]; 12];
    let mut count = 0;
    let mut take = |column| {
        if let Some(place) = columns.get_mut(count) {
            *place = column;
        }
        count += 1;
    };
    match memchr::memchr(b'\t', line) {
        Some(_) => line.split(|&b| b == b'\t').map(<[u8]>::trim_ascii).for_each(&mut take),
        None => line.split(u8::is_ascii_whitespace).filter(|c| !c.is_empty()).for_each(&mut take),
    }
    if count < least {
        return Err(format!("{count} columns where {least} are needed: {}", quote(line)));
    }
    let [chrom, start, end, name, score, strand, seventh, eighth, ninth, tenth, sizes, starts] = columns;
    let position = |text| parse_position(text).ok_or_else(|| format!("{} is no position", quote(text)));
    let (start, end) = (position(start)?, position(end)?);
    if end < start {
        return Err(format!("the end {end} lies before the start {start}"));
    }
    if chrom.is_empty() {
        return Err("no chromosome".to_owned());
    }
    let thick = parse_position(seventh).zip(parse_position(eighth));
    let summit = if count == 10 { parse_position(tenth).map(|offset| start + offset) } else { None };
    let parsed_strand = std::str::from_utf8(strand).ok().and_then(Strand::parse);
    let is_class = count == 6 && parsed_strand.is_none() && strand.first().is_some_and(u8::is_ascii_alphabetic);
    let feature = Feature {
        start,
        end,
        name: match is_class {
            true => format!("{} {}", clean(strand), clean(score)),
            false if name == b"." => String::new(),
            false => clean(name),
        },
        score: parse_score(score),
        strand: parsed_strand,
        thick: thick.filter(|&(from, to)| count != 10 && start <= from && from < to && to <= end),
        summit: summit.filter(|&summit| summit < end),
        colour: if count == 10 { None } else { parse_colour(ninth) },
        blocks: if count == 12 { parse_blocks(sizes, starts, (start, end)) } else { Vec::new() },
        ..Feature::default()
    };
    Ok((clean(chrom), feature))
}

/// The blocks of a BED12, from their sizes and their distances from the start. One block is the feature itself, and so is what does
/// not lie in it in order.
fn parse_blocks(sizes: &[u8], starts: &[u8], (start, end): (u64, u64)) -> Vec<(u64, u64)> {
    let numbers = |text: &[u8]| -> Option<Vec<u64>> {
        text.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|n| !n.is_empty()).map(parse_position).collect()
    };
    let (Some(sizes), Some(starts)) = (numbers(sizes), numbers(starts)) else { return Vec::new() };
    let blocks: Vec<(u64, u64)> = starts.iter().zip(&sizes).map(|(at, size)| (start + at, start + at + size)).collect();
    let is_sound = sizes.len() == starts.len() && blocks.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    let is_inside = blocks.last().is_some_and(|last| last.1 <= end) && blocks.iter().all(|(a, b)| a < b);
    if is_sound && is_inside && blocks.len() > 1 { blocks } else { Vec::new() }
}

/// `255,69,0` or `#ff4500`. Black as `0` is BED's way to say nothing, and so is `.`.
pub(super) fn parse_colour(text: &[u8]) -> Option<[u8; 3]> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(hex) = text.strip_prefix('#').filter(|hex| hex.len() == 6) {
        let number = u32::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+'))?;
        return Some([(number >> 16) as u8, (number >> 8) as u8, number as u8]);
    }
    let mut parts = text.trim_end_matches(',').split(',').map(|part| part.trim().parse::<u8>().ok());
    let colour = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(colour)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Region;
    use std::io::Write;

    fn parse(line: &str) -> Result<(String, Feature), String> {
        parse_line(line.as_bytes(), 3)
    }

    fn written(text: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn epd_lines_have_spaces_and_a_thick_part_from_the_tss() {
        let (chrom, feature) = parse("chr1 959245 959305 NOC2L_1 900 - 959245 959256").unwrap();
        assert_eq!(chrom, "chr1");
        assert_eq!((feature.start, feature.end, feature.name.as_str()), (959_245, 959_305, "NOC2L_1"));
        assert_eq!((feature.score, feature.strand), (Some(900.0), Some(Strand::Reverse)));
        assert_eq!(feature.thick, Some((959_245, 959_256)));
    }

    #[test]
    fn a_candidate_element_of_encode_has_its_class_and_accession_for_a_name() {
        let (_, feature) = parse("chr1\t181251\t181601\tEH38D4327497\tEH38E2776516\tpELS,CTCF-bound").unwrap();
        assert_eq!((feature.name.as_str(), feature.score, feature.strand), ("pELS,CTCF-bound EH38E2776516", None, None));
        let (_, feature) = parse("chr1 1 2 name 5 .").unwrap();
        assert_eq!((feature.name.as_str(), feature.score), ("name", Some(5.0)));
    }

    #[test]
    fn a_broad_peak_has_no_thick_part() {
        let (_, feature) = parse("chr6\t31126946\t31127607\t.\t562\t.\t13.920298\t15.7\t-1").unwrap();
        assert_eq!((feature.thick, feature.summit, feature.name.as_str()), (None, None, ""));
        assert_eq!(parse("c\t100\t200\tp\t1\t.\t10\t20\t-1").unwrap().1.thick, None);
    }

    #[test]
    fn a_states_colour_is_the_files() {
        let colour = |ninth: &str| parse(&format!("c\t0\t200\t1_TssA\t0\t.\t0\t200\t{ninth}")).unwrap().1.colour;
        assert_eq!(colour("255,69,0"), Some([255, 69, 0]));
        assert_eq!(colour("#ff4500"), Some([255, 69, 0]));
        for nothing in ["0", ".", "1,2", "256,0,0", "#ff", "1,2,3,4", "#+12345"] {
            assert_eq!(colour(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn blocks_are_places_and_what_is_no_block_is_left_out() {
        let blocks = |sizes: &str, starts: &str| {
            let line = format!("c\t100\t200\tt\t0\t+\t110\t190\t0\t2\t{sizes}\t{starts}");
            parse(&line).unwrap().1.blocks
        };
        assert_eq!(blocks("10,20,", "0,80,"), [(100, 110), (180, 200)]);
        assert_eq!(blocks("10,20", "0,80"), [(100, 110), (180, 200)]);
        for (sizes, starts) in
            [("100", "0"), ("10,20", "0"), ("10,30", "0,80"), ("20,20", "0,10"), ("0,10", "0,90"), ("x,1", "0,9"), ("", "")]
        {
            assert!(blocks(sizes, starts).is_empty(), "{sizes} {starts}");
        }
    }

    #[test]
    fn a_narrow_peaks_summit_is_a_position() {
        let feature = |tenth: &str| parse(&format!("c\t100\t200\tp\t0\t.\t110\t120\t-1\t{tenth}")).unwrap().1;
        assert_eq!((feature("30").summit, feature("30").anchor(), feature("30").thick), (Some(130), 130, None));
        assert_eq!((feature("-1").summit, feature("-1").anchor()), (None, 150));
        assert_eq!(feature("100").summit, None);
    }

    #[test]
    fn names_with_spaces_stay_whole_between_tabs() {
        assert_eq!(parse("c\t1\t2\tactive TSS\t\t+").unwrap().1.name, "active TSS");
        assert_eq!(parse("c\t1\t2\tx\x1b]0;y\x07").unwrap().1.name, "x]0;y");
    }

    #[test]
    fn wild_lines_are_counted_and_the_first_is_named() {
        let text = "\u{feff}track name=x\r\nbrowser position\n#c\n\nchr1\t5\t9\ta\r\nchr1\t9\t5\nchr1\tx\t5\nchr1\nchr1 2 3";
        let file = written(text.as_bytes());
        let loaded = open(file.path(), &ChromSizes::default()).unwrap();
        let starts: Vec<u64> = loaded.value.overlapping(&Region::new("chr1", 0, 100)).map(|f| f.start).collect();
        assert_eq!(starts, [2, 5]);
        let expected = format!("{}: 3 lines skipped, first at line 6: the end 5 lies before the start 9", file.path().display());
        assert_eq!(loaded.warnings, [expected]);
    }

    #[test]
    fn a_file_without_one_interval_is_an_error() {
        for (text, part) in [
            (&b""[..], "line 1: the file is empty"),
            (b"# only a comment\n", "no line of the file is a BED interval"),
            (b"chr1 one two\n", "line 1: \"one\" is no position; no line"),
            (b"\x00\x01\x02\xff\n\x07\n", "line 1: 1 columns where 3 are needed"),
        ] {
            let file = written(text);
            let error = open(file.path(), &ChromSizes::default()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(file.path().to_str().unwrap()), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        let file = written(b"chr1\t1\t2\n");
        assert!(open_narrow_peak(file.path(), &ChromSizes::default()).unwrap_err().to_string().contains("3 columns where 10"));
    }
}
