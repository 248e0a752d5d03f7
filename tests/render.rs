//! `cislens render` from end to end: a simulated session with untrained networks, figures of it, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test")]

use assert_cmd::Command;
use candle_core::{DType, Device};
use cislens::models::{Weights, architecture, save_model};
use cislens::simulate::{Options, Scale, simulate};
use cislens::tracks::SignalUnit;
use predicates::str::contains;
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
        ["H3K4me3", "5mC", "GeneHancer", "attention", "IG", "81 steps", "occlusion", "predicted", "measured", "ln(TPM+0.01)"]
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
    render(&[&args[..], &["--lines", "H3K4me3=3", "--width", "120", "--out", "first.svg"]].concat()).success();
    let first = fs::read_to_string(folder().join("first.svg")).unwrap();
    let description = &first[first.find("<desc>").unwrap()..first.find("</desc>").unwrap()];
    let command = quick_xml::escape::unescape(description.split("made by: cislens ").nth(1).unwrap()).unwrap().into_owned();
    let command = command.replace("first.svg", "second.svg");
    let words: Vec<String> = shell_words(&command);
    assert!(words.contains(&"DNase peaks".to_owned()), "{words:?}");
    Command::cargo_bin("cislens").unwrap().current_dir(folder()).args(&words).assert().success();
    let second = fs::read_to_string(folder().join("second.svg")).unwrap();
    assert_eq!(first, second.replace("second.svg", "first.svg"));
    let texts = texts(&folder().join("first.svg"));
    assert!(texts.iter().all(|t| t != "DNase peaks") && has(&texts, "GeneHancer"), "{texts:?}");
    assert!(has(&texts, "H3K4me1 β 0."), "{texts:?}");
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
