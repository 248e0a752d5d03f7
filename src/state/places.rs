//! Where the user was: back and forward, as in a web browser.

use crate::genome::{GeneId, Region};

/// A view to come back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What was in view.
    pub region: Region,
    /// The gene that was explained.
    pub gene: Option<GeneId>,
}

/// Places behind and ahead of the current one.
#[derive(Clone, Debug, Default)]
pub struct Places {
    behind: Vec<Place>,
    ahead: Vec<Place>,
}

impl Places {
    const LIMIT: usize = 500;

    /// Remembers the place that is about to be left by a jump.
    pub fn push(&mut self, left: Place) {
        if self.behind.last() != Some(&left) {
            self.behind.push(left);
        }
        if self.behind.len() > Self::LIMIT {
            self.behind.remove(0);
        }
        self.ahead.clear();
    }

    /// The place before; `current` can be come forward to again.
    pub fn back(&mut self, current: Place) -> Option<Place> {
        let place = self.behind.pop()?;
        self.ahead.push(current);
        Some(place)
    }

    /// The place that was left by going back.
    pub fn forward(&mut self, current: Place) -> Option<Place> {
        let place = self.ahead.pop()?;
        self.behind.push(current);
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forward_meet_again_and_a_jump_forgets_what_was_ahead() {
        let at = |start| Place { region: Region::new("c", start, start + 10), gene: None };
        let mut places = Places::default();
        places.push(at(1));
        places.push(at(2));
        assert_eq!(places.back(at(3)), Some(at(2)));
        assert_eq!(places.back(at(2)), Some(at(1)));
        assert_eq!(places.back(at(1)), None);
        assert_eq!(places.forward(at(1)), Some(at(2)));
        places.push(at(2));
        assert_eq!(places.forward(at(9)), None);
    }
}
