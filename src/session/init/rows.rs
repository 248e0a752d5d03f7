//! Rows of a session to be: which mark and sample each file shows, its label, its place in the order.

use super::{Draft, Facts, Row, extent, names};
use crate::genome::{ChromSizes, Region};
use crate::session::{SampleEntry, TrackEntry};
use crate::tracks::{self, Kind, Track, TrackError, clean_text};
use std::collections::{BTreeMap, BTreeSet};

impl Draft<'_> {
    /// Marks and samples of rows from their names.
    pub(super) fn guess_samples(&mut self) {
        if let Some(sample) = &self.options.sample {
            self.rows.iter_mut().for_each(|row| row.facts.sample = row.facts.sample.take().or_else(|| Some(sample.clone())));
        }
        let own = self.made.file.samples.iter().map(|sample| sample.name.clone());
        let mut known: BTreeSet<String> = self.bins.iter().map(|path| names::stem(path)).chain(own).collect();
        for row in &mut self.rows {
            let stem = names::long_stem(&row.path);
            let roadmap = names::roadmap_signal(&stem).filter(|_| row.kind == Kind::Signal);
            if let Some((_, unit)) = roadmap {
                row.facts.signal.get_or_insert(unit);
            }
            let guess = names::sample_and_mark(roadmap.map_or(&stem, |(stem, _)| stem));
            if let Some((sample, mark)) = guess.filter(|_| row.facts.mark.is_none() && row.facts.label.is_none()) {
                row.facts.mark = Some(mark);
                row.facts.sample = row.facts.sample.take().or(Some(sample).filter(|s| !s.is_empty()));
            }
            known.extend(row.facts.sample.clone());
        }
        for row in &mut self.rows {
            let stem = names::long_stem(&row.path);
            let mut of_known = known.iter().filter_map(|s| Some((s, names::after_sample(&stem, s)?)));
            // The longest of the samples that begin the name: `H1_low` before `H1`.
            let Some((sample, rest)) = of_known.by_ref().max_by_key(|(s, _)| s.len()) else { continue };
            row.facts.sample.get_or_insert_with(|| sample.clone());
            if row.facts.mark.is_none() && row.facts.label.is_none() && row.facts.sample.as_ref() == Some(sample) {
                row.facts.label = Some(rest.to_owned());
            }
        }
    }

    /// Two signals of one mark and sample: neither is it, until `--track` says which.
    pub(super) fn part_rivals(&mut self) {
        for row in self.rows.iter_mut().filter(|row| row.kind == Kind::Signal) {
            let is_rival = |t: &TrackEntry| t.mark.is_some() && t.mark == row.facts.mark && t.sample == row.facts.sample;
            if self.made.file.tracks.iter().any(is_rival) {
                (row.facts.mark, row.facts.label) = (None, Some(names::long_stem(&row.path)));
            }
        }
        let mut by_mark: BTreeMap<(Option<String>, String), Vec<usize>> = BTreeMap::new();
        for (i, row) in self.rows.iter().enumerate().filter(|(_, row)| row.kind == Kind::Signal) {
            if let Some(mark) = &row.facts.mark {
                by_mark.entry((row.facts.sample.clone(), mark.clone())).or_default().push(i);
            }
        }
        for ((_, mark), rivals) in by_mark.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
            let said: Vec<usize> = rivals.iter().copied().filter(|&i| self.is_said(i)).collect();
            for &i in rivals.iter().filter(|i| said.len() != 1 || !said.contains(i)) {
                let row = &mut self.rows[i];
                (row.facts.mark, row.facts.label) = (None, Some(names::long_stem(&row.path)));
                if said.is_empty() {
                    let path = row.path.clone();
                    self.problem(
                        &path,
                        &format!("one of {} files of {mark}: --track {mark}=FILE says which models read", rivals.len()),
                    );
                }
            }
        }
    }

    /// Whether `--track` says what a row is.
    fn is_said(&self, row: usize) -> bool {
        self.options.tracks.iter().any(|(_, path)| *path == self.rows[row].path)
    }

    pub(super) fn add_bins(&mut self) {
        for path in std::mem::take(&mut self.bins) {
            let sample = self.options.sample.clone().unwrap_or_else(|| names::stem(&path));
            self.add_sample(&sample);
            self.understand(&path, &format!("bin table of sample {sample}: {}", self.options.marks.join(", ")));
            let file = self.place(&path);
            if tracks::is_base_table(&path).is_ok_and(|is| is) {
                self.with_expression.push((sample.clone(), file.clone()));
            }
            self.made.file.tracks.push(TrackEntry {
                file,
                sample: Some(sample),
                format: Some("bins".to_owned()),
                marks: self.options.marks.clone(),
                bin_size: self.options.bin_size,
                signal: self.options.signal,
                ..TrackEntry::default()
            });
        }
    }

    pub(super) fn add_rows(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        // Annotation of the genome stands above what was measured.
        rows.sort_by_key(|row| row.facts.sample.is_some() || row.kind == Kind::Signal);
        let with_signal: BTreeSet<(Option<String>, String)> =
            rows.iter().filter(|row| row.kind == Kind::Signal).map(|row| (row.facts.sample.clone(), row.name())).collect();
        let (mut signals, mut features) = (Vec::new(), Vec::new());
        let mut labels = Labels::of(&self.made.file.tracks);
        for row in rows {
            let places = if row.kind == Kind::Signal { &mut signals } else { &mut features };
            match row.extent() {
                Ok(place) => places.extend(place),
                Err(error) => {
                    self.problem(&row.path, &error.to_string());
                    continue;
                }
            }
            let name = row.name();
            let is_called = row.format.ends_with("peak") || row.facts.mark.is_some();
            let are_peaks = is_called || with_signal.contains(&(row.facts.sample.clone(), name.clone()));
            let is_suffixed = row.kind == Kind::Features && are_peaks && !name.ends_with("peaks");
            let label = labels.add(&row.facts.sample, if is_suffixed { format!("{name} peaks") } else { name });
            self.add_row(row, label);
        }
        let has_genes = self.made.file.genome.genes.is_some();
        // Genes of bin tables are places of their own.
        if self.made.file.locus.is_none() && self.made.file.tracks.iter().all(|t| t.marks.is_empty()) {
            self.made.file.locus = extent::locus(&signals, &features, has_genes).map(|r| r.to_string());
        }
    }

    fn add_row(&mut self, row: Row, label: String) {
        let format = row.shown_format();
        let Facts { sample, mark, signal, .. } = row.facts;
        if let Some(sample) = &sample {
            self.add_sample(sample);
        }
        let mark = mark.filter(|_| row.kind == Kind::Signal);
        let of_sample = sample.as_ref().map_or_else(String::new, |s| format!(" of sample {s}"));
        let what = match &mark {
            Some(mark) => format!("{format}, mark {mark}{of_sample}"),
            None => format!("{format}, row \"{label}\"{of_sample}"),
        };
        self.understand(&row.path, &what);
        let is_detected = tracks::detect(&row.path).is_ok_and(|f| f.name == format);
        let file = self.place(&row.path);
        self.made.file.tracks.push(TrackEntry {
            file,
            label: (mark.as_ref() != Some(&label)).then_some(label),
            sample,
            mark,
            signal: signal.or(self.options.signal).filter(|_| row.kind == Kind::Signal),
            format: (!is_detected).then(|| format.to_owned()),
            ..TrackEntry::default()
        });
    }

    fn add_sample(&mut self, name: &str) {
        let samples = &mut self.made.file.samples;
        if samples.iter().all(|s| s.name != name) {
            samples.push(SampleEntry { name: name.to_owned(), ..SampleEntry::default() });
        }
    }
}

