"""Compares nn.random with Philox2x32-10 as its paper has it, in Python's integers. Usage: random.py MODEL.mlir DIRECTORY"""
import pathlib
import subprocess
import sys

import numpy as np

MULTIPLIER, WEYL, MASK = 0xD256D193, 0x9E3779B9, 0xFFFFFFFF
SEED, STEP, ITEMS = 12345, 7, 300


def philox(counter, step, key):
    for round_ in range(10):
        product = MULTIPLIER * counter
        counter = product >> 32 ^ (key + round_ * WEYL) & MASK ^ step
        step = product & MASK
    return counter, step


def words(stream, count):
    return [philox(i, STEP, SEED + stream * WEYL & MASK) for i in range(count)]


model, directory = sys.argv[1], pathlib.Path(sys.argv[2])
directory.mkdir(parents=True, exist_ok=True)
np.savez(directory / "in.npz", step=np.array(STEP, np.int64), x=np.zeros((ITEMS, 5), np.float32))
subprocess.run(["sylvite", "compile", model, "-o", directory, "--name", "random"], check=True)
subprocess.run(["sylvite", "run", directory / "librandom.so", "-i", directory / "in.npz", "-o", directory / "out.npz"],
               check=True)
with np.load(directory / "out.npz") as result:
    uniform = np.array([(first >> 8) / 2**24 for first, _ in words(3, 5 * ITEMS)], np.float32).reshape(ITEMS, 5)
    assert (result["u"] == uniform).all(), "uniform numbers differ"
    pairs = np.array(words(4, ITEMS), np.float64) // 256
    normal = np.sqrt(-2 * np.log((pairs[:, 0] + 1) / 2**24)) * np.cos(2 * np.pi * pairs[:, 1] / 2**24)
    assert np.abs(result["n"][:, 0] - normal).max() < 1e-5, "normal numbers differ"
print("as Philox2x32-10")
