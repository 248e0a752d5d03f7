//! What a person types to go somewhere: a region, a position, a chromosome or a name.

use super::{ChromSizes, Region};
use std::sync::Arc;

/// Why a typed locus leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocusError {
    /// Nothing typed.
    #[error("type a gene, chr1:1,001-2,000, chr1:5000 or chr1")]
    Empty,
    /// The chromosome is not in the genome.
    #[error("no chromosome \"{chrom}\"; the genome has {known}")]
    UnknownChrom {
        /// As typed.
        chrom: String,
        /// Names there are, in short.
        known: String,
    },
    /// Positions start at 1 and end at the chromosome's length.
    #[error("{chrom} has positions 1 to {len}, not {position}")]
    Outside {
        /// Chromosome.
        chrom: String,
        /// Its length.
        len: u64,
        /// The position asked for, 1-based.
        position: u64,
    },
    /// The first position is beyond the last.
    #[error("the region ends ({end}) before it starts ({start})")]
    Backwards {
        /// 1-based first position.
        start: u64,
        /// 1-based last position.
        end: u64,
    },
}

/// A typed locus, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locus {
    /// A stretch, 0-based half-open.
    Region(Region),
    /// One base (0-based): centre it, keep the zoom.
    Position(Arc<str>, u64),
    /// Something that is not a place: a gene's name to look up.
    Name(String),
}

impl Locus {
    /// As [`Self::parse`], with the forms that start from where one is: `34M-35M` and `128.7M` on the same chromosome, `+10k` and
    /// `-2.5M` as steps.
    pub fn parse_from(text: &str, chroms: &ChromSizes, here: &Region) -> Result<Self, LocusError> {
        let text = text.trim();
        let step = text.strip_prefix('+').map(|t| (t, true));
        let step = step.or_else(|| text.strip_prefix(['-', '\u{2212}']).map(|t| (t, false)));
        if let Some((bases, forward)) = step.and_then(|(t, forward)| Some((parse_position(t)?, forward))) {
            let last = chroms.len_of(&here.chrom).unwrap_or(here.end).saturating_sub(here.len());
            let start = if forward { here.start.saturating_add(bases).min(last) } else { here.start.saturating_sub(bases) };
            return Ok(Self::Region(Region::new(here.chrom.clone(), start, start + here.len())));
        }
        // `8` may be a chromosome; `34M-35M` cannot.
        if chroms.resolve(text).is_none() && parse_span(text).is_some() {
            return Self::parse(&format!("{}:{text}", here.chrom), chroms);
        }
        Self::parse(text, chroms)
    }

    /// Understands `chr8:128,743,315-128,753,314`, `8:128743315`, `chr8:128.7M`, `chr8:500k-1M` and `chr8` (1-based, inclusive).
    /// Text that names no chromosome and has no `:` is a name.
    pub fn parse(text: &str, chroms: &ChromSizes) -> Result<Self, LocusError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(LocusError::Empty);
        }
        // A gene symbol may hold a colon or a dash: only text whose tail is positions is a place.
        let place = text
            .rsplit_once(':')
            .or_else(|| text.split_once([' ', '\t']))
            .and_then(|(chrom, span)| Some((chrom.trim(), parse_span(span)?)));
        let Some((chrom, (start, end))) = place else {
            return Ok(match chroms.resolve(text) {
                Some(chrom) => Self::Region(Region::new(chrom.clone(), 0, chroms.len_of(chrom).unwrap_or(1))),
                None => Self::Name(text.to_owned()),
            });
        };
        let Some(name) = chroms.resolve(chrom) else {
            return Err(LocusError::UnknownChrom { chrom: chrom.to_owned(), known: chroms.names_in_short() });
        };
        let len = chroms.len_of(name).unwrap_or(0);
        if start == 0 || start > len {
            return Err(LocusError::Outside { chrom: name.to_string(), len, position: start });
        }
        let Some(end) = end else {
            return Ok(Self::Position(name.clone(), start - 1));
        };
        if end < start {
            return Err(LocusError::Backwards { start, end });
        }
        Ok(Self::Region(Region::new(name.clone(), start - 1, end.min(len))))
    }
}

fn parse_span(span: &str) -> Option<(u64, Option<u64>)> {
    let span = span.trim();
    let ends = span.split_once("..").or_else(|| span.split_once(['-', '\u{2013}'])).or_else(|| span.split_once([' ', '\t']));
    match ends {
        Some((start, end)) => Some((parse_position(start)?, Some(parse_position(end)?))),
        None => Some((parse_position(span)?, None)),
    }
}

