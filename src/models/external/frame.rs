//! Messages to and from a command: the length in 8 bytes, little-endian, then an `.npz`.

use crate::tracks::{Array, npz_from_bytes, npz_to_bytes};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// Bytes of a message. A batch of 64 windows of 10,000 bases with five marks has 23 million.
const MAX_BYTES: u64 = 1 << 30;

/// Arrays by name.
pub(super) type Arrays = BTreeMap<String, Array>;

/// A message's bytes, with their length before them.
pub(super) fn encode(arrays: &Arrays) -> Result<Vec<u8>, String> {
    let bytes = npz_to_bytes(&arrays.iter().map(|(name, array)| (name.as_str(), array)).collect::<Vec<_>>());
    let bytes = bytes.map_err(|e| e.to_string())?;
    Ok([&(bytes.len() as u64).to_le_bytes()[..], &bytes].concat())
}

/// The arrays of a message without its length.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Arrays, String> {
    npz_from_bytes(bytes)
}

/// The next message without its length; `None` at the end. Memory grows as bytes come, not by what is said to follow.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = Vec::new();
    if from.by_ref().take(8).read_to_end(&mut length)? == 0 {
        return Ok(None);
    }
    let ended = || io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ends within a message");
    let length = length.first_chunk().map(|n| u64::from_le_bytes(*n)).ok_or_else(ended)?;
    if length > MAX_BYTES {
        let reason = format!("a message of {length} bytes is announced: is something else printed to standard output?");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut bytes = Vec::new();
    match from.by_ref().take(length).read_to_end(&mut bytes)? as u64 == length {
        true => Ok(Some(bytes)),
        false => Err(ended()),
    }
}

/// Writes a message that [`encode`] made.
pub(super) fn write(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    to.write_all(message)?;
    to.flush()
}
