//! The values of a tensor as a slice. dfdx gives single elements by index; the buffer itself is private to it.

use dfdx::shapes::HasShape;
use dfdx::tensor::Tensor;

use crate::{Cpu, Matrix};

/// The values of a matrix, row-major.
///
/// # Panics
/// When the matrix is not contiguous (a broadcast or a transposed view).
pub fn values<T>(tensor: &Tensor<(usize, usize), f32, Cpu, T>) -> &[f32] {
    let (rows, columns) = *tensor.shape();
    if rows * columns == 0 {
        return &[];
    }
    let first: *const f32 = &tensor[[0, 0]];
    assert_contiguous(tensor);
    // SAFETY: `assert_contiguous` has shown that the last of the `rows * columns` elements lies in the tensor's one
    // buffer, `rows * columns - 1` after the first; the buffer is initialised, and borrowed as long as the tensor is.
    unsafe { std::slice::from_raw_parts(first, rows * columns) }
}

/// The values of a matrix, row-major, for writing. Copies the buffer first if somebody else holds it.
///
/// # Panics
/// When the matrix is not contiguous.
pub fn values_mut(tensor: &mut Matrix) -> &mut [f32] {
    let (rows, columns) = *tensor.shape();
    if rows * columns == 0 {
        return &mut [];
    }
    assert_contiguous(tensor);
    let first: *mut f32 = &mut tensor[[0, 0]];
    // SAFETY: as in `values`; indexing mutably has made the buffer this tensor's alone, and the slice borrows the
    // tensor mutably.
    unsafe { std::slice::from_raw_parts_mut(first, rows * columns) }
}

/// dfdx hides the strides, so they are read off the addresses of the ends of the first row and of the matrix.
fn assert_contiguous<T>(tensor: &Tensor<(usize, usize), f32, Cpu, T>) {
    let (rows, columns) = *tensor.shape();
    let address = |row: usize, column: usize| std::ptr::from_ref(&tensor[[row, column]]).addr();
    let offset = |row, column| (address(row, column) - address(0, 0)) / size_of::<f32>();
    assert!(
        offset(0, columns - 1) == columns - 1 && offset(rows - 1, columns - 1) == rows * columns - 1,
        "a contiguous matrix of {rows} × {columns}"
    );
}
