//! Does an attribution find what was planted? The sample data's truth against what a network says, beside simple scores.
//!
//! For networks that read DNA: |ISM| of working motif instances against instances that do nothing, inside the same elements. For
//! networks of marks: occlusion of the bins of planted elements against decoy peaks in the same windows.

use super::{Attribution, AttributionError, MutagenesisView, Options, method, run_whole};
use crate::genome::{GeneId, Region, Window};
use crate::models::{Input, Model, ModelError, SampleSource};
use crate::session::{Readers, SampleId};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Effects below this in ln TPM are no effect: the truth's own limit for full samples.
const SMALLEST_EFFECT: f64 = 0.05;
/// Stands for the gene of what drives none.
const NO_GENE: &str = ".";
/// The sample data's truth has 6 MB.
const MAX_BYTES: u64 = 1 << 30;
/// Bases on each side of an instance whose GC and DNase are scored.
const FLANK: u64 = 50;

/// Why a truth could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}", path = path.display())]
pub struct TruthError {
    /// The file.
    pub path: PathBuf,
    /// Line and reason.
    pub reason: String,
}

/// A line of `truth.tsv`.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthRow {
    /// The sample, `*` for every one.
    pub sample: String,
    /// The gene whose expression changes.
    pub gene: String,
    /// The element.
    pub element: String,
    /// promoter, enhancer, decoy_peak, ...
    pub kind: String,
    /// Where.
    pub region: Region,
    /// The motif of an instance; `None` for a whole element.
    pub motif: Option<String>,
    /// What ln TPM loses without it.
    pub effect: f64,
}

/// Something planted: it works in the sample, or it is a decoy.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Where.
    pub region: Region,
    /// Whether breaking it changes the gene's expression in the sample.
    pub works: bool,
}

/// How well scores tell working candidates from decoys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovery {
    /// Working candidates.
    pub working: usize,
    /// Decoys.
    pub decoys: usize,
    /// Area under the ROC curve: the chance that a working one scores above a decoy, ties half.
    pub auroc: f64,
    /// Area under the precision-recall curve (average precision); the share of working ones by chance.
    pub auprc: f64,
}

/// What candidates are scored by, beside the attribution itself.
pub const SIMPLE_SCORES: [&str; 3] = ["-|distance to TSS|", "GC", "DNase"];

/// Reads a truth table.
///
/// # Errors
/// Where the file cannot be read, or a line is none of a truth's.
pub fn read_truth(path: &Path) -> Result<Vec<TruthRow>, TruthError> {
    let error = |reason: String| TruthError { path: path.to_owned(), reason };
    let about = std::fs::metadata(path).map_err(|e| error(e.to_string()))?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(error(format!("not a regular file of at most {MAX_BYTES} bytes")));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| error(e.to_string()))?;
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|e| error(e.to_string()))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
    let header = "sample\tgene_id\telement_id\telement_kind\tchrom\tstart\tend\tstrand\tmotif\teffect";
    match lines.next() {
        Some((_, line)) if line == header => {}
        _ => return Err(error(format!("line 1 is not \"{}\"", header.replace('\t', " ")))),
    }
    let row = |(i, line): (usize, &str)| {
        let wrong = |what: &str| error(format!("line {}: {what}", i + 1));
        let columns: Vec<&str> = line.split('\t').collect();
        let [sample, gene, element, kind, chrom, start, end, _, motif, effect] = columns[..] else {
            return Err(wrong("not ten columns"));
        };
        let position = |text: &str| text.parse::<u64>().map_err(|_| wrong("a position is no number"));
        let (start, end) = (position(start)?, position(end)?);
        if end <= start {
            return Err(wrong("the end lies before the start"));
        }
        let effect = effect.parse::<f64>().ok().filter(|e| e.is_finite()).ok_or_else(|| wrong("the effect is no number"))?;
        Ok(TruthRow {
            sample: sample.to_owned(),
            gene: gene.to_owned(),
            element: element.to_owned(),
            kind: kind.to_owned(),
            region: Region::new(chrom, start, end),
            motif: (motif != ".").then(|| motif.to_owned()),
            effect,
        })
    };
    lines.map(row).collect()
}

/// Gene, element, chromosome, start and end.
type Place<'a> = (&'a str, &'a str, &'a str, u64, u64);

