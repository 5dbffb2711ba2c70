"""The gradient table: every gradient rule against central differences, in double precision.

    check_gradients.py FAMILY DIRECTORY [--row NAME]...     compiles the rows of a family and compares, a line per row
    check_gradients.py --coverage SOURCE_ROOT               whether each rule has a row

All rows of a family are in one module, so that one library has `forward` and `pullback` of them all. The scalar that is
differentiated is the sum of a row's results, weighted with random seeds. Every element of every argument moves by STEP both
ways; that is exact to about 1e-9, and a row passes within TOLERANCE, so a wrong factor, a missing term or a sum over the
wrong dimension shows. Rows do not depend on each other: one element of each moves at a time. mutate.py shows what the
table catches.
"""
import argparse
import ctypes
import json
import pathlib
import re
import subprocess
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "conformance"))
import table  # noqa: E402, F401 (fills FAMILIES)
from guarded import guarded  # noqa: E402
from rows import BATCH, DTYPES, FAMILIES, Free  # noqa: E402
from sylvite import Failure, sylvite  # noqa: E402

STEP = 1e-4
TOLERANCE = 1e-6  # relative to the row's largest gradient


def module_text(rows):
    """One module with a function `forward` of all rows."""
    lines, arguments, body, results = [], [], [], []
    for row in rows:
        for name, argument in row.parameters:
            lines.append(f'nn.parameter trainable @"{name}" : {argument.tensor.type} = '
                         f"dense<{argument.values.tolist()}> : {argument.tensor.type}")
        for argument in row.arguments:
            dims = ", ".join('"batch"' if isinstance(size, Free) else '""' for size in argument.tensor.shape)
            arguments.append(f'{argument.tensor}: {argument.tensor.type} {{nn.name = "{argument.name}", nn.dims = [{dims}]}}')
        body += row.lines
        results += [(result, f"{row.prefix}_out{i}") for i, result in enumerate(row.results)]
    types = ", ".join(f'{result.type} {{nn.name = "{name}"}}' for result, name in results)
    body.append(f"return {', '.join(str(result) for result, _ in results)} : {', '.join(r.type for r, _ in results)}")
    return "\n".join([*lines, f"func.func @forward({', '.join(arguments)})\n    -> ({types}) {{", *body, "}"]) + "\n"


class Program:
    """A library with `forward` and `pullback`, called through the C API."""

    def __init__(self, path, name):
        self.library, self.name = ctypes.CDLL(str(path)), name
        info = json.loads(sylvite("inspect", path, "--json"))
        self.entries = {entry["name"]: index for index, entry in enumerate(info["entries"])}
        self.function("create").restype = self.function("last_error").restype = ctypes.c_void_p
        self.function("set_threads")(1)
        self.model = ctypes.c_void_p(self.function("create")(None))

    def function(self, name):
        return getattr(self.library, f"{self.name}_{name}")

    def run(self, entry, inputs, outputs):
        """Runs an entry on arrays, and writes into `outputs`."""
        def pointers(arrays):
            return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
        status = self.function("run_entry")(self.model, self.entries[entry], pointers(inputs), (ctypes.c_int64 * 1)(BATCH),
                                            pointers(outputs))
        if status != 0:
            raise Failure(f"{entry} returns {status}")


def build(rows, family, directory):
    directory.mkdir(parents=True, exist_ok=True)
    source, module = directory / "forward.mlir", directory / f"{family}.mlir"
    source.write_text(module_text(rows))
    command = ["sylvite-opt", str(source), "-nn-expand-recurrent", "-nn-differentiate", "-o", str(module)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"$ {' '.join(command)}\n{result.stderr}")
    sylvite("compile", module, "-o", directory, "--name", family, "--emit", "so")
    return Program(directory / f"lib{family}.so", family)


def empty(tensor):
    return guarded(np.zeros([int(size) for size in tensor.shape], DTYPES[tensor.element]))


def differences(program, rows, inputs, seeds):
    """For each argument the gradient by central differences, None for one of integers."""
    outputs = [[empty(result) for result in row.results] for row in rows]
    gradients = [[np.zeros_like(argument) if argument.dtype == np.float64 else None for argument in arguments]
                 for arguments in inputs]
    # The elements of each row that move, one after the other.
    places = [[(a, k) for a, gradient in enumerate(row) if gradient is not None for k in range(gradient.size)]
              for row in gradients]
    for turn in range(max(map(len, places))):
        movable = [r for r, row in enumerate(places) if turn < len(row)]
        sides = []
        for step in (STEP, -STEP):
            saved = {}
            for r in movable:
                a, k = places[r][turn]
                flat = inputs[r][a].reshape(-1)
                saved[r], flat[k] = flat[k], flat[k] + step
            program.run("forward", sum(inputs, []), sum(outputs, []))
            sides.append({r: [output.copy() for output in outputs[r]] for r in movable})
            for r in movable:
                a, k = places[r][turn]
                inputs[r][a].reshape(-1)[k] = saved[r]
        for r in movable:
            a, k = places[r][turn]
            change = sum(float(np.sum(seed * (up - down))) for seed, up, down in zip(seeds[r], sides[0][r], sides[1][r]))
            gradients[r][a].reshape(-1)[k] = change / (2 * STEP)
    return gradients


