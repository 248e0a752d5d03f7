//! `cislens enrich`: the bins a model attends to beside annotations, marks and expression.

mod elements;
mod report;
mod unseen;

use super::input::{InputReader, Inputs, open};
use super::kept::{TableArgs, for_each_kept};
use super::{Failure, interrupt, output};
use crate::attribution::AttributionError;
use crate::genome::{Gene, GeneId, Window};
use crate::models::{Input, Manifest, Model};
use crate::regulation::attention::{Rows, cell, reach};
use crate::regulation::enrichment::{Attended, Enrichment, enrich};
use crate::regulation::significance::{Bins, PROCEDURES, Pool, Procedure, procedure};
use crate::regulation::statistics::median;
use crate::session::Readers;
use crate::tracks::clean_text;
use clap::Args;
use elements::ElementSet;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct EnrichArgs {
    /// Folder of a model with attention, or the name of one of the session's
    model: PathBuf,
    /// The table has one line a kind of element
    #[command(flatten)]
    table: TableArgs,
    /// Elements to compare with: any BED, EPD, GeneHancer or peak file; may be repeated [default: the session's annotations]
    #[arg(long, value_name = "FILE")]
    elements: Vec<PathBuf>,
    /// How bins are called: null [default], paper or code
    #[arg(long, value_name = "NAME", value_parser = parse_procedure)]
    procedure: Option<&'static str>,
    /// Called bins to write, with what they read (.bed)
    #[arg(long, value_name = "F.bed")]
    bins: Option<PathBuf>,
    /// The same for each gene and kind of element (.tsv)
    #[arg(long, value_name = "F.tsv")]
    by_gene: Option<PathBuf>,
    /// Marks in called bins and in others, of genes predicted high and low (.tsv)
    #[arg(long, value_name = "F.tsv")]
    marks: Option<PathBuf>,
    /// A mark to compare attention with over the bins of the window, one the model does not read
    #[arg(long, value_name = "MARK")]
    unseen: Option<String>,
    /// The mark whose attention is compared with it
    #[arg(long, value_name = "MARK", default_value = "H3K4me3", requires = "unseen")]
    of: String,
    /// Page of charts to write (.svg, .pdf or .png)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
}

fn parse_procedure(name: &str) -> Result<&'static str, String> {
    let names = || PROCEDURES.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    procedure(name).map(|p| p.name).ok_or_else(|| format!("one of {}", names()))
}

/// What is kept of a gene.
#[derive(Serialize, Deserialize)]
struct OfGene {
    score: f64,
    attention: Rows,
    called: Vec<Vec<bool>>,
    p: Vec<Vec<f64>>,
    q: Vec<Vec<f64>>,
    /// `[bins, k]` means of what the network reads.
    marks: Vec<f32>,
    /// Whether a bin has signal of any mark in what it reads.
    has_signal: Vec<bool>,
}

impl OfGene {
    fn n_bins(&self) -> usize {
        self.attention.first().map_or(0, Vec::len)
    }

    /// Whether each bin is called in any row.
    fn any(&self) -> Vec<bool> {
        (0..self.n_bins()).map(|bin| self.called.iter().any(|row| row[bin])).collect()
    }

    /// Of several rows the largest attention.
    fn largest(&self) -> Vec<f32> {
        (0..self.n_bins()).map(|bin| self.attention.iter().map(|row| row[bin]).fold(0.0, f32::max)).collect()
    }
}

