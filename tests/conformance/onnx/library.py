"""A compiled model through ctypes: what runtime/sylvite.h declares, with NumPy arrays.

Inputs, outputs and workspace end where nothing may be read or written.
"""
import ctypes
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from guarded import guarded, guarded_bytes  # noqa: E402

WORKSPACE_ALIGNMENT = 64

DTYPES = ["float32", "float64", "float16", "bfloat16", "int8", "int16", "int32", "int64",
          "uint8", "uint16", "uint32", "uint64", "bool"]


def dtype_of(code):
    if DTYPES[code] == "bfloat16":
        import ml_dtypes
        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(DTYPES[code])


class Tensor(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32),
                ("shape", ctypes.POINTER(ctypes.c_int64))]


class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("weights", ctypes.c_char_p), ("workspace", ctypes.c_void_p),
                ("workspace_size", ctypes.c_size_t), ("weights_in_place", ctypes.c_int32), ("reserved", ctypes.c_int32)]


class Info(ctypes.Structure):
    _fields_ = [("abi", ctypes.c_int32), ("dim_count", ctypes.c_int32), ("name", ctypes.c_char_p),
                ("model", ctypes.c_char_p), ("compiler", ctypes.c_char_p), ("target", ctypes.c_char_p),
                ("dims", ctypes.POINTER(ctypes.c_char_p)), ("input_count", ctypes.c_int32),
                ("output_count", ctypes.c_int32), ("inputs", ctypes.POINTER(Tensor)), ("outputs", ctypes.POINTER(Tensor))]


class Library:
    """A shared library that `sylvite compile` made, called `name`."""

    def __init__(self, path, name, threads=1):
        self.library, self.name = ctypes.CDLL(str(path)), name
        self.function("create").restype = ctypes.c_void_p
        self.function("create").argtypes = [ctypes.POINTER(Options)]
        self.function("run_workspace_size").restype = ctypes.c_size_t
        self.function("info").restype = ctypes.POINTER(Info)
        self.function("last_error").restype = ctypes.c_char_p
        self.function("last_error").argtypes = [ctypes.c_void_p]
        self.function("destroy").argtypes = [ctypes.c_void_p]
        self.function("run").argtypes = [ctypes.c_void_p] + [ctypes.c_void_p] * 3
        self.info = self.function("info")().contents
        self.function("set_threads")(threads)
        self.model = self.workspace = None
        self.create(0)
        self.inputs = [self.info.inputs[i] for i in range(self.info.input_count)]
        self.outputs = [self.info.outputs[i] for i in range(self.info.output_count)]
        self.input_names = [tensor.name.decode() for tensor in self.inputs]
        self.output_names = [tensor.name.decode() for tensor in self.outputs]

    def function(self, suffix):
        return getattr(self.library, f"{self.name}_{suffix}")

    def create(self, workspace_size):
        """Makes the handle, in place of any before."""
        self.close()
        self.workspace = guarded_bytes(max(workspace_size, 1), WORKSPACE_ALIGNMENT)
        options = Options(ctypes.sizeof(Options), None, self.workspace.ctypes.data, workspace_size)
        self.model = self.function("create")(options)
        if not self.model:
            raise RuntimeError(self.function("last_error")(None).decode())

    def close(self):
        if self.model:
            self.function("destroy")(self.model)
            self.model = None

    def bind(self, arrays):
        """The arguments of NAME_run for `arrays`, one per input in the model's order, and the arrays that it will fill."""
        dims = (ctypes.c_int64 * max(self.info.dim_count, 1))()
        pointers = (ctypes.c_void_p * max(len(self.inputs), 1))()
        pointers.keep = []
        for i, (tensor, array) in enumerate(zip(self.inputs, arrays, strict=True)):
            array = guarded(np.asarray(array))
            if array.dtype != dtype_of(tensor.dtype) or array.ndim != tensor.rank:
                raise TypeError(f"input {tensor.name.decode()}: {array.dtype} of rank {array.ndim}, "
                                f"not {dtype_of(tensor.dtype)} of rank {tensor.rank}")
            for axis, size in enumerate(array.shape):
                declared = tensor.shape[axis]
                if declared >= 0 and declared != size:
                    raise ValueError(f"input {tensor.name.decode()}: dimension {axis} is {size}, not {declared}")
                if declared < 0:
                    dims[-1 - declared] = size
            pointers.keep.append(array)
            pointers[i] = array.ctypes.data if array.size else None
        outputs, results = (ctypes.c_void_p * len(self.outputs))(), []
        for i, tensor in enumerate(self.outputs):
            shape = (ctypes.c_int64 * max(tensor.rank, 1))()
            if self.function("output_shape")(i, dims, shape):
                raise RuntimeError(self.function("last_error")(None).decode())
            results.append(guarded(np.zeros(tuple(shape[:tensor.rank]), dtype_of(tensor.dtype))))
            outputs[i] = results[-1].ctypes.data
        workspace_size = self.function("run_workspace_size")(dims)
        if workspace_size != len(self.workspace):
            self.create(workspace_size)
        return (self.model, pointers, dims, outputs), results

    def run(self, arrays):
        """The outputs for `arrays`, one per input, in the model's order."""
        arguments, results = self.bind(arrays)
        if self.function("run")(*arguments):
            raise RuntimeError(self.function("last_error")(self.model).decode())
        return results
