//! When to start work about something that may change again at once: a held key passes many genes and means the last.

use std::time::{Duration, Instant};

/// A target that has not changed for so long is what the user means. Above the 33 to 40 ms between repeats of a held key.
const SETTLES_AFTER: Duration = Duration::from_millis(45);

/// Follows the changes of one target.
///
/// The first change after a pause is answered at once with what is quick; everything else waits until the target settles. So a
/// held key starts two quick answers (the first and the last) and one long chain of work, however many targets it passes.
#[derive(Debug, Default)]
pub struct Pace {
    changed: Option<Instant>,
    is_settling: bool,
}

impl Pace {
    /// The target changed. Whether what is quick may be done at once.
    pub fn change(&mut self, now: Instant) -> bool {
        let was_quiet = self.changed.is_none_or(|before| now.saturating_duration_since(before) >= SETTLES_AFTER);
        let is_first = was_quiet && !self.is_settling;
        (self.changed, self.is_settling) = (Some(now), true);
        is_first
    }

    /// Whether the target has just settled; `true` once for each settling.
    pub fn settle(&mut self, now: Instant) -> bool {
        let is_settled = self.due().is_some_and(|due| now >= due);
        self.is_settling &= !is_settled;
        is_settled
    }

    /// When the target will have settled, if it has not.
    pub fn due(&self) -> Option<Instant> {
        self.changed.filter(|_| self.is_settling).map(|changed| changed + SETTLES_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (quick answers, settlings) of changes at these milliseconds, looked at every millisecond.
    fn starts(changes: &[u64]) -> (usize, usize) {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let (mut quick, mut settled) = (0, 0);
        for ms in 0..2_000 {
            let now = began + Duration::from_millis(ms);
            quick += usize::from(changes.contains(&ms) && pace.change(now));
            settled += usize::from(pace.settle(now));
        }
        assert_eq!(pace.due(), None);
        (quick, settled)
    }

    #[test]
    fn a_held_key_that_passes_twenty_genes_is_two_reads_and_one_chain() {
        for repeat in [1, 16, 33, 40] {
            let held: Vec<u64> = (0..20).map(|i| 5 + i * repeat).collect();
            // The quick answer to the first, and the settling, which reads again.
            assert_eq!(starts(&held), (1, 1), "a key every {repeat} ms");
        }
    }

    #[test]
    fn two_genes_a_second_are_each_answered_at_once() {
        assert_eq!(starts(&[100, 600, 1_100]), (3, 3));
    }
}
