//! Widths of text in Helvetica, which Arial and Liberation Sans share, so that a layout needs no font.

use crate::tracks::clean_text;
use std::borrow::Cow;

/// Widths of the characters from space to tilde in thousandths of an em (Adobe's Helvetica.afm).
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // space to /
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // 0 to ?
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // @ to O
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // P to _
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // ` to o
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // p to ~
];

/// Likewise in bold (Helvetica-Bold.afm).
const BOLD: [u16; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, //
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, //
    975, 722, 722, 722, 722, 667, 611, 778, 722, 278, 556, 722, 611, 833, 722, 778, //
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 333, 278, 333, 584, 556, //
    333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556, 278, 889, 611, 611, //
    611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];

/// The width of a text in the unit of `size`.
pub(super) fn width(text: &str, size: f64, is_bold: bool) -> f64 {
    let table = if is_bold { &BOLD } else { &HELVETICA };
    let em = |c: char| match c {
        ' '..='~' => table[c as usize - 32],
        '\u{b7}' => 333,                         // middle dot
        '\u{2212}' | '\u{b1}' | '\u{d7}' => 584, // minus, plus-minus, times
        'α'..='ω' | '\u{2013}' | 'µ' => 576,     // en dash is 556
        '\u{a0}'..='\u{24f}' => 700,             // other Latin letters: at least as wide as most
        _ => 1000,
    };
    text.chars().map(|c| f64::from(em(c))).sum::<f64>() * size / 1000.0
}

/// A text without what XML does not allow and what would change the direction or place of what follows.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    match clean_text(text) {
        text if text.contains(['\u{fffe}', '\u{ffff}']) => Cow::Owned(text.replace(['\u{fffe}', '\u{ffff}'], "")),
        text => text,
    }
}

/// The text, or its beginning and an ellipsis where it is wider than `room`; empty where not even that fits.
pub(super) fn fit(text: &str, room: f64, size: f64, is_bold: bool) -> Cow<'_, str> {
    if width(text, size, is_bold) <= room {
        return Cow::Borrowed(text);
    }
    let mut kept = String::new();
    let mut taken = width("…", size, is_bold);
    if taken > room {
        return Cow::Borrowed("");
    }
    for c in text.chars() {
        taken += width(c.encode_utf8(&mut [0; 4]), size, is_bold);
        if taken > room {
            break;
        }
        kept.push(c);
    }
    Cow::Owned(kept.trim_end().to_owned() + "…")
}

/// The text in lines no wider than `room`, broken between words, or inside one that fills a line by itself.
pub(super) fn wrap(text: &str, room: f64, size: f64, is_bold: bool) -> Vec<String> {
    let fits = |line: &str| width(line, size, is_bold) <= room;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&joined) {
            line = joined;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if !fits(&line) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::take(&mut line));
                line.push(c);
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As [`wrap`], with lines of about equal length: no last word alone.
pub(super) fn wrap_evenly(text: &str, room: f64, size: f64, is_bold: bool) -> Vec<String> {
    let lines = wrap(text, room, size, is_bold);
    let widest = text.split_whitespace().map(|word| width(word, size, is_bold)).fold(0.0, f64::max);
    let narrower = (0..20).map(|i| widest.max(room * f64::from(i) / 20.0)).filter(|&r| r < room);
    narrower.map(|r| wrap(text, r, size, is_bold)).find(|even| even.len() == lines.len()).unwrap_or(lines)
}

/// A sign before a number as a minus, not as a hyphen.
pub(super) fn minus(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("\u{2212}{number}"),
        _ => text.to_owned(),
    }
}

/// As [`wrap`], in at most `most` lines, the last of them cut.
pub(super) fn wrap_within(text: &str, room: f64, size: f64, is_bold: bool, most: usize) -> Vec<String> {
    let mut lines = wrap(text, room, size, is_bold);
    if lines.len() > most {
        let rest = lines.split_off(most.max(1) - 1).join(" ");
        lines.push(fit(&rest, room, size, is_bold).into_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_face() {
        assert_eq!(width("POU5F1", 10.0, false), 6.67 + 7.78 + 7.22 + 5.56 + 6.11 + 5.56);
        assert_eq!(width("~}|{zyx", 1000.0, false), f64::from(584 + 334 + 260 + 334 + 500 + 500 + 500));
        assert_eq!(width("", 7.0, true), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_cut_and_says_so() {
        assert_eq!(fit("MYC", 100.0, 7.0, false), "MYC");
        let cut = fit("WWWWWWWWWW", 40.0, 7.0, false);
        assert!(cut.ends_with('…') && width(&cut, 7.0, false) <= 40.0, "{cut}");
        assert_eq!(fit("WWW", 1.0, 7.0, false), "");
    }

    #[test]
    fn lines_hold_every_word_and_keep_to_their_room() {
        let text = "weight per 100 bp bin, GH08J127735GH08J127735GH08J127735 sums to 1";
        let lines = wrap(text, 60.0, 6.0, false);
        assert!(lines.iter().all(|l| width(l, 6.0, false) <= 60.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        let two = wrap_within(text, 60.0, 6.0, false, 2);
        assert_eq!(two.len(), 2);
        assert!(two[1].ends_with('…'));
        assert!(wrap("  ", 10.0, 6.0, false).is_empty());
        assert_eq!(wrap("weight per 100 bp bin, sums to 1", 40.0, 5.5, false).last().unwrap(), "1");
        assert_eq!(wrap_evenly("weight per 100 bp bin, sums to 1", 40.0, 5.5, false), ["weight per", "100 bp bin,", "sums to 1"]);
    }

    #[test]
    fn only_a_sign_becomes_a_minus() {
        assert_eq!(
            ["-0.09", "-8e-5", "P(high) 0.5", "-x", ""].map(minus),
            ["\u{2212}0.09", "\u{2212}8e-5", "P(high) 0.5", "-x", ""]
        );
    }
}
