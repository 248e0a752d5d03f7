//! `cislens render` from end to end: a simulated session with untrained networks, figures of it, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test")]

use assert_cmd::Command;
use candle_core::{DType, Device};
use cislens::models::{Weights, architecture, save_model};
use cislens::simulate::{Options, Scale, simulate};
use cislens::tracks::SignalUnit;
use predicates::str::contains;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A folder with `sample/session.toml`, made once for all tests here; it lies in `target`, where the next run replaces it.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("render");
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            let out = folder.join("sample");
            simulate(&Options { seed: 1, out: out.clone(), scale: Scale::Small, threads: 2 }, &mut |_| ()).unwrap();
            for (seed, name) in ["deepcore", "attentive-chrome"].into_iter().enumerate() {
                let architecture = architecture(name).unwrap();
                let mut manifest = architecture.default_manifest();
                manifest.name = name.to_owned();
                manifest.input.signal = SignalUnit::Rpm;
                let weights = Weights::fresh(seed as u64, DType::F32, &Device::Cpu);
                (architecture.build)(&weights, manifest.clone()).unwrap();
                let tensors = weights.variables().iter().map(|(k, v)| (k.clone(), v.as_tensor().clone())).collect();
                save_model(&out.join("models").join(name), &manifest, &tensors).unwrap();
            }
            folder
        })
        .as_path()
}

fn render(args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("cislens").unwrap().current_dir(folder()).arg("render").args(args).assert()
}

/// The texts of a figure, which must be valid XML.
fn texts(path: &Path) -> Vec<String> {
    let svg = fs::read_to_string(path).unwrap();
    let mut reader = quick_xml::Reader::from_str(&svg);
    let (mut texts, mut text): (Vec<String>, Option<String>) = (Vec::new(), None);
    loop {
        use quick_xml::events::Event;
        match reader.read_event().unwrap() {
            Event::Eof => return texts,
            Event::Start(start) if start.name().as_ref() == b"text" => text = Some(String::new()),
            Event::End(end) if end.name().as_ref() == b"text" => texts.extend(text.take()),
            Event::Text(part) => {
                if let Some(text) = &mut text {
                    text.push_str(&part.decode().unwrap());
                }
            }
            Event::GeneralRef(entity) => {
                let part = format!("&{};", entity.decode().unwrap());
                if let Some(text) = &mut text {
                    text.push_str(&quick_xml::escape::unescape(&part).unwrap());
                }
            }
            _ => {}
        }
    }
}

fn has(texts: &[String], part: &str) -> bool {
    texts.iter().any(|t| t.contains(part))
}

/// Figures, whole or half, in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect()
}

#[test]
fn a_gene_is_drawn_with_what_the_model_says_and_what_was_measured() {
    let out = folder().join("gene.svg");
    render(&["sample/session.toml", "--out", "gene.svg"]).success().stdout(contains("gene.svg"));
    let texts = texts(&out);
    for part in
        ["H3K4me3", "5mC", "GeneHancer", "attention", "IG", "243 steps", "occlusion", "predicted", "measured", "ln(TPM+0.01)"]
    {
        assert!(has(&texts, part), "{part} is not in {texts:?}");
    }
    assert!(!has(&texts, "ISM"), "mutagenesis is not computed for a wide view unless it is asked for");
    for part in ["simulated data", "cislens 0.", "model deepcore (", "made by: cislens render sample/session.toml --locus"] {
        assert!(has(&texts, part), "{part} is not in {texts:?}");
    }
    assert!(fs::metadata(&out).unwrap().len() < 300_000);
}

