//! Whether a checkpoint's parameters are those of a network, all of them compared before any is used.

use super::checkpoint::Tensors;
use crate::models::{Architecture, Manifest, ModelError, Weights};
use candle_core::{DType, Device};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Differences of each kind listed.
const LISTED: usize = 6;

/// Compares names and shapes with those the network of `manifest` asks for.
///
/// # Errors
/// Lists what was expected and found, by name.
pub(super) fn check(architecture: &Architecture, manifest: &Manifest, tensors: &Tensors) -> Result<(), ModelError> {
    manifest.check()?;
    let fresh = Weights::fresh(0, DType::F32, &Device::Cpu);
    (architecture.build)(&fresh, manifest.clone())?;
    let expected: BTreeMap<String, Vec<usize>> =
        fresh.saved().into_iter().map(|(name, variable)| (name, variable.dims().to_vec())).collect();
    let (mut differing, mut missing, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in &expected {
        match tensors.get(name) {
            Some(tensor) if tensor.dims() == shape => {}
            Some(tensor) => differing.push(format!("{name}: expected {shape:?}, found {:?}", tensor.dims())),
            None => missing.push(format!("{name}: expected {shape:?}, found nothing")),
        }
    }
    for (name, tensor) in tensors.iter().filter(|(name, _)| !expected.contains_key(*name)) {
        left.push(format!("{name}: expected nothing, found {:?}", tensor.dims()));
    }
    let n = differing.len() + missing.len() + left.len();
    if n == 0 {
        return Ok(());
    }
    let mut text = format!("the checkpoint does not fit {} ({n} parameters differ):", architecture.name);
    for kind in [differing, missing, left] {
        for difference in kind.iter().take(LISTED) {
            let _ = write!(text, "\n  {difference}");
        }
        if kind.len() > LISTED {
            let _ = write!(text, "\n  and {} more", kind.len() - LISTED);
        }
    }
    Err(ModelError::Input(text))
}
