//! What a long annotation costs: a GTF of GENCODE's shape and size (three million lines, 1.4 GB), opened the first time and after,
//! plain and gzipped.
//!
//! `cargo bench --bench annotation` prints the figures of docs/performance.md; the files stay in the target folder.
//! `cargo test --bench annotation` shows that they can be taken.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use cislens::session::Session;
use cislens::tracks::keep_genes_in;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Genes of the whole file: with their transcripts and exons 3.0 million lines.
const GENES: u64 = 60_000;
const CHROMS: u64 = 24;
const CHROM: u64 = 250_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, session, cache] = args.as_slice()
        && mode == "--open"
    {
        return open(Path::new(session), Path::new(cache));
    }
    let is_full = args.iter().any(|a| a == "--bench");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(if is_full { "annotation" } else { "short-annotation" });
    fs::create_dir_all(&folder).unwrap();
    let plain = folder.join("genes.gtf");
    let packed = folder.join("genes.gtf.gz");
    if !packed.exists() {
        write_gtf(&plain, if is_full { GENES } else { 400 });
        pack(&plain, &packed);
    }
    let mut sizes = String::new();
    (1..=CHROMS).for_each(|i| writeln!(sizes, "chr{i}\t{CHROM}").unwrap());
    fs::write(folder.join("g.sizes"), sizes).unwrap();
    let lines = BufReader::new(File::open(&plain).unwrap()).split(b'\n').count();
    println!("{lines} lines, {} MB, gzipped {} MB", megabytes(&plain), megabytes(&packed));
    for name in ["genes.gtf", "genes.gtf.gz"] {
        let session = folder.join(name).with_extension("toml");
        fs::write(&session, format!("version = 2\n[genome]\nsizes = \"g.sizes\"\ngenes = \"{name}\"\n")).unwrap();
        let cache = folder.join("cache");
        fs::remove_dir_all(&cache).unwrap_or_default();
        for which in ["the first time", "the second", "the third"] {
            println!("{name}, {which}: {}", opened_apart(&session, &cache));
        }
        draw(&session, &folder);
        let begun = Instant::now();
        draw(&session, &folder);
        println!("{name}, kept: cislens render, from its start to the figure on disk: {:.0?}", begun.elapsed());
    }
}

/// Opens a session in a process of its own, whose memory is then that of nothing else.
fn opened_apart(session: &Path, cache: &Path) -> String {
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this).arg("--open").args([session, cache]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn open(session: &Path, cache: &Path) {
    keep_genes_in(cache.to_owned());
    let (begun, busy) = (Instant::now(), processor_time());
    let session = Session::open(session).unwrap();
    let (elapsed, busy) = (begun.elapsed(), processor_time() - busy);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = |what| status.lines().find_map(|l| l.strip_prefix(what)).map_or("?".to_owned(), |kb| kb.trim().to_owned());
    let genes = session.genome.genes.len();
    println!(
        "{genes} genes in {elapsed:.0?} ({busy:.0?} of the processor), memory at most {}, then {}",
        memory("VmHWM:"),
        memory("VmRSS:")
    );
}

/// What this process has used of the processor: what others do meanwhile does not count.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The whole program, with the genes that are kept.
fn draw(session: &Path, folder: &Path) {
    let mut cislens = Command::new(env!("CARGO_BIN_EXE_cislens"));
    cislens.env("XDG_CACHE_HOME", folder.join("xdg")).arg("render").arg(session).args(["--locus", "GENE7", "--out"]);
    let run = |cislens: &mut Command| assert!(cislens.status().unwrap().success());
    run(cislens.arg(folder.join("figure.svg")));
}

fn megabytes(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len() / 1_000_000
}

/// Lines as GENCODE's comprehensive annotation has them: on average four transcripts a gene, six exons each, half of them coding.
fn write_gtf(path: &Path, genes: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    writeln!(out, "##description: a file of GENCODE's shape, made by a benchmark\n##format: gtf").unwrap();
    let step = CHROM / genes.div_ceil(CHROMS);
    for i in 0..genes {
        let (chrom, at) = (1 + i * CHROMS / genes, 10_000 + i % genes.div_ceil(CHROMS) * step / 2);
        let strand = if i % 2 == 0 { '+' } else { '-' };
        let kind = if i % 3 == 0 { "protein_coding" } else { "lncRNA" };
        let gene = format!("gene_id \"ENSG{i:011}.{}\";", i % 17 + 1);
        let names = format!("gene_type \"{kind}\"; gene_name \"GENE{i}\";");
        let tail = format!("hgnc_id \"HGNC:{i}\"; havana_gene \"OTTHUMG{i:011}.3\";");
        let mut line = |what: &str, (from, to): (u64, u64), attributes: &str| {
            writeln!(out, "chr{chrom}\tHAVANA\t{what}\t{}\t{to}\t.\t{strand}\t.\t{attributes}", from + 1).unwrap();
        };
        line("gene", (at, at + 30_000), &format!("{gene} {names} level 2; {tail}"));
        for t in 0..i % 8 + 1 {
            let id = i * 10 + t;
            let own = format!(
                "transcript_id \"ENST{id:011}.{}\"; {names} transcript_type \"{kind}\"; transcript_name \"GENE{i}-20{t}\";",
                t + 1
            );
            let mut tags = String::from("tag \"basic\"; tag \"GENCODE_Primary\"; tag \"appris_alternative_2\";");
            if t == 0 {
                tags.push_str(" tag \"Ensembl_canonical\"; tag \"MANE_Select\";");
            }
            let end = format!(
                "level 2; protein_id \"ENSP{id:011}.1\"; transcript_support_level \"1\"; {tags} ccdsid \"CCDS{i}.1\"; {tail} havana_transcript \
                 \"OTTHUMT{id:011}.2\";"
            );
            let n_exons = 2 + id % 8;
            line("transcript", (at + t * 50, at + n_exons * 2_000), &format!("{gene} {own} {end}"));
            for e in 0..n_exons {
                let exon = (at + if e == 0 { t * 50 } else { e * 2_000 }, at + e * 2_000 + 400);
                let number = format!("{gene} {own} exon_number {}; exon_id \"ENSE{:011}.1\"; {end}", e + 1, id * 16 + e);
                line("exon", exon, &number);
                if i % 3 != 2 {
                    line("CDS", (exon.0.max(at + 360), exon.1), &number);
                }
            }
            if i % 3 != 2 {
                line("UTR", (at + t * 50, at + 360), &format!("{gene} {own} exon_number 1; {end}"));
            }
        }
    }
    out.into_inner().unwrap().sync_all().unwrap();
}

/// Gzip as GENCODE's own: one stream.
fn pack(plain: &Path, packed: &Path) {
    let unfinished = packed.with_extension("unfinished");
    let mut encoder = GzEncoder::new(File::create(&unfinished).unwrap(), Compression::fast());
    std::io::copy(&mut File::open(plain).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap().flush().unwrap();
    fs::rename(unfinished, packed).unwrap();
}
