//! A session made ready: the genome and genes read, every track known by kind, nothing else opened yet.

use super::expression::ExpressionTable;
use super::{GenomeEntry, SESSION_VERSION, SessionFile, TrackEntry};
use crate::genome::{ChromSizes, Gene, Genes, TssChoice};
use crate::tracks::{self, BinTable, Expression, Kind, PUBLISHED_BIN_SIZE, SignalUnit, Track, TrackError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a session could not be opened at all. What is wrong with single tracks is a warning or a row that says so.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file could not be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The session file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file is not a session.
    #[error("{}: {reason}", path.display())]
    Parse {
        /// The session file.
        path: PathBuf,
        /// Line, column and reason.
        reason: String,
    },
    /// A file the genome rests on.
    #[error(transparent)]
    Genome(#[from] TrackError),
    /// Nothing says how long the chromosomes are.
    #[error("no chromosome sizes: name a sizes file, a FASTA, a bigWig or a bin table")]
    NoGenome,
}

/// What every version of a session file says first.
#[derive(serde::Deserialize)]
struct Layout {
    version: u32,
}

/// Which track of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackId(pub usize);

/// Which sample of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleId(pub usize);

/// What a track's row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Values along the genome.
    Signal,
    /// Intervals.
    Features,
}

/// A track as the session knows it; opened by whoever reads it.
#[derive(Clone, Debug)]
pub struct TrackInfo {
    /// Name of its row.
    pub label: String,
    /// What models know it by.
    pub mark: Option<String>,
    /// The sample it belongs to; `None` is shown with every sample.
    pub sample: Option<SampleId>,
    /// What its numbers are.
    pub unit: Option<SignalUnit>,
    /// What its row shows.
    pub kind: TrackKind,
    /// The file.
    pub path: PathBuf,
    /// Name of its format.
    pub format: String,
    /// Least reads of a methylated site, where the session says so.
    pub min_coverage: Option<u32>,
    /// The bin table the values of the mark stand in, if they do.
    pub table: Option<Arc<BinTable>>,
}

/// The reference genome.
#[derive(Clone, Debug, Default)]
pub struct Genome {
    /// Assembly, empty where nobody said.
    pub name: String,
    /// Chromosomes.
    pub chroms: ChromSizes,
    /// Genes in walking order.
    pub genes: Arc<Genes>,
    /// Which transcript's start is the TSS.
    pub tss: TssChoice,
    /// Whether models read its DNA although they were trained on another assembly.
    pub is_assembly_assumed: bool,
    /// Reference sequence.
    pub fasta: Option<PathBuf>,
    /// Motifs that seqlets are compared with; the bundled ones where absent.
    pub motifs: Option<PathBuf>,
    /// Whether each "chromosome" is one gene of a bin table, with the TSS in its middle.
    pub is_gene_relative: bool,
}

/// A cell type or tissue.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name.
    pub name: String,
    /// Measured expression, if any.
    pub expression: Option<Arc<Expression>>,
    /// Expression of transcription factors by their symbols, if there is a table of them.
    pub tf_expression: Option<Arc<Expression>>,
    /// Unit of the expression (`TPM`, `count`).
    pub unit: String,
}

/// A project, opened.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// What is shown beside everything: simulated data says so here.
    pub note: String,
    /// Where to open.
    pub locus: Option<String>,
    /// The reference.
    pub genome: Genome,
    /// Samples; at least one, possibly nameless.
    pub samples: Vec<Sample>,
    /// Tracks in the order of their rows.
    pub tracks: Vec<TrackInfo>,
    /// Folders of models.
    pub models: Vec<PathBuf>,
    /// What readers had to say.
    pub warnings: Vec<String>,
    /// The session file it was opened from, if it was.
    pub path: Option<PathBuf>,
    /// What it was made of.
    pub source: Arc<SessionFile>,
    /// Where relative paths of the source start.
    pub folder: PathBuf,
}

