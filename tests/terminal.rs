//! The program in a pseudo-terminal: what a person at it would see, and how it leaves the terminal behind.
#![expect(clippy::unwrap_used, reason = "a test harness")]

use cislens::models::{Weights, architecture, save_model};
use cislens::simulate::{Options, Scale, simulate};
use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

/// Nothing waits this long on a healthy machine; a broken program must not hang the tests.
const DEADLINE: Duration = Duration::from_secs(120);

/// A small simulated session with a network of random weights, made once.
fn session() -> &'static Path {
    static SESSION: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SESSION.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_owned();
        simulate(&Options { seed: 3, out: out.clone(), scale: Scale::Small, threads: 0 }, &mut |_| ()).unwrap();
        let deepcore = architecture("deepcore").unwrap();
        let mut manifest = deepcore.default_manifest();
        manifest.name = "random-net".to_owned();
        manifest.input.signal = cislens::tracks::SignalUnit::Rpm;
        manifest.assembly = None;
        let weights = Weights::fresh(1, candle_core::DType::F32, &candle_core::Device::Cpu);
        drop((deepcore.build)(&weights, manifest.clone()).unwrap());
        let tensors = weights.variables().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
        save_model(&out.join("models/random"), &manifest, &tensors).unwrap();
        let path = out.join("session.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut file: cislens::session::SessionFile = toml::from_str(&text).unwrap();
        file.models = vec![cislens::session::ModelEntry { path: "models/random".into() }];
        std::fs::write(&path, toml::to_string(&file).unwrap()).unwrap();
        (folder, path)
    });
    path
}

/// The program in a terminal of its own.
struct Run {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Option<Box<dyn Child + Send + Sync>>,
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    /// Lets go of the terminal at the next output.
    is_deaf: Arc<AtomicBool>,
    before: String,
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

/// Waits for a child to end, on a thread of its own so that one that never does fails the test.
fn end_of(mut child: Box<dyn Child + Send + Sync>) -> ExitStatus {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait().unwrap()));
    ended.recv_timeout(DEADLINE).expect("the program does not end")
}

impl Run {
    fn start(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cislens"));
        command.args(args);
        Self::start_command(command, env)
    }

