//! Work for each of many inputs whose results are kept as they come: an interrupted command goes on with `--resume`.

use super::batch::{Done, Report, for_each};
use super::input::InputArgs;
use super::journal::Journal;
use super::{Failure, interrupt};
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// What commands take that write a table of many inputs.
#[derive(Args, Debug)]
pub(super) struct TableArgs {
    #[command(flatten)]
    pub input: InputArgs,
    /// Table to write (.tsv)
    #[arg(long, value_name = "F.tsv")]
    pub out: PathBuf,
    /// Seed of everything that is drawn at random: nulls, placements, controls, noise
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Go on where an interrupted run with the same arguments stopped
    #[arg(long)]
    pub resume: bool,
}

impl TableArgs {
    /// That the table can be written.
    pub(super) fn check(&self) -> Result<(), Failure> {
        super::check_out("--out", &self.out, "tsv")
    }

    /// Keeps results of a run that `key` tells from others.
    pub(super) fn keeping(&self, key: String) -> Keeping<'_> {
        Keeping { out: &self.out, key, resume: self.resume }
    }
}

/// What says that two runs are the same, and where results are kept beside.
pub(super) struct Keeping<'a> {
    /// The file that is written in the end.
    pub out: &'a Path,
    /// Everything the results depend on, in words.
    pub key: String,
    /// Whether to go on where a run stopped.
    pub resume: bool,
}

/// Runs `work` for inputs 0 to `n` as [`for_each`] does; gives the results with their inputs, in order, and the journal, to be
/// removed when the output is written.
pub(super) fn for_each_kept<R, T: Send + Serialize + DeserializeOwned>(
    n: usize,
    threads: usize,
    keeping: &Keeping<'_>,
    open: impl Fn() -> R + Sync,
    work: impl Fn(&mut R, usize, &Report<'_>) -> Result<T, String> + Sync,
    name: impl Fn(usize) -> String,
) -> Result<(Vec<(usize, T)>, Journal), Failure> {
    let mut journal = Journal::open(keeping.out, &keeping.key, keeping.resume)?;
    let (mut results, mut left_out) = (Vec::new(), Vec::new());
    let mut next = 0;
    while let Some(finished) = journal.next::<T>()? {
        match finished {
            Ok(result) => results.push((next, result)),
            Err(reason) => left_out.push((next, reason)),
        }
        next += 1;
    }
    let first = next;
    let mut is_cut = false;
    // A reason is a result too: the journal has no gaps.
    let done = for_each(
        n - first.min(n),
        threads,
        open,
        |with, i, report| Ok(work(with, first + i, report)),
        |i, finished: Result<T, String>| {
            // What was cut short is computed again, and all that comes after it: the journal has no gaps.
            is_cut |= finished.is_err() && interrupt::is_interrupted();
            if is_cut {
                return Ok(());
            }
            while next < first + i {
                journal.push::<T>(&Err("internal error".to_owned()))?;
                left_out.push((next, "internal error".to_owned()));
                next += 1;
            }
            journal.push(&finished)?;
            next += 1;
            match finished {
                Ok(result) => results.push((first + i, result)),
                Err(reason) => left_out.push((first + i, reason)),
            }
            Ok(())
        },
    );
    match done {
        Err(Failure::Interrupted) => {
            if next > 0 {
                journal.keep();
                eprintln!("cislens: {next} of {n} are kept; the same command with --resume goes on");
            }
            Err(Failure::Interrupted)
        }
        Err(other) => Err(other),
        Ok(done) => {
            left_out.extend(done.left_out.into_iter().map(|(i, reason)| (first + i, reason)));
            left_out.sort();
            left_out.dedup_by_key(|(i, _)| *i);
            Done { kept: results.iter().map(|(i, _)| *i).collect(), left_out }.say(name)?;
            Ok((results, journal))
        }
    }
}