pub(super) fn run(args: &EnrichArgs) -> Result<(), Failure> {
    args.table.check()?;
    for (option, path, ending) in
        [("--bins", &args.bins, "bed"), ("--by-gene", &args.by_gene, "tsv"), ("--marks", &args.marks, "tsv")]
    {
        path.as_deref().map_or(Ok(()), |path| super::check_out(option, path, ending))?;
    }
    let (model, inputs) = open(&args.table.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else {
        return Err(Failure::Usage("plain arrays lie on no genome: --session with genes".to_owned()));
    };
    let (manifest, session) = (model.manifest(), &genes.session);
    let procedure = procedure(args.procedure.unwrap_or(PROCEDURES[0].name)).unwrap_or(&PROCEDURES[0]);
    let sets = ElementSet::open(args, genes)?;
    interrupt::listen()?;
    let is_current = || !interrupt::is_interrupted();
    let pool = match procedure.needs_null {
        true => Pool::read(&*model, &mut Readers::new(session.clone()), genes.sample, args.table.seed, &is_current),
        false => Ok(Pool::default()),
    };
    let pool = pool.map_err(|e| match e {
        AttributionError::Cancelled => Failure::Interrupted,
        AttributionError::NotApplicable(reason) => Failure::Usage(format!("model {}: {reason}", manifest.name)),
        other => other.into(),
    })?;
    let made_by = output::provenance("enrich", manifest, &inputs);
    let made_by = format!("{made_by}; bins called by {}: {}; seed {}", procedure.name, procedure.about, args.table.seed);
    let keeping = args.table.keeping(format!("{made_by}; {}", inputs.key()));
    let work = |reader: &mut InputReader<'_>, i: usize, _: &super::batch::Report<'_>| {
        let input = inputs.read(reader, i, manifest)?;
        of_gene(&*model, &input, procedure, &pool, genes.genes[i]).map_err(|e| e.to_string())
    };
    let (found, journal) =
        for_each_kept(inputs.len(), args.table.input.threads, &keeping, || inputs.reader(), work, |i| inputs.name(i))?;

    let place = |i: usize| {
        let gene = session.genome.genes.get(genes.genes[i]);
        (gene, gene.tss(session.genome.tss), manifest.window_of(gene, session.genome.tss))
    };
    let tests: Vec<Enrichment> = sets
        .iter()
        .map(|set| {
            let bins = |(i, of): &(usize, OfGene)| {
                let (gene, tss, window) = place(*i);
                set.bins(of, gene, tss, manifest, &window)
            };
            enrich(&found.iter().map(bins).collect::<Vec<_>>(), args.table.seed)
        })
        .collect();
    let mut notes = vec![attended_note(&found, manifest, &place)];
    let high_above = match manifest.output.kind {
        crate::models::OutputKind::Binary => 0.0,
        crate::models::OutputKind::Regression => median(&found.iter().map(|(_, of)| of.score).collect::<Vec<_>>()),
    };
    if let Some(mark) = &args.unseen {
        notes.extend(unseen::unseen(args, mark, &*model, genes, &found, high_above)?);
    }
    let made = format!("{made_by}; {}", notes.join("; "));
    notes.iter().for_each(|note| say!("{}", clean_text(note)));
    report::write_sets(&args.table.out, &made, &sets, &tests, found.len())?;
    if let Some(path) = &args.by_gene {
        report::write_genes(path, &made, &sets, &tests, &found, &place)?;
    }
    if let Some(path) = &args.bins {
        report::write_bins(path, &made, &found, manifest, &place)?;
    }
    if let Some(path) = &args.marks {
        report::write_marks(path, &made, &found, manifest, high_above)?;
    }
    if let Some(path) = &args.svg {
        report::draw(path, &made, &found, high_above, &manifest.window)?;
    }
    journal.remove();
    Ok(())
}

/// A gene, its TSS and its window, by the place of the gene among the inputs.
type Place<'a> = dyn Fn(usize) -> (&'a Gene, u64, Window) + 'a;

fn of_gene(model: &dyn Model, input: &Input, procedure: &Procedure, pool: &Pool, id: GeneId) -> Result<OfGene, AttributionError> {
    let manifest = model.manifest();
    let (attention, bins) = pool.call(model, input, id, procedure, &|| !interrupt::is_interrupted())?;
    let Bins { p, q, called, .. } = bins;
    let score = model.forward(&input.batch(model.dtype())?)?.score;
    let score = f64::from(score.to_vec1::<f32>().ok().and_then(|s| s.first().copied()).unwrap_or(f32::NAN));
    let n = attention.first().map_or(0, Vec::len);
    let (k, bin_size) = (input.n_marks(), manifest.input.bin_size.max(1));
    let positions = |indices: std::ops::Range<u64>| {
        (indices.start / bin_size) as usize..(indices.end.div_ceil(bin_size) as usize).min(input.positions())
    };
    let mut marks = Vec::with_capacity(n * k);
    for bin in 0..n {
        let here = positions(cell(manifest, n, bin));
        for mark in 0..k {
            let sum: f64 = here.clone().map(|p| f64::from(input.marks[p * k + mark])).sum();
            marks.push((sum / here.len().max(1) as f64) as f32);
        }
    }
    let is_signal = |p: usize| (0..k).any(|mark| input.marks[p * k + mark] != input.blank[mark]);
    let has_signal = (0..n).map(|bin| positions(reach(manifest, n, bin)).any(is_signal)).collect();
    Ok(OfGene { score, attention, called, p, q, marks, has_signal })
}

fn attended_note(found: &[(usize, OfGene)], manifest: &Manifest, place: &Place<'_>) -> String {
    let mut attended = Attended::default();
    for (i, of) in found {
        let (_, tss, window) = place(*i);
        let n = of.n_bins();
        let distance = |bin: usize| {
            let indices = cell(manifest, n, bin);
            window.position((indices.start + indices.end) / 2).abs_diff(tss as i64)
        };
        attended.add(&of.any(), &of.has_signal, &(0..n).map(distance).collect::<Vec<_>>());
    }
    let genes = found.len().max(1) as f64;
    let with = found.iter().filter(|(_, of)| of.any().contains(&true)).count();
    let where_called = match attended.bins {
        0 => "none called".to_owned(),
        bins => format!("{:.2} bins a gene, {:.0} bases from the TSS on average", bins as f64 / genes, attended.mean_distance()),
    };
    format!(
        "{} genes, {with} with a called bin, {where_called}; of {} bins without any signal {} are called ({} beside a called one with signal, {} at the window's border)",
        found.len(),
        attended.all_signal_free,
        attended.signal_free,
        attended.beside_signal,
        attended.at_border,
    )
}
