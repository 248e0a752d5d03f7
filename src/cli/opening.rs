//! Opening a session: with a bar where a long text has to be read, and genes kept for the next time.

use super::cache;
use crate::session::{Session, SessionError};
use crate::tracks::{WATCHED_BYTES, clean_text, keep_genes_in, while_telling};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Reads a session file and everything that it needs at once.
pub(super) fn open_session(path: &Path) -> Result<Session, SessionError> {
    watched(|| Session::open(path))
}

/// Runs `open`; where it reads a long text file, a bar on standard error (if that is a terminal) says how far it is.
pub(super) fn watched<T>(open: impl FnOnce() -> T) -> T {
    let bar: RefCell<Option<(PathBuf, ProgressBar)>> = RefCell::default();
    let tell = move |path: &Path, read: u64, len: u64| {
        let mut bar = bar.borrow_mut();
        if len < WATCHED_BYTES {
            return;
        }
        if bar.as_ref().is_none_or(|(shown, _)| shown != path) {
            *bar = Some((path.to_owned(), bar_of(path, len)));
        }
        bar.iter().for_each(|(_, bar)| bar.set_position(read));
    };
    while_telling(tell, open)
}

fn bar_of(path: &Path, len: u64) -> ProgressBar {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let style = ProgressStyle::with_template("reading {msg} {bar:30} {bytes} of {total_bytes}  {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style).with_message(clean_text(&name).into_owned()).with_finish(ProgressFinish::AndClear)
}

/// Lets genes of long annotations be kept on disk.
pub(super) fn keep_genes() {
    // Without a home folder the text is read each time.
    cache::annotations().into_iter().for_each(keep_genes_in);
}
