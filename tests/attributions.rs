//! Every method on every network: what each promises, at batch 1, 2 and 7. A new network or method cannot skip this.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candle_core::{DType, Device, Tensor};
use cislens::attribution::{
    Attribution, AttributionError, Baseline, METHODS, Method, Options, Replacement, Rule, Run, Unit, Views, method, run_whole,
};
use cislens::genome::{Strand, Stretch};
use cislens::models::{
    Batch, Input, InputSource, MODELS, Manifest, Model, ModelError, Output, Structure, TfSpec, Weights, architecture,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::collections::HashMap;

/// Random bases with some N and steps of counts with flat stretches, the same for the same place.
struct Made;

impl InputSource for Made {
    fn mark(&mut self, mark: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
        let mut random = ChaCha8Rng::seed_from_u64(mark.bytes().map(u64::from).sum());
        let mut values = vec![0.0; window.len as usize];
        for block in values.chunks_mut(23) {
            let height = f32::from(random.random_range(0..6_u8));
            block.fill(height);
        }
        Ok(values)
    }

    fn bases(&mut self, window: &Stretch) -> Result<Vec<u8>, ModelError> {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        Ok((0..window.len).map(|i| if i % 97 == 5 { b'N' } else { b"ACGT"[random.random_range(0..4)] }).collect())
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|i| (i % 5) as f32 * 0.5).collect())
    }

    fn motif_scores(&mut self, tfs: &TfSpec, _: &[u8]) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|i| (i % 3) as f32).collect())
    }
}

/// An architecture with a window of 700 bases or 20 bins, the widest networks narrower.
fn short(name: &str) -> Manifest {
    let mut manifest = architecture(name).unwrap().default_manifest();
    manifest.window.length = if manifest.input.bin_size == 1 { 700 } else { 20 * manifest.input.bin_size };
    manifest.window.tss_index = manifest.window.length / 2;
    if let Some(tts) = &mut manifest.window.tts {
        (tts.length, tts.index, manifest.window.tss_index) = (300, 100, 250);
    }
    manifest.input.tfs.names.truncate(5);
    let narrower: &[(&str, usize)] = match name {
        "isegnet" => {
            &[("filters", 6), ("merged_filters", 7), ("merged_filters2", 5), ("dense1", 9), ("dense2", 8), ("dense3", 7)]
        }
        "deepcage" => &[("filters", 6), ("growth", 3), ("layers", 2), ("dense", 9)],
        _ => &[],
    };
    manifest.sizes.extend(narrower.iter().map(|(name, size)| ((*name).to_owned(), *size)));
    manifest
}

fn network(name: &str, dtype: DType) -> Box<dyn Model> {
    let manifest = short(name);
    let fresh = Weights::fresh(3, DType::F32, &Device::Cpu);
    let architecture = architecture(name).unwrap();
    (architecture.build)(&fresh, manifest.clone()).unwrap();
    let tensors: HashMap<String, Tensor> = fresh.saved().into_iter().map(|(name, v)| (name, v.as_tensor().clone())).collect();
    (architecture.build)(&Weights::stored(tensors, dtype, &Device::Cpu), manifest).unwrap()
}

fn input(manifest: &Manifest) -> Input {
    let window = manifest.window_at("c".into(), 10_000, Strand::Forward);
    Input::assemble(manifest, &window, &mut Made).unwrap()
}

/// A network that is only ever run with `n` windows at a time, the missing ones filled with others.
struct Rebatched(Box<dyn Model>, usize);

impl Rebatched {
    fn run<T>(
        &self,
        batch: &Batch,
        run: impl Fn(&Batch) -> Result<T, ModelError>,
        mut take: impl FnMut(T, usize),
    ) -> Result<(), ModelError> {
        let total = batch.len();
        for from in (0..total).step_by(self.1) {
            let there = self.1.min(total - from);
            let piece = batch.try_map(|x| {
                let mut rows = vec![x.narrow(0, from, there)?];
                // Other windows beside it: halved ones.
                for _ in there..self.1 {
                    rows.push((x.narrow(0, 0, 1)? * 0.5)?);
                }
                Tensor::cat(&rows, 0)
            })?;
            take(run(&piece)?, there);
        }
        Ok(())
    }
}

impl Model for Rebatched {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn structure(&self) -> Structure {
        self.0.structure()
    }

