//! One sequence alone, as the unedited input is: vectors run over the rows of a matrix.
//!
//! Every number is what any lane of [`super::lanes`] would be: the same sums, input after input, and the same functions. So an edited
//! lane that comes back to an unedited state holds its very bits.

use super::lanes::{Lstm, new_cell, new_states};
use super::numbers;
use crate::attribution::AttributionError;
use crate::models::layers::{Kernel, Real, dispatch};
use candle_core::Tensor;
use pulp::Simd;

/// Vectors of rows whose sums are held at once.
const SUMS: usize = 4;
/// Units are padded to a multiple of this, the widest vector's f32; rows to [`SUMS`] of them.
const PADDED: usize = 16;

/// A matrix by columns, `[inputs][rows]`; rows past the last are 0.
pub(super) struct Columns<T> {
    weights: Vec<T>,
    rows: usize,
}

impl<T: Real> Columns<T> {
    /// `[rows, inputs]` from what `weight(row, input)` gives.
    pub fn new(rows: usize, inputs: usize, weight: impl Fn(usize, usize) -> T) -> Self {
        let padded = rows.next_multiple_of(SUMS * PADDED);
        let of = |row: usize, input: usize| if row < rows { weight(row, input) } else { T::ZERO };
        let weights = (0..inputs * padded).map(|i| of(i % padded, i / padded)).collect();
        Self { weights, rows: padded }
    }

    /// The first `rows` of the product with each step of `x` `[steps][inputs]`, `[steps][rows]`.
    pub fn products(&self, x: &[T], rows: usize) -> Vec<T> {
        dispatch(Products { columns: self, x, rows })
    }

    /// Adds the product with `x` `[inputs]` to `sums`, input after input.
    #[inline(always)]
    fn add_product<S: Simd>(&self, simd: S, x: &[T], sums: &mut [T]) {
        let sums = T::vectors_mut::<S>(&mut sums[..self.rows]);
        let width = sums.len();
        let weights = T::vectors::<S>(&self.weights);
        for (block, sums) in sums.as_chunks_mut::<SUMS>().0.iter_mut().enumerate() {
            let [mut s0, mut s1, mut s2, mut s3] = *sums;
            for (weights, x) in weights.chunks_exact(width).zip(x) {
                let (w, x) = (&weights[block * SUMS..][..SUMS], T::splat(simd, *x));
                s0 = T::fused(simd, w[0], x, s0);
                s1 = T::fused(simd, w[1], x, s1);
                s2 = T::fused(simd, w[2], x, s2);
                s3 = T::fused(simd, w[3], x, s3);
            }
            *sums = [s0, s1, s2, s3];
        }
    }
}

struct Products<'a, T> {
    columns: &'a Columns<T>,
    x: &'a [T],
    rows: usize,
}

impl<T: Real> Kernel for Products<'_, T> {
    type Output = Vec<T>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<T> {
        let Self { columns, x, rows } = self;
        let inputs = columns.weights.len() / columns.rows;
        let mut products = Vec::with_capacity(x.len() / inputs * rows);
        let mut sums = vec![T::ZERO; columns.rows];
        for x in x.chunks_exact(inputs) {
            sums.fill(T::ZERO);
            columns.add_product(simd, x, &mut sums);
            products.extend_from_slice(&sums[..rows]);
        }
        products
    }
}

/// One direction of an LSTM; rows are `[gate][unit]`, the gates as PyTorch orders them: input, forget, candidate, output.
struct LstmAlone<T> {
    input: Columns<T>,
    /// `[gate][unit]`.
    bias: Vec<T>,
    recurrent: Columns<T>,
    hidden: usize,
}

/// What one direction holds over a sequence.
pub(super) struct Trace<T> {
    /// What enters the gates from the input, `[steps][unit][gate]`.
    pub gates: Vec<T>,
    /// `[steps][unit]`.
    pub states: Vec<T>,
    /// `[steps][unit]`.
    pub cells: Vec<T>,
}

/// One direction of an LSTM with what it holds over the unedited input.
pub(super) struct Direction<T> {
    pub lstm: Lstm<T>,
    pub unedited: Trace<T>,
}

impl<T: Real> Direction<T> {
    /// Both directions, forward first, of packed weights over `x` `[steps][inputs]`.
    pub fn both(packed: &[(Tensor, &Tensor); 2], x: &[T], inputs: usize) -> Result<[Self; 2], AttributionError> {
        let direction = |reverse: bool| -> Result<Self, AttributionError> {
            let (input, recurrent) = &packed[usize::from(reverse)];
            let (input, hidden, recurrent) = (numbers(input)?, recurrent.dim(1)?, numbers(recurrent)?);
            let alone = LstmAlone::new(&input, &recurrent, hidden);
            let unedited = dispatch(Unedited { alone: &alone, x, inputs, reverse });
            Ok(Self { lstm: Lstm::new(&input, &recurrent, hidden), unedited })
        };
        let (forward, reverse) = rayon::join(|| direction(false), || direction(true));
        Ok([forward?, reverse?])
    }
}

struct Unedited<'a, T> {
    alone: &'a LstmAlone<T>,
    x: &'a [T],
    inputs: usize,
    reverse: bool,
}

impl<T: Real> Kernel for Unedited<'_, T> {
    type Output = Trace<T>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Trace<T> {
        self.alone.trace(simd, self.x, self.inputs, self.reverse)
    }
}

