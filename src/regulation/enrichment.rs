//! Called bins against annotations: whether they hit more elements than bins placed otherwise.
//!
//! Bins of a gene are neighbours and lie around its TSS, as annotated elements do: tests that take bins for independent (Fisher,
//! Mann and Whitney) stand beside the two that do not, and are labelled so. An element counts once, however many bins touch it.

use super::statistics::{Fisher, benjamini_hochberg, fisher_exact, mann_whitney_p};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Placements drawn for p-values over genes.
pub const DRAWS: usize = 1_999;

/// One gene's bins and one kind of element.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GeneBins {
    /// Whether each bin is called.
    pub called: Vec<bool>,
    /// The attention to each bin: of several rows the largest.
    pub attention: Vec<f32>,
    /// Bins that each element touches.
    pub elements: Vec<Vec<usize>>,
    /// Bins that are counted, where not all are (DeepCORE: promoters within 1 kb of the TSS, enhancers beyond).
    pub universe: Option<Vec<bool>>,
}

/// Bins by whether they are attended to and whether they touch a regulatory element, as DeepCORE's code names them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Attended, regulatory.
    pub a_re: u64,
    /// Attended, not regulatory.
    pub a_nre: u64,
    /// Not attended, regulatory.
    pub na_re: u64,
    /// Neither.
    pub na_nre: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.a_re += other.a_re;
        self.a_nre += other.a_nre;
        self.na_re += other.na_re;
        self.na_nre += other.na_nre;
    }

    /// Fisher's test of the table: bins taken for independent.
    pub fn fisher(self) -> Fisher {
        fisher_exact([[self.a_re, self.a_nre], [self.na_re, self.na_nre]])
    }
}

/// What one gene says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfGene {
    /// Bins.
    pub counts: Counts,
    /// Elements in the window.
    pub elements: usize,
    /// Of them touched by a called bin.
    pub hits: usize,
    /// Mean of the hits over all circular shifts of the called bins.
    pub expected: f64,
    /// Share of all circular shifts with as many hits.
    pub p: f64,
    /// Adjusted over genes.
    pub q: f64,
}

/// What all genes say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrichment {
    /// Each gene, in order.
    pub genes: Vec<OfGene>,
    /// Bins of all genes.
    pub counts: Counts,
    /// Elements.
    pub elements: usize,
    /// Elements touched by a called bin.
    pub hits: usize,
    /// Mean of the hits over circular shifts.
    pub expected_shifted: f64,
    /// p-value over shifts of every gene by its own number of bins.
    pub p_shifted: f64,
    /// Mean of the hits by the bins of another gene: at the same distances from a TSS.
    pub expected_matched: f64,
    /// p-value over such exchanges; 1 of a single gene.
    pub p_matched: f64,
    /// Fisher's test over bins, taken for independent.
    pub fisher: Fisher,
    /// Mann and Whitney's test of the attention to bins that touch elements and others, taken for independent.
    pub p_mann_whitney: f64,
}

impl GeneBins {
    fn touched(&self) -> Vec<bool> {
        let mut touched = vec![false; self.called.len()];
        self.elements.iter().flatten().for_each(|&bin| touched[bin] = true);
        touched
    }

    fn is_counted(&self, bin: usize) -> bool {
        self.universe.as_ref().is_none_or(|universe| universe[bin])
    }

    /// The four counts.
    pub fn counts(&self) -> Counts {
        let touched = self.touched();
        let mut counts = Counts::default();
        for bin in (0..self.called.len()).filter(|&bin| self.is_counted(bin)) {
            let place = match (self.called[bin], touched[bin]) {
                (true, true) => &mut counts.a_re,
                (true, false) => &mut counts.a_nre,
                (false, true) => &mut counts.na_re,
                (false, false) => &mut counts.na_nre,
            };
            *place += 1;
        }
        counts
    }

    /// Elements that `called` bins touch, moved round by `shift`.
    fn hits(&self, called: &[bool], shift: usize) -> usize {
        let n = called.len();
        let is_hit = |element: &&Vec<usize>| element.iter().any(|&bin| bin < n && called[(bin + shift) % n]);
        self.elements.iter().filter(is_hit).count()
    }

    /// Hits by every circular shift, that by 0 first.
    fn hits_by_shift(&self) -> Vec<usize> {
        (0..self.called.len().max(1))
            .map(|shift| if self.called.is_empty() { 0 } else { self.hits(&self.called, shift) })
            .collect()
    }
}

