//! Significant bins, COREs, enrichment and motifs on the sample data: `cislens cores`, `enrich`, `motifs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod measured;
mod program;

use candle_core::{DType, Device};
use cislens::genome::GeneId;
use cislens::jobs::{Subject, gene_cores};
use cislens::models::{Model, TfSpec, Weights, architecture, load_model, save_model};
use cislens::motifs::bundled_motifs;
use cislens::regulation::attention::shuffled;
use cislens::regulation::significance::{Bins, PROCEDURES, Pool, read_gene};
use cislens::session::{Readers, SampleId, Session};
use cislens::tracks::Feature;
use measured::shared;
use program::cislens;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data")
}

fn session() -> Arc<Session> {
    Arc::new(Session::open(&data().join("session.toml")).unwrap())
}

fn model(name: &str) -> Box<dyn Model> {
    load_model(&data().join("models").join(name), &Device::Cpu).unwrap()
}

/// What `:cores` shows is what `cislens cores` writes.
#[test]
fn cores_of_the_browser_are_those_of_the_command() {
    let (folder, session, model) = (tempfile::tempdir().unwrap(), session(), model("deepcore"));
    let (at, data) = (folder.path(), data());
    let base = format!("--session {} --gene KANE7 --threads 1", data.join("session.toml").display());
    cislens(at, &format!("cores deepcore {base} --out c.tsv --arcs a.bedpe")).done();
    let gene = session.genome.genes.find("KANE7").unwrap();
    let window = model.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
    let subject = Subject { model: 0, sample: SampleId(0), gene, window, edits: Arc::default() };
    let mut readers = Readers::new(session.clone());
    assert!(gene_cores(&*model, &subject, &mut readers, &|| false).unwrap().is_none(), "it stops where it is not wanted");
    let found = gene_cores(&*model, &subject, &mut readers, &|| true).unwrap().unwrap();
    let end = |(start, end): (u64, u64)| format!("chr3:{start}-{end}");
    let arc = |f: &Feature| {
        let link = f.link.as_ref().unwrap();
        (end(link.here), end((link.there.start, link.there.end)))
    };
    let mut ours: Vec<_> = found.links.iter().map(|(_, f)| arc(f)).collect();
    let text = std::fs::read_to_string(at.join("a.bedpe")).unwrap();
    let rows = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let ordered = |a: String, b: String, from: u64, to: u64| if from <= to { (a, b) } else { (b, a) };
    let theirs = rows.map(|c| {
        let place = |i: usize| format!("{}:{}-{}", c[i], c[i + 1], c[i + 2]);
        ordered(place(0), place(3), c[1].parse().unwrap(), c[4].parse().unwrap())
    });
    let mut theirs: Vec<_> = theirs.collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 3, "{ours:?}");
    let isegnet = load_model(&data.join("models/isegnet"), &Device::Cpu).unwrap();
    let window = isegnet.manifest().window_of(session.genome.genes.get(gene), session.genome.tss);
    let none = gene_cores(&*isegnet, &Subject { window, ..subject }, &mut readers, &|| true).unwrap_err();
    assert!(none.contains("COREs need"), "{none}");
}

/// Kolmogorov and Smirnov's asymptotic p-value of values being uniform from 0 to 1.
fn uniform_p(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gaps = values.iter().enumerate().map(|(i, v)| f64::max((i + 1) as f64 / n - v, v - i as f64 / n));
    let d = gaps.fold(0.0, f64::max) * n.sqrt();
    let term = |k: i32| (-2.0 * f64::from(k * k) * d * d).exp() * if k % 2 == 1 { 2.0 } else { -2.0 };
    if d < 0.2 { 1.0 } else { (1..100).map(term).sum::<f64>().clamp(0.0, 1.0) }
}

