//! Where whole batches are computed: on the processor, where every network has kernels of its own, or on another device, through
//! candle's operations (`layers::composed`), as far as its memory and its life go.

use super::{ActivationMap, Attention, Batch, Commands, Manifest, Model, ModelError, Output, Structure, open_model};
use candle_core::{DType, Device, Tensor};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Windows that are put on a device together before any smaller number was asked for by its memory.
const MOST_WINDOWS: usize = 4_096;
/// Numbers of the windows of a call that methods make for a device: 64 MB, some 400 windows of 10,000 bases.
const NUMBERS_PER_CALL: usize = 16 << 20;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first of CUDA and Metal that is there, else the processor.
    Auto,
    /// The processor.
    #[default]
    Cpu,
    /// A CUDA device by its number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("cuda:").map(str::parse)) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            (_, Some(Ok(index))) => Ok(Self::Cuda(index)),
            ("metal", _) => Ok(Self::Metal),
            _ => Err("auto, cpu, cuda, cuda:N or metal".to_owned()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

impl DeviceChoice {
    /// The device, and for [`DeviceChoice::Auto`] why it is the processor, where it is. `no_cuda` says why this program was built
    /// without CUDA.
    ///
    /// # Errors
    /// Where the device that was named is not there: the reason.
    pub fn open(self, no_cuda: &dyn Fn() -> String) -> Result<(Device, Option<String>), String> {
        self.open_with(&|choice| device_of(choice, no_cuda))
    }

    fn open_with(self, open: &dyn Fn(Self) -> Result<Device, String>) -> Result<(Device, Option<String>), String> {
        if self != Self::Auto {
            return open(self).map(|device| (device, None)).map_err(|reason| format!("--device {self}: {reason}"));
        }
        let mut reasons = Vec::new();
        for choice in [Self::Cuda(0), Self::Metal] {
            match open(choice) {
                Ok(device) => return Ok((device, None)),
                Err(reason) => reasons.push(format!("{choice}: {reason}")),
            }
        }
        Ok((Device::Cpu, Some(format!("computed on the processor ({})", reasons.join("; ")))))
    }
}

fn device_of(choice: DeviceChoice, no_cuda: &dyn Fn() -> String) -> Result<Device, String> {
    // A driver that is not what the library expects may panic where it is first spoken to.
    let contained = |open: &dyn Fn() -> candle_core::Result<Device>| {
        crate::tracks::contain_panic(open).and_then(|device| device.map_err(|e| e.to_string()))
    };
    match choice {
        DeviceChoice::Auto | DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(_) if !cfg!(feature = "cuda") => Err(no_cuda()),
        DeviceChoice::Metal if !cfg!(feature = "metal") => Err("this program was built without it (--features metal)".to_owned()),
        DeviceChoice::Cuda(index) => contained(&|| Device::new_cuda(index)),
        DeviceChoice::Metal => contained(&|| Device::new_metal(0)),
    }
}

/// A model of a folder on a device. On the processor it is the network itself, with its exact kernels.
///
/// # Errors
/// As [`open_model`].
pub fn open_model_on(folder: &Path, device: &Device, name: &str, commands: Commands) -> Result<Box<dyn Model>, ModelError> {
    let model = open_model(folder, &Device::Cpu, commands)?;
    if device.is_cpu() || model.manifest().architecture == super::EXTERNAL {
        return Ok(model);
    }
    let there = open_model(folder, device, commands)?;
    Ok(Box::new(OnDevice::new(there, device.clone(), name, model)))
}

/// A network on another device, with the same one on the processor behind it. Batches go over in as large pieces as the device has
/// memory for; where the device fails, the processor goes on.
pub struct OnDevice {
    there: Box<dyn Model>,
    device: Device,
    name: String,
    here: Box<dyn Model>,
    /// Windows that fit into its memory, as far as is known; 0 once the device is lost.
    fits: AtomicUsize,
    /// Why the device is no longer used.
    lost: Mutex<Option<String>>,
}

impl OnDevice {
    /// `there` on `device`, `here` on the processor.
    pub fn new(there: Box<dyn Model>, device: Device, name: &str, here: Box<dyn Model>) -> Self {
        let (fits, lost) = (AtomicUsize::new(MOST_WINDOWS), Mutex::default());
        Self { there, device, name: name.to_owned(), here, fits, lost }
    }

    /// Runs a batch piece by piece on the device, halving pieces that do not fit; from the first other failure on the processor.
    fn run<T>(
        &self,
        batch: &Batch,
        run: &dyn Fn(&dyn Model, &Batch) -> Result<T, ModelError>,
        bring_back: &dyn Fn(T) -> candle_core::Result<T>,
    ) -> Result<Vec<T>, ModelError> {
        let (n, mut from, mut done) = (batch.len(), 0, Vec::new());
        while from < n {
            let fits = self.fits.load(Ordering::Relaxed);
            if fits == 0 {
                let rest = batch.try_map(|x| x.narrow(0, from, n - from))?.on(&Device::Cpu)?;
                done.push(run(&*self.here, &rest)?);
                break;
            }
            let len = fits.min(n - from);
            let piece = batch.try_map(|x| x.narrow(0, from, len))?;
            let result = piece.try_map(|x| x.contiguous()?.to_device(&self.device)).map_err(ModelError::from);
            match result.and_then(|piece| Ok(bring_back(run(&*self.there, &piece)?)?)) {
                Ok(result) => {
                    done.push(result);
                    from += len;
                }
                Err(error) if is_out_of_memory(&error) && len > 1 => self.fits.store(len / 2, Ordering::Relaxed),
                Err(error) => {
                    // Windows made on a device are lost with it: whoever made them makes them again.
                    let piece = piece.on(&Device::Cpu).inspect_err(|_| self.lose(&error))?;
                    // What the network refuses it refuses on the processor too, and the device is not to blame.
                    done.push(run(&*self.here, &piece)?);
                    from += len;
                    self.lose(&error);
                }
            }
        }
        Ok(done)
    }

    /// The device is no longer used, because of `error`.
    fn lose(&self, error: &ModelError) {
        self.fits.store(0, Ordering::Relaxed);
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }
}

/// Whether a device says that something was too large for it.
fn is_out_of_memory(error: &ModelError) -> bool {
    let text = error.to_string().to_lowercase();
    text.contains("out of memory") || text.contains("out_of_memory")
}

impl Model for OnDevice {
    fn manifest(&self) -> &Manifest {
        self.here.manifest()
    }

    fn dtype(&self) -> DType {
        self.here.dtype()
    }

    fn structure(&self) -> Structure {
        self.here.structure()
    }

    fn published_output(&self, score: f64) -> Vec<f64> {
        self.here.published_output(score)
    }

    fn activation_map(&self, batch: &Batch) -> Result<Option<ActivationMap>, ModelError> {
        self.here.activation_map(batch)
    }

    fn device_note(&self) -> Option<String> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        Some(match &*lost {
            None => self.name.clone(),
            Some(reason) => format!("on the processor: {} failed ({reason})", self.name),
        })
    }

    fn device(&self) -> Option<&Device> {
        (self.fits.load(Ordering::Relaxed) > 0).then_some(&self.device)
    }

    fn windows_per_call(&self) -> Option<usize> {
        let fits = self.fits.load(Ordering::Relaxed);
        let (window, input) = (&self.manifest().window, &self.manifest().input);
        let (dna, bins) = (4 * usize::from(input.sequence.is_some()), window.length / input.bin_size.max(1));
        let numbers = window.length as usize * dna + bins as usize * input.marks.len();
        (fits > 0).then(|| (NUMBERS_PER_CALL / numbers.max(1)).clamp(1, fits))
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let outputs = self.run(batch, &|model, batch| model.forward(batch), &|output| on_processor(&output))?;
        Ok(joined(&outputs)?)
    }

    fn gradient(&self, batch: &Batch) -> Result<(Output, Batch), ModelError> {
        let back = |(output, gradient): (Output, Batch)| {
            let parts = gradient.parts();
            let mut there = [const { None }; super::N_INPUTS];
            for (there, part) in there.iter_mut().zip(parts) {
                *there = part.map(|x| x.to_device(&Device::Cpu)).transpose()?;
            }
            Ok((on_processor(&output)?, Batch::from_parts(there)))
        };
        joined_gradients(self.run(batch, &|model, batch| model.gradient(batch), &back)?)
    }
}

