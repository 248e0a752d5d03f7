//! A session made of bare files: what each is, and which mark and sample it shows, from names, content and ENCODE's metadata.

mod encode;
mod expression;
mod extent;
mod hub;
mod names;
mod rows;

use super::open::read_session_file;
use super::{ExpressionEntry, GenomeEntry, ModelEntry, Session, SessionError, SessionFile};
use crate::genome::ChromSizes;
use crate::tracks::{self, Kind, PUBLISHED_MARK_ORDERS, SignalUnit};
use encode::{Content, EncodeFile};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// What file names do not say.
#[derive(Clone, Debug, Default)]
pub struct InitOptions {
    /// Folder of the session file: paths inside it are written relative to it.
    pub folder: PathBuf,
    /// Assembly.
    pub genome: Option<String>,
    /// Sample of every file.
    pub sample: Option<String>,
    /// Marks of the count columns of bin tables, in file order.
    pub marks: Vec<String>,
    /// Bases per bin of bin tables.
    pub bin_size: Option<u64>,
    /// What the numbers of the signals are.
    pub signal: Option<SignalUnit>,
    /// Files with their mark, which may be `SAMPLE:MARK`.
    pub tracks: Vec<(String, PathBuf)>,
    /// Tables of expression.
    pub expression: Vec<PathBuf>,
    /// Folders of models.
    pub models: Vec<PathBuf>,
}

/// A session file and how it came about.
#[derive(Clone, Debug, Default)]
pub struct Initialised {
    /// The session.
    pub file: SessionFile,
    /// One line a file that is in it.
    pub understood: Vec<String>,
    /// One line a file that is not, or only in part.
    pub problems: Vec<String>,
}

impl Initialised {
    /// Opens the session. Of a genome's files that cannot be read the rest does without, and it is a problem.
    ///
    /// # Errors
    /// Where nothing is left to do with, or a bin table cannot be read.
    pub fn build(&mut self, folder: &Path) -> Result<Session, SessionError> {
        let error = match Session::build(&self.file, folder) {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        let parts: [fn(&mut GenomeEntry) -> &mut Option<PathBuf>; 3] = [|g| &mut g.genes, |g| &mut g.fasta, |g| &mut g.sizes];
        for part in parts {
            let mut file = self.file.clone();
            let Some(path) = part(&mut file.genome).take() else { continue };
            if let Ok(session) = Session::build(&file, folder) {
                let path = path.display().to_string();
                self.understood.retain(|line| !line.contains(&path));
                self.problems.push(error.to_string());
                self.file = file;
                return Ok(session);
            }
        }
        Err(error)
    }
}

/// Why no session could be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something has to be said that is not.
    #[error("{0}")]
    Usage(String),
    /// No file could be used.
    #[error("{}", if .0.is_empty() { "no files given".to_owned() } else { .0.join("\n") })]
    Nothing(Vec<String>),
    /// The files do not make a session.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Opens a session file (or a folder with one), with what else is given as rows below its own, or makes a session of bare files; what
/// could not be used of them is among its warnings.
pub fn open_paths(paths: &[PathBuf]) -> Result<Session, InitError> {
    open_paths_with(paths, &InitOptions::default())
}

/// The same, with what the names of bare files do not say.
pub fn open_paths_with(paths: &[PathBuf], options: &InitOptions) -> Result<Session, InitError> {
    if let [first, rows @ ..] = paths
        && let Some(path) = session_file(first)
    {
        return if rows.is_empty() { Ok(Session::open(&path)?) } else { open_with_rows(&path, rows, options) };
    }
    let mut made = init(paths, options)?;
    let mut session = made.build(&options.folder)?;
    session.warnings.splice(0..0, made.problems);
    Ok(session)
}

fn session_file(path: &Path) -> Option<PathBuf> {
    let inside = path.join("session.toml");
    let is_session = path.extension().is_some_and(|e| e == "toml") && path.file_name().is_some_and(|n| n != MODEL_FILE);
    if is_session { Some(path.to_owned()) } else { inside.is_file().then_some(inside) }
}

/// A session of its own: saving it asks for a name, and leaves the file that it began with as it is.
fn open_with_rows(path: &Path, rows: &[PathBuf], options: &InitOptions) -> Result<Session, InitError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let made = add_to(read_session_file(path)?, rows, &InitOptions { folder: folder.to_owned(), ..options.clone() })?;
    let mut session = Session::build(&made.file, folder)?;
    session.warnings.splice(0..0, made.problems);
    Ok(session)
}

const MODEL_FILE: &str = "model.toml";

