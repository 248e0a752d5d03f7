//! `cislens evaluate --truth`: does what explains a model's predictions find what was planted in simulated data?

use super::{EvaluateArgs, Table};
use crate::attribution::AttributionError;
use crate::attribution::truth::{Recovery, read_truth, recover};
use crate::cli::input::listed_genes;
use crate::cli::{Failure, interrupt};
use crate::genome::GeneId;
use crate::models::{Model, load_shuffled};
use crate::session::{Readers, SampleId, Session};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::sync::Arc;

/// Genes looked at where none are listed, evenly spread: mutagenesis of each takes a second.
const GENES: usize = 100;

/// Says how well the model's attributions, those of the same network with shuffled weights and simple scores tell what works from
/// decoys, for each sample.
pub(super) fn run(
    args: &EvaluateArgs,
    truth: &Path,
    session: &Arc<Session>,
    samples: &[SampleId],
    folder: &Path,
    model: &dyn Model,
) -> Result<(), Failure> {
    let rows = read_truth(truth)?;
    let genes: Vec<GeneId> = match &args.genes {
        Some(path) => listed_genes(path, session)?,
        None => {
            let all: Vec<GeneId> = session.genome.genes.iter().map(|(id, _)| id).collect();
            all.iter().step_by((all.len() / GENES).max(1)).copied().take(GENES).collect()
        }
    };
    let shuffled = load_shuffled(folder, args.recipe.seed, &candle_core::Device::Cpu)?;
    let method = if model.manifest().input.sequence.is_some() { "|ISM|" } else { "|occlusion|" };
    let (own, other) = (format!("{method} of {}", model.manifest().name), format!("{method}, weights shuffled"));
    let networks = [(own.as_str(), model), (other.as_str(), &*shuffled)];
    let mut table = Table {
        provenance: format!(
            "cislens {} evaluate --truth {}; model {} {}; {} genes",
            env!("CARGO_PKG_VERSION"),
            truth.display(),
            model.manifest().name,
            model.manifest().hash,
            genes.len()
        ),
        columns: ["sample", "score", "working", "decoys", "auroc", "auprc"].map(str::to_owned).to_vec(),
        rows: Vec::new(),
    };
    let bar = ProgressBar::new((genes.len() * samples.len()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos} of {len} genes  {elapsed} left {eta}")?);
    for &sample in samples {
        let mut readers = Readers::new(session.clone());
        let mut go_on = |_| {
            bar.inc(1);
            !interrupt::is_interrupted()
        };
        let found = match recover(&networks, &mut readers, sample, &rows, &genes, &mut go_on) {
            Err(AttributionError::Cancelled) => return Err(Failure::Interrupted),
            other => other?,
        };
        let name = &session.samples[sample.0].name;
        if found.is_empty() {
            return Err(anyhow::anyhow!("{}: nothing planted for these genes in sample {name}", truth.display()).into());
        }
        for (score, Recovery { working, decoys, auroc, auprc }) in found {
            let numbers = [working.to_string(), decoys.to_string(), format!("{auroc:.3}"), format!("{auprc:.3}")];
            table.rows.push([name.clone(), score].into_iter().chain(numbers).collect());
        }
    }
    bar.finish_and_clear();
    table.print();
    args.out.as_deref().map_or(Ok(()), |path| table.write(path))
}
