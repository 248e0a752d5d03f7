//! Time and peak memory of explaining one gene, median of several runs, as lines `name wall-seconds processor-seconds megabytes`.
//!
//! `cargo bench --bench attribution -- [NAME...]` runs the rows whose names begin so (`=NAME`: are so), `--list` prints the names;
//! `THREADS` says how many cores the kernels use (1). `RAYON_NUM_THREADS=1` keeps candle to one, as the program does: its threads wait
//! for work by spinning. `benches/run.sh` runs other programs beside it. `DEVICE=cuda` (as `--device`; `--features cuda`) runs networks there
//! and adds rows: integrated gradients of 243 steps, large batches, and `-gene`, all that a gene of a whole genome takes: prediction and
//! attention, integrated gradients of 81 steps, and the whole scan.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a benchmark fails by panicking")]

use candle_core::{DType, Device};
use cislens::attribution::kernels::{Edit, evaluator};
use cislens::attribution::{Attribution, Options, Run, method, run_whole};
use cislens::genome::{BASES, Strand, Stretch};
use cislens::models::{
    Batch, DeviceChoice, Input, InputSource, Model, ModelError, OnDevice, TfSpec, Weights, architecture, keep_freed_blocks,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A gene of random bases and marks in steps of 25 bp, mostly small with a few peaks.
struct RandomGene(ChaCha8Rng);

impl InputSource for RandomGene {
    fn mark(&mut self, _: &str, stretch: &Stretch) -> Result<Vec<f32>, ModelError> {
        let mut value = 0.0;
        let mut draw = |i: u64| {
            if i.is_multiple_of(25) {
                value = self.0.random::<f32>().powi(4) * 8.0;
            }
            value
        };
        Ok((0..stretch.len).map(&mut draw).collect())
    }

    fn bases(&mut self, stretch: &Stretch) -> Result<Vec<u8>, ModelError> {
        Ok((0..stretch.len).map(|_| BASES[self.0.random_range(0..4)]).collect())
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|_| self.0.random()).collect())
    }

    fn motif_scores(&mut self, tfs: &TfSpec, _: &[u8]) -> Result<Vec<f32>, ModelError> {
        Ok((0..tfs.len()).map(|_| self.0.random()).collect())
    }
}

/// A network with random weights, constants as those of a file are, and a gene.
fn network(name: &str, preset: Option<&str>) -> (Box<dyn Model>, Input) {
    let architecture = architecture(name).unwrap();
    let mut manifest = preset.map_or_else(|| architecture.default_manifest(), |preset| architecture.preset(preset).unwrap());
    manifest.window.tts = None; // one stretch: a gene so long that no base is read twice
    let fresh = Weights::fresh(1, DType::F32, &Device::Cpu);
    (architecture.build)(&fresh, manifest.clone()).unwrap();
    let tensors: HashMap<_, _> = fresh.saved().into_iter().map(|(name, v)| (name, v.as_detached_tensor())).collect();
    let window = manifest.window_at("chr1".into(), 100_000, Strand::Forward);
    let input = Input::assemble(&manifest, &window, &mut RandomGene(ChaCha8Rng::seed_from_u64(1))).unwrap();
    let build = |device: &Device| {
        let there = tensors.iter().map(|(name, x)| (name.clone(), x.to_device(device).unwrap())).collect();
        (architecture.build)(&Weights::stored(there, DType::F32, device), manifest.clone()).unwrap()
    };
    let here = build(&Device::Cpu);
    match device() {
        Some((device, name)) => (Box::new(OnDevice::new(build(&device), device, &name, here)), input),
        None => (here, input),
    }
}

/// The device that `DEVICE` names and its name, where it is none of the processor.
fn device() -> Option<(Device, String)> {
    let choice: DeviceChoice = std::env::var("DEVICE").ok()?.parse().unwrap();
    let (device, why) = choice.open(&|| "this benchmark was built without it (--features cuda)".to_owned()).unwrap();
    if let Some(why) = why {
        eprintln!("{why}");
    }
    (!device.is_cpu()).then(|| (device, choice.to_string()))
}

/// What a gene of a whole genome takes: prediction and attention, integrated gradients of 81 steps, and the whole scan.
fn explain_gene(scan: &str, model: &dyn Model, input: &Input) {
    model.forward(&input.batch(DType::F32).unwrap()).unwrap();
    explain("ig", model, input, 81);
    explain(scan, model, input, 1);
}

fn explain(name: &str, model: &dyn Model, input: &Input, n_steps: usize) {
    let options = Options { n_steps, ..Options::default() };
    assert!(run_whole(method(name).unwrap(), model, input, &options).unwrap().is_complete());
}

/// Every pair of bins of 50 bp, all marks blanked in both.
fn bin_pairs(model: &dyn Model, input: &Input) {
    let (k, bins) = (input.n_marks(), input.positions() / 50);
    let evaluator = evaluator(model, input).unwrap();
    let blank = |bin: usize| Edit { bases: Vec::new(), marks: (bin * 50 * k..(bin + 1) * 50 * k).map(|i| (i, 0.0)).collect() };
    for i in 0..bins {
        let edits: Vec<Edit> = (i + 1..bins).map(|j| blank(i).and(&blank(j))).collect();
        evaluator.deltas(&edits).unwrap();
    }
}