/// Bins of `genes`, called by `null` on each gene's own input, or on a shuffle of it.
fn called(name: &str, genes: usize, is_shuffled: bool) -> Vec<Bins> {
    let (session, model) = (session(), model(name));
    let mut readers = Readers::new(session.clone());
    let pool = Pool::read(&*model, &mut readers, SampleId(0), 1, &|| true).unwrap();
    let all: Vec<GeneId> = session.genome.genes.iter().map(|(id, _)| id).collect();
    let bins = |i: usize| {
        let id = all[(i * all.len() + all.len() / 3) / genes];
        let mut input = read_gene(&mut readers, SampleId(0), id, model.manifest()).unwrap();
        if is_shuffled {
            // A draw of its own: the null of the gene has other seeds.
            input = shuffled(&input, i % 2 == 1, &mut ChaCha8Rng::seed_from_u64(1_000_003 + i as u64));
        }
        pool.call(&*model, &input, id, &PROCEDURES[0], &|| true).unwrap().1
    };
    (0..genes).map(bins).collect()
}

/// Share of bins that are called, and of genes with one.
fn discoveries(bins: &[Bins]) -> (f64, f64) {
    let total: usize = bins.iter().flat_map(|b| &b.q).map(Vec::len).sum();
    let found: usize = bins.iter().map(Bins::count).sum();
    let genes = bins.iter().filter(|b| b.count() > 0).count();
    (found as f64 / total as f64, genes as f64 / bins.len() as f64)
}

/// At most one p-value a gene: bins of a gene are not independent. Every bin with attention has the same chance to be drawn, so that
/// genes with few of them, which have large values each, are not drawn too often: a gene is taken with the chance of its number of
/// bins over the largest number. Of sparse attention p-values of bins that are not 0 are uniform below their share.
fn one_each(bins: &[Bins], seed: u64) -> Vec<f64> {
    let attended = |b: &Bins| b.p.iter().flatten().copied().filter(|p| *p < 1.0).collect::<Vec<f64>>();
    let all: usize = bins.iter().flat_map(|b| &b.p).map(Vec::len).sum();
    let share = bins.iter().map(|b| attended(b).len()).sum::<usize>() as f64 / all as f64;
    let most = bins.iter().map(|b| attended(b).len()).max().unwrap_or(0);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let pick = |b: &Bins| attended(b).get(random.random_range(0..most.max(1))).map(|p| (p / share).min(1.0));
    bins.iter().filter_map(pick).collect()
}

fn check_null(network: &str, genes: usize) {
    let bins = called(network, genes, true);
    let (of_bins, of_genes) = discoveries(&bins);
    // The median of many draws of bins: one draw is a matter of luck.
    let mut draws: Vec<f64> = (0..51).map(|seed| uniform_p(one_each(&bins, seed))).collect();
    draws.sort_by(f64::total_cmp);
    let p = draws[25];
    let all: Vec<f64> = bins.iter().flat_map(|b| &b.p).flatten().copied().collect();
    let below = |level: f64| all.iter().filter(|p| **p <= level).count() as f64 / all.len() as f64;
    println!(
        "{network}, {genes} shuffled inputs: KS p {p:.3}, {:.2} % of all bins at p <= 0.01, {:.3} % called, in {:.1} % of genes",
        100.0 * below(0.01),
        100.0 * of_bins,
        100.0 * of_genes
    );
    assert!(p > 0.05, "{network}: {p}");
    if genes >= 100 {
        // Bins of a gene go together, so that shares of some 20,000 bins still have room.
        [0.005, 0.01, 0.05].iter().for_each(|a| assert!(below(*a) <= 1.25 * a, "{network}: {} at {a}", below(*a)));
    }
    assert!(of_bins <= 0.05, "{network}: {of_bins}");
    assert!(of_genes <= 0.05 + 2.5 * (0.05 * 0.95 / genes as f64).sqrt(), "{network}: {of_genes}");
}

#[test]
fn shuffled_inputs_have_uniform_p_values_and_hardly_a_significant_bin() {
    check_null("deepcore", 24);
    check_null("ablation/shuffled-labels", 24);
    check_null("attentive-chrome", 24);
}

