//! Which motif of a collection a sequence or motif resembles, with p- and q-values: TOMTOM (Gupta et al. 2007), the complete
//! score with the Euclidean distance of columns, as memelite computes it.

use super::{Motif, Ppm};
use crate::genome::Strand;

/// Steps of a column's score.
const N_SCORE_BINS: usize = 100;
/// Steps in which a column's median is looked for.
const N_MEDIAN_BINS: usize = 1000;
/// No query is wider: seqlets have at most 25 positions, motifs of collections some 30.
const MAX_QUERY: usize = 100;

/// A motif that a query resembles.
#[derive(Clone, Debug, PartialEq)]
pub struct MotifMatch {
    /// Its place in the collection.
    pub motif: usize,
    /// Probability that a random query of these columns has so good an alignment with some place of this motif.
    pub p_value: f64,
    /// Benjamini and Hochberg's adjusted p-value over the collection, for this query.
    pub q_value: f64,
    /// Position of the motif (on `strand`) below the query's first; negative where the query begins before the motif.
    pub offset: i64,
    /// Positions that lie on each other.
    pub overlap: usize,
    /// Strand of the motif that the query resembles.
    pub strand: Strand,
}

/// A collection to compare with.
#[derive(Clone, Debug)]
pub struct Tomtom {
    /// Motifs, then their reverse complements.
    targets: Vec<Vec<[f64; 4]>>,
}

/// Scores of one query against every column of the collection.
struct Columns {
    /// `[query position][column of the collection]`, in steps.
    scores: Vec<Vec<i32>>,
    /// `[query position][step]`: how often each score comes in the collection.
    frequencies: Vec<Vec<f64>>,
    /// What a position that lies on nothing scores: the median.
    unaligned: i32,
}

impl Tomtom {
    /// A collection. P-values rest on the collection's own columns: below some 50 motifs they depend on which those are.
    pub fn new(motifs: &[Motif]) -> Self {
        let forward = motifs.iter().map(|m| m.ppm.rows().to_vec());
        let reverse = motifs.iter().map(|m| m.ppm.reverse_complement().rows().to_vec());
        Self { targets: forward.chain(reverse).collect() }
    }

    /// Number of motifs.
    pub fn len(&self) -> usize {
        self.targets.len() / 2
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Every motif of the collection beside `query`, the most similar first; nothing for a query of no or more than 100
    /// positions.
    pub fn matches(&self, query: &Ppm) -> Vec<MotifMatch> {
        if query.width() == 0 || query.width() > MAX_QUERY || self.is_empty() {
            return Vec::new();
        }
        let columns = self.columns(query.rows());
        let spans = Spans::new(&columns);
        let mut from = 0;
        let mut best = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            let alignment = columns.best_alignment(from, target.len());
            best.push((spans.p_value(alignment.score, target.len()), alignment));
            from += target.len();
        }
        let n = self.len();
        let mut matches: Vec<MotifMatch> = (0..n)
            .map(|motif| {
                let (forward, reverse) = (&best[motif], &best[n + motif]);
                let p = forward.0.min(reverse.0);
                // Either strand may be the better: 1 - (1 - p)^2.
                let p_value = p * (2.0 - p);
                let (strand, of) = match forward.1.score <= reverse.1.score {
                    true => (Strand::Reverse, &reverse.1),
                    false => (Strand::Forward, &forward.1),
                };
                MotifMatch { motif, p_value, q_value: 1.0, offset: of.offset, overlap: of.overlap, strand }
            })
            .collect();
        matches.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
        let mut least = 1.0_f64;
        for (rank, found) in matches.iter_mut().enumerate().rev() {
            least = least.min(found.p_value * n as f64 / (rank + 1) as f64);
            found.q_value = least;
        }
        matches
    }

    fn columns(&self, query: &[[f64; 4]]) -> Columns {
        let distance = |a: &[f64; 4], b: &[f64; 4]| {
            let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            -squares.max(0.0).sqrt()
        };
        // Scores less their median, so that a position that lies on nothing is worth 0.
        let centred: Vec<Vec<f64>> = query
            .iter()
            .map(|row| {
                let scores: Vec<f64> = self.targets.iter().flatten().map(|column| distance(row, column)).collect();
                let median = binned_median(&scores);
                scores.into_iter().map(|score| score - median).collect()
            })
            .collect();
        let lowest = centred.iter().flatten().copied().fold(f64::INFINITY, f64::min).floor();
        let highest = centred.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = (N_SCORE_BINS as f64 / (highest - lowest).max(1.0)).floor();
        let unaligned = (-lowest * scale) as i32;
        let step = |score: f64| (score * scale + 0.5).floor() as i32 + unaligned;
        let scores: Vec<Vec<i32>> = centred.iter().map(|row| row.iter().map(|&s| step(s)).collect()).collect();
        let frequencies = scores
            .iter()
            .map(|row| {
                let mut counts = vec![0.0; N_SCORE_BINS + 1];
                row.iter().for_each(|&s| counts[s as usize] += 1.0 / row.len() as f64);
                counts
            })
            .collect();
        Columns { scores, frequencies, unaligned }
    }
}