impl<T: Real> LstmAlone<T> {
    /// From PyTorch's layout: `input` `[4 * hidden, inputs + 1]` with the bias as last column, `recurrent` `[4 * hidden, hidden]`.
    fn new(input: &[T], recurrent: &[T], hidden: usize) -> Self {
        let (columns, units) = (input.len() / (4 * hidden), hidden.next_multiple_of(PADDED));
        let of = |weights: &[T], row: usize, width: usize, i: usize| match row % units < hidden {
            true => weights[(row / units * hidden + row % units) * width + i],
            false => T::ZERO,
        };
        Self {
            input: Columns::new(4 * units, columns - 1, |row, i| of(input, row, columns, i)),
            bias: (0..4 * units).map(|row| of(input, row, columns, columns - 1)).collect(),
            recurrent: Columns::new(4 * units, hidden, |row, i| of(recurrent, row, hidden, i)),
            hidden,
        }
    }

    /// Runs over `x` `[steps][inputs]`, from its end where `reverse`.
    #[inline(always)]
    fn trace<S: Simd>(&self, simd: S, x: &[T], inputs: usize, reverse: bool) -> Trace<T> {
        let (steps, hidden, units) = (x.len() / inputs, self.hidden, self.bias.len() / 4);
        let empty = |width: usize| vec![T::ZERO; steps * width];
        let mut trace = Trace { gates: empty(4 * hidden), states: empty(hidden), cells: empty(hidden) };
        let (mut state, mut cell) = (vec![T::ZERO; units], vec![T::ZERO; units]);
        for i in 0..steps {
            let step = if reverse { steps - 1 - i } else { i };
            let mut gates = self.bias.clone();
            self.input.add_product(simd, &x[step * inputs..][..inputs], &mut gates);
            for (at, gate) in trace.gates[step * 4 * hidden..][..4 * hidden].iter_mut().enumerate() {
                *gate = gates[at % 4 * units + at / 4];
            }
            self.recurrent.add_product(simd, &state[..hidden], &mut gates);
            activate(simd, &gates, &mut cell, &mut state);
            trace.states[step * hidden..][..hidden].copy_from_slice(&state[..hidden]);
            trace.cells[step * hidden..][..hidden].copy_from_slice(&cell[..hidden]);
        }
        trace
    }
}

/// New cells and states `[unit]` from what enters the gates `[gate][unit]`.
#[inline(always)]
fn activate<T: Real, S: Simd>(simd: S, gates: &[T], cell: &mut [T], state: &mut [T]) {
    let (gates, width) = (T::vectors::<S>(gates), T::vectors::<S>(cell).len());
    let (i, f, g, o) = (&gates[..width], &gates[width..2 * width], &gates[2 * width..3 * width], &gates[3 * width..4 * width]);
    let (cells, states) = (T::vectors_mut::<S>(cell), T::vectors_mut::<S>(state));
    for v in 0..width {
        (cells[v], states[v]) = new_cell::<T, S>(simd, [i[v], f[v], g[v], o[v]], cells[v]);
    }
    new_states(simd, cell, state);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::lanes::{Gates, LANES, first_lane, spread};
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Gates, states and cells of a sequence run in every lane, as a block of edits runs it.
    struct InLanes<'a, T> {
        lstm: &'a Lstm<T>,
        x: &'a [T],
        inputs: usize,
        reverse: bool,
    }

    impl<T: Real> Kernel for InLanes<'_, T> {
        type Output = Trace<T>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Trace<T> {
            let (steps, hidden) = (self.x.len() / self.inputs, self.lstm.hidden());
            let mut by_step = vec![[Vec::new(), Vec::new(), Vec::new()]; steps];
            let mut x = vec![T::ZERO; self.inputs * LANES];
            let mut gates = vec![T::ZERO; 4 * hidden * LANES];
            let mut state = vec![T::ZERO; hidden * LANES];
            let (mut cell, mut next) = (state.clone(), state.clone());
            for i in 0..steps {
                let step = if self.reverse { steps - 1 - i } else { i };
                spread(&self.x[step * self.inputs..][..self.inputs], &mut x);
                self.lstm.project(simd, &x, &mut gates);
                self.lstm.step(simd, Gates::Lanes(&gates), &state, &mut cell, &mut next);
                state.copy_from_slice(&next);
                by_step[step] = [&gates, &state, &cell].map(|rows| first_lane(rows).collect());
            }
            let [gates, states, cells] = [0, 1, 2].map(|what| by_step.iter().flat_map(|step| step[what].clone()).collect());
            Trace { gates, states, cells }
        }
    }

    fn lanes_and_alone_agree<T: Real>(hidden: usize, inputs: usize) {
        let mut random = ChaCha8Rng::seed_from_u64(hidden as u64);
        let mut draw = |n: usize| -> Vec<T> { (0..n).map(|_| T::from_f64(random.random_range(-1.5..1.5))).collect() };
        let (input, recurrent, x) = (draw(4 * hidden * (inputs + 1)), draw(4 * hidden * hidden), draw(7 * inputs));
        let (lanes, alone) = (Lstm::new(&input, &recurrent, hidden), LstmAlone::new(&input, &recurrent, hidden));
        for reverse in [false, true] {
            let many = dispatch(InLanes { lstm: &lanes, x: &x, inputs, reverse });
            let one = dispatch(Unedited { alone: &alone, x: &x, inputs, reverse });
            let bits = |numbers: &[T]| -> Vec<u64> { numbers.iter().map(|x| x.to_f64().to_bits()).collect() };
            for (many, one) in [(&many.gates, &one.gates), (&many.states, &one.states), (&many.cells, &one.cells)] {
                assert_eq!(bits(many), bits(one), "{hidden} units, {inputs} inputs, reverse {reverse}");
            }
        }
    }

    #[test]
    fn a_sequence_alone_has_the_bits_of_any_lane() {
        for (hidden, inputs) in [(1, 1), (3, 5), (16, 2), (32, 1), (35, 20)] {
            lanes_and_alone_agree::<f32>(hidden, inputs);
            lanes_and_alone_agree::<f64>(hidden, inputs);
        }
    }
}
