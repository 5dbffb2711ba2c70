"""Gradients of compiled kernels against those that Halide's automatic differentiation gives, in double precision.

    check_adjoints.py DIRECTORY

Halide's `propagate_adjoints` (Li et al., Differentiable Programming for Image Processing and Deep Learning in Halide, 2018)
knows none of our rules: it differentiates what a pipeline's definitions say, one by one. So products, convolutions and pools
are written here a second time, as sums and maxima over windows; rows of the table that are made of the same are compiled.
"""
import functools
import itertools
import pathlib
import sys

import halide as hl
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
from check_gradients import TOLERANCE, build, empty  # noqa: E402
from rows import BATCH, Row  # noqa: E402
from sylvite import Failure  # noqa: E402
from table import conv, pool  # noqa: E402

c, i, j, n = map(hl.Var, "cijn")


def function(name, variables, first, update):
    """A func that begins with `first` and is updated by `update(func)`, an expression."""
    func = hl.Func(name)
    func[variables] = hl.f64(first)
    func[variables] = update(func[variables])
    return func


def zeros_around(x):
    return hl.BoundaryConditions.constant_exterior(x, hl.f64(0))


def product(x, w):
    r = hl.RDom([(0, w.dim(1).extent())])
    return function("product", [i, n], 0, lambda before: before + x[r.x, n] * w[i, r.x])


def convolution(x, w, stride=1, dilation=1, low=0):
    """`w`: (O, C, kernel width, kernel height), innermost dimension first as everywhere here."""
    r, padded = hl.RDom([(0, w.dim(d).extent()) for d in (1, 2, 3)]), zeros_around(x)
    return function("convolution", [c, i, j, n], 0, lambda before: before + padded[
        r.x, i * stride + r.y * dilation - low, j * stride + r.z * dilation - low, n] * w[c, r.x, r.y, r.z])


def average(x, window, stride):
    r = hl.RDom([(0, window), (0, window)])
    return function("average", [c, i, j, n], 0,
                    lambda before: before + x[c, i * stride + r.x, j * stride + r.y, n] / hl.f64(window * window))


def maximum(x, window, stride):
    """One expression, for Halide has no gradient of a maximum over a reduction domain."""
    func, taps = hl.Func("maximum"), itertools.product(range(window), repeat=2)
    func[c, i, j, n] = functools.reduce(hl.max, [x[c, i * stride + dx, j * stride + dy, n] for dx, dy in taps])
    return func


def relu(x):
    func = hl.Func("relu")
    func[c, i, j, n] = hl.max(x[c, i, j, n], hl.f64(0))
    return func


def matmul_row(row):
    return row.op("nn.matmul {}, {}", row.input(BATCH, 4), row.input(4, 5), shape=(BATCH, 5))


def relu_row(row):
    return row.map([conv(row, (5, 6), (3, 2))], ["arith.constant 0.0", "arith.maximumf {0}, {1}"])


# name: the row, and the same of its arguments in Halide
CASES = {
    "matmul": (matmul_row, product),
    "conv": (lambda row: conv(row, (5, 6), (3, 2)), convolution),
    "conv_same": (lambda row: conv(row, (4, 5), (3, 3), low=1, high=1), lambda x, w: convolution(x, w, low=1)),
    "conv_strided": (lambda row: conv(row, (6, 7), (3, 2), strides=2), lambda x, w: convolution(x, w, stride=2)),
    "conv_dilated_strided": (lambda row: conv(row, (8, 7), (3, 2), strides=2, dilations=2, low=1, high=2),
                             lambda x, w: convolution(x, w, stride=2, dilation=2, low=1)),
    "avg_pool": (lambda row: pool(row, "avg_pool", (5, 6), (3, 3), strides=2), lambda x: average(x, 3, 2)),
    "max_pool": (lambda row: pool(row, "max_pool", (5, 6), (2, 2), strides=(2, 2)), lambda x: maximum(x, 2, 2)),
    "conv_relu": (relu_row, lambda x, w: relu(convolution(x, w))),
}


def halide_gradients(pipeline, arrays, seeds):
    """The gradients of the sum of the pipeline's results times `seeds` with respect to the arrays."""
    buffers = [hl.Buffer(array) for array in arrays]
    output = pipeline(*buffers)
    # A range is the first and the last position here.
    adjoint = zeros_around(hl.Buffer(seeds))
    derivative = hl.propagate_adjoints(output, adjoint, [hl.Range(0, size - 1) for size in reversed(seeds.shape)])
    gradients = []
    for buffer, array in zip(buffers, arrays):
        result = hl.Buffer(np.zeros_like(array))
        derivative[buffer].realize(result)
        gradients.append(np.array(result))
    return gradients


def main(directory):
    rows = []
    for name, (make, _) in CASES.items():
        row = Row(name)
        row.returns(make(row))
        rows.append(row)
    program = build(rows, "adjoints", pathlib.Path(directory))
    inputs = [[np.ascontiguousarray(argument.values) for argument in row.arguments] for row in rows]
    seeds = [row.random.uniform(0.5, 1.5, [int(size) for size in row.results[0].shape]) for row in rows]
    actual = [[empty(argument.tensor) for argument in row.arguments] for row in rows]
    program.run("pullback", sum(inputs, []) + seeds, sum(actual, []))
    failed = []
    for (name, (_, pipeline)), arrays, seed, gradients in zip(CASES.items(), inputs, seeds, actual):
        expected = halide_gradients(pipeline, arrays, seed)
        errors = [float(np.abs(have - want).max() / np.abs(want).max()) for have, want in zip(gradients, expected)]
        print(name, *(f"{error:.1e}" for error in errors))
        if not max(errors) <= TOLERANCE:
            failed.append(name)
    if failed:
        raise Failure(f"other gradients than Halide's: {', '.join(failed)}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Failure as failure:
        sys.exit(str(failure))
