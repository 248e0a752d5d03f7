//! Attention beside a mark that the model does not read.

use super::super::input::GeneInputs;
use super::super::{Failure, interrupt};
use super::{EnrichArgs, OfGene};
use crate::attribution::{Options, method, run_whole};
use crate::models::{InputSource, Model, SampleSource};
use crate::regulation::significance::read_gene;
use crate::regulation::statistics::pearson;
use crate::session::Readers;

/// Correlation over bins of a mark's mean with mean attention, class optimisation and saliency, over genes predicted high
/// (AttentiveChrome, table 3).
pub(super) fn unseen(
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
            let found = run_whole(optimisation, model, &input, &Options { seed: args.table.seed, ..optimisation.defaults() })?;
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
