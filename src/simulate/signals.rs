//! Signals as they are measured: counts of fragments over a mean, background, and methylated reads at CpGs.

use super::chromatin::{Assay, BIN, mean_signal};
use super::random::Random;
use super::world::{Chrom, World};
use crate::genome::Strand;
use crate::tracks::{Feature, SignalInterval};
use std::sync::Arc;

/// Bases of a background fragment.
const FRAGMENT: u64 = 200;
/// Reads over each CpG.
const COVERAGE: u32 = 5;
/// A panel sample is measured this far to both sides of a start.
const PANEL_REACH: u64 = 5_000;
/// A peak's bins hold at least this many DNase reads per million.
const PEAK_LEVEL: f64 = 2.0;

/// How finely a sample is measured.
struct Depth {
    /// Bases a bin.
    bin: u64,
    /// Reads per million that one fragment counts for: fewer in a panel sample, so each counts for more.
    per_fragment: f64,
    /// Background fragments a base.
    background: f64,
    /// Means below this are background.
    least: f64,
}

const FULL: Depth = Depth { bin: BIN, per_fragment: 0.5, background: 0.0004, least: 0.3 };
const PANEL: Depth = Depth { bin: 2 * BIN, per_fragment: 1.5, background: 0.0002, least: 1.0 };

/// A signal by chromosome.
pub(super) type Signal = Vec<(Arc<str>, Vec<SignalInterval>)>;

/// One signal of a sample. Full samples: every 50 bases of the genome but its gaps; panel samples: every 100 bases around
/// genes; methylation: one value a CpG.
pub(super) fn measure(world: &World, sample: usize, assay: Assay) -> Signal {
    let one = |(index, chrom): (usize, &Chrom)| {
        let mean = mean_signal(world, index, sample, assay);
        let part = format!("reads/{}/{}/{}", world.samples[sample].name, assay.name(), chrom.name);
        let mut random = Random::new(world.seed, &part);
        let intervals = if assay == Assay::Methylation {
            methylated(chrom, &mean, &mut random)
        } else {
            let len = chrom.bases.len() as u64;
            let (depth, spans) = match world.samples[sample].is_full {
                true => (FULL, vec![(0, chrom.gap.0), (chrom.gap.1, len)]),
                false => (PANEL, around_genes(world, index)),
            };
            intervals(&counts(&mean, &depth, assay.is_broad(), &mut random), depth.bin, &spans)
        };
        (chrom.name.clone(), intervals)
    };
    world.chroms.iter().enumerate().map(one).collect()
}

/// Fragments over each bin of `depth`, in reads per million, from the means of bins of 50 bases.
fn counts(mean: &[f64], depth: &Depth, is_broad: bool, random: &mut Random) -> Vec<f64> {
    let fine = (depth.bin / BIN) as usize;
    let mut counts = vec![0_u32; mean.len().div_ceil(fine)];
    // Broad marks are read by whole fragments, which two bins share.
    let step = if is_broad { 2 } else { 1 };
    for (bins, mean) in counts.chunks_mut(step).zip(mean.chunks(step * fine)) {
        let mean = mean.iter().sum::<f64>() / mean.len() as f64;
        if mean >= depth.least {
            bins.fill(random.poisson(mean / depth.per_fragment));
        }
    }
    for bin in 0..counts.len() {
        if random.chance(depth.background * depth.bin as f64) {
            let end = (bin + (FRAGMENT / depth.bin) as usize).min(counts.len());
            counts[bin..end].iter_mut().for_each(|c| *c += 1);
        }
    }
    counts.into_iter().map(|c| f64::from(c) * depth.per_fragment).collect()
}

/// Equal neighbours merged, one decimal, within `spans` (multiples of `bin`, or the chromosome's end).
fn intervals(values: &[f64], bin: u64, spans: &[(u64, u64)]) -> Vec<SignalInterval> {
    let mut merged: Vec<SignalInterval> = Vec::new();
    for &(from, to) in spans {
        let first = merged.len();
        for index in from / bin..to.div_ceil(bin) {
            let value = (libm::round(values[index as usize] * 10.0) / 10.0) as f32;
            let (start, end) = ((index * bin).max(from), ((index + 1) * bin).min(to));
            match merged[first..].last_mut() {
                Some(last) if last.value == value => last.end = end,
                _ => merged.push(SignalInterval { start, end, value }),
            }
        }
    }
    merged
}

