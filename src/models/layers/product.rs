//! Matrix products whose right factor fits the second-level cache, twice as fast as `gemm` 0.19 with 512-bit vectors: convolutions
//! over many channels and their gradients, whose left factor is a view of overlapping rows.

use super::real::{Kernel, Real, dispatch};
use pulp::Simd;

/// Where the elements of a left factor lie in its slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Element (r, d) at `r * stride + d`; rows may overlap (the windows of a sequence have `stride` = channels).
    Adjacent(usize),
    /// Element (r, d) at `d * stride + r`: the transpose of such a view.
    Interleaved(usize),
}

/// A right factor `[depth, columns]`, rearranged in panels as wide as a register block and padded with 0 to whole vectors.
pub(crate) struct Packed<T> {
    values: Vec<T>,
    depth: usize,
    columns: usize,
    lanes: usize,
    /// Vectors of the widest panel.
    widest: usize,
}

/// Bytes of a panel that are worked off before the next rows: with the rows they are multiplied by they stay in 32 KiB of first-level
/// cache. Between parts the sums go to memory and back, so that no part is shallower than `DEPTH`.
const PART: usize = 20 << 10;
/// The fewest elements of depth of a part: the widest panels of 512-bit vectors fill a first-level cache of 48 KiB with it.
const DEPTH: usize = 128;
/// Elements of depth that are packed together.
const TILE: usize = 16;

impl<T: Real> Packed<T> {
    /// Packs `values`, whose element (d, c) is at `d * row + c * column`.
    pub fn new(values: &[T], depth: usize, columns: usize, row: usize, column: usize) -> Self {
        let (lanes, widest) = dispatch(Shape::<T>(std::marker::PhantomData));
        let padded = columns.next_multiple_of(lanes);
        let mut packed = vec![T::ZERO; depth * padded];
        let mut at = 0;
        for panel in panels(padded / lanes, widest) {
            let (first, width) = (panel.0 * lanes, panel.1 * lanes);
            let real = width.min(columns - first);
            let panel = &mut packed[at..][..depth * width];
            if column == 1 {
                for (d, to) in panel.chunks_exact_mut(width).enumerate() {
                    to[..real].copy_from_slice(&values[d * row + first..][..real]);
                }
            } else {
                // A cache line of each column at a time: columns that lie a power of two apart share their places in the cache.
                for (tile, to) in panel.chunks_mut(TILE * width).enumerate() {
                    for c in 0..real {
                        let from = tile * TILE * row + (first + c) * column;
                        to.iter_mut().skip(c).step_by(width).enumerate().for_each(|(d, to)| *to = values[from + d * row]);
                    }
                }
            }
            at += depth * width;
        }
        Self { values: packed, depth, columns, lanes, widest }
    }

    /// Elements of depth.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Columns with their padding: what a row of the product takes.
    pub fn padded(&self) -> usize {
        self.columns.next_multiple_of(self.lanes)
    }

    /// `out = left * self`, or `out += left * self` where `add`: `out` is `[rows, padded]`. Every element's sum runs over the depth in
    /// order, whatever its row, so equal rows give bitwise equal products.
    ///
    /// # Panics
    /// Where a factor reaches past its slice.
    pub fn multiply(&self, left: &[T], rows: Rows, n_rows: usize, out: &mut [T], add: bool) {
        assert!(out.len() >= n_rows * self.padded(), "product reaches past its output");
        if n_rows == 0 {
            return;
        }
        if self.depth == 0 {
            if !add {
                out[..n_rows * self.padded()].fill(T::ZERO);
            }
            return;
        }
        let last = match rows {
            Rows::Adjacent(stride) => (n_rows - 1) * stride + self.depth,
            Rows::Interleaved(stride) => (self.depth - 1) * stride + n_rows,
        };
        assert!(last <= left.len(), "left factor reaches past its data");
        dispatch(Multiply { packed: self, left, rows, n_rows, out, add });
    }
}

