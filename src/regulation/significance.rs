//! Which bins a network attends to more than chance would have it.
//!
//! `null` asks what the network attends to where DNA and marks are the same but lie with one another by chance. `paper` and `code`
//! are what DeepCORE's authors describe and what they published; both call bins whatever the attention is, and are kept to compare.

use super::attention::{Rows, attention, shuffled};
use super::statistics::{benjamini_hochberg, empirical_p, normal_tail};
use crate::attribution::AttributionError;
use crate::genome::GeneId;
use crate::models::{Input, Manifest, Model, ModelError, SampleSource};
use crate::session::{Readers, SampleId};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Bins with an adjusted p-value below this are called.
pub const LEVEL: f64 = 0.05;
/// The published code calls so many where nothing else is left.
const FALLBACK: usize = 20;
/// The number of tests the published code corrects for, whatever their number is.
const PUBLISHED_TESTS: f64 = 200.0;

/// A way to call bins.
pub struct Procedure {
    /// As on the command line.
    pub name: &'static str,
    /// One line of what it does.
    pub about: &'static str,
    /// Calls bins of attention rows, with the attention of null inputs.
    pub call: fn(&Rows, &Null) -> Bins,
    /// Whether it reads the null.
    pub needs_null: bool,
}

/// Every procedure; the first is the default.
pub const PROCEDURES: &[Procedure] = &[
    Procedure {
        name: "null",
        about: "against attention to the same tracks moved round in a circle, each by itself; q by Benjamini and Hochberg",
        call: by_null,
        needs_null: true,
    },
    Procedure {
        name: "paper",
        about: "DeepCORE's paper: the gene's own empirical distribution. Calls one bin or, where few are not 0, all",
        call: |attention, _| by_own_distribution(attention),
        needs_null: false,
    },
    Procedure {
        name: "code",
        about: "DeepCORE's published code: 2-means, normal tails, 200 tests. Never calls none",
        call: |attention, _| by_clusters(attention),
        needs_null: false,
    },
];

/// The procedure of a name.
pub fn procedure(name: &str) -> Option<&'static Procedure> {
    PROCEDURES.iter().find(|p| p.name == name)
}

/// Tests of every bin of every row of attention.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bins {
    /// Name of the procedure.
    pub procedure: &'static str,
    /// p-values.
    pub p: Vec<Vec<f64>>,
    /// p-values adjusted over all rows and bins of the gene.
    pub q: Vec<Vec<f64>>,
    /// Whether a bin is called.
    pub called: Vec<Vec<bool>>,
}

impl Bins {
    /// Number of called bins.
    pub fn count(&self) -> usize {
        self.called.iter().flatten().filter(|called| **called).count()
    }

    /// Bins that are called in any row, ascending.
    pub fn any(&self) -> Vec<usize> {
        let n = self.called.first().map_or(0, Vec::len);
        (0..n).filter(|&bin| self.called.iter().any(|row| row[bin])).collect()
    }

    /// As many values as `rows` have, `called` by the adjusted p-value.
    fn adjusted(procedure: &'static str, p: Vec<Vec<f64>>) -> Self {
        let flat = benjamini_hochberg(&p.concat());
        let mut flat = flat.into_iter();
        let q: Vec<Vec<f64>> = p.iter().map(|row| flat.by_ref().take(row.len()).collect()).collect();
        let called = q.iter().map(|row| row.iter().map(|q| *q < LEVEL).collect()).collect();
        Self { procedure, p, q, called }
    }
}

/// Attention to inputs in which things lie by chance: for each row, every value of every bin, ascending.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Null {
    rows: Vec<Vec<f64>>,
}

impl Null {
    /// Takes in the attention of null inputs.
    pub fn of<'a>(attention: impl IntoIterator<Item = &'a Rows>) -> Self {
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for window in attention {
            rows.resize(rows.len().max(window.len()), Vec::new());
            rows.iter_mut().zip(window).for_each(|(all, row)| all.extend(row.iter().map(|w| f64::from(*w))));
        }
        rows.iter_mut().for_each(|row| row.sort_by(f64::total_cmp));
        Self { rows }
    }
}

/// Null inputs for attention of `rows` by `bins`: so many that the strongest bin alone can be called, twice over.
pub fn null_inputs(rows: usize, bins: usize) -> usize {
    // The smallest p-value is 1 / (bins * n + 1); over rows * bins tests it is adjusted to rows / n.
    ((2.0 * rows as f64 / LEVEL) as usize).max(if bins == 0 { 0 } else { 2 })
}

/// Shuffles of one input, every second also with its marks exchanged.
pub fn null_of(
    model: &dyn Model,
    input: &Input,
    n: usize,
    seed: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<Rows>, AttributionError> {
    let draw = |i: usize| {
        // A stream of its own for each draw: it does not depend on how many come before.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(i as u64 + 1);
        shuffled(input, i % 2 == 1, &mut random)
    };
    attention(model, (0..n).map(draw), go_on)
}

/// Attention to shuffled inputs of other genes of a sample: half of every gene's null.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    genes: Vec<(GeneId, Rows)>,
    /// Shuffles of a gene's own input beside them.
    own: usize,
    seed: u64,
}

