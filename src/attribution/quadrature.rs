//! Nodes and weights of the rules by which a path integral is summed.

use super::options::Rule;
use super::path::Node;

/// Nodes of a rule with `n` evaluations, in groups after each of which what is summed so far is a rule of its own: each prefix of
/// groups, its weights divided by their sum. Weights of the whole sum to 1.
pub(super) fn levels(rule: Rule, n: usize) -> Vec<Vec<Node>> {
    let equal = |at: fn(usize, usize) -> f64| vec![(0..n).map(|i| Node { at: at(i, n), weight: 1.0 / n as f64 }).collect()];
    match rule {
        Rule::Midpoint => midpoints(n),
        Rule::Left => equal(|i, n| i as f64 / n as f64),
        Rule::Right => equal(|i, n| (i + 1) as f64 / n as f64),
        Rule::Trapezoid if n == 1 => midpoints(1),
        Rule::Trapezoid => {
            let steps = (n - 1) as f64;
            let weight = |i: usize| if i == 0 || i == n - 1 { 0.5 / steps } else { 1.0 / steps };
            vec![(0..n).map(|i| Node { at: i as f64 / steps, weight: weight(i) }).collect()]
        }
        Rule::GaussLegendre => vec![gauss_legendre(n)],
    }
}

/// The midpoints `(2i + 1) / 2n`: those of n steps are among those of 3n, so that a result refines without losing work.
fn midpoints(n: usize) -> Vec<Vec<Node>> {
    let node = |i: usize| Node { at: (2 * i + 1) as f64 / (2 * n) as f64, weight: 1.0 / n as f64 };
    if !n.is_multiple_of(3) || n / 3 < 9 {
        return vec![(0..n).map(node).collect()];
    }
    let mut levels = midpoints(n / 3);
    levels.iter_mut().flatten().for_each(|node| node.weight = 1.0 / n as f64);
    levels.push(thirds(n / 3, 1.0 / n as f64));
    levels
}

/// What the midpoints of `n` steps lack of those of 3n, each of one weight.
pub(super) fn thirds(n: usize, weight: f64) -> Vec<Node> {
    // Of each three neighbouring midpoints the middle one is a midpoint of the coarser rule.
    let at = |i: usize| (2 * i + 1) as f64 / (6 * n) as f64;
    (0..3 * n).filter(|i| i % 3 != 1).map(|i| Node { at: at(i), weight }).collect()
}

/// The zeros of the Legendre polynomial of degree n on 0 to 1, by Newton's method.
fn gauss_legendre(n: usize) -> Vec<Node> {
    let node = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut previous, mut value) = (1.0, x);
            for k in 2..=n {
                let k = k as f64;
                (previous, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * previous) / k);
            }
            slope = n as f64 * (x * value - previous) / (x * x - 1.0);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        Node { at: (1.0 - x) / 2.0, weight: 1.0 / ((1.0 - x * x) * slope * slope) }
    };
    match n {
        1 => vec![Node { at: 0.5, weight: 1.0 }],
        n => (0..n).map(node).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Rule; 5] = [Rule::Midpoint, Rule::GaussLegendre, Rule::Left, Rule::Right, Rule::Trapezoid];

    #[test]
    fn weights_of_every_rule_sum_to_one() {
        // captum's trapezoid has weights that sum to (n - 1) / n.
        for rule in ALL {
            for n in [1, 2, 3, 5, 27, 50, 81, 200, 243] {
                let nodes = levels(rule, n).concat();
                let sum: f64 = nodes.iter().map(|node| node.weight).sum();
                assert!(nodes.len() == n && (sum - 1.0).abs() < 1e-12, "{rule} {n}: {sum}");
                assert!(nodes.iter().all(|node| (0.0..=1.0).contains(&node.at) && node.weight > 0.0));
            }
        }
    }

    #[test]
    fn polynomials_are_integrated_to_their_degree() {
        let integral =
            |rule, n, power: i32| -> f64 { levels(rule, n).concat().iter().map(|x| x.weight * x.at.powi(power)).sum() };
        for n in [2, 5, 32, 200] {
            for power in [1, 3, (2 * n - 1).min(63)] {
                let expected = 1.0 / f64::from(power + 1);
                assert!((integral(Rule::GaussLegendre, n as usize, power) - expected).abs() < 1e-13, "{n} {power}");
            }
            for rule in [Rule::Midpoint, Rule::Trapezoid] {
                assert!((integral(rule, n as usize, 1) - 0.5).abs() < 1e-13);
            }
        }
        assert!((integral(Rule::Left, 10, 1) - 0.45).abs() < 1e-13 && (integral(Rule::Right, 10, 1) - 0.55).abs() < 1e-13);
    }

    #[test]
    fn coarse_nodes_are_among_the_fine_ones() {
        let levels = levels(Rule::Midpoint, 243);
        assert_eq!(levels.iter().map(Vec::len).collect::<Vec<_>>(), [9, 18, 54, 162]);
        let mut all: Vec<f64> = levels.concat().iter().map(|node| node.at).collect();
        all.sort_by(f64::total_cmp);
        for (i, at) in all.iter().enumerate() {
            assert!((at - (2 * i + 1) as f64 / 486.0).abs() < 1e-15, "node {i}");
        }
    }
}
