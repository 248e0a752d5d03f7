//! What GTF, GFF3 and GeneHancer's GFF share: nine columns, and genes put together from their pieces.

use super::lines::{clean, parse_position, parse_score, quote};
use super::{Feature, Loaded, TrackError};
use crate::genome::{ChromSizes, Gene, Genes, Region, Strand, Transcript, TssChoice};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The columns of a line; the span 0-based half-open.
pub(super) struct Columns<'a> {
    pub chrom: &'a [u8],
    pub kind: &'a [u8],
    pub span: (u64, u64),
    pub score: Option<f32>,
    pub strand: Option<Strand>,
    pub attributes: &'a [u8],
}

impl<'a> Columns<'a> {
    /// Splits a line at its tabs. The file's positions are 1-based and inclusive.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, String> {
        let mut columns = [&b""[..]; 9];
        let mut split = line.splitn(9, |&b| b == b'\t');
        for (i, column) in columns.iter_mut().enumerate() {
            *column = split.next().ok_or_else(|| format!("{i} columns where 9 are needed: {}", quote(line)))?;
        }
        let [chrom, _, kind, start, end, score, strand, _, attributes] = columns;
        let [chrom, kind, start, end] = [chrom, kind, start, end].map(<[u8]>::trim_ascii);
        let [score, strand, attributes] = [score, strand, attributes].map(<[u8]>::trim_ascii);
        let position = |text| parse_position(text).filter(|&p| p > 0).ok_or_else(|| format!("{} is no position", quote(text)));
        let (first, last) = (position(start)?, position(end)?);
        if last < first {
            return Err(format!("the end {last} lies before the start {first}"));
        }
        if chrom.is_empty() {
            return Err("no chromosome".to_owned());
        }
        let strand = std::str::from_utf8(strand).ok().and_then(Strand::parse);
        Ok(Self { chrom, kind, span: (first - 1, last), score: parse_score(score), strand, attributes })
    }
}

/// A gene so far.
#[derive(Default)]
pub(super) struct GeneDraft {
    pub id: String,
    pub name: String,
    pub biotype: String,
    pub chrom: Arc<str>,
    pub strand: Option<Strand>,
    pub span: Option<(u64, u64)>,
}

/// A transcript so far.
#[derive(Default)]
pub(super) struct TranscriptDraft {
    pub id: String,
    pub span: Option<(u64, u64)>,
    pub exons: Vec<(u64, u64)>,
    pub cds: Option<(u64, u64)>,
    pub is_canonical: bool,
    pub is_mane: bool,
}

/// The pieces of an annotation in any order.
#[derive(Default)]
pub(super) struct Drafts {
    genes: Vec<(GeneDraft, Vec<usize>)>,
    transcripts: Vec<TranscriptDraft>,
    chroms: HashMap<Vec<u8>, Arc<str>>,
}

/// Makes genes of the lines of an annotation, in any order.
pub(super) trait GeneLines {
    /// Takes in a line.
    fn read(&mut self, line: &[u8], genome: &ChromSizes) -> Result<(), String>;

    /// The genes, and how many were left out for want of a strand.
    fn genes(self: Box<Self>) -> (Vec<Gene>, usize);
}

/// A gene as an interval with its chromosome: its canonical transcript, with exons as blocks.
pub(super) fn model_of(gene: &Gene) -> (String, Feature) {
    let transcript = gene.transcript(TssChoice::default());
    let feature = Feature {
        start: transcript.start,
        end: transcript.end,
        name: gene.name.clone(),
        strand: Some(gene.strand),
        blocks: transcript.exons.clone(),
        ..Feature::default()
    };
    (gene.region.chrom.to_string(), feature)
}

/// The smallest span with both.
pub(super) fn join(a: Option<(u64, u64)>, b: (u64, u64)) -> Option<(u64, u64)> {
    Some(a.map_or(b, |a| (a.0.min(b.0), a.1.max(b.1))))
}

