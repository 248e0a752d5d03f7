//! MEME's minimal motif format, version 4: `MOTIF name alternative`, `letter-probability matrix:`, a row a position.

use super::{Motif, MotifFormat, Ppm, push_row};
use crate::tracks::clean_text;

/// The entry of [`super::MOTIF_FORMATS`].
pub(super) const MEME: MotifFormat = MotifFormat {
    name: "meme",
    about: "motifs as probabilities, MEME's minimal format (JASPAR's, HOCOMOCO's)",
    extensions: &["meme"],
    is_it: |text| text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with("MEME version")),
    parse,
    format,
};

fn parse(text: &str) -> Result<Vec<Motif>, String> {
    let mut motifs = Vec::new();
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())).peekable();
    let mut name: Option<(String, Option<String>)> = None;
    while let Some((number, line)) = lines.next() {
        if let Some(letters) = line.strip_prefix("ALPHABET=") {
            if letters.trim() != "ACGT" {
                return Err(format!("line {number}: the alphabet is \"{}\", not ACGT", clean_text(letters.trim())));
            }
        } else if let Some(rest) = line.strip_prefix("MOTIF") {
            let mut words = rest.split_ascii_whitespace().map(|word| clean_text(word).into_owned());
            let first = words.next().ok_or_else(|| format!("line {number}: MOTIF without a name"))?;
            name = Some((first, words.next()));
        } else if line.starts_with("letter-probability matrix") {
            let (name, tf) = name.take().ok_or_else(|| format!("line {number}: a matrix without a MOTIF line"))?;
            let mut rows = Vec::new();
            while let Some((number, row)) = lines.next_if(|(_, line)| line.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
            {
                let fields: Vec<&str> = row.split_ascii_whitespace().collect();
                push_row(&mut rows, &fields).map_err(|reason| format!("line {number}: {reason}"))?;
            }
            if let Some(width) = width_of(line).filter(|&width| width != rows.len()) {
                return Err(format!("line {number}: {name}: {} rows where w= {width}", rows.len()));
            }
            let ppm = Ppm::new(rows).map_err(|e| format!("line {number}: {name}: {e}"))?;
            motifs.push(Motif { name, tf, ppm, threshold: None });
        }
    }
    Ok(motifs)
}

/// The width that a matrix line states: `alength= 4 w= 11 nsites= 20 E= 0`.
fn width_of(line: &str) -> Option<usize> {
    let after = line.split(" w=").nth(1)?;
    after.split_ascii_whitespace().next()?.parse().ok()
}

fn format(motifs: &[Motif], source: &str) -> String {
    let mut text = "MEME version 4\n\nALPHABET= ACGT\n\nstrands: + -\n\n".to_owned();
    text += "Background letter frequencies\nA 0.25 C 0.25 G 0.25 T 0.25\n\n";
    for motif in motifs {
        let word = |text: &str| clean_text(text).replace(char::is_whitespace, "_");
        let tf = motif.tf.as_deref().map_or_else(String::new, |tf| format!(" {}", word(tf)));
        text += &format!("MOTIF {}{tf}\n", word(&motif.name));
        text += &format!("letter-probability matrix: alength= 4 w= {}\n", motif.ppm.width());
        for row in motif.ppm.rows() {
            text += &format!(" {}\n", row.map(|p| p.to_string()).join("  "));
        }
        text.push('\n');
    }
    if !source.is_empty() {
        text += &format!("# {}\n", clean_text(source));
    }
    text
}
