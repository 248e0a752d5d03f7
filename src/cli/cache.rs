//! `cislens cache`: the results kept on disk from one run of the browser to the next.

use super::Failure;
use crate::jobs::{Store, StoreInfo};
use anyhow::Context;
use clap::{Args, ValueEnum};
use etcetera::BaseStrategy;
use indicatif::HumanBytes;
use std::path::PathBuf;

/// What the store may grow to: some thousand genes with mutagenesis of 10 kb.
pub(super) const BUDGET_BYTES: u64 = 1 << 30;

#[derive(Args, Debug)]
pub(super) struct CacheArgs {
    /// Say what is kept and where, or remove it
    #[arg(value_enum)]
    what: What,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Info,
    Clear,
}

pub(super) fn run(args: &CacheArgs) -> Result<(), Failure> {
    let (folder, store) = (folder()?, store(BUDGET_BYTES)?);
    let say = |what: &str, info: StoreInfo| {
        println!("{}: {what}{} results, {}", folder.display(), info.entries, HumanBytes(info.bytes));
    };
    match args.what {
        What::Info => say("", store.info()),
        What::Clear => say("removed ", store.clear().with_context(|| folder.display().to_string())?),
    }
    Ok(())
}

/// The store in the platform's cache folder.
pub(super) fn store(budget: u64) -> anyhow::Result<Store> {
    let folder = folder()?;
    Store::open(&folder, budget).with_context(|| folder.display().to_string())
}

fn folder() -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy().context("no home folder")?;
    Ok(folders.cache_dir().join("cislens").join("attributions"))
}
