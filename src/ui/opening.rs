//! The screen before there is anything to show.

use super::cells::write;
use super::palette::Palette;
use crate::tracks::{WATCHED_BYTES, clean_text};
use ratatui::Frame;
use ratatui::style::Modifier;
use std::path::PathBuf;
use std::time::Instant;

/// How far a text is read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Its file.
    pub path: PathBuf,
    /// Bytes of it that were read.
    pub read: u64,
    /// Of so many.
    pub len: u64,
    /// When its reading began.
    pub began: Instant,
}

/// Says what is being opened, and of a long text how far it is read.
pub fn draw_opening(frame: &mut Frame<'_>, what: &str, reading: Option<&Reading>, palette: &Palette) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    buffer.set_style(area, palette.ground());
    let mut line = |y: u16, text: &str, style| {
        if y < area.height {
            write(buffer, (area.x + 1, area.y + y), area.width.saturating_sub(1), text, style);
        }
    };
    line(0, "cislens", palette.style("accent").add_modifier(Modifier::BOLD));
    line(1, &format!("opening {}", clean_text(what)), palette.style("text"));
    if let Some(reading) = reading.filter(|reading| reading.len >= WATCHED_BYTES) {
        line(2, &progress(reading, reading.began.elapsed().as_secs_f64()), palette.style("busy"));
    }
    line(area.height.saturating_sub(1), "q leave", palette.style("dim"));
}

/// File and share, and once there is a rate, that and the time left after so many seconds.
fn progress(reading: &Reading, seconds: f64) -> String {
    let name = reading.path.file_name().unwrap_or_default().to_string_lossy();
    let share = 100.0 * reading.read as f64 / reading.len.max(1) as f64;
    let rate = reading.read as f64 / seconds;
    let begun = format!("reading {}: {share:.0} %", clean_text(&name));
    if !(rate.is_finite() && rate > 0.0) {
        return begun;
    }
    let left = reading.len.saturating_sub(reading.read) as f64 / rate;
    format!("{begun}, {:.0} MB/s, {left:.0} s left", rate / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_has_share_rate_and_time_left() {
        let reading = Reading { path: "data/genes\x1b.gtf".into(), read: 50_000_000, len: 200_000_000, began: Instant::now() };
        assert_eq!(progress(&reading, 2.0), "reading genes.gtf: 25 %, 25 MB/s, 6 s left");
        assert_eq!(progress(&Reading { read: 0, ..reading }, 1.0), "reading genes.gtf: 0 %");
    }
}
