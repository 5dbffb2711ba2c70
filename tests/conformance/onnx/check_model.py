"""Compares a real model with ONNX Runtime: check_model.py NAME MODELS DIRECTORY, or without arguments, the names.

MODELS is where fetch_models.py puts the models. A model is compiled once and run on inputs of each set of sizes; every
output must be within 1e-3 of ONNX Runtime's, relative to the output's largest element. Then the compiled model has to do
what it was trained for, as meaning.py checks.
"""
import os
import pathlib
import sys

import numpy as np
import onnxruntime

# This directory's backend, and Failure and compare of the directory above.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import meaning  # noqa: E402
from backend import compile_model  # noqa: E402
from fetch_models import fetch  # noqa: E402
from library import Library  # noqa: E402
from models import MODELS  # noqa: E402
from reference import exact_settings  # noqa: E402
from sylvite import compare  # noqa: E402


def main(name, models, directory):
    file, options, sets, check = MODELS[name]
    path = fetch(models) / file
    os.makedirs(directory, exist_ok=True)
    library = Library(compile_model(path, directory, *options), "m")
    settings = exact_settings()
    reference = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    names = [output.name for output in reference.get_outputs()]
    inputs = [value.name for value in reference.get_inputs()]
    for i, make in enumerate(sets):
        feeds = {key: value for key, value in make(np.random.default_rng(i)).items() if key in inputs}
        results = dict(zip(library.output_names, library.run([feeds[key] for key in library.input_names])))
        for output, expected in zip(names, reference.run(names, feeds)):
            # ONNX Runtime's own sigmoid is off by 1e-7 with and without its optimizations: where every probability is
            # below 1e-3, that is what would be compared.
            atol = 1e-3 * max(1.0, 1e-3 / np.abs(expected).max())
            error = compare(f"{output} (inputs {i})", results[output], expected, rtol=0, atol=atol)
            print(f"{output} {expected.shape}: {error:.2g} of the output's scale")
    if check:
        print(getattr(meaning, check)(lambda feeds: dict(zip(library.output_names,
                                           library.run([feeds[key] for key in library.input_names]))), path.parent))


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print("\n".join(MODELS))
    else:
        main(*sys.argv[1:])
