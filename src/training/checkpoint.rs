//! Where a fit stands, in one file that is whole or the one before: weights, the optimiser's state, the epoch, the place in the
//! stream of random numbers, history. Going on from it gives the bytes of a fit that was never stopped.

use super::fit::{Epoch, FitState};
use super::{Optimiser, TrainingError};
use crate::tracks::{TrackError, write_whole};
use candle_core::{Device, Tensor, Var};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

/// Its name in the folder of a model being fitted.
pub const CHECKPOINT: &str = "training.safetensors";
const VERSION: u32 = 1;
const MAX_BYTES: u64 = 8 << 30;
/// The entry of the file's metadata that holds [`Header`].
const HEADER: &str = "cislens";

/// Everything that is no tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    /// Of the data, split, options and manifest.
    fingerprint: String,
    epoch: usize,
    step: usize,
    sum: f64,
    random: String,
    dropout: String,
    optimiser_steps: u64,
    epochs_without_gain: usize,
    best_epoch: usize,
    history: Vec<[f64; 4]>,
}

/// Why a checkpoint cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Of other data, options or network.
    #[error(
        "{}: a fit with other genes, settings or network was stopped there; finish it with its own command, or leave it with --restart",
        .0.display()
    )]
    Other(std::path::PathBuf),
    /// Damaged.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes the state of a fit.
///
/// # Errors
/// Where the file cannot be written; the one before is then still there.
pub(super) fn save(
    path: &Path,
    fingerprint: &str,
    state: &FitState,
    variables: &BTreeMap<String, Var>,
    optimiser: &Optimiser,
) -> Result<(), TrainingError> {
    let (optimiser_steps, moments) = optimiser.state();
    let header = Header {
        version: VERSION,
        fingerprint: fingerprint.to_owned(),
        epoch: state.epoch,
        step: state.step,
        sum: state.sum,
        random: state.random.to_string(),
        dropout: state.dropout.to_string(),
        optimiser_steps,
        epochs_without_gain: state.epochs_without_gain,
        best_epoch: state.best_epoch,
        history: state.history.iter().map(|e| [e.train_loss, e.valid_loss, e.valid_score, e.watched]).collect(),
    };
    let mut numbers: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)> = BTreeMap::new();
    let mut put = |name: String, shape: &[usize], values: &[f32]| {
        numbers.insert(name, (Dtype::F32, shape.to_vec(), values.iter().flat_map(|x| x.to_le_bytes()).collect()));
    };
    for (name, variable) in variables {
        put(format!("now.{name}"), variable.dims(), &variable.flatten_all()?.to_vec1::<f32>()?);
    }
    for (name, tensor) in &state.best {
        put(format!("best.{name}"), tensor.dims(), &tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    for (name, tensor) in &state.mean {
        put(format!("averaged.{name}"), tensor.dims(), &tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    for (name, [mean, square]) in moments {
        put(format!("mean.{name}"), &[mean.len()], mean);
        put(format!("square.{name}"), &[square.len()], square);
    }
    let order = state.order.iter().flat_map(|i| (*i as u64).to_le_bytes()).collect();
    numbers.insert("order".to_owned(), (Dtype::U64, vec![state.order.len()], order));
    let failed = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let mut views = BTreeMap::new();
    for (name, (dtype, shape, bytes)) in &numbers {
        views.insert(name, TensorView::new(*dtype, shape.clone(), bytes).map_err(|e| failed(e.to_string()))?);
    }
    let text = toml::to_string(&header).map_err(|e| failed(e.to_string()))?;
    let metadata = HashMap::from([(HEADER.to_owned(), text)]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))?;
    let written = write_whole(path, |out| out.write_all(&bytes).map_err(|e| TrackError::io(path, e)));
    written.map_err(|e| TrainingError::Write(e.to_string()))
}

/// Goes on from a checkpoint, if there is one: fills `variables` and `optimiser` and gives where the fit stood.
///
/// # Errors
/// Where it is damaged, or of another fit.
pub(super) fn load(
    path: &Path,
    fingerprint: &str,
    variables: &BTreeMap<String, Var>,
    optimiser: &mut Optimiser,
) -> Result<Option<FitState>, TrainingError> {
    if !path.exists() {
        return Ok(None);
    }
    let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let size = std::fs::metadata(path).map_err(|e| damaged(e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(damaged(format!("{size} bytes are more than {MAX_BYTES}")).into());
    }
    let bytes = std::fs::read(path).map_err(|e| damaged(e.to_string()))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let text = text.ok_or_else(|| damaged("no checkpoint of cislens".to_owned()))?;
    let header: Header = toml::from_str(text).map_err(|e| damaged(e.to_string()))?;
    if header.version != VERSION || header.fingerprint != fingerprint {
        return Err(CheckpointError::Other(path.to_owned()).into());
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let mut now = BTreeMap::new();
    let (mut best, mut averaged, mut moments) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<String, [Vec<f32>; 2]>::new());
    let mut order = Vec::new();
    for (name, view) in file.iter() {
        let floats = || view.data().as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect::<Vec<_>>();
        match name.split_once('.') {
            Some(("now", name)) => drop(now.insert(name.to_owned(), Tensor::from_vec(floats(), view.shape(), &Device::Cpu)?)),
            Some(("best", name)) => drop(best.insert(name.to_owned(), Tensor::from_vec(floats(), view.shape(), &Device::Cpu)?)),
            Some(("averaged", name)) => {
                drop(averaged.insert(name.to_owned(), Tensor::from_vec(floats(), view.shape(), &Device::Cpu)?));
            }
            Some(("mean", name)) => moments.entry(name.to_owned()).or_default()[0] = floats(),
            Some(("square", name)) => moments.entry(name.to_owned()).or_default()[1] = floats(),
            _ => order = view.data().as_chunks().0.iter().map(|i| u64::from_le_bytes(*i) as usize).collect(),
        }
    }
    for (name, variable) in variables {
        let (now, best, averaged) = (now.get(name), best.get(name), averaged.get(name));
        let fits = |t: Option<&Tensor>| t.is_some_and(|t| t.dims() == variable.dims());
        match now {
            Some(tensor) if fits(now) && fits(best) && (averaged.is_none() || fits(averaged)) => variable.set(tensor)?,
            _ => return Err(damaged(format!("weight {name} is missing or of another shape")).into()),
        }
    }
    optimiser.restore(header.optimiser_steps, moments, variables)?;
    let position = |text: &str| text.parse::<u128>().map_err(|e| damaged(format!("\"{text}\": {e}")));
    Ok(Some(FitState {
        epoch: header.epoch,
        step: header.step,
        sum: header.sum,
        order,
        random: position(&header.random)?,
        dropout: position(&header.dropout)?,
        epochs_without_gain: header.epochs_without_gain,
        best_epoch: header.best_epoch,
        best,
        mean: averaged,
        history: header
            .history
            .iter()
            .map(|&[train_loss, valid_loss, valid_score, watched]| Epoch { train_loss, valid_loss, valid_score, watched })
            .collect(),
    }))
}
