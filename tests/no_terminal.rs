//! The program where there is no terminal.

use assert_cmd::Command;
use predicates::str::contains;

#[test]
fn without_a_terminal_one_line_names_render() {
    let output = Command::cargo_bin("cislens").unwrap().assert().code(2).stderr(contains("cislens render")).get_output().clone();
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert!(output.stdout.is_empty());
}

#[test]
fn help_names_every_command() {
    let assert = Command::cargo_bin("cislens").unwrap().arg("--help").assert().success();
    let help = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    for command in ["view", "render", "init", "simulate", "import", "train", "predict", "attribute", "list"] {
        assert!(help.contains(command), "{command}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    Command::cargo_bin("cislens").unwrap().args(["render", "--no-such-flag"]).assert().code(2);
    Command::cargo_bin("cislens").unwrap().arg("simulate").assert().code(2);
}
