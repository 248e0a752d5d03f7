//! Why motifs could not be read or used.

use std::path::PathBuf;

/// Why motifs could not be read or used.
#[derive(Debug, thiserror::Error)]
pub enum MotifError {
    /// A file.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why, with the line.
        reason: String,
    },
    /// A matrix that is none.
    #[error("motif {name}: {reason}")]
    Matrix {
        /// Its name, or its consensus.
        name: String,
        /// Why.
        reason: String,
    },
    /// Factors without a motif.
    #[error("no motif of {0}")]
    NoMotif(String),
}