#[test]
fn the_command_in_the_footer_makes_the_same_bytes() {
    let args =
        ["sample/session.toml", "--model", "attentive-chrome", "--sample", "S02", "--hide", "DNase peaks", "--hide", "ISM"];
    let words = replayed("a", &[&args[..], &["--lines", "H3K4me3=3", "--width", "120"]].concat());
    assert!(words.contains(&"DNase peaks".to_owned()), "{words:?}");
    let texts = texts(&folder().join("a-first.svg"));
    assert!(texts.iter().all(|t| t != "DNase peaks") && has(&texts, "GeneHancer"), "{texts:?}");
    assert!(has(&texts, "H3K4me1 β 0."), "{texts:?}");
}

#[test]
fn two_places_of_a_locus_stand_side_by_side_and_are_drawn_again_by_their_command() {
    let args = ["sample/session.toml", "--analyses", "none", "--locus", "chr1:20,001-40,000 | chr2:30,001-50,000"];
    replayed("sides", &args);
    let shown = texts(&folder().join("sides-first.svg"));
    assert!(has(&shown, "chr1:20,001-40,000") && has(&shown, "chr2:30,001-50,000"), "{shown:?}");
}

#[test]
fn rows_drawn_as_no_session_has_them_are_drawn_again() {
    let layout = r##"{ view = { order = ["H3K27ac"], mutagenesis = "max", rows = { H3K4me3 = { style = "line", scale = "0 2e1", colour = "#aa0000", overlay = ["H3K27ac"] } } }, row = [{ label = "ratio", formula = "log2((1+H3K4me3)/(1+H3K27me3))" }] }"##;
    let words = replayed("b", &["sample/session.toml", "--locus", "chr1:20,001-20,200", "--layout", layout]);
    assert!(words.contains(&"--layout".to_owned()), "{words:?}");
    let texts = texts(&folder().join("b-first.svg"));
    assert!(has(&texts, "ratio") && has(&texts, "the largest effect"), "{texts:?}");
    assert!(fs::read_to_string(folder().join("b-first.svg")).unwrap().contains("#aa0000"));
    render(&["sample/session.toml", "--layout", "{ view = { sizes = 1 } }", "--out", "not.svg"])
        .code(2)
        .stderr(contains("sizes"));
}

/// Draws NAME-first.svg, and the same by the command it names; that command's words.
fn replayed(name: &str, args: &[&str]) -> Vec<String> {
    let (one, other) = (format!("{name}-first.svg"), format!("{name}-second.svg"));
    render(&[args, &["--out", &one]].concat()).success();
    let first = fs::read_to_string(folder().join(&one)).unwrap();
    let description = &first[first.find("<desc>").unwrap()..first.find("</desc>").unwrap()];
    let command = quick_xml::escape::unescape(description.split("made by: cislens ").nth(1).unwrap()).unwrap().into_owned();
    let words: Vec<String> = shell_words(&command.replace(&one, &other));
    Command::cargo_bin("cislens").unwrap().current_dir(folder()).args(&words).assert().success();
    let second = fs::read_to_string(folder().join(&other)).unwrap();
    assert_eq!(first, second.replace(&other, &one));
    words
}

/// What stands beside stands in the figure, and in the command that makes it again.
#[test]
fn a_comparison_is_drawn_as_in_the_browser() {
    let args = ["sample/session.toml", "--model", "deepcore", "--sample", "S01", "--compare", "S02"];
    replayed("compared", &[&args[..], &["--analyses", "input-x-gradient,significant-bins"]].concat());
    let texts = texts(&folder().join("compared-first.svg"));
    for part in
        ["H3K4me3@S02", "attention@S02", "input-x-gradient@S02", "diff", "error", "S01 less S02", "difference", "bins q<0.05"]
    {
        assert!(has(&texts, part), "{part} is not in {texts:?}");
    }
    render(&["sample/session.toml", "--compare", "S99", "--out", "x.svg"]).code(2).stderr(contains("no sample, model or method"));
}

