//! Loci of a signal as examples (DeepCAGE): bins at and around the samples' peaks, and background between them.

use super::TrainingError;
use super::dataset::{Dataset, Example};
use super::store::Record;
use crate::genome::{Region, Strand};
use crate::models::{Input, Manifest, OutputKind, SampleSource, SignalTarget};
use crate::session::{Readers, SampleId, Session};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Every so many-th bin of a chromosome is background, whatever lies there.
const BACKGROUND: u64 = 40;

impl Dataset {
    /// Reads the bins of `target.length` bases that hold the middle of a peak of any of `samples`, their neighbours to either side and
    /// every fortieth one, in every sample, but for those in a gap of the assembly. The label is the signal's mean over the bin, or
    /// (a class) 1 where peaks cover half of it.
    ///
    /// A sample's peaks are its intervals in a file of peaks (narrowPeak). `step(done, total)` is called for each locus and may stop it.
    ///
    /// # Errors
    /// Where a sample lacks the signal or peaks, a file cannot be read, or no locus is left.
    pub fn read_loci(
        readers: &mut Readers,
        samples: &[SampleId],
        manifest: &Manifest,
        target: &SignalTarget,
        step: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TrainingError> {
        let session = readers.session().clone();
        let mut unscaled = manifest.clone();
        unscaled.input.scale.clear();
        let mut data = Self::empty(manifest)?;
        let loci = loci(readers, &session, samples, target)?;
        for (number, &sample) in samples.iter().enumerate() {
            data.samples.push(session.samples[sample.0].name.clone());
            data.file_medians.push(None);
            let expression_of_tfs = match manifest.input.tfs.is_empty() {
                true => Vec::new(),
                false => manifest.input.tfs.expression(&session, sample)?,
            };
            // Of the first sample: its records come one after the other.
            let mut n_kept = 0;
            for (i, bin) in loci.iter().enumerate() {
                if step(number * loci.len() + i, samples.len() * loci.len()).is_break() {
                    return Err(TrainingError::Cancelled);
                }
                let window = manifest.window_at(bin.chrom.clone(), bin.start + target.length / 2, Strand::Forward);
                if !session.genome.chroms.len_of(&bin.chrom).is_some_and(|length| window.is_inside(length)) {
                    data.past_the_end += 1;
                    continue;
                }
                if !SignalTarget::is_known(readers, &Region::new(bin.chrom.clone(), window.start() as u64, window.end() as u64))?
                {
                    data.unmeasured += 1;
                    continue;
                }
                let is_open = target.open(readers, sample, bin)?[0];
                let mean = target.means(readers, sample, bin)?[0];
                let record = if number > 0 && manifest.input.marks.is_empty() {
                    // DNA and its motif scores are those of the first sample.
                    Record { tf_expression: expression_of_tfs.clone(), ..data.record(n_kept)? }
                } else {
                    let input = Input::assemble(&unscaled, &window, &mut SampleSource::new(readers, sample, &unscaled))?;
                    let Input { sequence, marks, expression, motif_scores, .. } = input;
                    Record { sequence, marks, tf_expression: expression, motif_scores }
                };
                n_kept += 1;
                let expression = match manifest.output.kind {
                    OutputKind::Regression => mean,
                    OutputKind::Binary => f64::from(u8::from(is_open)),
                };
                let example =
                    Example { gene: bin.to_string(), sample: number, window, expression, file_order: i, is_open: Some(is_open) };
                data.push(example, &record)?;
            }
        }
        match data.examples.is_empty() {
            true => Err(TrainingError::Data(format!("no locus of {} can be learnt from", data.samples.join(", ")))),
            false => Ok(data),
        }
    }
}

/// What knows the place and nothing of the sample: for the loci of `data` at `indices`, the mean target over `samples`; of a class the
/// logit of the share of them that are open (half a sample more on either side, so that it is finite).
///
/// # Errors
/// Where a sample lacks the signal or its peaks, or a file cannot be read.
pub fn mean_over_samples(
    readers: &mut Readers,
    samples: &[SampleId],
    manifest: &Manifest,
    target: &SignalTarget,
    data: &Dataset,
    indices: &[usize],
) -> Result<Vec<f64>, TrainingError> {
    let mut sums = vec![0.0; indices.len()];
    for &sample in samples {
        for (sum, &i) in sums.iter_mut().zip(indices) {
            let window = &data.examples[i].window;
            let start = (window.position(manifest.window.tss_index) - target.length as i64 / 2).max(0) as u64;
            let bin = Region::new(window.chrom().clone(), start, start + target.length);
            *sum += match manifest.output.kind {
                OutputKind::Regression => manifest.output.target(target.means(readers, sample, &bin)?[0]),
                OutputKind::Binary => f64::from(u8::from(target.open(readers, sample, &bin)?[0])),
            };
        }
    }
    let n = samples.len() as f64;
    Ok(sums
        .into_iter()
        .map(|sum| match manifest.output.kind {
            OutputKind::Regression => sum / n,
            OutputKind::Binary => ((sum + 0.5) / (n - sum + 0.5)).ln(),
        })
        .collect())
}

/// The bins, in genome order.
fn loci(
    readers: &mut Readers,
    session: &Arc<Session>,
    samples: &[SampleId],
    target: &SignalTarget,
) -> Result<Vec<Region>, TrainingError> {
    let chroms: Vec<_> = session.genome.chroms.iter().map(|(chrom, length)| (chrom.clone(), length)).collect();
    let mut bins = BTreeSet::new();
    for &sample in samples {
        for track in SignalTarget::peaks(session, sample) {
            for (i, (chrom, length)) in chroms.iter().enumerate() {
                let whole = Region::new(chrom.clone(), 0, *length);
                for anchor in SignalTarget::peak_spans(readers, track, &whole)?.into_iter().map(|(_, _, anchor)| anchor) {
                    let bin = anchor / target.length;
                    bins.extend((bin.saturating_sub(1)..=bin + 1).map(|bin| (i, bin)));
                }
            }
        }
    }
    for (i, (_, length)) in chroms.iter().enumerate() {
        bins.extend((0..length / target.length).step_by(BACKGROUND as usize).map(|bin| (i, bin)));
    }
    let region = |(i, bin): (usize, u64)| {
        let (chrom, length) = &chroms[i];
        let end = (bin + 1) * target.length;
        (end <= *length).then(|| Region::new(chrom.clone(), bin * target.length, end))
    };
    Ok(bins.into_iter().filter_map(region).collect())
}
