//! cislens: a terminal genome browser for what gene-regulation models see.
//!
//! Modules in dependency order: each may use only those above it (`tests/architecture.rs` says so, and which crates each may name).
//!
//! | module | what |
//! | --- | --- |
//! | [`genome`] | regions, genes, chromosome sizes, sequence, windows |
//! | [`theme`] | colour roles from `themes/*.toml` |
//! | [`tracks`] | files of signals, features, genes, sequence and expression: one file a format |
//! | [`motifs`] | motif matrices and files, scanning with p-values, seqlets, best matches |
//! | [`session`] | `session.toml`: the genome, samples, tracks and models of one project, opened |
//! | [`models`] | the networks: input assembly, weights, importers, one architecture a file |
//! | [`attribution`] | what in the input a prediction rests on: one method a file |
//! | [`regulation`] | what is read off attributions: significant bins, co-operating elements, enrichment, factors, motifs |
//! | [`training`] | fitting a network to a sample: data, split, fit, metrics |
//! | [`jobs`] | background threads: newest request wins, cancelled ones stop |
//! | [`state`] | everything the user is looking at, plain data, one owner |
//! | [`input`] | actions by name; `keymap.toml` says which key means which |
//! | [`scene`] | what is to be seen, in genome coordinates and numbers |
//! | [`export`] | the scene as a figure, with what made it |
//! | [`ui`] | the scene painted in terminal cells |
//! | [`app`] | the loop: event, action, state, scene, draw |
//! | [`simulate`] | the sample genome, with the truth written beside it |
//! | [`cli`] | arguments to the loop, or one answer and exit |

pub mod genome;
pub mod theme;
pub mod tracks;
pub mod motifs;
pub mod session;
pub mod models;
pub mod attribution;
pub mod regulation;
pub mod training;
pub mod jobs;
pub mod state;
pub mod input;
pub mod scene;
pub mod export;
pub mod ui;
pub mod app;
pub mod simulate;
pub mod cli;
