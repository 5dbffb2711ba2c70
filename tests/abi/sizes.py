"""Calls a model with sizes that do not fit together: a status and a message for each, and nothing read or written.

Usage: sizes.py LIBRARY
"""
import ctypes
import sys

import numpy as np

library = ctypes.CDLL(sys.argv[1])
for name, result, arguments in [("create", ctypes.c_void_p, [ctypes.c_void_p]), ("destroy", None, [ctypes.c_void_p]),
                                ("last_error", ctypes.c_char_p, [ctypes.c_void_p]),
                                ("workspace_size", ctypes.c_size_t, [ctypes.c_int64] * 3),
                                ("forward", ctypes.c_int, [ctypes.c_void_p] * 3 + [ctypes.c_int64] * 3 + [ctypes.c_void_p])]:
    function = getattr(library, f"sizes_{name}")
    function.restype, function.argtypes = result, arguments
model = library.sizes_create(None)


def forward(batch, steps, masked):
    x = np.arange(batch * steps * 4, dtype=np.float32).reshape(batch, steps, 4)
    mask = np.arange(batch * masked).reshape(batch, masked) % 3 > 0
    y = np.full_like(x, -1)
    status = library.sizes_forward(model, x.ctypes.data, mask.ctypes.data, batch, steps, masked, y.ctypes.data)
    message = library.sizes_last_error(model).decode()
    if status == 0:
        np.testing.assert_array_equal(y, np.where(mask[:, :, None], x + 1, 0))
    else:
        assert (y == -1).all(), "a call that is refused writes"
    return status, message


INVALID = 1
assert forward(2, 8, 8) == (0, "")
assert forward(3, 1, 1) == (0, "")
assert forward(2, 0, 0) == forward(0, 5, 5) == (0, "")  # nothing to compute
for sizes, message in [((2, 5, 7), "layer 'masked' needs "), ((2, 9, 9), "layer 'positions' needs 8 >= steps"),
                       ((2, 5, 0), "layer 'masked' needs "), ((2, 0, 5), "layer 'masked' needs "),
                       ((-1, 5, 5), "batch must be zero or more, not -1")]:
    status, found = forward(*sizes)
    assert status == INVALID and message in found, (sizes, status, found)
status, found = forward(2, 5, 7)
assert found.endswith("the call has batch = 2, steps = 5, masked = 7"), found
assert library.sizes_workspace_size(2, 9, 9) == 0 and b"8 >= steps" in library.sizes_last_error(None)
assert forward(2, 8, 8)[0] == 0  # the handle goes on
library.sizes_destroy(model)
