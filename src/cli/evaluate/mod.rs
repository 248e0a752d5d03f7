//! `cislens evaluate`: how well a model predicts genes, beside baselines and other models; and the published designs of comparison.

mod against;
mod design;
pub(super) mod page;
mod truth;

pub(in crate::cli) use page::write_charts;

use super::device;
use super::input::{find_model, listed_genes};
use super::opening::open_session;
use super::train::{Recipe, Watcher, read, samples_named, threads};
use super::{Failure, find_session, interrupt};
use crate::models::{Commands, DeviceChoice, Manifest, Model, OutputKind, OutputSpec, missing_input};
use crate::session::{Readers, SampleId, Session};
use crate::tracks::{TrackError, clean_text, write_whole};
use crate::training::{
    BASELINES, Dataset, Evaluation, Example, Panel, Part, Parts, Scores, baseline_scores, count_overlapping, mean_over_samples,
    predict,
};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct EvaluateArgs {
    /// Folder of a model, or the name of one of the session's; for a design also an architecture
    model: PathBuf,
    /// The session with the genes; the sample data where none is given
    #[arg(long)]
    session: Option<PathBuf>,
    /// The sample to judge in; several, parted by commas, are judged one by one and together
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    sample: Vec<String>,
    /// Which genes, by what the model used them for: those it has not seen, where its folder says
    #[arg(long, value_enum)]
    part: Option<PartChoice>,
    /// Genes by name or id, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "part")]
    genes: Option<PathBuf>,
    /// Compare with: a model, a .tsv of predictions (gene_id, output), or a baseline (random-forest, svr-rbf, svr-linear); may be repeated
    #[arg(long, value_name = "MODEL|TSV")]
    against: Vec<PathBuf>,
    /// A published design instead: networks are fitted and judged for each of its lines
    #[arg(long, value_name = "NAME", value_parser = design::parse)]
    design: Option<&'static crate::training::Design>,
    /// Designs: fits with other seeds for each line
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
    /// Designs of window lengths: bases [default: an eighth, a quarter, half and all of the model's]
    #[arg(long, value_delimiter = ',', value_name = "BASES,...")]
    lengths: Vec<u64>,
    /// Design comparators: the architectures to fit beside the model's
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    architectures: Vec<String>,
    #[command(flatten)]
    recipe: Recipe,
    /// Simulated data: judge by what was planted (truth.tsv) what explains the predictions, not the predictions
    #[arg(long, value_name = "FILE", conflicts_with_all = ["design", "against", "part", "svg"])]
    truth: Option<PathBuf>,
    /// Table to write (.tsv)
    #[arg(long, value_name = "F.tsv")]
    out: Option<PathBuf>,
    /// Page of charts to write (.svg)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// Resamplings of the genes for 95 % intervals and tests
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    bootstraps: usize,
    /// Where to compute
    #[arg(long, value_name = "D", default_value_t)]
    device: DeviceChoice,
    /// Threads; 0 for as many as the machine has. Results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartChoice {
    /// Learnt from
    Train,
    /// Said when to stop
    Valid,
    /// Not seen
    Test,
    /// Not in the model's table at all: loci that none of its samples has
    New,
    /// Every gene
    All,
}

/// Rows of a table under their columns, with what made them.
pub(in crate::cli) struct Table {
    pub provenance: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let line = |fields: &[String]| fields.iter().map(|f| clean_text(f).into_owned()).collect::<Vec<_>>().join("\t") + "\n";
        let body: String = self.rows.iter().map(|row| line(row)).collect();
        let text = format!("# {}\n{}{body}", clean_text(&self.provenance), line(&self.columns));
        Ok(write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
    }

    /// The same on standard output, columns below each other.
    fn print(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            say!("{}", clean_text(cells.join("  ").trim_end()));
        }
    }
}

