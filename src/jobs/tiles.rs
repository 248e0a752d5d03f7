//! A predicted signal along the view (DeepCAGE's accessibility): the bins tiled over it, each read as one window, beside what was
//! measured there and the mean of the training samples, which knows the place and nothing of the sample.

use super::predict::predict_input;
use super::shelf::Shelf;
use super::{LoadModel, Reply, Slot, contained, send};
use crate::genome::{Region, Strand};
use crate::models::{EditedSource, Input, Manifest, Model, OutputKind, SignalTarget, edit_obstacle};
use crate::session::{Edit, Readers, SampleId, Session};
use crate::tracks::while_wanted;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// More bins than this are not predicted: a wider view says to zoom in.
pub const MOST_TILES: u64 = 2_500;
/// Bins kept from earlier views.
const MOST_KEPT: usize = 100_000;
/// Between partial answers.
const PARTIAL: Duration = Duration::from_millis(120);

/// A view to tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiling {
    /// Index of the model in the session.
    pub model: usize,
    /// The sample.
    pub sample: SampleId,
    /// The view.
    pub region: Region,
    /// What is changed before the network reads it.
    pub edits: Arc<[Edit]>,
}

/// A signal in bins, in the unit of the model's output (a class: as probabilities). NaN where a bin is not predicted yet or in a gap of the
/// assembly, and where the sample was not measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    /// The bins, which begin and end it.
    pub bins: Region,
    /// Bases of a bin.
    pub length: u64,
    /// What the network predicts.
    pub predicted: Vec<f32>,
    /// What was measured in the sample.
    pub measured: Vec<f32>,
    /// The mean of what was measured in the samples it was trained on.
    pub mean: Vec<f32>,
    /// Their names, those that the session has.
    pub trained_on: Vec<String>,
    /// Bins predicted so far.
    pub done: usize,
}

impl Tiles {
    /// Whether every bin is predicted.
    pub fn is_complete(&self) -> bool {
        self.done == self.predicted.len()
    }

    /// The bins of a view, nothing predicted yet.
    ///
    /// # Errors
    /// Where the model predicts no signal or the view is too wide.
    fn measure(readers: &mut Readers, manifest: &Manifest, tiling: &Tiling) -> Result<Self, String> {
        let target = manifest.output.signal.as_ref().ok_or_else(|| "the model predicts no signal along the genome".to_owned())?;
        let session = readers.session().clone();
        let len = session.genome.chroms.len_of(&tiling.region.chrom).unwrap_or(0);
        let bins = target.bins(&tiling.region, len);
        let n = (bins.len() / target.length) as usize;
        let mut tiles = Self {
            length: target.length,
            predicted: vec![f32::NAN; n],
            measured: vec![f32::NAN; n],
            mean: vec![f32::NAN; n],
            trained_on: Vec::new(),
            done: 0,
            bins,
        };
        if n == 0 {
            return Ok(tiles);
        }
        // A sample without the signal is predicted all the same.
        if let Ok(levels) = levels(readers, target, manifest, tiling.sample, &tiles.bins) {
            tiles.measured = levels.into_iter().map(|x| x as f32).collect();
        }
        let mut sums = vec![0.0; n];
        for name in &manifest.samples {
            let Some(sample) = session.samples.iter().position(|s| s.name == *name).map(SampleId) else { continue };
            let Ok(levels) = levels(readers, target, manifest, sample, &tiles.bins) else { continue };
            sums.iter_mut().zip(levels).for_each(|(sum, x)| *sum += x);
            tiles.trained_on.push(name.clone());
        }
        if !tiles.trained_on.is_empty() {
            tiles.mean = sums.into_iter().map(|sum| (sum / tiles.trained_on.len() as f64) as f32).collect();
        }
        Ok(tiles)
    }
}

