//! Writes bigWig files.

use super::TrackError;
use super::write::{begin, put};
use crate::genome::ChromSizes;
use bigtools::beddata::BedParserStreamingIterator;
use bigtools::{BigWigWrite, Value};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// One value over a stretch of a chromosome, 0-based half-open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalInterval {
    /// First base.
    pub start: u64,
    /// One past the last base.
    pub end: u64,
    /// The value of each base.
    pub value: f32,
}

/// Writes a bigWig of `signal`: chromosomes in any order, each with its intervals ascending and disjoint. Bases under no
/// interval are unmeasured. `zooms` are the bases per record of the zoom levels, ascending; readers that find none fine
/// enough go back to the values. A signal with unmeasured bases between its intervals gets none: bigtools 0.5.8 begins a
/// record within the gap and counts its bases as if they had the next value.
///
/// # Errors
/// Refuses what bigtools would accept silently or never finish with (an empty interval, a value that is not finite), an
/// unknown chromosome, intervals out of order or past the end, and a signal without any interval.
pub fn write_bigwig(
    path: &Path,
    genome: &ChromSizes,
    signal: &[(Arc<str>, Vec<SignalInterval>)],
    zooms: &[u32],
) -> Result<(), TrackError> {
    let mut chroms: Vec<&(Arc<str>, Vec<SignalInterval>)> = signal.iter().filter(|(_, v)| !v.is_empty()).collect();
    // The index of chromosomes is searched by name.
    chroms.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sizes = HashMap::new();
    for (chrom, intervals) in &chroms {
        let size = check(path, genome, chrom, intervals)?;
        if sizes.insert(chrom.to_string(), size).is_some() {
            return Err(TrackError::malformed(path, chrom.to_string(), "the chromosome stands twice"));
        }
    }
    if chroms.is_empty() {
        return Err(TrackError::malformed(path, "signal", "there is no value to write"));
    }
    let has_gap = chroms.iter().any(|(_, intervals)| intervals.windows(2).any(|w| w[0].end < w[1].start));
    let zooms: Vec<u32> = zooms.iter().copied().filter(|&z| z > 0).collect();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |reason| TrackError::io(path, reason);
    let temporary = begin(folder).map_err(io)?;
    let file = temporary.reopen().map_err(io)?;
    let values = chroms.iter().flat_map(|(chrom, intervals)| {
        intervals.iter().map(|i| (chrom.to_string(), Value { start: i.start as u32, end: i.end as u32, value: i.value }))
    });
    // bigtools needs a runtime of its own, and starting one within another panics: hence the thread.
    let written = std::thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|e| e.to_string())?;
            let mut writer = BigWigWrite::new(file, sizes);
            writer.options.manual_zoom_sizes = Some(if has_gap { Vec::new() } else { zooms });
            writer.options.inmemory = true;
            let values = BedParserStreamingIterator::wrap_infallible_iter(values, false);
            writer.write(values, runtime).map_err(|e| e.to_string())
        };
        scope.spawn(work).join().unwrap_or_else(|_| Err("the bigWig writer stopped".to_owned()))
    });
    written.map_err(|reason| TrackError::malformed(path, "signal", reason))?;
    put(temporary, path)
}

/// The chromosome's length, where its intervals can be written.
fn check(path: &Path, genome: &ChromSizes, chrom: &Arc<str>, intervals: &[SignalInterval]) -> Result<u32, TrackError> {
    let unknown = || TrackError::unknown_chrom(path, chrom, genome);
    let len = genome.len_of(chrom).ok_or_else(unknown)?;
    let wrong = |i: &SignalInterval, reason: String| {
        Err(TrackError::malformed(path, format!("{chrom}:{}-{}", i.start + 1, i.end), reason))
    };
    let mut last = 0;
    for interval in intervals {
        if interval.start >= interval.end {
            return wrong(interval, "the interval is empty".to_owned());
        }
        if interval.start < last {
            return wrong(interval, format!("begins before the end of the interval before it, {last}"));
        }
        if interval.end > len {
            return wrong(interval, format!("reaches past the chromosome's end, {len}"));
        }
        if !interval.value.is_finite() {
            return wrong(interval, format!("{} is not a finite number", interval.value));
        }
        last = interval.end;
    }
    u32::try_from(len).map_err(|_| TrackError::malformed(path, chrom.to_string(), format!("{len} bases do not fit a bigWig")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigtools::BigWigRead;

    fn genome() -> ChromSizes {
        ChromSizes::parse("chr2\t5000\nchr10\t900\n").unwrap()
    }

    fn at(start: u64, end: u64, value: f32) -> SignalInterval {
        SignalInterval { start, end, value }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bw");
        let signal = [
            ("chr2".into(), vec![at(0, 50, 0.0), at(100, 150, 2.5), at(4950, 5000, 1.0)]),
            ("chr10".into(), vec![at(899, 900, 7.0)]),
        ];
        write_bigwig(&path, &genome(), &signal, &[1000]).unwrap();
        let mut reader = BigWigRead::open_file(&path).unwrap();
        for (chrom, intervals) in &signal {
            let len = genome().len_of(chrom).unwrap() as u32;
            let read: Vec<SignalInterval> = reader
                .get_interval(chrom, 0, len)
                .unwrap()
                .map(|v| v.map(|v| at(v.start.into(), v.end.into(), v.value)).unwrap())
                .collect();
            assert_eq!(&read, intervals);
        }
    }

    #[test]
    fn zoom_levels_never_count_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bw");
        let summary = |intervals| {
            write_bigwig(&path, &genome(), &[("chr2".into(), intervals)], &[1000]).unwrap();
            let mut reader = BigWigRead::open_file(&path).unwrap();
            let levels = reader.info().zoom_headers.len();
            let covered = match levels {
                0 => None,
                _ => Some(
                    reader
                        .get_zoom_interval("chr2", 0, 5000, 1000)
                        .unwrap()
                        .map(|z| z.unwrap().summary.bases_covered)
                        .sum::<u64>(),
                ),
            };
            (levels, covered)
        };
        assert_eq!(summary(vec![at(0, 50, 1.0), at(3000, 3050, 2.0)]), (0, None));
        assert_eq!(summary(vec![at(0, 50, 1.0), at(50, 3050, 2.0)]), (1, Some(3050)));
    }

    #[test]
    fn inside_an_asynchronous_task_it_works_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bw");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { write_bigwig(&path, &genome(), &[("chr2".into(), vec![at(0, 1, 1.0)])], &[]) }).unwrap();
        assert!(path.exists());
    }

    #[test]
    fn what_would_hang_or_lie_is_refused_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bw");
        let cases: [(&str, Vec<SignalInterval>, &str); 7] = [
            ("chr2", vec![at(5, 5, 1.0)], "empty"),
            ("chr2", vec![at(5, 4, 1.0)], "empty"),
            ("chr2", vec![at(0, 10, 1.0), at(9, 20, 1.0)], "begins before"),
            ("chr2", vec![at(4990, 5001, 1.0)], "past the chromosome's end"),
            ("chr2", vec![at(0, 1, f32::NAN)], "not a finite number"),
            ("chrX", vec![at(0, 1, 1.0)], "no chromosome"),
            ("chr2", vec![], "no value"),
        ];
        for (chrom, intervals, reason) in cases {
            let error = write_bigwig(&path, &genome(), &[(chrom.into(), intervals)], &[]).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("a.bw"), "{error}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