fn each_attention(
    attention: &Attention,
    mut map: impl FnMut(&Tensor) -> candle_core::Result<Tensor>,
) -> candle_core::Result<Attention> {
    Ok(match attention {
        Attention::Bins(weights) => Attention::Bins(map(weights)?),
        Attention::Marks(alpha) => Attention::Marks(map(alpha)?),
        Attention::Hierarchical { alpha, beta } => Attention::Hierarchical { alpha: map(alpha)?, beta: map(beta)? },
    })
}

fn on_processor(output: &Output) -> candle_core::Result<Output> {
    let there = |x: &Tensor| x.to_device(&Device::Cpu);
    let attention = output.attention.as_ref().map(|attention| each_attention(attention, there)).transpose()?;
    Ok(Output { score: there(&output.score)?, attention })
}

/// Outputs of the pieces of a batch as one.
fn joined(outputs: &[Output]) -> candle_core::Result<Output> {
    let [first, rest @ ..] = outputs else { candle_core::bail!("an empty batch") };
    let score = Tensor::cat(&outputs.iter().map(|o| &o.score).collect::<Vec<_>>(), 0)?;
    let Some(mut attention) = first.attention.clone() else { return Ok(Output { score, attention: None }) };
    for other in rest.iter().filter_map(|o| o.attention.as_ref()) {
        let others: Vec<&Tensor> = match other {
            Attention::Bins(x) | Attention::Marks(x) => vec![x],
            Attention::Hierarchical { alpha, beta } => vec![alpha, beta],
        };
        let mut others = others.into_iter();
        attention = each_attention(&attention, |x| others.next().map_or_else(|| Ok(x.clone()), |y| Tensor::cat(&[x, y], 0)))?;
    }
    Ok(Output { score, attention: Some(attention) })
}

