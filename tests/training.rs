//! Training, evaluating and counting as they are called.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod measured;
mod program;

use cislens::genome::ChromSizes;
use cislens::tracks::{SignalInterval, write_bgzip_fasta, write_bigwig};
use cislens::training::{CHECKPOINT, DESIGNS, PARTS};
use measured::shared;
use program::{cislens, run};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

const MARKS: [&str; 5] = ["H3K27me3", "H3K36me3", "H3K4me1", "H3K4me3", "H3K9me3"];
/// Bins of a table made here, of 100 bases.
const BINS: usize = 10;

/// A number that looks drawn, 0 to 1, the same on every machine.
fn noise(seed: usize) -> f64 {
    let mut x = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// A bin table of a sample: expression rises with H3K4me3 and falls with H3K27me3.
fn write_sample(folder: &Path, name: &str, genes: usize) {
    let (mut table, mut expression) = (String::new(), String::new());
    for gene in 0..genes {
        let seed = gene * 1_000 + name.len() * 77 + usize::from(name.as_bytes()[0]) * 13;
        let levels: Vec<f64> = (0..5).map(|mark| noise(seed + mark) * 20.0).collect();
        for bin in 1..=BINS {
            let counts = (0..5).map(|mark| (levels[mark] * (0.7 + 0.6 * noise(seed + 10 * bin + mark))).round().to_string());
            table += &format!("G{gene:04},{bin},{}\n", counts.collect::<Vec<_>>().join(","));
        }
        expression += &format!("G{gene:04},{}\n", (100.0 * (levels[3] - 0.5 * levels[0] + 10.0)).round());
    }
    fs::write(folder.join(format!("{name}.csv")), table).unwrap();
    fs::write(folder.join(format!("{name}.expr.csv")), expression).unwrap();
}

/// A session of tables and their expression.
fn write_session(folder: &Path, names: &[&str], genes: usize) {
    let mut text = "version = 1\n".to_owned();
    for name in names {
        write_sample(folder, name, genes);
        let marks = MARKS.map(|m| format!("\"{m}\"")).join(", ");
        text += &format!("[[sample]]\nname = \"{name}\"\nexpression = {{ file = \"{name}.expr.csv\", unit = \"count\" }}\n");
        text += &format!("[[track]]\nfile = \"{name}.csv\"\nsample = \"{name}\"\nformat = \"bins\"\nmarks = [{marks}]\n");
    }
    fs::write(folder.join("session.toml"), text).unwrap();
}

/// Networks small enough for tests; those that read bins of these marks.
const TRAIN: &str = "train attentive-chrome --session session.toml --sample one --shares 60/20/20";

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("model.safetensors")).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_fit_that_is_killed_or_interrupted_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one"], 60);
    let options = "--epochs 60 --patience 0 --dropout 0.2 --threads 1";
    cislens(folder, &format!("{TRAIN} {options} --out whole")).done();
    let whole = weights(&folder.join("whole"));
    for signal in ["-KILL", "-INT"] {
        let out = format!("stopped{signal}");
        let args = format!("{TRAIN} {options} --out {out}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_cislens"))
            .args(args.split(' '))
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let checkpoint = folder.join(&out).join(CHECKPOINT);
        while !checkpoint.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        if signal == "-INT" {
            assert_eq!(ended.status.code(), Some(130));
            let said = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(said.contains("interrupted") && said.contains("the same command goes on"), "{said}");
        }
        assert!(checkpoint.exists() && !folder.join(&out).join("model.safetensors").exists());
        let again = cislens(folder, &args).done();
        assert!(again.stderr.contains("going on from what is kept in stopped"), "{}", again.stderr);
        assert!(weights(&folder.join(&out)) == whole, "{signal}");
        let read = |out: &str, name: &str| fs::read_to_string(folder.join(out).join(name)).unwrap();
        assert_eq!(read(&out, "model.toml"), read("whole", "model.toml"));
        assert_eq!(names(&folder.join(&out)), [PARTS, "model.safetensors", "model.toml"]);
    }
    // Any number of threads gives the same weights; another seed others.
    cislens(folder, &format!("{TRAIN} {options} --threads 3 --out threads").replace("--threads 1 ", "")).done();
    assert!(weights(&folder.join("threads")) == whole);
    cislens(folder, &format!("{TRAIN} {options} --seed 2 --out other")).done();
    assert!(weights(&folder.join("other")) != whole);
    // What another fit left is not gone on from unless it is said.
    let left = folder.join("whole").join(CHECKPOINT);
    fs::write(&left, "no checkpoint").unwrap();
    cislens(folder, &format!("{TRAIN} {options} --out whole")).refused(1, &["training.safetensors"]);
    cislens(folder, &format!("{TRAIN} {options} --out whole --restart")).done();
    assert!(!left.exists() && weights(&folder.join("whole")) == whole);
}