/// What was measured in bins, in the unit of the model's output.
fn levels(
    readers: &mut Readers,
    target: &SignalTarget,
    manifest: &Manifest,
    sample: SampleId,
    bins: &Region,
) -> Result<Vec<f64>, String> {
    let levels = match manifest.output.kind {
        OutputKind::Regression => {
            target.means(readers, sample, bins).map(|means| means.into_iter().map(|x| manifest.output.target(x)).collect())
        }
        OutputKind::Binary => {
            target.open(readers, sample, bins).map(|open| open.into_iter().map(|o| f64::from(u8::from(o))).collect())
        }
    };
    levels.map_err(|e| e.to_string())
}

/// Predicts bins, keeping those of earlier views.
pub(super) struct Tiler<'a> {
    readers: Readers,
    shelf: Shelf<'a>,
    /// Of what `kept` is: the network, the sample, the edits.
    of: Option<(String, SampleId, Arc<[Edit]>)>,
    kept: HashMap<(Arc<str>, u64), f32>,
}

impl<'a> Tiler<'a> {
    pub(super) fn new(session: Arc<Session>, folders: &'a [PathBuf], load: &'a LoadModel) -> Self {
        Self { readers: Readers::new(session), shelf: Shelf::new(folders, load), of: None, kept: HashMap::new() }
    }

    /// Answers requests until the slot closes.
    pub(super) fn serve(&mut self, slot: &Arc<Slot<Tiling>>, replies: &UnboundedSender<Reply>) {
        while let Some((job, tiling)) = slot.take() {
            let wanted = slot.clone();
            while_wanted(move || wanted.is_current(job), || self.work(&tiling, &|| slot.is_current(job), replies));
        }
    }

    pub(super) fn work(&mut self, tiling: &Tiling, is_current: &dyn Fn() -> bool, replies: &UnboundedSender<Reply>) {
        let reply = |tiles| send(replies, Reply::Tiles { tiling: tiling.clone(), tiles });
        let model = match self.shelf.model(tiling.model).0 {
            Ok(model) => model,
            Err(reason) => return reply(Err(reason)),
        };
        let tiled = contained(|| self.tile(&*model, tiling, is_current, &mut |tiles| reply(Ok(Arc::new(tiles.clone())))));
        match tiled.and_then(|r| r) {
            Ok(tiles) if tiles.is_complete() => reply(Ok(Arc::new(tiles))),
            Ok(_) => {}
            // A server that was not waited for any longer is no failure.
            Err(_) if !is_current() => {}
            Err(reason) => reply(Err(reason)),
        }
    }

    /// The bins of a view, as far as they are predicted when something newer is wanted.
    fn tile(
        &mut self,
        model: &dyn Model,
        tiling: &Tiling,
        is_current: &dyn Fn() -> bool,
        report: &mut dyn FnMut(&Tiles),
    ) -> Result<Tiles, String> {
        let of = Some((format!("{:?}", model.manifest()), tiling.sample, tiling.edits.clone()));
        if self.of != of || self.kept.len() > MOST_KEPT {
            self.kept.clear();
            self.of = of;
        }
        let (chrom, kept) = (&tiling.region.chrom, &self.kept);
        let known = |start| kept.get(&(chrom.clone(), start)).copied();
        let tiles = predict_tiles(model, &mut self.readers, tiling, &known, is_current, report)?;
        let starts = (0..tiles.done).map(|i| tiles.bins.start + i as u64 * tiles.length);
        self.kept.extend(starts.zip(&tiles.predicted).map(|(start, x)| ((chrom.clone(), start), *x)));
        Ok(tiles)
    }
}

