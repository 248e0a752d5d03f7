//! Motifs in stretches of high attribution, motifs knocked out, stretches on measured peaks.

use super::super::input::Inputs;
use super::super::{Failure, interrupt};
use super::{MotifsArgs, each, made_by, tf_of, write_table};
use crate::attribution::kernels::evaluator;
use crate::attribution::{Method, MutagenesisView, Run, method};
use crate::genome::Region;
use crate::models::{Input, Model};
use crate::motifs::Motif;
use crate::regulation::motif_analysis::{self as analysis, KnockOut};
use crate::tracks::{self, Features, Track, clean_text};
use std::ops::Range;
use std::sync::Arc;

/// Draws of shifts.
const SHIFTS: usize = 1_999;

fn find_method(args: &MotifsArgs, model: &dyn Model) -> Result<&'static dyn Method, Failure> {
    let found = method(&args.method).ok_or_else(|| Failure::Usage(format!("no method \"{}\"", args.method)))?;
    match found.obstacle(model) {
        Some(reason) => Err(Failure::Usage(format!("{} says nothing about this model: {reason}", found.name()))),
        None => Ok(found),
    }
}

/// Stretches of a window where the sizes of attribution are highest.
fn stretches(args: &MotifsArgs, method: &dyn Method, model: &dyn Model, input: &Input) -> Result<Vec<Range<usize>>, String> {
    let is_current = || !interrupt::is_interrupted();
    let result =
        method.attribute(model, input, &method.defaults(), &mut Run::new(&is_current, &mut |_| ())).map_err(|e| e.to_string())?;
    let (Some(deltas), Some(bases)) = (&result.sequence, &input.sequence) else {
        return Err(format!("{} gives no value a base", method.name()));
    };
    let view = MutagenesisView::of_method(method.name());
    let sizes: Vec<f32> = view.values(deltas, bases).into_iter().map(f32::abs).collect();
    Ok(analysis::highest_stretches(&sizes, args.width as usize, args.top as usize))
}

