//! Lines of tables in which every line counts: plain or gzipped, with their numbers, an error where one cannot be read.

use super::TrackError;
use super::lines::{clean_text, explain_io, open_whole, read_line};
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A header of 17,000 samples has half a megabyte.
const MAX_LINE: usize = 16 << 20;

/// Reads a text file line by line. Errors name file and line; a line's length is bounded.
pub(super) struct TextLines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    buffer: Vec<u8>,
    number: usize,
}

impl TextLines {
    /// Opens a regular file, gzipped or not.
    pub fn open(path: &Path) -> Result<Self, TrackError> {
        Ok(Self { path: path.to_owned(), reader: open_whole(path)?, buffer: Vec::new(), number: 0 })
    }

    /// The next line and its number, from 1, without its end (`\n` or `\r\n`).
    pub fn next(&mut self) -> Result<Option<(usize, &str)>, TrackError> {
        self.buffer.clear();
        self.number += 1;
        let read = read_line(&mut self.reader, MAX_LINE, &mut self.buffer);
        let malformed = |reason: String| TrackError::malformed(&self.path, format!("line {}", self.number), reason);
        let read = read.map_err(|e| malformed(explain_io(&e)))?;
        if read == 0 {
            return Ok(None);
        }
        if read == MAX_LINE {
            return Err(malformed(format!("a line of more than {MAX_LINE} bytes")));
        }
        let mut line = self.buffer.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line); // a byte order mark, as spreadsheets write
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(_) => Err(malformed("not text (UTF-8)".to_owned())),
        }
    }
}

/// Gives every line of a text file, plain or gzipped, without its end.
pub fn read_text_lines(path: &Path, give: &mut dyn FnMut(&str)) -> Result<(), TrackError> {
    let mut lines = TextLines::open(path)?;
    while let Some((_, line)) = lines.next()? {
        give(line);
    }
    Ok(())
}

/// Ids of genes and transcripts are shorter; without a bound a packed file could fill the memory with a few of them.
pub(super) const MAX_ID: usize = 1000;

/// At most 40 characters of a value, for messages.
pub(super) fn shorten(text: &str) -> String {
    let text = clean_text(text);
    if text.chars().count() <= 40 { text.into_owned() } else { text.chars().take(39).chain(['…']).collect() }
}
