//! Gradient descent on the training genes until the validation genes say stop.

use super::averaging::{copy, lend, take_in};
use super::checkpoint;
use super::judge::{evaluate, predict, statistics};
use super::loss::{first_score, mean_loss, to_f32};
use super::metrics::{Interval, auroc, average_precision, r_squared};
use super::{Dataset, FitOptions, Move, Optimiser, Split, TrainingError, Watch};
use crate::models::{Dropout, Manifest, Model, OutputKind, Weights, architecture, keep_freed_memory};
use candle_core::{DType, Device, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// A checkpoint is written after each epoch, and within one where it is longer than this.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// What has been done so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// From 1.
    pub epoch: usize,
    /// Steps done in this epoch.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean training loss of this epoch so far.
    pub loss: f64,
    /// The epochs before.
    pub history: &'a [Epoch],
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
    /// What [`FitOptions::watch`] asks for.
    pub watched: f64,
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
    /// The epoch whose weights these are, from 1.
    pub best_epoch: usize,
    /// Held-out statistics by name, with intervals; empty where there are no test genes.
    pub test: Vec<(&'static str, Interval)>,
}

/// Where a fit stands between two steps; with the weights and the optimiser's state, all that what follows depends on.
pub(super) struct FitState {
    /// The one under way, from 1.
    pub epoch: usize,
    /// Steps of it that are done.
    pub step: usize,
    /// Loss times genes, summed over them.
    pub sum: f64,
    /// The training genes as they come in this epoch.
    pub order: Vec<usize>,
    /// Place in the stream of random numbers.
    pub random: u128,
    /// The same of dropout.
    pub dropout: u128,
    pub epochs_without_gain: usize,
    /// 0 before the first.
    pub best_epoch: usize,
    pub best: BTreeMap<String, Tensor>,
    /// The mean of the weights, where [`FitOptions::averaging`] asks for one; else nothing.
    pub mean: BTreeMap<String, Tensor>,
    pub history: Vec<Epoch>,
}

/// Fits the architecture of `manifest` to `data`. Its scale, threshold (unless given) and the first value of the output bias come from
/// the training genes alone.
///
/// `progress` is called after every step and may stop the fit. With a `checkpoint` it then, and now and then before, writes where it
/// stands to that file; a fit that finds the file goes on from it, to the same bytes as one that was never stopped.
///
/// # Errors
/// Where the network cannot be built or fed, the targets do not vary, the loss diverges, a checkpoint cannot be written or is of another
/// fit, or `progress` stops it.
pub fn fit(
    manifest: &Manifest,
    data: &mut Dataset,
    split: &Split,
    options: &FitOptions,
    checkpoint: Option<&Path>,
    progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>,
) -> Result<Fitted, TrainingError> {
    options.check().map_err(TrainingError::Data)?;
    let _kept = keep_freed_memory();
    let mut manifest = manifest.clone();
    if options.standardise && manifest.input.scale.is_empty() {
        manifest.input.scale = data.measure_scale(&split.train)?;
    }
    if options.standardise && !manifest.input.tfs.is_empty() && manifest.input.tfs.scale.is_empty() {
        manifest.input.tfs.scale = data.measure_tf_scale(&split.train)?;
    }
    data.set_scale(manifest.input.scale.clone());
    if manifest.output.kind == OutputKind::Binary && manifest.output.threshold.is_none() {
        manifest.output.threshold = Some(data.threshold(0, &split.train));
    }
    manifest.check()?;
    let kind = manifest.output.kind;
    let targets = data.targets(&(0..data.examples.len()).collect::<Vec<_>>(), &manifest.output);
    let first_score = first_score(&of(&split.train, &targets), kind)?;

    let architecture = architecture(&manifest.architecture)?;
    let fresh = Weights::fresh(options.seed, DType::F32, &Device::Cpu);
    let model = (architecture.build)(&fresh, manifest.clone())?;
    let variables = fresh.saved();
    if let Some(bias) = variables.get(architecture.output_bias) {
        // Of two classes the first is high, and F is their difference.
        let start: Vec<f32> = (0..bias.elem_count()).map(|i| if i == 0 { first_score as f32 } else { 0.0 }).collect();
        bias.set(&Tensor::from_vec(start, bias.shape(), &Device::Cpu)?)?;
    }
    let mut optimiser = Optimiser::new(options.descent);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut dropout = Dropout::new(options.dropout, random.random());
    let fingerprint = match checkpoint {
        Some(_) => fingerprint(&manifest, data, split, options)?,
        None => String::new(),
    };
    let resumed = match checkpoint {
        Some(path) => checkpoint::load(path, &fingerprint, &variables, &mut optimiser)?,
        None => None,
    };
    let mut state = match resumed {
        Some(state) => {
            random.set_word_pos(state.random);
            dropout.set_position(state.dropout);
            state
        }
        None => FitState {
            epoch: 0,
            step: 0,
            sum: 0.0,
            order: split.train.clone(),
            random: 0,
            dropout: 0,
            epochs_without_gain: 0,
            best_epoch: 0,
            best: copy(&variables)?,
            mean: if options.averaging > 0.0 { copy(&variables)? } else { BTreeMap::new() },
            history: Vec::new(),
        },
    };
    let steps = split.train.len().div_ceil(options.batch_size);
    let valid_truth = of(&split.valid, &targets);
    let mut saved = Instant::now();
    while !is_over(&state, options, steps) {
        if state.epoch == 0 || state.step == steps {
            (state.epoch, state.step, state.sum) = (state.epoch + 1, 0, 0.0);
            if options.is_shuffled {
                state.order.shuffle(&mut random);
            }
        }
        while state.step < steps {
            let from = state.step * options.batch_size;
            let batch = &state.order[from..(from + options.batch_size).min(state.order.len())];
            let reach = i64::from(options.shift);
            let mut change =
                || Move { shift: random.random_range(-reach..=reach), is_turned: options.turns && random.random::<bool>() };
            let moves: Vec<Move> = batch.iter().map(|_| change()).collect();
            let output = model.forward_training(&data.batch(batch, &moves, DType::F32)?, &mut dropout)?;
            let loss = mean_loss(&output.score, &of(batch, &targets), kind)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(diverged(&state, value, options));
            }
            let penalty = if options.penalty == 0.0 { None } else { model.penalty(&output)? };
            let objective = match penalty {
                Some(penalty) => (loss + (penalty * options.penalty)?)?,
                None => loss,
            };
            optimiser.step(&variables, &objective.backward()?)?;
            take_in(&mut state.mean, options.averaging, optimiser.steps(), &variables)?;
            state.sum += value * batch.len() as f64;
            let done = from + batch.len();
            state.step += 1;
            let so_far =
                Progress { epoch: state.epoch, step: state.step, steps, loss: state.sum / done as f64, history: &state.history };
            let is_stopped = progress(&so_far).is_break();
            if state.step == steps {
                end_epoch(&mut state, &*model, &variables, data, split, &valid_truth, options)?;
            }
            if let Some(path) = checkpoint
                && (is_stopped || state.step == steps || saved.elapsed() > CHECKPOINT_EVERY)
            {
                (state.random, state.dropout) = (random.get_word_pos(), dropout.position());
                checkpoint::save(path, &fingerprint, &state, &variables, &optimiser)?;
                saved = Instant::now();
            }
            if is_stopped {
                return Err(TrainingError::Cancelled);
            }
        }
    }
    let FitState { best: mut weights, history, best_epoch, .. } = state;
    model.finish(&mut weights)?;
    if options.is_half {
        for (_, tensor) in weights.iter_mut().filter(|(name, _)| !name.contains("running_")) {
            *tensor = tensor.to_dtype(DType::F16)?;
        }
    }
    let stored = Weights::stored(weights.clone().into_iter().collect(), DType::F32, &Device::Cpu);
    let model = (architecture.build)(&stored, manifest.clone())?;
    let test = evaluate(&*model, data, &split.test, options.bootstraps, options.seed)?;
    manifest.metrics = metrics(&*model, data, split, &valid_truth, history.len(), &test)?;
    Ok(Fitted { manifest, weights, model, history, best_epoch, test })
}

