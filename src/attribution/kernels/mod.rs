//! What F becomes when an input is edited: exactly, and without running the whole network again where a kernel knows better.
//!
//! A kernel keeps the network's inner values for the unedited input and recomputes only what an edit can reach. It gives what the
//! plain path gives ([`plain`], one forward pass an edit) to rounding, and exactly 0 where an edit changes nothing inside. Deltas do
//! not depend on which edits are asked for together, nor on the number of threads.

mod deepcore;
mod deepcore_view;
mod lanes;
mod plain;
#[cfg(test)]
mod tests;

pub use plain::plain;

use super::AttributionError;
use crate::models::{Input, Model, ModelError};
use std::borrow::Cow;

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

    /// F of each edited input minus F. Runs in the rayon pool the caller has installed.
    fn deltas(&self, edits: &[Edit]) -> Result<Vec<f64>, AttributionError>;
}

/// Builds a kernel if the network is one that it knows.
type Build = for<'a> fn(&'a dyn Model, &'a Input) -> Option<Result<Box<dyn Evaluator + 'a>, AttributionError>>;

/// Every kernel. Adding one is a file and a line here.
const KERNELS: &[Build] = &[deepcore::build];

/// The network's own kernel for this input, or the plain path where it has none.
pub fn evaluator<'a>(model: &'a dyn Model, input: &'a Input) -> Result<Box<dyn Evaluator + 'a>, AttributionError> {
    KERNELS.iter().find_map(|build| build(model, input)).unwrap_or_else(|| plain(model, input))
}

/// Whether there is an exact kernel for this network.
pub fn has_kernel(model: &dyn Model, input: &Input) -> bool {
    KERNELS.iter().any(|build| build(model, input).is_some())
}

/// `value`, if it is a number.
fn finite(value: f64) -> Result<f64, AttributionError> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(ModelError::NotFinite { place: "the model's output".to_owned(), value }.into()),
    }
}