/// Tests genes, one kind of element. The same seed gives the same answer.
pub fn enrich(genes: &[GeneBins], seed: u64) -> Enrichment {
    let by_shift: Vec<Vec<usize>> = genes.iter().map(GeneBins::hits_by_shift).collect();
    let mut of_genes: Vec<OfGene> = genes
        .iter()
        .zip(&by_shift)
        .map(|(gene, hits)| OfGene {
            counts: gene.counts(),
            elements: gene.elements.len(),
            hits: hits[0],
            expected: mean(hits),
            // The shift by 0 is one of all.
            p: hits.iter().filter(|h| **h >= hits[0]).count() as f64 / hits.len() as f64,
            q: 1.0,
        })
        .collect();
    let q = benjamini_hochberg(&of_genes.iter().map(|g| g.p).collect::<Vec<_>>());
    of_genes.iter_mut().zip(q).for_each(|(gene, q)| gene.q = q);
    let hits: usize = by_shift.iter().map(|h| h[0]).sum();

    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shifted: Vec<usize> =
        (0..DRAWS).map(|_| by_shift.iter().map(|hits| hits[random.random_range(0..hits.len())]).sum()).collect();
    let mut order: Vec<usize> = (0..genes.len()).collect();
    let draws = if genes.len() < 2 { 0 } else { DRAWS };
    let matched: Vec<usize> = (0..draws)
        .map(|_| {
            order.shuffle(&mut random);
            genes.iter().zip(&order).map(|(gene, &other)| gene.hits(&genes[other].called, 0)).sum()
        })
        .collect();
    let mut counts = Counts::default();
    of_genes.iter().for_each(|gene| counts.add(gene.counts));
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for gene in genes {
        let touched = gene.touched();
        for bin in (0..gene.attention.len()).filter(|&bin| gene.is_counted(bin)) {
            if touched[bin] { &mut on } else { &mut off }.push(f64::from(gene.attention[bin]));
        }
    }
    Enrichment {
        counts,
        elements: genes.iter().map(|gene| gene.elements.len()).sum(),
        hits,
        expected_shifted: by_shift.iter().map(|hits| mean(hits)).sum(),
        p_shifted: share(&shifted, hits),
        expected_matched: if matched.is_empty() { f64::NAN } else { mean(&matched) },
        p_matched: share(&matched, hits),
        fisher: counts.fisher(),
        p_mann_whitney: mann_whitney_p(&on, &off),
        genes: of_genes,
    }
}

fn mean(counts: &[usize]) -> f64 {
    if counts.is_empty() { 0.0 } else { counts.iter().sum::<usize>() as f64 / counts.len() as f64 }
}

/// `(1 + draws with as many) / (1 + draws)`.
fn share(draws: &[usize], hits: usize) -> f64 {
    (1 + draws.iter().filter(|drawn| **drawn >= hits).count()) as f64 / (1 + draws.len()) as f64
}

/// What lies in attended bins of a group of genes.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkInBins {
    /// Index of the mark.
    pub mark: usize,
    /// Genes with both called and other bins.
    pub genes: usize,
    /// Mean over genes of the mean in called bins.
    pub called: f64,
    /// The same of the other bins.
    pub others: f64,
    /// Mann and Whitney's test of both means, genes taken for independent.
    pub p: f64,
}

