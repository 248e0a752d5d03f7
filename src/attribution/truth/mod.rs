//! Does an attribution find what was planted? The sample data's truth against what a network says, beside simple scores.
//!
//! Networks that read DNA are judged by |ISM| of motif sites, networks that read marks by what F loses when the marks around an
//! element are blanked. What works is compared with what does not only inside one element, or one gene's window: which gene or
//! element a candidate belongs to tells nothing.

mod candidates;
mod recovery;

pub use candidates::{CONTRASTS, Candidate, Contrast, Kind, Truth};
pub use recovery::Recovery;

use super::variants::{MARKS, Parts, Variants};
use super::{AttributionError, MutagenesisView, Options, method, run_whole};
use crate::genome::{GeneId, Region, Window};
use crate::models::{Input, Model, ModelError, SampleSource};
use crate::session::{Readers, SampleId};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The sample data's truth has 6 MB.
const MAX_BYTES: u64 = 1 << 30;
/// Bases on each side of a site whose GC and DNase are scored.
const FLANK: u64 = 50;
/// Bases on each side of an element's centre whose marks are blanked: the nucleosomes that flank it, and the same for each.
const REACH: u64 = 500;

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

/// How well a score tells what works from decoys.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What is compared.
    pub contrast: &'static str,
    /// A network's name, or a simple score's.
    pub score: String,
    /// How well.
    pub recovery: Recovery,
}