#[test]
fn what_cannot_be_learnt_is_explained_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one"], 30);
    let session = fs::read_to_string(folder.join("session.toml")).unwrap();
    let table = fs::read_to_string(folder.join("one.csv")).unwrap();
    let expression = fs::read_to_string(folder.join("one.expr.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    let with = |name: &str, at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        let lines: Vec<&str> = lines.into_iter().filter(|l| !l.is_empty()).collect();
        fs::write(folder.join(format!("{name}.csv")), lines.join("\n")).unwrap();
        let text = session.replace("\"one.csv\"", &format!("\"{name}.csv\""));
        fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    };
    with("short", 12, "G0001,3,1,2,3,4");
    with("gap", 12, "");
    with("text", 12, "G0001,3,1,2,many,4,5");
    let labels = |name: &str, text: String| {
        fs::write(folder.join(format!("{name}.expr.csv")), text).unwrap();
        let text = session.replace("\"one.expr.csv\"", &format!("\"{name}.expr.csv\""));
        fs::write(folder.join(format!("{name}.toml")), text).unwrap();
    };
    let of = |value: &str| expression.lines().map(|l| format!("{},{value}\n", &l[..5])).collect::<String>();
    labels("equal", of("7"));
    labels("others", expression.replace('G', "X"));
    labels("negative", of("-1"));
    fs::write(folder.join("file"), "").unwrap();
    for (session, out, status, words) in [
        ("short", "m", 1, &["short.csv: line 13: 6 columns where the first row has 7"][..]),
        ("gap", "m", 1, &["gap.csv: line 13: bin 4 of G0001 follows bin 2"]),
        ("text", "m", 1, &["text.csv: line 13: \"many\" is not a count of H3K4me1"]),
        ("equal", "m", 1, &["all 24 training genes have the same target"]),
        ("others", "m", 1, &["no gene of sample one can be learnt from: 30 have no measured expression"]),
        ("negative", "m", 1, &["\"-1\" of G0000 is no number from 0 up"]),
        ("session", "file/m", 1, &["file/m: Not a directory"]),
        ("session", "/dev/full", 1, &["/dev/full"]),
    ] {
        let args = format!("train attentive-chrome --session {session}.toml --sample one --out {out} --epochs 2");
        cislens(folder, &args).refused(status, words);
        assert!(!folder.join("m/model.toml").exists() && !folder.join("m/model.safetensors").exists(), "{session}");
    }
    // A gene without expression is left out and said.
    labels("one-less", expression.replace("G0007", "X0007"));
    let less = "train attentive-chrome --session one-less.toml --sample one --out less --epochs 1";
    assert!(cislens(folder, less).done().stdout.contains("1 genes have no measured expression and were left out"));
    for (args, words) in [
        ("train linear --sample one --out m --device cuda", &["--device cuda:0: networks are fitted on the processor"][..]),
        ("train linear --sample two --out m", &["no sample \"two\"; there are one"]),
        ("train linear --sample one,one --out m", &["named twice"]),
        ("train linear --sample one --out m --shares 80/20", &["write it as 80/10/10"]),
        ("train linear --sample one --out m --rate=-1", &["the learning rate -1"]),
        ("train linear --sample one --out m --batch 0", &["the batch 0"]),
        ("train linear --sample one --out m --test chr1", &["--test names chromosomes"]),
        ("train linear --sample one --out m --marks H3K79me2", &["needs H3K79me2, sample one has"]),
        ("train linear --sample one --out m --grid size", &["write it as NAME=A,B"]),
        ("train linear --sample one --out m --grid depth=2", &["--grid depth: there are rate, l2"]),
        ("train linear --sample one --out m --grid published", &["there is one of isegnet"]),
        ("evaluate linear --sample one --design none", &["ablation", "cross-sample"]),
        ("evaluate linear --sample one --out m.csv", &["--out m.csv: it ends in .tsv"]),
    ] {
        cislens(folder, &format!("{args} --session session.toml")).refused(2, words);
        assert!(!folder.join("m/model.toml").exists());
    }
}

