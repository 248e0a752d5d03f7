//! How far a prediction can be trusted: was the gene learnt from, does its input look like what was, do networks of other seeds say
//! the same, and does the explanation rest on what was learnt.

use super::{LoadModel, Subject};
use crate::attribution::{self, Attribution, AttributionError, Options, Run};
use crate::genome::{GeneId, Window};
use crate::models::{EditedSource, Input, Manifest, Model, load_shuffled};
use crate::session::{Readers, SampleId, Session};
use crate::training::{Part, Parts, pearson};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;

/// Genes of the training part whose inputs stand for it, evenly spread.
const TRAINING_GENES: usize = 60;
/// Steps of the integrated gradients that are compared.
const STEPS: usize = 27;
/// Neighbouring positions that are summed before attributions are compared.
const BLOCK: usize = 50;
/// Beyond these shares of the training genes an input is unusual.
const USUAL: std::ops::RangeInclusive<f64> = 0.01..=0.99;
/// Blocks by whose signs networks of other seeds are compared: those that matter most.
const STRONGEST: usize = 50;

/// What a gene was to the training of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The model's folder does not say.
    Unknown,
    /// Learnt from.
    Train,
    /// Said when to stop.
    Valid,
    /// Not seen, and shares no base with what was learnt from.
    Test,
    /// Not seen, but its window shares bases with one that was learnt from.
    TestOverlapping,
}

impl Role {
    /// In plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "not known whether it was learnt from",
            Self::Train => "learnt from this gene",
            Self::Valid => "stopped training by this gene",
            Self::Test => "never saw this gene",
            Self::TestOverlapping => "never saw this gene, but bases of its window",
        }
    }
}

/// How far a prediction can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    /// What the gene was to the training.
    pub role: Role,
    /// Inputs by name with the share of training genes that have less; empty where no training gene can be read.
    pub percentiles: Vec<(String, f64)>,
    /// Names of networks of other seeds, and what they say.
    pub seeds: Option<Seeds>,
    /// Correlation of the integrated gradients with those of the same network with shuffled weights.
    pub shuffled: Option<f64>,
}

/// What networks say that differ in their seeds alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seeds {
    /// How many, the model itself among them.
    pub n: usize,
    /// Standard deviation of F.
    pub spread: f64,
    /// Share of the strongest blocks at which all agree on the sign.
    pub agreement: f64,
}

impl Trust {
    /// Inputs that hardly a training gene has.
    pub fn unusual(&self) -> impl Iterator<Item = &(String, f64)> {
        self.percentiles.iter().filter(|(_, share)| !USUAL.contains(share))
    }

    /// All of it in plain words: what is judged, and the finding.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("training", format!("the model {}", self.role.words()))];
        let percentile = |(name, share): &(String, f64)| format!("{name} {:.0} %", 100.0 * share);
        let unusual: Vec<String> = self.unusual().map(percentile).collect();
        let all: Vec<String> = self.percentiles.iter().map(percentile).collect();
        lines.push(match (all.is_empty(), unusual.is_empty()) {
            (true, _) => ("inputs", "no training gene to compare with".to_owned()),
            (_, true) => ("inputs", format!("like those of training genes: more than in {} of them", all.join(", "))),
            (_, false) => ("inputs", format!("unlike training genes: more than in {} of them", unusual.join(", "))),
        });
        lines.push(match self.seeds {
            None => ("seeds", "no network of another seed in the session".to_owned()),
            Some(Seeds { n, spread, agreement }) => {
                let text =
                    format!("{n} networks: F \u{b1} {spread:.3}, one sign at {:.0} % of what matters most", 100.0 * agreement);
                ("seeds", text)
            }
        });
        lines.push(match self.shuffled {
            None => ("shuffled weights", "no explanation to compare".to_owned()),
            Some(r) if r.abs() > 0.5 => {
                ("shuffled weights", format!("r = {r:.2}: the explanation is mostly that of a network that learnt nothing"))
            }
            Some(r) => ("shuffled weights", format!("r = {r:.2}: the explanation rests on what was learnt")),
        });
        lines
    }

    /// The shortest of it: for one line.
    pub fn badge(&self) -> String {
        let mut words = vec![
            match self.role {
                Role::Unknown => "training genes unknown",
                Role::Train => "a training gene",
                Role::Valid => "a validation gene",
                Role::Test => "a test gene",
                Role::TestOverlapping => "a test gene that overlaps training",
            }
            .to_owned(),
        ];
        let unusual: Vec<&str> = self.unusual().map(|(name, _)| name.as_str()).collect();
        if !unusual.is_empty() {
            words.push(format!("unusual {}", unusual.join(", ")));
        }
        words.extend(self.seeds.map(|s| format!("seeds agree at {:.0} %", 100.0 * s.agreement)));
        words.extend(self.shuffled.filter(|r| r.abs() > 0.5).map(|r| format!("r {r:.2} with shuffled weights")));
        words.join(", ")
    }
}

/// What was worked out of models before.
#[derive(Default)]
pub(super) struct Truster {
    parts: HashMap<usize, Option<Parts>>,
    /// Sorted inputs of training genes by model and sample, one list an input.
    training: HashMap<(usize, SampleId), Vec<Vec<f64>>>,
}

