//! One sample's genes in memory, as a network reads them.

use super::TrainingError;
use crate::genome::{BaseOrder, Window};
use crate::models::{Batch, Input, Manifest, OutputKind, OutputSpec, SampleSource};
use crate::session::{Readers, SampleId};
use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;

/// One gene.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its id.
    pub gene: String,
    /// What the network reads.
    pub window: Window,
    /// Bases in the network's orientation; `None` where it reads no DNA.
    pub sequence: Option<Vec<u8>>,
    /// `[positions, k]`, transformed but not scaled.
    pub marks: Vec<f32>,
    /// Normalised expression of transcription factors; empty where the network reads none.
    pub tf_expression: Vec<f32>,
    /// Their motif scores in the window.
    pub motif_scores: Vec<f32>,
    /// Measured expression, as in the table.
    pub expression: f64,
}

/// Genes with the same sample and the same kind of window, in genome order.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The genes.
    pub examples: Vec<Example>,
    /// Genes left out because their window reaches past a chromosome's end.
    pub past_the_end: usize,
    /// Genes left out because they have no measured expression.
    pub unmeasured: usize,
    base_order: Option<BaseOrder>,
    n_marks: usize,
    bin_size: u64,
    /// Each mark is multiplied by its number when a batch is made.
    scale: Vec<f32>,
}

impl Dataset {
    /// Of examples made elsewhere, for networks with the input of `manifest`; its `scale` is applied in [`Dataset::batch`].
    pub fn new(manifest: &Manifest, examples: Vec<Example>) -> Self {
        let input = &manifest.input;
        Self {
            examples,
            past_the_end: 0,
            unmeasured: 0,
            base_order: input.sequence,
            n_marks: input.marks.len(),
            bin_size: input.bin_size,
            scale: input.scale.clone(),
        }
    }

