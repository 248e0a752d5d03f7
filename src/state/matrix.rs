//! Sample by mark: the rows of marks in every sample at once, and sorting signal rows by value.

use super::{RowId, State};
use crate::genome::Region;
use crate::session::{SampleId, TrackId, TrackInfo, TrackKind};
use std::cmp::Ordering;
use std::collections::HashMap;

/// What signal rows are sorted by.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// Each row by its own mean.
    Value,
    /// Samples by their mean of one mark, in the block of every mark.
    Mark(String),
    /// Samples by the measured expression of the gene in view.
    Expression,
    /// Samples by name.
    Sample,
    /// As the session lists them.
    File,
}

impl State {
    /// Marks that several samples have a track of, in the order of the session.
    pub fn marks_over_samples(&self) -> Vec<String> {
        let mut samples_of: Vec<(&str, SampleId, bool)> = Vec::new();
        for track in self.session.tracks.iter().filter(|t| t.kind == TrackKind::Signal) {
            let (Some(mark), Some(sample)) = (track.mark.as_deref(), track.sample) else { continue };
            match samples_of.iter_mut().find(|(known, ..)| *known == mark) {
                Some((_, first, has_more)) => *has_more |= *first != sample,
                None => samples_of.push((mark, sample, false)),
            }
        }
        samples_of.into_iter().filter(|(.., has_more)| *has_more).map(|(mark, ..)| mark.to_owned()).collect()
    }

    /// Gives marks a row in every sample, one line each: those named (with commas between), or all; `off` leaves the sample in view.
    ///
    /// # Errors
    /// The marks there are, where a name is none of them or no mark has several samples.
    pub fn show_matrix(&mut self, marks: &str) -> Result<(), String> {
        let known = self.marks_over_samples();
        match marks.trim() {
            "off" => self.set_matrix(&[]),
            _ if known.is_empty() => Err("no mark has tracks of several samples".to_owned()),
            "" => self.set_matrix(&known),
            one if known.iter().any(|mark| mark == one) => self.set_matrix(&[one.to_owned()]),
            list => self.set_matrix(&list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()),
        }
    }

    pub(super) fn set_matrix(&mut self, marks: &[String]) -> Result<(), String> {
        let known = self.marks_over_samples();
        let mut matrix: Vec<String> = Vec::new();
        for name in marks {
            if !known.contains(name) {
                return Err(format!("no mark \"{name}\" of several samples; there are {}", known.join(", ")));
            }
            if !matrix.contains(name) {
                matrix.push(name.clone());
            }
        }
        let focused = self.focused();
        self.matrix = matrix;
        self.keep_focus(focused);
        Ok(())
    }

    /// Leaves the focus where it was, though its row has another label now; a row that is gone leaves it to its mark in the sample in
    /// view.
    pub(super) fn keep_focus(&mut self, focused: Option<RowId>) {
        let Some(row) = focused else { return };
        let rows = self.rows();
        let of_mark = || {
            let RowId::Track(track) = row else { return None };
            let here = self.session.signal_for(self.sample, self.session.tracks[track.0].mark.as_deref()?)?;
            rows.contains(&RowId::Track(here)).then_some(RowId::Track(here))
        };
        let row = if rows.contains(&row) { Some(row) } else { of_mark() };
        self.focus = row.map(|row| self.label(row)).unwrap_or_default();
    }

    /// Whether a track's mark stands in every sample.
    pub(super) fn is_in_matrix(&self, track: &TrackInfo) -> bool {
        track.kind == TrackKind::Signal && track.mark.as_ref().is_some_and(|mark| self.matrix.contains(mark))
    }

    /// The mark of a row of the matrix.
    pub fn mark_of_matrix(&self, row: RowId) -> Option<&str> {
        let RowId::Track(track) = row else { return None };
        let info = &self.session.tracks[track.0];
        info.mark.as_deref().filter(|_| self.is_in_matrix(info))
    }

