//! Expression tables of a session, read.

use super::{ExpressionEntry, SampleEntry, SessionFile};
use crate::tracks::{Expression, ExpressionColumns, TrackError};
use std::collections::BTreeMap;
use std::path::Path;

/// A column of each sample, and what the reader had to say.
type ReadColumns = (Vec<Result<Expression, TrackError>>, Vec<String>);

/// An expression table with the samples that have columns in it.
pub(super) struct ExpressionTable<'a> {
    pub entries: Vec<(&'a str, &'a ExpressionEntry)>,
    pub read: Result<ReadColumns, TrackError>,
}

impl<'a> ExpressionTable<'a> {
    /// What a sample says of its table.
    pub fn entry(sample: &SampleEntry, of_tfs: bool) -> Option<&ExpressionEntry> {
        if of_tfs { sample.tf_expression.as_ref() } else { sample.expression.as_ref() }
    }

    /// The tables of a session; samples of one table are read together.
    pub fn read_all(file: &'a SessionFile, folder: &Path, of_tfs: bool) -> Vec<Self> {
        let mut tables: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for sample in &file.samples {
            let Some(entry) = Self::entry(sample, of_tfs) else { continue };
            let table = (&entry.file, &entry.id_column, &entry.transcripts);
            tables.entry(table).or_default().push((sample.name.as_str(), entry));
        }
        let mut read = Vec::with_capacity(tables.len());
        for ((path, id, transcripts), entries) in tables {
            let transcripts = transcripts.as_ref().map(|path| folder.join(path));
            let column = |&(name, entry): &(&'a str, &'a ExpressionEntry)| ExpressionColumns {
                value: entry.column.as_deref(),
                id: id.as_deref(),
                sample: Some(name),
                transcripts: transcripts.as_deref(),
            };
            let columns: Vec<ExpressionColumns<'_>> = entries.iter().map(column).collect();
            let columns_read = Expression::read_samples(&folder.join(path), &columns);
            read.push(Self { entries, read: columns_read });
        }
        read
    }
}
