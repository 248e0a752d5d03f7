//! GFF3 as Ensembl, GENCODE and NCBI write it: genes, their transcripts and exons, tied by `ID` and `Parent`.

use super::annotation::{Columns, Drafts, GeneDraft, GeneLines, TranscriptDraft, join};
use super::lines::{Line, clean, read_records};
use super::{Loaded, TrackError};
use crate::genome::{ChromSizes, Gene, Genes};
use std::collections::HashMap;
use std::path::Path;

/// Reads the genes of a GFF3. Features that are neither genes nor parts of one are passed over.
pub fn open(path: &Path, genome: &ChromSizes) -> Result<Loaded<Genes>, TrackError> {
    let mut reader = Reader::default();
    let mut warnings = read_records(path, "a GFF3 line of a gene or its parts", |line| {
        if line.starts_with(b"##FASTA") || line[0] == b'>' {
            return Ok(Line::End);
        }
        if line[0] == b'#' { Ok(Line::Other) } else { reader.take(line, genome) }
    })?;
    let orphans = reader.settle();
    if orphans > 0 {
        warnings.push(format!("{}: lines whose parent is not in the file, left out: {orphans}", path.display()));
    }
    reader.drafts.finish(path, genome, warnings)
}

/// What an `ID` stands for.
#[derive(Clone, Copy)]
enum Place {
    Gene(usize),
    Transcript(usize),
    /// A part of a transcript that is itself a parent (NCBI's miRNAs).
    Passed,
}

/// A line that came before its parent.
struct Waiting {
    parent: Vec<u8>,
    piece: Piece,
}

enum Piece {
    Exon((u64, u64)),
    Cds((u64, u64)),
    Transcript(Vec<u8>, TranscriptDraft),
}

#[derive(Default)]
pub(super) struct Reader {
    drafts: Drafts,
    places: HashMap<Vec<u8>, Place>,
    /// The transcript that stands for a gene whose exons hang on it directly.
    own: HashMap<usize, usize>,
    waiting: Vec<Waiting>,
}

#[derive(Default)]
struct Attributes<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    name: &'a [u8],
    gene_id: &'a [u8],
    transcript_id: &'a [u8],
    biotype: &'a [u8],
    tags: TranscriptDraft,
}

impl<'a> Attributes<'a> {
    fn parse(column: &'a [u8]) -> Self {
        let mut found = Self::default();
        for (key, value) in pairs(column) {
            match key {
                b"ID" => found.id = value,
                b"Parent" => found.parent = value,
                b"Name" | b"gene_name" => found.name = value,
                b"gene" if found.name.is_empty() => found.name = value,
                b"gene_id" => found.gene_id = value,
                b"transcript_id" => found.transcript_id = value,
                b"biotype" | b"gene_type" | b"gene_biotype" => found.biotype = value,
                b"tag" => value.split(|&b| b == b',').for_each(|tag| found.tags.tag(&decode(tag))),
                _ => {}
            }
        }
        found
    }
}

impl GeneLines for Reader {
    fn read(&mut self, line: &[u8], genome: &ChromSizes) -> Result<(), String> {
        self.take(line, genome).map(|_| ())
    }

    fn genes(mut self: Box<Self>) -> (Vec<Gene>, usize) {
        self.settle(); // what has its parent elsewhere is no part of a gene here
        self.drafts.genes()
    }
}

impl Reader {
    fn take(&mut self, line: &[u8], genome: &ChromSizes) -> Result<Line, String> {
        let columns = Columns::parse(line)?;
        let kind = columns.kind;
        let is_part = matches!(kind, b"exon" | b"CDS" | b"pseudogenic_exon");
        let is_passed = kind.ends_with(b"UTR") || kind.ends_with(b"_codon") || kind.ends_with(b"region") || kind == b"intron";
        if is_passed {
            return Ok(Line::Other);
        }
        let attributes = Attributes::parse(columns.attributes);
        if attributes.parent.is_empty() {
            return Ok(self.read_root(&columns, attributes, genome));
        }
        for parent in attributes.parent.split(|&b| b == b',') {
            let piece = match kind {
                b"CDS" => Piece::Cds(columns.span),
                _ if is_part => Piece::Exon(columns.span),
                _ => {
                    let id = if attributes.transcript_id.is_empty() { stem(attributes.id) } else { attributes.transcript_id };
                    let TranscriptDraft { is_canonical, is_mane, .. } = attributes.tags;
                    let span = Some(columns.span);
                    let draft = TranscriptDraft { id: decoded(id), span, is_canonical, is_mane, ..TranscriptDraft::default() };
                    Piece::Transcript(attributes.id.to_vec(), draft)
                }
            };
            self.attach(parent, piece);
        }
        Ok(Line::Record)
    }

