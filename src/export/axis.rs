//! Beside rows: axes, names of lanes, colour bars.

use super::band::Band;
use super::font;
use super::page::{Drawn, Frame, Page, SMALL, SMALL_LINE};
use super::sheet::Sheet;
use crate::scene::{Lane, Plot, format_value};
use crate::state::{RowState, RowView, SignalStyle};
use crate::theme::Rgb;
use plotters::style::text_anchor::HPos;

/// Whether lanes carry names of their own.
pub(super) fn has_lane_labels(lanes: &[Lane]) -> bool {
    lanes.iter().any(|l| !l.label.is_empty())
}

/// Draws the axis of a row, and the names of its lanes.
pub(super) fn draw(page: &Page<'_>, sheet: &Sheet, band: &Band<'_>) -> Drawn {
    if !band.message.is_empty() {
        return Ok(());
    }
    let plot = band.plot;
    match (&band.row.plot, band.row.axis) {
        (Plot::Signed(lanes, limit), _) if has_lane_labels(lanes) || lanes.len() > 1 => {
            lane_names(page, sheet, plot, lanes)?;
            if !sheet.has_scales {
                return Ok(());
            }
            // One scale for all lanes: it stands at the right of the first.
            let first = plot.lane(0, lanes.len(), LANE_GAP);
            let x = sheet.plot_right() + 3.0;
            axis_line_at(page, x, first, (-limit, *limit), (true, &RowView::default()))
        }
        (Plot::Heat(lanes, limit), _) => {
            lane_names(page, sheet, plot, lanes)?;
            if !sheet.has_scales {
                return Ok(());
            }
            colour_bar(page, sheet, plot, *limit, band.row.state == Some(RowState::Stale))
        }
        (Plot::Signal(..), Some(_)) if band.row.view.style == SignalStyle::Heatmap => Ok(()),
        (Plot::Signal(..), Some(range)) if sheet.has_names => axis_line(page, plot.x - 2.5, plot, range, &band.row.view),
        (Plot::Signed(..) | Plot::Letters(..), Some(range)) if sheet.has_names => {
            axis_line(page, plot.x - 2.5, plot, range, &RowView::default())
        }
        _ => Ok(()),
    }
}

/// Between lanes of signed values.
pub(super) const LANE_GAP: f64 = 1.5;

fn lane_names(page: &Page<'_>, sheet: &Sheet, plot: Frame, lanes: &[Lane]) -> Drawn {
    if !sheet.has_names {
        return Ok(());
    }
    let ink = page.ink(SMALL, "text");
    for (i, lane) in lanes.iter().enumerate() {
        let frame = plot.lane(i, lanes.len(), 0.0);
        let title = lane.title();
        let label = font::clean(&title);
        let label = font::fit(&label, plot.x - 10.0, SMALL, false);
        page.text((plot.x - 4.0, frame.middle()), &label, ink, HPos::Right)?;
    }
    Ok(())
}

/// A value of an axis.
pub(super) fn value_text(value: f32) -> String {
    font::minus(&format_value(value))
}

/// A line with its lowest and highest value, and zero where it lies between with room.
fn axis_line(page: &Page<'_>, x: f64, frame: Frame, range: (f32, f32), view: &RowView) -> Drawn {
    axis_line_at(page, x, frame, range, (false, view))
}

/// As [`axis_line`], at the left or (`is_right`) right of its line; a row's own scale places its values.
fn axis_line_at(page: &Page<'_>, x: f64, frame: Frame, (lo, hi): (f32, f32), (is_right, view): (bool, &RowView)) -> Drawn {
    let (colour, ink) = (page.colour("text"), page.ink(SMALL, "text"));
    page.line(&[(x, frame.y), (x, frame.bottom())], colour, 0.6)?;
    let share = |v: f32| f64::from((view.place(v) - view.place(lo)) / (view.place(hi) - view.place(lo)));
    let mut values = vec![hi, lo];
    let has_room = |v: f32| share(v).min(1.0 - share(v)) * frame.height > SMALL_LINE;
    if lo < 0.0 && hi > 0.0 && has_room(0.0) {
        values.push(0.0);
    }
    let (sign, along) = if is_right { (1.0, HPos::Left) } else { (-1.0, HPos::Right) };
    for value in values {
        let y = if hi > lo { frame.bottom() - share(value) * frame.height } else { frame.bottom() };
        page.line(&[(x, y), (x + sign * 2.0, y)], colour, 0.6)?;
        // Labels of a low axis move apart rather than into each other.
        let y = if frame.height < SMALL_LINE { frame.middle() + (y - frame.middle()).signum() * SMALL_LINE / 2.0 } else { y };
        page.text((x + sign * 3.5, y), &value_text(value), ink, along)?;
    }
    Ok(())
}

/// The ramp from nothing to `limit`, beside a strip.
fn colour_bar(page: &Page<'_>, sheet: &Sheet, plot: Frame, limit: f32, is_stale: bool) -> Drawn {
    const STEPS: usize = 16;
    let height = plot.height.min(24.0);
    let bar = Frame { x: sheet.plot_right() + 3.0, width: 4.0, height, ..plot };
    for i in 0..STEPS {
        let share = 1.0 - (i as f32 + 0.5) / STEPS as f32;
        let step = bar.lane(i, STEPS, 0.0);
        let seamless = Frame { height: (step.height + 0.15).min(bar.bottom() - step.y), ..step };
        page.rect(seamless, shade(page, share, is_stale))?;
    }
    let ink = page.ink(SMALL, "text");
    for (value, y) in [(limit, bar.y), (0.0, bar.bottom())] {
        let room = sheet.right() - bar.right() - 3.0;
        page.text((bar.right() + 2.0, y), &font::fit(&value_text(value), room, SMALL, false), ink, HPos::Left)?;
    }
    Ok(())
}

/// The colour of a weight by its share of the highest; exactly zero is the faint ground that shows where the window lies.
pub(super) fn shade(page: &Page<'_>, share: f32, is_stale: bool) -> Rgb {
    let depth = if share > 0.0 { 0.15 + 0.85 * share.min(1.0) } else { 0.07 };
    let depth = if is_stale { 0.4 * depth } else { depth };
    page.colour("background").mix(page.colour("attention"), depth)
}
