//! What is to be seen, in genome coordinates and numbers. Screen and figure are two painters of one scene, so they cannot
//! disagree.

mod compared;
mod cores;
mod header;
mod lanes;
mod model_rows;
mod profile;
mod ruler;
mod signals;
mod variants;
mod translation;

pub use header::Header;
pub use lanes::{GeneShape, IntervalShape, LabelPlace};
pub use model_rows::{SIGNIFICANT, input_row};
pub use profile::Profile;
pub use ruler::{Ruler, Tick};
pub use signals::{MEAN_HERE, format_value};
pub use translation::{Codon, CodonLane};

use crate::genome::Region;
use crate::session::TrackKind;
use crate::state::{RowId, RowState, RowView, State, Statistic};
use crate::tracks::Column;
use model_rows::Said;
use signals::Axes;

/// The grain of a painter: how many columns, and how many of them a character of a label is wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Geometry {
    /// Columns of the plot area.
    pub n_columns: usize,
    /// Columns per character of a label: 1 on a terminal.
    pub char_columns: f64,
    /// Lanes of genes or intervals a row may stack.
    pub max_lanes: usize,
}

/// Everything to be painted.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What is shown, of what.
    pub header: Header,
    /// The part of the genome.
    pub region: Region,
    /// Columns of the plot area.
    pub n_columns: usize,
    /// Positions along the top.
    pub ruler: Ruler,
    /// What is selected, as far as it is in view.
    pub selection: Option<Region>,
    /// Rows from the top.
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub id: RowId,
    /// Its name.
    pub label: String,
    /// Unit, statistic or settings of what is drawn.
    pub detail: String,
    /// Whether it has the focus.
    pub is_focused: bool,
    /// Why its file may be of another genome than the one it is drawn on.
    pub mismatch: Option<String>,
    /// The state of a model row; `None` for measured rows.
    pub state: Option<RowState>,
    /// Lowest and highest value of the vertical axis.
    pub axis: Option<(f32, f32)>,
    /// What is drawn.
    pub plot: Plot,
    /// Signals over it, on the same axis.
    pub overlays: Vec<Overlay>,
    /// How it is drawn.
    pub view: RowView,
    /// Lines more than the default.
    pub extra_lines: i16,
    /// Its place among rows that share what is said of them.
    pub block: Block,
}

/// The place of a row in a block of rows that share unit, statistic and scale: those of one mark in a matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Block {
    /// It is in none.
    #[default]
    None,
    /// The first.
    First,
    /// Another one.
    Next,
}

/// A signal drawn over another.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// Its row.
    pub label: String,
    /// Its colour role.
    pub role: String,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// Values of one lane of a row, one a column; NaN where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Its name (`H3K4me3`); empty where the row has only one.
    pub label: String,
    /// What is to be said of it (`β 0.24`), if anything.
    pub note: String,
    /// Value of each column.
    pub values: Vec<f32>,
}

