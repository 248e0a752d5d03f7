//! `cislens differential`: why genes are predicted differently in two samples, or by two models, and which gene sets they are of.

use super::evaluate::{Table, write_charts};
use super::input::{InputArgs, Inputs, find_model, listed_genes, open_or_all_genes};
use super::kept::{Keeping, for_each_kept};
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::kernels::plain;
use crate::attribution::{Attribution, Options, Run, between, method};
use crate::export::{Chart, Marks};
use crate::genome::Region;
use crate::models::{EditedSource, Input, Model, load_model, missing_input};
use crate::regulation::gene_sets::{enrich, read_gmt};
use crate::regulation::minimal_change::boundary;
use crate::session::{Readers, SampleId};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Positions summed where marks are read base by base.
const BLOCK: usize = 50;
/// Share of the genes that count as differential where no list is given.
const TOP: f64 = 0.1;

#[derive(Args, Debug)]
pub(super) struct DifferentialArgs {
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// The sample to compare with: integrated gradients run from its input to that of --sample
    #[arg(long, value_name = "NAME")]
    against: String,
    /// A model of its own for the other sample: predictions of both models on both inputs (2 x 2) tell what the inputs and what the
    /// models make of the difference
    #[arg(long, value_name = "MODEL")]
    against_model: Option<PathBuf>,
    /// Steps of the path
    #[arg(long, default_value_t = 81, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    n_steps: u64,
    /// Table to write (.tsv): a line a gene, the largest difference first
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
    /// Page of charts to write (.svg), with the mean profile of each mark for genes predicted on and off
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// Gene sets (.gmt): which of them hold more of the differential genes than of the others (written to F.sets.tsv)
    #[arg(long, value_name = "F.gmt")]
    gene_sets: Option<PathBuf>,
    /// The differential genes, one a line [default: the tenth of the genes whose attributions differ most]
    #[arg(long, value_name = "FILE", requires = "gene_sets")]
    listed: Option<PathBuf>,
    /// The genes that could have been listed, one a line [default: those of the table]
    #[arg(long, value_name = "FILE", requires = "gene_sets")]
    background: Option<PathBuf>,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

/// What there is to say of one gene.
#[derive(Serialize, Deserialize)]
struct OfGene {
    /// F of the model here and there, and of the other model.
    scores: [f64; 2],
    other_scores: Option<[f64; 2]>,
    /// Integrated gradients from there to here: of each mark summed, DNA last where it is read.
    sums: Vec<f64>,
    /// Mean size over blocks.
    size: f64,
    delta: f64,
    gap: f64,
    /// Chromosome, start, end, mark and value of the block that explains most.
    strongest: Option<(String, u64, u64, String, f64)>,
    /// Of each mark the integrated gradients here over blocks; empty where no page is drawn.
    profile: Vec<Vec<f32>>,
}

pub(super) fn run(args: &DifferentialArgs) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|e| e != "tsv") {
        return Err(Failure::Usage(format!("--out {}: it ends in .tsv", args.out.display())));
    }
    let (model, inputs) = open_or_all_genes(&args.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else { return Err(Failure::Usage("a difference is of genes of a session".to_owned())) };
    let (session, manifest) = (&genes.session, model.manifest());
    let other = session.samples.iter().position(|s| s.name == args.against).map(SampleId).ok_or_else(|| {
        let names: Vec<&str> = session.samples.iter().map(|s| s.name.as_str()).collect();
        Failure::Usage(format!("--against {}: the session has {}", args.against, names.join(", ")))
    })?;
    if let Some(reason) = missing_input(session, other, manifest) {
        return Err(Failure::Usage(format!("--against {}: model {}: {reason}", args.against, manifest.name)));
    }
    let other_model = match &args.against_model {
        Some(path) => Some(load_model(&find_model(path, session)?, &candle_core::Device::Cpu)?),
        None => None,
    };
    if let Some(reason) = other_model.as_ref().and_then(|m| {
        let of = |sample| missing_input(session, sample, m.manifest());
        of(genes.sample).or_else(|| of(other))
    }) {
        return Err(Failure::Usage(format!("--against-model: {reason}")));
    }
    let sets = args.gene_sets.as_deref().map(read_gmt).transpose().map_err(|reason| anyhow::anyhow!("{reason}"))?;
    let genes_of = |path: &Option<PathBuf>| path.as_ref().map(|path| listed_genes(path, session)).transpose();
    let (listed, background) = (genes_of(&args.listed)?, genes_of(&args.background)?);

    let versus = other_model.as_ref().map_or_else(String::new, |m| format!(" and {} ({})", m.manifest().name, m.manifest().hash));
    let made_by = format!(
        "{}; from sample {} to it{versus}; integrated gradients, {} steps",
        provenance("differential", manifest, &inputs),
        args.against,
        args.n_steps
    );
    let keeping =
        Keeping { out: &args.out, key: format!("{made_by}; {}; {}", inputs.key(), args.svg.is_some()), resume: args.resume };
    let compare = Compare {
        model: &*model,
        other_model: other_model.as_deref(),
        samples: [genes.sample, other],
        options: Options { n_steps: args.n_steps as usize, ..Options::default() },
        wants_profile: args.svg.is_some(),
    };
    let (results, journal) = for_each_kept(
        genes.genes.len(),
        args.input.threads,
        &keeping,
        || Readers::new(session.clone()),
        |readers, i, _| {
            let gene = session.genome.genes.get(genes.genes[i]);
            compare.gene(readers, gene).map_err(|e| e.to_string())
        },
        |i| inputs.name(i),
    )?;
    let mut order: Vec<usize> = (0..results.len()).collect();
    order.sort_by(|&a, &b| results[b].1.size.total_cmp(&results[a].1.size));
    let n_top = ((results.len() as f64 * TOP).ceil() as usize).min(results.len());
    let mut is_top = vec![false; results.len()];
    order[..n_top].iter().for_each(|&at| is_top[at] = true);
    order.sort_by(|&a, &b| {
        let size = |at: usize| (results[at].1.scores[0] - results[at].1.scores[1]).abs();
        size(b).total_cmp(&size(a))
    });
    table(&made_by, &inputs, &*model, other, &results, &order, &is_top).write(&args.out)?;
    let name = |at: usize| inputs.name(results[at].0);
    if let Some(sets) = sets {
        let names = |ids: &[crate::genome::GeneId]| ids.iter().map(|id| session.genome.genes.get(*id).name.clone()).collect();
        let top = || order.iter().filter(|&&at| is_top[at]).map(|&at| name(at)).collect();
        let list: Vec<String> = listed.as_deref().map_or_else(top, names);
        let background: Vec<String> = background.as_deref().map_or_else(|| (0..results.len()).map(name).collect(), names);
        let path = args.out.with_extension("sets.tsv");
        write_sets(&path, &made_by, &list, &background, &sets)?;
    }
    if let Some(path) = &args.svg {
        page(path, &made_by, &inputs, &*model, args, &results)?;
    }
    journal.remove();
    let worst = results.iter().map(|(_, found)| found.gap).fold(0.0, f64::max);
    say!("{}: {} genes, completeness gap {:.2} % at most", args.out.display(), results.len(), 100.0 * worst);
    Ok(())
}

