//! Writes FASTA compressed with bgzip, with its indexes (`.fai`, `.gzi`), and any text compressed with bgzip.

use super::TrackError;
use super::write::write_whole;
use noodles::bgzf::gzi;
use noodles::bgzf::io::writer::{Builder, CompressionLevel};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bases a line.
const LINE: usize = 60;
/// Uncompressed bytes a block: what bgzip uses, so that a block never grows past 64 KiB.
const BLOCK: usize = 0xff00;

/// Writes `sequences` (name, bases) to `path` (`.fa.gz`), the sequence index to `path.fai` and the block index to
/// `path.gzi`.
///
/// # Errors
/// A name that is empty or holds white space, an empty sequence, or the system's answer.
pub fn write_bgzip_fasta(path: &Path, sequences: &[(&str, &[u8])]) -> Result<(), TrackError> {
    let mut text = Vec::with_capacity(sequences.iter().map(|(name, s)| name.len() + 3 + s.len() + s.len() / LINE).sum());
    let mut fai = String::new();
    for (name, bases) in sequences {
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(TrackError::malformed(path, "sequence name", format!("\"{name}\" cannot stand in a FASTA header")));
        }
        if bases.is_empty() {
            return Err(TrackError::malformed(path, *name, "the sequence is empty"));
        }
        text.extend_from_slice(format!(">{name}\n").as_bytes());
        let line = LINE.min(bases.len());
        fai += &format!("{name}\t{}\t{}\t{line}\t{}\n", bases.len(), text.len(), line + 1);
        for line in bases.chunks(LINE) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    let blocks = write_bgzip(path, &text)?;
    let fai_path = beside(path, ".fai");
    write_whole(&fai_path, |out| out.write_all(fai.as_bytes()).map_err(|e| TrackError::io(&fai_path, e)))?;
    let gzi_path = beside(path, ".gzi");
    write_whole(&gzi_path, |out| {
        gzi::io::Writer::new(out).write_index(&gzi::Index::from(blocks)).map_err(|e| TrackError::io(&gzi_path, e))
    })
}

/// Writes `text` compressed with bgzip; gives the start of each block but the first, compressed and uncompressed.
pub fn write_bgzip(path: &Path, text: &[u8]) -> Result<Vec<(u64, u64)>, TrackError> {
    let mut blocks = Vec::new();
    write_whole(path, |out: &mut BufWriter<File>| {
        let io = |reason| TrackError::io(path, reason);
        let mut writer = Builder::default().set_compression_level(CompressionLevel::BEST).build_from_writer(out);
        let mut done = 0;
        for block in text.chunks(BLOCK) {
            if done > 0 {
                blocks.push((writer.position(), done));
            }
            writer.write_all(block).map_err(io)?;
            writer.flush().map_err(io)?;
            done += block.len() as u64;
        }
        writer.finish().map(drop).map_err(io)
    })?;
    Ok(blocks)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use noodles::core::Region;
    use noodles::fasta;

    #[test]
    fn any_stretch_is_read_back_through_the_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.fa.gz");
        let a: Vec<u8> = (0..200_001).map(|i: u32| b"ACGTN"[(i.wrapping_mul(2_654_435_761) >> 29) as usize % 5]).collect();
        let b = b"ACGT".to_vec();
        write_bgzip_fasta(&path, &[("chrA", &a), ("b", &b)]).unwrap();
        let mut reader = fasta::io::indexed_reader::Builder::default().build_from_path(&path).unwrap();
        let mut read = |region: &str| {
            let region: Region = region.parse().unwrap();
            reader.query(&region).unwrap().sequence().as_ref().to_vec()
        };
        for start in [0, 59, 60, 64_000, 65_279, 65_280, 130_559, 199_990] {
            let end = (start + 130).min(a.len());
            assert_eq!(read(&format!("chrA:{}-{end}", start + 1)), &a[start..end], "{start}");
        }
        assert_eq!(read("b:2-4"), b"CGT");
    }

    #[test]
    fn names_and_sequences_that_break_the_format_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.fa.gz");
        for (name, bases, reason) in [("a b", &b"A"[..], "a b"), ("", b"A", "header"), ("x", b"", "empty")] {
            let error = write_bgzip_fasta(&path, &[(name, bases)]).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(!path.exists());
    }
}
