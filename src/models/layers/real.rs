//! The two number types of the networks, and what a kernel needs of them.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};
use pulp::Simd;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`. `S` is the instruction set of the running code (see [`dispatch`]).
pub trait Real: WithDType + sealed::Sealed {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Below every number.
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// Numbers of one vector register.
    type Vector<S: Simd>: Copy;

    /// Whether it is not a number.
    fn is_nan(self) -> bool;
    /// The whole vectors at the start of a slice.
    fn vectors<S: Simd>(slice: &[Self]) -> &[Self::Vector<S>];
    /// As [`Real::vectors`], to write.
    fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [Self::Vector<S>];
    /// One number in every lane.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a - b`.
    fn minus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a * b`.
    fn times<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a / b`.
    fn over<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a * b + c`, rounded once where the instruction set can.
    fn fused<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// In each lane `then` where `a > b`, else `otherwise`.
    fn if_greater<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        then: Self::Vector<S>,
        otherwise: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// As [`Real::tanh_all`], of one vector.
    fn tanh<S: Simd>(simd: S, x: Self::Vector<S>) -> Self::Vector<S>;
    /// As [`Real::tanh`], of some vectors, each as a numerator and a denominator above 0.
    fn tanh_fractions<S: Simd, const N: usize>(simd: S, x: [Self::Vector<S>; N]) -> [[Self::Vector<S>; N]; 2];
    /// Hyperbolic tangent of each. f32: within 2e-7, relative to the value too; NaN stays NaN.
    fn tanh_all<S: Simd>(simd: S, values: &mut [Self]);
    /// 1 / (1 + e^-x) of each. f32: within 2e-7; NaN stays NaN.
    fn sigmoid_all<S: Simd>(simd: S, values: &mut [Self]);
}

macro_rules! real {
    ($t:ident, $vector:ident, $load:ident, $load_mut:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $mul_add:ident,
     $greater:ident, $select:ident, $div:ident, $fractions:path, $tanh_all:path, $sigmoid_all:path) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = Self::NEG_INFINITY;
            const NAN: Self = Self::NAN;

            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }

            #[inline(always)]
            fn vectors<S: Simd>(slice: &[Self]) -> &[S::$vector] {
                S::$load(slice).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(slice: &mut [Self]) -> &mut [S::$vector] {
                S::$load_mut(slice).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }

            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn minus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }

            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn fused<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn if_greater<S: Simd>(simd: S, a: S::$vector, b: S::$vector, then: S::$vector, otherwise: S::$vector) -> S::$vector {
                simd.$select(simd.$greater(a, b), then, otherwise)
            }

            #[inline(always)]
            fn over<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }

            #[inline(always)]
            fn tanh<S: Simd>(simd: S, x: S::$vector) -> S::$vector {
                let [[numerator], [denominator]] = $fractions(simd, [x]);
                simd.$div(numerator, denominator)
            }

            #[inline(always)]
            fn tanh_fractions<S: Simd, const N: usize>(simd: S, x: [S::$vector; N]) -> [[S::$vector; N]; 2] {
                $fractions(simd, x)
            }

            #[inline(always)]
            fn tanh_all<S: Simd>(simd: S, values: &mut [Self]) {
                $tanh_all(simd, values)
            }

            #[inline(always)]
            fn sigmoid_all<S: Simd>(simd: S, values: &mut [Self]) {
                $sigmoid_all(simd, values)
            }
        }
    };
}

real!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_e_f32s,
    greater_than_f32s,
    select_f32s,
    div_f32s,
    fractions_f32,
    tanh_all_f32,
    sigmoid_all_f32
);
real!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_e_f64s,
    greater_than_f64s,
    select_f64s,
    div_f64s,
    fractions_f64,
    tanh_all_f64,
    sigmoid_all_f64
);

#[inline(always)]
fn tanh_all_f64<S: Simd>(_: S, values: &mut [f64]) {
    for x in values {
        *x = x.tanh();
    }
}

#[inline(always)]
fn sigmoid_all_f64<S: Simd>(_: S, values: &mut [f64]) {
    for x in values {
        *x = 1.0 / (1.0 + (-*x).exp());
    }
}

#[inline(always)]
fn fractions_f64<S: Simd, const N: usize>(simd: S, mut x: [S::f64s; N]) -> [[S::f64s; N]; 2] {
    tanh_all_f64(simd, pulp::bytemuck::cast_slice_mut(&mut x));
    [x, [simd.splat_f64s(1.0); N]]
}

#[inline(always)]
fn tanh_all_f32<S: Simd>(simd: S, values: &mut [f32]) {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    for x in vectors {
        *x = tanh_f32(simd, *x);
    }
    for x in rest {
        *x = tanh_f32(pulp::Scalar::new(), *x);
    }
}

#[inline(always)]
fn sigmoid_all_f32<S: Simd>(simd: S, values: &mut [f32]) {
    let (vectors, rest) = S::as_mut_simd_f32s(values);
    for x in vectors {
        *x = sigmoid_f32(simd, *x);
    }
    for x in rest {
        *x = sigmoid_f32(pulp::Scalar::new(), *x);
    }
}

/// By `sigmoid(x) = (1 + tanh(x / 2)) / 2`.
#[inline(always)]
fn sigmoid_f32<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let half = simd.splat_f32s(0.5);
    simd.mul_add_e_f32s(tanh_f32(simd, simd.mul_f32s(x, half)), half, half)
}

#[inline(always)]
fn tanh_f32<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let [[numerator], [denominator]] = fractions_f32(simd, [x]);
    simd.div_f32s(numerator, denominator)
}

/// Eigen's rational approximation of tanh: no branch, no table, one division. A vector's is one long chain of operations; those of
/// several go in step.
#[inline(always)]
#[expect(clippy::excessive_precision, reason = "the published coefficients")]
fn fractions_f32<S: Simd, const N: usize>(simd: S, mut x: [S::f32s; N]) -> [[S::f32s; N]; 2] {
    const LIMIT: f32 = 7.905_311_107_635_498;
    const ODD: [f32; 7] = [
        -2.760_768_477_423_55e-16,
        2.000_187_904_824_77e-13,
        -8.604_671_522_137_35e-11,
        5.122_297_090_371_14e-8,
        1.485_722_357_179_79e-5,
        6.372_619_288_754_36e-4,
        4.893_524_558_917_86e-3,
    ];
    const EVEN: [f32; 4] = [1.198_258_394_667_02e-6, 1.185_347_056_866_54e-4, 2.268_434_632_439_00e-3, 4.893_525_185_543_85e-3];
    let (low, high) = (simd.splat_f32s(-LIMIT), simd.splat_f32s(LIMIT));
    let mut squares = x;
    for (x, square) in x.iter_mut().zip(&mut squares) {
        *x = within(simd, *x, low, high);
        *square = simd.mul_f32s(*x, *x);
    }
    let mut numerators = [simd.splat_f32s(ODD[0]); N];
    for c in &ODD[1..] {
        let c = simd.splat_f32s(*c);
        for (sum, square) in numerators.iter_mut().zip(&squares) {
            *sum = simd.mul_add_e_f32s(*sum, *square, c);
        }
    }
    for (sum, x) in numerators.iter_mut().zip(&x) {
        *sum = simd.mul_f32s(*x, *sum);
    }
    let mut denominators = [simd.splat_f32s(EVEN[0]); N];
    for c in &EVEN[1..] {
        let c = simd.splat_f32s(*c);
        for (sum, square) in denominators.iter_mut().zip(&squares) {
            *sum = simd.mul_add_e_f32s(*sum, *square, c);
        }
    }
    [numerators, denominators]
}

/// `x`, but at least `low` and at most `high`; NaN stays.
#[inline(always)]
fn within<S: Simd>(simd: S, x: S::f32s, low: S::f32s, high: S::f32s) -> S::f32s {
    if cfg!(target_arch = "x86_64") && size_of::<S::f32s>() > size_of::<f32>() {
        // Of these, vector minimum and maximum give the second where one is NaN; elsewhere they may drop it.
        return simd.min_f32s(high, simd.max_f32s(low, x));
    }
    // Comparisons with NaN are false.
    let x = simd.select_f32s(simd.less_than_f32s(x, low), low, x);
    simd.select_f32s(simd.less_than_f32s(high, x), high, x)
}

/// `out += factor * values`.
#[inline(always)]
pub(crate) fn add_scaled<T: Real, S: Simd>(simd: S, factor: T, values: &[T], out: &mut [T]) {
    let whole = T::vectors::<S>(values).len().min(T::vectors::<S>(out).len());
    let splat = T::splat(simd, factor);
    for (out, values) in T::vectors_mut::<S>(out).iter_mut().zip(T::vectors::<S>(values)) {
        *out = T::fused(simd, splat, *values, *out);
    }
    let done = whole * (size_of::<T::Vector<S>>() / size_of::<T>());
    for (out, value) in out[done..].iter_mut().zip(&values[done..]) {
        *out += factor * *value;
    }
}

/// The sum of products, in an order that the length alone decides.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut sums = [T::ZERO; LANES];
    let ((whole, rest), (whole_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in whole.iter().zip(whole_b) {
        for q in 0..LANES {
            sums[q] += a[q] * b[q];
        }
    }
    for (sum, (a, b)) in sums.iter_mut().zip(rest.iter().zip(rest_b)) {
        *sum += *a * *b;
    }
    for half in [8, 4, 2, 1] {
        for q in 0..half {
            let other = sums[q + half];
            sums[q] += other;
        }
    }
    sums[0]
}

/// Work compiled once for each vector width.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;
    /// Does the work; must be `#[inline(always)]` and call only such functions, or the vector width is lost. Loops that must be fast
    /// name their vectors: what the compiler vectorises by itself changes with the code around it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs `kernel` with the widest vectors of this processor (AVX-512, AVX2 with FMA, NEON or the baseline).
