//! Every layer against its twin made of candle's operations, central differences, and itself at other batch sizes, number types and
//! pool sizes.

use super::*;
use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Layer<'a> = &'a (dyn Fn(&[Tensor]) -> Result<Tensor> + Sync);

fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| random.random::<f64>() * 2.0 - 1.0).collect();
    Tensor::from_vec::<_, f64>(values, shape, &Device::Cpu).unwrap()
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |a, b| b.abs().max(a))
}

#[track_caller]
fn assert_close(a: &Tensor, b: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let (a, b) = (flat(a), flat(b));
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst <= tolerance * largest(&b).max(1e-30), "{what}: differs by {worst:e} of {:e}", largest(&b));
}

/// Output, and the gradient of `sum(output * mixture)` of every input.
fn run(layer: Layer<'_>, inputs: &[Tensor], mixture: u64) -> (Tensor, Vec<Tensor>) {
    let variables: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
    let out = layer(&tensors).unwrap();
    let mixture = random(mixture, out.dims()).to_dtype(out.dtype()).unwrap();
    let gradients = (&out * mixture).unwrap().sum_all().unwrap().backward().unwrap();
    (out.detach(), variables.iter().map(|v| gradients.get(v).unwrap().clone()).collect())
}

/// Compares every gradient with central differences at up to 60 elements each. Where a kink lies within the step the differences to
/// either side disagree; such elements are left out, and there may be few.
fn check_differences(layer: Layer<'_>, inputs: &[Tensor], tolerance: f64) {
    let (_, gradients) = run(layer, inputs, 9);
    let value = |inputs: &[Tensor]| {
        let out = layer(inputs).unwrap();
        (&out * random(9, out.dims())).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
    };
    let at = value(inputs);
    let (mut seen, mut skipped) = (0, 0);
    for (i, gradient) in gradients.iter().enumerate() {
        let (gradient, x) = (flat(gradient), flat(&inputs[i]));
        for j in (0..x.len()).step_by(x.len().div_ceil(60)) {
            let h = 1e-5;
            let moved = |by: f64| {
                let mut x = x.clone();
                x[j] += by;
                let mut inputs = inputs.to_vec();
                inputs[i] = Tensor::from_vec(x, inputs[i].dims(), &Device::Cpu).unwrap();
                value(&inputs)
            };
            let (up, down) = (moved(h), moved(-h));
            seen += 1;
            if ((up - at) - (at - down)).abs() > 1e-3 * h {
                skipped += 1;
                continue;
            }
            let difference = (up - down) / (2.0 * h);
            let error = (gradient[j] - difference).abs();
            assert!(error <= tolerance * largest(&gradient), "input {i}[{j}]: {} but {difference} by differences", gradient[j]);
        }
    }
    assert!(skipped * 10 < seen, "{skipped} of {seen} at a kink");
}

/// The checks every layer passes. `batched` says which inputs have a batch dimension.
fn check(layer: Layer<'_>, twin: Layer<'_>, inputs: &dyn Fn(usize) -> Vec<Tensor>, batched: usize) {
    for n in [1, 2, 7] {
        let inputs = inputs(n);
        check_differences(layer, &inputs, 1e-7);
        let (out, gradients) = run(layer, &inputs, 5);
        let (twin_out, twin_gradients) = run(twin, &inputs, 5);
        assert_close(&out, &twin_out, 1e-12, "output of the twin");
        for (a, b) in gradients.iter().zip(&twin_gradients) {
            assert_close(a, b, 1e-11, "gradient of the twin");
        }
        let single: Vec<Tensor> = inputs.iter().map(|t| t.to_dtype(DType::F32).unwrap()).collect();
        let (single_out, single_gradients) = run(layer, &single, 5);
        assert_close(&single_out, &out, 1e-6, "f32 output");
        for (a, b) in single_gradients.iter().zip(&gradients) {
            assert_close(a, b, 1e-5, "f32 gradient");
        }
        // Sample by sample.
        for (input, gradient) in gradients.iter().enumerate().take(batched) {
            for i in 0..n {
                let mut one = inputs.clone();
                for input in one.iter_mut().take(batched) {
                    *input = input.narrow(0, i, 1).unwrap().contiguous().unwrap();
                }
                let variable = Var::from_tensor(&one[input]).unwrap();
                one[input] = variable.as_tensor().clone();
                let alone = layer(&one).unwrap();
                let rows = random(5, out.dims()).narrow(0, i, 1).unwrap();
                let of_alone = (&alone * rows).unwrap().sum_all().unwrap().backward().unwrap();
                assert_close(&alone, &out.narrow(0, i, 1).unwrap(), 1e-13, "output alone");
                assert_close(of_alone.get(&variable).unwrap(), &gradient.narrow(0, i, 1).unwrap(), 1e-12, "gradient alone");
            }
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (again, again_gradients) = pool.install(|| run(layer, &inputs, 5));
            assert_eq!(flat(&again), flat(&out), "{threads} threads");
            for (a, b) in again_gradients.iter().zip(&gradients) {
                assert_eq!(flat(a), flat(b), "{threads} threads");
            }
        }
    }
}

