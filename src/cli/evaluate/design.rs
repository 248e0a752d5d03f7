//! `cislens evaluate --design`: networks fitted under several conditions.

use super::super::train::{Watcher, threads};
use super::super::{Failure, input::find_model};
use super::page::{five, write_charts};
use super::{EvaluateArgs, Table};
use crate::export::{Chart, Marks};
use crate::models::{architecture, read_manifest};
use crate::session::{Readers, SampleId, Session};
use crate::training::{DESIGNS, Design, Line, Study, TrainingError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A design by its name.
pub(super) fn parse(name: &str) -> Result<&'static Design, String> {
    Design::named(name).ok_or_else(|| {
        let known: Vec<String> = DESIGNS.iter().map(|d| format!("\n  {}: {}", d.name, d.about)).collect();
        format!("there are{}", known.concat())
    })
}

pub(super) fn run(
    args: &EvaluateArgs,
    design: &'static Design,
    session: &Arc<Session>,
    samples: &[SampleId],
) -> Result<(), Failure> {
    let recipe = &args.recipe;
    // A network to be fitted anew: of an architecture, or as a fitted one was.
    let named = args.model.to_str().filter(|name| architecture(name).is_ok() && !args.model.join("model.toml").is_file());
    let manifest = match named {
        Some(name) => recipe.manifest(name, session, samples)?,
        None => {
            let mut manifest = read_manifest(&find_model(&args.model, session)?)?;
            (manifest.input.scale, manifest.output.threshold) = (Vec::new(), None);
            manifest.input.tfs.scale.clear();
            recipe.adapt(&mut manifest, session, samples)?;
            manifest
        }
    };
    let mut options = recipe.options(&manifest.architecture)?;
    options.bootstraps = args.bootstraps;
    let other = |name: &String| {
        let mut options = recipe.options(name)?;
        options.bootstraps = args.bootstraps;
        Ok::<_, Failure>((recipe.manifest(name, session, samples)?, options))
    };
    let others = args.architectures.iter().map(other).collect::<Result<_, _>>()?;
    let plan = recipe.plan(session)?;
    let mut watcher = Watcher::new()?;
    let provenance = format!(
        "cislens {} evaluate --design {}; {} of sample {}; {plan}; {:?}; {} seeds",
        env!("CARGO_PKG_VERSION"),
        design.name,
        manifest.architecture,
        samples.iter().map(|s| session.samples[s.0].name.as_str()).collect::<Vec<_>>().join(","),
        options,
        args.seeds
    );
    let mut study = Study {
        readers: Readers::new(session.clone()),
        manifest,
        samples: samples.to_vec(),
        plan,
        options,
        seeds: args.seeds,
        seed: recipe.seed,
        lengths: args.lengths.clone(),
        others,
        watch: &mut |what, progress, options| watcher.fitting(what, progress, options),
        lines: Vec::new(),
    };
    let run = threads(args.threads)?.install(|| design.run(&mut study));
    let lines = std::mem::take(&mut study.lines);
    drop(study);
    watcher.clear();
    run.map_err(|error| match error {
        TrainingError::Cancelled => Failure::Interrupted,
        error => error.into(),
    })?;
    let table = table(&lines, provenance);
    summary(&lines).print();
    if let Some(path) = &args.out {
        table.write(path)?;
    }
    match &args.svg {
        Some(path) => write_charts(path, "Evaluation", &table.provenance, &charts(&lines)),
        None => Ok(()),
    }
}

fn number(x: f64) -> String {
    if x.is_finite() { format!("{x:.6}") } else { "NA".to_owned() }
}

fn table(lines: &[Line], provenance: String) -> Table {
    let columns = ["condition", "sample", "seed", "genes", "statistic", "value", "low", "high", "note"];
    let row = |line: &Line| {
        let Line { label, sample, seed, genes, statistic, interval, note, .. } = line;
        let numbers = [interval.value, interval.low, interval.high].map(number);
        let [value, low, high] = numbers;
        vec![
            label.clone(),
            sample.clone(),
            seed.to_string(),
            genes.to_string(),
            statistic.clone(),
            value,
            low,
            high,
            note.clone(),
        ]
    };
    Table { provenance, columns: columns.map(str::to_owned).to_vec(), rows: lines.iter().map(row).collect() }
}

/// Conditions in order of appearance, with the values over seeds of one statistic in one sample.
fn groups(lines: &[Line]) -> Vec<(&Line, Vec<f64>)> {
    let mut groups: Vec<(&Line, Vec<f64>)> = Vec::new();
    for line in lines.iter().filter(|line| line.statistic != "suffices") {
        let is_same =
            |other: &Line| (&other.label, &other.sample, &other.statistic) == (&line.label, &line.sample, &line.statistic);
        match groups.iter_mut().find(|(other, _)| is_same(other)) {
            Some((_, values)) => values.push(line.interval.value),
            None => groups.push((line, vec![line.interval.value])),
        }
    }
    groups
}

/// One line a condition: the mean over seeds, or the value with its interval.
fn summary(lines: &[Line]) -> Table {
    let columns = ["condition", "sample", "genes", "statistic", "value", "spread", "note"];
    let row = |(line, values): (&Line, Vec<f64>)| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let spread = match values.len() {
            1 if line.interval.low.is_finite() => format!("{} to {}", number(line.interval.low), number(line.interval.high)),
            1 => String::new(),
            n => format!("sd {} over {n} seeds", number(deviation)),
        };
        let Line { label, sample, genes, statistic, note, .. } = line;
        vec![label.clone(), sample.clone(), genes.to_string(), statistic.clone(), number(mean), spread, note.clone()]
    };
    let rows = groups(lines).into_iter().map(row).collect();
    Table { provenance: String::new(), columns: columns.map(str::to_owned).to_vec(), rows }
}

/// Boxes of each sample's first statistic: over seeds where there are several, else over resamplings of the genes.
fn charts(lines: &[Line]) -> Vec<Chart> {
    let samples: BTreeSet<&String> = lines.iter().filter(|l| l.spread.is_some()).map(|l| &l.sample).collect();
    let of_sample = |sample: &&String| {
        let shown = groups(lines).into_iter().filter(|(line, _)| line.sample == **sample && line.spread.is_some());
        let shown: Vec<_> = shown.collect();
        let statistic = shown.first().map_or("", |(line, _)| line.statistic.as_str()).to_owned();
        let boxes = shown.into_iter().map(|(line, values)| {
            let spread = if values.len() > 1 { five(values) } else { line.spread.unwrap_or([f64::NAN; 5]) };
            (line.label.clone(), spread)
        });
        Chart { title: (*sample).clone(), axes: [statistic, String::new()], marks: Marks::Boxes(boxes.collect()) }
    };
    let mut charts: Vec<Chart> = samples.iter().map(of_sample).collect();
    // What was measured without resampling, as points over the conditions.
    if charts.is_empty() {
        let boxes = groups(lines).into_iter().map(|(line, values)| (format!("{} {}", line.label, line.statistic), five(values)));
        charts.push(Chart { title: String::new(), axes: [String::new(), String::new()], marks: Marks::Boxes(boxes.collect()) });
    }
    charts
}
