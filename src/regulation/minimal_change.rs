//! The smallest change that turns a gene: bins of marks, or bases, found one after the other by what each does to F on the exact
//! incremental path, thinned out, and verified by reading the edited window anew.

use crate::attribution::kernels::{self, evaluator, plain};
use crate::attribution::{AttributionError, Run};
use crate::genome::{BASES, Region, Strand, Window, complement};
use crate::models::{EditedSource, Input, Manifest, Model, OutputKind};
use crate::session::{Change, Edit, Readers, SampleId, Session};
use std::fmt;

/// Bases of a block where marks are read base by base: DeepCORE's pooling bin.
const BLOCK: u64 = 50;

/// Where F is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most this.
    Below(f64),
    /// At least this.
    Above(f64),
}

impl Goal {
    /// Whether F is there.
    pub fn is_reached(self, score: f64) -> bool {
        match self {
            Self::Below(limit) => score <= limit,
            Self::Above(limit) => score >= limit,
        }
    }

    /// How much nearer a change of F brings it.
    fn gain(self, delta: f64) -> f64 {
        if matches!(self, Self::Below(_)) { -delta } else { delta }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(limit) => write!(f, "F at most {limit:.3}"),
            Self::Above(limit) => write!(f, "F at least {limit:.3}"),
        }
    }
}

/// What a gene is to be turned to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Below the boundary of high and low.
    Low,
    /// Above it.
    High,
    /// To this F.
    Value(f64),
    /// To F of another sample.
    Sample(SampleId),
}

/// What may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// Bins of marks: blanked, or (to another sample's value) as measured there.
    Marks,
    /// Single bases.
    Bases,
}

/// A search.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What the gene is to be turned to.
    pub target: Target,
    /// By what.
    pub means: Means,
    /// Most edits.
    pub most: usize,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// Edits in the order of the genome, neighbours joined.
    pub edits: Vec<String>,
    /// Bins or bases changed.
    pub n_units: usize,
    /// F before.
    pub before: f64,
    /// F of the edited window, read anew and passed through the whole network.
    pub after: f64,
    /// The goal in words.
    pub goal: String,
    /// Whether F got there.
    pub is_reached: bool,
}

impl Search {
    /// Understands `low`, `high`, a number or the name of a sample, and after it `by marks` or `by bases`.
    ///
    /// # Errors
    /// In words that say what would be understood.
    pub fn parse(text: &str, session: &Session, manifest: &Manifest) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().filter(|word| !["to", "by"].contains(word)).collect();
        let sample = |word: &str| session.samples.iter().position(|s| s.name.eq_ignore_ascii_case(word)).map(SampleId);
        let form = || {
            let names: Vec<&str> = session.samples.iter().map(|s| s.name.as_str()).filter(|name| !name.is_empty()).collect();
            format!("to low, high, a value of F, or a sample ({}); by marks or bases", names.join(", "))
        };
        let target = match words.first().copied() {
            Some("low") => Target::Low,
            Some("high") => Target::High,
            Some(word) => match (sample(word), word.parse::<f64>()) {
                (Some(sample), _) => Target::Sample(sample),
                (None, Ok(value)) if value.is_finite() => Target::Value(value),
                _ => return Err(form()),
            },
            None => return Err(form()),
        };
        let reads_marks = !manifest.input.marks.is_empty();
        let means = match words.get(1).copied() {
            None if reads_marks => Means::Marks,
            None => Means::Bases,
            Some("marks") => Means::Marks,
            Some("bases" | "dna" | "DNA") => Means::Bases,
            Some(_) => return Err(form()),
        };
        let search = Self { target, means, most: 50 };
        search.obstacle(manifest).map_or(Ok(search), Err)
    }

    /// Why a network cannot be searched so.
    pub fn obstacle(&self, manifest: &Manifest) -> Option<String> {
        let name = &manifest.name;
        match (self.means, &self.target) {
            (Means::Marks, _) if manifest.input.marks.is_empty() => Some(format!("{name} reads no marks")),
            (Means::Bases, _) if manifest.input.sequence.is_none() => Some(format!("{name} reads no DNA")),
            (Means::Bases, _) if !manifest.input.tfs.is_empty() => {
                Some(format!("{name} reads motif scores, which every base may change: not searched"))
            }
            (_, Target::Low | Target::High) if manifest.output.signal.is_some() => {
                Some(format!("{name} predicts a signal, which is neither high nor low: name a value"))
            }
            _ => None,
        }
    }
}

