//! `cislens liftover`: a place or the rows of a BED in another assembly.

use super::Failure;
use crate::genome::{Locus, Region};
use crate::tracks::{Chains, TrackError, clean_text, read_text_lines, write_whole};
use anyhow::Context;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct LiftOverArgs {
    /// Chain file that leads from the old assembly to the new one (hg19ToHg38.over.chain.gz)
    chain: PathBuf,
    /// A place (chr8:128,748,315-128,753,680), or a BED of 3 to 9 columns
    what: String,
    /// BED to write; the terminal where none is given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where rows without a place go, each below its reason
    #[arg(long, value_name = "FILE")]
    unmapped: Option<PathBuf>,
}

pub(super) fn run(args: &LiftOverArgs) -> Result<(), Failure> {
    let chains = Chains::read(&args.chain).map_err(anyhow::Error::from)?;
    let bed = Path::new(&args.what);
    if bed.is_file() {
        return lift_rows(&chains, bed, args);
    }
    let region = match Locus::parse(&args.what, chains.from()) {
        Ok(Locus::Region(region)) => region,
        Ok(Locus::Position(chrom, position)) => Region::new(chrom, position, position + 1),
        Ok(Locus::Name(name)) => return Err(Failure::Usage(format!("\"{name}\" is neither a place nor a file"))),
        Err(error) => return Err(Failure::Usage(error.to_string())),
    };
    let (place, is_turned) = chains.lift(&region).map_err(|reason| anyhow::anyhow!("{region}: {reason}"))?;
    say!("{}{}", clean_text(&place.to_string()), if is_turned { " (on the other strand)" } else { "" });
    Ok(())
}

fn lift_rows(chains: &Chains, bed: &Path, args: &LiftOverArgs) -> Result<(), Failure> {
    let (mut lifted, mut refused, mut n, mut n_refused) = (String::new(), String::new(), 0, 0);
    let read = read_text_lines(bed, &mut |line| {
        let is_heading = line.trim().is_empty() || ["#", "track", "browser"].iter().any(|word| line.starts_with(word));
        if is_heading {
            return;
        }
        n += 1;
        match chains.lift_bed_row(line) {
            Ok(row) => lifted.extend([&row, "\n"]),
            Err(reason) => {
                n_refused += 1;
                refused.extend(["#", &reason, "\n", line, "\n"]);
            }
        }
    });
    read.map_err(anyhow::Error::from)?;
    let write = |path: &PathBuf, text: &str| {
        write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e))).map_err(anyhow::Error::from)
    };
    match &args.out {
        Some(path) => write(path, &lifted)?,
        None => std::io::stdout().write_all(lifted.as_bytes()).context("the result could not be written")?,
    }
    if let Some(path) = &args.unmapped {
        write(path, &refused)?;
    }
    eprintln!("{} of {n} rows have a place in the new assembly", n - n_refused);
    Ok(())
}