/// Whether the last epoch is done, or enough of them gained nothing.
fn is_over(state: &FitState, options: &FitOptions, steps: usize) -> bool {
    let is_waiting_over = options.patience.is_some_and(|patience| state.epochs_without_gain >= patience.max(1));
    state.step == steps && (state.epoch >= options.epochs || is_waiting_over)
}

/// Looks at the validation genes after a pass, and keeps the weights if they are the best so far.
fn end_epoch(
    state: &mut FitState,
    model: &dyn Model,
    variables: &BTreeMap<String, Var>,
    data: &Dataset,
    split: &Split,
    truth: &[f64],
    options: &FitOptions,
) -> Result<(), TrainingError> {
    let kind = model.manifest().output.kind;
    let (scores, weights) =
        lend(&state.mean, variables, || Ok::<_, TrainingError>((predict(model, data, &split.valid)?, copy(variables)?)))??;
    let valid_loss = f64::from(mean_loss(&Tensor::new(to_f32(&scores), &Device::Cpu)?, truth, kind)?.to_scalar::<f32>()?);
    if !valid_loss.is_finite() {
        return Err(diverged(state, valid_loss, options));
    }
    let valid_score = statistics(kind)[0].1(&scores, truth);
    let watched = match options.watch {
        Watch::Loss | Watch::BothLosses => valid_loss,
        Watch::RSquared => r_squared(&scores, truth),
        Watch::Auroc => auroc(&scores, truth),
        Watch::AveragePrecision => average_precision(&scores, truth),
    };
    if watched.is_nan() {
        return Err(TrainingError::Data(format!(
            "{:?} of the {} genes to stop by is undefined: their targets are all the same",
            options.watch,
            truth.len()
        )));
    }
    let epoch = Epoch { train_loss: state.sum / state.order.len() as f64, valid_loss, valid_score, watched };
    let best = state.best_epoch.checked_sub(1).map(|i| state.history[i]);
    state.history.push(epoch);
    if best.is_none_or(|best| is_better(options.watch, &epoch, &best)) {
        (state.best_epoch, state.best) = (state.epoch, weights);
        state.epochs_without_gain = 0;
    } else {
        state.epochs_without_gain += 1;
    }
    Ok(())
}

