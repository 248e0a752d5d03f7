//! Arcs between two places, as an enhancer and its gene: BEDPE, and UCSC's interact (BED of 5 columns and 13 more).

use super::bed::{is_heading, parse_colour};
use super::lines::{Line, clean, parse_position, parse_score, quote, read_records};
use super::{Feature, Features, Link, Loaded, TrackError};
use crate::genome::{ChromSizes, Region, Strand};
use std::path::Path;

/// Reads a BEDPE: two intervals of three columns, then name, score and two strands where there are any.
pub fn open_bedpe(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    read(path, genome, "a BEDPE pair (two intervals of 3 columns)", parse_bedpe)
}

/// Reads UCSC's interact as text.
pub fn open_interact(path: &Path, genome: &ChromSizes) -> Result<Loaded<Features>, TrackError> {
    read(path, genome, "an interact line (18 columns)", parse_interact)
}

type Pair = (String, (u64, u64), String, (u64, u64));

fn read(
    path: &Path,
    genome: &ChromSizes,
    kind: &str,
    parse: fn(&[u8]) -> Result<Arc, String>,
) -> Result<Loaded<Features>, TrackError> {
    let mut features = Vec::new();
    let warnings = read_records(path, kind, |line| {
        if is_heading(line) {
            return Ok(Line::Other);
        }
        features.extend(parse(line)?.features(genome));
        Ok(Line::Record)
    })?;
    Ok(Loaded { value: Features::new(features, genome), warnings })
}

/// A pair of places with what is said of it.
#[derive(Debug)]
pub(super) struct Arc {
    ends: Pair,
    feature: Feature,
}

impl Arc {
    /// One feature from the first end to the last, or one at each end where they lie on two chromosomes.
    pub(super) fn features(self, genome: &ChromSizes) -> Vec<(String, Feature)> {
        let (chrom, here, other, there) = self.ends;
        let region = |chrom: &str, (start, end)| {
            let name = genome.resolve(chrom).cloned().unwrap_or_else(|| chrom.into());
            Region::new(name, start, end)
        };
        let feature = |here: (u64, u64), there: Region, span: (u64, u64)| Feature {
            start: span.0,
            end: span.1,
            link: Some(Box::new(Link { here, there })),
            ..self.feature.clone()
        };
        if region(&chrom, here).chrom == region(&other, there).chrom {
            let (first, last) = if here <= there { (here, there) } else { (there, here) };
            let span = (first.0, first.1.max(last.1));
            return vec![(chrom.clone(), feature(first, region(&other, last), span))];
        }
        let at_first = feature(here, region(&other, there), here);
        let at_second = feature(there, region(&chrom, here), there);
        vec![(chrom, at_first), (other, at_second)]
    }
}

fn columns(line: &[u8]) -> Vec<&[u8]> {
    match memchr::memchr(b'\t', line) {
        Some(_) => line.split(|&b| b == b'\t').map(<[u8]>::trim_ascii).collect(),
        None => line.split(u8::is_ascii_whitespace).filter(|c| !c.is_empty()).collect(),
    }
}

/// The interval in three columns from `at`.
fn interval(columns: &[&[u8]], at: usize) -> Result<(String, (u64, u64)), String> {
    let [chrom, start, end] = columns[at..at + 3] else { return Err("three columns make an interval".to_owned()) };
    let position = |text| parse_position(text).ok_or_else(|| format!("{} is no position", quote(text)));
    let (start, end) = (position(start)?, position(end)?);
    if chrom.is_empty() || chrom == b"." {
        return Err("an end without a chromosome".to_owned());
    }
    if end < start {
        return Err(format!("the end {end} lies before the start {start}"));
    }
    Ok((clean(chrom), (start, end)))
}

fn name_of(text: Option<&&[u8]>) -> String {
    text.filter(|name| **name != b".").map(|name| clean(name)).unwrap_or_default()
}

