//! A figure shown in the terminal: by the picture protocol it knows, by half blocks where it knows none.

use super::FigureError;
use super::picture::{dots, size};
use crate::theme::Rgb;
use resvg::tiny_skia::Pixmap;
use std::fmt::Write;

/// How a terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics protocol: kitty, Ghostty.
    Kitty,
    /// iTerm2's inline images: iTerm2, WezTerm, mintty.
    Iterm2,
    /// DEC's sixels: foot, mlterm, contour.
    Sixel,
    /// Two dots a character, in 24-bit colours.
    HalfBlocks,
}

/// Dots a column of a terminal is about wide.
const DOTS_PER_COLUMN: u32 = 10;
/// Most dots across: more only fill a slow line.
const MOST_ACROSS: u32 = 1_600;
/// Bytes of base64 in one of kitty's escapes (its documentation, "Remote client").
const KITTY_CHUNK: usize = 4_096;

impl Protocol {
    /// What the environment says. `get` reads a variable.
    ///
    /// A multiplexer shows what it draws itself: half blocks.
    pub fn detect(get: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| get(name).unwrap_or_default();
        let is_set = |name: &str| !value(name).is_empty();
        let (term, program) = (value("TERM"), value("TERM_PROGRAM"));
        if is_set("TMUX") || is_set("STY") || term.starts_with("screen") || term.starts_with("tmux") {
            Self::HalfBlocks
        } else if is_set("KITTY_WINDOW_ID") || term.contains("kitty") || term.contains("ghostty") || program == "ghostty" {
            Self::Kitty
        } else if ["iTerm.app", "WezTerm", "mintty"].contains(&program.as_str()) || value("LC_TERMINAL") == "iTerm2" {
            Self::Iterm2
        } else if ["foot", "mlterm", "contour", "sixel"].iter().any(|name| term.contains(name)) {
            Self::Sixel
        } else {
            Self::HalfBlocks
        }
    }
}

/// What makes a terminal of so many columns and lines show the figure whole, ending with a newline.
///
/// # Errors
/// Where the SVG cannot be drawn.
pub fn preview(svg: &str, protocol: Protocol, (columns, lines): (u16, u16), ground: Rgb) -> Result<String, FigureError> {
    let page = size(svg)?;
    // A character is about twice as high as wide.
    let fitting = f64::from(lines.max(2)) * 2.0 * f64::from(page.width()) / f64::from(page.height());
    let columns = u32::from(columns).min(fitting as u32).max(10);
    let across = match protocol {
        Protocol::HalfBlocks => columns,
        _ => (columns * DOTS_PER_COLUMN).min(MOST_ACROSS),
    };
    let dots = at_width(svg, across, ground)?;
    Ok(match protocol {
        Protocol::Kitty => kitty(&png(&dots)?, columns),
        Protocol::Iterm2 => iterm2(&png(&dots)?, columns),
        Protocol::Sixel => sixel(&dots),
        Protocol::HalfBlocks => half_blocks(&dots),
    })
}

/// The figure so many dots wide.
fn at_width(svg: &str, across: u32, ground: Rgb) -> Result<Pixmap, FigureError> {
    const SHARP: f64 = 72.0;
    let whole = dots(svg, SHARP, ground)?;
    let dpi = SHARP * f64::from(across) / f64::from(whole.width());
    if dpi >= SHARP {
        return dots(svg, dpi.min(*super::DPI.end()), ground);
    }
    // Fewer dots than points: each is the mean of those it stands for, or hairlines vanish.
    let (width, height) = (across.max(1), (whole.height() * across / whole.width()).max(1));
    let mut small = Pixmap::new(width, height).ok_or_else(|| FigureError::Drawing("no room for a preview".to_owned()))?;
    let (from_width, from_height) = (whole.width(), whole.height());
    for y in 0..height {
        for x in 0..width {
            let span = |i: u32, n: u32, of: u32| (i * of / n, ((i + 1) * of / n).max(i * of / n + 1).min(of));
            let ((left, right), (top, bottom)) = (span(x, width, from_width), span(y, height, from_height));
            let mut sum = [0_u32; 3];
            for (px, py) in (top..bottom).flat_map(|py| (left..right).map(move |px| (px, py))) {
                let dot = &whole.data()[4 * (py * from_width + px) as usize..];
                sum.iter_mut().zip(dot).for_each(|(sum, v)| *sum += u32::from(*v));
            }
            let n = ((right - left) * (bottom - top)).max(1);
            let at = 4 * (y * width + x) as usize;
            let dot = &mut small.data_mut()[at..at + 4];
            dot.copy_from_slice(&[(sum[0] / n) as u8, (sum[1] / n) as u8, (sum[2] / n) as u8, 255]);
        }
    }
    Ok(small)
}

