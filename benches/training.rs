//! Processor milliseconds of a training step (forward, backward, Adam) of each network, one thread. Prints `network<TAB>genes<TAB>median<TAB>least`.
//! `benches/run-training.sh` runs it beside `training_peer.py`, which does the same in PyTorch.

use candle_core::{DType, Device, Tensor};
use cislens::models::{Batch, Dropout, MODELS, Manifest, Weights, architecture, keep_freed_memory};
use cislens::training::{FitOptions, Optimiser, median};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Genes a step.
const GENES: usize = 64;
/// Networks in the order of the table, with the preset that the peer has.
const NETWORKS: [(&str, &str); 4] =
    [("deepcore", "code"), ("attentive-chrome", "published"), ("isegnet", "paper"), ("deepcage", "code")];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runs = std::env::var("RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(7);
    let only = std::env::var("ONLY").ok();
    let there = |name: &str| MODELS.iter().any(|m| m.name == name) && only.as_deref().is_none_or(|only| only == name);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
    for (name, preset) in NETWORKS.into_iter().filter(|(name, _)| there(name)) {
        let times = pool.install(|| steps(name, preset, runs).map_err(|e| format!("{name}: {e}")))?;
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name}\t{GENES}\t{:.1}\t{least:.1}", median(&times));
    }
    Ok(())
}

/// Milliseconds of each step but the first, which allocates.
fn steps(name: &str, preset: &str, runs: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let architecture = architecture(name)?;
    let manifest = architecture.preset(preset).unwrap_or_else(|| architecture.default_manifest());
    let batch = random_batch(&manifest)?;
    let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
    let model = (architecture.build)(&weights, manifest)?;
    let options = FitOptions::published(name);
    let variables = weights.variables();
    let mut optimiser = Optimiser::new(FitOptions::default().descent);
    let mut dropout = Dropout::new(options.dropout, 1);
    let target = Tensor::ones(GENES, DType::F32, &Device::Cpu)?;
    let mut times = Vec::new();
    let _kept = keep_freed_memory();
    for i in 0..=runs {
        let start = processor_seconds();
        let score = model.forward_training(&batch, &mut dropout)?.score;
        let loss = (score - &target)?.sqr()?.mean_all()?;
        optimiser.step(&variables, &loss.backward()?)?;
        if i > 0 {
            times.push((processor_seconds() - start) * 1e3);
        }
    }
    Ok(times)
}

/// Seconds this process has used of all processors: they hardly depend on what else the machine does.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// One-hot bases and counts that are mostly 0, as measured ones are.
fn random_batch(manifest: &Manifest) -> Result<Batch, candle_core::Error> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (length, input) = (manifest.window.length as usize, &manifest.input);
    let mut batch = Batch::default();
    if input.sequence.is_some() {
        let mut values = vec![0f32; GENES * length * 4];
        (0..GENES * length).for_each(|i| values[i * 4 + random.random_range(0..4)] = 1.0);
        batch.sequence = Some(Tensor::from_vec(values, (GENES, length, 4), &Device::Cpu)?);
    }
    if !input.marks.is_empty() {
        let (positions, k) = (input.positions(manifest.window.length), input.marks.len());
        let mut count = || if random.random_bool(0.3) { f32::from(random.random_range(1..9_u8)) } else { 0.0 };
        let values: Vec<f32> = (0..GENES * positions * k).map(|_| count()).collect();
        batch.marks = Some(Tensor::from_vec(values, (GENES, positions, k), &Device::Cpu)?);
    }
    if !input.tfs.is_empty() {
        let mut numbers = |n: usize| (0..GENES * n).map(|_| random.random::<f32>()).collect::<Vec<f32>>();
        let n = input.tfs.len();
        batch.expression = Some(Tensor::from_vec(numbers(n), (GENES, n), &Device::Cpu)?);
        batch.motif_scores = Some(Tensor::from_vec(numbers(n), (GENES, n), &Device::Cpu)?);
    }
    Ok(batch)
}