impl Truster {
    pub(super) fn judge(
        &mut self,
        model: &dyn Model,
        folders: &[PathBuf],
        load: &LoadModel,
        subject: &Subject,
        readers: &mut Readers,
        run: &Run<'_>,
    ) -> Result<Trust, AttributionError> {
        let session = readers.session().clone();
        let folder = &folders[subject.model];
        // A table that cannot be read says nothing.
        let parts = self.parts.entry(subject.model).or_insert_with(|| Parts::read(folder).ok().flatten());
        let training = training_genes(&session, parts.as_ref());
        let role = role_of(&session, model.manifest(), subject, parts.as_ref(), &training);
        let input = read(model, readers, subject.sample, &subject.window, subject)?;
        let key = (subject.model, subject.sample);
        if let Entry::Vacant(unknown) = self.training.entry(key) {
            let mut sorted: Vec<Vec<f64>> = Vec::new();
            let step = training.len().div_ceil(TRAINING_GENES).max(1);
            for gene in training.iter().step_by(step) {
                run.step()?;
                let window = model.manifest().window_of(session.genome.genes.get(*gene), session.genome.tss);
                let unedited = Subject { edits: Default::default(), ..subject.clone() };
                let Ok(input) = read(model, readers, subject.sample, &window, &unedited) else { continue };
                let values = summaries(&input);
                sorted.resize_with(values.len(), Vec::new);
                sorted.iter_mut().zip(values).for_each(|(all, value)| all.push(value));
            }
            sorted.iter_mut().for_each(|values| values.sort_by(f64::total_cmp));
            unknown.insert(sorted);
        }
        let names = model.manifest().input.marks.iter().cloned().chain(input.sequence.as_ref().map(|_| "GC".to_owned()));
        let percentiles = names
            .zip(summaries(&input))
            .zip(&self.training[&key])
            .filter(|(_, sorted)| !sorted.is_empty())
            .map(|((name, value), sorted)| (name, share_below(sorted, value)))
            .collect();
        let own = gradients(model, &input, run)?;
        let shuffled = match load_shuffled(folder, 1, &candle_core::Device::Cpu) {
            Ok(shuffled) => gradients(&*shuffled, &input, run)?.map(|other| (own.clone(), other)),
            Err(_) => None,
        };
        let shuffled = shuffled.and_then(|(own, other)| Some(pearson(&own?, &other))).filter(|r| r.is_finite());
        let seeds = seeds(model, own, folders, load, subject, &input, run)?;
        Ok(Trust { role, percentiles, seeds, shuffled })
    }
}

fn read(
    model: &dyn Model,
    readers: &mut Readers,
    sample: SampleId,
    window: &Window,
    subject: &Subject,
) -> Result<Input, AttributionError> {
    let manifest = model.manifest();
    Ok(Input::assemble(manifest, window, &mut EditedSource::new(readers, sample, manifest, window, &subject.edits))?)
}

fn training_genes(session: &Session, parts: Option<&Parts>) -> Vec<GeneId> {
    let is_learnt = |gene: &crate::genome::Gene| parts.and_then(|parts| parts.part(&gene.id)) == Some(Part::Train);
    session.genome.genes.iter().filter(|(_, gene)| is_learnt(gene)).map(|(id, _)| id).collect()
}

fn role_of(session: &Session, manifest: &Manifest, subject: &Subject, parts: Option<&Parts>, training: &[GeneId]) -> Role {
    let gene = session.genome.genes.get(subject.gene);
    match parts.and_then(|parts| parts.part(&gene.id)) {
        Some(Part::Train) => Role::Train,
        Some(Part::Valid) => Role::Valid,
        Some(Part::Test) => {
            let of = |id: &GeneId| manifest.window_of(session.genome.genes.get(*id), session.genome.tss);
            match training.iter().map(of).any(|other| overlap(&subject.window, &other)) {
                true => Role::TestOverlapping,
                false => Role::Test,
            }
        }
        None => Role::Unknown,
    }
}

fn overlap(a: &Window, b: &Window) -> bool {
    a.chrom() == b.chrom() && a.stretches().any(|x| b.stretches().any(|y| x.start < y.end() && y.start < x.end()))
}

/// The mean of each mark, and the share of G and C.
fn summaries(input: &Input) -> Vec<f64> {
    let k = input.n_marks();
    let mean = |channel: usize| {
        let values = input.marks.iter().skip(channel).step_by(k.max(1));
        values.map(|&v| f64::from(v)).sum::<f64>() / input.positions().max(1) as f64
    };
    let gc = input
        .sequence
        .as_ref()
        .map(|sequence| sequence.iter().filter(|b| matches!(b, b'G' | b'C')).count() as f64 / sequence.len().max(1) as f64);
    (0..k).map(mean).chain(gc).collect()
}

/// The share of sorted values below `value`; of equal ones half count.
fn share_below(sorted: &[f64], value: f64) -> f64 {
    let (below, up_to) = (sorted.partition_point(|x| *x < value), sorted.partition_point(|x| *x <= value));
    (below + up_to) as f64 / (2 * sorted.len().max(1)) as f64
}