#[test]
fn weights_of_marks_are_drawn_and_tabled_over_samples() {
    let args = ["sample/session.toml", "--kind", "betas", "--model", "attentive-chrome", "--assume-assembly"];
    render(&[&args[..], &["--out", "betas.svg", "--data", "betas.tsv"]].concat()).success();
    let texts = texts(&folder().join("betas.svg"));
    assert!(texts.join(" ").contains("--assume-assembly"), "the command that makes it again: {texts:?}");
    assert!(has(&texts, "H3K4me3") && has(&texts, "S02 0."), "{texts:?}");
    let table = fs::read_to_string(folder().join("betas.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert_eq!((&lines[0][..3], lines[0].len()), (&["sample", "predicted", "measured"][..], 3 + 5));
    assert_eq!(lines[1..3].iter().map(|line| line[0]).collect::<Vec<_>>(), ["S01", "S02"]);
    for line in &lines[1..] {
        let sum: f64 = line[3..].iter().map(|w| w.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{line:?}");
    }
    let refused = ["sample/session.toml", "--kind", "betas", "--model", "deepcore", "--out", "x.svg"];
    render(&refused).code(2).stderr(contains("gives marks no weights"));
}

/// The project's own sample: it has the samples and the trained networks that figures over samples need.
const SAMPLE_DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-data/session.toml");

#[test]
fn attention_over_samples_is_a_figure_with_what_goes_together() {
    let args = [SAMPLE_DATA, "--kind", "cores", "--model", "deepcore", "--gene", "NAMA4"];
    render(&[&args[..], &["--out", "cores-page.svg", "--data", "cores-page.tsv"]].concat()).success();
    let texts = texts(&folder().join("cores-page.svg"));
    assert!(has(&texts, "NAMA4 (-): ") && has(&texts, "P20") && has(&texts, "procedure permutation"), "{texts:?}");
    let table = fs::read_to_string(folder().join("cores-page.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    assert_eq!((lines.len(), lines[0].len()), (1 + 24, 1 + 200), "samples by bins");
    for line in &lines[1..] {
        let sum: f64 = line[1..].iter().map(|w| w.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{line:?}");
    }
    // The same as rows on the genome, as the browser has them.
    let words =
        replayed("cores-rows", &[SAMPLE_DATA, "--model", "deepcore", "--locus", "NAMA4", "--analyses", "none", "--cores"]);
    assert!(words.contains(&"--cores".to_owned()), "{words:?}");
    let rows = self::texts(&folder().join("cores-rows-first.svg"));
    for part in ["COREs", "P20", "r of blocks", "attention in 24 samples", "pairs"] {
        assert!(has(&rows, part), "{part} is not in {rows:?}");
    }
    let refused = [SAMPLE_DATA, "--kind", "cores", "--model", "isegnet", "--out", "x.svg"];
    render(&refused).code(2).stderr(contains("4 samples: COREs need at least 20"));
}

#[test]
fn factors_by_samples_are_a_figure_of_the_values_that_motifs_tfs_tables() {
    let refused = [SAMPLE_DATA, "--kind", "tfs", "--model", "deepcore", "--out", "x.svg"];
    render(&refused).code(2).stderr(contains("reads no transcription factor's expression"));
    let args = [SAMPLE_DATA, "--kind", "tfs", "--model", "deepcage", "--gene", "NAMA4"];
    render(&[&args[..], &["--out", "tfs-page.svg", "--data", "tfs-page.tsv"]].concat()).success();
    let texts = texts(&folder().join("tfs-page.svg"));
    assert!(has(&texts, "gradient x expression") && has(&texts, "SPI1") && has(&texts, "41 windows"), "{texts:?}");
    let numbers = |name: &str, column: usize| -> BTreeMap<(String, String), f64> {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let mut lines = text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let tf = head.iter().position(|h| h == "tf").unwrap();
        lines.map(|line| ((line[0].clone(), line[tf].clone()), line[line.len() - column].parse().unwrap())).collect()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_cislens"));
    command.current_dir(folder()).args(["motifs", "tfs", "deepcage", "--session", SAMPLE_DATA, "--gene", "NAMA4"]);
    command.args(["--sample", "S02,P07", "--out", "tfs.tsv"]).assert().success();
    let (page, tabled) = (numbers("tfs-page.tsv", 1), numbers("tfs.tsv", 1));
    assert_eq!((page.len(), tabled.len()), (24 * 21, 2 * 21));
    for (key, knock_out) in &tabled {
        assert_eq!(page[key], *knock_out, "{key:?}");
    }
}

/// Words of a command, single quotes understood.
fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in command.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

#[test]
fn a_narrow_view_shows_its_bases_and_its_own_span() {
    let args = ["sample/session.toml", "--locus", "chr1:20,001-20,040", "--analyses", "none", "--out", "bases.svg"];
    render(&args).success().stdout(contains("chr1:20,001-20,040"));
    let texts = texts(&folder().join("bases.svg"));
    assert!(has(&texts, "sequence") && has(&texts, "40 bp") && has(&texts, "20,010"), "{texts:?}");
}

#[test]
fn a_model_that_cannot_be_asked_is_a_row_that_says_why() {
    let mut session = fs::read_to_string(folder().join("sample/session.toml")).unwrap();
    session = session.replace("models/deepcore", "models/damaged");
    fs::write(folder().join("sample/damaged.toml"), session).unwrap();
    let (from, to) = (folder().join("sample/models/deepcore"), folder().join("sample/models/damaged"));
    fs::create_dir_all(&to).unwrap();
    fs::copy(from.join("model.toml"), to.join("model.toml")).unwrap();
    fs::write(to.join("model.safetensors"), b"not weights").unwrap();
    render(&["sample/damaged.toml", "--out", "damaged.svg"]).success();
    let texts = texts(&folder().join("damaged.svg"));
    assert!(has(&texts, "failed: ") && has(&texts, "hash"), "{texts:?}");
}

#[test]
fn what_cannot_be_drawn_is_said_and_leaves_no_file() {
    let nothing = folder().join("nothing");
    fs::create_dir_all(&nothing).unwrap();
    let refuse = |args: &[&str], code: i32, reason: &str| {
        let assert = render(&[&["sample/session.toml"], args].concat()).code(code);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(stderr.contains(reason) && stderr.starts_with("cislens: "), "{args:?}: {stderr}");
        assert_eq!(files(&nothing), Vec::<PathBuf>::new());
    };
    let out = "nothing/f.svg";
    refuse(&["--locus", "chr99:1-10", "--out", out], 1, "no chromosome \"chr99\"");
    refuse(&["--locus", "chr1:999999999", "--out", out], 1, "chr1 has positions 1 to");
    refuse(&["--locus", "NOSUCHGENE", "--out", out], 1, "NOSUCHGENE");
    refuse(&["--gene", "NOSUCHGENE", "--out", out], 1, "NOSUCHGENE");
    refuse(&["--out", "nothing/none/f.svg"], 1, "nothing/none");
    refuse(&["--out", "nothing/f.jpg"], 2, ".svg, .pdf or .png");
    refuse(&["--out", "nothing"], 2, ".svg, .pdf or .png");
    refuse(&["--width", "20", "--out", out], 2, "60 to 2000 mm");
    refuse(&["--width", "NaN", "--out", out], 2, "60 to 2000 mm");
    refuse(&["--theme", "neon", "--out", out], 2, "there are dark, light");
    refuse(&["--sample", "S99", "--out", out], 2, "S01");
    refuse(&["--lines", "H3K4me3", "--out", out], 2, "LABEL=");
    refuse(&["--hide", "H3K4me33", "--out", out], 2, "H3K4me33");
    render(&["sample/session.toml", "--analyses", "magic", "--out", out]).code(2);
    render(&["sample/session.toml"]).code(2);
    render(&["nothing/session.toml", "--out", out]).code(1).stderr(contains("nothing/session.toml"));
    assert_eq!(files(&nothing), Vec::<PathBuf>::new());
}

#[test]
fn a_figure_without_rows_is_refused() {
    fs::write(folder().join("bare.toml"), "version = 1\n[genome]\nsizes = \"sizes.txt\"\n").unwrap();
    fs::write(folder().join("sizes.txt"), "c\t1000\n").unwrap();
    render(&["bare.toml", "--out", "bare.svg"]).code(1).stderr(contains("no rows"));
    assert!(!folder().join("bare.svg").exists());
}

/// The width and height of a PNG from its header.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

const QUICK: [&str; 4] = ["sample/session.toml", "--locus", "chr1:20,001-30,000", "--analyses=none"];

#[test]
fn pictures_have_the_size_asked_for_and_are_the_same_each_time() {
    let args = |out: &'static str| [&QUICK[..], &["--width", "single", "--dpi", "150", "--out", out]].concat();
    for out in ["size.png", "size.pdf"] {
        render(&args(out)).success();
        let first = fs::read(folder().join(out)).unwrap();
        render(&args(out)).success();
        assert_eq!(first, fs::read(folder().join(out)).unwrap(), "{out}");
    }
    let (width, _) = png_size(&fs::read(folder().join("size.png")).unwrap());
    assert_eq!(width, (85.0_f64 / 25.4 * 150.0).round() as u32);
    assert!(fs::read(folder().join("size.pdf")).unwrap().starts_with(b"%PDF-"));
}

#[test]
fn a_figure_file_remakes_its_figure_byte_for_byte() {
    let options =
        ["--highlight", "chr1:21,000-22,000=E 1", "--letter", "B", "--order", "H3K4me3,genes", "--scale", "H3K4me3=0:50"];
    let args = [&QUICK[..], &options, &["--lines", "5mC=-2", "--save", "figure.toml", "--out", "saved.svg"]].concat();
    render(&args).success();
    let saved = fs::read_to_string(folder().join("saved.svg")).unwrap();
    render(&["figure.toml", "--out", "saved.svg"]).success();
    assert_eq!(saved, fs::read_to_string(folder().join("saved.svg")).unwrap());
    let texts = texts(&folder().join("saved.svg"));
    assert!(has(&texts, "E 1") && has(&texts, "B") && has(&texts, "50"), "{texts:?}");
    render(&["figure.toml", "--locus", "chr1", "--out", "other.svg"]).code(2).stderr(contains("figure.toml"));
    fs::write(folder().join("wrong.toml"), "figure = 1\nwidht = 3\n").unwrap();
    render(&["wrong.toml", "--out", "other.svg"]).code(1).stderr(contains("widht"));
    fs::write(folder().join("newer.toml"), "figure = 2\n").unwrap();
    render(&["newer.toml", "--out", "other.svg"]).code(1).stderr(contains("figure = 2"));
    assert!(!folder().join("other.svg").exists());
}

#[test]
fn several_loci_are_panels_of_one_figure() {
    let args = ["sample/session.toml", "--loci", "chr1:20,001-30,000;chr1:40,001-50,000", "--columns", "2", "--analyses", "none"];
    render(&[&args[..], &["--letter", "A", "--data", "grid.tsv", "--out", "grid.svg"]].concat()).success();
    let texts = texts(&folder().join("grid.svg"));
    assert!(has(&texts, "chr1:20,001-30,000") && has(&texts, "chr1:40,001-50,000") && has(&texts, "B"), "{texts:?}");
    assert_eq!(texts.iter().filter(|t| *t == "H3K4me3").count(), 1, "names stand once");
    let table = fs::read_to_string(folder().join("grid.tsv")).unwrap();
    assert!(table.starts_with("# ") && table.contains("\n2\tH3K4me3\t.\tchr1\t40000\t"), "{}", &table[..300]);
    assert!(table.contains("made by: cislens render sample/session.toml --loci"), "{}", &table[..900]);
    render(&[&args[..2], &["chr1:1-100;NOSUCHGENE", "--out", "none.svg"]].concat()).code(1).stderr(contains("NOSUCHGENE"));
    assert!(!folder().join("none.svg").exists());
}

#[test]
fn a_figure_a_line_goes_on_where_it_stopped() {
    fs::write(folder().join("list.bed"), "chr1\t20000\t21000\tfirst/one\nchr1\t30000\t31000\t<second>\nchr99\t1\t5\tx\n")
        .unwrap();
    let args = ["sample/session.toml", "--each", "list.bed", "--out", "each", "--analyses", "none", "--threads", "2"];
    render(&args).success().stdout(contains("2 figures drawn, 0 kept")).stderr(contains("chr99"));
    let each = folder().join("each");
    let mut names: Vec<String> = files(&each).iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names, ["_second_.svg", "figures.tsv", "first_one.svg"]);
    let first = fs::read(each.join("first_one.svg")).unwrap();
    fs::remove_file(each.join("_second_.svg")).unwrap();
    // What fails once fails again, and is said again.
    render(&args).success().stdout(contains("1 figures drawn, 1 kept"));
    assert_eq!(first, fs::read(each.join("first_one.svg")).unwrap());
    texts(&each.join("_second_.svg"));
    // Asked otherwise, all are drawn again.
    render(&[&args[..], &["--width", "single"]].concat()).success().stdout(contains("2 figures drawn, 0 kept"));
}

#[test]
fn kinds_of_figures_show_what_they_are_of() {
    render(&["sample/session.toml", "--kind", "heatmap", "--out", "heatmap.svg"]).success();
    let heatmap = texts(&folder().join("heatmap.svg"));
    assert!(has(&heatmap, "input") && has(&heatmap, "attention") && has(&heatmap, "H3K27me3 \u{2264}"), "{heatmap:?}");
    render(&["sample/session.toml", "--kind", "profile", "--out", "profile.svg"]).success();
    let profile = texts(&folder().join("profile.svg"));
    assert!(has(&profile, "mean of") && has(&profile, "95 % CI") && has(&profile, "TSS"), "{profile:?}");
    render(&["sample/session.toml", "--kind", "filters", "--out", "filters.svg"]).success();
    let filters = texts(&folder().join("filters.svg"));
    assert!(has(&filters, "first filters over DNA") && has(&filters, "sites"), "{filters:?}");
    // The networks are untrained, and which genes they learnt from is not known.
    render(&["sample/session.toml", "--kind", "predicted", "--out", "predicted.svg"]).success();
    let predicted = texts(&folder().join("predicted.svg"));
    assert!(has(&predicted, "measured, ln(TPM+0.01)") && has(&predicted, "true positive rate"), "{predicted:?}");
    assert!(has(&predicted, "every gene; which of them the model learnt from is not known"), "{predicted:?}");
    render(&["sample/session.toml", "--kind", "predicted", "--zoom", "chr1:1-50", "--out", "no.svg"]).failure().code(2);
    let kinds =
        [("heatmap", "heatmap.svg"), ("profile", "profile.svg"), ("filters", "filters.svg"), ("predicted", "predicted.svg")];
    for (kind, path) in kinds {
        let svg = fs::read_to_string(folder().join(path)).unwrap();
        assert!(svg.contains(&format!("--kind {kind}")), "the command names the kind");
    }
}

#[test]
fn an_edit_is_compared_with_the_reference() {
    let out = folder().join("edit.svg");
    let args = |edit: &str| {
        let edit = edit.to_owned();
        move |out: &str| -> Vec<String> {
            ["sample/session.toml", "--analyses", "occlusion", "--edit", &edit, "--out", out].map(str::to_owned).to_vec()
        }
    };
    // The base that is there is found by being wrong about it.
    let mut refused = String::new();
    for reference in ["A", "C"] {
        let words = args(&format!("chr1:{}{reference}>T", middle()))("edit.svg");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let assert = render(&words);
        let output = assert.get_output().clone();
        if output.status.success() {
            break;
        }
        refused = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(refused.contains("the reference has"), "{refused}");
        assert!(!out.exists());
    }
    if !out.exists() {
        let base = refused.split("the reference has ").nth(1).unwrap().chars().next().unwrap();
        let other = if base == 'T' { 'A' } else { 'T' };
        let words = args(&format!("chr1:{}{base}>{other}", middle()))("edit.svg");
        render(&words.iter().map(String::as_str).collect::<Vec<_>>()).success();
    }
    let texts = texts(&out);
    assert!(has(&texts, "reference") && has(&texts, "to the reference"), "{texts:?}");
}

/// A position (1-based) in the middle of the view that the session opens at.
fn middle() -> u64 {
    render(&["sample/session.toml", "--analyses", "none", "--out", "middle.svg"]).success();
    let svg = fs::read_to_string(folder().join("middle.svg")).unwrap();
    let locus = svg.split("--locus ").nth(1).unwrap().split(' ').next().unwrap().replace(',', "");
    assert!(locus.starts_with("chr1:"), "{locus}");
    let (start, end) = locus.split_once(':').unwrap().1.split_once('-').unwrap();
    (start.parse::<u64>().unwrap() + end.parse::<u64>().unwrap()) / 2
}

#[test]
fn a_preview_writes_to_the_terminal_alone() {
    let assert = render(&[&QUICK[..], &["--preview"]].concat()).success();
    let shown = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(shown.contains('\u{2580}'), "{}", &shown[..shown.len().min(200)]);
}

#[test]
fn what_cannot_be_written_is_said_and_nothing_is_left() {
    let nothing = folder().join("unwritten");
    fs::create_dir_all(&nothing).unwrap();
    let refuse = |args: &[&str], code: i32, reason: &str| {
        let assert = render(&[&QUICK[..], args].concat()).code(code);
        let stderr = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(stderr.contains(reason) && stderr.starts_with("cislens: "), "{args:?}: {stderr}");
        assert_eq!(files(&nothing), Vec::<PathBuf>::new(), "{args:?}");
    };
    let out = ["--out", "unwritten/f.svg"];
    refuse(&["--out", "unwritten/f.png", "--dpi", "0"], 2, "36 to 2400");
    refuse(&["--out", "unwritten/f.png", "--dpi", "2400", "--width", "2000"], 1, "too many");
    refuse(&[&out[..], &["--data", "unwritten/v.xlsx"]].concat(), 2, ".bedGraph");
    refuse(&[&out[..], &["--highlight", "chr99:1-5"]].concat(), 1, "chr99");
    refuse(&[&out[..], &["--highlight", "chr1:5-1"]].concat(), 1, "--highlight");
    refuse(&[&out[..], &["--scale", "H3K4me3=5:1"]].concat(), 2, "LABEL=0:40");
    refuse(&[&out[..], &["--scale", "H3K4me3=0:nan"]].concat(), 2, "LABEL=0:40");
    refuse(&[&out[..], &["--order", "nobody"]].concat(), 2, "the rows are");
    refuse(&[&out[..], &["--letter", "1"]].concat(), 2, "A to Z");
    refuse(&[&out[..], &["--zoom", "chr1:1-10"]].concat(), 2, "in the view");
    refuse(&[&out[..], &["--zoom", "chr1:20,001-25,000"]].concat(), 2, "5000 bp");
    refuse(&[&out[..], &["--edit", "chr1:20,010"]].concat(), 2, "chr1:20,001A>G");
    refuse(&["--out", "/dev/full/f.svg"], 1, "/dev/full");
    // A name of 300 letters has no place in any file system here.
    let long = format!("unwritten/{}.svg", "x".repeat(300));
    refuse(&["--out", &long], 1, "xxx");
}
