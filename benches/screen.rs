//! What a frame costs: 30 signals on 60 lines while panning, completion over 60,000 genes, a session of 200 samples by 6 marks.
//!
//! `cargo bench --bench screen` prints the figures of docs/performance.md; `cargo test --bench screen` shows that they can be taken.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use cislens::genome::{ChromSizes, Gene, Genes, Region, Strand, Transcript};
use cislens::input::Keymap;
use cislens::session::{Genome, Readers, Sample, Session, SessionFile, TrackEntry, TrackId};
use cislens::state::{SignalView, State};
use cislens::theme::Theme;
use cislens::tracks::{SignalInterval, write_bigwig};
use cislens::ui::{Depth, Palette, draw, plot_columns};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

const COLUMNS: u16 = 200;
const LINES: u16 = 60;
const CHROM: u64 = 10_000_000;

fn main() {
    let is_full = std::env::args().any(|a| a == "--bench");
    let folder = tempfile::tempdir().unwrap();
    write_signal(&folder.path().join("s.bw"));
    pan(folder.path(), if is_full { 300 } else { 3 });
    complete(if is_full { 60_000 } else { 600 });
    start(folder.path(), if is_full { 200 } else { 2 });
}

/// A value every 50 bases, in waves.
fn write_signal(path: &Path) {
    let chroms = ChromSizes::parse(&format!("chr1\t{CHROM}")).unwrap();
    let value = |i: u64| ((i % 997) as f32 / 100.0) * (1.0 + ((i / 50) % 7) as f32);
    let intervals = (0..CHROM / 50).map(|i| SignalInterval { start: i * 50, end: i * 50 + 50, value: value(i) });
    write_bigwig(path, &chroms, &[("chr1".into(), intervals.collect())], &[]).unwrap();
}

fn session(folder: &Path, samples: usize, marks: usize) -> State {
    let track = |i: usize| TrackEntry {
        file: "s.bw".into(),
        label: Some(format!("mark{}", i % marks)),
        sample: Some(format!("sample{}", i / marks)),
        ..TrackEntry::default()
    };
    std::fs::write(folder.join("g.sizes"), format!("chr1\t{CHROM}\n")).unwrap();
    let mut file = SessionFile { version: 2, tracks: (0..samples * marks).map(track).collect(), ..SessionFile::default() };
    file.genome.sizes = Some("g.sizes".into());
    let session = Session::build(&file, folder).unwrap();
    let mut state = State::new(Arc::new(session), Vec::new(), Theme::named("dark").unwrap());
    state.n_columns = plot_columns(COLUMNS);
    state
}