impl Pool {
    /// One shuffle of each of so many genes as are needed, evenly spread over the session.
    ///
    /// # Errors
    /// Where no gene can be read, the network has no attention, or the work is no longer wanted.
    pub fn read(
        model: &dyn Model,
        readers: &mut Readers,
        sample: SampleId,
        seed: u64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Self, AttributionError> {
        let all: Vec<GeneId> = readers.session().genome.genes.iter().map(|(id, _)| id).collect();
        let mut pool = Self { seed, ..Self::default() };
        let (mut wanted, mut i) = (1, 0);
        while i < wanted.min(all.len()) {
            let id = all[i * all.len() / wanted.min(all.len())];
            let input = read_gene(readers, sample, id, model.manifest())?;
            for rows in null_of(model, &input, 1, pool.seed_of(id), go_on)? {
                if wanted == 1 {
                    pool.own = null_inputs(rows.len(), rows.first().map_or(0, Vec::len)).div_ceil(2);
                    wanted = pool.own.max(1);
                }
                pool.genes.push((id, rows));
            }
            i += 1;
        }
        Ok(pool)
    }

    fn seed_of(&self, id: GeneId) -> u64 {
        self.seed ^ (id.0 as u64 + 1).rotate_left(32)
    }

    /// Attention of a gene and its bins, with its own shuffles and those of the other genes as null where the procedure asks for one.
    ///
    /// # Errors
    /// As [`Pool::read`].
    pub fn call(
        &self,
        model: &dyn Model,
        input: &Input,
        id: GeneId,
        procedure: &Procedure,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(Rows, Bins), AttributionError> {
        let rows = attention(model, std::iter::once(input.clone()), go_on)?.pop().unwrap_or_default();
        let null = match procedure.needs_null {
            true => {
                let own = null_of(model, input, self.own, self.seed_of(id), go_on)?;
                Null::of(own.iter().chain(self.genes.iter().filter(|(other, _)| *other != id).map(|(_, rows)| rows)))
            }
            false => Null::default(),
        };
        let bins = (procedure.call)(&rows, &null);
        Ok((rows, bins))
    }
}

/// A gene as the network reads it in a sample.
pub fn read_gene(readers: &mut Readers, sample: SampleId, id: GeneId, manifest: &Manifest) -> Result<Input, ModelError> {
    let session = readers.session().clone();
    let window = manifest.window_of(session.genome.genes.get(id), session.genome.tss);
    Input::assemble(manifest, &window, &mut SampleSource::new(readers, sample, manifest))
}

/// `null`: a bin without attention has p = 1 and is never called.
fn by_null(attention: &Rows, null: &Null) -> Bins {
    let none = Vec::new();
    let of_row = |(i, row): (usize, &Vec<f32>)| {
        let null = null.rows.get(i).unwrap_or(&none);
        row.iter().map(|&w| if w > 0.0 { empirical_p(f64::from(w), null) } else { 1.0 }).collect()
    };
    Bins::adjusted("null", attention.iter().enumerate().map(of_row).collect())
}

/// `paper`: p is the share of the row's bins with more attention.
fn by_own_distribution(attention: &Rows) -> Bins {
    let of_row = |row: &Vec<f32>| {
        let mut sorted = row.clone();
        sorted.sort_by(f32::total_cmp);
        let above = |w: &f32| row.len() - sorted.partition_point(|v| v <= w);
        row.iter().map(|w| above(w) as f64 / row.len() as f64).collect()
    };
    Bins::adjusted("paper", attention.iter().map(of_row).collect())
}

/// `code`: the smallest of three normal tails (of both clusters and of all), times 200 below 0.05; else without the 200; else the 20
/// smallest. A distribution without spread gives 1. `q` is what was compared with 0.05.
fn by_clusters(attention: &Rows) -> Bins {
    let mut bins = Bins { procedure: "code", ..Bins::default() };
    for row in attention {
        let values: Vec<f64> = row.iter().map(|w| f64::from(*w)).collect();
        let (low, high) = two_means(&values);
        let groups = [&low, &high, &values].map(|group| mean_and_deviation(group));
        let p: Vec<f64> = values
            .iter()
            .map(|v| {
                let tails = groups.iter().map(|(mean, deviation)| normal_tail((v - mean) / deviation));
                tails.map(|p| if p.is_nan() { 1.0 } else { p }).fold(1.0, f64::min)
            })
            .collect();
        let corrected: Vec<f64> = p.iter().map(|p| (p * PUBLISHED_TESTS).min(1.0)).collect();
        let is_any = |p: &[f64]| p.iter().any(|p| *p < LEVEL);
        let (q, called) = if is_any(&corrected) {
            let called = corrected.iter().map(|p| *p < LEVEL).collect();
            (corrected, called)
        } else if is_any(&p) {
            (p.clone(), p.iter().map(|p| *p < LEVEL).collect())
        } else {
            let mut order: Vec<usize> = (0..p.len()).collect();
            order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
            let mut called = vec![false; p.len()];
            order.iter().take(FALLBACK).for_each(|&i| called[i] = true);
            (p.clone(), called)
        };
        bins.p.push(p);
        bins.q.push(q);
        bins.called.push(called);
    }
    bins
}

/// Both clusters of the best split in two: on a line they are the values below a cut and those above it. Equal values stay together.
fn two_means(values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let spread = |group: &[f64]| {
        let (_, deviation) = mean_and_deviation(group);
        deviation * deviation * group.len() as f64
    };
    let cuts = (1..sorted.len()).filter(|&cut| sorted[cut - 1] < sorted[cut]);
    let cost = |cut: usize| spread(&sorted[..cut]) + spread(&sorted[cut..]);
    let best = cuts.map(|cut| (cut, cost(cut))).min_by(|a, b| a.1.total_cmp(&b.1));
    let cut = best.map_or(sorted.len(), |(cut, _)| cut);
    let high = sorted.split_off(cut);
    (sorted, high)
}

/// Mean and population deviation.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    /// 200 bins, the first of which have `weights`.
    fn sparse(weights: &[f32]) -> Rows {
        let mut row = vec![0.0; 200];
        row[..weights.len()].copy_from_slice(weights);
        vec![row]
    }

    fn by(name: &str, attention: &Rows, null: &Null) -> Bins {
        (procedure(name).unwrap().call)(attention, null)
    }

    #[test]
    fn null_counts_what_is_at_least_as_large() {
        let null = Null::of(&[sparse(&[0.5, 0.3, 0.2]), sparse(&[1.0])]);
        let bins = by("null", &sparse(&[0.6, 0.3, 0.1]), &null);
        let expected = [2.0 / 401.0, 4.0 / 401.0, 5.0 / 401.0, 1.0];
        assert_eq!(bins.p[0][..4], expected);
        assert_eq!(bins.count(), 0, "200 tests of p = 0.005");
        let many: Vec<Rows> = (0..null_inputs(1, 200)).map(|_| sparse(&[0.5, 0.5])).collect();
        let alone = by("null", &sparse(&[0.9, 0.1]), &Null::of(&many));
        assert_eq!((alone.count(), alone.any()), (1, vec![0]), "the strongest bin alone can be called");
    }

    #[test]
    fn attention_of_0_is_never_called() {
        let nothing = vec![vec![0.0; 200]];
        for attention in [&nothing, &sparse(&[1.0])] {
            let bins = by("null", attention, &Null::of(&vec![nothing.clone(); 100]));
            assert!(bins.p[0].iter().zip(&attention[0]).all(|(p, a)| *a > 0.0 || *p == 1.0));
        }
        assert_eq!(by("null", &nothing, &Null::default()).count(), 0);
    }

    /// The degeneracy of both published procedures, in the numbers of docs/biology.md.
    #[test]
    fn published_procedures_call_bins_whatever_the_attention_is() {
        let count = |name: &str, attention: &Rows| by(name, attention, &Null::default()).count();
        let falling: Vec<f32> = (0..200).map(|i| 0.01 - 4e-5 * i as f32).collect();
        assert_eq!(count("paper", &vec![falling.clone()]), 1, "all different: the largest, and no other");
        for (nonzero, called) in [(1, 200), (9, 200), (10, 1), (50, 1)] {
            let weights: Vec<f32> = (0..nonzero).map(|i| 1.0 + i as f32).collect();
            assert_eq!(count("paper", &sparse(&weights)), called, "{nonzero} bins that are not 0");
        }
        assert_eq!(count("paper", &sparse(&[0.1; 10])), 10, "ties are called together");
        assert_eq!(count("code", &vec![vec![0.005; 200]]), FALLBACK, "constant attention: the first 20");
        assert!(count("code", &vec![falling]) > 0);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..200 {
            let noise: Rows = vec![(0..200).map(|_| random.random::<f32>()).collect()];
            assert!(count("code", &noise) > 0 && count("paper", &noise) == 1, "noise");
        }
    }

    /// p-values of both clusters' tails in scipy: `1 - norm.cdf`, population deviations.
    #[test]
    fn code_takes_the_smallest_of_three_tails() {
        let bins = by_clusters(&vec![vec![1.0, 2.0, 3.0, 10.0, 12.0]]);
        let expected = [0.846_721_863_310, 0.5, 0.110_335_680_960, 0.0, 0.0];
        for (p, expected) in bins.p[0].iter().zip(expected) {
            assert!((p - expected).abs() < 1e-9, "{p} {expected}");
        }
        assert_eq!(two_means(&[3.0, 1.0, 12.0, 2.0, 10.0]), (vec![1.0, 2.0, 3.0], vec![10.0, 12.0]));
        assert_eq!(two_means(&[2.0; 3]), (vec![2.0; 3], Vec::new()));
    }
}
