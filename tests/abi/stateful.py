"""Calls a stateful model twice, resets it, and calls it again. Usage: stateful.py LIBRARY REFERENCE.npz"""
import ctypes
import sys

import numpy as np

library = ctypes.CDLL(sys.argv[1])
library.stateful_create.restype = ctypes.c_void_p
library.stateful_create.argtypes = [ctypes.c_void_p]
for name, count in [("forward", 3), ("reset_states", 1), ("destroy", 1)]:
    getattr(library, f"stateful_{name}").argtypes = [ctypes.c_void_p] * count
with np.load(sys.argv[2]) as reference:
    inputs, expected = reference["x"], reference["y"]


def forward(model, x):
    y = np.zeros_like(expected[0])
    x = np.ascontiguousarray(x)
    assert library.stateful_forward(model, x.ctypes.data, y.ctypes.data) == 0
    return y


def check(actual, wanted):
    np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-6)


model, other = library.stateful_create(None), library.stateful_create(None)
check(forward(model, inputs[0]), expected[0])
check(forward(model, inputs[1]), expected[1])
assert library.stateful_reset_states(model) == 0
check(forward(model, inputs[0]), expected[0])
check(forward(other, inputs[0]), expected[0])  # each handle has its own
assert library.stateful_reset_states(None) != 0
library.stateful_destroy(model)
library.stateful_destroy(other)
