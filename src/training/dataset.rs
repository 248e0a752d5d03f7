//! The genes of a sample or several, as a network reads them.

use super::TrainingError;
use super::metrics::median;
use super::store::{Record, Store};
use crate::genome::{BaseOrder, Window, complement};
use crate::models::{Batch, Input, Manifest, OutputKind, OutputSpec, SampleSource, Transform};
use crate::session::{Readers, SampleId};
use candle_core::{DType, Device, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;

/// One gene in one sample; what a network reads of it is in the data set's store.
#[derive(Clone, Debug)]
pub struct Example {
    /// Its id.
    pub gene: String,
    /// Which of the data set's samples.
    pub sample: usize,
    /// What the network reads.
    pub window: Window,
    /// Measured expression, as in the table.
    pub expression: f64,
    /// Its place in the file that lists the genes: the table of expression, or bin tables.
    pub file_order: usize,
    /// Whether peaks cover half of it, where it is a locus and no gene.
    pub is_open: Option<bool>,
}

/// How an example is changed before a network learns from it: other places and strands stand for more examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Move {
    /// Bases to the right in the window.
    pub shift: i64,
    /// Read on the other strand, after the shift.
    pub is_turned: bool,
}

/// Genes with the same kind of window in one sample or several. In memory are their names and labels; inputs are read batch by batch.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The genes, sample after sample, each in genome order.
    pub examples: Vec<Example>,
    /// Names of the samples.
    pub samples: Vec<String>,
    /// Genes left out because their window reaches past a chromosome's end.
    pub past_the_end: usize,
    /// Genes left out because they have no measured expression.
    pub unmeasured: usize,
    /// Median of all rows of each sample's expression file, where its genes are only some of them (bin tables).
    pub file_medians: Vec<Option<f64>>,
    store: Store,
    base_order: Option<BaseOrder>,
    n_marks: usize,
    bin_size: u64,
    /// Of each mark.
    transforms: Vec<Transform>,
    /// Each mark is multiplied by its number when a batch is made.
    scale: Vec<f32>,
}

impl Dataset {
    /// Of examples made elsewhere, for networks with the input of `manifest`; its `scale` is applied in [`Dataset::batch`].
    ///
    /// # Errors
    /// Where the temporary file that holds the inputs cannot be written.
    pub fn new(manifest: &Manifest, examples: Vec<(Example, Record)>) -> Result<Self, TrainingError> {
        let mut data = Self::empty(manifest)?;
        for (example, record) in examples {
            data.push(example, &record)?;
        }
        Ok(data)
    }

    pub(super) fn empty(manifest: &Manifest) -> Result<Self, TrainingError> {
        let input = &manifest.input;
        Ok(Self {
            examples: Vec::new(),
            samples: Vec::new(),
            past_the_end: 0,
            unmeasured: 0,
            file_medians: Vec::new(),
            store: Store::new(input.marks.len())?,
            base_order: input.sequence,
            n_marks: input.marks.len(),
            bin_size: input.bin_size,
            transforms: (0..input.marks.len()).map(|channel| input.transform_of(channel)).collect(),
            scale: input.scale.clone(),
        })
    }

    /// What the network reads of an example, not scaled.
    pub(super) fn record(&self, index: usize) -> Result<Record, TrainingError> {
        self.store.read(index)
    }

    pub(super) fn push(&mut self, example: Example, record: &Record) -> Result<(), TrainingError> {
        self.store.push(record)?;
        self.examples.push(example);
        Ok(())
    }

