//! `cislens count`: reads in bins, the input of AttentiveChrome's family.

use super::opening::open_session;
use super::{Failure, interrupt};
use crate::genome::{ChromSizes, Genes, Region, TssChoice, Window};
use crate::tracks::{Track, TrackError, clean_text, count_reads, open, read_text_or_pipe, write_whole};
use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAX_WINDOWS: usize = 50_000_000;

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["windows", "genes", "session"]))]
pub(super) struct CountArgs {
    /// Reads: .bam, or tagAlign (BED, gzipped or not); one file a column
    #[arg(required = true)]
    reads: Vec<PathBuf>,
    /// Count in these windows (BED) and write them with their counts
    #[arg(long, value_name = "F.bed")]
    windows: Option<PathBuf>,
    /// Count in bins around the TSS of these genes (GTF, GFF3) and write a bin table, which cislens init reads
    #[arg(long, value_name = "GENES")]
    genes: Option<PathBuf>,
    /// The same with the genes of a session
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Bins around a TSS; it stands at the first base of the second half
    #[arg(long, value_name = "N", default_value_t = 100)]
    bins: u64,
    /// Bases per bin
    #[arg(long, value_name = "BASES", default_value_t = 100)]
    bin_size: u64,
    /// Table to write: .csv for bins (gene_bin, counts), .bed or .tsv for windows
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

/// What is counted in, and how a line of it begins.
struct Rows {
    windows: Vec<Region>,
    names: Vec<String>,
    separator: char,
}

pub(super) fn run(args: &CountArgs) -> Result<(), Failure> {
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).with_context(|| format!("{}", folder.display()))?;
    let rows = match (&args.windows, &args.genes, &args.session) {
        (Some(path), ..) => read_windows(path)?,
        (_, Some(path), _) => {
            let Track::Genes(genes) = open(path, None, &ChromSizes::default())?.value else {
                return Err(Failure::Usage(format!("--genes {}: no gene models", path.display())));
            };
            bins(args, &genes, TssChoice::default())?
        }
        (_, _, Some(path)) => {
            let session = open_session(path)?;
            if session.genome.is_gene_relative {
                return Err(Failure::Usage("--session: its genes have no place on a genome".to_owned()));
            }
            bins(args, &session.genome.genes, session.genome.tss)?
        }
        _ => return Err(Failure::Usage("where? --windows, --genes or --session".to_owned())),
    };
    interrupt::listen()?;
    let bar =
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {prefix}: {human_pos} reads {elapsed}")?);
    let mut columns = Vec::new();
    for path in &args.reads {
        bar.set_prefix(clean_text(&path.display().to_string()).into_owned());
        let counted = count_reads(path, &rows.windows, &mut |reads| {
            bar.set_position(reads);
            if interrupt::is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some((counts, tally)) = counted else { return Err(Failure::Interrupted) };
        bar.suspend(|| {
            say!(
                "{}: {} reads, {} left out (unmapped, duplicate or failed), {} on other chromosomes",
                clean_text(&path.display().to_string()),
                tally.reads,
                tally.left_out,
                tally.elsewhere
            );
        });
        if tally.reads > tally.left_out && tally.reads == tally.left_out + tally.elsewhere {
            return Err(anyhow!("{}: no read lies on a chromosome of the windows", path.display()).into());
        }
        columns.push(counts);
    }
    bar.finish_and_clear();
    write_whole(&args.out, |out| {
        for (i, name) in rows.names.iter().enumerate() {
            let counts: String = columns.iter().map(|counts| format!("{}{}", rows.separator, counts[i])).collect();
            writeln!(out, "{name}{counts}").map_err(|e| TrackError::io(&args.out, e))?;
        }
        Ok(())
    })?;
    say!("{}: {} windows, {} columns", args.out.display(), rows.names.len(), columns.len());
    Ok(())
}

/// Bins around each gene's TSS in genome direction, as the published tables have them.
fn bins(args: &CountArgs, genes: &Arc<Genes>, tss: TssChoice) -> Result<Rows, Failure> {
    let length = args.bins.checked_mul(args.bin_size).filter(|length| (1..=10_000_000).contains(length));
    let length = length.ok_or_else(|| Failure::Usage(format!("--bins {} of --bin-size {}", args.bins, args.bin_size)))?;
    let mut rows = Rows { windows: Vec::new(), names: Vec::new(), separator: ',' };
    let mut left_out = 0;
    for (_, gene) in genes.iter() {
        let window = Window::around(gene.region.chrom.clone(), gene.tss(tss), crate::genome::Strand::Forward, length / 2, length);
        let Ok(start) = u64::try_from(window.start()) else {
            left_out += 1;
            continue;
        };
        if rows.windows.len() as u64 + args.bins > MAX_WINDOWS as u64 {
            return Err(anyhow!("more than {MAX_WINDOWS} bins").into());
        }
        for bin in 0..args.bins {
            let from = start + bin * args.bin_size;
            rows.windows.push(Region::new(window.chrom().clone(), from, from + args.bin_size));
            // The reader of the table takes what stands after the last underscore as the bin.
            let symbol = gene.name.replace([',', ' ', '\t'], "-");
            rows.names.push(clean_text(&format!("{}_{symbol}_{}", gene.unversioned_id(), bin + 1)).into_owned());
        }
    }
    if left_out > 0 {
        eprintln!("cislens: {left_out} genes whose bins begin before their chromosome are left out");
    }
    match rows.names.is_empty() {
        true => Err(anyhow!("no gene to count around").into()),
        false => Ok(rows),
    }
}

fn read_windows(path: &Path) -> Result<Rows, Failure> {
    let text = read_text_or_pipe(path).with_context(|| format!("{}", path.display()))?;
    let mut rows = Rows { windows: Vec::new(), names: Vec::new(), separator: '\t' };
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') || line.starts_with("track") || line.starts_with("browser") {
            continue;
        }
        let fields: Vec<&str> = line.split_whitespace().collect();
        let region = match fields[..] {
            [chrom, start, end, ..] => {
                let ends = start.parse().ok().zip(end.parse().ok()).filter(|(start, end)| start < end);
                ends.map(|(start, end): (u64, u64)| Region::new(chrom, start, end))
            }
            _ => None,
        };
        let region = region.ok_or_else(|| anyhow!("{}: line {}: no chromosome, start and end", path.display(), i + 1))?;
        if rows.windows.len() == MAX_WINDOWS {
            return Err(anyhow!("{}: more than {MAX_WINDOWS} windows", path.display()).into());
        }
        rows.windows.push(region);
        rows.names.push(fields.iter().map(|field| clean_text(field)).collect::<Vec<_>>().join("\t"));
    }
    match rows.names.is_empty() {
        true => Err(anyhow!("{}: no window in it", path.display()).into()),
        false => Ok(rows),
    }
}