#[test]
fn a_network_that_learnt_nothing_has_hardly_a_significant_bin() {
    let (of_bins, of_genes) = discoveries(&called("ablation/shuffled-labels", 16, false));
    println!("shuffled labels, real inputs: {:.3} % of bins, in {:.1} % of genes", 100.0 * of_bins, 100.0 * of_genes);
    assert!(of_bins <= 0.05, "{of_bins}");
}

#[test]
#[ignore = "minutes: cargo test --test regulation -- --ignored --nocapture"]
fn the_null_holds_on_many_genes_and_both_kinds_of_attention() {
    for (network, genes) in [("deepcore", 200), ("ablation/shuffled-labels", 200), ("attentive-chrome", 100)] {
        check_null(network, genes);
        let (of_bins, of_genes) = discoveries(&called(network, genes, false));
        println!("{network}, real inputs: {:.3} % of bins called, in {:.1} % of genes", 100.0 * of_bins, 100.0 * of_genes);
    }
}

fn lines(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("# cislens "), "what made it: {}", text.lines().next().unwrap());
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn cores_are_found_over_the_panel_and_fewer_samples_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (at, data) = (folder.path(), data());
    let session = data.join("session.toml");
    std::fs::write(at.join("genes.txt"), "NAMA4\n").unwrap();
    let base = format!("cores deepcore --session {} --genes genes.txt", session.display());
    cislens(at, &format!("{base} --sample P01,P02,P03,P04 --out c.tsv")).refused(2, &["4 samples", "at least 20"]);
    cislens(at, &format!("cores attentive-chrome --session {} --gene NAMA4 --out c.tsv", session.display())).refused(2, &["20"]);
    cislens(at, &format!("{base} --out c.txt")).refused(2, &[".tsv"]);
    let truth = data.join("truth.tsv");
    let ran =
        cislens(at, &format!("{base} --out c.tsv --svg c.svg --arcs c.bedpe --truth {} --threads 1", truth.display())).done();
    assert!(ran.stdout.contains("1 genes") && ran.stdout.contains("planted pairs"), "{}", ran.stdout);
    let first = std::fs::read(at.join("c.tsv")).unwrap();
    let table = lines(&at.join("c.tsv"));
    assert_eq!(table[0][0], "gene_id");
    for row in &table[1..] {
        assert!(row[9].parse::<u64>().unwrap() >= 1_000 && row[12].parse::<f64>().unwrap() < 0.05, "{row:?}");
    }
    let svg = std::fs::read_to_string(at.join("c.svg")).unwrap();
    assert!(svg.contains("P20") && svg.contains("NAMA4") && svg.contains("cislens"));
    let arcs = std::fs::read_to_string(at.join("c.bedpe")).unwrap();
    assert_eq!(arcs.lines().count(), table.len());
    cislens(at, &format!("{base} --out c.tsv --truth {} --threads 2", truth.display())).done();
    assert_eq!(std::fs::read(at.join("c.tsv")).unwrap(), first, "the same bytes on any number of threads");
    // Labels of other genes, but the same network and window: what both make of a pair of places stands beside.
    let other = data.join("models/ablation/shuffled-labels");
    cislens(at, &format!("{base} --out r.tsv --replicates {}", other.display())).done();
    let held = lines(&at.join("r.tsv"));
    assert_eq!(held[0][14], "r_across");
    assert!(held.len() <= table.len() && held[1..].iter().all(|row| row[14].parse::<f64>().unwrap() > 0.0), "{held:?}");
    for (wrong, reason) in [
        ("deepcore", "compared already"),
        ("attentive-chrome", "another network"),
        ("nobody", "no model"),
        ("deepcore --procedure paper", "compares none"),
    ] {
        cislens(at, &format!("{base} --out r.tsv --replicates {wrong}")).refused(2, &[reason]);
    }
    cislens(at, &format!("{base} --out c.tsv --resume")).refused(2, &["no interrupted run"]);
}

