//! Bring your own network: a command that speaks `.npz` on its standard streams (`docs/external.md`).
//!
//! `model.toml` says what it reads and what its numbers are; the network itself may be anything that Python, or another language,
//! can run. A command is started only where the user allowed it, never because a file says so.

mod frame;
mod process;
mod serve;
#[cfg(test)]
mod tests;

pub use process::stop_commands;
pub use serve::serve;

use super::{Attention, Batch, Manifest, Model, ModelError, N_INPUTS, Output};
use crate::tracks::{Array, Values};
use candle_core::{DType, Device, Tensor};
use frame::Arrays;
use process::{AskError, Process};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What `model.toml` calls such a network.
pub const EXTERNAL: &str = "external";

/// Inputs by the names they have in messages, in the order of [`Batch::parts`].
const INPUTS: [&str; N_INPUTS] = ["sequence", "marks", "expression", "motif_scores"];
/// A command that failed so many times in a row is not started again.
const MOST_FAILURES: u32 = 3;

/// The command of a network, and what its numbers are: the table `[external]` of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalSpec {
    /// Program and arguments, started in the model's folder.
    pub command: Vec<String>,
    /// Longest wait for an answer.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: f64,
    /// Whether it answers gradients.
    #[serde(default)]
    pub gradient: bool,
    /// Windows asked for at once, at most.
    #[serde(default = "default_batch")]
    pub batch_size: usize,
    /// What it predicts, in the order of its output; one where none is named.
    #[serde(default)]
    pub heads: Vec<String>,
    /// The head that is shown and explained; the first where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Numbers a head gives: 1, or the positions of a profile.
    #[serde(default = "one")]
    pub positions: usize,
    /// How the positions of a profile become F.
    #[serde(default)]
    pub profile: ProfileStatistic,
}

/// How the positions of a profile become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileStatistic {
    /// Their sum.
    #[default]
    Sum,
    /// Their mean.
    Mean,
}

fn default_timeout() -> f64 {
    60.0
}

fn default_batch() -> usize {
    64
}

fn one() -> usize {
    1
}

