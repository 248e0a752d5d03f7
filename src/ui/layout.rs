//! Which lines and columns everything gets.

use crate::scene::{Plot, Row, Scene};
use crate::state::{GeneDisplay, SignalStyle, State, columns_of_a_side};
use ratatui::layout::Rect;

/// Narrowest terminal that is drawn on.
pub const MIN_WIDTH: u16 = 80;
/// Lowest terminal that is drawn on.
pub const MIN_HEIGHT: u16 = 24;

const HEADER_LINES: u16 = 3;
const FOOTER_LINES: u16 = 1;

/// Width of the labels at the left, their axis included, and of the details at the right.
fn gutters(width: u16) -> (u16, u16) {
    match width {
        0..110 => (16, 0),
        110..150 => (22, 0),
        _ => (22, 28),
    }
}

/// Columns of the plot area of a terminal `width` columns wide.
pub fn plot_columns(width: u16) -> usize {
    let (left, right) = gutters(width);
    usize::from(width.saturating_sub(left + right).max(1))
}

/// The first column of the plot area and the one behind its last.
pub(super) fn plot_edges(width: u16) -> (u16, u16) {
    let (left, right) = gutters(width);
    (left, width.saturating_sub(right).max(left))
}

/// Columns of each place in view of a terminal `width` columns wide.
pub(super) fn columns_in_view(state: &State, width: u16) -> usize {
    let all = plot_columns(width);
    if state.other.is_some() { columns_of_a_side(all) } else { all }
}

/// Places of everything on one screen.
#[derive(Clone)]
pub(super) struct Layout {
    /// The whole screen.
    pub area: Rect,
    /// Left edge of the plot area.
    pub plot_x: u16,
    /// Width of the plot area.
    pub plot_width: u16,
    /// Left edge of the details; none where there is no room for them.
    pub detail_x: Option<u16>,
    /// Line of the ruler.
    pub ruler_y: u16,
    /// Line of the footer.
    pub footer_y: u16,
    heights: Vec<u16>,
    /// Rows at the top that stay there.
    n_pinned: usize,
    /// The first row below them.
    first: usize,
}

impl Layout {
    /// Shares the screen out over the rows of a scene.
    pub fn of(area: Rect, scene: &Scene) -> Self {
        let (left, right) = gutters(area.width);
        let available = area.height - HEADER_LINES - FOOTER_LINES;
        let heights = share_out(&scene.rows, available);
        let focus = scene.rows.iter().position(|r| r.is_focused).unwrap_or(0);
        let n_pinned = scene.rows.iter().take_while(|r| r.view.is_pinned).count();
        Self {
            area,
            plot_x: area.x + left,
            plot_width: area.width - left - right,
            detail_x: (right > 0).then_some(area.x + area.width - right + 1),
            ruler_y: area.y + HEADER_LINES - 1,
            footer_y: area.y + area.height - FOOTER_LINES,
            n_pinned,
            first: first_row(&heights, n_pinned, focus, available),
            heights,
        }
    }

    /// The same with the plot area of one of two places in it.
    pub fn side(&self, is_left: bool) -> Self {
        let width = columns_of_a_side(usize::from(self.plot_width)) as u16;
        let plot_x = if is_left { self.plot_x } else { self.plot_x + width + 1 };
        Self { plot_x, plot_width: width, ..self.clone() }
    }

    /// Rows in view with their first line and height.
    pub fn rows<'a>(&self, scene: &'a Scene) -> Vec<(&'a Row, u16, u16)> {
        let mut y = self.area.y + HEADER_LINES;
        let mut shown = Vec::new();
        let rows = || scene.rows.iter().zip(&self.heights);
        for (row, &height) in rows().take(self.n_pinned).chain(rows().skip(self.first)) {
            let height = height.min(self.footer_y.saturating_sub(y));
            if height == 0 {
                break;
            }
            shown.push((row, y, height));
            y += height;
        }
        shown
    }

    /// Rows that do not fit above and below.
    pub fn hidden(&self, scene: &Scene) -> (usize, usize) {
        let above = self.first - self.n_pinned;
        (above, scene.rows.len() - above - self.rows(scene).len())
    }
}

