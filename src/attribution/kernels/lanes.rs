//! Many edits of one input side by side.
//!
//! Vectors run over edits ("lanes") instead of over units: a weight is the same for all edits and is loaded once for a vector of
//! them, no hidden size wastes a lane, and activations stay in registers. Every lane's arithmetic is that of any other lane in any
//! other block, so equal inputs give equal bits whatever they are computed beside. No closure holds an operation on vectors: it would
//! be compiled for the narrowest.

use crate::models::layers::Real;
use pulp::Simd;

/// Edits of a block: `[rows][LANES]` is the layout of everything here.
pub(super) const LANES: usize = 32;
/// Rows of weights that are multiplied at once: the four gates of a unit.
const ROWS: usize = 4;

/// Sums of four rows for two vectors of lanes.
type Sums<V> = [[V; 2]; ROWS];

/// A matrix whose rows lie four side by side, `[rows / 4][inputs][4]`; rows past the last are 0.
pub(super) struct Rows<T> {
    weights: Vec<T>,
    inputs: usize,
}

impl<T: Real> Rows<T> {
    /// `[rows, inputs]` from what `weight(row, input)` gives.
    pub fn new(rows: usize, inputs: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let mut weights = Vec::with_capacity(rows.next_multiple_of(ROWS) * inputs);
        for first in (0..rows).step_by(ROWS) {
            for input in 0..inputs {
                weights.extend((first..first + ROWS).map(|row| if row < rows { weight(row, input) } else { T::ZERO }));
            }
        }
        Self { weights, inputs }
    }

    /// Calls `each` with the number of every group of four rows and its weights `[inputs][4]`.
    #[inline(always)]
    pub fn groups(&self) -> impl Iterator<Item = (usize, &[T])> {
        self.weights.chunks_exact(ROWS * self.inputs).enumerate()
    }
}

/// Pairs of vectors in a row of lanes.
#[inline(always)]
pub(super) fn pairs<T: Real, S: Simd>() -> usize {
    LANES * size_of::<T>() / size_of::<T::Vector<S>>() / 2
}

/// Pair `q` of a row of lanes.
#[inline(always)]
pub(super) fn load<T: Real, S: Simd>(row: &[T], q: usize) -> [T::Vector<S>; 2] {
    let row = T::vectors::<S>(&row[..LANES]);
    [row[2 * q], row[2 * q + 1]]
}

/// Writes pair `q` of a row of lanes.
#[inline(always)]
pub(super) fn store<T: Real, S: Simd>(row: &mut [T], q: usize, pair: [T::Vector<S>; 2]) {
    let row = T::vectors_mut::<S>(&mut row[..LANES]);
    [row[2 * q], row[2 * q + 1]] = pair;
}

/// One number in every lane.
#[inline(always)]
pub(super) fn splat<T: Real, S: Simd>(simd: S, number: T) -> [T::Vector<S>; 2] {
    [T::splat(simd, number); 2]
}

/// Four rows of one number each.
#[inline(always)]
pub(super) fn splat4<T: Real, S: Simd>(simd: S, numbers: &[T]) -> Sums<T::Vector<S>> {
    let n = &numbers[..ROWS];
    [splat(simd, n[0]), splat(simd, n[1]), splat(simd, n[2]), splat(simd, n[3])]
}

/// Four rows of lanes.
#[inline(always)]
pub(super) fn load4<T: Real, S: Simd>(rows: &[T], q: usize) -> Sums<T::Vector<S>> {
    let rows = &rows[..ROWS * LANES];
    [
        load::<T, S>(rows, q),
        load::<T, S>(&rows[LANES..], q),
        load::<T, S>(&rows[2 * LANES..], q),
        load::<T, S>(&rows[3 * LANES..], q),
    ]
}

/// Adds four rows of weights `[inputs][4]` times `x` `[inputs][LANES]`, input after input.
#[inline(always)]
pub(super) fn add_product<T: Real, S: Simd>(
    simd: S,
    sums: Sums<T::Vector<S>>,
    weights: &[T],
    x: &[T],
    q: usize,
) -> Sums<T::Vector<S>> {
    let [mut s0, mut s1, mut s2, mut s3] = sums;
    for (w, x) in weights.as_chunks::<ROWS>().0.iter().zip(x.as_chunks::<LANES>().0) {
        let [a, b] = load::<T, S>(x, q);
        // Written out: a loop is unrolled too late for the sums to stay in registers.
        macro_rules! add {
            ($sum:ident, $i:literal) => {
                let w = T::splat(simd, w[$i]);
                $sum = [T::fused(simd, w, a, $sum[0]), T::fused(simd, w, b, $sum[1])];
            };
        }
        add!(s0, 0);
        add!(s1, 1);
        add!(s2, 2);
        add!(s3, 3);
    }
    [s0, s1, s2, s3]
}

