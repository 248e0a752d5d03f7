//! Moving through the genome.

use super::{DEFAULT_SPAN, Place, RowId, State};
use crate::genome::{GeneId, Region, Strand};
use crate::jobs::Seek;
use crate::session::TrackId;

impl State {
    /// Shows `region`, moved and cut so that it lies on its chromosome and is no narrower than one base a column.
    pub fn set_region(&mut self, region: Region) {
        let chrom_len = self.session.genome.chroms.len_of(&region.chrom).unwrap_or(1).max(1);
        let narrowest = (self.n_columns as u64).clamp(1, chrom_len);
        let span = region.len().clamp(narrowest, chrom_len);
        let start = if span == region.len() { region.start } else { region.centre().saturating_sub(span / 2) };
        let start = start.min(chrom_len - span);
        self.region = Region::new(region.chrom, start, start + span);
    }

    /// Moves the view by a share of its width; negative is to the left.
    pub fn pan(&mut self, share: f64) {
        // At least one base, however narrow the view.
        let step = (self.region.len() as f64 * share).round() as i64;
        let step = if step == 0 { share.signum() as i64 } else { step };
        let start = self.region.start.saturating_add_signed(step);
        self.set_region(Region::new(self.region.chrom.clone(), start, start + self.region.len()));
        self.follow_view();
    }

    /// Makes the view `factor` times as wide around its centre.
    pub fn zoom(&mut self, factor: f64) {
        let span = ((self.region.len() as f64 * factor).round() as u64).max(1);
        let centre = self.region.centre();
        let start = centre.saturating_sub(span / 2);
        self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
        self.follow_view();
    }

    /// Centres a gene's TSS, keeping the zoom where that is a sensible one for a gene.
    pub fn show_gene(&mut self, id: GeneId) {
        self.remember();
        let gene = self.session.genome.genes.get(id);
        let tss = gene.tss(self.session.genome.tss);
        let is_sensible = gene.region.chrom == self.region.chrom || self.gene.is_some();
        let span = match self.session.genome.is_gene_relative {
            true => self.session.genome.chroms.len_of(&gene.region.chrom).unwrap_or(DEFAULT_SPAN),
            false if is_sensible && self.region.len() <= 10 * DEFAULT_SPAN => self.region.len(),
            false => DEFAULT_SPAN,
        };
        let start = tss.saturating_sub(span / 2);
        let region = Region::new(gene.region.chrom.clone(), start, start + span);
        self.gene = Some(id);
        self.set_region(region);
    }

    /// The next or an earlier gene in walking order.
    pub fn step_gene(&mut self, step: i64) {
        let genes = self.session.genome.genes.clone();
        let from = self.gene.or_else(|| {
            let (chrom, centre) = (self.region.chrom.clone(), self.region.centre());
            genes.nearest_tss(&chrom, centre, self.session.genome.tss)
        });
        match from {
            None => self.say("the session has no genes to walk through"),
            Some(from) => match genes.step(from, step) {
                same if same == from && self.gene.is_some() => {
                    self.notice = Some(if step > 0 { "this is the last gene" } else { "this is the first gene" }.to_owned());
                }
                next => self.show_gene(next),
            },
        }
    }

    /// The next (`forward`) or previous exon start, in genome order, of any gene.
    pub fn step_exon(&mut self, forward: bool) {
        let centre = self.region.centre();
        let chrom_len = self.session.genome.chroms.len_of(&self.region.chrom).unwrap_or(0);
        let side = if forward { centre + 1..chrom_len } else { 0..centre };
        let genes = self.session.genome.genes.clone();
        let side_region = Region::new(self.region.chrom.clone(), side.start, side.end);
        let exons = genes.overlapping(&side_region).flat_map(|(_, gene)| &gene.transcripts).flat_map(|t| &t.exons);
        let starts = exons.map(|&(start, _)| start).filter(|start| side.contains(start));
        match if forward { starts.min() } else { starts.max() } {
            Some(start) => self.centre_on(start),
            None => self.notice = Some("no further exon on this chromosome".to_owned()),
        }
    }