/// Makes a session file of files. What cannot be used is said among the problems, and the rest goes on.
///
/// # Errors
/// Bin tables without `--marks`, `--marks` without bin tables, or no file that can be used.
pub fn init(files: &[PathBuf], options: &InitOptions) -> Result<Initialised, InitError> {
    add_to(SessionFile { version: 1, ..SessionFile::default() }, files, options)
}

/// Adds what files are to a session file whose relative paths start at the folder of `options`.
fn add_to(file: SessionFile, files: &[PathBuf], options: &InitOptions) -> Result<Initialised, InitError> {
    let mut draft = Draft::new(file, options);
    for (mark, path) in &options.tracks {
        let (sample, mark) = mark.split_once(':').map_or((None, mark.as_str()), |(sample, mark)| (Some(sample), mark));
        let facts = Facts { sample: sample.map(str::to_owned), mark: Some(mark.to_owned()), ..Facts::default() };
        draft.take(path, &facts);
    }
    for path in &options.expression {
        if draft.is_new(path) {
            draft.tables.push((path.clone(), Facts::default()));
        }
    }
    // What a table says of files goes before what their names say.
    let is_metadata = |path: &&PathBuf| path.file_name().is_some_and(|n| n == "metadata.tsv");
    let files: Vec<PathBuf> = files.iter().flat_map(|path| files_in(path)).collect();
    let (metadata, others): (Vec<_>, Vec<_>) = files.iter().partition(is_metadata);
    for path in metadata.into_iter().chain(others).chain(&options.models) {
        draft.take(path, &Facts::default());
    }
    draft.finish()
}

/// The files of a folder and the models in it, by name; without indexes, checksums and other sessions, which no row is made of. What
/// is no folder, or is a model, stands for itself.
fn files_in(path: &Path) -> Vec<PathBuf> {
    const PASSED_OVER: [&str; 10] = ["tbi", "csi", "fai", "gzi", "bai", "md5", "sha256", "md", "toml", "log"];
    let entries = match std::fs::read_dir(path) {
        Ok(entries) if !path.join(MODEL_FILE).is_file() => entries,
        _ => return vec![path.to_owned()],
    };
    let is_row = |path: &PathBuf| {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_file = path.is_file() && !PASSED_OVER.contains(&ending.as_str());
        !is_hidden && (is_file || path.join(MODEL_FILE).is_file())
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_row).collect();
    files.sort();
    if files.is_empty() { vec![path.to_owned()] } else { files }
}

/// What is known of a file besides its name.
#[derive(Clone, Debug, Default)]
struct Facts {
    sample: Option<String>,
    mark: Option<String>,
    label: Option<String>,
    signal: Option<SignalUnit>,
    format: Option<&'static str>,
}

/// A row of the session to be.
struct Row {
    path: PathBuf,
    kind: Kind,
    format: &'static str,
    facts: Facts,
}

struct Draft<'a> {
    options: &'a InitOptions,
    seen: BTreeSet<PathBuf>,
    rows: Vec<Row>,
    bins: Vec<PathBuf>,
    /// Sample and file of bin tables that hold TPM too.
    with_expression: Vec<(String, PathBuf)>,
    /// Tables of expression.
    tables: Vec<(PathBuf, Facts)>,
    made: Initialised,
}

impl<'a> Draft<'a> {
    fn new(file: SessionFile, options: &'a InitOptions) -> Self {
        let made = Initialised { file, ..Initialised::default() };
        Self {
            options,
            seen: BTreeSet::new(),
            rows: Vec::new(),
            bins: Vec::new(),
            with_expression: Vec::new(),
            tables: Vec::new(),
            made,
        }
    }

    /// Finds out what a path is.
    fn take(&mut self, path: &Path, facts: &Facts) {
        if !self.is_new(path) {
            return;
        }
        if let Err(reason) = self.classify(path, facts) {
            self.problem(path, &reason);
        }
    }

