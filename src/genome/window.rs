//! A model's input window on the genome, read in the gene's direction: one stretch, or several joined.

use super::{Region, Strand};
use std::ops::Range;
use std::sync::Arc;

/// `len` neighbouring bases of a chromosome, read 5' to 3' of `strand`. It may reach past a chromosome's ends.
///
/// Index 0 is the first base the network reads. For a gene the TSS stands at index `tss_index` (5,000 of 10,000), so on the
/// forward strand the stretch is `tss-5000..tss+5000` and on the reverse strand `tss-4999..tss+5001` read backwards: a reverse
/// gene that is the reverse complement of a forward one gives the network the same input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stretch {
    /// The chromosome.
    pub chrom: Arc<str>,
    /// Lowest genome position, 0-based; negative where it begins before the chromosome.
    pub start: i64,
    /// Number of bases.
    pub len: u64,
    /// The direction in which it is read.
    pub strand: Strand,
}

impl Stretch {
    /// The stretch that puts the base at `anchor` (0-based) at `anchor_index` of `len`, read along `strand`.
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
        on_chrom(&self.chrom, self.start, self.end(), chrom_len)
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

    /// Turns values in genome order into the network's order, or back (the two are the same operation).
    pub fn orient<T>(&self, values: &mut [T]) {
        if self.strand == Strand::Reverse {
            values.reverse();
        }
    }
}

/// Everything a network reads for one gene: its stretches joined in the order of reading, all of one chromosome and direction.
///
/// Most networks read one stretch around the TSS; iSEGnet reads one around the TSS and one around the TTS, which share bases where
/// the gene is short. This is the one place that knows which base of the genome stands at which index of the network's input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    first: Stretch,
    rest: Vec<Stretch>,
}

impl From<Stretch> for Window {
    fn from(first: Stretch) -> Self {
        Self { first, rest: Vec::new() }
    }
}

impl Window {
    /// One stretch with the base at `anchor` (0-based) at `anchor_index` of `len`, read along `strand`.
    pub fn around(chrom: impl Into<Arc<str>>, anchor: u64, strand: Strand, anchor_index: u64, len: u64) -> Self {
        Stretch::around(chrom, anchor, strand, anchor_index, len).into()
    }

    /// This window with a stretch of `len` bases more, the base at `anchor` at its `anchor_index`.
    #[must_use]
    pub fn joined(mut self, anchor: u64, anchor_index: u64, len: u64) -> Self {
        self.rest.push(Stretch::around(self.first.chrom.clone(), anchor, self.first.strand, anchor_index, len));
        self
    }

    /// The stretches in the order of reading.
    pub fn stretches(&self) -> impl DoubleEndedIterator<Item = &Stretch> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// The chromosome.
    pub fn chrom(&self) -> &Arc<str> {
        &self.first.chrom
    }

    /// The direction in which it is read.
    pub fn strand(&self) -> Strand {
        self.first.strand
    }

    /// Number of bases read, those read twice counted twice.
    #[expect(clippy::len_without_is_empty, reason = "a window is never empty: Manifest::check")]
    pub fn len(&self) -> u64 {
        self.stretches().map(|s| s.len).sum()
    }

    /// Lowest genome position; negative where it begins before the chromosome.
    pub fn start(&self) -> i64 {
        self.stretches().map(|s| s.start).min().unwrap_or(self.first.start)
    }

    /// One past the highest genome position.
    pub fn end(&self) -> i64 {
        self.stretches().map(Stretch::end).max().unwrap_or(self.first.end())
    }

    /// From its lowest to its highest base, as far as they lie on a chromosome of `chrom_len` bases; what lies between two stretches
    /// is part of it.
    pub fn region(&self, chrom_len: u64) -> Region {
        on_chrom(&self.first.chrom, self.start(), self.end(), chrom_len)
    }

    /// Whether every base lies on a chromosome of `chrom_len` bases.
    pub fn is_inside(&self, chrom_len: u64) -> bool {
        self.start() >= 0 && self.end() <= chrom_len as i64
    }

    /// How many of the bases read lie off a chromosome of `chrom_len` bases.
    pub fn bases_off(&self, chrom_len: u64) -> u64 {
        self.stretches().map(|s| s.len - s.region(chrom_len).len()).sum()
    }

    /// The genome position of the base the network reads at `index`; it may lie off the chromosome.
    pub fn position(&self, index: u64) -> i64 {
        let mut index = index;
        for stretch in self.stretches() {
            if index < stretch.len {
                return stretch.position(index);
            }
            index -= stretch.len;
        }
        // Past the end: as if the last stretch went on.
        let last = self.rest.last().unwrap_or(&self.first);
        last.position(last.len + index)
    }

    /// Every index at which the network reads the base at `position`, ascending: none, one, or one in each stretch that holds it.
    pub fn indices(&self, position: i64) -> impl Iterator<Item = u64> {
        let mut before = 0;
        self.stretches().filter_map(move |stretch| {
            let offset = before;
            before += stretch.len;
            stretch.index(position).map(|i| offset + i)
        })
    }

    /// The first index at which the network reads the base at `position`, if it does.
    pub fn index(&self, position: i64) -> Option<u64> {
        self.indices(position).next()
    }

