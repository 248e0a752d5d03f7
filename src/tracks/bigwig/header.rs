//! The parts of a bigWig or bigBed that bigtools believes without looking: checked against the file's length before it opens the file.
//!
//! A wrong size or count in the header, the tree of chromosomes or an index makes bigtools ask for any amount of memory or
//! recurse without end, which ends the process. Layout: Kent et al. 2010, Bioinformatics 26:2204, supplement.

use crate::tracks::TrackError;
use crate::tracks::source::Source;
use std::collections::HashSet;
use std::io;
use std::path::Path;

const BIGWIG: u32 = 0x888F_FC26;
const BIGBED: u32 = 0x8789_F2EB;
const CHROM_TREE: u32 = 0x78CA_8C91;
const INDEX: u32 = 0x2468_ACE0;
/// Largest block that is unpacked, bytes. UCSC's tools and bigtools write some 32 kB.
const LARGEST_BLOCK: u32 = 64 << 20;

/// Which of the two formats of this layout is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::tracks) enum Layout {
    /// Values.
    BigWig,
    /// Intervals.
    BigBed,
}

impl Layout {
    fn name(self) -> &'static str {
        if self == Self::BigWig { "bigWig" } else { "bigBed" }
    }
}

/// What the header says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::tracks) struct Header {
    /// Whether numbers are little-endian.
    pub is_little: bool,
    /// Where the index of the data begins.
    pub index: u64,
    /// Names of the chromosomes (as bytes of the file) with their numbers in the index.
    pub chroms: Vec<(Vec<u8>, u32)>,
    /// Bases per record of each level that can be read, ascending.
    pub zooms: Vec<u32>,
    /// Levels whose index lies outside the file or is none.
    pub damaged_zooms: usize,
}

/// Why a file is not opened.
pub(in crate::tracks) enum Refusal {
    /// Another format.
    OtherFormat(String),
    /// The place and the reason.
    Damaged(&'static str, String),
    /// The operating system's answer.
    Io(io::Error),
}

impl Refusal {
    /// The same, said of a file.
    pub(in crate::tracks) fn at(self, path: &Path) -> TrackError {
        match self {
            Self::OtherFormat(reason) => TrackError::Unsupported { path: path.to_owned(), reason },
            Self::Damaged(place, reason) => TrackError::malformed(path, place, reason),
            Self::Io(e) => TrackError::io(path, e),
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("header", "the file ends too early (truncated?)".to_owned()),
            _ => Self::Io(error),
        }
    }
}

struct Bytes<'a> {
    file: &'a mut Source,
    len: u64,
    is_little: bool,
}

impl Bytes<'_> {
    fn read<const N: usize>(&mut self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_at(at, &mut bytes)?;
        Ok(bytes)
    }

    /// The first `N` bytes at `at` of `bytes`, as a number in the file's byte order.
    fn number(&self, bytes: &[u8], at: usize, width: usize) -> u64 {
        let part = &bytes[at..at + width];
        let fold = |n: u64, &b: &u8| n << 8 | u64::from(b);
        if self.is_little { part.iter().rev().fold(0, fold) } else { part.iter().fold(0, fold) }
    }

    /// Whether an index with its header begins at `at`.
    fn has_index(&mut self, at: u64) -> bool {
        // 48 bytes of header, then a node of at least 4.
        at.checked_add(52).is_some_and(|end| end <= self.len)
            && self.read::<4>(at).is_ok_and(|magic| self.number(&magic, 0, 4) == u64::from(INDEX))
    }
}

