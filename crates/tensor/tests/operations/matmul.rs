//! `matmul` and its views against dfdx's `matmul`.

use lrx_tensor::dfdx::prelude::*;
use lrx_tensor::{MatMut, MatRef, Precision, Threads, matmul};
use proptest::prelude::*;

use crate::common::{Input, TOLERANCE, assert_close, input, transposed};

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 1..9usize, 2 => 15..34usize, 1 => 60..150usize]
}

/// What a view shows: a whole matrix or a block of a wider one, perhaps transposed.
#[derive(Clone, Copy, Debug)]
struct View {
    extra: usize,
    transposed: bool,
}

impl View {
    fn all() -> impl Strategy<Value = View> {
        (prop_oneof![Just(0), 1..9usize], any::<bool>()).prop_map(|(extra, transposed)| View { extra, transposed })
    }

    /// The buffer that shows `rows × columns` numbers through this view.
    fn buffer(self, seed: u64, rows: usize, columns: usize) -> Input {
        let (rows, columns) = if self.transposed { (columns, rows) } else { (rows, columns) };
        input(seed, rows, columns + self.extra)
    }

    fn of(self, buffer: &Input) -> MatRef<'_> {
        let columns = buffer.columns - self.extra;
        let view = if self.extra == 0 {
            MatRef::new(&buffer.values, buffer.rows, columns)
        } else {
            // The last row need not be complete.
            MatRef::block(&buffer.values[self.extra..], buffer.rows, columns, buffer.columns)
        };
        if self.transposed { view.t() } else { view }
    }

    /// The same numbers, copied out.
    fn exact(self, buffer: &Input) -> crate::common::Constant {
        let columns = buffer.columns - self.extra;
        let values = buffer.values.chunks(buffer.columns).flat_map(|row| row[self.extra..].to_vec()).collect();
        let exact = Input { rows: buffer.rows, columns, values }.constant();
        if self.transposed { transposed(exact) } else { exact }
    }
}

proptest! {
    #[test]
    fn products_of_views(
        (m, k, n) in (size(), size(), size()),
        (a_view, b_view) in (View::all(), View::all()),
        c_extra in 0..5usize,
        add: bool,
        all_threads: bool,
        seed: u64,
    ) {
        let (a, b) = (a_view.buffer(seed, m, k), b_view.buffer(seed ^ 1, k, n));
        let before = input(seed ^ 2, m, n + c_extra);
        let mut c = before.clone();
        let view = if c_extra == 0 {
            MatMut::new(&mut c.values, m, n)
        } else {
            MatMut::block(&mut c.values, m, n, n + c_extra)
        };
        matmul(view, add, a_view.of(&a), b_view.of(&b), Precision::F32, if all_threads { Threads::All } else { Threads::One });

        let product = a_view.exact(&a).matmul(b_view.exact(&b)).as_vec();
        let mut should: Vec<f64> = before.values.iter().map(|&x| f64::from(x)).collect();
        for (row, product) in should.chunks_mut(n + c_extra).zip(product.chunks(n)) {
            for (x, product) in row.iter_mut().zip(product) {
                *x = product + if add { *x } else { 0.0 };
            }
        }
        assert_close("product", &c.values, &should, TOLERANCE);
        // What is beside the block keeps its numbers exactly.
        for (after, before) in c.values.chunks(n + c_extra).zip(before.values.chunks(n + c_extra)) {
            prop_assert_eq!(&after[n..], &before[n..]);
        }
    }
}

#[test]
fn no_numbers_at_all() {
    let mut c = [1.0, 2.0];
    matmul(
        MatMut::new(&mut c, 1, 2),
        true,
        MatRef::new(&[], 1, 0),
        MatRef::new(&[], 0, 2),
        Precision::F32,
        Threads::All,
    );
    assert_eq!(c, [1.0, 2.0]);
    matmul(
        MatMut::new(&mut c, 1, 2),
        false,
        MatRef::new(&[], 1, 0),
        MatRef::new(&[], 0, 2),
        Precision::F32,
        Threads::One,
    );
    assert_eq!(c, [0.0, 0.0]);
    matmul(
        MatMut::new(&mut [], 0, 2),
        false,
        MatRef::new(&[], 0, 1),
        MatRef::new(&[1.0; 2], 1, 2),
        Precision::F32,
        Threads::All,
    );
}

#[test]
#[should_panic(expected = "(2 × 3) · (2 × 3) into 2 × 3")]
fn refuses_shapes_that_do_not_fit() {
    let (a, b) = ([0.0; 6], [0.0; 6]);
    matmul(
        MatMut::new(&mut [0.0; 6], 2, 3),
        false,
        MatRef::new(&a, 2, 3),
        MatRef::new(&b, 2, 3),
        Precision::F32,
        Threads::One,
    );
}

#[test]
#[should_panic(expected = "a block inside its slice")]
fn refuses_a_block_that_ends_outside() {
    MatRef::block(&[0.0; 10], 3, 3, 4);
}

#[test]
fn takes_a_block_that_ends_with_its_slice() {
    MatRef::block(&[0.0; 11], 3, 3, 4);
    MatMut::block(&mut [0.0; 11], 3, 3, 4);
}

#[test]
#[should_panic(expected = "do not overlap")]
fn refuses_rows_that_overlap() {
    MatMut::block(&mut [0.0; 10], 3, 3, 2);
}

#[test]
fn products_that_are_divided() {
    // Over rows, over columns, in more parts than threads; in a block beside other numbers; of transposed matrices.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
    for (m, k, n) in [(1003, 17, 70), (70, 17, 1003), (5001, 9, 33), (33, 9, 5001)] {
        let (a, b, before) = (input(1, k, m), input(2, n, k), input(3, m, n + 3));
        let mut c = before.clone();
        pool.install(|| {
            let (a, b) = (MatRef::new(&a.values, k, m).t(), MatRef::new(&b.values, n, k).t());
            matmul(MatMut::block(&mut c.values, m, n, n + 3), true, a, b, Precision::F32, Threads::All);
        });
        for (i, (row, before)) in c.values.chunks(n + 3).zip(before.values.chunks(n + 3)).enumerate() {
            for j in 0..n {
                let product: f64 =
                    (0..k).map(|l| f64::from(a.values[l * m + i]) * f64::from(b.values[j * k + l])).sum();
                let should = product + f64::from(before[j]);
                assert!(
                    (f64::from(row[j]) - should).abs() < 1e-5,
                    "[{i}, {j}] of {m} × {k} × {n}: {} {should}",
                    row[j]
                );
            }
            assert_eq!(row[n..], before[n..], "what is beside the block");
        }
    }
}
