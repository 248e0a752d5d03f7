//! `cislens variants`: what the variants of a VCF do to the genes whose windows hold them.

use super::evaluate::{Table, write_charts};
use super::input::{InputArgs, Inputs, open_or_all_genes};
use super::kept::{Keeping, for_each_kept};
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::{AttributionError, Run};
use crate::export::{Chart, Marks};
use crate::genome::Strand;
use crate::models::OutputKind;
use crate::regulation::variants::{Allele, AlleleIndex, Effect, alleles, effects};
use crate::session::Edit;
use crate::tracks::{clean_text, read_variants};
use clap::Args;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Bars of the page.
const SHOWN: usize = 25;
/// Reasons listed on stderr.
const LISTED: usize = 5;

#[derive(Args, Debug)]
pub(super) struct VariantsArgs {
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Variants, plain or gzipped; of every gene where no genes are named
    #[arg(long, value_name = "FILE")]
    vcf: PathBuf,
    /// Table to write (.tsv): a line an allele and gene, the strongest effect first
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
    /// Page of charts to write (.svg)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

/// Alleles of one gene with their effects.
#[derive(Serialize, Deserialize)]
struct OfGene(Vec<(usize, Result<Effect, String>)>);

/// A line of the table.
struct Line {
    gene: usize,
    allele: usize,
    effect: Result<Effect, String>,
}

impl Line {
    fn size(&self) -> f64 {
        self.effect.as_ref().map_or(-1.0, |effect| effect.change().abs())
    }
}

pub(super) fn run(args: &VariantsArgs) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|e| e != "tsv") {
        return Err(Failure::Usage(format!("--out {}: it ends in .tsv", args.out.display())));
    }
    let (model, inputs) = open_or_all_genes(&args.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else { return Err(Failure::Usage("variants are of genes of a session".to_owned())) };
    let (session, manifest) = (&genes.session, model.manifest());
    if manifest.input.sequence.is_none() {
        return Err(Failure::Usage(format!("model {} reads no DNA: no variant changes what it says", manifest.name)));
    }
    let loaded = read_variants(&args.vcf, &session.genome.chroms)?;
    loaded.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
    let alleles = alleles(&loaded.value);
    let index = AlleleIndex::new(&alleles);
    let window = |i: usize| manifest.window_of(session.genome.genes.get(genes.genes[i]), session.genome.tss);
    let held: Vec<(usize, Vec<usize>)> = (0..genes.genes.len())
        .map(|i| (i, index.inside(&alleles, &*model, &window(i))))
        .filter(|(_, inside)| !inside.is_empty())
        .collect();
    let made_by = format!("{}; variants of {}", provenance("variants", manifest, &inputs), args.vcf.display());
    let key = format!("{made_by}; {}; {:x}", inputs.key(), Sha256::digest(format!("{alleles:?}")));
    let keeping = Keeping { out: &args.out, key, resume: args.resume };
    let work = |readers: &mut crate::session::Readers, i: usize| {
        let (gene, inside) = &held[i];
        let edits: Vec<&Edit> = inside.iter().filter_map(|&a| alleles[a].edit.as_ref().ok()).collect();
        let is_current = || !interrupt::is_interrupted();
        let found = effects(&*model, readers, genes.sample, &window(*gene), &edits, &Run::new(&is_current, &mut |_| ()));
        match found {
            Ok(found) => Ok(OfGene(inside.iter().copied().zip(found).collect())),
            Err(AttributionError::Cancelled) => Err("stopped".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    let (results, journal) = match held.len() {
        0 => (Vec::new(), None),
        n => {
            let open = || crate::session::Readers::new(session.clone());
            let name = |i: usize| inputs.name(held[i].0);
            let (results, journal) =
                for_each_kept(n, args.input.threads, &keeping, open, |readers, i, _| work(readers, i), name)?;
            (results, Some(journal))
        }
    };
    let mut lines: Vec<Line> = results
        .into_iter()
        .flat_map(|(i, OfGene(found))| {
            let gene = held[i].0;
            found.into_iter().map(move |(allele, effect)| Line { gene, allele, effect })
        })
        .collect();
    // Equal effects keep the order of genes and file.
    lines.sort_by(|a, b| b.size().total_cmp(&a.size()));
    let table = table(&made_by, &inputs, &alleles, &lines, manifest.output.kind);
    table.write(&args.out)?;
    if let Some(path) = &args.svg {
        page(path, &made_by, &inputs, &alleles, &lines)?;
    }
    if let Some(journal) = journal {
        journal.remove();
    }
    say(&alleles, &lines);
    let scored = lines.iter().filter(|line| line.effect.is_ok()).count();
    say!("{}: {scored} effects of {} alleles on {} genes", args.out.display(), alleles.len(), held.len());
    Ok(())
}

/// What was not scored, and why.
fn say(alleles: &[Allele], lines: &[Line]) {
    let mut reasons: Vec<String> = Vec::new();
    let unscored = alleles.iter().filter_map(|allele| Some(format!("{}: {}", allele.name, allele.edit.as_ref().err()?)));
    let refused = lines.iter().filter_map(|line| Some(format!("{}: {}", alleles[line.allele].name, line.effect.as_ref().err()?)));
    for reason in unscored.chain(refused) {
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let mut held = vec![false; alleles.len()];
    lines.iter().for_each(|line| held[line.allele] = true);
    let outside = (0..alleles.len()).filter(|&i| !held[i] && alleles[i].edit.is_ok()).count();
    if outside > 0 {
        eprintln!("cislens: {outside} alleles lie in no window of the genes asked for");
    }
    if !reasons.is_empty() {
        eprintln!("cislens: {} alleles are not scored (they stand at the end of the table):", reasons.len());
        reasons.iter().take(LISTED).for_each(|reason| eprintln!("cislens:   {}", clean_text(reason)));
    }
}

const NA: &str = "NA";

fn table(made_by: &str, inputs: &Inputs, alleles: &[Allele], lines: &[Line], kind: OutputKind) -> Table {
    let mut columns = vec!["chrom", "pos", "id", "ref", "alt", "gene_id", "gene", "strand", "distance_to_tss"];
    columns.extend(["reference", "alternative", "effect"]);
    if kind == OutputKind::Binary {
        columns.extend(["probability_reference", "probability_alternative"]);
    }
    columns.push("note");
    let n_numbers = if kind == OutputKind::Binary { 5 } else { 3 };
    let of_allele = |allele: &Allele| {
        let (chrom, _) = allele.name.split_once(':').unwrap_or(("", ""));
        let id = if allele.id.is_empty() { "." } else { &allele.id };
        let (reference, to) = &allele.alleles;
        [chrom, &(allele.position + 1).to_string(), id, reference, to].map(str::to_owned).to_vec()
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for line in lines {
        let allele = &alleles[line.allele];
        let mut row = of_allele(allele);
        row.extend(of_gene(inputs, line.gene, allele.position));
        match &line.effect {
            Ok(effect) => {
                let number = |x: f64| (x as f32).to_string();
                row.extend([effect.reference, effect.alternative, effect.change()].map(number));
                if kind == OutputKind::Binary {
                    let probability = |logit: f64| 1.0 / (1.0 + (-logit).exp());
                    row.extend([effect.reference, effect.alternative].map(|x| number(probability(x))));
                }
                row.push(String::new());
            }
            Err(reason) => {
                row.extend(vec![NA.to_owned(); n_numbers]);
                row.push(reason.clone());
            }
        }
        rows.push(row);
    }
    for allele in alleles {
        if let Err(reason) = &allele.edit {
            let mut row = of_allele(allele);
            row.extend(vec![NA.to_owned(); 4 + n_numbers]);
            row.push(reason.clone());
            rows.push(row);
        }
    }
    Table { provenance: made_by.to_owned(), columns: columns.into_iter().map(str::to_owned).collect(), rows }
}

/// Columns of a gene; the distance runs in its direction, upstream is negative.
fn of_gene(inputs: &Inputs, i: usize, position: u64) -> Vec<String> {
    let Inputs::Genes(genes) = inputs else { return Vec::new() };
    let genome = &genes.session.genome;
    let gene = genome.genes.get(genes.genes[i]);
    let distance = position as i64 - gene.tss(genome.tss) as i64;
    let distance = if gene.strand == Strand::Reverse { -distance } else { distance };
    vec![gene.id.clone(), gene.name.clone(), gene.strand.to_string(), distance.to_string()]
}

fn page(path: &Path, made_by: &str, inputs: &Inputs, alleles: &[Allele], lines: &[Line]) -> Result<(), Failure> {
    let scored: Vec<(&Line, Effect)> = lines.iter().filter_map(|line| Some((line, *line.effect.as_ref().ok()?))).collect();
    let bars = scored
        .iter()
        .take(SHOWN)
        .map(|(line, effect)| (format!("{} {}", inputs.name(line.gene), alleles[line.allele].name), effect.change()));
    let points = scored.iter().map(|(_, effect)| (effect.reference, effect.alternative)).collect();
    let chart =
        |title: &str, axes: [&str; 2], marks: Marks| Chart { title: title.to_owned(), axes: axes.map(str::to_owned), marks };
    let charts = [
        chart("strongest effects", ["change of F", ""], Marks::Bars(bars.collect())),
        chart("every allele and gene", ["F with the reference allele", "F with the other"], Marks::Points(points)),
    ];
    write_charts(path, "Variants", made_by, &charts)
}
