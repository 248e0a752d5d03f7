//! The numbers behind a figure, as files: what is drawn and nothing else, with what made it.

use super::FigureError;
use super::band::identifier;
use crate::genome::ChromSizes;
use crate::scene::{Lane, Plot, Row, Scene};
use crate::tracks::{
    Array, SignalInterval, TrackError, Values, bed_line, bed12_line, clean_text, write_bed, write_bedgraph, write_bigwig,
    write_npz, write_whole,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of values, by the ending of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFormat {
    /// Everything in one table, a line a value.
    Tsv,
    /// Everything as arrays.
    Npz,
    /// A file a row of values.
    BigWig,
    /// Likewise, as text.
    BedGraph,
    /// A file a row of genes or intervals.
    Bed,
}

impl ValueFormat {
    const ENDINGS: [(Self, &'static str); 6] = [
        (Self::Tsv, "tsv"),
        (Self::Npz, "npz"),
        (Self::BigWig, "bw"),
        (Self::BigWig, "bigwig"),
        (Self::BedGraph, "bedgraph"),
        (Self::Bed, "bed"),
    ];

    /// The format that the ending of a path names.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ENDINGS.into_iter().find(|(_, e)| *e == ending).map(|(format, _)| format)
    }
}

/// Writes the values of scenes; gives the files written. Formats that hold one row get a file for each, named after it.
///
/// # Errors
/// Where the ending names no format, no row has such values, or a file cannot be written.
pub fn write_values(path: &Path, scenes: &[Scene], chroms: &ChromSizes, made_by: &[String]) -> Result<Vec<PathBuf>, FigureError> {
    let format = ValueFormat::of(path).ok_or_else(|| FigureError::ValueEnding(path.display().to_string()))?;
    match format {
        ValueFormat::Tsv => {
            let text = table(scenes, made_by);
            write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?;
            Ok(vec![path.to_owned()])
        }
        ValueFormat::Npz => {
            let arrays = arrays(scenes, made_by);
            write_npz(path, &arrays.iter().map(|(name, array)| (name.as_str(), array)).collect::<Vec<_>>())?;
            Ok(vec![path.to_owned()])
        }
        ValueFormat::BigWig | ValueFormat::BedGraph => {
            let signals = signals(scenes);
            let paths = paths(path, signals.keys())?;
            for (file, signal) in paths.iter().zip(signals.values()) {
                match format {
                    ValueFormat::BigWig => write_bigwig(file, chroms, signal, &[])?,
                    _ => write_bedgraph(file, made_by, signal)?,
                }
            }
            match format {
                ValueFormat::BigWig => Ok([paths, vec![write_sidecar(path, made_by)?]].concat()),
                _ => Ok(paths),
            }
        }
        ValueFormat::Bed => {
            let rows = bed_rows(scenes);
            let paths = paths(path, rows.keys())?;
            for (file, lines) in paths.iter().zip(rows.values()) {
                write_bed(file, made_by, lines)?;
            }
            Ok(paths)
        }
    }
}

/// What made a file that has no place to say so, beside it.
fn write_sidecar(path: &Path, made_by: &[String]) -> Result<PathBuf, FigureError> {
    let sidecar = path.with_extension("provenance.txt");
    let text: String = made_by.iter().map(|line| format!("{}\n", clean_text(line))).collect();
    write_whole(&sidecar, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(&sidecar, e)))?;
    Ok(sidecar)
}

/// Values by chromosome.
type Signal = Vec<(Arc<str>, Vec<SignalInterval>)>;

/// Row and lane, in the order of the figure.
type Key = (usize, String);

/// `path` itself for a single key, else with each key's name before the ending.
fn paths<'a>(path: &Path, keys: impl ExactSizeIterator<Item = &'a Key>) -> Result<Vec<PathBuf>, FigureError> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let mut paths: Vec<PathBuf> = Vec::new();
    let n = keys.len();
    for (_, name) in keys {
        let stem = identifier(name);
        let of = |k: usize| match k {
            1 => path.with_extension(format!("{stem}.{ending}")),
            k => path.with_extension(format!("{stem}-{k}.{ending}")),
        };
        let named = (1..).map(of).find(|p| !paths.contains(p));
        paths.extend(if n == 1 { Some(path.to_owned()) } else { named });
    }
    if paths.is_empty() { Err(FigureError::NoValues(path.display().to_string())) } else { Ok(paths) }
}

