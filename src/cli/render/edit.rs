//! Single bases changed in what a network reads: `chr1:20,001 A>G`, alleles on the forward strand of the genome.

use super::super::Failure;
use crate::genome::{ChromSizes, Locus, Strand, complement, thousands};
use crate::models::Input;
use std::fmt;
use std::sync::Arc;

/// One base changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    pub chrom: Arc<str>,
    /// 0-based.
    pub position: u64,
    reference: u8,
    pub alternative: u8,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (position, reference, alternative) = (thousands(self.position + 1), self.reference as char, self.alternative as char);
        write!(f, "{}:{position} {reference}>{alternative}", self.chrom)
    }
}

impl Edit {
    /// Understands a position with its alleles.
    pub fn parse(text: &str, chroms: &ChromSizes) -> Result<Self, Failure> {
        let wrong = |reason: String| Failure::Usage(format!("--edit {text}: {reason}"));
        let form = || wrong("write chr1:20,001A>G, one base each".to_owned());
        let at = text.rfind(|c: char| c.is_ascii_digit()).ok_or_else(form)? + 1;
        let (place, alleles) = text.split_at(at);
        let (reference, alternative) = alleles.trim().split_once('>').ok_or_else(form)?;
        let base = |allele: &str| match allele.trim().to_ascii_uppercase().as_bytes() {
            [base @ (b'A' | b'C' | b'G' | b'T')] => Ok(*base),
            _ => Err(form()),
        };
        let (reference, alternative) = (base(reference)?, base(alternative)?);
        if reference == alternative {
            return Err(wrong("nothing is changed".to_owned()));
        }
        match Locus::parse(place, chroms).map_err(|e| wrong(e.to_string()))? {
            Locus::Position(chrom, position) => Ok(Self { chrom, position, reference, alternative }),
            _ => Err(form()),
        }
    }

    /// Changes what a network reads.
    ///
    /// # Errors
    /// Where it reads no DNA, not this base, or another base there than the edit says.
    pub fn apply(&self, input: &mut Input) -> Result<(), String> {
        let is_reverse = input.window.strand() == Strand::Reverse;
        let turned = |base: u8| if is_reverse { complement(base) } else { base };
        let indices: Vec<u64> = match *input.window.chrom() == self.chrom {
            true => input.window.indices(self.position as i64).collect(),
            false => Vec::new(),
        };
        let Some(sequence) = &mut input.sequence else { return Err(format!("{self}: this network reads no DNA")) };
        if indices.is_empty() {
            return Err(format!("{self}: the network's window does not hold it"));
        }
        for index in indices {
            let base = sequence.get_mut(index as usize).ok_or_else(|| format!("{self}: off the chromosome"))?;
            if *base != turned(self.reference) {
                return Err(format!("{self}: the reference has {} there", turned(*base) as char));
            }
            *base = turned(self.alternative);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_a_place_and_two_bases() {
        let chroms = ChromSizes::parse("chr1\t50000").unwrap_or_default();
        let edit = |text: &str| Edit::parse(text, &chroms).map(|e| e.to_string()).ok();
        assert_eq!(edit("chr1:20,001A>G").as_deref(), Some("chr1:20,001 A>G"));
        assert_eq!(edit("1:20001 c>t").as_deref(), Some("chr1:20,001 C>T"));
        for wrong in ["chr1:20001", "chr1:20001A>A", "chr1:20001AC>G", "chr1:60000A>G", "chr1:1-5A>G", "A>G", "chr9:1A>G", ""] {
            assert_eq!(edit(wrong), None, "{wrong}");
        }
    }
}
