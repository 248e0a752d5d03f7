//! A theme's colours as the terminal can show them.

use crate::theme::{Rgb, Theme};
use ratatui::style::{Color, Modifier, Style};

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 256-colour cube.
    Ansi256,
    /// The 16 colours of the terminal's own palette.
    Ansi16,
    /// None: shades and modifiers only.
    Mono,
}

impl Depth {
    /// What the environment says. `get` reads a variable.
    ///
    /// NO_COLOR first (no-color.org); Apple's terminal garbles 24-bit colours whatever COLORTERM says.
    pub fn detect(get: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| get(name).is_some_and(|v| !v.is_empty());
        let term = get("TERM").unwrap_or_default();
        let colorterm = get("COLORTERM").unwrap_or_default();
        if is_set("NO_COLOR") || term == "dumb" {
            Self::Mono
        } else if get("TERM_PROGRAM").as_deref() == Some("Apple_Terminal") {
            Self::Ansi256
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Self::True
        } else if term.contains("256color") {
            Self::Ansi256
        } else {
            Self::Ansi16
        }
    }
}

/// Whether the environment says that only ASCII can be shown: a locale of another code, or the Linux console, whose font has no
/// eighths of blocks. A locale that is not set says nothing.
pub fn is_ascii_only(get: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(&get).find(|value| !value.is_empty());
    let is_utf8 = |locale: String| locale.to_lowercase().replace('-', "").contains("utf8");
    locale.is_some_and(|locale| !is_utf8(locale)) || get("TERM").as_deref() == Some("linux")
}

/// A theme at a colour depth.
#[derive(Clone, Debug)]
pub struct Palette {
    theme: Theme,
    depth: Depth,
    is_ascii: bool,
}

impl Palette {
    /// Colours of `theme` as a terminal of `depth` shows them.
    pub fn new(theme: Theme, depth: Depth) -> Self {
        Self { theme, depth, is_ascii: false }
    }

    /// The same, in ASCII characters alone or not.
    pub fn in_ascii(self, is_ascii: bool) -> Self {
        Self { is_ascii, ..self }
    }

    /// Whether only ASCII characters are shown.
    pub fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether there are no colours at all.
    pub fn is_mono(&self) -> bool {
        self.depth == Depth::Mono
    }

    /// What everything stands on: a theme brings its own ground, whatever the terminal's is.
    pub fn ground(&self) -> Style {
        match self.is_mono() {
            true => Style::new(),
            false => Style::new().fg(self.colour("text")).bg(self.colour("background")),
        }
    }

    /// Text in the colour of a role.
    pub fn style(&self, role: &str) -> Style {
        let style = Style::new().fg(self.colour(role));
        match (self.is_mono(), role) {
            (true, "accent" | "focus" | "gene.current" | "error") => style.add_modifier(Modifier::BOLD),
            (true, "dim") => style.add_modifier(Modifier::DIM),
            _ => style,
        }
    }

    /// The colour of a role.
    pub fn colour(&self, role: &str) -> Color {
        self.show(self.theme.colour(role))
    }

    /// The colour of a role, half lost in the background.
    pub fn dimmed(&self, role: &str) -> Color {
        self.show(self.theme.dimmed(self.theme.colour(role)))
    }

    /// The colour `share` of the way from the background to a role.
    pub fn shade(&self, role: &str, share: f32) -> Color {
        self.show(self.theme.colour("background").mix(self.theme.colour(role), share))
    }

    /// A colour that a file asks for.
    pub fn own(&self, colour: Rgb) -> Color {
        self.show(colour)
    }

    fn show(&self, Rgb(r, g, b): Rgb) -> Color {
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Ansi256 => Color::Indexed(nearest_of_256(r, g, b)),
            Depth::Ansi16 => nearest_of_16(r, g, b),
            Depth::Mono => Color::Reset,
        }
    }
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> i32 {
    let square = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
    square(a.0, b.0) + square(a.1, b.1) + square(a.2, b.2)
}

fn nearest_of_256(r: u8, g: u8, b: u8) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |v: u8| (0..6_u8).min_by_key(|&i| LEVELS[usize::from(i)].abs_diff(v)).unwrap_or(0);
    let (cr, cg, cb) = (nearest(r), nearest(g), nearest(b));
    let cube = (LEVELS[usize::from(cr)], LEVELS[usize::from(cg)], LEVELS[usize::from(cb)]);
    let mean = (u16::from(r) + u16::from(g) + u16::from(b)) / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = 8 + 10 * step;
    if distance((grey, grey, grey), (r, g, b)) < distance(cube, (r, g, b)) { 232 + step } else { 16 + 36 * cr + 6 * cg + cb }
}

fn nearest_of_16(r: u8, g: u8, b: u8) -> Color {
    const COLOURS: [((u8, u8, u8), Color); 16] = [
        ((0, 0, 0), Color::Black),
        ((205, 49, 49), Color::Red),
        ((13, 188, 121), Color::Green),
        ((200, 180, 20), Color::Yellow),
        ((36, 114, 200), Color::Blue),
        ((188, 63, 188), Color::Magenta),
        ((17, 168, 205), Color::Cyan),
        ((200, 200, 200), Color::Gray),
        ((102, 102, 102), Color::DarkGray),
        ((241, 76, 76), Color::LightRed),
        ((35, 209, 139), Color::LightGreen),
        ((245, 245, 67), Color::LightYellow),
        ((59, 142, 234), Color::LightBlue),
        ((214, 112, 214), Color::LightMagenta),
        ((41, 184, 219), Color::LightCyan),
        ((255, 255, 255), Color::White),
    ];
    COLOURS.iter().min_by_key(|(c, _)| distance(*c, (r, g, b))).map_or(Color::Reset, |(_, colour)| *colour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(vars: &[(&str, &str)]) -> Depth {
        Depth::detect(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_environment_tells_the_depth() {
        assert_eq!(detect(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::Mono);
        assert_eq!(detect(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(detect(&[("TERM_PROGRAM", "Apple_Terminal"), ("COLORTERM", "truecolor")]), Depth::Ansi256);
        assert_eq!(detect(&[("TERM", "screen-256color")]), Depth::Ansi256);
        assert_eq!(detect(&[("TERM", "linux")]), Depth::Ansi16);
        assert_eq!(detect(&[("TERM", "dumb")]), Depth::Mono);
    }

    #[test]
    fn the_locale_tells_whether_there_are_blocks() {
        let says =
            |vars: &[(&str, &str)]| is_ascii_only(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        assert!(!says(&[]) && !says(&[("LANG", "de_DE.UTF-8")]) && !says(&[("LC_ALL", "C.utf8"), ("LANG", "C")]));
        assert!(says(&[("LANG", "C")]) && says(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")]));
        assert!(says(&[("TERM", "linux"), ("LANG", "en_US.UTF-8")]));
    }

    #[test]
    fn colours_come_down_to_their_neighbours() {
        assert_eq!(nearest_of_256(255, 0, 0), 196);
        assert_eq!(nearest_of_256(128, 128, 128), 244);
        assert_eq!(nearest_of_16(250, 70, 70), Color::LightRed);
    }
}