/// A name for a row, and for a lane of it.
fn name_of(row: &Row, lane: &str) -> String {
    [row.label.as_str(), lane].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

/// Values of each lane of a row, one a column.
fn lanes(row: &Row) -> Vec<(String, Vec<f32>)> {
    let of_lane = |lane: &Lane| (lane.label.clone(), lane.values.clone());
    match &row.plot {
        Plot::Signal(columns, _) => {
            vec![(String::new(), columns.iter().map(|c| if c.is_missing() { f32::NAN } else { c.mean }).collect())]
        }
        Plot::Signed(lanes, _) | Plot::Heat(lanes, _) => lanes.iter().map(of_lane).collect(),
        Plot::Letters(_, values, _) => vec![(String::new(), values.clone())],
        Plot::Message(_) | Plot::Note(_) | Plot::Genes(_) | Plot::Intervals(..) | Plot::Bases(_) | Plot::Codons(_) => Vec::new(),
    }
}

/// Rows of one name are one signal, over the panels of a figure.
fn signals(scenes: &[Scene]) -> BTreeMap<Key, Signal> {
    let mut signals: BTreeMap<Key, BTreeMap<Arc<str>, Vec<SignalInterval>>> = BTreeMap::new();
    for (i, (scene, row)) in scenes.iter().flat_map(|s| s.rows.iter().map(move |r| (s, r))).enumerate() {
        for (k, (lane, values)) in lanes(row).into_iter().enumerate() {
            let name = name_of(row, &lane);
            let known = signals.keys().find(|key| key.1 == name).cloned();
            let of_chrom = signals.entry(known.unwrap_or((1_000 * i + k, name))).or_default();
            let intervals = of_chrom.entry(scene.region.chrom.clone()).or_default();
            for (column, value) in values.into_iter().enumerate().filter(|(_, v)| v.is_finite()) {
                let (start, end) = scene.bases_of_column(column);
                intervals.push(SignalInterval { start, end, value });
            }
        }
    }
    // Panels may overlap: what the first of them says stands.
    let apart = |mut intervals: Vec<SignalInterval>| {
        intervals.sort_by_key(|i| i.start);
        let mut end = 0;
        intervals.retain(|i| {
            let is_free = i.start >= end;
            end = if is_free { i.end } else { end };
            is_free
        });
        intervals
    };
    let signals = signals.into_iter().map(|(key, chroms)| {
        (key, chroms.into_iter().map(|(chrom, i)| (chrom, apart(i))).filter(|(_, i)| !i.is_empty()).collect::<Vec<_>>())
    });
    signals.filter(|(_, chroms)| !chroms.is_empty()).collect()
}

fn bed_rows(scenes: &[Scene]) -> BTreeMap<Key, Vec<String>> {
    let mut rows: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    for (i, (scene, row)) in scenes.iter().flat_map(|s| s.rows.iter().map(move |r| (s, r))).enumerate() {
        let mut lines: Vec<(u64, u64, String)> = match &row.plot {
            Plot::Genes(lanes) => lanes
                .iter()
                .flatten()
                .map(|g| {
                    let line = bed12_line(&scene.region.chrom, (g.start, g.end), &g.name, g.strand, g.cds, &g.exons);
                    (g.start, g.end, line)
                })
                .collect(),
            Plot::Intervals(lanes, _) => lanes
                .iter()
                .flatten()
                .map(|f| (f.start, f.end, bed_line(&scene.region.chrom, (f.start, f.end), &f.name, f.strand)))
                .collect(),
            _ => continue,
        };
        lines.sort();
        let known = rows.keys().find(|key| key.1 == row.label).cloned();
        let all = rows.entry(known.unwrap_or((i, row.label.clone()))).or_default();
        for (_, _, line) in lines {
            if !all.contains(&line) {
                all.push(line);
            }
        }
    }
    rows.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

const COLUMNS: &str = "panel\trow\tlane\tchrom\tstart\tend\tname\tstrand\tvalue\tmin\tmax";

/// A line a drawn value, gene or interval: 0-based half-open, `NA` where nothing was measured or computed, `.` where a row
/// has no such thing.
fn table(scenes: &[Scene], made_by: &[String]) -> String {
    let mut text: String = made_by.iter().map(|line| format!("# {}\n", clean_text(line))).collect();
    text.push_str(COLUMNS);
    text.push('\n');
    let number = |v: f32| if v.is_finite() { v.to_string() } else { "NA".to_owned() };
    let field = |t: &str| match clean_text(t).trim() {
        "" => ".".to_owned(),
        t => t.to_owned(),
    };
    for (panel, scene) in scenes.iter().enumerate() {
        let chrom = &scene.region.chrom;
        for row in &scene.rows {
            let head = |lane: &str| format!("{}\t{}\t{}\t{chrom}", panel + 1, field(&row.label), field(lane));
            let mut line = |lane: &str, start: u64, end: u64, rest: [&str; 5]| {
                let _ = writeln!(text, "{}\t{start}\t{end}\t{}", head(lane), rest.join("\t"));
            };
            match &row.plot {
                Plot::Genes(lanes) => {
                    for g in lanes.iter().flatten() {
                        line("", g.start, g.end, [&field(&g.name), &g.strand.to_string(), ".", ".", "."]);
                    }
                }
                Plot::Intervals(lanes, _) => {
                    for f in lanes.iter().flatten() {
                        let strand = f.strand.map_or_else(|| ".".to_owned(), |s| s.to_string());
                        line("", f.start, f.end, [&field(&f.name), &strand, ".", ".", "."]);
                    }
                }
                Plot::Signal(columns, _) => {
                    for (i, c) in columns.iter().enumerate() {
                        let (start, end) = scene.bases_of_column(i);
                        line("", start, end, [".", ".", &number(c.mean), &number(c.min), &number(c.max)]);
                    }
                }
                Plot::Bases(bases) => {
                    for (i, base) in bases.iter().enumerate() {
                        let (start, end) = scene.bases_of_column(i);
                        line("", start, end, [&field(&char::from(*base).to_string()), ".", ".", ".", "."]);
                    }
                }
                Plot::Letters(bases, values, _) => {
                    for (i, (base, value)) in bases.iter().zip(values).enumerate() {
                        let (start, end) = scene.bases_of_column(i);
                        line("", start, end, [&field(&char::from(*base).to_string()), ".", &number(*value), ".", "."]);
                    }
                }
                Plot::Signed(..) | Plot::Heat(..) => {
                    for (lane, values) in lanes(row) {
                        for (i, value) in values.into_iter().enumerate() {
                            let (start, end) = scene.bases_of_column(i);
                            line(&lane, start, end, [".", ".", &number(value), ".", "."]);
                        }
                    }
                }
                Plot::Codons(lanes) => {
                    for lane in lanes {
                        for codon in &lane.codons {
                            let acid = field(&char::from(codon.acid).to_string());
                            line(&lane.label, codon.start, codon.start + 3, [&acid, &lane.label[..1], ".", ".", "."]);
                        }
                    }
                }
                Plot::Message(_) | Plot::Note(_) => {}
            }
        }
    }
    text
}

/// Per panel `start` and `end` [columns], and per row a matrix [lanes, columns] with the names of its lanes; signals have
/// their lowest and highest values besides.
fn arrays(scenes: &[Scene], made_by: &[String]) -> Vec<(String, Array)> {
    let mut arrays: Vec<(String, Array)> = Vec::new();
    let scalar = |text: String| Array { shape: Vec::new(), values: Values::Text(vec![text]) };
    for (panel, scene) in scenes.iter().enumerate() {
        let prefix = if scenes.len() > 1 { format!("panel{}_", panel + 1) } else { String::new() };
        let edges = |edge: fn((u64, u64)) -> u64| {
            let values: Vec<i64> = (0..scene.n_columns).map(|i| edge(scene.bases_of_column(i)) as i64).collect();
            Array { shape: vec![values.len()], values: Values::I64(values) }
        };
        arrays.push((format!("{prefix}chrom"), scalar(scene.region.chrom.to_string())));
        arrays.push((format!("{prefix}start"), edges(|e| e.0)));
        arrays.push((format!("{prefix}end"), edges(|e| e.1)));
        for row in &scene.rows {
            let lanes = lanes(row);
            let Some(n) = lanes.first().map(|(_, values)| values.len()) else { continue };
            let stem = format!("{prefix}{}", identifier(&row.label));
            let is_taken = |name: &String| arrays.iter().any(|(taken, _)| taken == name);
            let named = (1..).map(|k| if k == 1 { stem.clone() } else { format!("{stem}_{k}") }).find(|n| !is_taken(n));
            let name = named.unwrap_or(stem);
            let names = lanes.iter().map(|(lane, _)| clean_text(lane).into_owned()).collect();
            let matrix: Vec<f32> = lanes.iter().flat_map(|(_, values)| values.iter().copied()).collect();
            arrays.push((name.clone(), Array::f32(&[lanes.len(), n], matrix)));
            arrays.push((format!("{name}_lanes"), Array::text(names)));
            if let Plot::Signal(columns, _) = &row.plot {
                for (what, value) in
                    [("min", columns.iter().map(|c| c.min).collect::<Vec<_>>()), ("max", columns.iter().map(|c| c.max).collect())]
                {
                    arrays.push((format!("{name}_{what}"), Array::f32(&[1, n], value)));
                }
            }
            if let Plot::Letters(bases, ..) = &row.plot {
                arrays.push((format!("{name}_bases"), scalar(String::from_utf8_lossy(bases).into_owned())));
            }
        }
    }
    arrays.push(("provenance".to_owned(), scalar(made_by.join("\n"))));
    arrays
}
