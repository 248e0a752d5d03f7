//! `cislens cores`: elements that a model attends to together over samples.

use super::Failure;
use super::input::{find_model, open_genes, samples_that_fit};
use super::kept::{TableArgs, for_each_kept};
use crate::attribution::truth::read_truth;
use crate::export::{self, FigureOptions, Heatmap, draw_heatmaps};
use crate::genome::{GeneId, Region, Window};
use crate::models::{Model, load_model, missing_input};
use crate::regulation::attention::{cell, region_of};
use crate::regulation::cores::{self, Cores, LEAST_SAMPLES, Procedure, Samples};
use crate::regulation::over_samples::attention_over_samples;
use crate::regulation::planted::{PairRecovery, planted};
use crate::regulation::statistics::empirical_p;
use crate::session::{Readers, SampleId, Session};
use crate::theme::Theme;
use crate::tracks::{self, Features, Track, TrackError, clean_text, write_whole};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct CoresArgs {
    /// Folder of a model with one attention over bins (DeepCORE), or the name of one of the session's
    model: PathBuf,
    /// --sample takes names parted by commas here; every sample that can feed the model where none is named
    #[command(flatten)]
    table: TableArgs,
    /// Page of heatmaps of the first genes to write (.svg, .pdf or .png)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// permutation [default], scores (before sparsemax) or paper
    #[arg(long, value_name = "NAME", value_parser = parse_procedure)]
    procedure: Option<&'static str>,
    /// Models that differ in their seed alone, parted by commas: a link must hold between them, too: one block in one model, the other in another
    #[arg(long, value_name = "MODEL,...", value_delimiter = ',')]
    replicates: Vec<PathBuf>,
    /// Chromatin loops that links are compared with (BEDPE, UCSC's interact)
    #[arg(long, value_name = "F.bedpe")]
    loops: Option<PathBuf>,
    /// Links to write as pairs of places, which the browser draws as arcs (.bedpe)
    #[arg(long, value_name = "F.bedpe")]
    arcs: Option<PathBuf>,
    /// Simulated data: say how many of the planted pairs are found (truth.tsv)
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

/// Genes on a page.
const DRAWN: usize = 8;

fn parse_procedure(name: &str) -> Result<&'static str, String> {
    let names = || cores::PROCEDURES.iter().map(|p| p.name).collect::<Vec<_>>().join(", ");
    cores::procedure(name).map(|p| p.name).ok_or_else(|| format!("one of {}", names()))
}

/// What is kept of a gene.
#[derive(Serialize, Deserialize)]
struct OfGene {
    cores: Cores,
    /// Samples that attend to two blocks and more of each CORE.
    members: Vec<Vec<usize>>,
    /// Attention on what was planted, where that is asked for.
    on_planted: [f64; 2],
}

/// What a gene is read with.
pub(super) struct Work<'a> {
    pub model: &'a dyn Model,
    pub session: &'a Arc<Session>,
    pub samples: &'a [SampleId],
}

impl Work<'_> {
    fn window(&self, gene: GeneId) -> Window {
        self.model.manifest().window_of(self.session.genome.genes.get(gene), self.session.genome.tss)
    }

    /// The same work with another network.
    fn with<'b>(&'b self, model: &'b dyn Model) -> Work<'b> {
        Work { model, ..*self }
    }

    /// Attention and scores of a gene in each sample.
    pub(super) fn read(&self, readers: &mut Readers, gene: GeneId, report: &dyn Fn(f64)) -> Result<Samples, String> {
        let is_current = || !super::interrupt::is_interrupted();
        let read = attention_over_samples(self.model, self.samples, &self.window(gene), readers, report, &is_current)?;
        read.ok_or_else(|| "interrupted".to_owned())
    }
}

