//! `cislens attribute`: explanations for genes or arrays.

use super::attribution_files::{AttributionFile, FileSettings};
use super::batch::{Done, Report, for_each};
use super::input::{InputArgs, Inputs, open};
use super::journal::Journal;
use super::output::provenance;
use super::{Failure, interrupt};
use crate::attribution::{
    self, Attribution, AttributionError, Baseline, METHODS, Method, MutagenesisView, Options, Replacement, Rule, Run, Unit,
    Views, parse_motif,
};
use crate::models::{Input, Manifest, Model};
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct AttributeArgs {
    /// How to explain, as cislens list methods prints
    method: String,
    /// Folder of a model, or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// File to write: arrays (.npz, in the model's orientation), sums, one line a gene (.tsv), a value a base (.bw, .bedgraph), or
    /// seqlets with their best motifs (.bed)
    #[arg(long, value_name = "F")]
    out: PathBuf,
    /// Integrated gradients: nodes of the path [default: 81]; class optimisation: steps [default: 1000]
    #[arg(long, alias = "steps", value_name = "N", value_parser = at_least_one)]
    n_steps: Option<usize>,
    /// Integrated gradients by midpoints: while a path's gap is above 1 %, three times as many nodes, up to this many [default: 243, or
    /// --n-steps where that is given]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    refine_to: Option<usize>,
    /// Integrated gradients: midpoint [default], gauss-legendre, left, right or trapezoid
    #[arg(long, value_name = "RULE")]
    rule: Option<Rule>,
    /// Where the path begins: zero [default], uniform, mean, methylated or shuffles
    #[arg(long, value_name = "BASELINE")]
    baseline: Option<Baseline>,
    /// Inputs that move or are changed: joint, or some of dna,marks,tfs
    #[arg(long, value_name = "VIEWS")]
    views: Option<Views>,
    /// Random draws: shuffled baselines, backgrounds, noisy inputs [default: 20]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    samples: Option<usize>,
    /// Seed of everything random [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// SmoothGrad: standard deviation as a share of each input's range [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    noise: Option<f64>,
    /// Bases changed at once [default: 50; epistasis 500]
    #[arg(long, value_name = "BASES", value_parser = at_least_one)]
    block: Option<usize>,
    /// What is changed at once: block [default], whole (a mark, all DNA) or base
    #[arg(long, value_name = "UNIT")]
    unit: Option<Unit>,
    /// What changed values become: zero [default], mean, uniform, or a factor as in x0.5
    #[arg(long, value_name = "VALUE")]
    to: Option<Replacement>,
    /// Bases that are put in [default: TGACTCA]
    #[arg(long, value_name = "ACGT", value_parser = |text: &str| parse_motif(text).map(Motif))]
    motif: Option<Motif>,
    /// Of four values a base the one that is written to .bw, .bedgraph and .bed: mean-3 [default of mutagenesis], mean-4, max,
    /// projected [default of gradients] or sum
    #[arg(long, value_name = "VIEW")]
    view: Option<MutagenesisView>,
    /// What is written to .bw and .bedgraph: dna, or a mark [default: DNA where it is explained, else all marks summed]
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
    /// Motifs that seqlets are compared with, MEME or HOMER [default: those of assets/motifs.tsv]
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    resume: bool,
}

/// Bases; a type of its own, so that clap does not take a list of letters for a list of options.
#[derive(Clone, Debug)]
struct Motif(Vec<u8>);

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n @ 1..=1_000_000) => Ok(n),
        _ => Err("a whole number from 1 to 1,000,000".to_owned()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=100.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 100".to_owned()),
    }
}

