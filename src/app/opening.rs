//! The screen while a session is opened: its genes are read, and a slow disk may be waited for.

use super::terminal::Screen;
use super::{Ending, Signals};
use crate::input::{Action, Key, Keymap};
use crate::tracks;
use crate::ui::{self, Palette, Reading};
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// How an opening ended.
pub(super) enum Outcome<T> {
    /// With this, and what was typed meanwhile.
    Opened(T, Vec<Event>),
    /// It was not waited for.
    Ended(Ending),
}

/// A session that is being opened on a thread of its own.
pub(super) struct Opening<T> {
    told: watch::Receiver<Option<Reading>>,
    is_done: oneshot::Receiver<Result<T, String>>,
}

impl<T: Send + 'static> Opening<T> {
    /// Begins to open.
    pub(super) fn begin(open: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (tell, told) = watch::channel(None::<Reading>);
        let (done, is_done) = oneshot::channel();
        let work = move || {
            let opened =
                tracks::contain_panic(|| tracks::while_telling(move |path, read, len| report(&tell, path, read, len), open));
            let _ = done.send(opened); // nobody waits any more where the user has left
        };
        std::thread::Builder::new().name("open".to_owned()).spawn(work)?;
        Ok(Self { told, is_done })
    }
}

/// Until a session is opened the screen says what is opened and how far it is, and can be left. What else is typed is kept.
pub(super) async fn wait_for<T: Send + 'static>(
    opening: Opening<T>,
    what: &str,
    (screen, palette, keymap): (&mut Screen, &Palette, &Keymap),
    (events, signals): (&mut EventStream, &mut Signals),
) -> io::Result<Outcome<T>> {
    let Opening { mut told, mut is_done } = opening;
    let mut typed = Vec::new();
    loop {
        screen.draw(|frame| ui::draw_opening(frame, what, told.borrow_and_update().as_ref(), palette))?;
        tokio::select! {
            biased;
            ending = signals.ends.next() => return Ok(Outcome::Ended(ending)),
            _ = signals.stop.recv() => screen.suspend()?,
            opened = &mut is_done => {
                let opened = opened.map_err(io::Error::other)?;
                let opened = opened.map_err(|panic| io::Error::other(format!("internal error: {panic}")))?;
                return Ok(Outcome::Opened(opened, typed));
            }
            Ok(()) = told.changed() => {}
            event = events.next() => match event.transpose()? {
                None => return Ok(Outcome::Ended(Ending::Signal(1))),
                Some(event) => match action(&event, keymap) {
                    Some(Action::Quit) => return Ok(Outcome::Ended(Ending::Quit)),
                    Some(Action::Suspend) => screen.suspend()?,
                    _ => typed.push(event),
                }
            },
        }
    }
}

fn action(event: &Event, keymap: &Keymap) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => keymap.action(&Key::of(key)?),
        _ => None,
    }
}

/// Tells how far a text is read; of another text than before, from when.
fn report(tell: &watch::Sender<Option<Reading>>, path: &Path, read: u64, len: u64) {
    let began = tell.borrow().as_ref().filter(|reading| reading.path == path).map_or_else(Instant::now, |reading| reading.began);
    let _ = tell.send(Some(Reading { path: PathBuf::from(path), read, len, began })); // nobody looks any more where the user has left
}
