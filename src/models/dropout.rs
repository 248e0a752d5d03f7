//! Dropout with a seed; candle's random numbers on the CPU have none.

use candle_core::{Result, Tensor};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Sets a share of a layer's outputs to 0 while training and scales up the rest.
pub struct Dropout {
    share: f64,
    random: ChaCha8Rng,
}

impl Dropout {
    /// Drops `share` (0 to below 1) of the values, chosen by `seed`.
    pub fn new(share: f64, seed: u64) -> Self {
        Self { share: share.clamp(0.0, 0.99), random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Place in the stream of random numbers: all that what is dropped next depends on, beside share and seed.
    pub fn position(&self) -> u128 {
        self.random.get_word_pos()
    }

    /// Goes on from a [`Dropout::position`].
    pub fn set_position(&mut self, position: u128) {
        self.random.set_word_pos(position);
    }

    /// `x` with other values dropped each time.
    pub fn apply(&mut self, x: &Tensor) -> Result<Tensor> {
        self.apply_scaled(x, 1.0)
    }

    /// As [`Dropout::apply`], with `factor` (0 to 1) times the share: a layer that was published with less dropout than the last one.
    pub fn apply_scaled(&mut self, x: &Tensor, factor: f64) -> Result<Tensor> {
        let share = self.share * factor;
        if share == 0.0 {
            return Ok(x.clone());
        }
        let kept = (1.0 / (1.0 - share)) as f32;
        // Sixteen bits decide about a value: a share to 1 in 65,536, at a fraction of the cost of a number drawn for each.
        let limit = (share * 65_536.0).round() as u16;
        let mut random = vec![0u8; 2 * x.elem_count()];
        self.random.fill_bytes(&mut random);
        let is_dropped = |bits: &[u8; 2]| u16::from_le_bytes(*bits) < limit;
        let mask = random.as_chunks().0.iter().map(|bits| if is_dropped(bits) { 0.0 } else { kept }).collect();
        x * Tensor::from_vec::<_, f32>(mask, x.dims(), x.device())?.to_dtype(x.dtype())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_mean_stays_and_the_seed_decides() {
        let x = Tensor::ones(10_000, candle_core::DType::F64, &Device::Cpu).unwrap();
        let of = |share, seed| Dropout::new(share, seed).apply(&x).unwrap().to_vec1::<f64>().unwrap();
        assert!((of(0.3, 1).iter().sum::<f64>() / 10_000.0 - 1.0).abs() < 0.02);
        assert_eq!(of(0.3, 1), of(0.3, 1));
        assert_ne!(of(0.3, 1), of(0.3, 2));
        assert_eq!(of(0.0, 1), vec![1.0; 10_000]);
    }
}
