//! A model's input window on the genome, read in the gene's direction.

use super::{Region, Strand};
use std::sync::Arc;

/// `len` bases around an anchor, read 5' to 3' of `strand`. It may reach past a chromosome's ends.
///
/// Index 0 is the first base the network reads. For a gene the TSS stands at index `tss_index` (5,000 of 10,000), so on the
/// forward strand the window is `tss-5000..tss+5000` and on the reverse strand `tss-4999..tss+5001` read backwards: a reverse
/// gene that is the reverse complement of a forward one gives the network the same input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The chromosome.
    pub chrom: Arc<str>,
    /// Lowest genome position, 0-based; negative where the window begins before the chromosome.
    pub start: i64,
    /// Number of bases.
    pub len: u64,
    /// The direction in which the window is read.
    pub strand: Strand,
}

impl Window {
    /// The window that puts the base at `anchor` (0-based) at `anchor_index` of `len`, read along `strand`.
    pub fn around(chrom: impl Into<Arc<str>>, anchor: u64, strand: Strand, anchor_index: u64, len: u64) -> Self {
        let before = match strand {
            Strand::Forward => anchor_index as i64,
            Strand::Reverse => len as i64 - 1 - anchor_index as i64,
        };
        Self { chrom: chrom.into(), start: anchor as i64 - before, len, strand }
    }

    /// One past the highest genome position.
    pub fn end(&self) -> i64 {
        self.start + self.len as i64
    }

    /// The part that lies on a chromosome of `chrom_len` bases.
    pub fn region(&self, chrom_len: u64) -> Region {
        let clamp = |p: i64| p.clamp(0, chrom_len as i64) as u64;
        Region::new(self.chrom.clone(), clamp(self.start), clamp(self.end()))
    }

    /// Whether every base lies on a chromosome of `chrom_len` bases.
    pub fn is_inside(&self, chrom_len: u64) -> bool {
        self.start >= 0 && self.end() <= chrom_len as i64
    }

    /// The genome position of the base the network reads at `index`; it may lie off the chromosome.
    pub fn position(&self, index: u64) -> i64 {
        match self.strand {
            Strand::Forward => self.start + index as i64,
            Strand::Reverse => self.end() - 1 - index as i64,
        }
    }

    /// The index at which the network reads the base at `position`, if it does.
    pub fn index(&self, position: i64) -> Option<u64> {
        (self.start..self.end()).contains(&position).then(|| match self.strand {
            Strand::Forward => (position - self.start) as u64,
            Strand::Reverse => (self.end() - 1 - position) as u64,
        })
    }

    /// The genome span `(start, end)` of the half-open index range `from..to`, low end first.
    pub fn span(&self, from: u64, to: u64) -> (i64, i64) {
        match self.strand {
            Strand::Forward => (self.start + from as i64, self.start + to as i64),
            Strand::Reverse => (self.end() - to as i64, self.end() - from as i64),
        }
    }

    /// Turns values in genome order into the network's order, or back (the two are the same operation).
    pub fn orient<T>(&self, values: &mut [T]) {
        if self.strand == Strand::Reverse {
            values.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tss_stands_at_its_index_on_both_strands() {
        let forward = Window::around("c", 20_000, Strand::Forward, 5_000, 10_000);
        assert_eq!((forward.start, forward.end()), (15_000, 25_000));
        let reverse = Window::around("c", 20_000, Strand::Reverse, 5_000, 10_000);
        assert_eq!((reverse.start, reverse.end()), (15_001, 25_001));
        for window in [forward, reverse] {
            assert_eq!(window.position(5_000), 20_000);
            assert_eq!(window.index(20_000), Some(5_000));
            for index in [0, 1, 4_999, 9_999] {
                assert_eq!(window.index(window.position(index)), Some(index));
            }
        }
    }

    #[test]
    fn spans_are_low_end_first() {
        let reverse = Window::around("c", 20_000, Strand::Reverse, 5_000, 10_000);
        assert_eq!(reverse.span(5_000, 5_001), (20_000, 20_001));
        assert_eq!(reverse.span(0, 50), (24_951, 25_001));
    }

    #[test]
    fn a_window_past_the_start_keeps_its_length() {
        let window = Window::around("c", 10, Strand::Forward, 5_000, 10_000);
        assert_eq!((window.start, window.len), (-4_990, 10_000));
        assert_eq!(window.region(7_000), Region::new("c", 0, 5_010));
        assert!(!window.is_inside(7_000));
    }
}
