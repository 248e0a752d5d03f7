//! Measured data beside the project; tests that want it skip, and say so, where it is absent.

use std::path::{Path, PathBuf};

/// A file of measured data beside the project, where it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path.canonicalize().unwrap())
}