    fn activation_map(&self, batch: &Batch) -> Result<Option<cislens::models::ActivationMap>, ModelError> {
        self.0.activation_map(batch)
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let mut scores = Vec::new();
        self.run(batch, |piece| self.0.forward(piece), |output, n| scores.push(output.score.narrow(0, 0, n)))?;
        let scores = scores.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Output { score: Tensor::cat(&scores, 0)?, attention: None })
    }

    fn gradient(&self, batch: &Batch) -> Result<(Output, Batch), ModelError> {
        let (mut scores, mut gradients) = (Vec::new(), Vec::new());
        self.run(
            batch,
            |piece| self.0.gradient(piece),
            |(output, gradient), n| {
                scores.push(output.score.narrow(0, 0, n).unwrap());
                gradients.push(gradient.try_map(|g| g.narrow(0, 0, n)).unwrap());
            },
        )?;
        let mut whole = gradients[0].clone();
        for gradient in &gradients[1..] {
            whole = whole.try_zip(gradient, |a, b| Tensor::cat(&[a, b], 0))?;
        }
        Ok((Output { score: Tensor::cat(&scores, 0)?, attention: None }, whole))
    }
}

/// Settings small enough for a test.
fn small(method: &dyn Method) -> Options {
    let options = Options { n_steps: 9, samples: 3, block: 100, ..method.defaults() };
    match method.name() {
        "epistasis" => Options { block: 200, ..options },
        _ => options,
    }
}

/// Every number of a result.
fn numbers(result: &Attribution) -> Vec<f64> {
    let parts = [&result.marks, &result.expression, &result.motif_scores, &result.profile];
    let sequence = result.sequence.iter().flatten().flatten();
    let pairs = result.pairs.iter().flat_map(|pairs| &pairs.values);
    sequence.chain(parts.into_iter().flatten().flatten()).chain(pairs).map(|&v| f64::from(v)).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a, b| b.abs().max(a))
}

/// Every method on every network, where it says something.
fn each(mut check: impl FnMut(&str, &dyn Method, &dyn Model, &Input)) {
    for architecture in MODELS {
        let model = network(architecture.name, DType::F64);
        let input = input(model.manifest());
        for method in METHODS {
            match method.obstacle(&*model) {
                Some(reason) => {
                    assert!(!reason.is_empty());
                    let refused = run_whole(*method, &*model, &input, &small(*method));
                    assert!(matches!(refused, Err(AttributionError::NotApplicable(said)) if said == reason));
                }
                None => check(&format!("{} {}", architecture.name, method.name()), *method, &*model, &input),
            }
        }
    }
}

#[test]
fn results_are_whole_labelled_and_the_same_at_any_batch() {
    each(|name, method, model, input| {
        let options = small(method);
        let result = run_whole(method, model, input, &options).unwrap();
        let values = numbers(&result);
        // A motif is not put in where it would not fit.
        let may_miss = method.name().ends_with("insertion");
        assert!(values.iter().any(|v| v.is_finite()) && values.iter().all(|v| v.is_finite() || may_miss), "{name}");
        assert!(result.is_complete() && result.total > 0, "{name}: {} of {}", result.done, result.total);
        assert_eq!((result.input_hash.as_str(), result.precision.as_str()), (input.hash().as_str(), "f64"), "{name}");
        assert!(!result.settings.is_empty() && result.rounding >= 0.0, "{name}");
        let uses_seed = method.settings().contains(&"seed") && !["integrated-gradients", "deep-lift"].contains(&method.name());
        assert_eq!(result.seed.is_some(), uses_seed, "{name}");
        if method.name() != "class-optimisation" {
            let score = model.forward(&input.batch(DType::F64).unwrap()).unwrap().score.to_vec1::<f64>().unwrap()[0];
            assert!((result.score - score).abs() <= 1e-9 * score.abs().max(1.0), "{name}: {} is not F, {score}", result.score);
        }
        if method.settings().contains(&"block") {
            assert!(largest(&values) > 0.0, "{name}: nothing");
        }
        let pairs_of_windows = method.name() == "deep-lift"; // its windows come in pairs of input and reference
        for n in [1, 2, 7].into_iter().filter(|_| !pairs_of_windows) {
            let again =
                run_whole(method, &Rebatched(network(&model.manifest().architecture, DType::F64), n), input, &options).unwrap();
            let (again, scale) = (numbers(&again), largest(&values).max(1e-6));
            let worst = values.iter().zip(&again).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // Results are kept as f32.
            assert!(again.len() == values.len() && worst <= 1e-6 * scale.max(result.score.abs()), "{name} by {n}: {worst:e}");
        }
        let again = run_whole(method, model, input, &options).unwrap();
        assert!(numbers(&again).iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}: other bytes again");
    });
}

