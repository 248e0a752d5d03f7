//! Delimited text with a header or without, and which of its columns to read.

use super::{ExpressionColumns, Listed, TrackError};
use crate::tracks::lines::clean_text;
use crate::tracks::text::{TextLines, shorten};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Columns of ids, best first; the first column where there is none of them.
const ID_COLUMNS: [&str; 9] =
    ["gene_id", "gene", "geneid", "ensembl_gene_id", "ensembl_id", "target_id", "name", "id", "gene_name"];
/// Columns that describe a gene and hold no expression.
const DESCRIPTIONS: [&str; 9] = [
    "gene_name",
    "symbol",
    "gene_symbol",
    "description",
    "transcript_id(s)",
    "transcript_id",
    "length",
    "effective_length",
    "efflength",
];

/// Which fields of a row are read.
pub(super) struct Plan {
    pub(super) id: usize,
    pub(super) value: usize,
    pub(super) column: String,
    /// Rows of one id are isoforms, to be added up.
    pub(super) sums: bool,
}

impl Plan {
    pub(super) fn new(table: &Table, columns: &ExpressionColumns<'_>) -> Result<Self, TrackError> {
        let error = |reason: String| TrackError::malformed(&table.path, "header", reason);
        let Some(header) = &table.header else {
            if let Some(name) = columns.value.or(columns.id) {
                return Err(error(format!("no column \"{name}\": the file has no header, only ids and values")));
            }
            return Ok(Self { id: 0, value: 1, column: "column 2".to_owned(), sums: false });
        };
        let find = |name: &str| {
            header.iter().position(|h| h == name).or_else(|| header.iter().position(|h| h.eq_ignore_ascii_case(name)))
        };
        let listed: Listed = header.iter().collect();
        let named = |name: &str| find(name).ok_or_else(|| error(format!("no column \"{name}\"; it has {listed}")));
        let id = columns.id.map_or_else(|| Ok(id_column(header)), named)?;
        let values = || (0..header.len()).filter(|&i| i != id && !is_description(&header[i])).collect::<Vec<_>>();
        let value = match columns.value {
            Some(name) => named(name)?,
            None => match columns.sample.and_then(find).or_else(|| find("TPM")).filter(|&i| i != id) {
                Some(value) => value,
                None => match values()[..] {
                    [only] => only,
                    _ => {
                        let sample = columns.sample.map_or_else(String::new, |s| format!(" (none is called {s})"));
                        return Err(error(format!("which column holds the expression?{sample} It has {listed}")));
                    }
                },
            },
        };
        if value == id {
            return Err(error(format!("column \"{}\" cannot be id and value", header[id])));
        }
        let has_transcripts = ["transcript_id", "target_id", "Name"].contains(&header[0].as_str());
        let sums = header[0] == "transcript_id" && header[id] == "gene_id"; // RSEM's isoforms
        let plan = Self { id, value, column: header[value].clone(), sums };
        // Salmon writes the same header for genes (quant.genes.sf).
        let is_transcript = |id: &str| ["ENST", "NM_", "NR_", "XM_", "XR_"].iter().any(|prefix| id.starts_with(prefix));
        if columns.transcripts.is_none()
            && has_transcripts
            && !sums
            && table.peeked.as_ref().is_some_and(|(_, row)| table.split(row).get(id).is_some_and(|id| is_transcript(id)))
        {
            return Err(error(
                "its rows are transcripts: a table of transcript and gene is needed (transcripts = ...)".to_owned(),
            ));
        }
        Ok(plan)
    }
}

pub(super) fn id_column(header: &[String]) -> usize {
    ID_COLUMNS.iter().find_map(|name| header.iter().position(|h| h.eq_ignore_ascii_case(name))).unwrap_or(0)
}

pub(super) fn is_description(name: &str) -> bool {
    DESCRIPTIONS.iter().chain(&ID_COLUMNS).any(|d| name.eq_ignore_ascii_case(d))
}

