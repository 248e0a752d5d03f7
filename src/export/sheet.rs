//! The columns of a page: where names, plots and scales stand, for one panel or several side by side.

use super::{FigureOptions, PT_PER_MM, WIDTHS_MM};
use crate::scene::Scene;

/// Free space at every edge of the page.
pub(super) const MARGIN: f64 = 6.0;
/// Between the plots of panels side by side: half a label of a position on both sides.
const GUTTER: f64 = 20.0;
/// Narrowest plot of a panel: a position and its neighbour.
const LEAST_PLOT: f64 = 56.0;

/// The columns of one panel in points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sheet {
    /// Left edge of the panel.
    pub x: f64,
    /// Width of the panel.
    pub width: f64,
    pub plot_x: f64,
    pub plot_width: f64,
    /// Whether names and axes stand at its left.
    pub has_names: bool,
    /// Whether colour bars and shared axes stand at its right.
    pub has_scales: bool,
}

/// Width of the page.
pub(super) fn page_width(options: &FigureOptions) -> f64 {
    let mm = if options.width_mm.is_finite() { options.width_mm } else { *WIDTHS_MM.start() };
    mm.clamp(*WIDTHS_MM.start(), *WIDTHS_MM.end()) * PT_PER_MM
}

/// How many panels find room side by side.
pub(super) fn most_columns(options: &FigureOptions) -> usize {
    let (left, right) = margins(page_width(options));
    let room = page_width(options) - left - right;
    (((room + GUTTER) / (LEAST_PLOT + GUTTER)).floor() as usize).max(1)
}

/// Left of the plots and right of them.
fn margins(width: f64) -> (f64, f64) {
    ((0.2 * width).clamp(74.0, 100.0), (0.07 * width).clamp(30.0, 34.0))
}

impl Sheet {
    /// The only panel of a page.
    #[cfg(test)]
    pub fn of(options: &FigureOptions) -> Self {
        Self::column(options, 0, 1)
    }

    /// The `i`-th of `n` panels side by side: names stand left of the first, scales right of the last, all plots are equally wide.
    pub fn column(options: &FigureOptions, i: usize, n: usize) -> Self {
        let width = page_width(options);
        let (left, right) = margins(width);
        let n = n.max(1);
        let plot_width = (width - left - right - GUTTER * (n - 1) as f64) / n as f64;
        let plot_x = left + (plot_width + GUTTER) * i as f64;
        let x = if i == 0 { 0.0 } else { plot_x - GUTTER / 2.0 };
        let end = if i + 1 == n { width } else { plot_x + plot_width + GUTTER / 2.0 };
        Self { x, width: end - x, plot_x, plot_width, has_names: i == 0, has_scales: i + 1 == n }
    }

    /// Where a position of the genome stands on the page; may lie outside the plot.
    pub fn x(&self, scene: &Scene, position: f64) -> f64 {
        self.plot_x + scene.x(position) / scene.n_columns.max(1) as f64 * self.plot_width
    }

    pub fn plot_right(&self) -> f64 {
        self.plot_x + self.plot_width
    }

    /// Right edge of the panel.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Left edge of the panel's own header.
    pub fn text_x(&self) -> f64 {
        if self.has_names { self.x + MARGIN } else { self.plot_x }
    }

    /// Room of text from margin to margin.
    pub fn text_width(&self) -> f64 {
        self.right() - self.text_x() - if self.has_scales { MARGIN } else { 2.0 }
    }
}
