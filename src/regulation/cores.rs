//! Sets of elements that a network attends to together over samples: COREs (DeepCORE, Chandrashekar et al. 2024).
//!
//! Sparse attention is mostly zeros, sums to 1 and is shared by neighbouring bins, which have half their bases in common: a
//! correlation's own p-value says nothing of it, and of four samples any two bins may correlate perfectly. So neighbouring bins are
//! joined to blocks before anything is tested, blocks 1 kb apart are compared, and samples are exchanged for the null. Replicates,
//! networks of other seeds, tell what the signals do from what a network does by itself ([`super::association`]).

use super::association::{Association, Orders, Profile, associate};
use super::statistics::{benjamini_hochberg, dot, pearson_p, standardised};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;

/// Fewer samples have too few orders and too few values that are not 0.
pub const LEAST_SAMPLES: usize = 20;
/// A bin that fewer samples attend to is left out.
pub const LEAST_ATTENDING: usize = 5;
/// Bases between blocks that are compared.
pub const LEAST_BASES_APART: u64 = 1_000;
/// Adjusted p-value below which blocks are linked.
pub const LEVEL: f64 = 0.05;
/// Seed of the orders where none is given.
pub const DEFAULT_SEED: u64 = 1;
/// Orders of the samples that are drawn.
pub const PERMUTATIONS: usize = 4_999;

/// Why a gene has no answer.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CoresError {
    /// As DeepCORE's own four.
    #[error(
        "{0} samples: COREs need at least {LEAST_SAMPLES}; with fewer, bins correlate by chance (of 4 samples hundreds of pairs have r = 1)"
    )]
    TooFewSamples(usize),
    /// A correlation needs three points to be tested.
    #[error("{0} samples: a correlation's p-value needs at least 3")]
    TooFewForT(usize),
    /// A replicate has other samples.
    #[error("a replicate read {found} samples where the model read {expected}")]
    Replicate {
        /// Of the replicate.
        found: usize,
        /// Of the model.
        expected: usize,
    },
    /// Tables of different widths.
    #[error("attention of {found} bins where the others have {expected}")]
    Bins {
        /// Here.
        found: usize,
        /// Before.
        expected: usize,
    },
}

/// Attention of one gene over samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// `[samples][bins]`.
    pub attention: Vec<Vec<f32>>,
    /// What sparsemax made it of, alike, where the network has it.
    pub scores: Vec<Vec<f32>>,
    /// Indices of the window that each bin reads.
    pub reach: Vec<Range<u64>>,
}

/// A way to find COREs.
pub struct Procedure {
    /// As on the command line.
    pub name: &'static str,
    /// One line of what it does.
    pub about: &'static str,
    /// Finds the COREs of a gene in what a network and its replicates attend to; blocks are the network's. The number is the seed.
    pub find: fn(&Samples, &[Samples], u64) -> Result<Cores, CoresError>,
    /// Whether it compares replicates.
    pub takes_replicates: bool,
}

/// Every procedure; the first is the default.
pub const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "permutation",
        about: "attention summed over blocks of bins, correlated over samples, against samples in another order",
        find: |samples, replicates, seed| by_permutation(samples, replicates, seed, false),
        takes_replicates: true,
    },
    Procedure {
        name: "scores",
        about: "the same of what sparsemax made the attention of, less each sample's mean",
        find: |samples, replicates, seed| by_permutation(samples, replicates, seed, true),
        takes_replicates: true,
    },
    Procedure {
        name: "paper",
        about: "DeepCORE's paper: Pearson between all pairs of bins, p of r, FDR; reports false pairs, kept to compare",
        find: |samples, _, _| by_bins(samples),
        takes_replicates: false,
    },
];

/// The procedure of a name.
pub fn procedure(name: &str) -> Option<&'static Procedure> {
    PROCEDURES.iter().find(|p| p.name == name)
}

/// Neighbouring bins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Bins.
    pub bins: Range<usize>,
    /// Indices of the window that they read.
    pub reach: Range<u64>,
}

/// Two blocks compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The first block, of [`Cores::blocks`].
    pub first: usize,
    /// The second.
    pub second: usize,
    /// Correlation over samples.
    pub r: f64,
    /// Correlation of one block in a network with the other in another, the mean over the model and its replicates.
    pub across: Option<f64>,
    /// One-sided p-value: correlations at least as large.
    pub p: f64,
    /// Adjusted over the gene.
    pub q: f64,
}

