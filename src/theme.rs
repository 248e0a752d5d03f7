//! Colour roles from `themes/*.toml`. A role that a theme does not name falls back to its stem: `signal.H3K4me3` to `signal`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// A colour of 8 bits a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// `#rrggbb`.
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii())?;
        let channel = |i: usize| u8::from_str_radix(&digits[i..i + 2], 16).ok();
        Some(Self(channel(0)?, channel(2)?, channel(4)?))
    }

    /// The colour `share` (0 to 1) of the way from `self` to `other`.
    pub fn mix(self, other: Self, share: f32) -> Self {
        let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
        let channel = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share).round() as u8;
        Self(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }
}

/// Every role a theme must name, with what it colours. Dotted names may be added below them.
pub const ROLES: &[(&str, &str)] = &[
    ("background", "behind everything; what dimmed colours are mixed with"),
    ("text", "values and names"),
    ("dim", "less important text, axes"),
    ("accent", "the program's name, the current gene"),
    ("focus", "label of the focused row"),
    ("gene", "gene bodies and exons"),
    ("gene.current", "the gene the model explains"),
    ("promoter", "EPD promoters"),
    ("enhancer", "GeneHancer enhancers"),
    ("peak", "peaks and other intervals"),
    ("signal", "measured signals; signal.MARK for one mark"),
    ("attention", "a model's attention, strongest"),
    ("highlight", "behind what a figure points out"),
    ("positive", "attributions that raise the prediction"),
    ("negative", "attributions that lower it"),
    ("base.A", "adenine"),
    ("base.C", "cytosine"),
    ("base.G", "guanine"),
    ("base.T", "thymine"),
    ("good", "a result that is up to date"),
    ("busy", "work under way, stale results"),
    ("error", "what failed"),
];

/// Themes that come with the program: a file of `themes/` and its line here.
pub const THEMES: &[(&str, &str)] = &[
    ("dark", include_str!("../themes/dark.toml")),
    ("light", include_str!("../themes/light.toml")),
    ("contrast", include_str!("../themes/contrast.toml")),
    ("monochrome", include_str!("../themes/monochrome.toml")),
    ("colorblind", include_str!("../themes/colorblind.toml")),
    ("print", include_str!("../themes/print.toml")),
];

/// Why a theme could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    /// No theme of that name.
    #[error("no theme \"{name}\"; there are {known}")]
    Unknown {
        /// As asked.
        name: String,
        /// Names there are.
        known: String,
    },
    /// The text is not a theme.
    #[error("theme {name}: {reason}")]
    Malformed {
        /// Name of the theme.
        name: String,
        /// What is wrong, with the line.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    #[serde(default)]
    palette: BTreeMap<String, String>,
    roles: BTreeMap<String, String>,
    #[serde(default)]
    figure: FigureStyle,
}

/// How figures of a theme are set, beside their colours: `[figure]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FigureStyle {
    /// Families of type, the first one preferred; as SVG and CSS write them.
    pub font: String,
    /// How much wider than Helvetica's the type runs; it is set so much smaller, and keeps to its place.
    pub font_width: f64,
    /// Factor of the width of lines.
    pub line_width: f64,
}

impl Default for FigureStyle {
    fn default() -> Self {
        // Faces of the same widths on every system; the last is whatever there is.
        let font = "Helvetica, Arial, 'Liberation Sans', Arimo, 'Nimbus Sans', sans-serif".to_owned();
        Self { font, font_width: 1.0, line_width: 1.0 }
    }
}

