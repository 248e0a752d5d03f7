//! Motifs of transcription factors: matrices and their files, scanning with exact p-values, spans of high attribution and the
//! motifs they resemble.

mod called;
mod error;
mod homer;
mod matrix;
mod meme;
mod scan;
mod seqlets;
mod tf_scores;
mod tomtom;

pub use called::{CalledSeqlet, Collection, call_seqlets};
pub use error::MotifError;
pub use matrix::{Pfm, Ppm, Pwm};
pub use scan::{Hit, Scanner};
pub use seqlets::{Seqlet, SeqletOptions, recursive_seqlets, signed_seqlets};
pub use tf_scores::{TfScanner, read_tf_motifs, read_tf_names};
pub use tomtom::{MotifMatch, Tomtom};

use std::io::Read;
use std::path::Path;

/// A motif of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct Motif {
    /// Its identifier in the collection.
    pub name: String,
    /// The transcription factor that binds it, where the collection says.
    pub tf: Option<String>,
    /// Probabilities of A,C,G,T at each position.
    pub ppm: Ppm,
    /// The score (natural logarithm of the odds, as HOMER counts) from which its file calls a site.
    pub threshold: Option<f64>,
}

/// A file format of motifs.
pub struct MotifFormat {
    /// As `cislens list formats` prints.
    pub name: &'static str,
    /// One line of what it is.
    pub about: &'static str,
    /// Endings of file names.
    pub extensions: &'static [&'static str],
    /// Whether text is of this format.
    pub is_it: fn(&str) -> bool,
    /// Reads the motifs of a text; an error names the line.
    pub parse: fn(&str) -> Result<Vec<Motif>, String>,
    /// Writes motifs; `source` says what made them.
    pub format: fn(&[Motif], source: &str) -> String,
}

/// Every format. A file is read by the first that knows its text.
pub const MOTIF_FORMATS: &[MotifFormat] = &[meme::MEME, homer::HOMER];

/// Larger files are no collection of motifs: HOCOMOCO's largest has 1 MB.
const MAX_BYTES: u64 = 64 << 20;
/// No known motif is wider; the memory of scanning grows with it.
const MAX_WIDTH: usize = 200;
/// No collection has more.
const MAX_MOTIFS: usize = 100_000;

/// Reads a file of motifs in any of [`MOTIF_FORMATS`].
///
/// # Errors
/// Where the file cannot be read, is of no known format, or has a line that is none of its format: file, line and reason.
pub fn read_motifs(path: &Path) -> Result<Vec<Motif>, MotifError> {
    let wrong = |reason: String| MotifError::File { path: path.to_owned(), reason };
    let text = read_text(path)?;
    let format = MOTIF_FORMATS.iter().find(|f| (f.is_it)(&text));
    let format = format.ok_or_else(|| wrong("neither MEME (\"MEME version 4\") nor HOMER (\">\" lines)".to_owned()))?;
    let motifs = (format.parse)(&text).map_err(wrong)?;
    match motifs.len() {
        0 => Err(wrong("no motif in it".to_owned())),
        n if n > MAX_MOTIFS => Err(wrong(format!("{n} motifs are more than {MAX_MOTIFS}"))),
        _ => Ok(motifs),
    }
}

/// The consensus motifs this program carries (`assets/motifs.tsv`): those that the sample genome is made with.
pub fn bundled_motifs() -> Vec<Motif> {
    let motif = |columns: [&str; 5]| {
        let ppm = Ppm::of_consensus(columns[3]).expect("the bundled table holds IUPAC letters");
        Motif { name: columns[0].to_owned(), tf: Some(columns[1].to_owned()), ppm, threshold: None }
    };
    bundled_lines().map(motif).collect()
}

/// Whether the sample genome's marks show that a factor is bound to a bundled motif: those of activators and repressors of the core
/// promoter do not. True of motifs that are not bundled.
pub fn is_seen_in_marks(name: &str) -> bool {
    bundled_lines().find(|columns| columns[0] == name).is_none_or(|columns| !["activator", "repressor"].contains(&columns[2]))
}

/// Name, factor, role, consensus and lineages of each bundled motif.
fn bundled_lines() -> impl Iterator<Item = [&'static str; 5]> {
    let lines = include_str!("../../assets/motifs.tsv").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.skip(1).map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        columns.try_into().expect("the bundled table has five columns")
    })
}

fn read_text(path: &Path) -> Result<String, MotifError> {
    let wrong = |reason: String| MotifError::File { path: path.to_owned(), reason };
    let about = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(wrong(format!("not a regular file of at most {MAX_BYTES} bytes")));
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| wrong(e.to_string()))?;
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|e| wrong(e.to_string()))?;
    Ok(text)
}

/// The rows of a matrix under way, with the checks every format shares.
fn push_row(rows: &mut Vec<[f64; 4]>, fields: &[&str]) -> Result<(), String> {
    let [a, c, g, t] = fields else { return Err(format!("{} numbers where A, C, G, T have four", fields.len())) };
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("\"{}\" is no number", crate::tracks::clean_text(text)));
    rows.push([number(a)?, number(c)?, number(g)?, number(t)?]);
    if rows.len() > MAX_WIDTH { Err(format!("a motif of more than {MAX_WIDTH} positions")) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
