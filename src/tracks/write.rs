//! Writing a file whole or not at all: a temporary name in the same folder, synced, then renamed.

use super::TrackError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Of the names of files being written.
const PREFIX: &str = ".writing-";

/// Writes `path` through `fill`; whatever stood there before stays until the new content is complete on disk.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), TrackError>) -> Result<(), TrackError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |reason| TrackError::io(path, reason);
    let temporary = begin(folder).map_err(io)?;
    let mut out = BufWriter::new(temporary.reopen().map_err(io)?);
    fill(&mut out)?;
    out.flush().map_err(io)?;
    put(temporary, path)
}

/// A temporary file in `folder`, locked for as long as it is written. What killed programs left there is removed first: no lock is held
/// on it any more.
pub(super) fn begin(folder: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(folder);
    loop {
        let temporary = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder).map_err(without_name)?;
        // A file system without locks keeps what was abandoned, and takes what is written.
        let is_locked = temporary.as_file().try_lock().is_ok();
        // Between its making and its lock another writer may have taken it for abandoned.
        if !is_locked || temporary.path().exists() {
            return Ok(temporary);
        }
    }
}

/// The reason without the temporary file's name, which nobody chose; tempfile has it in its text alone.
fn without_name(error: io::Error) -> io::Error {
    match error.to_string().rsplit_once(" at path ") {
        Some((reason, _)) => io::Error::new(error.kind(), reason.to_owned()),
        None => error,
    }
}

fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX)) {
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // Whoever cannot remove it loses nothing by it.
            fs::remove_file(entry.path()).ok();
        }
    }
}

/// Syncs a finished temporary file and gives it its name.
pub(super) fn put(temporary: NamedTempFile, path: &Path) -> Result<(), TrackError> {
    let io = |reason| TrackError::io(path, reason);
    #[cfg(unix)]
    {
        // A temporary file is private to its owner; a result is as readable as any other new file.
        use std::os::unix::fs::PermissionsExt;
        temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(io)?;
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
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        let nowhere = write_whole(&folder.path().join("none/a.txt"), |_| Ok(())).unwrap_err().to_string();
        assert!(nowhere.contains("none/a.txt: ") && !nowhere.contains(PREFIX), "{nowhere}");
    }

    #[test]
    fn what_a_killed_program_left_is_removed_and_what_another_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = folder.path().join(".writing-killed");
        fs::write(&abandoned, "half").unwrap();
        let of_another = begin(folder.path()).unwrap();
        assert!(!abandoned.exists());
        write_whole(&folder.path().join("a.txt"), |_| Ok(())).unwrap();
        assert!(of_another.path().exists());
        put(of_another, &folder.path().join("b.txt")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
