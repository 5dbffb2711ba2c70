"""Compares the metrics of a compiled model with Keras's, batch by batch and over several.

    check_metrics.py MODEL.keras REFERENCE.npz DIRECTORY      (made by make_metrics.py)
"""
import ctypes
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library, compare  # noqa: E402
from trainer import run_main  # noqa: E402


def main(model, path, directory):
    library = Library(pathlib.Path(model), pathlib.Path(directory), "--train", name="metrics")
    entries = {entry["name"]: entry for entry in library.info["entries"]}
    inputs = [tensor["name"] for tensor in entries["evaluate"]["inputs"]]
    names = [tensor["name"] for tensor in entries["evaluate"]["outputs"]]
    functions = ctypes.CDLL(str(library.path))
    functions.metrics_create.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(functions.metrics_create(None))
    values = (ctypes.c_float * len(names))()
    reference = np.load(path)

    def call(name, *arguments):
        if getattr(functions, f"metrics_{name}")(handle, *arguments) != 0:
            raise Failure(f"{name} fails")

    def check(what, prefix):
        for name, value in list(zip(names, values))[1:]:  # the loss has no reference here
            compare(f"{name} {what}", np.float32([value]), reference[f"{prefix}/{name}"].reshape(1), 1e-5, 1e-6)

    def feed(entry, batch):
        arrays = [np.ascontiguousarray(reference[f"{batch}/{name}"]) for name in inputs]
        call(entry, *[ctypes.c_void_p(array.ctypes.data) for array in arrays], ctypes.c_int64(len(arrays[0])),
             ctypes.byref(values))
        check(f"of batch {batch} by {entry}", str(batch))
        return values[0] * len(arrays[0])

    batches = sorted({int(name.split("/")[0]) for name in reference.files if name[0].isdigit()})
    for entry in ("train_step", "evaluate"):  # the learning rate is zero
        total = sum(feed(entry, batch) for batch in batches)
        call("metrics_result", ctypes.byref(values))
        check(f"of all batches by {entry}", "all")
        items = sum(len(reference[f"{batch}/x"]) for batch in batches)
        compare("mean loss", np.float32([values[0]]), np.float32([total / items]), 1e-5, 1e-6)
        call("reset_metrics")
    call("metrics_result", ctypes.byref(values))
    if any(values):
        raise Failure(f"after a reset the metrics are {list(values)}")
    functions.metrics_destroy(handle)


if __name__ == "__main__":
    run_main(main)
