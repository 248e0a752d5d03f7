//! Equal columns summed from intervals, without a value for every base.

use crate::genome::Region;
use crate::tracks::Column;

/// Sums over the columns of a region, for at most as many columns as bases.
pub(in crate::tracks) struct Sums {
    start: u64,
    len: u64,
    columns: Vec<Sum>,
}

#[derive(Clone)]
struct Sum {
    sum: f64,
    bases: f64,
    min: f64,
    max: f64,
}

impl Sums {
    pub(in crate::tracks) fn new(region: &Region, n: usize) -> Self {
        let empty = Sum { sum: 0.0, bases: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };
        Self { start: region.start, len: region.len(), columns: vec![empty; n] }
    }

    /// Where column `i` begins, from the region's start. As in `columns_of_values`.
    fn edge(&self, i: usize) -> u64 {
        (i as u128 * u128::from(self.len) / self.columns.len() as u128) as u64
    }

    /// Spreads a stretch of which `share` was measured over the columns it lies in.
    pub(in crate::tracks) fn add(&mut self, start: u64, end: u64, share: f64, mean: f64, min: f64, max: f64) {
        let (start, end) = (start.max(self.start) - self.start, end.saturating_sub(self.start).min(self.len));
        if start >= end {
            return;
        }
        let n = self.columns.len() as u128;
        let mut i = (((u128::from(start) + 1) * n - 1) / u128::from(self.len)) as usize; // the last edge not past `start`
        let mut from = start;
        while from < end {
            let to = self.edge(i + 1).min(end);
            let bases = (to - from) as f64 * share;
            let column = &mut self.columns[i];
            column.sum += mean * bases;
            column.bases += bases;
            column.min = column.min.min(min);
            column.max = column.max.max(max);
            (from, i) = (to, i + 1);
        }
    }

    /// Whether a stretch lies in the region and in one of its columns.
    pub(in crate::tracks) fn is_in_one_column(&self, start: u64, end: u64) -> bool {
        let n = self.columns.len() as u128;
        let column = |position: u64| ((u128::from(position - self.start) + 1) * n - 1) / u128::from(self.len);
        start >= self.start && start < end && end <= self.start + self.len && column(start) == column(end - 1)
    }

    pub(in crate::tracks) fn finish(self) -> Vec<Column> {
        let len = |i| (self.edge(i + 1) - self.edge(i)) as f64;
        let column = |(i, c): (usize, &Sum)| match c.bases > 0.0 {
            true => Column {
                mean: (c.sum / c.bases) as f32,
                min: c.min as f32,
                max: c.max as f32,
                covered: ((c.bases / len(i)) as f32).clamp(f32::MIN_POSITIVE, 1.0),
            },
            false => Column::MISSING,
        };
        self.columns.iter().enumerate().map(column).collect()
    }
}