def check(rows, program):
    """Prints a line per row; returns the names of the rows that fail."""
    inputs = [[guarded(np.asarray(argument.values)) for argument in row.arguments] for row in rows]
    # Seeds of one where a row states a gradient itself, and where results with different seeds would have to agree.
    seeds = [[np.ones(result.shape) if row.parameters or any(a.expected is not None for a in row.arguments)
              else row.random.uniform(0.5, 1.5, [int(size) for size in result.shape]) for result in row.results] for row in rows]
    actual = [[empty(a.tensor) if a.is_float else None for a in row.arguments] for row in rows]
    parameters = [[empty(argument.tensor) for _, argument in row.parameters] for row in rows]
    program.run("pullback", sum(inputs, []) + [guarded(seed) for row in seeds for seed in row],
                [gradient for row in actual for gradient in row if gradient is not None] + sum(parameters, []))
    expected = differences(program, rows, inputs, seeds)
    failed = []
    for r, row in enumerate(rows):
        pairs = []
        for a, argument in enumerate(row.arguments):
            if argument.is_float:
                wanted = expected[r][a] if argument.expected is None else argument.expected
                pairs.append((argument.name.removeprefix(f"{row.prefix}_"), actual[r][a], wanted))
        for (name, argument), gradient in zip(row.parameters, parameters[r]):
            pairs.append((name.removeprefix(f"{row.prefix}_"), gradient, expected[r][row.arguments.index(argument)]))
        scale = max(float(np.abs(wanted).max()) for _, _, wanted in pairs)
        errors = [float(np.abs(gradient - wanted).max()) / (scale or 1) for _, gradient, wanted in pairs]
        good = scale > 0 and all(error <= TOLERANCE * row.coarseness for error in errors)
        print(f"{'ok  ' if good else 'FAIL'}  {row.name:48}  " +
              "  ".join(f"{name} {error:.1e}" for (name, _, _), error in zip(pairs, errors)))
        if not good:
            failed.append(row.name)
            for (name, gradient, wanted), error in zip(pairs, errors):
                if not error <= TOLERANCE * row.coarseness or scale == 0:
                    print(f"      {name}: {gradient.ravel()[:8]}, expected {np.asarray(wanted).ravel()[:8]}")
    return failed


def differentiable_ops(source):
    """The ops of NNOps.td that have a rule: they, or the class that they derive from, name NN_Differentiable. Loops, which
    Differentiate.cpp knows, and recurrent layers, which become loops, count too."""
    text = (source / "dialects/nn/NNOps.td").read_text()
    heads = re.findall(r"^(class|def) NN_(\w+)(?:<[^>]*>)?\s*:\s*NN_(\w+)<([^{]*)\{", text, re.MULTILINE)
    bases = {name for kind, name, _, head in heads if kind == "class" and "NN_Differentiable" in head}
    names = {re.match(r'"(\w+)"', head)[1] for kind, _, base, head in heads
             if kind == "def" and ("NN_Differentiable" in head or base in bases)}
    return names | {"scan", "lstm", "gru", "simple_rnn"}


def scalar_ops(source):
    """The scalar ops of nn.map's rule."""
    rule = (source / "dialects/nn/PointwiseGradient.cpp").read_text().split("bool ScalarAdjoints::propagate", 1)[1]
    return {f"{dialect}.{name.lower()}" for dialect, name in re.findall(r"(arith|math)::(\w+)Op\b(?!::create)", rule)}


def check_coverage(source):
    text = "\n".join(line for rows in FAMILIES.values() for row in rows for line in row.lines)
    used = set(re.findall(r"\b((?:nn|arith|math)\.\w+)", text))
    rules = {f"nn.{name}" for name in differentiable_ops(source)} | scalar_ops(source)
    if len(rules) < 60:
        raise Failure(f"only {len(rules)} rules found: {sorted(rules)}")
    missing = sorted(rules - used)
    if missing:
        raise Failure(f"no row in table.py for {', '.join(missing)}")
    print(f"{len(rules)} rules, {sum(map(len, FAMILIES.values()))} rows")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("family", nargs="?", choices=FAMILIES)
    parser.add_argument("directory", nargs="?", type=pathlib.Path)
    parser.add_argument("--row", action="append", help="only this row")
    parser.add_argument("--coverage", type=pathlib.Path, metavar="SOURCE_ROOT")
    options = parser.parse_args()
    if options.coverage:
        check_coverage(options.coverage)
        return
    rows = [row for row in FAMILIES[options.family] if not options.row or row.name in options.row]
    failed = check(rows, build(rows, options.family, options.directory))
    if failed:
        raise Failure(f"{len(failed)} of {len(rows)} rows fail: {', '.join(failed)}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
