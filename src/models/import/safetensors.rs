//! Safetensors, named as in a state dict.

use super::checkpoint::{CheckpointFormat, Tensors, read_bounded};
use candle_core::Device;
use std::path::Path;

/// The entry of [`super::FORMATS`].
pub(super) const FORMAT: CheckpointFormat = CheckpointFormat {
    name: "safetensors",
    about: "safetensors",
    // The length of the header, then the header, which is JSON.
    is_format: |path, start| start.get(8) == Some(&b'{') || path.extension().is_some_and(|e| e == "safetensors"),
    read,
};

/// Names and shapes; they grow when they are parsed.
const MAX_HEADER_BYTES: u64 = 1 << 22;

fn read(path: &Path) -> Result<Tensors, String> {
    let bytes = read_bounded(path)?;
    let header = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    if header > MAX_HEADER_BYTES {
        return Err(format!("a header of {header} bytes"));
    }
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(|e| e.to_string())?;
    Ok(tensors.into_iter().collect())
}
