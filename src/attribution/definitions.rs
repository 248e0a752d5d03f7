//! Methods against their definitions, computed here in plain arithmetic: edited windows, gradients, integrals.

use super::baseline::shuffled;
use super::shuffle::draw;
use super::{Attribution, Baseline, Options, Rule, method, run_whole};
use crate::genome::{BaseOrder, Strand, Stretch};
use crate::models::layers::{Linear, relu};
use crate::models::{Batch, Input, InputSource, Manifest, Model, ModelError, Output, Structure, test_manifest};
use candle_core::{DType, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Dense layers over the DNA and then the marks, rectifiers or tanh between them.
struct Net {
    manifest: Manifest,
    /// Rows of weights of each layer, the bias last.
    layers: Vec<Vec<Vec<f64>>>,
    is_smooth: bool,
}

/// The network's channels of DNA; those of results are A,C,G,T.
const CHANNELS: [u8; 4] = *b"AGCT";

impl Net {
    /// Random weights, whole 32nds: with rectifiers everything is exact in f64, and gradients in f32.
    fn drawn(length: u64, hidden: &[usize], is_smooth: bool, seed: u64) -> Self {
        let mut random = draw(seed, 0);
        let mut inputs = 6 * length as usize;
        let mut layers = Vec::new();
        for &units in hidden.iter().chain(&[1]) {
            let mut row = || -> Vec<f64> { (0..=inputs).map(|_| f64::from(random.random_range(-8..=8_i32)) / 32.0).collect() };
            layers.push((0..units).map(|_| row()).collect::<Vec<_>>());
            inputs = units;
        }
        Self { manifest: test_manifest(length, 1, &["a", "b"], Some(BaseOrder::AGCT)), layers, is_smooth }
    }

    /// A rectified network of two numbers, marks at one base, and the window where they are 1 and 2.
    fn of_two(layers: &[&[&[f64]]]) -> (Self, Input) {
        let layers = layers.iter().map(|rows| rows.iter().map(|row| row.to_vec()).collect()).collect();
        let net = Self { manifest: test_manifest(1, 1, &["a", "b"], None), layers, is_smooth: false };
        let mut input = window(&net, 1);
        input.marks = vec![1.0, 2.0];
        (net, input)
    }

    /// The first layer's units before their rectifier or tanh.
    fn units(&self, x: &[f64]) -> Vec<f64> {
        self.layers[0].iter().map(|row| weighted(row, x)).collect()
    }

    /// F of a network of two layers.
    fn score(&self, x: &[f64]) -> f64 {
        let passed = |a: f64| if self.is_smooth { a.tanh() } else { a.max(0.0) };
        weighted(&self.layers[1][0], &self.units(x).into_iter().map(passed).collect::<Vec<_>>())
    }

    fn gradient_at(&self, x: &[f64]) -> Vec<f64> {
        let slope = |a: f64| if self.is_smooth { 1.0 - a.tanh().powi(2) } else { f64::from(u8::from(a > 0.0)) };
        let slopes: Vec<f64> = self.units(x).into_iter().zip(&self.layers[1][0]).map(|(a, w)| slope(a) * w).collect();
        (0..x.len()).map(|i| self.layers[0].iter().zip(&slopes).map(|(row, s)| row[i] * s).sum::<f64>()).collect()
    }

    /// `(x - from)` times the mean gradient between the two, by midpoints.
    fn path_integral(&self, from: &[f64], x: &[f64], steps: usize) -> Vec<f64> {
        let mut mean = vec![0.0; x.len()];
        for step in 0..steps {
            let at = (step as f64 + 0.5) / steps as f64;
            let point: Vec<f64> = from.iter().zip(x).map(|(from, x)| from + at * (x - from)).collect();
            mean.iter_mut().zip(self.gradient_at(&point)).for_each(|(mean, g)| *mean += g / steps as f64);
        }
        mean.iter().zip(from.iter().zip(x)).map(|(mean, (from, x))| mean * (x - from)).collect()
    }
}

/// The sum of `x` by the weights of a row, with its bias.
fn weighted(row: &[f64], x: &[f64]) -> f64 {
    row.iter().zip(x.iter().chain(&[1.0])).map(|(w, x)| w * x).sum()
}

impl Model for Net {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn structure(&self) -> Structure {
        Structure { has_relu: !self.is_smooth, is_feed_forward: true, ..Structure::default() }
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        let parts = batch.parts().into_iter().flatten().map(|x| x.flatten_from(1)).collect::<Result<Vec<_>, _>>()?;
        let mut x = Tensor::cat(&parts, 1)?;
        let ones = Tensor::ones((batch.len(), 1), DType::F64, x.device())?;
        for (i, rows) in self.layers.iter().enumerate() {
            if i > 0 {
                x = if self.is_smooth { x.tanh()? } else { relu(&x)? };
            }
            let weight = Tensor::from_vec(rows.concat(), (rows.len(), ()), x.device())?;
            x = Linear { weight, bias: None }.forward(&Tensor::cat(&[&x, &ones], 1)?)?;
        }
        Ok(Output { score: x.squeeze(1)?, attention: None })
    }
}

/// A window of random bases, and of marks that are whole eighths up to 2.
fn window(net: &Net, seed: u64) -> Input {
    struct Drawn(ChaCha8Rng);
    impl InputSource for Drawn {
        fn mark(&mut self, _: &str, stretch: &Stretch) -> Result<Vec<f32>, ModelError> {
            Ok((0..stretch.len).map(|_| f32::from(self.0.random_range(0..=16_u8)) / 8.0).collect())
        }

        fn bases(&mut self, stretch: &Stretch) -> Result<Vec<u8>, ModelError> {
            Ok((0..stretch.len).map(|_| CHANNELS[self.0.random_range(0..4_usize)]).collect())
        }
    }
    let window = net.manifest.window_at("c".into(), 1_000, Strand::Forward);
    Input::assemble(&net.manifest, &window, &mut Drawn(draw(seed, 1))).unwrap()
}

fn with_bases(input: &Input, bases: &[u8]) -> Input {
    let mut input = input.clone();
    input.sequence = Some(bases.to_vec());
    input
}

/// What the network reads of a window.
fn numbers(input: &Input) -> Vec<f64> {
    let one_hot = |base: &u8| CHANNELS.map(|channel| f64::from(u8::from(channel == *base)));
    input.sequence.iter().flatten().flat_map(one_hot).chain(input.marks.iter().map(|&v| f64::from(v))).collect()
}

fn explain(name: &str, net: &Net, input: &Input, options: &Options) -> Attribution {
    run_whole(method(name).unwrap(), net, input, options).unwrap()
}

/// Every value of a result, as the network reads them.
fn values(result: &Attribution) -> Vec<f64> {
    let dna = result.sequence.iter().flatten().flat_map(|row| [row[0], row[2], row[1], row[3]]);
    dna.chain(result.marks.iter().flatten().copied()).map(f64::from).collect()
}

/// Results are stored in f32, rounded by half its epsilon; 1e-12 is room for f64 sums of numbers near 1.
const STORED: f64 = f32::EPSILON as f64;

#[track_caller]
fn assert_stored(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= STORED * expected.abs() + 1e-12, "value {i}: {found}, not {expected}");
    }
}

