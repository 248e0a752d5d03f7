//! A place for one request: putting a new one in cancels the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Which request; later ones are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// The newest request for one worker.
#[derive(Debug)]
pub struct Slot<T> {
    waiting: Mutex<Waiting<T>>,
    arrived: Condvar,
    newest: AtomicU64,
}

#[derive(Debug)]
struct Waiting<T> {
    request: Option<T>,
    is_closed: bool,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting { request: None, is_closed: false }),
            arrived: Condvar::new(),
            newest: AtomicU64::new(0),
        }
    }
}

impl<T> Slot<T> {
    /// Replaces whatever waits or runs.
    pub fn restart(&self, request: T) -> JobId {
        let mut waiting = self.lock();
        let id = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        waiting.request = Some(request);
        self.arrived.notify_one();
        JobId(id)
    }

    /// Cancels whatever waits or runs.
    pub fn cancel(&self) {
        let mut waiting = self.lock();
        self.newest.fetch_add(1, Ordering::SeqCst);
        waiting.request = None;
    }

    /// Cancels everything and lets the worker end.
    pub fn close(&self) {
        self.cancel();
        self.lock().is_closed = true;
        self.arrived.notify_one();
    }

    /// Waits for the next request; `None` once closed. For the one worker of this slot.
    pub fn take(&self) -> Option<(JobId, T)> {
        let mut waiting = self.lock();
        loop {
            if waiting.is_closed {
                return None;
            }
            if let Some(request) = waiting.request.take() {
                return Some((JobId(self.newest.load(Ordering::SeqCst)), request));
            }
            waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether nothing newer was asked for: a single atomic read.
    pub fn is_current(&self, id: JobId) -> bool {
        self.newest.load(Ordering::Relaxed) == id.0
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_request_wins() {
        let slot = Slot::default();
        let first = slot.restart("a");
        assert!(slot.is_current(first));
        let second = slot.restart("b");
        assert!(!slot.is_current(first) && slot.is_current(second));
        assert_eq!(slot.take(), Some((second, "b")));
        slot.cancel();
        assert!(!slot.is_current(second));
        slot.close();
        assert_eq!(slot.take(), None);
    }

    #[test]
    fn a_held_key_starts_one_job() {
        let slot = Slot::default();
        for gene in 0..20 {
            slot.restart(gene);
        }
        assert_eq!(slot.take().map(|(_, gene)| gene), Some(19));
        slot.close();
        assert_eq!(slot.take(), None);
    }
}
