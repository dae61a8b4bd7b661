//! Matrix products, behind views that check their bounds: of f32 operands by `gemm`, of bfloat16 ones by [`bf16`].

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use gemm::Parallelism;

use crate::Precision;
use crate::bf16::{self, Packed};
use crate::buffer::filled;

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

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// A row whose numbers lie side by side.
    ///
    /// # Panics
    /// When they do not.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        assert!(row < self.rows && self.rows_are_contiguous(), "row {row} of {}, side by side", self.rows);
        if self.columns == 0 { &[] } else { &self.data[row * self.row_stride..][..self.columns] }
    }

    /// Whether the numbers of a row lie side by side; if not, those of a column do.
    pub(crate) fn rows_are_contiguous(&self) -> bool {
        self.column_stride == 1
    }

    /// Some of the rows.
    pub(crate) fn some_rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows {rows:?} of {}", self.rows);
        let start = if self.columns == 0 { 0 } else { rows.start * self.row_stride };
        Self { data: &self.data[start..], rows: rows.len(), ..self }
    }
}

/// A matrix to write, each row contiguous.
pub struct MatMut<'a> {
    /// The first number. A pointer, not a slice: parts that lie side by side interleave in memory.
    data: *mut f32,
    rows: usize,
    columns: usize,
    row_stride: usize,
    elements: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is a unique borrow of numbers, as `&mut [f32]` is.
unsafe impl Send for MatMut<'_> {}

impl<'a> MatMut<'a> {
    /// All of `data`, row-major.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} × {columns} numbers");
        Self { data: data.as_mut_ptr(), rows, columns, row_stride: columns, elements: PhantomData }
    }

    /// A block of a row-major matrix that is `row_stride` wide: `data` starts at the block's first number.
    pub fn block(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert_inside(data.len(), rows, columns, row_stride);
        Self { data: data.as_mut_ptr(), rows, columns, row_stride, elements: PhantomData }
    }

    /// All of `data`, row-major, of which nothing has been written.
    ///
    /// # Safety
    /// What is read of it, also by adding to it, has been written before.
    pub(crate) unsafe fn unwritten(data: &'a mut [MaybeUninit<f32>], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns, "{rows} × {columns} numbers");
        Self { data: data.as_mut_ptr().cast(), rows, columns, row_stride: columns, elements: PhantomData }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// From a row's number to that below it.
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    pub(crate) fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// The first number.
    #[cfg(all(target_arch = "x86_64", not(lrx_without_avx512)))]
    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data
    }

    /// The numbers of some rows and columns, as far as they are there.
    pub(crate) fn tile(&mut self, rows: Range<usize>, columns: Range<usize>) -> MatMut<'_> {
        let (rows, columns) = (rows.start..rows.end.min(self.rows), columns.start..columns.end.min(self.columns));
        assert!(
            rows.start <= rows.end && columns.start <= columns.end,
            "a tile within {} × {}",
            self.rows,
            self.columns
        );
        MatMut {
            // The address is used only if there is a number there.
            data: self.data.wrapping_add(rows.start * self.row_stride + columns.start),
            rows: rows.len(),
            columns: columns.len(),
            row_stride: self.row_stride,
            elements: PhantomData,
        }
    }

    /// Writes some numbers of a row, or adds to them what must have been written before.
    pub(crate) fn write_sums(&mut self, add: bool, row: usize, first: usize, sums: &[f32]) {
        assert!(row < self.rows && first + sums.len() <= self.columns, "row {row} of {} × {}", self.rows, self.columns);
        for (column, sum) in (first..).zip(sums) {
            // SAFETY: the number lies within the slice that this view borrows mutably, and is read only where the caller says
            // that it has been written.
            unsafe {
                let number = self.data.add(row * self.row_stride + column);
                number.write(if add { number.read() + sum } else { *sum });
            }
        }
    }

    /// Writes one row.
    pub(crate) fn write_row(&mut self, row: usize, values: &[f32]) {
        assert!(row < self.rows && values.len() == self.columns, "row {row} of {} × {}", self.rows, self.columns);
        // SAFETY: the row lies within the slice that this view borrows mutably, so `values` does not overlap it.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr(), self.data.add(row * self.row_stride), values.len());
        }
    }

    /// The first `rows` rows and the rest.
    pub(crate) fn split_rows(self, rows: usize) -> (Self, Self) {
        assert!(rows <= self.rows, "{rows} rows of {}", self.rows);
        // The address is used only if there is a row there.
        let after = Self { data: self.data.wrapping_add(rows * self.row_stride), rows: self.rows - rows, ..self };
        (Self { rows, ..self }, after)
    }

    /// The first `columns` columns and the rest.
    pub(crate) fn split_columns(self, columns: usize) -> (Self, Self) {
        assert!(columns <= self.columns, "{columns} columns of {}", self.columns);
        let after = Self { data: self.data.wrapping_add(columns), columns: self.columns - columns, ..self };
        (Self { columns, ..self }, after)
    }
}