/// The blocks of a gene and which of them go together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cores {
    /// Name of the procedure; whoever stores COREs stores it beside them.
    #[serde(skip)]
    pub procedure: &'static str,
    /// Blocks along the window.
    pub blocks: Vec<Block>,
    /// Every pair that was compared.
    pub links: Vec<Link>,
    /// Blocks of each CORE: those that called links join, directly or through others.
    pub cores: Vec<Vec<usize>>,
}

impl Cores {
    /// Links with an adjusted p-value below [`LEVEL`].
    pub fn called(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.q < LEVEL)
    }

    /// Samples that attend to at least two blocks of a CORE.
    pub fn members(&self, core: usize, samples: &Samples) -> Vec<usize> {
        let attends = |row: &[f32], block: usize| row[self.blocks[block].bins.clone()].iter().any(|w| *w > 0.0);
        let is_in = |row: &&Vec<f32>| self.cores[core].iter().filter(|&&block| attends(row, block)).count() >= 2;
        samples.attention.iter().enumerate().filter(|(_, row)| is_in(row)).map(|(i, _)| i).collect()
    }

    fn new(procedure: &'static str, blocks: Vec<Block>, links: Vec<Link>) -> Self {
        let mut core_of: Vec<usize> = (0..blocks.len()).collect();
        for link in links.iter().filter(|link| link.q < LEVEL) {
            let (a, b) = (core_of[link.first], core_of[link.second]);
            core_of.iter_mut().filter(|core| **core == b).for_each(|core| *core = a);
        }
        let names: BTreeSet<usize> = core_of.iter().copied().collect();
        let of = |name: usize| (0..blocks.len()).filter(|&block| core_of[block] == name).collect::<Vec<_>>();
        let mut cores: Vec<Vec<usize>> = names.into_iter().map(of).filter(|core| core.len() > 1).collect();
        cores.sort();
        Self { procedure, blocks, links, cores }
    }
}

impl Samples {
    fn check(&self) -> Result<usize, CoresError> {
        let expected = self.reach.len();
        match self.attention.iter().chain(&self.scores).find(|row| row.len() != expected) {
            Some(row) => Err(CoresError::Bins { found: row.len(), expected }),
            None => Ok(expected),
        }
    }

    /// Runs of neighbouring bins for which `is_in`.
    fn blocks(&self, is_in: impl Fn(usize) -> bool) -> Vec<Block> {
        let bins: Vec<usize> = (0..self.reach.len()).filter(|&bin| is_in(bin)).collect();
        let runs = bins.chunk_by(|a, b| a + 1 == *b);
        runs.map(|run| {
            let bins = run[0]..run[run.len() - 1] + 1;
            Block { reach: self.reach[bins.start].start..self.reach[bins.end - 1].end, bins }
        })
        .collect()
    }

    /// A value of a block in each sample: the sum of its attention, or the mean of its scores less the sample's.
    fn profile(&self, block: &Block, scores: bool) -> Vec<f64> {
        let sum = |row: &[f32]| row.iter().map(|w| f64::from(*w)).sum::<f64>();
        let mean = |row: &[f32]| sum(row) / row.len().max(1) as f64;
        match scores {
            false => self.attention.iter().map(|row| sum(&row[block.bins.clone()])).collect(),
            true => self.scores.iter().map(|row| mean(&row[block.bins.clone()]) - mean(row)).collect(),
        }
    }
}

/// Whether two blocks lie far enough from one another.
fn are_apart(first: &Block, second: &Block) -> bool {
    second.reach.start >= first.reach.end + LEAST_BASES_APART
}

/// Pairs of blocks to compare.
fn pairs(blocks: &[Block]) -> Vec<(usize, usize)> {
    let of = |i: usize| (i + 1..blocks.len()).filter(move |&j| are_apart(&blocks[i], &blocks[j])).map(move |j| (i, j));
    (0..blocks.len()).flat_map(of).collect()
}

fn adjust(links: &mut [Link]) {
    let q = benjamini_hochberg(&links.iter().map(|link| link.p).collect::<Vec<_>>());
    links.iter_mut().zip(q).for_each(|(link, q)| link.q = q);
}

