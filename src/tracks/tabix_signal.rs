//! Values of a bedGraph packed with bgzip and indexed: a region's lines are read, whatever the length of the file.

use super::bedgraph;
use super::bigwig::columns::Sums;
use super::tabix::{self, IndexedText};
use super::{Column, Loaded, SignalReader, TrackError, columns_of_values};
use crate::genome::{ChromSizes, Region};
use std::path::Path;

/// Most bases read one by one, 256 MB of values.
const MOST_VALUES: u64 = 1 << 26;

/// An open indexed bedGraph.
pub struct TabixSignal {
    file: IndexedText,
    /// The first line that was left out, in words, until it was said.
    left_out: Option<String>,
    has_said: bool,
}

/// Opens a packed bedGraph with its index.
pub(super) fn open(path: &Path, index: &Path, genome: &ChromSizes) -> Result<Loaded<TabixSignal>, TrackError> {
    Ok(tabix::open(path, index, genome)?.map(|file| TabixSignal { file, left_out: None, has_said: false }))
}

impl TabixSignal {
    /// Gives every interval of a region, cut to it. What a reading of the whole file leaves out is left out here too.
    fn each(&mut self, region: &Region, mut give: impl FnMut(u64, u64, f32)) -> Result<(), TrackError> {
        let (mut reached, mut left_out) = (0, None);
        let parse = |line: &[u8]| {
            let refused = match bedgraph::parse_line(line) {
                Err(reason) => reason,
                Ok((_, _, _, None)) => return Ok(None), // not measured
                Ok((_, start, end, _)) if start >= end => format!("the end {end} does not lie behind the start {start}"),
                Ok((_, start, ..)) if start < reached => {
                    format!("the interval from {start} lies in the one before it, which ends at {reached}")
                }
                Ok((_, start, end, Some(value))) => {
                    reached = end;
                    return Ok(Some(((start, end), value)));
                }
            };
            left_out.get_or_insert(refused);
            Ok(None)
        };
        let read = self.file.each(region, parse, |_, (start, end), value| {
            give(start.max(region.start), end.min(region.end), value);
            Ok(())
        });
        if let Some(reason) = left_out.filter(|_| !self.has_said) {
            self.has_said = true;
            self.left_out = Some(format!("{}: lines left out, the first in {region}: {reason}", self.file.path.display()));
        }
        read
    }
}

impl SignalReader for TabixSignal {
    fn chroms(&self) -> &ChromSizes {
        &self.file.chroms
    }

    fn values(&mut self, region: &Region) -> Result<Vec<f32>, TrackError> {
        TrackError::refuse_longer(&self.file.path, region, MOST_VALUES)?;
        let mut values = vec![f32::NAN; region.len() as usize];
        self.each(region, |start, end, value| {
            values[(start - region.start) as usize..(end - region.start) as usize].fill(value);
        })?;
        Ok(values)
    }

    fn columns(&mut self, region: &Region, n: usize) -> Result<Vec<Column>, TrackError> {
        if n == 0 || n as u64 > region.len() {
            return Ok(columns_of_values(&self.values(region)?, n));
        }
        let mut sums = Sums::new(region, n);
        self.each(region, |start, end, value| {
            let value = f64::from(value);
            sums.add(start, end, 1.0, value, value, value);
        })?;
        Ok(sums.finish())
    }

    fn take_warnings(&mut self) -> Vec<String> {
        self.left_out.take().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn any_part_has_the_values_of_the_whole_file() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix/values.bedgraph.gz");
        let genome = ChromSizes::parse("1\t600000\nchr2\t40000").unwrap();
        let mut whole = bedgraph::open(&path, &genome).unwrap();
        assert!(whole.warnings[0].contains("2 lines skipped"), "{:?}", whole.warnings);
        let index = PathBuf::from(format!("{}.tbi", path.display()));
        let mut parts = open(&path, &index, &genome).unwrap().value;
        for (chrom, start, end) in
            [("1", 0, 100), ("1", 30_000, 31_000), ("1", 0, 600_000), ("1", 99_950, 120_000), ("2", 5_000, 40_000)]
        {
            let region = Region::new(chrom, start, end);
            let bits = |values: Vec<f32>| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            let (here, there) = (parts.values(&region).unwrap(), whole.value.values(&region).unwrap());
            assert!(here.iter().any(|v| v.is_finite()), "{region}");
            assert_eq!(bits(here), bits(there), "{region}");
            for n in [1, 7, 99] {
                for (a, b) in parts.columns(&region, n).unwrap().iter().zip(whole.value.columns(&region, n).unwrap()) {
                    assert_eq!(
                        (a.is_missing(), a.min.to_bits(), a.max.to_bits()),
                        (b.is_missing(), b.min.to_bits(), b.max.to_bits())
                    );
                    // Sums of many values in another order.
                    assert!(
                        a.is_missing() || (a.mean - b.mean).abs() < 1e-4 && (a.covered - b.covered).abs() < 1e-5,
                        "{a:?} {b:?}"
                    );
                }
            }
        }
        let said = parts.take_warnings();
        assert!(said.len() == 1 && said[0].contains("lines left out, the first in 1:1-600,000"), "{said:?}");
        assert!(parts.values(&Region::new("chr9", 0, 9)).unwrap_err().to_string().contains("it has chr1, chr2"));
    }
}
