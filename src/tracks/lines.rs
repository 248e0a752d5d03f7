//! Files as the text readers see them: regular, unzipped by content, line by line, each line of bounded length.

use super::TrackError;
use super::ahead::Ahead;
use super::reading::{Telling, Told};
use super::source::Source;
use flate2::bufread::MultiGzDecoder;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Bytes of a gzipped file from which a thread pays.
const LONG: u64 = 1 << 15;
/// Longest line that is read; a longer one is no line of a table.
const LONGEST_LINE: usize = 4 << 20;
/// Wild lines after which a file without one good line is given up.
const PATIENCE: u64 = 10_000;
/// Most records a file is read whole with; beyond that it takes memory that a browser should not take.
const MOST_RECORDS: u64 = 20_000_000;

/// Opens a regular file and gives its length. A directory, pipe or device is refused: reading one may never end.
pub(super) fn open_regular(path: &Path) -> Result<(File, u64), TrackError> {
    let about = std::fs::metadata(path).map_err(|e| TrackError::io(path, e))?;
    if !about.is_file() {
        let kind = if about.is_dir() { "a folder" } else { "a pipe or device" };
        return Err(TrackError::Unsupported { path: path.to_owned(), reason: format!("this is {kind}, not a file") });
    }
    let file = File::open(path).map_err(|e| TrackError::io(path, e))?;
    Ok((file, about.len()))
}

/// The file's bytes, unzipped where they begin as gzip or bgzip does.
pub(super) fn open_unzipped(path: &Path) -> Result<Box<dyn BufRead>, TrackError> {
    open(path, false)
}

/// The same for a file that is read to its end: a long one is unzipped ahead of its reader.
pub(super) fn open_whole(path: &Path) -> Result<Box<dyn BufRead>, TrackError> {
    open(path, true)
}

fn open(path: &Path, is_whole: bool) -> Result<Box<dyn BufRead>, TrackError> {
    let (source, len) = Source::open(path)?;
    // Whether what is behind a URL is still wanted is known on this thread only.
    let is_ahead = is_whole && len >= LONG && matches!(source, Source::Disk(_));
    let mut file = BufReader::with_capacity(1 << 16, Told::new(source, Telling::new(path, len)));
    let is_gzip = file.fill_buf().map_err(|e| TrackError::io(path, e))?.starts_with(&[0x1f, 0x8b]);
    Ok(match (is_gzip, is_ahead) {
        (false, _) => Box::new(file),
        (true, false) => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file))),
        (true, true) => Box::new(Ahead::start(file, Telling::new(path, len)).map_err(|e| TrackError::io(path, e))?),
    })
}

/// What a line was.
pub(super) enum Line {
    /// A record.
    Record,
    /// A comment, a header, or something this program has no use for.
    Other,
    /// The last one to read.
    End,
}

/// Gives every line to `read`, which says what it was or why it is wild. Wild lines are counted, and said in the warnings.
///
/// # Errors
/// Where no line is a record: `kind` names what was looked for. Also where the file cannot be read to its end.
pub(super) fn read_records(
    path: &Path,
    kind: &str,
    read: impl FnMut(&[u8]) -> Result<Line, String>,
) -> Result<Vec<String>, TrackError> {
    read_at_most(MOST_RECORDS, path, kind, read)
}

/// The same for records that are not kept in memory: their number is not bounded.
pub(super) fn stream_records(
    path: &Path,
    kind: &str,
    read: impl FnMut(&[u8]) -> Result<Line, String>,
) -> Result<Vec<String>, TrackError> {
    read_at_most(u64::MAX, path, kind, read)
}

fn read_at_most(
    most: u64,
    path: &Path,
    kind: &str,
    mut read: impl FnMut(&[u8]) -> Result<Line, String>,
) -> Result<Vec<String>, TrackError> {
    let mut lines = Lines { path: path.to_owned(), reader: open_whole(path)?, line: Vec::new(), number: 0 };
    let (mut records, mut skipped) = (0, Skipped::default());
    while let Some(line) = lines.next()? {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match read(line) {
            Ok(Line::Record) => records += 1,
            Ok(Line::Other) => {}
            Ok(Line::End) => break,
            Err(reason) => skipped.note(lines.number, reason),
        }
        if records > most {
            return Err(lines.malformed(format!("more than {most} records, too many to hold in memory")));
        }
        if records == 0 && skipped.count == PATIENCE {
            break;
        }
    }
    match (records, &skipped.first) {
        (0, Some((line, reason))) => {
            Err(TrackError::malformed(path, format!("line {line}"), format!("{reason}; no line of the file is {kind}")))
        }
        (0, None) if lines.number == 0 => Err(TrackError::malformed(path, "line 1", "the file is empty")),
        (0, None) => Err(TrackError::malformed(path, format!("line {}", lines.number), format!("no line of the file is {kind}"))),
        _ => Ok(skipped.warning(path).into_iter().collect()),
    }
}

struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// The next line without its line feed.
    fn next(&mut self) -> Result<Option<&[u8]>, TrackError> {
        self.line.clear();
        let read = read_line(&mut self.reader, LONGEST_LINE + 1, &mut self.line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => self.number += 1,
            Err(e) => {
                self.number += 1;
                return Err(self.malformed(explain_io(&e)));
            }
        }
        if self.line.len() > LONGEST_LINE {
            return Err(self.malformed(format!("a line of more than {LONGEST_LINE} bytes: not a table")));
        }
        if self.number == 1 && self.line.starts_with(b"\xef\xbb\xbf") {
            self.line.drain(..3); // a byte order mark
        }
        Ok(Some(self.line.strip_suffix(b"\n").unwrap_or(&self.line)))
    }

    fn malformed(&self, reason: String) -> TrackError {
        TrackError::malformed(&self.path, format!("line {}", self.number), reason)
    }
}

/// Appends a line with its line feed to `line`, or `limit` bytes of it, and gives how many. The search of std's `read_until` takes
/// a tenth of the time that an annotation does.
pub(super) fn read_line(reader: &mut dyn BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<usize> {
    let mut read = 0;
    loop {
        let text = match reader.fill_buf() {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        let text = &text[..text.len().min(limit - read)];
        let end = memchr::memchr(b'\n', text);
        let n = end.map_or(text.len(), |end| end + 1);
        line.extend_from_slice(&text[..n]);
        reader.consume(n);
        read += n;
        if end.is_some() || n == 0 {
            return Ok(read);
        }
    }
}

/// Lines that could not be read.
#[derive(Default)]
struct Skipped {
    count: u64,
    first: Option<(u64, String)>,
}

impl Skipped {
    fn note(&mut self, line: u64, reason: String) {
        self.count += 1;
        self.first.get_or_insert((line, reason));
    }

    fn warning(&self, path: &Path) -> Option<String> {
        let (line, reason) = self.first.as_ref()?;
        Some(match self.count {
            1 => format!("{}: 1 line skipped, line {line}: {reason}", path.display()),
            n => format!("{}: {n} lines skipped, first at line {line}: {reason}", path.display()),
        })
    }
}

/// An I/O error in words a reader of the message can use.
pub(super) fn explain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file ends too early (truncated?)".to_owned(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => format!("damaged data ({error})"),
        _ => error.to_string(),
    }
}

/// A whole number of ASCII digits below 2^40 (longer than any chromosome, short enough that sums stay sums).
pub(super) fn parse_position(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 13 {
        return None;
    }
    let add = |n: u64, &digit: &u8| digit.is_ascii_digit().then(|| n * 10 + u64::from(digit - b'0'));
    text.iter().try_fold(0, add).filter(|&n| n < 1 << 40)
}

/// A finite number.
pub(super) fn parse_score(text: &[u8]) -> Option<f32> {
    if text == b"." {
        return None; // of most lines of most files
    }
    std::str::from_utf8(text).ok()?.trim().parse().ok().filter(|score: &f32| score.is_finite())
}

/// Text of a file for a message: valid UTF-8, without control characters, short.
pub(super) fn quote(text: &[u8]) -> String {
    // Fields stay apart.
    let text: Vec<u8> = text.iter().take(200).map(|&b| if b == b'\t' { b' ' } else { b }).collect();
    let text = clean(&text);
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("\"{}...\"", &text[..end]),
        None => format!("\"{text}\""),
    }
}

/// A name from a file: valid UTF-8 without control characters.
pub(super) fn clean(text: &[u8]) -> String {
    clean_text(&String::from_utf8_lossy(text)).into_owned()
}

/// `text` without the characters that can drive a terminal or turn text round: C0 and C1 controls, bidirectional marks.
pub fn clean_text(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return Cow::Borrowed(text); // nearly all text is
    }
    let drives = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.contains(drives) { Cow::Owned(text.replace(drives, "")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_go_and_letters_stay() {
        assert_eq!(clean_text("MYC\u{1b}[31m\u{9b}\u{202e}\0"), "MYC[31m");
        assert!(matches!(clean_text("Sjögren β"), Cow::Borrowed("Sjögren β")));
        assert_eq!(clean(b"a\xffb\x07"), "a\u{fffd}b");
        assert_eq!(quote(b"chr1\t100"), "\"chr1 100\"");
        assert_eq!(quote(&[b'x'; 300]).len(), 45);
        assert_eq!(quote("é".repeat(150).as_bytes()).chars().count(), 45);
    }

    #[test]
    fn positions_are_digits_and_nothing_else() {
        assert_eq!(parse_position(b"0123"), Some(123));
        for text in ["", "-1", "+1", "1.0", "1e6", "99999999999999999999", "9999999999999", "1 "] {
            assert_eq!(parse_position(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_score(b"nan"), None);
        assert_eq!(parse_score(b"-2.5"), Some(-2.5));
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'a'; LONGEST_LINE + 10]).unwrap();
        let error = read_records(file.path(), "a record", |_| Ok(Line::Record)).unwrap_err().to_string();
        assert!(error.contains("line 1: a line of more than"), "{error}");
    }

    #[test]
    fn folders_and_devices_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(open_regular(folder.path()).unwrap_err().to_string().contains("this is a folder"));
        assert!(open_regular(&folder.path().join("none")).unwrap_err().to_string().contains("none: "));
        #[cfg(unix)]
        assert!(open_regular(Path::new("/dev/zero")).unwrap_err().to_string().contains("device"));
    }
}
