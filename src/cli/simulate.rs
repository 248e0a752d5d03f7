//! `cislens simulate`: the sample genome.

use super::Failure;
use crate::simulate::{Options, Scale, simulate};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write to
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(args: &SimulateArgs) -> Result<(), Failure> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} files  {msg}  {elapsed} left {eta}")?);
    let options = Options { seed: args.seed, out: args.out.clone(), scale: Scale::Full, threads: 0 };
    let summary = simulate(&options, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
        bar.set_message(progress.label.clone());
    })?;
    bar.finish_and_clear();
    let bytes: u64 = summary.files.iter().map(|(_, size)| size).sum();
    say!(
        "{}: simulated {} Mb, {} genes, {} samples; {} files, {:.1} MB",
        args.out.display(),
        summary.bases / 1_000_000,
        summary.genes,
        summary.samples,
        summary.files.len(),
        bytes as f64 / 1e6
    );
    let out = args.out.display();
    say!("its session names four models that are yet to be trained, as in");
    say!("cislens train deepcore --session {out}/session.toml --sample S01 --test chr3 --out {out}/models/deepcore");
    Ok(())
}
