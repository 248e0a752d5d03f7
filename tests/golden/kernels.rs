//! Exact kernels of attribution against the plain path: the golden networks on golden inputs, and on the marks of the 600 measured
//! genes (`../shared/real`, skipped where it is absent), whose counts are flat for long, tie in pools and saturate gates.

use super::{deepcore_weights, flat, golden, keras, npz};
use candle_core::{DType, Device, Tensor};
use cislens::attribution::kernels::{Edit, evaluator, kernel, plain};
use cislens::attribution::{Attribution, Node, Path, Run};
use cislens::genome::{Strand, Stretch};
use cislens::models::{Batch, Input, InputSource, Manifest, Model, ModelError, TfSpec, Weights, architecture, read_checkpoint};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::path::PathBuf;

/// One window as arrays.
#[derive(Clone, Default)]
struct Arrays {
    bases: Vec<u8>,
    /// By mark: a value a base.
    marks: Vec<Vec<f32>>,
    expression: Vec<f32>,
    motif_scores: Vec<f32>,
    next: usize,
}

impl InputSource for Arrays {
    fn mark(&mut self, _: &str, _: &Stretch) -> Result<Vec<f32>, ModelError> {
        self.next += 1;
        Ok(self.marks[self.next - 1].clone())
    }

    fn bases(&mut self, _: &Stretch) -> Result<Vec<u8>, ModelError> {
        Ok(self.bases.clone())
    }

    fn tf_expression(&mut self, _: &TfSpec) -> Result<Vec<f32>, ModelError> {
        Ok(self.expression.clone())
    }

    fn motif_scores(&mut self, _: &TfSpec, _: &[u8]) -> Result<Vec<f32>, ModelError> {
        Ok(self.motif_scores.clone())
    }
}

/// A network in f64 and f32, of a window in one stretch.
struct Twins {
    manifest: Manifest,
    double: Box<dyn Model>,
    single: Box<dyn Model>,
}

fn twins(name: &str, preset: &str, weights: &HashMap<String, Tensor>, change: impl Fn(&mut Manifest)) -> Twins {
    let architecture = architecture(name).unwrap();
    let mut manifest = architecture.preset(preset).unwrap();
    manifest.window.tts = None;
    change(&mut manifest);
    let build = |dtype| {
        let weights = Weights::stored(weights.clone(), dtype, &Device::Cpu);
        (architecture.build)(&weights, manifest.clone()).unwrap()
    };
    let (double, single) = (build(DType::F64), build(DType::F32));
    Twins { manifest, double, single }
}

impl Twins {
    fn input(&self, arrays: &Arrays) -> Input {
        let window = self.manifest.window_at("c".into(), 100_000, Strand::Forward);
        Input::assemble(&self.manifest, &window, &mut arrays.clone()).unwrap()
    }

    /// Asserts that integrated gradients from zero by the path's kernel are those by the gradient at every node, in f64 to 1e-6 of the
    /// largest (attribution.md section 5, row 8): summed over so many values along the window, for ties of pools go either way.
    fn check_path(&self, arrays: &Arrays, width: usize) {
        let to = self.input(arrays).batch(DType::F64).unwrap();
        let from = to.try_map(Tensor::zeros_like).unwrap();
        let nodes: Vec<Node> = (0..9).map(|i| Node { at: (f64::from(i) + 0.5) / 9.0, weight: 1.0 / 9.0 }).collect();
        let mut nobody = |_: &Attribution| ();
        let run = Run::new(&|| true, &mut nobody);
        let [fast, direct] = [Path::new(&*self.double, &from, &to), Path::direct(&*self.double, &from, &to)].map(|path| {
            let gradients = path.unwrap().gradients(&nodes, &run).unwrap();
            sums_of_shares(&to, &gradients, width)
        });
        let largest = direct.iter().fold(0.0f64, |most, share| most.max(share.abs()));
        let worst = fast.iter().zip(&direct).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(fast.len() == direct.len() && largest > 0.0, "{}", self.manifest.name);
        assert!(worst <= 1e-6 * largest, "{}: {worst:e} of {largest:e}", self.manifest.name);
    }