#[test]
fn enrichment_compares_bins_with_the_annotations_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let (at, data) = (folder.path(), data());
    std::fs::write(at.join("empty.bed"), "chr9\t1\t2\n").unwrap();
    let base = format!("--session {} --sample S01 --locus chr3:1-150,000", data.join("session.toml").display());
    let sparse = cislens(at, &format!("enrich deepcore {base} --out null.tsv")).done();
    assert!(sparse.stdout.contains("22 genes, ") && !sparse.stdout.contains("NaN"), "{}", sparse.stdout);
    // A procedure that always calls some bins.
    let run = format!(
        "enrich deepcore {base} --procedure code --out e.tsv --by-gene g.tsv --bins b.bed --marks m.tsv --svg e.svg --threads 2"
    );
    let ran = cislens(at, &run).done();
    assert!(ran.stdout.contains("bins a gene"), "{}", ran.stdout);
    let table = lines(&at.join("e.tsv"));
    assert!(table.len() >= 3 && table[0][0] == "elements", "{table:?}");
    for row in &table[1..] {
        let counts: u64 = row[8..12].iter().map(|c| c.parse::<u64>().unwrap()).sum();
        assert!(counts > 0 && row[3].parse::<u64>().unwrap() > 0, "{row:?}");
    }
    let (genes, sets) = (lines(&at.join("g.tsv")).len() - 1, table.len() - 1);
    assert_eq!(genes % sets, 0);
    assert_eq!(lines(&at.join("m.tsv")).len(), 1 + 2 * 5, "five marks, genes predicted high and low");
    let again = std::fs::read(at.join("e.tsv")).unwrap();
    cislens(at, &run.replace("--threads 2", "--threads 1")).done();
    assert_eq!(std::fs::read(at.join("e.tsv")).unwrap(), again);
    // Elements that lie nowhere near have a defined answer.
    let none = cislens(at, &format!("enrich deepcore {base} --out n.tsv --elements empty.bed --procedure code")).done();
    assert!(none.stdout.contains("0 of 0 elements hit") && none.stdout.contains("p 1.00e0"), "{}", none.stdout);
    // States of a segmentation stand for themselves beside the file as a whole, which covers every bin.
    let states =
        (0..150).map(|i| format!("chr3\t{}\t{}\t{}\n", 1_000 * i, 1_000 * (i + 1), ["1_TssA", "7_Enh", "15_Quies"][i % 3]));
    std::fs::write(at.join("states.bed"), states.collect::<String>()).unwrap();
    cislens(at, &format!("enrich deepcore {base} --out s.tsv --elements states.bed")).done();
    let (names, in_windows): (Vec<String>, Vec<u64>) =
        lines(&at.join("s.tsv"))[1..].iter().map(|row| (row[0].clone(), row[2].parse::<u64>().unwrap())).unzip();
    assert_eq!(names, ["states.bed", "states.bed: 15_Quies", "states.bed: 1_TssA", "states.bed: 7_Enh"]);
    assert_eq!(in_windows[0], in_windows[1..].iter().sum::<u64>());
    cislens(at, &format!("enrich isegnet {base} --out n.tsv")).refused(2, &["no attention"]);
    let unseen = format!("enrich attentive-chrome {base} --out u.tsv --unseen H3K27ac --procedure paper");
    let ran = cislens(at, &unseen).done();
    assert!(ran.stdout.contains("class optimisation") && ran.stdout.contains("does not read"), "{}", ran.stdout);
}