/// A limit on the size of a file is what a test can do of a full disk: the write fails half-way.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_while_training_ends_it_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one"], 30);
    // The inputs fit below the limit of 64 kB, a checkpoint with three copies of 55,681 weights does not.
    let script = format!("trap '' XFSZ; ulimit -f 64; exec {} {TRAIN} --epochs 2 --out full", env!("CARGO_BIN_EXE_cislens"));
    let ran = run(Command::new("bash").current_dir(folder).args(["-c", &script]));
    ran.refused(1, &["training.safetensors: ", "File too large"]);
    assert_eq!(names(&folder.join("full")), Vec::<String>::new(), "nothing half-written");
}

#[test]
fn samples_are_pooled_and_grids_go_on_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one", "second"], 60);
    let pooled = "train linear --session session.toml --sample one,second --shares 60/20/20 --out pooled --epochs 30";
    let said = cislens(folder, pooled).done().stdout;
    assert!(said.contains("of sample one,second; 72 genes learnt from, 24 to stop by, 24 held out"), "{said}");
    assert!(fs::read_to_string(folder.join("pooled/model.toml")).unwrap().contains("samples = [\"one\", \"second\"]"));
    let parts = fs::read_to_string(folder.join("pooled").join(PARTS)).unwrap();
    assert_eq!(parts.lines().filter(|l| l.ends_with("\ttrain")).count(), 36, "a gene has one part in both samples");

    let grid = "train linear --session session.toml --sample one --shares 60/20/20 --out grid --epochs 5 --grid rate=0.0001,0.02 --grid batch=8,16";
    cislens(folder, grid).done();
    let table = fs::read_to_string(folder.join("grid/grid.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split('\t').collect()).collect();
    assert_eq!(
        rows.iter().map(|r| r[1]).collect::<Vec<_>>(),
        ["rate=0.0001 batch=8", "rate=0.0001 batch=16", "rate=0.02 batch=8", "rate=0.02 batch=16"]
    );
    assert_eq!(names(&folder.join("grid")), [PARTS, "grid.tsv", "model.safetensors", "model.toml"]);
    // The best of the table is the one that is kept.
    let loss = |row: &Vec<&str>| row[5].parse::<f64>().unwrap();
    let best = rows.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap()[1].to_owned();
    let (rate, batch) = best.strip_prefix("rate=").unwrap().split_once(" batch=").unwrap();
    let alone = "train linear --session session.toml --sample one --shares 60/20/20 --out alone --epochs 5";
    cislens(folder, &format!("{alone} --rate {rate} --batch {batch}")).done();
    assert!(weights(&folder.join("grid")) == weights(&folder.join("alone")));
}

#[test]
fn a_model_is_judged_beside_baselines_and_other_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one", "second"], 150);
    let train = "train attentive-chrome --session session.toml --sample one --shares 60/20/20 --epochs 40 --out m";
    cislens(folder, train).done();
    cislens(folder, "predict m --session session.toml --sample one --all --out mine.tsv").done();
    let args = "evaluate m --session session.toml --sample one --against mine.tsv --against random-forest --out e.tsv --svg e.svg --bootstraps 200";
    let said = cislens(folder, args).done().stdout;
    assert!(said.contains("one: 30 genes, "), "{said}");
    assert!(said.contains("0 share bases with a gene it learnt from"), "each gene of a table is its own chromosome: {said}");
    let table = fs::read_to_string(folder.join("e.tsv")).unwrap();
    assert!(table.starts_with("# cislens ") && table.contains("evaluate; model attentive-chrome (attentive-chrome) "));
    let values = rows(&table, 2, 3);
    let auroc = values["attentive-chrome/auroc"][4].parse::<f64>().unwrap();
    assert!(auroc > 0.8, "{table}");
    let toml: toml::Table = toml::from_str(&fs::read_to_string(folder.join("m/model.toml")).unwrap()).unwrap();
    let trained = toml["metrics"]["test_auroc"].as_float().unwrap();
    assert!((auroc - trained).abs() < 1e-4, "the same genes, the same figure: {auroc} {trained}");
    assert!(values.contains_key("least-squares/auroc") && values.contains_key("random-forest/auroc"));
    // Its own predictions, but for the rounding of another batch: the same order of genes, whatever p says of differences of 1e-8.
    let itself = &values["attentive-chrome - mine/auroc"];
    assert_eq!(itself[4].parse::<f64>().unwrap().abs(), 0.0);
    assert!((0.0..=1.0).contains(&itself[7].parse::<f64>().unwrap()));
    let svg = fs::read_to_string(folder.join("e.svg")).unwrap();
    assert!(svg.contains("true positive rate") && svg.contains("precision") && svg.contains("random-forest"));
    // Two samples: levels and changes.
    cislens(folder, "evaluate m --session session.toml --sample one,second --part all --out p.tsv --bootstraps 50").done();
    let panel = rows(&fs::read_to_string(folder.join("p.tsv")).unwrap(), 2, 3);
    for name in ["sample_wise_r", "locus_wise_r", "pse", "range_measured", "variability_predicted"] {
        assert!(panel.contains_key(&format!("attentive-chrome/{name}")), "{name}");
    }
    fs::write(folder.join("few.tsv"), "gene_id\toutput\nG0001\t1\n").unwrap();
    cislens(folder, "evaluate m --session session.toml --sample one --against few.tsv")
        .refused(1, &["few.tsv: no prediction of gene"]);
    cislens(folder, "evaluate m --session session.toml --sample one --against nobody").refused(2, &["no model \"nobody\""]);
}