    /// Asserts that the kernel gives what the plain path gives: to 1e-12 of max(1, |F|) in f64, to 1e-6 in f32 or thrice what the
    /// plain path is off its f64 twin by.
    fn check(&self, arrays: &Arrays, edits: impl Fn(&Input) -> Vec<Edit>) {
        let input = self.input(arrays);
        let edits = edits(&input);
        let twin = plain(&*self.double, &input).unwrap().deltas(&edits).unwrap();
        for (model, least) in [(&self.double, 1e-12), (&self.single, 1e-6)] {
            assert!(kernel(&**model, &input).is_some());
            let (kernel, plain) = (evaluator(&**model, &input).unwrap(), plain(&**model, &input).unwrap());
            let exact = plain.deltas(&edits).unwrap();
            let own = exact.iter().zip(&twin).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let limit = f64::max(least * plain.score().abs().max(1.0), if least > 1e-9 { 3.0 * own } else { 0.0 });
            for ((edit, fast), exact) in edits.iter().zip(kernel.deltas(&edits).unwrap()).zip(exact) {
                assert!((fast - exact).abs() <= limit, "{}: {fast:e} and {exact:e}, {:?}", self.manifest.name, edit.bases);
                assert!(fast == 0.0 || edit.apply(&input).as_ref() != &input);
            }
        }
    }
}

/// Input times gradient, summed over `width` values along the window, channel by channel.
fn sums_of_shares(input: &Batch, gradients: &Batch, width: usize) -> Vec<f64> {
    let parts = input.parts().into_iter().flatten().zip(gradients.parts().into_iter().flatten());
    parts
        .flat_map(|(x, gradient)| {
            let channels = x.dims().last().copied().unwrap();
            let shares: Vec<f64> = flat(x).iter().zip(flat(gradient)).map(|(x, gradient)| x * gradient).collect();
            let bins = shares.chunks(width * channels);
            let sum = |bin: &[f64], channel| bin.iter().skip(channel).step_by(channels).sum::<f64>();
            bins.flat_map(|bin| (0..channels).map(|channel| sum(bin, channel)).collect::<Vec<_>>()).collect::<Vec<_>>()
        })
        .collect()
}

/// Some substitutions, both ends among them, and a bin of a mark here and there blanked.
fn some_edits(input: &Input, seed: u64, n: usize) -> Vec<Edit> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut edits = vec![Edit::default()];
    if let Some(sequence) = &input.sequence {
        let last = sequence.len() - 1;
        let indices = [0, 1, last / 2, last - 1, last].into_iter().chain((0..n).map(|_| random.random_range(0..=last)));
        let indices: Vec<usize> = indices.collect();
        edits.extend(indices.into_iter().map(|i| Edit::substitution(i, b"ACGTN"[random.random_range(0..5)])));
    }
    let (k, positions) = (input.n_marks(), input.positions());
    if k > 0 {
        let width = positions.div_ceil(200);
        for _ in 0..n {
            let (from, mark) = (random.random_range(0..positions), random.random_range(0..k));
            let marks = (from..(from + width).min(positions)).map(|p| (p * k + mark, 0.0)).collect();
            edits.push(Edit { bases: Vec::new(), marks });
        }
    }
    edits
}

/// `[length, k]` of one sample by mark.
fn by_mark(values: &[f64], k: usize) -> Vec<Vec<f32>> {
    (0..k).map(|mark| values.iter().skip(mark).step_by(k).map(|v| *v as f32).collect()).collect()
}

fn lines(what: &str) -> Vec<Vec<u8>> {
    std::fs::read_to_string(golden(what).unwrap()).unwrap().lines().map(|line| line.as_bytes().to_vec()).collect()
}

fn samples(t: &Tensor) -> Vec<Vec<f64>> {
    (0..t.dims()[0]).map(|i| flat(&t.get(i).unwrap())).collect()
}

