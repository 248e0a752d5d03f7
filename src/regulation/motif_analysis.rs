//! Motifs in what a network reads: what its first filters look for, which motifs lie where attribution is high, and what each is
//! worth to the prediction.

use super::statistics::{benjamini_hochberg, fisher_exact};
use crate::attribution::kernels::{Edit, Evaluator};
use crate::attribution::{AttributionError, dinucleotide_shuffle};
use crate::genome::BASES;
use crate::motifs::{Motif, MotifError, Ppm, Scanner, Tomtom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Share of a filter's strongest activation from which a site counts (DeepCAGE).
pub const FILTER_SHARE: f32 = 0.7;
/// Sites of motifs have at most this p-value.
pub const SITE_P: f64 = 1e-4;
/// Noise that takes a site's place, drawn so often.
pub const NOISE_DRAWS: usize = 4;

/// The motif that a filter resembles most.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterMatch {
    /// Its place in the collection.
    pub motif: usize,
    /// TOMTOM's p-value.
    pub p: f64,
    /// The p-value times the number of motifs: how many of them would look as alike by chance.
    pub e: f64,
}

/// The most similar motif of a collection; `None` of an empty one or for a filter that is too wide.
pub fn best_match(collection: &Tomtom, query: &Ppm) -> Option<FilterMatch> {
    let best = collection.matches(query).into_iter().next()?;
    Some(FilterMatch { motif: best.motif, p: best.p_value, e: best.p_value * collection.len() as f64 })
}

/// Scanners of a collection.
///
/// # Errors
/// Where a motif's rows give no log odds.
pub fn scanners(motifs: &[Motif]) -> Result<Vec<Scanner>, MotifError> {
    motifs.iter().map(|motif| Scanner::new(&motif.ppm)).collect()
}

/// Whether each motif has a site in a sequence.
pub fn has_site(scanners: &[Scanner], sequence: &[u8]) -> Vec<bool> {
    scanners.iter().map(|s| s.best(sequence).is_some_and(|hit| hit.p_value <= SITE_P)).collect()
}

/// A motif in sequences of interest against control sequences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MotifEnrichment {
    /// Its place in the collection.
    pub motif: usize,
    /// Sequences of interest with a site.
    pub with_site: u64,
    /// Control sequences with a site.
    pub control_with_site: u64,
    /// Fisher's one-sided p-value.
    pub p: f64,
    /// Adjusted over the collection.
    pub q: f64,
}

/// Tests each motif (rows are sequences, as [`has_site`] gives them), the most enriched first.
pub fn motif_enrichment(sites: &[Vec<bool>], control: &[Vec<bool>]) -> Vec<MotifEnrichment> {
    let n = sites.iter().chain(control).map(Vec::len).max().unwrap_or(0);
    let count = |rows: &[Vec<bool>], motif: usize| rows.iter().filter(|row| row[motif]).count() as u64;
    let mut found: Vec<MotifEnrichment> = (0..n)
        .map(|motif| {
            let (with_site, control_with_site) = (count(sites, motif), count(control, motif));
            let table =
                [[with_site, sites.len() as u64 - with_site], [control_with_site, control.len() as u64 - control_with_site]];
            MotifEnrichment { motif, with_site, control_with_site, p: fisher_exact(table).p_greater, q: 1.0 }
        })
        .collect();
    let q = benjamini_hochberg(&found.iter().map(|e| e.p).collect::<Vec<_>>());
    found.iter_mut().zip(q).for_each(|(e, q)| e.q = q);
    found.sort_by(|a, b| a.p.total_cmp(&b.p).then(a.motif.cmp(&b.motif)));
    found
}

/// The bases of a stretch in another order with the same dinucleotides: its control.
pub fn control(sequence: &[u8], seed: u64, draw: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(draw + 1);
    dinucleotide_shuffle(sequence, &mut random)
}

/// Stretches of `width` around the highest of `values`, best first, that share no position; `n` at most. Values that are not above 0
/// have none.
pub fn highest_stretches(values: &[f32], width: usize, n: usize) -> Vec<Range<usize>> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| values[i] > 0.0).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut found: Vec<Range<usize>> = Vec::new();
    for i in order {
        if found.len() == n {
            break;
        }
        let start = i.saturating_sub(width / 2).min(values.len().saturating_sub(width));
        let stretch = start..(start + width).min(values.len());
        if found.iter().all(|other| stretch.end <= other.start || other.end <= stretch.start) {
            found.push(stretch);
        }
    }
    found
}

/// What knocking out a motif does in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct KnockOut {
    /// Sites that were replaced.
    pub sites: usize,
    /// Mean over draws of noise of F less F without the sites.
    pub loss: f64,
}

