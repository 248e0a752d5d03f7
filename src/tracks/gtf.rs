//! GTF 2.2 as GENCODE, Ensembl, NCBI and UCSC write it.
//!
//! Genes are made from the `gene_id` of any line, so files without gene or transcript lines (UCSC's) are read too. Lines are
//! scanned by hand: building a map of attributes for each of three million lines takes four times as long.

use super::annotation::{Columns, Drafts, GeneDraft, GeneLines, TranscriptDraft, join};
use super::lines::{Line, clean, read_records};
use super::{Loaded, TrackError};
use crate::genome::{ChromSizes, Gene, Genes};
use std::collections::HashMap;
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
        for (key, value) in attributes(columns.attributes) {
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

/// Keys and values of the ninth column: `key "value";`, also without quotes, with `=`, with a `;` or an escaped quote inside.
pub(super) fn attributes(column: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = column;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        while let Some(after) = rest.strip_prefix(b";") {
            rest = after.trim_ascii_start();
        }
        let key_end = rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'=' | b';' | b'"'))?;
        let (key, after) = rest.split_at(key_end);
        rest = after.trim_ascii_start();
        rest = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii_start();
        let value = match rest.strip_prefix(b"\"") {
            Some(quoted) => {
                let is_end = |&i: &usize| i == 0 || quoted[i - 1] != b'\\';
                let end = memchr::memchr_iter(b'"', quoted).find(is_end).unwrap_or(quoted.len());
                rest = quoted.get(end + 1..).unwrap_or(&[]);
                &quoted[..end]
            }
            None => {
                let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
                let value = rest[..end].trim_ascii();
                rest = &rest[end..];
                value
            }
        };
        Some((key, value))
    })
}
