//! The page of charts of an evaluation.

use super::super::Failure;
use crate::export::{self, Chart, FigureOptions, Marks, draw_charts};
use crate::models::OutputKind;
use crate::theme::Theme;
use crate::training::{
    Evaluation, bootstrap_values, measures, median, percentile, precision_recall_points, receiver_operating_points,
};
use std::path::Path;

/// Points of a curve from scores and classes.
type Curve = fn(&[f64], &[f64]) -> Vec<(f64, f64)>;

/// Width of the page: two columns of a journal.
const WIDTH_MM: f64 = 174.0;

/// Writes what there is to see of each sample: points of a regression, curves of classes, and the predictors side by side.
pub(super) fn write<'a>(
    path: &Path,
    provenance: &str,
    evaluations: impl Iterator<Item = &'a Evaluation>,
    unit: &str,
) -> Result<(), Failure> {
    let charts: Vec<Chart> = evaluations.flat_map(|evaluation| charts(evaluation, unit)).collect();
    write_charts(path, "Evaluation", provenance, &charts)
}

/// Writes any charts with what made them.
pub(in crate::cli) fn write_charts(path: &Path, title: &str, provenance: &str, charts: &[Chart]) -> Result<(), Failure> {
    let theme = Theme::named("print")?;
    let svg = draw_charts(title, &[provenance.to_owned()], charts, WIDTH_MM, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}

/// Five numbers of a box.
pub(super) fn five(mut values: Vec<f64>) -> [f64; 5] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.25, 0.5, 0.75, 0.975].map(|share| percentile(&values, share))
}

/// The charts of one sample: predicted against measured where that is a number, both curves, the predictors side by side.
pub(in crate::cli) fn charts(evaluation: &Evaluation, unit: &str) -> Vec<Chart> {
    let Evaluation { sample, truth, predictors, kind, .. } = evaluation;
    let chart = |title: String, axes: [&str; 2], marks: Marks| Chart { title, axes: axes.map(str::to_owned), marks };
    let mut charts = Vec::new();
    let Some(first) = predictors.first() else { return charts };
    let classes: Vec<f64> = match kind {
        OutputKind::Binary => truth.clone(),
        OutputKind::Regression => {
            let points = truth.iter().copied().zip(first.values.iter().copied()).collect();
            let axes = [format!("measured, {unit}"), format!("predicted, {unit}")];
            charts.push(Chart { title: format!("{sample}: {}", first.name), axes, marks: Marks::Points(points) });
            let cut = median(truth);
            truth.iter().map(|y| f64::from(u8::from(*y > cut))).collect()
        }
    };
    let high = if *kind == OutputKind::Binary { "high" } else { "above the median" };
    let curves = |of: Curve| predictors.iter().map(|p| (p.name.clone(), of(&p.values, &classes))).collect();
    let roc = Marks::Curves { curves: curves(receiver_operating_points), has_diagonal: true };
    charts.push(chart(format!("{sample}: genes {high}"), ["false positive rate", "true positive rate"], roc));
    let pr = Marks::Curves { curves: curves(precision_recall_points), has_diagonal: false };
    charts.push(chart(format!("{sample}: genes {high}"), ["recall", "precision"], pr));
    let (name, statistic) = measures(*kind)[0];
    let boxes = predictors.iter().map(|p| {
        let values = bootstrap_values(statistic, &p.values, truth, evaluation.resamplings, evaluation.seed);
        (p.name.clone(), five(values))
    });
    let boxes = Marks::Boxes(boxes.collect());
    charts.push(chart(format!("{sample}: {name} over {} resamplings", evaluation.resamplings), [name, ""], boxes));
    charts
}