#[test]
fn edits_change_f_as_a_window_edited_by_hand_does() {
    let (net, motif, tss) = (Net::drawn(24, &[8], false, 1), &b"TGA"[..], 12);
    let mut bases = window(&net, 1).sequence.unwrap();
    // Only N moves out of the window, so that what is put in can be taken out.
    bases[..3].fill(b'N');
    bases[21..].fill(b'N');
    let input = with_bases(&window(&net, 1), &bases);
    let score = |bases: &[u8]| net.score(&numbers(&with_bases(&input, bases)));
    let cut = |at: usize, end: usize| {
        let (before, after, gap) = (&bases[..at], &bases[end..], vec![b'N'; end - at]);
        if end <= tss { [&gap[..], before, after].concat() } else { [before, after, &gap[..]].concat() }
    };
    let inserted = |at: usize| match at <= tss {
        true => (at >= 3).then(|| [&bases[3..at], motif, &bases[at..]].concat()),
        false => (at <= 21).then(|| [&bases[..at], motif, &bases[at..21]].concat()),
    };
    let written = |at: usize| (at <= 21).then(|| [&bases[..at], motif, &bases[at + 3..]].concat());
    for block in [3, 5, 11] {
        let options = Options { block, motif: motif.to_vec(), ..Options::default() };
        let results = ["deletion", "insertion", "motif-insertion"].map(|name| explain(name, &net, &input, &options));
        for at in (0..24).step_by(block) {
            let end = (at + block).min(24);
            for (result, edited) in results.iter().zip([Some(cut(at, end)), inserted(at), written(at)]) {
                let found: f64 = values(result)[4 * at..4 * end].iter().sum();
                match edited {
                    Some(edited) => assert_stored(&[found], &[score(&edited) - score(&bases)]),
                    None => assert!(found.is_nan(), "{} at {at} of {block}: {found}", result.method),
                }
            }
        }
        assert!(results.iter().all(|result| result.score == score(&bases) && result.sum() != 0.0));
    }
    for at in (3..24).step_by(3) {
        let (edited, there) = (inserted(at).unwrap(), if at <= tss { at - 3 } else { at });
        let back = explain("deletion", &net, &with_bases(&input, &edited), &Options { block: 3, ..Options::default() });
        assert_eq!(back.score, score(&edited));
        assert_stored(&[values(&back)[4 * there..4 * (there + 3)].iter().sum()], &[score(&bases) - back.score]);
    }
    for at in 0..=21 {
        let options = Options { block: 1, motif: bases[at..at + 3].to_vec(), ..Options::default() };
        let rows = explain("motif-insertion", &net, &input, &options).sequence.unwrap();
        assert_eq!(rows[at], [0.0; 4], "the motif that stands at {at}");
        assert!(rows.iter().flatten().any(|v| v.is_finite() && *v != 0.0));
    }
}