pub(super) fn parse_bedpe(line: &[u8]) -> Result<Arc, String> {
    let columns = columns(line);
    if columns.len() < 6 {
        return Err(format!("{} columns where 6 are needed: {}", columns.len(), quote(line)));
    }
    let ((chrom, here), (other, there)) = (interval(&columns, 0)?, interval(&columns, 3)?);
    let name = name_of(columns.get(6));
    let strand = columns.get(8).and_then(|s| Strand::parse(std::str::from_utf8(s).ok()?));
    let score = columns.get(7).and_then(|text| parse_score(text));
    let genes = (!name.is_empty()).then(|| (name.clone(), score)).into_iter().collect();
    Ok(Arc { ends: (chrom, here, other, there), feature: Feature { name, score, strand, genes, ..Feature::default() } })
}

/// Columns as <https://genome.ucsc.edu/goldenPath/help/interact.html> has them.
pub(super) fn parse_interact(line: &[u8]) -> Result<Arc, String> {
    let columns = columns(line);
    if columns.len() != 18 {
        return Err(format!("{} columns where 18 are needed: {}", columns.len(), quote(line)));
    }
    interval(&columns, 0)?;
    let ((chrom, here), (other, there)) = (interval(&columns, 8)?, interval(&columns, 13)?);
    let (source, target) = (name_of(columns.get(11)), name_of(columns.get(16)));
    let name = match (name_of(columns.get(3)), source.is_empty() || target.is_empty()) {
        (name, true) if name.is_empty() => format!("{source}{target}"),
        (name, false) if name.is_empty() => format!("{source}-{target}"),
        (name, _) => name,
    };
    let score = parse_score(columns[5]);
    let genes = [target, source].into_iter().filter(|n| !n.is_empty()).map(|n| (n, score)).collect();
    let feature = Feature { name, score, genes, colour: parse_colour(columns[7]), ..Feature::default() };
    Ok(Arc { ends: (chrom, here, other, there), feature })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arc_joins_its_two_ends_whichever_comes_first() {
        let genome = ChromSizes::parse("chr1\t1000\nchr2\t1000").unwrap();
        let one = |line: &str| parse_bedpe(line.as_bytes()).unwrap().features(&genome);
        for line in ["1\t100\t150\t1\t700\t750\tMYC\t3.5\t+\t-", "1\t700\t750\t1\t100\t150\tMYC\t3.5\t+\t-"] {
            let features = one(line);
            let [(chrom, arc)] = &features[..] else { panic!("{features:?}") };
            let link = arc.link.as_ref().unwrap();
            assert_eq!((chrom.as_str(), arc.start, arc.end, link.here), ("1", 100, 750, (100, 150)));
            assert_eq!(link.there, Region::new("chr1", 700, 750));
            assert_eq!((arc.name.as_str(), arc.score), ("MYC", Some(3.5)));
        }
    }

    #[test]
    fn ends_on_two_chromosomes_are_seen_at_both() {
        let genome = ChromSizes::parse("chr1\t1000\nchr2\t1000").unwrap();
        let features = parse_bedpe(b"chr1 100 150 chr2 700 750").unwrap().features(&genome);
        let places: Vec<_> = features.iter().map(|(c, f)| (c.as_str(), f.start, f.end)).collect();
        assert_eq!(places, [("chr1", 100, 150), ("chr2", 700, 750)]);
        assert_eq!(features[1].1.link.as_ref().unwrap().there, Region::new("chr1", 100, 150));
    }

    #[test]
    fn interact_says_the_gene_and_the_colour() {
        let line = "chr3\t63702628\t63880091\t.\t350\t6\tGM\t#7A67EE\tchr3\t63702628\t63705638\tenh1\t.\tchr3\t63878608\t63880091\tPSMD6\t-";
        let features = parse_interact(line.as_bytes()).unwrap().features(&ChromSizes::default());
        let arc = &features[0].1;
        assert_eq!((arc.start, arc.end, arc.name.as_str(), arc.score), (63_702_628, 63_880_091, "enh1-PSMD6", Some(6.0)));
        assert_eq!((arc.colour, arc.genes[0].0.as_str()), (Some([0x7a, 0x67, 0xee]), "PSMD6"));
        for (line, reason) in [("a 1 2", "3 columns"), ("a 1 2 . -1 -1", "no position"), ("a 1 2 a 9 3", "lies before")] {
            assert!(parse_bedpe(line.as_bytes()).unwrap_err().contains(reason), "{line}");
        }
    }
}