    /// Every signal of a mark, sample by sample; what belongs to no sample last.
    pub fn tracks_with(&self, mark: &str) -> Vec<TrackId> {
        let tracks = self.session.tracks.iter().enumerate();
        let is_it = |t: &TrackInfo| t.kind == TrackKind::Signal && t.mark.as_deref() == Some(mark);
        let mut found: Vec<_> =
            tracks.filter(|(_, t)| is_it(t)).map(|(i, t)| (t.sample.map_or(usize::MAX, |s| s.0), i)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, i)| TrackId(i)).collect()
    }

    /// The stretch that rows are compared over: what is selected, else the view.
    fn compared_stretch(&self) -> Region {
        let selected = self.selected().filter(|s| s.chrom == self.region.chrom && s.overlaps(&self.region));
        selected.map_or_else(
            || self.region.clone(),
            |s| Region::new(s.chrom, s.start.max(self.region.start), s.end.min(self.region.end)),
        )
    }

    /// A track's mean over the measured bases of a stretch of the view; NaN where none was measured, `None` where it is not read yet.
    pub fn mean_in_view(&self, track: TrackId, stretch: &Region) -> Option<f64> {
        let view = self.signals.get(&track)?;
        let Ok(columns) = &view.columns else { return Some(f64::NAN) };
        if view.region != self.region {
            return None;
        }
        let edge = |i: usize| view.region.start as f64 + i as f64 * view.region.len() as f64 / columns.len().max(1) as f64;
        let (mut sum, mut measured) = (0.0, 0.0);
        for (i, column) in columns.iter().enumerate().filter(|(_, c)| !c.is_missing()) {
            let shared = edge(i + 1).min(stretch.end as f64) - edge(i).max(stretch.start as f64);
            let bases = shared.max(0.0) * f64::from(column.covered);
            sum += bases * f64::from(column.mean);
            measured += bases;
        }
        Some(sum / measured)
    }

    /// What signal rows can be sorted by.
    pub fn sort_keys(&self) -> Vec<String> {
        let words = ["value", "expression", "sample", "file"].map(str::to_owned);
        words.into_iter().chain(self.matrix.iter().cloned()).collect()
    }

    fn sort_key(&self, by: &str) -> Result<Key, String> {
        let key = match by {
            "" | "value" => Key::Value,
            "expression" => Key::Expression,
            "sample" => Key::Sample,
            "file" => Key::File,
            mark if self.matrix.iter().any(|m| m == mark) => Key::Mark(mark.to_owned()),
            other => return Err(format!("rows are sorted by {}, not \"{other}\"", self.sort_keys().join(", "))),
        };
        match self.matrix.is_empty() && matches!(key, Key::Expression | Key::Sample) {
            true => Err(format!("the rows in view are of one sample: :matrix shows all, to be sorted by {by}")),
            false => Ok(key),
        }
    }

    /// Sorts signal rows, the highest first: those of each mark of a matrix among themselves, or all that are in view. Rows without a
    /// value stand last. The order is that of now: it stays as one moves on.
    ///
    /// # Errors
    /// Where rows cannot be sorted by that, or are not all read yet.
    pub fn sort_rows(&mut self, by: &str) -> Result<(), String> {
        let key = self.sort_key(by.trim())?;
        let stretch = self.compared_stretch();
        let rows = self.rows();
        let is_signal = |row: &RowId| matches!(row, RowId::Track(id) if self.session.tracks[id.0].kind == TrackKind::Signal);
        let mut blocks: Vec<(Option<&str>, Vec<TrackId>)> = Vec::new();
        for row in rows.iter().filter(|row| is_signal(row)) {
            let RowId::Track(track) = *row else { continue };
            let info = &self.session.tracks[track.0];
            let mark = if self.matrix.is_empty() { None } else { info.mark.as_deref().filter(|_| self.is_in_matrix(info)) };
            if mark.is_none() && !self.matrix.is_empty() {
                continue; // a row of one sample below the matrix
            }
            match blocks.iter_mut().find(|(of, _)| *of == mark) {
                Some((_, tracks)) => tracks.push(track),
                None => blocks.push((mark, vec![track])),
            }
        }
        if blocks.is_empty() {
            return Err("no signal is in view to be sorted".to_owned());
        }
        let values = self.values_to_sort_by(&key, &blocks, &stretch)?;
        let mut next: HashMap<TrackId, TrackId> = HashMap::new();
        for (_, tracks) in &blocks {
            let mut sorted = tracks.clone();
            match key {
                Key::File => sorted.sort_unstable(),
                Key::Sample => sorted.sort_by_key(|t| {
                    let sample = self.session.tracks[t.0].sample;
                    (sample.is_none(), sample.and_then(|s| self.session.samples.get(s.0)).map(|s| s.name.as_str()))
                }),
                _ => sorted.sort_by(|a, b| highest_first(values[a], values[b])),
            }
            next.extend(tracks.iter().copied().zip(sorted));
        }
        let moved = |row: &RowId| match row {
            RowId::Track(id) => RowId::Track(next.get(id).copied().unwrap_or(*id)),
            row => *row,
        };
        let order = rows.iter().map(|row| self.label(moved(row))).collect();
        self.order = order;
        self.notice = Some(match key {
            Key::Value => format!("sorted by mean over {stretch}"),
            Key::Mark(mark) => format!("samples sorted by mean {mark} over {stretch}"),
            Key::Expression => {
                let gene = self.current_gene().map_or("the gene", |gene| &gene.name);
                format!("samples sorted by the expression of {gene}")
            }
            Key::Sample => "sorted by name of the sample".to_owned(),
            Key::File => "sorted as the session lists them".to_owned(),
        });
        Ok(())
    }

    /// The value of each row; NaN where it has none.
    fn values_to_sort_by(
        &self,
        key: &Key,
        blocks: &[(Option<&str>, Vec<TrackId>)],
        stretch: &Region,
    ) -> Result<HashMap<TrackId, f64>, String> {
        let tracks: Vec<TrackId> = blocks.iter().flat_map(|(_, tracks)| tracks.iter().copied()).collect();
        let means = |tracks: &[TrackId]| {
            let means: Vec<Option<f64>> = tracks.iter().map(|t| self.mean_in_view(*t, stretch)).collect();
            match means.iter().filter(|mean| mean.is_none()).count() {
                0 => Ok(means.into_iter().flatten().collect::<Vec<f64>>()),
                n => Err(format!("{n} of {} rows are not read yet: again in a moment", tracks.len())),
            }
        };
        let sample_of = |t: &TrackId| self.session.tracks[t.0].sample;
        let of_sample: HashMap<SampleId, f64> = match key {
            Key::File | Key::Sample => HashMap::new(),
            Key::Value => return Ok(tracks.iter().copied().zip(means(&tracks)?).collect()),
            Key::Mark(mark) => {
                let of_mark = self.tracks_with(mark);
                let means = means(&of_mark)?;
                let mut found = HashMap::new();
                for (sample, mean) in of_mark.iter().zip(means).filter_map(|(t, mean)| Some((sample_of(t)?, mean))) {
                    found.entry(sample).or_insert(mean);
                }
                found
            }
            Key::Expression => {
                let gene = self.current_gene().ok_or("no gene is in view to sort samples by")?;
                let samples = (0..self.session.samples.len()).map(SampleId);
                let known: HashMap<_, _> = samples.filter_map(|s| Some((s, self.session.expression(s, gene)?))).collect();
                if known.is_empty() {
                    return Err(format!("no sample has a measured expression of {}", gene.name));
                }
                known
            }
        };
        let value = |t: &TrackId| sample_of(t).and_then(|s| of_sample.get(&s)).copied().unwrap_or(f64::NAN);
        Ok(tracks.iter().map(|t| (*t, value(t))).collect())
    }
}

