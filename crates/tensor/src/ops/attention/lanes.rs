//! The sums of attention, sixteen queries at a time: one to a lane of the processor's vectors.
//!
//! With queries side by side, the softmax over the keys of each needs no sum across lanes, a head of any size fills the
//! vectors, and no more than sixteen by sixteen scores are computed in vain along the diagonal.

use pulp::{Simd, WithSimd};

use crate::simd::{ARCH, vector_len, vectorised};

/// Queries side by side.
pub(super) const LANES: usize = 16;
/// Keys, or features of a head, that are worked on at once: as many sums as it takes to hide the latency of one.
pub(super) const BLOCK: usize = 8;

/// One number for each of the queries.
pub(super) type Lanes = [f32; LANES];
/// Eight features of a token, or one feature of eight tokens.
pub(super) type Block = [f32; BLOCK];

/// A head of some tokens, copied together, one row a token; rows are filled up with zeros to whole vectors, and tokens to
/// whole blocks.
pub(super) struct Head {
    tokens: usize,
    size: usize,
    /// Numbers in a row.
    width: usize,
    rows: Vec<f32>,
}

impl Head {
    /// Copies the head out of a row-major matrix: `rows[t][first..first + size]` for each token t.
    pub(super) fn copied<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, first: usize, size: usize) -> Self {
        let (tokens, width) = (rows.len(), size.next_multiple_of(vector_len()));
        let mut copy = vec![0.0; tokens.next_multiple_of(BLOCK) * width];
        for (copy, row) in copy.chunks_exact_mut(width).zip(rows) {
            copy[..size].copy_from_slice(&row[first..first + size]);
        }
        Self { tokens, size, width, rows: copy }
    }

    /// Zeros for as many tokens.
    pub(super) fn zeros_like(other: &Self) -> Self {
        Self { rows: vec![0.0; other.rows.len()], ..*other }
    }

    /// Multiplies every number.
    pub(super) fn multiply(&mut self, factor: f32) {
        // GPT-Neo's queries are left alone: the pass would be 2 % of attention.
        if factor != 1.0 {
            vectorised(
                #[inline(always)]
                || self.rows.iter_mut().for_each(|number| *number *= factor),
            );
        }
    }

    pub(super) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Numbers in a row: the features, and zeros.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The features of a token.
    pub(super) fn row(&self, token: usize) -> &[f32] {
        &self.rows[token * self.width..][..self.size]
    }

    /// The same head with eight tokens side by side, and zeros behind the last.
    pub(super) fn transposed(&self) -> Transposed {
        let mut columns = vec![[0.0; BLOCK]; self.rows.len() / self.width / BLOCK * self.size];
        let blocks = self.rows.chunks_exact(BLOCK * self.width);
        for (columns, rows) in columns.chunks_exact_mut(self.size).zip(blocks) {
            transpose(rows, self.width, columns);
        }
        Transposed { features: self.size, columns }
    }

    /// The features of sixteen tokens from `first` on, side by side; zeros behind the last.
    pub(super) fn lanes(&self, first: usize, lanes: &mut [Lanes]) {
        let rows = &self.rows[first * self.width..];
        if rows.len() >= LANES * self.width {
            transpose(&rows[..LANES * self.width], self.width, lanes);
        } else {
            lanes.fill([0.0; LANES]);
            for (lane, row) in rows.chunks_exact(self.width).enumerate() {
                lanes.iter_mut().zip(row).for_each(|(lanes, feature)| lanes[lane] = *feature);
            }
        }
    }
}

