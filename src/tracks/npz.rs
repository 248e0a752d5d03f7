//! NumPy's `.npz`: a zip archive of arrays, stored or deflated.

use super::lines::open_regular;
use super::npy::{Array, check, read_array, write_array};
use super::{TrackError, write_whole};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Cursor, Read, Seek, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// A packed array in memory may be so many times as large as the whole archive.
const LARGEST_GAIN: u64 = 64;

/// An open `.npz`.
pub struct NpzReader {
    path: PathBuf,
    len: u64,
    archive: ZipArchive<BufReader<File>>,
}

impl NpzReader {
    /// Opens an archive and reads its directory.
    pub fn open(path: &Path) -> Result<Self, TrackError> {
        let (file, len) = open_regular(path)?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|e| TrackError::malformed(path, "archive", e.to_string()))?;
        Ok(Self { path: path.to_owned(), len, archive })
    }

    /// Names of the arrays, without `.npy`.
    pub fn names(&self) -> Vec<String> {
        let names = self.archive.file_names().filter_map(Result::ok);
        names.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()).collect()
    }

    /// Reads one array.
    ///
    /// # Errors
    /// Where there is none of that name, or it is damaged (the archive's checksum is checked) or of a type not read here.
    pub fn read(&mut self, name: &str) -> Result<Array, TrackError> {
        let place = format!("array {name}");
        let error = |reason: String| TrackError::malformed(&self.path, place.as_str(), reason);
        let known = self.archive.index_for_name(&format!("{name}.npy")).or_else(|| self.archive.index_for_name(name));
        let Some(index) = known else {
            let mut names = self.names();
            names.truncate(20);
            return Err(error(format!("not in this file; it has {}", names.join(", "))));
        };
        let mut entry = self.archive.by_index(index).map_err(|e| error(e.to_string()))?;
        match entry.compression() {
            CompressionMethod::Stored if entry.size() > self.len => {
                return Err(error(format!("said to hold {} bytes in a file of {}", entry.size(), self.len)));
            }
            CompressionMethod::Stored | CompressionMethod::Deflated => {}
            other => return Err(error(format!("compressed by {other:?}, which is not read here"))),
        }
        read_array(&mut entry).map_err(error)
    }
}

/// Writes an `.npz`, whole or not at all; the same arrays give the same bytes (entries are stored, for what a compressor
/// makes of them depends on the processor, and have no date).
///
/// # Errors
/// Where a name stands twice, or a shape and its values disagree.
pub fn write_npz(path: &Path, arrays: &[(&str, &Array)]) -> Result<(), TrackError> {
    for (name, array) in arrays {
        check(path, name, array)?;
    }
    write_whole(path, |out| fill(path, out, arrays).map(drop))
}

fn fill<W: Write + Seek>(path: &Path, out: W, arrays: &[(&str, &Array)]) -> Result<W, TrackError> {
    let zip_error = |e: zip::result::ZipError| TrackError::malformed(path, "archive", e.to_string());
    let mut archive = ZipWriter::new(out);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), entry_options(8 * array.values.len() as u64)).map_err(zip_error)?;
        let mut entry = BufWriter::new(&mut archive);
        write_array(&mut entry, array).and_then(|()| entry.flush()).map_err(|e| TrackError::io(path, e))?;
    }
    archive.finish().map_err(zip_error)
}

/// The bytes of an `.npz`, as [`write_npz`] writes them.
///
/// # Errors
/// As [`write_npz`].
pub fn npz_to_bytes(arrays: &[(&str, &Array)]) -> Result<Vec<u8>, TrackError> {
    let path = Path::new("npz");
    for (name, array) in arrays {
        check(path, name, array)?;
    }
    Ok(fill(path, Cursor::new(Vec::new()), arrays)?.into_inner())
}

