//! Matrix products by `gemm`, behind views that check their bounds.

use gemm::Parallelism;

/// A matrix to read: `rows × columns` numbers of a slice, `row_stride` and `column_stride` apart.
#[derive(Clone, Copy)]
pub struct MatRef<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> MatRef<'a> {
    /// All of `data`, row-major.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} × {columns} numbers");
        Self { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// A block of a row-major matrix that is `row_stride` wide: `data` starts at the block's first number.
    pub fn block(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert_inside(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write, each row contiguous.
pub struct MatMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatMut<'a> {
    /// All of `data`, row-major.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} × {columns} numbers");
        Self { data, rows, columns, row_stride: columns }
    }

    /// A block of a row-major matrix that is `row_stride` wide: `data` starts at the block's first number.
    pub fn block(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert_inside(data.len(), rows, columns, row_stride);
        Self { data, rows, columns, row_stride }
    }
}

fn assert_inside(len: usize, rows: usize, columns: usize, row_stride: usize) {
    assert!(columns <= row_stride, "rows of {columns} do not overlap at a stride of {row_stride}");
    assert!(rows == 0 || columns == 0 || (rows - 1) * row_stride + columns <= len, "a block inside its slice");
}

/// How a product is computed.
#[derive(Clone, Copy)]
pub enum Threads {
    /// On the calling thread: inside work that is already spread over the threads.
    One,
    /// On all threads of the current rayon pool. The result does not depend on their number.
    All,
}

/// `c = a · b`, or `c += a · b` when `add` is true.
///
/// # Panics
/// When the shapes do not fit.
pub fn matmul(c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>, threads: Threads) {
    let (m, n, k) = (c.rows, c.columns, a.columns);
    assert!(
        a.rows == m && b.columns == n && b.rows == k,
        "({} × {}) · ({} × {}) into {m} × {n}",
        a.rows,
        a.columns,
        b.rows,
        b.columns
    );
    let parallelism = match threads {
        Threads::One => Parallelism::None,
        Threads::All => Parallelism::Rayon(0),
    };
    // SAFETY: the three views were checked against their slices when they were made (`new`, `block`; `t` keeps the same
    // elements), `c` is borrowed mutably, so it overlaps neither `a` nor `b`, and its elements do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.data.as_mut_ptr(),
            1,
            c.row_stride as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
