//! From a gene's window to the numbers a network reads: orientation, bins, transform, padding, missing values.

use super::{Batch, BinStatistic, InputSpec, Manifest, ModelError, N_INPUTS, Orientation, TfSpec};
use crate::genome::{BASES, BaseOrder, Gene, Strand, Stretch, TssChoice, Window, reverse_complement};
use crate::tracks::TrackError;
use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Where input assembly reads from: one sample's signals and the reference.
pub trait InputSource {
    /// A value for each base of `stretch` in genome order, NaN where nothing was measured or off the chromosome.
    fn mark(&mut self, mark: &str, stretch: &Stretch) -> Result<Vec<f32>, ModelError>;

    /// The bases of `stretch` in genome order, `N` off the chromosome.
    fn bases(&mut self, stretch: &Stretch) -> Result<Vec<u8>, ModelError>;

    /// Normalised expression of each factor of `tfs` in the sample.
    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        Err(ModelError::Input(format!("no expression of the {} transcription factors the model reads", tfs.len())))
    }

    /// The motif score of each factor of `tfs` in `sequence`, the bases as the network reads them.
    fn motif_scores(&mut self, tfs: &TfSpec, _sequence: &[u8]) -> Result<Vec<f32>, ModelError> {
        Err(ModelError::Input(format!("no motif scores of the {} transcription factors the model reads", tfs.len())))
    }
}

impl From<TrackError> for ModelError {
    fn from(error: TrackError) -> Self {
        Self::Input(error.to_string())
    }
}

/// One window as a network reads it: everything in the network's orientation, marks binned and transformed.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where on the genome it was read.
    pub window: Window,
    /// Bases 5' to 3' as read, `A C G T N`; `None` where the network reads no DNA.
    pub sequence: Option<Vec<u8>>,
    /// `[positions, k]`, row-major, marks in the manifest's order; empty where the network reads none.
    pub marks: Vec<f32>,
    /// Share of bases of each mark with no measurement, 0 to 1.
    pub missing: Vec<f32>,
    /// What an unmeasured or blanked position is, after the transform, for each mark.
    pub blank: Vec<f32>,
    /// Normalised expression of the manifest's transcription factors; empty where the network reads none.
    pub expression: Vec<f32>,
    /// Their motif scores in the window.
    pub motif_scores: Vec<f32>,
    base_order: Option<BaseOrder>,
}

impl Manifest {
    /// The window of a gene.
    pub fn window_of(&self, gene: &Gene, choice: TssChoice) -> Window {
        self.window_between(gene.region.chrom.clone(), gene.tss(choice), gene.tts(choice), gene.strand)
    }

    /// The window of a place: of a gene that begins and ends at the base `anchor` (0-based) of `strand`.
    pub fn window_at(&self, chrom: Arc<str>, anchor: u64, strand: Strand) -> Window {
        self.window_between(chrom, anchor, anchor, strand)
    }

    fn window_between(&self, chrom: Arc<str>, tss: u64, tts: u64, strand: Strand) -> Window {
        let strand = match self.orientation {
            Orientation::Gene => strand,
            Orientation::Genome => Strand::Forward,
        };
        let at_tts = self.window.tts.map_or(0, |spec| spec.length);
        let at_tss = Window::around(chrom, tss, strand, self.window.tss_index, self.window.length - at_tts);
        match self.window.tts {
            Some(spec) => at_tss.joined(tts, spec.index, spec.length),
            None => at_tss,
        }
    }
}