#[test]
fn convolution_and_pooling() {
    // A kernel longer than the pool and a shorter one, one and several filters, padded and not, blocks of several sizes.
    for (length, channels, filters, kernel, pool) in [
        (61, 4, 5, 12, Pool::same(10, 50)),
        (61, 4, 17, 12, Pool { size: 10, left: 3, right: 7 }),
        (40, 1, 1, 3, Pool::valid(7)),
        (9, 2, 3, 9, Pool::same(4, 1)),
    ] {
        let inputs =
            |n: usize| vec![random(1, &[n, length, channels]), random(2, &[filters, kernel, channels]), random(3, &[filters])];
        let layer = |t: &[Tensor]| conv_relu_max_pool(&t[0], &t[1], &t[2], pool);
        let twin = |t: &[Tensor]| composed::conv_relu_max_pool(&t[0], &t[1], &t[2], pool);
        check(&layer, &twin, &inputs, 1);
    }
}

#[test]
fn convolution_alone() {
    // Padded and not, over one position, and a dense layer.
    for (length, channels, filters, kernel, [left, right]) in
        [(23, 3, 5, 4, [0, 0]), (17, 4, 18, 5, [2, 1]), (13, 6, 3, 1, [0, 0]), (1, 37, 20, 1, [0, 0])]
    {
        for relu in [false, true] {
            let inputs = |n: usize| {
                vec![random(1, &[n, length, channels]), random(2, &[filters, kernel, channels]), random(3, &[filters])]
            };
            let options = ConvOptions { left, right, relu };
            let layer = |t: &[Tensor]| conv(&t[0], &t[1], &t[2], options);
            let twin = |t: &[Tensor]| composed::conv(&t[0], &t[1], &t[2], options);
            check(&layer, &twin, &inputs, 1);
            // Constant weights are rearranged once.
            let inputs = inputs(3);
            let kept = ConvWeights::new(inputs[1].clone(), inputs[2].clone(), true);
            let (loose, again) =
                (|t: &[Tensor]| conv(&t[0], &inputs[1], &inputs[2], options), |t: &[Tensor]| kept.conv(&t[0], options));
            let (out, gradients) = run(&loose, &inputs[..1], 5);
            for _ in 0..2 {
                let (kept_out, kept_gradients) = run(&again, &inputs[..1], 5);
                assert_eq!(flat(&kept_out), flat(&out));
                assert_eq!(flat(&kept_gradients[0]), flat(&gradients[0]));
            }
        }
    }
}