/// Rows of a table by two of their columns.
fn rows(table: &str, a: usize, b: usize) -> BTreeMap<String, Vec<String>> {
    let lines = table.lines().skip(2).map(|l| l.split('\t').map(str::to_owned).collect::<Vec<_>>());
    lines.map(|row| (format!("{}/{}", row[a], row[b]), row)).collect()
}

/// DeepCORE's table of genes with bases and marks; expression follows the first mark and a motif.
fn write_bases(folder: &Path, genes: usize) {
    let mut text = "gene_id\tsequence\tTPM\tchipseq1\tchipseq2\tchipseq3\tchipseq4\tchipseq5\n".to_owned();
    for gene in 0..genes {
        let mut bases: Vec<u8> = (0..150).map(|i| b"ACGT"[(noise(gene * 200 + i) * 4.0) as usize]).collect();
        if gene % 2 == 0 {
            bases[60..68].copy_from_slice(b"TGACTCAT");
        }
        let level = noise(gene + 77_777) * 9.0;
        let list =
            |scale: f64| (0..150).map(|i| format!("{:.1}", level * scale * noise(gene * 150 + i))).collect::<Vec<_>>().join(", ");
        let tpm = level.exp() * if gene % 2 == 0 { 3.0 } else { 1.0 };
        let lists = [1.0, 0.1, 0.1, 0.1, 0.1].map(list).join("\t");
        text += &format!("B{gene:04}\t{}\t{tpm:.3}\t{lists}\n", String::from_utf8(bases).unwrap());
    }
    fs::write(folder.join("bases.tsv"), text).unwrap();
}

