//! Which genes a network learns from, is stopped by, and is judged on.

use super::{Example, TrainingError};
use crate::genome::{Stretch, Window};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Indices of examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To choose when to stop by.
    pub valid: Vec<usize>,
    /// To judge by, once.
    pub test: Vec<usize>,
}

/// How genes are parted.
#[derive(Clone, Debug, PartialEq)]
pub enum SplitPlan {
    /// Genes of whole chromosomes are judged on.
    Chromosomes {
        /// Never learnt from.
        test: Vec<String>,
        /// Of the others.
        validation: Validation,
    },
    /// Genes whose windows overlap, directly or through others, are kept together: no base is in two parts.
    Components(Shares),
    /// As they stand in the file of their expression (bin tables: in the tables), the first to learn from. As AttentiveChrome and
    /// iSEGnet were published.
    FileOrder(Shares),
    /// At random, as DeepCORE was published: neighbours' windows then overlap across parts.
    Random(Shares),
}

/// Where validation genes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Validation {
    /// Chromosomes of their own.
    Chroms(Vec<String>),
    /// About this share of the genes of the training chromosomes, in runs of neighbours, since windows of neighbours share bases.
    Share(f64),
}

/// Relative sizes of the three parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// To learn from.
    pub train: f64,
    /// To stop by.
    pub valid: f64,
    /// To judge on.
    pub test: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { train: 80.0, valid: 10.0, test: 10.0 }
    }
}

impl FromStr for Shares {
    type Err = String;

    /// `80/10/10`, `60/20/20`, `6601/6601/6600`.
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f64>, _> = text.split('/').map(str::parse).collect();
        match numbers.as_deref() {
            Ok(&[train, valid, test])
                if [train, valid, test].iter().all(|x| x.is_finite() && *x >= 0.0) && train > 0.0 && valid > 0.0 =>
            {
                Ok(Self { train, valid, test })
            }
            _ => Err(format!("\"{text}\": write it as 80/10/10, to learn from, to stop by and to judge on")),
        }
    }
}

impl std::fmt::Display for Shares {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.train, self.valid, self.test)
    }
}

impl std::fmt::Display for SplitPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chromosomes { test, .. } => write!(f, "by chromosome, {} held out", test.join(",")),
            Self::Components(shares) => write!(f, "{shares} by components of overlapping windows"),
            Self::FileOrder(shares) => write!(f, "{shares} in file order"),
            Self::Random(shares) => write!(f, "{shares} at random"),
        }
    }
}

/// Neighbours kept together by [`Validation::Share`].
const RUN: usize = 16;

impl Split {
    /// Parts examples by `plan`. The same gene in several samples is in one part.
    ///
    /// # Errors
    /// Where a chromosome has no example or is in two parts, or there is nothing to learn from or to stop by.
    pub fn plan(examples: &[Example], plan: &SplitPlan, seed: u64) -> Result<Self, TrainingError> {
        let all: Vec<usize> = (0..examples.len()).collect();
        let split = match plan {
            SplitPlan::Chromosomes { test, validation } => return Self::by_chrom(examples, test, validation, seed),
            SplitPlan::FileOrder(shares) => {
                let mut groups = grouped(&all, |i| &examples[i].gene);
                groups.sort_by_key(|group| (examples[group[0]].file_order, group[0]));
                Self::by_shares(groups, shares)
            }
            SplitPlan::Random(shares) => {
                let mut groups = grouped(&all, |i| &examples[i].gene);
                groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
                Self::by_shares(groups, shares)
            }
            SplitPlan::Components(shares) => {
                let mut groups = components(examples);
                groups.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
                Self::by_shares(groups, shares)
            }
        };
        split.checked()
    }

