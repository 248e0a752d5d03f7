//! `--kind cores`: the attention to a gene's bins over samples, with the elements that are attended to together (DeepCORE, figure 5).

use super::super::Failure;
use super::super::cores::{Work, check_model, map_of};
use super::args::FigureArgs;
use super::compose::Made;
use super::page::{Page, heatmaps, manifest_of, model_of, place_of, subject_of};
use crate::export::FigureOptions;
use crate::models::samples_that_feed;
use crate::regulation::cores::{DEFAULT_SEED, PROCEDURES};
use crate::session::Readers;
use crate::state::State;
use crate::tracks::clean_text;
use anyhow::anyhow;
use std::path::Path;

/// A line a sample that can feed the model, a column a bin.
pub(super) fn compose(mut state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    let subject = subject_of(&mut state, figure, "cores")?;
    let manifest = manifest_of(&state, "cores")?;
    let model = model_of(&state, figure, "cores")?;
    let session = state.session.clone();
    let ids = samples_that_feed(&session, &manifest);
    let work = Work { model: &*model, session: &session, samples: &ids };
    let procedure = &PROCEDURES[0];
    check_model(&work, &[subject.gene], procedure)?;
    let samples = work.read(&mut Readers::new(session.clone()), subject.gene, &|_| ()).map_err(|reason| anyhow!(reason))?;
    let cores = (procedure.find)(&samples, &[], DEFAULT_SEED).map_err(|e| anyhow!("--kind cores: {e}"))?;
    let map = map_of(&work, subject.gene, &samples, &cores);
    let gene = &session.genome.genes.get(subject.gene).name;
    let line = |(name, attention): (&String, &Vec<f32>)| {
        let weights: String = attention.iter().map(|weight| format!("\t{weight:.6}")).collect();
        format!("{}{weights}\n", clean_text(name))
    };
    let bins: String = (1..=samples.attention.first().map_or(0, Vec::len)).map(|bin| format!("\tbin_{bin}")).collect();
    let lines: String = map.rows.iter().zip(&samples.attention).map(line).collect();
    let page = Page {
        place: place_of(&state, "cores", gene),
        title: format!("{}: attention to {gene} in {} samples", manifest.name, ids.len()),
        note: format!("procedure {}: {}; seed {DEFAULT_SEED}", procedure.name, procedure.about),
        places: format!("{gene} in {} samples", ids.len()),
        table: Some(format!("sample{bins}\n{lines}")),
    };
    heatmaps(state, &manifest, figure, (out, options), page, &[map])
}