/// Reads and checks the header, the tree of chromosomes and where the indexes begin.
pub(in crate::tracks) fn check(file: &mut Source, len: u64, layout: Layout) -> Result<Header, Refusal> {
    let name = layout.name();
    let damaged = |reason: String| Err(Refusal::Damaged("header", reason));
    let mut bytes = Bytes { file, len, is_little: true };
    if len < 4 {
        return damaged(format!("{len} bytes are too few for a {name}"));
    }
    let magic = bytes.read::<4>(0)?;
    let (wanted, other) = if layout == Layout::BigWig { (BIGWIG, BIGBED) } else { (BIGBED, BIGWIG) };
    match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (found, _) if found == wanted => {}
        (_, found) if found == wanted => bytes.is_little = false,
        (little, big) if little == other || big == other => {
            let other = if layout == Layout::BigWig { Layout::BigBed } else { Layout::BigWig };
            return Err(Refusal::OtherFormat(format!("this is a {}, not a {name}", other.name())));
        }
        _ => return Err(Refusal::OtherFormat(format!("not a {name}: the first four bytes are not its signature"))),
    }
    if len < 64 {
        return damaged(format!("{len} bytes are too few for a {name}'s header (truncated?)"));
    }
    let head = bytes.read::<64>(0)?;
    let (version, levels) = (bytes.number(&head, 4, 2), bytes.number(&head, 6, 2));
    let [tree, data, index] = [8, 16, 24].map(|at| bytes.number(&head, at, 8));
    let block = bytes.number(&head, 52, 4);
    if !(1..=5).contains(&version) {
        return damaged(format!("version {version} is none of 1 to 5"));
    }
    if levels > 64 || 64 + levels * 24 > len {
        return damaged(format!("{levels} zoom levels do not fit"));
    }
    if block > u64::from(LARGEST_BLOCK) {
        return damaged(format!("blocks of {block} bytes; at most {LARGEST_BLOCK} are read"));
    }
    for (what, at) in [("chromosomes", tree), ("data", data), ("index", index)] {
        if at < 64 || at >= len {
            return damaged(format!("the {what} should begin at byte {at}, but the file has {len} (truncated?)"));
        }
    }
    if !bytes.has_index(index) {
        return damaged(format!("no index at byte {index}"));
    }
    let chroms = check_chrom_tree(&mut bytes, tree)?;

    let (mut zooms, mut damaged_zooms) = (Vec::new(), 0);
    for level in 0..levels {
        let zoom = bytes.read::<24>(64 + level * 24)?;
        let reduction = bytes.number(&zoom, 0, 4) as u32;
        let (data, index) = (bytes.number(&zoom, 8, 8), bytes.number(&zoom, 16, 8));
        if reduction > 0 && data < len && bytes.has_index(index) && !zooms.contains(&reduction) {
            zooms.push(reduction);
        } else {
            damaged_zooms += 1;
        }
    }
    zooms.sort_unstable();
    Ok(Header { is_little: bytes.is_little, index, chroms, zooms, damaged_zooms })
}

/// Walks the tree of chromosomes as bigtools will, but with every size checked and no node entered twice.
fn check_chrom_tree(bytes: &mut Bytes<'_>, tree: u64) -> Result<Vec<(Vec<u8>, u32)>, Refusal> {
    let damaged = |reason: String| Err(Refusal::Damaged("list of chromosomes", reason));
    let len = bytes.len;
    let head = bytes.read::<32>(tree)?;
    if bytes.number(&head, 0, 4) != u64::from(CHROM_TREE) {
        return damaged(format!("none at byte {tree}"));
    }
    let (key, value, count) = (bytes.number(&head, 8, 4), bytes.number(&head, 12, 4), bytes.number(&head, 16, 8));
    if !(1..=255).contains(&key) || value != 8 {
        return damaged(format!("keys of {key} and values of {value} bytes; 1 to 255 and 8 are possible"));
    }
    let most = len / (key + 8);
    if count > most {
        return damaged(format!("{count} chromosomes do not fit in a file of {len} bytes"));
    }
    let (mut nodes, mut seen, mut chroms) = (vec![(tree + 32, 0)], HashSet::new(), Vec::new());
    while let Some((at, depth)) = nodes.pop() {
        if depth > 16 || !seen.insert(at) {
            return damaged(format!("the node at byte {at} leads back to itself"));
        }
        let node = bytes.read::<4>(at)?;
        let items = bytes.number(&node, 2, 2);
        if at + 4 + items * (key + 8) > len {
            return damaged(format!("{items} entries at byte {at} do not fit (truncated?)"));
        }
        if node[0] == 1 {
            if chroms.len() as u64 + items > most {
                return damaged(format!("more than {most} chromosomes do not fit"));
            }
            let mut entries = vec![0; (items * (key + 8)) as usize];
            bytes.file.read_at(at + 4, &mut entries)?;
            for entry in entries.chunks_exact((key + 8) as usize) {
                let name = entry[..key as usize].split(|&b| b == 0).next().unwrap_or(&[]).to_vec();
                chroms.push((name, bytes.number(entry, key as usize, 4) as u32));
            }
            continue;
        }
        for item in 0..items {
            let child = bytes.read::<8>(at + 4 + item * (key + 8) + key)?;
            let child = bytes.number(&child, 0, 8);
            if child >= len {
                return damaged(format!("a node at byte {child} of {len}"));
            }
            nodes.push((child, depth + 1));
        }
    }
    Ok(chroms)
}
