//! Long commands that are interrupted half-way go on with `--resume` to the same bytes.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod program;

use cislens::genome::{Region, TssChoice};
use cislens::session::{Readers, Session};
use program::cislens;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// The journal's header; what is longer holds a result.
const HEADER: u64 = 32;

fn session() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml")
}

/// Runs `args` to its end, and once more with an interrupt after the first result and `--resume`: both write the same. `extra` are
/// options that write more files, each as `--option FILE`.
fn check(args: &str, extra: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    check_in(at, args, extra);
}

fn check_in(at: &Path, args: &str, extra: &[(&str, &str)]) {
    let asked = |name: &str| {
        let files: String = extra.iter().map(|(option, ending)| format!(" {option} {name}.{ending}")).collect();
        format!("{args} --session {} --threads 1 --out {name}.tsv{files}", session().display())
    };
    cislens(at, &asked("whole")).done();
    // A quick machine may be done before the signal comes: then once more.
    let journal = at.join(".cut.tsv.partial");
    let is_interrupted = |ended: &Output| ended.status.code() == Some(130);
    let attempt = |_| {
        for name in std::iter::once("tsv").chain(extra.iter().map(|(_, ending)| *ending)) {
            std::fs::remove_file(at.join(format!("cut.{name}"))).ok();
        }
        interrupt(at, &asked("cut"), &journal)
    };
    let ended = (0..10).map(attempt).find(|ended| is_interrupted(ended) || !ended.status.success());
    let ended = ended.unwrap_or_else(|| panic!("{args}: done before every signal"));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("the same command with --resume goes on"), "{said}");
    assert!(journal.exists() && !at.join("cut.tsv").exists(), "nothing half-written");
    assert!(extra.iter().all(|(_, ending)| !at.join(format!("cut.{ending}")).exists()), "nothing half-written");
    cislens(at, &format!("{} --resume", asked("cut"))).done();
    assert!(!journal.exists());
    cislens(at, &format!("{} --resume", asked("cut"))).refused(2, &["no interrupted run"]);
    for ending in std::iter::once("tsv").chain(extra.iter().map(|(_, ending)| *ending)) {
        let read = |name: &str| std::fs::read(at.join(format!("{name}.{ending}"))).unwrap();
        assert!(read("whole") == read("cut"), "{args}: .{ending}");
    }
}

/// Starts a command and interrupts it once its journal holds a result; how it ended.
fn interrupt(at: &Path, args: &str, journal: &Path) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cislens"))
        .args(args.split_whitespace())
        .current_dir(at)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let has_result = || std::fs::metadata(journal).is_ok_and(|m| m.len() > HEADER);
    let is_running = loop {
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        if has_result() {
            break true;
        }
        std::thread::yield_now();
    };
    // Nobody has waited for its end yet: the number is the child's.
    if is_running && let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        kill_process(pid, Signal::INT).unwrap();
    }
    child.wait_with_output().unwrap()
}

#[test]
fn cores() {
    check("cores deepcore --locus chr3:1-40,000", &[("--arcs", "bedpe"), ("--svg", "svg")]);
}

#[test]
fn enrich() {
    check("enrich deepcore --sample S01 --locus chr3:1-40,000", &[("--bins", "bed"), ("--svg", "svg")]);
}

#[test]
fn motifs() {
    check("motifs enrichment deepcore --sample S01 --locus chr3:1-40,000 --method input-x-gradient", &[]);
}

#[test]
fn differential() {
    check("differential deepcore --sample S01 --against S02 --locus chr3:1-40,000 --n-steps 9", &[("--svg", "svg")]);
}

#[test]
fn disagreement() {
    check(
        "disagreement deepcore --sample S01 --against S02 --locus chr3:1-40,000 --method input-x-gradient",
        &[("--places", "bed")],
    );
}

/// A substitution at each of ten places around the TSS of some genes.
#[test]
fn variants() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Arc::new(Session::open(&session()).unwrap());
    let mut readers = Readers::new(opened.clone());
    let mut vcf = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".to_owned();
    let genes: Vec<_> = opened.genome.genes.overlapping(&Region::new("chr3", 0, 60_000)).map(|(_, gene)| gene.clone()).collect();
    for gene in genes {
        let tss = gene.tss(TssChoice::Canonical);
        for position in (tss.saturating_sub(500)..tss + 500).step_by(100) {
            let base = readers.bases(&Region::new("chr3", position, position + 1)).unwrap().unwrap()[0] as char;
            let other = if base == 'A' { 'C' } else { 'A' };
            vcf += &format!("chr3\t{}\t.\t{base}\t{other}\t.\t.\t.\n", position + 1);
        }
    }
    std::fs::write(folder.path().join("v.vcf"), vcf).unwrap();
    check_in(folder.path(), "variants deepcore --sample S01 --vcf v.vcf", &[("--svg", "svg")]);
}
