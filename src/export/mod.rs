//! The scene as a figure: SVG that goes into a paper as it is, and PDF and PNG made from it.
//!
//! Painter of the same [`crate::scene::Scene`] as the screen, built at the grain of a page. A figure says what made it.

mod arrange;
mod axis;
mod band;
mod charts;
mod compose;
mod figure;
mod font;
mod header;
mod heatmaps;
mod highlight;
mod letters;
mod logos;
mod page;
mod picture;
mod preview;
mod rows;
mod ruler;
mod shapes;
mod sheet;
mod svg;
mod values;

#[cfg(test)]
mod panel_tests;
#[cfg(test)]
mod tests;

pub use arrange::{arrange, share_scales};
pub use charts::{Chart, Marks, draw_charts};
pub use compose::{Progress, command_at, command_of, explain, figure_of_state, quoted, read_rows, tile};
pub use figure::{Panels, draw, draw_panels};
pub use header::made_by;
pub use heatmaps::{Heatmap, draw_heatmaps};
pub use highlight::Highlight;
pub use logos::{Logo, draw_logos};
pub use picture::{DPI, PictureFormat, picture};
pub(crate) use preview::base64;
pub use preview::{Protocol, preview};
pub use values::{ValueFormat, write_values};

use crate::genome::Region;
use crate::scene::Geometry;
use crate::state::State;
use crate::theme::Theme;
use crate::tracks::{TrackError, write_whole};
use std::io::Write;
use std::path::Path;

/// Narrowest and widest figure in mm: below, labels have no room; above, it is a poster no printer takes.
pub const WIDTHS_MM: std::ops::RangeInclusive<f64> = 60.0..=2_000.0;

/// One column of most journals.
pub const SINGLE_MM: f64 = 85.0;
/// Two columns of most journals.
pub const DOUBLE_MM: f64 = 174.0;

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
    /// Dots to the inch of a PNG.
    pub dpi: f64,
    /// Letter of the first panel, if panels have any.
    pub letter: Option<char>,
    /// Stretches to point out.
    pub highlights: Vec<Highlight>,
    /// Whether what made the figure is left out of the picture (it stays in the file's metadata).
    pub is_bare: bool,
    /// Labels of rows from the top; others follow in the order of the screen.
    pub order: Vec<String>,
    /// Scales of rows by label, lowest and highest value.
    pub scales: Vec<(String, (f32, f32))>,
}

impl FigureOptions {
    /// A figure of two columns of most journals with nothing special to it.
    pub fn new(theme: Theme) -> Self {
        Self {
            width_mm: DOUBLE_MM,
            theme,
            dpi: 300.0,
            letter: None,
            highlights: Vec::new(),
            is_bare: false,
            order: Vec::new(),
            scales: Vec::new(),
        }
    }
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
    /// Hash of the session's file, empty where none was opened.
    pub session_hash: String,
}

impl Provenance {
    /// What a state knows, with the command that makes the figure again.
    pub fn of(state: &State, command: String) -> Self {
        let input_hash = state.explained.prediction().map(|p| p.input_hash.clone()).unwrap_or_default();
        Self { command, assembly: state.session.genome.name.clone(), input_hash, session_hash: String::new() }
    }
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// Labels would have no room, or the page would be absurd.
    #[error("a figure {0} mm wide; it can be {least} to {most} mm", least = WIDTHS_MM.start(), most = WIDTHS_MM.end())]
    Width(f64),
    /// Positions of panels side by side would have no room.
    #[error("{asked} panels side by side in {width_mm} mm; there is room for {most}")]
    Columns {
        /// As asked.
        asked: usize,
        /// What fits.
        most: usize,
        /// Width of the page.
        width_mm: f64,
    },
    /// No printer or screen has that.
    #[error("{0} dots to the inch; it can be {least} to {most}", least = DPI.start(), most = DPI.end())]
    Dpi(f64),
    /// More than memory should hold.
    #[error("{width:.0} x {height:.0} dots at {dpi} to the inch are too many; give fewer dots to the inch")]
    TooManyDots {
        /// Across.
        width: f64,
        /// Down.
        height: f64,
        /// As asked.
        dpi: f64,
    },
    /// A name that says no format.
    #[error("{0}: a figure is written as .svg, .pdf or .png")]
    Ending(String),
    /// Likewise of a file of values.
    #[error("{0}: values are written as .tsv, .npz, .bw, .bedGraph or .bed")]
    ValueEnding(String),
    /// Nothing of the kind is drawn.
    #[error("{0}: no row of the figure has such values")]
    NoValues(String),
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
    geometry_of_panel(options, region, 1)
}

/// As [`geometry`], for one of `columns` panels side by side.
pub fn geometry_of_panel(options: &FigureOptions, region: &Region, columns: usize) -> Geometry {
    let width = sheet::Sheet::column(options, 0, columns.min(sheet::most_columns(options))).plot_width;
    let n_columns = ((width * COLUMNS_PER_PT) as u64).min(region.len()).max(1) as usize;
    Geometry { n_columns, char_columns: page::CHAR_PT * n_columns as f64 / width, max_lanes: MAX_LANES }
}

/// Writes a figure whole or not at all, in the format that the ending of its name says.
///
/// # Errors
/// Where the ending names no format, the picture cannot be made, or the file cannot be written.
pub fn write(path: &Path, svg: &str, options: &FigureOptions) -> Result<(), FigureError> {
    let format = PictureFormat::of(path).ok_or_else(|| FigureError::Ending(path.display().to_string()))?;
    let bytes = picture(svg, format, options.dpi, options.theme.colour("background"))?;
    Ok(write_whole(path, |out| out.write_all(&bytes).map_err(|e| TrackError::io(path, e)))?)
}
