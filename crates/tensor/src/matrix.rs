//! A matrix of f32 numbers.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use crate::Precision;
use crate::matmul::{MatRef, Threads, product};

/// Rows × columns, row-major, f32, on no tape. A vector is a matrix of one row.
///
/// A clone is a handle on the same numbers; who writes to numbers that others hold copies them first ([`values_mut`]).
#[derive(Clone)]
pub struct Matrix {
    /// `rows * columns` numbers.
    values: Arc<Vec<f32>>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// `self · other`, on all threads.
    ///
    /// # Panics
    /// When `other` has not as many rows as this matrix has columns.
    pub fn product(&self, other: &Matrix) -> Matrix {
        let [a, b] = [self, other].map(|x| MatRef::new(values(x), x.rows, x.columns));
        matrix(product(a, b, Precision::F32, Threads::All), self.rows, other.columns)
    }

    /// A handle on the same numbers, in rows of `columns`.
    ///
    /// # Panics
    /// When they do not fill such rows.
    pub(crate) fn regrouped(&self, columns: usize) -> Matrix {
        let count = self.values.len();
        assert!(columns > 0 && count.is_multiple_of(columns), "{count} numbers in rows of {columns}");
        Matrix { values: self.values.clone(), rows: count / columns, columns }
    }
}

/// `matrix[[row, column]]`.
impl Index<[usize; 2]> for Matrix {
    type Output = f32;

    fn index(&self, [row, column]: [usize; 2]) -> &f32 {
        assert!(row < self.rows && column < self.columns, "[{row}, {column}] of {} × {}", self.rows, self.columns);
        &self.values[row * self.columns + column]
    }
}

impl fmt::Debug for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a matrix of {} × {}", self.rows, self.columns)
    }
}

/// A matrix of `rows × columns` from its values in row-major order, without a copy.
///
/// # Panics
/// When `values` does not hold `rows * columns` numbers.
pub fn matrix(values: Vec<f32>, rows: usize, columns: usize) -> Matrix {
    assert_eq!(values.len(), rows * columns, "numbers of a matrix of {rows} × {columns}");
    Matrix { values: Arc::new(values), rows, columns }
}

/// Rows and columns.
pub fn dims(matrix: &Matrix) -> (usize, usize) {
    (matrix.rows, matrix.columns)
}

/// The values of a matrix, row-major.
pub fn values(matrix: &Matrix) -> &[f32] {
    &matrix.values
}

/// The values of a matrix, row-major, for writing. Copies them first if somebody else holds them.
pub fn values_mut(matrix: &mut Matrix) -> &mut [f32] {
    &mut Arc::make_mut(&mut matrix.values)[..]
}
