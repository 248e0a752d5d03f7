//! How long the browser takes to answer, measured from outside: the real program in a pseudo-terminal of 200 by 60.
//!
//! `cargo bench --bench latency` prints the table of docs/performance.md; `cargo bench --bench latency -- --soak MINUTES` walks
//! through genes for so long and prints the memory on the way. `cargo test --bench latency` is a short run that shows that every
//! figure can be taken; it judges none, for a busy machine would fail it. `RAYON_NUM_THREADS=1` keeps candle to one thread where methods
//! run in this process, as the program does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use cislens::attribution::{AttributionError, METHODS, Options, Run as AttributionRun};
use cislens::models::{Input, SampleSource, load_model, missing_input};
use cislens::session::{Readers, SampleId, Session};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const ROWS: u16 = 60;
const COLUMNS: u16 = 200;
/// A screen that has not changed for so long is done with an answer.
const SILENCE: Duration = Duration::from_millis(60);
const DEADLINE: Duration = Duration::from_secs(60);

/// How much is measured.
struct Size {
    starts: usize,
    keys: usize,
    genes: usize,
    idle: Duration,
}

const FULL: Size = Size { starts: 15, keys: 200, genes: 60, idle: Duration::from_secs(10) };
const SMOKE: Size = Size { starts: 1, keys: 3, genes: 3, idle: Duration::from_millis(300) };

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|a| a == "--soak") {
        let minutes: f64 = args.get(at + 1).and_then(|m| m.parse().ok()).expect("--soak MINUTES");
        return soak(Duration::from_secs_f64(minutes * 60.0));
    }
    let is_full = args.iter().any(|a| a == "--bench");
    let size = if is_full { FULL } else { SMOKE };
    println!("cislens in a terminal of {COLUMNS}x{ROWS}, sample-data, {} processors; times in ms", processors());
    print_times("first output", &measure_starts(&size, |screen| !screen.contents().trim().is_empty()));
    print_times("tracks on screen", &measure_starts(&size, has_tracks));
    measure_keys(&size);
    measure_genes(&size);
    measure_memory(&size);
    measure_cancelling();
    if !is_full {
        soak(Duration::from_secs(2));
    }
}

/// The program in a terminal; every piece of its output with the time it came.
struct Run {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    started: Instant,
    _home: tempfile::TempDir,
}

impl Run {
    fn start(files: &[&Path]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_cislens"));
        command.args(["--cache", "memory"]);
        command.args(files);
        for (name, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")] {
            command.env(name, value);
        }
        command.env("XDG_CONFIG_HOME", home.path());
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send((Instant::now(), bytes[..n].to_vec())).is_err() {
                    break;
                }
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        let screen = vt100::Parser::new(ROWS.try_into().unwrap(), COLUMNS.try_into().unwrap(), 0);
        Self { master: pair.master, writer, child, output, screen, started, _home: home }
    }

    fn sample_data() -> Self {
        Self::start(&[&root().join("sample-data/session.toml")])
    }

    /// Takes in the next piece of output; `None` after `patience` without any.
    fn next(&mut self, patience: Duration) -> Option<Instant> {
        match self.output.recv_timeout(patience) {
            Ok((at, bytes)) => {
                self.screen.process(&bytes);
                Some(at)
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the program ended:\n{}", self.screen.screen().contents()),
        }
    }

    /// When the screen first satisfied a condition.
    fn wait(&mut self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) -> Instant {
        let began = Instant::now();
        loop {
            if let Some(at) = self.next(Duration::from_millis(500))
                && condition(self.screen.screen())
            {
                return at;
            }
            if condition(self.screen.screen()) {
                return Instant::now();
            }
            assert!(began.elapsed() < DEADLINE, "{what} never came:\n{}", self.screen.screen().contents());
        }
    }

    /// Types keys and gives the time of the first byte of the answer and of the last before silence.
    fn press(&mut self, keys: &str) -> (Instant, Instant, Instant) {
        while self.next(Duration::ZERO).is_some() {}
        let pressed = Instant::now();
        self.writer.write_all(keys.as_bytes()).unwrap();
        let first = self.next(DEADLINE).expect("an answer");
        let mut last = first;
        while let Some(at) = self.next(SILENCE) {
            last = at;
        }
        (pressed, first, last)
    }

    fn send(&mut self, keys: &str) -> Instant {
        let now = Instant::now();
        self.writer.write_all(keys.as_bytes()).unwrap();
        now
    }

    /// Resident memory in MB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("VmRSS in /proc");
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Processor time used so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // Fields 14 and 15 of proc(5), user and system time; Linux counts them in hundredths of a second.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.writer.write_all(b"q");
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && self.next_or_end() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The terminal goes last: without it the program would see a hang-up before the key.
        let _ = &self.master;
    }
}

impl Run {
    fn next_or_end(&mut self) -> bool {
        self.output.recv_timeout(Duration::from_secs(5)).is_ok()
    }
}

/// Signal rows are drawn.
fn has_tracks(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    text.lines().any(|line| line.contains("H3K4me3") && line.chars().any(|c| ('▂'..='█').contains(&c)))
}

