//! Matrix products, and loops compiled for the vectors that this processor has.
//!
//! This is the only file with `unsafe` in it, for two reasons. `gemm` takes pointers and strides, which
//! are checked here against the slices they come from. And a function that was compiled for AVX-512 may
//! be called only where there is AVX-512, which is asked right before.
//!
//! A loop gives the same bits at any width (see math.rs and [`LANES`]); a product gives the same bits on
//! the same kind of processor.
#![expect(
    clippy::inline_always,
    reason = "part of the loop that was compiled for wide vectors, or useless"
)]

use gemm::Parallelism;

/// Sums are kept in so many lanes, whatever the width of the processor's vectors, so that the order of
/// additions is the same everywhere.
pub(crate) const LANES: usize = 16;

/// A matrix in a slice, or its transpose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix that is kept row by row.
    ///
    /// # Panics
    /// Where the slice is not as long as the matrix is large.
    pub(crate) const fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert!(data.len() == rows * columns, "the slice is not the matrix");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) const fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// Whether a product replaces what is there or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Into {
    /// Replaces it.
    Place,
    /// Is added to it.
    Sum,
}

/// `out = left × right`, or `out += left × right`; `out` is kept row by row.
///
/// # Panics
/// Where the shapes do not fit together.
#[expect(unsafe_code, reason = "gemm takes pointers; the shapes are checked above the call")]
pub(crate) fn multiply(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, into: Into) {
    let (rows, columns, depth) = (left.rows, right.columns, left.columns);
    assert!(right.rows == depth, "the inner lengths of a product differ");
    assert!(out.len() == rows * columns, "the product does not fit where it is to be written");
    if rows == 0 || columns == 0 {
        return;
    }
    // SAFETY: `Matrix::new` has checked that a slice holds rows × columns numbers, and the strides of a
    // matrix are those of its slice or of its transpose, so that every offset is inside the slice. `out`
    // has been checked above, is borrowed mutably, and so overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            out.as_mut_ptr(),
            1,
            columns.cast_signed(),
            into == Into::Sum,
            left.data.as_ptr(),
            left.column_stride.cast_signed(),
            left.row_stride.cast_signed(),
            right.data.as_ptr(),
            right.column_stride.cast_signed(),
            right.row_stride.cast_signed(),
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// A loop that is worth compiling for wide vectors. Implementations are `#[inline(always)]`, so that
/// they become part of the function that was compiled for them.
pub(crate) trait Loop {
    /// What it gives.
    type Out;
    /// Does it.
    fn run(self) -> Self::Out;
}

/// How wide vectors may be.
#[cfg(any(test, target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// What every processor of this kind has.
    #[cfg(test)]
    Plain,
    /// AVX2 with fused multiplication and addition.
    #[cfg(test)]
    Avx2,
    /// The widest that there are.
    Widest,
}

#[cfg(all(not(test), target_arch = "x86_64"))]
#[inline]
const fn allowed() -> Width {
    Width::Widest
}

#[cfg(test)]
thread_local! {
    static ALLOWED: std::cell::Cell<Width> = const { std::cell::Cell::new(Width::Widest) };
}

#[cfg(all(test, target_arch = "x86_64"))]
fn allowed() -> Width {
    ALLOWED.get()
}

/// Does some work with vectors no wider than this, on this thread only.
#[cfg(test)]
pub(crate) fn no_wider_than<T>(width: Width, work: impl FnOnce() -> T) -> T {
    ALLOWED.set(width);
    let done = work();
    ALLOWED.set(Width::Widest);
    done
}

/// Runs a loop with the widest vectors that this processor has.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "each call stands behind the question whether it may be made")]
#[inline]
pub(crate) fn vectorised<L: Loop>(work: L) -> L::Out {
    #[cfg(test)]
    if allowed() == Width::Plain {
        return work.run();
    }
    if allowed() == Width::Widest
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("fma")
    {
        // SAFETY: the processor has the features that `with_avx512` was compiled for.
        return unsafe { with_avx512(work) };
    }
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the features that `with_avx2` was compiled for.
        return unsafe { with_avx2(work) };
    }
    work.run()
}