/// A delimited text file with its header, if it has one. Every row has the same number of fields.
pub(super) struct Table {
    path: PathBuf,
    lines: TextLines,
    delimiter: Option<char>,
    pub(super) header: Option<Vec<String>>,
    width: usize,
    /// The first row, read to understand the header.
    peeked: Option<(usize, String)>,
}

impl Table {
    pub(super) fn open(path: &Path) -> Result<Self, TrackError> {
        let mut lines = TextLines::open(path)?;
        let Some((number, line)) = next_line(&mut lines)? else {
            return Err(TrackError::malformed(path, "line 1", "no row in it"));
        };
        let delimiter = delimiter_of(&line);
        let first: Vec<String> = split(&line, delimiter).into_iter().map(Cow::into_owned).collect();
        let is_value = |field: &String| field.parse::<f64>().is_ok();
        let is_id_name = ID_COLUMNS.iter().any(|name| first[0].eq_ignore_ascii_case(name));
        let has_header = is_id_name || first.len() != 2 || !is_value(&first[1]);
        let mut table = Self { path: path.to_owned(), lines, delimiter, header: None, width: first.len(), peeked: None };
        if !has_header {
            table.peeked = Some((number, line));
            return Ok(table);
        }
        if first.len() > 2 && first[1..].iter().all(is_value) && !is_id_name {
            return Err(TrackError::malformed(path, format!("line {number}"), "numbers where the names of columns should be"));
        }
        let mut header = first;
        if let Some((number, row)) = next_line(&mut table.lines)? {
            table.delimiter = table.delimiter.or_else(|| delimiter_of(&row));
            if table.split(&row).len() == header.len() + 1 {
                header.insert(0, String::new()); // R writes no name above the row names
            }
            table.peeked = Some((number, row));
        }
        if header.len() < 2 {
            let reason =
                format!("one column (\"{}\"): ids and values, parted by tabs or commas, are needed", shorten(&header[0]));
            return Err(TrackError::malformed(path, "header", reason));
        }
        table.width = header.len();
        table.header = Some(header);
        Ok(table)
    }

    /// The next row, with the number of its line.
    pub(super) fn next(&mut self) -> Result<Option<(usize, String)>, TrackError> {
        match self.peeked.take() {
            Some(row) => Ok(Some(row)),
            None => next_line(&mut self.lines),
        }
    }

    /// The fields of a row, as many as there are columns.
    pub(super) fn fields<'a>(&self, number: usize, row: &'a str) -> Result<Vec<Cow<'a, str>>, TrackError> {
        let fields = self.split(row);
        match fields.len() == self.width {
            true => Ok(fields),
            false => {
                let reason = format!("{} columns where the first row has {}", fields.len(), self.width);
                Err(TrackError::malformed(&self.path, format!("line {number}"), reason))
            }
        }
    }

    fn split<'a>(&self, row: &'a str) -> Vec<Cow<'a, str>> {
        split(row, self.delimiter)
    }
}

/// The next line that is neither blank nor a comment.
pub(super) fn next_line(lines: &mut TextLines) -> Result<Option<(usize, String)>, TrackError> {
    while let Some((number, line)) = lines.next()? {
        if !line.trim().is_empty() && !line.starts_with('#') {
            return Ok(Some((number, line.to_owned())));
        }
    }
    Ok(None)
}

/// Tabs before commas; `None` for spaces.
pub(super) fn delimiter_of(line: &str) -> Option<char> {
    ['\t', ','].into_iter().find(|&d| line.contains(d))
}

pub(super) fn split<'a>(line: &'a str, delimiter: Option<char>) -> Vec<Cow<'a, str>> {
    let clean = |field: &'a str| match field.bytes().all(|b| matches!(b, b'!' | b'#'..=b'~')) {
        true => Cow::Borrowed(field), // nearly all are
        false => clean_text(field.trim().trim_matches('"')),
    };
    match delimiter {
        Some(delimiter) => line.split(delimiter).map(clean).collect(),
        None => line.split_whitespace().map(clean).collect(),
    }
}
