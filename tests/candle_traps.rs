//! What candle 0.11.1 gets wrong on the CPU, and that this crate's layers do not.
//!
//! Each test has two halves: candle is still wrong (where an upgrade mends it, that half fails and its work-around may go), and
//! what the networks use instead is right.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use candle_core::{D, DType, Device, Result, Tensor, Var};
use cislens::models::layers::{Linear, Pool, bilstm, conv_relu_max_pool, sparsemax};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random(seed: u64, shape: &[usize]) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..shape.iter().product()).map(|_| random.random::<f64>() * 2.0 - 1.0).collect();
    Tensor::from_vec::<_, f64>(values, shape, &Device::Cpu).unwrap()
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference of the gradient of `sum(f(x)^2)` from central differences, relative to the largest gradient.
fn gradient_error(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> f64 {
    let value = |x: &Tensor| f(x).unwrap().sqr().unwrap().sum_all().unwrap();
    let variable = Var::from_tensor(x).unwrap();
    let gradients = value(variable.as_tensor()).backward().unwrap();
    let gradient = gradients.get(&variable).map_or_else(|| vec![0.0; x.elem_count()], flat);
    let (values, h) = (flat(x), 1e-6);
    let moved = |i: usize, by: f64| {
        let mut values = values.clone();
        values[i] += by;
        value(&Tensor::from_vec(values, x.dims(), &Device::Cpu).unwrap()).to_scalar::<f64>().unwrap()
    };
    let differences: Vec<f64> = (0..values.len()).map(|i| (moved(i, h) - moved(i, -h)) / (2.0 * h)).collect();
    let largest = differences.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    gradient.iter().zip(&differences).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

fn gradient_of_sum(f: impl Fn(&Tensor) -> Result<Tensor>, values: &[f32], shape: &[usize]) -> Vec<f64> {
    let x = Var::from_tensor(&Tensor::from_slice(values, shape, &Device::Cpu).unwrap()).unwrap();
    let gradients = f(x.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
    flat(gradients.get(&x).unwrap())
}

/// Pools of four of a single filter that copies its input.
fn pool_of_four(x: &Tensor) -> Result<Tensor> {
    let one = |shape: &[usize]| Tensor::ones(shape, x.dtype(), &Device::Cpu);
    conv_relu_max_pool(x, &one(&[1, 1, 1])?, &one(&[1])?.zeros_like()?, Pool::valid(4))
}

#[test]
fn max_pool2d_divides_its_gradient_by_the_window() {
    let x = [1., 5., 2., 3., 9., 0., 4., 1.];
    let theirs = gradient_of_sum(|x| x.max_pool2d((1, 4)), &x, &[1, 1, 1, 8]);
    assert_eq!(theirs, [0., 0.25, 0., 0., 0.25, 0., 0., 0.]);
    assert_eq!(gradient_of_sum(pool_of_four, &x, &[1, 8, 1]), [0., 1., 0., 0., 1., 0., 0., 0.]);
}

#[test]
fn max_gives_every_tied_element_the_whole_gradient() {
    let x = [1., 5., 5., 3., 9., 9., 4., 9.];
    let theirs = gradient_of_sum(|x| x.reshape((2, 4))?.max(1), &x, &[8]);
    assert_eq!(theirs, [0., 1., 1., 0., 1., 1., 0., 1.]);
    assert_eq!(gradient_of_sum(pool_of_four, &x, &[1, 8, 1]), [0., 1., 0., 0., 1., 0., 0., 0.]);
}

#[test]
fn relu_passes_a_gradient_at_zero() {
    let theirs = gradient_of_sum(Tensor::relu, &[-1., 0., 1.], &[3]);
    assert_eq!(theirs, [0., 1., 1.]);
    let ours = gradient_of_sum(
        |x| {
            conv_relu_max_pool(
                x,
                &Tensor::ones((1, 1, 1), DType::F32, &Device::Cpu)?,
                &Tensor::zeros(1, DType::F32, &Device::Cpu)?,
                Pool::valid(1),
            )
        },
        &[-1., 0., 1.],
        &[1, 3, 1],
    );
    assert_eq!(ours, [0., 0., 1.]);
}

#[test]
fn relu_and_max_swallow_not_a_number() {
    let x = Tensor::new(&[1f32, f32::NAN, 2., 3.], &Device::Cpu).unwrap();
    assert_eq!(flat(&x.relu().unwrap()), [1., 0., 2., 3.]);
    assert_eq!(flat(&x.max(0).unwrap()), [3.]);
    let ours = pool_of_four(&x.reshape((1, 4, 1)).unwrap()).unwrap();
    assert!(flat(&ours)[0].is_nan());
}

#[test]
fn conv1d_has_wrong_gradients_in_a_batch() {
    let (weight, batch) = (random(2, &[3, 4, 7]), 2);
    let of_input = |n: usize| gradient_error(|x| x.conv1d(&weight, 0, 1, 1, 1), &random(1, &[n, 4, 20]));
    assert!(of_input(1) < 1e-8);
    assert!(of_input(batch) > 0.1);
    let x = random(1, &[batch, 4, 20]);
    assert!(gradient_error(|weight| x.conv1d(weight, 0, 1, 1, 1), &weight) > 0.1);
    // `conv2d`, for other devices, and our own are right.
    let flat_kernel = weight.unsqueeze(2).unwrap();
    assert!(gradient_error(|x| x.unsqueeze(2)?.conv2d(&flat_kernel, 0, 1, 1, 1), &x) < 1e-8);
    let (x, bias) = (x.transpose(1, 2).unwrap().contiguous().unwrap(), random(3, &[3]));
    let weight = weight.transpose(1, 2).unwrap().contiguous().unwrap();
    assert!(gradient_error(|x| conv_relu_max_pool(x, &weight, &bias, Pool::valid(3)), &x) < 1e-7);
    assert!(gradient_error(|weight| conv_relu_max_pool(&x, weight, &bias, Pool::valid(3)), &weight) < 1e-7);
}

#[test]
fn a_transposed_batch_times_a_shared_matrix_is_wrong() {
    let (x, shared) = (random(1, &[3, 6, 5]), random(2, &[6, 4]));
    let transposed = x.transpose(1, 2).unwrap();
    let right = transposed.contiguous().unwrap().reshape((15, 6)).unwrap().matmul(&shared).unwrap();
    let error = |y: &Tensor| flat(y).iter().zip(flat(&right)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error(&transposed.matmul(&shared.broadcast_left(3).unwrap()).unwrap()) > 0.1);
    let weight = shared.t().unwrap().contiguous().unwrap();
    let theirs = candle_nn::Linear::new(weight.clone(), None);
    assert!(error(&candle_nn::Module::forward(&theirs, &transposed).unwrap()) > 0.1);
    assert!(error(&Linear { weight, bias: None }.forward(&transposed).unwrap()) < 1e-12);
}

#[test]
fn softmax_last_dim_drops_the_gradient() {
    let x = random(1, &[3, 5]).to_dtype(DType::F32).unwrap();
    let x = Var::from_tensor(&x).unwrap();
    let theirs = candle_nn::ops::softmax_last_dim(&x).unwrap().sqr().unwrap().sum_all().unwrap();
    assert!(theirs.backward().unwrap().get(&x).is_none());
    let x = random(1, &[3, 5]);
    assert!(gradient_error(|x| candle_nn::ops::softmax(x, D::Minus1), &x) < 1e-8);
}

#[test]
fn what_the_networks_are_made_of_is_right_in_a_batch() {
    for n in [1, 2, 7] {
        let x = random(1, &[n, 6, 3]);
        let (input, recurrent) = (random(2, &[2, 20, 4]), random(3, &[2, 20, 5]));
        assert!(gradient_error(|x| bilstm(x, &input, &recurrent), &x) < 1e-7);
        assert!(gradient_error(|w| bilstm(&x, w, &recurrent), &input) < 1e-7);
        assert!(gradient_error(|w| bilstm(&x, &input, w), &recurrent) < 1e-7);
        assert!(gradient_error(sparsemax, &random(4, &[n, 9])) < 1e-7);
        let weight = random(5, &[4, 3]);
        let linear = Linear { weight: weight.clone(), bias: Some(random(6, &[4])) };
        assert!(gradient_error(|x| linear.forward(x), &x) < 1e-7);
        assert!(gradient_error(|weight| Linear { weight: weight.clone(), bias: None }.forward(&x), &weight) < 1e-7);
        // The weighted mean of states, as both networks take it.
        let weights = random(7, &[n, 6]);
        assert!(gradient_error(|x| x.broadcast_mul(&weights.unsqueeze(D::Minus1)?)?.sum(1), &x) < 1e-7);
        assert!(gradient_error(|w| x.broadcast_mul(&w.unsqueeze(D::Minus1)?)?.sum(1), &weights) < 1e-7);
    }
}
