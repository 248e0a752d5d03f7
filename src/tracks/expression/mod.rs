//! Measured expression: one number a gene, from any table of genes, joined to an annotation.
//!
//! Known by their headers: a matrix (ids, then one column a sample), RSEM (ENCODE's gene quantifications), Salmon's `quant.sf`
//! and kallisto's `abundance.tsv` with a table of transcripts and genes; two columns without a header (DeepDiff); anything
//! else by the names of its columns. Tabs, commas or spaces, gzipped or not.

mod table;
mod transcripts;

use super::text::{MAX_ID, shorten};
use super::{Loaded, TrackError};
use crate::genome::{Gene, Genes, unversioned};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::{Plan, Table, id_column, is_description};
use transcripts::TranscriptGenes;

const MAX_ROWS: usize = 10_000_000;
/// Names listed in a message before `...`.
const LISTED: usize = 5;
/// Which columns of a table to read; what is `None` is guessed from the header.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpressionColumns<'a> {
    /// Column of values. Guessed: the sample's name, else `TPM`, else the only one.
    pub value: Option<&'a str>,
    /// Column of gene (or transcript) ids. Guessed: `gene_id` and the like, else the first.
    pub id: Option<&'a str>,
    /// The sample wanted of a matrix.
    pub sample: Option<&'a str>,
    /// A table of transcript and gene: the ids are transcripts, whose values are added up by gene.
    pub transcripts: Option<&'a Path>,
}

/// One value a gene, finite and not negative.
#[derive(Clone, Debug)]
pub struct Expression {
    path: PathBuf,
    column: String,
    /// Shared by the samples of a matrix.
    ids: Arc<Ids>,
    /// In the order of the ids.
    values: Vec<f64>,
}

/// The ids of a table in file order, each once.
#[derive(Debug, Default)]
struct Ids {
    names: Vec<String>,
    exact: HashMap<String, usize>,
    /// By id without its version.
    stems: HashMap<String, usize>,
}

impl Ids {
    /// The place of an id, and whether it is new.
    fn place(&mut self, id: &str) -> (usize, bool) {
        let stem = unversioned(id);
        // Clones share a stem without being one gene (AC012345.1, AC012345.2); versions of an Ensembl gene do not.
        let of_gene = || self.stems.get(stem).filter(|_| id.starts_with("ENS"));
        if let Some(place) = self.exact.get(id).or_else(of_gene) {
            return (*place, false);
        }
        let place = self.names.len();
        self.names.push(id.to_owned());
        self.exact.insert(id.to_owned(), place);
        self.stems.entry(stem.to_owned()).or_insert(place);
        (place, true)
    }
}

impl Expression {
    /// Reads the values of one sample. Rows that repeat an id are left out and said in a warning.
    ///
    /// # Errors
    /// No such column, or several to choose from (their names are listed); a value that is text, NaN, infinite or negative;
    /// a row of another length; transcripts without a table of their genes.
    pub fn read(path: &Path, columns: &ExpressionColumns<'_>) -> Result<Loaded<Self>, TrackError> {
        let (mut read, warnings) = Self::read_samples(path, std::slice::from_ref(columns))?;
        let value = read.pop().expect("one is read for one that is wanted")?;
        Ok(Loaded { value, warnings })
    }

    /// Reads the values of several samples of one matrix in one pass. All of `wanted` have the same `id` and `transcripts`.
    ///
    /// # Errors
    /// As [`Self::read`]: of the whole where rows or ids are wrong, of one sample where its column is.
    #[expect(clippy::type_complexity, reason = "each sample's own result, and what was said of the file")]
    pub fn read_samples(
        path: &Path,
        wanted: &[ExpressionColumns<'_>],
    ) -> Result<(Vec<Result<Self, TrackError>>, Vec<String>), TrackError> {
        let mut table = Table::open(path)?;
        let transcripts = wanted.first().and_then(|columns| columns.transcripts);
        let genes = transcripts.map(TranscriptGenes::read).transpose()?;
        let mut samples: Vec<_> = wanted.iter().map(|c| Ok((Plan::new(&table, c)?, Vec::new()))).collect();
        let (mut ids, mut repeated, mut unknown) = (Ids::default(), Listed::default(), Listed::default());
        let mut seen = HashSet::new();
        while let Some((number, row)) = table.next()? {
            let fields = table.fields(number, &row)?;
            // Where no column can be read there is nothing to do with the rows.
            let Some((id, sums)) = samples.iter().flatten().next().map(|(plan, _)| (&*fields[plan.id], plan.sums)) else { break };
            let malformed = |reason: String| Err(TrackError::malformed(path, format!("line {number}"), reason));
            if id.is_empty() || id.len() > MAX_ID {
                return malformed(if id.is_empty() { "a row without an id" } else { "an id longer than any" }.to_owned());
            }
            if ids.names.len() == MAX_ROWS {
                return malformed(format!("more than {MAX_ROWS} rows"));
            }
            let (place, adds) = match &genes {
                Some(_) if !seen.insert(id.to_owned()) => (None, true),
                Some(genes) => match genes.gene(id) {
                    Some(gene) => (Some(ids.place(gene)), true),
                    None => {
                        unknown.push(id);
                        continue;
                    }
                },
                None => (Some(ids.place(id)), sums),
            };
            let Some((place, _)) = place.filter(|(_, is_new)| *is_new || adds) else {
                repeated.push(id);
                continue;
            };
            for sample in &mut samples {
                let Ok((plan, values)) = sample else { continue };
                match fields[plan.value].parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0) {
                    Some(value) if place < values.len() => values[place] += value,
                    Some(value) => values.push(value),
                    None => {
                        let (text, id) = (shorten(&fields[plan.value]), shorten(id));
                        let reason = format!("\"{text}\" of {id} is no number from 0 up ({})", plan.column);
                        *sample = Err(TrackError::malformed(path, format!("line {number}"), reason));
                    }
                }
            }
        }
        if ids.names.is_empty() && samples.iter().any(Result::is_ok) {
            let reason = match (unknown.count, transcripts) {
                (1.., Some(table)) => format!("none of its transcripts ({unknown}) is in {}", table.display()),
                _ => "no row in it".to_owned(),
            };
            return Err(TrackError::malformed(path, "rows", reason));
        }
        let mut warnings = Vec::new();
        if repeated.count > 0 {
            let n = repeated.count;
            warnings.push(format!("{}: {n} rows repeat an id and were left out (the first counts): {repeated}", path.display()));
        }
        if let (1.., Some(table)) = (unknown.count, transcripts) {
            let (n, table) = (unknown.count, table.display());
            warnings.push(format!("{}: {n} transcripts are not in {table} and were left out: {unknown}", path.display()));
        }
        let ids = Arc::new(ids);
        let of = |(plan, values): (Plan, Vec<f64>)| Self { path: path.to_owned(), column: plan.column, ids: ids.clone(), values };
        Ok((samples.into_iter().map(|sample| sample.map(of)).collect(), warnings))
    }

