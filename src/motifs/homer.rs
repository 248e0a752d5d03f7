//! HOMER's motif files: `>consensus<tab>name<tab>threshold`, then a row of A,C,G,T probabilities a position.

use super::{Motif, MotifFormat, Ppm, push_row};
use crate::tracks::clean_text;

/// The entry of [`super::MOTIF_FORMATS`].
pub(super) const HOMER: MotifFormat = MotifFormat {
    name: "homer",
    about: "motifs as probabilities with a threshold each, HOMER's (HOCOMOCO's, JASPAR's)",
    extensions: &["motif", "motifs", "homer"],
    is_it: |text| text.lines().find(|line| !line.trim().is_empty()).is_some_and(|line| line.starts_with('>')),
    parse,
    format,
};

fn parse(text: &str) -> Result<Vec<Motif>, String> {
    let mut motifs = Vec::new();
    let mut current: Option<(usize, &str)> = None;
    let mut rows = Vec::new();
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_end()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('>') {
            if let Some(of) = current.replace((number, header)) {
                motifs.push(motif(of, std::mem::take(&mut rows))?);
            }
        } else if current.is_none() {
            return Err(format!("line {number}: numbers before the first \">\" line"));
        } else {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            push_row(&mut rows, &fields).map_err(|reason| format!("line {number}: {reason}"))?;
        }
    }
    if let Some(of) = current {
        motifs.push(motif(of, rows)?);
    }
    Ok(motifs)
}

fn motif((number, header): (usize, &str), rows: Vec<[f64; 4]>) -> Result<Motif, String> {
    let columns: Vec<&str> = header.split('\t').collect();
    let name = columns.get(1).filter(|name| !name.trim().is_empty()).unwrap_or(&columns[0]);
    let name = clean_text(name.trim()).into_owned();
    let ppm = Ppm::new(rows).map_err(|e| format!("line {number}: {name}: {e}"))?;
    let threshold = match columns.get(2).map(|text| text.trim()).filter(|text| !text.is_empty()) {
        None => None,
        Some(text) => match text.parse::<f64>() {
            Ok(threshold) if threshold.is_finite() => Some(threshold),
            _ => return Err(format!("line {number}: the threshold \"{}\" is no number", clean_text(text))),
        },
    };
    Ok(Motif { tf: factor_of(&name), name, ppm, threshold })
}

/// The factor in a name as HOMER (`CTCF(Zf)/...`) and HOCOMOCO (`CTCF_HUMAN.H11MO.0.A`) write it.
fn factor_of(name: &str) -> Option<String> {
    let end = name.find('(').or_else(|| name.find("_HUMAN.")).or_else(|| name.find("_MOUSE."));
    end.filter(|&end| end > 0).map(|end| name[..end].to_owned())
}

fn format(motifs: &[Motif], _source: &str) -> String {
    let mut text = String::new();
    for motif in motifs {
        let consensus = String::from_utf8_lossy(&motif.ppm.consensus()).into_owned();
        // HOMER refuses a motif without a threshold.
        text += &format!(">{consensus}\t{}\t{}\n", clean_text(&motif.name), motif.threshold.unwrap_or(0.0));
        for row in motif.ppm.rows() {
            text += &row.map(|p| p.to_string()).join("\t");
            text.push('\n');
        }
    }
    text
}