    /// A line without a parent: a gene, or a transcript that is its own gene, or nothing of use.
    fn read_root(&mut self, columns: &Columns<'_>, attributes: Attributes<'_>, genome: &ChromSizes) -> Line {
        let Attributes { id, gene_id, .. } = attributes;
        let kind = columns.kind;
        let is_transcript = kind == b"mRNA" || kind.ends_with(b"transcript") || kind.ends_with(b"RNA");
        let is_gene = id.starts_with(b"gene:") || id.starts_with(b"gene-") || memchr::memmem::find(kind, b"gene").is_some();
        if !(is_gene || is_transcript) || (id.is_empty() && gene_id.is_empty()) {
            return Line::Other;
        }
        let gene_name = if gene_id.is_empty() { stem(id) } else { gene_id };
        let gene = self.drafts.chrom(columns.chrom, genome);
        let gene = self.drafts.add_gene(GeneDraft {
            id: decoded(gene_name),
            name: decoded(attributes.name),
            biotype: decoded(attributes.biotype),
            chrom: gene,
            strand: columns.strand,
            span: Some(columns.span),
        });
        let place = match is_gene {
            true => Place::Gene(gene),
            false => {
                let draft = TranscriptDraft { id: decoded(gene_name), span: Some(columns.span), ..attributes.tags };
                Place::Transcript(self.drafts.add_transcript(gene, draft))
            }
        };
        self.places.insert(id.to_vec(), place);
        Line::Record
    }

    /// Puts a piece where its parent is, or keeps it where that has not come yet.
    fn attach(&mut self, parent: &[u8], piece: Piece) {
        let Some(&place) = self.places.get(parent) else {
            self.waiting.push(Waiting { parent: parent.to_vec(), piece });
            return;
        };
        match (piece, place) {
            (Piece::Transcript(id, draft), Place::Gene(gene)) => {
                let transcript = self.drafts.add_transcript(gene, draft);
                self.places.insert(id, Place::Transcript(transcript));
            }
            (Piece::Transcript(id, _), _) => {
                self.places.entry(id).or_insert(Place::Passed);
            }
            (Piece::Exon(span), place) => {
                if let Some(transcript) = self.transcript_at(place) {
                    transcript.exons.push(span);
                }
            }
            (Piece::Cds(span), place) => {
                if let Some(transcript) = self.transcript_at(place) {
                    transcript.cds = join(transcript.cds, span);
                }
            }
        }
    }

    fn transcript_at(&mut self, place: Place) -> Option<&mut TranscriptDraft> {
        let transcript = match place {
            Place::Transcript(transcript) => transcript,
            Place::Gene(gene) => match self.own.get(&gene) {
                Some(&own) => own,
                None => {
                    let id = self.drafts.gene(gene).id.clone();
                    let own = self.drafts.add_transcript(gene, TranscriptDraft { id, ..TranscriptDraft::default() });
                    self.own.insert(gene, own);
                    own
                }
            },
            Place::Passed => return None,
        };
        Some(self.drafts.transcript(transcript))
    }

    /// Attaches the lines that came before their parents; gives the number of those whose parent never came.
    fn settle(&mut self) -> usize {
        for _ in 0..3 {
            // gene, transcript, exon: three levels, whatever a hostile file claims
            for Waiting { parent, piece } in std::mem::take(&mut self.waiting) {
                self.attach(&parent, piece);
            }
        }
        self.waiting.len()
    }
}

/// Keys and values of the ninth column, `key=value;...`, still encoded.
pub(super) fn pairs(column: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    column.split(|&b| b == b';').filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        Some((pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()))
    })
}

/// `gene:ENSG1` and `gene-MYC` without their prefix.
fn stem(id: &[u8]) -> &[u8] {
    [&b"gene:"[..], b"gene-", b"transcript:", b"rna-"].iter().find_map(|prefix| id.strip_prefix(*prefix)).unwrap_or(id)
}

/// GFF3 writes `;`, `=`, `,` and `%` inside a value as `%3B` and so on.
fn decode(value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, after)) = rest.split_first() {
        let hex = if first == b'%' { after.get(..2).and_then(|h| std::str::from_utf8(h).ok()) } else { None };
        match hex.filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

/// A value as shown.
pub(super) fn decoded(value: &[u8]) -> String {
    clean(&decode(value))
}
