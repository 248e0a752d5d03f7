//! A table of places over the tracks: sorted, filtered, walked.

use super::State;
use crate::genome::{Region, thousands};
use std::sync::Arc;

/// One cell: a word, or a number that sorts as one.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number, with the digits it is shown with.
    Number(f64),
    /// A place, which sorts along the genome: rank of its chromosome.
    Place(usize, Region),
}

impl Cell {
    /// As it is shown.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) if number.is_nan() => "\u{2013}".to_owned(),
            Self::Number(number) if number.fract() == 0.0 && (0.0..1e15).contains(number) => thousands(*number as u64),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
            Self::Number(number) => format!("{number:.3}"),
            Self::Place(_, region) => region.to_string(),
        }
    }

    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self, other) {
            // What has no value stands last, whichever way the others are sorted.
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Place(a, here), Self::Place(b, there)) => (a, here.start, here.end).cmp(&(b, there.start, there.end)),
            _ => self.text().cmp(&other.text()),
        }
    }
}

/// One line of a table, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// What is gone to, as it would be typed.
    pub target: String,
}

/// Places with what is known of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it lists.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Shared: a state of two places is copied for every frame.
    lines: Arc<[Line]>,
    shown: Vec<usize>,
    /// Which of the lines shown is chosen.
    pub selected: usize,
    sorted_by: Option<(usize, bool)>,
    /// What a line must hold to be shown.
    pub filter: String,
    /// Whether the filter is being typed.
    pub is_filtering: bool,
}

impl Table {
    /// A table of lines in their order.
    pub fn new(title: impl Into<String>, columns: &[&str], lines: Vec<Line>) -> Self {
        let shown = (0..lines.len()).collect();
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        Self { title: title.into(), columns, lines: lines.into(), shown, ..Self::default() }
    }

    /// Lines that pass the filter, in their order.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.shown.iter().map(|&i| &self.lines[i])
    }

    /// Number of all lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The column that sorts, and whether from the highest.
    pub fn sorted_by(&self) -> Option<(usize, bool)> {
        self.sorted_by
    }

    /// The chosen line.
    pub fn chosen(&self) -> Option<&Line> {
        self.shown.get(self.selected).map(|&i| &self.lines[i])
    }

    /// Chooses a line further down or up.
    pub fn select(&mut self, step: isize) {
        self.selected = self.selected.saturating_add_signed(step).min(self.shown.len().saturating_sub(1));
    }

    /// Sorts by a column; again by the same one turns the order.
    pub fn sort_by(&mut self, column: usize) {
        if column >= self.columns.len() {
            return;
        }
        let is_down = matches!(self.sorted_by, Some((same, false)) if same == column);
        self.sorted_by = Some((column, is_down));
        self.arrange();
    }

    /// Sorts by the column right of the one that sorts, round and round.
    pub fn sort_by_next(&mut self) {
        let next = self.sorted_by.map_or(0, |(column, _)| (column + 1) % self.columns.len().max(1));
        self.sorted_by = None;
        self.sort_by(next);
    }

    /// Shows only lines that hold this text in any cell, whatever the case.
    pub fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    fn arrange(&mut self) {
        let wanted = self.filter.to_lowercase();
        let is_meant = |line: &Line| line.cells.iter().any(|cell| cell.text().to_lowercase().contains(&wanted));
        self.shown = (0..self.lines.len()).filter(|&i| wanted.is_empty() || is_meant(&self.lines[i])).collect();
        if let Some((column, is_down)) = self.sorted_by {
            let cell = |i: &usize| &self.lines[*i].cells[column];
            let is_nothing = |i: &usize| matches!(cell(i), Cell::Number(n) if n.is_nan());
            self.shown.sort_by(|a, b| {
                let order = cell(a).cmp(cell(b));
                is_nothing(a).cmp(&is_nothing(b)).then(if is_down { order.reverse() } else { order })
            });
        }
        self.selected = 0;
    }
}

impl State {
    /// A cell that sorts along the genome.
    fn place(&self, region: &Region) -> Cell {
        Cell::Place(self.session.genome.chroms.rank(&region.chrom).unwrap_or(usize::MAX), region.clone())
    }

