//! The recurrence of an LSTM over all steps of a few samples, forwards and back.
//!
//! Everything is `[steps, samples, 4 * lanes]` (gates: input, forget, candidate, output) or `[steps, samples, lanes]`, hidden units
//! padded with zeros to a multiple of [`LANES`].

use super::real::{Kernel, Real};
use pulp::Simd;

/// Hidden units are padded to a multiple of this, the widest vector's f32.
pub(super) const LANES: usize = 16;
/// Samples whose sums are held in registers together.
const SAMPLES: usize = 4;

/// Writes a block out for each of the first `$count` constants: a loop is unrolled too late for its sums to stay in registers.
macro_rules! unrolled {
    ($n:ident in 0..$count:ident $body:block) => {
        unrolled!($n $count $body 0 1 2 3)
    };
    ($n:ident $count:ident $body:block $($i:literal)*) => {$(
        if $i < $count {
            const $n: usize = $i;
            $body
        }
    )*};
}

/// Steps an LSTM through a sequence.
pub(super) struct Steps<'a, T> {
    /// Input projections with bias on entry, activations on return.
    pub gates: &'a mut [T],
    /// Cell states on return.
    pub cells: &'a mut [T],
    /// Hidden states on return.
    pub states: &'a mut [T],
    /// `[hidden, 4 * lanes]`.
    pub recurrent: &'a [T],
    pub samples: usize,
    pub lanes: usize,
    /// From the last step to the first.
    pub reverse: bool,
}

impl<T: Real> Kernel for Steps<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (samples, lanes, gates) = (self.samples, self.lanes, 4 * self.lanes);
        let row = samples * lanes;
        let steps = self.gates.len() / (samples * gates);
        let mut state = vec![T::ZERO; row];
        let mut cell = state.clone();
        for i in 0..steps {
            let step = if self.reverse { steps - 1 - i } else { i };
            let now = &mut self.gates[step * samples * gates..][..samples * gates];
            if i > 0 {
                // A register block for four samples; fewer run one at a time. Each sum has the same order in both.
                if samples == SAMPLES {
                    recur::<T, S, SAMPLES>(simd, now, &state, self.recurrent, lanes);
                } else {
                    for (now, state) in now.chunks_exact_mut(gates).zip(state.chunks_exact(lanes)) {
                        recur::<T, S, 1>(simd, now, state, self.recurrent, lanes);
                    }
                }
            }
            let rows = now.chunks_exact_mut(gates).zip(cell.chunks_exact_mut(lanes)).zip(state.chunks_exact_mut(lanes));
            for ((now, cell), state) in rows {
                T::sigmoid_all(simd, &mut now[..2 * lanes]);
                T::tanh_all(simd, &mut now[2 * lanes..3 * lanes]);
                T::sigmoid_all(simd, &mut now[3 * lanes..]);
                let [i, f, g, o] = quarters::<T, S>(now);
                let cells = T::vectors_mut::<S>(cell);
                for (q, c) in cells.iter_mut().enumerate() {
                    *c = T::fused(simd, f[q], *c, T::times(simd, i[q], g[q]));
                }
                state.copy_from_slice(cell);
                T::tanh_all(simd, state);
                for (state, o) in T::vectors_mut::<S>(state).iter_mut().zip(o) {
                    *state = T::times(simd, *state, *o);
                }
            }
            self.cells[step * row..][..row].copy_from_slice(&cell);
            self.states[step * row..][..row].copy_from_slice(&state);
        }
    }
}

/// The four gates of a row.
#[inline(always)]
fn quarters<T: Real, S: Simd>(row: &[T]) -> [&[T::Vector<S>]; 4] {
    let lanes = row.len() / 4;
    [0, 1, 2, 3].map(
        #[inline(always)]
        |gate| T::vectors::<S>(&row[gate * lanes..][..lanes]),
    )
}

/// Adds `recurrent^T state` to the gates of `N` samples.
#[inline(always)]
fn recur<T: Real, S: Simd, const N: usize>(simd: S, now: &mut [T], state: &[T], recurrent: &[T], lanes: usize) {
    let gates = 4 * lanes;
    let width = T::vectors::<S>(&recurrent[..gates]).len();
    // Two vectors at a time: a row of gates is an even number of them.
    for pair in 0..width / 2 {
        let mut sums = [[T::splat(simd, T::ZERO); 2]; N];
        unrolled!(I in 0..N {
            let row = T::vectors::<S>(&now[I * gates..][..gates]);
            sums[I] = [row[2 * pair], row[2 * pair + 1]];
        });
        for (unit, row) in recurrent.chunks_exact(gates).enumerate() {
            let row = T::vectors::<S>(row);
            let [a, b] = [row[2 * pair], row[2 * pair + 1]];
            unrolled!(I in 0..N {
                let h = T::splat(simd, state[I * lanes + unit]);
                sums[I][0] = T::fused(simd, h, a, sums[I][0]);
                sums[I][1] = T::fused(simd, h, b, sums[I][1]);
            });
        }
        unrolled!(I in 0..N {
            let row = T::vectors_mut::<S>(&mut now[I * gates..][..gates]);
            row[2 * pair] = sums[I][0];
            row[2 * pair + 1] = sums[I][1];
        });
    }
}

