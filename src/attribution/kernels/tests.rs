//! Every kernel against the plain path, for networks of odd sizes and inputs with N runs, flat stretches, ties and saturated units.

use super::*;
use crate::attribution::{Path, Run};
use crate::genome::{BASES, Strand, Stretch, Window};
use crate::models::{InputSource, MODELS, Manifest, TfSpec, Weights, WindowSpec, architecture};
use candle_core::{DType, Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// A network of `manifest` with random weights and biases, those of the layers in `strong` ten times as large.
fn network(manifest: &Manifest, seed: u64, dtype: DType, strong: &[&str]) -> Box<dyn Model> {
    let architecture = architecture(&manifest.architecture).unwrap();
    let fresh = Weights::fresh(seed, DType::F32, &Device::Cpu);
    (architecture.build)(&fresh, manifest.clone()).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = HashMap::new();
    for (name, variable) in fresh.saved() {
        let scale = if strong.iter().any(|part| name.contains(part)) { 10.0 } else { 1.0 };
        let values: Vec<f32> = variable.as_tensor().flatten_all().unwrap().to_vec1().unwrap();
        let is_bias = name.contains("bias");
        let moved = |v: f32, random: &mut ChaCha8Rng| match () {
            () if name.ends_with("running_var") => v * random.random_range(0.5..2.0),
            () if is_bias || name.ends_with("running_mean") => scale * v + random.random_range(-0.2..0.2),
            () => scale * v,
        };
        let values = values.into_iter().map(|v| moved(v, &mut random)).collect();
        tensors.insert(name, Tensor::from_vec(values, variable.dims(), &Device::Cpu).unwrap());
    }
    (architecture.build)(&Weights::stored(tensors, dtype, &Device::Cpu), manifest.clone()).unwrap()
}

/// Random bases with runs of one base and of N; marks of small counts with flat stretches and a high peak.
struct Random(ChaCha8Rng);

impl InputSource for Random {
    fn mark(&mut self, _: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
        let mut value = 0.0;
        let mut draw = |i: u64| {
            if !(i / 40).is_multiple_of(3) || i.is_multiple_of(17) {
                value = self.0.random_range(0..9) as f32 * 0.5;
            }
            if (90..100).contains(&i) { 400.0 } else { value }
        };
        Ok((0..window.len).map(&mut draw).collect())
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|_| self.0.random()).collect())
    }

    fn motif_scores(&mut self, tfs: &TfSpec, _: &[u8]) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|_| self.0.random()).collect())
    }

    fn bases(&mut self, window: &Stretch) -> Result<Vec<u8>, ModelError> {
        let mut bases: Vec<u8> = (0..window.len).map(|_| BASES[self.0.random_range(0..4)]).collect();
        let n = bases.len();
        bases[n / 5..n / 5 + n / 20].fill(b'N');
        bases[n / 2..n / 2 + n / 8].fill(b'A');
        bases[n - 2..].fill(b'N');
        Ok(bases)
    }
}

fn random_input(manifest: &Manifest, seed: u64) -> Input {
    let window = Window::around("c", 50_000, Strand::Forward, manifest.window.tss_index, manifest.window.length);
    Input::assemble(manifest, &window, &mut Random(ChaCha8Rng::seed_from_u64(seed))).unwrap()
}

/// DeepCORE with other sizes; `views`: DNA, marks.
fn deepcore(length: u64, sizes: [usize; 7], views: [bool; 2]) -> Manifest {
    let mut manifest = MODELS.iter().find(|a| a.name == "deepcore").unwrap().default_manifest();
    (manifest.window.length, manifest.window.tss_index) = (length, length / 2);
    let names = ["filters", "kernel", "pool", "hidden", "attention", "decoder", "dense"];
    manifest.sizes = names.iter().zip(sizes).map(|(name, size)| ((*name).to_owned(), size)).collect();
    if !views[0] {
        manifest.input.sequence = None;
    }
    if !views[1] {
        manifest.input.marks.clear();
    }
    manifest
}

/// AttentiveChrome with other sizes.
fn attentive_chrome(marks: usize, bins: u64, hidden: usize, mark_hidden: usize) -> Manifest {
    let mut manifest = MODELS.iter().find(|a| a.name == "attentive-chrome").unwrap().default_manifest();
    (manifest.window.length, manifest.window.tss_index) = (bins * manifest.input.bin_size, bins * manifest.input.bin_size / 2);
    manifest.input.marks.truncate(marks);
    manifest.sizes = [("hidden", hidden), ("mark_hidden", mark_hidden)].map(|(name, size)| (name.to_owned(), size)).into();
    manifest
}

