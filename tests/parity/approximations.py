"""The least squared errors that structured matrices leave of a dense one, by numpy: for crates/layers/tests/approximations.rs.

Each structure is written down here as its definition says, apart from lrx.
"""

import numpy as np

ROWS, COLUMNS = 8, 12
W = np.sin(0.37 * np.arange(ROWS * COLUMNS) ** 2 + 0.3).astype(np.float32).astype(np.float64).reshape(ROWS, COLUMNS)


def left(matrix: np.ndarray, rank: int) -> float:
    """What the best approximation of a rank leaves: the squares of the other singular values."""
    return float((np.linalg.svd(matrix, compute_uv=False)[rank:] ** 2).sum())


print("low-rank 3:", left(W, 3))
print("shared-basis 3, one A for W and its mirror image:", left(np.vstack([W, W[:, ::-1]]), 3))
print("shared-basis 3, one B for W and W upside down:", left(np.hstack([W, W[::-1]]), 3))
blocks = W.reshape(4, ROWS // 4, 4, COLUMNS // 4)
print("block-diagonal 4:", float((W**2).sum() - sum((blocks[b, :, b] ** 2).sum() for b in range(4))))
# U blkdiag(V): the columns of a block of inputs are a matrix of rank r / b.
print("block-dense rank 4 blocks 2:", sum(left(W[:, 6 * b : 6 * b + 6], 2) for b in range(2)))
# Monarch: output i of U's block j is feature i b + j, and of min(m, n) = 8 features in between V's block i and U's block j share 8 / b^2.
print("block-shuffle 2:", sum(left(W[j::2, 6 * i : 6 * i + 6], 2) for i in range(2) for j in range(2)))
# P (x) Q with P of 2 x 4 and Q of 4 x 3: the rearranged matrix is of rank 1.
rearranged = W.reshape(2, 4, 4, 3).transpose(0, 2, 1, 3).reshape(8, 12)
print("kronecker input_split 4 output_split 2:", left(rearranged, 1))
# Two cores, m = 3 . 4 inputs (m1 = 3), n = 2 . 4 outputs (n1 = 2), rank 1: each of the m2 n1 parts is a matrix of rank 1.
parts = W.reshape(2, 4, 4, 3)  # n1, n2, m2, m1
print("tensor-train input_split 3 output_split 2 rank 1:", sum(left(parts[a, :, b], 1) for a in range(2) for b in range(4)))
print("largest singular values:", np.linalg.svd(W, compute_uv=False)[:4])
