//! `cislens init`: a session file from a list of files.

use super::Failure;
use crate::session::{InitError, InitOptions, Initialised, init};
use crate::tracks::{SignalUnit, TrackError, clean_text, write_whole};
use anyhow::anyhow;
use clap::Args;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub(super) struct InitArgs {
    #[command(flatten)]
    bare: BareArgs,
    /// Files, or folders of them: signals, peaks, genes, sequence, chromosome sizes, expression, bin tables, model folders, ENCODE's
    /// metadata.tsv
    files: Vec<PathBuf>,
    /// Session file to write; paths inside its folder are written relative to it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What the names of bare files do not say.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct BareArgs {
    /// A file with its mark, where its name does not tell: H3K4me3=FILE or SAMPLE:H3K4me3=FILE
    #[arg(long = "track", value_name = "MARK=FILE", value_parser = parse_track)]
    tracks: Vec<(String, PathBuf)>,
    /// Sample of every file, where names do not tell or tell wrongly
    #[arg(long, value_name = "NAME")]
    sample: Option<String>,
    /// Bin tables: the mark of each count column, in file order
    #[arg(long, value_name = "A,B,...", value_delimiter = ',')]
    marks: Vec<String>,
    /// Bin tables: bases per bin [default: 100]
    #[arg(long, value_name = "BASES")]
    bin_size: Option<u64>,
    /// What the numbers of the signals are: count, rpm, fold_change, neglog10p, fraction
    #[arg(long, value_name = "UNIT", value_parser = parse_unit)]
    signal: Option<SignalUnit>,
    /// Table of expression: a matrix, RSEM, Salmon, or id and value
    #[arg(long, value_name = "FILE")]
    expression: Vec<PathBuf>,
    /// Folder of a model
    #[arg(long = "model", value_name = "DIR")]
    models: Vec<PathBuf>,
    /// Assembly (hg38)
    #[arg(long, value_name = "NAME")]
    genome: Option<String>,
}

impl BareArgs {
    /// The same for the session, whose file stands in `folder`.
    pub(super) fn options(&self, folder: &Path) -> InitOptions {
        InitOptions {
            folder: folder.to_owned(),
            genome: self.genome.clone(),
            sample: self.sample.clone(),
            marks: self.marks.iter().map(|mark| mark.trim().to_owned()).collect(),
            bin_size: self.bin_size,
            signal: self.signal,
            tracks: self.tracks.clone(),
            expression: self.expression.clone(),
            models: self.models.clone(),
        }
    }
}

fn parse_track(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((mark, file)) if !mark.is_empty() && !file.is_empty() => Ok((mark.to_owned(), file.into())),
        _ => Err("write it as MARK=FILE".to_owned()),
    }
}

fn parse_unit(text: &str) -> Result<SignalUnit, String> {
    const UNITS: [SignalUnit; 5] =
        [SignalUnit::Count, SignalUnit::Rpm, SignalUnit::FoldChange, SignalUnit::NegLog10P, SignalUnit::Fraction];
    UNITS
        .into_iter()
        .find(|unit| unit.to_string() == text)
        .ok_or_else(|| format!("it is one of {}", UNITS.map(|unit| unit.to_string()).join(", ")))
}

/// Files that were given without what has to be said of them are asked wrongly.
pub(super) fn refuse(error: InitError) -> Failure {
    match error {
        InitError::Usage(message) => Failure::Usage(message),
        error => error.into(),
    }
}

pub(super) fn run(args: &InitArgs) -> Result<(), Failure> {
    let folder = args.out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut made = init(&args.files, &args.bare.options(folder)).map_err(refuse)?;
    // Opened as it will be: what is wrong with it shows now.
    let session = made.build(folder)?;
    let text = toml::to_string(&made.file)?;
    write_whole(&args.out, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(&args.out, e)))?;
    for line in &made.understood {
        say!("{}", clean_text(line));
    }
    for line in made.problems.iter().chain(&session.warnings) {
        eprintln!("cislens: {}", clean_text(line));
    }
    let (tracks, genes) = (session.tracks.len(), session.genome.genes.len());
    let place = made.file.locus.as_ref().map_or_else(String::new, |locus| format!("; opens at {locus}"));
    let samples: Vec<&str> = session.samples.iter().map(|s| s.name.as_str()).filter(|name| !name.is_empty()).collect();
    let samples = if samples.is_empty() { "no sample".to_owned() } else { format!("samples {}", samples.join(", ")) };
    say!("{}: {tracks} rows, {genes} genes, {}{place}", args.out.display(), clean_text(&samples));
    // A file that was named and is not in the session is a failure; one that lay in a folder is none.
    let left_out: Vec<&PathBuf> = args.files.iter().filter(|file| is_left_out(file, &made)).collect();
    match left_out.len() {
        0 => Ok(()),
        n => Err(anyhow!("{n} of {} files are not in {}", args.files.len(), args.out.display()).into()),
    }
}

fn is_left_out(file: &Path, made: &Initialised) -> bool {
    let start = format!("{}: ", file.display());
    let names_it = |lines: &[String]| lines.iter().any(|line| line.starts_with(&start));
    names_it(&made.problems) && !names_it(&made.understood)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_a_mark_and_a_file() {
        assert_eq!(parse_track("H3K4me3=a=b.bw"), Ok(("H3K4me3".to_owned(), "a=b.bw".into())));
        assert!(parse_track("a.bw").is_err() && parse_track("=a.bw").is_err() && parse_track("m=").is_err());
        assert_eq!(parse_unit("fold_change"), Ok(SignalUnit::FoldChange));
        assert!(parse_unit("tpm").unwrap_err().contains("count, rpm, fold_change"));
    }
}
