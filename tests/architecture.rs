//! `src/lib.rs` lists modules in dependency order: imports only point up it, and each heavy crate has one home.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Modules in the order of `src/lib.rs`.
fn modules() -> Vec<String> {
    let lib = fs::read_to_string(root().join("lib.rs")).unwrap();
    lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).map(str::to_owned).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Every source file but files of tests, with its module and its text without comments.
fn sources() -> Vec<(PathBuf, String, String)> {
    let mut files = Vec::new();
    rust_files(&root(), &mut files);
    files
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name != "tests.rs"))
        .map(|path| {
            let inside = path.strip_prefix(root()).unwrap().to_owned();
            let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: String =
                text.lines().filter(|l| !l.trim_start().starts_with("//")).fold(String::new(), |s, l| s + l + "\n");
            (inside, first.trim_end_matches(".rs").to_owned(), code)
        })
        .collect()
}

/// Names that follow `crate::` in code, also in `use crate::{a, b}`.
fn crate_names(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let is_ours = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let rest = &code[at + "crate::".len()..];
        let list = match rest.strip_prefix('{') {
            Some(group) => &group[..group.find('}').unwrap_or(group.len())],
            None => &rest[..rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())],
        };
        if is_ours {
            names.extend(list.split(',').map(|n| n.trim().split("::").next().unwrap_or("").to_owned()));
        }
    }
    names
}

#[test]
fn imports_point_only_up_the_list_of_modules() {
    let modules = modules();
    assert!(modules.len() >= 12, "{modules:?}");
    let place = |name: &str| modules.iter().position(|m| m == name);
    for (path, module, code) in sources() {
        let Some(own) = place(&module) else { continue };
        for name in crate_names(&code) {
            if let Some(other) = place(&name) {
                assert!(other <= own, "{} uses {name}, which stands below {module} in src/lib.rs", path.display());
            }
        }
    }
}

/// Crate, and the modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("bigtools", &["tracks"]),
    ("noodles", &["tracks"]),
    ("ureq", &["tracks"]),
    ("candle_core", &["models", "attribution", "training", "jobs", "cli"]),
    ("candle_nn", &["models", "attribution", "training"]),
    ("ratatui", &["ui", "app"]),
    ("plotters", &["export"]),
    ("plotters_backend", &["export"]),
    ("quick_xml", &["export"]),
    ("resvg", &["export"]),
    ("svg2pdf", &["export"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("smartcore", &["training"]),
    ("statrs", &["regulation"]),
    ("crossterm", &["input", "app"]),
    ("tokio", &["jobs", "app", "tracks", "cli"]),
];

#[test]
fn each_heavy_crate_has_one_home() {
    for (path, module, code) in sources() {
        for (name, homes) in HOMES {
            let (path_of, import) = (format!("{name}::"), format!("use {name};"));
            let is_whole_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let named = code.contains(&import) || code.match_indices(&path_of).any(|(at, _)| is_whole_word(at));
            assert!(!named || homes.contains(&module.as_str()), "{} names {name}, which belongs to {homes:?}", path.display());
        }
    }
}

#[test]
fn every_file_begins_with_what_it_is() {
    for (path, _, _) in sources() {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        assert!(text.starts_with("//!"), "{} does not begin with //!", path.display());
    }
}

#[test]
fn drawing_only_reads() {
    for (path, module, code) in sources() {
        if module == "ui" || module == "scene" {
            for word in ["std::fs", "std::sync::Mutex", "mpsc", "std::thread", "&mut State", "RefCell"] {
                assert!(!code.contains(word), "{} names {word}: drawing only reads the state", path.display());
            }
        }
    }
}

#[test]
fn there_is_no_drawer_for_odds_and_ends() {
    for (path, _, _) in sources() {
        for part in path.components() {
            let name = part.as_os_str().to_string_lossy();
            let name = name.trim_end_matches(".rs");
            assert!(!["utils", "util", "common", "helpers", "misc"].contains(&name), "{}", path.display());
        }
    }
}