/// Every position of every mark at base resolution blanked.
fn points(model: &dyn Model, input: &Input) {
    let evaluator = evaluator(model, input).unwrap();
    let edits: Vec<Edit> = (0..input.marks.len()).map(|i| Edit { bases: Vec::new(), marks: vec![(i, 0.0)] }).collect();
    evaluator.deltas(&edits).unwrap();
}

/// From asking to the first partial result.
fn first_values(model: &dyn Model, input: &Input) -> [f64; 2] {
    let (began, used) = (Instant::now(), processor_seconds());
    let mut first = None;
    let mut report = |_: &Attribution| {
        first.get_or_insert([began.elapsed().as_secs_f64(), processor_seconds() - used]);
    };
    method("ism").unwrap().attribute(model, input, &Options::default(), &mut Run::new(&|| true, &mut report)).unwrap();
    first.unwrap_or([f64::NAN; 2])
}

fn batch_of(input: &Input, n: usize) -> Batch {
    input.batch(DType::F32).unwrap().try_map(|x| candle_core::Tensor::cat(&vec![x; n], 0)).unwrap()
}

/// Seconds this process has used of all processors.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Medians of a few runs after one that warms up: wall and processor seconds. The second hardly depends on what else the machine does.
fn median(mut work: impl FnMut()) -> [f64; 2] {
    let (mut wall, mut processor) = (Vec::new(), Vec::new());
    let started = Instant::now();
    work();
    while wall.len() < 3 || (wall.len() < 15 && started.elapsed() < Duration::from_secs(6)) {
        let (began, used) = (Instant::now(), processor_seconds());
        work();
        wall.push(began.elapsed().as_secs_f64());
        processor.push(processor_seconds() - used);
    }
    [wall, processor].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// The process's largest memory so far, MB.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kb| kb / 1024.0)
}

fn main() {
    keep_freed_blocks(); // as the program does
    let threads = std::env::var("THREADS").map_or(1, |n| n.parse().unwrap());
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    let (options, wanted): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let is_wanted = |name: &str| {
        let fits = |wanted: &String| wanted.strip_prefix('=').map_or(name.starts_with(wanted.as_str()), |exact| name == exact);
        wanted.is_empty() || wanted.iter().any(fits)
    };
    let row = |name: &str, work: &mut dyn FnMut() -> [f64; 2]| {
        if options.iter().any(|option| option == "--list") {
            println!("{name}");
        } else if is_wanted(name) {
            let [wall, processor] = work();
            println!("{name} {wall:.6} {processor:.6} {:.0}", peak_mb());
        }
    };
    let is_on_device = std::env::var_os("DEVICE").is_some();
    let batches: &[usize] = if is_on_device { &[1, 64, 512] } else { &[1, 64] };
    for (name, preset) in
        [("deepcore", Some("paper")), ("isegnet", Some("tutorial")), ("isegnet", Some("paper")), ("deepcage", None)]
    {
        if architecture(name).is_err() {
            continue;
        }
        let (model, input) = network(name, preset);
        let title = if name == "isegnet" && preset == Some("paper") { format!("{name}-paper") } else { name.to_owned() };
        row(&format!("{title}-mutagenesis"), &mut || median(|| explain("ism", &*model, &input, 1)));
        row(&format!("{title}-first-values"), &mut || first_values(&*model, &input));
        for steps in [50, 200] {
            row(&format!("{title}-ig-{steps}"), &mut || median(|| explain("ig", &*model, &input, steps)));
        }
        if is_on_device {
            row(&format!("{title}-ig-243"), &mut || median(|| explain("ig", &*model, &input, 243)));
            row(&format!("{title}-gene"), &mut || median(|| explain_gene("ism", &*model, &input)));
        }
        if name == "deepcore" {
            row("deepcore-occlusion", &mut || median(|| explain("occlusion", &*model, &input, 1)));
            row("deepcore-bin-pairs", &mut || median(|| bin_pairs(&*model, &input)));
            let batch = batch_of(&input, 50);
            row("deepcore-gradient-50", &mut || median(|| drop(model.gradient(&batch).unwrap())));
        }
        if name == "isegnet" {
            row(&format!("{title}-track-points"), &mut || median(|| points(&*model, &input)));
        }
        for &n in batches {
            let batch = batch_of(&input, n);
            row(&format!("{title}-forward-{n}"), &mut || median(|| drop(model.forward(&batch).unwrap())));
        }
    }
    let (model, input) = network("attentive-chrome", None);
    row("attentive-chrome-occlusion", &mut || median(|| explain("occlusion", &*model, &input, 1)));
    if is_on_device {
        row("attentive-chrome-ig-243", &mut || median(|| explain("ig", &*model, &input, 243)));
        row("attentive-chrome-gene", &mut || median(|| explain_gene("occlusion", &*model, &input)));
    }
    for &n in batches {
        let batch = batch_of(&input, n);
        row(&format!("attentive-chrome-forward-{n}"), &mut || median(|| drop(model.forward(&batch).unwrap())));
    }
}
