//! Plain arrays as a network's input, to compare with one's own programs: sequences one a line, marks in an `.npz`.

use super::Failure;
use crate::genome::{Strand, Stretch};
use crate::models::{BinStatistic, Input, InputSource, Manifest, ModelError, TfSpec};
use crate::tracks::{NpzReader, read_text_or_pipe};
use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Sequences of a whole genome's genes have some 300 MB.
const MOST_BYTES: u64 = 4 << 30;

/// Inputs of plain arrays: no place on a genome, in the network's orientation.
pub(super) struct ArrayInputs {
    sequences: Vec<Vec<u8>>,
    marks: Option<Marks>,
    /// `expression` and `motif_scores`, each `[n, tfs]`.
    tfs: Option<[Vec<f32>; 2]>,
    /// Bases of each window.
    length: u64,
    n: usize,
}

struct Marks {
    path: PathBuf,
    name: &'static str,
    /// `[n, positions, k]`
    values: Vec<f32>,
    positions: usize,
    /// Bases one position stands for.
    step: u64,
}

/// Reads what the manifest asks for; more than that is ignored.
pub(super) fn read_arrays(sequences: Option<&Path>, arrays: Option<&Path>, manifest: &Manifest) -> Result<ArrayInputs, Failure> {
    let input = &manifest.input;
    let needs = |what: &str, option: &str| Failure::Usage(format!("model {} reads {what}: {option} gives it", manifest.name));
    let marks = match (input.marks.is_empty(), arrays) {
        (true, _) => None,
        (false, None) => return Err(needs("marks", "--arrays F.npz")),
        (false, Some(path)) => Some(read_marks(path, manifest)?),
    };
    let mut length = manifest.window.length;
    if let Some(marks) = &marks {
        let found = marks.positions as u64 * marks.step;
        if found != length && input.sequence.is_none() {
            eprintln!("cislens: {} bins, where the model was trained on {}", marks.positions, input.positions(length));
            length = found;
        } else if found != length {
            let (path, name) = (marks.path.display(), marks.name);
            return Err(anyhow!("{path}: array {name}: {found} bases a window, the model reads {length}").into());
        }
    }
    let sequences = match (input.sequence, sequences) {
        (None, _) => Vec::new(),
        (Some(_), None) => return Err(needs("DNA", "--sequences F.txt")),
        (Some(_), Some(path)) => read_sequences(path, length)?,
    };
    let of_marks = marks.as_ref().map(|m| m.values.len() / (m.positions * input.marks.len()));
    let tfs = match (input.tfs.is_empty(), arrays) {
        (true, _) => None,
        (false, None) => return Err(needs("transcription factors", "--arrays F.npz (expression and motif_scores)")),
        (false, Some(path)) => Some([read_tfs(path, "expression", manifest)?, read_tfs(path, "motif_scores", manifest)?]),
    };
    let n = match (of_marks, input.sequence) {
        (Some(n), Some(_)) if n != sequences.len() => {
            return Err(anyhow!("{} sequences for the marks of {n} windows", sequences.len()).into());
        }
        (Some(n), _) => n,
        (None, _) => sequences.len(),
    };
    if let Some([expression, motif_scores]) = &tfs {
        let rows = |values: &[f32]| values.len() / input.tfs.len();
        if rows(expression) != n || rows(motif_scores) != n {
            let (a, b) = (rows(expression), rows(motif_scores));
            return Err(anyhow!("{n} windows, but expression of {a} and motif_scores of {b}").into());
        }
    }
    Ok(ArrayInputs { sequences, marks, tfs, length, n })
}

fn read_sequences(path: &Path, length: u64) -> Result<Vec<Vec<u8>>, Failure> {
    let place = || path.display().to_string();
    let bytes = std::fs::metadata(path).with_context(place)?.len();
    if bytes > MOST_BYTES {
        return Err(anyhow!("{}: {bytes} bytes are more than {MOST_BYTES}", path.display()).into());
    }
    let text = read_text_or_pipe(path).with_context(place)?;
    let mut sequences = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let sequence = line.trim_end().to_ascii_uppercase().into_bytes();
        let error = |reason: String| Err(anyhow!("{}: line {}: {reason}", path.display(), i + 1).into());
        if let Some(odd) = line.trim_end().chars().find(|c| !"ACGTNacgtn".contains(*c)) {
            return error(format!("'{}' is none of A, C, G, T, N", odd.escape_default()));
        }
        if sequence.len() as u64 != length {
            return error(format!("{} bases, the model reads {length}", sequence.len()));
        }
        sequences.push(sequence);
    }
    if sequences.is_empty() { Err(anyhow!("{}: no sequence in it", path.display()).into()) } else { Ok(sequences) }
}