/// Marks in called bins and in the others (DeepCORE fig. 3B), for genes given as called bins and `[bins, k]` means.
pub fn marks_in_bins(genes: &[(&[bool], &[f32])], k: usize) -> Vec<MarkInBins> {
    let of_mark = |mark: usize| {
        let (mut called, mut others) = (Vec::new(), Vec::new());
        for (is_called, marks) in genes {
            let mean_of = |wanted: bool| {
                let bins = (0..is_called.len()).filter(|&bin| is_called[bin] == wanted);
                let values: Vec<f64> = bins.map(|bin| f64::from(marks[bin * k + mark])).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            };
            if let (Some(on), Some(off)) = (mean_of(true), mean_of(false)) {
                called.push(on);
                others.push(off);
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        MarkInBins {
            mark,
            genes: called.len(),
            called: mean(&called),
            others: mean(&others),
            p: mann_whitney_p(&called, &others),
        }
    };
    (0..k).map(of_mark).collect()
}

/// DeepCORE's own checks of called bins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Attended {
    /// Called bins.
    pub bins: u64,
    /// Of them without any signal in what they read.
    pub signal_free: u64,
    /// Of those next to a called bin with signal.
    pub beside_signal: u64,
    /// Of the rest in the first or last tenth of the window's bins.
    pub at_border: u64,
    /// All bins without any signal.
    pub all_signal_free: u64,
    /// Sum over called bins of the bases between their middle and the TSS.
    pub distance_to_tss: u64,
}

impl Attended {
    /// Takes in a gene: which bins are called, which have signal, and where the middle of each lies from the TSS.
    pub fn add(&mut self, called: &[bool], has_signal: &[bool], distance: &[u64]) {
        let n = called.len();
        let border = n / 10;
        self.all_signal_free += has_signal.iter().filter(|has| !**has).count() as u64;
        for (bin, (_, distance)) in called.iter().zip(distance).enumerate().filter(|(_, (called, _))| **called) {
            self.bins += 1;
            self.distance_to_tss += distance;
            if has_signal[bin] {
                continue;
            }
            self.signal_free += 1;
            let is_true = |bin: usize| bin < n && called[bin] && has_signal[bin];
            if is_true(bin + 1) || bin.checked_sub(1).is_some_and(is_true) {
                self.beside_signal += 1;
            } else if bin < border || bin + border >= n {
                self.at_border += 1;
            }
        }
    }

    /// Bases; NaN where nothing is called.
    pub fn mean_distance(&self) -> f64 {
        self.distance_to_tss as f64 / self.bins as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gene(called: &[usize], elements: &[&[usize]]) -> GeneBins {
        let called: Vec<bool> = (0..100).map(|bin| called.contains(&bin)).collect();
        let attention = called.iter().map(|c| f32::from(u8::from(*c))).collect();
        GeneBins { called, attention, elements: elements.iter().map(|e| e.to_vec()).collect(), universe: None }
    }

    #[test]
    fn an_element_counts_once_and_every_shift_is_compared() {
        let one = gene(&[10, 11, 12, 50], &[&[9, 10, 11, 12, 13], &[70]]);
        assert_eq!(one.counts(), Counts { a_re: 3, a_nre: 1, na_re: 3, na_nre: 93 });
        let found = enrich(std::slice::from_ref(&one), 1);
        assert_eq!((found.hits, found.elements), (1, 2));
        // Shifts that bring bins 10, 11, 12 or 50 onto 9..=13, or onto 70: 7 + 5 with the first element, 4 with the second.
        let hits = one.hits_by_shift();
        assert_eq!(hits.iter().sum::<usize>(), 7 + 5 + 4);
        assert!((found.genes[0].p - hits.iter().filter(|h| **h >= 1).count() as f64 / 100.0).abs() < 1e-12);
        assert!((found.expected_shifted - 0.16).abs() < 1e-12);
        assert_eq!((found.p_matched, found.expected_matched.is_nan()), (1.0, true), "no other gene to exchange with");
    }

    #[test]
    fn bins_that_lie_alike_in_all_genes_are_enriched_by_shift_but_not_beyond_their_place() {
        // Every gene attends to its TSS, where every promoter is: that says nothing of this gene's promoter.
        let genes = vec![gene(&[49, 50, 51], &[&[50, 51]]); 30];
        let found = enrich(&genes, 1);
        assert!(found.p_shifted < 0.001 && found.p_matched == 1.0, "{found:?}");
        assert!(found.counts.fisher().p_greater < 1e-6);
        // Each gene attends to its own element.
        let own: Vec<GeneBins> = (0..30).map(|i| gene(&[3 * i], &[&[3 * i]])).collect();
        let found = enrich(&own, 1);
        assert!(found.p_shifted < 0.001 && found.p_matched < 0.001);
        assert_eq!(found, enrich(&own, 1));
    }

    #[test]
    fn placed_at_random_p_values_are_uniform() {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let draw = |random: &mut ChaCha8Rng| {
            let at = random.random_range(0..100);
            // Autocorrelated: a run of called bins, elements of several bins.
            let run: Vec<usize> = (at..at + 8).map(|bin| bin % 100).collect();
            let element: Vec<usize> = (0..6).map(|i| 40 + i).collect();
            gene(&run, &[&element])
        };
        let p: Vec<f64> = (0..100)
            .map(|_| {
                let genes: Vec<GeneBins> = (0..20).map(|_| draw(&mut random)).collect();
                enrich(&genes, random.random()).p_shifted
            })
            .collect();
        // Counts are discrete, p-values on the safe side of uniform.
        for level in [0.05, 0.1, 0.2, 0.5] {
            let below = p.iter().filter(|p| **p <= level).count() as f64 / 100.0;
            assert!(below <= level + 2.5 * (level * (1.0 - level) / 100.0_f64).sqrt(), "{below} at {level}");
        }
        assert!(p.iter().any(|p| *p < 0.3));
    }

    #[test]
    fn nothing_called_and_no_annotation_have_answers() {
        for genes in [vec![gene(&[], &[&[3]]); 3], vec![gene(&[3], &[]); 3], Vec::new()] {
            let found = enrich(&genes, 1);
            assert_eq!((found.hits, found.p_shifted, found.p_matched, found.fisher.p_greater), (0, 1.0, 1.0, 1.0));
            assert!(found.genes.iter().all(|g| g.p == 1.0 && g.q == 1.0));
        }
        let none = marks_in_bins(&[(&[false, false], &[1.0, 2.0])], 1);
        assert!(none[0].genes == 0 && none[0].called.is_nan() && none[0].p == 1.0);
        assert!(Attended::default().mean_distance().is_nan());
    }

    #[test]
    fn called_bins_without_signal_are_told_apart() {
        let mut attended = Attended::default();
        let called = [true, false, true, true, false, false, true, false, false, false];
        let signal = [false, true, true, false, true, true, false, true, true, true];
        attended.add(&called, &signal, &[10; 10]);
        let expected =
            Attended { bins: 4, signal_free: 3, beside_signal: 1, at_border: 1, all_signal_free: 3, distance_to_tss: 40 };
        assert_eq!(attended, expected);
        let marks = marks_in_bins(&[(&[true, false, false], &[3.0, 1.0, 2.0]), (&[true, false, false], &[5.0, 0.0, 1.0])], 1);
        assert_eq!((marks[0].called, marks[0].others, marks[0].genes), (4.0, 1.0, 2));
    }
}
