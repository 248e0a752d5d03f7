//! Random numbers that are the same bits everywhere: ChaCha8, one stream a part, and no function of the platform's libm.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The random numbers of one part (a chromosome's layout, one mark of one sample on one chromosome). Parts do not share a
/// stream, so they can be made in any order and on any number of threads.
pub(super) struct Random(ChaCha8Rng);

impl Random {
    pub(super) fn new(seed: u64, part: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        // FNV-1a: a stream number from the part's name.
        rng.set_stream(part.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)));
        Self(rng)
    }

    /// Uniform in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in `low..high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number in `low..high`; `low` where the range is empty.
    pub(super) fn whole(&mut self, low: u64, high: u64) -> u64 {
        low + ((u128::from(self.0.next_u64()) * u128::from(high.saturating_sub(low))) >> 64) as u64
    }

    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of `items`, which must not be empty.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.whole(0, items.len() as u64) as usize]
    }

    /// An index, with chances in proportion to `weights`.
    pub(super) fn weighted(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (i, &weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return i;
            }
        }
        weights.len() - 1
    }

    /// Standard normal, by the polar method.
    pub(super) fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * libm::log(s) / s).sqrt();
            }
        }
    }

    /// exp of a normal of deviation `sigma`: a factor around 1.
    pub(super) fn factor(&mut self, sigma: f64) -> f64 {
        libm::exp(sigma * self.normal())
    }

    /// Poisson counts; above a mean of 30 the rounded normal.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return libm::round(mean + mean.sqrt() * self.normal()).max(0.0) as u32;
        }
        let limit = libm::exp(-mean);
        let (mut count, mut product) = (0, self.unit());
        while product > limit {
            count += 1;
            product *= self.unit();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(mut draw: impl FnMut() -> f64) -> (f64, f64) {
        let values: Vec<f64> = (0..20_000).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        (mean, values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 20_000.0)
    }

    #[test]
    fn moments_are_the_distributions() {
        let mut random = Random::new(1, "test");
        let close = |(mean, var): (f64, f64), m: f64, v: f64| {
            assert!((mean - m).abs() < 4.5 * (v / 20_000.0).sqrt() && (var / v - 1.0).abs() < 0.08, "{mean} {var}, not {m} {v}");
        };
        close(moments(|| random.unit()), 0.5, 1.0 / 12.0);
        close(moments(|| random.normal()), 0.0, 1.0);
        for mean in [0.3, 7.0, 29.9, 30.1, 400.0] {
            close(moments(|| f64::from(random.poisson(mean))), mean, mean);
        }
        close(moments(|| random.whole(3, 7) as f64), 4.5, 1.25);
        close(moments(|| random.weighted(&[1.0, 0.0, 3.0]) as f64), 1.5, 0.75);
        assert_eq!(random.whole(5, 5), 5);
    }

    #[test]
    fn parts_and_seeds_have_their_own_numbers() {
        let first = |seed, part| Random::new(seed, part).0.next_u64();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
        assert_ne!(first(1, "a"), first(2, "a"));
    }
}