/// Least, usual and most lines of a row.
fn wishes(row: &Row) -> (u16, u16, u16) {
    let lines = |n: usize| n.max(1) as u16;
    match &row.plot {
        Plot::Message(_) | Plot::Note(_) | Plot::Bases(_) => (1, 1, 1),
        Plot::Codons(lanes) => (lines(lanes.len()), lines(lanes.len()), lines(lanes.len())),
        Plot::Genes(lanes) if row.view.genes == GeneDisplay::Squished => {
            (1, lines(lanes.len().div_ceil(2)), lines(lanes.len().div_ceil(2)))
        }
        Plot::Genes(lanes) => (1, lines(lanes.len()), lines(lanes.len())),
        Plot::Intervals(lanes, _) => (1, lines(lanes.len()), lines(lanes.len())),
        Plot::Heat(lanes, _) => (lines(lanes.len()), lines(lanes.len()), lines(lanes.len())),
        Plot::Signed(lanes, _) if lanes.len() > 1 => (lines(lanes.len()), lines(lanes.len()), lines(lanes.len())),
        Plot::Signed(..) | Plot::Letters(..) => (4, 5, 8),
        Plot::Signal(..) if row.view.style == SignalStyle::Heatmap => (1, 1, 1),
        Plot::Signal(..) => (1, 3, 5),
    }
}

fn share_out(rows: &[Row], available: u16) -> Vec<u16> {
    let wished: Vec<(u16, u16, u16)> = rows.iter().map(wishes).collect();
    let mut heights: Vec<u16> =
        wished.iter().zip(rows).map(|(wish, row)| wish.1.saturating_add_signed(row.extra_lines).max(1)).collect();
    let total = |heights: &[u16]| heights.iter().sum::<u16>();
    // Too many: the highest row gives up a line, as long as any is above its least.
    while total(&heights) > available {
        let can = (0..rows.len()).filter(|&i| heights[i] > wished[i].0 && rows[i].extra_lines <= 0);
        match can.max_by_key(|&i| (heights[i], i)) {
            Some(i) => heights[i] -= 1,
            None => break,
        }
    }
    // Room left: the lowest row that can use it gets a line.
    while total(&heights) < available {
        let can = (0..rows.len()).filter(|&i| heights[i] < wished[i].2 && rows[i].extra_lines == 0);
        match can.min_by_key(|&i| (heights[i], i)) {
            Some(i) => heights[i] += 1,
            None => break,
        }
    }
    heights
}

/// The first row below the pinned ones to show so that the focused one is in view, and as many below it as fit.
fn first_row(heights: &[u16], n_pinned: usize, focus: usize, available: u16) -> usize {
    let available = available.saturating_sub(heights[..n_pinned].iter().sum());
    let mut first = n_pinned;
    while first < focus && heights[first..=focus].iter().sum::<u16>() > available {
        first += 1;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_focused_row_is_always_in_view() {
        let heights = [3, 3, 3, 3, 3];
        assert_eq!(first_row(&heights, 0, 0, 7), 0);
        assert_eq!(first_row(&heights, 0, 2, 7), 1);
        assert_eq!(first_row(&heights, 0, 4, 7), 3);
        assert_eq!(first_row(&[20, 20], 0, 1, 7), 1);
        assert_eq!(first_row(&heights, 1, 4, 9), 3, "a pinned row takes its lines");
        assert_eq!(first_row(&heights, 1, 0, 9), 1);
    }

    #[test]
    fn the_plot_keeps_most_of_every_width() {
        for width in 80..400 {
            assert!(plot_columns(width) * 10 >= usize::from(width) * 6, "{width}");
        }
    }
}