fn read_marks(path: &Path, manifest: &Manifest) -> Result<Marks, Failure> {
    let mut archive = NpzReader::open(path)?;
    let names = archive.names();
    let name = ["marks", "x"].into_iter().find(|name| names.iter().any(|n| n == name));
    let Some(name) = name else {
        return Err(anyhow!("{}: no array marks or x in it; it has {}", path.display(), names.join(", ")).into());
    };
    let array = archive.read(name)?;
    let error = |reason: String| Failure::from(anyhow!("{}: array {name}: {reason}", path.display()));
    let marks = &manifest.input.marks;
    let (positions, k) = match array.shape[..] {
        [n, positions, k] if n > 0 && positions > 0 => (positions, k),
        _ => return Err(error(format!("shape {:?}, where [n, positions, {}] is read", array.shape, marks.len()))),
    };
    if k != marks.len() {
        return Err(error(format!("{k} marks, the model reads {}: {}", marks.len(), marks.join(", "))));
    }
    let values = array.to_f32().ok_or_else(|| error("text".to_owned()))?;
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        let (window, position, mark) = (at / (positions * k), at / k % positions, at % k);
        return Err(error(format!("[{window}, {position}, {mark}] is {}, not a finite number", values[at])));
    }
    let step = if name == "x" { manifest.input.bin_size } else { 1 };
    if name == "marks" && !(positions as u64).is_multiple_of(manifest.input.bin_size) {
        return Err(error(format!("{positions} bases are no whole number of bins of {}", manifest.input.bin_size)));
    }
    Ok(Marks { path: path.to_owned(), name, values, positions, step })
}

/// An array `[n, tfs]`.
fn read_tfs(path: &Path, name: &str, manifest: &Manifest) -> Result<Vec<f32>, Failure> {
    let mut archive = NpzReader::open(path)?;
    let names = archive.names();
    if !names.iter().any(|n| n == name) {
        return Err(anyhow!("{}: no array {name} in it; it has {}", path.display(), names.join(", ")).into());
    }
    let array = archive.read(name)?;
    let error = |reason: String| Failure::from(anyhow!("{}: array {name}: {reason}", path.display()));
    let tfs = manifest.input.tfs.len();
    match array.shape[..] {
        [n, found] if n > 0 && found == tfs => {}
        _ => return Err(error(format!("shape {:?}, where [n, {tfs}] is read", array.shape))),
    }
    let values = array.to_f32().ok_or_else(|| error("text".to_owned()))?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(error(format!("[{}, {}] is {}, not a finite number", at / tfs, at % tfs, values[at]))),
        None => Ok(values),
    }
}

impl ArrayInputs {
    /// Number of windows.
    pub(super) fn len(&self) -> usize {
        self.n
    }

    /// A hash of every number and base.
    pub(super) fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        self.sequences.iter().for_each(|sequence| hasher.update(sequence));
        let numbers = self.marks.iter().map(|marks| &marks.values).chain(self.tfs.iter().flatten());
        numbers.flatten().for_each(|value| hasher.update(value.to_le_bytes()));
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// One window as the network reads it.
    pub(super) fn read(&self, i: usize, manifest: &Manifest) -> Result<Input, ModelError> {
        let window = Stretch { chrom: "".into(), start: 0, len: self.length, strand: Strand::Forward };
        Input::assemble(manifest, &window.into(), &mut OneWindow { all: self, i, manifest })
    }
}

struct OneWindow<'a> {
    all: &'a ArrayInputs,
    i: usize,
    manifest: &'a Manifest,
}

impl OneWindow<'_> {
    fn of_tfs(&self, tfs: &TfSpec, which: usize) -> Result<Vec<f32>, ModelError> {
        let Some(arrays) = &self.all.tfs else { return Err(ModelError::Input("no array of transcription factors".to_owned())) };
        Ok(arrays[which][self.i * tfs.len()..][..tfs.len()].to_vec())
    }
}

impl InputSource for OneWindow<'_> {
    fn mark(&mut self, mark: &str, _: &Stretch) -> Result<Vec<f32>, ModelError> {
        let channel = self.manifest.input.marks.iter().position(|m| m == mark);
        let (Some(channel), Some(marks)) = (channel, &self.all.marks) else {
            return Err(ModelError::Input(format!("no array of {mark}")));
        };
        let k = self.manifest.input.marks.len();
        let window = &marks.values[self.i * marks.positions * k..][..marks.positions * k];
        let mut values = Vec::with_capacity(self.all.length as usize);
        for row in window.chunks_exact(k) {
            // The bases of a bin whose statistic is the bin's number, exactly.
            let rest = match self.manifest.input.bin_statistic {
                BinStatistic::Mean => row[channel],
                BinStatistic::Sum => 0.0,
            };
            values.push(row[channel]);
            values.extend(std::iter::repeat_n(rest, marks.step as usize - 1));
        }
        Ok(values)
    }

    fn bases(&mut self, _: &Stretch) -> Result<Vec<u8>, ModelError> {
        let bases = self.all.sequences.get(self.i).cloned();
        bases.ok_or_else(|| ModelError::Input("no sequence".to_owned()))
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        self.of_tfs(tfs, 0)
    }

    fn motif_scores(&mut self, tfs: &TfSpec, _: &[u8]) -> Result<Vec<f32>, ModelError> {
        self.of_tfs(tfs, 1)
    }
}
