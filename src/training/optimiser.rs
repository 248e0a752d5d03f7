//! Gradient descent as the networks were published with it: Adam (Kingma and Ba 2015), plain SGD, RMSprop (Tieleman and Hinton 2012).

use super::TrainingError;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var};
use std::collections::BTreeMap;

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Decays 0.9 and 0.999.
    Adam {
        /// Stands beside the root of the mean square.
        epsilon: f64,
        /// Whether it stands beside the uncorrected root, as in TensorFlow and Keras, or the corrected one, as in PyTorch.
        is_uncorrected: bool,
    },
    /// No momentum.
    Sgd,
    /// As in Torch7: decay 0.99, epsilon 1e-8.
    RmsProp,
}

/// The longest step a gradient may ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// A gradient with a longer global norm is shortened to it.
    Norm(f64),
    /// Each number is brought between minus and plus this.
    Value(f64),
}

/// A rule with its rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent {
    /// The rule.
    pub rule: Rule,
    /// Step size.
    pub rate: f64,
    /// The rate of step t (from 0) is `rate / (1 + decay * t)`, as in Torch7 and Keras.
    pub decay: f64,
    /// Applied to the gradient first.
    pub clip: Option<Clip>,
    /// Coefficient of the sum of squares of every weight with two or more dimensions (not of biases or norms).
    pub l2: f64,
}

/// A rule under way.
pub struct Optimiser {
    descent: Descent,
    steps: u64,
    /// Decaying means of each variable's gradient (Adam) and of its square (Adam, RMSprop).
    moments: BTreeMap<String, [Vec<f32>; 2]>,
}

const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
const RMSPROP_DECAY: f64 = 0.99;
const RMSPROP_EPSILON: f64 = 1e-8;

impl Optimiser {
    /// Before its first step.
    pub fn new(descent: Descent) -> Self {
        Self { descent, steps: 0, moments: BTreeMap::new() }
    }

    /// Moves every variable that has a gradient; running statistics have none. Variables are f32.
    pub fn step(&mut self, variables: &BTreeMap<String, Var>, gradients: &GradStore) -> Result<()> {
        let t = i32::try_from(self.steps + 1).unwrap_or(i32::MAX);
        let rate = self.descent.rate / (1.0 + self.descent.decay * self.steps as f64);
        self.steps += 1;
        let mut found = Vec::new();
        let mut squares = 0.0;
        for (name, variable) in variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            let gradient = match self.descent.l2 != 0.0 && variable.rank() > 1 {
                true => (gradient + (variable.as_tensor() * (2.0 * self.descent.l2))?)?,
                false => gradient.clone(),
            };
            if matches!(self.descent.clip, Some(Clip::Norm(_))) {
                squares += gradient.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            }
            let flat = |x: &Tensor| x.flatten_all()?.to_vec1::<f32>();
            found.push((name, variable, flat(&gradient)?, flat(variable.as_tensor())?));
        }
        let scale = match self.descent.clip {
            Some(Clip::Norm(most)) => (most / squares.sqrt().max(f64::MIN_POSITIVE)).min(1.0) as f32,
            _ => 1.0,
        };
        for (name, variable, mut gradient, mut values) in found {
            match self.descent.clip {
                Some(Clip::Value(most)) => gradient.iter_mut().for_each(|g| *g = g.clamp(-most as f32, most as f32)),
                _ => gradient.iter_mut().for_each(|g| *g *= scale),
            }
            let moments = || [vec![0.0; gradient.len()], vec![0.0; gradient.len()]];
            match self.descent.rule {
                Rule::Adam { epsilon, is_uncorrected } => {
                    let root = (1.0 - SQUARE_DECAY.powi(t)).sqrt();
                    let rate = (rate * root / (1.0 - MEAN_DECAY.powi(t))) as f32;
                    let epsilon = if is_uncorrected { epsilon } else { epsilon * root } as f32;
                    let [mean, square] = self.moments.entry(name.clone()).or_insert_with(moments);
                    adam(&mut values, &gradient, (mean, square), rate, epsilon);
                }
                Rule::Sgd => values.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= rate as f32 * g),
                Rule::RmsProp => {
                    let [_, square] = self.moments.entry(name.clone()).or_insert_with(moments);
                    let (keep, take) = (RMSPROP_DECAY as f32, (1.0 - RMSPROP_DECAY) as f32);
                    for ((w, g), square) in values.iter_mut().zip(&gradient).zip(square) {
                        *square = *square * keep + g * g * take;
                        *w -= rate as f32 * g / (square.sqrt() + RMSPROP_EPSILON as f32);
                    }
                }
            }
            variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
        }
        Ok(())
    }

    /// Steps done.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps done, and each variable's two decaying means.
    pub(super) fn state(&self) -> (u64, &BTreeMap<String, [Vec<f32>; 2]>) {
        (self.steps, &self.moments)
    }

    /// Goes on from [`Optimiser::state`].
    ///
    /// # Errors
    /// Where a mean has not the size of its variable.
    pub(super) fn restore(
        &mut self,
        steps: u64,
        moments: BTreeMap<String, [Vec<f32>; 2]>,
        variables: &BTreeMap<String, Var>,
    ) -> std::result::Result<(), TrainingError> {
        for (name, [a, b]) in &moments {
            let size = variables.get(name).map(|v| v.elem_count());
            if size != Some(a.len()) || size != Some(b.len()) {
                return Err(TrainingError::Data(format!("the checkpoint's state of {name} does not fit the network")));
            }
        }
        (self.steps, self.moments) = (steps, moments);
        Ok(())
    }
}