/// Lanes of a vector, and vectors of a register block's rows.
struct Shape<T>(std::marker::PhantomData<T>);

impl<T: Real> Kernel for Shape<T> {
    type Output = (usize, usize);

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> (usize, usize) {
        (size_of::<T::Vector<S>>() / size_of::<T>(), if S::REGISTER_COUNT >= 32 { 4 } else { 2 })
    }
}

/// First vector and width of each panel.
fn panels(vectors: usize, widest: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..vectors).step_by(widest).map(move |first| (first, widest.min(vectors - first)))
}

struct Multiply<'a, T> {
    packed: &'a Packed<T>,
    left: &'a [T],
    rows: Rows,
    n_rows: usize,
    out: &'a mut [T],
    add: bool,
}

impl<T: Real> Kernel for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let p = self.packed;
        let mut at = 0;
        for (first, width) in panels(p.padded() / p.lanes, p.widest) {
            let panel = &p.values[at..][..p.depth * width * p.lanes];
            at += panel.len();
            let most = (PART / (width * p.lanes * size_of::<T>())).max(DEPTH);
            for from in (0..p.depth).step_by(most) {
                let depth = most.min(p.depth - from);
                let part = Part {
                    panel: T::vectors::<S>(&panel[from * width * p.lanes..][..depth * width * p.lanes]),
                    left: self.left,
                    from,
                    depth,
                    first: first * p.lanes,
                    row: p.padded(),
                    add: self.add || from > 0,
                };
                match (self.rows, width) {
                    // Rows by vectors: as many sums as leave registers for a row of the panel and the factor it is scaled by.
                    (Rows::Adjacent(s), 4) => part.rows::<S, Adjacent, 6, 4>(simd, s, self.n_rows, self.out),
                    (Rows::Adjacent(s), 3) => part.rows::<S, Adjacent, 8, 3>(simd, s, self.n_rows, self.out),
                    (Rows::Adjacent(s), 2) if p.widest == 4 => part.rows::<S, Adjacent, 12, 2>(simd, s, self.n_rows, self.out),
                    (Rows::Adjacent(s), 2) => part.rows::<S, Adjacent, 6, 2>(simd, s, self.n_rows, self.out),
                    (Rows::Adjacent(s), _) => part.rows::<S, Adjacent, 12, 1>(simd, s, self.n_rows, self.out),
                    (Rows::Interleaved(s), 4) => part.rows::<S, Interleaved, 6, 4>(simd, s, self.n_rows, self.out),
                    (Rows::Interleaved(s), 3) => part.rows::<S, Interleaved, 8, 3>(simd, s, self.n_rows, self.out),
                    (Rows::Interleaved(s), 2) if p.widest == 4 => {
                        part.rows::<S, Interleaved, 12, 2>(simd, s, self.n_rows, self.out);
                    }
                    (Rows::Interleaved(s), 2) => part.rows::<S, Interleaved, 6, 2>(simd, s, self.n_rows, self.out),
                    (Rows::Interleaved(s), _) => part.rows::<S, Interleaved, 12, 1>(simd, s, self.n_rows, self.out),
                }
            }
        }
    }
}

/// How the factors of `R` rows at one depth are found.
trait Layout {
    /// The factors that `R` rows from `row` need for `depth` steps from `from`.
    fn factors<T, const R: usize>(left: &[T], stride: usize, row: usize, from: usize, depth: usize) -> [&[T]; R];
    /// Of row `r` at step `d` of those.
    fn at<T: Copy, const R: usize>(factors: &[&[T]; R], stride: usize, r: usize, d: usize) -> T;
    /// The factors of all whole fours of steps where they lie side by side, none where they do not: one check and one address for four
    /// steps, without which a core that is shared with another program spends a third of its time on them.
    fn fours<'a, T, const R: usize>(factors: &[&'a [T]; R]) -> [&'a [[T; 4]]; R];
}

