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
                let (c0, o0) = new_cell::<T, S>(simd, [i[0], f[0], g[0], o[0]], old[0]);
                let (c1, o1) = new_cell::<T, S>(simd, [i[1], f[1], g[1], o[1]], old[1]);
                store::<T, S>(cell, q, [c0, c1]);
                store::<T, S>(next, q, [o0, o1]);
            }
            new_states(simd, cell, next);
        }
    }
}

/// New cell of units from what enters their gates, and the output gate. A gate's polynomials are one long chain of operations; those
/// of the four go in step.
#[inline(always)]
pub(super) fn new_cell<T: Real, S: Simd>(
    simd: S,
    [i, f, g, o]: [T::Vector<S>; 4],
    cell: T::Vector<S>,
) -> (T::Vector<S>, T::Vector<S>) {
    let half = T::splat(simd, T::from_f64(0.5));
    let halves = [T::times(simd, i, half), T::times(simd, f, half), g, T::times(simd, o, half)];
    let [above, below] = T::tanh_fractions(simd, halves);
    let (i, f) = (T::over(simd, above[0], below[0]), T::over(simd, above[1], below[1]));
    let (g, o) = (T::over(simd, above[2], below[2]), T::over(simd, above[3], below[3]));
    // sigmoid(x) = (1 + tanh(x / 2)) / 2
    let kept = T::times(simd, T::fused(simd, i, half, half), g);
    (T::fused(simd, T::fused(simd, f, half, half), cell, kept), T::fused(simd, o, half, half))
}

/// New states of units, `tanh(cell)` times the output gate, which is in `states`.
#[inline(always)]
pub(super) fn new_states<T: Real, S: Simd>(simd: S, cells: &[T], states: &mut [T]) {
    let (cells, states) = (T::vectors::<S>(cells), T::vectors_mut::<S>(states));
    let mut done = in_step::<T, S, 4>(simd, cells, states);
    done += in_step::<T, S, 2>(simd, &cells[done..], &mut states[done..]);
    in_step::<T, S, 1>(simd, &cells[done..], &mut states[done..]);
}

/// As [`new_states`], `N` vectors at a time as long as there are so many; says how many it did.
#[inline(always)]
fn in_step<T: Real, S: Simd, const N: usize>(simd: S, cells: &[T::Vector<S>], states: &mut [T::Vector<S>]) -> usize {
    let cells = cells.as_chunks::<N>().0;
    for (cells, states) in cells.iter().zip(states.as_chunks_mut::<N>().0) {
        let [above, below] = T::tanh_fractions(simd, *cells);
        for k in 0..N {
            states[k] = T::times(simd, T::over(simd, above[k], below[k]), states[k]);
        }
    }
    N * cells.len()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layers::{Kernel, dispatch};

    /// New cells, then new states, of one vector's worth after the other.
    struct Step<T> {
        gates: [Vec<T>; 4],
        cells: Vec<T>,
    }

    impl<T: Real> Kernel for Step<T> {
        type Output = [Vec<T>; 2];

        #[inline(always)]
        fn run<S: Simd>(mut self, simd: S) -> Self::Output {
            let mut states = self.cells.clone();
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| T::vectors::<S>(&self.gates[gate]));
            let cells = T::vectors_mut::<S>(&mut self.cells);
            for (v, output) in T::vectors_mut::<S>(&mut states).iter_mut().enumerate() {
                (cells[v], *output) = new_cell::<T, S>(simd, [i[v], f[v], g[v], o[v]], cells[v]);
            }
            new_states(simd, &self.cells, &mut states);
            [self.cells, states]
        }
    }

    fn steps_are_those_of_the_formula<T: Real>(tolerance: f64) {
        let levels = [-200.0, -9.0, -1.3, -1e-4, 0.0, 0.7, 4.0, 30.0, f64::NAN];
        let level = |n: usize, gate: u32| levels[n / levels.len().pow(gate) % levels.len()];
        let n = levels.len().pow(4).next_multiple_of(3 * LANES);
        let cells = [-150.0, -2.0, 0.0, 0.4, 7.0];
        let gates = [0, 1, 2, 3].map(|gate| (0..n).map(|i| T::from_f64(level(i, gate))).collect());
        let [found, states] = dispatch(Step { gates, cells: (0..n).map(|i| T::from_f64(cells[i % 5])).collect() });
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for i in 0..n {
            let [input, forget, candidate, output] = [0, 1, 2, 3].map(|gate| level(i, gate));
            let old = T::from_f64(cells[i % 5]).to_f64();
            let cell = sigmoid(forget) * old + sigmoid(input) * candidate.tanh();
            let state = sigmoid(output) * cell.tanh();
            for (found, exact) in [(found[i].to_f64(), cell), (states[i].to_f64(), state)] {
                let is_near = (found - exact).abs() <= tolerance * old.abs().max(1.0);
                assert!(
                    is_near || (found.is_nan() && exact.is_nan()),
                    "gates {input} {forget} {candidate} {output}: {found}, {exact}"
                );
            }
        }
    }

    /// The polynomials are within 2e-7, so a shut gate lets as much of a cell pass; three of them meet in a cell.
    #[test]
    fn a_step_is_that_of_the_formula_where_gates_are_open_shut_or_not_a_number() {
        steps_are_those_of_the_formula::<f32>(6e-7);
        steps_are_those_of_the_formula::<f64>(1e-13);
    }
}
