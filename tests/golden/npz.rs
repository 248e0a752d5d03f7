//! Arrays of NumPy's .npz, f32.

use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The f32 arrays of a file, by name.
pub fn read(path: &Path) -> HashMap<String, Tensor> {
    let mut zip = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    let mut arrays = HashMap::new();
    for i in 0..zip.len() {
        let mut member = zip.by_index(i).unwrap();
        let name = member.name().unwrap().trim_end_matches(".npy").to_owned();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        assert!(bytes.starts_with(b"\x93NUMPY\x01"), "{name}");
        let data = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header = std::str::from_utf8(&bytes[10..data]).unwrap();
        if !header.contains("'<f4'") {
            continue;
        }
        assert!(header.contains("'fortran_order': False"), "{name}");
        let (from, to) = (header.rfind('(').unwrap() + 1, header.rfind(')').unwrap());
        let shape: Vec<usize> = header[from..to].split(',').filter_map(|n| n.trim().parse().ok()).collect();
        let values: Vec<f32> = bytes[data..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        arrays.insert(name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap());
    }
    arrays
}
