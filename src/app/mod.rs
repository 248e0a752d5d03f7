//! The loop: event -> action -> state -> scene -> draw. One task owns the state; everything slow is elsewhere.

mod editing;
mod frames;
mod landmarks;
mod mouse;
mod opening;
mod terminal;
mod update;

pub use terminal::{Screen, install_panic_hook, terminal_columns};

use crate::export::{self, FigureOptions, Protocol};
use crate::input::{Key, Keymap};
use crate::jobs::{Analysis, Aside, Caches, Explain, JobId, LoadModel, Look, Pace, Reply, Workers};
use crate::state::State;
use crate::theme::Theme;
use crate::tracks;
use crate::ui::{self, Depth, Palette};
use crossterm::event::{Event, EventStream, KeyEventKind};
use frames::Frames;
use futures_util::StreamExt;
use opening::{Opening, Outcome};
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// For what has been typed already: the stream asks with no time at all, for which crossterm looks at nothing.
const AT_ONCE: Duration = Duration::from_micros(50);

/// What the terminal can show and say.
#[derive(Clone, Copy, Debug)]
pub struct Display {
    /// Colours.
    pub depth: Depth,
    /// Whether only ASCII characters are shown.
    pub is_ascii: bool,
    /// Whether the mouse is ours.
    pub has_mouse: bool,
}

impl Display {
    fn palette(self, theme: Theme) -> Palette {
        Palette::new(theme, self.depth).in_ascii(self.is_ascii)
    }
}

/// Why the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The user quit.
    Quit,
    /// A signal of this number asked it to.
    Signal(i32),
}

/// What the browser begins with.
pub struct Opened {
    /// The session, and where it is looked at.
    pub state: State,
    /// What it was opened from, for the command a figure names.
    pub files: Vec<PathBuf>,
    /// Loads its models.
    pub load: Arc<LoadModel>,
    /// Where results are kept.
    pub caches: Caches,
    /// Where the session is kept as it is left.
    pub last: Option<PathBuf>,
}

/// Takes the terminal, opens what `open` gives (`what`, as the user knows it) and shows it until it is left. What cannot be opened is
/// handed back with the terminal given back.
pub fn run<E: Send + 'static>(
    open: impl FnOnce() -> Result<Opened, E> + Send + 'static,
    what: &str,
    theme: Theme,
    keymap: Keymap,
    display: Display,
) -> io::Result<Result<Ending, E>> {
    // The session is read while the terminal is made ready.
    let opening = Opening::begin(open)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // On this thread, which the panic hook takes for the one that owns the terminal.
    let ending = runtime.block_on(async {
        let mut screen = Screen::enter(display.has_mouse)?;
        let (mut events, mut signals) = (EventStream::new(), Signals::listen()?);
        let palette = display.palette(theme);
        let opening = opening::wait_for(opening, what, (&mut screen, &palette, &keymap), (&mut events, &mut signals)).await?;
        let (opened, typed) = match opening {
            Outcome::Opened(Ok(opened), typed) => (opened, typed),
            Outcome::Opened(Err(error), _) => return Ok(Err(error)),
            Outcome::Ended(ending) => return Ok(Ok(ending)),
        };
        let Opened { state, files, load, caches, last } = opened;
        let folders = state.models.iter().map(|m| m.folder.clone()).collect();
        let (workers, replies) = Workers::start(state.session.clone(), folders, load, caches)?;
        let app = App {
            state,
            files,
            keymap,
            display,
            workers,
            screen,
            asked: Asked::default(),
            is_showing: false,
            last,
            mouse: mouse::Mouse::default(),
        };
        app.run(replies, events, signals, &typed).await.map(Ok)
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    ending
}

struct App {
    state: State,
    files: Vec<PathBuf>,
    keymap: Keymap,
    display: Display,
    workers: Workers,
    screen: Screen,
    asked: Asked,
    /// Whether a picture covers the screen; the next key takes it away.
    is_showing: bool,
    /// Where the session is kept when it is left.
    last: Option<PathBuf>,
    mouse: mouse::Mouse,
}

/// What the workers were last asked for.
#[derive(Default)]
struct Asked {
    look: Option<Look>,
    look_job: JobId,
    aside: Aside,
    explain_job: JobId,
    /// What the newest explanation is to give.
    analyses: Vec<Analysis>,
    seqlets: bool,
    /// What is compared of it.
    compared: Option<Analysis>,
    /// How the subject changes.
    pace: Pace,
}

impl Asked {
    /// Whether a request for a settled subject wants an analysis that was not asked for.
    fn lacks(&self, request: &Explain) -> bool {
        let has_more = request.analyses.iter().any(|analysis| !self.analyses.contains(analysis))
            || request.compared.as_ref().is_some_and(|(_, analysis)| self.compared != *analysis);
        self.pace.due().is_none() && (has_more || request.seqlets && !self.seqlets)
    }
}

/// Signals that end the program, and the one that stops it.
struct Signals {
    ends: Ends,
    stop: Signal,
}

struct Ends {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let ends = Ends {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        Ok(Self { ends, stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))? })
    }
}