    /// Names of the columns of values: the samples of a matrix. Empty where there is no header.
    pub fn samples(path: &Path) -> Result<Vec<String>, TrackError> {
        let table = Table::open(path)?;
        let Some(header) = &table.header else { return Ok(Vec::new()) };
        let id = id_column(header);
        let samples = header.iter().enumerate().filter(|&(i, name)| i != id && !is_description(name));
        Ok(samples.map(|(_, name)| name.clone()).collect())
    }

    /// The value of a gene: by its id whatever the versions, else by its symbol.
    pub fn value(&self, gene: &Gene) -> Option<f64> {
        self.row(gene).map(|row| self.values[row])
    }

    /// The value of a row by its id as in the file.
    pub fn value_of(&self, id: &str) -> Option<f64> {
        self.ids.exact.get(id).map(|row| self.values[*row])
    }

    /// The place of a gene among [`Self::rows`].
    pub fn row(&self, gene: &Gene) -> Option<usize> {
        let Ids { exact, stems, .. } = &*self.ids;
        let by_id = exact.get(&gene.id).or_else(|| stems.get(gene.unversioned_id()));
        by_id.or_else(|| exact.get(&gene.name)).copied()
    }

    /// The median of all rows of the file, whether or not the annotation knows the gene.
    pub fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) } // never empty
    }

    /// Ids and values in file order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&str, f64)> {
        self.ids.names.iter().map(String::as_str).zip(self.values.iter().copied())
    }

    /// The column read; `column 2` where there is no header.
    pub fn column(&self) -> &str {
        &self.column
    }

    /// What does not meet in the join with an annotation.
    pub fn unmatched(&self, genes: &Genes) -> Unmatched {
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        let mut without_value = Vec::new();
        for (_, gene) in genes.iter() {
            ids.insert(gene.unversioned_id());
            names.insert(gene.name.as_str());
            if self.value(gene).is_none() {
                without_value.push(gene.name.clone());
            }
        }
        let known = |id: &str| ids.contains(unversioned(id)) || names.contains(id);
        let rows = self.ids.names.iter().filter(|id| !known(id)).cloned().collect();
        Unmatched { path: self.path.clone(), n_rows: self.values.len(), rows, n_genes: genes.len(), genes: without_value }
    }
}

/// Rows without a gene and genes without a row.
#[derive(Clone, Debug)]
pub struct Unmatched {
    path: PathBuf,
    n_rows: usize,
    /// Ids that no gene of the annotation has.
    pub rows: Vec<String>,
    n_genes: usize,
    /// Names of genes that no row has.
    pub genes: Vec<String>,
}

impl Unmatched {
    /// Sentences with counts and the first few names; none where everything met.
    pub fn warnings(&self) -> Vec<String> {
        let path = self.path.display();
        let mut warnings = Vec::new();
        if !self.rows.is_empty() {
            let listed: Listed = self.rows.iter().collect();
            warnings.push(format!("{path}: {} of {} ids are no gene of the annotation: {listed}", self.rows.len(), self.n_rows));
        }
        if !self.genes.is_empty() {
            let listed: Listed = self.genes.iter().collect();
            warnings.push(format!("{path}: {} of {} genes have no expression here: {listed}", self.genes.len(), self.n_genes));
        }
        warnings
    }
}

/// A count and the first few names.
#[derive(Default)]
struct Listed {
    count: usize,
    names: Vec<String>,
}

impl Listed {
    fn push(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < LISTED {
            self.names.push(shorten(name));
        }
    }
}

impl<'a> FromIterator<&'a String> for Listed {
    fn from_iter<I: IntoIterator<Item = &'a String>>(names: I) -> Self {
        let mut listed = Self::default();
        names.into_iter().for_each(|name| listed.push(name));
        listed
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        if self.count > self.names.len() { f.write_str(", ...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