/// Replaces every site of each motif by noise (SPEID's TF importance), all of a motif's at once: what F loses. The noise of a draw is
/// the same whichever motifs are asked for.
///
/// # Errors
/// Where the network cannot be run or the work is no longer wanted.
pub fn knock_outs(
    evaluator: &dyn Evaluator,
    sequence: &[u8],
    scanners: &[Scanner],
    seed: u64,
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<KnockOut>, AttributionError> {
    let mut noise: Vec<Vec<u8>> = Vec::with_capacity(NOISE_DRAWS);
    for draw in 0..NOISE_DRAWS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(draw as u64 + 1);
        noise.push((0..sequence.len()).map(|_| BASES[random.random_range(0..4)]).collect());
    }
    let mut found = Vec::with_capacity(scanners.len());
    for scanner in scanners {
        if !go_on() {
            return Err(AttributionError::Cancelled);
        }
        let hits = scanner.hits(sequence, SITE_P);
        if hits.is_empty() {
            found.push(KnockOut::default());
            continue;
        }
        let mut places: Vec<usize> = hits.iter().flat_map(|hit| hit.start..hit.end).collect();
        places.sort_unstable();
        places.dedup();
        let edit = |noise: &Vec<u8>| Edit {
            bases: places.iter().filter(|&&i| noise[i] != sequence[i]).map(|&i| (i, noise[i])).collect(),
            marks: Vec::new(),
        };
        let deltas = evaluator.deltas(&noise.iter().map(edit).collect::<Vec<_>>())?;
        let loss = -deltas.iter().sum::<f64>() / deltas.len() as f64;
        // Both strands of a palindrome are one site.
        let mut starts: Vec<usize> = hits.iter().map(|hit| hit.start).collect();
        starts.dedup();
        found.push(KnockOut { sites: starts.len(), loss });
    }
    Ok(found)
}

/// Peaks of attribution against measured peaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakOverlap {
    /// Peaks of attribution.
    pub peaks: usize,
    /// Of them on a measured peak.
    pub on_measured: usize,
    /// Mean over circular shifts within the windows.
    pub expected: f64,
    /// p-value over shifts.
    pub p: f64,
}

