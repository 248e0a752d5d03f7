//! How far a long file has been read, told to whoever waits for it.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes between two tellings: a bar of 200 steps over the shortest file that anybody waits for.
const STEP: u64 = 1 << 20;

type Tell = Box<dyn Fn(&Path, u64, u64)>;

/// Bytes from which reading a text takes long enough to be watched.
pub const WATCHED_BYTES: u64 = 32 << 20;

thread_local! {
    static TELL: RefCell<Option<Tell>> = const { RefCell::new(None) };
}

/// Runs `work`; while text files are read in it on this thread, `tell` hears which, how many of its bytes were read, and of how many:
/// unless somebody hears of it already.
pub fn while_telling<T>(tell: impl Fn(&Path, u64, u64) + 'static, work: impl FnOnce() -> T) -> T {
    /// Takes the listener back also where `work` panics.
    struct Unset;
    impl Drop for Unset {
        fn drop(&mut self) {
            TELL.set(None);
        }
    }
    if TELL.with_borrow(Option::is_some) {
        return work();
    }
    TELL.set(Some(Box::new(tell)));
    let _unset = Unset;
    work()
}

/// A file that tells how far it was read.
pub(super) struct Told<R> {
    file: R,
    path: PathBuf,
    read: u64,
    told: u64,
    len: u64,
}

impl<R> Told<R> {
    /// A file of `len` bytes.
    pub(super) fn new(file: R, path: &Path, len: u64) -> Self {
        Self { file, path: path.to_owned(), read: 0, told: 0, len }
    }
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read += n as u64;
        if self.read - self.told >= STEP || (n == 0 && self.told < self.read) {
            self.told = self.read;
            TELL.with_borrow(|tell| tell.iter().for_each(|tell| tell(&self.path, self.read, self.len)));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn who_waits_hears_of_every_step_and_of_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "chr1\t1\t2\n".repeat(500_000)).unwrap();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let hears = heard.clone();
        let read = || crate::tracks::read_text_lines(file.path(), &mut |_| {});
        let nobody = |_: &Path, _, _| panic!("somebody hears of it already");
        while_telling(move |_, read, len| hears.borrow_mut().push((read, len)), || while_telling(nobody, read)).unwrap();
        let heard = heard.take();
        assert!(heard.is_sorted() && heard.len() >= 4, "{heard:?}");
        assert_eq!(heard.last(), Some(&(4_500_000, 4_500_000)));
        read().unwrap(); // nobody listens any more
    }
}
