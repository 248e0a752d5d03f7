//! Closed forms: what each method must give for networks simple enough to solve by hand.

use super::*;
use crate::genome::{BaseOrder, Strand, Stretch};
use crate::models::test_manifest;
use crate::models::{Manifest, Output};
use std::cell::RefCell;

/// F = sum(w * sequence) + sum(v * marks), or its tanh, or this sum over the first half of the window times that over the second, in
/// f64; weights are a fixed function of the index.
struct Toy {
    manifest: Manifest,
    is_smooth: bool,
    is_product: bool,
}

fn weight(i: usize) -> f64 {
    ((i * 37 + 11) % 101) as f64 / 101.0 - 0.4
}

impl Toy {
    fn linear(length: u64, marks: &[&str], base_order: Option<BaseOrder>) -> Self {
        Self { manifest: test_manifest(length, 1, marks, base_order), is_smooth: false, is_product: false }
    }
}

impl Model for Toy {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn forward(&self, batch: &Batch) -> Result<Output, ModelError> {
        if self.is_product {
            let half = |from: usize| -> Result<Tensor, ModelError> {
                let half = |x: &Tensor| {
                    let (n, rows, columns) = x.dims3()?;
                    let is_in = (0..rows * columns).map(|i| f64::from(u8::from(i / columns / (rows / 2) == from))).collect();
                    let mask = Tensor::from_vec::<_, f64>(is_in, (1, rows, columns), x.device())?;
                    x.broadcast_mul(&mask)?.reshape((n, rows, columns))
                };
                Self::linear(1, &[], None).forward(&batch.try_map(half)?).map(|output| output.score)
            };
            return Ok(Output { score: (half(0)? * half(1)?)?, attention: None });
        }
        let mut score: Option<Tensor> = None;
        for x in [&batch.sequence, &batch.marks].into_iter().flatten() {
            let (n, rows, columns) = x.dims3()?;
            let w: Vec<f64> = (0..rows * columns).map(weight).collect();
            let w = Tensor::from_vec(w, (1, rows, columns), x.device())?;
            let part = x.broadcast_mul(&w)?.reshape((n, rows * columns))?.sum(1)?;
            score = Some(match score {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        let score = score.ok_or_else(|| ModelError::Input("empty batch".to_owned()))?;
        Ok(Output { score: if self.is_smooth { score.affine(0.2, 0.1)?.tanh()? } else { score }, attention: None })
    }
}

/// 12 bases with an N, two marks, the second all blank in its first half.
fn input(model: &Toy) -> Input {
    struct Fixed;
    impl crate::models::InputSource for Fixed {
        fn mark(&mut self, mark: &str, window: &Stretch) -> Result<Vec<f32>, ModelError> {
            Ok((0..window.len).map(|i| if mark == "a" { i as f32 * 0.5 } else { i.saturating_sub(6) as f32 }).collect())
        }

        fn bases(&mut self, window: &Stretch) -> Result<Vec<u8>, ModelError> {
            Ok(b"ACGTNGATTACA".iter().cycle().take(window.len as usize).copied().collect())
        }
    }
    let window = model.manifest.window_at("c".into(), 1_000, Strand::Forward);
    Input::assemble(&model.manifest, &window, &mut Fixed).unwrap()
}

fn whole(name: &str, model: &Toy, options: &Options) -> Attribution {
    run_whole(method(name).unwrap(), model, &input(model), options).unwrap()
}

#[test]
fn names_and_aliases_are_unique() {
    let mut names: Vec<&str> = METHODS.iter().flat_map(|m| [Some(m.name()), m.alias()]).flatten().collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(METHODS.iter().all(|m| m.name().chars().all(|c| c.is_ascii_lowercase() || c == '-')));
}

#[test]
fn mutagenesis_of_a_linear_network_is_a_difference_of_weights() {
    for order in [BaseOrder::ACGT, BaseOrder::AGCT] {
        let model = Toy::linear(12, &["a", "b"], Some(order));
        let result = whole("ism", &model, &Options::default());
        assert!(result.is_complete());
        for (p, (&base, deltas)) in b"ACGTNGATTACA".iter().zip(result.sequence.as_ref().unwrap()).enumerate() {
            for (acgt, delta) in deltas.iter().enumerate() {
                let alternative = weight(4 * p + order.channel(crate::genome::BASES[acgt]).unwrap());
                let reference = order.channel(base).map_or(0.0, |c| weight(4 * p + c));
                let expected = alternative - reference;
                assert!((f64::from(*delta) - expected).abs() < 1e-6, "{order} base {p} to {acgt}");
                assert!(expected != 0.0 || *delta == 0.0);
            }
        }
    }
}

#[test]
fn occlusion_of_a_linear_network_takes_away_weight_times_signal() {
    let model = Toy::linear(12, &["a", "b"], None);
    let result = whole("occlusion", &model, &Options { block: 3, ..Options::default() });
    let (input, marks) = (input(&model), result.marks.unwrap());
    for block in 0..4 {
        for mark in 0..2 {
            let lost: f64 = (3 * block..3 * block + 3).map(|p| weight(2 * p + mark) * f64::from(input.marks[2 * p + mark])).sum();
            let found: f64 = (3 * block..3 * block + 3).map(|p| f64::from(marks[2 * p + mark])).sum();
            assert!((found + lost).abs() < 1e-5, "block {block} mark {mark}: {found} and {lost}");
        }
    }
    assert!((0..6).all(|p| marks[2 * p + 1] == 0.0), "a blank block changes nothing, exactly");
}

#[test]
fn integrated_gradients_of_a_linear_network_are_exact_in_one_step() {
    let model = Toy::linear(12, &["a", "b"], Some(BaseOrder::AGCT));
    let one = whole("ig", &model, &Options { n_steps: 1, ..Options::default() });
    let product = whole("input-x-gradient", &model, &Options::default());
    assert!(one.delta.unwrap().abs() < 1e-9 && one.gap.unwrap() < 1e-9);
    for (a, b) in one.marks.unwrap().iter().zip(product.marks.unwrap()) {
        assert!((a - b).abs() < 1e-6);
    }
    assert_eq!(one.sequence.unwrap()[4], [0.0; 4], "N carries nothing");
}

#[test]
fn integrated_gradients_of_a_smooth_network_are_complete() {
    let mut model = Toy::linear(12, &["a", "b"], Some(BaseOrder::ACGT));
    model.is_smooth = true;
    // The midpoint rule's error falls with n^2: 243 steps leave 1e-5 of the change here, 27 leave 81 times that.
    let gap = |n_steps| whole("ig", &model, &Options { n_steps, ..Options::default() }).gap.unwrap();
    let (coarse, fine) = (gap(27), gap(243));
    assert!(fine < 1e-4, "{fine}");
    assert!(fine < coarse / 20.0, "{coarse} {fine}");
}

#[test]
fn a_path_with_a_large_gap_goes_on_to_three_times_the_steps() {
    // So long that the sum is deep in the flat of tanh: 3, 9 and 27 steps leave 0.76, 0.047 and 0.002 of the change.
    let mut model = Toy::linear(30, &["a", "b"], Some(BaseOrder::ACGT));
    model.is_smooth = true;
    let refined = |n_steps, refine_to| whole("ig", &model, &Options { n_steps, refine_to, ..Options::default() });
    let gaps = [3, 9, 27].map(|n| refined(n, 0).gap.unwrap());
    assert!(gaps[0] > LARGE_GAP && gaps[1] > LARGE_GAP && gaps[2] < LARGE_GAP, "{gaps:?}");
    for (refine_to, steps) in [(8, 3), (9, 9), (26, 9), (27, 27), (243, 27)] {
        let (result, whole) = (refined(3, refine_to), refined(steps, 0));
        assert_eq!((result.done, &result.settings), (steps, &whole.settings));
        assert!(result.is_complete());
        for (a, b) in result.marks.unwrap().iter().zip(whole.marks.unwrap()) {
            assert!((a - b).abs() <= 1e-6 * b.abs(), "{a} and {b} of {steps} steps at once");
        }
    }
    // Five steps are no third of a rule of their own, but their nodes are among those of fifteen.
    assert!((refined(5, 15).gap.unwrap() - refined(15, 0).gap.unwrap()).abs() < 1e-9);
    let mut partial = Vec::new();
    let mut report = |result: &Attribution| partial.push((result.done, result.total));
    let mut run = Run::new(&|| true, &mut report);
    let options = Options { n_steps: 3, refine_to: 27, ..Options::default() };
    method("ig").unwrap().attribute(&model, &input(&model), &options, &mut run).unwrap();
    assert_eq!(partial, [(3, 9), (9, 27)], "what is there is shown while it is refined");
    let gauss = Options { n_steps: 2, refine_to: 27, rule: Rule::GaussLegendre, ..Options::default() };
    assert_eq!(whole("ig", &model, &gauss).done, 2, "its nodes do not nest");
}

#[test]
fn epistasis_of_a_product_is_the_product_of_what_two_units_add() {
    let mut model = Toy::linear(12, &["a", "b"], Some(BaseOrder::ACGT));
    model.is_product = true;
    let input = input(&model);
    let [sequence, marks, ..] = input.parts();
    // What each pair of positions adds to its half's sum.
    let added: Vec<f64> = (0..6)
        .map(|unit| {
            let of = |x: &[f32], columns: usize| -> f64 {
                (2 * unit * columns..(2 * unit + 2) * columns).map(|i| weight(i) * f64::from(x[i])).sum()
            };
            of(&sequence, 4) + of(&marks, 2)
        })
        .collect();
    let halves = [added[..3].iter().sum::<f64>(), added[3..].iter().sum::<f64>()];
    let pairs = whole("epistasis", &model, &Options { block: 2, ..Options::default() }).pairs.unwrap();
    assert_eq!(pairs.units.len(), 6);
    for i in 0..6 {
        for j in 0..6 {
            let expected = match (i / 3, j / 3) {
                _ if i == j => added[i] * halves[1 - i / 3],
                (a, b) if a == b => 0.0,
                _ => added[i] * added[j],
            };
            let got = f64::from(pairs.values[6 * i + j]);
            assert!((got - expected).abs() < 1e-6 * expected.abs().max(1.0), "{i} {j}: {got} {expected}");
        }
    }
}

#[test]
fn class_optimisation_of_a_linear_classifier_ends_at_its_optimum() {
    let mut model = Toy::linear(12, &["a", "b"], None);
    model.manifest.output.kind = crate::models::OutputKind::Binary;
    let weights: Vec<f64> = (0..24).map(weight).collect();
    let square: f64 = weights.iter().map(|w| w * w).sum();
    // -ln P + 0.009 |x|^2 is least at x = t w with 0.018 t = 1 - P(t |w|^2), found by halving.
    let (mut low, mut high) = (0.0, 1.0 / 0.018);
    for _ in 0..100 {
        let t: f64 = f64::midpoint(low, high);
        if 0.018 * t < 1.0 / (1.0 + (t * square).exp()) { low = t } else { high = t }
    }
    let least = (-low * square).exp().ln_1p() + 0.009 * low * low * square;
    let found = class_optimisation::optimise(&model, &input(&model), 1_000, 1, &mut Run::new(&|| true, &mut |_| ())).unwrap();
    // The network reads f32: 1e-9 below the least was measured.
    assert!((found.loss - least).abs() < 1e-6, "{} {least}", found.loss);
    for (x, w) in found.marks.iter().zip(&weights) {
        assert!((x - low * w).abs() < 0.2 * low, "{x} {}", low * w);
    }
}

#[test]
fn partial_results_are_a_prefix_of_the_final_one() {
    let model = Toy::linear(100, &["a", "b"], Some(BaseOrder::ACGT));
    let parts = RefCell::new(Vec::new());
    let mut report = |a: &Attribution| parts.borrow_mut().push(a.clone());
    let options = Options { block: 1, ..Options::default() };
    let method = method("occlusion").unwrap();
    let result = method.attribute(&model, &input(&model), &options, &mut Run::new(&|| true, &mut report)).unwrap();
    let (parts, end) = (parts.into_inner(), result.marks.unwrap());
    assert!(parts.len() > 1);
    for part in &parts {
        for (a, b) in part.marks.as_ref().unwrap().iter().zip(&end) {
            assert!(a.is_nan() || a == b);
        }
    }
    assert!(parts.windows(2).all(|w| w[0].done < w[1].done));
}

#[test]
fn a_superseded_run_stops_at_its_next_step() {
    let model = Toy::linear(12, &["a", "b"], Some(BaseOrder::ACGT));
    for method in METHODS {
        let calls = RefCell::new(0);
        let is_current = || {
            *calls.borrow_mut() += 1;
            *calls.borrow() < 2
        };
        let result = method.attribute(&model, &input(&model), &Options::default(), &mut Run::new(&is_current, &mut |_| ()));
        let stopped = matches!(result, Err(AttributionError::Cancelled));
        assert!(stopped || *calls.borrow() < 2, "{} went on after it was superseded", method.name());
    }
}

#[test]
fn a_network_that_gives_no_number_is_an_error() {
    let mut model = Toy::linear(12, &["a"], None);
    model.manifest.input.scale = vec![f32::MAX];
    let mut broken = input(&model);
    broken.marks[3] = f32::NAN;
    for method in METHODS.iter().filter(|m| m.obstacle(&model).is_none()) {
        let error = run_whole(*method, &model, &broken, &Options::default()).unwrap_err().to_string();
        assert!(error.contains("not a finite number"), "{}: {error}", method.name());
    }
}