    fn start_command(mut command: CommandBuilder, env: &[(&str, &str)]) -> Self {
        let pair = native_pty_system().openpty(size(40, 160)).unwrap();
        for (name, value) in
            [("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("RUST_BACKTRACE", "0"), ("LC_ALL", "C.UTF-8")]
                .iter()
                .chain(env)
        {
            command.env(name, value);
        }
        if !env.iter().any(|(name, _)| *name == "XDG_STATE_HOME") {
            command.env("XDG_STATE_HOME", session().parent().unwrap().join("state"));
        }
        if !env.iter().any(|(name, _)| *name == "NO_COLOR") {
            command.env_remove("NO_COLOR");
        }
        let before = format!("{:?}", pair.master.get_termios());
        let child = Some(pair.slave.spawn_command(command).unwrap());
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let screen = Arc::new((Mutex::new(vt100::Parser::new(cells(40), cells(160), 0)), Condvar::new()));
        let is_deaf = Arc::new(AtomicBool::new(false));
        let (shared, flag) = (screen.clone(), is_deaf.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                shared.0.lock().unwrap().process(&bytes[..n]);
                shared.1.notify_all();
                if flag.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { master: pair.master, writer, child, screen, is_deaf, before }
    }

    /// Waits until the screen satisfies a condition.
    fn wait(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        let (parser, changed) = &*self.screen;
        let began = Instant::now();
        let mut parser = parser.lock().unwrap();
        while !condition(parser.screen()) {
            assert!(began.elapsed() < DEADLINE, "{what} never came:\n{}", parser.screen().contents());
            parser = changed.wait_timeout(parser, Duration::from_millis(200)).unwrap().0;
        }
    }

    fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().unwrap().process_id().unwrap();
        let pid = Pid::from_raw(pid as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the program has stopped itself.
    fn wait_stopped(&self) {
        let pid = Pid::from_raw(self.child.as_ref().unwrap().process_id().unwrap() as i32).unwrap();
        let (sender, stopped) = mpsc::channel();
        std::thread::spawn(move || sender.send(waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap().1.stopped()));
        assert!(stopped.recv_timeout(DEADLINE).expect("the program does not stop"), "it ended instead of stopping");
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.screen.0.lock().unwrap().screen_mut().set_size(cells(rows), cells(cols));
        self.master.resize(size(rows, cols)).unwrap();
    }

    /// Waits for the program to end.
    fn end(&mut self) -> ExitStatus {
        end_of(self.child.take().unwrap())
    }

    /// The terminal is as it was found: cooked, first screen, cursor shown, paste unbracketed.
    fn assert_given_back(&self) {
        self.wait("the first screen", |screen| !screen.alternate_screen());
        self.wait("the cursor", |screen| !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(format!("{:?}", self.master.get_termios()), self.before, "terminal settings");
    }
}

#[test]
fn open_walk_twenty_genes_resize_quit() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[]);
    run.wait_for("cislens");
    run.wait_for("H3K4me3");
    run.wait("the alternate screen", vt100::Screen::alternate_screen);
    // The first prediction arrives without a key.
    run.wait("a prediction", |s| s.contents().contains("predicted") && !s.contents().contains("predicted …"));
    run.send(&"W".repeat(20));
    run.wait("another gene", |s| s.contents().contains("gene ") && s.contents().contains("predicted …"));
    run.wait("its prediction", |s| !s.contents().contains("predicted …"));
    run.wait_for("● attention");
    run.wait_for("● IG");
    run.resize(24, 80);
    run.wait("a screen of 80x24", |s| {
        s.contents().lines().next().is_some_and(|l| l.contains("cislens") && l.chars().count() <= 80)
    });
    run.resize(10, 40);
    run.wait_for("cislens needs 80x24");
    run.resize(40, 160);
    run.wait_for("H3K27ac");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
}

/// Nothing runs in the background here that would wake the loop by chance.
#[test]
fn a_key_pressed_while_the_program_rests_is_not_lost() {
    let mut run = Run::start(&[session().with_file_name("genes.gtf.gz").to_str().unwrap()], &[]);
    run.wait_for("genes");
    for _ in 0..3 {
        run.send("?");
        run.wait_for("next gene");
        run.send("?");
        run.wait("the rows again", |s| !s.contents().contains("next gene"));
    }
    run.resize(10, 40);
    run.wait_for("cislens needs 80x24");
    run.resize(24, 80);
    run.wait_for("genes");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
}

/// crossterm's mio source forgets that there is input where the signal of a resize comes with it.
#[test]
fn a_key_that_comes_with_a_resize_is_not_lost() {
    let mut run = Run::start(&[session().with_file_name("genes.gtf.gz").to_str().unwrap()], &[]);
    run.wait_for("genes");
    for i in 0..100 {
        run.resize(40, 160 - i % 2);
        run.send("?");
        run.wait("the keys", |s| s.contents().contains("next gene"));
        run.resize(40, 150 - i % 2);
        run.send("?");
        run.wait("the rows again", |s| !s.contents().contains("next gene"));
    }
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn a_session_is_saved_and_the_one_left_last_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let env = [("XDG_STATE_HOME", folder.path().to_str().unwrap())];
    let mut run = Run::start(&[session().to_str().unwrap()], &env);
    run.wait_for("H3K4me3");
    run.send(":note a place\r");
    run.wait_for("regions");
    let saved = folder.path().join("saved.toml");
    run.send(&format!(":w {}\r", saved.display()));
    run.wait_for("saved:");
    run.send("W:q\r");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
    let text = std::fs::read_to_string(&saved).unwrap();
    assert!(text.contains("note = \"a place\"") && text.contains("version = 2"), "{text}");
    let mut run = Run::start(&["--last"], &env);
    run.wait_for("regions");
    run.wait_for("H3K4me3");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn dna_of_another_assembly_is_read_only_where_that_is_said() {
    let folder = session().parent().unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let other = folder.join("models/other");
    std::fs::create_dir_all(&other).unwrap();
    std::fs::copy(folder.join("models/random/model.safetensors"), other.join("model.safetensors")).unwrap();
    let manifest = format!("assembly = \"hg19\"\n{}", read(&folder.join("models/random/model.toml")));
    std::fs::write(other.join("model.toml"), manifest).unwrap();
    let path = folder.join("other.toml");
    std::fs::write(&path, read(session()).replace("models/random", "models/other")).unwrap();
    let path = path.to_str().unwrap();
    let mut run = Run::start(&[path], &[]);
    run.wait_for("the model reads DNA of hg19; the session's genome is");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    let mut run = Run::start(&[path, "--assume-assembly"], &[]);
    run.wait("a prediction", |s| s.contents().contains("predicted") && !s.contents().contains("predicted …"));
    run.wait_for("● IG");
    assert!(!run.screen.0.lock().unwrap().screen().contents().contains("hg19"));
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn a_screen_of_ascii_alone_has_nothing_else() {
    let mut run = Run::start(&["--glyphs", "ascii", session().to_str().unwrap()], &[]);
    run.wait_for("* attention");
    let contents = run.screen.0.lock().unwrap().screen().contents();
    assert!(contents.is_ascii(), "{contents}");
    run.send("q");
    run.end();
}

#[test]
fn keys_that_mean_nothing_and_odd_input_leave_it_running() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[]);
    run.wait_for("H3K4me3");
    run.send("y!~\u{1b}[99~\u{1b}[<65;10;5M\u{1b}[200~chr1:1,000-9,000\u{1b}[201~");
    run.wait_for("go to a gene or a place");
    run.send("\r");
    run.wait_for("chr1:1,000-9,000");
    run.send("g");
    run.send("nowhere\r");
    run.wait_for("no gene or chromosome \"nowhere\"");
    run.send("\u{1b}"); // alone: with a letter behind it it is Alt and the letter
    run.wait("the tracks", |s| !s.contents().contains("go to a gene or a place"));
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
}

#[test]
fn signals_end_it_and_the_terminal_is_given_back() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let mut run = Run::start(&[session().to_str().unwrap()], &[]);
        run.wait_for("H3K4me3");
        run.signal(signal);
        assert_eq!(run.end().exit_code(), code, "{signal:?}");
        run.assert_given_back();
    }
}

/// Its thread waits for the terminal to take what it draws, and cannot hear of the signal.
#[test]
fn a_signal_ends_it_where_the_terminal_takes_no_output() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[]);
    run.wait_for("H3K4me3");
    run.is_deaf.store(true, Ordering::SeqCst);
    (0..200).for_each(|i| run.send(if i % 2 == 0 { "L" } else { "o" }));
    run.signal(Signal::TERM);
    assert_eq!(run.end().exit_code(), 143);
}

