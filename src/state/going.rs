//! Moving through the genome.

use super::{DEFAULT_SPAN, Place, RowId, State};
use crate::genome::{Gene, GeneId, Pattern, Region, Strand};
use crate::jobs::{Seek, Sought};
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

    /// Shows a stretch, and remembers where one was.
    pub fn show_region(&mut self, region: Region) {
        self.remember();
        self.set_region(region);
        self.follow_view();
    }

    /// Makes the view `factor` times as wide, the base at `position` staying where it is.
    pub fn zoom_at(&mut self, position: u64, factor: f64) {
        let span = ((self.region.len() as f64 * factor).round() as u64).max(1);
        let before = position.saturating_sub(self.region.start) as f64 / self.region.len().max(1) as f64;
        let start = position.saturating_sub((before * span as f64).round() as u64);
        self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
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

    /// Shows a stretch with a flank of 15 % on either side.
    pub fn fit(&mut self, region: Region) {
        self.remember();
        let flank = (region.len() * 15).div_ceil(100).max(1);
        self.set_region(Region::new(region.chrom.clone(), region.start.saturating_sub(flank), region.end + flank));
        self.follow_view();
    }

    /// The next or an earlier gene in walking order: of the list that is walked, else of all.
    pub fn step_gene(&mut self, step: i64) {
        match self.step_walk(step) {
            Some(same) if Some(same) == self.gene => {
                self.notice = Some("this is the end of the list; :genes all walks every gene".to_owned());
                return;
            }
            Some(next) => return self.show_listed(next),
            None => {}
        }
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
        self.step_to(forward, "exon", |gene, at| {
            gene.transcripts.iter().flat_map(|t| &t.exons).for_each(|&(start, _)| at(start))
        });
    }

    /// The next (`forward`) or previous last base of an exon, in genome order, of any gene.
    pub fn step_exon_end(&mut self, forward: bool) {
        self.step_to(forward, "end of an exon", |gene, at| {
            gene.transcripts.iter().flat_map(|t| &t.exons).for_each(|&(_, end)| at(end - 1));
        });
    }

    /// The next (`forward`) or previous last base of a gene, in genome order.
    pub fn step_gene_end(&mut self, forward: bool) {
        self.step_to(forward, "end of a gene", |gene, at| at(gene.region.end - 1));
    }

    /// Goes to the nearest place after (before) the middle of the view that `places` gives of a gene.
    fn step_to(&mut self, forward: bool, what: &str, places: impl Fn(&Gene, &mut dyn FnMut(u64))) {
        let centre = self.region.centre();
        let chrom_len = self.session.genome.chroms.len_of(&self.region.chrom).unwrap_or(0);
        let side = if forward { centre + 1..chrom_len } else { 0..centre };
        let genes = self.session.genome.genes.clone();
        let mut nearest: Option<u64> = None;
        for (_, gene) in genes.overlapping(&Region::new(self.region.chrom.clone(), side.start, side.end)) {
            places(gene, &mut |at| {
                if side.contains(&at) && nearest.is_none_or(|n| if forward { at < n } else { at > n }) {
                    nearest = Some(at);
                }
            });
        }
        match nearest {
            Some(place) => self.centre_on(place),
            None => self.notice = Some(format!("no further {what} on this chromosome")),
        }
    }

    /// The `n`th interval after (before, where negative) the middle of the view that the focused row has on this chromosome, with
    /// its name. `None` where the row shows no intervals, `Some(None)` where there is none further.
    pub fn interval_beside(&self, n: i64) -> Option<Option<(Region, u64, String)>> {
        let (chrom, from, forward) = (self.region.chrom.clone(), self.region.centre(), n > 0);
        let nth = n.unsigned_abs().max(1) as usize - 1;
        let choose = |mut all: Vec<(u64, u64, u64, String)>| {
            all.retain(|(_, _, anchor, _)| if forward { *anchor > from } else { *anchor < from });
            all.sort_by_key(|(_, _, anchor, _)| if forward { *anchor as i64 } else { -(*anchor as i64) });
            all.into_iter().nth(nth).map(|(start, end, anchor, name)| (Region::new(chrom.clone(), start, end), anchor, name))
        };
        match self.focused()? {
            RowId::Track(track) => {
                let features = self.features.get(&track)?.as_ref().ok()?;
                let (mut at, mut found) = (from, None);
                for _ in 0..=nth {
                    let Some(feature) = features.neighbour(&chrom, at, forward) else { return Some(None) };
                    at = feature.anchor();
                    found = Some((Region::new(chrom.clone(), feature.start, feature.end), at, feature.name.clone()));
                }
                Some(found)
            }
            RowId::Genes => {
                let whole = Region::new(chrom.clone(), 0, self.session.genome.chroms.len_of(&chrom)?);
                let tss = self.session.genome.tss;
                let gene = |(_, g): (GeneId, &Gene)| (g.region.start, g.region.end, g.tss(tss), g.name.clone());
                Some(choose(self.session.genome.genes.overlapping(&whole).map(gene).collect()))
            }
            RowId::CoreLinks | RowId::CoreSamples | RowId::CoreBlocks => {
                let (found, _) = self.cores();
                let (_, found) = found?;
                let links = found.links.iter().filter(|(on, _)| **on == chrom);
                Some(choose(links.map(|(_, f)| (f.start, f.end, f.anchor(), f.name.clone())).collect()))
            }
            RowId::Regions => {
                let here = self.regions.iter().filter(|r| r.region.chrom == chrom);
                Some(choose(here.map(|r| (r.region.start, r.region.end, r.region.centre(), r.note.clone())).collect()))
            }
            _ => None,
        }
    }

    /// Goes to an interval: puts its anchor in the middle, or shows it to fit.
    pub fn go_to_interval(&mut self, found: Option<(Region, u64, String)>, to_fit: bool) {
        match found {
            Some((region, anchor, name)) => {
                if to_fit {
                    self.fit(region)
                } else {
                    self.centre_on(anchor)
                }
                self.notice = (!name.is_empty()).then_some(name);
            }
            None => {
                let len = self.session.genome.chroms.len_of(&self.region.chrom).unwrap_or(0);
                let chrom = Region::new(self.region.chrom.clone(), 0, len);
                let is_in_part = match self.focused() {
                    Some(RowId::Track(track)) => matches!(self.features.get(&track), Some(Ok(f)) if !f.covers(&chrom)),
                    _ => false,
                };
                let place = if !is_in_part { "on this chromosome" } else { "in the part that was read: zoom out or pan on" };
                self.notice = Some(format!("none further {place}"));
            }
        }
    }

    /// Starts a search along the chromosome for the next (`forward`) or previous place where a pattern stands.
    pub fn seek_pattern(&mut self, pattern: Pattern, forward: bool, to_fit: bool) {
        let (chrom, from) = (self.region.chrom.clone(), self.region.centre());
        self.seek = Some(Seek { sought: Sought::Pattern(pattern), chrom, from, forward, to_fit });
        self.notice = Some("searching".to_owned());
    }

    /// Starts a search for the next (`forward`) or previous place where a signal rises to half its axis in this view.
    pub fn seek_peak(&mut self, track: TrackId, forward: bool, to_fit: bool) {
        let columns = self.signals.get(&track).and_then(|view| view.columns.as_ref().ok());
        let highest = columns.into_iter().flatten().map(|c| c.max).filter(|m| m.is_finite()).fold(0.0, f32::max);
        if highest <= 0.0 {
            self.notice = Some("no signal in view to measure a peak by".to_owned());
            return;
        }
        let (chrom, from) = (self.region.chrom.clone(), self.region.centre());
        self.seek = Some(Seek { sought: Sought::Peak { track, threshold: highest / 2.0 }, chrom, from, forward, to_fit });
    }

    /// Goes to what was found: its stretch, and the position that stands out.
    pub(super) fn take_found(&mut self, found: Result<Option<(Region, u64)>, String>) {
        let Some(seek) = self.seek.take() else { return };
        self.notice = None;
        match (found, seek.sought) {
            (Ok(Some((region, _))), _) if seek.to_fit => self.fit(region),
            (Ok(Some((_, position))), _) => self.centre_on(position),
            (Ok(None), Sought::Peak { .. }) => {
                self.notice = Some("no further peak of half the axis on this chromosome".to_owned())
            }
            (Ok(None), Sought::Pattern(pattern)) => self.notice = Some(format!("no further {pattern} on this chromosome")),
            (Err(reason), _) => self.say(reason),
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
    pub fn follow_view(&mut self) {
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