    /// Chromosomes of the genome.
    pub fn chromosome_table(&self) -> Table {
        let line = |(name, len): (&Arc<str>, u64)| Line {
            cells: vec![Cell::Text(name.to_string()), Cell::Number(len as f64)],
            target: name.to_string(),
        };
        Table::new("chromosomes", &["name", "bases"], self.session.genome.chroms.iter().map(line).collect())
    }

    /// Bookmarks and regions of interest.
    pub fn region_table(&self) -> Table {
        let bookmarks = self.bookmarks.iter().map(|(letter, place)| Line {
            cells: vec![self.place(&place.region), Cell::Text(format!("'{letter}"))],
            target: place.region.to_string(),
        });
        let regions = self
            .regions
            .iter()
            .map(|r| Line { cells: vec![self.place(&r.region), Cell::Text(r.note.clone())], target: r.region.to_string() });
        Table::new("bookmarks and regions of interest", &["place", "note"], bookmarks.chain(regions).collect())
    }

    /// Features of every annotation row whose name or linked gene holds `text`.
    pub fn feature_table(&self, text: &str) -> Table {
        /// More than anybody reads.
        const LIMIT: usize = 100_000;
        let wanted = text.trim().to_lowercase();
        let is_meant = |name: &str| name.to_lowercase().contains(&wanted);
        let mut lines = Vec::new();
        for (id, track) in self.session.tracks_of(self.sample) {
            let Some(Ok(features)) = self.features.get(&id) else { continue };
            for (chrom, feature) in features.iter() {
                if !(is_meant(&feature.name) || feature.genes.iter().any(|(gene, _)| is_meant(gene))) || lines.len() >= LIMIT {
                    continue;
                }
                let region = Region::new(chrom.clone(), feature.start, feature.end);
                let cells = vec![
                    Cell::Text(feature.name.clone()),
                    Cell::Text(track.label.clone()),
                    self.place(&region),
                    Cell::Number(feature.score.map_or(f64::NAN, f64::from)),
                ];
                lines.push(Line { cells, target: region.to_string() });
            }
        }
        let title = if wanted.is_empty() { "features".to_owned() } else { format!("features with \"{}\"", text.trim()) };
        let mut table = Table::new(title, &["name", "row", "place", "score"], lines);
        table.sort_by(2);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::toy;

    fn table() -> Table {
        let line = |name: &str, value: f64| Line {
            cells: vec![Cell::Text(name.to_owned()), Cell::Number(value)],
            target: name.to_owned(),
        };
        Table::new("t", &["name", "value"], vec![line("b", 2.0), line("a", f64::NAN), line("C", 10.0)])
    }

    fn names(table: &Table) -> Vec<&str> {
        table.lines().map(|l| l.target.as_str()).collect()
    }

    #[test]
    fn numbers_sort_as_numbers_and_what_has_none_stands_last() {
        let mut table = table();
        table.sort_by(1);
        assert_eq!(names(&table), ["b", "C", "a"]);
        table.sort_by(1);
        assert_eq!(names(&table), ["C", "b", "a"]);
        table.sort_by_next();
        assert_eq!((names(&table), table.sorted_by()), (vec!["C", "a", "b"], Some((0, false))));
    }

    #[test]
    fn a_filter_keeps_the_order() {
        let mut table = table();
        table.sort_by(1);
        table.set_filter("c".to_owned());
        assert_eq!(names(&table), ["C"]);
        table.set_filter(String::new());
        assert_eq!(names(&table), ["b", "C", "a"]);
        table.select(5);
        assert_eq!(table.chosen().unwrap().target, "a");
    }

    #[test]
    fn features_are_found_by_any_part_of_their_name() {
        let state = toy::state(None);
        let table = state.feature_table("beta");
        assert_eq!(table.lines().map(|l| l.target.clone()).collect::<Vec<_>>(), ["chr1:46,990-47,049"]);
        assert_eq!(state.chromosome_table().len(), 2);
    }
}
