//! GTF 2.2 as GENCODE, Ensembl, NCBI and UCSC write it.
//!
//! Genes are made from the `gene_id` of any line, so files without gene or transcript lines (UCSC's) are read too. Lines are
//! scanned by hand: building a map of attributes for each of three million lines takes four times as long.

use super::annotation::{Columns, Drafts, GeneDraft, GeneLines, TranscriptDraft, join};
use super::lines::{Line, clean, read_records};
use super::{Loaded, TrackError};
use crate::genome::{ChromSizes, Gene, Genes};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// Reads the genes of a GTF.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<Genes>, TrackError> {
    let mut reader = Reader::default();
    let warnings = read_records(path, "a GTF line with a gene_id", |line| match line[0] {
        b'#' => Ok(Line::Other),
        _ => reader.take(line, genome),
    })?;
    let Reader { drafts, genes, transcripts, .. } = reader;
    drop((genes, transcripts)); // as large as the genes themselves
    drafts.finish(path, genome, warnings)
}

#[derive(Default)]
pub(super) struct Reader {
    drafts: Drafts,
    /// By id, chromosome and strand: an id may stand at two places (the X and Y copies of a gene).
    genes: Known,
    /// By id and gene.
    transcripts: Known,
    key: Vec<u8>,
    attributes: Attributes,
}

/// Places by key. The next line is mostly of the same gene and transcript, for which no map is searched.
#[derive(Default)]
struct Known {
    places: HashMap<Vec<u8>, usize>,
    last: (Vec<u8>, usize),
}

impl Known {
    /// The place of a key, which `add` makes where it is new.
    fn place(&mut self, key: &[u8], add: impl FnOnce() -> usize) -> usize {
        let (last, place) = &mut self.last;
        if last != key {
            *place = self.places.get(key).copied().unwrap_or_else(|| *self.places.entry(key.to_vec()).or_insert_with(add));
            last.clear();
            last.extend_from_slice(key);
        }
        *place
    }
}

impl GeneLines for Reader {
    fn read(&mut self, line: &[u8], genome: &ChromSizes) -> Result<(), String> {
        self.take(line, genome).map(|_| ())
    }

    fn genes(self: Box<Self>) -> (Vec<Gene>, usize) {
        self.drafts.genes()
    }
}

impl Reader {
    fn take(&mut self, line: &[u8], genome: &ChromSizes) -> Result<Line, String> {
        let columns = Columns::parse(line)?;
        let (mut gene_id, mut transcript_id, mut name, mut biotype): (&[u8], &[u8], &[u8], &[u8]) = (b"", b"", b"", b"");
        let mut tags = TranscriptDraft::default();
        self.attributes.read(columns.attributes);
        for (key, value) in self.attributes.iter() {
            match key {
                b"gene_id" => gene_id = value,
                b"transcript_id" => transcript_id = value,
                b"gene_name" => name = value,
                b"gene" if name.is_empty() => name = value, // NCBI
                b"gene_type" | b"gene_biotype" => biotype = value,
                b"tag" => tags.tag(value),
                _ => {}
            }
        }
        if gene_id.is_empty() {
            return Err("no gene_id".to_owned());
        }
        let strand = columns.strand.map_or(b'.', |s| s.symbol() as u8);
        self.key.clear();
        self.key.extend_from_slice(gene_id);
        self.key.extend_from_slice(&[0, strand]);
        self.key.extend_from_slice(columns.chrom);
        let gene = self.genes.place(&self.key, || {
            let chrom = self.drafts.chrom(columns.chrom, genome);
            self.drafts.add_gene(GeneDraft { id: clean(gene_id), chrom, strand: columns.strand, ..GeneDraft::default() })
        });
        let draft = self.drafts.gene(gene);
        if draft.name.is_empty() && !name.is_empty() {
            draft.name = clean(name);
        }
        if draft.biotype.is_empty() && !biotype.is_empty() {
            draft.biotype = clean(biotype);
        }
        if columns.kind == b"gene" || transcript_id.is_empty() {
            draft.span = join(draft.span, columns.span);
            return Ok(Line::Record);
        }
        self.key.clear();
        self.key.extend_from_slice(transcript_id);
        self.key.push(0);
        self.key.extend_from_slice(&gene.to_le_bytes());
        let transcript = self.transcripts.place(&self.key, || {
            let draft = TranscriptDraft { id: clean(transcript_id), ..TranscriptDraft::default() };
            self.drafts.add_transcript(gene, draft)
        });
        let draft = self.drafts.transcript(transcript);
        draft.is_canonical |= tags.is_canonical;
        draft.is_mane |= tags.is_mane;
        match columns.kind {
            b"exon" => draft.exons.push(columns.span),
            b"CDS" => draft.cds = join(draft.cds, columns.span),
            _ => draft.span = join(draft.span, columns.span),
        }
        Ok(Line::Record)
    }
}

/// The ninth column, taken apart: `key "value";`, also without quotes, with `=`, with a `;` or an escaped quote inside.
///
/// Lines of one transcript mostly begin with the same ids and names: what a column begins with as the one before it did is not
/// taken apart again.
#[derive(Default)]
pub(super) struct Attributes {
    column: Vec<u8>,
    found: Vec<Attribute>,
}

/// Where in the column a key and its value stand, and where the next may begin.
struct Attribute {
    key: Range<usize>,
    value: Range<usize>,
    end: usize,
}

impl Attributes {
    /// Takes a column apart.
    pub(super) fn read(&mut self, column: &[u8]) {
        const STEP: usize = 16;
        let steps = column.chunks_exact(STEP).zip(self.column.chunks_exact(STEP));
        let same = STEP * steps.take_while(|(new, old)| new == old).count();
        // The byte at its end ends a value without quotes, so that it has to be the same too.
        self.found.truncate(self.found.partition_point(|attribute| attribute.end < same));
        let mut at = self.found.last().map_or(0, |attribute| attribute.end);
        self.column.truncate(at);
        self.column.extend_from_slice(&column[at..]);
        while let Some(attribute) = Attribute::read(&self.column, at) {
            at = attribute.end;
            self.found.push(attribute);
        }
    }

    /// Keys and values, in the order of the column.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.found.iter().map(|Attribute { key, value, .. }| (&self.column[key.clone()], &self.column[value.clone()]))
    }
}

impl Attribute {
    /// The next one at or after a place of a column.
    fn read(column: &[u8], at: usize) -> Option<Self> {
        let skip = |at: usize, is_skipped: fn(&u8) -> bool| at + column[at..].iter().take_while(|b| is_skipped(b)).count();
        let start = skip(at, |&b| b.is_ascii_whitespace() || b == b';');
        let is_end = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'=' | b';' | b'"');
        let key = start..start + column[start..].iter().position(is_end)?;
        let after = skip(key.end, u8::is_ascii_whitespace);
        let from = if column.get(after) == Some(&b'=') { skip(after + 1, u8::is_ascii_whitespace) } else { after };
        if column.get(from) == Some(&b'"') {
            let from = from + 1;
            let quoted = &column[from..];
            let is_closing = |&i: &usize| i == 0 || quoted[i - 1] != b'\\';
            let closing = memchr::memchr_iter(b'"', quoted).find(is_closing);
            let value = from..from + closing.unwrap_or(quoted.len());
            return Some(Self { key, end: column.len().min(value.end + 1), value });
        }
        let end = memchr::memchr(b';', &column[from..]).map_or(column.len(), |n| from + n);
        Some(Self { key, value: from..from + column[from..end].trim_ascii_end().len(), end })
    }
}
