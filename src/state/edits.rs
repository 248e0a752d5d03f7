//! What if: edits of the bases and signals that the model reads, and the stretch they mean.

use super::{Mode, RowId, State};
use crate::genome::{Region, Window};
use crate::models::{Manifest, check_edit, edit_obstacle};
use crate::motifs::{Motif, Scanner, bundled_motifs};
use crate::regulation::motif_analysis::SITE_P;
use crate::session::{Edit, EditWords, Readers, TrackKind};
use crate::tracks::is_url;
use std::sync::Arc;
use tui_input::Input;

/// A stretch being selected: from a base to another, either first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selecting {
    /// Stays.
    pub fixed: u64,
    /// Moves.
    pub moving: u64,
}

/// An edit being typed.
#[derive(Clone, Debug, Default)]
pub struct EditPrompt {
    /// The text and the cursor.
    pub input: Input,
}

impl State {
    /// The edits that change what a network reads in a window.
    pub(super) fn edits_read(&self, manifest: &Manifest, window: &Window) -> Arc<[Edit]> {
        let is_read = |edit: &&Edit| edit_obstacle(edit, manifest, window, &self.edits).is_none();
        self.edits.iter().filter(is_read).cloned().collect()
    }

    /// Why an edit changes nothing of the prediction shown; `None` where it may.
    pub fn edit_obstacle(&self, edit: &Edit) -> Option<String> {
        let Some(subject) = self.subject() else { return Some("no model reads anything here".to_owned()) };
        let manifest = self.models.get(subject.model)?.manifest.as_ref().ok()?;
        edit_obstacle(edit, manifest, &subject.window, &self.edits)
    }

    /// What words of an edit may name here: places are the selection, the model's window and the view.
    pub fn edit_words(&self) -> EditWords<'_> {
        let mut places: Vec<(&'static str, Region)> = self.selected().into_iter().map(|region| ("selection", region)).collect();
        if let Some(subject) = self.subject() {
            let len = self.session.genome.chroms.len_of(subject.window.chrom()).unwrap_or(0);
            places.push(("window", subject.window.region(len)));
        }
        places.push(("view", self.region.clone()));
        EditWords::new(&self.session, places)
    }

    /// Adds an edit; of the same bases the later one counts.
    ///
    /// # Errors
    /// Where it is not understood, or changes some of the bases that another changes.
    pub fn add_edit(&mut self, text: &str) -> Result<(), String> {
        if let Some(sites) = self.edits_of_sites(text) {
            let (name, edits) = sites?;
            let n = edits.len();
            self.add_edits(text.trim(), edits)?;
            self.notice = Some(format!("{n} stretches of {name} sites, p <= {SITE_P} (u takes them back, E lists)"));
            return Ok(());
        }
        let edit = self.edit_words().parse(text)?;
        // A server is not waited for here: every row that reads the edit checks it, too.
        let is_near = self.session.genome.fasta.as_deref().is_some_and(|path| !is_url(path));
        check_edit(&edit, || is_near.then(|| Readers::new(self.session.clone()).bases(&edit.region).ok().flatten()).flatten())?;
        let obstacle = self.edit_obstacle(&edit);
        self.change(&edit.to_string(), |state| state.put_edit(edit.clone()))?;
        self.notice = Some(match obstacle {
            Some(reason) => format!("{edit}: changes nothing here, {reason}"),
            None => format!("{edit} (u takes it back, E lists)"),
        });
        Ok(())
    }

    /// An edit for each stretch of the sites of a motif that the words name, on either strand of the reference, with its name.
    fn edits_of_sites(&self, text: &str) -> Option<Result<(String, Vec<Edit>), String>> {
        let (motif, place, is_deleting) = self.motif_meant(text)?;
        Some(self.sites_of(&motif, &place, is_deleting).map(|edits| (motif.tf.unwrap_or(motif.name), edits)))
    }

    /// The motif of `delete MOTIF [PLACE]` or `blank MOTIF [PLACE]`, the place, and whether its sites are deleted. `None` where the
    /// words name no motif.
    pub fn motif_meant(&self, text: &str) -> Option<(Motif, String, bool)> {
        let mut words = text.split_whitespace();
        let is_deleting = match words.next()? {
            word if word.eq_ignore_ascii_case("delete") => true,
            word if word.eq_ignore_ascii_case("blank") => false,
            _ => return None,
        };
        let name = words.next()?;
        let is_it = |known: &str| known.eq_ignore_ascii_case(name);
        // A mark may be called as its factor is: CTCF.
        if !is_deleting && self.session.tracks.iter().any(|track| track.mark.as_deref().is_some_and(is_it)) {
            return None;
        }
        let motif = bundled_motifs().into_iter().find(|motif| is_it(&motif.name) || motif.tf.as_deref().is_some_and(is_it))?;
        Some((motif, words.collect::<Vec<_>>().join(" "), is_deleting))
    }