#[test]
fn motifs_of_filters_stretches_and_sites_are_tabled() {
    let folder = tempfile::tempdir().unwrap();
    let (at, data) = (folder.path(), data());
    let base = format!("--session {} --sample S01 --locus chr3:1-40,000 --threads 2", data.join("session.toml").display());
    cislens(at, &format!("motifs filters deepcore {base} --out f.tsv --svg f.svg --meme f.meme")).done();
    let table = lines(&at.join("f.tsv"));
    assert_eq!(table.len(), 51, "50 filters");
    assert!(table[1][9].parse::<f64>().unwrap() >= table[50][9].parse::<f64>().unwrap(), "by influence");
    assert!(std::fs::read_to_string(at.join("f.meme")).unwrap().contains("MOTIF filter"));
    assert!(std::fs::read_to_string(at.join("f.svg")).unwrap().contains("filter"));
    cislens(at, &format!("motifs enrichment deepcore {base} --method input-x-gradient --out e.tsv")).done();
    assert_eq!(lines(&at.join("e.tsv")).len(), 1 + bundled_motifs().len());
    cislens(at, &format!("motifs knock-out deepcore {base} --out k.tsv")).done();
    assert_eq!(lines(&at.join("k.tsv")).len(), 1 + bundled_motifs().len());
    let peaks = data.join("signals/S01.DNase.narrowPeak");
    let ran =
        cislens(at, &format!("motifs peaks deepcore {base} --method input-x-gradient --peaks {} --out p.tsv", peaks.display()));
    assert!(ran.done().stdout.contains("expected of shifts"));
    cislens(at, &format!("motifs tfs deepcore {base} --out t.tsv")).refused(2, &["no transcription factor"]);
    cislens(at, &format!("motifs peaks deepcore {base} --out t.tsv")).refused(2, &["--peaks"]);
    cislens(at, &format!("motifs filters attentive-chrome {base} --out t.tsv")).refused(2, &["no DNA"]);
}

#[test]
fn a_factor_that_is_not_expressed_has_a_gradient_but_no_knock_out() {
    let folder = tempfile::tempdir().unwrap();
    let (at, session) = (folder.path(), session());
    let samples = [SampleId(0), SampleId(1)];
    let deepcage = architecture("deepcage").unwrap();
    let mut manifest = deepcage.default_manifest();
    manifest.input.tfs = TfSpec::of_samples(&bundled_motifs(), &session, &samples).unwrap();
    let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
    (deepcage.build)(&weights, manifest.clone()).unwrap();
    let tensors = weights.saved().into_iter().map(|(name, v)| (name, v.as_detached_tensor())).collect();
    save_model(&at.join("cage"), &manifest, &tensors).unwrap();
    let data = data().join("session.toml");
    let run = format!(
        "motifs tfs cage --session {} --sample S01,S02 --gene NAMA4 --flank 2000 --step 1000 --out t.tsv --svg t.svg",
        data.display()
    );
    cislens(at, &run).done();
    let table = lines(&at.join("t.tsv"));
    let n = manifest.input.tfs.len();
    assert_eq!(table.len(), 1 + 2 * n);
    for row in &table[1..] {
        let numbers: Vec<f64> = row[3..].iter().map(|x| x.parse().unwrap()).collect();
        // The lowest quantile of expression need not be 0; a factor is silent where its normalised expression is.
        assert!(numbers[1] >= 0.0 && numbers.iter().all(|x| x.is_finite()), "{row:?}");
    }
    assert!(std::fs::read_to_string(at.join("t.svg")).unwrap().contains("S02"));
}