pub(super) fn run(args: &AttributeArgs) -> Result<(), Failure> {
    let method = find_method(&args.method)?;
    let mut options = options(args, method)?;
    let settings = FileSettings {
        view: args.view.unwrap_or_else(|| MutagenesisView::of_method(method.name())),
        of: args.of.clone(),
        motifs: args.motifs.clone(),
    };
    let mut file = AttributionFile::open(&args.out, settings)?;
    let (model, inputs) = open(&args.input, &args.model)?;
    let manifest = model.manifest();
    if let Some(reason) = method.obstacle(&*model) {
        return Err(Failure::Usage(format!("{} says nothing about model {}: {reason}", method.name(), manifest.name)));
    }
    file.check(&inputs, manifest)?;
    if options.to == Replacement::Mean || options.baseline == Baseline::Mean {
        options.mark_means = mark_means(&inputs, manifest)?;
    }
    if let Some(caution) = method.caution() {
        eprintln!("cislens: {}: {caution}", method.name());
    }
    let made_by = provenance("attribute", manifest, &inputs);
    let key = format!("{made_by}; {}; {options:?}; {}", method.name(), inputs.key());
    let mut journal = Journal::open(&args.out, &key, args.resume)?;

    let mut settings = BTreeMap::new();
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    let mut windows = Vec::new();
    let mut take = |i: usize, input: Input, result: Attribution| -> Result<(), Failure> {
        file.push(&inputs, i, &*model, &input, &result)?;
        *settings.entry(said(&result)).or_insert(0) += 1;
        windows.push(input.window);
        kept.push(i);
        Ok(())
    };
    // What an interrupted run had finished is written as if it were new.
    let mut reader = inputs.reader();
    let mut next = 0;
    while let Some(done) = journal.next::<Attribution>()? {
        match done {
            Ok(result) => {
                let input =
                    inputs.read(&mut reader, next, manifest).map_err(|e| anyhow::anyhow!("{}: {e}", inputs.name(next)))?;
                if input.hash() != result.input_hash {
                    let name = inputs.name(next);
                    return Err(Failure::Usage(format!(
                        "--resume: {name}: what the model reads has changed since; leave --resume out"
                    )));
                }
                take(next, input, Attribution { method: method.name(), ..result })?;
            }
            Err(reason) => left_out.push((next, reason)),
        }
        next += 1;
    }
    let first = next;
    let mut is_cut = false;
    let done = for_each(
        inputs.len() - first,
        args.input.threads,
        || inputs.reader(),
        |reader, i, report| {
            let read = inputs.read(reader, first + i, manifest).map_err(Stop::Failed);
            Ok(read.and_then(|input| explain(method, &*model, &input, &options, report).map(|result| (input, result))))
        },
        |i, done| {
            // What comes after the first that was stopped is computed again: the journal has no gaps.
            is_cut |= matches!(done, Err(Stop::Cancelled));
            if is_cut {
                return Ok(());
            }
            // One that ended in a defect is not handed over.
            while next < first + i {
                journal.push::<Attribution>(&Err(DEFECT.to_owned()))?;
                next += 1;
            }
            next += 1;
            match done {
                Ok((input, result)) => {
                    let finished = Ok(result);
                    journal.push(&finished)?;
                    if let Ok(result) = finished {
                        take(first + i, input, result)?;
                    }
                }
                Err(Stop::Failed(reason)) => {
                    left_out.push((first + i, reason.clone()));
                    journal.push::<Attribution>(&Err(reason))?;
                }
                Err(Stop::Cancelled) => {}
            }
            Ok(())
        },
    );
    let done = match done {
        Err(Failure::Interrupted) => {
            if next > 0 {
                journal.keep();
                eprintln!("cislens: {next} of {} inputs are kept; the same command with --resume goes on", inputs.len());
            }
            return Err(Failure::Interrupted);
        }
        other => other?,
    };
    left_out.extend(done.left_out.into_iter().map(|(i, reason)| (first + i, reason)));
    left_out.sort_by_key(|(i, _)| *i);
    Done { kept: kept.clone(), left_out }.say(|i| inputs.name(i))?;
    let made = format!("{made_by}; {}: {}", method.name(), listed(&settings));
    file.finish(&inputs, &kept, &windows, &made)?;
    journal.remove();
    say!("{}: {} of {} inputs of {}", args.out.display(), method.name(), kept.len(), manifest.name);
    Ok(())
}

/// Said of an input whose explanation ended in a defect.
const DEFECT: &str = "internal error";

/// Why an input has no result.
enum Stop {
    /// Ctrl-C.
    Cancelled,
    /// Anything else.
    Failed(String),
}