/// `columns[feature][token] = rows[token][feature]` for N tokens, whose rows are `width` apart.
fn transpose<const N: usize>(rows: &[f32], width: usize, columns: &mut [[f32; N]]) {
    for (feature, column) in columns.iter_mut().enumerate() {
        for (number, row) in column.iter_mut().zip(rows.chunks_exact(width)) {
            *number = row[feature];
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

/// `sums[l][d] = Σ_j weights[j][l] · a[first + j][d]` for the tokens of a as far as there are weights. Those of query l are
/// zero from `diagonal + l + 1` on, and not all of them are multiplied.
pub(super) fn weighted_sums(weights: &[Lanes], a: &Head, first: usize, diagonal: usize, sums: &mut [f32]) {
    assert_eq!(sums.len(), LANES * a.width, "a row for each lane");
    sums.fill(0.0);
    let rows = &a.rows[first * a.width..];
    for (group, sums) in sums.chunks_exact_mut(GROUP * a.width).enumerate() {
        // What the last query of the group sees.
        let seen = weights.len().min(diagonal + GROUP * (group + 1));
        let weights = &weights.as_flattened()[GROUP * group..];
        ARCH.dispatch(AddRows::<LANES, 1> { weights, count: seen, width: a.width, rows, sums });
    }
}

/// `sums[first + j][d] += Σ_l weights[j][l] · a[first_lane + l][d]`, as far as there are tokens in sums and in a. Queries
/// do not see the keys after them.
pub(super) fn add_weighted_lanes(
    weights: &[[Lanes; BLOCK]],
    a: &Head,
    first_lane: usize,
    sums: &mut Head,
    first: usize,
) {
    assert_eq!(a.width, sums.width, "rows of the same width");
    let groups = weights.as_flattened().chunks_exact(GROUP);
    let sums = sums.rows[first * a.width..].chunks_exact_mut(GROUP * a.width);
    for ((weights, sums), key) in groups.zip(sums).zip((first..).step_by(GROUP)) {
        // The first query that sees a key of the group.
        let unseen = key.saturating_sub(first_lane).min(a.rows.len() / a.width - first_lane);
        let rows = &a.rows[(first_lane + unseen) * a.width..];
        let weights = &weights.as_flattened()[unseen..];
        let count = LANES - unseen;
        ARCH.dispatch(AddRows::<1, LANES> { weights, count, width: a.width, rows, sums });
    }
}

/// Sums over rows that are taken at once.
const GROUP: usize = 8;

/// `sums[i][d] += Σ_j weights[j * NEXT + i * APART] · rows[j][d]` for eight i and at most `count` rows.
struct AddRows<'a, const NEXT: usize, const APART: usize> {
    weights: &'a [f32],
    count: usize,
    /// Numbers in a row.
    width: usize,
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl<const NEXT: usize, const APART: usize> AddRows<'_, NEXT, APART> {
    /// N vectors of features from the vector `first` on, whose sums are held in registers.
    #[inline(always)]
    fn part<S: Simd, const N: usize>(&mut self, simd: S, first: usize) {
        let vectors = self.width / S::F32_LANES;
        let rows = S::as_simd_f32s(self.rows).0.chunks_exact(vectors);
        let sums = S::as_mut_simd_f32s(self.sums).0;
        let mut own = [[simd.splat_f32s(0.0); N]; GROUP];
        for i in 0..GROUP {
            for n in 0..N {
                own[i][n] = sums[i * vectors + first + n];
            }
        }
        for (row, j) in rows.zip(0..self.count) {
            let weights = &self.weights[j * NEXT..][..(GROUP - 1) * APART + 1];
            let row: &[S::f32s; N] = row[first..].first_chunk().expect("as many vectors");
            for i in 0..GROUP {
                let weight = simd.splat_f32s(weights[i * APART]);
                for n in 0..N {
                    own[i][n] = simd.mul_add_f32s(row[n], weight, own[i][n]);
                }
            }
        }
        for i in 0..GROUP {
            for n in 0..N {
                sums[i * vectors + first + n] = own[i][n];
            }
        }
    }
}

impl<const NEXT: usize, const APART: usize> WithSimd for AddRows<'_, NEXT, APART> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // Two vectors a row, and what they are multiplied by, need more than sixteen registers.
        let pairs = S::REGISTER_COUNT > 16;
        let vectors = self.width / S::F32_LANES;
        let mut first = 0;
        while first < vectors {
            if pairs && vectors - first > 1 {
                self.part::<S, 2>(simd, first);
                first += 2;
            } else {
                self.part::<S, 1>(simd, first);
                first += 1;
            }
        }
    }
}
