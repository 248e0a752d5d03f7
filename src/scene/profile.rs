//! Mean signals around the TSS of many genes.

use super::{Block, Geometry, Header, Plot, Row, Ruler, Scene, signals};
use crate::genome::{Region, Strand};
use crate::session::TrackId;
use crate::state::{RowId, State};
use crate::tracks::Column;

/// Two-sided 95 % of a normal distribution, for the mean of many genes.
const Z: f64 = 1.96;

/// Sums of signals over genes, in their direction of transcription.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Bases on either side of the TSS.
    pub reach: u64,
    tracks: Vec<Sums>,
    n_genes: usize,
}

/// Of one track: per column how many genes were measured, their sum and sum of squares.
#[derive(Clone, Debug)]
struct Sums {
    track: TrackId,
    columns: Vec<(u64, f64, f64)>,
}

impl Profile {
    /// Of no gene yet.
    pub fn new(tracks: &[TrackId], reach: u64, n_columns: usize) -> Self {
        let sums = |&track: &TrackId| Sums { track, columns: vec![(0, 0.0, 0.0); n_columns] };
        Self { reach, tracks: tracks.iter().map(sums).collect(), n_genes: 0 }
    }

    /// The region that a gene's columns are to be read over: `reach` bases on either side of the TSS base's middle. `None` where
    /// the chromosome ends before.
    pub fn region(&self, chrom: &std::sync::Arc<str>, tss: u64, strand: Strand, chrom_len: u64) -> Option<Region> {
        // The TSS base is the first right of the middle, in the gene's direction.
        let middle = if strand == Strand::Forward { tss } else { tss + 1 };
        let start = middle.checked_sub(self.reach)?;
        let end = middle + self.reach;
        (end <= chrom_len).then(|| Region::new(chrom.clone(), start, end))
    }

    /// Adds a gene: for each track its columns in genome order.
    pub fn add(&mut self, strand: Strand, columns: &[Vec<Column>]) {
        self.n_genes += 1;
        for (sums, columns) in self.tracks.iter_mut().zip(columns) {
            let n = sums.columns.len();
            for (i, column) in columns.iter().enumerate().take(n).filter(|(_, c)| !c.is_missing() && c.mean.is_finite()) {
                let at = if strand == Strand::Forward { i } else { n - 1 - i };
                let (count, sum, squares) = &mut sums.columns[at];
                let value = f64::from(column.mean);
                (*count, *sum, *squares) = (*count + 1, *sum + value, *squares + value * value);
            }
        }
    }

    /// Genes added.
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// The profile as a scene: means, with the 95 % confidence interval of the mean as their lowest and highest values.
    pub fn scene(&self, state: &State, geometry: Geometry) -> Scene {
        let region = Region::new("from TSS", 0, 2 * self.reach);
        let rows = self.tracks.iter().map(|sums| self.row(sums, state, &region, geometry)).collect();
        let header = Header {
            sample: state.session.samples.get(state.sample.0).map(|s| s.name.clone()).unwrap_or_default(),
            gene: format!("mean of {} genes", self.n_genes),
            notes: [state.session.note.clone()].into_iter().filter(|note| !note.is_empty()).collect(),
            ..Header::default()
        };
        Scene { header, ruler: Ruler::from_tss(&region, geometry), region, n_columns: geometry.n_columns, selection: None, rows }
    }

    fn row(&self, sums: &Sums, state: &State, region: &Region, geometry: Geometry) -> Row {
        let columns: Vec<Column> = sums.columns.iter().map(|&sums| column(sums, self.n_genes)).collect();
        let info = &state.session.tracks[sums.track.0];
        let id = RowId::Track(sums.track);
        let mut parts: Vec<String> = info.unit.map(|u| u.to_string()).into_iter().collect();
        let bases = region.len() as f64 / geometry.n_columns.max(1) as f64;
        parts.push(format!("mean, 95 % CI per {}", signals::format_span(bases)));
        Row {
            id,
            label: state.label(id),
            detail: parts.join(" \u{b7} "),
            is_focused: false,
            mismatch: None,
            block: Block::None,
            state: None,
            axis: Some(axis(&columns)),
            plot: Plot::Signal(columns, format!("signal.{}", info.mark.as_deref().unwrap_or(&info.label))),
            overlays: Vec::new(),
            extra_lines: state.row_view(id).extra_lines,
            view: crate::state::RowView::default(),
        }
    }
}