/// The stretches around genes, merged, in whole bins of a panel sample.
pub(super) fn around_genes(world: &World, chrom: usize) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let len = world.chroms[chrom].bases.len() as u64;
    for gene in world.genes.iter().filter(|g| g.chrom == chrom) {
        // Windows of both strands: one base more on the right.
        let start = gene.tss.saturating_sub(PANEL_REACH) / (2 * BIN) * (2 * BIN);
        let end = ((gene.tss + PANEL_REACH + 1).div_ceil(2 * BIN) * (2 * BIN)).min(len);
        match spans.last_mut() {
            Some(last) if last.1 >= start => last.1 = last.1.max(end),
            _ => spans.push((start, end)),
        }
    }
    spans
}

/// The share of methylated reads at each CpG, both of its bases.
fn methylated(chrom: &Chrom, mean: &[f64], random: &mut Random) -> Vec<SignalInterval> {
    let cpgs = chrom.bases.windows(2).enumerate().filter(|(_, pair)| pair == b"CG");
    cpgs.map(|(position, _)| {
        let share = mean[position / BIN as usize];
        let reads = (0..COVERAGE).filter(|_| random.chance(share)).count();
        let start = position as u64;
        SignalInterval { start, end: start + 2, value: reads as f32 / COVERAGE as f32 }
    })
    .collect()
}

/// Peaks of a signal in 50-base bins: runs above a level, gaps of up to 100 bases closed, at least 150 bases long.
pub(super) fn call_peaks(signal: &Signal) -> Vec<(Arc<str>, Feature)> {
    let mut peaks = Vec::new();
    for (chrom, intervals) in signal {
        let mut open: Option<Feature> = None;
        for interval in intervals.iter().filter(|i| f64::from(i.value) >= PEAK_LEVEL) {
            let summit = interval.start + (interval.end - interval.start) / 2;
            match &mut open {
                Some(peak) if interval.start <= peak.end + 100 => {
                    peak.end = interval.end;
                    if peak.score < Some(interval.value) {
                        (peak.score, peak.summit) = (Some(interval.value), Some(summit));
                    }
                }
                _ => {
                    let (start, end) = (interval.start, interval.end);
                    let next = Feature { start, end, score: Some(interval.value), summit: Some(summit), ..Feature::default() };
                    peaks.extend(open.replace(next).map(|peak| (chrom.clone(), peak)));
                }
            }
        }
        peaks.extend(open.map(|peak| (chrom.clone(), peak)));
    }
    peaks.retain(|(_, peak)| peak.end - peak.start >= 150);
    for (i, (_, peak)) in peaks.iter_mut().enumerate() {
        (peak.name, peak.strand) = (format!("peak{}", i + 1), None::<Strand>);
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_merge_but_not_across_a_gap() {
        let at = |start, end, value| SignalInterval { start, end, value };
        let values = [0.0, 0.04, 1.26, 0.0, 0.0, 0.0];
        let expected = [at(0, 100, 0.0), at(100, 150, 1.3), at(150, 200, 0.0), at(250, 280, 0.0)];
        assert_eq!(intervals(&values, 50, &[(0, 200), (250, 280)]), expected);
    }

    #[test]
    fn peaks_close_small_gaps_and_stand_on_their_highest_bin() {
        let at = |start, end, value| SignalInterval { start, end, value };
        let signal =
            vec![("c".into(), vec![at(0, 50, 2.0), at(50, 150, 0.0), at(150, 200, 5.0), at(200, 500, 0.0), at(500, 550, 9.0)])];
        let peaks = call_peaks(&signal);
        assert_eq!(peaks.len(), 1, "50 bases are no peak");
        let peak = &peaks[0].1;
        assert_eq!((peak.start, peak.end, peak.summit, peak.score), (0, 200, Some(175), Some(5.0)));
    }
}
