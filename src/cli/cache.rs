//! `cislens cache`: the results, and genes of long annotations, kept on disk from one run to the next.

use super::Failure;
use crate::jobs::{Store, StoreInfo};
use crate::tracks::{forget_genes, kept_genes};
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
        say!("{}: {what}{} results, {}", folder.display(), info.entries, HumanBytes(info.bytes));
    };
    let genes = annotations()?;
    let (n, bytes) = kept_genes(&genes);
    let removed = match args.what {
        What::Info => {
            say("", store.info());
            ""
        }
        What::Clear => {
            say("removed ", store.clear().with_context(|| folder.display().to_string())?);
            forget_genes(&genes).with_context(|| genes.display().to_string())?;
            "removed "
        }
    };
    say!("{}: {removed}genes of {n} annotations, {}", genes.display(), HumanBytes(bytes));
    Ok(())
}

/// The store in the platform's cache folder.
pub(super) fn store(budget: u64) -> anyhow::Result<Store> {
    let folder = folder()?;
    Store::open(&folder, budget).with_context(|| folder.display().to_string())
}

fn folder() -> anyhow::Result<PathBuf> {
    Ok(cache_folder()?.join("attributions"))
}

/// Where genes of long annotations are kept.
pub(super) fn annotations() -> anyhow::Result<PathBuf> {
    Ok(cache_folder()?.join("annotations"))
}

fn cache_folder() -> anyhow::Result<PathBuf> {
    Ok(etcetera::choose_base_strategy().context("no home folder")?.cache_dir().join("cislens"))
}