struct Compare<'a> {
    model: &'a dyn Model,
    other_model: Option<&'a dyn Model>,
    samples: [SampleId; 2],
    options: Options,
    wants_profile: bool,
}

impl Compare<'_> {
    fn gene(&self, readers: &mut Readers, gene: &crate::genome::Gene) -> Result<OfGene, crate::attribution::AttributionError> {
        let choice = readers.session().genome.tss;
        let mut read = |model: &dyn Model, sample: SampleId| {
            let manifest = model.manifest();
            let window = manifest.window_of(gene, choice);
            Input::assemble(manifest, &window, &mut EditedSource::new(readers, sample, manifest, &window, &[]))
        };
        let is_current = || !interrupt::is_interrupted();
        let mut ignore = |_: &Attribution| ();
        let mut run = Run::new(&is_current, &mut ignore);
        let [here, there] = [read(self.model, self.samples[0])?, read(self.model, self.samples[1])?];
        let found = between(self.model, &there, &here, &self.options, &run)?;
        let delta = found.delta.unwrap_or(f64::NAN);
        let scores = [found.score, plain(self.model, &there)?.score()];
        let other_scores = match self.other_model {
            Some(other) => {
                let of = |input: Input| Ok::<_, crate::attribution::AttributionError>(plain(other, &input)?.score());
                Some([of(read(other, self.samples[0])?)?, of(read(other, self.samples[1])?)?])
            }
            None => None,
        };
        let lanes = lanes(&found, &here);
        let sums = lanes.iter().map(|lane| lane.iter().map(|&v| f64::from(v)).sum()).collect();
        let n: usize = lanes.iter().map(Vec::len).sum();
        let size = lanes.iter().flatten().map(|v| f64::from(v.abs())).sum::<f64>() / n.max(1) as f64;
        let strongest = strongest(self.model, &here, &lanes);
        let mut profile = Vec::new();
        if self.wants_profile
            && let Some(ig) = method("integrated-gradients").filter(|m| m.obstacle(self.model).is_none())
        {
            let options = Options { n_steps: 27, ..Options::default() };
            profile = self::lanes(&ig.attribute(self.model, &here, &options, &mut run)?, &here);
        }
        Ok(OfGene { scores, other_scores, sums, size, delta, gap: found.gap.unwrap_or(f64::NAN), strongest, profile })
    }
}