/// A new matrix `a · b`, row-major.
///
/// # Panics
/// When the shapes do not fit.
pub(crate) fn product(a: MatRef<'_>, b: MatRef<'_>, precision: Precision, threads: Threads) -> Vec<f32> {
    let (rows, columns) = (a.rows, b.columns);
    // SAFETY: a product that is not added writes every number of its matrix.
    unsafe {
        filled(rows * columns, |c| {
            let data = c.as_mut_ptr().cast();
            let c = MatMut { data, rows, columns, row_stride: columns, elements: PhantomData };
            matmul(c, false, a, b, precision, threads);
        })
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

/// Multiply-adds below which a second thread costs more than it brings: some ten microseconds of work.
const WORTH_SPLITTING: usize = 1 << 20;
/// Rows, or columns, that a thread gets at least.
const PART_AT_LEAST: usize = 96;
/// Rows, or columns, that a part has at most: its packed copy stays in the cache, and threads that are slowed down by
/// others on the machine get fewer parts.
const PART_AT_MOST: usize = 2048;
/// Parts begin at multiples of it: whole tiles of `gemm`'s kernels (6 or 4 rows by 64 or 24 columns).
const ROW_UNIT: usize = 12;
const COLUMN_UNIT: usize = 64;
/// The inner dimension of what `gemm` is asked for at most. It would cut a longer one itself, in one way where the result is
/// small and in another where it is large, which may depend on the processor's caches, too.
const DEPTH: usize = 512;
/// Results at most so wide, or so high, may be computed in ways of their own by `gemm`: a single row or column, and at most
/// [`FEW`] numbers.
pub(crate) const NARROW: usize = 4;
/// Multiply-adds of a part of such a result.
const PART_OF_NARROW: usize = 1 << 18;
/// Numbers of a result up to which `gemm` may add up the products of each in parallel.
const FEW: usize = 256;

/// A part of a result that is not narrow is at least a `COLUMN_UNIT` long, wherever it begins, and of more than a few numbers.
const _: () = assert!(PART_AT_LEAST >= COLUMN_UNIT + ROW_UNIT && (NARROW + 1) * COLUMN_UNIT > FEW);

/// An operand of several products, rounded and packed once where its precision asks for it.
pub(crate) enum Operand<'a> {
    /// As it is.
    F32(MatRef<'a>),
    /// Packed.
    Bf16(Packed),
}

impl<'a> Operand<'a> {
    pub(crate) fn left(matrix: MatRef<'a>, precision: Precision, threads: Threads) -> Self {
        match precision {
            Precision::F32 => Self::F32(matrix),
            Precision::Bf16 => Self::Bf16(Packed::left(matrix, threads)),
        }
    }

    pub(crate) fn right(matrix: MatRef<'a>, precision: Precision, threads: Threads) -> Self {
        match precision {
            Precision::F32 => Self::F32(matrix),
            Precision::Bf16 => Self::Bf16(Packed::right(matrix, threads)),
        }
    }
}

/// As [`matmul`], of a left and a right operand of one precision.
///
/// # Panics
/// When the shapes do not fit, or the precisions differ.
pub(crate) fn matmul_of(c: MatMut<'_>, add: bool, a: &Operand<'_>, b: &Operand<'_>, threads: Threads) {
    match (a, b) {
        (Operand::F32(a), Operand::F32(b)) => matmul(c, add, *a, *b, Precision::F32, threads),
        (Operand::Bf16(a), Operand::Bf16(b)) => bf16::multiply_packed(c, add, a, b, threads),
        _ => panic!("operands of one precision"),
    }
}

/// `c = a · b`, or `c += a · b` when `add` is true, with a and b rounded as `precision` says. The bits do not depend on the
/// number of threads.
///
/// # Panics
/// When the shapes do not fit.
pub fn matmul(c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>, precision: Precision, threads: Threads) {
    let (m, n, k) = (c.rows, c.columns, a.columns);
    assert!(
        a.rows == m && b.columns == n && b.rows == k,
        "({} × {}) · ({} × {}) into {m} × {n}",
        a.rows,
        a.columns,
        b.rows,
        b.columns
    );
    match precision {
        Precision::F32 => multiply_f32(c, add, a, b, threads),
        Precision::Bf16 => bf16::multiply(c, add, a, b, threads),
    }
}

/// [`matmul`] of f32 operands, by `gemm`.
///
/// With several threads each computes a part of the rows or of the columns of c, whichever are more, by itself: it packs
/// what it needs into its own cache, and nobody waits for anybody else's packing, as they do in `gemm`'s own division.
///
/// The bits do not depend on the number of threads:
/// - a result of at most four rows or columns is divided by its shape alone;
/// - of any other, each number is computed alike in whatever part it is: at most 512 products are added
///   up in their order, and these sums in theirs. (`gemm` has ways of its own for few numbers, and for a row or a column;
///   a part is never so small.)
fn multiply_f32(c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>, threads: Threads) {
    let (m, n, k) = (c.rows, c.columns, a.columns);
    let threads = match threads {
        Threads::One => 1,
        Threads::All => rayon::current_num_threads(),
    };
    let by_rows = m >= n;
    let (len, unit) = if by_rows { (m, ROW_UNIT) } else { (n, COLUMN_UNIT) };
    let work = m * n * k;
    let parts = if work < WORTH_SPLITTING {
        1
    } else if m.min(n) <= NARROW {
        (work / PART_OF_NARROW).min(len / PART_AT_LEAST)
    } else {
        // One thread, too, computes large products in parts: they fit its cache.
        threads.min(len / PART_AT_LEAST).max(len / PART_AT_MOST)
    };
    if parts <= 1 {
        return multiply(c, add, a, b);
    }
    let begin = |part: usize| if part == parts { len } else { len * part / parts / unit * unit };
    let mut rest = Some(c);
    rayon::scope(|scope| {
        for part in 0..parts {
            let range = begin(part)..begin(part + 1);
            let whole = rest.take().expect("what the parts before have left");
            let (c, after) = if by_rows { whole.split_rows(range.len()) } else { whole.split_columns(range.len()) };
            rest = Some(after);
            let (a, b) = if by_rows { (a.some_rows(range), b) } else { (a, b.t().some_rows(range).t()) };
            // The last part is this thread's own.
            if part + 1 < parts {
                scope.spawn(move |_| multiply(c, add, a, b));
            } else {
                multiply(c, add, a, b);
            }
        }
    });
}

/// The product on the calling thread.
fn multiply(mut c: MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>) {
    let depth = a.columns;
    // A single row is computed by `gemm` in one way of its own, which cuts nothing.
    let pieces = if c.rows == 1 && a.column_stride == 1 { 1 } else { depth.div_ceil(DEPTH).max(1) };
    let piece = depth.div_ceil(pieces);
    let mut begin = 0;
    loop {
        let inner = begin..depth.min(begin + piece);
        begin = inner.end;
        multiply_piece(&mut c, add || inner.start > 0, a.t().some_rows(inner.clone()).t(), b.some_rows(inner));
        if begin == depth {
            return;
        }
    }
}

/// The product of few enough columns of a for `gemm` to add up in their order.
fn multiply_piece(c: &mut MatMut<'_>, add: bool, a: MatRef<'_>, b: MatRef<'_>) {
    // SAFETY: the three views were checked against their slices when they were made (`new`, `block`; `t`, `some_rows` and the
    // splits keep within the same elements), shapes were compared in `matmul`, `c` is the only view of its elements, and
    // they do not overlap one another.
    unsafe {
        gemm::gemm(
            c.rows,
            c.columns,
            a.columns,
            c.data,
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
            Parallelism::None,
        );
    }
}