/// So many weights that their gradient is summed block by block.
#[test]
fn gradients_of_wide_layers() {
    for (n, length, channels, filters, kernel) in [(9, 4, 300, 512, 2), (19, 1, 700, 500, 1)] {
        let inputs = [random(1, &[n, length, channels]), random(2, &[filters, kernel, channels]), random(3, &[filters])];
        let layer = |t: &[Tensor]| conv(&t[0], &t[1], &t[2], ConvOptions::default());
        let twin = |t: &[Tensor]| composed::conv(&t[0], &t[1], &t[2], ConvOptions::default());
        let ((out, gradients), (twin_out, twin_gradients)) = (run(&layer, &inputs, 5), run(&twin, &inputs, 5));
        assert_close(&out, &twin_out, 1e-12, "output");
        for (a, b) in gradients.iter().zip(&twin_gradients) {
            assert_close(a, b, 1e-11, "gradient");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (_, again) = pool.install(|| run(&layer, &inputs, 5));
            assert!(gradients.iter().zip(&again).all(|(a, b)| flat(a) == flat(b)), "{threads} threads");
        }
    }
}

#[test]
fn normalisation() {
    for (shape, relu) in [([7, 5, 3], false), ([2, 600, 18], true)] {
        let inputs = [random(1, &shape), random(2, &shape[2..]), random(3, &shape[2..])];
        let layer = |t: &[Tensor]| batch_norm::normalise(&t[0], &t[1], &t[2], 1e-3, relu).map(|(y, ..)| y);
        let twin = |t: &[Tensor]| composed::normalise(&t[0], &t[1], &t[2], 1e-3, relu).map(|(y, ..)| y);
        let ((out, gradients), (twin_out, twin_gradients)) = (run(&layer, &inputs, 5), run(&twin, &inputs, 5));
        assert_close(&out, &twin_out, 1e-12, "output of the twin");
        for (a, b) in gradients.iter().zip(&twin_gradients) {
            assert_close(a, b, 1e-11, "gradient of the twin");
        }
        let [scale, shift] = [2, 3].map(|seed| flat(&random(seed, &shape[2..])));
        let layer = |t: &[Tensor]| batch_norm::affine(&t[0], [scale.clone(), shift.clone()], relu);
        let twin = |t: &[Tensor]| composed::affine(&t[0], &scale, &shift, relu);
        let of = |n: usize| vec![random(1, &[n, shape[1], shape[2]])];
        check(&layer, &twin, &of, 1);
    }
}

#[test]
fn long_windows_are_cut_without_a_seam() {
    let pool = Pool::same(50, 3_151);
    let inputs = [random(1, &[2, 3_200, 4]), random(2, &[50, 50, 4]), random(3, &[50])];
    let layer = |t: &[Tensor]| conv_relu_max_pool(&t[0], &t[1], &t[2], pool);
    let twin = |t: &[Tensor]| composed::conv_relu_max_pool(&t[0], &t[1], &t[2], pool);
    let ((out, gradients), (twin_out, twin_gradients)) = (run(&layer, &inputs, 5), run(&twin, &inputs, 5));
    assert_close(&out, &twin_out, 1e-12, "output");
    for (a, b) in gradients.iter().zip(&twin_gradients) {
        assert_close(a, b, 1e-11, "gradient");
    }
}

#[test]
fn same_padding_is_tensorflows() {
    let pool = Pool::same(50, 9_951);
    assert_eq!((pool.left, pool.right, pool.windows(9_951)), (24, 25, 200));
    assert_eq!((pool.span(0, 9_951), pool.span(1, 9_951), pool.span(199, 9_951)), (0..26, 26..76, 9_926..9_951));
    assert_eq!(Pool::same(50, 251).windows(251), 6);
    assert_eq!(Pool::valid(5).windows(14), 2);
}

#[test]
fn ties_pads_and_closed_units_have_the_gradient_of_pytorch() {
    let tensor =
        |values: &[f32], shape: &[usize]| Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap();
    // Windows: pad 5 5 | 2 -1 9 | 9 0 0 | -3 -2 pad. The last is below 0: a pad of 0 must not win, nor the ReLU pass anything.
    let x = tensor(&[5., 5., 2., -1., 9., 9., 0., 0., -3., -2.], &[1, 10, 1]);
    let (w, b) = (tensor(&[1.], &[1, 1, 1]), tensor(&[0.], &[1]));
    let out = conv_relu_max_pool(&x, &w, &b, Pool { size: 3, left: 1, right: 1 }).unwrap();
    assert_eq!(flat(&out), [5., 9., 9., 0.]);
    let gradients = out.sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&x).unwrap()), [1., 0., 0., 0., 1., 1., 0., 0., 0., 0.]);
    assert_eq!(flat(gradients.get(&w).unwrap()), [23.]);
    assert_eq!(flat(gradients.get(&b).unwrap()), [3.]);
    // Exactly 0 before the ReLU passes nothing.
    let x = tensor(&[0., 0.], &[1, 2, 1]);
    let gradients = conv_relu_max_pool(&x, &w, &b, Pool::valid(2)).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(flat(gradients.get(&x).unwrap()), [0., 0.]);
}

