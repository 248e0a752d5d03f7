//! What is simulated: chromosomes, genes, elements and samples, as plain data.

use super::motif_table::MotifTable;
use crate::genome::{Gene, Strand};
use std::sync::Arc;

/// Name of the assembly.
pub(super) const ASSEMBLY: &str = "sim1";

/// How much is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// 10 Mb, 1,390 genes, 4 full and 20 panel samples.
    #[default]
    Full,
    /// 0.3 Mb, 32 genes, 2 full and 2 panel samples: for tests.
    Small,
}

impl Scale {
    /// Name, length and number of genes of each chromosome.
    pub(super) fn chroms(self) -> &'static [(&'static str, u64, usize)] {
        match self {
            Self::Full => &[("chr1", 4_000_000, 556), ("chr2", 3_400_000, 474), ("chr3", 2_600_000, 360)],
            Self::Small => &[("chr1", 140_000, 14), ("chr2", 100_000, 10), ("chr3", 80_000, 8)],
        }
    }

    /// Number of full and of panel samples.
    pub(super) fn samples(self) -> (usize, usize) {
        match self {
            Self::Full => (4, 20),
            Self::Small => (2, 2),
        }
    }
}

/// Everything that was decided before any signal is drawn.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) table: MotifTable,
    pub(super) chroms: Vec<Chrom>,
    /// By chromosome and position.
    pub(super) genes: Vec<GenePlan>,
    /// By chromosome and position.
    pub(super) elements: Vec<Element>,
    pub(super) samples: Vec<Sample>,
}

/// One chromosome.
pub(super) struct Chrom {
    pub(super) name: Arc<str>,
    pub(super) bases: Vec<u8>,
    /// Unknown sequence: `N`, and no signal.
    pub(super) gap: (u64, u64),
    /// Stretches of heterochromatin between genes.
    pub(super) heterochromatin: Vec<(u64, u64)>,
}

/// A CpG island over a promoter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Island {
    pub(super) start: u64,
    pub(super) end: u64,
    /// 0 to 1: density of CpG, and length.
    pub(super) strength: f64,
}

/// How the chromatin of a gene looks where it is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silencing {
    /// H3K27me3.
    Polycomb,
    /// H3K9me3.
    Heterochromatin,
    /// No mark.
    Unmarked,
}

/// One gene and what regulates it.
pub(super) struct GenePlan {
    pub(super) gene: Gene,
    /// Index of the chromosome.
    pub(super) chrom: usize,
    /// Start of the canonical transcript.
    pub(super) tss: u64,
    /// A second start downstream.
    pub(super) second_tss: Option<u64>,
    /// Driven by ubiquitous factors.
    pub(super) is_housekeeping: bool,
    /// Kinds of sample a tissue-specific gene is made for; for a housekeeping gene, of its enhancers.
    pub(super) lineages: Vec<usize>,
    pub(super) island: Option<Island>,
    pub(super) silencing: Silencing,
    /// Index of its promoter.
    pub(super) promoter: usize,
    /// Index of the promoter of its second start.
    pub(super) second_promoter: Option<usize>,
    /// Enhancers that work alone.
    pub(super) enhancers: Vec<usize>,
    /// Two enhancers that work only together.
    pub(super) pair: Option<(usize, usize)>,
}

impl GenePlan {
    pub(super) fn strand(&self) -> Strand {
        self.gene.strand
    }

    /// The position `offset` bases downstream of `origin` (upstream where negative).
    pub(super) fn along(&self, origin: u64, offset: i64) -> u64 {
        along(origin, self.strand(), offset)
    }
}

/// The position `offset` bases downstream of `origin` on `strand`; 0 where that lies before the chromosome.
pub(super) fn along(origin: u64, strand: Strand, offset: i64) -> u64 {
    let signed = if strand == Strand::Forward { offset } else { -offset };
    origin.saturating_add_signed(signed)
}

/// What an element is; the text is that of `truth.tsv`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElementKind {
    Promoter,
    SecondPromoter,
    Enhancer,
    /// Motif instances where no factor binds: no mark, no effect.
    DecoyClosed,
    /// Bound, linked to no gene, and marked as a poised enhancer: open, with H3K4me1 (some with H3K4me3 too) and Polycomb's mark.
    DecoyPeak,
    /// CTCF: open, drives nothing.
    DecoyInsulator,
}

impl ElementKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Promoter => "promoter",
            Self::SecondPromoter => "second_promoter",
            Self::Enhancer => "enhancer",
            Self::DecoyClosed => "decoy_closed",
            Self::DecoyPeak => "decoy_peak",
            Self::DecoyInsulator => "decoy_insulator",
        }
    }

    pub(super) fn is_decoy(self) -> bool {
        matches!(self, Self::DecoyClosed | Self::DecoyPeak | Self::DecoyInsulator)
    }
}

/// A regulatory element, or a decoy.
pub(super) struct Element {
    pub(super) id: String,
    pub(super) kind: ElementKind,
    pub(super) chrom: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Ascending, disjoint.
    pub(super) instances: Vec<Instance>,
    /// Decoy peaks only: also marked with H3K4me3, as a promoter is.
    pub(super) looks_like_promoter: bool,
}

impl Element {
    pub(super) fn centre(&self) -> u64 {
        self.start + (self.end - self.start) / 2
    }
}

/// A planted motif.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    /// Index into the table.
    pub(super) motif: usize,
    pub(super) start: u64,
    pub(super) strand: Strand,
}

/// A cell type.
pub(super) struct Sample {
    pub(super) name: String,
    /// Index of its lineage.
    pub(super) lineage: usize,
    /// All eight signals over the whole genome; otherwise five around genes.
    pub(super) is_full: bool,
    /// 0 to 1, of each motif's factor.
    pub(super) activity: Vec<f64>,
}
