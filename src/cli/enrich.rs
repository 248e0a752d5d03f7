//! `cislens enrich`: the bins a model attends to beside annotations, marks and expression.

use super::input::{GeneInputs, InputArgs, InputReader, Inputs, open};
use super::kept::{Keeping, for_each_kept};
use super::{Failure, interrupt, output};
use crate::attribution::{AttributionError, Options, method, run_whole};
use crate::export::{self, Chart, FigureOptions, Marks, draw_charts};
use crate::genome::{Gene, GeneId, Region, Window};
use crate::models::{Input, InputSource, Manifest, Model, SampleSource};
use crate::regulation::attention::{Rows, cell, reach, region_of};
use crate::regulation::enrichment::{Attended, Enrichment, GeneBins, enrich, marks_in_bins};
use crate::regulation::significance::{Bins, LEVEL, PROCEDURES, Pool, Procedure, procedure, read_gene};
use crate::regulation::statistics::{median, pearson};
use crate::session::Readers;
use crate::theme::Theme;
use crate::tracks::{self, Feature, Features, Track, TrackError, clean_text, write_whole};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct EnrichArgs {
    /// Folder of a model with attention, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Table of enrichment to write, one line a kind of element (.tsv)
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
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
    /// Seed of the null and of placements
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

/// Bases around the TSS in which a promoter of EPD is the gene's.
const PROMOTER_REACH: u64 = 1_000;

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

/// A kind of element, and which of a gene's it holds.
struct ElementSet {
    name: String,
    features: Arc<Features>,
    rule: Rule,
}

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Promoters of the gene's strand within 1 kb of its TSS; bins beyond are not counted.
    Promoters,
    /// Enhancers linked to the gene; bins within 1 kb of the TSS are not counted.
    Enhancers,
    /// Whatever lies in the window.
    Any,
}

impl ElementSet {
    fn open(args: &EnrichArgs, inputs: &GeneInputs) -> Result<Vec<Self>, Failure> {
        let rule = |format: &str| match format {
            "epd" => Rule::Promoters,
            "genehancer" => Rule::Enhancers,
            _ => Rule::Any,
        };
        let session = &inputs.session;
        let mut sets = Vec::new();
        if args.elements.is_empty() {
            let tracks = session.tracks_of(inputs.sample).filter(|(_, t)| t.kind == crate::session::TrackKind::Features);
            for (_, info) in tracks {
                let opened = tracks::open(&info.path, Some(&info.format), &session.genome.chroms)?;
                match opened.value {
                    Track::Features(features) => {
                        sets.push(Self { name: info.label.clone(), features, rule: rule(&info.format) });
                    }
                    _ => eprintln!("cislens: {}: {} is not read whole and left out", info.path.display(), info.format),
                }
            }
        }
        for path in &args.elements {
            let format = tracks::format_of(path, None)?;
            let opened = tracks::open(path, Some(format.name), &session.genome.chroms)?;
            opened.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
            let Track::Features(features) = opened.value else {
                return Err(Failure::Usage(format!(
                    "--elements {}: {} is no file of intervals read whole (of an indexed one, a part as BED)",
                    path.display(),
                    format.name
                )));
            };
            let name = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            sets.push(Self { name, features, rule: rule(format.name) });
        }
        Ok(sets)
    }

    fn holds(&self, feature: &Feature, gene: &Gene, tss: u64) -> bool {
        match self.rule {
            Rule::Promoters => {
                let near = feature.start <= tss + PROMOTER_REACH && tss <= feature.end + PROMOTER_REACH;
                near && feature.strand.is_none_or(|strand| strand == gene.strand)
            }
            Rule::Enhancers => {
                feature.genes.iter().any(|(name, _)| *name == gene.name || *name == gene.id || name == gene.unversioned_id())
            }
            Rule::Any => true,
        }
    }

