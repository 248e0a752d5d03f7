//! `cislens train`: fits a network to a sample, or to several together.

mod grid;
mod recipe;
mod watch;

pub(super) use recipe::Recipe;
pub(super) use watch::Watcher;

use super::device::check_for_training;
use super::opening::open_session;
use super::{Failure, find_session, interrupt};
use crate::models::{DeviceChoice, Manifest, save_model};
use crate::session::{Readers, SampleId, Session};
use crate::tracks::clean_text;
use crate::training::{CHECKPOINT, Dataset, Fitted, Parts, Split, SplitPlan, TrainingError, fit};
use anyhow::Context;
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args, Debug)]
pub(super) struct TrainArgs {
    /// Architecture, as cislens list models prints
    architecture: String,
    /// The session whose genes and signals to learn from; the sample data where none is given
    #[arg(long)]
    session: Option<PathBuf>,
    /// The sample to learn from; several, parted by commas, are learnt from together
    #[arg(long, value_delimiter = ',', required = true, value_name = "NAME,...")]
    sample: Vec<String>,
    /// Folder to write model.toml and model.safetensors to; a fit that was stopped leaves training.safetensors there and goes on from it
    #[arg(long)]
    out: PathBuf,
    /// Name shown in the browser; the architecture's where none is given
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    recipe: Recipe,
    /// Give every gene another gene's expression (control: nothing can be learnt)
    #[arg(long)]
    shuffle_labels: bool,
    /// Fit every combination and keep the best on the validation genes: published, or NAME=A,B,... (a size of model.toml, rate, l2,
    /// penalty, dropout, averaging, batch, seed); may be repeated
    #[arg(long, value_name = "GRID")]
    grid: Vec<String>,
    /// Begin anew where a stopped fit left its state
    #[arg(long)]
    restart: bool,
    /// Where to compute
    #[arg(long, value_name = "D", default_value_t)]
    device: DeviceChoice,
    /// Threads; 0 for as many as the machine has. The weights do not depend on it
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

pub(super) fn run(args: &TrainArgs) -> Result<(), Failure> {
    check_for_training(args.device)?;
    let path = find_session(args.session.as_ref())?;
    let session = Arc::new(open_session(&path)?);
    for warning in &session.warnings {
        eprintln!("cislens: {}", clean_text(warning));
    }
    let samples = samples_named(&session, &args.sample)?;
    let mut manifest = args.recipe.manifest(&args.architecture, &session, &samples)?;
    manifest.name = args.name.clone().unwrap_or_else(|| manifest.architecture.clone());
    let options = args.recipe.options(&args.architecture)?;
    let plan = args.recipe.plan(&session)?;
    let grid = grid::points(&args.grid, &manifest, &options)?;
    prepare(args)?;
    interrupt::listen()?;
    let mut watcher = Watcher::new()?;
    let mut data = read(&session, &samples, &manifest, &watcher)?;
    if args.shuffle_labels {
        data.shuffle_labels(args.recipe.seed);
    }
    let split = Split::plan(&data.examples, &plan, args.recipe.seed)?;
    let pool = threads(args.threads)?;
    let fitted = pool.install(|| match grid.is_empty() {
        true => {
            let checkpoint = args.out.join(CHECKPOINT);
            fit(&manifest, &mut data, &split, &options, Some(&checkpoint), &mut |progress| {
                watcher.fitting("fitting", progress, &options)
            })
        }
        false => grid::search(&grid, &mut data, &split, &args.out, &mut watcher),
    });
    watcher.clear();
    let fitted = fitted.map_err(|error| stopped(error, &args.out))?;
    finish(args, &path, &data, &split, &plan, &fitted)
}

/// The folder, and that it can be written, before hours of work.
fn prepare(args: &TrainArgs) -> Result<(), Failure> {
    let out = &args.out;
    std::fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
    tempfile::tempfile_in(out).with_context(|| format!("{}", out.display()))?;
    let checkpoint = out.join(CHECKPOINT);
    if checkpoint.exists() || out.join(grid::FOLDER).exists() {
        match args.restart {
            true => remove(out)?,
            false => eprintln!("cislens: going on from what is kept in {}", clean_text(&out.display().to_string())),
        }
    }
    Ok(())
}

/// Removes what a stopped fit or search left.
fn remove(out: &Path) -> Result<(), Failure> {
    let (checkpoint, grid) = (out.join(CHECKPOINT), out.join(grid::FOLDER));
    if checkpoint.exists() {
        std::fs::remove_file(&checkpoint).with_context(|| format!("{}", checkpoint.display()))?;
    }
    if grid.exists() {
        std::fs::remove_dir_all(&grid).with_context(|| format!("{}", grid.display()))?;
    }
    Ok(())
}

/// Reads the genes of samples, showing how far it is.
pub(super) fn read(
    session: &Arc<Session>,
    samples: &[SampleId],
    manifest: &Manifest,
    watcher: &Watcher,
) -> Result<Dataset, Failure> {
    let mut readers = Readers::new(session.clone());
    let data = Dataset::read(&mut readers, samples, manifest, &mut |done, total| watcher.reading(done, total));
    data.map_err(|error| match error {
        TrainingError::Cancelled => Failure::Interrupted,
        error => error.into(),
    })
}

/// Our own pool: the global one has one thread (see `run` of the command line). Results are the same on any number.
pub(super) fn threads(n: usize) -> Result<rayon::ThreadPool, Failure> {
    let n = if n == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { n };
    // The main thread is one of them: what it frees stays for what comes (models::keep_freed_memory).
    Ok(rayon::ThreadPoolBuilder::new().num_threads(n).use_current_thread().build()?)
}

fn stopped(error: TrainingError, out: &Path) -> Failure {
    match error {
        TrainingError::Cancelled => Failure::Stopped(format!(
            "interrupted; where it stood is kept in {}: the same command goes on from there",
            out.display()
        )),
        error => error.into(),
    }
}

fn finish(
    args: &TrainArgs,
    session: &Path,
    data: &Dataset,
    split: &Split,
    plan: &SplitPlan,
    fitted: &Fitted,
) -> Result<(), Failure> {
    let manifest = save_model(&args.out, &fitted.manifest, &fitted.weights)?;
    Parts::new(data, split).write(&args.out, plan)?;
    // Last: until the model stands there whole, the state is still of use.
    remove(&args.out)?;
    say!(
        "{}: {} {} on {} of sample {}; {} genes learnt from, {} to stop by, {} held out ({plan}), {} epochs, the best {}",
        args.out.display(),
        manifest.architecture,
        manifest.hash,
        session.display(),
        args.sample.join(","),
        split.train.len(),
        split.valid.len(),
        split.test.len(),
        fitted.history.len(),
        fitted.best_epoch
    );
    for (what, n) in
        [("have no measured expression", data.unmeasured), ("have windows past a chromosome's end", data.past_the_end)]
    {
        if n > 0 {
            say!("{n} genes {what} and were left out");
        }
    }
    for (name, interval) in &fitted.test {
        say!("held out {name} {:.3} (95 % {:.3} to {:.3})", interval.value, interval.low, interval.high);
    }
    Ok(())
}

/// The samples of these names.
pub(super) fn samples_named(session: &Session, names: &[String]) -> Result<Vec<SampleId>, Failure> {
    let known = || session.samples.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = |name: &String| session.samples.iter().position(|s| s.name == *name).map(SampleId);
    let missing = |name: &String| Failure::Usage(format!("no sample \"{name}\"; there are {}", known()));
    let ids: Vec<SampleId> = names.iter().map(|name| found(name).ok_or_else(|| missing(name))).collect::<Result<_, _>>()?;
    match (1..ids.len()).find(|&i| ids[..i].contains(&ids[i])) {
        Some(twice) => Err(Failure::Usage(format!("sample \"{}\" is named twice", names[twice]))),
        None => Ok(ids),
    }
}