fn is_better(watch: Watch, new: &Epoch, best: &Epoch) -> bool {
    match watch {
        Watch::Loss => new.watched < best.watched,
        Watch::BothLosses => new.watched < best.watched && new.train_loss < best.train_loss,
        Watch::RSquared | Watch::AveragePrecision => new.watched > best.watched,
        Watch::Auroc => new.watched >= best.watched,
    }
}

fn diverged(state: &FitState, loss: f64, options: &FitOptions) -> TrainingError {
    TrainingError::Diverged { epoch: state.epoch, loss, learning_rate: options.descent.rate }
}

/// What `model.toml` says of the fit.
fn metrics(
    model: &dyn Model,
    data: &Dataset,
    split: &Split,
    valid_truth: &[f64],
    epochs: usize,
    test: &[(&'static str, Interval)],
) -> Result<BTreeMap<String, f64>, TrainingError> {
    let mut metrics = BTreeMap::from([
        ("train_genes".to_owned(), split.train.len() as f64),
        ("valid_genes".to_owned(), split.valid.len() as f64),
        ("test_genes".to_owned(), split.test.len() as f64),
        ("epochs".to_owned(), epochs as f64),
    ]);
    let valid = predict(model, data, &split.valid)?;
    for (name, statistic) in statistics(model.manifest().output.kind) {
        metrics.insert(format!("valid_{name}"), statistic(&valid, valid_truth));
    }
    for (name, interval) in test {
        metrics.insert(format!("test_{name}"), interval.value);
        metrics.insert(format!("test_{name}_low"), interval.low);
        metrics.insert(format!("test_{name}_high"), interval.high);
    }
    // TOML has NaN, but a statistic that is undefined is better absent.
    metrics.retain(|_, value| value.is_finite());
    // What is beyond four digits depends on the processor.
    metrics.values_mut().for_each(|value| *value = (*value * 1e4).round() / 1e4);
    Ok(metrics)
}

/// Of everything that decides the weights: a checkpoint of something else is not gone on from.
fn fingerprint(manifest: &Manifest, data: &Dataset, split: &Split, options: &FitOptions) -> Result<String, TrainingError> {
    let mut hasher = Sha256::new();
    hasher.update(format!("{manifest:?} {split:?} {options:?} {:?}", data.examples));
    data.digest(&mut |bytes| hasher.update(bytes))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn of(indices: &[usize], values: &[f64]) -> Vec<f64> {
    indices.iter().map(|i| values[*i]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Clip, Descent, Example, Record, Rule, Validation};
    use super::*;
    use crate::genome::{BaseOrder, Strand, Window};
    use crate::models::test_manifest;

    fn go(_: &Progress<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn rate(rate: f64) -> Descent {
        Descent { rate, clip: Some(Clip::Norm(1.0)), ..FitOptions::default().descent }
    }

    fn bits(fitted: &Fitted) -> Vec<u32> {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        fitted.weights.values().flat_map(flat).map(f32::to_bits).collect()
    }

    /// Genes on three chromosomes; `of` gives bases, marks and expression.
    fn examples(n: usize, of: impl Fn(usize, &mut ChaCha8Rng) -> (Option<Vec<u8>>, Vec<f32>, f64)) -> Vec<(Example, Record)> {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let example = |i| {
            let (sequence, marks, expression) = of(i, &mut random);
            let window = Window::around(["a", "b", "c"][i * 3 / n], 1_000, Strand::Forward, 2, 4);
            let example = Example { gene: format!("g{i}"), sample: 0, window, expression, file_order: i, is_open: None };
            (example, Record { sequence, marks, ..Record::default() })
        };
        (0..n).map(example).collect()
    }

    fn split(data: &Dataset) -> Split {
        Split::by_chrom(&data.examples, &["c".to_owned()], &Validation::Share(0.2), 1).unwrap()
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
        let data = Dataset::new(&manifest, examples).unwrap();
        let split = split(&data);
        (manifest, data, split)
    }

    #[test]
    fn what_follows_from_a_mark_is_learnt() {
        for (kind, averaging) in [(OutputKind::Regression, 0.0), (OutputKind::Regression, 0.9), (OutputKind::Binary, 0.0)] {
            let (manifest, mut data, split) = chrome(kind);
            let options = FitOptions { descent: rate(0.02), epochs: 25, averaging, ..FitOptions::default() };
            let fitted = fit(&manifest, &mut data, &split, &options, None, &mut go).unwrap();
            let (name, interval) = fitted.test[0];
            assert!(interval.value > 0.97 && interval.low > 0.95, "{name}: {interval:?} {:?}", fitted.history.last());
            assert!((fitted.manifest.metrics[&format!("test_{name}")] - interval.value).abs() < 1e-4);
            // The scale and threshold are those of the training genes.
            assert_eq!(fitted.manifest.input.scale, data.measure_scale(&split.train).unwrap());
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
            bits(&pool.install(|| fit(&manifest, &mut data.clone(), &split, &options, None, &mut go).unwrap()))
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
        let mut data = Dataset::new(&manifest, examples).unwrap();
        let split = split(&data);
        let options = FitOptions { descent: rate(0.01), epochs: 40, shift: 2, penalty: 1e-4, ..FitOptions::default() };
        let fitted = fit(&manifest, &mut data, &split, &options, None, &mut go).unwrap();
        assert!(fitted.test[0].1.value > 0.9, "{:?} {:?}", fitted.test, fitted.history.last());
    }

    #[test]
    fn the_mean_of_the_weights_is_judged_and_kept_while_descent_goes_its_own_way() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let run = |averaging| {
            let options = FitOptions { descent: rate(0.02), epochs: 2, dropout: 0.3, averaging, ..FitOptions::default() };
            fit(&manifest, &mut data.clone(), &split, &options, None, &mut go).unwrap()
        };
        let weights = |fitted: &Fitted| -> Vec<f32> {
            fitted.weights.values().flat_map(|w| w.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect()
        };
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (plain, mean, last) = (run(0.0), run(0.99), run(1e-9));
        for (plain, mean) in plain.history.iter().zip(&mean.history) {
            assert_eq!(plain.train_loss.to_bits(), mean.train_loss.to_bits());
            assert_ne!(plain.valid_loss.to_bits(), mean.valid_loss.to_bits());
        }
        assert!(distance(&weights(&plain), &weights(&mean)) > 0.01);
        // A mean that forgets at once is the last weights.
        assert!(distance(&weights(&plain), &weights(&last)) < 1e-6);
    }

    #[test]
    fn it_stops_when_told_or_when_nothing_gets_better() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let run = |options: FitOptions, progress: &mut dyn FnMut(&Progress<'_>) -> ControlFlow<()>| {
            fit(&manifest, &mut data.clone(), &split, &options, None, progress)
        };
        let mut steps = 0;
        let stopped = run(FitOptions::default(), &mut |p| {
            steps += 1;
            if p.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(stopped, Err(TrainingError::Cancelled)) && steps == 3);
        // A rate of 0 never gains after the first epoch.
        let still = run(FitOptions { descent: rate(0.0), patience: Some(3), ..FitOptions::default() }, &mut go).unwrap();
        assert_eq!(still.history.len(), 4);
        let wild = run(FitOptions { descent: Descent { clip: None, ..rate(1e30) }, ..FitOptions::default() }, &mut go);
        assert!(matches!(wild, Err(TrainingError::Diverged { .. })), "{:?}", wild.err());
    }

    #[test]
    fn targets_that_cannot_be_learnt_are_refused() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let message = |change: &dyn Fn(&mut Manifest, &mut Dataset)| {
            let (mut manifest, mut data) = (manifest.clone(), data.clone());
            change(&mut manifest, &mut data);
            fit(&manifest, &mut data, &split, &FitOptions::default(), None, &mut go).err().unwrap().to_string()
        };
        assert!(message(&|_, d| d.examples.iter_mut().for_each(|e| e.expression = 2.0)).contains("the same target"));
        let zero = message(&|m, d| (m.output.pseudocount, d.examples[0].expression) = (0.0, 0.0));
        assert!(zero.contains("a target is -inf"), "{zero}");
        assert!(message(&|m, _| m.architecture = "none".to_owned()).contains("is none of"));
    }

    #[test]
    fn a_fit_stopped_anywhere_goes_on_to_the_same_bytes() {
        let (manifest, data, split) = chrome(OutputKind::Binary);
        for (rule, watch, averaging) in [
            (Rule::Adam { epsilon: 1e-8, is_uncorrected: true }, Watch::Auroc, 0.9),
            (Rule::Sgd, Watch::Loss, 0.0),
            (Rule::RmsProp, Watch::AveragePrecision, 0.5),
        ] {
            let descent = Descent { rule, rate: 0.01, decay: 0.01, clip: Some(Clip::Value(1.0)), l2: 1e-4 };
            let options = FitOptions {
                descent,
                watch,
                averaging,
                epochs: 4,
                dropout: 0.3,
                shift: 3,
                bootstraps: 10,
                ..FitOptions::default()
            };
            let whole = fit(&manifest, &mut data.clone(), &split, &options, None, &mut go).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(checkpoint::CHECKPOINT);
            let mut runs = 0;
            let pieces = loop {
                runs += 1;
                // Every run dies after five steps, in the middle of an epoch of ten or at its end.
                let mut left = 5;
                let run = fit(&manifest, &mut data.clone(), &split, &options, Some(&path), &mut |_| {
                    left -= 1;
                    if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                });
                match run {
                    Err(TrainingError::Cancelled) => {}
                    other => break other.unwrap(),
                }
            };
            assert!(runs > 8, "{runs}");
            assert_eq!(bits(&pieces), bits(&whole), "{rule:?}");
            assert_eq!((pieces.history, pieces.manifest, pieces.best_epoch), (whole.history, whole.manifest, whole.best_epoch));
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_checkpoint_of_something_else_or_damaged_is_refused() {
        let (manifest, data, split) = chrome(OutputKind::Regression);
        let options = FitOptions { epochs: 1, ..FitOptions::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(checkpoint::CHECKPOINT);
        let run = |options: &FitOptions, data: &Dataset| {
            fit(&manifest, &mut data.clone(), &split, options, Some(&path), &mut go).err().map(|e| e.to_string())
        };
        assert_eq!(run(&options, &data), None);
        assert!(run(&FitOptions { seed: 2, ..options.clone() }, &data).unwrap().contains("a fit with other genes, settings"));
        let mut other = data.clone();
        other.examples[0].expression += 1.0;
        assert!(run(&options, &other).unwrap().contains("a fit with other genes, settings"));
        let whole = std::fs::read(&path).unwrap();
        for cut in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(run(&options, &data).unwrap().contains(checkpoint::CHECKPOINT), "{cut}");
        }
        // What cannot be written is said, with the place.
        let nowhere = folder.path().join("absent").join("training");
        let failed = fit(&manifest, &mut data.clone(), &split, &options, Some(&nowhere), &mut go).err().unwrap();
        assert!(matches!(&failed, TrainingError::Write(text) if text.contains("absent")), "{failed}");
    }

    #[test]
    fn the_published_figure_chooses_the_epoch() {
        let epoch = |train_loss, watched| Epoch { train_loss, valid_loss: 0.0, valid_score: 0.0, watched };
        let best = epoch(1.0, 0.5);
        for (watch, new, expected) in [
            (Watch::Loss, epoch(2.0, 0.4), true),
            (Watch::Loss, epoch(0.5, 0.5), false),
            (Watch::BothLosses, epoch(2.0, 0.4), false),
            (Watch::BothLosses, epoch(0.9, 0.4), true),
            (Watch::RSquared, epoch(1.0, 0.5), false),
            (Watch::RSquared, epoch(1.0, 0.6), true),
            (Watch::Auroc, epoch(1.0, 0.5), true),
            (Watch::AveragePrecision, epoch(1.0, 0.4), false),
        ] {
            assert_eq!(is_better(watch, &new, &best), expected, "{watch:?}");
        }
    }

    #[test]
    fn a_class_that_the_validation_genes_lack_is_said() {
        let (manifest, mut data, split) = chrome(OutputKind::Binary);
        for i in &split.valid {
            data.examples[*i].expression = 0.0;
        }
        let options = FitOptions { watch: Watch::Auroc, ..FitOptions::default() };
        let message = fit(&manifest, &mut data, &split, &options, None, &mut go).err().unwrap().to_string();
        assert!(message.contains("Auroc of the") && message.contains("undefined"), "{message}");
    }
}