/// F that parts high from low: 0 of a classifier's logit; of a regression the measured median of the sample, or the model's own
/// threshold.
pub fn boundary(manifest: &Manifest, session: &Session, sample: SampleId) -> Option<f64> {
    if manifest.output.kind == OutputKind::Binary {
        return Some(0.0);
    }
    let measured = session.samples.get(sample.0).and_then(|s| s.expression.as_ref()).map(|e| e.median());
    manifest.output.threshold.or(measured).map(|value| (value + manifest.output.pseudocount).ln()).filter(|b| b.is_finite())
}

/// A bin of a mark or a base, with what it would become.
struct Unit {
    edit: Edit,
    numbers: kernels::Edit,
}

/// Searches for few edits that bring F of a window to a goal. `report` hears how many there are and where F is.
///
/// # Errors
/// Where the window cannot be read, the network cannot be searched so, or something newer is wanted.
pub fn minimal_change(
    model: &dyn Model,
    readers: &mut Readers,
    sample: SampleId,
    window: &Window,
    search: &Search,
    run: &Run<'_>,
    report: &mut dyn FnMut(usize, f64),
) -> Result<Found, AttributionError> {
    let manifest = model.manifest();
    let unfit = |reason: String| AttributionError::NotApplicable(reason);
    if let Some(reason) = search.obstacle(manifest) {
        return Err(unfit(reason));
    }
    let session = readers.session().clone();
    let mut read = |sample: SampleId, edits: &[Edit]| {
        Input::assemble(manifest, window, &mut EditedSource::new(readers, sample, manifest, window, edits))
    };
    let input = read(sample, &[])?;
    let before = plain(model, &input)?.score();
    let mut other = None;
    let target = match search.target {
        Target::Value(value) => value,
        Target::Sample(from) => {
            let input = read(from, &[])?;
            let score = plain(model, &input)?.score();
            other = Some((input, session.samples[from.0].name.clone()));
            score
        }
        Target::Low | Target::High => boundary(manifest, &session, sample)
            .ok_or_else(|| unfit("nothing says where high begins: the sample has no measured expression".to_owned()))?,
    };
    let goal = match search.target {
        Target::Low => Goal::Below(target),
        Target::High => Goal::Above(target),
        _ if before > target => Goal::Below(target),
        _ => Goal::Above(target),
    };
    let chrom_len = session.genome.chroms.len_of(window.chrom()).unwrap_or(0);
    let mut units = match search.means {
        Means::Marks => mark_units(manifest, &input, chrom_len, other.as_ref()),
        Means::Bases => base_units(&input, chrom_len),
    };
    let (mut current, mut score) = (input.clone(), before);
    let mut chosen: Vec<Unit> = Vec::new();
    while !goal.is_reached(score) && chosen.len() < search.most {
        run.step()?;
        let evaluator = evaluator(model, &current)?;
        let mut best: Option<(usize, f64)> = None;
        for from in (0..units.len()).step_by(evaluator.chunk().max(1)) {
            run.step()?;
            let to = (from + evaluator.chunk().max(1)).min(units.len());
            let edits: Vec<kernels::Edit> = units[from..to].iter().map(|unit| unit.numbers.clone()).collect();
            for (i, delta) in evaluator.deltas(&edits)?.into_iter().enumerate() {
                // The first of equals: the result depends on no number of threads.
                if goal.gain(delta) > best.map_or(0.0, |(_, gain)| gain) {
                    best = Some((from + i, goal.gain(delta)));
                }
            }
        }
        let Some((at, _)) = best else { break };
        let unit = units.remove(at);
        // What cannot be changed again goes: another base at the same place, the same bin.
        units.retain(|other| other.edit.region != unit.edit.region || other.edit.mark() != unit.edit.mark());
        drop(evaluator);
        current = unit.numbers.apply(&current).into_owned();
        score = plain(model, &current)?.score();
        chosen.push(unit);
        report(chosen.len(), score);
    }
    if goal.is_reached(score) {
        thin_out(model, &input, goal, &mut chosen, run)?;
    }
    let n_units = chosen.len();
    let edits = joined(chosen.into_iter().map(|unit| unit.edit).collect());
    let after = plain(model, &read(sample, &edits)?)?.score();
    let edits = edits.iter().map(Edit::to_string).collect();
    Ok(Found { edits, n_units, before, after, goal: goal.to_string(), is_reached: goal.is_reached(after) })
}

