//! The networks against numbers of TensorFlow and PyTorch (`../shared/golden`, skipped where it is absent).
//!
//! Outputs agree to 1e-5 of `max(1, largest)`, gradients to 1e-4 of the largest: what f32 allows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod keras;
mod kernels;
mod npz;
mod tf_checkpoint;

use candle_core::{DType, Device, Tensor};
use cislens::attribution::{Options, Rule, method, run_whole};
use cislens::genome::{BaseOrder, Strand, Stretch};
use cislens::models::{
    Attention, Batch, DeepCore, Input, InputSource, Manifest, Model, ModelError, Output, Weights, architecture,
};
use std::collections::HashMap;
use std::path::PathBuf;

fn golden(what: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(what);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_near(what: &str, a: &Tensor, b: &Tensor, tolerance: f64, at_least: f64) {
    assert_eq!(a.elem_count(), b.elem_count(), "{what}");
    let (a, b) = (flat(a), flat(b));
    let largest = b.iter().fold(at_least, |m, v| m.max(v.abs()));
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: {worst:.1e} of {largest:.1e}");
    assert!(worst <= tolerance * largest, "{what}: {worst:e} of {largest:e}");
}

fn assert_output(what: &str, a: &Tensor, b: &Tensor) {
    assert_near(what, a, b, 1e-5, 1.0);
}

/// `n` samples from `first`, beginning again at the start.
fn take(t: &Tensor, n: usize) -> Tensor {
    let indices: Vec<u32> = (0..n).map(|i| (i % t.dims()[0]) as u32).collect();
    t.index_select(&Tensor::from_vec(indices, n, &Device::Cpu).unwrap(), 0).unwrap()
}

fn deepcore_weights() -> Option<HashMap<String, Tensor>> {
    let variables = tf_checkpoint::read(&golden("deepcore/checkpoint")?);
    let mut weights = HashMap::new();
    let mut add = |name: &str, t: Tensor| weights.insert(name.to_owned(), t.contiguous().unwrap());
    for (ours, theirs) in [("sequence", "seq"), ("marks", "epi")] {
        let conv = &variables[&format!("conv-layer-0/{theirs}-conv-0_wt")];
        add(&format!("{ours}.conv.weight"), conv.squeeze(2).unwrap().permute((2, 0, 1)).unwrap());
        add(&format!("{ours}.conv.bias"), variables[&format!("conv-layer-0/{theirs}-conv-0_bias")].clone());
        for (direction, end) in [("fw", ""), ("bw", "_reverse")] {
            let cell = format!("{theirs}_enclstm/{direction}/multi_rnn_cell/cell_0/basic_lstm_cell");
            // Gates i, candidate, f, o to i, f, candidate, o; the forget bias of 1 is added at run time there.
            let order = |t: &Tensor| {
                let gates = t.chunk(4, t.rank() - 1).unwrap();
                Tensor::cat(&[&gates[0], &gates[2], &gates[1], &gates[3]], t.rank() - 1).unwrap()
            };
            let kernel = order(&variables[&format!("{cell}/kernel")]).t().unwrap();
            add(&format!("{ours}.lstm.weight_ih{end}"), kernel.narrow(1, 0, 50).unwrap());
            add(&format!("{ours}.lstm.weight_hh{end}"), kernel.narrow(1, 50, 15).unwrap());
            let forget: Vec<f32> = (0..60).map(|i| if i / 15 == 1 { 1.0 } else { 0.0 }).collect();
            let forget = Tensor::from_vec(forget, 60, &Device::Cpu).unwrap();
            add(&format!("{ours}.lstm.bias{end}"), (order(&variables[&format!("{cell}/bias")]) + forget).unwrap());
        }
    }
    for (ours, weight, bias) in [
        ("attention.hidden", "Attention/attn_values_wt_2", "Attention/attn_values_bias_2"),
        ("attention.score", "Attention/attn_v_wt_2", "Attention/attn_v_bias_2"),
        ("decoder", "Decoder/dec_out_wt", "Decoder/dec_out_bias"),
        ("dense", "fc-layer-0/fc-0_wt", "fc-layer-0/fc-0_bias"),
        ("output", "output/out_wt", "output/out_b"),
    ] {
        add(&format!("{ours}.weight"), variables[weight].t().unwrap());
        add(&format!("{ours}.bias"), variables[bias].clone());
    }
    Some(weights)
}

fn deepcore(weights: &HashMap<String, Tensor>, dtype: DType) -> DeepCore {
    let manifest = architecture("deepcore").unwrap().preset("code").unwrap();
    let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
    let model = DeepCore::new(&weights, manifest).unwrap();
    assert_eq!(weights.unused(), [""; 0]);
    model
}

#[test]
fn deepcore_agrees_with_tensorflow() {
    let Some(weights) = deepcore_weights() else { return };
    let expected = npz::read(&golden("deepcore/expected.npz").unwrap());
    let text = std::fs::read_to_string(golden("deepcore/sequences.txt").unwrap()).unwrap();
    let one_hot: Vec<f32> = text.lines().flat_map(|line| BaseOrder::AGCT.one_hot(line.as_bytes())).collect();
    let sequence = Tensor::from_vec(one_hot, (3, 10_000, 4), &Device::Cpu).unwrap();
    for dtype in [DType::F32, DType::F64] {
        let model = deepcore(&weights, dtype);
        for n in [1, 2, 7] {
            let batch =
                Batch { sequence: Some(take(&sequence, n)), marks: Some(take(&expected["marks"], n)), ..Batch::default() };
            let (output, gradient) = model.gradient(&batch).unwrap();
            assert_output("output", &output.score, &take(&expected["output"], n));
            let Some(Attention::Bins(attention)) = output.attention else { panic!("no attention") };
            assert_output("attention", &attention, &take(&expected["attention"], n));
            assert_output("encoder", &model.encode(&batch).unwrap().get(0).unwrap(), &expected["encoder"]);
            let gradient = [gradient.sequence.unwrap().get(0).unwrap(), gradient.marks.unwrap().get(0).unwrap()];
            assert_near("gradient", &Tensor::cat(&gradient, 1).unwrap(), &expected["gradient"], 1e-4, 0.0);
        }
    }
}

/// Sequences one a line, one-hot: `[lines, length, 4]`.
fn one_hot(path: &std::path::Path, order: BaseOrder) -> Tensor {
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<f32> = text.lines().flat_map(|line| order.one_hot::<u8>(line.as_bytes())).map(f32::from).collect();
    Tensor::from_vec(rows, (text.lines().count(), (), 4), &Device::Cpu).unwrap()
}

#[test]
fn isegnet_agrees_with_keras() {
    let Some(path) = golden("isegnet/model.h5") else { return };
    let weights = keras::isegnet(&path);
    let expected = npz::read(&golden("isegnet/expected.npz").unwrap());
    let sequence = one_hot(&golden("isegnet/sequences.txt").unwrap(), BaseOrder::ACGT);
    let architecture = architecture("isegnet").unwrap();
    for dtype in [DType::F32, DType::F64] {
        let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
        let model = (architecture.build)(&weights, architecture.default_manifest()).unwrap();
        assert_eq!(weights.unused(), [""; 0]);
        for n in [1, 2, 7] {
            let batch =
                Batch { sequence: Some(take(&sequence, n)), marks: Some(take(&expected["marks"], n)), ..Batch::default() };
            let (output, gradient) = model.gradient(&batch).unwrap();
            let published: Vec<f64> = flat(&output.score).iter().flat_map(|s| model.published_output(*s)).collect();
            let published = Tensor::new(published, &Device::Cpu).unwrap();
            assert_output("output", &published, &take(&expected["output"], n));
            // Keras holds the tracks one after the other.
            let marks = gradient.marks.unwrap().get(0).unwrap().t().unwrap();
            assert_near("gradient of marks", &marks, &expected["gradient_0"], 1e-4, 0.0);
            assert_near("gradient of DNA", &gradient.sequence.unwrap().get(0).unwrap(), &expected["gradient_1"], 1e-4, 0.0);
        }
    }
}

#[test]
fn deepcage_agrees_with_keras() {
    let Some(path) = golden("deepcage/weights.h5") else { return };
    let weights = keras::deepcage(&path);
    let expected = npz::read(&golden("deepcage/expected.npz").unwrap());
    let sequence = one_hot(&golden("deepcage/sequences.txt").unwrap(), BaseOrder::AGCT);
    let architecture = architecture("deepcage").unwrap();
    for dtype in [DType::F32, DType::F64] {
        let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
        let model = (architecture.build)(&weights, architecture.preset("code").unwrap()).unwrap();
        assert_eq!(weights.unused(), [""; 0]);
        for n in [1, 2, 7] {
            let batch = Batch {
                sequence: Some(take(&sequence, n)),
                expression: Some(take(&expected["expression"], n)),
                motif_scores: Some(take(&expected["motif_scores"], n)),
                ..Batch::default()
            };
            let (output, gradient) = model.gradient(&batch).unwrap();
            assert_output("output", &output.score, &take(&expected["output"], n));
            let first = |t: &Option<Tensor>| t.as_ref().unwrap().get(0).unwrap();
            let of = [first(&gradient.sequence).t().unwrap(), first(&gradient.expression), first(&gradient.motif_scores)];
            for (i, gradient) in of.iter().enumerate() {
                let name = format!("gradient_{i}");
                assert_near(&name, gradient, &expected[&name], 1e-4, 0.0);
            }
        }
    }
}

#[test]
fn attentive_chrome_agrees_with_pytorch() {
    let Some(path) = golden("attentivechrome/weights.pt") else { return };
    let weights: HashMap<_, _> = candle_core::pickle::read_all(path).unwrap().into_iter().collect();
    let expected = npz::read(&golden("attentivechrome/expected.npz").unwrap());
    let architecture = architecture("attentive-chrome").unwrap();
    for dtype in [DType::F32, DType::F64] {
        let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
        let model = (architecture.build)(&weights, architecture.default_manifest()).unwrap();
        assert_eq!(weights.unused(), [""; 0]);
        for n in [1, 2, 4, 7] {
            let (output, gradient) = model.gradient(&Batch { marks: Some(take(&expected["x"], n)), ..Batch::default() }).unwrap();
            assert_output("output", &output.score, &take(&expected["output"], n));
            let Some(Attention::Hierarchical { alpha, beta }) = output.attention else { panic!("no attention") };
            assert_output("alpha", &alpha, &take(&expected["alpha"], n));
            assert_output("beta", &beta, &take(&expected["beta"], n));
            assert_near("gradient", &gradient.marks.unwrap(), &take(&expected["gradient"], n), 1e-4, 0.0);
        }
    }
}

#[test]
fn deepchrome_agrees_with_pytorch() {
    let Some(path) = golden("deepchrome/weights.pt") else { return };
    let weights: HashMap<_, _> = candle_core::pickle::read_all(path).unwrap().into_iter().collect();
    let expected = npz::read(&golden("deepchrome/expected.npz").unwrap());
    let architecture = architecture("deepchrome").unwrap();
    for dtype in [DType::F32, DType::F64] {
        let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
        let model = (architecture.build)(&weights, architecture.default_manifest()).unwrap();
        assert_eq!(weights.unused(), [""; 0]);
        for n in [1, 2, 4, 7] {
            let (output, gradient) = model.gradient(&Batch { marks: Some(take(&expected["x"], n)), ..Batch::default() }).unwrap();
            let scores = flat(&output.score);
            let log_probabilities: Vec<f64> = scores.iter().flat_map(|s| model.published_output(*s)).collect();
            let log_probabilities = Tensor::from_vec(log_probabilities, (n, 2), &Device::Cpu).unwrap();
            assert_output("output", &log_probabilities, &take(&expected["output"], n));
            // d log p(high) = (1 - p(high)) dF.
            let low: Vec<f64> = scores.iter().map(|s| 1.0 / (1.0 + s.exp())).collect();
            let low = Tensor::from_vec(low, (n, 1, 1), &Device::Cpu).unwrap();
            let gradient = gradient.marks.unwrap().to_dtype(DType::F64).unwrap().broadcast_mul(&low).unwrap();
            assert_near("gradient", &gradient, &take(&expected["gradient"], n), 1e-4, 0.0);
        }
    }
}

/// Bins of one window as a source of marks: the first base of a bin holds its count, the others nothing.
struct Bins<'a> {
    values: &'a [f32],
    marks: &'a [String],
    bin: u64,
}

