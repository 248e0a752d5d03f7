//! Files and names from the command line: hubs, other assemblies.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod measured;
mod program;

use cislens::export::read_rows;
use cislens::genome::{ChromSizes, Region};
use cislens::scene::{Geometry, Plot, Scene};
use cislens::session::{Readers, Session, SessionFile, TrackEntry, TrackId};
use cislens::state::{RowId, State};
use cislens::theme::Theme;
use cislens::tracks::Track;
use measured::shared;
use program::cislens;
use std::fs;
use std::sync::Arc;

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

/// Fault 3 of a peer: a file of hg38 was drawn among files of hg19 without a word.
#[test]
fn a_row_of_another_assembly_says_so_on_itself() {
    let Some(path) = shared("real/formats/hg38_chr17_dense.bigWig") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hg19.sizes"), "chr17\t81195210\n").unwrap();
    let mut file = SessionFile { version: 2, ..SessionFile::default() };
    file.genome.sizes = Some("hg19.sizes".into());
    file.tracks = vec![TrackEntry { file: path, label: Some("dense".to_owned()), ..TrackEntry::default() }];
    let session = Arc::new(Session::build(&file, folder.path()).unwrap());
    let mut state = State::new(session.clone(), Vec::new(), Theme::named("dark").unwrap());
    read_rows(&mut state, &mut Readers::new(session));
    let geometry = Geometry { n_columns: 80, char_columns: 1.0, max_lanes: 3 };
    let row = Scene::row(&state, geometry, RowId::Track(TrackId(0)));
    let reason = row.mismatch.unwrap();
    assert_eq!(reason, "chr17 has 83257441 bases here and 81195210 in the genome: another assembly?");
    assert!(row.detail.starts_with(&reason));
    assert!(matches!(row.plot, Plot::Signal(..)), "it is drawn all the same");
}

/// Fault 4 of a peer: EPD's own file, columns between single spaces, was an empty row without a word.
#[test]
fn epds_file_between_spaces_is_a_row_of_promoters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Hs_EPDnew.bed");
    fs::write(&path, "chr1 959245 959305 NOC2L_1 900 - 959245 959256\nchr1 960583 960643 KLHL17_1 900 + 960632 960643\n")
        .unwrap();
    let genome = ChromSizes::parse("chr1\t248956422").unwrap();
    let Track::Features(features) = cislens::tracks::open(&path, None, &genome).unwrap().value else { panic!("no intervals") };
    let found: Vec<&str> = features.overlapping(&Region::new("chr1", 959_000, 961_000)).map(|f| f.name.as_str()).collect();
    assert_eq!(found, ["NOC2L_1", "KLHL17_1"]);
}

#[test]
fn a_row_of_methylation_leaves_out_thin_sites_as_its_session_says() {
    let folder = tempfile::tempdir().unwrap();
    let site = |start: u64, n: u32| format!("chr1\t{start}\t{}\t.\t{n}\t+\t{start}\t{}\t0,0,0\t{n}\t50\n", start + 1, start + 1);
    fs::write(folder.path().join("m.bedmethyl"), site(10, 5) + &site(20, 30)).unwrap();
    fs::write(folder.path().join("g.sizes"), "chr1\t1000\n").unwrap();
    let text = "version = 2\n[genome]\nsizes = 'g.sizes'\n[[track]]\nfile = 'm.bedmethyl'\n[[track]]\nfile = 'm.bedmethyl'\nlabel = 'thick'\n\
                min_coverage = 10\n";
    let file: SessionFile = toml::from_str(text).unwrap();
    let session = Arc::new(Session::build(&file, folder.path()).unwrap());
    let mut readers = Readers::new(session);
    let mut n_sites =
        |track| readers.values(TrackId(track), &Region::new("chr1", 0, 100)).unwrap().iter().filter(|v| !v.is_nan()).count();
    assert_eq!([n_sites(0), n_sites(1)], [2, 1]);
}

#[test]
fn a_second_annotation_is_a_row_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let genes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tabix/genes.gtf.gz");
    let exon = "chr1\tx\texon\t101\t200\t.\t+\t.\tgene_id \"MINE\"; transcript_id \"t\";\n";
    fs::write(folder.path().join("mine.gtf"), exon).unwrap();
    fs::write(folder.path().join("g.sizes"), "chr1\t600000\nchr2\t40000\n").unwrap();
    let made = cislens(folder.path(), &format!("init g.sizes mine.gtf {} --out session.toml", genes.display())).done();
    assert!(made.stdout.contains("genes, gtf"), "{}", made.stdout);
    let session = Arc::new(Session::open(&folder.path().join("session.toml")).unwrap());
    assert!(session.warnings.is_empty(), "{:?}", session.warnings);
    assert_eq!(session.genome.genes.len(), 1, "the first one's are walked and found by name");
    let mut state = State::new(session.clone(), Vec::new(), Theme::named("dark").unwrap());
    state.go_to("chr1:1-3,000").unwrap();
    read_rows(&mut state, &mut Readers::new(session));
    let row = state.row_named("genes 2").expect("told from the session's genes");
    let row = Scene::row(&state, Geometry { n_columns: 80, char_columns: 1.0, max_lanes: 3 }, row);
    let Plot::Intervals(lanes, role) = &row.plot else { panic!("{:?}", row.plot) };
    let names: Vec<&str> = lanes.iter().flatten().map(|shape| shape.name.as_str()).collect();
    assert_eq!((names.len(), role.as_str()), (5, "gene"), "{names:?}");
    let first = lanes.iter().flatten().find(|shape| shape.name == "Nchr1G1").unwrap();
    assert_eq!((first.start, first.parts.len()), (701, 3), "a model a gene, with its exons");
    // What is in view is gone to by name.
    state.go_to("Nchr1G2").unwrap();
    assert_eq!(state.region.to_string(), "chr1:1,333-1,936");
}
