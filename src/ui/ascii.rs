//! The same screen in characters that every font has.

use ratatui::buffer::Buffer;
use ratatui::style::Modifier;

/// Turns every character of a painted screen that is not ASCII into one that is. Shapes keep their size: bars end in `.`, `:` or `#`,
/// lines of dots become the dot that is highest in the cell.
pub(super) fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().is_ascii() {
            continue;
        }
        let symbol = cell.symbol().chars().next().unwrap_or(' ');
        // A full block is a painted ground: no font is asked for anything.
        if symbol == '█' {
            cell.set_char(' ');
            if cell.fg == ratatui::style::Color::Reset {
                cell.modifier.toggle(Modifier::REVERSED);
            } else {
                cell.bg = cell.fg;
            }
            continue;
        }
        cell.set_char(ascii(symbol));
    }
}

fn ascii(symbol: char) -> char {
    match symbol {
        '▁' | '▂' | '▃' => '.',
        '▄' | '▅' | '▀' | '░' => ':',
        '▆' | '▇' | '▒' | '▓' => '#',
        '\u{2800}'..='\u{28ff}' => match u32::from(symbol) - 0x2800 {
            bits if bits & 0x09 != 0 => '\'',
            bits if bits & 0x12 != 0 => '-',
            bits if bits & 0x24 != 0 => '-',
            _ => '.',
        },
        '─' | '━' | '–' | '−' | '╭' | '╮' | '╰' | '╯' => '-',
        '│' | '▏' | '▌' | '┃' => '|',
        '┏' | '┓' | '┗' | '┛' => '+',
        '▶' | '▸' => '>',
        '◀' => '<',
        '●' => '*',
        '◐' => '~',
        '○' => 'o',
        '✗' | '≠' => '!',
        '▴' => '^',
        '▾' => 'v',
        '·' => '.',
        '…' => '~',
        'β' => 'b',
        '≤' => '<',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::{Color, Style};

    #[test]
    fn nothing_but_ascii_is_left_and_bars_stay_bars() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        buffer.set_string(0, 0, "█▃⠉é│a", Style::new().fg(Color::Red));
        to_ascii(&mut buffer);
        let line: String = (0..6).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(line, " .'?|a");
        assert_eq!(buffer[(0, 0)].bg, Color::Red);
        buffer.set_string(0, 0, "█", Style::reset());
        to_ascii(&mut buffer);
        assert!(buffer[(0, 0)].modifier.contains(Modifier::REVERSED), "without colours a bar is reversed");
    }
}
