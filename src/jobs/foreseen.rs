//! Predictions of what the user may turn to next, where they are found without waiting for the thread that computes to stop.

use super::{Prediction, Subject};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is foreseen of the newest subject's neighbours.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    predictions: Mutex<Predictions>,
}

type Predictions = Vec<(Subject, Arc<Prediction>)>;

impl Foreseen {
    /// Takes the place of what was foreseen before.
    pub fn set(&self, predictions: Predictions) {
        *self.lock() = predictions;
    }

    /// Answers a subject by what is foreseen of it, if it is. `answer` is done before anything else can be foreseen or forgotten.
    pub fn answer<T>(&self, subject: &Subject, answer: impl FnOnce(Option<Arc<Prediction>>) -> T) -> T {
        let predictions = self.lock();
        answer(predictions.iter().find(|(of, _)| of == subject).map(|(_, prediction)| prediction.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Predictions> {
        // A list is whole whenever it is put there.
        self.predictions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
