//! Outlines of the bases for logos, in a box from (0, 0) to (1, 1) with `y` upward: exact heights, whatever fonts there are.

use std::f64::consts::{PI, TAU};

/// The outline of a base as one polygon (filled by the non-zero rule); `None` for anything that is no base.
/// `arc_points` is how finely round letters are cut.
pub(super) fn outline(base: u8, arc_points: usize) -> Option<Vec<(f64, f64)>> {
    Some(match base {
        // The counter of the A runs the other way round, reached over a bridge of no width.
        b'A' => vec![
            (0.0, 0.0),
            (0.385, 1.0),
            (0.615, 1.0),
            (1.0, 0.0),
            (0.79, 0.0),
            (0.71, 0.22),
            (0.29, 0.22),
            (0.344, 0.37),
            (0.656, 0.37),
            (0.5, 0.805),
            (0.344, 0.37),
            (0.29, 0.22),
            (0.21, 0.0),
        ],
        b'C' => round(arc_points, &[]),
        b'G' => round(arc_points, &[(1.0, 0.1), (1.0, 0.52), (0.54, 0.52), (0.54, 0.37), (0.8, 0.37), (0.8, 0.24)]),
        b'T' => {
            vec![(0.0, 1.0), (1.0, 1.0), (1.0, 0.85), (0.6, 0.85), (0.6, 0.0), (0.4, 0.0), (0.4, 0.85), (0.0, 0.85)]
        }
        b'N' => vec![
            (0.0, 0.0),
            (0.0, 1.0),
            (0.22, 1.0),
            (0.79, 0.3),
            (0.79, 1.0),
            (1.0, 1.0),
            (1.0, 0.0),
            (0.78, 0.0),
            (0.21, 0.7),
            (0.21, 0.0),
        ],
        _ => return None,
    })
}

/// An open ring from its upper right end over the left to its lower right end, then `tail`, then back inside.
fn round(arc_points: usize, tail: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const OPENING: f64 = 40.0 / 180.0 * PI;
    // The ends of the ring touch the right side of the box.
    let half = 1.0 / (1.0 + OPENING.cos());
    let lower_end = if tail.is_empty() { TAU - OPENING } else { TAU - 0.85 * OPENING };
    let arc = |rx: f64, ry: f64, i: usize| {
        let angle = OPENING + (lower_end - OPENING) * i as f64 / arc_points as f64;
        ((half + rx * angle.cos()).clamp(0.0, 1.0), 0.5 + ry * angle.sin())
    };
    let outer = (0..=arc_points).map(|i| arc(half, 0.5, i));
    let inner = (0..=arc_points).rev().map(|i| arc(half - 0.2, 0.36, i));
    // Where there is a tail the ring ends on it.
    let inner = inner.filter(|&(x, y)| tail.is_empty() || x < 0.8 || y > 0.5);
    outer.chain(tail.iter().copied()).chain(inner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Area by the non-zero rule, from a grid of points.
    fn area(base: u8) -> f64 {
        let polygon = outline(base, 20).unwrap();
        let winding = |x: f64, y: f64| {
            let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
            edges.fold(0, |n, (&(ax, ay), &(bx, by))| {
                let right = ax + (y - ay) / (by - ay) * (bx - ax) > x;
                n + i32::from(ay <= y && by > y && right) - i32::from(by <= y && ay > y && right)
            })
        };
        let inside = (0..10_000).filter(|i| winding((f64::from(i % 100) + 0.5) / 100.0, (f64::from(i / 100) + 0.5) / 100.0) != 0);
        inside.count() as f64 / 10_000.0
    }

    #[test]
    fn letters_fill_their_box() {
        for base in *b"ACGTN" {
            let points = outline(base, 20).unwrap();
            let span = |of: fn(&(f64, f64)) -> f64| {
                let values = || points.iter().map(of);
                (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max))
            };
            for (lo, hi) in [span(|p| p.0), span(|p| p.1)] {
                assert!(lo.abs() < 0.01 && (hi - 1.0).abs() < 0.01, "{}: {lo} to {hi}", base as char);
            }
        }
        assert!(outline(b' ', 20).is_none() && outline(b'<', 20).is_none());
    }

    #[test]
    fn an_a_has_a_hole_and_strokes_are_of_one_weight() {
        let (a, c, g, t) = (area(b'A'), area(b'C'), area(b'G'), area(b'T'));
        assert!((0.3..0.45).contains(&a), "{a}");
        assert!((0.3..0.5).contains(&c), "{c}");
        assert!(g > c && g < 0.6, "{g}");
        assert!((t - (0.15 + 0.2 * 0.85)).abs() < 0.02, "{t}");
    }
}