    /// Genes of `test` chromosomes are judged on, all others learnt from but for `validation`. Examples are in genome order.
    ///
    /// # Errors
    /// Where a chromosome has no example, is in two parts, or a part is empty.
    pub fn by_chrom(examples: &[Example], test: &[String], validation: &Validation, seed: u64) -> Result<Self, TrainingError> {
        let there: BTreeSet<&str> = examples.iter().map(|e| &**e.window.chrom()).collect();
        let held: &[String] = match validation {
            Validation::Chroms(chroms) => chroms,
            Validation::Share(_) => &[],
        };
        if let Some(missing) = test.iter().chain(held).find(|chrom| !there.contains(chrom.as_str())) {
            let there = listed(&there);
            return Err(TrainingError::Data(format!("no gene to train on lies on \"{missing}\"; there are genes on {there}")));
        }
        if let Some(both) = held.iter().find(|chrom| test.contains(chrom)) {
            return Err(TrainingError::Data(format!("\"{both}\" cannot be validated and tested on")));
        }
        let mut split = Self::default();
        for (i, example) in examples.iter().enumerate() {
            let on = |chroms: &[String]| chroms.iter().any(|chrom| **chrom == **example.window.chrom());
            match (on(test), on(held)) {
                (true, _) => split.test.push(i),
                (_, true) => split.valid.push(i),
                _ => split.train.push(i),
            }
        }
        if let Validation::Share(share) = validation {
            let all = std::mem::take(&mut split.train);
            let genes = grouped(&all, |i| &examples[i].gene);
            let mut runs: Vec<&[Vec<usize>]> = genes
                .chunk_by(|a, b| examples[a[0]].window.chrom() == examples[b[0]].window.chrom())
                .flat_map(|c| c.chunks(RUN))
                .collect();
            runs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let wanted = (share.clamp(0.0, 1.0) * all.len() as f64).round() as usize;
            for run in runs {
                let part = if split.valid.len() < wanted { &mut split.valid } else { &mut split.train };
                part.extend(run.iter().flatten());
            }
            split.train.sort_unstable();
            split.valid.sort_unstable();
        }
        split.checked()
    }

    /// Fills the parts group by group in the order given: the first to learn from, the next to stop by, the rest to judge on.
    fn by_shares(groups: Vec<Vec<usize>>, shares: &Shares) -> Self {
        let n = groups.iter().map(Vec::len).sum::<usize>() as f64;
        let total = shares.train + shares.valid + shares.test;
        let ends = [shares.train, shares.train + shares.valid].map(|sum| (n * sum / total).round() as usize);
        let (mut split, mut placed) = (Self::default(), 0);
        for group in groups {
            let part = match placed {
                done if done < ends[0] => &mut split.train,
                done if done < ends[1] => &mut split.valid,
                _ => &mut split.test,
            };
            placed += group.len();
            part.extend(group);
        }
        for part in [&mut split.train, &mut split.valid, &mut split.test] {
            part.sort_unstable();
        }
        split
    }

    fn checked(self) -> Result<Self, TrainingError> {
        match self.train.is_empty() || self.valid.is_empty() {
            true => Err(TrainingError::Data(format!(
                "{} genes to learn from, {} to stop by, {} to judge on: too few",
                self.train.len(),
                self.valid.len(),
                self.test.len()
            ))),
            false => Ok(self),
        }
    }
}

/// At most ten names.
fn listed(names: &BTreeSet<&str>) -> String {
    let more = if names.len() > 10 { ", ..." } else { "" };
    names.iter().take(10).copied().collect::<Vec<_>>().join(", ") + more
}

