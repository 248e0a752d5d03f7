//! What can be wrong with a file, said with the file, the place and the reason.

use crate::genome::{ChromSizes, Region};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file, or a place in it, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// The operating system's answer, or a reader's.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The file's content is not what its format asks.
    #[error("{}: {place}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where in it (`line 3`, `header`, `chr1:1-100`).
        place: String,
        /// What is wrong there, with the value.
        reason: String,
    },
    /// The chromosome asked for is not in the file.
    #[error("{}: no chromosome \"{chrom}\" in this file; it has {known}", path.display())]
    UnknownChrom {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        chrom: String,
        /// Names it has, in short.
        known: String,
    },
    /// What was said of the file before.
    #[error("{0}")]
    Repeated(String),
    /// No reader for this kind of file.
    #[error("{}: {reason}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What was expected.
        reason: String,
    },
}

impl TrackError {
    /// An error of the operating system at a file.
    pub fn io(path: &Path, reason: io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason }
    }

    /// Malformed content at a place of a file.
    pub fn malformed(path: &Path, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), place: place.into(), reason: reason.into() }
    }

    /// A chromosome the file, or the genome it is written for, does not have.
    pub fn unknown_chrom(path: &Path, chrom: &str, known: &ChromSizes) -> Self {
        Self::UnknownChrom { path: path.to_owned(), chrom: chrom.to_owned(), known: known.names_in_short() }
    }

    /// Refuses a region whose bases, one by one, would take too much memory.
    pub(super) fn refuse_longer(path: &Path, region: &Region, most: u64) -> Result<(), Self> {
        match region.len() <= most {
            true => Ok(()),
            false => {
                let reason = format!("{} bases are too many to read at once; at most {most}", region.len());
                Err(Self::malformed(path, region.to_string(), reason))
            }
        }
    }
}

/// Something read, with what the reader has to say about it (lines skipped, an odd header).
#[derive(Debug)]
pub struct Loaded<T> {
    /// What was read.
    pub value: T,
    /// Sentences for the messages panel, each naming file and place.
    pub warnings: Vec<String>,
}

impl<T> Loaded<T> {
    /// Read without a remark.
    pub fn clean(value: T) -> Self {
        Self { value, warnings: Vec::new() }
    }

    /// The same remarks about something made from the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Loaded<U> {
        Loaded { value: f(self.value), warnings: self.warnings }
    }
}
