//! Tests and corrections that the analyses share. Undefined cases have a stated answer: a p-value of 1, a correlation of `None`.

use statrs::distribution::{DiscreteCDF, Hypergeometric};
use statrs::function::{beta::beta_reg, erf::erfc};

/// Benjamini and Hochberg's adjusted p-values, in the order of `p`.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p[i] * p.len() as f64 / (rank + 1) as f64);
        q[i] = least;
    }
    q
}

/// `(1 + count of null >= observed) / (1 + N)`, `null` ascending: never 0, and 1 where nothing was drawn.
pub fn empirical_p(observed: f64, null: &[f64]) -> f64 {
    let below = null.partition_point(|v| *v < observed);
    (1 + null.len() - below) as f64 / (1 + null.len()) as f64
}

/// What Fisher's exact test says of a table of four counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fisher {
    /// `a d / (b c)`; infinite where only that product is 0, NaN where both are.
    pub odds_ratio: f64,
    /// One-sided: the chance of at least so many in the first cell, both margins given.
    pub p_greater: f64,
}

/// Fisher's exact test of `[[a, b], [c, d]]`. A table with an empty margin says nothing: p is 1.
pub fn fisher_exact([[a, b], [c, d]]: [[u64; 2]; 2]) -> Fisher {
    let odds_ratio = (a as f64 * d as f64) / (b as f64 * c as f64);
    let p_greater = match Hypergeometric::new(a + b + c + d, a + c, a + b) {
        Ok(_) if a == 0 => 1.0,
        Ok(counts) => counts.sf(a - 1).clamp(0.0, 1.0),
        Err(_) => 1.0,
    };
    Fisher { odds_ratio, p_greater }
}

/// Two-sided p-value of Mann and Whitney's test, by the normal approximation with tie and continuity correction (scipy's
/// `asymptotic`); 1 where a side is empty or all values are equal.
pub fn mann_whitney_p(a: &[f64], b: &[f64]) -> f64 {
    let all: Vec<f64> = a.iter().chain(b).copied().collect();
    let (n, m, total) = (a.len() as f64, b.len() as f64, all.len() as f64);
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    let (ranks, ties) = ranks(&all);
    let u = ranks[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5) / variance.sqrt();
    erfc(z / std::f64::consts::SQRT_2).min(1.0)
}

/// Ranks from 1, ties at their mean, and `sum(t^3 - t)` over groups of `t` ties.
fn ranks(values: &[f64]) -> (Vec<f64>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut ranks, mut ties, mut before) = (vec![0.0; values.len()], 0.0, 0);
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let t = tied.len() as f64;
        tied.iter().for_each(|&i| ranks[i] = before as f64 + (t + 1.0) / 2.0);
        ties += t * t * t - t;
        before += tied.len();
    }
    (ranks, ties)
}

/// Pearson's correlation; `None` for fewer than two pairs or where one side is constant.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (x, y) = (standardised(x)?, standardised(y)?);
    (x.len() == y.len()).then(|| dot(&x, &y).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of ranks.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&ranks(x).0, &ranks(y).0)
}

/// `values` less their mean, of length 1, so that a product of two is their correlation; `None` where they are constant.
pub fn standardised(values: &[f64]) -> Option<Vec<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let length = dot(&centred, &centred).sqrt();
    // What is left of equal values is rounding of their mean.
    let is_varied = length > 1e-12 * values.iter().map(|v| v.abs()).fold(0.0, f64::max);
    is_varied.then(|| centred.iter().map(|v| v / length).collect())
}

/// Sum of products.
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(a, b)| a * b).sum()
}

/// Two-sided p-value of a Pearson correlation of `n` independent normal pairs (t, n - 2 degrees of freedom); 1 for n < 3.
pub fn pearson_p(r: f64, n: usize) -> f64 {
    if n < 3 {
        return 1.0;
    }
    let degrees = (n - 2) as f64;
    // I_x(v/2, 1/2) with x = v / (v + t^2) = 1 - r^2.
    let x = ((1.0 - r) * (1.0 + r)).clamp(0.0, 1.0);
    beta_reg(degrees / 2.0, 0.5, x)
}

