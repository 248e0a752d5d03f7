//! `--kind filters`: what a model's first filters over DNA look for.

use super::super::Failure;
use super::args::FigureArgs;
use super::choices::chosen_genes;
use super::compose::Made;
use super::page::{Page, drawn, manifest_of};
use crate::export::{self, FigureOptions, Logo};
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
    let manifest = manifest_of(&state, "filters")?;
    let folder = state.current_model().map(|info| info.folder.clone()).unwrap_or_default();
    let filters = SequenceFilters::read(&folder, &manifest)?;
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
    let n = genes.len();
    let mut place = vec!["--kind".to_owned(), "filters".to_owned()];
    place.extend(figure.loci.iter().flat_map(|list| ["--loci".to_owned(), list.clone()]));
    let page = Page {
        place,
        title: format!("{}: first filters over DNA", manifest.name),
        note: format!(
            "sites that excite a filter more than half as much as the strongest in the windows of {n} genes; {} of {} filters \
             are excited at all",
            logos.len(),
            filters.len()
        ),
        places: format!("{} filters in {n} genes", logos.len()),
        table: None,
    };
    drawn(state, &manifest, figure, (out, options), page, |title, notes, options| {
        export::draw_logos(title, notes, &logos, options)
    })
}