/// `1,234`, `1.5k`, `128.7M`, `2Mb`.
fn parse_position(text: &str) -> Option<u64> {
    let text = text.trim().replace([',', '_'], "");
    let text = text.strip_suffix("bp").or_else(|| text.strip_suffix('b')).unwrap_or(&text);
    let (number, unit) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 1_000),
        'm' | 'M' => (&text[..text.len() - 1], 1_000_000),
        'g' | 'G' => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    if unit == 1 {
        return number.parse().ok();
    }
    let value = number.parse::<f64>().ok().filter(|v| (0.0..1e12).contains(v))?;
    Some((value * f64::from(unit)).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Locus, LocusError> {
        Locus::parse(text, &ChromSizes::parse("chr1\t10000\nchr8\t146364022\n").unwrap())
    }

    #[test]
    fn forms_people_type() {
        let region = |start, end| Ok(Locus::Region(Region::new("chr8", start, end)));
        assert_eq!(parse("chr8:128,743,315-128,753,314"), region(128_743_314, 128_753_314));
        assert_eq!(parse(" 8:1-10 "), region(0, 10));
        assert_eq!(parse("chr8 1 - 10"), region(0, 10));
        assert_eq!(parse("chr8:1.5M-2Mb"), region(1_499_999, 2_000_000));
        assert_eq!(parse("chr8:500"), Ok(Locus::Position("chr8".into(), 499)));
        assert_eq!(parse("chr1"), Ok(Locus::Region(Region::new("chr1", 0, 10_000))));
        assert_eq!(parse("MYC"), Ok(Locus::Name("MYC".into())));
        assert_eq!(parse("HLA-A"), Ok(Locus::Name("HLA-A".into())));
        assert_eq!(parse("chr1:9,999-20,000"), Ok(Locus::Region(Region::new("chr1", 9_998, 10_000))));
    }

    #[test]
    fn forms_that_start_from_here() {
        let chroms = ChromSizes::parse("chr1\t10000\nchr8\t146364022\n").unwrap();
        let here = Region::new("chr8", 1_000_000, 1_010_000);
        let from_here = |text| Locus::parse_from(text, &chroms, &here);
        let region = |chrom, start, end| Ok(Locus::Region(Region::new(chrom, start, end)));
        assert_eq!(from_here("34M-35M"), region("chr8", 33_999_999, 35_000_000));
        assert_eq!(from_here("1.5Mb-2Mb"), region("chr8", 1_499_999, 2_000_000));
        assert_eq!(from_here("128.7M"), Ok(Locus::Position("chr8".into(), 128_699_999)));
        assert_eq!(from_here("128,740,000-128,760,000"), region("chr8", 128_739_999, 128_760_000));
        assert_eq!(from_here("+10k"), region("chr8", 1_010_000, 1_020_000));
        assert_eq!(from_here("-2.5M"), region("chr8", 0, 10_000), "a step ends at the chromosome's end");
        assert_eq!(from_here("+200M"), region("chr8", 146_354_022, 146_364_022));
        assert_eq!(from_here("1"), region("chr1", 0, 10_000), "a number that is a chromosome's name is one");
        assert_eq!(from_here("HLA-A"), Ok(Locus::Name("HLA-A".into())));
        assert_eq!(from_here("7SK"), Ok(Locus::Name("7SK".into())));
        assert!(matches!(from_here("200M"), Err(LocusError::Outside { .. })));
        assert_eq!(parse("chr8:100..200"), region("chr8", 99, 200));
        assert_eq!(parse("chr8\t100\t200"), region("chr8", 99, 200));
    }

    #[test]
    fn places_that_do_not_exist_are_explained() {
        assert_eq!(parse("chr9:1-2").unwrap_err().to_string(), "no chromosome \"chr9\"; the genome has chr1, chr8");
        assert_eq!(parse("chr1:0-5").unwrap_err().to_string(), "chr1 has positions 1 to 10000, not 0");
        assert!(matches!(parse("chr1:20-10"), Err(LocusError::Backwards { start: 20, end: 10 })));
        assert!(matches!(parse("chr1:10001"), Err(LocusError::Outside { .. })));
        assert!(parse("").is_err());
        assert_eq!(parse("chr1:99999999999999999999"), Ok(Locus::Name("chr1:99999999999999999999".into())));
    }
}
