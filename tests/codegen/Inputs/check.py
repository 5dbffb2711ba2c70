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


def math(path):
    """Errors are those that HalideMath.cpp promises: relative to 1 + |expected|, unless given."""
    from math import erf

    any_ = np.concatenate([np.linspace(-12, 12, 4001), np.linspace(-0.6, 0.6, 4001),
                           [-0.5, 0.5, 1.5, 2.5, -2.5, 0.49999997, 80, -80]]).astype(np.float32)
    n = len(any_)
    positive = np.concatenate([np.linspace(1e-6, 0.5, n // 2),
                               np.logspace(-3, 8, n - n // 2)]).astype(np.float32)
    unit = np.linspace(-0.99, 0.99, n).astype(np.float32)
    above = positive + np.float32(1)
    a, p, u = (v.astype(np.float64) for v in (any_, positive, unit))
    rounded = np.trunc(a) + np.where(np.abs(a - np.trunc(a)) >= 0.5, np.sign(a), 0)
    expected = {
        "tanh": np.tanh(a), "exp": np.exp(a), "exp2": np.exp2(a), "expm1": np.expm1(a),
        "sin": np.sin(a), "cos": np.cos(a), "erf": np.vectorize(erf)(a), "sinh": np.sinh(a),
        "cosh": np.cosh(a), "asinh": np.arcsinh(a), "floor": np.floor(a), "ceil": np.ceil(a),
        "trunc": np.trunc(a), "roundeven": np.rint(a), "round": rounded, "absf": np.abs(a),
        "atan": np.arctan(a), "log": np.log(p), "log2": np.log2(p), "log10": np.log10(p),
        "log1p": np.log1p(p), "sqrt": np.sqrt(p), "rsqrt": 1 / np.sqrt(p),
        "atanh": np.arctanh(u), "asin": np.arcsin(u), "acos": np.arccos(u), "tan": np.tan(u),
        "acosh": np.arccosh(above.astype(np.float64)), "powf": p ** u,
        "copysign": np.copysign(p, a), "fma": a * p + u, "atan2": np.arctan2(a, u),
    }
    results = [np.full(n, np.nan, np.float32) for _ in expected]
    Kernel(path)([any_, positive, unit, above], results)
    # exp2 multiplies its argument by a rounded log 2: 80 of those roundings.
    tolerance = {"tanh": 2e-7, "sin": 2e-7, "cos": 2e-7, "erf": 5e-7, "exp2": 6e-6, "powf": 5e-6}
    failures = []
    for (name, want), got in zip(expected.items(), results):
        error = np.max(np.abs(got - want) / (1 + np.abs(want)))
        if not error <= tolerance.get(name, 5e-7):
            failures.append(f"{name}: {error:.2e}")
    # exp at the ends of its range, where it is exact, and where there is no number.
    special = np.array([0, -0.0, np.inf, 89, 88.7, -86.9, -88, -1e9, -np.inf, np.nan] * 8, np.float32)
    others = [np.ones(len(special), np.float32)] * 3
    results_special = [np.empty(len(special), np.float32) for _ in expected]
    Kernel(path)([special, *others], results_special)
    got = results_special[list(expected).index("exp")][:10]
    with np.errstate(over="ignore", under="ignore"):
        want = np.exp(special[:10].astype(np.float64)).astype(np.float32)
    want[6] = 0  # the result would not be normal
    if (got[:4] != want[:4]).any() or (got[6:9] != 0).any() or not np.isnan(got[9]) or \
            np.max(np.abs(got[4:6] / want[4:6] - 1)) > 5e-7:
        failures.append(f"exp of {special[:10]}: {got}")
    # Near zero the relative error counts.
    small = np.abs(a) < 0.6
    for name in ("expm1", "sinh", "asinh", "tanh"):
        want, got = expected[name][small], results[list(expected).index(name)][small]
        error = np.max(np.abs(got - want) / np.maximum(np.abs(want), 1e-30))
        if not error <= 5e-7:
            failures.append(f"{name} near 0: {error:.2e}")
    if failures:
        sys.exit("\n".join(failures))


def quick_math(path):
    """Relative errors over twelve decades and every place between two powers of two, then the ends."""
    y = np.concatenate([np.logspace(-30, 30, 100001), np.linspace(1, 4, 100001)]).astype(np.float32)
    x = np.where(np.arange(len(y)) % 2, -1, 1).astype(np.float32) * (1 + rng.random(len(y), np.float32))
    results = [np.full(len(y), np.nan, np.float32) for _ in range(2)]
    Kernel(path)([x, y], results)
    for name, got, want in zip(("sqrt", "div"), results, (np.sqrt(y.astype(np.float64)), x / y.astype(np.float64))):
        error = np.max(np.abs(got / want - 1))
        if not error <= 2e-7:
            sys.exit(f"{name}: {error:.2e}")
    y = np.array([0, 1e-45, 1e-39, 1.2e-38, 1e19, 2.0 ** 126, 2.0 ** 127, np.inf, np.nan] * 4, np.float32)
    results = [np.empty(len(y), np.float32) for _ in range(2)]
    Kernel(path)([np.ones(len(y), np.float32), y], results)
    root, inverse = (result[:9] for result in results)
    expect_close(root[:4], np.sqrt(y[:4]), 0, 1e-18)
    expect_close(root[4:7], np.sqrt(y[4:7]), 2e-7, 0)
    expect_close(inverse[3:5], 1 / y[3:5], 2e-7, 0)
    if root[0] != 0 or root[7] != np.inf or not (np.abs(inverse[5:8]) < 2e-38).all() or not np.isnan([root[8], inverse[8]]).all():
        sys.exit(f"of {y[:9]}: {root}, {inverse}")


def gemm(path):
    kernel = Kernel(path)
    for rows in (1, 3, 4, 9):
        a, b, bias = normal(rows, 40), normal(40, 32), normal(32)
        packed = np.ascontiguousarray(b.reshape(40, 2, 16).transpose(1, 0, 2))
        y = np.full((rows, 32), np.nan, np.float32)
        kernel([a, packed, bias], [y])
        expect_close(y, a.astype(np.float64) @ b + bias, 1e-5, 1e-5)


def integers(path):
    interesting = [0, 1, 2, 3, 7, 8, 255, 256, 12345, 2**31 - 1, -1, -2, -7, -8, -256, -12345, -2**31]
    # Division by zero has no expected value, but must not trap.
    trap = [(1, 0), (0, 0), (-7, 0), (-2**31, 0), (-2**31, -1)]
    pairs = [(a, b) for a in interesting for b in interesting if b and (a, b) not in trap] + trap
    n = len(pairs)
    a, b = (np.array(v, np.int32) for v in zip(*pairs))
    bytes_ = rng.integers(0, 256, n, dtype=np.uint8)
    unsigned = lambda v: v % 2**32
    signed = lambda v, bits=32: (v + 2**(bits - 1)) % 2**bits - 2**(bits - 1)
    truncated = lambda p, q: abs(p) // abs(q) * (1 if (p < 0) == (q < 0) else -1)

    def row(p, q, byte):
        up, uq = unsigned(p), unsigned(q)
        return [truncated(p, q), p - q * truncated(p, q), p // q, -(-p // q), p // 5, -(-p // 5),
                signed(up // uq), signed(up % uq), signed(min(up, uq)), signed(max(up, uq)),
                signed(p << 3), p >> 3, up >> 3, int(up < uq), -int(p < q), p & q, p ^ q,
                signed(p, 8), byte, signed(byte, 8), signed(abs(p)), (byte + p) % 256, byte, up]

    expected = list(zip(*[row(int(p), int(q), int(c)) for p, q, c in zip(a, b, bytes_)
                           if (p, q) not in trap]))
    types = [np.int32] * 17 + [np.int8] + [np.int32] * 3 + [np.uint8, np.float32, np.int64]
    results = [np.zeros(n, t) for t in types]
    Kernel(path)([a, b, bytes_], results)
    for k, (got, want) in enumerate(zip(results, expected)):
        wrong = [(int(p), int(q), int(g), w) for p, q, g, w in zip(a, b, got, want) if int(g) != w]
        if wrong:
            sys.exit(f"result {k}: (a, b, got, expected) {wrong[:5]}")


def tuple_update(path):
    x = normal(5, 37)
    results = [np.zeros(5, np.float32), np.zeros(5, np.int32), np.zeros(5, np.float32)]
    Kernel(path)([x], results)
    assert (results[0] == x.max(axis=1)).all()
    assert (results[1] == x.argmax(axis=1)).all(), results[1]
    before = np.concatenate([np.full((5, 1), -1e38), np.maximum.accumulate(x, axis=1)[:, :-1]], 1)
    expect_close(results[2], np.sqrt(np.abs(before)).sum(axis=1), 1e-5, 0)


def softmax(path):
    kernel = Kernel(path)
    for n in (1, 5):
        x, y = normal(n, 64) * 10, np.full((n, 64), np.nan, np.float32)
        kernel([x], [y])
        e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
        expect_close(y, e / e.sum(axis=1, keepdims=True), 1e-5, 1e-7)


def dot_product_u8(path):
    a = rng.integers(0, 256, (3, 64), dtype=np.uint8)
    b = rng.integers(-128, 128, (64, 16), dtype=np.int8)
    y = np.zeros((3, 16), np.int32)
    packed = np.ascontiguousarray(b.reshape(16, 4, 16).transpose(0, 2, 1))
    Kernel(path)([a, packed], [y])
    assert (y == a.astype(np.int32) @ b.astype(np.int32)).all()


def scatter(path):
    dy, index = normal(20, 16), rng.integers(-2, 12, 20, dtype=np.int64)
    table, expected = np.full((10, 16), np.nan, np.float32), np.zeros((10, 16))
    Kernel(path)([dy, index], [table])
    np.add.at(expected, np.clip(index, 0, 9), dy)
    expect_close(table, expected, 1e-5, 1e-6)


def types(path):
    n = 21
    x, h, b = normal(n) * 100, normal(n).astype(np.float16), rng.integers(0, 2, n).astype(bool)
    d = rng.standard_normal(n) * 5
    results = [np.zeros(n, t) for t in (np.float16, np.float32, bool, np.float64, np.uint16, np.int64,
                                        np.int32, np.uint16, np.float32)]
    Kernel(path)([x, h, b, d], results)
    bits = x.view(np.uint32)
    brain = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    expected = [h + x.astype(np.float16), h.astype(np.float32), (x > 0) & b, np.exp(d), brain,
                np.trunc(d).astype(np.int64), x.view(np.int32), np.abs(x).astype(np.uint16),
                b.astype(np.float32)]
    for k, (got, want) in enumerate(zip(results, expected)):
        if k == 3:
            expect_close(got, want, 1e-14, 0)
        elif not (got == want).all():
            sys.exit(f"result {k}: {got}, expected {want}")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