/// Attributions of each mark, and of the DNA last where it is read, in blocks along the window.
fn lanes(found: &Attribution, input: &Input) -> Vec<Vec<f32>> {
    let sums = |values: Vec<f32>| -> Vec<f32> {
        let values = input.window.sum_copies(values);
        match values.len() as u64 == input.window.len() {
            true => values.chunks(BLOCK).map(|chunk| chunk.iter().map(|&v| f64::from(v)).sum::<f64>() as f32).collect(),
            false => values,
        }
    };
    let k = input.n_marks();
    let of_mark = |channel: usize| sums(found.marks.iter().flatten().skip(channel).step_by(k).copied().collect());
    let mut lanes: Vec<Vec<f32>> = (0..k).map(of_mark).collect();
    if let Some(sequence) = &found.sequence {
        lanes.push(sums(sequence.iter().map(|row| row.iter().sum()).collect()));
    }
    lanes
}

fn lane_names(model: &dyn Model) -> Vec<String> {
    let input = &model.manifest().input;
    input.marks.iter().cloned().chain(input.sequence.map(|_| "DNA".to_owned())).collect()
}

fn strongest(model: &dyn Model, input: &Input, lanes: &[Vec<f32>]) -> Option<(String, u64, u64, String, f64)> {
    let names = lane_names(model);
    let all =
        lanes.iter().zip(&names).flat_map(|(lane, name)| lane.iter().enumerate().map(move |(i, v)| (i, lane.len(), *v, name)));
    let (i, n, value, name) = all.filter(|(_, _, v, _)| *v != 0.0).max_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))?;
    let len = input.window.len();
    let width = if n as u64 * BLOCK as u64 >= len && n as u64 != len { BLOCK as u64 } else { len / n.max(1) as u64 };
    let ends = [i as u64 * width, ((i as u64 + 1) * width).min(len) - 1].map(|index| input.window.position(index).max(0) as u64);
    let (start, end) = (ends[0].min(ends[1]), ends[0].max(ends[1]) + 1);
    Some((input.window.chrom().to_string(), start, end, name.clone(), f64::from(value)))
}

fn table(
    made_by: &str,
    inputs: &Inputs,
    model: &dyn Model,
    other: SampleId,
    results: &[(usize, OfGene)],
    order: &[usize],
    is_top: &[bool],
) -> Table {
    let Inputs::Genes(genes) = inputs else { return Table { provenance: String::new(), columns: Vec::new(), rows: Vec::new() } };
    let session = &genes.session;
    let [here, there] = [genes.sample, other].map(|id| session.samples[id.0].name.clone());
    let mut columns: Vec<String> = ["gene_id", "gene", "strand"].map(str::to_owned).to_vec();
    columns.extend([format!("predicted_{here}"), format!("predicted_{there}"), "difference".to_owned()]);
    columns.extend([format!("measured_{here}"), format!("measured_{there}")]);
    columns.extend(lane_names(model).iter().map(|name| format!("from_{name}")));
    columns.extend(
        ["mean_size", "top_tenth", "completeness_delta", "gap", "strongest_place", "strongest_input", "strongest_value"]
            .map(str::to_owned),
    );
    let has_other = results.iter().any(|(_, found)| found.other_scores.is_some());
    if has_other {
        columns.extend([format!("other_model_{here}"), format!("other_model_{there}")]);
        columns.extend(["input_effect", "model_effect", "interaction"].map(str::to_owned));
    }
    let number = |x: f64| (x as f32).to_string();
    let rows = order.iter().map(|&at| {
        let (i, found) = &results[at];
        let gene = session.genome.genes.get(genes.genes[*i]);
        let measured = |id: SampleId| session.expression(id, gene).map_or_else(|| "NA".to_owned(), |v| v.to_string());
        let [a, b] = found.scores;
        let mut row = vec![gene.id.clone(), gene.name.clone(), gene.strand.to_string(), number(a), number(b), number(a - b)];
        row.extend([measured(genes.sample), measured(other)]);
        row.extend(found.sums.iter().map(|&sum| number(sum)));
        row.extend([number(found.size), is_top[at].to_string(), number(found.delta), number(found.gap)]);
        match &found.strongest {
            Some((chrom, start, end, name, value)) => {
                row.extend([Region::new(chrom.as_str(), *start, *end).to_string(), name.clone(), number(*value)]);
            }
            None => row.extend(vec!["NA".to_owned(); 3]),
        }
        if let Some([c, d]) = found.other_scores {
            row.extend([c, d, f64::midpoint(a - b, c - d), f64::midpoint(a - c, b - d), (a - b) - (c - d)].map(number));
        }
        row
    });
    Table { provenance: made_by.to_owned(), rows: rows.collect(), columns }
}