pub(super) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    check_paths(args)?;
    let session = Arc::new(open_session(&find_session(args.session.as_ref())?)?);
    for warning in &session.warnings {
        eprintln!("cislens: {}", clean_text(warning));
    }
    let samples = match (&args.sample[..], session.samples.len()) {
        ([], 1) => vec![SampleId(0)],
        ([], _) => {
            let names: Vec<&str> = session.samples.iter().map(|s| s.name.as_str()).collect();
            return Err(Failure::Usage(format!("which sample? --sample is one of {}", names.join(", "))));
        }
        (named, _) => samples_named(&session, named)?,
    };
    interrupt::listen()?;
    if let Some(design) = args.design {
        return design::run(args, design, &session, &samples);
    }
    let folder = find_model(&args.model, &session)?;
    let device = device::open(args.device, &mut |why| eprintln!("cislens: {why}"))?;
    let model = device.model(&folder, Commands::Refused)?;
    for sample in &samples {
        if let Some(reason) = missing_input(&session, *sample, model.manifest()) {
            return Err(Failure::Usage(format!("model {}: {reason}", model.manifest().name)));
        }
    }
    if let Some(truth) = &args.truth {
        return threads(args.threads)?.install(|| truth::run(args, truth, &session, &samples, &folder, &*model));
    }
    let watcher = Watcher::new()?;
    let data = read(&session, &samples, model.manifest(), &watcher)?;
    watcher.clear();
    let judged = threads(args.threads)?.install(|| judge(args, &session, &folder, &*model, &data))?;
    if interrupt::is_interrupted() {
        return Err(Failure::Interrupted);
    }
    report(args, &model.manifest().clone(), &data, &judged)
}

/// That what is to be written can be, before hours of work.
fn check_paths(args: &EvaluateArgs) -> Result<(), Failure> {
    for (option, path, ending) in [("--out", &args.out, "tsv"), ("--svg", &args.svg, "svg")] {
        let Some(path) = path else { continue };
        if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case(ending)) {
            return Err(Failure::Usage(format!("{option} {}: it ends in .{ending}", path.display())));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(folder).map_err(|e| anyhow::anyhow!("{}: {e}", folder.display()))?;
    }
    Ok(())
}

/// One sample judged.
struct OfSample {
    evaluation: Evaluation,
    /// Above it a gene is high, where the model is a classifier.
    threshold: Option<f64>,
    /// Genes whose window shares a base with one that was learnt from; `None` where those are not known.
    overlapping: Option<usize>,
}

fn judge(
    args: &EvaluateArgs,
    session: &Arc<Session>,
    folder: &Path,
    model: &dyn Model,
    data: &Dataset,
) -> Result<Vec<OfSample>, Failure> {
    let manifest = model.manifest();
    let parts = Parts::read(folder)?;
    let chosen = chosen_examples(args, session, model.manifest(), parts.as_ref())?;
    let others = against::open(&args.against, session)?;
    // Every sample has the same predictors, or none could be judged over samples.
    let has_mean = data.samples.iter().all(|name| !other_training_samples(session, manifest, name).is_empty());
    let mut judged = Vec::new();
    for (sample, name) in data.samples.iter().enumerate() {
        let Asked { genes, train, output, targets } = Asked::of(manifest, data, sample, &chosen, parts.as_ref())?;
        let mut predictors = vec![Scores { name: manifest.name.clone(), values: predict(model, data, &genes)? }];
        if !manifest.input.marks.is_empty() {
            predictors.push(baseline_scores(&BASELINES[0], data, &train, &genes, &targets, args.recipe.seed)?);
        }
        if let Some(target) = manifest.output.signal.as_ref().filter(|_| has_mean) {
            let samples = other_training_samples(session, manifest, name);
            let values = mean_over_samples(&mut Readers::new(session.clone()), &samples, manifest, target, data, &genes)?;
            predictors.push(Scores { name: TRAINING_MEAN.to_owned(), values });
        }
        for other in &others {
            predictors.push(other.scores(session, name, data, &train, &genes, &targets, args.recipe.seed)?);
        }
        let windows = |indices: &[usize]| indices.iter().map(|i| data.examples[*i].window.clone()).collect::<Vec<_>>();
        let overlapping = (!train.is_empty()).then(|| count_overlapping(&windows(&genes), &windows(&train)));
        judged.push(OfSample {
            evaluation: Evaluation {
                kind: output.kind,
                sample: name.clone(),
                genes: genes.iter().map(|i| data.examples[*i].gene.clone()).collect(),
                truth: genes.iter().map(|i| targets[*i]).collect(),
                predictors,
                resamplings: args.bootstraps,
                seed: args.recipe.seed,
            },
            threshold: (output.kind == OutputKind::Binary).then_some(output.threshold).flatten(),
            overlapping,
        });
    }
    Ok(judged)
}

/// What stands beside a network that predicts a signal: what was measured at each locus in the samples it was trained on, but for the one
/// that is judged.
const TRAINING_MEAN: &str = "mean-of-training-samples";

