//! `cislens train`: fits a network to a sample.

use super::{Failure, find_session};
use crate::models::{BinStatistic, Manifest, Orientation, Transform, architecture, missing_input, save_model};
use crate::session::{Readers, SampleId, Session};
use crate::training::{Dataset, FitOptions, Progress, Split, Validation, fit};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct TrainArgs {
    /// Architecture: deepcore, attentive-chrome
    architecture: String,
    /// The session whose genes and signals to learn from; the sample data where none is given
    #[arg(long)]
    session: Option<PathBuf>,
    /// The sample to learn from
    #[arg(long)]
    sample: String,
    /// Folder to write model.toml and model.safetensors to
    #[arg(long)]
    out: PathBuf,
    /// Name shown in the browser; the architecture's where none is given
    #[arg(long)]
    name: Option<String>,
    /// Published sizes to start from, where an architecture has several (paper, code)
    #[arg(long)]
    preset: Option<String>,
    /// Initial weights, order of genes: the same seed gives the same weights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chromosomes to judge on, never learnt from; the last one where none is given
    #[arg(long, value_delimiter = ',', value_name = "CHROM,...")]
    test: Vec<String>,
    /// Passes over the training genes, at most
    #[arg(long)]
    epochs: Option<usize>,
    /// Stop after so many passes without a better validation loss
    #[arg(long)]
    patience: Option<usize>,
    /// Genes a step
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rate of Adam
    #[arg(long)]
    rate: Option<f64>,
    /// Learn from one view only (ablation)
    #[arg(long, value_enum, value_name = "VIEW")]
    without: Option<View>,
    /// Give every gene another gene's expression (control: nothing can be learnt)
    #[arg(long)]
    shuffle_labels: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum View {
    Sequence,
    Marks,
}

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    let path = find_session(args.session.as_ref())?;
    let session = Arc::new(Session::open(&path)?);
    let sample = sample_named(&session, &args.sample)?;
    let manifest = manifest(args, &session, sample)?;
    if let Some(reason) = missing_input(&session, sample, &manifest) {
        return Err(Failure::Usage(reason));
    }
    let test = match (&args.test[..], session.genome.chroms.iter().last()) {
        ([], Some((last, _))) => vec![last.to_string()],
        (named, _) => named.to_vec(),
    };
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg} {elapsed} left {eta}")?);
    bar.set_prefix("reading");
    let mut readers = Readers::new(session.clone());
    let mut data = Dataset::read(&mut readers, sample, &manifest, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        ControlFlow::Continue(())
    })?;
    if args.shuffle_labels {
        data.shuffle_labels(args.seed);
    }
    let split = Split::by_chrom(&data.examples, &test, &Validation::Share(0.1), args.seed)?;
    let options = options(args);
    bar.set_position(0);
    bar.set_prefix("fitting");
    // The global pool has one thread (see main); the weights are the same on any number.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let fitted = pool.install(|| fit(&manifest, &mut data, &split, &options, &mut |p| report(&bar, p, &options)))?;
    bar.finish_and_clear();
    let manifest = save_model(&args.out, &fitted.manifest, &fitted.weights)?;
    println!(
        "{}: {} {} on {} of sample {}; {} genes learnt from, {} to stop by, {} held out ({}), {} epochs",
        args.out.display(),
        manifest.architecture,
        manifest.hash,
        path.display(),
        args.sample,
        split.train.len(),
        split.valid.len(),
        split.test.len(),
        test.join(","),
        fitted.history.len()
    );
    for (name, interval) in &fitted.test {
        println!("held out {name} {:.3} (95 % {:.3} to {:.3})", interval.value, interval.low, interval.high);
    }
    Ok(())
}

fn sample_named(session: &Session, name: &str) -> Result<SampleId, Failure> {
    let known = || session.samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = session.samples.iter().position(|s| s.name == name);
    found.map(SampleId).ok_or_else(|| Failure::Usage(format!("no sample \"{name}\"; there are {}", known())))
}

/// The published manifest, turned to this session: its assembly and unit of signals, genes read 5' to 3'.
fn manifest(args: &TrainArgs, session: &Session, sample: SampleId) -> Result<Manifest, Failure> {
    let architecture = architecture(&args.architecture).map_err(|e| Failure::Usage(e.to_string()))?;
    let mut manifest = match &args.preset {
        Some(name) => architecture.preset(name).ok_or_else(|| Failure::Usage(format!("no preset \"{name}\"")))?,
        None => architecture.default_manifest(),
    };
    manifest.name = args.name.clone().unwrap_or_else(|| manifest.architecture.clone());
    manifest.source = format!("trained by cislens {} with seed {}", env!("CARGO_PKG_VERSION"), args.seed);
    manifest.assembly = (!session.genome.name.is_empty()).then(|| session.genome.name.clone());
    manifest.samples = vec![args.sample.clone()];
    manifest.orientation = Orientation::Gene;
    manifest.input.bin_statistic = BinStatistic::Mean;
    manifest.input.transform = Transform::Log1p;
    match args.without {
        Some(View::Sequence) => manifest.input.sequence = None,
        Some(View::Marks) => manifest.input.marks.clear(),
        None => {}
    }
    let units =
        manifest.input.marks.iter().filter_map(|mark| session.signal_for(sample, mark)).filter_map(|t| session.tracks[t.0].unit);
    for (i, unit) in units.enumerate() {
        if i > 0 && unit != manifest.input.signal {
            return Err(Failure::Failed(anyhow!("the marks are of several units: {} and {unit}", manifest.input.signal)));
        }
        manifest.input.signal = unit;
    }
    Ok(manifest)
}

fn options(args: &TrainArgs) -> FitOptions {
    let default = FitOptions::of(&args.architecture);
    FitOptions {
        seed: args.seed,
        epochs: args.epochs.unwrap_or(default.epochs),
        patience: args.patience.unwrap_or(default.patience),
        batch_size: args.batch.unwrap_or(default.batch_size),
        learning_rate: args.rate.unwrap_or(default.learning_rate),
        ..default
    }
}

fn report(bar: &ProgressBar, progress: &Progress, options: &FitOptions) -> ControlFlow<()> {
    bar.set_length((options.epochs * progress.steps) as u64);
    bar.set_position(((progress.epoch - 1) * progress.steps + progress.step) as u64);
    let last = progress.history.last();
    let valid = last.map_or_else(String::new, |e| format!(" · validation loss {:.3}, score {:.3}", e.valid_loss, e.valid_score));
    bar.set_message(format!("epoch {} loss {:.3}{valid}", progress.epoch, progress.loss));
    ControlFlow::Continue(())
}
