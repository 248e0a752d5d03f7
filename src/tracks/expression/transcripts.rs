//! Which gene a transcript belongs to.

use super::table::{delimiter_of, next_line, split};
use super::{MAX_ROWS, TrackError};
use crate::genome::unversioned;
use crate::tracks::text::{MAX_ID, TextLines};
use std::collections::HashMap;
use std::path::Path;

/// Transcript to gene.
pub(super) struct TranscriptGenes {
    genes: HashMap<String, String>,
    stems: HashMap<String, String>,
}

impl TranscriptGenes {
    /// Two columns; a header does no harm, for no transcript is called like it.
    pub(super) fn read(path: &Path) -> Result<Self, TrackError> {
        let mut lines = TextLines::open(path)?;
        let mut table = Self { genes: HashMap::new(), stems: HashMap::new() };
        while let Some((number, line)) = next_line(&mut lines)? {
            let fields = split(&line, delimiter_of(&line));
            let [transcript, gene, ..] = &fields[..] else {
                return Err(TrackError::malformed(path, format!("line {number}"), "not a transcript and its gene"));
            };
            if transcript.len().max(gene.len()) > MAX_ID {
                return Err(TrackError::malformed(path, format!("line {number}"), "an id longer than any"));
            }
            if table.genes.len() == MAX_ROWS {
                return Err(TrackError::malformed(path, format!("line {number}"), format!("more than {MAX_ROWS} rows")));
            }
            table.genes.insert(transcript.to_string(), gene.to_string());
            table.stems.entry(unversioned(transcript).to_owned()).or_insert_with(|| gene.to_string());
        }
        Ok(table)
    }

    /// The gene of a transcript, whatever the versions; of GENCODE's `ENST...|ENSG...|...` the first part is the transcript.
    pub(super) fn gene(&self, transcript: &str) -> Option<&str> {
        let transcript = transcript.split('|').next().unwrap_or_default();
        let gene = self.genes.get(transcript).or_else(|| self.stems.get(unversioned(transcript)));
        gene.map(String::as_str)
    }
}