impl Input {
    /// Reads the window of a network from `source`.
    pub fn assemble(manifest: &Manifest, window: &Window, source: &mut dyn InputSource) -> Result<Self, ModelError> {
        let spec = &manifest.input;
        let sequence = spec.sequence.map(|_| read_bases(window, source)).transpose()?;
        let (k, positions) = (spec.marks.len(), if spec.marks.is_empty() { 0 } else { spec.positions(window.len()) });
        let mut marks = vec![0.0; positions * k];
        let mut missing = Vec::with_capacity(k);
        for (channel, mark) in spec.marks.iter().enumerate() {
            let mut values = Vec::with_capacity(window.len() as usize);
            for stretch in window.stretches() {
                let mut read = source.mark(mark, stretch)?;
                check_len(mark, read.len(), stretch.len)?;
                stretch.orient(&mut read);
                values.append(&mut read);
            }
            if let Some(value) = values.iter().find(|v| v.is_infinite()) {
                return Err(ModelError::NotFinite { place: mark.clone(), value: f64::from(*value) });
            }
            missing.push(values.iter().filter(|v| v.is_nan()).count() as f32 / values.len().max(1) as f32);
            for (position, bin) in values.chunks_exact(spec.bin_size.max(1) as usize).enumerate().take(positions) {
                marks[position * k + channel] = spec.value(channel, summarise(bin, spec));
            }
        }
        let blank = (0..k).map(|channel| spec.value(channel, 0.0)).collect();
        let (mut expression, mut motif_scores) = (Vec::new(), Vec::new());
        if !spec.tfs.is_empty() {
            expression = source.tf_expression(&spec.tfs)?;
            motif_scores = source.motif_scores(&spec.tfs, sequence.as_deref().unwrap_or_default())?;
            check_len("TF expression", expression.len(), spec.tfs.len() as u64)?;
            check_len("motif scores", motif_scores.len(), spec.tfs.len() as u64)?;
            if let Some(value) = expression.iter().chain(&motif_scores).find(|v| !v.is_finite()) {
                let place = "a transcription factor's expression or motif score".to_owned();
                return Err(ModelError::NotFinite { place, value: f64::from(*value) });
            }
        }
        let base_order = spec.sequence;
        Ok(Self { window: window.clone(), sequence, marks, missing, blank, expression, motif_scores, base_order })
    }

    /// Reads the bases, and the motif scores in them, once more from another source; signals stay.
    pub fn read_bases_again(&mut self, manifest: &Manifest, source: &mut dyn InputSource) -> Result<(), ModelError> {
        if self.sequence.is_none() {
            return Ok(());
        }
        let sequence = read_bases(&self.window, source)?;
        if !manifest.input.tfs.is_empty() {
            self.motif_scores = source.motif_scores(&manifest.input.tfs, &sequence)?;
        }
        self.sequence = Some(sequence);
        Ok(())
    }

    /// The numbers of every input, empty where the network does not read it; in the order of [`Batch::parts`].
    pub fn parts(&self) -> [Vec<f32>; N_INPUTS] {
        [self.one_hot(), self.marks.clone(), self.expression.clone(), self.motif_scores.clone()]
    }

    /// Every position of the mark input that reads the same base as `position`, itself among them. Where a position is a bin, itself
    /// alone: the bins of two stretches need not begin at the same base.
    pub fn copies_of_position(&self, position: usize) -> impl Iterator<Item = usize> {
        let is_a_base = self.positions() as u64 == self.window.len();
        let copies = is_a_base.then(|| self.window.copies(position as u64).map(|i| i as usize));
        let alone = if is_a_base { None } else { Some(position) };
        copies.into_iter().flatten().chain(alone)
    }

    /// Number of marks.
    pub fn n_marks(&self) -> usize {
        self.blank.len()
    }

    /// Number of positions of the mark input.
    pub fn positions(&self) -> usize {
        if self.blank.is_empty() { 0 } else { self.marks.len() / self.blank.len() }
    }

    /// Base order of the network's DNA channels.
    pub fn base_order(&self) -> BaseOrder {
        self.base_order.unwrap_or(BaseOrder::ACGT)
    }

