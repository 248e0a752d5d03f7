//! Files and names from the command line: hubs, other assemblies.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod measured;
mod program;

use measured::shared;
use program::cislens;
use std::fs;

#[test]
fn places_and_rows_are_lifted_and_what_has_no_place_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(
        folder.join("a.chain"),
        "chain 9 chr1 1000 + 100 200 chr1 2000 + 500 600 1\n100\n\nchain 8 chr2 500 + 0 50 chr3 90 - 10 60 2\n50\n",
    )
    .unwrap();
    let lifted = cislens(folder, "liftover a.chain chr1:101-110").done();
    assert_eq!(lifted.stdout, "chr1:501-510\n");
    let turned = cislens(folder, "liftover a.chain 2:1-10").done();
    assert_eq!(turned.stdout, "chr3:71-80 (on the other strand)\n");
    cislens(folder, "liftover a.chain chr1:1-10").refused(1, &["chr1:1-10: Deleted in new"]);
    cislens(folder, "liftover a.chain MYC").refused(2, &["\"MYC\" is neither a place nor a file"]);
    fs::write(folder.join("a.bed"), "track name=x\nchr1\t100\t110\tp\t1\t+\nchr1\t0\t9\tq\nchr2\t0\t10\tr\t1\t+\n").unwrap();
    let rows = cislens(folder, "liftover a.chain a.bed --out b.bed --unmapped u.bed").done();
    assert!(rows.stderr.contains("2 of 3 rows have a place"), "{}", rows.stderr);
    assert_eq!(fs::read_to_string(folder.join("b.bed")).unwrap(), "chr1\t500\t510\tp\t1\t+\nchr3\t70\t80\tr\t1\t-\n");
    assert_eq!(fs::read_to_string(folder.join("u.bed")).unwrap(), "#Deleted in new\nchr1\t0\t9\tq\n");
}

#[test]
fn a_hub_is_a_session() {
    let Some(signal) = shared("real/hg19-h1-oct4/H1_k4me3.bw") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::copy(signal, folder.join("k4me3.bw")).unwrap();
    fs::write(folder.join("hub.txt"), "hub h\nshortLabel Hub\ngenomesFile genomes.txt\n").unwrap();
    fs::write(folder.join("genomes.txt"), "genome hg19\ntrackDb db.txt\n").unwrap();
    fs::write(folder.join("db.txt"), "track a\nshortLabel Promoter mark\ntype bigWig\nbigDataUrl k4me3.bw\n").unwrap();
    let made = cislens(folder, "init hub.txt --out session.toml").done();
    assert!(made.stdout.contains("hub \"Hub\", 1 tracks of hg19"), "{}{}", made.stdout, made.stderr);
    let session = fs::read_to_string(folder.join("session.toml")).unwrap();
    assert!(session.contains("label = \"Promoter mark\"") && session.contains("name = \"hg19\""), "{session}");
    cislens(folder, "check session.toml").done();
    cislens(folder, "render hub.txt --locus chr6:31,130,000-31,140,000 --out a.svg").done();
    assert!(fs::read_to_string(folder.join("a.svg")).unwrap().contains("Promoter mark"));
}
