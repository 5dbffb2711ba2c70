"""Compiles a Keras model and compares the library with Keras's own outputs.

Usage: check_model.py MODEL REFERENCE.npz DIRECTORY [--batches 1,3,32] [--threads 1,2] [-- OPTIONS OF sylvite compile]
The reference holds input_<i> and output_<i>, or output_<key> or output_<i>_<key> for a dict of outputs, with one row per item.
"""
import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from sylvite import Failure, Library, check  # noqa: E402


def numbers(text):
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("reference")
    parser.add_argument("directory")
    parser.add_argument("--batches", type=numbers, default=[1, 3, 32])
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--rtol", type=float, default=1e-4)
    parser.add_argument("--atol", type=float, default=1e-5)
    parser.add_argument("options", nargs="*", help="options of sylvite compile, after --")
    options = parser.parse_args()
    with np.load(options.reference) as reference:
        inputs = [reference[f"input_{i}"] for i in range(sum(name.startswith("input_") for name in reference.files))]
        # In file order, which make_layers.py makes the model's order and a dict's sorted keys.
        names = [name for name in reference.files if name.startswith("output_")]
        outputs = [reference[name] for name in names]
    try:
        library = Library(options.model, options.directory, *options.options)
        keys = [name.split("_", 2)[-1] for name in names if not name.rsplit("_", 1)[-1].isdigit()]
        if keys and library.outputs != [key for key in keys]:
            raise Failure(f"the outputs are called {library.outputs}, in Keras {keys}")
        error = check(library, inputs, outputs, options.batches, options.threads, options.rtol, options.atol)
    except Failure as failure:
        print(failure)
        return 1
    print(f"largest error {error:.2e} of the output's scale, compiled in {library.compile_seconds:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