/// The median, as the mean of the values in the one of 1,000 equal steps of their range that holds it.
fn binned_median(values: &[f64]) -> f64 {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let range = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - lowest;
    if range == 0.0 {
        return lowest;
    }
    let mut bins = vec![(0_usize, 0.0); N_MEDIAN_BINS];
    for &value in values {
        let bin = &mut bins[((value - lowest) / range * (N_MEDIAN_BINS - 1) as f64) as usize];
        *bin = (bin.0 + 1, bin.1 + value);
    }
    let mut seen = 0;
    for (count, sum) in bins {
        seen += count;
        if 2 * seen >= values.len() {
            return sum / count as f64;
        }
    }
    lowest
}

/// The best place of a query on a motif.
struct Alignment {
    score: i32,
    /// First position of the query less the first of the motif.
    offset: i64,
    overlap: usize,
}

impl Columns {
    /// The best alignment with the `len` columns from `from`: of equals the one with the longest overlap, then the leftmost.
    fn best_alignment(&self, from: usize, len: usize) -> Alignment {
        let mut best = Alignment { score: i32::MIN, offset: 0, overlap: 0 };
        for (offset, span) in alignments(self.scores.len(), len) {
            let aligned: i32 = span.clone().map(|q| self.scores[q][(from as i64 + offset + q as i64) as usize]).sum();
            let score = aligned + self.unaligned * (self.scores.len() - span.len()) as i32;
            if score > best.score || (score == best.score && span.len() > best.overlap) {
                best = Alignment { score, offset, overlap: span.len() };
            }
        }
        best
    }
}

/// Every alignment of `query` positions with `target` positions that share one: the query's offset, and which of its positions
/// lie on the target.
fn alignments(query: usize, target: usize) -> impl Iterator<Item = (i64, std::ops::Range<usize>)> {
    let first = 1 - query as i64;
    (first..target as i64).map(move |offset| {
        let from = (-offset).max(0) as usize;
        let to = (target as i64 - offset).min(query as i64) as usize;
        (offset, from..to)
    })
}

/// How the score of each span of the query's positions is distributed where the columns below it are drawn from the collection.
struct Spans {
    query: usize,
    /// `P(score >= i)` of the span, positions outside it unaligned; row-major by first and last position.
    survival: Vec<Vec<f64>>,
    unaligned: i32,
}

impl Spans {
    fn new(columns: &Columns) -> Self {
        let query = columns.scores.len();
        let mut survival = vec![Vec::new(); query * query];
        for from in 0..query {
            let mut density = vec![1.0];
            for to in from..query {
                let mut longer = vec![0.0; density.len() + N_SCORE_BINS];
                for (step, &p) in columns.frequencies[to].iter().enumerate().filter(|(_, p)| **p > 0.0) {
                    longer[step..step + density.len()].iter_mut().zip(&density).for_each(|(a, b)| *a += b * p);
                }
                density = longer;
                let mut sum = 0.0;
                let tail = density.iter().rev().map(|p| {
                    sum += p;
                    f64::min(sum, 1.0)
                });
                let mut tail: Vec<f64> = tail.collect();
                tail.reverse();
                survival[from * query + to] = tail;
            }
        }
        Self { query, survival, unaligned: columns.unaligned }
    }

    /// The probability that the best alignment with a target of `len` columns scores at least `score`, alignments taken as
    /// independent.
    fn p_value(&self, score: i32, len: usize) -> f64 {
        if score <= 0 {
            return 1.0;
        }
        // ln of the probability that none does.
        let log_none: f64 = alignments(self.query, len)
            .map(|(_, span)| {
                let within = score - self.unaligned * (self.query - span.len()) as i32;
                let tail = &self.survival[span.start * self.query + span.end - 1];
                let p = if within <= 0 { 1.0 } else { tail.get(within as usize).copied().unwrap_or(0.0) };
                (-p).ln_1p()
            })
            .sum();
        -log_none.exp_m1()
    }
}