#[test]
fn control_c_leaves_like_q() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[]);
    run.wait_for("H3K4me3");
    run.send("\u{3}");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
}

#[test]
fn control_z_stops_it_and_fg_brings_it_back() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[]);
    run.wait_for("H3K4me3");
    run.send("\u{1a}");
    // The screen changes before the settings do, and a CONT before the stop would be lost.
    run.wait_stopped();
    run.assert_given_back();
    run.signal(Signal::CONT);
    run.wait("the browser again", |s| s.alternate_screen() && s.contents().contains("H3K4me3"));
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
}

/// crossterm 0.29 spins for ever on a terminal that is gone (its issue 793). The shell keeps the hang-up from the program, so
/// that only its own watch can end it.
#[test]
fn a_terminal_that_disappears_without_a_signal_ends_it() {
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", "trap '' HUP; \"$0\" \"$1\"; exit 0", env!("CARGO_BIN_EXE_cislens"), session().to_str().unwrap()]);
    let mut run = Run::start_command(command, &[]);
    run.wait_for("H3K4me3");
    run.is_deaf.store(true, Ordering::SeqCst);
    run.send("?");
    let Run { master, writer, child, .. } = run;
    drop((master, writer));
    end_of(child.unwrap());
}

#[test]
fn without_colours_nothing_is_coloured() {
    let mut run = Run::start(&[session().to_str().unwrap()], &[("NO_COLOR", "1")]);
    run.wait_for("H3K4me3");
    run.wait_for("● attention");
    {
        let parser = run.screen.0.lock().unwrap();
        for row in 0..40 {
            for col in 0..160 {
                let cell = parser.screen().cell(row, col).unwrap();
                assert_eq!((cell.fgcolor(), cell.bgcolor()), (vt100::Color::Default, vt100::Color::Default), "{row} {col}");
            }
        }
    }
    run.send("q");
    run.end();
}

#[test]
fn a_session_that_cannot_be_opened_is_a_message_where_the_command_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.toml");
    std::fs::write(&path, "version = 1\n[genome]\nsizes = 'missing.sizes'\n").unwrap();
    let mut run = Run::start(&[path.to_str().unwrap()], &[]);
    assert_eq!(run.end().exit_code(), 1);
    run.assert_given_back();
    run.wait("the message", |screen| !screen.alternate_screen() && screen.contents().contains("missing.sizes"));
}

