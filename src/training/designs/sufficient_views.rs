//! For which genes marks alone, or sequence alone, say as much as both (iSEGnet supplement 6).

use super::{Design, Line, Study};
use crate::training::{TrainingError, predict, root_mean_square_error};

pub(super) const SUFFICIENT_VIEWS: Design = Design {
    name: "sufficient-views",
    about: "genes that a network of one view predicts within the error of the network of both (iSEGnet)",
    run,
};

/// A view suffices for a gene where its error is at most the root mean square error of the network of both views: the published rule is
/// not printed, so this one is ours.
fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    let both = study.manifest.clone();
    if both.input.sequence.is_none() || both.input.marks.is_empty() {
        return Err(TrainingError::Data("sufficient-views: the network must read sequence and marks".to_owned()));
    }
    let (mut sequence, mut marks) = (both.clone(), both.clone());
    sequence.input.marks.clear();
    sequence.input.scale.clear();
    marks.input.sequence = None;
    study.seeds = 1;
    let (options, samples) = (study.options.clone(), study.samples.clone());
    let (mut errors, mut genes, mut least) = (Vec::new(), Vec::new(), f64::NAN);
    for (label, manifest) in [("both views", &both), ("marks alone", &marks), ("sequence alone", &sequence)] {
        let mut data = study.read(manifest, &samples)?;
        let split = study.split(&data)?;
        let Some(fits) = study.trial(label, manifest, &options, &mut data, &split)? else { return Ok(()) };
        let scores = predict(&*fits[0].model, &data, &split.test)?;
        let truth = data.targets(&split.test, &fits[0].manifest.output);
        if label == "both views" {
            least = root_mean_square_error(&scores, &truth);
            genes = split.test.iter().map(|i| study.line(&data.examples[*i].gene, &data, &[*i], "suffices", f64::NAN)).collect();
        } else {
            errors.push(scores.iter().zip(&truth).map(|(x, y)| (x - y).abs()).collect::<Vec<_>>());
        }
    }
    let mut counts = [0usize; 4];
    let names = ["neither", "sequence", "marks", "either"];
    for (i, line) in genes.iter_mut().enumerate() {
        let which = 2 * usize::from(errors[0][i] <= least) + usize::from(errors[1][i] <= least);
        counts[which] += 1;
        names[which].clone_into(&mut line.note);
    }
    for (name, count) in names.iter().zip(counts) {
        let mut line: Line = genes[0].clone();
        (line.label, line.genes, line.note) = (format!("{name} suffices"), genes.len(), String::new());
        (line.statistic, line.interval.value) = ("share_of_genes".to_owned(), count as f64 / genes.len() as f64);
        study.lines.push(line);
    }
    study.lines.extend(genes);
    Ok(())
}
