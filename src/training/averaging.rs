//! Weights averaged over the steps of a fit (Polyak and Juditsky 1992), older steps less: they end near the middle of what descent
//! wanders through, where one step's weights are as good as chance has it.

use candle_core::{Result, Tensor, Var};
use std::collections::BTreeMap;

/// A copy of what the variables hold, by name.
pub(super) fn copy(variables: &BTreeMap<String, Var>) -> Result<BTreeMap<String, Tensor>> {
    variables.iter().map(|(name, v)| Ok((name.clone(), v.as_detached_tensor().copy()?))).collect()
}

/// Takes the weights after step `step`, from 1, into their mean, which keeps `decay` of itself: before so many steps are done it is the
/// plain mean of them all.
pub(super) fn take_in(
    mean: &mut BTreeMap<String, Tensor>,
    decay: f64,
    step: u64,
    variables: &BTreeMap<String, Var>,
) -> Result<()> {
    let share = (1.0 - decay).max(1.0 / step as f64);
    for (name, mean) in mean {
        if let Some(variable) = variables.get(name) {
            *mean = (&*mean + ((variable.as_detached_tensor() - &*mean)? * share)?)?;
        }
    }
    Ok(())
}

/// Calls `f` while the variables hold `weights`, and gives them back what they held.
pub(super) fn lend<R>(weights: &BTreeMap<String, Tensor>, variables: &BTreeMap<String, Var>, f: impl FnOnce() -> R) -> Result<R> {
    let own = copy(variables)?;
    set(variables, weights)?;
    let result = f();
    set(variables, &own)?;
    Ok(result)
}

fn set(variables: &BTreeMap<String, Var>, weights: &BTreeMap<String, Tensor>) -> Result<()> {
    weights.iter().try_for_each(|(name, weight)| variables.get(name).map_or(Ok(()), |variable| variable.set(weight)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_mean_of_weights_by_hand() {
        let variable = Var::new(&[0f32, 10.0], &Device::Cpu).unwrap();
        let variables = BTreeMap::from([("w".to_owned(), variable.clone())]);
        let mut mean = copy(&variables).unwrap();
        let mut means = Vec::new();
        for (step, weights) in [[1f32, 20.0], [3.0, 40.0], [5.0, 0.0]].iter().enumerate() {
            variable.set(&Tensor::new(weights, &Device::Cpu).unwrap()).unwrap();
            take_in(&mut mean, 0.5, step as u64 + 1, &variables).unwrap();
            means.push(mean["w"].to_vec1::<f32>().unwrap());
        }
        // The initial weights leave no trace; two steps weigh alike; then each half of what was.
        assert_eq!(means, [[1.0, 20.0], [2.0, 30.0], [3.5, 15.0]]);
        let lent = lend(&mean, &variables, || variable.to_vec1::<f32>().unwrap()).unwrap();
        assert_eq!(lent, [3.5, 15.0]);
        assert_eq!(variable.to_vec1::<f32>().unwrap(), [5.0, 0.0]);
        // A copy is no view.
        variable.set(&Tensor::new(&[7f32, 7.0], &Device::Cpu).unwrap()).unwrap();
        assert_eq!(mean["w"].to_vec1::<f32>().unwrap(), [3.5, 15.0]);
    }
}