    /// A gene's bins and the elements they touch.
    fn bins(&self, of: &OfGene, gene: &Gene, tss: u64, manifest: &Manifest, window: &Window) -> GeneBins {
        let n = of.n_bins();
        let cells: Vec<Region> = (0..n).map(|bin| region_of(window, &cell(manifest, n, bin))).collect();
        let (from, to) = (window.start().max(0) as u64, window.end().max(0) as u64);
        let here = self.features.overlapping(&Region::new(window.chrom().clone(), from, to));
        let touched =
            |f: &Feature| -> Vec<usize> { (0..n).filter(|&bin| cells[bin].start < f.end && f.start < cells[bin].end).collect() };
        let elements = here.filter(|f| self.holds(f, gene, tss)).map(touched).filter(|bins| !bins.is_empty()).collect();
        let is_near = |cell: &Region| cell.start <= tss + PROMOTER_REACH && tss <= cell.end + PROMOTER_REACH;
        let universe = match self.rule {
            Rule::Promoters => Some(cells.iter().map(is_near).collect()),
            Rule::Enhancers => Some(cells.iter().map(|c| !is_near(c)).collect()),
            Rule::Any => None,
        };
        GeneBins { called: of.any(), attention: of.largest(), elements, universe }
    }
}

pub(super) fn run(args: &EnrichArgs) -> Result<(), Failure> {
    super::check_out("--out", &args.out, "tsv")?;
    for (option, path, ending) in
        [("--bins", &args.bins, "bed"), ("--by-gene", &args.by_gene, "tsv"), ("--marks", &args.marks, "tsv")]
    {
        path.as_deref().map_or(Ok(()), |path| super::check_out(option, path, ending))?;
    }
    let (model, inputs) = open(&args.input, &args.model)?;
    let Inputs::Genes(genes) = &inputs else {
        return Err(Failure::Usage("plain arrays lie on no genome: --session with genes".to_owned()));
    };
    let (manifest, session) = (model.manifest(), &genes.session);
    let procedure = procedure(args.procedure.unwrap_or(PROCEDURES[0].name)).unwrap_or(&PROCEDURES[0]);
    let sets = ElementSet::open(args, genes)?;
    interrupt::listen()?;
    let is_current = || !interrupt::is_interrupted();
    let pool = match procedure.needs_null {
        true => Pool::read(&*model, &mut Readers::new(session.clone()), genes.sample, args.seed, &is_current),
        false => Ok(Pool::default()),
    };
    let pool = pool.map_err(|e| match e {
        AttributionError::Cancelled => Failure::Interrupted,
        AttributionError::NotApplicable(reason) => Failure::Usage(format!("model {}: {reason}", manifest.name)),
        other => other.into(),
    })?;
    let made_by = output::provenance("enrich", manifest, &inputs);
    let made_by = format!("{made_by}; bins called by {}: {}; seed {}", procedure.name, procedure.about, args.seed);
    let keeping = Keeping { out: &args.out, key: format!("{made_by}; {}", inputs.key()), resume: args.resume };
    let work = |reader: &mut InputReader<'_>, i: usize, _: &super::batch::Report<'_>| {
        let input = inputs.read(reader, i, manifest)?;
        of_gene(&*model, &input, procedure, &pool, genes.genes[i]).map_err(|e| e.to_string())
    };
    let (found, journal) =
        for_each_kept(inputs.len(), args.input.threads, &keeping, || inputs.reader(), work, |i| inputs.name(i))?;

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
            enrich(&found.iter().map(bins).collect::<Vec<_>>(), args.seed)
        })
        .collect();
    let mut notes = vec![attended_note(&found, manifest, &place)];
    let high_above = match manifest.output.kind {
        crate::models::OutputKind::Binary => 0.0,
        crate::models::OutputKind::Regression => median(&found.iter().map(|(_, of)| of.score).collect::<Vec<_>>()),
    };
    if let Some(mark) = &args.unseen {
        notes.extend(unseen(args, mark, &*model, genes, &found, high_above)?);
    }
    let made = format!("{made_by}; {}", notes.join("; "));
    notes.iter().for_each(|note| println!("{}", clean_text(note)));
    write_sets(&args.out, &made, &sets, &tests, found.len())?;
    if let Some(path) = &args.by_gene {
        write_genes(path, &made, &sets, &tests, &found, &place)?;
    }
    if let Some(path) = &args.bins {
        write_bins(path, &made, &found, manifest, &place)?;
    }
    if let Some(path) = &args.marks {
        write_marks(path, &made, &found, manifest, high_above)?;
    }
    if let Some(path) = &args.svg {
        draw(path, &made, &found, high_above)?;
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
    format!(
        "{} genes, {with} with a called bin, {:.2} bins a gene, {:.0} bases from the TSS on average; of {} bins without any signal {} are called ({} beside a called one with signal, {} at the window's border)",
        found.len(),
        attended.bins as f64 / genes,
        attended.mean_distance(),
        attended.all_signal_free,
        attended.signal_free,
        attended.beside_signal,
        attended.at_border,
    )
}

