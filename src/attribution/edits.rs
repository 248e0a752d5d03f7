//! Insertions and deletions: F with bases taken out or put in, minus F.

use super::variants::{DNA, Variants, at_bases};
use super::{Attribution, AttributionError, Method, Options, Run, reads_no_dna};
use crate::models::{Input, Model};

/// `F(x without a block of bases) - F(x)` for every block. The TSS stays at its place: what lies beyond the block on the side away
/// from it moves up, and `N` fills the window's end. Marks stay.
pub struct Deletion;

/// `F(x with the motif put in before each block) - F(x)`: bases beyond, on the side away from the TSS, move out of the window. NaN
/// where the motif would itself move out of it.
pub struct Insertion;

/// `F(x with the motif written over the bases at the start of each block) - F(x)`. NaN where the window ends, or goes on elsewhere on
/// the genome, within the motif.
pub struct MotifInsertion;

impl Method for Deletion {
    fn name(&self) -> &'static str {
        "deletion"
    }

    fn about(&self) -> &'static str {
        "change of F when a block of bases is deleted"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        reads_no_dna(model).or_else(|| moves_across_a_seam(model))
    }

    fn settings(&self) -> &'static [&'static str] {
        &["block"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let block = options.block.max(1);
        let settings = format!("{block} bp, the far flank moved up, filled with N");
        let tss = model.manifest().window.tss_index as usize;
        let scan = Scan { name: self.name(), settings, block, width: block };
        scan.run(model, input, run, |_| true, |sequence, at| delete(sequence, at, block, tss))
    }
}

impl Method for Insertion {
    fn name(&self) -> &'static str {
        "insertion"
    }

    fn about(&self) -> &'static str {
        "change of F when a motif is inserted between bases"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        reads_no_dna(model).or_else(|| moves_across_a_seam(model))
    }

    fn settings(&self) -> &'static [&'static str] {
        &["motif", "block"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let (block, motif) = (options.block.max(1), &options.motif);
        let settings = format!("{} every {block} bp, the far flank moved out", String::from_utf8_lossy(motif));
        let tss = model.manifest().window.tss_index as usize;
        let scan = Scan { name: self.name(), settings, block, width: motif.len() };
        let length = input.window.len() as usize;
        let fits = |at: usize| if at <= tss { at >= motif.len() } else { at + motif.len() <= length };
        scan.run(model, input, run, fits, |sequence, at| insert(sequence, at, motif, tss))
    }
}

impl Method for MotifInsertion {
    fn name(&self) -> &'static str {
        "motif-insertion"
    }

    fn about(&self) -> &'static str {
        "change of F when a motif replaces the bases at a place"
    }

    fn obstacle(&self, model: &dyn Model) -> Option<String> {
        reads_no_dna(model)
    }

    fn settings(&self) -> &'static [&'static str] {
        &["motif", "block"]
    }

    fn attribute(
        &self,
        model: &dyn Model,
        input: &Input,
        options: &Options,
        run: &mut Run<'_>,
    ) -> Result<Attribution, AttributionError> {
        let (block, motif) = (options.block.max(1), &options.motif);
        let settings = format!("{} in place every {block} bp", String::from_utf8_lossy(motif));
        let write = |sequence: &mut Vec<u8>, at: usize| {
            for (i, &base) in motif.iter().enumerate() {
                input.window.copies((at + i) as u64).for_each(|copy| sequence[copy as usize] = base);
            }
        };
        let scan = Scan { name: self.name(), settings, block, width: motif.len() };
        scan.run(model, input, run, |at| input.window.is_unbroken(at as u64..(at + motif.len()) as u64), write)
    }
}

fn moves_across_a_seam(model: &dyn Model) -> Option<String> {
    let manifest = model.manifest();
    manifest.window.tts.map(|_| format!("{} reads two stretches joined: bases would move across the seam", manifest.architecture))
}