/// Integrated gradients summed in blocks; `None` where the network has no gradient.
fn gradients(model: &dyn Model, input: &Input, run: &Run<'_>) -> Result<Option<Vec<f64>>, AttributionError> {
    let Some(method) = attribution::method("integrated-gradients").filter(|m| m.obstacle(model).is_none()) else {
        return Ok(None);
    };
    let options = Options { n_steps: STEPS, ..Options::default() };
    let is_current = || run.step().is_ok();
    let mut ignore = |_: &Attribution| ();
    match method.attribute(model, input, &options, &mut Run::new(&is_current, &mut ignore)) {
        Ok(result) => Ok(Some(blocks(&result, input))),
        Err(AttributionError::NotApplicable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn blocks(result: &Attribution, input: &Input) -> Vec<f64> {
    let sums = |values: Vec<f64>| values.chunks(BLOCK).map(|chunk| chunk.iter().sum()).collect::<Vec<f64>>();
    let sequence = result.sequence.iter().flatten().map(|row| row.iter().map(|&v| f64::from(v)).sum()).collect();
    let mut found = sums(sequence);
    let k = input.n_marks().max(1);
    for channel in 0..k {
        let values = result.marks.iter().flatten().skip(channel).step_by(k).map(|&v| f64::from(v)).collect::<Vec<f64>>();
        // Marks that are read in bins are few enough as they are.
        found.extend(if values.len() as u64 == input.window.len() { sums(values) } else { values });
    }
    found
}

/// What networks of the session say that were built and fed alike.
fn seeds(
    model: &dyn Model,
    own: Option<Vec<f64>>,
    folders: &[PathBuf],
    load: &LoadModel,
    subject: &Subject,
    input: &Input,
    run: &Run<'_>,
) -> Result<Option<Seeds>, AttributionError> {
    let is_twin = |other: &Manifest| {
        let own = model.manifest();
        (&other.architecture, &other.input, &other.window, &other.output, &other.samples, &other.sizes)
            == (&own.architecture, &own.input, &own.window, &own.output, &own.samples, &own.sizes)
            && other.hash != own.hash
    };
    let is_other = |(i, folder): &(usize, &PathBuf)| {
        *i != subject.model && crate::models::read_manifest(folder).is_ok_and(|manifest| is_twin(&manifest))
    };
    let twins: Vec<&PathBuf> = folders.iter().enumerate().filter(is_other).map(|(_, folder)| folder).collect();
    let Some(own) = own.filter(|_| !twins.is_empty()) else { return Ok(None) };
    let (mut scores, mut explained) = (vec![score(model, input)?], vec![own]);
    for folder in twins {
        run.step()?;
        let Ok(twin) = load(folder) else { continue };
        scores.push(score(&*twin, input)?);
        explained.extend(gradients(&*twin, input, run)?);
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let variance = scores.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / (scores.len() as f64 - 1.0).max(1.0);
    Ok(Some(Seeds { n: scores.len(), spread: variance.sqrt(), agreement: agreement(&explained) }))
}

fn score(model: &dyn Model, input: &Input) -> Result<f64, AttributionError> {
    Ok(attribution::kernels::plain(model, input)?.score())
}

/// Share of the blocks that matter most on average at which all agree on the sign.
fn agreement(explained: &[Vec<f64>]) -> f64 {
    let n = explained.iter().map(Vec::len).min().unwrap_or(0);
    let size = |i: usize| explained.iter().map(|e| e[i].abs()).sum::<f64>();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    order.truncate(STRONGEST);
    let agree = |i: &&usize| explained.iter().all(|e| e[**i] > 0.0) || explained.iter().all(|e| e[**i] < 0.0);
    order.iter().filter(agree).count() as f64 / order.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_share_of_training_genes_with_less() {
        let sorted = [1.0, 2.0, 2.0, 3.0];
        assert_eq!([0.0, 1.0, 2.0, 2.5, 9.0].map(|x| share_below(&sorted, x)), [0.0, 0.125, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn signs_agree_where_all_have_the_same() {
        let explained = vec![vec![1.0, -2.0, 3.0, 0.0], vec![0.5, -1.0, -3.0, 0.0]];
        assert_eq!(agreement(&explained), 0.5);
        assert_eq!(agreement(&explained[..1]), 0.75, "nothing has no sign");
    }

    #[test]
    fn what_is_unusual_is_said_in_plain_words() {
        let trust = Trust {
            role: Role::TestOverlapping,
            percentiles: vec![("H3K4me3".to_owned(), 0.995), ("GC".to_owned(), 0.4)],
            seeds: Some(Seeds { n: 3, spread: 0.12, agreement: 0.9 }),
            shuffled: Some(0.03),
        };
        assert_eq!(trust.badge(), "a test gene that overlaps training, unusual H3K4me3, seeds agree at 90 %");
        let lines = trust.lines();
        assert_eq!(lines[1].1, "unlike training genes: more than in H3K4me3 100 % of them");
        assert!(lines[3].1.contains("rests on what was learnt"));
    }
}
