//! The terminal, taken and given back exactly once, whatever happens in between.

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_current_process_group};
use rustix::time::Timespec;
use std::convert::Infallible;
use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Whether the terminal is ours now.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the mouse is taken with it.
static HAS_MOUSE: AtomicBool = AtomicBool::new(false);

/// One frame of a large terminal fits: a frame is one write, not one a line.
const BUFFER_BYTES: usize = 128 << 10;

/// The terminal in raw mode on its second screen. Dropping it gives the terminal back.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
}

impl Screen {
    /// Takes the terminal, and the mouse where `has_mouse`.
    pub fn enter(has_mouse: bool) -> io::Result<Self> {
        HAS_MOUSE.store(has_mouse, Ordering::SeqCst);
        // NO_COLOR is our palette's business: crossterm's way of it also resets bold and reverse.
        crossterm::style::force_color_output(true);
        take()?;
        watch_terminal()?;
        match new_terminal() {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Columns and lines.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|s| (s.width, s.height))
    }

    /// Draws one frame, shown at once by terminals that know synchronized updates.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(paint)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Shows a picture (text with its escapes) on an empty screen, from the top left.
    pub fn show(&mut self, picture: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        queue!(out, Clear(ClearType::All), cursor::MoveTo(0, 0))?;
        out.write_all(picture.as_bytes())?;
        Write::flush(out)
    }

    /// Puts text on the clipboard of whoever sits at the terminal, also over ssh (OSC 52); terminals that do not know it ignore it.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        write!(out, "\x1b]52;c;{}\x07", crate::export::base64(text.as_bytes()))?;
        Write::flush(out)
    }

    /// Takes a picture away: the next frame is drawn whole.
    pub fn clear(&mut self) -> io::Result<()> {
        // kitty keeps pictures apart from text: all of them are deleted; others ignore the escape.
        self.terminal.backend_mut().write_all(b"\x1b_Ga=d,q=2\x1b\\")?;
        queue!(self.terminal.backend_mut(), Clear(ClearType::All))?;
        self.terminal = new_terminal()?;
        Ok(())
    }

    /// Gives the terminal back, stops the process until `fg`, takes it again.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // All that the shell started with it, as the terminal would: a script that waits for it stops, too.
        kill_current_process_group(Signal::STOP)?;
        take()?;
        // A new one, which takes the screen for empty: `Terminal::clear` would ask the terminal for its cursor and wait.
        self.terminal = new_terminal()?;
        Ok(())
    }
}

/// Columns of the terminal, 80 where there is none.
pub fn terminal_columns() -> u16 {
    crossterm::terminal::size().map_or(80, |(columns, _)| columns)
}

fn new_terminal() -> io::Result<Terminal<CrosstermBackend<BufWriter<Stdout>>>> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER_BYTES, stdout())))
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    if HAS_MOUSE.load(Ordering::SeqCst) {
        execute!(stdout(), EnableMouseCapture)?;
    }
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

/// Gives the terminal back, once; errors cannot be told to anybody any more.
fn give_back() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        if HAS_MOUSE.load(Ordering::SeqCst) {
            let _ = execute!(stdout(), DisableMouseCapture);
        }
        let _ = execute!(stdout(), EndSynchronizedUpdate, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
        let _ = disable_raw_mode();
    }
}

/// Makes panics give the terminal back first where they end the program, and say nothing where they are caught.
///
/// ratatui's own hook restores the terminal for a panic in any thread, also one that is contained.
pub fn install_panic_hook() {
    let owner = thread::current().id();
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if crate::tracks::is_contained_panic() {
            return;
        }
        if thread::current().id() == owner {
            give_back();
            print(info);
        } else {
            // The screen is raw: a worker's panic goes to the log, and to its row through the job that caught it.
            tracing::error!("{info}");
        }
    }));
}

/// How long a signal that ends the program may take to: the screen's thread may be held up by a terminal that takes no output.
const PATIENCE: Duration = Duration::from_secs(2);

/// Starts the thread that ends the process where the screen's cannot.
fn watch_terminal() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = move || {
        let Err(error) = runtime.block_on(end_where_stuck());
        tracing::warn!("signals: {error}");
    };
    thread::Builder::new().name("terminal".to_owned()).spawn(work).map(|_| ())
}

/// Ends the process where the terminal is gone without a signal (crossterm 0.29 would spin a core for ever, its issue 793), or where a
/// signal has come and nothing followed.
async fn end_where_stuck() -> io::Result<Infallible> {
    let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let number = tokio::select! {
            _ = terminate.recv() => 15,
            _ = hang_up.recv() => 1,
            _ = interrupt.recv() => 2,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                if is_terminal_gone() {
                    std::process::exit(129);
                }
                continue;
            }
        };
        tokio::time::sleep(PATIENCE).await;
        // The escapes would wait for the terminal, too.
        let _ = disable_raw_mode();
        std::process::exit(128 + number);
    }
}

fn is_terminal_gone() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut polled = [PollFd::new(&stdin, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().intersects(gone)
}