fn write_lines(path: &Path, made: &str, lines: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let line = |fields: Vec<String>| fields.iter().map(|f| clean_text(f)).collect::<Vec<_>>().join("\t") + "\n";
    let text = format!("# {}\n{}", clean_text(made), lines.map(line).collect::<String>());
    Ok(write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// A number of a table.
fn number(x: f64) -> String {
    if x.is_finite() { format!("{x:.4}") } else { "NA".to_owned() }
}

fn write_sets(path: &Path, made: &str, sets: &[ElementSet], tests: &[Enrichment], genes: usize) -> Result<(), Failure> {
    let head = owned([
        "elements",
        "genes",
        "in_windows",
        "hit",
        "expected_shifted",
        "p_shifted",
        "expected_matched",
        "p_matched",
        "a_re",
        "a_nre",
        "na_re",
        "na_nre",
        "fisher_odds_bins_as_independent",
        "fisher_p_bins_as_independent",
        "mann_whitney_p_bins_as_independent",
    ]);
    let of = |(set, e): (&ElementSet, &Enrichment)| {
        vec![
            set.name.clone(),
            genes.to_string(),
            e.elements.to_string(),
            e.hits.to_string(),
            number(e.expected_shifted),
            format!("{:.3e}", e.p_shifted),
            number(e.expected_matched),
            format!("{:.3e}", e.p_matched),
            e.counts.a_re.to_string(),
            e.counts.a_nre.to_string(),
            e.counts.na_re.to_string(),
            e.counts.na_nre.to_string(),
            number(e.fisher.odds_ratio),
            format!("{:.3e}", e.fisher.p_greater),
            format!("{:.3e}", e.p_mann_whitney),
        ]
    };
    for (set, e) in sets.iter().zip(tests) {
        println!(
            "{}: {} of {} elements hit; {:.1} expected of shifted bins (p {:.2e}), {:.1} of another gene's bins (p {:.2e})",
            clean_text(&set.name),
            e.hits,
            e.elements,
            e.expected_shifted,
            e.p_shifted,
            e.expected_matched,
            e.p_matched
        );
    }
    write_lines(path, made, std::iter::once(head).chain(sets.iter().zip(tests).map(of)))
}

fn write_genes(
    path: &Path,
    made: &str,
    sets: &[ElementSet],
    tests: &[Enrichment],
    found: &[(usize, OfGene)],
    place: &Place<'_>,
) -> Result<(), Failure> {
    let head = owned([
        "gene_id",
        "gene",
        "elements",
        "a_re",
        "a_nre",
        "na_re",
        "na_nre",
        "in_window",
        "hit",
        "expected_shifted",
        "p",
        "q",
    ]);
    let lines = sets.iter().zip(tests).flat_map(|(set, e)| {
        found.iter().zip(&e.genes).map(move |((i, _), of)| {
            let (gene, ..) = place(*i);
            let counts = [of.counts.a_re, of.counts.a_nre, of.counts.na_re, of.counts.na_nre].map(|c| c.to_string());
            let mut line = vec![gene.id.clone(), gene.name.clone(), set.name.clone()];
            line.extend(counts);
            line.extend([of.elements.to_string(), of.hits.to_string(), number(of.expected), number(of.p), number(of.q)]);
            line
        })
    });
    write_lines(path, made, std::iter::once(head).chain(lines))
}

/// Called bins: what they read, the gene and row, `-log10 q` times 100 as score, the strand.
fn write_bins(path: &Path, made: &str, found: &[(usize, OfGene)], manifest: &Manifest, place: &Place<'_>) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for (i, of) in found {
        let (gene, _, window) = place(*i);
        for (row, called) in of.called.iter().enumerate() {
            let mark = if of.called.len() > 1 { manifest.input.marks.get(row).map_or("", |m| m.as_str()) } else { "" };
            for bin in (0..called.len()).filter(|&bin| called[bin]) {
                let region = region_of(&window, &reach(manifest, called.len(), bin));
                let name = [gene.name.as_str(), mark].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(":");
                let score = (-100.0 * of.q[row][bin].max(1e-10).log10()).clamp(0.0, 1_000.0) as u32;
                lines.push((region.chrom.clone(), region.start, region.end, name, score, gene.strand));
            }
        }
    }
    lines.sort_by(|a, b| (&a.0, a.1, a.2, &a.3).cmp(&(&b.0, b.1, b.2, &b.3)));
    let line = |(chrom, start, end, name, score, strand): (Arc<str>, u64, u64, String, u32, crate::genome::Strand)| {
        vec![chrom.to_string(), start.to_string(), end.to_string(), name, score.to_string(), strand.to_string()]
    };
    write_lines(path, made, lines.into_iter().map(line))
}

fn write_marks(path: &Path, made: &str, found: &[(usize, OfGene)], manifest: &Manifest, high_above: f64) -> Result<(), Failure> {
    let k = manifest.input.marks.len();
    let head = owned(["genes", "mark", "n", "mean_in_called_bins", "mean_elsewhere", "mann_whitney_p"]);
    let mut lines = vec![head];
    for (group, wanted) in [("predicted high", true), ("predicted low", false)] {
        let any: Vec<(Vec<bool>, &OfGene)> =
            found.iter().filter(|(_, of)| (of.score > high_above) == wanted).map(|(_, of)| (of.any(), of)).collect();
        let genes: Vec<(&[bool], &[f32])> = any.iter().map(|(called, of)| (&called[..], &of.marks[..])).collect();
        for mark in marks_in_bins(&genes, k) {
            let name = manifest.input.marks[mark.mark].clone();
            let numbers = [number(mark.called), number(mark.others), format!("{:.3e}", mark.p)];
            lines.push([group.to_owned(), name, mark.genes.to_string()].into_iter().chain(numbers).collect());
        }
    }
    write_lines(path, made, lines.into_iter())
}

/// Correlation over bins of a mark's mean with mean attention, class optimisation and saliency, over genes predicted high
/// (AttentiveChrome, table 3).
fn unseen(
    args: &EnrichArgs,
    mark: &str,
    model: &dyn Model,
    inputs: &GeneInputs,
    found: &[(usize, OfGene)],
    high_above: f64,
) -> Result<Vec<String>, Failure> {
    let manifest = model.manifest();
    let channel = manifest.input.marks.iter().position(|m| *m == args.of);
    let channel = channel
        .ok_or_else(|| Failure::Usage(format!("--of {}: the model reads {}", args.of, manifest.input.marks.join(", "))))?;
    let high: Vec<&(usize, OfGene)> = found.iter().filter(|(_, of)| of.score > high_above).collect();
    let n = high.first().map_or(0, |(_, of)| of.n_bins());
    let (mut signal, mut weights, mut salient, mut optimal) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], None);
    let mut readers = Readers::new(inputs.session.clone());
    let saliency = method("saliency").ok_or_else(|| anyhow::anyhow!("no method saliency"))?;
    let optimisation = method("class-optimisation").ok_or_else(|| anyhow::anyhow!("no method class-optimisation"))?;
    let k = manifest.input.marks.len();
    let in_bins = |values: &[f32], sums: &mut [f64]| {
        let per = (values.len() / sums.len().max(1)).max(1);
        values.chunks(per).zip(sums.iter_mut()).for_each(|(chunk, sum)| {
            *sum += chunk.iter().filter(|v| v.is_finite()).map(|v| f64::from(*v)).sum::<f64>() / per as f64;
        });
    };
    for (i, of) in &high {
        if interrupt::is_interrupted() {
            return Err(Failure::Interrupted);
        }
        let input = read_gene(&mut readers, inputs.sample, inputs.genes[*i], manifest)?;
        let mut source = SampleSource::new(&mut readers, inputs.sample, manifest);
        let mut values = Vec::new();
        for stretch in input.window.stretches() {
            let mut read = source.mark(mark, stretch).map_err(|e| Failure::Usage(format!("--unseen {mark}: {e}")))?;
            stretch.orient(&mut read);
            values.append(&mut read);
        }
        in_bins(&values, &mut signal);
        let row = if of.attention.len() > 1 { channel } else { 0 };
        weights.iter_mut().zip(&of.attention[row]).for_each(|(sum, w)| *sum += f64::from(*w));
        let gradient = run_whole(saliency, model, &input, &saliency.defaults())?;
        let of_mark = |marks: &[f32]| -> Vec<f32> { marks.iter().skip(channel).step_by(k).copied().collect() };
        let sizes: Vec<f32> = gradient.marks.as_deref().map(of_mark).unwrap_or_default().iter().map(|v| v.abs()).collect();
        in_bins(&sizes, &mut salient);
        if optimal.is_none() && optimisation.obstacle(model).is_none() {
            let found = run_whole(optimisation, model, &input, &Options { seed: args.seed, ..optimisation.defaults() })?;
            let mut profile = vec![0.0; n];
            in_bins(&found.marks.as_deref().map(of_mark).unwrap_or_default(), &mut profile);
            optimal = Some(profile);
        }
    }
    let is_input = if manifest.input.marks.iter().any(|m| m == mark) {
        ", which the model reads"
    } else {
        ", which the model does not read"
    };
    let said = |name: &str, profile: Option<&[f64]>| {
        let r = profile.and_then(|profile| pearson(profile, &signal));
        format!("{name} {}", r.map_or_else(|| "undefined".to_owned(), |r| format!("{r:.4}")))
    };
    let parts =
        [said("attention", Some(&weights)), said("class optimisation", optimal.as_deref()), said("|saliency|", Some(&salient))];
    Ok(vec![format!(
        "r over {n} bins of {} with {mark}{is_input}, mean of {} genes predicted high: {}",
        args.of,
        high.len(),
        parts.join(", ")
    )])
}

