"""Runs one case of a cases.py: sylvite-import must exit with 1 and say one error that holds the expected texts.

Usage: run_case.py SUITE CASE DIRECTORY, where SUITE holds cases.py and DIRECTORY is made anew for the case's files.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys


def main(cases, name, directory):
    files, arguments, expected = cases[name]
    directory = pathlib.Path(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for file, contents in files.items():
        if contents is not None:
            data = contents if isinstance(contents, bytes) else json.dumps(contents).encode()
            (directory / file).write_bytes(data)
    run = subprocess.run(["sylvite-import", next(iter(files)), *arguments], cwd=directory, capture_output=True, text=True,
                         errors="replace")
    lines = run.stderr.splitlines()
    wrong = [f"does not say: {text}" for text in expected if text not in run.stderr]
    if run.returncode != 1:
        wrong.append(f"exit status {run.returncode} instead of 1")
    if len(lines) != 1 or not lines[0].startswith("error: "):
        wrong.append(f"{len(lines)} lines instead of one error")
    if run.stdout:
        wrong.append("something is printed in spite of the error")
    if sorted(os.listdir(directory)) != sorted(f for f, contents in files.items() if contents is not None):
        wrong.append("a file is left behind")
    print("\n".join([*wrong, run.stderr]))
    return bool(wrong)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from cases import CASES
    sys.exit(main(CASES, *sys.argv[2:]))
