//! Keeping edits in a session's file, which stays as its owner wrote it otherwise.

use super::{Edit, SessionFile};
use crate::tracks::{TrackError, write_whole};
use std::io::Write;
use std::path::Path;
use toml_edit::{Array, DocumentMut, value};

/// Writes `edits` into the session file, in place of those it has; comments and order of everything else stay.
///
/// # Errors
/// Where the file cannot be read or written, or is no session: it is then left as it was.
pub fn save_edits(path: &Path, edits: &[Edit]) -> Result<(), TrackError> {
    let text = std::fs::read_to_string(path).map_err(|e| TrackError::io(path, e))?;
    let wrong = |reason: String| TrackError::malformed(path, "session", reason);
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| wrong(e.to_string()))?;
    if edits.is_empty() {
        document.remove("edits");
    } else {
        let mut array: Array = edits.iter().map(Edit::to_string).collect();
        array.iter_mut().for_each(|item| item.decor_mut().set_prefix("\n    "));
        array.set_trailing("\n");
        array.set_trailing_comma(true);
        document["edits"] = value(array);
    }
    let text = document.to_string();
    toml::from_str::<SessionFile>(&text).map_err(|e| wrong(e.to_string()))?;
    write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;

    #[test]
    fn edits_come_back_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.toml");
        std::fs::write(folder.path().join("sizes"), "chr1\t50000\n").unwrap();
        std::fs::write(folder.path().join("a.bw"), "").unwrap();
        let before = "# mine\nversion = 1\n[genome]\nsizes = \"sizes\" # here\n[[track]]\nfile = \"a.bw\"\nmark = \"H3K4me3\"\n";
        std::fs::write(&path, before).unwrap();
        let session = Session::open(&path).unwrap();
        let words = crate::session::EditWords::new(&session, Vec::new());
        let texts = ["chr1:20,001 A>G", "blank H3K4me3 chr1:11-14", "insert ACGT before chr1:7"];
        let edits = crate::session::parse_edits(texts, &words).unwrap();
        save_edits(&path, &edits).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n") && text.contains("# here"), "{text}");
        let again = Session::open(&path).unwrap();
        assert_eq!((again.edits, again.warnings.len()), (edits, 0));
        save_edits(&path, &[]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        std::fs::write(&path, format!("edits = [\"fly\"]\n{before}")).unwrap();
        let warned = Session::open(&path).unwrap();
        assert!(warned.edits.is_empty() && warned.warnings[0].contains("fly"), "{:?}", warned.warnings);
        std::fs::write(&path, "not a session").unwrap();
        assert!(save_edits(&path, &[]).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "not a session");
    }
}
