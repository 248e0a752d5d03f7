//! The summaries of a bigWig at coarser steps: which is used where, and which cannot be believed.

use super::columns::Sums;
use super::guard::contain;
use super::{BigWig, Span, as_io, explain_io};
use crate::genome::Region;
use crate::tracks::{Column, TrackError};
use bigtools::{ZoomIntervalError, ZoomRecord};
use std::io;
use std::sync::Arc;

/// Share by which a level may miss the measured bases. Levels of sound files hit them exactly or, where they are very
/// sparse, to 0.2 %.
const TOLERANCE: f64 = 0.005;
/// Records compared one by one with the values under them.
const COMPARED: u64 = 100;
/// Chromosomes beyond which their total is not compared: bigtools looks each one up from the start of its list.
const MOST_CHROMS: usize = 1_000;

impl BigWig {
    /// Bases per record of the zoom levels, ascending.
    pub fn zooms(&self) -> &[u32] {
        &self.zooms
    }

    /// The coarsest level of which two records fit a column; a coarser one would smear a base over columns it does not lie in.
    pub(super) fn zoom_for(&mut self, region: &Region, n: usize) -> Option<u32> {
        let fits = |&&zoom: &&u32| u64::from(zoom).saturating_mul(2 * n as u64) <= region.len();
        self.zooms.iter().rev().find(fits)?;
        self.check_zooms();
        self.zooms.iter().rev().find(fits).copied()
    }

    /// Columns from a zoom level; `None` where it cannot be read, which also forgets the level.
    pub(super) fn columns_of_zoom(&mut self, region: &Region, n: usize, zoom: u32) -> Result<Option<Vec<Column>>, TrackError> {
        let Some(span) = self.locate(region)? else { return Ok(Some(vec![Column::MISSING; n])) };
        let mut sums = Sums::new(region, n);
        let read = self.each_record(&span, zoom, |record| {
            let summary = &record.summary;
            let len = u64::from(record.end - record.start);
            let share = summary.bases_covered.min(len) as f64 / len as f64;
            let mean = summary.sum / summary.bases_covered as f64;
            sums.add(u64::from(record.start), u64::from(record.end), share, mean, summary.min_val, summary.max_val);
        });
        match read {
            Ok(()) => Ok(Some(sums.finish())),
            Err(e) => {
                self.zooms.retain(|&level| level != zoom);
                let (path, reason) = (self.path.display(), explain_io(&e));
                self.warnings.push(format!("{path}: the zoom level of {zoom} bases is given up: {reason}"));
                Ok(None)
            }
        }
    }

    /// Gives the records of a level that touch the span. They are not clipped to it.
    pub(super) fn each_record(&mut self, span: &Span, zoom: u32, mut give: impl FnMut(&ZoomRecord)) -> io::Result<()> {
        self.file.inner_read().begin_query();
        contain(|| {
            let records = self.file.get_zoom_interval(&span.chrom, span.start, span.end, zoom).map_err(|e| match e {
                ZoomIntervalError::BBIReadError(e) => as_io(e),
                e @ ZoomIntervalError::ReductionLevelNotFound => io::Error::other(e.to_string()),
            })?;
            for record in records {
                let record = record.map_err(as_io)?;
                let summary = &record.summary;
                let is_sane = [summary.min_val, summary.max_val, summary.sum].iter().all(|v| v.is_finite());
                if record.end > record.start && summary.bases_covered > 0 && is_sane {
                    give(&record);
                }
            }
            Ok(())
        })
    }

    /// Forgets levels that claim more or fewer bases than were measured, once per open file.
    ///
    /// bigtools 0.5 fills a gap behind a record's end with the value that follows the gap
    /// (<https://github.com/jackh726/bigtools/issues/85>): sparse data it wrote look solid from afar. Long gaps show in the
    /// total of the coarsest level, short ones in the finest level where the data are densest.
    fn check_zooms(&mut self) {
        if std::mem::replace(&mut self.are_zooms_checked, true) {
            return;
        }
        let wrong = match (self.compare_total(), self.compare_records()) {
            (Ok(total), Ok(records)) => total.or(records),
            _ => None, // what cannot be read is given up when it is asked for
        };
        if let Some((claimed, measured)) = wrong {
            self.zooms.clear();
            self.warnings.push(format!(
                "{}: its zoom levels are wrong (they claim {claimed} bases where {measured} were measured); wide views are made \
                 from the values, which is slower",
                self.path.display()
            ));
        }
    }

    /// Bases claimed by the coarsest level and bases measured, where they differ.
    fn compare_total(&mut self) -> io::Result<Option<(u64, u64)>> {
        let Some(&coarsest) = self.zooms.last() else { return Ok(None) };
        let measured = contain(|| self.file.get_summary())?.bases_covered;
        if self.file.info().header.version < 2 || measured == 0 || self.chroms.len() > MOST_CHROMS {
            return Ok(None); // no total in the file, or too long to count
        }
        let mut claimed = 0;
        for span in self.longest_chroms() {
            self.each_record(&span, coarsest, |record| claimed += record.summary.bases_covered)?;
        }
        Ok(differ(claimed, measured))
    }

    /// The same for records of the finest level, where the coarsest has most bases.
    fn compare_records(&mut self) -> io::Result<Option<(u64, u64)>> {
        let (Some(&finest), Some(&coarsest)) = (self.zooms.first(), self.zooms.last()) else { return Ok(None) };
        let mut densest: Option<(f64, Span)> = None;
        for span in self.longest_chroms().into_iter().take(25) {
            self.each_record(&span, coarsest, |record| {
                let density = record.summary.bases_covered as f64 / f64::from(record.end - record.start);
                if densest.as_ref().is_none_or(|(most, _)| density > *most) {
                    densest = Some((density, Span { chrom: span.chrom.clone(), start: record.start, end: record.end }));
                }
            })?;
        }
        let Some((_, mut span)) = densest else { return Ok(None) };
        span.end = span.end.min(span.start.saturating_add((u64::from(finest) * COMPARED).min(1 << 24) as u32));
        let mut records = Vec::new();
        self.each_record(&span, finest, |record| {
            records.push((u64::from(record.start), u64::from(record.end), record.summary.bases_covered));
        })?;
        let (mut claimed, mut measured) = (0, 0);
        for (start, end, bases) in records {
            claimed += bases;
            let region = Region::new(span.chrom.as_str(), start, end);
            let read = self.each_value(&region, |start, end, _| measured += end - start);
            read.map_err(|e| io::Error::other(e.to_string()))?;
        }
        Ok(differ(claimed, measured))
    }

    fn longest_chroms(&self) -> Vec<Span> {
        let whole = |(chrom, len): (&Arc<str>, u64)| Span { chrom: chrom.to_string(), start: 0, end: len as u32 };
        let mut spans: Vec<Span> = self.chroms.iter().map(whole).collect();
        spans.sort_by_key(|span| std::cmp::Reverse(span.end));
        spans
    }
}

fn differ(claimed: u64, measured: u64) -> Option<(u64, u64)> {
    (claimed.abs_diff(measured) as f64 > TOLERANCE * measured as f64).then_some((claimed, measured))
}
