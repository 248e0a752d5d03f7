//! The program with CUDA beside the one that starts anywhere: gone on as where it starts, told of where it does not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![cfg(not(feature = "cuda"))]

mod program;

use program::{Ran, cislens, run};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the loader says where there is no driver.
const NO_DRIVER: &str =
    "cislens-cuda: error while loading shared libraries: libcuda.so.1: cannot open shared object file: No such file or directory";

/// A program that starts where it is tried, and says what else is asked of it.
fn starting() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo cislens {version}; else echo \"there: $*\"; fi\n")
}

/// Predicts a gene of the sample data on `device` by the program in a folder where `cislens-cuda` is that script: how it ended, and what
/// it wrote.
fn predict(script: Option<&str>, device: &str) -> (Ran, Option<String>) {
    let _one = alone();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("cislens");
    fs::hard_link(env!("CARGO_BIN_EXE_cislens"), &program).unwrap();
    if let Some(script) = script {
        let beside = folder.path().join("cislens-cuda");
        fs::write(&beside, script).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let ran = run(Command::new(&program).current_dir(folder.path()).args(arguments(device).split(' ')));
    (ran, fs::read_to_string(folder.path().join("out.tsv")).ok())
}

/// Held while a script is written and run: a program begun meanwhile would hold it open for writing, so that it could not be started.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn arguments(device: &str) -> String {
    let session = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml");
    format!("predict attentive-chrome --session {} --sample S01 --gene NAMA4 --out out.tsv --device {device}", session.display())
}

#[test]
fn the_program_with_cuda_takes_over_where_it_starts() {
    for device in ["auto", "cuda", "cuda:1"] {
        let (ran, here) = predict(Some(&starting()), device);
        assert_eq!((ran.done().stdout, here), (format!("there: {}\n", arguments(device)), None));
    }
    let (ran, here) = predict(Some(&starting()), "cpu");
    assert!(!ran.done().stdout.contains("there") && here.is_some(), "nothing but a GPU is asked of it");
}

#[test]
fn where_it_does_not_start_this_one_goes_on_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let one = alone();
    cislens(folder.path(), &arguments("cpu")).done();
    drop(one);
    let expected = fs::read_to_string(folder.path().join("out.tsv")).unwrap();
    assert!(expected.contains("NAMA4\t"), "{expected}");
    let without_driver = format!("#!/bin/sh\necho '{NO_DRIVER}' >&2\nexit 127\n");
    for (script, why) in [
        (None, "cuda:0: this program was built without it, and there is no cislens-cuda beside it"),
        (Some(without_driver.as_str()), &*format!("cuda:0: cislens-cuda does not start: {NO_DRIVER}")),
        (Some("#!/bin/sh\necho cislens 0.0.1\n"), "cuda:0: cislens-cuda is cislens 0.0.1, this is cislens "),
        (Some("no program"), "cuda:0: cislens-cuda does not start: "),
    ] {
        let (ran, here) = predict(script, "auto");
        let ran = ran.done();
        assert!(ran.stderr.contains("computed on the processor (") && ran.stderr.contains(why), "{}", ran.stderr);
        assert_eq!(here.as_ref(), Some(&expected));
        predict(script, "cuda").0.refused(2, &["--device ", why]);
    }
}
