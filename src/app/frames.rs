//! When the screen is drawn: at once for a key, soon for what a key asked for, in its turn for all else.

use crate::jobs::Haste;
use std::time::{Duration, Instant};

/// Least time between two frames: more would only fill a slow line.
const FRAME: Duration = Duration::from_millis(16);
/// From the frame that answers a key to the next: what is in memory already has come by then, and does not wait for its turn.
const SOON: Duration = Duration::from_millis(2);
/// After a key, a result that is still being refined does not ask for a frame of its own: it is in the frame that comes anyway, or in
/// one when the hand is still. What comes within a frame's time was there before the key and is drawn.
const CALM: Duration = Duration::from_millis(90);

/// When frames were drawn and asked for.
pub(super) struct Frames {
    /// No frame before this.
    next: Instant,
    /// The last key.
    key: Option<Instant>,
    /// When a frame that was asked for is to be drawn.
    due: Option<Instant>,
    answers_key: bool,
}

impl Frames {
    /// Nothing is drawn; the first frame is an answer too, and what an index leads to at once is in it.
    pub(super) fn new(now: Instant) -> Self {
        Self { next: now + SOON, key: None, due: Some(now + SOON), answers_key: true }
    }

    /// When to draw; `None` while nothing changes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A key: an answer is due at once.
    pub(super) fn key(&mut self, now: Instant) {
        (self.next, self.key, self.due, self.answers_key) = (now, Some(now), Some(now), true);
    }

    /// Something changed.
    pub(super) fn change(&mut self) {
        self.draw_at(self.next);
    }

    /// A reply came.
    pub(super) fn reply(&mut self, haste: Haste, now: Instant) {
        let calm = || self.key.filter(|key| now > *key + FRAME).map_or(self.next, |key| self.next.max(key + CALM));
        let due = match haste {
            Haste::CanWait => calm(),
            Haste::InTurn => self.next,
            Haste::AtOnce => now,
        };
        self.draw_at(due);
    }

    fn draw_at(&mut self, due: Instant) {
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// A frame was drawn.
    pub(super) fn drawn(&mut self, now: Instant) {
        self.due = None;
        self.next = now + if std::mem::take(&mut self.answers_key) { SOON } else { FRAME };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_refined_wait_until_the_hand_is_still() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut frames = Frames::new(start);
        assert_eq!(frames.due(), Some(at(2)));
        frames.drawn(at(3));
        assert_eq!(frames.due(), None);
        // Nobody has pressed a key: results are drawn as they come, a frame's time apart.
        frames.reply(Haste::CanWait, at(4));
        assert_eq!(frames.due(), Some(at(5)));
        frames.drawn(at(6));
        frames.reply(Haste::CanWait, at(7));
        assert_eq!(frames.due(), Some(at(22)));
        // A key does not wait for its turn; what is there already comes with it, or right after.
        frames.key(at(10));
        assert_eq!(frames.due(), Some(at(10)));
        frames.drawn(at(13));
        frames.reply(Haste::CanWait, at(14));
        assert_eq!(frames.due(), Some(at(15)));
        frames.drawn(at(17));
        // Later ones wait, and rows that were read do not: both are in their frame.
        frames.reply(Haste::CanWait, at(40));
        assert_eq!(frames.due(), Some(at(100)));
        frames.change();
        assert_eq!(frames.due(), Some(at(33)));
        frames.reply(Haste::CanWait, at(41));
        assert_eq!(frames.due(), Some(at(33)));
        frames.drawn(at(42));
        // The first rows of a view wait for their turn; with the last of them all are drawn.
        frames.reply(Haste::InTurn, at(44));
        assert_eq!(frames.due(), Some(at(58)));
        frames.reply(Haste::AtOnce, at(47));
        assert_eq!(frames.due(), Some(at(47)));
        frames.drawn(at(49));
        frames.reply(Haste::CanWait, at(200));
        assert_eq!(frames.due(), Some(at(100)), "the hand has been still for long: at once");
    }
}
