//! The networks as wholes: gradients by central differences, and agreement of number types, batch sizes, thread counts and views.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candle_core::{DType, Device, Tensor};
use cislens::models::{
    Architecture, Attention, Batch, MODELS, Manifest, Model, ModelError, N_INPUTS, Weights, WindowSpec, architecture,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a, b| b.abs().max(a))
}

/// An architecture as it comes, but for a short window: 700 bases, or 20 bins; the widest networks narrower.
fn short(architecture: &Architecture) -> Manifest {
    let mut manifest = architecture.default_manifest();
    manifest.window.length = if manifest.input.bin_size == 1 { 700 } else { 20 * manifest.input.bin_size };
    manifest.window.tss_index = manifest.window.length / 2;
    if let Some(tts) = &mut manifest.window.tts {
        (tts.length, tts.index, manifest.window.tss_index) = (300, 100, 250);
    }
    manifest.input.tfs.names.truncate(5);
    let narrower: &[(&str, usize)] = match architecture.name {
        "isegnet" => {
            &[("filters", 6), ("merged_filters", 7), ("merged_filters2", 5), ("dense1", 9), ("dense2", 8), ("dense3", 7)]
        }
        "deepcage" => &[("filters", 6), ("growth", 3), ("layers", 2), ("dense", 9)],
        _ => &[],
    };
    manifest.sizes.extend(narrower.iter().map(|(name, size)| ((*name).to_owned(), *size)));
    manifest
}

/// A network of both with one view alone: sequence, then marks.
fn single_views(name: &str) -> [Manifest; 2] {
    let [mut sequence, mut marks] = [0, 1].map(|_| short(architecture(name).unwrap()));
    sequence.input.marks.clear();
    marks.input.sequence = None;
    [sequence, marks]
}

/// Every network, those of two views with each alone too, and DeepCORE without its BiLSTM.
fn manifests() -> Vec<Manifest> {
    let mut plain = short(architecture("deepcore").unwrap());
    plain.sizes.insert("bilstm".to_owned(), 0);
    MODELS.iter().map(short).chain(single_views("deepcore")).chain(single_views("isegnet")).chain([plain]).collect()
}

fn model(manifest: &Manifest, dtype: DType) -> Box<dyn Model> {
    // Drawn in f32, so that both number types hold the same weights.
    let fresh = Weights::fresh(3, DType::F32, &Device::Cpu);
    let architecture = architecture(&manifest.architecture).unwrap();
    (architecture.build)(&fresh, manifest.clone()).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut moved = |name: &str, tensor: &Tensor| {
        // Normalisations begin as the identity: as after training they say something.
        let around = match name.rsplit('.').next() {
            Some("running_mean") => 0.0..0.5,
            Some("running_var") => 0.5..1.5,
            Some("weight") if tensor.rank() == 1 => -0.5..1.5,
            _ => return tensor.clone(),
        };
        let values = (0..tensor.elem_count()).map(|_| random.random_range(around.clone())).collect::<Vec<f32>>();
        Tensor::from_vec(values, tensor.dims(), &Device::Cpu).unwrap()
    };
    let tensors = fresh.saved().into_iter().map(|(name, v)| (name.clone(), moved(&name, v.as_tensor()))).collect();
    (architecture.build)(&Weights::stored(tensors, dtype, &Device::Cpu), manifest.clone()).unwrap()
}

/// Windows of the largest batch: gradients of so many are taken in three parts.
const MOST: usize = 19;