    /// The sequence one-hot, `[length, 4]` in the network's base order; empty where it reads no DNA.
    pub fn one_hot(&self) -> Vec<f32> {
        self.sequence
            .as_ref()
            .map_or_else(Vec::new, |sequence| self.base_order().one_hot::<u8>(sequence).into_iter().map(f32::from).collect())
    }

    /// A batch of this one window.
    pub fn batch(&self, dtype: DType) -> Result<Batch, ModelError> {
        self.batch_of(1, self.one_hot(), self.marks.clone(), dtype)
    }

    /// A batch of `n` variants of this window: `sequences` `[n, length, 4]` and `marks` `[n, positions, k]`, row-major. Expression and
    /// motif scores of transcription factors stay as they are.
    pub fn batch_of(&self, n: usize, sequences: Vec<f32>, marks: Vec<f32>, dtype: DType) -> Result<Batch, ModelError> {
        let tensor = |values: Vec<f32>, rows: usize, columns: usize| {
            Tensor::from_vec(values, (n, rows, columns), &Device::Cpu)?.to_dtype(dtype)
        };
        let sequence = match &self.sequence {
            Some(sequence) => Some(tensor(sequences, sequence.len(), 4)?),
            None => None,
        };
        let marks = match self.n_marks() {
            0 => None,
            k => Some(tensor(marks, self.positions(), k)?),
        };
        let repeated = |values: &[f32]| match values.len() {
            0 => Ok(None),
            tfs => Tensor::from_slice(values, (1, tfs), &Device::Cpu)?.repeat((n, 1))?.to_dtype(dtype).map(Some),
        };
        Ok(Batch { sequence, marks, expression: repeated(&self.expression)?, motif_scores: repeated(&self.motif_scores)? })
    }

    /// First 16 hex digits of SHA-256 of everything the network reads.
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.sequence.as_deref().unwrap_or_default());
        for value in self.marks.iter().chain(&self.expression).chain(&self.motif_scores) {
            hasher.update(value.to_le_bytes());
        }
        hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The network's channel of a base in A,C,G,T order.
    pub fn channel_of(&self, acgt: usize) -> usize {
        self.base_order().channel(BASES[acgt]).unwrap_or(acgt)
    }
}

impl InputSpec {
    /// A binned number as the network reads it: truncated, transformed, scaled.
    pub fn value(&self, channel: usize, x: f32) -> f32 {
        let x = if self.truncate { x.trunc() } else { x };
        self.transform_of(channel).apply(x) * self.scale.get(channel).copied().unwrap_or(1.0)
    }
}

/// The bases of a window in the network's direction.
fn read_bases(window: &Window, source: &mut dyn InputSource) -> Result<Vec<u8>, ModelError> {
    let mut sequence = Vec::with_capacity(window.len() as usize);
    for stretch in window.stretches() {
        let bases = source.bases(stretch)?;
        check_len("sequence", bases.len(), stretch.len)?;
        sequence.extend(if stretch.strand == Strand::Reverse { reverse_complement(&bases) } else { bases });
    }
    Ok(sequence)
}

fn summarise(bin: &[f32], spec: &InputSpec) -> f32 {
    let sum: f64 = bin.iter().map(|&v| f64::from(if v.is_nan() { spec.missing } else { v })).sum();
    match spec.bin_statistic {
        BinStatistic::Mean => (sum / bin.len() as f64) as f32,
        BinStatistic::Sum => sum as f32,
    }
}