impl Row {
    /// EPD's promoters are BED; their name tells them.
    fn shown_format(&self) -> &'static str {
        let stem = names::long_stem(&self.path);
        let is_epd = names::words(&stem).iter().any(|(_, word)| ["epd", "epdnew"].contains(&word.to_lowercase().as_str()));
        if self.format == "bed" && is_epd { "epd" } else { self.format }
    }

    /// What its row is called, without what tells peaks from the signal they were called in.
    fn name(&self) -> String {
        let said = self.facts.label.as_ref().or(self.facts.mark.as_ref());
        match (said, self.shown_format()) {
            (Some(name), _) => clean_text(name).into_owned(),
            (None, "epd") => "EPD".to_owned(),
            (None, "genehancer") => "GeneHancer".to_owned(),
            (None, _) => names::long_stem(&self.path),
        }
    }

    /// Where its data lie.
    fn extent(&self) -> Result<Option<Region>, TrackError> {
        // What is on a server is opened when it is seen.
        if tracks::is_url(&self.path) {
            return Ok(None);
        }
        Ok(match tracks::open(&self.path, Some(self.format), &ChromSizes::default())?.value {
            Track::Signal(mut reader) => extent::of_signal(&mut *reader),
            Track::Features(features) => extent::of_features(&features),
            Track::Indexed(mut reader) => extent::of_indexed(&mut *reader),
            Track::Genes(_) | Track::Sequence(_) => None,
        })
    }
}

/// Labels in use: a label names one row of a sample's view, which the rows without sample share.
#[derive(Default)]
struct Labels(BTreeSet<(Option<String>, String)>);

impl Labels {
    fn of(tracks: &[TrackEntry]) -> Self {
        let name = |t: &TrackEntry| t.label.clone().or_else(|| t.mark.clone());
        Self(tracks.iter().filter_map(|t| Some((t.sample.clone(), name(t)?))).collect())
    }

    fn add(&mut self, sample: &Option<String>, name: String) -> String {
        let mut label = name.clone();
        let mut n = 1;
        while self.0.contains(&(sample.clone(), label.clone())) || self.0.contains(&(None, label.clone())) {
            n += 1;
            label = format!("{name} {n}");
        }
        self.0.insert((sample.clone(), label.clone()));
        label
    }
}
