//! TensorFlow's checkpoints of version 2: a table of variables (`.index`) beside shards of their numbers.
//!
//! The table is LevelDB's: blocks of entries whose keys share a beginning with the one before, a footer that says where the
//! block of blocks stands (tensorflow/core/lib/io/format.cc); values are `BundleEntryProto` (tensor_bundle.proto). Every
//! checksum is checked. DeepCORE's files have no name before the ending, for its saver was given a folder.

use super::checkpoint::{CheckpointFormat, MAX_FILE_BYTES, Tensors};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The entry of [`super::FORMATS`].
pub(super) const FORMAT: CheckpointFormat = CheckpointFormat {
    name: "TensorFlow",
    about: "a checkpoint of version 2: its folder, its .index file, or its name without an ending",
    is_format: |path, _| path.is_dir() || is_prefix(path) || name_of(path).is_some_and(|name| split_name(&name).is_some()),
    read,
};

const MAX_INDEX_BYTES: u64 = 16 << 20;
const MAX_VARIABLES: usize = 100_000;
const MAX_NAME: usize = 4096;
const MAX_RANK: usize = 8;
/// The last eight bytes of a table.
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
const FOOTER: usize = 48;
/// After each block: how it is packed, and a checksum.
const TRAILER: usize = 5;

/// Whether the files of a checkpoint begin with this name.
pub(super) fn is_prefix(path: &Path) -> bool {
    name_of(path).is_some_and(|name| path.with_file_name(format!("{name}.index")).is_file())
}

fn name_of(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The name before `.index` or `.data-00000-of-00001`.
fn split_name(name: &str) -> Option<&str> {
    name.strip_suffix(".index").or_else(|| name.rsplit_once(".data-").map(|(name, _)| name))
}

/// The folder of a checkpoint and the name its files begin with.
fn locate(path: &Path) -> Result<(PathBuf, String), String> {
    if !path.is_dir() {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = name_of(path).unwrap_or_default();
        return Ok((folder, if is_prefix(path) { name } else { split_name(&name).unwrap_or_default().to_owned() }));
    }
    let entries = std::fs::read_dir(path).map_err(|e| e.to_string())?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".index")?.to_owned())).collect();
    names.sort_unstable();
    match &names[..] {
        [name] => Ok((path.to_owned(), name.clone())),
        [] => Err("no .index file in this folder".to_owned()),
        several => {
            // The file `checkpoint` says which is the latest.
            let text = std::fs::read_to_string(path.join("checkpoint")).unwrap_or_default();
            let latest = text.lines().find_map(|line| line.strip_prefix("model_checkpoint_path: "));
            let latest = latest.map(|path| path.trim_matches('"').rsplit('/').next().unwrap_or_default());
            match several.iter().find(|name| Some(name.as_str()) == latest) {
                Some(name) => Ok((path.to_owned(), name.clone())),
                None => Err(format!("several checkpoints in this folder: name one of {}", several.join(".index, "))),
            }
        }
    }
}

