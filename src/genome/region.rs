//! A stretch of one chromosome and the strand of a feature on it.

use std::fmt;
use std::sync::Arc;

/// The strand a feature is read from. A feature without one is `Option::<Strand>::None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strand {
    /// `+`: read from low to high positions.
    Forward,
    /// `-`: read from high to low positions.
    Reverse,
}

impl Strand {
    /// `+` or `-`; anything else (`.`, `?`) has no strand.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "+" => Some(Self::Forward),
            "-" => Some(Self::Reverse),
            _ => None,
        }
    }

    /// The character of BED, GTF and GFF.
    pub fn symbol(self) -> char {
        match self {
            Self::Forward => '+',
            Self::Reverse => '-',
        }
    }
}

impl fmt::Display for Strand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.symbol())
    }
}

/// A stretch of a chromosome, 0-based and half-open: `start..end`.
///
/// Shown 1-based and inclusive with thousands separators, as genome browsers do:
/// ```
/// use cislens::genome::Region;
/// assert_eq!(Region::new("chr1", 1_000, 2_000).to_string(), "chr1:1,001-2,000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// The chromosome's name as the genome (not a track) spells it.
    pub chrom: Arc<str>,
    /// First base, 0-based.
    pub start: u64,
    /// One past the last base.
    pub end: u64,
}

impl Region {
    /// A region; an `end` below `start` is taken as empty at `start`.
    pub fn new(chrom: impl Into<Arc<str>>, start: u64, end: u64) -> Self {
        Self { chrom: chrom.into(), start, end: end.max(start) }
    }

    /// Number of bases.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether the region holds no base.
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// The middle base (the right one of two).
    pub fn centre(&self) -> u64 {
        self.start + self.len() / 2
    }

    /// Whether the base at `position` (0-based) lies inside.
    pub fn contains(&self, position: u64) -> bool {
        (self.start..self.end).contains(&position)
    }

    /// Whether every base of `other` lies inside.
    pub fn covers(&self, other: &Self) -> bool {
        self.chrom == other.chrom && self.start <= other.start && other.end <= self.end
    }

    /// Whether the two share at least one base.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.chrom == other.chrom && self.start < other.end && other.start < self.end
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}-{}", self.chrom, thousands(self.start + 1), thousands(self.end))
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_positions_are_one_based_and_inclusive() {
        assert_eq!(Region::new("chr8", 128_743_314, 128_753_314).to_string(), "chr8:128,743,315-128,753,314");
        assert_eq!(Region::new("c", 0, 1).to_string(), "c:1-1");
    }

    #[test]
    fn neighbours_that_touch_do_not_overlap() {
        let (a, b) = (Region::new("c", 0, 10), Region::new("c", 10, 20));
        assert!(!a.overlaps(&b) && !b.overlaps(&a));
        assert!(a.overlaps(&Region::new("c", 9, 10)));
        assert!(!a.overlaps(&Region::new("d", 0, 10)));
    }
}