/// The header's prediction is in and the attention row is fresh.
fn has_prediction(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    let predicts = text.lines().take(3).any(|l| l.contains("predicted") && !l.contains("predicted …"));
    predicts && text.contains("● attention")
}

fn has_mutagenesis(screen: &vt100::Screen) -> bool {
    let text = screen.contents();
    text.contains("● ISM") || text.lines().any(|line| line.contains("◐ ISM") && line.contains('%'))
}

fn is_explained(screen: &vt100::Screen) -> bool {
    screen.contents().contains("● ISM")
}

fn measure_starts(size: &Size, condition: impl Fn(&vt100::Screen) -> bool + Copy) -> Vec<Duration> {
    let start = |_| {
        let mut run = Run::sample_data();
        run.wait("the screen", condition) - run.started
    };
    (0..size.starts).map(start).collect()
}

/// Pans and zooms while the explainer works on the gene in view.
fn measure_keys(size: &Size) {
    let mut run = Run::sample_data();
    run.wait("an explained gene", is_explained);
    let (mut to_first, mut to_quiet, mut to_frame) = (Vec::new(), Vec::new(), Vec::new());
    for key in ["l", "h", "L", "H", "o", "z", "+", "-", "j", "k"].iter().cycle().take(size.keys) {
        if is_explained(run.screen.screen()) {
            // New work: a gene past those that are prepared.
            run.send("WWWWW");
            run.wait("the old answer gone", |screen| !is_explained(screen));
            run.wait("a prediction", has_prediction);
        }
        let (pressed, first, last) = run.press(key);
        to_first.push(first - pressed);
        to_quiet.push(last - pressed);
    }
    print_times("key to first byte, while explaining", &to_first);
    print_times("key to quiet, while explaining", &to_quiet);
    // A held key, 30 a second: from a random moment to the next frame.
    let mut frames = Vec::new();
    let began = Instant::now();
    for i in 0..size.keys {
        run.send(if i / 30 % 2 == 0 { "l" } else { "h" });
        let next = began + Duration::from_millis(33) * (i as u32 + 1);
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            frames.extend(run.next(left));
        }
    }
    for i in 0..size.keys {
        // Moments spread evenly over the run, which no frame keeps step with.
        let moment = began + Duration::from_micros(33_000 * size.keys as u64 * (2 * i as u64 + 1) / (2 * size.keys as u64));
        to_frame.extend(frames.iter().find(|at| **at > moment).map(|at| *at - moment));
    }
    print_times("any moment to the next frame, key held", &to_frame);
}

/// Jumps to genes that nothing was prepared for, then walks at two genes a second.
fn measure_genes(size: &Size) {
    let mut run = Run::sample_data();
    run.wait("a prediction", has_prediction);
    let (mut to_prediction, mut to_mutagenesis) = (Vec::new(), Vec::new());
    for _ in 0..size.genes {
        // Five at a time: past the neighbours that are prepared.
        let pressed = run.send("WWWWW");
        run.wait("the old answer gone", |screen| !has_prediction(screen));
        to_prediction.push(run.wait("a prediction", has_prediction) - pressed);
        to_mutagenesis.push(run.wait("mutagenesis", has_mutagenesis) - pressed);
    }
    print_times("gene change to prediction and attention", &to_prediction);
    print_times("gene change to first mutagenesis values", &to_mutagenesis);
    run.wait("an explained gene", is_explained);
    let mut walked = Vec::new();
    let began = Instant::now();
    for i in 0..size.genes {
        let gene = header(run.screen.screen());
        let pressed = run.send("W");
        run.wait("the next gene", |screen| header(screen) != gene && has_prediction(screen));
        walked.push(pressed.elapsed());
        let next = began + Duration::from_millis(500) * (i as u32 + 1);
        while let Some(left) = next.checked_duration_since(Instant::now()) {
            run.next(left);
        }
    }
    let ready = walked.iter().filter(|d| **d < Duration::from_millis(20)).count();
    print_times("next gene at two a second, to its prediction", &walked);
    println!("{:<52} {:>7.1} %", "ready (shown within 20 ms)", 100.0 * ready as f64 / walked.len() as f64);
}

fn header(screen: &vt100::Screen) -> String {
    screen.contents().lines().next().unwrap_or_default().to_owned()
}

