//! Whether two places of a window rise and fall together over samples, in one network or beyond what its seed makes.
//!
//! A network couples places by itself: what it learnt by chance reads both, recurrent layers carry on what they read, sparse attention
//! sums to 1. Networks that differ in their seeds alone tell that from what the samples do: one place in one network is compared
//! with the other place in another, which have the samples in common and no seed.

use super::statistics::{dot, standardised};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Orders of samples, drawn once for all tests of a gene.
pub struct Orders(Vec<Vec<usize>>);

impl Orders {
    /// `n` orders of `samples`.
    pub fn draw(samples: usize, n: usize, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..samples).collect();
        let mut next = || {
            order.shuffle(&mut random);
            order.clone()
        };
        Self((0..n).map(|_| next()).collect())
    }

    /// The share of orders that make `statistic` at least as large as samples in their own order do. Orders that change nothing but
    /// rounding count as large.
    fn p(&self, statistic: impl Fn(&[usize]) -> f64) -> f64 {
        let own: Vec<usize> = (0..self.0.first().map_or(0, Vec::len)).collect();
        let found = statistic(&own) - 1e-12;
        (1 + self.0.iter().filter(|order| statistic(order) >= found).count()) as f64 / (1 + self.0.len()) as f64
    }
}

/// A place's values over samples, in a network and its replicates.
pub struct Profile {
    /// Of each network, of length 1; zeros where they are constant.
    networks: Vec<Vec<f64>>,
    /// Their sum.
    sum: Vec<f64>,
}

impl Profile {
    /// Of values by network and sample; `None` where those of the first network are constant.
    pub fn of(values: &[Vec<f64>]) -> Option<Self> {
        standardised(values.first()?)?;
        let or_zeros = |values: &Vec<f64>| standardised(values).unwrap_or_else(|| vec![0.0; values.len()]);
        let networks: Vec<Vec<f64>> = values.iter().map(or_zeros).collect();
        let sum = (0..networks[0].len()).map(|i| networks.iter().map(|of| of[i]).sum()).collect();
        Some(Self { networks, sum })
    }
}

/// How two places go together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Association {
    /// Correlation over samples in the first network.
    pub r: f64,
    /// Where there are replicates: the mean correlation of one place in a network with the other in another.
    pub across: Option<f64>,
    /// One-sided p-value over orders of the samples: that of `r`, or of `across` where it is larger, so that both have to hold.
    pub p: f64,
}