fn by_permutation(samples: &Samples, replicates: &[Samples], seed: u64, scores: bool) -> Result<Cores, CoresError> {
    samples.check()?;
    let n = samples.attention.len();
    if n < LEAST_SAMPLES {
        return Err(CoresError::TooFewSamples(n));
    }
    for replicate in replicates {
        let (found, bins) = (replicate.attention.len(), replicate.check()?);
        if found != n {
            return Err(CoresError::Replicate { found, expected: n });
        }
        if bins != samples.reach.len() {
            return Err(CoresError::Bins { found: bins, expected: samples.reach.len() });
        }
    }
    let attending = |bin: usize| samples.attention.iter().filter(|row| row[bin] > 0.0).count();
    let blocks = samples.blocks(|bin| attending(bin) >= LEAST_ATTENDING);
    let networks = || std::iter::once(samples).chain(replicates);
    let is_known = !scores || networks().all(|of| of.scores.len() == n);
    let profile = |block: &Block| {
        let values: Vec<Vec<f64>> = networks().map(|of| of.profile(block, scores)).collect();
        if is_known { Profile::of(&values) } else { None }
    };
    let profiles: Vec<Option<Profile>> = blocks.iter().map(profile).collect();
    let orders = Orders::draw(n, PERMUTATIONS, seed);
    let compare = |(first, second): (usize, usize)| {
        let found = match (&profiles[first], &profiles[second]) {
            (Some(x), Some(y)) => associate(x, y, &orders),
            _ => Association { r: 0.0, across: None, p: 1.0 },
        };
        Link { first, second, r: found.r, across: found.across, p: found.p, q: 1.0 }
    };
    let mut links: Vec<Link> = pairs(&blocks).into_iter().map(compare).collect();
    adjust(&mut links);
    Ok(Cores::new(if scores { "scores" } else { "permutation" }, blocks, links))
}

