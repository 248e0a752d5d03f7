//! One piece of work for each of many inputs: on several threads, results in order, with progress and an early end.

use super::{Failure, interrupt};
use crate::tracks::{clean_text, contain_panic};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Failures listed.
const LISTED: usize = 5;
/// Steps of the bar for one input.
const STEPS: u64 = 1_000;

/// Tells how far one input is: the share done, 0 to 1.
pub(super) type Report<'a> = dyn Fn(f64) + 'a;

/// What was done.
pub(super) struct Done {
    /// Inputs with a result, ascending.
    pub kept: Vec<usize>,
    /// Inputs without one, ascending, with the reason.
    pub left_out: Vec<(usize, String)>,
}

impl Done {
    /// Says on stderr what was left out. Nothing at all done is a failure.
    pub(super) fn say(&self, name: impl Fn(usize) -> String) -> Result<(), Failure> {
        let n = self.kept.len() + self.left_out.len();
        let listed = self.left_out.iter().take(LISTED).map(|(i, reason)| format!("\n  {}: {reason}", name(*i)));
        let more = if self.left_out.len() > LISTED { "\n  ..." } else { "" };
        let text = format!("{} of {n} left out:{}{more}", self.left_out.len(), listed.collect::<String>());
        match (&self.left_out[..], self.kept.len()) {
            ([], _) => {}
            ([(i, reason)], 0) => return Err(anyhow::anyhow!("{}: {reason}", name(*i)).into()),
            (_, 0) => return Err(anyhow::anyhow!("{text}").into()),
            _ => {
                for line in text.lines() {
                    eprintln!("cislens: {}", clean_text(line));
                }
            }
        }
        Ok(())
    }
}

/// Runs `work` for inputs 0 to `n` and hands its results to `take` in their order. `open` gives each thread what it works with.
/// Results do not depend on the number of threads (0: as many as the machine has).
pub(super) fn for_each<R, T: Send>(
    n: usize,
    threads: usize,
    open: impl Fn() -> R + Sync,
    work: impl Fn(&mut R, usize, &Report<'_>) -> Result<T, String> + Sync,
    mut take: impl FnMut(usize, T) -> Result<(), Failure>,
) -> Result<Done, Failure> {
    interrupt::listen()?;
    // More threads than cores would only take memory.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores } else { threads.min(cores) };
    // Drawn on stderr, and only where that is a terminal.
    let bar = ProgressBar::new(n as u64 * STEPS);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed} left {eta}")?);
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut done = Done { kept: Vec::new(), left_out: Vec::new() };
    let mut failed = None;
    thread::scope(|scope| {
        // Bounded: results wait for their writer, not in memory.
        let (send, results) = mpsc::sync_channel(threads);
        for _ in 0..threads.min(n) {
            let (send, next, is_over, bar, open, work) = (send.clone(), &next, &is_over, &bar, &open, &work);
            scope.spawn(move || {
                // The networks' parallel work runs on this thread's own pool; the global one has a single thread for all.
                let own = rayon::ThreadPoolBuilder::new().num_threads(threads.div_ceil(n)).use_current_thread().build();
                if let Err(error) = &own {
                    tracing::warn!("no threads of its own for an input: {error}");
                }
                let mut with = open();
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= n || is_over.load(Ordering::Relaxed) || interrupt::is_interrupted() {
                        return;
                    }
                    let reported = Cell::new(0);
                    let report = |share: f64| {
                        let steps = (share.clamp(0.0, 1.0) * STEPS as f64) as u64;
                        bar.inc(steps.saturating_sub(reported.replace(steps)));
                    };
                    let result = contain_panic(|| work(&mut with, i, &report));
                    let result = result.unwrap_or_else(|message| Err(format!("internal error: {message}")));
                    report(1.0);
                    if send.send((i, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut expected = 0;
        for (i, result) in results {
            waiting.insert(i, result);
            while let Some(result) = waiting.remove(&expected) {
                match result {
                    Ok(result) if failed.is_none() => {
                        done.kept.push(expected);
                        failed = take(expected, result).err();
                    }
                    Ok(_) => {}
                    Err(reason) => done.left_out.push((expected, reason)),
                }
                expected += 1;
                let rate = expected as f64 / bar.elapsed().as_secs_f64().max(1e-3);
                bar.set_message(format!("{expected} of {n}, {rate:.1}/s"));
            }
            if failed.is_some() {
                is_over.store(true, Ordering::Relaxed);
            }
        }
    });
    bar.finish_and_clear();
    match failed {
        _ if interrupt::is_interrupted() => Err(Failure::Interrupted),
        Some(failure) => Err(failure),
        None => Ok(done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whatever_the_threads() {
        for threads in [1, 2, 7] {
            let mut taken = Vec::new();
            let work = |counter: &mut usize, i: usize, report: &Report<'_>| {
                *counter += 1;
                report(0.5);
                match i % 10 {
                    3 => Err(format!("no {i}")),
                    7 => panic!("a defect at {i}"),
                    _ => Ok(i * i),
                }
            };
            let done = for_each(
                100,
                threads,
                || 0,
                work,
                |i, square| {
                    taken.push((i, square));
                    Ok(())
                },
            );
            let Ok(done) = done else { panic!("it ran") };
            assert!(taken.iter().map(|t| t.0).eq((0..100).filter(|i| i % 10 != 3 && i % 10 != 7)));
            assert!(taken.iter().all(|&(i, square)| square == i * i));
            assert_eq!((done.kept.len(), done.left_out.len()), (80, 20));
            assert_eq!(done.left_out[1], (7, "internal error: a defect at 7".to_owned()));
            assert!(done.say(|i| i.to_string()).is_ok());
        }
    }

    #[test]
    fn nothing_done_is_a_failure_and_a_full_disk_ends_it() {
        let Ok(done) = for_each(30, 2, || (), |_, _, _| Err::<(), _>("gone".to_owned()), |_, ()| Ok(())) else {
            panic!("it ran")
        };
        let said = done.say(|i| i.to_string());
        assert!(matches!(said, Err(Failure::Failed(e)) if e.to_string().starts_with("30 of 30 left out:\n  0: gone")));
        let full =
            for_each(10_000, 2, || (), |_, i, _| Ok(i), |i, _| if i == 5 { Err(anyhow::anyhow!("full").into()) } else { Ok(()) });
        assert!(matches!(full, Err(Failure::Failed(e)) if e.to_string() == "full"));
    }
}
