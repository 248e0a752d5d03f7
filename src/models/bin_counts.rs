//! The input DeepChrome, AttentiveChrome and their comparators were published with: read counts of five marks in 100 bins of
//! 100 bases around the TSS, unscaled, minus-strand genes unreversed, and whether the gene is high.

use super::layers::Linear;
use super::{
    Batch, BinStatistic, InputSpec, Manifest, ModelError, Orientation, Output, OutputKind, OutputSpec, Transform, WindowSpec,
};
use crate::tracks::SignalUnit;
use candle_core::{D, DType, Tensor};

/// Marks in the order of the published data.
pub(super) const MARKS: [&str; 5] = ["H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3"];

/// The manifest of a network of that input with its own sizes.
pub(super) fn published(architecture: &str, sizes: &[(&str, usize)]) -> Manifest {
    Manifest {
        architecture: architecture.to_owned(),
        name: architecture.to_owned(),
        source: String::new(),
        assembly: None,
        samples: Vec::new(),
        orientation: Orientation::Genome,
        window: WindowSpec { length: 10_000, tss_index: 5_000, tts: None },
        input: InputSpec {
            sequence: None,
            marks: MARKS.map(str::to_owned).to_vec(),
            signal: SignalUnit::Count,
            bin_size: 100,
            bin_statistic: BinStatistic::Sum,
            transform: Transform::None,
            scale: Vec::new(),
            missing: 0.0,
            truncate: false,
            of_mark: Default::default(),
            tfs: Default::default(),
        },
        output: OutputSpec { kind: OutputKind::Binary, unit: "high".to_owned(), pseudocount: 0.0, threshold: None, signal: None },
        sizes: sizes.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect(),
        metrics: Default::default(),
        hash: String::new(),
        external: None,
    }
}

/// Number of marks of a network that reads marks and nothing else.
pub(super) fn marks_alone(manifest: &Manifest) -> Result<usize, ModelError> {
    match (manifest.input.sequence, manifest.input.marks.len()) {
        (None, k @ 1..) => Ok(k),
        _ => Err(ModelError::Manifest(format!("{} reads marks and no sequence", manifest.architecture))),
    }
}

/// The marks of a batch `[n, positions, k]`, as numbers of the weights' type.
pub(super) fn marks_of(batch: &Batch, manifest: &Manifest, dtype: DType) -> Result<Tensor, ModelError> {
    let x = batch.marks_for(&manifest.input)?;
    let x = x.ok_or_else(|| ModelError::Manifest(format!("{} reads marks and no sequence", manifest.architecture)))?;
    Ok(x.to_dtype(dtype)?)
}

/// The output of a head with one unit over `[n, inputs]`.
pub(super) fn scored(head: &Linear, x: &Tensor) -> Result<Output, ModelError> {
    Ok(Output { score: head.forward(x)?.squeeze(D::Minus1)?, attention: None })
}