#[test]
fn marginalisation_is_an_expectation() {
    let net = Net::drawn(7, &[], false, 2);
    let weight = |p: usize, base: u8| net.layers[0][0][4 * p + CHANNELS.iter().position(|c| *c == base).unwrap()];
    let options = Options { motif: b"TTT".to_vec(), samples: 3_000, ..Options::default() };
    let result = explain("marginalisation", &net, &with_bases(&window(&net, 2), b"ACAGATA"), &options);
    // Shuffles are A.A.A.A with C, G and T in any order: at the middle each of them as often.
    let middle = (*b"CGT").map(|base| weight(3, base));
    let mean = middle.iter().sum::<f64>() / 3.0;
    let error = (middle.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / 3.0 / 3_000.0).sqrt();
    let expected = (2..5).map(|p| weight(p, b'T')).sum::<f64>() - weight(2, b'A') - mean - weight(4, b'A');
    // Four standard errors of a mean of 3,000; of their spread a tenth is more than five.
    assert!((result.sum() - expected).abs() <= 4.0 * error + 1e-6, "{} {expected} {error}", result.sum());
    assert!((result.standard_error.unwrap() - error).abs() <= 0.1 * error, "{:?} {error}", result.standard_error);
    // Nothing where the network does not look.
    let mut net = Net::drawn(12, &[8], false, 4);
    let (input, options) = (window(&net, 4), Options { motif: b"TGA".to_vec(), ..Options::default() });
    assert!(explain("marginalisation", &net, &input, &options).sum() != 0.0);
    net.layers[0].iter_mut().for_each(|row| row[4 * 5..4 * 8].fill(0.0));
    let result = explain("marginalisation", &net, &input, &options);
    assert!(values(&result).iter().all(|v| *v == 0.0) && result.standard_error == Some(0.0), "{result:?}");
}

