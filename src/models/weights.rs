//! Where a network's parameters come from: a file, or a seed.

use super::ModelError;
use candle_core::{DType, Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// How a parameter starts where it is not read from a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// One value.
    Constant(f64),
    /// Uniform between minus and plus this.
    Uniform(f64),
    /// Normal around 0 with this standard deviation.
    Normal(f64),
    /// The bias of an LSTM in PyTorch's gate order: 1 for the forget gates (the second quarter), else 0.
    ForgetBias,
}

impl Init {
    /// Glorot and Bengio's uniform distribution.
    pub fn glorot(inputs: usize, outputs: usize) -> Self {
        Self::Uniform((6.0 / (inputs + outputs) as f64).sqrt())
    }

    /// What Torch7 and PyTorch begin dense and convolutional layers with, weights and biases: uniform up to one over the root
    /// of the inputs of a unit.
    pub fn torch(inputs: usize) -> Self {
        Self::Uniform((inputs.max(1) as f64).sqrt().recip())
    }
}

/// Numbers that belong to the weights but are not learnt by gradient.
pub enum Statistic {
    /// From a file: constant.
    Stored(Tensor),
    /// Moved by training.
    Moving(Var),
}

impl Statistic {
    /// Its value, which no gradient flows to.
    pub fn tensor(&self) -> &Tensor {
        match self {
            Self::Stored(tensor) => tensor,
            Self::Moving(variable) => variable.as_tensor(),
        }
    }

    /// Replaces its value by what `f` makes of it; a stored one stays.
    pub fn update(&self, f: impl FnOnce(&Tensor) -> candle_core::Result<Tensor>) -> candle_core::Result<()> {
        let Self::Moving(variable) = self else { return Ok(()) };
        let now = variable.as_detached_tensor();
        variable.set(&f(&now)?.to_dtype(now.dtype())?.detach())
    }
}

/// A network's parameters by name. A builder asks for each with its shape.
pub struct Weights {
    source: Arc<Source>,
    dtype: DType,
    device: Device,
    prefix: String,
}

enum Source {
    /// Constants, and those that were asked for.
    Stored { tensors: HashMap<String, Tensor>, used: Mutex<BTreeMap<String, Tensor>> },
    /// Variables drawn from a seed when first asked for, and statistics.
    Fresh { seed: u64, variables: Mutex<BTreeMap<String, Var>>, statistics: Mutex<BTreeMap<String, Var>> },
}

impl Weights {
    /// Weights from a file, as constants.
    pub fn stored(tensors: HashMap<String, Tensor>, dtype: DType, device: &Device) -> Self {
        Self::new(Source::Stored { tensors, used: Mutex::default() }, dtype, device)
    }

    /// New variables. A parameter's values depend on the seed, its name and its shape only.
    pub fn fresh(seed: u64, dtype: DType, device: &Device) -> Self {
        Self::new(Source::Fresh { seed, variables: Mutex::default(), statistics: Mutex::default() }, dtype, device)
    }

    fn new(source: Source, dtype: DType, device: &Device) -> Self {
        Self { source: Arc::new(source), dtype, device: device.clone(), prefix: String::new() }
    }

    /// Type of the numbers.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the numbers are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameters whose names begin with `prefix` and a dot.
    pub fn within(&self, prefix: &str) -> Self {
        Self {
            source: self.source.clone(),
            dtype: self.dtype,
            device: self.device.clone(),
            prefix: format!("{}{prefix}.", self.prefix),
        }
    }

