//! What is read off attention and attributions: significant bins, co-operating elements, enrichment, factors and motifs. One
//! analysis a file.

pub mod association;
pub mod attention;
pub mod cores;
pub mod disagreement;
pub mod enrichment;
pub mod gene_sets;
pub mod minimal_change;
pub mod motif_analysis;
pub mod over_samples;
pub mod planted;
pub mod significance;
pub mod statistics;
pub mod tf_importance;
pub mod variants;