fn explain(
    method: &dyn Method,
    model: &dyn Model,
    input: &Input,
    options: &Options,
    report: &Report<'_>,
) -> Result<Attribution, Stop> {
    let is_current = || !interrupt::is_interrupted();
    let mut partial = |part: &Attribution| report(part.done as f64 / part.total.max(1) as f64);
    let result =
        method.attribute(model, input, options, &mut Run::new(&is_current, &mut partial)).map_err(|error| match error {
            AttributionError::Cancelled => Stop::Cancelled,
            error => Stop::Failed(error.to_string()),
        })?;
    Ok(match model.device_note() {
        Some(note) => Attribution { settings: format!("{}, {note}", result.settings), ..result },
        None => result,
    })
}

/// What made a result, in words.
pub(super) fn said(result: &Attribution) -> String {
    let seed = result.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
    format!("{}{seed}, {}", result.settings, result.precision)
}

/// Settings with the number of inputs that each holds for, where they differ.
fn listed(settings: &BTreeMap<String, usize>) -> String {
    const MOST: usize = 4;
    if let [settings] = settings.keys().collect::<Vec<_>>()[..] {
        return settings.clone();
    }
    let mut listed: Vec<String> = settings.iter().take(MOST).map(|(said, n)| format!("{said} ({n} of the inputs)")).collect();
    if settings.len() > MOST {
        listed.push(format!("{} others", settings.len() - MOST));
    }
    listed.join("; ")
}

/// The mean of each mark over every input.
fn mark_means(inputs: &Inputs, manifest: &Manifest) -> Result<Vec<f32>, Failure> {
    let k = manifest.input.marks.len();
    let (mut sums, mut n) = (vec![0.0_f64; k], 0_usize);
    let mut reader = inputs.reader();
    for i in 0..inputs.len() {
        let Ok(input) = inputs.read(&mut reader, i, manifest) else { continue };
        for row in input.marks.chunks_exact(k.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, &v)| *sum += f64::from(v));
            n += 1;
        }
    }
    Ok(sums.into_iter().map(|sum| (sum / n.max(1) as f64) as f32).collect())
}

fn find_method(name: &str) -> Result<&'static dyn Method, Failure> {
    attribution::method(name).ok_or_else(|| {
        let names: Vec<&str> = METHODS.iter().map(|m| m.name()).collect();
        Failure::Usage(format!("no method \"{name}\"; there are {}", names.join(", ")))
    })
}

/// Finding the nodes takes time that grows with their square.
const MOST_GAUSS_NODES: usize = 10_000;

/// Settings of another method are refused: they would change nothing.
fn options(args: &AttributeArgs, method: &dyn Method) -> Result<Options, Failure> {
    let mut options = method.defaults();
    let reads = |name: &str| {
        let owners = METHODS.iter().filter(|m| m.settings().contains(&name)).map(|m| m.name()).collect::<Vec<_>>();
        match method.settings().contains(&name) {
            true => Ok(()),
            false => Err(Failure::Usage(format!("--{name} is for {}", owners.join(", ")))),
        }
    };
    macro_rules! set {
        ($($field:ident = $name:literal),*) => {
            $(if let Some(value) = args.$field {
                reads($name)?;
                options.$field = value;
            })*
        };
    }
    if args.n_steps.is_some() {
        options.refine_to = 0; // as many as were asked for
    }
    set!(
        n_steps = "n-steps",
        refine_to = "refine-to",
        rule = "rule",
        baseline = "baseline",
        samples = "samples",
        seed = "seed",
        noise = "noise"
    );
    set!(block = "block", unit = "unit", to = "to");
    if options.rule == Rule::GaussLegendre && options.n_steps > MOST_GAUSS_NODES {
        let n = options.n_steps;
        return Err(Failure::Usage(format!("--n-steps {n}: gauss-legendre has at most {MOST_GAUSS_NODES}")));
    }
    if args.refine_to.is_some() && options.rule != Rule::Midpoint {
        return Err(Failure::Usage(format!("--refine-to: nodes of {} are not among those of three times as many", options.rule)));
    }
    if let Some(views) = args.views {
        reads("views")?;
        options.views = Some(views);
    }
    if let Some(Motif(motif)) = &args.motif {
        reads("motif")?;
        options.motif.clone_from(motif);
    }
    Ok(options)
}
