//! The published designs of comparison: networks fitted under several conditions and judged on the same genes. One design a file.

mod ablation;
mod comparators;
mod cross_sample;
mod replicates;
mod runtime;
mod sample_folds;
mod shuffled_labels;
mod sufficient_views;
mod window_length;

use super::metrics::{bootstrap_values, measures, percentile};
use super::{
    BASELINES, Baseline, Dataset, FitOptions, Fitted, Interval, Progress, Split, SplitPlan, TrainingError, fit, intervals,
    predict,
};
use crate::models::{Manifest, ModelError};
use crate::session::{Readers, SampleId};
use std::ops::ControlFlow;

/// A design of comparison.
#[derive(Debug)]
pub struct Design {
    /// On the command line.
    pub name: &'static str,
    /// One line of what it compares, and where it was published.
    pub about: &'static str,
    run: fn(&mut Study<'_>) -> Result<(), TrainingError>,
}

/// Every design. Adding one is a file and a line here.
pub const DESIGNS: &[Design] = &[
    ablation::ABLATION,
    window_length::WINDOW_LENGTH,
    replicates::REPLICATES,
    runtime::RUNTIME,
    cross_sample::CROSS_SAMPLE,
    sample_folds::SAMPLE_FOLDS,
    shuffled_labels::SHUFFLED_LABELS,
    comparators::COMPARATORS,
    sufficient_views::SUFFICIENT_VIEWS,
];

/// One number of a design's table.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The condition.
    pub label: String,
    /// The sample judged in.
    pub sample: String,
    /// Of the fit.
    pub seed: u64,
    /// Genes judged.
    pub genes: usize,
    /// The statistic.
    pub statistic: String,
    /// Its value, with the bounds of 95 % of its bootstrap over genes; NaN where there are none.
    pub interval: Interval,
    /// 2.5th percentile, quartiles and 97.5th of that bootstrap, for the first statistic of a condition.
    pub spread: Option<[f64; 5]>,
    /// What else there is to say: why a condition could not be run.
    pub note: String,
}

/// What a design works with.
pub struct Study<'a> {
    /// Of the session.
    pub readers: Readers,
    /// What every condition is a change of.
    pub manifest: Manifest,
    /// The samples named, in order.
    pub samples: Vec<SampleId>,
    /// How genes are parted.
    pub plan: SplitPlan,
    /// How every condition is fitted.
    pub options: FitOptions,
    /// Fits of a condition, the first with the seed of `options`.
    pub seeds: u64,
    /// Seed of the fit under way.
    pub seed: u64,
    /// Window lengths to try; empty for the design's own.
    pub lengths: Vec<u64>,
    /// Other networks to fit, each in its own way.
    pub others: Vec<(Manifest, FitOptions)>,
    /// Called with what is under way, after every step; may stop it.
    pub watch: &'a mut (dyn FnMut(&str, &Progress<'_>, &FitOptions) -> ControlFlow<()> + Send),
    /// The table so far.
    pub lines: Vec<Line>,
}

impl Design {
    /// The design of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        DESIGNS.iter().find(|d| d.name == name)
    }

    /// Runs it; the table is in `study.lines`.
    ///
    /// # Errors
    /// Where the data cannot be read or learnt from, or the fit is stopped. A condition that a network cannot be built for is a line
    /// that says so.
    pub fn run(&self, study: &mut Study<'_>) -> Result<(), TrainingError> {
        (self.run)(study)
    }
}

