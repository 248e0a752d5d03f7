//! The program that was built with CUDA, beside this one. CUDA's libraries are bound as a program starts: one built with them does not
//! start where there is no driver, so that this one, which starts anywhere, goes on as that one where it does.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `cargo install --features cuda --bin cislens-cuda` makes.
const NAME: &str = "cislens-cuda";

/// Goes on as the program with CUDA, with the same arguments. Returns only where there is none that starts here.
pub(super) fn hand_over() {
    if let Ok(program) = find() {
        // Where that fails this program goes on, and asks `why_not` when it comes to the device.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).exec();
    }
}

/// Why this program did not go on as the one with CUDA.
pub(super) fn why_not() -> String {
    match find() {
        Ok(program) => format!("{} could not be started", program.display()),
        Err(reason) => reason,
    }
}

/// The program with CUDA, if it starts.
fn find() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|e| format!("where this program lies is not known: {e}"))?;
    let program = here.with_file_name(NAME);
    if !program.is_file() {
        return Err(format!("this program was built without it, and there is no {NAME} beside it"));
    }
    check(&program).map(|()| program)
}

fn check(program: &Path) -> Result<(), String> {
    let answer = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let answer = answer.map_err(|e| format!("{NAME} does not start: {e}"))?;
    let said = |bytes: &[u8]| crate::tracks::clean_text(String::from_utf8_lossy(bytes).trim()).into_owned();
    if !answer.status.success() {
        return Err(format!("{NAME} does not start: {}", said(&answer.stderr)));
    }
    let (version, ours) = (said(&answer.stdout), concat!("cislens ", env!("CARGO_PKG_VERSION")));
    if version == ours { Ok(()) } else { Err(format!("{NAME} is {version}, this is {ours}")) }
}