#[test]
fn a_corrected_gradient_lacks_the_mean_over_bases() {
    for net in [Net::drawn(12, &[12], false, 5), Net::drawn(12, &[5], true, 5)] {
        let input = window(&net, 5);
        let mut expected = net.gradient_at(&numbers(&input));
        assert!(expected.iter().any(|v| *v != 0.0));
        assert_stored(&values(&explain("saliency", &net, &input, &Options::default())), &expected);
        for row in expected[..48].chunks_exact_mut(4) {
            let mean = row.iter().sum::<f64>() / 4.0;
            row.iter_mut().for_each(|v| *v -= mean);
        }
        let found = values(&explain("corrected-gradient", &net, &input, &Options::default()));
        assert_stored(&found, &expected);
        for row in found[..48].chunks_exact(4) {
            // Of the rectified network nothing is rounded; of the other, four values by half an epsilon.
            let limit = if net.is_smooth { 2.0 * STORED * row.iter().fold(0.0, |a: f64, v| a.max(v.abs())) } else { 1e-12 };
            assert!(row.iter().sum::<f64>().abs() <= limit, "{row:?}");
        }
    }
}

#[test]
fn integrated_gradients_are_the_path_integral() {
    let net = Net::drawn(12, &[5], true, 6);
    let input = window(&net, 6);
    let x = numbers(&input);
    for (baseline, dna) in [(Baseline::Zero, 0.0), (Baseline::Uniform, 0.25)] {
        let from: Vec<f64> = (0..72).map(|i| if i < 48 { dna } else { 0.0 }).collect();
        let by = |rule| explain("ig", &net, &input, &Options { rule, n_steps: 32, baseline, ..Options::default() });
        let result = by(Rule::GaussLegendre);
        assert!(result.gap.unwrap() <= 1e-6 && by(Rule::Midpoint).gap.unwrap() > 1e-6, "{baseline} {:?}", result.gap);
        // 10,000 midpoints are off by less than 1e-9; the rest is that results are stored in f32.
        let expected = net.path_integral(&from, &x, 10_000);
        let (found, largest) = (values(&result), expected.iter().fold(0.0, |a: f64, v| a.max(v.abs())));
        let (sum, change) = (found.iter().sum::<f64>(), net.score(&x) - net.score(&from));
        assert!((sum - change).abs() <= 1e-6 * (change.abs() + largest), "{baseline}: {sum} {change}");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * largest, "{baseline}: {found} {expected}");
        }
    }
}

#[test]
fn integrated_gradients_treat_like_inputs_alike_and_unused_ones_as_nothing() {
    let mut net = Net::drawn(12, &[5], true, 7);
    let (mut input, dna) = (window(&net, 7), 48);
    for p in 0..12 {
        net.layers[0].iter_mut().for_each(|row| row[dna + 2 * p + 1] = row[dna + 2 * p]);
        input.marks[2 * p] = 0.5 + p as f32;
        input.marks[2 * p + 1] = input.marks[2 * p];
    }
    net.layers[0].iter_mut().for_each(|row| row[dna + 22..dna + 24].fill(0.0));
    let marks: Vec<f64> = values(&explain("ig", &net, &input, &Options::default())).split_off(dna);
    for (p, pair) in marks.chunks_exact(2).enumerate() {
        assert_stored(&pair[..1], &pair[1..]);
        assert!(p < 11 || pair[0] == 0.0);
    }
    assert!(marks.iter().any(|v| *v != 0.0));
    // Nor is anything what does not move from the baseline.
    let mut flat = with_bases(&input, &[b'C'; 12]);
    flat.marks.fill(1.5);
    let result = explain("ig", &net, &flat, &Options { baseline: Baseline::Mean, ..Options::default() });
    assert!(values(&result).iter().all(|v| *v == 0.0) && result.delta == Some(0.0), "{result:?}");
}