#[test]
fn one_operation_follows_the_rules_of_guided_backpropagation_and_the_deconvnet() {
    // Biases below 0 close whole windows.
    let inputs = [random(1, &[2, 130, 4]), random(2, &[9, 7, 4]), (random(3, &[9]) - 1.5).unwrap()];
    let layer = |t: &[Tensor]| conv_relu_max_pool(&t[0], &t[1], &t[2], Pool::valid(10));
    let twin = |t: &[Tensor]| composed::conv_relu_max_pool(&t[0], &t[1], &t[2], Pool::valid(10));
    let of = |rule, layer: Layer<'_>| with_rule(rule, || run(layer, &inputs, 5)).1.swap_remove(0);
    let plain = of(BackwardRule::Gradient, &layer);
    for rule in [BackwardRule::Guided, BackwardRule::Deconvnet] {
        let ruled = of(rule, &layer);
        assert_close(&ruled, &of(rule, &twin), 1e-12, &format!("{rule:?}"));
        assert_ne!(flat(&ruled), flat(&plain), "{rule:?}");
    }
    // Windows: pad -1 -2 | 3 -4 -5 | -6 -7 pad: the deconvnet's signal goes to the first position that is there.
    let x = Var::from_slice(&[-1f64, -2., 3., -4., -5., -6., -7.], (1, 7, 1), &Device::Cpu).unwrap();
    let (w, b) =
        (Tensor::ones((1, 1, 1), DType::F64, &Device::Cpu).unwrap(), Tensor::zeros(1, DType::F64, &Device::Cpu).unwrap());
    let back = |rule| {
        let pool = Pool { size: 3, left: 1, right: 1 };
        let out = with_rule(rule, || conv_relu_max_pool(&x, &w, &b, pool)).unwrap();
        let signal = Tensor::new(&[[[1f64], [-1.], [2.]]], &Device::Cpu).unwrap();
        flat((out * signal).unwrap().sum_all().unwrap().backward().unwrap().get(&x).unwrap())
    };
    assert_eq!(back(BackwardRule::Gradient), [0., 0., -1., 0., 0., 0., 0.]);
    assert_eq!(back(BackwardRule::Guided), [0.; 7]);
    assert_eq!(back(BackwardRule::Deconvnet), [1., 0., 0., 0., 0., 2., 0.]);
}