/// Candidates of each gene in a sample. With `motifs`: instances inside elements where at least one works, those without an effect
/// in the sample the decoys. Else: whole elements that work, and decoy peaks.
pub fn candidates(rows: &[TruthRow], sample: &str, motifs: bool) -> BTreeMap<String, Vec<Candidate>> {
    // Every planted place, and whether it works for the gene in this sample.
    let mut places: BTreeMap<Place<'_>, (bool, &TruthRow)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.motif.is_some() == motifs && (motifs || row.kind != "cpg_island")) {
        let works = row.sample == sample && row.effect.abs() >= SMALLEST_EFFECT;
        let key = (row.gene.as_str(), row.element.as_str(), &*row.region.chrom, row.region.start, row.region.end);
        let entry = places.entry(key).or_insert((false, row));
        entry.0 |= works;
    }
    let working: BTreeSet<(&str, &str)> = places.iter().filter(|(_, p)| p.0).map(|(key, _)| (key.0, key.1)).collect();
    let mut candidates: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
    for ((gene, element, ..), (works, row)) in &places {
        let is_one = if motifs { working.contains(&(*gene, *element)) } else { *works || row.kind == "decoy_peak" };
        if is_one {
            let candidate = Candidate { region: row.region.clone(), works: *works };
            candidates.entry((*gene).to_owned()).or_default().push(candidate);
        }
    }
    candidates
}

/// The score of each candidate by a network's own attribution: the largest |mean of 3 deltas| over an instance's bases, or the
/// absolute sum of occlusion deltas over an element's bins; `None` where the window does not hold it.
///
/// # Errors
/// Where the network cannot be run.
pub fn attribution_scores(
    model: &dyn Model,
    input: &Input,
    candidates: &[Candidate],
    motifs: bool,
) -> Result<Vec<Option<f64>>, AttributionError> {
    let name = if motifs { "saturation-mutagenesis" } else { "occlusion" };
    let found = method(name).ok_or_else(|| super::options::unfit(format!("no method {name}")))?;
    let result = run_whole(found, model, input, &Options::default())?;
    Ok(candidates.iter().map(|candidate| score_of(&result, input, &candidate.region)).collect())
}

fn score_of(result: &Attribution, input: &Input, region: &Region) -> Option<f64> {
    let window = &input.window;
    let indices: Vec<usize> = (region.start..region.end)
        .filter_map(|p| if *window.chrom() == region.chrom { window.index(p as i64).map(|i| i as usize) } else { None })
        .collect();
    if indices.len() < (region.end - region.start) as usize {
        return None;
    }
    if let (Some(sequence), Some(reference)) = (&result.sequence, &input.sequence) {
        let values = indices.iter().map(|&i| MutagenesisView::Mean3.value(&sequence[i], reference[i]).abs());
        return Some(values.filter(|v| v.is_finite()).fold(0.0, |a, b| f64::max(a, f64::from(b))));
    }
    let marks = result.marks.as_ref()?;
    let (k, positions) = (input.n_marks(), input.positions());
    let touched: BTreeSet<usize> = indices.iter().map(|&i| i * positions / window.len() as usize).collect();
    let sum: f64 = touched.iter().flat_map(|&p| &marks[p * k..(p + 1) * k]).map(|&v| f64::from(v)).sum();
    Some(sum.abs())
}

/// How well `scores` tell working candidates (`true`) from decoys; `None` where either is missing.
pub fn recovery(scores: &[(f64, bool)]) -> Option<Recovery> {
    let working = scores.iter().filter(|(_, works)| *works).count();
    let decoys = scores.len() - working;
    if working == 0 || decoys == 0 {
        return None;
    }
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut misses, mut pairs, mut precision) = (0.0, 0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let working_here = tied.iter().filter(|(_, works)| *works).count() as f64;
        let decoys_here = tied.len() as f64 - working_here;
        pairs += decoys_here * (hits + working_here / 2.0);
        hits += working_here;
        misses += decoys_here;
        precision += working_here * hits / (hits + misses);
    }
    Some(Recovery { working, decoys, auroc: pairs / (hits * misses), auprc: precision / hits })
}

