//! One project: its genome, samples, tracks and models, as `session.toml` says.

mod file;
mod formula;
mod init;
mod open;
mod readers;

pub use file::{ExpressionEntry, GenomeEntry, ModelEntry, SampleEntry, SessionFile, TrackEntry};
pub use formula::{Formula, FormulaError};
pub use init::{InitError, InitOptions, Initialised, init, open_paths, open_paths_with};
pub use open::{Genome, Sample, SampleId, Session, SessionError, TrackId, TrackInfo, TrackKind};
pub use readers::Readers;
