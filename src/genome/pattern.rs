//! Sequence patterns in IUPAC letters, found on both strands.

use super::{Strand, complement};
use std::fmt;

/// Letters with the bases they stand for (A 1, C 2, G 4, T 8). NC-IUB, Nucleic Acids Res. 13:3021 (1985).
const IUPAC: [(u8, u8); 16] = [
    (b'A', 1),
    (b'C', 2),
    (b'G', 4),
    (b'T', 8),
    (b'U', 8),
    (b'R', 5),
    (b'Y', 10),
    (b'S', 6),
    (b'W', 9),
    (b'K', 12),
    (b'M', 3),
    (b'B', 14),
    (b'D', 13),
    (b'H', 11),
    (b'V', 7),
    (b'N', 15),
];

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A letter that stands for no base.
    #[error("'{0}' is no IUPAC letter (ACGT, RYSWKM, BDHV, N)")]
    Letter(char),
    /// Nothing, too much, or only N.
    #[error("a pattern has 2 to 1,000 letters, not all of them N")]
    Size,
}

/// A short sequence with ambiguous letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    letters: String,
    forward: Vec<u8>,
    reverse: Vec<u8>,
}

impl Pattern {
    /// Reads IUPAC letters, any case.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let letters = text.trim().to_ascii_uppercase();
        let mut forward = Vec::with_capacity(letters.len());
        for letter in letters.chars() {
            let bases = u8::try_from(letter).ok().and_then(|l| IUPAC.iter().find(|(known, _)| *known == l));
            forward.push(bases.ok_or(PatternError::Letter(letter))?.1);
        }
        if !(2..=1_000).contains(&forward.len()) || forward.iter().all(|&bases| bases == 15) {
            return Err(PatternError::Size);
        }
        // A and T, C and G change places: the four bits are read backwards.
        let complemented = |&bases: &u8| (bases.reverse_bits()) >> 4;
        let reverse = forward.iter().rev().map(complemented).collect();
        Ok(Self { letters, forward, reverse })
    }

    /// Number of letters.
    pub fn len(&self) -> usize {
        self.forward.len()
    }

    /// Never: a pattern has letters.
    pub fn is_empty(&self) -> bool {
        self.forward.is_empty()
    }

    /// Where it stands in `bases` (upper case), by first base, and on which strand; a palindrome once, as forward. A base that is
    /// not known (N) matches nothing, not even N.
    pub fn find(&self, bases: &[u8]) -> Vec<(usize, Strand)> {
        let masks: Vec<u8> = bases.iter().map(|base| b"ACGT".iter().position(|b| b == base).map_or(0, |i| 1 << i)).collect();
        let is_at = |window: &[u8], pattern: &[u8]| window.iter().zip(pattern).all(|(base, letter)| base & letter != 0);
        let strand = |window: &[u8]| match is_at(window, &self.forward) {
            true => Some(Strand::Forward),
            false => is_at(window, &self.reverse).then_some(Strand::Reverse),
        };
        masks.windows(self.len()).enumerate().filter_map(|(i, window)| Some((i, strand(window)?))).collect()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.letters)
    }
}

/// The standard genetic code (NCBI table 1), codons in the order T, C, A, G.
const CODE: &[u8; 64] = b"FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG";

/// The amino acid of a codon as it is read, `*` for a stop, `X` where a base is not known.
pub fn amino_acid(codon: [u8; 3]) -> u8 {
    let index = codon.iter().try_fold(0, |index, base| Some(4 * index + b"TCAG".iter().position(|b| b == base)?));
    index.map_or(b'X', |index| CODE[index])
}

/// The amino acid of the three bases from `bases[at]` on, on a strand.
pub fn translate(bases: &[u8], at: usize, strand: Strand) -> Option<u8> {
    let &[a, b, c] = bases.get(at..at + 3)? else { return None };
    Some(match strand {
        Strand::Forward => amino_acid([a, b, c]),
        Strand::Reverse => amino_acid([complement(c), complement(b), complement(a)]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::reverse_complement;

    #[test]
    fn both_strands_are_searched_and_palindromes_stand_once() {
        let find = |pattern: &str, bases: &[u8]| Pattern::parse(pattern).unwrap().find(bases);
        assert_eq!(find("TGASTCA", b"AATGACTCATTT"), [(2, Strand::Forward)], "AP-1 reads the same from both sides");
        assert_eq!(find("GATA", b"GATATATC"), [(0, Strand::Forward), (4, Strand::Reverse)]);
        assert_eq!(find("gaT", b"GATNATC"), [(0, Strand::Forward), (4, Strand::Reverse)]);
        assert_eq!(find("NA", b"NACA"), [(2, Strand::Forward)], "an unknown base matches nothing");
    }

    /// The reverse strand of a sequence has what the sequence has, mirrored: checked against the plain definition.
    #[test]
    fn the_reverse_pattern_is_the_pattern_on_the_reverse_complement() {
        let bases = b"ACGTTGCAAGGCTTACCGATNACGTAGCTAGCATCGATTTGACC";
        for text in ["RY", "WGN", "BDH", "VNK", "CAST", "MMM"] {
            let pattern = Pattern::parse(text).unwrap();
            let (there, back) = (pattern.find(bases), pattern.find(&reverse_complement(bases)));
            let mut mirrored: Vec<usize> = back.iter().map(|(i, _)| bases.len() - i - pattern.len()).collect();
            mirrored.sort_unstable();
            assert_eq!(there.iter().map(|(i, _)| *i).collect::<Vec<_>>(), mirrored, "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_says_why() {
        assert_eq!(Pattern::parse("GAXA").unwrap_err().to_string(), "'X' is no IUPAC letter (ACGT, RYSWKM, BDHV, N)");
        assert_eq!(Pattern::parse("NNN"), Err(PatternError::Size));
        assert_eq!(Pattern::parse(""), Err(PatternError::Size));
    }

    #[test]
    fn codons_are_those_of_the_standard_code() {
        let known =
            [(b"ATG", b'M'), (b"TAA", b'*'), (b"TAG", b'*'), (b"TGA", b'*'), (b"TGG", b'W'), (b"GCC", b'A'), (b"AAA", b'K')];
        for (codon, acid) in known {
            assert_eq!(amino_acid(*codon), acid);
        }
        assert_eq!(amino_acid(*b"ANG"), b'X');
        assert_eq!(translate(b"CAT", 0, Strand::Reverse), Some(b'M'));
        assert_eq!(translate(b"ATG", 1, Strand::Forward), None);
    }
}
