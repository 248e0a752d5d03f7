//! Convolution of a stretch of positions with every filter, vectorised over positions.
//!
//! A matrix product would need the windows of a sequence as its columns, which are the same bases over and over, or waste lanes on
//! 50 filters in vectors of 16. Here two vectors of positions meet ten filters at a time, and every sum runs over channels, then
//! kernel positions, whatever the place: equal windows give bitwise equal sums, which ties in pools depend on.

use super::real::{Kernel, Real, dispatch};
use pulp::Simd;

/// Positions of the largest register block; stretches are padded to a multiple of it.
pub(crate) const BLOCK: usize = 32;
/// Vectors of positions in a register block.
const VECTORS: usize = 2;

/// `[filters, kernel, channels]`, rearranged so that the filters of a register block lie side by side.
pub(crate) struct Filters<T> {
    /// Blocks of filters, each `[channels, kernel, filters of the block]`.
    packed: Vec<T>,
    filters: usize,
    /// `channels * kernel`.
    depth: usize,
    kernel: usize,
    /// Filters of the largest register block.
    widest: usize,
}

impl<T: Real> Filters<T> {
    pub fn new(weight: &[T], filters: usize, kernel: usize, channels: usize) -> Self {
        let (depth, widest) = (kernel * channels, dispatch(WidestBlock));
        let mut packed = Vec::with_capacity(weight.len());
        for (first, width) in blocks(filters, widest) {
            for channel in 0..channels {
                for position in 0..kernel {
                    packed.extend((first..first + width).map(|f| weight[f * depth + position * channels + channel]));
                }
            }
        }
        Self { packed, filters, depth, kernel, widest }
    }

    /// Writes `[filters, stretch]` to `out` for `stretch` positions (a multiple of [`BLOCK`]). `x` is channel-major,
    /// `[channels, stretch + kernel - 1]`.
    pub fn correlate(&self, x: &[T], stretch: usize, out: &mut [T]) {
        dispatch(Correlate { filters: self, x, stretch, out });
    }
}

/// Ten filters by two vectors fill 32 registers, five fill 16.
struct WidestBlock;

impl Kernel for WidestBlock {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        if S::REGISTER_COUNT >= 32 { 10 } else { 5 }
    }
}

/// First filter and width of each register block: as many of the widest as fit, then fives, then ones.
fn blocks(filters: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let width = [widest, 5, 1].into_iter().find(|width| first + width <= filters)?;
        first += width;
        Some((first - width, width))
    })
}

struct Correlate<'a, T> {
    filters: &'a Filters<T>,
    x: &'a [T],
    stretch: usize,
    out: &'a mut [T],
}

impl<T: Real> Kernel for Correlate<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let f = self.filters;
        let row = self.stretch + f.kernel - 1;
        for (first, width) in blocks(f.filters, f.widest) {
            let weights = &f.packed[first * f.depth..(first + width) * f.depth];
            let out = &mut self.out[first * self.stretch..(first + width) * self.stretch];
            match width {
                10 => block::<T, S, 10>(simd, weights, f.kernel, self.x, row, self.stretch, out),
                5 => block::<T, S, 5>(simd, weights, f.kernel, self.x, row, self.stretch, out),
                _ => block::<T, S, 1>(simd, weights, f.kernel, self.x, row, self.stretch, out),
            }
        }
    }
}

/// `W` filters over the whole stretch.
#[inline(always)]
fn block<T: Real, S: Simd, const W: usize>(
    simd: S,
    weights: &[T],
    kernel: usize,
    x: &[T],
    row: usize,
    stretch: usize,
    out: &mut [T],
) {
    let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
    for from in (0..stretch).step_by(VECTORS * lanes) {
        let mut sums = [[T::splat(simd, T::ZERO); VECTORS]; W];
        for (x, weights) in x.chunks_exact(row).zip(weights.chunks_exact(kernel * W)) {
            let x = &x[from..from + VECTORS * lanes + kernel - 1];
            for (x, weights) in x.windows(VECTORS * lanes).zip(weights.as_chunks::<W>().0) {
                let Some(x) = T::vectors::<S>(x).first_chunk::<VECTORS>() else { continue };
                // Written out: a loop is unrolled too late for the sums to stay in registers.
                macro_rules! add {
                    ($($w:literal)*) => {$(
                        if $w < W {
                            let weight = T::splat(simd, weights[$w]);
                            sums[$w][0] = T::fused(simd, weight, x[0], sums[$w][0]);
                            sums[$w][1] = T::fused(simd, weight, x[1], sums[$w][1]);
                        }
                    )*};
                }
                add!(0 1 2 3 4 5 6 7 8 9);
            }
        }
        macro_rules! write {
            ($($w:literal)*) => {$(
                if $w < W {
                    let out = T::vectors_mut::<S>(&mut out[$w * stretch + from..][..VECTORS * lanes]);
                    if let Some(out) = out.first_chunk_mut::<VECTORS>() {
                        *out = [sums[$w][0], sums[$w][1]];
                    }
                }
            )*};
        }
        write!(0 1 2 3 4 5 6 7 8 9);
    }
}
