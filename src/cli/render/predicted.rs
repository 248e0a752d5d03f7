//! `--kind predicted`: how a model's predictions compare with what was measured, as charts.

use super::super::Failure;
use super::super::evaluate::{Asked, page};
use super::super::train::{Watcher, read};
use super::args::FigureArgs;
use super::choices::chosen_genes;
use super::compose::Made;
use super::page::{Page, drawn, manifest_of, model_of};
use crate::export::{self, FigureOptions};
use crate::genome::thousands;
use crate::models::missing_input;
use crate::state::State;
use crate::training::{Evaluation, Example, Part, Parts, Scores, predict};
use anyhow::anyhow;
use std::collections::BTreeSet;
use std::path::Path;

/// Resamplings behind the box of the model's r or AUROC.
const RESAMPLINGS: usize = 1_000;

/// The page of charts of the current model in the current sample.
pub(super) fn compose(state: State, figure: &FigureArgs, out: &Path, options: FigureOptions) -> Result<Made, Failure> {
    if figure.zoom.is_some() || !figure.edit.is_empty() {
        return Err(Failure::Usage("--kind predicted is of many genes: no --zoom, no --edit".to_owned()));
    }
    let manifest = manifest_of(&state, "predicted")?;
    let session = state.session.clone();
    if let Some(reason) = missing_input(&session, state.sample, &manifest) {
        return Err(anyhow!("--kind predicted: model {}: {reason}", manifest.name).into());
    }
    let model = model_of(&state, figure, "predicted")?;
    let data = read(&session, &[state.sample], &manifest, &Watcher::new()?)?;
    let parts = state.current_model().map(|info| Parts::read(&info.folder)).transpose()?.flatten();
    let ids = |genes: Vec<crate::genome::GeneId>| genes.iter().map(|id| session.genome.genes.get(*id).id.clone()).collect();
    let chosen: Option<BTreeSet<String>> = match (&figure.loci, &parts) {
        (Some(list), _) => Some(ids(chosen_genes(&state, Some(list))?)),
        (None, Some(parts)) => {
            let unseen = chosen_genes(&state, None)?;
            Some(ids(unseen).into_iter().filter(|id: &String| parts.part(id) == Some(Part::Test)).collect())
        }
        (None, None) => None,
    };
    let which = match (&figure.loci, &parts) {
        (Some(_), _) => "the genes named",
        (None, Some(_)) => "genes the model has not seen",
        (None, None) => "every gene; which of them the model learnt from is not known",
    };
    let is_chosen = |example: &Example| chosen.as_ref().is_none_or(|ids| ids.contains(&example.gene));
    let Asked { genes, output, targets, .. } = Asked::of(&manifest, &data, 0, &is_chosen, parts.as_ref())?;
    let evaluation = Evaluation {
        kind: output.kind,
        sample: data.samples[0].clone(),
        genes: genes.iter().map(|i| data.examples[*i].gene.clone()).collect(),
        truth: genes.iter().map(|i| targets[*i]).collect(),
        predictors: vec![Scores { name: manifest.name.clone(), values: predict(&*model, &data, &genes)? }],
        resamplings: RESAMPLINGS,
        seed: 1,
    };
    let mut place = vec!["--kind".to_owned(), "predicted".to_owned()];
    place.extend(figure.loci.iter().flat_map(|list| ["--loci".to_owned(), list.clone()]));
    let n = thousands(genes.len() as u64);
    let page = Page {
        place,
        title: manifest.name.clone(),
        note: format!("{n} genes: {which}"),
        places: format!("{n} genes of {}", evaluation.sample),
        table: None,
    };
    let charts = page::charts(&evaluation, &manifest.output.unit);
    drawn(state, &manifest, figure, (out, options), page, |title, notes, options| {
        export::draw_charts(title, notes, &charts, options.width_mm, &options.theme)
    })
}
