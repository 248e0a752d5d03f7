//! Tables, called bins as BED, and the page of charts.

use super::super::Failure;
use super::elements::ElementSet;
use super::{OfGene, Place};
use crate::export::{self, Chart, FigureOptions, Marks, draw_charts};
use crate::models::{Manifest, WindowSpec};
use crate::regulation::attention::{reach, region_of};
use crate::regulation::enrichment::{Enrichment, marks_in_bins};
use crate::regulation::significance::LEVEL;
use crate::theme::Theme;
use crate::tracks::{TrackError, clean_text, write_whole};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

fn write_lines(path: &Path, made: &str, lines: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let line = |fields: Vec<String>| fields.iter().map(|f| clean_text(f)).collect::<Vec<_>>().join("\t") + "\n";
    let text = format!("# {}\n{}", clean_text(made), lines.map(line).collect::<String>());
    Ok(write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

/// A number of a table.
fn number(x: f64) -> String {
    if x.is_finite() { format!("{x:.4}") } else { "NA".to_owned() }
}

pub(super) fn write_sets(
    path: &Path,
    made: &str,
    sets: &[ElementSet],
    tests: &[Enrichment],
    genes: usize,
) -> Result<(), Failure> {
    let head = owned([
        "elements",
        "genes",
        "in_windows",
        "hit",
        "expected_shifted",
        "p_shifted",
        "expected_matched",
        "p_matched",
        "a_re",
        "a_nre",
        "na_re",
        "na_nre",
        "fisher_odds_bins_as_independent",
        "fisher_p_bins_as_independent",
        "mann_whitney_p_bins_as_independent",
    ]);
    let of = |(set, e): (&ElementSet, &Enrichment)| {
        vec![
            set.name.clone(),
            genes.to_string(),
            e.elements.to_string(),
            e.hits.to_string(),
            number(e.expected_shifted),
            format!("{:.3e}", e.p_shifted),
            number(e.expected_matched),
            format!("{:.3e}", e.p_matched),
            e.counts.a_re.to_string(),
            e.counts.a_nre.to_string(),
            e.counts.na_re.to_string(),
            e.counts.na_nre.to_string(),
            number(e.fisher.odds_ratio),
            format!("{:.3e}", e.fisher.p_greater),
            format!("{:.3e}", e.p_mann_whitney),
        ]
    };
    for (set, e) in sets.iter().zip(tests) {
        say!(
            "{}: {} of {} elements hit; {:.1} expected of shifted bins (p {:.2e}), {:.1} of another gene's bins (p {:.2e})",
            clean_text(&set.name),
            e.hits,
            e.elements,
            e.expected_shifted,
            e.p_shifted,
            e.expected_matched,
            e.p_matched
        );
    }
    write_lines(path, made, std::iter::once(head).chain(sets.iter().zip(tests).map(of)))
}

pub(super) fn write_genes(
    path: &Path,
    made: &str,
    sets: &[ElementSet],
    tests: &[Enrichment],
    found: &[(usize, OfGene)],
    place: &Place<'_>,
) -> Result<(), Failure> {
    let head = owned([
        "gene_id",
        "gene",
        "elements",
        "a_re",
        "a_nre",
        "na_re",
        "na_nre",
        "in_window",
        "hit",
        "expected_shifted",
        "p",
        "q",
    ]);
    let lines = sets.iter().zip(tests).flat_map(|(set, e)| {
        found.iter().zip(&e.genes).map(move |((i, _), of)| {
            let (gene, ..) = place(*i);
            let counts = [of.counts.a_re, of.counts.a_nre, of.counts.na_re, of.counts.na_nre].map(|c| c.to_string());
            let mut line = vec![gene.id.clone(), gene.name.clone(), set.name.clone()];
            line.extend(counts);
            line.extend([of.elements.to_string(), of.hits.to_string(), number(of.expected), number(of.p), number(of.q)]);
            line
        })
    });
    write_lines(path, made, std::iter::once(head).chain(lines))
}

/// Called bins: what they read, the gene and row, `-log10 q` times 100 as score, the strand.
pub(super) fn write_bins(
    path: &Path,
    made: &str,
    found: &[(usize, OfGene)],
    manifest: &Manifest,
    place: &Place<'_>,
) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for (i, of) in found {
        let (gene, _, window) = place(*i);
        for (row, called) in of.called.iter().enumerate() {
            let mark = if of.called.len() > 1 { manifest.input.marks.get(row).map_or("", |m| m.as_str()) } else { "" };
            for bin in (0..called.len()).filter(|&bin| called[bin]) {
                let region = region_of(&window, &reach(manifest, called.len(), bin));
                let name = [gene.name.as_str(), mark].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join(":");
                let score = (-100.0 * of.q[row][bin].max(1e-10).log10()).clamp(0.0, 1_000.0) as u32;
                lines.push((region.chrom.clone(), region.start, region.end, name, score, gene.strand));
            }
        }
    }
    lines.sort_by(|a, b| (&a.0, a.1, a.2, &a.3).cmp(&(&b.0, b.1, b.2, &b.3)));
    let line = |(chrom, start, end, name, score, strand): (Arc<str>, u64, u64, String, u32, crate::genome::Strand)| {
        vec![chrom.to_string(), start.to_string(), end.to_string(), name, score.to_string(), strand.to_string()]
    };
    write_lines(path, made, lines.into_iter().map(line))
}

pub(super) fn write_marks(
    path: &Path,
    made: &str,
    found: &[(usize, OfGene)],
    manifest: &Manifest,
    high_above: f64,
) -> Result<(), Failure> {
    let k = manifest.input.marks.len();
    let head = owned(["genes", "mark", "n", "mean_in_called_bins", "mean_elsewhere", "mann_whitney_p"]);
    let mut lines = vec![head];
    for (group, wanted) in [("predicted high", true), ("predicted low", false)] {
        let any: Vec<(Vec<bool>, &OfGene)> =
            found.iter().filter(|(_, of)| (of.score > high_above) == wanted).map(|(_, of)| (of.any(), of)).collect();
        let genes: Vec<(&[bool], &[f32])> = any.iter().map(|(called, of)| (&called[..], &of.marks[..])).collect();
        for mark in marks_in_bins(&genes, k) {
            let name = manifest.input.marks[mark.mark].clone();
            let numbers = [number(mark.called), number(mark.others), format!("{:.3e}", mark.p)];
            lines.push([group.to_owned(), name, mark.genes.to_string()].into_iter().chain(numbers).collect());
        }
    }
    write_lines(path, made, lines.into_iter())
}

/// Mean attention along the window of genes predicted high and low, and how many bins are called.
pub(super) fn draw(
    path: &Path,
    made: &str,
    found: &[(usize, OfGene)],
    high_above: f64,
    window: &WindowSpec,
) -> Result<(), Failure> {
    let mut charts = Vec::new();
    let n = found.iter().map(|(_, of)| of.n_bins()).max().unwrap_or(0);
    let group = |wanted: bool| found.iter().filter(move |(_, of)| (of.score > high_above) == wanted);
    let from_tss = |bin: usize| (bin as f64 + 0.5) / n.max(1) as f64 * window.length as f64 - window.tss_index as f64;
    let curve = |wanted: bool, of_bin: &dyn Fn(&OfGene, usize) -> f64| -> Vec<(f64, f64)> {
        let sums: Vec<f64> = (0..n).map(|bin| group(wanted).map(|(_, of)| of_bin(of, bin)).sum::<f64>()).collect();
        let count = group(wanted).count().max(1) as f64;
        sums.iter().enumerate().map(|(bin, sum)| (from_tss(bin), sum / count)).collect()
    };
    let along = |title: String, unit: &str, of_bin: &dyn Fn(&OfGene, usize) -> f64| Chart {
        title,
        axes: ["bases from the TSS, in the direction of reading".to_owned(), unit.to_owned()],
        marks: Marks::Lines(
            [("predicted high", true), ("predicted low", false)].map(|(name, is)| (name.to_owned(), curve(is, of_bin))).into(),
        ),
    };
    let attention = |of: &OfGene, bin: usize| of.attention.iter().map(|row| f64::from(row[bin])).sum();
    charts.push(along("mean attention".to_owned(), "attention of a bin", &attention));
    let called = |of: &OfGene, bin: usize| f64::from(u8::from(of.called.iter().any(|row| row[bin])));
    charts.push(along(format!("where bins are called (q < {LEVEL})"), "share of genes", &called));
    let mut counts: BTreeMap<bool, Vec<f64>> = BTreeMap::new();
    for (_, of) in found {
        let called = of.any().iter().filter(|c| **c).count() as f64;
        counts.entry(of.score > high_above).or_default().push(called);
    }
    let five = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        [0.025, 0.25, 0.5, 0.75, 0.975].map(|share| values[((values.len() - 1) as f64 * share).round() as usize])
    };
    let name = |high: &bool| if *high { "predicted high" } else { "predicted low" };
    // In the order and so the colours of the lines above.
    let boxes = counts.into_iter().rev().map(|(high, values)| (name(&high).to_owned(), five(values))).collect();
    charts.push(Chart {
        title: "called bins a gene".to_owned(),
        axes: ["bins".to_owned(), String::new()],
        marks: Marks::Boxes(boxes),
    });
    let theme = Theme::named("print")?;
    let svg = draw_charts("Attended bins", &[made.to_owned()], &charts, 174.0, &theme)?;
    Ok(export::write(path, &svg, &FigureOptions::new(theme))?)
}
