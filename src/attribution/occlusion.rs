//! Occlusion: F with one unit of the input changed, minus F (Zeiler and Fergus 2014): bins and blocks of a mark, whole marks,
//! blocks of DNA, transcription factors.

use super::baseline::{replaced, views_of};
use super::options::{Options, Replacement, Unit, Views};
use super::variants::{DNA, EXPRESSION, MARKS, MOTIF_SCORES, Number, Parts, Setter, at_bases};
use super::{Attribution, AttributionError, Method, Run};
use crate::models::{Input, Model};
use std::ops::Range;

/// `D[unit] = F(x with the unit set to zero, to its mean, or scaled) - F(x)`; every position of a unit holds the unit's delta
/// divided by its length, so that a sum over positions is the sum over units. Of networks that read marks the marks are
/// occluded unless other views are asked for, else the DNA.
pub struct Occlusion;

/// What is changed at once: positions of one channel of the marks, bases, or one transcription factor.
struct OcclusionUnit {
    part: usize,
    channel: usize,
    span: Range<usize>,
}

impl Method for Occlusion {
    fn name(&self) -> &'static str {
        "occlusion"
    }

    fn about(&self) -> &'static str {
        "change of F when a bin, block or whole of a mark, a block of DNA or a transcription factor is set to no signal"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["unit", "block", "to", "views"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        run.step()?;
        let views = options.views.unwrap_or(Views { dna: input.n_marks() == 0, marks: true, tfs: false });
        let views = views_of(input, &Options { views: Some(views), ..options.clone() })?;
        let units = units(model, input, options, views);
        let parts = input.parts();
        let blank: Parts = std::array::from_fn(|part| replaced(input, &parts[part], part, options.to, &options.mark_means));
        let setter = Setter::new(model, input, blank, views.tfs)?;
        // A unit that is what it would become changes nothing: its delta is exactly zero without an evaluation.
        let moving: Vec<usize> = (0..units.len()).filter(|&i| setter.moves(&numbers_of(&units[i], input))).collect();

        let mut result = Attribution::new(self.name(), settings(model, options, views), setter.score(), input, model);
        result.total = units.len();
        let mut deltas = Deltas::new(input, views);
        let mut next = 0; // the first unit without a delta
        setter.each(
            moving.len(),
            |job| numbers_of(&units[moving[job]], input),
            run,
            |span, changes, run| {
                for (job, change) in span.zip(changes) {
                    let unit = moving[job];
                    (next..unit).for_each(|still| deltas.set(&units[still], 0.0));
                    deltas.set(&units[unit], change);
                    next = unit + 1;
                }
                result.done = next;
                if result.done == result.total {
                    return Ok(());
                }
                deltas.write(&mut result, input);
                run.partial(&result)
            },
        )?;
        (next..units.len()).for_each(|still| deltas.set(&units[still], 0.0));
        deltas.write(&mut result, input);
        result.done = result.total;
        Ok(result)
    }
}

fn settings(model: &dyn Model, options: &Options, views: Views) -> String {
    let bin = model.manifest().input.bin_size.max(1) as usize;
    let of = match (options.unit, views.dna && !views.marks) {
        (Unit::Whole, _) => "whole inputs".to_owned(),
        (_, true) => format!("blocks of {} bp", block_of(options, 1)),
        (_, false) => format!("blocks of {} bp", block_of(options, bin) * bin),
    };
    let to = if options.to == Replacement::Zero { "no signal".to_owned() } else { options.to.to_string() };
    format!("{of} of {views} set to {to}")
}

/// Positions per block where a position has `bin` bases.
fn block_of(options: &Options, bin: usize) -> usize {
    if options.unit == Unit::Base { 1 } else { (options.block / bin).max(1) }
}

fn units(model: &dyn Model, input: &Input, options: &Options, views: Views) -> Vec<OcclusionUnit> {
    let bin = model.manifest().input.bin_size.max(1) as usize;
    let blocks = |length: usize, bin: usize| {
        let block = if options.unit == Unit::Whole { length.max(1) } else { block_of(options, bin) };
        (0..length.div_ceil(block)).map(move |i| i * block..((i + 1) * block).min(length))
    };
    let mut units = Vec::new();
    if views.dna {
        let length = input.sequence.as_ref().map_or(0, Vec::len);
        units.extend(blocks(length, 1).map(|span| OcclusionUnit { part: DNA, channel: 0, span }));
    }
    if views.marks {
        for span in blocks(input.positions(), bin) {
            units.extend((0..input.n_marks()).map(|channel| OcclusionUnit { part: MARKS, channel, span: span.clone() }));
        }
    }
    if views.tfs {
        units.extend((0..input.expression.len()).map(|i| OcclusionUnit { part: EXPRESSION, channel: 0, span: i..i + 1 }));
    }
    units
}

/// The numbers of the input that a unit holds: where the window reads a base twice, both copies.
fn numbers_of(unit: &OcclusionUnit, input: &Input) -> Vec<Number> {
    let k = input.n_marks();
    match unit.part {
        DNA => {
            let copies = unit.span.clone().flat_map(|p| input.window.copies(p as u64));
            copies.flat_map(|p| 4 * p as usize..4 * p as usize + 4).map(|at| (DNA, at)).collect()
        }
        MARKS => {
            let copies = unit.span.clone().flat_map(|p| input.copies_of_position(p));
            copies.map(|p| (MARKS, p * k + unit.channel)).collect()
        }
        // A factor's expression and motif score are multiplied: without either it is gone.
        _ => unit.span.clone().flat_map(|i| [(EXPRESSION, i), (MOTIF_SCORES, i)]).collect(),
    }
}

/// Deltas so far, NaN where there is none yet.
struct Deltas {
    views: Views,
    n_marks: usize,
    bases: Vec<f64>,
    marks: Vec<f32>,
    tfs: Vec<f32>,
}

impl Deltas {
    fn new(input: &Input, views: Views) -> Self {
        let length = input.sequence.as_ref().map_or(0, Vec::len);
        Self {
            views,
            n_marks: input.n_marks(),
            bases: vec![f64::NAN; length],
            marks: vec![f32::NAN; input.marks.len()],
            tfs: vec![f32::NAN; input.expression.len()],
        }
    }

    fn set(&mut self, unit: &OcclusionUnit, delta: f64) {
        let share = delta / unit.span.len() as f64;
        match unit.part {
            DNA => self.bases[unit.span.clone()].fill(share),
            MARKS => unit.span.clone().for_each(|p| self.marks[p * self.n_marks + unit.channel] = share as f32),
            _ => self.tfs[unit.span.start] = delta as f32,
        }
    }

    fn write(&self, result: &mut Attribution, input: &Input) {
        result.sequence = self.views.dna.then(|| at_bases(input, &self.bases));
        result.marks = self.views.marks.then(|| self.marks.clone());
        result.expression = self.views.tfs.then(|| self.tfs.clone());
    }
}
