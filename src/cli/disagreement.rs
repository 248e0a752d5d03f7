//! `cislens disagreement`: genes by how far two models, two samples or two methods explain them differently, and where most.

use super::evaluate::Table;
use super::input::{InputArgs, Inputs, find_model, open_or_all_genes};
use super::kept::{Keeping, for_each_kept};
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::{AttributionError, METHODS, Method, method};
use crate::genome::Region;
use crate::models::{load_model, measured_output, missing_input};
use crate::regulation::disagreement::{Anchor, Side, disagreement};
use crate::session::{Readers, SampleId};
use crate::tracks::{TrackError, clean_text, write_whole};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct DisagreementArgs {
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Another sample to compare with
    #[arg(long, value_name = "NAME", group = "with", required_unless_present_any = ["against_model", "against_method"])]
    against: Option<String>,
    /// Another model to compare with
    #[arg(long, value_name = "MODEL", group = "with")]
    against_model: Option<PathBuf>,
    /// Another method to compare with
    #[arg(long, value_name = "METHOD", group = "with", value_parser = parse_method)]
    against_method: Option<&'static str>,
    /// How predictions are explained, as cislens list methods prints
    #[arg(long, value_name = "METHOD", default_value = "integrated-gradients", value_parser = parse_method)]
    method: &'static str,
    /// Table to write (.tsv): a line a gene, the largest disagreement first. The browser walks it: :genes F.tsv disagreement
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
    /// Where each gene's explanations are furthest apart (.bed)
    #[arg(long, value_name = "F.bed")]
    places: Option<PathBuf>,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

fn parse_method(name: &str) -> Result<&'static str, String> {
    let names = || METHODS.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
    method(name).map(Method::name).ok_or_else(|| format!("one of {}", names()))
}

/// What is kept of a gene.
#[derive(Serialize, Deserialize)]
struct OfGene {
    /// F here and there.
    scores: [f64; 2],
    found: Option<Found>,
}

/// How far its explanations are apart.
#[derive(Serialize, Deserialize)]
struct Found {
    distance: f64,
    /// Input, block, and the shares here and there, where they are furthest apart.
    label: String,
    block: i64,
    shares: [f64; 2],
}