#[test]
fn kernels_equal_the_plain_path_on_golden_networks() {
    if let Some(weights) = deepcore_weights() {
        let network = twins("deepcore", "code", &weights, |_| ());
        let expected = npz::read(&golden("deepcore/expected.npz").unwrap());
        for (i, (bases, marks)) in lines("deepcore/sequences.txt").into_iter().zip(samples(&expected["marks"])).enumerate() {
            let arrays = Arrays { bases, marks: by_mark(&marks, 5), ..Arrays::default() };
            network.check(&arrays, |input| some_edits(input, i as u64, 20));
            network.check_path(&arrays, 1);
        }
    }
    if let Some(path) = golden("isegnet/model.h5") {
        let network = twins("isegnet", "paper", &keras::isegnet(&path), |_| ());
        let expected = npz::read(&golden("isegnet/expected.npz").unwrap());
        for (i, (bases, marks)) in lines("isegnet/sequences.txt").into_iter().zip(samples(&expected["marks"])).enumerate() {
            let arrays = Arrays { bases, marks: by_mark(&marks, 7), ..Arrays::default() };
            network.check(&arrays, |input| some_edits(input, i as u64, 20));
            network.check_path(&arrays, 1);
        }
    }
    if let Some(path) = golden("deepcage/weights.h5") {
        let network = twins("deepcage", "code", &keras::deepcage(&path), |_| ());
        let expected = npz::read(&golden("deepcage/expected.npz").unwrap());
        let [expression, scores] = ["expression", "motif_scores"].map(|name| samples(&expected[name]));
        for (i, bases) in lines("deepcage/sequences.txt").into_iter().enumerate() {
            let [expression, motif_scores] = [&expression[i], &scores[i]].map(|v| v.iter().map(|v| *v as f32).collect());
            let arrays = Arrays { bases, expression, motif_scores, ..Arrays::default() };
            network.check(&arrays, |input| some_edits(input, i as u64, 20));
            network.check_path(&arrays, 1);
        }
    }
}