    /// Every index that reads the same base as `index`, itself among them: what an edit of that base changes.
    pub fn copies(&self, index: u64) -> impl Iterator<Item = u64> {
        self.indices(self.position(index))
    }

    /// Whether `indices` are of the window, and neighbours on the genome.
    pub fn is_unbroken(&self, indices: Range<u64>) -> bool {
        let step = |i: u64| (self.position(i) - self.position(i - 1)).abs();
        indices.end <= self.len() && (indices.start + 1..indices.end).all(|i| step(i) == 1)
    }

    /// A value an index, each replaced by the sum over the copies of its base: what an attribution to a base is where values add up.
    pub fn sum_copies(&self, values: Vec<f32>) -> Vec<f32> {
        if !self.reads_a_base_twice() || values.len() as u64 != self.len() {
            return values;
        }
        (0..self.len()).map(|i| self.copies(i).map(|copy| values[copy as usize]).sum()).collect()
    }

    /// Whether any base is read twice.
    pub fn reads_a_base_twice(&self) -> bool {
        let all: Vec<&Stretch> = self.stretches().collect();
        (1..all.len()).any(|i| all[..i].iter().any(|other| other.start < all[i].end() && all[i].start < other.end()))
    }
}

fn on_chrom(chrom: &Arc<str>, start: i64, end: i64, chrom_len: u64) -> Region {
    let clamp = |p: i64| p.clamp(0, chrom_len as i64) as u64;
    Region::new(chrom.clone(), clamp(start), clamp(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tss_stands_at_its_index_on_both_strands() {
        let forward = Window::around("c", 20_000, Strand::Forward, 5_000, 10_000);
        assert_eq!((forward.start(), forward.end()), (15_000, 25_000));
        let reverse = Window::around("c", 20_000, Strand::Reverse, 5_000, 10_000);
        assert_eq!((reverse.start(), reverse.end()), (15_001, 25_001));
        for window in [forward, reverse] {
            assert_eq!(window.position(5_000), 20_000);
            assert_eq!(window.index(20_000), Some(5_000));
            for index in [0, 1, 4_999, 9_999] {
                assert_eq!(window.index(window.position(index)), Some(index));
            }
        }
    }

    #[test]
    fn a_window_past_the_start_keeps_its_length() {
        let window = Window::around("c", 10, Strand::Forward, 5_000, 10_000);
        assert_eq!((window.start(), window.len()), (-4_990, 10_000));
        assert_eq!(window.region(7_000), Region::new("c", 0, 5_010));
        assert!(!window.is_inside(7_000));
        assert_eq!(window.bases_off(7_000), 4_990);
    }

    #[test]
    fn joined_stretches_are_read_one_after_the_other_on_both_strands() {
        // iSEGnet's: TSS[-1000,+500) and TTS[-500,+500). On the reverse strand the TTS lies left of the TSS.
        let forward = Window::around("c", 20_000, Strand::Forward, 1_000, 1_500).joined(50_000, 500, 1_000);
        let reverse = Window::around("c", 50_000, Strand::Reverse, 1_000, 1_500).joined(20_000, 500, 1_000);
        for (window, tss, tts, step) in [(&forward, 20_000, 50_000, 1), (&reverse, 50_000, 20_000, -1)] {
            assert_eq!(window.len(), 2_500);
            assert_eq!([0, 1_000, 1_499].map(|i| window.position(i)), [tss - 1_000 * step, tss, tss + 499 * step]);
            assert_eq!([1_500, 2_000, 2_499].map(|i| window.position(i)), [tts - 500 * step, tts, tts + 499 * step]);
            for index in [0, 1_000, 1_499, 1_500, 2_000, 2_499] {
                assert_eq!(window.copies(index).collect::<Vec<_>>(), [index]);
            }
            assert_eq!(window.index(35_000), None, "between the stretches");
            assert!(!window.reads_a_base_twice());
        }
        assert_eq!((forward.start(), forward.end()), (19_000, 50_500));
        assert_eq!(forward.bases_off(50_100), 400);
    }

    #[test]
    fn a_base_of_a_short_gene_stands_at_two_indices() {
        let window = Window::around("c", 20_000, Strand::Forward, 1_000, 1_500).joined(20_600, 500, 1_000);
        assert!(window.reads_a_base_twice());
        assert_eq!(window.indices(20_200).collect::<Vec<_>>(), [1_200, 1_600]);
        assert_eq!(window.copies(1_600).collect::<Vec<_>>(), [1_200, 1_600]);
        let summed = window.sum_copies((0..2_500_u16).map(f32::from).collect());
        assert_eq!([1_099, 1_200, 1_600, 1_900].map(|i: usize| summed[i]), [1_099.0, 2_800.0, 2_800.0, 1_900.0]);
        assert!(window.is_unbroken(1_490..1_500) && window.is_unbroken(1_500..2_500));
        assert!(!window.is_unbroken(1_490..1_501), "the next index is of another stretch");
        assert!(!window.is_unbroken(2_490..2_501), "the window ends");
        assert_eq!(window.indices(20_099).collect::<Vec<_>>(), [1_099]);
        assert_eq!(window.indices(20_500).collect::<Vec<_>>(), [1_900]);
    }
}
