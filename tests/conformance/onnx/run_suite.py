"""Runs a part of ONNX's backend suite (onnx.backend.test) and counts.

    run_suite.py [--shard I/N] [--only REGEX] [--record FILE] [-v]

skip.txt lists the cases that are not attempted, failing.txt those that fail today. Cases that fail and are not listed are
printed with what went wrong, the compiler's diagnostic or what the comparison says; so are cases that are listed and pass.
Either makes the exit status 1. The last line counts, all cases and those whose inputs and outputs are float32, int32, int64
and bool only. --record writes the outcome of every case as JSON.
"""
import argparse
import json
import pathlib
import re
import sys
import time
import unittest
import warnings

import onnx
import onnx.backend.test
from backend import SylviteBackend

HERE = pathlib.Path(__file__).parent
CORE = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}


def read_list(name):
    entries = {}
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            case, _, reason = line.partition(": ")
            entries[case] = reason
    return entries


def collect():
    warnings.simplefilter("ignore")
    suite = onnx.backend.test.BackendTest(RecordingBackend, __name__)
    suite.exclude(r"_cuda$")
    cases = {}
    for test_class in suite.test_cases.values():
        for name in unittest.TestLoader().getTestCaseNames(test_class):
            if name.endswith("_cpu"):
                cases[name.removesuffix("_cpu")] = test_class(name)
    return cases


def is_core(model):
    """Whether all inputs and outputs are tensors of float32, int32, int64 or bool."""
    return all(value.type.HasField("tensor_type") and value.type.tensor_type.elem_type in CORE
               for value in [*model.graph.input, *model.graph.output])


class RecordingBackend(SylviteBackend):
    """Keeps the model of the case that runs."""

    model = None

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        RecordingBackend.model = model
        return super().prepare(model, device, **kwargs)


def outcome(case):
    """None for a pass, else the first line of what went wrong."""
    result = unittest.TestResult()
    case.run(result)
    problems = [text for _, text in result.errors + result.failures] + [f"skipped: {why}" for _, why in result.skipped]
    if not problems:
        return None
    lines = [line for line in problems[0].strip().splitlines() if line.strip()]
    # The diagnostic of the compiler, or what the comparison says.
    pattern = r"\S*(CompileError|Mismatch|Error|Exception|skipped)\b.*\S"
    chosen = next((line for line in lines if "CompileError: " in line and "raise " not in line), None)
    chosen = chosen or next((line for line in lines if line.startswith("Mismatched elements")), None)
    chosen = chosen or next((line for line in reversed(lines) if re.match(pattern, line)), lines[-1])
    return chosen.replace("backend.CompileError: ", "")[:300]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shard", default="0/1")
    parser.add_argument("--only")
    parser.add_argument("--record")
    parser.add_argument("-v", action="store_true")
    arguments = parser.parse_args()
    index, count = map(int, arguments.shard.split("/"))
    skip, failing = read_list("skip.txt"), read_list("failing.txt")
    cases = collect()
    # Cases of one kind stand together, so a stride spreads the slow ones.
    names = sorted(cases)[index::count]
    if arguments.only:
        names = [name for name in names if re.search(arguments.only, name)]
    record, core, surprises = {}, [], 0
    for name in names:
        if name in skip:
            continue
        started = time.monotonic()
        problem = record[name] = outcome(cases[name])
        if is_core(RecordingBackend.model):
            core.append(name)
        seconds = f"{time.monotonic() - started:.2f} s"
        if problem and name not in failing:
            surprises += 1
            print(f"{name}, {seconds}, fails: {problem}", flush=True)
        elif not problem and name in failing:
            surprises += 1
            print(f"{name}, {seconds}, passes, and failing.txt lists it", flush=True)
        elif arguments.v:
            print(f"{name}, {seconds}, {problem or 'passes'}", flush=True)
    if arguments.record:
        pathlib.Path(arguments.record).write_text(json.dumps({"outcomes": record, "core": core}, indent=0))
    passed, attempted = (sum(record[name] is None for name in record), len(record))
    print(f"{passed} of {attempted} pass, {len(names) - attempted} are skipped; "
          f"of core types {sum(record[name] is None for name in core)} of {len(core)}")
    return surprises > 0


if __name__ == "__main__":
    sys.exit(main())