/// Runs a loop with the vectors that every processor of this kind has.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn vectorised<L: Loop>(work: L) -> L::Out {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,fma")]
fn with_avx512<L: Loop>(work: L) -> L::Out {
    work.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<L: Loop>(work: L) -> L::Out {
    work.run()
}

/// The sum of the squares, in double precision: no finite gradient overflows it.
#[derive(Debug)]
pub(crate) struct SumOfSquares<'a>(pub(crate) &'a [f32]);

impl Loop for SumOfSquares<'_> {
    type Out = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let mut lanes = [0.0_f64; LANES];
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += f64::from(*value) * f64::from(*value);
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane += f64::from(*value) * f64::from(*value);
        }
        lanes.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Draws, Stream};

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut sequence = Draws::new(seed).sequence(Stream::Init, 0);
        (0..count).map(|_| sequence.uniform() - 0.5).collect()
    }

    fn naive(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, into: Into) {
        for row in 0..left.rows {
            for column in 0..right.columns {
                let sum: f64 = (0..left.columns)
                    .map(|k| {
                        let a = left.data[row * left.row_stride + k * left.column_stride];
                        let b = right.data[k * right.row_stride + column * right.column_stride];
                        f64::from(a) * f64::from(b)
                    })
                    .sum();
                let at = &mut out[row * right.columns + column];
                let before = if into == Into::Sum { f64::from(*at) } else { 0.0 };
                *at = crate::count::narrow(before + sum);
            }
        }
    }

    #[test]
    fn products_agree_with_the_naive_loop_at_every_shape_and_transposition() {
        let lengths = [1, 2, 3, 7, 8, 16, 17, 64, 100];
        for (nth, rows) in lengths.into_iter().enumerate() {
            for columns in lengths {
                for depth in [1, 2, 5, 64, 129] {
                    let (a, b) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
                    let flipped = nth % 2 == 1;
                    let left = if flipped {
                        Matrix::new(&a, depth, rows).transposed()
                    } else {
                        Matrix::new(&a, rows, depth)
                    };
                    let right = if columns % 2 == 1 {
                        Matrix::new(&b, columns, depth).transposed()
                    } else {
                        Matrix::new(&b, depth, columns)
                    };
                    for into in [Into::Place, Into::Sum] {
                        let mut ours = numbers(rows * columns, 3);
                        let mut theirs = ours.clone();
                        multiply(&mut ours, left, right, into);
                        naive(&mut theirs, left, right, into);
                        for (one, other) in ours.iter().zip(&theirs) {
                            let off = (one - other).abs();
                            assert!(off < 2e-5, "{rows}×{depth}×{columns} {into:?}: {off}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_product_of_a_row_does_not_depend_on_the_rows_beside_it() {
        let (a, b) = (numbers(256 * 64, 1), numbers(64 * 64, 2));
        let mut all = vec![0.0; 256 * 64];
        multiply(&mut all, Matrix::new(&a, 256, 64), Matrix::new(&b, 64, 64), Into::Place);
        let mut some = vec![0.0; 8 * 64];
        multiply(&mut some, Matrix::new(&a[..512], 8, 64), Matrix::new(&b, 64, 64), Into::Place);
        assert!(all.iter().zip(&some).all(|(one, other)| one.to_bits() == other.to_bits()));
    }

    #[test]
    fn the_sum_of_squares_is_that_of_the_plain_loop_and_sees_what_is_not_finite() {
        let mut values = numbers(1_003, 4);
        let plain: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        assert!((vectorised(SumOfSquares(&values)) - plain).abs() < 1e-9);
        values[1_001] = f32::NAN;
        assert!(!vectorised(SumOfSquares(&values)).is_finite());
        values[1_001] = f32::MAX;
        assert!(vectorised(SumOfSquares(&values)).is_finite());
    }

    #[test]
    #[should_panic(expected = "the inner lengths of a product differ")]
    fn shapes_that_do_not_fit_are_refused() {
        let numbers = [0.0; 6];
        let left = Matrix::new(&numbers, 2, 3);
        multiply(&mut [0.0; 4], left, Matrix::new(&numbers[..4], 2, 2), Into::Place);
    }
}
