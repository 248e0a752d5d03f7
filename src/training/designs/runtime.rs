//! What a longer window costs in time.

use super::window_length::windows;
use super::{Design, Study};
use crate::models::{Dropout, Weights, architecture};
use crate::training::{Optimiser, TrainingError};
use candle_core::{DType, Device};
use std::time::Instant;

pub(super) const RUNTIME: Design =
    Design { name: "runtime", about: "milliseconds a gene, predicting and learning, by window length", run };

/// Genes a batch, and runs of which the median counts.
const GENES: usize = 16;
const RUNS: usize = 5;

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    for (label, manifest) in windows(study) {
        let samples = study.samples.clone();
        let data = study.read(&manifest, &samples)?;
        let genes: Vec<usize> = (0..data.examples.len().min(GENES)).collect();
        let weights = Weights::fresh(study.options.seed, DType::F32, &Device::Cpu);
        let model = match (architecture(&manifest.architecture)?.build)(&weights, manifest.clone()) {
            Ok(model) => model,
            Err(error) => {
                study.note(&label, &data, &error.to_string());
                continue;
            }
        };
        let batch = data.batch(&genes, &[], DType::F32)?;
        let (variables, mut optimiser) = (weights.variables(), Optimiser::new(study.options.descent));
        let mut dropout = Dropout::new(study.options.dropout, study.options.seed);
        let time = |work: &mut dyn FnMut() -> Result<(), TrainingError>| -> Result<f64, TrainingError> {
            let mut times = Vec::new();
            for _ in 0..RUNS {
                let start = Instant::now();
                work()?;
                times.push(start.elapsed().as_secs_f64() * 1e3 / genes.len() as f64);
            }
            Ok(crate::training::median(&times))
        };
        let predicting = time(&mut || {
            drop(model.forward(&batch)?);
            Ok(())
        })?;
        let learning = time(&mut || {
            let loss = model.forward_training(&batch, &mut dropout)?.score.sqr()?.mean_all()?;
            Ok(optimiser.step(&variables, &loss.backward()?)?)
        })?;
        for (statistic, value) in [("predict_ms_per_gene", predicting), ("train_ms_per_gene", learning)] {
            let line = study.line(&label, &data, &genes, statistic, value);
            study.lines.push(line);
        }
    }
    Ok(())
}