impl Ends {
    /// Waits for one of them.
    async fn next(&mut self) -> Ending {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Ending::Signal(15),
            _ = self.hang_up.recv() => Ending::Signal(1),
            _ = self.interrupt.recv() => Ending::Signal(2),
        }
    }
}

impl App {
    /// Runs to the end, and keeps the session as it is then.
    async fn run(
        mut self,
        replies: UnboundedReceiver<Reply>,
        events: EventStream,
        signals: Signals,
        typed: &[Event],
    ) -> io::Result<Ending> {
        let ending = self.serve(replies, events, signals, typed).await;
        if let Some(path) = &self.last
            && let Err(reason) = self.state.write_session(path, false)
        {
            tracing::warn!("the session was not kept: {reason}");
        }
        ending
    }

    async fn serve(
        &mut self,
        mut replies: UnboundedReceiver<Reply>,
        mut events: EventStream,
        mut signals: Signals,
        typed: &[Event],
    ) -> io::Result<Ending> {
        let (said, mut hears) = unbounded_channel();
        let (shown, mut shows) = unbounded_channel::<String>();
        self.resize()?;
        typed.iter().try_for_each(|event| self.handle(event))?;
        self.ask();
        let mut frames = Frames::new(Instant::now());
        loop {
            let due = [frames.due(), self.asked.pace.due()].into_iter().flatten().min();
            let frame = async {
                match due {
                    // Timers count in milliseconds, and would make a key wait for the next one.
                    Some(due) if due <= Instant::now() => {}
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                ending = signals.ends.next() => return Ok(ending),
                _ = signals.stop.recv() => { self.suspend()?; frames.change(); }
                () = frame, if !self.is_showing => {
                    self.ask();
                    // What is foreseen is answered by then: a gene and its prediction are drawn together.
                    while let Ok(reply) = replies.try_recv() { self.take(reply); }
                    self.draw()?;
                    frames.drawn(Instant::now());
                }
                event = events.next() => match event {
                    None => return Ok(Ending::Signal(1)),
                    Some(event) => {
                        self.handle(&event?)?;
                        // What was typed since is drawn together, and at once: only replies wait for the next frame.
                        while crossterm::event::poll(AT_ONCE)? {
                            self.handle(&crossterm::event::read()?)?;
                        }
                        frames.key(Instant::now());
                    }
                },
                Some(message) = hears.recv() => { self.state.say(message); frames.change(); }
                Some(picture) = shows.recv() => {
                    self.screen.show(&picture)?;
                    self.is_showing = true;
                }
                Some(reply) = replies.recv() => {
                    let mut haste = reply.haste();
                    self.take(reply);
                    // What is there already is drawn together.
                    while let Ok(reply) = replies.try_recv() {
                        haste = haste.max(reply.haste());
                        self.take(reply);
                    }
                    frames.reply(haste, Instant::now());
                }
            }
            if std::mem::take(&mut self.state.wants_figure) {
                self.write_figure(said.clone())?;
            }
            if let Some(text) = self.state.wants_copied.take() {
                self.screen.copy(&text)?;
            }
            if std::mem::take(&mut self.state.wants_preview) {
                self.show_figure(said.clone(), shown.clone())?;
            }
            if self.state.is_quitting {
                return Ok(Ending::Quit);
            }
        }
    }

    fn take(&mut self, reply: Reply) {
        if matches!(reply, Reply::ModelReplaced { .. }) {
            // What stands beside the explanation was of the model before.
            self.asked.aside = Aside::default();
        }
        self.state.apply(reply, self.asked.look_job, self.asked.explain_job);
    }

    fn handle(&mut self, event: &Event) -> io::Result<()> {
        if self.is_showing && matches!(event, Event::Key(_) | Event::Resize(..)) {
            self.is_showing = false;
            self.screen.clear()?;
            return if matches!(event, Event::Resize(..)) { self.resize() } else { Ok(()) };
        }
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => match Key::of(key).and_then(|k| self.keymap.action(&k)) {
                Some(crate::input::Action::Suspend) => self.suspend()?,
                _ => update::update(&mut self.state, &self.keymap, key),
            },
            Event::Paste(text) => update::paste(&mut self.state, &self.keymap, text),
            Event::Mouse(event) => {
                let size = self.screen.size()?;
                self.mouse.handle(&mut self.state, size, event);
            }
            Event::Resize(..) => self.resize()?,
            _ => {}
        }
        Ok(())
    }

