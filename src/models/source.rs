//! A network's input read from the tracks of one sample: by the name of the mark, never by its place in a list.

use super::{InputSource, Manifest, ModelError, OutputKind, TfSpec};
use crate::genome::{GeneId, Region, Stretch};
use crate::session::{Readers, SampleId, Session, TrackId};

const NO_MOTIFS: &str = "needs motifs of transcription factors: motifs.homer (HOMER format) beside model.toml";

/// One sample's signals and the session's reference, read for one network.
pub struct SampleSource<'a> {
    readers: &'a mut Readers,
    sample: SampleId,
    manifest: &'a Manifest,
}

impl<'a> SampleSource<'a> {
    /// Reads `sample` through `readers` for the network of `manifest`.
    pub fn new(readers: &'a mut Readers, sample: SampleId, manifest: &'a Manifest) -> Self {
        Self { readers, sample, manifest }
    }

    /// Reads a stretch on the chromosome and pads what lies off it.
    fn padded<T: Clone>(
        &mut self,
        stretch: &Stretch,
        pad: T,
        read: impl FnOnce(&mut Readers, &Region) -> Result<Vec<T>, ModelError>,
    ) -> Result<Vec<T>, ModelError> {
        let chroms = &self.readers.session().genome.chroms;
        let len = chroms.len_of(&stretch.chrom).ok_or_else(|| {
            ModelError::Input(format!("no chromosome \"{}\"; the genome has {}", stretch.chrom, chroms.names_in_short()))
        })?;
        let region = stretch.region(len);
        let before = (region.start as i64 - stretch.start).clamp(0, stretch.len as i64) as usize;
        let mut values = vec![pad.clone(); before];
        if !region.is_empty() {
            values.extend(read(self.readers, &region)?);
        }
        values.resize(stretch.len as usize, pad);
        Ok(values)
    }
}

impl InputSource for SampleSource<'_> {
    fn mark(&mut self, mark: &str, stretch: &Stretch) -> Result<Vec<f32>, ModelError> {
        let session = self.readers.session().clone();
        let Some(track) = session.signal_for(self.sample, mark) else {
            return Err(ModelError::Input(missing_marks(&session, self.sample, &[mark])));
        };
        if let Some(reason) = other_unit(&session, track, mark, self.manifest) {
            return Err(ModelError::Input(reason));
        }
        self.padded(stretch, f32::NAN, |readers, region| Ok(readers.values(track, region)?))
    }

    fn tf_expression(&mut self, tfs: &TfSpec) -> Result<Vec<f32>, ModelError> {
        tfs.expression(self.readers.session(), self.sample)
    }

    fn motif_scores(&mut self, tfs: &TfSpec, sequence: &[u8]) -> Result<Vec<f32>, ModelError> {
        match &tfs.motifs {
            Some(motifs) => Ok(motifs.scores(sequence)),
            None => Err(ModelError::Input(NO_MOTIFS.to_owned())),
        }
    }

    fn bases(&mut self, stretch: &Stretch) -> Result<Vec<u8>, ModelError> {
        if let Some(reason) = other_assembly(self.readers.session(), self.manifest) {
            return Err(ModelError::Input(reason));
        }
        self.padded(stretch, b'N', |readers, region| {
            readers.bases(region)?.ok_or_else(|| ModelError::Input("the session has no reference sequence".to_owned()))
        })
    }
}

/// The samples that can feed a network.
pub fn samples_that_feed(session: &Session, manifest: &Manifest) -> Vec<SampleId> {
    (0..session.samples.len()).map(SampleId).filter(|id| missing_input(session, *id, manifest).is_none()).collect()
}

/// The reason why a sample cannot feed a network, or `None` where it can: marks it lacks, all of them named; signals of another
/// kind; DNA without a reference, or of another assembly.
pub fn missing_input(session: &Session, sample: SampleId, manifest: &Manifest) -> Option<String> {
    let marks = || manifest.input.marks.iter().map(String::as_str);
    let missing: Vec<&str> = marks().filter(|mark| session.signal_for(sample, mark).is_none()).collect();
    if !missing.is_empty() {
        return Some(missing_marks(session, sample, &missing));
    }
    let of_mark = |mark: &str| session.signal_for(sample, mark).and_then(|track| other_unit(session, track, mark, manifest));
    if let Some(reason) = marks().find_map(of_mark) {
        return Some(reason);
    }
    let tfs = &manifest.input.tfs;
    if !tfs.is_empty() {
        if tfs.motifs.is_none() {
            return Some(NO_MOTIFS.to_owned());
        }
        if let Err(error) = tfs.expression(session, sample) {
            return Some(error.to_string());
        }
    }
    manifest.input.sequence?;
    match session.genome.fasta {
        None => Some("needs DNA, the session has no reference sequence".to_owned()),
        Some(_) => other_assembly(session, manifest),
    }
}

/// What was measured of a gene, in the unit of a model's output (a class as 0 or 1); `None` where nothing was, or the model predicts
/// a signal.
pub fn measured_output(session: &Session, manifest: &Manifest, sample: SampleId, gene: GeneId) -> Option<f64> {
    let output = &manifest.output;
    if output.signal.is_some() {
        return None;
    }
    let value = session.expression(sample, session.genome.genes.get(gene))?;
    match output.kind {
        OutputKind::Regression => Some((value + output.pseudocount).ln()),
        OutputKind::Binary => {
            let median = || session.samples.get(sample.0)?.expression.as_ref().map(|e| e.median());
            output.threshold.or_else(median).map(|threshold| f64::from(value > threshold))
        }
    }
}

fn other_unit(session: &Session, track: TrackId, mark: &str, manifest: &Manifest) -> Option<String> {
    let (expected, info) = (manifest.input.signal_of(mark), &session.tracks[track.0]);
    let unit = info.unit.filter(|&unit| unit != expected)?;
    Some(format!("{mark} is {unit} ({}); the model was trained on {expected}", info.path.display()))
}

fn other_assembly(session: &Session, manifest: &Manifest) -> Option<String> {
    let (trained, name) = (manifest.assembly.as_ref()?, &session.genome.name);
    let differs = !name.is_empty() && trained != name && !session.genome.is_assembly_assumed;
    let advice = "--assume-assembly, or assume_assembly = true under [genome], lets it read that";
    differs.then(|| format!("the model reads DNA of {trained}; the session's genome is {name} ({advice})"))
}

fn missing_marks(session: &Session, sample: SampleId, missing: &[&str]) -> String {
    let name = session.samples.get(sample.0).map_or("", |s| s.name.as_str());
    let has: Vec<&str> = session.tracks_of(sample).filter_map(|(_, t)| t.mark.as_deref()).collect();
    let missing = missing.join(", ");
    match has.is_empty() {
        true => format!("needs {missing}, sample {name} has no signal"),
        false => format!("needs {missing}, sample {name} has {}", has.join(", ")),
    }
}
