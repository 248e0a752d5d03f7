//! Measured expression: one number a gene, from any table of genes, joined to an annotation.
//!
//! Known by their headers: a matrix (ids, then one column a sample), RSEM (ENCODE's gene quantifications), Salmon's `quant.sf`
//! and kallisto's `abundance.tsv` with a table of transcripts and genes; two columns without a header (DeepDiff); anything
//! else by the names of its columns. Tabs, commas or spaces, gzipped or not.

use super::lines::clean_text;
use super::text::{MAX_ID, TextLines, shorten};
use super::{Loaded, TrackError};
use crate::genome::{Gene, Genes, unversioned};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

const MAX_ROWS: usize = 10_000_000;
/// Names listed in a message before `...`.
const LISTED: usize = 5;
/// Columns of ids, best first; the first column where there is none of them.
const ID_COLUMNS: [&str; 9] =
    ["gene_id", "gene", "geneid", "ensembl_gene_id", "ensembl_id", "target_id", "name", "id", "gene_name"];
/// Columns that describe a gene and hold no expression.
const DESCRIPTIONS: [&str; 9] = [
    "gene_name",
    "symbol",
    "gene_symbol",
    "description",
    "transcript_id(s)",
    "transcript_id",
    "length",
    "effective_length",
    "efflength",
];

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
    /// Id as in the file, value; in file order.
    rows: Vec<(String, f64)>,
    exact: HashMap<String, usize>,
    /// By id without its version.
    stems: HashMap<String, usize>,
}