fn png(dots: &Pixmap) -> Result<Vec<u8>, FigureError> {
    dots.encode_png().map_err(|e| FigureError::Drawing(e.to_string()))
}

/// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>: transmit and display (a=T) a PNG (f=100) over so many columns, without
/// an answer (q=2), in chunks of which all but the last say that more follow (m=1).
fn kitty(png: &[u8], columns: u32) -> String {
    let text = base64(png);
    let chunks: Vec<&str> = (0..text.len()).step_by(KITTY_CHUNK).map(|i| &text[i..text.len().min(i + KITTY_CHUNK)]).collect();
    let mut out = String::with_capacity(text.len() + 64 * chunks.len());
    for (i, chunk) in chunks.iter().enumerate() {
        let more = u8::from(i + 1 < chunks.len());
        let _ = match i {
            0 => write!(out, "\x1b_Ga=T,f=100,q=2,c={columns},m={more};{chunk}\x1b\\"),
            _ => write!(out, "\x1b_Gm={more};{chunk}\x1b\\"),
        };
    }
    out + "\n"
}

/// <https://iterm2.com/documentation-images.html>.
fn iterm2(png: &[u8], columns: u32) -> String {
    let size = png.len();
    format!("\x1b]1337;File=inline=1;size={size};width={columns};preserveAspectRatio=1:{}\x07\n", base64(png))
}