/// DeepCAGE's factors from what was measured in 55 cell types, with HOCOMOCO's motifs; the network's weights are as they begin.
#[test]
fn factors_measured_in_55_cell_types_are_ranked_in_each() {
    let files = ["tf_gexp_matrix.txt", "cells.txt", "HOCOMOCOv11_core.homer.motif", "HOCOMOCOv11_core.tsv"];
    let files: Vec<PathBuf> = files.iter().filter_map(|name| shared(&format!("real/deepcage/{name}"))).collect();
    let [matrix, cells, motifs, names] = &files[..] else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let cells = std::fs::read_to_string(cells).unwrap();
    let cells: Vec<String> =
        cells.lines().map(|l| l.split('\t').next_back().unwrap().trim().replace([' ', ',', '\''], "_")).collect();
    let matrix = std::fs::read_to_string(matrix).unwrap();
    let rows: Vec<Vec<&str>> = matrix.lines().map(|line| line.split('\t').collect()).collect();
    // A column a motif: of several motifs of one factor the first.
    let mut table = format!("tf\t{}\n", cells.join("\t"));
    let mut seen = std::collections::BTreeSet::new();
    for column in (1..rows[0].len()).filter(|&column| seen.insert(rows[0][column])) {
        let values: Vec<&str> = rows[1..].iter().map(|row| row[column]).collect();
        table += &format!("{}\t{}\n", rows[0][column], values.join("\t"));
    }
    assert_eq!((cells.len(), seen.len()), (55, 678));
    std::fs::write(at.join("tfs.tsv"), table).unwrap();
    let genome = |name: &str| data().join(name).display().to_string();
    let mut text = format!(
        "version = 1\n[genome]\nsizes = '{}'\nfasta = '{}'\ngenes = '{}'\n",
        genome("sim1.chrom.sizes"),
        genome("sim1.fa.gz"),
        genome("genes.gtf.gz")
    );
    for cell in &cells {
        text += &format!("[[sample]]\nname = '{cell}'\ntf_expression = {{ file = 'tfs.tsv', id_column = 'tf' }}\n");
    }
    std::fs::write(at.join("session.toml"), text).unwrap();
    let session = Arc::new(Session::open(&at.join("session.toml")).unwrap());
    let mut motifs = cislens::motifs::read_tf_motifs(motifs, Some(names)).unwrap();
    motifs.truncate(40); // all 401 in minutes
    let samples: Vec<SampleId> = (0..cells.len()).map(SampleId).collect();
    let deepcage = architecture("deepcage").unwrap();
    let mut manifest = deepcage.preset("small").unwrap();
    manifest.input.tfs = TfSpec::of_samples(&motifs, &session, &samples).unwrap();
    // Expression as it was measured: a quantile would never be 0.
    manifest.input.tfs.quantiles.clear();
    let n = manifest.input.tfs.len();
    assert!(n > 30, "{n} factors have a motif and were measured");
    let weights = Weights::fresh(1, DType::F32, &Device::Cpu);
    (deepcage.build)(&weights, manifest.clone()).unwrap();
    let tensors = weights.saved().into_iter().map(|(name, v)| (name, v.as_detached_tensor())).collect();
    save_model(&at.join("cage"), &manifest, &tensors).unwrap();
    cislens(at, "motifs tfs cage --session session.toml --gene NAMA4 --flank 0 --out t.tsv --svg t.svg --threads 2").done();
    let table = lines(&at.join("t.tsv"));
    assert_eq!(table.len(), 1 + 55 * n);
    let (mut silent, mut ranks) = (0, std::collections::BTreeSet::new());
    for row in &table[1..] {
        let numbers: Vec<f64> = row[3..].iter().map(|x| x.parse().unwrap()).collect();
        let [expression, gradient, product, knock_out] = numbers[..] else { panic!("{row:?}") };
        let expected = session.tf_expression(samples[cells.iter().position(|c| *c == row[0]).unwrap()], &row[2]).unwrap();
        assert!((expression - expected).abs() <= 1e-4, "{row:?}: {expected}");
        assert!(gradient >= 0.0, "{row:?}");
        if expected == 0.0 {
            // The gradient does not know a factor that is not there; the others do.
            assert_eq!((product, knock_out), (0.0, 0.0), "{row:?}");
            silent += u64::from(gradient > 0.0);
        }
        if row[1] == "1" {
            ranks.insert(row[2].clone());
        }
    }
    println!("{n} factors in 55 cell types: {silent} times the gradient names one that is not expressed; first: {ranks:?}");
    assert!(silent > 55, "{silent}");
    assert!(std::fs::read_to_string(at.join("t.svg")).unwrap().contains("A549"));
}