#[test]
fn flat_signal_ties_everywhere_in_the_window() {
    // Equal windows must give equal sums wherever they lie, or the first index is lost to rounding.
    for dtype in [DType::F32, DType::F64] {
        let x = Tensor::full(0.37f64, (1, 5_000, 5), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        let x = Var::from_tensor(&x).unwrap();
        let (w, b) = (random(2, &[50, 50, 5]).to_dtype(dtype).unwrap(), random(3, &[50]).to_dtype(dtype).unwrap());
        let pool = Pool::same(50, 4_951);
        let out = conv_relu_max_pool(&x, &w, &b, pool).unwrap();
        let gradient = out.sum_all().unwrap().backward().unwrap();
        let gradient = flat(gradient.get(&x).unwrap());
        // Window t passes its gradient to the bases under its first position alone: 0 for the bases that only others cover.
        let first: Vec<usize> = (0..pool.windows(4_951)).map(|t| pool.span(t, 4_951).start).collect();
        for base in 0..5_000 {
            let covered = first.iter().any(|f| (*f..f + 50).contains(&base));
            let sum: f64 = gradient[base * 5..base * 5 + 5].iter().map(|g| g.abs()).sum();
            assert_eq!(covered, sum > 0.0, "base {base}");
        }
    }
}

#[test]
fn recurrence() {
    // One vector of hidden units and several, exactly full and not; groups of 1 to 4 samples; a single step.
    for (steps, inputs, hidden) in [(6, 3, 15), (5, 1, 32), (4, 2, 33), (1, 2, 16)] {
        let of = |n: usize| {
            vec![random(1, &[n, steps, inputs]), random(2, &[2, 4 * hidden, inputs + 1]), random(3, &[2, 4 * hidden, hidden])]
        };
        let layer = |t: &[Tensor]| bilstm(&t[0], &t[1], &t[2]);
        let twin = |t: &[Tensor]| composed::bilstm(&t[0], &t[1], &t[2]);
        if steps == 1 {
            // The recurrent weights have no gradient but 0, which central differences cannot scale.
            let (out, gradients) = run(&layer, &of(2), 5);
            assert_close(&out, &run(&twin, &of(2), 5).0, 1e-12, "one step");
            assert_eq!(largest(&flat(&gradients[2])), 0.0);
        } else {
            check(&layer, &twin, &of, 1);
        }
    }
}

#[test]
fn a_step_of_the_recurrence_by_hand() {
    // One unit, no recurrence yet: c = sigmoid(i) tanh(g), h = sigmoid(o) tanh(c).
    let x = Tensor::new(&[[[2.0f64]]], &Device::Cpu).unwrap();
    let gates = [[0.1, 0.2], [9.0, 9.0], [0.3, -0.1], [-0.2, 0.4]];
    let weights = Tensor::from_vec(gates.concat().repeat(2), (2, 4, 2), &Device::Cpu).unwrap();
    let out = bilstm(&x, &weights, &Tensor::zeros((2, 4, 1), DType::F64, &Device::Cpu).unwrap()).unwrap();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let h = sigmoid(0.0) * (sigmoid(0.4) * 0.5f64.tanh()).tanh();
    assert!(flat(&out).iter().all(|out| (out - h).abs() < 1e-15), "{:?} is not {h}", flat(&out));
}

#[test]
fn sparsemax_is_the_projection_onto_the_simplex() {
    let inputs = |n: usize| vec![random(1, &[n, 40]).affine(0.3, 0.0).unwrap()];
    check(&|t| sparsemax(&t[0]), &|t| composed::sparsemax(&t[0]), &inputs, 1);
    // Against bisection for the threshold.
    for scale in [0.01, 0.3, 3.0, 1e4] {
        let x = flat(&random(4, &[200]).affine(scale, scale).unwrap());
        let (mut low, mut high) =
            (x.iter().fold(f64::INFINITY, |a, b| a.min(*b)) - 1.0, x.iter().fold(-1e9, |a: f64, b| a.max(*b)));
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            let sum: f64 = x.iter().map(|x| (x - middle).max(0.0)).sum();
            if sum > 1.0 { low = middle } else { high = middle }
        }
        let out = flat(&sparsemax(&Tensor::from_slice(&x, (1, 200), &Device::Cpu).unwrap()).unwrap());
        assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12 && out.iter().all(|p| *p >= 0.0));
        for (x, out) in x.iter().zip(out) {
            assert!((out - (x - low).max(0.0)).abs() < 1e-11);
        }
    }
    let equal = flat(&sparsemax(&Tensor::full(7f32, (1, 200), &Device::Cpu).unwrap()).unwrap());
    assert!(equal.iter().all(|p| *p == f64::from(1f32 / 200.0)));
}

