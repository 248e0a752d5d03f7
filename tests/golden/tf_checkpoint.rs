//! TensorFlow's checkpoint of version 2, as far as the golden one needs: f32 variables in one shard, an uncompressed table of one
//! data block.

use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::Path;

/// The variables of the checkpoint whose files have no base name.
pub fn read(folder: &Path) -> HashMap<String, Tensor> {
    let index = std::fs::read(folder.join(".index")).unwrap();
    let data = std::fs::read(folder.join(".data-00000-of-00001")).unwrap();
    // The footer holds the places (offset, size) of two blocks; the second indexes the blocks of entries.
    let mut footer = &index[index.len() - 48..];
    let [_, _, at, size] = [(); 4].map(|()| varint(&mut footer));
    let mut variables = HashMap::new();
    for (_, mut place) in entries(&index[at..at + size]) {
        let (at, size) = (varint(&mut place), varint(&mut place));
        for (name, entry) in entries(&index[at..at + size]) {
            if !name.is_empty() {
                variables.insert(String::from_utf8(name).unwrap(), variable(entry, &data));
            }
        }
    }
    variables
}

/// Keys and values of a block: each key says how many bytes it shares with the one before.
fn entries(block: &[u8]) -> Vec<(Vec<u8>, &[u8])> {
    let restarts = u32::from_le_bytes(block[block.len() - 4..].try_into().unwrap()) as usize;
    let mut rest = &block[..block.len() - 4 * (restarts + 1)];
    let (mut key, mut all) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let [shared, own, value] = [(); 3].map(|()| varint(&mut rest));
        key.truncate(shared);
        key.extend_from_slice(&rest[..own]);
        all.push((key.clone(), &rest[own..own + value]));
        rest = &rest[own + value..];
    }
    all
}

fn varint(bytes: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

/// A tensor from its `BundleEntryProto`: fields 2 shape, 4 offset, 5 size.
fn variable(mut entry: &[u8], data: &[u8]) -> Tensor {
    let (mut shape, mut offset, mut size) = (Vec::new(), 0, 0);
    while !entry.is_empty() {
        match varint(&mut entry) {
            0x12 => {
                let len = varint(&mut entry);
                let mut dims = &entry[..len];
                entry = &entry[len..];
                while !dims.is_empty() {
                    assert_eq!((varint(&mut dims), varint(&mut dims)), (0x12, 2));
                    assert_eq!(varint(&mut dims), 0x08);
                    shape.push(varint(&mut dims));
                }
            }
            0x20 => offset = varint(&mut entry),
            0x28 => size = varint(&mut entry),
            0x35 => entry = &entry[4..],
            0x08 => assert_eq!(varint(&mut entry), 1, "not f32"),
            tag => panic!("tag {tag:#x}"),
        }
    }
    let values: Vec<f32> = data[offset..offset + size].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}
