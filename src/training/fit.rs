//! Gradient descent on the training genes until the validation genes say stop.

use super::metrics::{
    Interval, Statistic, auroc, average_precision, bootstrap_interval, pearson, r_squared, root_mean_square_error, spearman,
};
use super::{Adam, Dataset, Split, TrainingError};
use crate::models::{Dropout, Manifest, Model, ModelError, OutputKind, Weights, architecture};
use candle_core::{DType, Device, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// How to fit. The same options and data give the same weights, on any number of threads.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Initial weights, the order of genes, dropout and shifts.
    pub seed: u64,
    /// Genes a step.
    pub batch_size: usize,
    /// At most so many passes over the training genes.
    pub epochs: usize,
    /// Stop after so many passes without a better validation loss.
    pub patience: usize,
    /// Of Adam.
    pub learning_rate: f64,
    /// Longest global norm of a gradient.
    pub clip: Option<f64>,
    /// Coefficient of [`Model::penalty`].
    pub penalty: f64,
    /// Share of values dropped where the network has dropout.
    pub dropout: f64,
    /// Windows at base resolution are moved by up to so many bases, anew each pass.
    pub shift: u32,
    /// Bring every mark to a mean square of 1 over the training genes, unless the manifest has a scale.
    pub standardise: bool,
    /// Resamplings of the test genes for intervals.
    pub bootstraps: usize,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            batch_size: 16,
            epochs: 60,
            patience: 10,
            learning_rate: 1e-3,
            clip: Some(1.0),
            penalty: 0.0,
            dropout: 0.0,
            shift: 0,
            standardise: true,
            bootstraps: 1_000,
        }
    }
}

impl FitOptions {
    /// What suits about a thousand genes.
    pub fn of(architecture: &str) -> Self {
        match architecture {
            // The published penalty keeps attention wide while motifs are learnt; moving the windows stands for more genes.
            "deepcore" => Self { penalty: 0.005, clip: Some(5.0), shift: 10, ..Self::default() },
            // Published at 2e-4 for six times as many genes.
            "attentive-chrome" => Self { learning_rate: 2e-3, ..Self::default() },
            // Published at a rate of 1e-3 with stochastic gradient descent, one gene a step, over six times as many genes.
            "deepchrome" | "lstm" | "lstm-attn" | "lstm-alpha" | "mlp" => Self { dropout: 0.5, ..Self::default() },
            "cnn-attn" | "cnn-alpha-beta" => Self { dropout: 0.5, ..Self::default() },
            // Nine numbers or so, from a convex loss.
            "linear" => Self { learning_rate: 2e-2, epochs: 300, patience: 30, ..Self::default() },
            _ => Self::default(),
        }
    }
}

/// What has been done so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 1.
    pub epoch: usize,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// The epochs before.
    pub history: Vec<Epoch>,
}

/// One pass over the training genes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Mean loss while learning.
    pub train_loss: f64,
    /// Mean loss of the validation genes afterwards.
    pub valid_loss: f64,
    /// Their correlation with the measurements (regression) or AUROC.
    pub valid_score: f64,
}

