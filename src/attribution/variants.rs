//! F of many changed copies of one window: the plain path that every method of changed inputs shares.

use super::kernels::{Edit, Evaluator, kernel};
use super::{AttributionError, Run, in_acgt, scores};
use crate::models::{Batch, Input, Model, N_INPUTS};
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Numbers that a call of a network reads, about: a call must stay under some 25 ms.
const NUMBERS_PER_CALL: usize = 200_000;
const MOST_PER_CALL: usize = 64;
/// What a kernel's call should take.
const CALL: Duration = Duration::from_millis(12);
/// Numbers of one change above which fewer changes make a chunk.
const LARGE: usize = 200;

/// A window as numbers, in the order of [`Batch::parts`]; inputs a network does not read are empty.
pub(super) type Parts = [Vec<f32>; N_INPUTS];

/// Places of [`Parts`].
pub(super) const DNA: usize = 0;
pub(super) const MARKS: usize = 1;
pub(super) const EXPRESSION: usize = 2;
pub(super) const MOTIF_SCORES: usize = 3;

/// Evaluates changed copies of one window.
pub(super) struct Variants<'a> {
    model: &'a dyn Model,
    input: &'a Input,
    reference: Parts,
}

impl<'a> Variants<'a> {
    pub(super) fn new(model: &'a dyn Model, input: &'a Input) -> Self {
        Self { model, input, reference: input.parts() }
    }

    /// What to say beside changed DNA of a network that reads motif scores: those of the window as it is.
    pub(super) fn held(&self) -> &'static str {
        if self.input.motif_scores.is_empty() { "" } else { ", motif scores of the transcription factors held" }
    }

    /// The window as it is.
    pub(super) fn reference(&self) -> &Parts {
        &self.reference
    }

    /// F of the window as it is.
    pub(super) fn score(&self) -> Result<f64, AttributionError> {
        Ok(self.scores(std::slice::from_ref(&self.reference))?[0])
    }

    /// Copies in one call. On the processor it depends on the window's size alone: another number of windows a call may round
    /// differently.
    pub(super) fn per_call(&self) -> usize {
        let numbers: usize = self.reference.iter().map(Vec::len).sum();
        self.model.windows_per_call().unwrap_or((NUMBERS_PER_CALL / numbers.max(1)).clamp(1, MOST_PER_CALL))
    }

    /// F of each of `variants`, in one call.
    pub(super) fn scores(&self, variants: &[Parts]) -> Result<Vec<f64>, AttributionError> {
        scores(self.model, &batch_of(self.model, self.input, variants)?)
    }

    /// F of the copy that `change` makes of the window for each of 0..n, in order, `done` told after every call.
    pub(super) fn each(
        &self,
        n: usize,
        run: &mut Run<'_>,
        change: impl Fn(usize, &mut Parts),
        mut done: impl FnMut(Range<usize>, Vec<f64>, &mut Run<'_>) -> Result<(), AttributionError>,
    ) -> Result<(), AttributionError> {
        let step = self.per_call();
        for from in (0..n).step_by(step) {
            run.step()?;
            let span = from..(from + step).min(n);
            let variants: Vec<Parts> = span
                .clone()
                .map(|i| {
                    let mut copy = self.reference.clone();
                    change(i, &mut copy);
                    copy
                })
                .collect();
            done(span, self.scores(&variants)?, run)?;
        }
        Ok(())
    }
}

/// Windows as one batch of the network's precision.
pub(super) fn batch_of(model: &dyn Model, input: &Input, windows: &[Parts]) -> Result<Batch, AttributionError> {
    let n = windows.len();
    let shapes: [Vec<usize>; N_INPUTS] = [
        vec![n, input.sequence.as_ref().map_or(0, Vec::len), 4],
        vec![n, input.positions(), input.n_marks()],
        vec![n, input.expression.len()],
        vec![n, input.motif_scores.len()],
    ];
    let mut parts = [const { None }; N_INPUTS];
    for (i, shape) in shapes.into_iter().enumerate() {
        if shape.iter().all(|&size| size > 0) {
            let values: Vec<f32> = windows.iter().flat_map(|window| &window[i]).copied().collect();
            parts[i] = Some(Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(model.dtype())?);
        }
    }
    Ok(Batch::from_parts(parts))
}

