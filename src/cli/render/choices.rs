//! What was asked for, put into a state: places, genes, rows and methods, each checked and refused by the option's name.

use super::super::Failure;
use super::args::FigureArgs;
use super::loci;
use crate::export::{FigureOptions, Highlight};
use crate::genome::{GeneId, Locus, Region};
use crate::jobs::Analysis;
use crate::session::TrackId;
use crate::state::{Comparison, RowId, RowState, State};
use anyhow::anyhow;

/// Widest view for which mutagenesis is drawn without being asked for: there single bases can be seen.
const MUTAGENESIS_SPAN: u64 = 500;

pub(super) fn options(figure: &FigureArgs, state: &State) -> Result<FigureOptions, Failure> {
    let mut options = FigureOptions {
        width_mm: figure.width_mm()?,
        dpi: figure.dpi()?,
        letter: figure.letter,
        is_bare: figure.bare,
        order: figure.order.clone(),
        ..FigureOptions::new(state.theme.clone())
    };
    if let Some(letter) = figure.letter.filter(|c| !c.is_ascii_alphabetic()) {
        return Err(Failure::Usage(format!("--letter {letter}: A to Z or a to z")));
    }
    let labels = labels(state);
    for label in &figure.order {
        check_label("--order", label, &labels)?;
    }
    for scale in &figure.scale {
        let parsed = scale.rsplit_once('=').and_then(|(label, range)| {
            let (low, high) = range.split_once(':')?;
            Some((label, (low.trim().parse::<f32>().ok()?, high.trim().parse::<f32>().ok()?)))
        });
        let sound = parsed.filter(|(_, (low, high))| low.is_finite() && high.is_finite() && low < high);
        let (label, range) =
            sound.ok_or_else(|| Failure::Usage(format!("--scale {scale}: write LABEL=0:40, low before high")))?;
        check_label("--scale", label, &labels)?;
        options.scales.push((label.to_owned(), range));
    }
    for text in &figure.highlight {
        let (locus, name) = text.split_once('=').unwrap_or((text, ""));
        let region = region_of(state, "--highlight", locus)?;
        options.highlights.push(Highlight { region, name: name.to_owned() });
    }
    Ok(options)
}

/// The stretch a locus names: a place, or a gene from its first base to its last.
pub(super) fn region_of(state: &State, option: &str, locus: &str) -> Result<Region, Failure> {
    let genome = &state.session.genome;
    let found = Locus::parse(locus, &genome.chroms).map_err(|e| anyhow!("{option} {locus}: {e}"))?;
    Ok(match found {
        Locus::Region(region) => region,
        Locus::Position(chrom, position) => Region::new(chrom, position, position + 1),
        Locus::Name(name) => {
            let gene = genome.genes.find(&name).ok_or_else(|| anyhow!("{option} {name}: the session has no such gene"))?;
            genome.genes.get(gene).region.clone()
        }
    })
}

pub(super) fn go_to(state: &mut State, option: &str, locus: Option<&str>) -> Result<(), Failure> {
    let Some(locus) = locus else { return Ok(()) };
    Ok(state.go_to(locus).map_err(|e| anyhow!("{option} {locus}: {e}"))?)
}

pub(super) fn choose_gene(state: &mut State, figure: &FigureArgs) -> Result<(), Failure> {
    if let Some(name) = &figure.gene {
        let found = state.session.genome.genes.find(name);
        state.gene = Some(found.ok_or_else(|| anyhow!("--gene {name}: the session has no such gene"))?);
    }
    Ok(())
}

pub(super) fn analyses(figure: &FigureArgs, state: &State) -> Vec<Analysis> {
    let mut wanted: Vec<Analysis> = match &figure.analyses {
        Some(choices) => choices.iter().filter_map(|c| c.analysis()).collect(),
        None if state.region.len() <= MUTAGENESIS_SPAN => Analysis::WANTED.to_vec(),
        None => vec![Analysis::IntegratedGradients, Analysis::Occlusion, Analysis::SignificantBins],
    };
    if figure.analyses.is_none() {
        wanted.extend(state.more_analyses.iter().copied());
    }
    if figure.ism || figure.seqlets || state.wants_seqlets {
        wanted.push(Analysis::SaturationMutagenesis);
    }
    if let Some(Comparison::Method(analysis)) = state.compared.with {
        wanted.push(analysis);
    }
    let of_all: Vec<Analysis> = Analysis::ALL.into_iter().filter(|a| wanted.contains(a)).collect();
    let mut others: Vec<Analysis> = Vec::new();
    wanted.into_iter().filter(|a| !Analysis::ALL.contains(a)).for_each(|a| {
        if !others.contains(&a) {
            others.push(a);
        }
    });
    of_all.into_iter().chain(others).collect()
}