struct Adjacent;
struct Interleaved;

impl Layout for Adjacent {
    #[inline(always)]
    fn factors<T, const R: usize>(left: &[T], stride: usize, row: usize, from: usize, depth: usize) -> [&[T]; R] {
        std::array::from_fn(|r| &left[(row + r) * stride + from..][..depth])
    }

    #[inline(always)]
    fn at<T: Copy, const R: usize>(factors: &[&[T]; R], _: usize, r: usize, d: usize) -> T {
        factors[r][d]
    }

    #[inline(always)]
    fn fours<'a, T, const R: usize>(factors: &[&'a [T]; R]) -> [&'a [[T; 4]]; R] {
        factors.map(|factors| factors.as_chunks().0)
    }
}

impl Layout for Interleaved {
    #[inline(always)]
    fn factors<T, const R: usize>(left: &[T], stride: usize, row: usize, from: usize, depth: usize) -> [&[T]; R] {
        let all = &left[from * stride + row..][..(depth - 1) * stride + R];
        [all; R]
    }

    #[inline(always)]
    fn at<T: Copy, const R: usize>(factors: &[&[T]; R], stride: usize, r: usize, d: usize) -> T {
        factors[0][d * stride + r]
    }

    #[inline(always)]
    fn fours<'a, T, const R: usize>(_: &[&'a [T]; R]) -> [&'a [[T; 4]]; R] {
        [&[]; R]
    }
}

/// One panel over part of its depth.
struct Part<'a, T, V> {
    panel: &'a [V],
    left: &'a [T],
    from: usize,
    depth: usize,
    /// First column.
    first: usize,
    /// Elements of a row of the product.
    row: usize,
    add: bool,
}