impl FigureStyle {
    fn check(&self) -> Result<(), String> {
        let is_factor = |x: f64| (0.2..=5.0).contains(&x);
        match self {
            Self { font_width, .. } if !is_factor(*font_width) => Err(format!("font_width {font_width}: it can be 0.2 to 5")),
            Self { line_width, .. } if !is_factor(*line_width) => Err(format!("line_width {line_width}: it can be 0.2 to 5")),
            Self { font, .. } if font.trim().is_empty() => Err("font: no family named".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Colours by role.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// As listed.
    pub name: String,
    /// How figures are set.
    pub figure: FigureStyle,
    roles: BTreeMap<String, Rgb>,
}

impl Theme {
    /// A theme that comes with the program.
    pub fn named(name: &str) -> Result<Self, ThemeError> {
        let Some((_, text)) = THEMES.iter().find(|(n, _)| *n == name) else {
            let known = THEMES.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
            return Err(ThemeError::Unknown { name: name.to_owned(), known });
        };
        Self::parse(name, text)
    }

    /// Reads a theme: `[palette]` names colours, `[roles]` gives each role a palette name or `#rrggbb`, `[figure]` sets type
    /// and lines of figures.
    pub fn parse(name: &str, text: &str) -> Result<Self, ThemeError> {
        let malformed = |reason: String| ThemeError::Malformed { name: name.to_owned(), reason };
        let file: ThemeFile = toml::from_str(text).map_err(|e| malformed(e.to_string()))?;
        file.figure.check().map_err(|reason| malformed(format!("[figure] {reason}")))?;
        let mut roles = BTreeMap::new();
        for (role, value) in &file.roles {
            let literal = file.palette.get(value).unwrap_or(value);
            let colour = Rgb::parse(literal)
                .ok_or_else(|| malformed(format!("role {role}: \"{value}\" is neither #rrggbb nor a palette name")))?;
            roles.insert(role.clone(), colour);
        }
        match ROLES.iter().find(|(role, _)| !roles.contains_key(*role)) {
            Some((role, about)) => Err(malformed(format!("role {role} ({about}) is missing"))),
            None => Ok(Self { name: name.to_owned(), figure: file.figure, roles }),
        }
    }

    /// The colour of a role or of the nearest stem of its dotted name; the text colour where none is known. `#rrggbb` is itself.
    pub fn colour(&self, role: &str) -> Rgb {
        if let Some(colour) = Rgb::parse(role) {
            return colour;
        }
        let mut stem = role;
        loop {
            if let Some(&colour) = self.roles.get(stem) {
                return colour;
            }
            match stem.rsplit_once('.') {
                Some((shorter, _)) => stem = shorter,
                None => return self.roles.get("text").copied().unwrap_or(Rgb(128, 128, 128)),
            }
        }
    }

    /// A colour half lost in the background: stale rows.
    pub fn dimmed(&self, colour: Rgb) -> Rgb {
        colour.mix(self.colour("background"), 0.55)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_names_every_role() {
        for (name, _) in THEMES {
            let theme = Theme::named(name).unwrap();
            assert_ne!(theme.colour("text"), theme.colour("background"), "{name}");
        }
    }

    #[test]
    fn a_role_falls_back_to_its_stem() {
        let theme = Theme::named("dark").unwrap();
        assert_eq!(theme.colour("signal.nobody-measured-this"), theme.colour("signal"));
        assert_ne!(theme.colour("signal.H3K27me3"), theme.colour("signal"));
        assert_eq!(theme.colour("unheard.of"), theme.colour("text"));
    }

    #[test]
    fn a_wrong_theme_says_what_is_wrong() {
        assert!(Theme::named("neon").unwrap_err().to_string().contains("there are dark, light"));
        let missing = Theme::parse("t", "[roles]\ntext = '#ffffff'").unwrap_err().to_string();
        assert!(missing.contains("role background"), "{missing}");
        let colour = Theme::parse("t", "[roles]\ntext = 'red'").unwrap_err().to_string();
        assert!(colour.contains("role text: \"red\""), "{colour}");
    }

    #[test]
    fn a_theme_sets_type_and_lines_of_figures() {
        let (_, print) = THEMES.iter().find(|(n, _)| *n == "print").unwrap();
        let style = |figure: &str| Theme::parse("t", &format!("{print}\n[figure]\n{figure}")).map(|t| t.figure);
        let set = style("font = \"'DejaVu Sans', sans-serif\"\nfont_width = 1.17\nline_width = 2").unwrap();
        assert_eq!((set.font.as_str(), set.font_width, set.line_width), ("'DejaVu Sans', sans-serif", 1.17, 2.0));
        assert_eq!(style("").unwrap(), FigureStyle::default());
        for wrong in ["line_width = 0", "line_width = nan", "font_width = 100", "font = ' '", "colour = 1"] {
            assert!(style(wrong).is_err(), "{wrong}");
        }
    }

    /// Linear red, green and blue of sRGB.
    fn linear(Rgb(r, g, b): Rgb) -> [f64; 3] {
        [r, g, b].map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Difference (CIE 1976) of two colours as someone without green cones sees them: Machado, Oliveira and Fernandes 2009, IEEE TVCG
    /// 15:1291, table 1, severity 1.0; L*a*b* under D65.
    fn deutan_difference(a: Rgb, b: Rgb) -> f64 {
        const SEEN: [[f64; 3]; 3] =
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
        const XYZ: [[f64; 3]; 3] =
            [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];
        const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];
        let times = |m: [[f64; 3]; 3], v: [f64; 3]| m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
        let lab = |colour: Rgb| {
            let seen = times(SEEN, linear(colour)).map(|v| v.clamp(0.0, 1.0));
            let xyz = times(XYZ, seen);
            let root = |i: usize| {
                let t = xyz[i] / WHITE[i];
                if t > 216.0 / 24_389.0 { t.cbrt() } else { (t * 24_389.0 / 27.0 + 16.0) / 116.0 }
            };
            let (x, y, z) = (root(0), root(1), root(2));
            [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
        };
        lab(a).iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// Ten is a difference that is seen at a glance between neighbours; letters are small, so four times that is asked for.
    #[test]
    fn a_deutan_tells_the_bases_apart() {
        let theme = Theme::named("colorblind").unwrap();
        let bases = ["base.A", "base.C", "base.G", "base.T"];
        for (i, a) in bases.iter().enumerate() {
            for b in &bases[i + 1..] {
                let difference = deutan_difference(theme.colour(a), theme.colour(b));
                assert!(difference >= 40.0, "{a} and {b}: {difference:.0}");
            }
            let contrast = (lightness(theme.colour(a)) - lightness(theme.colour("background"))).abs();
            assert!(contrast >= 35.0, "{a} on the ground: {contrast:.0}");
        }
        // The simulation itself: grey stays grey, and the red and green of traffic lights become alike.
        assert!(deutan_difference(Rgb(120, 120, 120), Rgb(121, 121, 121)) < 1.0);
        assert!(deutan_difference(Rgb(255, 0, 0), Rgb(209, 113, 5)) < 2.0);
    }

    /// Lightness (CIE L*, 0 to 100) of a colour, as it is printed in grey: sRGB to Y with the weights of BT.709.
    fn lightness(colour: Rgb) -> f64 {
        let [r, g, b] = linear(colour);
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        if y > 216.0 / 24_389.0 { 116.0 * y.cbrt() - 16.0 } else { y * 24_389.0 / 27.0 }
    }

    #[test]
    fn lightness_is_that_of_the_standard() {
        assert!((lightness(Rgb(255, 255, 255)) - 100.0).abs() < 1e-6 && lightness(Rgb(0, 0, 0)) == 0.0);
        assert!((lightness(Rgb(119, 119, 119)) - 50.0).abs() < 0.5, "#777777 is mid grey");
    }

    /// What lies side by side and means different things must differ in a greyscale print.
    #[test]
    fn a_figure_survives_greyscale() {
        for name in ["print", "colorblind"] {
            let theme = Theme::named(name).unwrap();
            let of = |role: &str| lightness(theme.colour(role));
            let ground = of("background");
            let pairs = [
                ("positive", "negative"),
                ("base.G", "base.C"),
                ("base.G", "base.T"),
                ("base.G", "base.A"),
                ("text", "highlight"),
            ];
            for (a, b) in pairs {
                assert!((of(a) - of(b)).abs() >= 8.0, "{name}: {a} {:.0} and {b} {:.0}", of(a), of(b));
            }
            for role in ["text", "dim", "gene", "promoter", "enhancer", "peak", "signal", "attention", "positive", "negative"] {
                assert!((of(role) - ground).abs() >= 30.0, "{name}: {role} {:.0} on {ground:.0}", of(role));
            }
            assert!((of("highlight") - ground).abs() < 15.0, "{name}: a highlight lies behind the rows and must not hide them");
            // A ramp from nothing to the strongest weight darkens (or lightens) all the way.
            let ramp: Vec<f64> =
                (0..=32).map(|i| lightness(theme.colour("background").mix(theme.colour("attention"), i as f32 / 32.0))).collect();
            let sign = (ramp[32] - ramp[0]).signum();
            assert!(ramp.windows(2).all(|w| (w[1] - w[0]) * sign > 0.0), "{name}: {ramp:?}");
        }
    }
}