/// iSEGnet or DeepCAGE over a window of its own, with a few other sizes.
fn convolutional(name: &str, length: u64, sizes: [(&str, usize); 2]) -> Manifest {
    let mut manifest = MODELS.iter().find(|a| a.name == name).unwrap().default_manifest();
    manifest.window = WindowSpec { length, tss_index: length / 3, tts: None };
    manifest.sizes.extend(sizes.map(|(name, size)| (name.to_owned(), size)));
    manifest.input.tfs.names.truncate(9);
    manifest
}

/// Networks of every kernel.
fn manifests() -> Vec<Manifest> {
    vec![
        deepcore(700, [50, 50, 50, 15, 25, 32, 100], [true, true]),
        deepcore(203, [7, 9, 4, 5, 3, 6, 2], [true, true]),
        deepcore(260, [17, 31, 6, 4, 8, 3, 5], [true, false]),
        deepcore(150, [3, 5, 11, 16, 1, 1, 1], [false, true]),
        attentive_chrome(5, 100, 32, 16),
        attentive_chrome(2, 33, 5, 3),
        attentive_chrome(1, 1, 3, 7),
        convolutional("isegnet", 600, [("filters", 7), ("dense1", 19)]),
        convolutional("isegnet", 211, [("kernel", 7), ("pool", 3)]),
        convolutional("deepcage", 310, [("filters", 21), ("growth", 5)]),
        convolutional("deepcage", 420, [("kernel2", 5), ("pool", 3)]),
        comparator("deepchrome", 5, 100, &[]),
        comparator("deepchrome", 2, 33, &[("filters", 7), ("kernel", 4), ("pool", 6), ("dense1", 9), ("dense2", 8)]),
        comparator("mlp", 5, 100, &[]),
        comparator("mlp", 3, 4, &[("dense1", 13), ("dense2", 7)]),
        comparator("cnn-attn", 5, 100, &[]),
        comparator("cnn-attn", 2, 31, &[("filters", 3), ("kernel", 7)]),
        comparator("cnn-alpha-beta", 5, 100, &[]),
        comparator("cnn-alpha-beta", 2, 17, &[("filters", 5), ("kernel", 4), ("mark_filters", 3), ("mark_kernel", 2)]),
        comparator("lstm", 5, 100, &[]),
        comparator("lstm", 3, 9, &[("hidden", 5)]),
        comparator("lstm-attn", 5, 100, &[]),
        comparator("lstm-attn", 2, 1, &[("hidden", 17)]),
        comparator("lstm-alpha", 5, 100, &[]),
        comparator("lstm-alpha", 3, 21, &[("hidden", 7)]),
    ]
}

/// A comparator of AttentiveChrome with other sizes.
fn comparator(name: &str, marks: usize, bins: u64, sizes: &[(&str, usize)]) -> Manifest {
    let mut manifest = architecture(name).unwrap().default_manifest();
    (manifest.window.length, manifest.window.tss_index) = (bins * manifest.input.bin_size, bins * manifest.input.bin_size / 2);
    manifest.input.marks.truncate(marks);
    manifest.sizes.extend(sizes.iter().map(|(name, size)| ((*name).to_owned(), *size)));
    manifest
}