/// Hides the rows that were not asked for and sets heights.
pub(super) fn arrange(state: &mut State, figure: &FigureArgs, analyses: &[Analysis]) -> Result<(), Failure> {
    if state.subject().is_none()
        && let Some(info) = state.current_model()
    {
        let reason = info.manifest.as_ref().err().cloned();
        let reason = reason.unwrap_or_else(|| "the session has no gene to explain here".to_owned());
        let message = format!("model {} is left out: {reason}", info.name());
        state.say(message);
        // A figure names no model that it shows nothing of.
        state.model = None;
    }
    for analysis in Analysis::ALL.into_iter().filter(|a| !analyses.contains(a)) {
        hide(state, RowId::Attribution(analysis));
    }
    let with_row = analyses.iter().filter(|analysis| **analysis != Analysis::SignificantBins);
    with_row.for_each(|analysis| state.show_analysis(*analysis));
    state.more_analyses.retain(|analysis| analyses.contains(analysis));
    state.wants_seqlets |= figure.seqlets;
    state.wants_cores |= figure.cores;
    let labels = labels(state);
    for label in &figure.hide {
        check_label("--hide", label, &labels)?;
        state.row_views.entry(label.clone()).or_default().is_hidden = true;
    }
    for setting in &figure.lines {
        let parsed = setting.rsplit_once('=').and_then(|(label, n)| Some((label, n.parse::<i16>().ok()?)));
        let (label, lines) = parsed.ok_or_else(|| Failure::Usage(format!("--lines {setting}: write LABEL=2 or LABEL=-1")))?;
        check_label("--lines", label, &labels)?;
        state.row_views.entry(label.to_owned()).or_default().extra_lines = lines.clamp(-6, 20);
    }
    Ok(())
}

fn check_label(option: &str, label: &str, labels: &[String]) -> Result<(), Failure> {
    match labels.iter().any(|l| l == label) {
        true => Ok(()),
        false => Err(Failure::Usage(format!("{option} {label}: the rows are {}", labels.join(", ")))),
    }
}

/// Labels that rows can have with this session, whatever the sample or zoom.
fn labels(state: &State) -> Vec<String> {
    let compared = [RowId::Error, RowId::ComparedAttention, RowId::ComparedAttribution, RowId::Difference];
    let of_model = [RowId::Predicted, RowId::Attention]
        .into_iter()
        .chain(compared)
        .chain(state.analyses().into_iter().map(RowId::Attribution));
    let rows = [RowId::Edits, RowId::Sequence, RowId::Genes].into_iter().chain(of_model);
    let mut labels: Vec<String> = rows.map(|row| state.label(row)).collect();
    labels.extend(state.session.tracks.iter().map(|track| track.label.clone()));
    labels.extend(state.rows().into_iter().map(|row| state.label(row)));
    let beside = |i| state.counterpart(RowId::Track(TrackId(i))).map(|row| state.label(row));
    labels.extend((0..state.session.tracks.len()).filter_map(beside));
    let mut seen = std::collections::HashSet::new();
    labels.retain(|label| seen.insert(label.clone()));
    labels
}

pub(super) fn hide(state: &mut State, row: RowId) {
    state.row_views.entry(state.label(row)).or_default().is_hidden = true;
}

/// Rows nobody asked for by name are left out where the network cannot fill them.
pub(super) fn leave_out_inapplicable(state: &mut State, analyses: &[Analysis]) {
    for &analysis in analyses.iter().filter(|analysis| **analysis != Analysis::SignificantBins) {
        if matches!(state.explained.drawn_attribution(analysis).1, RowState::NotApplicable(_)) {
            hide(state, RowId::Attribution(analysis));
        }
    }
}

/// Genes of a list, or all.
pub(super) fn chosen_genes(state: &State, list: Option<&str>) -> Result<Vec<GeneId>, Failure> {
    let genes = &state.session.genome.genes;
    let Some(list) = list else { return Ok(genes.iter().map(|(id, _)| id).collect()) };
    let find = |l: &loci::NamedLocus| {
        genes.find(&l.name).ok_or_else(|| anyhow!("--loci {}: the session has no such gene", l.name).into())
    };
    loci::read(list)?.iter().map(find).collect()
}
