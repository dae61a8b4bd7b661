//! The sums of attention, sixteen queries at a time: one to a lane of the processor's vectors.
//!
//! With queries side by side, the softmax over the keys of each needs no sum across lanes, a head of any size fills the
//! vectors, and no more than sixteen by sixteen scores are computed in vain along the diagonal.

use pulp::{Simd, WithSimd};

use crate::simd::ARCH;

/// Queries side by side.
pub(super) const LANES: usize = 16;
/// Keys, or features of a head, that are worked on at once: as many sums as it takes to hide the latency of one.
pub(super) const BLOCK: usize = 8;

/// One number for each of the queries.
pub(super) type Lanes = [f32; LANES];
/// Eight features of a token, or one feature of eight tokens.
pub(super) type Block = [f32; BLOCK];

/// A head of some tokens, copied together, one row a token, filled up with zeros.
pub(super) struct Head {
    tokens: usize,
    /// Rounded up to whole blocks.
    features: usize,
    /// The length of a row: rounded up to whole [`Lanes`].
    stride: usize,
    rows: Vec<f32>,
}

impl Head {
    /// Copies the head out of a row-major matrix: `rows[t][first..first + size]` for each token t.
    pub(super) fn copied<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, first: usize, size: usize) -> Self {
        let (tokens, features) = (rows.len(), size.next_multiple_of(BLOCK));
        let stride = size.next_multiple_of(LANES);
        let mut copy = vec![0.0; tokens * stride];
        for (copy, row) in copy.chunks_exact_mut(stride).zip(rows) {
            copy[..size].copy_from_slice(&row[first..first + size]);
        }
        Self { tokens, features, stride, rows: copy }
    }

    /// Zeros for as many tokens.
    pub(super) fn zeros_like(other: &Self) -> Self {
        Self { rows: vec![0.0; other.rows.len()], ..*other }
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// How many features there are, rounded up to whole blocks.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// The features of a token.
    pub(super) fn row(&self, token: usize) -> &[f32] {
        &self.rows[token * self.stride..][..self.features]
    }

    /// The same head with eight tokens side by side, and zeros behind the last.
    pub(super) fn transposed(&self) -> Transposed {
        let mut columns = vec![[0.0; BLOCK]; self.tokens.div_ceil(BLOCK) * self.features];
        for (columns, rows) in columns.chunks_exact_mut(self.features).zip(self.rows.chunks(BLOCK * self.stride)) {
            for (i, row) in rows.chunks_exact(self.stride).enumerate() {
                for (column, feature) in columns.iter_mut().zip(row) {
                    column[i] = *feature;
                }
            }
        }
        Transposed { features: self.features, columns }
    }

    /// The features of sixteen tokens from `first` on, side by side; zeros behind the last.
    pub(super) fn lanes(&self, first: usize, lanes: &mut [Lanes]) {
        lanes.fill([0.0; LANES]);
        for (lane, token) in (first..self.tokens.min(first + LANES)).enumerate() {
            for (lanes, feature) in lanes.iter_mut().zip(self.row(token)) {
                lanes[lane] = *feature;
            }
        }
    }
}

/// A head with eight tokens side by side: `columns[token / 8 * features + feature][token % 8]`.
pub(super) struct Transposed {
    features: usize,
    columns: Vec<Block>,
}

