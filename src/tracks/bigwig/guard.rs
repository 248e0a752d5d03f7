//! bigtools' file access with its panics contained and its appetite bounded.
//!
//! bigtools 0.5.8 unwraps the result of unpacking a block, believes a block's size before reading it, follows an index that
//! leads back to itself, and its cached reader keeps 5,000 blocks. Each is met here; what is left is caught around the query.

use crate::tracks::source::Source;
use bigtools::{BBIFileInfo, BBIFileRead, Block, CachedBBIFileRead};
use byteordered::Endianness;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Unpacked blocks kept per reader, bytes: a screen at base resolution, not a chromosome.
const KEPT_BYTES: usize = 2 << 20;
/// Index nodes kept per reader; a node has up to 256 entries of 32 bytes.
const KEPT_NODES: usize = 256;

thread_local! {
    /// A depth, not a flag: an inner containment must not end the outer one.
    static CONTAINED: Cell<u32> = const { Cell::new(0) };
}

/// Whether a panic on this thread is about to be caught and turned into an error, so that a panic hook should stay silent.
pub fn is_contained_panic() -> bool {
    CONTAINED.get() > 0
}

/// Runs `f`; a panic in it becomes its message.
pub fn contain_panic<T>(f: impl FnOnce() -> T) -> Result<T, String> {
    CONTAINED.set(CONTAINED.get() + 1);
    let result = catch_unwind(AssertUnwindSafe(f));
    CONTAINED.set(CONTAINED.get() - 1);
    result.map_err(|panic| match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic without a message".to_owned(),
    })
}

/// Runs `f`; a panic in it becomes an error of damaged data.
pub(in crate::tracks) fn contain<T>(f: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    contain_panic(f).unwrap_or_else(|_| Err(damaged("a block does not unpack")))
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// An open bigWig or bigBed as bigtools reads it.
pub(in crate::tracks) struct Guarded {
    file: Source,
    len: u64,
    nodes: CachedBBIFileRead<Source>,
    node_bytes: HashMap<u64, u64>,
    blocks: HashMap<Block, Box<[u8]>>,
    kept_bytes: usize,
    query: RefCell<Query>, // behind a cell: bigtools lends the guard out by shared reference only
}

/// What the present query has touched.
#[derive(Default)]
struct Query {
    nodes: HashSet<u64>,
    index_bytes: u64,
    block_bytes: u64,
}

impl Guarded {
    pub(in crate::tracks) fn new(file: Source, len: u64) -> Self {
        Self {
            nodes: CachedBBIFileRead::new(file.clone()),
            file,
            len,
            node_bytes: HashMap::new(),
            blocks: HashMap::new(),
            kept_bytes: 0,
            query: RefCell::default(),
        }
    }

    /// To be called before each query.
    pub(in crate::tracks) fn begin_query(&self) {
        self.query.take();
    }

    /// The least size of a node, from the number of its entries.
    fn node_bytes(&mut self, endianness: Endianness, at: u64) -> io::Result<u64> {
        if let Some(&bytes) = self.node_bytes.get(&at) {
            return Ok(bytes);
        }
        let mut head = [0; 4];
        self.file.read_at(at, &mut head)?;
        let count = match endianness {
            Endianness::Little => u16::from_le_bytes([head[2], head[3]]),
            Endianness::Big => u16::from_be_bytes([head[2], head[3]]),
        };
        let bytes = 4 + u64::from(count) * 24;
        self.node_bytes.insert(at, bytes);
        Ok(bytes)
    }
}

impl BBIFileRead for Guarded {
    type Reader = Source;

    fn get_block_data(&mut self, info: &BBIFileInfo, block: &Block) -> io::Result<Vec<u8>> {
        if let Some(data) = self.blocks.get(block) {
            return Ok(data.to_vec());
        }
        // Blocks do not overlap, so a query that has read more bytes than the file holds goes in circles.
        let query = self.query.get_mut();
        query.block_bytes = query.block_bytes.saturating_add(block.size());
        if query.block_bytes > self.len {
            return Err(damaged("blocks larger than the file"));
        }
        let data = contain(|| self.file.get_block_data(info, block))?;
        if self.kept_bytes + data.len() > KEPT_BYTES {
            self.blocks.clear();
            self.kept_bytes = 0;
        }
        if data.len() <= KEPT_BYTES {
            self.kept_bytes += data.len();
            self.blocks.insert(*block, data.as_slice().into()); // the vector has room for the largest block
        }
        Ok(data)
    }

    fn blocks_for_cir_tree_node(
        &mut self,
        endianness: Endianness,
        node_offset: u64,
        chrom_ix: u32,
        start: u32,
        end: u32,
    ) -> io::Result<(SmallVec<[u64; 4]>, SmallVec<[Block; 4]>)> {
        if self.node_bytes.len() >= KEPT_NODES {
            self.node_bytes.clear();
            self.nodes = CachedBBIFileRead::new(self.file.clone());
        }
        let bytes = self.node_bytes(endianness, node_offset)?;
        let query = self.query.get_mut();
        query.index_bytes = query.index_bytes.saturating_add(bytes);
        if !query.nodes.insert(node_offset) || query.index_bytes > self.len {
            return Err(damaged("the index leads back to itself"));
        }
        contain(|| self.nodes.blocks_for_cir_tree_node(endianness, node_offset, chrom_ix, start, end))
    }

    fn raw_reader(&mut self) -> &mut Source {
        &mut self.file
    }
}
