//! Where two explanations of a gene disagree: those of two models, of two samples, or of two methods.
//!
//! Models differ in their windows, bins and units, so explanations are compared in blocks of 50 bases counted from the TSS, and as
//! shares: each block's value over the sum of sizes of all blocks that both explain. The distance is half the sum of absolute
//! differences of shares: 0 where they are the same but for a factor, 1 where nothing is shared or all signs are opposite (the total
//! variation distance, where both are positive).

use super::significance::read_gene;
use crate::attribution::{Attribution, AttributionError, Method, Run, lanes};
use crate::genome::{Gene, GeneId, Region, Strand, TssChoice, Window};
use crate::models::{Manifest, Model};
use crate::session::{Readers, SampleId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bases of a block.
pub const BLOCK: u64 = 50;

/// Where blocks are counted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    chrom: Arc<str>,
    tss: u64,
    strand: Strand,
}

impl Anchor {
    /// A gene's TSS, in its direction.
    pub fn of(gene: &Gene, choice: TssChoice) -> Self {
        Self { chrom: gene.region.chrom.clone(), tss: gene.tss(choice), strand: gene.strand }
    }

    fn block(&self, position: i64) -> i64 {
        let offset = match self.strand {
            Strand::Forward => position - self.tss as i64,
            Strand::Reverse => self.tss as i64 - position,
        };
        offset.div_euclid(BLOCK as i64)
    }

    /// The bases of blocks `first` to `last`, as a window that begins with the first block.
    pub fn window(&self, first: i64, last: i64) -> Window {
        let len = (last - first + 1).max(1) as u64 * BLOCK;
        let from = first * BLOCK as i64;
        let start = match self.strand {
            Strand::Forward => self.tss as i64 + from,
            Strand::Reverse => self.tss as i64 - from - len as i64 + 1,
        };
        crate::genome::Stretch { chrom: self.chrom.clone(), start, len, strand: self.strand }.into()
    }

    /// The bases of one block; those before the chromosome's start are left out.
    pub fn region(&self, block: i64) -> Region {
        let window = self.window(block, block);
        Region::new(self.chrom.clone(), window.start().max(0) as u64, window.end().max(1) as u64)
    }
}

/// An explanation in blocks: by input (a mark or `DNA`, in the order of the network) and block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocks(Vec<(String, BTreeMap<i64, f64>)>);

impl Blocks {
    /// The blocks of a method's result; what is not computed is left out.
    pub fn of(attribution: &Attribution, method: &str, manifest: &Manifest, window: &Window, anchor: &Anchor) -> Self {
        let of_lane = |(label, values): (String, Vec<f32>)| (label, in_blocks(&values, window, anchor));
        Self(lanes(attribution, method, manifest, window).into_iter().map(of_lane).collect())
    }

    /// Values by block of an input.
    pub fn lane(&self, label: &str) -> Option<&BTreeMap<i64, f64>> {
        self.0.iter().find(|(of, _)| of == label).map(|(_, blocks)| blocks)
    }

    /// Inputs, and the sum over each.
    pub fn sums(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(label, blocks)| (label.as_str(), blocks.values().sum()))
    }
}

/// Values at equal parts of a window, spread evenly over the bases of each and added up in blocks. A base that the window reads
/// twice counts once: lanes hold its whole value in both places.
fn in_blocks(values: &[f32], window: &Window, anchor: &Anchor) -> BTreeMap<i64, f64> {
    let mut blocks = BTreeMap::new();
    let (n, len) = (values.len() as u64, window.len());
    if n == 0 {
        return blocks;
    }
    let per_base = len as f64 / n as f64;
    // Summed a stretch of a block at a time: this is done for every frame that shows a difference.
    let mut open: Option<(i64, f64)> = None;
    for index in 0..len {
        let (position, value) = (window.position(index), values[(index * n / len) as usize]);
        if !(value.is_finite() && window.index(position) == Some(index)) {
            continue;
        }
        let (block, value) = (anchor.block(position), f64::from(value) / per_base);
        match &mut open {
            Some((of, sum)) if *of == block => *sum += value,
            _ => {
                let done = open.replace((block, value));
                done.into_iter().for_each(|(of, sum)| *blocks.entry(of).or_insert(0.0) += sum);
            }
        }
    }
    open.into_iter().for_each(|(of, sum)| *blocks.entry(of).or_insert(0.0) += sum);
    blocks
}

