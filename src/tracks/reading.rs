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

/// Tells how far a file of `len` bytes was read.
pub(super) struct Telling {
    path: PathBuf,
    told: u64,
    len: u64,
}

impl Telling {
    /// Nothing is read yet.
    pub(super) fn new(path: &Path, len: u64) -> Self {
        Self { path: path.to_owned(), told: 0, len }
    }

    /// So many bytes were read, from the start.
    pub(super) fn tell(&mut self, read: u64, is_over: bool) {
        if read - self.told >= STEP || (is_over && self.told < read) {
            self.told = read;
            TELL.with_borrow(|tell| tell.iter().for_each(|tell| tell(&self.path, read, self.len)));
        }
    }
}

/// A file that tells how far it was read.
pub(super) struct Told<R> {
    file: R,
    read: u64,
    telling: Telling,
}

impl<R> Told<R> {
    /// Nothing of it is read yet.
    pub(super) fn new(file: R, telling: Telling) -> Self {
        Self { file, read: 0, telling }
    }

    /// Bytes read so far.
    pub(super) fn read_so_far(&self) -> u64 {
        self.read
    }
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.read += n as u64;
        self.telling.tell(self.read, n == 0);
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