/// Mean attention along the window of genes predicted high and low, and how many bins are called.
fn draw(path: &Path, made: &str, found: &[(usize, OfGene)], high_above: f64) -> Result<(), Failure> {
    let mut charts = Vec::new();
    let n = found.iter().map(|(_, of)| of.n_bins()).max().unwrap_or(0);
    let group = |wanted: bool| found.iter().filter(move |(_, of)| (of.score > high_above) == wanted);
    let curve = |wanted: bool, of_bin: &dyn Fn(&OfGene, usize) -> f64| -> Vec<(f64, f64)> {
        let sums: Vec<f64> = (0..n).map(|bin| group(wanted).map(|(_, of)| of_bin(of, bin)).sum::<f64>()).collect();
        let count = group(wanted).count().max(1) as f64;
        sums.iter().enumerate().map(|(bin, sum)| ((bin as f64 + 0.5) / n.max(1) as f64, sum / count)).collect()
    };
    let scaled = |title: &str, of_bin: &dyn Fn(&OfGene, usize) -> f64| {
        let curves = [("predicted high", curve(true, of_bin)), ("predicted low", curve(false, of_bin))];
        let most = curves.iter().flat_map(|c| &c.1).map(|p| p.1).fold(0.0_f64, f64::max);
        let part = |points: &[(f64, f64)]| points.iter().map(|p| (p.0, if most > 0.0 { p.1 / most } else { 0.0 })).collect();
        Chart {
            title: format!("{title}, 1 = {most:.4}"),
            axes: ["along the window".to_owned(), "share of the largest".to_owned()],
            marks: Marks::Curves { curves: curves.iter().map(|c| (c.0.to_owned(), part(&c.1))).collect(), has_diagonal: false },
        }
    };
    charts.push(scaled("mean attention", &|of, bin| of.attention.iter().map(|row| f64::from(row[bin])).sum()));
    let title = format!("share of genes in which a bin is called (q < {LEVEL})");
    charts.push(scaled(&title, &|of, bin| f64::from(u8::from(of.called.iter().any(|row| row[bin])))));
    let mut counts: BTreeMap<bool, Vec<f64>> = BTreeMap::new();
    for (_, of) in found {
        let called = of.any().iter().filter(|c| **c).count() as f64;
        counts.entry(of.score > high_above).or_default().push(called);
    }
    let five = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        [0.025, 0.25, 0.5, 0.75, 0.975].map(|share| values[((values.len() - 1) as f64 * share).round() as usize])
    };
    let name = |high: &bool| if *high { "predicted high" } else { "predicted low" };
    let boxes = counts.into_iter().map(|(high, values)| (name(&high).to_owned(), five(values))).collect();
    charts.push(Chart {
        title: "called bins a gene".to_owned(),
        axes: ["bins".to_owned(), String::new()],
        marks: Marks::Boxes(boxes),
    });
    let theme = Theme::named("print")?;
    let svg = draw_charts("Attended bins", &[made.to_owned()], &charts, 174.0, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}
