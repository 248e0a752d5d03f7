//! Lines on standard output.

use super::Failure;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stdout};
use std::sync::OnceLock;

/// Why a line could not be written.
static FAILED: OnceLock<String> = OnceLock::new();

/// Writes a line. A reader that has gone, as `head` does, wants no more of them.
pub(super) fn say(text: Arguments<'_>) {
    match writeln!(stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(FAILED.set(error.to_string())),
        _ => {}
    }
}

/// That every line could be written.
pub(super) fn check() -> Result<(), Failure> {
    if let Err(error) = stdout().flush()
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(error.to_string()); // the first reason is kept
    }
    FAILED.get().map_or(Ok(()), |reason| Err(anyhow::anyhow!("standard output: {reason}").into()))
}