impl ExternalSpec {
    /// Whether it can be followed.
    ///
    /// # Errors
    /// Names the entry.
    pub fn check(&self) -> Result<(), ModelError> {
        const LONGEST: f64 = 3_600.0;
        let wrong = |what: String| Err(ModelError::Manifest(what));
        if self.command.first().is_none_or(|program| program.trim().is_empty()) {
            return wrong("external.command names no program".to_owned());
        }
        if !(self.timeout_seconds > 0.0 && self.timeout_seconds <= LONGEST) {
            return wrong(format!("external.timeout_seconds = {}: must be above 0, at most {LONGEST}", self.timeout_seconds));
        }
        if !(1..=4_096).contains(&self.batch_size) {
            return wrong(format!("external.batch_size = {}: must be 1 to 4096", self.batch_size));
        }
        if !(1..=1 << 24).contains(&self.positions) {
            return wrong(format!("external.positions = {}: must be 1 to {}", self.positions, 1 << 24));
        }
        match &self.head {
            Some(head) if !self.heads.contains(head) => {
                wrong(format!("external.head = \"{head}\" is none of {}", self.heads.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn n_heads(&self) -> usize {
        self.heads.len().max(1)
    }

    /// Of the head that is explained.
    fn head_index(&self) -> usize {
        self.heads.iter().position(|head| Some(head) == self.head.as_ref()).unwrap_or(0)
    }

    /// `[heads, positions]`: F is the sum of the output times this.
    fn weight(&self) -> Vec<f32> {
        let (head, n) = (self.head_index(), self.positions);
        let value = match self.profile {
            ProfileStatistic::Sum => 1.0,
            ProfileStatistic::Mean => 1.0 / n as f32,
        };
        (0..self.n_heads() * n).map(|i| if i / n == head { value } else { 0.0 }).collect()
    }
}

/// A network that is a command.
pub struct External {
    manifest: Manifest,
    spec: ExternalSpec,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    failures: u32,
}

impl External {
    /// The network of a model's folder. The command is started when it is first asked.
    ///
    /// # Errors
    /// Where `model.toml` has no command or says something that cannot be followed.
    pub fn new(manifest: Manifest, folder: &Path) -> Result<Self, ModelError> {
        manifest.check()?;
        let absent = || ModelError::Manifest("architecture \"external\" needs a table [external] with its command".to_owned());
        let spec = manifest.external.clone().ok_or_else(absent)?;
        spec.check()?;
        if manifest.input.sequence.is_none() && manifest.input.marks.is_empty() && manifest.input.tfs.is_empty() {
            return Err(ModelError::Manifest("the input names neither DNA nor a mark".to_owned()));
        }
        Ok(Self { manifest, spec, folder: folder.to_owned(), state: Mutex::default() })
    }

    fn failed(&self, reason: &str) -> ModelError {
        let command = self.spec.command.join(" ");
        ModelError::Input(format!("external model {} ({command}): {reason}", self.manifest.name))
    }

    /// Sends a request and gives what it was answered.
    fn ask(&self, request: &Arrays) -> Result<Arrays, ModelError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.failures >= MOST_FAILURES {
            return Err(self.failed(&format!("not started again after {MOST_FAILURES} failures in a row")));
        }
        let message = frame::encode(request).map_err(|reason| self.failed(&reason))?;
        let started = match state.process.take() {
            Some(process) => Ok(process),
            None => Process::start(&self.spec.command, &self.folder).map_err(AskError::Failed),
        };
        let timeout = Duration::from_secs_f64(self.spec.timeout_seconds);
        let answered = started.and_then(|mut process| {
            let answer = frame::decode(process.ask(message, timeout)?)?;
            Ok((process, answer))
        });
        match answered {
            Ok((process, answer)) => {
                (state.process, state.failures) = (Some(process), 0);
                match answer.get("error").and_then(Array::as_text) {
                    Some(text) => Err(self.failed(&crate::tracks::clean_text(&text.join(" ")))),
                    None => Ok(answer),
                }
            }
            // The process was dropped with the answer that nobody waits for any more.
            Err(AskError::GivenUp) => Err(self.failed("the answer is no longer wanted")),
            // What no longer answers in turn is ended, too.
            Err(AskError::Failed(reason)) => {
                state.failures += 1;
                Err(self.failed(&reason))
            }
        }
    }

    /// Asks for the windows of a batch, so many at once as the command takes.
    fn each_part(&self, batch: &Batch, mut each: impl FnMut(&Batch) -> Result<(), ModelError>) -> Result<(), ModelError> {
        let n = batch.len();
        for first in (0..n).step_by(self.spec.batch_size) {
            let len = self.spec.batch_size.min(n - first);
            each(&batch.try_map(|t| t.narrow(0, first, len))?)?;
        }
        Ok(())
    }

    fn request(&self, what: &str, batch: &Batch) -> Result<Arrays, ModelError> {
        let input = &self.manifest.input;
        // Checks the shapes and names what is missing.
        batch.sequence_for(input)?;
        batch.marks_for(input)?;
        batch.tfs_for(input)?;
        let reads = [input.sequence.is_some(), !input.marks.is_empty(), !input.tfs.is_empty(), !input.tfs.is_empty()];
        let mut arrays = Arrays::from([("request".to_owned(), Array::text(vec![what.to_owned()]))]);
        for ((name, part), _) in INPUTS.into_iter().zip(batch.parts()).zip(reads).filter(|(_, reads)| *reads) {
            let Some(tensor) = part else { continue };
            arrays.insert(name.to_owned(), array(tensor)?);
        }
        Ok(arrays)
    }

    /// F of each window, from `output` `[n, heads, positions]` (axes of 1 may be left out).
    fn scores(&self, answer: &Arrays, n: usize) -> Result<Vec<f32>, ModelError> {
        let weight = self.spec.weight();
        let output = answer.get("output").ok_or_else(|| self.failed("the answer has no array output"))?;
        let expected = [n, self.spec.n_heads(), self.spec.positions];
        let values = output.to_f32().ok_or_else(|| self.failed("the array output holds text"))?;
        if output.shape.first() != Some(&n) || values.len() != expected.iter().product::<usize>() {
            return Err(self.failed(&format!("output of shape {:?}, where {expected:?} is expected", output.shape)));
        }
        let score = |row: &[f32]| row.iter().zip(&weight).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum::<f64>() as f32;
        Ok(values.chunks_exact(weight.len()).map(score).collect())
    }

    /// Weights over its input that the command may give beside its output.
    fn attention(&self, answer: &Arrays, n: usize) -> Result<Option<Attention>, ModelError> {
        let of = |name: &str, rank: usize| {
            let Some(array) = answer.get(name) else { return Ok(None) };
            if array.shape.len() != rank || array.shape[0] != n {
                return Err(
                    self.failed(&format!("{name} of shape {:?}, where {rank} axes, the first of {n}, are expected", array.shape))
                );
            }
            tensor(array).map(Some).map_err(|reason| self.failed(&reason))
        };
        Ok(match (of("attention", 2)?, of("alpha", 3)?, of("beta", 2)?) {
            (Some(weights), _, _) => Some(Attention::Bins(weights)),
            (_, Some(alpha), Some(beta)) => Some(Attention::Hierarchical { alpha, beta }),
            (_, Some(alpha), None) => Some(Attention::Marks(alpha)),
            _ => None,
        })
    }

    /// Joins what the parts of a batch were answered.
    fn output(scores: Vec<f32>, attention: Vec<Option<Attention>>) -> Result<Output, ModelError> {
        let n = scores.len();
        let join = |of: &dyn Fn(&Attention) -> Option<&Tensor>| {
            let parts: Vec<&Tensor> = attention.iter().flatten().filter_map(of).collect();
            if parts.is_empty() { Ok(None) } else { Tensor::cat(&parts, 0).map(Some) }
        };
        let bins = join(&|a| if let Attention::Bins(weights) = a { Some(weights) } else { None })?;
        let marks = join(&|a| if let Attention::Marks(alpha) = a { Some(alpha) } else { None })?;
        let alpha = join(&|a| if let Attention::Hierarchical { alpha, .. } = a { Some(alpha) } else { None })?;
        let beta = join(&|a| if let Attention::Hierarchical { beta, .. } = a { Some(beta) } else { None })?;
        let attention = bins.map(Attention::Bins).or(marks.map(Attention::Marks));
        let attention = attention.or(alpha.zip(beta).map(|(alpha, beta)| Attention::Hierarchical { alpha, beta }));
        Ok(Output { score: Tensor::from_vec(scores, n, &Device::Cpu)?, attention })
    }
}

impl Model for External {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        DType::F32
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let (mut scores, mut attention) = (Vec::new(), Vec::new());
        self.each_part(batch, |part| {
            let answer = self.ask(&self.request("predict", part)?)?;
            scores.extend(self.scores(&answer, part.len())?);
            attention.push(self.attention(&answer, part.len())?);
            Ok(())
        })?;
        Self::output(scores, attention)
    }

    fn gradient(&self, batch: &Batch) -> Result<(Output, Batch), ModelError> {
        if !self.spec.gradient {
            return Err(ModelError::NoGradient(self.manifest.name.clone()));
        }
        let (mut scores, mut attention, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        self.each_part(batch, |part| {
            let mut request = self.request("gradient", part)?;
            let shape = [self.spec.n_heads(), self.spec.positions];
            request.insert("weight".to_owned(), Array::f32(&shape, self.spec.weight()));
            let answer = self.ask(&request)?;
            scores.extend(self.scores(&answer, part.len())?);
            attention.push(self.attention(&answer, part.len())?);
            let mut of_parts = [const { None }; N_INPUTS];
            for (i, (name, x)) in INPUTS.into_iter().zip(part.parts()).enumerate() {
                let Some(x) = x else { continue };
                let name = format!("gradient_{name}");
                of_parts[i] = Some(match answer.get(&name) {
                    // What the network does not read has none.
                    None if !request.contains_key(INPUTS[i]) => x.zeros_like()?,
                    None => return Err(self.failed(&format!("the answer has no array {name}"))),
                    Some(array) if array.shape != x.dims() => {
                        return Err(self.failed(&format!("{name} of shape {:?}, where {:?} is expected", array.shape, x.dims())));
                    }
                    Some(array) => tensor(array).map_err(|reason| self.failed(&reason))?,
                });
            }
            gradients.push(Batch::from_parts(of_parts));
            Ok(())
        })?;
        let mut joined = [const { None }; N_INPUTS];
        for (i, joined) in joined.iter_mut().enumerate() {
            let parts: Vec<&Tensor> = gradients.iter().filter_map(|g| g.parts()[i]).collect();
            *joined = if parts.is_empty() { None } else { Some(Tensor::cat(&parts, 0)?) };
        }
        Ok((Self::output(scores, attention)?, Batch::from_parts(joined)))
    }
}

fn array(tensor: &Tensor) -> Result<Array, ModelError> {
    Ok(Array::f32(tensor.dims(), tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?))
}

fn tensor(array: &Array) -> Result<Tensor, String> {
    let values = match &array.values {
        Values::F32(values) => values.clone(),
        _ => array.to_f32().ok_or("an array of text where numbers are expected")?,
    };
    Tensor::from_vec(values, array.shape.clone(), &Device::Cpu).map_err(|e| e.to_string())
}
