//! DeepCAGE's motif input: how well the best site of each transcription factor matches.

use super::scan::encode;
use super::{Motif, MotifError, Scanner, read_text};
use std::collections::BTreeMap;
use std::path::Path;

/// Names listed in a message.
const LISTED: usize = 10;

/// Motifs of a list of transcription factors.
#[derive(Clone, Debug)]
pub struct TfScanner {
    /// Each factor's motifs, in the order of the list.
    factors: Vec<Vec<Scanner>>,
    p: f64,
}

impl TfScanner {
    /// Looks for the motifs of `tfs` with sites of a p-value of at most `p` (DeepCAGE: 0.001).
    ///
    /// # Errors
    /// Where a factor has no motif among `motifs`.
    pub fn new<S: AsRef<str>>(motifs: &[Motif], tfs: &[S], p: f64) -> Result<Self, MotifError> {
        let mut by_tf: BTreeMap<&str, Vec<&Motif>> = BTreeMap::new();
        for motif in motifs {
            by_tf.entry(motif.tf.as_deref().unwrap_or(&motif.name)).or_default().push(motif);
        }
        let (mut factors, mut missing) = (Vec::with_capacity(tfs.len()), Vec::new());
        for tf in tfs {
            match by_tf.get(tf.as_ref()) {
                Some(motifs) => factors.push(motifs.iter().map(|m| Scanner::new(&m.ppm)).collect::<Result<Vec<_>, _>>()?),
                None => missing.push(tf.as_ref()),
            }
        }
        if !missing.is_empty() {
            let more = if missing.len() > LISTED { format!(" and {} more", missing.len() - LISTED) } else { String::new() };
            let listed = missing.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
            return Err(MotifError::NoMotif(format!("{listed}{more}")));
        }
        Ok(Self { factors, p })
    }

    /// The best score of each factor on either strand of `sequence`, as natural logarithm of the odds (HOMER's scores); 0 where
    /// no site has a p-value as small as asked.
    pub fn scores(&self, sequence: &[u8]) -> Vec<f32> {
        let codes = encode(sequence);
        let best = |scanners: &Vec<Scanner>| {
            let sites = scanners.iter().filter_map(|s| s.best_of(&codes)).filter(|hit| hit.p_value <= self.p);
            sites.map(|hit| (hit.score * std::f64::consts::LN_2) as f32).fold(0.0, f32::max)
        };
        self.factors.iter().map(best).collect()
    }
}

/// Reads a file of motifs with the factors they belong to: as the file says, as HOCOMOCO's table `names` says, or by the part of
/// HOCOMOCO's names before the species (`GATA1_HUMAN.H11MO.0.A`).
///
/// # Errors
/// As [`super::read_motifs`] and [`read_tf_names`].
pub fn read_tf_motifs(path: &Path, names: Option<&Path>) -> Result<Vec<Motif>, MotifError> {
    let mut motifs = super::read_motifs(path)?;
    for motif in motifs.iter_mut().filter(|motif| motif.tf.is_none()) {
        let prefix = ["_HUMAN.", "_MOUSE."].iter().find_map(|species| motif.name.split_once(species));
        motif.tf = prefix.map(|(tf, _)| tf.to_owned());
    }
    if let Some(names) = names {
        read_tf_names(names, &mut motifs)?;
    }
    Ok(motifs)
}

/// Sets the factors of `motifs` from HOCOMOCO's table (columns `Model` and `Transcription factor`); motifs that it does not name
/// keep theirs.
///
/// # Errors
/// Where the file cannot be read or has no such columns.
pub fn read_tf_names(path: &Path, motifs: &mut [Motif]) -> Result<(), MotifError> {
    let wrong = |reason: &str| MotifError::File { path: path.to_owned(), reason: reason.to_owned() };
    let text = read_text(path)?;
    let mut lines = text.lines().map(|line| line.split('\t').map(str::trim).collect::<Vec<_>>());
    let header = lines.next().ok_or_else(|| wrong("the file is empty"))?;
    let column = |name: &str| header.iter().position(|column| *column == name);
    let (Some(model), Some(tf)) = (column("Model"), column("Transcription factor")) else {
        return Err(wrong("line 1: no columns \"Model\" and \"Transcription factor\""));
    };
    let names: BTreeMap<&str, &str> = lines.filter_map(|line| Some((*line.get(model)?, *line.get(tf)?))).collect();
    drop(header);
    for motif in motifs {
        if let Some(tf) = names.get(motif.name.as_str()) {
            motif.tf = Some(crate::tracks::clean_text(tf).into_owned());
        }
    }
    Ok(())
}
