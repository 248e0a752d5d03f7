//! Positions along the top, with a distinct label at every tick.

use super::Geometry;
use crate::genome::Region;
use crate::state::State;

/// A labelled position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// 0-based position of the tick.
    pub position: u64,
    /// What is written beside it: 1-based, or relative to the TSS.
    pub label: String,
}

/// The ruler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruler {
    /// Name at its left: the chromosome, or "from TSS".
    pub label: String,
    /// Ticks from the left.
    pub ticks: Vec<Tick>,
    /// TSS of the gene being explained, where in view, and whether it reads to the right.
    pub tss: Option<(u64, bool)>,
    /// The window the model reads, `(start, end)`, where there is one; may reach out of view.
    pub window: Option<(i64, i64)>,
}

impl Ruler {
    /// A ruler that counts from the middle of a region.
    pub(super) fn from_tss(region: &Region, geometry: Geometry) -> Self {
        let middle = region.centre();
        let ticks = relative_ticks(region, middle, geometry);
        Self { label: "from TSS".to_owned(), ticks, tss: Some((middle, true)), window: None }
    }

    pub(super) fn build(state: &State, geometry: Geometry) -> Self {
        let region = &state.region;
        let is_relative = state.session.genome.is_gene_relative;
        let middle = state.session.genome.chroms.len_of(&region.chrom).unwrap_or(0) / 2;
        let tss = state.current_gene().filter(|g| g.region.chrom == region.chrom).map(|g| {
            let tss = g.tss(state.session.genome.tss);
            (tss, g.strand == crate::genome::Strand::Forward)
        });
        let subject = state.subject().filter(|s| *s.window.chrom() == region.chrom);
        Self {
            label: if is_relative { "from TSS".to_owned() } else { region.chrom.to_string() },
            ticks: if is_relative { relative_ticks(region, middle, geometry) } else { ticks(region, geometry) },
            tss: tss.filter(|(position, _)| region.contains(*position)),
            window: subject.map(|s| (s.window.start(), s.window.end())),
        }
    }
}

/// The smallest round step at which labels of `chars` characters do not touch.
fn step(region: &Region, geometry: Geometry, chars: usize) -> u64 {
    let bases_per_column = region.len() as f64 / geometry.n_columns.max(1) as f64;
    let widest = (chars as f64 + 3.0) * geometry.char_columns * bases_per_column;
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            if (unit * factor) as f64 >= widest {
                return unit * factor;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn ticks(region: &Region, geometry: Geometry) -> Vec<Tick> {
    let chars = crate::genome::thousands(region.end).len();
    let step = step(region, geometry, chars);
    // Ticks stand at round 1-based positions: position p on screen is p - 1 inside.
    let first = (region.start + 1).div_ceil(step).max(1) * step;
    let positions = (first..=region.end).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    positions.map(|p| Tick { position: p - 1, label: crate::genome::thousands(p) }).collect()
}

/// Ticks counted from the TSS at `middle`.
fn relative_ticks(region: &Region, middle: u64, geometry: Geometry) -> Vec<Tick> {
    let step = step(region, geometry, 7) as i64;
    let (start, end, middle) = (region.start as i64, region.end as i64, middle as i64);
    let first = (start - middle).div_euclid(step) * step;
    (0..)
        .map(|i| first + i * step)
        .take_while(|offset| middle + offset < end)
        .filter(|offset| middle + offset >= start)
        .map(|offset| {
            let digits = crate::genome::thousands(offset.unsigned_abs());
            let label = match offset {
                0 => "TSS".to_owned(),
                1.. => format!("+{digits}"),
                _ => format!("\u{2212}{digits}"),
            };
            Tick { position: (middle + offset) as u64, label }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_distinct_and_apart_at_every_zoom() {
        for n_columns in [60, 140, 300] {
            let geometry = Geometry { n_columns, char_columns: 1.0, max_lanes: 3 };
            for len in [60, 305, 1_000, 12_000, 160_000, 6_000_000, 248_000_000] {
                let region = Region::new("c", 5_123_456, 5_123_456 + len);
                let ticks = ticks(&region, geometry);
                let labels: HashSet<_> = ticks.iter().map(|t| &t.label).collect();
                assert_eq!(labels.len(), ticks.len());
                let columns: Vec<f64> =
                    ticks.iter().map(|t| super::super::column_of(&region, n_columns, t.position as f64)).collect();
                for pair in columns.windows(2) {
                    assert!(pair[1] - pair[0] >= 9.0, "{len} bases in {n_columns} columns: {columns:?}");
                }
                assert!(ticks.iter().all(|t| region.contains(t.position)));
            }
        }
    }

    #[test]
    fn a_tick_stands_at_the_base_it_names() {
        let geometry = Geometry { n_columns: 100, char_columns: 1.0, max_lanes: 3 };
        let ticks = ticks(&Region::new("c", 0, 100), geometry);
        assert_eq!(ticks[0], Tick { position: 9, label: "10".to_owned() });
    }

    /// Of 110 bases in 110 columns the sixteenth stood in the fifteenth column: 15 / 110 * 110 is less than 15.
    #[test]
    fn a_base_stands_in_its_column_at_any_width() {
        for n in 1..400_usize {
            let region = Region::new("c", 2_972_265, 2_972_265 + n as u64);
            let columns = |p: u64| super::super::column_of(&region, n, p as f64);
            assert!((0..n).all(|i| columns(region.start + i as u64) == i as f64), "{n} columns");
            assert!((0..n).all(|i| super::super::bases_of_column(&region, n, i).0 == region.start + i as u64));
        }
    }

    #[test]
    fn gene_relative_ticks_count_from_the_tss() {
        let geometry = Geometry { n_columns: 60, char_columns: 1.0, max_lanes: 3 };
        let labels: Vec<_> =
            relative_ticks(&Region::new("g", 0, 20_000), 10_000, geometry).into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["\u{2212}10,000", "\u{2212}5,000", "TSS", "+5,000"]);
    }
}