fn check_len(what: &str, found: usize, expected: u64) -> Result<(), ModelError> {
    match found as u64 == expected {
        true => Ok(()),
        false => Err(ModelError::Input(format!("{what}: {found} positions read where the window has {expected}"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::models::{OutputKind, OutputSpec, Transform, WindowSpec};
    use crate::tracks::SignalUnit;
    use std::collections::BTreeMap;

    /// Position 1000 of the chromosome has value 1000; base `ACGT`[p % 4]; nothing below 0.
    struct Ramp;

    impl InputSource for Ramp {
        fn mark(&mut self, _: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
            Ok((window.start..window.end()).map(|p| if p < 0 { f32::NAN } else { p as f32 }).collect())
        }

        fn bases(&mut self, window: &Stretch) -> Result<Vec<u8>, ModelError> {
            Ok((window.start..window.end()).map(|p| if p < 0 { b'N' } else { BASES[p as usize % 4] }).collect())
        }
    }

    pub(crate) fn manifest(length: u64, bin_size: u64, marks: &[&str], sequence: Option<BaseOrder>) -> Manifest {
        Manifest {
            architecture: "toy".to_owned(),
            name: "toy".to_owned(),
            source: String::new(),
            assembly: None,
            samples: Vec::new(),
            orientation: Orientation::Gene,
            window: WindowSpec { length, tss_index: length / 2, tts: None },
            input: InputSpec {
                sequence,
                marks: marks.iter().map(|&m| m.to_owned()).collect(),
                signal: SignalUnit::Rpm,
                bin_size,
                bin_statistic: BinStatistic::Mean,
                transform: Transform::None,
                scale: Vec::new(),
                missing: 0.0,
                truncate: false,
                of_mark: Default::default(),
                tfs: Default::default(),
            },
            output: OutputSpec {
                kind: OutputKind::Regression,
                unit: "ln(TPM+0.01)".to_owned(),
                pseudocount: 0.01,
                threshold: None,
                signal: None,
            },
            sizes: BTreeMap::new(),
            metrics: BTreeMap::new(),
            hash: String::new(),
            external: None,
        }
    }

    #[test]
    fn a_reverse_gene_is_read_backwards_and_complemented() {
        let manifest = manifest(8, 2, &["m"], Some(BaseOrder::AGCT));
        let window = manifest.window_at("c".into(), 100, Strand::Reverse);
        let input = Input::assemble(&manifest, &window, &mut Ramp).unwrap();
        // genome 97..105, read from 104 down to 97; the TSS (100) at index 4
        assert_eq!(input.marks, [103.5, 101.5, 99.5, 97.5]);
        let sequence = input.sequence.as_ref().unwrap();
        assert_eq!(sequence, &reverse_complement(b"CGTACGTA"));
        assert_eq!(sequence[4], complement_of(100));
        assert_eq!(&input.one_hot()[..4], [0.0, 0.0, 0.0, 1.0], "T is the last channel of A,G,C,T");
    }

    fn complement_of(position: usize) -> u8 {
        crate::genome::complement(BASES[position % 4])
    }

    #[test]
    fn past_the_chromosome_is_n_and_the_missing_value() {
        let manifest = manifest(8, 2, &["m"], Some(BaseOrder::ACGT));
        let window = manifest.window_at("c".into(), 2, Strand::Forward);
        let input = Input::assemble(&manifest, &window, &mut Ramp).unwrap();
        assert_eq!(input.sequence.as_deref(), Some(&b"NNACGTAC"[..]));
        assert_eq!(input.marks, [0.0, 0.5, 2.5, 4.5]);
        assert_eq!(input.missing, [0.25]);
        assert!(input.one_hot()[..8].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn bins_are_summed_truncated_transformed_and_scaled_in_that_order() {
        let mut manifest = manifest(4, 2, &["m"], None);
        manifest.input.bin_statistic = BinStatistic::Sum;
        manifest.input.truncate = true;
        manifest.input.transform = Transform::Log1p;
        manifest.input.scale = vec![2.0];
        let window = manifest.window_at("c".into(), 102, Strand::Forward);
        let input = Input::assemble(&manifest, &window, &mut Ramp).unwrap();
        let expected = [2.0 * (201_f32 + 1.0).ln(), 2.0 * (205_f32 + 1.0).ln()];
        for (value, expected) in input.marks.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
        assert!(input.batch(DType::F32).unwrap().sequence.is_none());
    }
}