/// A session that is read for as long as nobody writes into it.
fn slow_session(name: &str) -> PathBuf {
    let path = session().with_file_name(name);
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_session_that_hangs_can_be_left() {
    let path = slow_session("hangs.toml");
    for (how, code) in [(None, 0), (Some(Signal::TERM), 143)] {
        let mut run = Run::start(&[path.to_str().unwrap()], &[]);
        run.wait_for("hangs.toml");
        match how {
            None => run.send("q"),
            Some(signal) => run.signal(signal),
        }
        assert_eq!(run.end().exit_code(), code);
        run.assert_given_back();
    }
}

#[test]
fn what_is_typed_while_a_session_is_opened_counts() {
    let path = slow_session("slow.toml");
    let mut run = Run::start(&[path.to_str().unwrap()], &[]);
    run.wait_for("slow.toml");
    // It stops for the second key, so the first was read.
    run.send("?\u{1a}");
    run.wait_stopped();
    run.signal(Signal::CONT);
    std::fs::write(&path, std::fs::read(session()).unwrap()).unwrap();
    run.wait_for("left by a tenth of the view");
    run.send("\u{1b}");
    run.wait("the tracks", |s| s.contents().contains("H3K4me3") && !s.contents().contains("left by a tenth of the view"));
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
}

/// Takes the terminal as the program does and panics: run by the next test in a terminal of its own.
#[test]
#[ignore = "run in a pseudo-terminal by a_panic_gives_the_terminal_back"]
fn panics_with_the_terminal_taken() {
    cislens::app::install_panic_hook();
    let _screen = cislens::app::Screen::enter(true).unwrap();
    // A contained panic and one of another thread leave the screen alone.
    let contained = cislens::tracks::contain_panic(|| panic!("contained"));
    assert_eq!(contained, Err::<(), _>("contained".to_owned()));
    assert!(std::thread::spawn(|| panic!("of a worker")).join().is_err());
    print!("still on the second screen");
    std::io::stdout().flush().unwrap();
    panic!("the loop broke");
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", "panics_with_the_terminal_taken"]);
    let mut run = Run::start_command(command, &[]);
    run.wait_for("the loop broke");
    run.end();
    run.assert_given_back();
    let contents = run.screen.0.lock().unwrap().screen().contents();
    assert!(!contents.contains("contained") && !contents.contains("of a worker"), "{contents}");
}

#[test]
fn a_command_that_hangs_does_not_hold_up_quitting() {
    let path = session();
    let folder = path.parent().unwrap();
    let pid = folder.join("pid");
    let script = format!("echo $$ > {}; cat > /dev/null; sleep 1000", pid.display());
    let spec: cislens::models::ExternalSpec =
        toml::from_str(&format!("command = [\"sh\", \"-c\", \"{script}\"]\ntimeout_seconds = 3600.0")).unwrap();
    let mut manifest = cislens::models::read_manifest(&folder.join("models/random")).unwrap();
    (manifest.name, manifest.architecture) = ("hung-net".to_owned(), "external".to_owned());
    (manifest.hash, manifest.external) = (String::new(), Some(spec));
    std::fs::create_dir_all(folder.join("models/hung")).unwrap();
    std::fs::write(folder.join("models/hung/model.toml"), toml::to_string(&manifest).unwrap()).unwrap();
    let mut file: cislens::session::SessionFile = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file.models = vec![cislens::session::ModelEntry { path: "models/hung".into() }];
    let hung = folder.join("hung.toml");
    std::fs::write(&hung, toml::to_string(&file).unwrap()).unwrap();

    let mut run = Run::start(&[hung.to_str().unwrap()], &[]);
    run.wait_for("needs --allow-command");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    assert!(!pid.exists(), "nothing is started because a session names it");

    let mut run = Run::start(&["view", "--allow-command", hung.to_str().unwrap()], &[]);
    let begun = Instant::now();
    while !std::fs::read_to_string(&pid).is_ok_and(|id| id.ends_with('\n')) {
        assert!(begun.elapsed() < DEADLINE, "the command is never started");
        std::thread::yield_now();
    }
    run.wait_for("H3K4me3");
    run.send("W");
    run.send("q");
    assert_eq!(run.end().exit_code(), 0);
    run.assert_given_back();
    let id = std::fs::read_to_string(&pid).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
    while !state().is_empty() && !state().contains(") Z") {
        assert!(begun.elapsed() < DEADLINE, "the command stays behind: {}", state());
        std::thread::yield_now();
    }
}