#[test]
fn expected_gradients_are_off_by_no_more_than_they_say() {
    let net = Net::drawn(24, &[5], true, 9);
    let input = window(&net, 9);
    let (x, n) = (numbers(&input), 800);
    let of = |samples, seed| explain("expected-gradients", &net, &input, &Options { samples, seed, ..Options::default() });
    let (few, many) = (of(n / 16, 1), of(n, 1));
    let error = many.standard_error.unwrap();
    let baseline_score = |i: usize| {
        let [dna, marks, ..] = shuffled(&input, 1, i);
        net.score(&dna.into_iter().chain(marks).map(f64::from).collect::<Vec<_>>())
    };
    // The error stated is that of one value, on average. A copy of this in Python was off by 0.02 to 0.4 of the limit.
    let off = many.sum() - (net.score(&x) - (0..n).map(baseline_score).sum::<f64>() / n as f64);
    assert!(off.abs() <= error * (x.len() as f64).sqrt(), "{off} {error}");
    assert!((many.delta.unwrap() - off).abs() <= 1e-6, "{:?} {off}", many.delta);
    // A sixteenth of the samples, four times the error: 3.6 to 4.1 there.
    assert!((3.2..4.8).contains(&(few.standard_error.unwrap() / error)), "{:?} {error}", few.standard_error);
}

#[test]
fn smooth_grad_without_noise_or_curvature_is_the_gradient() {
    let net = Net::drawn(12, &[12], false, 10);
    let input = window(&net, 10);
    let quiet = explain("smooth-grad", &net, &input, &Options { noise: 0.0, samples: 8, ..Options::default() });
    assert!(values(&quiet).iter().any(|v| *v != 0.0));
    assert_eq!(values(&quiet), net.gradient_at(&numbers(&input)), "nothing is rounded");
    assert_eq!(values(&quiet), values(&explain("saliency", &net, &input, &Options::default())));
    assert_eq!(quiet.standard_error, Some(0.0));
    let linear = Net::drawn(12, &[], false, 11);
    let noisy = explain("smooth-grad", &linear, &input, &Options { noise: 0.5, ..Options::default() });
    assert_eq!(values(&noisy), linear.layers[0][0][..72].to_vec());
}

#[test]
fn deep_lift_of_one_layer_is_its_multipliers() {
    // Units at (1, 2) and (0, 0): 2 and -1, 3 and 3, -2 and 1, -4 and -1. Their ratios: 2/3, 1 (the slope), 1/3, 0.
    let hidden: &[&[f64]] = &[&[1.0, 1.0, -1.0], &[-2.0, 1.0, 3.0], &[1.0, -2.0, 1.0], &[-1.0, -1.0, -1.0]];
    let (net, input) = Net::of_two(&[hidden, &[&[3.0, 1.0, -6.0, 5.0, 0.25]]]);
    // Multipliers 3 * 2/3 - 2 - 6 * 1/3 = -2 and 3 * 2/3 + 1 + 6 * 2/3 = 7; the gradient is (1, 4).
    let result = explain("deep-lift", &net, &input, &Options::default());
    assert_eq!(result.score, 9.25);
    assert_stored(&values(&result), &[-2.0, 14.0]);
}

#[test]
fn guided_signals_and_the_deconvnet_are_carried_back_by_their_rules() {
    // Units at (1, 2): 3, -1, 1, and above them 2, -1, 2. Down to these come 1, 3, -1: the gradient passes the first and last,
    // guided backpropagation the first, the deconvnet the first two. To those below come 3, 1, -2; 1, 2, -1; 4, 5, -7.
    let below: &[&[f64]] = &[&[1.0, 1.0, 0.0], &[2.0, -1.0, -1.0], &[-1.0, 1.0, 0.0]];
    let above: &[&[f64]] = &[&[1.0, 2.0, -1.0, 0.0], &[1.0, 1.0, -2.0, -2.0], &[-2.0, 1.0, 1.0, 7.0]];
    let (net, input) = Net::of_two(&[below, above, &[&[1.0, 3.0, -1.0, 0.5]]]);
    for (name, expected) in [("saliency", [5.0, 1.0]), ("guided-backpropagation", [1.0, 1.0]), ("deconvnet", [14.0, -1.0])] {
        let result = explain(name, &net, &input, &Options::default());
        assert_eq!((result.score, values(&result)), (0.5, expected.to_vec()), "{name}");
    }
}