/// `n` random windows: one-hot DNA with some N, integer counts with flat stretches.
fn batch(manifest: &Manifest, n: usize, dtype: DType) -> Batch {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let length = manifest.window.length as usize;
    let (k, positions) = (manifest.input.marks.len(), manifest.input.positions(manifest.window.length));
    let (mut sequence, mut marks) = (vec![0.0; MOST * length * 4], Vec::new());
    for base in sequence.chunks_mut(4) {
        if let Some(channel) = base.get_mut(random.random_range(0..5)) {
            *channel = 1.0;
        }
    }
    let stretch = if manifest.input.bin_size == 1 { 60 } else { 6 };
    for i in 0..MOST * positions * k {
        let flat = i / k / stretch % 2 == 0;
        marks.push(if flat { 2.0 } else { f64::from(random.random_range(0..9)) });
    }
    let of = |values: Vec<f64>, channels: usize| {
        let all = Tensor::from_vec(values, (MOST, (), channels), &Device::Cpu).unwrap();
        all.narrow(0, 0, n).unwrap().contiguous().unwrap().to_dtype(dtype).unwrap()
    };
    let tfs = manifest.input.tfs.len();
    let mut factors = || {
        let values: Vec<f64> = (0..MOST * tfs).map(|_| random.random_range(0.0..4.0)).collect();
        (tfs > 0).then(|| of(values, tfs).reshape((n, tfs)).unwrap())
    };
    let (expression, motif_scores) = (factors(), factors());
    Batch {
        sequence: manifest.input.sequence.map(|_| of(sequence, 4)),
        marks: (k > 0).then(|| of(marks, k)),
        expression,
        motif_scores,
    }
}

fn inputs(batch: &Batch) -> impl Iterator<Item = &Tensor> {
    batch.parts().into_iter().flatten()
}

#[test]
fn gradients_are_central_differences() {
    for manifest in manifests() {
        let model = model(&manifest, DType::F64);
        for n in [1, 2, 7] {
            let batch = batch(&manifest, n, DType::F64);
            let (output, gradient) = model.gradient(&batch).unwrap();
            let score = flat(&output.score);
            let (mut seen, mut kinks) = (0, 0);
            for part in 0..N_INPUTS {
                let (Some(x), Some(gradient)) = (batch.parts()[part], gradient.parts()[part]) else { continue };
                let (values, gradient) = (flat(x), flat(gradient));
                let scale = largest(&gradient);
                assert!(scale > 0.0);
                // The largest of each sample, and others spread over the window.
                let row = values.len() / n;
                let mut order: Vec<usize> = (0..values.len()).collect();
                order.sort_by(|a, b| gradient[*b].abs().total_cmp(&gradient[*a].abs()));
                let chosen = order[..20.min(order.len())]
                    .iter()
                    .copied()
                    .chain((0..n).flat_map(|i| (0..10).map(move |j| i * row + j * row / 10)));
                for j in chosen {
                    let h = 1e-6;
                    let moved = |by: f64| {
                        let mut values = values.clone();
                        values[j] += by;
                        let x = Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap();
                        let mut parts = batch.parts().map(|part| part.cloned());
                        parts[part] = Some(x);
                        flat(&model.forward(&Batch::from_parts(parts)).unwrap().score)[j / row]
                    };
                    let (up, down) = (moved(h), moved(-h));
                    seen += 1;
                    // Where a maximum changes hands or a unit opens, the slopes to either side differ.
                    if ((up - score[j / row]) - (score[j / row] - down)).abs() > 1e-4 * scale.max(1e-3) * h {
                        kinks += 1;
                        continue;
                    }
                    let difference = (up - down) / (2.0 * h);
                    let error = (gradient[j] - difference).abs();
                    assert!(error <= 1e-6 * scale.max(1e-3), "{}: {} but {difference}", manifest.name, gradient[j]);
                }
            }
            assert!(kinks * 2 < seen, "{}: {kinks} of {seen} at a kink", manifest.name);
        }
    }
}