/// The axis of a mean: an interval that reaches below zero where no mean does is cut there, not given half the row.
fn axis(columns: &[Column]) -> (f32, f32) {
    let (lo, hi) = signals::range(columns);
    if columns.iter().any(|c| c.mean < 0.0) || hi <= 0.0 { (lo, hi) } else { (0.0, hi) }
}

fn column((count, sum, squares): (u64, f64, f64), n_genes: usize) -> Column {
    if count == 0 {
        return Column::MISSING;
    }
    let n = count as f64;
    let mean = sum / n;
    let variance = if count > 1 { ((squares - sum * mean) / (n - 1.0)).max(0.0) } else { 0.0 };
    let half = Z * (variance / n).sqrt();
    let covered = (n / n_genes.max(1) as f64) as f32;
    Column { mean: mean as f32, min: (mean - half) as f32, max: (mean + half) as f32, covered }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: &[f32]) -> Vec<Column> {
        values
            .iter()
            .map(|&v| if v.is_nan() { Column::MISSING } else { Column { mean: v, min: v, max: v, covered: 1.0 } })
            .collect()
    }

    #[test]
    fn a_gene_of_the_minus_strand_is_turned() {
        let mut profile = Profile::new(&[TrackId(0)], 2, 4);
        profile.add(Strand::Forward, &[columns(&[1.0, 2.0, 3.0, f32::NAN])]);
        profile.add(Strand::Reverse, &[columns(&[8.0, 5.0, 4.0, 3.0])]);
        let means: Vec<f64> = profile.tracks[0].columns.iter().map(|c| c.1 / c.0 as f64).collect();
        assert_eq!(means, [2.0, 3.0, 4.0, 8.0]);
        assert_eq!(profile.tracks[0].columns[3].0, 1, "what was not measured is not zero");
    }

    #[test]
    fn both_strands_put_the_tss_right_of_the_middle() {
        let profile = Profile::new(&[], 5, 10);
        let chrom: std::sync::Arc<str> = "c".into();
        let forward = profile.region(&chrom, 100, Strand::Forward, 1_000).unwrap();
        assert_eq!((forward.start, forward.end), (95, 105), "base 100 is the sixth");
        let reverse = profile.region(&chrom, 100, Strand::Reverse, 1_000).unwrap();
        assert_eq!((reverse.start, reverse.end), (96, 106), "base 100 is the sixth from the right");
        assert!(profile.region(&chrom, 3, Strand::Forward, 1_000).is_none());
        assert!(profile.region(&chrom, 998, Strand::Forward, 1_000).is_none());
    }

    #[test]
    fn the_interval_is_that_of_a_mean() {
        // 1, 2, 3, 4: mean 2.5, sample variance 5/3, standard error sqrt(5/12).
        let sums = [1.0, 2.0, 3.0, 4.0].iter().fold((0, 0.0, 0.0), |(n, s, q), v| (n + 1, s + v, q + v * v));
        let c = column(sums, 8);
        assert!((c.mean - 2.5).abs() < 1e-6 && (f64::from(c.max) - (2.5 + Z * (5.0_f64 / 12.0).sqrt())).abs() < 1e-6);
        assert_eq!(c.covered, 0.5);
        assert!(column((0, 0.0, 0.0), 8).is_missing());
        let one = column((1, 7.0, 49.0), 8);
        assert_eq!((one.min, one.max), (7.0, 7.0));
    }
}