#[test]
fn partial_results_grow_and_a_superseded_run_stops() {
    each(|name, method, model, input| {
        let done = RefCell::new(Vec::new());
        let calls = RefCell::new(0);
        let mut report = |part: &Attribution| done.borrow_mut().push((part.done, part.total));
        let is_current = || {
            *calls.borrow_mut() += 1;
            true
        };
        method.attribute(model, input, &small(method), &mut Run::new(&is_current, &mut report)).unwrap();
        assert!(
            done.borrow().windows(2).all(|w| w[0].0 < w[1].0) && done.borrow().iter().all(|(done, total)| done < total),
            "{name}"
        );
        let all = calls.into_inner();
        assert!(all > 0, "{name} never asks whether to go on");
        // How often a long method asks depends on the clock: at once, and after the first answer.
        for stop in [0, 1_usize.min(all - 1)] {
            let calls = RefCell::new(0);
            let is_current = || {
                *calls.borrow_mut() += 1;
                *calls.borrow() <= stop
            };
            let stopped = method.attribute(model, input, &small(method), &mut Run::new(&is_current, &mut |_| ()));
            assert!(matches!(stopped, Err(AttributionError::Cancelled)), "{name} went on after {stop} of {all}");
        }
    });
}

#[test]
fn what_adds_up_adds_up() {
    each(|name, method, model, input| {
        let result = run_whole(method, model, input, &small(method)).unwrap();
        assert_eq!(result.delta.is_some(), result.gap.is_some());
        match method.name() {
            // Every layer's change is carried back whole.
            "deep-lift" => {
                for baseline in [Baseline::Zero, Baseline::Uniform, Baseline::Shuffles] {
                    let result = run_whole(method, model, input, &Options { baseline, ..small(method) }).unwrap();
                    assert!(result.gap.unwrap() < 1e-4, "{name} {baseline}: gap {:e}", result.gap.unwrap());
                }
            }
            "class-activation-map" => {
                let (mut other, mut n) = (input.clone(), 0);
                other.marks.iter_mut().for_each(|v| {
                    *v *= if n % 3 == 0 { 0.0 } else { 1.0 };
                    n += 1;
                });
                let other = run_whole(method, model, &other, &small(method)).unwrap();
                let [a, b] = [&result, &other].map(|r| r.score - r.sum());
                assert!((a - b).abs() < 1e-5 * a.abs().max(1.0), "{name}: constant {a} and {b}");
            }
            "integrated-gradients" => {
                for rule in [Rule::Midpoint, Rule::GaussLegendre, Rule::Trapezoid] {
                    let gap = |n_steps| {
                        let options = Options { n_steps, rule, ..small(method) };
                        run_whole(method, model, input, &options).unwrap().gap.unwrap()
                    };
                    let coarse = gap(81);
                    // A network that saturates close to the baseline needs more nodes, and gets better with them.
                    assert!(coarse < 0.15 || gap(2_187) < coarse, "{name} {rule}: gap {coarse}");
                }
                // A view that stays takes no part.
                if input.sequence.is_some() && input.n_marks() > 0 {
                    let views = Some(Views { dna: true, marks: false, tfs: false });
                    let alone = run_whole(method, model, input, &Options { views, ..small(method) }).unwrap();
                    assert!(alone.marks.unwrap().iter().all(|v| *v == 0.0), "{name}");
                }
            }
            _ => {}
        }
    });
}

#[test]
fn a_factor_of_one_changes_nothing_and_a_whole_input_everything() {
    let occlusion = method("occlusion").unwrap();
    for architecture in MODELS {
        let model = network(architecture.name, DType::F64);
        let input = input(model.manifest());
        let run = |options: Options| run_whole(occlusion, &*model, &input, &Options { block: 100, ..options }).unwrap();
        let same = run(Options { to: Replacement::Times(1.0), ..Options::default() });
        assert!(numbers(&same).iter().all(|v| *v == 0.0), "{}", architecture.name);
        // Each whole mark at a time, against F of the input without it.
        let whole = run(Options { unit: Unit::Whole, ..Options::default() });
        let Some(marks) = whole.marks else { continue };
        let k = input.n_marks();
        for mark in 0..k {
            let mut without = input.clone();
            without.marks.iter_mut().skip(mark).step_by(k).for_each(|v| *v = input.blank[mark]);
            let score = model.forward(&without.batch(DType::F64).unwrap()).unwrap().score.to_vec1::<f64>().unwrap()[0];
            let sum: f64 = marks.iter().skip(mark).step_by(k).map(|&v| f64::from(v)).sum();
            let expected = score - whole.score;
            assert!(
                (sum - expected).abs() < 1e-5 * expected.abs().max(1e-2),
                "{} mark {mark}: {sum} {expected}",
                architecture.name
            );
        }
    }
}

#[test]
fn guided_signals_are_no_gradients() {
    for name in ["guided-backpropagation", "deconvnet"] {
        let mut differs = 0;
        for architecture in MODELS {
            let model = network(architecture.name, DType::F64);
            let input = input(model.manifest());
            let of = |name: &str| run_whole(method(name).unwrap(), &*model, &input, &Options::default());
            let Ok(signal) = of(name) else { continue };
            differs += usize::from(numbers(&signal) != numbers(&of("saliency").unwrap()));
            assert!(method(name).unwrap().caution().is_some());
        }
        assert!(differs >= 2, "{name} is the gradient");
    }
}