fn adam(values: &mut [f32], gradient: &[f32], (mean, square): (&mut [f32], &mut [f32]), rate: f32, epsilon: f32) {
    let (keep, take) = (MEAN_DECAY as f32, (1.0 - MEAN_DECAY) as f32);
    let (keep_square, take_square) = (SQUARE_DECAY as f32, (1.0 - SQUARE_DECAY) as f32);
    for (((w, g), mean), square) in values.iter_mut().zip(gradient).zip(mean).zip(square) {
        *mean = *mean * keep + g * take;
        *square = *square * keep_square + g * g * take_square;
        *w -= *mean / (square.sqrt() + epsilon) * rate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Two steps on sum(x^2 * [1, 10]) from [1, -2].
    fn two_steps(descent: Descent) -> [[f32; 2]; 2] {
        let variable = Var::from_tensor(&Tensor::new(&[[1f32, -2.0]], &Device::Cpu).unwrap()).unwrap();
        let scale = Tensor::new(&[[1f32, 10.0]], &Device::Cpu).unwrap();
        let variables = BTreeMap::from([("x".to_owned(), variable.clone())]);
        let mut optimiser = Optimiser::new(descent);
        [0, 1].map(|_| {
            let loss = (variable.sqr().unwrap() * &scale).unwrap().sum_all().unwrap();
            optimiser.step(&variables, &loss.backward().unwrap()).unwrap();
            let found = variable.to_vec2::<f32>().unwrap();
            [found[0][0], found[0][1]]
        })
    }

    #[test]
    fn two_steps_by_hand() {
        let adam = Rule::Adam { epsilon: 1e-8, is_uncorrected: false };
        let plain = Descent { rule: adam, rate: 0.1, decay: 0.0, clip: None, l2: 0.0 };
        // By NumPy, of the published formulas.
        for (descent, expected) in [
            (plain, [[0.9, -1.9], [0.800_412_2, -1.800_166_5]]),
            (Descent { clip: Some(Clip::Norm(1.0)), ..plain }, [[0.9, -1.9], [0.800_176_9, -1.799_999_7]]),
            (
                Descent { rule: Rule::Adam { epsilon: 0.1, is_uncorrected: true }, ..plain },
                [[0.9612574, -1.9073265], [0.9145899, -1.8128829]],
            ),
            (Descent { rule: Rule::Sgd, rate: 0.01, decay: 0.5, ..plain }, [[0.98, -1.6], [0.9669333, -1.3866667]]),
            (Descent { rule: Rule::Sgd, rate: 0.01, clip: Some(Clip::Value(5.0)), ..plain }, [[0.98, -1.95], [0.9604, -1.9]]),
            (Descent { rule: Rule::Sgd, rate: 0.01, l2: 0.5, ..plain }, [[0.97, -1.58], [0.9409, -1.2482]]),
            (Descent { rule: Rule::RmsProp, rate: 0.01, ..plain }, [[0.9, -1.9], [0.832918, -1.8309433]]),
        ] {
            for (found, expected) in two_steps(descent).as_flattened().iter().zip(expected.as_flattened()) {
                assert!((f64::from(*found) - expected).abs() < 2e-6, "{descent:?}: {found} {expected}");
            }
        }
    }
}