fn measured(what: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/real").join(what);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Counts `[200 bins][5 marks]` of each of the 600 measured genes.
fn measured_genes() -> Option<Vec<Vec<f32>>> {
    let mut genes = Vec::new();
    for part in ["train", "valid", "test"] {
        let text = std::fs::read_to_string(measured(&format!("deepdiff/Cell1.{part}.csv"))?).unwrap();
        let rows: Vec<Vec<f32>> =
            text.lines().map(|line| line.split(',').skip(1).map(|v| v.trim().parse().unwrap()).collect()).collect();
        genes.extend(rows.chunks(200).map(<[Vec<f32>]>::concat));
    }
    assert_eq!(genes.len(), 600);
    Some(genes)
}

/// DNA of 100 human genes end to end, 300 bases each, with a stretch that is unknown and one that is flat.
fn measured_bases() -> Option<Vec<u8>> {
    let text = std::fs::read_to_string(measured("deepcore/demo_5hm.tsv")?).unwrap();
    let mut bases: Vec<u8> = text
        .lines()
        .skip(1)
        .flat_map(|line| line.split('\t').nth(11).unwrap().bytes().map(|base| base.to_ascii_uppercase()))
        .collect();
    assert_eq!(bases.len(), 30_000);
    bases[3_000..3_200].fill(b'N');
    bases[7_000..7_300].fill(b'T');
    Some(bases)
}

/// Expression of transcription factors in each of 55 cell types.
fn measured_expression() -> Option<Vec<Vec<f32>>> {
    let text = std::fs::read_to_string(measured("deepcage/tf_gexp_matrix.txt")?).unwrap();
    Some(text.lines().skip(1).map(|line| line.split('\t').skip(1).map(|v| v.parse().unwrap()).collect()).collect())
}

/// Bins `bins` of 100 bases, laid out base by base.
fn by_base(mark: &[f32], bins: std::ops::Range<usize>) -> Vec<f32> {
    mark[bins].iter().flat_map(|v| [*v; 100]).collect()
}

/// A published network, and DeepChrome, on every `step`th gene in the order of their counts, empty ones to those that saturate gates, and on every 60th
/// of all, for their plain paths take seconds a gene, the golden ones that read DNA: on measured DNA, with the marks about the TSS base
/// by base, and with the measured expression of a cell type.
fn check_measured_genes(step: usize, edits: usize) {
    let (Some(mut genes), Some(bases), Some(cells)) = (measured_genes(), measured_bases(), measured_expression()) else { return };
    genes.sort_by(|a, b| a.iter().sum::<f32>().total_cmp(&b.iter().sum()));
    let weights = read_checkpoint(&measured("attentivechrome/model.pt").unwrap()).unwrap();
    let published = twins("attentive-chrome", "published", &weights.into_iter().collect(), |manifest| {
        (manifest.window.length, manifest.window.tss_index, manifest.input.bin_size) = (200, 100, 1);
    });
    // DeepChrome's weights are of 100 bins.
    let deepchrome = golden("deepchrome/weights.pt").map(|path| {
        let weights = read_checkpoint(&path).unwrap();
        twins("deepchrome", "published", &weights.into_iter().collect(), |manifest| {
            (manifest.window.length, manifest.window.tss_index, manifest.input.bin_size) = (100, 50, 1);
        })
    });
    let deepcore = deepcore_weights().map(|weights| twins("deepcore", "code", &weights, |_| ()));
    let isegnet = golden("isegnet/model.h5").map(|path| twins("isegnet", "paper", &keras::isegnet(&path), |_| ()));
    let deepcage = golden("deepcage/weights.h5").map(|path| {
        let expected = npz::read(&golden("deepcage/expected.npz").unwrap());
        let scores: Vec<f32> = samples(&expected["motif_scores"])[0].iter().map(|v| *v as f32).collect();
        (twins("deepcage", "code", &keras::deepcage(&path), |_| ()), scores)
    });
    for (i, counts) in genes.iter().enumerate().step_by(step) {
        let counts: Vec<f64> = counts.iter().map(|v| f64::from(*v)).collect();
        let marks = by_mark(&counts, 5);
        published.check(&Arrays { marks: marks.clone(), ..Arrays::default() }, |input| some_edits(input, i as u64, edits));
        if let Some(deepchrome) = &deepchrome {
            let marks = marks.iter().map(|mark| mark[50..150].to_vec()).collect();
            deepchrome.check(&Arrays { marks, ..Arrays::default() }, |input| some_edits(input, i as u64, edits));
        }
        if i % 60 != 0 {
            continue;
        }
        let dna = |length: usize| bases[i * 30..][..length].to_vec();
        if let Some(deepcore) = &deepcore {
            let marks = marks.iter().map(|mark| by_base(mark, 50..150)).collect();
            let arrays = Arrays { bases: dna(10_000), marks, ..Arrays::default() };
            deepcore.check(&arrays, |input| some_edits(input, i as u64, edits / 4));
            deepcore.check_path(&arrays, 50);
        }
        if let Some(isegnet) = &isegnet {
            // Its tracks are of 0 to 1: two more than the marks, one of them methylated everywhere.
            let mut tracks: Vec<Vec<f32>> = marks.iter().map(|mark| by_base(mark, 88..113)).collect();
            for track in &mut tracks {
                let most = track.iter().fold(1.0f32, |most, v| most.max(*v));
                track.iter_mut().for_each(|v| *v /= most);
            }
            tracks.push(tracks[1].iter().rev().copied().collect());
            tracks.push(vec![1.0; 2_500]);
            let arrays = Arrays { bases: dna(2_500), marks: tracks, ..Arrays::default() };
            isegnet.check(&arrays, |input| some_edits(input, i as u64, edits));
            isegnet.check_path(&arrays, 50);
        }
        if let Some((deepcage, scores)) = &deepcage {
            let expression = cells[i % cells.len()][..scores.len()].to_vec();
            let arrays = Arrays { bases: dna(1_000), expression, motif_scores: scores.clone(), ..Arrays::default() };
            deepcage.check(&arrays, |input| some_edits(input, i as u64, edits));
            deepcage.check_path(&arrays, 1);
        }
    }
}

#[test]
fn kernels_equal_the_plain_path_on_measured_genes() {
    check_measured_genes(120, 12);
}

#[test]
#[ignore = "minutes: cargo test --test golden -- --ignored --nocapture every_level"]
fn kernels_equal_the_plain_path_on_measured_genes_of_every_level() {
    check_measured_genes(5, 24);
}

#[test]
#[ignore = "seven minutes of processor time: cargo test --test golden -- --ignored --nocapture all_measured"]
fn kernels_equal_the_plain_path_on_all_measured_genes() {
    check_measured_genes(1, 24);
}