/// All substitutions at the ends and at some bases between, N, and longer edits; marks by bin, in pairs, together with bases.
fn edits(input: &Input, seed: u64) -> Vec<Edit> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut edits = Vec::new();
    let (k, positions) = (input.n_marks(), input.positions());
    if let Some(sequence) = &input.sequence {
        let n = sequence.len();
        let indices = (0..8).chain(n / 2 - 4..n / 2 + 4).chain(n - 8..n).chain((0..12).map(|_| random.random_range(0..n)));
        for index in indices.collect::<Vec<_>>() {
            edits.extend(b"ACGTN".iter().map(|&base| Edit::substitution(index, base)));
        }
        for width in [2, 7, n / 3] {
            let from = random.random_range(0..n - width);
            edits.push(Edit { bases: (from..from + width).map(|i| (i, b'N')).collect(), marks: Vec::new() });
            edits.push(Edit::substitution(from, b'G').and(&Edit::substitution(from + width, b'T')));
        }
    }
    if k > 0 {
        let block = (positions / 14).max(1);
        let blank = |from: usize, marks: Range<usize>| Edit {
            bases: Vec::new(),
            marks: (from..(from + block).min(positions))
                .flat_map(|p| marks.clone().map(move |mark| (p * k + mark, 0.0)))
                .collect(),
        };
        for from in (0..positions).step_by(block) {
            edits.extend((0..k).map(|mark| blank(from, mark..mark + 1)));
            edits.push(blank(from, 0..k).and(&blank(random.random_range(0..positions), 0..k)));
        }
        edits.push(Edit { bases: Vec::new(), marks: (0..positions * k).map(|i| (i, 1.5)).collect() });
        edits.push(Edit { bases: Vec::new(), marks: (0..positions).map(|p| (p * k, input.marks[p * k] * 0.5)).collect() });
        if input.sequence.is_some() {
            edits.push(blank(positions / 2, 0..k).and(&Edit::substitution(3, b'C')));
            edits.push(blank(0, 0..1).and(&Edit::substitution(positions - 5, b'C')));
        }
    }
    edits.push(Edit::default());
    edits
}

/// What a kernel may differ by: 1e-12 or 1e-6 of the larger of 1 and |F|; in f32 also three times what the plain path itself is off its
/// f64 twin by, for deep sums over high peaks are no better than that.
fn limit(dtype: DType, exact: &[f64], twin: &[f64], score: f64) -> f64 {
    let scale = score.abs().max(1.0);
    match dtype {
        DType::F64 => 1e-12 * scale,
        _ => twin.iter().zip(exact).map(|(a, b)| 3.0 * (a - b).abs()).fold(1e-6 * scale, f64::max),
    }
}

/// `twin`: deltas of the plain path in f64.
fn check(model: &dyn Model, input: &Input, edits: &[Edit], twin: &[f64]) {
    let (kernel, slow) = (evaluator(model, input).unwrap(), plain(model, input).unwrap());
    assert!(super::kernel(model, input).is_some());
    let (fast, exact) = (kernel.deltas(edits).unwrap(), slow.deltas(edits).unwrap());
    let limit = limit(model.dtype(), &exact, twin, slow.score());
    assert!((kernel.score() - slow.score()).abs() <= limit, "{} and {}", kernel.score(), slow.score());
    for (i, (fast, exact)) in fast.iter().zip(&exact).enumerate() {
        let what = || format!("{} edit {i} {:?}", model.manifest().architecture, &edits[i].bases);
        assert!((fast - exact).abs() <= limit, "{}: {fast:e} and {exact:e}", what());
        if edits[i].apply(input).as_ref() == input {
            assert_eq!(*fast, 0.0, "{}", what());
        }
    }
    assert!(exact.iter().any(|delta| *delta != 0.0));
}

#[test]
fn kernels_equal_the_plain_path() {
    for (i, manifest) in manifests().iter().enumerate() {
        for seed in 0..3 {
            let strong: &[&str] = [&[][..], &["conv"], &["attention", "context"]][seed as usize];
            let input = random_input(manifest, seed + 10 * i as u64);
            let edits = edits(&input, seed);
            let [double, single] = [DType::F64, DType::F32].map(|dtype| network(manifest, seed, dtype, strong));
            let twin = plain(&*double, &input).unwrap().deltas(&edits).unwrap();
            check(&*double, &input, &edits, &twin);
            check(&*single, &input, &edits, &twin);
        }
    }
}

/// Blocks of one edit are computed on their own where they are far enough apart, together where a pool's window sees both.
#[test]
fn edits_of_two_places_at_any_distance_equal_the_plain_path() {
    for manifest in manifests().iter().filter(|manifest| manifest.architecture == "isegnet") {
        let (model, input) = (network(manifest, 8, DType::F64, &[]), random_input(manifest, 8));
        let (n, k) = (input.sequence.as_ref().unwrap().len(), input.n_marks());
        let both = |i: usize| Edit { bases: vec![(i, b'C')], marks: vec![(i * k + 1, 7.5)] };
        let edits: Vec<Edit> = (1..n.min(120)).map(|apart| both(40).and(&both((40 + apart) % n))).collect();
        let twin = plain(&*model, &input).unwrap().deltas(&edits).unwrap();
        check(&*model, &input, &edits, &twin);
    }
}