pub(super) fn run(args: &CoresArgs) -> Result<(), Failure> {
    args.table.check()?;
    args.arcs.as_deref().map_or(Ok(()), |path| super::check_out("--arcs", path, "bedpe"))?;
    let procedure = cores::procedure(args.procedure.unwrap_or(cores::PROCEDURES[0].name)).unwrap_or(&cores::PROCEDURES[0]);
    let (model, session, genes) = open_genes(&args.table.input, &args.model)?;
    let samples = samples_that_fit(&args.table.input, &session, model.manifest())?;
    let work = Work { model: &*model, session: &session, samples: &samples };
    check_model(&work, &genes, procedure)?;
    let replicates = open_replicates(args, &work, &genes, procedure)?;
    let loops = args.loops.as_deref().map(|path| read_loops(path, &session)).transpose()?;
    let truth = args.truth.as_deref().map(read_truth).transpose()?.map(|rows| planted(&rows));
    let names: Vec<&str> = samples.iter().map(|s| session.samples[s.0].name.as_str()).collect();
    let manifest = model.manifest();
    let made_by = format!(
        "cislens {} cores; model {} ({}) {}; {} samples {}; procedure {}: {}; seed {}",
        env!("CARGO_PKG_VERSION"),
        manifest.name,
        manifest.architecture,
        manifest.hash,
        names.len(),
        names.join(","),
        procedure.name,
        procedure.about,
        args.table.seed
    );
    let seeds = replicates.iter().map(|m| format!("{} {}", m.manifest().name, m.manifest().hash)).collect::<Vec<_>>().join(", ");
    let made_by = if seeds.is_empty() { made_by } else { format!("{made_by}; replicates {seeds}") };
    let ids = genes.iter().map(|id| session.genome.genes.get(*id).id.as_str()).collect::<Vec<_>>().join(",");
    let keeping = args.table.keeping(format!("{made_by}; {ids}; {}", truth.is_some()));
    let find = |readers: &mut Readers, i: usize, report: &super::batch::Report<'_>| -> Result<OfGene, String> {
        let samples = work.read(readers, genes[i], report)?;
        let others = replicates.iter().map(|model| work.with(&**model).read(readers, genes[i], &|_| ()));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        let cores = (procedure.find)(&samples, &others, args.table.seed).map_err(|e| e.to_string())?;
        let members = (0..cores.cores.len()).map(|core| cores.members(core, &samples)).collect();
        let gene = session.genome.genes.get(genes[i]);
        let on_planted = truth.as_ref().and_then(|truth| truth.get(&gene.id)).map_or([0.0; 2], |planted| {
            let (window, n) = (work.window(genes[i]), samples.reach.len());
            let bins: Vec<Region> = (0..n).map(|bin| region_of(&window, &cell(manifest, n, bin))).collect();
            planted.attention(&bins, &samples.attention)
        });
        Ok(OfGene { cores, members, on_planted })
    };
    let gene_name = |i: usize| session.genome.genes.get(genes[i]).name.clone();
    let open = || Readers::new(session.clone());
    let (found, journal) = for_each_kept(genes.len(), args.table.input.threads, &keeping, open, find, gene_name)?;

    let (mut rows, mut arcs) = (String::new(), String::new());
    let (mut compared, mut called, mut with_cores, mut recovery) = (0, 0, 0, PairRecovery::default());
    let mut overlap = LoopOverlap::default();
    for (i, OfGene { cores, members, on_planted }) in &found {
        let window = work.window(genes[*i]);
        let gene = session.genome.genes.get(genes[*i]);
        let regions: Vec<Region> = cores.blocks.iter().map(|block| region_of(&window, &block.reach)).collect();
        compared += cores.links.len();
        with_cores += usize::from(!cores.cores.is_empty());
        let joined = |l: &cores::Link| (regions[l.first].clone(), regions[l.second].clone(), l.q < cores::LEVEL);
        if let Some(truth) = &truth {
            recovery.add(truth.get(&gene.id), &cores.links.iter().map(joined).collect::<Vec<_>>(), *on_planted);
        }
        for link in cores.called() {
            called += 1;
            let core = cores.cores.iter().position(|blocks| blocks.contains(&link.first)).unwrap_or(0);
            let (a, b) = (&regions[link.first], &regions[link.second]);
            let (a, b) = if a.start <= b.start { (a, b) } else { (b, a) };
            let score = (1_000.0 * link.r.clamp(0.0, 1.0)) as u32;
            let name = clean_text(&gene.name).replace(char::is_whitespace, "_");
            arcs += &format!(
                "{}\t{}\t{}\t{}\t{}\t{}\t{name}:{}\t{score}\n",
                a.chrom,
                a.start,
                a.end,
                b.chrom,
                b.start,
                b.end,
                core + 1
            );
            let members: Vec<&str> = members.get(core).into_iter().flatten().map(|s| names[*s]).collect();
            let mut fields = vec![
                gene.id.clone(),
                gene.name.clone(),
                a.chrom.to_string(),
                gene.strand.to_string(),
                (core + 1).to_string(),
                a.start.to_string(),
                a.end.to_string(),
                b.start.to_string(),
                b.end.to_string(),
                b.start.saturating_sub(a.end).to_string(),
                format!("{:.4}", link.r),
                format!("{:.3e}", link.p),
                format!("{:.3e}", link.q),
                members.join(","),
            ];
            fields.extend(link.across.map(|r| format!("{r:.4}")));
            if let Some(loops) = &loops {
                let p = overlap.add(loops, a, b, &window);
                fields.push(p.map_or_else(|| "0".to_owned(), |p| format!("1 (p {p:.3e})")));
            }
            rows += &(fields.iter().map(|f| clean_text(f)).collect::<Vec<_>>().join("\t") + "\n");
        }
    }
    let mut notes = vec![format!(
        "{} genes, {with_cores} with a CORE; {compared} pairs of blocks compared, {called} linked at q < {}",
        found.len(),
        cores::LEVEL
    )];
    if truth.is_some() {
        notes.push(recovery.said());
    }
    if loops.is_some() {
        notes.push(overlap.said());
    }
    notes.iter().for_each(|note| say!("{}", clean_text(note)));
    let made = format!("{made_by}; {}", notes.join("; "));
    let loop_column = if loops.is_some() { "\tloop" } else { "" };
    let across_column = if replicates.is_empty() { "" } else { "\tr_across" };
    let columns = "gene_id\tgene\tchrom\tstrand\tcore\tstart_1\tend_1\tstart_2\tend_2\tdistance\tr\tp\tq\tsamples";
    let text = format!("# {}\n{columns}{across_column}{loop_column}\n{rows}", clean_text(&made));
    write_whole(&args.table.out, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(&args.table.out, e)))?;
    if let Some(path) = &args.arcs {
        let text = format!("# {}\n{arcs}", clean_text(&made));
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
    }
    if let Some(path) = &args.svg {
        draw(path, &made, &work, &found, &genes)?;
    }
    journal.remove();
    Ok(())
}

