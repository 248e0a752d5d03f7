//! How far a prediction can be trusted: was the gene learnt from, does its input look like what was, do networks of other seeds say
//! the same, and does the explanation rest on what was learnt.

use super::{LoadModel, Subject};
use crate::attribution::{self, Attribution, AttributionError, Options, Run};
use crate::genome::{Gene, GeneId, Locus, Strand, Window};
use crate::models::{EditedSource, Input, Manifest, Model, load_shuffled};
use crate::session::{Readers, SampleId, Session};
use crate::training::{Part, Parts, pearson};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

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
    /// Learnt from were loci, and some of them lie in its window.
    Sharing,
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
            Self::Sharing => "learnt from loci in this gene's window",
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
                Role::Sharing => "training loci in its window",
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

/// What a model was trained on.
struct Examples {
    parts: Parts,
    /// Windows of what it learnt from: of genes of the session, or of loci.
    training: Vec<Window>,
    /// Whether it was trained on loci and not on genes.
    are_loci: bool,
}

/// What was worked out of models before.
#[derive(Default)]
pub(super) struct Truster {
    examples: HashMap<usize, Option<Examples>>,
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
        let examples = self.examples.entry(subject.model).or_insert_with(|| Examples::read(&session, model.manifest(), folder));
        let role = examples.as_ref().map_or(Role::Unknown, |examples| examples.role_of(&session, subject));
        let input = read(model, readers, subject.sample, &subject.window, subject)?;
        let key = (subject.model, subject.sample);
        if let Entry::Vacant(unknown) = self.training.entry(key) {
            let mut sorted: Vec<Vec<f64>> = Vec::new();
            let training = examples.as_ref().map_or(&[][..], |examples| &examples.training);
            let step = training.len().div_ceil(TRAINING_GENES).max(1);
            for window in training.iter().step_by(step) {
                run.step()?;
                let unedited = Subject { edits: Default::default(), ..subject.clone() };
                let Ok(input) = read(model, readers, subject.sample, window, &unedited) else { continue };
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

impl Examples {
    /// What the table in a model's folder says; one that is not there or cannot be read says nothing.
    fn read(session: &Session, manifest: &Manifest, folder: &Path) -> Option<Self> {
        let parts = Parts::read(folder).ok().flatten()?;
        let genome = &session.genome;
        let is_learnt = |gene: &Gene| parts.part(&gene.id) == Some(Part::Train);
        let of_gene = |(_, gene): (GeneId, &Gene)| is_learnt(gene).then(|| manifest.window_of(gene, genome.tss));
        let genes: Vec<Window> = genome.genes.iter().filter_map(of_gene).collect();
        let of_locus = |name: &String| match Locus::parse(name, &genome.chroms) {
            Ok(Locus::Region(bin)) => Some(manifest.window_at(bin.chrom.clone(), bin.start + bin.len() / 2, Strand::Forward)),
            _ => None,
        };
        let loci: Vec<Window> =
            if genes.is_empty() { parts.genes(Part::Train).filter_map(of_locus).collect() } else { Vec::new() };
        let are_loci = !loci.is_empty();
        Some(Self { training: if are_loci { loci } else { genes }, are_loci, parts })
    }

    fn role_of(&self, session: &Session, subject: &Subject) -> Role {
        let gene = session.genome.genes.get(subject.gene);
        let shares_bases = || self.training.iter().any(|other| overlap(&subject.window, other));
        match self.parts.part(&gene.id) {
            Some(Part::Train) => Role::Train,
            Some(Part::Valid) => Role::Valid,
            Some(Part::Test) if shares_bases() => Role::TestOverlapping,
            Some(Part::Test) => Role::Test,
            None if !self.are_loci => Role::Unknown,
            None if shares_bases() => Role::Sharing,
            None => Role::Test,
        }
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
    fn a_gene_is_judged_by_the_genes_or_the_loci_that_were_learnt_from() {
        let session = Session::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let manifest = crate::models::test_manifest(1_000, 1, &["H3K4me3"], None);
        let (genes, tss) = (&session.genome.genes, session.genome.tss);
        let role = |gene: GeneId, table: &str| {
            std::fs::write(folder.path().join("genes.tsv"), table).unwrap();
            let window = manifest.window_of(genes.get(gene), tss);
            let subject = Subject { model: 0, sample: SampleId(0), gene, window, edits: Default::default() };
            Examples::read(&session, &manifest, folder.path()).map(|examples| examples.role_of(&session, &subject))
        };
        let (gene, other) = (genes.iter().next().unwrap().0, genes.iter().last().unwrap().0);
        let (id, other_id) = (&genes.get(gene).id, &genes.get(other).id);
        assert_eq!(role(gene, &format!("{id}\ttrain\n{other_id}\ttest\n")), Some(Role::Train));
        assert_eq!(role(other, &format!("{id}\ttrain\n{other_id}\ttest\n")), Some(Role::Test));
        assert_eq!(role(other, &format!("{id}\ttrain\n")), Some(Role::Unknown));
        // A window of 1,000 bases around the middle of a bin of 200 ends 500 bases from it.
        let at = genes.get(gene).tss(tss);
        let bin = |middle: u64| format!("{}:{}-{}\ttrain\n", genes.get(gene).region.chrom, middle - 99, middle + 100);
        assert_eq!(role(gene, &bin(at + 990)), Some(Role::Sharing));
        assert_eq!(role(gene, &bin(at + 1_010)), Some(Role::Test));
        assert_eq!(role(other, &bin(at)), Some(Role::Test), "another chromosome");
        assert_eq!(role(gene, "what\tever\n"), None);
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
