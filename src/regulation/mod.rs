//! What is read off attention and attributions: significant bins, co-operating elements, enrichment, factors and motifs. One
//! analysis a file.

pub mod gene_sets;
pub mod minimal_change;
pub mod statistics;
pub mod variants;