#[test]
fn results_do_not_depend_on_number_type_batch_or_threads() {
    for manifest in manifests() {
        let double = model(&manifest, DType::F64);
        let single = model(&manifest, DType::F32);
        let near = |a: &Tensor, b: &Tensor, tolerance: f64, what: &str| {
            let (a, b) = (flat(a), flat(b));
            let error = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(error <= tolerance * largest(&b).max(1e-3), "{} {what}: {error:e} of {:e}", manifest.name, largest(&b));
        };
        let all = batch(&manifest, MOST, DType::F32);
        let (output, gradient) = single.gradient(&all).unwrap();
        let (exact, exact_gradient) = double.gradient(&batch(&manifest, MOST, DType::F64)).unwrap();
        near(&output.score, &exact.score, 1e-5, "f32");
        for (a, b) in inputs(&gradient).zip(inputs(&exact_gradient)) {
            near(a, b, 1e-4, "f32 gradient");
        }
        for n in [1, 2, 7] {
            let (some, some_gradient) = single.gradient(&batch(&manifest, n, DType::F32)).unwrap();
            near(&some.score, &output.score.narrow(0, 0, n).unwrap(), 1e-6, "batch");
            for (a, b) in inputs(&some_gradient).zip(inputs(&gradient)) {
                near(a, &b.narrow(0, 0, n).unwrap(), 1e-6, "gradient in a batch");
            }
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let (again, again_gradient) = pool.install(|| single.gradient(&all)).unwrap();
        assert_eq!(flat(&again.score), flat(&output.score));
        for (a, b) in inputs(&again_gradient).zip(inputs(&gradient)) {
            assert_eq!(flat(a), flat(b));
        }
    }
}

#[test]
fn attention_is_a_share_of_one() {
    let mut seen = 0;
    for manifest in manifests() {
        let model = model(&manifest, DType::F32);
        let n = 3;
        let rows = |t: &Tensor| flat(t).chunks(t.dims()[t.rank() - 1]).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let Some(attention) = model.forward(&batch(&manifest, n, DType::F32)).unwrap().attention else { continue };
        seen += 1;
        let bins = if manifest.input.bin_size == 1 { 14 } else { 20 };
        let all = match attention {
            Attention::Bins(weights) => {
                assert_eq!(weights.dims(), [n, bins]);
                rows(&weights)
            }
            Attention::Marks(alpha) => {
                assert_eq!(alpha.dims(), [n, 5, bins]);
                rows(&alpha)
            }
            Attention::Hierarchical { alpha, beta } => {
                assert_eq!((alpha.dims(), beta.dims()), (&[n, 5, bins][..], &[n, 5][..]));
                [rows(&alpha), rows(&beta)].concat()
            }
        };
        for row in all {
            assert!(row.iter().all(|w| *w >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        }
    }
    assert_eq!(seen, 9, "networks with attention, DeepCORE four times");
}

#[test]
fn not_a_number_reaches_the_score_of_its_sample_alone() {
    for manifest in manifests() {
        let model = model(&manifest, DType::F32);
        for part in 0..N_INPUTS {
            let mut parts = batch(&manifest, 3, DType::F32).parts().map(|part| part.cloned());
            let Some(x) = &mut parts[part] else { continue };
            let mut values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
            let at = values.len() / 2;
            values[at] = f32::NAN;
            *x = Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap();
            let score = flat(&model.forward(&Batch::from_parts(parts)).unwrap().score);
            assert_eq!(score.iter().map(|s| s.is_nan()).collect::<Vec<_>>(), [false, true, false], "{}", manifest.name);
        }
    }
}

#[test]
fn what_a_model_does_not_read_may_be_there_and_has_no_gradient() {
    for name in ["deepcore", "isegnet"] {
        let both = batch(&short(architecture(name).unwrap()), 2, DType::F32);
        let [sequence, marks] = single_views(name);
        for (manifest, dna) in [(&sequence, false), (&marks, true)] {
            let (_, gradient) = model(manifest, DType::F32).gradient(&both).unwrap();
            let (unread, read) = if dna { (gradient.sequence, gradient.marks) } else { (gradient.marks, gradient.sequence) };
            assert_eq!(largest(&flat(&unread.unwrap())), 0.0);
            assert!(largest(&flat(&read.unwrap())) > 0.0);
        }
    }
}

#[test]
fn inputs_and_sizes_that_do_not_fit_are_refused() {
    let manifest = &short(architecture("deepcore").unwrap());
    let model = model(manifest, DType::F32);
    let whole = batch(manifest, 1, DType::F32);
    let refused = |batch: Batch| model.forward(&batch).unwrap_err().to_string();
    assert!(refused(Batch { sequence: None, ..whole.clone() }).contains("reads DNA"));
    assert!(refused(Batch { marks: None, ..whole.clone() }).contains("reads marks"));
    let four = whole.marks.as_ref().unwrap().narrow(2, 0, 4).unwrap();
    assert!(refused(Batch { marks: Some(four), ..whole }).contains("[1, 700, 4]"));

    let build = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
        (architecture("deepcore").unwrap().build)(&weights, manifest).err().unwrap()
    };
    let message = |change: &dyn Fn(&mut Manifest)| build(change).to_string();
    assert!(message(&|m| m.sizes.retain(|name, _| name != "pool")).contains("sizes.pool is missing"));
    assert!(message(&|m| *m.sizes.get_mut("hidden").unwrap() = 0).contains("sizes.hidden = 0"));
    assert!(message(&|m| *m.sizes.get_mut("filters").unwrap() = usize::MAX).contains("must be 1 to"));
    assert!(message(&|m| m.input.bin_size = 100).contains("bin_size 100"));
    assert!(message(&|m| (m.input.sequence, m.input.marks) = (None, Vec::new())).contains("neither"));
    assert!(matches!(build(&|m| m.input.bin_size = 0), ModelError::Manifest(_)));
}

#[test]
fn a_dense_layer_refuses_a_window_of_other_bins_and_names_both() {
    for name in ["deepchrome", "mlp"] {
        let manifest = short(architecture(name).unwrap());
        let model = model(&manifest, DType::F32);
        let longer = Manifest { window: WindowSpec { length: 3_000, ..manifest.window }, ..manifest.clone() };
        let error = model.forward(&batch(&longer, 1, DType::F32)).unwrap_err().to_string();
        assert!(error.contains("30 bins") && error.contains("made for 20"), "{error}");
    }
    let mut manifest = short(architecture("deepchrome").unwrap());
    manifest.window.length = 1_300;
    let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
    let error = (architecture("deepchrome").unwrap().build)(&weights, manifest).err().unwrap().to_string();
    assert!(error.contains("13 bins") && error.contains("at least 14"), "{error}");
}

#[test]
fn two_classes_are_one_logit() {
    let manifest = short(architecture("deepchrome").unwrap());
    let model = model(&manifest, DType::F64);
    for score in [-800.0, -2.5, 0.0, 0.3, 800.0] {
        let [high, low] = model.published_output(score)[..] else { panic!("two log-probabilities") };
        assert!((high - low - score).abs() <= 1e-12 * f64::abs(score).max(1.0));
        assert!((high.exp() + low.exp() - 1.0).abs() < 1e-12);
    }
}

/// A turned copy of a weight, made when the network was built, would stay as it began while the weight is learnt.
#[test]
fn what_is_learnt_is_what_is_used() {
    for manifest in manifests() {
        let build = architecture(&manifest.architecture).unwrap().build;
        let fresh = Weights::fresh(3, DType::F64, &Device::Cpu);
        let model = build(&fresh, manifest.clone()).unwrap();
        for variable in fresh.variables().values() {
            let moved = ((variable.as_detached_tensor() * 1.25).unwrap() + 0.01).unwrap();
            variable.set(&moved).unwrap();
        }
        let saved = fresh.saved().into_iter().map(|(name, v)| (name, v.as_detached_tensor().copy().unwrap())).collect();
        let stored = build(&Weights::stored(saved, DType::F64, &Device::Cpu), manifest.clone()).unwrap();
        let batch = batch(&manifest, 2, DType::F64);
        let score = |model: &dyn Model| flat(&model.forward(&batch).unwrap().score);
        let (learnt, loaded) = (score(&*model), score(&*stored));
        let largest = loaded.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
        assert!(
            learnt.iter().zip(&loaded).all(|(a, b)| (a - b).abs() < 1e-9 * largest),
            "{}: {learnt:?} {loaded:?}",
            manifest.name
        );
    }
}
