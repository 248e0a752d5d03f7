//! A signal that a network predicts (DeepCAGE: accessibility), and what was measured of it in the bins of the genome.

use super::ModelError;
use crate::genome::Region;
use crate::session::{Readers, SampleId, Session, TrackId, TrackKind};
use crate::tracks::{SignalUnit, TrackError};
use serde::{Deserialize, Serialize};

/// A signal that is predicted: the mean over `length` bases around the anchor of the window (regression), or whether peaks cover half
/// of them (a class).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalTarget {
    /// Its mark (`DNase`).
    pub mark: String,
    /// Bases.
    pub length: u64,
    /// The kind of numbers it was learnt as; another kind is refused.
    #[serde(default = "reads")]
    pub unit: SignalUnit,
}

fn reads() -> SignalUnit {
    SignalUnit::Count
}

impl SignalTarget {
    /// A sample's signal.
    ///
    /// # Errors
    /// Where it has none, or one in another unit.
    pub fn track(&self, session: &Session, sample: SampleId) -> Result<TrackId, ModelError> {
        let Some(track) = session.signal_for(sample, &self.mark) else {
            let name = &session.samples[sample.0].name;
            return Err(ModelError::Input(format!("sample {name} has no {}, which the model predicts", self.mark)));
        };
        match session.tracks[track.0].unit.filter(|unit| *unit != self.unit) {
            Some(unit) => Err(ModelError::Input(format!("{} is {unit}; the model was trained on {}", self.mark, self.unit))),
            None => Ok(track),
        }
    }

    /// A sample's peaks: its own intervals.
    pub fn peaks(session: &Session, sample: SampleId) -> Vec<TrackId> {
        let is_peaks = |id: &TrackId| {
            let track = &session.tracks[id.0];
            track.kind == TrackKind::Features && track.sample == Some(sample)
        };
        session.tracks_of(sample).map(|(id, _)| id).filter(is_peaks).collect()
    }

    /// Whether a window can be judged: at most a tenth of its bases are N. In a gap of the assembly nothing can be measured, and a network
    /// that never saw one says anything.
    ///
    /// # Errors
    /// Where the bases cannot be read.
    pub fn is_known(readers: &mut Readers, window: &Region) -> Result<bool, ModelError> {
        let bases = readers.bases(window)?.unwrap_or_default();
        Ok(10 * bases.iter().filter(|base| **base == b'N').count() <= bases.len())
    }

    /// Start, end and summit (or middle) of the peaks of a track that share a base with `region`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn peak_spans(readers: &mut Readers, track: TrackId, region: &Region) -> Result<Vec<(u64, u64, u64)>, ModelError> {
        match readers.features(track, region) {
            Err(TrackError::UnknownChrom { .. }) => Ok(Vec::new()), // an indexed file names only chromosomes with peaks
            peaks => Ok(peaks?.overlapping(region).map(|peak| (peak.start, peak.end, peak.anchor())).collect()),
        }
    }

    /// The bins that begin in `region` and lie on its chromosome, whole: multiples of `length` from the chromosome's start.
    pub fn bins(&self, region: &Region, chrom_len: u64) -> Region {
        let first = region.start / self.length;
        let last = region.end.div_ceil(self.length).min(chrom_len / self.length);
        Region::new(region.chrom.clone(), first * self.length, last.max(first) * self.length)
    }

    /// The mean signal of each bin of `bins` (see [`SignalTarget::bins`]); what is not measured counts as 0.
    ///
    /// # Errors
    /// Where the sample has no such signal or it cannot be read.
    pub fn means(&self, readers: &mut Readers, sample: SampleId, bins: &Region) -> Result<Vec<f64>, ModelError> {
        let track = self.track(&readers.session().clone(), sample)?;
        let values = readers.values(track, bins)?;
        let mean = |bin: &[f32]| bin.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v)).sum::<f64>() / bin.len() as f64;
        Ok(values.chunks(self.length as usize).map(mean).collect())
    }

    /// Whether peaks cover at least half of each bin of `bins` (the label of DeepCAGE's classifier).
    ///
    /// # Errors
    /// Where the sample has no peaks or they cannot be read.
    pub fn open(&self, readers: &mut Readers, sample: SampleId, bins: &Region) -> Result<Vec<bool>, ModelError> {
        let session = readers.session().clone();
        let tracks = Self::peaks(&session, sample);
        if tracks.is_empty() {
            let name = &session.samples[sample.0].name;
            return Err(ModelError::Input(format!("sample {name} has no peaks: loci are bins at and around them (narrowPeak)")));
        }
        let mut is_covered = vec![false; bins.len() as usize];
        for track in tracks {
            for (start, end, _) in Self::peak_spans(readers, track, bins)? {
                let (from, to) = (start.max(bins.start) - bins.start, end.min(bins.end).saturating_sub(bins.start));
                is_covered[(from.min(to)) as usize..to as usize].fill(true);
            }
        }
        let half = |bin: &[bool]| 2 * bin.iter().filter(|covered| **covered).count() as u64 >= self.length;
        Ok(is_covered.chunks(self.length as usize).map(half).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn bins_are_tiled_from_the_chromosomes_start_and_whole() {
        let target = SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Rpm };
        let bins = |start, end| {
            let bins = target.bins(&Region::new("c", start, end), 1_050);
            (bins.start, bins.end)
        };
        assert_eq!(
            [bins(0, 200), bins(199, 201), bins(350, 990), bins(900, 1_050)],
            [(0, 200), (0, 400), (200, 1_000), (800, 1_000)]
        );
        assert_eq!(bins(1_010, 1_050), (1_000, 1_000), "the chromosome's last bases are no bin");
    }

    #[test]
    fn what_was_measured_is_the_mean_of_a_bin_and_half_a_bin_of_peaks() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml");
        let session = Arc::new(Session::open(&path).unwrap());
        let mut readers = Readers::new(session.clone());
        let target = SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Rpm };
        let (sample, bins) = (SampleId(0), Region::new("chr1", 20_000, 60_000));
        let means = target.means(&mut readers, sample, &bins).unwrap();
        let track = target.track(&session, sample).unwrap();
        let is_open = target.open(&mut readers, sample, &bins).unwrap();
        assert_eq!((means.len(), is_open.len()), (200, 200));
        let peaks = readers.features(SignalTarget::peaks(&session, sample)[0], &bins).unwrap();
        for (i, (mean, is_open)) in means.iter().zip(is_open).enumerate() {
            let bin = Region::new("chr1", 20_000 + 200 * i as u64, 20_200 + 200 * i as u64);
            let bases = readers.values(track, &bin).unwrap();
            let expected = bases.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v)).sum::<f64>() / 200.0;
            assert!((mean - expected).abs() < 1e-9, "{bin}");
            let covered = |base: u64| peaks.overlapping(&Region::new("chr1", base, base + 1)).next().is_some();
            assert_eq!(is_open, (bin.start..bin.end).filter(|b| covered(*b)).count() >= 100, "{bin}");
        }
        let of_reads = SignalTarget { unit: SignalUnit::Count, ..target.clone() };
        assert!(of_reads.means(&mut readers, sample, &bins).unwrap_err().to_string().contains("DNase is rpm"));
        let panel = SampleId(session.samples.iter().position(|s| s.name == "P01").unwrap());
        assert!(target.means(&mut readers, panel, &bins).unwrap_err().to_string().contains("P01 has no DNase"));
        assert!(target.open(&mut readers, panel, &bins).unwrap_err().to_string().contains("no peaks"));
    }
}