/// Two chromosomes, three samples: a peak stands at each GATA1 site in the two samples that express GATA1, at each SPI1 site in the
/// third, and at SP1 sites in all.
fn write_loci(folder: &Path) {
    let sites = ["AGATAAGG", "AAAAAGAGGAAGTG", "GGGGCGGGG"];
    let mut session = "version = 1\n[genome]\nname = \"toy\"\nfasta = \"toy.fa.gz\"\n".to_owned();
    let mut sequences = Vec::new();
    let mut peaks: [Vec<(usize, u64)>; 3] = Default::default();
    for (chrom, length) in [60_000, 30_000].into_iter().enumerate() {
        let mut bases: Vec<u8> = (0..length).map(|i| b"ACGT"[(noise(chrom * 100_000 + i) * 4.0) as usize]).collect();
        for (i, at) in (2_500..length - 2_000).step_by(1_400).enumerate() {
            bases[at..at + sites[i % 3].len()].copy_from_slice(sites[i % 3].as_bytes());
            let open: &[usize] = [&[0, 1][..], &[2], &[0, 1, 2]][i % 3];
            open.iter().for_each(|sample| peaks[*sample].push((chrom, at as u64)));
        }
        sequences.push(bases);
    }
    write_bgzip_fasta(&folder.join("toy.fa.gz"), &[("c1", &sequences[0]), ("c2", &sequences[1])]).unwrap();
    let sizes = ChromSizes::parse("c1 60000\nc2 30000").unwrap();
    fs::write(folder.join("tfs.tsv"), "tf\ta\tb\tc\nGATA1\t90\t80\t1\nSPI1\t1\t2\t95\nSP1\t90\t90\t90\n").unwrap();
    for (sample, name) in ["a", "b", "c"].into_iter().enumerate() {
        let bed = peaks[sample]
            .iter()
            .map(|(chrom, at)| format!("c{}\t{}\t{}\tp\t0\t.\t5\t-1\t-1\t150\n", chrom + 1, at - 150, at + 150));
        fs::write(folder.join(format!("{name}.narrowPeak")), bed.collect::<String>()).unwrap();
        let on = |chrom: usize| {
            let of = peaks[sample].iter().filter(move |(c, _)| *c == chrom);
            of.map(|(_, at)| SignalInterval { start: at - 150, end: at + 150, value: 8.0 + 3.0 * noise(*at as usize) as f32 })
                .collect()
        };
        let chroms: [(Arc<str>, Vec<SignalInterval>); 2] = [("c1".into(), on(0)), ("c2".into(), on(1))];
        write_bigwig(&folder.join(format!("{name}.bw")), &sizes, &chroms, &[]).unwrap();
        session += &format!("[[sample]]\nname = \"{name}\"\ntf_expression = {{ file = \"tfs.tsv\", id_column = \"tf\" }}\n");
        session += &format!("[[track]]\nfile = \"{name}.bw\"\nsample = \"{name}\"\nmark = \"DNase\"\nsignal = \"rpm\"\n");
        session += &format!("[[track]]\nfile = \"{name}.narrowPeak\"\nsample = \"{name}\"\n");
    }
    fs::write(folder.join("loci.toml"), session).unwrap();
}