/// A fitted network.
pub struct Fitted {
    /// The manifest with scale, threshold and metrics filled in.
    pub manifest: Manifest,
    /// The weights of the best epoch.
    pub weights: BTreeMap<String, Tensor>,
    /// The network with those weights.
    pub model: Box<dyn Model>,
    /// Every epoch.
    pub history: Vec<Epoch>,
    /// Held-out statistics by name, with intervals; empty where there are no test genes.
    pub test: Vec<(&'static str, Interval)>,
}

/// Fits the architecture of `manifest` to `data`. Its scale, threshold (unless given) and the first value of the output bias come from
/// the training genes alone.
///
/// `progress` is called after every step and may stop the fit.
///
/// # Errors
/// Where the network cannot be built or fed, the targets do not vary, the loss diverges, or `progress` stops it.
pub fn fit(
    manifest: &Manifest,
    data: &mut Dataset,
    split: &Split,
    options: &FitOptions,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Fitted, TrainingError> {
    let mut manifest = manifest.clone();
    if options.standardise && manifest.input.scale.is_empty() {
        manifest.input.scale = data.measure_scale(&split.train);
    }
    data.set_scale(manifest.input.scale.clone());
    if manifest.output.kind == OutputKind::Binary && manifest.output.threshold.is_none() {
        manifest.output.threshold = Some(data.median_expression(&split.train));
    }
    manifest.check()?;
    let targets = data.targets(&(0..data.examples.len()).collect::<Vec<_>>(), &manifest.output);
    let first_score = first_score(&split.train, &targets, manifest.output.kind)?;

    let architecture = architecture(&manifest.architecture)?;
    let fresh = Weights::fresh(options.seed, DType::F32, &Device::Cpu);
    let model = (architecture.build)(&fresh, manifest.clone())?;
    let variables = fresh.variables();
    if let Some(bias) = variables.get(architecture.output_bias) {
        // Of two classes the first is high, and F is their difference.
        let start: Vec<f32> = (0..bias.elem_count()).map(|i| if i == 0 { first_score as f32 } else { 0.0 }).collect();
        bias.set(&Tensor::from_vec(start, bias.shape(), &Device::Cpu)?)?;
    }

    let mut adam = Adam::new(options.learning_rate, options.clip);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut dropout = Dropout::new(options.dropout, random.random());
    let mut order = split.train.clone();
    let mut history = Vec::new();
    let mut best = (f64::INFINITY, copy(&fresh.saved())?);
    let mut epochs_without_gain = 0;
    for epoch in 1..=options.epochs {
        order.shuffle(&mut random);
        let batches: Vec<&[usize]> = order.chunks(options.batch_size.max(1)).collect();
        let mut sum = 0.0;
        for (i, batch) in batches.iter().enumerate() {
            let reach = i64::from(options.shift);
            let shifts: Vec<i64> = batch.iter().map(|_| random.random_range(-reach..=reach)).collect();
            let output = model.forward_training(&data.batch(batch, &shifts, DType::F32)?, &mut dropout)?;
            let loss = mean_loss(&output.score, &of(batch, &targets), manifest.output.kind)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(TrainingError::Diverged { epoch, loss: value, learning_rate: options.learning_rate });
            }
            let penalty = if options.penalty == 0.0 { None } else { model.penalty(&output)? };
            let objective = match penalty {
                Some(penalty) => (loss + (penalty * options.penalty)?)?,
                None => loss,
            };
            adam.step(&variables, &objective.backward()?)?;
            sum += value * batch.len() as f64;
            let done: usize = batches[..=i].iter().map(|b| b.len()).sum();
            let so_far = Progress { epoch, step: i + 1, steps: batches.len(), loss: sum / done as f64, history: history.clone() };
            if progress(&so_far).is_break() {
                return Err(TrainingError::Cancelled);
            }
        }
        let scores = predict(&*model, data, &split.valid)?;
        let truth = of(&split.valid, &targets);
        let valid_loss =
            f64::from(mean_loss(&Tensor::new(to_f32(&scores), &Device::Cpu)?, &truth, manifest.output.kind)?.to_scalar::<f32>()?);
        if !valid_loss.is_finite() {
            return Err(TrainingError::Diverged { epoch, loss: valid_loss, learning_rate: options.learning_rate });
        }
        let valid_score = statistics(manifest.output.kind)[0].1(&scores, &truth);
        history.push(Epoch { train_loss: sum / order.len() as f64, valid_loss, valid_score });
        if valid_loss < best.0 {
            best = (valid_loss, copy(&fresh.saved())?);
            epochs_without_gain = 0;
        } else {
            epochs_without_gain += 1;
            if epochs_without_gain >= options.patience.max(1) {
                break;
            }
        }
    }
    let weights = best.1;
    let stored = Weights::stored(weights.clone().into_iter().collect(), DType::F32, &Device::Cpu);
    let model = (architecture.build)(&stored, manifest.clone())?;
    let kind = manifest.output.kind;
    let test = evaluate(&*model, data, &split.test, options.bootstraps, options.seed)?;
    let mut metrics = BTreeMap::from([
        ("train_genes".to_owned(), split.train.len() as f64),
        ("valid_genes".to_owned(), split.valid.len() as f64),
        ("test_genes".to_owned(), split.test.len() as f64),
        ("epochs".to_owned(), history.len() as f64),
    ]);
    let valid = predict(&*model, data, &split.valid)?;
    for (name, statistic) in statistics(kind) {
        metrics.insert(format!("valid_{name}"), statistic(&valid, &of(&split.valid, &targets)));
    }
    for (name, interval) in &test {
        metrics.insert(format!("test_{name}"), interval.value);
        metrics.insert(format!("test_{name}_low"), interval.low);
        metrics.insert(format!("test_{name}_high"), interval.high);
    }
    // TOML has NaN, but a statistic that is undefined is better absent.
    metrics.retain(|_, value| value.is_finite());
    // What is beyond four digits depends on the processor.
    metrics.values_mut().for_each(|value| *value = (*value * 1e4).round() / 1e4);
    manifest.metrics = metrics;
    Ok(Fitted { manifest, weights, model, history, test })
}

/// Scores of the examples at `indices`, before any last activation.
///
/// # Errors
/// Where the network cannot read them.
pub fn predict(model: &dyn Model, data: &Dataset, indices: &[usize]) -> Result<Vec<f64>, TrainingError> {
    let mut scores = Vec::with_capacity(indices.len());
    for batch in indices.chunks(64) {
        let output = model.forward(&data.batch(batch, &[], model.dtype())?)?;
        scores.extend(output.score.to_dtype(DType::F64)?.to_vec1::<f64>()?);
    }
    if let Some(value) = scores.iter().find(|score| !score.is_finite()) {
        return Err(ModelError::NotFinite { place: "a predicted score".to_owned(), value: *value }.into());
    }
    Ok(scores)
}

/// Statistics of the examples at `indices` with bootstrap intervals, by name: `r`, `spearman`, `r2`, `rmse` of a regression, `auroc` and
/// `average_precision` of a classifier. None where there are no examples.
///
/// # Errors
/// Where the network cannot read them.
pub fn evaluate(
    model: &dyn Model,
    data: &Dataset,
    indices: &[usize],
    bootstraps: usize,
    seed: u64,
) -> Result<Vec<(&'static str, Interval)>, TrainingError> {
    if indices.is_empty() {
        return Ok(Vec::new());
    }
    let output = &model.manifest().output;
    let (scores, truth) = (predict(model, data, indices)?, data.targets(indices, output));
    let interval = |statistic| bootstrap_interval(statistic, &scores, &truth, bootstraps, seed);
    Ok(statistics(output.kind).iter().map(|(name, statistic)| (*name, interval(*statistic))).collect())
}

/// The statistics of an output, the one that is watched first.
fn statistics(kind: OutputKind) -> &'static [(&'static str, Statistic)] {
    match kind {
        OutputKind::Regression => &[("r", pearson), ("spearman", spearman), ("r2", r_squared), ("rmse", root_mean_square_error)],
        OutputKind::Binary => &[("auroc", auroc), ("average_precision", average_precision)],
    }
}