/// Links whose both ends lie on both anchors of a loop, against places as far apart.
#[derive(Default)]
struct LoopOverlap {
    links: usize,
    on_loops: usize,
    expected: f64,
    /// Chance of each link to lie on a loop.
    chances: Vec<f64>,
}

impl LoopOverlap {
    /// The p-value of a link on a loop: the share of all places of its two ends in the window, at their distance, that lie on one.
    fn add(&mut self, loops: &Features, a: &Region, b: &Region, window: &Window) -> Option<f64> {
        const STEP: usize = 50;
        let (from, to) = (window.start().max(0) as u64, window.end().max(0) as u64);
        let here = loops.overlapping(&Region::new(window.chrom().clone(), from, to));
        let anchors = |f: &tracks::Feature| {
            let link = f.link.as_ref()?;
            let first = Region::new(window.chrom().clone(), link.here.0, link.here.1);
            (link.there.chrom == first.chrom).then(|| (first, link.there.clone()))
        };
        let loops: Vec<(Region, Region)> = here.filter_map(anchors).collect();
        let lies = |shift: i64| {
            let moved = |r: &Region| {
                Region::new(r.chrom.clone(), (r.start as i64 + shift).max(0) as u64, (r.end as i64 + shift).max(1) as u64)
            };
            let (a, b) = (moved(a), moved(b));
            f64::from(u8::from(loops.iter().any(|(first, second)| first.overlaps(&a) && second.overlaps(&b))))
        };
        let shifts = (window.start() - a.start as i64..=window.end() - b.end as i64).step_by(STEP);
        let mut null: Vec<f64> = shifts.map(lies).collect();
        null.sort_by(f64::total_cmp);
        let chance = null.iter().sum::<f64>() / null.len().max(1) as f64;
        let here = lies(0);
        self.links += 1;
        self.expected += chance;
        self.chances.push(chance);
        self.on_loops += usize::from(here > 0.0);
        (here > 0.0).then(|| empirical_p(here, &null))
    }

    /// The chance of so many links on loops, each with its own chance.
    fn p(&self) -> f64 {
        // The distribution of a sum of independent yes and no, by its recurrence.
        let mut at = vec![1.0];
        for chance in &self.chances {
            at.push(0.0);
            for k in (0..at.len()).rev() {
                at[k] = at[k] * (1.0 - chance) + if k > 0 { at[k - 1] * chance } else { 0.0 };
            }
        }
        at[self.on_loops..].iter().sum::<f64>().min(1.0)
    }

    fn said(&self) -> String {
        let (n, on, expected, p) = (self.links, self.on_loops, self.expected, self.p());
        format!("{on} of {n} links lie on a loop with both ends; {expected:.2} expected of places as far apart, p {p:.3e}")
    }
}

fn read_loops(path: &Path, session: &Session) -> Result<Arc<Features>, Failure> {
    let opened = tracks::open(path, None, &session.genome.chroms)?;
    opened.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
    match opened.value {
        Track::Features(features) => Ok(features),
        _ => Err(Failure::Usage(format!("--loops {}: no file of pairs (BEDPE)", path.display()))),
    }
}

