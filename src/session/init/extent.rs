//! Where on the genome files have data: where a session made of bare files opens.

use crate::genome::Region;
use crate::tracks::{FeatureReader, Features, SignalReader};

/// Data within this many bases on one chromosome are opened whole; wider ones at their beginning.
const WIDEST: u64 = 5_000_000;
/// Bases shown of data that are wider.
const FIRST_LOOK: u64 = 100_000;
/// Columns asked for at once while the first or last measured base is looked for.
const COLUMNS: usize = 1_000;
/// Below this many bases they are looked at one by one.
const BASE_BY_BASE: u64 = 1 << 16;
/// Reads after which the search of a file gives up.
const MOST_READS: usize = 200;

/// The measured stretch of the first chromosome with a measurement. An unreadable file has none.
pub(super) fn of_signal(reader: &mut dyn SignalReader) -> Option<Region> {
    let chroms: Vec<Region> = reader.chroms().iter().map(|(chrom, len)| Region::new(chrom.clone(), 0, len)).collect();
    let mut reads = MOST_READS;
    chroms.iter().find_map(|chrom| {
        let first = edge(reader, chrom, true, &mut reads)?;
        let last = edge(reader, chrom, false, &mut reads)?;
        Some(Region::new(chrom.chrom.clone(), first, last + 1))
    })
}

/// The first or last measured base of `region`.
fn edge(reader: &mut dyn SignalReader, region: &Region, is_first: bool, reads: &mut usize) -> Option<u64> {
    *reads = reads.checked_sub(1)?;
    if region.len() <= BASE_BY_BASE {
        let values = reader.values(region).ok()?;
        let is_measured = |v: &f32| v.is_finite();
        let index = if is_first { values.iter().position(is_measured) } else { values.iter().rposition(is_measured) };
        return index.map(|i| region.start + i as u64);
    }
    let columns = reader.columns(region, COLUMNS).ok()?;
    let covered = (0..columns.len()).filter(|&i| !columns[i].is_missing());
    let edge_of = |i: usize| region.start + (i as u64 * region.len()) / COLUMNS as u64;
    let mut look = |i: usize| {
        // A zoom level's summary may reach past its data: a column in which nothing is found is passed over.
        let part = Region::new(region.chrom.clone(), edge_of(i), edge_of(i + 1));
        edge(reader, &part, is_first, reads)
    };
    if is_first { covered.clone().find_map(&mut look) } else { covered.rev().find_map(&mut look) }
}

/// The stretch of features on the first chromosome by name.
pub(super) fn of_features(features: &Features) -> Option<Region> {
    let (chrom, end) = features.ends().min_by(|a, b| a.0.cmp(b.0))?;
    let first = features.overlapping(&Region::new(chrom.clone(), 0, end)).next()?;
    Some(Region::new(chrom.clone(), first.start, end))
}

/// The stretch of intervals on the first chromosome of an indexed file; where they are too many to ask for, its beginning.
pub(super) fn of_indexed(reader: &mut dyn FeatureReader) -> Option<Region> {
    let chroms: Vec<Region> = reader.chroms().iter().map(|(chrom, len)| Region::new(chrom.clone(), 0, len)).collect();
    chroms.iter().take(MOST_READS).find_map(|whole| match reader.features(whole) {
        Ok(features) => {
            let end = features.ends().map(|(_, end)| end).max()?;
            let start = features.overlapping(whole).next()?.start;
            Some(Region::new(whole.chrom.clone(), start, end))
        }
        Err(_) => Some(whole.clone()),
    })
}

/// Where to open: the stretch that the signals cover, else that of the intervals, else nowhere in particular.
pub(super) fn locus(signals: &[Region], features: &[Region], has_genes: bool) -> Option<Region> {
    let of = if signals.is_empty() { features } else { signals };
    let chrom = &of.first()?.chrom;
    let same = || of.iter().filter(|r| r.chrom == *chrom);
    let (start, end) = (same().map(|r| r.start).min()?, same().map(|r| r.end).max()?);
    if end - start <= WIDEST {
        return Some(Region::new(chrom.clone(), start, end));
    }
    // Of a whole genome the first gene is the better beginning.
    (!has_genes).then(|| Region::new(chrom.clone(), start, start + FIRST_LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::ChromSizes;
    use crate::tracks::TrackError;

    /// Measured from `from` to `to` only.
    struct Patch {
        chroms: ChromSizes,
        from: u64,
        to: u64,
    }

    impl SignalReader for Patch {
        fn chroms(&self) -> &ChromSizes {
            &self.chroms
        }

        fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
            let value = |p| if region.chrom.as_ref() == "b" && (self.from..self.to).contains(&p) { 1.0 } else { f32::NAN };
            Ok((region.start..region.end).map(value).collect())
        }
    }

    #[test]
    fn the_first_and_last_measured_base_are_found() {
        for (from, to) in [(0, 1), (31_125, 44_790), (1_999_999, 2_000_000), (700, 1_999_000)] {
            let mut reader = Patch { chroms: ChromSizes::parse("a 100000\nb 2000000").unwrap(), from, to };
            assert_eq!(of_signal(&mut reader), Some(Region::new("b", from, to)));
        }
        let mut nothing = Patch { chroms: ChromSizes::parse("a 100000").unwrap(), from: 0, to: 9 };
        assert_eq!(of_signal(&mut nothing), None);
    }

    #[test]
    fn a_small_patch_is_opened_whole_and_a_genome_at_its_first_gene() {
        let patch = [Region::new("c", 100, 200), Region::new("c", 150, 900), Region::new("d", 0, 9)];
        assert_eq!(locus(&patch, &[], true), Some(Region::new("c", 100, 900)));
        assert_eq!(locus(&[], &patch, false), Some(Region::new("c", 100, 900)));
        let wide = [Region::new("c", 10_000, 200_000_000)];
        assert_eq!(locus(&wide, &patch, false), Some(Region::new("c", 10_000, 110_000)));
        assert_eq!(locus(&wide, &patch, true), None);
        assert_eq!(locus(&[], &[], false), None);
    }
}
