//! Support vector regression with a linear kernel, by dual coordinate descent (Ho and Lin 2012, algorithm 4, as LIBLINEAR).
//!
//! Of our own: smartcore 0.7 gives every row the squared norm of the matrix's first numbers, so that its steps are of the wrong length
//! for every kernel whose diagonal is not constant.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Passes over the rows, at most.
const PASSES: usize = 5_000;
/// A pass that moves no prediction by more than this is the last.
const TOLERANCE: f64 = 1e-6;

/// `w` and its last number, the intercept, that minimise `|w|^2 / 2 + c * sum of max(0, |y - w x| - epsilon)`; the intercept counts as
/// a weight, as LIBLINEAR has it.
pub(super) fn fit(x: &[Vec<f64>], y: &[f64], c: f64, epsilon: f64) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = x.iter().map(|row| row.iter().copied().chain([1.0]).collect()).collect();
    let norms: Vec<f64> = rows.iter().map(|row| row.iter().map(|x| x * x).sum()).collect();
    let mut w = vec![0.0; rows.first().map_or(0, Vec::len)];
    let mut beta = vec![0.0; rows.len()];
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..PASSES {
        order.shuffle(&mut random);
        let mut largest: f64 = 0.0;
        for &i in &order {
            let gradient = predict(&w, &rows[i]) - y[i];
            // The minimum of the dual along beta_i, whose penalty epsilon |beta_i| has a kink at 0.
            let step = match (gradient + epsilon, gradient - epsilon, norms[i] * beta[i]) {
                (up, _, here) if up < here => -up / norms[i],
                (_, down, here) if down > here => -down / norms[i],
                _ => -beta[i],
            };
            let new = (beta[i] + step).clamp(-c, c);
            let change = new - beta[i];
            beta[i] = new;
            w.iter_mut().zip(&rows[i]).for_each(|(w, x)| *w += change * x);
            largest = largest.max(change.abs() * norms[i]);
        }
        if largest < TOLERANCE {
            break;
        }
    }
    w
}

/// `w x`; the intercept is added where `x` has no number for it.
pub(super) fn predict(w: &[f64], x: &[f64]) -> f64 {
    let intercept = if x.len() < w.len() { w[x.len()] } else { 0.0 };
    x.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() + intercept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_liblinear() {
        let x: Vec<Vec<f64>> = (0..40).map(|i| (0..3).map(|k| f64::from((i * 37 + k * 11) % 23) / 7.0 - 1.5).collect()).collect();
        let outlier = |i: usize| if i.is_multiple_of(7) { 3.0 } else { 0.0 };
        let y: Vec<f64> = x.iter().enumerate().map(|(i, x)| 2.0 * x[0] - x[1] + 0.5 + outlier(i)).collect();
        let w = fit(&x, &y, 0.5, 0.1);
        let loss: f64 = x.iter().zip(&y).map(|(x, y)| ((y - predict(&w, x)).abs() - 0.1).max(0.0)).sum();
        let objective = w.iter().map(|w| w * w).sum::<f64>() / 2.0 + 0.5 * loss;
        // scikit-learn 1.9.1: LinearSVR(C=0.5, epsilon=0.1, tol=1e-12).
        let expected = [1.147_826_09, -1.0, 0.852_173_91, 0.721_739_13];
        assert!(w.iter().zip(expected).all(|(w, expected)| (w - expected).abs() < 1e-4), "{w:?}");
        assert!((objective - 10.182_306_238).abs() < 1e-5, "{objective}");
    }
}
