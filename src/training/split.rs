//! Which genes a network learns from, is stopped by, and is judged on.

use super::{Example, TrainingError};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

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

/// Where validation genes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Validation {
    /// Chromosomes of their own.
    Chroms(Vec<String>),
    /// About this share of the genes of the training chromosomes, in runs of neighbours, since windows of neighbours share bases.
    Share(f64),
}

/// Neighbours kept together by [`Validation::Share`].
const RUN: usize = 16;

impl Split {
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
            let there = there.into_iter().collect::<Vec<_>>().join(", ");
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
            let mut runs: Vec<&[usize]> = all
                .chunk_by(|a, b| examples[*a].window.chrom() == examples[*b].window.chrom())
                .flat_map(|c| c.chunks(RUN))
                .collect();
            runs.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let wanted = (share.clamp(0.0, 1.0) * all.len() as f64).round() as usize;
            for run in runs {
                let part = if split.valid.len() < wanted { &mut split.valid } else { &mut split.train };
                part.extend(run);
            }
            split.train.sort_unstable();
            split.valid.sort_unstable();
        }
        match split.train.is_empty() || split.valid.is_empty() {
            true => Err(TrainingError::Data(format!(
                "{} genes to learn from, {} to validate on, {} to test on: too few",
                split.train.len(),
                split.valid.len(),
                split.test.len()
            ))),
            false => Ok(split),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dataset::tests::example;
    use super::*;

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
}