/// Predicts the bins of a view, from left to right while `is_current`. `known` gives those that were predicted before by where they
/// begin; `report` is called with what there is at once, and now and then.
///
/// # Errors
/// Where the model predicts no signal or its input cannot be read.
pub fn predict_tiles(
    model: &dyn Model,
    readers: &mut Readers,
    tiling: &Tiling,
    known: &dyn Fn(u64) -> Option<f32>,
    is_current: &dyn Fn() -> bool,
    report: &mut dyn FnMut(&Tiles),
) -> Result<Tiles, String> {
    let manifest = model.manifest();
    let mut tiles = Tiles::measure(readers, manifest, tiling)?;
    let mut reported = Instant::now();
    report(&tiles);
    for i in 0..tiles.predicted.len() {
        if !is_current() {
            return Ok(tiles);
        }
        let start = tiles.bins.start + i as u64 * tiles.length;
        tiles.predicted[i] = match known(start) {
            Some(predicted) => predicted,
            None => predict_bin(model, readers, tiling, start + tiles.length / 2)?,
        };
        tiles.done = i + 1;
        if reported.elapsed() > PARTIAL {
            report(&tiles);
            reported = Instant::now();
        }
    }
    Ok(tiles)
}

/// The prediction for the window around a base, in the unit of the output.
fn predict_bin(model: &dyn Model, readers: &mut Readers, tiling: &Tiling, anchor: u64) -> Result<f32, String> {
    let manifest = model.manifest();
    let window = manifest.window_at(tiling.region.chrom.clone(), anchor, Strand::Forward);
    let chrom_len = readers.session().genome.chroms.len_of(window.chrom()).unwrap_or(0);
    if !SignalTarget::is_known(readers, &window.region(chrom_len)).map_err(|e| e.to_string())? {
        return Ok(f32::NAN);
    }
    let is_read = |edit: &&Edit| edit_obstacle(edit, manifest, &window, &tiling.edits).is_none();
    let edits: Vec<Edit> = tiling.edits.iter().filter(is_read).cloned().collect();
    let mut source = EditedSource::new(readers, tiling.sample, manifest, &window, &edits);
    let input = Input::assemble(manifest, &window, &mut source).map_err(|e| e.to_string())?;
    // One that is not a number is an error, and no gap of the assembly.
    predict_input(model, &input).map(|prediction| prediction.output as f32).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::BaseOrder;
    use crate::models::{Batch, ModelError, Output, test_manifest};
    use crate::tracks::SignalUnit;
    use candle_core::{Device, Tensor};
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc::unbounded_channel;

    /// Says how often it was asked.
    struct Counting(Manifest, Arc<AtomicUsize>);

    impl Model for Counting {
        fn manifest(&self) -> &Manifest {
            &self.0
        }

        fn forward(&self, _: &Batch) -> Result<Output, ModelError> {
            let call = self.1.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(Output { score: Tensor::new(&[call as f32], &Device::Cpu)?, attention: None })
        }
    }

    fn manifest() -> Manifest {
        let mut manifest = test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT));
        manifest.samples = ["S01", "S04", "gone"].map(str::to_owned).into();
        manifest.output.pseudocount = 1.0;
        manifest.output.signal = Some(SignalTarget { mark: "DNase".to_owned(), length: 200, unit: SignalUnit::Rpm });
        manifest
    }

    fn session() -> Arc<Session> {
        Arc::new(Session::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data/session.toml")).unwrap())
    }

    fn view(start: u64, end: u64) -> Tiling {
        Tiling { model: 0, sample: SampleId(1), region: Region::new("chr1", start, end), edits: Arc::default() }
    }

    #[test]
    fn predictions_stand_beside_what_was_measured_and_the_mean_of_the_training_samples() {
        let (manifest, mut readers) = (manifest(), Readers::new(session()));
        let model = Counting(manifest.clone(), Arc::default());
        let mut reported = Vec::new();
        let tiling = view(11_050, 13_000);
        let tiles = predict_tiles(&model, &mut readers, &tiling, &|_| None, &|| true, &mut |t| reported.push(t.done)).unwrap();
        assert_eq!((tiles.bins.start, tiles.bins.end, tiles.is_complete()), (11_000, 13_000, true));
        assert_eq!(tiles.predicted, (1..=10).map(|i| i as f32).collect::<Vec<_>>());
        assert_eq!(reported[0], 0, "what was measured is there at once");
        let target = manifest.output.signal.as_ref().unwrap();
        let mut of = |sample: usize| -> Vec<f64> {
            target.means(&mut readers, SampleId(sample), &tiles.bins).unwrap().into_iter().map(f64::ln_1p).collect()
        };
        let [own, first, fourth] = [1, 0, 3].map(&mut of);
        assert!(own.iter().any(|x| *x > 0.5), "{own:?}");
        for i in 0..10 {
            assert!((f64::from(tiles.measured[i]) - own[i]).abs() < 1e-6);
            assert!((f64::from(tiles.mean[i]) - f64::midpoint(first[i], fourth[i])).abs() < 1e-6);
        }
        assert_eq!(tiles.trained_on, ["S01", "S04"]);
        // A sample that was not measured is predicted all the same; the chromosome's last bases are no bin.
        let panel = Tiling { sample: SampleId(7), ..view(3_999_700, 4_000_000) };
        let tiles = predict_tiles(&model, &mut readers, &panel, &|_| None, &|| true, &mut |_| ()).unwrap();
        assert!(tiles.measured.iter().all(|x| x.is_nan()) && tiles.mean.iter().all(|x| x.is_finite()));
        assert_eq!(tiles.bins.end, 4_000_000);
        let genes = Counting(test_manifest(1_000, 1, &[], Some(BaseOrder::ACGT)), Arc::default());
        assert!(predict_tiles(&genes, &mut readers, &tiling, &|_| None, &|| true, &mut |_| ()).is_err());
    }

    /// It was drawn as a gap of the assembly.
    #[test]
    fn a_prediction_that_is_no_number_is_an_error() {
        struct NotANumber(Manifest);

        impl Model for NotANumber {
            fn manifest(&self) -> &Manifest {
                &self.0
            }

            fn forward(&self, _: &Batch) -> Result<Output, ModelError> {
                Ok(Output { score: Tensor::new(&[f32::NAN], &Device::Cpu)?, attention: None })
            }
        }

        let (model, mut readers) = (NotANumber(manifest()), Readers::new(session()));
        let tiles = predict_tiles(&model, &mut readers, &view(11_050, 13_000), &|_| None, &|| true, &mut |_| ());
        assert!(tiles.unwrap_err().contains("NaN is not a finite number"));
    }

    #[test]
    fn what_an_earlier_view_predicted_is_kept_even_of_one_that_was_left() {
        let calls = Arc::new(AtomicUsize::new(0));
        let of_model = calls.clone();
        let load: Box<LoadModel> = Box::new(move |_: &Path| Ok(Box::new(Counting(manifest(), of_model.clone()))));
        let folders = [PathBuf::from("model")];
        let mut tiler = Tiler::new(session(), &folders, &*load);
        let (sender, mut receiver) = unbounded_channel();
        let mut answer = |tiling: &Tiling, most: usize| {
            let before = calls.load(Ordering::SeqCst);
            tiler.work(tiling, &|| calls.load(Ordering::SeqCst) - before < most, &sender);
            let mut last = None;
            while let Ok(Reply::Tiles { tiling: of, tiles }) = receiver.try_recv() {
                assert_eq!(of, *tiling);
                last = Some(tiles.unwrap());
            }
            (calls.load(Ordering::SeqCst) - before, last.unwrap())
        };
        // Left after three of ten bins.
        assert_eq!(answer(&view(25_000, 27_000), 3).0, 3);
        let (asked, tiles) = answer(&view(25_000, 27_000), usize::MAX);
        assert_eq!((asked, tiles.is_complete()), (7, true));
        let (asked, moved) = answer(&view(26_000, 28_000), usize::MAX);
        assert_eq!((asked, &moved.predicted[..5]), (5, &tiles.predicted[5..]));
        // Another sample's predictions are others.
        assert_eq!(answer(&Tiling { sample: SampleId(0), ..view(26_000, 28_000) }, usize::MAX).0, 10);
    }
}