    fn sites_of(&self, motif: &Motif, place: &str, is_deleting: bool) -> Result<Vec<Edit>, String> {
        /// Bases that are searched at once.
        const MOST: u64 = 1_000_000;
        let region = self.edit_words().parse(&format!("delete {place}"))?.region;
        if region.len() > MOST {
            return Err(format!("{region} is too long to be searched for a motif"));
        }
        let bases = Readers::new(self.session.clone()).bases(&region).map_err(|e| e.to_string())?;
        let bases = bases.ok_or("the session has no reference sequence")?;
        let scanner = Scanner::new(&motif.ppm).map_err(|e| e.to_string())?;
        let mut hits: Vec<(usize, usize)> = scanner.hits(&bases, SITE_P).iter().map(|hit| (hit.start, hit.end)).collect();
        hits.sort_unstable();
        // Sites that overlap, as those of both strands do, are one stretch.
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        for (start, end) in hits {
            match stretches.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => stretches.push((start, end)),
            }
        }
        if stretches.is_empty() {
            return Err(format!("no site of {} in {region} (p <= {SITE_P})", motif.name));
        }
        let edit = |(start, end): (usize, usize)| {
            let to = if is_deleting { Vec::new() } else { vec![b'N'; end - start] };
            let place = Region::new(region.chrom.clone(), region.start + start as u64, region.start + end as u64);
            Edit::bases(place, None, &to)
        };
        Ok(stretches.into_iter().map(edit).collect())
    }

    fn put_edit(&mut self, edit: Edit) -> Result<(), String> {
        self.edits.retain(|other| !(other.mark().is_none() && edit.mark().is_none() && other.region == edit.region));
        if let Some(other) = self.edits.iter().find(|other| other.conflicts(&edit)) {
            return Err(format!("{edit}: {other} changes some of the same bases; take it back first (E, d)"));
        }
        self.edits.push(edit);
        Ok(())
    }

    /// Adds edits as one change that can be taken back as one.
    ///
    /// # Errors
    /// Where one changes bases that another changes; then none is added.
    pub fn add_edits(&mut self, name: &str, edits: Vec<Edit>) -> Result<(), String> {
        let before = self.edits.clone();
        self.change(name, |state| {
            let added = edits.into_iter().try_for_each(|edit| state.put_edit(edit));
            if added.is_err() {
                state.edits = before;
            }
            added
        })
    }

    /// Takes one edit of the list away.
    pub fn remove_edit(&mut self, index: usize) {
        if let Some(edit) = self.edits.get(index).map(Edit::to_string) {
            self.change(&format!("without {edit}"), |state| state.edits.remove(index));
            self.notice = Some(format!("{edit}: taken away (u brings it back)"));
        }
    }

    /// Begins a selection at the middle of the view.
    pub fn begin_selection(&mut self) {
        let at = self.region.centre();
        self.mode = Mode::Select(Selecting { fixed: at, moving: at });
    }

    /// Moves the end of the selection by columns, and the view after it.
    pub fn move_selection(&mut self, columns: i64) {
        let per_column = (self.region.len() / self.n_columns.max(1) as u64).max(1) as i64;
        let len = self.session.genome.chroms.len_of(&self.region.chrom).unwrap_or(1);
        let Mode::Select(selecting) = &mut self.mode else { return };
        selecting.moving = selecting.moving.saturating_add_signed(columns * per_column).min(len.saturating_sub(1));
        let moving = selecting.moving;
        if !self.region.contains(moving) {
            let span = self.region.len();
            let start = if moving < self.region.start { moving } else { (moving + 1).saturating_sub(span) };
            self.set_region(Region::new(self.region.chrom.clone(), start, start + span));
        }
    }

    /// Keeps what is being selected.
    pub fn keep_selection(&mut self) {
        self.selection = self.selected();
        self.mode = Mode::Browse;
        self.notice = self.selection.as_ref().map(|region| format!("selected {region}, {} bp (e edits it)", region.len()));
    }

    /// What is selected, or being selected.
    pub fn selected(&self) -> Option<Region> {
        match self.mode {
            Mode::Select(Selecting { fixed, moving }) => {
                Some(Region::new(self.region.chrom.clone(), fixed.min(moving), fixed.max(moving) + 1))
            }
            _ => self.selection.clone(),
        }
    }

    /// Selects the interval of the focused row, or the peak of its signal, that is nearest the middle of the view.
    pub fn select_peak(&mut self) {
        let found = match self.focused() {
            Some(RowId::Track(track)) if self.session.tracks[track.0].kind == TrackKind::Features => self.nearest_interval(track),
            Some(RowId::Track(track)) => self.nearest_peak(track),
            _ => None,
        };
        match found {
            Some(region) => {
                self.notice = Some(format!("selected {region}, {} bp (e edits it)", region.len()));
                self.selection = Some(region);
            }
            None => self.notice = Some("no peak or interval of the focused row in view: focus one with j k".to_owned()),
        }
    }

    fn nearest_interval(&self, track: crate::session::TrackId) -> Option<Region> {
        let features = self.features.get(&track)?.as_ref().ok()?;
        let centre = self.region.centre();
        let distance = |f: &&crate::tracks::Feature| {
            if f.start <= centre && centre < f.end { 0 } else { f.start.abs_diff(centre).min(f.end.abs_diff(centre)) }
        };
        let nearest = features.overlapping(&self.region).min_by_key(distance)?;
        Some(Region::new(self.region.chrom.clone(), nearest.start, nearest.end))
    }

    /// The run of columns that reach half the highest in view, nearest the middle.
    fn nearest_peak(&self, track: crate::session::TrackId) -> Option<Region> {
        let view = self.signals.get(&track).filter(|view| view.region == self.region)?;
        let columns = view.columns.as_ref().ok()?;
        let highest = columns.iter().map(|c| c.max).filter(|m| m.is_finite()).fold(0.0, f32::max);
        let is_high = |i: usize| highest > 0.0 && columns[i].max >= highest / 2.0;
        let middle = columns.len() / 2;
        let at = (0..columns.len()).filter(|&i| is_high(i)).min_by_key(|i| i.abs_diff(middle))?;
        let from = (0..at).rev().take_while(|&i| is_high(i)).last().unwrap_or(at);
        let to = (at..columns.len()).take_while(|&i| is_high(i)).last().unwrap_or(at);
        let edge = |i: usize| self.region.start + i as u64 * self.region.len() / columns.len() as u64;
        Some(Region::new(self.region.chrom.clone(), edge(from), edge(to + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::reverse_complement;
    use crate::models::test_manifest;
    use crate::state::toy;
    use crate::tracks::write_bgzip_fasta;
    use std::sync::Arc;

    /// The consensus of a motif planted on both strands of a sequence without any other site.
    #[test]
    fn a_motif_is_deleted_by_its_name_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let rest = bundled_motifs().into_iter().find(|m| m.tf.as_deref() == Some("REST")).unwrap();
        let site = rest.ppm.consensus();
        let mut bases = b"AT".repeat(50_000);
        let (there, turned) = (20_100, 21_000);
        bases[there..there + site.len()].copy_from_slice(&site);
        bases[turned..turned + site.len()].copy_from_slice(&reverse_complement(&site));
        let fasta = folder.path().join("toy.fa.gz");
        write_bgzip_fasta(&fasta, &[("chr1", &bases), ("chr2", &bases[..50_000])]).unwrap();
        let mut state = toy::state(Some(Ok(test_manifest(10_000, 100, &["H3K4me3"], None))));
        let mut session = toy::session();
        session.genome.fasta = Some(fasta);
        state.session = Arc::new(session);
        state.show_gene(crate::genome::GeneId(0));
        state.add_edit("delete rest").unwrap();
        let regions: Vec<(u64, u64)> = state.edits.iter().map(|e| (e.region.start, e.region.end)).collect();
        let expected = [there, turned].map(|at| (at as u64, (at + site.len()) as u64));
        assert_eq!(regions, expected, "{:?}", state.edits);
        assert!(state.edits.iter().all(|edit| edit.growth() == -(site.len() as i64)));
        state.undo();
        assert!(state.edits.is_empty(), "all at once");
        state.add_edit("blank REST chr1:20,001-20,500").unwrap();
        assert_eq!((state.edits.len(), state.edits[0].growth()), (1, 0));
        assert!(state.add_edit("delete REST chr1:1-5,000").unwrap_err().contains("no site of"));
        assert!(state.add_edit("delete nonsense").unwrap_err().contains("is no place"));
    }
}