/// Parses a session file.
///
/// # Errors
/// Where it cannot be read, is no session, or of a later version.
pub fn read_session_file(path: &Path) -> Result<SessionFile, SessionError> {
    let text = tracks::read_text_or_pipe(path).map_err(|reason| SessionError::Read { path: path.to_owned(), reason })?;
    let parsed = toml::from_str::<SessionFile>(&text);
    // A later version may say what this one does not know.
    let version = match &parsed {
        Ok(file) => Some(file.version),
        Err(_) => toml::from_str::<Layout>(&text).ok().map(|layout| layout.version),
    };
    if let Some(version) = version.filter(|&version| version > SESSION_VERSION) {
        let reason = format!("it is of version {version}, made by a later cislens; this one reads up to {SESSION_VERSION}");
        return Err(SessionError::Parse { path: path.to_owned(), reason });
    }
    parsed.map_err(|e| SessionError::Parse { path: path.to_owned(), reason: e.to_string() })
}

impl Session {
    /// Reads a session file and everything the screen needs at once (genome, genes, expression, bin tables).
    pub fn open(path: &Path) -> Result<Self, SessionError> {
        let file = read_session_file(path)?;
        let mut session = Self::build(&file, path.parent().unwrap_or(Path::new(".")))?;
        session.path = Some(path.to_owned());
        Ok(session)
    }

    /// Makes a session of a parsed file; relative paths start at `folder`.
    pub fn build(file: &SessionFile, folder: &Path) -> Result<Self, SessionError> {
        let mut session = Self {
            note: file.note.clone(),
            locus: file.locus.clone(),
            models: file.models.iter().map(|m| folder.join(&m.path)).collect(),
            source: Arc::new(file.clone()),
            folder: folder.to_owned(),
            ..Self::default()
        };
        for sample in &file.samples {
            let n_before = session.samples.len();
            session.sample_named(&sample.name);
            if session.samples.len() == n_before {
                session.warnings.push(format!("sample {} stands in the session twice", sample.name));
            }
        }
        let tables = read_tables(file, folder)?;
        // Genes and expression are the two long texts of a session, and do not need each other to be read.
        let read = std::thread::scope(|scope| {
            let tables_of = |of_tfs| scope.spawn(move || ExpressionTable::read_all(file, folder, of_tfs));
            let expression = [tables_of(false), tables_of(true)];
            session.genome = session.read_genome(&file.genome, folder, file, &tables)?;
            let read = expression.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            Ok::<_, SessionError>(read)
        })?;
        for entry in file.tracks.iter().filter(|e| !is_table(e)) {
            session.add_track(entry, folder);
        }
        for table in tables {
            session.add_table(table);
        }
        for (of_tfs, read) in [false, true].into_iter().zip(read) {
            session.add_expression(file, read, of_tfs);
        }
        if session.samples.is_empty() {
            session.samples.push(Sample { name: String::new(), expression: None, tf_expression: None, unit: String::new() });
        }
        Ok(session)
    }

    /// Tracks shown with a sample, in row order.
    pub fn tracks_of(&self, sample: SampleId) -> impl Iterator<Item = (TrackId, &TrackInfo)> {
        let shown = move |t: &TrackInfo| t.sample.is_none_or(|s| s == sample);
        self.tracks.iter().enumerate().filter(move |(_, t)| shown(t)).map(|(i, t)| (TrackId(i), t))
    }

    /// The signal a sample has for a mark; its own track before one that every sample shares.
    pub fn signal_for(&self, sample: SampleId, mark: &str) -> Option<TrackId> {
        let is_it = |t: &TrackInfo| t.kind == TrackKind::Signal && t.mark.as_deref() == Some(mark);
        let own = |t: &TrackInfo| t.sample == Some(sample);
        let mut candidates: Vec<_> = self.tracks_of(sample).filter(|(_, t)| is_it(t)).collect();
        candidates.sort_by_key(|(_, t)| !own(t));
        candidates.first().map(|(id, _)| *id)
    }