/// A scan of a window: one edit at the start of every block.
struct Scan {
    name: &'static str,
    settings: String,
    block: usize,
    /// Bases from there that share the change of F (of a deletion, the block).
    width: usize,
}

impl Scan {
    /// The change of F by `edit` at every place where it `fits`.
    fn run(
        self,
        model: &dyn Model,
        input: &Input,
        run: &mut Run<'_>,
        fits: impl Fn(usize) -> bool,
        edit: impl Fn(&mut Vec<u8>, usize),
    ) -> Result<Attribution, AttributionError> {
        let Some(sequence) = &input.sequence else {
            return Err(super::options::unfit("the network reads no DNA".to_owned()));
        };
        run.step()?;
        let variants = Variants::new(model, input);
        let score = variants.score()?;
        let mut result = Attribution::new(self.name, self.settings + variants.held(), score, input, model);
        let places: Vec<usize> = (0..sequence.len()).step_by(self.block).filter(|&at| fits(at)).collect();
        result.total = places.len();
        let mut values = vec![f64::NAN; sequence.len()];
        result.sequence = Some(at_bases(input, &values));
        let edited = |at: usize| {
            let mut edited = sequence.clone();
            edit(&mut edited, at);
            edited
        };
        let change = |i: usize, parts: &mut super::variants::Parts| {
            parts[DNA] = input.base_order().one_hot::<u8>(&edited(places[i])).into_iter().map(f32::from).collect();
        };
        variants.each(places.len(), run, change, |span, scores, run| {
            for (&from, there) in places[span.clone()].iter().zip(scores) {
                let end = (from + self.block).min(sequence.len());
                let to = (from + self.width).min(end);
                values[from..end].fill(0.0);
                // The window as it is, scored among others, may be rounded differently.
                if edited(from) != *sequence {
                    values[from..to].fill((there - score) / (to - from) as f64);
                }
            }
            result.done = span.end;
            result.sequence = Some(at_bases(input, &values));
            if result.done < result.total { run.partial(&result) } else { Ok(()) }
        })?;
        Ok(result)
    }
}

/// Takes `len` bases out from `at`, the base at `anchor` staying at its index (that after the cut, where it lies inside).
pub(super) fn delete(sequence: &mut Vec<u8>, at: usize, len: usize, anchor: usize) {
    let (n, end) = (sequence.len(), (at + len).min(sequence.len()));
    let gone = end - at;
    sequence.drain(at..end);
    let fill = std::iter::repeat_n(b'N', gone);
    if end <= anchor {
        sequence.splice(0..0, fill);
    } else {
        sequence.extend(fill);
    }
    debug_assert_eq!(sequence.len(), n);
}

/// Puts `bases` in before `at`, the base at `anchor` staying at its index.
pub(super) fn insert(sequence: &mut Vec<u8>, at: usize, bases: &[u8], anchor: usize) {
    let n = sequence.len();
    sequence.splice(at..at, bases.iter().copied());
    if at <= anchor {
        sequence.drain(..sequence.len() - n);
    } else {
        sequence.truncate(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_anchor_stays_and_what_is_put_in_can_be_taken_out() {
        let sequence = b"NNNACGTTGCAANNN".to_vec();
        for at in 3..12 {
            let mut edited = sequence.clone();
            insert(&mut edited, at, b"GGG", 7);
            assert_eq!(edited.len(), sequence.len());
            let there = if at <= 7 { at - 3 } else { at };
            assert_eq!(&edited[there..there + 3], b"GGG");
            if at != 7 {
                assert_eq!(edited[7], sequence[7], "the anchor stays at {at}");
            }
            delete(&mut edited, there, 3, 7);
            assert_eq!(edited, sequence, "in at {at} and out again");
        }
        let mut edited = sequence;
        delete(&mut edited, 14, 50, 7);
        assert_eq!(edited, b"NNNACGTTGCAANNN");
    }
}
