//! `cislens import`: a published checkpoint into a model folder.

use super::Failure;
use crate::models::{ImportOptions, ModelError, architecture, import};
use crate::tracks::{PUBLISHED_BIN_SIZE, clean_text, read_text_or_pipe};
use anyhow::anyhow;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// Architecture, as cislens list models prints
    architecture: String,
    /// The checkpoint: PyTorch, safetensors, npz, Keras HDF5, or TensorFlow (the folder of the checkpoint)
    file: PathBuf,
    /// Folder to write the model to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Mark of each input channel, in the order the network was trained on: a checkpoint does not name them
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    marks: Vec<String>,
    /// Networks of binned marks: bins around the TSS [default: 200 for attentive-chrome, 100 for the others]
    #[arg(long, value_name = "N")]
    bins: Option<usize>,
    /// Bases per bin
    #[arg(long, value_name = "BASES", default_value_t = PUBLISHED_BIN_SIZE)]
    bin_size: u64,
    /// Name of the model [default: the checkpoint's]
    #[arg(long)]
    name: Option<String>,
    /// Assembly it was trained on (hg19)
    #[arg(long)]
    assembly: Option<String>,
    /// DeepCAGE: names of its transcription factors, one a line, in the order of the network's input
    #[arg(long, value_name = "FILE")]
    tfs: Option<PathBuf>,
    /// The published version, where weights do not tell it (isegnet: binary; deepcage: code-binary)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Samples it was trained on
    #[arg(long, value_name = "NAME")]
    sample: Vec<String>,
}

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    architecture(&args.architecture).map_err(|e| Failure::Usage(e.to_string()))?;
    let marks: Vec<String> = args.marks.iter().map(|mark| mark.trim().to_owned()).collect();
    let options = ImportOptions {
        // Checkpoints are all called model: the folder's name tells more.
        name: args.name.clone().or_else(|| Some(args.out.file_name()?.to_string_lossy().into_owned())),
        samples: args.sample.clone(),
        assembly: args.assembly.clone(),
        bins: args.bins,
        bin_size: args.bin_size,
        preset: args.preset.clone(),
        tfs: args.tfs.as_deref().map(read_names).transpose()?.unwrap_or_default(),
    };
    let imported = import(&args.architecture, &args.file, &marks, &args.out, &options);
    let imported = imported.map_err(|error| match error {
        // What the message asks for was not given, or not as it must be.
        ModelError::Input(reason) if reason.contains("--marks") => Failure::Usage(reason),
        error => error.into(),
    })?;
    for note in &imported.notes {
        eprintln!("cislens: {}", clean_text(note));
    }
    let manifest = imported.manifest;
    let marks = match manifest.input.marks.is_empty() {
        true => String::new(),
        false => format!(", marks {}", manifest.input.marks.join(", ")),
    };
    let tts = if manifest.window.tts.is_some() { " and the TTS" } else { "" };
    let line = format!(
        "{}: {} ({}), {} bases around the TSS{tts}{marks}, hash {}",
        args.out.display(),
        manifest.name,
        manifest.architecture,
        manifest.window.length,
        manifest.hash
    );
    say!("{}", clean_text(&line));
    Ok(())
}

/// Words of a file, one a line.
fn read_names(path: &Path) -> Result<Vec<String>, Failure> {
    let text = read_text_or_pipe(path).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