    /// Measured expression of a gene in a sample.
    pub fn expression(&self, sample: SampleId, gene: &Gene) -> Option<f64> {
        self.samples.get(sample.0)?.expression.as_ref()?.value(gene)
    }

    /// Expression of a transcription factor in a sample, by its symbol.
    pub fn tf_expression(&self, sample: SampleId, symbol: &str) -> Option<f64> {
        let sample_of = self.samples.get(sample.0)?;
        match &sample_of.tf_expression {
            Some(table) => table.value_of(symbol),
            None => self.expression(sample, self.genome.genes.get(self.genome.genes.find(symbol)?)),
        }
    }

    fn sample_named(&mut self, name: &str) -> SampleId {
        if let Some(i) = self.samples.iter().position(|s| s.name == name) {
            return SampleId(i);
        }
        self.samples.push(Sample { name: name.to_owned(), expression: None, tf_expression: None, unit: String::new() });
        SampleId(self.samples.len() - 1)
    }

    fn read_genome(
        &mut self,
        entry: &GenomeEntry,
        folder: &Path,
        file: &SessionFile,
        tables: &[SampleTable],
    ) -> Result<Genome, SessionError> {
        let fasta = entry.fasta.as_ref().map(|p| tracks::locate(folder, p));
        let motifs = entry.motifs.as_ref().map(|p| tracks::locate(folder, p));
        let (name, is_assembly_assumed) = (entry.name.clone(), entry.assume_assembly);
        let mut genome = Genome { name, tss: entry.tss, is_assembly_assumed, fasta, motifs, ..Genome::default() };
        if let Some(sizes) = &entry.sizes {
            let path = tracks::locate(folder, sizes);
            let text = read_text(&path)?;
            genome.chroms = ChromSizes::parse(&text).map_err(|e| TrackError::malformed(&path, "sizes", e.to_string()))?;
        } else if let Some(path) = &genome.fasta {
            if let Track::Sequence(reader) = self.heed(tracks::open(path, None, &ChromSizes::default())?) {
                genome.chroms = reader.chroms().clone();
            }
        } else if !tables.is_empty() {
            let (chroms, genes) = tracks::genome_of_bin_tables(tables.iter().map(|t| &t.table))?;
            (genome.chroms, genome.genes) = (chroms, Arc::new(genes));
            genome.is_gene_relative = true;
            // DeepCORE's table brings its bases along.
            genome.fasta = tables.iter().find(|t| t.table.sequence(0).is_some()).map(|t| t.path.clone());
            return Ok(genome);
        } else {
            genome.chroms = self.sizes_of_signals(file, folder);
            if genome.chroms.is_empty() {
                genome.chroms = ends_of_annotation(entry, file, folder)?;
            }
        }
        if genome.chroms.is_empty() {
            return Err(SessionError::NoGenome);
        }
        if let Some(aliases) = &entry.aliases {
            let path = tracks::locate(folder, aliases);
            let n = read_text(&path).map(|text| genome.chroms.add_aliases(&text));
            if let Ok(0) | Err(_) = n {
                let reason =
                    n.err().map_or(format!("{}: no line names a chromosome of the genome", path.display()), |e| e.to_string());
                self.warnings.push(reason);
            }
        }
        if let Some(genes) = &entry.genes
            && let Track::Genes(genes) = self.heed(tracks::open(&tracks::locate(folder, genes), None, &genome.chroms)?)
        {
            genome.genes = genes;
        }
        Ok(genome)
    }

