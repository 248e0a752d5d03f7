//! The program as it is called: what it writes, what it says, how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod measured;
mod program;
mod toy;

use cislens::attribution::METHODS;
use cislens::genome::ChromSizes;
use cislens::models::{MODELS, Manifest};
use cislens::tracks::{Array, NpzReader, SignalInterval, Values, write_bigwig, write_npz};
use measured::shared;
use program::cislens;
use std::fs;
use std::path::Path;

/// The marks of the DeepDiff tables, in their order.
const DEEPDIFF: &str = "H3K4me1,H3K4me3,H3K9me3,H3K27me3,H3K36me3";
/// The marks of the AttentiveChrome tables, in theirs.
const ATTENTIVE: &str = "H3K27me3,H3K36me3,H3K4me1,H3K4me3,H3K9me3";

fn array(path: &Path, name: &str) -> (Vec<usize>, Vec<f64>) {
    let array = NpzReader::open(path).unwrap().read(name).unwrap();
    (array.shape.clone(), array.to_f64().unwrap())
}

fn texts(path: &Path, name: &str) -> Vec<String> {
    NpzReader::open(path).unwrap().read(name).unwrap().as_text().unwrap().to_vec()
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance || a.is_nan() && b.is_nan(), "{what} {i}: {a} and {b}");
    }
}