/// Outputs and gradients of the pieces of a batch as one.
pub(super) fn joined_gradients(pieces: Vec<(Output, Batch)>) -> Result<(Output, Batch), ModelError> {
    let (outputs, gradients): (Vec<Output>, Vec<Batch>) = pieces.into_iter().unzip();
    let mut parts = [const { None }; super::N_INPUTS];
    for (i, part) in parts.iter_mut().enumerate() {
        let of: Vec<&Tensor> = gradients.iter().filter_map(|g| g.parts()[i]).collect();
        *part = if of.is_empty() { None } else { Some(Tensor::cat(&of, 0)?) };
    }
    Ok((joined(&outputs)?, Batch::from_parts(parts)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Weights, architecture, test_manifest};
    use std::sync::Arc;

    /// A device that holds so many windows, and is lost after so many calls.
    struct Fake {
        network: Box<dyn Model>,
        holds: usize,
        calls_left: AtomicUsize,
        pieces: Arc<Mutex<Vec<usize>>>,
    }

    impl Model for Fake {
        fn manifest(&self) -> &Manifest {
            self.network.manifest()
        }

        fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
            if batch.len() > self.holds {
                return Err(candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".to_owned()).into());
            }
            if self.calls_left.load(Ordering::Relaxed) == 0 {
                return Err(candle_core::Error::Msg("DriverError(CUDA_ERROR_DEVICE_UNAVAILABLE)".to_owned()).into());
            }
            self.calls_left.fetch_sub(1, Ordering::Relaxed);
            self.pieces.lock().unwrap().push(batch.len());
            self.network.forward(batch)
        }
    }

    fn network() -> Box<dyn Model> {
        let manifest = Manifest {
            sizes: architecture("attentive-chrome").unwrap().default_manifest().sizes,
            ..test_manifest(1_000, 100, &["a", "b"], None)
        };
        (architecture("attentive-chrome").unwrap().build)(&Weights::fresh(1, DType::F32, &Device::Cpu), manifest).unwrap()
    }

    fn batch(n: usize) -> Batch {
        let x = Tensor::arange(0f32, (n * 20) as f32, &Device::Cpu).unwrap().reshape((n, 10, 2)).unwrap();
        Batch { marks: Some((x / 10.0).unwrap()), ..Batch::default() }
    }

    fn fake(holds: usize, calls: usize) -> (OnDevice, Arc<Mutex<Vec<usize>>>) {
        let pieces = Arc::new(Mutex::new(Vec::new()));
        let there = Fake { network: network(), holds, calls_left: AtomicUsize::new(calls), pieces: pieces.clone() };
        (OnDevice::new(Box::new(there), Device::Cpu, "cuda:0", network()), pieces)
    }

    /// Scores and all attention of a batch.
    fn numbers(output: &Output) -> Vec<f32> {
        let Some(Attention::Hierarchical { alpha, beta }) = &output.attention else { panic!("hierarchical") };
        [&output.score, alpha, beta].into_iter().flat_map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap()).collect()
    }

    #[test]
    fn a_device_with_little_memory_takes_smaller_pieces_and_says_the_same() {
        let (model, pieces) = fake(3, usize::MAX);
        let expected = numbers(&network().forward(&batch(11)).unwrap());
        assert_eq!(numbers(&model.forward(&batch(11)).unwrap()), expected);
        // 11 and 5 do not fit, 2 does, and is remembered.
        assert_eq!(*pieces.lock().unwrap(), [2, 2, 2, 2, 2, 1]);
        model.forward(&batch(4)).unwrap();
        assert_eq!(pieces.lock().unwrap()[6..], [2, 2]);
        assert_eq!(model.device_note().as_deref(), Some("cuda:0"));
    }

    #[test]
    fn a_device_that_is_lost_leaves_the_rest_to_the_processor_and_says_so() {
        let (model, pieces) = fake(2, 2);
        let expected = numbers(&network().forward(&batch(9)).unwrap());
        assert_eq!(numbers(&model.forward(&batch(9)).unwrap()), expected);
        assert_eq!(*pieces.lock().unwrap(), [2, 2]);
        let note = model.device_note().unwrap();
        assert!(note.starts_with("on the processor: cuda:0 failed (") && note.contains("DEVICE_UNAVAILABLE"), "{note}");
        model.forward(&batch(5)).unwrap();
        assert_eq!(pieces.lock().unwrap().len(), 2, "a lost device is not asked again");
        // One that does not hold a single window is lost, too.
        let (model, _) = fake(0, 9);
        assert_eq!(numbers(&model.forward(&batch(9)).unwrap()), expected);
        assert!(model.device_note().unwrap().contains("OUT_OF_MEMORY"));
    }

    #[test]
    fn gradients_are_joined_as_outputs_are() {
        let (model, _) = fake(2, usize::MAX);
        let there = network();
        let of = |model: &dyn Model| {
            let (output, gradient) = model.gradient(&batch(5)).unwrap();
            (numbers(&output), gradient.marks.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap())
        };
        let ((output, gradient), (whole, of_whole)) = (of(&model), of(&*there));
        // Parts of a batch are multiplied in another order: the rounding of f32 at values near one.
        let is_near = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(is_near(&output, &whole) && is_near(&gradient, &of_whole));
    }

    #[test]
    fn automatic_choice_says_why_it_is_the_processor() {
        let (device, why) = DeviceChoice::Auto.open_with(&|choice| Err(format!("no driver for {choice}"))).unwrap();
        assert!(device.is_cpu());
        assert_eq!(why.unwrap(), "computed on the processor (cuda:0: no driver for cuda:0; metal: no driver for metal)");
        assert_eq!(DeviceChoice::Auto.open_with(&|_| Ok(Device::Cpu)).unwrap().1, None);
        let refused = DeviceChoice::Cuda(3).open_with(&|_| Err("gone".to_owned())).unwrap_err();
        assert_eq!(refused, "--device cuda:3: gone");
        for text in ["auto", "cpu", "cuda:0", "cuda:2", "metal"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        assert!("gpu".parse::<DeviceChoice>().is_err() && "cuda:x".parse::<DeviceChoice>().is_err());
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn what_was_not_built_in_is_refused_by_name() {
        let no_cuda = || "nothing beside it".to_owned();
        assert_eq!(DeviceChoice::Cuda(0).open(&no_cuda).unwrap_err(), "--device cuda:0: nothing beside it");
        let (device, why) = DeviceChoice::Auto.open(&no_cuda).unwrap();
        assert!(device.is_cpu() == why.is_some() || cfg!(feature = "metal"));
    }
}
