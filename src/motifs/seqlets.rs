//! Short spans of high attribution, found recursively: every span inside one is itself significant (tangermeme's
//! `recursive_seqlets`).

use std::ops::Range;

/// How spans are called.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeqletOptions {
    /// Largest p-value of a span and of every span inside it. It ranks spans; it is no error rate.
    pub threshold: f64,
    /// Shortest span.
    pub min_len: usize,
    /// Longest span.
    pub max_len: usize,
}

impl Default for SeqletOptions {
    /// tangermeme's.
    fn default() -> Self {
        Self { threshold: 0.01, min_len: 4, max_len: 25 }
    }
}

/// A span of high attribution.
#[derive(Clone, Debug, PartialEq)]
pub struct Seqlet {
    /// First position.
    pub start: usize,
    /// One past the last position.
    pub end: usize,
    /// Sum of the attributions inside.
    pub attribution: f64,
    /// Probability of so high a sum for as many positions drawn at random from the same attributions.
    pub p_value: f64,
}

/// Steps into which attributions are cut for the null distribution.
const N_BINS: usize = 1000;

/// Spans of high positive attribution among `values` (one a position, of the observed base), best first; none overlap. A value
/// that is not finite is taken for 0.
///
/// Attributions are cut into 1,000 bins; sums of k bins drawn from their histogram are the null of a span of k; a span is called
/// where it and every span inside it of at least the shortest length has a p-value below the threshold.
pub fn recursive_seqlets(values: &[f32], options: SeqletOptions) -> Vec<Seqlet> {
    let values: Vec<f64> = values.iter().map(|&v| if v.is_finite() { f64::from(v) } else { 0.0 }).collect();
    let max_len = options.max_len.min(values.len());
    let min_len = options.min_len.max(1);
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Sums of equal values are equal: none is significant.
    if values.is_empty() || highest == lowest || max_len < min_len {
        return Vec::new();
    }
    let width = (highest - lowest) / (N_BINS - 1) as f64;
    let bins: Vec<usize> = values.iter().map(|v| (((v - lowest) / width).floor().max(0.0) as usize).min(N_BINS - 1)).collect();
    let survival = null_distributions(&bins, max_len);
    let sums = running_sums(&bins, 0, |a, b| a + b);
    let p_value = |start: usize, len: usize| survival[len][sums[start + len] - sums[start]];

    // Level by level: a span is a candidate where both spans of one position less are, and its own p-value is small.
    // `worst` is the largest p-value among its prefixes, which orders spans of one length.
    let mut levels: Vec<Vec<(usize, f64)>> = Vec::new();
    for len in min_len..=max_len {
        let candidates: Vec<(usize, f64)> = match levels.last() {
            None => (0..=values.len() - len).map(|start| (start, p_value(start, len))).collect(),
            Some(shorter) => {
                let neighbours = shorter.windows(2).filter(|w| w[1].0 == w[0].0 + 1);
                neighbours.map(|w| (w[0].0, w[0].1.max(p_value(w[0].0, len)))).collect()
            }
        };
        levels.push(candidates.into_iter().filter(|(_, worst)| *worst < options.threshold).collect());
    }
    let totals = running_sums(&values, 0.0, |a, b| a + b);
    let mut is_called = vec![false; values.len()];
    let mut seqlets = Vec::new();
    for (len, mut level) in (min_len..max_len + 1).zip(levels).rev() {
        level.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (start, _) in level {
            let span: Range<usize> = start..start + len;
            if is_called[span.clone()].contains(&true) {
                continue;
            }
            is_called[span.clone()].fill(true);
            let attribution = totals[span.end] - totals[span.start];
            seqlets.push(Seqlet { start: span.start, end: span.end, attribution, p_value: p_value(start, len) });
        }
    }
    seqlets.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    seqlets
}

/// Spans of high positive and of high negative attribution, best first: negative ones are those of the negated values that
/// overlap no positive one, their sums negative.
pub fn signed_seqlets(values: &[f32], options: SeqletOptions) -> Vec<Seqlet> {
    let mut seqlets = recursive_seqlets(values, options);
    let negated: Vec<f32> = values.iter().map(|v| -v).collect();
    let positive = seqlets.len();
    for mut seqlet in recursive_seqlets(&negated, options) {
        if seqlets[..positive].iter().all(|other| seqlet.end <= other.start || other.end <= seqlet.start) {
            seqlet.attribution = -seqlet.attribution;
            seqlets.push(seqlet);
        }
    }
    seqlets.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    seqlets
}

/// `P(sum of k bins >= i)` for k up to `max_len`, the bins drawn from the histogram of `bins`.
fn null_distributions(bins: &[usize], max_len: usize) -> Vec<Vec<f64>> {
    let mut histogram = vec![0.0; N_BINS];
    bins.iter().for_each(|&bin| histogram[bin] += 1.0 / bins.len() as f64);
    let occupied: Vec<(usize, f64)> = histogram.into_iter().enumerate().filter(|(_, p)| *p > 0.0).collect();
    let mut density = vec![1.0];
    let mut survival = vec![vec![1.0]];
    for len in 1..=max_len {
        let mut longer = vec![0.0; len * (N_BINS - 1) + 1];
        for &(bin, p) in &occupied {
            longer[bin..bin + density.len()].iter_mut().zip(&density).for_each(|(to, from)| *to += from * p);
        }
        density = longer;
        // Summed from the top: 1 minus the sum from below would lose the small probabilities.
        let mut sum = 0.0;
        let mut of_len: Vec<f64> = density
            .iter()
            .rev()
            .map(|p| {
                sum += p;
                sum
            })
            .collect();
        of_len.reverse();
        survival.push(of_len);
    }
    survival
}

/// Sums of the first 0, 1, 2, ... values.
fn running_sums<T: Copy>(values: &[T], zero: T, add: fn(T, T) -> T) -> Vec<T> {
    let mut sums = Vec::with_capacity(values.len() + 1);
    sums.push(zero);
    for &value in values {
        sums.push(add(sums[sums.len() - 1], value));
    }
    sums
}