/// One direction of an LSTM. Rows are `[unit][input, forget, candidate, output]`.
pub(super) struct Lstm<T> {
    input: Rows<T>,
    /// `[unit][4]`.
    bias: Vec<T>,
    recurrent: Rows<T>,
    hidden: usize,
}

/// What enters a step's gates from the input: the same for every lane, `[unit][4]`, or `[unit][4][LANES]`.
#[derive(Clone, Copy)]
pub(super) enum Gates<'a, T> {
    /// One row for all lanes.
    Shared(&'a [T]),
    /// A row a lane.
    Lanes(&'a [T]),
}

impl<T: Real> Lstm<T> {
    /// From PyTorch's layout: `input` `[4 * hidden, inputs + 1]` with the bias as last column, `recurrent` `[4 * hidden, hidden]`.
    pub fn new(input: &[T], recurrent: &[T], hidden: usize) -> Self {
        let columns = input.len() / (4 * hidden);
        let torch_row = |row: usize| row % 4 * hidden + row / 4;
        Self {
            input: Rows::new(4 * hidden, columns - 1, |row, i| input[torch_row(row) * columns + i]),
            bias: (0..4 * hidden).map(|row| input[torch_row(row) * columns + columns - 1]).collect(),
            recurrent: Rows::new(4 * hidden, hidden, |row, i| recurrent[torch_row(row) * hidden + i]),
            hidden,
        }
    }

    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Input projections with bias, `[unit][4][LANES]`, of `x` `[inputs][LANES]`.
    #[inline(always)]
    pub fn project<S: Simd>(&self, simd: S, x: &[T], out: &mut [T]) {
        for (unit, weights) in self.input.groups() {
            let out = &mut out[unit * ROWS * LANES..][..ROWS * LANES];
            for q in 0..pairs::<T, S>() {
                let sums = add_product(simd, splat4(simd, &self.bias[4 * unit..]), weights, x, q);
                for (row, sum) in sums.into_iter().enumerate() {
                    store::<T, S>(&mut out[row * LANES..], q, sum);
                }
            }
        }
    }

    /// One step: `state` and `cell` are `[hidden][LANES]`; the new state is written to `next`.
    #[inline(always)]
    pub fn step<S: Simd>(&self, simd: S, gates: Gates<'_, T>, state: &[T], cell: &mut [T], next: &mut [T]) {
        for (unit, weights) in self.recurrent.groups() {
            let (cell, next) = (&mut cell[unit * LANES..][..LANES], &mut next[unit * LANES..][..LANES]);
            for q in 0..pairs::<T, S>() {
                let entering = match gates {
                    Gates::Shared(row) => splat4(simd, &row[4 * unit..]),
                    Gates::Lanes(rows) => load4::<T, S>(&rows[4 * unit * LANES..], q),
                };
                let [i, f, g, o] = add_product(simd, entering, weights, state, q);
                let old = load::<T, S>(cell, q);
                let (c0, h0) = activate::<T, S>(simd, [i[0], f[0], g[0], o[0]], old[0]);
                let (c1, h1) = activate::<T, S>(simd, [i[1], f[1], g[1], o[1]], old[1]);
                store::<T, S>(cell, q, [c0, c1]);
                store::<T, S>(next, q, [h0, h1]);
            }
        }
    }
}

/// New cell and hidden state of a unit from what enters its gates.
#[inline(always)]
pub(super) fn activate<T: Real, S: Simd>(
    simd: S,
    [i, f, g, o]: [T::Vector<S>; 4],
    cell: T::Vector<S>,
) -> (T::Vector<S>, T::Vector<S>) {
    let kept = T::times(simd, T::sigmoid(simd, i), T::tanh(simd, g));
    let cell = T::fused(simd, T::sigmoid(simd, f), cell, kept);
    (cell, T::times(simd, T::tanh(simd, cell), T::sigmoid(simd, o)))
}

/// Fills rows of lanes with one number each.
pub(super) fn spread<T: Copy>(numbers: &[T], rows: &mut [T]) {
    for (row, number) in rows.chunks_exact_mut(LANES).zip(numbers) {
        row.fill(*number);
    }
}

/// Whether every lane of each row holds the row's number, bit for bit.
pub(super) fn is_spread<T: Real>(numbers: &[T], rows: &[T]) -> bool {
    rows.chunks_exact(LANES).zip(numbers).all(|(row, number)| row.iter().all(|lane| lane == number))
}

/// Lane 0 of each row.
pub(super) fn first_lane<T: Copy>(rows: &[T]) -> impl Iterator<Item = T> + '_ {
    rows.iter().step_by(LANES).copied()
}