pub(super) fn run(args: &DisagreementArgs) -> Result<(), Failure> {
    super::check_out("--out", &args.out, "tsv")?;
    args.places.as_deref().map_or(Ok(()), |path| super::check_out("--places", path, "bed"))?;
    let (model, inputs) = open_or_all_genes(&args.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else {
        return Err(Failure::Usage("disagreement is about genes of a session".to_owned()));
    };
    let session = &genes.session;
    let other_sample = match &args.against {
        Some(name) => session.samples.iter().position(|s| s.name == *name).map(SampleId).ok_or_else(|| {
            let names: Vec<&str> = session.samples.iter().map(|s| s.name.as_str()).collect();
            Failure::Usage(format!("--against {name}: the session has {}", names.join(", ")))
        })?,
        None => genes.sample,
    };
    let other_model = match &args.against_model {
        Some(path) => Some(load_model(&find_model(path, session)?, &candle_core::Device::Cpu)?),
        None => None,
    };
    let found_method = |name| method(name).ok_or_else(|| Failure::Usage(format!("no method {name}")));
    let here = Side { model: &*model, sample: genes.sample, method: found_method(args.method)? };
    let there = Side {
        model: other_model.as_deref().unwrap_or(&*model),
        sample: other_sample,
        method: found_method(args.against_method.unwrap_or(args.method))?,
    };
    for side in [&here, &there] {
        let manifest = side.model.manifest();
        let reason = missing_input(session, side.sample, manifest).or_else(|| side.method.obstacle(side.model));
        if let Some(reason) = reason {
            return Err(Failure::Usage(format!("model {}: {reason}", manifest.name)));
        }
    }
    let names = names(&here, &there, &inputs);
    if names[0] == names[1] {
        return Err(Failure::Usage(format!("{} is compared with itself", names[0])));
    }
    let manifests = [here.model.manifest(), there.model.manifest()];
    let made_by = format!(
        "{}; {} ({}, {}) and {} ({}, {}), shares of blocks of 50 bases that both explain; disagreement is half the sum of absolute differences",
        provenance("disagreement", manifests[0], &inputs),
        names[0],
        manifests[0].hash,
        here.method.name(),
        names[1],
        manifests[1].hash,
        there.method.name()
    );
    let keeping = Keeping { out: &args.out, key: format!("{made_by}; {}", inputs.key()), resume: args.resume };
    let is_current = || !interrupt::is_interrupted();
    let work = |readers: &mut Readers, i: usize| -> Result<OfGene, AttributionError> {
        let gene = genes.genes[i];
        let (score, a) = here.explain(readers, gene, &is_current)?;
        let (other, b) = there.explain(readers, gene, &is_current)?;
        let found = disagreement(&a, &b).map(|d| {
            let shares = [d.place.here, d.place.there];
            Found { distance: d.distance, label: d.place.label, block: d.place.block, shares }
        });
        Ok(OfGene { scores: [score, other], found })
    };
    let (mut results, journal) = for_each_kept(
        genes.genes.len(),
        args.input.threads,
        &keeping,
        || Readers::new(session.clone()),
        |readers, i, _| work(readers, i).map_err(|e| e.to_string()),
        |i| inputs.name(i),
    )?;
    // What cannot be compared stands last.
    let distance = |of: &OfGene| of.found.as_ref().map_or(-1.0, |found| found.distance);
    results.sort_by(|(i, a), (j, b)| distance(b).total_cmp(&distance(a)).then(i.cmp(j)));

    let mut columns: Vec<String> = ["gene_id", "gene", "strand", "disagreement", "place", "input"].map(str::to_owned).into();
    for what in ["share", "predicted", "measured", "error"] {
        columns.extend(names.iter().map(|name| format!("{what}_{name}")));
    }
    let samples = [here.sample, there.sample];
    let (mut rows, mut bed) = (Vec::new(), Vec::new());
    for (i, of) in &results {
        let (id, gene) = (genes.genes[*i], session.genome.genes.get(genes.genes[*i]));
        let region = of.found.as_ref().map(|found| Anchor::of(gene, session.genome.tss).region(found.block));
        let mut row = vec![gene.id.clone(), gene.name.clone(), gene.strand.to_string()];
        match (&of.found, &region) {
            (Some(found), Some(region)) => {
                row.extend([number(found.distance), region.to_string(), found.label.clone()]);
                row.extend(found.shares.map(number));
                let score = (1_000.0 * found.distance) as u32;
                let name = clean_text(&format!("{}:{}", gene.name, found.label)).replace(char::is_whitespace, "_");
                bed.push((region.clone(), name, format!("{score}\t{}", gene.strand)));
            }
            _ => row.extend(vec!["NA".to_owned(); 5]),
        }
        let outputs = [0, 1].map(|side| manifests[side].output.kind.of_score(of.scores[side]));
        let measured = [0, 1].map(|side| measured_output(session, manifests[side], samples[side], id).unwrap_or(f64::NAN));
        row.extend(outputs.map(number));
        row.extend(measured.map(number));
        row.extend([0, 1].map(|side| number(outputs[side] - measured[side])));
        rows.push(row);
    }
    Table { provenance: made_by.clone(), columns, rows }.write(&args.out)?;
    if let Some(path) = &args.places {
        bed.sort_by(|(a, x, _), (b, y, _)| (&a.chrom, a.start, x).cmp(&(&b.chrom, b.start, y)));
        let line = |(region, name, rest): &(Region, String, String)| {
            format!("{}\t{}\t{}\t{name}\t{rest}\n", region.chrom, region.start, region.end)
        };
        let text = format!("# {}\n{}", clean_text(&made_by), bed.iter().map(line).collect::<String>());
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
    }
    journal.remove();
    let compared: Vec<f64> = results.iter().filter_map(|(_, of)| of.found.as_ref().map(|found| found.distance)).collect();
    let median = crate::regulation::statistics::median(&compared);
    println!("{}: {} genes, disagreement {median:.3} in the median", args.out.display(), results.len());
    Ok(())
}

/// What each side is called in the table: by what tells them apart.
fn names(here: &Side<'_>, there: &Side<'_>, inputs: &Inputs) -> [String; 2] {
    let Inputs::Genes(genes) = inputs else { return Default::default() };
    let sides = [here, there];
    if here.sample != there.sample {
        return sides.map(|side| genes.session.samples[side.sample.0].name.clone());
    }
    if here.method.name() != there.method.name() {
        return sides.map(|side| side.method.name().to_owned());
    }
    sides.map(|side| side.model.manifest().name.clone())
}

fn number(x: f64) -> String {
    if x.is_finite() { format!("{x:.4}") } else { "NA".to_owned() }
}