/// Tests windows given as stretches of high attribution and a flag a position that says whether a measured peak covers it.
pub fn peak_overlap(windows: &[(Vec<Range<usize>>, Vec<bool>)], draws: usize, seed: u64) -> PeakOverlap {
    // Covered positions before each, so that any stretch is answered at once.
    let before: Vec<Vec<usize>> = windows
        .iter()
        .map(|(_, covered)| {
            let sums = covered.iter().scan(0, |sum, c| {
                *sum += usize::from(*c);
                Some(*sum)
            });
            std::iter::once(0).chain(sums).collect()
        })
        .collect();
    let hits = |i: usize, shift: usize| -> usize {
        let (stretches, covered) = &windows[i];
        let (n, sums) = (covered.len(), &before[i]);
        let is_hit = |stretch: &&Range<usize>| {
            let (from, to) = (stretch.start + shift, stretch.end + shift);
            let inside = |from: usize, to: usize| sums[to.min(n)] > sums[from.min(n)];
            if to <= n {
                inside(from, to)
            } else if from >= n {
                inside(from - n, to - n)
            } else {
                inside(from, n) || inside(0, to - n)
            }
        };
        stretches.iter().filter(is_hit).count()
    };
    let on_measured = (0..windows.len()).map(|i| hits(i, 0)).sum();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn: Vec<usize> = (0..draws)
        .map(|_| (0..windows.len()).map(|i| hits(i, random.random_range(0..windows[i].1.len().max(1)))).sum())
        .collect();
    PeakOverlap {
        peaks: windows.iter().map(|w| w.0.len()).sum(),
        on_measured,
        expected: drawn.iter().sum::<usize>() as f64 / drawn.len().max(1) as f64,
        p: (1 + drawn.iter().filter(|d| **d >= on_measured).count()) as f64 / (1 + drawn.len()) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motifs::bundled_motifs;

    /// F is the number of `GATAAG` on the forward strand.
    struct Counter(Vec<u8>);

    fn count(sequence: &[u8]) -> f64 {
        sequence.windows(6).filter(|w| w == b"GATAAG").count() as f64
    }

    impl Evaluator for Counter {
        fn score(&self) -> f64 {
            count(&self.0)
        }

        fn chunk(&self) -> usize {
            8
        }

        fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError> {
            let of = |edit: &Edit| {
                let mut sequence = self.0.clone();
                edit.bases.iter().for_each(|&(i, base)| sequence[i] = base);
                count(&sequence) - self.score()
            };
            Ok(edits.iter().map(of).collect())
        }
    }

    fn motif(name: &str, consensus: &str) -> Motif {
        Motif { name: name.to_owned(), tf: None, ppm: Ppm::of_consensus(consensus).unwrap(), threshold: None }
    }

    fn random_sequence(random: &mut ChaCha8Rng, length: usize) -> Vec<u8> {
        (0..length).map(|_| BASES[random.random_range(0..4)]).collect()
    }

    #[test]
    fn a_motif_that_f_counts_loses_all_of_it_and_another_nothing() {
        let mut sequence = b"ACCT".repeat(60);
        sequence[20..26].copy_from_slice(b"GATAAG");
        sequence[100..106].copy_from_slice(b"GATAAG");
        let motifs = [motif("a", "TGATAAGA"), motif("GATA", "GATAAG"), motif("none", "TGACTCAGCA")];
        let scanners: Vec<Scanner> = scanners(&motifs).unwrap();
        // 6 bases have a p-value of 1 in 4096 at best: no site by the default limit, so longer motifs are used.
        assert!(scanners[1].hits(&sequence, SITE_P).is_empty());
        sequence[19] = b'T';
        sequence[26] = b'A';
        sequence[99] = b'T';
        sequence[106] = b'A';
        let found = knock_outs(&Counter(sequence.clone()), &sequence, &scanners, 1, &|| true).unwrap();
        assert_eq!(found[0], KnockOut { sites: 2, loss: 2.0 });
        assert_eq!(found[2], KnockOut::default());
        assert!(knock_outs(&Counter(sequence.clone()), &sequence, &scanners, 1, &|| false).is_err());
    }

    #[test]
    fn a_planted_motif_is_enriched_and_the_others_are_not() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let motifs = bundled_motifs();
        let scanners = scanners(&motifs).unwrap();
        let planted = motifs.iter().position(|m| m.ppm.width() >= 9).unwrap();
        let consensus = motifs[planted].ppm.consensus();
        let (mut sites, mut controls) = (Vec::new(), Vec::new());
        for draw in 0..60 {
            let mut sequence = random_sequence(&mut random, 100);
            let other = control(&sequence, 1, draw);
            sequence[40..40 + consensus.len()].copy_from_slice(&consensus);
            sites.push(has_site(&scanners, &sequence));
            controls.push(has_site(&scanners, &other));
        }
        let found = motif_enrichment(&sites, &controls);
        assert!(found[0].motif == planted && found[0].q < 1e-10, "{:?}", found[0]);
        let others = motif_enrichment(&controls, &controls);
        assert!(others.iter().all(|e| e.q > 0.3), "nothing is enriched against itself");
        assert_eq!(motif_enrichment(&[], &[]), []);
    }

    #[test]
    fn a_filter_that_is_a_motif_finds_it() {
        let motifs = bundled_motifs();
        let collection = Tomtom::new(&motifs);
        let found = best_match(&collection, &motifs[3].ppm).unwrap();
        assert!(found.motif == 3 && found.e < 0.01 && found.e == found.p * motifs.len() as f64, "{found:?}");
        assert_eq!(best_match(&Tomtom::new(&[]), &motifs[3].ppm), None);
    }

    fn one(stretch: Range<usize>) -> Vec<Range<usize>> {
        std::iter::once(stretch).collect()
    }

    #[test]
    fn stretches_are_the_highest_and_share_nothing() {
        let mut values = vec![0.0; 40];
        (values[5], values[7], values[30], values[39]) = (3.0, 2.0, 1.0, -4.0);
        assert_eq!(highest_stretches(&values, 10, 5), [0..10, 25..35]);
        assert!(highest_stretches(&[0.0; 5], 3, 2).is_empty());
        assert_eq!(highest_stretches(&[1.0; 2], 5, 2), one(0..2));
    }

    #[test]
    fn overlap_is_tested_against_every_shift() {
        let covered = |at: Range<usize>| (0..100).map(|i| at.contains(&i)).collect::<Vec<bool>>();
        let on: Vec<_> = (0..20).map(|i| (one(4 * i..4 * i + 2), covered(4 * i..4 * i + 3))).collect();
        let found = peak_overlap(&on, 999, 1);
        assert_eq!((found.peaks, found.on_measured, found.p), (20, 20, 0.001));
        // A stretch of 2 touches one of 3 at 4 of 100 shifts.
        assert!((found.expected - 0.8).abs() < 0.1, "{found:?}");
        let none = peak_overlap(&[(Vec::new(), covered(0..3)), (one(1..3), vec![false; 100])], 99, 1);
        assert_eq!((none.on_measured, none.p), (0, 1.0));
        assert_eq!(peak_overlap(&[], 9, 1).p, 1.0);
    }
}
