//! First-layer filters as motifs, with what F loses without each.

use super::super::input::{Inputs, find_model};
use super::super::{Failure, interrupt};
use super::{MotifsArgs, each, made_by, tf_of, write_table};
use crate::export::{self, FigureOptions, Logo, draw_logos};
use crate::models::{Input, Model, SequenceFilters, load_without_filter};
use crate::motifs::{MOTIF_FORMATS, Motif, Tomtom};
use crate::regulation::motif_analysis::{self as analysis, FILTER_SHARE};
use crate::theme::Theme;
use crate::tracks::{TrackError, write_whole};
use rayon::prelude::*;
use std::io::Write;

/// Genes in which a filter's influence is measured.
const INFLUENCE_GENES: usize = 20;
pub(super) fn filters(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
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
    write_table(&args.table.out, &made, &head, &rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>())?;
    say!("{} filters, {} excited, {matched} like a motif at E < 0.01 (of {} motifs)", filters.len(), logos.len(), motifs.len());
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
