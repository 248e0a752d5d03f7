//! `cislens check`: everything that is wrong with a session, at once.

use super::{Failure, find_session};
use crate::genome::{ChromSizes, Region};
use crate::models::{EXTERNAL, External, load_model, missing_input, read_manifest};
use crate::session::{SampleId, Session, SessionFile, read_session_file};
use crate::state::{ModelInfo, State};
use crate::theme::Theme;
use crate::tracks::{self, Track, clean_text};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bases read of each signal at the ends and in the middle of chromosomes, to see that it can be.
const TRIED: u64 = 10_000;
/// An assembly's scaffolds are thousands.
const MOST_CHROMOSOMES: usize = 30;

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Session to check; the sample data where none is given
    session: Option<PathBuf>,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let path = find_session(args.session.as_ref())?;
    let file = read_session_file(&path)?;
    let found = check(&file, path.parent().unwrap_or(Path::new(".")));
    for line in found.problems.iter().chain(&found.remarks) {
        say!("{}", clean_text(line));
    }
    let (n, tracks, samples, models) = (found.problems.len(), file.tracks.len(), file.samples.len(), file.models.len());
    if n > 0 {
        return Err(anyhow::anyhow!("{}: {n} problem{}", path.display(), if n == 1 { "" } else { "s" }).into());
    }
    say!("{}: {tracks} tracks, {samples} samples, {models} models: no problem", path.display());
    Ok(())
}

/// What is wrong, and what is only to be known.
#[derive(Default)]
struct Found {
    problems: Vec<String>,
    remarks: Vec<String>,
    /// Files that are said to be wrong already.
    said: BTreeSet<PathBuf>,
}

impl Found {
    fn say(&mut self, path: &Path, reason: &str) {
        let name = path.display().to_string();
        if self.said.insert(path.to_owned()) {
            self.problems.push(if reason.contains(&name) { reason.to_owned() } else { format!("{name}: {reason}") });
        }
    }

    /// A message about some file, unless that file has its own.
    fn hear(&mut self, message: &str) {
        let is_said = self.said.iter().any(|path| message.contains(&path.display().to_string()));
        if !is_said && !self.problems.iter().any(|p| p == message) {
            self.problems.push(message.to_owned());
        }
    }
}

fn check(file: &SessionFile, folder: &Path) -> Found {
    let mut found = Found::default();
    let expressions = file.samples.iter().filter_map(|s| s.expression.as_ref());
    let files = [&file.genome.sizes, &file.genome.aliases, &file.genome.fasta, &file.genome.genes].into_iter().flatten();
    let files = files.chain(expressions.flat_map(|e| std::iter::once(&e.file).chain(&e.transcripts)));
    let files = files.chain(file.tracks.iter().map(|t| &t.file)).chain(file.models.iter().map(|m| &m.path));
    // What is on a server is found out about when it is opened.
    for path in files.filter(|path| !tracks::is_url(path)).map(|path| folder.join(path)) {
        if let Err(error) = std::fs::metadata(&path) {
            found.say(&path, &error.to_string());
        }
    }
    // What can be opened of a session with missing files is looked at all the same.
    let session = match Session::build(file, folder) {
        Ok(session) => Some(session),
        Err(error) => {
            found.hear(&error.to_string());
            None
        }
    };
    let genome = session.as_ref().map(|s| s.genome.chroms.clone()).unwrap_or_default();
    check_tracks(file, folder, &genome, &mut found);
    if let Some(session) = &session {
        check_expression(session, &mut found);
        check_models(session, &mut found);
        check_view(session, &mut found);
    }
    found
}

/// What was saved of the view, and means nothing here.
fn check_view(session: &Session, found: &mut Found) {
    let info =
        |folder: &PathBuf| ModelInfo { folder: folder.clone(), manifest: read_manifest(folder).map_err(|e| e.to_string()) };
    let Ok(theme) = Theme::named("dark") else { return };
    let state = State::new(Arc::new(session.clone()), session.models.iter().map(info).collect(), theme);
    for message in state.messages.iter().filter(|message| !session.warnings.contains(message)) {
        found.hear(message);
    }
}

fn check_tracks(file: &SessionFile, folder: &Path, genome: &ChromSizes, found: &mut Found) {
    let files = file.tracks.iter().filter(|t| t.format.as_deref() != Some("bins") && t.marks.is_empty());
    let files = files.map(|t| (tracks::locate(folder, &t.file), t.format.as_deref()));
    let fasta = file.genome.fasta.iter().map(|path| (tracks::locate(folder, path), None));
    for (path, format) in files.chain(fasta) {
        if found.said.contains(&path) {
            continue;
        }
        let loaded = match tracks::open(&path, format, genome) {
            Ok(loaded) => loaded,
            Err(error) => {
                found.say(&path, &error.to_string());
                continue;
            }
        };
        loaded.warnings.iter().for_each(|warning| found.hear(warning));
        if let Track::Signal(mut reader) = loaded.value {
            let regions: Vec<Region> =
                reader.chroms().iter().take(MOST_CHROMOSOMES).flat_map(|(name, len)| tried(name, len)).collect();
            if let Some(error) = regions.iter().find_map(|region| reader.values(region).err()) {
                found.say(&path, &error.to_string());
            }
            reader.take_warnings().iter().for_each(|warning| found.hear(warning));
        }
    }
}

fn tried(chrom: &Arc<str>, len: u64) -> impl Iterator<Item = Region> {
    let last = len.saturating_sub(TRIED);
    let chrom = chrom.clone();
    [0, last / 2, last].into_iter().map(move |start| Region::new(chrom.clone(), start, (start + TRIED).min(len)))
}

fn check_expression(session: &Session, found: &mut Found) {
    // Rows of a table that are no gene here are no fault: a table of all genes serves a session of some.
    let tables = session.samples.iter().filter_map(|s| s.expression.as_ref());
    let remarks: BTreeSet<String> = tables
        .flat_map(|table| {
            let mut unmatched = table.unmatched(&session.genome.genes);
            unmatched.genes.clear();
            unmatched.warnings()
        })
        .collect();
    for warning in &session.warnings {
        if !remarks.contains(warning) {
            found.hear(warning);
        }
    }
    found.remarks.extend(remarks);
}

fn check_models(session: &Session, found: &mut Found) {
    for folder in &session.models {
        if found.said.contains(folder) {
            continue;
        }
        // A command is not started to be checked.
        let manifest = match read_manifest(folder) {
            Ok(manifest) if manifest.architecture == EXTERNAL => External::new(manifest.clone(), folder).map(|_| manifest),
            Ok(_) => load_model(folder, &candle_core::Device::Cpu).map(|model| model.manifest().clone()),
            Err(error) => Err(error),
        };
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => {
                found.say(folder, &error.to_string());
                continue;
            }
        };
        let reasons: Vec<Option<String>> =
            (0..session.samples.len()).map(|sample| missing_input(session, SampleId(sample), &manifest)).collect();
        if let Some(Some(reason)) = reasons.first().filter(|_| reasons.iter().all(Option::is_some)) {
            found.say(folder, &format!("no sample can feed it: {reason}"));
        }
    }
}
