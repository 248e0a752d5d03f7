//! Lines and points in dots: two across and four down a cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

/// Bits of the dots of a cell, from the top, at the left and at the right (Unicode block U+2800).
const LEFT: [u8; 4] = [0x01, 0x02, 0x04, 0x40];
const RIGHT: [u8; 4] = [0x08, 0x10, 0x20, 0x80];

/// Dots over a plot.
pub(super) struct Dots {
    area: Rect,
    cells: Vec<u8>,
}

impl Dots {
    pub fn new(area: Rect) -> Self {
        Self { area, cells: vec![0; usize::from(area.width) * usize::from(area.height)] }
    }

    /// The line of dots, from the top, where a share (0 at the foot, 1 at the top) of the height stands.
    fn line(&self, share: f32) -> usize {
        let lines = usize::from(self.area.height) * 4;
        ((1.0 - share.clamp(0.0, 1.0)) * (lines - 1) as f32).round() as usize
    }

    fn set(&mut self, column: usize, line: usize, bits: [u8; 4]) {
        let at = (line / 4) * usize::from(self.area.width) + column;
        if column < usize::from(self.area.width)
            && let Some(cell) = self.cells.get_mut(at)
        {
            *cell |= bits[line % 4];
        }
    }

    /// A value of a column, both dots wide.
    pub fn point(&mut self, column: usize, share: f32) {
        let line = self.line(share);
        self.set(column, line, LEFT);
        self.set(column, line, RIGHT);
    }

    /// From one column's value to the next one's: level, with the step between them.
    pub fn join(&mut self, column: usize, from: f32, to: f32) {
        let (a, b) = (self.line(from), self.line(to));
        (a.min(b)..=a.max(b)).for_each(|line| self.set(column, line, LEFT));
        self.set(column, b, RIGHT);
    }

    /// Puts the dots on the screen, over what is there: a filled cell becomes their ground.
    pub fn paint(&self, buffer: &mut Buffer, colour: Color) {
        for (i, &bits) in self.cells.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let (x, y) = (i % usize::from(self.area.width), i / usize::from(self.area.width));
            let Some(cell) = buffer.cell_mut((self.area.x + x as u16, self.area.y + y as u16)) else { continue };
            if cell.symbol() == "█" {
                let ground = cell.fg;
                cell.set_bg(ground);
            }
            let dots = char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
            cell.set_char(dots).set_fg(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(draw: impl FnOnce(&mut Dots)) -> Vec<String> {
        let area = Rect::new(0, 0, 2, 2);
        let mut dots = Dots::new(area);
        draw(&mut dots);
        let mut buffer = Buffer::empty(area);
        dots.paint(&mut buffer, Color::Red);
        (0..2).map(|y| (0..2).map(|x| buffer[(x, y)].symbol()).collect()).collect()
    }

    #[test]
    fn points_stand_at_their_height_and_lines_join_them() {
        assert_eq!(
            painted(|d| {
                d.point(0, 0.0);
                d.point(1, 1.0)
            }),
            [" ⠉", "⣀ "]
        );
        // Up from the foot to the top within the second column.
        assert_eq!(
            painted(|d| {
                d.join(0, 0.0, 0.0);
                d.join(1, 0.0, 1.0)
            }),
            [" ⡏", "⣀⡇"]
        );
        assert_eq!(painted(|d| d.point(9, 0.5)), ["  ", "  "], "out of the plot is nowhere");
    }
}