/// The arrays of an `.npz` by name. A packed one may be [`LARGEST_GAIN`] times as large as the whole.
///
/// # Errors
/// Where it is damaged, or an array is of a type not read here.
pub fn npz_from_bytes(bytes: Vec<u8>) -> Result<BTreeMap<String, Array>, String> {
    let len = bytes.len() as u64;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("no .npz: {e}"))?;
    let mut arrays = BTreeMap::new();
    let mut left = len.saturating_mul(LARGEST_GAIN);
    for i in 0..archive.len() {
        let entry = archive.by_index(i).map_err(|e| e.to_string())?;
        let name = entry.name().map_err(|e| e.to_string())?.trim_end_matches(".npy").to_owned();
        let size = entry.size();
        left = left.checked_sub(size).ok_or_else(|| format!("array {name}: said to hold {size} bytes in {len}"))?;
        let array = read_array(&mut entry.take(size)).map_err(|reason| format!("array {name}: {reason}"))?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

/// The same bytes for the same arrays: stored, without a date.
pub(super) fn entry_options(bytes: u64) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(bytes >= 1 << 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracks::{Values, read_npy, write_npy};
    use rand::{Rng, SeedableRng};
    use std::process::Command;

    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden").join(path);
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return None;
        }
        Some(path)
    }

    fn one_of_each() -> Vec<(&'static str, Array)> {
        vec![
            ("f4", Array::f32(&[2, 3], vec![0.0, -1.5, f32::MAX, f32::MIN_POSITIVE, 1e-40, f32::INFINITY])),
            ("f8", Array { shape: vec![], values: Values::F64(vec![std::f64::consts::PI]) }),
            ("i4", Array { shape: vec![2, 1, 1], values: Values::I32(vec![i32::MIN, i32::MAX]) }),
            ("i8", Array { shape: vec![2], values: Values::I64(vec![i64::MIN, i64::MAX]) }),
            ("u1", Array { shape: vec![3], values: Values::U8(vec![0, 128, 255]) }),
            ("b1", Array { shape: vec![2], values: Values::Bool(vec![true, false]) }),
            ("text", Array::text(vec!["chr1".to_owned(), String::new(), "β→😀".to_owned()])),
            ("none", Array::f32(&[0, 4], vec![])),
            ("no_text", Array::text(vec![])),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_is_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let arrays = one_of_each();
        let borrowed: Vec<(&str, &Array)> = arrays.iter().map(|(name, array)| (*name, array)).collect();
        write_npz(&path, &borrowed).unwrap();
        let first = std::fs::read(&path).unwrap();
        write_npz(&path, &borrowed).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
        let mut reader = NpzReader::open(&path).unwrap();
        assert_eq!(reader.names(), arrays.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        for (name, array) in &arrays {
            assert_eq!(&reader.read(name).unwrap(), array);
            write_npy(&folder.path().join("a.npy"), array).unwrap();
            assert_eq!(&read_npy(&folder.path().join("a.npy")).unwrap(), array);
        }
        assert!(reader.read("x").unwrap_err().to_string().contains("array x: not in this file; it has f4, f8, i4"));
        assert!(
            write_npz(&path, &[("x", &Array::f32(&[2], vec![0.0]))]).unwrap_err().to_string().contains("shape [2] for 1 values")
        );
        let twice = Array::f32(&[1], vec![0.0]);
        assert!(write_npz(&path, &[("x", &twice), ("x", &twice)]).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), first, "what failed to be written left the file as it was");
    }

    #[test]
    fn numpy_reads_what_is_written_here_and_the_other_way_round() {
        let folder = tempfile::tempdir().unwrap();
        let (here, there) = (folder.path().join("here.npz"), folder.path().join("there.npz"));
        let arrays = one_of_each();
        write_npz(&here, &arrays.iter().map(|(name, array)| (*name, array)).collect::<Vec<_>>()).unwrap();
        let script = "import sys, numpy as np\n\
            a = dict(np.load(sys.argv[1]))\n\
            assert a['f4'].dtype == np.float32 and a['f4'].shape == (2, 3) and a['f4'][0, 1] == -1.5, a\n\
            assert a['f8'].shape == () and a['f8'] == np.pi and a['i8'][0] == -2**63 and a['u1'][2] == 255\n\
            assert a['text'].tolist() == ['chr1', '', '\\u03b2\\u2192\\U0001f600'] and a['b1'].tolist() == [True, False]\n\
            assert a['none'].shape == (0, 4)\n\
            np.savez_compressed(sys.argv[2], **a, t=np.arange(6).reshape(2, 3).T)\n";
        let python = Command::new("python3").arg("-c").arg(script).arg(&here).arg(&there).output();
        match python {
            Ok(output) if output.status.success() => {}
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("No module named") => {
                println!("skipped: no numpy here");
                return;
            }
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                println!("skipped: no python3 here");
                return;
            }
        }
        let mut reader = NpzReader::open(&there).unwrap();
        for (name, array) in &arrays {
            assert_eq!(&reader.read(name).unwrap(), array);
        }
        assert_eq!(reader.read("t").unwrap(), Array { shape: vec![3, 2], values: Values::I64(vec![0, 3, 1, 4, 2, 5]) });
    }

    #[test]
    fn the_reference_numbers_are_read() {
        let Some(path) = shared("attentivechrome/published_on_k562.npz") else { return };
        let mut reader = NpzReader::open(&path).unwrap();
        let genes = reader.read("test_gene").unwrap();
        assert_eq!((genes.shape.as_slice(), genes.as_text().unwrap()[0].as_str()), (&[200][..], "ENSG00000000003_TSPAN6"));
        let logits = reader.read("test_logit").unwrap().to_f64().unwrap();
        assert!((logits[0] - 0.100_395).abs() < 1e-6 && (logits[2] - 0.917_878).abs() < 1e-6, "{:?}", &logits[..3]);
        for file in ["attentivechrome", "deepcore", "isegnet", "deepcage", "deepchrome"] {
            let Some(path) = shared(&format!("{file}/expected.npz")) else { return };
            let mut reader = NpzReader::open(&path).unwrap();
            for name in reader.names() {
                let array = reader.read(&name).unwrap();
                assert_eq!(array.shape.iter().product::<usize>(), array.values.len(), "{file} {name}");
                assert!(array.to_f64().is_none_or(|v| v.iter().all(|x| x.is_finite())), "{file} {name}");
            }
        }
    }

    #[test]
    fn damaged_archives_are_errors_or_arrays() {
        let Some(path) = shared("attentivechrome/expected.npz") else { return };
        let whole = std::fs::read(path).unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut read = |bytes: &[u8]| {
            file.as_file_mut().set_len(0).unwrap();
            file.as_file_mut().rewind().unwrap();
            file.write_all(bytes).unwrap();
            let Ok(mut reader) = NpzReader::open(file.path()) else { return 0 };
            reader.names().iter().take(20).filter(|name| reader.read(name).is_ok()).count()
        };
        let all = read(&whole);
        assert!(all > 5);
        for cut in (0..50).map(|i| whole.len() * i / 50) {
            assert_eq!(read(&whole[..cut]), 0, "cut to {cut}");
        }
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let mut damaged = 0;
        for i in 0..300 {
            let mut bytes = whole.clone();
            let from = if i % 2 == 0 { 0 } else { bytes.len() - 1200 }; // half of them in the directory
            bytes[rng.random_range(from..whole.len())] ^= 1 << rng.random_range(0..8);
            damaged += usize::from(read(&bytes) < all);
        }
        assert!(damaged > 100, "{damaged} of 300 noticed");
    }
}
