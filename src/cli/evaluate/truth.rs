//! `cislens evaluate --truth`: does what explains a model's predictions find what was planted in simulated data?

use super::{EvaluateArgs, Table};
use crate::attribution::AttributionError;
use crate::attribution::truth::{Line, Recovery, Truth, read_truth, recover};
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
    let planted = Truth::new(read_truth(truth)?);
    let genes: Vec<GeneId> = match &args.genes {
        Some(path) => listed_genes(path, session)?,
        None => {
            let all: Vec<GeneId> = session.genome.genes.iter().map(|(id, _)| id).collect();
            all.iter().step_by((all.len() / GENES).max(1)).copied().take(GENES).collect()
        }
    };
    let shuffled = load_shuffled(folder, args.recipe.seed, &candle_core::Device::Cpu)?;
    let (own, other) = (model.manifest().name.clone(), format!("{}, weights shuffled", model.manifest().name));
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
        columns: ["sample", "what / decoys", "score", "working", "decoys", "auroc", "auprc", "auprc by chance"]
            .map(str::to_owned)
            .to_vec(),
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
        let found = match recover(&networks, &mut readers, sample, &planted, &genes, &mut go_on) {
            Err(AttributionError::Cancelled) => return Err(Failure::Interrupted),
            other => other?,
        };
        let name = &session.samples[sample.0].name;
        if found.is_empty() {
            return Err(anyhow::anyhow!("{}: nothing planted for these genes in sample {name}", truth.display()).into());
        }
        for Line { contrast, score, recovery: Recovery { working, decoys, auroc, auprc, chance } } in found {
            let numbers = [auroc, auprc, chance].map(|x| format!("{x:.3}"));
            let counts = [working.to_string(), decoys.to_string()];
            table.rows.push([name.clone(), contrast.to_owned(), score].into_iter().chain(counts).chain(numbers).collect());
        }
    }
    bar.finish_and_clear();
    table.print();
    args.out.as_deref().map_or(Ok(()), |path| table.write(path))
}