fn read(path: &Path) -> Result<Tensors, String> {
    let (folder, name) = locate(path)?;
    let index_name = format!("{name}.index");
    let index = File::open(folder.join(&index_name)).map_err(|e| format!("{index_name}: {e}"))?;
    let metadata = index.metadata().map_err(|e| format!("{index_name}: {e}"))?;
    if !metadata.is_file() || metadata.len() > MAX_INDEX_BYTES {
        return Err(format!("{index_name}: not a regular file of at most {MAX_INDEX_BYTES} bytes"));
    }
    let mut bytes = Vec::new();
    index.take(MAX_INDEX_BYTES).read_to_end(&mut bytes).map_err(|e| format!("{index_name}: {e}"))?;
    let (shards, variables) = variables(&bytes).map_err(|reason| format!("{index_name}: {reason}"))?;
    let mut shards =
        (0..shards).map(|i| Shard::open(&folder, format!("{name}.data-{i:05}-of-{shards:05}"))).collect::<Result<Vec<_>, _>>()?;
    // Variables do not overlap, but a table may say that they do.
    let mut left = shards.iter().map(|shard| shard.len).sum::<u64>().min(MAX_FILE_BYTES);
    let mut tensors = Tensors::new();
    for (name, variable) in variables {
        let error = |reason: String| format!("variable \"{name}\": {reason}");
        left = left.checked_sub(variable.size).ok_or_else(|| error("larger than what the shards still hold".to_owned()))?;
        let shard = shards.get_mut(variable.shard).ok_or_else(|| error(format!("no shard {}", variable.shard)))?;
        let tensor = variable.tensor(shard).map_err(error)?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// The number of shards, and every variable by name.
fn variables(index: &[u8]) -> Result<(usize, BTreeMap<String, Variable>), String> {
    let footer = index.len().checked_sub(FOOTER).ok_or("too short for a table")?;
    let (places, magic) = index[footer..].split_at(FOOTER - 8);
    if magic != MAGIC.to_le_bytes() {
        return Err("no table of TensorFlow's version 2".to_owned());
    }
    let mut places = Reader(places);
    let (_, _) = (places.varint()?, places.varint()?);
    let blocks = block(&index[..footer], &mut places)?;
    let mut found = BTreeMap::new();
    let mut shards = None;
    for (_, place) in entries(blocks)? {
        for (key, value) in entries(block(&index[..footer], &mut Reader(place))?)? {
            if key.is_empty() {
                shards = Some(number_of_shards(value)?);
                continue;
            }
            let name = String::from_utf8(key).map_err(|_| "a name that is not UTF-8")?;
            let variable = Variable::parse(value).map_err(|reason| format!("variable \"{name}\": {reason}"))?;
            found.insert(name, variable);
            if found.len() > MAX_VARIABLES {
                return Err(format!("more than {MAX_VARIABLES} variables"));
            }
        }
    }
    Ok((shards.ok_or("no header in the table")?, found))
}

/// The block at a place (offset, size), its checksum checked.
fn block<'a>(index: &'a [u8], place: &mut Reader<'_>) -> Result<&'a [u8], String> {
    let (at, size) = (place.size()?, place.size()?);
    let end = at.checked_add(size).and_then(|end| end.checked_add(TRAILER)).filter(|&end| end <= index.len());
    let end = end.ok_or_else(|| format!("a block of {size} bytes from byte {at}, in {}", index.len()))?;
    let (content, checksum) = index[at..end].split_at(size + 1);
    if checksum != masked_crc(content).to_le_bytes() {
        return Err(format!("the checksum of the block at byte {at} is wrong"));
    }
    match content.split_last() {
        Some((0, block)) => Ok(block),
        Some((packing, _)) => Err(format!("a block packed by method {packing} (snappy is 1); only plain ones are read")),
        None => Err("an empty block".to_owned()),
    }
}

/// A key and its value.
type Entry<'a> = (Vec<u8>, &'a [u8]);

/// The entries of a block: each key says how many bytes it shares with the one before.
fn entries(block: &[u8]) -> Result<Vec<Entry<'_>>, String> {
    let restarts = block.last_chunk().map(|n| u32::from_le_bytes(*n) as usize).ok_or("a block without restarts")?;
    let end = restarts.checked_add(1).and_then(|n| block.len().checked_sub(n.checked_mul(4)?));
    let mut rest = Reader(&block[..end.ok_or_else(|| format!("{restarts} restarts in a block of {}", block.len()))?]);
    let (mut key, mut all) = (Vec::new(), Vec::new());
    while !rest.0.is_empty() {
        let (shared, own, value) = (rest.size()?, rest.size()?, rest.size()?);
        if shared > key.len() || shared.saturating_add(own) > MAX_NAME || all.len() > MAX_VARIABLES {
            return Err(format!("a key that shares {shared} bytes with one of {}", key.len()));
        }
        key.truncate(shared);
        key.extend_from_slice(rest.take(own)?);
        all.push((key.clone(), rest.take(value)?));
    }
    Ok(all)
}