/// Who explains a gene, and how.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The network.
    pub model: &'a dyn Model,
    /// The sample it reads.
    pub sample: SampleId,
    /// The method, with its usual options.
    pub method: &'a dyn Method,
}

impl Side<'_> {
    /// F of a gene, and what explains it in blocks.
    ///
    /// # Errors
    /// Where the gene cannot be read or explained, or the work is no longer wanted.
    pub fn explain(
        &self,
        readers: &mut Readers,
        gene: GeneId,
        is_current: &dyn Fn() -> bool,
    ) -> Result<(f64, Blocks), AttributionError> {
        if let Some(reason) = self.method.obstacle(self.model) {
            return Err(AttributionError::NotApplicable(reason));
        }
        let manifest = self.model.manifest();
        let input = read_gene(readers, self.sample, gene, manifest)?;
        let mut ignore = |_: &Attribution| ();
        let mut run = Run::new(is_current, &mut ignore);
        let found = self.method.attribute(self.model, &input, &self.method.defaults(), &mut run)?;
        let genome = &readers.session().genome;
        let anchor = Anchor::of(genome.genes.get(gene), genome.tss);
        Ok((found.score, Blocks::of(&found, self.method.name(), manifest, &input.window, &anchor)))
    }
}

/// One block of an input in two explanations: values as they are, or as shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The input.
    pub label: String,
    /// The block.
    pub block: i64,
    /// The value here.
    pub here: f64,
    /// The value there.
    pub there: f64,
}

impl Pair {
    /// Here less there.
    pub fn difference(&self) -> f64 {
        self.here - self.there
    }
}

/// Blocks that both explain, by input and block.
pub fn pairs(here: &Blocks, there: &Blocks) -> Vec<Pair> {
    let of_lane = |(label, blocks): &(String, BTreeMap<i64, f64>)| -> Vec<Pair> {
        let Some(others) = there.lane(label) else { return Vec::new() };
        let pair = |(block, here): (&i64, &f64)| {
            Some(Pair { label: label.clone(), block: *block, here: *here, there: *others.get(block)? })
        };
        blocks.iter().filter_map(pair).collect()
    };
    here.0.iter().flat_map(of_lane).collect()
}

/// The same as shares; `None` where either is 0 everywhere.
pub fn shares(mut pairs: Vec<Pair>) -> Option<Vec<Pair>> {
    let size = |of: fn(&Pair) -> f64| pairs.iter().map(|p| of(p).abs()).sum::<f64>();
    let (here, there) = (size(|p| p.here), size(|p| p.there));
    if !(here > 0.0 && there > 0.0) {
        return None;
    }
    for pair in &mut pairs {
        (pair.here, pair.there) = (pair.here / here, pair.there / there);
    }
    Some(pairs)
}

/// How far two explanations are from each other, and where most.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// From 0 to 1.
    pub distance: f64,
    /// The block with the largest difference of shares; of equal ones the first.
    pub place: Pair,
}

