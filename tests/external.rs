//! A network behind a command: the program serves one of its own models to itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod toy;

use cislens::models::{ExternalSpec, Manifest, ProfileStatistic, read_manifest};
use cislens::tracks::NpzReader;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cislens");

fn cislens(folder: &Path, args: &str) -> Output {
    Command::new(PROGRAM).current_dir(folder).args(args.split(' ')).output().unwrap()
}

fn done(folder: &Path, args: &str) {
    let output = cislens(folder, args);
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

fn refused(folder: &Path, args: &str, status: i32) -> String {
    let output = cislens(folder, args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{args}: {text}");
    text
}

/// A model `name` that is `command`, read like the toy model `like`.
fn write_external(folder: &Path, name: &str, like: &str, command: &[&str], change: impl Fn(&mut ExternalSpec)) {
    let mut spec = ExternalSpec {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        timeout_seconds: 60.0,
        gradient: true,
        batch_size: 50,
        heads: Vec::new(),
        head: None,
        positions: 1,
        profile: ProfileStatistic::Sum,
    };
    change(&mut spec);
    let manifest = Manifest {
        architecture: "external".to_owned(),
        name: name.to_owned(),
        sizes: Default::default(),
        hash: String::new(),
        external: Some(spec),
        ..read_manifest(&folder.join(like)).unwrap()
    };
    std::fs::create_dir_all(folder.join(name)).unwrap();
    std::fs::write(folder.join(name).join("model.toml"), toml::to_string(&manifest).unwrap()).unwrap();
}

fn arrays(path: &Path) -> Vec<(String, Vec<f64>)> {
    let mut archive = NpzReader::open(path).unwrap();
    let names = archive.names().into_iter().filter(|name| name != "provenance");
    names
        .collect::<Vec<_>>()
        .into_iter()
        .filter_map(|name| Some((name.clone(), archive.read(&name).unwrap().to_f64()?)))
        .collect()
}

#[test]
fn a_served_network_gives_what_it_gives_itself_by_every_method() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    toy::write_session(folder);
    for like in ["deepcore", "attentive-chrome", "lstm-alpha", "linear"] {
        write_external(folder, "ext", like, &[PROGRAM, "serve", &format!("../{like}")], |_| ());
        let mut commands = vec!["predict".to_owned()];
        commands.extend(["saliency", "integrated-gradients", "occlusion"].map(|method| format!("attribute {method}")));
        for command in &commands {
            let input = "--session session.toml --gene ONE0";
            done(folder, &format!("{command} {like} {input} --out own.npz"));
            done(folder, &format!("{command} ext {input} --out ext.npz --allow-command"));
            let (own, ext) = (arrays(&folder.join("own.npz")), arrays(&folder.join("ext.npz")));
            assert!(own.iter().map(|a| &a.0).eq(ext.iter().map(|a| &a.0)), "{like} {command}");
            for ((name, own), (_, ext)) in own.iter().zip(&ext) {
                // Whether a kernel of ours or the plain path makes them, effects agree to rounding of F.
                let largest = own.iter().fold(1e-3_f64, |a, b| a.max(b.abs()));
                let worst = own.iter().zip(ext).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(worst <= 2e-4 * largest + 1e-6, "{like} {command} {name}: {worst:e} of {largest:e}");
            }
        }
    }
    // A command that answers no gradients: effects of changes still work, gradients are refused with the reason.
    write_external(folder, "ext", "deepcore", &[PROGRAM, "serve", "../deepcore"], |spec| spec.gradient = false);
    let input = "--session session.toml --gene ONE0 --out out.tsv --allow-command";
    done(folder, &format!("attribute occlusion ext {input}"));
    let text = refused(folder, &format!("attribute saliency ext {input}"), 1);
    assert!(text.contains("needs gradients, which the command of model ext does not offer"), "{text}");
}

#[test]
fn nothing_is_started_because_a_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let session = toy::write_session(folder);
    let mark = folder.join("started");
    let script = format!("touch {}", mark.display());
    write_external(folder, "ext", "linear", &["sh", "-c", &script], |_| ());
    let text = std::fs::read_to_string(&session).unwrap();
    std::fs::write(&session, format!("{text}[[model]]\npath = \"ext\"\n")).unwrap();
    for command in ["predict ext", "attribute saliency ext"] {
        let said = refused(folder, &format!("{command} --session session.toml --gene ONE0 --out out.tsv"), 1);
        assert!(said.contains("needs --allow-command"), "{said}");
    }
    done(folder, "render session.toml --locus ONE0 --model ext --out out.svg");
    assert!(std::fs::read_to_string(folder.join("out.svg")).unwrap().contains("--allow-command"), "the row says why it is empty");
    done(folder, "check session.toml");
    assert!(!mark.exists());
    let said = refused(folder, "predict ext --session session.toml --gene ONE0 --out out.tsv --allow-command", 1);
    assert!(said.contains("external model ext (sh -c touch "), "{said}");
    assert!(mark.exists() && !folder.join("out.tsv").exists());
}

#[test]
fn a_command_that_hangs_is_a_failed_row_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let session = toy::write_session(folder);
    let text = std::fs::read_to_string(&session).unwrap();
    std::fs::write(&session, format!("{text}[[model]]\npath = \"hung\"\n")).unwrap();
    let pid = folder.join("pid");
    let script = format!("echo $$ > {}; cat > /dev/null; sleep 1000", pid.display());
    write_external(folder, "hung", "linear", &["sh", "-c", &script], |spec| spec.timeout_seconds = 1.0);
    let begun = Instant::now();
    done(folder, "render session.toml --locus ONE0 --model hung --out out.svg --allow-command");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let svg = std::fs::read_to_string(folder.join("out.svg")).unwrap();
    assert!(svg.contains("no answer within 1 s"), "the row says why it failed");
    let id = std::fs::read_to_string(&pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    // Killed, it is over when the system has come to it.
    while !state().is_empty() && !state().contains(") Z") {
        assert!(begun.elapsed() < Duration::from_secs(60), "still there: {}", state());
        std::thread::yield_now();
    }
}