    /// Chromosome sizes from the headers of signals and indexed intervals where nothing else gives them. One file on a server is
    /// asked, not all of them.
    fn sizes_of_signals(&mut self, file: &SessionFile, folder: &Path) -> ChromSizes {
        let mut sizes = ChromSizes::default();
        for entry in &file.tracks {
            let path = tracks::locate(folder, &entry.file);
            if tracks::is_url(&path) && !sizes.is_empty() {
                continue;
            }
            let Ok(loaded) = tracks::open(&path, entry.format.as_deref(), &ChromSizes::default()) else { continue };
            let chroms = match &loaded.value {
                Track::Signal(reader) => reader.chroms(),
                Track::Indexed(reader) => reader.chroms(),
                _ => continue,
            };
            for (chrom, len) in chroms.iter() {
                sizes.push(chrom, len);
            }
        }
        sizes
    }

    fn heed<T>(&mut self, loaded: tracks::Loaded<T>) -> T {
        self.warnings.extend(loaded.warnings);
        loaded.value
    }

    fn add_table(&mut self, of_sample: SampleTable) {
        let sample = of_sample.sample.map(|name| self.sample_named(&name));
        let table = Arc::new(of_sample.table);
        self.tracks.extend(table.marks().iter().map(|mark| TrackInfo {
            label: mark.clone(),
            mark: Some(mark.clone()),
            sample,
            unit: Some(of_sample.unit),
            kind: TrackKind::Signal,
            path: of_sample.path.clone(),
            format: "bins".to_owned(),
            min_coverage: None,
            table: Some(table.clone()),
        }));
    }

    fn add_track(&mut self, entry: &TrackEntry, folder: &Path) {
        let path = tracks::locate(folder, &entry.file);
        let stem = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = stem.split('.').next().unwrap_or_default().to_owned();
        let mut label = entry.label.clone().or_else(|| entry.mark.clone()).unwrap_or(stem);
        let format = match tracks::format_of(&path, entry.format.as_deref()) {
            Ok(format) => format,
            Err(error) => return self.warnings.push(error.to_string()),
        };
        let kind = match format.kind {
            Kind::Signal => TrackKind::Signal,
            Kind::Features => TrackKind::Features,
            Kind::Genes if self.genome.genes.is_empty() => return self.add_genes(&path),
            // A second annotation is a row of its own, beside the one that is called that.
            Kind::Genes => {
                if label == "genes" {
                    label.push_str(" 2");
                }
                TrackKind::Features
            }
            Kind::Sequence => return self.genome.fasta = Some(path),
        };
        let sample = entry.sample.as_deref().map(|name| self.sample_named(name));
        let has_coverage = format.name == "bedmethyl";
        if entry.min_coverage.is_some() && !has_coverage {
            self.warnings.push(format!("{}: min_coverage is of bedMethyl, and this is {}", path.display(), format.name));
        }
        self.tracks.push(TrackInfo {
            mark: (kind == TrackKind::Signal).then(|| entry.mark.clone().unwrap_or_else(|| label.clone())),
            label,
            sample,
            unit: entry.signal,
            kind,
            path,
            format: format.name.to_owned(),
            min_coverage: entry.min_coverage.filter(|_| has_coverage),
            table: None,
        });
    }

    fn add_genes(&mut self, path: &Path) {
        match tracks::open(path, None, &self.genome.chroms) {
            Ok(loaded) => {
                if let Track::Genes(genes) = self.heed(loaded) {
                    self.genome.genes = genes;
                }
            }
            Err(error) => self.warnings.push(error.to_string()),
        }
    }

