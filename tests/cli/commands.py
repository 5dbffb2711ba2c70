"""Runs `sylvite` on libtoy.so and checks outputs, JSON, messages and exit statuses. Usage: commands.py DIRECTORY"""
import json
import pathlib
import subprocess
import sys

import numpy as np

directory = pathlib.Path(sys.argv[1])
library = directory / "libtoy.so"
failures = []


def sylvite(*arguments, status=0, message=""):
    result = subprocess.run(["sylvite", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != status or message not in result.stderr or (status == 0) != (result.stderr == ""):
        failures.append(f"{arguments}: status {result.returncode}, expected {status} and '{message}': {result.stderr}")
    return result.stdout


def save(**arrays):
    np.savez(directory / "in.npz", **{name.replace("_0", ":0"): array for name, array in arrays.items()})


x = np.arange(12, dtype=np.float32).reshape(3, 4) ** 2
z = np.full((3, 4), 0.5, np.float32)
save(x=x, x_0=z, unused=np.zeros(1))
for threads in (0, 1, 2):
    sylvite("run", library, "--input", directory / "in.npz", "--output", directory / "out.npz", "--threads", threads)
    guarded = directory / "guarded.npz"
    sylvite("run", library, "--input", directory / "in.npz", "--output", guarded, "--threads", threads, "--guard")
    assert guarded.read_bytes() == (directory / "out.npz").read_bytes()
    with np.load(directory / "out.npz") as out:
        if out.files != ["total", "steps"] or not np.array_equal(out["total"], 2 * (x + z).sum(1)) or \
                not np.array_equal(out["steps"], np.diff(x)) or out["steps"].dtype != np.float32:
            failures.append(f"wrong outputs with {threads} threads: {dict(out)}")

# A kernel that reads beyond an input, whose end is the end of the memory that there is.
beyond = ["sylvite", "run", directory / "libbeyond.so", "--input", directory / "in.npz", "--output", directory / "beyond.npz", "--guard"]
if subprocess.run(beyond, capture_output=True).returncode == 0:
    failures.append("--guard let a kernel read beyond its input")

info = json.loads(sylvite("inspect", library, "--json"))
tensor = {"dtype": "float32", "shape": [None, None]}
expected = {"name": "toy", "inputs": [{"name": "x", **tensor}, {"name": "x:0", **tensor}],
            "outputs": [{"name": "total", "dtype": "float32", "shape": [None]}, {"name": "steps", **tensor}],
            "parameters": 7, "states": [], "kernels": 2, "loops": [],
            "memory": {"weights": 67, "workspace": 4, "workspace_of_32": 128}}
if info != expected or list(info) != list(expected):
    failures.append(f"inspect --json: {info}")
for length in (1, 3):  # operations are known where no dimension but the batch is free; a kernel of no elements does not run
    bench = json.loads(sylvite("bench", library, "--batch", 2, "--dim", f"length={length}", "--seconds", "0.02", "--threads", 1, "--json"))
    if bench["dims"] != {"batch": 2, "length": length} or bench["threads"] != 1 or \
            bench.get("flops") != (2 * 8 if length == 1 else None) or \
            not bench["min_seconds"] <= bench["median_seconds"] or len(bench["kernels"]) != 2:
        failures.append(f"bench --json: {bench}")

run = ("run", library, "--input", directory / "in.npz", "--output", directory / "out.npz")
save(x=x)
sylvite(*run, status=1, message="has no array 'x:0' for the model's input of that name; it has: x")
save(x=x, x_0=z[:2])
sylvite(*run, status=1, message="inputs disagree on 'batch': 3 in 'x', 2 in 'x:0'")
save(x=x[:, :1], x_0=z[:, :1])
sylvite(*run)
assert np.load(directory / "out.npz")["steps"].shape == (3, 0)
save(x=x, x_0=z)
sylvite(*run, "--weights", "/no/such/file", status=1, message="cannot open /no/such/file: No such file or directory")
sylvite("run", library, "--input", directory / "in.npz", "--output", "out.npy", status=1, message="the model has 2 outputs")
np.save(directory / "in.npy", x)
sylvite("run", library, "--input", directory / "in.npy", "--output", "out.npz", status=1, message="the inputs 'x', 'x:0'")
sylvite("inspect", directory / "libtoy.a", status=1, message="is a static library, which cannot be loaded")
sylvite("inspect", directory / "kernels.o", status=1, message="is not a shared library")
sylvite("inspect", directory / "absent.so", status=1, message="cannot read")
sylvite("inspect", directory, status=1, message="cannot read")
sylvite("bench", library, status=1, message="the free dimension 'length' needs a size: --dim length=SIZE")
sylvite("bench", library, "--dim", "width=3", status=1, message="no free dimension 'width'")
sylvite("bench", library, "--dim", "length=x", status=1, message="expected NAME=SIZE")
sylvite("bench", library, "--dim", "length=1000000", "--batch", "1000000", status=1, message="2^31 elements or more")
content = library.read_bytes()
(directory / "cut.so").write_bytes(content[:5000])
sylvite("inspect", directory / "cut.so", status=1, message="cut.so")
(directory / "short.so").write_bytes(content[:70])
sylvite("inspect", directory / "short.so", status=1, message="short.so")
libc = next(path for path in (line.split()[-1] for line in open("/proc/self/maps") if "libc.so" in line))
sylvite("inspect", libc, status=1, message="was not made by Sylvite")
sylvite(status=2, message="A subcommand is required")
sylvite("frobnicate", status=2, message="sylvite --help")
sylvite("run", library, status=2, message="--input is required")
sylvite(*run, "--threads", "-1", status=2, message="--threads")
sylvite("bench", library, "--batch", "0", status=2, message="--batch")
with open("/dev/full", "w") as full:
    if subprocess.run(["sylvite", "inspect", library], stdout=full, stderr=subprocess.DEVNULL).returncode != 1:
        failures.append("a full disk under standard output is not noticed")

print("\n".join(failures) or "all as expected")
sys.exit(bool(failures))
