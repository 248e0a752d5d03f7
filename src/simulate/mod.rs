//! The sample genome: small, made from a seed, with the truth written beside it.
//!
//! `build` decides everything but noise, `rule` turns elements into expression, `chromatin` and `signals` into marks; the
//! files are written through the writers in `tracks`. Each part draws from its own stream of random numbers, so that the
//! same seed gives the same bytes whatever the number of threads.

mod annotation;
mod build;
mod chromatin;
mod elements;
mod layout;
mod motif_table;
mod random;
mod readme;
mod rule;
mod samples;
mod sequence;
mod session;
mod signals;
mod tables;
mod world;

#[cfg(test)]
mod tests;

pub use world::Scale;

use crate::genome::ChromSizes;
use crate::tracks::{TrackError, write_bgzip, write_bgzip_fasta, write_bigwig, write_whole};
use chromatin::Assay;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use world::World;

/// What to simulate, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Folder; made where absent, files of the same names replaced.
    pub out: PathBuf,
    /// How much.
    pub scale: Scale,
    /// Threads; 0 for as many as the machine has. The bytes do not depend on it.
    pub threads: usize,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bases.
    pub bases: u64,
    /// Genes.
    pub genes: usize,
    /// Regulatory elements, decoys among them.
    pub elements: usize,
    /// Planted motif instances.
    pub instances: usize,
    /// Full and panel samples.
    pub samples: usize,
    /// Files by name relative to the folder, with their sizes, in order of name.
    pub files: Vec<(PathBuf, u64)>,
}

/// How far the work is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files written.
    pub done: usize,
    /// Files to write.
    pub total: usize,
    /// The file written last.
    pub label: String,
}

/// Why no sample was written.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] TrackError),
    /// The folder could not be made.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The motif table or the scale cannot be followed; a defect of the program, not of the input.
    #[error("cannot simulate: {0}")]
    World(String),
}

/// Simulates the sample of a seed into a folder, reporting each file. Takes the time of about one core-minute at full scale.
pub fn simulate(options: &Options, progress: &mut dyn FnMut(&Progress)) -> Result<Summary, SimulateError> {
    let make_folder =
        |path: PathBuf| std::fs::create_dir_all(&path).map_err(|reason| SimulateError::Folder { path: path.clone(), reason });
    make_folder(options.out.join("signals"))?;
    let world = build::build(options.seed, options.scale).map_err(SimulateError::World)?;
    let jobs = jobs(&world);
    let total: usize = jobs.iter().map(|job| job.files(&world).len()).sum();
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    let threads = match options.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let mut failure: Option<(usize, TrackError)> = None;
    thread::scope(|scope| {
        let (report, reports) = mpsc::channel();
        for _ in 0..threads.min(jobs.len()) {
            let (report, world, jobs, next, failed) = (report.clone(), &world, &jobs, &next, &failed);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index).filter(|_| failed.load(Ordering::Relaxed) == usize::MAX) else { return };
                    let result = job.write(world, &options.out);
                    if result.is_err() {
                        failed.fetch_min(index, Ordering::Relaxed);
                    }
                    if report.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(report);
        let mut done = 0;
        for (index, result) in reports {
            match result {
                Ok(()) => {
                    for file in jobs[index].files(&world) {
                        done += 1;
                        progress(&Progress { done, total, label: file });
                    }
                }
                Err(error) if failure.as_ref().is_none_or(|(first, _)| index < *first) => failure = Some((index, error)),
                Err(_) => {}
            }
        }
    });
    if let Some((_, error)) = failure {
        return Err(error.into());
    }
    let mut files: Vec<(PathBuf, u64)> = Vec::new();
    for name in jobs.iter().flat_map(|job| job.files(&world)) {
        let path = options.out.join(&name);
        let size = std::fs::metadata(&path).map_err(|e| TrackError::io(&path, e))?.len();
        files.push((name.into(), size));
    }
    files.sort();
    Ok(Summary {
        bases: world.chroms.iter().map(|c| c.bases.len() as u64).sum(),
        genes: world.genes.len(),
        elements: world.elements.len(),
        instances: world.elements.iter().map(|e| e.instances.len()).sum(),
        samples: world.samples.len(),
        files,
    })
}

/// One piece of work: a file, or a few that are made together.
enum Job {
    Fasta,
    Text(&'static str, fn(&World) -> String),
    Bgzip(&'static str, fn(&World) -> String),
    Signal { sample: usize, assay: Assay },
}

/// The longest first.
fn jobs(world: &World) -> Vec<Job> {
    let mut jobs = vec![Job::Fasta, Job::Text("truth.tsv", tables::truth)];
    for (sample, spec) in world.samples.iter().enumerate() {
        let assays = if spec.is_full { &Assay::ALL[..] } else { &Assay::PANEL[..] };
        jobs.extend(assays.iter().map(|&assay| Job::Signal { sample, assay }));
    }
    jobs.push(Job::Bgzip("genes.gtf.gz", annotation::gtf));
    for (name, text) in [
        ("sim1.chrom.sizes", annotation::chrom_sizes as fn(&World) -> String),
        ("promoters.epd", annotation::promoters),
        ("enhancers.gff", annotation::enhancers),
        ("tpm.tsv", tables::tpm),
        ("tf_expression.tsv", tables::tf_expression),
        ("session.toml", session::session),
        ("README.md", readme::readme),
    ] {
        jobs.push(Job::Text(name, text));
    }
    jobs
}

impl Job {
    /// Names of the files it makes.
    fn files(&self, world: &World) -> Vec<String> {
        match *self {
            Self::Fasta => ["sim1.fa.gz", "sim1.fa.gz.fai", "sim1.fa.gz.gzi"].map(str::to_owned).to_vec(),
            Self::Text(name, _) | Self::Bgzip(name, _) => vec![name.to_owned()],
            Self::Signal { sample, assay } => {
                let sample = &world.samples[sample];
                let mut files = vec![session::signal_file(&sample.name, assay.name())];
                if assay == Assay::Dnase {
                    files.push(session::peak_file(&sample.name));
                }
                files
            }
        }
    }

    fn write(&self, world: &World, out: &Path) -> Result<(), TrackError> {
        let paths: Vec<PathBuf> = self.files(world).iter().map(|name| out.join(name)).collect();
        match *self {
            Self::Fasta => {
                let sequences: Vec<(&str, &[u8])> = world.chroms.iter().map(|c| (&*c.name, &c.bases[..])).collect();
                write_bgzip_fasta(&paths[0], &sequences)
            }
            Self::Text(_, text) => write_text(&paths[0], &text(world)),
            Self::Bgzip(_, text) => write_bgzip(&paths[0], text(world).as_bytes()).map(drop),
            Self::Signal { sample, assay } => {
                let mut sizes = ChromSizes::default();
                for chrom in &world.chroms {
                    sizes.push(&chrom.name, chrom.bases.len() as u64);
                }
                let signal = signals::measure(world, sample, assay);
                // Chromosomes are short enough to be read whole: no zoom levels.
                write_bigwig(&paths[0], &sizes, &signal, &[])?;
                match paths.get(1) {
                    Some(path) => write_text(path, &annotation::peaks(&signals::call_peaks(&signal))),
                    None => Ok(()),
                }
            }
        }
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), TrackError> {
    write_whole(path, |out| out.write_all(text.as_bytes()).map_err(|e| TrackError::io(path, e)))
}
