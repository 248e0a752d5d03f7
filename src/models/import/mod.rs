//! Checkpoints made into models of this program: any format of [`FORMATS`], any network of [`IMPORTERS`].

mod bin_counts;
mod checkpoint;
mod deepcage;
mod deepcore;
mod fit;
mod hdf5;
mod isegnet;
mod keras;
mod npz;
mod pickle;
mod safetensors;
mod tensorflow;
#[cfg(test)]
mod tests;
mod torch;

pub use checkpoint::{CheckpointFormat, FORMATS, read_checkpoint};

use super::folder::save_model;
use super::{BinStatistic, Manifest, ModelError, WindowSpec, architecture};
use crate::tracks::{PUBLISHED_BIN_SIZE, PUBLISHED_MARK_ORDERS};
use candle_core::Tensor;
use checkpoint::Tensors;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a checkpoint does not say of itself.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Name of the model; the file's stem where absent.
    pub name: Option<String>,
    /// Samples it was trained on.
    pub samples: Vec<String>,
    /// Assembly it was trained on.
    pub assembly: Option<String>,
    /// Networks of binned marks: bins around the TSS. `None`: 200 for AttentiveChrome, as the published K562 weights were trained
    /// on; 100, as published, for the others.
    pub bins: Option<usize>,
    /// Bases per bin.
    pub bin_size: u64,
    /// Transcription factors in the order of the network's channels (DeepCAGE); placeholders where empty.
    pub tfs: Vec<String>,
    /// The published version, where shapes do not tell it (a classifier or a regression); the first where absent.
    pub preset: Option<String>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        let (samples, tfs) = (Vec::new(), Vec::new());
        Self { name: None, samples, assembly: None, bins: None, bin_size: PUBLISHED_BIN_SIZE, tfs, preset: None }
    }
}

/// How the checkpoints of a network become its weights here.
pub(super) struct Importer {
    /// Name of the architecture.
    architecture: &'static str,
    /// Renames and turns what its authors' programs wrote; weights that have this program's names already pass unchanged.
    convert: fn(&mut Checkpoint) -> Result<(), ModelError>,
    /// The sizes that shapes tell: name, parameter, axis.
    sizes: &'static [(&'static str, &'static str, usize)],
    /// Where the number of marks shows.
    marks: MarkCount,
    /// What else shapes and options tell.
    rest: fn(&mut Manifest, &mut Checkpoint, &ImportOptions) -> Result<(), ModelError>,
}