    /// Reads every protein-coding gene of `sample`. `step(done, total)` is called for each and may stop it.
    ///
    /// # Errors
    /// Where the sample has no expression or lacks a mark, a file cannot be read, or no gene is left.
    pub fn read(
        readers: &mut Readers,
        sample: SampleId,
        manifest: &Manifest,
        step: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TrainingError> {
        let session = readers.session().clone();
        let name = &session.samples[sample.0].name;
        if session.samples[sample.0].expression.is_none() {
            return Err(TrainingError::Data(format!("sample {name} has no measured expression to learn")));
        }
        // Transformed now, scaled when a batch is made, by what the training genes say.
        let mut unscaled = manifest.clone();
        unscaled.input.scale.clear();
        let mut data = Self::new(manifest, Vec::new());
        let coding = |biotype: &str| biotype.is_empty() || biotype == "protein_coding";
        let genes: Vec<_> = session.genome.genes.iter().filter(|(_, gene)| coding(&gene.biotype)).collect();
        for (i, (_, gene)) in genes.iter().enumerate() {
            if step(i, genes.len()).is_break() {
                return Err(TrainingError::Cancelled);
            }
            let Some(expression) = session.expression(sample, gene) else {
                data.unmeasured += 1;
                continue;
            };
            let window = manifest.window_of(gene, session.genome.tss);
            let length = session.genome.chroms.len_of(window.chrom());
            if !length.is_some_and(|length| window.is_inside(length)) {
                data.past_the_end += 1;
                continue;
            }
            let input = Input::assemble(&unscaled, &window, &mut SampleSource::new(readers, sample, &unscaled))?;
            data.examples.push(Example {
                gene: gene.id.clone(),
                window,
                sequence: input.sequence,
                marks: input.marks,
                tf_expression: input.expression,
                motif_scores: input.motif_scores,
                expression,
            });
        }
        match data.examples.is_empty() {
            true => Err(TrainingError::Data(format!(
                "no gene of sample {name} can be learnt from: {} have no measured expression, the windows of {} reach past a chromosome",
                data.unmeasured, data.past_the_end
            ))),
            false => Ok(data),
        }
    }

    /// For each mark, 1 over the root of the mean square of its values in the examples at `indices`; 1 for a mark that is 0 there.
    pub fn measure_scale(&self, indices: &[usize]) -> Vec<f32> {
        let mut squares = vec![0f64; self.n_marks];
        let mut n = 0u64;
        for example in indices.iter().map(|i| &self.examples[*i]) {
            for row in example.marks.chunks_exact(self.n_marks.max(1)) {
                squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x).powi(2));
                n += 1;
            }
        }
        squares.iter().map(|sum| if *sum > 0.0 { (n as f64 / sum).sqrt() as f32 } else { 1.0 }).collect()
    }

    /// Multiplies each mark by its number in every batch from now on.
    pub fn set_scale(&mut self, scale: Vec<f32>) {
        self.scale = scale;
    }

    /// The examples at `indices`, each moved by its number of bases in `shifts` (all 0 where that is empty): what comes in at an end is
    /// N and no signal. Only windows of one stretch at base resolution can be moved.
    pub fn batch(&self, indices: &[usize], shifts: &[i64], dtype: DType) -> Result<Batch, TrainingError> {
        let n = indices.len();
        let shift_of = |i: usize, window: &Window| match self.bin_size == 1 && window.stretches().count() == 1 {
            true => shifts.get(i).copied().unwrap_or(0),
            false => 0,
        };
        let (mut sequence, mut marks) = (Vec::new(), Vec::new());
        for (i, index) in indices.iter().enumerate() {
            let example = &self.examples[*index];
            let shift = shift_of(i, &example.window);
            if let (Some(order), Some(bases)) = (self.base_order, &example.sequence) {
                let from = sequence.len();
                sequence.resize(from + bases.len() * 4, 0f32);
                for (to, base) in shifted(bases, shift) {
                    if let Some(channel) = order.channel(*base) {
                        sequence[from + to * 4 + channel] = 1.0;
                    }
                }
            }
            let from = marks.len();
            marks.resize(from + example.marks.len(), 0f32);
            let rows: Vec<&[f32]> = example.marks.chunks_exact(self.n_marks.max(1)).collect();
            for (to, row) in shifted(&rows, shift) {
                let out = &mut marks[from + to * self.n_marks..][..self.n_marks];
                for (channel, (out, x)) in out.iter_mut().zip(*row).enumerate() {
                    *out = x * self.scale.get(channel).copied().unwrap_or(1.0);
                }
            }
        }
        let tensor = |values: Vec<f32>, channels: usize| -> Result<Option<Tensor>, TrainingError> {
            match channels == 0 || values.is_empty() {
                true => Ok(None),
                false => Ok(Some(Tensor::from_vec(values, (n, (), channels), &Device::Cpu)?.to_dtype(dtype)?)),
            }
        };
        let channels = if self.base_order.is_some() { 4 } else { 0 };
        let of_tfs = |of: fn(&Example) -> &[f32]| -> Result<Option<Tensor>, TrainingError> {
            let rows: Vec<f32> = indices.iter().flat_map(|i| of(&self.examples[*i])).copied().collect();
            match rows.is_empty() {
                true => Ok(None),
                false => Ok(Some(Tensor::from_vec(rows, (n, ()), &Device::Cpu)?.to_dtype(dtype)?)),
            }
        };
        Ok(Batch {
            sequence: tensor(sequence, channels)?,
            marks: tensor(marks, self.n_marks)?,
            expression: of_tfs(|e| &e.tf_expression)?,
            motif_scores: of_tfs(|e| &e.motif_scores)?,
        })
    }

    /// What the network is to predict of the examples at `indices`.
    pub fn targets(&self, indices: &[usize], output: &OutputSpec) -> Vec<f64> {
        indices.iter().map(|i| output.target(self.examples[*i].expression)).collect()
    }

    /// Gives every gene another gene's expression: a control in which nothing can be learnt.
    pub fn shuffle_labels(&mut self, seed: u64) {
        let mut labels: Vec<f64> = self.examples.iter().map(|e| e.expression).collect();
        labels.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        for (example, label) in self.examples.iter_mut().zip(labels) {
            example.expression = label;
        }
    }

    /// The median expression of the examples at `indices`.
    pub fn median_expression(&self, indices: &[usize]) -> f64 {
        let mut values: Vec<f64> = indices.iter().map(|i| self.examples[*i].expression).collect();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => values[n / 2],
            n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
        }
    }
}