/// Indices with the same key together, in order of first appearance.
fn grouped<'a>(indices: &[usize], key: impl Fn(usize) -> &'a String) -> Vec<Vec<usize>> {
    let mut place: BTreeMap<&String, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &i in indices {
        // A gene without a name is one of its own.
        let at = if key(i).is_empty() { groups.len() } else { *place.entry(key(i)).or_insert(groups.len()) };
        match groups.get_mut(at) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

/// Examples whose windows overlap, directly or through others.
fn components(examples: &[Example]) -> Vec<Vec<usize>> {
    // Each example points to one of its component; the first of a component to itself.
    let mut parent: Vec<usize> = (0..examples.len()).collect();
    let root = |parent: &mut Vec<usize>, mut i: usize| {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    };
    let mut stretches: Vec<(&Stretch, usize)> =
        examples.iter().enumerate().flat_map(|(i, e)| e.window.stretches().map(move |s| (s, i))).collect();
    stretches.sort_by(|(a, i), (b, j)| (&a.chrom, a.start, i).cmp(&(&b.chrom, b.start, j)));
    let mut reach: Option<(&Stretch, i64, usize)> = None;
    for (stretch, i) in stretches {
        match &mut reach {
            Some((last, end, of)) if last.chrom == stretch.chrom && stretch.start < *end => {
                let (a, b) = (root(&mut parent, *of), root(&mut parent, i));
                parent[a.max(b)] = a.min(b);
                *end = stretch.end().max(*end);
            }
            _ => reach = Some((stretch, stretch.end(), i)),
        }
    }
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..examples.len() {
        groups.entry(root(&mut parent, i)).or_default().push(i);
    }
    groups.into_values().collect()
}

/// How many of the `test` windows share a base with one of the `train` windows.
pub fn count_overlapping<'a>(test: &[Window], train: impl IntoIterator<Item = &'a Window>) -> usize {
    let mut by_chrom: BTreeMap<&str, Vec<(i64, i64)>> = BTreeMap::new();
    for stretch in train.into_iter().flat_map(Window::stretches) {
        by_chrom.entry(&stretch.chrom).or_default().push((stretch.start, stretch.end()));
    }
    for windows in by_chrom.values_mut() {
        windows.sort_unstable();
        // The farthest end so far: one look at the last window that starts before another's end then tells.
        let mut farthest = i64::MIN;
        for window in windows {
            farthest = farthest.max(window.1);
            window.1 = farthest;
        }
    }
    let overlaps = |stretch: &Stretch| {
        by_chrom.get(&*stretch.chrom).is_some_and(|windows| {
            let before = windows.partition_point(|(start, _)| *start < stretch.end());
            before > 0 && windows[before - 1].1 > stretch.start
        })
    };
    test.iter().filter(|window| window.stretches().any(overlaps)).count()
}

#[cfg(test)]
mod tests {
    use super::super::dataset::tests::example;
    use super::*;
    use crate::genome::Strand;

    #[test]
    fn every_gene_is_in_one_part_and_neighbours_stay_together() {
        let examples: Vec<_> = (0..300).map(|i| example(["a", "b", "c"][i / 100], 0.0)).collect();
        let of = |chroms: &[&str]| chroms.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let chroms = Split::by_chrom(&examples, &of(&["c"]), &Validation::Chroms(of(&["b"])), 1).unwrap();
        assert_eq!((chroms.train.len(), chroms.valid[0], chroms.test[0]), (100, 100, 200));
        let share = Split::by_chrom(&examples, &of(&["b"]), &Validation::Share(0.15), 1).unwrap();
        let mut all = [share.train.clone(), share.valid.clone(), share.test.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..300).collect::<Vec<_>>());
        assert!((30..46).contains(&share.valid.len()), "{}", share.valid.len());
        let borders = share.valid.windows(2).filter(|w| w[1] != w[0] + 1).count();
        assert!(borders <= 3, "{:?}", share.valid);
        assert_eq!(share, Split::by_chrom(&examples, &of(&["b"]), &Validation::Share(0.15), 1).unwrap());
        assert_ne!(share, Split::by_chrom(&examples, &of(&["b"]), &Validation::Share(0.15), 2).unwrap());
        let message = |test: &[&str], validation| Split::by_chrom(&examples, &of(test), &validation, 1).unwrap_err().to_string();
        assert!(message(&["d"], Validation::Share(0.1)).contains("\"d\"; there are genes on a, b, c"));
        assert!(message(&["a"], Validation::Chroms(of(&["a"]))).contains("cannot be validated and tested"));
        assert!(message(&["a", "b", "c"], Validation::Share(0.1)).contains("0 genes to learn from"));
    }

    /// Genes `g0`, `g1`, ... of two samples each, 20 bases apart, windows of 24.
    fn pooled(n: usize) -> Vec<Example> {
        let gene = |sample: usize, i: usize| Example {
            gene: format!("g{i}"),
            sample,
            // Every fifth gene leaves a gap to the one before.
            window: Window::around("c", (i * 20 + i / 5 * 100) as u64, Strand::Forward, 0, 24),
            file_order: n - i,
            ..example("c", 1.0)
        };
        (0..2).flat_map(|sample| (0..n).map(move |i| gene(sample, i))).collect()
    }

    #[test]
    fn a_gene_is_in_one_part_whatever_the_sample() {
        let examples = pooled(100);
        let shares: Shares = "60/20/20".parse().unwrap();
        for plan in [
            SplitPlan::Components(shares),
            SplitPlan::FileOrder(shares),
            SplitPlan::Random(shares),
            SplitPlan::Chromosomes { test: Vec::new(), validation: Validation::Share(0.2) },
        ] {
            let split = Split::plan(&examples, &plan, 1).unwrap();
            let genes = |part: &[usize]| part.iter().map(|i| examples[*i].gene.clone()).collect::<BTreeSet<_>>();
            let parts = [genes(&split.train), genes(&split.valid), genes(&split.test)];
            assert!(parts.iter().enumerate().all(|(i, a)| parts[i + 1..].iter().all(|b| a.is_disjoint(b))), "{plan}");
            assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 100, "{plan}");
            if !matches!(plan, SplitPlan::Chromosomes { .. }) {
                // A component has at most ten examples, all of which go into the part that the first fits.
                assert!(split.train.len().abs_diff(120) <= 10 && split.test.len().abs_diff(40) <= 10, "{plan} {split:?}");
            }
            let windows = |part: &[usize]| part.iter().map(|i| examples[*i].window.clone()).collect::<Vec<_>>();
            let overlapping = count_overlapping(&windows(&split.test), &windows(&split.train));
            match plan {
                SplitPlan::Components(_) => assert_eq!(overlapping, 0),
                SplitPlan::Random(_) => assert!(overlapping > 10, "{overlapping}"),
                _ => {}
            }
        }
        // File order runs against genome order here.
        let split = Split::plan(&examples, &SplitPlan::FileOrder(shares), 1).unwrap();
        assert!(split.train.iter().all(|i| i % 100 >= 40) && split.test.iter().all(|i| i % 100 < 20));
    }

    #[test]
    fn overlaps_are_those_of_every_pair() {
        let window =
            |chrom: &str, start: i64, len| Window::from(Stretch { chrom: chrom.into(), start, len, strand: Strand::Forward });
        let train = [window("a", 0, 10), window("a", 100, 500), window("a", 120, 10), window("b", 0, 5)];
        for (start, len, expected) in [(10, 5, 0), (9, 1, 1), (-5, 5, 0), (-5, 6, 1), (580, 3, 1), (600, 3, 0), (90, 10, 0)] {
            let test = window("a", start, len);
            let meets = |t: &Window| t.chrom() == test.chrom() && t.start() < test.end() && test.start() < t.end();
            let by_pairs = usize::from(train.iter().any(meets));
            assert_eq!((count_overlapping(&[test], &train), by_pairs), (expected, expected), "{start} {len}");
        }
        assert_eq!(count_overlapping(&[window("b", 4, 1), window("c", 0, 9)], &train), 1);
        // Two stretches, with what lies between them not read.
        let joined = Window::around("a", 700, Strand::Forward, 0, 10).joined(5_000, 0, 10);
        assert_eq!(count_overlapping(&[window("a", 1_000, 10), window("a", 5_009, 3)], [&joined]), 1);
    }

    #[test]
    fn shares_are_three_numbers() {
        assert_eq!("6601/6601/6600".parse(), Ok(Shares { train: 6601.0, valid: 6601.0, test: 6600.0 }));
        for text in ["80/20", "a/b/c", "0/10/10", "80/0/20", "-1/2/3", "nan/1/1", "80/10/10/0", ""] {
            assert!(text.parse::<Shares>().is_err(), "{text}");
        }
    }
}