#[test]
fn published_weights_on_measured_genes_through_the_command_line() {
    let (Some(real), Some(golden)) = (shared("real"), shared("golden/attentivechrome/published_on_k562.npz")) else { return };
    let (folder, real) = (tempfile::tempdir().unwrap(), real.display().to_string());
    let folder = folder.path();
    let unnamed = cislens(folder, &format!("import attentive-chrome {real}/attentivechrome/model.pt --out ac"));
    unnamed.refused(2, &["reads 5 marks, none is named: say them with --marks", DEEPDIFF, ATTENTIVE]);
    assert!(!folder.join("ac").exists());
    let imported = cislens(
        folder,
        &format!("import attentive-chrome {real}/attentivechrome/model.pt --out ac --name published --marks {DEEPDIFF}"),
    );
    assert!(
        imported.done().stdout.contains("20000 bases around the TSS, marks H3K4me1, H3K4me3, H3K9me3, H3K27me3, H3K36me3, hash ")
    );
    let files = format!(
        "{real}/deepdiff/Cell1.train.csv {real}/deepdiff/Cell1.valid.csv {real}/deepdiff/Cell1.test.csv {real}/deepdiff/Cell1.expr.csv"
    );
    cislens(folder, &format!("init {files} --out session.toml"))
        .refused(2, &["Cell1.train.csv: a bin table has no header", "--marks"]);
    assert!(!folder.join("session.toml").exists());
    let made = cislens(folder, &format!("init {files} --marks {DEEPDIFF} --model ac --out session.toml")).done();
    assert!(made.stdout.contains("Cell1.expr.csv: expression of Cell1 (19795 genes, count)"), "{}", made.stdout);
    assert!(made.stdout.contains("session.toml: 5 rows, 600 genes, samples Cell1"), "{}", made.stdout);
    cislens(folder, "check session.toml").done();

    cislens(folder, "predict ac --session session.toml --all --out p.npz").done();
    let (genes, out) = (texts(&folder.join("p.npz"), "gene_id"), folder.join("p.npz"));
    let ((_, logits), (shape, beta)) = (array(&out, "output"), array(&out, "beta"));
    assert_eq!(shape, [600, 5]);
    let (shape, alpha) = array(&out, "alpha");
    assert_eq!(shape, [600, 5, 200]);
    let (_, probability) = array(&out, "probability");
    let mut compared = 0;
    for part in ["train", "valid", "test"] {
        let (expected, (_, expected_beta)) =
            (array(&golden, &format!("{part}_logit")).1, array(&golden, &format!("{part}_beta")));
        for (i, name) in texts(&golden, &format!("{part}_gene")).iter().enumerate() {
            let at = genes.iter().position(|id| name.starts_with(id.as_str())).unwrap();
            assert_close(&logits[at..=at], &expected[i..=i], 1e-5, name);
            assert_close(&beta[at * 5..][..5], &expected_beta[i * 5..][..5], 1e-5, name);
            assert!((probability[at] - 1.0 / (1.0 + (-logits[at]).exp())).abs() < 1e-6);
            if part == "test" && i < 20 {
                let expected = array(&golden, "test_alpha").1;
                assert_close(&alpha[at * 1_000..][..1_000], &expected[i * 1_000..][..1_000], 1e-5, name);
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 600);

    // The table's line says the same, with the measured count.
    cislens(folder, "predict published --session session.toml --gene TSPAN6 --out p.tsv").done();
    let table = fs::read_to_string(folder.join("p.tsv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("# cislens ") && lines[0].contains("predict; model published (attentive-chrome) "),
        "{}",
        lines[0]
    );
    let fields: Vec<(&str, &str)> = lines[1].split('\t').zip(lines[2].split('\t')).collect();
    let field = |name: &str| fields.iter().find(|(column, _)| *column == name).unwrap().1;
    let at = genes.iter().position(|id| id == "ENSG00000000003").unwrap();
    assert_eq!((field("gene"), field("measured_count"), lines.len()), ("TSPAN6", "153", 3));
    assert_eq!(field("output").parse::<f32>().unwrap(), logits[at] as f32);
    // Any number of threads gives the same bytes.
    cislens(folder, "predict ac --session session.toml --all --threads 3 --out again.npz").done();
    assert_eq!(fs::read(&out).unwrap(), fs::read(folder.join("again.npz")).unwrap());
}

#[test]
fn a_table_in_another_order_feeds_a_model_by_the_names_of_its_marks() {
    let Some(real) = shared("real") else { return };
    let (folder, real) = (tempfile::tempdir().unwrap(), real.display().to_string());
    let folder = folder.path();
    cislens(folder, &format!("import attentive-chrome {real}/attentivechrome/model.pt --out ac --bins 100 --marks {DEEPDIFF}"))
        .done();
    cislens(folder, &format!("init {real}/attentivechrome/toy.train.csv --marks {ATTENTIVE} --out toy.toml")).done();
    cislens(folder, "predict ac --session toy.toml --all --out named.npz").done();
    // The same counts, put in the model's order by hand.
    let text = fs::read_to_string(format!("{real}/attentivechrome/toy.train.csv")).unwrap();
    let rows: Vec<Vec<f32>> = text.lines().map(|l| l.split(',').skip(2).map(|v| v.parse().unwrap()).collect()).collect();
    let order = DEEPDIFF.split(',').map(|mark| ATTENTIVE.split(',').position(|m| m == mark).unwrap());
    let order: Vec<usize> = order.collect();
    let of = |order: &[usize]| -> Vec<f32> { rows.iter().flat_map(|row| order.iter().map(|&i| row[i])).collect() };
    let n = rows.len() / 100;
    for (file, values) in [("right.npz", of(&order)), ("wrong.npz", of(&[0, 1, 2, 3, 4]))] {
        write_npz(&folder.join(file), &[("x", &Array::f32(&[n, 100, 5], values))]).unwrap();
        cislens(folder, &format!("predict ac --arrays {file} --out out-{file}")).done();
    }
    let output = |file: &str| array(&folder.join(file), "output").1;
    assert_eq!(output("named.npz"), output("out-right.npz"));
    assert!(output("named.npz").iter().zip(output("out-wrong.npz")).all(|(a, b)| (a - b).abs() > 1e-6));
    let other = ATTENTIVE.replace("H3K9me3", "H3K27ac");
    cislens(folder, &format!("init {real}/attentivechrome/toy.train.csv --marks {other} --out other.toml")).done();
    cislens(folder, "predict ac --session other.toml --all --out p.npz")
        .refused(2, &["needs H3K9me3, sample toy has H3K27me3, H3K36me3, H3K4me1, H3K4me3, H3K27ac"]);
}

#[test]
fn reference_arrays_give_the_reference_numbers() {
    let Some(golden) = shared("golden/attentivechrome") else { return };
    let (folder, expected) = (tempfile::tempdir().unwrap(), golden.join("expected.npz"));
    let (folder, golden) = (folder.path(), golden.display());
    for weights in ["weights.pt", "weights_legacy.pt"] {
        cislens(folder, &format!("import attentive-chrome {golden}/{weights} --out m --bins 100 --marks a,b,c,d,e")).done();
        cislens(folder, &format!("predict m --arrays {golden}/expected.npz --out p.npz")).done();
        for name in ["output", "alpha", "beta"] {
            assert_close(&array(&folder.join("p.npz"), name).1, &array(&expected, name).1, 1e-5, name);
        }
    }
    let largest = |values: &[f64]| values.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (method, name) in [("saliency", "gradient"), ("ig --steps 50", "ig_riemann_middle")] {
        let method = method.split_once(' ').map_or((method, ""), |(name, rest)| (name, rest));
        cislens(folder, &format!("attribute {} m --arrays {golden}/expected.npz {} --out a.npz", method.0, method.1)).done();
        let (found, wanted) = (array(&folder.join("a.npz"), "x"), array(&expected, name));
        assert_eq!(found.0, [4, 100, 5]);
        assert_close(&found.1, &wanted.1, 1e-4 * largest(&wanted.1), name);
        assert_close(&array(&folder.join("a.npz"), "output").1, &array(&expected, "output").1, 1e-5, "output");
    }
    assert_eq!(array(&folder.join("a.npz"), "delta").0, [4]);
}

#[test]
fn a_gene_and_its_reverse_complement_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    cislens(folder, "check session.toml").done();
    for architecture in MODELS {
        let model = architecture.name;
        let out = folder.join("out.npz");
        cislens(folder, &format!("predict {model} --session session.toml --all --out out.npz")).done();
        // Genes stand in order of the genome: on `a` ONE1, ONE0, on `b` TWIN0, TWIN1.
        assert_eq!(texts(&out, "gene"), ["ONE1", "ONE0", "TWIN0", "TWIN1"]);
        assert_eq!(texts(&out, "strand"), ["+", "+", "-", "-"]);
        let before = toy::manifest(model).window.tss_index as f64;
        assert_eq!(array(&out, "start").1[..2], toy::TSS.map(|tss| tss as f64 - before).into_iter().rev().collect::<Vec<_>>());
        let (starts, ends) = (array(&out, "start").1, array(&out, "end").1);
        let names = NpzReader::open(&out).unwrap().names();
        let twins_agree = |name: &str, tolerance: f64| {
            let (shape, values) = array(&out, name);
            let row = values.len() / shape[0];
            for (one, twin) in [(0, 3), (1, 2)] {
                // In the model's orientation the rows are the same; on the genome they are mirror images.
                assert_close(&values[one * row..][..row], &values[twin * row..][..row], tolerance, &format!("{model} {name}"));
                assert_eq!(ends[twin], toy::LEN as f64 - starts[one]);
            }
            values
        };
        twins_agree("output", 1e-6);
        // F, where the published output hides it: iSEGnet's last ReLU makes both 0.
        let has = |name: &&str| names.iter().any(|n| n == name);
        let score = twins_agree(["score", "logit"].into_iter().find(has).unwrap_or("output"), 1e-6);
        assert!((score[0] - score[1]).abs() > 1e-6, "{model} tells the two genes apart");
        for name in names.iter().filter(|n| ["attention", "alpha", "beta", "probability"].contains(&n.as_str())) {
            twins_agree(name, 1e-6);
        }
        let network = cislens::models::load_model(&folder.join(model), &candle_core::Device::Cpu).unwrap();
        for method in METHODS {
            let ran = cislens(folder, &format!("attribute {} {model} --session session.toml --all --out out.npz", method.name()));
            if let Some(reason) = method.obstacle(&*network) {
                ran.refused(2, &[&reason]);
                continue;
            }
            ran.done();
            let names = NpzReader::open(&out).unwrap().names();
            let mut is_seen = false;
            for name in names.iter().filter(|n| ["sequence", "marks", "x", "profile"].contains(&n.as_str())) {
                let largest = array(&out, name).1.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
                // Effects of single bases are small differences of F: 4 eps |F| is rounding.
                twins_agree(name, 1e-4 * largest + 1e-7);
                // What is left of four F's of a pair is smaller still.
                is_seen |= largest > if method.name() == "epistasis" { 1e-9 } else { 1e-5 };
            }
            assert!(is_seen, "{model} {}: next to nothing", method.name());
        }
    }
}

#[test]
fn sequences_and_marks_as_plain_arrays_are_what_a_session_reads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let session = toy::write_session(folder);
    cislens(folder, "predict deepcore --session session.toml --all --out session.npz").done();
    let opened = std::sync::Arc::new(cislens::session::Session::open(&session).unwrap());
    let manifest = toy::manifest("deepcore");
    let mut readers = cislens::session::Readers::new(opened.clone());
    let (mut sequences, mut marks) = (String::new(), Vec::new());
    for (_, gene) in opened.genome.genes.iter() {
        let window = manifest.window_at(gene.region.chrom.clone(), gene.tss(opened.genome.tss), gene.strand);
        let mut source = cislens::models::SampleSource::new(&mut readers, cislens::session::SampleId(0), &manifest);
        let input = cislens::models::Input::assemble(&manifest, &window, &mut source).unwrap();
        sequences += &String::from_utf8(input.sequence.clone().unwrap()).unwrap().to_lowercase();
        sequences += "\r\n";
        marks.extend(input.marks);
    }
    fs::write(folder.join("s.txt"), sequences).unwrap();
    let k = manifest.input.marks.len();
    write_npz(&folder.join("m.npz"), &[("marks", &Array::f32(&[4, toy::WINDOW as usize, k], marks))]).unwrap();
    cislens(folder, "predict deepcore --sequences s.txt --arrays m.npz --out arrays.npz").done();
    for name in ["output", "attention"] {
        assert_eq!(array(&folder.join("session.npz"), name), array(&folder.join("arrays.npz"), name));
    }
    let names = NpzReader::open(&folder.join("arrays.npz")).unwrap().names();
    assert_eq!(names, ["output", "attention", "provenance"], "plain arrays have no place on a genome");
}

#[test]
fn what_is_asked_wrongly_is_explained_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let mut manifest = toy::manifest("attentive-chrome");
    manifest.input.marks[0] = "H3K79me2".to_owned();
    manifest.input.marks[1] = "H4K20me1".to_owned();
    toy::write_model(&folder.join("other"), &manifest);
    let session = fs::read_to_string(folder.join("session.toml")).unwrap();
    fs::write(folder.join("nodna.toml"), session.replace("fasta = \"toy.fa.gz\"", "sizes = \"toy.sizes\"")).unwrap();
    fs::write(folder.join("toy.sizes"), "a 3000\nb 3000\n").unwrap();
    let unit = session.replace("mark = \"H3K4me3\"", "mark = \"H3K4me3\"\nsignal = \"fold_change\"");
    fs::write(folder.join("unit.toml"), unit).unwrap();
    fs::write(folder.join("names.txt"), "# names\nNONE\n").unwrap();
    for (args, words) in [
        (
            "attribute gradients deepcore --all --out a.npz",
            &["no method \"gradients\"; there are saliency, input-x-gradient, corrected-gradient"][..],
        ),
        (
            "attribute ism attentive-chrome --all --out a.npz",
            &["saturation-mutagenesis says nothing about model attentive-chrome", "reads no DNA"],
        ),
        ("attribute saliency deepcore --all --steps 9 --out a.npz", &["--n-steps is for integrated-gradients"]),
        (
            "attribute ig deepcore --all --rule gauss-legendre --refine-to 243 --out a.npz",
            &["--refine-to: nodes of gauss-legendre are not among those of three times as many"],
        ),
        ("attribute ig deepcore --all --steps 0 --out a.npz", &["invalid value '0'", "a whole number from 1 to 1,000,000"]),
        ("predict other --all --out a.npz", &["model attentive-chrome: needs H3K79me2, H4K20me1, sample toy has "]),
        ("predict deepcore --session nodna.toml --all --out a.npz", &["needs DNA, the session has no reference sequence"]),
        ("predict deepcore --session unit.toml --all --out a.npz", &["H3K4me3 is fold_change", "the model was trained on"]),
        ("predict nobody --all --out a.npz", &["no model \"nobody\"", "deepcore, attentive-chrome"]),
        ("predict deepcore --all --out a.csv", &["a.csv: it ends in .npz or .tsv"]),
        ("predict deepcore --out a.npz", &["which input? --genes FILE"]),
        ("predict deepcore --gene NONE --out a.npz", &["no gene \"NONE\""]),
        ("predict deepcore --sample NONE --all --out a.npz", &["no sample \"NONE\"; the session has toy"]),
        ("predict deepcore --locus c:1-9 --out a.npz", &["no chromosome \"c\"; the genome has a, b"]),
        ("predict deepcore --locus a:1-9 --out a.npz", &["no gene has its TSS in a:1-9"]),
        ("predict deepcore --all --gene ONE0 --out a.npz", &["cannot be used with"]),
        ("predict deepcore --arrays a.npz --all --out a.npz", &["cannot be used with"]),
        ("import deepcor x.pt --out d", &["\"deepcor\" is none of deepcore, attentive-chrome"]),
        ("init toy_H3K4me3.bw --marks a,b --out s.toml", &["--marks names the columns of bin tables"]),
        ("init toy_H3K4me3.bw --signal tpm --out s.toml", &["count, rpm, fold_change"]),
        ("list weights", &["models, methods, formats, themes, keys"]),
        ("predict deepcore --all", &["--out <F>"]),
        ("attribute ism", &["<MODEL>"]),
    ] {
        let is_in_session = (args.starts_with("predict") || args.starts_with("attribute"))
            && args.contains("--out")
            && !args.contains("--session")
            && !args.contains("--arrays");
        let session = if is_in_session { " --session session.toml" } else { "" };
        cislens(folder, &format!("{args}{session}")).refused(2, words);
        for file in ["a.npz", "a.csv", "s.toml", "d"] {
            assert!(!folder.join(file).exists(), "{args} wrote {file}");
        }
    }
    cislens(folder, "predict deepcore --session session.toml --genes names.txt --out a.npz")
        .refused(1, &["names.txt: no gene of the session in it (NONE)"]);
}

