//! Texts that are read whole: lists, settings, sessions.

use std::fs::File;
use std::io::{Error, Read, Result};
use std::path::Path;

/// Longer ones are no such text.
const MOST_BYTES: u64 = 64 << 20;

/// The text of a file. A pipe or device is refused: reading one may never end.
///
/// # Errors
/// Where it is no file, cannot be read, is not UTF-8 or longer than 64 MiB.
pub fn read_text(path: &Path) -> Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(Error::other(if path.is_dir() {
            "this is a folder, not a file"
        } else {
            "this is a pipe or device, not a file"
        }));
    }
    read_text_or_pipe(path)
}

/// As [`read_text`], of a pipe too: what a shell makes of `<(cut -f 1 genes.tsv)`.
///
/// # Errors
/// As [`read_text`].
pub fn read_text_or_pipe(path: &Path) -> Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(Error::other(format!("more than {} MiB are no such text", MOST_BYTES >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of genes that was a pipe nobody wrote to froze the browser; one that never ended took all memory.
    #[test]
    fn pipes_and_devices_are_no_texts_and_none_is_read_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let [list, pipe] = ["list.txt", "pipe"].map(|name| folder.path().join(name));
        std::fs::write(&list, "A\nB\n").unwrap();
        assert_eq!(read_text(&list).unwrap(), "A\nB\n");
        assert_eq!(read_text_or_pipe(&list).unwrap(), "A\nB\n");
        assert!(read_text(folder.path()).unwrap_err().to_string().contains("a folder"));
        std::fs::write(&list, [0xff, 0xfe]).unwrap();
        assert!(read_text(&list).is_err());
        #[cfg(unix)]
        {
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            assert!(read_text(&pipe).unwrap_err().to_string().contains("a pipe or device"));
            let endless = read_text_or_pipe(Path::new("/dev/zero")).unwrap_err();
            assert!(endless.to_string().contains("64 MiB"), "{endless}");
        }
    }
}
