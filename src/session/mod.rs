//! One project: its genome, samples, tracks and models, as `session.toml` says.

mod edit;
mod expression;
mod file;
mod formula;
mod init;
mod open;
mod readers;
mod saved;

pub use edit::{Amount, Change, EDIT_FORMS, Edit, EditWords, METHYLATION, parse_edits};
pub use file::{ExpressionEntry, GenomeEntry, ModelEntry, SampleEntry, SessionFile, TrackEntry};
pub use formula::{Formula, FormulaError};
pub use init::{InitError, InitOptions, Initialised, init, open_paths, open_paths_with};
pub use open::{Genome, Sample, SampleId, Session, SessionError, TrackId, TrackInfo, TrackKind, read_session_file};
pub use readers::Readers;
pub use saved::{BookmarkEntry, FormulaEntry, Layout, RegionEntry, RowEntry, SESSION_VERSION, Saved, ViewEntry};
