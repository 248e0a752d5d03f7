//! NumPy's `.npz`, one array a parameter, named as in a state dict.

use super::checkpoint::{CheckpointFormat, MAX_FILE_BYTES, Tensors};
use crate::tracks::{NpzReader, Values};
use candle_core::{Device, Tensor};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The entry of [`super::FORMATS`].
pub(super) const FORMAT: CheckpointFormat = CheckpointFormat {
    name: "NumPy",
    about: "arrays by name (.npz)",
    is_format: |path, start| start.starts_with(b"PK\x03\x04") && has_entry(path, ".npy"),
    read,
};

/// A packed array may be so many times as large as the whole file.
const LARGEST_GAIN: u64 = 64;

/// Whether a zip archive has an entry whose name ends so.
pub(super) fn has_entry(path: &Path, end: &str) -> bool {
    let archive = File::open(path).ok().and_then(|file| zip::ZipArchive::new(BufReader::new(file)).ok());
    archive.is_some_and(|archive| archive.file_names().any(|name| name.is_ok_and(|name| name.ends_with(end))))
}

fn read(path: &Path) -> Result<Tensors, String> {
    let file = File::open(path).map_err(|e| e.to_string())?;
    let bytes = file.metadata().map_err(|e| e.to_string())?.len();
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| e.to_string())?;
    let mut unpacked = 0_u64;
    for i in 0..archive.len() {
        unpacked = unpacked.saturating_add(archive.by_index_raw(i).map_err(|e| e.to_string())?.size());
    }
    if unpacked > bytes.saturating_mul(LARGEST_GAIN).min(MAX_FILE_BYTES) {
        return Err(format!("its arrays are said to hold {unpacked} bytes in a file of {bytes}"));
    }
    let mut reader = NpzReader::open(path).map_err(|e| e.to_string())?;
    let mut tensors = Tensors::new();
    for name in reader.names() {
        let array = reader.read(&name).map_err(|e| e.to_string())?;
        let shape = array.shape.clone();
        let tensor = match &array.values {
            // What says which program wrote the file is no weight.
            Values::Text(_) => continue,
            Values::F64(values) => Tensor::from_slice(values, shape, &Device::Cpu),
            _ => {
                let values = array.to_f32().ok_or_else(|| format!("array {name} holds no numbers"))?;
                Tensor::from_vec(values, shape, &Device::Cpu)
            }
        };
        tensors.insert(name.clone(), tensor.map_err(|e| format!("array {name}: {e}"))?);
    }
    Ok(tensors)
}