    /// Reads every protein-coding gene of `samples`, or (where the network predicts a signal) their loci: [`Dataset::read_loci`]. `step(done, total)` is called for each and may stop it.
    ///
    /// # Errors
    /// Where a sample has no expression or lacks a mark, a file cannot be read, or no gene is left.
    pub fn read(
        readers: &mut Readers,
        samples: &[SampleId],
        manifest: &Manifest,
        step: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Self, TrainingError> {
        if let Some(target) = &manifest.output.signal {
            return Self::read_loci(readers, samples, manifest, target, step);
        }
        let session = readers.session().clone();
        // Transformed now, scaled when a batch is made, by what the training genes say.
        let mut unscaled = manifest.clone();
        unscaled.input.scale.clear();
        let mut data = Self::empty(manifest)?;
        let coding = |biotype: &str| biotype.is_empty() || biotype == "protein_coding";
        let genes: Vec<_> = session.genome.genes.iter().filter(|(_, gene)| coding(&gene.biotype)).collect();
        for (number, &sample) in samples.iter().enumerate() {
            let of_sample = &session.samples[sample.0];
            let Some(table) = &of_sample.expression else {
                let name = &of_sample.name;
                return Err(TrainingError::Data(format!("sample {name} has no measured expression to learn")));
            };
            data.samples.push(of_sample.name.clone());
            // The genes of a bin table are some of the file's: what is high is said by all of them.
            data.file_medians.push(session.genome.is_gene_relative.then(|| table.median()));
            for (i, (_, gene)) in genes.iter().enumerate() {
                if step(number * genes.len() + i, samples.len() * genes.len()).is_break() {
                    return Err(TrainingError::Cancelled);
                }
                let Some(expression) = table.value(gene) else {
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
                let file_order = if session.genome.is_gene_relative { i } else { table.row(gene).unwrap_or(i) };
                let Input { sequence, marks, expression: tf_expression, motif_scores, .. } = input;
                let record = Record { sequence, marks, tf_expression, motif_scores };
                data.push(
                    Example { gene: gene.id.clone(), sample: number, window, expression, file_order, is_open: None },
                    &record,
                )?;
            }
        }
        match data.examples.is_empty() {
            true => Err(TrainingError::Data(format!(
                "no gene of sample {} can be learnt from: {} have no measured expression, the windows of {} reach past a chromosome",
                data.samples.join(", "),
                data.unmeasured,
                data.past_the_end
            ))),
            false => Ok(data),
        }
    }

    /// For each mark, 1 over the root of the mean square of its values in the examples at `indices`; 1 for a mark that is 0 there.
    ///
    /// # Errors
    /// Where the inputs cannot be read back.
    pub fn measure_scale(&self, indices: &[usize]) -> Result<Vec<f32>, TrainingError> {
        let mut squares = vec![0f64; self.n_marks];
        let mut n = 0u64;
        for &i in indices {
            for row in self.store.read(i)?.marks.chunks_exact(self.n_marks.max(1)) {
                squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x).powi(2));
                n += 1;
            }
        }
        Ok(squares.iter().map(|sum| if *sum > 0.0 { (n as f64 / sum).sqrt() as f32 } else { 1.0 }).collect())
    }

    /// For each transcription factor, 1 over the root of the mean square of the product of its expression and motif score in the
    /// examples at `indices`; 1 for a factor whose product is 0 there.
    ///
    /// # Errors
    /// Where the inputs cannot be read back.
    pub fn measure_tf_scale(&self, indices: &[usize]) -> Result<Vec<f32>, TrainingError> {
        let mut squares: Vec<f64> = Vec::new();
        for &i in indices {
            let record = self.store.read(i)?;
            squares.resize(record.tf_expression.len(), 0.0);
            let products = record.tf_expression.iter().zip(&record.motif_scores).map(|(x, score)| f64::from(x * score));
            squares.iter_mut().zip(products).for_each(|(sum, product)| *sum += product * product);
        }
        let n = indices.len() as f64;
        Ok(squares.iter().map(|sum| if *sum > 0.0 { (n / sum).sqrt() as f32 } else { 1.0 }).collect())
    }

    /// For each example at `indices`, each mark's mean log signal over `parts` equal stretches of the window, part by part: what the
    /// baselines without a network read.
    ///
    /// # Errors
    /// Where the inputs cannot be read back.
    pub fn mean_log_signal(&self, indices: &[usize], parts: usize) -> Result<Vec<Vec<f64>>, TrainingError> {
        let log = |x: f32, channel: usize| match self.transforms[channel] {
            Transform::Log1p => f64::from(x),
            Transform::None => f64::from(x.max(0.0)).ln_1p(),
        };
        let of = |i: &usize| {
            let marks = self.store.read(*i)?.marks;
            let positions = marks.len() / self.n_marks.max(1);
            let part = |p: usize, channel: usize| {
                let rows = p * positions / parts..(p + 1) * positions / parts;
                let n = rows.len().max(1) as f64;
                rows.map(|row| log(marks[row * self.n_marks + channel], channel)).sum::<f64>() / n
            };
            Ok((0..parts).flat_map(|p| (0..self.n_marks).map(move |channel| (p, channel))).map(|(p, c)| part(p, c)).collect())
        };
        indices.iter().map(of).collect()
    }

