//! What was computed since the program started, by subject, within a budget of bytes: the least recently used goes first.

use super::{Analysis, Prediction, Subject};
use crate::attribution::Attribution;
use crate::models::Input;
use lru::LruCache;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// An attribution, and when it was computed if that was in an earlier run.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) attribution: Arc<Attribution>,
    pub(super) stored: Option<SystemTime>,
}

/// Everything known about a subject.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) input: Arc<Input>,
    pub(super) prediction: Arc<Prediction>,
    /// Whole results only.
    pub(super) attributions: BTreeMap<Analysis, Kept>,
}

impl Known {
    fn bytes(&self) -> usize {
        let input = self.input.marks.len() * 4 + self.input.sequence.as_ref().map_or(0, Vec::len);
        let attention: usize = self.prediction.attention.iter().map(|row| row.len() * 4).sum();
        input + attention + self.attributions.values().map(|kept| bytes_of(&kept.attribution)).sum::<usize>()
    }
}

fn bytes_of(attribution: &Attribution) -> usize {
    let sequence = attribution.sequence.as_ref().map_or(0, |s| s.len() * 16);
    let marks = attribution.marks.as_ref().map_or(0, |m| m.len() * 4);
    let others = [&attribution.expression, &attribution.motif_scores, &attribution.profile];
    let others: usize = others.into_iter().flatten().map(|values| values.len() * 4).sum();
    let pairs = attribution.pairs.as_ref().map_or(0, |pairs| pairs.values.len() * 4);
    sequence + marks + others + pairs + attribution.reference.as_ref().map_or(0, Vec::len)
}

/// The cache in memory.
pub(super) struct Memory {
    entries: LruCache<Subject, Known>,
    bytes: usize,
    budget: usize,
}

impl Memory {
    pub(super) fn new(budget: usize) -> Self {
        Self { entries: LruCache::unbounded(), bytes: 0, budget }
    }

    pub(super) fn get(&mut self, subject: &Subject) -> Option<&Known> {
        self.entries.get(subject)
    }

    pub(super) fn insert(&mut self, subject: Subject, known: Known) {
        self.bytes += known.bytes();
        if let Some((_, old)) = self.entries.push(subject, known) {
            self.bytes -= old.bytes();
        }
        self.keep_to_budget();
    }

    /// Adds a whole result to a subject that is known.
    pub(super) fn add(&mut self, subject: &Subject, analysis: Analysis, kept: Kept) {
        let Some(known) = self.entries.get_mut(subject) else { return };
        self.bytes += bytes_of(&kept.attribution);
        if let Some(old) = known.attributions.insert(analysis, kept) {
            self.bytes -= bytes_of(&old.attribution);
        }
        self.keep_to_budget();
    }

    /// Forgets what a model said, whose files were replaced.
    pub(super) fn forget_model(&mut self, model: usize) {
        let subjects: Vec<Subject> = self.entries.iter().map(|(s, _)| s).filter(|s| s.model == model).cloned().collect();
        for subject in subjects {
            self.bytes -= self.entries.pop(&subject).map_or(0, |known| known.bytes());
        }
    }

    /// The newest entry stays, however large it is: it is being looked at.
    fn keep_to_budget(&mut self) {
        while self.bytes > self.budget && self.entries.len() > 1 {
            self.bytes -= self.entries.pop_lru().map_or(0, |(_, known)| known.bytes());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::genome::{GeneId, Strand, Stretch, Window};
    use crate::models::{BinStatistic, InputSource, ModelError};
    use crate::session::SampleId;

    struct Flat;

    impl InputSource for Flat {
        fn mark(&mut self, _: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
            Ok(vec![1.0; window.len as usize])
        }

        fn bases(&mut self, window: &Stretch) -> Result<Vec<u8>, ModelError> {
            Ok(vec![b'A'; window.len as usize])
        }
    }

    pub(in crate::jobs) fn subject(gene: u32, model: usize) -> Subject {
        let window = Window::around("c", 1_000, Strand::Forward, 500, 1_000);
        Subject { model, sample: SampleId(0), gene: GeneId(gene), window, edits: Arc::default() }
    }

    /// 1,000 positions of one mark: 4,000 bytes.
    pub(in crate::jobs) fn known() -> Known {
        let mut manifest = crate::models::test_manifest(1_000, 1, &["m"], None);
        manifest.input.bin_statistic = BinStatistic::Mean;
        let input = Input::assemble(&manifest, &subject(0, 0).window, &mut Flat).unwrap();
        let prediction = Prediction {
            score: 1.0,
            output: 1.0,
            attention: Vec::new(),
            mark_attention: Vec::new(),
            missing: Vec::new(),
            unedited: None,
            measured: None,
            off_chromosome: 0,
            input_hash: String::new(),
        };
        Known { input: Arc::new(input), prediction: Arc::new(prediction), attributions: BTreeMap::new() }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_bytes_are_counted() {
        let mut memory = Memory::new(12_000);
        for gene in 0..3 {
            memory.insert(subject(gene, 0), known());
        }
        assert_eq!((memory.entries.len(), memory.bytes), (3, 12_000));
        assert!(memory.get(&subject(0, 0)).is_some());
        memory.insert(subject(3, 1), known());
        assert!(memory.get(&subject(1, 0)).is_none(), "the one not used since");
        assert!(memory.get(&subject(0, 0)).is_some());
        // Once more the same: nothing is counted twice.
        memory.insert(subject(3, 1), known());
        assert_eq!((memory.entries.len(), memory.bytes), (3, 12_000));
        memory.forget_model(1);
        assert_eq!((memory.entries.len(), memory.bytes), (2, 8_000));
        memory.budget = 1;
        memory.insert(subject(9, 0), known());
        assert_eq!((memory.entries.len(), memory.bytes), (1, 4_000), "what is looked at stays");
    }
}
