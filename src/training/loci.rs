//! Loci of a signal as examples (DeepCAGE): bins at and around a sample's peaks, and background between them.

use super::TrainingError;
use super::dataset::{Dataset, Example};
use super::store::Record;
use crate::genome::{Region, Strand};
use crate::models::{Input, Manifest, ModelError, SampleSource, SignalTarget};
use crate::session::{Readers, SampleId, Session, TrackId, TrackKind};
use crate::tracks::TrackError;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Every so many-th bin of a chromosome is background, whatever lies there.
const BACKGROUND: u64 = 40;

impl Dataset {
    /// Reads the bins of `target.length` bases that hold the middle of a peak of any of `samples`, their neighbours to either side and
    /// every fortieth one, in every sample. The label is the signal's mean over the bin.
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
            let track = signal(&session, sample, target)?;
            for (i, bin) in loci.iter().enumerate() {
                if step(number * loci.len() + i, samples.len() * loci.len()).is_break() {
                    return Err(TrainingError::Cancelled);
                }
                let window = manifest.window_at(bin.chrom.clone(), bin.start + target.length / 2, Strand::Forward);
                if !session.genome.chroms.len_of(&bin.chrom).is_some_and(|length| window.is_inside(length)) {
                    data.past_the_end += 1;
                    continue;
                }
                let expression = mean(readers, track, bin)?;
                let input = Input::assemble(&unscaled, &window, &mut SampleSource::new(readers, sample, &unscaled))?;
                let Input { sequence, marks, expression: tf_expression, motif_scores, .. } = input;
                let record = Record { sequence, marks, tf_expression, motif_scores };
                data.push(Example { gene: bin.to_string(), sample: number, window, expression, file_order: i }, &record)?;
            }
        }
        match data.examples.is_empty() {
            true => Err(TrainingError::Data(format!("no locus of {} can be learnt from", data.samples.join(", ")))),
            false => Ok(data),
        }
    }
}

/// The mean signal of a bin; what is not measured counts as 0.
fn mean(readers: &mut Readers, track: TrackId, bin: &Region) -> Result<f64, TrainingError> {
    let values = readers.values(track, bin).map_err(ModelError::from)?;
    let measured = values.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v));
    Ok(measured.sum::<f64>() / values.len().max(1) as f64)
}

fn signal(session: &Session, sample: SampleId, target: &SignalTarget) -> Result<TrackId, TrainingError> {
    session.signal_for(sample, &target.mark).ok_or_else(|| {
        let name = &session.samples[sample.0].name;
        TrainingError::Data(format!("sample {name} has no {} to learn", target.mark))
    })
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
        let is_peaks = |id: &TrackId| {
            let track = &session.tracks[id.0];
            track.kind == TrackKind::Features && track.sample == Some(sample)
        };
        let tracks: Vec<TrackId> = session.tracks_of(sample).map(|(id, _)| id).filter(is_peaks).collect();
        if tracks.is_empty() {
            let name = &session.samples[sample.0].name;
            return Err(TrainingError::Data(format!(
                "sample {name} has no peaks: loci are bins at and around them (narrowPeak)"
            )));
        }
        for track in tracks {
            for (i, (chrom, length)) in chroms.iter().enumerate() {
                let whole = Region::new(chrom.clone(), 0, *length);
                let peaks = match readers.features(track, &whole) {
                    Err(TrackError::UnknownChrom { .. }) => continue, // an indexed file names only chromosomes with peaks
                    peaks => peaks.map_err(ModelError::from)?,
                };
                for peak in peaks.overlapping(&whole) {
                    let bin = peak.anchor() / target.length;
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
