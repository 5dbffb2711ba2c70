"""Loads a kernel that sylvite-translate compiled and calls it on NumPy arrays, for tests that compare
it with NumPy. Needs `cc` to link the object; the functions of Halide's runtime that a kernel may call
are a few lines of C here, with parallel loops run in order."""
import ctypes
import os
import subprocess
import sys
import tempfile

import numpy as np

RUNTIME = r"""
#include <stdint.h>
#include <stdlib.h>
void *halide_malloc(void *c, size_t n) { return aligned_alloc(128, (n + 255) / 128 * 128); }
void halide_free(void *c, void *p) { free(p); }
int halide_do_par_for(void *c, int (*f)(void *, int, uint8_t *), int min, int n, uint8_t *closure) {
  for (int i = min; i < min + n; ++i) { int r = f(c, i, closure); if (r) return r; }
  return 0;
}
"""


class Dim(ctypes.Structure):
    _fields_ = [("min", ctypes.c_int32), ("extent", ctypes.c_int32), ("stride", ctypes.c_int32),
                ("flags", ctypes.c_uint32)]


class Buffer(ctypes.Structure):
    _fields_ = [("device", ctypes.c_uint64), ("interface", ctypes.c_void_p),
                ("host", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("code", ctypes.c_uint8),
                ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("dimensions", ctypes.c_int32),
                ("dim", ctypes.POINTER(Dim)), ("padding", ctypes.c_void_p)]


def buffer(array):
    """halide_buffer_t of a C-contiguous array."""
    assert array.flags.c_contiguous
    code = {"i": 0, "u": 1, "b": 1, "f": 2}[array.dtype.kind]
    bits = 1 if array.dtype == np.bool_ else array.dtype.itemsize * 8
    dims = (Dim * max(array.ndim, 1))()
    stride = 1
    for i, extent in enumerate(reversed(array.shape)):
        dims[i] = Dim(0, extent, stride, 0)
        stride *= extent
    return Buffer(0, None, array.ctypes.data, 0, code, bits, 1, array.ndim, dims, None)


class Kernel:
    """Kernel(mlir file): compiles the pipeline in it, in whole or the one called `name`."""

    def __init__(self, path, *options):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "k.o")
            subprocess.run(["sylvite-translate", "--halide-to-object", path, "-o", out,
                            f"--symbol-file={folder}/symbol", *options], check=True)
            symbol = open(f"{folder}/symbol").read().strip()
            runtime = os.path.join(folder, "runtime.c")
            with open(runtime, "w") as file:
                file.write(RUNTIME)
            library = os.path.join(folder, "k.so")
            subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", runtime, out, "-o",
                            library, "-lm"], check=True)
            self.library = ctypes.CDLL(library)
        self.function = getattr(self.library, symbol + "_argv")

    def __call__(self, inputs, outputs):
        buffers = [buffer(a) for a in [*inputs, *outputs]]
        arguments = (ctypes.c_void_p * len(buffers))(*[ctypes.addressof(b) for b in buffers])
        status = self.function(arguments)
        assert status == 0, status
        return outputs


def expect_close(actual, expected, rtol, atol):
    """Exits with a message where the arrays differ."""
    try:
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)
    except AssertionError as error:
        sys.exit(str(error))
