//! What can be wrong with a model or its input.

use std::path::PathBuf;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `model.toml` says something this program cannot follow.
    #[error("model.toml: {0}")]
    Manifest(String),
    /// Weights that are absent or of another shape.
    #[error("weight {name}: expected {expected}, found {found}")]
    Weight {
        /// Parameter name.
        name: String,
        /// Shape the manifest asks for.
        expected: String,
        /// Shape in the file, or "nothing".
        found: String,
    },
    /// The sample cannot feed the model.
    #[error("{0}")]
    Input(String),
    /// The network gives no gradients.
    #[error("needs gradients, which the command of model {0} does not offer (external.gradient in model.toml)")]
    NoGradient(String),
    /// A value that is not a number reached the network, or came out of it.
    #[error("{place}: {value} is not a finite number")]
    NotFinite {
        /// Which input or output.
        place: String,
        /// The value.
        value: f64,
    },
}