/// Tests two places.
pub fn associate(x: &Profile, y: &Profile, orders: &Orders) -> Association {
    let dot_in = |x: &[f64], y: &[f64], order: &[usize]| order.iter().zip(x).map(|(&i, x)| x * y[i]).sum::<f64>();
    let (first, other) = (&x.networks[0], &y.networks[0]);
    let (r, p) = (dot(first, other), orders.p(|order| dot_in(first, other, order)));
    let n = x.networks.len();
    if n < 2 {
        return Association { r, across: None, p };
    }
    // All pairs of networks less those of a network with itself.
    let across = |order: &[usize]| {
        let own: f64 = x.networks.iter().zip(&y.networks).map(|(x, y)| dot_in(x, y, order)).sum();
        (dot_in(&x.sum, &y.sum, order) - own) / (n * (n - 1)) as f64
    };
    let own: Vec<usize> = (0..first.len()).collect();
    Association { r, across: Some(across(&own)), p: p.max(orders.p(across)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regulation::statistics::{pearson, uniform_p};
    use rand::Rng;

    const SAMPLES: usize = 24;

    /// Two places in three networks: what samples do to both (`shared`), and what the seed of each of the first `coupled` networks
    /// makes of both.
    fn places(random: &mut ChaCha8Rng, shared: f64, seed: f64, coupled: usize) -> [Vec<Vec<f64>>; 2] {
        let mut noise = || (0..SAMPLES).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f64>>();
        let (of_samples, own) = (noise(), [noise(), noise()]);
        let mut places = [Vec::new(), Vec::new()];
        for network in 0..3 {
            let of_seed = noise();
            let by = if network < coupled { seed } else { 0.0 };
            for (place, own) in places.iter_mut().zip(&own) {
                let rest = noise();
                let value = |i: usize| shared * of_samples[i] + by * of_seed[i] + 0.3 * own[i] + 0.3 * rest[i];
                place.push((0..SAMPLES).map(value).collect());
            }
        }
        places
    }

    /// p-values of a hundred such places, by so many of the networks.
    fn p_values(shared: f64, seed: f64, coupled: usize, networks: usize) -> Vec<f64> {
        let (mut random, orders) = (ChaCha8Rng::seed_from_u64(11), Orders::draw(SAMPLES, 499, 1));
        let p = |_| {
            let [x, y] = places(&mut random, shared, seed, coupled).map(|place| Profile::of(&place[..networks]).unwrap());
            associate(&x, &y, &orders).p
        };
        (0..100).map(p).collect()
    }

    fn called(p: &[f64]) -> usize {
        p.iter().filter(|p| **p < 0.05).count()
    }

    #[test]
    fn one_network_alone_is_pearsons_correlation() {
        let rising: Vec<f64> = (0..7).map(f64::from).collect();
        let other = vec![1.0, 0.0, 2.0, 5.0, 4.0, 3.0, 6.0];
        let [x, y] = [&rising, &other].map(|values| Profile::of(std::slice::from_ref(values)).unwrap());
        let orders = Orders::draw(7, 999, 3);
        let found = associate(&x, &y, &orders);
        assert!((found.r - pearson(&rising, &other).unwrap()).abs() < 1e-12 && found.across.is_none());
        // Of 5,040 orders one alone is as large: it may be drawn a few times.
        let same = associate(&x, &x, &orders);
        assert!((same.r - 1.0).abs() < 1e-12 && same.p <= 4.0 / 1_000.0, "{same:?}");
        assert!(Profile::of(&[vec![0.5; 7]]).is_none() && Profile::of(&[]).is_none());
        let p = p_values(0.0, 0.0, 0, 1);
        assert!(uniform_p(&p) > 0.01, "{}", uniform_p(&p));
    }

    #[test]
    fn what_a_seed_makes_of_two_places_is_no_association() {
        for (shared, seed, coupled) in [(1.0, 0.0, 0), (1.0, 0.5, 3)] {
            let found = called(&p_values(shared, seed, coupled, 3));
            assert!(found >= 95, "samples ({shared}) and seeds ({seed}): {found} of 100 found");
        }
        for coupled in [0, 1, 3] {
            let found = called(&p_values(0.0, 1.0, coupled, 3));
            // 100 tests at 0.05: 5 are expected, 11 has p = 0.03.
            assert!(found <= 11, "{coupled} networks couple the places: {found} of 100");
        }
        // The first network alone takes its own coupling for an association: that is what replicates are for.
        assert!(called(&p_values(0.0, 1.0, 1, 1)) >= 95);
    }

    #[test]
    fn the_correlation_across_networks_is_that_of_its_closed_form() {
        let (a, b, flat) = (vec![1.0, -1.0, 0.0, 0.0], vec![0.0, 0.0, 1.0, -1.0], vec![0.5; 4]);
        let of = |networks: &[&Vec<f64>]| Profile::of(&networks.iter().map(|n| (*n).clone()).collect::<Vec<_>>()).unwrap();
        let orders = Orders::draw(4, 99, 1);
        let across = |x: &Profile, y: &Profile| associate(x, y, &orders).across.unwrap();
        assert!((across(&of(&[&a, &a]), &of(&[&a, &a])) - 1.0).abs() < 1e-12, "both networks say the same");
        let alone = associate(&of(&[&a, &flat]), &of(&[&a, &flat]), &orders);
        assert_eq!((alone.r.round(), alone.across, alone.p), (1.0, Some(0.0), 1.0), "the replicate knows neither place");
        assert!(across(&of(&[&a, &b]), &of(&[&a, &b])).abs() < 1e-12, "each network puts both places alike in its own way");
        // Three networks: of six pairs the two of a in one and a in the other are 1.
        assert!((across(&of(&[&a, &a, &b]), &of(&[&a, &a, &b])) - 2.0 / 6.0).abs() < 1e-12);
    }
}
