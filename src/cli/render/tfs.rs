//! `--kind tfs`: what transcription factors are worth to a model around genes, over samples (DeepCAGE).

use super::super::Failure;
use super::super::batch::{Report, for_each};
use super::super::motifs::tfs::{FLANK, STEP, importance_at, loci_around, maps_of};
use super::args::FigureArgs;
use super::choices::chosen_genes;
use super::compose::Made;
use super::page::{Page, heatmaps, manifest_of, model_of, place_of, subject_of};
use crate::export::FigureOptions;
use crate::genome::thousands;
use crate::models::samples_that_feed;
use crate::regulation::tf_importance::{SCORES, TfImportance};
use crate::session::Readers;
use crate::state::State;
use crate::tracks::clean_text;
use std::path::Path;

/// A line a factor, a column a sample, a map a score.
pub(super) fn compose(mut state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    let (genes, what, place) = match &figure.loci {
        Some(list) => {
            let genes = chosen_genes(&state, Some(list))?;
            let what = format!("{} genes", thousands(genes.len() as u64));
            (genes, what, ["--kind", "tfs", "--loci", list].map(str::to_owned).to_vec())
        }
        None => {
            let gene = subject_of(&mut state, figure, "tfs")?.gene;
            let name = state.session.genome.genes.get(gene).name.clone();
            let place = place_of(&state, "tfs", &name);
            (vec![gene], name, place)
        }
    };
    let manifest = manifest_of(&state, "tfs")?;
    let factors = &manifest.input.tfs.names;
    if factors.is_empty() {
        let reason = format!("--kind tfs: model {} reads no transcription factor's expression; deepcage does", manifest.name);
        return Err(Failure::Usage(reason));
    }
    let model = model_of(&state, figure, "tfs")?;
    let session = state.session.clone();
    let samples = samples_that_feed(&session, &manifest);
    let loci = loci_around(&session, &genes, FLANK, STEP);
    let of = |i: usize| (samples[i / loci.len()], &loci[i % loci.len()]);
    let work = |readers: &mut Readers, i: usize, _: &Report<'_>| importance_at(&*model, readers, of(i).0, of(i).1);
    let mut found = vec![TfImportance::default(); samples.len()];
    let add = |i: usize, importance: [Vec<f32>; 3]| {
        found[i / loci.len()].add(&importance);
        Ok(())
    };
    let done = for_each(samples.len() * loci.len(), 0, || Readers::new(session.clone()), work, add)?;
    let sample_name = |i: usize| session.samples[samples[i].0].name.as_str();
    done.say(|i| format!("{} {}:{}", sample_name(i / loci.len()), of(i).1.0, of(i).1.1 + 1))?;
    let names: Vec<&str> = (0..samples.len()).map(sample_name).collect();
    let maps = maps_of(factors, &names, &found);
    let lines = names.iter().zip(&found).flat_map(|(sample, of)| {
        factors.iter().zip(of.factors()).map(move |(factor, of)| {
            let scores: String = of.scores().iter().map(|score| format!("\t{score:.6e}")).collect();
            format!("{}\t{}{scores}\n", clean_text(sample), clean_text(factor))
        })
    });
    let page = Page {
        place,
        title: format!("{}: transcription factors around {what} in {} samples", manifest.name, names.len()),
        note: format!("means over {} windows within {} kb of the TSS", thousands(loci.len() as u64), FLANK / 1_000),
        places: format!("{} factors around {what} in {} samples", factors.len(), names.len()),
        table: Some(format!("sample\ttf\t{}\n{}", SCORES.join("\t"), lines.collect::<String>())),
    };
    heatmaps(state, &manifest, figure, (out, options), page, &maps)
}
