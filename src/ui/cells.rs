//! Bars in eighths of a cell, upward and downward, and text that stays in its place.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// A bar at column `x` whose foot is line `y` and that is at most `height` lines high: `bright` up to `mean` eighths, the rest
/// `dim` up to `max` eighths.
pub(super) fn bar_up(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    height: u16,
    (mean, max): (u32, u32),
    (bright, dim): (Style, Color),
) {
    for line in 0..height {
        let floor = u32::from(line) * 8;
        let Some(cell) = buffer.cell_mut((x, y - line)) else { continue };
        let in_cell = |eighths: u32| eighths.saturating_sub(floor).min(8) as usize;
        match (in_cell(mean), in_cell(max)) {
            (0, 0) => break,
            (0, tip) => {
                cell.set_symbol(EIGHTHS[tip]).set_style(bright.fg(dim));
            }
            // The dim part can share the cell only where it fills it.
            (body, 8) if body < 8 => {
                cell.set_symbol(EIGHTHS[body]).set_style(bright.bg(dim));
            }
            (body, _) => {
                cell.set_symbol(EIGHTHS[body]).set_style(bright);
            }
        }
    }
}

/// A bar that hangs from the upper edge of line `y`, `eighths` long over at most `height` lines.
///
/// There are no upper eighth blocks in every font: a lower block in reversed colours leaves its complement painted.
pub(super) fn bar_down(buffer: &mut Buffer, (x, y): (u16, u16), height: u16, eighths: u32, style: Style) {
    for line in 0..height {
        let in_cell = eighths.saturating_sub(u32::from(line) * 8).min(8) as usize;
        let Some(cell) = buffer.cell_mut((x, y + line)) else { continue };
        match in_cell {
            0 => break,
            8 => {
                cell.set_symbol(EIGHTHS[8]).set_style(style);
            }
            n => {
                cell.set_symbol(EIGHTHS[8 - n]).set_style(style.add_modifier(Modifier::REVERSED));
            }
        }
    }
}

/// Eighths of `value` where `limit` fills `height` lines; something that is above zero is at least one eighth.
pub(super) fn eighths(value: f32, limit: f32, height: u16) -> u32 {
    if !(value > 0.0 && limit > 0.0 && height > 0) {
        return 0;
    }
    let full = u32::from(height) * 8;
    ((value / limit * full as f32).round() as u32).clamp(1, full)
}

/// Eighths of a size whose small values are noise: less than half an eighth is nothing.
pub(super) fn rounded_eighths(value: f32, limit: f32, height: u16) -> u32 {
    match value / limit * (f32::from(height) * 8.0) >= 0.5 {
        true => eighths(value, limit, height),
        false => 0, // NaN too
    }
}

/// Writes `text` at most `width` columns wide, an ellipsis where it is cut. Returns the columns written.
pub(super) fn write(buffer: &mut Buffer, (x, y): (u16, u16), width: u16, text: &str, style: Style) -> u16 {
    let text = fit(&crate::tracks::clean_text(text), usize::from(width));
    buffer.set_stringn(x, y, &text, usize::from(width), style);
    text.width() as u16
}

/// Writes `text` so that it ends before column `right`.
pub(super) fn write_right(buffer: &mut Buffer, (right, y): (u16, u16), width: u16, text: &str, style: Style) {
    let text = fit(&crate::tracks::clean_text(text), usize::from(width));
    let x = right.saturating_sub(text.width() as u16);
    buffer.set_stringn(x, y, &text, usize::from(width), style);
}

fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if cut.width() + c.to_string().width() + 1 > width {
            break;
        }
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn bars_fill_eighths_from_their_foot() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 3));
        bar_up(&mut buffer, (0, 2), 3, (11, 11), (Style::new(), Color::Reset));
        let symbols: Vec<&str> = (0..3).map(|y| buffer[(0, y)].symbol()).collect();
        assert_eq!(symbols, [" ", "▃", "█"]);
    }

    #[test]
    fn bars_below_zero_hang_from_the_axis() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 3));
        bar_down(&mut buffer, (0, 0), 3, 11, Style::new());
        let cell = |y| (buffer[(0, y)].symbol(), buffer[(0, y)].modifier.contains(Modifier::REVERSED));
        assert_eq!([cell(0), cell(1), cell(2)], [("█", false), ("▅", true), (" ", false)]);
    }

    #[test]
    fn the_mean_is_bright_and_the_maximum_dim() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 3));
        bar_up(&mut buffer, (0, 2), 3, (4, 20), (Style::new().fg(Color::Red), Color::Blue));
        let cell = |y| (buffer[(0, y)].symbol(), buffer[(0, y)].fg, buffer[(0, y)].bg);
        assert_eq!(cell(2), ("▄", Color::Red, Color::Blue));
        assert_eq!(cell(1), ("█", Color::Blue, Color::Reset));
        assert_eq!(cell(0), ("▄", Color::Blue, Color::Reset));
    }

    #[test]
    fn small_is_not_nothing_and_text_is_cut_with_a_sign() {
        assert_eq!([eighths(0.0, 1.0, 3), eighths(1e-9, 1.0, 3), eighths(1.0, 1.0, 3), eighths(f32::NAN, 1.0, 3)], [0, 1, 24, 0]);
        assert_eq!([fit("H3K27me3", 8), fit("H3K27me3", 5), fit("x", 0)], ["H3K27me3", "H3K2…", ""]);
    }

    #[test]
    fn escape_codes_in_names_never_reach_the_terminal() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        write(&mut buffer, (0, 0), 12, "MY\u{1b}[31mC\u{7}", Style::new());
        let line: String = (0..12).map(|x| buffer[(x, 0)].symbol()).collect();
        assert!(line.starts_with("MY") && line.chars().all(|c| !c.is_control()), "{line:?}");
    }
}
