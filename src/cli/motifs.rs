//! `cislens motifs`: which motifs and transcription factors a model goes by.

use super::input::{InputArgs, InputReader, Inputs, find_model, open, open_genes, samples_that_fit};
use super::kept::{Keeping, for_each_kept};
use super::{Failure, interrupt, output};
use crate::attribution::kernels::evaluator;
use crate::attribution::{Method, MutagenesisView, Run, method};
use crate::export::{self, FigureOptions, Heatmap, Logo, draw_heatmaps, draw_logos};
use crate::genome::{Region, Strand};
use crate::models::{Input, Model, SampleSource, SequenceFilters, load_without_filter};
use crate::motifs::{MOTIF_FORMATS, Motif, Tomtom, bundled_motifs, read_motifs};
use crate::regulation::motif_analysis::{self as analysis, FILTER_SHARE, KnockOut};
use crate::regulation::tf_importance::{SCORES, TfImportance, of_locus};
use crate::session::Readers;
use crate::theme::Theme;
use crate::tracks::{self, Features, Track, TrackError, clean_text, write_whole};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct MotifsArgs {
    /// What to look at
    #[arg(value_enum)]
    analysis: Analysis,
    /// Folder of a model that reads DNA (tfs: transcription factors), or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Table to write (.tsv)
    #[arg(long, value_name = "F.tsv")]
    out: PathBuf,
    /// Motifs to compare with, MEME or HOMER [default: those of assets/motifs.tsv]
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Page of logos (filters) or a heatmap (tfs) to write (.svg, .pdf or .png)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// Filters: their motifs to write (.meme)
    #[arg(long, value_name = "F.meme")]
    meme: Option<PathBuf>,
    /// Enrichment, peaks: how bases are explained, as cislens list methods prints
    #[arg(long, value_name = "METHOD", default_value = "integrated-gradients")]
    method: String,
    /// Enrichment, peaks: bases of a stretch of high attribution
    #[arg(long, value_name = "BASES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    width: u32,
    /// Enrichment, peaks: stretches of a gene
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    top: u32,
    /// Peaks: measured peaks to compare with (.bed, .narrowPeak); may be repeated
    #[arg(long, value_name = "FILE")]
    peaks: Vec<PathBuf>,
    /// Tfs: bases on each side of the TSS in which loci lie
    #[arg(long, value_name = "BASES", default_value_t = 100_000)]
    flank: u64,
    /// Tfs: bases from one locus to the next
    #[arg(long, value_name = "BASES", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(50..))]
    step: u64,
    /// Seed of controls, noise and shifts
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Analysis {
    /// First-layer filters as motifs, with what F loses without each
    Filters,
    /// Motifs in stretches of high attribution, against the same stretches shuffled
    Enrichment,
    /// What F loses where every site of a motif becomes noise
    KnockOut,
    /// Stretches of high attribution on measured peaks, against shifts
    Peaks,
    /// Transcription factors by gradient, gradient times expression and knock-out, for each sample
    Tfs,
}

/// Genes in which a filter's influence is measured.
const INFLUENCE_GENES: usize = 20;
/// Factors of a heatmap.
const DRAWN_FACTORS: usize = 60;
/// Draws of shifts.
const SHIFTS: usize = 1_999;

pub(super) fn run(args: &MotifsArgs) -> Result<(), Failure> {
    super::check_out("--out", &args.out, "tsv")?;
    let refuse = |is_given: bool, option: &str, of: Analysis| match is_given && args.analysis != of {
        true => Err(Failure::Usage(format!("{option} is for {of:?}").to_lowercase())),
        false => Ok(()),
    };
    refuse(args.meme.is_some(), "--meme", Analysis::Filters)?;
    refuse(!args.peaks.is_empty(), "--peaks", Analysis::Peaks)?;
    if args.svg.is_some() && !matches!(args.analysis, Analysis::Filters | Analysis::Tfs) {
        return Err(Failure::Usage("--svg is for filters and tfs".to_owned()));
    }
    let motifs = args.motifs.as_deref().map_or_else(|| Ok(bundled_motifs()), read_motifs)?;
    if args.analysis == Analysis::Tfs {
        return tfs(args);
    }
    let (model, inputs) = open(&args.input, &args.model)?;
    if model.manifest().input.sequence.is_none() {
        return Err(Failure::Usage(format!("model {} reads no DNA", model.manifest().name)));
    }
    match args.analysis {
        Analysis::Filters => filters(args, &*model, &inputs, &motifs),
        Analysis::Enrichment => enrichment(args, &*model, &inputs, &motifs),
        Analysis::KnockOut => knock_out(args, &*model, &inputs, &motifs),
        Analysis::Peaks | Analysis::Tfs => peaks(args, &*model, &inputs),
    }
}

fn made_by(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs) -> String {
    let source = args.motifs.as_ref().map_or_else(|| "assets/motifs.tsv".to_owned(), |path| path.display().to_string());
    let made = output::provenance("motifs", model.manifest(), inputs);
    format!("{made}; {:?}; motifs {source}; seed {}", args.analysis, args.seed)
}

fn write_table(path: &Path, made: &str, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let line = |fields: &[String]| fields.iter().map(|f| clean_text(f)).collect::<Vec<_>>().join("\t") + "\n";
    let body: String = rows.iter().map(|row| line(row)).collect();
    let text = format!("# {}\n{}\n{body}", clean_text(made), head.join("\t"));
    Ok(write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
}

fn tf_of(motif: &Motif) -> String {
    motif.tf.clone().unwrap_or_default()
}

/// Runs `work` for every input, keeping results; gives them in order with what removes the journal.
fn each<T: Send + serde::Serialize + serde::de::DeserializeOwned>(
    args: &MotifsArgs,
    inputs: &Inputs,
    model: &dyn Model,
    made: &str,
    work: impl Fn(&Input, usize) -> Result<T, String> + Sync,
) -> Result<(Vec<T>, super::journal::Journal), Failure> {
    let settings = format!("{} {} {} {:?}", args.method, args.width, args.top, args.peaks);
    let keeping = Keeping { out: &args.out, key: format!("{made}; {settings}; {}", inputs.key()), resume: args.resume };
    let work = |reader: &mut InputReader<'_>, i: usize, _: &super::batch::Report<'_>| {
        work(&inputs.read(reader, i, model.manifest())?, i)
    };
    let (found, journal) =
        for_each_kept(inputs.len(), args.input.threads, &keeping, || inputs.reader(), work, |i| inputs.name(i))?;
    Ok((found.into_iter().map(|(_, result)| result).collect(), journal))
}

fn filters(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
    let folder = match inputs {
        Inputs::Genes(genes) => find_model(&args.model, &genes.session)?,
        Inputs::Arrays(_) => args.model.clone(),
    };
    let manifest = model.manifest();
    let filters = SequenceFilters::read(&folder, manifest)?;
    let made = made_by(args, model, inputs);
    let (read, journal) = each(args, inputs, model, &made, |input, _| Ok(input.sequence.clone().unwrap_or_default()))?;
    // Inputs of the influence: evenly spread.
    let mut reader = inputs.reader();
    let n = inputs.len().min(INFLUENCE_GENES);
    let chosen: Vec<Input> = (0..n)
        .map(|i| inputs.read(&mut reader, i * inputs.len() / n, manifest))
        .collect::<Result<_, _>>()
        .map_err(|e| anyhow::anyhow!(e))?;
    let batches = chosen.iter().map(|input| input.batch(model.dtype())).collect::<Result<Vec<_>, _>>()?;
    let scores = |model: &dyn Model| -> Result<Vec<f64>, Failure> {
        let score = |batch| Ok(f64::from(model.forward(batch)?.score.to_vec1::<f32>()?.first().copied().unwrap_or(f32::NAN)));
        batches.iter().map(score).collect()
    };
    let whole = scores(model)?;
    let collection = Tomtom::new(motifs);
    let sites: Vec<_> = (0..filters.len()).into_par_iter().map(|i| filters.sites_above(i, &read, FILTER_SHARE)).collect();
    let (mut rows, mut logos, mut found) = (Vec::new(), Vec::new(), Vec::new());
    for (filter, sites) in sites.into_iter().enumerate() {
        if interrupt::is_interrupted() {
            return Err(Failure::Interrupted);
        }
        let without = scores(&*load_without_filter(&folder, filter, &candle_core::Device::Cpu)?)?;
        let losses: Vec<f64> = whole.iter().zip(&without).map(|(a, b)| a - b).collect();
        let mean = |f: fn(f64) -> f64| losses.iter().copied().map(f).sum::<f64>() / losses.len().max(1) as f64;
        let influence = [mean(|x| x), mean(f64::abs)];
        let name = format!("filter{}", filter + 1);
        let Some(sites) = sites else {
            rows.push((
                influence[1],
                [&[name, "0".to_owned()][..], &vec![String::new(); 6], &influence.map(|x| format!("{x:.6}"))].concat(),
            ));
            continue;
        };
        let ppm = sites.counts.to_ppm(0.0);
        let bits: f64 = ppm.information_content().iter().sum();
        let best = analysis::best_match(&collection, &ppm);
        let (motif, tf) =
            best.as_ref().map_or_else(Default::default, |b| (motifs[b.motif].name.clone(), tf_of(&motifs[b.motif])));
        let [p, e] =
            [best.as_ref().map(|b| b.p), best.as_ref().map(|b| b.e)].map(|x| x.map_or_else(String::new, |x| format!("{x:.3e}")));
        let consensus = String::from_utf8_lossy(&ppm.consensus()).into_owned();
        let mut row = vec![name.clone(), sites.n_sites.to_string(), format!("{bits:.3}"), consensus, motif.clone(), tf, p, e];
        row.extend(influence.map(|x| format!("{x:.6}")));
        rows.push((influence[1], row));
        let note = format!("{} sites, {motif}", sites.n_sites);
        logos.push((influence[1], Logo { name: name.clone(), note, probabilities: ppm.rows().to_vec() }));
        found.push(Motif { name, tf: None, ppm, threshold: None });
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    logos.sort_by(|a, b| b.0.total_cmp(&a.0));
    let matched = rows.iter().filter(|(_, row)| row[7].parse::<f64>().is_ok_and(|e| e < 0.01)).count();
    let made = format!(
        "{made}; sites that excite a filter more than {FILTER_SHARE} of its strongest in {} windows; influence: mean of F less F without the filter, and of its size, over {n} windows",
        read.len()
    );
    let head = ["filter", "sites", "information_bits", "consensus", "motif", "tf", "p", "e_value", "influence", "influence_size"];
    write_table(&args.out, &made, &head, &rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())?;
    println!(
        "{} filters, {} excited, {matched} like a motif at E < 0.01 (of {} motifs)",
        filters.len(),
        logos.len(),
        motifs.len()
    );
    if let Some(path) = &args.meme {
        let text = (MOTIF_FORMATS[0].format)(&found, &made);
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
    }
    if let Some(path) = &args.svg {
        let options = FigureOptions::new(Theme::named("print")?);
        let logos: Vec<Logo> = logos.into_iter().map(|(_, logo)| logo).collect();
        let svg = draw_logos(&format!("{}: first filters over DNA, by influence", manifest.name), &[made], &logos, &options)?;
        export::write(path, &svg, &options)?;
    }
    journal.remove();
    Ok(())
}

fn find_method(args: &MotifsArgs, model: &dyn Model) -> Result<&'static dyn Method, Failure> {
    let found = method(&args.method).ok_or_else(|| Failure::Usage(format!("no method \"{}\"", args.method)))?;
    match found.obstacle(model) {
        Some(reason) => Err(Failure::Usage(format!("{} says nothing about this model: {reason}", found.name()))),
        None => Ok(found),
    }
}

/// Stretches of a window where the sizes of attribution are highest.
fn stretches(args: &MotifsArgs, method: &dyn Method, model: &dyn Model, input: &Input) -> Result<Vec<Range<usize>>, String> {
    let is_current = || !interrupt::is_interrupted();
    let result =
        method.attribute(model, input, &method.defaults(), &mut Run::new(&is_current, &mut |_| ())).map_err(|e| e.to_string())?;
    let (Some(deltas), Some(bases)) = (&result.sequence, &input.sequence) else {
        return Err(format!("{} gives no value a base", method.name()));
    };
    let view = MutagenesisView::of_method(method.name());
    let sizes: Vec<f32> = deltas.iter().zip(bases).map(|(d, &base)| view.value(d, base).abs()).collect();
    Ok(analysis::highest_stretches(&sizes, args.width as usize, args.top as usize))
}

fn enrichment(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
    let method = find_method(args, model)?;
    let scanners = analysis::scanners(motifs)?;
    let made = made_by(args, model, inputs);
    let work = |input: &Input, i: usize| -> Result<Vec<[Vec<bool>; 2]>, String> {
        let bases = input.sequence.as_deref().unwrap_or_default();
        let of = |(j, stretch): (usize, Range<usize>)| {
            let here = &bases[stretch];
            let control = analysis::control(here, args.seed, (i * 1_000 + j) as u64);
            [analysis::has_site(&scanners, here), analysis::has_site(&scanners, &control)]
        };
        Ok(stretches(args, method, model, input)?.into_iter().enumerate().map(of).collect())
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let (mut sites, mut control) = (Vec::new(), Vec::new());
    for [here, shuffled] in found.into_iter().flatten() {
        sites.push(here);
        control.push(shuffled);
    }
    let tests = analysis::motif_enrichment(&sites, &control);
    let row = |e: &analysis::MotifEnrichment| {
        let motif = &motifs[e.motif];
        let numbers = [sites.len().to_string(), e.with_site.to_string(), e.control_with_site.to_string()];
        let mut row = vec![motif.name.clone(), tf_of(motif)];
        row.extend(numbers);
        row.extend([format!("{:.3e}", e.p), format!("{:.3e}", e.q)]);
        row
    };
    let made = format!(
        "{made}; {} of the {} stretches of {} bases with the largest {} in each window",
        sites.len(),
        args.top,
        args.width,
        method.name()
    );
    let head = ["motif", "tf", "stretches", "with_site", "shuffled_with_site", "p", "q"];
    write_table(&args.out, &made, &head, &tests.iter().map(row).collect::<Vec<_>>())?;
    let called: Vec<&str> = tests.iter().filter(|e| e.q < 0.05).map(|e| motifs[e.motif].name.as_str()).collect();
    println!(
        "{} stretches; {} of {} motifs enriched at q < 0.05: {}",
        sites.len(),
        called.len(),
        motifs.len(),
        clean_text(&called.join(", "))
    );
    journal.remove();
    Ok(())
}

fn knock_out(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
    let scanners = analysis::scanners(motifs)?;
    let made = made_by(args, model, inputs);
    let work = |input: &Input, i: usize| -> Result<Vec<(usize, f64)>, String> {
        let is_current = || !interrupt::is_interrupted();
        let evaluator = evaluator(model, input).map_err(|e| e.to_string())?;
        let bases = input.sequence.as_deref().unwrap_or_default();
        let found = analysis::knock_outs(&*evaluator, bases, &scanners, args.seed ^ (i as u64 + 1), &is_current);
        Ok(found.map_err(|e| e.to_string())?.iter().map(|KnockOut { sites, loss }| (*sites, *loss)).collect())
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let mut rows: Vec<(f64, Vec<String>)> = (0..motifs.len())
        .map(|m| {
            let with: Vec<(usize, f64)> = found.iter().map(|of| of[m]).filter(|of| of.0 > 0).collect();
            let n = with.len().max(1) as f64;
            let (mean, size) = (with.iter().map(|w| w.1).sum::<f64>() / n, with.iter().map(|w| w.1.abs()).sum::<f64>() / n);
            let sites: usize = with.iter().map(|w| w.0).sum();
            let row = vec![
                motifs[m].name.clone(),
                tf_of(&motifs[m]),
                with.len().to_string(),
                sites.to_string(),
                format!("{mean:.6}"),
                format!("{size:.6}"),
            ];
            (size, row)
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let made = format!(
        "{made}; sites of p <= {}; mean loss of F over {} draws of noise and the {} windows, those with a site",
        analysis::SITE_P,
        analysis::NOISE_DRAWS,
        found.len()
    );
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    write_table(&args.out, &made, &["motif", "tf", "windows_with_site", "sites", "mean_loss", "mean_size"], &rows)?;
    let first: Vec<String> = rows.iter().take(5).map(|row| format!("{} {}", row[0], row[4])).collect();
    println!("{} windows, {} motifs; largest: {}", found.len(), motifs.len(), clean_text(&first.join(", ")));
    journal.remove();
    Ok(())
}

/// Stretches of a window, and for each file of peaks the positions that it covers.
type InWindow = (Vec<(usize, usize)>, Vec<Vec<bool>>);

fn peaks(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs) -> Result<(), Failure> {
    let Inputs::Genes(genes) = inputs else {
        return Err(Failure::Usage("plain arrays lie on no genome: --session with genes".to_owned()));
    };
    if args.peaks.is_empty() {
        return Err(Failure::Usage("which peaks? --peaks FILE".to_owned()));
    }
    let method = find_method(args, model)?;
    let mut sets: Vec<(String, Arc<Features>)> = Vec::new();
    for path in &args.peaks {
        let opened = tracks::open(path, None, &genes.session.genome.chroms)?;
        opened.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
        let Track::Features(features) = opened.value else {
            return Err(Failure::Usage(format!("--peaks {}: no file of intervals", path.display())));
        };
        sets.push((path.display().to_string(), features));
    }
    let made = made_by(args, model, inputs);
    let work = |input: &Input, _: usize| -> Result<InWindow, String> {
        let of = stretches(args, method, model, input)?;
        let window = &input.window;
        let covered = sets.iter().map(|(_, features)| {
            let (from, to) = (window.start().max(0) as u64, window.end().max(0) as u64);
            let mut covered = vec![false; window.len() as usize];
            for peak in features.overlapping(&Region::new(window.chrom().clone(), from, to)) {
                (peak.start.max(from)..peak.end.min(to)).for_each(|p| {
                    if let Some(i) = window.index(p as i64) {
                        covered[i as usize] = true;
                    }
                });
            }
            covered
        });
        let covered = covered.collect();
        Ok((of.into_iter().map(|s| (s.start, s.end)).collect(), covered))
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let mut rows = Vec::new();
    for (i, (name, _)) in sets.iter().enumerate() {
        let window = |of: &InWindow| (of.0.iter().map(|(a, b)| *a..*b).collect::<Vec<_>>(), of.1[i].clone());
        let o = analysis::peak_overlap(&found.iter().map(window).collect::<Vec<_>>(), SHIFTS, args.seed);
        println!(
            "{}: {} of {} stretches on a peak, {:.1} expected of shifts, p {:.2e}",
            clean_text(name),
            o.on_measured,
            o.peaks,
            o.expected,
            o.p
        );
        rows.push(vec![
            name.clone(),
            o.peaks.to_string(),
            o.on_measured.to_string(),
            format!("{:.3}", o.expected),
            format!("{:.3e}", o.p),
        ]);
    }
    let made = format!(
        "{made}; the {} stretches of {} bases with the largest {} in each window, against {SHIFTS} circular shifts",
        args.top,
        args.width,
        method.name()
    );
    write_table(&args.out, &made, &["peaks", "stretches", "on_peak", "expected_shifted", "p"], &rows)?;
    journal.remove();
    Ok(())
}

fn tfs(args: &MotifsArgs) -> Result<(), Failure> {
    let (model, session, genes) = open_genes(&args.input, &args.model)?;
    let manifest = model.manifest();
    let names = &manifest.input.tfs.names;
    if names.is_empty() {
        return Err(Failure::Usage(format!("model {} reads no transcription factor's expression", manifest.name)));
    }
    let samples = samples_that_fit(&args.input, &session, manifest)?;
    let mut loci = Vec::new();
    for gene in &genes {
        let gene = session.genome.genes.get(*gene);
        let tss = gene.tss(session.genome.tss);
        let last = session.genome.chroms.len_of(&gene.region.chrom).unwrap_or(0).saturating_sub(1);
        let first = tss.saturating_sub(args.flank / args.step * args.step);
        let places = (first..=tss.saturating_add(args.flank).min(last)).step_by(args.step as usize);
        loci.extend(places.map(|at| (gene.region.chrom.clone(), at)));
    }
    loci.sort();
    loci.dedup();
    let made = format!(
        "cislens {} motifs Tfs; model {} ({}) {}; genome {}; {} loci within {} bases of {} genes, every {}",
        env!("CARGO_PKG_VERSION"),
        manifest.name,
        manifest.architecture,
        manifest.hash,
        session.genome.name,
        loci.len(),
        args.flank,
        genes.len(),
        args.step
    );
    let sample_names: Vec<&str> = samples.iter().map(|s| session.samples[s.0].name.as_str()).collect();
    let keeping = Keeping { out: &args.out, key: format!("{made}; {loci:?}; {sample_names:?}"), resume: args.resume };
    let work = |readers: &mut Readers, i: usize, _: &super::batch::Report<'_>| -> Result<[Vec<f32>; 3], String> {
        let (sample, (chrom, at)) = (samples[i / loci.len()], &loci[i % loci.len()]);
        let window = manifest.window_at(chrom.clone(), *at, Strand::Forward);
        let input =
            Input::assemble(manifest, &window, &mut SampleSource::new(readers, sample, manifest)).map_err(|e| e.to_string())?;
        of_locus(&*model, &input, &|| !interrupt::is_interrupted()).map_err(|e| e.to_string())
    };
    let name = |i: usize| format!("{} {}:{}", sample_names[i / loci.len()], loci[i % loci.len()].0, loci[i % loci.len()].1 + 1);
    let n = samples.len() * loci.len();
    let (found, journal) = for_each_kept(n, args.input.threads, &keeping, || Readers::new(session.clone()), work, name)?;
    let mut of_samples = vec![TfImportance::default(); samples.len()];
    found.iter().for_each(|(i, of)| of_samples[i / loci.len()].add(of));
    let mut rows = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for ((sample, id), of) in sample_names.iter().zip(&samples).zip(&of_samples) {
        let factors = of.factors();
        let mut order: Vec<usize> = (0..factors.len()).collect();
        order.sort_by(|&a, &b| factors[b].gradient.total_cmp(&factors[a].gradient).then(a.cmp(&b)));
        for (rank, &tf) in order.iter().enumerate() {
            let expression = session.tf_expression(*id, &names[tf]).map_or_else(String::new, |x| format!("{x:.4}"));
            let mut row = vec![(*sample).to_owned(), (rank + 1).to_string(), names[tf].clone(), expression];
            row.extend(factors[tf].scores().map(|x| format!("{x:.6e}")));
            rows.push(row);
        }
        columns.push(factors.iter().map(|f| f.gradient_x_expression).collect());
        let best: Vec<&str> = order.iter().take(5).map(|&tf| names[tf].as_str()).collect();
        println!("{}: {} loci; largest gradients: {}", clean_text(sample), of.loci, clean_text(&best.join(", ")));
    }
    let head: Vec<&str> = ["sample", "rank", "tf", "expression"].into_iter().chain(SCORES).collect();
    write_table(&args.out, &made, &head, &rows)?;
    if let Some(path) = &args.svg {
        draw_factors(path, &made, names, &sample_names, &of_samples)?;
    }
    journal.remove();
    Ok(())
}

/// Factors by samples, for each score; the factors with the largest values.
fn draw_factors(path: &Path, made: &str, names: &[String], samples: &[&str], of: &[TfImportance]) -> Result<(), Failure> {
    let factors: Vec<_> = of.iter().map(TfImportance::factors).collect();
    let map = |score: usize, title: &str| {
        let value = |sample: usize, tf: usize| factors[sample].get(tf).map_or(f64::NAN, |f| f.scores()[score]);
        let largest = |tf: usize| (0..samples.len()).map(|s| value(s, tf).abs()).filter(|v| v.is_finite()).fold(0.0, f64::max);
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|&a, &b| largest(b).total_cmp(&largest(a)).then(a.cmp(&b)));
        order.truncate(DRAWN_FACTORS);
        Heatmap {
            title: title.to_owned(),
            rows: order.iter().map(|&tf| names[tf].clone()).collect(),
            columns: samples
                .iter()
                .enumerate()
                .map(|(i, name)| ((i as f64 + 0.5) / samples.len() as f64, (*name).to_owned()))
                .collect(),
            values: order.iter().map(|&tf| (0..samples.len()).map(|s| value(s, tf)).collect()).collect(),
            unit: "mean over loci".to_owned(),
            ..Heatmap::default()
        }
    };
    let maps =
        [map(0, "gradient: mean |dF/dg|"), map(1, "gradient x expression"), map(2, "knock-out: F less F without the factor")];
    let theme = Theme::named("print")?;
    let svg = draw_heatmaps("Transcription factors by sample", &[made.to_owned()], &maps, 174.0, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}