impl InputSource for Bins<'_> {
    fn mark(&mut self, mark: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
        let channel = self.marks.iter().position(|m| m == mark).unwrap();
        let of_base = |base: u64| match base % self.bin {
            0 => self.values[(base / self.bin) as usize * self.marks.len() + channel],
            _ => 0.0,
        };
        Ok((0..window.len).map(of_base).collect())
    }

    fn bases(&mut self, _: &Stretch) -> Result<Vec<u8>, ModelError> {
        panic!("the network reads no DNA")
    }
}

/// The logarithm of P(high), which the golden numbers of DeepChrome explain.
struct LogOfHigh(Box<dyn Model>);

impl Model for LogOfHigh {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let output = self.0.forward(batch)?;
        let score = output.score.neg()?.exp()?.affine(1.0, 1.0)?.log()?.neg()?;
        Ok(Output { score, ..output })
    }
}

/// captum's integrated gradients of 50 steps from zero, Gauss-Legendre and midpoint; never its trapezoid, whose weights sum to 0.98.
#[test]
fn integrated_gradients_agree_with_captum() {
    let Some(path) = golden("attentivechrome/weights.pt") else { return };
    let folder = path.parent().unwrap().parent().unwrap().to_owned();
    for (name, golden) in [("attentive-chrome", "attentivechrome"), ("deepchrome", "deepchrome")] {
        let weights = candle_core::pickle::read_all(folder.join(golden).join("weights.pt")).unwrap().into_iter().collect();
        let expected = npz::read(&folder.join(golden).join("expected.npz"));
        let architecture = architecture(name).unwrap();
        let mut manifest = architecture.default_manifest();
        manifest.orientation = cislens::models::Orientation::Genome;
        let model = (architecture.build)(&Weights::stored(weights, DType::F64, &Device::Cpu), manifest.clone()).unwrap();
        let model: Box<dyn Model> = if name == "deepchrome" { Box::new(LogOfHigh(model)) } else { model };
        for i in 0..4 {
            let x: Vec<f32> = expected["x"].get(i).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            let window = manifest.window_at("c".into(), 100_000, Strand::Forward);
            let mut source = Bins { values: &x, marks: &manifest.input.marks, bin: manifest.input.bin_size };
            let input = Input::assemble(&manifest, &window, &mut source).unwrap();
            assert_eq!(input.marks, x);
            for (rule, array) in [(Rule::GaussLegendre, "ig_gausslegendre"), (Rule::Midpoint, "ig_riemann_middle")] {
                let options = Options { n_steps: 50, rule, ..Options::default() };
                let result = run_whole(method("integrated-gradients").unwrap(), &*model, &input, &options).unwrap();
                let ours = Tensor::from_vec(result.marks.unwrap(), (x.len(),), &Device::Cpu).unwrap();
                let theirs = expected[array].get(i).unwrap().flatten_all().unwrap();
                assert_near(&format!("{name} {rule} {i}"), &ours, &theirs, 1e-4, 0.0);
            }
        }
    }
}