#[test]
fn loci_are_learnt_judged_by_their_peaks_and_parted_into_folds_of_samples() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_loci(folder);
    let options = "--session loci.toml --preset small --test c2 --epochs 2";
    cislens(folder, &format!("train deepcage {options} --half --sample a,b --out net")).done();
    let manifest = fs::read_to_string(folder.join("net/model.toml")).unwrap();
    let says = |text: &str| assert!(manifest.contains(text), "no {text} in {manifest}");
    let _ = ["unit = \"ln(rpm+1)\"", "unit = \"rpm\"", "\"GATA1\", \"SPI1\"", "scale = ["].map(says);
    // Half precision is half the bytes, but for statistics.
    cislens(folder, &format!("train deepcage {options} --sample a,b --out whole")).done();
    assert!(weights(&folder.join("net")).len() * 3 < weights(&folder.join("whole")).len() * 2);
    // In the sample it never saw: loci it knows, loci that only this sample has open, loci of another chromosome.
    let judged = |part: &str| {
        cislens(folder, &format!("evaluate net --session loci.toml {part} --bootstraps 20 --out e.tsv")).done();
        fs::read_to_string(folder.join("e.tsv")).unwrap()
    };
    let [known, novel, unseen] = ["--sample c --part train", "--sample c --part new", "--sample c"].map(judged);
    // Beside it what knows the place alone: where a, b and c share a peak that is a good guess, at loci of c alone it is none.
    assert!([&known, &novel, &unseen].iter().all(|table| table.contains("\tmean-of-training-samples\tr\t")), "{known}");
    let count = |table: &str| -> usize { table.lines().nth(2).unwrap().split('\t').nth(1).unwrap().parse().unwrap() };
    // Of c's peaks those at SP1 sites are known; those at SPI1 sites, 13 of c1 and 6 of c2, are not. A peak is about three bins.
    assert!(count(&known) > 25 && (30..=70).contains(&count(&novel)) && count(&unseen) > 10, "{known}{novel}{unseen}");
    let table = judged("--sample a,b,c --part all");
    assert!(table.contains("3 samples"), "{table}");
    // Folds over samples, with what knows the place alone beside the network.
    cislens(folder, &format!("evaluate deepcage {options} --sample a,b,c --design sample-folds --bootstraps 20 --out f.tsv"))
        .done();
    let table = fs::read_to_string(folder.join("f.tsv")).unwrap();
    let value = |condition: &str, statistic: &str| -> f64 {
        let line = table.lines().find(|l| l.starts_with(&format!("{condition}\t")) && l.contains(&format!("\t{statistic}\t")));
        line.unwrap_or_else(|| panic!("no {condition} {statistic} in {table}")).split('\t').nth(5).unwrap().parse().unwrap()
    };
    for what in ["known loci", "unseen chromosomes"] {
        for statistic in ["sample_wise_r", "pse", "range_measured", "variability_predicted"] {
            assert!(value(&format!("network, {what}"), statistic).is_finite());
        }
        assert_eq!(value(&format!("network, {what}"), "range_measured"), value(&format!("{MEAN}, {what}"), "range_measured"));
    }
    assert!(table.contains("fold 3 of 3, novel loci\tc"), "{table}");
    assert!(!table.contains("fold 1 of 3, novel loci"), "what is open in a is open in b: {table}");
    // A classifier of open and closed, motifs of a file, and a network that predicts no locus.
    fs::write(
        folder.join("m.meme"),
        "MEME version 4\n\nMOTIF GATA1\nletter-probability matrix: w= 4\n0 0 1 0\n1 0 0 0\n0 0 0 1\n1 0 0 0\n",
    )
    .unwrap();
    let binary = options.replace("small", "small-binary");
    let said = cislens(folder, &format!("train deepcage {binary} --sample a,b --tf-motifs m.meme --out class")).done();
    assert!(said.stdout.contains("held out auroc"), "{}", said.stdout);
    let manifest = fs::read_to_string(folder.join("class/model.toml")).unwrap();
    assert!(manifest.contains("names = [\"GATA1\"]") && manifest.contains("threshold = 0.5"), "{manifest}");
    let refused = cislens(folder, "evaluate linear --session loci.toml --sample a,b,c --design sample-folds");
    assert_ne!(refused.status, 0);
}

/// What stands beside the network in folds over samples.
const MEAN: &str = "mean of the training samples";

