//! Finished results of a long command, kept beside its output until that is written: an interrupted run goes on from there.

use super::Failure;
use anyhow::{Context, anyhow};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// A result, or why there is none.
pub(super) type Finished<T> = Result<T, String>;

/// Results in the order of the inputs.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    reader: Option<BufReader<File>>,
    /// Bytes of whole records.
    length: u64,
    is_kept: bool,
}

const DIGEST_BYTES: usize = 8;
/// No result is larger; a longer length is damage.
const MOST_BYTES: u32 = 1 << 30;

impl Journal {
    /// The journal of `out`: a new one, or that of an interrupted run of the same `key`.
    ///
    /// # Errors
    /// Where there is none to go on from, or it is of other settings.
    pub(super) fn open(out: &Path, key: &str, resume: bool) -> Result<Self, Failure> {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let path = out.with_file_name(format!(".{name}.partial"));
        let place = || path.display().to_string();
        let header = Sha256::digest(format!("cislens {} journal 1; {key}", env!("CARGO_PKG_VERSION")).as_bytes());
        if !resume {
            let mut file = File::create(&path).with_context(place)?;
            file.write_all(&header).with_context(place)?;
            return Ok(Self { path, file, reader: None, length: header.len() as u64, is_kept: false });
        }
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Failure::Usage(format!("--resume: no interrupted run of {}", out.display())));
            }
            Err(e) => return Err(anyhow!("{}: {e}", path.display()).into()),
        };
        let mut found = vec![0; header.len()];
        if file.read_exact(&mut found).is_err() || found != header.as_slice() {
            return Err(Failure::Usage(format!("--resume: {} is of another model, input or other settings", path.display())));
        }
        let reader = Some(BufReader::new(file.try_clone().with_context(place)?));
        Ok(Self { path, file, reader, length: header.len() as u64, is_kept: true })
    }

    /// The next finished result of the interrupted run; `None` after the last whole one.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Finished<T>>, Failure> {
        let Some(reader) = &mut self.reader else { return Ok(None) };
        let record = read_record(reader);
        match record {
            Some((bytes, finished)) => {
                self.length += bytes;
                Ok(Some(finished))
            }
            None => {
                // What was cut short is written again.
                self.reader = None;
                self.file.set_len(self.length).with_context(|| self.path.display().to_string())?;
                self.file.seek(std::io::SeekFrom::End(0)).with_context(|| self.path.display().to_string())?;
                Ok(None)
            }
        }
    }

    /// Keeps a finished result.
    pub(super) fn push<T: Serialize>(&mut self, finished: &Finished<T>) -> Result<(), Failure> {
        let bytes = postcard::to_allocvec(finished).map_err(|e| anyhow!("{}: {e}", self.path.display()))?;
        let mut record = (bytes.len() as u32).to_le_bytes().to_vec();
        record.extend(&Sha256::digest(&bytes)[..DIGEST_BYTES]);
        record.extend(bytes);
        self.file.write_all(&record).with_context(|| self.path.display().to_string())?;
        self.length += record.len() as u64;
        Ok(())
    }

    /// Leaves it for the next run.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes it: the output is written.
    pub(super) fn remove(mut self) {
        self.is_kept = false;
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.is_kept {
            // Left behind it would only be overwritten.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A record and its bytes; `None` at the end and where the rest is damaged.
fn read_record<T: DeserializeOwned>(reader: &mut impl Read) -> Option<(u64, Finished<T>)> {
    let mut head = [0; 4 + DIGEST_BYTES];
    reader.read_exact(&mut head).ok()?;
    let (length, digest) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().ok()?);
    if length > MOST_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut bytes).ok()?;
    let is_whole = bytes.len() == length as usize && Sha256::digest(&bytes)[..DIGEST_BYTES] == *digest;
    let finished = if is_whole { postcard::from_bytes(&bytes).ok()? } else { return None };
    Some(((head.len() + bytes.len()) as u64, finished))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribution::Attribution;

    fn result(score: f64) -> Finished<Attribution> {
        Ok(Attribution { score, marks: Some(vec![1.0, f32::NAN]), ..Attribution::default() })
    }

    fn scores(journal: &mut Journal) -> Vec<f64> {
        let mut scores = Vec::new();
        while let Ok(Some(finished)) = journal.next::<Attribution>() {
            scores.push(finished.map_or(-1.0, |result| result.score));
        }
        scores
    }

    #[test]
    fn an_interrupted_run_goes_on_after_its_last_whole_result() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.npz");
        let open = |key: &str, resume| Journal::open(&out, key, resume);
        let Ok(mut journal) = open("k", false) else { panic!("it opens") };
        for finished in [result(1.0), Err("gone".to_owned()), result(3.0)] {
            assert!(journal.push(&finished).is_ok());
        }
        journal.keep();
        drop(journal);
        assert!(matches!(open("other", true), Err(Failure::Usage(reason)) if reason.contains("other settings")));
        let path = folder.path().join(".a.npz.partial");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let Ok(mut journal) = open("k", true) else { panic!("it opens") };
        assert_eq!(scores(&mut journal), [1.0, -1.0]);
        assert!(journal.push(&result(3.5)).is_ok());
        drop(journal);
        let Ok(mut journal) = open("k", true) else { panic!("it opens") };
        assert_eq!(scores(&mut journal), [1.0, -1.0, 3.5]);
        journal.remove();
        assert!(!path.exists());
        assert!(matches!(open("k", true), Err(Failure::Usage(reason)) if reason.contains("no interrupted run")));
    }
}