#[test]
fn not_a_number_comes_out_of_every_layer_and_only_where_it_went_in() {
    let set = |t: &Tensor, at: usize| {
        let mut values = flat(t);
        values[at] = f64::NAN;
        Tensor::from_vec(values, t.dims(), &Device::Cpu).unwrap()
    };
    let nan = |t: &Tensor, i: usize| flat(&t.get(i).unwrap()).iter().filter(|v| v.is_nan()).count();
    for dtype in [DType::F32, DType::F64] {
        let of = |t: Tensor| t.to_dtype(dtype).unwrap();
        // Base 30 of sample 1, kernel 12, windows of 10: conv outputs 19 to 30, windows 1 to 3.
        let (x, w, b) = (of(set(&random(1, &[3, 61, 4]), 61 * 4 + 30 * 4)), of(random(2, &[5, 12, 4])), of(random(3, &[5])));
        for layer in [conv_relu_max_pool, composed::conv_relu_max_pool] {
            let out = layer(&x, &w, &b, Pool::valid(10)).unwrap();
            assert_eq!([nan(&out, 0), nan(&out, 1), nan(&out, 2)], [0, 15, 0]);
        }
        let (x, w, r) = (of(set(&random(1, &[3, 6, 2]), 6 * 2 + 4)), of(random(2, &[2, 60, 3])), of(random(3, &[2, 60, 15])));
        for layer in [bilstm, composed::bilstm] {
            let out = layer(&x, &w, &r).unwrap();
            // Step 2: forward from there, reverse up to there.
            assert_eq!([nan(&out, 0), nan(&out, 1), nan(&out, 2)], [0, 15 * 4 + 15 * 3, 0]);
        }
        for at in [20, 30] {
            let x = Var::from_tensor(&of(set(&random(1, &[3, 20]), at))).unwrap();
            let out = sparsemax(&x).unwrap();
            assert_eq!([nan(&out, 0), nan(&out, 1), nan(&out, 2)], [0, 20, 0]);
            let gradient = (out.sqr().unwrap()).sum_all().unwrap().backward().unwrap();
            assert_eq!(nan(gradient.get(&x).unwrap(), 1), 20);
        }
    }
}

#[test]
fn gradients_are_made_only_where_they_are_asked_for() {
    let (x, w, b) = (random(1, &[2, 61, 4]), random(2, &[5, 12, 4]), random(3, &[5]));
    let variable = Var::from_tensor(&x).unwrap();
    let gradients = conv_relu_max_pool(&variable, &w, &b, Pool::valid(10)).unwrap().sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&variable).is_some() && gradients.get(&w).is_none());
    assert!(!conv_relu_max_pool(&x, &w, &b, Pool::valid(10)).unwrap().track_op());
    // Twice through the same graph.
    let out =
        bilstm(&variable.narrow(2, 0, 2).unwrap(), &random(2, &[2, 8, 3]), &random(3, &[2, 8, 2])).unwrap().sum_all().unwrap();
    let twice = [out.backward().unwrap(), out.backward().unwrap()];
    assert_eq!(flat(twice[0].get(&variable).unwrap()), flat(twice[1].get(&variable).unwrap()));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let refused = |x: &[usize], w: &[usize], b: usize, pool: Pool| {
        conv_relu_max_pool(&random(1, x), &random(2, w), &random(3, &[b]), pool).unwrap_err().to_string()
    };
    assert!(refused(&[1, 20, 4], &[5, 3, 5], 5, Pool::valid(2)).contains("do not fit"));
    assert!(refused(&[1, 2, 4], &[5, 3, 4], 5, Pool::valid(2)).contains("shorter than the kernel"));
    assert!(refused(&[1, 20, 4], &[5, 3, 4], 5, Pool { size: 2, left: 2, right: 0 }).contains("padding alone"));
    assert!(refused(&[1, 20, 4], &[5, 3, 4], 5, Pool::valid(0)).contains("padding alone"));
    let lstm = bilstm(&random(1, &[1, 5, 2]), &random(2, &[2, 12, 2]), &random(3, &[2, 12, 3])).unwrap_err();
    assert!(lstm.to_string().contains("do not fit"));
    let no_windows =
        conv_relu_max_pool(&random(1, &[2, 5, 1]), &random(2, &[1, 1, 1]), &random(3, &[1]), Pool::valid(9)).unwrap();
    assert_eq!(no_windows.dims(), [2, 0, 1]);
}