#[test]
fn deltas_do_not_depend_on_what_is_asked_for_together_nor_on_threads() {
    // On the plain path too, whose matrix products round by the number of rows.
    let on_plain_path = ["deepchrome", "mlp", "lstm", "lstm-attn", "cnn-attn"].map(|name| comparator(name, 5, 100, &[]));
    let all = manifests().into_iter().map(|manifest| (manifest, false)).chain(on_plain_path.map(|manifest| (manifest, true)));
    for (manifest, is_plain) in all {
        let (model, input) = (network(&manifest, 5, DType::F32, &[]), random_input(&manifest, 5));
        let edits = edits(&input, 5);
        let kernel = if is_plain { plain(&*model, &input) } else { evaluator(&*model, &input) }.unwrap();
        let together = kernel.deltas(&edits).unwrap();
        for (edit, delta) in edits.iter().zip(&together).step_by(7) {
            assert_eq!(kernel.deltas(std::slice::from_ref(edit)).unwrap(), [*delta]);
        }
        for threads in [2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| kernel.deltas(&edits)).unwrap(), together);
        }
    }
}

/// Calls after which [`Counted`] loses its device.
const LOST_AFTER: usize = 4;

/// A network on a device that takes so many windows at once, and the windows of its calls.
struct Counted(Box<dyn Model>, std::sync::Mutex<Option<usize>>, std::sync::Mutex<Vec<usize>>);

impl Model for Counted {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn device(&self) -> Option<&Device> {
        self.windows_per_call().map(|_| &Device::Cpu)
    }

    fn windows_per_call(&self) -> Option<usize> {
        *self.1.lock().unwrap()
    }

    fn forward(&self, batch: &Batch) -> Result<crate::models::Output, ModelError> {
        let mut calls = self.2.lock().unwrap();
        calls.push(batch.len());
        if calls.len() == LOST_AFTER {
            *self.1.lock().unwrap() = None;
        }
        self.0.forward(batch)
    }
}

