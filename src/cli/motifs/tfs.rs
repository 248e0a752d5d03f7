//! DeepCAGE's importance of transcription factors, by sample.

use super::super::input::{open_genes, samples_that_fit};
use super::super::kept::for_each_kept;
use super::super::{Failure, batch, interrupt};
use super::{MotifsArgs, write_table};
use crate::export::{self, FigureOptions, Heatmap, draw_heatmaps};
use crate::genome::{GeneId, Strand};
use crate::models::{Input, Model, SampleSource};
use crate::regulation::tf_importance::{SCORES, TfImportance, of_locus};
use crate::session::{Readers, SampleId, Session};
use crate::theme::Theme;
use crate::tracks::clean_text;
use std::path::Path;
use std::sync::Arc;

/// Factors of a heatmap.
const DRAWN_FACTORS: usize = 60;
/// Bases on each side of a TSS in which loci lie, and from one to the next: DeepCAGE's +-100 kb.
pub(in crate::cli) const FLANK: u64 = 100_000;
pub(in crate::cli) const STEP: u64 = 5_000;

pub(super) fn tfs(args: &MotifsArgs) -> Result<(), Failure> {
    let (model, session, genes) = open_genes(&args.table.input, &args.model)?;
    let manifest = model.manifest();
    let names = &manifest.input.tfs.names;
    if names.is_empty() {
        return Err(Failure::Usage(format!("model {} reads no transcription factor's expression", manifest.name)));
    }
    let samples = samples_that_fit(&args.table.input, &session, manifest)?;
    let loci = loci_around(&session, &genes, args.flank, args.step);
    let made = format!(
        "cislens {} motifs tfs; model {} ({}) {}; genome {}; {} loci within {} bases of {} genes, every {}",
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
    let keeping = args.table.keeping(format!("{made}; {loci:?}; {sample_names:?}"));
    let work = |readers: &mut Readers, i: usize, _: &batch::Report<'_>| {
        importance_at(&*model, readers, samples[i / loci.len()], &loci[i % loci.len()])
    };
    let name = |i: usize| format!("{} {}:{}", sample_names[i / loci.len()], loci[i % loci.len()].0, loci[i % loci.len()].1 + 1);
    let n = samples.len() * loci.len();
    let (found, journal) = for_each_kept(n, args.table.input.threads, &keeping, || Readers::new(session.clone()), work, name)?;
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
        say!("{}: {} loci; largest gradients: {}", clean_text(sample), of.loci, clean_text(&best.join(", ")));
    }
    let head: Vec<&str> = ["sample", "rank", "tf", "expression"].into_iter().chain(SCORES).collect();
    write_table(&args.table.out, &made, &head, &rows)?;
    if let Some(path) = &args.svg {
        draw_factors(path, &made, names, &sample_names, &of_samples)?;
    }
    journal.remove();
    Ok(())
}

/// Starts of the windows of DeepCAGE within `flank` bases of the TSS of genes, every `step`, each once, ascending.
pub(in crate::cli) fn loci_around(session: &Session, genes: &[GeneId], flank: u64, step: u64) -> Vec<(Arc<str>, u64)> {
    let mut loci = Vec::new();
    for gene in genes {
        let gene = session.genome.genes.get(*gene);
        let tss = gene.tss(session.genome.tss);
        let last = session.genome.chroms.len_of(&gene.region.chrom).unwrap_or(0).saturating_sub(1);
        let first = tss.saturating_sub(flank / step * step);
        let places = (first..=tss.saturating_add(flank).min(last)).step_by(step as usize);
        loci.extend(places.map(|at| (gene.region.chrom.clone(), at)));
    }
    loci.sort();
    loci.dedup();
    loci
}

/// What each factor is worth at a locus in a sample.
pub(in crate::cli) fn importance_at(
    model: &dyn Model,
    readers: &mut Readers,
    sample: SampleId,
    (chrom, at): &(Arc<str>, u64),
) -> Result<[Vec<f32>; 3], String> {
    let manifest = model.manifest();
    let window = manifest.window_at(chrom.clone(), *at, Strand::Forward);
    let input =
        Input::assemble(manifest, &window, &mut SampleSource::new(readers, sample, manifest)).map_err(|e| e.to_string())?;
    of_locus(model, &input, &|| !interrupt::is_interrupted()).map_err(|e| e.to_string())
}

fn draw_factors(path: &Path, made: &str, names: &[String], samples: &[&str], of: &[TfImportance]) -> Result<(), Failure> {
    let theme = Theme::named("print")?;
    let maps = maps_of(names, samples, of);
    let svg = draw_heatmaps("Transcription factors by sample", &[made.to_owned()], &maps, 174.0, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}

/// Factors by samples, a map for each score; the factors with the largest values.
pub(in crate::cli) fn maps_of(names: &[String], samples: &[&str], of: &[TfImportance]) -> [Heatmap; 3] {
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
    [map(0, "gradient: mean |dF/dg|"), map(1, "gradient x expression"), map(2, "knock-out: F less F without the factor")]
}