    /// Multiplies each mark by its number in every batch from now on.
    pub fn set_scale(&mut self, scale: Vec<f32>) {
        self.scale = scale;
    }

    /// The examples at `indices`, each changed as `moves` says (as it is where that is empty): what comes in at an end is N and no
    /// signal. Only windows of one stretch at base resolution can be moved or turned.
    pub fn batch(&self, indices: &[usize], moves: &[Move], dtype: DType) -> Result<Batch, TrainingError> {
        let n = indices.len();
        let move_of = |i: usize, window: &Window| match self.bin_size == 1 && window.stretches().count() == 1 {
            true => moves.get(i).copied().unwrap_or_default(),
            false => Move::default(),
        };
        let [mut sequence, mut marks, mut tf_expression, mut motif_scores] = [const { Vec::new() }; 4];
        for (i, index) in indices.iter().enumerate() {
            let (record, Move { shift, is_turned }) = (self.store.read(*index)?, move_of(i, &self.examples[*index].window));
            let place = |to: usize, n: usize| if is_turned { n - 1 - to } else { to };
            tf_expression.extend(record.tf_expression);
            motif_scores.extend(record.motif_scores);
            if let (Some(order), Some(bases)) = (self.base_order, &record.sequence) {
                let from = sequence.len();
                sequence.resize(from + bases.len() * 4, 0f32);
                for (to, base) in shifted(bases, shift) {
                    if let Some(channel) = order.channel(if is_turned { complement(*base) } else { *base }) {
                        sequence[from + place(to, bases.len()) * 4 + channel] = 1.0;
                    }
                }
            }
            let from = marks.len();
            marks.resize(from + record.marks.len(), 0f32);
            let rows: Vec<&[f32]> = record.marks.chunks_exact(self.n_marks.max(1)).collect();
            for (to, row) in shifted(&rows, shift) {
                let out = &mut marks[from + place(to, rows.len()) * self.n_marks..][..self.n_marks];
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
        let of_tfs = |values: Vec<f32>| -> Result<Option<Tensor>, TrainingError> {
            match values.is_empty() {
                true => Ok(None),
                false => Ok(Some(Tensor::from_vec(values, (n, ()), &Device::Cpu)?.to_dtype(dtype)?)),
            }
        };
        Ok(Batch {
            sequence: tensor(sequence, channels)?,
            marks: tensor(marks, self.n_marks)?,
            expression: of_tfs(tf_expression)?,
            motif_scores: of_tfs(motif_scores)?,
        })
    }

    /// What the network is to predict of the examples at `indices`.
    pub fn targets(&self, indices: &[usize], output: &OutputSpec) -> Vec<f64> {
        indices.iter().map(|i| output.target(self.examples[*i].expression)).collect()
    }

    /// Hands on the stored inputs, byte by byte.
    pub(super) fn digest(&self, take: &mut dyn FnMut(&[u8])) -> Result<(), TrainingError> {
        self.store.bytes(take)
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
        median(&indices.iter().map(|i| self.examples[*i].expression).collect::<Vec<_>>())
    }

    /// What is high in a sample: an open locus; a gene above the median of its expression file where its genes are some of them, else above that of the
    /// examples at `indices`.
    pub fn threshold(&self, sample: usize, indices: &[usize]) -> f64 {
        if self.examples.first().is_some_and(|example| example.is_open.is_some()) {
            return OPEN;
        }
        self.file_medians.get(sample).copied().flatten().unwrap_or_else(|| self.median_expression(indices))
    }
}

/// A locus is labelled 1 where it is open, else 0.
const OPEN: f64 = 0.5;

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
        Example { gene: String::new(), sample: 0, window, expression, file_order: 0, is_open: None }
    }