/// How well each network's attributions, by name, and each simple score tell working candidates of `genes` from decoys; scores for
/// which the session has no data are left out. `go_on` is told how many genes are done and says whether to go on.
///
/// # Errors
/// Where an input cannot be read or a network not run.
pub fn recover(
    networks: &[(&str, &dyn Model)],
    readers: &mut Readers,
    sample: SampleId,
    rows: &[TruthRow],
    genes: &[GeneId],
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<(String, Recovery)>, AttributionError> {
    let Some((_, first)) = networks.first() else { return Ok(Vec::new()) };
    let (manifest, session) = (first.manifest(), readers.session().clone());
    let motifs = manifest.input.sequence.is_some();
    let sample_name = session.samples.get(sample.0).map_or("", |s| s.name.as_str());
    let of_genes = candidates(rows, sample_name, motifs);
    let none = Vec::new();
    let decoys = of_genes.get(NO_GENE).unwrap_or(&none);
    let mut scores: Vec<Vec<(f64, bool)>> = vec![Vec::new(); networks.len() + SIMPLE_SCORES.len()];
    for (i, &id) in genes.iter().enumerate() {
        if !go_on(i) {
            return Err(AttributionError::Cancelled);
        }
        let gene = session.genome.genes.get(id);
        let window = manifest.window_of(gene, session.genome.tss);
        let Some(all) = of_genes.get(&gene.id) else { continue };
        let all = all.iter().chain(decoys);
        let here: Vec<Candidate> = all.filter(|c| holds(&window, &c.region)).cloned().collect();
        if here.is_empty() {
            continue;
        }
        let input = Input::assemble(manifest, &window, &mut SampleSource::new(readers, sample, manifest))?;
        for ((_, network), scores) in networks.iter().zip(&mut scores) {
            let found = attribution_scores(*network, &input, &here, motifs)?;
            scores.extend(found.into_iter().zip(&here).filter_map(|(score, c)| Some((score?, c.works))));
        }
        let len = session.genome.chroms.len_of(window.chrom()).unwrap_or(0);
        for candidate in &here {
            let region = &candidate.region;
            let around = Region::new(
                region.chrom.clone(),
                region.start.saturating_sub(FLANK),
                (region.end + FLANK).min(len.max(region.end)),
            );
            let distance = ((region.start + region.end) / 2).abs_diff(gene.tss(session.genome.tss));
            let bases = readers.bases(&around).map_err(ModelError::from)?;
            let gc =
                bases.map(|bases| bases.iter().filter(|b| matches!(b, b'G' | b'C')).count() as f64 / bases.len().max(1) as f64);
            let dnase = match session.signal_for(sample, "DNase") {
                Some(track) => {
                    let values = readers.values(track, &around).map_err(ModelError::from)?;
                    Some(values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v)).sum::<f64>())
                }
                None => None,
            };
            for (scores, score) in scores[networks.len()..].iter_mut().zip([Some(-(distance as f64)), gc, dnase]) {
                scores.extend(score.map(|score| (score, candidate.works)));
            }
        }
    }
    let names = networks.iter().map(|(name, _)| *name).chain(SIMPLE_SCORES);
    Ok(names.zip(scores).filter_map(|(name, scores)| Some((name.to_owned(), recovery(&scores)?))).collect())
}

/// Whether a window holds a region.
fn holds(window: &Window, region: &Region) -> bool {
    *window.chrom() == region.chrom && [region.start, region.end - 1].iter().all(|&p| window.index(p as i64).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_the_area_under_both_curves() {
        let of = |scores: &[(f64, bool)]| recovery(scores).unwrap();
        let perfect = of(&[(3.0, true), (2.0, true), (1.0, false)]);
        assert_eq!((perfect.auroc, perfect.auprc), (1.0, 1.0));
        let worst = of(&[(1.0, true), (2.0, false), (3.0, false)]);
        assert!(worst.auroc == 0.0 && (worst.auprc - 1.0 / 3.0).abs() < 1e-12);
        let tied = of(&[(1.0, true), (1.0, false), (1.0, false), (1.0, true)]);
        assert_eq!((tied.auroc, tied.auprc), (0.5, 0.5));
        // scikit-learn 1.5: roc_auc_score 0.75, average_precision_score 0.8333 of [0, 0, 1, 1] by [0.1, 0.4, 0.35, 0.8].
        let known = of(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert!((known.auroc - 0.75).abs() < 1e-12 && (known.auprc - 0.833_333_333).abs() < 1e-8);
        assert_eq!(recovery(&[(1.0, true)]), None);
    }

    #[test]
    fn decoys_are_what_does_nothing_in_this_sample() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.tsv");
        let head = "sample\tgene_id\telement_id\telement_kind\tchrom\tstart\tend\tstrand\tmotif\teffect\n";
        let rows = [
            "S1\tG\te1\tpromoter\tc\t10\t90\t.\t.\t1.5",
            "S1\tG\te1\tpromoter\tc\t20\t30\t+\tSP1\t0.3",
            "S2\tG\te1\tpromoter\tc\t40\t50\t+\tAP1\t0.3",
            "*\tG\te1\tpromoter\tc\t60\t70\t+\tREST\t0",
            "*\tG\te2\tdecoy_closed\tc\t100\t110\t+\tSP1\t0",
            "*\t.\te3\tdecoy_peak\tc\t200\t300\t.\t.\t0",
        ];
        std::fs::write(&path, head.to_owned() + &rows.join("\n")).unwrap();
        let rows = read_truth(&path).unwrap();
        let of = |motifs| candidates(&rows, "S1", motifs)["G"].iter().map(|c| (c.region.start, c.works)).collect::<Vec<_>>();
        assert_eq!(of(true), [(20, true), (40, false), (60, false)]);
        assert_eq!(of(false), [(10, true)]);
        assert_eq!(candidates(&rows, "S1", false)[NO_GENE].len(), 1);
        for (bad, reason) in
            [("S1\tG", "line 2: not ten columns"), ("S1\tG\te\tk\tc\t9\t3\t.\t.\t0", "line 2: the end lies before")]
        {
            std::fs::write(&path, format!("{head}{bad}\n")).unwrap();
            assert!(read_truth(&path).unwrap_err().to_string().contains(reason));
        }
        std::fs::write(&path, "nothing").unwrap();
        assert!(read_truth(&path).unwrap_err().to_string().contains("line 1 is not"));
    }
}