/// The samples of the session that a model was trained on, without the one of this name.
fn other_training_samples(session: &Session, manifest: &Manifest, judged: &str) -> Vec<SampleId> {
    let named = |name: &String| session.samples.iter().position(|s| s.name == *name && s.name != judged).map(SampleId);
    manifest.samples.iter().filter_map(named).collect()
}

/// The genes of a sample that a model is judged by, by their place in the data.
pub(super) struct Asked {
    pub genes: Vec<usize>,
    /// Those it learnt from; empty where that is not known.
    pub train: Vec<usize>,
    /// With the threshold above which a gene of this sample is high, where the model is a classifier.
    pub output: OutputSpec,
    /// What is to be predicted, for every gene of the data.
    pub targets: Vec<f64>,
}

impl Asked {
    /// The chosen genes of the `sample`-th sample of the data.
    pub fn of(
        manifest: &Manifest,
        data: &Dataset,
        sample: usize,
        chosen: &dyn Fn(&Example) -> bool,
        parts: Option<&Parts>,
    ) -> Result<Self, Failure> {
        let name = &data.samples[sample];
        let of_part = |wanted: &dyn Fn(&Example) -> bool| -> Vec<usize> {
            let here = |i: &usize| data.examples[*i].sample == sample && wanted(&data.examples[*i]);
            (0..data.examples.len()).filter(here).collect()
        };
        let genes = of_part(chosen);
        if genes.is_empty() {
            return Err(anyhow::anyhow!("no gene of sample {name} to judge").into());
        }
        let train = of_part(&|example| parts.and_then(|p| p.part(&example.gene)) == Some(Part::Train));
        let mut output = manifest.output.clone();
        if output.kind == OutputKind::Binary && (output.threshold.is_none() || !manifest.samples.contains(name)) {
            // What is high in another sample is said by that sample.
            output.threshold = Some(data.threshold(sample, if train.is_empty() { &genes } else { &train }));
        }
        let every: Vec<usize> = (0..data.examples.len()).collect();
        let targets = data.targets(&every, &output);
        Ok(Self { genes, train, output, targets })
    }
}

/// Whether an example is judged.
type Chosen = Box<dyn Fn(&Example) -> bool>;

/// Which genes, or loci, to judge.
fn chosen_examples(
    args: &EvaluateArgs,
    session: &Session,
    manifest: &Manifest,
    parts: Option<&Parts>,
) -> Result<Chosen, Failure> {
    let genes = &session.genome.genes;
    if let Some(path) = &args.genes {
        if manifest.output.signal.is_some() {
            return Err(Failure::Usage(format!("--genes: {} predicts loci; --test and --part choose among them", manifest.name)));
        }
        let ids: BTreeSet<String> = listed_genes(path, session)?.into_iter().map(|id| genes.get(id).id.clone()).collect();
        return Ok(Box::new(move |example| ids.contains(&example.gene)));
    }
    if !args.recipe.test.is_empty() {
        let chroms = args.recipe.test.clone();
        return Ok(Box::new(move |example| chroms.iter().any(|chrom| **chrom == **example.window.chrom())));
    }
    let wanted = match (args.part, parts) {
        (Some(PartChoice::All), _) => return Ok(Box::new(|_| true)),
        (None, None) => {
            eprintln!("cislens: which genes the model learnt from is not known: every gene of the session is judged");
            return Ok(Box::new(|_| true));
        }
        (Some(_), None) => return Err(Failure::Usage("--part: the model's folder has no genes.tsv that says which".to_owned())),
        (Some(PartChoice::New), Some(parts)) => {
            let parts = parts.clone();
            return Ok(Box::new(move |example| parts.part(&example.gene).is_none()));
        }
        (Some(PartChoice::Train), _) => Part::Train,
        (Some(PartChoice::Valid), _) => Part::Valid,
        (Some(PartChoice::Test) | None, _) => Part::Test,
    };
    let ids: BTreeSet<String> = parts.into_iter().flat_map(|parts| parts.genes(wanted).cloned()).collect();
    Ok(Box::new(move |example| ids.contains(&example.gene)))
}