/// A value a base as rows of A,C,G,T: at the base that is there, an even share of each where there is none (N).
pub(super) fn at_bases(input: &Input, values: &[f64]) -> Vec<[f32; 4]> {
    let one_hot = input.one_hot();
    let spread = |(row, value): (&[f32], &f64)| {
        let is_base = row.iter().any(|&v| v != 0.0);
        row.iter().map(|&v| value * if is_base { f64::from(v) } else { 0.25 }).collect::<Vec<f64>>()
    };
    let rows: Vec<f64> = one_hot.chunks_exact(4).zip(values).flat_map(spread).collect();
    in_acgt(input, &rows)
}

/// Sets numbers of a window to others: by the network's exact kernel where it has one and knows the changes, else by forward
/// passes.
pub(super) struct Setter<'a> {
    variants: Variants<'a>,
    /// What numbers are set to.
    to: Parts,
    evaluator: Option<Box<dyn Evaluator + 'a>>,
    score: f64,
}

/// An input and a number in it.
pub(super) type Number = (usize, usize);

impl<'a> Setter<'a> {
    /// Sets numbers to those of `to`. Kernels know marks of any value, and bases that become `N` as a whole (`is_n`: the DNA of `to`
    /// is all zeros).
    pub(super) fn new(model: &'a dyn Model, input: &'a Input, to: Parts, changes_tfs: bool) -> Result<Self, AttributionError> {
        let is_n = to[DNA].iter().all(|&v| v == 0.0);
        let evaluator = if is_n && !changes_tfs { kernel(model, input).transpose()? } else { None };
        let variants = Variants::new(model, input);
        let score = match &evaluator {
            Some(evaluator) => evaluator.score(),
            None => variants.score()?,
        };
        Ok(Self { variants, to, evaluator, score })
    }

    /// F of the window as it is.
    pub(super) fn score(&self) -> f64 {
        self.score
    }

    /// Whether setting `numbers` changes any.
    pub(super) fn moves(&self, numbers: &[Number]) -> bool {
        numbers.iter().any(|&(part, at)| self.variants.reference[part][at] != self.to[part][at])
    }

    /// The change of F by setting the numbers that `set` gives for each of 0..n, handed on call by call.
    pub(super) fn each(
        &self,
        n: usize,
        set: impl Fn(usize) -> Vec<Number>,
        run: &mut Run<'_>,
        mut done: impl FnMut(Range<usize>, Vec<f64>, &mut Run<'_>) -> Result<(), AttributionError>,
    ) -> Result<(), AttributionError> {
        let Some(evaluator) = &self.evaluator else {
            let change = |i: usize, parts: &mut Parts| {
                set(i).into_iter().for_each(|(part, at)| parts[part][at] = self.to[part][at]);
            };
            return self.variants.each(n, run, change, |span, scores, run| {
                // The window as it is, scored among others, may be rounded differently.
                let change = |(i, score)| if self.moves(&set(i)) { score - self.score } else { 0.0 };
                done(span.clone(), span.zip(scores).map(change).collect(), run)
            });
        };
        // A chunk is of single changes; the last job is among the largest. What one costs is known when some are done.
        let size = if n == 0 { 0 } else { set(n - 1).len() };
        let most = (evaluator.chunk() / (1 + size / LARGE)).max(1);
        let together = evaluator.together() * rayon::current_num_threads();
        let whole = |n: usize| if n > together { n - n % together } else { n };
        let (mut from, mut step) = (0, whole((most / 4).max(1)));
        while from < n {
            run.step()?;
            let span = from..(from + step).min(n);
            let began = Instant::now();
            let edits: Vec<Edit> = span.clone().map(|i| self.edit(&set(i))).collect();
            let deltas = evaluator.deltas(&edits)?;
            let fits = CALL.as_secs_f64() / began.elapsed().as_secs_f64().max(1e-9);
            (from, step) = (span.end, whole(((span.len() as f64 * fits) as usize).clamp(1, most)));
            done(span, deltas, run)?;
        }
        Ok(())
    }

    fn edit(&self, numbers: &[Number]) -> Edit {
        let of = |wanted: usize| numbers.iter().filter(move |(part, _)| *part == wanted).map(|(_, at)| *at);
        let bases = of(DNA).filter(|at| at % 4 == 0).map(|at| (at / 4, b'N')).collect();
        Edit { bases, marks: of(MARKS).map(|at| (at, self.to[MARKS][at])).collect() }
    }
}