    /// Whether a file was not taken before, by whatever path.
    fn is_new(&mut self, path: &Path) -> bool {
        let is_url = tracks::is_url(path);
        self.seen.insert(if is_url { path.to_owned() } else { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) })
    }

    fn problem(&mut self, path: &Path, reason: &str) {
        let name = path.display().to_string();
        self.made.problems.push(if reason.starts_with(&name) { reason.to_owned() } else { format!("{name}: {reason}") });
    }

    fn understand(&mut self, path: &Path, what: &str) {
        self.made.understood.push(format!("{}: {what}", path.display()));
    }

    fn classify(&mut self, path: &Path, facts: &Facts) -> Result<(), String> {
        if path.to_str().is_none() {
            return Err("its name is not UTF-8, which a session file is".to_owned());
        }
        let folder =
            if path.file_name().is_some_and(|n| n == MODEL_FILE) { path.parent().unwrap_or(Path::new(".")) } else { path };
        if folder.join(MODEL_FILE).is_file() {
            let path = self.place(folder);
            self.made.file.models.push(ModelEntry { path });
            self.understand(folder, "model");
            return Ok(());
        }
        if is_hub(path) {
            return self.take_hub(path);
        }
        if !tracks::is_url(path) && std::fs::metadata(path).map_err(|e| e.to_string())?.is_dir() {
            return Err(format!("a folder without {MODEL_FILE} or any file to show"));
        }
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        if name.ends_with(".sizes") {
            return self.take_sizes(path);
        }
        if name.contains("chromalias") && name.ends_with(".txt") && self.made.file.genome.aliases.is_none() {
            self.made.file.genome.aliases = Some(self.place(path));
            self.understand(path, "other names of chromosomes");
            return Ok(());
        }
        let bare = name.strip_suffix(".gz").unwrap_or(&name);
        let is_table = [".csv", ".tsv", ".txt", ".tab", ".sf"].iter().any(|ending| bare.ends_with(ending));
        if is_table && facts.format.is_none() && facts.mark.is_none() {
            let first = first_line(path)?;
            if encode::is_metadata(&first) {
                return self.take_metadata(path);
            }
            if tracks::is_bin_table(path).map_err(|e| e.to_string())? {
                self.bins.push(path.to_owned());
                return Ok(());
            }
            if !first.starts_with("chr") {
                self.tables.push((path.to_owned(), facts.clone()));
                return Ok(());
            }
        }
        let format = tracks::format_of(path, facts.format).map_err(|e| e.to_string())?;
        match format.kind {
            Kind::Sequence if self.made.file.genome.fasta.is_some() => {
                return Err("the session has a reference already".to_owned());
            }
            Kind::Sequence => {
                self.made.file.genome.fasta = Some(self.place(path));
                self.understand(path, "reference sequence");
                self.note_assembly(path);
            }
            Kind::Genes if self.made.file.genome.genes.is_none() => {
                self.made.file.genome.genes = Some(self.place(path));
                self.understand(path, &format!("genes, {}", format.name));
                self.note_assembly(path);
            }
            // A second annotation is a row of its own.
            Kind::Signal | Kind::Features | Kind::Genes => {
                self.rows.push(Row { path: path.to_owned(), kind: format.kind, format: format.name, facts: facts.clone() });
            }
        }
        Ok(())
    }

    /// The tracks of a hub, for the assembly asked for or its first.
    fn take_hub(&mut self, path: &Path) -> Result<(), String> {
        let hub = hub::read(path, self.options.genome.as_deref())?;
        self.understand(path, &format!("hub \"{}\", {} tracks of {}", hub.name, hub.tracks.len(), hub.assembly));
        if self.made.file.genome.name.is_empty() {
            self.made.file.genome.name.clone_from(&hub.assembly);
        }
        if let (Some(sequence), None) = (&hub.sequence, &self.made.file.genome.fasta) {
            self.made.file.genome.fasta = Some(self.place(sequence));
        }
        for remark in &hub.remarks {
            self.problem(path, remark);
        }
        for track in &hub.tracks {
            self.take(&track.path, &Facts { label: Some(track.label.clone()), format: track.format, ..Facts::default() });
        }
        Ok(())
    }

    fn take_sizes(&mut self, path: &Path) -> Result<(), String> {
        if self.made.file.genome.sizes.is_some() {
            return Err("the session has chromosome sizes already".to_owned());
        }
        let text = tracks::read_text(path).map_err(|e| e.to_string())?;
        let sizes = ChromSizes::parse(&text).map_err(|e| e.to_string())?;
        self.made.file.genome.sizes = Some(self.place(path));
        self.understand(path, &format!("sizes of {} chromosomes", sizes.len()));
        self.note_assembly(path);
        Ok(())
    }

    /// The files of a batch download, with what the table says of them.
    fn take_metadata(&mut self, table: &Path) -> Result<(), String> {
        let (mut files, remarks) = encode::read(table)?;
        self.made.problems.extend(remarks);
        let wanted = self.options.genome.clone().or_else(|| files.first().map(|f| f.assembly.clone()));
        let (kept, others): (Vec<_>, Vec<_>) =
            files.drain(..).partition(|f| f.assembly.is_empty() || wanted.as_ref().is_none_or(|w| *w == f.assembly));
        for file in others {
            self.is_new(&file.path);
            let wanted = wanted.clone().unwrap_or_default();
            self.problem(&file.path, &format!("{}, where the session is {wanted} (--genome says which)", file.assembly));
        }
        if let Some(assembly) = wanted.filter(|name| !name.is_empty()) {
            self.made.file.genome.name = assembly;
        }
        let is_best = |file: &EncodeFile| {
            let rivals = kept
                .iter()
                .filter(|f| matches!(f.content, Content::Signal(_)) && (&f.sample, &f.mark) == (&file.sample, &file.mark));
            rivals.map(|f| &f.rank).min() == Some(&file.rank)
        };
        for file in &kept {
            if !self.is_new(&file.path) {
                continue;
            }
            let mut facts = Facts { sample: Some(file.sample.clone()), ..Facts::default() };
            let taken = match file.content {
                Content::Signal(signal) => {
                    // Of several the others are drawn, and no model reads them.
                    let mark = if is_best(file) { file.mark.clone() } else { format!("{} {}", file.mark, file.accession) };
                    (facts.signal, facts.mark) = (signal, Some(mark));
                    self.classify(&file.path, &facts)
                }
                Content::Features(format) => {
                    let label = format!("{} peaks", file.mark);
                    (facts.format, facts.label) = (Some(format), Some(label));
                    self.classify(&file.path, &facts)
                }
                Content::Expression => {
                    self.tables.push((file.path.clone(), facts));
                    Ok(())
                }
            };
            if let Err(reason) = taken {
                self.problem(&file.path, &reason);
            }
        }
        Ok(())
    }

    /// An assembly in the name of a file that belongs to one.
    fn note_assembly(&mut self, path: &Path) {
        let stem = names::long_stem(path);
        let named = names::words(&stem).into_iter().find_map(|(_, word)| names::assembly(word));
        if let (Some(name), true) = (named, self.made.file.genome.name.is_empty()) {
            self.made.file.genome.name = name.to_owned();
        }
    }

    /// A path as the session file writes it.
    fn place(&self, path: &Path) -> PathBuf {
        if tracks::is_url(path) {
            return path.to_owned();
        }
        relative(path, &self.options.folder)
    }

    fn finish(mut self) -> Result<Initialised, InitError> {
        if !self.bins.is_empty() && self.options.marks.is_empty() {
            let path = self.bins[0].display();
            return Err(InitError::Usage(format!(
                "{path}: a bin table has no header: say the mark of each count column, in file order, with --marks A,B,... ({PUBLISHED_MARK_ORDERS})"
            )));
        }
        if self.bins.is_empty() && !self.options.marks.is_empty() {
            return Err(InitError::Usage("--marks names the columns of bin tables, and none of the files is one".to_owned()));
        }
        if let Some(name) = &self.options.genome {
            self.made.file.genome.name.clone_from(name);
        }
        self.guess_samples();
        self.part_rivals();
        self.add_bins();
        self.add_rows();
        for (name, file) in std::mem::take(&mut self.with_expression) {
            let (column, id_column, unit) = (Some("TPM".to_owned()), Some("gene_id".to_owned()), "TPM".to_owned());
            if let Some(sample) = self.made.file.samples.iter_mut().find(|s| s.name == name) {
                sample.expression.get_or_insert(ExpressionEntry { file, column, id_column, transcripts: None, unit });
            }
        }
        for (path, facts) in std::mem::take(&mut self.tables) {
            if let Err(reason) = self.add_expression(&path, &facts) {
                self.problem(&path, &reason);
            }
        }
        let GenomeEntry { sizes, fasta, genes, .. } = &self.made.file.genome;
        let is_empty = self.made.file.tracks.is_empty() && sizes.is_none() && fasta.is_none() && genes.is_none();
        if is_empty {
            return Err(InitError::Nothing(std::mem::take(&mut self.made.problems)));
        }
        Ok(self.made)
    }
}

/// The first line of a text file, for a look at its header.
/// Whether a path is a track hub: by its name on a server, by its first line here.
fn is_hub(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = name.split(['?', '#']).next().unwrap_or_default();
    match tracks::is_url(path) {
        true => name == "hub.txt" || name.ends_with(".hub.txt"),
        false => name.ends_with(".txt") && first_line(path).is_ok_and(|line| hub::is_hub(&line)),
    }
}

fn first_line(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut line = Vec::new();
    BufReader::new(file).take(1 << 16).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// `path` relative to `folder` where it lies inside, else absolute.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let has_parent = |p: &Path| p.components().any(|c| c == std::path::Component::ParentDir);
    let (Ok(whole), Ok(base)) = (std::path::absolute(path), std::path::absolute(folder)) else { return path.to_owned() };
    if !has_parent(&whole) && !has_parent(&base) {
        return whole.strip_prefix(&base).map(Path::to_owned).unwrap_or(whole);
    }
    // Only the file system knows where `..` leads.
    match (whole.canonicalize(), base.canonicalize()) {
        (Ok(whole), Ok(base)) => whole.strip_prefix(&base).map(Path::to_owned).unwrap_or(whole),
        _ => whole,
    }
}

#[cfg(test)]
mod tests;
