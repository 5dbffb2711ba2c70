"""What the conformance drivers share: compile a model, run the library, compare with a reference.

Everything goes through the command line, as a user would; NumPy is all that is needed. A mismatch or a failing command
raises Failure, whose text is the report.
"""
import json
import os
import pathlib
import shlex
import subprocess
import time

import numpy as np


class Failure(Exception):
    pass


def sylvite(*arguments, environment=None):
    """Runs `sylvite ARGUMENTS...` and returns its standard output; SYLVITE names another program than the one on PATH."""
    command = [os.environ.get("SYLVITE", "sylvite"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True,
                            env={**os.environ, **environment} if environment else None)
    if result.returncode != 0:
        raise Failure(f"$ {shlex.join(command)}\nexit status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Library:
    """A compiled model: its path and the names of its inputs and outputs, in the model's order."""

    def __init__(self, model, directory, *options, name="model"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        sylvite("compile", model, "-o", self.directory, "--name", name, *options)
        self.compile_seconds = time.monotonic() - started
        self.path = self.directory / f"lib{name}.so"
        self.info = json.loads(sylvite("inspect", self.path, "--json"))
        self.inputs = [tensor["name"] for tensor in self.info["inputs"]]
        self.outputs = [tensor["name"] for tensor in self.info["outputs"]]

    def run(self, inputs, threads=1):
        """The outputs for `inputs`, both lists of arrays in the model's order; a kernel that reads beyond a buffer ends the process."""
        if len(inputs) != len(self.inputs):
            raise Failure(f"the library has the inputs {self.inputs}, the reference {len(inputs)}")
        source, target = self.directory / "input.npz", self.directory / "output.npz"
        np.savez(source, **dict(zip(self.inputs, inputs)))
        target.unlink(missing_ok=True)
        sylvite("run", self.path, "--input", source, "--output", target, "--threads", threads, "--guard")
        with np.load(target) as result:
            if sorted(result.files) != sorted(self.outputs):
                raise Failure(f"outputs {sorted(result.files)} where inspect lists {sorted(self.outputs)}")
            return [result[name] for name in self.outputs]


def compare(name, actual, expected, rtol, atol):
    """|actual - expected| <= rtol * |expected| + atol * (largest |expected|), elementwise. What is not finite is the same in both."""
    if actual.shape != expected.shape:
        raise Failure(f"{name}: shape {actual.shape}, expected {expected.shape}")
    if actual.dtype != expected.dtype:
        raise Failure(f"{name}: type {actual.dtype}, expected {expected.dtype}")
    if actual.size == 0:
        return 0.0
    finite = np.isfinite(expected)
    scale = float(np.abs(expected).max(initial=0, where=finite)) or 1.0
    with np.errstate(invalid="ignore"):
        error = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    error[~finite | ~np.isfinite(actual)] = np.inf
    error[same] = 0
    allowed = np.where(finite, rtol * np.abs(expected) + atol * scale, 0)
    if (error > allowed).any():
        worst = np.unravel_index(np.argmax(error - allowed), error.shape)
        raise Failure(f"{name}: {int((error > allowed).sum())} of {error.size} values differ; worst at "
                      f"{[int(i) for i in worst]}: {actual[worst]!r}, expected {expected[worst]!r} (output's scale {scale:.3g})")
    return float(error.max()) / scale


def check(library, inputs, outputs, batches, threads, rtol=1e-4, atol=1e-5):
    """Runs every batch size on every thread count. Rows are independent in inference, so row i of a batch is row i modulo
    the reference's size, whatever the batch."""
    if len(outputs) != len(library.outputs):
        raise Failure(f"the library has the outputs {library.outputs}, the reference {len(outputs)}")
    worst = 0.0
    for batch in batches:
        rows = np.arange(batch) % len(inputs[0])
        for count in threads:
            results = library.run([value[rows] for value in inputs], count)
            for name, result, output in zip(library.outputs, results, outputs):
                worst = max(worst, compare(f"{name} (batch {batch}, {count} threads)", result, output[rows], rtol, atol))
    return worst
