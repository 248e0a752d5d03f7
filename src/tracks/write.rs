//! Writing a file whole or not at all: a temporary name in the same folder, synced, then renamed.

use super::TrackError;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes `path` through `fill`; whatever stood there before stays until the new content is complete on disk.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), TrackError>) -> Result<(), TrackError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |reason| TrackError::io(path, reason);
    let temporary = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map_err(io)?;
    let mut out = BufWriter::new(temporary.reopen().map_err(io)?);
    fill(&mut out)?;
    out.flush().map_err(io)?;
    put(temporary, path)
}

/// Syncs a finished temporary file and gives it its name.
pub(super) fn put(temporary: tempfile::NamedTempFile, path: &Path) -> Result<(), TrackError> {
    let io = |reason| TrackError::io(path, reason);
    #[cfg(unix)]
    {
        // A temporary file is private to its owner; a result is as readable as any other new file.
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).map_err(io)?;
    }
    temporary.as_file().sync_all().map_err(io)?;
    temporary.persist(path).map_err(|e| io(e.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_whole(&path, |out| out.write_all(b"first").map_err(|e| TrackError::io(&path, e))).unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half").map_err(|e| TrackError::io(&path, e))?;
            Err(TrackError::malformed(&path, "record 2", "stop"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }
}