    /// Asks the workers for what the state needs and they were not asked for yet. While a held key passes genes they are left
    /// alone: the first gene is read and predicted at once, the one it stops at is read and explained.
    fn ask(&mut self) {
        let now = Instant::now();
        let request = self.state.explain();
        let there = |request: &Explain| request.compared.as_ref().map(|(subject, _)| subject.clone());
        let compared = request.as_ref().and_then(there);
        let is_new = request.as_ref().map(|r| &r.subject) != self.state.explained.subject()
            || compared.as_ref() != self.state.compared.explained.subject();
        let is_first = is_new && self.asked.pace.change(now);
        let is_settled = self.asked.pace.settle(now);
        if is_new {
            self.state.explained.begin(request.as_ref().map(|r| r.subject.clone()));
            self.state.compared.explained.begin(compared);
            self.workers.stop_explaining();
            // What it had answered already, and was not taken in yet, is about the subject before.
            self.asked.explain_job = JobId::default();
        }
        match request {
            // A row that was asked for since: what is known already is there at once.
            Some(request) if is_settled || self.asked.lacks(&request) => {
                self.asked.analyses.clone_from(&request.analyses);
                self.asked.seqlets = request.seqlets;
                self.asked.compared = request.compared.as_ref().and_then(|(_, analysis)| *analysis);
                self.asked.explain_job = self.workers.explain(request);
            }
            Some(request) if is_first => {
                let compared = request.compared.map(|(subject, _)| (subject, None));
                let quick = Explain { analyses: Vec::new(), neighbours: Vec::new(), compared, ..request };
                self.asked.explain_job = self.workers.explain(quick);
            }
            _ => {}
        }
        let is_passing = self.asked.pace.due().is_some() && !is_first;
        let aside = self.state.aside();
        if !is_passing && (!self.asked.aside.covers(&aside) || self.asked.aside.has_left(&aside)) {
            self.workers.aside(aside.clone());
            self.asked.aside = aside;
        }
        let tiling = self.state.tiling();
        if !is_passing && self.state.tiled.asked() != tiling.as_ref() {
            self.state.tiled.begin(tiling.clone());
            self.workers.tile(tiling);
        }
        let look = self.state.look();
        if !is_passing && !self.asked.look.as_ref().is_some_and(|asked| asked.covers(&look)) {
            self.asked.look_job = self.workers.look(look.clone());
            self.asked.look = Some(look);
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let palette = self.display.palette(self.state.theme.clone());
        let (state, keymap) = (&self.state, &self.keymap);
        self.screen.draw(|frame| ui::draw(frame, state, keymap, &palette))
    }

    fn resize(&mut self) -> io::Result<()> {
        let (width, _) = self.screen.size()?;
        self.state.set_columns(ui::plot_columns(width));
        Ok(())
    }

    /// Draws and writes the figure on a thread of its own; what became of it is said when it is done.
    fn write_figure(&mut self, said: UnboundedSender<String>) -> io::Result<()> {
        let state = self.state.clone();
        let files = self.files.clone();
        self.state.notice = Some("drawing the figure".to_owned());
        let work = move || {
            let message = match tracks::contain_panic(|| figure(&state, &files)) {
                Ok(Ok(path)) => format!("figure written: {} (and .pdf, .png)", path.display()),
                Ok(Err(reason)) => format!("no figure: {reason}"),
                Err(panic) => format!("no figure: internal error: {panic}"),
            };
            let _ = said.send(message); // nobody listens any more where the program has ended
        };
        std::thread::Builder::new().name("figure".to_owned()).spawn(work).map(|_| ())
    }

    /// Draws the figure on a thread of its own, and shows it instead of the tracks.
    fn show_figure(&mut self, said: UnboundedSender<String>, shown: UnboundedSender<String>) -> io::Result<()> {
        let state = self.state.clone();
        let (columns, lines) = self.screen.size()?;
        self.state.notice = Some("drawing the figure".to_owned());
        let work = move || {
            let protocol = Protocol::detect(|name| std::env::var(name).ok());
            // Nobody listens any more where the program has ended.
            let _ = match tracks::contain_panic(|| picture(&state, protocol, (columns, lines.saturating_sub(1)))) {
                Ok(Ok(picture)) => shown.send(picture),
                Ok(Err(reason)) => said.send(format!("no figure: {reason}")),
                Err(panic) => said.send(format!("no figure: internal error: {panic}")),
            };
        };
        std::thread::Builder::new().name("figure".to_owned()).spawn(work).map(|_| ())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.screen.suspend()?;
        self.resize()
    }
}

/// Writes what is on the screen into the working folder as SVG, PDF and PNG, under a name that is not taken.
fn figure(state: &State, files: &[PathBuf]) -> Result<PathBuf, String> {
    let options = FigureOptions::new(Theme::named("print").map_err(|e| e.to_string())?);
    let path = free_name(state);
    let command = export::command_of(state, files, &path, &options);
    let svg = export::figure_of_state(state, command, &options).map_err(|e| e.to_string())?;
    for (_, ending) in export::PictureFormat::ALL {
        export::write(&path.with_extension(ending), &svg, &options).map_err(|e| e.to_string())?;
    }
    Ok(path)
}

/// What makes the terminal show the figure of a state.
fn picture(state: &State, protocol: Protocol, size: (u16, u16)) -> Result<String, String> {
    let options = FigureOptions::new(Theme::named("print").map_err(|e| e.to_string())?);
    let svg = export::figure_of_state(state, String::new(), &options).map_err(|e| e.to_string())?;
    let ground = options.theme.colour("background");
    export::preview(&svg, protocol, size, ground).map_err(|e| e.to_string())
}

fn free_name(state: &State) -> PathBuf {
    let gene = state.current_gene().map_or_else(String::new, |g| format!("{}-", g.name));
    let region = &state.region;
    let stem = format!("cislens-{gene}{}_{}-{}", region.chrom, region.start + 1, region.end);
    let stem: String = stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let names = std::iter::once(format!("{stem}.svg")).chain((2..).map(|n| format!("{stem}-{n}.svg")));
    names.map(PathBuf::from).find(|path| !path.exists()).unwrap_or_else(|| PathBuf::from("cislens.svg"))
}
