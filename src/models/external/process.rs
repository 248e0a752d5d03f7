//! A command that is asked and answers, each answer within a time; it is ended with everything it started.

use super::frame;
use crate::tracks::{clean_text, is_wanted};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait is interrupted to ask whether the answer is still wanted.
const GLANCE: Duration = Duration::from_millis(20);
/// Bytes of the command's complaints that are kept: the last ones say why it ended.
const KEPT: usize = 2_000;

/// Process groups that are to end with the program, however it ends.
static RUNNING: Mutex<Running> = Mutex::new(Running { groups: Vec::new(), is_ending: false });

struct Running {
    groups: Vec<u32>,
    /// Nothing more is started: a worker whose command was ended would ask for the next one.
    is_ending: bool,
}

/// Ends every command. Called before the program ends, for a command that hangs does not notice.
pub fn stop_commands() {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.is_ending = true;
    for group in running.groups.drain(..) {
        kill_group(group);
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    /// Something newer is wanted.
    GivenUp,
    /// The reason.
    Failed(String),
}

impl From<String> for AskError {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// A running command. Dropped, it is ended.
pub(super) struct Process {
    child: Child,
    requests: Sender<Vec<u8>>,
    answers: Receiver<Result<Vec<u8>, String>>,
    complaints: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Starts `command` in `folder`. A program named by a relative path is looked for there.
    pub(super) fn start(command: &[String], folder: &Path) -> Result<Self, String> {
        let (program, args) = command.split_first().ok_or("external.command is empty")?;
        let path = Path::new(program);
        // The folder may be named from the working folder, which is not the child's. Links stay: a virtual environment's Python
        // knows by the link it was started through which environment it is of.
        let path = match path.components().count() {
            0 | 1 => path.to_owned(),
            _ => std::path::absolute(folder.join(path)).map_err(|e| format!("{program}: {e}"))?,
        };
        let mut command = Command::new(path);
        command.args(args).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            // A group of its own: Ctrl-C in the terminal is for this program, and all of it can be ended at once.
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut child = {
            // Held while it starts, so that no command slips in between the end of the others and of the program.
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            if running.is_ending {
                return Err(format!("{program}: not started, the program is ending"));
            }
            let child = command.spawn().map_err(|e| format!("{program}: {e}"))?;
            running.groups.push(child.id());
            child
        };
        let (Some(mut stdin), Some(mut stdout), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(format!("{program}: no standard streams"));
        };
        let (requests, to_write) = mpsc::channel::<Vec<u8>>();
        let (answered, answers) = mpsc::channel();
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = complaints.clone();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(|e| e.to_string())
        };
        // Threads of their own, so that neither a full pipe nor a silent command can hold up who asks.
        spawn(
            "command-in",
            Box::new(move || {
                while let Ok(request) = to_write.recv() {
                    if frame::write(&mut stdin, &request).is_err() {
                        return; // the reader says why
                    }
                }
            }),
        )?;
        spawn(
            "command-out",
            Box::new(move || {
                loop {
                    let answer = frame::read(&mut stdout).map_err(|e| e.to_string());
                    let is_last = !matches!(answer, Ok(Some(_)));
                    if let Some(answer) = answer.transpose()
                        && answered.send(answer).is_err()
                    {
                        return;
                    }
                    if is_last {
                        return;
                    }
                }
            }),
        )?;
        spawn(
            "command-err",
            Box::new(move || {
                let mut part = [0; 512];
                while let Ok(n @ 1..) = stderr.read(&mut part) {
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.extend_from_slice(&part[..n]);
                    let from = heard.len().saturating_sub(KEPT);
                    heard.drain(..from);
                }
            }),
        )?;
        Ok(Self { child, requests, answers, complaints })
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// Where none comes in time or is wanted any more, the command ends, or it says something else. It is of no more use then.
    pub(super) fn ask(&mut self, request: Vec<u8>, timeout: Duration) -> Result<Vec<u8>, AskError> {
        let _ = self.requests.send(request); // who no longer reads has ended, which shows below
        let asked = Instant::now();
        loop {
            let left = timeout.saturating_sub(asked.elapsed());
            return match self.answers.recv_timeout(left.min(GLANCE)) {
                Ok(Ok(answer)) => Ok(answer),
                Ok(Err(reason)) => Err(self.explain(reason)),
                Err(RecvTimeoutError::Timeout) if !is_wanted() => Err(AskError::GivenUp),
                Err(RecvTimeoutError::Timeout) if left > GLANCE => continue,
                Err(RecvTimeoutError::Timeout) => Err(self.explain(format!("no answer within {} s", timeout.as_secs_f64()))),
                Err(RecvTimeoutError::Disconnected) => {
                    // It has closed its output; how it ends is known when it has.
                    let status = self.child.try_wait().ok().flatten();
                    let ended = status.map_or_else(|| "it closed its standard output".to_owned(), |s| format!("it ended ({s})"));
                    Err(self.explain(ended))
                }
            };
        }
    }

    /// The reason with the last line of what the command complained of.
    fn explain(&self, reason: String) -> AskError {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&complaints);
        AskError::Failed(match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{reason}: {}", clean_text(line.trim())),
            None => reason,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = self.child.id();
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).groups.retain(|group| *group != id);
        kill_group(id);
        let _ = self.child.kill();
        let _ = self.child.wait(); // killed: at once
    }
}

#[cfg(unix)]
fn kill_group(id: u32) {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill_group(_: u32) {}