/// Leaves out what the others can do without, the last found first.
fn thin_out(model: &dyn Model, input: &Input, goal: Goal, chosen: &mut Vec<Unit>, run: &Run<'_>) -> Result<(), AttributionError> {
    let mut i = chosen.len();
    while i > 0 && chosen.len() > 1 {
        i -= 1;
        run.step()?;
        let rest = chosen.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, unit)| &unit.numbers);
        let rest = rest.fold(kernels::Edit::default(), |all, edit| all.and(edit));
        let edited = rest.apply(input);
        if goal.is_reached(plain(model, &edited)?.score()) {
            chosen.remove(i);
        }
    }
    Ok(())
}

/// Every bin (of marks read base by base: every block) that would change by being blanked, or by what another sample has there.
fn mark_units(manifest: &Manifest, input: &Input, chrom_len: u64, other: Option<&(Input, String)>) -> Vec<Unit> {
    let (k, bin) = (input.n_marks(), manifest.input.bin_size.max(1));
    let block = if bin == 1 { BLOCK } else { bin };
    let mut units: Vec<Unit> = Vec::new();
    let mut offset = 0;
    for stretch in input.window.stretches() {
        for from in (0..stretch.len).step_by(block as usize) {
            let to = (from + block).min(stretch.len);
            let ends = [stretch.position(from), stretch.position(to - 1)];
            let (low, high) = (ends[0].min(ends[1]).max(0), ends[0].max(ends[1]) + 1);
            let region = Region::new(stretch.chrom.clone(), low as u64, high.clamp(0, chrom_len as i64) as u64);
            if region.is_empty() || units.iter().any(|unit| unit.edit.region == region) && bin > 1 {
                continue;
            }
            let positions: Vec<usize> = match bin {
                1 => (region.start..region.end).flat_map(|p| input.window.indices(p as i64)).map(|i| i as usize).collect(),
                _ => vec![((offset + from) / bin) as usize],
            };
            for (channel, mark) in manifest.input.marks.iter().enumerate() {
                let becomes = |at: usize| other.map_or(input.blank[channel], |(input, _)| input.marks[at]);
                let marks: Vec<(usize, f32)> = positions.iter().map(|p| p * k + channel).map(|at| (at, becomes(at))).collect();
                if marks.iter().all(|&(at, value)| input.marks[at] == value) {
                    continue;
                }
                let edit = match other {
                    Some((_, name)) => Edit { region: region.clone(), change: Change::Swap(mark.clone(), name.clone()) },
                    None => Edit::blank(region.clone(), mark),
                };
                units.push(Unit { edit, numbers: kernels::Edit { bases: Vec::new(), marks } });
            }
        }
        offset += stretch.len;
    }
    units
}

/// Every other base at every place that has one.
fn base_units(input: &Input, chrom_len: u64) -> Vec<Unit> {
    let window = &input.window;
    let is_reverse = window.strand() == Strand::Reverse;
    let mut units = Vec::new();
    for (index, &there) in input.sequence.iter().flatten().enumerate() {
        let position = window.position(index as u64);
        let copies: Vec<u64> = window.copies(index as u64).collect();
        let is_first = copies.first() == Some(&(index as u64));
        if !BASES.contains(&there) || !is_first || !(0..chrom_len as i64).contains(&position) {
            continue;
        }
        let region = Region::new(window.chrom().clone(), position as u64, position as u64 + 1);
        for base in BASES.into_iter().filter(|&base| base != there) {
            let turned = |base: u8| if is_reverse { complement(base) } else { base };
            let edit = Edit::bases(region.clone(), Some(&[turned(there)]), &[turned(base)]);
            let bases = copies.iter().map(|&copy| (copy as usize, base)).collect();
            units.push(Unit { edit, numbers: kernels::Edit { bases, marks: Vec::new() } });
        }
    }
    units
}

/// Edits in the order of the genome; those of one mark that touch become one.
fn joined(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by(|a, b| (a.mark(), a.region.start).cmp(&(b.mark(), b.region.start)));
    let mut joined: Vec<Edit> = Vec::new();
    for edit in edits {
        match joined.last_mut() {
            Some(last) if last.mark().is_some() && last.change == edit.change && last.region.end == edit.region.start => {
                last.region.end = edit.region.end;
            }
            _ => joined.push(edit),
        }
    }
    joined.sort_by_key(|edit| edit.region.start);
    joined
}