#[test]
fn files_that_cannot_be_read_are_named_with_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let session = fs::read_to_string(folder.join("session.toml")).unwrap();
    let with = |name: &str, from: &str, to: &str| fs::write(folder.join(name), session.replace(from, to)).unwrap();
    with("gone.toml", "genes.gtf", "gone.gtf");
    with("odd.toml", "note =", "motto =");
    let whole = fs::read(folder.join("toy_H3K4me3.bw")).unwrap();
    fs::write(folder.join("short.bw"), &whole[..whole.len() / 2]).unwrap();
    with("short.toml", "toy_H3K4me3.bw", "short.bw");
    fs::create_dir(folder.join("hurt")).unwrap();
    fs::write(folder.join("hurt/model.toml"), "architecture = 3").unwrap();
    fs::write(folder.join("noise.pt"), (0..4_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>())
        .unwrap();
    fs::write(folder.join("text.npz"), "no archive").unwrap();
    fs::write(folder.join("s.txt"), "ACGT\n").unwrap();
    fs::write(folder.join("q.txt"), "ACGT\nAC?T\n").unwrap();
    let k = toy::manifest("attentive-chrome").input.marks.len();
    let arrays = |name: &str, key: &str, array: &Array| write_npz(&folder.join(name), &[(key, array)]).unwrap();
    arrays("key.npz", "counts", &Array::f32(&[1, 2, 5], vec![0.0; 10]));
    arrays("few.npz", "x", &Array::f32(&[1, 2, 3], vec![0.0; 6]));
    let mut values = vec![0.0; 3 * k];
    values[k + 1] = f32::NAN;
    arrays("nan.npz", "x", &Array::f32(&[1, 3, k], values));
    arrays("words.npz", "x", &Array { shape: vec![1, 1, k], values: Values::Text(vec!["w".to_owned(); k]) });
    for (args, words) in [
        ("predict deepcore --session absent.toml --all", &["absent.toml"][..]),
        ("predict deepcore --session gone.toml --all", &["gone.gtf: No such file"]),
        ("predict deepcore --session odd.toml --all", &["odd.toml", "motto"]),
        ("predict deepcore --session short.toml --all", &["4 of 4 left out", "ONE1: ", "short.bw"]),
        ("predict hurt --session session.toml --all", &["hurt/model.toml"]),
        ("predict absent --arrays few.npz", &["absent/model.toml: No such file"]),
        ("predict deepcore --session session.toml --genes absent.txt", &["absent.txt: No such file"]),
        ("predict attentive-chrome --arrays absent.npz", &["absent.npz: No such file"]),
        ("predict attentive-chrome --arrays text.npz", &["text.npz: archive"]),
        ("predict attentive-chrome --arrays key.npz", &["key.npz: no array marks or x in it; it has counts"]),
        ("predict attentive-chrome --arrays few.npz", &["few.npz: array x: 3 marks, the model reads 5"]),
        ("predict attentive-chrome --arrays nan.npz", &["nan.npz: array x: [0, 1, 1] is NaN, not a finite number"]),
        ("predict attentive-chrome --arrays words.npz", &["words.npz: array x: text"]),
        ("predict deepcore --sequences s.txt", &["reads marks: --arrays F.npz gives it"]),
    ] {
        let status = if args.ends_with("--sequences s.txt") { 2 } else { 1 };
        cislens(folder, &format!("{args} --out a.npz")).refused(status, words);
        assert!(!folder.join("a.npz").exists());
    }
    let mut manifest = toy::manifest("deepcore");
    manifest.input.marks.clear();
    toy::write_model(&folder.join("dna"), &manifest);
    cislens(folder, "predict dna --sequences s.txt --out a.npz").refused(1, &["s.txt: line 1: 4 bases, the model reads 600"]);
    cislens(folder, "predict dna --sequences q.txt --out a.npz").refused(1, &["q.txt: line 1: 4 bases"]);
    cislens(folder, "predict dna --arrays few.npz --out a.npz").refused(2, &["reads DNA: --sequences F.txt gives it"]);
    cislens(folder, "import attentive-chrome noise.pt --marks a --out d")
        .refused(1, &["noise.pt: no weights of a kind read here"]);
    cislens(folder, "import attentive-chrome absent.pt --marks a --out d").refused(1, &["absent.pt: No such file"]);
    cislens(folder, "init absent.bw noise.pt --out s.toml")
        .refused(1, &["absent.bw: No such file", "noise.pt: neither its name nor its content"]);
    cislens(folder, "predict deepcore --session session.toml --all --out absent/a.npz")
        .refused(1, &["absent/a.npz: No such file"]);
    assert!(!folder.join("d").exists() && !folder.join("s.toml").exists());
    // What is wrong with one file does not keep the others from a session, but the command has not done what it was asked.
    fs::write(folder.join("bad.gtf"), "no genes\n").unwrap();
    let made = cislens(folder, "init toy_H3K4me3.bw short.bw bad.gtf noise.pt --out s.toml");
    assert!(made.status == 1 && made.stderr.contains(" of 4 files are not in s.toml"), "{}", made.stderr);
    assert!(made.stderr.contains("bad.gtf: line 1: ") && !made.stdout.contains("bad.gtf"), "{}{}", made.stdout, made.stderr);
    assert!(made.stdout.contains("toy_H3K4me3.bw: bigwig, mark H3K4me3 of sample toy"), "{}", made.stdout);
    assert!(made.stderr.contains("noise.pt: ") && made.stderr.contains("short.bw: "), "{}", made.stderr);
}