/// Runs the chain rule back through [`Steps`].
pub(super) struct StepsBack<'a, T> {
    /// Activations on entry, gradients of what entered the gates on return.
    pub gates: &'a mut [T],
    /// Cell states.
    pub cells: &'a [T],
    /// Gradient of every hidden state, from above.
    pub of_states: &'a [T],
    /// `[4 * lanes, lanes]`.
    pub recurrent: &'a [T],
    pub samples: usize,
    pub lanes: usize,
    /// As the steps ran.
    pub reverse: bool,
}

impl<T: Real> Kernel for StepsBack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (samples, lanes, gates) = (self.samples, self.lanes, 4 * self.lanes);
        let (row, steps) = (samples * lanes, self.gates.len() / (samples * gates));
        // Gradients that later steps pass to a step's hidden and cell state.
        let mut of_state = vec![T::ZERO; row];
        let mut of_cell = vec![T::ZERO; row];
        let mut tanh = vec![T::ZERO; row];
        let none = vec![T::ZERO; row];
        for i in (0..steps).rev() {
            let step = if self.reverse { steps - 1 - i } else { i };
            let before = match i {
                0 => &none[..],
                _ => &self.cells[(if self.reverse { step + 1 } else { step - 1 }) * row..][..row],
            };
            let from_above = &self.of_states[step * row..][..row];
            tanh.copy_from_slice(&self.cells[step * row..][..row]);
            T::tanh_all(simd, &mut tanh);
            let now = &mut self.gates[step * samples * gates..][..samples * gates];
            for (sample, now) in now.chunks_exact_mut(gates).enumerate() {
                let at = sample * lanes..(sample + 1) * lanes;
                let part = Part {
                    tanh: T::vectors::<S>(&tanh[at.clone()]),
                    before: T::vectors::<S>(&before[at.clone()]),
                    from_above: T::vectors::<S>(&from_above[at.clone()]),
                    of_state: T::vectors::<S>(&of_state[at.clone()]),
                };
                cell_back::<T, S>(simd, now, part, T::vectors_mut::<S>(&mut of_cell[at]));
            }
            if i > 0 {
                if samples == SAMPLES {
                    recur_back::<T, S, SAMPLES>(simd, now, &mut of_state, self.recurrent, lanes);
                } else {
                    for (now, of_state) in now.chunks_exact(gates).zip(of_state.chunks_exact_mut(lanes)) {
                        recur_back::<T, S, 1>(simd, now, of_state, self.recurrent, lanes);
                    }
                }
            }
        }
    }
}

/// What one sample's gates need to go back a step.
struct Part<'a, V> {
    /// Of the cell states.
    tanh: &'a [V],
    /// Cell states of the step before.
    before: &'a [V],
    from_above: &'a [V],
    of_state: &'a [V],
}

/// Activations of one sample's gates to gradients, and the cell's gradient to that of the step before.
#[inline(always)]
fn cell_back<T: Real, S: Simd>(simd: S, now: &mut [T], part: Part<'_, T::Vector<S>>, of_cell: &mut [T::Vector<S>]) {
    let lanes = now.len() / 4;
    let one = T::splat(simd, T::ONE);
    let (input, rest) = now.split_at_mut(lanes);
    let (forget, rest) = rest.split_at_mut(lanes);
    let (candidate, output) = rest.split_at_mut(lanes);
    let (input, forget) = (T::vectors_mut::<S>(input), T::vectors_mut::<S>(forget));
    let (candidate, output) = (T::vectors_mut::<S>(candidate), T::vectors_mut::<S>(output));
    for (q, of_cell) in of_cell.iter_mut().enumerate() {
        let times = |a, b| T::times(simd, a, b);
        // The derivative of a sigmoid that is y.
        let slope = |y| times(y, T::minus(simd, one, y));
        let (i, f, g, o, tanh) = (input[q], forget[q], candidate[q], output[q], part.tanh[q]);
        let h = T::plus(simd, part.of_state[q], part.from_above[q]);
        let c = T::fused(simd, times(h, o), T::minus(simd, one, times(tanh, tanh)), *of_cell);
        input[q] = times(times(c, g), slope(i));
        forget[q] = times(times(c, part.before[q]), slope(f));
        candidate[q] = times(times(c, i), T::minus(simd, one, times(g, g)));
        output[q] = times(times(h, tanh), slope(o));
        *of_cell = times(c, f);
    }
}

/// Gradient of the state before, of `N` samples: `recurrent^T` times that of the gates.
#[inline(always)]
fn recur_back<T: Real, S: Simd, const N: usize>(simd: S, now: &[T], of_state: &mut [T], recurrent: &[T], lanes: usize) {
    let gates = 4 * lanes;
    for vector in 0..T::vectors::<S>(&recurrent[..lanes]).len() {
        // Even and odd gates apart: two chains of additions run at once.
        let mut sums = [[T::splat(simd, T::ZERO); 2]; N];
        for (pair, rows) in recurrent.chunks_exact(2 * lanes).enumerate() {
            let [even, odd] = [T::vectors::<S>(&rows[..lanes])[vector], T::vectors::<S>(&rows[lanes..])[vector]];
            unrolled!(I in 0..N {
                let gate = I * gates + 2 * pair;
                sums[I][0] = T::fused(simd, T::splat(simd, now[gate]), even, sums[I][0]);
                sums[I][1] = T::fused(simd, T::splat(simd, now[gate + 1]), odd, sums[I][1]);
            });
        }
        unrolled!(I in 0..N {
            T::vectors_mut::<S>(&mut of_state[I * lanes..][..lanes])[vector] = T::plus(simd, sums[I][0], sums[I][1]);
        });
    }
}