    #[test]
    fn a_batch_is_one_hot_scaled_shifted_and_turned() {
        let manifest = crate::models::test_manifest(4, 1, &["a", "b"], Some(BaseOrder::AGCT));
        let read =
            Record { sequence: Some(b"ANGT".to_vec()), marks: vec![1., 10., 2., 20., 3., 30., 4., 40.], ..Record::default() };
        let mut data = Dataset::new(&manifest, vec![(example("c", 1.0), read.clone()), (example("c", 1.0), read)]).unwrap();
        data.set_scale(vec![1.0, 0.1]);
        let batch = data.batch(&[0, 1], &[Move::default(), Move { shift: -1, is_turned: false }], DType::F32).unwrap();
        let rows = |t: &Option<Tensor>| t.as_ref().unwrap().to_vec3::<f32>().unwrap();
        let (a, g, t, n) = (vec![1., 0., 0., 0.], vec![0., 1., 0., 0.], vec![0., 0., 0., 1.], vec![0.; 4]);
        assert_eq!(rows(&batch.sequence), [[a, n.clone(), g.clone(), t.clone()], [n.clone(), g, t, n]]);
        assert_eq!(rows(&batch.marks)[0], [[1., 1.], [2., 2.], [3., 3.], [4., 4.]]);
        assert_eq!(rows(&batch.marks)[1], [[2., 2.], [3., 3.], [4., 4.], [0., 0.]]);
        // ANGT read on the other strand is ACNT; N stays N, and marks are read from the other end.
        let turned = data.batch(&[0, 1], &[Move { shift: 0, is_turned: true }, Move { shift: -1, is_turned: true }], DType::F32);
        let (a, c, t, n) = (vec![1., 0., 0., 0.], vec![0., 0., 1., 0.], vec![0., 0., 0., 1.], vec![0.; 4]);
        let turned = turned.unwrap();
        assert_eq!(rows(&turned.sequence), [[a.clone(), c.clone(), n.clone(), t], [n.clone(), a, c, n]]);
        assert_eq!(rows(&turned.marks)[1], [[0., 0.], [4., 4.], [3., 3.], [2., 2.]]);
        let scale = data.measure_scale(&[0]).unwrap();
        assert!((scale[0] - (4.0f32 / 30.0).sqrt()).abs() < 1e-7 && (scale[1] - scale[0] / 10.0).abs() < 1e-8);
    }

    #[test]
    fn a_tie_with_the_threshold_is_low() {
        let mut output = crate::models::test_manifest(4, 1, &["a"], None).output;
        assert!((output.target(1.0) - 1.01f64.ln()).abs() < 1e-15);
        (output.kind, output.threshold) = (OutputKind::Binary, Some(2.0));
        assert_eq!([1.0, 2.0, 2.5].map(|x| output.target(x)), [0.0, 0.0, 1.0]);
        let manifest = crate::models::test_manifest(4, 1, &["a"], None);
        let examples = [3.0, 1.0, 2.0, 8.0].map(|x| (example("c", x), Record::default()));
        let mut data = Dataset::new(&manifest, examples.into()).unwrap();
        assert_eq!((data.median_expression(&[0, 1, 2]), data.median_expression(&[0, 1, 2, 3])), (2.0, 2.5));
        data.file_medians = vec![None, Some(7.0)];
        assert_eq!((data.threshold(0, &[0, 1, 2]), data.threshold(1, &[0, 1, 2])), (2.0, 7.0));
    }

    #[test]
    fn mean_log_signal_is_the_same_whatever_the_transform() {
        let mut manifest = crate::models::test_manifest(4, 1, &["a", "b"], None);
        let raw = [0f32, 10., 2., 20., 3., 30., 4., 40.];
        let of = |manifest: &Manifest, marks: Vec<f32>| {
            let record = Record { marks, ..Record::default() };
            Dataset::new(manifest, vec![(example("c", 1.0), record)]).unwrap().mean_log_signal(&[0], 2).unwrap().remove(0)
        };
        let untransformed = of(&manifest, raw.to_vec());
        manifest.input.transform = Transform::Log1p;
        let transformed = of(&manifest, raw.map(f32::ln_1p).to_vec());
        let ln = |x: f64| x.ln_1p();
        let expected = [
            ln(2.0) / 2.0,
            f64::midpoint(ln(10.0), ln(20.0)),
            f64::midpoint(ln(3.0), ln(4.0)),
            f64::midpoint(ln(30.0), ln(40.0)),
        ];
        for ((a, b), expected) in untransformed.iter().zip(&transformed).zip(expected) {
            assert!((a - expected).abs() < 1e-12 && (b - expected).abs() < 1e-6, "{a} {b} {expected}");
        }
    }
}
