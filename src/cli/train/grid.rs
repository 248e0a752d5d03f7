//! `cislens train --grid`: every combination of sizes and rates, the best by the validation genes.

use super::super::Failure;
use super::Watcher;
use super::recipe::source;
use crate::models::Manifest;
use crate::tracks::{TrackError, write_whole};
use crate::training::{CHECKPOINT, Dataset, FitOptions, Fitted, Split, TrainingError, Watch, fit};
use std::io::Write;
use std::path::Path;

/// The grid of a publication: axes and their values.
type Axes = &'static [(&'static str, &'static [f64])];

/// Published grids (models.md section 2.1). DeepCORE, DeepCAGE and AttentiveChrome name none.
const PUBLISHED: &[(&str, Axes)] = &[(
    "isegnet",
    &[
        ("filters", &[16.0, 32.0, 64.0, 128.0]),
        ("kernel", &[20.0, 50.0, 100.0]),
        ("l2", &[1e-4, 0.01, 0.1, 1.0]),
        ("dropout", &[0.1, 0.3, 0.5]),
    ],
)];

/// Where the states of the fits stand until the search is over.
pub(super) const FOLDER: &str = "grid";
/// Combinations of one search.
const MOST: usize = 10_000;

/// One combination.
#[derive(Clone, Debug)]
pub(super) struct Point {
    /// `filters=16 rate=0.001`.
    label: String,
    manifest: Manifest,
    options: FitOptions,
}

/// Every combination of the axes asked for; none where no grid is.
pub(super) fn points(asked: &[String], manifest: &Manifest, options: &FitOptions) -> Result<Vec<Point>, Failure> {
    let mut axes: Vec<(String, Vec<f64>)> = Vec::new();
    for text in asked {
        if text == "published" {
            let found = PUBLISHED.iter().find(|(name, _)| *name == manifest.architecture);
            let (_, published) = found.ok_or_else(|| {
                let names: Vec<&str> = PUBLISHED.iter().map(|(name, _)| *name).collect();
                Failure::Usage(format!("--grid published: there is one of {}; name axes, as rate=0.001,0.0001", names.join(", ")))
            })?;
            axes.extend(published.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())));
            continue;
        }
        let wrong = || Failure::Usage(format!("--grid {text}: write it as NAME=A,B,..."));
        let (name, values) = text.split_once('=').ok_or_else(wrong)?;
        let values: Vec<f64> = values.split(',').map(|v| v.trim().parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        axes.push((name.trim().to_owned(), values));
    }
    if axes.is_empty() {
        return Ok(Vec::new());
    }
    let n = axes.iter().map(|(_, values)| values.len()).try_fold(1_usize, usize::checked_mul);
    if n.is_none_or(|n| n > MOST) {
        return Err(Failure::Usage(format!("--grid: more than {MOST} combinations")));
    }
    let mut points = vec![Point { label: String::new(), manifest: manifest.clone(), options: options.clone() }];
    for (name, values) in &axes {
        let mut next = Vec::new();
        for point in &points {
            for value in values {
                let mut point = point.clone();
                set(&mut point, name, *value)?;
                point.label = format!("{} {name}={value}", point.label).trim_start().to_owned();
                next.push(point);
            }
        }
        points = next;
    }
    for point in &points {
        point.options.check().map_err(|e| Failure::Usage(format!("--grid: {e}")))?;
    }
    Ok(points)
}

fn set(point: &mut Point, name: &str, value: f64) -> Result<(), Failure> {
    let whole = || match value.fract() == 0.0 && (1.0..=65_536.0).contains(&value) {
        true => Ok(value as usize),
        false => Err(Failure::Usage(format!("--grid {name}={value}: a whole number is needed"))),
    };
    match name {
        "rate" => point.options.descent.rate = value,
        "l2" => point.options.descent.l2 = value,
        "penalty" => point.options.penalty = value,
        "dropout" => point.options.dropout = value,
        "averaging" => point.options.averaging = value,
        "batch" => point.options.batch_size = whole()?,
        "seed" => {
            point.options.seed = whole()? as u64;
            point.manifest.source = source(point.options.seed);
        }
        size if point.manifest.sizes.contains_key(size) => {
            point.manifest.sizes.insert(size.to_owned(), whole()?);
        }
        _ => {
            let sizes: Vec<&str> = point.manifest.sizes.keys().map(String::as_str).collect();
            let known = format!("rate, l2, penalty, dropout, averaging, batch, seed, {}", sizes.join(", "));
            return Err(Failure::Usage(format!("--grid {name}: there are {known}")));
        }
    }
    Ok(())
}