    /// Takes in tables of genes, or (`of_tfs`) of transcription factors.
    fn add_expression(&mut self, file: &SessionFile, tables: Vec<ExpressionTable<'_>>, of_tfs: bool) {
        for entry in file.samples.iter().filter(|entry| ExpressionTable::entry(entry, of_tfs).is_some()) {
            self.sample_named(&entry.name); // in the order of the file
        }
        for ExpressionTable { entries, read } in tables {
            let (read, warnings) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.warnings.push(error.to_string());
                    continue;
                }
            };
            self.warnings.extend(warnings);
            // A table of factors goes by symbols, and need not join the annotation.
            if let Some(first) = read.iter().flatten().next().filter(|_| !of_tfs) {
                // The ids are the same for every sample of a table.
                let mut unmatched = first.unmatched(&self.genome.genes);
                if self.genome.is_gene_relative {
                    unmatched.rows.clear(); // a bin table holds some genes, an expression file all
                }
                self.warnings.extend(unmatched.warnings());
            }
            for ((name, entry), table) in entries.into_iter().zip(read) {
                let id = self.sample_named(name);
                let table = table.map_err(|error| self.warnings.push(error.to_string())).ok();
                let sample = &mut self.samples[id.0];
                if of_tfs {
                    sample.tf_expression = table.map(Arc::new);
                } else {
                    sample.expression = table.map(Arc::new);
                    sample.unit.clone_from(&entry.unit);
                }
            }
        }
    }
}

/// A short text, on disk or on a server.
fn read_text(path: &Path) -> Result<String, TrackError> {
    match tracks::is_url(path) {
        true => tracks::fetch_text(path),
        false => tracks::read_text(path).map_err(|e| TrackError::io(path, e)),
    }
}

/// Chromosomes as far as genes and intervals reach, where no file knows their length: enough to look at them.
fn ends_of_annotation(entry: &GenomeEntry, file: &SessionFile, folder: &Path) -> Result<ChromSizes, TrackError> {
    let mut ends: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    let mut reach = |chrom: &Arc<str>, end: u64| {
        let last = ends.entry(chrom.clone()).or_default();
        *last = end.max(*last);
    };
    let mut reach_all = |track: Track| match track {
        Track::Features(features) => features.ends().for_each(|(chrom, end)| reach(chrom, end)),
        Track::Genes(genes) => genes.iter().for_each(|(_, gene)| reach(&gene.region.chrom, gene.region.end)),
        Track::Indexed(reader) => reader.chroms().iter().for_each(|(chrom, len)| reach(chrom, len)),
        Track::Signal(_) | Track::Sequence(_) => {}
    };
    if let Some(path) = &entry.genes {
        reach_all(tracks::open(&tracks::locate(folder, path), None, &ChromSizes::default())?.value);
    }
    for track in file.tracks.iter().filter(|t| !is_table(t)) {
        // One that cannot be opened says so on its row.
        if let Ok(opened) = tracks::open(&tracks::locate(folder, &track.file), track.format.as_deref(), &ChromSizes::default()) {
            reach_all(opened.value);
        }
    }
    let mut sizes = ChromSizes::default();
    ends.iter().for_each(|(chrom, &end)| {
        sizes.push(chrom, end);
    });
    Ok(sizes)
}

/// The bin tables of one sample, joined.
struct SampleTable {
    sample: Option<String>,
    path: PathBuf,
    unit: SignalUnit,
    table: BinTable,
}

fn is_table(entry: &TrackEntry) -> bool {
    entry.format.as_deref() == Some("bins") || !entry.marks.is_empty()
}

/// Reads bin tables. Files of one sample with the same marks are parts of one table.
fn read_tables(file: &SessionFile, folder: &Path) -> Result<Vec<SampleTable>, TrackError> {
    let mut tables: Vec<SampleTable> = Vec::new();
    for entry in file.tracks.iter().filter(|e| is_table(e)) {
        let path = folder.join(&entry.file);
        let table = BinTable::read(&path, &entry.marks, entry.bin_size.unwrap_or(PUBLISHED_BIN_SIZE))?;
        match tables.iter_mut().find(|t| t.sample == entry.sample && t.table.marks() == table.marks()) {
            Some(first) => first.table.merge(table)?,
            None => {
                let (sample, unit) = (entry.sample.clone(), entry.signal.unwrap_or(SignalUnit::Count));
                tables.push(SampleTable { sample, path, unit, table });
            }
        }
    }
    Ok(tables)
}