pub(super) fn enrichment(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
    let method = find_method(args, model)?;
    let scanners = analysis::scanners(motifs)?;
    let made = made_by(args, model, inputs);
    let work = |input: &Input, i: usize| -> Result<Vec<[Vec<bool>; 2]>, String> {
        let bases = input.sequence.as_deref().unwrap_or_default();
        let of = |(j, stretch): (usize, Range<usize>)| {
            let here = &bases[stretch];
            let control = analysis::control(here, args.table.seed, (i * 1_000 + j) as u64);
            [analysis::has_site(&scanners, here), analysis::has_site(&scanners, &control)]
        };
        Ok(stretches(args, method, model, input)?.into_iter().enumerate().map(of).collect())
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let (mut sites, mut control) = (Vec::new(), Vec::new());
    for [here, shuffled] in found.into_iter().flatten() {
        sites.push(here);
        control.push(shuffled);
    }
    let tests = analysis::motif_enrichment(&sites, &control);
    let row = |e: &analysis::MotifEnrichment| {
        let motif = &motifs[e.motif];
        let numbers = [sites.len().to_string(), e.with_site.to_string(), e.control_with_site.to_string()];
        let mut row = vec![motif.name.clone(), tf_of(motif)];
        row.extend(numbers);
        row.extend([format!("{:.3e}", e.p), format!("{:.3e}", e.q)]);
        row
    };
    let made = format!(
        "{made}; {} of the {} stretches of {} bases with the largest {} in each window",
        sites.len(),
        args.top,
        args.width,
        method.name()
    );
    let head = ["motif", "tf", "stretches", "with_site", "shuffled_with_site", "p", "q"];
    write_table(&args.table.out, &made, &head, &tests.iter().map(row).collect::<Vec<_>>())?;
    let called: Vec<&str> = tests.iter().filter(|e| e.q < 0.05).map(|e| motifs[e.motif].name.as_str()).collect();
    say!(
        "{} stretches; {} of {} motifs enriched at q < 0.05: {}",
        sites.len(),
        called.len(),
        motifs.len(),
        clean_text(&called.join(", "))
    );
    journal.remove();
    Ok(())
}

pub(super) fn knock_out(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs, motifs: &[Motif]) -> Result<(), Failure> {
    let scanners = analysis::scanners(motifs)?;
    let made = made_by(args, model, inputs);
    let work = |input: &Input, i: usize| -> Result<Vec<(usize, f64)>, String> {
        let is_current = || !interrupt::is_interrupted();
        let evaluator = evaluator(model, input).map_err(|e| e.to_string())?;
        let bases = input.sequence.as_deref().unwrap_or_default();
        let found = analysis::knock_outs(&*evaluator, bases, &scanners, args.table.seed ^ (i as u64 + 1), &is_current);
        Ok(found.map_err(|e| e.to_string())?.iter().map(|KnockOut { sites, loss }| (*sites, *loss)).collect())
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let mut rows: Vec<(f64, Vec<String>)> = (0..motifs.len())
        .map(|m| {
            let with: Vec<(usize, f64)> = found.iter().map(|of| of[m]).filter(|of| of.0 > 0).collect();
            let n = with.len().max(1) as f64;
            let (mean, size) = (with.iter().map(|w| w.1).sum::<f64>() / n, with.iter().map(|w| w.1.abs()).sum::<f64>() / n);
            let sites: usize = with.iter().map(|w| w.0).sum();
            let row = vec![
                motifs[m].name.clone(),
                tf_of(&motifs[m]),
                with.len().to_string(),
                sites.to_string(),
                format!("{mean:.6}"),
                format!("{size:.6}"),
            ];
            (size, row)
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let made = format!(
        "{made}; sites of p <= {}; mean loss of F over {} draws of noise and the {} windows, those with a site",
        analysis::SITE_P,
        analysis::NOISE_DRAWS,
        found.len()
    );
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    write_table(&args.table.out, &made, &["motif", "tf", "windows_with_site", "sites", "mean_loss", "mean_size"], &rows)?;
    let first: Vec<String> = rows.iter().take(5).map(|row| format!("{} {}", row[0], row[4])).collect();
    say!("{} windows, {} motifs; largest: {}", found.len(), motifs.len(), clean_text(&first.join(", ")));
    journal.remove();
    Ok(())
}

/// Stretches of a window, and for each file of peaks the positions that it covers.
type InWindow = (Vec<(usize, usize)>, Vec<Vec<bool>>);

pub(super) fn peaks(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs) -> Result<(), Failure> {
    let Inputs::Genes(genes) = inputs else {
        return Err(Failure::Usage("plain arrays lie on no genome: --session with genes".to_owned()));
    };
    if args.peaks.is_empty() {
        return Err(Failure::Usage("which peaks? --peaks FILE".to_owned()));
    }
    let method = find_method(args, model)?;
    let mut sets: Vec<(String, Arc<Features>)> = Vec::new();
    for path in &args.peaks {
        let opened = tracks::open(path, None, &genes.session.genome.chroms)?;
        opened.warnings.iter().for_each(|warning| eprintln!("cislens: {}", clean_text(warning)));
        let Track::Features(features) = opened.value else {
            return Err(Failure::Usage(format!("--peaks {}: no file of intervals", path.display())));
        };
        sets.push((path.display().to_string(), features));
    }
    let made = made_by(args, model, inputs);
    let work = |input: &Input, _: usize| -> Result<InWindow, String> {
        let of = stretches(args, method, model, input)?;
        let window = &input.window;
        let covered = sets.iter().map(|(_, features)| {
            let (from, to) = (window.start().max(0) as u64, window.end().max(0) as u64);
            let mut covered = vec![false; window.len() as usize];
            for peak in features.overlapping(&Region::new(window.chrom().clone(), from, to)) {
                (peak.start.max(from)..peak.end.min(to)).for_each(|p| {
                    if let Some(i) = window.index(p as i64) {
                        covered[i as usize] = true;
                    }
                });
            }
            covered
        });
        let covered = covered.collect();
        Ok((of.into_iter().map(|s| (s.start, s.end)).collect(), covered))
    };
    let (found, journal) = each(args, inputs, model, &made, work)?;
    let mut rows = Vec::new();
    for (i, (name, _)) in sets.iter().enumerate() {
        let window = |of: &InWindow| (of.0.iter().map(|(a, b)| *a..*b).collect::<Vec<_>>(), of.1[i].clone());
        let o = analysis::peak_overlap(&found.iter().map(window).collect::<Vec<_>>(), SHIFTS, args.table.seed);
        say!(
            "{}: {} of {} stretches on a peak, {:.1} expected of shifts, p {:.2e}",
            clean_text(name),
            o.on_measured,
            o.peaks,
            o.expected,
            o.p
        );
        rows.push(vec![
            name.clone(),
            o.peaks.to_string(),
            o.on_measured.to_string(),
            format!("{:.3}", o.expected),
            format!("{:.3e}", o.p),
        ]);
    }
    let made = format!(
        "{made}; the {} stretches of {} bases with the largest {} in each window, against {SHIFTS} circular shifts",
        args.top,
        args.width,
        method.name()
    );
    write_table(&args.table.out, &made, &["peaks", "stretches", "on_peak", "expected_shifted", "p"], &rows)?;
    journal.remove();
    Ok(())
}