    /// The next (`forward`) or previous interval of the focused row, if it shows intervals. `false` where it does not.
    pub fn step_feature(&mut self, forward: bool) -> bool {
        let Some(RowId::Track(track)) = self.focused() else { return false };
        let Some(Ok(features)) = self.features.get(&track).cloned() else { return false };
        match features.neighbour(&self.region.chrom, self.region.centre(), forward) {
            Some(feature) => {
                let name = feature.name.clone();
                self.centre_on(feature.anchor());
                self.notice = (!name.is_empty()).then_some(name);
            }
            None => self.notice = Some("none further on this chromosome".to_owned()),
        }
        true
    }

    /// Starts a search for the next (`forward`) or previous place where a signal rises to half its axis in this view.
    pub fn seek_peak(&mut self, track: TrackId, forward: bool) {
        let columns = self.signals.get(&track).and_then(|view| view.columns.as_ref().ok());
        let highest = columns.into_iter().flatten().map(|c| c.max).filter(|m| m.is_finite()).fold(0.0, f32::max);
        if highest <= 0.0 {
            self.notice = Some("no signal in view to measure a peak by".to_owned());
            return;
        }
        let (chrom, from) = (self.region.chrom.clone(), self.region.centre());
        self.seek = Some(Seek { track, chrom, from, forward, threshold: highest / 2.0 });
    }

    /// Goes to the peak that was found.
    pub(super) fn take_peak(&mut self, peak: Result<Option<u64>, String>) {
        self.seek = None;
        match peak {
            Ok(Some(position)) => self.centre_on(position),
            Ok(None) => self.notice = Some("no further peak of half the axis on this chromosome".to_owned()),
            Err(reason) => self.say(reason),
        }
    }

    /// Shows exactly the window the model reads.
    pub fn show_window(&mut self) {
        match self.subject() {
            Some(subject) => {
                let len = self.session.genome.chroms.len_of(subject.window.chrom()).unwrap_or(0);
                self.set_region(subject.window.region(len));
            }
            None => self.notice = Some("no model reads a window here".to_owned()),
        }
    }

    /// Puts a base in the middle of the view.
    pub fn centre_on(&mut self, position: u64) {
        let span = self.region.len();
        // An even span has its middle on the right of two bases, as `Region::centre`.
        let start = position.saturating_sub(span / 2);
        self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
        self.follow_view();
    }

    /// Goes back (`true`) or forward in the history.
    pub fn travel(&mut self, back: bool) {
        let current = Place { region: self.region.clone(), gene: self.gene };
        let place = if back { self.places.back(current) } else { self.places.forward(current) };
        match place {
            Some(place) => {
                self.gene = place.gene;
                self.set_region(place.region);
            }
            None => self.notice = Some(if back { "no earlier place" } else { "no later place" }.to_owned()),
        }
    }

    /// Remembers the current place before a jump.
    pub(super) fn remember(&mut self) {
        self.places.push(Place { region: self.region.clone(), gene: self.gene });
    }

    /// The model follows the view: a gene whose TSS is no longer near the view gives way to the nearest one.
    pub(super) fn follow_view(&mut self) {
        let near = |gene: GeneId| {
            let gene = self.session.genome.genes.get(gene);
            let tss = gene.tss(self.session.genome.tss);
            gene.region.chrom == self.region.chrom
                && (self.region.contains(tss) || tss.abs_diff(self.region.centre()) <= DEFAULT_SPAN / 2)
        };
        if self.gene.is_some_and(near) {
            return;
        }
        let nearest = self.session.genome.genes.nearest_tss(&self.region.chrom, self.region.centre(), self.session.genome.tss);
        if nearest.is_some() {
            self.gene = nearest;
        }
    }

    /// Positions beside the TSS of the current gene as a reader counts them: negative is upstream.
    pub fn offset_from_tss(&self, position: u64) -> Option<i64> {
        let gene = self.current_gene()?;
        let offset = position as i64 - gene.tss(self.session.genome.tss) as i64;
        Some(if gene.strand == Strand::Reverse { -offset } else { offset })
    }
}