#[test]
fn no_file_of_any_format_gets_past_with_rubbish_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let noise: Vec<u8> = (0..5_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let endings = cislens::tracks::FORMATS.iter().flat_map(|f| f.extensions.iter().copied());
    for ending in endings.chain(["chrom.sizes", "csv", "tsv", "sf", "toml"]) {
        for (stem, bytes) in [("empty", &b""[..]), ("noise", &noise)] {
            let name = format!("{stem}.{ending}");
            fs::write(folder.join(&name), bytes).unwrap();
            for file in [name.clone(), format!("no{name}")] {
                cislens(folder, &format!("init {file} --out s.toml")).refused(1, &[&file]);
            }
            assert!(!folder.join("s.toml").exists(), "{name}");
        }
    }
    for (name, text, place) in [
        ("nan.csv", "G_1,1,0\nG_2,1,NaN\n", "nan.csv: line 2: \"NaN\" is not a count of b"),
        ("cut.csv", "G_1,1,2\nG_2,1,2\nH_1,1,2\n", "cut.csv: line 3: H ends after 1 bins, the first gene has 2"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        cislens(folder, &format!("init {name} --marks a,b --out s.toml")).refused(1, &[place]);
    }
    fs::write(folder.join("esc.csv"), "G_\u{1b}[31mX_1,1,2\nG_\u{1b}[31mX_2,1,2\n").unwrap();
    let mut manifest = toy::manifest("attentive-chrome");
    manifest.input.marks = vec!["a".to_owned(), "b".to_owned()];
    (manifest.window.length, manifest.window.tss_index) = (200, 100);
    toy::write_model(&folder.join("m"), &manifest);
    cislens(folder, "init esc.csv --marks a,b --model m --out s.toml").done();
    cislens(folder, "predict m --session s.toml --all --out p.tsv").done();
    let table = fs::read_to_string(folder.join("p.tsv")).unwrap();
    assert!(table.contains("[31mX") && !table.contains('\u{1b}'), "{table:?}");
}

#[test]
fn check_finds_every_problem_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    assert!(cislens(folder, "check session.toml").done().stdout.contains("no problem"));
    let session = fs::read_to_string(folder.join("session.toml")).unwrap();
    let whole = fs::read(folder.join("toy_H3K4me3.bw")).unwrap();
    fs::write(folder.join("short.bw"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("tpm.tsv"), "gene_id\ttoy\nONE0\t7.5\nELSE\t1\n").unwrap();
    let broken =
        session.replace("toy_H3K4me1.bw", "gone.bw").replace("toy_H3K4me3.bw", "short.bw").replace("H3K27me3\"\n[[", "x\"\n[[");
    let broken = broken + "[[model]]\npath = \"nowhere\"\n[[track]]\nfile = \"wide.bed\"\n[[track]]\nfile = \"flipped.bw\"\n";
    let broken = broken + "[[sample]]\nname = \"twin\"\n[[sample]]\nname = \"twin\"\n";
    // The last block of values, before the index whose place the header gives (bigWig, fullIndexOffset).
    let mut flipped = whole.clone();
    let index = u64::from_le_bytes(whole[24..32].try_into().unwrap()) as usize;
    flipped[index - 24..index - 8].fill(0xff);
    fs::write(folder.join("flipped.bw"), flipped).unwrap();
    fs::write(folder.join("wide.bed"), "a\t10\t9000\n").unwrap();
    fs::write(folder.join("broken.toml"), broken).unwrap();
    let ran = cislens(folder, "check broken.toml");
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    for word in [
        "gone.bw: No such file",
        "short.bw: ",
        "nowhere: No such file",
        "flipped.bw: ",
        "sample twin stands in the session twice",
        "wide.bed: a reaches 9000 here and has 3000 bases in the genome: another assembly?",
        "3 of 4 genes have no expression here",
        "no sample can feed it: needs H3K27me3",
    ] {
        assert!(ran.stdout.lines().any(|line| line.contains(word)), "no \"{word}\" in {}", ran.stdout);
    }
    assert_eq!(ran.stdout.lines().filter(|line| line.contains("gone.bw")).count(), 1, "each file is named once: {}", ran.stdout);
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_it_with_130_and_leaves_nothing() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    let files = || fs::read_dir(folder).unwrap().count();
    let before = files();
    // Enough work for hours.
    let args = "attribute ig deepcore --session session.toml --all --steps 1000000 --threads 2 --out a.npz";
    let child = Command::new(env!("CARGO_BIN_EXE_cislens"))
        .args(args.split(' '))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let listens = || {
        let text = fs::read_to_string(&status).unwrap();
        let caught = text.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() & (1 << 1) != 0
    };
    while !listens() {
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted, nothing written"));
    assert_eq!(files(), before);
}

#[test]
fn a_figure_needs_to_be_told_that_dna_of_another_assembly_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    for name in ["isegnet", "deepchrome"] {
        toy::write_model(&folder.join(name), &Manifest { assembly: Some("hg19".to_owned()), ..toy::manifest(name) });
    }
    let render = |model: &str, more: &str| {
        let args =
            format!("render session.toml --locus a:1,301-1,700 --gene ONE0 --model {model} --out f.svg --analyses ig {more}");
        cislens(folder, &args).done();
        let svg = fs::read_to_string(folder.join("f.svg")).unwrap();
        // Long words are wrapped in a figure.
        (svg.contains("hg19"), svg.contains("--assume-assembly"), svg.contains("steps"))
    };
    assert_eq!(render("isegnet", ""), (true, true, false), "refused, with what would allow it");
    assert_eq!(render("isegnet", "--assume-assembly"), (false, true, true), "and the figure says that it was told");
    assert_eq!(render("deepchrome", ""), (false, false, true), "this one reads no DNA");
}

#[test]
fn a_matrix_of_more_files_than_a_program_may_open_at_first_is_sorted_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sizes = ChromSizes::parse("chr1 10000").unwrap();
    let mut session = "version = 2\n[genome]\nsizes = 'g.sizes'\n".to_owned();
    fs::write(folder.join("g.sizes"), "chr1\t10000\n").unwrap();
    let n = 40;
    for i in 0..n {
        for (mark, value) in [("H3K4me3", (i * 7 % n) as f32), ("H3K27ac", (n - i) as f32)] {
            let file = format!("s{i}_{mark}.bw");
            let intervals = vec![SignalInterval { start: 100, end: 9_000, value: value + 1.0 }];
            write_bigwig(&folder.join(&file), &sizes, &[("chr1".into(), intervals)], &[]).unwrap();
            session += &format!("[[track]]\nfile = '{file}'\nsample = 's{i}'\nmark = '{mark}'\n");
        }
    }
    fs::write(folder.join("session.toml"), session).unwrap();
    let render = |more: &str| {
        let line =
            format!("ulimit -Sn 50; exec {} render session.toml --locus chr1:1-10,000 {more}", env!("CARGO_BIN_EXE_cislens"));
        program::run(std::process::Command::new("sh").args(["-c", &line]).current_dir(folder))
    };
    render("--matrix=H3K4me3 --sort value --out sorted.svg").done();
    let svg = fs::read_to_string(folder.join("sorted.svg")).unwrap();
    assert!(!svg.contains("open files"));
    let place = |i: usize| svg.find(&format!(">s{i} H3K4me3<")).unwrap_or_else(|| panic!("no row of s{i}"));
    let mut by_value: Vec<usize> = (0..n).collect();
    by_value.sort_by_key(|i| std::cmp::Reverse(i * 7 % n));
    assert!(by_value.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "the highest first");
    // Lines of a matrix stand close: forty of them are no higher than a hand.
    let height = |i: usize| {
        let before = &svg[..place(i)];
        let y = before.rfind(" y=\"").map(|at| &before[at + 4..]).and_then(|rest| rest.split('"').next()).unwrap();
        y.parse::<f64>().unwrap()
    };
    let (first, last) = (height(by_value[0]), height(by_value[n - 1]));
    assert!(last - first < 10.0 * n as f64 && last > first, "{first} to {last}");
    assert_eq!(svg.matches("as all 40 samples").count(), 1, "what they share is said once");
    assert!(!svg.contains("mean here"), "and what is of one row alone not of all");
    // What made it remakes it, as the session does where the view was saved.
    let command = svg.split("--layout").nth(1).expect("the order is part of the command");
    assert!(command.contains("matrix"), "{command}");
    render("--matrix=H3K9me3 --out no.svg")
        .refused(2, &["--matrix H3K9me3: no mark \"H3K9me3\" of several samples; there are H3K4me3, H3K27ac"]);
    render("--sort expression --out no.svg").refused(2, &["--sort expression", ":matrix shows all"]);
}
