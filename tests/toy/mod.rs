//! A session small enough for every network: two genes and their twins, copied reverse-complemented onto the other strand of
//! another chromosome, and a model of each architecture with random weights.

use candle_core::{DType, Device, Tensor};
use cislens::genome::{ChromSizes, reverse_complement};
use cislens::models::{MODELS, Manifest, Orientation, Weights, architecture, save_model};
use cislens::tracks::{SignalInterval, write_bgzip_fasta, write_bigwig};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Bases of each chromosome.
pub const LEN: u64 = 3_000;
/// TSS of the genes on the forward strand of chromosome `a`; the second one's window reaches past the chromosome's start.
pub const TSS: [u64; 2] = [1_400, 200];
/// Bases of each model's window.
pub const WINDOW: u64 = 600;
/// Bases of a gene.
const GENE: u64 = 500;

/// Writes the session and gives its file.
pub fn write_session(folder: &Path) -> std::path::PathBuf {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut bases: Vec<u8> = (0..LEN).map(|_| b"ACGT"[random.random_range(0..4)]).collect();
    bases[1_350..1_360].fill(b'N');
    write_bgzip_fasta(&folder.join("toy.fa.gz"), &[("a", &bases), ("b", &reverse_complement(&bases))]).unwrap();
    let genes: String = TSS
        .iter()
        .enumerate()
        .map(|(i, &tss)| {
            let line = |name: &str, chrom: &str, start: u64, end: u64, strand: char| {
                let ids = format!("gene_id \"{name}\"; gene_name \"{name}\"; transcript_id \"{name}.t\";");
                format!("{chrom}\ttoy\texon\t{}\t{end}\t.\t{strand}\t.\t{ids}\n", start + 1)
            };
            let forward = line(&format!("ONE{i}"), "a", tss, tss + GENE, '+');
            forward + &line(&format!("TWIN{i}"), "b", LEN - tss - GENE, LEN - tss, '-')
        })
        .collect();
    std::fs::write(folder.join("genes.gtf"), genes).unwrap();
    std::fs::write(folder.join("tpm.tsv"), "gene_id\ttoy\nONE0\t7.5\nTWIN0\t7.5\nONE1\t0\nTWIN1\t0\n").unwrap();
    let mut session =
        "version = 1\nnote = \"made up\"\n[genome]\nname = \"toy1\"\nfasta = \"toy.fa.gz\"\ngenes = \"genes.gtf\"\n".to_owned();
    session += "[[sample]]\nname = \"toy\"\nexpression = { file = \"tpm.tsv\" }\n";
    let sizes = ChromSizes::parse(&format!("a {LEN}\nb {LEN}")).unwrap();
    for mark in marks() {
        let forward = signal(&mut random);
        let twin = forward.iter().rev().map(|i| SignalInterval { start: LEN - i.end, end: LEN - i.start, ..*i }).collect();
        let chroms: [(Arc<str>, Vec<SignalInterval>); 2] = [("a".into(), forward), ("b".into(), twin)];
        write_bigwig(&folder.join(format!("toy_{mark}.bw")), &sizes, &chroms, &[]).unwrap();
        session += &format!("[[track]]\nfile = \"toy_{mark}.bw\"\nsample = \"toy\"\nmark = \"{mark}\"\n");
    }
    for architecture in MODELS {
        write_model(&folder.join(architecture.name), &manifest(architecture.name));
        session += &format!("[[model]]\npath = \"{}\"\n", architecture.name);
    }
    let path = folder.join("session.toml");
    std::fs::write(&path, session).unwrap();
    path
}

/// Every mark any network reads by default.
fn marks() -> BTreeSet<String> {
    MODELS.iter().flat_map(|a| a.default_manifest().input.marks).collect()
}

/// Steps of 5 to 40 bases with gaps between some.
fn signal(random: &mut ChaCha8Rng) -> Vec<SignalInterval> {
    let (mut intervals, mut start) = (Vec::new(), 0);
    while start < LEN {
        let end = (start + random.random_range(5..40)).min(LEN);
        if random.random_range(0..5) > 0 {
            intervals.push(SignalInterval { start, end, value: random.random_range(0..9_u8).into() });
        }
        start = end;
    }
    intervals
}

/// An architecture as it comes, but for a short window that runs with the gene.
pub fn manifest(name: &str) -> Manifest {
    let mut manifest = architecture(name).unwrap().default_manifest();
    name.clone_into(&mut manifest.name);
    (manifest.window.length, manifest.window.tss_index) = (WINDOW, WINDOW / 2);
    if let Some(tts) = &mut manifest.window.tts {
        // The genes are short: both stretches share bases.
        (manifest.window.tss_index, tts.length, tts.index) = (20, WINDOW / 2, WINDOW / 2 - 50);
    }
    manifest.input.tfs = Default::default();
    if manifest.input.bin_size > 1 {
        manifest.input.bin_size = WINDOW / 30; // more bins than a kernel and a pool span
    }
    manifest.orientation = Orientation::Gene;
    manifest
}

/// Writes a model with random weights.
pub fn write_model(folder: &Path, manifest: &Manifest) {
    let weights = Weights::fresh(3, DType::F32, &Device::Cpu);
    (architecture(&manifest.architecture).unwrap().build)(&weights, manifest.clone()).unwrap();
    let tensors: std::collections::BTreeMap<String, Tensor> =
        weights.saved().into_iter().map(|(name, v)| (name, v.as_tensor().clone())).collect();
    save_model(folder, manifest, &tensors).unwrap();
}