impl Lane {
    /// Its name with what is to be said of it.
    pub fn title(&self) -> String {
        [self.label.as_str(), self.note.as_str()].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// What a row draws.
#[derive(Clone, Debug)]
pub enum Plot {
    /// Nothing to draw yet, or what went wrong.
    Message(String),
    /// Why there is nothing to draw, where nothing is wrong.
    Note(String),
    /// Gene models in lanes.
    Genes(Vec<Vec<GeneShape>>),
    /// Intervals in lanes, and the colour role.
    Intervals(Vec<Vec<IntervalShape>>, String),
    /// A measured signal and its colour role.
    Signal(Vec<Column>, String),
    /// Signed values in lanes of one scale, from minus to plus this limit.
    Signed(Vec<Lane>, f32),
    /// Weights in lanes of one scale, from 0 to this limit.
    Heat(Vec<Lane>, f32),
    /// Reference bases, one a column.
    Bases(Vec<u8>),
    /// What the bases spell, a lane a frame.
    Codons(Vec<CodonLane>),
    /// A letter a column with a signed height, from minus to plus this limit.
    Letters(Vec<u8>, Vec<f32>, f32),
}

/// What a model row of the place without the focus says where the model has said nothing of it.
const WAITING: &str = "focus this side to compute";

impl Plot {
    /// Whether nothing is to be seen of it.
    fn is_blank(&self) -> bool {
        match self {
            Self::Message(text) => text.is_empty(),
            Self::Signed(lanes, _) | Self::Heat(lanes, _) => lanes.iter().all(|lane| lane.values.iter().all(|v| v.is_nan())),
            _ => false,
        }
    }
}

impl RowView {
    /// The value of a column that is drawn where only one is.
    pub fn value(&self, column: &Column) -> f32 {
        match self.statistic {
            Statistic::Mean => column.mean,
            Statistic::Max => column.max,
            Statistic::Min => column.min,
        }
    }

    /// Where a value stands on the axis: itself, or its signed logarithm.
    pub fn place(&self, value: f32) -> f32 {
        if self.is_log { value.signum() * value.abs().ln_1p() / std::f32::consts::LN_10 } else { value }
    }
}

impl Scene {
    /// One row at the grain of a painter, as [`Self::build`] makes it.
    pub fn row(state: &State, geometry: Geometry, id: RowId) -> Row {
        build_row(state, geometry, id, None, &mut Axes::beside(state.from_other_side().as_ref()))
    }

    /// The scene of a state at the grain of a painter.
    pub fn build(state: &State, geometry: Geometry) -> Self {
        Self::beside(state, geometry, state.from_other_side().as_ref())
    }

    /// The scene of the place with the focus, and of the other where two are in view.
    pub fn build_each(state: &State, geometry: Geometry) -> (Self, Option<Self>) {
        let other = state.from_other_side();
        let scene = Self::beside(state, geometry, other.as_ref());
        (scene, other.map(|other| Self::beside(&other, geometry, Some(state))))
    }

    /// The scene of a state whose signals share their scale with those of the other place.
    fn beside(state: &State, geometry: Geometry, other: Option<&State>) -> Self {
        let focused = state.focused();
        let mut axes = Axes::beside(other);
        let ids = state.rows();
        let mut rows: Vec<Row> = ids.iter().map(|id| build_row(state, geometry, *id, focused, &mut axes)).collect();
        let marks: Vec<Option<&str>> = ids.iter().map(|id| state.mark_of_matrix(*id)).collect();
        for (i, row) in rows.iter_mut().enumerate().filter(|(i, _)| marks[*i].is_some()) {
            row.block = if i > 0 && marks[i - 1] == marks[i] { Block::Next } else { Block::First };
        }
        Self {
            header: Header::build(state),
            region: state.region.clone(),
            n_columns: geometry.n_columns,
            ruler: Ruler::build(state, geometry),
            selection: state.selected().filter(|s| s.overlaps(&state.region)),
            rows,
        }
    }

    /// The bases of column `i`: from, to (at least one).
    pub fn bases_of_column(&self, i: usize) -> (u64, u64) {
        bases_of_column(&self.region, self.n_columns, i)
    }

    /// The column (fractional, from the left edge of the plot) where a position begins; may lie outside.
    pub fn x(&self, position: f64) -> f64 {
        column_of(&self.region, self.n_columns, position)
    }
}

/// The column (fractional) at which `position` begins.
fn column_of(region: &Region, n_columns: usize, position: f64) -> f64 {
    // Multiplied first: what is a whole number of columns stays one.
    (position - region.start as f64) * n_columns as f64 / region.len().max(1) as f64
}

/// The bases of column `i`: from, to (at least one).
fn bases_of_column(region: &Region, n_columns: usize, i: usize) -> (u64, u64) {
    let edge = |i: usize| region.start + (i as u64 * region.len()) / n_columns.max(1) as u64;
    let from = edge(i);
    (from, edge(i + 1).max(from + 1))
}

fn build_row(state: &State, geometry: Geometry, id: RowId, focused: Option<RowId>, axes: &mut Axes<'_>) -> Row {
    let view = state.row_view(id);
    let mut row = Row {
        id,
        label: view.name.clone().unwrap_or_else(|| state.title(id)),
        detail: String::new(),
        is_focused: Some(id) == focused,
        mismatch: None,
        state: None,
        axis: None,
        plot: Plot::Message("reading".to_owned()),
        overlays: Vec::new(),
        extra_lines: view.extra_lines,
        block: Block::None,
        view,
    };
    match id {
        RowId::Edits => lanes::fill_edits(&mut row, state, geometry),
        RowId::Genes => lanes::genes(&mut row, state, geometry),
        RowId::Sequence => {
            if let Some((region, bases)) = &state.sequence {
                row.plot = match bases {
                    Err(reason) => Plot::Message(reason.clone()),
                    Ok(bases) => {
                        let bases = signals::edited_bases(bases, region, &state.edits);
                        Plot::Bases(signals::bases_per_column(&bases, region, &state.region, geometry.n_columns))
                    }
                };
            }
        }
        RowId::Translation => translation::fill(&mut row, state, geometry),
        RowId::Pattern(index) => lanes::fill_pattern(&mut row, state, geometry, index),
        RowId::Regions => lanes::fill_regions(&mut row, state, geometry),
        RowId::Track(track) => match state.session.tracks[track.0].kind {
            TrackKind::Signal => signals::fill(&mut row, state, geometry, axes),
            TrackKind::Features => lanes::fill(&mut row, state, geometry, track),
        },
        RowId::Variants => variants::fill(&mut row, state, geometry),
        RowId::Formula(_) => signals::fill(&mut row, state, geometry, axes),
        RowId::Predicted => model_rows::fill_predicted(&mut row, state, geometry),
        RowId::Error => compared::fill_error(&mut row, state, geometry),
        RowId::Attention => model_rows::fill_attention(&mut row, state, &Said::here(state), geometry),
        RowId::ComparedAttention => model_rows::fill_attention(&mut row, state, &Said::there(state), geometry),
        RowId::Attribution(analysis) => {
            model_rows::fill_attribution(&mut row, state, &Said::here(state), geometry, analysis);
        }
        RowId::ComparedAttribution => {
            if let Some(analysis) = state.compared_analysis() {
                model_rows::fill_attribution(&mut row, state, &Said::there(state), geometry, analysis);
            }
        }
        RowId::Difference => compared::fill_difference(&mut row, state, geometry),
        RowId::CoreSamples | RowId::CoreLinks | RowId::CoreBlocks => cores::fill(&mut row, state, geometry),
        RowId::Seqlets => lanes::fill_seqlets(&mut row, state, geometry),
    }
    if state.is_waiting && matches!(row.state, Some(RowState::Computing(0, 0) | RowState::Stale)) && row.plot.is_blank() {
        model_rows::without_result(&mut row, RowState::NotApplicable(WAITING.to_owned()));
    }
    if let RowId::Track(track) = id
        && let Some(reason) = state.mismatches.get(&track)
    {
        row.detail = [reason.as_str(), &row.detail].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" \u{b7} ");
        row.mismatch = Some(reason.clone());
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_out_every_base_once() {
        let region = Region::new("c", 1_000, 1_337);
        for n in [1, 7, 100, 337] {
            let mut next = 1_000;
            for i in 0..n {
                let (from, to) = bases_of_column(&region, n, i);
                assert_eq!(from, next);
                next = to;
            }
            assert_eq!(next, 1_337);
        }
        assert_eq!(bases_of_column(&Region::new("c", 0, 2), 4, 1), (0, 1));
    }
}