fn highest_first(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.total_cmp(&a))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Sample, Session, TrackInfo};
    use crate::state::{Scale, SignalStyle, SignalView, State, toy};
    use crate::theme::Theme;
    use crate::tracks::Column;
    use std::sync::Arc;

    /// Three samples with H3K4me3 and H3K27ac each, 5mC of the first alone. No file behind them.
    fn session() -> Session {
        let mut session = toy::session();
        let sample = |name: &str| Sample { name: name.to_owned(), ..session.samples[0].clone() };
        let (samples, of_first, shared) =
            (["S01", "S10", "S02"].map(sample), session.tracks[1].clone(), session.tracks[3].clone());
        let track = |mark: &str, sample: usize| TrackInfo {
            label: mark.to_owned(),
            mark: Some(mark.to_owned()),
            sample: Some(SampleId(sample)),
            ..of_first.clone()
        };
        let marks = (0..3).flat_map(|sample| ["H3K4me3", "H3K27ac"].map(|mark| track(mark, sample)));
        session.tracks = marks.chain([of_first.clone(), shared]).collect();
        session.samples = samples.into();
        session
    }

    fn state() -> State {
        State::new(Arc::new(session()), Vec::new(), Theme::named("dark").unwrap())
    }

    /// Every signal read: the mean of each half of the view.
    fn fill(state: &mut State, halves: [[f32; 2]; 7]) {
        state.n_columns = 2;
        for (i, means) in halves.into_iter().enumerate() {
            let column = |v: f32| if v.is_nan() { Column::MISSING } else { Column { mean: v, min: v, max: v, covered: 1.0 } };
            let columns = Ok(means.map(column).into());
            state.signals.insert(TrackId(i), SignalView { region: state.region.clone(), columns });
        }
    }

    /// Of S01, S10, S02 H3K4me3 and H3K27ac in turn; then 5mC.
    const HALVES: [[f32; 2]; 7] = [[1.0, 3.0], [9.0, 9.0], [f32::NAN, f32::NAN], [1.0, 2.0], [8.0, 0.0], [5.0, 5.0], [0.5, 0.5]];

    fn signals(state: &State) -> Vec<String> {
        let is_signal = |row: &RowId| matches!(row, RowId::Track(id) if state.session.tracks[id.0].kind == TrackKind::Signal);
        state.rows().into_iter().filter(is_signal).map(|row| state.title(row)).collect()
    }

    /// `matrix` or `sort`, with what stands behind it.
    fn typed(state: &mut State, line: &str) -> Result<(), String> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        state.change(line, |state| if command == "matrix" { state.show_matrix(rest) } else { state.sort_rows(rest) })
    }

    #[test]
    fn every_sample_has_a_row_of_each_mark_and_the_rest_stays() {
        let mut state = state();
        assert_eq!(signals(&state), ["H3K4me3", "H3K27ac", "5mC"]);
        assert_eq!(state.marks_over_samples(), ["H3K4me3", "H3K27ac"]);
        state.focus = "H3K27ac".to_owned();
        typed(&mut state, "matrix").unwrap();
        let all = ["S01 H3K4me3", "S10 H3K4me3", "S02 H3K4me3", "S01 H3K27ac", "S10 H3K27ac", "S02 H3K27ac", "5mC"];
        assert_eq!(signals(&state), all);
        assert_eq!(state.focus, "H3K27ac@S01", "the row with the focus keeps it");
        let view = state.row_view(state.row_named("H3K27ac@S10").unwrap());
        assert_eq!((view.style, view.scale), (SignalStyle::Heatmap, Scale::Samples));
        assert_eq!(
            state.row_named("H3K27ac"),
            state.row_named("H3K27ac@S01"),
            "formulas find the sample in view by the label alone"
        );
        assert!(state.look().tracks.len() >= 7, "all are read");
        state.switch_sample(1);
        assert_eq!(signals(&state)[..6], all[..6], "the sample in view has nothing to say in it");
        state.switch_sample(-1);
        typed(&mut state, "matrix H3K27ac").unwrap();
        assert_eq!(signals(&state), ["S01 H3K27ac", "S10 H3K27ac", "S02 H3K27ac", "H3K4me3", "5mC"]);
        state.compare_with("S10").unwrap();
        assert_eq!(
            state.rows().iter().collect::<std::collections::HashSet<_>>().len(),
            state.rows().len(),
            "no row stands twice"
        );
        state.compared.with = None;
        state.focus = "H3K27ac@S02".to_owned();
        typed(&mut state, "matrix off").unwrap();
        assert_eq!((signals(&state).len(), state.focus.as_str()), (3, "H3K27ac"), "the focus is left to the mark");
        let refused = typed(&mut state, "matrix H3K4me3,5mC").unwrap_err();
        assert_eq!(refused, "no mark \"5mC\" of several samples; there are H3K4me3, H3K27ac");
        state.undo();
        assert_eq!(signals(&state).len(), 5);
    }

    #[test]
    fn rows_of_a_matrix_are_sorted_by_value_sample_expression_and_file() {
        let mut state = state();
        typed(&mut state, "matrix").unwrap();
        assert_eq!(typed(&mut state, "sort value").unwrap_err(), "6 of 6 rows are not read yet: again in a moment");
        fill(&mut state, HALVES);
        let before = state.rows();
        typed(&mut state, "sort").unwrap();
        let by_value = ["S02 H3K4me3", "S01 H3K4me3", "S10 H3K4me3", "S01 H3K27ac", "S02 H3K27ac", "S10 H3K27ac", "5mC"];
        assert_eq!(signals(&state), by_value, "each mark by its own means, what was not measured last");
        assert!(state.notice.as_deref().unwrap().starts_with("sorted by mean over chr1:15,001-25,000"));
        state.undo();
        assert_eq!(state.rows(), before);
        typed(&mut state, "sort H3K27ac").unwrap();
        let by_mark = ["S01 H3K4me3", "S02 H3K4me3", "S10 H3K4me3", "S01 H3K27ac", "S02 H3K27ac", "S10 H3K27ac", "5mC"];
        assert_eq!(signals(&state), by_mark, "samples by one mark, in every block");
        typed(&mut state, "sort sample").unwrap();
        assert_eq!(signals(&state)[..3], ["S01 H3K4me3", "S02 H3K4me3", "S10 H3K4me3"]);
        typed(&mut state, "sort file").unwrap();
        assert_eq!(state.rows(), before);
        assert!(typed(&mut state, "sort expression").unwrap_err().contains("no sample has a measured expression of ALPHA"));
        assert!(typed(&mut state, "sort size").unwrap_err().contains("value, expression, sample, file, H3K4me3, H3K27ac"));
        let middle = state.region.centre();
        state.selection = Some(Region::new("chr1", middle, state.region.end));
        typed(&mut state, "sort value").unwrap();
        assert_eq!(signals(&state)[..3], ["S01 H3K4me3", "S02 H3K4me3", "S10 H3K4me3"], "over what is selected: 3 before 0");
        let region = state.region.clone();
        state.pan(0.1);
        assert_eq!(
            typed(&mut state, "sort").unwrap_err(),
            "6 of 6 rows are not read yet: again in a moment",
            "values of another place"
        );
        state.set_region(region);
        state.signals.insert(TrackId(0), SignalView { region: state.region.clone(), columns: Err("gone".to_owned()) });
        typed(&mut state, "sort").unwrap();
        assert_eq!(signals(&state)[0], "S02 H3K4me3", "a row that cannot be read has no value");
    }

    #[test]
    fn rows_of_one_sample_are_sorted_too() {
        let mut state = state();
        fill(&mut state, HALVES);
        typed(&mut state, "sort value").unwrap();
        assert_eq!(signals(&state), ["H3K27ac", "H3K4me3", "5mC"]);
        assert!(typed(&mut state, "sort expression").unwrap_err().contains(":matrix shows all"));
        typed(&mut state, "sort file").unwrap();
        assert_eq!(signals(&state), ["H3K4me3", "H3K27ac", "5mC"]);
    }

    #[test]
    fn a_sorted_matrix_is_saved_and_comes_back() {
        let mut state = state();
        typed(&mut state, "matrix H3K4me3").unwrap();
        fill(&mut state, HALVES);
        typed(&mut state, "sort").unwrap();
        let text = state.saved().put_into("version = 2\n").unwrap();
        let file: crate::session::SessionFile = toml::from_str(&text).unwrap();
        let mut again = self::state();
        again.look_as_saved(&file.saved());
        assert_eq!((signals(&again), again.messages.len()), (signals(&state), 0));
        assert_eq!(signals(&again)[..3], ["S02 H3K4me3", "S01 H3K4me3", "S10 H3K4me3"]);
    }
}