/// `(index after a shift, item)` of those that stay inside.
fn shifted<T>(items: &[T], shift: i64) -> impl Iterator<Item = (usize, &T)> {
    let moved = move |i: usize| usize::try_from(i as i64 + shift).ok();
    items.iter().enumerate().filter_map(move |(i, item)| moved(i).filter(|to| *to < items.len()).map(|to| (to, item)))
}

impl OutputSpec {
    /// The target of a measured expression: its logarithm, or whether it is above the threshold (1 or 0, a tie being low).
    pub fn target(&self, expression: f64) -> f64 {
        match self.kind {
            OutputKind::Regression => (expression + self.pseudocount).ln(),
            OutputKind::Binary => f64::from(u8::from(expression > self.threshold.unwrap_or(f64::INFINITY))),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::genome::Strand;

    /// A gene on `chrom` with an empty window.
    pub(in crate::training) fn example(chrom: &str, expression: f64) -> Example {
        let window = Window::around(chrom, 100, Strand::Forward, 2, 4);
        let (gene, marks, tf_expression, motif_scores) = Default::default();
        Example { gene, window, sequence: None, marks, tf_expression, motif_scores, expression }
    }

    #[test]
    fn a_batch_is_one_hot_scaled_and_shifted() {
        let manifest = crate::models::test_manifest(4, 1, &["a", "b"], Some(BaseOrder::AGCT));
        let gene =
            Example { sequence: Some(b"ANGT".to_vec()), marks: vec![1., 10., 2., 20., 3., 30., 4., 40.], ..example("c", 1.0) };
        let mut data = Dataset::new(&manifest, vec![gene.clone(), gene]);
        data.set_scale(vec![1.0, 0.1]);
        let batch = data.batch(&[0, 1], &[0, -1], DType::F32).unwrap();
        let rows = |t: &Option<Tensor>| t.as_ref().unwrap().to_vec3::<f32>().unwrap();
        let (a, g, t, n) = (vec![1., 0., 0., 0.], vec![0., 1., 0., 0.], vec![0., 0., 0., 1.], vec![0.; 4]);
        assert_eq!(rows(&batch.sequence), [[a, n.clone(), g.clone(), t.clone()], [n.clone(), g, t, n]]);
        assert_eq!(rows(&batch.marks)[0], [[1., 1.], [2., 2.], [3., 3.], [4., 4.]]);
        assert_eq!(rows(&batch.marks)[1], [[2., 2.], [3., 3.], [4., 4.], [0., 0.]]);
        let scale = data.measure_scale(&[0]);
        assert!((scale[0] - (4.0f32 / 30.0).sqrt()).abs() < 1e-7 && (scale[1] - scale[0] / 10.0).abs() < 1e-8);
    }

    #[test]
    fn a_tie_with_the_threshold_is_low() {
        let mut output = crate::models::test_manifest(4, 1, &["a"], None).output;
        assert!((output.target(1.0) - 1.01f64.ln()).abs() < 1e-15);
        (output.kind, output.threshold) = (OutputKind::Binary, Some(2.0));
        assert_eq!([1.0, 2.0, 2.5].map(|x| output.target(x)), [0.0, 0.0, 1.0]);
        let manifest = crate::models::test_manifest(4, 1, &["a"], None);
        let data = Dataset::new(&manifest, [3.0, 1.0, 2.0, 8.0].map(|x| example("c", x)).into());
        assert_eq!((data.median_expression(&[0, 1, 2]), data.median_expression(&[0, 1, 2, 3])), (2.0, 2.5));
    }
}