    /// A parameter.
    ///
    /// # Errors
    /// Where the file has none of that name, one of another shape, or one with a NaN or infinity.
    pub fn get(&self, name: &str, shape: &[usize], init: Init) -> Result<Tensor, ModelError> {
        let name = format!("{}{name}", self.prefix);
        match &*self.source {
            Source::Stored { tensors, used } => {
                let wrong = |found: String| ModelError::Weight { name: name.clone(), expected: format!("{shape:?}"), found };
                let tensor = tensors.get(&name).ok_or_else(|| wrong("nothing".to_owned()))?;
                if tensor.dims() != shape {
                    return Err(wrong(format!("{:?}", tensor.dims())));
                }
                let tensor = tensor.to_dtype(self.dtype)?.to_device(&self.device)?.contiguous()?;
                // The sum of squares is a finite number only where every element is one, short of values no network holds.
                let norm = tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>()?;
                if !norm.is_finite() {
                    return Err(wrong("a value that is not a finite number".to_owned()));
                }
                used.lock().unwrap_or_else(PoisonError::into_inner).insert(name, tensor.clone());
                Ok(tensor)
            }
            Source::Fresh { seed, variables, .. } => {
                let mut variables = variables.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(variable) = variables.get(&name) {
                    return Ok(variable.as_tensor().clone());
                }
                let values = draw(*seed, &name, shape.iter().product(), init);
                let tensor = Tensor::from_vec(values, shape, &self.device)?.to_dtype(self.dtype)?;
                let variable = Var::from_tensor(&tensor)?;
                let tensor = variable.as_tensor().clone();
                variables.insert(name, variable);
                Ok(tensor)
            }
        }
    }

    /// Numbers that training moves without a gradient, as a batch normalisation's running mean: `start` everywhere at first, saved with
    /// the weights.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub fn statistic(&self, name: &str, shape: &[usize], start: f64) -> Result<Statistic, ModelError> {
        let Source::Fresh { statistics, .. } = &*self.source else {
            return Ok(Statistic::Stored(self.get(name, shape, Init::Constant(start))?));
        };
        let name = format!("{}{name}", self.prefix);
        let mut statistics = statistics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(variable) = statistics.get(&name) {
            return Ok(Statistic::Moving(variable.clone()));
        }
        let variable = Var::from_tensor(&Tensor::full(start, shape, &self.device)?.to_dtype(self.dtype)?)?;
        statistics.insert(name, variable.clone());
        Ok(Statistic::Moving(variable))
    }

    /// The statistics a builder asked for, by name: saved beside [`Weights::variables`], never optimised; empty for stored weights.
    pub fn statistics(&self) -> BTreeMap<String, Var> {
        match &*self.source {
            Source::Stored { .. } => BTreeMap::new(),
            Source::Fresh { statistics, .. } => statistics.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Variables and statistics: what is saved.
    pub fn saved(&self) -> BTreeMap<String, Var> {
        self.variables().into_iter().chain(self.statistics()).collect()
    }

    /// The variables a builder asked for, by name; empty for stored weights.
    pub fn variables(&self) -> BTreeMap<String, Var> {
        match &*self.source {
            Source::Stored { .. } => BTreeMap::new(),
            Source::Fresh { variables, .. } => variables.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Names in the file that no builder asked for, sorted.
    pub fn unused(&self) -> Vec<String> {
        let Source::Stored { tensors, used } = &*self.source else { return Vec::new() };
        let used = used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = tensors.keys().filter(|name| !used.contains_key(*name)).cloned().collect();
        names.sort_unstable();
        names
    }
}

fn draw(seed: u64, name: &str, count: usize, init: Init) -> Vec<f64> {
    match init {
        Init::Constant(value) => vec![value; count],
        Init::ForgetBias => (0..count).map(|i| f64::from(u8::from(i / (count / 4).max(1) == 1))).collect(),
        Init::Uniform(limit) => {
            let mut random = stream(seed, name);
            (0..count).map(|_| (random.random::<f64>() * 2.0 - 1.0) * limit).collect()
        }
        Init::Normal(deviation) => {
            let mut random = stream(seed, name);
            // Box and Muller; libm gives the same bits on every machine.
            let mut normal = || {
                let (radius, angle) = (1.0 - random.random::<f64>(), random.random::<f64>() * std::f64::consts::TAU);
                (-2.0 * libm::log(radius)).sqrt() * libm::cos(angle)
            };
            (0..count).map(|_| normal() * deviation).collect()
        }
    }
}

/// FNV-1a: a stream of its own for each name, so that the order of asking does not matter.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)));
    random
}