/// Fits every point, goes on where an earlier search was stopped, and gives the best. `grid.tsv` in `out` holds what is done.
pub(super) fn search(
    points: &[Point],
    data: &mut Dataset,
    split: &Split,
    out: &Path,
    watcher: &mut Watcher,
) -> Result<Fitted, TrainingError> {
    let mut table = "point\tsettings\tepochs\tbest_epoch\twatched\tvalidation_loss\tvalidation_score\n".to_owned();
    let mut best: Option<(f64, usize)> = None;
    let folder = out.join(FOLDER);
    for (i, point) in points.iter().enumerate() {
        let fitted = at(point, i, points.len(), data, split, &folder, watcher)?;
        let epoch = &fitted.history[fitted.best_epoch - 1];
        let line = [epoch.watched, epoch.valid_loss, epoch.valid_score].map(|x| format!("{x:.6}")).join("\t");
        table += &format!("{}\t{}\t{}\t{}\t{line}\n", i + 1, point.label, fitted.history.len(), fitted.best_epoch);
        let path = out.join("grid.tsv");
        let written = write_whole(&path, |out| out.write_all(table.as_bytes()).map_err(|e| TrackError::io(&path, e)));
        written.map_err(|e| TrainingError::Write(e.to_string()))?;
        let is_rising = !matches!(point.options.watch, Watch::Loss | Watch::BothLosses);
        let score = if is_rising { epoch.watched } else { -epoch.watched };
        if best.is_none_or(|(best, _)| score > best) {
            best = Some((score, i));
        }
    }
    let (_, i) = best.ok_or_else(|| TrainingError::Data("no combination to fit".to_owned()))?;
    // Its state is that of a finished fit: nothing is fitted again.
    at(&points[i], i, points.len(), data, split, &folder, watcher)
}

fn at(
    point: &Point,
    i: usize,
    n: usize,
    data: &mut Dataset,
    split: &Split,
    folder: &Path,
    watcher: &mut Watcher,
) -> Result<Fitted, TrainingError> {
    let folder = folder.join(format!("{:05}", i + 1));
    std::fs::create_dir_all(&folder).map_err(|e| TrainingError::Write(format!("{}: {e}", folder.display())))?;
    let what = format!("{} of {n} ({})", i + 1, point.label);
    fit(&point.manifest, data, split, &point.options, Some(&folder.join(CHECKPOINT)), &mut |progress| {
        watcher.fitting(&what, progress, &point.options)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::architecture;

    #[test]
    fn a_published_grid_names_what_its_network_has() {
        let manifest = |name: &str| architecture(name).unwrap().default_manifest();
        for (name, axes) in PUBLISHED {
            let points = points(&["published".to_owned()], &manifest(name), &FitOptions::published(name)).ok().unwrap();
            assert_eq!(points.len(), axes.iter().map(|(_, values)| values.len()).product::<usize>());
            // Every axis is set at every point, and no two points are the same network and fit.
            let settings: std::collections::BTreeSet<String> =
                points.iter().map(|p| format!("{:?} {:?}", p.manifest.sizes, p.options)).collect();
            assert_eq!(settings.len(), points.len());
            assert_eq!(points[0].label, "filters=16 kernel=20 l2=0.0001 dropout=0.1");
            assert_eq!((points[0].manifest.sizes["filters"], points[0].options.descent.l2), (16, 1e-4));
        }
        let seeds = points(&["seed=1,7".to_owned()], &manifest("isegnet"), &FitOptions::default()).ok().unwrap();
        assert_eq!(seeds[1].options, FitOptions { seed: 7, ..FitOptions::default() });
        assert!(seeds[1].manifest.source.ends_with("with seed 7"), "{}", seeds[1].manifest.source);
        let other = manifest("linear");
        let options = FitOptions::of("linear");
        let error = |asked: &str| match points(&[asked.to_owned()], &other, &options) {
            Err(Failure::Usage(text)) => text,
            _ => String::new(),
        };
        assert!(error("published").contains("there is one of isegnet"));
        assert!(error("filters=16").contains("there are rate, l2"));
        assert!(error("batch=0.5").contains("a whole number"));
    }
}