/// `products[j][l] = Σ_d a[j][d] · x[d][l]` for the tokens of a in the blocks from `first_block` on.
pub(super) fn products(a: &Transposed, first_block: usize, x: &[Lanes], products: &mut [[Lanes; BLOCK]]) {
    struct Kernel<'a>(&'a [Block], &'a [Lanes], &'a mut [[Lanes; BLOCK]]);
    impl WithSimd for Kernel<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self(columns, x, products) = self;
            for part in 0..LANES / S::F32_LANES {
                for (products, block) in products.iter_mut().zip(columns.chunks_exact(x.len())) {
                    let mut sums = [simd.splat_f32s(0.0); BLOCK];
                    for (x, factors) in x.iter().zip(block) {
                        let x = S::as_simd_f32s(x).0[part];
                        for (sum, &factor) in sums.iter_mut().zip(factors) {
                            *sum = simd.mul_add_f32s(x, simd.splat_f32s(factor), *sum);
                        }
                    }
                    for (product, sum) in products.iter_mut().zip(sums) {
                        S::as_mut_simd_f32s(product).0[part] = sum;
                    }
                }
            }
        }
    }
    assert_eq!(x.len(), a.features, "as many features");
    ARCH.dispatch(Kernel(&a.columns[first_block * a.features..], x, products));
}

/// `sums[d][l] = Σ_j weights[j][l] · a[first + j][d]`, as far as there are tokens in a.
pub(super) fn weighted_sums(weights: &[Lanes], a: &Head, first: usize, sums: &mut [Lanes]) {
    struct Kernel<'a>(&'a [Lanes], &'a [f32], usize, &'a mut [[Lanes; BLOCK]]);
    impl WithSimd for Kernel<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self(weights, rows, stride, sums) = self;
            for part in 0..LANES / S::F32_LANES {
                for (block, sums) in sums.iter_mut().enumerate() {
                    let mut own = [simd.splat_f32s(0.0); BLOCK];
                    for (weights, row) in weights.iter().zip(rows.chunks_exact(stride)) {
                        let weights = S::as_simd_f32s(weights).0[part];
                        let factors: &Block = row.as_chunks().0.get(block).expect("a block of the row");
                        for (sum, &factor) in own.iter_mut().zip(factors) {
                            *sum = simd.mul_add_f32s(weights, simd.splat_f32s(factor), *sum);
                        }
                    }
                    for (sum, own) in sums.iter_mut().zip(own) {
                        S::as_mut_simd_f32s(sum).0[part] = own;
                    }
                }
            }
        }
    }
    assert_eq!(sums.len(), a.features, "as many features");
    ARCH.dispatch(Kernel(weights, &a.rows[first * a.stride..], a.stride, sums.as_chunks_mut().0));
}

/// `sums[first + j][d] += Σ_l weights[j][l] · a[first_lane + l][d]`, as far as there are tokens in sums and in a.
pub(super) fn add_weighted_lanes(
    weights: &[[Lanes; BLOCK]],
    a: &Head,
    first_lane: usize,
    sums: &mut Head,
    first: usize,
) {
    struct Kernel<'a>(&'a [[Lanes; BLOCK]], &'a [f32], usize, &'a mut [f32]);
    impl WithSimd for Kernel<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self(weights, rows, stride, sums) = self;
            for part in 0..stride / S::F32_LANES {
                let mut lanes = [simd.splat_f32s(0.0); LANES];
                for (lane, row) in lanes.iter_mut().zip(rows.chunks_exact(stride)) {
                    *lane = S::as_simd_f32s(row).0[part];
                }
                for (weights, sums) in weights.iter().zip(sums.chunks_mut(BLOCK * stride)) {
                    let mut own = [simd.splat_f32s(0.0); BLOCK];
                    for (lane, &features) in lanes.iter().enumerate() {
                        for (sum, weights) in own.iter_mut().zip(weights) {
                            *sum = simd.mul_add_f32s(features, simd.splat_f32s(weights[lane]), *sum);
                        }
                    }
                    for (sum, own) in sums.chunks_exact_mut(stride).zip(own) {
                        let sum = &mut S::as_mut_simd_f32s(sum).0[part];
                        *sum = simd.add_f32s(*sum, own);
                    }
                }
            }
        }
    }
    assert_eq!(a.stride, sums.stride, "as many features");
    let rows = &a.rows[first_lane * a.stride..];
    ARCH.dispatch(Kernel(weights, rows, a.stride, &mut sums.rows[first * a.stride..]));
}
