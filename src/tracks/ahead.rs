//! Gzipped text inflated on a thread of its own, some blocks ahead of who takes its lines apart: each takes about as long.

use super::reading::{Telling, Told};
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes inflated at a time.
const BLOCK: usize = 1 << 16;
/// Blocks that wait to be read at most.
const MOST_WAITING: usize = 8;

/// Text, and how much of the file it took so far. The last has no text.
struct Block {
    text: Vec<u8>,
    read: u64,
}

/// What a gzipped file holds. Whoever drops it before the end stops the thread at its next block.
pub(super) struct Ahead {
    blocks: Receiver<io::Result<Block>>,
    block: Block,
    at: usize,
    is_over: bool,
    telling: Telling,
}

impl Ahead {
    /// Begins to inflate `file`. What it tells is heard by nobody on its new thread: `telling` says it where it is read.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn start(file: BufReader<Told<impl Read + Send + 'static>>, telling: Telling) -> io::Result<Self> {
        let (give, blocks) = sync_channel(MOST_WAITING);
        std::thread::Builder::new().name("inflate".to_owned()).spawn(move || inflate(file, &give))?;
        Ok(Self { blocks, block: Block { text: Vec::new(), read: 0 }, at: 0, is_over: false, telling })
    }
}

/// Gives the blocks of a file until its end, an error, or nobody wants more.
fn inflate(file: BufReader<Told<impl Read>>, give: &SyncSender<io::Result<Block>>) {
    let mut file = MultiGzDecoder::new(file);
    loop {
        let mut text = Vec::with_capacity(BLOCK);
        let inflated = (&mut file).take(BLOCK as u64).read_to_end(&mut text);
        let read = file.get_ref().get_ref().read_so_far();
        let is_over = inflated.is_err() || text.is_empty();
        // What was inflated before damage is read first, and damage is no end.
        let has_block = inflated.is_ok() || !text.is_empty();
        if has_block && give.send(Ok(Block { text, read })).is_err() {
            return;
        }
        if let Err(error) = inflated {
            let _ = give.send(Err(error)); // nobody may want it any more
        }
        if is_over {
            return;
        }
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.block.text.len() && !self.is_over {
            let ended = |_| Err(io::Error::other("internal error: inflating it ended early"));
            self.block = self.blocks.recv().unwrap_or_else(ended)?;
            self.at = 0;
            self.is_over = self.block.text.is_empty();
            self.telling.tell(self.block.read, self.is_over);
        }
        Ok(&self.block.text[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at = (self.at + n).min(self.block.text.len());
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use std::path::Path;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn telling() -> Telling {
        Telling::new(Path::new("a.gz"), 1 << 20)
    }

    fn file<R: Read>(file: R) -> BufReader<Told<R>> {
        BufReader::new(Told::new(file, telling()))
    }

    fn ahead(bytes: Vec<u8>) -> Ahead {
        Ahead::start(file(io::Cursor::new(bytes)), telling()).unwrap()
    }

    /// Text that does not compress well, of several blocks.
    fn text(lines: u64) -> Vec<u8> {
        (0..lines).flat_map(|i| format!("{i}\t{:x}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into_bytes()).collect()
    }

    #[test]
    fn blocks_of_every_member_come_in_order() {
        for lines in [0, 1, 50_000] {
            let whole = text(lines);
            let mut read = Vec::new();
            ahead(gzip(&whole)).read_to_end(&mut read).unwrap();
            assert!(read == whole, "{lines}");
            let members = [gzip(&whole), gzip(b""), gzip(&whole)].concat();
            let mut lines_read = 0;
            for line in ahead(members).split(b'\n') {
                line.unwrap();
                lines_read += 1;
            }
            assert_eq!(lines_read, 2 * lines);
        }
    }

    #[test]
    fn what_comes_before_damage_is_read_and_then_the_damage_is_said() {
        let whole = text(50_000);
        let mut bytes = gzip(&whole);
        bytes.truncate(bytes.len() / 2);
        let mut read = Vec::new();
        let error = ahead(bytes).read_to_end(&mut read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(read.len() > whole.len() / 3 && whole.starts_with(&read), "{}", read.len());
    }

    #[test]
    fn a_thread_that_ends_without_the_end_is_no_end_of_the_file() {
        struct Panics;
        impl Read for Panics {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                panic!("as a decoder might")
            }
        }
        let mut ahead = Ahead::start(file(Panics), telling()).unwrap();
        assert!(ahead.fill_buf().unwrap_err().to_string().contains("ended early"));
    }

    #[test]
    fn nobody_waits_for_a_text_that_is_not_read_to_its_end() {
        let (give, blocks) = sync_channel(1);
        let bytes = gzip(&text(200_000));
        let thread = std::thread::spawn(move || inflate(file(io::Cursor::new(bytes)), &give));
        assert!(blocks.recv().unwrap().is_ok());
        drop(blocks);
        thread.join().unwrap();
    }
}
