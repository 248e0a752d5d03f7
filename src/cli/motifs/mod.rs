//! `cislens motifs`: which motifs and transcription factors a model goes by.

mod filters;
mod sites;
pub(super) mod tfs;

use super::input::{InputReader, Inputs, open};
use super::kept::{TableArgs, for_each_kept};
use super::{Failure, output};
use crate::models::{Input, Model};
use crate::motifs::{Motif, bundled_motifs, read_motifs};
use crate::tracks::{TrackError, clean_text, write_whole};
use clap::{Args, ValueEnum};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct MotifsArgs {
    /// What to look at
    #[arg(value_enum)]
    analysis: Analysis,
    /// Folder of a model that reads DNA (tfs: transcription factors), or the name of one of the session's
    model: PathBuf,
    #[command(flatten)]
    table: TableArgs,
    /// Motifs to compare with, MEME or HOMER [default: those of assets/motifs.tsv]
    #[arg(long, value_name = "FILE")]
    motifs: Option<PathBuf>,
    /// Page of logos (filters) or a heatmap (tfs) to write (.svg, .pdf or .png)
    #[arg(long, value_name = "F.svg")]
    svg: Option<PathBuf>,
    /// Filters: their motifs to write (.meme)
    #[arg(long, value_name = "F.meme")]
    meme: Option<PathBuf>,
    /// Enrichment, peaks: how bases are explained, as cislens list methods prints
    #[arg(long, value_name = "METHOD", default_value = "integrated-gradients")]
    method: String,
    /// Enrichment, peaks: bases of a stretch of high attribution
    #[arg(long, value_name = "BASES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    width: u32,
    /// Enrichment, peaks: stretches of a gene
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    top: u32,
    /// Peaks: measured peaks to compare with (.bed, .narrowPeak); may be repeated
    #[arg(long, value_name = "FILE")]
    peaks: Vec<PathBuf>,
    /// Tfs: bases on each side of the TSS in which loci lie
    #[arg(long, value_name = "BASES", default_value_t = tfs::FLANK)]
    flank: u64,
    /// Tfs: bases from one locus to the next
    #[arg(long, value_name = "BASES", default_value_t = tfs::STEP, value_parser = clap::value_parser!(u64).range(50..))]
    step: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Analysis {
    /// First-layer filters as motifs, with what F loses without each
    Filters,
    /// Motifs in stretches of high attribution, against the same stretches shuffled
    Enrichment,
    /// What F loses where every site of a motif becomes noise
    KnockOut,
    /// Stretches of high attribution on measured peaks, against shifts
    Peaks,
    /// Transcription factors by gradient, gradient times expression and knock-out, for each sample
    Tfs,
}

pub(super) fn run(args: &MotifsArgs) -> Result<(), Failure> {
    args.table.check()?;
    let refuse = |is_given: bool, option: &str, of: Analysis| match is_given && args.analysis != of {
        true => Err(Failure::Usage(format!("{option} is for {}", name(of)))),
        false => Ok(()),
    };
    refuse(args.meme.is_some(), "--meme", Analysis::Filters)?;
    refuse(!args.peaks.is_empty(), "--peaks", Analysis::Peaks)?;
    if args.svg.is_some() && !matches!(args.analysis, Analysis::Filters | Analysis::Tfs) {
        return Err(Failure::Usage("--svg is for filters and tfs".to_owned()));
    }
    let motifs = args.motifs.as_deref().map_or_else(|| Ok(bundled_motifs()), read_motifs)?;
    if args.analysis == Analysis::Tfs {
        return tfs::tfs(args);
    }
    let (model, inputs) = open(&args.table.input, &args.model)?;
    if model.manifest().input.sequence.is_none() {
        return Err(Failure::Usage(format!("model {} reads no DNA", model.manifest().name)));
    }
    match args.analysis {
        Analysis::Filters => filters::filters(args, &*model, &inputs, &motifs),
        Analysis::Enrichment => sites::enrichment(args, &*model, &inputs, &motifs),
        Analysis::KnockOut => sites::knock_out(args, &*model, &inputs, &motifs),
        Analysis::Peaks | Analysis::Tfs => sites::peaks(args, &*model, &inputs),
    }
}

/// An analysis as it is typed.
fn name(analysis: Analysis) -> String {
    analysis.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn made_by(args: &MotifsArgs, model: &dyn Model, inputs: &Inputs) -> String {
    let source = args.motifs.as_ref().map_or_else(|| "assets/motifs.tsv".to_owned(), |path| path.display().to_string());
    let made = output::provenance(&format!("motifs {}", name(args.analysis)), model.manifest(), inputs);
    format!("{made}; motifs {source}; seed {}", args.table.seed)
}

fn write_table(path: &Path, made: &str, head: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let line = |fields: &[String]| fields.iter().map(|f| clean_text(f)).collect::<Vec<_>>().join("\t") + "\n";
    let body: String = rows.iter().map(|row| line(row)).collect();
    let text = format!("# {}\n{}\n{body}", clean_text(made), head.join("\t"));
    Ok(write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))?)
}

fn tf_of(motif: &Motif) -> String {
    motif.tf.clone().unwrap_or_default()
}

/// Runs `work` for every input, keeping results; gives them in order with what removes the journal.
fn each<T: Send + serde::Serialize + serde::de::DeserializeOwned>(
    args: &MotifsArgs,
    inputs: &Inputs,
    model: &dyn Model,
    made: &str,
    work: impl Fn(&Input, usize) -> Result<T, String> + Sync,
) -> Result<(Vec<T>, super::journal::Journal), Failure> {
    let settings = format!("{} {} {} {:?}", args.method, args.width, args.top, args.peaks);
    let keeping = args.table.keeping(format!("{made}; {settings}; {}", inputs.key()));
    let work = |reader: &mut InputReader<'_>, i: usize, _: &super::batch::Report<'_>| {
        work(&inputs.read(reader, i, model.manifest())?, i)
    };
    let (found, journal) =
        for_each_kept(inputs.len(), args.table.input.threads, &keeping, || inputs.reader(), work, |i| inputs.name(i))?;
    Ok((found.into_iter().map(|(_, result)| result).collect(), journal))
}