/// DEC's sixels (VT330/VT340 programmer reference, chapter 14): six rows at a time, colour by colour. Colours are those of a
/// cube of six levels.
fn sixel(dots: &Pixmap) -> String {
    let (width, height) = (dots.width() as usize, dots.height() as usize);
    let level = |v: u8| (usize::from(v) * 5 + 127) / 255;
    let colour = |x: usize, y: usize| {
        let dot = &dots.data()[4 * (y * width + x)..];
        36 * level(dot[0]) + 6 * level(dot[1]) + level(dot[2])
    };
    let mut out = format!("\x1bP0;1q\"1;1;{width};{height}");
    for i in 0..216 {
        let _ = write!(out, "#{i};2;{};{};{}", 20 * (i / 36), 20 * (i / 6 % 6), 20 * (i % 6));
    }
    for top in (0..height).step_by(6) {
        let mut used = [false; 216];
        let rows = top..height.min(top + 6);
        rows.clone().for_each(|y| (0..width).for_each(|x| used[colour(x, y)] = true));
        for wanted in (0..216).filter(|&i| used[i]) {
            let _ = write!(out, "#{wanted}");
            let bits = |x: usize| rows.clone().fold(0_u8, |bits, y| bits | (u8::from(colour(x, y) == wanted) << (y - top)));
            let mut x = 0;
            while x < width {
                let sixel = bits(x);
                let run = (x..width).take_while(|&x| bits(x) == sixel).count();
                let character = char::from(63 + sixel);
                let _ =
                    if run > 3 { write!(out, "!{run}{character}") } else { write!(out, "{}", character.to_string().repeat(run)) };
                x += run;
            }
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\\n"
}

/// The upper dot is the ink of a character, the lower its ground.
fn half_blocks(dots: &Pixmap) -> String {
    let (width, height) = (dots.width(), dots.height());
    let at = |x: u32, y: u32| {
        let y = y.min(height - 1);
        let dot = &dots.data()[4 * (y * width + x) as usize..];
        (dot[0], dot[1], dot[2])
    };
    let mut out = String::new();
    for y in (0..height).step_by(2) {
        let mut last = None;
        for x in 0..width {
            let pair = (at(x, y), at(x, y + 1));
            if last != Some(pair) {
                let ((r, g, b), (lr, lg, lb)) = pair;
                let _ = write!(out, "\x1b[38;2;{r};{g};{b};48;2;{lr};{lg};{lb}m");
                last = Some(pair);
            }
            out.push('\u{2580}');
        }
        out.push_str("\x1b[0m\r\n");
    }
    out
}

/// RFC 4648, section 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Rgb = Rgb(255, 255, 255);
    const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='200pt' height='40pt' viewBox='0 0 200 40'>\
        <rect x='0' y='0' width='100' height='40' fill='#ff0000'/><rect x='100' y='0' width='100' height='20' fill='#0000ff'/></svg>";

    fn detected(variables: &[(&str, &str)]) -> Protocol {
        Protocol::detect(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_says_what_a_terminal_can_show() {
        assert_eq!(detected(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(detected(&[("TERM_PROGRAM", "ghostty")]), Protocol::Kitty);
        assert_eq!(detected(&[("TERM_PROGRAM", "iTerm.app"), ("TERM", "xterm-256color")]), Protocol::Iterm2);
        assert_eq!(detected(&[("LC_TERMINAL", "iTerm2")]), Protocol::Iterm2);
        assert_eq!(detected(&[("TERM", "foot")]), Protocol::Sixel);
        assert_eq!(detected(&[("TERM", "xterm-256color")]), Protocol::HalfBlocks);
        assert_eq!(detected(&[("TERM", "xterm-kitty"), ("TMUX", "default,1,0")]), Protocol::HalfBlocks);
        assert_eq!(detected(&[]), Protocol::HalfBlocks);
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!([of(""), of("f"), of("fo"), of("foo"), of("foobar")], ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
        assert_eq!(base64(&[255, 239, 190]), "/+++");
    }

    #[test]
    fn kitty_gets_the_png_in_chunks_that_say_whether_more_follow() {
        let bytes: Vec<u8> = (0..10_000).map(|i| (i % 251) as u8).collect();
        let text = kitty(&bytes, 80);
        let parts: Vec<&str> = text.trim_end().split("\x1b\\").filter(|p| !p.is_empty()).collect();
        assert_eq!(parts.len(), bytes.len().div_ceil(3).div_ceil(KITTY_CHUNK / 4));
        assert!(parts[0].starts_with("\x1b_Ga=T,f=100,q=2,c=80,m=1;"));
        assert!(parts.last().unwrap().starts_with("\x1b_Gm=0;"));
        let payload: String = parts.iter().map(|p| p.split_once(';').unwrap().1).collect();
        assert_eq!(payload, base64(&bytes));
        let whole = preview(SVG, Protocol::Kitty, (80, 200), WHITE).unwrap();
        assert!(whole.starts_with("\x1b_Ga=T,f=100,q=2,c=80,m=1;iVBORw0KGgo"), "a PNG: {}", &whole[..60]);
    }

    #[test]
    fn iterm2_gets_the_png_and_its_size() {
        let text = preview(SVG, Protocol::Iterm2, (80, 200), WHITE).unwrap();
        let (head, payload) = text.split_once(':').unwrap();
        let size: usize = head.split("size=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
        let payload = payload.trim_end().trim_end_matches('\x07');
        assert!(head.starts_with("\x1b]1337;File=inline=1;") && payload.starts_with("iVBORw0KGgo"));
        assert_eq!(payload.len(), size.div_ceil(3) * 4);
    }

    #[test]
    fn sixels_give_the_dots_back() {
        let dots = at_width(SVG, 40, WHITE).unwrap();
        let text = sixel(&dots);
        assert!(text.starts_with("\x1bP0;1q\"1;1;40;8#0;2;0;0;0") && text.ends_with("\x1b\\\n"));
        // Painted again from the text.
        let body = text.split_once("#215;2;100;100;100").unwrap().1.trim_end().trim_end_matches("\x1b\\");
        let mut painted = vec![[999_usize; 40]; 12];
        let (mut x, mut top, mut colour, mut repeat, mut number) = (0, 0, 0, 1, String::new());
        let mut mode = ' ';
        for c in body.chars().chain([' ']) {
            if c.is_ascii_digit() {
                number.push(c);
                continue;
            }
            match mode {
                '#' => colour = number.parse().unwrap(),
                '!' => repeat = number.parse().unwrap(),
                _ => {}
            }
            (mode, number) = (c, String::new());
            match c {
                '$' => x = 0,
                '-' => (x, top) = (0, top + 6),
                '?'..='~' => {
                    for _ in 0..repeat {
                        (0..6).filter(|b| (c as u8 - 63) >> b & 1 == 1).for_each(|b| painted[top + b][x] = colour);
                        x += 1;
                    }
                    repeat = 1;
                }
                _ => {}
            }
        }
        assert_eq!((painted[0][0], painted[7][19], painted[1][30], painted[7][30]), (180, 180, 5, 215));
        assert!(painted[..8].iter().flatten().all(|&c| c != 999) && painted[8..].iter().flatten().all(|&c| c == 999));
    }

    #[test]
    fn half_blocks_are_two_dots_a_character() {
        let text = preview(SVG, Protocol::HalfBlocks, (20, 200), WHITE).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| l.matches('\u{2580}').count() == 20 && l.ends_with("\x1b[0m")), "{text:?}");
        assert!(lines[0].starts_with("\x1b[38;2;255;0;0;48;2;255;0;0m"), "{:?}", lines[0]);
        let low = preview(SVG, Protocol::HalfBlocks, (80, 2), WHITE).unwrap();
        assert_eq!(low.lines().count(), 2, "no higher than the terminal");
        assert!(lines[1].contains("\x1b[38;2;255;255;255;48;2;255;255;255m"), "the lower right is paper: {:?}", lines[1]);
    }
}
