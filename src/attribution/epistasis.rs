//! Pairwise epistasis: how far the change of F by blanking two units is from the sum of their own changes.

use super::baseline::{replaced, views_of};
use super::options::{Options, Unit};
use super::variants::{DNA, EXPRESSION, MARKS, MOTIF_SCORES, Number, Parts, Setter};
use super::{Attribution, AttributionError, Method, Pairs, Run};
use crate::models::{Input, Model};
use std::ops::Range;

/// `E_ij = F(i and j blanked) - F(i blanked) - F(j blanked) + F`, with `E_ii = F - F(i blanked)`. The row beside the matrix holds
/// each unit's sum over the others, shared out over its bases. NaN where not computed (yet).
pub struct Epistasis;

/// More units would give more pairs than anyone waits for.
const MOST_UNITS: usize = 400;
/// Single bases or bins on each side of the middle.
const REACH: usize = 10;

/// Numbers of an input that are blanked together.
struct Blanked {
    name: String,
    numbers: Vec<Number>,
    /// Bases of the window; empty for transcription factors.
    bases: Range<usize>,
}

impl Method for Epistasis {
    fn name(&self) -> &'static str {
        "epistasis"
    }

    fn about(&self) -> &'static str {
        "pairs of blocks, single bases or whole marks whose blanking does not add up"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["unit", "block", "to", "views"]
    }

    fn defaults(&self) -> Options {
        Options { block: 500, ..Options::default() }
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        run.step()?;
        let units = units(model, input, options)?;
        let m = units.len();
        if m > MOST_UNITS {
            return Err(super::options::unfit(format!("{m} units are more than {MOST_UNITS}: larger blocks make fewer")));
        }
        let parts = input.parts();
        let blank: Parts = std::array::from_fn(|part| replaced(input, &parts[part], part, options.to, &options.mark_means));
        let setter = Setter::new(model, input, blank, views_of(input, options)?.tfs && options.unit == Unit::Whole)?;
        let settings = format!("{m} units ({}), set to {}", options.unit, options.to);
        let mut result = Attribution::new(self.name(), settings, setter.score(), input, model);
        // Each alone, then each pair.
        let pairs = (0..m).flat_map(|i| (i + 1..m).map(move |j| [i, j]));
        let jobs: Vec<[usize; 2]> = (0..m).map(|i| [i, i]).chain(pairs).collect();
        let set = |job: usize| -> Vec<Number> {
            let job = &jobs[job];
            let of = if job[0] == job[1] { &job[..1] } else { &job[..] };
            of.iter().flat_map(|&unit| units[unit].numbers.iter().copied()).collect()
        };
        let mut values = vec![f64::NAN; m * m];
        result.total = jobs.len();
        setter.each(jobs.len(), set, run, |span, changes, run| {
            for (job, change) in span.clone().zip(changes) {
                let [i, j] = jobs[job];
                // F(ij) - F(i) - F(j) + F in terms of changes from F; E_ii is minus the change by i alone.
                let pair = if i == j { -change } else { change + values[i * m + i] + values[j * m + j] };
                (values[i * m + j], values[j * m + i]) = (pair, pair);
            }
            result.done = span.end;
            if result.done == result.total {
                return Ok(());
            }
            fill(&mut result, &units, &values, input);
            run.partial(&result)
        })?;
        fill(&mut result, &units, &values, input);
        Ok(result)
    }
}

fn fill(result: &mut Attribution, units: &[Blanked], values: &[f64], input: &Input) {
    let m = units.len();
    let mut profile = vec![0.0_f32; input.window.len() as usize];
    for (i, unit) in units.iter().enumerate() {
        let with_others: f64 = (0..m).filter(|j| *j != i).map(|j| values[i * m + j]).sum();
        let share = (with_others / unit.bases.len().max(1) as f64) as f32;
        profile[unit.bases.clone()].iter_mut().for_each(|v| *v += share);
    }
    result.profile = Some(profile);
    let names = units.iter().map(|unit| unit.name.clone()).collect();
    result.pairs = Some(Pairs { units: names, values: values.iter().map(|&v| v as f32).collect() });
}

fn units(model: &dyn Model, input: &Input, options: &Options) -> Result<Vec<Blanked>, AttributionError> {
    let views = views_of(input, options)?;
    let manifest = model.manifest();
    let (length, k) = (input.window.len() as usize, input.n_marks());
    let bin = manifest.input.bin_size.max(1) as usize;
    if options.unit == Unit::Whole {
        let mut units = Vec::new();
        if views.dna {
            let all = (0..4 * length).map(|at| (DNA, at)).collect();
            units.push(Blanked { name: "DNA".to_owned(), numbers: all, bases: 0..length });
        }
        for (channel, mark) in manifest.input.marks.iter().enumerate().filter(|_| views.marks) {
            let all = (channel..input.marks.len()).step_by(k).map(|at| (MARKS, at)).collect();
            units.push(Blanked { name: mark.clone(), numbers: all, bases: 0..length });
        }
        let tfs = manifest.input.tfs.names.iter().enumerate().filter(|_| views.tfs);
        units.extend(tfs.map(|(i, tf)| Blanked {
            name: tf.clone(),
            numbers: vec![(EXPRESSION, i), (MOTIF_SCORES, i)],
            bases: 0..0,
        }));
        return Ok(units);
    }
    // Blocks begin and end with a bin where marks are binned.
    let finest = if views.marks && k > 0 { bin } else { 1 };
    let block = match options.unit {
        Unit::Base => finest,
        _ => (options.block / finest).max(1) * finest,
    };
    let n = length.div_ceil(block);
    let shown = match options.unit {
        Unit::Base => {
            let middle = options.centre.unwrap_or(length / 2).min(length.saturating_sub(1)) / block;
            middle.saturating_sub(REACH)..(middle + REACH + 1).min(n)
        }
        _ => 0..n,
    };
    let unit = |i: usize| {
        let bases = i * block..((i + 1) * block).min(length);
        let mut numbers: Vec<Number> = Vec::new();
        if views.dna {
            let copies = bases.clone().flat_map(|b| input.window.copies(b as u64).collect::<Vec<_>>());
            numbers.extend(copies.flat_map(|b| 4 * b as usize..4 * b as usize + 4).map(|at| (DNA, at)));
        }
        if views.marks {
            let copies =
                (bases.start / bin..bases.end.div_ceil(bin)).flat_map(|p| input.copies_of_position(p).collect::<Vec<_>>());
            numbers.extend(copies.flat_map(|p| p * k..(p + 1) * k).map(|at| (MARKS, at)));
        }
        Blanked { name: format!("{}-{}", bases.start, bases.end), numbers, bases }
    };
    Ok(shown.map(unit).collect())
}