/// DeepCORE's calls on a GPU were of two windows, as the processor's are; windows of a call made when the device was there were left out.
#[test]
fn scans_on_a_device_go_in_its_batches() {
    let manifest = deepcore(203, [7, 9, 4, 5, 3, 6, 2], [true, true]);
    let input = random_input(&manifest, 3);
    let edits: Vec<Edit> = (0..203).map(|index| Edit::substitution(index, b'N')).collect();
    let of =
        |windows| Counted(network(&manifest, 3, DType::F32, &[]), std::sync::Mutex::new(windows), std::sync::Mutex::default());
    let (device, processor) = (of(Some(90)), of(None));
    let on_device = plain(&device, &input).unwrap().deltas(&edits).unwrap();
    assert_eq!(*device.2.lock().unwrap(), [1, 1, 90, 90, 23]);
    let slow = plain(&processor, &input).unwrap();
    let exact = slow.deltas(&edits).unwrap();
    let mut calls = vec![slow.chunk(); 2 + 203_usize.div_ceil(slow.chunk())];
    calls[0] = 1;
    assert_eq!(*processor.2.lock().unwrap(), calls, "F, F as calls round it, and the edits");
    // Rounding of f32 where the products have other numbers of rows.
    assert_eq!(on_device.len(), exact.len());
    assert!(on_device.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn windows_made_on_a_device_are_the_edited_ones() {
    for (seed, manifest) in manifests().iter().enumerate() {
        let input = random_input(manifest, seed as u64);
        let mut edits = edits(&input, seed as u64);
        edits.push(Edit::default());
        if let Some(sequence) = &input.sequence {
            let there_and_back = Edit::substitution(3, b'N').and(&Edit::substitution(3, sequence[3]));
            assert!(!there_and_back.changes(&input), "what is listed twice ends as listed last");
            edits.push(there_and_back);
        }
        let base = input.batch(DType::F32).unwrap();
        for edits in edits.chunks(50).chain([&edits[edits.len() - 1..]]) {
            let there = plain::edited(&base, &input, edits).unwrap();
            for (i, edit) in edits.iter().enumerate() {
                let window = edit.apply(&input);
                assert_eq!(edit.changes(&input), window.sequence != input.sequence || window.marks != input.marks, "{edit:?}");
                let here = window.batch(DType::F32).unwrap();
                for (a, b) in there.parts().into_iter().zip(here.parts()) {
                    assert_eq!(a.is_some(), b.is_some());
                    let Some((a, b)) = a.zip(b) else { continue };
                    assert_eq!(a.dims()[1..], b.dims()[1..]);
                    assert_eq!(numbers::<f32>(&a.get(i).unwrap()).unwrap(), numbers::<f32>(b).unwrap(), "{edit:?}");
                }
            }
        }
    }
}

/// Integrated gradients' sums by a kernel and by the network's own gradient, times input minus baseline.
fn shares(model: &dyn Model, from: &Batch, to: &Batch, nodes: &[Node]) -> [Vec<f64>; 2] {
    let mut nobody = |_: &crate::attribution::Attribution| ();
    let run = Run::new(&|| true, &mut nobody);
    [Path::new(model, from, to).unwrap(), Path::direct(model, from, to).unwrap()].map(|path| {
        let sum = path.gradients(nodes, &run).unwrap();
        let share = |x: &Tensor| x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let change = to.try_zip(from, |to, from| to - from).unwrap();
        let change: Vec<f64> = change.parts().into_iter().flatten().flat_map(|x| share(x).unwrap()).collect();
        let sum = sum.parts().into_iter().flatten().flat_map(|x| share(x).unwrap());
        sum.zip(change).map(|(gradient, change)| gradient * change).collect()
    })
}

#[test]
fn inputs_of_a_path_made_on_a_device_give_the_same_gradients() {
    let nodes: Vec<Node> = (0..23).map(|i| Node { at: (f64::from(i) + 0.5) / 23.0, weight: 1.0 / 23.0 }).collect();
    let manifest = deepcore(203, [7, 9, 4, 5, 3, 6, 2], [true, true]);
    let input = random_input(&manifest, 4).batch(DType::F32).unwrap();
    let zero = input.try_map(Tensor::zeros_like).unwrap();
    let [there, here] = [Some(10), None].map(|windows| {
        let model = Counted(network(&manifest, 4, DType::F32, &[]), std::sync::Mutex::new(windows), std::sync::Mutex::default());
        let [_, direct] = shares(&model, &zero, &input, &nodes);
        direct
    });
    let scale = here.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    // Rounding of f32 where the products have other numbers of rows.
    assert!(scale > 0.0 && there.iter().zip(&here).all(|(a, b)| (a - b).abs() < 1e-4 * scale));
}

#[test]
fn path_kernels_equal_the_direct_path() {
    let nodes: Vec<Node> = (0..23).map(|i| Node { at: (f64::from(i) + 0.5) / 23.0, weight: 1.0 / 23.0 }).collect();
    for (i, manifest) in manifests().iter().enumerate() {
        for seed in 0..2 {
            let input = random_input(manifest, seed + 20 * i as u64);
            let other = random_input(manifest, seed + 20 * i as u64 + 7);
            for (dtype, limit) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
                let model = network(manifest, seed, dtype, &[]);
                let to = input.batch(dtype).unwrap();
                let zero = to.try_map(Tensor::zeros_like).unwrap();
                // Marks alone move.
                let conditional = Batch { sequence: to.sequence.clone(), ..zero.clone() };
                for (what, from) in [("zero", zero), ("other", other.batch(dtype).unwrap()), ("conditional", conditional)] {
                    if what == "conditional" && manifest.input.marks.is_empty() {
                        continue; // nothing moves
                    }
                    let [fast, direct] = shares(&*model, &from, &to, &nodes);
                    assert_eq!(fast.len(), direct.len());
                    let scale = direct.iter().fold(0.0f64, |a, b| a.max(b.abs()));
                    assert!(scale > 0.0);
                    let worst = fast.iter().zip(&direct).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(worst <= limit * scale, "{} {what} {dtype:?}: {worst:e} of {scale:e}", manifest.architecture);
                }
            }
        }
    }
}

#[test]
fn path_gradients_have_the_same_bits_on_any_number_of_threads() {
    let nodes: Vec<Node> = (0..27).map(|i| Node { at: (f64::from(i) + 0.5) / 27.0, weight: 1.0 / 27.0 }).collect();
    for manifest in manifests() {
        let model = network(&manifest, 6, DType::F32, &[]);
        let to = random_input(&manifest, 6).batch(DType::F32).unwrap();
        let from = to.try_map(Tensor::zeros_like).unwrap();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| shares(&*model, &from, &to, &nodes))
        };
        let alone = on(1);
        assert!(alone.iter().all(|shares| shares.iter().any(|share| *share != 0.0)));
        for threads in [2, 3] {
            assert_eq!(on(threads), alone, "{} on {threads} threads", manifest.architecture);
        }
    }
}
