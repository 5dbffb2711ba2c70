"""check.py CASE FILE: compiles the pipeline in FILE, calls it on random arrays and compares with what
NumPy computes. The expected values are NumPy's, in float64 where the kernel rounds."""
import sys

import numpy as np
from kernel import Kernel, expect_close

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


def conv_relu(path):
    kernel = Kernel(path)
    for n in (1, 3):
        x, w, bias = normal(n, 12, 14, 8), normal(3, 3, 8, 16), normal(16)
        y = np.full((n, 12, 12, 16), np.nan, np.float32)
        kernel([x, w, bias], [y])
        padded = np.pad(x, ((0, 0), (1, 1), (0, 0), (0, 0))).astype(np.float64)
        expected = bias + sum(padded[:, i:i + 12, j:j + 12] @ w[i, j]
                              for i in range(3) for j in range(3))
        expect_close(y, np.maximum(expected, 0), 1e-5, 1e-5)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