#[test]
fn every_design_runs_and_says_what_it_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_session(folder, &["one", "second", "third"], 40);
    write_bases(folder, 40);
    let marks = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K27ac";
    cislens(folder, &format!("init bases.tsv --marks {marks} --out bases.toml")).done();
    for design in DESIGNS {
        let (session, model, samples) = match design.name {
            "sufficient-views" | "ablation" => ("bases.toml", "deepcore", "bases"),
            "cross-sample" | "replicates" => ("session.toml", "linear", "one,second,third"),
            // Of loci, in a genome with peaks: below.
            "sample-folds" => continue,
            _ => ("session.toml", "linear", "one"),
        };
        let others = if design.name == "comparators" { "--architectures mlp" } else { "" };
        let args = format!(
            "evaluate {model} --session {session} --sample {samples} --design {} {others} --shares 60/20/20 \
             --seeds 2 --epochs 2 --bootstraps 20 --out d.tsv --svg d.svg",
            design.name
        );
        cislens(folder, &args).done();
        let table = fs::read_to_string(folder.join("d.tsv")).unwrap();
        assert!(table.contains(&format!("--design {}", design.name)));
        let conditions: std::collections::BTreeSet<&str> = table.lines().skip(2).map(|l| l.split('\t').next().unwrap()).collect();
        assert!(conditions.len() >= 2, "{}: {table}", design.name);
        let has = |text: &str| assert!(table.contains(text), "{}: no {text} in {table}", design.name);
        match design.name {
            "ablation" => ["sequence alone", "marks alone", "H3K27ac alone", "least-squares"].map(has),
            "window-length" => ["1000 bp", "500 bp", "100 bp", "least squares, 1000 bp"].map(has),
            "replicates" => ["1 samples\tthird", "2 samples\tthird", "auroc\t", "least-squares"].map(has),
            "runtime" => ["predict_ms_per_gene", "train_ms_per_gene", "1000 bp", "500 bp"].map(has),
            "cross-sample" => {
                ["trained on one, genes it never saw\tsecond", "genes it learnt from", "mean of the other samples", "r_by_gene"]
                    .map(has)
            }
            "shuffled-labels" => ["measured labels", "labels of other genes", "\t2\t", "least-squares"].map(has),
            "comparators" => ["linear\t", "mlp\t", "random-forest\t", "svr-linear\t"].map(has),
            _ => ["both views", "marks suffices", "B0", "sequence alone"].map(has),
        };
        assert!(fs::read_to_string(folder.join("d.svg")).unwrap().contains("</svg>"));
    }
}