/// The score that fits the training genes best without looking at them: their mean, or the logit of the share that is high.
fn first_score(train: &[usize], targets: &[f64], kind: OutputKind) -> Result<f64, TrainingError> {
    let targets = of(train, targets);
    if let Some(wrong) = targets.iter().find(|t| !t.is_finite()) {
        return Err(TrainingError::Data(format!("a target is {wrong}: expression below 0, or 0 without a pseudocount?")));
    }
    if targets.iter().all(|t| *t == targets[0]) {
        return Err(TrainingError::Data(format!("all {} training genes have the same target", targets.len())));
    }
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    Ok(match kind {
        OutputKind::Regression => mean,
        OutputKind::Binary => (mean / (1.0 - mean)).ln(),
    })
}

/// Mean squared error, or mean cross-entropy of logits.
fn mean_loss(score: &Tensor, truth: &[f64], kind: OutputKind) -> candle_core::Result<Tensor> {
    let truth = Tensor::new(to_f32(truth), score.device())?;
    match kind {
        OutputKind::Regression => (score - truth)?.sqr()?.mean_all(),
        // max(s, 0) - s t + ln(1 + e^-|s|): no exponential of a large number.
        OutputKind::Binary => {
            let log = (score.abs()?.neg()?.exp()? + 1.0)?.log()?;
            ((score.relu()? - (score * truth)?)? + log)?.mean_all()
        }
    }
}

fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

fn of(indices: &[usize], values: &[f64]) -> Vec<f64> {
    indices.iter().map(|i| values[*i]).collect()
}

fn copy(variables: &BTreeMap<String, Var>) -> candle_core::Result<BTreeMap<String, Tensor>> {
    variables.iter().map(|(name, v)| Ok((name.clone(), v.as_detached_tensor().copy()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Example, Validation};
    use super::*;
    use crate::genome::{BaseOrder, Strand, Window};
    use crate::models::test_manifest;

    fn go(_: &Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Genes on three chromosomes; `of` gives bases, marks and expression.
    fn examples(n: usize, of: impl Fn(usize, &mut ChaCha8Rng) -> (Option<Vec<u8>>, Vec<f32>, f64)) -> Vec<Example> {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let example = |i| {
            let (sequence, marks, expression) = of(i, &mut random);
            let window = Window::around(["a", "b", "c"][i * 3 / n], 1_000, Strand::Forward, 2, 4);
            let (tf_expression, motif_scores) = Default::default();
            Example { gene: format!("g{i}"), window, sequence, marks, tf_expression, motif_scores, expression }
        };
        (0..n).map(example).collect()
    }

    fn split(examples: &[Example]) -> Split {
        Split::by_chrom(examples, &["c".to_owned()], &Validation::Share(0.2), 1).unwrap()
    }

    /// AttentiveChrome of 2 marks and 6 bins; expression follows the first mark.
    fn chrome(kind: OutputKind) -> (Manifest, Dataset, Split) {
        let mut manifest = test_manifest(600, 100, &["a", "b"], None);
        manifest.architecture = "attentive-chrome".to_owned();
        manifest.sizes = [("hidden".to_owned(), 4), ("mark_hidden".to_owned(), 3)].into();
        manifest.output.kind = kind;
        let examples = examples(300, |_, random| {
            let level: f64 = random.random::<f64>() * 4.0;
            let mut mark = |mean: f64| (mean + random.random::<f64>() * 0.3) as f32;
            let marks = (0..6).flat_map(|_| [mark(level * 50.0), mark(1.0)]).collect();
            (None, marks, level.exp())
        });
        let split = split(&examples);
        (manifest.clone(), Dataset::new(&manifest, examples), split)
    }

    #[test]
    fn what_follows_from_a_mark_is_learnt() {
        for kind in [OutputKind::Regression, OutputKind::Binary] {
            let (manifest, mut data, split) = chrome(kind);
            let options = FitOptions { learning_rate: 0.02, epochs: 25, ..FitOptions::default() };
            let fitted = fit(&manifest, &mut data, &split, &options, &mut go).unwrap();
            let (name, interval) = fitted.test[0];
            assert!(interval.value > 0.97 && interval.low > 0.95, "{name}: {interval:?} {:?}", fitted.history.last());
            assert!((fitted.manifest.metrics[&format!("test_{name}")] - interval.value).abs() < 1e-4);
            // The scale and threshold are those of the training genes.
            assert_eq!(fitted.manifest.input.scale, data.measure_scale(&split.train));
            let threshold = (kind == OutputKind::Binary).then(|| data.median_expression(&split.train));
            assert_eq!(fitted.manifest.output.threshold, threshold);
            // The weights are those of the best epoch, and the model has them.
            let losses: Vec<f64> = fitted.history.iter().map(|e| e.valid_loss).collect();
            let truth = data.targets(&split.valid, &fitted.manifest.output);
            let scores = Tensor::new(to_f32(&predict(&*fitted.model, &data, &split.valid).unwrap()), &Device::Cpu).unwrap();
            let loss = f64::from(mean_loss(&scores, &truth, kind).unwrap().to_scalar::<f32>().unwrap());
            assert!((loss - losses.iter().copied().fold(f64::INFINITY, f64::min)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_seed_and_nothing_else_decides_the_weights() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let weights = |seed: u64, threads: usize| {
            let options = FitOptions { seed, epochs: 2, dropout: 0.2, ..FitOptions::default() };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fitted = pool.install(|| fit(&manifest, &mut data.clone(), &split, &options, &mut go).unwrap());
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            fitted.weights.values().flat_map(flat).map(f32::to_bits).collect::<Vec<_>>()
        };
        assert_eq!(weights(1, 1), weights(1, 3));
        assert_ne!(weights(1, 1), weights(2, 1));
    }

    #[test]
    fn a_motif_is_learnt_from_sequence_alone() {
        let mut manifest = test_manifest(60, 1, &[], Some(BaseOrder::AGCT));
        manifest.architecture = "deepcore".to_owned();
        let sizes = [("filters", 8), ("kernel", 6), ("pool", 10), ("hidden", 4), ("attention", 4), ("decoder", 4), ("dense", 4)];
        manifest.sizes = sizes.map(|(name, size)| (name.to_owned(), size)).into();
        let examples = examples(600, |i, random| {
            let mut bases: Vec<u8> = (0..60).map(|_| b"ACGT"[random.random_range(0..4)]).collect();
            if i % 2 == 0 {
                let at = random.random_range(5..50);
                bases[at..at + 6].copy_from_slice(b"TGACTC");
            }
            (Some(bases), Vec::new(), f64::from(u8::from(i % 2 == 0)) * 9.0)
        });
        let split = split(&examples);
        let mut data = Dataset::new(&manifest, examples);
        let options = FitOptions { learning_rate: 0.01, epochs: 40, shift: 2, penalty: 1e-4, ..FitOptions::default() };
        let fitted = fit(&manifest, &mut data, &split, &options, &mut go).unwrap();
        assert!(fitted.test[0].1.value > 0.9, "{:?} {:?}", fitted.test, fitted.history.last());
    }

    #[test]
    fn it_stops_when_told_or_when_nothing_gets_better() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let run = |options: FitOptions, progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>| {
            fit(&manifest, &mut data.clone(), &split, &options, progress)
        };
        let mut steps = 0;
        let stopped = run(FitOptions::default(), &mut |p| {
            steps += 1;
            if p.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(TrainingError::Cancelled)) && steps == 3);
        // A rate of 0 never gains after the first epoch.
        let still = run(FitOptions { learning_rate: 0.0, patience: 3, ..FitOptions::default() }, &mut go).unwrap();
        assert_eq!(still.history.len(), 4);
        let wild = run(FitOptions { learning_rate: 1e30, clip: None, ..FitOptions::default() }, &mut go);
        assert!(matches!(wild, Err(TrainingError::Diverged { .. })), "{:?}", wild.err());
    }

    #[test]
    fn targets_that_cannot_be_learnt_are_refused() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let message = |change: &dyn Fn(&mut Manifest, &mut Dataset)| {
            let (mut manifest, mut data) = (manifest.clone(), data.clone());
            change(&mut manifest, &mut data);
            fit(&manifest, &mut data, &split, &FitOptions::default(), &mut go).err().unwrap().to_string()
        };
        assert!(message(&|_, d| d.examples.iter_mut().for_each(|e| e.expression = 2.0)).contains("the same target"));
        let zero = message(&|m, d| (m.output.pseudocount, d.examples[0].expression) = (0.0, 0.0));
        assert!(zero.contains("a target is -inf"), "{zero}");
        assert!(message(&|m, _| m.architecture = "none".to_owned()).contains("is none of"));
    }
}