#[test]
fn genes_are_listed_by_how_far_two_samples_models_or_methods_disagree() {
    let folder = tempfile::tempdir().unwrap();
    let (at, session) = (folder.path(), data().join("session.toml"));
    let base = |locus: &str| format!("--session {} --sample S01 --locus {locus} --method input-x-gradient", session.display());
    let run = format!("disagreement deepcore {} --against S02 --out d.tsv --places d.bed --svg d.svg", base("chr3:1-60,000"));
    cislens(at, &format!("{run} --threads 1")).done();
    let table = lines(&at.join("d.tsv"));
    let column = |name: &str| table[0].iter().position(|c| c == name).unwrap_or_else(|| panic!("no {name} in {:?}", table[0]));
    let value = |row: &[String], name: &str| row[column(name)].parse::<f64>().unwrap();
    let distances: Vec<f64> = table[1..].iter().map(|row| value(row, "disagreement")).collect();
    assert!(distances.len() > 5 && distances.windows(2).all(|pair| pair[0] >= pair[1]), "{distances:?}");
    for row in &table[1..] {
        let distance = value(row, "disagreement");
        assert!((0.0..=1.0).contains(&distance), "{row:?}");
        let shares = (value(row, "share_S01") - value(row, "share_S02")).abs();
        assert!(shares <= 2.0 * distance + 1e-3 && shares > 0.0, "one block is no more than all: {row:?}");
        for sample in ["S01", "S02"] {
            let error = value(row, &format!("predicted_{sample}")) - value(row, &format!("measured_{sample}"));
            assert!((value(row, &format!("error_{sample}")) - error).abs() < 2e-4, "{row:?}");
        }
    }
    let bed = std::fs::read_to_string(at.join("d.bed")).unwrap();
    assert_eq!(bed.lines().count(), table.len(), "a place a gene, and what made it");
    let svg = std::fs::read_to_string(at.join("d.svg")).unwrap();
    for shown in ["S01 and S02", "H3K27ac", "bases from the TSS", &table[1][column("gene")], "predicted, S02"] {
        assert!(svg.contains(shown), "{shown}");
    }
    let first = std::fs::read(at.join("d.tsv")).unwrap();
    cislens(at, &format!("{run} --threads 2")).done();
    assert_eq!(std::fs::read(at.join("d.tsv")).unwrap(), first);
    let other = |with: &str| format!("disagreement deepcore {} {with} --out o.tsv", base("chr3:1-20,000"));
    cislens(at, &other("--against-model attentive-chrome")).done();
    assert!(lines(&at.join("o.tsv"))[0].contains(&"predicted_attentive-chrome".to_owned()));
    cislens(at, &other("--against-method saliency")).done();
    assert!(lines(&at.join("o.tsv"))[0].contains(&"share_saliency".to_owned()));
    cislens(at, &other("--against S01")).refused(2, &["is compared with itself"]);
    cislens(at, &other("--against S99")).refused(2, &["the session has S01"]);
    cislens(at, &other("--against S02 --against-method saliency")).refused(2, &["cannot be used with"]);
    cislens(at, &other("")).refused(2, &["--against"]);
}

#[test]
fn published_attention_is_compared_with_measured_marks() {
    let (Some(weights), Some(counts)) = (shared("real/attentivechrome/model.pt"), shared("real/deepdiff/Cell1.test.csv")) else {
        return;
    };
    let Some(expression) = shared("real/deepdiff/Cell1.expr.csv") else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let marks = "--marks H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3";
    cislens(at, &format!("import attentive-chrome {} --bins 200 --out attchrome {marks}", weights.display())).done();
    let counts = counts.display();
    let init = format!("init {counts} --expression {} --model attchrome {marks} --out session.toml", expression.display());
    cislens(at, &init).done();
    std::fs::write(at.join("none.bed"), "chr9\t1\t2\n").unwrap();
    let run = "enrich attchrome --session session.toml --all --elements none.bed --procedure paper --unseen H3K4me1 --out e.tsv";
    let ran = cislens(at, run).done();
    println!("{}", ran.stdout);
    assert!(ran.stdout.contains("which the model reads"), "{}", ran.stdout);
    let of_attention = ran.stdout.split("attention ").nth(1).unwrap().split(',').next().unwrap().parse::<f64>().unwrap();
    assert!((-1.0..=1.0).contains(&of_attention));
}
