//! The bytes of a file from any place in it, on disk or behind a URL.

use super::TrackError;
use super::lines::open_regular;
use super::remote::{Remote, is_url};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// An open file. Clones share it, and on disk the place they read from: seek before every read.
#[derive(Clone)]
pub(super) enum Source {
    /// A regular file.
    Disk(Arc<File>),
    /// A file on a server.
    Remote(Box<Remote>),
}

impl Source {
    /// Opens a file and gives its length.
    pub(super) fn open(path: &Path) -> Result<(Self, u64), TrackError> {
        if is_url(path) {
            let opened = Remote::open(path.to_str().unwrap_or_default());
            let (file, len) = opened.map_err(|e| TrackError::io(path, e))?;
            return Ok((Self::Remote(Box::new(file)), len));
        }
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
            Self::Remote(file) => file.read(buffer),
        }
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Disk(file) => file.seek(to),
            Self::Remote(file) => file.seek(to),
        }
    }
}