#[test]
fn reads_are_counted_into_a_table_that_is_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let gene = |i: usize, strand: char| {
        let (start, end) = (i * 3_000 + 2_001, i * 3_000 + 2_900);
        format!(
            "chr1\tx\texon\t{start}\t{end}\t.\t{strand}\t.\tgene_id \"E{i}.2\"; gene_name \"N{i}\"; transcript_id \"T{i}\";\n"
        )
    };
    fs::write(folder.join("genes.gtf"), (0..5).map(|i| gene(i, if i == 3 { '-' } else { '+' })).collect::<String>()).unwrap();
    // Two reads over the border of two bins around the TSS of the first gene (0-based 2,000), one that ends before it.
    let reads = "1\t1995\t2005\tN\t0\t+\n1\t1999\t2001\tN\t0\t-\n1\t1900\t2000\tN\t0\t-\nchr9\t1\t5\tN\t0\t-\n";
    fs::write(folder.join("a.tagAlign"), reads).unwrap();
    fs::write(folder.join("b.tagAlign"), "chr1\t11850\t11950\tN\t0\t+\n").unwrap();
    let said = cislens(folder, "count a.tagAlign b.tagAlign --genes genes.gtf --bins 10 --out counts.csv").done().stdout;
    assert!(said.contains("a.tagAlign: 4 reads, 0 left out") && said.contains("1 on other chromosomes"), "{said}");
    let table = fs::read_to_string(folder.join("counts.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 50);
    assert_eq!(lines[3..7], ["E0_N0_4,0,0", "E0_N0_5,3,0", "E0_N0_6,2,0", "E0_N0_7,0,0"]);
    // The TSS of a reverse gene is its last base (0-based 11,899), which the sixth bin begins with, in genome direction.
    assert_eq!(lines[34..37], ["E3_N3_5,0,1", "E3_N3_6,0,1", "E3_N3_7,0,0"]);
    cislens(folder, "init counts.csv --marks a,b --out s.toml").done();
    fs::write(folder.join("w.bed"), "# windows\nchr1\t1999\t2000\tx\nchr1\t5000\t9000\n").unwrap();
    cislens(folder, "count a.tagAlign --windows w.bed --out w.tsv").done();
    assert_eq!(fs::read_to_string(folder.join("w.tsv")).unwrap(), "chr1\t1999\t2000\tx\t3\nchr1\t5000\t9000\t0\n");
    fs::write(folder.join("odd.bed"), "chr1\t5\t5\n").unwrap();
    cislens(folder, "count a.tagAlign --windows odd.bed --out o.tsv").refused(1, &["odd.bed: line 1"]);
    cislens(folder, "count a.tagAlign --out o.tsv").refused(2, &["--windows"]);
    fs::write(folder.join("chr5.bed"), "chr5\t5\t50\n").unwrap();
    cislens(folder, "count b.tagAlign --windows chr5.bed --out o.tsv")
        .refused(1, &["no read lies on a chromosome of the windows"]);
    assert!(!folder.join("o.tsv").exists());
}

/// The published weights on the published counts, as anyone would do it: AUROC of each part to three digits (golden/README).
#[test]
fn published_weights_give_the_published_auroc() {
    let Some(real) = shared("real") else { return };
    let (folder, real) = (tempfile::tempdir().unwrap(), real.display().to_string());
    let folder = folder.path();
    let marks = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3";
    cislens(
        folder,
        &format!("import attentive-chrome {real}/attentivechrome/model.pt --out ac --name published --marks {marks}"),
    )
    .done();
    for (cell, part, expected) in [
        (1, "train", "0.860"),
        (1, "valid", "0.904"),
        (1, "test", "0.939"),
        (2, "train", "0.756"),
        (2, "valid", "0.820"),
        (2, "test", "0.806"),
    ] {
        let files = format!("{real}/deepdiff/Cell{cell}.{part}.csv --expression {real}/deepdiff/Cell{cell}.expr.csv");
        cislens(folder, &format!("init {files} --marks {marks} --out s.toml")).done();
        cislens(folder, "evaluate ac --session s.toml --out e.tsv --bootstraps 100").done();
        let table = rows(&fs::read_to_string(folder.join("e.tsv")).unwrap(), 2, 3);
        let auroc: f64 = table["published/auroc"][4].parse().unwrap();
        assert_eq!(format!("{auroc:.3}"), expected, "Cell{cell} {part}");
    }
}

#[test]
fn deepcore_trains_on_its_published_demonstration() {
    let Some(real) = shared("real/deepcore/demo_5hm.tsv") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let marks = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K27ac";
    let said =
        cislens(folder, &format!("init {} --marks {marks} --sample E004 --genome hg19 --out demo.toml", real.display())).done();
    assert!(said.stdout.contains("100 genes, samples E004"), "{}", said.stdout);
    let train = "train deepcore --session demo.toml --sample E004 --split random --epochs 3 --out m";
    let said = cislens(folder, train).done().stdout;
    assert!(said.contains("80 genes learnt from, 10 to stop by, 10 held out"), "{said}");
    let toml = fs::read_to_string(folder.join("m/model.toml")).unwrap();
    assert!(toml.contains("length = 300") && toml.contains("tss_index = 150"), "{toml}");
    cislens(folder, "evaluate m --session demo.toml --out e.tsv").done();
    assert!(fs::read_to_string(folder.join("e.tsv")).unwrap().contains("deepcore\tr\t"));
    cislens(folder, "predict m --session demo.toml --all --out p.npz").done();
}