fn write_sets(
    path: &Path,
    made_by: &str,
    list: &[String],
    background: &[String],
    sets: &[crate::regulation::gene_sets::GeneSet],
) -> Result<(), Failure> {
    let found = enrich(list, background, sets);
    let columns = ["set", "hits", "listed", "in_set", "background", "odds_ratio", "p", "q", "genes"].map(str::to_owned).to_vec();
    let rows = found
        .iter()
        .map(|e| {
            let counts = [e.hits.len(), e.listed, e.in_set, e.background].map(|n| n.to_string());
            let numbers = [e.odds_ratio, e.p, e.q].map(|x| x.to_string());
            let genes = e.hits.join(",");
            std::iter::once(e.set.clone()).chain(counts).chain(numbers).chain([genes]).collect()
        })
        .collect();
    let provenance = format!(
        "{made_by}; Fisher's exact test, one-sided, of {} genes against {}; BH over {} sets",
        list.len(),
        background.len(),
        found.len()
    );
    Table { provenance, columns, rows }.write(path)?;
    say!("{}: {} sets, {} with q below 0.05", path.display(), found.len(), found.iter().filter(|e| e.q < 0.05).count());
    Ok(())
}

fn page(
    path: &Path,
    made_by: &str,
    inputs: &Inputs,
    model: &dyn Model,
    args: &DifferentialArgs,
    results: &[(usize, OfGene)],
) -> Result<(), Failure> {
    let Inputs::Genes(genes) = inputs else { return Ok(()) };
    let here = &genes.session.samples[genes.sample.0].name;
    let names = lane_names(model);
    let points = results.iter().map(|(_, found)| (found.scores[1], found.scores[0])).collect();
    let mean = |lane: usize| {
        let sizes = results.iter().map(|(_, found)| found.sums.get(lane).map_or(0.0, |sum| sum.abs()));
        sizes.sum::<f64>() / results.len().max(1) as f64
    };
    let chart = |title: String, axes: [String; 2], marks: Marks| Chart { title, axes, marks };
    let mut charts = vec![
        chart("predictions".to_owned(), [format!("F in {}", args.against), format!("F in {here}")], Marks::Points(points)),
        chart(
            "what explains the differences".to_owned(),
            ["mean size of the part of each input".to_owned(), String::new()],
            Marks::Bars(names.iter().enumerate().map(|(i, name)| (name.clone(), mean(i))).collect()),
        ),
    ];
    let cut = boundary(model.manifest(), &genes.session, genes.sample).unwrap_or(0.0);
    let window = model.manifest().window;
    for (lane, name) in names.iter().enumerate() {
        let profile = |is_on: bool| {
            let of: Vec<&Vec<f32>> =
                results.iter().filter(|(_, f)| (f.scores[0] > cut) == is_on).filter_map(|(_, f)| f.profile.get(lane)).collect();
            let n = of.first().map_or(0, |lane| lane.len());
            let mean = |i: usize| of.iter().map(|lane| f64::from(lane[i])).sum::<f64>() / of.len().max(1) as f64;
            let at = |i: usize| (i as f64 + 0.5) * window.length as f64 / n.max(1) as f64 - window.tss_index as f64;
            let label = if is_on { "on" } else { "off" };
            (format!("{label}, {} genes", of.len()), (0..n).map(|i| (at(i), mean(i))).collect::<Vec<_>>())
        };
        let axes = ["bases from the TSS, in the gene's direction".to_owned(), "mean attribution".to_owned()];
        charts.push(chart(
            format!("{name}: genes predicted on and off in {here}"),
            axes,
            Marks::Lines(vec![profile(true), profile(false)]),
        ));
    }
    write_charts(path, "Differential", made_by, &charts)
}