impl<T: Real, V> Part<'_, T, V> {
    #[inline(always)]
    fn rows<S: Simd, L: Layout, const R: usize, const W: usize>(&self, simd: S, stride: usize, n_rows: usize, out: &mut [T])
    where
        T: Real<Vector<S> = V>,
        V: Copy,
    {
        let mut row = 0;
        while row + R <= n_rows {
            self.block::<S, L, R, W>(simd, stride, row, out);
            row += R;
        }
        while row + 3 <= n_rows {
            self.block::<S, L, 3, W>(simd, stride, row, out);
            row += 3;
        }
        while row < n_rows {
            self.block::<S, L, 1, W>(simd, stride, row, out);
            row += 1;
        }
    }

    /// `R` rows by `W` vectors.
    #[inline(always)]
    fn block<S: Simd, L: Layout, const R: usize, const W: usize>(&self, simd: S, stride: usize, row: usize, out: &mut [T])
    where
        T: Real<Vector<S> = V>,
        V: Copy,
    {
        let lanes = size_of::<V>() / size_of::<T>();
        let mut sums = [[T::splat(simd, T::ZERO); W]; R];
        if self.add {
            for (r, sums) in sums.iter_mut().enumerate() {
                let out = T::vectors::<S>(&out[(row + r) * self.row + self.first..][..W * lanes]);
                if let Some(out) = out.first_chunk::<W>() {
                    *sums = *out;
                }
            }
        }
        let factors: [&[T]; R] = L::factors(self.left, stride, row, self.from, self.depth);
        // Written out: a loop is unrolled too late for the sums to stay in registers.
        macro_rules! add {
            ($panel:expr, $factor:expr; $($r:literal)*) => {$(
                if $r < R {
                    let factor = T::splat(simd, $factor($r));
                    if 0 < W { sums[$r][0] = T::fused(simd, factor, $panel[0], sums[$r][0]); }
                    if 1 < W { sums[$r][1] = T::fused(simd, factor, $panel[1], sums[$r][1]); }
                    if 2 < W { sums[$r][2] = T::fused(simd, factor, $panel[2], sums[$r][2]); }
                    if 3 < W { sums[$r][3] = T::fused(simd, factor, $panel[3], sums[$r][3]); }
                }
            )*};
            ($panel:expr, $factor:expr) => { add!($panel, $factor; 0 1 2 3 4 5 6 7 8 9 10 11) };
        }
        let panel = self.panel.as_chunks::<W>().0;
        let fours: [&[[T; 4]]; R] = L::fours(&factors);
        let (first, rest) = panel.split_at(4 * fours[0].len());
        for (i, panel) in first.as_chunks::<4>().0.iter().enumerate() {
            let factors: [&[T; 4]; R] = std::array::from_fn(|r| &fours[r][i]);
            add!(panel[0], |r: usize| factors[r][0]);
            add!(panel[1], |r: usize| factors[r][1]);
            add!(panel[2], |r: usize| factors[r][2]);
            add!(panel[3], |r: usize| factors[r][3]);
        }
        for (d, panel) in (first.len()..).zip(rest) {
            add!(panel, |r: usize| L::at(&factors, stride, r, d));
        }
        for (r, sums) in sums.iter().enumerate() {
            let out = T::vectors_mut::<S>(&mut out[(row + r) * self.row + self.first..][..W * lanes]);
            if let Some(out) = out.first_chunk_mut::<W>() {
                *out = *sums;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: every sum is exact, in any order.
    fn numbers<T: Real>(n: usize, step: usize) -> Vec<T> {
        (0..n).map(|i| T::from_f64(((i * step) % 17) as f64 - 8.0)).collect()
    }

    fn products_are_those_of_three_loops<T: Real>() {
        for (n_rows, depth, columns) in
            [(1, 1, 1), (7, 3, 5), (13, 140, 32), (29, 300, 126), (5, 129, 200), (12, 7, 64), (31, 2, 100)]
        {
            let right: Vec<T> = numbers(depth * columns, 53);
            for rows in [Rows::Adjacent(3), Rows::Adjacent(depth), Rows::Interleaved(n_rows), Rows::Interleaved(n_rows + 2)] {
                let left: Vec<T> = numbers((n_rows + depth) * (n_rows + depth + 3), 37);
                let at = |r: usize, d: usize| match rows {
                    Rows::Adjacent(stride) => left[r * stride + d],
                    Rows::Interleaved(stride) => left[d * stride + r],
                };
                let packed = Packed::new(&right, depth, columns, columns, 1);
                let mut out = numbers(n_rows * packed.padded(), 11);
                for add in [false, true] {
                    let before = out.clone();
                    packed.multiply(&left, rows, n_rows, &mut out, add);
                    for (i, found) in out.iter().enumerate() {
                        let (r, c) = (i / packed.padded(), i % packed.padded());
                        let sum = |c: usize| (0..depth).fold(0.0, |s, d| s + at(r, d).to_f64() * right[d * columns + c].to_f64());
                        let start = if add { before[i].to_f64() } else { 0.0 };
                        let expected = start + if c < columns { sum(c) } else { 0.0 };
                        assert_eq!(found.to_f64(), expected, "{rows:?} {n_rows} {depth} {columns}: {r}, {c}");
                    }
                }
                // The transposed right factor is packed to the same thing.
                let transposed: Vec<T> = (0..columns * depth).map(|i| right[i % depth * columns + i / depth]).collect();
                assert!(Packed::new(&transposed, depth, columns, 1, depth).values == packed.values);
            }
        }
    }

    #[test]
    fn a_product_is_exact_in_both_number_types() {
        products_are_those_of_three_loops::<f32>();
        products_are_those_of_three_loops::<f64>();
    }

    #[test]
    #[should_panic(expected = "left factor reaches past its data")]
    fn a_factor_past_its_data_is_refused() {
        Packed::new(&[0.0f32; 6], 3, 2, 2, 1).multiply(&[0.0; 5], Rows::Adjacent(3), 2, &mut [0.0; 64], false);
    }
}
