//! Trained on one sample, judged in each: for genes it learnt from and for genes it never saw, beside the mean of the other samples,
//! which knows the genes and nothing of the sample.

use super::{Design, Study, judged_output};
use crate::training::{Dataset, Fitted, Panel, Split, TrainingError, pearson, predict};
use std::collections::BTreeMap;

pub(super) const CROSS_SAMPLE: Design = Design {
    name: "cross-sample",
    about: "trained on each sample, judged in each, on seen and on unseen genes, with the mean of the other samples and r per gene (DeepCORE)",
    run,
};

fn run(study: &mut Study<'_>) -> Result<(), TrainingError> {
    if study.samples.len() < 2 {
        return Err(TrainingError::Data("cross-sample: name two samples or more".to_owned()));
    }
    let (manifest, samples, options) = (study.manifest.clone(), study.samples.clone(), study.options.clone());
    let all = study.read(&manifest, &samples)?;
    let split = study.split(&all)?;
    let of = |part: &[usize], sample: usize| -> Vec<usize> {
        part.iter().copied().filter(|i| all.examples[*i].sample == sample).collect()
    };
    for (from, id) in samples.iter().enumerate() {
        let own = Split { train: of(&split.train, from), valid: of(&split.valid, from), test: of(&split.test, from) };
        let label = format!("trained on {}", study.name_of(*id));
        let mut data = all.clone();
        let Some(fits) = study.trial(&label, &manifest, &options, &mut data, &own)? else { continue };
        for (i, fitted) in fits.iter().enumerate() {
            study.seed = options.seed + i as u64;
            for to in (0..samples.len()).filter(|to| *to != from) {
                study.judge(&format!("{label}, genes it learnt from"), fitted, &data, &of(&split.train, to))?;
                study.judge(&format!("{label}, genes it never saw"), fitted, &data, &of(&split.test, to))?;
            }
            let r = r_by_gene(fitted, &data, &split.test)?;
            let line = study.line(&label, &data, &split.test, "r_by_gene", r);
            study.lines.push(line);
        }
        study.seed = options.seed;
        mean_of_others(study, &all, &own, &of(&split.test, from), from);
    }
    Ok(())
}

/// Mean over genes of the correlation over samples.
fn r_by_gene(fitted: &Fitted, data: &Dataset, test: &[usize]) -> Result<f64, TrainingError> {
    let scores = predict(&*fitted.model, data, test)?;
    let (mut predicted, mut measured) = (BTreeMap::<_, Vec<f64>>::new(), BTreeMap::<_, Vec<f64>>::new());
    for (i, score) in test.iter().zip(scores) {
        let example = &data.examples[*i];
        predicted.entry(&example.gene).or_default().push(score);
        measured.entry(&example.gene).or_default().push((example.expression + 1e-2).ln());
    }
    let of: Vec<f64> = predicted.iter().map(|(gene, x)| pearson(x, &measured[gene])).filter(|r| r.is_finite()).collect();
    Ok(of.iter().sum::<f64>() / of.len() as f64)
}

/// Each gene's mean over the other samples as its prediction in this one.
fn mean_of_others(study: &mut Study<'_>, all: &Dataset, own: &Split, test: &[usize], sample: usize) {
    let manifest = study.manifest.clone();
    let output = judged_output(&manifest, all, own);
    let mut others: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for example in all.examples.iter().filter(|e| e.sample != sample) {
        others.entry(&example.gene).or_default().push((example.expression + output.pseudocount.max(1e-2)).ln());
    }
    let judged: Vec<usize> = test.iter().copied().filter(|i| others.contains_key(&all.examples[*i].gene)).collect();
    // One row a sample is what a panel averages; here each gene has its own number of samples.
    let mean = |i: &usize| {
        let rows = others[&all.examples[*i].gene].iter().map(|x| vec![*x]).collect();
        Panel { rows }.mean_row()[0]
    };
    let scores: Vec<f64> = judged.iter().map(mean).collect();
    let truth = all.targets(&judged, &output);
    study.score("mean of the other samples", all, &judged, &scores, &truth, &manifest);
}
