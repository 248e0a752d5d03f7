//! Files of signals, features, genes, sequence and expression. One file a format, its writer beside its reader.
//!
//! Readers return errors and never panic; what they skip they count and say. Positions are 0-based half-open here whatever
//! the file's own convention.

mod ahead;
mod annotation;
#[cfg(test)]
mod annotation_tests;
mod annotation_write;
mod arcs;
mod base_table;
pub mod bed;
mod bed_methyl;
mod bed_write;
mod bedgraph;
mod bigbed;
pub mod bigwig;
mod bigwig_write;
mod bin_table;
mod chain;
mod error;
mod expression;
pub mod fasta;
mod fasta_write;
mod feature;
mod format;
mod gene_index;
pub mod genehancer;
pub mod gff3;
pub mod gtf;
mod interval_signal;
mod lines;
mod npy;
mod npz;
mod npz_rows;
mod read_counts;
mod reading;
mod remote;
mod renamed;
mod signal;
mod source;
mod tabix;
mod tabix_genes;
mod tabix_signal;
mod text;
mod two_bit;
pub mod vcf;
mod whole_text;
mod wig;
mod write;

pub use annotation_write::{epd_line, genehancer_line, gtf_lines, narrow_peak_line};
pub use bed_write::{bed_line, bed12_line, write_bed, write_bedgraph};
pub use bigwig::{contain_panic, is_contained_panic};
pub use bigwig_write::{SignalInterval, write_bigwig};
pub use bin_table::{
    BinGene, BinTable, BinTableSignal, PUBLISHED_BIN_SIZE, PUBLISHED_MARK_ORDERS, genome_of_bin_tables, is_base_table,
    is_bin_table,
};
pub use chain::{Chains, MIN_MATCH, Unmapped};
pub use error::{Loaded, TrackError};
pub use expression::{Expression, ExpressionColumns, Unmatched};
pub use fasta_write::{write_bgzip, write_bgzip_fasta};
pub use feature::{Feature, Features, Link};
pub use format::{FORMATS, Format, Kind, detect, format_of, mismatch, open, open_methylation, open_row};
pub use gene_index::{forget_genes, keep_genes_in, kept_genes};
pub use lines::clean_text;
pub use npy::{Array, Values, read_npy, write_npy};
pub use npz::{NpzReader, npz_from_bytes, npz_to_bytes, write_npz};
pub use npz_rows::NpzRows;
pub use read_counts::{ReadTally, count_reads};
pub use reading::{WATCHED_BYTES, while_telling};
pub use remote::{fetch_text, is_url, is_wanted, locate, while_wanted};
pub use signal::{Column, SignalReader, SignalUnit, columns_of_values};
pub use text::read_text_lines;
pub use vcf::{Variant, read_variants};
pub use whole_text::{read_text, read_text_or_pipe};
pub use write::write_whole;

use crate::genome::{ChromSizes, Genes, Region};
use std::sync::Arc;

/// Reads bases of a reference genome.
pub trait SequenceReader: Send {
    /// Chromosomes of the file.
    fn chroms(&self) -> &ChromSizes;

    /// The bases of `region`, upper case, exactly `region.len()` of them; `N` past the chromosome's end.
    fn bases(&mut self, region: &Region) -> Result<Vec<u8>, TrackError>;
}

/// Reads intervals from an indexed file, part by part.
pub trait FeatureReader: Send {
    /// Chromosomes of the file, by its own names.
    fn chroms(&self) -> &ChromSizes;

    /// The intervals of `region` (the genome's chromosome names), as [`Features`] that cover just it.
    fn features(&mut self, region: &Region) -> Result<Features, TrackError>;
}

/// What opening a file gives.
pub enum Track {
    /// Values along the genome.
    Signal(Box<dyn SignalReader>),
    /// Intervals with names and scores.
    Features(Arc<Features>),
    /// The same behind an index: read for the part of the genome that is seen.
    Indexed(Box<dyn FeatureReader>),
    /// Gene models.
    Genes(Arc<Genes>),
    /// A reference sequence.
    Sequence(Box<dyn SequenceReader>),
}
