"""What the checks of training share: a library whose train_step is called through its C ABI, and safetensors files."""
import ctypes
import json
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure  # noqa: E402

DTYPES = {"F32": np.dtype("float32"), "F64": np.dtype("float64"), "I64": np.dtype("int64"), "I32": np.dtype("int32"),
          "BOOL": np.dtype("bool")}


def write_model(directory, contents):
    """The file of a model, .keras or .onnx, in `directory`."""
    path = directory / ("model.keras" if contents.startswith(b"PK") else "model.onnx")
    path.write_bytes(contents)
    return path


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            arrays[name] = np.frombuffer(data[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays


def write_safetensors(path, arrays):
    header, offset = {}, 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    for name, array in arrays.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values()))


class Trainer:
    """A library, loaded to call its train_step."""

    def __init__(self, library):
        self.functions, self.prefix = ctypes.CDLL(str(library.path)), library.path.stem.removeprefix("lib")
        create = self.function("create")
        create.restype = self.function("last_error").restype = ctypes.c_void_p
        self.model = ctypes.c_void_p(create(None))

    def function(self, name):
        return getattr(self.functions, f"{self.prefix}_{name}")

    def step(self, *inputs):
        """The loss of a batch: inputs, targets, sample weights."""
        loss = ctypes.c_float()
        arrays = [np.ascontiguousarray(array) for array in inputs]
        status = self.function("train_step")(self.model, *[ctypes.c_void_p(array.ctypes.data) for array in arrays],
                                             ctypes.c_int64(len(arrays[0])), ctypes.byref(loss))
        if status != 0:
            raise Failure(f"train_step returns {status}")
        return loss.value

    def save(self, path):
        if self.function("save")(self.model, str(path).encode()) != 0:
            raise Failure("save fails")
        return read_safetensors(path)

    def close(self):
        self.function("destroy")(self.model)


def run_main(main):
    """`main` with the arguments of the command line; a Failure is the program's exit message."""
    try:
        main(*sys.argv[1:])
    except Failure as failure:
        sys.exit(str(failure))