impl Study<'_> {
    fn read(&mut self, manifest: &Manifest, samples: &[SampleId]) -> Result<Dataset, TrainingError> {
        Dataset::read(&mut self.readers, samples, manifest, &mut |_, _| ControlFlow::Continue(()))
    }

    fn split(&self, data: &Dataset) -> Result<Split, TrainingError> {
        Split::plan(&data.examples, &self.plan, self.options.seed)
    }

    fn name_of(&self, sample: SampleId) -> String {
        self.readers.session().samples[sample.0].name.clone()
    }

    /// Fits a condition with each seed and judges it on the genes to judge on. `None` where there is no such network, with a line that
    /// says why.
    fn trial(
        &mut self,
        label: &str,
        manifest: &Manifest,
        options: &FitOptions,
        data: &mut Dataset,
        split: &Split,
    ) -> Result<Option<Vec<Fitted>>, TrainingError> {
        let mut fits = Vec::new();
        for i in 0..self.seeds {
            self.seed = self.options.seed + i;
            let options = FitOptions { seed: self.seed, ..options.clone() };
            let watch = &mut self.watch;
            let what = if self.seeds == 1 { label.to_owned() } else { format!("{label}, seed {}", options.seed) };
            let fitted = fit(manifest, data, split, &options, None, &mut |progress| watch(&what, progress, &options));
            let fitted = match fitted {
                Err(TrainingError::Model(error @ (ModelError::Manifest(_) | ModelError::Input(_)))) => {
                    self.note(label, data, &error.to_string());
                    return Ok(None);
                }
                fitted => fitted?,
            };
            self.judge(label, &fitted, data, &split.test)?;
            fits.push(fitted);
        }
        self.seed = self.options.seed;
        Ok(Some(fits))
    }

    /// Appends a fitted network's statistics of the examples at `indices`, which must be of one sample or mean several together.
    fn judge(&mut self, label: &str, fitted: &Fitted, data: &Dataset, indices: &[usize]) -> Result<(), TrainingError> {
        let scores = predict(&*fitted.model, data, indices)?;
        let truth = data.targets(indices, &fitted.manifest.output);
        self.score(label, data, indices, &scores, &truth, &fitted.manifest);
        Ok(())
    }

    /// Appends the statistics of scores made in any way.
    fn score(&mut self, label: &str, data: &Dataset, indices: &[usize], scores: &[f64], truth: &[f64], manifest: &Manifest) {
        let measures = measures(manifest.output.kind);
        let (n, seed) = (self.options.bootstraps, self.options.seed);
        for (i, (statistic, interval)) in intervals(measures, scores, truth, n, seed).into_iter().enumerate() {
            let spread = (i == 0).then(|| {
                let values = bootstrap_values(measures[0].1, scores, truth, n, seed);
                [0.025, 0.25, 0.5, 0.75, 0.975].map(|share| percentile(&values, share))
            });
            let line = Line { spread, interval, ..self.line(label, data, indices, statistic, interval.value) };
            self.lines.push(line);
        }
    }

    fn line(&self, label: &str, data: &Dataset, indices: &[usize], statistic: &str, value: f64) -> Line {
        let mut samples: Vec<&str> =
            indices.iter().filter_map(|i| data.samples.get(data.examples[*i].sample)).map(String::as_str).collect();
        samples.dedup();
        Line {
            label: label.to_owned(),
            sample: samples.join(","),
            seed: self.seed,
            genes: indices.len(),
            statistic: statistic.to_owned(),
            interval: Interval { value, low: f64::NAN, high: f64::NAN },
            spread: None,
            note: String::new(),
        }
    }

    fn note(&mut self, label: &str, data: &Dataset, note: &str) {
        let line = Line { note: note.to_owned(), ..self.line(label, data, &[], "", f64::NAN) };
        self.lines.push(line);
    }

    /// Appends a baseline learnt from the training genes.
    fn baseline(&mut self, baseline: &Baseline, manifest: &Manifest, data: &Dataset, split: &Split) -> Result<(), TrainingError> {
        let every: Vec<usize> = (0..data.examples.len()).collect();
        let output = judged_output(manifest, data, split);
        let targets = data.targets(&every, &output);
        match baseline.predict(data, &split.train, &targets, &split.test) {
            Ok(scores) => {
                let truth = data.targets(&split.test, &output);
                self.score(baseline.name, data, &split.test, &scores, &truth, manifest);
                // Where its scores are cut into classes means nothing.
                self.lines.retain(|l| {
                    l.label != baseline.name || !["f1_macro", "f1_micro", "accuracy"].contains(&l.statistic.as_str())
                });
            }
            Err(error) => self.note(baseline.name, data, &error.to_string()),
        }
        Ok(())
    }

    /// The baseline that stands beside every accuracy.
    fn first_baseline(&mut self, manifest: &Manifest, data: &Dataset, split: &Split) -> Result<(), TrainingError> {
        match manifest.input.marks.is_empty() {
            true => Ok(()),
            false => self.baseline(&BASELINES[0], manifest, data, split),
        }
    }
}

/// The output with the threshold that a fit would find.
fn judged_output(manifest: &Manifest, data: &Dataset, split: &Split) -> crate::models::OutputSpec {
    let mut output = manifest.output.clone();
    output.threshold = output.threshold.or_else(|| Some(data.threshold(0, &split.train)));
    output
}

#[cfg(test)]
mod tests;
