//! One figure for each gene or BED line of a file: on several threads, and going on where an earlier run stopped.

use super::super::batch::for_each;
use super::super::view::{open_state, read_theme};
use super::super::{Failure, find_session};
use super::args::FigureArgs;
use super::compose::compose_of;
use super::loci::{self, NamedLocus};
use crate::export::{self, PictureFormat};
use crate::tracks::{TrackError, clean_text, read_text_or_pipe, write_whole};
use anyhow::{Context, anyhow};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What was drawn, a line a figure: file, locus, and a hash of everything the figure was asked with.
const LEDGER: &str = "figures.tsv";
const LEDGER_HEAD: &str = "file\tlocus\tasked";
/// Least time between two writings of the ledger.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);

/// Draws every locus of `list` into the folder `out`.
pub(super) fn run(figure: &FigureArgs, list: &Path, out: &Path, format: &str, threads: usize) -> Result<(), Failure> {
    if PictureFormat::of(Path::new(&format!("f.{format}"))).is_none() {
        return Err(Failure::Usage(format!("--format {format}: svg, pdf or png")));
    }
    let loci = loci::read_file(list)?;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let (sample, model) = (figure.sample.as_deref(), figure.model.as_deref());
    let state = open_state(&figure.files, sample, model, read_theme(figure.theme())?, figure.assume_assembly)?;
    let session = session_bytes(figure);
    let files = names(&loci, format);
    let jobs: Vec<Job> = loci
        .iter()
        .zip(files)
        .map(|(locus, file)| {
            let figure = FigureArgs { locus: Some(locus.locus.clone()), ..figure.clone() };
            let asked = asked(&figure, &session);
            Job { figure, file, asked, locus: locus.locus.clone() }
        })
        .collect();
    let mut ledger = Ledger::open(out)?;
    let waiting: Vec<&Job> = jobs.iter().filter(|job| !ledger.has(out, job)).collect();
    let n_kept = jobs.len() - waiting.len();
    let done = for_each(
        waiting.len(),
        threads,
        || (),
        |(), i, _| {
            let job = waiting[i];
            let path = out.join(&job.file);
            let made = compose_of(state.clone(), &job.figure, &path, false).map_err(in_words)?;
            export::write(&path, &made.svg, &made.options).map_err(|e| e.to_string())
        },
        |i, ()| ledger.add(waiting[i]),
    );
    // What was drawn before an interruption counts.
    ledger.write()?;
    let done = done?;
    if !waiting.is_empty() {
        done.say(|i| waiting[i].locus.clone())?;
    }
    say!("{}: {} figures drawn, {n_kept} kept from before", out.display(), done.kept.len());
    Ok(())
}

struct Job {
    figure: FigureArgs,
    file: String,
    asked: String,
    locus: String,
}

/// The lines of the ledger by file: everything after the name.
struct Ledger {
    path: PathBuf,
    lines: BTreeMap<String, String>,
    written: Instant,
}

impl Ledger {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(LEDGER);
        let text = match read_text_or_pipe(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(anyhow!("{}: {e}", path.display()).into()),
        };
        let lines = text.lines().skip(1).filter_map(|line| line.split_once('\t'));
        let lines = lines.map(|(file, rest)| (file.to_owned(), rest.to_owned())).collect();
        Ok(Self { path, lines, written: Instant::now() })
    }

    fn has(&self, folder: &Path, job: &Job) -> bool {
        self.lines.get(&job.file) == Some(&Self::line(job)) && folder.join(&job.file).is_file()
    }

    fn line(job: &Job) -> String {
        format!("{}\t{}", clean_text(&job.locus), job.asked)
    }

    fn add(&mut self, job: &Job) -> Result<(), Failure> {
        self.lines.insert(job.file.clone(), Self::line(job));
        if self.written.elapsed() >= LEDGER_PAUSE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Failure> {
        let lines: String = self.lines.iter().map(|(file, rest)| format!("{file}\t{rest}\n")).collect();
        let text = format!("{LEDGER_HEAD}\n{lines}");
        write_whole(&self.path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(&self.path, e)))?;
        self.written = Instant::now();
        Ok(())
    }
}

/// The session's own text; what is not a session file has none.
fn session_bytes(figure: &FigureArgs) -> Vec<u8> {
    let path = match &figure.files[..] {
        [] => find_session(None).ok(),
        [path] if path.extension().is_some_and(|e| e == "toml") => Some(path.clone()),
        _ => None,
    };
    path.and_then(|path| std::fs::read(path).ok()).unwrap_or_default()
}

/// A hash of everything a figure is asked with, and of the program.
fn asked(figure: &FigureArgs, session: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(format!("{figure:?}"));
    hash.update(session);
    hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A file name for each locus, none twice.
fn names(loci: &[NamedLocus], format: &str) -> Vec<String> {
    let mut taken = HashSet::new();
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem = |locus: &NamedLocus| {
        let stem: String = locus.name.chars().map(safe).take(80).collect();
        // No hidden files, no way out of the folder.
        if stem.starts_with('.') || stem.is_empty() { format!("_{stem}") } else { stem }
    };
    let mut name = |locus: &NamedLocus| {
        let stem = stem(locus);
        let names = (1..).map(|k| if k == 1 { format!("{stem}.{format}") } else { format!("{stem}-{k}.{format}") });
        names.into_iter().find(|name| taken.insert(name.to_lowercase())).unwrap_or_default()
    };
    loci.iter().map(&mut name).collect()
}

fn in_words(failure: Failure) -> String {
    match failure {
        Failure::Usage(message) | Failure::Stopped(message) => message,
        Failure::Failed(error) => format!("{error:#}"),
        Failure::Interrupted => "interrupted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_none_stands_twice() {
        let loci: Vec<NamedLocus> = ["MYC", "myc", "../../etc/x", "", "chr1:1-5", "MYC"]
            .iter()
            .map(|name| NamedLocus { locus: String::new(), name: (*name).to_owned() })
            .collect();
        let expected = ["MYC.svg", "myc-2.svg", "_.._.._etc_x.svg", "_.svg", "chr1_1-5.svg", "MYC-3.svg"];
        assert_eq!(names(&loci, "svg"), expected);
    }

    #[test]
    fn another_question_is_another_figure() {
        let figure = FigureArgs::default();
        let wider = FigureArgs { width: Some("single".to_owned()), ..FigureArgs::default() };
        assert_ne!(asked(&figure, b""), asked(&wider, b""));
        assert_ne!(asked(&figure, b""), asked(&figure, b"session"));
        assert_eq!(asked(&figure, b"s"), asked(&figure, b"s"));
    }
}