/// What would be refused for every gene is refused before any work.
pub(super) fn check_model(work: &Work<'_>, genes: &[GeneId], procedure: &Procedure) -> Result<(), Failure> {
    if procedure.name != "paper" && work.samples.len() < LEAST_SAMPLES {
        return Err(Failure::Usage(cores::CoresError::TooFewSamples(work.samples.len()).to_string()));
    }
    let (Some(&gene), Some(sample)) = (genes.first(), work.samples.get(..1)) else { return Ok(()) };
    let mut readers = Readers::new(work.session.clone());
    let one = Work { samples: sample, ..*work }.read(&mut readers, gene, &|_| ()).map_err(Failure::Usage)?;
    if procedure.name == "scores" && one.scores.is_empty() {
        return Err(Failure::Usage(format!("model {} has no scores before its attention", work.model.manifest().name)));
    }
    Ok(())
}

/// Networks of the same kind that read the same windows.
fn open_replicates(
    args: &CoresArgs,
    work: &Work<'_>,
    genes: &[GeneId],
    procedure: &Procedure,
) -> Result<Vec<Box<dyn Model>>, Failure> {
    if !args.replicates.is_empty() && !procedure.takes_replicates {
        return Err(Failure::Usage(format!("--replicates: the procedure {} compares none", procedure.name)));
    }
    let manifest = work.model.manifest();
    let (mut replicates, mut known) = (Vec::new(), vec![manifest.hash.clone()]);
    for path in &args.replicates {
        let wrong = |reason: String| Failure::Usage(format!("--replicates {}: {reason}", path.display()));
        let replicate = load_model(&find_model(path, work.session)?, &candle_core::Device::Cpu)?;
        let other = replicate.manifest();
        if (&other.architecture, &other.window, &other.sizes) != (&manifest.architecture, &manifest.window, &manifest.sizes) {
            return Err(wrong(format!("another network or window than model {}", manifest.name)));
        }
        if known.contains(&other.hash) {
            return Err(wrong("these weights are compared already".to_owned()));
        }
        if let Some(reason) = work.samples.iter().find_map(|sample| missing_input(work.session, *sample, other)) {
            return Err(wrong(reason));
        }
        check_model(&work.with(&*replicate), genes, procedure)?;
        known.push(other.hash.clone());
        replicates.push(replicate);
    }
    Ok(replicates)
}

/// Samples by bins of the genes with most links, their correlations below and COREs as arcs above.
fn draw(path: &Path, made: &str, work: &Work<'_>, found: &[(usize, OfGene)], genes: &[GeneId]) -> Result<(), Failure> {
    let mut order: Vec<&(usize, OfGene)> = found.iter().collect();
    order.sort_by_key(|(i, of)| (std::cmp::Reverse(of.cores.called().count()), *i));
    let mut readers = Readers::new(work.session.clone());
    let mut maps = Vec::new();
    for (i, of) in order.into_iter().take(DRAWN) {
        let samples = work.read(&mut readers, genes[*i], &|_| ()).map_err(|e| anyhow::anyhow!(e))?;
        maps.push(map_of(work, genes[*i], &samples, &of.cores));
    }
    let theme = Theme::named("print")?;
    let svg = draw_heatmaps("COREs: attention over samples", &[made.to_owned()], &maps, 174.0, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}

/// A gene's attention, samples by bins, its COREs as arcs above and the correlations of its blocks below.
pub(super) fn map_of(work: &Work<'_>, gene: GeneId, samples: &Samples, cores: &Cores) -> Heatmap {
    let gene = work.session.genome.genes.get(gene);
    let window = &work.model.manifest().window;
    let (tss, length) = (window.tss_index as f64, window.length as f64);
    let kb = |index: f64| format!("{:+.0} kb", (index - tss) / 1e3);
    Heatmap {
        title: format!(
            "{} ({}): {} COREs, {} of {} pairs linked",
            gene.name,
            gene.strand,
            cores.cores.len(),
            cores.called().count(),
            cores.links.len()
        ),
        rows: work.samples.iter().map(|sample| work.session.samples[sample.0].name.clone()).collect(),
        columns: vec![(0.0, kb(0.0)), (tss / length, "TSS".to_owned()), (1.0, kb(length))],
        values: samples.attention.iter().map(|row| row.iter().map(|w| f64::from(*w)).collect()).collect(),
        unit: "attention".to_owned(),
        spans: cores.blocks.iter().map(|block| block.bins.clone()).collect(),
        arcs: cores.called().map(|link| (link.first, link.second, true)).collect(),
        triangle: cores.links.iter().map(|link| (link.first, link.second, link.r)).collect(),
    }
}