fn by_bins(samples: &Samples) -> Result<Cores, CoresError> {
    let bins = samples.check()?;
    let n = samples.attention.len();
    if n < 3 {
        return Err(CoresError::TooFewForT(n));
    }
    let profile = |bin: usize| standardised(&samples.attention.iter().map(|row| f64::from(row[bin])).collect::<Vec<_>>());
    let profiles: Vec<Option<Vec<f64>>> = (0..bins).map(profile).collect();
    let varied: Vec<(usize, &Vec<f64>)> = profiles.iter().enumerate().filter_map(|(bin, x)| Some((bin, x.as_ref()?))).collect();
    let mut links = Vec::new();
    for (i, &(first, x)) in varied.iter().enumerate() {
        for &(second, y) in &varied[i + 1..] {
            let r = dot(x, y).clamp(-1.0, 1.0);
            links.push(Link { first, second, r, across: None, p: pearson_p(r, n), q: 1.0 });
        }
    }
    adjust(&mut links);
    let called: Vec<Link> = links.into_iter().filter(|link| link.q < LEVEL && link.r > 0.0).collect();
    let ends: BTreeSet<usize> = called.iter().flat_map(|link| [link.first, link.second]).collect();
    let blocks = samples.blocks(|bin| ends.contains(&bin));
    // Blocks are linked by the strongest of their bins' pairs.
    let strongest = |(first, second): (usize, usize)| {
        let (a, b) = (&blocks[first].bins, &blocks[second].bins);
        let between = called.iter().filter(|link| a.contains(&link.first) && b.contains(&link.second));
        let best = between.min_by(|x, y| x.q.total_cmp(&y.q).then(y.r.total_cmp(&x.r)))?;
        Some(Link { first, second, ..*best })
    };
    let links = pairs(&blocks).into_iter().filter_map(strongest).collect();
    Ok(Cores::new("paper", blocks, links))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The nearest point of the simplex.
    fn sparsemax(scores: &[f64]) -> Vec<f32> {
        let mut sorted = scores.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let (mut sum, mut tau) = (0.0, 0.0);
        for (i, z) in sorted.iter().enumerate() {
            sum += z;
            if 1.0 + (i + 1) as f64 * z > sum {
                tau = (sum - 1.0) / (i + 1) as f64;
            }
        }
        scores.iter().map(|z| (z - tau).max(0.0) as f32).collect()
    }

    /// Attention of `n` samples to five stretches of three bins, those at 30 and 120 raised together by `together`.
    fn simulated(random: &mut ChaCha8Rng, n: usize, together: f64) -> Samples {
        let shared: Vec<f64> = (0..n).map(|_| random.random_range(-1.0..1.0)).collect();
        attended(random, &shared, together)
    }

    /// The same of a network of some seed: what is shared by the two stretches is given.
    fn attended(random: &mut ChaCha8Rng, shared: &[f64], together: f64) -> Samples {
        let (attention, scores): (Vec<_>, Vec<_>) = shared
            .iter()
            .map(|shared| {
                let mut scores = vec![0.0; 200];
                for (i, at) in [30, 60, 90, 120, 160].into_iter().enumerate() {
                    let own: f64 = random.random_range(-1.0..1.0);
                    let level = if i % 3 == 0 { together * shared + (1.0 - together) * own } else { own };
                    // Neighbouring bins see nearly the same.
                    (at..at + 3).for_each(|bin| scores[bin] = 1.0 + 0.25 * level + 0.02 * random.random::<f64>());
                }
                (sparsemax(&scores), scores.iter().map(|s| *s as f32).collect())
            })
            .unzip();
        let reach = (0..200).map(|b| (50 * b as u64).saturating_sub(24)..50 * b as u64 + 75).collect();
        Samples { attention, scores, reach }
    }

    fn find(name: &str, samples: &Samples) -> Cores {
        (procedure(name).unwrap().find)(samples, &[], 1).unwrap()
    }

    #[test]
    fn independent_attention_has_false_cores_in_at_most_one_gene_of_twenty() {
        for name in ["permutation", "scores"] {
            let mut random = ChaCha8Rng::seed_from_u64(7);
            let (mut false_genes, mut compared, genes) = (0, 0, 120);
            for _ in 0..genes {
                let cores = find(name, &simulated(&mut random, 24, 0.0));
                false_genes += usize::from(cores.called().count() > 0);
                compared += cores.links.len();
            }
            assert!(compared > 5 * genes, "{compared} pairs were compared");
            // Every call is false: the false discovery rate is the share of genes with one. 120 * 0.05 = 6; 11 has p = 0.04.
            assert!(false_genes <= 11, "{name}: {false_genes} of {genes}");
        }
    }

    /// Calls of the planted pair (bins 30 and 120), and others, over genes.
    fn recovered(name: &str, genes: usize, mut gene: impl FnMut() -> (Samples, Vec<Samples>)) -> (usize, usize) {
        let (mut found, mut others) = (0, 0);
        for _ in 0..genes {
            let (samples, replicates) = gene();
            let cores = (procedure(name).unwrap().find)(&samples, &replicates, 1).unwrap();
            for link in cores.called() {
                let at = [link.first, link.second].map(|block| cores.blocks[block].bins.start);
                if at == [30, 120] { found += 1 } else { others += 1 }
            }
        }
        (found, others)
    }

    /// The table of docs/biology.md: pairs planted in attention itself, by how many samples there are and how much of both is shared.
    #[test]
    fn planted_pairs_are_recovered_the_more_samples_there_are() {
        let genes = 40;
        for name in ["permutation", "scores"] {
            for (n, together, least) in [
                (20, 0.5, 0),
                (20, 0.7, 14),
                (20, 0.9, 36),
                (24, 0.5, 0),
                (24, 0.7, 18),
                (24, 0.9, 36),
                (60, 0.5, 2),
                (60, 0.7, 36),
            ] {
                let mut random = ChaCha8Rng::seed_from_u64(3);
                let (found, others) = recovered(name, genes, || (simulated(&mut random, n, together), Vec::new()));
                let (recall, calls) = (found as f64 / genes as f64, found + others);
                let precision = found as f64 / calls.max(1) as f64;
                println!("{name}, {n} samples, shared {together}: recall {recall:.2}, precision {precision:.2} ({calls} calls)");
                assert!(found >= least, "{name}, {n} samples, {together}: {found} of {genes} planted pairs");
                // At most one call in twenty is false in the mean; of some 40 calls up to 5 are at p > 0.01.
                assert!(others as f64 <= 0.05 * calls as f64 + 4.0, "{name}, {n} samples, {together}: {others} of {calls}");
            }
        }
    }

    #[test]
    fn what_one_seed_alone_attends_to_together_is_no_core() {
        for name in ["permutation", "scores"] {
            let mut random = ChaCha8Rng::seed_from_u64(9);
            // Every network has the pair; the first alone; each in its own samples.
            for (which, least, most) in [("all", 36, 40), ("first", 0, 3), ("each", 0, 3)] {
                let (found, _) = recovered(name, 40, || {
                    let mut shared = || (0..24).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f64>>();
                    let (one, two, three) = (shared(), shared(), shared());
                    let together = if which == "first" { 0.0 } else { 0.9 };
                    let others = if which == "each" { [two, three] } else { [one.clone(), one.clone()] };
                    (attended(&mut random, &one, 0.9), others.iter().map(|o| attended(&mut random, o, together)).collect())
                });
                println!("{name}, {which}: {found} of 40 pairs with two replicates");
                assert!((least..=most).contains(&found), "{name}, {which}: {found} of 40");
            }
        }
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let of = |random: &mut ChaCha8Rng, n| simulated(random, n, 0.0);
        let found = (PROCEDURES[0].find)(&of(&mut random, 24), &[of(&mut random, 20)], 1);
        assert_eq!(found, Err(CoresError::Replicate { found: 20, expected: 24 }));
    }

    #[test]
    fn blocks_are_called_by_closed_form_where_samples_have_one_order() {
        // Two blocks with the same rising values: no other order correlates as well.
        let attention: Vec<Vec<f32>> = (0..20)
            .map(|i| {
                let mut row = vec![0.0; 100];
                [10, 11, 60].iter().for_each(|&bin| row[bin] = 0.01 + 0.01 * i as f32);
                row
            })
            .collect();
        let reach = (0..100).map(|b| 100 * b..100 * b + 100).collect();
        let samples = Samples { attention, scores: Vec::new(), reach };
        let cores = find("permutation", &samples);
        assert_eq!(cores.blocks.iter().map(|b| b.bins.clone()).collect::<Vec<_>>(), [10..12, 60..61]);
        assert_eq!((cores.cores.clone(), cores.links.len()), (vec![vec![0, 1]], 1));
        let link = cores.links[0];
        assert!((link.r - 1.0).abs() < 1e-9 && link.p == 1.0 / 5_000.0 && link.q == link.p);
        assert_eq!(cores.members(0, &samples).len(), 20);
        assert_eq!(find("scores", &samples).called().count(), 0, "there are no scores");
        // 900 bases between them are too few.
        let near = Samples { reach: (0..100).map(|b| 18 * b..18 * b + 18).collect(), ..samples };
        assert!(find("permutation", &near).links.is_empty());
    }

    #[test]
    fn degenerate_attention_has_an_answer() {
        let of = |n: usize, row: Vec<f32>| Samples {
            reach: (0..row.len() as u64).map(|b| 500 * b..500 * b + 500).collect(),
            attention: vec![row; n],
            scores: Vec::new(),
        };
        let run = |name: &str, samples: &Samples| (procedure(name).unwrap().find)(samples, &[], 1);
        assert_eq!(run("permutation", &of(19, vec![0.1; 10])), Err(CoresError::TooFewSamples(19)));
        assert!(CoresError::TooFewSamples(4).to_string().contains("at least 20"));
        assert_eq!(run("paper", &of(1, vec![0.1; 10])), Err(CoresError::TooFewForT(1)));
        for name in ["permutation", "scores", "paper"] {
            let constant = run(name, &of(20, vec![0.1; 10])).unwrap();
            assert_eq!((constant.called().count(), constant.cores.len()), (0, 0), "{name}: constant attention");
            let alternating: Vec<f32> = (0..10).map(|i| f32::from(u8::from(i % 4 == 0))).collect();
            assert_eq!(run(name, &of(20, alternating)).unwrap().called().count(), 0, "{name}: the same in all samples");
            assert_eq!(run(name, &of(20, Vec::new())).unwrap().blocks.len(), 0, "{name}: no bin");
        }
        let uneven = Samples { attention: vec![vec![0.1; 3]; 20], scores: Vec::new(), reach: vec![0..1; 4] };
        assert_eq!(run("permutation", &uneven), Err(CoresError::Bins { found: 3, expected: 4 }));
    }

    /// Four samples, as in DeepCORE's figures: noise gives hundreds of pairs with r above 0.95, which is why fewer than 20 are refused.
    #[test]
    fn four_samples_correlate_by_chance() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut attention: Vec<Vec<f32>> = Vec::new();
        for _ in 0..4 {
            let scores: Vec<f64> =
                (0..200).map(|_| if random.random_bool(0.1) { random.random_range(0.9..1.1) } else { 0.0 }).collect();
            attention.push(sparsemax(&scores));
        }
        let profile = |bin: usize| standardised(&attention.iter().map(|row| f64::from(row[bin])).collect::<Vec<_>>());
        let profiles: Vec<Vec<f64>> = (0..200).filter_map(profile).collect();
        let pairs = (0..profiles.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
        let perfect = pairs.filter(|&(i, j)| dot(&profiles[i], &profiles[j]) > 0.999).count();
        assert!(perfect > 100, "{perfect} pairs of independent bins with r = 1");
    }
}