/// How well each network's attributions, by name, and each simple score tell what works from the decoys of every contrast, over
/// `genes`. Scores for which the session has no data are left out. `go_on` is told how many genes are done and says whether to go on.
///
/// # Errors
/// Where an input cannot be read or a network not run.
pub fn recover(
    networks: &[(&str, &dyn Model)],
    readers: &mut Readers,
    sample: SampleId,
    truth: &Truth,
    genes: &[GeneId],
    go_on: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<Line>, AttributionError> {
    let Some((_, first)) = networks.first() else { return Ok(Vec::new()) };
    let (manifest, session) = (first.manifest(), readers.session().clone());
    let sample_name = session.samples.get(sample.0).map_or("", |s| s.name.as_str());
    let is_judged = |kind: Kind| match kind.is_site() {
        true => manifest.input.sequence.is_some(),
        false => !manifest.input.marks.is_empty(),
    };
    let mut scored: Vec<(Candidate, Vec<Option<f64>>)> = Vec::new();
    for (i, &id) in genes.iter().enumerate() {
        if !go_on(i) {
            return Err(AttributionError::Cancelled);
        }
        let gene = session.genome.genes.get(id);
        let window = manifest.window_of(gene, session.genome.tss);
        let mut here = truth.candidates(sample_name, &gene.id, window.chrom());
        here.retain(|c| is_judged(c.kind) && holds(&window, &c.region));
        if manifest.input.sequence.is_some() {
            let look_alikes = candidates::look_alikes(&here, |region| readers.bases(region).map_err(ModelError::from))?;
            here.extend(look_alikes.into_iter().filter(|c| holds(&window, &c.region)));
        }
        if here.is_empty() {
            continue;
        }
        let input = Input::assemble(manifest, &window, &mut SampleSource::new(readers, sample, manifest))?;
        let mut columns: Vec<Vec<Option<f64>>> = Vec::new();
        for (_, network) in networks {
            columns.push(attribution_scores(*network, &input, &here)?);
        }
        let tss = gene.tss(session.genome.tss);
        let len = session.genome.chroms.len_of(window.chrom()).unwrap_or(0);
        for (at, candidate) in here.into_iter().enumerate() {
            let of_networks = columns.iter().map(|column| column[at]);
            let simple = simple_scores(readers, sample, &candidate, tss, len)?;
            let scores: Vec<Option<f64>> = of_networks.chain(simple).collect();
            scored.push((candidate, scores));
        }
    }
    let names: Vec<&str> = networks.iter().map(|(name, _)| *name).chain(SIMPLE_SCORES).collect();
    let mut lines = Vec::new();
    for contrast in CONTRASTS {
        for (column, name) in names.iter().enumerate() {
            let of_contrast = scored.iter().filter_map(|(candidate, scores)| {
                let works = contrast.side(candidate)?;
                Some((contrast.group(candidate), scores[column]?, works))
            });
            if let Some(recovery) = recovery::within_groups(of_contrast) {
                lines.push(Line { contrast: contrast.name, score: (*name).to_owned(), recovery });
            }
        }
    }
    Ok(lines)
}

/// Whether a window holds a region.
fn holds(window: &Window, region: &Region) -> bool {
    *window.chrom() == region.chrom && [region.start, region.end - 1].iter().all(|&p| window.index(p as i64).is_some())
}

/// The score of each candidate by a network: of sites the largest |mean of 3 deltas| over their bases, of elements what F loses
/// without the marks around them (planted elements raise expression, every one).
fn attribution_scores(model: &dyn Model, input: &Input, candidates: &[Candidate]) -> Result<Vec<Option<f64>>, AttributionError> {
    let mut deltas = None;
    if candidates.iter().any(|c| c.kind.is_site()) {
        let ism = method("saturation-mutagenesis").ok_or_else(|| super::options::unfit("no mutagenesis".to_owned()))?;
        deltas = run_whole(ism, model, input, &Options::default())?.sequence;
    }
    let variants = Variants::new(model, input);
    let score = variants.score()?;
    let index = |position: u64| input.window.index(position as i64).map(|i| i as usize);
    candidates
        .iter()
        .map(|candidate| match (candidate.kind.is_site(), &deltas, &input.sequence) {
            (true, Some(deltas), Some(reference)) => {
                let bases = (candidate.region.start..candidate.region.end).filter_map(index);
                let values = bases.map(|i| MutagenesisView::Mean3.value(&deltas[i], reference[i]).abs());
                Ok(Some(values.filter(|v| v.is_finite()).fold(0.0, |a, b| f64::max(a, f64::from(b)))))
            }
            (true, ..) => Ok(None),
            (false, ..) => {
                let centre = candidate.region.centre();
                let bases = (centre.saturating_sub(REACH)..centre + REACH).filter_map(index);
                let blank = without_marks(variants.reference(), input, bases);
                Ok(Some(score - variants.scores(&[blank])?[0]))
            }
        })
        .collect()
}

/// The window with no mark at the bins of `bases`.
fn without_marks(reference: &Parts, input: &Input, bases: impl Iterator<Item = usize>) -> Parts {
    let (k, positions, length) = (input.n_marks(), input.positions(), input.window.len() as usize);
    let mut blank = reference.clone();
    for position in bases.map(|base| base * positions / length) {
        for copy in input.copies_of_position(position) {
            blank[MARKS][copy * k..(copy + 1) * k].fill(0.0);
        }
    }
    blank
}

/// -|distance|, GC and DNase of a candidate and what flanks it, in the order of [`SIMPLE_SCORES`].
fn simple_scores(
    readers: &mut Readers,
    sample: SampleId,
    candidate: &Candidate,
    tss: u64,
    chrom_len: u64,
) -> Result<[Option<f64>; 3], AttributionError> {
    let region = &candidate.region;
    let (from, to) = match candidate.kind.is_site() {
        true => (region.start.saturating_sub(FLANK), region.end + FLANK),
        false => (region.centre().saturating_sub(REACH), region.centre() + REACH),
    };
    let around = Region::new(region.chrom.clone(), from, to.min(chrom_len.max(region.end)));
    let bases = readers.bases(&around).map_err(ModelError::from)?;
    let share_of_gc = |bases: Vec<u8>| bases.iter().filter(|b| b"GCgc".contains(b)).count() as f64 / bases.len().max(1) as f64;
    let dnase = match readers.session().signal_for(sample, "DNase") {
        Some(track) => {
            let values = readers.values(track, &around).map_err(ModelError::from)?;
            Some(values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v)).sum::<f64>())
        }
        None => None,
    };
    let distance = ((region.start + region.end) / 2).abs_diff(tss);
    Ok([Some(-(distance as f64)), bases.map(share_of_gc), dnase])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_truth_that_is_none_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth.tsv");
        let head = "sample\tgene_id\telement_id\telement_kind\tchrom\tstart\tend\tstrand\tmotif\teffect\n";
        for (bad, reason) in
            [("S1\tG", "line 2: not ten columns"), ("S1\tG\te\tk\tc\t9\t3\t.\t.\t0", "line 2: the end lies before")]
        {
            std::fs::write(&path, format!("{head}{bad}\n")).unwrap();
            assert!(read_truth(&path).unwrap_err().to_string().contains(reason));
        }
        std::fs::write(&path, "nothing").unwrap();
        assert!(read_truth(&path).unwrap_err().to_string().contains("line 1 is not"));
        std::fs::write(&path, format!("{head}S1\tG\te\tpromoter\tc\t3\t9\t.\tSP1\t-0.5\n")).unwrap();
        let rows = read_truth(&path).unwrap();
        assert_eq!((rows[0].motif.as_deref(), rows[0].effect, rows[0].region.len()), (Some("SP1"), -0.5, 6));
    }
}