fn measure_memory(size: &Size) {
    let mut bare = Run::start(&[&root().join("sample-data/signals/S01.H3K4me3.bw"), &root().join("sample-data/genes.gtf.gz")]);
    bare.wait("tracks", has_tracks);
    bare.press("l");
    println!("{:<52} {:>7.1} MB", "memory, tracks without models", bare.memory());
    drop(bare);
    let mut run = Run::sample_data();
    run.wait("an explained gene", is_explained);
    // Every model in turn, back to the first.
    let first = header(run.screen.screen());
    let mut used = 1;
    loop {
        run.press("n");
        run.wait("an answer or a reason", |screen| !screen.contents().contains("predicted …"));
        if header(run.screen.screen()) == first {
            break;
        }
        used += 1;
    }
    assert!(used > 3, "the key went through {used} models");
    println!("{:<52} {:>7.1} MB", "memory, every sample model used", run.memory());
    // Everything is done once the processor rests.
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        let before = run.cpu();
        while run.next(Duration::from_millis(500)).is_some() {}
        if run.cpu() - before < 0.02 {
            break;
        }
    }
    let (before, began) = (run.cpu(), Instant::now());
    while let Some(left) = size.idle.checked_sub(began.elapsed()) {
        run.next(left);
    }
    let share = (run.cpu() - before) / began.elapsed().as_secs_f64();
    println!("{:<52} {:>7.2} %", "processor time while nothing happens", 100.0 * share);
}

/// For every sample model and method: the longest time between two looks at whether the work is still wanted.
fn measure_cancelling() {
    let session = Arc::new(Session::open(&root().join("sample-data/session.toml")).unwrap());
    let mut readers = Readers::new(session.clone());
    println!("longest time until a superseded method stops, ms");
    for folder in &session.models {
        let model = load_model(folder, &candle_core::Device::Cpu).unwrap();
        let manifest = model.manifest();
        if missing_input(&session, SampleId(0), manifest).is_some() {
            continue;
        }
        let (_, gene) = session.genome.genes.iter().nth(5).unwrap();
        let window = manifest.window_of(gene, session.genome.tss);
        let input = Input::assemble(manifest, &window, &mut SampleSource::new(&mut readers, SampleId(0), manifest)).unwrap();
        for method in METHODS.iter().filter(|m| m.obstacle(&*model).is_none()) {
            let (began, looks) = (Instant::now(), RefCell::new(vec![Instant::now()]));
            let is_current = || {
                looks.borrow_mut().push(Instant::now());
                // Long enough to have met every kind of step.
                began.elapsed() < Duration::from_secs(2)
            };
            let done = method.attribute(&*model, &input, &Options::default(), &mut AttributionRun::new(&is_current, &mut |_| ()));
            let mut looks = looks.into_inner();
            looks.push(Instant::now());
            let longest = looks.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            match done {
                Ok(_) | Err(AttributionError::Cancelled) => {
                    println!("  {:<20} {:<28} {:>7.1}", manifest.name, method.name(), longest.as_secs_f64() * 1e3);
                }
                Err(error) => println!("  {:<20} {:<28} n/a: {error}", manifest.name, method.name()),
            }
        }
    }
}

/// Shorter walks end before the caches are full, and their slope says nothing.
const SETTLED: Duration = Duration::from_secs(20 * 60);
/// What the browser may take with every sample model in use.
const MOST_MEGABYTES: f64 = 300.0;

/// Walks through genes, pans and switches models and samples for a time; memory at the start, the middle and the end, and its slope.
fn soak(length: Duration) {
    let mut run = Run::sample_data();
    run.wait("an explained gene", is_explained);
    let began = Instant::now();
    let mut memory = vec![(0.0, run.memory())];
    let keys = ["W", "l", "W", "o", "z", "W", "h", "B", "n", "s", "W", "W"];
    for key in keys.iter().cycle() {
        if began.elapsed() > length {
            break;
        }
        run.press(key);
        memory.push((began.elapsed().as_secs_f64(), run.memory()));
    }
    // The first half fills the caches: each model has been in each sample after some minutes.
    let settled: Vec<_> = memory.iter().filter(|(t, _)| *t >= 0.5 * length.as_secs_f64()).copied().collect();
    let middle = memory[memory.len() / 2].1;
    println!(
        "walked {:.1} min, {} keys: memory {:.1} MB at the start, {middle:.1} in the middle, {:.1} at the end",
        began.elapsed().as_secs_f64() / 60.0,
        memory.len() - 1,
        memory[0].1,
        memory[memory.len() - 1].1,
    );
    if length >= SETTLED {
        println!("{:+.1} MB carried to 8 hours", slope(&settled) * 8.0 * 3_600.0);
    }
    let most = memory.iter().map(|(_, megabytes)| *megabytes).fold(0.0, f64::max);
    assert!(most < MOST_MEGABYTES, "{most:.1} MB");
}

/// Least squares, in units of y by units of x.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let (mut xy, mut xx) = (0.0, 0.0);
    for p in points {
        xy += (p.0 - x) * (p.1 - y);
        xx += (p.0 - x).powi(2);
    }
    if xx > 0.0 { xy / xx } else { 0.0 }
}

fn print_times(what: &str, times: &[Duration]) {
    let mut ms: Vec<f64> = times.iter().map(|t| t.as_secs_f64() * 1e3).collect();
    ms.sort_by(f64::total_cmp);
    // The smallest value that at least this share does not exceed.
    let at = |share: f64| ms[((share * ms.len() as f64).ceil() as usize).clamp(1, ms.len()) - 1];
    println!("{what:<52} p50 {:>7.1}  p95 {:>7.1}  p99 {:>7.1}  n {}", at(0.5), at(0.95), at(0.99), ms.len());
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
