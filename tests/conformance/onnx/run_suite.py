"""Runs a part of ONNX's backend suite (onnx.backend.test) and counts.

    run_suite.py [--shard I/N] [--only REGEX] [--record FILE] [--at-least COUNT] [-v]

Cases that fail are printed with what went wrong: the compiler's diagnostic, or what the comparison says. skip.txt lists the
cases that are not attempted. The last line counts; the exit status is that of --at-least, the number of cases that must
pass. --record writes the outcome of every case as JSON.
"""
import argparse
import json
import pathlib
import re
import sys
import time
import unittest
import warnings

import onnx.backend.test
from backend import SylviteBackend

HERE = pathlib.Path(__file__).parent


def read_list(name):
    entries = {}
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            case, _, reason = line.partition(": ")
            entries[case] = reason
    return entries


def collect():
    warnings.simplefilter("ignore")
    suite = onnx.backend.test.BackendTest(SylviteBackend, __name__)
    suite.exclude(r"_cuda$")
    cases = {}
    for test_class in suite.test_cases.values():
        for name in unittest.TestLoader().getTestCaseNames(test_class):
            if name.endswith("_cpu"):
                cases[name.removesuffix("_cpu")] = test_class(name)
    return cases


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
    parser.add_argument("--at-least", type=int, default=0)
    parser.add_argument("-v", action="store_true")
    arguments = parser.parse_args()
    index, count = map(int, arguments.shard.split("/"))
    skip = read_list("skip.txt")
    cases = collect()
    # Cases of one kind stand together, so a stride spreads the slow ones.
    names = sorted(cases)[index::count]
    if arguments.only:
        names = [name for name in names if re.search(arguments.only, name)]
    record = {}
    for name in names:
        if name in skip:
            continue
        started = time.monotonic()
        problem = record[name] = outcome(cases[name])
        if problem or arguments.v:
            print(f"{name} {time.monotonic() - started:.2f} s: {problem or 'passes'}", flush=True)
    if arguments.record:
        pathlib.Path(arguments.record).write_text(json.dumps(record, indent=0))
    passed = sum(problem is None for problem in record.values())
    print(f"{passed} passed, {len(record) - passed} failed, {len(names) - len(record)} skipped")
    return passed < arguments.at_least


if __name__ == "__main__":
    sys.exit(main())
