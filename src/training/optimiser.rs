//! Adam (Kingma and Ba 2015).

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};
use std::collections::BTreeMap;

/// Adam without weight decay.
pub struct Adam {
    /// Step size.
    pub learning_rate: f64,
    /// Longest global norm of a step's gradient; a longer one is shortened to it.
    pub clip: Option<f64>,
    steps: i32,
    /// Decaying means of each variable's gradient and of its square.
    moments: BTreeMap<String, (Tensor, Tensor)>,
}

const MEAN_DECAY: f64 = 0.9;
const SQUARE_DECAY: f64 = 0.999;
const EPSILON: f64 = 1e-8;

impl Adam {
    /// Before its first step.
    pub fn new(learning_rate: f64, clip: Option<f64>) -> Self {
        Self { learning_rate, clip, steps: 0, moments: BTreeMap::new() }
    }

    /// Moves every variable that has a gradient.
    pub fn step(&mut self, variables: &BTreeMap<String, Var>, gradients: &GradStore) -> Result<()> {
        self.steps += 1;
        let scale = match self.clip {
            Some(clip) => (clip / norm(variables, gradients)?.max(f64::MIN_POSITIVE)).min(1.0),
            None => 1.0,
        };
        let rate = self.learning_rate * (1.0 - SQUARE_DECAY.powi(self.steps)).sqrt() / (1.0 - MEAN_DECAY.powi(self.steps));
        // Epsilon stands beside the uncorrected root, so it is corrected as the rate is.
        let epsilon = EPSILON * (1.0 - SQUARE_DECAY.powi(self.steps)).sqrt();
        for (name, variable) in variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            let gradient = (gradient * scale)?;
            let (mean, square) = match self.moments.remove(name) {
                Some(moments) => moments,
                None => (gradient.zeros_like()?, gradient.zeros_like()?),
            };
            let mean = ((mean * MEAN_DECAY)? + (&gradient * (1.0 - MEAN_DECAY))?)?;
            let square = ((square * SQUARE_DECAY)? + (gradient.sqr()? * (1.0 - SQUARE_DECAY))?)?;
            let change = (&mean / (square.sqrt()? + epsilon)?)?;
            variable.set(&(variable.as_tensor() - (change * rate)?)?.detach())?;
            self.moments.insert(name.clone(), (mean.detach(), square.detach()));
        }
        Ok(())
    }
}

fn norm(variables: &BTreeMap<String, Var>, gradients: &GradStore) -> Result<f64> {
    let mut sum = 0.0;
    for gradient in variables.values().filter_map(|v| gradients.get(v)) {
        sum += gradient.sqr()?.sum_all()?.to_dtype(candle_core::DType::F64)?.to_scalar::<f64>()?;
    }
    Ok(sum.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn two_steps_by_hand() {
        // Adam at 0.1 on sum(x^2 * [1, 10]) from [1, -2], by NumPy; the second time with the gradient cut to a norm of 1.
        let free = [[0.9, -1.9], [0.800_412_2, -1.800_166_5]];
        let clipped = [[0.9, -1.9], [0.800_176_9, -1.799_999_7]];
        for (clip, expected) in [(None, free), (Some(1.0), clipped)] {
            let variable = Var::from_tensor(&Tensor::new(&[1f64, -2.0], &Device::Cpu).unwrap()).unwrap();
            let scale = Tensor::new(&[1f64, 10.0], &Device::Cpu).unwrap();
            let variables = BTreeMap::from([("x".to_owned(), variable.clone())]);
            let mut adam = Adam::new(0.1, clip);
            for expected in expected {
                let loss = (variable.sqr().unwrap() * &scale).unwrap().sum_all().unwrap();
                adam.step(&variables, &loss.backward().unwrap()).unwrap();
                let found = variable.to_vec1::<f64>().unwrap();
                assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
            }
        }
    }
}
