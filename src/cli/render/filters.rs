//! `--kind filters`: what a model's first filters over DNA look for.

use super::super::Failure;
use super::args::FigureArgs;
use super::choices::chosen_genes;
use super::compose::Made;
use crate::export::{self, FigureOptions, Logo, Provenance};
use crate::genome::{Strand, reverse_complement, thousands};
use crate::models::{FilterSites, SequenceFilters};
use crate::session::Readers;
use crate::state::State;
use anyhow::anyhow;
use rayon::prelude::*;
use std::path::Path;

/// Genes whose windows are searched for sites of filters where none are named.
const FILTER_GENES: usize = 100;

/// Logos of the sites that excite the first filters over DNA, in the windows of genes.
pub(super) fn compose(state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    if figure.zoom.is_some() || !figure.edit.is_empty() {
        return Err(Failure::Usage("--kind filters is of a model: no --zoom, no --edit".to_owned()));
    }
    let info = state.current_model().ok_or_else(|| anyhow!("--kind filters: the session has no model"))?;
    let manifest = info.manifest.clone().map_err(|reason| anyhow!("{reason}"))?;
    let filters = SequenceFilters::read(&info.folder, &manifest)?;
    let session = state.session.clone();
    let mut genes = chosen_genes(&state, figure.loci.as_deref())?;
    genes.truncate(if figure.loci.is_some() { usize::MAX } else { FILTER_GENES });
    let mut readers = Readers::new(session.clone());
    let mut sequences = Vec::new();
    for gene in &genes {
        let window = manifest.window_of(session.genome.genes.get(*gene), session.genome.tss);
        for stretch in window.stretches() {
            let region = stretch.region(session.genome.chroms.len_of(&stretch.chrom).unwrap_or(0));
            let bases =
                readers.bases(&region)?.ok_or_else(|| anyhow!("--kind filters: the session has no reference sequence"))?;
            let is_turned = stretch.strand == Strand::Reverse;
            sequences.push(if is_turned { reverse_complement(&bases) } else { bases });
        }
    }
    let found: Vec<FilterSites> = (0..filters.len()).into_par_iter().filter_map(|i| filters.sites(i, &sequences)).collect();
    let logos: Vec<Logo> = found
        .iter()
        .map(|f| Logo {
            name: format!("filter {}", f.filter + 1),
            note: format!("{} sites", thousands(f.n_sites as u64)),
            probabilities: f.counts.to_ppm(0.0).rows().to_vec(),
        })
        .collect();
    let (name, hash, n) = (&manifest.name, &manifest.hash, genes.len());
    let title = format!("{name}: first filters over DNA");
    let mut place = vec!["--kind".to_owned(), "filters".to_owned()];
    place.extend(figure.loci.iter().flat_map(|list| ["--loci".to_owned(), list.clone()]));
    let command = export::command_at(&state, &figure.files, &place, out, &options);
    let made_by = vec![
        session.note.clone(),
        format!(
            "sites that excite a filter more than half as much as the strongest in the windows of {n} genes; {} of {} filters \
             are excited at all",
            logos.len(),
            filters.len()
        ),
        format!("cislens {} \u{b7} model {name} ({hash}) \u{b7} genome {}", env!("CARGO_PKG_VERSION"), session.genome.name),
        format!("made by: {command}"),
    ];
    let svg = export::draw_logos(&title, &made_by, &logos, &options)?;
    let chroms = session.genome.chroms.clone();
    let places = format!("{} filters in {n} genes", logos.len());
    let provenance = Provenance::of(&state, command);
    Ok(Made { svg, scenes: Vec::new(), chroms, options, provenance, messages: state.messages, places, table: None })
}
