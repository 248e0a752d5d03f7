//! What F becomes when an input is edited: exactly, and without running the whole network again where a kernel knows better.
//!
//! A kernel keeps the network's inner values for the unedited input and recomputes only what an edit can reach. It gives what the
//! plain path gives ([`plain`], one forward pass an edit) to rounding, and exactly 0 where an edit changes nothing inside. Deltas do
//! not depend on which edits are asked for together, nor on the number of threads.

mod alone;
mod attentive_convs;
mod bin_lstms;
mod deepcage;
mod deepcore;
mod deepcore_path;
mod deepcore_view;
mod dense_bins;
mod isegnet;
mod isegnet_path;
mod lanes;
mod maps;
mod plain;
#[cfg(test)]
mod tests;

pub use plain::plain;

use super::path::Node;
use super::{AttributionError, Run};
use crate::models::layers::Real;
use crate::models::{Batch, Input, Model, ModelError};
use candle_core::Tensor;
use std::borrow::Cow;
use std::ops::Range;

/// A change of an input. What is listed twice ends as listed last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edit {
    /// Index in the window and the new base, `A C G T` or `N`.
    pub bases: Vec<(usize, u8)>,
    /// Index into [`Input::marks`] and the new value.
    pub marks: Vec<(usize, f32)>,
}

impl Edit {
    /// One base becomes another.
    pub fn substitution(index: usize, base: u8) -> Self {
        Self { bases: vec![(index, base)], marks: Vec::new() }
    }

    /// Both edits, `self` first.
    pub fn and(&self, other: &Self) -> Self {
        Self { bases: [&self.bases[..], &other.bases].concat(), marks: [&self.marks[..], &other.marks].concat() }
    }

    /// Whether the edited input is another.
    pub fn changes(&self, input: &Input) -> bool {
        fn ends_otherwise<T: PartialEq>(listed: &[(usize, T)], there: &[T]) -> bool {
            let is_last = |i: usize, index: &usize| listed[i + 1..].iter().all(|(later, _)| later != index);
            listed.iter().enumerate().any(|(i, (index, value))| there[*index] != *value && is_last(i, index))
        }
        input.sequence.as_ref().is_some_and(|sequence| ends_otherwise(&self.bases, sequence))
            || ends_otherwise(&self.marks, &input.marks)
    }

    /// The edited input.
    pub fn apply<'a>(&self, input: &'a Input) -> Cow<'a, Input> {
        if *self == Self::default() {
            return Cow::Borrowed(input);
        }
        let mut edited = input.clone();
        if let Some(sequence) = &mut edited.sequence {
            self.bases.iter().for_each(|&(index, base)| sequence[index] = base);
        }
        self.marks.iter().for_each(|&(index, value)| edited.marks[index] = value);
        Cow::Owned(edited)
    }
}

/// Scores edits of one input of one network.
pub trait Evaluator: Sync {
    /// F of the unedited input.
    fn score(&self) -> f64;

    /// Edits of a call that takes some 10 ms: callers ask whether to go on between calls.
    fn chunk(&self) -> usize;

    /// Edits that are evaluated side by side: a call of a multiple of them leaves no place empty.
    fn together(&self) -> usize {
        1
    }

    /// F of each edited input minus F. Runs in the rayon pool the caller has installed.
    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError>;
}

/// Builds a kernel if the network is one that it knows.
type Build = for<'a> fn(&'a dyn Model, &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>>;

/// Sums gradients along a straight path with fewer layers a node than the whole network.
pub(super) trait PathKernel {
    /// `sum_k weight_k * dF/dx` at the nodes, in f64 and the shapes of the input.
    fn gradients(&self, nodes: &[Node], run: &Run<'_>) -> Result<Batch, AttributionError>;
}

/// Which of `n` nodes run together, at most `most`: an even number of calls, as equal as they can be, for two cores to share. The same
/// for any number of threads, for sums are rounded call by call.
fn calls(n: usize, most: usize) -> Vec<Range<usize>> {
    let calls = n.div_ceil(most).next_multiple_of(2).min(n);
    (0..calls).map(|i| i * n / calls..(i + 1) * n / calls).collect()
}

/// Builds a path's kernel from baseline and input, if the network is one that it knows.
type BuildPath = for<'a> fn(&'a dyn Model, &Batch, &Batch) -> Option<Result<Box<dyn PathKernel + 'a>, AttributionError>>;

/// Every kernel of paths.
const PATHS: &[BuildPath] = &[deepcore_path::build, isegnet_path::build];

/// The network's own kernel for the path from `baseline` to `input`, where it has one.
pub(super) fn path_kernel<'a>(
    model: &'a dyn Model,
    baseline: &Batch,
    input: &Batch,
) -> Result<Option<Box<dyn PathKernel + 'a>>, AttributionError> {
    PATHS.iter().find_map(|build| build(model, baseline, input)).transpose()
}

/// Every kernel. Adding one is a file and a line here.
const KERNELS: &[Build] =
    &[deepcore::build, bin_lstms::build, isegnet::build, deepcage::build, dense_bins::build, attentive_convs::build];

/// The network's own kernel for this input, or the plain path where it has none.
pub fn evaluator<'a>(model: &'a dyn Model, input: &'a Input) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
    kernel(model, input).unwrap_or_else(|| plain(model, input))
}

/// The network's own kernel for this input, where it has one.
pub fn kernel<'a>(model: &'a dyn Model, input: &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>> {
    // Kernels compare numbers; what is not one is the plain path's to report.
    if !input.marks.iter().all(|value| value.is_finite()) {
        return None;
    }
    KERNELS.iter().find_map(|build| build(model, input))
}

/// A tensor's numbers, row-major.
fn numbers<T: Real>(tensor: &Tensor) -> Result<Vec<T>, AttributionError> {
    Ok(tensor.to_dtype(T::DTYPE)?.flatten_all()?.to_vec1()?)
}

/// An error where an edit sets a value that is not a number.
fn check_finite(edits: &[Edit]) -> Result<(), AttributionError> {
    match edits.iter().flat_map(|edit| &edit.marks).find(|(_, value)| !value.is_finite()) {
        Some((_, value)) => Err(ModelError::NotFinite { place: "an edited mark".to_owned(), value: f64::from(*value) }.into()),
        None => Ok(()),
    }
}

/// `value`, if it is a number.
fn finite(value: f64) -> Result<f64, AttributionError> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(ModelError::NotFinite { place: "the model's output".to_owned(), value }.into()),
    }
}