fn report(args: &EvaluateArgs, manifest: &Manifest, data: &Dataset, judged: &[OfSample]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for of in judged {
        let n = of.evaluation.genes.len();
        let overlap = of.overlapping.map_or_else(
            || "whether their windows share bases with genes it learnt from is not known".to_owned(),
            |k| format!("{k} share bases with a gene it learnt from"),
        );
        let high = of.evaluation.truth.iter().filter(|y| **y > 0.5).count();
        let threshold = of.threshold.map_or_else(String::new, |t| format!(", {high} high (above {t})"));
        notes.push(format!("{}: {n} genes{threshold}; {overlap}", of.evaluation.sample));
        for line in of.evaluation.judge() {
            let number = |x: f64| if x.is_finite() { format!("{x:.6}") } else { "NA".to_owned() };
            rows.push(vec![
                of.evaluation.sample.clone(),
                n.to_string(),
                line.predictor,
                line.statistic.to_owned(),
                number(line.interval.value),
                number(line.interval.low),
                number(line.interval.high),
                line.p.map_or_else(String::new, |p| format!("{p:.6}")),
            ]);
        }
    }
    rows.extend(panel_rows(judged, data));
    let Manifest { name, architecture, hash, .. } = manifest;
    let provenance = format!(
        "cislens {} evaluate; model {name} ({architecture}) {hash}; {} resamplings, seed {}; {}",
        env!("CARGO_PKG_VERSION"),
        args.bootstraps,
        args.recipe.seed,
        notes.join("; ")
    );
    let columns = ["sample", "genes", "predictor", "statistic", "value", "low", "high", "p"];
    let table = Table { provenance, columns: columns.map(str::to_owned).to_vec(), rows };
    notes.iter().for_each(|note| say!("{}", clean_text(note)));
    table.print();
    if let Some(path) = &args.out {
        table.write(path)?;
    }
    if let Some(path) = &args.svg {
        page::write(path, &table.provenance, judged.iter().map(|of| &of.evaluation), &manifest.output.unit)?;
    }
    Ok(())
}

/// How levels within samples and changes between them are predicted, over the genes that every sample has.
fn panel_rows(judged: &[OfSample], data: &Dataset) -> Vec<Vec<String>> {
    if judged.len() < 2 {
        return Vec::new();
    }
    let common: BTreeSet<&String> = judged[0].evaluation.genes.iter().collect();
    let common = judged.iter().fold(common, |common, of| {
        let here: BTreeSet<&String> = of.evaluation.genes.iter().collect();
        common.intersection(&here).copied().collect()
    });
    let common: Vec<&String> = common.into_iter().collect();
    // A locus is high where it is open.
    let open: BTreeMap<(&str, &String), bool> =
        data.examples.iter().filter_map(|e| Some(((data.samples.get(e.sample)?.as_str(), &e.gene), e.is_open?))).collect();
    let panel = |of: &dyn Fn(&Evaluation) -> Vec<f64>| Panel {
        rows: judged
            .iter()
            .map(|judged| {
                let values = of(&judged.evaluation);
                let by_gene: BTreeMap<_, _> = judged.evaluation.genes.iter().zip(values).collect();
                common.iter().map(|gene| by_gene[*gene]).collect()
            })
            .collect(),
    };
    // Correlations of a classifier's logits are with the measured logarithms.
    let expression = |evaluation: &Evaluation| -> Vec<f64> {
        let sample = data.samples.iter().position(|name| *name == evaluation.sample);
        let of = data.examples.iter().filter(|e| Some(e.sample) == sample);
        let by_gene: BTreeMap<_, _> = of.map(|e| (&e.gene, e.expression.ln_1p())).collect();
        evaluation.genes.iter().map(|gene| by_gene[gene]).collect()
    };
    let is_class = judged[0].evaluation.kind == OutputKind::Binary;
    let measured = panel(&|e| if is_class { expression(e) } else { e.truth.clone() });
    let cuts: Vec<f64> = judged
        .iter()
        .zip(&measured.rows)
        .map(|(of, row)| of.threshold.map_or_else(|| crate::training::median(row), f64::ln_1p))
        .collect();
    let mut rows = Vec::new();
    for (i, predictor) in judged[0].evaluation.predictors.iter().enumerate() {
        let predicted = panel(&|e| e.predictors[i].values.clone());
        let is_high = |sample: usize, locus: usize| match open.get(&(judged[sample].evaluation.sample.as_str(), common[locus])) {
            Some(is_open) => *is_open,
            None => measured.rows[sample][locus] > cuts[sample],
        };
        for (name, value) in predicted.judge(&measured, is_high).named() {
            let value = if value.is_finite() { format!("{value:.6}") } else { "NA".to_owned() };
            let (samples, genes) = (format!("{} samples", judged.len()), common.len().to_string());
            rows.push(vec![
                samples,
                genes,
                predictor.name.clone(),
                name.to_owned(),
                value,
                String::new(),
                String::new(),
                String::new(),
            ]);
        }
    }
    rows
}