/// From a `BundleHeaderProto`.
fn number_of_shards(header: &[u8]) -> Result<usize, String> {
    let (mut reader, mut shards) = (Reader(header), 1);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Field::Number(n)) => shards = n,
            (2, Field::Number(1..)) => return Err("written on a big-endian machine".to_owned()),
            _ => {}
        }
    }
    match shards {
        1..=1024 => Ok(shards as usize),
        other => Err(format!("{other} shards")),
    }
}

/// Where a variable's numbers are.
#[derive(Debug, Default)]
struct Variable {
    /// TensorFlow's number of the type.
    dtype: u64,
    shape: Vec<usize>,
    shard: usize,
    offset: u64,
    size: u64,
    checksum: Option<u32>,
}

impl Variable {
    /// From a `BundleEntryProto`.
    fn parse(entry: &[u8]) -> Result<Self, String> {
        let (mut reader, mut variable) = (Reader(entry), Self::default());
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Field::Number(n)) => variable.dtype = n,
                (2, Field::Bytes(shape)) => variable.shape = parse_shape(shape)?,
                (3, Field::Number(n)) => variable.shard = usize::try_from(n).map_err(|e| e.to_string())?,
                (4, Field::Number(n)) => variable.offset = n,
                (5, Field::Number(n)) => variable.size = n,
                (6, Field::Fixed(n)) => variable.checksum = Some(n),
                (7, _) => return Err("it is in slices, which are not read here".to_owned()),
                _ => {}
            }
        }
        Ok(variable)
    }

    fn tensor(&self, shard: &mut Shard) -> Result<Tensor, String> {
        let dtype = match self.dtype {
            1 => DType::F32,
            2 => DType::F64,
            3 => DType::I32,
            9 => DType::I64,
            14 => DType::BF16,
            19 => DType::F16,
            other => return Err(format!("of TensorFlow's type {other}, which is not read here")),
        };
        let elements = self.shape.iter().try_fold(1_usize, |n, &side| n.checked_mul(side));
        let needed = elements.and_then(|n| n.checked_mul(dtype.size_in_bytes()));
        if needed.map(|n| n as u64) != Some(self.size) {
            return Err(format!("shape {:?} and {} bytes do not fit", self.shape, self.size));
        }
        let bytes = shard.bytes(self.offset, self.size)?;
        if self.checksum.is_some_and(|checksum| checksum != masked_crc(&bytes)) {
            return Err(format!("the checksum of its numbers in {} is wrong", shard.name));
        }
        Tensor::from_raw_buffer(&bytes, dtype, &self.shape, &Device::Cpu).map_err(|e| e.to_string())
    }
}

/// From a `TensorShapeProto`.
fn parse_shape(shape: &[u8]) -> Result<Vec<usize>, String> {
    let (mut reader, mut sides) = (Reader(shape), Vec::new());
    while let Some((field, value)) = reader.field()? {
        if let (2, Field::Bytes(dimension)) = (field, value) {
            let (mut reader, mut side) = (Reader(dimension), 0);
            while let Some((field, value)) = reader.field()? {
                if let (1, Field::Number(n)) = (field, value) {
                    side = n;
                }
            }
            sides.push(usize::try_from(side).map_err(|e| e.to_string())?);
            if sides.len() > MAX_RANK {
                return Err(format!("more than {MAX_RANK} dimensions"));
            }
        }
    }
    Ok(sides)
}

struct Shard {
    name: String,
    file: File,
    len: u64,
}

impl Shard {
    fn open(folder: &Path, name: String) -> Result<Self, String> {
        let file = File::open(folder.join(&name)).map_err(|e| format!("{name}: {e}"))?;
        let metadata = file.metadata().map_err(|e| format!("{name}: {e}"))?;
        match metadata.is_file() {
            true => Ok(Self { len: metadata.len(), name, file }),
            false => Err(format!("{name}: not a regular file")),
        }
    }

    fn bytes(&mut self, offset: u64, size: u64) -> Result<Vec<u8>, String> {
        if offset.checked_add(size).is_none_or(|end| end > self.len) {
            return Err(format!("{size} bytes from byte {offset} of {}, which has {}", self.name, self.len));
        }
        let mut bytes = vec![0; size as usize];
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(|e| format!("{}: {e}", self.name))?;
        Ok(bytes)
    }
}

