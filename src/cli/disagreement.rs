//! `cislens disagreement`: genes by how far two models, two samples or two methods explain them differently, and where most.

use super::evaluate::{Table, write_charts};
use super::input::{InputArgs, Inputs, find_model, open_or_all_genes};
use super::kept::{Keeping, for_each_kept};
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::{AttributionError, METHODS, Method, method};
use crate::export::{Chart, Marks};
use crate::genome::Region;
use crate::jobs::is_one_unit;
use crate::models::{load_model, measured_output, missing_input};
use crate::regulation::disagreement::{Anchor, BLOCK, Side, disagreement, pairs, shares};
use crate::session::{Readers, SampleId};
use crate::tracks::{TrackError, clean_text, write_whole};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Genes named on a page.
const NAMED: usize = 20;

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
    /// Page of charts to write (.svg): how far genes disagree, which most, where along the window and in which input
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
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
    /// Of each input and block the size of the difference of shares; empty where no page is drawn.
    sizes: BTreeMap<String, BTreeMap<i64, f32>>,
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
    let keeping =
        Keeping { out: &args.out, key: format!("{made_by}; {}; {}", inputs.key(), args.svg.is_some()), resume: args.resume };
    let is_current = || !interrupt::is_interrupted();
    let work = |readers: &mut Readers, i: usize| -> Result<OfGene, AttributionError> {
        let gene = genes.genes[i];
        let (score, a) = here.explain(readers, gene, &is_current)?;
        let (other, b) = there.explain(readers, gene, &is_current)?;
        let mut sizes: BTreeMap<String, BTreeMap<i64, f32>> = BTreeMap::new();
        for pair in args.svg.as_ref().and_then(|_| shares(pairs(&a, &b))).into_iter().flatten() {
            let size = pair.difference().abs() as f32;
            sizes.entry(pair.label).or_default().insert(pair.block, size);
        }
        let found = disagreement(&a, &b).map(|d| {
            let shares = [d.place.here, d.place.there];
            Found { distance: d.distance, label: d.place.label, block: d.place.block, shares }
        });
        Ok(OfGene { scores: [score, other], found, sizes })
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
    if let Some(path) = &args.svg {
        let outputs = |of: &OfGene| [0, 1].map(|side| manifests[side].output.kind.of_score(of.scores[side]));
        let predictions = results.iter().map(|(_, of)| outputs(of)).map(|[a, b]| (a, b)).collect();
        let predictions = is_one_unit(manifests[0], manifests[1]).then_some(predictions);
        page(path, &made_by, &names, &inputs, &results, predictions)?;
    }
    journal.remove();
    let compared: Vec<f64> = results.iter().filter_map(|(_, of)| of.found.as_ref().map(|found| found.distance)).collect();
    let median = crate::regulation::statistics::median(&compared);
    say!("{}: {} genes, disagreement {median:.3} in the median", args.out.display(), results.len());
    Ok(())
}

/// How far genes disagree, which of them most, in which input and where along the window, and both predictions where they are in
/// one unit.
fn page(
    path: &Path,
    made_by: &str,
    names: &[String; 2],
    inputs: &Inputs,
    results: &[(usize, OfGene)],
    predictions: Option<Vec<(f64, f64)>>,
) -> Result<(), Failure> {
    let chart = |title: &str, axes: [&str; 2], marks| Chart { title: title.to_owned(), axes: axes.map(str::to_owned), marks };
    let found: Vec<(usize, &Found)> = results.iter().filter_map(|(i, of)| Some((*i, of.found.as_ref()?))).collect();
    // The furthest stand first: the share of genes at least as far apart.
    let at_least = |(rank, of): (usize, &(usize, &Found))| (of.1.distance, (rank + 1) as f64 / found.len() as f64);
    let steps: Vec<(f64, f64)> = found.iter().enumerate().map(at_least).rev().collect();
    let curves = vec![("genes".to_owned(), [vec![(0.0, 1.0)], steps, vec![(1.0, 0.0)]].concat())];
    let far = Marks::Curves { curves, has_diagonal: false };
    let first = found.iter().take(NAMED).map(|(i, of)| (inputs.name(*i), of.distance)).collect();
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    found.iter().for_each(|(_, of)| *most.entry(&of.label).or_default() += 1.0);
    let most = most.into_iter().map(|(label, n)| (label.to_owned(), n)).collect();
    let mut sums: BTreeMap<&str, BTreeMap<i64, f64>> = BTreeMap::new();
    for (label, blocks) in results.iter().flat_map(|(_, of)| &of.sizes) {
        let sum = sums.entry(label).or_default();
        blocks.iter().for_each(|(block, size)| *sum.entry(*block).or_default() += f64::from(*size));
    }
    let middle = |block: i64| (block as f64 + 0.5) * BLOCK as f64;
    let mean = |blocks: BTreeMap<i64, f64>| -> Vec<(f64, f64)> {
        blocks.into_iter().map(|(block, sum)| (middle(block), sum / found.len() as f64)).collect()
    };
    let along: Vec<_> = sums.into_iter().map(|(label, blocks)| (label.to_owned(), mean(blocks))).collect();
    let mut charts = vec![
        chart("How far explanations are apart", ["disagreement (0: the same, 1: nothing shared)", "share of genes"], far),
        chart(
            "Where: mean |difference of shares|",
            ["bases from the TSS, in the gene's direction", "mean size"],
            Marks::Lines(along),
        ),
        chart(&format!("The {} genes furthest apart", found.len().min(NAMED)), ["disagreement", ""], Marks::Bars(first)),
        chart("Input of the largest difference", ["genes", ""], Marks::Bars(most)),
    ];
    if found.is_empty() {
        say!("{}: no gene could be compared, there is nothing to draw", path.display());
        return Ok(());
    }
    if let Some(points) = predictions {
        let axes = [format!("predicted, {}", names[0]), format!("predicted, {}", names[1])];
        charts.push(chart("Predictions", [&axes[0], &axes[1]], Marks::Points(points)));
    }
    write_charts(path, &format!("{} and {}: where they disagree", names[0], names[1]), made_by, &charts)
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
