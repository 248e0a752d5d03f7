//! A network's attention over bins, what each bin reads, and inputs that keep everything but where things lie.

use crate::attribution::AttributionError;
use crate::genome::{Region, Window};
use crate::models::{Attention, Input, Manifest, Model};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Windows that run through a network together.
const BATCH: usize = 8;

/// Attention of one window: one row over bins, or one a mark; each row sums to 1.
pub type Rows = Vec<Vec<f32>>;

/// The attention of each input, which `inputs` makes one after the other so that few are in memory. `go_on` is asked before each
/// batch.
///
/// # Errors
/// Where the network has no attention, cannot be run, or the work is no longer wanted.
pub fn attention(
    model: &dyn Model,
    mut inputs: impl Iterator<Item = Input>,
    go_on: &dyn Fn() -> bool,
) -> Result<Vec<Rows>, AttributionError> {
    let mut all = Vec::new();
    loop {
        if !go_on() {
            return Err(AttributionError::Cancelled);
        }
        let batch: Vec<Input> = inputs.by_ref().take(BATCH).collect();
        let Some(first) = batch.first() else { return Ok(all) };
        let sequences = batch.iter().flat_map(Input::one_hot).collect();
        let marks = batch.iter().flat_map(|input| input.marks.iter().copied()).collect();
        let output = model.forward(&first.batch_of(batch.len(), sequences, marks, model.dtype())?)?;
        let weights =
            output.attention.ok_or_else(|| AttributionError::NotApplicable("this network has no attention".to_owned()))?;
        all.extend(rows(&weights, model)?);
    }
}

fn rows(weights: &Attention, model: &dyn Model) -> Result<Vec<Rows>, AttributionError> {
    let rows = weights.rows()?;
    let is_finite = rows.iter().flatten().flatten().all(|w| w.is_finite());
    match is_finite {
        true => Ok(rows),
        false => {
            let place = format!("the attention of {}", model.manifest().name);
            Err(crate::models::ModelError::NotFinite { place, value: f64::NAN }.into())
        }
    }
}

/// Indices of the window that a bin of attention reads. DeepCORE's bins are pooled from a convolution padded as TensorFlow pads:
/// bin `b` of 200 reads 50b-24 to 50b+74 (models of other sizes accordingly). Bins of other networks are equal parts.
pub fn reach(manifest: &Manifest, n_bins: usize, bin: usize) -> Range<u64> {
    let length = manifest.window.length;
    let sizes = [manifest.size("kernel"), manifest.size("pool")];
    if let (true, [Ok(kernel), Ok(pool)]) = (manifest.architecture == "deepcore", sizes) {
        let positions = (length as usize + 1).saturating_sub(kernel);
        let before = (n_bins * pool).saturating_sub(positions) / 2;
        let first = (bin * pool).saturating_sub(before).min(positions);
        let last = ((bin + 1) * pool).saturating_sub(before).min(positions);
        return first as u64..((last + kernel - 1) as u64).min(length);
    }
    let edge = |bin: usize| bin as u64 * length / n_bins.max(1) as u64;
    edge(bin)..edge(bin + 1)
}

/// The part of the window a bin stands for where bins do not overlap: what is drawn and compared with annotations.
pub fn cell(manifest: &Manifest, n_bins: usize, bin: usize) -> Range<u64> {
    let edge = |bin: usize| bin as u64 * manifest.window.length / n_bins.max(1) as u64;
    edge(bin)..edge(bin + 1)
}

/// The bases at indices of a window; the first and the last of them may lie on different stretches.
pub fn region_of(window: &Window, indices: &Range<u64>) -> Region {
    let (a, b) = (window.position(indices.start), window.position(indices.end.max(indices.start + 1) - 1));
    Region::new(window.chrom().clone(), a.min(b).max(0) as u64, (a.max(b) + 1).max(0) as u64)
}

/// An input without its order: DNA and each mark are moved round in a circle, each by its own number of bases, so that every
/// track keeps its values and their neighbours but lies with no other; `marks` says that each mark also takes the place of
/// another.
pub fn shuffled(input: &Input, marks: bool, random: &mut ChaCha8Rng) -> Input {
    let mut shuffled = input.clone();
    if let Some(sequence) = &mut shuffled.sequence {
        let by = random.random_range(0..sequence.len().max(1));
        sequence.rotate_left(by);
    }
    let (k, positions) = (input.n_marks(), input.positions());
    let mut from: Vec<usize> = (0..k).collect();
    if marks {
        from.shuffle(random);
    }
    for (to, from) in from.into_iter().enumerate() {
        let by = random.random_range(0..positions.max(1));
        for position in 0..positions {
            shuffled.marks[position * k + to] = input.marks[(position + by) % positions * k + from];
        }
    }
    shuffled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{MODELS, test_manifest};

    #[test]
    fn a_bin_of_deepcore_reads_99_bases_of_which_49_are_its_neighbours() {
        let deepcore = MODELS.iter().find(|a| a.name == "deepcore").unwrap().default_manifest();
        assert_eq!([0, 1, 100, 199].map(|b| reach(&deepcore, 200, b)), [0..75, 26..125, 4_976..5_075, 9_926..10_000]);
        assert_eq!(cell(&deepcore, 200, 100), 5_000..5_050);
        let toy = test_manifest(1_000, 10, &["a"], None);
        assert_eq!(reach(&toy, 100, 3), 30..40);
    }

    #[test]
    fn bins_of_a_reverse_gene_lie_where_it_read_them() {
        let toy = test_manifest(1_000, 10, &["a"], None);
        let window = toy.window_at("c".into(), 5_000, crate::genome::Strand::Reverse);
        // The TSS, 5000, has index 500: the bin of indices 500 to 509 lies at 4991 to 5000.
        assert_eq!(region_of(&window, &(500..510)), Region::new("c", 4_991, 5_001));
    }
}