/// A value of Protocol Buffers' wire format.
enum Field<'a> {
    Number(u64),
    Fixed(u32),
    Bytes(&'a [u8]),
    Other,
}

/// What is left of some bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(|| format!("{n} bytes wanted, {} are left", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    /// Seven bits a byte, lowest first.
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number without end".to_owned())
    }

    fn size(&mut self) -> Result<usize, String> {
        usize::try_from(self.varint()?).map_err(|e| e.to_string())
    }

    fn field(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => {
                self.take(8)?;
                Field::Other
            }
            2 => {
                let size = self.size()?;
                Field::Bytes(self.take(size)?)
            }
            5 => {
                let mut bytes = [0; 4];
                bytes.copy_from_slice(self.take(4)?);
                Field::Fixed(u32::from_le_bytes(bytes))
            }
            other => return Err(format!("a field of wire type {other}")),
        };
        Ok(Some((tag >> 3, value)))
    }
}

/// LevelDB's form of a CRC-32C, which a checksum of checksums does not upset.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's CRC (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut i = 0;
        while i < 256 {
            let (mut crc, mut bit) = (i as u32, 0);
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
                bit += 1;
            }
            table[i] = crc;
            i += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| crc >> 8 ^ TABLE[(crc as u8 ^ byte) as usize])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    fn varint(mut n: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while n >= 0x80 {
            bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        bytes.push(n as u8);
        bytes
    }

    /// A block whose keys are shortened against the one before, restarting every second one.
    fn block_of(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut block, mut restarts, mut before) = (Vec::new(), Vec::new(), "");
        for (i, (key, value)) in entries.iter().enumerate() {
            let mut shared = 0;
            if i % 2 == 0 {
                restarts.push(block.len() as u32);
            } else {
                shared = key.bytes().zip(before.bytes()).take_while(|(a, b)| a == b).count();
            }
            let sizes = [shared, key.len() - shared, value.len()].map(|n| varint(n as u64)).concat();
            block.extend([&sizes, &key.as_bytes()[shared..], value].concat());
            before = key;
        }
        restarts.push(restarts.len() as u32);
        block.extend(restarts.iter().flat_map(|n| n.to_le_bytes()));
        block
    }

    /// A checkpoint of f32 variables: three to a block of the table, numbers in `shards` files in turn.
    pub fn write(folder: &Path, name: &str, variables: &[(&str, Vec<usize>, Vec<f32>)], shards: usize) {
        let mut data = vec![Vec::new(); shards];
        let mut entries = vec![(String::new(), [vec![0x08], varint(shards as u64), vec![0x10, 0]].concat())];
        let mut sorted: Vec<_> = variables.iter().collect();
        sorted.sort_by_key(|(name, ..)| *name);
        for (i, (name, shape, values)) in sorted.into_iter().enumerate() {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let shard = &mut data[i % shards];
            let dims: Vec<u8> = shape
                .iter()
                .flat_map(|&side| {
                    let side = [vec![0x08], varint(side as u64)].concat();
                    [vec![0x12], varint(side.len() as u64), side].concat()
                })
                .collect();
            let entry = [
                vec![0x08, 1, 0x12],
                varint(dims.len() as u64),
                dims,
                vec![0x18],
                varint((i % shards) as u64),
                vec![0x20],
                varint(shard.len() as u64),
                vec![0x28],
                varint(bytes.len() as u64),
                vec![0x35],
                masked_crc(&bytes).to_le_bytes().to_vec(),
            ];
            entries.push(((*name).to_owned(), entry.concat()));
            shard.extend(bytes);
        }
        let mut index = Vec::new();
        let mut put = |block: Vec<u8>| {
            let place = [varint(index.len() as u64), varint(block.len() as u64)].concat();
            let block = [block, vec![0]].concat();
            index.extend([&block[..], &masked_crc(&block).to_le_bytes()].concat());
            place
        };
        let blocks: Vec<(String, Vec<u8>)> =
            entries.chunks(3).map(|chunk| (chunk[chunk.len() - 1].0.clone(), put(block_of(chunk)))).collect();
        let (meta, blocks) = (put(block_of(&[])), put(block_of(&blocks)));
        let mut footer = [meta, blocks].concat();
        footer.resize(FOOTER - 8, 0);
        index.extend([footer, MAGIC.to_le_bytes().to_vec()].concat());
        std::fs::write(folder.join(format!("{name}.index")), index).unwrap();
        for (i, bytes) in data.iter().enumerate() {
            std::fs::write(folder.join(format!("{name}.data-{i:05}-of-{shards:05}")), bytes).unwrap();
        }
    }

    fn seven() -> Vec<(&'static str, Vec<usize>, Vec<f32>)> {
        let names = ["a/b/kernel", "a/b/kernel/Adam", "a/bias", "long/name/of/a/variable", "scalar", "z", "z_empty"];
        let shapes = [vec![2, 3], vec![2, 3], vec![200], vec![1, 1, 2], vec![], vec![4], vec![0, 2]];
        let values = |shape: &[usize], i: usize| (0..shape.iter().product()).map(|j| (i * 1000 + j) as f32).collect();
        names.into_iter().zip(shapes).enumerate().map(|(i, (name, shape))| (name, shape.clone(), values(&shape, i))).collect()
    }

    #[test]
    fn what_is_written_is_read_by_any_of_its_names() {
        for (name, shards) in [("", 1), ("model.ckpt-7", 3)] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), name, &seven(), shards);
            let index = folder.path().join(format!("{name}.index"));
            let data = folder.path().join(format!("{name}.data-00000-of-{shards:05}"));
            let mut paths = vec![folder.path().to_owned(), index, data];
            if !name.is_empty() {
                paths.push(folder.path().join(name));
            }
            for path in paths {
                assert!((FORMAT.is_format)(&path, &[]), "{}", path.display());
                let read = read(&path).unwrap();
                assert_eq!(read.len(), 7);
                for (name, shape, values) in seven() {
                    assert_eq!(read[name].dims(), shape);
                    assert_eq!(read[name].flatten_all().unwrap().to_vec1::<f32>().unwrap(), values);
                }
            }
        }
    }

    #[test]
    fn the_latest_of_several_is_the_one_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "m-1", &[("x", vec![1], vec![1.0])], 1);
        write(folder.path(), "m-2", &[("x", vec![1], vec![2.0])], 1);
        assert!(read(folder.path()).unwrap_err().contains("several checkpoints in this folder: name one of m-1.index, m-2"));
        std::fs::write(folder.path().join("checkpoint"), "model_checkpoint_path: \"/there/m-1\"\n").unwrap();
        assert_eq!(read(folder.path()).unwrap()["x"].to_vec1::<f32>().unwrap(), [1.0]);
        assert!(read(tempfile::tempdir().unwrap().path()).unwrap_err().contains("no .index file"));
    }

    #[test]
    fn the_checksum_is_that_of_castagnoli() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283); // the check value of the CRC catalogue
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa); // RFC 3720, B.4
    }

    #[test]
    fn every_flipped_bit_of_the_numbers_and_of_the_blocks_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "", &seven(), 1);
        let [index, data] = [".index", ".data-00000-of-00001"].map(|name| folder.path().join(name));
        let (whole, numbers) = (std::fs::read(&index).unwrap(), std::fs::read(&data).unwrap());
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        for bit in (0..8 * (whole.len() - FOOTER)).chain(8 * (whole.len() - 8)..8 * whole.len()) {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&index, bytes).unwrap();
            // Block trailers of the empty block are not read.
            if let Ok(read) = read(folder.path()) {
                assert_eq!(read.len(), 7, "bit {bit}");
            }
        }
        for cut in 0..whole.len() {
            std::fs::write(&index, &whole[..cut]).unwrap();
            assert!(read(folder.path()).is_err(), "cut to {cut}");
        }
        std::fs::write(&index, &whole).unwrap();
        for _ in 0..300 {
            let mut bytes = numbers.clone();
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
            std::fs::write(&data, bytes).unwrap();
            assert!(read(folder.path()).unwrap_err().contains("checksum of its numbers"), "byte {at}");
        }
        std::fs::write(&data, &numbers[..numbers.len() - 1]).unwrap();
        assert!(read(folder.path()).unwrap_err().contains("larger than what the shards still hold"));
        std::fs::remove_file(&data).unwrap();
        assert!(read(folder.path()).unwrap_err().contains(".data-00000-of-00001: No such file"));
    }

    #[test]
    fn a_table_that_asks_for_more_than_there_is_is_refused() {
        let entry = |key: &[u8], value: &[u8]| [&[0, key.len() as u8, value.len() as u8][..], key, value].concat();
        let table = |entries: &[Vec<u8>]| {
            let block = [&entries.concat()[..], &0_u32.to_le_bytes(), &1_u32.to_le_bytes(), &[0]].concat();
            let first = [&block[..], &masked_crc(&block).to_le_bytes()].concat();
            let place = [vec![0], varint(block.len() as u64 - 1)].concat();
            let of_blocks = [&entry(b"z", &place)[..], &0_u32.to_le_bytes(), &1_u32.to_le_bytes(), &[0]].concat();
            let second = [&of_blocks[..], &masked_crc(&of_blocks).to_le_bytes()].concat();
            let mut footer = [vec![0, 0], varint(first.len() as u64), varint(of_blocks.len() as u64 - 1)].concat();
            footer.resize(40, 0);
            [first, second, footer, MAGIC.to_le_bytes().to_vec()].concat()
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".data-00000-of-00001"), [0; 64]).unwrap();
        let error = |entries: &[Vec<u8>]| {
            std::fs::write(folder.path().join(".index"), table(entries)).unwrap();
            read(folder.path()).unwrap_err()
        };
        let header = entry(b"", &[0x08, 1]);
        let of = |entry_value: &[u8]| [header.clone(), entry(b"x", entry_value)];
        // 2^60 elements of 4 bytes.
        let huge = [&[0x08, 1, 0x12, 12, 0x12, 10, 0x08][..], &varint(1 << 60), &[0x28], &varint(1 << 62)].concat();
        assert!(error(&of(&huge)).contains("larger than what the shards still hold"), "{}", error(&of(&huge)));
        let past = [&[0x08, 1, 0x12, 4, 0x12, 2, 0x08, 2, 0x20][..], &varint(u64::MAX), &[0x28, 8]].concat();
        assert!(error(&of(&past)).contains("which has 64"));
        assert!(error(&of(&[0x08, 1, 0x28, 8])).contains("shape [] and 8 bytes do not fit"));
        assert!(error(&of(&[0x08, 7, 0x28, 4])).contains("TensorFlow's type 7"));
        assert!(error(&of(&[0x08, 1, 0x3a, 0])).contains("in slices"));
        assert!(error(&of(&[0x08, 1, 0x18, 9, 0x28, 4])).contains("no shard 9"));
        assert!(error(&[entry(b"", &[0x08, 0])]).contains("0 shards"));
        assert!(error(&[entry(b"", &[0x08, 1, 0x10, 1])]).contains("big-endian"));
        assert!(error(&[entry(b"x", &[])]).contains("no header"));
        assert!(error(&[header.clone(), vec![9, 1, 0, b'y']]).contains("shares 9 bytes with one of 0"));
        // One number named by many variables: together more than the file holds.
        let same: Vec<Vec<u8>> = (0..20).map(|i| entry(&[b'a' + i], &[0x08, 1, 0x12, 4, 0x12, 2, 0x08, 8, 0x28, 32])).collect();
        assert!(error(&[vec![header.clone()], same].concat()).contains("larger than what the shards still hold"));
        std::fs::write(folder.path().join(".index"), b"no table").unwrap();
        assert!(read(folder.path()).unwrap_err().contains("too short for a table"));
    }
}
