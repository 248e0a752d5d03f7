//! Places on a genome: regions, genes, chromosome sizes, sequence, a model's window and its bins.
//!
//! Inside the program every interval is 0-based and half-open. What a person types or reads is 1-based and inclusive;
//! the two meet only in [`Locus`] and [`Region`]'s `Display`.

mod chrom_sizes;
mod gene;
mod locus;
mod pattern;
mod region;
mod sequence;
mod window;

pub use chrom_sizes::{ChromSizes, ChromSizesError};
pub(crate) use gene::unversioned;
pub use gene::{Gene, GeneId, Genes, Transcript, TssChoice};
pub use locus::{Locus, LocusError};
pub use pattern::{Pattern, PatternError, amino_acid, translate};
pub use region::{Region, Strand};
pub use sequence::{BASES, BaseOrder, complement, reverse_complement};
pub use window::{Stretch, Window};

pub(crate) use region::thousands;