impl Expression {
    /// Reads the values of one sample. Rows that repeat an id are left out and said in a warning.
    ///
    /// # Errors
    /// No such column, or several to choose from (their names are listed); a value that is text, NaN, infinite or negative;
    /// a row of another length; transcripts without a table of their genes.
    pub fn read(path: &Path, columns: &ExpressionColumns<'_>) -> Result<Loaded<Self>, TrackError> {
        let mut table = Table::open(path)?;
        let plan = Plan::new(&table, columns)?;
        let genes = columns.transcripts.map(TranscriptGenes::read).transpose()?;
        let mut expression =
            Self { path: path.to_owned(), column: plan.column, rows: Vec::new(), exact: HashMap::new(), stems: HashMap::new() };
        let (mut repeated, mut unknown) = (Listed::default(), Listed::default());
        let mut transcripts = HashSet::new();
        while let Some((number, fields)) = table.next()? {
            let (id, text) = (fields[plan.id].as_str(), fields[plan.value].as_str());
            let value = text.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0).ok_or_else(|| {
                let reason = format!("\"{}\" of {} is no number from 0 up ({})", shorten(text), shorten(id), expression.column);
                TrackError::malformed(path, format!("line {number}"), reason)
            })?;
            if id.is_empty() || id.len() > MAX_ID {
                let reason = if id.is_empty() { "a row without an id" } else { "an id longer than any" };
                return Err(TrackError::malformed(path, format!("line {number}"), reason));
            }
            if expression.rows.len() == MAX_ROWS {
                return Err(TrackError::malformed(path, format!("line {number}"), format!("more than {MAX_ROWS} rows")));
            }
            match &genes {
                Some(genes) => match genes.gene(id) {
                    _ if !transcripts.insert(id.to_owned()) => repeated.push(id),
                    Some(gene) => expression.add(gene, value),
                    None => unknown.push(id),
                },
                None if plan.sums => expression.add(id, value),
                None => {
                    if !expression.insert(id, value) {
                        repeated.push(id);
                    }
                }
            }
        }
        if expression.rows.is_empty() {
            let reason = match (unknown.count, columns.transcripts) {
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
        if let (1.., Some(table)) = (unknown.count, columns.transcripts) {
            let (n, table) = (unknown.count, table.display());
            warnings.push(format!("{}: {n} transcripts are not in {table} and were left out: {unknown}", path.display()));
        }
        Ok(Loaded { value: expression, warnings })
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
        self.row(gene).map(|row| self.rows[row].1)
    }

    /// The place of a gene among [`Self::rows`].
    pub fn row(&self, gene: &Gene) -> Option<usize> {
        let by_id = self.exact.get(&gene.id).or_else(|| self.stems.get(gene.unversioned_id()));
        by_id.or_else(|| self.exact.get(&gene.name)).copied()
    }

    /// The median of all rows of the file, whether or not the annotation knows the gene.
    pub fn median(&self) -> f64 {
        let mut values: Vec<f64> = self.rows.iter().map(|row| row.1).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) } // never empty
    }

    /// Ids and values in file order.
    pub fn rows(&self) -> &[(String, f64)] {
        &self.rows
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
        let rows = self.rows.iter().map(|row| &row.0).filter(|id| !known(id)).cloned().collect();
        Unmatched { path: self.path.clone(), n_rows: self.rows.len(), rows, n_genes: genes.len(), genes: without_value }
    }

    /// Keeps a new id; `false` where it is there already.
    fn insert(&mut self, id: &str, value: f64) -> bool {
        let stem = unversioned(id);
        // Clones share a stem without being one gene (AC012345.1, AC012345.2); versions of an Ensembl gene do not.
        if self.exact.contains_key(id) || id.starts_with("ENS") && self.stems.contains_key(stem) {
            return false;
        }
        let row = self.rows.len();
        self.rows.push((id.to_owned(), value));
        self.exact.insert(id.to_owned(), row);
        self.stems.entry(stem.to_owned()).or_insert(row);
        true
    }

    fn add(&mut self, id: &str, value: f64) {
        if !self.insert(id, value) {
            let row = self.exact.get(id).unwrap_or(&self.stems[unversioned(id)]); // or it would have been new
            self.rows[*row].1 += value;
        }
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

/// Which fields of a row are read.
struct Plan {
    id: usize,
    value: usize,
    column: String,
    /// Rows of one id are isoforms, to be added up.
    sums: bool,
}

impl Plan {
    fn new(table: &Table, columns: &ExpressionColumns<'_>) -> Result<Self, TrackError> {
        let error = |reason: String| TrackError::malformed(&table.path, "header", reason);
        let Some(header) = &table.header else {
            if let Some(name) = columns.value.or(columns.id) {
                return Err(error(format!("no column \"{name}\": the file has no header, only ids and values")));
            }
            return Ok(Self { id: 0, value: 1, column: "column 2".to_owned(), sums: false });
        };
        let find = |name: &str| {
            header.iter().position(|h| h == name).or_else(|| header.iter().position(|h| h.eq_ignore_ascii_case(name)))
        };
        let listed: Listed = header.iter().collect();
        let named = |name: &str| find(name).ok_or_else(|| error(format!("no column \"{name}\"; it has {listed}")));
        let id = columns.id.map_or_else(|| Ok(id_column(header)), named)?;
        let values = || (0..header.len()).filter(|&i| i != id && !is_description(&header[i])).collect::<Vec<_>>();
        let value = match columns.value {
            Some(name) => named(name)?,
            None => match columns.sample.and_then(find).or_else(|| find("TPM")).filter(|&i| i != id) {
                Some(value) => value,
                None => match values()[..] {
                    [only] => only,
                    _ => {
                        let sample = columns.sample.map_or_else(String::new, |s| format!(" (none is called {s})"));
                        return Err(error(format!("which column holds the expression?{sample} It has {listed}")));
                    }
                },
            },
        };
        if value == id {
            return Err(error(format!("column \"{}\" cannot be id and value", header[id])));
        }
        let has_transcripts = ["transcript_id", "target_id", "Name"].contains(&header[0].as_str());
        let sums = header[0] == "transcript_id" && header[id] == "gene_id"; // RSEM's isoforms
        let plan = Self { id, value, column: header[value].clone(), sums };
        // Salmon writes the same header for genes (quant.genes.sf).
        let is_transcript = |id: &str| ["ENST", "NM_", "NR_", "XM_", "XR_"].iter().any(|prefix| id.starts_with(prefix));
        if columns.transcripts.is_none()
            && has_transcripts
            && !sums
            && table.peeked.as_ref().is_some_and(|(_, fields)| fields.get(id).is_some_and(|id| is_transcript(id)))
        {
            return Err(error(
                "its rows are transcripts: a table of transcript and gene is needed (transcripts = ...)".to_owned(),
            ));
        }
        Ok(plan)
    }
}

fn id_column(header: &[String]) -> usize {
    ID_COLUMNS.iter().find_map(|name| header.iter().position(|h| h.eq_ignore_ascii_case(name))).unwrap_or(0)
}

fn is_description(name: &str) -> bool {
    DESCRIPTIONS.iter().chain(&ID_COLUMNS).any(|d| name.eq_ignore_ascii_case(d))
}

/// A delimited text file with its header, if it has one. Every row has the same number of fields.
struct Table {
    path: PathBuf,
    lines: TextLines,
    delimiter: Option<char>,
    header: Option<Vec<String>>,
    width: usize,
    /// The first row, read to understand the header.
    peeked: Option<(usize, Vec<String>)>,
}

impl Table {
    fn open(path: &Path) -> Result<Self, TrackError> {
        let mut lines = TextLines::open(path)?;
        let Some((number, first)) = next_line(&mut lines)? else {
            return Err(TrackError::malformed(path, "line 1", "no row in it"));
        };
        let delimiter = ['\t', ','].into_iter().find(|&d| first.contains(d));
        let first = split(&first, delimiter);
        let is_value = |field: &String| field.parse::<f64>().is_ok();
        let is_id_name = ID_COLUMNS.iter().any(|name| first[0].eq_ignore_ascii_case(name));
        let has_header = is_id_name || first.len() != 2 || !is_value(&first[1]);
        let mut table = Self { path: path.to_owned(), lines, delimiter, header: None, width: first.len(), peeked: None };
        if !has_header {
            table.peeked = Some((number, first));
            return Ok(table);
        }
        if first.len() > 2 && first[1..].iter().all(is_value) && !is_id_name {
            return Err(TrackError::malformed(path, format!("line {number}"), "numbers where the names of columns should be"));
        }
        let mut header = first;
        if let Some((number, row)) = next_line(&mut table.lines)? {
            let delimiter = table.delimiter.or_else(|| ['\t', ','].into_iter().find(|&d| row.contains(d)));
            table.delimiter = delimiter;
            let row = split(&row, delimiter);
            if row.len() == header.len() + 1 {
                header.insert(0, String::new()); // R writes no name above the row names
            }
            table.peeked = Some((number, row));
        }
        if header.len() < 2 {
            let reason =
                format!("one column (\"{}\"): ids and values, parted by tabs or commas, are needed", shorten(&header[0]));
            return Err(TrackError::malformed(path, "header", reason));
        }
        table.width = header.len();
        table.header = Some(header);
        Ok(table)
    }

    fn next(&mut self) -> Result<Option<(usize, Vec<String>)>, TrackError> {
        let row = match self.peeked.take() {
            Some(row) => Some(row),
            None => next_line(&mut self.lines)?.map(|(number, line)| (number, split(&line, self.delimiter))),
        };
        match row {
            Some((number, fields)) if fields.len() != self.width => {
                let reason = format!("{} columns where the first row has {}", fields.len(), self.width);
                Err(TrackError::malformed(&self.path, format!("line {number}"), reason))
            }
            row => Ok(row),
        }
    }
}

/// The next line that is neither blank nor a comment.
fn next_line(lines: &mut TextLines) -> Result<Option<(usize, String)>, TrackError> {
    while let Some((number, line)) = lines.next()? {
        if !line.trim().is_empty() && !line.starts_with('#') {
            return Ok(Some((number, line.to_owned())));
        }
    }
    Ok(None)
}

fn split(line: &str, delimiter: Option<char>) -> Vec<String> {
    let clean = |field: &str| clean_text(field.trim().trim_matches('"')).into_owned();
    match delimiter {
        Some(delimiter) => line.split(delimiter).map(clean).collect(),
        None => line.split_whitespace().map(clean).collect(),
    }
}

/// Transcript to gene.
struct TranscriptGenes {
    genes: HashMap<String, String>,
    stems: HashMap<String, String>,
}

impl TranscriptGenes {
    /// Two columns; a header does no harm, for no transcript is called like it.
    fn read(path: &Path) -> Result<Self, TrackError> {
        let mut lines = TextLines::open(path)?;
        let mut table = Self { genes: HashMap::new(), stems: HashMap::new() };
        while let Some((number, line)) = next_line(&mut lines)? {
            let fields = split(&line, ['\t', ','].into_iter().find(|&d| line.contains(d)));
            let [transcript, gene, ..] = &fields[..] else {
                return Err(TrackError::malformed(path, format!("line {number}"), "not a transcript and its gene"));
            };
            if transcript.len().max(gene.len()) > MAX_ID {
                return Err(TrackError::malformed(path, format!("line {number}"), "an id longer than any"));
            }
            if table.genes.len() == MAX_ROWS {
                return Err(TrackError::malformed(path, format!("line {number}"), format!("more than {MAX_ROWS} rows")));
            }
            table.genes.insert(transcript.clone(), gene.clone());
            table.stems.entry(unversioned(transcript).to_owned()).or_insert_with(|| gene.clone());
        }
        Ok(table)
    }

    /// The gene of a transcript, whatever the versions; of GENCODE's `ENST...|ENSG...|...` the first part is the transcript.
    fn gene(&self, transcript: &str) -> Option<&str> {
        let transcript = transcript.split('|').next().unwrap_or_default();
        let gene = self.genes.get(transcript).or_else(|| self.stems.get(unversioned(transcript)));
        gene.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::{Region, Strand, Transcript};
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn read(text: &str, columns: &ExpressionColumns<'_>) -> Result<Loaded<Expression>, String> {
        let file = file(text);
        let short = |text: String| text.replace(&format!("{}: ", file.path().display()), "");
        let loaded = Expression::read(file.path(), columns).map_err(|e| short(e.to_string()))?;
        Ok(Loaded { value: loaded.value, warnings: loaded.warnings.into_iter().map(short).collect() })
    }

    fn rows(text: &str, columns: &ExpressionColumns<'_>) -> Vec<(String, f64)> {
        read(text, columns).unwrap().value.rows
    }

    fn row(id: &str, value: f64) -> (String, f64) {
        (id.to_owned(), value)
    }

    fn gene(id: &str, name: &str) -> Gene {
        Gene {
            id: id.to_owned(),
            name: name.to_owned(),
            biotype: String::new(),
            region: Region::new("c", 0, 10),
            strand: Strand::Forward,
            transcripts: vec![Transcript { end: 10, ..Transcript::default() }],
        }
    }

    const GUESS: ExpressionColumns<'static> = ExpressionColumns { value: None, id: None, sample: None, transcripts: None };

    #[test]
    fn a_matrix_gives_the_sample_asked_for() {
        let matrix = "gene_id\tsymbol\tliver\tK562\nE1.2\tA\t1\t2.5\nE2.1\tB\t3\t4\n";
        let sample = |name| ExpressionColumns { sample: Some(name), ..GUESS };
        assert_eq!(rows(matrix, &sample("K562")), [row("E1.2", 2.5), row("E2.1", 4.0)]);
        assert_eq!(rows(matrix, &ExpressionColumns { value: Some("liver"), ..sample("K562") })[1], row("E2.1", 3.0));
        assert_eq!(rows(matrix, &ExpressionColumns { id: Some("symbol"), ..sample("k562") })[0], row("A", 2.5));
        let refused = |columns: &ExpressionColumns<'_>| read(matrix, columns).unwrap_err();
        assert_eq!(
            refused(&sample("HepG2")),
            "header: which column holds the expression? (none is called HepG2) It has gene_id, symbol, liver, K562"
        );
        assert_eq!(
            refused(&ExpressionColumns { value: Some("x"), ..GUESS }),
            "header: no column \"x\"; it has gene_id, symbol, liver, K562"
        );
        assert_eq!(Expression::samples(file(matrix).path()).unwrap(), ["liver", "K562"]);
        // R's write.table: one name fewer than fields; and one sample needs no name.
        assert_eq!(rows("\"K562\"\n\"E1\" 2.5\n\"E2\" 4\n", &GUESS), [row("E1", 2.5), row("E2", 4.0)]);
    }

    #[test]
    fn rsem_gives_tpm() {
        let rsem = "gene_id\ttranscript_id(s)\tlength\teffective_length\texpected_count\tTPM\tFPKM\tTPM_ci_lower_bound\n\
                    ENSG00000000003.14\tENST1,ENST2\t2000.00\t1900.00\t100.00\t12.34\t9.9\t11\n";
        assert_eq!(rows(rsem, &GUESS), [row("ENSG00000000003.14", 12.34)]);
        assert_eq!(read(rsem, &GUESS).unwrap().value.column(), "TPM");
        assert_eq!(rows(rsem, &ExpressionColumns { value: Some("expected_count"), ..GUESS })[0].1, 100.0);
        let isoforms = "transcript_id\tgene_id\tlength\tTPM\nT1\tG1\t10\t1.5\nT2\tG1\t10\t2\nT3\tG2\t10\t4\n";
        assert_eq!(rows(isoforms, &GUESS), [row("G1", 3.5), row("G2", 4.0)]);
    }

    #[test]
    fn salmon_sums_the_transcripts_of_a_gene() {
        let salmon = "Name\tLength\tEffectiveLength\tTPM\tNumReads\n\
                      ENST01.2\t100\t90\t1.5\t3\nENST02.1|ENSG1|x\t100\t90\t2.5\t3\nENST03.1\t100\t90\t4\t3\nENST09.1\t100\t90\t8\t3\n";
        let table = file("transcript,gene\nENST01.7,ENSG1.1\nENST02.1,ENSG1.2\nENST03.1,ENSG2.1\n");
        let columns = ExpressionColumns { transcripts: Some(table.path()), ..GUESS };
        let loaded = read(salmon, &columns).unwrap();
        assert_eq!(loaded.value.rows, [row("ENSG1.1", 4.0), row("ENSG2.1", 4.0)]);
        assert!(loaded.warnings[0].starts_with("1 transcripts are not in") && loaded.warnings[0].ends_with(": ENST09.1"));
        assert!(read(salmon, &GUESS).unwrap_err().contains("its rows are transcripts"));
        let genes = "Name\tLength\tEffectiveLength\tTPM\tNumReads\nENSG1.1\t100\t90\t1.5\t3\n";
        assert_eq!(rows(genes, &GUESS), [row("ENSG1.1", 1.5)]);
        let other = file("T1\tG1\n");
        let none = read(salmon, &ExpressionColumns { transcripts: Some(other.path()), ..GUESS }).unwrap_err();
        assert!(none.contains("none of its transcripts (ENST01.2, ENST02.1|ENSG1|x, ENST03.1, ENST09.1) is in"), "{none}");
    }

    #[test]
    fn two_columns_need_no_header_and_may_have_one() {
        let expected = [row("ENSG1", 153.0), row("ENSG2", 2.0)];
        assert_eq!(rows("ENSG1,153\nENSG2,2\n", &GUESS), expected);
        assert_eq!(rows("gene,count\r\nENSG1,153\r\nENSG2,2\r\n", &GUESS), expected);
        assert_eq!(rows("gene_id,2001\nENSG1,153\nENSG2,2", &GUESS), expected);
        assert!(read("ENSG1,153\n", &ExpressionColumns { value: Some("TPM"), ..GUESS }).unwrap_err().contains("no header"));
    }

    #[test]
    fn genes_join_by_id_without_version_then_by_symbol() {
        let table = read("id\tx\nENSG1.4\t1\nMYC\t2\nAC01.1\t3\nAC01.2\t4\nGHOST\t5\n", &GUESS).unwrap();
        assert!(table.warnings.is_empty());
        let table = table.value;
        assert_eq!(table.value(&gene("ENSG1.9", "A")), Some(1.0));
        assert_eq!(table.value(&gene("ENSG1", "A")), Some(1.0));
        assert_eq!(table.value(&gene("ENSG2.1", "MYC")), Some(2.0));
        assert_eq!(table.value(&gene("ENSG4.1", "AC01.2")), Some(4.0), "a clone's suffix is no version");
        assert_eq!(table.value(&gene("ENSG3.1", "B")), None);
        let genes = Genes::new(vec![gene("ENSG1.9", "A"), gene("ENSG2.1", "MYC"), gene("ENSG3.1", "B")], |_| None);
        let unmatched = table.unmatched(&genes);
        assert_eq!(
            (unmatched.rows.as_slice(), unmatched.genes.as_slice()),
            (&["AC01.1".to_owned(), "AC01.2".to_owned(), "GHOST".to_owned()][..], &["B".to_owned()][..])
        );
        let warnings = unmatched.warnings();
        assert!(warnings[0].ends_with(": 3 of 5 ids are no gene of the annotation: AC01.1, AC01.2, GHOST"), "{}", warnings[0]);
        assert!(warnings[1].ends_with(": 1 of 3 genes have no expression here: B"), "{}", warnings[1]);
    }

    #[test]
    fn repeated_ids_are_said_and_the_first_counts() {
        let loaded = read("id\tx\nENSG1.4\t1\nENSG1.5\t2\nMYC\t3\nMYC\t4\n", &GUESS).unwrap();
        assert_eq!(loaded.value.rows, [row("ENSG1.4", 1.0), row("MYC", 3.0)]);
        assert_eq!(loaded.warnings, ["2 rows repeat an id and were left out (the first counts): ENSG1.5, MYC"]);
    }

    #[test]
    fn the_median_is_of_all_rows() {
        assert_eq!(read("a,5\nb,1\nc,9\n", &GUESS).unwrap().value.median(), 5.0);
        assert_eq!(read("a,5\nb,1\nc,9\nd,6\n", &GUESS).unwrap().value.median(), 5.5);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            ("", "line 1: no row in it"),
            ("# only this\n\n", "line 1: no row in it"),
            ("gene,x\n", "rows: no row in it"),
            ("gene\n", "header: one column (\"gene\"): ids and values, parted by tabs or commas, are needed"),
            ("gene,x\na,1\nb,NaN", "line 3: \"NaN\" of b is no number from 0 up (x)"),
            ("gene,x\na,1\nb,inf", "line 3: \"inf\" of b is no number from 0 up (x)"),
            ("gene,x\na,1\nb,NA", "line 3: \"NA\" of b is no number from 0 up (x)"),
            ("gene,x\na,1\nb,", "line 3: \"\" of b is no number from 0 up (x)"),
            ("gene,x\na,-1", "line 2: \"-1\" of a is no number from 0 up (x)"),
            ("gene,x\na,1\nb", "line 3: 1 columns where the first row has 2"),
            ("gene,x\n,1", "line 2: a row without an id"),
            ("a,1,2\nb,2,3", "line 1: numbers where the names of columns should be"),
        ] {
            assert_eq!(read(text, &GUESS).unwrap_err(), message, "{text:?}");
        }
        assert!(Expression::read(Path::new("absent"), &GUESS).is_err());
        assert!(Expression::read(Path::new("/"), &GUESS).is_err());
    }

    #[test]
    fn damaged_tables_are_errors_or_values() {
        let matrix = "gene_id\tsymbol\tliver\tK562\nENSG1.2\tA\t1\t2.5\nENSG2.1\tB\t3\t4\n";
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut refused = 0;
        for _ in 0..1000 {
            let mut bytes = matrix.as_bytes().to_vec();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = *b"\n\t,\0 \x1f\"#-e9\xff".choose(&mut rng).unwrap();
            }
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            match Expression::read(file.path(), &ExpressionColumns { sample: Some("K562"), ..GUESS }) {
                Ok(loaded) => assert!(loaded.value.rows.iter().all(|row| row.1.is_finite())),
                Err(_) => refused += 1,
            }
        }
        assert!((1..1000).contains(&refused));
        let long = format!("gene,x\n{},1\n", "A".repeat(2000));
        assert_eq!(read(&long, &GUESS).unwrap_err(), "line 2: an id longer than any");
    }

    #[test]
    fn the_published_counts_are_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/real/deepdiff/Cell1.expr.csv");
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return;
        }
        let loaded = Expression::read(&path, &GUESS).unwrap();
        assert_eq!((loaded.value.rows().len(), loaded.warnings.len()), (19_795, 0));
        assert_eq!(loaded.value.value(&gene("ENSG00000000419.12", "DPM1")), Some(17_156.0));
        // cut -d, -f2 | sort -g | sed -n 9898p
        assert_eq!(loaded.value.median(), 1202.0);
    }
}
