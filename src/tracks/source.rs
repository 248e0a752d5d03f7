//! The bytes of a file from any place in it.

use super::TrackError;
use super::lines::open_regular;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// An open file. Clones share it, and the place they read from: seek before every read.
#[derive(Clone)]
pub(super) enum Source {
    /// A regular file.
    Disk(Arc<File>),
}

impl Source {
    /// Opens a file and gives its length.
    pub(super) fn open(path: &Path) -> Result<(Self, u64), TrackError> {
        let (file, len) = open_regular(path)?;
        Ok((Self::Disk(Arc::new(file)), len))
    }

    /// Fills `buffer` from a place in the file.
    pub(super) fn read_at(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(at))?;
        self.read_exact(buffer)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.read(buffer),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Disk(file) => file.seek(to),
        }
    }
}