/// Where the number of marks a checkpoint reads shows.
enum MarkCount {
    /// Nowhere: it reads none.
    None,
    /// In the size of an axis of a parameter.
    Axis(&'static str, usize),
    /// In the size of an axis of a parameter, which is so many for each bin.
    AxisOfBins(&'static str, usize),
    /// In how many groups of parameters there are: `prefix.0.`, `prefix.1.`, ...
    Groups(&'static str),
}

/// Every network that can be imported. Adding one is a line here.
const IMPORTERS: &[&Importer] = &[
    &deepcore::DEEPCORE,
    &isegnet::ISEGNET,
    &deepcage::DEEPCAGE,
    &bin_counts::ATTENTIVE_CHROME,
    &bin_counts::DEEPCHROME,
    &bin_counts::LSTM,
    &bin_counts::LSTM_ATTN,
    &bin_counts::LSTM_ALPHA,
    &bin_counts::CNN_ATTN,
    &bin_counts::CNN_ALPHA_BETA,
    &bin_counts::LINEAR,
    &bin_counts::MLP,
];

/// A checkpoint on its way to a model.
struct Checkpoint {
    tensors: Tensors,
    /// What the user should know of what was done.
    notes: Vec<String>,
}

impl Checkpoint {
    /// Gives a tensor another name, and another layout by `f`. One that is absent is said when the whole is compared.
    fn turn(&mut self, from: &str, to: &str, f: impl FnOnce(&Tensor) -> candle_core::Result<Tensor>) -> Result<(), ModelError> {
        let Some(tensor) = self.tensors.remove(from) else { return Ok(()) };
        let turned = f(&tensor).map_err(|_| ModelError::Weight {
            name: from.to_owned(),
            expected: format!("a shape that gives {to}"),
            found: format!("{:?}", tensor.dims()),
        })?;
        self.tensors.insert(to.to_owned(), turned);
        Ok(())
    }
}

/// What an import made.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The manifest that was written.
    pub manifest: Manifest,
    /// What was assumed or left out.
    pub notes: Vec<String>,
}

/// Reads the checkpoint at `file` and writes a model's folder. Nothing is written unless the network can be built from what was
/// read.
///
/// `marks`: the mark of each input channel, in the order the network was trained on; empty for the published order, where there
/// is one alone. A checkpoint does not name them.
///
/// # Errors
/// An architecture without importer; marks absent where several orders are published, repeated, or not as many as the network
/// reads; parameters missing, left over, of another shape or not finite, all of them listed; a file that is damaged or holds no
/// weights.
pub fn import(name: &str, file: &Path, marks: &[String], folder: &Path, options: &ImportOptions) -> Result<Imported, ModelError> {
    let architecture = architecture(name)?;
    let importer = IMPORTERS.iter().find(|importer| importer.architecture == architecture.name).ok_or_else(|| {
        let names: Vec<&str> = IMPORTERS.iter().map(|importer| importer.architecture).collect();
        ModelError::Input(format!("no importer for {name}; there is one for {}", names.join(", ")))
    })?;
    let mut checkpoint = Checkpoint { tensors: without_wrapper(read_checkpoint(file)?), notes: Vec::new() };
    (importer.convert)(&mut checkpoint)?;
    let mut manifest = match &options.preset {
        None => architecture.default_manifest(),
        Some(preset) => architecture.preset(preset).ok_or_else(|| {
            let known: Vec<&str> = architecture.presets.iter().map(|preset| preset.name).collect();
            ModelError::Input(format!("no preset \"{preset}\"; {name} has {}", known.join(", ")))
        })?,
    };
    manifest.samples.clone_from(&options.samples);
    manifest.assembly.clone_from(&options.assembly);
    importer.read_sizes(&mut manifest, &checkpoint.tensors);
    importer.set_window(&mut manifest, &checkpoint.tensors, marks, options)?;
    importer.set_marks(&mut manifest, &mut checkpoint, marks)?;
    (importer.rest)(&mut manifest, &mut checkpoint, options)?;
    manifest.name = options.name.clone().unwrap_or_else(|| stem(file));
    manifest.source = format!("imported from {} (SHA-256 {}...)", file_name(file), hash_of(file)?);
    fit::check(architecture, &manifest, &checkpoint.tensors)?;
    let manifest = save_model(folder, &manifest, &checkpoint.tensors)?;
    Ok(Imported { manifest, notes: checkpoint.notes })
}

impl Importer {
    /// Sizes whose parameter is absent stay as published: what is absent is said when the whole is compared.
    fn read_sizes(&self, manifest: &mut Manifest, tensors: &Tensors) {
        for (size, parameter, axis) in self.sizes {
            if let Some(found) = tensors.get(*parameter).and_then(|t| t.dims().get(*axis)) {
                manifest.sizes.insert((*size).to_owned(), *found);
            }
        }
    }

    /// Networks of binned marks read any number of bins around the TSS: counts by bin, of minus-strand genes unreversed.
    fn set_window(
        &self,
        manifest: &mut Manifest,
        tensors: &Tensors,
        marks: &[String],
        options: &ImportOptions,
    ) -> Result<(), ModelError> {
        if manifest.input.bin_size == 1 {
            return Ok(());
        }
        let published = if self.architecture == "attentive-chrome" { 200 } else { 100 };
        let told = match self.marks {
            MarkCount::AxisOfBins(parameter, axis) if !marks.is_empty() => {
                size_of(tensors, parameter, axis).map(|n| n / marks.len())
            }
            _ => None,
        };
        let bins = options.bins.or(told).unwrap_or(published);
        let length = (bins as u64).checked_mul(options.bin_size).filter(|length| (2..=1 << 31).contains(length));
        let length = length.ok_or_else(|| ModelError::Input(format!("{bins} bins of {} bases", options.bin_size)))?;
        manifest.window = WindowSpec { length, tss_index: length / 2, tts: None };
        manifest.input.bin_size = options.bin_size;
        // A table of counts says of each base of a bin what it says of the bin.
        manifest.input.bin_statistic = BinStatistic::Mean;
        Ok(())
    }

    /// The marks given, else those published.
    fn set_marks(&self, manifest: &mut Manifest, checkpoint: &mut Checkpoint, marks: &[String]) -> Result<(), ModelError> {
        let published = manifest.input.marks.clone();
        let channels = match self.marks {
            MarkCount::None => Some(0),
            MarkCount::Axis(parameter, axis) => size_of(&checkpoint.tensors, parameter, axis),
            MarkCount::AxisOfBins(parameter, axis) => {
                let bins = manifest.input.positions(manifest.window.length);
                size_of(&checkpoint.tensors, parameter, axis).map(|n| n / bins.max(1))
            }
            MarkCount::Groups(prefix) => {
                let has = |i: &usize| checkpoint.tensors.keys().any(|name| name.starts_with(&format!("{prefix}.{i}.")));
                Some((0..).take_while(has).count()).filter(|n| *n > 0)
            }
        };
        let channels = channels.unwrap_or(if marks.is_empty() { published.len() } else { marks.len() });
        let orders = if self.architecture == "attentive-chrome" { 2 } else { 1 };
        if marks.is_empty() && orders == 1 && channels == published.len() {
            if channels > 0 {
                let order = published.join(",");
                checkpoint.notes.push(format!("marks taken in the published order, {order}; --marks says another"));
            }
            return Ok(());
        }
        if marks.len() != channels {
            let given = if marks.is_empty() { "none is".to_owned() } else { format!("{} are", marks.len()) };
            let known = if orders == 1 { published.join(",") } else { PUBLISHED_MARK_ORDERS.to_owned() };
            return Err(ModelError::Input(format!(
                "the network reads {channels} marks, {given} named: say them with --marks A,B,... in the order it was trained on ({known})"
            )));
        }
        if let Some(mark) = (1..marks.len()).find(|&i| marks[..i].contains(&marks[i])).map(|i| &marks[i]) {
            return Err(ModelError::Input(format!("--marks names {mark} twice")));
        }
        manifest.input.marks = marks.to_vec();
        Ok(())
    }
}

fn size_of(tensors: &Tensors, parameter: &str, axis: usize) -> Option<usize> {
    tensors.get(parameter)?.dims().get(axis).copied()
}

/// Networks trained on several devices, compiled, or held by a trainer have one word before every name; what PyTorch counts
/// beside a batch normalisation is no weight.
fn without_wrapper(mut tensors: Tensors) -> Tensors {
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    for wrapper in ["_orig_mod.", "module.", "model."] {
        if tensors.keys().all(|name| name.starts_with(wrapper)) {
            tensors = tensors.into_iter().map(|(name, tensor)| (name[wrapper.len()..].to_owned(), tensor)).collect();
        }
    }
    tensors
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn file_name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// First 16 hex digits of SHA-256 of a file, or of every file of a folder in the order of their names.
fn hash_of(path: &Path) -> Result<String, ModelError> {
    let error = |path: &Path, e: std::io::Error| ModelError::File { path: path.to_owned(), reason: e.to_string() };
    let mut files: Vec<PathBuf> = Vec::new();
    match path.is_dir() || !path.exists() {
        false => files.push(path.to_owned()),
        true => {
            let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
            let prefix = if path.is_dir() { String::new() } else { file_name(path) };
            for entry in std::fs::read_dir(folder).map_err(|e| error(folder, e))? {
                let entry = entry.map_err(|e| error(folder, e))?;
                if entry.path().is_file() && entry.file_name().to_string_lossy().starts_with(&prefix) {
                    files.push(entry.path());
                }
            }
            files.sort_unstable();
        }
    }
    let mut hasher = Sha256::new();
    for path in files {
        let mut file = File::open(&path).map_err(|e| error(&path, e))?;
        std::io::copy(&mut file, &mut hasher).map_err(|e| error(&path, e))?;
    }
    Ok(hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}
