//! Folds over samples (DeepCAGE): each sample predicted by a network that was trained on samples of other folds. Judged at loci known
//! from the training samples, at novel ones, which none of them has open, and on chromosomes that were never learnt from; beside the
//! mean of the training samples, which knows the place and nothing of the sample.

use super::{Design, Study};
use crate::training::{Dataset, Panel, Split, TrainingError, predict};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const SAMPLE_FOLDS: Design = Design {
    name: "sample-folds",
    about: "each sample predicted by a network trained on the others, at known and novel loci, sample- and locus-wise (DeepCAGE)",
    run,
};

/// As published: five folds of 11 cell types; fewer samples are left out one by one.
const FOLDS: usize = 5;
/// A known locus is open in at least so many training samples.
const KNOWN: usize = 2;
const MEAN: &str = "mean of the training samples";

/// Scores by what made them, then by locus and sample.
type Scores = BTreeMap<&'static str, BTreeMap<(usize, usize), f64>>;

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    if study.samples.len() < 3 {
        return Err(TrainingError::Data("sample-folds: name three samples or more".to_owned()));
    }
    let (manifest, samples, options) = (study.manifest.clone(), study.samples.clone(), study.options.clone());
    if manifest.output.signal.is_none() {
        let name = &manifest.architecture;
        return Err(TrainingError::Data(format!("sample-folds: {name} predicts genes; it is for a network that predicts loci")));
    }
    let all = study.read(&manifest, &samples)?;
    let split = study.split(&all)?;
    let loci = Loci::new(&all);
    let folds = FOLDS.min(samples.len());
    let mut scores = Scores::new();
    let mut known_in_all: Option<BTreeSet<usize>> = None;
    for fold in 0..folds {
        let is_held = |sample: usize| sample % folds == fold;
        let parts = loci.parts(is_held, samples.len());
        let of = |part: &[usize]| -> Vec<usize> {
            let is_learnt = |i: &&usize| !is_held(all.examples[**i].sample) && !parts.novel.contains(&loci.of[**i]);
            part.iter().filter(is_learnt).copied().collect()
        };
        let held = |loci_of: &BTreeSet<usize>, part: &[usize]| -> Vec<usize> {
            let is_judged = |i: &&usize| is_held(all.examples[**i].sample) && loci_of.contains(&loci.of[**i]);
            part.iter().filter(is_judged).copied().collect()
        };
        let seen = [split.train.clone(), split.valid.clone()].concat();
        let unseen: BTreeSet<usize> = split.test.iter().map(|i| loci.of[*i]).collect();
        let own = Split { train: of(&split.train), valid: of(&split.valid), test: held(&parts.known, &seen) };
        let label = |what: &str| format!("fold {} of {folds}, {what}", fold + 1);
        let mut data = all.clone();
        let Some(fits) = study.trial(&label("known loci"), &manifest, &options, &mut data, &own)? else { continue };
        for (i, fitted) in fits.iter().enumerate() {
            study.seed = options.seed + i as u64;
            for (what, indices) in [("novel loci", held(&parts.novel, &seen)), ("unseen chromosomes", held(&unseen, &split.test))]
            {
                if !indices.is_empty() {
                    study.judge(&label(what), fitted, &data, &indices)?;
                }
            }
        }
        study.seed = options.seed;
        let judged: Vec<usize> = (0..all.examples.len()).filter(|i| is_held(all.examples[*i].sample)).collect();
        let predicted = predict(&*fits[0].model, &data, &judged)?;
        let mean = loci.mean(&all, &manifest.output, is_held);
        for (i, predicted) in judged.iter().zip(predicted) {
            let at = (loci.of[*i], all.examples[*i].sample);
            scores.entry("network").or_default().insert(at, predicted);
            scores.entry(MEAN).or_default().insert(at, mean[at.0]);
        }
        known_in_all =
            Some(known_in_all.map_or(parts.known.clone(), |known| known.intersection(&parts.known).copied().collect()));
    }
    let unseen: BTreeSet<usize> = split.test.iter().map(|i| loci.of[*i]).collect();
    let known = known_in_all.unwrap_or_default();
    for (what, chosen) in [("known loci", known.difference(&unseen).copied().collect()), ("unseen chromosomes", unseen)] {
        together(study, &all, &loci, &scores, what, &chosen);
    }
    Ok(())
}

