//! The scene as a figure: SVG that goes into a paper as it is.
//!
//! Painter of the same [`crate::scene::Scene`] as the screen, built at the grain of a page. A figure says what made it.

mod charts;
mod compose;
mod figure;
mod font;
mod letters;
mod page;
mod rows;
mod ruler;
mod svg;

#[cfg(test)]
mod tests;

pub use charts::{Chart, Marks, draw_charts};
pub use compose::{Progress, command_of, explain, figure_of_state, read_rows};
pub use figure::draw;

use crate::genome::Region;
use crate::scene::Geometry;
use crate::state::State;
use crate::theme::Theme;
use crate::tracks::{TrackError, write_whole};
use std::io::Write;
use std::path::Path;

/// Narrowest and widest figure in mm: below, labels have no room; above, it is a poster no printer takes.
pub const WIDTHS_MM: std::ops::RangeInclusive<f64> = 60.0..=2_000.0;

/// Points in a millimetre.
const PT_PER_MM: f64 = 72.0 / 25.4;
/// Columns of the plot in a point: a step of a signal is half a point wide, 144 to the inch.
const COLUMNS_PER_PT: f64 = 2.0;
/// Lanes of genes or intervals a row may stack; where names would need more, names are left out first.
const MAX_LANES: usize = 5;

/// How a figure is to look.
#[derive(Clone, Debug)]
pub struct FigureOptions {
    /// Width of the page in mm: 85 for one column of most journals, 174 for two.
    pub width_mm: f64,
    /// Colours.
    pub theme: Theme,
}

/// What a figure says about where it comes from, beside what its scene knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The command that makes it again.
    pub command: String,
    /// Genome assembly, empty where nobody said.
    pub assembly: String,
    /// Hash of everything the network read, empty where there is no prediction.
    pub input_hash: String,
}

impl Provenance {
    /// What a state knows, with the command that makes the figure again.
    pub fn of(state: &State, command: String) -> Self {
        let input_hash = state.explained.prediction().map(|p| p.input_hash.clone()).unwrap_or_default();
        Self { command, assembly: state.session.genome.name.clone(), input_hash }
    }
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// Labels would have no room, or the page would be absurd.
    #[error("a figure {0} mm wide; it can be {least} to {most} mm", least = WIDTHS_MM.start(), most = WIDTHS_MM.end())]
    Width(f64),
    /// Nothing to draw.
    #[error("no rows to draw: the session has no track, gene or model to show here, or all rows are hidden")]
    NoRows,
    /// Nowhere to draw.
    #[error("an empty region ({0}) has no figure")]
    EmptyRegion(String),
    /// plotters' answer.
    #[error("drawing: {0}")]
    Drawing(String),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] TrackError),
}

/// The grain at which a scene is built for a page: half a point a column, or a base a column where there are fewer bases.
pub fn geometry(options: &FigureOptions, region: &Region) -> Geometry {
    let width = figure::Sheet::of(options).plot_width;
    let n_columns = ((width * COLUMNS_PER_PT) as u64).min(region.len()).max(1) as usize;
    Geometry { n_columns, char_columns: page::CHAR_PT * n_columns as f64 / width, max_lanes: MAX_LANES }
}

/// Writes a figure whole or not at all.
pub fn write(path: &Path, svg: &str) -> Result<(), FigureError> {
    Ok(write_whole(path, |out| out.write_all(svg.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
}