/// `P(Z >= z)` of a standard normal.
pub fn normal_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// The middle value, of an even number the mean of the middle two; NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0 }
}

/// Kolmogorov and Smirnov's asymptotic p-value of values being uniform from 0 to 1.
#[cfg(test)]
pub(crate) fn uniform_p(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, v): (usize, &f64)| f64::max((i + 1) as f64 / n - v, v - i as f64 / n);
    let d = sorted.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt();
    let term = |k: i32| (-2.0 * f64::from(k * k) * d * d).exp() * if k % 2 == 1 { 2.0 } else { -2.0 };
    if d < 0.2 { 1.0 } else { (1..100).map(term).sum::<f64>().clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-10 * b.abs().max(1e-3), "{a} {b}");
    }

    /// Numbers of scipy 1.17.1 and statsmodels 0.15.0.
    #[test]
    fn tests_give_what_scipy_gives() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.8, 0.03, 1.0, 0.2];
        let q = [0.04, 0.064, 0.06, 0.04, 0.914_285_714_285_714_4, 0.06, 1.0, 0.266_666_666_666_666_66];
        benjamini_hochberg(&p).iter().zip(q).for_each(|(a, b)| is_near(*a, b));
        for (table, odds, p) in [
            ([[8, 2], [1, 5]], 20.0, 0.024_475_524_475_524_483),
            ([[3, 7], [20, 170]], 3.642_857_142_857_143, 0.093_243_025_647_139_31),
            ([[0, 5], [3, 4]], 0.0, 1.0),
            ([[120, 80], [300, 500]], 2.5, 7.789_701_484_941_599e-9),
        ] {
            let fisher = fisher_exact(table);
            is_near(fisher.odds_ratio, odds);
            assert!((fisher.p_greater / p - 1.0).abs() < 1e-6, "{fisher:?} {p}");
        }
        let (a, b) = ([1.1, 2.2, 2.2, 3.5, 4.0, 9.1], [0.5, 2.2, 1.0, 1.7, 0.3]);
        is_near(mann_whitney_p(&a, &b), 0.034_094_293_192_590_455);
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.5, 7.0], [2.0, 1.0, 4.0, 3.0, 7.0, 8.0]);
        is_near(pearson(&x, &y).unwrap(), 0.925_026_062_262_427);
        is_near(pearson_p(0.925_026_062_262_427, 6), 0.008_220_919_333_749_592);
        is_near(pearson_p(0.6, 4), 0.4);
        is_near(spearman(&x, &y).unwrap(), 0.885_714_285_714_285_8);
        is_near(uniform_p(&[0.02, 0.11, 0.35, 0.6, 0.61, 0.9, 0.97]), 0.969_207_155_437_912_5);
        is_near(normal_tail(1.959_963_984_540_054), 0.025);
    }

    #[test]
    fn undefined_cases_have_answers() {
        assert_eq!(benjamini_hochberg(&[]), [0.0; 0]);
        assert_eq!(benjamini_hochberg(&[0.2; 5]), [0.2; 5], "all p equal");
        assert_eq!((empirical_p(1.0, &[]), empirical_p(2.0, &[1.0, 2.0, 3.0]), empirical_p(4.0, &[1.0])), (1.0, 0.75, 0.5));
        assert_eq!(fisher_exact([[0, 0], [3, 4]]).p_greater, 1.0);
        assert_eq!(fisher_exact([[5, 0], [7, 0]]).p_greater, 1.0, "everything is in the set");
        assert_eq!((mann_whitney_p(&[], &[1.0]), mann_whitney_p(&[1.0, 1.0], &[1.0])), (1.0, 1.0));
        assert_eq!(pearson(&[0.1; 30], &[0.3; 30]), None);
        assert_eq!((pearson(&[1.0], &[2.0]), pearson_p(1.0, 2), pearson_p(1.0, 9)), (None, 1.0, 0.0));
        assert!(median(&[]).is_nan() && median(&[3.0, 1.0, 2.0, 4.0]) == 2.5);
    }
}