/// Appends the statistics of all samples together, each predicted by the network that did not see it.
fn together(study: &mut Study<'_>, all: &Dataset, loci: &Loci, scores: &Scores, what: &str, chosen: &BTreeSet<usize>) {
    let n = all.samples.len();
    let chosen: Vec<usize> = chosen.iter().copied().filter(|locus| loci.at[*locus].len() == n).collect();
    if chosen.is_empty() {
        return;
    }
    let output = study.manifest.output.clone();
    let panel = |value: &dyn Fn(usize, usize) -> f64| Panel {
        rows: (0..n).map(|sample| chosen.iter().map(|locus| value(*locus, sample)).collect()).collect(),
    };
    let measured = panel(&|locus, sample| output.target(all.examples[loci.at[locus][&sample]].expression));
    let is_open = |sample: usize, i: usize| all.examples[loci.at[chosen[i]][&sample]].is_open == Some(true);
    let indices: Vec<usize> = chosen.iter().map(|locus| loci.at[*locus][&0]).collect();
    for (name, of) in scores {
        let predicted = panel(&|locus, sample| of.get(&(locus, sample)).copied().unwrap_or(f64::NAN));
        for (statistic, value) in predicted.judge(&measured, is_open).named() {
            let mut line = study.line(&format!("{name}, {what}"), all, &indices, statistic, value);
            line.sample = "all, each left out".to_owned();
            study.lines.push(line);
        }
    }
}

/// The loci of a data set, and their examples in each sample.
struct Loci {
    /// Of each example.
    of: Vec<usize>,
    /// Of each locus: its example by sample.
    at: Vec<BTreeMap<usize, usize>>,
    /// Of each locus: the samples it is open in.
    open: Vec<BTreeSet<usize>>,
}

/// Loci as the training samples know them.
struct Known {
    known: BTreeSet<usize>,
    novel: BTreeSet<usize>,
}

impl Loci {
    fn new(data: &Dataset) -> Self {
        let mut numbers = BTreeMap::new();
        let mut loci = Self { of: Vec::new(), at: Vec::new(), open: Vec::new() };
        for (i, example) in data.examples.iter().enumerate() {
            let n = numbers.len();
            let locus = *numbers.entry(example.gene.as_str()).or_insert(n);
            if locus == n {
                loci.at.push(BTreeMap::new());
                loci.open.push(BTreeSet::new());
            }
            loci.of.push(locus);
            loci.at[locus].insert(example.sample, i);
            if example.is_open == Some(true) {
                loci.open[locus].insert(example.sample);
            }
        }
        loci
    }

    /// Loci that are open in two training samples or more, and those that are open in a sample that is held out and in no other.
    fn parts(&self, is_held: impl Fn(usize) -> bool, n_samples: usize) -> Known {
        let n_train = (0..n_samples).filter(|sample| !is_held(*sample)).count();
        let open_in = |locus: usize, held: bool| self.open[locus].iter().filter(|sample| is_held(**sample) == held).count();
        let all = 0..self.open.len();
        Known {
            known: all.clone().filter(|locus| open_in(*locus, false) >= KNOWN.min(n_train)).collect(),
            novel: all.filter(|locus| open_in(*locus, false) == 0 && open_in(*locus, true) > 0).collect(),
        }
    }

    /// Of each locus, the mean target of the samples that are not held out.
    fn mean(&self, data: &Dataset, output: &crate::models::OutputSpec, is_held: impl Fn(usize) -> bool) -> Vec<f64> {
        let of = |at: &BTreeMap<usize, usize>| {
            let train: Vec<f64> = at
                .iter()
                .filter(|(sample, _)| !is_held(**sample))
                .map(|(_, i)| output.target(data.examples[*i].expression))
                .collect();
            train.iter().sum::<f64>() / train.len() as f64
        };
        self.at.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{BaseOrder, Strand, Window};
    use crate::training::{Example, Record};

    #[test]
    fn loci_are_known_or_novel_by_the_samples_that_are_learnt_from() {
        // Open in: no sample, 0 alone, 0 and 1, 1 and 2, all.
        let open: [&[usize]; 5] = [&[], &[0], &[0, 1], &[1, 2], &[0, 1, 2]];
        let example = |sample: usize, locus: usize| Example {
            gene: format!("l{locus}"),
            sample,
            window: Window::around("c", 100, Strand::Forward, 2, 4),
            expression: (10 * locus + sample) as f64,
            file_order: locus,
            is_open: Some(open[locus].contains(&sample)),
        };
        let examples = (0..3).flat_map(|sample| (0..5).map(move |locus| (sample, locus)));
        let manifest = crate::models::test_manifest(4, 1, &[], Some(BaseOrder::ACGT));
        let mut data = Dataset::new(&manifest, examples.map(|(s, l)| (example(s, l), Record::default())).collect()).unwrap();
        data.samples = ["a", "b", "c"].map(str::to_owned).into();
        let loci = Loci::new(&data);
        let held_out = |held: usize| {
            let parts = loci.parts(|sample| sample == held, 3);
            (parts.known.into_iter().collect::<Vec<_>>(), parts.novel.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(held_out(0), (vec![3, 4], vec![1]));
        assert_eq!(held_out(1), (vec![4], vec![]));
        let mut output = manifest.output.clone();
        output.pseudocount = 1.0;
        let mean = loci.mean(&data, &output, |sample| sample == 0);
        // Samples 1 and 2 of locus 2: 21 and 22.
        assert!((mean[2] - f64::midpoint(22f64.ln(), 23f64.ln())).abs() < 1e-12, "{mean:?}");
    }
}