/// Compares two explanations; `None` where they have nothing in common or either is 0 everywhere.
pub fn disagreement(here: &Blocks, there: &Blocks) -> Option<Disagreement> {
    let shares = shares(pairs(here, there))?;
    let distance = shares.iter().map(|p| p.difference().abs()).sum::<f64>() / 2.0;
    let further = |a: Pair, b: Pair| if b.difference().abs() > a.difference().abs() { b } else { a };
    let place = shares.into_iter().reduce(further)?;
    Some(Disagreement { distance: distance.min(1.0), place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::test_manifest;

    fn anchor(strand: Strand) -> Anchor {
        Anchor { chrom: "c".into(), tss: 5_000, strand }
    }

    fn blocks(lanes: &[(&str, &[(i64, f64)])]) -> Blocks {
        Blocks(lanes.iter().map(|(label, of)| ((*label).to_owned(), of.iter().copied().collect())).collect())
    }

    /// Bins of 100 bases and of 50 of the same window lie on the same blocks, on both strands, and add up to the same.
    #[test]
    fn explanations_of_other_bins_and_windows_meet_in_their_blocks() {
        for strand in [Strand::Forward, Strand::Reverse] {
            let (fine, coarse) = (test_manifest(1_000, 50, &["m"], None), test_manifest(400, 100, &["m"], None));
            let window = |m: &Manifest| m.window_at("c".into(), 5_000, strand);
            let of = |m: &Manifest, values: Vec<f32>| {
                let attribution = Attribution { marks: Some(values), ..Attribution::default() };
                Blocks::of(&attribution, "integrated-gradients", m, &window(m), &anchor(strand))
            };
            let fine = of(&fine, (0..20).map(|i| i as f32).collect());
            let coarse = of(&coarse, vec![8.0, 0.0, 4.0, 6.0]);
            // The TSS is the first base of the middle of both windows.
            let expected: BTreeMap<i64, f64> = (-10..10).map(|b| (b, (b + 10) as f64)).collect();
            let lane = fine.lane("m").unwrap();
            assert_eq!(lane.len(), 20, "{strand}: {lane:?}");
            assert!(lane.iter().zip(&expected).all(|((a, x), (b, y))| a == b && (x - y).abs() < 1e-9), "{strand}: {lane:?}");
            let halves: Vec<f64> = coarse.lane("m").unwrap().values().map(|v| (v * 1e6).round() / 1e6).collect();
            assert_eq!(halves, [4.0, 4.0, 0.0, 0.0, 2.0, 2.0, 3.0, 3.0], "{strand}");
            assert_eq!(pairs(&fine, &coarse).len(), 8, "only what both read is compared");
            assert!(coarse.sums().all(|(label, sum)| label == "m" && (sum - 18.0).abs() < 1e-6));
        }
    }

    #[test]
    fn blocks_lie_where_they_were_read() {
        let region = |strand, block| anchor(strand).region(block);
        assert_eq!(region(Strand::Forward, 0), Region::new("c", 5_000, 5_050));
        assert_eq!(region(Strand::Forward, -1), Region::new("c", 4_950, 5_000));
        assert_eq!(region(Strand::Reverse, 0), Region::new("c", 4_951, 5_001));
        assert_eq!(region(Strand::Reverse, -1), Region::new("c", 5_001, 5_051));
        for strand in [Strand::Forward, Strand::Reverse] {
            for block in [-3, 0, 7] {
                let found = region(strand, block);
                assert!((found.start..found.end).all(|p| anchor(strand).block(p as i64) == block), "{strand} {block}");
            }
        }
    }

    #[test]
    fn the_distance_is_that_of_its_closed_form() {
        let one = blocks(&[("a", &[(0, 1.0), (1, 3.0)]), ("b", &[(0, -4.0)])]);
        let at = |other: &Blocks| disagreement(&one, other).unwrap();
        assert_eq!(at(&one).distance, 0.0);
        let scaled = blocks(&[("a", &[(0, 10.0), (1, 30.0)]), ("b", &[(0, -40.0)])]);
        assert!(at(&scaled).distance < 1e-12, "a factor is no disagreement");
        let opposite = blocks(&[("a", &[(0, -1.0), (1, -3.0)]), ("b", &[(0, 4.0)])]);
        assert_eq!(at(&opposite).distance, 1.0);
        // Shares 1/8, 3/8, -1/2 and 1/4, 1/4, -1/2: half of 1/8 + 1/8.
        let moved = blocks(&[("a", &[(0, 1.0), (1, 1.0)]), ("b", &[(0, -2.0)])]);
        let found = at(&moved);
        assert!((found.distance - 0.125).abs() < 1e-12);
        assert_eq!((found.place.label.as_str(), found.place.block), ("a", 0));
        assert!((found.place.difference() + 0.125).abs() < 1e-12);
        // What only one of them reads is not compared; a share of nothing is not defined.
        let other = blocks(&[("a", &[(0, 1.0), (1, 3.0), (2, 99.0)]), ("c", &[(0, 5.0)])]);
        assert_eq!(disagreement(&blocks(&[("a", &[(0, 2.0), (1, 6.0)])]), &other).unwrap().distance, 0.0);
        assert_eq!(disagreement(&one, &blocks(&[("a", &[(0, 0.0)])])), None);
        assert_eq!(disagreement(&one, &blocks(&[("c", &[(0, 1.0)])])), None);
    }
}