///
/// The width never changes the order of a sum; with and without FMA the last bit may differ.
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    struct Vectorised<K>(K);
    impl<K: Kernel> pulp::WithSimd for Vectorised<K> {
        type Output = K::Output;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> K::Output {
            self.0.run(simd)
        }
    }
    pulp::Arch::new().dispatch(Vectorised(kernel))
}

/// The values of a contiguous CPU storage.
pub(crate) fn values<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&T::cpu_storage_as_slice(storage)?[from..to]),
        None => bail!("a layer's input is not contiguous"),
    }
}

/// Calls `f` with the values of CPU tensors, contiguous or not.
pub(crate) fn with_values<T: Real, R, const N: usize>(tensors: [&Tensor; N], f: impl FnOnce([&[T]; N]) -> R) -> Result<R> {
    let tensors = tensors.iter().map(|tensor| tensor.contiguous()).collect::<Result<Vec<_>>>()?;
    let storages: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&storages) {
        match &**storage {
            Storage::Cpu(storage) => *slice = values(storage, layout)?,
            _ => bail!("a CPU layer got a tensor of another device"),
        }
    }
    Ok(f(slices))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Elementary<T>(Vec<T>);
    impl<T: Real> Kernel for Elementary<T> {
        type Output = [Vec<T>; 2];
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let [mut sigmoid, mut tanh] = [self.0.clone(), self.0];
            T::sigmoid_all(simd, &mut sigmoid);
            T::tanh_all(simd, &mut tanh);
            [sigmoid, tanh]
        }
    }

    #[test]
    fn polynomials_agree_with_double_precision() {
        let xs: Vec<f32> = (-400_000..400_001).map(|i| i as f32 * 2.5e-4).chain([1e-7, -1e-20, 0.0, 1e-30]).collect();
        let exact = dispatch(Elementary(xs.iter().map(|x| f64::from(*x)).collect()));
        let [sigmoid, tanh] = dispatch(Elementary(xs.clone()));
        for (i, x) in xs.iter().enumerate() {
            assert!((f64::from(sigmoid[i]) - exact[0][i]).abs() < 2e-7, "sigmoid {x} = {}", sigmoid[i]);
            let error = (f64::from(tanh[i]) - exact[1][i]).abs();
            assert!(error <= 4e-7 * exact[1][i].abs(), "tanh {x} = {}", tanh[i]);
        }
        assert!((exact[0][xs.len() - 1] - 0.5).abs() < 1e-15 && exact[1][xs.len() - 4] == f64::from(1e-7f32).tanh());
    }

    #[test]
    fn not_a_number_stays_so() {
        let [sigmoid, tanh] = dispatch(Elementary(vec![f32::NAN; 17]));
        assert!(sigmoid.iter().chain(&tanh).all(|x| x.is_nan()));
        let [sigmoid, tanh] = dispatch(Elementary(vec![f32::INFINITY, f32::NEG_INFINITY]));
        assert!((sigmoid[0] - 1.0).abs() < 3e-7 && sigmoid[1].abs() < 3e-7, "{sigmoid:?}");
        assert!((tanh[0] - 1.0).abs() < 5e-7 && tanh[1] == -tanh[0], "{tanh:?}");
    }

    #[test]
    fn a_scaled_vector_is_added_to_its_last_element() {
        struct Add(Vec<f64>);
        impl Kernel for Add {
            type Output = Vec<f64>;
            #[inline(always)]
            fn run<S: Simd>(mut self, simd: S) -> Vec<f64> {
                let values = self.0.clone();
                add_scaled(simd, 2.0, &values, &mut self.0);
                self.0
            }
        }
        for len in 0..40 {
            let values: Vec<f64> = (0..len).map(f64::from).collect();
            assert_eq!(dispatch(Add(values.clone())), values.iter().map(|x| x * 3.0).collect::<Vec<_>>());
        }
    }
}
