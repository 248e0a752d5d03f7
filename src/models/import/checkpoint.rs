//! The files that weights come in. One format a file, one line of [`FORMATS`] each.

use super::{hdf5, npz, safetensors, tensorflow, torch};
use crate::models::ModelError;
use candle_core::Tensor;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Weights by name, as a file has them.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Larger files are refused unread: the published networks have at most some ten megabytes.
pub(super) const MAX_FILE_BYTES: u64 = 2 << 30;

/// A kind of file with weights.
pub struct CheckpointFormat {
    /// What messages call it.
    pub name: &'static str,
    /// One line of what is read.
    pub about: &'static str,
    /// Whether a file is of this kind, by its name and its first bytes.
    pub(super) is_format: fn(&Path, &[u8]) -> bool,
    /// Reads every tensor.
    pub(super) read: fn(&Path) -> Result<Tensors, String>,
}

/// Every kind that `cislens import` reads, in the order in which they are tried.
pub const FORMATS: &[CheckpointFormat] = &[tensorflow::FORMAT, npz::FORMAT, torch::FORMAT, hdf5::FORMAT, safetensors::FORMAT];

/// Reads the weights of a file of any kind.
///
/// # Errors
/// Where the file is none of [`FORMATS`], damaged, or holds no weights.
pub fn read_checkpoint(path: &Path) -> Result<BTreeMap<String, Tensor>, ModelError> {
    let error = |reason: String| ModelError::File { path: path.to_owned(), reason };
    let start = first_bytes(path).map_err(error)?;
    let Some(format) = FORMATS.iter().find(|format| (format.is_format)(path, &start)) else {
        let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        let shown: String = start.iter().take(8).map(|byte| format!(" {byte:02x}")).collect();
        return Err(error(format!("no weights of a kind read here ({}); it begins with{shown}", names.join(", "))));
    };
    let tensors = (format.read)(path).map_err(|reason| error(format!("not readable as {} weights: {reason}", format.name)))?;
    match tensors.is_empty() {
        true => Err(error(format!("{}: no tensor in it", format.name))),
        false => Ok(tensors),
    }
}

/// The beginning of a file; nothing of a folder.
fn first_bytes(path: &Path) -> Result<Vec<u8>, String> {
    if path.is_dir() {
        return Ok(Vec::new());
    }
    if !path.exists() && tensorflow::is_prefix(path) {
        return Ok(Vec::new());
    }
    let mut start = Vec::new();
    let metadata = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(64).read_to_end(&mut start).map_err(|e| e.to_string())?;
    Ok(start)
}

/// The whole of a regular file of at most [`MAX_FILE_BYTES`].
pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let metadata = file.metadata().map_err(|e| e.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("{} bytes, more than the {MAX_FILE_BYTES} read here", metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}