/// Counts what is written to a terminal.
#[derive(Clone, Default)]
struct Counter(Rc<Cell<usize>>);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.set(self.0.get() + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A terminal that counts the bytes it is sent.
struct Screen {
    terminal: Terminal<CrosstermBackend<Counter>>,
    sent: Counter,
}

impl Screen {
    fn new() -> Self {
        let sent = Counter::default();
        let viewport = Viewport::Fixed(Rect::new(0, 0, COLUMNS, LINES));
        let backend = CrosstermBackend::new(sent.clone());
        Self { terminal: Terminal::with_options(backend, TerminalOptions { viewport }).unwrap(), sent }
    }
}

/// Reads what is in view, as the reading thread does.
fn read(state: &mut State, readers: &mut Readers) {
    let look = state.look();
    for track in look.tracks {
        let columns = readers.columns(track, &look.region, look.n_columns).map_err(|e| e.to_string());
        state.signals.insert(track, SignalView { region: look.region.clone(), columns });
    }
}

fn frame(state: &State, screen: &mut Screen) -> usize {
    let palette = Palette::new(state.theme.clone(), Depth::True);
    screen.sent.0.set(0);
    screen.terminal.draw(|frame| draw(frame, state, &Keymap::built_in(), &palette)).unwrap();
    screen.sent.0.get()
}

fn pan(folder: &Path, frames: usize) {
    let mut state = session(folder, 1, 30);
    let mut readers = Readers::new(state.session.clone());
    let mut terminal = Screen::new();
    state.set_region(Region::new("chr1", 1_000_000, 1_100_000));
    read(&mut state, &mut readers);
    let whole = frame(&state, &mut terminal);
    let (mut reading, mut drawing, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..frames {
        state.pan(if i % 40 < 20 { 0.1 } else { -0.1 });
        let begun = Instant::now();
        read(&mut state, &mut readers);
        reading.push(begun.elapsed());
        let begun = Instant::now();
        bytes.push(frame(&state, &mut terminal));
        drawing.push(begun.elapsed());
    }
    println!("30 signals of 100 kb in a terminal of {COLUMNS}x{LINES}, panned {frames} times by a tenth of the view");
    print_times("  reading the columns", &mut reading);
    print_times("  drawing the frame", &mut drawing);
    bytes.sort_unstable();
    println!("  bytes a frame: median {}, most {}; the first, whole {whole}", bytes[bytes.len() / 2], bytes[bytes.len() - 1]);
}

fn complete(n: usize) {
    let chroms = ChromSizes::parse("chr1\t3000000000").unwrap();
    let letters = |mut i: usize| {
        let mut name = String::new();
        for _ in 0..4 {
            name.push(char::from(b'A' + (i % 26) as u8));
            i /= 26;
        }
        name
    };
    let gene = |i: usize| Gene {
        id: format!("ENSG{i:011}"),
        name: format!("{}{}", letters(i.wrapping_mul(7_919)), i % 40),
        biotype: "protein_coding".to_owned(),
        region: Region::new("chr1", i as u64 * 40_000, i as u64 * 40_000 + 20_000),
        strand: Strand::Forward,
        transcripts: vec![Transcript { start: i as u64 * 40_000, end: i as u64 * 40_000 + 20_000, ..Transcript::default() }],
    };
    let genes = Genes::new((0..n).map(gene).collect(), |c| chroms.rank(c));
    let genome = Genome { genes: Arc::new(genes), chroms, ..Genome::default() };
    let sample = Sample { name: "s".to_owned(), expression: None, tf_expression: None, unit: String::new() };
    let session = Session { genome, samples: vec![sample], ..Session::default() };
    let state = State::new(Arc::new(session), Vec::new(), Theme::named("dark").unwrap());
    println!("completion over {n} genes");
    for text in ["A", "BR", "BRC", "BRCA", "BRCA1", "xq", "zzz9"] {
        let mut times: Vec<Duration> = (0..20)
            .map(|_| {
                let begun = Instant::now();
                std::hint::black_box(state.places_like(text));
                begun.elapsed()
            })
            .collect();
        print_times(&format!("  {text:?}"), &mut times);
    }
}

fn start(folder: &Path, samples: usize) {
    let begun = Instant::now();
    let mut state = session(folder, samples, 6);
    let opened = begun.elapsed();
    let mut readers = Readers::new(state.session.clone());
    state.set_region(Region::new("chr1", 1_000_000, 1_100_000));
    read(&mut state, &mut readers);
    frame(&state, &mut Screen::new());
    let n_read = state.signals.keys().collect::<Vec<&TrackId>>().len();
    println!(
        "{samples} samples of 6 marks: opened in {opened:.1?}, first frame after {:.1?}, {n_read} tracks read",
        begun.elapsed()
    );
    state.show_matrix("").unwrap();
    let begun = Instant::now();
    read(&mut state, &mut readers);
    let read_in = begun.elapsed();
    let (mut sorting, mut drawing, mut terminal) = (Vec::new(), Vec::new(), Screen::new());
    for _ in 0..10 {
        let begun = Instant::now();
        state.sort_rows("value").unwrap();
        sorting.push(begun.elapsed());
        let begun = Instant::now();
        std::hint::black_box(state.look());
        frame(&state, &mut terminal);
        drawing.push(begun.elapsed());
    }
    println!("  as a matrix: {} rows, read in {read_in:.1?}", state.rows().len());
    print_times("  sorting them by value", &mut sorting);
    print_times("  drawing the frame", &mut drawing);
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{what}: median {:.2?}, 95th percentile {:.2?}, most {:.2?}", at(0.5), at(0.95), at(1.0));
}