impl Drafts {
    /// The genome's name of a chromosome of the file, or the file's where the genome does not know it.
    pub(super) fn chrom(&mut self, name: &[u8], genome: &ChromSizes) -> Arc<str> {
        if let Some(chrom) = self.chroms.get(name) {
            return chrom.clone();
        }
        let text = clean(name);
        let chrom = genome.resolve(&text).cloned().unwrap_or_else(|| text.into());
        self.chroms.insert(name.to_vec(), chrom.clone());
        chrom
    }

    pub(super) fn add_gene(&mut self, gene: GeneDraft) -> usize {
        self.genes.push((gene, Vec::new()));
        self.genes.len() - 1
    }

    pub(super) fn gene(&mut self, gene: usize) -> &mut GeneDraft {
        &mut self.genes[gene].0
    }

    pub(super) fn add_transcript(&mut self, gene: usize, transcript: TranscriptDraft) -> usize {
        self.transcripts.push(transcript);
        self.genes[gene].1.push(self.transcripts.len() - 1);
        self.transcripts.len() - 1
    }

    pub(super) fn transcript(&mut self, transcript: usize) -> &mut TranscriptDraft {
        &mut self.transcripts[transcript]
    }

    /// The genes. One that has no transcript is its own; one without a strand is left out and counted.
    pub(super) fn finish(self, path: &Path, genome: &ChromSizes, mut warnings: Vec<String>) -> Result<Loaded<Genes>, TrackError> {
        let (genes, strandless) = self.genes();
        if strandless > 0 {
            warnings.push(format!("{}: genes without a strand, left out: {strandless}", path.display()));
        }
        if genes.is_empty() {
            return Err(TrackError::malformed(path, "whole file", "no gene in it"));
        }
        Ok(Loaded { value: Genes::new(genes, |chrom| genome.rank(chrom)), warnings })
    }

    /// The genes, in the order of the file, and how many have no strand.
    pub(super) fn genes(mut self) -> (Vec<Gene>, usize) {
        let (mut genes, mut strandless) = (Vec::with_capacity(self.genes.len()), 0);
        for (draft, transcripts) in self.genes {
            let mut transcripts: Vec<Transcript> =
                transcripts.into_iter().filter_map(|i| std::mem::take(&mut self.transcripts[i]).finish()).collect();
            if let (true, Some((start, end))) = (transcripts.is_empty(), draft.span) {
                transcripts.push(Transcript {
                    id: draft.id.clone(),
                    start,
                    end,
                    exons: vec![(start, end)],
                    ..Transcript::default()
                });
            }
            let span = transcripts.iter().fold(draft.span, |span, t| join(span, (t.start, t.end)));
            let Some((start, end)) = span else { continue };
            let Some(strand) = draft.strand else {
                strandless += 1;
                continue;
            };
            let name = if draft.name.is_empty() { draft.id.clone() } else { draft.name };
            let region = Region::new(draft.chrom, start, end);
            genes.push(Gene { id: draft.id, name, biotype: draft.biotype, region, strand, transcripts });
        }
        (genes, strandless)
    }
}

impl TranscriptDraft {
    fn finish(mut self) -> Option<Transcript> {
        self.exons.sort_unstable();
        self.exons.dedup();
        let span = self.exons.iter().chain(&self.cds).fold(self.span, |span, &piece| join(span, piece));
        let (start, end) = span?;
        if self.exons.is_empty() {
            self.exons.push((start, end));
        }
        let Self { id, exons, cds, is_canonical, is_mane, .. } = self;
        Some(Transcript { id, start, end, exons, cds, is_canonical, is_mane })
    }

    /// Reads a tag of GENCODE, Ensembl or NCBI.
    pub(super) fn tag(&mut self, tag: &[u8]) {
        match tag {
            b"MANE_Select" | b"MANE Select" => self.is_mane = true,
            b"Ensembl_canonical" | b"RefSeq Select" => self.is_canonical = true,
            _ => {}
        }
    }
}
